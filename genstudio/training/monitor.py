"""Monitoring of a run: sample grids and an evaluation every few minutes.

It has no influence on training: a run has the same weights with it and without. It takes at most 1 / `RARE` of the
time.
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
from genstudio.scores.evaluation import Evaluation, best
from genstudio.scores.evaluator import Evaluator
from genstudio.training.finalize import finish
from genstudio.training.jsonl import rows
from genstudio.training.sample_grid import makes_pictures, save_sample_grid

if TYPE_CHECKING:
    from genstudio.training.run import Run

RARE = 25  # training time from one evaluation to the next, at least, in multiples of its duration
SEEN = 2048  # training images for the batch-norm statistics of the evaluated weights


class Monitor:
    """Periodic evaluation, used by `train` with `watch_minutes`. It writes into the run's folder

        watch/<step>.png         the sample grid of the EMA weights
        watch/raw/<step>.png     the sample grid of the raw weights: early in training, the EMA lags far behind them
        checkups.jsonl           a line per evaluation
        best/<system>.safetensors    the EMA weights with the best evaluation
    """

    def __init__(self, run: Run, batches: Batches, kept: Batch | None, out: Path, minutes: float, shown: Tensor | None):
        self.run, self.batches, self.out, self.minutes, self.shown = run, batches, out, minutes, shown
        self.evaluator = Evaluator(run.model, batches.pictures, kept, run.device)
        self.next = 0.0
        self.last_step = max((evaluation.step for evaluation in read_evaluations(out)), default=0)

    def due(self, now: float) -> bool:
        return now >= self.next

    def look(self, precision: Precision, header: checkpoint.Header) -> Path | None:
        """Evaluate now. Returns the path of the new sample grid, None for a model that makes no images."""
        started, run, sample_grid = time.monotonic(), self.run, None
        average = self.ready(run.average)
        if makes_pictures(average):
            folder, file, raw = self.out / "watch", f"{run.step:08d}.png", self.ready(run.model)
            with precision.autocast():
                sample_grid = save_sample_grid(average, folder / file, run.device, self.shown)
                save_sample_grid(raw, folder / "raw" / file, run.device, self.shown)
        with precision.autocast():
            evaluation = self.evaluator.evaluate(average, run.step, run.images)
        if evaluation:
            # The weights come before the line of the evaluation, which implies that they exist.
            if best([*read_evaluations(self.out), evaluation]) is evaluation:
                (self.out / "best").mkdir(exist_ok=True)
                checkpoint.save(self.out / "best" / f"{run.system.name}.safetensors", average, header)
            with (self.out / "checkups.jsonl").open("a") as file:
                file.write(json.dumps(evaluation.as_dict()) + "\n")
        now, self.last_step = time.monotonic(), run.step
        self.next = now + max(60 * self.minutes, RARE * (now - started))
        return sample_grid

    def ready(self, weights: Model) -> Model:
        """A copy in evaluation mode, finished as exported weights are."""
        model = copy.deepcopy(weights).eval()
        finish(model, self.batches, self.run.device, SEEN)
        return model


def read_evaluations(out: Path) -> list[Evaluation]:
    """All evaluations of a run so far."""
    return [Evaluation.from_dict(row) for row in rows(out / "checkups.jsonl")]
