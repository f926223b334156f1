"""Opening files and links: an uploaded or dropped file is identified, opened by a tab, and described on a card.

`importers.identify` finds the type of a file; here are the page's action for each type, and the card with its result.
"""

from __future__ import annotations

import base64
import binascii
import os
import shlex
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import gradio as gr
import numpy as np

from genstudio import catalog, paths
from genstudio.controls import Refusal, Text, number, thousands
from genstudio.engine import Engine
from genstudio.engine.loaded import LoadedModel
from genstudio.importers import identify as opening
from genstudio.importers import keep
from genstudio.importers.identify import Found
from genstudio.model import verbs
from genstudio.recipes import links, recipe
from genstudio.recipes.verbs import VERBS
from genstudio.scores.words import score_text, score_title
from genstudio.ui import words as w
from genstudio.ui.assets import asset
from genstudio.ui.events import ONCE, QUIET, RINGS, VISITS, Place, memories, on
from genstudio.ui.language import friendly, language, reason, t
from genstudio.ui.tab import Tab

PUBLIC = bool(os.environ.get("SPACE_ID"))  # on a Space visitors are unknown, and nothing is kept
MAX_BYTES = (64 if PUBLIC else 1000) * 10**6  # bytes per file
KIND_TITLES = {
    "recipe": w.RECIPE_FILE,
    "link": w.RECIPE_LINK,
    "address": w.ADDRESS,
    "picture": w.PICTURE_FILE,
    "made": w.PICTURE_MADE,
    "weights": w.WEIGHTS_FILE,
    "critic": w.CRITIC_FILE,
    "pictures": w.PICTURES_FILE,
    "several": w.SEVERAL_FILES,
}
ADVICE = {  # by kind or form
    "critic": w.CRITIC_SAYS,
    "foreign": w.NOT_READABLE,
    "svg": w.SAVE_OTHERWISE,
    "archive": w.PACK_OTHERWISE,
}

# Of a folder or a file that is too large only name, size and first bytes are sent.
CARD = asset("card.js").replace("MAX_BYTES", str(MAX_BYTES))

# Clears the opened link from the address, so that a reload restores the visitor's later work.
FORGET = asset("forget.js")


class Message(NamedTuple):
    """Result of opening a file, in one sentence."""

    sentence: str
    fine: bool = True


Act = Generator[dict, None, Message]


class OpenFile:
    """The Open button and its card: `draw_card` places the card, `listen` connects both to the page and its tabs."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self.button = gr.UploadButton(t(w.OPEN), elem_id="open", scale=0, min_width=110, size="sm", file_count="multiple")

    def draw_card(self) -> None:
        self.card = gr.HTML("", elem_id="opened", js_on_load=CARD)
        self.bell = gr.HTML("", elem_classes="bell", js_on_load=RINGS)
        # Key of the tab in front, to which a reload comes back
        self.memory = gr.BrowserState("", storage_key="genstudio-front", secret="genstudio")

    def listen(self, page: gr.Blocks, switch: gr.Tabs, tabs: Mapping[str, tuple[gr.Tab, Tab]]) -> None:
        """Connect `tabs`, by id with the front one first. Without tabs, files are only described."""
        self.tabs, self.switch = {key: tab for key, (_, tab) in tabs.items()}, switch
        self.fronts: dict[str | None, str] = {}  # tab in front by session, which takes dropped pictures
        self.revisions: dict[tuple[str | None, str], int] = {}  # revision of the cards by session and tab
        for key, (panel, tab) in tabs.items():
            on(panel.select, self.arrival(key), None, self.memory, **QUIET)
            if tab.drawn and tab.needs:
                on(panel.select, self.look(key, tab), {tab.system}, [tab.cards], **QUIET)
        front, first = [self.card, switch, self.bell], next(iter(self.tabs.values()), None)
        opened = on(self.button.upload, self.on_open, self.inputs | {self.button}, front, **ONCE)
        for tab in self.tabs.values():
            tab.cancel_with(opened)
            if tab.open_button:
                on(tab.open_button.click, self.opening(tab), self.inputs, front, **ONCE)
        on(self.card.input, self.on_unread, None, self.card, **ONCE)
        self.card.clear(None, None, self.card, js="() => ''")
        page.unload(self.on_leave)
        if first and first.loaded:
            shown = [*front, *first.loaded]
            reads, remembered = self.inputs | {self.memory}, [self.memory, *memories(first.inputs)]
            loaded = first.deferred.stream(page.load, self.on_load, reads, shown, sends=remembered, **QUIET)
        else:
            loaded = on(page.load, self.on_load, self.inputs, front, **QUIET)
        loaded.then(None, js=FORGET)

    @property
    def inputs(self) -> set[Place]:
        return set().union(*(tab.inputs for tab in self.tabs.values()))

    # event handlers -------------------------------------------------------------------------------------------------

    def on_open(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Open the uploaded files: one of any type, or several pictures. The uploads are deleted."""
        paths = [Path(path) for path in inputs[self.button]]
        try:
            if len(paths) > 1:
                found = Found("several", ", ".join(p.name for p in paths)[:120], sum(p.stat().st_size for p in paths))
                act = self.gather_files(found, paths, inputs, request)
            else:
                found = opening.identify(paths[0])
                acts = {"recipe": self.restore, "picture": self.start, "weights": self.take}
                act = acts.get(found.kind, self.describe)(found, str(paths[0]), inputs, request)
            yield from self.answer(found, act, language(request))
        finally:
            for path in paths:
                path.unlink(missing_ok=True)

    def opening(self, tab: Tab) -> Callable[[dict, gr.Request], Iterator[dict]]:
        def on_result(inputs: dict, request: gr.Request) -> Iterator[dict]:
            """Open a tab's result as if it were an uploaded file."""
            path, name = tab.result(inputs, request)
            found = replace(opening.identify(path), name=name)
            yield from self.answer(found, self.take(found, str(path), inputs, request), language(request))

        return friendly(on_result)

    def on_unread(self, event: gr.EventData, request: gr.Request) -> dict:
        """Describe a folder, an address, or a file that was too large to upload."""
        lang, data = language(request), event._data
        if "address" in data:
            return self.tell(Found("address", str(data["address"])[:100], 0), Message(w.NO_FILE.say(lang), fine=False), lang)
        try:
            name, head = str(data["name"])[:200], base64.b64decode(data["head"])[: opening.HEAD]
            found = opening.identify_unread(name, int(data["size"]), head)
        except (binascii.Error, KeyError, TypeError, ValueError, OverflowError):
            return {}
        if data.get("folder"):
            found.form = "folder"
            said = w.TRAIN_ON.say(lang, command=train_on(name))
        else:
            said = (w.TOO_MUCH if PUBLIC else w.BY_HAND).say(lang)
            said = said.format(most=amount(MAX_BYTES, lang), folder=paths.checkpoint_folders()[0])
        return self.tell(found, Message(said, fine=False), lang)

    def on_load(self, inputs: dict, request: gr.Request) -> dict:
        """Updates of the first tab on page load, unless a link opens a recipe."""
        updates, query = {}, urlencode(dict(request.query_params))
        if {"verb", "system"} <= set(request.query_params):
            found = Found("link", "?" + query[:100], 0)
            for more in self.answer(found, self.follow(found, query, inputs, request), language(request)):
                updates |= more
        for key, tab in self.tabs.items():
            if tab.linked and key in request.query_params:
                updates |= self.open_link(key, request)
        [first, *_] = self.tabs.values() or [None]
        if first and first.loaded and updates.get(self.bell, "").split(" ")[0] != first.key:
            updates = first.load(inputs, request) | updates
        if self.switch not in updates and inputs.get(self.memory) in self.tabs:
            updates[self.switch] = gr.update(selected=inputs[self.memory])
        return updates

    # actions: each yields updates, and returns the sentence for the card ------------------------------------------

    def answer(self, found: Found, act: Act, lang: str) -> Iterator[dict]:
        """Updates of an action: at once the card of the file, and last the card with the result."""
        yield {self.card: card(found, Message(w.OPENING.say(lang)), lang, busy=True)}
        try:
            said = yield from act
        except (ValueError, ArithmeticError, OSError, gr.Error) as error:
            why = error.message if isinstance(error, gr.Error) else reason(error, lang)
            said = Message(w.UNUSABLE.say(lang, reason=why.rstrip(".")), fine=False)
        yield self.tell(found, said, lang)

    def tell(self, found: Found, said: Message, lang: str) -> dict:
        (gr.Info if said.fine else gr.Warning)(escape(said.sentence), duration=5)
        return {self.card: card(found, said, lang)}

    def follow(self, found: Found, query: str, inputs: dict, request: gr.Request) -> Act:
        """Restore the recipe of a link."""
        found.recipe = links.from_query(links.check_link(query))
        return (yield from self.restore(found, None, inputs, request))

    def restore(self, found: Found, path: str | None, inputs: dict, request: gr.Request) -> Act:
        """Restore a recipe in its tab."""
        lang, system = language(request), str(found.recipe.get("system"))
        elsewhere = ValueError(w.ELSEWHERE.say(lang, system=system[:80]))
        if system not in catalog.available():  # the name first: it must not lead to other files
            raise elsewhere
        made = recipe.check(found.recipe | {"system": system})
        key = next((key for key, tab in self.tabs.items() if tab.restores(made)), None)
        if key is None:
            raise elsewhere
        loaded = self.engine.hold(made["system"])
        header = loaded.header
        found.facts |= {"verb": VERBS[made["verb"]].title, "title": loaded.system.title, "licence": header.licence, "credit": header.credit}
        missing = self.tabs[key].missing(made, request)
        yield self.turned(key, self.tabs[key].restore(made, inputs, request), request)
        return Message(missing.say(lang) if missing else restored(made, loaded, lang))

    def open_link(self, key: str, request: gr.Request) -> dict:
        """Bring a tab to the front with what a link names; a word that it does not know gets a warning."""
        try:
            updates = self.tabs[key].open_link(request.query_params[key], request)
        except ValueError as error:
            gr.Warning(escape(reason(error, language(request))), duration=5)
            return {}
        return self.turned(key, updates, request)

    def start(self, found: Found, path: str, inputs: dict, request: gr.Request) -> Act:
        """Restore the recipe of a picture; without one the tab in front opens the picture."""
        if found.recipe is not None:
            found.kind = "made"
            return (yield from self.restore(found, path, inputs, request))
        key = self.fronts.get(session(request), next(iter(self.tabs)))
        for updates in self.tabs[key].open_picture(path, inputs, request):
            yield self.turned(key, updates, request)
        return Message(self.tabs[key].picture_opened.say(language(request)))

    def take(self, found: Found, path: str, inputs: dict, request: gr.Request) -> Act:
        """Try weights, save them under a free name, and select them in a tab; all visitors have them."""
        lang = language(request)
        if PUBLIC:
            return Message(w.DESCRIBED_ONLY.say(lang), fine=False)
        yield {self.card: card(found, Message(w.TAKEN_IN.say(lang)), lang, busy=True)}
        here = catalog.available()
        with keep.as_ours(path, found) as ours:
            self.try_out(str(ours))
            name = keep.keep(ours, found)
        kept = w.HERE_ALREADY if name in here else w.KEPT
        for key, tab in self.tabs.items():
            if updates := tab.add_weights(name, inputs, request):
                yield self.turned(key, updates, request)
                return Message(f"{kept.say(lang, name=name)} {w.CHOSEN.say(lang)}")
        return Message(f"{kept.say(lang, name=name)} {w.NO_TAB.say(lang)}")

    def try_out(self, path: str) -> None:
        """Run weights once: broken ones must not be saved. Raises ValueError if they fail."""
        self.engine.hold(path)
        can = set(verbs(catalog.system_of(path).model))
        if {"latents", "decode"} <= can:
            self.engine.decode(path, self.engine.latents(path, [0]))
        if "img2img" in can:
            list(self.engine.denoise(path, [0], steps=2))
        if "translate" in can:
            list(self.engine.translate(path, np.full((1, 64, 64, 3), 255, np.uint8)))

    def gather_files(self, found: Found, paths: Sequence[Path], inputs: dict, request: gr.Request) -> Act:
        """Pass those of several files that are pictures to a tab, and name the others."""
        lang = language(request)
        pictures = [path for path in paths if opening.identify(path).kind == "picture"]
        if not pictures:
            raise ValueError(w.NO_PICTURE_AMONG.say(lang, count=len(paths)))
        found.facts["count"] = len(pictures)
        said = yield from self.gather(found, pictures, inputs, request)
        if others := ", ".join(path.name for path in paths if path not in pictures)[:120]:
            return Message(f"{said.sentence} {w.NOT_PICTURES.say(lang, names=others)}", fine=False)
        return said

    def gather(self, found: Found, paths: Sequence[Path], inputs: dict, request: gr.Request) -> Act:
        """Pass several pictures or a zip to the tab in front, or another one; else describe how to train on them."""
        lang = language(request)
        front = self.fronts.get(session(request))
        for key, tab in sorted(self.tabs.items(), key=lambda item: item[0] != front):
            if said := tab.pictures_opened:
                for updates in tab.open_pictures(paths, inputs, request):
                    yield self.turned(key, updates, request)
                learn = w.TRAIN_ON.say(lang, command=train_on(found.name))
                others = [learn] if found.kind == "pictures" and key != "train" else []
                return Message(" ".join([said.say(lang), *others]))
        return Message(w.TRAIN_ON.say(lang, command=train_on(found.name)))

    def describe(self, found: Found, path: str, inputs: dict, request: gr.Request) -> Act:
        """Advice on a file that cannot be opened, in one sentence."""
        lang = language(request)
        if found.reason:
            raise Refusal(*found.reason)
        if found.kind == "pictures":
            return (yield from self.gather(found, [Path(path)], inputs, request))
        advice = ADVICE.get(found.kind) or ADVICE.get(found.form, w.NOT_OPENED)
        return Message(advice.say(lang), fine=False)

    def turned(self, key: str, updates: dict, request: gr.Request) -> dict:
        """Bring a tab to the front, whose `select` event records that, and leave its updates to it."""
        rings = self.tabs[key].deferred.keep(updates, request)
        return {self.switch: gr.update(selected=key)} | ({self.bell: rings} if rings else {})

    def arrival(self, key: str) -> Callable[[gr.Request], str]:
        def on_arrival(request: gr.Request) -> str:
            self.fronts[session(request)] = key
            return key

        return on_arrival

    def look(self, key: str, tab: Tab) -> Callable[[dict, gr.Request], dict]:
        @friendly
        def on_look(inputs: dict, request: gr.Request) -> dict:
            """The cards again, if weights have come since this visitor last saw them."""
            tab.renew()
            place = session(request), key
            if self.revisions.get(place, 0) == tab.revision:
                return {tab.cards: gr.update()}
            self.revisions[place] = tab.revision
            return {tab.cards: tab.cards_html(inputs[tab.system], language(request))}

        return on_look

    def on_leave(self, request: gr.Request) -> None:
        self.fronts.pop(session(request), None)
        for key in self.tabs:
            self.revisions.pop((session(request), key), None)
        for tab in self.tabs.values():
            tab.leave(request)
        VISITS.leave(request)


def session(request: gr.Request | None) -> str | None:
    return request.session_hash if request else None


def restored(made: dict, loaded: LoadedModel, lang: str) -> str:
    """Sentence on how exactly a recipe is reproduced: a link has fewer fields than a PNG."""
    now = recipe.make(loaded, made["verb"], controls=made.get("controls"), branches=made.get("branches"))
    changed = [key for key in recipe.differences(made, loaded) if key in made]
    said = [w.DIFFERS[key].say(lang, then=short(made[key]), now=short(now.get(key))) for key in changed]
    if said:
        return w.RESTORED_BUT.say(lang, what=", ".join(said))
    whole = set(w.DIFFERS) <= {"companions", *made}
    return (w.RESTORED if whole else w.RESTORED_SAME_WEIGHTS if "weights" in made else w.RESTORED_AS_SAID).say(lang)


def short(value: Any) -> str:
    """A fact of a recipe, which is untrusted, cut short; of companions their digests."""
    return (", ".join(map(str, value.values())) if isinstance(value, dict) else str(value))[:40]


def train_on(name: str) -> str:
    return shlex.join(["python", "-m", "genstudio", "train", "vae_avatars", "--data", name])


# The card -------------------------------------------------------------------------------------------------------


def card(found: Found, said: Message, lang: str, busy: bool = False) -> str:
    """Card of a file: type, name, size, facts from its header, and the result of opening it, or what is under way."""
    what = w.FORMS[found.form] if found.reading else KIND_TITLES.get(found.kind) or w.FORMS[found.form]
    rows = "".join(
        f"<div><dt>{label.say(lang)}</dt><dd>{escape(value)}</dd></div>"
        for key, label in w.FACTS.items()
        if (value := fact(key, found.facts.get(key), lang))
    )
    size = amount(found.size, lang) if found.size else ""
    close = escape(w.DISMISS.say(lang), quote=True)
    end = "<progress></progress>" if busy else f'<button data-dismiss title="{close}" aria-label="{close}">×</button>'
    return (
        f'<section class="found {"fine" if said.fine else "odd"}" role="status"><p><b>{what.say(lang)}</b> '
        f"<code>{escape(found.name)}</code> <span>{size}</span></p><p>{escape(said.sentence)}</p>"
        f"<dl>{rows}</dl>{end}</section>"
    )


def fact(key: str, value: Any, lang: str) -> str:
    """Format a fact from an untrusted file, cut short."""
    if key == "scores" and isinstance(value, dict):
        best = [(str(n), s) for n, s in value.items() if not str(n).startswith("share of")]
        shown = [(score_title(name, lang)[:90], score_text(score, lang)) for name, score in best[:4]]
        return "; ".join(w.SCORE_OF.say(lang, name=name, score=score) for name, score in shown)
    if isinstance(value, Text):
        return value.say(lang)
    if isinstance(value, tuple):
        return " × ".join(str(side) for side in value)
    if isinstance(value, int):
        return thousands(value) if value else ""
    return str(value or "")[:300]


def amount(size: int, lang: str) -> str:
    """Format a number of bytes: 12.3 MB."""
    power = min(len(str(size)) - 1, 9) // 3
    return f"{number(size / 1000**power, '.1f' if power else '.0f', lang)} {w.BYTES[power].say(lang)}"
