"""A recipe is the input that reproduces an image: weights, ends or seed, controls, precision and library versions.

The same JSON is in the PNG's metadata, in the history and on the command line. A user's picture is stored as its
half-precision latent, or, where it was translated, as the first digits of its file's SHA-256; never as pixels.

    {"verb": "interpolate", "system": "vae_mnist", "weights": "06799f88e308", "from": {"seed": 3},
     "to": {"code": "..."}, "position": 0.5, "path": "spherical", "controls": {"truncation": 1.0},
     "precision": "bfloat16", ...}
    {"verb": "sample", "system": "dcgan_avatars", "seed": 7, "controls": {...}, ...}
    {"verb": "plane", ..., "corners": [{"seed": 1}, {"seed": 2}, {"seed": 3}, {"code": "..."}], "x": 0.2, "y": 0.7}
    {"verb": "steer", ..., "from": {"seed": 3}, "by": {"effect 1": 2.0, "dimension 17": -1.5}}
    {"verb": "decode", ..., "code": "..."}
    {"verb": "mix", ..., "from": {"seed": 3}, "to": {"seed": 54}, "layers": "4-9", "by": {"sefa 1": 2.0},
     "moved": "0-3"}
    {"verb": "translate", ..., "picture": "9f86d081884c7d65", "view": "own", "background": "white", "detail": 0.5}
    {"verb": "sample", ..., "seed": 7, "branches": [{"at": 8, "seed": 3, "controls": {"steps": 12, "label": "4"}}]}
    {"verb": "img2img", ..., "seed": 7, "picture": "9f86d081884c7d65", "mask": "..."}
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from typing import Any

import torch
from PIL import ImageColor

from genstudio import __version__, catalog, checkpoint, legacy
from genstudio.controls import check_controls
from genstudio.engine.engine import VIEWS
from genstudio.engine.loaded import LoadedModel, find_verb, sampling_method
from genstudio.latent import style_layers
from genstudio.latent.paths import DIRECTIONS, PATHS
from genstudio.model import Noise
from genstudio.recipes.encoding import check_mask, unpack
from genstudio.registry import find_system


def make(loaded: LoadedModel, verb: str, **what: Any) -> dict[str, Any]:
    """A recipe for an output of a loaded model."""
    return {
        "genstudio": __version__,
        "verb": verb,
        "system": loaded.name,
        "weights": loaded.digest,
        **what,
        "precision": loaded.precision.name,
        "torch": torch.__version__,
    }


def check(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe under the names of today. Raises ValueError if any field is invalid or unknown to the system: recipes
    are untrusted."""
    recipe = legacy.recipe(recipe)
    header = checkpoint.describe(catalog.locate(str(recipe.get("system"))))
    system = find_system(header.system)
    if recipe.get("verb") not in tuple(CHECKS):
        raise ValueError(f"the recipe's verb must be one of {', '.join(CHECKS)}, not {recipe.get('verb')!r}")
    for key, checked in CHECKS[recipe["verb"]].items():
        checked(recipe.get(key))
    controls = recipe.get("controls") or {}
    if not isinstance(controls, dict):
        raise ValueError(f"the recipe's controls must be named, not {controls!r}")
    check_controls(sampling_method(system, recipe["verb"]), controls, header.classes)
    for branch in recipe.get("branches") or ():
        check_controls(find_verb(system, "denoise_from"), branch["controls"], header.classes)
    return recipe


def differences(recipe: dict[str, Any], loaded: LoadedModel) -> list[str]:
    """Names of the facts that differ from those of the recipe; with any, the image is similar but not bit-identical."""
    now = {"weights": loaded.digest, "precision": loaded.precision.name}
    now |= {"torch": torch.__version__, "genstudio": __version__}
    return [key for key, value in now.items() if recipe.get(key) != value]


# Ends of a path -------------------------------------------------------------------------------------------------


def check_seed(seed: Any) -> int:
    try:
        number = int(seed)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"a seed is a whole number, not {seed!r}") from None
    if not 0 <= number <= Noise.MAX_SEED:
        raise ValueError(f"a seed is a whole number from 0 to {Noise.MAX_SEED}, not {number}")
    return number


def check_end(end: Any) -> dict[str, Any]:
    """Check an end of a path: {"seed": n} or {"code": base64 of float16 numbers}."""
    if isinstance(end, dict) and "seed" in end:
        check_seed(end["seed"])
    elif isinstance(end, dict) and "code" in end:
        unpack(end["code"])
    else:
        raise ValueError(f"an end of a path is a seed or a code, not {end!r}")
    return end


def check_position(position: Any) -> float:
    if not isinstance(position, (int, float)) or not 0 <= position <= 1:
        raise ValueError(f"a position lies between 0 and 1, not {position!r}")
    return float(position)


def check_path(path: Any) -> str:
    if path not in tuple(PATHS):
        raise ValueError(f"path must be one of {', '.join(PATHS)}, not {path!r}")
    return path


def check_corners(corners: Any) -> list[dict[str, Any]]:
    if not isinstance(corners, list) or len(corners) != 4:
        raise ValueError(f"a plane has four corners, not {corners!r}")
    return [check_end(corner) for corner in corners]


def check_by(by: Any, methods: Collection[str] = tuple(DIRECTIONS)) -> dict[str, float]:
    """Check moves along directions: {"METHOD NUMBER": standard deviations}, numbered from 1."""
    if not isinstance(by, dict) or len(by) > 64:
        raise ValueError(f"directions are given by name, at most 64 of them, not {str(by)[:80]!r}")
    for name, amount in by.items():
        method, _, number = str(name).partition(" ")
        if method not in methods or not number.isdecimal() or not 1 <= int(number) <= 4096:
            raise ValueError(f"a direction is called {', '.join(f'{m} 1' for m in methods)} and so on, not {name!r}")
        if not isinstance(amount, (int, float)) or not -20 <= amount <= 20:
            raise ValueError(f"{name} must move by -20 to 20 standard deviations, not {amount!r}")
    return by


def check_styles_by(by: Any) -> dict[str, float]:
    return check_by({} if by is None else by, tuple(style_layers.DIRECTIONS))


# A translated picture --------------------------------------------------------------------------------------------


def picture_name(body: bytes) -> str:
    """Name of a picture file in a recipe, the start of its SHA-256: it identifies the file without its contents."""
    return hashlib.sha256(body).hexdigest()[:16]


def check_picture(digest: Any) -> str:
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{16}", digest):
        raise ValueError(f"a picture is named by the first 16 digits of its SHA-256, not {str(digest)[:80]!r}")
    return digest


def check_view(view: Any) -> str:
    if view not in tuple(VIEWS):
        raise ValueError(f"view must be one of {', '.join(VIEWS)}, not {str(view)[:80]!r}")
    return view


def check_background(colour: Any) -> str:
    try:
        ImageColor.getrgb(colour)
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"background is a colour like white or #ffcc00, not {str(colour)[:80]!r}") from None
    return colour


def check_detail(detail: Any) -> float | None:
    """Check the amount of detail of an edge drawing, 0 to 1; None for the picture itself."""
    number = isinstance(detail, (int, float)) and not isinstance(detail, bool)
    if detail is not None and not (number and 0 <= detail <= 1):
        raise ValueError(f"detail must lie between 0 and 1, not {detail!r}")
    return detail


# A denoised picture ---------------------------------------------------------------------------------------------

MAX_BRANCHES = 8


def check_branches(branches: Any) -> list[dict[str, Any]]:
    """Check branches of a denoising trajectory, in order: the step that each leaves at, its seed and its controls."""
    if branches is None:
        return []
    if not isinstance(branches, list) or len(branches) > MAX_BRANCHES:
        raise ValueError(f"branches are a list of at most {MAX_BRANCHES}, not {str(branches)[:80]!r}")
    for branch in branches:
        if not isinstance(branch, dict) or not isinstance(branch.get("controls"), dict):
            raise ValueError(f"a branch has at, seed and controls, not {str(branch)[:80]!r}")
        check_seed(branch.get("seed"))
        if type(branch.get("at")) is not int or not 0 <= branch["at"] < 10_000:
            raise ValueError(f"a branch leaves at a step, not at {str(branch.get('at'))[:80]!r}")
    return branches


# Fields of each verb, with their checks.
CHECKS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "sample": {"seed": check_seed, "branches": check_branches},
    "img2img": {"seed": check_seed, "picture": check_picture, "mask": check_mask, "branches": check_branches},
    "interpolate": {"from": check_end, "to": check_end, "position": check_position, "path": check_path},
    "plane": {"corners": check_corners, "x": check_position, "y": check_position},
    "steer": {"from": check_end, "by": check_by},
    "decode": {"code": unpack},
    "mix": {
        "from": check_end,
        "to": lambda end: end and check_end(end),
        "layers": style_layers.layers_of,
        "by": check_styles_by,
        "moved": style_layers.layers_of,
    },
    "translate": {
        "picture": check_picture,
        "view": check_view,
        "background": check_background,
        "detail": check_detail,
    },
}
