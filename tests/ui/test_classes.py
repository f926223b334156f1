"""The Classes tab in a real browser: picking, what lies between, the board, a set as a zip, whether it helps."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.ui.page import (
    JOURNEY,
    choose,
    download,
    drop,
    idle,
    option,
    png,
    press,
    recipe_of,
    saved,
    shown,
    turn_to_tab,
    turn_to_view,
)  # fmt: skip

pytestmark = JOURNEY
GRID, MODELS, VIEWS = "#class-grid img", "#classes-models", "#classes-views"
LABELS = [str(digit) for digit in range(10)]


@pytest.fixture
def tab(page):
    turn_to_tab(page, "classes")
    choose(page, "cgan_mnist", MODELS)
    return page


def test_classes_are_picked(tab, subtests):
    with subtests.test("every class of one seed stands in a column and a picture opens"):
        assert tab.locator(GRID).count() == 80
        before = shown(tab, "#class-subject img")
        press(tab, "#class-grid [data-pick='7,2']")
        assert shown(tab, "#class-subject img") != before
        made = recipe_of(tab, "#class-subject")
        assert made["verb"] == "sample" and made["seed"] == 2 and made["controls"]["label"] == "7"
        assert shown(tab, "#class-grid [data-pick='7,2'] img").partition(",")[0] == "data:image/png;base64"

    with subtests.test("a picture of ours comes back here"):
        picture = saved(tab, "#class-subject .download")
        press(tab, "#class-grid [data-pick='0,0']")
        turn_to_tab(tab, "latent")
        drop(tab, ".masthead", picture)
        tab.wait_for_selector("#class-subject >> text=7, seed 2")
        idle(tab)

    with subtests.test("classes are searched for and more are drawn"):
        choose(tab, "cgan_mnist", MODELS)
        for left in range(9, 0, -1):
            tab.locator("#class-labels .token-remove").first.click()
            tab.wait_for_function("n => document.querySelectorAll('#class-grid img').length === 8 * n", arg=left)
            idle(tab)
        tab.locator("#class-labels input").fill("4")
        tab.locator("[role=option]", has_text="4").first.click()
        tab.wait_for_function("document.querySelectorAll('#class-grid img').length === 16")
        idle(tab)
        before = shown(tab, GRID)
        tab.keyboard.press("Escape")
        press(tab, "#class-draw ~ .dice, .mixing .dice >> visible=true")
        assert shown(tab, GRID) != before

    with subtests.test("a denoiser is asked first and shows how its pictures come about"):
        choose(tab, "ddpm_mnist", MODELS)
        assert tab.locator(GRID).count() == 0 and "press Run" in tab.locator("#class-grid").inner_text()
        tab.evaluate("""window.seen = new Set();
            new MutationObserver(() => seen.add(document.querySelector('#class-grid img')?.src)).observe(
                document.querySelector('#class-grid'), {childList: true, subtree: true, attributes: true});""")
        tab.locator("#class-draw").click()
        tab.wait_for_selector("#class-subject img", timeout=120_000)
        assert tab.evaluate("seen.size") > 3, "its pictures are seen as they come about"
        idle(tab)
        assert tab.locator(GRID).count() == 80

    with subtests.test("a stranger's picture is told where to go"):
        drop(tab, ".masthead", png(np.zeros((20, 20, 3), np.uint8)))
        tab.wait_for_selector("#opened >> text=Latent space")


def test_classes_are_compared_and_sent_home(tab, subtests):
    with subtests.test("a class turns into another"):
        turn_to_view(tab, VIEWS, "between-classes")
        assert tab.locator("#between-strip img").count() == 9
        before = shown(tab, "#between-stage img")
        press(tab, "#between-strip [data-pick='0']")
        assert shown(tab, "#between-stage img") != before
        made = recipe_of(tab, "#between-stage")["controls"]
        assert (made["label"], made["towards"], made["blend"]) == ("0", "9", 0.0)
        press(tab, "#between-walk button")
        press(tab, "#between-webp")
        assert Image.open(download(tab, "#between-file").path()).n_frames > 1
        choose(tab, "ddpm_mnist", MODELS)
        tab.wait_for_selector("#between-note >> text=nothing between")

    with subtests.test("the board asks every model that knows the class"):
        turn_to_view(tab, VIEWS, "board")
        option(tab, "#board-label", "7")
        tab.locator("#board-ask").click()
        tab.wait_for_function("document.querySelectorAll('#board-answers article h4').length >= 2", timeout=120_000)
        idle(tab)
        text = tab.locator("#board-answers").inner_text()
        assert all(words in text for words in ("Conditional GAN", "Diffusion", "Parameters", "%"))
        assert recipe_of(tab, "#board-answers")["controls"] == {"label": "7"}

    with subtests.test("a set comes as a zip with its classes"):
        choose(tab, "cgan_mnist", MODELS)
        turn_to_view(tab, VIEWS, "set")
        tab.locator("#set-make").click()
        tab.wait_for_selector("#set-file", timeout=120_000)
        with zipfile.ZipFile(download(tab, "#set-file").path()) as archive:
            names = archive.namelist()
        assert len(names) == 202 and {name.partition("/")[0] for name in names if "/" in name} == set(LABELS)

    with subtests.test("whether they help is tried, or said to be impossible"):
        press(tab, "#set-study button")
        tab.locator("#set-try").click()
        tab.wait_for_selector("#set-found progress, .toast-body:has-text('not on this machine')", timeout=120_000)
        if tab.locator("#set-found progress").count():
            tab.locator("#set-enough").click()
            tab.wait_for_selector("#set-found progress", state="detached")
