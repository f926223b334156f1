"""The Lab tab: models that learn points in the plane, trained live on the server, one or two side by side; games
compared; and what norms average.

Steps are taken on the engine's thread in short turns, between those of other visitors; a frame follows each turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from genstudio.controls import Control, Refusal, Text, controls
from genstudio.data.points import of_picture
from genstudio.images import open_picture
from genstudio.recipes import fields
from genstudio.training.live import recipe_of, settings_of
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.assets import asset
from genstudio.ui.events import EACH, LAST, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.panels import component, shown_value
from genstudio.ui.sessions import Sessions
from genstudio.ui.tab import Tab, Updates
from genstudio.ui.tabs.lab import stage
from genstudio.ui.tabs.lab import words as w
from genstudio.ui.tabs.lab.figures import Figure
from genstudio.ui.tabs.lab.games import GamesCompared
from genstudio.ui.tabs.lab.norms import Norms
from genstudio.ui.tabs.lab.presets import PRESETS, Preset
from genstudio.ui.tabs.lab.session import MODELS, PAUSES, STEPS, LabSession, all_settings

FRAME = 1 / 20  # seconds from one frame to the next, at least
VIEWS = ("games", "norms")  # that a link may name, beside the presets
ALWAYS = ("model", "game")  # settings above the folded ones


class LabTab(Tab):
    key, title = "lab", w.TAB
    picture_opened = w.PICTURE_OPENED
    linked = True

    def render(self) -> None:
        self.sessions = Sessions(LabSession)
        self.settings = all_settings()
        self.memory = gr.BrowserState({}, storage_key="genstudio-lab", secret="genstudio")
        with gr.Tabs(elem_id="lab-views", selected="points") as self.switch:
            with gr.Tab(t(w.POINTS), id="points"):
                self.render_points()
            with gr.Tab(t(w.GAMES), id="games"):
                self.games = GamesCompared()
            with gr.Tab(t(w.NORMALIZATION), id="norms"):
                self.norms = Norms()

    def render_points(self) -> None:
        self.mounted = gr.HTML(elem_id="lab-mounted", js_on_load=html.MOUNTED)
        gr.Markdown(t(w.HINT), elem_classes="caption")
        self.presets = gr.HTML(elem_id="lab-presets", js_on_load=html.PICK)
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                with gr.Row(elem_classes="tools", elem_id="lab-tools"):
                    self.play = gr.Button(t(w.PLAY), elem_id="lab-play", variant="primary", min_width=110)
                    self.players = {
                        player: gr.Button(t(title), elem_id=f"lab-{player}", min_width=110)
                        for player, title in w.PLAYERS.items()
                    }
                    self.reset = gr.Button(t(w.RESET), elem_id="lab-reset", min_width=110)
                self.note = gr.HTML(elem_id="lab-note")
                self.stage = gr.HTML(
                    "", html_template='<div class="lab"></div>', js_on_load=asset("lab.js"), elem_id="lab-stage"
                )
                gr.Markdown(t(w.STAGE), elem_classes="caption")
            with gr.Column(scale=4, min_width=260, elem_classes="end-column wide"):
                self.render_settings()

    def render_settings(self) -> None:
        points = [(t(title), name) for name, title in w.DISTRIBUTIONS.items()]
        self.data = gr.Dropdown(points, value="ring", label=t(w.DATA), info=t(w.DATA_HINT), elem_id="lab-data")
        with gr.Column(visible=False, elem_id="lab-sheet") as self.drawing:
            self.sheet = gr.HTML(elem_id="lab-pad", js_on_load=html.PAD)
        speeds = [(t(title), name) for name, title in w.SPEEDS.items()]
        self.speed = gr.Dropdown(speeds, value="ten", label=t(w.SPEED), elem_id="lab-speed")
        self.components = {name: self.component(name, "lab") for name in ALWAYS}
        optimization = list(controls(recipe_of))
        rules = [name for name in self.settings if name not in (*ALWAYS, *optimization)]
        with gr.Accordion(t(w.RULES), open=False, elem_id="lab-rules"):
            self.components |= {name: self.component(name, "lab") for name in rules}
        with gr.Accordion(t(w.OPTIMIZATION), open=False, elem_id="lab-optimization"):
            self.components |= {name: self.component(name, "lab") for name in optimization}
            self.seed = gr.Number(
                0, precision=0, minimum=0, label=t(page_words.SEED), info=t(w.SEED_HINT), elem_id="lab-seed"
            )
        choices = [(t(control.kind.title), name) for name, control in self.settings.items()]
        self.different = gr.Dropdown(
            choices, value=[], multiselect=True, label=t(w.DIFFERENT), info=t(w.DIFFERENT_HINT), elem_id="lab-different"
        )
        self.others = {name: self.other(name) for name in self.settings}

    def component(self, name: str, place: str) -> gr.components.Component:
        made = component(self.settings[name], f"{place}-{name.replace('_', '-')}", {}, hints=name != "model")
        made.visible = name == "model" or name in settings_of(MODELS[0])
        return made

    def other(self, name: str) -> gr.components.Component:
        """Component of a setting of the second training, out of sight until it differs in it."""
        made, title = self.component(name, "lab-other"), self.settings[name].kind.title
        label = Text(*(w.SECOND.say(lang, title=title.say(lang)) for lang in Text._fields))
        made.visible, made.label = False, t(label)
        return made

    def wire(self) -> None:
        stream, front = self.deferred.stream, self.front
        stream(self.mounted.expand, self.on_first, {self.memory}, front, sends=[self.memory], **ONCE)
        stream(self.presets.select, self.on_preset, None, front, **EACH)
        on(self.play.click, self.on_play, None, front, **EACH)
        for player, button in self.players.items():
            on(button.click, self.stepping(player), None, front, **ONCE)
        on(self.reset.click, self.on_reset, None, front, **EACH)
        on(self.stage.collapse, self.on_hidden, None, None, **EACH)
        on(self.speed.input, self.on_speed, {self.speed}, self.memory, **LAST)
        on(self.data.input, self.on_data, {self.data}, [*front, self.drawing, self.sheet], **LAST)
        on(self.sheet.input, self.on_drawing, None, front, **EACH)
        on(self.seed.input, self.on_seed, {self.seed}, front, **LAST)
        for name, one in self.components.items():
            # Another model has other settings.
            updates = self.outputs if name == "model" else front
            on(one.input, self.changing(name, one), {one}, updates, **LAST)
        for name, one in self.others.items():
            on(one.input, self.changing_other(name, one), {one}, front, **LAST)
        on(self.different.input, self.on_different, {self.different}, [*front, *self.others.values()], **LAST)
        self.games.wire()
        self.norms.wire()

    @property
    def front(self) -> list[gr.components.Component]:
        """Components that change while a training runs."""
        return [self.stage, self.play, self.note, self.memory]

    @property
    def outputs(self) -> list[gr.components.Component]:
        own = [self.switch, self.presets, self.data, self.drawing, self.sheet, self.speed, self.seed, self.different]
        return [*self.front, *own, *self.components.values(), *self.others.values()]

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_first(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """First selection of the tab: a link's preset, which plays at once, what was here before a reload, or a ring to
        learn."""
        session, lang = self.sessions.of(request), language(request)
        if not session.awaits and not session.sides:
            self.engine.turn(lambda: session.recall(inputs[self.memory]))
        opened = self.deferred.take(request)  # the session has all of it but the view that a link names
        view = {self.switch: opened[self.switch]} if self.switch in opened else {}
        first = view | {self.presets: presets_html(session, lang), self.stage: self.frame(session, lang)}
        yield first | self.settings_shown(session) | self.said(session, lang)
        if session.awaits:
            session.awaits = False
            yield from self.playing(session, lang)

    @friendly
    def on_preset(self, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        session, lang = self.sessions.of(request), language(request)
        self.engine.turn(lambda: session.take(PRESETS[known(event.pick)]))
        yield {self.presets: presets_html(session, lang)} | self.settings_shown(session) | self.said(session, lang)
        yield from self.playing(session, lang)

    @friendly
    def on_play(self, request: gr.Request) -> Iterator[Updates]:
        """Play, or pause what plays."""
        session, lang = self.sessions.of(request), language(request)
        if session.running:
            session.end("play", cancelled=True)
            yield {}  # Gradio empties the outputs of a generator without items
            return
        self.engine.turn(session.leave_figure)
        yield from self.playing(session, lang)

    def stepping(self, player: str) -> Callable:
        @friendly
        def on_step(request: gr.Request) -> Updates:
            session, lang = self.sessions.of(request), language(request)
            session.end("play", cancelled=True)
            self.engine.turn(lambda: session.step(player))
            return {self.stage: self.frame(session, lang)}

        return on_step

    @friendly
    def on_reset(self, request: gr.Request) -> Updates:
        session, lang = self.sessions.of(request), language(request)
        self.engine.turn(session.start)
        return {self.stage: self.frame(session, lang)}

    @friendly
    def on_hidden(self, request: gr.Request) -> None:
        """Pause where another tab is in front."""
        self.sessions.of(request).end("play", cancelled=True)

    @friendly
    def on_speed(self, inputs: dict, request: gr.Request) -> Updates:
        session = self.sessions.of(request)
        session.speed = inputs[self.speed] if inputs[self.speed] in STEPS else session.speed
        return {self.memory: session.memory}

    @friendly
    def on_data(self, inputs: dict, request: gr.Request) -> Updates:
        session, lang, data = self.sessions.of(request), language(request), inputs[self.data]
        pad = {self.drawing: gr.update(visible=data == "drawing")}
        if data == "drawing":
            pad[self.sheet] = html.pad(w.CLEAR.say(lang), html.PENS[:1], every=400)
            if "drawing" not in session.own:
                return pad  # until something is drawn, training goes on
        return pad | self.changed(session, lambda: session.learn(data), lang)

    @friendly
    def on_drawing(self, event: gr.EventData, request: gr.Request) -> Updates:
        session, points = self.sessions.of(request), of_picture(open_picture(html.read_uri(event.png)))
        return self.changed(session, lambda: session.learn("drawing", points), language(request))

    @friendly
    def on_seed(self, inputs: dict, request: gr.Request) -> Updates:
        session, seed = self.sessions.of(request), fields.check_seed(inputs[self.seed])

        def change() -> None:
            session.seed = seed
            session.start()

        return self.changed(session, change, language(request))

    def changing(self, name: str, one: gr.components.Component) -> Callable:
        @friendly
        def on_setting(inputs: dict, request: gr.Request) -> Updates:
            session, lang = self.sessions.of(request), language(request)
            value = self.settings[name].kind.check(name, inputs[one])
            if name != "model":
                return self.changed(session, lambda: session.set(name, value), lang)
            updates = self.changed(session, lambda: session.choose(value), lang)
            return updates | self.settings_shown(session)

        return on_setting

    def changing_other(self, name: str, one: gr.components.Component) -> Callable:
        @friendly
        def on_other(inputs: dict, request: gr.Request) -> Updates:
            session, value = self.sessions.of(request), self.settings[name].kind.check(name, inputs[one])
            return self.changed(session, lambda: session.set_other(name, value), language(request))

        return on_other

    @friendly
    def on_different(self, inputs: dict, request: gr.Request) -> Updates:
        session, names = self.sessions.of(request), [name for name in inputs[self.different] if name in self.settings]
        updates = self.changed(session, lambda: session.differ(names), language(request))
        return updates | self.others_shown(session)

    # asked by the page ----------------------------------------------------------------------------------------------

    def open_picture(self, path: str, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Learn the dots of a picture."""
        session, points = self.sessions.of(request), of_picture(open_picture(Path(path)))
        updates = self.changed(session, lambda: session.learn("picture", points), language(request))
        points = {self.switch: gr.update(selected="points"), self.drawing: gr.update(visible=False)}
        yield updates | points | {self.data: "picture"}

    def open_link(self, word: str, request: gr.Request) -> Updates:
        """Show a view, or take a preset, which plays once the tab is selected."""
        if word in VIEWS:
            return {self.switch: gr.update(selected=word)}
        session, preset = self.sessions.of(request), PRESETS[known(word)]
        self.engine.turn(lambda: session.take(preset))
        session.awaits = True
        return {}

    def leave(self, request: gr.Request) -> None:
        self.sessions.leave(request)

    # playing --------------------------------------------------------------------------------------------------------

    def playing(self, session: LabSession, lang: str) -> Iterator[Updates]:
        """Frames, each after some steps, until the visitor pauses or leaves, or nothing can go on."""
        run = session.begin("play")
        yield {self.play: gr.update(value=t(w.PAUSE)), self.stage: self.frame(session, lang)}
        sound = bool(session.sides)
        while sound and not run.stopped:
            started = time.monotonic()
            sound = self.engine.turn(session.advance)
            yield {self.stage: self.frame(session, lang)}
            time.sleep(max(0.0, PAUSES.get(session.speed, FRAME) - (time.monotonic() - started)))
        if run.cancelled or not run.stopped:
            run.stopped = True
            yield {self.play: gr.update(value=t(w.PLAY))}

    def changed(self, session: LabSession, change: Callable[[], Any], lang: str) -> Updates:
        """Change something between two turns. What plays shows it by itself."""
        self.engine.turn(change)
        return self.said(session, lang) | ({} if session.running else {self.stage: self.frame(session, lang)})

    def frame(self, session: LabSession, lang: str) -> str:
        self.engine.turn(session.begin_training)
        return self.engine.turn(lambda: stage.frame(session, lang))

    # rendering ------------------------------------------------------------------------------------------------------

    def said(self, session: LabSession, lang: str) -> Updates:
        """Updates of the sentence on a preset, and of what the browser keeps."""
        note = preset_html(session.preset, lang) if session.preset else ""
        return {self.note: note, self.memory: session.memory}

    def settings_shown(self, session: LabSession) -> Updates:
        """Updates of all settings, with those of the session's model in sight."""
        own = {"model", *settings_of(session.model)}
        values = {"model": session.model} | session.values
        updates = {
            one: shown(self.settings[name], name in own, values.get(name, self.settings[name].default))
            for name, one in self.components.items()
        }
        updates |= {self.data: session.data, self.speed: session.speed, self.seed: session.seed}
        updates |= {self.drawing: gr.update(visible=session.data == "drawing"), self.different: [*session.different]}
        return updates | self.others_shown(session)

    def others_shown(self, session: LabSession) -> Updates:
        """Updates of the settings of the second training: those in which it differs are in sight."""
        return {
            one: shown(self.settings[name], name in session.different, session.different.get(name))
            for name, one in self.others.items()
        }


def shown(control: Control, visible: bool, value: Any) -> dict:
    """Update of a setting's component."""
    if value is None:
        return gr.update(visible=visible)
    return gr.update(visible=visible, value=shown_value(control.kind, value))


def known(key: Any) -> str:
    """The key of a preset. Raises ValueError for any other word."""
    if key not in PRESETS:
        raise Refusal(f"the lab has no preset {str(key)[:40]!r}", f"le labo n’a pas d’exemple {str(key)[:40]!r}")
    return key


def presets_html(session: LabSession, lang: str) -> str:
    chosen = session.preset.key if session.preset else ""
    buttons = "".join(
        f'<button data-pick="{key}" aria-pressed="{str(key == chosen).lower()}">'
        f"{escape(preset.title.say(lang))}</button>"
        for key, preset in PRESETS.items()
    )
    name = escape(w.PRESETS.say(lang), quote=True)
    group = f'<div class="cards lab-presets" role="group" aria-label="{name}">{buttons}</div>'
    return f'<p class="legend">{name}</p>{group}'


def preset_html(preset: Preset | Figure, lang: str) -> str:
    paper = f'<a href="{preset.link}" target="_blank" rel="noopener">{w.PAPER.say(lang)}</a>'
    claim, equation = escape(preset.sentence.say(lang)), escape(preset.equation)
    return f'<p class="claim"><b>{claim}</b> <code>{equation}</code> {paper}</p>'
