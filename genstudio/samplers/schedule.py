"""Noise schedules: q(x_t | x_0) = N(signal x_0, noise^2), with signal^2 = alpha_bar and noise^2 = 1 - alpha_bar."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor

CLEAN = -1  # the time of a clean image, before 0


class Denoised(NamedTuple):
    """The network's estimates for x_t = signal x_0 + noise eps."""

    x_0: Tensor  # of the clean image
    eps: Tensor  # of the noise: together they always give x_t
    width: Tensor | None = None  # learned variance: 0 is DDPM's lower bound, 1 the upper, log-linear between


Denoise = Callable[[Tensor, int], Denoised]  # of x_t (n, c, h, w) and t, the same for all


class State(NamedTuple):
    """One step of a sampler: t, x_t and the estimates from it."""

    time: int
    x: Tensor
    denoised: Denoised


@dataclass(frozen=True)
class Schedule:
    """Noise schedule over times t = 0 .. steps - 1; `alpha_bar[t]` is the share of the image in the variance of x_t.

    linear: beta from 1e-4 to 0.02 over 1 000 steps (Ho et al. 2020, section 4), scaled for fewer or more; or linear
        between the two `betas`.
    cosine: alpha_bar is a squared cosine, and beta is at most 0.999 (Nichol and Dhariwal 2021, arXiv:2102.09672,
        equation 17). The last steps of a linear schedule are almost pure noise.
    """

    kind: Literal["linear", "cosine"] = "cosine"
    steps: int = 1000
    betas: tuple[float, float] | None = None

    @cached_property
    def alpha_bars(self) -> Tensor:
        """(steps,) in float64."""
        if self.kind == "linear":
            scale = 1000 / self.steps
            first, last = self.betas or (1e-4 * scale, 0.02 * scale)
            betas = torch.linspace(first, last, self.steps, dtype=torch.float64).clamp(max=0.999)
        else:
            t = torch.arange(self.steps + 1, dtype=torch.float64) / self.steps
            curve = torch.cos((t + 0.008) / 1.008 * math.pi / 2).square()
            betas = (1 - curve[1:] / curve[:-1]).clamp(max=0.999)
        return (1 - betas).cumprod(0)

    @cached_property
    def _levels(self) -> list[float]:
        return self.alpha_bars.tolist()

    def alpha_bar(self, t: int) -> float:
        """alpha_bar(t), 1 at `CLEAN`."""
        return 1.0 if t == CLEAN else self._levels[t]

    def signal(self, t: int) -> float:
        return math.sqrt(self.alpha_bar(t))

    def noise(self, t: int) -> float:
        return math.sqrt(1 - self.alpha_bar(t))

    def signal_to_noise(self, t: int) -> float:
        return math.inf if t == CLEAN else self.alpha_bar(t) / (1 - self.alpha_bar(t))

    def posterior_variance(self, t: int, s: int) -> float:
        """Variance of q(x_s | x_t, x_0) for s < t: DDPM's equation 7."""
        return (1 - self.alpha_bar(s)) / (1 - self.alpha_bar(t)) * (1 - self.alpha_bar(t) / self.alpha_bar(s))

    def at(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """Signal and noise (n, 1, 1, 1) at times (n,), for training."""
        dtype = torch.float64 if times.device.type == "cpu" else torch.float32
        alpha_bar = self.alpha_bars.to(times.device, dtype)[times]
        return alpha_bar.sqrt().float().view(-1, 1, 1, 1), (1 - alpha_bar).sqrt().float().view(-1, 1, 1, 1)

    def add_noise(self, x_0: Tensor, eps: Tensor, t: int) -> Tensor:
        """x_t ~ q(x_t | x_0) for a sample eps of N(0, I)."""
        return self.signal(t) * x_0 + self.noise(t) * eps

    def times(self, steps: int, last: int | None = None) -> list[int]:
        """`steps` descending times at even distances, from `last` or the end: "trailing" in Lin et al. 2023
        (arXiv:2305.08891, section 3.3)."""
        grid = [self.steps if last is None else last + 1]
        # Each time follows from the one before: the rest of a grid is itself the grid from there.
        for remaining in range(min(steps, grid[0]), 1, -1):
            grid.append(round(grid[-1] * (remaining - 1) / remaining))
        return [t - 1 for t in grid]

    def denoised(self, x: Tensor, x_0: Tensor, t: int, width: Tensor | None = None) -> Denoised:
        """The estimates for x_t = `x` with `x_0` as that of the clean image: the rest of x_t is noise."""
        return Denoised(x_0, (x - self.signal(t) * x_0) / self.noise(t), width)
