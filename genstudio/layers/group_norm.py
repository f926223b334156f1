"""Group norm (Wu and He 2018, arXiv:1803.08494) at a speed that a processor's bfloat16 convolutions deserve."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

LARGE = 1024  # pixels from which torch's own kernel reads memory in the order in which it lies


class GroupNorm(nn.GroupNorm):
    """torch's, where that is fast. In bfloat16 on a processor its gradient takes as long as the convolution after it."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.dtype is torch.bfloat16:
            if torch.is_grad_enabled():
                return _Normed.apply(x, self.weight, self.bias, self.num_groups, self.eps)
            return normed(x, self.weight, self.bias, self.num_groups, self.eps)[0]
        return super().forward(x)


def normed(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """y, and each group's mean and 1 / deviation in float32, (n, groups, 1)."""
    n, c, h, w = x.shape
    if h * w >= LARGE:
        y, mean, scale = torch.native_group_norm(x, weight, bias, n, c, h * w, groups, eps)
        return y, mean.float().unsqueeze(2), scale.float().unsqueeze(2)
    pixels = _channels_last(x).float()
    sums = torch.stack([pixels.sum(1), (pixels * pixels).sum(1)])
    mean, square = sums.view(2, n, groups, -1).mean(3, keepdim=True) / (h * w)
    scale = (square - mean.square()).clamp_min(0).add(eps).rsqrt()
    whole = scale * weight.float().view(groups, -1)
    shift = bias.float().view(groups, -1) - mean * whole
    y = torch.addcmul(shift.view(n, 1, c), pixels, whole.view(n, 1, c), out=pixels).to(x.dtype)
    return _picture(y, x), mean, scale


class _Normed(torch.autograd.Function):
    """y = scale * x + shift, with two numbers for each channel of each picture, and likewise back.

    All that depends on the pixels are four sums for each channel, so both ways pass over memory a few times only.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        y, mean, scale = normed(x, weight, bias, groups, eps)
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.groups = groups
        return y

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        groups, count = ctx.groups, x[0].numel() // ctx.groups
        pixels, slopes = _channels_last(x).float(), _channels_last(slope).float()
        plain = slopes.sum(1).unflatten(1, (groups, -1))  # (n, groups, c / groups): of dL/dy
        along = ((slopes * pixels).sum(1).unflatten(1, (groups, -1)) - mean * plain) * scale  # of dL/dy times x normed
        w = weight.float().view(groups, -1)
        level, tilt = ((w * sums).sum(2, keepdim=True) / count for sums in (plain, along))
        # dL/dx = scale (w dL/dy - level - tilt * x normed), with x normed = (x - mean) scale
        by_slope, by_x = (scale * w).flatten(1), (-tilt * scale.square()).expand_as(plain).flatten(1)
        rest = (scale * (tilt * mean * scale - level)).expand_as(plain).flatten(1)
        back = torch.addcmul(rest[:, None], pixels, by_x[:, None], out=pixels).addcmul_(slopes, by_slope[:, None])
        return _picture(back.to(x.dtype), x), along.sum(0).flatten(), plain.sum(0).flatten(), None, None


def _channels_last(x: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, h w, c), a view where channels lie last in memory already."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _picture(pixels: Tensor, like: Tensor) -> Tensor:
    return pixels.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)
