"""The Flow view in a real browser: layers under a slider and keys, a picture there and back, a phone in French."""

from __future__ import annotations

import numpy as np
import pytest

from genstudio.ui.tabs.latent import flow_words as w
from tests.ui.page import JOURNEY, idle, key, png, press, send, shown, slide, turn_to_view

pytestmark = JOURNEY
PHONE = {"locale": "fr-FR", "viewport": {"width": 400, "height": 800}, "has_touch": True}
STAGE, LAYER = "#flow-stage img", "#flow-stage .stage"


def layer(page) -> int:
    return int(page.locator(LAYER).get_attribute("data-layer"))


def nats(page) -> list[float]:
    found = page.locator("#flow-terms [data-nats]").evaluate_all("all => all.map(one => +one.dataset.nats)")
    return [float(value) for value in found]


def opened(page) -> None:
    turn_to_view(page, "#views", "flow", w.TITLE)
    page.wait_for_selector(f"{STAGE}[src^=data]")
    idle(page)


def test_a_flow_is_followed_layer_by_layer(page, subtests):
    opened(page)
    with subtests.test("it opens on the picture, and the arrow keys go back through the layers"):
        last, picture = layer(page), shown(page, STAGE)
        assert last == page.locator("#flow-terms .det").count()
        assert key(page, "#flow-layer", "ArrowLeft") == last - 1 == layer(page)
        assert shown(page, STAGE) != picture

    with subtests.test("a click on the strip goes to the latents, and to the picture again"):
        press(page, "#flow-strip [data-pick='0']")
        assert layer(page) == 0 and page.locator("#flow-layer input[type=number]").input_value() == "0"
        press(page, f"#flow-strip [data-pick='{last}']")
        assert layer(page) == last and shown(page, STAGE) == picture

    with subtests.test("the bars add up"):
        *terms, total = nats(page)
        assert sum(terms) == pytest.approx(total, abs=0.05)

    with subtests.test("the temperature scales the latents"):
        before = nats(page)
        slide(page, "#flow-temperature", 0)
        idle(page)
        assert shown(page, STAGE) != picture and nats(page) != before
        press(page, "#flow-dice")
        assert shown(page, STAGE) != picture

    with subtests.test("a picture of the visitor's comes back exactly"):
        digit = np.zeros((28, 28), np.uint8)
        digit[4:24, 12:16] = 255
        send(page, "flow-picture-upload", ("one.png", png(digit)))
        idle(page)
        assert float(page.locator("#flow-trip [data-difference]").get_attribute("data-difference")) < 0.05
        given, rebuilt = page.locator("#flow-trip img").evaluate_all("all => all.map(one => one.src)")
        assert given == rebuilt


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_flow_on_a_phone_in_french(page):
    opened(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert w.FOREIGN.fr in page.locator("#flow-foreign").inner_text()
    assert "," in page.locator("#flow-terms output").first.inner_text()
