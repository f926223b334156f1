"""BigGAN-deep's layers: bottleneck blocks conditioned on all of z, and batch norm with statistics for each truncation.

Brock et al. 2019 (arXiv:1809.11096), appendix B, computed as in the authors' published networks. These have no spectral
norm any more: each weight was divided by its largest singular value for good.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv_transpose2d, interpolate, linear, max_pool2d, pad
from torch.nn.functional import scaled_dot_product_attention as attention

from genstudio.layers.biggan import LEVELS, Statistics, gathering

EPS = 1e-4  # added to variances, as the published networks do
BOTTLENECK = 4  # times fewer channels inside a block
MIN_CHANNELS = 8  # of which attention takes an eighth for queries and keys


# Layers ---------------------------------------------------------------------------------------------------------


class BatchNorm(Statistics):
    """Batch norm followed by ReLU, with statistics for several truncations from 0 to 1."""

    def normalized(self, x: Tensor, gain: Tensor, shift: Tensor, truncation: float) -> Tensor:
        """gain, shift: (c,), or (n, c) for each image."""
        if self.gathering is not None:
            self.gather(x.float())
        if self.training or self.gathering is not None:
            x = batch_norm(x.float(), None, None, training=True, eps=EPS).to(x.dtype)
        else:
            mean, variance = self.statistics(truncation)
            gain = gain * (variance + EPS).rsqrt()
            shift = shift - mean * gain
        gain, shift = (t.to(x.dtype)[..., None, None] for t in (gain, shift))
        return torch.addcmul(shift, x, gain).relu_()

    def statistics(self, truncation: float) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel. Between two rows the weights of the interpolation are exchanged, as in the
        published code, to reproduce its images."""
        last = len(self.means) - 1
        fraction, row = math.modf(min(max(truncation, 0.0), 1.0) / (1 / last))
        low, high = int(row), min(int(row) + 1, last)
        rows = [(table[low].float(), table[high].float()) for table in (self.means, self.variances)]
        return tuple(a * fraction + b * (1 - fraction) if fraction else a for a, b in rows)

    @torch.no_grad()
    def interpolate_rows(self, rows: Sequence[int]) -> None:
        """Interpolate linearly between the rows that were gathered."""
        for low, high in pairwise(rows):
            for row in range(low + 1, high):
                for table in (self.means, self.variances):
                    table[row] = torch.lerp(table[low], table[high], (row - low) / (high - low))


class ConditionalBatchNorm(BatchNorm):
    """Batch norm with gain and bias as linear functions of a conditioning vector (n, d)."""

    def __init__(self, channels: int, condition_dim: int, rows: int):
        super().__init__(rows, channels)
        self.affine = nn.Linear(condition_dim, 2 * channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor, truncation: float) -> Tensor:
        gain, shift = self.affine(condition).float().chunk(2, 1)
        return self.normalized(x, 1 + gain, shift, truncation)


class PlainBatchNorm(BatchNorm):
    def __init__(self, channels: int, rows: int):
        super().__init__(rows, channels)
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, truncation: float) -> Tensor:
        return self.normalized(x, self.weight.float(), self.bias.float(), truncation)


class Conv(nn.Conv2d):
    """3x3 convolution, which `doubles` the resolution first, by nearest-neighbour upsampling."""

    def __init__(self, channels: int, doubles: bool):
        super().__init__(channels, channels, 3, padding=1)
        self.doubles, self.folded = doubles, False

    def forward(self, x: Tensor) -> Tensor:
        if self.folded:
            return conv_transpose2d(x, self.weight, self.bias, stride=2, padding=1)
        return super().forward(interpolate(x, scale_factor=2) if self.doubles else x)

    def fuse(self) -> None:
        """Fuse upsampling and convolution to a 4x4 transposed convolution of stride 2, for inference.

        Of the nine upsampled pixels below a filter at most four differ, and the weights of equal ones are added.
        """
        if self.doubles and not self.folded:
            with torch.no_grad():
                flipped = self.weight.flip(2, 3).transpose(0, 1)
                summed = sum(pad(flipped, (x, 1 - x, y, 1 - y)) for x in (0, 1) for y in (0, 1))
            self.weight, self.folded = nn.Parameter(summed), True


class Pointwise(nn.Conv2d):
    """1x1 convolution as a matrix product, which it is in the channels-last memory format."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True):
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Self-attention with keys and values at half the resolution; initially the identity."""

    def __init__(self, c: int):
        super().__init__()
        self.query, self.key = Pointwise(c, c // 8, bias=False), Pointwise(c, c // 8, bias=False)
        self.value, self.out = Pointwise(c, c // 2, bias=False), Pointwise(c // 2, c, bias=False)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), max_pool2d(self.key(x), 2), max_pool2d(self.value(x), 2)
        query, key, value = (t.flatten(2).transpose(1, 2)[:, None] for t in (query, key, value))  # (n, 1, h w, d)
        # The CPU's fast attention kernel needs queries, keys and values of one width: zeros add nothing to a product.
        missing = value.shape[3] - query.shape[3]
        attended = attention(pad(query, (0, missing)), pad(key, (0, missing)), value.contiguous(), scale=1.0)
        attended = attended[:, 0].transpose(1, 2).unflatten(2, x.shape[2:])
        return torch.addcmul(x, self.weight.to(x.dtype), self.out(attended))


class Block(nn.Module):
    """Residual block of the generator. Where it halves the channels, the shortcut keeps the first half of them."""

    def __init__(self, in_channels: int, out_channels: int, condition_dim: int, rows: int, doubles: bool):
        super().__init__()
        if out_channels not in (in_channels, in_channels // 2):
            have, due = in_channels, out_channels
            raise ValueError(f"a block keeps or halves its {have} channels, and cannot make {due} of them")
        hidden = in_channels // BOTTLENECK
        inputs = (in_channels, hidden, hidden, hidden)
        self.norms = nn.ModuleList(ConditionalBatchNorm(channels, condition_dim, rows) for channels in inputs)
        middle = (Conv(hidden, doubles), Conv(hidden, doubles=False))
        self.convs = nn.ModuleList([Pointwise(in_channels, hidden), *middle, Pointwise(hidden, out_channels)])
        self.out_channels, self.doubles = out_channels, doubles

    def forward(self, x: Tensor, condition: Tensor, truncation: float) -> Tensor:
        h = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = conv(norm(h, condition, truncation))
        x = x[:, : self.out_channels]
        return h.add_(interpolate(x, scale_factor=2) if self.doubles else x)


# The network ----------------------------------------------------------------------------------------------------


class Generator(nn.Module):
    """Latents z and class embeddings -> images. Each block is conditioned on all of z and on the class embedding.

    widths: channels at 4x4, and after each block.
    doubles: for each block, true if it doubles the resolution.
        attention_position: the block, counted from 1, that follows self-attention; beyond the last block there is none.
    rows: truncations with batch norm statistics.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        doubles: Sequence[bool],
        latent_dim: int,
        classes: int,
        embedding: int,
        attention_position: int,
        rows: int,
    ):
        super().__init__()
        self.latent_dim = latent_dim
        if len(widths) != len(doubles) + 1:
            raise ValueError(f"{len(doubles)} blocks lie between {len(doubles) + 1} widths, not {len(widths)}")
        if min(widths) < MIN_CHANNELS:
            raise ValueError(f"it must be at least {MIN_CHANNELS} channels wide everywhere, not {min(widths)}")
        if rows < 2:
            raise ValueError("it needs statistics for two truncations at least")
        self.attention_position, condition_dim = attention_position, latent_dim + embedding
        self.class_embedding = nn.Embedding(classes + 1, embedding)  # the last is that of no class
        self.start = nn.Linear(condition_dim, 16 * widths[0])
        shapes = zip(pairwise(widths), doubles, strict=True)
        self.blocks = nn.ModuleList(Block(a, b, condition_dim, rows, double) for (a, b), double in shapes)
        self.attention = nn.ModuleList(
            [Attention(widths[attention_position - 1])] if attention_position <= len(self.blocks) else []
        )
        self.norm, self.out = PlainBatchNorm(widths[-1], rows), nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, z: Tensor, embedded: Tensor, truncation: float = 1.0) -> Tensor:
        """z (n, latent_dim), class embeddings (n, d) -> (n, channels, h, w) in [-1, 1]."""
        condition = torch.cat([z, embedded.to(z.dtype)], 1)
        # As published, the outputs of this layer are in channels-last order.
        x = self.start(condition).unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)
        for i, block in enumerate(self.blocks, 1):
            if i == self.attention_position:
                x = self.attention[0](x)
            x = block(x, condition, truncation)
        return torch.tanh(self.out(self.norm(x, truncation)))

    @contextmanager
    def gathering(self) -> Iterator[Iterator[float]]:
        """Context with a few truncations whose batch norm statistics are to be gathered, one after the other. Then the
        rows between them are interpolated."""
        norms = [module for module in self.modules() if isinstance(module, BatchNorm)]
        last = len(norms[0].means) - 1
        rows = sorted({round(level * last) for level in LEVELS})
        with gathering(norms, [(row, row / last) for row in rows]) as levels:
            yield levels
        for norm in norms:
            norm.interpolate_rows(rows)
