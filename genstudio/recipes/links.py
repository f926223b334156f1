"""Recipes as URL query strings, and back."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from genstudio import catalog, legacy
from genstudio.controls import Refusal, controls
from genstudio.model import verbs as methods
from genstudio.recipes.fields import from_word, to_word
from genstudio.recipes.verbs import VERBS

MAX_LINK = 2000  # characters: accepted by every browser, server and chat, and readable as a QR code
LEFT_OUT = ("genstudio", "precision", "torch")  # fields that differ on the machines of a link's readers


def to_query(recipe: dict[str, Any]) -> str:
    """The recipe as a query string: verb=interpolate&system=vae_mnist&weights=...&from=3&to=54&position=0.5."""
    verb = VERBS[recipe["verb"]]
    fields, defaults = verb.by_name, verb.defaults
    said = {key: v for key, v in recipe.items() if key not in (*LEFT_OUT, "controls") and defaults.get(key, ...) != v}
    words = {key: fields[key].kind.to_word(value) if key in fields else to_word(value) for key, value in said.items()}
    words |= {key: to_word(value) for key, value in recipe.get("controls", {}).items()}
    return urlencode(words, safe=":,", quote_via=quote)


def from_query(query: str) -> dict[str, Any] | None:
    """Unchecked recipe of a query string, None if it has no verb or no system. It is untrusted: `check` it before use.

    Names of the model's controls become controls, all others fields; unknown fields have no effect.
    """
    words = {key: word for key, word in parse_qsl(query) if not key.startswith("__")}  # such keys are Gradio's
    if "verb" not in words or "system" not in words:
        return None
    words = {legacy.CONTROLS.get(key, key): word for key, word in words.items()}
    words["verb"] = legacy.VERBS.get(words["verb"], words["verb"])
    model = catalog.system_of(catalog.listed(words["system"])).model
    names = {name for method in methods(model) for name in controls(getattr(model, method))}
    verb, said = VERBS.get(words["verb"]), {}
    fields, defaults = (verb.by_name, verb.defaults) if verb else ({}, {})
    for key, word in words.items():
        if key not in names:
            said[key] = fields[key].kind.from_word(word) if key in fields else from_word(word)
    return defaults | said | {"controls": {key: from_word(word) for key, word in words.items() if key in names}}


def check_link(query: str) -> str:
    """The query itself. Raises ValueError if it is too long for a link, as several latents may make it."""
    if len(query) > MAX_LINK:
        raise Refusal(
            f"this recipe is too long for a link ({len(query)} letters; at most {MAX_LINK})",
            f"cette recette est trop longue pour un lien ({len(query)} lettres ; au plus {MAX_LINK})",
        )
    return query
