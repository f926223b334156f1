"""A network that judges pictures: features, logits and attributes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genstudio.images import from_uint8

pass  # MOVED

MOST_REMEMBERED = 6  # sets a network: the training and held-out pictures of two data sets, and parts of them


def as_floats(images: Tensor) -> Tensor:
    return from_uint8(images) if images.dtype == torch.uint8 else images


@dataclass(eq=False)
class Network:
    """What scores ask of a network."""

    name: str  # as it stands in the names of numbers
    device: torch.device
    features: Callable[[Tensor], Tensor]  # of pictures in [-1, 1], (n, d)
    logits: Callable[[Tensor], Tensor] | None  # of features, (n, classes); None where it knows no classes
    classes: tuple[str, ...] = ()  # empty where they are too many to tell their shares
    shape: tuple[int, int, int] | None = None  # of the pictures that it reads; None: any
    batch: int = 100
    attributes: Callable[[Tensor], dict[str, Tensor]] | None = None  # of pictures in [-1, 1]: booleans or numbers (n,)
    quick: bool = True  # whether all training pictures can be read in minutes on a processor
    remembered: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, images: Tensor) -> Tensor:
        """Features of pictures, in float32 on the CPU. Those of bytes, as real ones are, are remembered by content."""
        if images.dtype != torch.uint8:
            return self.read(images)
        pixels = images.cpu().contiguous()
        key = f"{tuple(pixels.shape)} {hashlib.blake2b(pixels.numpy()).hexdigest()}"
        if key not in self.remembered:
            if len(self.remembered) == MOST_REMEMBERED:
                del self.remembered[next(iter(self.remembered))]
            self.remembered[key] = self.read(images)
        return self.remembered[key]

    def read(self, images: Tensor) -> Tensor:
        def run(part: Tensor) -> Tensor:
            return self.features(as_floats(part.to(self.device)).contiguous(memory_format=torch.channels_last))

        with torch.no_grad():
            return torch.cat([run(part).float().cpu() for part in images.split(self.batch)])

    def probabilities(self, features: Tensor) -> Tensor:
        """Of each class, (n, classes), in float32 on the CPU."""
        with torch.no_grad():
            parts = features.split(1000)
            return torch.cat([self.logits(part.to(self.device)).float().softmax(1).cpu() for part in parts])


BATCH = 100


def in_batches(run: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """run(images) in parts of `BATCH`, gathered in float32 on the CPU. Bytes are turned into [-1, 1] on the way."""
    return torch.cat([run(as_floats(part)).float().cpu() for part in images.split(BATCH)])
