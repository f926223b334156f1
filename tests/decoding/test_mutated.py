"""Mutated pictures through opening, the command line and the API: a picture or a sentence, and never anything else.

Bytes flipped, cut, doubled, headers of another kind, sizes of 10^9 pixels.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import struct
import sys
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from genstudio import checkpoint, cli, paths
from genstudio.decoding.formats import FORMATS
from genstudio.images import flatten, open_picture, remarks
from genstudio.importers.identify import identify
from genstudio.recipes.verbs import VERBS
from genstudio.registry import systems
from genstudio.ui import api
from tests import small
from tests.decoding.profiles import ink_profile, matrix_profile
from tests.memory import peak
from tests.test_images import encoded

SECONDS = 20  # for one picture: none takes a tenth of it on an idle machine
MEMORY = 1.5e9  # bytes, of the whole process
HUGE = (31_623, 2**31 - 1, 40_000, 65_535, 0)  # sides; the first squared is 10^9


def seeds() -> list[bytes]:
    """A picture of each format, with all that may stand beside the pixels."""
    noise = np.random.RandomState(0).randint(0, 256, (40, 48, 3), dtype=np.uint8)
    picture, exif, text = Image.fromarray(noise), Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x0112], exif[0x013B] = 6, "somebody"
    text.add_text("plain", "x" * 80)
    text.add_text("packed", "y" * 800, zip=True)
    text.add_itxt("genstudio", '{"verb": "sample", "seed": 3}', zip=True)
    beside = {"exif": exif, "icc_profile": matrix_profile("Adobe RGB")}
    found = [encoded(picture, "PNG", pnginfo=text, **beside), encoded(picture.quantize(16), "PNG", transparency=3)]
    found += [encoded(picture, kind, **beside) for kind in ("JPEG", "WEBP", "TIFF", "AVIF") if kind in FORMATS]
    found += [encoded(picture, kind) for kind in ("BMP", "PPM", "ICO", "GIF")]
    found += [encoded(picture.convert("CMYK"), kind, icc_profile=ink_profile()) for kind in ("JPEG", "TIFF")]
    found += [encoded(picture, "TIFF", compression=way) for way in ("tiff_lzw", "tiff_adobe_deflate", "jpeg")]
    found += [
        encoded(Image.fromarray(noise[..., 0].astype(kind)), "TIFF") for kind in (np.float32, np.int32, np.uint16)
    ]
    for kind in ("GIF", "PNG", "WEBP", "TIFF", "MPO"):
        stream = io.BytesIO()
        picture.copy().save(stream, kind, save_all=True, append_images=[picture.rotate(90), picture.rotate(180)])
        found.append(stream.getvalue())
    return found


def sized(body: bytes, draw: np.random.RandomState) -> bytes:
    """The file with another size in its header, and a right checksum."""
    side = struct.pack(">I", draw.choice(HUGE))
    if body.startswith(b"\x89PNG"):
        header = b"IHDR" + side + struct.pack(">I", draw.choice(HUGE)) + body[24:29]
        return body[:12] + header + struct.pack(">I", zlib.crc32(header)) + body[33:]
    if body.startswith(b"\xff\xd8"):
        place = max(body.find(b"\xff\xc0"), body.find(b"\xff\xc2"))
        return body[: place + 5] + b"\xff\xff\xff\xff" + body[place + 9 :]
    place = {b"BM": 18, b"GI": 6, b"RI": 24, b"II": 0}.get(body[:2], 16)
    if body.startswith(b"II*\0"):
        place = struct.unpack_from("<I", body, 4)[0] + 10  # the width, its first tag
    return body[:place] + 2 * side[::-1] + body[place + 8 :]


def mutated(originals: list[bytes], draw: np.random.RandomState) -> bytes:
    body = bytearray(originals[draw.randint(len(originals))])
    way = draw.randint(7)
    if way == 0:  # anywhere
        for place in draw.randint(0, len(body), draw.randint(1, 20)):
            body[place] = draw.randint(256)
    elif way == 1:  # where the header is
        for place in draw.randint(0, min(len(body), 300), draw.randint(1, 6)):
            body[place] = draw.choice([0, 1, 127, 128, 255])
    elif way == 2:
        del body[draw.randint(len(body)) :]
    elif way == 3:
        start, end = sorted(draw.randint(0, len(body), 2))
        body[start:start] = body[start:end]
    elif way == 4:
        start, end = sorted(draw.randint(0, len(body), 2))
        del body[start:end]
    elif way == 5:
        return sized(bytes(body), draw)
    else:  # the start of another format
        other = originals[draw.randint(len(originals))]
        count = draw.randint(4, 64)
        body[:count] = other[:count]
    return bytes(body)


@pytest.fixture
def translator(tmp_path, monkeypatch) -> str:
    """A small denoiser and a diffusion model by name; the working directory is empty."""
    shelf, here = tmp_path / "shelf", tmp_path / "here"
    shelf.mkdir(), here.mkdir()
    monkeypatch.setattr(paths, "checkpoint_folders", lambda: [shelf])
    monkeypatch.chdir(here)
    for name in ("small_denoiser", "small_diffusion"):
        entry = small.INSTANCES[name]
        monkeypatch.setitem(systems(), name, entry)
        torch.manual_seed(0)
        checkpoint.save(shelf / f"{name}.safetensors", small.awake(entry), checkpoint.Header(name))
    return "small_denoiser"


@pytest.mark.timeout(3000)
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the process as Linux counts it")
@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_mutated_picture_is_a_picture_or_costs_a_sentence(count, translator, exact, capsys, tmp_path):
    """In one process: all opened, identified, translated by one command and sent to the API; some drawn anew."""
    originals, draw = seeds(), np.random.RandomState(count)
    bodies = {f"{i:04d}.png": mutated(originals, draw) for i in range(count)}
    source = Path("in")
    source.mkdir()
    for name, body in bodies.items():
        (source / name).write_bytes(body)
    before = peak()

    good, sentences = opened(bodies)
    assert 0.15 * count < len(good) < 0.95 * count, "most kinds of damage leave some pictures, and spoil others"
    assert sentences and all("\n" not in said and len(said) < 200 for said in sentences)

    for name in bodies:  # as one that is dropped on the page
        kind = identify(source / name).kind
        assert kind == "picture" if name in good else kind in ("broken", "other"), name

    assert cli.main(["translate", translator, str(source), "--out", "out", "--json"]) == 0
    said = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(said.out)}
    assert rows.keys() == bodies.keys() and {name for name, row in rows.items() if row["written"]} == good
    check_words(said.err)
    assert {path.name for path in Path("out").iterdir()} == {rows[name]["written"] for name in good}

    names = sorted(bodies)[:: max(1, count // 100)]
    for name in names:
        with timed(name):
            code = cli.main(["img2img", "small_diffusion", str(source / name), "--steps", "2", "--out", f"made/{name}"])
        assert code == (0 if name in good else 2)
        check_words(capsys.readouterr().err)

    endpoint = api.endpoint(exact, VERBS["translate"])
    for name, body in bodies.items():
        with timed(name), contextlib.redirect_stdout(io.StringIO()):
            try:
                endpoint(translator, base64.b64encode(body).decode())
                assert name in good
            except Exception as error:  # of Gradio, with the sentence
                assert name not in good and type(error).__name__ == "Error", (name, repr(error))

    assert {path.name: path.read_bytes() for path in source.iterdir()} == bodies, "an input was written over"
    assert {path.name for path in tmp_path.iterdir()} == {"shelf", "here"}
    assert {path.name for path in Path().iterdir()} == {"in", "out", "made"}
    assert peak() < max(MEMORY, before + 0.5e9), f"{peak() / 1e9:.2f} GB, {before / 1e9:.2f} before"


@contextlib.contextmanager
def timed(name: str):
    started = time.process_time()
    yield
    assert time.process_time() - started < SECONDS, name


def opened(bodies: dict[str, bytes]) -> tuple[set[str], set[str]]:
    """Names of those that open, and the sentences on the others. Any other error, and any warning, fails the test."""
    good, sentences = set(), set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, body in bodies.items():
            with timed(name):
                try:
                    picture = open_picture(body)
                    assert flatten(picture).mode == "RGB" and all(isinstance(said.en, str) for said in remarks(picture))
                    good.add(name)
                except ValueError as error:
                    sentences.add(str(error))
    return good, sentences


def check_words(text: str) -> None:
    """No traceback, no path of a library."""
    assert "Traceback" not in text and "site-packages" not in text and os.sep + "PIL" not in text, text
