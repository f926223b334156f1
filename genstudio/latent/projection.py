"""Projection: optimize latents to reconstruct an image, for models without an encoder.

Zhu et al. 2016 (arXiv:1609.03552), section 3.1; from several starts, since the loss has many local minima.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

SEARCH = 512  # random latents of which the nearest are optimized
STARTS = 4  # latents optimized in parallel
RATE = 0.1  # learning rate of Adam, for latents of standard deviation 1
BETAS = (0.9, 0.99)
NOISE = 0.5  # added to the latents at first: it keeps the optimization from fitting texture before shape
LEVELS = 4  # resolutions at which images are compared, each half of the one before


class Projection(NamedTuple):
    """The best latents so far of a projection."""

    step: int
    steps: int
    code: Tensor  # (d,)
    error: float  # mean squared error, on [-1, 1]


def distance(images: Tensor, target: Tensor) -> Tensor:
    """Mean squared error (n,), summed over resolutions: the low ones tolerate small shifts."""
    total = torch.zeros(len(images), device=images.device)
    for _ in range(LEVELS):
        total = total + (images - target).square().flatten(1).mean(1)
        if min(images.shape[-2:]) < 4:
            break
        images, target = avg_pool2d(images, 2), avg_pool2d(target, 2)
    return total


def project(
    decode: Callable[[Tensor], Tensor], latents: Tensor, target: Tensor, steps: int = 160, seed: int = 0
) -> Iterator[Projection]:
    """Optimize the nearest of `latents` (n, d) to reconstruct `target` (1, c, h, w) by Adam; yield after each step.

    The norm is bounded by the mean norm of `latents`, since a decoder extrapolates badly. Gradients are enabled within
    each step alone, whatever the caller's mode.
    """
    random = torch.Generator(latents.device).manual_seed(seed)
    deviation, radius = latents.std(0).mean().item(), latents.norm(dim=1).mean()
    nearest = torch.cat([distance(decode(part).float(), target) for part in latents.split(64)]).argsort()[:STARTS]
    z = latents[nearest].clone()
    mean, square = torch.zeros_like(z), torch.zeros_like(z)  # Adam's moments of the gradient
    best, least = z[0], float("inf")
    for step in range(steps):
        remaining = 1 - step / steps
        noised = z + NOISE * deviation * remaining**2 * torch.randn(z.shape, generator=random, device=z.device)
        with torch.enable_grad():
            images = decode(noised.requires_grad_(True)).float()
            [gradient] = torch.autograd.grad(distance(images, target).sum(), noised)
        errors = (images.detach() - target).square().flatten(1).mean(1)
        if (now := errors.min().item()) < least:
            best, least = noised.detach()[errors.argmin()], now
        # Adam (Kingma and Ba 2014, algorithm 1): torch.optim would import torch's compiler, which takes seconds.
        mean.lerp_(gradient, 1 - BETAS[0])
        square.lerp_(gradient.square(), 1 - BETAS[1])
        unbiased = [m / (1 - beta ** (step + 1)) for m, beta in zip((mean, square), BETAS, strict=True)]
        z -= RATE * deviation * min(1.0, 2 * remaining) * unbiased[0] / (unbiased[1].sqrt() + 1e-8)
        z *= (radius / z.norm(dim=1, keepdim=True)).clamp_max(1.0)
        yield Projection(step + 1, steps, best, least)
