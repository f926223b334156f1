"""Replay of `mix` recipes: style mixing (StyleGAN) of two ends, with layers moved along directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genstudio.controls import Refusal, controls
from genstudio.engine import Engine
from genstudio.engine.loaded import LoadedModel, find_verb
from genstudio.latent import style_layers
from genstudio.latent.paths import along
from genstudio.recipes.encoding import unpack

PULLS = ("truncation", "cutoff")  # controls of `styles` that apply to styles without a seed


def part_of(loaded: LoadedModel, verb: str, values: dict[str, Any]) -> dict[str, Any]:
    """The subset of a recipe's controls that one of the model's verbs has."""
    known = controls(find_verb(loaded.system, verb))
    return {name: value for name, value in values.items() if name in known}


def styles_of(ends: Sequence[dict[str, Any]], engine: Engine, name: str, values: dict[str, Any]) -> np.ndarray:
    """Styles w (n, layers, d) of ends, with the controls of `styles`; each distinct end is computed once."""
    loaded = engine.hold(name)
    values, found = part_of(loaded, "styles", values), {}
    seeds = {int(end["seed"]) for end in ends if "seed" in end}
    codes = {end["code"] for end in ends if "seed" not in end}
    if seeds:
        found |= dict(zip(seeds, engine.styles(name, list(seeds), **values), strict=True))
    if codes:
        known = controls(loaded.model.styles)
        truncation = {key: values.get(key, known[key].default) for key in PULLS if key in known}
        w = np.stack([unpack_styles(code, (loaded.model.layers, loaded.model.latent_dim)) for code in codes])
        found |= dict(zip(codes, engine.truncate(name, w, **truncation), strict=True))
    return np.stack([found[int(end["seed"])] if "seed" in end else found[end["code"]] for end in ends])


def mix(recipe: dict[str, Any], engine: Engine) -> np.ndarray:
    """Styles w (layers, d) of a checked `mix` recipe."""
    return mixtures([recipe], engine)[0]


def mixtures(recipes: Sequence[dict[str, Any]], engine: Engine) -> np.ndarray:
    """Styles w (n, layers, d) of checked `mix` recipes of one system and the same controls."""
    name, controls = recipes[0]["system"], recipes[0].get("controls") or {}
    count, made = engine.hold(name).model.layers, []
    pairs = [(recipe["from"], recipe.get("to") or recipe["from"]) for recipe in recipes]
    w = styles_of([end for pair in pairs for end in pair], engine, name, controls)
    for recipe, start, end in zip(recipes, w[::2], w[1::2], strict=True):
        one = style_layers.mixed(start, end, style_layers.layers_of(recipe.get("layers"), count))
        moved = style_layers.layers_of(recipe.get("moved"), count)
        made.append(restyled(one, recipe.get("by") or {}, moved, engine, name))
    return np.stack(made)


def restyled(w: np.ndarray, by: dict[str, float], layers: Sequence[int], engine: Engine, name: str) -> np.ndarray:
    """Styles w (layers, d) with these layers moved along directions: {"sefa 1": 2.0}."""
    if not layers:
        return w
    w = w.copy()
    w[list(layers)] = along(w[list(layers)], by, lambda kind: engine.style_directions(name, kind, layers), name)
    return w


def noise_seed(end: dict[str, Any]) -> int:
    """Seed of the noise inputs: that of the end, 0 for a code."""
    return int(end.get("seed", 0))


def unpack_styles(text: Any, shape: tuple[int, int]) -> np.ndarray:
    w = unpack(text)
    if len(w) != shape[0] * shape[1]:
        due = f"{shape[0]} layers of {shape[1]}"
        raise Refusal(
            f"the styles of a picture in this recipe are {len(w)} numbers, not {due}",
            f"les styles d’une image de cette recette sont {len(w)} nombres, et non {shape[0]} couches de {shape[1]}",
        )
    return w.reshape(shape)
