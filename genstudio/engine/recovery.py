"""Recovery from out-of-memory, in smaller parts, and from float16 overflow, in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

from genstudio.controls import Refusal, Text
from genstudio.engine.loaded import LoadedModel

Item = TypeVar("Item")

PICTURES, PIXELS = "pictures", "pixels"  # units of the size of a part


def guarded(
    loaded: LoadedModel, unit: str, size: int, attempt: Callable[[int], Iterator[Item]], least: int = 1
) -> Iterator[Item]:
    """The items of `attempt(size)`, which starts over after an error that a smaller size or float32 avoids.

    Items given before the error are skipped: an attempt yields the same items again, and no fewer for a smaller size.
    size: of a part of the work, in `unit`; less where it is known that no more fits into memory.
    least: smallest size that a part can have.
    """
    size, given = min(size, loaded.fits.get(unit, size)), 0
    while True:
        dtype = loaded.precision.dtype
        try:
            with closing(attempt(size)) as items:
                for item in islice(items, given, None):
                    given += 1
                    yield item
            return
        except (torch.OutOfMemoryError, ArithmeticError) as error:
            size = _recover(loaded, unit, size, least, dtype, error)


def _recover(loaded: LoadedModel, unit: str, size: int, least: int, dtype: torch.dtype, error: Exception) -> int:
    """Size to retry with: half of it after out-of-memory, the same after a switch from float16 to float32.

    Raises the error where there is no other way.
    """
    if isinstance(error, torch.OutOfMemoryError):
        if size // 2 < least:
            raise Refusal(
                "the graphics card has no memory left for even one picture",
                "la carte graphique n’a plus de mémoire, même pour une image",
            ) from None
        loaded.fits[unit] = size // 2
        return loaded.fits[unit]
    if dtype is not torch.float16:  # of the attempt: another visitor's work may have left float16 in the meantime
        raise error
    if loaded.precision.dtype is torch.float16:
        loaded.leave_float16()
    return size


def finite(loaded: LoadedModel, result: Tensor) -> Tensor:
    """The result of a network. Raises ArithmeticError where float16 overflowed; `to_uint8` checks other formats."""
    if loaded.precision.dtype is torch.float16 and not result.isfinite().all():
        raise ArithmeticError("the model gave numbers that are not finite")
    return result


def room_for(pictures: int) -> Text:
    return Text(
        f"There was too little memory for more pictures at once than {pictures}: more are computed part by part.",
        f"La mémoire ne suffit pas à plus d’images à la fois que {pictures} : au-delà, le calcul se fait par parties.",
    )
