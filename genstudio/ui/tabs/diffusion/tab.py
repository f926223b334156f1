"""The Diffusion tab: models above, start and controls of a run at the side, the run in the middle.

A visitor's picture and runs are kept in `session.py` while the page is open, and nowhere afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from genstudio.controls import controls
from genstudio.images import open_picture, read_recipe
from genstudio.recipes import encoding, fields, recipe
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import DIRECT, DRAG, EACH, LAST, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.panels import Panel
from genstudio.ui.session_tab import SessionTab
from genstudio.ui.sessions import read_input
from genstudio.ui.tab import Updates
from genstudio.ui.tabs.diffusion import words as w
from genstudio.ui.tabs.diffusion.backend import DiffusionBackend
from genstudio.ui.tabs.diffusion.compare import Compare, picked
from genstudio.ui.tabs.diffusion.schedules import Schedules
from genstudio.ui.tabs.diffusion.session import REMEMBERED, DiffusionSession
from genstudio.ui.tabs.diffusion.step_by_step import PLAY, StepByStep
from genstudio.ui.views.learned import Learned, story

MAIN = ("label", "steps", "guidance")  # the others are collapsed
OF_PICTURE = ("strength", "start")
BRUSH = ("#e11d48",)


class Story:
    """Training of the model: its time-lapse and the facts of its header."""

    def __init__(self, backend: DiffusionBackend):
        self.story = gr.HTML(elem_id="denoiser-story")
        self.outputs = [self.story]

    def show(self, scene: dict, lang: str) -> Updates:
        return {self.story: story(scene["system"], lang)}


class DiffusionTab(SessionTab):
    key, title = "diffusion", w.TAB
    needs = ("img2img",)
    verbs = ("sample", "img2img")
    opens_on = ("ddpm_mnist",)  # best trained
    empty = w.NO_DIFFUSION
    picture_opened, picture_missing = w.PICTURE_OPENED, w.BRING
    backend_type = DiffusionBackend
    part_types = (
        ("watch", w.WATCH, StepByStep),
        ("compare", w.COMPARE, Compare),
        ("schedules", w.SCHEDULES, Schedules),
        ("learned", Learned.title, Story),
    )

    # the page -----------------------------------------------------------------------------------------------------

    def render(self) -> None:
        self.add_states()
        self.cards = gr.HTML(elem_id="denoisers", js_on_load=html.PICK)
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
                    self.dice = gr.Button(t(page_words.NEW_SEED_KEY), elem_id="run-dice", elem_classes="dice", min_width=130, scale=0)
                with gr.Accordion(t(w.MORE), open=False, elem_id="run-more"):
                    others = {name for system in self.systems.values() for name in controls(system.model.sample)} - {*MAIN}
                    self.more = Panel(self.systems, "sample", "diffusion", others)
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                self.add_parts("diffusion")
        self.step_by_step, self.compare, self.schedules, self.story = self.parts.values()

    def wire(self) -> None:
        inputs, step_by_step, stream = self.inputs, self.step_by_step, self.deferred.stream
        front = [*step_by_step.front, self.compare.grid, self.memory]
        stream(self.mounted.expand, self.on_first, {self.memory}, front, sends=[self.memory], **ONCE)
        # None of these waits for the current run: a new one ends it.
        stream(self.cards.select, self.on_system, inputs, front, **EACH)
        stream(self.upload.upload, self.on_upload, inputs | {self.upload}, front, **EACH)
        for panel in self.setting_panels:
            for component in panel.components.values():
                changed = component.release if isinstance(component, gr.Slider) else component.input
                stream(changed, self.on_change, inputs, front, **EACH)
        stream(self.begin.input, self.on_begin, inputs, front, **EACH)
        stream(self.seed.input, self.on_change, inputs, front, **LAST)
        stream(self.dice.click, self.on_dice, inputs, front, **EACH)
        # "always_last" would send the last event with the first one's data; the canvas itself waits between two.
        stream(self.sheet.input, self.on_paint, inputs, front, **EACH)
        for key, tab in self.tabs.items():
            stream(tab.select, self.arrival(key), inputs, front, **LAST)
        stream(step_by_step.start.click, self.on_change, inputs, front, **EACH)
        on(step_by_step.stop.click, self.on_cancel("run"), None, None, **DIRECT)
        on(step_by_step.scrub.input, self.on_scrub, step_by_step.scrub, [step_by_step.lanes, step_by_step.stand], **DRAG)
        on(step_by_step.scrub.release, self.on_rest, step_by_step.scrub, [step_by_step.lanes, step_by_step.stand, step_by_step.strip], **LAST)
        step_by_step.play.click(None, js=PLAY)
        on(step_by_step.strip.select, self.on_place, None, [step_by_step.lanes, step_by_step.stand, step_by_step.strip, step_by_step.scrub], **EACH)
        stream(step_by_step.branch.click, self.on_branch, inputs, front, **EACH)
        stream(step_by_step.runs.select, self.on_kept, inputs, front, **EACH)
        for suffix, button in step_by_step.savers.items():
            on(button.click, self.saver(suffix), None, step_by_step.saved, **ONCE)
        on(self.compare.start.click, self.on_compare, inputs, self.compare.outputs, **ONCE)
        on(self.compare.stop.click, self.on_cancel("grid"), None, None, **DIRECT)
        stream(self.compare.grid.select, self.on_cell, inputs, front, **EACH)
        on(self.schedules.time.input, self.on_time, inputs | {self.schedules.time}, self.schedules.stage, **DRAG)
        on(self.schedules.time.release, self.on_time_rest, inputs | {self.schedules.time}, self.schedules.outputs, **LAST)
        on(self.schedules.strip.select, self.on_time_pick, inputs, self.schedules.outputs, **EACH)

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_change(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Update the part in front after a control was released, or on demand."""
        yield from self.run_part(inputs[self.selected], self.backend.sessions.of(request), self.read(inputs), language(request))

    @friendly
    def on_begin(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        scene = self.backend.opening(inputs[self.system], inputs[self.begin])
        scene["seed"] = fields.check_seed(inputs[self.seed])
        yield from self.present(scene, inputs[self.selected], request)

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        scene = self.read(inputs) | {"seed": random.randrange(1_000_000)}
        yield {self.seed: scene["seed"]}
        yield from self.run_part(inputs[self.selected], self.backend.sessions.of(request), scene, language(request))

    @friendly
    def on_paint(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """Inpaint the painted area."""
        session = self.backend.sessions.of(request)
        paint = open_picture(html.read_uri(event.png)).convert("RGBA")
        session.mask = np.asarray(paint.getchannel("A")) > 127
        yield from self.run_part("watch", session, self.read(inputs), language(request))

    @friendly
    def on_branch(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        session, lang = self.backend.sessions.of(request), language(request)
        scene, steps = self.step_by_step.branched(session, inputs, lang)
        session.scene = scene
        yield from self.step_by_step.run(session, scene, lang, steps)
        yield self.remember(session, session.scene)

    @friendly
    def on_kept(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """Restore a kept run, or sample one of before a reload again."""
        session, lang = self.backend.sessions.of(request), language(request)
        results = session.results
        if not str(event.pick).isdecimal() or int(event.pick) >= len(results):
            raise ValueError(w.GONE.say(lang))
        session.end("run")
        picked = results[int(event.pick)][1]
        kept = next((run for run in session.runs if run.recipe == picked), None)
        if kept is None:
            yield from self.present(self.backend.scene_of(picked), self.front, request)
            return
        session.made = kept.scene | {"branches": []}
        run = session.keep(kept)
        shown = self.select(session, run.scene, lang) | self.step_by_step.show(session, run, lang)
        yield shown | self.remember(session, run.scene)

    @friendly
    def on_scrub(self, number: float, request: gr.Request) -> Updates:
        return self.step_of(number, request, strip=False)

    @friendly
    def on_rest(self, number: float, request: gr.Request) -> Updates:
        return self.step_of(number, request)

    @friendly
    def on_place(self, event: gr.EventData, request: gr.Request) -> Updates:
        return self.step_of(event.pick, request) | {self.step_by_step.scrub: int(event.pick)}

    def step_of(self, number: Any, request: gr.Request, strip: bool = True) -> dict:
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
    def on_compare(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        yield from self.compare.run(self.backend.sessions.of(request), self.read(inputs), language(request))

    @friendly
    def on_cell(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        scene = self.read(inputs)
        scene["controls"] = scene["controls"] | picked(event.pick)
        yield from self.present(scene, self.front, request)

    @friendly
    def on_time(self, inputs: dict, request: gr.Request) -> Updates:
        session, time = self.backend.sessions.of(request), int(inputs[self.schedules.time])
        return self.schedules.moved(session, self.read(inputs), time, language(request))

    @friendly
    def on_time_rest(self, inputs: dict, request: gr.Request) -> Updates:
        session, time = self.backend.sessions.of(request), int(inputs[self.schedules.time])
        return self.schedules.show(session, self.read(inputs), time, language(request))

    @friendly
    def on_time_pick(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Updates:
        time = min(999, max(0, int(event.pick)))
        return self.schedules.show(self.backend.sessions.of(request), self.read(inputs), time, language(request))

    # asked by the page ----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> set[gr.components.Component]:
        if not self.drawn:
            return set()
        knobs = {c for panel in self.setting_panels for c in panel.components.values()}
        return {self.system, self.selected, self.begin, self.seed, *knobs, *self.step_by_step.inputs}

    @property
    def outputs(self) -> list[gr.components.Component]:
        if not self.drawn:
            return []
        knobs = [c for panel in self.setting_panels for c in panel.components.values()]
        shown = [component for part in self.parts.values() for component in part.outputs]
        chosen = [self.system, self.selected, self.memory, self.cards, self.switch, self.begin, self.of_picture, self.photo, self.sheet, self.seed]
        return [*chosen, *knobs, *shown]

    @property
    def setting_panels(self) -> Sequence[Panel]:
        return self.panel, self.more, self.picture_panel

    @property
    def panels(self) -> Sequence[Panel]:
        return *self.setting_panels, self.step_by_step.panel

    def restore(self, recipe: dict, inputs: dict, request: gr.Request) -> Updates:
        session, mask = self.backend.sessions.of(request), recipe.get("mask")
        shape = self.engine.image_shape(recipe["system"])[1:]
        session.mask = encoding.unpack_mask(mask, shape) if mask else None
        return super().restore(recipe, inputs, request)

    def open_picture(self, path: str, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Run img2img (SDEdit) on a visitor's picture."""
        self.check_drawn(request)
        session = self.backend.sessions.of(request)
        session.own, session.made = read_input(Path(path).read_bytes(), language(request)), None
        if scene := self.awaited_scene(session):  # with its mask
            yield from self.present(scene, self.front, request)
            return
        session.mask = None
        scene = self.backend.opening(inputs[self.system], "picture") | {"seed": fields.check_seed(inputs[self.seed])}
        if inputs[self.begin] == "picture":
            scene = self.read(inputs)
        part = "schedules" if inputs[self.selected] == "schedules" else self.front
        yield from self.present(scene, part, request)

    def warm_up(self) -> None:
        """Sample the pictures of the cards, which the first visitor would wait for."""
        for name in self.systems:
            self.backend.card(name, "en")

    # rendering ------------------------------------------------------------------------------------------------------

    def read(self, inputs: dict) -> dict:
        """The scene with the panels' values."""
        name, begin = inputs[self.system], inputs[self.begin]
        values = {key: value for panel in self.setting_panels for key, value in panel.values(name, inputs).items()}
        known = self.backend.controls(name, begin)
        scene = self.backend.opening(name, begin)
        return scene | {"seed": fields.check_seed(inputs[self.seed]), "controls": {key: values[key] for key in known}}

    def recipe_of(self, session: DiffusionSession, scene: dict) -> dict:
        return self.backend.recipe(session, scene)

    def scene_on(self, name: str, inputs: dict, request: gr.Request) -> tuple[dict, str]:
        self.backend.sessions.of(request).mask = None
        scene = self.backend.opening(name, inputs[self.begin])
        return scene | {"seed": fields.check_seed(inputs[self.seed])}, inputs[self.selected]

    def arrive(self, key: str, before: str, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Update the part, unless the tab itself has selected it and so drawn it, or its run is on the stage."""
        session, scene = self.backend.sessions.of(request), self.read(inputs)
        if before != key and not (key == "watch" and session.made == scene):
            yield from self.run_part(key, session, scene, language(request))

    def run_part(self, key: str, session: DiffusionSession, scene: dict, lang: str) -> Iterator[Updates]:
        session.scene = scene
        if key == "watch":
            yield from self.step_by_step.run(session, scene, lang)
        elif key == "compare":
            session.end("grid")
            yield {self.compare.grid: self.compare.table({}, lang)}
        elif key == "schedules":
            yield self.schedules.show(session, scene, 600, lang)
        else:
            yield self.story.show(scene, lang)
        yield self.remember(session, session.scene)  # a newer run may have begun meanwhile

    def remember(self, session: DiffusionSession, scene: dict) -> Updates:
        """Besides the scene, the results of runs from noise, each a PNG with its recipe."""
        results = [uri for uri, recipe in session.results if recipe["verb"] == "sample"][:REMEMBERED]
        return {self.memory: {"recipe": self.recipe_of(session, scene), "results": results}}

    def remembered(self, session: DiffusionSession, memory: Any) -> dict | None:
        session.earlier = list(self.remembered_results(memory))
        return super().remembered(session, memory)

    def remembered_results(self, memory: Any) -> Iterator[tuple[str, dict]]:
        """Results that the browser remembers (untrusted), encoded anew."""
        found = memory.get("results") if isinstance(memory, dict) else None
        for uri in found[:REMEMBERED] if isinstance(found, list) else ():
            try:
                picture = open_picture(html.read_uri(uri))
                made = read_recipe(picture)
                if made and self.restores(made) and made["verb"] == "sample":
                    made = recipe.check(made)
                    yield html.png_uri(np.atleast_3d(np.asarray(picture)), made), made
            except (ValueError, TypeError, KeyError, AttributeError):
                continue

    def card(self, name: str, lang: str) -> tuple[str, str, str]:
        return self.backend.card(name, lang)

    def show_settings(self, session: DiffusionSession, scene: dict, lang: str) -> Updates:
        name = scene["system"]
        updates: Updates = {
            self.begin: scene["begin"],
            self.of_picture: gr.update(visible=scene["begin"] == "picture"),
            self.seed: scene["seed"],
        }
        for panel in self.setting_panels:
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
