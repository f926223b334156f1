"""The tensor cube lights up what each norm averages, by sliders or a click."""

from __future__ import annotations

import re
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from genstudio.controls import Refusal
from genstudio.tasks.normalization import CHANNELS, IMAGES, averaged
from genstudio.ui.tabs.lab import norms
from tests import ROOT

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_cube_has_as_many_lit_columns_as_the_norm_averages():
    for norm, columns in {"batch": 4, "layer": 6, "instance": 1, "group": 3}.items():
        drawn = norms.cube(averaged(norm, 1, 4, 2), 1, 4, "label")
        assert drawn.count('class="lit') == columns and drawn.count("data-pick") == IMAGES * CHANNELS
        assert re.findall(r'class="[^"]*here" data-pick="(.*?)"', drawn) == ["2,5"]
    shown = norms.figure(1, 4, 2, "fr")
    assert shown.count('class="cube"') == 4 and "la même" in shown and "36" in shown


def test_colours_run_from_blue_over_white_to_orange():
    features = np.array([-9.0, 0, 9, 3]).reshape(1, 1, 1, 4)
    assert norms.heat(features)[0].tolist() == [[96, 140, 230], [255, 255, 255], [245, 150, 70], [245, 150, 70]]


@pytest.fixture
def view() -> norms.Norms:
    with gr.Blocks():
        return norms.Norms()


def visitor(language: str = "en") -> gr.Request:
    made = gr.Request(session_hash="someone")
    made.request = SimpleNamespace(headers={"accept-language": language})
    return made


def test_a_click_on_a_column_moves_the_sliders_and_the_light(view):
    updates = view.on_pick({view.groups: 3}, SimpleNamespace(pick="3,6"), visitor())
    assert updates[view.image] == 3 and updates[view.channel] == 6
    chosen = {view.image: 3, view.channel: 6, view.groups: 3}
    assert updates[view.figure] == view.on_change(chosen, visitor())
    assert view.on_change(chosen | {view.image: 2}, visitor()) != updates[view.figure]


@pytest.mark.parametrize("place", [(0, 1, 2), (5, 1, 2), ("1e9", 1, 2), (1, None, 2), (1, 7, 2), (1, 1, 4)])
def test_a_place_outside_of_the_cube_gets_a_sentence(view, place):
    with pytest.raises(Refusal, match="the cube has 1, 2, 3"):
        view.chosen(*place)


def test_the_cube_has_a_row_in_the_documentation():
    text = (ROOT / "docs/figures.md").read_text("utf-8")
    [row] = re.findall(r"(?m)^\| `\?lab=norms` .*$", text)
    assert norms.EQUATION in row and norms.LINK in row
