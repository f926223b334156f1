"""The door in a real browser: files dropped on the page, links that are followed, and the page on a large screen."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch

from genstudio import checkpoint
from genstudio.recipes import links
from genstudio.registry import find_system
from tests.ui.page import JOURNEY, card, drop, go, idle, png, press, recipe_of, shown, wait_for_change

pytestmark = JOURNEY
READS = {"permissions": ["clipboard-read", "clipboard-write"]}


def roll(page) -> None:
    """Another start, which enters the history."""
    before, count = shown(page), page.locator("#history [data-pick]").count()
    press(page, "#from-roll")
    assert shown(page) != before and page.locator("#history [data-pick]").count() == count + 1


def link(page) -> str:
    """The link in its accordion, opened where it is closed."""
    if not page.locator("#link .link").count():
        press(page, "#share button")
    return page.locator("#link .link").get_attribute("data-query")


@pytest.mark.parametrize("page", [READS], indirect=True)
def test_links_are_passed_on_and_followed(page, server, subtests):
    with subtests.test("a copied link carries the address that the visitor sees"):
        query = link(page)
        page.locator("[data-copied]").click()
        page.wait_for_selector("[data-copied]:has-text('Copied')")
        assert page.evaluate("navigator.clipboard.readText()") == f"{server}?{query}"
        press(page, "[data-code]")
        assert page.locator("#qr svg").count() == 1
        roll(page)
        assert link(page) != query
        assert not page.locator("#qr svg").count(), "a code of another picture would lie"

    with subtests.test("a link brings the picture back and leaves the address"):
        query, before = link(page), recipe_of(page, "#stage .spherical")
        assert links.from_query(query)["from"] == before["from"]
        page.evaluate("localStorage.clear()")
        go(page, f"{server}?{query}")
        assert "Restored, with the same weights." in card(page, "link")
        assert page.locator("#from-seed input").input_value() == str(before["from"]["seed"])
        assert recipe_of(page, "#stage .spherical") == before
        assert page.evaluate("location.search") == ""

    for query, words in (
        ("verb=interpolate&system=vae_mnist&from=3&to=54&position=0.5&truncation=9", "Truncation must lie"),
        ("verb=sample&system=..%2F..%2Fetc%2Fpasswd&seed=1", "No system is called"),
        ("verb=delete&system=vae_mnist", "verb"),
        ("verb=sample&system=vae_mnist&seed=" + "9" * 3000, "too long"),
        ("verb=<img src=x onerror=alert(1)>&system=vae_mnist", "verb"),
    ):
        with subtests.test("a wrong link gets one sentence and the page still opens", query=query[:60]):
            go(page, f"{server}?{query}")
            assert words in card(page, words)
            page.wait_for_selector("#strip img")
            assert not page.locator("#opened img").count()


def test_files_of_every_form_are_named(page, tmp_path, subtests):
    with subtests.test("foreign files are named and nothing changes"):
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
            idle(page)
        assert shown(page) == before and page.title() == "GenStudio"
        press(page, "[data-dismiss]")
        assert not page.locator("#opened .found").count()
        drop(page, ".masthead", pickle.dumps({"G": 1}), "network.pkl")  # the same again, after it was closed
        assert "no tensors in it" in card(page, "network.pkl")
        idle(page)

    with subtests.test("too large a file is named and never sent"):
        press(page, "[data-dismiss]")
        sent = []
        page.on("request", lambda r: sent.append(r.url) if "/upload" in r.url else None)
        page.evaluate("""() => {
            const file = new File(['GGUF\\x03'], 'llama.gguf'), transfer = new DataTransfer();
            transfer.items.add(file);
            const input = document.querySelector('.entrance input[type=file]');
            Object.defineProperty(input, 'files', {configurable: true, value: [file]});
            Object.defineProperty(file, 'size', {value: 5e9});
            input.dispatchEvent(new Event('change', {bubbles: true}));
            delete input.files;
        }""")
        text = card(page, "llama.gguf")
        idle(page)
        assert "GGUF" in text and "5.0 GB" in text and "up to 1.0 GB" in text and not sent

    with subtests.test("weights that are dropped on an end go through the door"):
        # An end takes pictures; Gradio would refuse the rest with a sentence of its own.
        press(page, "[data-dismiss]")
        transfer = page.evaluate_handle("""() => { const t = new DataTransfer();
            t.items.add(new File([new Uint8Array([128, 4, 46])], 'network.pkl')); return t; }""")
        page.locator("#from").dispatch_event("drop", {"dataTransfer": transfer})
        assert "pickle" in card(page, "network.pkl")
        idle(page)

    with subtests.test("a recipe as text restores the tab"):
        made = {"verb": "interpolate", "system": "vae_mnist", "from": {"seed": 5}, "to": {"seed": 6}, "position": 0.25,
                "path": "spherical", "controls": {"truncation": 0.5}}  # fmt: skip
        drop(page, "#stage", json.dumps(made).encode(), "recipe.json")
        assert "Restored" in card(page, "A recipe")
        idle(page)
        assert page.locator("#position input[type=range]").input_value() == "0.25"
        assert page.locator("#from-seed input").input_value() == "5"

    with subtests.test("dropped weights are chosen without a restart"):
        torch.manual_seed(7)
        path = tmp_path / "vae_mnist.dropped.safetensors"
        header = checkpoint.Header("vae_mnist", data="mnist", credit="LeCun <b>et al.</b>", images=123_456)
        checkpoint.save(path, find_system("vae_mnist").build(), header)
        before, count = shown(page), page.locator("#models .card").count()
        page.locator(".entrance input[type=file]").set_input_files(str(path))
        text = card(page, "Kept as")  # once it was tried; what it is stands there before
        for words in ("Weights for GenStudio", "Kept as", "LeCun <b>et al.</b>", "Apache-2.0", "123\u202f456"):
            assert words in text
        idle(page)
        assert shown(page) != before and page.locator("#models .card").count() == count + 1
        assert page.locator("#models .card[aria-pressed=true]").get_attribute("data-pick") == "vae_mnist.dropped"


def test_presenting_shows_the_stage_alone_and_the_arrows_steer_it(page):
    roll(page)
    small = page.locator("#stage img").first.bounding_box()["width"]
    page.locator("#present").click()
    page.wait_for_selector(".presenting")
    idle(page)
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
    idle(page)
    newest = recipe_of(page, "#stage")
    seen = [newest]
    while seen[-1]["from"] == newest["from"] and len(seen) < 8:  # places where the slider rested are in the history
        page.keyboard.press("ArrowDown")
        idle(page)
        seen.append(recipe_of(page, "#stage"))
    assert len({made["position"] for made in seen}) > 1 and seen[-1]["from"] != newest["from"]
    for _ in seen[1:]:
        page.keyboard.press("ArrowUp")
        idle(page)
    assert recipe_of(page, "#stage") == newest
    page.keyboard.press("Escape")
    page.wait_for_selector(".masthead")
    idle(page)
    assert not page.locator(".presenting").count()
    page.keyboard.press("ArrowRight")
    idle(page)
    assert page.locator("#stage img").first.bounding_box()["width"] == small


def dragged(page, selector: str, **types: str) -> None:
    """A drop on an element as the browser itself makes it, of what another window gives it: by default it would go there."""
    box, session = page.locator(selector).first.bounding_box(), page.context.new_cdp_session(page)
    items = [{"mimeType": kind.replace("_", "/", 1).replace("_", "-"), "data": text} for kind, text in types.items()]
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    for event in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": event, **where, "data": {"items": items, "dragOperationsMask": 1}})
    session.detach()


def test_a_dragged_picture_is_read_where_it_carries_itself_and_the_page_is_never_left(page, server, subtests):
    roll(page)
    uri = page.locator("#stage img").first.get_attribute("src")
    assert uri.startswith("data:image/png;base64,")
    before, elsewhere = shown(page), "http://127.0.0.1:9/cat.png"
    page.evaluate("window.stayed = true")
    for name, given in {
        "an address": {"text_uri_list": elsewhere},
        "a picture of another page": {"text_uri_list": elsewhere, "text_html": f'<img src="{elsewhere}">'},
        "text": {"text_plain": "I am a cat"},
        "an address on a slider": {"text_uri_list": elsewhere, "place": "input[type=range]"},
    }.items():
        with subtests.test(f"{name} gets a sentence"):
            dragged(page, given.pop("place", "#stage"), **given)
            page.wait_for_selector("#opened section")
            assert "nothing is loaded from elsewhere: save the picture" in page.locator("#opened").inner_text()
            page.locator("[data-dismiss]").click()
            page.wait_for_selector("#opened section", state="detached")
            assert shown(page) == before and page.evaluate("window.stayed") and page.url.startswith(server)
    for name, given in {
        "a data URI": {"text_uri_list": uri},
        "the source of a linked picture": {"text_uri_list": elsewhere, "text_html": f'<a href="{elsewhere}"><img src="{uri}"></a>'},
    }.items():
        with subtests.test(f"{name} is opened as a file"):
            dragged(page, ".masthead", **given)
            assert "dropped.png" in card(page, "picture with its recipe")
            assert page.evaluate("window.stayed")
            page.locator("[data-dismiss]").click()
            page.wait_for_selector("#opened section", state="detached")
            idle(page)
    with subtests.test("a data URI of something else gets the sentence of such a file"):
        dragged(page, ".masthead", text_uri_list="data:text/plain,hello")
        assert "Not a picture, weights or a recipe" in card(page, "dropped.plain")
    with subtests.test("a text still drops into a field"):
        page.locator("#from-seed input").fill("")
        dragged(page, "#from-seed input", text_plain="12")
        assert page.locator("#from-seed input").input_value() == "12"
        idle(page)
