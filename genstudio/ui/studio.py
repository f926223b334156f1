"""The page, from top to bottom."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from genstudio.controls import Text
from genstudio.engine import Engine
from genstudio.engine.zero_gpu import Call, ZeroGPUEngine
from genstudio.training import jobs
from genstudio.ui import api
from genstudio.ui import words as w
from genstudio.ui.events import tell_values
from genstudio.ui.language import t
from genstudio.ui.open_file import MAX_BYTES, OpenFile
from genstudio.ui.tab import Tab
from genstudio.ui.tabs.classes.tab import ClassesTab
from genstudio.ui.tabs.diffusion.tab import DiffusionTab
from genstudio.ui.tabs.lab.tab import LabTab
from genstudio.ui.tabs.latent.tab import LatentTab
from genstudio.ui.tabs.style.tab import StyleTab
from genstudio.ui.tabs.tokens.tab import TokensTab
from genstudio.ui.tabs.train.tab import TrainTab
from genstudio.ui.tabs.translate.tab import TranslateTab
from genstudio.ui.theme import CSS, HEAD, THEME, TOGGLE
from genstudio.ui.words import TABLE

# In the order of the page.
TABS: tuple[type[Tab], ...] = (
    LatentTab, StyleTab, ClassesTab, TranslateTab, DiffusionTab, TokensTab, LabTab, TrainTab,
)  # fmt: skip


def build(engine: Engine) -> gr.Blocks:
    """Build the page for an engine."""
    with gr.Blocks(title="GenStudio", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Button(t(w.SKIP), link="#tabs", link_target="_self", elem_id="skip", elem_classes="skip", size="sm")
        with gr.Row(elem_classes="masthead"):
            with gr.Column(min_width=120):
                gr.Markdown("# GenStudio")
                gr.Markdown(t(w.TAGLINE))
            with gr.Column(min_width=220, elem_classes="entrance"):
                with gr.Row():
                    door = OpenFile(engine)
                    present = gr.Button(t(w.PRESENT), elem_id="present", scale=0, min_width=110, size="sm")
                gr.Markdown(t(w.OPEN_HINT))
        door.draw_card()
        with gr.Tabs(elem_id="tabs") as switch:
            tabs = {}
            for tab in TABS:
                with gr.Tab(t(tab.title), id=tab.key) as panel:
                    tabs[tab.key] = (panel, tab(engine))
        leave = gr.Button(t(w.LEAVE), elem_id="leave", size="sm")
        door.listen(page, switch, tabs)
        for button in (present, leave):
            button.click(None, js=TOGGLE)
        gr.Markdown(t(standing(engine)), elem_id="standing", elem_classes="caption")
        api.expose(engine)
        tell_values(page)
    # On a Space, Gradio's page would ask huggingface.co for a header over ours, and Google for the header's fonts.
    page.space_id = None
    page.queue(default_concurrency_limit=4, max_size=64)
    page.warm_up = lambda: warm_up(engine, [tab for _, tab in tabs.values()])
    return page


def standing(engine: Engine) -> Text:
    """Device and number format, with the reason for them folded. One text: Gradio translates one of a component."""
    short, whole = engine.precision(engine.exact).summary, engine.status()
    return Text(*(f"<details><summary>{a}</summary>{b}</details>" for a, b in zip(short, whole, strict=True)))


def warm_up(engine: Engine, tabs: Sequence[Tab]) -> None:
    """Load and run the models that the first visitors would wait for."""
    api.warm_up(engine)
    for tab in tabs:
        tab.warm_up()


def launch(on_gpu: Callable[[Call], Iterator[Any]] | None = None, **options: Any) -> None:
    """Serve the page until interrupted, on GRADIO_SERVER_NAME and GRADIO_SERVER_PORT if set.

    Long work runs through `on_gpu`, if given (`engine/zero_gpu.py`).

    The engine warms up while the server starts, so that the first visitor finds the opening picture ready.
    """
    engine = ZeroGPUEngine(on_gpu) if on_gpu else Engine()
    page = build(engine)
    threading.Thread(target=page.warm_up, daemon=True).start()
    jobs.Supervisor().start()
    local = not os.environ.get("SPACE_ID")
    page.launch(**settings(), inbrowser=local and has_browser(), **options)


def settings() -> dict[str, Any]:
    """Options of Gradio's `launch`, for the app and the tests."""
    return {
        "theme": THEME,
        "css": CSS,
        "head": HEAD,
        "i18n": TABLE,
        "footer_links": ["api", "settings"],
        "run_history": False,  # our own history keeps recipes, not copies of pictures
        "show_error": True,
        "max_file_size": MAX_BYTES,
        "enable_monitoring": False,
    }


def has_browser() -> bool:
    """True if a browser can be opened: not on a server without a display."""
    import sys
    import webbrowser

    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
