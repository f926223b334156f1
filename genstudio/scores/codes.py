"""Scores of codes: what a linear classifier reads in them, how active they are, and what becomes of other inputs.

A linear probe (Alain and Bengio 2016, arXiv:1610.01644) is a logistic regression on frozen codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from genstudio.data import Pictures
from genstudio.model import Model, Noise
from genstudio.models.autoencoder import DenoisingAutoEncoder, Regression, masked, noised
from genstudio.models.sparse import KLSparseAutoEncoder, LinearAutoEncoder
from genstudio.models.vae import BETAS, BetaVAE
from genstudio.scores.intervals import Score, average, ratio, share
from genstudio.scores.network import as_floats, in_batches
from genstudio.scores.pca import PCA
from genstudio.scores.translation import psnr

Scores = Iterator[tuple[str, Score]]

def of_codes(model: Model, training: Pictures, test: Pictures, samples: int, device: torch.device) -> Scores:
    """The scores that apply to an auto-encoder, or to a decoder that was trained by regression alone."""
    images, held_out = training.images.to(device), test.images.to(device)
    if hasattr(model, "encode"):
        yield from reconstruction(model, images, held_out)
        if labelled(training) and labelled(test):
            yield from linear_probe(getattr(model, "activations", model.encode), training, test, device)
    if hasattr(model, "activations"):
        yield from activity(model, held_out)
    if isinstance(model, DenoisingAutoEncoder):
        yield from denoised(model, held_out)
    if type(model) is LinearAutoEncoder and model.units >= held_out[0].numel():
        yield from foreign(model, images, held_out)
    if isinstance(model, BetaVAE):
        yield from coefficients(model, held_out)
    if isinstance(model, Regression):
        yield from regression(model, images, held_out, samples)


def squared_error(images: Tensor, others: Tensor) -> Tensor:
    """Mean squared error of each image over its pixels, on [-1, 1]: (n,)."""
    return (images - others).square().flatten(1).mean(1)


def reconstruction(model: Model, training: Tensor, held_out: Tensor) -> Scores:
    """Squared errors of reconstructed held-out images, of the model and of PCA with as many numbers, of a sparse code
    the active ones."""
    ours = in_batches(lambda x: squared_error(x, model.decode(model.encode(x))), held_out)
    yield "squared error", average(ours)
    dimensions = getattr(model, "active", None) or model.encode(as_floats(held_out[:1])).numel()
    if dimensions >= held_out[0].numel():
        return  # PCA would lose nothing
    pca = PCA.fit(training, dimensions)
    theirs = in_batches(lambda x: squared_error(x, pca(x)), held_out)
    yield f"squared error of PCA ({dimensions} codes)", average(theirs)
    yield "squared error over PCA's", ratio(ours, theirs)


# Linear probe ---------------------------------------------------------------------------------------------------

PENALTIES = (1e-2, 1e-3, 1e-4)  # of the squared weights, beside the mean cross entropy
VALIDATION = 6  # one training image in so many chooses among them
ITERATIONS = 60  # of L-BFGS


class Probe(NamedTuple):
    """Logistic regression on standardized codes."""

    mean: Tensor  # (d,)
    scale: Tensor  # (d,)
    weights: Tensor  # (d + 1, classes), the last row a bias

    def __call__(self, codes: Tensor) -> Tensor:
        """Logits (n, classes)."""
        return _logits(self.weights, (codes - self.mean) / self.scale)


def _logits(weights: Tensor, codes: Tensor) -> Tensor:
    return codes @ weights[:-1] + weights[-1]


def fit_probe(codes: Tensor, labels: Tensor, penalty: float, start: Tensor | None = None) -> Probe:
    """Fit to codes (n, d) and labels (n,), by L-BFGS, from the weights `start` if given.

    Codes are divided by one number, the root mean square of all standard deviations: a rarely active unit of a sparse
    code is not to weigh more than the others.
    """
    mean = codes.mean(0)
    scale = codes.var(0).mean().sqrt().clamp_min(1e-8).expand(codes.shape[1])
    x = (codes - mean) / scale
    zeros = torch.zeros(codes.shape[1] + 1, int(labels.max()) + 1, device=codes.device)
    weights = (zeros if start is None else start.clone()).requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=ITERATIONS, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = cross_entropy(_logits(weights, x), labels) + penalty * weights[:-1].square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return Probe(mean, scale, weights.detach())


def best_probe(codes: Tensor, labels: Tensor) -> Probe:
    """The probe of all codes, with the penalty of the fewest errors on a part that was left out."""
    left_out = torch.arange(len(codes), device=codes.device) % VALIDATION == 0
    known, answers = codes[~left_out], labels[~left_out]
    probes, wrong = [], []
    for penalty in PENALTIES:
        probes.append(fit_probe(known, answers, penalty, probes[-1].weights if probes else None))
        wrong.append((probes[-1](codes[left_out]).argmax(1) != labels[left_out]).sum().item())
    best = wrong.index(min(wrong))
    return fit_probe(codes, labels, PENALTIES[best], probes[best].weights)


def labelled(pictures: Pictures) -> bool:
    return pictures.labels is not None and len(pictures.labels[pictures.labels >= 0].unique()) > 1


def linear_probe(code: Callable[[Tensor], Tensor], training: Pictures, test: Pictures, device: torch.device) -> Scores:
    """Share of held-out images that a linear classifier of codes, fitted to those of the training set, gets wrong."""
    sets = []
    for pictures in (training, test):
        known = pictures.labels >= 0
        codes = in_batches(code, pictures.images[known].to(device)).flatten(1)
        sets.append((codes, pictures.labels[known].to(codes.device)))
    (codes, labels), (others, truth) = sets
    yield "linear probe error", share(best_probe(codes, labels)(others).argmax(1) != truth)


# Activity -------------------------------------------------------------------------------------------------------


@torch.no_grad()
def activity(model: Model, images: Tensor) -> Scores:
    """Mean activation of a sparse code over held-out images, or its number of active units, and the units in use."""
    found = in_batches(model.activations, images)
    if isinstance(model, KLSparseAutoEncoder):
        yield "mean activation", average(found.mean(1))
        yield "units active for some picture", share((found > 0.5).any(0))
    else:
        yield "active units of the code", average((found != 0).sum(1))
        yield "units active for some picture", share((found != 0).any(0))


# Other inputs ---------------------------------------------------------------------------------------------------

FEW_CODES = 16
MASKED, SIGMA = 0.25, 0.3  # a quarter of the pixels, as Vincent et al. 2010; of pixels in [0, 1]


@torch.no_grad()
def denoised(model: DenoisingAutoEncoder, images: Tensor) -> Scores:
    """PSNR gain on corrupted held-out images, and the PSNR that they have before, for each corruption."""
    images = as_floats(images)
    for name, corrupt, amount in (("masking", masked, MASKED), ("Gaussian noise", noised, SIGMA)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            corrupted = corrupt(images, amount)
        made = in_batches(lambda x: model.decode(model.encode(x)), corrupted).to(images.device)
        before, after = psnr(corrupted, images).cpu(), psnr(made, images).cpu()
        yield f"PSNR of {name} {amount:.0%} (dB)", average(before)
        yield f"PSNR gain on {name} {amount:.0%} (dB)", average(after - before)


@torch.no_grad()
def foreign(model: Model, training: Tensor, images: Tensor) -> Scores:
    """Squared errors on inputs unlike the training set: uniform noise, and inverted held-out images; and those of PCA,
    which has learned what to keep."""
    images = as_floats(images)
    pca = PCA.fit(training, FEW_CODES)
    noise = 2 * torch.rand(images.shape, generator=torch.Generator().manual_seed(0)).to(images.device) - 1
    for name, given in (("noise", noise), ("inverted pictures", -images)):
        ours = in_batches(lambda x: squared_error(x, model.decode(model.encode(x))), given)
        yield f"squared error on {name}", average(ours)
        yield f"squared error of PCA on {name} ({FEW_CODES} codes)", average(
            in_batches(lambda x: squared_error(x, pca(x)), given)
        )


@torch.no_grad()
def regression(model: Regression, training: Tensor, images: Tensor, samples: int) -> Scores:
    """The squared error of samples to held-out images, and its two parts: their distance to the mean training image,
    and the variance of held-out images around it."""
    mean = sum(as_floats(part).double().sum(0) for part in training.split(1024)) / len(training)
    made = model.decode(model.latents(Noise(range(samples), images.device))).double()
    yield "squared distance of samples to the mean picture", average(squared_error(made, mean))
    images = as_floats(images)
    yield "variance around the mean picture", average(squared_error(images, mean.float()))
    yield "squared error of samples", average(squared_error(images, made[torch.arange(len(images)) % samples].float()))


# The coefficient beta -------------------------------------------------------------------------------------------


@torch.no_grad()
def coefficients(model: BetaVAE, images: Tensor) -> Scores:
    """Reconstruction -E log p(x|z) and KL of held-out images, in nats, at each of `BETAS`."""
    for beta in BETAS:
        with torch.random.fork_rng():
            torch.manual_seed(0)  # the same bits and samples of z at each

            def terms(x: Tensor, beta: float = beta) -> Tensor:
                log_likelihood, kl = model.elbo(x, x.new_full((len(x),), beta))
                return torch.stack([-log_likelihood, kl], 1)

            reconstruction, kl = in_batches(terms, images).unbind(1)
        yield f"reconstruction at beta {beta:g} (nats)", average(reconstruction)
        yield f"KL at beta {beta:g} (nats)", average(kl)
