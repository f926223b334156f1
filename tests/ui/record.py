"""The animation at the head of the README: `python -m tests.ui.record docs/page.webp`.

Chromium drags the position in Latent space, picks cells and drags the truncation in Style mixing, and watches a run of
Diffusion. Each frame of a drag waits for its image, so that a busy machine records the same drag; the run is recorded
at the speed of the machine.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests import chromium
from tests.ui.page import choose, idle, option, press, shown, slide, turn_to_tab, watch

PORT = 7868
MILLISECONDS = 160  # a frame: about six a second
WIDTH = 900  # px of the animation; the page is drawn wider, in CSS pixels
VIEWPORT = {"width": 1280, "height": 1000}


def main(out: str) -> None:
    with tempfile.TemporaryDirectory() as home:  # no runs, jobs or names of whoever records
        own = {"GRADIO_SERVER_PORT": str(PORT), "GENSTUDIO_HOME": home, "GRADIO_SERVER_NAME": "127.0.0.1"}
        server = subprocess.Popen([sys.executable, "app.py"], env=os.environ | own, stdout=subprocess.DEVNULL)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium.program(), args=chromium.ARGUMENTS)
                page = browser.new_context(locale="en-US", viewport=VIEWPORT).new_page()
                page.set_default_timeout(120_000)
                watch(page)
                wait_for_server(f"http://127.0.0.1:{PORT}")
                page.goto(f"http://127.0.0.1:{PORT}")
                page.wait_for_selector("#strip img")
                idle(page)
                frames = [shrunk(body) for scene in (latent, style, diffusion) for body in scene(page)]
                browser.close()
        finally:
            server.terminate()
    save(frames, out)


def wait_for_server(url: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


# Scenes: generators of screenshots --------------------------------------------------------------------------------


def latent(page: Page) -> Iterator[bytes]:
    """A drag from one face to the other and half the way back."""
    choose(page, "vae_avatars")
    slide(page, "#position", 0.0)
    yield from still(page, 2)
    for k in [*range(1, 21), *range(19, 9, -1)]:
        slide(page, "#position", k / 20)
        yield from still(page)


def style(page: Page) -> Iterator[bytes]:
    """Three mixtures of the matrix, and the truncation of the last one."""
    turn_to_tab(page, "style")
    page.wait_for_selector("#mix-matrix .matrix img")
    choose(page, "stylegan2_faces", "#style-models")
    page.locator("#style-models").scroll_into_view_if_needed()
    yield from still(page, 2)
    for cell in ("0,0", "1,2", "3,3"):
        press(page, f"#mix-matrix [data-pick='{cell}']")
        yield from still(page, 3)
    for k in [*range(14, 21), *range(19, 3, -2), *range(5, 15, 2)]:
        slide(page, "#mix-truncation", k / 20)
        yield from still(page)


def diffusion(page: Page) -> Iterator[bytes]:
    """A run of 60 steps, recorded while it computes, and then the slider over its steps."""
    turn_to_tab(page, "diffusion")
    choose(page, "ddpm_avatars", "#denoisers")
    option(page, "#diffusion-label", "micah")
    slide(page, "#diffusion-steps", 60)  # starts the run
    page.wait_for_function("document.querySelector('#run-progress').innerText.includes('of 60')")
    seen, end = "", time.monotonic() + 120
    while "of 60" in page.locator("#run-progress").inner_text() and time.monotonic() < end:
        if seen != (now := shown(page, "#lanes .x_0 img")):
            seen = now
            yield page.screenshot()
        time.sleep(0.02)
    for step in range(0, 61, 3):
        slide(page, "#scrub", step)
        yield from still(page)
    yield from still(page, 6)


def still(page: Page, count: int = 1) -> Iterator[bytes]:
    """The page once it has answered, for `count` frames."""
    idle(page)
    yield from [page.screenshot()] * count


# Animation --------------------------------------------------------------------------------------------------------


def shrunk(body: bytes) -> Image.Image:
    frame = Image.open(io.BytesIO(body)).convert("RGB")
    return frame.resize((WIDTH, round(WIDTH * frame.height / frame.width)), Image.Resampling.LANCZOS)


def save(frames: list[Image.Image], out: str) -> None:
    options = {"duration": MILLISECONDS, "loop": 0, "quality": 60, "method": 4, "minimize_size": True}
    frames[0].save(out, save_all=True, append_images=frames[1:], **options)
    print(f"{out}: {len(frames)} frames, {os.path.getsize(out) / 1e6:.2f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
