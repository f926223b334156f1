"""A tab whose parts share one scene, which is in the visitor's session while the page is open, as pictures and runs are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

import gradio as gr

from genstudio.controls import Text
from genstudio.engine import Engine
from genstudio.recipes import recipe
from genstudio.system import System
from genstudio.ui.events import Variable
from genstudio.ui.language import friendly, language, t
from genstudio.ui.sessions import Sessions
from genstudio.ui.tab import Tab, Updates, merged


class Backend(Protocol):
    """State that the parts of a tab share."""

    systems: dict[str, System]
    sessions: Sessions

    def opening(self, system: str) -> dict[str, Any]:
        """Scene of a system with default settings."""

    def scene_of(self, found: dict) -> dict[str, Any]:
        """Scene of a checked recipe."""


class Part(Protocol):
    """A part of the tab, drawn inside the current `gr.Tab`."""

    outputs: list[gr.components.Component]


class SessionTab(Tab):
    """A tab of parts. A new run ends the current one: no handler waits for another."""

    backend_type: ClassVar[Callable[[Engine, dict[str, System]], Backend]]
    part_types: ClassVar[tuple[tuple[str, Text, Callable[[Any], Part]], ...]]  # key, title, type; the first is in front
    picture_missing: Text  # said where a recipe names a picture that the visitor has not opened

    system: Variable
    selected: Variable
    switch: gr.Tabs

    def __init__(self, engine: Engine):
        self.parts: dict[str, Part] = {}
        self.tabs: dict[str, gr.Tab] = {}
        super().__init__(engine)

    @property
    def front(self) -> str:
        return self.part_types[0][0]

    # the page -----------------------------------------------------------------------------------------------------

    def add_states(self) -> None:
        """Create the backend, and the states of the selected model and part."""
        self.backend = self.backend_type(self.engine, self.systems)
        self.system, self.selected = Variable(self.showcase()), Variable(self.front)
        # Restored on reload. Not secret: a fixed key, so that it outlives the server.
        self.memory = gr.BrowserState({}, storage_key=f"genstudio-{self.key}", secret="genstudio")

    def add_parts(self, place: str) -> None:
        """Create the parts that the models have, in tabs whose element ids begin with `place`."""
        with gr.Tabs(elem_id=f"{place}-views", selected=self.front) as self.switch:
            for key, title, part in self.part_types:
                if self.has_part(key):
                    with gr.Tab(t(title), id=key, elem_id=f"{place}-{key}") as self.tabs[key]:
                        self.parts[key] = part(self.backend)

    def has_part(self, key: str) -> bool:
        """True if any of the models has a use for a part."""
        return True

    # to override ----------------------------------------------------------------------------------------------------

    def read(self, inputs: dict) -> dict:
        """The scene with the values of the settings."""
        raise NotImplementedError

    def recipe_of(self, session: Any, scene: dict) -> dict:
        """Recipe of a scene's picture."""
        raise NotImplementedError

    def scene_on(self, name: str, inputs: dict, request: gr.Request) -> tuple[dict, str]:
        """Scene with another model that the visitor has picked, and the part that shows it."""
        raise NotImplementedError

    def show_settings(self, session: Any, scene: dict, lang: str) -> Updates:
        """Updates of the settings for a scene."""
        raise NotImplementedError

    def run_part(self, key: str, session: Any, scene: dict, lang: str) -> Iterator[Updates]:
        """Updates of a part while it runs."""
        raise NotImplementedError

    def arrive(self, key: str, before: str, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Updates of a part that was selected. before: the part in front until then."""
        raise NotImplementedError

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_first(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """First selection of the tab: show the file or link opened meanwhile, what was here before a reload, or an example.

        Gradio mounts a tab when it is selected, and loses updates that arrive meanwhile.
        """
        if opened := self.deferred.take(request):
            yield opened
            return
        session = self.backend.sessions.of(request)
        scene = session.scene or self.remembered(session, inputs[self.memory]) or self.backend.opening(self.showcase())
        yield from self.present(scene, session.selected, request)

    @friendly
    def on_system(self, inputs: dict, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        yield from self.present(*self.scene_on(self.check_system(event.pick), inputs, request), request)

    @friendly
    def on_upload(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        path = Path(inputs[self.upload])
        try:
            yield from self.open_picture(str(path), inputs, request)
        finally:
            path.unlink(missing_ok=True)

    def on_cancel(self, kind: str) -> Callable[[gr.Request], None]:
        def cancel(request: gr.Request) -> None:
            self.backend.sessions.of(request).end(kind, cancelled=True)

        return cancel

    def arrival(self, key: str) -> Callable:
        @friendly
        def on_arrival(inputs: dict, request: gr.Request) -> Iterator[Updates]:
            session = self.backend.sessions.of(request)
            if session.scene is None:  # `on_first` is about to draw the tab, and would take other updates for a file's
                yield {self.selected: key}
                return
            before, session.selected = session.selected, key
            yield {self.selected: key}
            yield from self.arrive(key, before, inputs, request)

        return on_arrival

    # asked by the page ----------------------------------------------------------------------------------------------

    def missing(self, found: dict, request: gr.Request) -> Text | None:
        own = self.backend.sessions.of(request).own
        here = "picture" not in found or own and own.digest == found["picture"]
        return None if here else self.picture_missing

    def restore(self, found: dict, inputs: dict, request: gr.Request) -> Updates:
        """Restore a checked recipe, on the current picture if it begins with one; its own may follow."""
        updates = merged(self.present(self.backend.scene_of(found), self.front, request))
        session = self.backend.sessions.of(request)
        session.awaited = found if self.missing(found, request) else None
        return updates

    def awaited_scene(self, session: Any) -> dict | None:
        """Scene of a restored recipe whose picture the visitor has now opened, or None."""
        awaited = session.awaited
        return self.backend.scene_of(awaited) if awaited and session.own.digest == awaited["picture"] else None

    def share_systems(self) -> None:
        self.backend.systems = self.systems

    def select_system(self, name: str, inputs: dict, request: gr.Request) -> Updates:
        return merged(self.present(self.backend.opening(name), self.front, request))

    def leave(self, request: gr.Request) -> None:
        if self.drawn:
            self.backend.sessions.leave(request)

    # rendering ------------------------------------------------------------------------------------------------------

    def present(self, scene: dict, part: str, request: gr.Request) -> Iterator[Updates]:
        """Updates of the tab for a scene, and of a part while it runs."""
        session, lang = self.backend.sessions.of(request), language(request)
        session.selected, session.awaited = part, None
        turned = {self.selected: part, self.switch: gr.Tabs(selected=part)}
        yield self.select(session, scene, lang) | turned | self.remember(session, scene)
        yield from self.run_part(part, session, scene, lang)

    def select(self, session: Any, scene: dict, lang: str) -> Updates:
        """Updates of the cards and the settings for a scene."""
        session.scene, name = scene, scene["system"]
        cards = {self.system: name, self.cards: self.cards_html(name, lang)}
        return cards | self.show_settings(session, scene, lang)

    def remember(self, session: Any, scene: dict) -> Updates:
        """Update of what the browser remembers."""
        return {self.memory: {"recipe": self.recipe_of(session, scene)}}

    def remembered(self, session: Any, memory: Any) -> dict | None:
        """Scene that the browser remembers (untrusted), with an example for a picture of the visitor's; None without."""
        try:
            found = memory["recipe"]
            return self.backend.scene_of(recipe.check(found)) if self.restores(found) else None
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
