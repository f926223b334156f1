"""How much of the picture is left, and how much noise there is, at each time: q(x_t | x_0) = N(signal x_0, noise^2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor

CLEAN = -1  # the time at which there is no noise


class Denoised(NamedTuple):
    """What a network makes of x_t = signal x_0 + noise eps."""

    x_0: Tensor  # its guess of the clean picture
    eps: Tensor  # and of the noise: the two always add up to x_t
    width: Tensor | None = None  # where a learned variance lies between DDPM's two bounds, 0 the lower and 1 the upper


Denoise = Callable[[Tensor, int], Denoised]  # x_t (n, c, h, w) and the time t, the same for all


class State(NamedTuple):
    """Where a sampler stands."""

    time: int
    x: Tensor
    seen: Denoised


@dataclass(frozen=True)
class Schedule:
    """`alpha_bar[t]` is the share of variance that is still the picture's at time t = 0 .. steps - 1.

    linear: beta from 1e-4 to 0.02 over 1 000 steps (Ho et al. 2020, section 4), and as far along over fewer or more;
    or from the first of `betas` to the last, over however many.
    cosine: alpha_bar itself falls on a cosine, and beta is at most 0.999 (Nichol and Dhariwal 2021, arXiv:2102.09672,
    equation 17): half of linear's last steps show nothing but noise.
    """

    kind: Literal["linear", "cosine"] = "cosine"
    steps: int = 1000
    betas: tuple[float, float] | None = None

    @cached_property
    def alpha_bar(self) -> Tensor:
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
        return self.alpha_bar.tolist()

    def left(self, t: int) -> float:
        """alpha_bar at t, and 1 where nothing is noised."""
        return 1.0 if t == CLEAN else self._levels[t]

    def signal(self, t: int) -> float:
        return math.sqrt(self.left(t))

    def noise(self, t: int) -> float:
        return math.sqrt(1 - self.left(t))

    def signal_to_noise(self, t: int) -> float:
        return math.inf if t == CLEAN else self.left(t) / (1 - self.left(t))

    def posterior_variance(self, t: int, s: int) -> float:
        """Of q(x_s | x_t, x_0) for s before t: DDPM's equation 7."""
        return (1 - self.left(s)) / (1 - self.left(t)) * (1 - self.left(t) / self.left(s))

    def at(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """Signal and noise (n, 1, 1, 1) at times (n,), for training."""
        left = self.alpha_bar.to(times.device, torch.float64 if times.device.type == "cpu" else torch.float32)[times]
        return left.sqrt().float().view(-1, 1, 1, 1), (1 - left).sqrt().float().view(-1, 1, 1, 1)

    def noised(self, x_0: Tensor, eps: Tensor, t: int) -> Tensor:
        """A draw from q(x_t | x_0)."""
        return self.signal(t) * x_0 + self.noise(t) * eps

    def times(self, steps: int, last: int | None = None) -> list[int]:
        """`steps` times evenly down from `last`, else from the end, each the latest of its part (Lin et al. 2023,
        arXiv:2305.08891, section 3.3)."""
        grid = [self.steps if last is None else last + 1]
        for left in range(min(steps, grid[0]), 1, -1):  # each from the one before: what remains of a grid is the grid of what remains
            grid.append(round(grid[-1] * (left - 1) / left))
        return [t - 1 for t in grid]

    def seen(self, x: Tensor, x_0: Tensor, t: int, width: Tensor | None = None) -> Denoised:
        """What a guess of the clean picture makes of the rest of x."""
        return Denoised(x_0, (x - self.signal(t) * x_0) / self.noise(t), width)
