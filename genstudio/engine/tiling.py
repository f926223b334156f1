"""Pictures of any size through networks that know one: at the network's own scale, or at the picture's, tile by tile.

Everything is a generator that yields how many of its parts are done, and at last returns the picture, so that a long one
can be shown, shared with others and stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from genstudio.layers.image_to_image import normed_as, statistics
from genstudio.models.translation import Translator

BUDGET = 512 * 512  # input pixels in one pass: about a tenth of a second on two processor cores
SIDE = 512  # of a tile
SEEN = 96  # pixels around a tile's place that are enough, whatever the network may see beyond: what lies there counts little
UNBOUNDED = 16  # the same for a network that sees the whole picture in its statistics
RAMP = 16  # pixels over which one tile passes into the next

Run = Callable[[Tensor], Tensor]  # (n, c, h, w) -> (n, c, h * scale, w * scale)


class Progress(NamedTuple):
    """How many parts are done; with the last comes the picture, where the engine speaks."""

    done: int
    of: int
    images: np.ndarray | None = None  # uint8 (n, h, w, 3)


Passes = Generator[Progress, None, Tensor]


def at_own_scale(model: Translator, run: Run, images: Tensor, budget: int = BUDGET) -> Passes:
    """The picture is brought to the size that the network knows; what it changes there is enlarged and laid over it.

    So an outline of a thousand pixels stays as sharp as it is, and objects are as large as they were in training.
    """
    height, width = images.shape[2:]
    factor = model.own_side / math.sqrt(height * width)
    size = [max(1, round(side * factor)) for side in (height, width)]
    if size == [height, width]:
        return (yield from at_its_scale(model, run, images, budget))
    small = resized(images, size)
    made = yield from at_its_scale(model, run, small, budget)
    return (images + resized(made - small, (height, width))).clamp(-1, 1)


def at_its_scale(model: Translator, run: Run, images: Tensor, budget: int = BUDGET) -> Passes:
    """Every pixel as it is: in one pass up to `budget` input pixels, above that in tiles that overlap and are blended."""
    height, width = images.shape[2:]
    if height * width <= budget:
        made = run(mirrored(images, *(rounded_up(side, model.multiple) - side for side in (height, width))))
        yield Progress(1, 1)
        return made[..., : height * model.scale, : width * model.scale]
    if model.reach is None:  # it norms by the whole picture's means: a small copy has about the same
        factor = math.sqrt(budget / (height * width))
        small = resized(images, [max(1, int(side * factor)) for side in (height, width)])
        with statistics(model) as seen:
            run(mirrored(small, *(rounded_up(side, model.multiple) - side for side in small.shape[2:])))
        whole = run

        def run(part: Tensor) -> Tensor:
            with normed_as(model, seen):  # entered for each part: another picture may come between two
                return whole(part)

    return (yield from in_tiles(model, run, images, min(SIDE, math.isqrt(budget))))


def in_tiles(model: Translator, run: Run, images: Tensor, side: int) -> Passes:
    """Tiles of `side` pixels, each trusted no nearer to its cut edges than what lies beyond them may matter."""
    n, channels, height, width = images.shape
    margin = UNBOUNDED if model.reach is None else min(model.reach, SEEN)
    rows, columns = (places(length, side, margin, model.multiple) for length in (height, width))
    total = torch.zeros(n, channels, height * model.scale, width * model.scale)
    weights = torch.zeros_like(total[:1, :1])
    for k, ((top, bottom), (left, right)) in enumerate(product(rows, columns), 1):
        part = images[..., top:bottom, left:right]
        padding = (rounded_up(length, model.multiple) - length for length in (bottom - top, right - left))
        made = run(mirrored(part, *padding)).float().cpu()
        down = trust(bottom - top, margin, top > 0, bottom < height, model.scale)
        across = trust(right - left, margin, left > 0, right < width, model.scale)
        weight = down[:, None] * across
        there = (..., slice(top * model.scale, bottom * model.scale), slice(left * model.scale, right * model.scale))
        total[there] += made[..., : len(down), : len(across)] * weight
        weights[there] += weight
        yield Progress(k, len(rows) * len(columns))
    return total.div_(weights)


def places(length: int, side: int, margin: int, multiple: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along a side: on multiples, so that every tile is halved and doubled on the same grid."""
    if length <= side:
        return [(0, length)]
    stride = (side - 2 * margin - RAMP) // multiple * multiple
    if stride <= 0:
        raise ValueError(f"tiles of {side} pixels are too small for a margin of {margin}")
    starts = range(0, rounded_up(length - side, stride) + 1, stride)
    return [(start, min(start + side, length)) for start in starts]


def trust(length: int, margin: int, cut_before: bool, cut_after: bool, scale: int) -> Tensor:
    """How much each of `length` pixels counts: nothing within `margin` of a cut edge, then rising to 1."""
    from_edge = torch.arange(length * scale) / scale + 0.5 / scale
    weight = torch.ones(length * scale)
    if cut_before:
        weight *= ((from_edge - margin) / RAMP).clamp(0, 1)
    if cut_after:
        weight *= ((length - from_edge - margin) / RAMP).clamp(0, 1)
    return weight


def rounded_up(length: int, multiple: int) -> int:
    return math.ceil(length / multiple) * multiple


def mirrored(images: Tensor, below: int, right: int) -> Tensor:
    """Some more rows and columns, as a mirror at the last one shows; where the picture is too small, mirrors of mirrors."""
    if not below and not right:
        return images
    height, width = images.shape[2:]
    rows, columns = (reflections(length, more).to(images.device) for length, more in ((height, below), (width, right)))
    return images[:, :, rows[:, None], columns]


def reflections(length: int, more: int) -> Tensor:
    """0, 1, ..., length - 1, length - 2, ..., 1, 0, 1, ...: length + more numbers."""
    if length == 1:
        return torch.zeros(1 + more, dtype=torch.long)
    period = 2 * (length - 1)
    place = torch.arange(length + more) % period
    return torch.minimum(place, period - place)


def resized(images: Tensor, size: tuple[int, int] | list[int]) -> Tensor:
    """Bicubic, averaged where pixels get fewer."""
    return interpolate(images, tuple(size), mode="bicubic", antialias=True)
