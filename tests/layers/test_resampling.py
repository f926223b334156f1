"""Fused layers equal the two layers that they stand for."""

from __future__ import annotations

import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from genstudio.layers.resampling import ConvPooled, UpsampledConv


def test_fused_layers_equal_their_two_layers_also_at_the_borders():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 6, 10, dtype=torch.float64)
    up, down = UpsampledConv(3, 5).double(), ConvPooled(3, 5).double()
    upsampled = conv2d(interpolate(x, scale_factor=2), up.weight, up.bias, padding=1)
    pooled = avg_pool2d(conv2d(x, down.weight, down.bias, padding=1), 2)
    assert up(x).shape == (2, 5, 12, 20) and down(x).shape == (2, 5, 3, 5)
    assert torch.allclose(up(x), upsampled, atol=1e-12) and torch.allclose(down(x), pooled, atol=1e-12)
