"""Base of the views: a scene, and its updates.

A *scene* is the state of the screen: {"system": name, "controls": {...}}, the ends by name, and fields of the view. A
recipe is made from it, and nothing else is kept between two events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.controls import Text
from genstudio.engine import Engine
from genstudio.recipes import recipe
from genstudio.recipes.latents import latent_of
from genstudio.system import System
from genstudio.ui import html
from genstudio.ui import words as w
from genstudio.ui.endpoint import Endpoint, encodes
from genstudio.ui.events import LAST, Deferred, Variable, on
from genstudio.ui.history import History
from genstudio.ui.language import friendly, language
from genstudio.ui.panels import Panel


class View:
    """A view, drawn inside the current `gr.Tab`. `ends`: pictures or seeds by their key in the scene."""

    key: str  # id of its tab, and prefix of the element ids
    title: Text
    verbs: tuple[str, ...]  # verbs of the recipes that it restores
    opening: dict[str, Any]  # fields of the first scene

    def __init__(self, engine: Engine, systems: Mapping[str, System], first: str, history: History):
        self.engine, self.systems, self.history, self.place = engine, systems, history, history.place
        self.ends: dict[str, Endpoint] = {}
        self.panel: Panel | None = None  # controls of the verb, if any
        self.first = self.new_scene(first)  # scene on page load, for the components' first values
        self.scene = Variable(self.first)
        self.render()

    # to override ----------------------------------------------------------------------------------------------------

    def render(self) -> None:
        """Create the components."""
        raise NotImplementedError

    def wire(self) -> None:
        """Connect the events, after `history` is drawn."""
        raise NotImplementedError

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        """Updates of this view's own components for a scene."""
        raise NotImplementedError

    def recipe_of(self, scene: dict) -> dict:
        """Recipe of the scene's picture."""
        raise NotImplementedError

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        """Components whose values belong to the scene, by key."""
        return {}

    @property
    def shown(self) -> list[gr.components.Component]:
        """Components that `show` updates, besides ends, sliders and controls."""
        return []

    def pictured(self, scene: dict) -> bool:
        """True if the view has one picture in front, that of `recipe_of`."""
        return type(self).recipe_of is not View.recipe_of and self.supports(scene["system"])

    def immediate(self, scene: dict) -> bool:
        """True if the picture is drawn at once, False if on demand."""
        return True

    def open_picture(self, picture: Image.Image, scene: dict, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Open a visitor's picture, with updates until it is there. Raises ValueError where it cannot."""
        raise ValueError(w.NO_PICTURE_HERE.say(language(request)))
        yield

    def cancel_with(self, event: gr.events.Dependency) -> None:
        """Let the stop button of a search also end `event`."""

    def supports(self, system: str) -> bool:
        """True if the view can show a system."""
        return True

    # the scene ------------------------------------------------------------------------------------------------------

    def new_scene(self, system: str) -> dict:
        return {"system": system, "controls": {}, **self.opening}

    def with_system(self, scene: dict, system: str) -> dict:
        """The scene with another model: seeds are kept, latents are dropped, as they belong to the model."""
        fresh = self.new_scene(system)
        return fresh | {key: scene[key] for key in self.end_keys(scene) if "seed" in scene[key]}

    def end_keys(self, scene: dict) -> list[str]:
        return [key for key in self.ends if key in scene]

    def scene_of(self, found: dict) -> dict:
        """Scene of a checked recipe."""
        known = {key: value for key, value in found.items() if key in self.opening}
        return self.new_scene(found["system"]) | known | {"controls": found.get("controls") or {}}

    def recipe(self, scene: dict, verb: str, **what: Any) -> dict:
        return recipe.make(self.engine.hold(scene["system"]), verb, **what, controls=self.controls(scene))

    def controls(self, scene: dict) -> dict:
        """All controls of the scene's system: values of the scene, else defaults."""
        declared = self.panel.of[scene["system"]] if self.panel else {}
        return {name: control.default for name, control in declared.items()} | scene["controls"]

    def code(self, scene: dict, which: str) -> np.ndarray:
        return latent_of(scene[which], self.engine, scene["system"])

    def pictures(self, scene: dict, latents: np.ndarray, recipes: Sequence[dict | None] | None = None) -> list[str]:
        """Decode latents (n, d) to data URIs of PNGs, each with its recipe if given."""
        images = self.engine.decode(scene["system"], latents, **self.controls(scene))
        return [html.png_uri(image, r) for image, r in zip(images, recipes or [None] * len(images), strict=True)]

    # events ---------------------------------------------------------------------------------------------------------

    def add_panel(self) -> None:
        self.panel = Panel(self.systems, "decode", self.key)

    @property
    def control_inputs(self) -> list[gr.components.Component]:
        return list(self.panel.components.values()) if self.panel else []

    @property
    def user_inputs(self) -> list[gr.components.Component]:
        """Components that a visitor moves, from which the scene is read."""
        return [*self.sliders.values(), *self.control_inputs]

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.scene, self.history.entries, *self.user_inputs}

    @property
    def outputs(self) -> list[gr.components.Component]:
        ends = [component for end in self.ends.values() for component in end.outputs]
        return [self.scene, *self.shown, *self.sliders.values(), *self.control_inputs, *ends]

    @property
    def all_outputs(self) -> list[gr.components.Component]:
        return [*self.outputs, *self.history.outputs]

    @cached_property
    def deferred(self) -> Deferred:
        """Updates that a streaming handler leaves to an event of their own. Created where `wire` first uses it."""
        deferred = Deferred()
        deferred.deliver_to(self.all_outputs)
        return deferred

    def read(self, inputs: dict) -> dict:
        """The scene with the values of sliders and controls."""
        scene = inputs[self.scene]
        values = {key: inputs[slider] for key, slider in self.sliders.items()}
        controls = self.panel.values(scene["system"], inputs) if self.panel else {}
        return scene | values | {"controls": controls}

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        """Updates of the view for a scene, whose picture is added to the history."""
        lang = language(request)
        kept = self.history.keep(self.recipe_of(scene), inputs[self.history.entries], lang)
        return self.draw(scene, lang) | kept | self.remembered(scene, inputs, lang)

    def arrive(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        """Updates of the view when it is selected, without a new picture."""
        lang = language(request)
        updates = self.draw(scene, lang) | self.remembered(scene, inputs, lang)
        # The picture in front is the one that the command and the link are about.
        return updates | (self.history.point(self.recipe_of(scene), lang) if self.pictured(scene) else {})

    def remembered(self, scene: dict, inputs: dict, lang: str) -> dict:
        """Updates that show state saved in the browser."""
        return {}

    def draw(self, scene: dict, lang: str) -> dict:
        """Updates of the view for a scene: its own components, its ends, and the controls of its system."""
        control_inputs = self.panel.show(scene["system"], self.controls(scene)) if self.panel else {}
        updates = {self.scene: scene, **control_inputs, **self.show(scene, lang)}
        can = encodes(self.engine, scene["system"])
        for key in self.end_keys(scene):
            [uri] = self.pictures(scene, self.code(scene, key)[None])
            updates |= self.ends[key].show(scene[key], uri, can, lang)
        return updates

    @friendly
    def on_release(self, inputs: dict, request: gr.Request) -> dict:
        """Updates of the view for the current controls, but not of these: a visitor may have moved them since."""
        updates = self.present(self.read(inputs), inputs, request)
        return {component: update for component, update in updates.items() if component not in self.user_inputs}

    def redraw_after(self, slider: gr.components.Component) -> None:
        """Update the whole view when a control is released."""
        settled = slider.release if isinstance(slider, gr.Slider) else slider.input
        on(settled, self.on_release, self.inputs, self.all_outputs, **LAST)


def figure(uri: str, label: str, filename: str, lang: str, caption: str = "", css: str = "") -> str:
    """A large image with a title, a caption, and a download button."""
    shown = html.downloadable(uri, label, filename, w.DOWNLOAD.say(lang))
    return f'<figure class="{css}">{shown}<figcaption><b>{label}</b> {caption}</figcaption></figure>'
