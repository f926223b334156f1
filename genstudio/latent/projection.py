"""Finds the code whose picture comes nearest to a given one: what a model without an encoder can make of a photograph.

Zhu et al. 2016 (arXiv:1609.03552), section 3.1; several starts, since a GAN's pictures have many hills between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

SEARCH = 512  # random codes of which the nearest are improved
STARTS = 4  # codes improved side by side
RATE = 0.1  # of Adam, on codes of standard deviation 1
BETAS = (0.9, 0.99)
NOISE = 0.5  # added to the codes at first: what survives it is a shape, not a texture tuned to one code
LEVELS = 4  # sizes at which pictures are compared, each half of the one before


class Guess(NamedTuple):
    """Where the search stands: the best code so far."""

    step: int
    steps: int
    code: Tensor  # (d,)
    error: float  # mean squared error, on [-1, 1]


def distance(images: Tensor, target: Tensor) -> Tensor:
    """Mean squared error (n,), summed over sizes: the small ones see that a face is a little to the left."""
    total = torch.zeros(len(images), device=images.device)
    for _ in range(LEVELS):
        total = total + (images - target).square().flatten(1).mean(1)
        if min(images.shape[-2:]) < 4:
            break
        images, target = avg_pool2d(images, 2), avg_pool2d(target, 2)
    return total


def project(
    decode: Callable[[Tensor], Tensor], codes: Tensor, target: Tensor, steps: int = 160, seed: int = 0
) -> Iterator[Guess]:
    """Improves the nearest of `codes` (n, d) towards the picture `target` (1, c, h, w) by Adam; yields after each step.

    Codes stay no longer than `codes` are: far out, a decoder makes what no face ever was. Gradients are switched on
    within each step alone, whatever the caller's mode.
    """
    random = torch.Generator(codes.device).manual_seed(seed)
    spread, typical = codes.std(0).mean().item(), codes.norm(dim=1).mean()
    nearest = torch.cat([distance(decode(part).float(), target) for part in codes.split(64)]).argsort()[:STARTS]
    z = codes[nearest].clone()
    mean, square = torch.zeros_like(z), torch.zeros_like(z)  # of the gradient, as Adam keeps them
    best, least = z[0], float("inf")
    for step in range(steps):
        left = 1 - step / steps
        tried = z + NOISE * spread * left**2 * torch.randn(z.shape, generator=random, device=z.device)
        with torch.enable_grad():
            images = decode(tried.requires_grad_(True)).float()
            [gradient] = torch.autograd.grad(distance(images, target).sum(), tried)
        errors = (images.detach() - target).square().flatten(1).mean(1)
        if (now := errors.min().item()) < least:
            best, least = tried.detach()[errors.argmin()], now
        # Kingma and Ba 2014, algorithm 1, by hand: torch.optim would import seconds of compiler while a visitor waits.
        mean.lerp_(gradient, 1 - BETAS[0])
        square.lerp_(gradient.square(), 1 - BETAS[1])
        unbiased = [m / (1 - beta ** (step + 1)) for m, beta in zip((mean, square), BETAS, strict=True)]
        z -= RATE * spread * min(1.0, 2 * left) * unbiased[0] / (unbiased[1].sqrt() + 1e-8)
        z *= (typical / z.norm(dim=1, keepdim=True)).clamp_max(1.0)
        yield Guess(step + 1, steps, best, least)
