"""State shared by the parts of the Translate tab: systems, sessions, and the preparation of inputs.

A *scene* has the fields of a recipe without the picture: {"system", "view", "background", "detail", "controls"}.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from genstudio.controls import Choice, controls
from genstudio.engine import Engine
from genstudio.engine.edges import prepared
from genstudio.engine.tiling import TileProgress
from genstudio.recipes import recipe
from genstudio.system import System
from genstudio.tasks import example_inputs
from genstudio.ui.sessions import Cancellation, InputPicture, Sessions, example_input
from genstudio.ui.tabs.translate import pieces
from genstudio.ui.tabs.translate.session import TranslateSession

SHOW_EVERY = 0.25  # seconds between two updates
WAYS = ("there", "back")  # options of the control of a two-way system


class TranslateBackend:
    def __init__(self, engine: Engine, systems: Mapping[str, System]):
        self.engine, self.systems, self.sessions = engine, dict(systems), Sessions(TranslateSession)
        self._examples: dict[str, InputPicture] = {}
        self._thumbnails: dict[tuple[str, str], str] = {}

    def opening(self, system: str) -> dict[str, Any]:
        """Scene of a system with default settings."""
        defaults = {name: control.default for name, control in self.controls(system).items()}
        return {"system": system, "view": "own", "background": "#ffffff", "detail": None, "controls": defaults}

    def controls(self, system: str) -> dict:
        return controls(self.systems[system].model.translate)

    def turn(self, system: str) -> str | None:
        """Name of the control for the direction of a two-way system, or None."""
        for name, control in self.controls(system).items():
            if isinstance(control.kind, Choice) and control.kind.options == WAYS:
                return name
        return None

    def draws(self, system: str) -> bool:
        return self.systems[system].takes == "drawings"

    def has_tiles(self, system: str) -> bool:
        """True if the visitor may choose between the network's resolution and the picture's."""
        model = self.engine.hold(system).model
        return model.own_side is not None and model.tiles

    def paints(self, system: str) -> bool:
        return self.systems[system].takes == "labels"

    def own_side(self, system: str) -> int | None:
        return self.engine.hold(system).model.own_side

    # pictures -------------------------------------------------------------------------------------------------------

    def picture(self, session: TranslateSession, system: str) -> InputPicture:
        """The visitor's picture, else the system's example."""
        return session.own or self.example(system)

    def example(self, system: str) -> InputPicture:
        if system not in self._examples:
            self._examples[system] = example_input(example_inputs.example(self.engine, system))
        return self._examples[system]

    def thumbnail(self, system: str) -> str:
        """Picture of a card: the system's example before and after, made again when the weights change."""
        key = system, self.engine.hold(system).digest
        if key not in self._thumbnails:
            before = self.prepared(self.example(system), self.opening(system))
            self._thumbnails[key] = pieces.uri(pieces.thumbnail(before, self.at_once(before, self.opening(system))))
        return self._thumbnails[key]

    def prepared(self, taken: InputPicture, scene: dict) -> np.ndarray:
        """Input of the network, uint8 (h, w, 3)."""
        return prepared(taken.picture, scene["background"], scene["detail"], self.own_side(scene["system"]))

    def translate(self, image: np.ndarray, scene: dict) -> Iterator[TileProgress]:
        return self.engine.translate(scene["system"], image[None], view=scene["view"], **scene["controls"])

    def at_once(self, image: np.ndarray, scene: dict) -> np.ndarray:
        *_, last = self.translate(image, scene)
        return last.images[0]

    def step_by_step(self, image: np.ndarray, scene: dict, run: Cancellation) -> Iterator[tuple[TileProgress, float]]:
        """Progress with the seconds so far, at most every `SHOW_EVERY`; last the result, unless the run is stopped."""
        started = shown_at = time.monotonic()
        with closing(self.translate(image, scene)) as parts:
            for part in parts:
                now = time.monotonic()
                if run.stopped:
                    return
                if part.images is not None or now - shown_at > SHOW_EVERY:
                    shown_at = now
                    yield part, now - started

    def recipe(self, scene: dict, digest: str) -> dict:
        """Recipe of a scene, saved in its picture."""
        settings = {"view": scene["view"], "background": scene["background"]}
        if scene["detail"] is not None:
            settings["detail"] = scene["detail"]
        loaded = self.engine.hold(scene["system"])
        return recipe.make(loaded, "translate", picture=digest, **settings, controls=scene["controls"])

    def scene_of(self, found: dict) -> dict:
        """Scene of a checked recipe."""
        said = {key: found[key] for key in ("view", "background", "detail") if key in found}
        opening = self.opening(found["system"])
        return opening | said | {"controls": opening["controls"] | (found.get("controls") or {})}
