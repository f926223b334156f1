"""What the server holds of a visitor of the Diffusion tab: a picture with what is painted over it, and the runs so far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genstudio.engine.trajectory import Step, thinned
from genstudio.ui.sessions import Running, Taken

MOST_BYTES = 24 * 2**20  # of all steps that are kept for a visitor


class Kept(NamedTuple):
    """A run, as it can be looked through and branched from."""

    scene: dict
    recipe: dict
    steps: list[Step]
    made: int  # steps before it was thinned
    seconds: float

    @property
    def bytes(self) -> int:
        return sum(step.bytes for step in self.steps)

    @property
    def whole(self) -> bool:
        return self.steps[-1].step == self.steps[-1].steps


class Visit(Running):
    def __init__(self) -> None:
        super().__init__()
        self.scene: dict | None = None  # what the tab shows, and which part of it is looked at
        self.looked = "watch"
        self.made: dict | None = None  # the scene of the run on the stage, whatever branch it took
        self.own: Taken | None = None
        self.mask: np.ndarray | None = None  # booleans, of the size of the sheet that was painted on
        self.runs: list[Kept] = []  # the newest first

    def keep(self, run: Kept) -> Kept:
        """A new run, thinned where it is long; the oldest make room for it."""
        run = run._replace(steps=thinned(run.steps, MOST_BYTES // 2))
        self.runs = [run, *(other for other in self.runs if other.recipe != run.recipe)]
        while len(self.runs) > 1 and sum(other.bytes for other in self.runs) > MOST_BYTES:
            self.runs.pop()
        return run
