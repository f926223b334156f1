"""What each verb of the command line does: a function each, whose arguments are the flags that `parser.py` declares.

Results go to stdout, as text or as JSON; progress goes to stderr. What a visitor got wrong is a ValueError in one
sentence. A verb returns its exit code where that is not 0. torch is imported inside, so that `--help` need not wait.
"""

from __future__ import annotations

import json as jsons
import re
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genstudio.scores.words import score_text

if TYPE_CHECKING:
    from genstudio.engine import Engine
    from genstudio.held import Held
    from genstudio.system import System

CHUNK = 64  # pictures made, written and reported at a time
MOST_ON_A_SHEET = 4096
MOST_POSITIONS = 10_000
WALK = 60  # pictures of a film, one way


# Words to values ------------------------------------------------------------------------------------------------


def given(flags: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The flags of a group that were given, by their own names."""
    return {name.removeprefix(prefix): v for name, v in flags.items() if name.startswith(prefix) and v is not None}


def controls_of(held: Held, verb: str, flags: dict[str, Any]) -> dict[str, Any]:
    """The controls of a verb as the flags have them, the others as declared."""
    from genstudio.held import maker
    from genstudio.model import check_controls

    return check_controls(maker(held.system, verb), given(flags, "control_"), held.header.classes)


def device_of(word: str | None) -> str | None:
    """A device that is here."""
    import torch

    if word is not None and not re.fullmatch(r"cpu|mps|cuda(:\d+)?", word, re.ASCII):
        raise ValueError(f"device must be like cpu, cuda or cuda:1, not {word!r}")
    here = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if word and word.startswith("cuda") and int(word.partition(":")[2] or 0) >= here:
        raise ValueError(f"there is no {word} here: CUDA devices found: {here}")
    return word


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings in one line each, without their place in the code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"genstudio: {message}", file=sys.stderr)
        yield


def open_engine(device: str | None, exact: bool) -> Engine:
    from genstudio.engine import Engine

    return Engine(device_of(device), exact)


def seed_ranges(text: str) -> list[range]:
    """ "1,5,9-12" -> ranges, which may be long: nothing is listed yet."""
    from genstudio.recipe import check_seed

    ranges = []
    for part in text.split(","):
        if not (found := re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part, re.ASCII)):
            raise ValueError(f"seeds are written like 0-63 or 1,5,9-12, not {text!r}")
        first = check_seed(found[1])
        last = check_seed(found[2] or found[1])
        if last < first:
            raise ValueError(f"the seeds {part.strip()!r} run backwards")
        ranges.append(range(first, last + 1))
    return ranges


# Progress and results -------------------------------------------------------------------------------------------


class Progress:
    """Where a long command stands, on stderr: a line that renews itself on a terminal, else a line now and then."""

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
        """A line that stays."""
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


class Pictures:
    """Writes pictures with their recipes into a folder, as they come, and tells of them at the end."""

    def __init__(self, out: Path, total: int, json: bool, sheet: str | None = None):
        if sheet and total > MOST_ON_A_SHEET:
            raise ValueError(f"a sheet holds at most {MOST_ON_A_SHEET} pictures, not {total}")
        out.mkdir(parents=True, exist_ok=True)
        self.out, self.total, self.json, self.sheet = out, total, json, sheet
        self.written: list[dict[str, Any]] = []
        self.on_sheet: list[Any] = []
        self.done, self.progress = 0, Progress()

    def add(self, images: Any, names: Sequence[str], recipes: Sequence[dict]) -> None:
        """uint8 (n, h, w, c)."""
        from genstudio.images import save_png, to_pictures

        for picture, name, recipe in zip(to_pictures(images), names, recipes, strict=True):
            save_png(picture, self.out / name, recipe)
            if self.json:
                self.written.append({"file": str(self.out / name), "recipe": recipe})
        if self.sheet:
            self.on_sheet.append(images)
        self.done += len(images)
        self.progress.count(self.done, self.total)

    def finish(self, columns: int | None = None) -> None:
        import numpy as np

        from genstudio.images import grid, save_png, to_pictures

        if self.sheet:
            [sheet] = to_pictures(grid(np.concatenate(self.on_sheet), columns)[None])
            save_png(sheet, self.out / self.sheet)
        if self.json:
            print_json(self.written)
        else:
            also = f" and {self.sheet}" if self.sheet else ""
            print(f"{self.done} picture{'s' * (self.done != 1)}{also} in {self.out}")


# Verbs ----------------------------------------------------------------------------------------------------------


def list_(json: bool) -> None:
    rows = described()
    if json:
        return print_json(rows)
    for family in dict.fromkeys(row["family"] for row in rows):
        print(family)
        for row in (r for r in rows if r["family"] == family):
            weights = f"{row['bytes'] / 1e6:.1f} MB, {row['file']}" if row["file"] else "no weights yet"
            shape = "x".join(map(str, row["shape"]))
            print(f"  {row['name']:<24} {row['title']:<44} {shape:<8} {row['problem'] or weights}")
            for name, number in row["scores"].items():
                print(f"      {name}: {score_text(number)}")


def described() -> list[dict[str, Any]]:
    """What is known of every checkpoint, and of every system that has none; by family, then by system."""
    from genstudio import checkpoint
    from genstudio.model import verbs
    from genstudio.registry import find, systems

    def of_system(system: System, arguments: dict[str, Any]) -> dict[str, Any]:
        shape = checkpoint.shell(system, arguments).image_shape
        known = {"system": system.name, "family": system.family, "title": system.title.en, "summary": system.summary}
        return known | {"data": system.data, "shape": shape, "verbs": verbs(system.model)}

    rows, order = [], list(systems())
    files = checkpoint.available()
    for name in dict.fromkeys([*order, *files]):
        row = {"name": name, "system": "", "family": "unreadable", "title": "", "shape": (), "problem": None}
        row |= {"file": None, "bytes": 0, "images": 0, "minutes": 0.0, "scores": {}}
        if name in order:
            row |= of_system(systems()[name], {})
        if path := files.get(name):
            row |= {"file": str(path), "bytes": path.stat().st_size}
            try:
                header = checkpoint.describe(path)
                system = find(header.system)
                row |= of_system(system, checkpoint.check_arguments(system, header.arguments))
                row |= {key: getattr(header, key) for key in ("data", "images", "minutes", "scores")}
            except ValueError as error:
                row["problem"] = str(error)
        rows.append(row)
    place = {name: i for i, name in enumerate(order)}
    return sorted(rows, key=lambda row: (place.get(row["system"], len(order)), row["name"]))


def sample(
    system: str, seeds: str, grid: bool, out: Path, exact: bool, device: str | None, json: bool, **flags: Any,
) -> None:  # fmt: skip
    from genstudio import recipe

    ranges = seed_ranges(seeds)
    engine = open_engine(device, exact)
    held = engine.hold(system)
    controls = controls_of(held, "sample", flags)
    total = sum(r.stop - r.start for r in ranges)  # len() of a range stops at 2^63
    pictures = Pictures(out, total, json, "grid.png" if grid else None)
    for part in chunks(seed for r in ranges for seed in r):
        *_, images = engine.sample(system, part, **controls)
        recipes = [recipe.make(held, "sample", seed=seed, controls=controls) for seed in part]
        pictures.add(images, [f"{seed:04d}.png" for seed in part], recipes)
    pictures.finish()


def redraw(
    system: str, picture: str, seeds: str, mask: str | None, out: Path, exact: bool, device: str | None, json: bool, **flags: Any,
) -> None:  # fmt: skip
    from genstudio import packed, recipe
    from genstudio.images import to_array

    ranges = seed_ranges(seeds)
    engine = open_engine(device, exact)
    held = engine.hold(system)
    controls, given_picture, drawn = controls_of(held, "redraw", flags), open_named(picture), None
    said = {"picture": recipe.picture_name(Path(picture).read_bytes())}
    if mask is not None:
        drawn = to_array(open_named(mask), (1, *held.model.image_shape[1:]))[0] > 127
        said["mask"] = packed.pack_mask(drawn)
    pictures = Pictures(out, sum(r.stop - r.start for r in ranges), json)
    for part in chunks(seed for r in ranges for seed in r):
        *_, last = engine.redraw(system, given_picture, part, drawn, **controls)
        recipes = [recipe.make(held, "redraw", seed=seed, **said, controls=controls) for seed in part]
        pictures.add(last.guess, [f"{seed:04d}.png" for seed in part], recipes)
    pictures.finish()


def chunks(items: Iterable) -> Iterator[list]:
    part = []
    for item in items:
        part.append(item)
        if len(part) == CHUNK:
            yield part
            part = []
    if part:
        yield part


def encode(system: str, pictures: list[str], out: Path | None, exact: bool, device: str | None, json: bool) -> None:
    import numpy as np

    from genstudio import packed

    engine = open_engine(device, exact)
    held, progress, codes = engine.hold(system), Progress(), []
    for part in chunks(pictures):
        codes.extend(engine.encode(system, [open_named(name) for name in part]))
        progress.count(len(codes), len(pictures))
    if out:
        out = out if out.suffix == ".npz" else out.with_name(out.name + ".npz")  # as numpy would
        out.parent.mkdir(parents=True, exist_ok=True)
        told = dict(pictures=pictures, system=held.name, weights=held.digest)
        np.savez(out, codes=np.stack(codes).astype(np.float16), **told)
    if json:
        rows = [{"picture": p, "code": f"code:{packed.pack(c)}"} for p, c in zip(pictures, codes, strict=True)]
        print_json({"system": held.name, "weights": held.digest, "codes": rows})
    elif out:
        print(f"{len(codes)} codes of {len(codes[0])} numbers in {out}")
    else:
        for code in codes:
            print(f"code:{packed.pack(code)}")


def open_named(name: str) -> Any:
    """A picture file, whose name goes into the complaint."""
    from genstudio.images import open_picture

    try:
        return open_picture(name)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def decode(system: str, codes: list[str], out: Path, exact: bool, device: str | None, json: bool, **flags: Any) -> None:
    import numpy as np

    from genstudio import packed, recipe

    engine = open_engine(device, exact)
    held = engine.hold(system)
    controls = controls_of(held, "decode", flags)
    rows = [row for word in codes for row in read_codes(word)]
    if len(lengths := sorted({len(row) for row in rows})) > 1:
        raise ValueError(f"the codes have {lengths[0]} and {lengths[-1]} numbers: they belong to different models")
    pictures = Pictures(out, len(rows), json)
    for part in chunks(enumerate(rows)):
        images = engine.decode(system, np.stack([row for _, row in part]), **controls)
        recipes = [recipe.make(held, "decode", code=packed.pack(row), controls=controls) for _, row in part]
        pictures.add(images, [f"{i:04d}.png" for i, _ in part], recipes)
    pictures.finish()


def read_codes(word: str) -> list[Any]:
    """Codes (d,) of `code:...` or of an .npz file, as half precision holds them."""
    import numpy as np

    from genstudio import packed

    if word.startswith("code:"):
        return [packed.unpack(word.removeprefix("code:"))]
    try:
        codes = np.load(word, allow_pickle=False)["codes"].astype(np.float32)
    except FileNotFoundError:
        raise ValueError(f"{word} is neither code:... nor a file") from None
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        raise ValueError(f"{word} is no file of codes: encode --out writes such a one") from None
    if codes.ndim != 2 or not codes.size or not np.isfinite(codes).all():
        raise ValueError(f"{word} holds no codes: they must be finite numbers, one row for each picture")
    return [packed.unpack(packed.pack(row)) for row in codes]


def interpolate(
    system: str, start: str, end: str, positions: str | None, count: int, path: str, strip: bool, film: Path | None,
    out: Path, exact: bool, device: str | None, json: bool, **flags: Any,
) -> None:  # fmt: skip
    from genstudio import recipe
    from genstudio.images import save_walk

    places = read_positions(positions, count)
    recipe.check_path(path)
    if film and film.suffix not in (".webp", ".mp4"):
        raise ValueError(f"a film is a .webp or an .mp4, not {film.name}")
    engine = open_engine(device, exact)
    held = engine.hold(system)
    controls = controls_of(held, "interpolate", flags)
    ends = {"from": read_end(start, engine, held), "to": read_end(end, engine, held)}
    codes = [recipe.latent_of(e, engine, system) for e in ends.values()]
    pictures = Pictures(out, len(places), json, "strip.png" if strip else None)
    for part in chunks(enumerate(places)):
        images = engine.interpolate(system, (codes[0], codes[1]), [t for _, t in part], path, **controls)
        recipes = [recipe.make(held, "interpolate", **ends, position=t, path=path, controls=controls) for _, t in part]
        pictures.add(images, [f"{i:04d}.png" for i, _ in part], recipes)
    pictures.finish(columns=len(places))
    if film:
        film.parent.mkdir(parents=True, exist_ok=True)
        way = [i / (WALK - 1) for i in range(WALK)]
        save_walk(engine.interpolate(system, (codes[0], codes[1]), way, path, **controls), film)
        print(f"The way there and back is in {film}", file=sys.stderr)


def again(recipe: str, out: Path, device: str | None) -> None:
    from genstudio import opening
    from genstudio.images import save_png, to_pictures
    from genstudio.recipe import check, check_link, command, differences, from_query, image

    if Path(recipe).is_file():
        found = opening.identify(recipe).recipe
    else:
        found = from_query(check_link(recipe.partition("?")[2] or recipe))
    if found is None:
        raise ValueError(f"{recipe!r} holds no recipe: give a picture of ours, a .json file, or a link's verb=...&system=...")
    name = check(found)["system"]
    if "picture" in found:
        what = {"translate": "translated", "redraw": "redrawn"}[found["verb"]]
        raise ValueError(f"a recipe does not hold the picture that was {what}; with it at hand: {command(found)}")
    engine = open_engine(device, exact=found.get("precision") == "float32")
    held = engine.hold(name)
    made = image(found, engine)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_png(to_pictures(made[None])[0], out, found)
    if changed := [key for key in differences(found, held) if key in found]:  # a link says less than a picture
        print(f"It may differ slightly: this is not the same {', '.join(changed)}.", file=sys.stderr)
    print(out)


def read_positions(text: str | None, count: int) -> list[float]:
    from genstudio.recipe import check_position

    if text is None:
        if not 2 <= count <= MOST_POSITIONS:
            raise ValueError(f"count must lie between 2 and {MOST_POSITIONS}, not {count}")
        return [i / (count - 1) for i in range(count)]
    try:
        return [check_position(float(word)) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"positions are numbers from 0 to 1, as in 0,0.5,1, not {text!r}") from None


def read_end(word: str, engine: Engine, held: Held, search: Callable | None = None) -> dict[str, Any]:
    """An end of a path from a seed, code:... or a picture file, for which an encoder or a search has a code."""
    from genstudio import packed, recipe

    if word.startswith("code:"):
        return recipe.end_from_word(word)
    if re.fullmatch(r"[+-]?\d+", word, re.ASCII):
        return {"seed": recipe.check_seed(word)}
    if not Path(word).exists():
        raise ValueError(f"{word!r} is neither a seed nor code:... nor a picture file")
    picture = open_named(word)
    if search is None and hasattr(held.system.model, "encode"):
        return {"code": packed.pack(engine.encode(held.name, [picture])[0])}
    *_, guess = (search or engine.project)(held.name, picture)
    print(f"{word} is {guess.error:.4f} away from the nearest picture found.", file=sys.stderr)
    return {"code": packed.pack(guess.code.numpy())}


def data(name: str, words: list[str], yes: bool, out: Path | None, **options: Any) -> None:
    from genstudio import drawings, paths

    if name == "pack":
        return pack(words)
    if words:
        raise ValueError(f"data {name} takes no {words[0]!r}")
    chosen = drawings.drawn_set(name, **{key: value for key, value in options.items() if value is not None})
    out = out or paths.data()
    if (target := drawings.place(chosen, out)).exists():
        raise ValueError(f"{target} is there already: remove it, or choose another place with --out")
    print(chosen.terms(), file=sys.stderr)
    accept = yes or agreed("Build it?")
    with closing(drawings.build(chosen, out, accept)) as progress:
        next(progress)  # the terms, printed above
        for line in progress:
            print(line, file=sys.stderr, flush=True)
    print(target)


def pack(words: list[str]) -> None:
    from genstudio import pixels
    from genstudio.data import SETS, load, named

    if len(words) != 2:
        raise ValueError("which set, and where to? `python -m genstudio data pack SET FILE.pixels`")
    name, file = words
    if not named(name):
        raise ValueError(f"{name!r} is none of the sets {', '.join(SETS)}")
    found = load(name)
    size = pixels.save(found, Path(file).expanduser())
    print(f"{file}: {len(found)} pictures, {size / 1e6:.1f} MB")


def agreed(question: str) -> bool:
    """Asks, where somebody is there to answer."""
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def app() -> None:
    from genstudio.ui.studio import launch

    launch()
