"""BigGAN's layers: spectral norm, conditional batch norm, self-attention, residual blocks, generator and critic.

Brock et al. 2019 (arXiv:1809.11096), appendix B; Miyato et al. 2018 (arXiv:1802.05957) for spectral norm; Zhang et al.
2019 (arXiv:1805.08318) for attention.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

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

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)  # truncations with batch norm statistics of their own


# Spectral norm --------------------------------------------------------------------------------------------------


class Spectral:
    """Spectral norm: a mixin that divides the weight by its largest singular value.

    One power iteration per training step keeps track of it (algorithm 1): weights change little in a step.
    """

    def init_spectral(self) -> None:
        if not self.weight.is_meta:  # on the meta device, weights are read from a file later
            nn.init.orthogonal_(self.weight)
        count = len(self.weight)
        self.register_buffer("u", nn.init.constant_(torch.empty(count), count**-0.5))
        self.folded = False

    def normalized_weight(self) -> Tensor:
        if self.folded:
            return self.weight
        return self.weight / self.spectral_norm()

    def spectral_norm(self) -> Tensor:
        """Estimated largest singular value of the weight as a matrix (outputs, all other dimensions)."""
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            v = normalize(matrix.detach().T @ self.u, dim=0)
            u = normalize(matrix.detach() @ v, dim=0)
            if self.training:
                self.u.copy_(u)
        return torch.dot(u, matrix @ v)

    def fuse(self) -> None:
        """Fold the division into the weight for good, in a network that is not trained any more."""
        with torch.no_grad():
            self.weight.copy_(self.normalized_weight())
        self.folded = True


class Conv(Spectral, nn.Conv2d):
    def __init__(self, in_channels: int, out_channels: int, size: int, bias: bool = True):
        super().__init__(in_channels, out_channels, size, padding=size // 2, bias=bias)
        self.init_spectral()

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.normalized_weight(), self.bias, padding=self.padding)


class Linear(Spectral, nn.Linear):
    def __init__(self, in_channels: int, out_channels: int, bias: bool = True):
        super().__init__(in_channels, out_channels, bias)
        self.init_spectral()

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.normalized_weight(), self.bias)


class Embedding(Spectral, nn.Embedding):
    def __init__(self, count: int, dim: int):
        super().__init__(count, dim)
        self.init_spectral()

    def forward(self, labels: Tensor) -> Tensor:
        return embedding(labels, self.normalized_weight())


# Layers ---------------------------------------------------------------------------------------------------------


class Statistics(nn.Module):
    """Means and variances (rows, channels) of a batch norm's input, a row for each of several truncations.

    Gathered after training, since the input's distribution depends on the truncation of the latents.
    """

    def __init__(self, rows: int, channels: int):
        super().__init__()
        self.register_buffer("means", torch.zeros(rows, channels))
        self.register_buffer("variances", torch.ones(rows, channels))
        self.gathering: int | None = None  # the row whose statistics are being gathered
        self.gathered = 0  # batches averaged in it

    @torch.no_grad()
    def gather(self, x: Tensor) -> None:
        self.gathered += 1
        for average, new in ((self.means, x.mean((0, 2, 3))), (self.variances, x.var((0, 2, 3), unbiased=False))):
            average[self.gathering] += (new - average[self.gathering]) / self.gathered


@contextmanager
def gathering(norms: Sequence[Statistics], levels: Iterable[tuple[int, float]]) -> Iterator[Iterator[float]]:
    """Context with the truncations of `levels`, pairs of row and truncation: the batches that pass through the network
    while one is current are averaged in its row."""

    def each() -> Iterator[float]:
        for row, truncation in levels:
            for norm in norms:
                norm.gathering, norm.gathered = row, 0
            yield truncation

    try:
        yield each()
    finally:
        for norm in norms:
            norm.gathering = None


class ConditionalBatchNorm(Statistics):
    """Batch norm with gain and bias as linear functions of a conditioning vector (n, d); plain if those are 0.

    Statistics of a truncation between two of `LEVELS` are interpolated.
    """

    def __init__(self, channels: int, condition_dim: int):
        super().__init__(len(LEVELS), channels)
        self.gain, self.shift = Linear(condition_dim, channels, bias=False), Linear(condition_dim, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor, truncation: float = 1.0) -> Tensor:
        gain, shift = ((1 + self.gain(condition)).to(x.dtype), self.shift(condition).to(x.dtype))
        if self.training or self.gathering is not None:
            y = batch_norm(x.float(), None, None, training=True).to(x.dtype)
            if self.gathering is not None:
                self.gather(x.float())
        else:
            y = batch_norm(x.float(), *self.statistics(truncation)).to(x.dtype)
        return y * gain[:, :, None, None] + shift[:, :, None, None]

    def statistics(self, truncation: float) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel."""
        level = min(max(truncation, LEVELS[0]), LEVELS[-1]) / (LEVELS[1] - LEVELS[0])
        low = min(int(level), len(LEVELS) - 2)
        rows = [(table[low].float(), table[low + 1].float()) for table in (self.means, self.variances)]
        return tuple(torch.lerp(a, b, level - low) for a, b in rows)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm in float32: a graphics card's kernel takes no float32 features with statistics in bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x.float()).to(x.dtype)
        means, variances = self.running_mean.float(), self.running_var.float()
        return batch_norm(x.float(), means, variances, self.weight.float(), self.bias.float(), eps=self.eps).to(x.dtype)


class Attention(nn.Module):
    """Self-attention with keys and values at half the resolution; initially the identity."""

    def __init__(self, c: int):
        super().__init__()
        self.query, self.key = Conv(c, c // 8, 1, bias=False), Conv(c, c // 8, 1, bias=False)
        self.value, self.out = Conv(c, c // 2, 1, bias=False), Conv(c // 2, c, 1, bias=False)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), max_pool2d(self.key(x), 2), max_pool2d(self.value(x), 2)
        attended = attention(*(t.flatten(2).transpose(1, 2) for t in (query, key, value)), scale=1.0)
        return x + self.weight * self.out(attended.transpose(1, 2).unflatten(2, x.shape[2:]))


class Up(nn.Module):
    """Residual block of the generator, which doubles the resolution."""

    def __init__(self, in_channels: int, out_channels: int, condition_dim: int):
        super().__init__()
        self.norm1, self.conv1 = ConditionalBatchNorm(in_channels, condition_dim), Conv(in_channels, out_channels, 3)
        self.norm2, self.conv2 = ConditionalBatchNorm(out_channels, condition_dim), Conv(out_channels, out_channels, 3)
        self.shortcut = Conv(in_channels, out_channels, 1)

    def forward(self, x: Tensor, condition: Tensor, truncation: float) -> Tensor:
        h = self.conv1(interpolate(relu(self.norm1(x, condition, truncation)), scale_factor=2))
        h = self.conv2(relu(self.norm2(h, condition, truncation)))
        return h + interpolate(self.shortcut(x), scale_factor=2)  # a 1x1 convolution commutes with upsampling


class Down(nn.Module):
    """Residual block of the critic, which `halves` the resolution; the `first` one has no ReLU on its pixels."""

    def __init__(self, in_channels: int, out_channels: int, halves: bool, first: bool = False):
        super().__init__()
        self.conv1, self.conv2 = Conv(in_channels, out_channels, 3), Conv(out_channels, out_channels, 3)
        self.shortcut = Conv(in_channels, out_channels, 1) if halves or in_channels != out_channels else nn.Identity()
        self.halves, self.first = halves, first

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(relu(self.conv1(x if self.first else relu(x))))
        x = self.shortcut(x)
        return avg_pool2d(h + x, 2) if self.halves else h + x


# Networks -------------------------------------------------------------------------------------------------------


class Generator(nn.Module):
    """Latents z and class embeddings -> images. Each block is conditioned on a chunk of z and on the class embedding.

    widths: channels at 4x4, 8x8, ...
    chunk: latent dimensions for each block.
    attention_resolution: that of the self-attention.
    """

    def __init__(
        self, channels: int, widths: Sequence[int], chunk: int, classes: int, embedding: int, attention_resolution: int
    ):
        super().__init__()
        self.chunk, condition_dim = chunk, chunk + embedding
        self.class_embedding = nn.Embedding(classes + 1, embedding)  # the last is that of no class
        self.start = Linear(chunk, widths[0] * 16)
        self.blocks = nn.ModuleList(Up(a, b, condition_dim) for a, b in zip(widths, widths[1:]))
        at = {i: 8 << i for i in range(len(self.blocks))}  # resolution after each block
        self.attention = nn.ModuleDict(
            {str(i): Attention(widths[i + 1]) for i, side in at.items() if side == attention_resolution}
        )
        self.norm, self.out = BatchNorm(widths[-1]), Conv(widths[-1], channels, 3)
        self.latent_dim = chunk * (1 + len(self.blocks))

    def forward(self, z: Tensor, embedded: Tensor, truncation: float = 1.0) -> Tensor:
        """z (n, latent_dim), class embeddings (n, d) -> (n, channels, h, w) in [-1, 1]."""
        first, *chunks = z.split(self.chunk, 1)
        x = self.start(first).unflatten(1, (-1, 4, 4))
        for i, (block, chunk) in enumerate(zip(self.blocks, chunks, strict=True)):
            x = block(x, torch.cat([chunk, embedded.to(chunk.dtype)], 1), truncation)
            if str(i) in self.attention:
                x = self.attention[str(i)](x)
        return torch.tanh(self.out(relu(self.norm(x))))

    @contextmanager
    def gathering(self) -> Iterator[Iterator[float]]:
        """Context with the truncations whose batch norm statistics are to be gathered, one after the other."""
        norms = [module for module in self.modules() if isinstance(module, ConditionalBatchNorm)]
        with gathering(norms, enumerate(LEVELS)) as levels:
            yield levels



class Critic(nn.Module):
    """Critic (discriminator): images and labels -> logits (n, 1), high for a real image of its class.

    A projection discriminator: the features' inner product with the class embedding is added to the logit (Miyato and
    Koyama 2018, arXiv:1802.05637, equation 3).

    widths: channels of the blocks, the first `down_blocks` of which halve the resolution.
    """

    def __init__(self, channels: int, widths: Sequence[int], down_blocks: int, classes: int):
        super().__init__()
        pairs = zip([channels, *widths], widths)
        self.blocks = nn.Sequential(
            *(Down(a, b, halves=i < down_blocks, first=i == 0) for i, (a, b) in enumerate(pairs))
        )
        self.blocks.insert(1, Attention(widths[0]))
        self.output, self.class_embedding = Linear(widths[-1], 1), Embedding(classes + 1, widths[-1])

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        features = relu(self.blocks(images)).sum((2, 3))
        return (self.output(features) + (self.class_embedding(labels) * features).sum(1, keepdim=True)).float()
