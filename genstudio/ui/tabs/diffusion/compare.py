"""Comparison of samplers: one seed, a row per sampler, a column per number of steps, one run per cell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from html import escape

import gradio as gr

from genstudio.controls import Refusal, number
from genstudio.samplers import SAMPLERS
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.html import progress
from genstudio.ui.language import t
from genstudio.ui.tabs.diffusion import words as w
from genstudio.ui.tabs.diffusion.backend import DiffusionBackend
from genstudio.ui.tabs.diffusion.session import DiffusionSession

COUNTS = (2, 5, 10, 20, 50)


class Compare:
    def __init__(self, backend: DiffusionBackend):
        self.backend = backend
        gr.Markdown(t(w.COMPARE_HINT), elem_classes="caption")
        with gr.Row(elem_classes="tools"):
            self.start = gr.Button(t(page_words.RUN), elem_id="grid-run", variant="primary", scale=0, min_width=140)
            self.stop = gr.Button(t(page_words.STOP), elem_id="grid-stop", variant="stop", scale=0, min_width=110, visible=False)
        self.progress = gr.HTML(elem_id="grid-progress")
        self.grid = gr.HTML(elem_id="sampler-grid", js_on_load=html.PICK)

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.stop, self.progress, self.grid]

    def run(self, session: DiffusionSession, scene: dict, lang: str) -> Iterator[dict]:
        """Updates with the grid as it fills, the cells with few steps first."""
        run, cells = session.begin("grid"), {}
        order = [(sampler, count) for count in COUNTS for sampler in SAMPLERS]
        yield {self.stop: gr.update(visible=True), self.grid: self.table(cells, lang)}
        for sampler, count in order:
            started, last = time.monotonic(), None
            changed = scene | {"branches": [], "controls": scene["controls"] | {"sampler": sampler, "steps": count}}
            with closing(self.backend.steps(session, changed)) as steps:
                for last in steps:
                    if run.stopped:
                        break
            if run.stopped:
                break
            picture = html.png_uri(last.x_0[0], self.backend.recipe(session, changed))
            cells[sampler, count] = picture, time.monotonic() - started
            note = w.COMPARE_PROGRESS.say(lang, done=len(cells), of=len(order))
            yield {self.grid: self.table(cells, lang), self.progress: progress(len(cells) / len(order), note)}
        if run.cancelled or not run.stopped:
            yield {self.stop: gr.update(visible=False), self.progress: ""}

    def table(self, cells: dict, lang: str) -> str:
        """HTML table with a row per sampler; missing cells are placeholders."""
        body = "<span></span>" + "".join(f"<b>{w.STEPS.say(lang, steps=count)}</b>" for count in COUNTS)
        for sampler in SAMPLERS:
            body += f"<b>{escape(sampler)}</b>"
            for count in COUNTS:
                if (sampler, count) not in cells:
                    body += '<i class="blank"></i>'
                    continue
                uri, seconds = cells[sampler, count]
                took = number(seconds, ".2f", lang) + " s"
                name = f"{sampler}, {w.STEPS.say(lang, steps=count)}"
                body += (
                    f'<button data-pick="{escape(sampler)} {count}" aria-label="{escape(name, quote=True)}">'
                    f"{html.picture(uri, '')}<small>{took}</small></button>"
                )
        return f'<div class="grid-of-runs" style="--columns:{len(COUNTS)}">{body}</div>'


def picked(word: str) -> dict:
    """Sampler and steps of a cell, as controls."""
    sampler, _, count = str(word).partition(" ")
    if sampler not in SAMPLERS or not count.isdecimal() or int(count) not in COUNTS:
        raise Refusal(f"the grid has no cell {word!r}", f"la grille n’a pas de case {word!r}")
    return {"sampler": sampler, "steps": int(count)}
