"""The page and the way between two pictures in a real browser: what a visitor does, and what must never happen."""

from __future__ import annotations

import numpy as np
import pytest

from genstudio.images import read_recipe
from tests.ui.page import (
    JOURNEY,
    choose,
    drag,
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
    toast,
    wait_for_change,
)

pytestmark = JOURNEY
SPHERICAL = "#stage .spherical .download"


def position_of(page) -> float:
    """The position in the recipe of the picture."""
    return recipe_of(page, "#stage .spherical")["position"]


def test_a_visitor_steers_between_two_pictures(page, subtests):
    with subtests.test("the page opens on a finished picture of two paths"):
        assert page.locator("#stage img").count() == 2
        assert page.locator("#strip img").count() == 18
        assert "‖z‖" in page.locator("#stage").inner_text()

    with subtests.test("a drag moves the picture and ends on the last position"):
        places = [(x, 0.5) for x in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.95)]
        drag(page, "#position input[type=range]", places, "#stage img")
        end = float(page.locator("#position input[type=range]").input_value())
        assert end > 0.9 and position_of(page) == pytest.approx(end)

    with subtests.test("arrow keys move the position by its step"):
        press(page, "#strip [data-pick='0.5']")
        for name, position in (("ArrowRight", 0.505), ("ArrowRight", 0.51), ("ArrowLeft", 0.505)):
            before = shown(page)
            assert key(page, "#position", name) == pytest.approx(position)
            assert shown(page) != before and position_of(page) == pytest.approx(position)

    with subtests.test("truncation zero shows the average at every position"):
        before = shown(page)
        assert key(page, "#way-truncation", "Home") == 0 and shown(page) != before
        first, second = (opened(saved(page, f"#stage .{path} .download")) for path in ("linear", "spherical"))
        assert np.array_equal(np.asarray(first), np.asarray(second))

    with subtests.test("the space bar rolls another one"):
        choose(page, "vae_avatars")
        seed, before = page.locator("#from-seed input").input_value(), shown(page)
        press(page, ".masthead h1")  # on a button, the bar would press that
        page.keyboard.press("Space")
        wait_for_change(page, before)
        assert page.locator("#from-seed input").input_value() != seed

    with subtests.test("the history brings a picture back"):
        idle(page)
        before, count = shown(page), page.locator("#history [data-pick]").count()
        press(page, "#dice")
        assert shown(page) != before and page.locator("#history [data-pick]").count() == count + 1
        page.locator("#history [data-pick]").nth(1).click()
        page.wait_for_function("([s, b]) => document.querySelector(s)?.src === b", arg=["#stage img", before])

    with subtests.test("a reload brings the scene back"):
        press(page, "#dice")
        seed = page.locator("#from-seed input").input_value()
        go(page)
        page.wait_for_function("s => document.querySelector('#from-seed input').value === s", arg=seed)


def test_a_visitors_pictures_come_and_go(page, subtests):
    with subtests.test("a text file named png gets one sentence and nothing is lost"):
        before = shown(page)
        drop(page, ".masthead", b"this is no picture")
        assert "Not a picture" in toast(page, "Not a picture")
        idle(page)
        assert shown(page) == before

    with subtests.test("a downloaded picture that is dropped back restores the tab"):
        choose(page, "vae_mnist")
        picture = saved(page, SPHERICAL)
        recipe = read_recipe(opened(picture))
        assert recipe["system"] == "vae_mnist" and recipe["position"] == 0.5
        choose(page, "dcgan_avatars")
        press(page, "#dice")
        drop(page, ".masthead", picture)
        page.wait_for_selector("#models .card[aria-pressed=true][data-pick='vae_mnist']")
        idle(page)
        assert saved(page, SPHERICAL) == picture

    with subtests.test("a dropped picture becomes an end with its error"):
        choose(page, "vae_mnist")
        digit = np.full((60, 60), 255, np.uint8)
        digit[10:50, 26:34] = 0  # dark on light: it is turned round for a model that knows light on dark
        drop(page, "#from", png(digit))
        page.wait_for_selector("#from .pair")
        idle(page)
        assert float(page.locator("#from output").inner_text()) > 0
        press(page, "#recipe button")
        assert "code:" in page.locator("#recipe .cm-content").inner_text()
        assert "code" in recipe_of(page, "#stage")["from"]

    with subtests.test("a drawing becomes an end"):
        press(page, "#to-draw button")
        drag(page, "#to-pad canvas", [(0.2, 0.2), (0.6, 0.2), (0.4, 0.7)])
        page.wait_for_selector("#to .pair")
        idle(page)
        assert "code" in recipe_of(page, "#stage")["to"]


def test_api_refuses_in_one_sentence_and_the_server_stays_up(server):
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    client = Client(server, verbose=False)
    wishes = {
        "500 seeds": ("/sample", ("vae_mnist", list(range(500)), None)),
        "no system is called": ("/sample", ("vae_mnits", [1], None)),
        "no system is called '/etc": ("/sample", ("/etc/passwd.safetensors", [1], None)),
        "truncation must lie": ("/sample", ("vae_mnist", [1], {"truncation": 7})),
        "truncation must be a number": ("/sample", ("vae_mnist", [1], {"truncation": None})),
        "no classes": ("/sample", ("vae_mnist", [1], None, ["3"])),
        "seed is a whole number": ("/sample", ("vae_mnist", [-1], None)),
        "position lies between": ("/interpolate", ("vae_mnist", {"seed": 1}, {"seed": 2}, [1.5], "spherical", None)),
        # NaN in float16
        "damaged": ("/interpolate", ("vae_mnist", {"code": "AH4AfgB+"}, {"seed": 2}, [0.5], "spherical", None)),
    }
    for sentence, (name, arguments) in wishes.items():
        with pytest.raises(AppError, match="(?i)" + sentence):
            client.predict(*arguments, api_name=name)
    pictures = client.predict("vae_mnist", [3, 4], None, api_name="/sample")
    assert len(pictures) == 2 and pictures[0].startswith("data:image/png")
    assert client.predict("cgan_mnist", [3, 3], None, ["1", 8], api_name="/sample")[1] == client.predict(
        "cgan_mnist", [3], {"label": "8"}, api_name="/sample"
    )[0]
