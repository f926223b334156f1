"""Principal component analysis of images, the baseline for auto-encoders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from genstudio.scores.network import as_floats


class PCA(NamedTuple):
    """The affine subspace with the least reconstruction error: the best linear auto-encoder."""

    mean: Tensor  # (d,)
    basis: Tensor  # (d, components), orthonormal columns

    @staticmethod
    def fit(images: Tensor, components: int, tolerance: float = 1e-3, sweeps: int = 40) -> PCA:
        """Fit to images (n, c, h, w), uint8 or float, by subspace iteration (Halko et al. 2011, algorithm 4.4).

        Iterates on twice as many components, until one more sweep explains less than `tolerance` of the remaining
        variance: the baseline is at most that far from exact.
        """
        parts = images.split(1024)
        n, d = len(images), images[0].numel()
        mean = (sum(as_floats(p).flatten(1).sum(0, dtype=torch.float64) for p in parts) / n).float()

        def centred() -> Iterator[Tensor]:
            return (as_floats(p).flatten(1) - mean for p in parts)

        total = sum(x.square().sum(dtype=torch.float64).item() for x in centred())
        start = torch.randn(d, min(2 * components + 8, n, d), generator=torch.Generator().manual_seed(0))
        basis, explained = torch.linalg.qr(start.to(mean.device))[0], 0.0
        for _ in range(sweeps):
            swept = sum(x.T @ (x @ basis) for x in centred())  # (d, columns): the covariance times the basis
            basis, values, _ = torch.linalg.svd(swept, full_matrices=False)
            before, explained = explained, values[:components].sum(dtype=torch.float64).item()
            if explained - before < tolerance * max(total - explained, 1e-6 * total):
                break
        return PCA(mean, basis[:, :components])

    def __call__(self, images: Tensor) -> Tensor:
        """Reconstruct images: project onto the subspace and back."""
        x = images.flatten(1) - self.mean
        return (self.mean + x @ self.basis @ self.basis.T).reshape(images.shape)
