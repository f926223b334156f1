"""What all views of a latent space have in common: a scene, and what happens when it changes.

A *scene* is all that is on the screen: {"system": name, "controls": {...}}, the ends by name, and what the view adds. It
is what a recipe needs, and nothing else is kept between two events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
import numpy as np

from genstudio.controls import Text
from genstudio.engine import Engine
from genstudio.recipes import recipe, replay
from genstudio.system import System
from genstudio.ui import html
from genstudio.ui import words as w
from genstudio.ui.endpoint import End, encodes
from genstudio.ui.events import LAST
from genstudio.ui.history import Trail
from genstudio.ui.language import friendly, language
from genstudio.ui.panels import Panel


class View:
    """Draws itself inside the current `gr.Tab`. `ends` hold pictures or seeds; `extra` is what else its scene opens with."""

    key: str  # of its tab, and before the names of its elements
    title: Text
    verbs: tuple[str, ...]  # of the recipes that it restores
    opening: dict[str, Any]  # the scene, without the system

    def __init__(self, engine: Engine, systems: Mapping[str, System], first: str, trail: Trail):
        self.engine, self.systems, self.trail, self.place = engine, systems, trail, trail.place
        self.ends: dict[str, End] = {}
        self.panel: Panel | None = None  # of the controls of `decode`, where the view has any
        self.first = self.begin(first)  # the scene that the page opens with: components begin with its values
        self.scene = gr.State(self.first)
        self.draw()

    # to override ----------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Components."""
        raise NotImplementedError

    def wire(self) -> None:
        """Events, once `trail` is drawn too."""
        raise NotImplementedError

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        """Updates of this view's components for a scene."""
        raise NotImplementedError

    def made(self, scene: dict) -> dict:
        """The recipe of the scene's picture."""
        raise NotImplementedError

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        """Components whose values belong to the scene, by key."""
        return {}

    @property
    def shown(self) -> list[gr.components.Component]:
        """Components that `show` updates, besides ends, sliders and controls."""
        return []

    def quick(self, scene: dict) -> bool:
        """Whether it is drawn at once; else it waits to be asked."""
        return True

    def takes(self, system: str) -> bool:
        """Whether it can show this system."""
        return True

    # the scene ------------------------------------------------------------------------------------------------------

    def begin(self, system: str) -> dict:
        return {"system": system, "controls": {}, **self.opening}

    def changed_to(self, scene: dict, system: str) -> dict:
        """The scene with another model: a code means nothing to it, a seed does."""
        fresh = self.begin(system)
        return fresh | {key: scene[key] for key in self.end_keys(scene) if "seed" in scene[key]}

    def end_keys(self, scene: dict) -> list[str]:
        return [key for key in self.ends if key in scene]

    def scene_of(self, found: dict) -> dict:
        """The scene of a checked recipe."""
        known = {key: value for key, value in found.items() if key in self.opening}
        return self.begin(found["system"]) | known | {"controls": found.get("controls") or {}}

    def recipe(self, scene: dict, verb: str, **what: Any) -> dict:
        return recipe.make(self.engine.hold(scene["system"]), verb, **what, controls=self.controls(scene))

    def controls(self, scene: dict) -> dict:
        """All controls of the scene's system: those said, and the others as declared."""
        declared = self.panel.of[scene["system"]] if self.panel else {}
        return {name: control.default for name, control in declared.items()} | scene["controls"]

    def code(self, scene: dict, which: str) -> np.ndarray:
        return replay.latent_of(scene[which], self.engine, scene["system"])

    def pictures(self, scene: dict, codes: np.ndarray, recipes: Sequence[dict | None] | None = None) -> list[str]:
        """Codes (n, d) as data URIs of PNGs, each with its recipe where given."""
        images = self.engine.decode(scene["system"], codes, **self.controls(scene))
        return [html.png_uri(image, r) for image, r in zip(images, recipes or [None] * len(images), strict=True)]

    # events ---------------------------------------------------------------------------------------------------------

    def add_panel(self) -> None:
        self.panel = Panel(self.systems, "decode", self.key)

    @property
    def knobs(self) -> list[gr.components.Component]:
        return list(self.panel.components.values()) if self.panel else []

    @property
    def by_hand(self) -> list[gr.components.Component]:
        """What a visitor moves, and the scene is read from."""
        return [*self.sliders.values(), *self.knobs]

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.scene, self.trail.history, *self.by_hand}

    @property
    def outputs(self) -> list[gr.components.Component]:
        ends = [component for end in self.ends.values() for component in end.outputs]
        return [self.scene, *self.shown, *self.sliders.values(), *self.knobs, *ends]

    @property
    def everything(self) -> list[gr.components.Component]:
        return [*self.outputs, *self.trail.outputs]

    def read(self, inputs: dict) -> dict:
        """The scene, with sliders and controls as they stand."""
        scene = inputs[self.scene]
        values = {key: inputs[slider] for key, slider in self.sliders.items()}
        controls = self.panel.values(scene["system"], inputs) if self.panel else {}
        return scene | values | {"controls": controls}

    def result(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        """The view for a scene, whose picture enters the history."""
        lang = language(request)
        kept = self.trail.keep(self.made(scene), inputs[self.trail.history], lang)
        return self.whole(scene, lang) | kept | self.remembered(scene, inputs, lang)

    def arrive(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        """The view when it is turned to: nothing new was made."""
        lang = language(request)
        return self.whole(scene, lang) | self.remembered(scene, inputs, lang)

    def remembered(self, scene: dict, inputs: dict, lang: str) -> dict:
        """What it shows of what the browser keeps for the visitor."""
        return {}

    def whole(self, scene: dict, lang: str) -> dict:
        """The view for a scene: its own components, its ends, and the controls of its system."""
        knobs = self.panel.show(scene["system"], self.controls(scene)) if self.panel else {}
        updates = {self.scene: scene, **knobs, **self.show(scene, lang)}
        can = encodes(self.engine, scene["system"])
        for key in self.end_keys(scene):
            [uri] = self.pictures(scene, self.code(scene, key)[None])
            updates |= self.ends[key].show(scene[key], uri, can, lang)
        return updates

    @friendly
    def on_settle(self, inputs: dict, request: gr.Request) -> dict:
        """The view as its controls stand. They are left alone: a visitor may have moved them on since."""
        updates = self.result(self.read(inputs), inputs, request)
        return {component: update for component, update in updates.items() if component not in self.by_hand}

    def settles(self, slider: gr.components.Component) -> None:
        """The whole view follows once a control is let go."""
        settled = slider.release if isinstance(slider, gr.Slider) else slider.input
        settled(self.on_settle, self.inputs, self.everything, **LAST)


def figure(uri: str, label: str, filename: str, lang: str, caption: str = "", css: str = "") -> str:
    """A large picture with its name, a note, and a button that saves it."""
    shown = html.downloadable(uri, label, filename, getattr(w.DOWNLOAD, lang))
    return f'<figure class="{css}">{shown}<figcaption><b>{label}</b> {caption}</figcaption></figure>'
