"""A number is worth as much as its interval: what was found over n pictures, and where the truth may lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

Z95 = 1.959964  # a normal variable stays within this many standard deviations of its mean 95 times in 100


class Score(NamedTuple):
    """A number with its 95 % interval, over n pictures."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int]:
        """Five significant digits, for a header or JSON."""
        return {name: value if name == "n" else float(f"{value:.5g}") for name, value in self._asdict().items()}

    def over(self, unit: float) -> Score:
        """The same in another unit, which is above 0 and taken for certain."""
        return Score(self.value / unit, self.low / unit, self.high / unit, self.n)


def read_score(said: Any) -> Score | None:
    """A score out of a header, which is a stranger's word: None when it is none."""
    try:
        read = Score(*(float(said[name]) for name in ("value", "low", "high")), int(said["n"]))
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    return read if all(map(math.isfinite, read)) else None


def share(hits: Tensor) -> Score:
    """How many of the booleans `hits` (n,) are true, with the interval of Wilson 1927."""
    n = len(hits)
    p = hits.double().mean().item()
    middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return Score(p, max(0.0, middle - half), min(1.0, middle + half), n)


def average(values: Tensor) -> Score:
    """The mean of `values` (n,), give or take its standard error."""
    values = values.double()
    mean, half = values.mean().item(), Z95 * values.std().item() / math.sqrt(len(values))
    return Score(mean, mean - half, mean + half, len(values))


def ratio(a: Tensor, b: Tensor) -> Score:
    """mean(a) / mean(b) of paired values (n,); its error is that of the residuals a - ratio b (the delta method)."""
    a, b = a.double(), b.double()
    value = (a.mean() / b.mean()).item()
    half = Z95 * ((a - value * b).std() / b.mean()).item() / math.sqrt(len(a))
    return Score(value, value - half, value + half, len(a))


def bootstrap(statistic: Callable[..., float], *sets: Tensor, draws: int = 30) -> Score:
    """statistic(*sets), give or take how it spreads when each set (n, ...) is drawn again from itself."""
    generator = torch.Generator().manual_seed(0)

    def again(rows: Tensor) -> Tensor:
        return rows[torch.randint(len(rows), (len(rows),), generator=generator)]

    value = statistic(*sets)
    half = Z95 * torch.tensor([statistic(*map(again, sets)) for _ in range(draws)]).std().item()
    return Score(value, value - half, value + half, len(sets[0]))
