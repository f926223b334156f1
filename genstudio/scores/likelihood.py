"""Likelihoods of held-out pictures, in nats and bits per dimension.

Each names its data: binary pixels, 256 levels, or real numbers. Those of different data are not comparable.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genstudio.images import from_uint8
from genstudio.model import Model
from genstudio.scores.network import in_batches

PASSES = 2  # estimates of a bound, averaged
SLOW_IMAGES = 500  # of a slow model, which runs its network many times for each
BITS_SEED = 0  # of the binary pixels of test images, drawn once for all models
SAMPLES, IMAGES = 1000, 50  # importance samples of each image, and images
FULL_SAMPLES = 5000  # of all images, as in the paper on Sylvester flows (arXiv:1803.05649)
CHUNK = 250  # importance samples at once
DATA = {"binary": "binary pixels", "grey levels": "256 levels", "real": "real pixels"}  # in names of scores


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
    chance = (from_uint8(images).cpu() + 1) / 2
    return (2 * torch.bernoulli(chance, generator=torch.Generator().manual_seed(BITS_SEED)) - 1).to(images.device)


def importance_sampled(model: Model, images: Tensor, samples: int) -> Tensor:
    """-log p of uint8 images in nats (n,), by the mean of `samples` importance weights (Burda et al. 2016,
    arXiv:1509.00519): in expectation an upper bound, which more samples lower."""
    found = []
    for image in observed(model, images).split(1):
        image = from_uint8(image) if image.dtype == torch.uint8 else image
        parts = [model.log_weights(image, min(CHUNK, samples - i)) for i in range(0, samples, CHUNK)]
        found.append(math.log(samples) - torch.logsumexp(torch.cat(parts, 1).double(), 1))
    return torch.cat(found).float().cpu()


def bits_per_dimension(model: Model, nats: Tensor, dimensions: int) -> Tensor:
    """Bits per dimension (n,) of 8-bit images from nats: a density on [-1, 1] has levels 1 / 127.5 wide."""
    bits = nats / (dimensions * math.log(2))
    return bits + math.log2(127.5) if model.likelihood_of == "real" else bits
