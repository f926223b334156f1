"""One picture through every system: a grid in which a click on a result selects its system."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.controls import Refusal, Text, sentence
from genstudio.engine.edges import outlines
from genstudio.images import flatten
from genstudio.ui import html
from genstudio.ui.language import t
from genstudio.ui.tabs.translate import pieces
from genstudio.ui.tabs.translate import words as w
from genstudio.ui.tabs.translate.backend import TranslateBackend
from genstudio.ui.tabs.translate.session import TranslateSession

SIDE = 384  # pixels: small enough that five systems take a second


class Several:
    def __init__(self, backend: TranslateBackend):
        self.backend = backend
        hint = Text(*(said.format(side=SIDE) for said in w.ALL_HINT))
        gr.Markdown(t(hint), elem_classes="caption")
        self.grid = gr.HTML(elem_id="systems", js_on_load=html.PICK)

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.grid]

    def run(self, session: TranslateSession, scene: dict, lang: str) -> Iterator[dict]:
        """Updates with the grid as it fills."""
        run, taken = session.begin("several"), self.backend.picture(session, scene["system"])
        small = flatten(taken.picture, scene["background"])
        small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        cells = [cell(np.asarray(small), "", w.START.say(lang), "")]
        for done, (name, system) in enumerate(self.backend.systems.items()):
            note = w.MODELS_DONE.say(lang, done=done, of=len(self.backend.systems))
            progress = html.progress(done / len(self.backend.systems), note)
            yield {self.grid: f'<div class="systems">{"".join(cells)}</div>{progress}'}
            opening, shown, note = self.backend.opening(name), small, ""
            if self.backend.engine.novelty(name, small) > 1:
                if self.backend.draws(name):
                    shown = outlines(small, side=self.backend.own_side(name))
                else:
                    note = w.UNLIKE.say(lang)
            try:
                made = self.backend.at_once(np.array(shown), opening)
            except Refusal as refused:  # by a model of label pictures
                made, note = np.array(small), sentence(refused).say(lang)
            cells.append(cell(made, name, system.title.say(lang), note))
            if run.stopped:
                return
        yield {self.grid: f'<div class="systems">{"".join(cells)}</div>'}


def cell(picture: np.ndarray, name: str, title: str, note: str) -> str:
    """Cell of a result; with a name a click selects its system."""
    said = f"<span><b>{escape(title)}</b>{f'<i>{escape(note)}</i>' if note else ''}</span>"
    body = f"{pieces.image(picture, title)}{said}"
    return f'<button data-pick="{escape(name, quote=True)}">{body}</button>' if name else f"<div>{body}</div>"
