"""The Diffusion tab in a real browser: a run is watched, looked through, left for another end, stopped, and begun with a picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from genstudio import checkpoint
from genstudio.images import read_recipe
from tests.test_page import drop, png, turn_to_tab
from tests.test_page_translate import saved, sent

pytestmark = pytest.mark.browser
GUESS = "#lanes .guess img"
DIGIT = np.full((40, 40, 3), 255, np.uint8)
DIGIT[8:32, 18:23] = 0  # a one, in ink on paper


@pytest.fixture
def tab(page):
    """The tab, turned to, on the finished run that it opens with, of digits."""
    if "ddpm_mnist" not in checkpoint.available():
        pytest.skip("no weights of ddpm_mnist are here")
    turn_to_tab(page, "diffusion")
    finished(page)
    if page.locator("#denoisers .card[aria-pressed=true]").get_attribute("data-pick") != "ddpm_mnist":
        page.locator("#denoisers .card[data-pick=ddpm_mnist]").click()
        page.wait_for_selector("#denoisers .card[aria-pressed=true][data-pick=ddpm_mnist]")
        page.wait_for_function("document.querySelectorAll('#runs button').length === 2")
    return page


def finished(page, count: int = 1) -> None:
    """That many runs are there, and none is under way."""
    page.wait_for_function("n => document.querySelectorAll('#runs button').length >= n", arg=count)
    page.wait_for_selector("#run-stop", state="hidden")


def runs(page) -> int:
    return page.locator("#runs button").count()


def shown(page) -> str:
    return page.locator(GUESS).get_attribute("src")


def set_slider(page, selector: str, value: float) -> None:
    """As a drag that ends there."""
    page.locator(f"{selector} input[type=range]").evaluate(
        """(slider, value) => {
          slider.value = value;
          slider.dispatchEvent(new Event('input', {bubbles: true}));
          slider.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
        }""",
        value,
    )


def pixels(body: bytes) -> bytes:
    return Image.open(io.BytesIO(body)).tobytes()


def step(page, number: int) -> None:
    set_slider(page, "#scrub", number)
    page.wait_for_selector(f"#lanes .stage[data-step='{number}']")


def test_a_finished_run_is_looked_through_without_computing_it_again(tab):
    last = shown(tab)
    assert tab.locator("#lanes figure").count() == 3 and tab.locator("#run-strip img").count() == 18
    step(tab, 0)
    assert "t = 999" in tab.locator("#stand").inner_text()
    seen = {shown(tab)}
    for number in (5, 10, 15):
        step(tab, number)
        seen.add(shown(tab))
    assert len(seen) == 4 and last not in seen, "the guess changes from step to step"
    step(tab, 20)
    assert "no noise is left" in tab.locator("#stand").inner_text()
    picture = Image.open(io.BytesIO(saved(tab, "#lanes .download")))
    assert read_recipe(picture)["verb"] == "sample" and read_recipe(picture)["controls"]["steps"] == 20


def test_a_run_is_left_for_another_class_and_both_are_kept(tab):
    count, before = runs(tab), shown(tab)
    step(tab, 4)
    early = tab.locator("#lanes .noised img").get_attribute("src")
    tab.locator("#branch-label input").click()
    tab.get_by_role("option", name="8", exact=True).click()
    tab.locator("#branch-go").click()
    finished(tab, count + 1)
    assert shown(tab) != before
    recipe = read_recipe(Image.open(io.BytesIO(saved(tab, "#lanes .download"))))
    [branch] = recipe["branches"]
    assert branch["at"] == 4 and branch["controls"]["label"] == "8" and branch["controls"]["steps"] == 16
    step(tab, 4)
    assert tab.locator("#lanes .noised img").get_attribute("src") == early, "up to there it is the same run"
    tab.locator("#runs button").nth(1).click()
    tab.wait_for_function("([s, b]) => document.querySelector(s).src === b", arg=[GUESS, before])


def test_a_run_that_is_stopped_keeps_what_there_is(tab):
    if "ddpm_avatars" in checkpoint.available():  # a run of digits may be over before the page shows its third step
        tab.locator("#denoisers .card[data-pick=ddpm_avatars]").click()
        tab.wait_for_selector("#denoisers .card[aria-pressed=true][data-pick=ddpm_avatars]")
        finished(tab)
        tab.wait_for_timeout(3000)
    count = runs(tab)
    set_slider(tab, "#diffusion-steps", 250)
    tab.wait_for_selector("#run-stop", state="visible")
    tab.wait_for_selector("#run-progress:has-text('of 250')")  # until then the stage shows the run before
    tab.wait_for_function("+document.querySelector('#lanes .stage').dataset.step >= 3")
    tab.locator("#run-stop").dispatch_event("click")  # at once: it moves while pictures come
    tab.wait_for_selector("#run-progress:has-text('Stopped at step')")
    finished(tab, count + 1)
    tab.wait_for_function("3 <= +document.querySelector('#scrub input[type=range]').max")
    assert int(tab.locator("#scrub input[type=range]").get_attribute("max")) < 250
    set_slider(tab, "#scrub", 1)  # of a run that went far not all steps are kept
    tab.wait_for_function("+document.querySelector('#lanes .stage').dataset.step <= 3")
    tab.locator("#branch-go").click()
    tab.wait_for_selector("#run-progress:has-text('250 steps in')")


def test_a_picture_is_noised_comes_back_and_stays_outside_of_what_is_painted(tab):
    count = runs(tab)
    drop(tab, ".masthead", png(DIGIT))
    tab.wait_for_selector("#photo h3:has-text('Your picture')")
    finished(tab, count + 1)
    set_slider(tab, "#redraw-strength", 0.8)
    finished(tab, count + 2)
    tab.locator("#paint button").first.click()
    tab.locator("#mask canvas").scroll_into_view_if_needed()
    box = tab.locator("#mask canvas").bounding_box()
    tab.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.2 * box["height"], steps=8)
    tab.mouse.up()
    finished(tab, count + 3)
    tab.wait_for_timeout(1500)  # what was painted last is sent a moment later
    finished(tab, count + 3)
    made = Image.open(io.BytesIO(saved(tab, "#lanes .download")))
    recipe = read_recipe(made)
    assert recipe["verb"] == "redraw" and recipe["mask"]
    low = np.asarray(made.convert("L"), int)[16:]
    given = np.asarray(Image.fromarray(255 - DIGIT[..., 0]).resize((28, 28), Image.Resampling.LANCZOS), int)[16:]
    assert np.abs(low - given).max() <= 1, "below the paint nothing changes"


def test_samplers_stand_side_by_side_and_are_chosen_by_a_click(tab):
    tab.locator("#diffusion-views > .tab-wrapper button[role=tab]").nth(1).click()
    tab.locator("#grid-run").click()
    tab.wait_for_function("document.querySelectorAll('#sampler-grid button').length === 15")
    tab.locator("#sampler-grid button[data-pick='ddim 5']").click()
    tab.wait_for_selector("#run-progress:has-text('5 steps in')")
    recipe = read_recipe(Image.open(io.BytesIO(saved(tab, "#lanes .download"))))
    assert recipe["controls"]["sampler"] == "ddim" and recipe["controls"]["steps"] == 5


def test_the_two_schedules_are_drawn_as_curves_and_as_pictures(tab):
    tab.locator("#diffusion-views > .tab-wrapper button[role=tab]").nth(2).click()
    tab.wait_for_selector("#plan-strip img")
    assert tab.locator("#plan-strip img").count() == 18 and tab.locator("#plans svg").count() == 2
    before = tab.locator("#plans .linear img").get_attribute("src")
    tab.locator("#plan-strip button").first.click()
    tab.wait_for_function("b => document.querySelector('#plans .linear img').src !== b", arg=before)


def test_a_saved_run_comes_back_from_its_picture_and_from_its_link(tab, server):
    step(tab, 6)
    count = runs(tab)
    tab.locator("#branch-go").click()
    finished(tab, count + 1)
    body = saved(tab, "#lanes .download")
    tab.locator("#run-share button").first.click()
    query = tab.locator("#run-link .link").get_attribute("data-query")
    for way in ("drop", "link"):
        if way == "drop":
            tab.locator("#run-roll, #run-dice").first.click()
            finished(tab, count + 2)
            drop(tab, ".masthead", body)
        else:
            tab.goto(f"{server}?{query}")
        tab.wait_for_selector("#opened .found")
        assert "the same weights" in tab.locator("#opened").inner_text() or "bit for bit" in tab.locator("#opened").inner_text()
        tab.wait_for_selector(GUESS)
        finished(tab)
        assert pixels(saved(tab, "#lanes .download")) == pixels(body)


def test_the_film_and_the_strip_of_a_run_are_saved(tab):
    tab.locator("#run-save button").first.click()
    for suffix, kind in (("png", "PNG"), ("webp", "WEBP")):
        tab.locator(f"#run-{suffix}").click()
        tab.wait_for_selector(f"#run-file:has-text('{kind}')")
        with tab.expect_download() as waiting:
            tab.locator("#run-file").click()
        with Image.open(waiting.value.path()) as made:
            assert made.format == kind
            assert made.size[0] >= 9 * 28 if suffix == "png" else made.n_frames >= 20


def test_a_broken_picture_gets_its_sentence_and_the_run_stays(tab):
    before = shown(tab)
    tab.locator("#begin label").nth(1).click()
    finished(tab, runs(tab) + 1)
    sent(tab, "photo-upload", ("broken.png", png(DIGIT)[:60]))
    tab.wait_for_selector(".toast-body")
    assert shown(tab) != before
