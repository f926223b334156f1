"""The Diffusion tab in a real browser: a run is watched, looked through, left for another end, stopped, and started
from a picture."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from PIL import Image

from genstudio import catalog
from genstudio.images import read_recipe
from genstudio.ui.tabs.diffusion.session import REMEMBERED
from tests.ui.page import (
    JOURNEY,
    choose,
    download,
    drag,
    drop,
    go,
    idle,
    opened,
    option,
    png,
    press,
    recipe_of,
    saved,
    send,
    shown,
    slide,
    toast,
    turn_to_tab,
    turn_to_view,
)  # fmt: skip

pytestmark = JOURNEY
GUESS, MODELS, VIEWS = "#lanes .x_0 img", "#denoisers", "#diffusion-views"
DIGIT = np.full((40, 40, 3), 255, np.uint8)
DIGIT[8:32, 18:23] = 0  # a one, in ink on paper


@pytest.fixture
def tab(page):
    """The tab, turned to, on the finished run that it opens with, of digits."""
    if "ddpm_mnist" not in catalog.available():
        pytest.skip("no weights of ddpm_mnist are here")
    turn_to_tab(page, "diffusion")
    assert runs(page) == 1
    if page.locator(f"{MODELS} .card[aria-pressed=true]").get_attribute("data-pick") != "ddpm_mnist":
        choose(page, "ddpm_mnist", MODELS)
        assert runs(page) == 2
    return page


def runs(page) -> int:
    """Those that can be looked through, when none is under way."""
    page.wait_for_selector("#run-stop", state="hidden")
    return page.locator("#runs [data-pick]").count()


def step(page, number: int) -> None:
    slide(page, "#scrub", number)
    page.wait_for_selector(f"#lanes .stage[data-step='{number}']")
    idle(page)


def test_a_run_is_looked_through_left_and_kept(tab, server, subtests):
    with subtests.test("a finished run is looked through without computing it again"):
        last = shown(tab, GUESS)
        assert tab.locator("#lanes figure").count() == 3 and tab.locator("#run-strip img").count() == 18
        step(tab, 0)
        assert "t = 999" in tab.locator("#stand").inner_text()
        seen = {shown(tab, GUESS)}
        for number in (5, 10, 15):
            step(tab, number)
            seen.add(shown(tab, GUESS))
        assert len(seen) == 4 and last not in seen, "the guess changes from step to step"
        step(tab, 20)
        assert "no noise is left" in tab.locator("#stand").inner_text()
        made = recipe_of(tab, "#lanes")
        assert made["verb"] == "sample" and made["controls"]["steps"] == 20

    with subtests.test("the film and the strip of a run are saved"):
        press(tab, "#run-save button")
        for suffix, kind in (("png", "PNG"), ("webp", "WEBP")):
            tab.locator(f"#run-{suffix}").click()
            tab.wait_for_selector(f"#run-file:has-text('{kind}')")
            idle(tab)
            with Image.open(download(tab, "#run-file").path()) as film:
                assert film.format == kind
                assert film.size[0] >= 9 * 28 if suffix == "png" else film.n_frames >= 20

    with subtests.test("a run is left for another class and both are kept"):
        count, before = runs(tab), shown(tab, GUESS)
        step(tab, 4)
        early = shown(tab, "#lanes .x_t img")
        option(tab, "#branch-label", "8")
        press(tab, "#branch-go")
        assert runs(tab) == count + 1 and shown(tab, GUESS) != before
        [branch] = recipe_of(tab, "#lanes")["branches"]
        assert branch["at"] == 4 and branch["controls"]["label"] == "8" and branch["controls"]["steps"] == 16
        step(tab, 4)
        assert shown(tab, "#lanes .x_t img") == early, "up to there it is the same run"
        press(tab, "#runs [data-pick] >> nth=1")
        assert shown(tab, GUESS) == before

    with subtests.test("samplers stand side by side and are chosen by a click"):
        turn_to_view(tab, VIEWS, "compare")
        press(tab, "#grid-run")
        assert tab.locator("#sampler-grid button").count() == 15
        press(tab, "#sampler-grid button[data-pick='ddim 5']")
        tab.wait_for_selector("#run-progress:has-text('5 steps in')")
        made = recipe_of(tab, "#lanes")
        assert made["controls"]["sampler"] == "ddim" and made["controls"]["steps"] == 5

    with subtests.test("the two schedules are drawn as curves and as pictures"):
        turn_to_view(tab, VIEWS, "schedules")
        assert tab.locator("#plan-strip img").count() == 18 and tab.locator("#plans svg").count() == 2
        before = shown(tab, "#plans .linear img")
        press(tab, "#plan-strip button")
        assert shown(tab, "#plans .linear img") != before

    with subtests.test("a saved run comes back from its picture and from its link"):
        turn_to_view(tab, VIEWS, "watch")
        choose(tab, "ddpm_mnist", MODELS)
        step(tab, 6)
        count = runs(tab)
        press(tab, "#branch-go")
        assert runs(tab) == count + 1
        body = saved(tab, "#lanes .download")
        press(tab, "#run-share button")
        query = tab.locator("#run-link .link").get_attribute("data-query")
        press(tab, "#run-roll, #run-dice")
        assert runs(tab) == count + 2 and opened(saved(tab, "#lanes .download")).tobytes() != opened(body).tobytes()
        drop(tab, ".masthead", body)
        for way in ("drop", "link"):
            if way == "link":
                go(tab, f"{server}?{query}")
            tab.wait_for_selector("#opened .found:not(:has(progress))")
            idle(tab)
            said = tab.locator("#opened").inner_text()
            assert "the same weights" in said or "bit for bit" in said
            assert runs(tab) and opened(saved(tab, "#lanes .download")).tobytes() == opened(body).tobytes()


def test_a_reload_comes_back_to_the_tab_and_its_scene(tab):
    tab.locator("#run-seed input").fill("77")
    tab.keyboard.press("Tab")
    idle(tab)
    made, count = recipe_of(tab, "#lanes"), runs(tab)
    assert made["seed"] == 77 and count >= 2
    before = tab.locator("#runs img").nth(1).get_attribute("src")
    go(tab)
    assert tab.locator("#tabs > .tab-wrapper button[role=tab][aria-selected=true]").get_attribute("data-tab-id") == "diffusion"
    tab.wait_for_selector("#lanes .download")
    idle(tab)
    assert recipe_of(tab, "#lanes") == made and tab.locator("#run-seed input").input_value() == "77"
    # The results of before are in the history, and the run of one can be watched again.
    assert runs(tab) == min(count, REMEMBERED) and tab.locator("#runs img").nth(1).get_attribute("src") == before
    tab.locator("#runs button").nth(1).click()
    idle(tab)
    assert saved(tab, "#lanes .download") == base64.b64decode(before.partition(",")[2])
    assert runs(tab) == min(count, REMEMBERED)


def test_a_run_is_stopped_and_starts_from_a_picture(tab, subtests):
    with subtests.test("a run that is stopped keeps what there is"):
        # A run of digits may be over before the page shows its third step.
        name = "ddpm_avatars" if "ddpm_avatars" in catalog.available() else "ddpm_mnist"
        choose(tab, name, MODELS)
        count = runs(tab)
        slide(tab, "#diffusion-steps", 250)
        # Clicked in the page itself: on a busy machine the run would be over before a request of ours comes through.
        tab.wait_for_function("""() => {
          const stop = document.querySelector('#run-stop'), progress = document.querySelector('#run-progress');
          const begun = progress.innerText.includes('of 250');  // until then the stage shows the run before
          if (!begun || !stop || +document.querySelector('#lanes .stage').dataset.step < 3) return false;
          stop.click();
          return true;
        }""")
        tab.wait_for_selector("#run-progress:has-text('Stopped at step')")
        idle(tab)
        assert runs(tab) == count + 1
        assert 3 <= int(tab.locator("#scrub input[type=range]").get_attribute("max")) < 250
        slide(tab, "#scrub", 1)  # of a run that went far not all steps are kept
        tab.wait_for_function("+document.querySelector('#lanes .stage').dataset.step <= 3")
        idle(tab)
        press(tab, "#branch-go")
        tab.wait_for_selector("#run-progress:has-text('250 steps in')")

    with subtests.test("a broken picture gets its sentence and the run stays"):
        choose(tab, "ddpm_mnist", MODELS)
        count = runs(tab)
        press(tab, "#begin label >> nth=1")
        assert runs(tab) == count + 1
        before, made = shown(tab, GUESS), recipe_of(tab, "#lanes")
        send(tab, "photo-upload", ("broken.png", png(DIGIT)[:60]))
        assert toast(tab, "roken") == "Truncated or broken"
        idle(tab)
        assert shown(tab, GUESS) == before and runs(tab) == count + 1 and recipe_of(tab, "#lanes") == made

    with subtests.test("a picture is noised, comes back, and stays outside of what is painted"):
        count = runs(tab)
        drop(tab, ".masthead", png(DIGIT))
        tab.wait_for_selector("#photo h3:has-text('Your picture')")
        idle(tab)
        assert runs(tab) == count + 1
        slide(tab, "#img2img-strength", 0.8)
        idle(tab)
        assert runs(tab) == count + 2
        press(tab, "#paint button")
        drag(tab, "#mask canvas", [(0.2, 0.2), (0.5, 0.2), (0.8, 0.2)])
        assert runs(tab) >= count + 3
        made = opened(saved(tab, "#lanes .download"))
        recipe = read_recipe(made)
        assert recipe["verb"] == "img2img" and recipe["mask"]
        low = np.asarray(made.convert("L"), int)[16:]
        given = np.asarray(Image.fromarray(255 - DIGIT[..., 0]).resize((28, 28), Image.Resampling.LANCZOS), int)[16:]
        assert np.abs(low - given).max() <= 1, "below the paint nothing changes"

    with subtests.test("a saved inpainting comes back with its mask, once its picture is there"):
        body = saved(tab, "#lanes .download")
        go(tab)
        turn_to_tab(tab, "diffusion")
        idle(tab)
        drop(tab, ".masthead", body)
        tab.wait_for_selector("#opened .found:has-text('does not hold the picture')")
        idle(tab)
        drop(tab, ".masthead", png(DIGIT))
        tab.wait_for_selector("#photo h3:has-text('Your picture')")
        idle(tab)
        assert recipe_of(tab, "#lanes")["mask"] == recipe["mask"]
        assert opened(saved(tab, "#lanes .download")).tobytes() == made.tobytes()
