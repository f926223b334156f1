"""The Train tab in a real browser: pictures are read, a training is ordered, followed, found again after a reload,
stopped, and what it has made is opened where one can play with it."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from genstudio import paths
from genstudio.registry import systems
from genstudio.training import jobs
from tests import small
from tests.training.test_step_by_step import begin_small_run
from tests.ui.page import JOURNEY, go, idle, option, png, press, saved, send, shown, turn_to_tab, turn_to_view

pytestmark = JOURNEY
SMALL, WALL = "ae2d_mnist", "#job-walls img"
SEEN_MORE = """n => +document.querySelector('#job-head .legend').innerText
  .replace(/[^0-9]+of.*/s, '').replace(/[^0-9]/g, '') > n"""  # pictures that a training has seen


def shapes(count: int = 60) -> bytes:
    """A zip of bright squares at random places, in two folders, with a broken file and one that is no picture."""
    rng, body = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for i in range(count):
            image = np.zeros((32, 32), np.uint8)
            top, left = rng.integers(2, 20, 2)
            image[top : top + 8, left : left + 8] = 255
            archive.writestr(f"{'left' if left < 11 else 'right'}/{i}.png", png(image))
        archive.writestr("left/broken.png", b"\x89PNG\r\n\x1a\nno more")
        archive.writestr("notes.txt", "not a picture")
    return body.getvalue()


def side_by_side(count: int = 30) -> bytes:
    """A zip of pairs, or the one that GENSTUDIO_PAIRS names."""
    if place := os.environ.get("GENSTUDIO_PAIRS"):
        return Path(place).read_bytes()
    rng, body = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for i in range(count):
            half = rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)
            archive.writestr(f"set/{i}.png", png(np.concatenate([half, 255 - half], 1)))
    return body.getvalue()


@pytest.fixture(autouse=True)
def no_jobs_left():
    yield
    for job in jobs.list_jobs():
        jobs.delete(job.id)


@pytest.fixture
def tab(page):
    turn_to_tab(page, "train")
    page.wait_for_selector("#jobs :is(.empty, .card)")
    return page


def upload(page, body: bytes, name: str) -> None:
    send(page, "train-files-upload", (name, body))
    page.wait_for_selector("#train-report :is(.survey, .warning)")
    idle(page)


def test_pictures_are_read_before_anything_is_trained(tab, subtests):
    with subtests.test("a folder elsewhere is not read"):
        folder = tab.locator("#train-folder input, #train-folder textarea")
        folder.fill("/etc")
        folder.press("Enter")
        tab.wait_for_selector("#train-report .warning:has-text('outside the folders')")
        idle(tab)
        folder.fill("")
        folder.press("Enter")
        idle(tab)

    with subtests.test("pictures that cannot be used are refused in words"):
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as archive:
            archive.writestr("notes.txt", "no picture")
        upload(tab, body.getvalue(), "empty.zip")
        tab.wait_for_selector("#train-report .warning:has-text('holds no picture')")
        tab.wait_for_selector("#train-go[disabled]")

    with subtests.test("what is found in the pictures is told"):
        option(tab, "#train-system", "Auto-encoder · digits on a plane")
        upload(tab, shapes(), "shapes.zip")
        tab.wait_for_selector("#train-report .survey")
        report = tab.locator("#train-report").inner_text()
        assert "60" in report and "32 × 32" in report and "left" in report and "right" in report
        assert "broken.png" in report and "notes.txt" in report
        assert tab.locator("#train-report .survey img").count() == 1
        assert not jobs.list_jobs()


def test_a_translator_learns_from_pairs_and_is_opened_where_it_translates(tab, subtests):
    with subtests.test("a set without pairs is refused before anything is trained"):
        option(tab, "#train-system", "pix2pix · sketch to emoji · 64 px")
        upload(tab, shapes(), "shapes.zip")
        tab.wait_for_selector("#train-report .warning:has-text('has no pairs: no picture of left')")
        tab.wait_for_selector("#train-go[disabled]")

    with subtests.test("three pairs are shown, and their layout is said"):
        upload(tab, side_by_side(), "ab.zip")
        tab.wait_for_selector("#train-report .survey")
        report = tab.locator("#train-report").inner_text()
        assert "its left half is translated to its right half" in report and report.count("→") == 3
        assert "random crops" in report and tab.locator("#train-report .survey img").count() == 1
        tab.locator("#train-more > button").click()
        tab.locator("#train-reverse input").check()
        tab.wait_for_selector("#train-report:has-text('turned round')")
        idle(tab)
        tab.locator("#train-reverse input").uncheck()
        tab.wait_for_selector("#train-report:not(:has-text('turned round'))")
        idle(tab)

    with subtests.test("it is trained on them, paused, and goes on"):
        option(tab, "#train-start", "nothing: random weights")
        tab.wait_for_selector("#train-go:not([disabled])")
        tab.locator("#train-images input").fill("4000")
        idle(tab)
        tab.locator("#train-go").click()
        tab.wait_for_selector(WALL)
        tab.wait_for_function("document.querySelector('#job-head progress')?.value > 0")
        tab.locator("#job-pause").click()
        tab.wait_for_selector("#job-head:has-text('Paused')")
        [job] = jobs.list_jobs()
        seen = jobs.find_job(job.id).images
        press(tab, "#job-resume")
        tab.wait_for_function(SEEN_MORE, arg=seen)
        time.sleep(float(os.environ.get("GENSTUDIO_PAIR_SECONDS", "0")))
        tab.locator("#job-stop").click()
        tab.wait_for_selector("#job-head:has-text('Stopped')")
        assert jobs.find_job(job.id).images > seen and jobs.find_job(job.id).weights
        idle(tab)

    with subtests.test("and is opened where it translates"):
        tab.locator("#job-open").click()
        tab.wait_for_selector("#opened:has-text('Kept as pix2pix_sketch.ab')")
        idle(tab)
        assert tab.locator("#translators .card[aria-pressed=true]").get_attribute("data-pick") == "pix2pix_sketch.ab"


def test_a_number_that_was_typed_stays_and_the_proposal_stands_beside_it(tab, subtests):
    """It was overwritten when a set had been read, and another training than the one asked for began."""
    images, field = "#train-images input", tab.locator("#train-images")
    option(tab, "#train-system", "Auto-encoder · digits on a plane")
    tab.locator(images).fill("1234")
    idle(tab)
    with subtests.test("when pictures have been read"):
        upload(tab, shapes(), "shapes.zip")
        assert tab.locator(images).input_value() == "1234" and "Proposed: " in field.inner_text()
        assert "Proposed" not in tab.locator("#train-rate").inner_text()
    with subtests.test("when it starts from other weights, or another system"):
        option(tab, "#train-start", "nothing: random weights")
        assert tab.locator(images).input_value() == "1234" and "Proposed: 400" in field.inner_text()
        option(tab, "#train-system", "Auto-encoder · handwritten digits · 28 px")
        assert tab.locator(images).input_value() == "1234"
    with subtests.test("a list that closes without a choice changes nothing, and what is typed then stays"):
        option(tab, "#train-start", "nothing: random weights")
        for opened in ("#train-start", "#train-system"):
            tab.locator(f"{opened} input").click()
            idle(tab)
            tab.keyboard.press("Escape")
            tab.locator(images).fill("4321")
            idle(tab)
            assert tab.locator(images).input_value() == "4321"
        assert tab.locator("#train-start input").input_value() == "nothing: random weights"
        tab.locator(images).fill("1234")
        idle(tab)
    with subtests.test("a field that was cleared takes the proposal again"):
        tab.locator(images).fill("")
        idle(tab)
        option(tab, "#train-system", "Auto-encoder · digits on a plane")
        assert tab.locator(images).input_value() == "16000" and "Proposed" not in field.inner_text()


def test_a_training_from_its_order_to_its_end(tab, subtests):
    with subtests.test("it is ordered and followed"):
        option(tab, "#train-system", "Auto-encoder · digits on a plane")
        upload(tab, shapes(), "shapes.zip")
        option(tab, "#train-start", "nothing: random weights")
        tab.wait_for_selector("#train-go:not([disabled])")
        tab.locator("#train-images input").fill("400000")
        tab.locator("#train-go").click()
        tab.wait_for_selector(WALL)
        first = shown(tab, WALL)
        tab.wait_for_function("b => document.querySelector('#job-walls img')?.src !== b", arg=first)
        tab.wait_for_selector("#job-curves .multiple")
        [job] = jobs.list_jobs()
        assert job.state == jobs.RUNNING and job.spec.system == SMALL

    with subtests.test("it is found again after a reload"):
        go(tab)  # the page is gone, the training goes on
        turn_to_tab(tab, "train")
        tab.wait_for_selector(f"#jobs .card[data-pick={job.id}][aria-pressed=true]")
        tab.wait_for_selector("#job-head:has-text('Training')")
        tab.wait_for_function("document.querySelector('#job-head progress')?.value > 0")

    with subtests.test("it is paused and goes on"):
        tab.locator("#job-pause").click()
        tab.wait_for_selector("#job-head:has-text('Paused')")
        seen = jobs.find_job(job.id).images
        press(tab, "#job-resume")
        tab.wait_for_selector("#job-pause", state="visible")
        tab.wait_for_function(SEEN_MORE, arg=seen)

    with subtests.test("it is stopped, saved and opened"):
        seen = jobs.find_job(job.id).images
        tab.locator("#job-stop").click()
        tab.wait_for_selector("#job-head:has-text('Stopped')")
        assert jobs.find_job(job.id).images >= seen and jobs.find_job(job.id).weights
        idle(tab)
        assert saved(tab, "#job-saved a:first-of-type") == jobs.find_job(job.id).weights.read_bytes()
        tab.locator("#job-open").click()
        tab.wait_for_selector("#models .card[aria-pressed=true]:has-text('shapes')")
        tab.wait_for_selector("#opened:has-text('Kept as ae2d_mnist.shapes')")
        idle(tab)

    with subtests.test("it goes on and is deleted meanwhile"):
        turn_to_tab(tab, "train")
        press(tab, "#job-resume")
        tab.wait_for_selector("#job-head:has-text('Training')")
        tab.once("dialog", lambda dialog: dialog.accept())
        tab.locator("#job-delete").click()
        tab.wait_for_selector("#jobs .empty")
        assert not jobs.list_jobs() and not job.folder.exists()


def test_a_conditional_gan_is_played_step_by_step(tab, subtests, monkeypatch, tmp_path):
    name = "small_cgan"
    monkeypatch.setitem(systems(), name, small.INSTANCES[name])
    folder = paths.jobs() / "a-small-game"
    begin_small_run(name, tmp_path / "data", folder)
    spec = jobs.JobSpec(name, str(tmp_path / "data"), created=time.time())
    (folder / "job.json").write_text(json.dumps(asdict(spec)))
    (folder / "ended.json").write_text(json.dumps({"how": jobs.PAUSED, "why": None}))
    go(tab)
    turn_to_tab(tab, "train")
    press(tab, "#jobs .card[data-pick=a-small-game]")
    turn_to_view(tab, "#train-views", "game")
    tab.wait_for_selector("#game-table .verdicts meter")
    before = tab.locator("#game-table .verdicts img").first.get_attribute("src")
    with subtests.test("a step of one player"):
        press(tab, "#game-generator")
        said = tab.locator("#game-table .legend").inner_text()
        assert "D 0, G 1" in said and "‖∇G‖" in said
        assert tab.locator("#game-table .verdicts img").first.get_attribute("src") != before
    with subtests.test("ten steps a click"):
        press(tab, "#game-count label >> nth=1")
        press(tab, "#game-both")
        assert "D 10, G 11" in tab.locator("#game-table .legend").inner_text()
        assert not tab.locator("#game-note progress").count()
    with subtests.test("a step is taken back"):
        press(tab, "#game-back")
        assert "D 9, G 10" in tab.locator("#game-table .legend").inner_text()
    with subtests.test("shipped weights are played with their critic, or what is missing is said"):
        option(tab, "#game-whose", "Conditional GAN · handwritten digits · 28 px")
        if (paths.data() / "MNIST").is_dir():
            assert "D 0, G 0" in tab.locator("#game-table .legend").inner_text()
            press(tab, "#game-critic")
            assert "D 10, G 0" in tab.locator("#game-table .legend").inner_text()
        else:
            assert tab.locator("#game-note .empty").inner_text()
