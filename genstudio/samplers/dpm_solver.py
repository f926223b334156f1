"""DPM-Solver++ of second order, multistep (Lu et al. 2022, arXiv:2211.01095, algorithm 2): few steps, none asked twice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from genstudio.model import Noise
from genstudio.samplers.schedule import CLEAN, Denoise, Schedule, State


def dpm_solver(
    denoise: Denoise, schedule: Schedule, x: Tensor, times: Sequence[int], noise: Noise, eta: float = 0.0
) -> Iterator[State]:
    """Follows the same path as DDIM, bent by how the guess has changed since the step before. `eta` says nothing here."""
    def half_log_ratio(t: int) -> float:  # the paper's lambda
        return math.log(schedule.signal(t) / schedule.noise(t))

    before = None  # the guess and the width of the step before
    for t, s in zip(times, [*times[1:], CLEAN], strict=True):
        seen = denoise(x, t)
        yield State(t, x, seen)
        if s == CLEAN:  # the last step is the guess itself
            x = seen.x_0
            break
        width = half_log_ratio(s) - half_log_ratio(t)
        guess = seen.x_0
        if before is not None:
            last, last_width = before
            guess = guess + (seen.x_0 - last) * (width / (2 * last_width))
        x = schedule.noise(s) / schedule.noise(t) * x - schedule.signal(s) * math.expm1(-width) * guess
        before = seen.x_0, width
    yield State(CLEAN, x, seen)
