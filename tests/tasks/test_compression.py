"""Files of tokens: real bytes of a range coder, which decode to the same tokens, or a sentence."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import checkpoint
from genstudio.cli import main
from genstudio.engine import Engine, tokens
from genstudio.model import Noise
from genstudio.registry import systems
from genstudio.tasks import compression
from genstudio.tasks.compression import HEAD, Decoder, Encoder, compress, decompress
from tests.small import INSTANCES, awake

NAMES = ("small_vqvae", "small_vqvae2", "small_gpt", "small_pixelcnn", "small_maskgit", "small_top_pixelcnn")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """An engine with a home of small tokenizers and priors."""
    home = tmp_path_factory.mktemp("home")
    (home / "checkpoints").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENSTUDIO_HOME", str(home))
        for name in NAMES:  # each after its companions
            patch.setitem(systems(), name, INSTANCES[name])
            write(home, name)
        yield Engine("cpu")


def write(home, name: str) -> None:
    entry, folder = INSTANCES[name], home / "checkpoints"
    model = awake(entry)
    roles = {role: checkpoint.digest(folder / f"{entry.companions[role]}.safetensors") for role in model.trained_with}
    checkpoint.save(folder / f"{name}.safetensors", model, checkpoint.Header(name, companions=roles), pack=False)


def noise(width: int, height: int) -> Image.Image:
    return Image.effect_noise((width, height), 80)


def test_ten_thousand_tokens_come_back_in_as_many_bits_as_their_cross_entropy(engine):
    """Of all kinds, so that likely and unlikely ones are coded."""
    model = tokens.exact_model(engine, "small_gpt", "write").model
    numbers = torch.randint(16, (625, 16), generator=torch.Generator().manual_seed(0)).numpy()
    nats = model.token_nats([torch.from_numpy(numbers)], model.states(625, {})).sum().item()
    coder = Encoder(model)
    for row in numbers:
        coder.add(row)
    decoder = Decoder(model, data := coder.bytes())
    assert all(np.array_equal(decoder.next(), row) for row in numbers) and numbers.size == 10_000
    assert abs(8 * len(data) * math.log(2) / nats - 1) < 0.01


@pytest.mark.parametrize("prior", [None, "small_gpt", "small_pixelcnn"])
@pytest.mark.parametrize("size", [(16, 16), (40, 20), (5, 3)])
def test_a_picture_of_any_size_goes_to_a_file_and_back(engine, prior, size):
    made = compress(engine, "small_vqvae", noise(*size), prior)
    picture, again = decompress(engine, made.data)
    assert picture.size == size and np.array_equal(made.numbers, again.numbers)
    assert (again.tokenizer, again.prior, again.tiles) == ("small_vqvae", prior, made.tiles)
    assert made.payload == len(made.data) - HEAD.size
    assert made.bits_per_pixel == 8 * len(made.data) / (size[0] * size[1])
    if prior is None:
        assert made.payload == made.numbers.size * 4 // 8, "16 entries are 4 bits"


def test_a_tile_of_the_picture_is_its_reconstruction(engine):
    picture, made = decompress(engine, compress(engine, "small_vqvae", whole := noise(32, 16)).data)
    right = tokens.tokenize(engine, "small_vqvae", [whole.crop((16, 0, 32, 16)).convert("RGB")])
    assert np.array_equal(right[0], made.numbers[1])
    drawn = tokens.detokenize(engine, "small_vqvae", right)[0].squeeze()
    assert np.array_equal(np.asarray(picture)[:, 16:], drawn)


@pytest.mark.parametrize("prior", [None, "small_gpt"])
def test_every_damaged_byte_gets_a_sentence(engine, prior):
    data = compress(engine, "small_vqvae", noise(16, 16), prior).data
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 0x55
        with pytest.raises(ValueError, match="tokens|weights"):
            decompress(engine, bytes(broken))
    for length in range(len(data)):
        with pytest.raises(ValueError, match="token"):
            decompress(engine, data[:length])
    with pytest.raises(ValueError, match="damaged"):
        decompress(engine, data + b"0")
    with pytest.raises(ValueError, match="no file of tokens"):
        decompress(engine, b"")


def forged(data: bytes, place: int, value: Any) -> bytes:
    """A file with another value of a field of its head, and the checksum of that."""
    *fields, _ = HEAD.unpack_from(data)
    fields[place] = value
    payload = data[HEAD.size :]
    return HEAD.pack(*fields, zlib.crc32(HEAD.pack(*fields, 0) + payload)) + payload


@pytest.mark.parametrize(("place", "value"), [(2, 2), (3, 0), (4, 65), (4, 2), (8, 0), (8, 17), (9, 40)])
def test_a_head_that_fits_no_picture_is_damaged(engine, place, value):
    data = compress(engine, "small_vqvae", noise(16, 16)).data
    assert decompress(engine, forged(data, 8, 16))[0].size == (16, 16)
    with pytest.raises(ValueError, match="this file of tokens is damaged"):
        decompress(engine, forged(data, place, value))


def test_another_version_is_named(engine):
    with pytest.raises(ValueError, match="version 2; this GenStudio reads version 1"):
        decompress(engine, forged(compress(engine, "small_vqvae", noise(16, 16)).data, 1, 2))


def test_weights_that_are_not_here_are_named(engine):
    data = compress(engine, "small_vqvae", noise(16, 16), "small_gpt").data
    with pytest.raises(ValueError, match="a prior of weights 000000000000, which are not here"):
        decompress(engine, forged(data, 6, bytes(6)))
    with pytest.raises(ValueError, match="a tokenizer of weights 010101010101, which are not here"):
        decompress(engine, forged(data, 5, b"\1" * 6))


def test_a_processor_that_rounds_otherwise_gets_a_sentence_and_plain_tokens_open(engine, monkeypatch):
    picture = noise(16, 16)
    coded, plain = (compress(engine, "small_vqvae", picture, prior).data for prior in ("small_gpt", None))
    exactly = compression.probabilities
    monkeypatch.setattr(compression, "probabilities", lambda logits: exactly(logits + torch.linspace(0, 0.5, 16)))
    with pytest.raises(ValueError, match="this processor rounds otherwise; a file of plain tokens opens anywhere"):
        decompress(engine, coded)
    assert decompress(engine, plain)[0].size == (16, 16)


def test_what_cannot_code_is_refused(engine):
    for prior in ("small_maskgit", "small_top_pixelcnn"):
        with pytest.raises(ValueError, match=f"{prior} does not write the tokens one after another"):
            compress(engine, "small_vqvae", noise(16, 16), prior)
    with pytest.raises(ValueError, match="too large to compress here: up to 1024 a side"):
        compress(engine, "small_vqvae", noise(1040, 16))
    with pytest.raises(ValueError, match="small_gpt has no tokens"):
        compress(engine, "small_gpt", noise(16, 16))


def test_writing_step_by_step_is_what_the_model_writes(engine):
    steps = list(tokens.write(engine, "small_gpt", 3))
    [*_, last] = tokens.exact_model(engine, "small_gpt", "write").model.write(Noise([3]))
    assert len(steps) == 16 and np.array_equal(steps[-1].tokens, last.tokens[0].numpy()) and steps[-1].known.all()
    for number, step in enumerate(steps):
        assert step.written.tolist() == [number] and step.image.shape == (16, 16, 1)
        assert (np.diff(step.probabilities[0]) <= 0).all() and 0 <= step.entropy[0] <= 4
        token = step.tokens[number]
        if token in step.top[0]:
            assert step.own[0] == step.probabilities[0][list(step.top[0]).index(token)]
    half = np.arange(16) < 8
    around = list(tokens.write(engine, "small_gpt", 5, steps[-1].tokens, half))
    assert len(around) == 8 and np.array_equal(around[-1].tokens[:8], steps[-1].tokens[:8])
    assert tokens.priors_of("small_vqvae") == ["small_gpt", "small_maskgit", "small_pixelcnn"]


def test_an_entry_of_the_codebook_is_a_cell_of_a_picture_of_it(engine):
    pictures, usage = tokens.codebook(engine, "small_vqvae")
    assert pictures.shape == (16, 4, 4, 1) and usage.shape == (16,)
    whole = tokens.detokenize(engine, "small_vqvae", np.full((1, 16), 7))
    assert np.array_equal(pictures[7], whole[0, 8:12, 8:12])


def test_the_commands_write_a_file_and_read_it_again(engine, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    noise(40, 20).save("wide.png")
    assert main(["compress", "small_vqvae", "wide.png", "--prior", "small_gpt"]) == 0
    said = capsys.readouterr().out
    size = (tmp_path / "wide.tokens").stat().st_size
    assert said.startswith(f"96 tokens, under small_gpt, {size} bytes, ") and said.rstrip().endswith("in wide.tokens")
    assert main(["decompress", "wide.tokens", "--out", "again.png", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["tiles"] == [2, 3] and facts["size"] == [40, 20] and facts["bytes"] == size
    made = compress(engine, "small_vqvae", noise_of("wide.png"), "small_gpt")
    assert np.array_equal(np.asarray(Image.open("again.png")), np.asarray(decompress(engine, made.data)[0]))
    (tmp_path / "broken.tokens").write_bytes(b"GSTK")
    assert main(["decompress", "broken.tokens"]) == 2
    assert "this is no file of tokens" in capsys.readouterr().err


def noise_of(path: str) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()
