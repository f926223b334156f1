"""Files of folders and zips, and which of them are pictures, label files, or neither.

Archives are untrusted, and never unpacked to disk.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

from genstudio.controls import Refusal
from genstudio.decoding.formats import SUFFIXES, is_picture
from genstudio.files import member_name

MAX_FILES = 200_000
MAX_BYTES = 4 * 2**30  # unpacked
MAX_FILE = 256 * 2**20  # of one picture, unpacked
MAX_RATIO = 200  # unpacked to packed size: pictures are compressed already, zip bombs exceed it
HEAD = 16  # bytes by which a picture without a suffix is recognised

# Files that systems and programs add by themselves; all that begins with a dot is such a one, too.
ADDED = {
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "@recycle", "@tmp", "#recycle",
    "#snapshot", "$recycle.bin", "system volume information", "lost+found", "__pycache__", "network trash folder",
    "temporary items",
}  # fmt: skip
TABLES = (".csv", ".tsv")  # suffixes of label files
TABLE_NAMES = ("dataset.json", "metadata.jsonl")


Result = TypeVar("Result")


class Entry(NamedTuple):
    name: str  # with forward slashes, inside the folder or zip
    read: Callable[[], bytes]


class File(NamedTuple):
    """An entry with what sorting it needs."""

    name: str
    read: Callable[[], bytes]
    size: int = 0  # bytes
    head: Callable[[], bytes] = bytes  # the first `HEAD` bytes
    link: bool = False  # it leads out of the folder, and is not followed


class Listing(NamedTuple):
    """The files of a set by use."""

    pictures: list[File]
    tables: list[File]  # label files
    ignored: list[str]  # others, and those added by systems and programs


def entries(source: Path) -> Iterator[Entry]:
    """Yield the files of a folder or zip, but for links out of it. Raises ValueError as `opened` does."""
    with opened(source) as files:
        yield from (Entry(file.name, file.read) for file in files if not file.link)


@contextmanager
def opened(source: Path) -> Iterator[list[File]]:
    """Context of the files of a folder or zip, which can be read inside it.

    Raises ValueError on path traversal, a zip bomb, or too many files.
    """
    if source.is_dir():
        yield _of_folder(source)
        return
    try:
        archive = zipfile.ZipFile(source)
    except FileNotFoundError:
        raise Refusal(f"{source} does not exist", f"{source} n’existe pas") from None
    except MemoryError:
        raise
    except Exception:  # of any type for damaged bytes
        raise Refusal(
            f"{source.name} is neither a folder nor a zip of pictures",
            f"{source.name} n’est ni un dossier ni un zip d’images",
        ) from None
    with archive:
        yield _of_zip(source, archive)


def _of_folder(source: Path) -> list[File]:
    root = source.resolve()
    files = list(islice((p for p in source.rglob("*") if p.is_file() or p.is_symlink()), MAX_FILES + 1))
    _check_count(source, len(files))

    def head(file: Path) -> bytes:
        with file.open("rb") as stream:
            return stream.read(HEAD)

    def entry(file: Path) -> File:
        name = file.relative_to(source).as_posix()
        if not file.is_file() or not file.resolve().is_relative_to(root):
            return File(name, bytes, link=True)
        return File(name, partial(_read, file.read_bytes), file.stat().st_size, partial(_read, partial(head, file)))

    return [entry(file) for file in sorted(files)]


def _of_zip(source: Path, archive: zipfile.ZipFile) -> list[File]:
    members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)  # as in a folder
    _check_count(source, len(members))
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

    def head(member: zipfile.ZipInfo) -> bytes:
        with archive.open(member) as stream:
            return stream.read(HEAD)

    return [
        File(member_name(m), partial(_read, partial(archive.read, m)), m.file_size, partial(_read, partial(head, m)))
        for m in members
    ]


def _check_count(source: Path, count: int) -> None:
    if count > MAX_FILES:
        more = "" if source.is_file() else "more than "
        plus = "" if source.is_file() else "plus de "
        shown = count if source.is_file() else MAX_FILES
        raise Refusal(
            f"{source.name} holds {more}{shown} files; at most {MAX_FILES} are read",
            f"{source.name} contient {plus}{shown} fichiers ; {MAX_FILES} au plus sont lus",
        )


def _read(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except MemoryError:
        raise
    except Exception as error:  # of any type for damaged bytes; a RuntimeError: a password, or an unknown compression
        raise Refusal(
            f"cannot be read ({error})",
            f"illisible ({error})",
        ) from None


class Count:
    """Pictures read so far, and in all, of the sets that a thread reads: one that shows them calls `counting` there."""

    def __init__(self) -> None:
        self.done, self.lists = 0, dict[tuple[str, int], int]()

    @property
    def of(self) -> int:
        return sum(self.lists.values())


COUNT: ContextVar[Count | None] = ContextVar("COUNT", default=None)


def counting(count: Count, read: Callable[..., Result], *arguments: Any) -> Result:
    """Call `read`, and count what it reads."""
    token = COUNT.set(count)
    try:
        return read(*arguments)
    finally:
        COUNT.reset(token)


def read_picture(file: File) -> bytes:
    """The bytes of a picture. Raises ValueError for a file that is too large or cannot be read."""
    if count := COUNT.get():
        count.done += 1
    if file.size > MAX_FILE:
        raise Refusal(
            f"too large ({file.size} bytes; at most {MAX_FILE >> 20} MiB)",
            f"trop grande ({file.size} octets ; au plus {MAX_FILE >> 20} Mio)",
        )
    return file.read()


# Uses of files --------------------------------------------------------------------------------------------------


def hidden(name: str) -> bool:
    """True for a file that a system or program has added: .DS_Store, __MACOSX/..., .thumbnails/..., Thumbs.db."""
    return any(part.startswith(".") or part.lower() in ADDED for part in PurePosixPath(name).parts)


def listing(files: Sequence[File]) -> Listing:
    """Sort files by use: a picture has the suffix of one, or its mark."""
    found = Listing([], [], [])
    for file in files:
        name = PurePosixPath(file.name)
        if hidden(file.name):
            found.ignored.append(file.name)
        elif file.link:
            found.ignored.append(f"{file.name} (a link out of the folder)")
        elif name.suffix.lower() in SUFFIXES:
            found.pictures.append(file)
        elif name.suffix.lower() in TABLES or name.name.lower() in TABLE_NAMES:
            found.tables.append(file)
        elif _marked(file):
            found.pictures.append(file)
        else:
            found.ignored.append(file.name)
    if files and (count := COUNT.get()):
        count.lists[files[0].name, len(files)] = len(found.pictures)
    return found


def _marked(file: File) -> bool:
    try:
        return is_picture(file.head(), file.name)
    except ValueError:
        return False
