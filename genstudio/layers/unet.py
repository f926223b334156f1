"""U-Net of the diffusion models: noised images and their times -> predictions of noise, image or v.

Ho et al. 2020 (arXiv:2006.11239), appendix B: residual blocks with time embedding, attention at low resolutions, and
skip connections by concatenation.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, interpolate, pad, scaled_dot_product_attention, silu

from genstudio.layers.group_norm import GroupNorm


class DenoisingUNet(nn.Module):
    """Images (n, channels, h, w), times (n,) and labels (n,) -> (n, outputs, h, w).

    widths: channels at each level; each level but the last halves the resolution.
    blocks: residual blocks per level in the encoder; the decoder has one more.
    attention: levels with self-attention after each block. Between encoder and decoder there always is one.
    classes: number of classes it is conditioned on; label `classes` is that of no class.
    groups: of every group norm. With one channel per group the time and class embedding has no effect: group norm
        removes a per-channel shift.
    fold: pixel-unshuffle by this factor first: a CPU is faster at lower resolution with more channels.
    head: channels per attention head; None for a single head.
    epsilon: added to the variance in every group norm.
    centred: symmetric padding in downsampling; else at the right and the bottom only.
    full_range: the frequencies of the time embedding reach 1 / 10 000; else they end a step before.
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
        embedding = 4 * widths[0]
        self.time_embedding = nn.Sequential(nn.Linear(widths[0], embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.class_embedding = nn.Embedding(classes + 1, embedding) if classes else None

        def block(in_channels: int, out_channels: int) -> ResidualBlock:
            return ResidualBlock(in_channels, out_channels, embedding, groups, dropout, epsilon)

        def attend(level: int) -> nn.Module:
            return Attention(widths[level], groups, head, epsilon) if level in attention else nn.Identity()

        def downsample(channels: int) -> nn.Module:
            return nn.Conv2d(channels, channels, 3, 2, 1) if centred else CornerConv(channels, channels, 3, 2)

        self.conv_in = nn.Conv2d(channels * fold**2, widths[0], 3, padding=1)
        width, skipped = widths[0], [widths[0]]  # channels of the features, and of each skip connection
        self.downs = nn.ModuleList()
        for level, out in enumerate(widths):
            down = nn.Module()
            down.blocks = nn.ModuleList(block(width if i == 0 else out, out) for i in range(blocks))
            down.attention = nn.ModuleList(attend(level) for _ in range(blocks))
            last = level == len(widths) - 1
            down.downsample = nn.Identity() if last else downsample(out)
            self.downs.append(down)
            skipped += [out] * (blocks if last else blocks + 1)
            width = out
        self.middle = nn.ModuleList([block(width, width), Attention(width, groups, head, epsilon), block(width, width)])
        self.ups = nn.ModuleList()
        for level, out in reversed(list(enumerate(widths))):
            up = nn.Module()
            up.blocks = nn.ModuleList()
            for _ in range(blocks + 1):
                up.blocks.append(block(width + skipped.pop(), out))
                width = out
            up.attention = nn.ModuleList(attend(level) for _ in range(blocks + 1))
            up.upsample = Upsample(out) if level else nn.Identity()
            self.ups.append(up)
        self.norm = GroupNorm(groups, width, epsilon)
        self.conv_out = nn.Conv2d(width, (outputs or channels) * fold**2, 3, padding=1)
        zeroed(self.conv_out)

    def forward(self, images: Tensor, times: Tensor, labels: Tensor | None = None) -> Tensor:
        embedding = self.time_embedding(waves(times, self.first, self.full_range))
        if self.class_embedding is not None:
            none = torch.full_like(times, self.class_embedding.num_embeddings - 1, dtype=torch.long)
            embedding = embedding + self.class_embedding(none if labels is None else labels)
        embedding = silu(embedding)
        x = self.conv_in(nn.functional.pixel_unshuffle(images, self.fold))
        skips = [x]
        for level, down in enumerate(self.downs):
            for block, attention in zip(down.blocks, down.attention, strict=True):
                x = attention(block(x, embedding))
                skips.append(x)
            if level < len(self.downs) - 1:
                x = down.downsample(x)
                skips.append(x)
        before, attention, after = self.middle
        x = after(attention(before(x, embedding)), embedding)
        for up in self.ups:
            for block, attention in zip(up.blocks, up.attention, strict=True):
                x = attention(block(torch.cat([x, skips.pop()], 1), embedding))
            x = up.upsample(x)
        return nn.functional.pixel_shuffle(self.conv_out(silu(self.norm(x))), self.fold)


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))) + linear(embedding)))), initially the identity."""

    def __init__(self, a: int, b: int, embedding: int, groups: int, dropout: float, epsilon: float = 1e-5):
        super().__init__()
        self.norm1, self.conv1 = GroupNorm(groups, a, epsilon), nn.Conv2d(a, b, 3, padding=1)
        self.conditioning = nn.Linear(embedding, b)
        self.norm2, self.conv2 = GroupNorm(groups, b, epsilon), nn.Conv2d(b, b, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.shortcut = nn.Identity() if a == b else nn.Conv2d(a, b, 1)
        zeroed(self.conv2)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (n, a, h, w), embedding of time and class (n, d) -> (n, b, h, w)."""
        h = self.conv1(silu(self.norm1(x)))
        h = h + self.conditioning(embedding)[:, :, None, None]
        return self.shortcut(x) + self.conv2(self.dropout(silu(self.norm2(h))))


class Attention(nn.Module):
    """Self-attention over pixels (Vaswani et al. 2017, arXiv:1706.03762), in heads of `head` channels or in one."""

    def __init__(self, channels: int, groups: int, head: int | None = None, epsilon: float = 1e-5):
        super().__init__()
        if head and channels % head:
            raise ValueError(f"{channels} channels are not shared out into heads of {head}")
        self.heads = channels // head if head else 1
        self.norm = GroupNorm(groups, channels, epsilon)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        zeroed(self.out)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        pixels = self.norm(x).permute(0, 2, 3, 1).flatten(1, 2)  # (n, h w, c)
        split = self.query_key_value(pixels).view(n, h * w, 3, self.heads, c // self.heads)
        attended = dot_product_attention(*split.permute(2, 0, 3, 1, 4))  # (n, heads, h w, c / heads)
        return x + self.out(attended.transpose(1, 2).flatten(2)).view(n, h, w, c).permute(0, 3, 1, 2)


def dot_product_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """torch's `scaled_dot_product_attention`, but two matrix products in bfloat16 on a CPU, where they are faster.

    mask: boolean (queries, keys), True where a query reads a key.
    """
    if query.device.type != "cpu" or query.dtype is not torch.bfloat16:
        return scaled_dot_product_attention(query, key, value, mask)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1) @ value


class CornerConv(nn.Conv2d):
    """Convolution with zero padding at the right and the bottom only."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Nearest-neighbour upsampling by 2, then a 3x3 convolution.

    Of the nine upsampled pixels below a filter at most four differ. On a CPU both steps are one 4x4 transposed
    convolution of stride 2, with the weights of equal pixels added: less than half the arithmetic.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.register_buffer("fused", None, persistent=False)

    def fuse(self) -> None:
        """Compute the fused weights once, in a network that is not trained any more."""
        self.fused = fused_weight(self.conv.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return self.conv(interpolate(x, scale_factor=2, mode="nearest"))
        weight = fused_weight(self.conv.weight) if self.fused is None else self.fused
        return conv_transpose2d(x, weight, self.conv.bias, stride=2, padding=1)


def fused_weight(weight: Tensor) -> Tensor:
    """(out, in, 3, 3) -> (in, out, 4, 4): the transposed convolution equal to upsampling and then this convolution."""
    tall = pad(weight, (0, 0, 0, 1)) + pad(weight, (0, 0, 1, 0))  # rows a, b, c become a, a + b, b + c, c
    whole = pad(tall, (0, 1)) + pad(tall, (1, 0))
    return whole.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)


def waves(times: Tensor, width: int, full_range: bool = True) -> Tensor:
    """Sinusoidal time embedding (n,) -> (n, width), at frequencies from 1 to 1 / 10 000, or to a step before that."""
    half = width // 2
    steps = half - 1 if full_range else half
    angles = times.float()[:, None] * torch.exp(-math.log(10_000) * torch.arange(half, device=times.device) / steps)
    return torch.cat([angles.sin(), angles.cos()], 1)


def zeroed(layer: nn.Conv2d | nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
