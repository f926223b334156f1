"""The door in a real browser: files dropped on the page, links that are followed, and the page on a large screen."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import checkpoint, recipe
from genstudio.images import read_recipe
from genstudio.registry import find
from tests.test_page import download, drop, go, png, shown, wait_for_change

pytestmark = pytest.mark.browser
READS = {"permissions": ["clipboard-read", "clipboard-write"]}


def card(page, word: str) -> str:
    """The text of the card once it says the word."""
    page.wait_for_selector(f"#opened .found:has-text({json.dumps(word)})")
    return page.locator("#opened").inner_text()


def give(page, path) -> None:
    """Opens a file with the button."""
    page.locator(".entrance input[type=file]").set_input_files(str(path))


def roll(page) -> None:
    """Another start, which enters the history."""
    before, count = shown(page), page.locator("#history button").count()
    page.locator("#from-roll").click()
    wait_for_change(page, before)
    page.wait_for_function("n => document.querySelectorAll('#history button').length > n", arg=count)


def link(page) -> str:
    """The link in its accordion, opened where it is closed."""
    if not page.locator("#link .link").count():
        page.locator("#share button").first.click()
    page.wait_for_selector("#link .link")
    return page.locator("#link .link").get_attribute("data-query")


def test_link_brings_the_picture_back_and_leaves_the_address(page, server):
    roll(page)
    query, before = link(page), read_recipe(Image.open(io.BytesIO(download(page))))
    assert recipe.from_query(query)["from"] == before["from"]
    page.evaluate("localStorage.clear()")
    go(page, f"{server}?{query}")
    assert "Restored, with the same weights." in card(page, "link")
    page.wait_for_function(f"document.querySelector('#from-seed input')?.value === '{before['from']['seed']}'")
    assert read_recipe(Image.open(io.BytesIO(download(page)))) == before
    page.wait_for_function("location.search === ''")


@pytest.mark.parametrize("page", [READS], indirect=True)
def test_copied_link_carries_the_address_that_the_visitor_sees(page, server):
    query = link(page)
    page.locator("[data-copied]").click()
    page.wait_for_selector("[data-copied]:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == f"{server}?{query}"
    page.locator("[data-code]").click()
    page.wait_for_selector("#qr svg")
    roll(page)
    page.wait_for_function("before => document.querySelector('#link .link').dataset.query !== before", arg=query)
    page.wait_for_selector("#qr svg", state="detached")  # a code of another picture would lie


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("verb=interpolate&system=vae_mnist&from=3&to=54&position=0.5&truncation=9", "Truncation must lie"),
        ("verb=sample&system=..%2F..%2Fetc%2Fpasswd&seed=1", "No system is called"),
        ("verb=delete&system=vae_mnist", "verb"),
        ("verb=sample&system=vae_mnist&seed=" + "9" * 3000, "too long"),
        ("verb=<img src=x onerror=alert(1)>&system=vae_mnist", "verb"),
    ],
)
def test_wrong_link_gets_one_sentence_and_the_page_still_opens(page, server, query, words):
    go(page, f"{server}?{query}")
    assert words in card(page, words)
    page.wait_for_selector("#strip img")
    assert not page.locator("#opened img").count()


def test_dropped_weights_are_chosen_without_a_restart(page, tmp_path):
    torch.manual_seed(7)
    path = tmp_path / "vae_mnist.dropped.safetensors"
    header = checkpoint.Header("vae_mnist", data="mnist", credit="LeCun <b>et al.</b>", images=123_456)
    checkpoint.save(path, find("vae_mnist").build(), header)
    before, count = shown(page), page.locator("#models .card").count()
    give(page, path)
    text = card(page, "Kept as")  # once it was tried; what it is stands there before
    for words in ("Weights for GenStudio", "Kept as", "LeCun <b>et al.</b>", "Apache-2.0", "123\u202f456"):
        assert words in text
    wait_for_change(page, before)
    assert page.locator("#models .card").count() == count + 1
    assert page.locator("#models .card[aria-pressed=true]").get_attribute("data-pick") == "vae_mnist.dropped"


def test_foreign_files_are_named_and_nothing_changes(page, tmp_path):
    before, archive = shown(page), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for i in range(3):
            files.writestr(f"cats/{i}.png", png(np.zeros((8, 8, 3), np.uint8)))
    for name, content, words in (
        ("network.pkl", pickle.dumps({"G": 1}), "pickle"),
        ("cats.zip", archive.getvalue(), "genstudio train vae_avatars --data cats.zip"),
        ("half.safetensors", b"\x80\0\0\0\0\0\0\0" + b'{"a": ', "Truncated or broken"),
        ("page.html", b"<script>document.title = 'taken'</script>", "nothing was done with it"),
    ):
        drop(page, ".masthead", content, name)
        assert name in card(page, words)
    assert shown(page) == before and page.title() == "GenStudio"
    page.locator("[data-dismiss]").click()
    page.wait_for_selector("#opened .found", state="detached")
    drop(page, ".masthead", pickle.dumps({"G": 1}), "network.pkl")  # the same again, after it was closed
    assert "no tensors in it" in card(page, "network.pkl")


def test_recipe_as_text_restores_the_tab(page):
    made = {"verb": "interpolate", "system": "vae_mnist", "from": {"seed": 5}, "to": {"seed": 6}, "position": 0.25,
            "path": "spherical", "controls": {"truncation": 0.5}}  # fmt: skip
    drop(page, "#stage", json.dumps(made).encode(), "recipe.json")
    assert "Restored" in card(page, "A recipe")
    page.wait_for_function("document.querySelector('#position input[type=range]').value === '0.25'")
    assert page.locator("#from-seed input").input_value() == "5"


def test_too_large_a_file_is_named_and_never_sent(page):
    sent = []
    page.on("request", lambda r: sent.append(r.url) if "/upload" in r.url else None)
    page.evaluate("""() => {
        const file = new File(['GGUF\\x03'], 'llama.gguf'), transfer = new DataTransfer();
        transfer.items.add(file);
        const input = document.querySelector('.entrance input[type=file]');
        Object.defineProperty(input, 'files', {configurable: true, value: [file]});
        Object.defineProperty(file, 'size', {value: 5e9});
        input.dispatchEvent(new Event('change', {bubbles: true}));
    }""")
    text = card(page, "llama.gguf")
    assert "GGUF" in text and "5.0 GB" in text and "up to 1.0 GB" in text and not sent


def test_weights_dropped_on_an_end_go_through_the_door(page):
    """An end takes pictures; Gradio would refuse the rest with a sentence of its own."""
    transfer = page.evaluate_handle("""() => { const t = new DataTransfer();
        t.items.add(new File([new Uint8Array([128, 4, 46])], 'network.pkl')); return t; }""")
    page.locator("#from").dispatch_event("drop", {"dataTransfer": transfer})
    assert "pickle" in card(page, "network.pkl")


@pytest.mark.parametrize("page", [{"locale": "fr-FR", "viewport": {"width": 400, "height": 800}}], indirect=True)
def test_card_in_french_on_a_phone(page):
    drop(page, ".masthead", pickle.dumps({"G": 1}), "network.pkl")
    text = card(page, "network.pkl")
    assert "en pickle Python" in text and "octets" in text and "Inutilisable." in text
    assert page.evaluate("document.documentElement.scrollWidth <= 400")


def test_presenting_shows_the_stage_alone_and_the_arrows_steer_it(page):
    roll(page)
    small = page.locator("#stage img").first.bounding_box()["width"]
    page.locator("#present").click()
    page.wait_for_selector(".presenting")
    assert page.locator("#stage img").first.bounding_box()["width"] > 1.4 * small
    for hidden in (".masthead", "#models", "#history", "#recipe", "#from", "footer"):
        assert not page.locator(hidden).first.is_visible(), hidden
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight + 40")

    position, before = page.locator("#position input[type=range]"), shown(page)
    page.keyboard.press("ArrowRight")
    wait_for_change(page, before)
    assert float(position.input_value()) == pytest.approx(0.52)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('#position input[type=range]').value === '0.48'")
    seed, before = page.locator("#from-seed input").input_value(), shown(page)
    page.keyboard.press("ArrowDown")
    wait_for_change(page, before)
    page.wait_for_function("s => document.querySelector('#from-seed input').value !== s", arg=seed)
    page.keyboard.press("ArrowUp")
    page.wait_for_function("s => document.querySelector('#from-seed input').value === s", arg=seed)
    page.keyboard.press("Escape")
    page.wait_for_selector(".masthead")
    assert not page.locator(".presenting").count()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert page.locator("#stage img").first.bounding_box()["width"] == small


@pytest.mark.parametrize("page", [{"viewport": {"width": 400, "height": 800}, "has_touch": True}], indirect=True)
def test_presenting_on_a_phone_can_be_left_without_a_keyboard(page):
    page.locator("#present").tap()
    page.wait_for_selector(".presenting")
    assert page.evaluate("document.documentElement.scrollWidth <= 400")
    page.locator("#leave").tap()
    page.wait_for_selector(".masthead")
    assert not page.locator(".presenting").count()
