"""Two pictures' codes combined: averaged, spliced at a cut, and subtracted."""

from __future__ import annotations

import random
from typing import Any

import gradio as gr
import numpy as np

from genstudio.recipes import encoding
from genstudio.ui import words as page_words
from genstudio.ui.endpoint import Endpoint
from genstudio.ui.events import DRAG, LAST, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tabs.latent import words as w
from genstudio.ui.views.view import View, figure

DRAWN = 256  # random codes, for their mean
WAITING = f'<div class="stage three waiting">{"<figure></figure>" * 3}</div>'


def combined(first: np.ndarray, second: np.ndarray, mean: np.ndarray, cut: int) -> dict[str, np.ndarray]:
    """Codes (d,) by name: the average; the first `cut` numbers of one and the others of the other; the difference,
    from the mean code, as a difference alone is the code of no picture."""
    return {
        "averaged": (first + second) / 2,
        "spliced": np.concatenate([first[:cut], second[cut:]]),
        "subtracted": mean + first - second,
    }


class Combine(View):
    key, title = "combine", w.COMBINE
    verbs = ()
    opening: dict[str, Any] = {"from": {"seed": 33}, "to": {"seed": 54}, "cut": 0.5}

    def render(self) -> None:
        gr.Markdown(t(w.COMBINE_HINT), elem_classes="caption")
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=200, elem_classes="end-column"):
                first = Endpoint("combine-from", "from", w.FIRST, self.opening["from"]["seed"])
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                self.stage = gr.HTML(WAITING, elem_id="combine-stage")
                self.cut = gr.Slider(0, 1, 0.5, step=0.01, label=t(w.CUT), info=t(w.POSITION_HINT), elem_id="combine-cut")
                with gr.Row(elem_classes="tools"):
                    self.add_panel()
                    self.dice = gr.Button(
                        t(page_words.NEW_SEED_KEY), elem_classes="dice", variant="primary", scale=0, min_width=170
                    )
            with gr.Column(scale=3, min_width=200, elem_classes="end-column"):
                second = Endpoint("combine-to", "to", w.SECOND, self.opening["to"]["seed"])
        self.ends = {"from": first, "to": second}

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"cut": self.cut}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [self.stage]

    def wire(self) -> None:
        for slider in (self.cut, *self.control_inputs):
            on(slider.input, self.on_drag, self.inputs, self.stage, **DRAG)
            self.redraw_after(slider)
        on(self.dice.click, self.on_dice, self.inputs, self.all_outputs, **LAST)
        for end in self.ends.values():
            end.wire(self)

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> str:
        return self.stage_html(self.read(inputs), language(request))

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        """New seeds for both pictures, except a visitor's."""
        scene = self.read(inputs)
        rolled = {key: {"seed": random.randrange(1_000_000)} for key in self.ends if "seed" in scene[key]}
        return self.present(scene | rolled, inputs, request)

    # rendering ------------------------------------------------------------------------------------------------------

    def codes(self, scene: dict) -> dict[str, np.ndarray]:
        mean = self.engine.latents(scene["system"], range(DRAWN)).mean(0)
        return combined(self.code(scene, "from"), self.code(scene, "to"), mean, self.cut_of(scene, len(mean)))

    def cut_of(self, scene: dict, size: int) -> int:
        """Numbers of a code of that size that are the first picture's."""
        return round(min(1.0, max(0.0, float(scene["cut"]))) * size)

    def recipe_of(self, scene: dict) -> dict:
        """Recipe of the spliced picture, which the slider changes."""
        return self.made(scene, self.codes(scene)["spliced"])

    def made(self, scene: dict, code: np.ndarray) -> dict:
        return self.recipe(scene, "decode", code=encoding.pack(code))

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        return {self.stage: self.stage_html(scene, lang), self.cut: scene["cut"]}

    def stage_html(self, scene: dict, lang: str) -> str:
        codes = self.codes(scene)
        uris = self.pictures(scene, np.stack([*codes.values()]), [self.made(scene, code) for code in codes.values()])
        size = len(codes["spliced"])
        cut = self.cut_of(scene, size)
        titles = {
            "averaged": (w.AVERAGED.say(lang), w.AVERAGED_NOTE.say(lang)),
            "spliced": (w.SPLICED.say(lang), w.SPLICED_NOTE.say(lang, first=cut, second=size - cut)),
            "subtracted": (w.SUBTRACTED.say(lang), w.SUBTRACTED_NOTE.say(lang)),
        }
        figures = "".join(
            figure(uri, title, f"{scene['system']}-{key}.png", lang, f"<span>{note}</span>", key)
            for uri, (key, (title, note)) in zip(uris, titles.items(), strict=True)
        )
        return f'<div class="stage three">{figures}</div>'
