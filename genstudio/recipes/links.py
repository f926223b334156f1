"""Recipes as URL query strings, and back."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from genstudio import catalog, legacy
from genstudio.controls import controls
from genstudio.model import verbs
from genstudio.recipes.recipe import check_end


def end_to_word(end: dict[str, Any]) -> str:
    return f"code:{end['code']}" if "code" in end else str(end["seed"])


def end_from_word(word: str) -> dict[str, Any]:
    return check_end({"code": word.removeprefix("code:")} if word.startswith("code:") else {"seed": word})


ENDS = ("from", "to", "corners")  # fields with one or several ends of paths
MAX_LINK = 2000  # characters: accepted by every browser, server and chat, and readable as a QR code
LEFT_OUT = ("genstudio", "precision", "torch")  # fields that differ on the machines of a link's readers

# Default fields of each verb, omitted from links.
DEFAULTS: dict[str, dict[str, Any]] = {
    "interpolate": {"path": "spherical"},
    "translate": {"view": "own", "background": "white", "detail": None},
    "mix": {"to": None, "layers": "", "by": {}, "moved": ""},
}


def to_query(recipe: dict[str, Any]) -> str:
    """The recipe as a query string: verb=interpolate&system=vae_mnist&weights=...&from=3&to=54&position=0.5."""
    defaults = DEFAULTS.get(recipe["verb"], {})
    fields = {key: v for key, v in recipe.items() if key not in (*LEFT_OUT, "controls") and defaults.get(key, ...) != v}
    words = {key: to_word(key, value) for key, value in (fields | recipe.get("controls", {})).items()}
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
    names = {name for verb in verbs(model) for name in controls(getattr(model, verb))}
    values = {key: from_word(key, word) for key, word in words.items()}
    fields = {key: value for key, value in values.items() if key not in names}
    defaults = DEFAULTS.get(str(fields["verb"]), {})
    return defaults | fields | {"controls": {key: value for key, value in values.items() if key in names}}


def check_link(query: str) -> str:
    """The query itself. Raises ValueError if it is too long for a link, as several latents may make it."""
    if len(query) > MAX_LINK:
        raise ValueError(f"this recipe is too long for a link ({len(query)} letters; at most {MAX_LINK})")
    return query


def to_word(key: str, value: Any) -> str:
    """A field as text: ends as on the command line, strings verbatim, all else, and strings like numbers, as JSON."""
    if key in ENDS:
        return ",".join(end_to_word(end).rstrip("=") for end in (value if isinstance(value, list) else [value]))
    if key == "by":
        return ",".join(f"{name.replace(' ', '')}:{amount:g}" for name, amount in value.items())
    if isinstance(value, str) and from_word(key, value) == value:
        return value
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value, separators=(",", ":"))


def from_word(key: str, word: str) -> Any:
    if key == "by":
        return by_from_word(word)
    if key in ENDS:
        ends = [_end(part) for part in word.split(",")]
        return ends if key == "corners" else ends[0]
    try:
        return json.loads(word)
    except (ValueError, RecursionError):
        return word


def by_from_word(word: str) -> dict[str, float]:
    """effect1:2,pca3:-1 -> {"effect 1": 2.0, "pca 3": -1.0}"""
    moves = [re.fullmatch(r"([a-z]+)(\d+):([-+.\de]+)", move) for move in word.split(",") if move]
    if not all(moves):
        raise ValueError(f"directions are written as in effect1:2,pca3:-1, not {word[:80]!r}")
    return {f"{kind} {number}": float(amount) for kind, number, amount in (move.groups() for move in moves)}


def _end(word: str) -> dict[str, Any]:
    kind, _, code = word.rpartition(":")
    return {"code": code + "=" * (-len(code) % 4)} if kind == "code" else {"seed": from_word("seed", word)}
