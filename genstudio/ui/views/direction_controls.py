"""Directions on a page: sliders for some at a time, and those that a visitor has named, kept in the browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from genstudio.controls import number
from genstudio.ui import html
from genstudio.ui import words as w
from genstudio.ui.events import ONCE, on
from genstudio.ui.language import t
from genstudio.ui.tab import Updates

AT_ONCE = 6  # sliders
MAX_NAMED = 40  # directions saved in a browser


class DirectionSliders:
    """Sliders of a page of directions, with buttons for other pages and a reset. `place` prefixes the buttons' ids.

    reach: range of a slider in standard deviations.
    """

    def __init__(self, place: str, slider: str, reach: float):
        self.reach = reach
        self.steps = [
            gr.Slider(-reach, reach, 0, step=0.05, label=str(i + 1), elem_id=f"{slider}-{i}") for i in range(AT_ONCE)
        ]
        with gr.Row(elem_classes="tools"):
            self.back = gr.Button("←", elem_id=f"{place}-back", size="sm", min_width=44)
            self.on = gr.Button("→", elem_id=f"{place}-on", size="sm", min_width=44)
            self.reset = gr.Button(t(w.RESET), elem_id=f"{place}-reset", size="sm", min_width=100)

    def wire(self, turner: Callable[[int], Callable], on_reset: Callable, inputs: set, outputs: list) -> None:
        """Connect the buttons. turner: the handler that shows the page so many further."""
        for button, pages in ((self.back, -1), (self.on, 1)):
            on(button.click, turner(pages), inputs, outputs, **ONCE)
        on(self.reset.click, on_reset, inputs, outputs, **ONCE)

    def read(self, names: Sequence[str], by: Mapping[str, float], inputs: dict) -> dict[str, float]:
        """Amounts by direction, with those of the sliders, on which the directions `names` are."""
        page = {name: inputs[slider] for name, slider in zip(names, self.steps, strict=False)}
        return {name: float(amount) for name, amount in {**by, **page}.items() if amount}

    def show(self, names: Sequence[str], by: Mapping[str, float]) -> Updates:
        """Updates with the directions `names` on the sliders."""
        updates: Updates = {}
        for i, slider in enumerate(self.steps):
            name = names[i] if i < len(names) else ""
            value = by.get(name, 0)
            reach = max(self.reach, abs(value))  # a recipe may exceed the default range
            label = name.partition(" ")[2]
            updates[slider] = gr.update(visible=bool(name), label=label, value=value, minimum=-reach, maximum=reach)
        return updates


def moves(by: Mapping[str, float], most: int, lang: str) -> str:
    """The first moves along directions, in a language: "effect 1 +2.00 · pca 3 -0.50 …"."""
    said = []
    for name, amount in list(by.items())[:most]:
        method, _, place = name.partition(" ")
        said.append(f"{w.METHODS[method].say(lang)} {place} {number(amount, '+.2f', lang)}")
    return " · ".join(said) + (" …" if len(by) > most else "")


def names_of(method: str, first: int, count: int) -> list[str]:
    """Names of the directions of a page that begins at `first`, of `count` in all: "pca 7", "pca 8", ..."""
    return [f"{method} {i + 1}" for i in range(first, min(count, first + AT_ONCE))]


def page_at(first: int, pages: int, count: int) -> int:
    """First direction of the page that is `pages` further, of `count` directions in all."""
    return min(max(0, first + pages * AT_ONCE), (count - 1) // AT_ONCE * AT_ONCE)


class NamedDirections:
    """Directions that a visitor has named, in the browser by system: {system: [{"name": ..., "by": ...}]}.

    check: fields of a direction from the browser, which is untrusted. Raises ValueError if it is malformed.
    """

    def __init__(self, storage_key: str, check: Callable[[dict], dict]):
        self.check = check
        self.stored = gr.BrowserState({}, storage_key=storage_key, secret="genstudio")

    def render(self, place: str, chips: str) -> None:
        """Create the components; `chips` is the id of the list, `place` prefixes the others."""
        with gr.Row(elem_classes="tools"):
            self.name = gr.Textbox(
                placeholder=t(w.OWN_NAME), label=t(w.OWN_LABEL), show_label=False, container=False, max_lines=1,
                elem_id=f"{place}-name", min_width=120,
            )  # fmt: skip
            self.save = gr.Button(t(w.SAVE), elem_id=f"{place}-save", size="sm", scale=0, min_width=90)
        self.chips = gr.HTML(elem_id=chips, js_on_load=html.PICK)

    def wire(self, on_save: Callable, on_pick: Callable, inputs: set, outputs: list) -> None:
        """Connect the events: a name is saved, a chip is clicked."""
        outputs = [*outputs, self.stored, self.name]
        for event in (self.save.click, self.name.submit):
            on(event, on_save, inputs | {self.name}, outputs, sends=[self.name], **ONCE)
        on(self.chips.select, on_pick, inputs, outputs, **ONCE)

    def of(self, inputs: dict, system: str) -> list[dict]:
        """Those of a system; malformed ones are left out."""
        found, stored = [], inputs[self.stored]
        for own in (stored if isinstance(stored, dict) else {}).get(system, [])[:MAX_NAMED]:
            try:
                found.append({"name": str(own["name"])[:40], **self.check(own)})
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def find(self, inputs: dict, system: str, name: str | None) -> dict | None:
        return next((own for own in self.of(inputs, system) if own["name"] == name), None)

    def saved(self, inputs: dict, system: str, direction: dict, lang: str) -> dict:
        """The stored directions with another, under the name typed. Raises ValueError without a name or a move."""
        name = (inputs[self.name] or "").strip()[:40]
        if not name or not direction["by"]:
            raise ValueError(w.OWN_NOTHING.say(lang))
        others = [own for own in self.of(inputs, system) if own["name"] != name]
        return (inputs[self.stored] or {}) | {system: [{"name": name} | direction, *others][:MAX_NAMED]}

    def removed(self, inputs: dict, system: str, name: str) -> dict:
        """The stored directions without one."""
        return (inputs[self.stored] or {}) | {system: [own for own in self.of(inputs, system) if own["name"] != name]}

    def show(self, inputs: dict, system: str, chosen: str | None, lang: str) -> Updates:
        names = [own["name"] for own in self.of(inputs, system)]
        return {self.chips: html.chips(names, chosen, w.REMOVE.say(lang), w.OWN_EMPTY.say(lang))}


def picked(pick: Any) -> tuple[bool, str]:
    """True and the name of a direction to remove, or false and that of one to use, from a click on a chip."""
    what, _, name = str(pick).partition(":")
    return what == "remove", name
