"""Replay of recipes: the latent, the image or the denoising trajectory that one describes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
from PIL import Image

from genstudio.engine import Engine
from genstudio.engine.trajectory import Step, after
from genstudio.latent.paths import along, between, within
from genstudio.model import samples_iteratively
from genstudio.recipes.encoding import unpack, unpack_mask
from genstudio.recipes.mixing import mix, noise_seed, part_of


def code(recipe: dict[str, Any], engine: Engine) -> np.ndarray:
    """Latent (d,) of a checked recipe."""
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
    """Denoising trajectory of a checked recipe of `sample` or `img2img`, with its branches. picture: of `img2img`."""
    name, mask = recipe["system"], None
    if recipe["verb"] == "img2img":
        if recipe.get("mask"):
            mask = unpack_mask(recipe["mask"], engine.image_shape(name)[1:])
        run = engine.img2img(name, picture, [recipe["seed"]], mask, **(recipe.get("controls") or {}))
    else:
        run = engine.denoise(name, [recipe["seed"]], **(recipe.get("controls") or {}))
    for branch in recipe.get("branches") or ():
        start = None
        with closing(run):
            for step in run:
                start = step if step.time >= 0 else start
                if step.step == step.steps or step.step >= branch["at"] and start:
                    break
                yield step
        if start is None:
            raise ValueError("a run without noise has no step to branch from")
        continued = engine.denoise_from(
            name, start.x, start.time, [branch["seed"]], picture, mask, **branch["controls"]
        )
        run = after(start, continued)
    yield from run


def image(recipe: dict[str, Any], engine: Engine) -> np.ndarray:
    """Image, uint8 (h, w, c), of a checked recipe that needs no user's picture."""
    if recipe["verb"] == "sample" and samples_iteratively(engine.hold(recipe["system"]).model):
        *_, last = steps(recipe, engine)
        return last.x_0[0]
    if recipe["verb"] == "sample" and hasattr(engine.hold(recipe["system"]).model, "sample"):
        *_, images = engine.sample(recipe["system"], [int(recipe["seed"])], **(recipe.get("controls") or {}))
        return images[0]
    if recipe["verb"] == "mix":
        loaded = engine.hold(recipe["system"])
        values = part_of(loaded, "synthesize", recipe.get("controls") or {})
        return engine.synthesize(loaded.name, mix(recipe, engine)[None], [noise_seed(recipe["from"])], **values)[0]
    return engine.decode(recipe["system"], code(recipe, engine)[None], **(recipe.get("controls") or {}))[0]


def steered(start: np.ndarray, by: dict[str, float], engine: Engine, name: str) -> np.ndarray:
    """A latent moved along directions by standard deviations: {"effect 1": 2.0, "dimension 17": -1.5}."""
    return along(start, by, lambda kind: engine.directions(name, kind), name)


def latent_of(end: dict[str, Any], engine: Engine, name: str) -> np.ndarray:
    """Latent (d,) of an end."""
    return engine.latents(name, [int(end["seed"])])[0] if "seed" in end else unpack(end["code"])
