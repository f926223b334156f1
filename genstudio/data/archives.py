"""Folders and zips of pictures: every bad item is refused by name and reason, and the rest is used.

Nothing in an archive is unpacked to disk.
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

from genstudio.data.pictures import Came, Pictures
from genstudio.images import fit, open_picture, to_array

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
MAX_FILES = 200_000
MAX_BYTES = 4 * 2**30  # unpacked
MAX_RATIO = 200  # unpacked to packed: a picture is compressed already, a bomb is not
CONDITIONS = ("glasses", "facial_hair", "covered", "hair_color", "skin", "mouth")  # keys of metadata.jsonl


class Entry(NamedTuple):
    name: str  # with forward slashes, inside the folder or zip
    read: Callable[[], bytes]


def entries(source: Path) -> Iterator[Entry]:
    """The files of a folder or zip. Refuses the whole of an archive that escapes, explodes or holds too much."""
    if source.is_dir():
        root = source.resolve()
        files = sorted(p for p in source.rglob("*") if p.is_file() and p.resolve().is_relative_to(root))
        for file in files[:MAX_FILES]:
            yield Entry(file.relative_to(source).as_posix(), partial(_read, file.read_bytes))
        return
    try:
        archive = zipfile.ZipFile(source)
    except FileNotFoundError:
        raise ValueError(f"{source} does not exist") from None
    except (zipfile.BadZipFile, OSError):
        raise ValueError(f"{source.name} is neither a folder nor a zip of pictures") from None
    with archive:
        members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)  # as in a folder
        if len(members) > MAX_FILES:
            raise ValueError(f"{source.name} holds {len(members)} files; at most {MAX_FILES} are read")
        if sum(m.file_size for m in members) > MAX_BYTES:
            raise ValueError(f"{source.name} would unpack to more than {MAX_BYTES >> 30} GiB")
        for m in members:
            path = PurePosixPath(m.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
                raise ValueError(f"{source.name} is refused: {m.filename!r} points outside the archive")
            if m.file_size > 1_000_000 and m.file_size > MAX_RATIO * max(1, m.compress_size):
                raise ValueError(f"{source.name} is refused: {m.filename!r} unpacks to {m.file_size} bytes, a zip bomb")
        for m in members:
            yield Entry(m.filename.replace("\\", "/"), partial(_read, partial(archive.read, m)))


def _read(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError) as error:
        raise ValueError(f"cannot be read ({error})") from None  # RuntimeError: a password, or a packing unknown here


def read_pictures(
    source: Path,
    shape: tuple[int, int, int],
    *,
    keep: Callable[[str], bool] = lambda name: True,
    label: str = "label",
) -> Pictures:
    """All pictures of a folder or zip at one shape (c, h, w).

    A picture's class is `label` in metadata.jsonl (Hugging Face's imagefolder form), else the folder that it stands
    in; its conditions are the `CONDITIONS` there. Raises ValueError when no picture is left; `refused` lists what was
    left out and why.
    """
    metadata: dict[str, dict] = {}
    arrays, names, came, refused, ignored = [], [], [], [], []
    chosen = []
    for entry in entries(source):
        if PurePosixPath(entry.name).name == "metadata.jsonl":
            metadata |= _metadata(entry)
        elif not _is_picture(entry.name):
            ignored.append(entry.name)
        elif keep(entry.name):
            # A zip's members can only be read while `entries` holds it open, so one pass decodes as it goes.
            chosen.append(entry.name)
            try:
                array, was = _fitted(open_picture(entry.read()), shape)
            except ValueError as error:
                refused.append((len(chosen), entry.name, error))
                continue
            arrays.append(array)
            names.append(entry.name)
            came.append(was)
    refused = [f"image {i} of {len(chosen)}, {name}: {error}" for i, name, error in refused]
    if not arrays:
        reason = f"; {refused[0]}" if refused else ""
        raise ValueError(f"{source.name} holds no picture that can be used{reason}")
    kinds = [str(metadata.get(n, {}).get(label, PurePosixPath(n).parent)) for n in names]
    classes = tuple(sorted(set(kinds)))
    labels = torch.tensor([classes.index(k) for k in kinds]) if len(classes) > 1 else None
    conditions, values = _conditions(metadata, names)
    images = torch.from_numpy(np.stack(arrays))
    found = Pictures(source.stem, images, labels, classes if len(classes) > 1 else (), conditions, values)
    return replace(found, refused=refused, ignored=ignored, names=tuple(names), came=tuple(came))


def _conditions(
    metadata: dict[str, dict], names: Sequence[str]
) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]]]:
    """The `CONDITIONS` of these pictures in a metadata.jsonl, and the names of their values.

    The values are those of all rows, so that both parts of a split number them alike.
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
    """By its name. A Mac packs a ._cat.png, which is none, beside cat.png."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def _fitted(picture: Image.Image, shape: tuple[int, int, int]) -> tuple[np.ndarray, Came]:
    """A picture at a shape, and what it was. Its pixels tell whether it is grey: many grey ones are saved as RGB."""
    rgb = fit(picture, (3, *shape[1:]))
    pixels = np.asarray(rgb)
    return to_array(rgb, shape), Came(picture.size, bool((pixels == pixels[..., :1]).all()), _transparent(picture))


def _transparent(picture: Image.Image) -> bool:
    """Whether anything shows through it: many have an alpha channel that says nothing."""
    if picture.mode.startswith(("I", "F")):  # 16 and 32 bits a pixel: `flatten` sees no alpha in them
        return False
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return False
    return picture.convert("RGBA").getchannel("A").getextrema()[0] < 255


def _metadata(entry: Entry) -> dict[str, dict]:
    """The rows of a metadata.jsonl by picture; its file names count from where it stands."""
    folder, rows = PurePosixPath(entry.name).parent, {}
    for i, line in enumerate(entry.read().splitlines(), 1):
        try:
            row = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            raise ValueError(f"{entry.name}, line {i}, is not JSON") from None
        if isinstance(row, dict) and isinstance(row.get("file_name"), str):
            rows[(folder / row["file_name"]).as_posix()] = row
    return rows
