"""Auto-encoders: an encoder to latents of few dimensions, and a decoder that reconstructs the image.

Hinton and Salakhutdinov 2006 (doi:10.1126/science.1127647); with linear layers it would be PCA. Vincent et al. 2010
(jmlr.org/papers/v11/vincent10a.html) for the denoising one. Those with more units than pixels stand in `sparse.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from genstudio.controls import Text, Truncation
from genstudio.layers.conv import Decoder, Encoder
from genstudio.layers.dense import dense
from genstudio.model import Batch, Model, Noise, Progress
from genstudio.models.fitted_prior import FittedPrior
from genstudio.objectives.likelihood import bernoulli
from genstudio.system import Recipe, system


class AutoEncoder(FittedPrior):
    """Auto-encoder with the networks of this project's VAE, and no regularization of the latent space.

    It has no prior. Random latents are drawn from one Gaussian fitted to those of the training images, and most fall
    where no training image is encoded: that is why an auto-encoder is no generative model.

    hidden: features of the hidden layers of an encoder without convolutions, in place of `widths` and `blocks`; the
        decoder is its mirror image.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        widths: tuple[int, ...] = (),
        blocks: int = 1,
        hidden: tuple[int, ...] = (),
    ):
        super().__init__()
        self.image_shape = image_shape
        if hidden:
            pixels = math.prod(image_shape)
            self.encoder = nn.Sequential(nn.Flatten(), dense(pixels, *hidden, latent_dim))
            self.decoder = nn.Sequential(dense(latent_dim, *reversed(hidden), pixels), nn.Unflatten(1, image_shape))
        else:
            self.encoder = Encoder(image_shape, widths, blocks, latent_dim)
            self.decoder = Decoder(image_shape, widths, blocks, latent_dim)
        self.begin_prior(latent_dim, components=1)

    # verbs

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images).float()

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        """Truncation pulls towards the mean of the latents, which is not 0."""
        return torch.tanh(self.decoder(self.prior_mean + (latents - self.prior_mean) * truncation))

    # training

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        yield "model", self.errors(batch.images, batch.images)

    def errors(self, images: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Loss of reconstructing `target` from `images`, and its squared error."""
        # Cross entropy, as in the paper: with a squared error the tanh saturates at the black of most pixels for good.
        output = self.decoder(self.encode(images)).float()
        loss = -bernoulli(2 * output, (target + 1) / 2).mean()  # sigmoid(2 x) on [0, 1] is tanh(x) on [-1, 1]
        return {"cross entropy": loss, "squared error": (torch.tanh(output.detach()) - target).square().mean()}

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        self.fit_prior(batches, held_out, lambda images: (latents := self.encode(images), torch.zeros_like(latents)))


# Denoising ------------------------------------------------------------------------------------------------------

MOST_MASKED, MOST_SIGMA = 0.5, 0.5


def masked(images: Tensor, share: Tensor | float) -> Tensor:
    """Masking noise: each pixel is black with probability `share`, a number or (n, 1, 1, 1)."""
    return images.masked_fill(torch.rand_like(images) < share, -1.0)


def noised(images: Tensor, sigma: Tensor | float) -> Tensor:
    """Gaussian noise of standard deviation `sigma`, for pixels in [0, 1], clipped to the range of images."""
    return (images + 2 * sigma * torch.randn_like(images)).clamp(-1, 1)


class DenoisingAutoEncoder(AutoEncoder):
    """Auto-encoder that reconstructs the clean image from a corrupted one, by masking or Gaussian noise.

    Half of a batch is masked and half noised, each image by a share or sigma drawn from 0 to the largest.
    """

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        images, half = batch.images, len(batch) // 2
        amount = torch.rand(len(images), 1, 1, 1, device=images.device)
        first = masked(images[:half], amount[:half] * MOST_MASKED)
        yield "model", self.errors(torch.cat([first, noised(images[half:], amount[half:] * MOST_SIGMA)]), images)


# Regression -----------------------------------------------------------------------------------------------------


class Regression(Model):
    """A decoder that learns to reconstruct images from latents that know nothing of them.

    The squared error of a prediction g(z) of an independent x is E|g(z) - E x|^2 + Var x: the least is reached by the
    mean image, for every z. A generative model needs another loss, or latents of an encoder.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, hidden: tuple[int, ...]):
        super().__init__()
        self.image_shape, self.latent_dim = image_shape, latent_dim
        self.decoder = nn.Sequential(dense(latent_dim, *hidden, math.prod(image_shape)), nn.Unflatten(1, image_shape))

    def latents(self, noise: Noise) -> Tensor:
        return noise.normal(self.latent_dim)

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        return self.decoder(latents * truncation).clamp(-1, 1)

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        latents = torch.randn(len(batch), self.latent_dim, device=batch.images.device)
        output = self.decoder(latents).float()
        yield "model", {"squared error": (output - batch.images).square().mean()}


# Systems --------------------------------------------------------------------------------------------------------


@system(
    title=Text("Auto-encoder · handwritten digits · 28 px", "Auto-encodeur · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=400_000, batch=128, rate=1e-3, warmup=20_000, ema=0.999, clip=200.0),
)
def ae_mnist() -> AutoEncoder:
    """An auto-encoder of digits with 16 latent dimensions."""
    return AutoEncoder((1, 28, 28), latent_dim=16, widths=(64, 128))


@system(
    title=Text("Auto-encoder · digits on a plane", "Auto-encodeur · chiffres sur un plan"),
    data="mnist",
    recipe=Recipe(images=400_000, batch=128, rate=1e-3, warmup=20_000, ema=0.999, clip=200.0),
)
def ae2d_mnist() -> AutoEncoder:
    """An auto-encoder with two latent dimensions: all digits on one plane, without regularization."""
    return AutoEncoder((1, 28, 28), latent_dim=2, widths=(64, 128))


DENSE = Recipe(images=3_000_000, batch=128, rate=1e-3, warmup=50_000, ema=0.999, clip=200.0)


@system(
    title=Text("Auto-encoder · dense · digits · 28 px", "Auto-encodeur · dense · chiffres · 28 px"),
    data="mnist",
    recipe=DENSE,
)
def ae_dense_mnist() -> AutoEncoder:
    """An auto-encoder without convolutions, of the same 16 latent dimensions as `ae_mnist`."""
    return AutoEncoder((1, 28, 28), latent_dim=16, hidden=(512, 256))


@system(
    title=Text("Auto-encoder · denoising · digits · 28 px", "Auto-encodeur · débruiteur · chiffres · 28 px"),
    data="mnist",
    recipe=DENSE,
)
def ae_denoising_mnist() -> DenoisingAutoEncoder:
    """The network of `ae_dense_mnist`, trained to take away masking and Gaussian noise."""
    return DenoisingAutoEncoder((1, 28, 28), latent_dim=16, hidden=(512, 256))


@system(
    title=Text("Regression · from random codes · digits · 28 px", "Régression · de codes au hasard · chiffres · 28 px"),
    data="mnist",
    recipe=Recipe(images=1_000_000, batch=128, rate=1e-3, warmup=20_000, ema=0.999),
)
def regression_mnist() -> Regression:
    """A decoder of random latents, trained by squared error: it learns the mean digit."""
    return Regression((1, 28, 28), latent_dim=16, hidden=(128, 256))
