"""The Style mixing tab in a real browser: the matrix, truncation, faces by seed and by picture, directions, walks."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from genstudio.ui.widgets import read_uri
from tests.test_page import drop, go, png, shown, turn_to_tab, wait_for_change
from tests.test_page_views import recipe_of

pytestmark = pytest.mark.browser

SUBJECT = "#mix-subject img"


@pytest.fixture
def mix(page):
    """The tab with its first matrix."""
    turn_to_tab(page, "style")
    page.wait_for_selector("#mix-matrix .matrix img")
    page.wait_for_selector(SUBJECT)
    return page


def cells(page) -> list[str]:
    return page.eval_on_selector_all("#mix-matrix button:not(.head) img", "found => found.map(i => i.src)")


def heads(page) -> list[str]:
    return page.eval_on_selector_all("#mix-matrix .head img", "found => found.map(i => i.src)")


def names(page) -> list[str]:
    return page.locator("#mix-matrix .head small").all_inner_texts()


def settled(page) -> None:
    page.wait_for_timeout(1500)


def click_and_wait(page, selector: str, changes: str = SUBJECT) -> None:
    before = shown(page, changes)
    page.locator(selector).first.click()
    wait_for_change(page, before, changes)
    settled(page)


def face() -> bytes:
    """A picture that no model made: a disc with two eyes."""
    y, x = np.mgrid[:64, :64]
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[(x - 32) ** 2 + (y - 34) ** 2 < 400] = (230, 180, 140)
    for eye in (25, 39):
        picture[(x - eye) ** 2 + (y - 30) ** 2 < 9] = (40, 30, 30)
    return png(picture)


def test_layers_of_the_columns_enter_the_mixtures_and_leave_the_faces(mix):
    assert len(cells(mix)) == 25 and len(heads(mix)) == 10
    faces, mixtures = heads(mix), cells(mix)
    click_and_wait(mix, "#mix-layers .group >> nth=2", "#mix-matrix button:not(.head) img")
    assert apart(heads(mix), faces) < 1 < apart(cells(mix), mixtures)
    for group in (0, 2):  # none is taken any more: each mixture is its row's face
        mix.locator("#mix-layers .group").nth(group).click()
        settled(mix)
    assert [pressed.get_attribute("aria-pressed") for pressed in mix.locator("#mix-layers button").all()] == ["false"] * 13
    assert apart(cells(mix), [uri for uri in heads(mix)[5:] for _ in range(5)]) < 1


def apart(some: list[str], others: list[str]) -> float:
    """The mean difference of two rows of pictures in grey levels: a quick engine's last digit depends on the batch."""
    pixels = [np.stack([np.asarray(Image.open(io.BytesIO(read_uri(uri))).convert("RGB"), float) for uri in uris]) for uris in (some, others)]
    return np.abs(pixels[0] - pixels[1]).mean()


def test_a_cell_becomes_the_subject_with_its_recipe(mix):
    rows, columns = (mix.locator(f"#mix-{side} input, #mix-{side} textarea").first.input_value().split() for side in ("rows", "columns"))
    click_and_wait(mix, "#mix-matrix [data-pick='2,3']")
    made = recipe_of(mix, "#mix-subject")
    assert made["verb"] == "mix" and made["layers"] == "0-2"
    assert (made["from"], made["to"]) == ({"seed": int(rows[2])}, {"seed": int(columns[3])})
    assert shown(mix, SUBJECT) != shown(mix, "#mix-matrix .head img")
    click_and_wait(mix, "#mix-matrix [data-pick=',1']")  # a face itself
    assert recipe_of(mix, "#mix-subject")["from"] == {"seed": int(columns[1])} and recipe_of(mix, "#mix-subject")["to"] is None
    assert mix.locator("#mix-matrix [aria-current]").count() == 1


def test_truncation_0_is_one_face_for_all_seeds_and_the_strip_sets_it(mix):
    assert len(set(heads(mix))) == 10
    page = mix
    click_and_wait(page, "#mix-psi [data-pick='0']")
    assert page.locator("#mix-truncation input[type=number]").input_value() == "0"
    assert recipe_of(page, "#mix-subject")["controls"]["truncation"] == 0.0
    assert len(set(heads(page))) <= 8, "one face a class"
    page.locator("#mix-label input").click()
    page.locator("[role=option]", has_text="none").first.click()
    settled(page)
    assert apart(heads(page), heads(page)[:1] * 10) < 1
    before = shown(page, SUBJECT)
    page.locator("#mix-truncation input[type=range]").focus()
    page.keyboard.press("End")
    wait_for_change(page, before, SUBJECT)
    settled(page)
    assert recipe_of(page, "#mix-subject")["controls"]["truncation"] == 1.5


def test_faces_are_named_by_seeds_and_what_is_no_face_is_refused_in_a_sentence(mix):
    box = mix.locator("#mix-rows input, #mix-rows textarea").first
    box.fill("1, 2 77")
    box.press("Enter")
    mix.wait_for_function("document.querySelectorAll('#mix-matrix .head').length === 8")
    settled(mix)
    assert names(mix)[5:] == ["1", "2", "77"] and len(cells(mix)) == 15
    box.fill("1 2 Q")
    box.press("Enter")
    mix.wait_for_selector("text=neither a seed nor a face")
    assert names(mix)[5:] == ["1", "2", "77"]


def test_a_picture_is_searched_for_and_the_search_can_be_cancelled(mix):
    with mix.expect_file_chooser() as chooser:
        mix.locator("#mix-upload").click()
    chooser.value.set_files([{"name": "face.png", "mimeType": "image/png", "buffer": face()}])
    mix.wait_for_selector("#mix-search progress")
    assert mix.locator("#mix-search .pair img").count() == 3, "the picture, what was found, and where they differ"
    mix.locator("#mix-stop").click()
    mix.wait_for_function("document.querySelectorAll('#mix-matrix .head small')[5]?.innerText === 'A'")
    mix.wait_for_selector("#mix-search progress", state="detached")
    settled(mix)
    assert "code" in recipe_of(mix, "#mix-subject")["from"] and mix.locator("#mix-rows input, #mix-rows textarea").first.input_value().startswith("A ")
    before = heads(mix)
    click_and_wait(mix, ".mixing .dice", "#mix-matrix .head img")
    after = heads(mix)
    assert apart(after[5:6], before[5:6]) < 1 < apart(after[6:], before[6:]), "other faces come, but what one has searched for stays"


def test_a_dropped_picture_is_found_to_the_end(mix):
    drop(mix, ".masthead", face())
    mix.wait_for_function("document.querySelectorAll('#mix-matrix .head small')[5]?.innerText === 'A'", timeout=120_000)
    mix.wait_for_selector("#opened >> text=layer by layer")
    assert "code" in recipe_of(mix, "#mix-subject")["from"]


def test_a_mixture_is_kept_as_a_row_and_looks_the_same(mix):
    before = np.asarray(Image.open(io.BytesIO(download(mix))).convert("RGB")).astype(int)
    mix.locator("#mix-keep").click()
    mix.wait_for_function("document.querySelectorAll('#mix-matrix .head small')[5]?.innerText === 'A'")
    settled(mix)
    after = np.asarray(Image.open(io.BytesIO(download(mix))).convert("RGB")).astype(int)
    assert np.abs(after - before).mean() < 2, "but for the rounding of what a recipe can carry"


def download(page) -> bytes:
    with page.expect_download() as waiting:
        page.locator("#mix-subject .download").click()
    return waiting.value.path().read_bytes()


def test_a_direction_moves_chosen_layers_and_can_be_named(mix):
    mix.locator("#mix-directions button").first.click()
    before = shown(mix, SUBJECT)
    mix.locator("#mix-direction-0 input[type=range]").focus()
    for _ in range(20):
        mix.keyboard.press("ArrowRight")
    wait_for_change(mix, before, SUBJECT)
    mix.wait_for_selector("#mix-subject output >> text=sefa 1 +1.00")
    settled(mix)
    made = recipe_of(mix, "#mix-subject")
    assert made["by"] == {"sefa 1": 1.0} and made["moved"] == "0-9"
    moved = shown(mix, SUBJECT)
    mix.locator("#mix-moved .group").first.click()  # no longer the coarse ones
    wait_for_change(mix, moved, SUBJECT)
    settled(mix)
    assert recipe_of(mix, "#mix-subject")["moved"] == "3-9"
    mix.locator("#mix-name input, #mix-name textarea").first.fill("older")
    mix.locator("#mix-save").click()
    mix.wait_for_selector("#mix-names .chip >> text=older")
    click_and_wait(mix, "#mix-reset")
    assert recipe_of(mix, "#mix-subject")["by"] == {}
    click_and_wait(mix, "#mix-names [data-pick='use:older']")
    assert recipe_of(mix, "#mix-subject")["by"] == {"sefa 1": 1.0} and recipe_of(mix, "#mix-subject")["moved"] == "3-9"
    go(mix)
    turn_to_tab(mix, "style")
    mix.wait_for_selector("#mix-matrix .matrix img")
    mix.locator("#mix-directions button").first.click()
    mix.wait_for_selector("#mix-names [data-pick='use:older']")


def test_a_picture_of_ours_brings_its_mixture_back_and_so_does_its_link(mix):
    click_and_wait(mix, "#mix-matrix [data-pick='2,3']")
    click_and_wait(mix, "#mix-layers .single >> nth=4")
    picture, made = download(mix), recipe_of(mix, "#mix-subject")
    mix.locator("#style-share button").first.click()
    query = mix.locator("#style-link .link").get_attribute("data-query")
    click_and_wait(mix, ".mixing .dice")
    turn_to_tab(mix, "latent")
    drop(mix, ".masthead", picture)
    mix.wait_for_selector("#opened .fine, #opened .found")
    settled(mix)
    assert recipe_of(mix, "#mix-subject") == made
    address = mix.url.partition("?")[0]
    go(mix, f"{address}?{query}")
    mix.wait_for_selector("#opened >> text=mix")
    mix.wait_for_selector(SUBJECT)
    settled(mix)
    assert recipe_of(mix, "#mix-subject") == made


def test_a_walk_through_the_rows_is_saved(mix):
    mix.locator("#mix-walk button").first.click()
    mix.locator("#mix-walk-webp").click()
    with mix.expect_download() as waiting:
        mix.locator("#mix-walk-file").click()
    film = Image.open(waiting.value.path())
    assert film.n_frames == 5 * 24


@pytest.mark.parametrize("page", [{"viewport": {"width": 400, "height": 800}, "locale": "fr-FR"}], indirect=True)
def test_on_a_telephone_it_fits_and_speaks_french(page):
    turn_to_tab(page, "style")
    page.wait_for_selector("#mix-matrix .matrix img")
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("#mix-layers b").inner_text() == "Pris aux colonnes"
