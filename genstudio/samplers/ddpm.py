"""Ancestral sampling (Ho et al. 2020, arXiv:2006.11239, algorithm 2): a little noise is taken away, and less put back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from genstudio.model import Noise
from genstudio.samplers.schedule import CLEAN, Denoise, Schedule, State


def ddpm(
    denoise: Denoise, schedule: Schedule, x: Tensor, times: Sequence[int], noise: Noise, eta: float = 1.0
) -> Iterator[State]:
    """Draws from q(x_s | x_t, x_0), with the network's guess for x_0, at any subset of the times (Nichol and Dhariwal
    2021, section 4). Its noise is that of the model, so `eta` says nothing here."""
    for t, s in zip(times, [*times[1:], CLEAN], strict=True):
        seen = denoise(x, t)
        yield State(t, x, seen)
        kept = schedule.left(t) / schedule.left(s)  # alpha of the step
        # The mean of q(x_s | x_t, x_0), equation 7
        to_picture = schedule.signal(s) * (1 - kept) / (1 - schedule.left(t))
        to_x = math.sqrt(kept) * (1 - schedule.left(s)) / (1 - schedule.left(t))
        x = to_picture * seen.x_0 + to_x * x
        if s != CLEAN:
            low, high = schedule.posterior_variance(t, s), 1 - kept
            sigma = math.sqrt(low) if seen.width is None else math.sqrt(low) * (high / low) ** (seen.width / 2)
            x = x + sigma * noise.normal(*x.shape[1:])
    yield State(CLEAN, x, seen)
