"""Differentiable augmentation: what a critic sees is changed at random, real and made pictures alike.

Zhao et al. 2020 (arXiv:2006.10738). A critic that has only a few hundred pictures soon knows them by heart, and then
has nothing more to teach. Were the real ones alone changed, the generator would learn to draw the changes; as both are,
and gradients pass through, it learns the pictures behind them. Changes and strengths are those of the authors' code.

Pictures are (n, c, h, w) in [-1, 1] of any floating type; three channels are a colour picture, six are two of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT = 1 / 8  # of a side: the furthest that a picture is moved
CUT = 1 / 2  # of a side: the box that is blanked


def augment(images: Tensor) -> Tensor:
    """Brightness, saturation, contrast, place, and a blank box, drawn anew for each picture.

    Colours may leave [-1, 1]: to cut them off would cut gradients off.
    """
    changed = images.float()  # rounded draws of bfloat16 would tell which of the two sets a picture is from
    for change in (brightness, saturation, contrast, translation, cutout):
        changed = change(changed)
    return changed.to(images.dtype)


def brightness(images: Tensor) -> Tensor:
    """All of a picture lighter or darker, by up to a quarter of the range."""
    return images + _drawn(images) - 0.5


def saturation(images: Tensor) -> Tensor:
    """From grey to twice the colour; what has no colours stays as it is."""
    colours = 1 if images.shape[1] % 3 else 3
    pictures = images.unflatten(1, (-1, colours))  # (n, pictures, colours, h, w)
    grey = pictures.mean(2, keepdim=True)
    return (grey + 2 * _drawn(images)[:, None] * (pictures - grey)).flatten(1, 2)


def contrast(images: Tensor) -> Tensor:
    """From half to one and a half of the distance to a picture's mean."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (_drawn(images) + 0.5) * (images - mean)


def translation(images: Tensor) -> Tensor:
    """Moved by whole pixels down or up, left or right; mid-grey, which is 0, comes in from outside."""
    for axis in (2, 3):
        n, side = len(images), images.shape[axis]
        most = int(side * SHIFT + 0.5)
        moves = torch.randint(-most, most + 1, (n, 1), device=images.device)
        places = torch.arange(side, device=images.device) - moves  # (n, side): where each line comes from
        shape = (n, 1, side, 1) if axis == 2 else (n, 1, 1, side)
        inside = ((places >= 0) & (places < side)).view(shape)
        lines = places.clamp(0, side - 1).view(shape).expand_as(images)
        images = images.gather(axis, lines) * inside
    return images


def cutout(images: Tensor) -> Tensor:
    """A box at mid-grey, its middle anywhere, so that it may reach over the border."""
    inside = torch.ones((), dtype=torch.bool, device=images.device)
    for axis in (2, 3):
        n, side = len(images), images.shape[axis]
        cut = int(side * CUT + 0.5)
        first = torch.randint(side + 1 - cut % 2, (n, 1), device=images.device) - cut // 2
        places = torch.arange(side, device=images.device)
        within = (places >= first) & (places < first + cut)  # (n, side)
        inside = inside & within.view((n, 1, side, 1) if axis == 2 else (n, 1, 1, side))
    return images * ~inside


def _drawn(images: Tensor) -> Tensor:
    """A number in [0, 1) for each picture."""
    return torch.rand(len(images), 1, 1, 1, device=images.device)
