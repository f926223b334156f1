"""Out-of-domain detection: the training images of a translator in a few plain statistics."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

SIDE = 32  # pixels at which images are compared
MARGIN = 1.25  # times the distance from the mean of nearly all training images
FEATURES = 9


class Domain(nn.Module):
    """Mahalanobis distance of images from the training set in the space of `statistics`."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("whitening", torch.zeros(FEATURES, FEATURES))  # zero before `fit`: every distance is 0
        self.register_buffer("limit", torch.ones(1))

    def fit(self, pictures: Iterable[Tensor]) -> None:
        """Fit to training images (n, 3, h, w) in [-1, 1]; the limit lies above their 99.9th percentile."""
        found = torch.cat([statistics(p) for p in pictures])
        self.mean.copy_(found.mean(0))
        eigenvalues, axes = torch.linalg.eigh(torch.cov(found.T) + 1e-4 * torch.eye(FEATURES, device=found.device))
        self.whitening.copy_(axes / eigenvalues.sqrt())
        self.limit.copy_(MARGIN * ((found - self.mean) @ self.whitening).norm(dim=1).quantile(0.999))

    def forward(self, pictures: Tensor) -> Tensor:
        """Distance (n,) of each image relative to the limit: above 1 it is out of domain."""
        return ((statistics(pictures) - self.mean) @ self.whitening.float()).norm(dim=1) / self.limit


def statistics(pictures: Tensor) -> Tensor:
    """(n, 3, h, w) -> (n, 9): mean and deviation of light and colour, white, black, edges, flat areas, border."""
    small = nn.functional.interpolate(pictures.float(), (SIDE, SIDE), mode="area")
    light, colour = small.mean(1), small.amax(1) - small.amin(1)
    across, down = light.diff(dim=2).abs().flatten(1), light.diff(dim=1).abs().flatten(1)
    edges = torch.cat([across, down], 1)
    border = torch.cat([light[:, 0], light[:, -1], light[:, :, 0], light[:, :, -1]], 1)
    columns = [
        light.flatten(1).mean(1), light.flatten(1).std(1),
        colour.flatten(1).mean(1), colour.flatten(1).std(1),
        (light > 0.9).float().flatten(1).mean(1), (light < -0.9).float().flatten(1).mean(1),
        edges.mean(1), (edges < 0.02).float().mean(1),
        border.mean(1),
    ]  # fmt: skip
    return torch.stack(columns, 1)
