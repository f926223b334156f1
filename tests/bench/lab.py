"""The lab's speed: `python -m tests.bench.lab`, part of `make bench`.

Steps of both players a second, of each game and model, on one thread; then frames a second and renderer CPU in
Chromium, with one visitor and with eight who play at the same time.
"""

from __future__ import annotations

import json
import statistics
import time

import torch
from playwright.sync_api import Browser, sync_playwright

from genstudio.data.points import ring
from genstudio.models.points import GAMES
from genstudio.registry import unlisted
from genstudio.training.live import Live
from tests import ROOT, chromium
from tests.bench.renderer import seconds as cpu
from tests.bench.renderer import serving

STEPS, SECONDS, VISITORS = 200, 10.0, (1, 8)
FRAMES = "+document.querySelector('#lab-stage .lab').dataset.frames"


def main() -> None:
    torch.set_num_threads(1)
    report = {f"steps a second, {name}": round(live(**values)) for name, values in cases()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.program(), args=chromium.ARGUMENTS)
        with serving([ROOT]) as [address]:
            for visitors in VISITORS:
                report |= {f"{name}, {visitors} playing": value for name, value in play(browser, address, visitors)}
        browser.close()
    print(json.dumps(report, indent=1, ensure_ascii=False))


def cases() -> list[tuple[str, dict]]:
    games = [(game, {"game": game}) for game in GAMES]
    wgan_gp = {"game": "wasserstein", "penalty": 1.0, "critic_steps": 5}
    remedies = [("5 unrolled steps", {"unroll": 5}), ("WGAN-GP of 5 steps", wgan_gp)]
    return [*games, *remedies, *((name, {"model": name}) for name in unlisted() if name != "points_gan")]


def live(model: str = "points_gan", **values) -> float:
    """Steps a second, the state of a frame every ten included."""
    training = Live(ring(), model, **values)
    training.step()
    training.state()
    started = time.perf_counter()
    for step in range(STEPS):
        training.step()
        if step % 10 == 9:
            training.state()
    return STEPS / (time.perf_counter() - started)


def play(browser: Browser, address: str, visitors: int) -> list[tuple[str, float]]:
    """Frames a second that are drawn, renderer CPU and steps of each of several pages that play at the same time."""
    pages, clients = [], []
    for _ in range(visitors):
        page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        page.goto(address)
        page.locator("#tabs > .tab-wrapper button[role=tab][data-tab-id=lab]").click()
        page.wait_for_selector("#lab-stage canvas.plane")
        client = page.context.new_cdp_session(page)
        client.send("Performance.enable", {"timeDomain": "threadTicks"})
        pages.append(page)
        clients.append(client)
    for page in pages:
        page.locator("#lab-play").click()
    time.sleep(1)
    open_pages = list(zip(pages, clients, strict=True))
    before, started = [(page.evaluate(FRAMES), cpu(client)) for page, client in open_pages], time.monotonic()
    time.sleep(SECONDS)
    after = [(page.evaluate(FRAMES), cpu(client)) for page, client in open_pages]
    seconds = time.monotonic() - started
    for page in pages:
        page.context.close()
    frames, used = ([(b[i] - a[i]) / seconds for a, b in zip(before, after, strict=True)] for i in (0, 1))
    return [
        ("frames a second", round(statistics.median(frames), 1)),
        ("fewest frames a second", round(min(frames), 1)),
        ("renderer CPU seconds a second", round(statistics.median(used), 3)),
    ]


if __name__ == "__main__":
    main()
