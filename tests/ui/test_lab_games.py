"""Games compared: the table says what the headers say, and nothing else."""

from __future__ import annotations

import re
from itertools import pairwise
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from genstudio import checkpoint, paths
from genstudio.controls import thousands
from genstudio.engine import Engine
from genstudio.images import save_film
from genstudio.models.games import ABLATION, GUIDELINES, SHOWN
from genstudio.registry import find_system, systems
from genstudio.ui.tabs.lab import compared, games
from genstudio.ui.tabs.lab import words as w
from genstudio.ui.tabs.lab.tab import VIEWS, LabTab
from tests import ROOT
from tests.ui.page import go, idle, key

JUDGED = " (judge_mnist)"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of the test's own, with nothing shipped beside it."""
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path))
    monkeypatch.setattr(paths, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def scores(frechet: float, shares: list[float], sure: float, judge: str = JUDGED) -> dict[str, dict]:
    """Scores of a header: a multiple of the Frechet distance, and shares of the classes, of sure samples too."""
    named = {f"Frechet distance{compared.MULTIPLE}": frechet, "share of sure samples": sure}
    named |= {f"share of {label}": share for label, share in zip(compared.CLASSES, shares, strict=True)}
    named |= {f"{name} among sure samples": share for name, share in list(named.items())[2:]}
    return {name + judge: {"value": value, "low": value, "high": value, "n": 100} for name, value in named.items()}


def save(home, name: str, scores: dict, step: int = 25_000, film: bool = False) -> None:
    header = checkpoint.Header(name, data="mnist", scores=scores, step=step, images=1_600_000)
    checkpoint.save(home / f"{name}.safetensors", find_system(name).build(), header)
    if film:
        save_film([np.full((20, 20, 3), 40 * i, np.uint8) for i in range(3)], home / f"{name}.webp")


EVEN = [0.1] * 10
THREE = [0.4, 0.35, 0.2, 0.04, 0.01, 0, 0, 0, 0, 0]


def test_without_weights_one_sentence_says_what_would_be_here(home):
    assert compared.rows() == [] and compared.guidelines() == []
    shown = games.table([], "fr")
    assert w.NO_GAMES.fr in shown and "<table" not in shown
    assert games.films([], "en") == "" == games.guidelines([], "en")


def test_the_baseline_is_no_comparison_by_itself(home):
    save(home, "cgan_mnist", scores(1.3, EVEN, 0.9))
    assert compared.rows() == []
    save(home, "lsgan_mnist", scores(1.25, EVEN, 0.9))
    assert [row.name for row in compared.rows()] == ["lsgan_mnist", "cgan_mnist"]


def test_rows_have_the_numbers_of_their_headers_the_best_distance_first(home):
    save(home, "minimax_mnist", scores(9.5, THREE, 0.42))
    save(home, "lsgan_mnist", scores(1.25, EVEN, 0.9), step=24_000)
    save(home, "wgan_mnist", {})
    rows = compared.rows()
    assert [row.name for row in rows] == ["lsgan_mnist", "minimax_mnist", "wgan_mnist"]
    best, worst, unscored = (row.values for row in rows)
    assert (best["frechet"], best["classes"], best["sure"], best["largest"]) == (1.25, 10, 0.9, 0.1)
    assert (worst["frechet"], worst["classes"], worst["sure"], worst["largest"]) == (9.5, 3, 0.42, 0.4)
    assert best["steps"] == 24_000 and best["images"] == 1_600_000
    assert {unscored[key] for key in ("frechet", "precision", "recall", "classes", "sure", "largest")} == {None}


def test_a_game_of_another_judge_or_with_nonsense_in_its_header_has_no_numbers(home):
    save(home, "lsgan_mnist", scores(1.25, EVEN, 0.9, " (classifier_mnist)"))
    nonsense = {name: {"value": "<b>", "low": 0, "high": 1} for name in scores(1, EVEN, 1)}
    save(home, "fgan_mnist", nonsense, step=-3)
    for row in compared.rows():
        assert row.values["frechet"] is None and row.values["classes"] is None
    assert "<b>" not in games.table(compared.rows(), "en")


def test_the_table_can_be_sorted_by_every_column_and_speaks_the_visitors_language(home):
    save(home, "lsgan_mnist", scores(1.25, EVEN, 0.905))
    shown = games.table(compared.rows(), "fr")
    head = r'<th scope="col"(?: class="name")? data-best="(\w+)"( aria-sort="ascending")?><button>(.*?)</button>'
    heads = re.findall(head, shown)
    assert [title for _, _, title in heads] == [w.GAME.fr, *(title.fr for title in compared.COLUMNS.values())]
    assert [bool(order) for _, order, _ in heads] == [False, True, *[False] * 7]
    cells = dict(zip(compared.COLUMNS, re.findall(r'<td data-value="(.*?)">(.*?)</td>', shown), strict=True))
    assert cells["frechet"] == ("1.25", "1,25") and cells["sure"][0] == "0.905" and cells["recall"] == ("", "–")


def test_a_game_that_may_fail_says_why_only_where_it_failed(home):
    save(home, "minimax_mnist", scores(9.5, THREE, 0.42), film=True)
    save(home, "dcgan_plain_mnist", scores(2.0, EVEN, 0.8), film=True)
    save(home, "lsgan_mnist", scores(9.0, THREE, 0.3), film=True)
    why = {row.name: row.failure for row in compared.rows()}
    assert why == {"minimax_mnist": compared.FAILURES["minimax_mnist"], "dcgan_plain_mnist": None, "lsgan_mnist": None}
    shown = games.films(compared.rows(), "en")
    assert shown.count("data:image/webp;base64,") == 3 and compared.FAILURES["minimax_mnist"].en in shown


def test_the_guidelines_need_a_film_each_and_no_weights(home):
    for name in ("nonsaturating_mnist", "dcgan_tanh_mnist", "dcgan_pooling_mnist"):
        save_film([np.full((20, 20, 3), 40 * i, np.uint8) for i in range(3)], home / f"{name}.webp")
    found = [name for name, _ in compared.guidelines()]
    assert found == ["nonsaturating_mnist", "dcgan_pooling_mnist", "dcgan_tanh_mnist"]
    shown = games.guidelines(compared.guidelines(), "en")
    assert GUIDELINES["dcgan_tanh_mnist"].en in shown and w.ALL_GUIDELINES.en in shown
    assert f"{thousands(SHOWN)} images" in shown and f"{thousands(SHOWN // 2)} images" in shown
    (home / "dcgan_tanh_mnist.webp").unlink()
    (home / "dcgan_pooling_mnist.webp").unlink()
    assert compared.guidelines() == [], "the game alone is no comparison"


def test_the_view_sends_its_parts_at_the_first_look(home):
    save(home, "lsgan_mnist", scores(1.25, EVEN, 0.9), film=True)
    with gr.Blocks():
        view = games.GamesCompared()
    visitor = gr.Request(session_hash="someone")
    visitor.request = SimpleNamespace(headers={"accept-language": "en"})
    updates = view.on_first(visitor)
    assert "<table" in updates[view.table] and "<img" in updates[view.films] and updates[view.guidelines] == ""


def test_a_link_opens_the_view():
    with gr.Blocks():
        tab = LabTab(Engine("cpu"))
    visitor = gr.Request(session_hash="someone")
    for word in VIEWS:
        assert tab.open_link(word, visitor) == {tab.switch: gr.update(selected=word)}
    with pytest.raises(ValueError, match="the lab has no preset 'game'"):
        tab.open_link("game", visitor)


# What is compared


def test_the_critic_of_every_game_is_shown_as_many_real_images():
    shown = {name: systems()[name].recipe.images for name in compared.names() if name != "cgan_mnist"}
    assert set(shown.values()) == {SHOWN} and {"wgan_gp_mnist", "ebgan_mnist", "msg_dense_mnist"} < set(shown)
    assert not set(GUIDELINES) & set(compared.names())


def test_each_guideline_is_left_out_once_and_for_as_long():
    models = [systems()[name].build() for name in GUIDELINES]
    kinds = [{type(layer).__name__ for layer in model.generator} for model in models]
    full = {type(layer).__name__ for layer in systems()["nonsaturating_mnist"].build().generator}
    changes = [kind ^ full for kind in kinds]
    assert all(changes) and all(a != b for a, b in pairwise(changes)) and len({*map(frozenset, changes)}) == 4
    assert all(systems()[name].recipe == ABLATION for name in GUIDELINES)


def test_the_table_of_the_documentation_is_that_of_the_shipped_headers(tmp_path, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path))
    text = (ROOT / "docs/figures.md").read_text("utf-8")
    assert f"\n{compared.markdown()}\n" in text, "print it anew, as the page says above it"


# In a browser


@pytest.mark.browser
@pytest.mark.timeout(900)
def test_the_views_of_the_lab_are_opened_by_links_and_used_by_keys(page, server, subtests):
    folder = paths.home() / "checkpoints"
    save(folder, "lsgan_mnist", scores(1.25, EVEN, 0.7), film=True)
    save(folder, "minimax_mnist", scores(9.5, THREE, 0.42))
    save(folder, "fgan_mnist", scores(2.0, EVEN, 0.9))

    with subtests.test("the table sorts by a column, the best first, then the other way round"):
        go(page, server + "?lab=games")
        page.wait_for_selector("#games-table table")
        heads = page.locator("#games-table th[scope=col]")
        sure = heads.filter(has_text=compared.COLUMNS["sure"].en)
        shown = page.locator("#games-table tbody tr > td:nth-child(6)")
        assert [text for text in shown.all_inner_texts() if text != "–"] == ["70 %", "90 %", "42 %"]
        sure.locator("button").focus()
        for order, expected in (("descending", ["90 %", "70 %", "42 %"]), ("ascending", ["42 %", "70 %", "90 %"])):
            page.keyboard.press("Enter")
            assert sure.get_attribute("aria-sort") == order
            assert [text for text in shown.all_inner_texts() if text != "–"] == expected
            assert page.locator("#games-table [aria-sort]").count() == 1
        film = page.locator("#games-films img").first
        assert film.evaluate("film => film.decode().then(() => film.naturalWidth)") == 20

    with subtests.test("the cube follows the sliders, by keyboard, and a click"):
        go(page, server + "?lab=norms")
        page.wait_for_selector("#norms-figure .cube")
        here = page.locator("#norms-figure .here").first
        assert here.get_attribute("data-pick") == "1,2"
        assert key(page, "#norms-image", "ArrowRight") == 2
        page.wait_for_selector("#norms-figure .here[data-pick='2,2']")
        page.locator("[data-norm=layer] [data-pick='4,5']").click(position={"x": 3, "y": 30})
        page.wait_for_selector("#norms-figure .here[data-pick='4,5']")
        idle(page)
        assert page.locator("#norms-image input[type=range]").input_value() == "4"
        assert page.locator("[data-norm=group] .lit").count() == 3
        page.locator("#norms-groups label").filter(has_text="6").click()
        page.wait_for_function("document.querySelectorAll('[data-norm=group] .lit').length == 1")
