"""How quickly the page answers: `python -m tests.bench.page`, part of `make bench`.

A real Chromium drags the position, then the truncation of a mixture; the page itself notes when the slider moved and when
the picture of that value was there. Once as it is, once with 80 ms added to every round trip. Then ten classes by eight
seeds are asked for, of a network that draws at once and of one that comes there in 20 steps.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request

from playwright.sync_api import sync_playwright

from tests import chromium

PORT = 7869
POSITION = {"slider": "#position", "stage": "#stage", "value": "position"}
TRUNCATION = {"slider": "#mix-truncation", "stage": "#mix-subject", "value": "truncation"}
WATCH = """
what => {
window.moved = {}; window.drawn = {};
document.querySelector(what.slider + ' input[type=range]').addEventListener('input', e => { moved[+e.target.value] ??= performance.now(); });
new MutationObserver(() => {
  const stage = document.querySelector(what.stage + ' .stage');
  if (stage) drawn[+stage.dataset[what.value]] ??= performance.now();
}).observe(document.querySelector(what.stage), {childList: true, subtree: true, attributes: true});
}
"""


def main() -> None:
    started = time.monotonic()
    server = subprocess.Popen([sys.executable, "app.py"], env=os.environ | {"GRADIO_SERVER_PORT": str(PORT)}, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{PORT}"
    try:
        while not answers(url):
            time.sleep(0.05)
        report = {"seconds to HTTP 200": round(time.monotonic() - started, 2)}
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium.program(), args=chromium.ARGUMENTS)
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.goto(url)
            page.wait_for_selector("#stage img")
            report["seconds to the first picture"] = round(time.monotonic() - started, 2)
            page.wait_for_selector("#strip img")
            page.evaluate(WATCH, POSITION)
            drag(page, POSITION)  # the first one warms up
            report["drag"] = drag(page, POSITION)
            network = page.context.new_cdp_session(page)
            network.send("Network.enable")
            slow = {"offline": False, "latency": 80, "downloadThroughput": -1, "uploadThroughput": -1}
            network.send("Network.emulateNetworkConditions", slow)
            report["drag with 80 ms more"] = drag(page, POSITION)
            network.send("Network.emulateNetworkConditions", slow | {"latency": 0})
            page.locator("#tabs > .tab-wrapper button[role=tab][data-tab-id=style]").click()
            page.wait_for_selector("#mix-matrix .matrix img")
            report["ms from a choice of layers to the matrix"] = statistics.median(choose_layers(page) for _ in range(6))
            page.evaluate(WATCH, TRUNCATION)
            drag(page, TRUNCATION)
            report["drag of the truncation of a mixture"] = drag(page, TRUNCATION)
            page.locator("#tabs > .tab-wrapper button[role=tab][data-tab-id=classes]").click()
            choose(page, "cgan_mnist")
            report["ms to 10 x 8 of cgan_mnist"] = statistics.median(draw_classes(page, "#class-grid") for _ in range(6))
            choose(page, "ddpm_mnist")
            page.locator("#class-steps input[type=number]").fill("20")
            page.keyboard.press("Tab")
            draw_classes(page, "#class-subject")
            report["ms to 10 x 8 of ddpm_mnist, 20 steps"] = draw_classes(page, "#class-subject")
            browser.close()
        print(json.dumps(report, indent=1))
    finally:
        server.terminate()


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False


def choose_layers(page) -> float:
    """Milliseconds from a click on a group of layers to another matrix."""
    page.wait_for_timeout(1000)
    return page.evaluate("""() => new Promise(done => {
      const mixture = () => document.querySelector('#mix-matrix button:not(.head) img').src, before = mixture(), start = performance.now();
      const watch = new MutationObserver(() => { if (mixture() !== before) { watch.disconnect(); done(Math.round(performance.now() - start)); } });
      watch.observe(document.querySelector('#mix-matrix'), {childList: true, subtree: true, attributes: true});
      document.querySelector('#mix-layers .layer-group:last-child .group').click();
    })""")


def choose(page, system: str) -> None:
    page.locator(f"#classes-models .card[data-pick='{system}']").click()
    page.wait_for_selector(f"#classes-models .card[data-pick='{system}'][aria-pressed=true]")


def draw_classes(page, place: str) -> float:
    """Milliseconds from a click on "Other seeds" to other pictures in a place: the grid, or beside it once that is done."""
    page.wait_for_timeout(1000)
    return page.evaluate(
        """place => new Promise(done => {
      const shown = () => document.querySelector(place + ' img')?.src, before = shown(), start = performance.now();
      const watch = new MutationObserver(() => { if (shown() && shown() !== before) { watch.disconnect(); done(Math.round(performance.now() - start)); } });
      watch.observe(document.querySelector(place), {childList: true, subtree: true, attributes: true});
      [...document.querySelectorAll('.dice')].find(button => button.offsetParent).click();
    })""",
        place,
    )


def pull(page, selector: str, moves: int, pause: int):
    """Drag a slider from end to end without letting it go, with a pause in milliseconds after each move. Its element."""
    slider = page.locator(f"{selector} input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8, y)
    page.mouse.down()
    for i in range(moves):
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * (i + 1) / moves, y)
        page.wait_for_timeout(pause)
    return slider


def drag(page, what: dict[str, str], moves: int = 90) -> dict[str, float]:
    """Milliseconds from a move of the slider to its picture; and from letting go to the last one."""
    page.evaluate("moved = {}; drawn = {}")
    slider = pull(page, what["slider"], moves, pause=25)
    last = float(slider.input_value())
    released = page.evaluate("performance.now()")
    page.wait_for_function("last => last in drawn", arg=last, timeout=20_000)
    page.mouse.up()
    moved, drawn = page.evaluate("[moved, drawn]")
    waits = sorted(drawn[p] - moved[p] for p in drawn if p in moved)
    return {
        "median ms": round(statistics.median(waits)),
        "95th percentile ms": round(waits[int(0.95 * (len(waits) - 1))]),
        "pictures": len(waits),
        "ms from the end of the drag to its picture": round(max(0.0, drawn[f"{last:g}"] - released)),
    }


if __name__ == "__main__":
    main()
