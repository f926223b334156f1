"""Distributions of points in the plane, and endless batches of them: a point is an image of shape (2, 1, 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from genstudio.controls import Refusal
from genstudio.data.batches import SEEDS, stream_seed
from genstudio.images import border
from genstudio.model import Batch

POINT = (2, 1, 1)
SIDE = 128  # pixels of the larger side of a picture that points are drawn from
NEAR = 3  # standard deviations of its mode within which a point belongs to it
SHARE = 0.25  # of the points that a mode would have, with which it counts as covered


class Distribution(NamedTuple):
    """A distribution of points (x, y), within about [-1, 1] and y upwards.

    modes: their centres (m, 2), none where there are none. deviation: standard deviation of the points of a mode.
    """

    draw: Callable[[int, Generator], Tensor]  # count of points -> points (n, 2)
    modes: Tensor = torch.empty(0, 2)
    deviation: float = 0.0

    def sample(self, count: int, seed: int) -> Tensor:
        return self.draw(count, torch.Generator().manual_seed(seed))

    def covered(self, points: Tensor) -> int:
        """Count of modes with at least a quarter of their share of the points within three standard deviations."""
        if not len(self.modes) or not len(points):
            return 0
        near = torch.cdist(points, self.modes) <= NEAR * self.deviation
        return int((near.float().mean(0) >= SHARE / len(self.modes)).sum())


class PointBatches:
    """Endless batches of points. Batch k is a function of (seed, k) alone, as that of `Batches` is."""

    rank, seeds = 0, SEEDS

    def __init__(self, points: Distribution, size: int, seed: int = 0):
        self.points, self.size, self.seed = points, size, seed

    def __getitem__(self, k: int) -> Batch:
        points = self.points.sample(self.size, stream_seed("points", self.seed, k))
        return Batch(points.view(-1, *POINT))


# Distributions --------------------------------------------------------------------------------------------------


def mixture(modes: Tensor, deviation: float) -> Distribution:
    """Equal mixture of Gaussians around `modes` (m, 2)."""

    def draw(count: int, generator: Generator) -> Tensor:
        mode = torch.randint(len(modes), (count,), generator=generator)
        return modes[mode] + deviation * torch.randn(count, 2, generator=generator)

    return Distribution(draw, modes, deviation)


def ring(count: int = 8, radius: float = 0.75, deviation: float = 0.05) -> Distribution:
    """Gaussians on a circle, as in Metz et al. 2017 (arXiv:1611.02163), figure 2."""
    angle = 2 * math.pi * torch.arange(count) / count
    return mixture(radius * torch.stack([angle.cos(), angle.sin()], 1), deviation)


def grid(side: int = 5, step: float = 0.36, deviation: float = 0.03) -> Distribution:
    """Gaussians on a square grid."""
    at = step * (torch.arange(side) - (side - 1) / 2)
    return mixture(torch.cartesian_prod(at, at), deviation)


def moons(deviation: float = 0.04) -> Distribution:
    """Two interleaved half circles."""

    def draw(count: int, generator: Generator) -> Tensor:
        angle = math.pi * torch.rand(count, generator=generator)
        lower = torch.rand(count, generator=generator) < 0.5
        upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], 1)
        points = torch.where(lower[:, None], -upper, upper)
        return 0.6 * points + deviation * torch.randn(count, 2, generator=generator)

    return Distribution(draw)


def spiral(turns: float = 1.75, deviation: float = 0.02) -> Distribution:
    """An Archimedean spiral, with points at equal distances along it."""

    def draw(count: int, generator: Generator) -> Tensor:
        # Of the angle: the length of the way grows with its square.
        share = torch.rand(count, generator=generator).sqrt()
        angle = 2 * math.pi * turns * share
        points = 0.9 * share[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
        return points + deviation * torch.randn(count, 2, generator=generator)

    return Distribution(draw)


def of_picture(picture: Image.Image) -> Distribution:
    """Dots of a picture, as dense as its luminance differs from that of its border.

    Raises ValueError for a picture without such a difference, such as an empty sheet.
    """
    small = picture.convert("L")
    small.thumbnail((SIDE, SIDE))
    luminance = np.asarray(small, np.float32)
    weight = torch.from_numpy(np.abs(luminance - border(luminance[..., None]))).flatten()
    height, width = luminance.shape
    if weight.max() < 16:
        raise Refusal(
            "this picture is empty: there is nothing to learn",
            "cette image est vide : il n’y a rien à apprendre",
        )

    def draw(count: int, generator: Generator) -> Tensor:
        pixel = torch.multinomial(weight, count, replacement=True, generator=generator)
        place = torch.stack([pixel % width, pixel // width], 1) + torch.rand(count, 2, generator=generator)
        size = torch.tensor([width, height])
        return (2 * place - size) / max(width, height) * torch.tensor([1.0, -1.0])

    return Distribution(draw)


DISTRIBUTIONS: dict[str, Callable[[], Distribution]] = {"ring": ring, "grid": grid, "moons": moons, "spiral": spiral}
