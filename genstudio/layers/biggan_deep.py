"""What BigGAN-deep is made of: narrow blocks that all read the whole code, and batch norm that is told the truncation.

Brock et al. 2019 (arXiv:1809.11096), appendix B, as the networks compute it that its authors published. Their spectral
norm is gone: each weight was divided by its largest singular value for good.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv_transpose2d, interpolate, linear, max_pool2d, pad
from torch.nn.functional import scaled_dot_product_attention as attention

from genstudio.layers.biggan import Statistics

EPS = 1e-4  # added to variances, as the published networks do
NARROW = 4  # times fewer channels inside of a block
LEAST = 8  # channels, of which attention looks with an eighth


# Layers ---------------------------------------------------------------------------------------------------------


class BatchNorm(Statistics):
    """Batch norm, and the relu that always follows it. It keeps statistics for several truncations, from 0 to 1."""

    def normalized(self, x: Tensor, gain: Tensor, shift: Tensor, truncation: float) -> Tensor:
        """gain, shift: (c,) or, of each picture, (n, c)."""
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
        """Mean and variance of each channel. Between two rows they are mixed with the shares exchanged: the published
        code does so, and its pictures are to come out."""
        last = len(self.means) - 1
        part, row = math.modf(min(max(truncation, 0.0), 1.0) / (1 / last))
        low, high = int(row), min(int(row) + 1, last)
        rows = [(kept[low].float(), kept[high].float()) for kept in (self.means, self.variances)]
        return tuple(a * part + b * (1 - part) if part else a for a, b in rows)

    @torch.no_grad()
    def spread(self, rows: Sequence[int]) -> None:
        """Between the rows that were gathered, the others are put on a line."""
        for low, high in pairwise(rows):
            for row in range(low + 1, high):
                for kept in (self.means, self.variances):
                    kept[row] = torch.lerp(kept[low], kept[high], (row - low) / (high - low))


class ConditionalBatchNorm(BatchNorm):
    """Gain and bias are read from a code (n, d)."""

    def __init__(self, width: int, codes: int, rows: int):
        super().__init__(rows, width)
        self.told = nn.Linear(codes, 2 * width, bias=False)

    def forward(self, x: Tensor, code: Tensor, truncation: float) -> Tensor:
        gain, shift = self.told(code).float().chunk(2, 1)
        return self.normalized(x, 1 + gain, shift, truncation)


class PlainBatchNorm(BatchNorm):
    def __init__(self, width: int, rows: int):
        super().__init__(rows, width)
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, truncation: float) -> Tensor:
        return self.normalized(x, self.weight.float(), self.bias.float(), truncation)


class Conv(nn.Conv2d):
    """3x3; `doubles` the picture before, by repeating its pixels."""

    def __init__(self, width: int, doubles: bool):
        super().__init__(width, width, 3, padding=1)
        self.doubles, self.folded = doubles, False

    def forward(self, x: Tensor) -> Tensor:
        if self.folded:
            return conv_transpose2d(x, self.weight, self.bias, stride=2, padding=1)
        return super().forward(interpolate(x, scale_factor=2) if self.doubles else x)

    def fuse(self) -> None:
        """Of nine repeated pixels only four differ. So what repeats them and what looks at them become one: each pixel
        is laid down as 4x4, where the weights of its four copies overlap."""
        if self.doubles and not self.folded:
            with torch.no_grad():
                turned = self.weight.flip(2, 3).transpose(0, 1)
                laid = sum(pad(turned, (x, 1 - x, y, 1 - y)) for x in (0, 1) for y in (0, 1))
            self.weight, self.folded = nn.Parameter(laid), True


class Pointwise(nn.Conv2d):
    """A convolution of 1x1, as the product of matrices that it is where channels stand last in memory."""

    def __init__(self, narrow: int, wide: int, bias: bool = True):
        super().__init__(narrow, wide, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Each place looks at all others, at half the size; it begins as the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.query, self.key = Pointwise(width, width // 8, bias=False), Pointwise(width, width // 8, bias=False)
        self.value, self.out = Pointwise(width, width // 2, bias=False), Pointwise(width // 2, width, bias=False)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), max_pool2d(self.key(x), 2), max_pool2d(self.value(x), 2)
        query, key, value = (t.flatten(2).transpose(1, 2)[:, None] for t in (query, key, value))  # (n, 1, places, d)
        # The quick attention of processors takes only codes of one width: zeros add nothing to a product.
        missing = value.shape[3] - query.shape[3]
        seen = attention(pad(query, (0, missing)), pad(key, (0, missing)), value.contiguous(), scale=1.0)
        return torch.addcmul(x, self.weight.to(x.dtype), self.out(seen[:, 0].transpose(1, 2).unflatten(2, x.shape[2:])))


class Block(nn.Module):
    """A residual block of the generator. Where it has fewer channels to give than it took, the first half goes on."""

    def __init__(self, wide: int, out: int, codes: int, rows: int, doubles: bool):
        super().__init__()
        if out not in (wide, wide // 2):
            raise ValueError(f"a block keeps or halves its {wide} channels, and cannot make {out} of them")
        narrow = wide // NARROW
        self.norms = nn.ModuleList(ConditionalBatchNorm(width, codes, rows) for width in (wide, narrow, narrow, narrow))
        looks = (Conv(narrow, doubles), Conv(narrow, doubles=False))
        self.convs = nn.ModuleList([Pointwise(wide, narrow), *looks, Pointwise(narrow, out)])
        self.out, self.doubles = out, doubles

    def forward(self, x: Tensor, code: Tensor, truncation: float) -> Tensor:
        h = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = conv(norm(h, code, truncation))
        x = x[:, : self.out]
        return h.add_(interpolate(x, scale_factor=2) if self.doubles else x)


# The network ----------------------------------------------------------------------------------------------------


class Generator(nn.Module):
    """Codes z and classes -> pictures. Every block reads all of z and the class's embedding.

    widths: channels at 4x4, and after each block; doubles: whether a block doubles the picture;
    attends: the block, counted from 1, before which places look at each other; nowhere, if there is none of that number
    rows: truncations for which batch norm keeps statistics
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        doubles: Sequence[bool],
        codes: int,
        classes: int,
        embedding: int,
        attends: int,
        rows: int,
    ):
        super().__init__()
        if len(widths) != len(doubles) + 1:
            raise ValueError(f"{len(doubles)} blocks lie between {len(doubles) + 1} widths, not {len(widths)}")
        if min(widths) < LEAST:
            raise ValueError(f"it must be at least {LEAST} channels wide everywhere, not {min(widths)}")
        if rows < 2:
            raise ValueError("it needs statistics for two truncations at least")
        self.attends, told = attends, codes + embedding
        self.kinds = nn.Embedding(classes + 1, embedding)  # the last stands for none
        self.start = nn.Linear(told, 16 * widths[0])
        ends = zip(pairwise(widths), doubles, strict=True)
        self.blocks = nn.ModuleList(Block(wide, out, told, rows, twice) for (wide, out), twice in ends)
        self.attention = nn.ModuleList([Attention(widths[attends - 1])] if attends <= len(self.blocks) else [])
        self.norm, self.out = PlainBatchNorm(widths[-1], rows), nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, z: Tensor, kind: Tensor, truncation: float = 1.0) -> Tensor:
        """kind: embeddings (n, d)."""
        code = torch.cat([z, kind.to(z.dtype)], 1)
        x = self.start(code).unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)  # channels stand last in its numbers
        for i, block in enumerate(self.blocks, 1):
            if i == self.attends:
                x = self.attention[0](x)
            x = block(x, code, truncation)
        return torch.tanh(self.out(self.norm(x, truncation)))
