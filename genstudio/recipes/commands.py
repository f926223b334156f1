"""A recipe as a command line and as lines of Python."""

from __future__ import annotations

import shlex
from typing import Any

from genstudio.controls import word_of
from genstudio.recipes.links import end_to_word, to_query, to_word


def command(recipe: dict[str, Any]) -> str:
    """Command line that reproduces the image."""
    words = ["python", "-m", "genstudio", recipe["verb"], recipe["system"]]
    if recipe["verb"] == "sample" and not recipe.get("branches"):
        words += ["--seeds", str(recipe["seed"])]
    elif recipe["verb"] == "img2img" and not recipe.get("branches"):
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
            words += ["--by", to_word("by", recipe["by"]), "--moved", str(recipe["moved"])]
    elif recipe["verb"] == "translate":
        words += [PICTURE, "--out", "translated", "--view", recipe["view"], "--background", recipe["background"]]
        words += [] if recipe.get("detail") is None else ["--detail", str(recipe["detail"])]
    else:
        return shlex.join([*words[:3], "replay", to_query(recipe)])
    for name, value in recipe.get("controls", {}).items():
        words += [f"--{name}", word_of(value)]
    if recipe.get("precision") == "float32":
        words += ["--exact"]  # the default is the fastest precision of the machine
    return shlex.join(words)


MASK = "MASK.png"
PICTURE = "PICTURE.png"  # placeholder: a recipe stores no file name


def script(recipe: dict[str, Any]) -> str:
    """Python script that reproduces the translation of a checked recipe."""
    exact, detail = recipe.get("precision") == "float32", recipe.get("detail")
    controls = recipe.get("controls", {})
    arguments = [f"view={recipe['view']!r}", *(f"{name}={value!r}" for name, value in controls.items())]
    lines = [
        "import numpy as np",
        "from PIL import Image",
        "from genstudio.engine import Engine",
        "from genstudio.images import flatten, open_picture",
        *(["from genstudio.tasks.edges import outlines"] if detail is not None else []),
        "",
        f"engine, name = Engine({'exact=True' if exact else ''}), {recipe['system']!r}",
        f"picture = flatten(open_picture({PICTURE!r}), {recipe['background']!r})",
        *([f"picture = outlines(picture, {detail}, engine.hold(name).model.own_side)"] if detail is not None else []),
        f"*_, last = engine.translate(name, np.array(picture)[None], {', '.join(arguments)})",
        'Image.fromarray(last.images[0]).save("translated.png")',
    ]
    return "\n".join(lines)
