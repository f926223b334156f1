"""A set of pictures in memory, and all that is known of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from genstudio.images import from_uint8
from genstudio.model import Batch


class Came(NamedTuple):
    """What a picture was before it was fitted to a shape."""

    size: tuple[int, int]  # width, height
    grey: bool
    transparent: bool  # somewhere


@dataclass
class Pictures:
    """A set of pictures in memory."""

    name: str
    images: Tensor  # uint8 (n, c, h, w)
    labels: Tensor | None = None  # class numbers (n,)
    classes: tuple[str, ...] = ()
    conditions: dict[str, Tensor] = field(default_factory=dict)  # (n,): booleans, or numbers of `values`, -1: unknown
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)  # names of a condition's values; empty: a boolean
    credit: str = ""
    refused: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # files that are no pictures by their names
    names: tuple[str, ...] = ()  # of the files
    came: tuple[Came, ...] = ()  # empty where they were not fitted
    sources: Tensor | None = None  # uint8: what these pictures are translated from
    paired: bool = True  # source i belongs to picture i; else the two are two heaps, of any sizes

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(self.images.shape[1:])

    def tensor(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Pictures start..stop as floats in [-1, 1]."""
        return from_uint8(self.images[start:stop])

    def batch(self, index: Tensor) -> Batch:
        """The pictures at these places, with all that is known of them."""
        sources = self.sources if self.paired else None
        chosen = Batch(self.images, self.labels, self.conditions, sources)[index]
        return chosen.map(lambda t: from_uint8(t) if t.dtype == torch.uint8 else t)

    def part(self, chosen: Tensor) -> Pictures:
        """The set of the pictures that a boolean mask (n,) chooses; its classes and values keep their numbers."""
        rows = Batch(self.images, self.labels, self.conditions, self.sources if self.paired else None)[chosen]
        places = torch.nonzero(chosen).flatten().tolist()
        return replace(
            self,
            images=rows.images,
            labels=rows.labels,
            conditions=rows.conditions,
            sources=rows.sources if self.paired else self.sources,
            names=tuple(self.names[i] for i in places) if self.names else (),
            came=tuple(self.came[i] for i in places) if self.came else (),
        )

    def digest(self) -> str:
        """SHA-256 of pixels, labels, class names and sources, in order: the same in whatever archive they lie."""
        tensors = [t for t in (self.images, self.labels, self.sources) if t is not None]
        facts = [[list(t.shape) for t in tensors], self.classes, self.labels is None, self.paired]
        found = hashlib.sha256(json.dumps(facts).encode())
        for block in (block for tensor in tensors for block in tensor.split(4096)):
            found.update(block.contiguous().numpy().astype("|u1" if block.dtype == torch.uint8 else "<i8", copy=False))
        return found.hexdigest()

    def renumbered(self, values: Mapping[str, Sequence[str]]) -> Pictures:
        """The same pictures, their conditions numbered as in `values`; -1 for a value that is not named there."""
        conditions, names = dict(self.conditions), dict(self.values)
        for name in values.keys() & self.values.keys():
            if names[name] and names[name] != tuple(values[name]):
                places = [values[name].index(v) if v in values[name] else -1 for v in names[name]]
                conditions[name] = torch.tensor([*places, -1])[conditions[name]]
                names[name] = tuple(values[name])
        return self if names == self.values else replace(self, conditions=conditions, values=names)


def relabelled(pictures: Pictures, names: Sequence[str]) -> Pictures:
    """The same pictures, each labelled by the place of its class among `names`."""
    labels = pictures.labels
    if labels is not None:
        labels = torch.tensor([names.index(name) for name in pictures.classes])[labels]
    return replace(pictures, labels=labels, classes=tuple(names))
