"""Scores with 95 % confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

Z95 = 1.959964  # standard deviations: the 97.5 % quantile of the normal distribution


class Score(NamedTuple):
    """A value with its 95 % confidence interval, over n images."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int]:
        """Plain numbers with five significant digits, for a header or JSON."""
        return {name: value if name == "n" else float(f"{value:.5g}") for name, value in self._asdict().items()}

    def over(self, unit: float) -> Score:
        """Divide by a positive constant, taken as exact."""
        return Score(self.value / unit, self.low / unit, self.high / unit, self.n)


def read_score(said: Any) -> Score | None:
    """A score from an untrusted header; None if it is malformed or not finite."""
    try:
        read = Score(*(float(said[name]) for name in ("value", "low", "high")), int(said["n"]))
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    return read if all(map(math.isfinite, read)) else None


def share(hits: Tensor) -> Score:
    """Proportion of true values in `hits` (n,), with the Wilson score interval (Wilson 1927)."""
    n = len(hits)
    p = hits.double().mean().item()
    middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return Score(p, max(0.0, middle - half), min(1.0, middle + half), n)


def average(values: Tensor) -> Score:
    """Mean of `values` (n,), with the interval of its standard error."""
    values = values.double()
    mean, half = values.mean().item(), Z95 * values.std().item() / math.sqrt(len(values))
    return Score(mean, mean - half, mean + half, len(values))


def ratio(a: Tensor, b: Tensor) -> Score:
    """mean(a) / mean(b) of paired values (n,), with the delta method's interval, from the residuals a - ratio b."""
    a, b = a.double(), b.double()
    value = (a.mean() / b.mean()).item()
    half = Z95 * ((a - value * b).std() / b.mean()).item() / math.sqrt(len(a))
    return Score(value, value - half, value + half, len(a))


def bootstrap(statistic: Callable[..., float], *sets: Tensor, draws: int = 30) -> Score:
    """statistic(*sets), with the interval of its bootstrap standard error: `draws` resamples of each set (n, ...)."""
    generator = torch.Generator().manual_seed(0)

    def resample(rows: Tensor) -> Tensor:
        return rows[torch.randint(len(rows), (len(rows),), generator=generator)]

    value = statistic(*sets)
    half = Z95 * torch.tensor([statistic(*map(resample, sets)) for _ in range(draws)]).std().item()
    return Score(value, value - half, value + half, len(sets[0]))
