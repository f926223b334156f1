"""Many files through a translator: pictures of files, folders and zips, one after the other, under the same names.

One picture is in memory at a time. What is no picture, broken or hostile costs a line of the report and nothing else.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from genstudio.controls import check_controls
from genstudio.data import Entry, entries
from genstudio.engine import Engine
from genstudio.engine.loaded import find_verb
from genstudio.images import open_picture, save_png, to_pictures
from genstudio.recipes import recipe
from genstudio.tasks.edges import prepared

MAX_FILE = 400 * 2**20  # bytes: 64 million pixels of 16 bits and three colours, barely packed
MAX_PART = 60  # letters of a folder's or file's name: 240 bytes at most, and most systems hold 255


class Outcome(NamedTuple):
    """What became of one file."""

    name: str  # as it stands in its folder or zip
    written: str = ""  # where the result stands in the target
    trouble: str = ""  # why there is none
    done: int = 0  # files so far, this one too
    of: int = 0


def translate_files(
    engine: Engine,
    system: str,
    sources: Sequence[Path],
    target: Path,
    *,
    view: str = "own",
    background: str = "white",
    detail: float | None = None,
    **controls: Any,
) -> Iterator[Outcome]:
    """Every picture of files, folders and zips into a folder, or a zip where `target` ends in ".zip", as PNGs.

    Nothing that is read is written over. Closing the iterator keeps what is done. detail: `outlines` are drawn first.
    """
    held, target = engine.hold(system), Path(target)
    settings = {"view": recipe.check_view(view), "background": recipe.check_background(background)}
    values = check_controls(find_verb(held.system, "translate"), controls)
    if detail is not None:
        settings["detail"] = recipe.check_detail(detail)
    sources = [Path(source) for source in sources]
    if any(source.resolve() == target.resolve() for source in sources if source.is_file()):
        raise ValueError(f"{target.name} is one of the files to translate: choose another name for the result")

    def translated(body: bytes) -> bytes:
        shown = prepared(open_picture(body), background, detail, held.model.own_side)
        with closing(engine.translate(system, shown[None], view=view, **values)) as progress:
            *_, last = progress
        made = recipe.make(held, "translate", picture=recipe.picture_name(body), **settings, controls=values)
        save_png(to_pictures(last.images)[0], stream := io.BytesIO(), made)
        return stream.getvalue()

    return each(translated, sources, target)


def each(translated: Callable[[bytes], bytes], sources: Sequence[Path], target: Path) -> Iterator[Outcome]:
    """`translated` of every file, written as it comes."""
    count = sum(1 for source in sources for _ in contents(source))
    taken, done = set() if target.suffix.lower() == ".zip" else originals(sources, target), 0
    with Archive(target) if target.suffix.lower() == ".zip" else nullcontext(Folder(target)) as out:
        for source in sources:
            for name, read in contents(source):
                done += 1
                try:
                    body = translated(read())
                    place = free_place(name, taken)
                    out.write(place, body)
                    outcome = Outcome(name, written=place)
                except (ValueError, ArithmeticError, MemoryError) as error:
                    outcome = Outcome(name, trouble=str(error) or "there is too little memory for it")
                except OSError as error:
                    outcome = Outcome(name, trouble=f"cannot be written ({error.strerror or error})")
                yield outcome._replace(done=done, of=max(done, count))


# In -------------------------------------------------------------------------------------------------------------


def contents(source: Path) -> Iterator[Entry]:
    """The files of a source. Where all of it is refused, one that tells why when it is read."""
    if not source.is_dir() and source.suffix.lower() != ".zip":
        yield Entry(source.name, partial(of_file, source))
        return
    try:
        for entry in entries(source):
            if not made_by_system(entry.name):
                yield entry._replace(read=partial(of_file, source / entry.name)) if source.is_dir() else entry
    except ValueError as error:
        yield Entry(source.name, partial(refuse, error))


def of_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE:
            raise ValueError(f"too large ({path.stat().st_size} bytes; at most {MAX_FILE >> 20} MiB)")
        return path.read_bytes()
    except FileNotFoundError:
        raise ValueError("not found") from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror or error})") from None


def refuse(error: ValueError) -> bytes:
    raise error


def made_by_system(name: str) -> bool:
    """.DS_Store, __MACOSX and the like: nobody put them there, and nobody wants to read of them."""
    return any(part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini") for part in PurePosixPath(name).parts)


# Out ------------------------------------------------------------------------------------------------------------


class Folder:
    def __init__(self, path: Path):
        self.path = path

    def write(self, place: str, body: bytes) -> None:
        path = self.path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


class Archive(AbstractContextManager):
    """A zip under its name from the end on, however that comes about: before, another may stand there, which is whole."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.part = path, path.with_name(path.name + ".part")
        self.zip = zipfile.ZipFile(self.part, "w", zipfile.ZIP_STORED)  # a PNG is packed already

    def write(self, place: str, body: bytes) -> None:
        self.zip.writestr(place, body)

    def __exit__(self, *_: object) -> None:
        self.zip.close()
        self.part.replace(self.path)


def originals(sources: Sequence[Path], target: Path) -> set[str]:
    """Where files that are to be read stand in the target folder, as `free_place` compares them."""
    files = (p for source in sources for p in (source.rglob("*") if source.is_dir() else [source]))
    root = target.resolve()
    return {p.resolve().relative_to(root).as_posix().casefold() for p in files if p.resolve().is_relative_to(root)}


def free_place(name: str, taken: set[str]) -> str:
    """The name with .png, or with a number where that is taken; from then on it is. Case makes no difference on some disks."""
    stem, number = PurePosixPath(safe(name)).with_suffix(""), 1
    while (place := f"{stem}{f' {number}' if number > 1 else ''}.png").casefold() in taken:
        number += 1
    taken.add(place.casefold())
    return place


def safe(name: str) -> str:
    """A relative path that every system can hold: whoever made a zip chose its names."""
    kept = (part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".."))
    parts = ("".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in part) for part in kept)
    return "/".join(part[:MAX_PART].strip(" .") or "_" for part in parts) or "_"
