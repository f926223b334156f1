"""Controls of a verb as Gradio components, and their values by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import gradio as gr

from genstudio import catalog
from genstudio.controls import ANY, NONE, OF_CLASSES, Choice, Control, Kind, Slider, Text, Toggle, controls
from genstudio.model import Model
from genstudio.system import System
from genstudio.ui import words as w
from genstudio.ui.language import t

MEANT = {ANY: w.ANY_CLASS, NONE: w.NO_CLASS}  # titles of options that no system defines


class Panel:
    """Union of a verb's controls over the systems of a tab; those of the selected system are visible.

    `place` prefixes the element ids. `only`: the controls to draw, default all. `hints`: help texts below them.
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
        self.components = {name: component(control, f"{place}-{name}", meant, hints) for name, control in union.items()}

    def declared(self, name: str, system: System) -> dict[str, Control]:
        """Controls of a system, with the classes of its weights; without classes there are no class controls."""
        classes = catalog.classes(name)
        found = controls(getattr(system.model, self.verb), classes)
        wanted = found if self.only is None else self.only
        if any(bounded(control) for control in found.values()):
            found = {key: within(control, catalog.shell(name)) if bounded(control) else control for key, control in found.items()}
        return {key: control for key, control in found.items() if key in wanted and (classes or key not in OF_CLASSES)}

    def offer(self, name: str, system: System) -> None:
        """Add a system opened while the page runs, with those of its controls that are drawn."""
        declared = self.declared(name, system)
        self.systems[name] = system
        self.of = self.of | {name: {key: control for key, control in declared.items() if key in self.components}}

    def values(self, system: str, inputs: dict) -> dict:
        """Values of the system's controls from a handler's inputs, converted to the declared types: a browser sends 1
        for 1.0, which would change the recipe."""
        return {name: value_of(control, name, inputs[self.components[name]]) for name, control in self.of[system].items()}

    def show(self, system: str, values: dict | None = None) -> dict:
        """Updates that show the system's controls, at `values` or their defaults."""
        return {component: self.shown(system, name, values or {}) for name, component in self.components.items()}

    def shown(self, system: str, name: str, values: dict) -> dict:
        if name not in self.of[system]:
            return gr.update(visible=False)
        facts = described(self.of[system][name].kind, MEANT | self.systems[system].options, self.hints)
        if name in values:
            facts["value"] = shown_value(self.of[system][name].kind, values[name])
        return gr.update(visible=True, **facts)


def bounded(control: Control) -> bool:
    return isinstance(control.kind, Slider) and bool(control.kind.most)


def within(control: Control, model: Model) -> Control:
    """A bounded slider in the range of a model."""
    return Control(control.kind.within(model), control.default)


def value_of(control: Control, name: str, value: Any) -> Any:
    """Checked value of a component. The end of a bounded slider is the default of all models, where that is beyond."""
    checked = control.kind.check(name, value)
    return max(checked, control.default) if bounded(control) and checked == control.kind.high else checked


def shown_value(kind: Kind, value: Any) -> Any:
    """Value of a component for one of a recipe."""
    return kind.word(min(value, kind.high) if isinstance(kind, Slider) else value)


def component(control: Control, elem_id: str, meant: Mapping[str, Text], hints: bool) -> gr.components.Component:
    """Component of a control. `meant`: titles of options."""
    component, _ = COMPONENTS[type(control.kind)]
    value = shown_value(control.kind, control.default)
    return component(value=value, elem_id=elem_id, **described(control.kind, meant, hints))


def described(kind: Kind, meant: Mapping[str, Text], hints: bool) -> dict:
    """Properties of a component: range and help text of a control depend on the system."""
    _, properties = COMPONENTS[type(kind)]
    return {"label": t(kind.title), "info": t(kind.hint) if hints else None, **properties(kind, meant)}


def titled(options: Iterable[str], titles: Mapping[str, Text]) -> list:
    """Choices of a component, with those titles that there are."""
    return [(t(titles[option]), option) if option in titles else option for option in options]


# Component of each kind of control, and its properties, from the control and the titles of options.
Properties = Callable[[Any, Mapping[str, Text]], dict]
COMPONENTS: dict[type[Kind], tuple[type[gr.components.Component], Properties]] = {
    Slider: (gr.Slider, lambda kind, _: {"minimum": kind.low, "maximum": kind.high, "step": kind.step}),
    Choice: (gr.Dropdown, lambda kind, meant: {"choices": titled(kind.options, kind.titled | meant)}),
    Toggle: (gr.Radio, lambda kind, _: {"choices": titled(kind.options, kind.options)}),
}
