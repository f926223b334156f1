"""Commands that generate images: a function per verb, whose arguments are the flags that `parser.py` declares.

Results go to stdout, as text or as JSON; progress goes to stderr. Bad input raises a ValueError in one sentence. A verb
returns its exit code if that is not 0. torch is imported inside the functions, so that `--help` is fast.
"""

from __future__ import annotations

import re
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genstudio.engine import Engine
    from genstudio.engine.loaded import LoadedModel
from genstudio.cli.common import (
    PictureWriter,
    ProgressLine,
    chunks,
    confirmed,
    controls_of,
    open_engine,
    open_named,
    print_json,
    seed_ranges,
)

MAX_POSITIONS = 10_000
WALK = 60  # frames of a film, one way


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Context that prints each warning on one line, without its location in the code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"genstudio: {message}", file=sys.stderr)
        yield


# Verbs ----------------------------------------------------------------------------------------------------------


def sample(
    system: str, seeds: str, grid: bool, out: Path, exact: bool, device: str | None, json: bool, **flags: Any,
) -> None:  # fmt: skip
    from genstudio.recipes import recipe

    ranges = seed_ranges(seeds)
    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    controls = controls_of(loaded, "sample", flags)
    total = sum(r.stop - r.start for r in ranges)  # len() of a range stops at 2^63
    pictures = PictureWriter(out, total, json, "grid.png" if grid else None)
    for part in chunks(seed for r in ranges for seed in r):
        *_, images = engine.sample(system, part, **controls)
        recipes = [recipe.make(loaded, "sample", seed=seed, controls=controls) for seed in part]
        pictures.add(images, [f"{seed:04d}.png" for seed in part], recipes)
    pictures.finish()


def img2img(
    system: str, picture: str, seeds: str, mask: str | None, out: Path, exact: bool, device: str | None, json: bool,
    **flags: Any,
) -> None:  # fmt: skip
    from genstudio.images import to_array
    from genstudio.recipes import encoding, recipe

    ranges = seed_ranges(seeds)
    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    controls, given_picture, drawn = controls_of(loaded, "img2img", flags), open_named(picture), None
    said = {"picture": recipe.picture_name(Path(picture).read_bytes())}
    if mask is not None:
        drawn = to_array(open_named(mask), (1, *loaded.model.image_shape[1:]))[0] > 127
        said["mask"] = encoding.pack_mask(drawn)
    pictures = PictureWriter(out, sum(r.stop - r.start for r in ranges), json)
    for part in chunks(seed for r in ranges for seed in r):
        *_, last = engine.img2img(system, given_picture, part, drawn, **controls)
        recipes = [recipe.make(loaded, "img2img", seed=seed, **said, controls=controls) for seed in part]
        pictures.add(last.x_0, [f"{seed:04d}.png" for seed in part], recipes)
    pictures.finish()


def encode(system: str, pictures: list[str], out: Path | None, exact: bool, device: str | None, json: bool) -> None:
    import numpy as np

    from genstudio.recipes import encoding

    engine = open_engine(device, exact)
    loaded, progress, latents = engine.hold(system), ProgressLine(), []
    for part in chunks(pictures):
        latents.extend(engine.encode(system, [open_named(name) for name in part]))
        progress.count(len(latents), len(pictures))
    if out:
        out = out if out.suffix == ".npz" else out.with_name(out.name + ".npz")  # as numpy would
        out.parent.mkdir(parents=True, exist_ok=True)
        facts = dict(pictures=pictures, system=loaded.name, weights=loaded.digest)
        np.savez(out, codes=np.stack(latents).astype(np.float16), **facts)
    if json:
        rows = [{"picture": p, "code": f"code:{encoding.pack(z)}"} for p, z in zip(pictures, latents, strict=True)]
        print_json({"system": loaded.name, "weights": loaded.digest, "codes": rows})
    elif out:
        print(f"{len(latents)} codes of {len(latents[0])} numbers in {out}")
    else:
        for latent in latents:
            print(f"code:{encoding.pack(latent)}")


def decode(system: str, codes: list[str], out: Path, exact: bool, device: str | None, json: bool, **flags: Any) -> None:
    import numpy as np

    from genstudio.recipes import encoding, recipe

    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    controls = controls_of(loaded, "decode", flags)
    rows = [row for word in codes for row in read_codes(word)]
    if len(lengths := sorted({len(row) for row in rows})) > 1:
        raise ValueError(f"the codes have {lengths[0]} and {lengths[-1]} numbers: they belong to different models")
    pictures = PictureWriter(out, len(rows), json)
    for part in chunks(enumerate(rows)):
        images = engine.decode(system, np.stack([row for _, row in part]), **controls)
        recipes = [recipe.make(loaded, "decode", code=encoding.pack(row), controls=controls) for _, row in part]
        pictures.add(images, [f"{i:04d}.png" for i, _ in part], recipes)
    pictures.finish()


def read_codes(word: str) -> list[Any]:
    """Latents (d,) from `code:...` or an .npz file, rounded to half precision."""
    import numpy as np

    from genstudio.recipes import encoding

    if word.startswith("code:"):
        return [encoding.unpack(word.removeprefix("code:"))]
    try:
        latents = np.load(word, allow_pickle=False)["codes"].astype(np.float32)
    except FileNotFoundError:
        raise ValueError(f"{word} is neither code:... nor a file") from None
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        raise ValueError(f"{word} is no file of codes: encode --out writes such a one") from None
    if latents.ndim != 2 or not latents.size or not np.isfinite(latents).all():
        raise ValueError(f"{word} holds no codes: they must be finite numbers, one row for each picture")
    return [encoding.unpack(encoding.pack(row)) for row in latents]


def interpolate(
    system: str, start: str, end: str, positions: str | None, count: int, path: str, strip: bool, film: Path | None,
    out: Path, exact: bool, device: str | None, json: bool, **flags: Any,
) -> None:  # fmt: skip
    from genstudio.images import save_walk
    from genstudio.recipes import recipe, replay

    places = read_positions(positions, count)
    recipe.check_path(path)
    if film and film.suffix not in (".webp", ".mp4"):
        raise ValueError(f"a film is a .webp or an .mp4, not {film.name}")
    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    controls = controls_of(loaded, "interpolate", flags)
    ends = {"from": read_end(start, engine, loaded), "to": read_end(end, engine, loaded)}
    first, last = (replay.latent_of(e, engine, system) for e in ends.values())
    pictures = PictureWriter(out, len(places), json, "strip.png" if strip else None)
    for part in chunks(enumerate(places)):
        images = engine.interpolate(system, (first, last), [t for _, t in part], path, **controls)
        facts = dict(**ends, path=path, controls=controls)
        recipes = [recipe.make(loaded, "interpolate", position=t, **facts) for _, t in part]
        pictures.add(images, [f"{i:04d}.png" for i, _ in part], recipes)
    pictures.finish(columns=len(places))
    if film:
        film.parent.mkdir(parents=True, exist_ok=True)
        way = [i / (WALK - 1) for i in range(WALK)]
        save_walk(engine.interpolate(system, (first, last), way, path, **controls), film)
        print(f"The way there and back is in {film}", file=sys.stderr)


def replay(recipe: str, out: Path, device: str | None) -> None:
    from genstudio.images import save_png, to_pictures
    from genstudio.importers import identify
    from genstudio.recipes.commands import command
    from genstudio.recipes.links import check_link, from_query
    from genstudio.recipes.recipe import check, differences
    from genstudio.recipes.replay import image

    if Path(recipe).is_file():
        found = identify.identify(recipe).recipe
    else:
        found = from_query(check_link(recipe.partition("?")[2] or recipe))
    if found is None:
        inputs = "a picture of ours, a .json file, or a link's verb=...&system=..."
        raise ValueError(f"{recipe!r} holds no recipe: give {inputs}")
    found = check(found)
    if "picture" in found:
        what = {"translate": "translated", "img2img": "redrawn"}[found["verb"]]
        raise ValueError(f"a recipe does not hold the picture that was {what}; with it at hand: {command(found)}")
    engine = open_engine(device, exact=found.get("precision") == "float32")
    loaded = engine.hold(found["system"])
    made = image(found, engine)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_png(to_pictures(made[None])[0], out, found)
    if changed := [key for key in differences(found, loaded) if key in found]:  # a link has fewer fields than a PNG
        print(f"It may differ slightly: this is not the same {', '.join(changed)}.", file=sys.stderr)
    print(out)


def read_positions(text: str | None, count: int) -> list[float]:
    from genstudio.recipes.recipe import check_position

    if text is None:
        if not 2 <= count <= MAX_POSITIONS:
            raise ValueError(f"count must lie between 2 and {MAX_POSITIONS}, not {count}")
        return [i / (count - 1) for i in range(count)]
    try:
        return [check_position(float(word)) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"positions are numbers from 0 to 1, as in 0,0.5,1, not {text!r}") from None


def read_end(word: str, engine: Engine, loaded: LoadedModel, search: Callable | None = None) -> dict[str, Any]:
    """An end of a path from a seed, code:... or a picture file, which is encoded, or projected (`search`)."""
    from genstudio.recipes import encoding, links, recipe

    if word.startswith("code:"):
        return links.end_from_word(word)
    if re.fullmatch(r"[+-]?\d+", word, re.ASCII):
        return {"seed": recipe.check_seed(word)}
    if not Path(word).exists():
        raise ValueError(f"{word!r} is neither a seed nor code:... nor a picture file")
    picture = open_named(word)
    if search is None and hasattr(loaded.system.model, "encode"):
        return {"code": encoding.pack(engine.encode(loaded.name, [picture])[0])}
    *_, guess = (search or engine.project)(loaded.name, picture)
    print(f"{word} is {guess.error:.4f} away from the nearest picture found.", file=sys.stderr)
    return {"code": encoding.pack(guess.code.numpy())}


def data(name: str, words: list[str], yes: bool, out: Path | None, **options: Any) -> None:
    from genstudio import paths
    from genstudio.data import drawings

    if name == "pack":
        return pack(words)
    if words:
        raise ValueError(f"data {name} takes no {words[0]!r}")
    chosen = drawings.drawn_set(name, **{key: value for key, value in options.items() if value is not None})
    out = out or paths.data()
    if (target := drawings.place(chosen, out)).exists():
        raise ValueError(f"{target} is there already: remove it, or choose another place with --out")
    print(chosen.terms(), file=sys.stderr)
    accept = yes or confirmed("Build it?")
    with closing(drawings.build(chosen, out, accept)) as progress:
        next(progress)  # the terms, printed above
        for line in progress:
            print(line, file=sys.stderr, flush=True)
    print(target)


def pack(words: list[str]) -> None:
    from genstudio.data import SETS, load, named, pixels

    if len(words) != 2:
        raise ValueError("which set, and where to? `python -m genstudio data pack SET FILE.pixels`")
    name, file = words
    if not named(name):
        raise ValueError(f"{name!r} is none of the sets {', '.join(SETS)}")
    found = load(name)
    size = pixels.save(found, Path(file).expanduser())
    print(f"{file}: {len(found)} pictures, {size / 1e6:.1f} MB")


def app() -> None:
    from genstudio.ui.studio import launch

    launch()
