"""A canvas whose drawing is translated while it changes, for systems that take drawings."""

from __future__ import annotations

import gradio as gr
import numpy as np

from genstudio.images import flatten
from genstudio.tasks.example_inputs import drawing
from genstudio.ui import html, words
from genstudio.ui.language import t
from genstudio.ui.sessions import example_input, read_input
from genstudio.ui.tabs.translate import pieces
from genstudio.ui.tabs.translate import words as w
from genstudio.ui.tabs.translate.backend import TranslateBackend
from genstudio.ui.tabs.translate.session import TranslateSession

PENS = ("#000000", "#ffffff")
WIDTH = 8 / 280  # fraction of the canvas: about the thickness of lines in training


class Draw:
    def __init__(self, backend: TranslateBackend):
        self.backend = backend
        gr.Markdown(t(w.DRAW_HINT), elem_classes="caption")
        with gr.Row(elem_classes="drawing"):
            sheet = html.pad("×", PENS, WIDTH, every=60, start=pieces.uri(np.asarray(drawing())))
            self.pad = gr.HTML(sheet, elem_id="sheet", js_on_load=html.PAD)
            self.drawn = gr.HTML(WAITING, elem_id="drawn")

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.drawn]

    def run(self, session: TranslateSession, scene: dict, lang: str) -> dict:
        """Updates with the coloured drawing, without line extraction."""
        sheet = read_input(session.drawing, lang) if session.drawing else example_input(drawing())
        scene = scene | {"detail": None, "background": "#ffffff"}
        made = self.backend.recipe(scene, sheet.digest)
        coloured = self.backend.at_once(np.array(flatten(sheet.picture)), scene)
        label = w.DRAWN.say(lang)
        shown = html.downloadable(pieces.uri(coloured, made), label, f"{scene['system']}.png", words.DOWNLOAD.say(lang))
        return {self.drawn: shown}


WAITING = '<div class="waiting"><figure></figure></div>'
