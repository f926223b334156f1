"""The Translate tab: systems above, a picture and its settings at the side, the result in the middle.

A visitor's picture is kept in `session.py` while the page is open, and nowhere afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.controls import Text
from genstudio.images import flatten
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import DIRECT, DRAG, EACH, LAST, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.panels import Panel
from genstudio.ui.session_tab import SessionTab
from genstudio.ui.sessions import read_input
from genstudio.ui.tab import Updates, merged
from genstudio.ui.tabs.translate import pieces
from genstudio.ui.tabs.translate import words as w
from genstudio.ui.tabs.translate.backend import TranslateBackend
from genstudio.ui.tabs.translate.draw import Draw
from genstudio.ui.tabs.translate.many import Many
from genstudio.ui.tabs.translate.one import One
from genstudio.ui.tabs.translate.paint import Paint
from genstudio.ui.tabs.translate.session import TranslateSession
from genstudio.ui.tabs.translate.settings import DETAIL, TranslateSettings
from genstudio.ui.tabs.translate.several import Several

SHOWN = 480  # pixels of the picture at the side


class TranslateTab(SessionTab):
    key, title = "translate", w.TAB
    needs = verbs = ("translate",)
    opens_on = ("pix2pix_sketch", "pix2pix_facades")
    empty = w.NO_TRANSLATORS
    picture_opened, picture_missing = w.PICTURE_OPENED, w.BRING
    backend_type = TranslateBackend
    part_types = (
        ("one", w.ONE, One),
        ("draw", w.DRAW, Draw),
        ("paint", w.PAINT, Paint),
        ("all", w.ALL, Several),
        ("many", w.MANY, Many),
    )

    # the page -----------------------------------------------------------------------------------------------------

    def render(self) -> None:
        self.add_states()
        self.cards = gr.HTML(elem_id="translators", js_on_load=html.PICK)
        self.knows = gr.HTML(elem_id="knows", js_on_load=html.MOUNTED)
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=240, elem_classes="end-column wide"):
                self.source = gr.HTML(elem_id="picture", elem_classes="drop")
                self.upload = gr.UploadButton(
                    t(w.CHOOSE), file_types=["image"], elem_id="picture-upload", size="md", variant="primary"
                )
                self.camera = gr.HTML(elem_id="picture-camera", js_on_load=pieces.CAMERA)
                self.forget = gr.Button(t(w.BACK_TO_EXAMPLE), elem_id="picture-forget", size="sm", visible=False)
                self.settings = TranslateSettings(self.backend)
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                self.add_parts("translate")
        self.one, self.several, self.many = (self.parts[key] for key in ("one", "all", "many"))
        self.sheet: Draw | None = self.parts.get("draw")
        self.paint: Paint | None = self.parts.get("paint")

    def has_part(self, key: str) -> bool:
        return any(self.serves(key, name) for name in self.systems)

    def serves(self, part: str, system: str) -> bool:
        """True if the part is for the system: sheet and paint box are for models of drawings and of labels."""
        wanted = {"draw": self.backend.draws, "paint": self.backend.paints}.get(part)
        return wanted is None or wanted(system)

    def wire(self) -> None:
        inputs, stream = self.inputs, self.deferred.stream
        drawn = self.sheet.outputs if self.sheet else []
        front = [self.one.stage, self.one.progress, self.one.cancel, *self.several.outputs, *drawn, self.memory]
        stream(self.knows.expand, self.on_first, {self.memory}, front, sends=[self.memory], **ONCE)
        # None of these waits for the current run: a new one ends it.
        stream(self.cards.select, self.on_system, inputs, front, **EACH)
        stream(self.upload.upload, self.on_upload, inputs | {self.upload}, front, **EACH)
        stream(self.forget.click, self.on_forget, inputs, front, **EACH)
        for slider in self.settings.sliders:
            on(slider.input, self.on_drag, inputs, [self.one.stage, *drawn], **LAST)
            stream(slider.release, self.on_settings, inputs, front, **LAST)
        for other in self.settings.others:
            stream(other.input, self.on_settings, inputs, front, **LAST)
        for key, tab in self.tabs.items():
            stream(tab.select, self.arrival(key), inputs, front, **LAST)
        on(self.one.cancel.click, self.on_cancel("one"), None, None, **DIRECT)
        if self.sheet:
            # "always_last" would send the last event with the first one's data; the canvas itself waits between two.
            on(self.sheet.pad.input, self.on_drawing, inputs, self.sheet.drawn, **EACH)
        if self.paint:
            on(self.paint.board.input, self.on_stroke, inputs, self.paint.result, **DRAG | EACH)
            on(self.paint.board.release, self.on_painted, inputs, [self.paint.result, self.paint.losses], **EACH)
        stream(self.several.grid.select, self.on_system, inputs, front, **EACH)
        on(self.many.upload.upload, self.on_files, inputs | {self.many.upload}, self.outputs, **ONCE)
        on(self.many.start.click, self.on_many, inputs, self.many.outputs, **ONCE)
        on(self.many.stop.click, self.on_cancel("many"), None, None, **DIRECT)

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_first(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        session = self.backend.sessions.of(request)
        if session.selected == "many":  # files that were opened before the tab was drawn
            yield self.many.show(session, language(request))
        yield from super().on_first(inputs, request)

    @friendly
    def on_forget(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        self.backend.sessions.of(request).own = None
        yield from self.present(self.backend.opening(inputs[self.system]), self.front, request)

    @friendly
    def on_settings(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Update the part in front after a setting has changed."""
        session, scene, lang = self.backend.sessions.of(request), self.read(inputs), language(request)
        session.scene = scene
        detail = gr.update(visible=scene["detail"] is not None)
        yield {self.settings.detail: detail, self.source: self.source_html(session, scene, lang)}
        yield self.remember(session, scene)
        yield from self.run_part(inputs[self.selected], session, scene, lang)

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Update small pictures during a drag."""
        session, scene, lang = self.backend.sessions.of(request), self.read(inputs), language(request)
        if inputs[self.selected] == "draw":
            yield self.sheet.run(session, scene, lang)
        elif inputs[self.selected] == "one" and self.one.live(session, scene):
            yield from self.one.run(session, scene, lang, whole=False)

    @friendly
    def on_drawing(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Updates:
        session = self.backend.sessions.of(request)
        session.drawing = html.read_uri(event.png)
        return self.sheet.run(session, self.read(inputs), language(request))

    @friendly
    def on_stroke(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Updates:
        """Translate the labels during a stroke, unless a newer event has come."""
        session, drags = self.backend.sessions.of(request), self.paint.drags
        drags.begin(event, request)
        session.labels = read_input(html.read_uri(event.png), language(request))
        if drags.overtaken(event, request):
            return {}
        shown = self.paint.run(session, self.read(inputs), language(request), whole=False)
        return {} if drags.overtaken(event, request) else shown

    @friendly
    def on_painted(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Updates:
        session = self.backend.sessions.of(request)
        self.paint.drags.begin(event, request)
        session.labels = read_input(html.read_uri(event.png), language(request))
        return self.paint.run(session, self.read(inputs), language(request))

    @friendly
    def on_files(self, inputs: dict, request: gr.Request) -> Updates:
        paths = [Path(path) for path in inputs[self.many.upload]]
        return self.many.take(self.backend.sessions.of(request), paths, language(request))

    @friendly
    def on_many(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        yield from self.many.run(self.backend.sessions.of(request), self.read(inputs), language(request))

    # asked by the page ----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.system, self.selected, *self.settings.components} if self.drawn else set()

    @property
    def outputs(self) -> list[gr.components.Component]:
        if not self.drawn:
            return []
        shown = [component for part in self.parts.values() for component in part.outputs]
        chosen = [self.system, self.selected, self.memory, self.cards, self.knows, self.switch]
        return [*chosen, self.source, self.camera, self.forget, *self.settings.components, *shown]

    def open_picture(self, path: str, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Translate a visitor's picture in place of the example."""
        self.check_drawn(request)
        session = self.backend.sessions.of(request)
        session.own = read_input(Path(path).read_bytes(), language(request))
        scene = self.awaited_scene(session) or self.fitted(session, self.read(inputs))
        yield from self.present(scene, self.front, request)

    @property
    def pictures_opened(self) -> Text | None:
        return page_words.BECAME_BATCH if self.drawn else None

    def open_pictures(self, paths: Sequence[Path], inputs: dict, request: gr.Request) -> Iterator[Updates]:
        session, lang = self.backend.sessions.of(request), language(request)
        session.selected = "many"
        yield {self.switch: gr.Tabs(selected="many"), self.selected: "many"} | self.many.take(session, paths, lang)

    @property
    def panels(self) -> Sequence[Panel]:
        return [self.settings.panel]

    def select_system(self, name: str, inputs: dict, request: gr.Request) -> Updates:
        scene = self.fitted(self.backend.sessions.of(request), self.backend.opening(name))
        return merged(self.present(scene, self.front, request))

    # rendering ------------------------------------------------------------------------------------------------------

    def read(self, inputs: dict) -> dict:
        return self.settings.read(inputs[self.system], inputs)

    def recipe_of(self, session: TranslateSession, scene: dict) -> dict:
        return self.backend.recipe(scene, self.backend.picture(session, scene["system"]).digest)

    def scene_on(self, name: str, inputs: dict, request: gr.Request) -> tuple[dict, str]:
        part = inputs[self.selected]
        session = self.backend.sessions.of(request)
        if part == "all" or not self.serves(part, name):
            part = self.front
        if part == self.front and self.backend.paints(name) and session.own is None:
            part = "paint"
        return self.fitted(session, self.backend.opening(name)), part

    def fitted(self, session: TranslateSession, scene: dict) -> dict:
        """The scene for the visitor's picture: a model of line drawings gets the outlines of a photograph."""
        if session.own is None or not self.backend.draws(scene["system"]):
            return scene | {"detail": None}
        picture = flatten(session.own.picture, scene["background"])
        foreign = self.engine.novelty(scene["system"], picture) > 1
        return scene | {"detail": (DETAIL if scene["detail"] is None else scene["detail"]) if foreign else None}

    def arrive(self, key: str, before: str, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        session, scene, lang = self.backend.sessions.of(request), self.read(inputs), language(request)
        if not self.serves(key, scene["system"]):
            able = next(name for name in (*self.opens_on, *self.systems) if name in self.systems and self.serves(key, name))
            yield from self.present(self.backend.opening(able), key, request)
        elif key == "one" and session.made != self.one.made(session, scene):
            yield from self.one.run(session, scene, lang)
        elif key in ("draw", "paint", "all"):
            yield from self.run_part(key, session, scene, lang)
        elif key == "many":
            yield self.many.show(session, lang)

    def run_part(self, key: str, session: TranslateSession, scene: dict, lang: str) -> Iterator[Updates]:
        if key == "one":
            yield from self.one.run(session, scene, lang)
        elif key == "draw":
            yield self.sheet.run(session, scene, lang)
        elif key == "paint":
            yield self.paint.show(session, lang)
        elif key == "all":
            yield from self.several.run(session, scene, lang)

    def card(self, name: str, lang: str) -> tuple[str, str, str]:
        return name, self.systems[name].title.say(lang), self.backend.thumbnail(name)

    def show_settings(self, session: TranslateSession, scene: dict, lang: str) -> Updates:
        system = self.systems[scene["system"]]
        said = [w.KNOWS.say(lang, knows=system.knows.say(lang))] if system.knows else []
        said += [system.limit.say(lang)] if system.limit else []
        return {
            self.knows: f'<p class="knows">{" ".join(said)}</p>',
            self.camera: pieces.camera(self.upload.elem_id, lang),
            self.forget: gr.update(visible=session.own is not None),
            self.source: self.source_html(session, scene, lang),
            **self.settings.show(scene, session),
        }

    def source_html(self, session: TranslateSession, scene: dict, lang: str) -> str:
        """The picture at the side."""
        picture = self.backend.picture(session, scene["system"])
        small = flatten(picture.picture, scene["background"])
        small.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
        return pieces.source(np.asarray(small), picture.own, lang)
