"""Image restoration: photographs are degraded, and a network learns to reconstruct them.

Fully convolutional networks, trained on small images. Zhang et al. 2017 (arXiv:1608.03981) for denoising, Lim
et al. 2017 (arXiv:1707.02921) for super-resolution, Isola et al. 2017 (arXiv:1611.07004) for colorization.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss, pixel_shuffle, pixel_unshuffle

from genstudio.controls import Slider, Text
from genstudio.layers.conv import Residual
from genstudio.layers.image_to_image import UNet
from genstudio.model import Batch, Progress
from genstudio.models.pix2pix import Pix2Pix
from genstudio.models.translation import Translator, luma
from genstudio.system import Recipe, system

NOISE = 55 / 127.5  # largest standard deviation in training, of 55 grey levels


class Restorer(Translator):
    """Stack of residual blocks at one resolution, which predicts a residual image, trained with an L1 loss."""

    def __init__(self, image_shape: tuple[int, int, int], inputs: int, outputs: int, width: int, blocks: int):
        super().__init__(image_shape)
        layers = [nn.Conv2d(inputs, width, 3, padding=1), *(Residual(width) for _ in range(blocks))]
        self.network = nn.Sequential(*layers, nn.Conv2d(width, outputs, 3, padding=1))
        self.steps = 2 * blocks + 2  # 3x3 convolutions, each of which adds one pixel to the reach
        nn.init.zeros_(self.network[-1].weight)  # the initial residual is 0
        nn.init.zeros_(self.network[-1].bias)

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        yield "model", {"L1": l1_loss(self.translate(self.sources(batch)).float(), batch.images)}


Strength = Annotated[
    float,
    Slider(
        0.0,
        1.5,
        0.05,
        title=Text("Noise removed", "Bruit enlevé"),
        hint=Text(
            "1 takes away all noise that is found, 0 none; a little grain often looks more natural.",
            "1 enlève tout le bruit trouvé, 0 rien ; un peu de grain paraît souvent plus naturel.",
        ),
    ),
]


class Denoiser(Restorer):
    """DnCNN: blind denoising by subtraction of the estimated noise, at half resolution by pixel-unshuffle as in FFDNet
    (Zhang et al. 2018, arXiv:1710.04026), which takes a quarter of the time."""

    multiple = 2

    def __init__(self, image_shape: tuple[int, int, int], width: int = 64, blocks: int = 6):
        super().__init__(image_shape, 4 * image_shape[0], 4 * image_shape[0], width, blocks)
        self.reach = 2 * self.steps + 1

    def sources(self, batch: Batch) -> Tensor:
        images = batch.images
        return self.noisy(images, NOISE * torch.rand(len(images), 1, 1, 1, device=images.device))

    def noisy(self, images: Tensor, level: Tensor | float) -> Tensor:
        """Images with Gaussian noise of standard deviation `level`, clamped to [-1, 1]."""
        return (images + level * torch.randn_like(images)).clamp(-1, 1)

    def translate(self, images: Tensor, *, strength: Strength = 1.0) -> Tensor:
        noise = pixel_shuffle(self.network(pixel_unshuffle(images, 2)), 2)
        return images - strength * noise


class SuperResolution(Restorer):
    """EDSR without its tail: a residual to bicubic upsampling, computed at low resolution and pixel-shuffled."""

    scale = 2

    def __init__(self, image_shape: tuple[int, int, int], width: int = 64, blocks: int = 4):
        super().__init__(image_shape, image_shape[0], 4 * image_shape[0], width, blocks)
        self.reach = self.steps + 2  # the bicubic kernel has a reach of 2

    def sources(self, batch: Batch) -> Tensor:
        height, width = batch.images.shape[2:]
        return interpolate(batch.images, (height // 2, width // 2), mode="bicubic", antialias=True).clamp(-1, 1)

    def translate(self, images: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, 2 h, 2 w)"""
        return interpolate(images, scale_factor=2, mode="bicubic") + pixel_shuffle(self.network(images), 2)


Colour = Annotated[
    float,
    Slider(
        0.0,
        2.0,
        0.05,
        title=Text("Colour", "Couleur"),
        hint=Text(
            "0 is grey, 1 as the network guesses, above 1 bolder.",
            "0 : gris ; 1 : comme le réseau le devine ; au-delà, plus vif.",
        ),
    ),
]


class Colorizer(Pix2Pix):
    """Pix2pix that generates chroma only: the luma of the input is kept."""

    tiles = False  # of things larger than in training it colours the edges alone
    light_only = True
    pairing = ""  # a grey picture is made of each

    def __init__(self, image_shape: tuple[int, int, int], widths: tuple[int, ...], weight: float = 100.0):
        super().__init__(image_shape, weight=weight, generator=UNet(1, 2, widths))

    def sources(self, batch: Batch) -> Tensor:
        return luma(batch.images).expand_as(batch.images)

    def translate(self, images: Tensor, *, colour: Colour = 1.0) -> Tensor:
        y = luma(images)
        return coloured(y, colour * torch.tanh(self.generator(y)))


def coloured(y: Tensor, chroma: Tensor) -> Tensor:
    """Y'CbCr -> RGB: luma (n, 1, h, w) and BT.601's colour differences (n, 2, h, w) in [-1, 1] -> (n, 3, h, w)."""
    blue, red = chroma.split(1, 1)
    return torch.cat([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], 1)


@system(
    title=Text("Denoiser · photographs", "Débruitage · photographies"),
    data="cifar10",
    recipe=Recipe(images=400_000, batch=64, rate=1e-3, warmup=5_000, clip=1.0, flip=True, crop=True),
    knows=Text("photographs with grain or sensor noise", "photographies avec du grain ou du bruit de capteur"),
    takes="photographs",
)
def denoise_photo() -> Denoiser:
    """Grain and sensor noise are taken out of photographs of any size."""
    return Denoiser((3, 32, 32))


@system(
    title=Text("Super-resolution · photographs · ×2", "Super-résolution · photographies · ×2"),
    data="cifar10",
    recipe=Recipe(images=400_000, batch=64, rate=1e-3, warmup=5_000, clip=1.0, flip=True, crop=True),
    knows=Text("small, sharp photographs", "petites photographies nettes"),
    takes="photographs",
)
def superres_photo() -> SuperResolution:
    """Photographs come out twice as wide and twice as high."""
    return SuperResolution((3, 32, 32))


@system(
    title=Text("Colours for grey photographs", "Couleurs pour photographies grises"),
    data="cifar10",
    recipe=Recipe(images=130_000, batch=64, rate=2e-4, betas=(0.5, 0.999), flip=True, crop=True),
    knows=Text("grey photographs", "photographies en niveaux de gris"),
    limit=Text(
        "It guesses: colours come out paler than they were, and on the whole farther from the true ones than grey is.",
        "Il devine : les couleurs sont plus pâles qu’en vrai et, dans l’ensemble, plus loin des vraies que le gris.",
    ),
    takes="photographs",
)
def colorize_photo() -> Colorizer:
    """Grey photographs are given the colours that they may have had; their light is kept."""
    return Colorizer((3, 32, 32), widths=(64, 128, 192, 224), weight=30.0)
