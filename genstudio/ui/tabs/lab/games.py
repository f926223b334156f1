"""Games compared: a table of the GANs of digits that have weights, and their films side by side; and the films of the
DCGAN with one of its guidelines left out at a time."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path

import gradio as gr

from genstudio.controls import Text, thousands
from genstudio.models.games import GUIDELINES
from genstudio.registry import systems
from genstudio.ui import html
from genstudio.ui.assets import asset
from genstudio.ui.events import ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tab import Updates
from genstudio.ui.tabs.lab import compared
from genstudio.ui.tabs.lab import words as w
from genstudio.ui.tabs.lab.compared import COLUMNS, LOWER, Row, said


class GamesCompared:
    """A view of the Lab tab, drawn when it is first selected."""

    def __init__(self) -> None:
        self.mounted = gr.HTML(elem_id="games-mounted", js_on_load=html.MOUNTED)
        gr.Markdown(t(w.GAMES_HINT), elem_classes="caption")
        self.table = gr.HTML(elem_id="games-table", js_on_load=asset("sort.js"))
        self.films = gr.HTML(elem_id="games-films")
        self.guidelines = gr.HTML(elem_id="games-guidelines")

    def wire(self) -> None:
        on(self.mounted.expand, self.on_first, None, [self.table, self.films, self.guidelines], **ONCE)

    @friendly
    def on_first(self, request: gr.Request) -> Updates:
        lang, rows = language(request), compared.rows()
        return {
            self.table: table(rows, lang),
            self.films: films(rows, lang),
            self.guidelines: guidelines(compared.guidelines(), lang),
        }


def table(rows: list[Row], lang: str) -> str:
    """The games with their numbers, the best distance first; without weights, a sentence on what would be here."""
    if not rows:
        return f'<p class="empty">{w.NO_GAMES.say(lang)}</p>'
    heads = head(w.GAME.say(lang), "ascending", css=' class="name"')
    heads += "".join(
        head(title.say(lang), "ascending" if key in LOWER else "descending", key == "frechet")
        for key, title in COLUMNS.items()
    )
    body = "".join(line(row, lang) for row in rows)
    return (
        f'<div class="games" tabindex="0" role="region" aria-label="{escape(w.GAMES.say(lang), quote=True)}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<p class="legend">{w.GAMES_LEGEND.say(lang, judge=compared.JUDGE)}</p>'
    )


def head(title: str, best: str, sorted_by: bool = False, css: str = "") -> str:
    order = f' aria-sort="{best}"' if sorted_by else ""
    return f'<th scope="col"{css} data-best="{best}"{order}><button>{escape(title)}</button></th>'


def line(row: Row, lang: str) -> str:
    cells = "".join(
        f'<td data-value="{"" if row.values[key] is None else row.values[key]}">{said(key, row.values[key], lang)}</td>'
        for key in COLUMNS
    )
    name = family(row.title, lang)
    return f'<tr><th scope="row" class="name" data-value="{escape(name, quote=True)}">{escape(name)}</th>{cells}</tr>'


def family(title: Text, lang: str) -> str:
    """A title without its subject and size, which are the same for all."""
    return title.say(lang).partition(" · ")[0]


def films(rows: Iterable[Row], lang: str) -> str:
    """Films of the games side by side, with why one fails."""
    shown = []
    for row in rows:
        if film := compared.film_of(row.name):
            why = row.failure.say(lang) if row.failure else ""
            shown.append(figure(film, family(row.title, lang), why))
    return gallery(w.FILMS.say(lang), w.FILMS_LEGEND.say(lang), shown)


def guidelines(found: Iterable[tuple[str, Path]], lang: str) -> str:
    """Films of the DCGAN: by all guidelines, by all but one, by none."""
    shown = []
    for name, film in found:
        title = {compared.FULL: w.ALL_GUIDELINES, compared.NONE: w.NO_GUIDELINES}.get(name) or GUIDELINES[name]
        images = thousands(systems()[name].recipe.images)
        shown.append(figure(film, title.say(lang), w.SHOWN.say(lang, images=images)))
    return gallery(w.GUIDELINES.say(lang), w.GUIDELINES_LEGEND.say(lang), shown)


def gallery(title: str, legend: str, figures: list[str]) -> str:
    if not figures:
        return ""
    return f'<h3>{escape(title)}</h3><p class="legend">{legend}</p><div class="films">{"".join(figures)}</div>'


def figure(film: Path, title: str, note: str) -> str:
    uri = "data:image/webp;base64," + base64.b64encode(film.read_bytes()).decode()
    said = f"<span>{escape(note)}</span>" if note else ""
    alt = escape(title, quote=True)
    return f'<figure><img src="{uri}" alt="{alt}"><figcaption><b>{escape(title)}</b>{said}</figcaption></figure>'
