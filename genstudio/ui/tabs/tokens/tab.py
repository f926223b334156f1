"""The Tokens tab: a picture as a grid of tokens to change, pictures written token by token, and files of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from genstudio import catalog
from genstudio.controls import Refusal, number
from genstudio.engine import tokens
from genstudio.images import fit, to_pictures
from genstudio.tasks import example_inputs
from genstudio.ui import html
from genstudio.ui.events import EACH, ONCE, Variable, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.sessions import Sessions, read_picture
from genstudio.ui.tab import Tab, Updates
from genstudio.ui.tabs.tokens import pieces
from genstudio.ui.tabs.tokens import words as w
from genstudio.ui.tabs.tokens.files import Files
from genstudio.ui.tabs.tokens.session import TokensSession
from genstudio.ui.tabs.tokens.writing import Writing

EXAMPLES = "stylegan2_faces"  # draws examples for tokenizers of faces
FIRST_EXAMPLE = 12


class TokensTab(Tab):
    key, title = "tokens", w.TAB
    needs = ("tokenize",)
    opens_on = ("vqvae_faces",)
    empty = w.NO_TOKENIZER
    picture_opened = w.PICTURE_OPENED

    def suits(self, name: str, system: Any) -> bool:
        """One level of tokens: a grid on the page is one."""
        return len(catalog.shell(name).grids) == 1

    # the page -------------------------------------------------------------------------------------------------------

    def render(self) -> None:
        self.sessions, self.system = Sessions(TokensSession), Variable(self.showcase())
        offered = catalog.offered("sample").items()
        self.priors = {name: prior for name, prior in offered if prior.companions.get("tokenizer") in self.systems}
        self.cards = gr.HTML(elem_id="tokenizers", js_on_load=html.PICK)
        self.mounted = gr.HTML(elem_id="tokens-mounted", js_on_load=html.MOUNTED)
        with gr.Tabs(elem_id="tokens-views"):
            with gr.Tab(t(w.PICTURE), id="picture"):
                self.render_picture()
            with gr.Tab(t(w.WRITING), id="writing"):
                self.writing = Writing(self)
            with gr.Tab(t(w.COMPRESSION), id="compression"):
                self.compression = Files(self)

    def render_picture(self) -> None:
        gr.Markdown(t(w.HINT), elem_classes="caption")
        with gr.Row(elem_classes="tools"):
            self.upload = gr.UploadButton(t(w.CHOOSE), file_types=["image"], elem_id="tokens-upload", min_width=130)
            self.another = gr.Button(t(w.EXAMPLE), elem_id="tokens-example", min_width=130)
            self.reset = gr.Button(t(w.RESET), elem_id="tokens-reset", min_width=130)
        self.stage = gr.HTML(elem_id="tokens", elem_classes="drop", js_on_load=html.PICK)
        self.note = gr.HTML(elem_id="tokens-note")
        gr.Markdown(t(w.SHEET), elem_classes="caption")
        self.sheet = gr.HTML(elem_id="tokens-codebook", js_on_load=html.PICK)

    def wire(self) -> None:
        stream, front = self.deferred.stream, [self.stage, self.note]
        stream(self.mounted.expand, self.on_first, None, front, **ONCE)
        stream(self.cards.select, self.on_system, None, front, **EACH)
        stream(self.upload.upload, self.on_upload, {self.upload}, front, **EACH)
        stream(self.another.click, self.on_example, None, front, **EACH)
        on(self.reset.click, self.on_reset, None, self.picture_outputs, **EACH)
        on(self.stage.select, self.on_place, None, self.picture_outputs, **EACH)
        on(self.sheet.select, self.on_entry, None, self.picture_outputs, **EACH)
        self.writing.wire()
        self.compression.wire()

    @property
    def picture_outputs(self) -> list[gr.components.Component]:
        return [self.stage, self.note]

    @property
    def outputs(self) -> list[gr.components.Component]:
        if not self.drawn:
            return []
        return [self.cards, self.sheet, *self.picture_outputs, *self.writing.outputs, *self.compression.outputs]

    # event handlers: a picture and its tokens -----------------------------------------------------------------------

    @friendly
    def on_first(self, request: gr.Request) -> Iterator[Updates]:
        """First selection of the tab: what was opened meanwhile, or an example."""
        session = self.sessions.of(request)
        if opened := self.deferred.take(request):
            yield opened
            return
        yield self.open_system(session, session.system or self.showcase(), language(request))

    @friendly
    def on_system(self, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        yield self.open_system(self.sessions.of(request), self.check_system(event.pick), language(request))

    @friendly
    def on_upload(self, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        path = Path(inputs[self.upload])
        try:
            yield from self.open_picture(str(path), inputs, request)
        finally:
            path.unlink(missing_ok=True)

    @friendly
    def on_example(self, request: gr.Request) -> Iterator[Updates]:
        session = self.sessions.of(request)
        session.example += 1
        self.take_picture(session, self.example(session.system, session.example), own=False)
        yield self.shown(session, language(request))

    @friendly
    def on_reset(self, request: gr.Request) -> Updates:
        session = self.with_picture(request)
        session.tokens = session.original.copy()
        return self.shown(session, language(request))

    @friendly
    def on_place(self, event: gr.EventData, request: gr.Request) -> Updates:
        session = self.with_picture(request)
        session.place = self.index(event.pick, len(session.tokens))
        return self.shown(session, language(request))

    @friendly
    def on_entry(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Put an entry in the place of the selected token."""
        session, lang = self.with_picture(request), language(request)
        if session.place is None:
            raise Refusal(*w.SELECT_FIRST)
        entries, _ = tokens.codebook(self.engine, session.system)
        session.tokens[session.place] = self.index(event.pick, len(entries))
        return self.shown(session, lang)

    # asked by the page ----------------------------------------------------------------------------------------------

    def open_picture(self, path: str, inputs: dict, request: gr.Request) -> Iterator[Updates]:
        self.check_drawn(request)
        session, lang = self.sessions.of(request), language(request)
        session.system = session.system or self.showcase()
        self.take_picture(session, read_picture(path, lang), own=True)
        yield self.system_shown(session, lang) | self.shown(session, lang)

    def select_system(self, name: str, inputs: dict, request: gr.Request) -> Updates:
        return self.open_system(self.sessions.of(request), name, language(request))

    def leave(self, request: gr.Request) -> None:
        if self.drawn:
            self.sessions.leave(request)

    def card(self, name: str, lang: str) -> tuple[str, str, str]:
        numbers = tokens.tokenize(self.engine, name, [self.example(name, 0)])
        return name, self.systems[name].title.say(lang), html.png_uri(tokens.detokenize(self.engine, name, numbers)[0])

    # state ----------------------------------------------------------------------------------------------------------

    def open_system(self, session: TokensSession, name: str, lang: str) -> Updates:
        """Another tokenizer, with the visitor's picture or an example."""
        session.end("write", cancelled=True)
        session.system, session.steps = name, []
        kept = session.picture if session.own else self.example(name, session.example)
        self.take_picture(session, kept, session.own)
        return self.system_shown(session, lang) | self.shown(session, lang) | self.writing.offer(name)

    def take_picture(self, session: TokensSession, picture: Image.Image, own: bool) -> None:
        [numbers] = tokens.tokenize(self.engine, session.system, [picture])
        session.take(picture, own, numbers)

    def example(self, name: str, number_: int) -> Image.Image:
        """A picture of the kind that the tokenizer has learned from, by another of our models."""
        if EXAMPLES in catalog.available() and self.systems[name].data == "faces":
            *_, images = self.engine.sample(EXAMPLES, [FIRST_EXAMPLE + number_])
            return to_pictures(images)[0]
        return example_inputs.landscape() if self.systems[name].data == "cifar10" else example_inputs.face(self.engine)

    def with_picture(self, request: gr.Request) -> TokensSession:
        """The session with a picture, an example where the server has forgotten the visit."""
        session = self.sessions.of(request)
        if session.tokens is None:
            self.open_system(session, session.system or self.showcase(), language(request))
        return session

    def check_prior(self, name: str) -> str:
        if name not in self.priors:
            raise Refusal(f"no prior is called {name!r}", f"aucun a priori ne s’appelle {name!r}")
        return name

    def index(self, pick: Any, count: int) -> int:
        """A number that the browser sends. Raises ValueError if it is none below `count`."""
        if not str(pick).isdecimal() or int(pick) >= count:
            raise Refusal(f"there is no {str(pick)[:20]!r} here", f"il n’y a pas de {str(pick)[:20]!r} ici")
        return int(pick)

    def grid(self, name: str) -> tuple[int, int]:
        return tokens.exact_model(self.engine, name, "tokenize").model.grids[0]

    def fitted(self, session: TokensSession) -> Image.Image:
        """The picture as the network sees it."""
        return fit(session.picture, tokens.exact_model(self.engine, session.system, "tokenize").model.image_shape)

    # rendering ------------------------------------------------------------------------------------------------------

    def system_shown(self, session: TokensSession, lang: str) -> Updates:
        """Updates of the cards, and of the codebook as a sheet."""
        entries, usage = tokens.codebook(self.engine, session.system)
        cards = {self.system: session.system, self.cards: self.cards_html(session.system, lang)}
        return cards | {self.sheet: pieces.sheet(entries, usage, lang)}

    def shown(self, session: TokensSession, lang: str) -> Updates:
        """Updates of the picture, its tokens, and the reconstruction."""
        name, shape = session.system, self.grid(session.system)
        entries, usage = tokens.codebook(self.engine, name)
        original = np.atleast_3d(np.asarray(self.fitted(session)))
        [rebuilt] = tokens.detokenize(self.engine, name, session.tokens[None])
        bits = len(session.tokens) * (len(usage) - 1).bit_length()
        about = w.GRID_NOTE.say(lang, places=len(session.tokens), entries=len(usage), bits=bits)
        if changed := int((session.tokens != session.original).sum()):
            about += " · " + w.CHANGED.say(lang, count=changed)
        error = ((original.astype(float) - rebuilt) ** 2).mean() ** 0.5
        psnr = 20 * np.log10(255 / max(error, 1e-3))
        measured = w.ERROR.say(lang, psnr=number(psnr, ".1f", lang), error=number(error, ".1f", lang))
        whose = (w.OWN if session.own else w.EXAMPLE_OF).say(lang)
        figures = [
            pieces.figure(w.ORIGINAL.say(lang), whose, pieces.framed(original, w.ORIGINAL.say(lang))),
            pieces.figure(w.GRID.say(lang), about, pieces.token_grid(session.tokens, shape, session.place, lang)),
            pieces.figure(w.REBUILT.say(lang), measured, pieces.framed(rebuilt, w.REBUILT.say(lang))),
        ]
        chosen = "" if session.place is None else html.picture(html.png_uri(entries[session.tokens[session.place]]), "")
        note = f'<p class="legend chosen" role="status">{chosen}{self.selection(session, usage, lang)}</p>'
        return {self.stage: f'<div class="stage three">{"".join(figures)}</div>', self.note: note}

    def selection(self, session: TokensSession, usage: np.ndarray, lang: str) -> str:
        """Sentence on the selected token."""
        if session.place is None:
            return w.NOTHING_SELECTED.say(lang)
        entry = int(session.tokens[session.place])
        count = int((session.tokens == entry).sum())
        times = w.ONCE.say(lang) if count == 1 else w.TIMES.say(lang, count=count)
        at = pieces.where(session.place, self.grid(session.system)[1])
        return w.SELECTED.say(lang, entry=entry, share=pieces.percent(usage[entry], lang), times=times, **at)
