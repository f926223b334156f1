"""A recipe is all that makes a picture again: weights, ends or seed, controls, precision and library versions.

The same small JSON stands in the PNG, in the history and on the command line. A dropped picture enters a recipe as its
half-precision code, never as the picture; one that was translated, as the first digits of its file's SHA-256.

    {"verb": "interpolate", "system": "vae_mnist", "weights": "06799f88e308", "from": {"seed": 3}, "to": {"code": "..."},
     "position": 0.5, "path": "spherical", "controls": {"truncation": 1.0}, "precision": "bfloat16", ...}
    {"verb": "sample", "system": "dcgan_avatars", "seed": 7, "controls": {...}, ...}
    {"verb": "plane", ..., "corners": [{"seed": 1}, {"seed": 2}, {"seed": 3}, {"code": "..."}], "x": 0.2, "y": 0.7}
    {"verb": "steer", ..., "from": {"seed": 3}, "by": {"effect 1": 2.0, "dimension 17": -1.5}}
    {"verb": "decode", ..., "code": "..."}
    {"verb": "mix", ..., "from": {"seed": 3}, "to": {"seed": 54}, "layers": "4-9", "by": {"sefa 1": 2.0}, "moved": "0-3"}
    {"verb": "translate", ..., "picture": "9f86d081884c7d65", "view": "own", "background": "white", "detail": 0.5}
    {"verb": "sample", ..., "seed": 7, "branches": [{"at": 8, "seed": 3, "controls": {"steps": 12, "label": "4"}}]}
    {"verb": "redraw", ..., "seed": 7, "picture": "9f86d081884c7d65", "mask": "..."}
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import numpy as np
import torch
from PIL import Image, ImageColor

from genstudio import __version__, checkpoint, style
from genstudio.engine import VIEWS, Engine
from genstudio.held import Held, find_verb, maker
from genstudio.latent import DIRECTIONS, PATHS, along, between, within
from genstudio.mixing import grain_seed, mix, part_of
from genstudio.model import Noise, check_controls, controls, steps_many, verbs
from genstudio.packed import check_mask, unpack, unpack_mask
from genstudio.registry import find
from genstudio.steps import Step, after


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
    header = checkpoint.describe(checkpoint.locate(str(recipe.get("system"))))
    system = find(header.system)
    if recipe.get("verb") not in tuple(CHECKS):
        raise ValueError(f"the recipe's verb must be one of {', '.join(CHECKS)}, not {recipe.get('verb')!r}")
    for key, checked in CHECKS[recipe["verb"]].items():
        checked(recipe.get(key))
    controls = recipe.get("controls") or {}
    if not isinstance(controls, dict):
        raise ValueError(f"the recipe's controls must be named, not {controls!r}")
    check_controls(maker(system, recipe["verb"]), controls, header.classes)
    for branch in recipe.get("branches") or ():
        check_controls(find_verb(system, "go_on"), branch["controls"], header.classes)
    return recipe


def differences(recipe: dict[str, Any], held: Held) -> list[str]:
    """What is not as it was when the picture was made: then it comes back alike, but not bit for bit."""
    now = {"weights": held.digest, "precision": held.precision.name, "torch": torch.__version__, "genstudio": __version__}
    return [key for key, value in now.items() if recipe.get(key) != value]


def command(recipe: dict[str, Any]) -> str:
    """The command line that makes the same picture."""
    words = ["python", "-m", "genstudio", recipe["verb"], recipe["system"]]
    if recipe["verb"] == "sample" and not recipe.get("branches"):
        words += ["--seeds", str(recipe["seed"])]
    elif recipe["verb"] == "redraw" and not recipe.get("branches"):
        words += [PICTURE, "--seeds", str(recipe["seed"]), *(["--mask", MASK] if recipe.get("mask") else [])]
    elif recipe["verb"] == "interpolate":
        words += ["--from", end_to_word(recipe["from"]), "--to", end_to_word(recipe["to"])]
        words += ["--positions", str(recipe["position"]), "--path", recipe["path"]]
    elif recipe["verb"] == "decode":
        words += [f"code:{recipe['code']}"]
    elif recipe["verb"] == "mix":
        words += ["--rows", end_to_word(recipe["from"])]
        if recipe.get("to"):
            words += ["--columns", end_to_word(recipe["to"]), "--layers", str(recipe["layers"])]
        if recipe.get("by"):
            words += ["--by", _to_word("by", recipe["by"]), "--moved", str(recipe["moved"])]
    elif recipe["verb"] == "translate":
        words += [PICTURE, "--out", "translated", "--view", recipe["view"], "--background", recipe["background"]]
        words += [] if recipe.get("detail") is None else ["--detail", str(recipe["detail"])]
    else:
        return shlex.join([*words[:3], "again", to_query(recipe)])
    for name, value in recipe.get("controls", {}).items():
        words += [f"--{name}", str(value)]
    if recipe.get("precision") == "float32":
        words += ["--exact"]  # a machine that is faster in another precision would take that
    return shlex.join(words)


MASK = "MASK.png"
PICTURE = "PICTURE.png"  # stands for a visitor's file, whose name no recipe keeps


def script(recipe: dict[str, Any]) -> str:
    """The lines of Python that translate a picture as a checked recipe says."""
    exact, detail = recipe.get("precision") == "float32", recipe.get("detail")
    arguments = [f"view={recipe['view']!r}", *(f"{name}={value!r}" for name, value in recipe.get("controls", {}).items())]
    lines = [
        "import numpy as np",
        "from PIL import Image",
        "from genstudio.engine import Engine",
        "from genstudio.images import flatten, open_picture",
        *(["from genstudio.outlines import outlines"] if detail is not None else []),
        "",
        f"engine, name = Engine({'exact=True' if exact else ''}), {recipe['system']!r}",
        f"picture = flatten(open_picture({PICTURE!r}), {recipe['background']!r})",
        *([f"picture = outlines(picture, {detail}, engine.hold(name).model.own_side)"] if detail is not None else []),
        f"*_, last = engine.translate(name, np.array(picture)[None], {', '.join(arguments)})",
        'Image.fromarray(last.images[0]).save("translated.png")',
    ]
    return "\n".join(lines)


def code(recipe: dict[str, Any], engine: Engine) -> np.ndarray:
    """The code (d,) of the picture that a checked recipe means."""
    name = recipe["system"]
    if recipe["verb"] == "sample":
        return latent_of(recipe, engine, name)
    if recipe["verb"] == "decode":
        return unpack(recipe["code"])
    if recipe["verb"] == "plane":
        corners = [latent_of(corner, engine, name) for corner in recipe["corners"]]
        return within(corners, [recipe["x"]], [recipe["y"]])[0]
    start = latent_of(recipe["from"], engine, name)
    if recipe["verb"] == "steer":
        return steered(start, recipe["by"], engine, name)
    return between((start, latent_of(recipe["to"], engine, name)), [recipe["position"]], recipe["path"])[0]


def steps(
    recipe: dict[str, Any], engine: Engine, picture: Image.Image | None = None
) -> Iterator[Step]:
    """The run that a checked recipe of `sample` or `redraw` means, branches and all; of the second, with its picture."""
    name, mask = recipe["system"], None
    if recipe["verb"] == "redraw":
        if recipe.get("mask"):
            mask = unpack_mask(recipe["mask"], engine.image_shape(name)[1:])
        run = engine.redraw(name, picture, [recipe["seed"]], mask, **(recipe.get("controls") or {}))
    else:
        run = engine.denoise(name, [recipe["seed"]], **(recipe.get("controls") or {}))
    for branch in recipe.get("branches") or ():
        left = None
        with closing(run):
            for step in run:
                left = step if step.time >= 0 else left
                if step.step == step.steps or step.step >= branch["at"] and left:
                    break
                yield step
        if left is None:
            raise ValueError("a run without noise has no step to branch from")
        twig = engine.go_on(name, left.x, left.time, [branch["seed"]], picture, mask, **branch["controls"])
        run = after(left, twig)
    yield from run


def image(recipe: dict[str, Any], engine: Engine) -> np.ndarray:
    """The picture, uint8 (h, w, c), that a checked recipe means, where it holds all that is needed."""
    if recipe["verb"] == "sample" and steps_many(engine.hold(recipe["system"]).model):
        *_, last = steps(recipe, engine)
        return last.guess[0]
    if recipe["verb"] == "sample" and hasattr(engine.hold(recipe["system"]).model, "sample"):
        *_, images = engine.sample(recipe["system"], [int(recipe["seed"])], **(recipe.get("controls") or {}))
        return images[0]
    if recipe["verb"] == "mix":
        held = engine.hold(recipe["system"])
        grain = part_of(held, "synthesize", recipe.get("controls") or {})
        return engine.synthesize(held.name, mix(recipe, engine)[None], [grain_seed(recipe["from"])], **grain)[0]
    return engine.decode(recipe["system"], code(recipe, engine)[None], **(recipe.get("controls") or {}))[0]


def steered(start: np.ndarray, by: dict[str, float], engine: Engine, name: str) -> np.ndarray:
    """A code moved along directions, each by so many standard deviations: {"effect 1": 2.0, "dimension 17": -1.5}."""
    return along(start, by, lambda kind: engine.directions(name, kind), name)


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


def check_corners(corners: Any) -> list[dict[str, Any]]:
    if not isinstance(corners, list) or len(corners) != 4:
        raise ValueError(f"a plane has four corners, not {corners!r}")
    return [check_end(corner) for corner in corners]


def check_by(by: Any, kinds: Collection[str] = tuple(DIRECTIONS)) -> dict[str, float]:
    """Directions are named by kind and number, counted from 1; how far is in standard deviations."""
    if not isinstance(by, dict) or len(by) > 64:
        raise ValueError(f"directions are given by name, at most 64 of them, not {str(by)[:80]!r}")
    for name, amount in by.items():
        kind, _, number = str(name).partition(" ")
        if kind not in kinds or not number.isdecimal() or not 1 <= int(number) <= 4096:
            raise ValueError(f"a direction is called {', '.join(f'{k} 1' for k in kinds)} and so on, not {name!r}")
        if not isinstance(amount, (int, float)) or not -20 <= amount <= 20:
            raise ValueError(f"{name} must move by -20 to 20 standard deviations, not {amount!r}")
    return by


def check_styles_by(by: Any) -> dict[str, float]:
    return check_by({} if by is None else by, tuple(style.DIRECTIONS))


def latent_of(end: dict[str, Any], engine: Engine, name: str) -> np.ndarray:
    """The code (d,) of an end."""
    return engine.latents(name, [int(end["seed"])])[0] if "seed" in end else unpack(end["code"])


def end_to_word(end: dict[str, Any]) -> str:
    return f"code:{end['code']}" if "code" in end else str(end["seed"])


def end_from_word(word: str) -> dict[str, Any]:
    return check_end({"code": word.removeprefix("code:")} if word.startswith("code:") else {"seed": word})


# A translated picture --------------------------------------------------------------------------------------------


def picture_name(body: bytes) -> str:
    """What a recipe calls a picture's file: it says which it was, and nothing of it."""
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
    """How many lines are drawn first; None: none, the picture is shown as it is."""
    if detail is not None and (isinstance(detail, bool) or not isinstance(detail, (int, float)) or not 0 <= detail <= 1):
        raise ValueError(f"detail must lie between 0 and 1, not {detail!r}")
    return detail


# A denoised picture ---------------------------------------------------------------------------------------------

MOST_BRANCHES = 8


def check_branches(branches: Any) -> list[dict[str, Any]]:
    """Where a run was left, one after the other: at which step, and with what it went on."""
    if branches is None:
        return []
    if not isinstance(branches, list) or len(branches) > MOST_BRANCHES:
        raise ValueError(f"branches are a list of at most {MOST_BRANCHES}, not {str(branches)[:80]!r}")
    for branch in branches:
        if not isinstance(branch, dict) or not isinstance(branch.get("controls"), dict):
            raise ValueError(f"a branch has at, seed and controls, not {str(branch)[:80]!r}")
        check_seed(branch.get("seed"))
        if type(branch.get("at")) is not int or not 0 <= branch["at"] < 10_000:
            raise ValueError(f"a branch leaves at a step, not at {str(branch.get('at'))[:80]!r}")
    return branches


# What each verb asks for, and how it is checked.
CHECKS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "sample": {"seed": check_seed, "branches": check_branches},
    "redraw": {"seed": check_seed, "picture": check_picture, "mask": check_mask, "branches": check_branches},
    "interpolate": {"from": check_end, "to": check_end, "position": check_position, "path": check_path},
    "plane": {"corners": check_corners, "x": check_position, "y": check_position},
    "steer": {"from": check_end, "by": check_by},
    "decode": {"code": unpack},
    "mix": {
        "from": check_end,
        "to": lambda end: end and check_end(end),
        "layers": style.layers_of,
        "by": check_styles_by,
        "moved": style.layers_of,
    },
    "translate": {
        "picture": check_picture,
        "view": check_view,
        "background": check_background,
        "detail": check_detail,
    },
}


# Links ----------------------------------------------------------------------------------------------------------

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
    words = {key: _to_word(key, value) for key, value in (fields | recipe.get("controls", {})).items()}
    return urlencode(words, safe=":,", quote_via=quote)


def from_query(query: str) -> dict[str, Any] | None:
    """The recipe that a query string means, or None where it means none. It is a stranger's: check it before use.

    What the model calls a control is one; the rest are fields, and those that no verb asks for mean nothing.
    """
    words = {key: word for key, word in parse_qsl(query) if not key.startswith("__")}  # Gradio has its own
    if "verb" not in words or "system" not in words:
        return None
    model = checkpoint.system_of(checkpoint.listed(words["system"])).model
    names = {name for verb in verbs(model) for name in controls(getattr(model, verb))}
    values = {key: _from_word(key, word) for key, word in words.items()}
    fields = {key: value for key, value in values.items() if key not in names}
    unsaid = UNSAID.get(str(fields["verb"]), {})
    return unsaid | fields | {"controls": {key: value for key, value in values.items() if key in names}}


def check_link(query: str) -> str:
    """The query, if it is short enough to be passed on. Codes of pictures can make it too long."""
    if len(query) > MAX_LINK:
        raise ValueError(f"this recipe is too long for a link ({len(query)} letters; at most {MAX_LINK})")
    return query


def _to_word(key: str, value: Any) -> str:
    """Ends as on the command line, words as they are, all else as JSON: numbers, and words that look like them."""
    if key in ENDS:
        return ",".join(end_to_word(end).rstrip("=") for end in (value if isinstance(value, list) else [value]))
    if key == "by":
        return ",".join(f"{name.replace(' ', '')}:{amount:g}" for name, amount in value.items())
    if isinstance(value, str) and _from_word(key, value) == value:
        return value
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value, separators=(",", ":"))


def _from_word(key: str, word: str) -> Any:
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
    return {"code": code + "=" * (-len(code) % 4)} if kind == "code" else {"seed": _from_word("seed", word)}
