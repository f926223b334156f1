"""How quickly the page answers: `python -m tests.bench_page`, part of `make bench`.

A real Chromium drags the position; the page itself notes when the slider moved and when the picture of that position
was there. Once as it is, once with 80 ms added to every round trip.
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
WATCH = """
window.moved = {}; window.drawn = {};
document.querySelector('#position input[type=range]').addEventListener('input', e => { moved[+e.target.value] ??= performance.now(); });
new MutationObserver(() => {
  const stage = document.querySelector('.stage');
  if (stage) drawn[+stage.dataset.position] ??= performance.now();
}).observe(document.querySelector('#stage'), {childList: true, subtree: true, attributes: true});
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
            page.evaluate(WATCH)
            drag(page)  # the first one warms up
            report["drag"] = drag(page)
            network = page.context.new_cdp_session(page)
            network.send("Network.enable")
            slow = {"offline": False, "latency": 80, "downloadThroughput": -1, "uploadThroughput": -1}
            network.send("Network.emulateNetworkConditions", slow)
            report["drag with 80 ms more"] = drag(page)
            browser.close()
        print(json.dumps(report, indent=1))
    finally:
        server.terminate()


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False


def drag(page, moves: int = 90) -> dict[str, float]:
    """Milliseconds from a move of the slider to its picture; and from letting go to the last one."""
    page.evaluate("moved = {}; drawn = {}")
    box = page.locator("#position input[type=range]").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8, y)
    page.mouse.down()
    for i in range(moves):
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * (i + 1) / moves, y)
        page.wait_for_timeout(25)
    last = float(page.locator("#position input[type=range]").input_value())
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
