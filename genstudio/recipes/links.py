"""A recipe as a link, and back."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from genstudio import catalog
from genstudio.controls import controls
from genstudio.model import verbs
from genstudio.recipes.recipe import check_end


def end_to_word(end: dict[str, Any]) -> str:
    return f"code:{end['code']}" if "code" in end else str(end["seed"])


def end_from_word(word: str) -> dict[str, Any]:
    return check_end({"code": word.removeprefix("code:")} if word.startswith("code:") else {"seed": word})


ENDS = ("from", "to", "corners")  # fields that are ends of paths, one or several


MAX_LINK = 2000  # letters; every browser, server and chat passes as many on, and a QR code of them can still be read


LEFT_OUT = ("genstudio", "precision", "torch")  # a link is for others, whose machines differ in these


# What a verb's field is where a link does not say.
UNSAID: dict[str, dict[str, Any]] = {
    "interpolate": {"path": "spherical"},
    "translate": {"view": "own", "background": "white", "detail": None},
    "mix": {"to": None, "layers": "", "by": {}, "moved": ""},
}


def to_query(recipe: dict[str, Any]) -> str:
    """The recipe as a query string: verb=interpolate&system=vae_mnist&weights=...&from=3&to=54&position=0.5."""
    unsaid = UNSAID.get(recipe["verb"], {})
    fields = {key: v for key, v in recipe.items() if key not in (*LEFT_OUT, "controls") and unsaid.get(key, ...) != v}
    words = {key: to_word(key, value) for key, value in (fields | recipe.get("controls", {})).items()}
    return urlencode(words, safe=":,", quote_via=quote)


def from_query(query: str) -> dict[str, Any] | None:
    """The recipe that a query string means, or None where it means none. It is a stranger's: check it before use.

    What the model calls a control is one; the rest are fields, and those that no verb asks for mean nothing.
    """
    words = {key: word for key, word in parse_qsl(query) if not key.startswith("__")}  # Gradio has its own
    if "verb" not in words or "system" not in words:
        return None
    model = catalog.system_of(catalog.listed(words["system"])).model
    names = {name for verb in verbs(model) for name in controls(getattr(model, verb))}
    values = {key: from_word(key, word) for key, word in words.items()}
    fields = {key: value for key, value in values.items() if key not in names}
    unsaid = UNSAID.get(str(fields["verb"]), {})
    return unsaid | fields | {"controls": {key: value for key, value in values.items() if key in names}}


def check_link(query: str) -> str:
    """The query, if it is short enough to be passed on. Codes of pictures can make it too long."""
    if len(query) > MAX_LINK:
        raise ValueError(f"this recipe is too long for a link ({len(query)} letters; at most {MAX_LINK})")
    return query


def to_word(key: str, value: Any) -> str:
    """Ends as on the command line, words as they are, all else as JSON: numbers, and words that look like them."""
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
