"""VAEs conditioned on the coefficient beta of the KL term: what it does to reconstruction, samples and map."""

from __future__ import annotations

import random
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.controls import controls, number
from genstudio.images import grid
from genstudio.recipes import encoding, recipe
from genstudio.scores.intervals import read_score
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import DRAG, LAST, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tabs.latent import words as w
from genstudio.ui.tabs.latent.keeps import squared_error
from genstudio.ui.tabs.latent.picture import PictureInput, image_of
from genstudio.ui.views.view import View, figure

MODELS = ("beta_vae_mnist", "beta_vae2d_mnist")
MAX_BETA = 10
SAMPLES = 16
OUTERMOST, MARGIN = 0.005, 0.08  # of the map: share of outliers on each side, and what is around the others
CROSSES = 64  # random latents on the map


class Coefficient(View):
    key, title = "beta", w.BETA_TITLE
    verbs = ()
    opening: dict[str, Any] = {"picture": {"seed": 7}, "beta": 1.0, "seed": 0}

    def render(self) -> None:
        gr.Markdown(t(w.BETA_HINT), elem_classes="caption")
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=220, elem_classes="end-column wide"):
                self.input = PictureInput("beta-picture", w.INPUT, self.opening["picture"]["seed"])
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                self.beta = gr.Slider(
                    0, MAX_BETA, 1, step=0.1, label=t(w.BETA), info=t(w.BETA_UNIT), elem_id="beta-beta"
                )
                self.stage = gr.HTML(elem_id="beta-stage")
                self.dice = gr.Button(
                    t(page_words.NEW_SEED_KEY), elem_classes="dice", variant="primary", scale=0, min_width=170
                )

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"beta": self.beta}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [*self.input.outputs, self.stage]

    def wire(self) -> None:
        self.input.wire(self, self.placed)
        on(self.beta.input, self.on_drag, self.inputs, self.stage, **DRAG)
        on(self.beta.release, self.on_drag, self.inputs, self.stage, **LAST)
        on(self.dice.click, self.on_dice, self.inputs, self.outputs, **LAST)

    # the scene ------------------------------------------------------------------------------------------------------

    def here(self) -> list[str]:
        return [name for name in MODELS if name in self.systems]

    def with_system(self, scene: dict, system: str) -> dict:
        return scene | {"system": system}

    # event handlers -------------------------------------------------------------------------------------------------

    def placed(self, inputs: dict, picture: dict, request: gr.Request) -> dict:
        return self.draw(self.read(inputs) | {"picture": picture}, language(request))

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> str:
        return self.stage_html(self.read(inputs), language(request))

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        return self.draw(self.read(inputs) | {"seed": random.randrange(1_000_000)}, language(request))

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        return self.draw(scene, language(request))

    # rendering ------------------------------------------------------------------------------------------------------

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        updates: dict[gr.components.Component, Any] = {self.beta: scene["beta"], self.stage: self.stage_html(scene, lang)}
        if self.here():
            image = image_of(scene["picture"], self.engine, self.here())
            return updates | self.input.show(scene["picture"], image, lang)
        return updates | {self.input.shown: ""}

    def stage_html(self, scene: dict, lang: str) -> str:
        absent = [name for name in MODELS if name not in self.systems]
        said = w.NOT_HERE.say(lang, names=", ".join(absent), system=absent[0]) if absent else ""
        missing = f'<p class="empty">{escape(said)}</p>' if absent else ""
        return "".join(self.model_html(scene, name, lang) for name in self.here()) + missing

    def model_html(self, scene: dict, name: str, lang: str) -> str:
        """Reconstruction, random samples, and the map or the scores of one model at the scene's coefficient."""
        declared = controls(self.systems[name].model.decode)
        values = {key: control.default for key, control in declared.items()}
        values["beta"] = beta = declared["beta"].kind.check("beta", scene["beta"])
        image = image_of(scene["picture"], self.engine, self.here())
        code = self.engine.encode(name, [Image.fromarray(image[..., 0])], beta=beta)[0]
        [rebuilt] = self.engine.decode(name, code[None], **values)
        made = recipe.make(self.engine.hold(name), "decode", code=encoding.pack(code), controls=values)
        error = f"<output>{number(squared_error(image, rebuilt), '.4f', lang)}</output>"
        first = figure(html.png_uri(rebuilt, made), page_words.RECONSTRUCTION.say(lang), f"{name}.png", lang, error)
        seeds = range(scene["seed"], scene["seed"] + SAMPLES)
        sheet = grid(self.engine.decode(name, self.engine.latents(name, seeds), **values), columns=4, gap=1, background=128)
        samples = figure(html.png_uri(sheet), w.RANDOM_CODES.say(lang), f"{name}-samples.png", lang)
        title = escape(self.systems[name].title.say(lang))
        flat = self.engine.hold(name).latent_dim == 2
        last = self.map_html(name, beta, lang) if flat else ""
        legend = html.legend(self.engine.hold(name).header.classes, w.DRAWN_CODES.say(lang)) if flat else ""
        stage = f'<div class="stage three">{first}{samples}{last}</div>'
        return f"<h4>{title}</h4>{stage}{legend}{self.scores_html(name, lang)}"

    def map_html(self, name: str, beta: float, lang: str) -> str:
        """Held-out images by class in the latent plane, and random latents of N(0, I) as crosses."""
        latents, labels = self.engine.map(name, beta=beta)
        if not len(latents):
            return ""
        low, high = np.quantile(latents, OUTERMOST, 0), np.quantile(latents, 1 - OUTERMOST, 0)
        low, side = low - MARGIN * (high - low), np.maximum((1 + 2 * MARGIN) * (high - low), 1e-6)
        drawn = self.engine.latents(name, range(CROSSES))
        points, crosses = ((found - low) / side * [1, -1] + [0, 1] for found in (latents, drawn))
        inside = (crosses >= 0).all(1) & (crosses <= 1).all(1)
        extent = number(float(side.max()), ".1f", lang)
        scatter = html.scatter(points, labels, crosses[inside])
        caption = f"<b>{w.MAP_OF_BETA.say(lang)}</b> <span>{w.EXTENT.say(lang, side=extent)}</span>"
        return f'<figure><div class="frame">{scatter}</div><figcaption>{caption}</figcaption></figure>'

    def scores_html(self, name: str, lang: str) -> str:
        """Reconstruction and KL of held-out images at the coefficients of the header's scores, which is untrusted."""
        scores = self.engine.hold(name).header.scores
        rows = ""
        for key in scores:
            head, _, beta = str(key).partition(" at beta ")
            if head != "KL" or not (kl := read_score(scores[key])):
                continue
            if reconstruction := read_score(scores.get(f"reconstruction at beta {beta}")):
                cells = (beta.removesuffix(" (nats)"), number(reconstruction.value, ".1f", lang), number(kl.value, ".1f", lang))
                rows += "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        head = "".join(f"<th>{title.say(lang)}</th>" for title in (w.BETA, w.RECONSTRUCTION_NATS, w.KL_NATS))
        return f'<table class="betas"><tr>{head}</tr>{rows}</table>' if rows else ""
