"""A prior that is fitted to the codes of an auto-encoder after training (Ghosh et al. 2020, arXiv:1903.12436)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from genstudio.model import Batch, Model, Noise

Posterior = Callable[[Tensor], tuple[Tensor, Tensor]]  # images -> mean and variance (n, codes) of their codes
MAP = 2000  # codes kept for the map of a plane
EMPTY = 255  # the label of a place on the map that was not filled


class FittedPrior(Model):
    """A model that draws its codes from what they became in training: a Gaussian for each of the `kinds` of pictures.

    It is N(0, I) until `fit_prior` has seen the codes. A model with two codes a picture also keeps a map: where
    pictures that were held out lie on its plane, and of which class they are.
    """

    codes: int

    def begin_prior(self, codes: int, kinds: int) -> None:
        """To be called once, by the model's `__init__`."""
        self.codes = codes
        self.register_buffer("prior_share", torch.full((kinds,), 1 / kinds))
        self.register_buffer("prior_mean", torch.zeros(kinds, codes))
        self.register_buffer("prior_factor", torch.zeros(kinds, codes, codes))  # L of the covariance L L'
        self.prior_factor.diagonal(dim1=1, dim2=2).fill_(1)
        if codes == 2:
            self.register_buffer("map_codes", torch.zeros(MAP, 2))
            self.register_buffer("map_labels", torch.full((MAP,), EMPTY, dtype=torch.uint8))

    def latents(self, noise: Noise) -> Tensor:
        ladder = self.prior_share.float().cumsum(0)
        kind = torch.searchsorted(ladder, noise.uniform(1)).squeeze(1).clamp_max(len(ladder) - 1)  # (n,)
        # Summed by hand: autocast would multiply matrices in half precision, and a seed is to be the same code everywhere.
        steps = (self.prior_factor[kind].float() * noise.normal(self.codes)[:, None, :]).sum(2)
        return self.prior_mean[kind] + steps

    @torch.no_grad()
    def fit_prior(self, batches: Iterable[Batch], held_out: Batch | None, posterior: Posterior) -> None:
        """For each class of pictures, the Gaussian that its codes, clouds included, add up to; and the map."""
        means, variances, labels = [], [], []
        for batch in batches:
            mean, variance = posterior(batch.images)
            means.append(mean)
            variances.append(variance)
            labels.append(torch.zeros(len(batch), dtype=torch.long) if batch.labels is None else batch.labels.cpu())
        # Exactly: rounded in half precision, a covariance of few codes is none any more.
        mean, variance, label = torch.cat(means).double(), torch.cat(variances).double(), torch.cat(labels)
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
        if self.codes == 2 and held_out is not None:
            shown = held_out[:MAP]
            labels = torch.zeros(len(shown)) if shown.labels is None else shown.labels
            self.map_codes[: len(shown)] = posterior(shown.images)[0]
            self.map_labels.fill_(EMPTY)[: len(shown)] = labels.to(torch.uint8)
