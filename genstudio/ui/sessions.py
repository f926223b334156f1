"""What the server holds of visitors while their pages are open: their pictures, and the runs that they have under way."""

from __future__ import annotations

import io
import os
import secrets
import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image

from genstudio.images import open_picture
from genstudio.recipes import recipe

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


class Filing(Running):
    """A visit that also has files."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[Path] = []  # that wait for what the visitor wants of them
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """A folder of this visit, under a name that nobody guesses, where Gradio serves files from."""
        if self._folder is None:
            self._folder = Path(get_upload_folder()) / f"visit-{secrets.token_urlsafe(18)}"
            self._folder.mkdir(parents=True)
        return self._folder

    def take(self, paths: Sequence[Path]) -> None:
        """Files are moved here: where they came, another visitor's equal ones may lie under the same name."""
        self.drop("files")
        place = self.folder / "files"
        place.mkdir()
        self.files = []
        for i, path in enumerate(paths):
            (place / str(i)).mkdir()
            try:
                self.files.append(Path(shutil.move(path, place / str(i) / path.name)))
            except FileNotFoundError:
                raise ValueError(f"{path.name} was lost on the way: please send it once more") from None

    def place(self, name: str) -> Path:
        """Where a result of that name goes, in place of the one before."""
        self.drop("made")
        (self.folder / "made").mkdir()
        return self.folder / "made" / name

    def drop(self, part: str) -> None:
        shutil.rmtree(self.folder / part, ignore_errors=True)

    def leave(self) -> None:
        super().leave()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def url(path: Path) -> str:
    """The address, from the page's own, of a file in a visit's folder."""
    return "gradio_api/file=" + os.fspath(path).replace("\\", "/").replace("%", "%25").replace("#", "%23").replace("?", "%3F")


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
