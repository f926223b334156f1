"""Group norm (Wu and He 2018, arXiv:1803.08494) at a speed that a processor's bfloat16 convolutions deserve."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

CHUNKS = 16  # parts of a picture that are added up apart: a sum in bfloat16 keeps eight bits


class GroupNorm(nn.GroupNorm):
    """torch's, where that is fast. In bfloat16 on a processor its gradient takes as long as the convolution after it."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.dtype is torch.bfloat16:
            return _Normed.apply(x, self.weight, self.bias, self.num_groups, self.eps)
        return super().forward(x)


class _Normed(torch.autograd.Function):
    """y = scale * x + shift, with two numbers for each channel of each picture, and likewise back.

    All that depends on the pixels are four sums for each channel, so both ways pass over memory a few times only.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        pixels = _channels_last(x)
        mean, square = (_grouped(_sums(p), groups) / (x[0].numel() // groups) for p in (pixels, pixels * pixels))
        scale = (square - mean.square()).clamp_min(0).add(eps).rsqrt()  # (n, groups, 1)
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.groups = groups
        whole = (scale * weight.float().view(groups, -1)).flatten(1)
        shift = bias.float() - (mean * scale * weight.float().view(groups, -1)).flatten(1)
        return _picture(torch.addcmul(shift.to(x.dtype)[:, None], pixels, whole.to(x.dtype)[:, None]), x)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        groups, count = ctx.groups, x[0].numel() // ctx.groups
        pixels, slopes = _channels_last(x), _channels_last(slope)
        plain = _sums(slopes).unflatten(1, (groups, -1))  # (n, groups, c / groups): of dL/dy
        along = (_sums(slopes * pixels).unflatten(1, (groups, -1)) - mean * plain) * scale  # of dL/dy times x normed
        w = weight.float().view(groups, -1)
        level, tilt = ((w * sums).sum(2, keepdim=True) / count for sums in (plain, along))
        # dL/dx = scale (w dL/dy - level - tilt * x normed), with x normed = (x - mean) scale
        by_slope, by_x = (scale * w).flatten(1), (-tilt * scale.square()).expand_as(plain).flatten(1)
        rest = (scale * (tilt * mean * scale - level)).expand_as(plain).flatten(1)
        back = torch.addcmul(rest.to(x.dtype)[:, None], pixels, by_x.to(x.dtype)[:, None])
        back = back.addcmul_(slopes, by_slope.to(x.dtype)[:, None])
        return _picture(back, x), along.sum(0).flatten(), plain.sum(0).flatten(), None, None


def _channels_last(x: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, h w, c), a view where channels lie last in memory already."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _picture(pixels: Tensor, like: Tensor) -> Tensor:
    return pixels.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)


def _sums(pixels: Tensor) -> Tensor:
    """Of each channel, (n, c) in float32."""
    parts = next(k for k in range(CHUNKS, 0, -1) if pixels.shape[1] % k == 0)
    return pixels.unflatten(1, (parts, -1)).sum(2).float().sum(1)


def _grouped(sums: Tensor, groups: int) -> Tensor:
    return sums.unflatten(1, (groups, -1)).sum(2, keepdim=True)
