"""Generative adversarial networks: a generator and a critic improve by playing against each other.

Goodfellow et al. 2014 (arXiv:1406.2661); Radford et al. 2015 (arXiv:1511.06434) for the networks.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from genstudio.model import Batch, Model, Noise, Text, Truncation
from genstudio.objectives.adversarial import critic_logistic, generator_non_saturating, watch
from genstudio.system import Recipe, system


class DCGAN(Model):
    """Deep convolutional GAN, by its paper's guidelines: strided convolutions in place of pooling, batch norm in both
    networks, no hidden dense layers, ReLU and tanh in the generator, leaky ReLU in the critic.

    `widths` are the generator's, from 4x4 up; each doubles the size. The critic is its mirror image.
    """

    def __init__(self, image_shape: tuple[int, int, int], codes: int = 100, widths: tuple[int, ...] = (512, 256, 128, 64)):
        super().__init__()
        self.image_shape, self.codes = image_shape, codes
        channels = image_shape[0]

        layers: list[nn.Module] = [nn.ConvTranspose2d(codes, widths[0], 4, 1, 0, bias=False)]  # (n, codes, 1, 1) -> 4x4
        for wide, narrow in zip(widths, widths[1:]):
            layers += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh()]
        self.generator = nn.Sequential(*layers)

        layers = [nn.Conv2d(channels, widths[-1], 4, 2, 1), nn.LeakyReLU(0.2)]
        for narrow, wide in zip(widths[::-1], widths[-2::-1]):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(widths[0], 1, 4, 1, 0), nn.Flatten()]
        self.critic = nn.Sequential(*layers)  # -> (n, 1), the logit of "real"

        for module in self.modules():  # N(0, 0.02), the paper's section 4
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)

    # verbs

    def latents(self, noise: Noise) -> Tensor:
        return noise.normal(self.codes)

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        return self.generator((latents * truncation)[:, :, None, None])

    # training

    def players(self) -> dict[str, nn.Module]:
        return {"critic": self.critic, "generator": self.generator}

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        z = torch.randn(len(batch), self.codes, device=batch.images.device)
        fake = self.decode(z)
        on_real, on_fake = self.verdict(batch.images), self.verdict(fake.detach())
        yield "critic", {"critic": critic_logistic(on_real, on_fake)} | watch(real=on_real, fake=on_fake)

        on_fake = self.verdict(fake)
        yield "generator", {"generator": generator_non_saturating(on_fake)} | watch(fake_after=on_fake)

    def verdict(self, images: Tensor) -> Tensor:
        return self.critic(self.augment(images)).float()


@system(
    title=Text("DCGAN · cartoon faces · 64 px", "DCGAN · visages dessinés · 64 px"),
    data="avatars",
    recipe=Recipe(images=640_000, batch=64, rate=2e-4, betas=(0.5, 0.999), cosine=False, ema=0.999),
)
def dcgan_avatars() -> DCGAN:
    """A DCGAN on cartoon faces in eight drawing styles."""
    return DCGAN((3, 64, 64), widths=(512, 256, 128, 64))
