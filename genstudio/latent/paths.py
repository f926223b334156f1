"""Paths between codes, directions among them, and what their norms say.

In many dimensions a normal code lies close to a sphere of radius sqrt(d). A straight line cuts through the inside of
that sphere, where the decoder has seen little; a spherical path stays on it (White 2016, arXiv:1609.04468).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
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


def bilinear(corners: Tensor, x: Tensor, y: Tensor, path: Callable[[Tensor, Tensor, Tensor], Tensor] = spherical) -> Tensor:
    """Codes (n, d) inside four corners (4, d), row by row from the top left, at x, y: (n,) in [0, 1] from there."""
    top, bottom = path(corners[0], corners[1], x), path(corners[2], corners[3], x)
    return torch.cat([path(a, b, t[None]) for a, b, t in zip(top, bottom, y, strict=True)])


# As a page asks for them: numbers that anybody can hold -------------------------------------------------------


def between(ends: tuple[np.ndarray, np.ndarray], positions: Sequence[float], path: str) -> np.ndarray:
    """Codes (n, d) on the path between two codes (d,)."""
    if path not in tuple(PATHS):
        raise ValueError(f"path must be one of {', '.join(PATHS)}, not {path!r}")
    a, b = (torch.as_tensor(end, dtype=torch.float32) for end in ends)
    if a.shape != b.shape or a.dim() != 1:
        raise ValueError(f"the two ends have {a.numel()} and {b.numel()} numbers: they belong to different models")
    return PATHS[path](a, b, torch.as_tensor(list(positions), dtype=torch.float32)).numpy()


def within(corners: Sequence[np.ndarray], x: Sequence[float], y: Sequence[float], path: str = "spherical") -> np.ndarray:
    """Codes (n, d) inside four corners (d,), row by row from the top left, at x and y in [0, 1] from there."""
    if len({len(corner) for corner in corners}) > 1:
        raise ValueError("the corners have codes of different lengths: they belong to different models")
    places = [torch.as_tensor(list(p), dtype=torch.float32) for p in (x, y)]
    return bilinear(torch.as_tensor(np.stack(corners)), *places, PATHS[path]).numpy()


def along(start: np.ndarray, by: dict[str, float], directions: Callable[[str], np.ndarray], name: str) -> np.ndarray:
    """Codes (d,) or (n, d) moved along directions (k, d) of several kinds, each by so many standard deviations."""
    for direction, amount in by.items():
        kind, _, number = direction.partition(" ")
        steps = directions(kind)
        if int(number) > len(steps):
            raise ValueError(f"{name} has {len(steps)} directions of this kind, not {number}")
        if start.shape[-1] != steps.shape[1]:
            raise ValueError(f"a code of {name} has {steps.shape[1]} numbers, not {start.shape[-1]}: it belongs to another model")
        start = start + np.float32(amount) * steps[int(number) - 1]
    return start


# Directions: rows (k, d), each a step of one standard deviation, the first the most telling ------------------------


def principal_components(codes: Tensor) -> Tensor:
    """Of codes (n, d): the eigenvectors of their covariance, each as long as the root of its eigenvalue.

    Where codes are drawn from N(0, I), as a GAN's are, all directions are equal and these say nothing.
    """
    values, vectors = torch.linalg.eigh(torch.cov(codes.double().T))
    return signed((vectors * values.clamp_min(0).sqrt()).T.flip(0)).to(codes.dtype)


def largest_effects(codes: Tensor, pictures: Tensor) -> Tensor:
    """The directions along which the pictures (n, ...) of the codes (n, d) change most.

    Pictures are fitted as a linear function of whitened codes; its singular vectors are the directions. So Harkonen et
    al. 2020 (arXiv:2004.02546) carry principal components of a network's features back to codes that have none.
    """
    z, x = codes.double() - codes.double().mean(0), pictures.flatten(1).double()
    factor = torch.linalg.cholesky(torch.cov(z.T) + 1e-9 * torch.eye(z.shape[1], dtype=z.dtype))  # L of C = L L'
    whitened = torch.linalg.solve_triangular(factor, z.T, upper=False).T
    slope = torch.linalg.lstsq(whitened, x - x.mean(0)).solution  # (d, pixels)
    left = torch.linalg.svd(slope, full_matrices=False).U
    return signed((factor @ left).T).to(codes.dtype)


def single_dimensions(codes: Tensor) -> Tensor:
    """Each number of the code by itself, as far as its standard deviation."""
    return torch.diag(codes.std(0))


def signed(rows: Tensor) -> Tensor:
    """A direction is as good as its opposite: that with a positive largest number is taken, on every machine."""
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return torch.where(largest < 0, -rows, rows)


DIRECTIONS: dict[str, Callable[..., Tensor]] = {
    "pca": principal_components,
    "effect": largest_effects,
    "dimension": single_dimensions,
}
