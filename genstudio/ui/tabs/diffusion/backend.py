"""State shared by the parts of the Diffusion tab: systems, sessions, and runs of a scene.

A *scene* has the fields of a recipe: {"system", "begin": "noise" or "picture", "seed", "controls", "branches"}, with
the controls of `sample` or of `img2img` (img2img, SDEdit).
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
from genstudio.recipes import encoding, fields, recipe, trajectory
from genstudio.system import System
from genstudio.tasks import example_inputs
from genstudio.ui import html
from genstudio.ui.sessions import InputPicture, Sessions, example_input
from genstudio.ui.tabs.diffusion.session import DiffusionSession

VERBS = {"noise": "sample", "picture": "img2img"}
OPENS_WITH = 4  # seed of the opening run


class DiffusionBackend:
    def __init__(self, engine: Engine, systems: Mapping[str, System]):
        self.engine, self.systems, self.sessions = engine, dict(systems), Sessions(DiffusionSession)
        self._cards: dict[tuple[str, str], str] = {}
        self._examples: dict[str, InputPicture] = {}

    # scenes ---------------------------------------------------------------------------------------------------------

    def opening(self, system: str, begin: str = "noise") -> dict[str, Any]:
        """Scene of a system with default controls."""
        defaults = {name: control.default for name, control in self.controls(system, begin).items()}
        return {"system": system, "begin": begin, "seed": OPENS_WITH, "controls": defaults, "branches": []}

    def controls(self, system: str, begin: str) -> dict:
        return controls(getattr(self.systems[system].model, VERBS[begin]), self.classes(system))

    def branch_controls(self, system: str) -> dict:
        return controls(self.systems[system].model.denoise_from, self.classes(system))

    def classes(self, system: str) -> list[str]:
        return self.engine.hold(system).header.classes

    def recipe(self, session: DiffusionSession, scene: dict) -> dict:
        """Recipe of a scene, saved in its picture."""
        said = {"seed": scene["seed"]}
        if scene["branches"]:
            said["branches"] = scene["branches"]
        if scene["begin"] == "picture":
            said["picture"] = self.picture(session, scene["system"]).digest
            if (mask := self.mask(session, scene["system"])) is not None:
                said["mask"] = encoding.pack_mask(mask)
        loaded = self.engine.hold(scene["system"])
        return recipe.make(loaded, VERBS[scene["begin"]], **said, controls=scene["controls"])

    def scene_of(self, found: dict) -> dict:
        """Scene of a checked recipe."""
        begin = next(key for key, verb in VERBS.items() if verb == found["verb"])
        opening = self.opening(found["system"], begin)
        branches = fields.check_branches(found.get("branches"))
        values = opening["controls"] | (found.get("controls") or {})
        return opening | {"seed": int(found["seed"]), "controls": values, "branches": branches}

    # runs -----------------------------------------------------------------------------------------------------------

    def steps(self, session: DiffusionSession, scene: dict) -> Iterator[Step]:
        made = recipe.check(self.recipe(session, scene))
        own = self.shown_to(session, scene["system"]) if scene["begin"] == "picture" else None
        return trajectory.steps(made, self.engine, own)

    def schedule(self, system: str):
        return self.engine.hold(system).model.schedule

    # pictures -------------------------------------------------------------------------------------------------------

    def picture(self, session: DiffusionSession, system: str) -> InputPicture:
        """The visitor's picture, else an example."""
        return session.own or self.example(system)

    def shown_to(self, session: DiffusionSession, system: str) -> Image.Image:
        """The picture as input of the model: dark ink on paper is inverted for a model of light on dark."""
        picture = flatten(self.picture(session, system).picture)
        if self.engine.image_shape(system)[0] == 1 and border(np.asarray(picture)) > 127:
            picture = invert(picture)
        return picture

    def fitted(self, session: DiffusionSession, system: str) -> np.ndarray:
        """The same resized to the model's input, uint8 (h, w, c)."""
        shape = self.engine.image_shape(system)
        return np.asarray(fit(self.shown_to(session, system), shape)).reshape(shape[1], shape[2], shape[0])

    def mask(self, session: DiffusionSession, system: str) -> np.ndarray | None:
        """Inpainting mask at the model's size, booleans (h, w), or None."""
        if session.mask is None or not session.mask.any():
            return None
        height, width = self.engine.image_shape(system)[1:]
        small = Image.fromarray(session.mask).convert("L").resize((width, height), Image.Resampling.BOX)
        return np.asarray(small) > 63  # a quarter of the pixel painted is enough

    def example(self, system: str) -> InputPicture:
        """Example picture: a face, or a digit sampled by the model itself."""
        if system not in self._examples:
            if self.engine.image_shape(system)[0] == 3:
                self._examples[system] = example_input(example_inputs.face(self.engine))
            else:
                *_, last = self.engine.denoise(system, [1], **self.systems[system].model.preview)
                self._examples[system] = example_input(Image.fromarray(last.x_0[0, :, :, 0]))
        return self._examples[system]

    def card(self, system: str, lang: str) -> tuple[str, str, str]:
        """Card of a system: name, title, and a grid of four samples, drawn again when the weights change."""
        key = system, self.engine.hold(system).digest
        if key not in self._cards:
            *_, pictures = self.engine.sample(system, [1, 2, 3, 5], **self.systems[system].model.preview)
            self._cards[key] = html.png_uri(grid(pictures, columns=2, gap=0))
        return system, self.systems[system].title.say(lang), self._cards[key]
