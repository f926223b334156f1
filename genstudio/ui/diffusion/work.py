"""What the parts of the Diffusion tab share: the systems, the visits, and how a scene becomes a run.

A *scene* is what a recipe needs: {"system", "begin": "noise" or "picture", "seed", "controls", "branches"}, the controls
those of `sample` or of `redraw`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

from genstudio.controls import controls
from genstudio.engine import Engine
from genstudio.engine.trajectory import Step
from genstudio.images import border, fit, flatten, grid, invert
from genstudio.recipes import encoding, recipe, replay
from genstudio.system import System
from genstudio.tasks import example_inputs
from genstudio.ui import html
from genstudio.ui.diffusion.visit import Visit
from genstudio.ui.sessions import Taken, Visits, of_ours

VERBS = {"noise": "sample", "picture": "redraw"}
OPENS_WITH = 4  # the seed of the run that the tab opens on
CARD_STEPS = 10  # of the pictures on a system's card


class Work:
    def __init__(self, engine: Engine, systems: Mapping[str, System]):
        self.engine, self.systems, self.visits = engine, dict(systems), Visits(Visit)
        self._cards: dict[tuple[str, str], str] = {}
        self._examples: dict[str, Taken] = {}

    # scenes ---------------------------------------------------------------------------------------------------------

    def opening(self, system: str, begin: str = "noise") -> dict[str, Any]:
        """The scene of a system as it is declared."""
        defaults = {name: control.default for name, control in self.controls(system, begin).items()}
        return {"system": system, "begin": begin, "seed": OPENS_WITH, "controls": defaults, "branches": []}

    def controls(self, system: str, begin: str) -> dict:
        return controls(getattr(self.systems[system].model, VERBS[begin]), self.classes(system))

    def branch_controls(self, system: str) -> dict:
        return controls(self.systems[system].model.go_on, self.classes(system))

    def classes(self, system: str) -> list[str]:
        return self.engine.hold(system).header.classes

    def recipe(self, visit: Visit, scene: dict) -> dict:
        """What the picture carries."""
        said = {"seed": scene["seed"]}
        if scene["branches"]:
            said["branches"] = scene["branches"]
        if scene["begin"] == "picture":
            said["picture"] = self.picture(visit, scene["system"]).digest
            if (mask := self.mask(visit, scene["system"])) is not None:
                said["mask"] = encoding.pack_mask(mask)
        held = self.engine.hold(scene["system"])
        return recipe.make(held, VERBS[scene["begin"]], **said, controls=scene["controls"])

    def scene_of(self, found: dict) -> dict:
        """The scene of a checked recipe."""
        begin = next(key for key, verb in VERBS.items() if verb == found["verb"])
        opening = self.opening(found["system"], begin)
        branches = recipe.check_branches(found.get("branches"))
        values = opening["controls"] | (found.get("controls") or {})
        return opening | {"seed": int(found["seed"]), "controls": values, "branches": branches}

    # runs -----------------------------------------------------------------------------------------------------------

    def steps(self, visit: Visit, scene: dict) -> Iterator[Step]:
        made = recipe.check(self.recipe(visit, scene))
        own = self.shown_to(visit, scene["system"]) if scene["begin"] == "picture" else None
        return replay.steps(made, self.engine, own)

    def schedule(self, system: str):
        return self.engine.hold(system).model.schedule

    # pictures -------------------------------------------------------------------------------------------------------

    def picture(self, visit: Visit, system: str) -> Taken:
        """The visitor's, else an example."""
        return visit.own or self.example(system)

    def shown_to(self, visit: Visit, system: str) -> Image.Image:
        """The picture as the model is shown it: ink on paper is turned round for one that knows light on dark."""
        picture = flatten(self.picture(visit, system).picture)
        if self.engine.image_shape(system)[0] == 1 and border(np.asarray(picture)) > 127:
            picture = invert(picture)
        return picture

    def fitted(self, visit: Visit, system: str) -> np.ndarray:
        """The same, uint8 at the model's size."""
        shape = self.engine.image_shape(system)
        return np.asarray(fit(self.shown_to(visit, system), shape)).reshape(shape[1], shape[2], shape[0])

    def mask(self, visit: Visit, system: str) -> np.ndarray | None:
        """What is painted over, at the model's size."""
        if visit.mask is None or not visit.mask.any():
            return None
        height, width = self.engine.image_shape(system)[1:]
        small = Image.fromarray(visit.mask).convert("L").resize((width, height), Image.Resampling.BOX)
        return np.asarray(small) > 63  # a pixel that is painted on in part is painted on

    def example(self, system: str) -> Taken:
        """A picture to begin with: a face, or a digit by the model itself."""
        if system not in self._examples:
            if self.engine.image_shape(system)[0] == 3:
                self._examples[system] = of_ours(example_inputs.face(self.engine))
            else:
                *_, last = self.engine.denoise(system, [1], steps=CARD_STEPS)
                self._examples[system] = of_ours(Image.fromarray(last.guess[0, :, :, 0]))
        return self._examples[system]

    def card(self, system: str, lang: str) -> tuple[str, str, str]:
        """A system's choice: its title, and four of its pictures. New weights under the old name get new ones."""
        key = system, self.engine.hold(system).digest
        if key not in self._cards:
            *_, pictures = self.engine.sample(system, [1, 2, 3, 5], steps=CARD_STEPS)
            self._cards[key] = html.png_uri(grid(pictures, columns=2, gap=0))
        return system, getattr(self.systems[system].title, lang), self._cards[key]
