"""DPM-Solver++(2M), second-order multistep (Lu et al. 2022, arXiv:2211.01095, algorithm 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from genstudio.model import Noise
from genstudio.samplers.schedule import CLEAN, Denoise, Schedule, State


def dpm_solver(
    denoise: Denoise, schedule: Schedule, x: Tensor, times: Sequence[int], noise: Noise, eta: float = 0.0
) -> Iterator[State]:
    """DDIM's trajectory with a second-order correction from the estimate of the step before. `eta` has no effect."""

    def half_log_snr(t: int) -> float:  # the paper's lambda
        return math.log(schedule.signal(t) / schedule.noise(t))

    before = None  # x_0 and h of the step before
    for t, s in zip(times, [*times[1:], CLEAN], strict=True):
        denoised = denoise(x, t)
        yield State(t, x, denoised)
        if s == CLEAN:  # the last step is x_0 itself
            x = denoised.x_0
            break
        h = half_log_snr(s) - half_log_snr(t)
        d = denoised.x_0  # the paper's D
        if before is not None:
            last, last_h = before
            d = d + (denoised.x_0 - last) * (h / (2 * last_h))
        x = schedule.noise(s) / schedule.noise(t) * x - schedule.signal(s) * math.expm1(-h) * d
        before = denoised.x_0, h
    yield State(CLEAN, x, denoised)
