"""Pictures written token by token: live, afterwards with a slider, and branches from any token."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np

from genstudio.controls import Refusal, number
from genstudio.engine import tokens
from genstudio.engine.tokens import TokenStep
from genstudio.recipes import fields
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import DIRECT, DRAG, EACH, LAST, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.panels import Panel
from genstudio.ui.tab import Updates
from genstudio.ui.tabs.tokens import pieces
from genstudio.ui.tabs.tokens import words as w
from genstudio.ui.tabs.tokens.session import Host, TokensSession

SHOW_EVERY = 0.05  # seconds between two updates


class Writing:
    """The part of the tab, drawn inside the current `gr.Tab`; without a prior, one sentence."""

    def __init__(self, tab: Host):
        self.tab = tab
        self.render()

    def render(self) -> None:
        if not self.tab.priors:
            gr.Markdown(t(w.NO_PRIOR))
            return
        gr.Markdown(t(w.WRITING_HINT), elem_classes="caption")
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=250, elem_classes="end-column wide"):
                titles = [(t(prior.title), name) for name, prior in self.tab.priors.items()]
                self.prior = gr.Dropdown(titles, value=titles[0][1], label=t(w.PRIOR), elem_id="tokens-prior")
                self.panel = Panel(self.tab.priors, "sample", "tokens")
                self.seed = gr.Number(1, precision=0, minimum=0, label=t(page_words.SEED), elem_id="tokens-seed")
                self.dice = gr.Button(t(page_words.NEW_SEED_KEY), elem_id="tokens-dice", elem_classes="dice")
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                with gr.Row(elem_classes="tools"):
                    self.start = gr.Button(t(w.WRITE), elem_id="tokens-write", variant="primary", min_width=150)
                    self.complete = gr.Button(t(w.COMPLETE), elem_id="tokens-complete", min_width=150)
                    self.stop = gr.Button(t(page_words.STOP), elem_id="tokens-stop", variant="stop", min_width=100, visible=False)
                self.written = gr.HTML(elem_id="tokens-written", js_on_load=html.PICK)
                self.likely = gr.HTML(elem_id="tokens-likely", js_on_load=html.PICK)
                self.scrub = gr.Slider(1, 64, 64, step=1, label=t(w.SCRUB), elem_id="tokens-scrub")
                self.said = gr.HTML(elem_id="tokens-said")

    def wire(self) -> None:
        if not self.tab.priors:
            return
        stream, live = self.tab.deferred.stream, [self.written, self.likely, self.said, self.stop]
        reads = {self.prior, self.seed, *self.panel.components.values()}
        stream(self.prior.input, self.on_prior, {self.prior}, [self.likely], **LAST)
        stream(self.start.click, self.on_write, reads, live, **EACH)
        stream(self.dice.click, self.on_dice, reads, live, **EACH)
        stream(self.complete.click, self.on_complete, reads, live, **EACH)
        on(self.stop.click, self.on_cancel, None, None, **DIRECT)
        on(self.scrub.input, self.on_scrub, self.scrub, [self.written, self.likely], **DRAG)
        on(self.written.select, self.on_cell, None, [self.written, self.likely, self.scrub], **EACH)
        stream(self.likely.select, self.on_branch, reads, live, **EACH)

    @property
    def outputs(self) -> list[gr.components.Component]:
        if not self.tab.priors:
            return []
        own = [self.prior, self.written, self.likely, self.said, self.stop, self.scrub, self.seed]
        return [*own, *self.panel.components.values()]

    def offer(self, name: str) -> Updates:
        """Updates for another tokenizer: its first prior, and an empty stage."""
        own = [prior for prior in tokens.priors_of(name) if prior in self.tab.priors]
        if not own:
            return {}
        return {self.prior: own[0], self.written: "", self.likely: "", self.said: ""} | self.panel.show(own[0])

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_prior(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        yield self.panel.show(self.tab.check_prior(inputs[self.prior]))

    @friendly
    def on_write(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        session = self.tab.sessions.of(request)
        yield from self.written_from(session, inputs, None, None, language(request))

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        seed = random.randrange(1_000_000)
        yield {self.seed: seed}
        yield from self.written_from(self.tab.sessions.of(request), inputs | {self.seed: seed}, None, None, language(request))

    @friendly
    def on_complete(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Keep the upper half of the picture's tokens, and write the others."""
        session = self.tab.with_picture(request)
        upper = np.arange(len(session.tokens)) < len(session.tokens) // 2
        yield from self.written_from(session, inputs, session.tokens, upper, language(request))

    @friendly
    def on_scrub(self, at: Any, request: gr.Request) -> Updates:
        session = self.tab.sessions.of(request)
        if not session.steps:
            raise Refusal(*w.NOTHING_WRITTEN)
        session.at, session.focus = min(max(1, int(at)), len(session.steps)) - 1, 0
        return self.step_shown(session, language(request))

    @friendly
    def on_cell(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Go back to the step that wrote a place."""
        session = self.tab.sessions.of(request)
        place = self.tab.index(event.pick, len(session.given) if session.steps else 1)
        for number_, step in enumerate(session.steps):
            if place in step.written.tolist():
                session.at, session.focus = number_, step.written.tolist().index(place)
                return self.step_shown(session, language(request)) | {self.scrub: number_ + 1}
        return {}

    @friendly
    def on_branch(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """Choose another token at the place on the stage, and let the rest be written again."""
        session, lang = self.tab.sessions.of(request), language(request)
        if not session.steps:
            raise Refusal(*w.NOTHING_WRITTEN)
        left = session.steps[session.at]
        place, before = int(left.written[session.focus]), session.steps[: session.at]
        numbers = left.tokens.copy()
        numbers[place] = self.tab.index(event.pick, tokens.exact_model(self.tab.engine, session.prior, "write").model.vocabulary)
        [image] = tokens.detokenize(self.tab.engine, session.system, numbers[None], left.known[None])
        changed = replace(left, tokens=numbers, image=image)
        columns = self.tab.grid(session.system)[1]
        said = w.BRANCHED.say(lang, **pieces.where(place, columns))
        yield from self.run(session, [*before, changed], numbers, left.known, session.given, lang, said)

    def on_cancel(self, request: gr.Request) -> None:
        self.tab.sessions.of(request).end("write", cancelled=True)

    # writing --------------------------------------------------------------------------------------------------------

    def written_from(
        self, session: TokensSession, inputs: dict, numbers: np.ndarray | None, known: np.ndarray | None, lang: str
    ) -> Iterator[Updates]:
        """Write with the panel's controls, around the tokens that are `known`."""
        session.prior = self.tab.check_prior(inputs[self.prior])
        system = self.tab.priors[session.prior].companions["tokenizer"]
        if system != session.system:
            self.tab.open_system(session, self.tab.check_system(system), lang)
        values = self.panel.values(session.prior, inputs)
        session.values = values | {"seed": fields.check_seed(inputs[self.seed])}
        given = np.zeros(np.prod(self.tab.grid(session.system)), bool) if known is None else known
        yield from self.run(session, [], numbers, known, given, lang)

    def run(
        self, session: TokensSession, before: list[TokenStep], numbers: np.ndarray | None, known: np.ndarray | None,
        given: np.ndarray, lang: str, said: str = "",
    ) -> Iterator[Updates]:  # fmt: skip
        """Updates while a picture is written, after the steps `before` of a branch."""
        run, started, shown_at = session.begin("write"), time.monotonic(), 0.0
        session.steps, session.given = list(before), given
        yield {self.stop: gr.update(visible=True), self.said: html.progress(None, w.WRITING.say(lang))}
        steps = []
        if known is None or not known.all():
            values = dict(session.values)
            seed = values.pop("seed")
            steps = tokens.write(self.tab.engine, session.prior, seed, numbers, known, **values)
            with closing(steps):
                for step in steps:
                    if run.stopped:
                        break
                    session.steps.append(step)
                    session.at, session.focus = len(session.steps) - 1, 0
                    if time.monotonic() - shown_at > SHOW_EVERY:
                        shown_at = time.monotonic()
                        yield self.step_shown(session, lang)
        if run.stopped and not run.cancelled:
            return  # replaced by a newer run, which updates the page
        run.stopped = True
        session.at = max(0, len(session.steps) - 1)
        calls = len(session.steps) - len(before)
        took = number(time.monotonic() - started, ".2f", lang)
        count = sum(len(step.written) for step in session.steps[len(before) :])
        note = w.TOOK.say(lang, tokens=count, seconds=took, calls=calls) + (f" · {said}" if said else "")
        last = {self.stop: gr.update(visible=False), self.said: f'<p class="legend">{note}</p>'}
        if session.steps:
            most = len(session.steps)
            last |= self.step_shown(session, lang) | {self.scrub: gr.update(maximum=max(2, most), value=most)}
        yield last

    def step_shown(self, session: TokensSession, lang: str) -> Updates:
        """Updates with the step on the stage: the picture, the entropy of what is written by then, the likeliest tokens."""
        shape, step = self.tab.grid(session.system), session.steps[session.at]
        entries, _ = tokens.codebook(self.tab.engine, session.system)
        entropy = {
            int(place): float(bits)
            for one in session.steps[: session.at + 1]
            for place, bits in zip(one.written, one.entropy, strict=True)
        }
        place = int(step.written[session.focus])
        counted = w.STEP.say(lang, step=session.at + 1, steps=len(session.steps), calls=session.at + 1)
        figures = [
            pieces.figure(w.SO_FAR.say(lang), counted, pieces.framed(step.image, w.SO_FAR.say(lang))),
            pieces.figure(
                w.DOUBT.say(lang), w.DOUBT_NOTE.say(lang), pieces.doubt_grid(entropy, session.given, shape, place, lang)
            ),
        ]
        likely = pieces.likely(step, session.focus, entries, lang)
        at = w.LIKELY_NOTE.say(lang, **pieces.where(place, shape[1]))
        return {
            self.written: f'<div class="stage">{"".join(figures)}</div>',
            self.likely: f"<h3>{w.LIKELY.say(lang)} <small>{at}</small></h3>{likely}",
        }
