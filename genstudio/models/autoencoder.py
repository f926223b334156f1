"""Auto-encoders: a picture squeezed through a few numbers and drawn again from them.

Hinton and Salakhutdinov 2006 (doi:10.1126/science.1127647). With linear layers it would find the plane of PCA.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from genstudio.controls import Text, Truncation
from genstudio.layers.conv import Decoder, Encoder
from genstudio.model import Batch
from genstudio.models.fitted_prior import FittedPrior
from genstudio.objectives.likelihood import bernoulli
from genstudio.system import Recipe, system


class AutoEncoder(FittedPrior):
    """Convolutional auto-encoder with the networks of this project's VAE, and nothing that orders its codes.

    It has no prior of its own. Random codes are drawn from one Gaussian fitted to those of the training pictures, and
    most fall where no picture ever was: that is why an auto-encoder does not generate.
    """

    def __init__(self, image_shape: tuple[int, int, int], codes: int, widths: tuple[int, ...], blocks: int = 1):
        super().__init__()
        self.image_shape = image_shape
        self.encoder = Encoder(image_shape, widths, blocks, codes)
        self.decoder = Decoder(image_shape, widths, blocks, codes)
        self.begin_prior(codes, kinds=1)

    # verbs

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images).float()

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        """Truncation pulls towards the mean of the codes, which lies anywhere."""
        return torch.tanh(self.decoder(self.prior_mean + (latents - self.prior_mean) * truncation))

    # training

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        # Cross entropy, as in the paper: under a squared error the tanh saturates at the black of most pixels, and stays.
        output = self.decoder(self.encode(batch.images)).float()
        loss = -bernoulli(2 * output, (batch.images + 1) / 2).mean()  # sigmoid(2 x) on [0, 1] is tanh(x) on [-1, 1]
        error = (torch.tanh(output.detach()) - batch.images).square().mean()
        yield "model", {"cross entropy": loss, "squared error": error}

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        self.fit_prior(batches, held_out, lambda images: (codes := self.encode(images), torch.zeros_like(codes)))


@system(
    title=Text("Auto-encoder · handwritten digits · 28 px", "Auto-encodeur · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=400_000, batch=128, rate=1e-3, warmup=20_000, ema=0.999, clip=200.0),
)
def ae_mnist() -> AutoEncoder:
    """An auto-encoder on digits with 16 numbers a picture."""
    return AutoEncoder((1, 28, 28), codes=16, widths=(64, 128))


@system(
    title=Text("Auto-encoder · digits on a plane", "Auto-encodeur · chiffres sur un plan"),
    data="mnist",
    recipe=Recipe(images=400_000, batch=128, rate=1e-3, warmup=20_000, ema=0.999, clip=200.0),
)
def ae2d_mnist() -> AutoEncoder:
    """An auto-encoder with two numbers a picture: all digits on one sheet, with nothing that orders it."""
    return AutoEncoder((1, 28, 28), codes=2, widths=(64, 128))
