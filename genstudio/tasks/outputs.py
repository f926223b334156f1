"""The places of results: no file that is there is lost, and none that was read is written over."""

from __future__ import annotations

import io
import itertools
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from genstudio.controls import Refusal
from genstudio.images import open_picture, read_recipe, save_jpeg, save_png

JPEG = (".jpg", ".jpeg", ".jfif")
WRITTEN = (".png", *JPEG)  # suffixes of pictures that are written
BLOCK = 2**20


class Outputs:
    """The files that a command writes, each whole or not at all.

    A file that is there already stays. With the same contents, or the same recipe, it is the result, and is counted;
    beside another, the result gets the next free number, as in "0007 2.png". `overwrite` replaces files instead, but
    neither an input nor a result of the same command.
    """

    def __init__(self, inputs: Iterable[str | os.PathLike] = (), overwrite: bool = False):
        self.overwrite, self.there = overwrite, 0  # there: results that are there already
        self.renamed: list[str] = []  # names of results whose own name was another file's
        self.last: Path | None = None
        self.kept: set[tuple[int, int]] = set()  # device and inode of files that no result replaces
        self.keep(*inputs)

    def keep(self, *paths: str | os.PathLike) -> None:
        """Never write over these files."""
        for path in map(Path, paths):
            if path.is_file():
                self.kept.add(_identity(path))

    @contextmanager
    def making(self, path: Path) -> Iterator[Path]:
        """Context with a temporary file to write, which at the end becomes `path`, or stands where `last` says."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        part = Path(name)
        try:
            yield part
            part.chmod(0o666 & ~_umask())
            self.last = self._placed(part, path)
        except OSError as error:
            if error.filename == str(part):
                raise OSError(error.errno, error.strerror, str(path)) from None
            raise
        finally:
            part.unlink(missing_ok=True)

    def write(self, path: Path, body: bytes) -> Path:
        """Write a file. Returns its path, or that of the same file where it is there already."""
        with self.making(path) as part:
            part.write_bytes(body)
        return self.last

    def _placed(self, part: Path, path: Path) -> Path:
        recipe = _recipe(part)
        for number in itertools.count(1):
            place = path if number == 1 else path.with_name(f"{path.stem} {number}{path.suffix}")
            if not place.exists() and not place.is_symlink():
                if not _moved(part, place):
                    continue  # another process was faster
            elif not place.is_file() or _identity(place) in self.kept:
                continue
            elif same(part, place, recipe):
                self.there += 1
            elif self.overwrite:
                os.replace(part, place)
            else:
                continue
            if number > 1:
                self.renamed.append(place.name)
            self.kept.add(_identity(place))  # of two results with one name, none replaces the other
            return place

    def summary(self) -> str:
        """", 3 there already", and names that results got as their own were taken; "" if there is nothing to say."""
        said = f", {self.there} there already" if self.there else ""
        if self.renamed:
            named = ", ".join(self.renamed[:3]) + (", ..." if len(self.renamed) > 3 else "")
            said += f"; as other files have their names: {named}"
        return said


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _moved(part: Path, place: Path) -> bool:
    """Move a file where there is none. Returns False if there is one by now."""
    try:
        os.link(part, place)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if place.exists():
            return False
        os.rename(part, place)
    return True


# Equality -------------------------------------------------------------------------------------------------------


def same(new: Path, old: Path, recipe: dict[str, Any] | None = None) -> bool:
    """True for files of equal bytes, zips of equal members, and pictures of one recipe, which names its weights."""
    if recipe is not None and new.suffix == old.suffix and recipe == _recipe(old):
        return True
    if zipfile.is_zipfile(new) and zipfile.is_zipfile(old):
        return _members(new) == _members(old)
    if new.stat().st_size != old.stat().st_size:
        return False
    with new.open("rb") as one, old.open("rb") as other:
        return all(a == b for a, b in zip(_blocks(one), _blocks(other), strict=True))


def _blocks(file: Any) -> Iterator[bytes]:
    return iter(lambda: file.read(BLOCK), b"")


def _members(path: Path) -> list[tuple[str, int, int]] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted((info.filename, info.file_size, info.CRC) for info in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return None


def _recipe(path: Path) -> dict[str, Any] | None:
    if path.suffix.lower() not in WRITTEN:
        return None
    try:
        return read_recipe(open_picture(path))
    except ValueError:
        return None


# Pictures -------------------------------------------------------------------------------------------------------


def check_picture_name(path: Path) -> Path:
    """The path of a picture to write. Raises ValueError for a suffix that is not written."""
    if path.suffix.lower() not in WRITTEN:
        raise Refusal(
            f"a picture is written as .png or .jpg, not as {path.name!r}",
            f"une image s’écrit en .png ou en .jpg, et non sous le nom {path.name!r}",
        )
    return path


def is_picture_file(path: Path) -> bool:
    """True for the name of one picture to write, False for that of a folder. Raises ValueError for a file's name of
    another format, and for a file in the place of a folder."""
    suffix = path.suffix.lower()
    if path.is_dir() or not suffix or (suffix not in FILES and not path.is_file()):
        return False
    check_picture_name(path)
    return True


# Suffixes that no one gives to a folder.
FILES = {*Image.registered_extensions(), *WRITTEN, ".zip", ".npz", ".json", ".mp4", ".svg", ".heic", ".txt", ".tar"}


def encoded(picture: Image.Image, suffix: str, recipe: dict[str, Any] | None = None) -> bytes:
    """Bytes of a picture file with its recipe, of .png, .jpg or another suffix of JPEG."""
    save = save_jpeg if suffix.lower() in JPEG else save_png
    save(picture, stream := io.BytesIO(), recipe)
    return stream.getvalue()
