"""Per-session state on the server while a page is open: pictures, files and current runs."""

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

from genstudio.controls import Refusal
from genstudio.images import open_picture, remarks
from genstudio.recipes import fields
from genstudio.ui.language import mention

MAX_SESSIONS = 256  # sessions at a time; the least recent is dropped


class InputPicture(NamedTuple):
    """An uploaded picture: upright, with transparency, and its digest for recipes."""

    picture: Image.Image
    digest: str  # first 16 digits of the file's SHA-256
    own: bool  # True: the visitor's, False: an example


def read_picture(source: str | bytes, lang: str) -> Image.Image:
    """Read a visitor's picture, with a message for each remark. Raises ValueError with the reason if it is not one."""
    picture = open_picture(source)
    for remark in remarks(picture):
        mention(remark, lang)
    return picture


def read_input(body: bytes, lang: str) -> InputPicture:
    """Read a visitor's picture file, as `read_picture` does."""
    return InputPicture(read_picture(body, lang), fields.picture_name(body), own=True)


def example_input(picture: Image.Image) -> InputPicture:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return InputPicture(open_picture(body := stream.getvalue()), fields.picture_name(body), own=False)


class Cancellation:
    """A cancellable run, which checks `stopped` between its steps."""

    def __init__(self) -> None:
        self.stopped = self.cancelled = False


class Session:
    """A session with at most one run per name; tabs add their own state."""

    def __init__(self) -> None:
        self._runs: dict[str, Cancellation] = {}

    def begin(self, kind: str) -> Cancellation:
        """Begin a run, and end the previous one of that name."""
        self.end(kind)
        self._runs[kind] = Cancellation()
        return self._runs[kind]

    def end(self, kind: str, cancelled: bool = False) -> None:
        if run := self._runs.get(kind):
            run.cancelled |= cancelled
            run.stopped = True

    def leave(self) -> None:
        for kind in self._runs:
            self.end(kind)


class FileSession(Session):
    """A session with files."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[Path] = []  # uploaded, not yet used
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """Folder of this session, with an unguessable name, from which Gradio serves files."""
        if self._folder is None:
            self._folder = Path(get_upload_folder()) / f"visit-{secrets.token_urlsafe(18)}"
            self._folder.mkdir(parents=True)
        return self._folder

    def take(self, paths: Sequence[Path]) -> None:
        """Move files here: an equal upload of another visitor has the same path."""
        self.drop("files")
        place = self.folder / "files"
        place.mkdir()
        self.files = []
        for i, path in enumerate(paths):
            (place / str(i)).mkdir()
            try:
                self.files.append(Path(shutil.move(path, place / str(i) / path.name)))
            except FileNotFoundError:
                raise Refusal(
                    f"{path.name} was lost on the way: please send it once more",
                    f"{path.name} s’est perdu en route : envoyez-le encore une fois",
                ) from None

    def place(self, name: str) -> Path:
        """Path of a new result, which replaces the previous one."""
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
    """URL of a file in a session's folder, relative to the page."""
    return "gradio_api/file=" + os.fspath(path).replace("\\", "/").replace("%", "%25").replace("#", "%23").replace("?", "%3F")


Kind = TypeVar("Kind", bound=Session)


class Drags:
    """Newest place of a drag by session. Each is asked for at once and numbered by the page: a picture that is finished
    after a newer one was begun is not shown, or it would stay."""

    def __init__(self) -> None:
        self._newest: OrderedDict[str, int] = OrderedDict()

    def begin(self, event: gr.EventData, request: gr.Request) -> None:
        key, number = request.session_hash, int(event.number)
        self._newest[key] = number if number <= 1 else max(number, self._newest.get(key, 0))  # a new page counts anew
        self._newest.move_to_end(key)
        while len(self._newest) > MAX_SESSIONS:
            self._newest.popitem(last=False)

    def overtaken(self, event: gr.EventData, request: gr.Request) -> bool:
        return int(event.number) < self._newest.get(request.session_hash, 0)


class Sessions(Generic[Kind]):
    """State by session: Gradio's own state would outlive the page by an hour."""

    def __init__(self, make: Callable[[], Kind]) -> None:
        self._make = make
        self._open: OrderedDict[str | None, Kind] = OrderedDict()

    def of(self, request: gr.Request | None) -> Kind:
        key = request.session_hash if request else None
        if key not in self._open:
            self._open[key] = self._make()
        session = self._open[key]
        self._open.move_to_end(key)
        while len(self._open) > MAX_SESSIONS:
            self._open.popitem(last=False)[1].leave()
        return session

    def leave(self, request: gr.Request) -> None:
        if session := self._open.pop(request.session_hash, None):
            session.leave()
