"""The Translate tab in a real browser: a picture is dropped, drawn or packed in a zip, and comes back in the other
domain."""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_upload_folder

from genstudio import catalog
from genstudio.images import read_recipe
from genstudio.layers.palette import FACADES
from tests.ui.page import (
    JOURNEY,
    choose,
    drag,
    drop,
    idle,
    opened,
    option,
    png,
    press,
    recipe_of,
    saved,
    send,
    shown,
    toast,
    turn_to_tab,
    turn_to_view,
)  # fmt: skip

pytestmark = JOURNEY
RESULT, MODELS, VIEWS = "#translated .after img", "#translators", "#translate-views"
PHOTOGRAPH = np.random.RandomState(0).randint(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)


def needs(*names: str) -> None:
    if missing := set(names) - set(catalog.available()):
        pytest.skip(f"no weights of {', '.join(sorted(missing))} are here")


@pytest.fixture
def tab(page):
    """The tab, turned to, on its example."""
    needs("pix2pix_sketch", "denoise_photo")
    turn_to_tab(page, "translate")
    page.wait_for_selector("#translate-tiles img")
    return page


def own(page, *before: str) -> None:
    """Wait until the visitor's picture has taken the example's place, and its result the one before."""
    page.wait_for_selector("#picture h3:has-text('Your picture')")
    idle(page)
    assert shown(page, RESULT) not in before


def forget(page) -> None:
    """Back to the example."""
    press(page, "#picture-forget")
    page.wait_for_selector("#picture h3:has-text('example')")


def packed(count: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for i in range(count):
            archive.writestr(f"faces/{i}.png", png(np.full((24, 32, 3), 9 * i, np.uint8)))
        archive.writestr("broken.png", png(PHOTOGRAPH)[:99])
    return stream.getvalue()


def test_a_picture_is_translated(tab, subtests):
    with subtests.test("a dropped picture is translated and carries its settings home"):
        before, body = shown(tab, RESULT), png(PHOTOGRAPH)
        drop(tab, ".masthead", body)
        own(tab, before)
        made = opened(saved(tab, "#translated .download"))
        recipe = read_recipe(made)
        assert made.size == (128, 96) and recipe["verb"] == "translate" and recipe["system"] == "pix2pix_sketch"
        assert recipe["picture"] == hashlib.sha256(body).hexdigest()[:16]
        assert "128 × 96 px" in tab.locator("#translated figcaption").inner_text()
        forget(tab)

    with subtests.test("the handle follows mouse and keys"):
        compare = "#translated [data-compare]"

        def at() -> float:
            """The place of the handle, as a part of the width."""
            box, handle = (tab.locator(place).bounding_box() for place in (compare, "#translated .handle"))
            return (handle["x"] + handle["width"] / 2 - box["x"]) / box["width"]

        assert at() == pytest.approx(0.5, abs=0.02)
        drag(tab, compare, [(0.5, 0.5), (0.25, 0.5)])
        assert at() == pytest.approx(0.25, abs=0.02)
        tab.keyboard.press("ArrowRight")
        assert at() == pytest.approx(0.27, abs=0.005)
        tab.keyboard.press("Home")
        assert at() == pytest.approx(0, abs=0.02)
        assert tab.locator("[data-compare]").get_attribute("aria-valuenow") == "0"
        choose(tab, "denoise_photo", MODELS)
        assert at() <= 0.02, "it stays where it was put when the picture changes"

    with subtests.test("a drawing is coloured as it is drawn"):
        choose(tab, "denoise_photo", MODELS)
        turn_to_view(tab, VIEWS, "draw")  # turns to a system that knows drawings
        assert tab.locator(f"{MODELS} .card[aria-pressed=true]").get_attribute("data-pick") == "pix2pix_sketch"
        places = [(0.2, 0.15), (0.3, 0.15), (0.4, 0.15), (0.5, 0.15), (0.6, 0.15)]
        drag(tab, "#sheet canvas", places, "#drawn img")
        assert recipe_of(tab, "#drawn")["verb"] == "translate"

    with subtests.test("every system shows its result and is chosen by it"):
        turn_to_view(tab, VIEWS, "all")
        cells, count = tab.locator("#systems [data-pick]"), tab.locator(f"{MODELS} .card").count()
        assert cells.count() == count
        assert cells.evaluate_all("cells => cells.every(c => c.querySelector('img').src.startsWith('data:image'))")
        press(tab, "#systems [data-pick=denoise_photo]")
        tab.wait_for_selector(f"{MODELS} .card[aria-pressed=true][data-pick=denoise_photo]")
        tab.wait_for_selector(RESULT, state="visible")

    with subtests.test("a broken file gets its sentence and nothing is lost"):
        before = shown(tab, RESULT)
        send(tab, "picture-upload", ("broken.png", png(PHOTOGRAPH)[:99]))
        assert toast(tab, "roken") == "Truncated or broken"
        idle(tab)
        assert shown(tab, RESULT) == before

    with subtests.test("there and back again reads as what it does"):
        needs("cyclegan_glasses")
        choose(tab, "cyclegan_glasses", MODELS)
        tab.wait_for_selector("#translate-tiles h3")
        assert tab.locator("#translate-tiles figure").count() == 5
        assert "there: put glasses on" in tab.locator("#translate-tiles").inner_text()
        before = shown(tab, RESULT)
        option(tab, "#translate-direction", "take glasses off")
        assert shown(tab, RESULT) != before
        tab.wait_for_selector("#translate-tiles:has-text('there: take glasses off')")
        assert recipe_of(tab, "#translated")["controls"]["direction"] == "back"

    with subtests.test("a recipe brings its settings back and asks for the picture"):
        system = "cyclegan_glasses" if "cyclegan_glasses" in catalog.available() else "colorize_photo"
        needs(system)
        choose(tab, system, MODELS)
        before, body = shown(tab, RESULT), png(PHOTOGRAPH)
        send(tab, "picture-upload", ("selfie.png", body))
        own(tab, before)
        result = saved(tab, "#translated .download")
        forget(tab)
        choose(tab, "denoise_photo", MODELS)
        drop(tab, ".masthead", result)
        tab.wait_for_selector("#opened .found:has-text('drop the picture that it was made from')")
        tab.wait_for_selector(f"{MODELS} .card[aria-pressed=true][data-pick={system}]")
        idle(tab)
        before = shown(tab, RESULT)
        drop(tab, ".masthead", body)
        own(tab, before)
        again, first = (np.asarray(opened(b), float) for b in (saved(tab, "#translated .download"), result))
        assert np.array_equal(again, first)


def test_files_are_translated_and_forgotten(tab, subtests):
    with subtests.test("a zip comes back as a zip with a line for each"):
        drop(tab, ".masthead", packed(3), "faces.zip")  # the door knows where it goes
        tab.wait_for_selector("#files:has-text('faces.zip')")
        idle(tab)
        tab.locator("#files-start").click()
        tab.wait_for_selector("#files-report .done")
        idle(tab)
        assert "3 translated, 1 refused" in tab.locator("#files-report").inner_text()
        assert tab.locator("#files-report .refused").count() == 1
        with zipfile.ZipFile(io.BytesIO(saved(tab, "#files-report .save"))) as archive:
            assert archive.namelist() == [f"faces/{i}.png" for i in range(3)]
            assert read_recipe(opened(archive.read("faces/1.png")))["system"] == "pix2pix_sketch"

    with subtests.test("a batch that is stopped keeps what is done"):
        large = png(np.zeros((700, 700, 3), np.uint8))
        send(tab, "files-upload", *((f"{i}.png", large) for i in range(40)))
        tab.wait_for_selector("#files:has-text('40 files')")
        idle(tab)
        tab.locator("#files-start").click()
        tab.wait_for_selector("#files-report progress")
        tab.wait_for_selector("#files-report li")
        tab.locator("#files-stop").click()
        tab.wait_for_selector("#files-report .done:has-text('Stopped')")
        idle(tab)
        with zipfile.ZipFile(io.BytesIO(saved(tab, "#files-report .save"))) as archive:
            assert 1 <= len(archive.namelist()) < 40 and archive.testzip() is None

    with subtests.test("nothing of a visit is kept"):
        turn_to_view(tab, VIEWS, "one")
        before = shown(tab, RESULT)
        send(tab, "picture-upload", ("private.png", png(PHOTOGRAPH.repeat(8, 0).repeat(8, 1))))
        own(tab, before)
        turn_to_view(tab, VIEWS, "many")
        send(tab, "files-upload", ("private.zip", packed(2)))
        tab.wait_for_selector("#files:has-text('private.zip')")
        idle(tab)
        folder = Path(get_upload_folder())
        assert list(folder.glob("visit-*")), "while it lasts, the files wait there"
        tab.goto("about:blank")
        end = time.monotonic() + 60
        while list(folder.glob("visit-*")) and time.monotonic() < end:
            time.sleep(0.1)
        assert not list(folder.glob("visit-*")) and not list(folder.rglob("private*"))


PAINTED = "#painted img"
PIXEL = "([x, y]) => [...document.querySelector('#board canvas').getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3)"


def test_a_facade_is_painted(page, subtests):
    needs("pix2pix_facades")
    turn_to_tab(page, "translate")
    choose(page, "pix2pix_facades", MODELS)
    page.wait_for_selector(PAINTED)
    idle(page)

    def pixel(x: int, y: int) -> tuple[int, ...]:
        return tuple(page.evaluate(PIXEL, [x, y]))

    def pick(name: str) -> None:
        page.get_by_role("radio", name=name, exact=True).click()

    with subtests.test("a rectangle in the colour of a label, and the picture follows"):
        before, old = shown(page, PAINTED), pixel(64, 30)
        pick("door")
        drag(page, "#board canvas", [(0.4, 0.2), (0.5, 0.25), (0.6, 0.35)])
        idle(page)
        door = FACADES.colours[3]
        assert pixel(64, 30) == door and pixel(10, 120) != door and shown(page, PAINTED) != before
        made = recipe_of(page, "#painted")
        assert made["verb"] == "translate" and made["system"] == "pix2pix_facades"

    with subtests.test("undo and redo"):
        after = shown(page, PAINTED)
        press(page, "#board [data-do=undo]")
        assert pixel(64, 30) == old and shown(page, PAINTED) == before
        press(page, "#board [data-do=redo]")
        assert pixel(64, 30) == door and shown(page, PAINTED) == after

    with subtests.test("fill, brush and eraser"):
        pick("Fill")
        pick("cornice")
        page.locator("#board canvas").click(position={"x": 200, "y": 120})
        idle(page)
        assert FACADES.colours[9] in {pixel(x, 30) for x in range(128)}
        for tool, name, colour in (("Brush", "balcony", FACADES.colours[6]), ("Eraser", "", FACADES.colours[0])):
            if name:
                pick(name)
            pick(tool)
            drag(page, "#board canvas", [(0.1, 0.9), (0.2, 0.9), (0.3, 0.9)])
            idle(page)
            assert pixel(25, 115) == colour

    with subtests.test("by keys: number, cursor, space, undo"):
        pick("Rectangle")
        page.locator("#board canvas").focus()
        for key in ("1", "2", "Shift+ArrowUp", "Space", "Shift+ArrowRight", "Shift+ArrowDown", "Space"):
            page.keyboard.press(key)
        idle(page)
        wall = FACADES.colours[1]
        painted = page.evaluate("() => document.querySelector('#board canvas').toDataURL()")
        page.keyboard.press("Control+z")
        idle(page)
        assert page.evaluate("() => document.querySelector('#board canvas').toDataURL()") != painted
        assert wall in {pixel(x, y) for x in range(128) for y in (100, 110)}

    with subtests.test("an example, and the three losses on it"):
        before = shown(page, PAINTED)
        page.get_by_role("button", name="Modern block").click()
        idle(page)
        assert shown(page, PAINTED) != before
        if {"pix2pix_facades_l1", "pix2pix_facades_gan"} <= set(catalog.available()):
            pictures = page.locator("#losses img").evaluate_all("all => all.map(e => e.src)")
            assert len(set(pictures)) == 3
