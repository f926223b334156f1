"""Images of recipes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from genstudio.engine import Engine
from genstudio.recipes import verbs


def image(recipe: dict[str, Any], engine: Engine, picture: Image.Image | None = None) -> np.ndarray:
    """Image, uint8 (h, w, c), of a checked recipe. picture: the visitor's, of a recipe that names one."""
    return images([recipe], engine, picture)[0]


def images(recipes: Sequence[dict[str, Any]], engine: Engine, picture: Image.Image | None = None) -> np.ndarray:
    """Images, uint8 (n, h, w, c), of checked recipes that differ in fields with `many` and in the label only."""
    verb = verbs.find(recipes[0]["verb"])
    filled = [verb.defaults | recipe | {"controls": recipe.get("controls") or {}} for recipe in recipes]
    return verb.images(engine, filled, picture)
