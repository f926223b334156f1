"""The views of the Latent space tab in a real browser: planes, directions, maps, films, and pictures that are searched
for."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

from tests.ui.page import (
    JOURNEY,
    choose,
    download,
    drag,
    drop,
    go,
    idle,
    key,
    png,
    press,
    recipe_of,
    saved,
    shown,
    turn_to_view,
)  # fmt: skip

pytestmark = JOURNEY
VIEWS = "#views"


def corners(page) -> list[str]:
    """The seeds of a plane's corners."""
    return [page.locator(f"#plane-{corner}-seed input").input_value() for corner in ("nw", "ne", "sw", "se")]


def test_planes_and_maps_are_moved_in(page, subtests):
    with subtests.test("a plane follows the mouse and arrow keys"):
        turn_to_view(page, VIEWS, "plane")
        places = [(0.1, 0.1), (0.2, 0.2), (0.3, 0.2), (0.4, 0.3), (0.5, 0.3), (0.7, 0.4)]
        drag(page, "#plane-field .field", places, "#plane-stage img")
        made = recipe_of(page, "#plane-stage")
        assert made["verb"] == "plane" and (made["x"], made["y"]) == pytest.approx((0.7, 0.4), abs=0.02)
        for name, right, down in (("ArrowDown", 0, 0.02), ("ArrowRight", 0.02, 0), ("Shift+ArrowUp", 0, -0.1)):
            before, place = shown(page, "#plane-stage img"), recipe_of(page, "#plane-stage")
            page.locator("#plane-field .field").press(name)
            idle(page)
            moved = recipe_of(page, "#plane-stage")
            assert shown(page, "#plane-stage img") != before
            assert (moved["x"], moved["y"]) == pytest.approx((place["x"] + right, place["y"] + down), abs=1e-6)

    with subtests.test("the link is that of the picture in front, and short"):
        link = "#link [data-query]"
        press(page, "#share button")
        for view, verb in (("way", "interpolate"), ("plane", "plane"), ("map", "decode"), ("plane", "plane")):
            turn_to_view(page, VIEWS, view)
            page.wait_for_selector(f"#link [data-query*='verb={verb}']", timeout=5_000)
        query = page.locator(link).get_attribute("data-query")
        assert all(len(word) < 10 for word in re.findall(r"[xy]=([^&]+)", query)), query

    with subtests.test("a picture of the plane that is dropped back restores all four corners"):
        before = shown(page, "#plane-field img")
        press(page, ".corners .dice")
        assert shown(page, "#plane-field img") != before
        picture, seeds = saved(page, "#plane-stage .download"), corners(page)
        turn_to_view(page, VIEWS, "way")
        choose(page, "vae_mnist")
        drop(page, ".masthead", picture)
        page.wait_for_function("s => document.querySelector('#plane-nw-seed input')?.value === s", arg=seeds[0])
        idle(page)
        assert corners(page) == seeds

    with subtests.test("the map shows the digit under the mouse"):
        turn_to_view(page, VIEWS, "map")
        page.wait_for_selector("#map-vae2d_mnist .scatter")
        places = [(x, x) for x in (0.2, 0.3, 0.4, 0.5, 0.6, 0.8)]
        drag(page, "#map-vae2d_mnist .field", places, "#map-stage-vae2d_mnist img")
        assert recipe_of(page, "#map-stage-vae2d_mnist")["verb"] == "decode"
        assert page.locator("#map-random-ae2d_mnist img, #map-random-vae2d_mnist img").count() == 2, "codes of both"
        before = shown(page, "#map-random-ae2d_mnist img")
        press(page, "#map-dice")
        assert shown(page, "#map-random-ae2d_mnist img") != before
        page.locator("#map-sheet input").check()
        page.wait_for_selector("#map-vae2d_mnist .field img")
        idle(page)

    with subtests.test("how a model learned is told with its scores"):
        turn_to_view(page, VIEWS, "way")
        choose(page, "vae_mnist")
        turn_to_view(page, VIEWS, "learned")
        text = page.locator("#learned").inner_text()
        assert "python -m genstudio train vae_mnist" in text and "MNIST, LeCun" in text and "n = 10000" in text
        assert page.locator("#learned img").evaluate("e => e.naturalWidth") > 100


def test_directions_are_followed_and_named(page, subtests):
    said = "#directions-stage output"

    with subtests.test("single numbers of a code are reached page by page"):
        turn_to_view(page, VIEWS, "directions")
        page.locator("#directions-kind label", has_text="single numbers").click()
        page.wait_for_selector("#directions-strip button[data-pick^='dimension 1:']")
        idle(page)
        press(page, "#directions-on")
        page.wait_for_selector("#directions-strip button[data-pick^='dimension 7:']")
        for _ in range(2):  # back, and then there is nothing before
            press(page, "#directions-back")
            page.wait_for_selector("#directions-strip button[data-pick^='dimension 1:']")

    with subtests.test("a slider moves along a direction and what is found can be named"):
        page.locator("#directions-kind label", has_text="largest effect").click()
        page.wait_for_selector("#directions-strip button[data-pick^='effect 1:']")
        idle(page)
        before = shown(page, "#directions-stage img")
        assert key(page, "#direction-1", "End") == 3 and shown(page, "#directions-stage img") != before
        assert "effect 2 +3.00" in page.locator(said).inner_text()
        press(page, "#directions-strip button[data-pick='effect 1:-2']")
        assert "effect 1 −2.00" in page.locator(said).inner_text()
        assert recipe_of(page, "#directions-stage")["by"] == {"effect 2": 3.0, "effect 1": -2.0}

        page.locator("#own-name input, #own-name textarea").first.fill("grin")
        press(page, "#own-save")
        page.wait_for_selector("#own-list .chip:has-text('grin')")
        before = shown(page, "#directions-stage img")
        assert key(page, "#own-amount", "Home") == -3 and shown(page, "#directions-stage img") != before
        assert "effect 1 +6.00" in page.locator(said).inner_text()

        go(page)
        page.wait_for_selector("#own-list .chip:has-text('grin')")  # its view was in front, and is again
        press(page, "#own-list [data-pick='remove:grin']")
        page.wait_for_selector("#own-list .empty")


def test_pictures_are_searched_for_and_walks_saved(page, subtests):
    with subtests.test("the walk is saved as a film"):
        press(page, "#walk button")
        for suffix in ("webp", "mp4"):
            page.locator(f"#walk-{suffix}").click()
            page.wait_for_selector(f"#walk-file:has-text('{suffix.upper()}')")
            idle(page)
            film = download(page, "#walk-file")
            assert film.suggested_filename.endswith(f"-walk.{suffix}")
            assert film.path().stat().st_size > 10_000

    with subtests.test("a model that is chosen while another view opens is shown there"):
        # The choice and the turn were two events at once, and the later view kept the earlier model.
        choose(page, "vae_avatars")
        turn_to_view(page, VIEWS, "plane")
        page.locator("#views > .tab-wrapper [role=tab]", has_text="Between two").first.click()
        page.locator("#models .card", has_text="DCGAN").click()
        end = time.monotonic() + 60
        while recipe_of(page, "#stage")["system"] != "dcgan_avatars":
            assert time.monotonic() < end, "the view kept the earlier model"
        idle(page)

    with subtests.test("a model without an encoder searches and can be stopped"):
        choose(page, "dcgan_avatars")
        face = np.full((64, 64, 3), 255, np.uint8)
        face[12:52, 18:46] = (200, 150, 120)
        drop(page, "#from", png(face))
        page.wait_for_selector("#from progress")
        page.locator("#from-stop").click()
        page.wait_for_selector("#from progress", state="detached")
        idle(page)
        assert page.locator("#from .pair figure").count() == 3, "the picture, what was found, and what cannot be said"
        assert 0 < float(page.locator("#from output").inner_text()) < 1
        assert page.locator("#from-stop").is_hidden()
