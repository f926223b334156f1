"""What programs may ask of the page: the verbs by name, with the same checks and words as on the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np

from genstudio import checkpoint, recipe
from genstudio.engine import Engine, find_verb
from genstudio.model import verbs
from genstudio.ui.widgets import png_uri
from genstudio.ui.words import friendly

MOST = 256  # pictures a call


def expose(engine: Engine) -> None:
    """Adds /systems, /sample and /interpolate to the current `gr.Blocks`."""

    @friendly
    def systems() -> list[dict]:
        """The systems that are here: name, title, verbs."""
        found = checkpoint.offered()
        return [{"name": n, "title": s.title.en, "verbs": list(verbs(s.model))} for n, s in found.items()]

    @friendly
    def sample(system: str, seeds: list[int], controls: dict[str, Any] | None = None) -> list[str]:
        """One PNG per seed, as data URIs, each with its recipe inside."""
        bounded(len(seeds), "seeds")
        seeds = [recipe.check_seed(seed) for seed in seeds]
        held, values = engine.hold(checkpoint.listed(system)), controls or {}
        *_, images = engine.sample(system, seeds, **values)
        return [
            png_uri(image, recipe.make(held, "sample", seed=seed, controls=values))
            for image, seed in zip(images, seeds, strict=True)
        ]

    @friendly
    def interpolate(
        system: str, start: dict, end: dict, positions: list[float], path: str = "spherical", controls: dict[str, Any] | None = None
    ) -> list[str]:
        """PNGs on the way between two ends, {"seed": n} or {"code": text}, at positions in [0, 1], as data URIs."""
        bounded(len(positions), "positions")
        positions = [recipe.check_position(p) for p in positions]
        ends = {"from": recipe.check_end(start), "to": recipe.check_end(end)}
        held, values = engine.hold(checkpoint.listed(system)), controls or {}
        find_verb(held.system, "decode")
        codes: Sequence[np.ndarray] = [recipe.latent_of(e, engine, system) for e in ends.values()]
        images = engine.interpolate(system, (codes[0], codes[1]), positions, recipe.check_path(path), **values)
        made = [recipe.make(held, "interpolate", **ends, position=p, path=path, controls=values) for p in positions]
        return [png_uri(image, r) for image, r in zip(images, made, strict=True)]

    for function in (systems, sample, interpolate):
        gr.api(function, api_name=function.__name__, concurrency_limit=4)


def bounded(count: int, what: str) -> None:
    if count > MOST:
        raise ValueError(f"{count} {what} asked for; at most {MOST} at a time")


def warm_up(engine: Engine) -> None:
    """Loads every model that is here and runs it once: kernels are compiled before the first visitor waits for them."""
    names = list(checkpoint.offered("latents", "decode"))
    for name in names:
        engine.decode(name, engine.latents(name, [0, 1]))
    for name in names:  # after all first pictures, which nobody should wait for
        engine.directions(name, "effect")
