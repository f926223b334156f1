"""A tensor cube in which each norm lights up what it averages, with the same small network under each."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr
import numpy as np

from genstudio.controls import Refusal, number
from genstudio.tasks.normalization import (
    CHANNELS,
    EQUATION,
    GROUPS,
    IMAGES,
    LINK,
    NORMS,
    SIDE,
    Statistics,
    averaged,
    statistics,
)
from genstudio.ui import html
from genstudio.ui.events import DRAG, EACH, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tab import Updates
from genstudio.ui.tabs.lab import words as w

CELL, DEPTH, STEP = 9, 7, 76  # of a cube: a value, the slant of an image's depth, and from one image to the next
LIMIT = 3.0  # deviations: the ends of the colours of features


class Norms:
    """A view of the Lab tab, drawn when it is first selected."""

    def __init__(self) -> None:
        self.mounted = gr.HTML(elem_id="norms-mounted", js_on_load=html.MOUNTED)
        gr.Markdown(t(w.NORMS_HINT), elem_classes="caption")
        with gr.Row(elem_classes="tools", elem_id="norms-tools"):
            self.image = gr.Slider(1, IMAGES, 1, step=1, label=t(w.IMAGE), elem_id="norms-image", min_width=160)
            self.channel = gr.Slider(1, CHANNELS, 2, step=1, label=t(w.CHANNEL), elem_id="norms-channel", min_width=160)
            self.groups = gr.Radio(list(GROUPS), value=2, label=t(w.GROUPS), elem_id="norms-groups", min_width=240)
        self.figure = gr.HTML(elem_id="norms-figure", js_on_load=html.PICK)

    def wire(self) -> None:
        chosen = {self.image, self.channel, self.groups}
        on(self.mounted.expand, self.on_change, chosen, self.figure, **ONCE)
        for one in chosen:
            on(one.input, self.on_change, chosen, self.figure, **DRAG)
        on(self.figure.select, self.on_pick, {self.groups}, [self.image, self.channel, self.figure], **EACH)

    @friendly
    def on_change(self, inputs: dict, request: gr.Request) -> str:
        return figure(*self.chosen(inputs[self.image], inputs[self.channel], inputs[self.groups]), language(request))

    @friendly
    def on_pick(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Updates:
        image, _, channel = str(event.pick).partition(",")
        chosen = self.chosen(image, channel, inputs[self.groups])
        shown = figure(*chosen, language(request))
        return {self.image: chosen[0] + 1, self.channel: chosen[1] + 1, self.figure: shown}

    def chosen(self, image: Any, channel: Any, groups: Any) -> tuple[int, int, int]:
        """Image and channel from 0, and the number of groups. Raises ValueError for any that is not there."""
        return place(image, range(1, IMAGES + 1)) - 1, place(channel, range(1, CHANNELS + 1)) - 1, place(groups, GROUPS)


def place(value: Any, among: range | tuple[int, ...]) -> int:
    if str(value) not in map(str, among):
        listed, said = ", ".join(map(str, among)), str(value)[:40]
        raise Refusal(f"the cube has {listed}, not {said!r}", f"le cube a {listed}, et non {said!r}")
    return int(value)


def figure(image: int, channel: int, groups: int, lang: str) -> str:
    """The cubes, each over the features and the output of the network under its norm."""
    panels = "".join(panel(norm, image, channel, groups, lang) for norm in NORMS)
    paper = f'<a href="{LINK}" target="_blank" rel="noopener">{w.PAPER.say(lang)}</a>'
    return f'<p class="claim"><code>{EQUATION}</code> {paper}</p><div class="norms">{panels}</div>'


def panel(norm: str, image: int, channel: int, groups: int, lang: str) -> str:
    found = statistics(norm, image, channel, groups)
    lit = averaged(norm, image, channel, groups)
    what = w.CUBE.say(lang, image=image + 1, channel=channel + 1)
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts(found, lang))
    features = html.picture(html.png_uri(heat(found.normalized.numpy())), w.FEATURES.say(lang))
    return (
        f'<figure class="norm" data-norm="{norm}"><figcaption><b>{w.NORM_NAMES[norm].say(lang)}</b>'
        f"<span>{w.AVERAGED[norm].say(lang)}</span></figcaption>"
        f"{cube(lit, image, channel, f'{w.NORM_NAMES[norm].say(lang)}: {what}')}{features}<dl>{rows}</dl></figure>"
    )


def facts(found: Statistics, lang: str) -> list[tuple[str, str]]:
    mean, deviation = (number(value, ".2f", lang) for value in (found.mean, found.deviation))
    return [
        (w.COUNT.say(lang), str(found.count)),
        (w.MEAN.say(lang), f"{mean}, {deviation}"),
        (w.OF_OTHERS.say(lang), changed(found.others, lang)),
        (w.OF_CONTRAST.say(lang), changed(found.contrast, lang)),
    ]


def changed(share: float, lang: str) -> str:
    """A relative change in words; one below half a percent is rounding, and the norms' small constant."""
    return w.CHANGED.say(lang, share=round(100 * share)) if share >= 0.005 else w.SAME.say(lang)


def heat(features: np.ndarray) -> np.ndarray:
    """Features (n, c, h, w) as one image, from blue for -`LIMIT` over white to orange: uint8 (h, w, 3)."""
    n, c, h, w_ = features.shape
    sheet = np.zeros((n, h + 1, c, w_ + 1))
    sheet[:, :h, :, :w_] = features.transpose(0, 2, 1, 3)
    level = np.clip(sheet.reshape(n * (h + 1), c * (w_ + 1))[:-1, :-1] / LIMIT, -1, 1)[..., None]
    ends = np.where(level < 0, [96, 140, 230], [245, 150, 70])
    return np.round(255 + (ends - 255) * np.abs(level)).astype(np.uint8)


def cube(lit: np.ndarray, image: int, channel: int, label: str) -> str:
    """The tensor as SVG, its images pulled apart: channels across, pixels down. A click on a column picks it."""
    high, pixels = CELL * SIDE**2, SIDE**2
    body = ""
    for n in range(IMAGES):
        left, top = n * STEP, DEPTH + (IMAGES - 1 - n) * DEPTH
        for c in range(CHANNELS):
            x, css = left + c * CELL, "lit" if lit[n, c] else ""
            here = " here" if (n, c) == (image, channel) else ""
            front = "".join(f"M{x} {top + k * CELL}h{CELL}v{CELL}h{-CELL}z" for k in range(pixels))
            faces = front + f"M{x} {top}l{DEPTH} {-DEPTH}h{CELL}l{-DEPTH} {DEPTH}z"
            if c == CHANNELS - 1:
                faces += f"M{x + CELL} {top}l{DEPTH} {-DEPTH}v{high}l{-DEPTH} {DEPTH}z"
            body += f'<path class="{css}{here}" data-pick="{n + 1},{c + 1}" d="{faces}"/>'
    width, height = STEP * (IMAGES - 1) + CELL * CHANNELS + DEPTH, high + DEPTH * IMAGES
    view = f"-1 -1 {width + 2} {height + 2}"
    return f'<svg class="cube" viewBox="{view}" role="img" aria-label="{escape(label, quote=True)}">{body}</svg>'
