"""Denoising trajectories of recipes of `sample` and `img2img`, with their branches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from PIL import Image

from genstudio.controls import Refusal
from genstudio.engine import Engine
from genstudio.engine.trajectory import Step, after
from genstudio.recipes.encoding import unpack_mask


def steps(
    recipe: dict[str, Any], engine: Engine, picture: Image.Image | None = None, seeds: Sequence[int] | None = None
) -> Iterator[Step]:
    """Denoising trajectory of a checked recipe of `sample` or `img2img`, with its branches.

    picture: of `img2img`. seeds: in place of the recipe's, for a batch without branches.
    """
    name, mask, seeds = recipe["system"], None, [recipe["seed"]] if seeds is None else seeds
    if recipe["verb"] == "img2img":
        if recipe.get("mask"):
            mask = unpack_mask(recipe["mask"], engine.image_shape(name)[1:])
        run = engine.img2img(name, picture, seeds, mask, **(recipe.get("controls") or {}))
    else:
        run = engine.denoise(name, seeds, **(recipe.get("controls") or {}))
    for branch in recipe.get("branches") or ():
        start = None
        with closing(run):
            for step in run:
                start = step if step.time >= 0 else start
                if step.step == step.steps or step.step >= branch["at"] and start:
                    break
                yield step
        if start is None:
            raise Refusal(
                "a run without noise has no step to branch from",
                "un trajet sans bruit n’a pas de pas d’où repartir",
            )
        continued = engine.denoise_from(
            name, start.x, start.time, [branch["seed"]], picture, mask, **branch["controls"]
        )
        run = after(start, continued)
    yield from run


def last_images(
    engine: Engine, recipe: dict[str, Any], picture: Image.Image | None = None, seeds: Sequence[int] | None = None
) -> np.ndarray:
    """Images, uint8 (n, h, w, c), at the end of the trajectory."""
    *_, last = steps(recipe, engine, picture, seeds)
    return last.x_0
