"""A judge: a network that gives features, logits and attributes of images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genstudio.images import from_uint8

MAX_CACHED = 6  # sets of features cached per network: training and held-out images of two data sets, and subsets


def as_floats(images: Tensor) -> Tensor:
    """Images in [-1, 1], converted if they are uint8."""
    return from_uint8(images) if images.dtype == torch.uint8 else images


@dataclass(eq=False)
class FeatureNetwork:
    """A feature extractor or classifier on one device, with a cache of features."""

    name: str  # ends the names of scores
    device: torch.device
    features: Callable[[Tensor], Tensor]  # images in [-1, 1] to features (n, d)
    logits: Callable[[Tensor], Tensor] | None  # features to (n, classes); None without classes
    classes: tuple[str, ...] = ()  # empty for Inception: too many for their shares
    shape: tuple[int, int, int] | None = None  # (c, h, w) of the input; None: any
    batch: int = 100
    attributes: Callable[[Tensor], dict[str, Tensor]] | None = None  # images in [-1, 1] to (n,) each
    quick: bool = True  # all training images take minutes on a CPU
    cached: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, images: Tensor) -> Tensor:
        """Features of images, in float32 on the CPU. Those of uint8 images (real ones) are cached by content."""
        if images.dtype != torch.uint8:
            return self.read(images)
        pixels = images.cpu().contiguous()
        key = f"{tuple(pixels.shape)} {hashlib.blake2b(pixels.numpy()).hexdigest()}"
        if key not in self.cached:
            if len(self.cached) == MAX_CACHED:
                del self.cached[next(iter(self.cached))]
            self.cached[key] = self.read(images)
        return self.cached[key]

    def read(self, images: Tensor) -> Tensor:
        """Features of images, in float32 on the CPU, not cached."""

        def run(part: Tensor) -> Tensor:
            return self.features(as_floats(part.to(self.device)).contiguous(memory_format=torch.channels_last))

        with torch.no_grad():
            return torch.cat([run(part).float().cpu() for part in images.split(self.batch)])

    def probabilities(self, features: Tensor) -> Tensor:
        """Class probabilities (n, classes) from features (n, d), in float32 on the CPU."""
        with torch.no_grad():
            parts = features.split(1000)
            return torch.cat([self.logits(part.to(self.device)).float().softmax(1).cpu() for part in parts])


def subset(images: Tensor, n: int) -> Tensor:
    """A fixed random subset of n images: a data set is often sorted by class."""
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:n].to(images.device)]


BATCH = 100


def in_batches(run: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """run(images) in batches of `BATCH`, concatenated in float32 on the CPU. uint8 images are converted to [-1, 1]."""
    return torch.cat([run(as_floats(part)).float().cpu() for part in images.split(BATCH)])
