"""Draws a verb's controls as Gradio components, and hands their values back by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import gradio as gr

from genstudio import catalog
from genstudio.controls import ANY, NONE, OF_CLASSES, Choice, Control, Slider, Text, controls
from genstudio.system import System
from genstudio.ui import words as w
from genstudio.ui.language import t

MEANT = {ANY: w.ANY_CLASS, NONE: w.NO_CLASS}  # options that stand for something, whatever the system


class Panel:
    """The controls that a verb has in any of the systems that a tab offers; those of the chosen one are shown.

    `place` comes before the names of its elements: a page may have a panel in several places. `only` those controls are
    drawn, where they are named; `hints` stand below them unless they were read elsewhere.
    """

    def __init__(
        self, systems: Mapping[str, System], verb: str, place: str, only: Collection[str] | None = None, hints: bool = True
    ):
        self.verb, self.systems, self.only, self.hints = verb, dict(systems), only, hints
        self.of = {name: self.declared(name, system) for name, system in systems.items()}
        union: dict[str, Control] = {}
        for declared in self.of.values():
            union |= {name: control for name, control in declared.items() if name not in union}
        meant = MEANT | {option: text for system in systems.values() for option, text in system.options.items()}
        self.components = {name: draw(control, f"{place}-{name}", meant, hints) for name, control in union.items()}

    def declared(self, name: str, system: System) -> dict[str, Control]:
        """The controls of a system; its classes are those that its weights have learned, and without any it has none of them."""
        classes = catalog.classes(name)
        found = controls(getattr(system.model, self.verb), classes)
        wanted = found if self.only is None else self.only
        return {key: control for key, control in found.items() if key in wanted and (classes or key not in OF_CLASSES)}

    def offer(self, name: str, system: System) -> None:
        """One more system, opened while the page runs: of its controls, those that are drawn."""
        declared = self.declared(name, system)
        self.systems[name] = system
        self.of = self.of | {name: {key: control for key, control in declared.items() if key in self.components}}

    def values(self, system: str, inputs: dict) -> dict:
        """The values of the system's controls, from a handler's inputs by component, as the verb takes them: a browser says 1
        for 1.0, and a recipe would be another file."""
        return {name: control.kind.check(name, inputs[self.components[name]]) for name, control in self.of[system].items()}

    def show(self, system: str, values: dict | None = None) -> dict:
        """Updates that show the system's controls, at `values` where given."""
        return {component: self.shown(system, name, values or {}) for name, component in self.components.items()}

    def shown(self, system: str, name: str, values: dict) -> dict:
        if name not in self.of[system]:
            return gr.update(visible=False)
        facts = described(self.of[system][name].kind, MEANT | self.systems[system].options, self.hints)
        if name in values:
            facts["value"] = values[name]
        return gr.update(visible=True, **facts)


def draw(control: Control, elem_id: str, meant: Mapping[str, Text], hints: bool) -> gr.components.Component:
    """One control as a component. `meant` are words for options that are no words themselves."""
    component = gr.Slider if isinstance(control.kind, Slider) else gr.Dropdown
    return component(value=control.default, elem_id=elem_id, **described(control.kind, meant, hints))


def described(kind: Slider | Choice, meant: Mapping[str, Text], hints: bool) -> dict:
    """A component's properties: a control of the same name may reach farther in another system, or mean something else."""
    facts = {"label": t(kind.title), "info": t(kind.hint) if hints else None}
    if isinstance(kind, Slider):
        return facts | {"minimum": kind.low, "maximum": kind.high, "step": kind.step}
    return facts | {"choices": [(t(meant[option]), option) if option in meant else option for option in kind.options]}
