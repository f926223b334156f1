"""Ancestral sampling of DDPM (Ho et al. 2020, arXiv:2006.11239, algorithm 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from genstudio.model import Noise
from genstudio.samplers.schedule import CLEAN, Denoise, Schedule, State


def ddpm(
    denoise: Denoise, schedule: Schedule, x: Tensor, times: Sequence[int], noise: Noise, eta: float = 1.0
) -> Iterator[State]:
    """Sample q(x_s | x_t, x_0), with the network's estimate for x_0, at any subset of the times (Nichol and Dhariwal
    2021, section 4). The variance is the model's: `eta` has no effect."""
    for t, s in zip(times, [*times[1:], CLEAN], strict=True):
        denoised = denoise(x, t)
        yield State(t, x, denoised)
        alpha = schedule.alpha_bar(t) / schedule.alpha_bar(s)  # of the step from s to t
        # The mean of q(x_s | x_t, x_0), equation 7.
        of_x_0 = schedule.signal(s) * (1 - alpha) / (1 - schedule.alpha_bar(t))
        of_x = math.sqrt(alpha) * (1 - schedule.alpha_bar(s)) / (1 - schedule.alpha_bar(t))
        x = of_x_0 * denoised.x_0 + of_x * x
        if s != CLEAN:
            low, high = schedule.posterior_variance(t, s), 1 - alpha  # beta_tilde and beta
            sigma = math.sqrt(low) if denoised.width is None else math.sqrt(low) * (high / low) ** (denoised.width / 2)
            x = x + sigma * noise.normal(*x.shape[1:])
    yield State(CLEAN, x, denoised)
