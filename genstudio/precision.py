"""Device, number format and memory layout of the networks, chosen once by short trials."""

from __future__ import annotations

import ctypes
import itertools
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple, TypeVar

import torch

from genstudio.controls import Text, number

Item = TypeVar("Item")

TRIAL_SECONDS = 0.05  # of processor time for the trial of a CPU
GAIN = 1.5  # speed-up over float32 from which bfloat16 is worth its loss of digits


@dataclass(frozen=True)
class Precision:
    """Number format and memory layout of networks on a device. Outside the network all arithmetic stays float32."""

    device: str
    dtype: torch.dtype
    memory_format: torch.memory_format
    reason: Text  # for the choice, shown on the page

    @staticmethod
    def exact(device: torch.device | str) -> Precision:
        """float32, for results that must not depend on the batch."""
        where = name_of(device)
        reason = Text(
            f"Computed in float32 on {where.en}, as was asked: slower, and the same for any number of pictures.",
            f"Calcul en float32 sur {where.fr}, comme demandé : plus lent, le même pour tout nombre d’images.",
        )
        return Precision(torch.device(device).type, torch.float32, torch.contiguous_format, reason)

    @property
    def name(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    @property
    def summary(self) -> Text:
        """Number format and device alone."""
        return Text(*(f"{self.name} · {where}" for where in name_of(self.device)))

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device, self.dtype, enabled=self.dtype is not torch.float32)

    def stepwise(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items of a generator that computes. Autocast is entered for each: a yield inside would leak it."""
        while True:
            with self.autocast():
                if (item := next(items, None)) is None:
                    return
            yield item


@cache
def keep_memory() -> None:
    """Let glibc keep large freed blocks.

    By default it returns each to the system, which hands out fresh, zeroed pages for the next layer's output: up to a
    quarter of a small network's time.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD, at its largest
        mallopt(-1, 2**30)  # M_TRIM_THRESHOLD


# The device -----------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A device to compute on."""

    device: torch.device
    trouble: Text | None = None  # with a graphics card that was found and is not used


def choose_device(asked: torch.device | str | None = None) -> Place:
    """The requested device, else the best. Raises ValueError if the requested graphics card cannot be used."""
    place = best_device() if asked is None else Place(torch.device(asked))
    if place.device.type == "cuda":
        if asked is not None and (trouble := trial(place.device)):
            raise ValueError(f"{asked} cannot be used: {trouble}")
        torch.backends.cudnn.allow_tf32 = False  # float32 means exact here, and TF32 keeps 10 of its 23 bits
        torch.backends.cudnn.deterministic = True  # the same bytes in every run
    return place


@cache
def best_device() -> Place:
    """The graphics card if one passes a trial, else the processor."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = torch.cuda.is_available()
    if found:
        if not (trouble := trial("cuda")):
            return Place(torch.device("cuda"))
        card = name_of("cuda")
        return Place(
            torch.device("cpu"),
            Text(
                f"The graphics card {card.en} was found but could not run a trial ({trouble}).",
                f"La carte graphique {card.fr} est là, mais un essai y a échoué ({trouble}).",
            ),
        )
    if caught:  # torch warns and counts no card where, for example, the driver is too old
        trouble = first_line(caught[0].message)
        return Place(
            torch.device("cpu"),
            Text(
                f"A graphics card may be here, but could not be asked ({trouble}).",
                f"Une carte graphique est peut-être là, mais n’a pas répondu ({trouble}).",
            ),
        )
    return Place(torch.device("cpu"))


def trial(device: torch.device | str) -> str | None:
    """The error of a trial on a graphics card, or None.

    A card is listed even where this torch has no kernels for its model, or where other programs hold all its memory;
    only a computation shows that.
    """
    try:
        ones = torch.ones(8, 8, 8, 8, device=device)
        summed = torch.nn.functional.conv2d(ones, ones[:, :, :3, :3], padding=1)  # 9 places of 8 channels, by cuDNN
        result = (summed.flatten(1) @ ones.flatten(1).T).double().sum().item()  # and a product of matrices, by cuBLAS
    except (RuntimeError, AssertionError) as error:  # AssertionError: a torch without CUDA
        return first_line(error)
    # In each row of 8 pixels, 6 windows cover three columns and 2 cover two: 22, and as many down the columns.
    return None if result == 22 * 22 * 8 * 8 * 64 else f"a trial gave {result}"


def first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def name_of(device: torch.device | str) -> Text:
    """Name of a device, as the page shows it."""
    kind = torch.device(device).type
    if kind == "cpu":
        return Text("this processor", "ce processeur")
    try:
        name = torch.cuda.get_device_name(device) if kind == "cuda" else kind
    except (RuntimeError, AssertionError):  # a card that does not answer
        name = kind
    return Text(name, name)


# The number format ----------------------------------------------------------------------------------------------


@cache
def best_precision(device: torch.device | str) -> Precision:
    """bfloat16 where the device has matrix units for it, else float16 on older GPUs and float32 on other CPUs."""
    kind, where = torch.device(device).type, name_of(device)
    if kind == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        reason = Text(
            f"Computed in bfloat16 on {where.en}, which has matrix units for it.",
            f"Calcul en bfloat16 sur {where.fr}, qui a des unités matricielles pour ce format.",
        )
        return Precision(kind, torch.bfloat16, torch.channels_last, reason)
    if kind == "cuda":
        reason = Text(
            f"Computed in float16 on {where.en}: it is older than compute capability 8.0, and slow in bfloat16.",
            f"Calcul en float16 sur {where.fr} : antérieure à la génération 8.0, elle est lente en bfloat16.",
        )
        return Precision(kind, torch.float16, torch.channels_last, reason)
    if kind != "cpu":
        reason = Text(f"Computed in float32 on {where.en}.", f"Calcul en float32 sur {where.fr}.")
        return Precision(kind, torch.float32, torch.channels_last, reason)
    gain = _bfloat16_gain()
    comma = number(gain, ".1f", "fr")
    if gain > GAIN:
        reason = Text(
            f"Computed in bfloat16 on this processor: a trial ran {gain:.1f} times as fast as in float32.",
            f"Calcul en bfloat16 sur ce processeur : un essai a été {comma} fois plus rapide qu’en float32.",
        )
        return Precision(kind, torch.bfloat16, torch.channels_last, reason)
    reason = Text(
        f"Computed in float32 on this processor: in bfloat16 a trial ran only {gain:.1f} times as fast.",
        f"Calcul en float32 sur ce processeur : en bfloat16, un essai n’a été que {comma} fois aussi rapide.",
    )
    return Precision(kind, torch.float32, torch.channels_last, reason)


def without_float16(device: torch.device | str) -> Precision:
    """float32 fallback for a model whose activations overflow float16."""
    where = name_of(device)
    reason = Text(
        f"Computed in float32 on {where.en}: it is older than compute capability 8.0, and float16 gave values that are "
        "not finite.",
        f"Calcul en float32 sur {where.fr} : elle est antérieure à la génération 8.0, et float16 a donné des valeurs "
        "qui ne sont pas finies.",
    )
    return replace(Precision.exact(device), reason=reason)


def of_flows(precision: Precision, device: torch.device | str) -> Precision:
    """float32 for a model that has to be inverted exactly."""
    where = name_of(device)
    reason = Text(
        f"Computed in float32 on {where.en}: an inverse is exact only with all digits.",
        f"Calcul en float32 sur {where.fr} : un inverse n’est exact qu’avec tous les chiffres.",
    )
    return replace(precision, dtype=torch.float32, reason=reason)


@torch.no_grad()
def _bfloat16_gain() -> float:
    """Speed-up of a 3x3 convolution of 128 channels in bfloat16 over float32.

    Measured in processor time of this one thread, so that other load changes nothing.
    """
    layers = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, weight = torch.ones(4, 128, 16, 16, dtype=dtype), torch.ones(128, 128, 3, 3, dtype=dtype)
        layers[dtype] = [tensor.to(memory_format=torch.channels_last) for tensor in (x, weight)]
    best = dict.fromkeys(layers, float("inf"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    end = time.thread_time() + TRIAL_SECONDS
    for attempt in itertools.count():
        if attempt > 1 and time.thread_time() > end:  # emulated bfloat16 takes a few ms longer
            break
        for dtype, (x, weight) in layers.items():
            start = time.thread_time()
            torch.nn.functional.conv2d(x, weight, padding=1)
            if attempt:  # the first one compiles the kernel
                best[dtype] = min(best[dtype], time.thread_time() - start)
    torch.set_num_threads(threads)
    return best[torch.float32] / best[torch.bfloat16]
