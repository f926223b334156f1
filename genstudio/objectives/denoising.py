"""Training targets of diffusion models, the variational bound, and importance sampling of times."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Predicts = Literal["epsilon", "x_0", "v"]

# x = signal x_0 + noise eps throughout, signal^2 + noise^2 = 1.


def target(predicts: Predicts, x_0: Tensor, eps: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
    """Target of the network: eps, x_0, or v (Salimans and Ho 2022, arXiv:2202.00512, section 4)."""
    return {"epsilon": lambda: eps, "x_0": lambda: x_0, "v": lambda: signal * eps - noise * x_0}[predicts]()


def clean(predicts: Predicts, output: Tensor, x: Tensor, signal: Tensor | float, noise: Tensor | float) -> Tensor:
    """Estimate of x_0 from the network's output for x."""
    return {
        "epsilon": lambda: (x - noise * output) / signal,
        "x_0": lambda: output,
        "v": lambda: signal * x - noise * output,
    }[predicts]()


def simple(output: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error (n,): Ho et al. 2020, equation 14, for predicted noise."""
    return (output - wanted).square().flatten(1).mean(1)


# Variational bound, in nats -------------------------------------------------------------------------------------


def kl_normal(mean: Tensor, log_variance: Tensor, other: Tensor, other_log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(other, exp(other_log_variance))), elementwise, in nats."""
    ratio = log_variance - other_log_variance
    return 0.5 * (ratio.exp() - 1 - ratio + (mean - other).square() * (-other_log_variance).exp())


def log_grey_level(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log probability of the grey level of x, one of 256 on [-1, 1], under N(mean, variance): DDPM's equation 13."""
    scale = (-0.5 * log_variance).exp() / math.sqrt(2)
    upper, lower = (torch.erf((x - mean + half) * scale) for half in (1 / 255, -1 / 255))
    upper = torch.where(x > 0.999, torch.ones_like(upper), upper)
    lower = torch.where(x < -0.999, -torch.ones_like(lower), lower)
    return (0.5 * (upper - lower)).clamp_min(1e-12).log()


# Importance sampling of times -----------------------------------------------------------------------------------


class ImportantTimes(nn.Module):
    """Importance sampling of times, by the RMS of their last losses: Nichol and Dhariwal 2021, section 3.3.

    Uniform until every time has `MEMORY` losses.
    """

    MEMORY = 10

    def __init__(self, steps: int):
        super().__init__()
        self.register_buffer("losses", torch.zeros(steps, self.MEMORY))
        self.register_buffer("count", torch.zeros(steps, dtype=torch.long))

    def sample(self, n: int) -> tuple[Tensor, Tensor]:
        """Times (n,), and the weights (n,) of their losses."""
        steps = len(self.count)
        p = self.losses.square().mean(1).sqrt()
        p = torch.where((self.count < self.MEMORY).any(), torch.ones_like(p), p)
        p = 0.999 * p / p.sum() + 0.001 / steps
        times = torch.multinomial(p, n, replacement=True)
        return times, 1 / (steps * p[times])

    @torch.no_grad()
    def note(self, times: Tensor, losses: Tensor) -> None:
        """Record the losses (n,) of times (n,)."""
        same = times[:, None] == times  # repeated times of a batch go to slots of their own
        slots = (self.count[times] + same.tril(-1).sum(1)) % self.MEMORY
        newest = same.triu(1).sum(1) < self.MEMORY
        self.losses[times[newest], slots[newest]] = losses[newest].float()
        self.count += torch.bincount(times, minlength=len(self.count))
