"""What codes keep, two codes combined, and the coefficient beta, in a real browser: by mouse, by keys, on a phone."""

from __future__ import annotations

import numpy as np
import pytest

from genstudio.ui.tabs.latent.coefficient import Coefficient
from genstudio.ui.tabs.latent.combine import Combine
from genstudio.ui.tabs.latent.keeps import Keeps
from tests.ui.page import JOURNEY, choose, drop, idle, key, png, press, recipe_of, shown, slide, turn_to_view

pytestmark = JOURNEY
VIEWS = "#views"
PHONE = {"locale": "fr-FR", "viewport": {"width": 400, "height": 800}, "has_touch": True}


def error(page, selector: str) -> str:
    return page.locator(f"{selector} output").first.inner_text()


def bar() -> bytes:
    """A thick dark stroke on white."""
    picture = np.full((56, 56), 255, np.uint8)
    picture[10:46, 24:33] = 0
    return png(picture)


def test_what_a_code_keeps(page, subtests):
    with subtests.test("one picture through the auto-encoders that are here"):
        turn_to_view(page, VIEWS, "keeps")
        page.wait_for_selector("#keeps-table [data-pick=ae_mnist] img")
        press(page, "#keeps-table [data-pick=ae_mnist]")
        assert page.locator("#keeps-units .switches button").count() == 16

    with subtests.test("a unit is switched off by a key, and on again"):
        first = page.locator("#keeps-units .switches button").first
        before, picture = error(page, "#keeps-units"), shown(page, "#keeps-units .frame img")
        first.focus()
        page.keyboard.press("Enter")
        idle(page)
        assert page.locator("#keeps-units .switches [aria-pressed=false]").count() == 1
        assert error(page, "#keeps-units") != before and shown(page, "#keeps-units .frame img") != picture
        press(page, "#keeps-units .all")
        assert error(page, "#keeps-units") == before and not page.locator("#keeps-units [aria-pressed=false]").count()
        assert recipe_of(page, "#keeps-units")["verb"] == "decode"

    with subtests.test("corrupted input: its picture changes, and the error to the clean one grows"):
        clean, before = shown(page, "#keeps-picture img"), float(error(page, "#keeps-table [data-pick=ae_mnist]"))
        page.locator("#keeps-corruption label", has_text="Gaussian").click()
        page.wait_for_selector("#keeps-amount input[type=range]")
        idle(page)
        slide(page, "#keeps-amount", 0.5)
        assert shown(page, "#keeps-picture img") != clean
        assert float(error(page, "#keeps-table [data-pick=ae_mnist]")) > before
        page.locator("#keeps-corruption label", has_text="clean").click()
        idle(page)
        assert shown(page, "#keeps-picture img") == clean

    with subtests.test("sliders of k and rho"):
        for slider, model in (("#keeps-active", "ae_topk_mnist"), ("#keeps-rho", "ae_kl_sparse_mnist")):
            before = {name: shown(page, f"#keeps-table [data-pick={name}] img") for name in ("ae_mnist", model)}
            assert key(page, slider, "End") > key(page, slider, "ArrowLeft")
            assert shown(page, f"#keeps-table [data-pick={model}] img") != before[model]
            assert shown(page, "#keeps-table [data-pick=ae_mnist] img") == before["ae_mnist"]

    with subtests.test("a visitor's picture is dropped"):
        before = shown(page, "#keeps-picture img")
        drop(page, "#keeps-picture", bar())
        page.wait_for_function("b => document.querySelector('#keeps-picture img')?.src !== b", arg=before)
        idle(page)
        assert page.locator("#keeps-picture-seed input").input_value() == ""
        press(page, "#keeps-picture-roll")
        assert page.locator("#keeps-picture-seed input").input_value() != ""


def test_two_codes_are_combined_and_beta_moves(page, subtests):
    with subtests.test("averaged, spliced and subtracted"):
        choose(page, "ae_mnist")
        turn_to_view(page, VIEWS, "combine")
        page.wait_for_selector("#combine-stage .spliced img")
        before = {name: shown(page, f"#combine-stage .{name} img") for name in ("averaged", "spliced", "subtracted")}
        assert key(page, "#combine-cut", "End") == 1
        changed = [name for name in before if shown(page, f"#combine-stage .{name} img") != before[name]]
        assert changed == ["spliced"], "the cut is of the spliced one alone"
        assert "16 numbers of the first, 0 of the second" in page.locator("#combine-stage .spliced").inner_text()
        assert recipe_of(page, "#combine-stage .averaged")["verb"] == "decode"

    with subtests.test("a picture of one's own is an end"):
        before = shown(page, "#combine-stage .averaged img")
        drop(page, "#combine-from", bar())
        page.wait_for_selector("#combine-from .pair img")
        idle(page)
        assert shown(page, "#combine-stage .averaged img") != before

    with subtests.test("beta moves reconstruction and samples"):
        turn_to_view(page, VIEWS, "beta")
        page.wait_for_selector("#beta-stage img")
        before = [shown(page, f"#beta-stage figure:nth-child({i}) img") for i in (1, 2)]
        assert key(page, "#beta-beta", "End") == 10
        after = [shown(page, f"#beta-stage figure:nth-child({i}) img") for i in (1, 2)]
        assert before[0] != after[0] and before[1] != after[1]


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_codes_on_a_phone_in_french(page, subtests):
    for view, words in ((Keeps, "convolutif"), (Combine, "Raccord"), (Coefficient, "reconstruction + β KL")):
        with subtests.test("no sideways scrolling", view=view.key):
            turn_to_view(page, VIEWS, view.key, view.title)
            page.wait_for_selector(f"[id^={view.key}-] img")
            idle(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= 400
            assert words in page.locator("body").inner_text()
