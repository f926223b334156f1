"""Directions in a latent space as sliders: largest effect, principal components, single dimensions, named ones."""

from __future__ import annotations

import random
from typing import Any

import gradio as gr
import numpy as np

from genstudio.controls import Text
from genstudio.recipes import fields
from genstudio.recipes.latents import steered
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.endpoint import Endpoint
from genstudio.ui.events import DRAG, LAST, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tabs.latent import words as w
from genstudio.ui.views.direction_controls import (
    AT_ONCE,
    DirectionSliders,
    NamedDirections,
    moves,
    names_of,
    page_at,
    picked,
)
from genstudio.ui.views.view import View, figure

DIRECTION_TITLES = {"effect": w.BY_EFFECT, "pca": page_words.BY_PCA, "dimension": w.BY_DIMENSION}
REACH = 3  # range in standard deviations
TICKS = [-3, -2, -1, 0, 1, 2, 3]  # positions of the strip beside a slider


class Directions(View):
    key, title = "directions", Text("Directions", "Directions")
    verbs = ("steer",)
    opening = {"from": {"seed": 33}, "by": {}, "kind": "effect", "first": 0, "own": None, "amount": 0.0}

    def render(self) -> None:
        self.named = NamedDirections("genstudio-directions", lambda own: {"by": fields.check_by(own["by"])})
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=200, elem_classes="end-column"):
                self.ends = {"from": Endpoint("directions-from", "from", w.FROM, self.opening["from"]["seed"])}
            with gr.Column(scale=8, min_width=320, elem_classes="stage-column"):
                self.stage = gr.HTML(html.WAITING_ONE, elem_id="directions-stage")
                gr.Markdown(t(w.TICKS_HINT), elem_classes="caption")
                self.strip = gr.HTML(elem_id="directions-strip", js_on_load=html.PICK)
                with gr.Row(elem_classes="tools"):
                    self.add_panel()
                    self.dice = gr.Button(t(page_words.NEW_SEED_KEY), elem_classes="dice", variant="primary", scale=0, min_width=170)
            with gr.Column(scale=6, min_width=260, elem_classes="end-column wide"):
                self.kind = gr.Radio(
                    [(t(label), kind) for kind, label in DIRECTION_TITLES.items()], value="effect", label=t(w.DIRECTIONS_KIND),
                    info=t(w.DIRECTIONS_HINT), elem_id="directions-kind",
                )  # fmt: skip
                self.directions = DirectionSliders("directions", "direction", REACH)
                gr.Markdown(t(w.OWN_HINT), elem_classes="caption")
                self.named.render("own", "own-list")
                self.amount = gr.Slider(-REACH, REACH, 0, step=0.05, label=t(page_words.HOW_FAR), elem_id="own-amount", visible=False)

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"kind": self.kind, "amount": self.amount}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [self.stage, self.strip, self.named.chips, *self.directions.steps]

    @property
    def user_inputs(self) -> list[gr.components.Component]:
        return [*super().user_inputs, *self.directions.steps]

    @property
    def inputs(self) -> set[gr.components.Component]:
        return super().inputs | {self.named.stored}

    def wire(self) -> None:
        for slider in (*self.directions.steps, self.amount, *self.control_inputs):
            on(slider.input, self.on_drag, self.inputs, self.stage, **DRAG)
            self.redraw_after(slider)
        on(self.kind.input, self.on_kind, self.inputs, self.all_outputs, **LAST)
        self.directions.wire(self.pager, self.on_reset, self.inputs, self.all_outputs)
        on(self.strip.select, self.on_tick, self.inputs, self.all_outputs, **ONCE)
        on(self.dice.click, self.on_dice, self.inputs, self.all_outputs, **LAST)
        self.named.wire(self.on_save, self.on_named, self.inputs, self.all_outputs)
        for end in self.ends.values():
            end.wire(self)

    # the scene ------------------------------------------------------------------------------------------------------

    def scene_of(self, found: dict) -> dict:
        """Scene of a recipe, with its first direction on the sliders."""
        kind, _, number = next(iter(found["by"]), "effect 1").partition(" ")
        return super().scene_of(found) | {"kind": kind, "first": (int(number) - 1) // AT_ONCE * AT_ONCE}

    def read(self, inputs: dict) -> dict:
        scene, before = super().read(inputs), inputs[self.scene]
        own = before["own"] and self.named.find(inputs, before["system"], before["own"]["name"])
        return scene | {"by": self.directions.read(self.page(before), before["by"], inputs), "own": own}

    def page(self, scene: dict) -> list[str]:
        """Names of the directions of the sliders."""
        return names_of(scene["kind"], scene["first"], len(self.engine.directions(scene["system"], scene["kind"])))

    def moved_by(self, scene: dict) -> dict[str, float]:
        """Sum of the sliders and the scaled named direction: amounts by direction."""
        by = dict(scene["by"])
        for name, amount in (scene["own"] or {"by": {}})["by"].items():
            by[name] = by.get(name, 0.0) + scene["amount"] * amount
        return {name: round(amount, 4) for name, amount in by.items() if round(amount, 4)}

    def recipe_of(self, scene: dict) -> dict:
        start = {k: scene["from"][k] for k in ("seed", "code") if k in scene["from"]}
        return self.recipe(scene, "steer", **{"from": start}, by=self.moved_by(scene))

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> str:
        return self.stage_html(self.read(inputs), language(request))

    @friendly
    def on_kind(self, inputs: dict, request: gr.Request) -> dict:
        return self.present(self.read(inputs) | {"first": 0}, inputs, request)

    def pager(self, pages: int):
        @friendly
        def on_page(inputs: dict, request: gr.Request) -> dict:
            scene = self.read(inputs)
            count = len(self.engine.directions(scene["system"], scene["kind"]))
            return self.present(scene | {"first": page_at(scene["first"], pages, count)}, inputs, request)

        return on_page

    @friendly
    def on_reset(self, inputs: dict, request: gr.Request) -> dict:
        return self.present(self.read(inputs) | {"by": {}, "amount": 0.0}, inputs, request)

    @friendly
    def on_tick(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        """Move a slider to the position of a clicked image of its strip."""
        scene = self.read(inputs)
        name, _, amount = str(event.pick).partition(":")
        fields.check_by({name: float(amount)})
        return self.present(scene | {"by": scene["by"] | {name: float(amount)}}, inputs, request)

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        return self.present(self.read(inputs) | {"from": {"seed": random.randrange(1_000_000)}}, inputs, request)

    @friendly
    def on_save(self, inputs: dict, request: gr.Request) -> dict:
        """Save the sum of the sliders as a named direction."""
        scene, named = self.read(inputs), self.named
        stored = named.saved(inputs, scene["system"], {"by": self.moved_by(scene)}, language(request))
        inputs = inputs | {named.stored: stored}
        own = named.of(inputs, scene["system"])[0]
        updates = self.present(scene | {"by": {}, "own": own, "amount": 1.0}, inputs, request)
        return updates | {named.stored: stored, named.name: ""}

    @friendly
    def on_named(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        """Select or remove a named direction."""
        scene, stored = self.read(inputs), inputs[self.named.stored]
        remove, name = picked(event.pick)
        if remove:
            stored = self.named.removed(inputs, scene["system"], name)
            scene |= {"own": None, "amount": 0.0} if scene["own"] and scene["own"]["name"] == name else {}
        else:
            scene |= {"own": self.named.find(inputs, scene["system"], name), "amount": 1.0}
        inputs = inputs | {self.named.stored: stored}
        return self.present(scene, inputs, request) | {self.named.stored: stored}

    # rendering ------------------------------------------------------------------------------------------------------

    def remembered(self, scene: dict, inputs: dict, lang: str) -> dict:
        return self.named.show(inputs, scene["system"], scene["own"] and scene["own"]["name"], lang)

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        page = self.page(scene)
        return {
            self.stage: self.stage_html(scene, lang),
            self.strip: self.strip_html(scene, page),
            self.kind: scene["kind"],
            self.amount: gr.update(visible=bool(scene["own"]), value=scene["amount"], **label_of(scene)),
            **self.directions.show(page, scene["by"]),
        }

    def stage_html(self, scene: dict, lang: str) -> str:
        by = self.moved_by(scene)
        code = steered(self.code(scene, "from"), by, self.engine, scene["system"])
        [uri] = self.pictures(scene, code[None], [self.recipe_of(scene)])
        caption = f"<output>{moves(by, 4, lang)}</output>"
        moved = figure(uri, page_words.MOVED.say(lang), f"{scene['system']}-steered.png", lang, caption)
        return f'<div class="stage one">{moved}</div>'

    def strip_html(self, scene: dict, page: list[str]) -> str:
        """Strips of images over the range of each slider, with the others unchanged."""
        by, start = self.moved_by(scene), self.code(scene, "from")
        moves = [by | {name: tick} for name in page for tick in TICKS]
        latents = [steered(start, move, self.engine, scene["system"]) for move in moves]
        uris, rows = self.pictures(scene, np.stack(latents)), ""
        for i, name in enumerate(page):
            nearest = min(TICKS, key=lambda tick, name=name: abs(tick - by.get(name, 0.0)))
            cells = "".join(
                f'<button data-pick="{name}:{tick}" class="{"here" if tick == nearest else ""}" aria-label="{name} {tick:+d}">'
                f"{html.picture(uri, '')}</button>"
                for tick, uri in zip(TICKS, uris[i * len(TICKS) :], strict=False)
            )
            rows += f'<div class="row"><span class="row-label">{name.partition(" ")[2]}</span>{cells}</div>'
        return f'<div class="strip ticks">{rows}</div>'


def label_of(scene: dict) -> dict:
    return {"label": scene["own"]["name"]} if scene["own"] else {}
