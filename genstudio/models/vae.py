"""Variational auto-encoders: a picture becomes a small Gaussian cloud of codes, and a code a picture.

Kingma and Welling 2013 (arXiv:1312.6114); Rybkin et al. 2021 (arXiv:2006.13202) for the learned noise level; Ghosh et
al. 2020 (arXiv:1903.12436) for the prior that is fitted after training.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from genstudio.layers.conv import Decoder, Encoder
from genstudio.model import Batch, Model, Noise, Text, Truncation
from genstudio.objectives.likelihood import bernoulli, gaussian, kl_standard_normal
from genstudio.system import Recipe, system


class VAE(Model):
    """Convolutional VAE.

    `bernoulli` reads grey levels as probabilities of ink and learns from a fresh binary picture each time (dynamic
    binarization). `gaussian` learns one noise level sigma for all pixels, which balances sharpness against order in
    the latent space by itself, where a fixed beta would have to be tuned.

    Training pulls the codes towards N(0, I), but never all the way: between the classes stay gaps that no picture fills,
    and a code drawn there decodes to mush. So pictures are drawn from what the codes really became, a Gaussian for each
    of the `kinds` of pictures. The bound on the likelihood is still that of N(0, I).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        codes: int,
        widths: tuple[int, ...],
        blocks: int = 1,
        likelihood: Literal["bernoulli", "gaussian"] = "gaussian",
        kinds: int = 1,
    ):
        super().__init__()
        self.image_shape, self.codes, self.likelihood = image_shape, codes, likelihood
        self.encoder = Encoder(image_shape, widths, blocks, 2 * codes)
        self.decoder = Decoder(image_shape, widths, blocks, codes)
        if likelihood == "gaussian":
            self.log_sigma = nn.Parameter(torch.tensor(-1.0))
        # The prior that is drawn from: N(0, I) until `finish` has seen the codes.
        self.register_buffer("prior_share", torch.full((kinds,), 1 / kinds))
        self.register_buffer("prior_mean", torch.zeros(kinds, codes))
        self.register_buffer("prior_factor", torch.zeros(kinds, codes, codes))  # L of the covariance L L'
        self.prior_factor.diagonal(dim1=1, dim2=2).fill_(1)

    # verbs

    def latents(self, noise: Noise) -> Tensor:
        ladder = self.prior_share.float().cumsum(0)
        kind = torch.searchsorted(ladder, noise.uniform(1)).squeeze(1).clamp_max(len(ladder) - 1)  # (n,)
        # Summed by hand: autocast would multiply matrices in half precision, and a seed is to be the same code everywhere.
        steps = (self.prior_factor[kind].float() * noise.normal(self.codes)[:, None, :]).sum(2)
        return self.prior_mean[kind] + steps

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

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        log_likelihood, kl = self.elbo(batch.images)
        yield "model", {"reconstruction": -log_likelihood.mean(), "kl": kl.mean()}

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch]) -> None:
        """Fits the prior: for each class of pictures, the Gaussian that its codes, clouds included, add up to."""
        means, variances, labels = [], [], []
        for batch in batches:
            mean, log_variance = self._posterior(batch.images)
            means.append(mean)
            variances.append(log_variance.exp())
            labels.append(torch.zeros(len(batch), dtype=torch.long) if batch.labels is None else batch.labels.cpu())
        mean, variance, label = torch.cat(means), torch.cat(variances), torch.cat(labels)
        kinds = len(self.prior_share)
        label = label.to(mean.device) % kinds  # a set with more classes than this model has kinds shares them
        for kind in range(kinds):
            own = label == kind
            if own.sum() <= self.codes:
                continue  # too few codes for a covariance: this kind keeps N(0, I) and is not drawn
            covariance = torch.cov(mean[own].T) + torch.diag(variance[own].mean(0))
            self.prior_mean[kind] = mean[own].mean(0)
            self.prior_factor[kind] = torch.linalg.cholesky(covariance)
            self.prior_share[kind] = own.float().mean()
        fitted = torch.bincount(label, minlength=kinds) > self.codes
        if fitted.any():
            self.prior_share *= fitted
            self.prior_share /= self.prior_share.sum()

    def _posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x), in float32: a variance has no room in eight bits."""
        mean, log_variance = self.encoder(images).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)

    def _mean(self, output: Tensor) -> Tensor:
        """The mean picture of p(x|z): sigmoid(logit) on [0, 1] is tanh(logit / 2) on [-1, 1]."""
        return torch.tanh(output / 2) if self.likelihood == "bernoulli" else torch.tanh(output)


@system(
    title=Text("VAE · handwritten digits · 28 px", "VAE · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=900_000, batch=128, rate=1e-3, warmup=50_000, ema=0.999, clip=200.0),
)
def vae_mnist() -> VAE:
    """A VAE on digits, trained on dynamically binarized pictures; the mean picture is shown."""
    return VAE((1, 28, 28), codes=40, widths=(64, 128), blocks=1, likelihood="bernoulli", kinds=10)


@system(
    title=Text("VAE · cartoon faces · 64 px", "VAE · visages dessinés · 64 px"),
    data="avatars",
    recipe=Recipe(images=680_000, batch=64, rate=8e-4, warmup=20_000, ema=0.999, clip=20_000.0),
)
def vae_avatars() -> VAE:
    """A VAE on cartoon faces in eight drawing styles; it also encodes a picture that you drop or draw."""
    return VAE((3, 64, 64), codes=128, widths=(32, 64, 128, 192), blocks=1, kinds=8)
