"""Likelihoods of held-out pictures, in nats and bits per dimension."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genstudio.model import Model
from genstudio.scores.network import in_batches

PASSES = 2  # estimates of a bound, averaged
SLOW_IMAGES = 500  # of a slow model, which runs its network many times for each


def nats(model: Model, images: Tensor, passes: int = PASSES) -> Tensor:
    """-log p of uint8 images (n, c, h, w), or the bound on it, in nats (n,): the mean over `passes` estimates.

    For a density the pixels are dequantized with uniform noise one level wide, without which it could grow without
    bound on discrete values (Theis et al. 2016, arXiv:1511.01844, section 3.1).
    """

    def run(x: Tensor) -> Tensor:
        if model.likelihood_of == "real":
            x = x + (torch.rand_like(x) - 0.5) / 127.5
        return model.nats(x)

    return torch.stack([in_batches(run, images) for _ in range(passes)]).mean(0)


def bits_per_dimension(model: Model, nats: Tensor, dimensions: int) -> Tensor:
    """Bits per dimension (n,) of 8-bit images from nats: a density on [-1, 1] has levels 1 / 127.5 wide."""
    bits = nats / (dimensions * math.log(2))
    return bits + math.log2(127.5) if model.likelihood_of == "real" else bits
