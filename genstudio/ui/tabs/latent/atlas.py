"""Map of a 2D latent space: the latents of the test set, coloured by class, with a cursor to drag.

Below it random samples of an auto-encoder and a VAE of the same data: only the VAE orders the plane, and generates.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np

from genstudio import registry
from genstudio.controls import Text, number
from genstudio.engine import Engine
from genstudio.images import grid
from genstudio.recipes import encoding, fields, recipe
from genstudio.system import System
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import DRAG, EACH, LAST, ONCE, on
from genstudio.ui.history import History
from genstudio.ui.language import friendly, language, t
from genstudio.ui.sessions import Drags
from genstudio.ui.tabs.latent import words as w
from genstudio.ui.views.view import View, figure

MAX_MAPS = 2  # maps side by side
SHEET = 20  # images per side of the grid of decoded latents
DRAWN = 16  # random latents
OUTERMOST = 0.005  # fraction of outliers outside the map, on each side
MARGIN = 0.08  # fraction of the map around the others


class Atlas(View):
    key, title = "map", Text("Map", "Carte")
    verbs = ("decode",)
    opening: dict[str, Any] = {"places": {}, "sheet": False, "seed": 0}

    def __init__(self, engine: Engine, systems: Mapping[str, System], first: str, history: History):
        self.flat = [name for name in systems if engine.hold(name).latent_dim == 2 and len(engine.map(name)[0])][:MAX_MAPS]
        data = {engine.hold(name).header.data for name in self.flat}
        larger: dict[type, str] = {}  # of each class that has a map, the system that is declared first
        declared = [*registry.systems()]
        for name in sorted(systems, key=lambda name: declared.index(systems[name].name)):
            mapped = systems[name].model in {systems[flat].model for flat in self.flat}
            if mapped and name not in self.flat and engine.hold(name).header.data in data:
                larger.setdefault(systems[name].model, name)
        self.larger = [*larger.values()]
        super().__init__(engine, systems, first, history)

    def render(self) -> None:
        gr.Markdown(t(w.MAP_HINT if self.flat else w.NO_MAP), elem_classes="caption")
        with gr.Row(elem_classes="tools"):
            self.sheet = gr.Checkbox(False, label=t(w.SHOW_SHEET), elem_id="map-sheet", visible=bool(self.flat))
            self.dice = gr.Button(
                t(page_words.NEW_SEED_KEY), elem_id="map-dice", elem_classes="dice", variant="primary", scale=0, min_width=200,
                visible=bool(self.flat),
            )  # fmt: skip
        self.fields, self.stages, self.rows = {}, {}, {}
        with gr.Row(elem_classes="maps"):
            for name in self.flat:
                with gr.Column(min_width=320, elem_classes="stage-column"):
                    gr.Markdown(f"### {t(self.systems[name].title)}")
                    with gr.Row(elem_classes="map"):
                        self.fields[name] = gr.HTML(elem_id=f"map-{name}", js_on_load=html.FIELD)
                        self.stages[name] = gr.HTML(elem_id=f"map-stage-{name}")
                    self.rows[name] = gr.HTML(elem_id=f"map-random-{name}")
        with gr.Row(elem_classes="maps"):
            for name in self.larger:
                with gr.Column(min_width=320):
                    gr.Markdown(f"### {t(self.systems[name].title)}")
                    self.rows[name] = gr.HTML(elem_id=f"map-random-{name}")

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"sheet": self.sheet}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [*self.fields.values(), *self.stages.values(), *self.rows.values()]

    def wire(self) -> None:
        for name, field in self.fields.items():
            dragged, placed = self.handlers(name)
            on(field.input, dragged, self.inputs, self.stages[name], **DRAG | EACH)
            on(field.release, placed, self.inputs, [self.scene, self.stages[name], *self.history.outputs], **EACH)
        on(self.sheet.input, self.on_view, self.inputs, self.outputs, **LAST)
        on(self.dice.click, self.on_dice, self.inputs, self.outputs, **ONCE)

    # the scene ------------------------------------------------------------------------------------------------------

    def supports(self, system: str) -> bool:
        return system in self.flat

    def scene_of(self, found: dict) -> dict:
        place = [float(number) for number in encoding.unpack(found["code"])]
        return self.new_scene(found["system"]) | {"places": {found["system"]: place}}

    def code_at(self, scene: dict, name: str) -> np.ndarray:
        """Latents (2,) under the cursor: at first those of the image nearest to the median."""
        said = scene["places"].get(name)
        if said is not None:
            return np.array(said, np.float32)
        latents, _ = self.engine.map(name)
        return latents[np.linalg.norm(latents - np.median(latents, 0), axis=1).argmin()]

    def bounds(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Lower left corner and size of the map, (2,) each."""
        latents, _ = self.engine.map(name)
        low, high = np.quantile(latents, OUTERMOST, 0), np.quantile(latents, 1 - OUTERMOST, 0)
        return low - MARGIN * (high - low), (1 + 2 * MARGIN) * (high - low)

    def pictured(self, scene: dict) -> bool:
        return bool(self.flat)

    def recipe_of(self, scene: dict) -> dict:
        """Recipe of the picture under the cursor: on the map of the selected model, else on the last one."""
        name = scene["system"] if scene["system"] in self.flat else self.flat[-1]
        return self.made_at(name, self.code_at(scene, name))

    def made_at(self, name: str, code: np.ndarray) -> dict:
        return recipe.make(self.engine.hold(name), "decode", code=encoding.pack(code), controls={})

    # event handlers -------------------------------------------------------------------------------------------------

    def handlers(self, name: str):
        drags = Drags()

        def at(inputs: dict, event: gr.EventData) -> dict:
            low, side = self.bounds(name)
            x, y = fields.check_position(event.x), fields.check_position(event.y)
            scene = self.read(inputs)
            place = (low + side * np.array([x, 1 - y])).astype("<f2")  # float16, as in a recipe
            return scene | {"places": scene["places"] | {name: [float(number) for number in place]}}

        @friendly
        def dragged(inputs: dict, event: gr.EventData, request: gr.Request) -> str | dict:
            drags.begin(event, request)
            shown = self.stage_html(at(inputs, event), name, language(request))
            return gr.skip() if drags.overtaken(event, request) else shown

        @friendly
        def placed(inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
            drags.begin(event, request)
            scene, lang = at(inputs, event), language(request)
            kept = self.history.keep(self.made_at(name, self.code_at(scene, name)), inputs[self.history.entries], lang)
            return {self.scene: scene, self.stages[name]: self.stage_html(scene, name, lang), **kept}

        return dragged, placed

    @friendly
    def on_view(self, inputs: dict, request: gr.Request) -> dict:
        return self.draw(self.read(inputs), language(request))

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        return self.draw(self.read(inputs) | {"seed": random.randrange(1_000_000)}, language(request))

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        return self.draw(scene, language(request))

    # rendering ------------------------------------------------------------------------------------------------------

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        updates: dict[gr.components.Component, Any] = {self.sheet: scene["sheet"]}
        for name in self.flat:
            updates[self.fields[name]] = self.map_html(scene, name, lang)
            updates[self.stages[name]] = self.stage_html(scene, name, lang)
        return updates | {row: self.random_html(scene, name, lang) for name, row in self.rows.items()}

    def on_map(self, name: str, latents: np.ndarray) -> np.ndarray:
        """Positions on the map of latents (n, 2): in [0, 1] from its top left, while their y axis points up."""
        low, side = self.bounds(name)
        return (latents - low) / side * [1, -1] + [0, 1]

    def map_html(self, scene: dict, name: str, lang: str) -> str:
        low, side = self.bounds(name)
        latents, labels = self.engine.map(name)
        drawn = self.engine.latents(name, self.seeds(scene))
        classes = self.engine.hold(name).header.classes
        sheet = ""
        if scene["sheet"]:
            steps = (np.arange(SHEET) + 0.5) / SHEET
            y, x = (axis.ravel() for axis in np.meshgrid(1 - steps, steps, indexing="ij"))
            images = self.engine.decode(name, low + side * np.stack([x, y], 1))
            sheet = html.picture(html.png_uri(grid(images, columns=SHEET, gap=0)), "")
        points = html.scatter(self.on_map(name, latents), labels, self.on_map(name, drawn), faint=scene["sheet"])
        x, y = self.on_map(name, self.code_at(scene, name)[None])[0]
        label = w.MAP.say(lang)
        legend = html.legend(classes, w.DRAWN_CODES.say(lang))
        return html.field(sheet + points, float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1)), label) + legend

    def stage_html(self, scene: dict, name: str, lang: str) -> str:
        code = self.code_at(scene, name)
        [image] = self.engine.decode(name, code[None])
        first, second = (number(value, ".2f", lang) for value in code)
        caption = f"<output>z = ({first}{' ;' if lang == 'fr' else ','} {second})</output>"
        uri = html.png_uri(image, self.made_at(name, code))
        return figure(uri, w.HERE.say(lang), f"{name}-map.png", lang, caption)

    def random_html(self, scene: dict, name: str, lang: str) -> str:
        images = self.engine.decode(name, self.engine.latents(name, self.seeds(scene)))
        sheet = html.picture(html.png_uri(grid(images, columns=8, gap=1, background=128)), w.RANDOM_CODES.say(lang))
        note = w.WHY_GENERATES if hasattr(self.systems[name].model, "nats") else w.WHY_NOT
        return f'<h4>{w.RANDOM_CODES.say(lang)}</h4>{sheet}<p class="legend">{note.say(lang)}</p>'

    def seeds(self, scene: dict) -> range:
        return range(scene["seed"], scene["seed"] + DRAWN)
