"""Principal component analysis of pictures, the yardstick of auto-encoders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from genstudio.scores.network import as_floats


class PCA(NamedTuple):
    """The flat subspace that loses least of a set of pictures: the best that a linear auto-encoder can do."""

    mean: Tensor  # (d,)
    basis: Tensor  # (d, codes), orthonormal columns

    @staticmethod
    def fit(images: Tensor, codes: int, tolerance: float = 1e-3, sweeps: int = 40) -> PCA:
        """Of pictures (n, c, h, w), bytes or floats, by subspace iteration (Halko et al. 2011, algorithm 4.4).

        Twice the directions asked for are swept, until one more sweep explains less than `tolerance` of what is still
        left: stopping early handicaps PCA by no more than that.
        """
        parts = images.split(1024)
        n, d = len(images), images[0].numel()
        mean = (sum(as_floats(p).flatten(1).sum(0, dtype=torch.float64) for p in parts) / n).float()

        def centred() -> Iterator[Tensor]:
            return (as_floats(p).flatten(1) - mean for p in parts)

        total = sum(x.square().sum(dtype=torch.float64).item() for x in centred())
        start = torch.randn(d, min(2 * codes + 8, n, d), generator=torch.Generator().manual_seed(0))
        basis, explained = torch.linalg.qr(start.to(mean.device))[0], 0.0
        for _ in range(sweeps):
            swept = sum(x.T @ (x @ basis) for x in centred())  # (d, width): the covariance times the basis
            basis, values, _ = torch.linalg.svd(swept, full_matrices=False)
            before, explained = explained, values[:codes].sum(dtype=torch.float64).item()
            if explained - before < tolerance * max(total - explained, 1e-6 * total):
                break
        return PCA(mean, basis[:, :codes])

    def __call__(self, images: Tensor) -> Tensor:
        """Pictures as they come back from their codes."""
        x = images.flatten(1) - self.mean
        return (self.mean + x @ self.basis @ self.basis.T).reshape(images.shape)
