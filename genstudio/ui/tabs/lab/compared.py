"""Comparison of the GANs of digits that differ in their game, from the headers of their checkpoints.

`python -m genstudio score NAME --n 10000 --features judge_mnist --write` puts the scores there. As multiples: 1 is what
training images reach against held-out ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genstudio import catalog, checkpoint, paths
from genstudio.checkpoint import Header
from genstudio.controls import Text, number, thousands
from genstudio.models.games import GUIDELINES
from genstudio.registry import systems
from genstudio.scores.intervals import read_score

JUDGE = "judge_mnist"
LEAST = 0.04  # share of a class from which it counts as covered
CLASSES = tuple(map(str, range(10)))
BASELINE = "cgan_mnist"  # a larger GAN, conditioned on the class
OTHERS = ("msg_dense_mnist", BASELINE)  # of other families
FULL, NONE = "nonsaturating_mnist", "dcgan_plain_mnist"  # a GAN by all guidelines, and by none

MULTIPLE = " over training pictures'"
COLUMNS = {
    "frechet": Text("Fréchet distance, × training", "Distance de Fréchet, × entraînement"),
    "precision": Text("Precision, × training", "Précision, × entraînement"),
    "recall": Text("Recall, × training", "Rappel, × entraînement"),
    "classes": Text("Classes over 4 %", "Classes de plus de 4 %"),
    "sure": Text("Sure samples", "Images sûres"),
    "largest": Text("Largest class", "Plus grande classe"),
    "steps": Text("Steps of G", "Pas de G"),
    "images": Text("Images shown to D", "Images vues par D"),
}
DISTANCES = {"frechet": "Frechet distance", "precision": "precision", "recall": "recall"}
LOWER = {"frechet", "largest"}  # columns of which the lowest number is the best
FORMATS = {"frechet": ".2f", "precision": ".2f", "recall": ".2f"}
SHARES = {"sure", "largest"}
# What a game that may fail shows, where it covers fewer than 8 classes or is sure of less than half.
FAILURES = {
    "minimax_mnist": Text(
        "D grows sure of itself, log(1 - D) is flat there, and hardly any gradient reaches G.",
        "D devient sûr de lui, log(1 - D) y est plat, et G ne reçoit presque plus de gradient.",
    ),
    "dcgan_plain_mnist": Text(
        "Saturated tanh units and no batch norm: G settles on a few shapes.",
        "Unités tanh saturées, sans normalisation par lot : G se fixe sur quelques formes.",
    ),
}
PASSED = 8, 0.5  # classes, share of sure samples


@dataclass(frozen=True)
class Row:
    """A game with weights.

    values: of `COLUMNS`; None for a score that its header lacks.
    """

    name: str
    title: Text
    values: Mapping[str, float | None]

    @property
    def failure(self) -> Text | None:
        """Why it covers fewer classes than it should, where that is known."""
        classes, sure = self.values["classes"], self.values["sure"]
        failed = (classes is not None and classes < PASSED[0]) or (sure is not None and sure < PASSED[1])
        return FAILURES.get(self.name) if failed else None


def names() -> list[str]:
    """Systems of the comparison, with or without weights, in the order of their declaration."""
    games = [name for name, system in systems().items() if system.family == "games" and name not in GUIDELINES]
    return [*games, *(name for name in OTHERS if name in systems())]


def rows() -> list[Row]:
    """The games whose weights are here, with the baseline if there are any: the best distance first, those without one
    last."""
    here, found = catalog.available(), []
    for name in names():
        try:
            header = checkpoint.describe(here[name])
        except (KeyError, ValueError, OSError):  # not here, or broken: `list` says why
            continue
        found.append(Row(name, systems()[name].title, values(header)))
    if [row.name for row in found] == [BASELINE]:
        return []
    return sorted(found, key=lambda row: row.values["frechet"] or math.inf)


def values(header: Header) -> dict[str, float | None]:
    """Numbers of `COLUMNS` in a header, which is untrusted."""
    multiples = {key: score(header, f"{name}{MULTIPLE}") for key, name in DISTANCES.items()}
    shares = [score(header, f"share of {label}") for label in CLASSES]
    of_sure = [score(header, f"share of {label} among sure samples") for label in CLASSES]
    known = [share for share in of_sure if share is not None]
    return multiples | {
        "classes": float(sum(share > LEAST for share in known)) if known else None,
        "sure": score(header, "share of sure samples"),
        "largest": max((share for share in shares if share is not None), default=None),
        "steps": whole(header.step),
        "images": whole(header.images),
    }


def score(header: Header, name: str) -> float | None:
    found = read_score(header.scores.get(f"{name} ({JUDGE})"))
    return found.value if found else None


def whole(count: Any) -> float | None:
    return float(count) if isinstance(count, int) and count > 0 else None


def said(key: str, value: float | None, lang: str = "en") -> str:
    """A number of a column, as the page shows it."""
    if value is None:
        return "–"
    if key in SHARES:
        return f"{number(100 * value, '.0f', lang)} %"
    return number(value, FORMATS[key], lang) if key in FORMATS else thousands(int(value))


def markdown() -> str:
    """The comparison as the table of docs/figures.md; a sentence, without weights."""
    if not (found := rows()):
        return "No game has weights here yet."
    lines = [["game", *(title.en for title in COLUMNS.values())]]
    lines.append(["---", *("---:" for _ in COLUMNS)])
    lines += [[f"`{row.name}`", *(said(key, row.values[key]) for key in COLUMNS)] for row in found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# Films ----------------------------------------------------------------------------------------------------------


def film_of(name: str) -> Path | None:
    """Film of a system's training, which may be shipped without its weights."""
    places = (folder / f"{name}.webp" for folder in paths.checkpoint_folders())
    return next((path for path in places if path.exists()), None)


def guidelines() -> Sequence[tuple[str, Path]]:
    """Films of the DCGAN by all guidelines, by all but one, and by none, by system: those that are here, none without
    one of the second."""
    films = {name: film_of(name) for name in (FULL, *GUIDELINES, NONE)}
    return [(name, film) for name, film in films.items() if film] if any(films[name] for name in GUIDELINES) else []
