"""What is asked of a sampler: each of these wraps `denoise`, and any sampler can be given what comes out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genstudio.samplers.schedule import Denoise, Denoised, Schedule


def classifier_free(both: Denoise, schedule: Schedule, guidance: float, rescale: float = 0.0) -> Denoise:
    """Ho and Salimans 2022 (arXiv:2207.12598): away from what it would draw unasked, towards what is asked for.

    both: denoises x twice over, (2n, ...): first as asked, then unasked.
    guidance: 0 is unasked, 1 as asked, above 1 exaggerates.
    rescale: the share of the contrast that exaggeration adds which is taken back (Lin et al. 2023, arXiv:2305.08891,
        equations 15 and 16).
    """

    def denoise(x: Tensor, t: int) -> Denoised:
        seen = both(torch.cat([x, x]), t)
        asked, unasked = seen.x_0.chunk(2)
        x_0 = unasked + guidance * (asked - unasked)
        if rescale:
            tamed = x_0 * (spread(asked) / spread(x_0).clamp_min(1e-6))
            x_0 = rescale * tamed + (1 - rescale) * x_0
        return schedule.seen(x, x_0, t, None if seen.width is None else seen.width.chunk(2)[0])

    return denoise


def spread(x: Tensor) -> Tensor:
    return x.flatten(1).std(1).view(-1, 1, 1, 1)


def by_classifier(denoise: Denoise, schedule: Schedule, log_likelihood: Callable[[Tensor], Tensor], scale: float) -> Denoise:
    """Dhariwal and Nichol 2021 (arXiv:2105.05233), algorithm 2: uphill to where a classifier sees what is asked for.

    log_likelihood: log p(class | picture) (n,) of clean pictures. Theirs was trained on noised ones; ours looks at the
        guess of x_0 instead, and the gradient goes back through the network that made it.
    """

    def guided(x: Tensor, t: int) -> Denoised:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            seen = denoise(x, t)
            [uphill] = torch.autograd.grad(log_likelihood(seen.x_0).sum(), x)
        # eps - noise * uphill, said of x_0
        step = scale * schedule.noise(t) ** 2 / schedule.signal(t) * uphill
        return schedule.seen(x.detach(), (seen.x_0 + step).detach(), t, None if seen.width is None else seen.width.detach())

    return guided


def clipped(denoise: Denoise, schedule: Schedule) -> Denoise:
    """The guess kept inside [-1, 1], where pictures are."""

    def kept(x: Tensor, t: int) -> Denoised:
        seen = denoise(x, t)
        return schedule.seen(x, seen.x_0.clamp(-1, 1), t, seen.width)

    return kept


def inpainting(denoise: Denoise, schedule: Schedule, known: Tensor, mask: Tensor) -> Denoise:
    """Only what lies under the mask is drawn: elsewhere the guess is the known picture.

    known: (n, c, h, w) in [-1, 1]. mask: (n, 1, h, w), 1 where it is drawn anew, 0 where the picture stays.
    """

    def partly(x: Tensor, t: int) -> Denoised:
        seen = denoise(x, t)
        return schedule.seen(x, torch.lerp(known, seen.x_0, mask), t, seen.width)

    return partly
