"""Convolutional encoder and decoder of the auto-encoders."""

from __future__ import annotations

from torch import Tensor, nn


class Residual(nn.Module):
    """x + conv(silu(conv(silu(x)))), initially the identity: the last convolution is initialized to zero."""

    def __init__(self, channels: int):
        super().__init__()
        self.inner = nn.Conv2d(channels, channels, 3, padding=1)
        self.outer = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: Tensor) -> Tensor:
        silu = nn.functional.silu
        return x + self.outer(silu(self.inner(silu(x))))


class Encoder(nn.Sequential):
    """(n, c, h, w) -> (n, outputs). `widths`: channels of each level, which halves the resolution."""

    def __init__(self, image_shape: tuple[int, int, int], widths: tuple[int, ...], blocks: int, outputs: int):
        channels, height, width = image_shape
        layers: list[nn.Module] = []
        for i, out_channels in enumerate(widths):
            layers += [nn.SiLU()] if i else []
            layers += [nn.Conv2d(channels, out_channels, 4, 2, 1), *(Residual(out_channels) for _ in range(blocks))]
            channels, height, width = out_channels, height // 2, width // 2
        super().__init__(*layers, nn.SiLU(), nn.Flatten(), nn.Linear(channels * height * width, outputs))


class Decoder(nn.Sequential):
    """(n, inputs) -> (n, c, h, w), the mirror image of `Encoder`."""

    def __init__(self, image_shape: tuple[int, int, int], widths: tuple[int, ...], blocks: int, inputs: int):
        channels, height, width = image_shape
        small = (widths[-1], height >> len(widths), width >> len(widths))
        layers: list[nn.Module] = [nn.Linear(inputs, small[0] * small[1] * small[2]), nn.Unflatten(1, small)]
        for a, b in zip(reversed(widths), [*reversed(widths[:-1]), channels], strict=True):
            layers += [*(Residual(a) for _ in range(blocks)), nn.SiLU(), nn.ConvTranspose2d(a, b, 4, 2, 1)]
        super().__init__(*layers)
