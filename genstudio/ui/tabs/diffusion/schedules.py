"""Linear and cosine noise schedules side by side, with the same image and the same noise."""

from __future__ import annotations

import gradio as gr
import numpy as np

from genstudio.controls import number
from genstudio.engine.trajectory import noised
from genstudio.samplers.schedule import Schedule
from genstudio.ui import html
from genstudio.ui.language import t
from genstudio.ui.tabs.diffusion import words as w
from genstudio.ui.tabs.diffusion.backend import DiffusionBackend
from genstudio.ui.tabs.diffusion.session import DiffusionSession

PLANS = (("linear", w.LINEAR), ("cosine", w.COSINE))
COLOURS = {"linear": "linear", "cosine": "spherical"}  # the page's two curve colours
COLUMNS = 9
FLOOR = 40.0  # dB at which the curves end: less signal is invisible


class Schedules:
    def __init__(self, backend: DiffusionBackend):
        self.backend = backend
        gr.Markdown(t(w.SCHEDULES_HINT), elem_classes="caption")
        self.stage = gr.HTML(html.WAITING, elem_id="plans")
        self.time = gr.Slider(0, 999, 600, step=1, label=t(w.TIME), elem_id="plan-time")
        self.strip = gr.HTML(elem_id="plan-strip", js_on_load=html.PICK)

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.stage, self.time, self.strip]

    def show(self, session: DiffusionSession, scene: dict, time: int, lang: str) -> dict:
        return self.moved(session, scene, time, lang) | {self.time: time, self.strip: self.rows(session, scene, time, lang)}

    def moved(self, session: DiffusionSession, scene: dict, time: int, lang: str) -> dict:
        """Both noised images at a timestep, and the curves."""
        picture, figures, alphas, ratios = self.backend.fitted(session, scene["system"]), "", [], []
        times = np.linspace(0, 999, 101).astype(int).tolist()
        for kind, label in PLANS:
            plan = Schedule(kind)
            [image] = noised(picture, plan, [time], scene["seed"])
            said = "ᾱ = " + number(plan.alpha_bar(time), ".3f", lang)
            shown = f'<div class="frame">{html.picture(html.png_uri(image), label.say(lang))}</div>'
            figures += (
                f'<figure class="{COLOURS[kind]}">{shown}<figcaption><b>{label.say(lang)}</b>'
                f"<output>{said}</output></figcaption></figure>"
            )
            alphas.append((COLOURS[kind], [plan.alpha_bar(t) for t in times]))
            ratios.append((COLOURS[kind], [float(np.clip(10 * np.log10(plan.signal_to_noise(t)), -FLOOR, FLOOR)) for t in times]))
        curves = ""
        for lines, reference, label in ((alphas, 0.5, w.LEFT), (ratios, 0.0, w.RATIO)):
            note = label.say(lang)
            curves += f'<div>{html.curve(lines, time / 999, reference, note)}<p class="legend">{note}</p></div>'
        return {self.stage: f'<div class="stage">{figures}</div><div class="curves">{curves}</div>'}

    def rows(self, session: DiffusionSession, scene: dict, time: int, lang: str) -> str:
        picture, times = self.backend.fitted(session, scene["system"]), np.linspace(0, 999, COLUMNS).astype(int).tolist()
        rows = [
            (label.say(lang), [html.png_uri(i) for i in noised(picture, Schedule(kind), times, scene["seed"])])
            for kind, label in PLANS
        ]
        return html.strip(rows, times, time, lang)
