"""Large photographs at their own size, and the random crops that batches are cut from.

The pictures are bytes in memory, a ragged list. Where they would take more than `MAX_KEPT`, all are halved until they
fit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from genstudio.controls import Text
from genstudio.data.pictures import Large
from genstudio.images import flatten, from_uint8

MAX_KEPT = 2**30  # bytes
MAX_SCALE = 2.0  # of a crop, over the network's size
LABELS, FEW = 256, 64  # colours of a label picture at most: with a palette, and without one
SOLID, FILLING = 0.5, 0.5  # share of a label picture in areas of one colour, and of its colours that fill any

KEPT = Text(
    "{count} pictures are kept at their own size ({bytes} MB, of at most {most} MB): the model learns from random "
    "crops of them, from {side} to {double} pixels wide.",
    "{count} images gardent leur taille ({bytes} Mo, sur {most} Mo au plus) : le modèle apprend de morceaux pris au "
    "hasard, larges de {side} à {double} pixels.",
)
HALVED = Text(
    "To stay within {most} MB they are made smaller, by {factor} along each side.",
    "Pour tenir dans {most} Mo, elles sont réduites, de {factor} par côté.",
)


class Keeper:
    """Pictures at their own size, at least as large as a shape (c, h, w), in at most so many bytes (`MAX_KEPT`)."""

    def __init__(self, shape: tuple[int, int, int], most: int | None = None):
        self.channels, self.height, self.width = shape
        self.most = MAX_KEPT if most is None else most
        self.large: list[Large] = []
        self.sizes: list[tuple[int, int]] = []  # (w, h) before
        self.bytes, self.factor = 0, 1

    def add(self, picture: Image.Image, nearest: bool = False) -> None:
        flat = flatten(picture)
        flat = flat.convert("L") if self.channels == 1 else flat
        array = np.array(resized(flat, self.size_of(flat.size), nearest))
        image = torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())
        self.large.append(Large(image, nearest))
        self.sizes.append(flat.size)
        self.bytes += image.nbytes
        while self.bytes > self.most and self._halve():
            pass

    def size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Size (w, h) at which a picture is kept: its own over `factor`, but no smaller than the shape."""
        width, height = size
        scale = max(1 / self.factor, self.width / width, self.height / height)
        return max(self.width, round(scale * width)), max(self.height, round(scale * height))

    def _halve(self) -> bool:
        """Halve all pictures so far, and those to come. Returns False if that saves nothing."""
        before, self.factor = self.bytes, 2 * self.factor
        for i, ((image, nearest), size) in enumerate(zip(self.large, self.sizes, strict=True)):
            width, height = self.size_of(size)
            self.large[i] = Large(_scaled(image, (height, width), nearest).round().to(torch.uint8), nearest)
        self.bytes = sum(kept.image.nbytes for kept in self.large)
        return self.bytes < before

    def notes(self) -> list[Text]:
        if all(kept.image.shape[1:] == (self.height, self.width) for kept in self.large):
            return []
        most = self.most >> 20
        values = dict(count=len(self.large), bytes=max(1, self.bytes >> 20), most=most)
        values |= dict(side=self.width, double=round(MAX_SCALE * self.width))
        said = [Text(*(sentence.format(**values) for sentence in KEPT))]
        if self.factor > 1:
            said.append(Text(*(sentence.format(most=most, factor=self.factor) for sentence in HALVED)))
        return said


def resized(picture: Image.Image, size: tuple[int, int], nearest: bool) -> Image.Image:
    if picture.size == size:
        return picture
    return picture.resize(size, Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS)


def is_labels(picture: Image.Image) -> bool:
    """True for a picture of labels, whose colours are classes: a palette, or few colours, each of which fills areas."""
    if picture.mode not in ("P", "1", "L", "RGB"):
        return False
    colours = picture.getcolors(LABELS if picture.mode == "P" else FEW)
    if colours is None:
        return False
    if picture.mode == "P" and len(colours) <= FEW:
        return True
    pixels = np.asarray(picture.convert("RGB"), np.int64) @ (1, 256, 65536)
    right, below = (pixels[:, 1:] == pixels[:, :-1]), (pixels[1:] == pixels[:-1])
    solid = right[1:] & right[:-1] & below[:, 1:]  # the lower right pixel of a square of one colour
    return (
        bool(solid.size) and solid.mean() >= SOLID and len(np.unique(pixels[1:, 1:][solid])) >= FILLING * len(colours)
    )


# Batches --------------------------------------------------------------------------------------------------------


def crops(sets: Sequence[Sequence[Large]], shape: tuple[int, int, int], generator: torch.Generator) -> list[Tensor]:
    """Random crops (n, c, h, w) in [-1, 1] of aligned lists of pictures: at the same place of each, of 1 to 2 times the
    shape's size."""
    _, height, width = shape
    found: list[list[Tensor]] = [[] for _ in sets]
    for aligned in zip(*sets, strict=True):
        _, tall, wide = aligned[0].image.shape
        most = max(1.0, min(MAX_SCALE, tall / height, wide / width))
        scale = 1 + (most - 1) * float(torch.rand((), generator=generator))
        h, w = min(tall, round(scale * height)), min(wide, round(scale * width))
        top = int(torch.randint(tall - h + 1, (), generator=generator))
        left = int(torch.randint(wide - w + 1, (), generator=generator))
        for one, (image, nearest) in zip(found, aligned, strict=True):
            one.append(_scaled(image[:, top : top + h, left : left + w], (height, width), nearest))
    return [from_uint8(torch.stack(one)) for one in found]


def _scaled(image: Tensor, size: tuple[int, int], nearest: bool) -> Tensor:
    """uint8 (c, h, w) -> float (c, *size), 0 to 255."""
    if tuple(image.shape[1:]) == tuple(size):
        return image.float()
    batch = image[None].float()
    if nearest:
        return interpolate(batch, size, mode="nearest-exact")[0]
    return interpolate(batch, size, mode="bicubic", antialias=True)[0].clamp(0, 255)
