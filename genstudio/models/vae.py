"""Variational auto-encoders: an encoder to a Gaussian posterior over latents, and a decoder to a likelihood of images.

Kingma and Welling 2013 (arXiv:1312.6114); Rybkin et al. 2021 (arXiv:2006.13202) for the learned noise level; Ghosh et
al. 2020 (arXiv:1903.12436) for the prior that is fitted after training. Higgins et al. 2017 (openreview.net/forum?id=
Sy2fzU9gl) for the coefficient beta of the KL term.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from genstudio.controls import Refusal, Slider, Text, Truncation, french
from genstudio.layers.conv import Decoder, Encoder
from genstudio.layers.dense import ConditionedDense
from genstudio.model import Batch, Progress
from genstudio.models.fitted_prior import MAP, FittedPrior
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


# The coefficient beta --------------------------------------------------------------------------------------------

MOST_BETA = 10.0
BETAS = (0.0, 1.0, 2.0, 5.0, 10.0)  # of the scores and maps

Beta = Annotated[
    float,
    Slider(
        0.0,
        MOST_BETA,
        0.1,
        title=Text("Coefficient β of the KL term", "Coefficient β du terme KL"),
        hint=Text(
            "Loss: the sum over pixels plus β KL, in nats; 1 is the ELBO. For a mean over 784 pixels it is β/784.",
            "Perte : la somme sur les pixels plus β KL, en nats ; 1 : l’ELBO. Pour une moyenne sur 784 pixels : β/784.",
        ),
    ),
]


def check_beta(beta: Tensor) -> Tensor:
    """Raise ValueError for a coefficient out of range."""
    wrong = beta[~((beta >= 0) & (beta <= MOST_BETA))]  # NaN too
    if len(wrong):
        raise Refusal(
            f"beta must lie between 0 and {MOST_BETA:g}, not {wrong[0]:g}",
            f"beta : de 0 à {MOST_BETA:g}, et non {french(wrong[0].item())}",
        )
    return beta


class BetaVAE(FittedPrior):
    """Dense VAE of binarized images for all coefficients beta in [0, 10]: both networks are conditioned on it.

    Its prior stays N(0, I), whatever beta makes of the aggregate posterior: random samples show how far they differ.
    With two latent dimensions it keeps a map for each of `BETAS`.
    """

    bound = True
    likelihood_of = "binary"

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, hidden: tuple[int, ...]):
        super().__init__()
        self.image_shape = image_shape
        pixels = math.prod(image_shape)
        self.encoder = ConditionedDense((pixels, *hidden, 2 * latent_dim))
        self.decoder = ConditionedDense((latent_dim, *reversed(hidden), pixels))
        self.begin_prior(latent_dim, components=1)
        if latent_dim == 2:
            self.register_buffer("map_latents_of_betas", torch.zeros(len(BETAS), MAP, 2))

    # verbs

    def encode(self, images: Tensor, *, beta: Beta = 1.0) -> Tensor:
        return self.posterior(images, images.new_full((len(images),), beta))[0]

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0, beta: Beta = 1.0) -> Tensor:
        return torch.tanh(self.logits(latents * truncation, latents.new_full((len(latents),), beta)) / 2)

    def mapped(self, beta: float = 1.0) -> Tensor:
        """Latents of held-out images at the coefficient of `BETAS` that is nearest."""
        return self.map_latents_of_betas[min(range(len(BETAS)), key=lambda i: abs(BETAS[i] - beta))]

    # training

    def posterior(self, images: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x) (n, d), in float32, at coefficients (n,)."""
        mean, log_variance = self.encoder(images.flatten(1), condition(beta)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)

    def logits(self, latents: Tensor, beta: Tensor) -> Tensor:
        """Logits of pixels (n, c, h, w)."""
        return self.decoder(latents, condition(beta)).reshape(-1, *self.image_shape)

    def elbo(self, images: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        """E log p(x|z), by one sample of z and of the binary pixels, and KL(q(z|x) || p(z)): both (n,), in nats."""
        images = torch.bernoulli((images + 1) / 2) * 2 - 1
        mean, log_variance = self.posterior(images, beta)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        log_likelihood = bernoulli(self.logits(z, beta).float(), (images + 1) / 2)
        return log_likelihood, kl_standard_normal(mean, log_variance)

    def nats(self, images: Tensor) -> Tensor:
        """The negative ELBO (n,), whose coefficient is 1."""
        log_likelihood, kl = self.elbo(images, images.new_ones(len(images)))
        return kl - log_likelihood

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """At the coefficients (n,) of the batch's conditions, else at some drawn anew, small ones more often."""
        if (beta := batch.conditions.get("beta")) is None:
            beta = MOST_BETA * torch.rand(len(batch), device=batch.images.device).square()
        log_likelihood, kl = self.elbo(batch.images, check_beta(beta))
        terms = {"reconstruction": -log_likelihood.mean(), "beta kl": (beta * kl).mean()}
        yield "model", terms | {"kl": kl.mean().detach()}

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        if self.latent_dim == 2 and held_out is not None:
            shown = held_out.images[:MAP]
            self.keep_map(held_out, lambda images: (self.encode(images), torch.zeros(())))
            for row, beta in zip(self.map_latents_of_betas, BETAS, strict=True):
                row[: len(shown)] = self.encode(shown, beta=beta)


def condition(beta: Tensor) -> Tensor:
    """Input (n,) of the modulations in [0, 1], which resolves small coefficients."""
    return (beta / MOST_BETA).sqrt()


# Systems --------------------------------------------------------------------------------------------------------


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


BETA = Recipe(images=3_000_000, batch=128, rate=1e-3, warmup=50_000, ema=0.999, clip=200.0)


@system(title=Text("β-VAE · digits · 28 px", "β-VAE · chiffres · 28 px"), data="mnist", recipe=BETA)
def beta_vae_mnist() -> BetaVAE:
    """A VAE with 16 latent dimensions and a slider for the coefficient of its KL term."""
    return BetaVAE((1, 28, 28), latent_dim=16, hidden=(400, 200))


@system(title=Text("β-VAE · digits on a plane", "β-VAE · chiffres sur un plan"), data="mnist", recipe=BETA)
def beta_vae2d_mnist() -> BetaVAE:
    """A VAE with two latent dimensions and a slider for the coefficient of its KL term: what it does to the map."""
    return BetaVAE((1, 28, 28), latent_dim=2, hidden=(400, 200))
