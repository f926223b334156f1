"""Log likelihoods and divergences (n,), in nats per image."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def bernoulli(logits: Tensor, bits: Tensor) -> Tensor:
    """log p(bits) with each pixel an independent Bernoulli variable."""
    return -binary_cross_entropy_with_logits(logits, bits, reduction="none").flatten(1).sum(1)


def gaussian(mean: Tensor, log_sigma: Tensor, images: Tensor) -> Tensor:
    """log N(images; mean, sigma^2 I)."""
    square = ((images - mean) * torch.exp(-log_sigma)).square()
    return -(0.5 * square + log_sigma + 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)


def standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I) (...) of vectors (..., d)."""
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)


def kl_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_variance)) || N(0, I)), Kingma and Welling 2013, appendix B."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def kl_of_activation(rho: float, mean: Tensor) -> Tensor:
    """KL(Bernoulli(rho) || Bernoulli(mean)) of units' mean activations (units,), Ng 2011 (CS294A), section 3."""
    mean = mean.clamp(1e-6, 1 - 1e-6)  # an activation of 0 or 1 in float32 has no logarithm
    return rho * (math.log(rho) - mean.log()) + (1 - rho) * (math.log(1 - rho) - (1 - mean).log())
