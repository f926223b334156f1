"""HTML shared by the tabs. Images are data URIs, PNGs with their recipe, so that a drag takes one round trip."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from genstudio.controls import Refusal, number
from genstudio.images import save_png, to_pictures
from genstudio.ui.assets import asset
from genstudio.ui.words import COLOURS

# A click on an element with data-pick triggers the component's `select` event with that value. A browser sends no click
# if the element is replaced between press and release, so both are handled here; keys send a click alone.
PICK = asset("pick.js")

# Triggers `expand` once the tab is mounted. Not `load`: Gradio triggers that itself, and too early.
MOUNTED = "setTimeout(() => trigger('expand'), 30);"

# A canvas to draw on with mouse, pen or finger, which triggers `input` with its PNG while it changes.
# Gradio's own editor needs a tool selected first, and does not fit beside the picture.
PAD = asset("pad.js")
# A square to drag in by mouse, finger or arrow keys: `input` sends {x, y} in [0, 1] from the top left, then `release`.
FIELD = asset("field.js")
PENS = ("#111111", "#7c4a2d", "#e8b796", "#d9a441", "#c0392b", "#2e6fb7", "#3c8c5a", "#ffffff")


def pad(
    clear: str, colours: Sequence[str] = PENS, width: float = 20 / 280, every: int = 300, start: str = "", behind: str = ""
) -> str:
    """Canvas with its colours and a button that clears it.

    width: of the pen, as a fraction of the canvas. every: milliseconds between two events. start: URI of a drawing.
    behind: URI of a background image that is not part of the drawing.
    """
    paper, style = ("", f' style="background: center / 100% 100% url({behind})"') if behind else ("#ffffff", "")
    swatches = "".join(
        f'<button data-colour="{c}" aria-label="{COLOURS[c].en}" data-fr="{COLOURS[c].fr}" aria-pressed="{str(not i).lower()}"'
        f' style="background:{c}"></button>'
        for i, c in enumerate(colours)
    )
    return (
        f'<div class="pad"><canvas width="280" height="280" data-colour="{colours[0]}" data-width="{width:g}" data-every="{every}"'
        f' data-start="{start}" data-paper="{paper}"{style}></canvas>'
        f'<div>{swatches}<button class="wipe" data-wipe>{escape(clear)}</button></div></div>'
    )


def read_uri(uri: Any) -> bytes:
    """Decode a PNG data URI. Raises ValueError if it is not one."""
    head, _, body = str(uri).partition(",")
    if head != "data:image/png;base64" or len(body) > 2_000_000:
        raise Refusal("not a picture", "ce n’est pas une image")
    return base64.b64decode(body)


def png_uri(image: np.ndarray, recipe: dict[str, Any] | None = None) -> str:
    """Encode a uint8 (h, w, c) image as a data URI."""
    stream = io.BytesIO()
    save_png(to_pictures(image[None])[0], stream, recipe)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def picture(uri: str, alt: str) -> str:
    return f'<img class="pixels" src="{uri}" alt="{escape(alt, quote=True)}" decoding="sync">'


def downloadable(uri: str, alt: str, filename: str, label: str) -> str:
    """An image with a download button for its PNG, recipe included."""
    return (
        f'<div class="frame">{picture(uri, alt)}'
        f'<a class="download" href="{uri}" download="{escape(filename, quote=True)}" title="{escape(label, quote=True)}"'
        f' aria-label="{escape(label, quote=True)}">↓</a></div>'
    )


# Placeholders until the first images: two, or one
WAITING = '<div class="stage waiting"><figure></figure><figure></figure></div>'
WAITING_ONE = '<div class="stage one waiting"><figure></figure></div>'


def cards(items: Sequence[tuple[str, str, str]], chosen: str, label: str) -> str:
    """A row of cards (value, title, image) to choose from, with titles like "family · subject · size"."""
    buttons = []
    for value, title, uri in items:
        family, _, rest = title.partition(" · ")
        pressed = "true" if value == chosen else "false"
        buttons.append(
            f'<button class="card" data-pick="{escape(value)}" aria-pressed="{pressed}" title="{escape(title, quote=True)}">'
            f'<img class="pixels" src="{uri}" alt=""><span><b>{escape(family)}</b><small>{escape(rest).replace(" px", "&nbsp;px")}</small></span></button>'
        )
    return f'<div class="cards" role="group" aria-label="{escape(label, quote=True)}">{"".join(buttons)}</div>'


def strip(rows: Sequence[tuple[str, Sequence[str]]], positions: Sequence[float], chosen: float, lang: str) -> str:
    """Rows of small images (label, URIs), a column for each position, which a click picks. Labels may be empty."""
    nearest = min(positions, key=lambda p: abs(p - chosen))
    body = ""
    for label, uris in rows:
        cells = "".join(
            f'<button data-pick="{p:g}" aria-label="{escape(label, quote=True)} t = {number(p, "g", lang)}"'
            f' class="{"here" if p == nearest else ""}">{picture(uri, "")}</button>'
            for p, uri in zip(positions, uris, strict=True)
        )
        said = f'<span class="row-label">{escape(label)}</span>' if label else ""
        body += f'<div class="row">{said}{cells}</div>'
    return f'<div class="strip">{body}</div>'


def thumbnails(items: Sequence[tuple[str, str]], empty: str) -> str:
    """A row of (URI, title), newest first; a click picks the index."""
    if not items:
        return f'<p class="empty">{escape(empty)}</p>'
    cells = "".join(
        f'<button data-pick="{i}" title="{escape(title, quote=True)}" aria-label="{escape(title, quote=True)}">{picture(uri, "")}</button>'
        for i, (uri, title) in enumerate(items)
    )
    return f'<div class="history">{cells}</div>'


def chips(names: Sequence[str], chosen: str | None, remove: str, empty: str) -> str:
    """Chips with the names that a visitor has saved: a click picks "use:name", its cross "remove:name"."""

    def chip(name: str) -> str:
        value = escape(name, quote=True)
        return (
            f'<span class="chip"><button data-pick="use:{value}" aria-pressed="{str(name == chosen).lower()}">{value}</button>'
            f'<button data-pick="remove:{value}" aria-label="{remove} {value}">×</button></span>'
        )

    return f'<div class="chips">{"".join(map(chip, names))}</div>' if names else f'<p class="empty">{empty}</p>'


def curve(lines: Sequence[tuple[str, Sequence[float]]], mark: float | None, reference: float | None, label: str) -> str:
    """Line chart over [0, 1] as SVG: lines (CSS class, values), a vertical mark, a dashed reference line."""
    values = [v for _, line in lines for v in line] + ([] if reference is None else [reference])
    low, high = min(values), max(values)
    margin = 0.1 * (high - low or 1.0)
    low, high = low - margin, high + margin

    def y(value: float) -> float:
        return 60 * (1 - (value - low) / (high - low))

    paths = "".join(
        f'<polyline class="{css}" points="{" ".join(f"{300 * i / (len(line) - 1):.1f},{y(v):.1f}" for i, v in enumerate(line))}"/>'
        for css, line in lines
    )
    dashes = "" if reference is None else f'<line class="reference" x1="0" x2="300" y1="{y(reference):.1f}" y2="{y(reference):.1f}"/>'
    here = "" if mark is None else f'<line class="mark" x1="{300 * mark:.1f}" x2="{300 * mark:.1f}" y1="0" y2="60"/>'
    return (
        f'<svg class="curve" viewBox="0 0 300 60" preserveAspectRatio="none" role="img" aria-label="{escape(label, quote=True)}">'
        f"{dashes}{paths}{here}</svg>"
    )


def progress(share: float | None, note: str) -> str:
    """A progress bar at `share` in [0, 1], indeterminate if None."""
    value = "" if share is None else f' value="{share:.3f}"'
    return f'<progress max="1"{value} aria-label="{escape(note, quote=True)}"></progress><p class="legend">{note}</p>'


def field(inside: str, x: float, y: float, label: str) -> str:
    """A square to drag in, with a cross at (x, y) in [0, 1] from the top left."""
    return (
        f'<div class="field" data-field data-x="{x:.4f}" data-y="{y:.4f}" tabindex="0" role="application"'
        f' aria-label="{escape(label, quote=True)}">{inside}'
        f'<i class="cross" style="left:{100 * x:.2f}%;top:{100 * y:.2f}%"></i></div>'
    )


CLASS_COLOURS = ("#4363d8", "#e6194b", "#3cb44b", "#f58231", "#911eb4", "#00a5b5", "#f032e6", "#9a6324", "#b8a000", "#6b7280")


def scatter(points: np.ndarray, labels: np.ndarray, marked: np.ndarray, faint: bool = False) -> str:
    """Scatter plot as SVG: points (n, 2) in [0, 1] coloured by class, and marked points (m, 2) as crosses."""
    paths = ""
    for label in np.unique(labels):
        dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in 1000 * points[labels == label])
        paths += f'<path stroke="{CLASS_COLOURS[label % len(CLASS_COLOURS)]}" d="{dots}"/>'
    crosses = "".join(f"M{x - 9:.0f} {y - 9:.0f}l18 18m0 -18l-18 18" for x, y in 1000 * marked)
    css = "scatter faint" if faint else "scatter"
    return f'<svg class="{css}" viewBox="0 0 1000 1000">{paths}<path class="drawn" d="{crosses}"/></svg>'


def legend(classes: Sequence[str], marked: str) -> str:
    """Legend of a scatter plot: colours of the classes, and the crosses."""
    dots = "".join(
        f'<span><i style="background:{CLASS_COLOURS[i % len(CLASS_COLOURS)]}"></i>{escape(name)}</span>'
        for i, name in enumerate(classes)
    )
    return f'<p class="classes">{dots}<span>✕ {escape(marked)}</span></p>'
