"""Export of a view as a film: two buttons for the format, and a download button."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import gradio as gr

from genstudio.ui import words as w
from genstudio.ui.events import ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.open_file import amount

SUFFIXES = {".webp": w.AS_WEBP, ".mp4": w.AS_MP4}


class Film:
    """The buttons, drawn in the current row. `place` prefixes the element ids."""

    def __init__(self, place: str):
        self.buttons = {
            suffix: gr.Button(t(label), elem_id=f"{place}-{suffix[1:]}", size="sm", scale=0, min_width=140)
            for suffix, label in SUFFIXES.items()
        }
        self.file = gr.DownloadButton(visible=False, elem_id=f"{place}-file", size="sm", variant="primary", scale=0)

    def wire(self, save: Callable[[dict, Path, str], Path], inputs: set[gr.components.Component]) -> None:
        """Connect the buttons; `save(inputs, folder, suffix)` writes the film to the folder and returns its path."""
        for suffix, button in self.buttons.items():
            on(button.click, self.saver(save, suffix), inputs, self.file, **ONCE)

    def saver(self, save: Callable[[dict, Path, str], Path], suffix: str) -> Callable:
        @friendly
        def on_save(inputs: dict, request: gr.Request) -> dict:
            film = save(inputs, Path(tempfile.mkdtemp(prefix="walk-")), suffix)
            lang = language(request)
            label = w.DOWNLOAD_FILE.say(lang, kind=suffix[1:].upper(), size=amount(film.stat().st_size, lang))
            return gr.update(value=str(film), label=label, visible=True)

        return on_save

    @property
    def cleared(self) -> dict:
        """Updates that hide the film of a previous scene."""
        return {self.file: gr.update(value=None, visible=False)}
