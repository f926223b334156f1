"""Interpolation between two classes with fixed latents: a strip, a slider, a film."""

from __future__ import annotations

import random
import re
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from genstudio import catalog
from genstudio.controls import class_of, controls, number
from genstudio.images import save_walk
from genstudio.recipes import fields, replay
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import DRAG, LAST, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tabs.classes import words as w
from genstudio.ui.views.film import Film
from genstudio.ui.views.view import View, figure

STEPS = [i / 8 for i in range(9)]
FRAMES = 32  # in one direction


class Between(View):
    key, title = "between-classes", w.BETWEEN
    verbs = ()
    opening = {"label": "", "towards": "", "seed": 3, "blend": 0.5}

    def render(self) -> None:
        self.note = gr.HTML(elem_id="between-note")
        with gr.Column(elem_classes="stage-column") as self.all:
            gr.Markdown(t(w.BETWEEN_HINT), elem_classes="caption")
            self.stage = gr.HTML(elem_id="between-stage")
            self.how_far = gr.Slider(0, 1, 0.5, step=0.01, label=t(w.HOW_FAR), elem_id="between-blend")
            gr.Markdown(t(w.IN_NINE), elem_classes="caption")
            self.strip = gr.HTML(elem_id="between-strip", js_on_load=html.PICK)
            with gr.Row(elem_classes="tools"):
                names = catalog.labels(self.first["system"])
                self.start = gr.Dropdown(names, value=self.first["label"], label=t(w.FIRST), elem_id="between-first", min_width=140)
                self.end = gr.Dropdown(names, value=self.first["towards"], label=t(w.SECOND), elem_id="between-second", min_width=140)
                self.seed = gr.Number(3, precision=0, minimum=0, label=t(page_words.SEED), elem_id="between-seed", min_width=100)
                self.dice = gr.Button(t(page_words.NEW_SEED_KEY), elem_classes="dice", variant="primary", scale=0, min_width=150)
            with gr.Accordion(t(page_words.SAVE_FILM), open=False, elem_id="between-walk"), gr.Row(elem_classes="tools"):
                self.film = Film("between")

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"label": self.start, "towards": self.end, "seed": self.seed, "blend": self.how_far}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [self.note, self.all, self.stage, self.strip, self.film.file]

    def wire(self) -> None:
        on(self.how_far.input, self.on_drag, self.inputs, self.stage, **DRAG)
        for component in self.sliders.values():
            self.redraw_after(component)
        on(self.strip.select, self.on_step, self.inputs, self.all_outputs, **ONCE)
        on(self.dice.click, self.on_dice, self.inputs, self.all_outputs, **LAST)
        self.film.wire(self.save_way, self.inputs)

    # the scene ------------------------------------------------------------------------------------------------------

    def supports(self, system: str) -> bool:
        return "blend" in controls(self.systems[system].model.sample)

    def new_scene(self, system: str) -> dict:
        names = catalog.labels(system)
        return super().new_scene(system) | {"label": names[0], "towards": names[-1]}

    def with_system(self, scene: dict, system: str) -> dict:
        return self.new_scene(system) | {"seed": scene["seed"]}

    def read(self, inputs: dict) -> dict:
        scene = super().read(inputs)
        fresh, names = self.new_scene(scene["system"]), catalog.labels(scene["system"])
        ends = {key: scene[key] if scene[key] in names else fresh[key] for key in ("label", "towards")}
        return scene | ends | {"seed": fields.check_seed(scene["seed"] or 0), "blend": fields.check_position(scene["blend"])}

    def recipe_of(self, scene: dict) -> dict:
        asked = {key: scene[key] for key in ("label", "towards", "blend")}
        return self.recipe(scene | {"controls": asked}, "sample", seed=scene["seed"])

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> str:
        return self.stage_html(self.read(inputs), language(request))

    @friendly
    def on_step(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        return self.present(self.read(inputs) | {"blend": fields.check_position(float(event.pick))}, inputs, request)

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        return self.present(self.read(inputs) | {"seed": random.randrange(1_000_000)}, inputs, request)

    def save_way(self, inputs: dict, folder: Path, suffix: str) -> Path:
        """Film from one class to the other and back."""
        scene = self.read(inputs)
        pictures = np.stack([self.image(scene | {"blend": float(blend)}) for blend in np.linspace(0, 1, FRAMES)])
        return save_walk(pictures, folder / f"{file_name(scene)}{suffix}")

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        return super().present(scene, inputs, request) if self.supports(scene["system"]) else self.draw(scene, language(request))

    # rendering ------------------------------------------------------------------------------------------------------

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        can = self.supports(scene["system"])
        updates = {self.note: "" if can else f'<p class="empty">{w.NOTHING_BETWEEN.say(lang)}</p>', self.all: gr.update(visible=can)}
        if not can:
            return updates
        names = catalog.labels(scene["system"])
        uris = [html.png_uri(self.image(scene | {"blend": step})) for step in STEPS]
        return updates | {
            self.stage: self.stage_html(scene, lang),
            self.strip: html.strip([("", uris)], STEPS, scene["blend"], lang),
            self.start: gr.update(choices=names, value=scene["label"]),
            self.end: gr.update(choices=names, value=scene["towards"]),
            self.seed: scene["seed"],
            self.how_far: scene["blend"],
            **self.film.cleared,
        }

    def image(self, scene: dict) -> np.ndarray:
        return replay.image(self.recipe_of(scene), self.engine)

    def stage_html(self, scene: dict, lang: str) -> str:
        made = self.recipe_of(scene)
        said = f"{scene['label']} → {scene['towards']}"
        caption = f"<output>{number(scene['blend'], '.2f', lang)}</output>"
        uri = html.png_uri(replay.image(made, self.engine), made)
        name = f"{file_name(scene)}.png"
        return f'<div class="stage one">{figure(uri, escape(said), escape(name, quote=True), lang, caption)}</div>'


def file_name(scene: dict) -> str:
    """Name of a result, without its suffix: a class may be called "cat/large"."""
    return re.sub(r"[^\w .-]", "-", "-".join([scene["system"], *(class_of(scene[key]) for key in ("label", "towards"))]))
