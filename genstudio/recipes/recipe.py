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

from typing import Any

import torch

from genstudio import __version__, catalog, checkpoint, legacy
from genstudio.controls import Refusal, check_controls
from genstudio.engine.loaded import LoadedModel, find_verb
from genstudio.recipes import verbs
from genstudio.registry import find_system


def make(loaded: LoadedModel, verb: str, **what: Any) -> dict[str, Any]:
    """A recipe for an output of a loaded model."""
    companions = companions_of(loaded, what)
    return {
        "genstudio": __version__,
        "verb": verb,
        "system": loaded.name,
        "weights": loaded.digest,
        **({"companions": companions} if companions else {}),
        **what,
        "precision": loaded.precision.name,
        "torch": torch.__version__,
    }


def fill(loaded: LoadedModel, verb: verbs.Verb, given: dict[str, Any], controls: dict[str, Any]) -> dict[str, Any]:
    """A recipe from checked fields, the others at their defaults, completed for the model. None leaves a field out."""
    filled = verb.complete(verb.defaults | given, loaded)
    said = {name: filled[name] for name in verb.by_name if filled.get(name) is not None}
    return make(loaded, verb.name, **said, controls=controls)


def companions_of(loaded: LoadedModel, recipe: dict[str, Any]) -> dict[str, str]:
    """Digests of the companions that take part in a recipe's image, by role."""
    found: dict[str, str] = {}
    for part in (recipe, *(recipe.get("branches") or ())):
        found |= loaded.model.companions_of(part.get("controls") or {})
    return found


def check(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe under the names of today. Raises ValueError if any field is invalid or unknown to the system: recipes
    are untrusted."""
    recipe = legacy.recipe(recipe)
    header = checkpoint.describe(catalog.locate(str(recipe.get("system"))))
    system, verb = find_system(header.system, header.source), verbs.find(recipe.get("verb"))
    for field in verb.fields:
        field.check(recipe.get(field.name, None if field.default is verbs.REQUIRED else field.default))
    controls = recipe.get("controls") or {}
    if not isinstance(controls, dict):
        raise Refusal(
            f"the recipe's controls must be named, not {controls!r}",
            f"les réglages de la recette doivent être nommés, et non {controls!r}",
        )
    checked = check_controls(verb.method(system), controls, header.classes)
    recipe |= {"controls": {name: checked[name] for name in controls}} if controls else {}
    companions = recipe.get("companions") or {}
    if not isinstance(companions, dict) or not all(isinstance(w, str) for w in (*companions, *companions.values())):
        raise Refusal(
            f"the recipe's companions are digests by role, not {str(companions)[:80]!r}",
            f"les compagnons de la recette sont des empreintes par rôle, et non {str(companions)[:80]!r}",
        )
    for branch in recipe.get("branches") or ():
        check_controls(find_verb(system, "denoise_from"), branch["controls"], header.classes)
    return recipe


def differences(recipe: dict[str, Any], loaded: LoadedModel) -> list[str]:
    """Names of the facts that differ from those of the recipe; with any, the image is similar but not bit-identical."""
    now = {"weights": loaded.digest, "precision": loaded.precision.name}
    now |= {"torch": torch.__version__, "genstudio": __version__}
    changed = [key for key, value in now.items() if recipe.get(key) != value]
    return changed + ["companions"] * ((recipe.get("companions") or {}) != companions_of(loaded, recipe))
