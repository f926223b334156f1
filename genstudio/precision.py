"""Which number format and memory layout a device computes fastest in: asked of the device once, by a short trial."""

from __future__ import annotations

import ctypes
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import torch


@dataclass(frozen=True)
class Precision:
    """How networks are computed on a device. Outside the network all arithmetic stays float32."""

    device: str
    dtype: torch.dtype
    memory_format: torch.memory_format

    @staticmethod
    def exact(device: torch.device | str) -> Precision:
        """Plain float32, for results that must not depend on the batch."""
        return Precision(torch.device(device).type, torch.float32, torch.contiguous_format)

    @property
    def name(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device, self.dtype, enabled=self.dtype is not torch.float32)


@cache
def keep_memory() -> None:
    """Lets the C library keep large blocks that are freed, where it is glibc's.

    It gives each back to the system, which hands out fresh, zeroed pages for the next layer's output: up to a quarter
    of a small network's time.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD, at its largest
        mallopt(-1, 2**30)  # M_TRIM_THRESHOLD


@cache
def best_precision(device: torch.device | str) -> Precision:
    """bfloat16 where the device has matrix units for it, else float16 on older GPUs and float32 on other CPUs."""
    kind = torch.device(device).type
    if kind == "cuda":
        modern = torch.cuda.get_device_capability(device) >= (8, 0)
        return Precision(kind, torch.bfloat16 if modern else torch.float16, torch.channels_last)
    if kind == "cpu" and _bfloat16_gain() > 1.5:
        return Precision(kind, torch.bfloat16, torch.channels_last)
    return Precision(kind, torch.float32, torch.channels_last)


@torch.no_grad()
def _bfloat16_gain() -> float:
    """How many times faster a 3x3 convolution of 128 channels is in bfloat16 than in float32.

    Counted in this thread's own processor time, on this thread alone, so that a busy neighbour changes nothing.
    """
    best = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for attempt in range(5):
        for dtype in best:
            x = torch.ones(8, 128, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)
            weight = torch.ones(128, 128, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
            start = time.thread_time()
            torch.nn.functional.conv2d(x, weight, padding=1)
            if attempt:  # the first one compiles the kernel
                best[dtype] = min(best[dtype], time.thread_time() - start)
    torch.set_num_threads(threads)
    return best[torch.float32] / best[torch.bfloat16]
