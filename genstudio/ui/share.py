"""Recipe of the current picture as a link, and as a QR code for telephones in a classroom."""

from __future__ import annotations

import os
import socket
from functools import cache
from html import escape
from typing import Any

import gradio as gr
import segno

from genstudio.controls import Refusal
from genstudio.recipes import links
from genstudio.ui import words as w
from genstudio.ui.assets import asset
from genstudio.ui.events import QUIET, on
from genstudio.ui.language import friendly, t

# The address is read in the browser: behind a proxy or in a tunnel the server does not know it.
LINK = asset("link.js")
LISTEN = "GRADIO_SERVER_NAME=0.0.0.0"  # lets others in the network open the page


class Share:
    """Link to a picture and its QR code. The owner adds `outputs` to its outputs, and `show` to its updates."""

    def __init__(self, place: str = "") -> None:
        """`place` prefixes the element ids: a page may have several."""
        with gr.Accordion(t(w.LINK), open=False, elem_id=f"{place}share", elem_classes="share"):
            gr.Markdown(t(w.LINK_HINT))
            self.link = gr.HTML(elem_id=f"{place}link", js_on_load=LINK)
            self.code = gr.HTML(elem_id=f"{place}qr")
        self.outputs = [self.link, self.code]
        on(self.link.select, self.on_code, None, self.code, **QUIET)

    def show(self, made: dict, lang: str) -> dict:
        """Updates that show the link of a recipe; the QR code is drawn on demand."""
        try:
            query = escape(links.check_link(links.to_query(made)), quote=True)
        except ValueError:
            return {self.link: f'<p class="legend">{w.LINK_TOO_LONG.say(lang)}</p>', self.code: ""}
        copy, code, copied = (text.say(lang) for text in (w.COPY_LINK, w.QR_CODE, w.COPIED))
        network = network_host()
        note = w.LINK_IN_NETWORK.say(lang, host=network) if network else w.LINK_HERE_ONLY.say(lang, setting=f"<code>{LISTEN}</code>")
        shown = (
            f'<div class="link" data-query="{query}" data-network="{network}"><code>?{query}</code>'
            f'<button data-copied="{copied}">{copy}</button><button data-code>{code}</button></div>'
            f'<p class="legend of-here">{note}</p>'
        )
        return {self.link: shown, self.code: ""}

    @friendly
    def on_code(self, event: gr.EventData, request: gr.Request) -> str:
        return qr(event._data.get("link"))


@cache
def network_host() -> str:
    """Address of this machine in the local network if the server listens there, else ""."""
    if os.environ.get("GRADIO_SERVER_NAME") not in ("0.0.0.0", "::"):
        return ""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # an address for documentation: nothing is sent
            return probe.getsockname()[0]
    except OSError:
        return ""


def qr(link: Any) -> str:
    """QR code of a link as SVG, dark on light in either theme, as cameras need it."""
    if not isinstance(link, str) or not link.startswith(("http://", "https://")) or len(link) > links.MAX_LINK + 300:
        raise Refusal(*w.NO_LINK)
    return segno.make(link, error="l", micro=False).svg_inline(border=4, omitsize=True, light="white", svgclass="qr")
