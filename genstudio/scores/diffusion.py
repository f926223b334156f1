"""What is measured of diffusion models alone: the bound on their likelihood."""

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
LIKELIHOODS = 500  # held-out pictures whose likelihood is bounded
PARTS = 24  # of the times, one drawn from each for every picture


def drawn(model: Model, seeds: Tensor, device: torch.device, **controls: object) -> Tensor:
    """Samples (n, c, h, w) on the CPU, of a model that comes about in many steps: in the precision that visitors get."""
    with torch.no_grad():
        *_, last = best_precision(device).stepwise(model.sample(Noise(seeds.tolist(), device), **controls))
    return last.images.float().clamp(-1, 1).cpu()


@torch.no_grad()
def bits_per_dimension(model: Model, images: Tensor) -> Score:
    """The variational bound over bytes (n, c, h, w), no class being told: DDPM's equation 5. Its first term, which reads
    the grey levels, is always taken; of the others one in each of `PARTS` ranges of times stands for its range."""
    steps, device = model.schedule.steps, images.device
    bounds = torch.linspace(1, steps, PARTS + 1).round().long().tolist()

    def nats(x: Tensor) -> Tensor:
        found = model.nats_of_prior(x) + model.nats(x, torch.zeros(len(x), dtype=torch.long, device=device))
        for low, high in pairwise(bounds):
            found = found + (high - low) * model.nats(x, torch.randint(low, high, (len(x),), device=device))
        return found

    total = torch.cat([nats(as_floats(part)).cpu() for part in images.split(BATCH)])
    return average(total / (images[0].numel() * math.log(2)))
