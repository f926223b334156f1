"""What a view shows, saved as a film: two buttons, and the file that then waits to be fetched."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import gradio as gr

from genstudio.ui import words as w
from genstudio.ui.events import ONCE
from genstudio.ui.language import friendly, language, t

SUFFIXES = {".webp": w.WALK_WEBP, ".mp4": w.WALK_MP4}


class Film:
    """Drawn in the current row; `place` comes before the names of its elements."""

    def __init__(self, place: str):
        self.buttons = {
            suffix: gr.Button(t(label), elem_id=f"{place}-{suffix[1:]}", size="sm", scale=0, min_width=140)
            for suffix, label in SUFFIXES.items()
        }
        self.file = gr.DownloadButton(visible=False, elem_id=f"{place}-file", size="sm", variant="primary", scale=0)

    def wire(self, save: Callable[[dict, Path, str], Path], inputs: set[gr.components.Component]) -> None:
        """`save(inputs, folder, suffix)` writes the film into the folder, under a name of its own, and returns its path."""
        for suffix, button in self.buttons.items():
            button.click(self.saver(save, suffix), inputs, self.file, **ONCE)

    def saver(self, save: Callable[[dict, Path, str], Path], suffix: str) -> Callable:
        @friendly
        def on_save(inputs: dict, request: gr.Request) -> dict:
            film = save(inputs, Path(tempfile.mkdtemp(prefix="walk-")), suffix)
            label = f"{getattr(w.DOWNLOAD, language(request))}: {suffix[1:].upper()}, {film.stat().st_size // 1000} kB"
            return gr.update(value=str(film), label=label, visible=True)

        return on_save

    @property
    def cleared(self) -> dict:
        """Updates for another scene, of which there is no film yet."""
        return {self.file: gr.update(value=None, visible=False)}
