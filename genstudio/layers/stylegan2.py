"""StyleGAN2's networks: mapping of latents to styles, synthesis by modulated convolutions, critic (discriminator).

Karras et al. 2020 (arXiv:1912.04958): section 2.2 for modulation, appendix B for the rest. Karras et al. 2018
(arXiv:1710.10196): section 4.1 for equalized learning rates, section 3 for minibatch standard deviation.

Read in this order: `Linear`, `modulated`, `Synthesis`, `Critic`.

Some details differ from the authors' code, mostly for speed. With `original` they do not, so that its weights fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, instance_norm, interpolate, leaky_relu, linear, pad

GAIN = math.sqrt(2)  # before a leaky ReLU, which takes half of the variance


def activated(x: Tensor) -> Tensor:
    return leaky_relu(x, 0.2)


# Equalized learning rates ---------------------------------------------------------------------------------------


class Linear(nn.Module):
    """Linear layer of equalized learning rate: weights from N(0, 1), divided by the root of the fan-in at run time.

    Adam changes every weight by about the same amount a step, so all layers learn at one rate, whatever their width.

    lr_multiplier: learning rate relative to the other layers.
    start: initial bias.
    gain: of the output, bias included: cheaper on the weights than as a pass over the activations.
    """

    def __init__(
        self, in_features: int, out_features: int, lr_multiplier: float = 1.0, start: float = 0.0, gain: float = 1.0
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.scale, self.bias_scale = gain * lr_multiplier / math.sqrt(in_features), gain * lr_multiplier
        nn.init.normal_(self.weight, 0.0, 1 / lr_multiplier)
        nn.init.constant_(self.bias, start / lr_multiplier)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, (self.weight * self.scale).to(x.dtype), (self.bias * self.bias_scale).to(x.dtype))


class Conv(nn.Conv2d):
    """Convolution of equalized learning rate."""

    def __init__(self, in_channels: int, out_channels: int, size: int, gain: float = 1.0, **options: int | bool):
        super().__init__(in_channels, out_channels, size, **options)
        self.gain, self.scale = gain, gain / math.sqrt(in_channels * size**2)
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.gain
        return conv2d(x, self.weight * self.scale, bias, self.stride, self.padding)


def normalized(x: Tensor) -> Tensor:
    """Scale each row to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


# Mapping network ------------------------------------------------------------------------------------------------


class Mapping(nn.Module):
    """Latents z (n, z_dim) and labels (n,) -> w (n, w_dim), less entangled since they need not be normal.

    classes: number of classes it is conditioned on; label `classes` is that of no class.
    z_dim: dimension of z, if it differs from that of w.
    """

    def __init__(self, w_dim: int, depth: int, classes: int = 0, lr_multiplier: float = 0.01, z_dim: int = 0):
        super().__init__()
        self.class_embedding = nn.Embedding(classes + 1, w_dim) if classes else None
        widths = [(z_dim or w_dim) + (w_dim if classes else 0), *[w_dim] * depth]
        self.layers = nn.ModuleList(Linear(a, b, lr_multiplier, gain=GAIN) for a, b in zip(widths, widths[1:]))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        x = normalized(z)
        if self.class_embedding is not None:
            x = torch.cat([x, normalized(self.class_embedding(labels)).to(x.dtype)], 1)
        for layer in self.layers:
            x = activated(layer(x))
        return x.float()


# Modulated convolutions -----------------------------------------------------------------------------------------


class Blur(nn.Module):
    """Low-pass filter 1, 3, 3, 1 along both axes, against aliasing in resampling."""

    def __init__(self, channels: int, padding: int, gain: float = 1.0, stride: int = 1):
        super().__init__()
        taps = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
        filter = torch.tensor([[gain * a * b for b in taps] for a in taps])
        self.register_buffer("filter", filter, persistent=False)
        self.channels, self.padding, self.stride = channels, padding, stride

    def forward(self, x: Tensor) -> Tensor:
        each = self.filter.to(x.dtype).expand(self.channels, 1, 4, 4)
        return conv2d(x, each, stride=self.stride, padding=self.padding, groups=self.channels)


def modulated(x: Tensor, weight: Tensor, style: Tensor, up: bool = False, gain: float = 1.0) -> Tensor:
    """Convolve features (n, c, h, w) by weights (out, c, k, k), modulated by a style (n, c) and demodulated.

    The style scales input channels (equation 1), demodulation the outputs to a standard deviation of 1 (equation 3), or
    of `gain`. `up` doubles the resolution.

    Scaling the weights is scaling the features before and after, so all images share the same filters. On a CPU that
    takes half the time of `modulated_one_by_one`, or less.
    """
    scale = gain * (style.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()  # (n, c) by (c, out)
    x = x * style.to(x.dtype)[:, :, None, None]
    x = conv_transpose2d(x, weight.transpose(0, 1), stride=2) if up else conv2d(x, weight, padding=weight.shape[2] // 2)
    return x * scale.to(x.dtype)[:, :, None, None]


def modulated_one_by_one(x: Tensor, weight: Tensor, style: Tensor, up: bool = False, gain: float = 1.0) -> Tensor:
    """`modulated` as in the paper: weights for each image, as the groups of one grouped convolution."""
    n, out = len(x), len(weight)
    weight = weight * style[:, None, :, None, None]  # (n, out, c, k, k)
    weight = weight * gain * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    x = x.flatten(0, 1)[None]  # (1, n c, h, w)
    if up:
        x = conv_transpose2d(x, weight.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
    else:
        x = conv2d(x, weight.flatten(0, 1), padding=weight.shape[3] // 2, groups=n)
    return x.unflatten(1, (n, out))[0]


class StyledConv(nn.Module):
    """Modulated convolution, noise (n or 1, 1, h, w), bias and activation. `up` doubles the resolution."""

    def __init__(self, in_channels: int, out_channels: int, styles: int, side: int, up: bool = False):
        super().__init__()
        self.affine = Linear(styles, in_channels, start=1.0)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
        self.bias, self.noise_strength = nn.Parameter(torch.zeros(out_channels)), nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", nn.init.normal_(torch.empty(1, 1, side, side)))  # the fixed noise
        self.up, self.blur = up, Blur(out_channels, padding=1, gain=4.0) if up else nn.Identity()
        nn.init.normal_(self.weight)
        self.scale = 1 / math.sqrt(in_channels * 9)  # undone by demodulation: it keeps sums in the range of float16

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        x = self.blur(modulated(x, self.weight, self.affine(w) * self.scale, self.up, GAIN))
        x = x + (GAIN * self.noise_strength * noise).to(x.dtype)
        return activated(x + (GAIN * self.bias).to(x.dtype)[:, None, None])


class ToRGB(nn.Module):
    """Features -> an image, added to those of the other resolutions: a modulated 1x1 convolution, not demodulated."""

    def __init__(self, in_channels: int, channels: int, styles: int):
        super().__init__()
        self.affine = Linear(styles, in_channels, start=1.0)
        self.conv = Conv(in_channels, channels, 1)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.conv(x * self.affine(w).to(x.dtype)[:, :, None, None]).float()


def doubled(picture: Tensor, dark: bool = False) -> Tensor:
    """Double the resolution by linear interpolation, which is the filter 1, 3, 3, 1; borders are replicated, or zeros
    if `dark`."""
    if dark:
        return interpolate(pad(picture, (1, 1, 1, 1)), scale_factor=2, mode="bilinear")[:, :, 2:-2, 2:-2]
    return interpolate(picture, scale_factor=2, mode="bilinear")


class Synthesis(nn.Module):
    """Styles w (n, layers, d) -> images: a learned 4x4 constant, upsampled level by level, each adding to the image.

    widths: channels at 4x4, 8x8, ...
    original: pad images with zeros in upsampling.
    """

    def __init__(self, channels: int, widths: Sequence[int], styles: int, original: bool = False):
        super().__init__()
        self.original = original
        self.const = nn.Parameter(torch.empty(1, widths[0], 4, 4))
        nn.init.normal_(self.const)
        self.convs = nn.ModuleList([StyledConv(widths[0], widths[0], styles, 4)])
        for level, (a, b) in enumerate(zip(widths, widths[1:])):
            side = 8 << level
            self.convs += [StyledConv(a, b, styles, side, up=True), StyledConv(b, b, styles, side)]
        self.to_rgb = nn.ModuleList(ToRGB(width, channels, styles) for width in widths)
        self.layers = len(self.convs) + 1

    def forward(self, w: Tensor, noise: Sequence[Tensor] | None = None, side: int | None = None) -> Tensor:
        """noise: (n or 1, 1, h, w) for each convolution; by default the fixed noise.
        side: resolution to stop at, with the sum of the levels so far as the image.
        """
        noise = [conv.noise for conv in self.convs] if noise is None else noise
        x = self.const.expand(len(w), -1, -1, -1)
        x = self.convs[0](x, w[:, 0], noise[0])
        picture = self.to_rgb[0](x, w[:, 1])
        for level, to_rgb in enumerate(self.to_rgb[1:]):
            if picture.shape[-1] == side:
                break
            for i in (2 * level + 1, 2 * level + 2):
                x = self.convs[i](x, w[:, i], noise[i])
            picture = doubled(picture, self.original) + to_rgb(x, w[:, i + 1])
        return picture

    def sides(self) -> list[int]:
        """Resolution of each convolution's output."""
        return [conv.noise.shape[-1] for conv in self.convs]

    def styled(self) -> list[int]:
        """Resolution of the layer of each style; the last style is that of the image alone."""
        return [*self.sides(), self.sides()[-1]]

    def affine(self, layer: int) -> Tensor:
        """Weight (c, d) of the affine transform of a layer's style."""
        affines = [*(conv.affine for conv in self.convs), self.to_rgb[-1].affine]
        return affines[layer].weight


class AdaIN(nn.Module):
    """Noise, bias and activation, then adaptive instance norm, whose scale and shift come from the style.

    The layer after each convolution of the first StyleGAN (Karras et al. 2019, arXiv:1812.04948, equation 1).
    """

    def __init__(self, c: int, styles: int, side: int):
        super().__init__()
        self.affine = Linear(styles, 2 * c)
        self.bias, self.noise_strength = nn.Parameter(torch.zeros(c)), nn.Parameter(torch.zeros(c, 1, 1))
        self.register_buffer("noise", nn.init.normal_(torch.empty(1, 1, side, side)))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        x = activated(x + (self.noise_strength * noise).to(x.dtype) + self.bias.to(x.dtype)[:, None, None])
        scale, shift = self.affine(w).to(x.dtype)[:, :, None, None].chunk(2, 1)
        return instance_norm(x) * (1 + scale) + shift


class AdaINSynthesis(nn.Module):
    """Synthesis network of the first StyleGAN: styles act after convolutions, and the last level makes the image."""

    def __init__(self, channels: int, widths: Sequence[int], styles: int):
        super().__init__()
        self.const = nn.Parameter(torch.ones(1, widths[0], 4, 4))
        inputs = [widths[0], *(w for pair in zip(widths, widths[1:]) for w in pair)]  # one for each of `convs`
        outputs = [widths[0], *(w for w in widths[1:] for _ in range(2))]
        shapes = zip(inputs, outputs, strict=True)
        self.convs = nn.ModuleList(Conv(a, b, 3, GAIN, padding=1, bias=False) for a, b in shapes)
        sides = [(width, 4 << level) for level, width in enumerate(widths) for _ in range(2)]
        self.norms = nn.ModuleList(AdaIN(width, styles, side) for width, side in sides)
        self.to_rgb = Conv(widths[-1], channels, 1)
        self.layers = len(self.norms)

    def forward(self, w: Tensor, noise: Sequence[Tensor] | None = None, side: int | None = None) -> Tensor:
        """As in `Synthesis`, but `side` has no effect: there is no image before the last level."""
        noise = [norm.noise for norm in self.norms] if noise is None else noise
        x = self.norms[0](self.const.expand(len(w), -1, -1, -1), w[:, 0], noise[0])
        for i in range(1, self.layers):
            if i % 2 == 0:
                x = interpolate(x, scale_factor=2, mode="bilinear")
            x = self.norms[i](self.convs[i - 1](x), w[:, i], noise[i])
        return self.to_rgb(x).float()

    def sides(self) -> list[int]:
        return [norm.noise.shape[-1] for norm in self.norms]

    def styled(self) -> list[int]:
        return self.sides()

    def affine(self, layer: int) -> Tensor:
        return self.norms[layer].affine.weight


# Critic (discriminator) -----------------------------------------------------------------------------------------


class DownBlock(nn.Module):
    """Residual block that halves the resolution. The shortcut averages 2x2 pixels, or filters them if `original`."""

    def __init__(self, in_channels: int, out_channels: int, original: bool = False):
        super().__init__()
        self.conv1 = Conv(in_channels, in_channels, 3, GAIN, padding=1)
        self.blur, self.conv2 = Blur(in_channels, padding=2), Conv(in_channels, out_channels, 3, stride=2)
        self.shortcut = Conv(in_channels, out_channels, 1, 1 / GAIN, bias=False)
        self.downsample = Blur(in_channels, padding=1, stride=2) if original else mean_of_four

    def forward(self, x: Tensor) -> Tensor:
        h = activated(self.conv1(x))
        h = activated(self.conv2(self.blur(h)))  # its gain of sqrt(2) and the sum's factor of 1 / sqrt(2) cancel
        return h + self.shortcut(self.downsample(x))


def mean_of_four(x: Tensor) -> Tensor:
    """Mean of each 2x2 pixels; faster than pooling."""
    return interpolate(x, scale_factor=0.5, mode="bilinear")


def minibatch_stddev(x: Tensor, group: int = 4) -> Tensor:
    """(n, c, h, w) -> (n, 1, 1, 1): standard deviation within each group of images, averaged over channels and pixels.

    It reveals a generator that lacks variety to the critic. Where `group` does not divide n, all images are one group.
    """
    n = len(x)
    group = group if n % group == 0 else n
    groups = x.float().unflatten(0, (n // group, group))
    deviation = (groups.var(1, unbiased=False) + 1e-8).sqrt()  # (groups, c, h, w)
    return deviation.flatten(1).mean(1).repeat_interleave(group).to(x.dtype)[:, None, None, None]


def minibatch_stddev_by_class(x: Tensor, labels: Tensor, count: int) -> Tensor:
    """`minibatch_stddev` with the images of each of `count` classes as a group; 0 for a single image.

    A group of dissimilar classes varies even if the generator makes the same image for each class.
    """

    def mean(values: Tensor) -> Tensor:
        return values.new_zeros(count, values.shape[1]).index_add(0, labels, values)[labels] / size

    flat = x.float().flatten(1)
    size = flat.new_zeros(count).index_add(0, labels, flat.new_ones(len(x)))[labels][:, None]
    deviation = (mean((flat - mean(flat)).square()) + 1e-8).sqrt()  # (n, c h w)
    return deviation.mean(1).to(x.dtype)[:, None, None, None]


class Critic(nn.Module):
    """Critic (discriminator): images (n, channels, h, w) and labels (n,) -> logits (n, 1), high for real images.

    widths: channels at 4x4, 8x8, ..., as in the generator.
    classes: number of classes it is conditioned on, by the inner product of features and class embedding (Miyato and
        Koyama 2018, arXiv:1802.05637). Label `classes`, the default, is that of no class.
    group: images in a group of the minibatch standard deviation, which with classes is computed for each class.
    original: filtered shortcuts, groups of any classes, and class embeddings that are not normalized.
    """

    def __init__(self, channels: int, widths: Sequence[int], classes: int = 0, group: int = 4, original: bool = False):
        super().__init__()
        last, self.group, self.original = widths[0], group, original
        self.from_rgb = Conv(channels, widths[-1], 1, GAIN)
        self.blocks = nn.Sequential(*(DownBlock(a, b, original) for a, b in zip(widths[::-1], widths[-2::-1])))
        self.conv = Conv(last + 1, last, 3, GAIN, padding=1)
        self.dense = Linear(last * 4 * 4, last, gain=GAIN)
        self.output = Linear(last, last if classes else 1)
        self.class_embedding = nn.Embedding(classes + 1, last) if classes else None

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is None and self.class_embedding is not None:
            labels = torch.full((len(images),), self.class_embedding.num_embeddings - 1, device=images.device)
        x = self.blocks(activated(self.from_rgb(images)))
        if self.class_embedding is None or self.original:
            stddev = minibatch_stddev(x, self.group)
        else:
            stddev = minibatch_stddev_by_class(x, labels, self.class_embedding.num_embeddings)
        x = torch.cat([x, stddev.expand(-1, 1, *x.shape[2:])], 1)
        x = activated(self.conv(x))
        features = self.output(activated(self.dense(x.flatten(1)))).float()
        if self.class_embedding is None:
            return features
        embedded = self.class_embedding(labels) if self.original else normalized(self.class_embedding(labels))
        return (features * embedded).sum(1, keepdim=True) / math.sqrt(features.shape[1])
