"""What a file is, told from its first bytes, its name and, where it may say so, its header. Nothing in it is run.

Every file that comes through the page's one door is a stranger's: it is looked at in the cheapest way that settles the
question, nothing in it is run (of a pickle only notes are taken: `imports/pickles.py`), and what is broken is said in one
sentence.
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
from genstudio.images import RECIPE_KEY, open_picture, read_recipe
from genstudio.importers.convert import Reading, recognise
from genstudio.importers.lazy_tensor import Refused
from genstudio.importers.weight_file import is_packed
from genstudio.registry import find

HEAD = 4096  # bytes that tell a form
MAX_TEXT = 1_000_000  # bytes of a recipe
MAX_DIRECTORY = 64 * 2**20  # bytes of a zip's table of contents: 200 000 names of any sane length


@dataclass
class Found:
    """What a file is. `kind` is what can be done with it, `form` how it is written, `facts` what it says of itself."""

    kind: str  # recipe, picture, weights, critic, pictures, foreign, broken or other
    name: str
    size: int  # bytes
    form: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] | None = None  # unchecked
    reason: str = ""  # what is broken, or why weights of another project cannot be read
    reading: Reading | None = None  # how they can


# Forms: (how it is written, first bytes, where they stand) ---------------------------------------------------------

MAGIC = (
    *(("picture", magic, 0) for magic in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")),
    *(("picture", magic, 4) for magic in (b"ftypavif", b"ftypavis")),
    ("picture", b"WEBP", 8),
    *(("zip", magic, 0) for magic in (b"PK\x03\x04", b"PK\x05\x06")),
    *(("pickle", b"\x80" + bytes([protocol]), 0) for protocol in range(2, 6)),
    ("hdf5", b"\x89HDF\r\n\x1a\n", 0),
    ("gguf", b"GGUF", 0),
    ("tflite", b"TFL3", 4),
    ("numpy", b"\x93NUMPY", 0),
    *(("archive", magic, 0) for magic in (b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"BZh")),
    ("archive", b"ustar", 257),
    *(("heic", b"ftyp" + brand, 4) for brand in (b"heic", b"heix", b"mif1", b"msf1")),
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
}  # where the bytes say nothing
WEIGHTS = ("pickle", "torch", "safetensors", "hdf5", "gguf", "tflite", "numpy", "onnx", "tensorflow", "bin")
# Whose weights they are, by the names of their tensors.
MAKERS = {
    "model.diffusion_model.": "Stable Diffusion",
    "lora_": "LoRA",
    "double_blocks.": "FLUX",
    "synthesis.b4.": "StyleGAN",
    "vision_model.": "CLIP",
}


def form_of(head: bytes, name: str) -> str:
    """How a file is written: by its first bytes, else by its name."""
    for form, magic, where in MAGIC:
        if head[where:].startswith(magic):
            return form
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**40:
        return "safetensors"  # the length of a header, and the JSON that it is
    if not head:
        return "empty"
    if (text := _text(head)) is not None:
        marks = {"<svg": "svg", "version https://git-lfs": "lfs"}
        named = NAMES.get(PurePosixPath(name).suffix.lower(), "text")  # the oldest pickles are text
        return next((form for mark, form in marks.items() if mark in text), named)
    return NAMES.get(PurePosixPath(name).suffix.lower(), "unknown")


def identify_unread(name: str, size: int, head: bytes) -> Found:
    """What can be said of a file too large to be sent, of which only the first bytes are here."""
    form = form_of(head, name)
    return Found("foreign" if form in WEIGHTS else "other", name, size, form)


def identify(path: str | os.PathLike) -> Found:
    """What the file is. Never raises over what stands in it."""
    path = Path(path)
    if path.is_dir():
        found = Found("foreign", path.name, sum(file.stat().st_size for file in path.rglob("*") if file.is_file()), "folder")
        _theirs(path, found)
        return found
    size = path.stat().st_size
    readers = {"picture": _picture, "zip": _zip, "safetensors": _safetensors, "text": _words, "pickle": _theirs, "bin": _theirs}
    with open(path, "rb") as file:
        head = file.read(HEAD)
    found = Found("other", path.name, size, form_of(head, path.name))
    if found.form == "unknown" and _is_picture(path):
        found.form = "picture"
    found.kind = "foreign" if found.form in WEIGHTS else "other"
    try:
        readers.get(found.form, lambda path, found: None)(path, found)
    except ValueError as error:
        found.kind, found.reason = "broken", str(error)
    return found


# Readers: each completes what was found -----------------------------------------------------------------------------


def _picture(path: Path, found: Found) -> None:
    picture = open_picture(path)
    found.kind, found.recipe = "picture", read_recipe(picture)
    found.facts["pixels"] = picture.size
    said = {key.lower(): value for key, value in picture.info.items() if isinstance(value, str) and key != RECIPE_KEY}
    exif = picture.getexif()
    credit = [said.get("author") or said.get("artist") or exif.get(0x013B), said.get("copyright") or exif.get(0x8298)]
    found.facts["credit"] = ", ".join(str(c).strip("\0 ") for c in credit if c)
    found.facts["licence"] = said.get("license") or said.get("licence") or ""


def _is_picture(path: Path) -> bool:
    """Whether it opens as one of the pictures that begin with no telling bytes: BMP, PPM, ICO."""
    try:
        open_picture(path)
    except ValueError:
        return False
    return True


def _zip(path: Path, found: Found) -> None:
    if _directory_bytes(path) > MAX_DIRECTORY:
        raise ValueError(f"holds more than the {data.MAX_FILES} files that are read")
    names = [entry.name for entry in data.entries(path)]
    endings = [PurePosixPath(name).suffix.lower() for name in names]
    pictures = [PurePosixPath(n) for n, ending in zip(names, endings, strict=True) if ending in data.SUFFIXES]
    if any(name.endswith("/data.pkl") for name in names):
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
    """How long the zip's table of contents says it is, before anybody reads it: the end record, or that of zip64."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 66_000))  # a comment of at most 65 535 bytes follows the record
        tail = file.read()
    ends = [tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")]
    if ends[0] < 0:
        raise ValueError("truncated or broken")
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
        raise ValueError("truncated or broken") from None
    found.facts["parameters"] = sum(math.prod(shape) for shape in shapes.values())
    if checkpoint.KEY in metadata:
        _ours(path, found)
        return
    found.facts["maker"] = next((maker for mark, maker in MAKERS.items() if any(mark in key for key in shapes)), "")
    for fact, key in (("titled", "title"), ("credit", "author"), ("licence", "license")):
        found.facts[fact] = metadata.get(f"modelspec.{key}", "")  # how others describe theirs
    _theirs(path, found)


def _ours(path: Path, found: Found) -> None:
    """Weights of GenStudio: their header, if they fit the system that it names; else a critic, or the reason."""
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
    """Weights of another project: whose, and which system takes them in; else why none does."""
    try:
        found.reading = reading = recognise(path)
    except Refused as error:
        found.reason = str(error)
        return
    system, shape = find(reading.system), reading.shell.image_shape
    found.kind = "weights"
    found.facts |= {
        **{"system": system.name, "title": system.title, "maker": reading.maker, "pixels": (shape[2], shape[1])},
        **{"parameters": reading.count, "licence": reading.licence},
    }


def _words(path: Path, found: Found) -> None:
    """Text: a recipe where JSON with a verb stands in it, alone or behind a word as tools print a PNG's text."""
    if found.size > MAX_TEXT:
        return
    text = _text(path.read_bytes()) or ""
    try:
        said, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        if path.suffix.lower() == ".json":
            raise ValueError("not whole JSON") from None
        return
    if isinstance(said, dict) and "verb" in said:
        found.kind, found.recipe = "recipe", said


def _text(raw: bytes) -> str | None:
    """The bytes as text, or None. A letter may be cut in two at the end."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    for cut in range(min(4, len(raw))):
        try:
            text = raw[: len(raw) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if re.search(r"[\0-\x08\x0e-\x1a]", text) else text
    return None
