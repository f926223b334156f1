"""Networks of images at several resolutions: of ProGAN, which grows from one to the next, and of MSG-GAN, which has all
at once.

Karras et al. 2018 (arXiv:1710.10196), table 2, for the levels; Karnewar and Wang 2020 (arXiv:1903.06048), section 3,
for the connections of all resolutions. A level is a resolution: 0 is the lowest, and each doubles the one before. A
stage is a level at full strength, or between two while the higher fades in: at stage 1.25 an image is three parts of
level 1 and one of level 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from genstudio.layers.resampling import conv_pooled, upsampled_conv
from genstudio.layers.stylegan2 import GAIN, Conv, Linear, activated, minibatch_stddev, normalized

LOWEST = 4  # side at level 0 of the convolutional networks


class UpConv(Conv):
    """Upsampling and a 3x3 convolution, of equalized learning rate."""

    def forward(self, x: Tensor) -> Tensor:
        return upsampled_conv(x, self.weight * self.scale, self.bias * self.gain)


class DownConv(Conv):
    """A 3x3 convolution and average pooling, of equalized learning rate."""

    def forward(self, x: Tensor) -> Tensor:
        return conv_pooled(x, self.weight * self.scale, self.bias * self.gain)


def pyramid(images: Tensor, levels: int) -> list[Tensor]:
    """Images (n, c, h, w) at `levels` resolutions, the lowest first, by averages of 2x2 pixels."""
    found = [images]
    for _ in range(levels - 1):
        found.insert(0, avg_pool2d(found[0], 2))
    return found


def blend(lower: Tensor, higher: Tensor, share: float) -> Tensor:
    """Images of a level, of which `share` is there already: the rest is the level below, at half the resolution."""
    return higher if share == 1 else torch.lerp(doubled(lower), higher, share)


def doubled(images: Tensor) -> Tensor:
    return interpolate(images, scale_factor=2)


def level_of(stage: float) -> tuple[int, float]:
    """Highest level of a stage, and the share of it that is there already."""
    level = math.ceil(stage)
    return level, 1 - (level - stage)


# Generators -----------------------------------------------------------------------------------------------------


class Generator(nn.Module):
    """Latents (n, d) -> an image of each level, (n, channels, 4, 4), (n, channels, 8, 8), ...

    widths: channels of the levels.
    """

    def __init__(self, channels: int, latent_dim: int, widths: Sequence[int]):
        super().__init__()
        self.dense = Linear(latent_dim, widths[0] * LOWEST**2, gain=GAIN)
        self.conv = Conv(widths[0], widths[0], 3, GAIN, padding=1)
        self.up = nn.ModuleList(UpConv(a, b, 3, GAIN) for a, b in pairwise(widths))
        self.convs = nn.ModuleList(Conv(b, b, 3, GAIN, padding=1) for b in widths[1:])
        self.to_rgb = nn.ModuleList(Conv(width, channels, 1) for width in widths)

    def features(self, z: Tensor) -> Iterator[Tensor]:
        """Features of each level, one after the other."""
        x = self.dense(normalized(z)).unflatten(1, (-1, LOWEST, LOWEST))
        x = normalized(activated(self.conv(normalized(activated(x)))))
        yield x
        for up, conv in zip(self.up, self.convs, strict=True):
            x = normalized(activated(up(x)))
            x = normalized(activated(conv(x)))
            yield x

    def forward(self, z: Tensor) -> list[Tensor]:
        return [to_rgb(x).float() for to_rgb, x in zip(self.to_rgb, self.features(z), strict=True)]

    def at(self, z: Tensor, stage: float) -> Tensor:
        """Images at a stage, in the resolution of its highest level; levels beyond are not computed."""
        level, share = level_of(stage)
        shown = [x for _, x in zip(range(level + 1), self.features(z), strict=False)]
        higher = self.to_rgb[level](shown[level]).float()
        return higher if share == 1 else blend(self.to_rgb[level - 1](shown[level - 1]).float(), higher, share)


class DenseGenerator(nn.Module):
    """Latents (n, d) -> an image of each level, by dense layers: one more for each level, with an output of its own."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, width: int, levels: int):
        super().__init__()
        shapes = dense_shapes(image_shape, levels)
        self.layers = nn.ModuleList(nn.Linear(width if i else latent_dim, width) for i in range(levels))
        self.outputs = nn.ModuleList(
            nn.Sequential(nn.Linear(width, math.prod(shape)), nn.Tanh(), nn.Unflatten(1, shape)) for shape in shapes
        )

    def forward(self, z: Tensor) -> list[Tensor]:
        images, x = [], z
        for layer, output in zip(self.layers, self.outputs, strict=True):
            x = activated(layer(x))
            images.append(output(x).float())
        return images


def dense_shapes(image_shape: tuple[int, int, int], levels: int) -> list[tuple[int, int, int]]:
    """Shapes of the images of each level, the highest of `image_shape`."""
    channels, height, width = image_shape
    return [(channels, height >> i, width >> i) for i in reversed(range(levels))]


# Critics (discriminators) ---------------------------------------------------------------------------------------


class Critic(nn.Module):
    """The mirror image of `Generator`: images -> outputs (n, 1). Minibatch standard deviation at the lowest level."""

    def __init__(self, channels: int, widths: Sequence[int]):
        super().__init__()
        first = widths[0]
        self.from_rgb = nn.ModuleList(Conv(channels, width, 1, GAIN) for width in widths)
        self.convs = nn.ModuleList(Conv(b, b, 3, GAIN, padding=1) for b in widths[1:])
        self.down = nn.ModuleList(DownConv(b, a, 3, GAIN) for a, b in pairwise(widths))
        self.conv = Conv(first + 1, first, 3, GAIN, padding=1)
        self.dense = Linear(first * LOWEST**2, first, gain=GAIN)
        self.output = Linear(first, 1)

    def enter(self, images: Tensor, level: int) -> Tensor:
        """Features of images of a level, from its pixels."""
        return activated(self.from_rgb[level](images))

    def descend(self, x: Tensor, level: int) -> Tensor:
        """Features of a level -> of the level below."""
        return activated(self.down[level - 1](activated(self.convs[level - 1](x))))

    def judge(self, x: Tensor) -> Tensor:
        """Features of level 0 -> outputs (n, 1)."""
        x = torch.cat([x, minibatch_stddev(x).expand(-1, 1, *x.shape[2:])], 1)
        x = activated(self.conv(x))
        return self.output(activated(self.dense(x.flatten(1)))).float()

    def at(self, images: Tensor, stage: float) -> Tensor:
        """Outputs for images at a stage, in the resolution of its highest level."""
        level, share = level_of(stage)
        x = self.enter(images, level)
        if level:
            x = self.descend(x, level)
        if share < 1:
            x = torch.lerp(self.enter(avg_pool2d(images, 2), level - 1), x, share)
        for lower in range(level - 1, 0, -1):
            x = self.descend(x, lower)
        return self.judge(x)

    def forward(self, images: Sequence[Tensor]) -> Tensor:
        """Outputs for images of every level at once, each added to the features of its level."""
        top = len(images) - 1
        x = self.enter(images[top], top)
        for level in range(top, 0, -1):
            x = self.descend(x, level) + self.enter(images[level - 1], level - 1)
        return self.judge(x)


class DenseCritic(nn.Module):
    """Images of every level -> outputs (n, 1), by dense layers: each level joins the features of those above it."""

    def __init__(self, image_shape: tuple[int, int, int], width: int, levels: int):
        super().__init__()
        pixels = [math.prod(shape) for shape in dense_shapes(image_shape, levels)]
        inputs = [count + (width if i < levels - 1 else 0) for i, count in enumerate(pixels)]
        self.layers = nn.ModuleList(nn.Linear(count, width) for count in inputs)
        self.output = nn.Linear(width, 1)

    def forward(self, images: Sequence[Tensor]) -> Tensor:
        x = None
        for layer, image in zip(self.layers[::-1], images[::-1], strict=True):
            pixels = image.flatten(1)
            x = activated(layer(pixels if x is None else torch.cat([x, pixels.to(x.dtype)], 1)))
        return self.output(x).float()
