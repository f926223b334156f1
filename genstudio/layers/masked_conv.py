"""Gated masked convolutions: each place of a grid sees the rows above it, and the places on its left.

Van den Oord et al. 2016 (arXiv:1606.05328): a vertical and a horizontal stack, so that no place above is out of sight.
Filters are cropped by padding, not masked: nothing is multiplied by zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


def gated(x: Tensor) -> Tensor:
    """tanh(a) sigmoid(b) of the halves of x, equation 2."""
    a, b = x.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)


class GatedMaskedConv(nn.Module):
    """One layer of both stacks (n, channels, h, w), conditioned on (n, channels, h, w) or (n, channels, 1, 1).

    size: of the filters, odd. first: filters stop before their own row or column, whose token is to be predicted.
        Features behind that layer are of earlier places alone, so that the others read their own place too.
    """

    def __init__(self, channels: int, size: int = 3, first: bool = False, dropout: float = 0.0):
        super().__init__()
        self.half, self.first = size // 2, first
        reach = self.half if first else self.half + 1
        self.vertical = nn.Conv2d(channels, 2 * channels, (reach, size))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, reach))
        self.across = nn.Conv2d(2 * channels, 2 * channels, 1)  # from the vertical to the horizontal stack
        self.out = nn.Conv2d(channels, channels, 1)
        self.condition = nn.Conv2d(channels, 4 * channels, 1)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, vertical: Tensor, horizontal: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        half, (height, width) = self.half, vertical.shape[2:]
        of_vertical, of_horizontal = self.condition(condition).chunk(2, 1)
        above = self.vertical(pad(vertical, (half, half, half, 0)))[:, :, :height]
        left = self.horizontal(pad(horizontal, (half, 0, 0, 0)))[..., :width]
        beside = self.out(self.dropout(gated(left + self.across(above) + of_horizontal)))
        return gated(above + of_vertical), beside if self.first else horizontal + beside


class GatedPixelCNN(nn.Module):
    """Embedded tokens (n, channels, h, w) -> features (n, channels, h, w), each of the places before it alone."""

    def __init__(self, channels: int, depth: int, size: int = 3, dropout: float = 0.0):
        super().__init__()
        self.layers = nn.ModuleList(
            GatedMaskedConv(channels, size, first=i == 0, dropout=dropout) for i in range(depth)
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        vertical = horizontal = x
        for layer in self.layers:
            vertical, horizontal = layer(vertical, horizontal, condition)
        return horizontal
