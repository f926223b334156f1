"""A digit that models of digits are asked about: a seed's sample, or a picture that a visitor uploads or draws."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import gradio as gr
import numpy as np
from PIL import Image

from genstudio import catalog
from genstudio.controls import Text
from genstudio.engine import Engine
from genstudio.images import border, centre_ink, flatten, invert, open_picture
from genstudio.recipes import fields
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.endpoint import resized
from genstudio.ui.events import EACH, LAST, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.sessions import read_picture
from genstudio.ui.views.view import View

SHAPE = (1, 28, 28)
PAINTER = "vae_mnist"  # samples of seeds come from it


class PictureInput:
    """Components of a picture. Its value in a scene is {"seed": n} or {"png": data URI} of 28 x 28 pixels, on black."""

    def __init__(self, name: str, title: Text, seed: int):
        self.title = title
        self.shown = gr.HTML(elem_id=name, elem_classes="drop")
        with gr.Row(elem_classes="tools"):
            self.seed = gr.Number(
                seed, precision=0, minimum=0, label=t(page_words.SEED), elem_id=f"{name}-seed", min_width=90
            )
            self.roll = gr.Button(t(page_words.NEW_SEED), elem_id=f"{name}-roll", min_width=110, scale=0)
        self.upload = gr.UploadButton(
            t(page_words.UPLOAD), file_types=["image"], elem_id=f"{name}-upload", size="sm"
        )
        with gr.Accordion(t(page_words.DRAW), open=False, elem_id=f"{name}-draw"):
            self.pad = gr.HTML(elem_id=f"{name}-pad", value=html.pad("×"), js_on_load=html.PAD)

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.shown, self.seed]

    def wire(self, view: View, place: Callable[[dict, dict, gr.Request], dict]) -> None:
        """Pass each new value to the view: `place(inputs, value, request)` returns its updates."""

        @friendly
        def on_seed(inputs: dict, request: gr.Request) -> dict:
            return place(inputs, {"seed": fields.check_seed(inputs[self.seed])}, request)

        @friendly
        def on_roll(inputs: dict, request: gr.Request) -> dict:
            return place(inputs, {"seed": random.randrange(1_000_000)}, request)

        @friendly
        def on_picture(inputs: dict, request: gr.Request) -> dict:
            picture = flatten(read_picture(inputs[self.upload], language(request)))
            return place(inputs, {"png": html.png_uri(on_black(picture))}, request)

        @friendly
        def on_drawing(inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
            picture = centre_ink(flatten(open_picture(html.read_uri(event.png))))
            return place(inputs, {"png": html.png_uri(on_black(picture))}, request)

        on(self.seed.input, on_seed, view.inputs | {self.seed}, view.outputs, **LAST)
        on(self.roll.click, on_roll, view.inputs, view.outputs, **LAST)
        on(self.upload.upload, on_picture, view.inputs | {self.upload}, view.outputs, **ONCE)
        on(self.pad.input, on_drawing, view.inputs, view.outputs, **EACH)

    def show(self, value: dict, image: np.ndarray, lang: str) -> dict[gr.components.Component, str | int | None]:
        title = self.title.say(lang)
        body = f'{html.picture(html.png_uri(image), title)}<p class="legend">{page_words.DROP_HERE.say(lang)}</p>'
        return {self.shown: f"<h3>{title}</h3>{body}", self.seed: value.get("seed")}


def on_black(picture: Image.Image) -> np.ndarray:
    """A picture as models of digits know them: uint8 (28, 28, 1), inverted if its border is light."""
    light = border(np.asarray(flatten(picture))) >= 128
    return resized(invert(picture) if light else picture, SHAPE)


def image_of(value: dict, engine: Engine, models: Sequence[str]) -> np.ndarray:
    """The image of a value, uint8 (28, 28, 1). A seed is drawn by the `PAINTER`, without it by the first of `models`."""
    if "png" in value:
        return np.asarray(open_picture(html.read_uri(value["png"])).convert("L")).reshape(28, 28, 1)
    name = PAINTER if PAINTER in catalog.available() else models[0]
    return engine.decode(name, engine.latents(name, [int(value["seed"])]))[0]
