"""What the server holds of visitors while their pages are open, and the runs that they have under way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import gradio as gr

MOST = 256  # visits at a time; the longest unseen is forgotten


class Run:
    """Something under way, which asks now and then whether it should go on."""

    def __init__(self) -> None:
        self.stopped = self.cancelled = False


class Running:
    """One visit: at most one run of each kind. What else is held, a tab adds."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}

    def begin(self, kind: str) -> Run:
        """A new run of that kind, which ends the one before."""
        self.end(kind)
        self._runs[kind] = Run()
        return self._runs[kind]

    def end(self, kind: str, cancelled: bool = False) -> None:
        if run := self._runs.get(kind):
            run.cancelled |= cancelled
            run.stopped = True

    def leave(self) -> None:
        for kind in self._runs:
            self.end(kind)


Kind = TypeVar("Kind", bound=Running)


class Visits(Generic[Kind]):
    """By session: Gradio's own state would outlive the page by an hour."""

    def __init__(self, make: Callable[[], Kind]) -> None:
        self._make = make
        self._open: OrderedDict[str | None, Kind] = OrderedDict()

    def of(self, request: gr.Request | None) -> Kind:
        key = request.session_hash if request else None
        if key not in self._open:
            self._open[key] = self._make()
        visit = self._open[key]
        self._open.move_to_end(key)
        while len(self._open) > MOST:
            self._open.popitem(last=False)[1].leave()
        return visit

    def leave(self, request: gr.Request) -> None:
        if visit := self._open.pop(request.session_hash, None):
            visit.leave()
