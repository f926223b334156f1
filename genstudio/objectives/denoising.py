"""What a denoiser learns: what to say of a noised picture, and the bound on the likelihood that this adds up to."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Predicts = Literal["epsilon", "x_0", "v"]

# x = signal x_0 + noise eps throughout, signal^2 + noise^2 = 1.


def target(predicts: Predicts, x_0: Tensor, eps: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
    """What the network should say: the noise, the picture, or v (Salimans and Ho 2022, arXiv:2202.00512, section 4)."""
    return {"epsilon": lambda: eps, "x_0": lambda: x_0, "v": lambda: signal * eps - noise * x_0}[predicts]()


def clean(predicts: Predicts, said: Tensor, x: Tensor, signal: Tensor | float, noise: Tensor | float) -> Tensor:
    """The guess of x_0 that lies in what the network says of x."""
    return {
        "epsilon": lambda: (x - noise * said) / signal,
        "x_0": lambda: said,
        "v": lambda: signal * x - noise * said,
    }[predicts]()


def simple(said: Tensor, wanted: Tensor) -> Tensor:
    """||said - wanted||^2 per number, (n,): Ho et al. 2020, equation 14, where the noise is predicted."""
    return (said - wanted).square().flatten(1).mean(1)


# The bound, in bits per number --------------------------------------------------------------------------------------


def kl_normal(mean: Tensor, log_variance: Tensor, other: Tensor, other_log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(other, ...)) of each number, in nats."""
    ratio = log_variance - other_log_variance
    return 0.5 * (ratio.exp() - 1 - ratio + (mean - other).square() * (-other_log_variance).exp())


def log_grey_level(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log of what N(mean, variance) gives to the grey level of x, one of 256 on [-1, 1]: DDPM's equation 13."""
    scale = (-0.5 * log_variance).exp() / math.sqrt(2)
    upper, lower = (torch.erf((x - mean + half) * scale) for half in (1 / 255, -1 / 255))
    upper = torch.where(x > 0.999, torch.ones_like(upper), upper)
    lower = torch.where(x < -0.999, -torch.ones_like(lower), lower)
    return (0.5 * (upper - lower)).clamp_min(1e-12).log()


# Which times to learn at --------------------------------------------------------------------------------------------


class ImportantTimes(nn.Module):
    """Draws times where the loss is large, and weighs them down again: Nichol and Dhariwal 2021, section 3.3.

    Until every time has been seen `MEMORY` times, all are drawn alike.
    """

    MEMORY = 10

    def __init__(self, steps: int):
        super().__init__()
        self.register_buffer("losses", torch.zeros(steps, self.MEMORY))
        self.register_buffer("count", torch.zeros(steps, dtype=torch.long))

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Times (n,), and what to multiply their losses by."""
        steps = len(self.count)
        share = self.losses.square().mean(1).sqrt()
        share = torch.where((self.count < self.MEMORY).any(), torch.ones_like(share), share)
        share = 0.999 * share / share.sum() + 0.001 / steps
        times = torch.multinomial(share, n, replacement=True)
        return times, 1 / (steps * share[times])

    @torch.no_grad()
    def note(self, times: Tensor, losses: Tensor) -> None:
        same = times[:, None] == times  # a time may come several times in a batch: each has a place of its own
        places = (self.count[times] + same.tril(-1).sum(1)) % self.MEMORY
        newest = same.triu(1).sum(1) < self.MEMORY
        self.losses[times[newest], places[newest]] = losses[newest].float()
        self.count += torch.bincount(times, minlength=len(self.count))
