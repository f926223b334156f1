"""Events of the page: which value an event sends, which components it updates, and how it is queued.

At every status message Gradio's client walks through all components that were ever inputs of an event that ran, or that
show its progress, and looks up all its outputs. So an event sends the value of its own component alone, the server
keeps the values of all (`Visit`), and a handler that streams updates few components (`Deferred`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from typing import Any
from weakref import WeakSet

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from genstudio.ui.sessions import Session, Sessions

# None of the events is part of the public API, and none shows Gradio's progress.
SILENT = dict(show_progress="hidden", show_progress_on=[], api_visibility="private")

# Through Gradio's queue: without it no error message reaches the page.
QUIET = SILENT | dict(concurrency_limit=None)
# While one runs, others are dropped, the last one is kept, or all are.
ONCE, LAST, EACH = (QUIET | dict(trigger_mode=mode) for mode in ("once", "always_last", "multiple"))

# In one round trip without the queue, for drags: the engine has a queue of its own.
DIRECT = SILENT | dict(queue=False)
DRAG = DIRECT | dict(trigger_mode="always_last")

# Triggers `expand` when the component's value changes.
CHANGED = "watch('value', () => trigger('expand'));"
# The bell of the whole page, so that its events update one component and not one of each tab: it rings that of the name
# before the space.
RINGS = "watch('value', () => dispatchEvent(new CustomEvent('genstudio:ring', {detail: props.value.split(' ')[0]})));"
ANSWERED = "addEventListener('genstudio:ring', event => { if (event.detail === 'NAME') trigger('expand'); });"


class Variable:
    """A value of a visit that no component shows. Handlers read and update it as they do a component's."""

    def __init__(self, value: Any):
        self.value = value


Place = Block | Variable
Updates = dict[Place, Any]


class Visit(Session):
    """Values of a page that is open, by component, and updates that wait for their event."""

    def __init__(self) -> None:
        super().__init__()
        self.values: Updates = {}
        self.waiting: dict[Deferred, Updates] = {}
        self.rings = 0

    def value(self, place: Place) -> Any:
        if place not in self.values and isinstance(place, gr.Textbox):
            return place.value or ""
        return self.values.get(place, place.value)

    def record(self, updates: Updates) -> None:
        """Keep the values that handlers read."""
        for place, update in updates.items():
            if place not in READ:
                continue
            if not is_update(update):
                self.values[place] = update
            elif "value" in update:
                self.values[place] = update["value"]


VISITS = Sessions(Visit)
READ: WeakSet[Place] = WeakSet()  # what handlers read
SENT: WeakSet[Block] = WeakSet()  # components of which an event sends each change


def on(
    listener: Callable, handler: Callable, reads: Any = (), updates: Any = (), **options: Any
) -> gr.events.Dependency:
    """Connect a handler to an event, as Gradio does: `on(button.click, handler, {seed}, [picture], **ONCE)`.

    reads: a set, which the handler takes as a dictionary, or one or several places, which it takes in order.
    sends, among the options: places whose values the event sends, besides its own.
    """
    return _connect(listener, handler, reads, as_list(updates), as_list(updates), None, options)


def memories(reads: Collection[Place]) -> list[gr.BrowserState]:
    """Places that the browser remembers, of those that a handler reads. Gradio knows them once their tab is mounted."""
    return [place for place in reads if isinstance(place, gr.BrowserState)]


class Deferred:
    """Updates that are sent in an event of their own.

    A streaming handler may update a whole tab: then the few components that change with each step are sent as they
    come, and the others here.

    name: by which the page's own bell rings this one.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.bell = gr.HTML("", elem_classes="bell", js_on_load=CHANGED + ANSWERED.replace("NAME", name))

    def deliver_to(self, outputs: Collection[Place]) -> None:
        """Connect the components that may be updated."""
        self.outputs = [place for place in outputs if isinstance(place, Block)]
        on(self.bell.expand, self.deliver, None, self.outputs, **EACH)

    def deliver(self, request: gr.Request) -> Any:
        return returned(self.take(request), self.outputs)

    def take(self, request: gr.Request) -> Updates:
        """The updates that wait."""
        return VISITS.of(request).waiting.pop(self, {})

    def defer(self, updates: Updates, request: gr.Request) -> Updates:
        """Keep updates for the event. Returns what triggers it, if there are any."""
        return {self.bell: rings} if (rings := self.keep(updates, request)) else {}

    def keep(self, updates: Updates, request: gr.Request) -> str:
        """Keep updates for the event. Returns the value of the page's bell that triggers it, "" if there are none."""
        visit = VISITS.of(request)
        visit.record(updates)
        if not (shown := {place: update for place, update in updates.items() if isinstance(place, Block)}):
            return ""
        visit.waiting[self] = visit.waiting.get(self, {}) | shown
        visit.rings += 1
        return f"{self.name} {visit.rings}"

    def stream(
        self, listener: Callable, handler: Callable, reads: Any, front: Collection[Place], **options: Any
    ) -> gr.events.Dependency:
        """Connect a handler, as `on` does, of whose updates only those of `front` are sent as they come."""
        return _connect(listener, handler, reads, None, [*dict.fromkeys([*front, self.bell])], self, options)


def tell_values(page: gr.Blocks) -> None:
    """Let each component that is read, and has no event that does so, send its value when a visitor changes it."""
    for place in [place for place in READ if isinstance(place, Component) and place not in SENT]:
        if place._id in page.blocks and not isinstance(place, gr.BrowserState):
            # A text that is pasted or filled in by the browser comes without `input`.
            changed = place.change if isinstance(place, gr.Textbox) else place.input
            on(changed, lambda inputs: None, {place}, **DRAG)


def _connect(
    listener: Callable, handler: Callable, reads: Any, updates: list[Place] | None, outputs: list[Place],
    deferred: Deferred | None, options: dict[str, Any],
) -> gr.events.Dependency:  # fmt: skip
    by_name = isinstance(reads, (set, frozenset))
    places = list(reads) if by_name else as_list(reads)
    READ.update(places)
    source = getattr(listener, "__self__", None)
    sent = [*dict.fromkeys([*([source] if source in places else []), *options.pop("sends", ())])]
    shown = [place for place in outputs if isinstance(place, Block)]
    wanted = [name for name in ("event", "request") if name in inspect.signature(handler).parameters]

    def arguments(given: tuple) -> tuple[list, dict, gr.Request]:
        *values, request = given
        special = {"request": request}
        if "event" in wanted:
            special["event"] = values.pop()
        visit = VISITS.of(request)
        visit.values |= zip(sent, values, strict=True)
        found = {place: visit.value(place) for place in places}
        first = ([found] if places else []) if by_name else list(found.values())
        return first, {name: special[name] for name in wanted}, request

    def answer(result: Any, request: gr.Request) -> Any:
        named = updates or []
        found = result if is_updates(result) else dict(zip(named, as_list(result, len(named)), strict=False))
        VISITS.of(request).record(found)
        found = {place: update for place, update in found.items() if isinstance(place, Block)}
        if deferred:
            later = {place: update for place, update in found.items() if place not in shown}
            found = {place: found[place] for place in found if place in shown} | deferred.defer(later, request)
        return returned(found, shown)

    if inspect.isgeneratorfunction(handler):

        def run(*given: Any) -> Iterator[Any]:
            first, special, request = arguments(given)
            for result in handler(*first, **special):
                yield answer(result, request)
    else:

        def run(*given: Any) -> Any:
            first, special, request = arguments(given)
            return answer(handler(*first, **special), request)

    special_types = {"event": gr.EventData, "request": gr.Request}
    special = [name for name in special_types if name in (*wanted, "request")]
    names = [*(f"value_{i}" for i in range(len(sent))), *special]
    run.__name__, run.__qualname__ = (getattr(handler, word, "handler") for word in ("__name__", "__qualname__"))
    run.__annotations__ = {name: special_types[name] for name in names if name in special_types}
    ordered = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    run.__signature__ = inspect.Signature(ordered)
    dependency = listener(run, sent or None, shown or None, **options)
    if any(event in ("input", "release", "upload") for _, event in dependency["targets"]):
        SENT.update(sent)
    return dependency


def returned(updates: Updates, outputs: list[Block]) -> Any:
    """Updates in the form that Gradio takes, for a handler with these outputs: at least one."""
    if updates or not outputs:
        return updates or None
    return gr.skip() if len(outputs) == 1 else tuple(gr.skip() for _ in outputs)


def is_update(value: Any) -> bool:
    return isinstance(value, dict) and "__type__" in value


def is_updates(result: Any) -> bool:
    return isinstance(result, dict) and not is_update(result) and all(isinstance(k, (Block, Variable)) for k in result)


def as_list(places: Any, count: int | None = None) -> list:
    """One place, or several, as a list. count: of values, so that a list which is the only value stays one."""
    if places is None:
        return []
    if count == 1 or not isinstance(places, (list, tuple, set)):
        return [places]
    return list(places)
