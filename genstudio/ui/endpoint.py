"""An end of an interpolation: a seed, or the latents of a picture that a visitor uploads or draws.

Its value is {"seed": n} or {"code": text}, the latter with the original and its reconstruction.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Protocol

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.controls import Text, number
from genstudio.engine import Engine
from genstudio.images import border, centre_ink, error_map, fit, flatten, invert, open_picture
from genstudio.latent.projection import Projection
from genstudio.model import verbs
from genstudio.recipes import encoding, fields
from genstudio.ui import html
from genstudio.ui import words as w
from genstudio.ui.events import EACH, LAST, ONCE, Deferred, Place, Variable, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.sessions import read_picture

SHOW_EVERY = 0.25  # seconds between two updates of a search


class Host(Protocol):
    """The view of an end."""

    engine: Engine
    scene: Variable
    inputs: set[Place]
    all_outputs: list[Place]
    deferred: Deferred

    def read(self, inputs: dict) -> dict: ...

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict: ...

    def on_release(self, inputs: dict, request: gr.Request) -> dict: ...


class Endpoint:
    """Components of an end. `name` is the element's id, `which` the key in a view's scene."""

    def __init__(self, name: str, which: str, title: Text, seed: int, draw: bool = True):
        self.which, self.title = which, title
        self.shown = gr.HTML(elem_id=name, elem_classes="drop")
        with gr.Row(elem_classes="tools"):
            self.seed = gr.Number(
                seed, precision=0, minimum=0, label=t(w.SEED), elem_id=f"{name}-seed", min_width=90,
                info=t(w.SEED_HINT) if draw else None,
            )  # fmt: skip
            self.roll = gr.Button(t(w.NEW_SEED), elem_id=f"{name}-roll", min_width=110, scale=0)
        self.upload = gr.UploadButton(t(w.UPLOAD), file_types=["image"], elem_id=f"{name}-upload", size="sm")
        self.stop = gr.Button(
            t(w.STOP_SEARCH), visible=False, elem_id=f"{name}-stop", elem_classes="stop-search", size="sm", variant="stop"
        )
        self.draw = self.pad = None
        if draw:
            with gr.Accordion(t(w.DRAW), open=False, elem_id=f"{name}-draw") as self.draw:
                self.pad = gr.HTML(elem_id=f"{name}-pad", value=html.pad("×"), js_on_load=html.PAD)

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.shown, self.seed, self.upload, self.stop, *([self.draw] if self.draw else [])]

    def wire(self, view: Host) -> None:
        """Pass each change to the view as a new scene."""
        which, inputs, outputs = self.which, view.inputs, view.all_outputs

        def placed(inputs: dict, end: dict, request: gr.Request) -> dict:
            return view.present(view.read(inputs) | {which: end}, inputs, request)

        @friendly
        def on_seed(inputs: dict, request: gr.Request) -> dict:
            return placed(inputs, {"seed": fields.check_seed(inputs[self.seed])}, request)

        @friendly
        def on_roll(inputs: dict, request: gr.Request) -> dict:
            return placed(inputs, {"seed": random.randrange(1_000_000)}, request)

        @friendly
        def on_picture(inputs: dict, request: gr.Request) -> Iterator[dict]:
            picture = flatten(read_picture(inputs[self.upload], language(request)))
            yield from self.filled(view, picture, view.read(inputs), inputs, request)

        @friendly
        def on_drawing(inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
            picture = flatten(open_picture(html.read_uri(event.png)))
            name = view.read(inputs)["system"]
            if view.engine.image_shape(name)[0] == 1:
                picture = centre_ink(picture)
            *_, end = ends_of(view.engine, name, picture)
            return placed(inputs, end, request)

        on(self.seed.input, on_seed, inputs | {self.seed}, outputs, **LAST)
        on(self.roll.click, on_roll, inputs, outputs, **LAST)
        search = view.deferred.stream(
            self.upload.upload, on_picture, inputs | {self.upload}, [self.shown, self.stop], **ONCE
        )
        self.cancel_with(view, search)
        if self.pad:
            # "always_last" would send the last event with the first one's data; the pad itself waits between two.
            on(self.pad.input, on_drawing, inputs, outputs, **EACH)

    def cancel_with(self, view: Host, search: gr.events.Dependency) -> None:
        """Let the stop button end a search: the view then shows the best latents so far.

        In two steps: the running search could still send an update that overwrites the result.
        """
        stopped = self.stop.click(None, cancels=[search])
        on(stopped.then, view.on_release, view.inputs, view.all_outputs, **ONCE)

    def filled(
        self, view: Host, picture: Image.Image, scene: dict, inputs: dict, request: gr.Request
    ) -> Iterator[dict[gr.components.Component, Any]]:
        """Updates of the view while a picture is encoded or searched for, and last with the result."""
        lang = language(request)
        head = f"<h3>{self.title.say(lang)}</h3>"
        if not encodes(view.engine, scene["system"]):  # the first look takes a while
            yield {self.shown: head + html.progress(None, w.SEARCHING.say(lang))}
        for end in ends_of(view.engine, scene["system"], picture):
            if "left" in end:
                shown = head + searching(end, lang)
                yield {view.scene: scene | {self.which: end}, self.shown: shown, self.stop: gr.update(visible=True)}
        yield view.present(scene | {self.which: end}, inputs, request)

    def show(self, end: dict, uri: str, encodes: bool, lang: str) -> dict[gr.components.Component, Any]:
        """Updates that show this end: its picture, or original, reconstruction and error map."""
        title = self.title.say(lang)
        if "original" in end:
            body = compared(end, lang)
        else:
            hint = w.DROP_HERE if encodes else w.DROP_HERE_TO_SEARCH
            body = f'{html.picture(uri, title)}<p class="legend">{hint.say(lang)}</p>'
        updates = {
            self.shown: f"<h3>{title}</h3>{body}",
            self.seed: end.get("seed"),
            self.stop: gr.update(visible=False),
        }
        return updates | ({self.draw: gr.update(visible=encodes)} if self.draw else {})


def searching(look: dict, lang: str) -> str:
    """HTML of a search in progress."""
    return compared(look, lang) + html.progress(1 - look["left"], w.SEARCHING.say(lang))


def compared(end: dict, lang: str) -> str:
    """HTML of a visitor's picture, its reconstruction and the error map."""
    figures = (("original", w.ORIGINAL), ("rebuilt", w.RECONSTRUCTION), ("apart", w.CANNOT_SAY))
    body = ""
    for key, label in figures:
        said = label.say(lang)
        body += f"<figure>{html.picture(end[key], said)}<figcaption>{said}</figcaption></figure>"
    error = f"{w.SQUARED_ERROR.say(lang)}<br><output>{number(end['error'], '.4f', lang)}</output>"
    return f'<div class="pair">{body}<p class="legend">{error}</p></div>'


def encodes(engine: Engine, name: str) -> bool:
    return "encode" in verbs(engine.hold(name).system.model)


def ends_of(engine: Engine, name: str, picture: Image.Image) -> Iterator[dict]:
    """Value of an end for a picture: encoded, or, without an encoder, found by search. Intermediate results of a search
    are yielded with the fraction `alpha_bar` of it."""
    shape = engine.image_shape(name)
    average = engine.decode(name, np.zeros_like(engine.latents(name, [0])))[0]
    if shape[0] == 1 and (border(average) < 128) != (border(np.asarray(flatten(picture))) < 128):
        picture = invert(picture)  # dark ink on paper, for a model of light on dark

    def draw(code: np.ndarray) -> np.ndarray:
        return engine.decode(name, code[None])[0]

    if encodes(engine, name):
        code = engine.encode(name, [picture])[0]
        yield described(resized(picture, shape), code, draw(code))
    else:
        yield from searched(engine.project(name, picture), picture, shape, draw)


def searched(
    search: Iterator[Projection], picture: Image.Image, shape: tuple[int, int, int], draw: Callable[[np.ndarray], np.ndarray]
) -> Iterator[dict]:
    """Values of an end during a search for the latents of a picture, with the fraction `alpha_bar` of it; last the result.
    `draw` decodes latents."""
    original, shown = resized(picture, shape), time.monotonic()
    with closing(search):
        for guess in search:
            if time.monotonic() - shown > SHOW_EVERY and guess.step < guess.steps:
                shown, code = time.monotonic(), guess.code.numpy()
                yield described(original, code, draw(code)) | {"left": 1 - guess.step / guess.steps}
    code = guess.code.numpy()
    yield described(original, code, draw(code))


def resized(picture: Image.Image, shape: tuple[int, int, int]) -> np.ndarray:
    """A picture resized for a model of that image shape, uint8 (h, w, c)."""
    return np.asarray(fit(picture, shape)).reshape(shape[1], shape[2], shape[0])


def described(original: np.ndarray, code: np.ndarray, rebuilt: np.ndarray) -> dict:
    """Value of an end: packed latents, with original, reconstruction, error map and mean squared error."""
    return {
        "code": encoding.pack(code),
        "original": html.png_uri(original),
        "rebuilt": html.png_uri(rebuilt),
        "apart": html.png_uri(error_map(original, rebuilt)),
        "error": float(np.mean(((original.astype(float) - rebuilt) / 127.5) ** 2)),
    }
