"""The public API of the page: verbs by name, with the same checks and error sentences as on the page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import gradio as gr
import numpy as np

from genstudio import catalog, legacy
from genstudio.engine import Engine
from genstudio.engine.loaded import check_labels, find_verb
from genstudio.images import open_picture
from genstudio.model import verbs
from genstudio.recipes import recipe, replay
from genstudio.tasks.edges import prepared
from genstudio.ui.html import png_uri
from genstudio.ui.language import friendly

MAX_IMAGES = 256  # pictures per call
MAX_BYTES = 40 * 10**6  # per uploaded picture
REST = 15.0  # seconds without a request, before the next warm-up step


def expose(engine: Engine) -> None:
    """Add /systems, /sample, /interpolate and /translate to the current `gr.Blocks`."""

    @friendly
    def systems() -> list[dict]:
        """Available systems: name, title, verbs."""
        found = catalog.offered()
        return [{"name": n, "title": s.title.en, "verbs": list(verbs(s.model))} for n, s in found.items()]

    @friendly
    def sample(
        system: str, seeds: list[int], controls: dict[str, Any] | None = None, labels: list[str | int] | None = None
    ) -> list[str]:
        """One PNG per seed, as data URIs, each with its recipe inside; conditioned on classes `labels`, if given."""
        bounded(len(seeds), "seeds")
        seeds = [recipe.check_seed(seed) for seed in seeds]
        loaded, values = engine.hold(catalog.listed(system)), legacy.controls(controls or {})
        named = None if labels is None else check_labels(loaded, seeds, labels)
        *_, images = engine.sample(system, seeds, named, **values)
        conditioned = [values | ({"label": label} if label else {}) for label in named or [None] * len(seeds)]
        return [
            png_uri(image, recipe.make(loaded, "sample", seed=seed, controls=values))
            for image, seed, values in zip(images, seeds, conditioned, strict=True)
        ]

    @friendly
    def interpolate(
        system: str, start: dict, end: dict, positions: list[float], path: str = "spherical", controls: dict[str, Any] | None = None
    ) -> list[str]:
        """PNGs between two ends, {"seed": n} or {"code": text}, at positions in [0, 1], as data URIs."""
        bounded(len(positions), "positions")
        positions = [recipe.check_position(p) for p in positions]
        ends = {"from": recipe.check_end(start), "to": recipe.check_end(end)}
        loaded, values = engine.hold(catalog.listed(system)), legacy.controls(controls or {})
        find_verb(loaded.system, "decode")
        latents: Sequence[np.ndarray] = [replay.latent_of(e, engine, system) for e in ends.values()]
        images = engine.interpolate(system, (latents[0], latents[1]), positions, recipe.check_path(path), **values)
        made = [recipe.make(loaded, "interpolate", **ends, position=p, path=path, controls=values) for p in positions]
        return [png_uri(image, r) for image, r in zip(images, made, strict=True)]

    @friendly
    def translate(
        system: str,
        picture: str,
        view: str = "own",
        background: str = "white",
        detail: float | None = None,
        controls: dict[str, Any] | None = None,
    ) -> str:
        """Translate a picture, as base64 of its file or a data URI, to the system's other domain: a PNG as a data URI.

        detail: 0 to 1, to convert a photograph to line art first, from few lines to many.
        """
        settings = {"view": recipe.check_view(view), "background": recipe.check_background(background)}
        loaded, values, body = engine.hold(catalog.listed(system)), legacy.controls(controls or {}), sent(picture)
        find_verb(loaded.system, "translate")
        if recipe.check_detail(detail) is not None:
            settings["detail"] = detail
        shown = prepared(open_picture(body), background, detail, loaded.model.own_side)
        with closing(engine.translate(system, shown[None], view=view, **values)) as parts:
            *_, last = parts
        made = recipe.make(loaded, "translate", picture=recipe.picture_name(body), **settings, controls=values)
        return png_uri(last.images[0], made)

    for function in (systems, sample, interpolate, translate):
        gr.api(function, api_name=function.__name__, concurrency_limit=4)


def bounded(count: int, what: str) -> None:
    if count > MAX_IMAGES:
        raise ValueError(f"{count} {what} asked for; at most {MAX_IMAGES} at a time")


def sent(picture: str) -> bytes:
    """Decode a base64 file. Raises ValueError if it is too large or malformed."""
    body = str(picture).rpartition(",")[2]
    if len(body) > MAX_BYTES * 4 // 3:
        raise ValueError(f"too large (at most {MAX_BYTES // 10**6} MB)")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise ValueError("not a picture") from None


def warm_up(engine: Engine) -> None:
    """Load every available model and run it once, so that no visitor waits for kernels to compile."""
    names = list(catalog.offered("latents", "decode"))
    for name in names:
        engine.decode(name, engine.latents(name, [0, 1]))
    for name in catalog.offered("translate"):
        side = engine.image_shape(name)[1]
        for _ in engine.translate(name, np.zeros((1, side, side, 3), np.uint8)):
            pass
    for name in catalog.offered("img2img"):
        for _ in engine.denoise(name, [0], steps=2):
            pass
    for name in names:  # each takes seconds
        engine.wait_for_rest(REST)
        engine.directions(name, "effect")
