"""A paused GAN training on a copy, one step of D or G at a time, with D's output under each image."""

from __future__ import annotations

import time
from collections.abc import Iterator
from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from genstudio import catalog
from genstudio.controls import number
from genstudio.engine import Engine
from genstudio.model import generates
from genstudio.training import finetune, jobs
from genstudio.training.jobs import Job
from genstudio.training.step_by_step import GameState, Stepper
from genstudio.ui import html
from genstudio.ui.language import reason, t
from genstudio.ui.tabs.train import words as w
from genstudio.ui.tabs.train.session import TrainSession

SHOW_EVERY = 0.3  # seconds between two updates
HEATED = 0.65  # opacity of the heat map at its maximum


class StepByStep:
    def __init__(self, engine: Engine):
        self.engine = engine
        gr.Markdown(t(w.GAME_HINT), elem_classes="caption")
        choices = [(t(w.GAME_OF_TRAINING), ""), *playable()]
        self.whose = gr.Dropdown(choices, value="", label=t(w.GAME_OF), elem_id="game-whose")
        self.note = gr.HTML(elem_id="game-note")
        with gr.Row(elem_classes="tools", elem_id="game-tools", visible=False) as self.tools:
            self.players = {
                player: gr.Button(t(title), elem_id=f"game-{player}", min_width=130, variant="primary")
                for player, title in w.PLAYERS.items()
            }
            self.both = gr.Button(t(w.BOTH), elem_id="game-both", min_width=130)
            self.back = gr.Button(t(w.BACK), elem_id="game-back", min_width=110)
            self.count = gr.Radio([1, 10, 50], value=1, label=t(w.STEPS_A_CLICK), elem_id="game-count", min_width=240)
            self.heat = gr.Checkbox(False, label=t(w.HEAT), elem_id="game-heat", min_width=130)
        self.table = gr.HTML(elem_id="game-table")

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.note, self.tools, self.table]

    def show(self, job: Job | None, session: TrainSession, whose: str, heat: bool, lang: str) -> Iterator[dict]:
        """Updates with the game of a paused job, or of the weights `whose`."""
        if whose:
            yield from self.set_up(whose, whose, session, heat, lang)
        elif job is None or job.state in (*jobs.ACTIVE, jobs.WAITING) or not (job.folder / "state.pt").exists():
            session.game = None
            yield {self.note: f'<p class="empty">{w.NO_GAME.say(lang)}</p>', self.tools: gr.update(visible=False), self.table: ""}
        else:
            yield from self.set_up(job.id, job.folder, session, heat, lang)

    def set_up(self, key: str, source: Path | str, session: TrainSession, heat: bool, lang: str) -> Iterator[dict]:
        """Updates while the game of a run or of weights is set up, unless it stands already."""
        if session.game is None or session.game[0] != key:
            yield {self.note: html.progress(None, w.SETTING_UP.say(lang)), self.tools: gr.update(visible=False)}
            try:
                session.game = key, self.engine.turn(lambda: Stepper(source, heat=True))
            except ValueError as error:
                said = escape(reason(error, lang)) if source == key else w.NO_GAN.say(lang)
                yield {self.note: f'<p class="empty">{said}</p>', self.table: ""}
                return
        stepper = session.game[1]
        stand = self.engine.turn(stepper.stand)
        yield {self.note: "", self.tools: gr.update(visible=True), self.table: table(stand, heat, lang)}

    def step(self, session: TrainSession, what: str | None, count: int, heat: bool, lang: str) -> Iterator[dict]:
        """Updates during `count` steps of "critic" or "generator", of both (None), or one step "back"."""
        if session.game is None:
            raise ValueError(w.NO_GAME.say(lang))
        stepper = session.game[1]
        if what == "back":
            self.engine.turn(stepper.back)
        shown = 0.0
        for done in range(0 if what == "back" else count):
            if time.monotonic() - shown > SHOW_EVERY:
                shown = time.monotonic()
                yield {self.note: html.progress(done / count, w.STEP_OF.say(lang, done=done + 1, of=count))}
            self.engine.turn(lambda: stepper.advance(what))
        yield {self.note: "", self.table: table(self.engine.turn(stepper.stand), heat, lang)}


def playable() -> list[tuple[str, str]]:
    """Titles and names of the GANs that are here with their critics."""
    here = catalog.offered()
    named = [(t(system.title), name) for name, system in here.items() if generates(system.model)]
    return [(title, name) for title, name in named if finetune.has_critic(name)]


def table(stand: GameState, heat: bool, lang: str) -> str:
    """Table of generated and real images, each with D's output as a bar: from 0 (generated) to 1 (real) where it is a
    probability, else from the least of these outputs to the largest."""
    counts = ", ".join(f"{'D' if player == 'critic' else 'G'} {n}" for player, n in stand.taken.items())
    norms = {f"‖∇{'D' if player == 'critic' else 'G'}‖": norm for player, norm in stand.norms.items()}
    found = (stand.terms | norms).items()
    terms = " · ".join(f"{w.term(name, lang)} {number(value, '.3g', lang)}" for name, value in found)
    said = w.TAKEN.say(lang, counts=counts) + (f" · {terms}" if terms else "")
    fakes = heated(stand.fakes, stand.heat) if heat and stand.heat is not None else stand.fakes
    body = f'<p class="legend">{said}</p>'
    outputs = np.concatenate([stand.on_fakes, stand.on_reals])
    ends = (0.0, 1.0) if stand.probable else (float(outputs.min()), float(outputs.max()))
    for name, pictures, verdicts in ((w.MADE, fakes, stand.on_fakes), (w.REAL, stand.reals, stand.on_reals)):
        tiles = "".join(tile(picture, float(verdict), ends, lang) for picture, verdict in zip(pictures, verdicts, strict=True))
        body += f"<h4>{name.say(lang)}</h4><div class=\"verdicts\">{tiles}</div>"
    return body


def tile(picture: np.ndarray, verdict: float, ends: tuple[float, float], lang: str) -> str:
    shown, share = number(verdict, ".2f", lang), (verdict - ends[0]) / (ends[1] - ends[0] or 1)
    return (
        f'<figure>{html.picture(html.png_uri(picture), shown)}<meter min="0" max="1" value="{share:.3f}"></meter>'
        f"<figcaption>{shown}</figcaption></figure>"
    )


def heated(pictures: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Overlay images (n, h, w, c) with a heat map (n, h, w) of the critic's attention in red, all uint8."""
    colour = np.repeat(pictures, 3, 3) if pictures.shape[3] == 1 else pictures
    share = HEATED * heat[..., None] / 255
    return (colour * (1 - share) + np.array([225, 29, 72]) * share).astype(np.uint8)
