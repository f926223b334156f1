"""A recipe made again: the picture, or the run, that it tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
from PIL import Image

from genstudio.engine import Engine
from genstudio.engine.trajectory import Step, after
from genstudio.latent.paths import along, between, within
from genstudio.model import steps_many
from genstudio.recipes.encoding import unpack, unpack_mask
from genstudio.recipes.mixing import grain_seed, mix, part_of


def code(recipe: dict[str, Any], engine: Engine) -> np.ndarray:
    """The code (d,) of the picture that a checked recipe means."""
    name = recipe["system"]
    if recipe["verb"] == "sample":
        return latent_of(recipe, engine, name)
    if recipe["verb"] == "decode":
        return unpack(recipe["code"])
    if recipe["verb"] == "plane":
        corners = [latent_of(corner, engine, name) for corner in recipe["corners"]]
        return within(corners, [recipe["x"]], [recipe["y"]])[0]
    start = latent_of(recipe["from"], engine, name)
    if recipe["verb"] == "steer":
        return steered(start, recipe["by"], engine, name)
    return between((start, latent_of(recipe["to"], engine, name)), [recipe["position"]], recipe["path"])[0]


def steps(
    recipe: dict[str, Any], engine: Engine, picture: Image.Image | None = None
) -> Iterator[Step]:
    """The run that a checked recipe of `sample` or `redraw` means, branches and all; of the second, with its picture."""
    name, mask = recipe["system"], None
    if recipe["verb"] == "redraw":
        if recipe.get("mask"):
            mask = unpack_mask(recipe["mask"], engine.image_shape(name)[1:])
        run = engine.redraw(name, picture, [recipe["seed"]], mask, **(recipe.get("controls") or {}))
    else:
        run = engine.denoise(name, [recipe["seed"]], **(recipe.get("controls") or {}))
    for branch in recipe.get("branches") or ():
        left = None
        with closing(run):
            for step in run:
                left = step if step.time >= 0 else left
                if step.step == step.steps or step.step >= branch["at"] and left:
                    break
                yield step
        if left is None:
            raise ValueError("a run without noise has no step to branch from")
        twig = engine.go_on(name, left.x, left.time, [branch["seed"]], picture, mask, **branch["controls"])
        run = after(left, twig)
    yield from run


def image(recipe: dict[str, Any], engine: Engine) -> np.ndarray:
    """The picture, uint8 (h, w, c), that a checked recipe means, where it holds all that is needed."""
    if recipe["verb"] == "sample" and steps_many(engine.hold(recipe["system"]).model):
        *_, last = steps(recipe, engine)
        return last.guess[0]
    if recipe["verb"] == "sample" and hasattr(engine.hold(recipe["system"]).model, "sample"):
        *_, images = engine.sample(recipe["system"], [int(recipe["seed"])], **(recipe.get("controls") or {}))
        return images[0]
    if recipe["verb"] == "mix":
        held = engine.hold(recipe["system"])
        grain = part_of(held, "synthesize", recipe.get("controls") or {})
        return engine.synthesize(held.name, mix(recipe, engine)[None], [grain_seed(recipe["from"])], **grain)[0]
    return engine.decode(recipe["system"], code(recipe, engine)[None], **(recipe.get("controls") or {}))[0]


def steered(start: np.ndarray, by: dict[str, float], engine: Engine, name: str) -> np.ndarray:
    """A code moved along directions, each by so many standard deviations: {"effect 1": 2.0, "dimension 17": -1.5}."""
    return along(start, by, lambda kind: engine.directions(name, kind), name)


def latent_of(end: dict[str, Any], engine: Engine, name: str) -> np.ndarray:
    """The code (d,) of an end."""
    return engine.latents(name, [int(end["seed"])])[0] if "seed" in end else unpack(end["code"])
