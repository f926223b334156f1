"""Batch translation: pictures from files, folders and zips, one by one, to PNGs of the same names.

One picture is in memory at a time. A broken or malicious file becomes a line of the report, and the rest continues.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from genstudio.controls import Refusal, Text, check_controls, sentence
from genstudio.data import Entry, entries
from genstudio.engine import Engine
from genstudio.images import open_picture, to_pictures
from genstudio.recipes import recipe, replay, verbs
from genstudio.recipes.fields import picture_name
from genstudio.tasks.outputs import Outputs, encoded, is_picture_file

MAX_FILE = 400 * 2**20  # bytes: 64 million pixels of three 16-bit channels, almost uncompressed
MAX_PART = 60  # characters of a folder's or file's name: at most 240 bytes, where most file systems allow 255

NO_ROOM = Text("there is too little memory for it", "il n’y a pas assez de mémoire")


class Outcome(NamedTuple):
    """Result of one file."""

    name: str  # relative to its folder or zip
    written: str = ""  # name of the result in the target
    trouble: Text | None = None  # the error, if there is no result
    done: int = 0  # files so far, this one included
    of: int = 0
    there: bool = False  # the result was there already


def translate_files(
    engine: Engine, system: str, sources: Sequence[Path], target: Path, verb: str = "translate",
    outputs: Outputs | None = None, **settings: Any,
) -> Iterator[Outcome]:  # fmt: skip
    """Translate every picture of files, folders and zips to PNGs in a folder, or a zip if `target` ends in ".zip"; a
    single file also to a .png or .jpg.

    No input file is overwritten, and no other one unless `outputs` says so. Closing the iterator keeps the results so
    far.

    verb: of the recipes. settings: its fields, and the model's controls. Raises ValueError for a wrong one.
    """
    loaded, target, entry = engine.hold(system), Path(target), verbs.find(verb)
    said = {name: value for name, value in settings.items() if name in entry.by_name}
    for name, value in said.items():
        entry.by_name[name].check(value)
    controls = {name: value for name, value in settings.items() if name not in said}
    controls = check_controls(entry.method(loaded.system), controls, loaded.header.classes)
    sources = [Path(source) for source in sources]
    if any(source.resolve() == target.resolve() for source in sources if source.is_file()):
        raise ValueError(f"{target.name} is one of the files to translate: choose another name for the result")
    suffix = ""
    if target.suffix.lower() != ".zip" and is_picture_file(target):
        suffix = target.suffix
        if len(sources) != 1 or sources[0].is_dir() or sources[0].suffix.lower() == ".zip":
            raise ValueError(f"{target.name} is one picture: choose a folder or a .zip for the results")

    def translated(body: bytes) -> bytes:
        made = recipe.fill(loaded, entry, {"picture": picture_name(body)} | said, controls)
        image = replay.image(made, engine, open_picture(body))
        return encoded(to_pictures(image[None])[0], suffix, made)

    return each(translated, sources, target, outputs or Outputs())


def each(
    translated: Callable[[bytes], bytes], sources: Sequence[Path], target: Path, outputs: Outputs
) -> Iterator[Outcome]:
    """Apply `translated` to every file, and write each result at once. Yields outcomes."""
    count, taken, done = sum(1 for source in sources for _ in contents(source)), set[str](), 0
    for source in sources:
        outputs.keep(*(source.rglob("*") if source.is_dir() else [source]))
    file = target.suffix.lower() != ".zip" and is_picture_file(target)
    zipped = Archive(target, outputs) if target.suffix.lower() == ".zip" else None
    with zipped or nullcontext(Folder(target.parent if file else target, outputs)) as out:
        for source in sources:
            for name, read in contents(source):
                done += 1
                try:
                    body = translated(read())
                    there = outputs.there
                    place = out.write(target.name if file else free_place(name, taken), body)
                    outcome = Outcome(name, written=place, there=outputs.there > there)
                except (ValueError, ArithmeticError, MemoryError) as error:
                    outcome = Outcome(name, trouble=sentence(error) if str(error) else NO_ROOM)
                except OSError as error:
                    why = error.strerror or error
                    outcome = Outcome(name, trouble=Text(f"cannot be written ({why})", f"ne peut être écrit ({why})"))
                yield outcome._replace(done=done, of=max(done, count))


# Inputs ---------------------------------------------------------------------------------------------------------


def contents(source: Path) -> Iterator[Entry]:
    """Yield the files of a source. If the whole source is refused, one entry that raises the reason when it is read."""
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
            raise Refusal(
                f"too large ({path.stat().st_size} bytes; at most {MAX_FILE >> 20} MiB)",
                f"trop grand ({path.stat().st_size} octets ; au plus {MAX_FILE >> 20} Mio)",
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise Refusal("not found", "introuvable") from None
    except OSError as error:
        raise Refusal(f"cannot be read ({error.strerror or error})", f"illisible ({error.strerror or error})") from None


def refuse(error: ValueError) -> bytes:
    raise error


def made_by_system(name: str) -> bool:
    """True for .DS_Store, __MACOSX and the like, which are skipped without a report."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini") for part in parts)


# Outputs --------------------------------------------------------------------------------------------------------


class Folder:
    def __init__(self, path: Path, outputs: Outputs):
        self.path, self.outputs = path, outputs

    def write(self, place: str, body: bytes) -> str:
        """Write a file. Returns its name, which another file there may have changed."""
        return self.outputs.write(self.path / place, body).relative_to(self.path).as_posix()


class Archive(AbstractContextManager):
    """A zip that is placed whole on exit, even after an exception. Until then an earlier file stays."""

    def __init__(self, path: Path, outputs: Outputs | None = None):
        self.whole = (outputs or Outputs()).making(path)
        self.zip = zipfile.ZipFile(self.whole.__enter__(), "w", zipfile.ZIP_STORED)  # PNGs are compressed already

    def write(self, place: str, body: bytes) -> str:
        self.zip.writestr(place, body)
        return place

    def __exit__(self, *_: object) -> None:
        self.zip.close()
        self.whole.__exit__(None, None, None)


def free_place(name: str, taken: set[str]) -> str:
    """A free name with .png, numbered if taken, which is added to `taken`. Compared without case, as on some disks."""
    stem, number = PurePosixPath(safe(name)).with_suffix(""), 1
    while (place := f"{stem}{f' {number}' if number > 1 else ''}.png").casefold() in taken:
        number += 1
    taken.add(place.casefold())
    return place


def safe(name: str) -> str:
    """A relative path that is valid on every system, from an untrusted name in a zip."""
    kept = (part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".."))
    parts = ("".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in part) for part in kept)
    return "/".join(part[:MAX_PART].strip(" .") or "_" for part in parts) or "_"
