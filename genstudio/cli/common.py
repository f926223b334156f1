"""Helpers shared by the commands: argument parsing, progress, results."""

from __future__ import annotations

import glob
import json as jsons
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genstudio.engine import Engine
    from genstudio.engine.loaded import LoadedModel
    from genstudio.system import System
    from genstudio.tasks.outputs import Outputs


CHUNK = 64  # images computed and written at a time
MAX_ON_A_SHEET = 4096


def given(flags: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The flags of a group that were set, by name without the prefix."""
    return {name.removeprefix(prefix): v for name, v in flags.items() if name.startswith(prefix) and v is not None}


def controls_of(loaded: LoadedModel, verb: str, flags: dict[str, Any]) -> dict[str, Any]:
    """Controls of a verb from the flags, with defaults for the others."""
    from genstudio.controls import check_controls

    return check_controls(method_of(loaded.system, verb), given(flags, "control_"), loaded.header.classes)


def method_of(system: System, verb: str) -> Callable:
    """The model's method whose controls a command has: of a verb of recipes, or `encode`, which makes no picture."""
    from genstudio.engine.loaded import find_verb
    from genstudio.recipes import verbs

    return find_verb(system, verb) if verb == "encode" else verbs.find(verb).method(system)


def device_of(word: str | None) -> str | None:
    """Check a device name. Raises ValueError if it is malformed or not available."""
    import torch

    if word is not None and not re.fullmatch(r"cpu|mps|cuda(:\d+)?", word, re.ASCII):
        raise ValueError(f"device must be like cpu, cuda or cuda:1, not {word!r}")
    here = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if word and word.startswith("cuda") and int(word.partition(":")[2] or 0) >= here:
        raise ValueError(f"there is no {word} here: CUDA devices found: {here}")
    return word


def open_engine(device: str | None, exact: bool) -> Engine:
    from genstudio.engine import Engine

    return Engine(device_of(device), exact)


def seed_ranges(text: str) -> list[range]:
    """ "1,5,9-12" -> ranges, which are not expanded, as they may be long. A seed that is named again counts once."""
    from genstudio.recipes.fields import check_seed

    ranges: list[range] = []
    for part in text.split(","):
        if not (found := re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part, re.ASCII)):
            raise ValueError(f"seeds are written like 0-63 or 1,5,9-12, not {text!r}")
        first = check_seed(found[1])
        last = check_seed(found[2] or found[1])
        if last < first:
            raise ValueError(f"the seeds {part.strip()!r} run backwards")
        new = [range(first, last + 1)]
        for had in ranges:
            new = [rest for one in new for rest in without(one, had)]
        ranges += new
    return ranges


def without(one: range, other: range) -> list[range]:
    """The parts of a range that are not in another."""
    before = range(one.start, min(one.stop, other.start))
    after = range(max(one.start, other.stop), one.stop)
    return [part for part in (before, after) if part] if other else [one]


class ProgressLine:
    """Progress of a long command on stderr: a line that is updated on a terminal, else one every `seconds`."""

    def __init__(self, seconds: float = 10.0):
        self.live, self.seconds = sys.stderr.isatty(), seconds
        self.started = self.shown = time.monotonic()

    def show(self, text: str, last: bool = False) -> None:
        if self.live:
            print(f"\r\x1b[K{text}", end="\n" if last else "", file=sys.stderr, flush=True)
        elif last or time.monotonic() - self.shown >= self.seconds:
            print(text, file=sys.stderr, flush=True)
            self.shown = time.monotonic()

    def note(self, text: str) -> None:
        """Print a permanent line."""
        print(f"\r\x1b[K{text}" if self.live else text, file=sys.stderr, flush=True)

    def count(self, done: int, total: int, what: str = "pictures") -> None:
        rate = done / max(1e-9, time.monotonic() - self.started)
        left = f", {clock((total - done) / rate / 60)} left" if done < total else ""
        self.show(f"{done} of {total} {what}, {rate:.3g}/s{left}", last=done == total)


def clock(minutes: float) -> str:
    """1.5 -> 1:30 and 100 -> 1 h 40."""
    seconds = round(60 * minutes)
    return f"{seconds // 60}:{seconds % 60:02d}" if seconds < 3600 else f"{seconds // 3600} h {seconds // 60 % 60:02d}"


def print_json(value: Any) -> None:
    print(jsons.dumps(value, ensure_ascii=False, indent=1))


class PictureWriter:
    """Writer of images with their recipes to a folder, with an optional sheet of all and a summary at the end; a single
    one also to a file. No file that is there is lost (`tasks/outputs.py`)."""

    def __init__(self, out: Path, total: int, json: bool, outputs: Outputs, sheet: str | None = None):
        from genstudio.tasks.outputs import is_picture_file

        if sheet and total > MAX_ON_A_SHEET:
            raise ValueError(f"a sheet holds at most {MAX_ON_A_SHEET} pictures, not {total}")
        self.file = out if is_picture_file(out) else None
        if self.file and (sheet or total > 1):
            raise ValueError(f"{out.name} is one picture: for {sheet or total} give --out a folder")
        if not self.file:
            out.mkdir(parents=True, exist_ok=True)
        self.out, self.total, self.json, self.sheet, self.outputs = out, total, json, sheet, outputs
        self.written: list[dict[str, Any]] = []
        self.on_sheet: list[Any] = []
        self.done, self.progress = 0, ProgressLine()

    def add(self, images: Any, names: Sequence[str], recipes: Sequence[dict]) -> None:
        """Write images, uint8 (n, h, w, c), with their file names and recipes."""
        from genstudio.images import to_pictures
        from genstudio.tasks.outputs import encoded

        for picture, name, recipe in zip(to_pictures(images), names, recipes, strict=True):
            place, there = self.file or self.out / name, self.outputs.there
            place = self.outputs.write(place, encoded(picture, place.suffix, recipe))
            if self.json:
                self.written.append({"file": str(place), "there": self.outputs.there > there, "recipe": recipe})
        if self.sheet:
            self.on_sheet.append(images)
        self.done += len(images)
        self.progress.count(self.done, self.total)

    def finish(self, columns: int | None = None) -> None:
        import numpy as np

        from genstudio.images import grid, to_pictures
        from genstudio.tasks.outputs import encoded

        there, also = self.outputs.there, ""
        if self.sheet:
            [sheet] = to_pictures(grid(np.concatenate(self.on_sheet), columns)[None])
            also = f" and {self.outputs.write(self.out / self.sheet, encoded(sheet, '.png')).name}"
            self.outputs.there = there  # pictures alone are counted
        if self.json:
            print_json(self.written)
        else:
            new, where = self.done - there, self.outputs.last if self.file else self.out
            print(f"{new} picture{'s' * (new != 1)}{also} in {where}{self.outputs.summary()}")


def chunks(items: Iterable) -> Iterator[list]:
    part = []
    for item in items:
        part.append(item)
        if len(part) == CHUNK:
            yield part
            part = []
    if part:
        yield part


def expanded(words: Sequence[str]) -> list[str]:
    """Files of words that are patterns, such as *.jpg, which the shell of Windows leaves as they are. Raises ValueError
    for one that fits no file."""
    found: list[str] = []
    for word in words:
        if not re.search(r"[*?\[]", word) or Path(word).exists():
            found.append(word)
        elif files := sorted(glob.glob(word, recursive=True)):
            found += files
        else:
            raise ValueError(f"no file is called like {word}")
    return found


def open_named(name: str) -> Any:
    """Open a picture file, with its remarks on stderr. Raises ValueError with its name."""
    from genstudio.images import open_picture, remarks

    try:
        picture = open_picture(name)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    for remark in remarks(picture):
        print(f"{name}: {remark.en}", file=sys.stderr)
    return picture


def confirmed(question: str) -> bool:
    """Ask for consent on a terminal; False without one."""
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Context that prints each warning on one line, without its location in the code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"genstudio: {message}", file=sys.stderr)
        yield
