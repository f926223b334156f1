"""A panel shows the controls of the system that is chosen: what it has, as far as it reaches there."""

from __future__ import annotations

import gradio as gr
import pytest

from genstudio import catalog, checkpoint
from genstudio.controls import Kind
from genstudio.registry import find_system
from genstudio.ui.panels import COMPONENTS, Panel

CLASSES = {"stylegan2": [], "cgan_mnist": ["0", "1"]}


@pytest.fixture
def panel(monkeypatch) -> Panel:
    monkeypatch.setattr(catalog, "classes", CLASSES.__getitem__)
    monkeypatch.setattr(catalog, "shell", lambda name: checkpoint.shell(find_system(name), {}))
    with gr.Blocks():
        return Panel({name: find_system(name) for name in CLASSES}, "sample", "test")


def shown(panel: Panel, system: str) -> dict[str, dict]:
    updates = panel.show(system)
    return {name: updates[component] for name, component in panel.components.items() if updates[component]["visible"]}


def test_every_kind_of_control_has_a_component():
    assert COMPONENTS.keys() == set(Kind.__subclasses__())


def test_a_slider_reaches_as_far_as_the_chosen_system_takes_it(panel):
    for name, least in (("stylegan2", -1.0), ("cgan_mnist", 0.0), ("stylegan2", -1.0)):
        knob = shown(panel, name)["truncation"]
        assert (knob["minimum"], knob["maximum"]) == (least, 1.5)
        assert panel.of[name]["truncation"].kind.check("truncation", least) == least


def test_weights_that_know_no_class_have_no_controls_of_classes(panel):
    assert {"label", "towards", "blend"} <= shown(panel, "cgan_mnist").keys()
    assert not {"label", "towards", "blend"} & shown(panel, "stylegan2").keys()
    inputs = {component: component.value for component in panel.components.values()}
    assert "label" in panel.values("cgan_mnist", inputs) and "label" not in panel.values("stylegan2", inputs)


def test_a_range_ends_where_the_model_does():
    """A StyleGAN2 of 64 px has 10 layers, one of 1024 px 18: a slider that goes on does nothing."""
    systems = {name: catalog.system_of(name) for name in ("stylegan2_faces", "stylegan2_avatars")}
    with gr.Blocks():
        panel = Panel(systems, "styles", "mix", ["cutoff"])
    [slider] = panel.components.values()
    assert (slider.maximum, slider.value) == (10, 10)
    assert panel.values("stylegan2_faces", {slider: 10}) == {"cutoff": 18}, "all layers, as a recipe says it of any model"
    assert panel.values("stylegan2_faces", {slider: 3}) == {"cutoff": 3}
    assert panel.show("stylegan2_faces", {"cutoff": 18})[slider]["value"] == 10
