"""What the page asks for as a Space: nothing of another host."""

from __future__ import annotations

import pytest

from genstudio.engine import Engine
from genstudio.ui import studio
from tests.ui.page import JOURNEY, idle, watch

pytestmark = JOURNEY


# Gradio looks for the package `spaces`, which only Spaces have, in a thread of its own.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_on_a_space_every_request_goes_to_the_pages_own_host(browser, monkeypatch):
    monkeypatch.setenv("SYSTEM", "spaces")
    monkeypatch.setenv("SPACE_ID", "me/studio")
    served = studio.build(Engine())
    # Gradio would have a Space's page drawn by Node.
    served.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False, **studio.settings())
    context = browser.new_context(locale="en-US")
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    try:
        watch(page)
        page.goto(served.local_url)
        page.wait_for_selector("#stage img")
        idle(page)
    finally:
        context.close()
        served.close()
    assert any("/queue/join" in url for url in asked)
    assert [url[:200] for url in asked if not url.startswith((served.local_url, "data:", "blob:"))] == []
