"""A flow layer by layer: noise that becomes a picture, a picture's code and back, and the terms of its likelihood."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.controls import Text, number
from genstudio.engine import Engine
from genstudio.engine.flow import Passage, Stage, bits, is_flow, passage, stages
from genstudio.recipes.latents import latent_of
from genstudio.system import System
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.endpoint import Endpoint
from genstudio.ui.events import DRAG, LAST, ONCE, on
from genstudio.ui.history import History
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tabs.latent import flow_words as w
from genstudio.ui.views.view import View, figure

MAX_LAYERS = 64  # of the slider before a model is known
COLUMNS = 9  # in the strip
BINS, REACH = 24, 4.0  # of the histogram, over [-REACH, REACH]
NOISE_SEED, SAMPLE_SEED = 0, 4


class FlowView(View):
    key, title = "flow", w.TITLE
    verbs = ("sample", "decode")
    opening: dict[str, Any] = {"picture": {"seed": 1}, "layer": MAX_LAYERS}

    def __init__(self, engine: Engine, systems: Mapping[str, System], first: str, history: History):
        self.systems = systems
        self.able = bool(self.flows)  # its components are there
        super().__init__(engine, systems, first, history)

    @property
    def flows(self) -> list[str]:
        """Flows that are here now: weights may come while the page runs."""
        return [name for name, system in self.systems.items() if is_flow(system.model)]

    def render(self) -> None:
        if not self.able:
            self.shown_parts: list[gr.components.Component] = []
            gr.Markdown(t(w.NO_FLOW), elem_classes="caption", elem_id="flow-none")
            return
        gr.Markdown(t(w.HINT), elem_classes="caption")
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=220, elem_classes="end-column"):
                start = self.opening["picture"]["seed"]
                self.ends["picture"] = Endpoint("flow-picture", "picture", w.PICTURE, start)
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                self.stage = gr.HTML(html.WAITING_ONE, elem_id="flow-stage")
                self.layer = gr.Slider(
                    0, MAX_LAYERS, MAX_LAYERS, step=1, label=t(w.LAYER), info=t(w.LAYER_HINT), elem_id="flow-layer"
                )
                gr.Markdown(t(w.STRIP), elem_classes="caption")
                self.strip = gr.HTML(elem_id="flow-strip", js_on_load=html.PICK)
                with gr.Row(elem_classes="tools"):
                    self.add_panel()
                    self.dice = gr.Button(
                        t(page_words.NEW_SEED_KEY), elem_id="flow-dice", elem_classes="dice", variant="primary",
                        scale=0, min_width=170,
                    )  # fmt: skip
        with gr.Row(elem_classes="maps"):
            with gr.Column(min_width=320):
                self.terms = gr.HTML(elem_id="flow-terms")
            with gr.Column(min_width=320):
                self.trip = gr.HTML(elem_id="flow-trip")
                self.code_chart = gr.HTML(elem_id="flow-code")
                self.foreign = gr.HTML(elem_id="flow-foreign")
        self.shown_parts = [self.stage, self.strip, self.terms, self.trip, self.code_chart, self.foreign]

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"layer": self.layer} if self.able else {}

    @property
    def shown(self) -> list[gr.components.Component]:
        return self.shown_parts

    def wire(self) -> None:
        if not self.able:
            return
        on(self.layer.input, self.on_drag, self.inputs, self.stage, **DRAG)
        on(self.layer.release, self.on_layer, self.inputs, [self.scene, self.stage, self.strip], **LAST)
        for slider in self.control_inputs:
            self.redraw_after(slider)
        on(self.strip.select, self.on_step, self.inputs, [self.scene, self.layer, self.stage, self.strip], **ONCE)
        on(self.dice.click, self.on_dice, self.inputs, self.all_outputs, **LAST)
        self.ends["picture"].wire(self)

    # the scene ------------------------------------------------------------------------------------------------------

    def supports(self, system: str) -> bool:
        return self.able and system in self.flows

    def new_scene(self, system: str) -> dict:
        """The scene of that flow, or of the first one where the selected model is none."""
        return super().new_scene(system if not self.able or system in self.flows else self.flows[0])

    def scene_of(self, found: dict) -> dict:
        end = {"seed": int(found["seed"])} if found["verb"] == "sample" else {"code": found["code"]}
        return super().scene_of(found) | {"picture": end}

    def recipe_of(self, scene: dict) -> dict:
        end = scene["picture"]
        if "seed" in end:
            return self.recipe(scene, "sample", seed=end["seed"])
        if "original" in end:  # its code decodes to it at temperature 1
            scene = scene | {"controls": scene["controls"] | {"temperature": 1.0}}
        return self.recipe(scene, "decode", code=end["code"])

    def pictured(self, scene: dict) -> bool:
        return self.able

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        return super().present(scene, inputs, request) if self.able else self.draw(scene, language(request))

    def picture(self, scene: dict) -> np.ndarray:
        """The picture in front, uint8 (h, w, c): a visitor's own as it is, not as its rounded code decodes."""
        if "original" in scene["picture"]:
            opened = np.asarray(Image.open(io.BytesIO(html.read_uri(scene["picture"]["original"]))))
            return opened.reshape(*opened.shape[:2], -1)
        return self.engine.decode(scene["system"], self.code(scene, "picture")[None], **self.controls(scene))[0]

    def stages_of(self, scene: dict, code: np.ndarray | None = None) -> list[Stage]:
        """The way from latents to the picture: from those of a seed at the temperature, or from a picture's own."""
        name, end = scene["system"], scene["picture"]
        if "original" in end:
            code = passage(self.engine, name, self.picture(scene)).code if code is None else code
            return stages(self.engine, name, code)
        return stages(self.engine, name, latent_of(end, self.engine, name), self.controls(scene)["temperature"])

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> str:
        scene = self.read(inputs)
        return self.stage_html(scene, self.stages_of(scene), language(request))

    @friendly
    def on_layer(self, inputs: dict, request: gr.Request) -> dict:
        return self.at_layer(self.read(inputs), language(request))

    @friendly
    def on_step(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        scene = self.read(inputs) | {"layer": int(float(event.pick))}
        return self.at_layer(scene, language(request)) | {self.layer: scene["layer"]}

    def at_layer(self, scene: dict, lang: str) -> dict:
        way = self.stages_of(scene)
        stage, strip = self.stage_html(scene, way, lang), self.strip_html(scene, way, lang)
        return {self.scene: scene, self.stage: stage, self.strip: strip}

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        rolled = {"picture": {"seed": random.randrange(1_000_000)}}
        return self.present(self.read(inputs) | rolled, inputs, request)

    def open_picture(self, picture: Image.Image, scene: dict, inputs: dict, request: gr.Request) -> Iterator[dict]:
        yield from self.ends["picture"].filled(self, picture, scene, inputs, request)

    # rendering ------------------------------------------------------------------------------------------------------

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        if not self.able:
            return {}
        name, picture = scene["system"], self.picture(scene)
        found = passage(self.engine, name, picture)
        way = self.stages_of(scene, found.code)
        count = len(way) - 1
        return {
            self.layer: gr.update(maximum=count, value=layer_of(scene, way)),
            self.stage: self.stage_html(scene, way, lang),
            self.strip: self.strip_html(scene, way, lang),
            self.terms: terms_html(found, picture.size, lang),
            self.trip: trip_html(picture, found, lang),
            self.code_chart: code_html(found.code, lang),
            self.foreign: self.foreign_html(name, picture, lang),
        }

    def stage_html(self, scene: dict, way: list[Stage], lang: str) -> str:
        k = layer_of(scene, way)
        last = k == len(way) - 1
        uri = html.png_uri(way[k].image, self.recipe_of(scene) if last else None)
        of = escape(self.systems[scene["system"]].title.say(lang))
        caption = f"<output>{w.AFTER.say(lang, k=k, count=len(way) - 1)}</output><span>{of}</span>"
        shown = figure(uri, way[k].title.say(lang), f"{scene['system']}-flow-{k}.png", lang, caption)
        return f'<div class="stage one" data-layer="{k}">{shown}</div>'

    def strip_html(self, scene: dict, way: list[Stage], lang: str) -> str:
        last = len(way) - 1
        places = sorted({round(i * last / (COLUMNS - 1)) for i in range(COLUMNS)})
        return html.strip([("", [html.png_uri(way[k].image) for k in places])], places, layer_of(scene, way), lang)

    def foreign_html(self, name: str, picture: np.ndarray, lang: str) -> str:
        [sample] = self.engine.decode(name, self.engine.latents(name, [SAMPLE_SEED]))
        named = foreign(picture, sample)
        values = bits(self.engine, name, np.stack([image for _, image in named]))
        cells = "".join(
            f"<figure>{html.picture(html.png_uri(image), '')}<figcaption>{title.say(lang)}<br>"
            f'<output data-bits="{value:.4f}">{number(value, ".2f", lang)}</output></figcaption></figure>'
            for (title, image), value in zip(named, values, strict=True)
        )
        return (
            f"<h4>{w.FOREIGN.say(lang)}</h4><div class=\"foreign\">{cells}</div>"
            f'<p class="legend">{w.FOREIGN_HINT.say(lang)}</p>'
        )


def layer_of(scene: dict, way: list[Stage]) -> int:
    return max(0, min(len(way) - 1, round(float(scene["layer"]))))


def foreign(picture: np.ndarray, sample: np.ndarray) -> list[tuple[Text, np.ndarray]]:
    """The picture and a sample beside pictures that no training image looks like."""
    rows = np.arange(picture.shape[0])[:, None, None]
    stripes = np.broadcast_to(np.where(rows // 2 % 2, 255, 0), picture.shape).astype(np.uint8)
    noise = np.random.RandomState(NOISE_SEED).randint(0, 256, picture.shape).astype(np.uint8)
    return [
        (w.THIS, picture),
        (w.SAMPLE, sample),
        (w.BLACK, np.zeros_like(picture)),
        (w.GREY, np.full_like(picture, 128)),
        (w.INVERTED, 255 - picture),
        (w.STRIPES, stripes),
        (w.NOISE, noise),
    ]


def terms_html(found: Passage, dimensions: int, lang: str) -> str:
    """Bars of log p(z) and each layer's log |det|, numbered from the picture to the latents, and their sum."""
    rows = [(w.PRIOR.say(lang), found.log_prior, "prior")]
    rows += [(f"{k} · {title.say(lang)}", value, "det") for k, (title, value) in enumerate(found.log_dets, 1)]
    rows += [(w.TOTAL.say(lang), found.log_density, "total")]
    low, high = min(0.0, *(value for _, value, _ in rows)), max(0.0, *(value for _, value, _ in rows))
    scale = 100 / (high - low or 1.0)
    body = "".join(
        f'<div class="{css}"><span title="{escape(title, quote=True)}">{escape(title)}</span>'
        f'<b><i style="left:{(min(0.0, value) - low) * scale:.2f}%;width:{abs(value) * scale:.2f}%"></i></b>'
        f'<output data-nats="{value:.4f}">{number(value, ".1f", lang)}</output></div>'
        for title, value, css in rows
    )
    density = w.BITS.say(lang, value=number(-found.log_density / (dimensions * np.log(2)), ".3f", lang))
    return f'<h4>{w.TERMS.say(lang)}</h4><div class="bars">{body}</div><p class="legend">{density}</p>'


def trip_html(picture: np.ndarray, found: Passage, lang: str) -> str:
    pairs = ((w.GIVEN, picture), (w.REBUILT, found.rebuilt))
    cells = "".join(
        f"<figure>{html.picture(html.png_uri(image), '')}<figcaption>{label.say(lang)}</figcaption></figure>"
        for label, image in pairs
    )
    apart = found.difference
    said = w.DIFFERENCE.say(lang, value=number(apart, ".1e", lang)) if apart else w.EXACT.say(lang)
    legend = f'<p class="legend" data-difference="{apart:.3e}">{said}</p>'
    return f'<h4>{w.ROUND_TRIP.say(lang)}</h4><div class="pair trip">{cells}</div>{legend}'


def code_html(code: np.ndarray, lang: str) -> str:
    """Histogram of the numbers of a code over [-4, 4], with the standard normal density."""
    density, edges = np.histogram(code.clip(-REACH, REACH), BINS, (-REACH, REACH), density=True)
    middle = (edges[1:] + edges[:-1]) / 2
    normal = np.exp(-0.5 * middle**2) / np.sqrt(2 * np.pi)
    label = w.CODE.say(lang)
    chart = html.curve([("linear", list(density)), ("spherical", list(normal))], None, 0.0, label)
    said = w.MOMENTS.say(lang, mean=number(code.mean(), ".2f", lang), sigma=number(code.std(), ".2f", lang))
    legend = f'<i class="linear"></i>{w.CODE_BARS.say(lang)} <i class="spherical"></i>{w.NORMAL.say(lang)} · {said}'
    return f'<h4>{label}</h4>{chart}<p class="legend">{legend}</p>'
