"""Normalizing flows of pictures: log p(x) = log p(z) + log |det dz/dx|, of an invertible map from pictures to latents.

RealNVP (Dinh et al. 2017, arXiv:1605.08803) and a self-normalizing flow (Keller et al. 2021, arXiv:2011.07248). Flows
of a VAE's posterior are in `flow_vae.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from genstudio.controls import Choice, Slider, Text
from genstudio.layers.flow import FOLD, LEVELS, Layer, Logit, Scale, SelfNormalizing, SinhArcsinh, couplings, in_float32
from genstudio.model import Batch, Model, Noise, Progress
from genstudio.objectives.likelihood import standard_normal
from genstudio.system import Recipe, system

Temperature = Annotated[
    float,
    Slider(
        0.0,
        1.3,
        0.05,
        title=Text("Temperature", "Température"),
        hint=Text(
            "Standard deviation of the latents: below 1 likelier pictures, and less variety.",
            "Écart type des latents : au-dessous de 1, des images plus probables et moins variées.",
        ),
    ),
]
Inverse = Annotated[
    str,
    Choice(
        ("exact", "learned"),
        titles=(Text("Exact", "Exact"), Text("Learned", "Appris")),
        title=Text("Inverse of the matrices", "Inverse des matrices"),
        hint=Text(
            "The exact one solves equations; the learned one is what training took for it.",
            "L’exact résout des équations ; l’appris est celui dont l’entraînement s’est servi.",
        ),
    ),
]


class Step(NamedTuple):
    """A layer's output in the passage from a picture to its latents."""

    title: Text
    state: Tensor  # (n, c, h, w)
    log_det: Tensor  # (n,), in nats


class Flow(Model):
    """Composition of invertible layers, from levels in [0, 256) to latents of as many dimensions.

    A picture of 256 levels has no density. `nats` adds uniform noise one level wide, and bounds -log P of the levels
    from above (Theis et al. 2016, arXiv:1511.01844, section 3.1). A picture's code is that of the middle of each level.
    """

    likelihood_of = "grey levels"
    bound = True
    float32 = True

    def __init__(self, image_shape: tuple[int, int, int], layers: list[Layer]):
        super().__init__()
        channels, height, width = image_shape
        if height % FOLD or width % FOLD:
            raise ValueError(f"the sides of a picture must be multiples of {FOLD}, not {height} and {width}")
        self.image_shape, self.latent_dim = image_shape, math.prod(image_shape)
        self.layers = nn.ModuleList([Scale(), Logit(), *layers])

    # verbs

    def latents(self, noise: Noise) -> Tensor:
        return noise.normal(self.latent_dim)

    def encode(self, images: Tensor) -> Tensor:
        with in_float32(images):
            return self.transform(levels(images.float()) + 0.5)[0].flatten(1)

    def decode(self, latents: Tensor, *, temperature: Temperature = 1.0) -> Tensor:
        with in_float32(latents):
            *_, (_, state) = self.generation(latents.float() * temperature)
            return images_of(state)

    # layer by layer

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents as pictures (n, c, h, w) of levels x in [0, 256), and the log-determinant (n,)."""
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    @torch.no_grad()
    def passage(self, images: Tensor) -> list[Step]:
        """Each layer's output on the way from pictures to latents. log p(z) and the log-determinants add up to
        -`log_density`."""
        x, steps = levels(images) + 0.5, []
        with in_float32(images):
            for layer in self.layers:
                x, log_det = layer(x)
                steps.append(Step(layer.title, x, log_det))
        return steps

    def generation(self, latents: Tensor) -> Iterator[tuple[Layer, Tensor]]:
        """Each layer, from the last to the first, with the output of its inverse."""
        state = latents.unflatten(1, self.image_shape)
        for layer in reversed(self.layers):
            state = self.inverse_of(layer, state)
            yield layer, state

    def inverse_of(self, layer: Layer, state: Tensor) -> Tensor:
        return layer.inverse(state)

    def log_density(self, x: Tensor) -> Tensor:
        """log p (n,) of levels x in [0, 256), with respect to levels."""
        z, log_det = self.transform(x)
        return self.log_prior(z.flatten(1)) + log_det

    def log_prior(self, latents: Tensor) -> Tensor:
        """log p(z) (n,)."""
        return standard_normal(latents)

    def nats(self, images: Tensor) -> Tensor:
        """The bound (n,) on -log P of the levels, by one sample of the noise."""
        return -self.log_density(levels(images) + torch.rand_like(images))

    # training

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        bits = self.nats(batch.images).mean() / (self.latent_dim * math.log(2))
        yield "model", {"bits per dimension": bits}


def levels(images: Tensor) -> Tensor:
    """Levels in [0, 255] of images in [-1, 1]."""
    return ((images + 1) * 127.5).clamp(0, LEVELS - 1)


def images_of(x: Tensor) -> Tensor:
    """Images in [-1, 1] of levels [0, 256), the inverse of `levels` and of half a level added."""
    return ((x - 0.5) / 127.5 - 1).clamp(-1, 1)


class RealNVP(Flow):
    """Affine couplings at two scales, and a monotone bend of each latent.

    The noise within a level is uniform or nearly exponential, and would stay so under affine maps.

    width, blocks: channels and residual blocks of each coupling's network. each: couplings of each mask and scale.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: int, blocks: int = 1, each: int = 4):
        super().__init__(image_shape, [*couplings(image_shape, width, blocks, each), SinhArcsinh(image_shape)])


class SelfNormalizingFlow(Flow):
    """Matrices with learned inverses, within and across blocks of 4x4 pixels by turns, with a monotone bend in between.

    inversion: weight of the squared error of the learned inverses.
    """

    def __init__(self, image_shape: tuple[int, int, int], depth: int, inversion: float = 1.0):
        layers: list[Layer] = []
        for i in range(depth):
            layers += [SinhArcsinh(image_shape)] if i else []
            layers += [SelfNormalizing(image_shape, across=i % 2 == 1)]
        super().__init__(image_shape, layers)
        self.inversion = inversion

    def decode(self, latents: Tensor, *, temperature: Temperature = 1.0, inverse: Inverse = "exact") -> Tensor:
        with in_float32(latents):
            state = (latents.float() * temperature).unflatten(1, self.image_shape)
            for layer in reversed(self.layers):
                learned = {"learned": inverse == "learned"} if isinstance(layer, SelfNormalizing) else {}
                state = layer.inverse(state, **learned)
            return images_of(state)

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        with in_float32(batch.images):
            x = levels(batch.images) + torch.rand_like(batch.images)
            total, errors = x.new_zeros(len(x)), x.new_zeros(len(x))
            for layer in self.layers:
                if isinstance(layer, SelfNormalizing):
                    errors = errors + layer.inversion_error(x)
                x, log_det = layer(x)
                total = total + log_det
            nats = -(self.log_prior(x.flatten(1)) + total)
        per_bit = self.latent_dim * math.log(2)
        yield (
            "model",
            {
                "bits per dimension": nats.mean() / per_bit,
                "inversion error": self.inversion * errors.mean() / per_bit,
            },
        )


# Systems --------------------------------------------------------------------------------------------------------


@system(
    title=Text("RealNVP · handwritten digits · 28 px", "RealNVP · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=600_000, batch=64, rate=1e-3, warmup=5_000, ema=0.999, clip=10.0),
)
def realnvp_mnist() -> RealNVP:
    """Sixteen couplings of digits, whose networks have one residual block of 64 channels: 1.4 M parameters."""
    return RealNVP((1, 28, 28), width=64, blocks=1, each=4)


@system(
    title=Text("Self-normalizing flow · digits · 28 px", "Flot auto-normalisant · chiffres · 28 px"),
    data="mnist",
    recipe=Recipe(images=1_500_000, batch=128, rate=1e-3, warmup=20_000, ema=0.999, clip=1.0),
)
def selfnorm_mnist() -> SelfNormalizingFlow:
    """Twelve matrices by turns within blocks of 4x4 pixels and across them, with learned inverses."""
    return SelfNormalizingFlow((1, 28, 28), depth=12)
