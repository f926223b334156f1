"""Grid of samples, classes in rows and seeds in columns: a seed has the same latents for every class."""

from __future__ import annotations

import random
from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from genstudio import catalog
from genstudio.controls import OF_CLASSES, Text, controls
from genstudio.recipes import fields, replay
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import LAST, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.panels import Panel
from genstudio.ui.tabs.classes import words as w
from genstudio.ui.views.view import View, figure

MAX_CLASSES = 24  # rows of the grid
MAX_EACH = 12  # columns
AT_FIRST = 10  # classes selected with a model


class Pick(View):
    key, title = "pick", w.PICK
    verbs = ("sample",)
    opening = {"labels": [], "each": 8, "seed": 0, "cell": (0, 0)}

    def render(self) -> None:
        with gr.Row(elem_classes="mixing"):
            with gr.Column(scale=9, min_width=340, elem_classes="stage-column"):
                self.grid = gr.HTML(elem_id="class-grid", js_on_load=html.PICK)
                gr.Markdown(t(w.CLICK), elem_classes="caption")
                with gr.Row(elem_classes="tools"):
                    self.go = gr.Button(t(page_words.RUN), elem_id="class-draw", scale=0, min_width=120)
                    self.stop = gr.Button(t(page_words.STOP), elem_id="class-stop", variant="stop", scale=0, min_width=110, visible=False)
                    self.dice = gr.Button(t(page_words.NEW_SEED_KEY), elem_classes="dice", variant="primary", scale=0, min_width=150)
            with gr.Column(scale=6, min_width=300, elem_classes="subject-column"):
                self.subject = gr.HTML(html.WAITING_ONE, elem_id="class-subject")
                self.labels = gr.Dropdown(
                    catalog.labels(self.first["system"]), value=self.first["labels"], multiselect=True, filterable=True, label=t(w.CLASSES), elem_id="class-labels",
                    info=t(Text(*(said.format(most=MAX_CLASSES) for said in w.CLASSES_HINT))),
                )  # fmt: skip
                with gr.Row(elem_classes="tools"):
                    self.each = gr.Slider(
                        1, MAX_EACH, 8, step=1, label=t(w.EACH), info=t(w.EACH_HINT), elem_id="class-each", min_width=180
                    )
                    self.seed = gr.Number(0, precision=0, minimum=0, label=t(w.SEED), elem_id="class-seed", min_width=100)
                known = {name for system in self.systems.values() for name in controls(system.model.sample)}
                self.panel = Panel(self.systems, "sample", "class", known - OF_CLASSES)

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"labels": self.labels, "each": self.each, "seed": self.seed}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [self.grid, self.subject, self.stop]

    def wire(self) -> None:
        for event in (self.labels.input, self.each.release, self.seed.input):
            on(event, self.on_change, self.inputs, self.all_outputs, **LAST)
        for knob in self.control_inputs:
            changed = knob.release if isinstance(knob, gr.Slider) else knob.input
            on(changed, self.on_change, self.inputs, self.all_outputs, **LAST)
        front = [self.grid, self.subject, self.seed, self.stop]
        drawing = [
            self.deferred.stream(button.click, handler, self.inputs, front, **ONCE)
            for button, handler in ((self.go, self.on_draw), (self.dice, self.on_dice))
        ]
        on(self.stop.click(None, cancels=drawing).then, lambda: gr.update(visible=False), None, self.stop, **ONCE)
        on(self.grid.select, self.on_cell, self.inputs, self.all_outputs, **LAST)

    # the scene ------------------------------------------------------------------------------------------------------

    def new_scene(self, system: str) -> dict:
        return super().new_scene(system) | {"labels": catalog.labels(system)[:AT_FIRST]}

    def with_system(self, scene: dict, system: str) -> dict:
        return self.new_scene(system) | {"each": scene["each"], "seed": scene["seed"]}

    def scene_of(self, found: dict) -> dict:
        label = (found.get("controls") or {}).get("label")
        controls = {key: value for key, value in (found.get("controls") or {}).items() if key not in OF_CLASSES}
        scene = self.new_scene(found["system"]) | {"seed": int(found["seed"]), "controls": controls}
        if label in catalog.labels(found["system"]):
            scene |= {"labels": [label, *(name for name in scene["labels"] if name != label)][:AT_FIRST]}
        return scene

    def read(self, inputs: dict) -> dict:
        """The scene with the components' values, checked."""
        scene = super().read(inputs)
        names = catalog.labels(scene["system"])
        labels = [label for label in scene["labels"] or [] if label in names]
        each = min(MAX_EACH, max(1, int(scene["each"] or 1)))
        return scene | {"labels": labels, "each": each, "seed": fields.check_seed(scene["seed"] or 0)}

    def seeds_and_labels(self, scene: dict, lang: str) -> tuple[list[int], list[str]]:
        """Seeds and labels of the grid, row by row. Raises ValueError without a class, or with too many."""
        if not scene["labels"]:
            raise ValueError(w.NO_CLASSES.say(lang))
        if len(scene["labels"]) > MAX_CLASSES:
            raise ValueError(w.TOO_MANY.say(lang, most=MAX_CLASSES))
        fields.check_seed(scene["seed"] + scene["each"])
        pairs = [(scene["seed"] + k, label) for label in scene["labels"] for k in range(scene["each"])]
        return [seed for seed, _ in pairs], [label for _, label in pairs]

    def recipe_of(self, scene: dict) -> dict:
        row, column = scene["cell"]
        label = scene["labels"][min(row, len(scene["labels"]) - 1)]
        return self.recipe(scene | {"controls": self.controls(scene) | {"label": label}}, "sample", seed=scene["seed"] + min(column, scene["each"] - 1))

    def pictured(self, scene: dict) -> bool:
        return bool(scene["labels"])

    def immediate(self, scene: dict) -> bool:
        return not self.systems[scene["system"]].model.slow

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_change(self, inputs: dict, request: gr.Request) -> dict:
        """Redraw with a fast model; with a slow one wait for the button."""
        scene, lang = self.read(inputs), language(request)
        self.seeds_and_labels(scene, lang)
        updates = self.present(scene, inputs, request) if self.immediate(scene) else {self.scene: scene}
        return {component: update for component, update in updates.items() if component not in self.user_inputs}

    @friendly
    def on_draw(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        yield from self.sample_grid(self.read(inputs), inputs, request)

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        yield from self.sample_grid(self.read(inputs) | {"seed": random.randrange(1_000_000)}, inputs, request)

    def sample_grid(self, scene: dict, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Updates with the grid while it is sampled, and last with the selected picture."""
        lang = language(request)
        seeds, labels = self.seeds_and_labels(scene, lang)
        yield {self.scene: scene, self.seed: scene["seed"], self.stop: gr.update(visible=not self.immediate(scene))}
        for images in self.engine.sample(scene["system"], seeds, labels, **self.controls(scene)):
            yield {self.grid: self.grid_html(scene, images, lang)}
        place = [min(i, n - 1) for i, n in zip(scene["cell"], (len(scene["labels"]), scene["each"]), strict=True)]
        chosen = images[place[0] * scene["each"] + place[1]]
        made = self.recipe_of(scene)
        yield {
            self.subject: self.subject_html(scene, chosen, made, lang),
            self.stop: gr.update(visible=False),
            **self.history.keep(made, inputs[self.history.entries], lang, html.png_uri(chosen, made)),
        }

    @friendly
    def on_cell(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        scene, lang = inputs[self.scene], language(request)  # the scene of the drawn grid
        place = str(event.pick).split(",")
        if len(place) != 2 or not all(part.isdecimal() for part in place):
            raise ValueError(w.NO_CELL.say(lang))
        row, column = (int(part) for part in place)
        if row >= len(scene["labels"]) or column >= scene["each"]:
            raise ValueError(w.NO_CELL.say(lang))
        scene |= {"cell": (row, column)}
        made = self.recipe_of(scene)
        image = replay.image(made, self.engine)
        kept = self.history.keep(made, inputs[self.history.entries], lang, html.png_uri(image, made))
        return {self.scene: scene, self.subject: self.subject_html(scene, image, made, lang), **kept}

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        """Add the picture of a fast model to the history; a slow one adds it after sampling."""
        return super().present(scene, inputs, request) if self.immediate(scene) else self.draw(scene, language(request))

    # rendering ------------------------------------------------------------------------------------------------------

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        names = catalog.labels(scene["system"])
        updates = {
            self.labels: gr.update(choices=names, value=scene["labels"]),
            self.each: scene["each"],
            self.seed: scene["seed"],
            self.stop: gr.update(visible=False),
        }
        if not self.immediate(scene) or not scene["labels"]:
            note = w.LONG if scene["labels"] else w.NO_CLASSES
            return updates | {self.grid: f'<p class="empty">{note.say(lang)}</p>', self.subject: ""}
        seeds, labels = self.seeds_and_labels(scene, lang)
        *_, images = self.engine.sample(scene["system"], seeds, labels, **self.controls(scene))
        made = self.recipe_of(scene)
        chosen = images[labels.index(made["controls"]["label"]) + made["seed"] - scene["seed"]]
        return updates | {self.grid: self.grid_html(scene, images, lang), self.subject: self.subject_html(scene, chosen, made, lang)}

    def grid_html(self, scene: dict, images: np.ndarray, lang: str) -> str:
        each, body = scene["each"], ""
        for row, label in enumerate(scene["labels"]):
            body += f"<b>{escape(label)}</b>"
            for column in range(each):
                said = escape(w.NOTE.say(lang, label=label, seed=scene["seed"] + column), quote=True)
                uri = html.png_uri(images[row * each + column])
                body += f'<button data-pick="{row},{column}" aria-label="{said}" title="{said}">{html.picture(uri, "")}</button>'
        label = w.GRID.say(lang, classes=len(scene["labels"]), each=each)
        sides = f"--columns:{each};--rows:{len(scene['labels'])}"
        return f'<div class="grid-of-runs classes-by-seeds" role="group" aria-label="{label}" style="{sides}">{body}</div>'

    def subject_html(self, scene: dict, image: np.ndarray, made: dict, lang: str) -> str:
        note = w.NOTE.say(lang, label=made["controls"]["label"], seed=made["seed"])
        name = f"{scene['system']}-{made['controls']['label']}-{made['seed']}.png"
        return f'<div class="stage one">{figure(html.png_uri(image, made), w.CHOSEN.say(lang), name, lang, f"<span>{escape(note)}</span>")}</div>'
