"""The Diffusion tab: models above, start and controls of a run at the side, the run in the middle.

A visitor's picture and runs are kept in `diffusion/visit.py` while the page is open, and nowhere afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from genstudio import catalog
from genstudio.controls import controls
from genstudio.engine import Engine
from genstudio.images import open_picture
from genstudio.recipes import encoding, fields
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.diffusion import words as w
from genstudio.ui.diffusion.backend import DiffusionBackend
from genstudio.ui.diffusion.compare import Compare, picked
from genstudio.ui.diffusion.schedules import Schedules
from genstudio.ui.diffusion.session import DiffusionSession
from genstudio.ui.diffusion.step_by_step import PLAY, StepByStep
from genstudio.ui.events import DIRECT, DRAG, EACH, LAST, ONCE
from genstudio.ui.language import friendly, language, t
from genstudio.ui.panels import Panel
from genstudio.ui.sessions import read_input
from genstudio.ui.views.learned import Learned, story

OPENS_ON = "ddpm_mnist"  # best trained
MAIN = ("label", "steps", "guidance")  # the others are collapsed
OF_PICTURE = ("strength", "start")
PARTS = (
    ("watch", w.WATCH, StepByStep),
    ("compare", w.COMPARE, Compare),
    ("schedules", w.SCHEDULES, Schedules),
)
BRUSH = ("#e11d48",)


class DiffusionTab:
    """Draws the tab inside the current `gr.Tab`; opened files and links are passed to it (`open_file.OpenFile`)."""

    memory = None
    started = w.STARTED

    def __init__(self, engine: Engine):
        self.engine = engine
        systems = dict(sorted(catalog.offered("img2img").items(), key=lambda item: item[1].title))
        self.systems, self.backend = systems, DiffusionBackend(engine, systems)
        if systems:
            self.render()
            self.wire()
        else:
            gr.Markdown(t(w.NO_DIFFUSION))

    # the page -----------------------------------------------------------------------------------------------------

    def render(self) -> None:
        self.system, self.selected = gr.State(self.showcase()), gr.State("watch")
        self.cards = gr.HTML(elem_id="denoisers", js_on_load=html.PICK, min_height=70)
        self.mounted = gr.HTML(elem_id="diffusion-mounted", js_on_load=html.MOUNTED)
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=250, elem_classes="end-column wide"):
                begins = [(t(w.FROM_NOISE), "noise"), (t(w.FROM_PICTURE), "picture")]
                self.begin = gr.Radio(begins, value="noise", label=t(w.BEGIN), elem_id="begin")
                with gr.Column(visible=False, elem_id="of-picture") as self.of_picture:
                    self.photo = gr.HTML(elem_id="photo", elem_classes="drop")
                    self.upload = gr.UploadButton(t(w.CHOOSE), file_types=["image"], elem_id="photo-upload", size="sm")
                    self.picture_panel = Panel(self.systems, "img2img", "img2img", OF_PICTURE)
                    with gr.Accordion(t(w.PAINT), open=False, elem_id="paint"):
                        gr.Markdown(t(w.PAINT_HINT), elem_classes="caption")
                        self.sheet = gr.HTML(elem_id="mask", js_on_load=html.PAD)
                self.panel = Panel(self.systems, "sample", "diffusion", MAIN)
                with gr.Row(elem_classes="tools"):
                    self.seed = gr.Number(
                        4, precision=0, minimum=0, label=t(page_words.SEED), info=t(w.SEED_HINT), elem_id="run-seed", min_width=90
                    )
                    self.dice = gr.Button(t(page_words.DICE_END), elem_id="run-dice", elem_classes="dice", min_width=70, scale=0)
                with gr.Accordion(t(w.MORE), open=False, elem_id="run-more"):
                    others = {name for system in self.systems.values() for name in controls(system.model.sample)} - {*MAIN}
                    self.more = Panel(self.systems, "sample", "diffusion", others)
            with (
                gr.Column(scale=10, min_width=320, elem_classes="stage-column"),
                gr.Tabs(elem_id="diffusion-views", selected="watch") as self.switch,
            ):
                self.tabs: dict[str, gr.Tab] = {}
                parts = {}
                for key, title, part in PARTS:
                    with gr.Tab(t(title), id=key, elem_id=f"diffusion-{key}") as self.tabs[key]:
                        parts[key] = part(self.backend)
                with gr.Tab(t(Learned.title), id="learned", elem_id="diffusion-learned") as self.tabs["learned"]:
                    self.story = gr.HTML(elem_id="denoiser-story")
        self.parts = parts
        self.step_by_step, self.compare, self.schedules = (parts[key] for key in ("watch", "compare", "schedules"))

    def wire(self) -> None:
        inputs, outputs, step_by_step = self.inputs, self.outputs, self.step_by_step
        self.mounted.expand(self.on_first, None, outputs, **ONCE)
        # None of these waits for the current run: a new one ends it.
        self.cards.select(self.on_system, inputs, outputs, **EACH)
        self.upload.upload(self.on_upload, inputs | {self.upload}, outputs, **EACH)
        for panel in self.panels:
            for component in panel.components.values():
                changed = component.release if isinstance(component, gr.Slider) else component.input
                changed(self.on_change, inputs, outputs, **EACH)
        self.begin.input(self.on_begin, inputs, outputs, **EACH)
        self.seed.input(self.on_change, inputs, outputs, **LAST)
        self.dice.click(self.on_dice, inputs, outputs, **EACH)
        # "always_last" would send the last event with the first one's data; the canvas itself waits between two.
        self.sheet.input(self.on_paint, inputs, outputs, **EACH)
        for key, tab in self.tabs.items():
            tab.select(self.arrival(key), inputs, outputs, **LAST)
        step_by_step.start.click(self.on_change, inputs, outputs, **EACH)
        step_by_step.stop.click(self.on_cancel("run"), None, None, **DIRECT)
        step_by_step.scrub.input(self.on_scrub, step_by_step.scrub, [step_by_step.lanes, step_by_step.stand], **DRAG)
        step_by_step.scrub.release(self.on_rest, step_by_step.scrub, [step_by_step.lanes, step_by_step.stand, step_by_step.strip], **LAST)
        step_by_step.play.click(None, js=PLAY)
        step_by_step.strip.select(self.on_place, None, [step_by_step.lanes, step_by_step.stand, step_by_step.strip, step_by_step.scrub], **EACH)
        step_by_step.branch.click(self.on_branch, inputs, outputs, **EACH)
        step_by_step.runs.select(self.on_kept, inputs, outputs, **EACH)
        for suffix, button in step_by_step.savers.items():
            button.click(self.saver(suffix), None, step_by_step.saved, **ONCE)
        self.compare.start.click(self.on_compare, inputs, self.compare.outputs, **ONCE)
        self.compare.stop.click(self.on_cancel("grid"), None, None, **DIRECT)
        self.compare.grid.select(self.on_cell, inputs, outputs, **EACH)
        self.schedules.time.input(self.on_time, inputs | {self.schedules.time}, self.schedules.stage, **DRAG)
        self.schedules.time.release(self.on_time_rest, inputs | {self.schedules.time}, self.schedules.outputs, **LAST)
        self.schedules.strip.select(self.on_time_pick, inputs, self.schedules.outputs, **EACH)

    @property
    def panels(self) -> tuple[Panel, ...]:
        return self.panel, self.more, self.picture_panel

    def showcase(self) -> str:
        return OPENS_ON if OPENS_ON in self.systems else next(iter(self.systems))

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_first(self, request: gr.Request) -> Iterator[dict]:
        """First selection of the tab: show a run, or the file or link opened meanwhile."""
        session = self.backend.sessions.of(request)
        yield from self.on(session.scene or self.backend.opening(self.showcase()), request, session.selected)

    @friendly
    def on_system(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Iterator[dict]:
        if event.pick not in self.systems:
            raise ValueError(f"no model is called {event.pick!r}")
        self.backend.sessions.of(request).mask = None
        scene = self.backend.opening(event.pick, inputs[self.begin]) | {"seed": fields.check_seed(inputs[self.seed])}
        yield from self.on(scene, request, inputs[self.selected])

    @friendly
    def on_change(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Update the part in front after a control was released, or on demand."""
        yield from self.part(inputs[self.selected], self.backend.sessions.of(request), self.read(inputs), language(request))

    @friendly
    def on_begin(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        scene = self.backend.opening(inputs[self.system], inputs[self.begin])
        scene["seed"] = fields.check_seed(inputs[self.seed])
        yield from self.on(scene, request, inputs[self.selected])

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        scene = self.read(inputs) | {"seed": random.randrange(1_000_000)}
        yield {self.seed: scene["seed"]}
        yield from self.part(inputs[self.selected], self.backend.sessions.of(request), scene, language(request))

    @friendly
    def on_upload(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        path = Path(inputs[self.upload])
        try:
            yield from self.on_start(str(path), inputs, request)
        finally:
            path.unlink(missing_ok=True)

    @friendly
    def on_paint(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Iterator[dict]:
        """Inpaint the painted area."""
        session = self.backend.sessions.of(request)
        paint = open_picture(html.read_uri(event.png)).convert("RGBA")
        session.mask = np.asarray(paint.getchannel("A")) > 127
        yield from self.part("watch", session, self.read(inputs), language(request))

    @friendly
    def on_branch(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        session, lang = self.backend.sessions.of(request), language(request)
        scene, steps = self.step_by_step.branched(session, inputs, lang)
        session.scene = scene
        yield from self.step_by_step.run(session, scene, lang, steps)

    @friendly
    def on_kept(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        """Restore a kept run."""
        session, lang = self.backend.sessions.of(request), language(request)
        if not str(event.pick).isdecimal() or int(event.pick) >= len(session.runs):
            raise ValueError(w.GONE.say(lang))
        session.end("run")
        session.made = session.runs[int(event.pick)].scene | {"branches": []}
        run = session.keep(session.runs[int(event.pick)])
        return self.chosen(session, run.scene, lang) | self.step_by_step.show(session, run, lang)

    @friendly
    def on_scrub(self, number: float, request: gr.Request) -> dict:
        return self.look(number, request, strip=False)

    @friendly
    def on_rest(self, number: float, request: gr.Request) -> dict:
        return self.look(number, request)

    @friendly
    def on_place(self, event: gr.EventData, request: gr.Request) -> dict:
        return self.look(event.pick, request) | {self.step_by_step.scrub: int(event.pick)}

    def look(self, number: Any, request: gr.Request, strip: bool = True) -> dict:
        session = self.backend.sessions.of(request)
        return self.step_by_step.at(session.runs[0], number, language(request), strip) if session.runs else {}

    def saver(self, suffix: str):
        @friendly
        def on_save(request: gr.Request) -> Any:
            session, lang = self.backend.sessions.of(request), language(request)
            if not session.runs:
                raise ValueError(w.NO_RUN.say(lang))
            return self.step_by_step.save(session.runs[0], suffix, lang)

        return on_save

    @friendly
    def on_compare(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        yield from self.compare.run(self.backend.sessions.of(request), self.read(inputs), language(request))

    @friendly
    def on_cell(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Iterator[dict]:
        scene = self.read(inputs)
        scene["controls"] = scene["controls"] | picked(event.pick)
        yield from self.on(scene, request)

    @friendly
    def on_time(self, inputs: dict, request: gr.Request) -> dict:
        session, time = self.backend.sessions.of(request), int(inputs[self.schedules.time])
        return self.schedules.moved(session, self.read(inputs), time, language(request))

    @friendly
    def on_time_rest(self, inputs: dict, request: gr.Request) -> dict:
        session, time = self.backend.sessions.of(request), int(inputs[self.schedules.time])
        return self.schedules.show(session, self.read(inputs), time, language(request))

    @friendly
    def on_time_pick(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        time = min(999, max(0, int(event.pick)))
        return self.schedules.show(self.backend.sessions.of(request), self.read(inputs), time, language(request))

    def on_cancel(self, kind: str):
        def cancel(request: gr.Request) -> None:
            self.backend.sessions.of(request).end(kind, cancelled=True)

        return cancel

    def arrival(self, key: str):
        @friendly
        def on_arrival(inputs: dict, request: gr.Request) -> Iterator[dict]:
            """Update a part when it is selected; not if the tab itself has selected it, as it is drawn already."""
            session, scene = self.backend.sessions.of(request), self.read(inputs)
            turned, session.selected = session.selected != key, key
            yield {self.selected: key}
            if turned and not (key == "watch" and session.made == scene):
                yield from self.part(key, session, scene, language(request))

        return on_arrival

    # opened files and links -----------------------------------------------------------------------------------------

    @property
    def inputs(self) -> set[gr.components.Component]:
        if not self.systems:
            return set()
        knobs = {c for panel in self.panels for c in panel.components.values()}
        return {self.system, self.selected, self.begin, self.seed, *knobs, *self.step_by_step.inputs}

    @property
    def outputs(self) -> list[gr.components.Component]:
        if not self.systems:
            return []
        knobs = [c for panel in self.panels for c in panel.components.values()]
        shown = [component for part in self.parts.values() for component in part.outputs]
        chosen = [self.system, self.selected, self.cards, self.switch, self.begin, self.of_picture, self.photo, self.sheet, self.seed]
        return [*chosen, *knobs, *shown, self.story]

    def on_load(self, memory: None, request: gr.Request) -> dict:
        """No updates: the tab is drawn when it is first selected, so that the page loads sooner."""
        return {}

    def can_open(self, found: dict) -> bool:
        return found.get("system") in self.systems and found.get("verb") in ("sample", "img2img")

    def lacks(self, found: dict, request: gr.Request) -> Any:
        own = self.backend.sessions.of(request).own
        return w.BRING if "picture" in found and not (own and own.digest == found["picture"]) else None

    def on_recipe(self, found: dict, inputs: dict, request: gr.Request) -> dict:
        """Restore a checked recipe; img2img starts from the current picture."""
        session = self.backend.sessions.of(request)
        session.mask = None
        if found.get("mask"):
            session.mask = encoding.unpack_mask(found["mask"], self.engine.image_shape(found["system"])[1:])
        updates: dict = {}
        for more in self.on(self.backend.scene_of(found), request):
            updates |= more
        return updates

    def on_start(self, path: str, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Run img2img (SDEdit) on a visitor's picture."""
        if not self.systems:
            raise ValueError(w.NO_DIFFUSION.say(language(request)))
        session = self.backend.sessions.of(request)
        session.own, session.mask, session.made = read_input(Path(path).read_bytes()), None, None
        scene = self.backend.opening(inputs[self.system], "picture") | {"seed": fields.check_seed(inputs[self.seed])}
        if inputs[self.begin] == "picture":
            scene = self.read(inputs)
        yield from self.on(scene, request, "schedules" if inputs[self.selected] == "schedules" else "watch")

    def on_offer(self, name: str, inputs: dict, request: gr.Request) -> dict | None:
        """Select new weights, if this tab can show them."""
        system = catalog.offered("img2img").get(name)
        if not self.systems or system is None:
            return None
        self.systems = self.systems | {name: system}  # a new dict: other threads may be iterating over the old one
        self.backend.systems = self.systems
        for panel in (*self.panels, self.step_by_step.panel):
            panel.offer(name, system)
        updates: dict = {}
        for more in self.on(self.backend.opening(name), request):
            updates |= more
        return updates

    def stops(self, event: gr.events.Dependency) -> None:
        """Do nothing: a run checks by itself whether it is stopped."""

    def warm_up(self) -> None:
        """Sample the pictures of the cards, which the first visitor would wait for."""
        for name in self.systems:
            self.backend.card(name, "en")

    def on_leave(self, request: gr.Request) -> None:
        self.backend.sessions.leave(request)

    # rendering ------------------------------------------------------------------------------------------------------

    def read(self, inputs: dict) -> dict:
        """The scene with the panels' values."""
        name, begin = inputs[self.system], inputs[self.begin]
        values = {key: value for panel in self.panels for key, value in panel.values(name, inputs).items()}
        known = self.backend.controls(name, begin)
        scene = self.backend.opening(name, begin)
        return scene | {"seed": fields.check_seed(inputs[self.seed]), "controls": {key: values[key] for key in known}}

    def on(self, scene: dict, request: gr.Request, selected: str = "watch") -> Iterator[dict]:
        """Updates of the tab for a scene, and of the part in front while it runs."""
        session, lang = self.backend.sessions.of(request), language(request)
        session.selected = selected
        yield self.chosen(session, scene, lang) | {self.selected: selected, self.switch: gr.Tabs(selected=selected)}
        yield from self.part(selected, session, scene, lang)

    def part(self, key: str, session: DiffusionSession, scene: dict, lang: str) -> Iterator[dict]:
        session.scene = scene
        if key == "watch":
            yield from self.step_by_step.run(session, scene, lang)
        elif key == "compare":
            session.end("grid")
            yield {self.compare.grid: self.compare.table({}, lang)}
        elif key == "schedules":
            yield self.schedules.show(session, scene, 600, lang)
        else:
            yield {self.story: story(scene["system"], lang)}

    def chosen(self, session: DiffusionSession, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        """Updates of the cards and the side panel."""
        name, here = scene["system"], catalog.available()  # a file may be gone
        cards = [self.backend.card(other, lang) for other in self.systems if other in here]
        session.scene = scene
        updates = {
            self.system: name,
            self.cards: html.cards(cards, name, page_words.MODEL.say(lang)),
            self.begin: scene["begin"],
            self.of_picture: gr.update(visible=scene["begin"] == "picture"),
            self.seed: scene["seed"],
        }
        for panel in self.panels:
            known = {key: value for key, value in scene["controls"].items() if key in panel.of[name]}
            updates |= panel.show(name, known)
        if scene["begin"] == "picture":
            uri = html.png_uri(self.backend.fitted(session, name))
            title = (w.PHOTO if session.own else w.PHOTO_EXAMPLE).say(lang)
            hint = f'<p class="legend">{w.PHOTO_HINT.say(lang)}</p>'
            updates[self.photo] = f"<h3>{title}</h3>{html.picture(uri, title)}{hint}"
            updates[self.sheet] = html.pad("×", BRUSH, width=0.12, every=400, behind=uri)
        for key, component in self.more.components.items():  # not used by img2img
            if key not in scene["controls"]:
                updates[component] = gr.update(visible=False)
        return updates
