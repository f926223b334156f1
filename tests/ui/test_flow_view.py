"""The Flow view: bars that add up, a picture that comes back exactly, and one sentence where no flow has weights."""

from __future__ import annotations

import re

import gradio as gr
import numpy as np
import pytest

from genstudio import checkpoint
from genstudio.engine import Engine
from genstudio.engine.flow import passage, stages
from genstudio.recipes import recipe
from genstudio.registry import systems
from genstudio.ui import html
from genstudio.ui.endpoint import ends_of, resized
from genstudio.ui.history import History
from genstudio.ui.tabs.latent import flow_words as w
from genstudio.ui.tabs.latent.flow import FlowView, foreign
from tests.small import INSTANCES

pytestmark = pytest.mark.usefixtures("one_thread")
FLOWS = ("small_realnvp", "small_selfnorm")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Of a home with two small flows, and a VAE, near their first weights."""
    import torch

    home = tmp_path_factory.mktemp("home")
    (home / "checkpoints").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENSTUDIO_HOME", str(home))
        for name in (*FLOWS, "small_vae"):
            torch.manual_seed(0)
            patch.setitem(systems(), name, INSTANCES[name])
            model = INSTANCES[name].build().requires_grad_(False)
            for weights in model.parameters():
                weights += 0.05 * torch.randn_like(weights)
            checkpoint.save(home / "checkpoints" / f"{name}.safetensors", model, checkpoint.Header(name, data="mnist"))
        yield Engine()


def view_of(engine: Engine, *names: str) -> FlowView:
    own = {name: systems()[name] for name in names}
    with gr.Blocks():
        history = History(engine, own, "")
        view = FlowView(engine, own, names[0], history)
        history.render()
        view.wire()
    return view


def numbers(text: str, name: str) -> list[float]:
    return [float(found) for found in re.findall(rf'data-{name}="([-+.e\d]+)"', text)]


@pytest.mark.parametrize("name", FLOWS)
def test_bars_add_up_to_the_log_density(engine, name):
    view = view_of(engine, *FLOWS)
    shown = view.show(view.new_scene(name), "en")
    *terms, total = numbers(shown[view.terms], "nats")
    assert len(terms) == len(engine.hold(name).model.layers) + 1
    assert sum(terms) == pytest.approx(total, abs=0.01)
    own, *others = numbers(shown[view.foreign], "bits")
    picture = view.picture(view.new_scene(name))
    assert own == pytest.approx(-total / (picture.size * np.log(2)), abs=1e-3)
    assert len(others) == len(foreign(picture, picture)) - 1 and len(set(others)) > 3


@pytest.mark.parametrize("name", FLOWS)
def test_a_drawn_picture_comes_back_and_its_way_ends_at_it(engine, name):
    """Its own levels, not those of the code that a recipe rounds."""
    view, image = view_of(engine, *FLOWS), np.zeros((*engine.image_shape(name)[1:], 1), np.uint8)
    image[4:8, 2:6] = 255
    from PIL import Image

    *_, end = ends_of(engine, name, Image.fromarray(image[..., 0]))
    scene = view.new_scene(name) | {"picture": end, "controls": {"temperature": 0.5}}
    given = view.picture(scene)
    drawn = resized(Image.fromarray(image[..., 0]), engine.image_shape(name))
    assert np.array_equal(given, drawn) or np.array_equal(given, 255 - drawn), "inverted where samples are light"
    found = passage(engine, name, given)
    assert np.array_equal(found.rebuilt, given) and found.difference < 0.1
    assert np.array_equal(view.stages_of(scene)[-1].image, given)
    made = view.recipe_of(scene)
    assert made["verb"] == "decode" and made["controls"]["temperature"] == 1.0
    assert recipe.check(made)


def test_the_slider_goes_from_the_latents_to_the_sample(engine):
    view, name = view_of(engine, *FLOWS), "small_realnvp"
    scene = view.new_scene(name) | {"controls": {"temperature": 0.7}}
    way = view.stages_of(scene)
    latents = engine.latents(name, [scene["picture"]["seed"]])
    assert np.array_equal(way[-1].image, engine.decode(name, latents, temperature=0.7)[0])
    assert np.array_equal(way[0].image, stages(engine, name, latents[0])[0].image), "scaled to be seen"
    first = view.stage_html(scene | {"layer": 0}, way, "en")
    last = view.stage_html(scene | {"layer": 999}, way, "fr")
    assert 'data-layer="0"' in first and f'data-layer="{len(way) - 1}"' in last and first != last
    strip = view.strip_html(scene, way, "en")
    assert 'data-pick="0"' in strip and f'data-pick="{len(way) - 1}"' in strip


def test_another_model_leaves_the_first_flow_and_its_recipes_open_here(engine):
    view = view_of(engine, "small_vae", *FLOWS)
    assert view.flows == list(FLOWS) and not view.supports("small_vae")
    assert view.new_scene("small_vae")["system"] == FLOWS[0]
    scene = view.new_scene(FLOWS[1])
    again = view.scene_of(recipe.check(view.recipe_of(scene)))
    assert again["system"] == FLOWS[1] and again["picture"] == scene["picture"]


def test_weights_that_come_while_the_page_runs_are_shown(engine):
    view = view_of(engine, "small_vae", FLOWS[0])
    view.systems = {**view.systems, FLOWS[1]: systems()[FLOWS[1]]}
    assert view.new_scene(FLOWS[1])["system"] == FLOWS[1] and view.supports(FLOWS[1])


def test_without_weights_it_says_so_in_one_sentence(engine):
    view = view_of(engine, "small_vae")
    assert not view.able and view.show(view.first, "en") == {} and not view.pictured(view.first)
    assert not view.sliders and not view.shown and not view.ends
    for text in w.NO_FLOW:
        assert "python -m genstudio train realnvp_mnist" in text


def test_every_sentence_is_in_both_languages():
    same = {"log p(z)", "log p(x)", "f⁻¹(f(x))", "N(0, 1)", "code"}
    for text in (value for value in vars(w).values() if isinstance(value, tuple)):
        assert text.en and text.fr and (text.en != text.fr or text.en in same)
    assert html.curve([("linear", [0.0, 1.0])], None, 0.0, "x")
