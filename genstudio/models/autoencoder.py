"""Auto-encoders: an encoder to latents of few dimensions, and a decoder that reconstructs the image.

Hinton and Salakhutdinov 2006 (doi:10.1126/science.1127647). With linear layers it would be PCA.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from genstudio.controls import Text, Truncation
from genstudio.layers.conv import Decoder, Encoder
from genstudio.model import Batch, Progress
from genstudio.models.fitted_prior import FittedPrior
from genstudio.objectives.likelihood import bernoulli
from genstudio.system import Recipe, system


class AutoEncoder(FittedPrior):
    """Convolutional auto-encoder with the networks of this project's VAE, and no regularization of the latent space.

    It has no prior. Random latents are drawn from one Gaussian fitted to those of the training images, and most fall
    where no training image is encoded: that is why an auto-encoder is no generative model.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, widths: tuple[int, ...], blocks: int = 1):
        super().__init__()
        self.image_shape = image_shape
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
        # Cross entropy, as in the paper: with a squared error the tanh saturates at the black of most pixels for good.
        output = self.decoder(self.encode(batch.images)).float()
        loss = -bernoulli(2 * output, (batch.images + 1) / 2).mean()  # sigmoid(2 x) on [0, 1] is tanh(x) on [-1, 1]
        error = (torch.tanh(output.detach()) - batch.images).square().mean()
        yield "model", {"cross entropy": loss, "squared error": error}

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        self.fit_prior(batches, held_out, lambda images: (latents := self.encode(images), torch.zeros_like(latents)))


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
