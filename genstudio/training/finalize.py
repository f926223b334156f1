"""Averaged weights made ready to be used: batch norm statistics, a fitted prior."""

from __future__ import annotations

import math

import torch
from torch import nn

from genstudio.data import Batches
from genstudio.model import Batch, Model, Noise, generates, sample


@torch.no_grad()
def refresh_batch_norm(model: Model, batches: Batches, device: torch.device, count: int) -> None:
    """Batch-norm statistics of averaged weights, measured afresh over `count` batches: the copied ones belong to others."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momentum = [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # a plain mean over all batches
    for m in norms:
        m.train()  # they alone: dropout would widen what they see
    with torch.random.fork_rng():
        for k in range(count):
            if generates(model):
                for _ in sample(model, Noise(range(k * batches.size, (k + 1) * batches.size), device)):
                    pass
            else:
                for _ in model.losses(batches[k].to(device), 0):
                    pass
    model.eval()
    for m, value in zip(norms, momentum, strict=True):
        m.momentum = value


def finish(
    model: Model, batches: Batches, device: torch.device, pictures: int, held_out: Batch | None = None
) -> None:
    """What averaged weights need before they can be used: batch-norm statistics, and what the model itself adds."""
    count = math.ceil(min(pictures, len(batches.pictures)) / batches.size)
    refresh_batch_norm(model, batches, device, min(count, 50))
    model.finish((batches[k].to(device) for k in range(count)), held_out)
