"""Commands that make pictures: one for each verb of `recipes/verbs.py`, whose fields are its arguments and flags.

A flag of a field with several values gives a picture of each; of two such fields, of each combination.
"""

from __future__ import annotations

import itertools
import math
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genstudio.cli.common import (
    PictureWriter,
    ProgressLine,
    chunks,
    controls_of,
    expanded,
    given,
    open_engine,
    open_named,
    print_json,
    seed_ranges,
)
from genstudio.cli.flags import Commands

if TYPE_CHECKING:
    from PIL import Image

    from genstudio.engine import Engine
    from genstudio.engine.loaded import LoadedModel
    from genstudio.recipes.verbs import Field, Verb
    from genstudio.tasks.outputs import Outputs
    from genstudio.tasks.translate_files import Outcome

MAX_POSITIONS = 10_000
MAX_ENDS = 64  # of a flag
WALK = 60  # frames of a film, one way
SHEETS = {
    "grid": "also all of them on one sheet, grid.png",
    "strip": "also all of them side by side, strip.png",
    "sheet": "also all of them on one sheet, sheet.png",
}


@dataclass
class Values:
    """Values of a field, which are not expanded: seeds may be many."""

    parts: list[Any]  # each a range or a list

    @property
    def count(self) -> int:
        """Their number, which may be larger than a length can be."""
        return sum(part.stop - part.start if isinstance(part, range) else len(part) for part in self.parts)

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain(*self.parts)


def add(commands: Commands) -> None:
    """Add a command for each verb of recipes."""
    from genstudio.recipes.fields import PICTURE, POSITION
    from genstudio.recipes.verbs import REQUIRED, TABLE

    for entry in TABLE:
        command = commands.add(partial(make_pictures, entry.name), entry.help, name=entry.name)
        several = [field for field in entry.fields if field.many]
        spaced = len(several) == 1 and several[0].kind is POSITION
        for field in filter(lambda field: field.option, entry.fields):
            facts = {"help": field.help.replace("%", "%%") or None, "metavar": field.metavar}
            if not field.option.startswith("--"):
                command.add_argument(f"field_{field.name}", nargs="+" if field.many else None, **facts)
                continue
            group = command.add_mutually_exclusive_group() if spaced and field.many else command
            facts["metavar"] = field.metavar or field.option.lstrip("-").upper()
            needed = field.default is REQUIRED and group is command
            group.add_argument(field.option, dest=f"field_{field.name}", required=needed, **facts)
            if group is not command:
                group.add_argument("--count", type=int, default=9, help="that many places, evenly spaced (9)")
        if several and several[0].kind is PICTURE:
            commands.makes_pictures(command, entry.name, "what became of each file, as JSON", ", or .zip,")
            continue
        if len(several) == 1:
            command.add_argument(f"--{entry.sheet}", dest="sheet", action="store_true", help=SHEETS[entry.sheet])
        if spaced:
            about = "also the way there and back, as .webp or .mp4"
            command.add_argument("--film", type=Path, metavar="FILE", help=about)
        commands.makes_pictures(command, entry.name)


# Commands -------------------------------------------------------------------------------------------------------


def make_pictures(
    verb: str, system: str, out: Path, overwrite: bool, exact: bool, device: str | None, json: bool,
    sheet: bool = False, film: Path | None = None, count: int | None = None, **flags: Any,
) -> int | None:  # fmt: skip
    """Make the pictures of a verb, write them with their recipes, and print a summary."""
    from genstudio.recipes import recipe, replay
    from genstudio.recipes.fields import PICTURE, POSITION
    from genstudio.recipes.verbs import VERBS
    from genstudio.tasks.outputs import Outputs

    entry, words = VERBS[verb], given(flags, "field_")
    if film and film.suffix not in (".webp", ".mp4"):
        raise ValueError(f"a film is a .webp or an .mp4, not {film.name}")
    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    controls = controls_of(loaded, verb, flags)
    outputs = Outputs([system], overwrite)
    reader = Reader(engine, loaded, outputs)
    if files := [field for field in entry.fields if field.many and field.kind is PICTURE]:
        settings = {field.name: reader.read(field, words) for field in entry.fields if field not in files}
        sources = expanded(words[files[0].name])
        return each_file(engine, loaded, entry, sources, settings, out, json, controls, outputs)
    if count is not None and not any(field.kind is POSITION and field.name in words for field in entry.fields):
        words |= {field.name: spaced(count) for field in entry.fields if field.kind is POSITION}
    values = {field.name: reader.read(field, words) for field in entry.fields if field.option}
    axes = [field for field in entry.fields if field.many and list(itertools.islice(values[field.name], 1)) != [None]]

    counts = [values[field.name].count for field in axes]
    always = len([field for field in entry.fields if field.many]) > 1
    sheets = f"{entry.sheet}.png" if sheet or always else None
    pictures = PictureWriter(out, math.prod(counts), json, outputs, sheets)
    for part in chunks(combinations(entry, values)):
        recipes = [recipe.fill(loaded, entry, combination, controls) for combination, _ in part]
        images = replay.images(recipes, engine, reader.picture)
        names = ["-".join(field.kind.file_name(c[field.name], at[field.name]) for field in axes) for c, at in part]
        pictures.add(images, [f"{name}.png" for name in names], recipes)
    pictures.finish(columns=counts[-1] if len(axes) > 1 or entry.sheet == "strip" else None)
    if film:
        [position] = axes
        first = next(combinations(entry, values))[0]
        way = [first | {position.name: i / (WALK - 1)} for i in range(WALK)]
        save_film(replay.images([recipe.fill(loaded, entry, one, controls) for one in way], engine), film, outputs)
    return None


def combinations(entry: Verb, values: dict[str, Values]) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
    """Combinations of the fields' values, the last field's first, with the index of each value."""

    def walk(fields: list[Field]) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
        if not fields:
            yield {}, {}
            return
        for i, value in enumerate(values[fields[0].name]):
            for combination, at in walk(fields[1:]):
                yield {fields[0].name: value} | combination, {fields[0].name: i} | at

    return walk([field for field in entry.fields if field.name in values])


def save_film(images: Any, film: Path, outputs: Outputs) -> None:
    from genstudio.images import save_walk

    with outputs.making(film) as part:
        save_walk(images, part)
    print(f"The way there and back is in {outputs.last}", file=sys.stderr)


def each_file(
    engine: Engine, loaded: LoadedModel, entry: Verb, sources: list[str], settings: dict[str, Values], out: Path,
    json: bool, controls: dict[str, Any], outputs: Outputs,
) -> int | None:  # fmt: skip
    """Make the picture of every file, folder and zip, with a line for each that is refused. Returns 2 if all are."""
    from genstudio.data.reading import some
    from genstudio.tasks.translate_files import skipped, translate_files

    progress, outcomes, chosen = ProgressLine(), [], {name: value for name, [value] in settings.items()}
    paths = [Path(source) for source in sources]
    settings = chosen | controls
    with closing(translate_files(engine, loaded.name, paths, out, entry.name, outputs, **settings)) as work:
        for outcome in work:
            outcomes.append(outcome)
            for said in (outcome.trouble,) if outcome.trouble else outcome.remarks:
                progress.note(f"{outcome.name}: {said.en}")
            progress.count(outcome.done, outcome.of, "files")
    if rubbish := skipped(paths):
        progress.note(f"Skipped: {len(rubbish)} files that systems add: {some(rubbish).en}")
    if not outcomes:
        raise ValueError(f"there are no files in {', '.join(sources)}")
    written = sum(bool(outcome.written) for outcome in outcomes)
    if json:
        print_json([described(outcome) for outcome in outcomes])
    else:
        refused = f", {len(outcomes) - written} refused" if written < len(outcomes) else ""
        new = sum(bool(outcome.written) and not outcome.there for outcome in outcomes)
        where = out if out.is_dir() else outputs.last or out
        print(f"{new} translated{refused}, in {where}{outputs.summary()}")
    return 0 if written else 2


def described(outcome: Outcome) -> dict[str, Any]:
    """Outcome of a file, as JSON has it."""
    trouble = outcome.trouble.en if outcome.trouble else ""
    said = [remark.en for remark in outcome.remarks]
    return {"name": outcome.name, "written": outcome.written, "there": outcome.there, "trouble": trouble, "remarks": said}


# Values of flags ------------------------------------------------------------------------------------------------


class Reader:
    """Reader of the fields' flags. Pictures become codes; one to start from is kept in `picture`."""

    def __init__(self, engine: Engine, loaded: LoadedModel, outputs: Outputs):
        self.engine, self.loaded, self.outputs = engine, loaded, outputs
        self.picture: Image.Image | None = None

    def read(self, field: Field, words: dict[str, Any]) -> Values:
        """Values of a field from the flags, or its default. Raises ValueError."""
        from genstudio.recipes import fields

        if (word := words.get(field.name)) is None:
            return Values([[field.default]])
        readers: dict[fields.Kind, Callable[[Any], list]] = {
            fields.SEED: seed_ranges,
            fields.POSITION: lambda word: [read_positions(word)],
            fields.CODE: lambda words: [read_codes(self.files(words))],
            fields.END: lambda word: [self.ends(word) if field.many else [self.end(word)]],
            fields.STYLE_END: lambda word: [self.ends(word, self.engine.project_styles)],
            fields.CORNERS: lambda word: [[field.kind.check([self.end(part) for part in word.split(",")])]],
            fields.PICTURE: lambda word: [[self.start_from(word)]],
            fields.MASK: lambda word: [[self.mask(word)]],
        }
        if field.kind in readers:
            return Values(readers[field.kind](word))
        value = field.kind.from_word(word)
        field.check(value)
        return Values([[value]])

    def files(self, words: list[str]) -> list[str]:
        """The words, of which those that are files are not written over."""
        self.outputs.keep(*(word for word in words if not word.startswith("code:")))
        return words

    def opened(self, name: str) -> Image.Image:
        return open_named(*self.files([name]))

    def end(self, word: str, search: Callable | None = None) -> dict[str, Any]:
        """An end of a path from a seed, code:... or a picture file, which is encoded, or projected (`search`)."""
        from genstudio.recipes import encoding, fields

        if word.startswith("code:"):
            return fields.check_end({"code": word.removeprefix("code:")})
        if re.fullmatch(r"[+-]?\d+", word, re.ASCII):
            return {"seed": fields.check_seed(word)}
        if not Path(word).exists():
            raise ValueError(f"{word!r} is neither a seed nor code:... nor a picture file")
        picture, name = self.opened(word), self.loaded.name
        if search is None and hasattr(self.loaded.model, "encode"):
            return {"code": encoding.pack(self.engine.encode(name, [picture])[0])}
        *_, guess = (search or self.engine.project)(name, picture)
        print(f"{word} is {guess.error:.4f} away from the nearest picture found.", file=sys.stderr)
        return {"code": encoding.pack(guess.code.numpy())}

    def ends(self, words: str, search: Callable | None = None) -> list[dict[str, Any]]:
        """Ends from a list of seeds, ranges of seeds, code:..., and picture files."""
        found: list[dict[str, Any]] = []
        for word in filter(None, (word.strip() for word in words.split(","))):
            if re.fullmatch(r"\d+-\d+", word, re.ASCII):
                [seeds] = seed_ranges(word)
                found += [{"seed": seed} for seed in itertools.islice(seeds, MAX_ENDS + 1)]
            else:
                found.append(self.end(word, search))
        if len(found) > MAX_ENDS:
            raise ValueError(f"at most {MAX_ENDS} pictures stand on a side, not as many as {words[:80]!r} names")
        if not found:
            raise ValueError(f"{words[:80]!r} names no picture")
        return found

    def start_from(self, name: str) -> str:
        from genstudio.recipes.fields import picture_name

        self.picture = self.opened(name)
        return picture_name(Path(name).read_bytes())

    def mask(self, name: str) -> str:
        """The mask of the picture to start from, which is read before it."""
        from genstudio.recipes.encoding import mask_of, mask_remark, pack_mask

        mask = mask_of(self.opened(name), self.loaded.model.image_shape, self.picture)
        if remark := mask_remark(mask):
            print(f"{name}: {remark.en}", file=sys.stderr)
        return pack_mask(mask)


def spaced(count: int) -> str:
    if not 2 <= count <= MAX_POSITIONS:
        raise ValueError(f"count must lie between 2 and {MAX_POSITIONS}, not {count}")
    return ",".join(str(i / (count - 1)) for i in range(count))


def read_positions(text: str) -> list[float]:
    from genstudio.recipes.fields import check_position

    try:
        return [check_position(float(word)) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"positions are numbers from 0 to 1, as in 0,0.5,1, not {text!r}") from None


def read_codes(words: list[str]) -> list[str]:
    """Packed latents, of one dimension, from words code:... and .npz files. Raises ValueError."""
    import numpy as np

    from genstudio.recipes import encoding

    rows: list[np.ndarray] = []
    for word in words:
        if word.startswith("code:"):
            rows.append(encoding.unpack(word.removeprefix("code:")))
            continue
        try:
            latents = np.load(word, allow_pickle=False)["codes"].astype(np.float32)
        except FileNotFoundError:
            raise ValueError(f"{word} is neither code:... nor a file") from None
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
            raise ValueError(f"{word} is no file of codes: encode --out writes such a one") from None
        if latents.ndim != 2 or not latents.size or not np.isfinite(latents).all():
            raise ValueError(f"{word} holds no codes: they must be finite numbers, one row for each picture")
        rows += list(latents)
    if len(lengths := sorted({len(row) for row in rows})) > 1:
        raise ValueError(f"the codes have {lengths[0]} and {lengths[-1]} numbers: they belong to different models")
    return [encoding.pack(row) for row in rows]
