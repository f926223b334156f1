"""What the server holds of a visitor while the page is open: a picture, some files, the runs under way. Then all of it goes."""

from __future__ import annotations

from typing import Any

from PIL import Image

from genstudio.ui.sessions import Filing, Taken


def clear(picture: Image.Image) -> bool:
    """Whether a background would show through it."""
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return False
    return picture.convert("RGBA").getchannel("A").getextrema()[0] < 255


class Visit(Filing):
    def __init__(self) -> None:
        super().__init__()
        self.scene: dict | None = None  # what the tab shows, and which part of it is looked at
        self.looked = "one"
        self.own: Taken | None = None  # until then, each system shows an example
        self.drawing: bytes | None = None  # the sheet's PNG
        self.made: Any = None  # what stands on the stage: a picture's digest and its settings
