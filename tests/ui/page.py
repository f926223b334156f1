"""A visitor's steps on the page, which the browser tests share.

A journey is one load of the page, with a subtest for each thing that a visitor does. Between two steps stands `idle`,
never a fixed time: how long a machine takes to answer depends on its load.
"""

from __future__ import annotations

import base64
import io
import json
import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import pytest
from PIL import Image

from genstudio.images import read_recipe
from genstudio.ui.studio import TABS

if TYPE_CHECKING:
    from playwright.sync_api import Download, Page, Request

    from genstudio.controls import Text

PATIENCE = 120  # seconds: a busy machine is no failure
JOURNEY = [pytest.mark.browser, pytest.mark.timeout(900)]

# `quiet` resolves once no event of Gradio's queue is open and the document has been still for 100 ms, in which the page
# drew frames and no short timer ran: by such timers it delays events, and Gradio hands out what its stream has brought.
# A stream is no sign of an event: one that the page opens after its last event has ended stays open until the next.
QUIET = """
(() => {
  const {fetch, setTimeout: later, clearTimeout: never} = window;
  const timers = new Set(), events = new Set(), ended = new Set(), streams = new Set();
  let changed = false;
  window.setTimeout = (act, wait = 0, ...given) => {
    if (typeof act !== 'function' || wait > 1000) return later(act, wait, ...given);
    const timer = later(() => { timers.delete(timer); act(...given); }, wait);
    timers.add(timer);
    return timer;
  };
  window.clearTimeout = timer => { timers.delete(timer); never(timer); };
  new MutationObserver(() => { changed = true; })
    .observe(document, {subtree: true, childList: true, attributes: true, characterData: true});

  const watched = answer => {
    const text = new TextDecoder();
    let rest = '';
    const seen = new TransformStream({
      start(stream) { streams.add(stream); },
      transform(bytes, stream) {
        const lines = (rest + text.decode(bytes, {stream: true})).split('\\n');
        rest = lines.pop();
        for (const line of lines) if (line.slice(0, 100).includes('process_completed')) {
          const {event_id} = JSON.parse(line.slice(5));
          if (!events.delete(event_id)) ended.add(event_id);
        }
        stream.enqueue(bytes);
      },
    });
    return new Response(answer.body.pipeThrough(seen), answer);
  };
  window.fetch = async (...given) => {
    const answer = await fetch(...given);
    if (answer.ok && answer.url.includes('/queue/join')) {
      const {event_id} = await answer.clone().json();
      if (!ended.delete(event_id)) events.add(event_id);
    }
    return answer.ok && answer.url.includes('/queue/data') ? watched(answer) : answer;
  };

  window.quiet = patience => new Promise((done, fail) => {
    const begin = performance.now();
    let since = begin, frames = 0;
    const look = () => {
      const now = performance.now();
      if (changed || timers.size || events.size) [since, frames, changed] = [now, 0, false];
      if (now - since >= 100 && frames++ >= 4) done();
      else if (now - begin > patience) fail(new Error(`never still: ${events.size} events, ${timers.size} timers`));
      else later(() => requestAnimationFrame(look), 15);
    };
    look();
  });
  // Gradio aborts its stream when the page is left, and says so as an error: here it ends before.
  window.endStreams = () => { for (const stream of streams) try { stream.terminate(); } catch {} };
})();
"""
REQUESTS: WeakKeyDictionary[Page, set[Request]] = WeakKeyDictionary()  # in flight
LASTING = ("/heartbeat/", "/queue/data")


def watch(page: Page) -> None:
    """Prepare a page that is still empty for `idle`."""
    requests = REQUESTS[page] = set()

    def started(request: Request) -> None:
        if request.url.startswith("http") and not any(path in request.url for path in LASTING):
            requests.add(request)

    def ended(request: Request) -> None:
        requests.discard(request)

    page.add_init_script(QUIET)
    page.on("request", started)
    page.on("requestfinished", ended)
    page.on("requestfailed", ended)


def idle(page: Page, patience: float = PATIENCE) -> None:
    """Wait until no request is in flight, no event of Gradio's queue is open, and the page is still for 100 ms."""
    end = time.monotonic() + patience
    while True:
        page.evaluate("patience => quiet(patience)", 1000 * patience)
        if not REQUESTS[page]:
            return
        assert time.monotonic() < end, f"still in flight: {[request.url[:120] for request in REQUESTS[page]]}"


def go(page: Page, address: str | None = None) -> None:
    """To another address, or here again, with nothing under way: a page complains of what it drops."""
    idle(page)
    page.evaluate("endStreams()")
    page.goto(address) if address else page.reload()
    page.wait_for_selector("#tabs > .tab-wrapper button[role=tab]")
    idle(page)


def press(page: Page, selector: str) -> None:
    """Click the first such element."""
    page.locator(selector).first.click()
    idle(page)


def shown(page: Page, selector: str = "#stage img") -> str:
    """The address of a picture, which holds all of it."""
    return page.locator(selector).first.get_attribute("src")


def wait_for_change(page: Page, before: str, selector: str = "#stage img") -> None:
    page.wait_for_function(
        "([s, b]) => { const i = document.querySelector(s); return i && i.src !== b; }", arg=[selector, before]
    )


def turn_to_tab(page: Page, key: str) -> None:
    """One of the page's tabs."""
    turn_to_view(page, "#tabs", key, next(tab.title for tab in TABS if tab.key == key))


def turn_to_view(page: Page, views: str, key: str, title: Text | None = None) -> None:
    """One of some tabs; on a narrow page, where a menu keeps it, by its title."""
    tabs = f"{views} > .tab-wrapper"
    page.wait_for_selector(f"{tabs} button[role=tab]")
    tab = page.locator(f"{tabs} button[role=tab][data-tab-id={key}]")
    if title is None or tab.count():
        tab.click()
    else:
        page.locator(f"{tabs} .overflow-menu > button").click()
        said = getattr(title, "fr" if page.evaluate("navigator.language").startswith("fr") else "en")
        page.locator(f"{tabs} .overflow-dropdown button", has_text=said).click()
    idle(page)


def choose(page: Page, name: str, cards: str = "#models") -> None:
    """A model, by its card."""
    page.locator(f"{cards} .card[data-pick='{name}']").click()
    page.wait_for_selector(f"{cards} .card[data-pick='{name}'][aria-pressed=true]")
    idle(page)


def option(page: Page, dropdown: str, name: str) -> None:
    """A choice of a dropdown."""
    page.locator(f"{dropdown} input").click()
    page.get_by_role("option", name=name, exact=True).click()
    idle(page)


def slide(page: Page, selector: str, value: float) -> None:
    """A slider, as by a drag that ends at the value."""
    page.locator(f"{selector} input[type=range]").evaluate(
        """(slider, value) => {
          slider.value = value;
          slider.dispatchEvent(new Event('input', {bubbles: true}));
          slider.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
        }""",
        value,
    )


def key(page: Page, selector: str, name: str) -> float:
    """Press a key on a slider, and read where it stands then."""
    slider = page.locator(f"{selector} input[type=range]")
    slider.press(name)
    idle(page)
    return float(slider.input_value())


def drag(page: Page, selector: str, places: list[tuple[float, float]], picture: str | None = None) -> None:
    """Hold the mouse over an element, from the first place in [0, 1]² to the last.

    The picture, if any, has to change at every place while the mouse is held: it follows the drag, not only its end.
    """
    element = page.locator(selector).first
    element.scroll_into_view_if_needed()
    box = element.bounding_box()

    def move(x: float, y: float, steps: int = 1) -> None:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=steps)

    move(*places[0])
    page.mouse.down()
    for place in places[1:-1]:
        before = picture and shown(page, picture)
        move(*place, steps=1 if picture else 5)
        if picture:
            wait_for_change(page, before, picture)
    move(*places[-1], steps=20)  # faster than pictures come
    page.mouse.up()
    idle(page)


def drop(page: Page, selector: str, data: bytes, name: str = "dropped.png") -> None:
    """Bytes as a file on an element, as from a mouse."""
    transfer = page.evaluate_handle(
        """([text, name]) => { const t = new DataTransfer(), bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
        t.items.add(new File([bytes], name, {type: 'image/png'})); return t; }""",
        [base64.b64encode(data).decode(), name],
    )
    for event in ("dragover", "drop"):
        page.locator(selector).first.dispatch_event(event, {"dataTransfer": transfer})


def send(page: Page, button: str, *files: tuple[str, bytes]) -> None:
    """Files through an upload button."""
    payload = [{"name": name, "mimeType": "image/png", "buffer": body} for name, body in files]
    page.locator(f"input[type=file]:has(+ #{button})").set_input_files(payload)


def toast(page: Page, words: str) -> str:
    """The message that says the words, once it is there."""
    message = page.locator("[data-testid=toast-text]", has_text=words).first
    message.wait_for()
    return message.inner_text()


def download(page: Page, selector: str) -> Download:
    """The file behind a link or button."""
    with page.expect_download() as waiting:
        page.locator(selector).first.click()
    return waiting.value


def saved(page: Page, selector: str) -> bytes:
    return download(page, selector).path().read_bytes()


def recipe_of(page: Page, stage: str) -> dict:
    """The recipe in the picture that a stage saves."""
    return read_recipe(opened(saved(page, f"{stage} .download")))


def opened(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body))


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def card(page: Page, words: str) -> str:
    """The text of the card on what was opened, once it says the words."""
    page.wait_for_selector(f"#opened .found:not(:has(progress)):has-text({json.dumps(words)})")
    return page.locator("#opened").inner_text()
