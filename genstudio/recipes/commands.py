"""A recipe as a command line and as lines of Python."""

from __future__ import annotations

import shlex
from typing import Any

from genstudio.controls import word_of
from genstudio.recipes import verbs
from genstudio.recipes.fields import PICTURE_FILE
from genstudio.recipes.links import to_query

ABSENT = (None, "", {}, [])


def command(recipe: dict[str, Any]) -> str:
    """Command line that reproduces the image."""
    verb = verbs.find(recipe["verb"])
    words = ["python", "-m", "genstudio", verb.name, recipe["system"]]
    for field in verb.fields:
        value = recipe.get(field.name)
        if value in ABSENT:
            continue
        if not field.option:
            return shlex.join([*words[:3], "replay", to_query(recipe)])
        words += [field.option] if field.option.startswith("--") else []
        words += [field.kind.to_flag(value)]
    for name, value in recipe.get("controls", {}).items():
        words += [f"--{name}", word_of(value)]
    if recipe.get("precision") == "float32":
        words += ["--exact"]  # the default is the fastest precision of the machine
    return shlex.join(words)


def script(recipe: dict[str, Any]) -> str:
    """Python script that reproduces the image of a checked recipe."""
    pictured = verbs.find(recipe["verb"]).of_picture
    exact = "exact=True" if recipe.get("precision") == "float32" else ""
    facts = {key: value for key, value in recipe.items() if key not in ("genstudio", "precision", "torch")}
    lines = [
        "from PIL import Image",
        "from genstudio.engine import Engine",
        *(["from genstudio.images import open_picture"] if pictured else []),
        "from genstudio.recipes import replay",
        "",
        "recipe = {",
        *(f"    {key!r}: {value!r}," for key, value in facts.items()),
        "}",
        *([f"picture = open_picture({PICTURE_FILE!r})"] if pictured else []),
        f"image = replay.image(recipe, Engine({exact}){', picture' if pictured else ''})",
        f"Image.fromarray(image.squeeze()).save({recipe['verb'] + '.png'!r})",
    ]
    return "\n".join(lines)
