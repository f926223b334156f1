"""Labels from files: dataset.json (StyleGAN), metadata.jsonl (Hugging Face's imagefolder), and tables such as
metadata.csv and labels.csv.

A label of null, or an empty one, is no label: the picture is learned from without a class.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from genstudio.controls import Refusal
from genstudio.data.archives import File

MAX_TABLE = 64 * 2**20  # bytes of a label file
FILE_COLUMNS = ("file_name", "filename", "file", "path", "image", "image_path", "img", "name", "id")
LABEL_COLUMNS = ("label", "class", "category", "class_name", "label_name", "labels", "target", "y")


@dataclass
class Labels:
    """Rows of the label files of a set by the names of its pictures."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    storage: bool = False  # the folders are no classes: dataset.json lists all pictures
    used: list[str] = field(default_factory=list)  # files whose rows name pictures
    unused: list[str] = field(default_factory=list)  # files that name none
    absent: dict[str, list[str]] = field(default_factory=dict)  # of each file, pictures of rows that are not in the set

    def of(self, name: str, key: str, folder: str) -> str | None:
        """Label of a picture: that of its row under `key`, else its folder; None for a picture without one."""
        row = self.rows.get(name, {})
        if key in row:
            return _word(row[key])
        return None if self.storage else folder or None


def read_labels(tables: Sequence[File], names: Sequence[str]) -> Labels:
    """Read the label files of a set of pictures with these names. Raises ValueError for a damaged one."""
    found, known = Labels(), set(names)
    for entry in tables:
        if entry.size > MAX_TABLE:
            raise Refusal(
                f"{entry.name} is too large for a file of labels ({entry.size} bytes; at most {MAX_TABLE >> 20} MiB)",
                f"{entry.name} est trop grand pour un fichier d’étiquettes ({entry.size} octets ; au plus "
                f"{MAX_TABLE >> 20} Mio)",
            )
        path = PurePosixPath(entry.name)
        read = {"dataset.json": _dataset_json, "metadata.jsonl": _jsonl}.get(path.name.lower(), _table)
        rows = read(entry, names)
        if rows is None:
            found.unused.append(entry.name)
            continue
        rows = {(path.parent / name).as_posix(): row for name, row in rows.items()}
        found.used.append(entry.name)
        found.storage |= read is _dataset_json
        if absent := [name for name in rows if name not in known]:
            found.absent[entry.name] = absent
        found.rows |= rows
    return found


def _word(label: Any) -> str | None:
    if label is None or isinstance(label, float) and label != label or not str(label).strip():
        return None
    return str(label)


# Formats: each gives the rows by file name, relative to the file's folder, or None if it names no pictures --------


def _jsonl(entry: File, names: Sequence[str]) -> dict[str, dict]:
    rows = {}
    for i, line in enumerate(entry.read().splitlines(), 1):
        try:
            row = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            raise Refusal(
                f"{entry.name}, line {i}, is not JSON",
                f"{entry.name}, ligne {i}, n’est pas du JSON",
            ) from None
        if isinstance(row, dict) and isinstance(row.get("file_name"), str):
            rows[row["file_name"]] = row
    return rows


def _dataset_json(entry: File, names: Sequence[str]) -> dict[str, dict] | None:
    """{"labels": null, or [[name, label], ...], or {name: label}}; a label is a number, a word, or a one-hot vector."""
    try:
        said = json.loads(entry.read())
    except (ValueError, RecursionError):
        raise Refusal(f"{entry.name} is not JSON", f"{entry.name} n’est pas du JSON") from None
    if not isinstance(said, dict) or "labels" not in said:
        return None
    labels = said["labels"] or []
    pairs = list(labels.items()) if isinstance(labels, dict) else labels
    if not isinstance(pairs, list):
        raise _no_labels(entry, labels)
    rows = {}
    for pair in pairs:
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str)):
            raise _no_labels(entry, pair)
        rows[pair[0].replace("\\", "/")] = {"label": _class(entry, pair[1])}
    return rows


def _class(entry: File, label: Any) -> str | int | None:
    if isinstance(label, list):
        if all(isinstance(value, (int, float)) for value in label) and sorted(label) == [0] * (len(label) - 1) + [1]:
            return label.index(1)  # one-hot
        raise _no_labels(entry, label)
    if isinstance(label, dict):
        raise _no_labels(entry, label)
    return int(label) if isinstance(label, float) and label.is_integer() else label


def _no_labels(entry: File, said: Any) -> Refusal:
    return Refusal(
        f"{entry.name} should give each picture one class, a number or a name, and has {str(said)[:80]!r}",
        f"{entry.name} devrait donner à chaque image une classe, un nombre ou un nom, et a {str(said)[:80]!r}",
    )


def _table(entry: File, names: Sequence[str]) -> dict[str, dict] | None:
    """A table with a column of file names, with or without folder and suffix, and one of labels."""
    lines = _cells(entry)
    first, here = next(lines, []), PurePosixPath(entry.name).parent
    paths = [PurePosixPath(name) for name in names]
    own = [path.relative_to(here).as_posix() for path in paths if path.is_relative_to(here)]
    resolve = _resolver(own)
    body = list(lines)
    header = [cell.strip().lower() for cell in first]
    if any(resolve(cell) for cell in first if PurePosixPath(cell).suffix):  # a table without a header
        header, body = [f"column {i}" for i in range(len(first))], [first, *body]
    column = _file_column(header, body, resolve)
    if column is None:
        return None
    label = _label_column(header, column)
    rows = {}
    for line in body:
        if column < len(line) and line[column].strip():
            cells = {key: value for key, value in zip(header, line, strict=False) if key}
            if label is not None:
                cells["label"] = line[label].strip() if label < len(line) else None
            rows[resolve(line[column]) or line[column].strip()] = cells
    return rows


def _cells(entry: File) -> Iterator[list[str]]:
    """Rows of a table in UTF-8, UTF-16 or Latin-1, its cells parted by commas, semicolons or tabs."""
    body = entry.read()
    try:
        text = body.decode("utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeError:
        text = body.decode("latin-1")
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from (line for line in reader if line)
    except csv.Error:
        raise Refusal(
            f"{entry.name}, line {reader.line_num}, is not a row of a table",
            f"{entry.name}, ligne {reader.line_num}, n’est pas une ligne de tableau",
        ) from None


def _resolver(names: Iterable[str]):
    """Function from a cell to the picture that it names: by path, by file name, or by either without its suffix."""
    places: dict[str, str | None] = {}

    def note(key: str, name: str) -> None:
        places[key] = None if places.get(key, name) != name else name  # two pictures: it names neither

    for name in names:
        path = PurePosixPath(name)
        for key in {name, path.name, path.with_suffix("").as_posix(), path.stem}:
            note(key, name)
    exact = {name: name for name in names}
    places |= exact

    def resolve(cell: str) -> str | None:
        word = PurePosixPath(cell.strip().replace("\\", "/")).as_posix()
        return places.get(word) or places.get(PurePosixPath(word).name)

    return resolve


def _file_column(header: Sequence[str], body: Sequence[Sequence[str]], resolve) -> int | None:
    """The column that names the most pictures, in at least half of the rows. Only one with a usual title may leave out
    their suffixes: 3 is the price of many things."""
    usual = {i for i, title in enumerate(header) if title in FILE_COLUMNS}
    cells = ((i, cell) for line in body for i, cell in enumerate(line) if cell.strip())
    hits = Counter(i for i, cell in cells if (i in usual or PurePosixPath(cell.strip()).suffix) and resolve(cell))
    columns = [i for i in hits if 2 * hits[i] >= len(body)]
    return max(columns, key=lambda i: (i in usual, hits[i]), default=None)


def _label_column(header: Sequence[str], files: int) -> int | None:
    """The column of labels, by its name, or as the only one beside the file names."""
    others = [i for i in range(len(header)) if i != files and header[i]]
    named = sorted((i for i in others if header[i] in LABEL_COLUMNS), key=lambda i: LABEL_COLUMNS.index(header[i]))
    return named[0] if named else others[0] if len(others) == 1 else None


def conditions(
    rows: Mapping[str, dict], names: Sequence[str], keys: Sequence[str]
) -> tuple[dict[str, list], dict[str, tuple[str, ...]]]:
    """Values of each of the keys for the pictures of these names, and the names of categorical values.

    Names come from all rows, so that both parts of a split number them alike.
    """
    found, values = {}, {}
    for key in keys:
        of_all = {value for row in rows.values() if isinstance(value := row.get(key), (bool, str))}
        of_these = [rows.get(name, {}).get(key) for name in names]
        if words := sorted(value for value in of_all if isinstance(value, str)):
            numbers = {word: i for i, word in enumerate(words)}
            values[key] = tuple(words)
            found[key] = [numbers[value] if isinstance(value, str) else -1 for value in of_these]
        elif of_all:
            values[key] = ()
            found[key] = [value is True for value in of_these]
    return found, values
