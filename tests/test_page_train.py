"""The Train tab in a real browser: pictures are read, a training is ordered, followed, found again after a reload, stopped, and
what it has made is opened where one can play with it."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from genstudio import jobs
from tests.test_page import turn_to_tab
from tests.test_page_translate import saved

pytestmark = pytest.mark.browser
SMALL = "ae2d_mnist"


def shapes(count: int = 60) -> bytes:
    """A zip of bright squares at random places, in two folders, with a file that is broken and one that is no picture."""
    rng, body = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for i in range(count):
            image = np.zeros((32, 32), np.uint8)
            top, left = rng.integers(2, 20, 2)
            image[top : top + 8, left : left + 8] = 255
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            archive.writestr(f"{'left' if left < 11 else 'right'}/{i}.png", png.getvalue())
        archive.writestr("left/broken.png", b"\x89PNG\r\n\x1a\nno more")
        archive.writestr("notes.txt", "not a picture")
    return body.getvalue()


@pytest.fixture(autouse=True)
def no_jobs_left():
    yield
    for job in jobs.all_():
        jobs.delete(job.id)


@pytest.fixture
def tab(page):
    turn(page)
    return page


def turn(page) -> None:
    turn_to_tab(page, "train")
    page.wait_for_selector("#jobs :is(.empty, .card)")


def view(page, number: int) -> None:
    page.locator("#train-views > .tab-wrapper button[role=tab]").nth(number).click()


def upload(page, body: bytes, name: str = "shapes.zip") -> None:
    page.set_input_files("input[type=file]:has(+ #train-files-upload)", {"name": name, "mimeType": "application/zip", "buffer": body})
    page.wait_for_selector("#train-report :is(.survey, .warning)")


def choose(page, title: str) -> None:
    page.locator("#train-system input").click()
    page.get_by_role("option", name=title, exact=True).click()


def order(page, images: int) -> None:
    """A training of the smallest system, from random weights."""
    choose(page, "Auto-encoder · digits on a plane")
    upload(page, shapes())
    page.locator("#train-start input").click()
    page.get_by_role("option", name="nothing: random weights").click()
    page.wait_for_selector("#train-go:not([disabled])")
    page.locator("#train-images input").fill(str(images))
    page.locator("#train-go").click()


def wall(page) -> str | None:
    return page.locator("#job-walls img").first.get_attribute("src")


def test_what_is_found_in_the_pictures_is_told_before_anything_is_trained(tab):
    choose(tab, "Auto-encoder · digits on a plane")
    upload(tab, shapes())
    report = tab.locator("#train-report").inner_text()
    assert "60" in report and "32 × 32" in report and "left" in report and "right" in report
    assert "broken.png" in report and "notes.txt" in report
    assert tab.locator("#train-report .survey img").count() == 1
    assert not jobs.all_()


def test_pictures_that_cannot_be_used_are_refused_in_words(tab):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("notes.txt", "no picture")
    upload(tab, body.getvalue(), "empty.zip")
    assert "holds no picture" in tab.locator("#train-report .warning").inner_text()
    tab.wait_for_selector("#train-go[disabled]")


def test_a_training_is_followed_found_again_stopped_and_opened(tab):
    order(tab, images=400_000)
    tab.wait_for_selector("#job-walls img")
    first = wall(tab)
    tab.wait_for_function("b => document.querySelector('#job-walls img')?.src !== b", arg=first)
    tab.wait_for_selector("#job-curves .multiple")
    [job] = jobs.all_()
    assert job.state == jobs.RUNNING and job.order.system == SMALL

    tab.reload()  # the page is gone, the training goes on
    tab.wait_for_selector("#strip img")
    turn(tab)
    tab.wait_for_selector(f"#jobs .card[data-pick={job.id}][aria-pressed=true]")
    seen = jobs.find(job.id).seen
    tab.wait_for_selector("#job-head:has-text('Training')")
    tab.wait_for_function("document.querySelector('#job-head progress')?.value > 0")

    tab.locator("#job-stop").click()
    tab.wait_for_selector("#job-head:has-text('Stopped')")
    assert jobs.find(job.id).seen >= seen and jobs.find(job.id).weights
    assert saved(tab, "#job-saved a:first-of-type") == jobs.find(job.id).weights.read_bytes()

    tab.locator("#job-open").click()
    tab.wait_for_selector("#models .card[aria-pressed=true]:has-text('shapes')")
    tab.wait_for_selector("#opened:has-text('Kept as ae2d_mnist.shapes')")


def test_a_training_is_paused_goes_on_and_is_deleted(tab):
    order(tab, images=400_000)
    tab.wait_for_selector("#job-walls img")
    tab.locator("#job-pause").click()
    tab.wait_for_selector("#job-head:has-text('Paused')")
    [job] = jobs.all_()
    seen = job.seen
    tab.locator("#job-resume").click()
    tab.wait_for_selector("#job-pause", state="visible")
    tab.wait_for_function("n => +document.querySelector('#job-head .legend').innerText.replace(/[^0-9]+of.*/s, '').replace(/[^0-9]/g, '') > n", arg=seen)
    tab.once("dialog", lambda dialog: dialog.accept())
    tab.locator("#job-delete").click()
    tab.wait_for_selector("#jobs .empty")
    assert not jobs.all_() and not job.folder.exists()


@pytest.mark.parametrize("page", [{"locale": "fr-FR", "viewport": {"width": 400, "height": 800}}], indirect=True)
def test_the_tab_speaks_french_on_a_telephone(tab):
    assert "vos images" in tab.locator("#train-order").inner_text()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_folder_elsewhere_is_not_read(tab):
    tab.locator("#train-folder input, #train-folder textarea").fill("/etc")
    tab.locator("#train-folder input, #train-folder textarea").press("Enter")
    tab.wait_for_selector("#train-report .warning:has-text('outside the folders')")
