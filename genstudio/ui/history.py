"""History of a tab: recipes and pictures, saved in the browser, and the command for the last one."""

from __future__ import annotations

from typing import Any

import gradio as gr

from genstudio.controls import Refusal
from genstudio.engine import Engine
from genstudio.recipes import commands, recipe, replay
from genstudio.ui import html
from genstudio.ui import words as w
from genstudio.ui.events import Variable
from genstudio.ui.language import t
from genstudio.ui.share import Share

KEPT = 24  # pictures


class History:
    """Created before the views, which add to it, and drawn below them. `place` prefixes the element ids."""

    def __init__(self, engine: Engine, systems: dict, place: str = ""):
        self.engine, self.systems, self.place = engine, systems, place
        self.entries = Variable([])  # (picture, recipe), newest first
        # Restored on reload. Not secret: a fixed key, so that it outlives the server.
        self.memory = gr.BrowserState({}, storage_key=f"genstudio-{place or 'latent'}", secret="genstudio")

    def render(self) -> None:
        gr.Markdown(t(w.HISTORY), elem_classes="caption")
        self.shown = gr.HTML(elem_id=f"{self.place}history", elem_classes="trail", js_on_load=html.PICK)
        with gr.Accordion(t(w.COMMAND), open=False, elem_id=f"{self.place}recipe", elem_classes="recipe"):
            gr.Markdown(t(w.RECIPE_HINT))
            self.command = gr.Code(language="shell", interactive=False, show_label=False, lines=1, wrap_lines=True)
        self.share = Share(self.place)

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.entries, self.memory, self.shown, *self.pointers]

    @property
    def pointers(self) -> list[gr.components.Component]:
        return [self.command, *self.share.outputs]

    def keep(self, made: dict, history: list, lang: str, uri: str | None = None) -> dict[gr.components.Component, Any]:
        """Updates that put a recipe first in the history, once. `uri`: its picture, if already made."""
        if not history or history[0][1] != made:
            others = [entry for entry in history if entry[1] != made]
            history = [(uri or self.thumbnail(made), made), *others][:KEPT]
        return self.show(history, made, lang)

    def show(self, history: list, made: dict, lang: str) -> dict[gr.components.Component, Any]:
        return {
            self.entries: history,
            self.memory: {"history": [found for _, found in history]},
            self.shown: html.thumbnails(
                [(uri, self.title(found, lang)) for uri, found in history], w.HISTORY_EMPTY.say(lang)
            ),
            **self.point(made, lang),
        }

    def point(self, made: dict, lang: str) -> dict[gr.components.Component, Any]:
        """Updates that make the command and the link those of a recipe."""
        return {self.command: commands.command(made), **self.share.show(made, lang)}

    def remembered(self, memory: dict | None) -> list[tuple[str, dict]]:
        """History from the browser (untrusted), without recipes that are invalid here or slow to draw."""
        history = []
        for found in (memory or {}).get("history", [])[:KEPT]:
            try:
                if not self.systems[self.checked(found)["system"]].model.slow:
                    history.append((self.thumbnail(found), found))
            except (ValueError, AttributeError):
                continue
        return history

    def picked(self, history: list, index: Any) -> dict:
        """Recipe at an index of the history."""
        if not 0 <= int(index) < len(history):
            raise Refusal("this picture is no longer in the history", "cette image n’est plus dans l’historique")
        return history[int(index)][1]

    def checked(self, found: dict) -> dict:
        """Check an untrusted recipe. The system's name comes first: it must not lead to other files."""
        if found.get("system") not in self.systems:
            raise Refusal(
                f"the model {found.get('system')!r} of this recipe is not here",
                f"le modèle {found.get('system')!r} de cette recette n’est pas ici",
            )
        return recipe.check(found)

    def thumbnail(self, found: dict) -> str:
        return html.png_uri(replay.image(found, self.engine), found)

    def title(self, found: dict, lang: str) -> str:
        return self.systems[found["system"]].title.say(lang)
