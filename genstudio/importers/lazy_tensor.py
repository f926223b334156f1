"""Lazy tensors: dtype and shape without data, so that a file's claims are checked before memory is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genstudio.controls import Refusal


class Refused(Refusal):
    """The reason why a file is not read, as the end of a sentence that begins with its name.

    What concerns a field of one format alone has the one sentence in English, as its documentation.
    """

    def __init__(self, en: str, fr: str = ""):
        super().__init__(en, fr or en)


@contextmanager
def reading_untrusted() -> Iterator[None]:
    """Context that turns the errors of damaged bytes, of any type, into Refused."""
    try:
        yield
    except RecursionError:
        raise Refused("it is nested too deep", "il est imbriqué trop profond") from None
    except MemoryError:
        raise Refused("it asks for more memory than there is", "il demande plus de mémoire qu’il n’y en a") from None
    except ValueError as error:
        if isinstance(error, Refusal):
            raise
        raise Refused("it is truncated or broken", "il est tronqué ou abîmé") from None
    except PermissionError:
        raise
    except Exception:
        raise Refused("it is truncated or broken", "il est tronqué ou abîmé") from None


@dataclass
class Storage:
    """A contiguous storage of `count` elements, whose bytes `read` returns."""

    dtype: torch.dtype
    count: int
    read: Callable[[], bytes] | None = None

    def tensor(self, offset: Any, shape: Any, strides: Any) -> Stored:
        """A strided view of the storage. Raises Refused if it is malformed or reaches beyond it."""
        numbers = (offset, *shape, *strides) if isinstance(shape, tuple) and isinstance(strides, tuple) else ("",)
        if not all(type(n) is int and 0 <= n < 2**48 for n in numbers) or len(shape) != len(strides) or len(shape) > 8:
            raise Refused(
                f"it has a tensor of shape {shown(shape)}, which is none",
                f"il a un tenseur de forme {shown(shape)}, qui n’en est pas une",
            )
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        count = math.prod(shape)
        # Strides of 0 can expand a small storage to a tensor of any size.
        if count and (last >= self.count or count > self.count):
            raise Refused(
                f"it has a tensor of shape {shown(shape)}, for which it holds too few numbers",
                f"il a un tenseur de forme {shown(shape)}, pour lequel il a trop peu de nombres",
            )

        def read() -> Tensor:
            raw = bytearray(self.read()) if self.read else bytearray()
            empty = torch.empty(0, dtype=self.dtype)
            flat = torch.frombuffer(raw, dtype=self.dtype, count=self.count) if self.count else empty
            return flat.as_strided(shape, strides, offset).clone()

        return Stored(shape, self.dtype, read)


@dataclass(frozen=True)
class Stored:
    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def shown(value: Any) -> str:
    """An untrusted value for an error message: at most 80 characters, on one line."""
    return " ".join(str(value)[:80].split())
