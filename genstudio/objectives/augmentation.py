"""Differentiable augmentation (DiffAugment) of real and fake images, against overfitting of the critic to small sets.

Zhao et al. 2020 (arXiv:2006.10738). Were the real images alone augmented, the generator would learn to draw the
augmentations; as both are, and gradients pass through, it learns the images themselves. Augmentations and strengths are
those of the authors' code.

Images are (n, c, h, w) in [-1, 1] of any floating type; three channels are a colour image, six are two of them. Of
more, the last three are an image and the others one-hot planes beside it, which keep their values.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT = 1 / 8  # of a side: the largest translation
CUT = 1 / 2  # of a side: the box that is cut out


def augment(images: Tensor) -> Tensor:
    """Brightness, saturation, contrast, translation and cutout, drawn for each image.

    Colours may leave [-1, 1]: clamping them would zero their gradients.
    """
    changed = images.float()  # rounding in bfloat16 would reveal real and fake images to the critic
    planes, changed = changed.split([channels - 3, 3], 1) if (channels := images.shape[1]) > 6 else (None, changed)
    for change in (brightness, saturation, contrast):
        changed = change(changed)
    changed = changed if planes is None else torch.cat([planes, changed], 1)
    for change in (translation, cutout):
        changed = change(changed)
    return changed.to(images.dtype)


def brightness(images: Tensor) -> Tensor:
    """Lighter or darker by up to a quarter of the range."""
    return images + _uniform(images) - 0.5


def saturation(images: Tensor) -> Tensor:
    """From grey to twice the saturation; grey images are unchanged."""
    colours = 1 if images.shape[1] % 3 else 3
    pictures = images.unflatten(1, (-1, colours))  # (n, pictures, colours, h, w)
    grey = pictures.mean(2, keepdim=True)
    return (grey + 2 * _uniform(images)[:, None] * (pictures - grey)).flatten(1, 2)


def contrast(images: Tensor) -> Tensor:
    """From 0.5 to 1.5 times the distance to an image's mean."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (_uniform(images) + 0.5) * (images - mean)


def translation(images: Tensor) -> Tensor:
    """Translation by whole pixels along both axes, padded with mid-grey, 0."""
    for axis in (2, 3):
        n, side = len(images), images.shape[axis]
        limit = int(side * SHIFT + 0.5)
        shifts = torch.randint(-limit, limit + 1, (n, 1), device=images.device)
        sources = torch.arange(side, device=images.device) - shifts  # (n, side)
        shape = (n, 1, side, 1) if axis == 2 else (n, 1, 1, side)
        inside = ((sources >= 0) & (sources < side)).view(shape)
        lines = sources.clamp(0, side - 1).view(shape).expand_as(images)
        images = images.gather(axis, lines) * inside
    return images


def cutout(images: Tensor) -> Tensor:
    """A box of mid-grey around a random centre, clipped at the border."""
    inside = torch.ones((), dtype=torch.bool, device=images.device)
    for axis in (2, 3):
        n, side = len(images), images.shape[axis]
        cut = int(side * CUT + 0.5)
        first = torch.randint(side + 1 - cut % 2, (n, 1), device=images.device) - cut // 2
        lines = torch.arange(side, device=images.device)
        within = (lines >= first) & (lines < first + cut)  # (n, side)
        inside = inside & within.view((n, 1, side, 1) if axis == 2 else (n, 1, 1, side))
    return images * ~inside


def _uniform(images: Tensor) -> Tensor:
    """Uniform samples (n, 1, 1, 1) in [0, 1)."""
    return torch.rand(len(images), 1, 1, 1, device=images.device)
