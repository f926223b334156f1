"""The page in French: no view shows a sentence of the English column, nor a decimal point."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping

import pytest

from genstudio.controls import Text
from genstudio.ui.studio import TABS
from genstudio.ui.words import TABLE
from tests.ui.page import JOURNEY, idle, turn_to_tab, turn_to_view

pytestmark = JOURNEY

# Codes and commands are the same in each language, and the ends of a slider are Gradio's own; licences have versions.
VISIBLE = """() => {
  const style = document.createElement('style');
  style.textContent = 'code, pre, .cm-editor, .min_value, .max_value { display: none !important }';
  document.head.append(style);
  const lines = document.body.innerText.split('\\n');
  for (const input of document.querySelectorAll('input')) if (input.checkVisibility()) {
    lines.push(input.placeholder);
    if (input.role === 'listbox') lines.push(input.value);
  }
  for (const named of document.querySelectorAll('.html-container [title]')) if (named.checkVisibility()) lines.push(named.title);
  style.remove();
  return lines.map(line => line.trim()).filter(line => line);
}"""
VERSIONS = re.compile(r"CC[ -]\S+ \d\.\d|CC0 \d\.\d|Apache-\d\.\d")
UNFOLD = """() => {
  for (const folded of document.querySelectorAll('details')) folded.open = true;
  const closed = [...document.querySelectorAll('button.label-wrap:not(.open)')].filter(button => button.checkVisibility());
  for (const button of closed) button.click();
  return closed.length;
}"""
PHRASE = 12  # letters from which a sentence of the table is also looked for inside a line


def texts(value: object) -> Iterator[Text]:
    """All in a module's constant, at any depth of its dictionaries and tuples."""
    if isinstance(value, Text):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from texts(inner)


def english() -> tuple[set[str], set[str]]:
    """Entries that are English alone, and long phrases of them: a place in braces parts a sentence into phrases."""
    modules = [module for name, module in sys.modules.items() if name.startswith("genstudio.")]
    found = {text for module in modules for value in vars(module).values() for text in texts(value)}
    said = TABLE.translations
    found |= {Text(said["en"][key], said["fr"][key]) for key in said["en"]}
    french = {text.fr for text in found}
    entries = {text.en for text in found if text.en != text.fr} - french
    phrases = {part.strip() for entry in entries for part in re.split(r"\{\w+\}", entry)}
    return entries, {part for part in phrases if len(part) > PHRASE and not any(part in sentence for sentence in french)}


def english_of(lines: list[str], entries: set[str], phrases: set[str]) -> list[str]:
    wrong = [line for line in lines if line in entries or any(phrase in line for phrase in phrases)]
    wrong += [line for line in lines if "__i18n__" in line]  # Gradio has translated another text of the same component
    return wrong + [line for line in lines if re.search(r"\d\.\d", VERSIONS.sub("", line))]


@pytest.mark.parametrize("page", [{"locale": "fr-FR"}], indirect=True)
def test_no_view_of_the_french_page_shows_english(page, subtests):
    entries, phrases = english()
    assert len(entries) > 300 and len(phrases) > 200

    def wrong() -> list[str]:
        if page.evaluate(UNFOLD):
            idle(page)
        return english_of(page.evaluate(VISIBLE), entries, phrases)

    for tab in TABS:
        turn_to_tab(page, tab.key)
        bar = page.locator("[id$=views]:visible")
        views = bar.locator("> .tab-wrapper button[role=tab][data-tab-id]:visible")
        for view in views.evaluate_all("tabs => tabs.map(tab => tab.dataset.tabId)"):
            with subtests.test("a view", tab=tab.key, view=view):
                turn_to_view(page, f"#{bar.get_attribute('id')}", view)
                assert wrong() == []
