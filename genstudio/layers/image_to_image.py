"""Networks that turn one picture into another: generators that keep its size, and a critic of patches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

DROPPED = 3  # innermost levels of a U-Net whose features are dropped out

Norm = Literal["batch", "instance"]


class UNet(nn.Module):
    """A picture is halved once per width and brought back up, with what was seen on the way down laid beside it.

    Ronneberger et al. 2015 (arXiv:1505.04597) as in pix2pix: 4x4 convolutions of stride 2, batch norm, dropout where the
    picture is smallest. Sides must be multiples of `multiple`; an output pixel sees input pixels up to `reach` away.
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], dropout: float = 0.5, norm: Norm = "batch"):
        super().__init__()
        self.inputs, self.multiple = inputs, 2 ** len(widths)
        # Below 2 * 2^l a level on the way down, and as much on the way up.
        self.reach = 5 * self.multiple if norm == "batch" else None
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for i, (narrow, wide) in enumerate(zip([inputs, *widths], widths)):
            innermost = i == len(widths) - 1
            made = normed(norm, wide) if 0 < i and not innermost else nn.Identity()
            before = nn.LeakyReLU(0.2) if i else nn.Identity()
            down = nn.Conv2d(narrow, wide, 4, 2, 1, bias=not isinstance(made, nn.BatchNorm2d))
            self.downs.append(nn.Sequential(before, down, made))
            after = [normed(norm, narrow)] if i else []
            after += [nn.Dropout(dropout)] if i and len(widths) - i <= DROPPED and dropout else []
            seen = wide if innermost else 2 * wide
            up = nn.ConvTranspose2d(seen, narrow if i else outputs, 4, 2, 1, bias=not i or norm == "instance")
            self.ups.append(nn.Sequential(nn.ReLU(), up, *after))
        normal_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h, w), of any range."""
        x, passed = images, []
        for down in self.downs:
            x = down(x)
            passed.append(x)
        x = self.ups[-1](passed.pop())
        for up in reversed(self.ups[:-1]):
            x = up(torch.cat([x, passed.pop()], 1))
        return x


class InstanceNorm(nn.Module):
    """Each channel of each picture at mean 0 and variance 1 (Ulyanov et al. 2016, arXiv:1607.08022), without weights.

    Inside `statistics` means and variances are written down; inside `normed_as` those of another picture are taken.
    """

    def __init__(self, epsilon: float = 1e-5):
        super().__init__()
        self.epsilon = epsilon
        self.watcher: dict[InstanceNorm, tuple[Tensor, Tensor]] | None = None
        self.given: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.watcher is not None:
            variance, mean = torch.var_mean(x.float(), (2, 3), keepdim=True, correction=0)
            self.watcher[self] = mean, (variance + self.epsilon).rsqrt()
        if self.given is not None:
            mean, scale = self.given
            return ((x.float() - mean) * scale).to(x.dtype)
        if x.is_cuda:
            return nn.functional.instance_norm(x, eps=self.epsilon)
        # The processor's own instance norm undoes the layout that convolutions are fast in.
        return torch.cat([nn.functional.batch_norm(p, None, None, training=True, eps=self.epsilon) for p in x.split(1)])


def normed(norm: Norm, width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if norm == "batch" else InstanceNorm()


@contextmanager
def statistics(network: nn.Module) -> Iterator[dict[InstanceNorm, tuple[Tensor, Tensor]]]:
    """The mean and the scale of each norm that a pass inside goes through."""
    norms, seen = [m for m in network.modules() if isinstance(m, InstanceNorm)], {}
    try:
        for norm in norms:
            norm.watcher = seen
        yield seen
    finally:
        for norm in norms:
            norm.watcher = None


@contextmanager
def normed_as(network: nn.Module, seen: dict[InstanceNorm, tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Passes inside are normed by statistics seen before."""
    try:
        for norm, numbers in seen.items():
            norm.given = numbers
        yield
    finally:
        for norm in seen:
            norm.given = None


class ResNetBlock(nn.Module):
    def __init__(self, width: int, norm: Norm = "instance", border: Literal["zeros", "reflect"] = "zeros"):
        super().__init__()
        convs = [nn.Conv2d(width, width, 3, padding=1, padding_mode=border, bias=norm == "instance") for _ in range(2)]
        self.layers = nn.Sequential(convs[0], normed(norm, width), nn.ReLU(), convs[1], normed(norm, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ResNetGenerator(nn.Module):
    """Twice halved, `blocks` residual blocks, twice doubled: CycleGAN's generator, from Johnson et al. 2016 (arXiv:1603.08155).

    It draws what changes: its output is added to the picture, so that what should stay needs no learning. Zeros stand
    around the picture where the paper mirrors it, which on a processor takes a third of the time.

    folded: the first halving lays 2x2 pixels into four times the channels, and the last doubling lays them out, without
        the paper's layers at full size, which take most of a processor's time.
    """

    multiple = 8  # a norm needs more than one pixel where the picture is smallest

    def __init__(self, channels: int, width: int = 64, blocks: int = 6, folded: bool = False):
        super().__init__()

        def conv(narrow: int, wide: int, size: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(narrow, wide, size, stride, size // 2), InstanceNorm(), nn.ReLU()]

        def doubled(wide: int, narrow: int) -> list[nn.Module]:
            up = nn.ConvTranspose2d(wide, narrow, 3, 2, 1, output_padding=1)
            return [up, InstanceNorm(), nn.ReLU()]

        middle = [*conv(2 * width, 4 * width, 3, 2), *(ResNetBlock(4 * width) for _ in range(blocks)), *doubled(4 * width, 2 * width)]
        if folded:
            first, last = conv(4 * channels, 2 * width, 3, 1), nn.Conv2d(2 * width, 4 * channels, 3, padding=1)
            self.layers = nn.Sequential(nn.PixelUnshuffle(2), *first, *middle, last, nn.PixelShuffle(2))
        else:
            first, last = conv(channels, width, 7, 1), nn.Conv2d(width, channels, 7, padding=3)
            self.layers = nn.Sequential(*first, *conv(width, 2 * width, 3, 2), *middle, *doubled(2 * width, width), last)
        normal_weights(self)
        nn.init.zeros_(last.weight)  # nothing changes at first
        nn.init.zeros_(last.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(n, c, h, w) -> the same shape, in [-1, 1]."""
        return (images + 2 * torch.tanh(self.layers(images))).clamp(-1, 1)


class MirroredResNetGenerator(nn.Module):
    """The same network as its authors have it: borders are mirrored, and the result is drawn anew, not added."""

    multiple = 8  # a norm and a mirror need more than one pixel where the picture is smallest

    def __init__(self, inputs: int, outputs: int, width: int = 64, blocks: int = 9, norm: Norm = "instance"):
        super().__init__()
        self.inputs = inputs
        # 3 in the first layer and in the last, 1 + 2 by halving and as much by doubling, two times 4 in a block.
        self.reach = 12 + 8 * blocks if norm == "batch" else None
        bias = norm == "instance"  # batch norm has its own

        def down(narrow: int, wide: int) -> list[nn.Module]:
            return [nn.Conv2d(narrow, wide, 3, 2, 1, bias=bias), normed(norm, wide), nn.ReLU()]

        def up(wide: int, narrow: int) -> list[nn.Module]:
            return [nn.ConvTranspose2d(wide, narrow, 3, 2, 1, output_padding=1, bias=bias), normed(norm, narrow), nn.ReLU()]

        self.layers = nn.Sequential(
            nn.Conv2d(inputs, width, 7, padding=3, padding_mode="reflect", bias=bias), normed(norm, width), nn.ReLU(),
            *down(width, 2 * width), *down(2 * width, 4 * width),
            *(ResNetBlock(4 * width, norm, "reflect") for _ in range(blocks)),
            *up(4 * width, 2 * width), *up(2 * width, width),
            nn.Conv2d(width, outputs, 7, padding=3, padding_mode="reflect"),
        )  # fmt: skip
        normal_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h, w), of any range."""
        return self.layers(images)


class PatchCritic(nn.Sequential):
    """(n, inputs, h, w) -> (n, 1, h', w'): a logit of "real" for each overlapping patch, PatchGAN (Isola et al. 2017, 6.2).

    Each width but the last halves the picture. Three widths judge patches of 34 pixels, four of 70.
    """

    def __init__(self, inputs: int, widths: Sequence[int], norm: type[nn.Module] = nn.BatchNorm2d):
        layers: list[nn.Module] = [nn.Conv2d(inputs, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for i, (narrow, wide) in enumerate(zip(widths, widths[1:]), 2):
            made = norm(wide) if norm is nn.BatchNorm2d else norm()
            layers += [nn.Conv2d(narrow, wide, 4, 2 if i < len(widths) else 1, 1), made, nn.LeakyReLU(0.2)]
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        normal_weights(self)


def normal_weights(network: nn.Module) -> None:
    """N(0, 0.02) for filters and N(1, 0.02) for the scales of batch norm, as in pix2pix and CycleGAN."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
