"""Batch, layer, instance and group norm in one small network: the values that each averages, and what follows from it.

Wu and He 2018 (arXiv:1803.08494), figure 2 and equations 1 to 7: y = (x - mean) / deviation over a set of values that
belong to x, with other sets for each norm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, group_norm, instance_norm, layer_norm, relu

NORMS = ("batch", "layer", "instance", "group")
IMAGES, CHANNELS, SIDE = 4, 6, 3  # of the first features
GROUPS = (1, 2, 3, 6)
LINK = "https://arxiv.org/abs/1803.08494"
EQUATION = "y = (x - μ_S) / σ_S"


class Statistics(NamedTuple):
    """Effect of a norm in the network.

    normalized: first features (n, c, h, w) after it.
    mean, deviation: of the values that the chosen image and channel are normalized by.
    count: of these values.
    others: relative change of the chosen image's output when the other images are replaced.
    contrast: the same when its contrast is doubled.
    """

    normalized: Tensor
    mean: float
    deviation: float
    count: int
    others: float
    contrast: float


def averaged(norm: str, image: int, channel: int, groups: int) -> np.ndarray:
    """Images and channels (n, c) whose values are averaged to normalize those of an image and a channel: booleans."""
    images, channels = np.arange(IMAGES)[:, None], np.arange(CHANNELS)[None]
    size = {"batch": 1, "layer": CHANNELS, "instance": 1, "group": CHANNELS // groups}[norm]
    same = (images == image) | (norm == "batch")
    return same & (channels // size == channel // size)


def normalize(x: Tensor, norm: str, groups: int) -> Tensor:
    """Features (n, c, h, w) normalized, without learned scales and shifts."""
    if norm == "batch":
        return batch_norm(x, None, None, training=True)
    if norm == "group":
        return group_norm(x, groups)
    return layer_norm(x, x.shape[1:]) if norm == "layer" else instance_norm(x)


def pictures(seed: int = 0) -> Tensor:
    """Four drawn pictures (4, 1, 12, 12) of different contrast and brightness; others for another seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:12j, -1:1:12j]
    shapes = (x**2 + y**2 < 0.5, abs(x) < 0.3, (abs(x) < 0.25) | (abs(y) < 0.25), abs(x - y) < 0.4)
    drawn = [random.uniform(0.3, 1) * np.roll(shape, random.integers(0, 3), 1) for shape in shapes]
    return torch.tensor(np.stack(drawn) + random.uniform(-0.3, 0.3, (IMAGES, 1, 1)), dtype=torch.float32)[:, None]


def network(images: Tensor, norm: str, groups: int) -> tuple[Tensor, Tensor]:
    """First features (n, c, h, w) before their norm, and outputs (n, c), of a network of fixed random weights: two
    convolutions, each with norm and ReLU, and a mean over pixels."""
    random = torch.Generator().manual_seed(0)
    first, second = (torch.randn(CHANNELS, c, k, k, generator=random) / k for c, k in ((1, 4), (CHANNELS, 3)))
    features = conv2d(images, first, stride=4)
    hidden = relu(normalize(features, norm, groups))
    hidden = relu(normalize(conv2d(hidden, second, padding=1), norm, groups))
    return features, hidden.mean((2, 3))


def statistics(norm: str, image: int, channel: int, groups: int) -> Statistics:
    """Statistics of a norm for the values of an image and a channel, both from 0."""
    images = pictures()
    features, output = network(images, norm, groups)
    beside = pictures(seed=1)
    beside[image] = images[image]
    sharper = images.clone()
    sharper[image] *= 2
    chosen = features[torch.from_numpy(averaged(norm, image, channel, groups))]
    others, contrast = (change(output[image], network(x, norm, groups)[1][image]) for x in (beside, sharper))
    mean, deviation = chosen.mean().item(), chosen.std(correction=0).item()
    return Statistics(normalize(features, norm, groups), mean, deviation, chosen.numel(), others, contrast)


def change(before: Tensor, after: Tensor) -> float:
    """|after - before| / |before|."""
    return ((after - before).norm() / before.norm()).item()
