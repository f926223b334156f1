"""A data set in memory: images with labels, conditions and sources."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from genstudio.controls import Text
from genstudio.images import from_uint8
from genstudio.model import Batch


class Large(NamedTuple):
    """A picture at its own size, from which crops are cut."""

    image: Tensor  # uint8 (c, h, w)
    nearest: bool = False  # a label picture: resized by nearest neighbour


class Original(NamedTuple):
    """Properties of a picture before it was fitted to a shape."""

    size: tuple[int, int]  # width, height
    grey: bool
    transparent: bool  # any pixel


@dataclass
class Pictures:
    """A data set in memory."""

    name: str
    images: Tensor  # uint8 (n, c, h, w)
    labels: Tensor | None = None  # class numbers (n,), -1 for a picture without a class
    classes: tuple[str, ...] = ()
    conditions: dict[str, Tensor] = field(default_factory=dict)  # (n,): booleans, or indices into `values`, -1: unknown
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)  # names of a condition's values; empty: a boolean
    credit: str = ""
    refused: list[Text] = field(default_factory=list)  # skipped files, with reasons
    left_out: dict[str, int] = field(default_factory=dict)  # reason, in English -> skipped pictures
    ignored: list[str] = field(default_factory=list)  # files that are no pictures, and rubbish of systems and programs
    names: tuple[str, ...] = ()  # file names
    originals: tuple[Original, ...] = ()  # original properties; empty where the images were not fitted
    sources: Tensor | None = None  # uint8 (m, c, h, w): source domain of a translation to these images
    paired: bool = True  # source i belongs to image i; else the domains are unpaired, and m may differ from n
    source_names: tuple[str, ...] = ()  # file names of the sources
    large: list[Large] | None = None  # the images at their own size, to cut crops from; None: they are fitted whole
    large_sources: list[Large] | None = None
    own_split: Tensor | None = None  # boolean (n,): pictures that the set itself holds out; None: it has no splits
    notes: list[Text] = field(default_factory=list)  # layout and labels of the files
    warnings: list[Text] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(self.images.shape[1:])

    def tensor(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Images start..stop as floats in [-1, 1]."""
        return from_uint8(self.images[start:stop])

    def batch(self, index: Tensor) -> Batch:
        """Batch of the images at these indices (b,), in [-1, 1], with labels, conditions and paired sources."""
        return self._rows(index).map(lambda t: from_uint8(t) if t.dtype == torch.uint8 else t)

    def _rows(self, index: Tensor) -> Batch:
        """Images and paired sources as bytes, with labels and conditions, at these indices or of a boolean mask."""
        return Batch(self.images, self.labels, self.conditions, self.sources if self.paired else None)[index]

    def part(self, chosen: Tensor) -> Pictures:
        """Subset chosen by a boolean mask (n,); classes and values keep their numbers."""
        rows = self._rows(chosen)
        places = torch.nonzero(chosen).flatten().tolist()
        beside = places if self.paired else range(len(self.source_names))  # unpaired sources stay
        return replace(
            self,
            images=rows.images,
            labels=rows.labels,
            conditions=rows.conditions,
            sources=rows.sources if self.paired else self.sources,
            names=tuple(self.names[i] for i in places) if self.names else (),
            originals=tuple(self.originals[i] for i in places) if self.originals else (),
            source_names=tuple(self.source_names[i] for i in beside) if self.source_names else (),
            large=[self.large[i] for i in places] if self.large else None,
            large_sources=[self.large_sources[i] for i in beside] if self.large_sources else None,
            own_split=None if self.own_split is None else self.own_split[chosen],
        )

    def digest(self) -> str:
        """SHA-256 of pixels, labels, class names and sources, in order; independent of the archive's format."""
        tensors = [t for t in (self.images, self.labels, self.sources) if t is not None]
        facts = [[list(t.shape) for t in tensors], self.classes, self.labels is None, self.paired]
        found = hashlib.sha256(json.dumps(facts).encode())
        for block in (block for tensor in tensors for block in tensor.split(4096)):
            found.update(block.contiguous().numpy().astype("|u1" if block.dtype == torch.uint8 else "<i8", copy=False))
        return found.hexdigest()

    def renumbered(self, values: Mapping[str, Sequence[str]]) -> Pictures:
        """The same images, their conditions numbered as in `values`; -1 for a value that is missing there."""
        conditions, names = dict(self.conditions), dict(self.values)
        for name in values.keys() & self.values.keys():
            if names[name] and names[name] != tuple(values[name]):
                places = [values[name].index(v) if v in values[name] else -1 for v in names[name]]
                conditions[name] = torch.tensor([*places, -1])[conditions[name]]
                names[name] = tuple(values[name])
        return self if names == self.values else replace(self, conditions=conditions, values=names)


def relabel(pictures: Pictures, names: Sequence[str]) -> Pictures:
    """The same images, each labelled with the index of its class in `names`; -1, no class, stays."""
    labels = pictures.labels
    if labels is not None:
        labels = torch.tensor([*(names.index(name) for name in pictures.classes), -1])[labels]
    return replace(pictures, labels=labels, classes=tuple(names))
