"""The Translate tab in a real browser: a picture is dropped, drawn or packed in a zip, and comes back in the other domain."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from genstudio import checkpoint
from genstudio.images import read_recipe
from tests.test_page import drop, png, turn_to_tab

pytestmark = pytest.mark.browser
RESULT = "#translated .after img"
NEEDED = {"pix2pix_sketch", "denoise_photo"}
PHOTOGRAPH = np.random.RandomState(0).randint(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)


def needs(names: set[str]) -> None:
    if missing := names - set(checkpoint.available()):
        pytest.skip(f"no weights of {', '.join(sorted(missing))} are here")


@pytest.fixture
def tab(page):
    """The tab, turned to, on its example."""
    needs(NEEDED)
    turn_to_tab(page, "translate")
    page.wait_for_selector("#translate-tiles img")
    return page


def shown(page, selector=RESULT) -> str:
    return page.locator(selector).first.get_attribute("src")


def changed(page, before: str, selector=RESULT) -> None:
    page.wait_for_function("([s, b]) => { const i = document.querySelector(s); return i && i.src !== b; }", arg=[selector, before])


def choose(page, name: str) -> None:
    needs({name})
    before = shown(page)
    page.locator(f"#translators .card[data-pick='{name}']").click()
    page.wait_for_selector(f"#translators .card[aria-pressed=true][data-pick='{name}']")
    changed(page, before)


def part(page, number: int) -> None:
    page.locator("#translate-views button[role=tab]").nth(number).click()


def saved(page, selector: str) -> bytes:
    page.wait_for_timeout(1500)  # what is shown may be drawn once more, and a click in that moment is lost
    with page.expect_download() as waiting:
        page.locator(selector).click()
    return waiting.value.path().read_bytes()


def sent(page, button: str, *files: tuple[str, bytes]) -> None:
    payload = [{"name": name, "mimeType": "image/png", "buffer": body} for name, body in files]
    page.locator(f"input[type=file]:has(+ #{button})").set_input_files(payload)


def packed(count: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for i in range(count):
            archive.writestr(f"faces/{i}.png", png(np.full((24, 32, 3), 9 * i, np.uint8)))
        archive.writestr("broken.png", png(PHOTOGRAPH)[:99])
    return stream.getvalue()


def test_a_dropped_picture_is_translated_and_carries_its_settings_home(tab):
    before = shown(tab)
    body = png(PHOTOGRAPH)
    drop(tab, ".masthead", body)
    changed(tab, before)
    tab.wait_for_selector("#picture h3:has-text('Your picture')")
    made = Image.open(io.BytesIO(saved(tab, "#translated .download")))
    recipe = read_recipe(made)
    assert made.size == (128, 96) and recipe["verb"] == "translate" and recipe["system"] == "pix2pix_sketch"
    assert recipe["picture"] == hashlib.sha256(body).hexdigest()[:16]
    assert "128 × 96 px" in tab.locator("#translated figcaption").inner_text()
    tab.locator("#picture-forget").click()
    tab.wait_for_selector("#picture h3:has-text('example')")


def test_the_handle_follows_mouse_and_keys(tab):
    box = tab.locator("#translated [data-compare]").bounding_box()
    y = box["y"] + box["height"] / 2

    def at() -> float:
        """Where the handle stands, of the width."""
        handle = tab.locator("#translated .handle").bounding_box()
        return (handle["x"] + handle["width"] / 2 - box["x"]) / box["width"]

    assert at() == pytest.approx(0.5, abs=0.02)
    tab.mouse.move(box["x"] + box["width"] / 2, y)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] / 4, y, steps=5)
    tab.mouse.up()
    assert at() == pytest.approx(0.25, abs=0.02)
    tab.keyboard.press("ArrowRight")
    assert at() == pytest.approx(0.27, abs=0.02)
    tab.keyboard.press("Home")
    assert at() == pytest.approx(0, abs=0.02) and tab.locator("[data-compare]").get_attribute("aria-valuenow") == "0"
    choose(tab, "denoise_photo")
    assert at() <= 0.02, "it stays where it was put when the picture changes"


def test_a_drawing_is_coloured_as_it_is_drawn(tab):
    choose(tab, "denoise_photo")
    part(tab, 1)  # turns to a system that knows drawings
    tab.wait_for_selector("#drawn img")
    assert tab.locator("#translators .card[aria-pressed=true]").get_attribute("data-pick") == "pix2pix_sketch"
    before, box = shown(tab, "#drawn img"), tab.locator("#sheet canvas").bounding_box()
    tab.mouse.move(box["x"] + 60, box["y"] + 40)
    tab.mouse.down()
    seen = {before}
    for i in range(12):
        tab.mouse.move(box["x"] + 60 + 10 * i, box["y"] + 40)
        tab.wait_for_timeout(150)
        seen.add(shown(tab, "#drawn img"))
    tab.mouse.up()
    assert len(seen) >= 4, "the colours follow the pen, not only its end"
    tab.wait_for_timeout(1000)
    assert read_recipe(Image.open(io.BytesIO(saved(tab, "#drawn .download"))))["verb"] == "translate"


def test_there_and_back_again_reads_as_what_it_does(tab):
    choose(tab, "cyclegan_glasses")
    tab.wait_for_selector("#translate-tiles h3")
    assert tab.locator("#translate-tiles figure").count() == 5
    assert "there: put glasses on" in tab.locator("#translate-tiles").inner_text()
    before = shown(tab)
    tab.locator("#translate-direction input").click()
    tab.get_by_role("option", name="take glasses off").click()
    changed(tab, before)
    tab.wait_for_selector("#translate-tiles:has-text('there: take glasses off')")
    assert read_recipe(Image.open(io.BytesIO(saved(tab, "#translated .download"))))["controls"]["direction"] == "back"


def test_every_system_shows_its_result_and_is_chosen_by_it(tab):
    part(tab, 2)
    cells = tab.locator("#systems [data-pick]")
    count = tab.locator("#translators .card").count()
    tab.wait_for_function("n => document.querySelectorAll('#systems [data-pick]').length === n", arg=count)
    assert cells.evaluate_all("cells => cells.every(c => c.querySelector('img').src.startsWith('data:image'))")
    tab.locator("#systems [data-pick=denoise_photo]").click()
    tab.wait_for_selector("#translators .card[aria-pressed=true][data-pick=denoise_photo]")
    tab.wait_for_selector(RESULT, state="visible")


def test_a_zip_comes_back_as_a_zip_with_a_line_for_each(tab):
    drop(tab, ".masthead", packed(3), "faces.zip")  # the door knows where it goes
    tab.wait_for_selector("#files:has-text('faces.zip')")
    tab.locator("#files-start").click()
    tab.wait_for_selector("#files-report .done")
    assert "3 translated, 1 refused" in tab.locator("#files-report").inner_text()
    assert tab.locator("#files-report .refused").count() == 1
    with zipfile.ZipFile(io.BytesIO(saved(tab, "#files-report .save"))) as archive:
        assert archive.namelist() == [f"faces/{i}.png" for i in range(3)]
        assert read_recipe(Image.open(io.BytesIO(archive.read("faces/1.png"))))["system"] == "pix2pix_sketch"


def test_a_batch_that_is_stopped_keeps_what_is_done(tab):
    part(tab, 3)
    large = png(np.zeros((700, 700, 3), np.uint8))
    choose_before = tab.locator("#files-start").is_enabled()
    sent(tab, "files-upload", *((f"{i}.png", large) for i in range(40)))
    tab.wait_for_selector("#files:has-text('40 files')")
    tab.locator("#files-start").click()
    tab.wait_for_selector("#files-report progress")
    tab.wait_for_selector("#files-report li")
    tab.locator("#files-stop").click()
    tab.wait_for_selector("#files-report .done")
    assert not choose_before and "Stopped" in tab.locator("#files-report .done").inner_text()
    with zipfile.ZipFile(io.BytesIO(saved(tab, "#files-report .save"))) as archive:
        assert 1 <= len(archive.namelist()) < 40 and archive.testzip() is None


def test_a_broken_file_gets_its_sentence_and_nothing_is_lost(tab):
    before = shown(tab)
    sent(tab, "picture-upload", ("broken.png", png(PHOTOGRAPH)[:99]))
    tab.wait_for_selector(".toast-body")
    assert "roken" in tab.locator(".toast-body").first.inner_text() or "ot a picture" in tab.locator(".toast-body").first.inner_text()
    assert shown(tab) == before


def test_a_recipe_brings_its_settings_back_and_asks_for_the_picture(tab):
    choose(tab, "cyclegan_glasses")
    body = png(PHOTOGRAPH)
    before = shown(tab)
    sent(tab, "picture-upload", ("selfie.png", body))
    changed(tab, before)
    tab.wait_for_selector("#picture h3:has-text('Your picture')")
    result = saved(tab, "#translated .download")
    tab.locator("#picture-forget").click()
    tab.wait_for_selector("#picture h3:has-text('example')")
    choose(tab, "denoise_photo")
    drop(tab, ".masthead", result)
    tab.wait_for_selector("#opened .found:has-text('drop the picture that it was made from')")
    tab.wait_for_selector("#translators .card[aria-pressed=true][data-pick=cyclegan_glasses]")
    tab.wait_for_timeout(1000)
    before = shown(tab)
    drop(tab, ".masthead", body)
    changed(tab, before)
    tab.wait_for_selector("#picture h3:has-text('Your picture')")
    again, first = (np.asarray(Image.open(io.BytesIO(b)), float) for b in (saved(tab, "#translated .download"), result))
    assert np.array_equal(again, first)


def test_nothing_of_a_visit_is_kept(tab):
    before = shown(tab)
    sent(tab, "picture-upload", ("private.png", png(PHOTOGRAPH.repeat(8, 0).repeat(8, 1))))
    changed(tab, before)
    part(tab, 3)
    sent(tab, "files-upload", ("private.zip", packed(2)))
    tab.wait_for_selector("#files:has-text('private.zip')")
    folder = Path(get_upload_folder())
    assert list(folder.glob("visit-*")), "while it lasts, the files wait there"
    tab.wait_for_timeout(1500)
    tab.goto("about:blank")
    for _ in range(100):
        if not list(folder.glob("visit-*")):
            break
        tab.wait_for_timeout(200)
    assert not list(folder.glob("visit-*")) and not list(folder.rglob("private*"))


@pytest.mark.parametrize("page", [{"viewport": {"width": 400, "height": 800}}], indirect=True)
def test_a_phone_needs_no_sideways_scrolling_in_any_part(tab):
    assert tab.locator("#translated").bounding_box()["y"] < tab.locator("#picture").bounding_box()["y"]
    for number in range(4):
        part(tab, number)
        tab.wait_for_timeout(1500)
        assert tab.evaluate("document.documentElement.scrollWidth <= 400"), number


@pytest.mark.parametrize("page", [{"locale": "fr-FR"}], indirect=True)
def test_the_tab_in_french(tab):
    choose(tab, "cyclegan_glasses")
    tab.wait_for_selector("#translate-tiles h3")
    text = tab.locator("body").inner_text()
    for words in ("Traduire", "Une image", "Dessiner", "avant", "après", "où elle a changé", "Aller et retour", "vus de face"):
        assert words in text
    assert tab.locator("#translate-direction input").input_value() == "mettre des lunettes"
    assert "before" not in text and "Your picture" not in text
