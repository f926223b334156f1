"""Denoising diffusion implicit models (Song et al. 2020, arXiv:2010.02502): the same network, without the dice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from genstudio.model import Noise
from genstudio.samplers.schedule import CLEAN, Denoise, Denoised, Schedule, State


def ddim(
    denoise: Denoise, schedule: Schedule, x: Tensor, times: Sequence[int], noise: Noise, eta: float = 0.0
) -> Iterator[State]:
    """Equation 12. `eta` is the share of DDPM's noise: 0 follows a path that can be walked back, 1 is DDPM."""
    for t, s in zip(times, [*times[1:], CLEAN], strict=True):
        seen = denoise(x, t)
        yield State(t, x, seen)
        sigma = eta * math.sqrt(schedule.posterior_variance(t, s))
        onward = math.sqrt(max(0.0, schedule.noise(s) ** 2 - sigma**2))  # what is left of the noise that is seen
        x = schedule.signal(s) * seen.x_0 + onward * seen.eps
        if sigma:
            x = x + sigma * noise.normal(*x.shape[1:])
    yield State(CLEAN, x, seen)


def inverted(denoise: Denoise, schedule: Schedule, x: Tensor, times: Sequence[int]) -> Iterator[State]:
    """DDIM walked back, from a clean picture to the noise that it comes from (section 5.4); `times` fall, as ever.

    Each step asks at the place where it stands for what lies at the next, so it comes back only nearly; more steps, nearer.
    """
    rising = list(reversed(times))
    yield State(CLEAN, x, Denoised(x, x.new_zeros(x.shape)))
    for s, t in zip([CLEAN, *rising], rising):
        seen = denoise(x, max(s, 0))
        x = schedule.signal(t) * seen.x_0 + schedule.noise(t) * seen.eps
        yield State(t, x, seen)
