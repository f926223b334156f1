"""HTML of the Tokens tab: grids of tokens, the codebook as a sheet, the likeliest tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from genstudio.controls import number
from genstudio.engine.tokens import TokenStep
from genstudio.ui import html
from genstudio.ui.tabs.tokens import words as w

MOST_BITS = 9.0  # the darkest cell of an entropy map: a free choice among 512


def colour(entry: int) -> str:
    """A colour of its own for each entry: neighbours in number are far apart on the circle of hues."""
    return f"hsl({entry * 137.508 % 360:.0f} 62% {62 + 16 * (entry % 2)}%)"


def doubt(bits: float) -> str:
    """Colour of an entropy, and of the text on it: pale is sure."""
    share = min(1.0, bits / MOST_BITS)
    return f"hsl(262 70% {94 - 56 * share:.0f}%);color:{'#fff' if share > 0.5 else '#0f172a'}"


def percent(share: float, lang: str) -> str:
    digits = ".0f" if share >= 0.095 else ".1f" if share >= 0.00095 else ".2f"
    return number(100 * share, digits, lang) + ("\u202f%" if lang == "fr" else "%")


def cells(shape: tuple[int, int], label: str, of: Callable[[int], tuple[str, str, str]], selected: int | None) -> str:
    """A grid of buttons, each with the colour, text and label that `of` gives for its place; a click picks the place."""
    buttons = []
    for place in range(shape[0] * shape[1]):
        fill, text, said = of(place)
        pressed = str(place == selected).lower()
        style = f' style="background:{fill}"' if fill else ""
        said = escape(said, quote=True)
        buttons.append(
            f'<button data-pick="{place}" aria-pressed="{pressed}" title="{said}" aria-label="{said}"{style}>{text}</button>'
        )
    name = escape(label, quote=True)
    return f'<div class="tokens" role="group" aria-label="{name}" style="--columns:{shape[1]}">{"".join(buttons)}</div>'


def where(place: int, columns: int) -> dict[str, int]:
    """Row and column of a place, from 1."""
    return {"row": place // columns + 1, "column": place % columns + 1}


def token_grid(tokens: np.ndarray, shape: tuple[int, int], selected: int | None, lang: str) -> str:
    """Tokens (places,) coloured by entry."""

    def of(place: int) -> tuple[str, str, str]:
        entry = int(tokens[place])
        return colour(entry), str(entry), w.CELL.say(lang, entry=entry, **where(place, shape[1]))

    return cells(shape, w.GRID.say(lang), of, selected)


def doubt_grid(
    entropy: dict[int, float], given: np.ndarray, shape: tuple[int, int], selected: int, lang: str
) -> str:
    """Entropy in bits of the places written so far; those given are marked, the others blank."""

    def of(place: int) -> tuple[str, str, str]:
        at = where(place, shape[1])
        if place in entropy:
            bits = number(entropy[place], ".1f", lang)
            return doubt(entropy[place]), bits, w.DOUBT_CELL.say(lang, bits=bits, **at)
        return "", "·" if given[place] else "", (w.GIVEN_CELL if given[place] else w.BLANK_CELL).say(lang, **at)

    return cells(shape, w.DOUBT.say(lang), of, selected)


def figure(title: str, note: str, inside: str) -> str:
    said = f"<figcaption><b>{escape(title)}</b> <span>{escape(note)}</span></figcaption>"
    return f"<figure>{inside}{said}</figure>"


def framed(image: np.ndarray, alt: str) -> str:
    return f'<div class="frame">{html.picture(html.png_uri(image), alt)}</div>'


def sheet(entries: np.ndarray, usage: np.ndarray, lang: str) -> str:
    """The codebook by usage; a click picks an entry."""
    buttons = []
    for entry in np.argsort(-usage, kind="stable").tolist():
        said = escape(w.ENTRY.say(lang, entry=entry, share=percent(usage[entry], lang)), quote=True)
        shown = html.picture(html.png_uri(entries[entry]), "")
        buttons.append(f'<button data-pick="{entry}" title="{said}" aria-label="{said}">{shown}</button>')
    return f'<div class="codebook">{"".join(buttons)}</div>'


def likely(step: TokenStep, focus: int, entries: np.ndarray, lang: str) -> str:
    """The five likeliest tokens at a place of a step; a click picks one."""
    rows, written = [], int(step.tokens[step.written[focus]])
    for entry, share in zip(step.top[focus].tolist(), step.probabilities[focus].tolist(), strict=True):
        said = escape(w.LIKELY_CELL.say(lang, entry=entry, share=percent(share, lang)), quote=True)
        rows.append(
            f'<button data-pick="{entry}" aria-pressed="{str(entry == written).lower()}" title="{said}" aria-label="{said}">'
            f'{html.picture(html.png_uri(entries[entry]), "")}<meter min="0" max="1" value="{share:.4f}"></meter>'
            f"<output>{percent(share, lang)}</output></button>"
        )
    return f'<div class="likely">{"".join(rows)}</div>'


def table(rows: Sequence[tuple[str, int, float, float]], lang: str) -> str:
    """Methods of compression: name, bytes, bits per pixel, PSNR."""
    head = "".join(f"<th>{escape(text.say(lang))}</th>" for text in (w.METHOD, w.BYTES, w.BITS, w.QUALITY))
    body = "".join(
        f"<tr><td>{escape(name)}</td><td>{size}</td><td>{number(bits, '.3f', lang)}</td>"
        f"<td>{number(psnr, '.1f', lang)}\u00a0dB</td></tr>"
        for name, size, bits, psnr in rows
    )
    return f'<div class="sheet"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
