"""A recipe is all that makes a picture again: weights, ends or seed, controls, precision and library versions.

The same small JSON stands in the PNG, in the history and on the command line. A dropped picture enters a recipe as its
half-precision code, never as the picture.

    {"verb": "interpolate", "system": "vae_mnist", "weights": "06799f88e308", "from": {"seed": 3}, "to": {"code": "..."},
     "position": 0.5, "path": "spherical", "controls": {"truncation": 1.0}, "precision": "bfloat16", ...}
    {"verb": "sample", "system": "dcgan_avatars", "seed": 7, "controls": {...}, ...}
"""

from __future__ import annotations

import base64
import binascii
import shlex
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from genstudio import __version__, checkpoint
from genstudio.engine import Engine, Held, find_verb
from genstudio.latent import PATHS
from genstudio.model import Noise, check_controls


def make(held: Held, verb: str, **what: Any) -> dict[str, Any]:
    """A recipe for what the held model has just made."""
    return {
        "genstudio": __version__,
        "verb": verb,
        "system": held.name,
        "weights": held.digest,
        **what,
        "precision": held.precision.name,
        "torch": torch.__version__,
    }


def check(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe, if everything in it can be obeyed. Raises ValueError with what cannot: recipes come from strangers."""
    system = checkpoint.system_of(str(recipe.get("system")))
    checks: dict[str, Callable[[], Any]] = {
        "sample": lambda: check_seed(recipe.get("seed")),
        "interpolate": lambda: (
            check_end(recipe.get("from")),
            check_end(recipe.get("to")),
            check_position(recipe.get("position")),
            check_path(recipe.get("path")),
        ),
    }
    if recipe.get("verb") not in tuple(checks):
        raise ValueError(f"the recipe's verb must be one of {', '.join(checks)}, not {recipe.get('verb')!r}")
    checks[recipe["verb"]]()
    controls = recipe.get("controls") or {}
    if not isinstance(controls, dict):
        raise ValueError(f"the recipe's controls must be named, not {controls!r}")
    check_controls(find_verb(system, "decode"), controls)
    return recipe


def differences(recipe: dict[str, Any], held: Held) -> list[str]:
    """What is not as it was when the picture was made: then it comes back alike, but not bit for bit."""
    now = {"weights": held.digest, "precision": held.precision.name, "torch": torch.__version__, "genstudio": __version__}
    return [key for key, value in now.items() if recipe.get(key) != value]


def command(recipe: dict[str, Any]) -> str:
    """The command line that makes the same picture."""
    words = ["python", "-m", "genstudio", recipe["verb"], recipe["system"]]
    if recipe["verb"] == "sample":
        words += ["--seeds", str(recipe["seed"])]
    else:
        words += ["--from", end_to_word(recipe["from"]), "--to", end_to_word(recipe["to"])]
        words += ["--positions", str(recipe["position"]), "--path", recipe["path"]]
    for name, value in recipe.get("controls", {}).items():
        words += [f"--{name}", str(value)]
    if recipe.get("precision") == "float32":
        words += ["--exact"]  # a machine that is faster in another precision would take that
    return shlex.join(words)


# The two ends of a path -----------------------------------------------------------------------------------------


def check_seed(seed: Any) -> int:
    try:
        number = int(seed)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"a seed is a whole number, not {seed!r}") from None
    if not 0 <= number <= Noise.MAX_SEED:
        raise ValueError(f"a seed is a whole number from 0 to {Noise.MAX_SEED}, not {number}")
    return number


def check_end(end: Any) -> dict[str, Any]:
    """An end is {"seed": n} or {"code": base64 of float16 numbers}."""
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


def latent_of(end: dict[str, Any], engine: Engine, name: str) -> np.ndarray:
    """The code (d,) of an end."""
    return engine.latents(name, [int(end["seed"])])[0] if "seed" in end else unpack(end["code"])


def pack(latent: np.ndarray) -> str:
    """A code as text, two bytes a number."""
    return base64.urlsafe_b64encode(latent.astype("<f2").tobytes()).decode()


def unpack(text: Any) -> np.ndarray:
    try:
        latent = np.frombuffer(base64.b64decode(text, altchars=b"-_", validate=True), "<f2").astype(np.float32)
    except (binascii.Error, TypeError, ValueError):
        raise ValueError("the code of a picture in this recipe is damaged") from None
    if not len(latent) or not np.isfinite(latent).all():
        raise ValueError("the code of a picture in this recipe is damaged")
    return latent


def end_to_word(end: dict[str, Any]) -> str:
    return f"code:{end['code']}" if "code" in end else str(end["seed"])


def end_from_word(word: str) -> dict[str, Any]:
    return check_end({"code": word.removeprefix("code:")} if word.startswith("code:") else {"seed": word})
