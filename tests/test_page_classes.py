"""The Classes tab in a real browser: picking, what lies between, the board, a set as a zip, whether it helps."""

from __future__ import annotations

import zipfile

import pytest
from PIL import Image

from tests.test_page import drop, png, shown, turn_to_tab, wait_for_change
from tests.test_page_views import recipe_of

pytestmark = pytest.mark.browser

GRID = "#class-grid img"


@pytest.fixture
def tab(page):
    turn_to_tab(page, "classes")
    page.wait_for_selector("#classes-models .card")
    choose(page, "cgan_mnist")
    return page


def choose(page, name: str) -> None:
    page.locator(f"#classes-models .card[data-pick='{name}']").click()
    page.wait_for_selector(f"#classes-models .card[data-pick='{name}'][aria-pressed=true]")
    page.wait_for_timeout(1500)


def view(page, number: int) -> None:
    page.locator("#classes-views > .tab-wrapper button[role=tab]").nth(number).click()
    page.wait_for_timeout(1500)


def test_every_class_of_one_seed_stands_in_a_column_and_a_picture_opens(tab):
    assert tab.locator(GRID).count() == 80
    before = shown(tab, "#class-subject img")
    tab.locator("#class-grid [data-pick='7,2']").click()
    wait_for_change(tab, before, "#class-subject img")
    made = recipe_of(tab, "#class-subject")
    assert made["verb"] == "sample" and made["seed"] == 2 and made["controls"]["label"] == "7"
    assert shown(tab, "#class-grid [data-pick='7,2'] img").partition(",")[0] == "data:image/png;base64"


def test_classes_are_searched_for_and_more_are_drawn(tab):
    for _ in range(9):
        tab.locator("#class-labels .token-remove").first.click()
        tab.wait_for_timeout(300)
    tab.wait_for_function("document.querySelectorAll('#class-grid img').length === 8")
    tab.locator("#class-labels input").fill("4")
    tab.locator("[role=option]", has_text="4").first.click()
    tab.wait_for_function("document.querySelectorAll('#class-grid img').length === 16")
    before = shown(tab, GRID)
    tab.keyboard.press("Escape")
    tab.locator("#class-draw ~ .dice, .mixing .dice >> visible=true").first.click()
    wait_for_change(tab, before, GRID)


def test_a_denoiser_is_asked_first_and_shows_how_its_pictures_come_about(tab):
    choose(tab, "ddpm_mnist")
    assert tab.locator(GRID).count() == 0 and "press Draw" in tab.locator("#class-grid").inner_text()
    tab.evaluate("""window.seen = new Set();
        new MutationObserver(() => seen.add(document.querySelector('#class-grid img')?.src)).observe(
            document.querySelector('#class-grid'), {childList: true, subtree: true, attributes: true});""")
    tab.locator("#class-draw").click()
    tab.wait_for_selector("#class-subject img", timeout=120_000)
    assert tab.evaluate("seen.size") > 3, "its pictures are seen as they come about"
    assert tab.locator(GRID).count() == 80


def test_a_class_turns_into_another(tab):
    view(tab, 1)
    tab.wait_for_selector("#between-strip img")
    assert tab.locator("#between-strip img").count() == 9
    before = shown(tab, "#between-stage img")
    tab.locator("#between-strip [data-pick='0']").click()
    wait_for_change(tab, before, "#between-stage img")
    made = recipe_of(tab, "#between-stage")["controls"]
    assert (made["label"], made["towards"], made["blend"]) == ("0", "9", 0.0)
    tab.locator("#between-walk button").first.click()
    tab.locator("#between-webp").click()
    with tab.expect_download() as waiting:
        tab.locator("#between-file").click()
    assert Image.open(waiting.value.path()).n_frames > 1
    choose(tab, "ddpm_mnist")
    tab.wait_for_selector("#between-note >> text=nothing between")


def test_the_board_asks_every_model_that_knows_the_class(tab):
    view(tab, 2)
    tab.locator("#board-label input").click()
    tab.locator("[role=option]", has_text="7").first.click()
    tab.locator("#board-ask").click()
    tab.wait_for_function("document.querySelectorAll('#board-answers article h4').length >= 2", timeout=120_000)
    told = tab.locator("#board-answers").inner_text()
    assert "Conditional GAN" in told and "Diffusion" in told and "Parameters" in told and "%" in told
    assert recipe_of(tab, "#board-answers")["controls"] == {"label": "7"}


def test_a_set_comes_as_a_zip_with_its_classes(tab):
    view(tab, 3)
    tab.locator("#set-make").click()
    tab.wait_for_selector("#set-file", timeout=120_000)
    with tab.expect_download() as waiting:
        tab.locator("#set-file").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        names = archive.namelist()
    assert len(names) == 202 and {name.partition("/")[0] for name in names if "/" in name} == set("0123456789")


def test_whether_they_help_is_tried_or_said_to_be_impossible(tab):
    view(tab, 3)
    tab.locator("#set-study button").first.click()
    tab.locator("#set-try").click()
    tab.wait_for_selector("#set-found progress, .toast-body", timeout=120_000)
    if tab.locator(".toast-body").count():
        assert "not on this machine" in tab.locator(".toast-body").first.inner_text()
        return
    tab.locator("#set-enough").click()
    tab.wait_for_selector("#set-found progress", state="detached")


def test_a_picture_of_ours_comes_back_here(tab):
    tab.locator("#class-grid [data-pick='7,2']").click()
    tab.wait_for_selector("#class-subject >> text=7, seed 2")
    with tab.expect_download() as waiting:
        tab.locator("#class-subject .download").click()
    turn_to_tab(tab, "latent")
    drop(tab, ".masthead", waiting.value.path().read_bytes())
    tab.wait_for_selector("#class-subject >> text=7, seed 2")


def test_a_strangers_picture_is_told_where_to_go(tab):
    import numpy as np

    drop(tab, ".masthead", png(np.zeros((20, 20, 3), np.uint8)))
    tab.wait_for_selector("#opened >> text=Latent space")


@pytest.mark.parametrize("page", [{"viewport": {"width": 400, "height": 800}}], indirect=True)
def test_on_a_telephone_it_fits(page):
    turn_to_tab(page, "classes")
    page.wait_for_selector("#classes-models .card")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
