"""Likelihoods of held-out pictures, in nats and bits per dimension."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genstudio.model import Model
from genstudio.scores.network import in_batches


def is_density(model: Model) -> bool:
    """True if a VAE's likelihood is a density over pixel values, False if a probability of binary pixels."""
    return model.likelihood == "gaussian"


def negative_elbo(model: Model, images: Tensor, passes: int = 2) -> Tensor:
    """-ELBO in nats (n,): the mean over `passes` samples of the latents, and of the binary pixels if `elbo` draws them.

    For a density the pixels are dequantized with uniform noise one level wide, without which it could grow without
    bound on discrete values (Theis et al. 2016, arXiv:1511.01844, section 3.1).
    """

    def run(x: Tensor) -> Tensor:
        if is_density(model):
            x = x + (torch.rand_like(x) - 0.5) / 127.5
        log_likelihood, kl = model.elbo(x)
        return kl - log_likelihood

    return torch.stack([in_batches(run, images) for _ in range(passes)]).mean(0)


def bits_per_dimension(nats: Tensor, dimensions: int) -> Tensor:
    """Bits per dimension from the nats of a density on [-1, 1], over `dimensions` values with levels 1 / 127.5 wide."""
    return nats / (dimensions * math.log(2)) + math.log2(127.5)
