"""Tensors of which only kind and shape are known so far: what a file says of them is checked before memory is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class Refused(ValueError):
    """Why a file is not read, as the end of a sentence that begins with its name."""


@dataclass
class Storage:
    """So many numbers of a kind, one after the other. `read` gives their bytes."""

    dtype: torch.dtype
    count: int
    read: Callable[[], bytes] | None = None

    def tensor(self, offset: Any, shape: Any, strides: Any) -> Stored:
        """A view of them, all of which must lie inside."""
        numbers = (offset, *shape, *strides) if isinstance(shape, tuple) and isinstance(strides, tuple) else ("",)
        if not all(type(n) is int and 0 <= n < 2**48 for n in numbers) or len(shape) != len(strides) or len(shape) > 8:
            raise Refused(f"it has a tensor of shape {shown(shape)}, which is none")
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        held = math.prod(shape)
        # A stride of 0 makes much of little: such a tensor would take memory that the file does not have.
        if held and (last >= self.count or held > self.count):
            raise Refused(f"it has a tensor of shape {shown(shape)}, for which it holds too few numbers")

        def read() -> Tensor:
            raw = bytearray(self.read()) if self.read else bytearray()
            flat = torch.frombuffer(raw, dtype=self.dtype, count=self.count) if self.count else torch.empty(0, dtype=self.dtype)
            return flat.as_strided(shape, strides, offset).clone()

        return Stored(shape, self.dtype, read)


@dataclass(frozen=True)
class Stored:
    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]

    @property
    def count(self) -> int:
        """How many numbers it is of."""
        return math.prod(self.shape)


def shown(value: Any) -> str:
    """A stranger's word in our sentence: short, and in one line."""
    return " ".join(str(value)[:80].split())
