"""What a run shows to somebody who watches it: its pictures, and how good they are, every few minutes.

It takes no part in what is learned: a run that was watched has the same weights as one that was not. It costs at most one
part in `RARE` of the time.
"""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from genstudio import checkpoint
from genstudio.data import Batches
from genstudio.model import Batch, Model
from genstudio.precision import Precision
from genstudio.scores.evaluation import Checker, Checkup, best
from genstudio.training.finalize import finish
from genstudio.training.jsonl import rows
from genstudio.training.sample_grid import makes_pictures, save_wall

if TYPE_CHECKING:
    from genstudio.training.run import Run

RARE = 25  # after a look, the run goes on for at least that many times as long as the look took
SEEN = 2048  # training pictures that a model is shown before its own are looked at, for its batch norm


class Watch:
    """Made by `train` where it is told `watch_minutes`. In the run's folder it leaves

        watch/<step>.png         the wall of the averaged weights, which are kept
        watch/raw/<step>.png     and of the weights that learn: early on, the average lags far behind them
        checkups.jsonl           a line for each checkup
        best/<system>.safetensors    the averaged weights of the best one
    """

    def __init__(self, run: Run, batches: Batches, kept: Batch | None, out: Path, minutes: float, shown: Tensor | None):
        self.run, self.batches, self.out, self.minutes, self.shown = run, batches, out, minutes, shown
        self.checker = Checker(run.model, batches.pictures, kept, run.device)
        self.next = 0.0
        self.seen = max((checkup.step for checkup in checkups(out)), default=0)  # the step that was looked at last

    def due(self, now: float) -> bool:
        return now >= self.next

    def look(self, precision: Precision, header: checkpoint.Header) -> Path | None:
        """The newest wall, where this model makes pictures."""
        started, run, wall = time.monotonic(), self.run, None
        average = self.ready(run.average)
        if makes_pictures(average):
            folder, file, raw = self.out / "watch", f"{run.step:08d}.png", self.ready(run.model)
            with precision.autocast():
                wall = save_wall(average, folder / file, run.device, self.shown)
                save_wall(raw, folder / "raw" / file, run.device, self.shown)
        with precision.autocast():
            checkup = self.checker.checkup(average, run.step, run.step * run.recipe.batch)
        if checkup:
            if best([*checkups(self.out), checkup]) is checkup:  # before its line: there is none without its weights
                (self.out / "best").mkdir(exist_ok=True)
                checkpoint.save(self.out / "best" / f"{run.system.name}.safetensors", average, header)
            with (self.out / "checkups.jsonl").open("a") as file:
                file.write(json.dumps(checkup.as_dict()) + "\n")
        now, self.seen = time.monotonic(), run.step
        self.next = now + max(60 * self.minutes, RARE * (now - started))
        return wall

    def ready(self, weights: Model) -> Model:
        """A copy that can be used as weights are when they are saved."""
        model = copy.deepcopy(weights).eval()
        finish(model, self.batches, self.run.device, SEEN)
        return model


def checkups(out: Path) -> list[Checkup]:
    """All of a run so far."""
    return [Checkup.from_dict(row) for row in rows(out / "checkups.jsonl")]
