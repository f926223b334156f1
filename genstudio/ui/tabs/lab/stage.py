"""Frames of the lab's stage, as JSON that `assets/lab.js` draws: points, forces, the critic's landscape, and curves."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from genstudio.controls import number, thousands
from genstudio.training.live import EXTENT, SIDE, Live, LiveState
from genstudio.ui.tabs.lab import words as w
from genstudio.ui.tabs.lab.figures import Figure, Line, Plot
from genstudio.ui.tabs.lab.session import MODELS, LabSession, all_settings, title_of

LEVELS = 100  # of a curve's height


def frame(session: LabSession, lang: str) -> str:
    """One frame: the real points, and a picture of each training."""
    if isinstance(session.preset, Figure) and not session.sides:
        return json.dumps({"sides": [], "figure": [drawn(plot, lang) for plot in session.preset.plots()]})
    states = [(live, live.state()) for live in session.sides]
    titles = titles_of(session, lang)
    real = session.sides[0].real.flatten(1).numpy()
    return json.dumps(
        {
            "extent": EXTENT,
            "side": SIDE,
            "real": thousandths(real),
            "sides": [side(live, state, title, lang) for (live, state), title in zip(states, titles, strict=True)],
        },
        separators=(",", ":"),
    )


def side(live: Live, state: LiveState, title: str, lang: str) -> dict[str, Any]:
    low, high = float(state.landscape.min()), float(state.landscape.max())
    if state.scale == "probability":
        low, high = 0.0, 1.0
    levels = np.round(255 * (state.landscape - low) / (high - low or 1)).astype(np.uint8)
    ends = {"low": number(low, ".3g", lang), "high": number(high, ".3g", lang)}
    return {
        "title": title,
        "points": thousandths(state.points),
        "forces": thousandths(state.forces),
        "grid": [thousandths(line) for line in state.grid],
        "landscape": base64.b64encode(levels.tobytes()).decode(),
        "scale": w.SCALES[state.scale].say(lang, **ends),
        "facts": [[name, value] for name, value in facts(state, lang)],
        "curves": [curve for curve in curves(live, state, lang) if curve["lines"]],
        "trouble": sentence(live, lang),
    }


def facts(state: LiveState, lang: str) -> Iterable[tuple[str, str]]:
    yield w.STEP.say(lang), thousands(state.step)
    if len(state.taken) > 1:
        yield w.TAKEN.say(lang), ", ".join(thousands(state.taken[player]) for player in ("critic", "generator"))
    if state.modes:
        yield w.MODES.say(lang), w.OF.say(lang, count=state.covered, all=state.modes)
    if len(state.forces):
        yield w.FORCE.say(lang), number(float(np.linalg.norm(state.forces, axis=1).mean()), ".3g", lang)


def curves(live: Live, state: LiveState, lang: str) -> Iterable[dict[str, Any]]:
    """Curves of D's means, of the losses and of the gradient norms, each in its own range."""
    lines = dict(live.history.lines())
    means = {name: line for name, line in lines.items() if name.startswith(("D(", "critic("))}
    norms = {name: line for name, line in lines.items() if name.startswith("‖")}
    losses = {name: line for name, line in lines.items() if name not in means | norms}
    probable = state.scale == "probability"
    yield plot((w.MEANS if probable else w.OUTPUTS).say(lang), means, lang, (0.0, 1.0) if probable else None)
    yield plot(w.LOSSES.say(lang), losses, lang)
    yield plot(w.NORMS.say(lang), norms, lang)


def plot(
    title: str, lines: dict[str, Sequence[float | None]], lang: str, ends: tuple[float, float] | None = None
) -> dict[str, Any]:
    """A plot of lines, each scaled to whole numbers from 0 to `LEVELS`; ends: of the range, with a mark half-way."""
    values = [value for line in lines.values() for value in line if value is not None]
    low, high = ends or (min(values, default=0.0), max(values, default=1.0))
    scale = LEVELS / (high - low or 1)
    return {
        "title": title,
        "low": number(low, ".3g", lang),
        "high": number(high, ".3g", lang),
        "half": ends is not None,
        "lines": [
            [term(name, lang), [None if value is None else round((value - low) * scale) for value in line]]
            for name, line in lines.items()
        ],
    }


def term(name: str, lang: str) -> str:
    """Name of a term: `D(fake)`, `‖∇critic‖` and `critic` in words."""
    for before, after in (("D(", ")"), ("critic(", ")"), ("‖∇", "‖")):
        if name.startswith(before):
            name = name.removeprefix(before).removesuffix(after)
            break
    return w.TERMS[name].say(lang) if name in w.TERMS else name


def titles_of(session: LabSession, lang: str) -> list[str]:
    """Title of each training: its model or game; of two, the settings in which they differ."""
    settings = all_settings()
    (model, values), *_ = session.settings()
    chosen = {"model": model, **values}
    if not session.different:
        game = chosen.get("game", settings["game"].default) if model == MODELS[0] else None
        return [title_of("game", game, settings, lang) if game else title_of("model", model, settings, lang)]
    first = {name: chosen.get(name, settings[name].default) for name in session.different}
    return [
        " · ".join(title_of(name, value, settings, lang) for name, value in values.items())
        for values in (first, session.different)
    ]


def sentence(live: Live, lang: str) -> str:
    if live.trouble is None:
        return ""
    said = live.trouble.text.say(lang)
    return said[:1].upper() + said[1:] + "."


def drawn(plot: Plot, lang: str) -> dict[str, Any]:
    """A plot of a figure, with its lines as x, y, x, y, ... in thousandths of the box, from its lower left."""
    (left, right, x), (bottom, top, y) = plot.x, plot.y

    def path(line: Line) -> list[int]:
        places = np.stack([(line.x - left) / (right - left), (line.y - bottom) / (top - bottom)], 1)
        return np.round(1000 * places.clip(-0.5, 1.5)).astype(int).flatten().tolist()

    axes = [number(end, "g", lang) for end in (left, right, bottom, top)]
    lines = [[line.name.say(lang), path(line)] for line in plot.lines]
    return {"title": plot.title.say(lang), "axes": axes, "names": [x, y], "lines": lines}


def thousandths(points: np.ndarray) -> list[int]:
    """Coordinates x, y, x, y, ... in thousandths; those far outside at the edge of what a canvas takes."""
    return np.round(1000 * points.clip(-9, 9)).astype(int).flatten().tolist()
