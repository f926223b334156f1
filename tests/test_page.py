"""The page in a real browser: what a visitor does, and what must never happen meanwhile."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from genstudio.images import read_recipe
from genstudio.ui.studio import TABS

pytestmark = pytest.mark.browser


def shown(page, selector="#stage img"):
    return page.locator(selector).first.get_attribute("src")


def wait_for_change(page, before, selector="#stage img"):
    page.wait_for_function("([s, b]) => document.querySelector(s)?.src !== b", arg=[selector, before])


def turn_to_tab(page, key):
    """One of the page's tabs; on a narrow page, where a menu keeps it, by its title."""
    page.wait_for_selector("#tabs > .tab-wrapper button[role=tab]")
    tab = page.locator(f"#tabs > .tab-wrapper button[role=tab][data-tab-id={key}]")
    if tab.count():
        tab.click()
    else:
        title = next(title for name, title, _ in TABS if name == key)
        page.locator("#tabs > .tab-wrapper .overflow-menu > button").click()
        said = getattr(title, "fr" if page.evaluate("navigator.language").startswith("fr") else "en")
        page.locator("#tabs > .tab-wrapper .overflow-dropdown button", has_text=said).click()


def choose(page, name):
    before = shown(page)
    page.locator(f"#models .card[data-pick='{name}']").click()
    wait_for_change(page, before)


def go(page, address=None):
    """To another address, or here again, once nothing is under way: a page that is left complains of what it drops."""
    page.wait_for_timeout(2000)
    page.goto(address) if address else page.reload()


def drop(page, selector, data, name="dropped.png"):
    """Drops bytes as a file on an element, as a mouse would."""
    transfer = page.evaluate_handle(
        """([bytes, name]) => { const t = new DataTransfer();
        t.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/png'})); return t; }""",
        [list(data), name],
    )
    for event in ("dragover", "drop"):
        page.locator(selector).first.dispatch_event(event, {"dataTransfer": transfer})


def png(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def download(page, path="spherical"):
    with page.expect_download() as waiting:
        page.locator(f"#stage .{path} .download").click()
    return waiting.value.path().read_bytes()


def test_page_opens_on_a_finished_picture_of_two_paths(page):
    assert page.locator("#stage img").count() == 2
    assert page.locator("#strip img").count() == 18
    assert "‖z‖" in page.locator("#stage").inner_text()


def test_drag_moves_the_picture_and_ends_on_the_last_position(page):
    box = page.locator("#position input[type=range]").bounding_box()
    y = box["y"] + box["height"] / 2
    seen = {shown(page)}
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for i in range(25):
        page.mouse.move(box["x"] + box["width"] * (0.5 + 0.018 * i), y)
        page.wait_for_timeout(30)
        seen.add(shown(page))
    page.mouse.up()
    end = float(page.locator("#position input[type=range]").input_value())
    page.wait_for_timeout(1500)
    assert len(seen) >= 5, "the picture follows the drag, not only its end"
    assert read_recipe(Image.open(io.BytesIO(download(page))))["position"] == pytest.approx(end)


def test_arrow_keys_move_the_position(page):
    before = shown(page)
    page.locator("#position input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    wait_for_change(page, before)


def test_truncation_zero_shows_the_average_at_every_position(page):
    before = shown(page)
    page.locator("#way-truncation input[type=range]").focus()
    page.keyboard.press("Home")
    wait_for_change(page, before)
    page.wait_for_timeout(500)
    first, second = (Image.open(io.BytesIO(download(page, path))) for path in ("linear", "spherical"))
    assert np.array_equal(np.asarray(first), np.asarray(second))


def test_space_bar_rolls_another_one(page):
    before = page.locator("#from-seed input").input_value(), shown(page)
    page.locator("#stage").hover()
    page.keyboard.press("Space")
    wait_for_change(page, before[1])
    assert page.locator("#from-seed input").input_value() != before[0]


def test_downloaded_picture_dropped_back_restores_the_tab(page):
    choose(page, "vae_mnist")
    picture = download(page)
    recipe = read_recipe(Image.open(io.BytesIO(picture)))
    assert recipe["system"] == "vae_mnist" and recipe["position"] == 0.5
    choose(page, "dcgan_avatars")
    page.locator("#dice").click()
    page.wait_for_timeout(1000)
    drop(page, ".masthead", picture)
    page.wait_for_selector("#models .card[aria-pressed=true][data-pick='vae_mnist']")
    page.wait_for_timeout(500)
    assert download(page) == picture


def test_dropped_picture_becomes_an_end_with_its_error(page):
    choose(page, "vae_mnist")
    digit = np.full((60, 60), 255, np.uint8)
    digit[10:50, 26:34] = 0  # dark on light: it is turned round for a model that knows light on dark
    drop(page, "#from", png(digit))
    page.wait_for_selector("#from .pair")
    assert float(page.locator("#from output").inner_text()) > 0
    assert "code:" in (read_command(page))


def read_command(page):
    page.locator("#recipe button").first.click()
    return page.locator("#recipe .cm-content").inner_text()


def test_drawing_becomes_an_end(page):
    choose(page, "vae_mnist")
    page.locator("#to-draw button").first.click()
    sheet = page.locator("#to-pad canvas")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 50, steps=5)
    page.mouse.move(box["x"] + 90, box["y"] + 170, steps=5)
    page.mouse.up()
    page.wait_for_selector("#to .pair")


def test_text_file_named_png_gets_one_sentence_and_nothing_is_lost(page):
    before = shown(page)
    drop(page, ".masthead", b"this is no picture")
    page.wait_for_selector(".toast-body")
    assert "Not a picture" in page.locator(".toast-body").first.inner_text()
    assert shown(page) == before


def test_history_brings_a_picture_back(page):
    first = shown(page)
    page.locator("#dice").click()
    wait_for_change(page, first)
    page.wait_for_function("document.querySelectorAll('#history button').length >= 2")
    page.locator("#history button").last.click()
    page.wait_for_function("([s, b]) => document.querySelector(s)?.src === b", arg=["#stage img", first])


def test_reload_brings_the_scene_back(page):
    page.locator("#dice").click()
    page.wait_for_timeout(1500)
    seed = page.locator("#from-seed input").input_value()
    go(page)
    page.wait_for_selector("#strip img")
    page.wait_for_function("s => document.querySelector('#from-seed input').value === s", arg=seed)


@pytest.mark.parametrize("page", [{"locale": "fr-FR"}], indirect=True)
def test_french(page):
    text = page.locator("body").inner_text()
    for words in ("Espace latent", "Départ", "Sphérique", "Une autre", "visages dessinés", "Historique"):
        assert words in text
    assert "Start" not in text


@pytest.mark.parametrize("page", [{"viewport": {"width": 400, "height": 800}}], indirect=True)
def test_phone_needs_no_sideways_scrolling_and_shows_the_picture_first(page):
    assert page.evaluate("document.documentElement.scrollWidth <= 400")
    assert page.locator("#stage").bounding_box()["y"] < page.locator("#from").bounding_box()["y"]


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
        "damaged": ("/interpolate", ("vae_mnist", {"code": "AH4AfgB+"}, {"seed": 2}, [0.5], "spherical", None)),  # NaN in float16
    }
    for sentence, (name, arguments) in wishes.items():
        with pytest.raises(AppError, match="(?i)" + sentence):
            client.predict(*arguments, api_name=name)
    pictures = client.predict("vae_mnist", [3, 4], None, api_name="/sample")
    assert len(pictures) == 2 and pictures[0].startswith("data:image/png")
    assert client.predict("cgan_mnist", [3, 3], None, ["1", 8], api_name="/sample")[1] == client.predict(
        "cgan_mnist", [3], {"label": "8"}, api_name="/sample"
    )[0]
