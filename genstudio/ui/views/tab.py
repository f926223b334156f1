"""Base of tabs with several views of one model: models above, history below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np

from genstudio import catalog
from genstudio.controls import Text
from genstudio.engine import Engine
from genstudio.images import flatten, grid, open_picture
from genstudio.system import System
from genstudio.ui import html
from genstudio.ui import words as w
from genstudio.ui.events import EACH, LAST, ONCE
from genstudio.ui.history import History
from genstudio.ui.language import friendly, language, t
from genstudio.ui.views.view import View


class ViewsTab:
    """Draws the tab inside the current `gr.Blocks`; opened files and links are passed to it (`open_file.OpenFile`).

    The first view is in front, and opens a visitor's picture: `takes_up(path, scene, inputs, request)`, `stops(event)`.
    """

    place: str  # prefix of the element ids
    needs: tuple[str, ...]  # verbs of its models
    opens_on: tuple[str, ...]  # the first available of these, else the first of all
    view_types: tuple[type[View], ...]
    empty: Text  # text without models
    started: Text  # result of opening a picture
    at_once = False  # drawn on page load; else when first selected, so that the page loads sooner

    def __init__(self, engine: Engine):
        self.engine = engine
        self.sheets: dict[tuple[str, str], str] = {}  # images of cards, by model and digest
        self.systems = dict(sorted(self.offered().items(), key=lambda item: item[1].title))
        if self.systems:
            self.render()
            self.wire()
        else:
            gr.Markdown(t(self.empty))

    def offered(self) -> dict[str, System]:
        """Available systems with the verbs of the tab."""
        return catalog.offered(*self.needs)

    # the page -----------------------------------------------------------------------------------------------------

    def render(self) -> None:
        first = self.showcase()
        self.front = self.view_types[0].key
        # The selected model, and the view on the screen: None before the tab is drawn.
        self.system, self.selected = gr.State(first), gr.State(self.front if self.at_once else None)
        self.history = History(self.engine, self.systems, self.place)
        self.mounted = None if self.at_once else gr.HTML(elem_id=f"{self.place}mounted", js_on_load=html.MOUNTED)
        self.cards = gr.HTML(elem_id=f"{self.place}models", elem_classes="models", js_on_load=html.PICK)
        self.views: dict[str, View] = {}
        self.tabs: dict[str, gr.Tab] = {}
        with gr.Tabs(elem_id=f"{self.place}views", elem_classes="views", selected=self.front) as self.switch:
            for view in self.view_types:
                with gr.Tab(t(view.title), id=view.key, elem_id=f"{self.place}view-{view.key}") as self.tabs[view.key]:
                    self.views[view.key] = view(self.engine, self.systems, first, self.history)
        self.history.render()

    def wire(self) -> None:
        if self.mounted:
            self.mounted.expand(self.on_first, self.inputs, self.outputs, **ONCE)
        chosen = self.cards.select(self.on_system, self.inputs, self.outputs, **ONCE)
        chosen.then(self.on_chosen, self.inputs, self.outputs, **ONCE)
        self.history.shown.select(self.on_history, self.inputs, self.outputs, **EACH)  # every one of quick steps counts
        for key, view in self.views.items():
            view.wire()
            self.tabs[key].select(self.arrival(view), view.inputs | {self.system, self.selected}, [self.selected, *view.outputs], **LAST)

    def showcase(self) -> str:
        """System of the opening scene."""
        return next(name for name in (*self.opens_on, *self.systems) if name in self.systems)

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_first(self, inputs: dict, request: gr.Request) -> dict:
        """First selection of the tab; a link or a file may have drawn it before."""
        if inputs[self.selected] is not None:
            return {self.selected: inputs[self.selected]}  # Gradio needs at least one update
        opened = self.opened(inputs[self.memory], request)
        view = self.views[opened[self.selected]]
        return opened | view.remembered(opened[view.scene], inputs, language(request))

    @friendly
    def on_system(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        if event.pick not in self.systems:
            raise ValueError(f"no model is called {event.pick!r}")
        view = self.views[inputs[self.selected] or self.front]
        scene = view.changed_to(view.read(inputs), event.pick)
        return self.chosen(event.pick, language(request)) | view.result(scene, inputs, request)

    @friendly
    def on_chosen(self, inputs: dict, request: gr.Request) -> dict:
        """Update the view in front, if it was selected while the model was loading."""
        view = self.views[inputs[self.selected] or self.front]
        scene, late = self.followed(view, inputs)
        return {self.system: inputs[self.system]} | (view.whole(scene, language(request)) if late else {})

    def followed(self, view: View, inputs: dict) -> tuple[dict, bool]:
        """The view's scene with the selected model, and True if it had another one."""
        scene, name = view.read(inputs), inputs[self.system]
        return (scene, False) if scene["system"] == name else (view.changed_to(scene, name), True)

    def arrival(self, view: View) -> Callable:
        @friendly
        def on_arrival(inputs: dict, request: gr.Request) -> dict:
            """Update a selected view for the selected model, unless it is on the screen already, as the first when its
            tab is selected."""
            scene, late = self.followed(view, inputs)
            if inputs[self.selected] in (None, view.key) and not late:
                return {self.selected: inputs[self.selected], **view.remembered(scene, inputs, language(request))}
            return {self.selected: view.key, **view.arrive(scene, inputs, request)}

        return on_arrival

    @friendly
    def on_history(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        history = inputs[self.history.entries]
        return self.restored(self.history.picked(history, event.pick), history, language(request))

    def on_load(self, memory: dict | None, request: gr.Request) -> dict:
        """Updates on page load, if `at_once`: the newest picture of the history, or the opening one."""
        return self.opened(memory, request) if self.systems and self.at_once else {}

    def opened(self, memory: dict | None, request: gr.Request) -> dict:
        history, lang = self.history.remembered(memory), language(request)
        if history:
            return self.restored(history[0][1], history, lang)
        view, name = self.views[self.front], self.showcase()
        scene = view.begin(name)
        kept = self.history.keep(view.made(scene), [], lang) if view.quick(scene) else {}
        return {self.selected: self.front} | self.chosen(name, lang) | view.whole(scene, lang) | kept

    # opened files and links -----------------------------------------------------------------------------------------

    @property
    def inputs(self) -> set[gr.components.Component]:
        if not self.systems:
            return set()
        return {self.system, self.selected, self.memory}.union(*(view.inputs for view in self.views.values()))

    @property
    def outputs(self) -> list[gr.components.Component]:
        if not self.systems:
            return []
        shown = [component for view in self.views.values() for component in view.outputs]
        return [self.cards, self.system, self.selected, self.switch, *shown, *self.history.outputs]

    @property
    def memory(self) -> gr.BrowserState | None:
        return self.history.memory if self.systems else None

    def can_open(self, found: dict) -> bool:
        """True if a view of this tab restores the recipe."""
        known = {verb for view in self.view_types for verb in view.verbs}
        return found.get("system") in self.systems and found.get("verb") in known

    def on_recipe(self, found: dict, inputs: dict, request: gr.Request) -> dict:
        """Restore a checked recipe."""
        return self.restored(found, self.kept(inputs), language(request), keep=True)

    def kept(self, inputs: dict) -> list:
        """History of the page; before the tab is drawn, the one saved in the browser."""
        if inputs.get(self.selected) is None:
            return self.history.remembered(inputs.get(self.memory))
        return inputs[self.history.entries]

    def lacks(self, found: dict, request: gr.Request) -> None:
        """None: a recipe of this tab is complete."""

    def on_start(self, path: str, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Open a picture in the first view, with updates during a search for its latents."""
        if not self.systems:
            raise ValueError(self.empty.say(language(request)))
        view = self.views[self.front]
        scene, _ = self.followed(view, inputs)
        for updates in view.takes_up(flatten(open_picture(path)), scene, inputs, request):
            yield self.turned | updates

    @property
    def turned(self) -> dict:
        """Bring the first view to the front."""
        return {self.selected: self.front, self.switch: gr.Tabs(selected=self.front)}

    def stops(self, event: gr.events.Dependency) -> None:
        if self.systems:
            self.views[self.front].stops(event)

    def on_offer(self, name: str, inputs: dict, request: gr.Request) -> dict | None:
        """Select new weights, if this tab can show them."""
        system = self.offered().get(name)
        if not self.systems or system is None:
            return None
        self.systems = self.systems | {name: system}  # a new dict: other threads may be iterating over the old one
        self.history.systems = self.systems
        for view in self.views.values():
            view.systems = self.systems
            if view.panel:
                view.panel.offer(name, system)
        lang, view = language(request), self.views[self.front]
        inputs = inputs | {self.history.entries: self.kept(inputs)}
        scene = view.changed_to(view.read(inputs), name)
        return self.chosen(name, lang) | self.turned | view.result(scene, inputs, request)

    # rendering ------------------------------------------------------------------------------------------------------

    def restored(self, found: dict, history: list, lang: str, keep: bool = False) -> dict[gr.components.Component, Any]:
        """Restore a checked recipe."""
        able = [view for view in self.views.values() if found["verb"] in view.verbs and view.takes(found["system"])]
        if not able:
            raise ValueError(f"no view shows what the recipe's verb {found['verb']!r} makes")
        view = min(able, key=lambda view: len(view.verbs))  # the map before interpolation, which takes any latents
        turned = {self.selected: view.key, self.switch: gr.Tabs(selected=view.key)}
        kept = self.history.keep(found, history, lang) if keep else self.history.show(history, found, lang)
        return self.chosen(found["system"], lang) | turned | view.whole(view.scene_of(found), lang) | kept

    def chosen(self, name: str, lang: str) -> dict[gr.components.Component, Any]:
        here = catalog.available()  # a file may be gone
        succeeded = {system.name for system in self.systems.values() if system.successor in here} - {name}
        cards = [self.card(other, lang) for other in self.systems if other in here and other not in succeeded]
        return {self.system: name, self.cards: html.cards(cards, name, w.MODEL.say(lang))}

    def card(self, name: str, lang: str) -> tuple[str, str, str]:
        """Card of a system: name, title, and a grid of four samples."""
        weights = self.engine.hold(name).digest
        if (name, weights) not in self.sheets:
            self.sheets[name, weights] = html.png_uri(grid(self.examples(name, [1, 2, 3, 5]), columns=2, gap=0))
        return name, self.systems[name].title.say(lang), self.sheets[name, weights]

    def examples(self, name: str, seeds: Sequence[int]) -> np.ndarray:
        return self.engine.decode(name, self.engine.latents(name, seeds))
