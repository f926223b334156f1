"""One picture: comparison of input and output, change map, and, for two-way systems, the round trip."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.controls import number
from genstudio.engine.edges import translation_remarks
from genstudio.images import WHOLLY_TRANSPARENT, error_map, remarks, save_png
from genstudio.recipes import commands
from genstudio.ui import html, words
from genstudio.ui.language import sentence_of, t
from genstudio.ui.sessions import InputPicture, url
from genstudio.ui.tabs.translate import pieces
from genstudio.ui.tabs.translate import words as w
from genstudio.ui.tabs.translate.backend import WAYS, TranslateBackend
from genstudio.ui.tabs.translate.session import TranslateSession

WAITING = '<div class="stage one waiting"><figure></figure></div>'
LIVE = 256 * 256  # pixels up to which a picture is translated during a drag
MAPPED = 640  # longer side of a change map, in pixels


class One:
    def __init__(self, backend: TranslateBackend):
        self.backend = backend
        self.note = gr.HTML(elem_id="translate-note")
        self.stage = gr.HTML(WAITING, elem_id="translated", js_on_load=pieces.COMPARE)
        self.progress = gr.HTML(elem_id="translate-progress")
        self.cancel = gr.Button(t(w.CANCEL), visible=False, elem_id="translate-cancel", size="sm", variant="stop")
        self.tiles = gr.HTML(elem_id="translate-tiles")
        with gr.Accordion(t(words.COMMAND), open=False, elem_id="translate-recipe"):
            gr.Markdown(t(w.MORE_HINT))
            self.command = gr.Code(language="shell", interactive=False, show_label=False, lines=1, wrap_lines=True)
            self.script = gr.Code(language="python", interactive=False, show_label=False, lines=1, wrap_lines=True)

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.note, self.stage, self.progress, self.cancel, self.tiles, self.command, self.script]

    def live(self, session: TranslateSession, scene: dict) -> bool:
        taken = self.backend.picture(session, scene["system"])
        return taken.picture.width * taken.picture.height <= LIVE

    def made(self, session: TranslateSession, scene: dict) -> tuple:
        return self.backend.picture(session, scene["system"]).digest, scene

    def run(self, session: TranslateSession, scene: dict, lang: str, whole: bool = True) -> Iterator[dict]:
        """Updates while the picture is translated, and last with the result; only of the stage unless `whole`."""
        run, taken = session.begin("one"), self.backend.picture(session, scene["system"])
        if not self.live(session, scene):
            yield {self.progress: html.progress(None, w.WORKING.say(lang)), self.cancel: gr.update(visible=True)}
        before, seconds, after = self.backend.prepared(taken, scene), 0.0, None
        for part, seconds in self.backend.step_by_step(before, scene, run):
            if part.images is not None:
                after = part.images[0]
            elif part.done < part.of:
                left = max(1, round(seconds * (part.of - part.done) / part.done))
                note = w.PART.say(lang, done=part.done, of=part.of, left=left)
                yield {self.progress: html.progress(part.done / part.of, note)}
        if after is None:
            if run.cancelled:  # else replaced by a newer run, which updates the page
                session.made = None
                legend = f'<p class="legend">{w.STOPPED.say(lang)}</p>'
                yield {self.progress: legend, self.cancel: gr.update(visible=False)}
            return
        session.made = self.made(session, scene)
        updates = self.show(session, scene, before, after, seconds, lang)
        yield updates if whole else {self.stage: updates[self.stage]}
        if whole:
            more = {self.note: self.warning(scene, taken, before, lang), self.tiles: self.maps(scene, before, after, lang)}
            if not run.stopped:
                yield more

    def show(self, session: TranslateSession, scene: dict, before: np.ndarray, after: np.ndarray, seconds: float, lang: str) -> dict:
        made = self.backend.recipe(scene, self.backend.picture(session, scene["system"]).digest)
        name, label = f"{scene['system']}.png", words.DOWNLOAD.say(lang)
        href = ""
        if max(after.shape[:2]) > pieces.EXACT:
            path = session.place(name)
            save_png(Image.fromarray(after), path, made)
            href = url(path)
        sizes = [f"{image.shape[1]} × {image.shape[0]}" for image in (before, after)]
        size = " → ".join(dict.fromkeys(sizes)) + " px"
        took = w.SECONDS.say(lang, seconds=number(seconds, ".2f" if seconds < 10 else ".0f", lang))
        shown = pieces.compare(before, after, made, href, name, label, lang)
        return {
            self.stage: f'<figure class="translated">{shown}<figcaption><output>{size}</output><output>{took}</output></figcaption></figure>',
            self.progress: "",
            self.cancel: gr.update(visible=False),
            self.command: commands.command(made),
            self.script: commands.script(made),
        }

    def warning(self, scene: dict, taken: InputPicture, before: np.ndarray, lang: str) -> str:
        """Warning if the picture is unlike the training data, or notes on the picture and on line extraction."""
        knows = self.backend.systems[scene["system"]].knows
        if WHOLLY_TRANSPARENT in remarks(taken.picture):
            return f'<p class="warning">{sentence_of(WHOLLY_TRANSPARENT, lang)}</p>'
        if said := translation_remarks(self.backend.engine.hold(scene["system"]).model, taken.picture):
            return "".join(f'<p class="legend">{sentence_of(remark, lang)}</p>' for remark in said)
        if knows and self.backend.engine.novelty(scene["system"], Image.fromarray(before)) > 1:
            said = w.FOREIGN.say(lang, knows=knows.say(lang))
            return f'<p class="warning">{said}</p>'
        return f'<p class="legend">{w.TURNED.say(lang)}</p>' if scene["detail"] is not None else ""

    def maps(self, scene: dict, before: np.ndarray, after: np.ndarray, lang: str) -> str:
        """Change map; for two-way systems also the round trip and its error map."""
        turn = self.backend.turn(scene["system"])
        changed, note = difference(before, after, lang)
        figures = [(changed, w.CHANGED.say(lang), note)]
        if turn is None or max(before.shape[:2]) > MAPPED:
            return pieces.tiles(figures)
        there = scene["controls"][turn]
        back = WAYS[1 - WAYS.index(there)]
        again = self.backend.at_once(after, scene | {"controls": scene["controls"] | {turn: back}})
        lost, note = difference(before, again, lang)
        meant = self.backend.systems[scene["system"]].options
        first, second = (meant[way].say(lang) if way in meant else way for way in (there, back))
        trip = [
            (before, w.START.say(lang), ""),
            (after, w.THERE.say(lang, direction=first), ""),
            (again, w.BACK.say(lang, direction=second), ""),
            (lost, w.LOST.say(lang), note),
        ]
        hint = f'<p class="legend">{w.ROUND_TRIP_HINT.say(lang)}</p>'
        return pieces.tiles(figures) + f"<h3>{w.ROUND_TRIP.say(lang)}</h3>{hint}{pieces.tiles(trip)}"


def difference(before: np.ndarray, after: np.ndarray, lang: str) -> tuple[np.ndarray, str]:
    """Error map of two pictures, the first resized to the second, and a sentence with the mean difference."""
    height, width = after.shape[:2]
    factor = min(1.0, MAPPED / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    first, second = (np.asarray(Image.fromarray(i).resize(size, Image.Resampling.BICUBIC)) for i in (before, after))
    percent = 100 * np.abs(first.astype(float) - second).mean() / 255
    note = w.CHANGED_BY.say(lang, percent=number(percent, ".1f", lang))
    return error_map(first, second), note
