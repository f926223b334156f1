"""Scores of diffusion models: the variational bound on the likelihood, and samples to score."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from genstudio.model import Model, Noise
from genstudio.precision import best_precision
from genstudio.scores.intervals import Score, average
from genstudio.scores.network import as_floats

BATCH = 100
LIKELIHOODS = 500  # held-out images
PARTS = 24  # strata of the timesteps, one timestep drawn from each for every image


def generate(model: Model, seeds: Tensor, device: torch.device, **controls: object) -> Tensor:
    """Samples (n, c, h, w) of a diffusion model on the CPU, in the same precision as on the page."""
    with torch.no_grad():
        *_, last = best_precision(device).stepwise(model.sample(Noise(seeds.tolist(), device), **controls))
    return last.images.float().clamp(-1, 1).cpu()


@torch.no_grad()
def bits_per_dimension(model: Model, images: Tensor) -> Score:
    """Variational bound of uint8 images (n, c, h, w), unconditional (Ho et al. 2020, arXiv:2006.11239, equation 5).

    The sum over the timesteps is a stratified Monte Carlo estimate: the discrete decoder term is always computed, and
    one timestep in each of `PARTS` ranges stands for its range.
    """
    steps, device = model.schedule.steps, images.device
    bounds = torch.linspace(1, steps, PARTS + 1).round().long().tolist()

    def nats(x: Tensor) -> Tensor:
        found = model.nats_of_prior(x) + model.nats(x, torch.zeros(len(x), dtype=torch.long, device=device))
        for low, high in pairwise(bounds):
            found = found + (high - low) * model.nats(x, torch.randint(low, high, (len(x),), device=device))
        return found

    total = torch.cat([nats(as_floats(part)).cpu() for part in images.split(BATCH)])
    return average(total / (images[0].numel() * math.log(2)))
