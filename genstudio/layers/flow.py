"""Layers of normalizing flows: maps of pictures onto pictures of the same size, with an inverse and a log-determinant.

    forward(x) -> y, log_det        log_det (n,): log |det dy/dx| of each picture
    inverse(y) -> x

Dinh et al. 2017 (RealNVP, arXiv:1605.08803); Keller et al. 2021 (self-normalizing flows, arXiv:2011.07248). Those whose
parameters an encoder gives stand in `posterior_flow.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pixel_shuffle, pixel_unshuffle

from genstudio.controls import Text
from genstudio.layers.conv import Residual

LEVELS = 256
FOLD = 4  # the networks see blocks of 4x4 pixels as the channels of one


def in_float32(x: Tensor) -> AbstractContextManager:
    """Float32 within autocast: an inverse is exact only if both directions compute the same numbers."""
    return torch.autocast(x.device.type, enabled=False)


class Layer(nn.Module):
    """Invertible map of pictures (n, c, h, w)."""

    title: Text

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError


# Elementwise ----------------------------------------------------------------------------------------------------


class Scale(Layer):
    """From 256 levels, [0, 256), to [0, 1)."""

    title = Text("Scaling to [0, 1]", "Mise à l’échelle [0, 1]")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x / LEVELS, x.new_full((len(x),), -x[0].numel() * math.log(LEVELS))

    def inverse(self, y: Tensor) -> Tensor:
        return y * LEVELS


class Logit(Layer):
    """logit(margin + (1 - 2 margin) x) of x in [0, 1]: real numbers.

    RealNVP's margin is 0.05, with which a level of black is 0.07 wide. With a smaller one it is about as wide as a
    latent: after 160 steps of 64 digits 2.1 bits per dimension in place of 4.2.
    """

    title = Text("Logit", "Logit")

    def __init__(self, margin: float = 5e-4):
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        share = self.margin + (1 - 2 * self.margin) * x
        y = torch.logit(share)
        slope = math.log(1 - 2 * self.margin) - logsigmoid(y) - logsigmoid(-y)  # p' / (p (1 - p))
        return y, slope.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        return (torch.sigmoid(y) - self.margin) / (1 - 2 * self.margin)


class SinhArcsinh(Layer):
    """sinh(exp(a) asinh(x) + b), with a and b for each pixel (Jones and Pewsey 2009, doi:10.1093/biomet/asp053).

    Monotone, with an inverse in closed form; exp(a) > 1 draws two modes on both sides of 0 together.
    """

    title = Text("Sinh-arcsinh", "Sinh-arcsinh")
    BOUND = 0.5  # of a and b: 16 layers of larger ones would overflow

    def __init__(self, image_shape: tuple[int, int, int]):
        super().__init__()
        self.tail = nn.Parameter(torch.zeros(image_shape))
        self.skew = nn.Parameter(torch.zeros(image_shape))

    def bounded(self) -> tuple[Tensor, Tensor]:
        return self.BOUND * torch.tanh(self.tail), self.BOUND * torch.tanh(self.skew)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.bounded()
        bent = a.exp() * torch.asinh(x) + b
        slope = a + torch.log(torch.cosh(bent)) - 0.5 * torch.log1p(x.square())
        return torch.sinh(bent), slope.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        a, b = self.bounded()
        return torch.sinh((torch.asinh(y) - b) * (-a).exp())


# Coupling -------------------------------------------------------------------------------------------------------


class Coupling(Layer):
    """Affine coupling: pixels of one part change by a scale and a shift that a network reads from the others.

    A part is a subset of the FOLD² channels that blocks of pixels are folded into, so that masks of any scale, and the
    networks of all of them, stand on one coarse grid.

    given, changed: the channels read, and those changed; others pass, as those that were factored out.
    """

    BOUND = 4.0  # of a log scale: black pixels, 1 / 256 wide, are enlarged about exp(4) times

    def __init__(self, title: Text, given: Sequence[int], changed: Sequence[int], width: int, blocks: int):
        super().__init__()
        self.title, self.given, self.changed = title, list(given), list(changed)
        last = nn.Conv2d(width, 2 * len(self.changed), 3, padding=1)
        nn.init.zeros_(last.weight)  # initially the identity
        nn.init.zeros_(last.bias)
        first = nn.Conv2d(len(self.given), width, 3, padding=1)
        self.network = nn.Sequential(first, *(Residual(width) for _ in range(blocks)), nn.SiLU(), last)

    def scale_and_shift(self, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """Log scale and shift of the changed channels, with as many digits as the blocks have.

        asinh: in the outliers of a foreign picture the network shall not see their rounding.
        """
        log_scale, shift = self.network(torch.asinh(blocks[:, self.given])).to(blocks.dtype).chunk(2, dim=1)
        return self.BOUND * torch.tanh(log_scale / self.BOUND), shift

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        blocks = pixel_unshuffle(x, FOLD)
        log_scale, shift = self.scale_and_shift(blocks)
        y = blocks.clone()
        y[:, self.changed] = blocks[:, self.changed] * log_scale.exp() + shift
        return pixel_shuffle(y, FOLD), log_scale.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        blocks = pixel_unshuffle(y, FOLD)
        log_scale, shift = self.scale_and_shift(blocks)
        x = blocks.clone()
        x[:, self.changed] = (blocks[:, self.changed] - shift) * (-log_scale).exp()
        return pixel_shuffle(x, FOLD)


def parts(channels: int, scale: int, kind: str) -> tuple[list[int], list[int]]:
    """Both parts of a mask, as channels of the folded picture.

    scale: 0 for the pixels; 1 for what is left once the odd rows are factored out, on a grid of half the size.
    kind: "checkerboard"; or "channel", the halves of the channels after a squeeze: even and odd rows.
    """
    found: tuple[list[int], list[int]] = ([], [])
    for channel in range(channels * FOLD**2):
        row, column = divmod(channel % FOLD**2, FOLD)
        if scale and row % 2:
            continue
        row, column = (row // 2, column // 2) if scale else (row, column)
        found[(row + column if kind == "checkerboard" else row) % 2].append(channel)
    return found


def couplings(image_shape: tuple[int, int, int], width: int, blocks: int, each: int) -> list[Coupling]:
    """RealNVP's couplings: at each of two scales `each` with a checkerboard and `each` with channel masks, by turns of
    both parts; the odd rows, half of the dimensions, are factored out between the scales."""
    channels, height, _ = image_shape
    found = []
    for scale in (0, 1):
        for kind, en, fr in (("checkerboard", "checkerboard", "damier"), ("channel", "channels", "canaux")):
            masks = parts(channels, scale, kind)
            for turn in range(each):
                given, changed = masks if turn % 2 == 0 else masks[::-1]
                side = f"1/{2**scale}" if scale else "1"
                title = Text(f"Coupling, {en}, scale {side}", f"Couplage, {fr}, échelle {side}")
                found.append(Coupling(title, given, changed, width, blocks))
    return found


# Self-normalizing -----------------------------------------------------------------------------------------------


class SelfNormalizing(Layer):
    """Linear map of groups of pixels, each with a matrix of its own, and with a learned inverse.

    The gradient of log |det W| is the transposed inverse of W. Training takes the learned inverse R for it, which costs
    no inversion, and draws R W towards the identity; the value of log |det W| is exact.

    across: groups are the places of a block, over all blocks; else the pixels within a block.
    """

    def __init__(self, image_shape: tuple[int, int, int], across: bool):
        super().__init__()
        channels, height, width = image_shape
        inside, blocks = channels * FOLD**2, (height // FOLD) * (width // FOLD)
        self.across, self.grid = across, (height // FOLD, width // FOLD)
        groups, size = (inside, blocks) if across else (blocks, inside)
        self.title = (
            Text("Self-normalizing, across blocks", "Auto-normalisant, entre blocs")
            if across
            else Text("Self-normalizing, within blocks", "Auto-normalisant, dans les blocs")
        )
        self.weight = nn.Parameter(torch.zeros(groups, size, size))  # W: of each group
        self.inverse_weight = nn.Parameter(torch.zeros(groups, size, size))  # R, which learns to be W's inverse
        for matrices in (self.weight, self.inverse_weight):  # the identity, and its inverse
            matrices.data.diagonal(dim1=1, dim2=2).fill_(1)
        self.bias = nn.Parameter(torch.zeros(groups, 1, size))

    def grouped(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (groups, n, size)."""
        return pixel_unshuffle(x, FOLD).flatten(2).permute((1, 0, 2) if self.across else (2, 0, 1))

    def ungrouped(self, rows: Tensor) -> Tensor:
        blocks = rows.permute((1, 0, 2) if self.across else (1, 2, 0))
        return pixel_shuffle(blocks.unflatten(2, self.grid), FOLD)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weight = self.weight
        log_det = torch.linalg.slogdet(weight.detach() if self.training else weight).logabsdet.sum()
        if self.training:  # a term of value 0, whose gradient with respect to W is R transposed
            change = weight - weight.detach()
            log_det = log_det + (change * self.inverse_weight.detach().transpose(1, 2)).sum()
        y = self.grouped(x) @ weight.transpose(1, 2) + self.bias
        return self.ungrouped(y), log_det.expand(len(x))

    def inverse(self, y: Tensor, learned: bool = False) -> Tensor:
        rows = self.grouped(y) - self.bias
        if learned:
            return self.ungrouped(rows @ self.inverse_weight.transpose(1, 2))
        return self.ungrouped(torch.linalg.solve(self.weight, rows.transpose(1, 2)).transpose(1, 2))

    def inversion_error(self, x: Tensor) -> Tensor:
        """Squared error (n,) of R W x, with respect to R and W alone."""
        rows = self.grouped(x.detach())
        back = rows @ self.weight.transpose(1, 2) @ self.inverse_weight.transpose(1, 2)
        return (back - rows).square().sum((0, 2))
