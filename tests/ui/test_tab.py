"""Laws of every tab of the page: what the page asks of it works, also without any model."""

from __future__ import annotations

import gradio as gr
import pytest

from genstudio import catalog
from genstudio.controls import Text
from genstudio.engine import Engine
from genstudio.model import VERBS
from genstudio.recipes.verbs import VERBS as RECIPE_VERBS
from genstudio.ui.events import Variable
from genstudio.ui.studio import TABS, build
from genstudio.ui.tab import Tab

each = pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.key)


@pytest.fixture(scope="module")
def drawn() -> dict[str, tuple[Tab, gr.Blocks]]:
    """Every tab on a page of its own, over the models that are here."""
    found, engine = {}, Engine("cpu")
    for tab in TABS:
        with gr.Blocks() as page:
            found[tab.key] = tab(engine), page
    return found


@pytest.fixture
def bare(monkeypatch) -> dict[str, Tab]:
    """Every tab where there is no model."""
    monkeypatch.setattr(catalog, "available", dict)
    with gr.Blocks():
        return {tab.key: tab(Engine("cpu")) for tab in TABS}


def request() -> gr.Request:
    made = gr.Request(session_hash="someone")
    made.request = type("Headers", (), {"headers": {}})()
    return made


@each
def test_its_names_are_those_of_the_field_and_its_own(tab):
    assert issubclass(tab, Tab) and all(tab.title) and set(tab.needs) <= set(VERBS)
    assert [other.key for other in TABS].count(tab.key) == 1
    assert tab.__module__ == f"genstudio.ui.tabs.{tab.key}.tab", "a tab is a folder"


@each
def test_what_the_page_reads_and_updates_is_on_the_page(tab, drawn):
    one, page = drawn[tab.key]
    on_page = {id(block) for block in page.blocks.values()}
    outputs = one.outputs
    named = [place for place in (*outputs, *one.inputs) if not isinstance(place, Variable)]
    assert bool(outputs) == one.drawn and {id(component) for component in named} <= on_page
    assert len({id(component) for component in outputs}) == len(outputs), "Gradio refuses an output named twice"
    assert one.memory is None or id(one.memory) in on_page


@each
def test_it_restores_recipes_of_its_own_models_only(tab, drawn):
    one, _ = drawn[tab.key]
    assert set(one.verbs) <= set(RECIPE_VERBS)
    for name in (*one.systems, "no_such_model", None):
        for verb in (*RECIPE_VERBS, "no_such_verb", None):
            if one.restores({"system": name, "verb": verb}):
                assert name in one.systems and verb in one.verbs
    assert not any(one.restores(recipe) for recipe in ({}, {"verb": "sample"}, {"system": next(iter(one.systems), "")}))


def test_every_recipe_has_a_tab(drawn):
    for verb in RECIPE_VERBS:
        shown = [one for one, _ in drawn.values() if any(one.restores({"system": n, "verb": verb}) for n in one.systems)]
        assert shown or verb == "decode", verb


@each
def test_without_models_it_says_so_and_nothing_opens_in_it(tab, bare):
    one = bare[tab.key]
    assert one.drawn == (not tab.needs)
    if one.drawn:
        return
    assert isinstance(one.empty, Text) and not one.inputs and not one.outputs
    assert one.loaded == [] and one.pictures_opened is None
    assert not one.restores({"system": "vae_mnist", "verb": "sample"})
    assert one.add_weights("vae_mnist", {}, request()) is None
    with pytest.raises(ValueError) as refused:
        list(one.open_picture("nothing.png", {}, request()))
    assert "\n" not in str(refused.value)
    one.leave(request())
    one.warm_up()


@each
def test_a_model_that_is_not_there_is_refused_by_name(tab, drawn):
    one, _ = drawn[tab.key]
    with pytest.raises(ValueError, match="no model is called '../x'"):
        one.check_system("../x")
    assert one.add_weights("../x", {}, request()) is None


def test_the_page_has_every_tab_in_order():
    page = build(Engine("cpu"))
    tabs = [block for block in page.blocks.values() if isinstance(block, gr.Tab)]
    assert [tab.id for tab in tabs if tab.parent.elem_id == "tabs"] == [tab.key for tab in TABS]


@pytest.mark.parametrize("key", ["translate", "diffusion"])
def test_a_part_that_is_selected_before_its_tab_is_drawn_leaves_that_to_the_tab(key, drawn):
    """It ran before the tab's first update, which took its updates for those of an opened file, and drew nothing."""
    tab, _ = drawn[key]
    assert list(tab.arrival(tab.front)({}, request())) == [{tab.selected: tab.front}]
