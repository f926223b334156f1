"""Bilinear interpolation of four pictures: a plane to drag in by mouse, finger and arrow keys."""

from __future__ import annotations

import random

import gradio as gr
import numpy as np

from genstudio.controls import Text, number
from genstudio.images import grid
from genstudio.latent.paths import within
from genstudio.recipes import fields
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.endpoint import Endpoint
from genstudio.ui.events import DRAG, EACH, LAST, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.sessions import Drags
from genstudio.ui.tabs.latent import words as w
from genstudio.ui.views.view import View, figure

CORNERS = {"nw": w.NORTH_WEST, "ne": w.NORTH_EAST, "sw": w.SOUTH_WEST, "se": w.SOUTH_EAST}  # row by row
SIDE = 9  # images per side of the sheet


class Plane(View):
    key, title = "plane", Text("Between four", "Entre quatre")
    verbs = ("plane",)
    opening = {"nw": {"seed": 33}, "ne": {"seed": 54}, "sw": {"seed": 12}, "se": {"seed": 7}, "x": 0.5, "y": 0.5}

    def render(self) -> None:
        def corner(key: str) -> None:
            self.ends[key] = Endpoint(f"plane-{key}", key, CORNERS[key], self.opening[key]["seed"], draw=False)

        gr.Markdown(t(w.PLANE_HINT), elem_classes="caption")
        with gr.Row(elem_classes="latent corners"):
            with gr.Column(scale=2, min_width=150, elem_classes="end-column"):
                corner("nw")
                corner("sw")
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                with gr.Row(elem_classes="stage"):
                    self.field = gr.HTML(elem_id="plane-field", js_on_load=html.FIELD)
                    self.stage = gr.HTML(elem_id="plane-stage")
                with gr.Row(elem_classes="tools"):
                    self.add_panel()
                    self.dice = gr.Button(t(page_words.NEW_SEED_KEY), elem_classes="dice", variant="primary", scale=0, min_width=170)
            with gr.Column(scale=2, min_width=150, elem_classes="end-column"):
                corner("ne")
                corner("se")

    @property
    def shown(self) -> list[gr.components.Component]:
        return [self.field, self.stage]

    def wire(self) -> None:
        self.drags = Drags()
        on(self.field.input, self.on_drag, self.inputs, self.stage, **DRAG | EACH)
        on(self.field.release, self.on_place, self.inputs, self.all_outputs, **EACH)
        for slider in self.control_inputs:
            self.redraw_after(slider)
        on(self.dice.click, self.on_dice, self.inputs, self.all_outputs, **LAST)
        for end in self.ends.values():
            end.wire(self)

    # event handlers -------------------------------------------------------------------------------------------------

    def moved_to(self, inputs: dict, event: gr.EventData) -> dict:
        return self.read(inputs) | {"x": fields.check_position(event.x), "y": fields.check_position(event.y)}

    @friendly
    def on_drag(self, inputs: dict, event: gr.EventData, request: gr.Request) -> str | dict:
        self.drags.begin(event, request)
        shown = self.stage_html(self.moved_to(inputs, event), language(request))
        return gr.skip() if self.drags.overtaken(event, request) else shown

    @friendly
    def on_place(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        self.drags.begin(event, request)
        scene, lang = self.moved_to(inputs, event), language(request)
        # Sheet and corners are unchanged, and a new sheet would interrupt the drag.
        kept = self.history.keep(self.recipe_of(scene), inputs[self.history.entries], lang)
        return {self.scene: scene, self.stage: self.stage_html(scene, lang), **kept}

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        """New seeds for all corners except those with a visitor's picture."""
        scene = self.read(inputs)
        rolled = {key: {"seed": random.randrange(1_000_000)} for key in CORNERS if "seed" in scene[key]}
        return self.present(scene | rolled, inputs, request)

    # rendering ------------------------------------------------------------------------------------------------------

    def scene_of(self, found: dict) -> dict:
        return super().scene_of(found) | dict(zip(CORNERS, found["corners"], strict=True))

    def recipe_of(self, scene: dict) -> dict:
        corners = [{k: scene[key][k] for k in ("seed", "code") if k in scene[key]} for key in CORNERS]
        return self.recipe(scene, "plane", corners=corners, x=scene["x"], y=scene["y"])

    def show(self, scene: dict, lang: str) -> dict:
        places = np.linspace(0, 1, SIDE)
        y, x = (axis.ravel() for axis in np.meshgrid(places, places, indexing="ij"))
        images = self.engine.decode(scene["system"], within(self.corners(scene), x, y), **self.controls(scene))
        sheet = html.png_uri(grid(images, columns=SIDE, gap=0))
        label = w.PLANE.say(lang)
        return {
            self.field: html.field(html.picture(sheet, label), scene["x"], scene["y"], label),
            self.stage: self.stage_html(scene, lang),
        }

    def stage_html(self, scene: dict, lang: str) -> str:
        code = within(self.corners(scene), [scene["x"]], [scene["y"]])
        [uri] = self.pictures(scene, code, [self.recipe_of(scene)])
        x, y, norm = (number(value, ".2f", lang) for value in (scene["x"], scene["y"], np.linalg.norm(code)))
        caption = f"<output>x = {x} · y = {y} · ‖z‖ = {norm}</output>"
        return figure(uri, w.HERE.say(lang), f"{scene['system']}-plane.png", lang, caption)

    def corners(self, scene: dict) -> list[np.ndarray]:
        return [self.code(scene, key) for key in CORNERS]
