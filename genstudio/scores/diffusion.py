"""Samples of iterative models, to score."""

from __future__ import annotations

import torch
from torch import Tensor

from genstudio.model import Model, Noise
from genstudio.precision import best_precision


def generate(model: Model, seeds: Tensor, device: torch.device, **controls: object) -> Tensor:
    """Samples (n, c, h, w) of a diffusion model on the CPU, in the same precision as on the page."""
    with torch.no_grad():
        *_, last = best_precision(device).stepwise(model.sample(Noise(seeds.tolist(), device), **controls))
    return last.images.float().clamp(-1, 1).cpu()
