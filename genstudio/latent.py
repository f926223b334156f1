"""Paths between two codes, and what their norms say.

In many dimensions a normal code lies close to a sphere of radius sqrt(d). A straight line cuts through the inside of
that sphere, where the decoder has seen little; a spherical path stays on it (White 2016, arXiv:1609.04468).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) a + t b. a, b: (d,); t: (n,) in [0, 1]; returns (n, d)."""
    t = t[:, None]
    return (1 - t) * a + t * b


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Slerp: sin((1 - t) w) / sin w a + sin(t w) / sin w b with w the angle between a and b.

    Where the two point the same or opposite ways, or one is zero, there is no one arc, and the straight line is taken.
    """
    dtype, a, b, t = a.dtype, a.double(), b.double(), t.double()  # in float32 the arccosine near 1 and -1 is noise
    lengths = a.norm() * b.norm()
    angle = torch.arccos((torch.dot(a, b) / lengths.clamp_min(1e-12)).clamp(-1, 1))
    if lengths < 1e-12 or torch.sin(angle) < 1e-4:
        return linear(a, b, t).to(dtype)
    t = t[:, None]
    return ((torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)).to(dtype)


PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": linear, "spherical": spherical}
