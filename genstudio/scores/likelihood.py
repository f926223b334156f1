"""Likelihoods of held-out pictures, in nats and bits per dimension.

Each names its data: binary pixels, 256 levels, or real numbers. Those of different data are not comparable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from genstudio.model import Model
from genstudio.scores.intervals import Score, average
from genstudio.scores.network import as_floats, in_batches, subset

PASSES = 2  # estimates of a bound, averaged
SLOW_IMAGES = 500  # of a slow model, which runs its network many times for each
BITS_SEED = 0  # of the binary pixels of test images, drawn once for all models
SAMPLES, IMAGES = 1000, 50  # importance samples of each image, and images
FULL_SAMPLES = 5000  # of all images, as in the paper on Sylvester flows (arXiv:1803.05649)
CHUNK = 250  # importance samples at once
LEVELS = "256 levels"
DATA = {"binary": "binary pixels", "grey levels": LEVELS, "real": "real pixels"}  # in names of scores


def likelihood_scores(model: Model, images: Tensor) -> Iterator[tuple[str, Score]]:
    """Nats of held-out images, and bits per dimension; of a slow model, of 500 of them. Binary pixels have no bits."""
    images, passes = (subset(images, SLOW_IMAGES), 1) if model.slow else (images, PASSES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = nats(model, images, passes)
    if not model.slow:
        name = "negative ELBO" if model.bound else "negative log-likelihood"
        yield f"{name} of {DATA[model.likelihood_of]} (nats)", average(found)
    if model.likelihood_of != "binary":
        yield f"bits per dimension of {LEVELS}", average(bits_per_dimension(model, found, images[0].numel()))


def importance_scores(model: Model, images: Tensor, full: bool = False) -> Iterator[tuple[str, Score]]:
    """The same likelihood with a thousand importance samples, of 50 images; in full with 5 000, of all of them."""
    samples = FULL_SAMPLES if full else SAMPLES
    images = images if full else subset(images, IMAGES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = importance_sampled(model, images, samples)
    how = f"{samples} importance samples"
    yield f"negative log-likelihood of {DATA[model.likelihood_of]}, {how} (nats)", average(found)
    if model.likelihood_of != "binary":
        bits = bits_per_dimension(model, found, images[0].numel())
        yield f"bits per dimension of {LEVELS}, {how}", average(bits)


def nats(model: Model, images: Tensor, passes: int = PASSES) -> Tensor:
    """-log p of uint8 images (n, c, h, w), or the bound on it, in nats (n,): the mean over `passes` estimates.

    For a density the pixels are dequantized with uniform noise one level wide, without which it could grow without
    bound on discrete values (Theis et al. 2016, arXiv:1511.01844, section 3.1).
    """

    def run(x: Tensor) -> Tensor:
        if model.likelihood_of == "real":
            x = x + (torch.rand_like(x) - 0.5) / 127.5
        return model.nats(x)

    images = observed(model, images)
    return torch.stack([in_batches(run, images) for _ in range(passes)]).mean(0)


def observed(model: Model, images: Tensor) -> Tensor:
    """Pixels that the likelihood is of: binary ones are drawn from grey levels, those of `BITS_SEED` in every run."""
    if model.likelihood_of != "binary":
        return images
    chance = ((as_floats(images).cpu() + 1) / 2).clamp(0, 1)
    return (2 * torch.bernoulli(chance, generator=torch.Generator().manual_seed(BITS_SEED)) - 1).to(images.device)


def importance_sampled(model: Model, images: Tensor, samples: int) -> Tensor:
    """-log p of uint8 images in nats (n,), by the mean of `samples` importance weights (Burda et al. 2016,
    arXiv:1509.00519): in expectation an upper bound, which more samples lower."""
    found = []
    for image in observed(model, images).split(1):
        image = as_floats(image)
        parts = [model.log_weights(image, min(CHUNK, samples - i)) for i in range(0, samples, CHUNK)]
        found.append(math.log(samples) - torch.logsumexp(torch.cat(parts, 1).double(), 1))
    return torch.cat(found).float().cpu()


def bits_per_dimension(model: Model, nats: Tensor, dimensions: int) -> Tensor:
    """Bits per dimension (n,) of 8-bit images from nats: a density on [-1, 1] has levels 1 / 127.5 wide."""
    bits = nats / (dimensions * math.log(2))
    return bits + math.log2(127.5) if model.likelihood_of == "real" else bits
