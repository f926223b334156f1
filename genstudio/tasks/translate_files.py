"""Batch translation: pictures from files, folders and zips, one by one, to PNGs of the same names.

One picture is in memory at a time. A broken or malicious file becomes a line of the report, and the rest continues.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from PIL import Image

from genstudio.controls import Refusal, Text, check_controls, sentence
from genstudio.data import Entry, entries, hidden
from genstudio.engine import Engine
from genstudio.engine.edges import translation_remarks
from genstudio.files import portable
from genstudio.images import open_picture, remarks, to_pictures
from genstudio.recipes import recipe, replay, verbs
from genstudio.recipes.fields import picture_name
from genstudio.tasks.outputs import Outputs, encoded, is_picture_file

MAX_FILE = 400 * 2**20  # bytes: 64 million pixels of three 16-bit channels, almost uncompressed
ENDINGS = {*Image.registered_extensions(), ".heic", ".heif"}

NO_ROOM = Text("there is too little memory for it", "il n’y a pas assez de mémoire")


class Outcome(NamedTuple):
    """Result of one file."""

    name: str  # relative to its folder or zip
    written: str = ""  # name of the result in the target
    trouble: Text | None = None  # the error, if there is no result
    remarks: tuple[Text, ...] = ()  # of a picture that was translated, such as one of several pages
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
    entry.complete(entry.defaults | said, loaded)
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

    def translated(body: bytes) -> tuple[bytes, list[Text]]:
        made = recipe.fill(loaded, entry, {"picture": picture_name(body)} | said, controls)
        image = replay.image(made, engine, picture := open_picture(body))
        said_of = [*remarks(picture), *translation_remarks(loaded.model, picture)]
        return encoded(to_pictures(image[None])[0], suffix, made), said_of

    return each(translated, sources, target, outputs or Outputs())


def each(
    translated: Callable[[bytes], tuple[bytes, list[Text]]], sources: Sequence[Path], target: Path, outputs: Outputs
) -> Iterator[Outcome]:
    """Apply `translated` to every file, and write each result at once. Yields outcomes, with the remarks it returns."""
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
                    body, said = translated(read())
                    there, wanted = outputs.there, target.name if file else free_place(name, taken)
                    place = out.write(wanted, body)
                    said = (*said, *(() if file else renamed(name, place)))
                    outcome = Outcome(name, written=place, remarks=said, there=outputs.there > there)
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
            if not hidden(entry.name):
                yield entry._replace(read=partial(of_file, source / entry.name)) if source.is_dir() else entry
    except ValueError as error:
        yield Entry(source.name, partial(refuse, error))


def skipped(sources: Sequence[Path]) -> list[str]:
    """Files of folders and zips that `contents` leaves out, as systems and programs have added them."""
    found: list[str] = []
    for source in sources:
        if source.is_dir() or source.suffix.lower() == ".zip":
            with suppress(ValueError):  # `contents` says why
                found += [entry.name for entry in entries(source) if hidden(entry.name)]
    return found


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
    stem, number = portable(without_ending(name)), 1
    while (place := f"{stem}{f' {number}' if number > 1 else ''}.png").casefold() in taken:
        number += 1
    taken.add(place.casefold())
    return place


def without_ending(name: str) -> str:
    """The name without the ending of a format; what else follows a point, such as seconds, belongs to it."""
    ending = PurePosixPath(name).suffix
    return name.removesuffix(ending) if ending.lower() in ENDINGS else name


def renamed(name: str, place: str) -> list[Text]:
    """A remark if the result's name is not the file's."""
    if place == f"{without_ending(name)}.png":
        return []
    return [Text(f"written as {place}", f"écrite sous le nom {place}")]
