"""HTML of the Style mixing tab: the matrix, the choice of layers, the strip of truncations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

from genstudio.controls import number
from genstudio.latent.style_layers import Group, word_of
from genstudio.ui import html
from genstudio.ui.tabs.style import words as w


def matrix(
    names: tuple[Sequence[str], Sequence[str]], heads: tuple[Sequence[str], Sequence[str]], cells: Sequence[Sequence[str]],
    chosen: tuple[int | None, int | None], lang: str,
) -> str:  # fmt: skip
    """Table of row and column faces and their mixtures, as URIs. A click picks "row,column"; a header leaves the other
    side out."""

    def cell(row: int | None, column: int | None, uri: str, name: str = "") -> str:
        pick = ",".join("" if i is None else str(i) for i in (row, column))
        said = name or w.CELL.say(lang, row=names[0][row], column=names[1][column])
        here = ' aria-current="true"' if (row, column) == chosen else ""
        note = f"<small>{escape(name)}</small>" if name else ""
        return f'<button data-pick="{pick}" class="{"head" if name else ""}" aria-label="{escape(said, quote=True)}"{here}>{html.picture(uri, "")}{note}</button>'

    rows, columns = names
    corner = f'<span class="corner"><span>{w.COLUMNS.say(lang)} →</span><span>{w.ROWS.say(lang)} ↓</span></span>'
    body = corner + "".join(cell(None, j, uri, columns[j]) for j, uri in enumerate(heads[1]))
    for i, uri in enumerate(heads[0]):
        body += cell(i, None, uri, rows[i]) + "".join(cell(i, j, mixture) for j, mixture in enumerate(cells[i]))
    label = w.MATRIX.say(lang, rows=len(rows), columns=len(columns))
    return f'<div class="matrix" role="group" aria-label="{label}" style="--columns:{len(columns) + 1};--rows:{len(rows) + 1}">{body}</div>'


def layers(groups: Sequence[Group], sides: Sequence[int], chosen: Collection[int], title: str, lang: str) -> str:
    """Toggles for groups of layers and for each layer; a click picks the resulting selection."""

    def switch(css: str, said: str, shown: str, these: Sequence[int]) -> str:
        on = set(these) <= set(chosen)
        then = set(chosen) - set(these) if on else set(chosen) | set(these)
        return (
            f'<button class="{css}" data-pick="{word_of(then)}" aria-pressed="{str(on).lower()}" '
            f'title="{escape(said, quote=True)}" aria-label="{escape(said, quote=True)}">{escape(shown)}</button>'
        )

    body = ""
    for group in groups:
        name = group.title.say(lang)
        singles = "".join(
            switch("single", w.LAYER.say(lang, n=i, side=sides[i]), str(i), [i]) for i in group.layers
        )
        first, last = sides[group.layers[0]], sides[group.layers[-1]]
        said = f"{name}, {first} px" if first == last else f"{name}, {first}–{last} px"
        body += f'<div class="layer-group">{switch("group", said, name, group.layers)}<div>{singles}</div></div>'
    return f'<div class="layers" role="group" aria-label="{escape(title, quote=True)}"><b>{escape(title)}</b>{body}</div>'


def truncations(uris: Sequence[str], ticks: Sequence[float], psi: float, lang: str) -> str:
    cells = ""
    for tick, uri in zip(ticks, uris, strict=True):
        said, here = number(tick, "g", lang), " class=here" if abs(tick - psi) < 1e-6 else ""
        cells += f'<button data-pick="{tick:g}" aria-label="ψ = {said}"{here}>{html.picture(uri, "")}<small>{said}</small></button>'
    return f'<div class="strip psi"><div class="row">{cells}</div></div>'
