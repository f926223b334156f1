"""The Train tab: all trainings above; below, the form for a new one, the progress of one, or its GAN game step by step.

A training is a job of the server (`training/jobs.py`): the page only starts, follows and controls it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from genstudio.training import jobs
from genstudio.training.jobs import Job
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import DRAG, EACH, LAST, ONCE, Variable, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.open_file import PUBLIC
from genstudio.ui.sessions import Sessions
from genstudio.ui.tab import Tab, Updates
from genstudio.ui.tabs.train import follow as following
from genstudio.ui.tabs.train import words as w
from genstudio.ui.tabs.train.follow import Follow
from genstudio.ui.tabs.train.form import TrainingForm
from genstudio.ui.tabs.train.session import TrainSession
from genstudio.ui.tabs.train.step_by_step import StepByStep

CARDS = 24


class TrainTab(Tab):
    key, title = "train", w.TAB
    picture_opened = pictures_opened = page_words.BECAME_LESSON

    def render(self) -> None:
        self.sessions = Sessions(TrainSession)
        # The visitor's id on a Space, and the selected training, restored on reload
        self.memory = gr.BrowserState({}, storage_key="genstudio-train", secret="genstudio")
        self.job = Variable("")
        self.mounted = gr.HTML(elem_id="train-mounted", js_on_load=html.MOUNTED)
        self.cards = gr.HTML(elem_id="jobs", js_on_load=html.PICK)
        with gr.Tabs(elem_id="train-views", selected="order") as self.switch:
            with gr.Tab(t(w.NEW), id="order", elem_id="train-order"):
                self.form = TrainingForm(self.sessions)
            with gr.Tab(t(w.WATCH), id="follow", elem_id="train-follow"):
                self.follow = Follow()
            with gr.Tab(t(w.STEP_BY_STEP), id="game", elem_id="train-game") as self.game_tab:
                self.game = StepByStep(self.engine)
        self.open_button = self.follow.open

    def wire(self) -> None:
        form, follow, game, inputs, outputs = self.form, self.follow, self.game, self.inputs, self.outputs
        stream, reading = self.deferred.stream, [self.form.report, self.form.go]
        on(self.mounted.expand, self.on_first, inputs, outputs, sends=[self.memory], **ONCE)
        on(self.cards.select, self.on_card, inputs, outputs, **EACH)
        stream(form.source.input, self.on_source, inputs, reading, **LAST)
        stream(form.upload.upload, self.on_upload, inputs | {form.upload}, reading, **ONCE)
        for changed in (form.folder.submit, form.folder.blur, form.set.input, form.start.input):
            stream(changed, self.on_pictures_said, inputs, reading, **LAST)
        stream(form.system.input, self.on_system, inputs, reading, **LAST)
        for name, component in form.numbers.items():
            on(component.input, self.typing(name), {component, form.system}, form.duration, **LAST)
        for name in ("crop", "reverse"):  # which the report depends on
            stream(form.numbers[name].input, self.on_read_otherwise(name), inputs, reading, **LAST)
        on(form.go.click, self.on_go, inputs, outputs, **ONCE)

        on(follow.timer.tick, self.on_tick, inputs, [self.cards, *follow.outputs], **DRAG)
        on(follow.snapshot.input, self.on_snapshot, {self.job, follow.snapshot}, follow.grids, **DRAG)
        on(follow.snapshot.release, self.on_snapshot, {self.job, follow.snapshot}, follow.grids, **DRAG)
        for button, ask in ((follow.pause, jobs.pause), (follow.resume, jobs.resume), (follow.stop, jobs.stop)):
            on(button.click, self.asking(ask), inputs, outputs, **ONCE)
        said = f"navigator.language.startsWith('fr') ? {json.dumps(w.SURE.fr)} : {json.dumps(w.SURE.en)}"
        sure = f"(...given) => {{ if (!confirm({said})) throw new Error('kept'); return given; }}"
        on(follow.delete.click, self.on_delete, inputs, outputs, js=sure, **ONCE)
        on(follow.which.input, self.on_which, inputs, follow.saved, **LAST)
        pushes = inputs | {follow.repo, follow.private}
        on(follow.push.click, self.on_push, pushes, follow.pushed, sends=[follow.repo], **ONCE)

        on(self.game_tab.select, self.on_game, inputs, game.outputs, **LAST)
        for changed in (game.whose.input, game.heat.input):
            on(changed, self.on_game, inputs, game.outputs, **LAST)
        for player, button in game.players.items():
            on(button.click, self.stepping(player), {game.count, game.heat}, [game.note, game.table], **ONCE)
        on(game.both.click, self.stepping(None), {game.count, game.heat}, [game.note, game.table], **ONCE)
        on(game.back.click, self.stepping("back"), {game.count, game.heat}, [game.note, game.table], **ONCE)

    # access ---------------------------------------------------------------------------------------------------------

    def owner(self, inputs: dict) -> str:
        """Owner of a visitor's trainings: on a Space each browser has its own, elsewhere they are shared."""
        return str((inputs[self.memory] or {}).get("owner", "")) if PUBLIC else ""

    def jobs_of(self, inputs: dict) -> list[Job]:
        return jobs.list_jobs(self.owner(inputs) if PUBLIC else None)

    def find_job(self, inputs: dict, id: Any = None) -> Job | None:
        """The selected job, or the one with an id, if it exists and belongs to the visitor."""
        id = inputs[self.job] if id is None else id
        return next((job for job in self.jobs_of(inputs) if job.id == id), None)

    def selected(self, inputs: dict, lang: str) -> Job:
        """The selected job. Raises ValueError if it is gone."""
        if (job := self.find_job(inputs)) is None:
            raise ValueError(w.GONE.say(lang))
        return job

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_first(self, inputs: dict, request: gr.Request) -> Updates:
        """First selection of the tab: the form, and the training that was selected before a reload.

        Pictures, or a training's weights, may have been opened before.
        """
        lang, memory = language(request), dict(inputs[self.memory] or {})
        if PUBLIC and not memory.get("owner"):
            memory["owner"] = secrets.token_urlsafe(18)
        inputs = inputs | {self.memory: memory, self.job: memory.get("job", "")}
        opened = self.deferred.take(request)
        updates = self.form.opening(self.sessions.of(request), lang)
        mine = self.jobs_of(inputs)
        job = self.find_job(inputs) or next(iter(mine), None)
        return updates | self.select(job, inputs, request, turn=job is not None) | opened

    @friendly
    def on_card(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Updates:
        return self.select(self.find_job(inputs, event.pick), inputs, request)

    @friendly
    def on_source(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        session, lang = self.sessions.of(request), language(request)
        yield self.form.show(session, inputs[self.form.source], lang)
        yield from self.on_pictures_said(inputs, request)

    @friendly
    def on_upload(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        yield from self.open_pictures([Path(path) for path in inputs[self.form.upload]], inputs, request)

    @friendly
    def on_pictures_said(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Update the report and the numbers after a change of the pictures or the start."""
        session, lang = self.sessions.of(request), language(request)
        if inputs[self.form.source] == "own" and not session.files and not (inputs[self.form.folder] or "").strip():
            yield {self.form.report: ""} | self.form.propose(session, inputs[self.form.system], self.form.begin(inputs), None, lang)
            return
        yield from self.form.read(session, inputs, lang)

    @friendly
    def on_system(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Update the start, the report and the numbers for another system. A list that closes without a choice sends
        the system that was there."""
        session = self.sessions.of(request)
        if session.system == inputs[self.form.system]:
            yield {}
            return
        session.system = inputs[self.form.system]
        updates = self.form.turned(inputs[self.form.system], language(request))
        inputs = inputs | {self.form.start: updates[self.form.start]["value"]}  # before Gradio modifies the update
        yield updates
        yield from self.on_pictures_said(inputs, request)

    def on_read_otherwise(self, name: str) -> Callable:
        @friendly
        def on_toggle(inputs: dict, request: gr.Request) -> Iterator[Updates]:
            self.form.type_number(self.sessions.of(request), name, inputs[self.form.numbers[name]])
            yield from self.on_pictures_said(inputs, request)

        return on_toggle

    def typing(self, name: str) -> Callable:
        @friendly
        def on_number(inputs: dict, request: gr.Request) -> str:
            session, form = self.sessions.of(request), self.form
            form.type_number(session, name, inputs[form.numbers[name]])
            return form.duration_html(session, inputs[form.system], language(request))

        return on_number

    @friendly
    def on_go(self, inputs: dict, request: gr.Request) -> Updates:
        session, lang = self.sessions.of(request), language(request)
        job = self.form.place(session, inputs, self.owner(inputs), lang)
        return self.form.show(session, inputs[self.form.source], lang) | {self.form.report: ""} | self.select(job, inputs, request)

    @friendly
    def on_tick(self, inputs: dict, request: gr.Request) -> Updates:
        lang, follow = language(request), self.follow
        job, before = self.find_job(inputs), inputs[follow.shown]
        updates = follow.show(job, self.sessions.of(request), lang, before, inputs[follow.snapshot])
        moved = {follow.grids, follow.pause} & set(updates) or updates[follow.shown].reports // 4 != before.reports // 4
        return updates | ({self.cards: self.overview(inputs, job, lang)} if moved else {})

    @friendly
    def on_snapshot(self, inputs: dict, request: gr.Request) -> str:
        job = jobs.find_job(inputs[self.job])
        return self.follow.stage(job, following.snapshots(job.folder), inputs[self.follow.snapshot], language(request))

    def asking(self, ask: Callable[[str], Job]):
        @friendly
        def on_ask(inputs: dict, request: gr.Request) -> Updates:
            lang = language(request)
            return self.select(ask(self.selected(inputs, lang).id), inputs, request)

        return on_ask

    @friendly
    def on_delete(self, inputs: dict, request: gr.Request) -> Updates:
        lang = language(request)
        jobs.delete(self.selected(inputs, lang).id)
        gr.Info(w.DELETED.say(lang), duration=4)
        return self.select(next(iter(self.jobs_of(inputs)), None), inputs, request)

    @friendly
    def on_which(self, inputs: dict, request: gr.Request) -> str:
        lang = language(request)
        return self.follow.save(self.selected(inputs, lang), inputs[self.follow.which], self.sessions.of(request), lang)

    @friendly
    def on_push(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        lang, follow = language(request), self.follow
        yield from follow.share(self.selected(inputs, lang), inputs[follow.which], inputs[follow.repo], inputs[follow.private], lang)

    @friendly
    def on_game(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        session, game = self.sessions.of(request), self.game
        yield from game.show(self.find_job(inputs), session, inputs[game.whose], inputs[game.heat], language(request))

    def stepping(self, what: str | None):
        @friendly
        def on_step(inputs: dict, request: gr.Request) -> Iterator[Updates]:
            session, game = self.sessions.of(request), self.game
            yield from game.step(session, what, int(inputs[game.count]), inputs[game.heat], language(request))

        return on_step

    # asked by the page ----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> set[gr.components.Component]:
        follow = self.follow
        return {self.memory, self.job, follow.shown, follow.snapshot, follow.which, self.game.whose, self.game.heat, *self.form.inputs}

    @property
    def outputs(self) -> list[gr.components.Component]:
        own = [self.memory, self.job, self.cards, self.switch]
        return [*own, *self.form.outputs, *self.follow.outputs, *self.game.outputs]

    def open_picture(self, path: str, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        yield from self.open_pictures([Path(path)], inputs, request)

    def open_pictures(self, paths: Sequence[Path], inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Read uploaded pictures, with a report on them."""
        session, lang = self.sessions.of(request), language(request)
        session.take(paths)
        session.drop("pictures")
        yield self.form.show(session, "own", lang) | {self.switch: gr.update(selected="order"), self.form.folder: ""}
        yield from self.form.read(session, inputs | {self.form.source: "own", self.form.folder: ""}, lang)

    def result(self, inputs: dict, request: gr.Request) -> tuple[Path, str]:
        """Weights of the selected job, and their file name."""
        lang = language(request)
        job = self.selected(inputs, lang)
        return following.chosen(job, inputs[self.follow.which], lang), following.result_name(job)

    def leave(self, request: gr.Request) -> None:
        self.sessions.leave(request)

    # rendering ------------------------------------------------------------------------------------------------------

    def select(self, job: Job | None, inputs: dict, request: gr.Request, turn: bool = True) -> dict:
        """Select a job."""
        lang = language(request)
        memory = {**(inputs[self.memory] or {}), "job": job.id if job else ""}
        updates = {self.memory: memory, self.job: memory["job"], self.cards: self.overview(inputs, job, lang)}
        if turn:
            updates[self.switch] = gr.update(selected="follow" if job else "order")
        return updates | self.follow.show(job, self.sessions.of(request), lang)

    def overview(self, inputs: dict, job: Job | None, lang: str) -> str:
        cards = [following.card(one, lang) for one in self.jobs_of(inputs)[:CARDS]]
        if not cards:
            return f'<p class="empty">{w.NONE_YET.say(lang)}</p>'
        return html.cards(cards, job.id if job else "", w.TRAININGS.say(lang))
