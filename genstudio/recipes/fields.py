"""Kinds of values in a recipe's fields: each with its check, and its word in links and on the command line.

A recipe is untrusted: `check` raises ValueError, in one sentence with the value, for all that it cannot use. The
command line imports this file for its help: torch and NumPy are imported inside the functions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from genstudio.controls import Refusal

# Words of values that have no form of their own -----------------------------------------------------------------


def from_word(word: str) -> Any:
    """The value of a link's word: JSON, else the word itself."""
    try:
        return json.loads(word)
    except (ValueError, RecursionError):
        return word


def to_word(value: Any) -> str:
    """A value as a word: strings verbatim, all else, and strings that look like JSON, as JSON."""
    if isinstance(value, str) and from_word(value) == value:
        return value
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value, separators=(",", ":"))


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of value. Compared by identity: two kinds may have the same check and be read from different flags."""

    type: Any  # of the value in the API
    check: Callable[[Any], Any]
    to_word: Callable[[Any], str] = to_word  # in links
    from_word: Callable[[str], Any] = from_word
    to_flag: Callable[[Any], str] = str  # on the command line
    file_name: Callable[[Any, int], str] = lambda value, i: f"{i:04d}"  # part of a picture's name, of the i-th value


# Seeds, latents, and ends of paths ------------------------------------------------------------------------------


def check_seed(seed: Any) -> int:
    from genstudio.model import Noise

    try:
        number = int(seed)
        if isinstance(seed, bool) or isinstance(seed, float) and seed != number:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise Refusal(
            f"a seed is a whole number, not {seed!r}",
            f"une graine est un nombre entier, et non {seed!r}",
        ) from None
    if not 0 <= number <= Noise.MAX_SEED:
        raise Refusal(
            f"a seed is a whole number from 0 to {Noise.MAX_SEED}, not {number}",
            f"une graine est un entier de 0 à {Noise.MAX_SEED}, et non {number}",
        )
    return number


def check_code(code: Any) -> str:
    from genstudio.recipes.encoding import unpack

    unpack(code)
    return code


def check_end(end: Any) -> dict[str, Any]:
    """Check an end of a path: {"seed": n} or {"code": base64 of float16 numbers}."""
    known = {"seed", "code"} & end.keys() if isinstance(end, dict) else set()
    if known == {"seed"}:
        check_seed(end["seed"])
    elif known == {"code"}:
        check_code(end["code"])
    else:
        raise Refusal(
            f"an end of a path is a seed or a code, not {end!r}",
            f"un bout de chemin est une graine ou un code, et non {end!r}",
        )
    return end


def check_corners(corners: Any) -> list[dict[str, Any]]:
    if not isinstance(corners, list) or len(corners) != 4:
        raise Refusal(f"a plane has four corners, not {corners!r}", f"un plan a quatre coins, et non {corners!r}")
    return [check_end(corner) for corner in corners]


def end_to_flag(end: dict[str, Any]) -> str:
    return f"code:{end['code']}" if "code" in end else str(end["seed"])


def end_to_word(end: dict[str, Any]) -> str:
    return end_to_flag(end).rstrip("=")  # the padding would be escaped


def end_from_word(word: str) -> dict[str, Any]:
    kind, _, code = word.rpartition(":")
    return {"code": code + "=" * (-len(code) % 4)} if kind == "code" else {"seed": from_word(word)}


SEED = Kind(int, check_seed, to_flag=lambda seed: str(int(seed)), file_name=lambda seed, i: f"{int(seed):04d}")
CODE = Kind(str, check_code, to_flag=lambda code: f"code:{code}")
END = Kind(dict, check_end, end_to_word, end_from_word, end_to_flag, lambda end, i: f"{i:02d}")
STYLE_END = Kind(dict, check_end, end_to_word, end_from_word, end_to_flag, lambda end, i: f"{i:02d}")  # in W+
CORNERS = Kind(
    list,
    check_corners,
    lambda ends: ",".join(map(end_to_word, ends)),
    lambda word: [end_from_word(part) for part in word.split(",")],
    lambda ends: ",".join(map(end_to_flag, ends)),
)

# Paths, directions, layers --------------------------------------------------------------------------------------


def check_position(position: Any) -> float:
    if not isinstance(position, (int, float)) or not 0 <= position <= 1:
        raise Refusal(
            f"a position lies between 0 and 1, not {position!r}",
            f"une position est entre 0 et 1, et non {position!r}",
        )
    return float(position)


def check_path(path: Any) -> str:
    from genstudio.latent.paths import PATHS

    if path not in tuple(PATHS):
        raise Refusal(
            f"path must be one of {', '.join(PATHS)}, not {path!r}",
            f"path : l’un de {', '.join(PATHS)}, et non {path!r}",
        )
    return path


def check_by(by: Any, methods: Collection[str] = ()) -> dict[str, float]:
    """Check moves along directions: {"METHOD NUMBER": standard deviations}, numbered from 1.

    methods: names of the methods, by default those of the latent space.
    """
    from genstudio.latent.paths import DIRECTIONS

    methods = methods or tuple(DIRECTIONS)
    if not isinstance(by, dict) or len(by) > 64:
        raise Refusal(
            f"directions are given by name, at most 64 of them, not {str(by)[:80]!r}",
            f"les directions se donnent par leur nom, 64 au plus, et non {str(by)[:80]!r}",
        )
    for name, amount in by.items():
        method, _, number = str(name).partition(" ")
        if method not in methods or not number.isdecimal() or not 1 <= int(number) <= 4096:
            raise Refusal(
                f"a direction is called {', '.join(f'{m} 1' for m in methods)} and so on, not {name!r}",
                f"une direction s’appelle {', '.join(f'{m} 1' for m in methods)} et ainsi de suite, et non {name!r}",
            )
        if not isinstance(amount, (int, float)) or not -20 <= amount <= 20:
            raise Refusal(
                f"{name} must move by -20 to 20 standard deviations, not {amount!r}",
                f"{name} se déplace de -20 à 20 écarts-types, et non {amount!r}",
            )
    return by


def check_styles_by(by: Any) -> dict[str, float]:
    from genstudio.latent import style_layers

    return check_by({} if by is None else by, tuple(style_layers.DIRECTIONS))


def by_to_word(by: dict[str, float]) -> str:
    return ",".join(f"{name.replace(' ', '')}:{to_word(amount)}" for name, amount in by.items())


def by_from_word(word: str) -> dict[str, float]:
    """effect1:2,pca3:-1 -> {"effect 1": 2.0, "pca 3": -1.0}"""
    number = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
    moves = [re.fullmatch(rf"([a-z]+)(\d+):({number})", move) for move in word.split(",") if move]
    if not all(moves):
        raise Refusal(
            f"directions are written as in effect1:2,pca3:-1, not {word[:80]!r}",
            f"les directions s’écrivent comme effect1:2,pca3:-1, et non {word[:80]!r}",
        )
    return {f"{kind} {number}": float(amount) for kind, number, amount in (move.groups() for move in moves)}


def check_layers(word: Any) -> Any:
    from genstudio.latent.style_layers import layers_of

    layers_of(word)
    return word


POSITION = Kind(float, check_position)
PATH = Kind(str, check_path)
DIRECTIONS_BY = Kind(dict, check_by, by_to_word, by_from_word, by_to_word)
STYLES_BY = Kind(dict, check_styles_by, by_to_word, by_from_word, by_to_word)
LAYERS = Kind(str, check_layers)

# A visitor's picture --------------------------------------------------------------------------------------------

PICTURE_FILE, MASK_FILE = "PICTURE.png", "MASK.png"  # placeholders in commands: a recipe stores no file name


def picture_name(body: bytes) -> str:
    """Name of a picture file in a recipe, the start of its SHA-256: it identifies the file without its contents."""
    return hashlib.sha256(body).hexdigest()[:16]


def check_picture(digest: Any) -> str:
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{16}", digest):
        raise Refusal(
            f"a picture is named by the first 16 digits of its SHA-256, not {str(digest)[:80]!r}",
            f"une image se nomme par les 16 premiers chiffres de son SHA-256, et non {str(digest)[:80]!r}",
        )
    return digest


def check_mask(mask: Any) -> str | None:
    from genstudio.recipes import encoding

    return encoding.check_mask(mask)


def check_view(view: Any) -> str:
    from genstudio.engine.engine import VIEWS

    if view not in tuple(VIEWS):
        raise Refusal(
            f"view must be one of {', '.join(VIEWS)}, not {str(view)[:80]!r}",
            f"view : l’un de {', '.join(VIEWS)}, et non {str(view)[:80]!r}",
        )
    return view


def check_background(colour: Any) -> str:
    from PIL import ImageColor

    try:
        ImageColor.getrgb(colour)
    except (ValueError, AttributeError, TypeError):
        raise Refusal(
            f"background is a colour like white or #ffcc00, not {str(colour)[:80]!r}",
            f"le fond est une couleur comme white ou #ffcc00, et non {str(colour)[:80]!r}",
        ) from None
    return colour


def check_detail(detail: Any) -> float | None:
    """Check the amount of detail of an edge drawing, 0 to 1; None for the picture itself."""
    number = isinstance(detail, (int, float)) and not isinstance(detail, bool)
    if detail is not None and not (number and 0 <= detail <= 1):
        raise Refusal(
            f"detail must lie between 0 and 1, not {detail!r}",
            f"les traits vont de 0 à 1, et non {detail!r}",
        )
    return detail


PICTURE = Kind(str, check_picture, to_flag=lambda digest: PICTURE_FILE)
MASK = Kind(str, check_mask, to_flag=lambda mask: MASK_FILE)
VIEW = Kind(str, check_view)
BACKGROUND = Kind(str, check_background)
DETAIL = Kind(float, check_detail)

# A denoising trajectory -----------------------------------------------------------------------------------------

MAX_BRANCHES = 8


def check_branches(branches: Any) -> list[dict[str, Any]]:
    """Check branches of a denoising trajectory, in order: the step that each leaves at, its seed and its controls."""
    if branches is None:
        return []
    if not isinstance(branches, list) or len(branches) > MAX_BRANCHES:
        raise Refusal(
            f"branches are a list of at most {MAX_BRANCHES}, not {str(branches)[:80]!r}",
            f"les prolongements sont une liste, {MAX_BRANCHES} au plus, et non {str(branches)[:80]!r}",
        )
    for branch in branches:
        if not isinstance(branch, dict) or not isinstance(branch.get("controls"), dict):
            raise Refusal(
                f"a branch has at, seed and controls, not {str(branch)[:80]!r}",
                f"un prolongement a at, seed et controls, et non {str(branch)[:80]!r}",
            )
        check_seed(branch.get("seed"))
        if type(branch.get("at")) is not int or not 0 <= branch["at"] < 10_000:
            raise Refusal(
                f"a branch leaves at a step, not at {str(branch.get('at'))[:80]!r}",
                f"un prolongement part d’un pas, et non de {str(branch.get('at'))[:80]!r}",
            )
    return branches


BRANCHES = Kind(list, check_branches)
