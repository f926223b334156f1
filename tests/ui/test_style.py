"""The Style mixing tab in a real browser: the matrix, truncation, faces by seed and by picture, directions, walks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from genstudio.ui.html import read_uri
from tests.ui.page import (
    JOURNEY,
    choose,
    download,
    drop,
    go,
    idle,
    key,
    opened,
    png,
    press,
    recipe_of,
    saved,
    shown,
    turn_to_tab,
    wait_for_change,
)  # fmt: skip

pytestmark = JOURNEY
SUBJECT, MODELS, MODEL = "#mix-subject img", "#style-models", "stylegan2_faces"
FIRST_ROW = "document.querySelectorAll('#mix-matrix .head small')[5]?.innerText === 'A'"


@pytest.fixture
def mix(page):
    """The tab with its first matrix."""
    turn_to_tab(page, "style")
    page.wait_for_selector("#mix-matrix .matrix img")
    page.wait_for_selector(SUBJECT)
    return page


def afresh(page) -> None:
    """The model chosen anew: layers, truncation, directions and cell as they were, no face kept; seeds stay."""
    choose(page, MODEL, MODELS)


def cells(page) -> list[str]:
    return page.eval_on_selector_all("#mix-matrix button:not(.head) img", "found => found.map(i => i.src)")


def heads(page) -> list[str]:
    """Columns, then rows."""
    return page.eval_on_selector_all("#mix-matrix .head img", "found => found.map(i => i.src)")


def names(page) -> list[str]:
    return page.locator("#mix-matrix .head small").all_inner_texts()


def side(page, name: str):
    """The text of a side's faces."""
    return page.locator(f"#mix-{name} input, #mix-{name} textarea").first


def apart(some: list[str], others: list[str]) -> float:
    """The mean difference of two rows of pictures in grey levels: a quick engine's last digit depends on the batch."""

    def pixels(uris: list[str]) -> np.ndarray:
        return np.stack([np.asarray(opened(read_uri(uri)).convert("RGB"), float) for uri in uris])

    return np.abs(pixels(some) - pixels(others)).mean()


def subject(page) -> np.ndarray:
    return np.asarray(opened(saved(page, "#mix-subject .download")).convert("RGB")).astype(int)


def press_anew(page, selector: str) -> None:
    """Click what gives another subject."""
    before = shown(page, SUBJECT)
    press(page, selector)
    assert shown(page, SUBJECT) != before


def face() -> bytes:
    """A picture that no model made: a disc with two eyes."""
    y, x = np.mgrid[:64, :64]
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[(x - 32) ** 2 + (y - 34) ** 2 < 400] = (230, 180, 140)
    for eye in (25, 39):
        picture[(x - eye) ** 2 + (y - 30) ** 2 < 9] = (40, 30, 30)
    return png(picture)


def test_faces_are_mixed_layer_by_layer(mix, subtests):
    with subtests.test("layers of the columns enter the mixtures and leave the faces"):
        assert len(cells(mix)) == 25 and len(heads(mix)) == 10
        faces, mixtures = heads(mix), cells(mix)
        press(mix, "#mix-layers .group >> nth=2")
        assert cells(mix)[0] != mixtures[0] and apart(heads(mix), faces) < 1 < apart(cells(mix), mixtures)
        for group in (0, 2):  # none is taken any more: each mixture is its row's face
            press(mix, f"#mix-layers .group >> nth={group}")
        switches = mix.locator("#mix-layers button").all()
        assert [switch.get_attribute("aria-pressed") for switch in switches] == ["false"] * 13
        assert apart(cells(mix), [uri for uri in heads(mix)[5:] for _ in range(5)]) < 1

    with subtests.test("a cell becomes the subject with its recipe"):
        afresh(mix)
        rows, columns = (side(mix, name).input_value().split() for name in ("rows", "columns"))
        press_anew(mix, "#mix-matrix [data-pick='2,3']")
        made = recipe_of(mix, "#mix-subject")
        assert made["verb"] == "mix" and made["layers"] == "0-2"
        assert (made["from"], made["to"]) == ({"seed": int(rows[2])}, {"seed": int(columns[3])})
        assert shown(mix, SUBJECT) != shown(mix, "#mix-matrix .head img")
        press_anew(mix, "#mix-matrix [data-pick=',1']")  # a face itself
        made = recipe_of(mix, "#mix-subject")
        assert made["from"] == {"seed": int(columns[1])} and made["to"] is None
        assert mix.locator("#mix-matrix [aria-current]").count() == 1

    with subtests.test("truncation 0 is one face for all seeds and the strip sets it"):
        afresh(mix)
        assert len(set(heads(mix))) == 10
        press_anew(mix, "#mix-psi [data-pick='0']")
        assert mix.locator("#mix-truncation input[type=number]").input_value() == "0"
        assert recipe_of(mix, "#mix-subject")["controls"]["truncation"] == 0.0
        assert apart(heads(mix), heads(mix)[:1] * 10) < 1
        before = shown(mix, SUBJECT)
        assert key(mix, "#mix-truncation", "End") == 1.5 and shown(mix, SUBJECT) != before
        assert recipe_of(mix, "#mix-subject")["controls"]["truncation"] == 1.5

    with subtests.test("a picture of ours brings its mixture back, and so does its link"):
        afresh(mix)
        press_anew(mix, "#mix-matrix [data-pick='2,3']")
        press_anew(mix, "#mix-layers .single >> nth=4")
        picture, made = saved(mix, "#mix-subject .download"), recipe_of(mix, "#mix-subject")
        press(mix, "#style-share button")
        query = mix.locator("#style-link .link").get_attribute("data-query")
        press_anew(mix, ".mixing .dice")
        turn_to_tab(mix, "latent")
        drop(mix, ".masthead", picture)
        mix.wait_for_selector("#opened .found:not(:has(progress))")
        idle(mix)
        assert recipe_of(mix, "#mix-subject") == made
        go(mix, f"{mix.url.partition('?')[0]}?{query}")
        mix.wait_for_selector("#opened >> text=mix")
        mix.wait_for_selector(SUBJECT)
        idle(mix)
        assert recipe_of(mix, "#mix-subject") == made

    with subtests.test("faces are named by seeds and what is no face is refused in a sentence"):
        side(mix, "rows").fill("1, 2 77")
        side(mix, "rows").press("Enter")
        mix.wait_for_function("document.querySelectorAll('#mix-matrix .head').length === 8")
        idle(mix)
        assert names(mix)[5:] == ["1", "2", "77"] and len(cells(mix)) == 15
        side(mix, "rows").fill("1 2 Q")
        side(mix, "rows").press("Enter")
        mix.wait_for_selector("text=neither a seed nor a face")
        idle(mix)
        assert names(mix)[5:] == ["1", "2", "77"]


def test_pictures_become_faces(mix, subtests):
    with subtests.test("a picture is searched for and the search can be cancelled"):
        with mix.expect_file_chooser() as chooser:
            mix.locator("#mix-upload").click()
        chooser.value.set_files([{"name": "face.png", "mimeType": "image/png", "buffer": face()}])
        mix.wait_for_selector("#mix-search progress")
        assert mix.locator("#mix-search .pair img").count() == 3, "the picture, what was found, and where they differ"
        mix.locator("#mix-stop").click()
        mix.wait_for_function(FIRST_ROW)
        mix.wait_for_selector("#mix-search progress", state="detached")
        idle(mix)
        assert "code" in recipe_of(mix, "#mix-subject")["from"]
        assert side(mix, "rows").input_value().startswith("A ")
        before = heads(mix)
        press(mix, ".mixing .dice")
        after = heads(mix)
        assert apart(after[5:6], before[5:6]) < 1 < apart(after[6:], before[6:]), "what was searched for stays"

    with subtests.test("a mixture is kept as a row and looks the same"):
        afresh(mix)
        press_anew(mix, "#mix-matrix [data-pick='2,3']")
        before = subject(mix)
        mix.locator("#mix-keep").click()
        mix.wait_for_function(FIRST_ROW)
        idle(mix)
        assert np.abs(subject(mix) - before).mean() < 2, "but for the rounding of what a recipe can carry"

    with subtests.test("a dropped picture is found to the end"):
        choose(mix, "stylegan2.small", MODELS)
        drop(mix, ".masthead", face())
        mix.wait_for_selector("#opened .found progress", timeout=2_000)  # at once, whatever the search takes
        mix.wait_for_selector("#mix-search progress")
        assert mix.locator("#mix-search").bounding_box()["y"] < mix.locator("#mix-matrix").bounding_box()["y"]
        mix.wait_for_function(FIRST_ROW, timeout=120_000)
        mix.wait_for_selector("#opened >> text=layer by layer")
        idle(mix)
        assert "code" in recipe_of(mix, "#mix-subject")["from"]


def test_a_face_is_moved_along_directions(mix, subtests):
    with subtests.test("a walk through the rows is saved"):
        press(mix, "#mix-walk button")
        mix.locator("#mix-walk-webp").click()
        assert Image.open(download(mix, "#mix-walk-file").path()).n_frames == 5 * 24

    with subtests.test("a direction moves chosen layers and can be named"):
        press(mix, "#mix-directions button")
        before, slider = shown(mix, SUBJECT), mix.locator("#mix-direction-0 input[type=range]")
        for _ in range(20):
            slider.press("ArrowRight")
        wait_for_change(mix, before, SUBJECT)
        mix.wait_for_selector("#mix-subject output >> text=sefa 1 +1.00")
        idle(mix)
        made = recipe_of(mix, "#mix-subject")
        assert made["by"] == {"sefa 1": 1.0} and made["moved"] == "0-9"
        press_anew(mix, "#mix-moved .group")  # no longer the coarse ones
        assert recipe_of(mix, "#mix-subject")["moved"] == "3-9"
        mix.locator("#mix-name input, #mix-name textarea").first.fill("older")
        press(mix, "#mix-save")
        assert mix.locator("#mix-names .chip >> text=older").count() == 1
        press_anew(mix, "#mix-reset")
        assert recipe_of(mix, "#mix-subject")["by"] == {}
        press_anew(mix, "#mix-names [data-pick='use:older']")
        made = recipe_of(mix, "#mix-subject")
        assert made["by"] == {"sefa 1": 1.0} and made["moved"] == "3-9"
        go(mix)
        turn_to_tab(mix, "style")
        press(mix, "#mix-directions button")
        mix.wait_for_selector("#mix-names [data-pick='use:older']")
