"""A paint box for label pictures, which are translated while one paints."""

from __future__ import annotations

from html import escape

import gradio as gr
import numpy as np

from genstudio.controls import Text
from genstudio.data.drawings.facades import EXAMPLES, painted
from genstudio.images import flatten
from genstudio.layers.palette import FACADES
from genstudio.ui import html, words
from genstudio.ui.assets import asset
from genstudio.ui.language import t
from genstudio.ui.sessions import Drags, InputPicture
from genstudio.ui.tabs.translate import pieces
from genstudio.ui.tabs.translate import words as w
from genstudio.ui.tabs.translate.backend import TranslateBackend
from genstudio.ui.tabs.translate.session import TranslateSession

PAINT = asset("paint.js")
TOOLS = (("rectangle", w.RECTANGLE), ("brush", w.BRUSH), ("fill", w.FILL), ("eraser", w.ERASER))
ACTIONS = (("undo", w.UNDO), ("redo", w.REDO), ("save", w.SAVE_LABELS))
FIRST = 2  # colour that is chosen at first: windows
# One network, trained on the same images in the same order with three losses (Isola et al. 2017, table 1).
LOSSES = (
    ("pix2pix_facades_l1", Text("L1", "L1"), w.L1_ALONE),
    ("pix2pix_facades_gan", Text("GAN", "GAN"), w.GAN_ALONE),
    ("pix2pix_facades", Text("L1 + GAN", "L1 + GAN"), w.L1_AND_GAN),
)


class Paint:
    def __init__(self, backend: TranslateBackend):
        self.backend, self.drags = backend, Drags()
        gr.Markdown(t(w.PAINT_HINT), elem_classes="caption")
        with gr.Row(elem_classes="drawing painting"):
            self.board = gr.HTML(elem_id="board", js_on_load=PAINT)
            self.result = gr.HTML('<div class="waiting"><figure></figure></div>', elem_id="painted")
        self.losses = gr.HTML(elem_id="losses")

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.board, self.result, self.losses]

    def show(self, session: TranslateSession, lang: str) -> dict:
        """Updates with the paint box: its canvas asks for the pictures."""
        return {self.board: board(pieces.uri(self.canvas(session)), lang)}

    def run(self, session: TranslateSession, scene: dict, lang: str, whole: bool = True) -> dict:
        """Updates with the translated labels. whole: with the results of the three losses."""
        taken = session.labels or self.backend.example(scene["system"])
        made, label = self.backend.recipe(scene, taken.digest), w.PAINTED.say(lang)
        picture = pieces.uri(self.translated(taken, scene), made)
        shown = html.downloadable(picture, label, f"{scene['system']}.png", words.DOWNLOAD.say(lang))
        return {self.result: shown} | ({self.losses: self.compared(taken, lang)} if whole else {})

    def translated(self, taken: InputPicture, scene: dict) -> np.ndarray:
        return self.backend.at_once(np.array(flatten(taken.picture)), scene)

    def compared(self, taken: InputPicture, lang: str) -> str:
        """The labels translated by the networks of the three losses, if they are here."""
        here = [loss for loss in LOSSES if loss[0] in self.backend.systems]
        if len(here) < 2:
            return ""
        figures = [
            (self.translated(taken, self.backend.opening(name)), title.say(lang), note.say(lang))
            for name, title, note in here
        ]
        note = f'<p class="legend">{w.LOSSES_HINT.say(lang)}</p>'
        return f"<h3>{w.LOSSES.say(lang)}</h3>{pieces.tiles(figures)}{note}"

    def canvas(self, session: TranslateSession) -> np.ndarray:
        """Initial picture of the canvas, uint8 (128, 128, 3)."""
        return np.array(flatten(session.labels.picture)) if session.labels else painted(EXAMPLES[0])


def board(start: str, lang: str) -> str:
    """Tools, colours with their names, canvas and examples. start: URI of what the canvas begins with."""

    def buttons(items: tuple, attribute: str, role: str = "") -> str:
        return "".join(f'<button data-{attribute}="{key}"{role}>{escape(said.say(lang))}</button>' for key, said in items)

    colours = ""
    for i, (colour, name) in enumerate(zip(FACADES.colours, FACADES.names, strict=True)):
        css = f"rgb({','.join(map(str, colour))})"
        chosen = f' role="radio" aria-checked="{str(i == FIRST).lower()}"'
        colours += f'<button data-colour="{css}"{chosen}><i style="background:{css}"></i>{escape(name.say(lang))}</button>'
    examples = "".join(
        f'<button data-example="{i}" title="{escape(facade.title.say(lang), quote=True)}"'
        f' aria-label="{escape(facade.title.say(lang), quote=True)}">{html.picture(pieces.uri(painted(facade)), "")}</button>'
        for i, facade in enumerate(EXAMPLES)
    )
    eraser = f"rgb({','.join(map(str, FACADES.colours[0]))})"
    said = {key: escape(text.say(lang), quote=True) for key, text in
            (("tools", w.TOOLS), ("labels", w.LABELS), ("canvas", w.CANVAS), ("examples", w.EXAMPLES))}  # fmt: skip
    return (
        f'<div class="paint"><div class="bar"><div role="radiogroup" aria-label="{said["tools"]}">'
        f'{buttons(TOOLS, "tool", ROLE)}</div><div>{buttons(ACTIONS, "do")}</div></div>'
        f'<div class="palette" role="radiogroup" aria-label="{said["labels"]}">{colours}</div>'
        f'<div class="canvas"><canvas width="128" height="128" tabindex="0" role="img" aria-label="{said["canvas"]}"'
        f' data-start="{start}" data-eraser="{eraser}"></canvas><i class="cursor"></i></div>'
        f'<div class="history" role="group" aria-label="{said["examples"]}">{examples}</div></div>'
    )


ROLE = ' role="radio" aria-checked="false"'
