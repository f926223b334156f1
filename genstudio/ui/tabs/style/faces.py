"""Faces of the rows and columns of a scene: {"seed": n}, or {"kept": letter} of a face that the scene keeps."""

from __future__ import annotations

import re

from genstudio.recipes import fields
from genstudio.ui.tabs.style import words as w

MAX_FACES = 8  # faces per side
MAX_KEPT = 26  # one per letter


def end_of(scene: dict, face: dict) -> dict:
    return scene["kept"][face["kept"]] if "kept" in face else face


def name_of(face: dict) -> str:
    return face.get("kept") or str(face["seed"])


def faces_of(words: str | None, kept: dict, lang: str) -> list[dict]:
    """Parse seeds and letters of kept faces, separated by spaces or commas. Raises ValueError with the reason."""
    faces = []
    for word in re.split(r"[\s,;]+", (words or "").strip()):
        if word.upper() in kept:
            faces.append({"kept": word.upper()})
        elif word.isdecimal():
            faces.append({"seed": fields.check_seed(word)})
        elif word:
            raise ValueError(w.NO_SEED.say(lang, word=repr(word[:40])))
    if not faces:
        raise ValueError(w.NO_FACES.say(lang))
    if len(faces) > MAX_FACES:
        raise ValueError(w.TOO_MANY.say(lang, most=MAX_FACES))
    return faces


def with_face(scene: dict, end: dict) -> dict:
    """The scene with a new face, kept under the next free letter, as its selected first row.

    A full matrix loses its last row; once all letters are taken, kept faces in no row or column are dropped.
    """
    kept = scene["kept"]
    if len(kept) >= MAX_KEPT:
        used = {face.get("kept") for key in ("rows", "columns") for face in scene[key]}
        kept = {letter: face for letter, face in kept.items() if letter in used}
    letter = next(chr(code) for code in range(ord("A"), ord("Z") + 1) if chr(code) not in kept)
    rows = [{"kept": letter}, *scene["rows"]][:max(len(scene["rows"]), 5)][:MAX_FACES]
    return scene | {"kept": kept | {letter: end}, "rows": rows, "cell": (0, None)}


def within_reach(scene: dict) -> dict:
    """The scene with its selected cell clipped to the matrix."""
    place = tuple(
        None if i is None else min(i, len(scene[key]) - 1) for i, key in zip(scene["cell"], ("rows", "columns"), strict=True)
    )
    return scene | {"cell": place}
