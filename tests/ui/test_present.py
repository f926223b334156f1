"""Present mode: each view alone on a screen, whole and nothing over anything else, steered by arrows and space bar."""

from __future__ import annotations

import pytest

from tests.ui.page import JOURNEY, choose, idle, shown, turn_to_tab, turn_to_view, wait_for_change

pytestmark = JOURNEY
SIZES = ((1400, 900), (1920, 1080))

# What is drawn, as boxes: of two that overlap, neither is inside the other. Cards and figures are taken as a whole.
AMISS = """
() => {
  const whole = '.frame, .field, .compare, .multiple, .learned', parts = 'button, input, img, svg, b, small, output, figcaption, p, h3, h4, label';
  const boxes = [...document.querySelectorAll(`:is(${whole}), :is(${parts})`)]
    .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest('.sr-only, .visually-hidden, .toast-wrap, [data-testid=status-tracker]'))
    .filter(e => !e.parentElement.closest(`${whole}, button, label`))
    .map(e => [e, e.getBoundingClientRect()]).filter(([, b]) => b.width > 1 && b.height > 1);
  const name = e => (e.id ? '#' + e.id : e.nodeName + '.' + (e.className.baseVal ?? e.className)).slice(0, 40)
    + ' ' + e.textContent.trim().slice(0, 20);
  const wrong = [];
  boxes.forEach(([one, a], i) => {
    if (a.left < -1 || a.top < -1 || a.right > innerWidth + 1 || a.bottom > innerHeight + 1) wrong.push(`outside: ${name(one)} ${a.bottom | 0}`);
    for (const [two, b] of boxes.slice(i + 1)) {
      if (one.contains(two) || two.contains(one)) continue;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      if (across > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1) wrong.push(`${name(one)} over ${name(two)}`);
    }
  });
  return wrong.slice(0, 8);
}
"""
LARGEST = """
() => Math.max(...[...document.querySelectorAll('.frame, .field, .compare')].filter(e => e.checkVisibility())
  .map(e => e.getBoundingClientRect().height))
"""


def present(page) -> None:
    """Enter without the browser's full screen, in which a headless one has another size."""
    page.evaluate("delete document.documentElement.requestFullscreen")
    page.evaluate("document.documentElement.requestFullscreen = () => Promise.resolve()")
    page.locator("#present").click()
    page.wait_for_selector(".presenting")
    idle(page)


def leave(page) -> None:
    page.keyboard.press("Escape")
    page.wait_for_selector(".masthead")
    idle(page)


def arrow(page, key: str, picture: str) -> None:
    """The picture follows an arrow key."""
    before = shown(page, picture)
    page.keyboard.press(key)
    wait_for_change(page, before, picture)
    idle(page)


def space(page, picture: str) -> None:
    before = shown(page, picture)
    page.keyboard.press("Space")
    wait_for_change(page, before, picture)
    idle(page)


# Of each view: its tab, its key, the picture that arrow keys move, two of the keys, the one that the space bar rolls.
VIEWS = (
    ("latent", "way", "#stage img", ("ArrowRight", "ArrowLeft"), "#stage img"),
    ("latent", "plane", "#plane-stage img", ("ArrowRight", "ArrowDown"), "#plane-stage img"),
    ("latent", "directions", "#directions-stage img", ("ArrowRight", "ArrowLeft"), "#directions-stage img"),
    ("latent", "map", "#map-stage-ae2d_mnist img", ("ArrowRight", "ArrowUp"), "#map-random-ae2d_mnist img"),
    ("style", "mix", "#mix-subject img", ("ArrowRight", "ArrowDown"), "#mix-subject img"),
    ("classes", "pick", "#class-subject img", ("ArrowRight", "ArrowDown"), "#class-subject img"),
    ("classes", "between-classes", "#between-stage img", ("ArrowRight", "ArrowLeft"), "#between-stage img"),
)


def views_of(tab: str) -> str:
    return "#views" if tab == "latent" else f"#{tab}-views"


def test_views_of_a_model_fill_the_screen_and_obey_the_keys(page, subtests):
    for tab, view, moved, keys, rolled in VIEWS:
        turn_to_tab(page, tab)
        if view == "map":
            choose(page, "vae2d_mnist")
        turn_to_view(page, views_of(tab), view)
        for width, height in SIZES:
            with subtests.test("a view of a model", tab=tab, view=view, width=width):
                page.set_viewport_size({"width": width, "height": height})
                present(page)
                assert page.evaluate(AMISS) == []
                assert page.evaluate(LARGEST) > 0.4 * height
                for key in keys:
                    arrow(page, key, moved)
                space(page, rolled)
                assert page.evaluate(AMISS) == []
            leave(page)


def test_other_tabs_fill_the_screen_and_obey_the_keys(page, subtests):
    for width, height in SIZES:
        for tab in ("translate", "diffusion", "train"):
            turn_to_tab(page, tab)
            page.set_viewport_size({"width": width, "height": height})
            with subtests.test("a tab of runs", tab=tab, width=width):
                present(page)
                assert page.evaluate(AMISS) == []
                if tab == "translate":
                    assert page.evaluate(LARGEST) > 0.8 * height
                    page.keyboard.press("ArrowRight")
                    assert page.locator("#translated [data-compare]").get_attribute("aria-valuenow") == "52"
                    page.keyboard.press("ArrowLeft")
                if tab == "diffusion":
                    assert page.evaluate(LARGEST) > 0.4 * height
                    arrow(page, "ArrowLeft", "#lanes img")
                    space(page, "#lanes img")
                    assert page.evaluate(AMISS) == []
            leave(page)


@pytest.mark.parametrize("key", ["ArrowRight", "ArrowLeft"])
def test_arrow_keys_turn_to_the_next_tab(page, key):
    page.locator("#tabs > .tab-wrapper [role=tab][aria-selected=true]").focus()
    page.keyboard.press(key)
    idle(page)
    chosen = page.locator("#tabs > .tab-wrapper [role=tab][aria-selected=true]")
    assert chosen.get_attribute("data-tab-id") == {"ArrowRight": "style", "ArrowLeft": "train"}[key]
    assert page.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
