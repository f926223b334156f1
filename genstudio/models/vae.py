"""Variational auto-encoders: an encoder to a Gaussian posterior over latents, and a decoder to a likelihood of images.

Kingma and Welling 2013 (arXiv:1312.6114); Rybkin et al. 2021 (arXiv:2006.13202) for the learned noise level; Ghosh et
al. 2020 (arXiv:1903.12436) for the prior that is fitted after training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from genstudio.controls import Text, Truncation
from genstudio.layers.conv import Decoder, Encoder
from genstudio.model import Batch, Progress
from genstudio.models.fitted_prior import FittedPrior
from genstudio.objectives.likelihood import bernoulli, gaussian, kl_standard_normal
from genstudio.system import Recipe, system


class VAE(FittedPrior):
    """Convolutional VAE.

    The aggregate posterior differs from N(0, I): between the classes are gaps, from which latents decode to blurred
    images. So latents are drawn from a Gaussian mixture fitted to it, of as many
    `components` as there are classes. The bound on the likelihood is still that of N(0, I).

    latent_dim: latent dimension.
    likelihood: "bernoulli" takes grey levels as probabilities and samples binary images in each step (dynamic
        binarization); "gaussian" learns one sigma for all pixels, which balances reconstruction and KL without a beta.
    dense: hidden units of networks without convolutions, in place of those of `widths` and `blocks`.
    """

    bound = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        widths: tuple[int, ...] = (),
        blocks: int = 1,
        likelihood: Literal["bernoulli", "gaussian"] = "gaussian",
        components: int = 1,
        dense: int = 0,
    ):
        super().__init__()
        self.image_shape, self.likelihood = image_shape, likelihood
        self.likelihood_of = "binary" if likelihood == "bernoulli" else "real"
        if dense:
            self.encoder = dense_encoder(image_shape, dense, 2 * latent_dim)
            self.decoder = dense_decoder(image_shape, dense, latent_dim)
        else:
            self.encoder = Encoder(image_shape, widths, blocks, 2 * latent_dim)
            self.decoder = Decoder(image_shape, widths, blocks, latent_dim)
        if likelihood == "gaussian":
            self.log_sigma = nn.Parameter(torch.tensor(-1.0))
        self.begin_prior(latent_dim, components)

    # verbs

    def encode(self, images: Tensor) -> Tensor:
        return self._posterior(images)[0]

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        return self._mean(self.decoder(latents * truncation))

    # training

    def elbo(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """E log p(x|z) by one sample of z, and KL(q(z|x) || p(z)): both (n,), in nats. Their difference is the ELBO."""
        if self.likelihood == "bernoulli":
            images = torch.bernoulli((images + 1) / 2) * 2 - 1
        mean, log_variance = self._posterior(images)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)  # the reparametrization trick
        output = self.decoder(z).float()
        if self.likelihood == "bernoulli":
            log_likelihood = bernoulli(output, (images + 1) / 2)
        else:
            log_likelihood = gaussian(self._mean(output), self.log_sigma, images)
        return log_likelihood, kl_standard_normal(mean, log_variance)

    def nats(self, images: Tensor) -> Tensor:
        """The negative ELBO (n,), by one sample of the latents, and of the binary pixels."""
        log_likelihood, kl = self.elbo(images)
        return kl - log_likelihood

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        log_likelihood, kl = self.elbo(batch.images)
        yield "model", {"reconstruction": -log_likelihood.mean(), "kl": kl.mean()}

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        def posterior(images: Tensor) -> tuple[Tensor, Tensor]:
            mean, log_variance = self._posterior(images)
            return mean, log_variance.exp()

        self.fit_prior(batches, held_out, posterior)

    def _posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x), in float32: bfloat16 has too few digits for a variance."""
        mean, log_variance = self.encoder(images).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)

    def _mean(self, output: Tensor) -> Tensor:
        """The mean image of p(x|z): sigmoid(logit) on [0, 1] is tanh(logit / 2) on [-1, 1]."""
        return torch.tanh(output / 2) if self.likelihood == "bernoulli" else torch.tanh(output)


def dense_encoder(image_shape: tuple[int, int, int], hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image_shape), hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def dense_decoder(image_shape: tuple[int, int, int], hidden: int, inputs: int) -> nn.Sequential:
    pixels = nn.Linear(hidden, math.prod(image_shape))
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), pixels, nn.Unflatten(1, image_shape))


@system(
    title=Text("VAE · handwritten digits · 28 px", "VAE · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=900_000, batch=128, rate=1e-3, warmup=50_000, ema=0.999, clip=200.0),
)
def vae_mnist() -> VAE:
    """A VAE of digits, trained on dynamically binarized images; the mean image is shown."""
    return VAE((1, 28, 28), latent_dim=40, widths=(64, 128), blocks=1, likelihood="bernoulli", components=10)


@system(
    title=Text("VAE · digits on a plane", "VAE · chiffres sur un plan"),
    data="mnist",
    recipe=Recipe(images=900_000, batch=128, rate=1e-3, warmup=50_000, ema=0.999, clip=200.0),
)
def vae2d_mnist() -> VAE:
    """A VAE with two latent dimensions: all digits on one plane, ordered around the origin."""
    return VAE((1, 28, 28), latent_dim=2, widths=(64, 128), blocks=1, likelihood="bernoulli")


@system(
    title=Text("VAE · one man's face · 28 px", "VAE · le visage d’un homme · 28 px"),
    data="freyfaces",
    recipe=Recipe(images=300_000, batch=64, rate=1e-3, warmup=20_000, ema=0.999, clip=500.0),
)
def vae_freyfaces() -> VAE:
    """A VAE of 1 765 frames of a film of one man pulling faces (Roweis and Ghahramani)."""
    return VAE((1, 28, 20), latent_dim=8, widths=(64, 128), blocks=1)


@system(
    title=Text("VAE · cartoon faces · 64 px", "VAE · visages dessinés · 64 px"),
    data="avatars",
    recipe=Recipe(images=680_000, batch=64, rate=8e-4, warmup=20_000, ema=0.999, clip=20_000.0),
)
def vae_avatars() -> VAE:
    """A VAE of cartoon faces in eight drawing styles, which also encodes uploaded and drawn pictures."""
    return VAE((3, 64, 64), latent_dim=128, widths=(32, 64, 128, 192), blocks=1, components=8)


@system(
    title=Text("VAE · small photographs · 32 px", "VAE · petites photographies · 32 px"),
    data="cifar10",
    recipe=Recipe(images=500_000, batch=128, rate=1e-3, warmup=20_000, ema=0.999, clip=5_000.0, flip=True),
)
def vae_cifar10() -> VAE:
    """A VAE of CIFAR-10 with 128 latent dimensions, to compare with its VQ-VAEs."""
    return VAE((3, 32, 32), latent_dim=128, widths=(64, 128, 160), blocks=1)


@system(
    title=Text("A dense VAE", "Un VAE dense"),
    data="mnist",
    recipe=Recipe(images=900_000, batch=128, rate=1e-3, warmup=50_000, ema=0.999, clip=200.0),
)
def dense_vae(side: int = 28, latent_dim: int = 20, hidden: int = 400) -> VAE:
    """A VAE without convolutions, with one hidden layer in encoder and decoder, as in the paper."""
    return VAE((1, side, side), latent_dim, likelihood="bernoulli", dense=hidden)
