"""Images of any size through networks trained at one: resampled to the network's resolution, or in overlapping tiles.

Each function is a generator that yields its progress and returns the images, so that a long translation can be shown,
interleaved with other visitors' work, and stopped.
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
from genstudio.layers.palette import Palette, resize_labels
from genstudio.models.translation import Translator

BUDGET = 512 * 512  # input pixels in one pass: about a tenth of a second on two processor cores
SIDE = 512  # pixels along a side of a tile
MAX_MARGIN = 96  # pixels of context around a tile: beyond, the effective receptive field has little weight
UNBOUNDED_MARGIN = 16  # the same for a network with instance norm, whose statistics reach over the whole image
RAMP = 16  # pixels over which neighbouring tiles are blended

Run = Callable[[Tensor], Tensor]  # (n, c, h, w) -> (n, c, h * scale, w * scale)


class TileProgress(NamedTuple):
    """Count of finished parts out of `of`. From the engine, the last one carries the images."""

    done: int
    of: int
    images: np.ndarray | None = None  # uint8 (n, h, w, 3)


Passes = Generator[TileProgress, None, Tensor]


def at_own_scale(model: Translator, run: Run, images: Tensor, budget: int = BUDGET) -> Passes:
    """Translation at the network's resolution: the difference that it makes is upsampled and added to the input.

    Objects have the size that they had in training, and outlines keep the sharpness of the input. Between photographs
    and label pictures there is no such difference: the result itself is upsampled.
    """
    height, width = images.shape[2:]
    factor = model.own_side / math.sqrt(height * width)
    size = [max(1, round(side * factor)) for side in (height, width)]
    if size == [height, width]:
        return (yield from at_its_scale(model, run, images, budget))
    small = resized(images, size, model.source_palette)
    made = yield from at_its_scale(model, run, small, budget)
    if model.source_palette or model.target_palette:
        return resized(made, (height, width), model.target_palette).clamp(-1, 1)
    return (images + resized(made - small, (height, width))).clamp(-1, 1)


def at_its_scale(model: Translator, run: Run, images: Tensor, budget: int = BUDGET) -> Passes:
    """Translation at the input's resolution: one pass up to `budget` input pixels, above that blended tiles."""
    height, width = images.shape[2:]
    if height * width <= budget:
        made = run(mirrored(images, *(rounded_up(side, model.multiple) - side for side in (height, width))))
        yield TileProgress(1, 1)
        return made[..., : height * model.scale, : width * model.scale]
    if model.reach is None:  # instance norm over the whole image: a reduced copy has about the same statistics
        factor = math.sqrt(budget / (height * width))
        small = resized(images, [max(1, int(side * factor)) for side in (height, width)])
        with statistics(model) as measured:
            run(mirrored(small, *(rounded_up(side, model.multiple) - side for side in small.shape[2:])))
        whole = run

        def run(part: Tensor) -> Tensor:
            with normed_as(model, measured):  # entered for each tile: another visitor's image may come in between
                return whole(part)

    return (yield from in_tiles(model, run, images, min(SIDE, math.isqrt(budget))))


def in_tiles(model: Translator, run: Run, images: Tensor, side: int) -> Passes:
    """Overlapping tiles of `side` pixels, blended with weights that vanish within the receptive field of a cut edge."""
    n, channels, height, width = images.shape
    margin = margin_of(model)
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
        yield TileProgress(k, len(rows) * len(columns))
    made = total.div_(weights)
    return model.target_palette.paint(model.target_palette.nearest(made)) if model.target_palette else made


def margin_of(model: Translator) -> int:
    """Pixels of context around a tile."""
    return UNBOUNDED_MARGIN if model.reach is None else min(model.reach, MAX_MARGIN)


def least_budget(model: Translator) -> int:
    """Pixels of the smallest tile that is more than its margins."""
    return (2 * margin_of(model) + RAMP + model.multiple) ** 2


def places(length: int, side: int, margin: int, multiple: int) -> list[tuple[int, int]]:
    """Starts and ends of tiles along a side; starts on multiples of `multiple`, so that strided layers stay aligned."""
    if length <= side:
        return [(0, length)]
    stride = (side - 2 * margin - RAMP) // multiple * multiple
    if stride <= 0:
        raise ValueError(f"tiles of {side} pixels are too small for a margin of {margin}")
    starts = range(0, rounded_up(length - side, stride) + 1, stride)
    return [(start, min(start + side, length)) for start in starts]


def trust(length: int, margin: int, cut_before: bool, cut_after: bool, scale: int) -> Tensor:
    """Blending weights (length * scale,): 0 within `margin` of a cut edge, then a linear ramp to 1."""
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
    """Reflection padding by `below` rows and `right` columns; repeated where the image is smaller than the padding."""
    if not below and not right:
        return images
    height, width = images.shape[2:]
    rows, columns = (reflections(length, more).to(images.device) for length, more in ((height, below), (width, right)))
    return images[:, :, rows[:, None], columns]


def reflections(length: int, more: int) -> Tensor:
    """Indices of reflection padding: 0, 1, ..., length - 1, length - 2, ..., 1, 0, 1, ...: length + more of them."""
    if length == 1:
        return torch.zeros(1 + more, dtype=torch.long)
    period = 2 * (length - 1)
    place = torch.arange(length + more) % period
    return torch.minimum(place, period - place)


def resized(images: Tensor, size: tuple[int, int] | list[int], palette: Palette | None = None) -> Tensor:
    """Bicubic resampling with antialiasing; of label pictures, which have a palette, without new colours."""
    if palette:
        return resize_labels(images, tuple(size))
    return interpolate(images, tuple(size), mode="bicubic", antialias=True)
