"""The Tokens tab in a real browser, over a small tokenizer and a small GPT: change, write, branch, complete, compress."""

from __future__ import annotations

import base64

import gradio as gr
import pytest

from genstudio import checkpoint
from genstudio.engine import Engine
from genstudio.registry import systems
from genstudio.ui import studio
from genstudio.ui.events import tell_values
from genstudio.ui.tabs.tokens.tab import TokensTab
from tests.small import INSTANCES, awake

pytestmark = pytest.mark.browser
WRITTEN = "() => document.querySelector('#tokens-likely .likely') && !document.querySelector('#tokens-said progress')"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A page of the tab alone."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genstudio.paths.checkpoint_folders", lambda: [folder])
        for name in ("small_vqvae", "small_gpt_of_faces"):
            patch.setitem(systems(), name, entry := INSTANCES[name])
            model = awake(entry)
            roles = {role: checkpoint.digest(folder / f"{entry.companions[role]}.safetensors") for role in model.trained_with}
            checkpoint.save(folder / f"{name}.safetensors", model, checkpoint.Header(name, companions=roles), pack=False)
        with gr.Blocks() as page:
            with gr.Tabs(elem_id="tabs"), gr.Tab("Tokens", id="tokens"):
                TokensTab(Engine("cpu"))
            tell_values(page)
        page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **studio.settings())
        yield page.local_url
        page.close()


def view(page, number: int) -> None:
    """A view of the tab; on a narrow page the menu keeps the last ones."""
    tabs = page.locator("#tokens-views > .tab-wrapper button[role=tab]")
    if tabs.count() > number:
        tabs.nth(number).click()
    else:
        page.locator("#tokens-views > .tab-wrapper .overflow-menu > button").click()
        page.locator("#tokens-views > .tab-wrapper .overflow-dropdown button").nth(number - tabs.count()).click()


@pytest.mark.parametrize(
    ("locale", "size", "words"),
    [
        ("en-US", (1400, 900), ("Row 2, column 3", "network calls", "another token", "Plain tokens", "From the file")),
        ("fr-FR", (400, 800), ("Ligne 2, colonne 3", "appels du réseau", "un autre jeton", "Jetons tels quels", "Du fichier")),
    ],
)
def test_a_visitor_changes_writes_branches_completes_and_compresses(served, browser, locale, size, words):
    context = browser.new_context(locale=locale, viewport={"width": size[0], "height": size[1]})
    complaints: list[str] = []
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(served)
        cell = page.locator("#tokens .tokens button").nth(6)
        cell.click()
        page.wait_for_function("said => document.querySelector('#tokens-note').innerText.includes(said)", arg=words[0])
        before = cell.inner_text()
        other = page.locator(f"#tokens-codebook button:not([data-pick='{before}'])").first
        chosen = other.get_attribute("data-pick")
        other.focus()
        page.keyboard.press("Enter")
        page.wait_for_function(
            "entry => document.querySelectorAll('#tokens .tokens button')[6].innerText == entry", arg=chosen
        )

        view(page, 1)
        page.locator("#tokens-write").click()
        page.wait_for_function(WRITTEN)
        assert words[1] in page.inner_text("#tokens-said")
        page.locator("#tokens-written .tokens button").nth(5).click()
        page.wait_for_selector("#tokens-written .tokens button:nth-child(6)[aria-pressed=true]")
        page.locator("#tokens-likely .likely button[aria-pressed=false]").first.click()
        page.wait_for_function("said => document.querySelector('#tokens-said').innerText.includes(said)", arg=words[2])
        page.locator("#tokens-complete").click()
        page.wait_for_function("() => /^8 /.test(document.querySelector('#tokens-said').innerText)")

        view(page, 2)
        page.locator("#tokens-compress").click()
        page.wait_for_selector("#tokens-result table")
        assert words[3] in page.inner_text("#tokens-result")
        with page.expect_download() as saved:
            page.locator("#tokens-file").click()
        body = base64.b64encode(open(saved.value.path(), "rb").read()).decode()
        page.evaluate(
            """body => {
                const files = new DataTransfer();
                files.items.add(new File([Uint8Array.from(atob(body), c => c.charCodeAt(0))], 'face.tokens'));
                const dropped = {bubbles: true, cancelable: true, dataTransfer: files};
                document.querySelector('#tokens-result').dispatchEvent(new DragEvent('drop', dropped));
            }""",
            body,
        )
        page.wait_for_function("said => document.querySelector('#tokens-result').innerText.includes(said)", arg=words[4])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth") and not complaints
    finally:
        context.close()
