"""Commands that generate images: a function per verb, whose arguments are the flags that `parser.py` declares.

Results go to stdout, as text or as JSON; progress goes to stderr. Bad input raises a ValueError in one sentence. A verb
returns its exit code if that is not 0. torch is imported inside the functions, so that `--help` is fast.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass
from genstudio.cli.common import (
    ProgressLine,
    chunks,
    confirmed,
    open_engine,
    open_named,
    print_json,
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


def replay(recipe: str, out: Path, device: str | None) -> None:
    from genstudio.images import save_png, to_pictures
    from genstudio.importers import identify
    from genstudio.recipes.commands import command
    from genstudio.recipes.links import check_link, from_query
    from genstudio.recipes.recipe import check, differences
    from genstudio.recipes.replay import image
    from genstudio.recipes.verbs import find

    if Path(recipe).is_file():
        found = identify.identify(recipe).recipe
    else:
        found = from_query(check_link(recipe.partition("?")[2] or recipe))
    if found is None:
        inputs = "a picture of ours, a .json file, or a link's verb=...&system=..."
        raise ValueError(f"{recipe!r} holds no recipe: give {inputs}")
    found = check(found)
    if find(found["verb"]).of_picture:
        raise ValueError(f"a recipe does not hold the picture that it began with; with it at hand: {command(found)}")
    engine = open_engine(device, exact=found.get("precision") == "float32")
    loaded = engine.hold(found["system"])
    made = image(found, engine)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_png(to_pictures(made[None])[0], out, found)
    if changed := [key for key in differences(found, loaded) if key in found]:  # a link has fewer fields than a PNG
        print(f"It may differ slightly: this is not the same {', '.join(changed)}.", file=sys.stderr)
    print(out)


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
