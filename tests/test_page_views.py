"""The views of the Latent space tab in a real browser: planes, directions, maps, films, and pictures that are searched for."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from genstudio.images import read_recipe
from tests.test_page import choose, drop, go, png, shown, wait_for_change

pytestmark = pytest.mark.browser


def turn_to(page, view: str, waits_for: str) -> None:
    """A view's tab, which a narrow page keeps in its menu."""
    page.locator("#views > .tab-wrapper [role=tab]", has_text=view).first.click()
    page.wait_for_selector(waits_for)


def recipe_of(page, stage: str) -> dict:
    with page.expect_download() as waiting:
        page.locator(f"{stage} .download").first.click()
    return read_recipe(Image.open(io.BytesIO(waiting.value.path().read_bytes())))


def drag(page, selector: str, start: tuple[float, float], end: tuple[float, float], seen) -> None:
    """The mouse over an element, from one place in [0, 1] to another; `seen` is called at each step."""
    box = page.locator(selector).bounding_box()
    at = lambda p: (box["x"] + p[0] * box["width"], box["y"] + p[1] * box["height"])  # noqa: E731
    page.mouse.move(*at(start))
    page.mouse.down()
    for i in range(20):
        page.mouse.move(*at(tuple(a + (b - a) * (i + 1) / 20 for a, b in zip(start, end, strict=True))))
        page.wait_for_timeout(30)
        seen()
    page.mouse.up()


def test_plane_follows_mouse_and_arrow_keys(page):
    turn_to(page, "Between four", "#plane-stage img")
    pictures = set()
    page.locator("#plane-field").scroll_into_view_if_needed()
    drag(page, "#plane-field .field", (0.1, 0.1), (0.7, 0.4), lambda: pictures.add(shown(page, "#plane-stage img")))
    assert len(pictures) >= 4, "the picture follows the drag, not only its end"
    page.wait_for_timeout(1500)
    made = recipe_of(page, "#plane-stage")
    assert made["verb"] == "plane" and made["x"] == pytest.approx(0.7, abs=0.02) and made["y"] == pytest.approx(0.4, abs=0.02)
    before = shown(page, "#plane-stage img")
    page.locator("#plane-field .field").focus()
    page.keyboard.press("ArrowDown")
    wait_for_change(page, before, "#plane-stage img")
    page.wait_for_timeout(1000)
    assert recipe_of(page, "#plane-stage")["y"] == pytest.approx(made["y"] + 0.02, abs=1e-6)


def test_a_picture_of_the_plane_dropped_back_restores_all_four_corners(page):
    turn_to(page, "Between four", "#plane-stage img")
    before = shown(page, "#plane-field img")
    page.locator(".corners .dice").click()
    wait_for_change(page, before, "#plane-field img")
    page.wait_for_timeout(500)
    with page.expect_download() as waiting:
        page.locator("#plane-stage .download").click()
    picture = waiting.value.path().read_bytes()
    seeds = [page.locator(f"#plane-{corner}-seed input").input_value() for corner in ("nw", "ne", "sw", "se")]
    turn_to(page, "Between two", "#strip img")
    choose(page, "vae_mnist")
    drop(page, ".masthead", picture)
    page.wait_for_function("s => document.querySelector('#plane-nw-seed input')?.value === s", arg=seeds[0])
    assert [page.locator(f"#plane-{corner}-seed input").input_value() for corner in ("nw", "ne", "sw", "se")] == seeds


def test_a_slider_moves_along_a_direction_and_what_is_found_can_be_named(page):
    turn_to(page, "Directions", "#directions-strip img")
    before = shown(page, "#directions-stage img")
    page.locator("#direction-1 input[type=range]").focus()
    page.keyboard.press("End")
    wait_for_change(page, before, "#directions-stage img")
    page.wait_for_function("document.querySelector('#directions-stage output').innerText.includes('effect 2 +3.00')")
    page.locator("#directions-strip button[data-pick='effect 1:-2']").click()
    page.wait_for_function("document.querySelector('#directions-stage output').innerText.includes('effect 1 -2.00')")
    assert recipe_of(page, "#directions-stage")["by"] == {"effect 2": 3.0, "effect 1": -2.0}

    page.locator("#own-name input, #own-name textarea").first.fill("grin")
    page.locator("#own-save").click()
    page.wait_for_selector("#own-list .chip:has-text('grin')")
    moved = shown(page, "#directions-stage img")
    page.locator("#own-amount input[type=range]").focus()
    page.keyboard.press("Home")
    wait_for_change(page, moved, "#directions-stage img")
    page.wait_for_function("document.querySelector('#directions-stage output').innerText.includes('effect 1 +6.00')")

    go(page)
    page.wait_for_selector("#own-list .chip:has-text('grin')")  # its view was in front, and is again
    page.locator("#own-list [data-pick='remove:grin']").click()
    page.wait_for_selector("#own-list .empty")


def test_single_numbers_of_a_code_are_reached_page_by_page(page):
    turn_to(page, "Directions", "#directions-strip img")
    page.locator("#directions-kind label", has_text="single numbers").click()
    page.wait_for_selector("#directions-strip button[data-pick^='dimension 1:']")
    page.locator("#directions-on").click()
    page.wait_for_selector("#directions-strip button[data-pick^='dimension 7:']")
    for _ in range(2):  # back, and then there is nothing before
        page.locator("#directions-back").click()
        page.wait_for_timeout(800)
    page.wait_for_selector("#directions-strip button[data-pick^='dimension 1:']")


def test_the_map_shows_the_digit_under_the_mouse(page):
    turn_to(page, "Map", "#map-vae2d_mnist .scatter")
    pictures = set()
    page.locator("#map-vae2d_mnist").scroll_into_view_if_needed()
    drag(page, "#map-vae2d_mnist .field", (0.2, 0.2), (0.8, 0.8), lambda: pictures.add(shown(page, "#map-stage-vae2d_mnist img")))
    assert len(pictures) >= 4
    page.wait_for_timeout(1500)
    assert recipe_of(page, "#map-stage-vae2d_mnist")["verb"] == "decode"
    assert page.locator("#map-random-ae2d_mnist img, #map-random-vae2d_mnist img").count() == 2, "random codes of both"
    before = shown(page, "#map-random-ae2d_mnist img")
    page.locator("#map-dice").click()
    wait_for_change(page, before, "#map-random-ae2d_mnist img")
    page.locator("#map-sheet input").check()
    page.wait_for_selector("#map-vae2d_mnist .field img")


def test_how_a_model_learned_is_told_with_its_scores(page):
    choose(page, "vae_mnist")
    turn_to(page, "How it learned", "#learned table")
    text = page.locator("#learned").inner_text()
    assert "python -m genstudio train vae_mnist" in text and "MNIST, LeCun" in text and "n = 10000" in text
    assert page.locator("#learned img").evaluate("e => e.naturalWidth") > 100


def test_a_model_without_an_encoder_searches_and_can_be_stopped(page):
    choose(page, "dcgan_avatars")
    face = np.full((64, 64, 3), 255, np.uint8)
    face[12:52, 18:46] = (200, 150, 120)
    drop(page, "#from", png(face))
    page.wait_for_selector("#from progress")
    page.locator("#from-stop").click()
    page.wait_for_selector("#from progress", state="detached")
    assert page.locator("#from .pair figure").count() == 3, "the picture, what was found, and what cannot be said"
    assert 0 < float(page.locator("#from output").inner_text()) < 1
    assert page.locator("#from-stop").is_hidden()


def test_the_walk_is_saved_as_a_film(page, tmp_path):
    page.locator("#walk button").first.click()
    for suffix in ("webp", "mp4"):
        page.locator(f"#walk-{suffix}").click()
        page.wait_for_selector(f"#walk-file:has-text('{suffix.upper()}')")
        with page.expect_download() as waiting:
            page.locator("#walk-file").click()
        assert waiting.value.suggested_filename.endswith(f"-walk.{suffix}")
        assert waiting.value.path().stat().st_size > 10_000


def test_a_model_chosen_while_another_view_opens_is_shown_there(page):
    """The choice and the turn were two events at once, and the later view kept the earlier model."""
    turn_to(page, "Between four", "#plane-stage img")
    page.locator("#views > .tab-wrapper [role=tab]", has_text="Between two").first.click()
    page.locator("#models .card", has_text="DCGAN").click()
    end = time.monotonic() + 60
    while recipe_of(page, "#stage")["system"] != "dcgan_avatars":
        assert time.monotonic() < end, "the view kept the earlier model"
        page.wait_for_timeout(500)


@pytest.mark.parametrize("page", [{"viewport": {"width": 400, "height": 800}}], indirect=True)
@pytest.mark.parametrize(("view", "waits_for"), [("Between four", "#plane-stage img"), ("Directions", "#directions-strip img")])
def test_views_need_no_sideways_scrolling_on_a_phone(page, view, waits_for):
    turn_to(page, view, waits_for)
    assert page.evaluate("document.documentElement.scrollWidth <= 400")


@pytest.mark.parametrize("page", [{"locale": "fr-FR"}], indirect=True)
def test_views_speak_french(page):
    turn_to(page, "Directions", "#directions-strip img")
    text = page.locator("body").inner_text()
    for words in ("Entre quatre", "plus grand effet", "Tout à zéro", "Aucune direction nommée", "Calcul en"):
        assert words in text
    assert "None named" not in text
