"""Directions in a latent space as sliders: largest effect, principal components, single dimensions, named ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from genstudio.controls import Text
from genstudio.recipes import fields
from genstudio.recipes.latents import steered
from genstudio.ui import html
from genstudio.ui import words as w
from genstudio.ui.endpoint import Endpoint
from genstudio.ui.events import DRAG, LAST, ONCE
from genstudio.ui.language import friendly, language, t
from genstudio.ui.views.view import View, figure

DIRECTION_TITLES = {"effect": w.BY_EFFECT, "pca": w.BY_PCA, "dimension": w.BY_DIMENSION}
AT_ONCE = 6  # sliders
REACH = 3  # range in standard deviations
TICKS = [-3, -2, -1, 0, 1, 2, 3]  # positions of the strip beside a slider
MAX_OWN = 40  # directions saved in a browser


class Directions(View):
    key, title = "directions", Text("Directions", "Directions")
    verbs = ("steer",)
    opening = {"from": {"seed": 33}, "by": {}, "kind": "effect", "first": 0, "own": None, "amount": 0.0}

    def render(self) -> None:
        # Named directions in the browser, by system: {system: [{"name": ..., "by": ...}]}.
        self.kept = gr.BrowserState({}, storage_key="genstudio-directions", secret="genstudio")
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=200, elem_classes="end-column"):
                self.ends = {"from": Endpoint("directions-from", "from", w.FROM, self.opening["from"]["seed"])}
            with gr.Column(scale=8, min_width=320, elem_classes="stage-column"):
                self.stage = gr.HTML(html.WAITING_ONE, elem_id="directions-stage")
                gr.Markdown(t(w.TICKS_HINT), elem_classes="caption")
                self.strip = gr.HTML(elem_id="directions-strip", js_on_load=html.PICK)
                with gr.Row(elem_classes="tools"):
                    self.add_panel()
                    self.dice = gr.Button(t(w.DICE), elem_classes="dice", variant="primary", scale=0, min_width=170)
            with gr.Column(scale=6, min_width=260, elem_classes="end-column wide"):
                self.kind = gr.Radio(
                    [(t(label), kind) for kind, label in DIRECTION_TITLES.items()], value="effect", label=t(w.DIRECTIONS_KIND),
                    info=t(w.DIRECTIONS_HINT), elem_id="directions-kind",
                )  # fmt: skip
                self.steps = [
                    gr.Slider(-REACH, REACH, 0, step=0.05, label=str(i + 1), elem_id=f"direction-{i}")
                    for i in range(AT_ONCE)
                ]
                with gr.Row(elem_classes="tools"):
                    self.back = gr.Button("←", elem_id="directions-back", size="sm", min_width=44)
                    self.on = gr.Button("→", elem_id="directions-on", size="sm", min_width=44)
                    self.reset = gr.Button(t(w.RESET), elem_id="directions-reset", size="sm", min_width=100)
                gr.Markdown(t(w.OWN_HINT), elem_classes="caption")
                with gr.Row(elem_classes="tools"):
                    self.name = gr.Textbox(placeholder=t(w.OWN_NAME), show_label=False, container=False, max_lines=1, elem_id="own-name", min_width=120)
                    self.save = gr.Button(t(w.SAVE), elem_id="own-save", size="sm", scale=0, min_width=90)
                self.own = gr.HTML(elem_id="own-list", js_on_load=html.PICK)
                self.amount = gr.Slider(-REACH, REACH, 0, step=0.05, label=t(w.HOW_FAR), elem_id="own-amount", visible=False)

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"kind": self.kind, "amount": self.amount}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [self.stage, self.strip, self.own, *self.steps]

    @property
    def by_hand(self) -> list[gr.components.Component]:
        return [*super().by_hand, *self.steps]

    @property
    def inputs(self) -> set[gr.components.Component]:
        return super().inputs | {self.kept}

    def wire(self) -> None:
        for slider in (*self.steps, self.amount, *self.knobs):
            slider.input(self.on_drag, self.inputs, self.stage, **DRAG)
            self.settles(slider)
        self.kind.input(self.on_kind, self.inputs, self.everything, **LAST)
        for button, pages in ((self.back, -1), (self.on, 1)):
            button.click(self.pager(pages), self.inputs, self.everything, **ONCE)
        self.reset.click(self.on_reset, self.inputs, self.everything, **ONCE)
        self.strip.select(self.on_tick, self.inputs, self.everything, **ONCE)
        self.dice.click(self.on_dice, self.inputs, self.everything, **LAST)
        saved = [*self.everything, self.kept, self.name]
        self.save.click(self.on_save, self.inputs | {self.name}, saved, **ONCE)
        self.name.submit(self.on_save, self.inputs | {self.name}, saved, **ONCE)
        self.own.select(self.on_own, self.inputs, saved, **ONCE)
        for end in self.ends.values():
            end.wire(self)

    # the scene ------------------------------------------------------------------------------------------------------

    def scene_of(self, found: dict) -> dict:
        """Scene of a recipe, with its first direction on the sliders."""
        kind, _, number = next(iter(found["by"]), "effect 1").partition(" ")
        return super().scene_of(found) | {"kind": kind, "first": (int(number) - 1) // AT_ONCE * AT_ONCE}

    def read(self, inputs: dict) -> dict:
        scene = super().read(inputs)
        before = inputs[self.scene]
        page = {name: inputs[slider] for name, slider in zip(self.page(before), self.steps, strict=False)}
        by = {name: float(amount) for name, amount in (before["by"] | page).items() if amount}
        return scene | {"by": by, "own": self.chosen(before, inputs[self.kept])}

    def page(self, scene: dict) -> list[str]:
        """Names of the directions of the sliders."""
        count = len(self.engine.directions(scene["system"], scene["kind"]))
        return [f"{scene['kind']} {i + 1}" for i in range(scene["first"], min(count, scene["first"] + AT_ONCE))]

    def chosen(self, scene: dict, kept: dict | None) -> dict | None:
        """The selected named direction, as saved in the browser, or None."""
        return next((own for own in mine(kept, scene["system"]) if scene["own"] and own["name"] == scene["own"]["name"]), None)

    def moved_by(self, scene: dict) -> dict[str, float]:
        """Sum of the sliders and the scaled named direction: amounts by direction."""
        by = dict(scene["by"])
        for name, amount in (scene["own"] or {"by": {}})["by"].items():
            by[name] = by.get(name, 0.0) + scene["amount"] * amount
        return {name: round(amount, 4) for name, amount in by.items() if round(amount, 4)}

    def made(self, scene: dict) -> dict:
        start = {k: scene["from"][k] for k in ("seed", "code") if k in scene["from"]}
        return self.recipe(scene, "steer", **{"from": start}, by=self.moved_by(scene))

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> str:
        return self.stage_html(self.read(inputs), language(request))

    @friendly
    def on_kind(self, inputs: dict, request: gr.Request) -> dict:
        return self.result(self.read(inputs) | {"first": 0}, inputs, request)

    def pager(self, pages: int):
        @friendly
        def on_page(inputs: dict, request: gr.Request) -> dict:
            scene = self.read(inputs)
            count = len(self.engine.directions(scene["system"], scene["kind"]))
            first = min(max(0, scene["first"] + pages * AT_ONCE), (count - 1) // AT_ONCE * AT_ONCE)
            return self.result(scene | {"first": first}, inputs, request)

        return on_page

    @friendly
    def on_reset(self, inputs: dict, request: gr.Request) -> dict:
        return self.result(self.read(inputs) | {"by": {}, "amount": 0.0}, inputs, request)

    @friendly
    def on_tick(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        """Move a slider to the position of a clicked image of its strip."""
        scene = self.read(inputs)
        name, _, amount = str(event.pick).partition(":")
        fields.check_by({name: float(amount)})
        return self.result(scene | {"by": scene["by"] | {name: float(amount)}}, inputs, request)

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        return self.result(self.read(inputs) | {"from": {"seed": random.randrange(1_000_000)}}, inputs, request)

    @friendly
    def on_save(self, inputs: dict, request: gr.Request) -> dict:
        """Save the sum of the sliders as a named direction."""
        scene, lang = self.read(inputs), language(request)
        name, by = (inputs[self.name] or "").strip()[:40], self.moved_by(scene)
        if not name or not by:
            raise ValueError(w.OWN_NOTHING.say(lang))
        others = [own for own in mine(inputs[self.kept], scene["system"]) if own["name"] != name]
        own = {"name": name, "by": by}
        kept = (inputs[self.kept] or {}) | {scene["system"]: [own, *others][:MAX_OWN]}
        scene |= {"by": {}, "own": own, "amount": 1.0}
        return self.result(scene, inputs | {self.kept: kept}, request) | {self.kept: kept, self.name: ""}

    @friendly
    def on_own(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        """Select or remove a named direction."""
        scene, kept = self.read(inputs), inputs[self.kept] or {}
        what, _, name = str(event.pick).partition(":")
        known = mine(kept, scene["system"])
        if what == "remove":
            kept = kept | {scene["system"]: [own for own in known if own["name"] != name]}
            scene |= {"own": None, "amount": 0.0} if scene["own"] and scene["own"]["name"] == name else {}
        else:
            scene |= {"own": next((own for own in known if own["name"] == name), None), "amount": 1.0}
        return self.result(scene, inputs | {self.kept: kept}, request) | {self.kept: kept}

    # rendering ------------------------------------------------------------------------------------------------------

    def remembered(self, scene: dict, inputs: dict, lang: str) -> dict:
        names = [own["name"] for own in mine(inputs[self.kept], scene["system"])]
        chosen = scene["own"] and scene["own"]["name"]
        return {self.own: html.chips(names, chosen, w.REMOVE.say(lang), w.OWN_EMPTY.say(lang))}

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        page = self.page(scene)
        updates: dict[gr.components.Component, Any] = {
            self.stage: self.stage_html(scene, lang),
            self.strip: self.strip_html(scene, page),
            self.kind: scene["kind"],
            self.amount: gr.update(visible=bool(scene["own"]), value=scene["amount"], **label_of(scene)),
        }
        for i, slider in enumerate(self.steps):
            name = page[i] if i < len(page) else ""
            value = scene["by"].get(name, 0)
            reach = max(REACH, abs(value))  # a recipe may exceed the default range
            label = name.partition(" ")[2]
            updates[slider] = gr.update(visible=bool(name), label=label, value=value, minimum=-reach, maximum=reach)
        return updates

    def stage_html(self, scene: dict, lang: str) -> str:
        by = self.moved_by(scene)
        code = steered(self.code(scene, "from"), by, self.engine, scene["system"])
        [uri] = self.pictures(scene, code[None], [self.made(scene)])
        said = " · ".join(f"{name} {amount:+.2f}" for name, amount in list(by.items())[:4])
        caption = f"<output>{said}{' …' if len(by) > 4 else ''}</output>"
        moved = figure(uri, w.MOVED.say(lang), f"{scene['system']}-steered.png", lang, caption)
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


def mine(kept: Any, system: str, checked: Callable[[dict], dict] = lambda own: {"by": fields.check_by(own["by"])}) -> list[dict]:
    """Named directions of a system from the browser (untrusted), each `checked`; malformed ones are left out."""
    found = []
    for own in (kept if isinstance(kept, dict) else {}).get(system, [])[:MAX_OWN]:
        try:
            found.append({"name": str(own["name"])[:40], **checked(own)})
        except (ValueError, KeyError, TypeError):
            continue
    return found


def label_of(scene: dict) -> dict:
    return {"label": scene["own"]["name"]} if scene["own"] else {}
