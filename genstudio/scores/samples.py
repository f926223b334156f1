"""Samples of models, to score."""

from __future__ import annotations

import torch
from torch import Tensor

from genstudio.model import Frame, Model, Noise, sample
from genstudio.precision import best_precision


def generate(model: Model, seeds: Tensor, device: torch.device, **controls: object) -> Tensor:
    """Samples (n, c, h, w) of a model with a `sample` of its own, on the CPU, in the precision of the page."""
    with torch.no_grad():
        *_, last = best_precision(device).stepwise(model.sample(Noise(seeds.tolist(), device), **controls))
    return on_cpu(last)


def sample_images(model: Model, seeds: Tensor, device: torch.device) -> Tensor:
    """Samples (n, c, h, w) of any model on the CPU, in the caller's precision."""
    *_, last = sample(model, Noise(seeds.tolist(), device))
    return on_cpu(last)


def on_cpu(frame: Frame) -> Tensor:
    return frame.images.float().clamp(-1, 1).cpu()
