"""Latents of recipes: of their ends, and moved along directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from genstudio.engine import Engine
from genstudio.latent.paths import along
from genstudio.recipes.encoding import unpack


def latent_of(end: dict[str, Any], engine: Engine, name: str) -> np.ndarray:
    """Latent (d,) of an end."""
    return engine.latents(name, [int(end["seed"])])[0] if "seed" in end else unpack(end["code"])


def steered(start: np.ndarray, by: dict[str, float], engine: Engine, name: str) -> np.ndarray:
    """A latent moved along directions by standard deviations: {"effect 1": 2.0, "dimension 17": -1.5}."""
    return along(start, by, lambda kind: engine.directions(name, kind), name)


class Ends:
    """Latents (d,) of ends of paths, each computed once."""

    def __init__(self, engine: Engine, name: str):
        self.engine, self.name, self._found = engine, name, dict[str, np.ndarray]()

    def __call__(self, end: dict[str, Any]) -> np.ndarray:
        key = f"seed {end['seed']}" if "seed" in end else end["code"]
        if key not in self._found:
            self._found[key] = latent_of(end, self.engine, self.name)
        return self._found[key]

    def steered(self, end: dict[str, Any], by: dict[str, float]) -> np.ndarray:
        return steered(self(end), by, self.engine, self.name)
