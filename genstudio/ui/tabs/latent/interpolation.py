"""Linear and spherical interpolation between two ends, side by side, with the norms of the latents."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.controls import Text, number
from genstudio.images import save_walk
from genstudio.latent.paths import PATHS, between
from genstudio.recipes import fields
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.endpoint import Endpoint
from genstudio.ui.events import DRAG, LAST, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tabs.latent import words as w
from genstudio.ui.views.film import Film
from genstudio.ui.views.view import View, figure

STEPS = [i / 8 for i in range(9)]  # positions of the strip
FRAMES = 60  # in one direction
NAMES = {"linear": (page_words.LINEAR, w.LINEAR_NOTE), "spherical": (w.SPHERICAL, w.SPHERICAL_NOTE)}


class Interpolation(View):
    key, title = "way", Text("Between two", "Entre deux")
    verbs = ("interpolate", "sample", "decode")
    opening = {"from": {"seed": 33}, "to": {"seed": 54}, "position": 0.5}

    def render(self) -> None:
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=220, elem_classes="end-column"):
                start = Endpoint("from", "from", w.FROM, self.opening["from"]["seed"])
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                self.stage = gr.HTML(html.WAITING, elem_id="stage")
                self.position = gr.Slider(
                    0, 1, 0.5, step=0.005, label=t(page_words.POSITION), info=t(w.POSITION_HINT), elem_id="position"
                )
                gr.Markdown(t(page_words.STRIP), elem_classes="caption")
                self.strip = gr.HTML(elem_id="strip", js_on_load=html.PICK)
                with gr.Row(elem_classes="tools"):
                    self.add_panel()
                    self.dice = gr.Button(t(page_words.NEW_SEED_KEY), elem_id="dice", variant="primary", scale=0, min_width=170)
                with gr.Accordion(t(page_words.SAVE_FILM), open=False, elem_id="walk"), gr.Row(elem_classes="tools"):
                    self.walk_path = gr.Radio(
                        [(t(NAMES[path][0]), path) for path in PATHS],
                        value="spherical", label=t(w.PATH), show_label=False, container=False,
                    )
                    self.film = Film("walk")
            with gr.Column(scale=3, min_width=220, elem_classes="end-column"):
                end = Endpoint("to", "to", w.TO, self.opening["to"]["seed"])
        self.ends = {"from": start, "to": end}

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"position": self.position}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [self.stage, self.strip, self.film.file]

    def wire(self) -> None:
        for slider in (self.position, *self.control_inputs):
            on(slider.input, self.on_drag, self.inputs, self.stage, **DRAG)
            self.redraw_after(slider)
        on(self.strip.select, self.on_step, self.inputs, self.all_outputs, **ONCE)
        on(self.dice.click, self.on_dice, self.inputs, self.all_outputs, **LAST)
        for end in self.ends.values():
            end.wire(self)
        self.film.wire(self.save_walk, self.inputs | {self.walk_path})

    def open_picture(self, picture: Image.Image, scene: dict, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Encode a visitor's picture as the start."""
        yield from self.ends["from"].filled(self, picture, scene, inputs, request)

    def cancel_with(self, search: gr.events.Dependency) -> None:
        self.ends["from"].cancel_with(self, search)

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> str:
        return self.stage_html(self.read(inputs), language(request))

    @friendly
    def on_step(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        position = fields.check_position(float(event.pick))
        return self.present(self.read(inputs) | {"position": position}, inputs, request)

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        """New seeds for both ends, except one with a visitor's picture."""
        scene = self.read(inputs)
        rolled = {key: {"seed": random.randrange(1_000_000)} for key in self.ends if "seed" in scene[key]}
        return self.present(scene | rolled, inputs, request)

    def save_walk(self, inputs: dict, folder: Path, suffix: str) -> Path:
        """Film from start to end and back."""
        scene, path = self.read(inputs), fields.check_path(inputs[self.walk_path])
        latents = between(self.codes(scene), np.linspace(0, 1, FRAMES), path)
        pictures = self.engine.decode(scene["system"], latents, **self.controls(scene))
        return save_walk(pictures, folder / f"{scene['system']}-walk{suffix}")

    # rendering ------------------------------------------------------------------------------------------------------

    def scene_of(self, found: dict) -> dict:
        if found["verb"] == "interpolate":
            return super().scene_of(found)
        start = {"seed": int(found["seed"])} if found["verb"] == "sample" else {"code": found["code"]}
        return super().scene_of(found) | {"from": start, "position": 0.0}

    def recipe_of(self, scene: dict, position: float | None = None, path: str = "spherical") -> dict:
        ends = {e: {k: scene[e][k] for k in ("seed", "code") if k in scene[e]} for e in ("from", "to")}
        position = scene["position"] if position is None else position
        return self.recipe(scene, "interpolate", **ends, position=position, path=path)

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        ends = self.codes(scene)
        rows = []
        for path, (label, _) in NAMES.items():
            recipes = [self.recipe_of(scene, position, path) for position in STEPS]
            rows.append((label.say(lang), self.pictures(scene, between(ends, STEPS, path), recipes)))
        return {
            self.stage: self.stage_html(scene, lang),
            self.position: scene["position"],
            self.strip: html.strip(rows, STEPS, scene["position"], lang),
            **self.film.cleared,
        }

    def stage_html(self, scene: dict, lang: str) -> str:
        """Both pictures at a position, and the norms of the latents over all positions.

        Called during a drag: the ends are computed once, and both pictures are decoded together.
        """
        position = fields.check_position(scene["position"])
        ends, fine = self.codes(scene), np.linspace(0, 1, 41)
        latents = np.concatenate([between(ends, [position], path) for path in NAMES])
        uris = self.pictures(scene, latents, [self.recipe_of(scene, position, path) for path in NAMES])
        figures, lines = "", []
        for (path, (label, note)), uri, code in zip(NAMES.items(), uris, latents, strict=True):
            lines.append((path, np.linalg.norm(between(ends, fine, path), axis=1)))
            caption = f"<span>{note.say(lang)}</span><output>‖z‖ = {number(np.linalg.norm(code), '.2f', lang)}</output>"
            figures += figure(uri, label.say(lang), f"{scene['system']}-{path}.png", lang, caption, path)
        typical = float(np.sqrt(len(ends[0])))
        legend = f"{w.NORM.say(lang)} ‖z‖ · {w.TYPICAL.say(lang)} = {number(typical, '.1f', lang)}"
        return (
            f'<div class="stage" data-position="{position:g}">{figures}</div>{html.curve(lines, position, typical, legend)}'
            f'<p class="legend"><i class="linear"></i>{page_words.LINEAR.say(lang)} <i class="spherical"></i>'
            f'{w.SPHERICAL.say(lang)} <i class="reference"></i>{legend}</p>'
        )

    def codes(self, scene: dict) -> tuple[np.ndarray, np.ndarray]:
        return self.code(scene, "from"), self.code(scene, "to")
