"""Identification of files by magic bytes, name and header: recipes, pictures, weights, archives.

Every file is untrusted: it is read no further than its type requires, nothing in it is executed (pickles are parsed by
`safe_pickle.py`), and a damaged one gets a reason in one sentence.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from safetensors import SafetensorError, safe_open

from genstudio import checkpoint, data
from genstudio.controls import Refusal, Text, sentence
from genstudio.images import RECIPE_KEY, exif_text, open_picture, read_recipe
from genstudio.importers.convert import Reading, recognise
from genstudio.importers.lazy_tensor import Refused
from genstudio.importers.weight_file import is_packed, no_weights
from genstudio.registry import find_system

HEAD = 4096  # bytes read to identify a format
MAX_TEXT = 1_000_000  # bytes of a recipe
MAX_DIRECTORY = 64 * 2**20  # bytes of a zip's central directory: 200 000 names of a reasonable length


@dataclass
class Found:
    """An identified file: its use (`kind`), its format (`form`), and facts from its header or metadata."""

    kind: str  # recipe, picture, weights, critic, pictures, foreign, broken or other
    name: str
    size: int  # bytes
    form: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] | None = None  # unchecked
    reason: Text | None = None  # of damage, or why weights of another project cannot be read
    reading: Reading | None = None  # of weights of another project


# Formats: (format, magic bytes, their offset) ----------------------------------------------------------------------

MAGIC = (
    *(("picture", magic, 0) for magic in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")),
    *(("picture", b"ftyp" + brand, 4) for brand in (b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1")),
    ("picture", b"WEBP", 8),
    *(("zip", magic, 0) for magic in (b"PK\x03\x04", b"PK\x05\x06")),
    *(("pickle", b"\x80" + bytes([protocol]), 0) for protocol in range(2, 6)),
    ("hdf5", b"\x89HDF\r\n\x1a\n", 0),
    ("gguf", b"GGUF", 0),
    ("tflite", b"TFL3", 4),
    ("numpy", b"\x93NUMPY", 0),
    *(("archive", magic, 0) for magic in (b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"BZh")),
    ("archive", b"ustar", 257),
    *(("film", magic, where) for magic, where in ((b"ftyp", 4), (b"\x1a\x45\xdf\xa3", 0), (b"AVI ", 8))),
    ("pdf", b"%PDF", 0),
    *(("program", magic, 0) for magic in (b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"#!")),
)
NAMES = {
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".ckpt"), "pickle"),
    ".onnx": "onnx",
    ".pb": "tensorflow",
    ".h5": "hdf5",
    ".bin": "bin",
    ".safetensors": "safetensors",
}  # for files without magic bytes
WEIGHTS = ("pickle", "torch", "safetensors", "hdf5", "gguf", "tflite", "numpy", "onnx", "tensorflow", "bin")
# Origin of weights, by parts of tensor names.
MAKERS = {
    "model.diffusion_model.": "Stable Diffusion",
    "lora_": "LoRA",
    "double_blocks.": "FLUX",
    "synthesis.b4.": "StyleGAN",
    "vision_model.": "CLIP",
}


def form_of(head: bytes, name: str) -> str:
    """Format of a file, from its first bytes, else from its name."""
    for form, magic, where in MAGIC:
        if head[where:].startswith(magic):
            return form
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**40:
        return "safetensors"  # the length of the header, then its JSON
    if not head:
        return "empty"
    if (text := _text(head)) is not None:
        marks = {"<svg": "svg", "version https://git-lfs": "lfs"}
        named = NAMES.get(PurePosixPath(name).suffix.lower(), "text")  # pickles of protocol 0 are text
        return next((form for mark, form in marks.items() if mark in text), named)
    return NAMES.get(PurePosixPath(name).suffix.lower(), "unknown")


def identify_unread(name: str, size: int, head: bytes) -> Found:
    """Identify a file by its first bytes alone, for one too large to upload."""
    form = form_of(head, name)
    return Found("foreign" if form in WEIGHTS else "other", name, size, form)


def identify(path: str | os.PathLike) -> Found:
    """Identify a file. Contents never raise an error: a damaged file has the kind "broken" and a reason."""
    path = Path(path)
    if path.is_dir():
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        found = Found("foreign", path.name, size, "folder")
        _theirs(path, found)
        return found
    size = path.stat().st_size
    readers = {"picture": _picture, "zip": _zip, "safetensors": _safetensors, "text": _words}
    readers |= {"pickle": _theirs, "bin": _theirs}
    with open(path, "rb") as file:
        head = file.read(HEAD)
    found = Found("other", path.name, size, form_of(head, path.name))
    if found.form == "unknown" and _is_picture(path):
        found.form = "picture"
    found.kind = "foreign" if found.form in WEIGHTS else "other"
    named = PurePosixPath(path.name).suffix.lower() in NAMES
    if (named or found.form == "lfs") and (reason := no_weights(head)):
        found.reason = sentence(reason)
        return found
    try:
        readers.get(found.form, lambda path, found: None)(path, found)
    except ValueError as error:
        found.kind, found.reason = "broken", sentence(error)
    return found


# Readers: each completes a `Found` ----------------------------------------------------------------------------------


def _picture(path: Path, found: Found) -> None:
    picture = open_picture(path)
    found.kind, found.recipe = "picture", read_recipe(picture)
    found.facts["pixels"] = picture.size
    said = {key.lower(): value for key, value in picture.info.items() if isinstance(value, str) and key != RECIPE_KEY}
    credit = [
        said.get("author") or said.get("artist") or exif_text(picture, 0x013B),
        said.get("copyright") or exif_text(picture, 0x8298),
    ]
    found.facts["credit"] = ", ".join(c.strip("\0 ") for c in credit if c)
    found.facts["licence"] = said.get("license") or said.get("licence") or ""


def _is_picture(path: Path) -> bool:
    """True if the file opens as a picture: BMP, PPM and ICO are not in MAGIC."""
    try:
        open_picture(path)
    except ValueError:
        return False
    return True


def _zip(path: Path, found: Found) -> None:
    if _directory_bytes(path) > MAX_DIRECTORY:
        raise Refusal(
            f"holds more than the {data.MAX_FILES} files that are read",
            f"contient plus que les {data.MAX_FILES} fichiers qui sont lus",
        )
    with data.opened(path) as files:
        names = [file.name for file in files]
        weights = any(name.endswith("/data.pkl") for name in names)
        pictures = [] if weights else [PurePosixPath(file.name) for file in data.listing(files).pictures]
    endings = [PurePosixPath(name).suffix.lower() for name in names]
    if weights:
        found.kind, found.form = "foreign", "torch"
        _theirs(path, found)
    elif is_packed(path):
        found.kind = "foreign"
        _theirs(path, found)
    elif names and set(endings) == {".npy"}:
        found.kind, found.form = "foreign", "numpy"
    elif pictures:
        found.kind = "pictures"
        found.facts |= {"count": len(pictures), "folders": len({p.parent for p in pictures})}


def _directory_bytes(path: Path) -> int:
    """Size of a zip's central directory in bytes, from its end record or that of zip64, without reading it."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 66_000))  # a comment of at most 65 535 bytes follows the record
        tail = file.read()
    ends = [tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")]
    if ends[0] < 0:
        raise Refusal("truncated or broken", "tronqué ou abîmé")
    sizes = [int.from_bytes(tail[ends[0] + 12 : ends[0] + 16], "little")]
    if ends[1] >= 0:
        sizes.append(int.from_bytes(tail[ends[1] + 40 : ends[1] + 48], "little"))
    return max(sizes)


def _safetensors(path: Path, found: Found) -> None:
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, OSError):
        raise Refusal("truncated or broken", "tronqué ou abîmé") from None
    found.facts["parameters"] = sum(math.prod(shape) for shape in shapes.values())
    if checkpoint.KEY in metadata:
        _ours(path, found)
        return
    found.facts["maker"] = next((maker for mark, maker in MAKERS.items() if any(mark in key for key in shapes)), "")
    for fact, key in (("titled", "title"), ("credit", "author"), ("licence", "license")):
        found.facts[fact] = metadata.get(f"modelspec.{key}", "")  # the metadata of other tools
    _theirs(path, found)


def _ours(path: Path, found: Found) -> None:
    """Facts of a GenStudio checkpoint, or of a critic. Raises ValueError if it fits no system."""
    found.form = "ours"
    try:
        (system, header, _), found.kind = checkpoint.check(path), "weights"
    except ValueError as error:
        try:
            (system, header, _), found.kind = checkpoint.check(path, critic=True), "critic"
        except ValueError:
            raise error from None
    found.facts |= {
        **{"system": system.name, "title": system.title, "data": header.data, "images": header.images},
        **{"credit": header.credit, "licence": header.licence, "scores": header.scores},
    }


def _theirs(path: Path, found: Found) -> None:
    """Origin and target system of another project's weights; else the reason why none takes them."""
    try:
        found.reading = reading = recognise(path)
    except Refused as error:
        found.reason = sentence(error)
        return
    system, shape = find_system(reading.system), reading.shell.image_shape
    found.kind = "weights"
    found.facts |= {
        **{"system": system.name, "title": system.title, "maker": reading.maker, "pixels": (shape[2], shape[1])},
        **{"parameters": reading.count, "licence": reading.licence, "averaged": reading.averaged},
    }


def _words(path: Path, found: Found) -> None:
    """Recipe of a text file: JSON with a verb, possibly after other text, as tools print a PNG's metadata."""
    if found.size > MAX_TEXT:
        return
    text = _text(path.read_bytes()) or ""
    try:
        said, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        if path.suffix.lower() == ".json":
            raise Refusal("not whole JSON", "ce n’est pas du JSON entier") from None
        return
    if isinstance(said, dict) and "verb" in said:
        found.kind, found.recipe = "recipe", said


def _text(raw: bytes) -> str | None:
    """The bytes as text, or None. A multi-byte character may be truncated at the end."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    for cut in range(min(4, len(raw))):
        try:
            text = raw[: len(raw) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if re.search(r"[\0-\x08\x0e-\x1a]", text) else text
    return None
