"""Session of the Translate tab: picture, drawing, files and current runs, deleted when the page is closed."""

from __future__ import annotations

from typing import Any

from PIL import Image

from genstudio.ui.sessions import FileSession, InputPicture


def clear(picture: Image.Image) -> bool:
    """True if a picture has transparent pixels."""
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return False
    return picture.convert("RGBA").getchannel("A").getextrema()[0] < 255


class TranslateSession(FileSession):
    def __init__(self) -> None:
        super().__init__()
        self.scene: dict | None = None  # on the screen; `selected` is the part in front
        self.selected = "one"
        self.awaited: dict | None = None  # a restored recipe whose picture has yet to be opened
        self.own: InputPicture | None = None  # None: examples
        self.drawing: bytes | None = None  # PNG
        self.labels: InputPicture | None = None  # in the paint box
        self.made: Any = None  # digest and settings of the result on the stage
