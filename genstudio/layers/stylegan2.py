"""What StyleGAN2 is made of: a code becomes styles, styles steer convolutions, and a critic looks at the pictures.

Karras et al. 2020 (arXiv:1912.04958): section 2.2 for modulation, appendix B for the rest. Karras et al. 2018
(arXiv:1710.10196): section 4.1 for equalized rates, section 3 for what the critic sees of a batch.

Read in this order: `Linear`, `modulated`, `Synthesis`, `Critic`.

Here and there the authors' code takes another way, mostly a longer one. What is `original` takes it too: their weights fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, instance_norm, interpolate, leaky_relu, linear, pad

GAIN = math.sqrt(2)  # of a layer before an activation, by which half of its numbers lose nearly all of their size


def activated(x: Tensor) -> Tensor:
    return leaky_relu(x, 0.2)


# Equalized rates ------------------------------------------------------------------------------------------------


class Linear(nn.Module):
    """A layer whose weights are drawn from N(0, 1) and divided by the root of their number as they are used.

    Adam moves every weight by about the same amount a step. So all layers learn at one pace, whatever their width.
    pace: of this layer, as a share of the others'.
    start: where the bias begins.
    gain: of all that comes out, bias too. Here it is cheap; on the output of an activation it would be a pass over it.
    """

    def __init__(self, narrow: int, wide: int, pace: float = 1.0, start: float = 0.0, gain: float = 1.0):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(wide, narrow)), nn.Parameter(torch.empty(wide))
        self.pace, self.scale = gain * pace, gain * pace / math.sqrt(narrow)
        nn.init.normal_(self.weight, 0.0, 1 / pace)
        nn.init.constant_(self.bias, start / pace)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, (self.weight * self.scale).to(x.dtype), (self.bias * self.pace).to(x.dtype))


class Conv(nn.Conv2d):
    """The same of a convolution."""

    def __init__(self, narrow: int, wide: int, size: int, gain: float = 1.0, **options: int | bool):
        super().__init__(narrow, wide, size, **options)
        self.gain, self.scale = gain, gain / math.sqrt(narrow * size**2)
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.gain
        return conv2d(x, self.weight * self.scale, bias, self.stride, self.padding)


def normalized(x: Tensor) -> Tensor:
    """Each row at a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


# From a code to a style -----------------------------------------------------------------------------------------


class Mapping(nn.Module):
    """Codes z (n, d) and classes (n,) -> w (n, d), which need not be normal: what belongs together may lie together.

    classes: how many it is told of; class number `classes` means that none is told.
    z_width: numbers of z, where they are not as many as of w.
    """

    def __init__(self, width: int, depth: int, classes: int = 0, pace: float = 0.01, z_width: int = 0):
        super().__init__()
        self.kinds = nn.Embedding(classes + 1, width) if classes else None
        widths = [(z_width or width) + (width if classes else 0), *[width] * depth]
        self.layers = nn.ModuleList(Linear(a, b, pace, gain=GAIN) for a, b in zip(widths, widths[1:]))

    def forward(self, z: Tensor, kinds: Tensor | None = None) -> Tensor:
        x = normalized(z)
        if self.kinds is not None:
            x = torch.cat([x, normalized(self.kinds(kinds)).to(x.dtype)], 1)
        for layer in self.layers:
            x = activated(layer(x))
        return x.float()


# Convolutions that a style steers -------------------------------------------------------------------------------


class Blur(nn.Module):
    """The filter 1, 3, 3, 1 along both sides, so that pixels can be left out or put in without jagged edges."""

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
    """Each picture (n, c, h, w) through filters (out, c, k, k) of its own: those whose input channels its style (n, c)
    scales, and whose outputs are brought back to a deviation of 1 (equations 1 and 3), or of `gain`. `up` doubles the size.

    A filter that is scaled sees what a scaled picture shows to the plain filter. So all pictures pass through the same
    filters, and are scaled before and after. On a processor that takes half the time of `modulated_one_by_one`, or less.
    """
    scale = gain * (style.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()  # (n, c) by (c, out)
    x = x * style.to(x.dtype)[:, :, None, None]
    x = conv_transpose2d(x, weight.transpose(0, 1), stride=2) if up else conv2d(x, weight, padding=weight.shape[2] // 2)
    return x * scale.to(x.dtype)[:, :, None, None]


def modulated_one_by_one(x: Tensor, weight: Tensor, style: Tensor, up: bool = False, gain: float = 1.0) -> Tensor:
    """The same as the paper has it: filters are made for each picture, and each is a group of one wide convolution."""
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
    """A modulated convolution, a grain of noise on each pixel, bias and activation. `up` doubles the size."""

    def __init__(self, narrow: int, wide: int, styles: int, side: int, up: bool = False):
        super().__init__()
        self.affine = Linear(styles, narrow, start=1.0)
        self.weight = nn.Parameter(torch.empty(wide, narrow, 3, 3))
        self.bias, self.strength = nn.Parameter(torch.zeros(wide)), nn.Parameter(torch.zeros(()))
        self.register_buffer("grain", nn.init.normal_(torch.empty(1, 1, side, side)))  # what is fixed where noise is to be
        self.up, self.blur = up, Blur(wide, padding=1, gain=4.0) if up else nn.Identity()
        nn.init.normal_(self.weight)
        self.scale = 1 / math.sqrt(narrow * 9)  # demodulation takes it out again: it keeps sums small, for float16

    def forward(self, x: Tensor, w: Tensor, grain: Tensor) -> Tensor:
        x = self.blur(modulated(x, self.weight, self.affine(w) * self.scale, self.up, GAIN))
        x = x + (GAIN * self.strength * grain).to(x.dtype)
        return activated(x + (GAIN * self.bias).to(x.dtype)[:, None, None])


class ToPicture(nn.Module):
    """What a layer adds to the picture: a modulated 1x1 convolution, not demodulated."""

    def __init__(self, narrow: int, channels: int, styles: int):
        super().__init__()
        self.affine = Linear(styles, narrow, start=1.0)
        self.conv = Conv(narrow, channels, 1)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.conv(x * self.affine(w).to(x.dtype)[:, :, None, None]).float()


def doubled(picture: Tensor, dark: bool = False) -> Tensor:
    """Twice as large by linear interpolation, which is the filter 1, 3, 3, 1 but for the border: there it goes on with the
    last pixels, and a `dark` picture with zeros."""
    if dark:
        return interpolate(pad(picture, (1, 1, 1, 1)), scale_factor=2, mode="bilinear")[:, :, 2:-2, 2:-2]
    return interpolate(picture, scale_factor=2, mode="bilinear")


class Synthesis(nn.Module):
    """Styles w (n, layers, d) -> pictures: a learned 4x4 start, doubled again and again; each size adds to the picture.

    widths: channels at 4x4, 8x8, ...
    original: pictures are dark beyond their border as they are doubled.
    """

    def __init__(self, channels: int, widths: Sequence[int], styles: int, original: bool = False):
        super().__init__()
        self.original = original
        self.start = nn.Parameter(torch.empty(1, widths[0], 4, 4))
        nn.init.normal_(self.start)
        self.convs = nn.ModuleList([StyledConv(widths[0], widths[0], styles, 4)])
        for level, (narrow, wide) in enumerate(zip(widths, widths[1:])):
            side = 8 << level
            self.convs += [StyledConv(narrow, wide, styles, side, up=True), StyledConv(wide, wide, styles, side)]
        self.pictures = nn.ModuleList(ToPicture(width, channels, styles) for width in widths)
        self.layers = len(self.convs) + 1

    def forward(self, w: Tensor, grain: Sequence[Tensor] | None = None, side: int | None = None) -> Tensor:
        """grain: noise (n or 1, 1, h, w) for each convolution; unsaid, the fixed one.
        side: of the picture to stop at: what all sizes up to that add up to."""
        grain = [conv.grain for conv in self.convs] if grain is None else grain
        x = self.start.expand(len(w), -1, -1, -1)
        x = self.convs[0](x, w[:, 0], grain[0])
        picture = self.pictures[0](x, w[:, 1])
        for level, to_picture in enumerate(self.pictures[1:]):
            if picture.shape[-1] == side:
                break
            for i in (2 * level + 1, 2 * level + 2):
                x = self.convs[i](x, w[:, i], grain[i])
            picture = doubled(picture, self.original) + to_picture(x, w[:, i + 1])
        return picture

    def sides(self) -> list[int]:
        """Of each convolution's output."""
        return [conv.grain.shape[-1] for conv in self.convs]

    def styled(self) -> list[int]:
        """Of what each style steers: the last one steers the picture alone."""
        return [*self.sides(), self.sides()[-1]]

    def affine(self, layer: int) -> Tensor:
        """The matrix (c, d) by which a layer's style enters its convolution."""
        affines = [*(conv.affine for conv in self.convs), self.pictures[-1].affine]
        return affines[layer].weight


class AdaIN(nn.Module):
    """What comes after a convolution in the first StyleGAN (Karras et al. 2019, arXiv:1812.04948, equation 1): noise, bias,
    activation; then each channel of each picture is brought to mean 0 and deviation 1, and the style says what they are.
    """

    def __init__(self, width: int, styles: int, side: int):
        super().__init__()
        self.affine = Linear(styles, 2 * width)
        self.bias, self.strength = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width, 1, 1))
        self.register_buffer("grain", nn.init.normal_(torch.empty(1, 1, side, side)))

    def forward(self, x: Tensor, w: Tensor, grain: Tensor) -> Tensor:
        x = activated(x + (self.strength * grain).to(x.dtype) + self.bias.to(x.dtype)[:, None, None])
        scale, shift = self.affine(w).to(x.dtype)[:, :, None, None].chunk(2, 1)
        return instance_norm(x) * (1 + scale) + shift


class AdaINSynthesis(nn.Module):
    """`Synthesis` of the first StyleGAN: styles come after convolutions, and only the last size makes the picture."""

    def __init__(self, channels: int, widths: Sequence[int], styles: int):
        super().__init__()
        self.start = nn.Parameter(torch.ones(1, widths[0], 4, 4))
        inputs = [widths[0], *(w for pair in zip(widths, widths[1:]) for w in pair)]  # of all but the start's
        outputs = [widths[0], *(w for w in widths[1:] for _ in range(2))]
        self.convs = nn.ModuleList(Conv(a, b, 3, GAIN, padding=1, bias=False) for a, b in zip(inputs, outputs, strict=True))
        self.norms = nn.ModuleList(AdaIN(width, styles, 4 << level) for level, width in enumerate(widths) for _ in range(2))
        self.picture = Conv(widths[-1], channels, 1)
        self.layers = len(self.norms)

    def forward(self, w: Tensor, grain: Sequence[Tensor] | None = None, side: int | None = None) -> Tensor:
        """As of `Synthesis`; but there is no picture before the last size, whatever `side` asks for."""
        grain = [norm.grain for norm in self.norms] if grain is None else grain
        x = self.norms[0](self.start.expand(len(w), -1, -1, -1), w[:, 0], grain[0])
        for i in range(1, self.layers):
            if i % 2 == 0:
                x = interpolate(x, scale_factor=2, mode="bilinear")
            x = self.norms[i](self.convs[i - 1](x), w[:, i], grain[i])
        return self.picture(x).float()

    def sides(self) -> list[int]:
        return [norm.grain.shape[-1] for norm in self.norms]

    def styled(self) -> list[int]:
        return self.sides()

    def affine(self, layer: int) -> Tensor:
        return self.norms[layer].affine.weight


# The critic -----------------------------------------------------------------------------------------------------


class Halving(nn.Module):
    """A residual block that halves the picture. The shortcut takes the mean of 2x2, or, of the `original`, a filter."""

    def __init__(self, narrow: int, wide: int, original: bool = False):
        super().__init__()
        self.conv1 = Conv(narrow, narrow, 3, GAIN, padding=1)
        self.blur, self.conv2 = Blur(narrow, padding=2), Conv(narrow, wide, 3, stride=2)
        self.short = Conv(narrow, wide, 1, 1 / GAIN, bias=False)
        self.halve = Blur(narrow, padding=1, stride=2) if original else mean_of_four

    def forward(self, x: Tensor) -> Tensor:
        h = activated(self.conv1(x))
        h = activated(self.conv2(self.blur(h)))  # a gain before, and a share of the sum after, cancel
        return h + self.short(self.halve(x))


def mean_of_four(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=0.5, mode="bilinear")  # faster than pooling


def spread(x: Tensor, group: int = 4) -> Tensor:
    """(n, c, h, w) -> (n, 1, 1, 1): how much the pictures of a group differ, as a deviation, averaged over all places.

    By it a critic sees a generator that makes the same picture again and again. Where groups do not come out even, all
    pictures are one.
    """
    n = len(x)
    group = group if n % group == 0 else n
    groups = x.float().unflatten(0, (n // group, group))
    deviation = (groups.var(1, unbiased=False) + 1e-8).sqrt()  # (groups, c, h, w)
    return deviation.flatten(1).mean(1).repeat_interleave(group).to(x.dtype)[:, None, None, None]


def spread_within(x: Tensor, kinds: Tensor, count: int) -> Tensor:
    """The same of the pictures of one class, of `count`, in the whole batch; 0 where there is but one.

    Where classes look unlike each other, a mixed group differs even if the generator makes one picture of each.
    """

    def mean(values: Tensor) -> Tensor:
        return values.new_zeros(count, values.shape[1]).index_add(0, kinds, values)[kinds] / many

    flat = x.float().flatten(1)
    many = flat.new_zeros(count).index_add(0, kinds, flat.new_ones(len(x)))[kinds][:, None]
    deviation = (mean((flat - mean(flat)).square()) + 1e-8).sqrt()  # (n, c h w)
    return deviation.mean(1).to(x.dtype)[:, None, None, None]


class Critic(nn.Module):
    """Pictures (n, channels, h, w) and classes (n,) -> logits (n, 1), each of how real a picture is as one of its class.

    widths: channels at 4x4, 8x8, ..., as the generator has them.
    classes: how many it is told of. The logit is a product of what is seen and what is told (Miyato and Koyama 2018,
        arXiv:1802.05637). Class number `classes`, or no word at all, asks about the picture alone.
    group: pictures of which it sees how much they differ, where it is told of no classes; else it sees that of each class.
    original: shortcuts are filtered, groups are of any classes, and what is told of a class may be of any size.
    """

    def __init__(self, channels: int, widths: Sequence[int], classes: int = 0, group: int = 4, original: bool = False):
        super().__init__()
        last, self.group, self.original = widths[0], group, original
        self.entry = Conv(channels, widths[-1], 1, GAIN)
        self.halvings = nn.Sequential(*(Halving(a, b, original) for a, b in zip(widths[::-1], widths[-2::-1])))
        self.conv = Conv(last + 1, last, 3, GAIN, padding=1)
        self.dense = Linear(last * 4 * 4, last, gain=GAIN)
        self.exit = Linear(last, last if classes else 1)
        self.kinds = nn.Embedding(classes + 1, last) if classes else None

    def forward(self, images: Tensor, kinds: Tensor | None = None) -> Tensor:
        if kinds is None and self.kinds is not None:
            kinds = torch.full((len(images),), self.kinds.num_embeddings - 1, device=images.device)
        x = self.halvings(activated(self.entry(images)))
        by_kind = self.kinds is not None and not self.original
        differ = spread_within(x, kinds, self.kinds.num_embeddings) if by_kind else spread(x, self.group)
        x = torch.cat([x, differ.expand(-1, 1, *x.shape[2:])], 1)
        x = activated(self.conv(x))
        seen = self.exit(activated(self.dense(x.flatten(1)))).float()
        if self.kinds is None:
            return seen
        told = self.kinds(kinds) if self.original else normalized(self.kinds(kinds))
        return (seen * told).sum(1, keepdim=True) / math.sqrt(seen.shape[1])
