"""The board: samples of one class from every model that has learned it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from html import escape
from typing import Any

import gradio as gr

from genstudio import catalog
from genstudio.controls import number
from genstudio.recipes import fields, recipe
from genstudio.tasks import compare_models
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tabs.classes import words as w
from genstudio.ui.views.view import View


class Board(View):
    key, title = "board", w.BOARD
    verbs = ()
    opening = {"label": "", "seed": 7}

    def render(self) -> None:
        gr.Markdown(t(w.BOARD_HINT), elem_classes="caption")
        with gr.Row(elem_classes="tools"):
            self.label = gr.Dropdown(self.names(), value=self.first["label"], label=t(w.WISH), elem_id="board-label", filterable=True, min_width=160)
            self.seed = gr.Number(7, precision=0, minimum=0, label=t(page_words.SEED), elem_id="board-seed", min_width=100)
            self.go = gr.Button(t(page_words.RUN), elem_id="board-ask", variant="primary", scale=0, min_width=150)
        self.answers = gr.HTML(elem_id="board-answers")

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"label": self.label, "seed": self.seed}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [self.answers]

    def wire(self) -> None:
        on(self.go.click, self.on_ask, self.inputs, self.outputs, **ONCE)

    def new_scene(self, system: str) -> dict:
        return super().new_scene(system) | {"label": catalog.labels(system)[0]}

    def names(self) -> list[str]:
        """Union of the classes of all models."""
        return sorted({name for system in self.systems for name in catalog.labels(system)})

    @friendly
    def on_ask(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        scene, lang = self.read(inputs), language(request)
        seed, label = fields.check_seed(scene["seed"] or 0), str(scene["label"])
        names = [name for name in self.systems if label in catalog.labels(name)]
        cards: list[str] = []
        yield {self.scene: scene, self.answers: self.table(cards, len(names))}
        with closing(compare_models.ask(self.engine, names, label, seed)) as answers:
            for answer in answers:
                cards.append(self.card(answer, label, seed, lang))
                yield {self.answers: self.table(cards, len(names) - len(cards))}

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        return self.draw(scene, language(request))

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        return {
            self.label: gr.update(choices=self.names(), value=scene["label"]),
            self.seed: scene["seed"],
            self.answers: f'<p class="empty">{w.BOARD_EMPTY.say(lang)}</p>',
        }

    def table(self, cards: list[str], waiting: int) -> str:
        placeholders = "<article class=waiting><figure></figure></article>" * waiting
        return f'<div class="board">{"".join(cards)}{placeholders}</div>'

    def card(self, answer: compare_models.Answer, label: str, seed: int, lang: str) -> str:
        """Card of one model: its sample, the nearest training image, and facts."""
        loaded = self.engine.hold(answer.name)
        uri = html.png_uri(answer.picture, recipe.make(loaded, "sample", seed=seed, controls={"label": label}))
        title = escape(loaded.system.title.say(lang))
        prediction = w.NO_JUDGE.say(lang)
        if answer.prediction:
            predicted, probability = answer.prediction
            said = w.SEEN_AS.say(lang, label=escape(predicted), percent=round(100 * probability))
            prediction = f'<span class="{"" if predicted == label else "amiss"}">{said}</span>'
        near = f'<p class="legend">{w.NOT_AT_HAND.say(lang)}</p>'
        if answer.original is not None:
            apart = w.APART.say(lang, apart=number(answer.apart, ".2f", lang))
            original = html.picture(html.png_uri(answer.original), w.NEAREST.say(lang))
            near = f"<figure>{original}<figcaption>{w.NEAREST.say(lang)}, {apart}</figcaption></figure>"
        facts = {
            w.TOOK: number(answer.seconds, ".2g" if answer.seconds < 1 else ".1f", lang) + " s",
            w.PARAMETERS: number(answer.parameters / 1e6, ".2f", lang) + " M",
            w.SEEN: prediction,
        }
        rows = "".join(f"<div><dt>{name.say(lang)}</dt><dd>{said}</dd></div>" for name, said in facts.items())
        name = f"{answer.name}-{label}-{seed}.png"
        large = html.downloadable(uri, title, name, page_words.DOWNLOAD.say(lang))
        return f'<article><h4>{title}</h4><div class="pair"><figure>{large}</figure>{near}</div><dl>{rows}</dl></article>'
