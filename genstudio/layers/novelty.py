"""What kind of picture a network knows, in a few plain statistics: so that it can say when it is shown another kind."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

SIDE = 32  # pixels at which pictures are compared
MARGIN = 1.25  # times as far from the middle as nearly all known pictures
FEATURES = 9


class Domain(nn.Module):
    """The cloud of known pictures in `statistics`, and how far from its middle the known ones go."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("whitening", torch.zeros(FEATURES, FEATURES))  # all zero: nothing is foreign yet
        self.register_buffer("limit", torch.ones(1))

    def fit(self, pictures: Iterable[Tensor]) -> None:
        """Pictures (n, 3, h, w) in [-1, 1]. One in a thousand of them may lie outside."""
        found = torch.cat([statistics(p) for p in pictures])
        self.mean.copy_(found.mean(0))
        spread, axes = torch.linalg.eigh(torch.cov(found.T) + 1e-4 * torch.eye(FEATURES, device=found.device))
        self.whitening.copy_(axes / spread.sqrt())
        self.limit.copy_(MARGIN * ((found - self.mean) @ self.whitening).norm(dim=1).quantile(0.999))

    def forward(self, pictures: Tensor) -> Tensor:
        """How foreign each picture is, (n,): above 1 it is unlike all that is known."""
        return ((statistics(pictures) - self.mean) @ self.whitening.float()).norm(dim=1) / self.limit


def statistics(pictures: Tensor) -> Tensor:
    """(n, 3, h, w) -> (n, 9): light, colour, white, black, edges and flat places, border and middle."""
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
