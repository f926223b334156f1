"""Vector quantization: each feature vector becomes the nearest entry of a codebook, and its number a token.

Van den Oord et al. 2017 (arXiv:1711.00937), with the codebook of appendix A.1: an exponential moving average of the
vectors that fall to each entry. Dead entries start again from vectors of the batch, as in Jukebox (arXiv:2005.00341).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

DECAY = 0.99  # of the moving averages, per step
DEAD, FRESH = 0.05, 0.1  # usage below which an entry starts again, and its usage then, as parts of the mean usage


class Quantized(NamedTuple):
    """Vectors of one level: quantized (n, d, h, w) with the straight-through gradient, tokens (n, h, w), and losses."""

    vectors: Tensor
    tokens: Tensor
    commitment: Tensor  # scalar, without its weight
    perplexity: Tensor  # exp of the entropy of the tokens in this batch: the entries in use, were all equally likely
    used: Tensor  # share of the entries in this batch


class VectorQuantizer(nn.Module):
    """Vectors (n, dim, h, w) -> `Quantized`, over a codebook of `size` entries.

    A buffer, since averages and not gradients train it. In training mode each call moves it. The sum of vectors that an
    entry averages is its usage times itself, so that it needs no buffer of its own.
    """

    def __init__(self, size: int, dim: int):
        super().__init__()
        self.register_buffer("codebook", nn.init.normal_(torch.empty(size, dim)))
        self.register_buffer("usage", torch.zeros(size))  # moving average of the vectors per step; 0: all are dead
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("variance", torch.ones(dim))

    def forward(self, x: Tensor) -> Quantized:
        x = self.standardized(x.float())
        tokens = self.nearest(x)
        vectors = self.embed(tokens)
        if self.training:
            self.update(x.detach().movedim(1, -1).flatten(0, -2), tokens.flatten())
        share = torch.bincount(tokens.flatten(), minlength=len(self.codebook)).float() / tokens.numel()
        perplexity = torch.exp(-(share * share.clamp_min(1e-12).log()).sum())
        straight_through = x + (vectors - x).detach()  # the gradient of the quantized vectors is that of x
        return Quantized(straight_through, tokens, mse_loss(x, vectors), perplexity, (share > 0).float().mean())

    def standardized(self, x: Tensor) -> Tensor:
        """Vectors (n, d, h, w) over moving averages of their mean and variance, which training updates.

        Else they shrink together before the codebook covers them, and few entries are ever used (Lancucki et al. 2020,
        arXiv:2005.08520, section 3.1, by batch norm).
        """
        if self.training:
            weight = 1 - DECAY if bool(self.usage.any()) else 1.0  # the first batch sets them
            with torch.no_grad():
                variance, mean = torch.var_mean(x, (0, 2, 3))
                self.mean.lerp_(mean, weight)
                self.variance.lerp_(variance, weight)
        mean, deviation = self.mean[:, None, None], (self.variance + 1e-5).sqrt()[:, None, None]
        return (x - mean) / deviation

    def nearest(self, x: Tensor) -> Tensor:
        """Numbers (n, h, w) of the nearest entries of vectors (n, d, h, w)."""
        with torch.autocast(x.device.type, enabled=False):  # half precision would confuse near neighbours
            flat, codebook = x.float().movedim(1, -1), self.codebook.float()
            return (codebook.square().sum(1) - 2 * flat @ codebook.T).argmin(-1)

    def embed(self, tokens: Tensor, known: Tensor | None = None) -> Tensor:
        """Vectors (n, d, h, w) of tokens (n, h, w): where they are not `known`, the mean vector by usage."""
        vectors = self.codebook[tokens]
        if known is not None and not bool(known.all()):
            weights = self.usage + 1e-6
            vectors = torch.where(known[..., None], vectors, weights @ self.codebook / weights.sum())
        return vectors.movedim(-1, 1)

    @torch.no_grad()
    def update(self, vectors: Tensor, tokens: Tensor) -> None:
        """Move the codebook towards the mean of the vectors (m, d) that fall to each entry, and restart dead ones."""
        count = torch.bincount(tokens, minlength=len(self.codebook)).float()
        total = torch.zeros_like(self.codebook).index_add_(0, tokens, vectors)
        fresh = vectors[torch.randint(len(vectors), (len(self.codebook),), device=vectors.device)]
        if torch.distributed.is_available() and torch.distributed.is_initialized():  # one codebook for all processes
            torch.distributed.all_reduce(count)
            torch.distributed.all_reduce(total)
            torch.distributed.broadcast(fresh, 0)
        usage = DECAY * self.usage + (1 - DECAY) * count
        moved = (DECAY * self.usage[:, None] * self.codebook + (1 - DECAY) * total) / usage.clamp_min(1e-12)[:, None]
        mean = count.sum() / len(count)
        dead = usage < DEAD * mean
        self.codebook.copy_(torch.where(dead[:, None], fresh, moved))
        self.usage.copy_(torch.where(dead, FRESH * mean, usage))
