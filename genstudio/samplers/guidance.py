"""Guidance, clipping and inpainting: each wraps `denoise`, and works with any sampler."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genstudio.samplers.schedule import Denoise, Denoised, Schedule


def classifier_free(both: Denoise, schedule: Schedule, guidance: float, rescale: float = 0.0) -> Denoise:
    """Classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598): extrapolate from unconditional to conditional.

    both: denoises a doubled batch (2n, ...): first half conditional, second half unconditional.
    guidance: 0 is unconditional, 1 conditional, above 1 an extrapolation.
    rescale: share of the added contrast that is removed again (Lin et al. 2023, arXiv:2305.08891, equations 15 and 16).
    """

    def denoise(x: Tensor, t: int) -> Denoised:
        denoised = both(torch.cat([x, x]), t)
        conditional, unconditional = denoised.x_0.chunk(2)
        x_0 = unconditional + guidance * (conditional - unconditional)
        if rescale:
            rescaled = x_0 * (deviation(conditional) / deviation(x_0).clamp_min(1e-6))
            x_0 = rescale * rescaled + (1 - rescale) * x_0
        return schedule.denoised(x, x_0, t, None if denoised.width is None else denoised.width.chunk(2)[0])

    return denoise


def deviation(x: Tensor) -> Tensor:
    """Standard deviation (n, 1, 1, 1) of each image."""
    return x.flatten(1).std(1).view(-1, 1, 1, 1)


def by_classifier(
    denoise: Denoise, schedule: Schedule, log_likelihood: Callable[[Tensor], Tensor], scale: float
) -> Denoise:
    """Classifier guidance (Dhariwal and Nichol 2021, arXiv:2105.05233, algorithm 2).

    log_likelihood: log p(class | image) (n,) of clean images. In the paper the classifier was trained on noised ones;
        here it takes the estimate of x_0, and the gradient is backpropagated through the network.
    """

    def guided(x: Tensor, t: int) -> Denoised:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = denoise(x, t)
            [gradient] = torch.autograd.grad(log_likelihood(denoised.x_0).sum(), x)
        # eps - scale * noise * gradient, solved for x_0
        x_0 = denoised.x_0 + scale * schedule.noise(t) ** 2 / schedule.signal(t) * gradient
        return schedule.denoised(
            x.detach(), x_0.detach(), t, None if denoised.width is None else denoised.width.detach()
        )

    return guided


def clipped(denoise: Denoise, schedule: Schedule) -> Denoise:
    """Clamp the estimate of x_0 to [-1, 1], the range of images."""

    def clamped(x: Tensor, t: int) -> Denoised:
        denoised = denoise(x, t)
        return schedule.denoised(x, denoised.x_0.clamp(-1, 1), t, denoised.width)

    return clamped


def inpainting(denoise: Denoise, schedule: Schedule, known: Tensor, mask: Tensor) -> Denoise:
    """Replace the estimate of x_0 by the known image outside the mask.

    known: (n, c, h, w) in [-1, 1]. mask: (n, 1, h, w), 1 where the image is generated, 0 where it is kept.
    """

    def masked(x: Tensor, t: int) -> Denoised:
        denoised = denoise(x, t)
        return schedule.denoised(x, torch.lerp(known, denoised.x_0, mask), t, denoised.width)

    return masked
