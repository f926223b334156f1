"""What BigGAN is made of: weights of bounded gain, batch norm that is told the class, attention over the picture.

Brock et al. 2019 (arXiv:1809.11096), appendix B; Miyato et al. 2018 (arXiv:1802.05957) for spectral norm; Zhang et al. 2019
(arXiv:1805.08318) for attention.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    avg_pool2d,
    batch_norm,
    conv2d,
    embedding,
    interpolate,
    linear,
    max_pool2d,
    normalize,
    relu,
)
from torch.nn.functional import scaled_dot_product_attention as attention

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)  # truncations for which batch norm keeps statistics


# Spectral norm --------------------------------------------------------------------------------------------------


class Spectral:
    """A layer whose weight is divided by its largest singular value, so that it stretches nothing.

    The value is followed by one step of the power method each time it learns (algorithm 1): weights change little in a step.
    """

    def begin(self) -> None:
        if not self.weight.is_meta:  # where weights are to be read from a file, nothing is computed
            nn.init.orthogonal_(self.weight)
        count = len(self.weight)
        self.register_buffer("u", nn.init.constant_(torch.empty(count), count**-0.5))
        self.folded = False

    def bounded(self) -> Tensor:
        if self.folded:
            return self.weight
        return self.weight / self.largest()

    def largest(self) -> Tensor:
        """The largest singular value of the weight as a matrix (outputs, the rest), as far as it is known."""
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            v = normalize(matrix.detach().T @ self.u, dim=0)
            u = normalize(matrix.detach() @ v, dim=0)
            if self.training:
                self.u.copy_(u)
        return torch.dot(u, matrix @ v)

    def fuse(self) -> None:
        """For good, where nothing is learned any more."""
        with torch.no_grad():
            self.weight.copy_(self.bounded())
        self.folded = True


class Conv(Spectral, nn.Conv2d):
    def __init__(self, narrow: int, wide: int, size: int, bias: bool = True):
        super().__init__(narrow, wide, size, padding=size // 2, bias=bias)
        self.begin()

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.bounded(), self.bias, padding=self.padding)


class Linear(Spectral, nn.Linear):
    def __init__(self, narrow: int, wide: int, bias: bool = True):
        super().__init__(narrow, wide, bias)
        self.begin()

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.bounded(), self.bias)


class Embedding(Spectral, nn.Embedding):
    def __init__(self, count: int, width: int):
        super().__init__(count, width)
        self.begin()

    def forward(self, kinds: Tensor) -> Tensor:
        return embedding(kinds, self.bounded())


# Layers ---------------------------------------------------------------------------------------------------------


class Statistics(nn.Module):
    """Means and variances (rows, width) of what a batch norm sees, a row for each of several truncations. They are gathered
    after training, for what it sees depends on how the codes are truncated."""

    def __init__(self, rows: int, width: int):
        super().__init__()
        self.register_buffer("means", torch.zeros(rows, width))
        self.register_buffer("variances", torch.ones(rows, width))
        self.gathering: int | None = None  # the row whose statistics are being gathered,
        self.gathered = 0  # over so many batches

    @torch.no_grad()
    def gather(self, x: Tensor) -> None:
        self.gathered += 1
        for kept, seen in ((self.means, x.mean((0, 2, 3))), (self.variances, x.var((0, 2, 3), unbiased=False))):
            kept[self.gathering] += (seen - kept[self.gathering]) / self.gathered


class ConditionalBatchNorm(Statistics):
    """Batch norm whose gain and bias are read from a code (n, d): with no weight on the code it is plain batch norm.

    Statistics of truncations that lie between two of `LEVELS` are taken by interpolation.
    """

    def __init__(self, width: int, codes: int):
        super().__init__(len(LEVELS), width)
        self.gain, self.shift = Linear(codes, width, bias=False), Linear(codes, width, bias=False)

    def forward(self, x: Tensor, code: Tensor, truncation: float = 1.0) -> Tensor:
        gain, shift = ((1 + self.gain(code)).to(x.dtype), self.shift(code).to(x.dtype))
        if self.training or self.gathering is not None:
            y = batch_norm(x.float(), None, None, training=True).to(x.dtype)
            if self.gathering is not None:
                self.gather(x.float())
        else:
            y = batch_norm(x.float(), *self.statistics(truncation)).to(x.dtype)
        return y * gain[:, :, None, None] + shift[:, :, None, None]

    def statistics(self, truncation: float) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel."""
        place = min(max(truncation, LEVELS[0]), LEVELS[-1]) / (LEVELS[1] - LEVELS[0])
        low = min(int(place), len(LEVELS) - 2)
        return tuple(torch.lerp(kept[low].float(), kept[low + 1].float(), place - low) for kept in (self.means, self.variances))


class Attention(nn.Module):
    """Each place looks at all others, at half the size; it begins as the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.query, self.key = Conv(width, width // 8, 1, bias=False), Conv(width, width // 8, 1, bias=False)
        self.value, self.out = Conv(width, width // 2, 1, bias=False), Conv(width // 2, width, 1, bias=False)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), max_pool2d(self.key(x), 2), max_pool2d(self.value(x), 2)
        seen = attention(*(t.flatten(2).transpose(1, 2) for t in (query, key, value)), scale=1.0)
        return x + self.weight * self.out(seen.transpose(1, 2).unflatten(2, x.shape[2:]))


class Up(nn.Module):
    """A residual block of the generator, which doubles the picture."""

    def __init__(self, narrow: int, wide: int, codes: int):
        super().__init__()
        self.norm1, self.conv1 = ConditionalBatchNorm(narrow, codes), Conv(narrow, wide, 3)
        self.norm2, self.conv2 = ConditionalBatchNorm(wide, codes), Conv(wide, wide, 3)
        self.short = Conv(narrow, wide, 1)

    def forward(self, x: Tensor, code: Tensor, truncation: float) -> Tensor:
        h = self.conv1(interpolate(relu(self.norm1(x, code, truncation)), scale_factor=2))
        h = self.conv2(relu(self.norm2(h, code, truncation)))
        return h + interpolate(self.short(x), scale_factor=2)  # a 1x1 convolution before or after doubling is the same


class Down(nn.Module):
    """A residual block of the critic; `halves` the picture. The first one sees pixels, which nothing should cut off."""

    def __init__(self, narrow: int, wide: int, halves: bool, first: bool = False):
        super().__init__()
        self.conv1, self.conv2 = Conv(narrow, wide, 3), Conv(wide, wide, 3)
        self.short = Conv(narrow, wide, 1) if halves or narrow != wide else nn.Identity()
        self.halves, self.first = halves, first

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(relu(self.conv1(x if self.first else relu(x))))
        x = self.short(x)
        return avg_pool2d(h + x, 2) if self.halves else h + x


# Networks -------------------------------------------------------------------------------------------------------


class Generator(nn.Module):
    """Codes z and classes -> pictures. Every block reads a part of z of its own, beside the class's one embedding.

    widths: channels at 4x4, 8x8, ...; attends: the side at which places look at each other.
    """

    def __init__(self, channels: int, widths: Sequence[int], part: int, classes: int, embedding: int, attends: int):
        super().__init__()
        self.part, codes = part, part + embedding
        self.kinds = nn.Embedding(classes + 1, embedding)  # the last stands for none
        self.start = Linear(part, widths[0] * 16)
        self.blocks = nn.ModuleList(Up(a, b, codes) for a, b in zip(widths, widths[1:]))
        sides = [8 << level for level in range(len(self.blocks))]
        self.attention = nn.ModuleDict({str(i): Attention(widths[i + 1]) for i, side in enumerate(sides) if side == attends})
        self.norm, self.out = nn.BatchNorm2d(widths[-1]), Conv(widths[-1], channels, 3)
        self.codes = part * (1 + len(self.blocks))

    def forward(self, z: Tensor, kind: Tensor, truncation: float = 1.0) -> Tensor:
        """kind: embeddings (n, d)."""
        first, *parts = z.split(self.part, 1)
        x = self.start(first).unflatten(1, (-1, 4, 4))
        for i, (block, part) in enumerate(zip(self.blocks, parts, strict=True)):
            x = block(x, torch.cat([part, kind.to(part.dtype)], 1), truncation)
            if str(i) in self.attention:
                x = self.attention[str(i)](x)
        return torch.tanh(self.out(relu(self.norm(x))))


class Critic(nn.Module):
    """Pictures and classes -> (n, 1): how real, as one of its class. The product of what is seen and what is told decides
    (Miyato and Koyama 2018, arXiv:1802.05637, equation 3).

    widths: channels of the blocks, the first `halvings` of which halve the picture.
    """

    def __init__(self, channels: int, widths: Sequence[int], halvings: int, classes: int):
        super().__init__()
        pairs = zip([channels, *widths], widths)
        self.blocks = nn.Sequential(*(Down(a, b, halves=i < halvings, first=i == 0) for i, (a, b) in enumerate(pairs)))
        self.blocks.insert(1, Attention(widths[0]))
        self.exit, self.kinds = Linear(widths[-1], 1), Embedding(classes + 1, widths[-1])

    def forward(self, images: Tensor, kinds: Tensor) -> Tensor:
        seen = relu(self.blocks(images)).sum((2, 3))
        return (self.exit(seen) + (self.kinds(kinds) * seen).sum(1, keepdim=True)).float()
