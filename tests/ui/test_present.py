"""Present mode: each view alone on a screen, whole and nothing over anything else, steered by arrows and space bar."""

from __future__ import annotations

from tests.ui.page import JOURNEY, choose, idle, shown, turn_to_tab, turn_to_view, wait_for_change

pytestmark = JOURNEY
SIZES = ((1400, 900), (1920, 1080))

# What is drawn, as boxes: of two that overlap, neither is inside the other. Cards and figures are taken as a whole.
AMISS = """
() => {
  const whole = '.frame, .field, .compare, .wrap-inner';
  const parts = 'button, input, img, svg, b, small, output, figcaption, p, h3, h4, label';
  const boxes = [...document.querySelectorAll(`:is(${whole}), :is(${parts})`)]
    .filter(e => e.checkVisibility({visibilityProperty: true}))
    .filter(e => !e.closest('.sr-only, .visually-hidden, .toast-wrap, .skip, [data-testid=status-tracker]'))
    .filter(e => !e.parentElement.closest(`${whole}, button, label`))
    .map(e => [e, e.getBoundingClientRect()]).filter(([, b]) => b.width > 1 && b.height > 1);
  const name = e => (e.id ? '#' + e.id : e.nodeName + '.' + (e.className.baseVal ?? e.className)).slice(0, 40)
    + ' ' + e.textContent.trim().slice(0, 20);
  const wrong = [];
  boxes.forEach(([one, a], i) => {
    const inside = a.left >= -1 && a.top >= -1 && a.right <= innerWidth + 1 && a.bottom <= innerHeight + 1;
    if (!inside) wrong.push(`outside: ${name(one)}`);
    for (const [two, b] of boxes.slice(i + 1)) {
      if (one.contains(two) || two.contains(one)) continue;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 1) wrong.push(`${name(one)} over ${name(two)}`);
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


# Of each view: its tab, its key, the picture that arrow keys move, some keys, the picture that the space bar rolls.
VIEWS = (
    ("latent", "way", "#stage img", ("ArrowRight", "ArrowLeft"), "#stage img"),
    ("latent", "map", "#map-stage-ae2d_mnist img", ("ArrowRight", "ArrowUp"), "#map-random-ae2d_mnist img"),
    ("style", "mix", "#mix-subject img", ("ArrowRight", "ArrowDown"), "#mix-subject img"),
    ("classes", "pick", "#class-subject img", ("ArrowRight", "ArrowDown"), "#class-subject img"),
    ("translate", "", "", (), ""),
    ("diffusion", "", "#lanes img", ("ArrowLeft",), "#lanes img"),
    ("train", "", "", (), ""),
)
BESIDE = (("latent", "plane"), ("latent", "directions"), ("classes", "between-classes"))  # looked at, not steered


def turn(page, tab: str, view: str) -> None:
    turn_to_tab(page, tab)
    if view == "map":
        choose(page, "vae2d_mnist")
    if view:
        turn_to_view(page, "#views" if tab == "latent" else f"#{tab}-views", view)


def test_present_mode_fills_the_screen_and_obeys_the_keys(page, subtests):
    for tab, view, moved, keys, rolled in VIEWS:
        turn(page, tab, view)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            present(page)
            with subtests.test("the view of a tab", tab=tab, view=view, width=width):
                assert page.evaluate(AMISS) == []
                assert tab == "train" or page.evaluate(LARGEST) > 0.4 * height
                for key in keys:
                    arrow(page, key, moved)
                if rolled:
                    space(page, rolled)
                    assert page.evaluate(AMISS) == []
                if tab == "translate":
                    assert page.evaluate(LARGEST) > 0.8 * height
                    for key, at in (("ArrowRight", "52"), ("ArrowLeft", "50")):
                        page.keyboard.press(key)
                        assert page.locator("#translated [data-compare]").get_attribute("aria-valuenow") == at
            leave(page)
    for tab, view in BESIDE:
        turn(page, tab, view)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            present(page)
            with subtests.test("another view", view=view, width=width):
                assert page.evaluate(AMISS) == []
                assert page.evaluate(LARGEST) > 0.5 * height
            leave(page)
