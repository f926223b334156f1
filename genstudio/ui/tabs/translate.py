"""The Translate tab: systems above, a picture and its settings at the side, the result in the middle.

A visitor's picture is kept in `translate/visit.py` while the page is open, and nowhere afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from genstudio import catalog
from genstudio.controls import Text
from genstudio.engine import Engine
from genstudio.images import flatten
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import DIRECT, EACH, LAST, ONCE
from genstudio.ui.language import friendly, language, t
from genstudio.ui.sessions import read_input
from genstudio.ui.translate import pieces
from genstudio.ui.translate import words as w
from genstudio.ui.translate.backend import TranslateBackend
from genstudio.ui.translate.draw import Draw
from genstudio.ui.translate.many import Many
from genstudio.ui.translate.one import One
from genstudio.ui.translate.session import TranslateSession
from genstudio.ui.translate.settings import DETAIL, TranslateSettings
from genstudio.ui.translate.several import Several

OPENS_ON = "pix2pix_sketch"
SHOWN = 480  # pixels of the picture at the side
PARTS = (("one", w.ONE, One), ("draw", w.DRAW, Draw), ("all", w.ALL, Several), ("many", w.MANY, Many))


class TranslateTab:
    """Draws the tab inside the current `gr.Tab`; opened files and links are passed to it (`open_file.OpenFile`)."""

    memory = None
    started = w.STARTED

    def __init__(self, engine: Engine):
        self.engine = engine
        systems = dict(sorted(catalog.offered("translate").items(), key=lambda item: item[1].title))
        self.systems, self.backend = systems, TranslateBackend(engine, systems)
        if systems:
            self.render()
            self.wire()
        else:
            gr.Markdown(t(w.NO_TRANSLATORS))

    # the page -----------------------------------------------------------------------------------------------------

    def render(self) -> None:
        self.system, self.selected = gr.State(self.showcase()), gr.State("one")
        self.cards = gr.HTML(elem_id="translators", js_on_load=html.PICK, min_height=70)
        self.knows = gr.HTML(elem_id="knows", js_on_load=html.MOUNTED)
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=240, elem_classes="end-column wide"):
                self.source = gr.HTML(elem_id="picture", elem_classes="drop", min_height=150)
                self.upload = gr.UploadButton(
                    t(w.CHOOSE), file_types=["image"], elem_id="picture-upload", size="md", variant="primary"
                )
                self.camera = gr.HTML(elem_id="picture-camera", js_on_load=pieces.CAMERA)
                self.forget = gr.Button(t(w.BACK_TO_EXAMPLE), elem_id="picture-forget", size="sm", visible=False)
                self.settings = TranslateSettings(self.backend)
            with (
                gr.Column(scale=10, min_width=320, elem_classes="stage-column"),
                gr.Tabs(elem_id="translate-views", selected="one") as self.switch,
            ):
                self.tabs: dict[str, gr.Tab] = {}
                parts = {}
                for key, title, part in PARTS:
                    if key == "draw" and not any(self.backend.draws(name) for name in self.systems):
                        continue
                    with gr.Tab(t(title), id=key, elem_id=f"translate-{key}") as self.tabs[key]:
                        parts[key] = part(self.backend)
        self.parts = parts
        self.one, self.several, self.many = (parts[key] for key in ("one", "all", "many"))
        self.sheet: Draw | None = parts.get("draw")

    def wire(self) -> None:
        inputs, outputs = self.inputs, self.outputs
        self.knows.expand(self.on_first, None, outputs, **ONCE)
        # None of these waits for the current run: a new one ends it.
        self.cards.select(self.on_system, inputs, outputs, **EACH)
        self.upload.upload(self.on_upload, inputs | {self.upload}, outputs, **EACH)
        self.forget.click(self.on_forget, inputs, outputs, **EACH)
        for slider in self.settings.sliders:
            slider.input(self.on_drag, inputs, [self.one.stage, *(self.sheet.outputs if self.sheet else [])], **LAST)
            slider.release(self.on_settings, inputs, outputs, **LAST)
        for other in self.settings.others:
            other.input(self.on_settings, inputs, outputs, **LAST)
        for key, tab in self.tabs.items():
            tab.select(self.arrival(key), inputs, outputs, **LAST)
        self.one.cancel.click(self.on_cancel("one"), None, None, **DIRECT)
        if self.sheet:
            # "always_last" would send the last event with the first one's data; the canvas itself waits between two.
            self.sheet.pad.input(self.on_drawing, inputs, self.sheet.drawn, **EACH)
        self.several.grid.select(self.on_system, inputs, outputs, **EACH)
        self.many.upload.upload(self.on_files, inputs | {self.many.upload}, outputs, **ONCE)
        self.many.start.click(self.on_many, inputs, self.many.outputs, **ONCE)
        self.many.stop.click(self.on_cancel("many"), None, None, **DIRECT)

    def showcase(self) -> str:
        return OPENS_ON if OPENS_ON in self.systems else next(iter(self.systems))

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_first(self, request: gr.Request) -> Iterator[dict]:
        """First selection of the tab: show an example, or the file or link opened meanwhile.

        Gradio mounts a tab when it is selected, and loses updates that arrive meanwhile.
        """
        session = self.backend.sessions.of(request)
        if session.selected == "many":
            yield self.many.show(session, language(request))
        yield from self.on(session.scene or self.backend.opening(self.showcase()), request, None)

    @friendly
    def on_system(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Iterator[dict]:
        if event.pick not in self.systems:
            raise ValueError(f"no model is called {event.pick!r}")
        session, scene = self.backend.sessions.of(request), self.backend.opening(event.pick)
        selected = inputs[self.selected]
        if selected == "all" or (selected == "draw" and not self.backend.draws(event.pick)):
            selected = "one"  # the canvas is for systems that take drawings
        yield from self.on(self.suited(session, scene), request, selected)

    @friendly
    def on_upload(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        path = Path(inputs[self.upload])
        try:
            yield from self.on_start(str(path), inputs, request)
        finally:
            path.unlink(missing_ok=True)

    @friendly
    def on_forget(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        self.backend.sessions.of(request).own = None
        yield from self.on(self.backend.opening(inputs[self.system]), request)

    @friendly
    def on_settings(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Update the part in front after a setting has changed."""
        session, scene, lang = self.backend.sessions.of(request), self.read(inputs), language(request)
        session.scene = scene
        yield {self.settings.detail: gr.update(visible=scene["detail"] is not None), **self.beside(session, scene, lang)}
        yield from self.part(inputs[self.selected], session, scene, lang)

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Update small pictures during a drag."""
        session, scene, lang = self.backend.sessions.of(request), self.read(inputs), language(request)
        if inputs[self.selected] == "draw":
            yield self.sheet.run(session, scene, lang)
        elif inputs[self.selected] == "one" and self.one.live(session, scene):
            yield from self.one.run(session, scene, lang, whole=False)

    @friendly
    def on_drawing(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        session = self.backend.sessions.of(request)
        session.drawing = html.read_uri(event.png)
        return self.sheet.run(session, self.read(inputs), language(request))

    @friendly
    def on_files(self, inputs: dict, request: gr.Request) -> dict:
        paths = [Path(path) for path in inputs[self.many.upload]]
        return self.many.take(self.backend.sessions.of(request), paths, language(request))

    @friendly
    def on_many(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        yield from self.many.run(self.backend.sessions.of(request), self.read(inputs), language(request))

    def on_cancel(self, kind: str):
        def cancel(request: gr.Request) -> None:
            self.backend.sessions.of(request).end(kind, cancelled=True)

        return cancel

    def arrival(self, key: str):
        @friendly
        def on_arrival(inputs: dict, request: gr.Request) -> Iterator[dict]:
            """Update a part when it is selected."""
            session, scene, lang = self.backend.sessions.of(request), self.read(inputs), language(request)
            session.selected = key
            yield {self.selected: key}
            if key == "draw" and not self.backend.draws(scene["system"]):
                able = next(name for name in self.systems if self.backend.draws(name))
                yield from self.on(self.backend.opening(able), request, "draw")
            elif key == "one" and session.made != self.one.made(session, scene):
                yield from self.one.run(session, scene, lang)
            elif key in ("draw", "all"):
                yield from self.part(key, session, scene, lang)
            elif key == "many":
                yield self.many.show(session, lang)

        return on_arrival

    # opened files and links -----------------------------------------------------------------------------------------

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.system, self.selected, *self.settings.components} if self.systems else set()

    @property
    def outputs(self) -> list[gr.components.Component]:
        if not self.systems:
            return []
        shown = [component for part in self.parts.values() for component in part.outputs]
        chosen = [self.system, self.selected, self.cards, self.knows, self.switch]
        return [*chosen, self.source, self.camera, self.forget, *self.settings.components, *shown]

    def on_load(self, memory: None, request: gr.Request) -> dict:
        """No updates: the tab is drawn when it is first selected, so that the page loads sooner."""
        return {}

    def can_open(self, found: dict) -> bool:
        return found.get("system") in self.systems and found.get("verb") == "translate"

    def lacks(self, found: dict, request: gr.Request) -> Any:
        own = self.backend.sessions.of(request).own
        return None if own and own.digest == found["picture"] else w.BRING

    def on_recipe(self, found: dict, inputs: dict, request: gr.Request) -> dict:
        """Restore the settings of a checked recipe, for the current picture."""
        updates: dict = {}
        for more in self.on(self.backend.scene_of(found), request):
            updates |= more
        return updates

    def on_start(self, path: str, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Translate a visitor's picture in place of the example."""
        if not self.systems:
            raise ValueError(w.NO_TRANSLATORS.say(language(request)))
        session = self.backend.sessions.of(request)
        session.own = read_input(Path(path).read_bytes())
        scene = self.read(inputs)
        yield from self.on(self.suited(session, scene), request)

    @property
    def gathered(self) -> Text | None:
        return page_words.BECAME_BATCH if self.systems else None

    def on_pictures(self, paths: Sequence[Path], inputs: dict, request: gr.Request) -> Iterator[dict]:
        session, lang = self.backend.sessions.of(request), language(request)
        session.selected = "many"
        yield {self.switch: gr.Tabs(selected="many"), self.selected: "many"} | self.many.take(session, paths, lang)

    def on_offer(self, name: str, inputs: dict, request: gr.Request) -> dict | None:
        """Select new weights, if this tab can show them."""
        system = catalog.offered("translate").get(name)
        if not self.systems or system is None:
            return None
        self.systems = self.systems | {name: system}  # a new dict: other threads may be iterating over the old one
        self.backend.systems = self.systems
        self.settings.panel.offer(name, system)
        session, updates = self.backend.sessions.of(request), {}
        for more in self.on(self.suited(session, self.backend.opening(name)), request):
            updates |= more
        return updates

    def on_leave(self, request: gr.Request) -> None:
        self.backend.sessions.leave(request)

    def stops(self, event: gr.events.Dependency) -> None:
        """Do nothing: a run checks by itself whether it is stopped."""

    # rendering ------------------------------------------------------------------------------------------------------

    def read(self, inputs: dict) -> dict:
        return self.settings.read(inputs[self.system], inputs)

    def suited(self, session: TranslateSession, scene: dict) -> dict:
        """The scene for the visitor's picture; for systems of line drawings, with line extraction from photographs."""
        if session.own is None or not self.backend.draws(scene["system"]):
            return scene | {"detail": None}
        picture = flatten(session.own.picture, scene["background"])
        foreign = self.engine.novelty(scene["system"], picture) > 1
        return scene | {"detail": (DETAIL if scene["detail"] is None else scene["detail"]) if foreign else None}

    def on(self, scene: dict, request: gr.Request, selected: str | None = "one") -> Iterator[dict]:
        """Updates of the tab for a scene, and of a part while it runs, by default the one then in front."""
        session, lang = self.backend.sessions.of(request), language(request)
        chosen = self.chosen(session, scene, lang)
        selected = session.selected = selected or session.selected
        yield chosen | {self.selected: selected, self.switch: gr.Tabs(selected=selected)}
        yield from self.part(selected, session, scene, lang)

    def part(self, key: str, session: TranslateSession, scene: dict, lang: str) -> Iterator[dict]:
        if key == "one":
            yield from self.one.run(session, scene, lang)
        elif key == "draw":
            yield self.sheet.run(session, scene, lang)
        elif key == "all":
            yield from self.several.run(session, scene, lang)

    def chosen(self, session: TranslateSession, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        """Updates of the cards, the picture at the side, and the settings."""
        name, here = scene["system"], catalog.available()  # a file may be gone
        cards = [(n, s.title.say(lang), self.backend.thumbnail(n)) for n, s in self.systems.items() if n in here]
        system = self.systems[name]
        session.scene = scene
        knows = w.KNOWS.say(lang, knows=system.knows.say(lang)) if system.knows else ""
        return {
            self.system: name,
            self.cards: html.cards(cards, name, page_words.MODEL.say(lang)),
            self.knows: f'<p class="knows">{knows}</p>',
            self.camera: pieces.camera(self.upload.elem_id, lang),
            self.forget: gr.update(visible=session.own is not None),
            **self.beside(session, scene, lang),
            **self.settings.show(scene, session),
        }

    def beside(self, session: TranslateSession, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        """Update of the picture at the side."""
        picture = self.backend.picture(session, scene["system"])
        small = flatten(picture.picture, scene["background"])
        small.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
        return {self.source: pieces.source(np.asarray(small), picture.own, lang)}
