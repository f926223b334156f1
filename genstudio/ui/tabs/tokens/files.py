"""Files of tokens: compression of the picture, beside other formats, and opening of a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.controls import number
from genstudio.images import flatten
from genstudio.tasks import compression
from genstudio.ui import html
from genstudio.ui.events import ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tab import Updates
from genstudio.ui.tabs.tokens import pieces
from genstudio.ui.tabs.tokens import words as w
from genstudio.ui.tabs.tokens.session import Host

SUFFIX = ".tokens"
MAX_FILE = 2**20  # bytes of a file of tokens
LARGEST = 512  # pixels of a side that is compressed in tiles
PLAIN = ""


class Files:
    """The part of the tab, drawn inside the current `gr.Tab`."""

    def __init__(self, tab: Host):
        self.tab = tab
        self.render()

    def render(self) -> None:
        gr.Markdown(t(w.COMPRESSION_HINT), elem_classes="caption")
        coders = [name for name, prior in self.tab.priors.items() if hasattr(prior.model, "reader")]
        with gr.Row(elem_classes="tools"):
            scales = [(t(w.FITTED), "fitted"), (t(w.TILED), "tiled")]
            self.scale = gr.Radio(scales, value="fitted", label=t(w.SCALE), elem_id="tokens-scale")
            named = [*((t(self.tab.priors[name].title), name) for name in coders), (t(w.PLAIN), PLAIN)]
            self.coder = gr.Dropdown(named, value=named[0][1], label=t(w.CODED_BY), elem_id="tokens-coder")
        with gr.Row(elem_classes="tools"):
            self.compress = gr.Button(t(w.COMPRESS), elem_id="tokens-compress", variant="primary", min_width=130)
            self.file = gr.DownloadButton(visible=False, elem_id="tokens-file", min_width=130)
            self.open_file = gr.UploadButton(t(w.OPEN_FILE), file_types=[SUFFIX], elem_id="tokens-open", min_width=130)
        self.result = gr.HTML(elem_id="tokens-result")

    def wire(self) -> None:
        on(self.compress.click, self.on_compress, {self.scale, self.coder}, self.outputs, **ONCE)
        shown = [self.result, *self.tab.picture_outputs]
        on(self.open_file.upload, self.on_file, {self.open_file}, shown, **ONCE)

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.result, self.file]

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_compress(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        session, lang = self.tab.with_picture(request), language(request)
        prior = inputs[self.coder] or None
        yield {self.result: html.progress(None, w.COMPRESSING.say(lang)), self.file: gr.update(visible=False)}
        picture = self.tab.fitted(session)
        if inputs[self.scale] == "tiled":
            picture = flatten(session.picture).convert("RGB")
            picture.thumbnail((LARGEST, LARGEST))
        made = compression.compress(self.tab.engine, session.system, picture, self.tab.check_prior(prior) if prior else None)
        path = Path(tempfile.mkdtemp(prefix="tokens-")) / f"{session.system}{SUFFIX}"
        path.write_bytes(made.data)
        label = w.DOWNLOAD.say(lang, bytes=len(made.data))
        file = gr.update(value=str(path), label=label, visible=True)
        yield {self.result: self.comparison(picture, made, lang), self.file: file}

    @friendly
    def on_file(self, inputs: dict, request: gr.Request) -> Updates:
        """Open a file of tokens."""
        session, lang, path = self.tab.sessions.of(request), language(request), Path(inputs[self.open_file])
        try:
            data = path.read_bytes() if path.stat().st_size <= MAX_FILE else b""
        finally:
            path.unlink(missing_ok=True)
        picture, made = compression.decompress(self.tab.engine, data)
        tiles = made.tiles[0] * made.tiles[1]
        said = w.OPENED.say(lang, tokens=made.numbers.size, tiles=tiles, tokenizer=self.tab.systems[made.tokenizer].title.say(lang))
        image = np.atleast_3d(np.asarray(picture))
        shown = {self.result: f'<div class="stage one">{pieces.figure(w.REBUILT.say(lang), said, pieces.framed(image, said))}</div>'}
        if tiles > 1 or made.tokenizer != session.system:
            return shown
        session.take(picture, own=True, tokens=made.numbers[0])
        return shown | self.tab.shown(session, lang)

    def comparison(self, picture: Image.Image, made: compression.Compressed, lang: str) -> str:
        """Table of the file beside plain tokens and other formats."""
        rebuilt, _ = compression.decompress(self.tab.engine, made.data)
        pixels, quality = picture.size[0] * picture.size[1], compression.psnr(picture, rebuilt)
        plain = compression.compress(self.tab.engine, made.tokenizer, picture).payload if made.prior else made.payload
        rows = [(w.PLAIN_TOKENS.say(lang), plain, 8 * plain / pixels, quality)]
        if made.prior:
            by = self.tab.priors[made.prior].title.say(lang).split(" · ")[0]
            rows.append((w.CODED_TOKENS.say(lang, prior=by), made.payload, 8 * made.payload / pixels, quality))
        for name, size, other, fits in compression.others(picture, len(made.data)):
            rows.append((name if fits else w.SMALLEST.say(lang, name=name), size, 8 * size / pixels, other))
        image = pieces.framed(np.atleast_3d(np.asarray(rebuilt)), w.REBUILT.say(lang))
        whole = pieces.figure(w.REBUILT.say(lang), f"{number(quality, '.1f', lang)} dB", image)
        note = w.BESIDE.say(lang, head=len(made.data) - made.payload)
        return f'<div class="stage one">{whole}</div>{pieces.table(rows, lang)}<p class="legend">{note}</p>'
