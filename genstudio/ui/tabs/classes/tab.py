"""The Classes tab: class-conditional samples from several families of models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genstudio import catalog
from genstudio.controls import controls
from genstudio.system import System
from genstudio.ui.tabs.classes import words as w
from genstudio.ui.tabs.classes.between import Between
from genstudio.ui.tabs.classes.board import Board
from genstudio.ui.tabs.classes.pick import Pick
from genstudio.ui.tabs.classes.sets import Sets
from genstudio.ui.views.tab import ViewsTab


class ClassesTab(ViewsTab):
    key, title = "classes", w.TAB
    place = "classes-"
    needs = ("sample",)
    opens_on = ("cgan_mnist",)
    view_types = (Pick, Between, Board, Sets)
    empty = w.NO_MODELS

    def suits(self, name: str, system: System) -> bool:
        """True for models with class conditioning that were trained on classes."""
        return "label" in controls(system.model.sample) and bool(catalog.classes(name))

    def examples(self, name: str, seeds: Sequence[int]) -> np.ndarray:
        *_, images = self.engine.sample(name, seeds, **self.systems[name].model.preview)
        return images

    def restores(self, recipe: dict) -> bool:
        """True for a sample of a fast model without styles: diffusion models and StyleGANs have tabs of their own."""
        if not super().restores(recipe):
            return False
        model = self.systems[recipe["system"]].model
        return not (model.slow or hasattr(model, "styles"))
