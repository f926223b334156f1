"""What the server holds of a visitor while the page is open: a picture, some files, the runs under way. Then all of it goes."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder
from PIL import Image

from genstudio.ui.visits import Running, Taken


def clear(picture: Image.Image) -> bool:
    """Whether a background would show through it."""
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return False
    return picture.convert("RGBA").getchannel("A").getextrema()[0] < 255


class Visit(Running):
    def __init__(self) -> None:
        super().__init__()
        self.scene: dict | None = None  # what the tab shows, and which part of it is looked at
        self.looked = "one"
        self.own: Taken | None = None  # until then, each system shows an example
        self.drawing: bytes | None = None  # the sheet's PNG
        self.files: list[Path] = []  # that wait to be translated
        self.made: Any = None  # what stands on the stage: a picture's digest and its settings
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
