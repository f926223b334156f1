"""What the page costs the visitor's browser: `python -m tests.bench.renderer [CHECKOUT]`, part of `make bench`.

CPU seconds of Chromium's renderer (`TaskDuration` of the DevTools protocol) for the steps of a visit, and the layout
shift of its load. With another checkout of GenStudio, both pages are measured in turn, and compared.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests import ROOT, chromium
from tests.bench.page import answers, pull
from tests.ui.page import idle, watch

PORT = 7871
TURNS = 3
STEPS = 20
SHIFT = """
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted = (window.shifted || 0) + entry.value;
}).observe({type: 'layout-shift', buffered: true});
"""


def main() -> None:
    checkouts = [ROOT, *(Path(path).resolve() for path in sys.argv[1:2])]
    found: list[dict[str, list[float]]] = [{} for _ in checkouts]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.program(), args=chromium.ARGUMENTS)
        with serving(checkouts) as addresses:
            for _ in range(TURNS):
                for figures, address in zip(found, addresses, strict=True):
                    for name, figure in visit(browser, address):
                        figures.setdefault(name, []).append(figure)
        browser.close()
    report = {name: {"this page": middle(figures)} for name, figures in found[0].items()}
    for other in found[1:]:
        for name, figures in other.items():
            ours = statistics.median(found[0][name])
            report[name] |= {"other page": middle(figures), "ratio": round(ours / (statistics.median(figures) or 1), 2)}
    print(json.dumps(report, indent=1))


def middle(figures: list[float]) -> str:
    return f"{statistics.median(figures):.3f} ({min(figures):.3f} to {max(figures):.3f})"


@contextmanager
def serving(checkouts: list[Path]) -> Iterator[list[str]]:
    """A server of each checkout's page, and their addresses."""
    servers, addresses = [], []
    try:
        for i, checkout in enumerate(checkouts):
            options = {"cwd": checkout, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            port = {"GRADIO_SERVER_PORT": str(PORT + i)}
            servers.append(subprocess.Popen([sys.executable, "app.py"], env=os.environ | port, **options))
            addresses.append(f"http://127.0.0.1:{PORT + i}")
        for address in addresses:
            while not answers(address):
                time.sleep(0.2)
        yield addresses
    finally:
        for server in servers:
            server.terminate()


def visit(browser: Browser, address: str) -> Iterator[tuple[str, float]]:
    """Figures of one visit, each with its name."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    watch(page)
    page.add_init_script(SHIFT)
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    page.goto(address)
    page.wait_for_selector("#strip img")
    idle(page)
    yield "load, CPU s", seconds(session)
    yield "layout shift of the load", page.evaluate("window.shifted || 0")

    spent = seconds(session)
    drag(page)
    yield "drag of 60 moves, CPU s", seconds(session) - spent

    spent = seconds(session)
    page.locator("#tabs > .tab-wrapper button[role=tab][data-tab-id=diffusion]").click()
    page.wait_for_selector("#run-strip img")
    idle(page)
    yield "turn to Diffusion, with its first run, CPU s", seconds(session) - spent

    page.locator("#diffusion-steps input[type=number]").fill(str(STEPS))
    page.keyboard.press("Tab")
    idle(page)
    yield f"run of {STEPS} steps, CPU s", run(page, session)

    made = page.locator("#lanes .download").first.get_attribute("href")
    assert made
    page.locator("input[type=file]:has(+ #open)").set_input_files(opened(made))
    page.wait_for_selector("#opened .fine, #opened .found")
    idle(page)
    yield f"run of {STEPS} steps after a file was opened, CPU s", run(page, session)
    page.goto("about:blank")
    context.close()


def opened(uri: str) -> dict:
    """A downloaded picture, as a file to open."""
    import base64

    return {"name": "run.png", "mimeType": "image/png", "buffer": base64.b64decode(uri.partition(",")[2])}


def run(page: Page, session: CDPSession) -> float:
    """CPU seconds of a run, the mean of two."""
    spent = seconds(session)
    for _ in range(2):
        page.locator("#run").click()
        page.wait_for_timeout(300)
        idle(page)
    return (seconds(session) - spent) / 2


def drag(page: Page) -> None:
    pull(page, "#position", moves=60, pause=40)
    page.mouse.up()
    idle(page)


def seconds(session: CDPSession) -> float:
    """CPU seconds of the renderer so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


if __name__ == "__main__":
    main()
