"""The U-Net that denoises: it is shown a noised picture and how noised it is, and says what it thinks of it.

Ho et al. 2020 (arXiv:2006.11239), appendix B: residual blocks that are told the time, attention where the picture is
small, and what was seen on the way down laid beside it on the way up.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, interpolate, pad, scaled_dot_product_attention, silu

from genstudio.layers.group_norm import GroupNorm


class DenoisingUNet(nn.Module):
    """(n, channels, h, w), times (n,) and classes (n,) -> (n, outputs, h, w).

    widths: channels at each level; each level but the last halves the picture.
    blocks: residual blocks a level on the way down; on the way up there is one more.
    attention: levels at which each block is followed by attention. The smallest level always has one in its middle.
    classes: how many kinds of pictures it is told of; class number `classes` means that none is told.
    groups: of every norm. In a level with no more channels than that, each group is one channel, and its blocks do not hear
        what is told: what is added to a whole channel, the norm takes out again.
    fold: lays fold x fold pixels into channels first, so that a processor has fewer and wider places to compute.
    head: channels of each head of attention; all of them in one where it is None.
    epsilon: what every norm adds to the variance.
    centred: a picture is padded on all sides before it is halved; else at its right and its bottom only.
    full_range: the frequencies that tell the time reach 1 / 10 000; else they end a step before.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        blocks: int = 2,
        attention: Collection[int] = (),
        outputs: int | None = None,
        classes: int = 0,
        fold: int = 1,
        groups: int = 32,
        head: int | None = None,
        dropout: float = 0.0,
        epsilon: float = 1e-5,
        centred: bool = True,
        full_range: bool = True,
    ):
        super().__init__()
        if widths[0] % 2 or widths[0] < 4:
            raise ValueError(f"sines and cosines of the time need an even number of channels from 4, not {widths[0]}")
        self.fold, self.first, self.full_range = fold, widths[0], full_range
        told = 4 * widths[0]
        self.time = nn.Sequential(nn.Linear(widths[0], told), nn.SiLU(), nn.Linear(told, told))
        self.kinds = nn.Embedding(classes + 1, told) if classes else None

        def block(narrow: int, wide: int) -> ResidualBlock:
            return ResidualBlock(narrow, wide, told, groups, dropout, epsilon)

        def looks(level: int) -> nn.Module:
            return Attention(widths[level], groups, head, epsilon) if level in attention else nn.Identity()

        def halves(wide: int) -> nn.Module:
            return nn.Conv2d(wide, wide, 3, 2, 1) if centred else CornerConv(wide, wide, 3, 2)

        self.entry = nn.Conv2d(channels * fold**2, widths[0], 3, padding=1)
        width, seen = widths[0], [widths[0]]  # the widths of what is passed across
        self.downs = nn.ModuleList()
        for level, wide in enumerate(widths):
            down = nn.Module()
            down.blocks = nn.ModuleList(block(width if i == 0 else wide, wide) for i in range(blocks))
            down.attention = nn.ModuleList(looks(level) for _ in range(blocks))
            last = level == len(widths) - 1
            down.halve = nn.Identity() if last else halves(wide)
            self.downs.append(down)
            seen += [wide] * (blocks if last else blocks + 1)
            width = wide
        self.middle = nn.ModuleList([block(width, width), Attention(width, groups, head, epsilon), block(width, width)])
        self.ups = nn.ModuleList()
        for level, wide in reversed(list(enumerate(widths))):
            up = nn.Module()
            up.blocks = nn.ModuleList()
            for _ in range(blocks + 1):
                up.blocks.append(block(width + seen.pop(), wide))
                width = wide
            up.attention = nn.ModuleList(looks(level) for _ in range(blocks + 1))
            up.enlarge = Upsample(wide) if level else nn.Identity()
            self.ups.append(up)
        self.norm = GroupNorm(groups, width, epsilon)
        self.exit = nn.Conv2d(width, (outputs or channels) * fold**2, 3, padding=1)
        zeroed(self.exit)

    def forward(self, images: Tensor, times: Tensor, kinds: Tensor | None = None) -> Tensor:
        told = self.time(waves(times, self.first, self.full_range))
        if self.kinds is not None:
            none = torch.full_like(times, self.kinds.num_embeddings - 1, dtype=torch.long)
            told = told + self.kinds(none if kinds is None else kinds)
        told = silu(told)
        x = self.entry(nn.functional.pixel_unshuffle(images, self.fold))
        passed = [x]
        for level, down in enumerate(self.downs):
            for block, attention in zip(down.blocks, down.attention, strict=True):
                x = attention(block(x, told))
                passed.append(x)
            if level < len(self.downs) - 1:
                x = down.halve(x)
                passed.append(x)
        before, attention, after = self.middle
        x = after(attention(before(x, told)), told)
        for up in self.ups:
            for block, attention in zip(up.blocks, up.attention, strict=True):
                x = attention(block(torch.cat([x, passed.pop()], 1), told))
            x = up.enlarge(x)
        return nn.functional.pixel_shuffle(self.exit(silu(self.norm(x))), self.fold)


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))) + what is told))). It begins as the identity."""

    def __init__(self, narrow: int, wide: int, told: int, groups: int, dropout: float, epsilon: float = 1e-5):
        super().__init__()
        self.norm1, self.conv1 = GroupNorm(groups, narrow, epsilon), nn.Conv2d(narrow, wide, 3, padding=1)
        self.told = nn.Linear(told, wide)
        self.norm2, self.conv2 = GroupNorm(groups, wide, epsilon), nn.Conv2d(wide, wide, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.short = nn.Identity() if narrow == wide else nn.Conv2d(narrow, wide, 1)
        zeroed(self.conv2)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        h = self.conv1(silu(self.norm1(x)))
        h = h + self.told(told)[:, :, None, None]
        return self.short(x) + self.conv2(self.dropout(silu(self.norm2(h))))


class Attention(nn.Module):
    """Every place looks at every other (Vaswani et al. 2017, arXiv:1706.03762), in heads of `head` channels, else in one."""

    def __init__(self, width: int, groups: int, head: int | None = None, epsilon: float = 1e-5):
        super().__init__()
        if head and width % head:
            raise ValueError(f"{width} channels are not shared out into heads of {head}")
        self.heads = width // head if head else 1
        self.norm = GroupNorm(groups, width, epsilon)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        zeroed(self.out)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        places = self.norm(x).permute(0, 2, 3, 1).flatten(1, 2)  # (n, h w, c)
        split = self.query_key_value(places).view(n, h * w, 3, self.heads, c // self.heads)
        seen = looked(*split.permute(2, 0, 3, 1, 4))  # (n, heads, h w, c / heads)
        return x + self.out(seen.transpose(1, 2).flatten(2)).view(n, h, w, c).permute(0, 3, 1, 2)


def looked(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """`scaled_dot_product_attention`: in bfloat16 on a processor two products of matrices are faster than its kernel."""
    if query.device.type != "cpu" or query.dtype is not torch.bfloat16:
        return scaled_dot_product_attention(query, key, value)
    return ((query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)).softmax(-1) @ value


class CornerConv(nn.Conv2d):
    """Sees a row and a column of zeros at the right and the bottom, and none elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Each pixel becomes 2x2, then a 3x3 convolution.

    Of the nine places that the convolution looks at, at most four differ. So it is a transposed convolution of 4x4 with
    stride 2, with the filters' numbers added up: under half the arithmetic, which a processor feels.
    """

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.register_buffer("added", None, persistent=False)

    def fuse(self) -> None:
        """Adds the numbers up once and for all, in a network that learns no more."""
        self.added = widened(self.conv.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return self.conv(interpolate(x, scale_factor=2, mode="nearest"))
        filters = widened(self.conv.weight) if self.added is None else self.added
        return conv_transpose2d(x, filters, self.conv.bias, stride=2, padding=1)


def widened(weight: Tensor) -> Tensor:
    """(out, in, 3, 3) -> (in, out, 4, 4): a filter as the transposed convolution has it that doubles each pixel first."""
    tall = pad(weight, (0, 0, 0, 1)) + pad(weight, (0, 0, 1, 0))  # rows a, b, c become a, a + b, b + c, c
    whole = pad(tall, (0, 1)) + pad(tall, (1, 0))
    return whole.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)


def waves(times: Tensor, width: int, full_range: bool = True) -> Tensor:
    """(n,) -> (n, width): sines and cosines of the time at frequencies from 1 down to 1 / 10 000, else to a step before."""
    half = width // 2
    steps = half - 1 if full_range else half
    angles = times.float()[:, None] * torch.exp(-math.log(10_000) * torch.arange(half, device=times.device) / steps)
    return torch.cat([angles.sin(), angles.cos()], 1)


def zeroed(layer: nn.Conv2d | nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
