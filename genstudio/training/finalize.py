"""Post-processing of EMA weights before use: batch-norm statistics, a fitted prior."""

from __future__ import annotations

import math

import torch
from torch import nn

from genstudio.data import Batches
from genstudio.model import Batch, Model, Noise, Progress, generates, sample


@torch.no_grad()
def refresh_batch_norm(model: Model, batches: Batches, device: torch.device, count: int) -> None:
    """Recompute batch-norm statistics of EMA weights over `count` batches: the copied ones are of the raw weights."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momentum = [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # a cumulative mean over all batches
    for m in norms:
        m.train()  # the norms alone: active dropout would change the variances that they measure
    with torch.random.fork_rng():
        for k in range(count):
            if generates(model):
                for _ in sample(model, Noise(range(k * batches.size, (k + 1) * batches.size), device)):
                    pass
            else:
                for _ in model.losses(batches[k].to(device), Progress()):
                    pass
    model.eval()
    for m, value in zip(norms, momentum, strict=True):
        m.momentum = value


def finish(
    model: Model, batches: Batches, device: torch.device, pictures: int, held_out: Batch | None = None
) -> None:
    """Prepare EMA weights for use: batch-norm statistics, then the model's own `finish`, such as a fitted prior."""
    count = math.ceil(min(pictures, len(batches.pictures)) / batches.size)
    refresh_batch_norm(model, batches, device, min(count, 50))
    model.finish((batches[k].to(device) for k in range(count)), held_out)
