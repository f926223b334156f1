"""Networks of image-to-image translation: U-Net and ResNet generators, and PatchGAN critic (discriminator)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

DROPPED = 3  # innermost levels of a U-Net with dropout

Norm = Literal["batch", "instance"]


class UNet(nn.Module):
    """U-Net of pix2pix: an encoder that halves the resolution once per width, and a decoder with skip connections.

    Ronneberger et al. 2015 (arXiv:1505.04597) with 4x4 convolutions of stride 2, batch norm, and dropout at the lowest
    resolutions. Sides must be multiples of `multiple`; `reach` is the radius in pixels of the receptive field.

    detail: channels at full resolution, where 3x3 convolutions read the input again; on the way there, 3x3 convolutions
        and bilinear upsampling take the place of transposed convolutions, which leave a checkerboard (Odena et al.
        2016, doi:10.23915/distill.00003).
    """

    def __init__(
        self, inputs: int, outputs: int, widths: Sequence[int], dropout: float = 0.5, norm: Norm = "batch",
        detail: int = 0,
    ):  # fmt: skip
        super().__init__()
        self.inputs, self.multiple = inputs, 2 ** len(widths)
        # Below 2 * 2^l per level in the encoder, and as much in the decoder; instance norm depends on all pixels.
        self.reach = 5 * self.multiple if norm == "batch" else None
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for i, (outer, inner) in enumerate(zip([inputs, *widths], widths)):
            innermost = i == len(widths) - 1
            down_norm = normed(norm, inner) if 0 < i and not innermost else nn.Identity()
            before = nn.LeakyReLU(0.2) if i else nn.Identity()
            down = nn.Conv2d(outer, inner, 4, 2, 1, bias=not isinstance(down_norm, nn.BatchNorm2d))
            self.downs.append(nn.Sequential(before, down, down_norm))
            in_channels, out_channels = inner if innermost else 2 * inner, outer if i else detail or outputs
            after = [normed(norm, out_channels)] if i or detail else []
            after += [nn.Dropout(dropout)] if i and len(widths) - i <= DROPPED and dropout else []
            bias = not after or norm == "instance"
            if detail:
                up = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
                after.append(nn.Upsample(scale_factor=2, mode="bilinear"))
            else:
                up = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=bias)
            self.ups.append(nn.Sequential(nn.ReLU(), up, *after))
        self.last = None
        if detail:
            mixed, last = nn.Conv2d(detail + inputs, detail, 3, padding=1), nn.Conv2d(detail, outputs, 3, padding=1)
            self.last = nn.Sequential(mixed, nn.ReLU(), last)
            self.reach = self.reach and self.reach + 4
        normal_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h, w), of any range."""
        x, skips = images, []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = self.ups[-1](skips.pop())
        for up in reversed(self.ups[:-1]):
            x = up(torch.cat([x, skips.pop()], 1))
        return x if self.last is None else self.last(torch.cat([x.relu(), images.to(x.dtype)], 1))


class InstanceNorm(nn.Module):
    """Instance norm without weights: each channel of each image at mean 0 and variance 1 (Ulyanov et al. 2016,
    arXiv:1607.08022).

    Inside `statistics` it records means and variances; inside `normed_as` it uses recorded ones.
    """

    def __init__(self, epsilon: float = 1e-5):
        super().__init__()
        self.epsilon = epsilon
        self.record: dict[InstanceNorm, tuple[Tensor, Tensor]] | None = None
        self.fixed: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.record is not None:
            variance, mean = torch.var_mean(x.float(), (2, 3), keepdim=True, correction=0)
            self.record[self] = mean, (variance + self.epsilon).rsqrt()
        if self.fixed is not None:
            mean, scale = self.fixed
            return ((x.float() - mean) * scale).to(x.dtype)
        if x.is_cuda:
            return nn.functional.instance_norm(x, eps=self.epsilon)
        # torch's instance norm on a CPU undoes the memory layout in which convolutions are fast.
        return torch.cat([nn.functional.batch_norm(p, None, None, training=True, eps=self.epsilon) for p in x.split(1)])


def normed(norm: Norm, channels: int) -> nn.Module:
    """A norm layer of that name."""
    return nn.BatchNorm2d(channels) if norm == "batch" else InstanceNorm()


@contextmanager
def statistics(network: nn.Module) -> Iterator[dict[InstanceNorm, tuple[Tensor, Tensor]]]:
    """Record mean and scale of each instance norm in the forward passes inside."""
    norms, recorded = [m for m in network.modules() if isinstance(m, InstanceNorm)], {}
    try:
        for norm in norms:
            norm.record = recorded
        yield recorded
    finally:
        for norm in norms:
            norm.record = None


@contextmanager
def normed_as(network: nn.Module, recorded: dict[InstanceNorm, tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Use recorded statistics in the instance norms of the forward passes inside."""
    try:
        for norm, mean_and_scale in recorded.items():
            norm.fixed = mean_and_scale
        yield
    finally:
        for norm in recorded:
            norm.fixed = None


class ResNetBlock(nn.Module):
    def __init__(self, c: int, norm: Norm = "instance", border: Literal["zeros", "reflect"] = "zeros"):
        super().__init__()
        convs = [nn.Conv2d(c, c, 3, padding=1, padding_mode=border, bias=norm == "instance") for _ in range(2)]
        self.layers = nn.Sequential(convs[0], normed(norm, c), nn.ReLU(), convs[1], normed(norm, c))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ResNetGenerator(nn.Module):
    """CycleGAN's generator: two downsampling layers, `blocks` residual blocks, two upsampling layers.

    Johnson et al. 2016 (arXiv:1603.08155). The output is a residual, so that unchanged parts need no learning. Padding
    is by zeros: the paper's reflection takes a third of the time on a CPU.

    folded: pixel-unshuffle by 2 first and pixel-shuffle last, in place of the paper's layers at full resolution, which
        take most of the time on a CPU.
    """

    multiple = 8  # at the lowest resolution a norm needs more than one pixel

    def __init__(self, channels: int, width: int = 64, blocks: int = 6, folded: bool = False):
        super().__init__()

        def conv(a: int, b: int, size: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(a, b, size, stride, size // 2), InstanceNorm(), nn.ReLU()]

        def up(a: int, b: int) -> list[nn.Module]:
            return [nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1), InstanceNorm(), nn.ReLU()]

        residual = (ResNetBlock(4 * width) for _ in range(blocks))
        middle = [*conv(2 * width, 4 * width, 3, 2), *residual, *up(4 * width, 2 * width)]
        if folded:
            first, last = conv(4 * channels, 2 * width, 3, 1), nn.Conv2d(2 * width, 4 * channels, 3, padding=1)
            self.layers = nn.Sequential(nn.PixelUnshuffle(2), *first, *middle, last, nn.PixelShuffle(2))
        else:
            first, last = conv(channels, width, 7, 1), nn.Conv2d(width, channels, 7, padding=3)
            self.layers = nn.Sequential(*first, *conv(width, 2 * width, 3, 2), *middle, *up(2 * width, width), last)
        normal_weights(self)
        nn.init.zeros_(last.weight)  # initially the identity
        nn.init.zeros_(last.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(n, c, h, w) -> the same shape, in [-1, 1]."""
        return (images + 2 * torch.tanh(self.layers(images))).clamp(-1, 1)


class MirroredResNetGenerator(nn.Module):
    """CycleGAN's generator as in the authors' code: reflection padding, and an output that is no residual."""

    multiple = 8  # at the lowest resolution a norm and a reflection need more than one pixel

    def __init__(self, inputs: int, outputs: int, width: int = 64, blocks: int = 9, norm: Norm = "instance"):
        super().__init__()
        self.inputs = inputs
        # 3 each in the first and last layers, 1 + 2 in downsampling and as much in upsampling, 2 * 4 in a block.
        self.reach = 12 + 8 * blocks if norm == "batch" else None
        bias = norm == "instance"  # batch norm has its own

        def down(a: int, b: int) -> list[nn.Module]:
            return [nn.Conv2d(a, b, 3, 2, 1, bias=bias), normed(norm, b), nn.ReLU()]

        def up(a: int, b: int) -> list[nn.Module]:
            return [nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1, bias=bias), normed(norm, b), nn.ReLU()]

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
    """PatchGAN critic (discriminator): (n, inputs, h, w) -> (n, 1, h', w'), a logit for each overlapping patch.

    Isola et al. 2017, section 6.2. Each width but the last halves the resolution. With three widths the patches have 34
    pixels, with four 70.

    norm: "spectral" divides each filter bank by its largest singular value (Miyato et al. 2018, arXiv:1802.05957), in
        place of a norm of the features.
    """

    def __init__(self, inputs: int, widths: Sequence[int], norm: Norm | Literal["spectral"] = "batch"):
        layers: list[nn.Module] = [nn.Conv2d(inputs, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for i, (a, b) in enumerate(zip(widths, widths[1:]), 2):
            norm_layer = nn.Identity() if norm == "spectral" else normed(norm, b)
            layers += [nn.Conv2d(a, b, 4, 2 if i < len(widths) else 1, 1), norm_layer, nn.LeakyReLU(0.2)]
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        normal_weights(self)
        if norm == "spectral":
            for module in self:
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)


def normal_weights(network: nn.Module) -> None:
    """Initialize filters from N(0, 0.02) and batch norm scales from N(1, 0.02), as in pix2pix and CycleGAN."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
