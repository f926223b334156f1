"""Data-parallel training: each process takes its own slice of every batch, and gradients are averaged.

`accelerate launch` or torchrun starts the processes and sets their ranks. Models are not wrapped: DDP's hooks would
miss `losses`, and the players of a game would drift apart unnoticed. All processes begin with the weights of the first
one, and after each player's backward pass its gradients are averaged in one message. Batch norm normalizes each
process's own slice, and the first process's running statistics are kept. Only the first process writes files.
"""

from __future__ import annotations

import atexit
import io
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn

from genstudio.precision import choose_device

# The last message of each kind. A gloo thread releases its reference to a tensor some time after the call; if that were
# the last reference, it would need Python, which may be shutting down by then, and the process would abort.
_sent: dict[str, Tensor] = {}


def join(device: str | None = None) -> tuple[int, int, torch.device]:
    """Join the process group. Returns rank, world size and this process's device: (0, 1, device) for one process."""
    if device is None and os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true":
        device = "cpu"
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_RANK", 0))
    if world == 1:
        return 0, 1, choose_device(device).device
    if device in (None, "cuda") and torch.cuda.is_available():
        if local >= (cards := torch.cuda.device_count()):
            raise ValueError(f"there is no graphics card for process {local}: there are {cards}")
        torch.cuda.set_device(local)  # before `choose_device`, which tries the current card
        device = None if device is None else f"cuda:{local}"
    place = choose_device(device)
    if place.trouble:  # a process on the CPU would slow down those with a card
        raise ValueError(place.trouble.en)
    if not distributed.is_initialized():
        cards = "nccl" if distributed.is_nccl_available() else "gloo"
        distributed.init_process_group(f"cpu:gloo,cuda:{cards}" if place.device.type == "cuda" else "gloo")
        atexit.register(distributed.destroy_process_group)  # not earlier: a process that left cannot join again
    here = torch.device("cuda", local) if place.device == torch.device("cuda") else place.device
    return distributed.get_rank(), distributed.get_world_size(), here


def of_first(state: dict[str, Any]) -> dict[str, Any]:
    """Broadcast of the first process's state to every process."""
    if not distributed.is_initialized():
        return state
    packed = io.BytesIO()
    if distributed.get_rank() == 0:
        torch.save(state, packed)
    box = [packed.getvalue()]
    distributed.broadcast_object_list(box, src=0)
    return torch.load(io.BytesIO(box[0]), map_location="cpu", weights_only=True)


def average_(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over all processes, in one message."""
    if not distributed.is_initialized():
        return
    flat = _sent["mean"] = torch.cat([t.flatten() for t in tensors])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    average_([p.grad for p in parameters if p.grad is not None])


def agreed(seconds: float) -> float:
    """Broadcast of the first process's clock, so that all processes stop at the same step."""
    if not distributed.is_initialized():
        return seconds
    clock = _sent["clock"] = torch.tensor(seconds, dtype=torch.float64)
    distributed.broadcast(clock, src=0)
    return clock.item()
