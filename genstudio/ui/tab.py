"""Base of the tabs: what the page asks of a tab, and what is the same in all of them.

A tab is a folder in `ui/tabs/` with `tab.py`, its views, its words and its session, and a line of `studio.TABS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import gradio as gr

from genstudio import catalog
from genstudio.controls import Refusal, Text
from genstudio.engine import Engine
from genstudio.system import System
from genstudio.ui import html
from genstudio.ui import words as w
from genstudio.ui.events import Deferred, Place, Updates
from genstudio.ui.language import language, t
from genstudio.ui.panels import Panel


class Tab:
    """A tab, drawn inside the current `gr.Tab`.

    A subclass has a key and a title, says what its models need, and overrides `render` and `wire`; then what opens in
    it. The defaults are those of a tab in which nothing opens, and which remembers nothing.
    """

    key: str  # in the page's bar of tabs
    title: Text
    needs: tuple[str, ...] = ()  # methods of its models: without one of them, it shows no models
    verbs: tuple[str, ...] = ()  # of the recipes that it restores
    opens_on: tuple[str, ...] = ()  # the first available of these models, else the first of all
    empty: Text = w.NO_MODELS  # in place of the tab without models
    picture_opened: Text = w.BECAME_START  # said after `open_picture`
    pictures_opened: Text | None = None  # said after `open_pictures`; None if it opens one picture only
    linked: bool = False  # links such as ?lab=vanishing open it, by its key
    memory: gr.BrowserState | None = None  # kept in the visitor's browser
    deferred: Deferred  # for updates that a streaming handler, or one of the whole page, leaves to the tab
    open_button: gr.Button | None = None  # opens `result` as if it were an uploaded file

    def __init__(self, engine: Engine):
        self.engine = engine
        self.files, self.revision = _files(), 0  # revision: counts the times that weights came while the page runs
        self.systems = dict(sorted(self.offered().items(), key=lambda item: item[1].title)) if self.needs else {}
        if self.drawn:
            self.deferred = Deferred(self.key)
            self.render()
            self.wire()
            self.deferred.deliver_to(self.outputs)
        else:
            gr.Markdown(t(self.empty))

    # to override ----------------------------------------------------------------------------------------------------

    def render(self) -> None:
        """Create the components."""
        raise NotImplementedError

    def wire(self) -> None:
        """Connect the events."""
        raise NotImplementedError

    def suits(self, name: str, system: System) -> bool:
        """True if the tab can show a model that has the methods of `needs`."""
        return True

    @property
    def panels(self) -> Sequence[Panel]:
        """Panels of controls, to which new models are added."""
        return ()

    # asked by the page ----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> set[Place]:
        """Components that the handlers below read."""
        return set()

    @property
    def outputs(self) -> list[Place]:
        """Components that the handlers below update."""
        return []

    @property
    def loaded(self) -> list[Place]:
        """Components that the first tab updates while the page loads; the other tabs draw themselves when they are first
        selected, and so does whatever is not among these."""
        return []

    def load(self, inputs: dict, request: gr.Request) -> Updates:
        """Updates for a page that was just opened, of a tab with components `loaded`."""
        return {}

    def restores(self, recipe: dict) -> bool:
        """True if the tab shows what a checked recipe makes."""
        return recipe.get("system") in self.systems and recipe.get("verb") in self.verbs

    def missing(self, recipe: dict, request: gr.Request) -> Text | None:
        """Sentence on a picture that the recipe names and the visitor has yet to open, or None."""
        return None

    def restore(self, recipe: dict, inputs: dict, request: gr.Request) -> Updates:
        """Restore a checked recipe, of a picture or a link."""
        raise NotImplementedError

    def open_link(self, word: str, request: gr.Request) -> Updates:
        """Open what a link names, if the tab is `linked`. Raises ValueError for an unknown word."""
        raise NotImplementedError

    def open_picture(self, path: str, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Open a visitor's picture, with updates until it is there. Raises ValueError where it cannot."""
        raise ValueError(self.empty.say(language(request)))
        yield

    def open_pictures(self, paths: Sequence[Path], inputs: dict, request: gr.Request) -> Iterator[Updates]:
        """Open several pictures, or archives of them, if `pictures_opened` says so."""
        raise NotImplementedError

    def add_weights(self, name: str, inputs: dict, request: gr.Request) -> Updates | None:
        """Select weights that have come while the page runs, or None if the tab cannot show them."""
        system = self.offered().get(name) if self.systems else None
        if system is None:
            return None
        self.take({name: system})
        return self.select_system(name, inputs, request)

    def renew(self) -> None:
        """Take in weights that have come while the page runs: of a training, the command line, or a copied file."""
        if not self.drawn or not self.needs or (files := _files()) == self.files:
            return
        self.files = files
        if new := {name: system for name, system in self.offered().items() if name not in self.systems}:
            self.take(new)

    def take(self, new: dict[str, System]) -> None:
        """Add models to the tab."""
        self.systems = self.systems | new  # a new dict: other threads may be iterating over the old one
        self.revision += 1
        for panel in self.panels:
            for name, system in new.items():
                panel.offer(name, system)
        self.share_systems()

    def share_systems(self) -> None:
        """Pass `systems` to the parts of the tab that keep them."""

    def select_system(self, name: str, inputs: dict, request: gr.Request) -> Updates:
        """Show another model, in the front view."""
        raise NotImplementedError

    def result(self, inputs: dict, request: gr.Request) -> tuple[Path, str]:
        """File that the `open_button` opens, and its name."""
        raise NotImplementedError

    def cancel_with(self, event: gr.events.Dependency) -> None:
        """Let the tab's stop button also end `event`. Runs that check by themselves whether they are stopped need no
        such thing."""

    def leave(self, request: gr.Request) -> None:
        """The visitor has closed the page."""

    def warm_up(self) -> None:
        """Compute what the first visitor would wait for."""

    # models ---------------------------------------------------------------------------------------------------------

    @property
    def drawn(self) -> bool:
        """True unless the tab needs models and there are none."""
        return bool(self.systems) or not self.needs

    def check_drawn(self, request: gr.Request) -> None:
        """Raise ValueError, with the text in place of the tab, where it is not drawn."""
        if not self.drawn:
            raise ValueError(self.empty.say(language(request)))

    def offered(self) -> dict[str, System]:
        """Available models that the tab can show."""
        return {name: system for name, system in catalog.offered(*self.needs).items() if self.suits(name, system)}

    def showcase(self) -> str:
        """Model of the opening scene."""
        return next(name for name in (*self.opens_on, *self.systems) if name in self.systems)

    def check_system(self, name: str) -> str:
        """The name itself. Raises ValueError if it is none of this tab's models."""
        if name not in self.systems:
            raise Refusal(f"no model is called {name!r}", f"aucun modèle ne s’appelle {name!r}")
        return name

    def card(self, name: str, lang: str) -> tuple[str, str, str]:
        """Card of a model: name, title, URI of a picture."""
        raise NotImplementedError

    def cards_html(self, name: str, lang: str) -> str:
        """Cards of the models, `name` selected. Models with a successor that is here are left out."""
        self.renew()
        here = catalog.available()  # a file may be gone
        succeeded = {system.name for system in self.systems.values() if system.successor in here} - {name}
        listed = [other for other in self.systems if other in here and other not in succeeded]
        return html.cards(list(self._cards(listed, name, lang)), name, w.MODEL.say(lang))

    def _cards(self, listed: Iterable[str], selected: str, lang: str) -> Iterator[tuple[str, str, str]]:
        """Cards without those of weights that give no picture, which must not take the tab down."""
        for name in listed:
            try:
                yield self.card(name, lang)
            except (ValueError, ArithmeticError):
                if name == selected:
                    raise


def _files() -> frozenset[tuple[str, str, int, int]]:
    """Names, paths, sizes and times of the checkpoints that are here: other ones have come if they differ."""
    found = set()
    for name, path in catalog.available().items():
        try:
            facts = path.stat()
        except OSError:  # gone by now
            continue
        found.add((name, str(path), facts.st_size, facts.st_mtime_ns))
    return frozenset(found)


def merged(parts: Iterable[Updates]) -> Updates:
    """All updates of a handler that yields them, for an event that shows the result at once."""
    found: Updates = {}
    for part in parts:
        found |= part
    return found
