"""Augmentation of line drawings by the width of their lines."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad


def with_strokes(drawing: Tensor, widest: int) -> Tensor:
    """A drawing (c, h, w), dark on white with lines two pixels wide, with lines of 1 to `widest` pixels, at random."""
    width = int(torch.randint(1, widest + 1, ()))
    if width == 1:  # erosion
        return max_pool2d(pad(drawing[None], (0, 1, 0, 1), value=-1.0), 2, 1)[0]
    before = (width - 2) // 2
    margins = (before, width - 2 - before) * 2
    return -max_pool2d(pad(-drawing[None], margins, value=-1.0), width - 1, 1)[0]  # dilation
