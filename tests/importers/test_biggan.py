"""Hugging Face's BigGAN folders: what comes out is what `pytorch-pretrained-biggan` makes of them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genstudio import checkpoint
from genstudio.engine.loaded import fused
from genstudio.importers.convert import convert, recognise
from genstudio.importers.lazy_tensor import Refused
from genstudio.layers.biggan_deep import Attention, BatchNorm, Conv, Pointwise
from genstudio.model import Noise
from genstudio.models.biggan import BigGAN, biggan_of_bottlenecks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorch_pretrained_biggan.config import BigGANConfig
    from pytorch_pretrained_biggan.model import BigGAN as Theirs

SAME = 1e-4
# 4, 8, 16 and 32 pixels; a block that halves the channels, and not the picture, among those that do both or neither.
LAYERS = [[False, 16, 16], [True, 16, 8], [False, 8, 8], [True, 8, 4], [False, 4, 2], [True, 2, 1]]
SETTINGS = {
    "output_dim": 32, "z_dim": 12, "class_embed_dim": 12, "channel_width": 8, "num_classes": 5, "layers": LAYERS,
    "attention_layer_position": 4, "eps": 1e-4, "n_stats": 11,
}  # fmt: skip


def theirs(**changes) -> Theirs:
    """Their network with random numbers everywhere: vectors of spectral norm that are near the singular ones, and not
    at them; statistics that differ from row to row."""
    model = Theirs(BigGANConfig.from_dict(SETTINGS | changes)).eval().requires_grad_(False)
    draw = torch.Generator().manual_seed(0)
    state = model.state_dict()
    for key, tensor in sorted(state.items()):
        tensor.copy_(torch.randn(tensor.shape, generator=draw))
        if key.endswith("running_vars"):
            tensor.abs_().add_(0.5)
        elif key.startswith(("generator.bn.", "generator.conv_to_rgb.bias")):  # so that the tangent cuts little off
            tensor.mul_(0.3)
    for key in [key for key in state if key.endswith("weight_orig")]:
        matrix, u, v = (state[key.replace("_orig", end)] for end in ("_orig", "_u", "_v"))
        left, _, right = torch.linalg.svd(matrix.flatten(1), full_matrices=False)
        u.copy_(left[:, 0] + 0.02 * u)
        v.copy_(right[0] + 0.02 * v)
    return model


def kept(folder: Path, model: Theirs, new: bool = True, **changes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(SETTINGS | changes))
    torch.save(model.state_dict(), folder / "pytorch_model.bin", _use_new_zipfile_serialization=new)
    return folder


@torch.no_grad()
def pictures(model: Theirs, z: Tensor, kinds: list[int], truncation: float) -> Tensor:
    return model(z * truncation, torch.eye(model.config.num_classes)[kinds], truncation)


@torch.no_grad()
def ours(model: BigGAN, z: Tensor, kinds: list[int], truncation: float) -> Tensor:
    return model.decode(torch.cat([z, model.generator.class_embedding.weight[kinds]], 1), truncation=truncation)


KINDS = [0, 4, 2]


@pytest.fixture
def z() -> Tensor:
    return torch.randn(3, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return kept(tmp_path_factory.mktemp("biggan"), theirs())


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    "changes",
    [{}, {"attention_layer_position": 0}, {"attention_layer_position": -1}, {"eps": 1e-3, "n_stats": 51}],
    ids=["as published", "attention first", "no attention", "another eps"],
)
def test_the_pictures_are_the_originals(changes, new, z, tmp_path):
    """At rows of the statistics, between two of them, where the original exchanges their shares, and hard by one."""
    original = theirs(**changes)
    model = recognise(kept(tmp_path / "wild", original, new, **changes)).model()
    for truncation in (1.0, 0.5, 0.37, 0.7, 0.02):
        expected = pictures(original, z, KINDS, truncation)
        assert 0.2 < expected.std() < 0.8 and expected.shape == (3, *model.image_shape)
        assert (ours(model, z, KINDS, truncation) - expected).abs().max() < SAME
        assert (ours(fused(model), z, KINDS, truncation) - expected).abs().max() < SAME


def test_what_is_converted_is_loaded_as_the_same(folder, z, tmp_path):
    target = tmp_path / "biggan_deep.wild.safetensors"
    convert(folder, target)
    model, header = checkpoint.load(target)
    assert header.system == "biggan_deep" and header.classes == ["0", "1", "2", "3", "4"]
    assert (ours(model, z, KINDS, 0.37) - pictures(theirs(), z, KINDS, 0.37)).abs().max() < SAME


def test_classes_are_asked_for_by_number_and_none_is_their_mean(folder):
    model, original = recognise(folder).model(), theirs()
    with torch.no_grad():
        made = next(model.sample(Noise([3]), label="4", truncation=0.5)).images
        expected = pictures(original, model._truncated(Noise([3])), [4], 0.5)
    assert (made - expected).abs().max() < SAME
    kinds = model.generator.class_embedding.weight
    torch.testing.assert_close(kinds[5], original.embeddings.weight.mean(1))


def test_beyond_1_the_last_statistics_stay_and_the_code_goes_on(folder, z):
    model = recognise(folder).model()
    torch.testing.assert_close(ours(model, z, KINDS, 1.5), ours(model, 1.5 * z, KINDS, 1.0))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers": [[True, 16, 16]] * 40}, "should be 1 to 15 blocks"),
        ({"layers": [[True, 16, 8], [True, 4, 1]]}, "block 2 should take 8 times the narrowest channels, and takes 4"),
        ({"layers": [[True, 16, 5], [True, 5, 1]]}, "keeps or halves its 128 channels, and cannot make 40"),
        ({"layers": [["yes", 16, 16]]}, "one is .'yes', 16, 16."),
        ({"layers": [[True, 16, 16]] * 9 + [[False, n, n // 2] for n in (16, 8, 4, 2)]}, "2048 pixels wide"),
        ({"n_stats": 51}, "n_stats is 51, and its weights that it is 11"),
        ({"z_dim": "many"}, "z_dim is many"),
        ({"z_dim": 13}, "start.weight should be .2048, 25., and is .2048, 24."),
        ({"eps": None}, "eps is None"),
        ({"attention_layer_position": 2}, "is not there"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_words(changes, said, folder, tmp_path):
    (tmp_path / "pytorch_model.bin").symlink_to(folder / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS | changes))
    with pytest.raises(Refused, match=said):
        recognise(tmp_path).model()


def test_weights_alone_and_weights_that_miss_one_are_refused(folder, tmp_path):
    with pytest.raises(Refused, match=r"no config.json that says which blocks double the picture"):
        recognise(folder / "pytorch_model.bin")
    whole = torch.load(folder / "pytorch_model.bin")
    for key, wrong, said in (
        ("generator.bn.bias", None, "its generator.bn.bias is not there"),
        ("generator.layers.4.gamma", torch.ones(2), "its generator.attention.0.weight should be .., and is .2,."),
        ("generator.layers.0.conv_1.weight_u", torch.ones(7), "conv_1.weight_orig is .32, 32, 3, 3., and its weight_u"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(SETTINGS))
        state = {name: tensor for name, tensor in whole.items() if name != key}
        torch.save(state if wrong is None else state | {key: wrong}, tmp_path / "pytorch_model.bin")
        with pytest.raises(Refused, match=said):
            recognise(tmp_path).model()


# Laws of the layers


def test_doubling_and_looking_are_one_when_folded():
    layer, x = Conv(5, doubles=True), torch.randn(2, 5, 3, 4)
    expected = layer(x)
    layer.fuse(), layer.fuse()  # a second time changes nothing
    assert layer.folded and layer.weight.shape[2:] == (4, 4)
    torch.testing.assert_close(layer(x), expected)


def test_pointwise_is_a_convolution():
    layer, x = Pointwise(4, 7), torch.randn(2, 4, 3, 5)
    torch.testing.assert_close(layer(x), torch.nn.functional.conv2d(x, layer.weight, layer.bias))


def test_attention_begins_as_the_identity():
    x = torch.randn(2, 16, 4, 4)
    torch.testing.assert_close(Attention(16)(x), x)


def test_statistics_that_were_gathered_make_sampling_what_training_was():
    torch.manual_seed(0)
    model = biggan_of_bottlenecks((32, 16, 8), (True, True), latent_dim=4, classes=3, embedding=3, attention_position=2, rows=9).eval()
    model.finish([])
    noise = Noise(range(128))
    kind = model.generator.class_embedding(torch.arange(64).repeat(2) % 4)
    for truncation in (1.0, 0.5):
        z = model._truncated(noise)
        with torch.no_grad():
            kept = model.decode(torch.cat([z, kind], 1), truncation=truncation)
            expected = model.train().generator(z * truncation, kind)
        model.eval()
        assert (kept - expected).abs().mean() < 0.1 * expected.std()
    for norm in (module for module in model.modules() if isinstance(module, BatchNorm)):
        assert norm.gathering is None
        torch.testing.assert_close(norm.means[1], (norm.means[0] + norm.means[2]) / 2)
        assert not torch.equal(norm.variances[0], norm.variances[2])
