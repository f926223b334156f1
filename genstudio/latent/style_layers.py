"""Styles w (layers, d), a row for each layer of a synthesis network: layer groups, mixing, loops, directions.

Coarse layers, of low resolution, control pose and shape, fine layers colours (Karras et al. 2019, arXiv:1812.04948,
section 3.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genstudio.controls import Refusal, Text
from genstudio.latent.paths import principal_components, signed

MAX_LAYERS = 64
COARSE, MIDDLE, FINE = (
    Text("Pose and shape", "Pose et forme"),
    Text("Features", "Traits"),
    Text("Colours and texture", "Couleurs et texture"),
)


# Layers ---------------------------------------------------------------------------------------------------------


class Group(NamedTuple):
    """Layers that control one aspect of an image."""

    title: Text
    layers: tuple[int, ...]


def groups(sides: Sequence[int]) -> list[Group]:
    """Group layers by resolution: up to 8 pixels, the first third of the resolutions above, and the rest."""
    larger = sorted({side for side in sides if side > 8})
    middle = larger[: max(1, len(larger) // 3)]
    title = [COARSE if side <= 8 else MIDDLE if side in middle else FINE for side in sides]
    every = [Group(t, tuple(i for i, own in enumerate(title) if own is t)) for t in (COARSE, MIDDLE, FINE)]
    return [group for group in every if group.layers]


def layers_of(word: Any, count: int = MAX_LAYERS) -> tuple[int, ...]:
    """Parse a list of layers such as "0-3,7"; "" and None are empty. Raises ValueError for layers from `count`."""
    layers = set()
    for part in str("" if word is None else word).split(","):
        if not (found := re.fullmatch(r"\s*(\d{1,3})(?:-(\d{1,3}))?\s*", part, re.ASCII)):
            if not part.strip():
                continue
            raise Refusal(
                f"layers are written like 0-3,7, not {str(word)[:80]!r}",
                f"les couches s’écrivent comme 0-3,7, et non {str(word)[:80]!r}",
            )
        layers |= set(range(int(found[1]), int(found[2] or found[1]) + 1))
    if layers and max(layers) >= count:
        raise Refusal(
            f"layers are counted from 0 to {count - 1}; {max(layers)} is not one of them",
            f"les couches se comptent de 0 à {count - 1} ; {max(layers)} n’en est pas une",
        )
    return tuple(sorted(layers))


def word_of(layers: Iterable[int]) -> str:
    """Format layers: (0, 1, 2, 7) -> "0-2,7"."""
    runs: list[list[int]] = []
    for layer in sorted(set(layers)):
        if runs and runs[-1][1] == layer - 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ",".join(f"{a}-{b}" if a < b else str(a) for a, b in runs)


def mixed(w: np.ndarray, other: np.ndarray, layers: Sequence[int]) -> np.ndarray:
    """Style mixing: w (layers, d) with some layers of another."""
    mixture = w.copy()
    mixture[list(layers)] = other[list(layers)]
    return mixture


def loop(w: np.ndarray, frames: int) -> np.ndarray:
    """Closed loop through styles w (n, layers, d), `frames` from each to the next: (n * frames, layers, d).

    A cubic spline (Catmull and Rom 1974), without corners, at which a film would seem to halt.
    """
    t = np.linspace(0, 1, frames, endpoint=False, dtype=np.float32)[None, :, None, None]
    before, here, there, after = (np.roll(w, shift, 0)[:, None] for shift in (1, 0, -1, -2))
    a, b, c = there - before, 2 * before - 5 * here + 4 * there - after, 3 * (here - there) + after - before
    return (here + t / 2 * (a + t * (b + t * c))).reshape(-1, *w.shape[1:])


# Directions -----------------------------------------------------------------------------------------------------


def principal(w: Tensor, affines: Sequence[Tensor]) -> Tensor:
    """GANSpace: principal components of styles w (n, d) (Harkonen et al. 2020, arXiv:2004.02546, section 2.1)."""
    return principal_components(w)


def closed_form(w: Tensor, affines: Sequence[Tensor]) -> Tensor:
    """SeFa: eigenvectors of A'A, with A the stacked affine weights (c, d) of the layers (Shen and Zhou 2021,
    arXiv:2007.06600). Each is scaled by the standard deviation of styles w (n, d) along it.
    """
    rows = torch.cat([a.double() / a.double().norm(dim=1, keepdim=True).clamp_min(1e-12) for a in affines])
    vectors = torch.linalg.eigh(rows.T @ rows).eigenvectors.T.flip(0)  # the largest eigenvalue first
    return signed(vectors * (w.double() @ vectors.T).std(0)[:, None]).to(w.dtype)


DIRECTIONS: dict[str, Callable[[Tensor, Sequence[Tensor]], Tensor]] = {"pca": principal, "sefa": closed_form}
