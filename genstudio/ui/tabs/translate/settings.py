"""Input settings (view, background, lines) and controls of the system: one panel for all parts of the tab."""

from __future__ import annotations

import re
from typing import Any

import gradio as gr
from PIL import ImageColor

from genstudio.recipes import fields
from genstudio.ui.language import t
from genstudio.ui.panels import Panel
from genstudio.ui.tabs.translate import words as w
from genstudio.ui.tabs.translate.backend import TranslateBackend
from genstudio.ui.tabs.translate.session import TranslateSession, clear

DETAIL = 0.5


class TranslateSettings:
    def __init__(self, backend: TranslateBackend):
        self.backend = backend
        self.panel = Panel(backend.systems, "translate", "translate")
        self.lines = gr.Checkbox(False, label=t(w.LINES), info=t(w.LINES_HINT), elem_id="lines")
        self.detail = gr.Slider(0, 1, DETAIL, step=0.05, label=t(w.DETAIL), info=t(w.DETAIL_HINT), elem_id="detail")
        self.view = gr.Radio(
            [(t(w.OWN), "own"), (t(w.TILES), "tiles")], value="own", label=t(w.VIEW), info=t(w.VIEW_HINT), elem_id="view"
        )
        self.background = gr.ColorPicker(
            "#ffffff", label=t(w.BACKGROUND), info=t(w.BACKGROUND_HINT), elem_id="background", visible=False
        )

    @property
    def sliders(self) -> list[gr.Slider]:
        return [c for c in (*self.panel.components.values(), self.detail) if isinstance(c, gr.Slider)]

    @property
    def others(self) -> list[gr.components.Component]:
        return [c for c in self.components if not isinstance(c, gr.Slider)]

    @property
    def components(self) -> list[gr.components.Component]:
        return [*self.panel.components.values(), self.lines, self.detail, self.view, self.background]

    def read(self, system: str, inputs: dict) -> dict[str, Any]:
        """The scene with the panel's values."""
        lines = self.backend.draws(system) and inputs[self.lines]
        return {
            "system": system,
            "view": inputs[self.view] if self.backend.has_tiles(system) else "own",
            "background": hexadecimal(inputs[self.background]),
            "detail": fields.check_detail(inputs[self.detail]) if lines else None,
            "controls": self.panel.values(system, inputs),
        }

    def show(self, scene: dict, session: TranslateSession) -> dict:
        """Updates that show the settings for this system and picture, with the scene's values."""
        system, lines = scene["system"], scene["detail"] is not None
        see_through = session.own is not None and clear(session.own.picture)
        return {
            **self.panel.show(system, scene["controls"]),
            self.lines: gr.update(visible=self.backend.draws(system), value=lines),
            self.detail: gr.update(visible=lines, value=scene["detail"] if lines else DETAIL),
            self.view: gr.update(visible=self.backend.has_tiles(system), value=scene["view"]),
            self.background: gr.update(visible=see_through, value=hexadecimal(scene["background"])),
        }


def hexadecimal(colour: Any) -> str:
    """Convert a named colour, or one from Gradio's picker with fractional levels, to #rrggbb."""
    if numbers := re.fullmatch(r"rgba?\(([\d.]+), *([\d.]+), *([\d.]+)(?:, *[\d.]+)?\)", str(colour)):
        return "#" + "".join(f"{min(255, round(float(number))):02x}" for number in numbers.groups())
    return "#" + "".join(f"{level:02x}" for level in ImageColor.getrgb(fields.check_background(colour))[:3])
