"""A tab with several views of one model: models above, history below. Each view has a scene of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import gradio as gr
import numpy as np

from genstudio.controls import Refusal
from genstudio.engine import Engine
from genstudio.images import flatten, grid
from genstudio.ui import html
from genstudio.ui.events import EACH, LAST, ONCE, Place, Variable, memories, on
from genstudio.ui.history import KEPT, History
from genstudio.ui.language import friendly, language, t
from genstudio.ui.panels import Panel
from genstudio.ui.sessions import read_picture
from genstudio.ui.tab import Tab, Updates
from genstudio.ui.views.view import View


class ViewsTab(Tab):
    """A tab of views. The first is in front, and opens a visitor's picture, where it can."""

    place: str  # prefix of the element ids
    view_types: tuple[type[View], ...]
    at_once = False  # drawn on page load; else when first selected, so that the page loads sooner

    def __init__(self, engine: Engine):
        self.verbs = tuple(verb for view in self.view_types for verb in view.verbs)
        self.grids: dict[tuple[str, str], str] = {}  # pictures of the cards, by model and digest
        super().__init__(engine)

    # the page -----------------------------------------------------------------------------------------------------

    def render(self) -> None:
        first = self.showcase()
        self.front = self.view_types[0].key
        # The selected model, and the view on the screen: None before the tab is drawn.
        self.system, self.selected = Variable(first), Variable(self.front if self.at_once else None)
        self.history = History(self.engine, self.systems, self.place)
        self.memory = self.history.memory
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
            on(self.mounted.expand, self.on_first, self.inputs, self.outputs, sends=memories(self.inputs), **ONCE)
        chosen = on(self.cards.select, self.on_system, self.inputs, self.outputs, **ONCE)
        on(chosen.then, self.on_chosen, self.inputs, self.outputs, **ONCE)
        on(self.history.shown.select, self.on_history, self.inputs, self.outputs, **EACH)  # every one of quick steps counts
        for key, view in self.views.items():
            view.wire()
            inputs = view.inputs | {self.system, self.selected}
            outputs = [*view.outputs, *self.history.pointers]
            on(self.tabs[key].select, self.arrival(view), inputs, outputs, sends=memories(inputs), **LAST)

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_first(self, inputs: dict, request: gr.Request) -> Updates:
        """First selection of the tab; a link or a file may have been opened in it before."""
        if waiting := self.deferred.take(request):
            return waiting | self.with_earlier(inputs, language(request))
        if inputs[self.selected] is not None:
            return {self.selected: inputs[self.selected]}  # Gradio needs at least one update
        opened = self.opening(inputs[self.memory], request)
        view = self.views[opened[self.selected]]
        return opened | view.remembered(opened[view.scene], inputs, language(request))

    def with_earlier(self, inputs: dict, lang: str) -> Updates:
        """Updates of a history that began before the browser had sent what it remembers."""
        history = inputs[self.history.entries]
        if not history:
            return {}
        known = [found for _, found in history]
        earlier = [entry for entry in self.history.remembered(inputs[self.memory]) if entry[1] not in known]
        return self.history.show([*history, *earlier][:KEPT], known[0], lang)

    @friendly
    def on_system(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Updates:
        name, view = self.check_system(event.pick), self.views[inputs[self.selected] or self.front]
        scene = view.with_system(view.read(inputs), name)
        return self.select(name, language(request)) | view.present(scene, inputs, request)

    @friendly
    def on_chosen(self, inputs: dict, request: gr.Request) -> Updates:
        """Update the view in front, if it was selected while the model was loading."""
        view = self.views[inputs[self.selected] or self.front]
        scene, late = self.current_scene(view, inputs)
        return {self.system: inputs[self.system]} | (view.draw(scene, language(request)) if late else {})

    def current_scene(self, view: View, inputs: dict) -> tuple[dict, bool]:
        """The view's scene with the selected model, and True if it had another one."""
        scene, name = view.read(inputs), inputs[self.system]
        return (scene, False) if scene["system"] == name else (view.with_system(scene, name), True)

    def arrival(self, view: View) -> Callable:
        @friendly
        def on_arrival(inputs: dict, request: gr.Request) -> Updates:
            """Update a selected view for the selected model, unless it is on the screen already, as the first when its
            tab is selected."""
            scene, late = self.current_scene(view, inputs)
            if inputs[self.selected] in (None, view.key) and not late:
                return {self.selected: inputs[self.selected], **view.remembered(scene, inputs, language(request))}
            return {self.selected: view.key, **view.arrive(scene, inputs, request)}

        return on_arrival

    @friendly
    def on_history(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Updates:
        history = inputs[self.history.entries]
        return self.restored(self.history.picked(history, event.pick), history, language(request))

    # asked by the page ----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> set[gr.components.Component]:
        if not self.drawn:
            return set()
        return {self.system, self.selected, self.memory}.union(*(view.inputs for view in self.views.values()))

    @property
    def outputs(self) -> list[gr.components.Component]:
        if not self.drawn:
            return []
        shown = [component for view in self.views.values() for component in view.outputs]
        return [self.cards, self.system, self.selected, self.switch, *shown, *self.history.outputs]

    @property
    def loaded(self) -> list[Place]:
        if not (self.drawn and self.at_once):
            return []
        return [self.cards, self.system, self.selected, *self.views[self.front].outputs, *self.history.outputs]

    def load(self, inputs: dict, request: gr.Request) -> Updates:
        return self.opening(inputs[self.memory], request)

    def opening(self, memory: dict | None, request: gr.Request) -> Updates:
        """Updates that draw the tab: the newest picture of the history, or the opening one."""
        history, lang = self.history.remembered(memory), language(request)
        if history:
            return self.restored(history[0][1], history, lang)
        view, name = self.views[self.front], self.showcase()
        scene = view.new_scene(name)
        kept = self.history.keep(view.recipe_of(scene), [], lang) if view.immediate(scene) else {}
        return {self.selected: self.front} | self.select(name, lang) | view.draw(scene, lang) | kept

    def restore(self, recipe: dict, inputs: dict, request: gr.Request) -> Updates:
        return self.restored(recipe, self.history_of(inputs), language(request), keep=True)

    def history_of(self, inputs: dict) -> list:
        """History of the page; before the tab is drawn, the one saved in the browser."""
        if inputs.get(self.selected) is None:
            return self.history.remembered(inputs.get(self.memory))
        return inputs[self.history.entries]

    def open_picture(self, path: str, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Open a picture in the first view, with updates during a search for its latents."""
        self.check_drawn(request)
        view = self.views[self.front]
        scene, _ = self.current_scene(view, inputs)
        for updates in view.open_picture(flatten(read_picture(path, language(request))), scene, inputs, request):
            yield self.select_view(self.front) | updates

    def cancel_with(self, event: gr.events.Dependency) -> None:
        if self.drawn:
            self.views[self.front].cancel_with(event)

    @property
    def panels(self) -> Sequence[Panel]:
        return [view.panel for view in self.views.values() if view.panel]

    def share_systems(self) -> None:
        for user in (self.history, *self.views.values()):
            user.systems = self.systems

    def select_system(self, name: str, inputs: dict, request: gr.Request) -> Updates:
        view = self.views[self.front]
        inputs = inputs | {self.history.entries: self.history_of(inputs)}
        scene = view.with_system(view.read(inputs), name)
        front = self.select(name, language(request)) | self.select_view(self.front)
        return front | view.present(scene, inputs, request)

    # rendering ------------------------------------------------------------------------------------------------------

    def restored(self, recipe: dict, history: list, lang: str, keep: bool = False) -> Updates:
        """Updates that restore a checked recipe."""
        able = [view for view in self.views.values() if recipe["verb"] in view.verbs and view.supports(recipe["system"])]
        if not able:
            raise Refusal(
                f"no view shows what the recipe's verb {recipe['verb']!r} makes",
                f"aucune vue ne montre ce que fait le verbe {recipe['verb']!r} de la recette",
            )
        view = min(able, key=lambda view: len(view.verbs))  # the map before interpolation, which takes any latents
        kept = self.history.keep(recipe, history, lang) if keep else self.history.show(history, recipe, lang)
        front = self.select(recipe["system"], lang) | self.select_view(view.key)
        return front | view.draw(view.scene_of(recipe), lang) | kept

    def select(self, name: str, lang: str) -> Updates:
        """Updates that select a model."""
        return {self.system: name, self.cards: self.cards_html(name, lang)}

    def select_view(self, key: str) -> Updates:
        """Updates that bring a view to the front."""
        return {self.selected: key, self.switch: gr.Tabs(selected=key)}

    def card(self, name: str, lang: str) -> tuple[str, str, str]:
        """Card of a model: name, title, and a grid of four samples."""
        weights = self.engine.hold(name).digest
        if (name, weights) not in self.grids:
            self.grids[name, weights] = html.png_uri(grid(self.examples(name, [1, 2, 3, 5]), columns=2, gap=0))
        return name, self.systems[name].title.say(lang), self.grids[name, weights]

    def examples(self, name: str, seeds: Sequence[int]) -> np.ndarray:
        return self.engine.decode(name, self.engine.latents(name, seeds))
