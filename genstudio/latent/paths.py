"""Interpolation between latents, and directions in the latent space.

In many dimensions a latent of N(0, I) lies close to a sphere of radius sqrt(d). Linear interpolation crosses its
inside, where the decoder was hardly trained; spherical interpolation stays on it (White 2016, arXiv:1609.04468).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from genstudio.controls import Refusal


def linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) a + t b. a, b: (d,); t: (n,) in [0, 1]; returns (n, d)."""
    t = t[:, None]
    return (1 - t) * a + t * b


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Slerp: sin((1 - t) w) / sin w a + sin(t w) / sin w b with w the angle between a and b.

    Linear if a and b are parallel or opposite, or one is zero, since the arc is then not unique.
    """
    dtype, a, b, t = a.dtype, a.double(), b.double(), t.double()  # in float32 the arccosine is inaccurate near 1 and -1
    lengths = a.norm() * b.norm()
    angle = torch.arccos((torch.dot(a, b) / lengths.clamp_min(1e-12)).clamp(-1, 1))
    if lengths < 1e-12 or torch.sin(angle) < 1e-4:
        return linear(a, b, t).to(dtype)
    t = t[:, None]
    return ((torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)).to(dtype)


PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": linear, "spherical": spherical}


def bilinear(
    corners: Tensor, x: Tensor, y: Tensor, path: Callable[[Tensor, Tensor, Tensor], Tensor] = spherical
) -> Tensor:
    """Latents (n, d) between four corners (4, d), row by row from the top left, at x, y: (n,) in [0, 1] from there."""
    top, bottom = path(corners[0], corners[1], x), path(corners[2], corners[3], x)
    return torch.cat([path(a, b, t[None]) for a, b, t in zip(top, bottom, y, strict=True)])


# NumPy interface of the page ------------------------------------------------------------------------------------


def between(ends: tuple[np.ndarray, np.ndarray], positions: Sequence[float], path: str) -> np.ndarray:
    """Latents (n, d) at `positions` in [0, 1] on the path between two latents (d,)."""
    if path not in tuple(PATHS):
        raise Refusal(
            f"path must be one of {', '.join(PATHS)}, not {path!r}",
            f"path : l’un de {', '.join(PATHS)}, et non {path!r}",
        )
    a, b = (torch.as_tensor(end, dtype=torch.float32) for end in ends)
    if a.shape != b.shape or a.dim() != 1:
        raise Refusal(
            f"the two ends have {a.numel()} and {b.numel()} numbers: they belong to different models",
            f"les deux bouts ont {a.numel()} et {b.numel()} nombres : ils sont de modèles différents",
        )
    return PATHS[path](a, b, torch.as_tensor(list(positions), dtype=torch.float32)).numpy()


def within(
    corners: Sequence[np.ndarray], x: Sequence[float], y: Sequence[float], path: str = "spherical"
) -> np.ndarray:
    """Latents (n, d) between four corners (d,), row by row from the top left, at x and y in [0, 1] from there."""
    if len({len(corner) for corner in corners}) > 1:
        raise Refusal(
            "the corners have codes of different lengths: they belong to different models",
            "les coins ont des codes de longueurs différentes : ils sont de modèles différents",
        )
    position = [torch.as_tensor(list(axis), dtype=torch.float32) for axis in (x, y)]
    return bilinear(torch.as_tensor(np.stack(corners)), *position, PATHS[path]).numpy()


def along(start: np.ndarray, by: dict[str, float], directions: Callable[[str], np.ndarray], name: str) -> np.ndarray:
    """Latents (d,) or (n, d) moved along directions, each by a number of standard deviations.

    by: amounts by direction, such as {"pca 1": 2.0}, counted from 1.
    directions: the directions (k, d) of a method such as "pca".
    name: of the checkpoint, for errors. Raises ValueError for an unknown direction or another latent dimension.
    """
    for direction, amount in by.items():
        method, _, number = direction.partition(" ")
        steps = directions(method)
        if int(number) > len(steps):
            raise Refusal(
                f"{name} has {len(steps)} directions of this kind, not {number}",
                f"{name} a {len(steps)} directions de cette sorte, et non {number}",
            )
        if start.shape[-1] != steps.shape[1]:
            dim, given = steps.shape[1], start.shape[-1]
            raise Refusal(
                f"a code of {name} has {dim} numbers, not {given}: it belongs to another model",
                f"un code de {name} a {dim} nombres, et non {given} : il est d’un autre modèle",
            )
        start = start + np.float32(amount) * steps[int(number) - 1]
    return start


# Directions: rows (k, d) of one standard deviation each, the largest effect first -------------------------------


def principal_components(latents: Tensor) -> Tensor:
    """Principal components of latents (n, d): eigenvectors of the covariance, scaled by the root of the eigenvalue.

    Meaningless for latents of N(0, I), as a GAN's are, whose variance is the same in all directions.
    """
    values, vectors = torch.linalg.eigh(torch.cov(latents.double().T))
    return signed((vectors * values.clamp_min(0).sqrt()).T.flip(0)).to(latents.dtype)


def largest_effects(latents: Tensor, pictures: Tensor) -> Tensor:
    """Directions along which the images (n, ...) of the latents (n, d) change most.

    The singular vectors of a linear regression of images on whitened latents. Harkonen et al. 2020 (arXiv:2004.02546)
    likewise regress principal components of features on the latents of BigGAN.
    """
    z, x = latents.double() - latents.double().mean(0), pictures.flatten(1).double()
    factor = torch.linalg.cholesky(torch.cov(z.T) + 1e-9 * torch.eye(z.shape[1], dtype=z.dtype))  # L of C = L L'
    whitened = torch.linalg.solve_triangular(factor, z.T, upper=False).T
    slope = torch.linalg.lstsq(whitened, x - x.mean(0)).solution  # (d, pixels)
    u = torch.linalg.svd(slope, full_matrices=False).U
    return signed((factor @ u).T).to(latents.dtype)


def single_dimensions(latents: Tensor) -> Tensor:
    """Each dimension of the latents (n, d), scaled by its standard deviation."""
    return torch.diag(latents.std(0))


def signed(rows: Tensor) -> Tensor:
    """Fix the arbitrary sign of directions (k, d): the entry of largest magnitude is positive."""
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return torch.where(largest < 0, -rows, rows)


DIRECTIONS: dict[str, Callable[..., Tensor]] = {
    "pca": principal_components,
    "effect": largest_effects,
    "dimension": single_dimensions,
}
