"""Export of a labelled data set as a zip, and the accuracy of classifiers trained on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from genstudio import catalog
from genstudio.controls import Text, number
from genstudio.scores.augmentation import SOURCES
from genstudio.scores.intervals import Score
from genstudio.tasks import labelled_dataset
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.open_file import amount
from genstudio.ui.tabs.classes import words as w
from genstudio.ui.views.view import View

MAX_EACH = 500  # pictures per class
STUDIED = 400  # training images per classifier, real or generated


class Sets(View):
    key, title = "set", w.SET
    verbs = ()
    opening = {"labels": [], "each": 20}

    def render(self) -> None:
        gr.Markdown(t(w.SET_HINT), elem_classes="caption")
        names = catalog.labels(self.first["system"])
        self.labels = gr.Dropdown(names, value=self.first["labels"], multiselect=True, filterable=True, label=t(w.CLASSES), elem_id="set-labels")
        with gr.Row(elem_classes="tools"):
            self.each = gr.Slider(1, MAX_EACH, 20, step=1, label=t(w.EACH), elem_id="set-each")
            self.go = gr.Button(t(w.MAKE), elem_id="set-make", variant="primary", scale=0, min_width=150)
            self.stop = gr.Button(t(page_words.STOP), elem_id="set-stop", variant="stop", scale=0, min_width=110, visible=False)
            self.file = gr.DownloadButton(visible=False, elem_id="set-file", variant="primary", scale=0)
        self.progress = gr.HTML(elem_id="set-progress")
        with gr.Accordion(t(w.HELPS), open=False, elem_id="set-study"):
            gr.Markdown(t(Text(*(said.format(n=STUDIED) for said in w.HELPS_HINT))), elem_classes="caption")
            with gr.Row(elem_classes="tools"):
                self.try_it = gr.Button(t(page_words.RUN), elem_id="set-try", variant="primary", scale=0, min_width=120)
                self.enough = gr.Button(t(page_words.STOP), elem_id="set-enough", variant="stop", scale=0, min_width=110, visible=False)
            self.found = gr.HTML(elem_id="set-found")

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"labels": self.labels, "each": self.each}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [self.progress, self.stop, self.file, self.found, self.enough]

    def wire(self) -> None:
        for button, begin, stop, shown in (
            (self.go, self.on_make, self.stop, self.progress), (self.try_it, self.on_try, self.enough, self.found),
        ):  # fmt: skip
            work = on(button.click, begin, self.inputs, self.outputs, **ONCE)
            # In two steps: the running handler could still send its progress.
            stopped = stop.click(None, cancels=[work])
            on(stopped.then, lambda: (gr.update(visible=False), ""), None, [stop, shown], **ONCE)

    def new_scene(self, system: str) -> dict:
        return super().new_scene(system) | {"labels": catalog.labels(system)[:100]}

    @friendly
    def on_make(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        scene, lang = self.read(inputs), language(request)
        name, labels = scene["system"], list(scene["labels"] or [])
        if not labels:
            raise ValueError(w.NO_CLASSES.say(lang))
        each = min(MAX_EACH, max(1, int(scene["each"] or 1)))
        target = Path(tempfile.mkdtemp(prefix="set-")) / f"{name}-{each * len(labels)}.zip"
        yield {self.stop: gr.update(visible=True), self.file: gr.update(visible=False)}
        with closing(labelled_dataset.export(self.engine, name, labels, each, target)) as parts:
            for part in parts:
                note = w.MADE.say(lang, done=part.done, of=part.of)
                yield {self.progress: html.progress(part.done / part.of, note)}
        label = page_words.DOWNLOAD_FILE.say(lang, kind="ZIP", size=amount(target.stat().st_size, lang))
        yield {self.stop: gr.update(visible=False), self.file: gr.update(value=str(target), label=label, visible=True)}

    @friendly
    def on_try(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Sample as many images as real ones are used, then train three classifiers, with progress."""
        scene, lang = self.read(inputs), language(request)
        yield {self.enough: gr.update(visible=True)}
        with closing(labelled_dataset.helps(self.engine, scene["system"], STUDIED)) as stands:
            for stand in stands:
                if stand.kind == "drawing":
                    share, note = 0.2 * stand.step / stand.steps, w.DRAWING.say(lang)
                else:
                    share = 0.2 + 0.8 * (SOURCES.index(stand.kind) + stand.step / stand.steps) / len(SOURCES)
                    note = f"{w.LEARNING[stand.kind].say(lang)}, {stand.step} / {stand.steps}"
                yield {self.found: bars(stand.accuracies, lang) + html.progress(share, note)}
        yield {self.found: bars(stand.accuracies, lang), self.enough: gr.update(visible=False)}

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        return self.draw(scene, language(request))

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        names = catalog.labels(scene["system"])
        return {
            self.labels: gr.update(choices=names, value=scene["labels"]),
            self.each: scene["each"],
            self.progress: "",
            self.found: "",
            self.stop: gr.update(visible=False),
            self.enough: gr.update(visible=False),
            self.file: gr.update(value=None, visible=False),
        }


def bars(accuracies: dict[str, Score], lang: str) -> str:
    """Accuracies so far, as bars with confidence intervals."""
    rows = ""
    for source, score in accuracies.items():
        name = w.SOURCES[source].say(lang)
        value, low, high = (number(100 * share, ".1f", lang) for share in (score.value, score.low, score.high))
        said = f"{value} % ({low}–{high})"
        rows += (
            f'<div class="bar"><span>{name}</span><i style="--low:{score.low:.4f};--at:{score.value:.4f};'
            f'--high:{score.high:.4f}"></i><output>{escape(said)}</output></div>'
        )
    return f'<div class="bars"><p class="legend">{w.ACCURACY.say(lang)}</p>{rows}</div>' if rows else ""
