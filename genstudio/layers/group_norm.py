"""Group norm (Wu and He 2018, arXiv:1803.08494), fast in bfloat16 on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

LARGE = 1024  # pixels from which torch's own kernel reads memory in order


class GroupNorm(nn.GroupNorm):
    """torch's group norm, but in bfloat16 on a CPU, where its gradient takes as long as the convolution after it."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.dtype is torch.bfloat16:
            if torch.is_grad_enabled():
                return _Normed.apply(x, self.weight, self.bias, self.num_groups, self.eps)
            return normed(x, self.weight, self.bias, self.num_groups, self.eps)[0]
        return super().forward(x)


def normed(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """y, and each group's mean and 1 / standard deviation in float32, (n, groups, 1)."""
    n, c, h, w = x.shape
    if h * w >= LARGE:
        y, mean, scale = torch.native_group_norm(x, weight, bias, n, c, h * w, groups, eps)
        return y, mean.float().unsqueeze(2), scale.float().unsqueeze(2)
    pixels = _channels_last(x).float()
    sums = torch.stack([pixels.sum(1), (pixels * pixels).sum(1)])
    mean, square = sums.view(2, n, groups, -1).mean(3, keepdim=True) / (h * w)
    scale = (square - mean.square()).clamp_min(0).add(eps).rsqrt()
    gain = scale * weight.float().view(groups, -1)
    shift = bias.float().view(groups, -1) - mean * gain
    y = torch.addcmul(shift.view(n, 1, c), pixels, gain.view(n, 1, c), out=pixels).to(x.dtype)
    return _channels_first(y, x), mean, scale


class _Normed(torch.autograd.Function):
    """y = scale * x + shift, with two coefficients for each channel of each image; the gradient is of the same form.

    Only four sums for each channel depend on the pixels, so both directions pass over memory a few times only.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        y, mean, scale = normed(x, weight, bias, groups, eps)
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.groups = groups
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        groups, count = ctx.groups, x[0].numel() // ctx.groups
        pixels, dy = _channels_last(x).float(), _channels_last(gradient).float()
        # With x_hat = (x - mean) scale, (n, groups, c / groups):
        sum_dy = dy.sum(1).unflatten(1, (groups, -1))
        sum_dy_x_hat = ((dy * pixels).sum(1).unflatten(1, (groups, -1)) - mean * sum_dy) * scale
        w = weight.float().view(groups, -1)
        a, b = ((w * sums).sum(2, keepdim=True) / count for sums in (sum_dy, sum_dy_x_hat))
        # dL/dx = scale (w dL/dy - a - b x_hat)
        by_dy, by_x = (scale * w).flatten(1), (-b * scale.square()).expand_as(sum_dy).flatten(1)
        constant = (scale * (b * mean * scale - a)).expand_as(sum_dy).flatten(1)
        dx = torch.addcmul(constant[:, None], pixels, by_x[:, None], out=pixels).addcmul_(dy, by_dy[:, None])
        return _channels_first(dx.to(x.dtype), x), sum_dy_x_hat.sum(0).flatten(), sum_dy.sum(0).flatten(), None, None


def _channels_last(x: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, h w, c), a view in the channels-last memory format."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _channels_first(pixels: Tensor, like: Tensor) -> Tensor:
    """(n, h w, c) -> (n, c, h, w)."""
    return pixels.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)
