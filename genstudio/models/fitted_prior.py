"""Prior fitted to the latents of an auto-encoder after training (Ghosh et al. 2020, arXiv:1903.12436)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from genstudio.model import Batch, Model, Noise

Posterior = Callable[[Tensor], tuple[Tensor, Tensor]]  # images -> mean and variance (n, d) of their latents
MAP = 2000  # latents kept for the map of a two-dimensional latent space
EMPTY = 255  # the label of an unused entry of the map


class FittedPrior(Model):
    """A model whose latents are drawn from a Gaussian mixture, fitted with one component for each class.

    It is N(0, I) until `fit_prior`. A model with two latent dimensions also keeps a map: latents and labels of held-out
    images.
    """

    latent_dim: int

    def begin_prior(self, latent_dim: int, components: int, independent: bool = False) -> None:
        """Register the buffers; called once, in the model's `__init__`.

        independent: each dimension has a variance of its own, and there are no covariances: those of 1 000 units would
            take more room than the network.
        """
        self.latent_dim = latent_dim
        self.register_buffer("prior_share", torch.full((components,), 1 / components))
        self.register_buffer("prior_mean", torch.zeros(components, latent_dim))
        if independent:
            self.register_buffer("prior_factor", torch.ones(components, latent_dim))  # standard deviations
        else:
            factor = torch.zeros(components, latent_dim, latent_dim)  # L of the covariance L L'
            self.register_buffer("prior_factor", factor)
            self.prior_factor.diagonal(dim1=1, dim2=2).fill_(1)
        if latent_dim == 2:
            self.register_buffer("map_latents", torch.zeros(MAP, 2))
            self.register_buffer("map_labels", torch.full((MAP,), EMPTY, dtype=torch.uint8))

    def latents(self, noise: Noise) -> Tensor:
        cumulative = self.prior_share.float().cumsum(0)
        component = torch.searchsorted(cumulative, noise.uniform(1)).squeeze(1).clamp_max(len(cumulative) - 1)  # (n,)
        factor, normal = self.prior_factor[component].float(), noise.normal(self.latent_dim)
        # A sum, not a matrix product, which autocast would compute in half precision: latents of a seed must be exact.
        offset = factor * normal if factor.dim() == 2 else (factor * normal[:, None, :]).sum(2)
        return self.prior_mean[component] + offset

    def mapped(self) -> Tensor:
        """Latents of held-out images, `MAP` rows, of which those with the label `EMPTY` are unused."""
        return self.map_latents

    @torch.no_grad()
    def fit_prior(self, batches: Iterable[Batch], held_out: Batch | None, posterior: Posterior) -> None:
        """Fit to each class the Gaussian with the moments of its aggregate posterior, and store the map."""
        means, variances, labels = [], [], []
        for batch in batches:
            mean, variance = posterior(batch.images)
            means.append(mean)
            variances.append(variance)
            labels.append(torch.zeros(len(batch), dtype=torch.long) if batch.labels is None else batch.labels.cpu())
        # In float64: rounded to half precision, the covariance of few latents is not positive definite.
        mean, variance, label = torch.cat(means).double(), torch.cat(variances).double(), torch.cat(labels)
        components = len(self.prior_share)
        label = label.to(mean.device)
        # Classes beyond the number of components share them; an image without a class belongs to none of several.
        label = torch.where((label < 0) & (components > 1), -1, label % components)
        for k in range(components):
            own = label == k
            if own.sum() <= self.latent_dim:
                continue  # too few latents for a covariance: this component keeps N(0, I) and is not drawn
            self.prior_mean[k] = mean[own].mean(0)
            if self.prior_factor.dim() == 2:
                self.prior_factor[k] = (mean[own].var(0) + variance[own].mean(0)).sqrt()
            else:
                self.prior_factor[k] = cholesky(torch.cov(mean[own].T) + torch.diag(variance[own].mean(0)))
            self.prior_share[k] = own.float().mean()
        fitted = torch.bincount(label[label >= 0], minlength=components) > self.latent_dim
        if fitted.any():
            self.prior_share *= fitted
            self.prior_share /= self.prior_share.sum()
        self.keep_map(held_out, posterior)

    @torch.no_grad()
    def keep_map(self, held_out: Batch | None, posterior: Posterior) -> None:
        """Store latents and labels of held-out images, for a latent space of two dimensions."""
        if self.latent_dim == 2 and held_out is not None:
            shown = held_out[:MAP]
            labels = torch.zeros(len(shown)) if shown.labels is None else shown.labels
            self.map_latents[: len(shown)] = posterior(shown.images)[0]
            self.map_labels.fill_(EMPTY)[: len(shown)] = labels.to(torch.uint8)


def cholesky(covariance: Tensor) -> Tensor:
    """Cholesky factor of a covariance; one of equal pictures, which is singular, gets a little more variance."""
    factor, failed = torch.linalg.cholesky_ex(covariance)
    variance = 1e-6 * covariance.diagonal().mean().clamp_min(1e-6)
    while failed:
        covariance = covariance + variance * torch.eye(len(covariance)).to(covariance)
        factor, failed = torch.linalg.cholesky_ex(covariance)
        variance = 10 * variance
    return factor
