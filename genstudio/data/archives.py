"""Folders and zips of pictures: each bad file is refused by name with a reason, and the rest is used.

Archives are untrusted, and never unpacked to disk.
"""

from __future__ import annotations

import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genstudio.controls import Refusal, Text, sentence
from genstudio.data.pictures import Original, Pictures
from genstudio.files import member_name
from genstudio.images import fit, open_picture, to_array

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
MAX_FILES = 200_000
MAX_BYTES = 4 * 2**30  # unpacked
MAX_RATIO = 200  # unpacked to packed size: pictures are compressed already, zip bombs exceed it
CONDITIONS = ("glasses", "facial_hair", "covered", "hair_color", "skin", "mouth")  # keys of metadata.jsonl


class Entry(NamedTuple):
    name: str  # with forward slashes, inside the folder or zip
    read: Callable[[], bytes]


def entries(source: Path) -> Iterator[Entry]:
    """Yield the files of a folder or zip. Raises ValueError on path traversal, a zip bomb, or too many files."""
    if source.is_dir():
        root = source.resolve()
        files = sorted(p for p in source.rglob("*") if p.is_file() and p.resolve().is_relative_to(root))
        for file in files[:MAX_FILES]:
            yield Entry(file.relative_to(source).as_posix(), partial(_read, file.read_bytes))
        return
    try:
        archive = zipfile.ZipFile(source)
    except FileNotFoundError:
        raise Refusal(f"{source} does not exist", f"{source} n’existe pas") from None
    except (zipfile.BadZipFile, OSError):
        raise Refusal(
            f"{source.name} is neither a folder nor a zip of pictures",
            f"{source.name} n’est ni un dossier ni un zip d’images",
        ) from None
    with archive:
        members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)  # as in a folder
        if len(members) > MAX_FILES:
            raise Refusal(
                f"{source.name} holds {len(members)} files; at most {MAX_FILES} are read",
                f"{source.name} contient {len(members)} fichiers ; {MAX_FILES} au plus sont lus",
            )
        if sum(m.file_size for m in members) > MAX_BYTES:
            raise Refusal(
                f"{source.name} would unpack to more than {MAX_BYTES >> 30} GiB",
                f"{source.name} décompressé ferait plus de {MAX_BYTES >> 30} Gio",
            )
        for m in members:
            path = PurePosixPath(member_name(m))
            if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
                raise Refusal(
                    f"{source.name} is refused: {m.filename!r} points outside the archive",
                    f"{source.name} est refusé : {m.filename!r} mène hors de l’archive",
                )
            if m.file_size > 1_000_000 and m.file_size > MAX_RATIO * max(1, m.compress_size):
                raise Refusal(
                    f"{source.name} is refused: {m.filename!r} unpacks to {m.file_size} bytes, a zip bomb",
                    f"{source.name} est refusé : {m.filename!r} décompressé fait {m.file_size} octets, une bombe",
                )
        for m in members:
            yield Entry(member_name(m), partial(_read, partial(archive.read, m)))


def _read(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError) as error:
        raise Refusal(
            f"cannot be read ({error})",
            f"illisible ({error})",
        ) from None  # RuntimeError: a password, or an unknown compression


def read_pictures(
    source: Path,
    shape: tuple[int, int, int],
    *,
    keep: Callable[[str], bool] = lambda name: True,
    label: str = "label",
) -> Pictures:
    """Read all pictures of a folder or zip at one shape (c, h, w).

    A picture's label is the value of `label` in metadata.jsonl (Hugging Face's imagefolder format), else its folder;
    its conditions are the `CONDITIONS` there. `refused` lists skipped files with reasons. Raises ValueError if no
    picture is left.
    """
    metadata: dict[str, dict] = {}
    arrays, names, originals, refused, ignored = [], [], [], [], []
    chosen = []
    for entry in entries(source):
        if PurePosixPath(entry.name).name == "metadata.jsonl":
            metadata |= _metadata(entry)
        elif not _is_picture(entry.name):
            ignored.append(entry.name)
        elif keep(entry.name):
            # A zip's members can be read only while `entries` keeps it open, so they are decoded in this pass.
            chosen.append(entry.name)
            try:
                array, was = _fitted(open_picture(entry.read()), shape)
            except ValueError as error:
                refused.append((len(chosen), entry.name, error))
                continue
            arrays.append(array)
            names.append(entry.name)
            originals.append(was)
    refused = [
        Text(
            f"image {i} of {len(chosen)}, {name}: {sentence(error).en}",
            f"image {i} sur {len(chosen)}, {name} : {sentence(error).fr}",
        )
        for i, name, error in refused
    ]
    if not arrays:
        reason = Text(f"; {refused[0].en}", f" ; {refused[0].fr}") if refused else Text("", "")
        raise Refusal(
            f"{source.name} holds no picture that can be used{reason.en}",
            f"{source.name} ne contient aucune image utilisable{reason.fr}",
        )
    class_names = [str(metadata.get(n, {}).get(label, PurePosixPath(n).parent)) for n in names]
    classes = tuple(sorted(set(class_names)))
    labels = torch.tensor([classes.index(name) for name in class_names]) if len(classes) > 1 else None
    conditions, values = _conditions(metadata, names)
    images = torch.from_numpy(np.stack(arrays))
    found = Pictures(source.stem, images, labels, classes if len(classes) > 1 else (), conditions, values)
    return replace(found, refused=refused, ignored=ignored, names=tuple(names), originals=tuple(originals))


def _conditions(
    metadata: dict[str, dict], names: Sequence[str]
) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]]]:
    """Values (n,) of each of the `CONDITIONS`, and the names of categorical ones.

    Names come from all rows of the metadata, so that both parts of a split number them alike.
    """
    conditions, values = {}, {}
    for key in CONDITIONS:
        of_all = {value for row in metadata.values() if isinstance(value := row.get(key), (bool, str))}
        of_these = [metadata.get(name, {}).get(key) for name in names]
        if words := sorted(value for value in of_all if isinstance(value, str)):
            numbers = {word: i for i, word in enumerate(words)}
            values[key] = tuple(words)
            conditions[key] = torch.tensor([numbers[value] if isinstance(value, str) else -1 for value in of_these])
        elif of_all:
            values[key] = ()
            conditions[key] = torch.tensor([value is True for value in of_these])
    return conditions, values


def _is_picture(name: str) -> bool:
    """True if the suffix is an image's. macOS adds a resource fork ._cat.png beside cat.png, which is none."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def _fitted(picture: Image.Image, shape: tuple[int, int, int]) -> tuple[np.ndarray, Original]:
    """A picture fitted to a shape, and its original properties."""
    rgb = fit(picture, (3, *shape[1:]))  # grey or not is measured on pixels: many grey pictures are saved as RGB
    pixels = np.asarray(rgb)
    return to_array(rgb, shape), Original(picture.size, bool((pixels == pixels[..., :1]).all()), _transparent(picture))


def _transparent(picture: Image.Image) -> bool:
    """True if any pixel is transparent: many alpha channels are opaque throughout."""
    if picture.mode.startswith(("I", "F")):  # 16 and 32 bits a pixel: `flatten` sees no alpha in them
        return False
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return False
    return picture.convert("RGBA").getchannel("A").getextrema()[0] < 255


def _metadata(entry: Entry) -> dict[str, dict]:
    """Rows of a metadata.jsonl by file name, which is relative to its folder."""
    folder, rows = PurePosixPath(entry.name).parent, {}
    for i, line in enumerate(entry.read().splitlines(), 1):
        try:
            row = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            raise Refusal(
                f"{entry.name}, line {i}, is not JSON",
                f"{entry.name}, ligne {i}, n’est pas du JSON",
            ) from None
        if isinstance(row, dict) and isinstance(row.get("file_name"), str):
            rows[(folder / row["file_name"]).as_posix()] = row
    return rows
