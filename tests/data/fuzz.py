"""Mutated zips, folders and label files through reading a set, its report and the command line: `python -m
tests.data.fuzz COUNT FOLDER` prints what came of them as JSON.

Bad input is to end in one sentence (a ValueError, or exit code 2): never in a traceback, a hang, a file outside, or more
memory than a machine has.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import struct
import sys
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from genstudio.cli.parser import main
from genstudio.data import load
from genstudio.data.report import survey
from tests.memory import peak

SHAPE = (3, 16, 16)
EVERY = 10  # mutants through the command line


def picture(rng: random.Random, form: str = "PNG", size: tuple[int, int] = (24, 20), mode: str = "RGB") -> bytes:
    values = np.frombuffer(rng.randbytes(size[0] * size[1] * 3), np.uint8).reshape(size[1], size[0], 3)
    image = Image.fromarray(values).convert("L" if mode.startswith("I") else mode).convert(mode)
    image.save(stream := io.BytesIO(), form)
    return stream.getvalue()


def png_of(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that declares a size, and has a few bytes of pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def declared(rng: random.Random) -> bytes:
    """A picture that declares about 10^9 pixels, in one of several formats."""
    side = rng.choice([31_623, 2**31 - 1, 1_000_000_000, 65_535, 7_990])
    bmp = bytearray(picture(rng, "BMP"))
    bmp[18:26] = struct.pack("<ii", min(side, 2**31 - 1), 31_623)
    gif = bytearray(picture(rng, "GIF", mode="P"))
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    tiff = bytearray(picture(rng, "TIFF"))
    place = tiff.find(struct.pack("<HHII", 256, 4, 1, 24))
    if place >= 0:
        tiff[place + 8 : place + 12] = struct.pack("<I", side % 2**32)
    ppm = f"P6 {side} {side} 255\n".encode() + bytes(500)
    forms = [
        png_of(min(side, 2**31 - 1), rng.choice([1, 8_000, 31_623])),
        png_of(7_999, 7_999, 16, 6),
        bytes(bmp),
        bytes(gif),
    ]
    return rng.choice([*forms, bytes(tiff), ppm])


def named(rng: random.Random, count: int = 12) -> dict[str, bytes]:
    """A small set in one of the layouts, with label files."""
    form, suffix = rng.choice(
        [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("TIFF", ".tif"), ("PPM", ".ppm"), ("PNG", "")]
    )
    size = rng.choice([(24, 20), (40, 20), (64, 64), (1, 1), (300, 2)])
    mode = rng.choice(["RGB", "RGB", "L", "P", "RGBA", "CMYK", "1", "I;16", "I", "F"])
    folders = rng.choice(
        [["a", "b"], [""], ["trainA", "trainB"], ["x/train/a", "x/train/b", "x/test/a"], ["A", "B"], ["00000", "00001"]]
    )
    try:
        bodies = [picture(rng, form, size, mode) for _ in range(3)]
    except (OSError, ValueError):  # a format that lacks the mode
        bodies = [picture(rng)]
    names = [f"{folder}/{i}{suffix}".lstrip("/") for folder in folders for i in range(count)]
    files = {name: rng.choice(bodies) for name in names}
    tables = {
        "dataset.json": json.dumps({"labels": [[name, i % 3] for i, name in enumerate(names)]}).encode(),
        "metadata.jsonl": "\n".join(
            json.dumps({"file_name": n, "label": i % 2, "glasses": True}) for i, n in enumerate(names)
        ).encode(),
        "labels.csv": ("file,label\n" + "\n".join(f"{name},{i % 2}" for i, name in enumerate(names))).encode(),
        "metadata.csv": ("file_name;class\r\n" + "\r\n".join(f"{name};{i % 4}" for i, name in enumerate(names))).encode(
            "utf-16"
        ),
    }
    chosen = rng.sample(sorted(tables), rng.randint(0, 2))
    return files | {name: tables[name] for name in chosen}


def flipped(rng: random.Random, body: bytes) -> bytes:
    out = bytearray(body)
    for _ in range(rng.choice([1, 3, 10, 100])):
        if out:
            out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


BAD_TABLES = [
    b"", b"\xff\xfe\x00", b"[" * 200_000, b'{"labels": ' * 10_000, b'{"labels": [[1e999, NaN]]}', b'{"labels": {"a": {"b": 1}}}',
    b'{"labels": [["a/0.png", 1e400], ["a/1.png", -5], ["a/2.png", 123456789012345678901234567890]]}', b"file,label\n\x00,\x00\n",
    b'"' * 100_001, b"file," * 50_000, b"file,label\n" + b"a/0.png," + b"x" * 300_000, b"\n" * 100_000, b'{"file_name": null}\n' * 999,
    b'{"file_name": "../../x", "label": {"a": [1]}}', "file,label\n0,\ud800".encode("utf-8", "surrogatepass"), b"9" * 5_000,
]  # fmt: skip
BAD_NAMES = [
    "../out.png", "a/../../out.png", "/tmp/genstudio-out.png", "C:\\out.png", "..\\out.png", "a/" * 500 + "x.png", "x" * 4000 + ".png",
    "a\x00.png", "\u202egnp.a", " .png", "a//b.png", "./x.png", "train/../test/x.png", "con.png", "a|b.png", "metadata.csv/x.png",
]  # fmt: skip


def mutant(rng: random.Random, folder: Path) -> Path:
    """Write a mutated set. Returns its path."""
    files, what = (
        named(rng),
        rng.choice(["bytes", "cut", "table", "name", "picture", "pixels", "nested", "links", "lies", "folder", "many"]),
    )
    names = sorted(files)
    if what == "table":
        files[rng.choice(["dataset.json", "metadata.jsonl", "labels.csv", "x/metadata.csv", "a/labels.tsv"])] = (
            rng.choice(
                [*BAD_TABLES, *(flipped(rng, files[n]) for n in names if "." in n and n.endswith(("n", "l", "v")))]
            )
        )
    elif what == "name":
        files |= {rng.choice(BAD_NAMES): picture(rng) for _ in range(rng.randint(1, 3))}
    elif what == "picture":
        files |= {
            name: rng.choice([flipped(rng, files[name]), files[name][: rng.randrange(len(files[name]) + 1)]])
            for name in names[::2]
        }
    elif what == "pixels":
        files |= {name: declared(rng) for name in rng.sample(names, min(len(names), 3))}
    elif what == "nested":
        pack(files, inner := folder / "inner.zip", rng)
        files = {"inner.zip": inner.read_bytes(), "second.zip": inner.read_bytes()} | (
            {} if rng.random() < 0.5 else files
        )
        inner.unlink()
    if what in ("folder", "links"):
        root = folder / "set"
        for name, body in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(body)
        if what == "links":
            for name, target in (
                ("l1.png", "/etc/passwd"),
                ("l2", "/"),
                ("l3.png", root / names[0]),
                ("l4", root),
                ("l5.png", root / "l5.png"),
            ):
                (root / name).symlink_to(target)
        return root
    pack(files, path := folder / "set.zip", rng, links=what == "links", many=what == "many")
    body = path.read_bytes()
    if what == "bytes":
        path.write_bytes(flipped(rng, body))
    elif what == "cut":
        path.write_bytes(body[: rng.randrange(len(body))] if rng.random() < 0.7 else body[rng.randrange(len(body)) :])
    elif what == "lies":  # sizes in the directory
        out = bytearray(body)
        for at in [i for i in range(len(out) - 46) if out[i : i + 4] == b"PK\1\2"]:
            if rng.random() < 0.3:
                out[at + rng.choice([20, 24]) : at + 28] = struct.pack("<I", rng.choice([0, 1, 2**31, 2**32 - 2]))[
                    : 28 - at % 1 - 24
                ]
        path.write_bytes(bytes(out))
    return path


def pack(files: dict[str, bytes], path: Path, rng: random.Random, links: bool = False, many: bool = False) -> None:
    how = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED if many else zipfile.ZIP_LZMA])
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", how) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, body in files.items():
            archive.writestr(name, body)
            if rng.random() < 0.05:
                archive.writestr(name, body)
        if links:
            link = zipfile.ZipInfo("link.png")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "../../../etc/passwd")
        for i in range(3000 if many else 0):
            archive.writestr(f"d{i % 700}/{i}.png", b"x")


def reading(path: Path, rng: random.Random) -> str:
    """Read a set in one of the ways. Returns "read", or "refused"."""
    pairing, crop = rng.choice(["", "", "paired", "unpaired"]), rng.random() < 0.5
    try:
        if rng.random() < 0.3:
            survey(str(path), SHAPE, pairing, crop)
        else:
            load(str(path), rng.choice(["train", "test"]), SHAPE, pairing=pairing, crop=crop)
        return "read"
    except ValueError as error:
        assert str(error) and "\n" not in str(error), repr(error)
        return "refused"


def commanded(path: Path, rng: random.Random, out: Path) -> str:
    """Train on a set for a step. Returns the exit code, in words."""
    small = ["unet_translator", "--network", "side=16", "--network", "widths=[8,8]"]
    system = rng.choice([["ae2d_mnist"], small, ["cgan_mnist"]])
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        words = ["train", *system, "--data", str(path), "--images", "2", "--batch", "2", "--fresh", "--out", str(out)]
        code = main(words)
    assert "Traceback" not in said.getvalue(), said.getvalue()
    assert code in (0, 2), code
    return f"command {code}"


def run(count: int, folder: Path, first: int = 0) -> dict:
    """Outcomes of `count` mutants, counted; tracebacks, the slowest, files outside, and the most memory in bytes."""
    outcomes, faults, slowest = Counter(), [], (0.0, -1)
    outside = Path("/tmp/genstudio-out.png")
    existed = outside.exists()
    for seed in range(first, first + count):
        rng, place = random.Random(seed), folder / "deep" / "er"
        place.mkdir(parents=True)
        started = time.monotonic()
        try:
            path = mutant(rng, place)
            started = time.monotonic()
            outcomes[reading(path, rng)] += 1
            if seed % EVERY == 0:
                outcomes[commanded(path, rng, folder / "deep" / "run")] += 1
        except BaseException:
            faults.append(f"{seed}: {traceback.format_exc()[-1500:]}")
        slowest = max(slowest, (time.monotonic() - started, seed))
        left = (
            {p.name for p in folder.iterdir()}
            | {p.name for p in (folder / "deep").iterdir()}
            | {p.name for p in place.iterdir()}
        )
        if extra := left - {"deep", "er", "run", "set.zip", "set"}:
            faults.append(f"{seed}: left {extra}")
        shutil.rmtree(folder / "deep")
    if outside.exists() and not existed:
        faults.append(f"{outside} was written")
    return {"outcomes": outcomes, "faults": faults, "slowest": slowest, "bytes": peak()}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    target = Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    print(json.dumps(run(int(sys.argv[1]), target, int(sys.argv[3]) if len(sys.argv) > 3 else 0)))
