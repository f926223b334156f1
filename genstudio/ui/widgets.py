"""Pieces of HTML that several tabs use. Pictures travel inside the page, as PNGs with their recipe: one round trip a drag."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from genstudio.images import save_png, to_pictures

# Clicking anything that carries data-pick raises the component's `select` event with that value.
PICK = """
element.addEventListener('click', event => {
  const picked = event.target.closest('[data-pick]');
  if (picked) trigger('select', {pick: picked.dataset.pick});
});
"""


def png_uri(image: np.ndarray, recipe: dict[str, Any] | None = None) -> str:
    """A uint8 (h, w, c) picture as a data URI."""
    stream = io.BytesIO()
    save_png(to_pictures(image[None])[0], stream, recipe)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def picture(uri: str, alt: str) -> str:
    return f'<img class="pixels" src="{uri}" alt="{escape(alt, quote=True)}" decoding="sync">'


def downloadable(uri: str, alt: str, filename: str, label: str) -> str:
    """A picture with a button that saves it: its PNG, recipe included."""
    return (
        f'<div class="frame">{picture(uri, alt)}'
        f'<a class="download" href="{uri}" download="{escape(filename, quote=True)}" title="{escape(label, quote=True)}"'
        f' aria-label="{escape(label, quote=True)}">↓</a></div>'
    )


def cards(items: Sequence[tuple[str, str, str]], chosen: str) -> str:
    """A row of choices (value, title, picture). Titles read "family · subject · size"."""
    buttons = []
    for value, title, uri in items:
        family, _, rest = title.partition(" · ")
        pressed = "true" if value == chosen else "false"
        buttons.append(
            f'<button class="card" data-pick="{escape(value)}" aria-pressed="{pressed}" title="{escape(title, quote=True)}">'
            f'<img class="pixels" src="{uri}" alt=""><span><b>{escape(family)}</b>{escape(rest)}</span></button>'
        )
    return f'<div class="cards">{"".join(buttons)}</div>'


def strip(rows: Sequence[tuple[str, Sequence[str]]], positions: Sequence[float], chosen: float) -> str:
    """Rows of small pictures (label, URIs), a column for each position; clicking one picks its position."""
    nearest = min(positions, key=lambda p: abs(p - chosen))
    body = ""
    for label, uris in rows:
        cells = "".join(
            f'<button data-pick="{p:g}" aria-label="{escape(label, quote=True)} t = {p:g}"'
            f' class="{"here" if p == nearest else ""}">{picture(uri, "")}</button>'
            for p, uri in zip(positions, uris, strict=True)
        )
        body += f'<div class="row"><span class="row-label">{escape(label)}</span>{cells}</div>'
    return f'<div class="strip">{body}</div>'


def thumbnails(items: Sequence[tuple[str, str]], empty: str) -> str:
    """A row of (picture, title), picked by number, newest first."""
    if not items:
        return f'<p class="empty">{escape(empty)}</p>'
    cells = "".join(
        f'<button data-pick="{i}" title="{escape(title, quote=True)}" aria-label="{escape(title, quote=True)}">{picture(uri, "")}</button>'
        for i, (uri, title) in enumerate(items)
    )
    return f'<div class="history">{cells}</div>'


def curve(lines: Sequence[tuple[str, Sequence[float]]], mark: float, reference: float, label: str) -> str:
    """Small curves over [0, 1] as SVG: (css class, values), a mark at one position, a dashed reference height."""
    values = [v for _, line in lines for v in line] + [reference]
    low, high = min(values), max(values)
    margin = 0.1 * (high - low or 1.0)
    low, high = low - margin, high + margin

    def y(value: float) -> float:
        return 60 * (1 - (value - low) / (high - low))

    paths = "".join(
        f'<polyline class="{css}" points="{" ".join(f"{300 * i / (len(line) - 1):.1f},{y(v):.1f}" for i, v in enumerate(line))}"/>'
        for css, line in lines
    )
    return (
        f'<svg class="curve" viewBox="0 0 300 60" preserveAspectRatio="none" role="img" aria-label="{escape(label, quote=True)}">'
        f'<line class="reference" x1="0" x2="300" y1="{y(reference):.1f}" y2="{y(reference):.1f}"/>{paths}'
        f'<line class="mark" x1="{300 * mark:.1f}" x2="{300 * mark:.1f}" y1="0" y2="60"/></svg>'
    )
