"""Session of the Diffusion tab: the visitor's picture with its mask, and the runs so far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genstudio.engine.trajectory import Step, subsampled
from genstudio.ui import html
from genstudio.ui.sessions import InputPicture, Session

MAX_BYTES = 24 * 2**20  # per visitor, for all kept steps
REMEMBERED = 8  # runs whose results the browser keeps over a reload


class RecordedRun(NamedTuple):
    """A kept run, to scrub through and to branch from."""

    scene: dict
    recipe: dict
    steps: list[Step]
    made: int  # number of steps before thinning
    seconds: float
    result: str = ""  # PNG with its recipe, as URI; encoded once, in `DiffusionSession.keep`

    @property
    def bytes(self) -> int:
        return sum(step.bytes for step in self.steps)

    @property
    def whole(self) -> bool:
        return self.steps[-1].step == self.steps[-1].steps


class DiffusionSession(Session):
    def __init__(self) -> None:
        super().__init__()
        self.scene: dict | None = None  # on the screen; `selected` is the part in front
        self.selected = "watch"
        self.made: dict | None = None  # the scene of the run on the stage, whatever branch it took
        self.awaited: dict | None = None  # a restored recipe whose picture has yet to be opened
        self.own: InputPicture | None = None
        self.mask: np.ndarray | None = None  # booleans, at the size of the canvas
        self.runs: list[RecordedRun] = []  # newest first
        self.earlier: list[tuple[str, dict]] = []  # of before a reload: result as URI, and recipe

    def keep(self, run: RecordedRun) -> RecordedRun:
        """Keep a new run, thinned if it is long, and drop the oldest ones above the memory limit."""
        result = run.result or html.png_uri(run.steps[-1].x_0[0], run.recipe)
        run = run._replace(steps=subsampled(run.steps, MAX_BYTES // 2), result=result)
        self.runs = [run, *(other for other in self.runs if other.recipe != run.recipe)]
        while len(self.runs) > 1 and sum(other.bytes for other in self.runs) > MAX_BYTES:
            self.runs.pop()
        return run

    @property
    def results(self) -> list[tuple[str, dict]]:
        """Results as URI with their recipes, newest first: of the kept runs, then of those of before a reload."""
        made = [(run.result, run.recipe) for run in self.runs]
        recipes = [recipe for _, recipe in made]
        return [*made, *(result for result in self.earlier if result[1] not in recipes)]
