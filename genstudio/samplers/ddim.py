"""Denoising diffusion implicit models (Song et al. 2020, arXiv:2010.02502): deterministic sampling of a DDPM."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from genstudio.model import Noise
from genstudio.samplers.schedule import CLEAN, Denoise, Denoised, Schedule, State


def ddim(
    denoise: Denoise, schedule: Schedule, x: Tensor, times: Sequence[int], noise: Noise, eta: float = 0.0
) -> Iterator[State]:
    """Equation 12. `eta` scales the noise: 0 is deterministic and invertible, 1 is DDPM."""
    for t, s in zip(times, [*times[1:], CLEAN], strict=True):
        denoised = denoise(x, t)
        yield State(t, x, denoised)
        sigma = eta * math.sqrt(schedule.posterior_variance(t, s))
        direction = math.sqrt(max(0.0, schedule.noise(s) ** 2 - sigma**2))  # "pointing to x_t"
        x = schedule.signal(s) * denoised.x_0 + direction * denoised.eps
        if sigma:
            x = x + sigma * noise.normal(*x.shape[1:])
    yield State(CLEAN, x, denoised)


def inverted(denoise: Denoise, schedule: Schedule, x: Tensor, times: Sequence[int]) -> Iterator[State]:
    """DDIM inversion: from a clean image to the noise that generates it (section 5.4); `times` descend, as in sampling.

    Each step uses the estimate at its start for its end, so the inversion is approximate; more steps, more exact.
    """
    ascending = list(reversed(times))
    yield State(CLEAN, x, Denoised(x, x.new_zeros(x.shape)))
    for s, t in zip([CLEAN, *ascending], ascending):
        denoised = denoise(x, max(s, 0))
        x = schedule.signal(t) * denoised.x_0 + schedule.noise(t) * denoised.eps
        yield State(t, x, denoised)
