"""What the server holds of visitors while their pages are open: their pictures, and the runs that they have under way."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import gradio as gr
from PIL import Image

from genstudio import recipe
from genstudio.images import open_picture

MOST = 256  # visits at a time; the longest unseen is forgotten


class Taken(NamedTuple):
    """A picture as it came: upright, with its transparency, and the name of it that a recipe may say."""

    picture: Image.Image
    digest: str  # the first 16 digits of the file's SHA-256
    own: bool  # the visitor's; else an example


def taken(body: bytes, own: bool = True) -> Taken:
    """Raises ValueError with the reason where it is no picture."""
    return Taken(open_picture(body), recipe.picture_name(body), own)


def of_ours(picture: Image.Image) -> Taken:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return taken(stream.getvalue(), own=False)


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
