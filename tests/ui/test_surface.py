"""The page as a surface: what stands above the fold, stays where it is, is reached by keys, and fits a phone."""

from __future__ import annotations

import pytest

from tests.ui.page import JOURNEY, go, idle, turn_to_tab, turn_to_view, watch

pytestmark = JOURNEY
LAPTOP = {"viewport": {"width": 1400, "height": 900}}
PHONE = {"viewport": {"width": 400, "height": 800}, "has_touch": True}
SHIFTS = """
window.shift = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({type: 'layout-shift', buffered: true});
"""
SELECTED = "#tabs > .tab-wrapper [role=tab][aria-selected=true]"


def box(page, selector: str) -> dict:
    return page.locator(selector).first.bounding_box()


def bottom(page, selector: str) -> float:
    found = box(page, selector)
    return found["y"] + found["height"]


def test_nothing_moves_while_the_page_loads(browser, server):
    context = browser.new_context(locale="en-US", **LAPTOP)
    page = context.new_page()
    try:
        watch(page)
        page.add_init_script(SHIFTS)
        shifts = []
        for _ in range(3):  # an empty page of Gradio shifts by 0.3 to 1.0 in some of its loads
            go(page) if shifts else page.goto(server)
            page.wait_for_selector("#stage img")
            page.wait_for_selector("#strip img")
            idle(page)
            shifts.append(page.evaluate("shift"))
        assert min(shifts) < 0.12, shifts
        for tab in ("style", "classes", "translate", "diffusion"):
            page.evaluate("shift = 0")
            page.evaluate("key => document.querySelector(`#tabs [role=tab][data-tab-id=${key}]`).click()", tab)
            idle(page)
            assert page.evaluate("shift") < 0.12, tab
    finally:
        page.evaluate("endStreams()")
        context.close()


@pytest.mark.parametrize("page", [LAPTOP], indirect=True)
def test_the_page_is_seen_and_reached_by_keys(page, subtests):
    with subtests.test("the position slider stands above the fold"):
        assert bottom(page, "#models") <= 160
        assert bottom(page, "#position") < 900

    with subtests.test("a first link leads past the head"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#skip') !== null")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "view-way"

    turns = (("ArrowRight", "style"), ("Home", "latent"), ("ArrowLeft", "train"), ("ArrowRight", "latent"))
    for key, turned_to in turns:
        with subtests.test("arrow keys turn to a tab", key=key, turned_to=turned_to):
            page.locator(SELECTED).focus()
            page.keyboard.press(key)
            idle(page)
            assert page.locator(SELECTED).get_attribute("data-tab-id") == turned_to
            assert page.evaluate("document.activeElement.dataset.tabId") == turned_to

    with subtests.test("the tab key stops once at the row of tabs"):
        page.locator(SELECTED).focus()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#tabs > .tab-wrapper')") is None
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.dataset.tabId") == "latent"

    with subtests.test("every control in sight shows that it has the focus"):
        assert page.evaluate(UNSEEN) == []

    with subtests.test("groups and pens have names"):
        page.locator("#from-draw button").first.click()
        idle(page)
        assert page.get_by_role("button", name="brown").count()
        turn_to_tab(page, "diffusion")
        assert page.get_by_role("radiogroup", name="It starts from").count() == 1

    with subtests.test("the curve of a run goes the way of its slider"):
        ends = page.locator("#stand .curve polyline").get_attribute("points").split()
        assert float(ends[0].split(",")[1]) > float(ends[-1].split(",")[1])  # downwards: less of the picture at first


# Controls that look the same with and without the focus, of those that the tab key reaches
UNSEEN = """
() => [...document.querySelectorAll('button, a[href], input, textarea, [tabindex="0"]')]
  .filter(e => e.checkVisibility({opacityProperty: true}) && e.tabIndex >= 0 && !e.disabled && e.type !== 'file')
  .filter(e => {
    const looks = () => [e, e.closest('label'), e.closest('.wrap-inner')].filter(Boolean)
      .map(x => (s => s.outlineStyle + s.outlineWidth + s.boxShadow)(getComputedStyle(x))).join();
    document.activeElement.blur();
    const before = looks();
    e.focus({focusVisible: true, preventScroll: true});
    return looks() === before;
  }).map(e => e.outerHTML.slice(0, 120))
"""


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_phone_shows_what_is_chosen_beside_what_is_tapped(page, subtests):
    with subtests.test("the chosen card is in sight"):
        card = box(page, "#models .card[aria-pressed=true]")
        assert 0 <= card["x"] and card["x"] + card["width"] <= 400

    tables = (("style", "#mix-matrix", "4,2", "#mix-subject"), ("classes", "#class-grid", "9,2", "#class-subject"))
    for tab, table, place, subject in tables:
        with subtests.test("the large picture", tab=tab):
            turn_to_tab(page, tab)
            cell = page.locator(f"{table} [data-pick='{place}']")
            cell.tap()
            idle(page)
            picture, tapped = box(page, f"{subject} img"), cell.bounding_box()
            assert 0 <= picture["y"] and picture["y"] + picture["height"] <= tapped["y"] < 800

    with subtests.test("the controls of diffusion come before saving"):
        turn_to_tab(page, "diffusion")
        assert bottom(page, "#run-seed") < box(page, "#run-save")["y"]
        assert bottom(page, "#lanes") < box(page, "#begin")["y"]
        assert box(page, "#lanes")["width"] > 350


# Texts that reach out of their button, or, as a card's title may end in dots, above or below it
CUT = """
() => [...document.querySelectorAll('.card, .tools button, .tab-wrapper [role=tablist] button')]
  .filter(e => e.checkVisibility()).filter(e => {
    const range = document.createRange();
    range.selectNodeContents(e);
    const text = range.getBoundingClientRect(), box = e.getBoundingClientRect();
    const across = !e.matches('.card') && (text.left < box.left - 1 || text.right > box.right + 1);
    return text.width && (across || text.top < box.top - 1 || text.bottom > box.bottom + 1);
  }).map(e => e.textContent.trim().slice(0, 60))
"""


@pytest.mark.parametrize("page", [LAPTOP | {"locale": "fr-FR"}, PHONE | {"locale": "fr-FR"}], indirect=True)
def test_no_text_is_cut_where_words_are_long(page, subtests):
    with subtests.test("between two"):
        assert page.evaluate(CUT) == []
    with subtests.test("between four"):
        turn_to_view(page, "#views", "plane")
        assert page.evaluate(CUT) == []
    with subtests.test("a table of scores is as wide as the page"):
        turn_to_tab(page, "style")
        turn_to_view(page, "#style-views", "learned")
        assert page.evaluate(WIDE) == []
    for tab in ("classes", "translate", "diffusion", "train"):
        with subtests.test("a tab", tab=tab):
            turn_to_tab(page, tab)
            assert page.evaluate(CUT) == []


WIDE = """() => [...document.querySelectorAll('.learned :is(th, td)')].filter(e => e.checkVisibility())
  .filter(e => e.getBoundingClientRect().right > innerWidth || e.getBoundingClientRect().width < 40)
  .map(e => e.textContent.slice(0, 60))"""
