"""The Classes tab: class-conditional samples from several families of models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import gradio as gr
import numpy as np

from genstudio import catalog
from genstudio.controls import controls
from genstudio.model import samples_iteratively
from genstudio.system import System
from genstudio.ui.classes import words as w
from genstudio.ui.classes.between import Between
from genstudio.ui.classes.board import Board
from genstudio.ui.classes.pick import Pick
from genstudio.ui.classes.sets import Sets
from genstudio.ui.language import language
from genstudio.ui.views.tab import ViewsTab

QUICKLY = {"steps": 5}  # for the cards of diffusion models


class ClassesTab(ViewsTab):
    place = "classes-"
    needs = ("sample",)
    opens_on = ("cgan_mnist",)
    view_types = (Pick, Between, Board, Sets)
    empty = w.NO_MODELS
    started = w.STARTED

    def offered(self) -> dict[str, System]:
        """Systems with class conditioning, trained on classes."""
        found = {name: system for name, system in super().offered().items() if "label" in controls(system.model.sample)}
        return {name: system for name, system in found.items() if catalog.classes(name)}

    def examples(self, name: str, seeds: Sequence[int]) -> np.ndarray:
        *_, images = self.engine.sample(name, seeds, **(QUICKLY if samples_iteratively(self.systems[name].model) else {}))
        return images

    def can_open(self, found: dict) -> bool:
        """True for a sample of a fast model without styles: diffusion models and StyleGANs have tabs of their own."""
        system = self.systems.get(found.get("system"))
        return super().can_open(found) and not (samples_iteratively(system.model) or hasattr(system.model, "styles"))

    def on_start(self, path: str, inputs: dict, request: gr.Request) -> Iterator[dict]:
        raise ValueError(w.NOT_HERE.say(language(request)))

    def stops(self, event: gr.events.Dependency) -> None:
        """Do nothing: there is no search to stop."""
