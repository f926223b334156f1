"""Training of a model: its time-lapse of fixed seeds, and the facts of its header."""

from __future__ import annotations

import base64
from html import escape

import gradio as gr

from genstudio import catalog, checkpoint
from genstudio.controls import Text, number, thousands
from genstudio.scores.words import score_text, score_title
from genstudio.ui import words as w
from genstudio.ui.language import language, t
from genstudio.ui.views.view import View


class Learned(View):
    key, title = "learned", Text("How it learned", "Comment il a appris")
    verbs = ()
    opening: dict = {}

    def render(self) -> None:
        gr.Markdown(t(w.LEARNED_HINT), elem_classes="caption")
        self.story = gr.HTML(elem_id=f"{self.place}learned")

    @property
    def shown(self) -> list[gr.components.Component]:
        return [self.story]

    def wire(self) -> None:
        pass

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        return self.draw(scene, language(request))

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, str]:
        return {self.story: story(scene["system"], lang)}


def story(name: str, lang: str) -> str:
    """Time-lapse of a system's training, if available, and the facts of its header."""
    film = catalog.locate(name).with_suffix(".webp")
    if film.exists():
        uri = "data:image/webp;base64," + base64.b64encode(film.read_bytes()).decode()
        shown = f'<img src="{uri}" alt="{w.FILM.say(lang)}">'
    else:
        shown = f'<p class="empty">{w.NO_FILM.say(lang)}</p>'
    return f'<div class="learned"><figure>{shown}</figure>{facts(checkpoint.describe(catalog.locate(name)), lang)}</div>'


def facts(header: checkpoint.Header, lang: str) -> str:
    """Table of the facts of a header, which is untrusted."""
    said = {
        w.LEARNED_FROM: escape(f"{header.sets} · {header.credit}" if header.credit else header.sets),
        w.IMAGES_SEEN: thousands(header.images),
        w.MINUTES: number(header.minutes, "g", lang),
        w.COMMAND: header.command and f"<code>{escape(header.command)}</code>",
        w.COMMIT: escape(header.commit),
        w.LICENCE: escape(header.licence),
    }
    rows = "".join(f"<tr><th>{k.say(lang)}</th><td>{v}</td></tr>" for k, v in said.items() if v)
    scores = "".join(
        f"<tr><th>{escape(score_title(str(k), lang))}</th><td>{escape(score_text(v, lang))}</td></tr>"
        for k, v in header.scores.items()
    )
    return f"<table>{rows}</table>" + (f"<h4>{w.SCORES.say(lang)}</h4><table>{scores}</table>" if scores else "")
