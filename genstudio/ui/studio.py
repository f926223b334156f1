"""The page, from top to bottom."""

from __future__ import annotations

import os
import threading
from typing import Any

import gradio as gr

from genstudio.engine import Engine
from genstudio.ui import api
from genstudio.ui import words as w
from genstudio.ui.tabs.latent import LatentTab
from genstudio.ui.theme import CSS, HEAD, THEME
from genstudio.ui.words import TABLE, t


def build(engine: Engine) -> gr.Blocks:
    """The whole page over an engine."""
    with gr.Blocks(title="GenStudio", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        with gr.Row(elem_classes="masthead"):
            with gr.Column(min_width=120):
                gr.Markdown("# GenStudio")
                gr.Markdown(t(w.TAGLINE))
            opened = gr.UploadButton(t(w.OPEN), file_types=["image"], elem_id="open", scale=0, min_width=140, size="sm")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab(t(w.LATENT_TAB), id="latent"):
                latent = LatentTab(engine)
        latent.listen(page, opened)
        api.expose(engine)
    page.queue(default_concurrency_limit=4, max_size=64)
    return page


def launch(**options: Any) -> None:
    """Serves the page until interrupted, on GRADIO_SERVER_NAME and GRADIO_SERVER_PORT where set.

    The engine warms up while the server starts, so that the first visitor finds the opening picture ready.
    """
    engine = Engine()
    page = build(engine)
    threading.Thread(target=api.warm_up, args=[engine], daemon=True).start()
    local = not os.environ.get("SPACE_ID")
    page.launch(**settings(), inbrowser=local and has_browser(), **options)


def settings() -> dict[str, Any]:
    """What `launch` of Gradio is told, in the app and in the tests."""
    return {
        "theme": THEME,
        "css": CSS,
        "head": HEAD,
        "i18n": TABLE,
        "footer_links": ["api", "settings"],
        "run_history": False,  # our own history keeps recipes, not copies of pictures
        "show_error": True,
        "max_file_size": "64mb",
        "enable_monitoring": False,
    }


def has_browser() -> bool:
    """Whether a browser can be opened here: not on a server without a screen."""
    import sys
    import webbrowser

    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
