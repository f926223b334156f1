"""The views of codes in Latent space, without a browser: what is kept, combined, and changed by beta."""

from __future__ import annotations

import re

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import checkpoint
from genstudio.registry import systems
from genstudio.ui import html
from genstudio.ui.tabs.latent.combine import combined
from genstudio.ui.tabs.latent.keeps import COMPARED, corrupted, largest, squared_error
from genstudio.ui.tabs.latent.picture import image_of, on_black
from genstudio.ui.tabs.latent.tab import LatentTab

HERE = ("ae_linear_mnist", "ae_topk_mnist", "ae_kl_sparse_mnist", "beta_vae2d_mnist")  # of random weights
PRESSED = re.compile(r'data-pick="(\w+)" aria-pressed="(\w+)"')


@pytest.fixture(scope="module")
def tab(tmp_path_factory, fast):
    """The tab with random weights of some of the auto-encoders, beside the shipped ones, and without those of the others."""
    home = tmp_path_factory.mktemp("home")
    (home / "checkpoints").mkdir()
    for name in HERE:
        torch.manual_seed(0)
        model = systems()[name].build()
        if name == "beta_vae2d_mnist":
            model.map_labels[:50] = torch.arange(50) % 10
            model.map_latents_of_betas[:, :50] = torch.randn(5, 50, 2) * torch.tensor([9, 1, 1, 1, 0.5])[:, None, None]
        checkpoint.save(home / "checkpoints" / f"{name}.safetensors", model, checkpoint.Header(name, data="mnist"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENSTUDIO_HOME", str(home))
        with gr.Blocks():
            tab = LatentTab(fast)
        yield tab


@pytest.fixture
def keeps(tab):
    return tab.views["keeps"]


def shown(view, scene: dict, lang: str = "en") -> tuple[str, str]:
    updates = view.show(scene, lang)
    return updates[view.table], updates[view.units]


def buttons(text: str) -> dict[str, bool]:
    return {name: pressed == "true" for name, pressed in PRESSED.findall(text)}


def output(text: str) -> float:
    return float(re.search(r"<output>([\d.]+)</output>", text)[1])


def test_models_that_are_here_are_compared_and_the_others_named_in_a_sentence(keeps):
    table, _ = shown(keeps, keeps.new_scene("vae_mnist"))
    here = [name for name in COMPARED if name in keeps.systems]
    assert set(HERE) - {"beta_vae2d_mnist"} | {"ae_mnist"} <= set(here) and list(buttons(table)) == here
    missing = [COMPARED[name].en for name in COMPARED if name not in here]
    assert all(title in table.partition("Not trained yet")[2] for title in missing)


def test_nothing_but_a_sentence_is_left_without_any_of_them(keeps, monkeypatch):
    monkeypatch.setattr(keeps, "systems", {"vae_mnist": keeps.systems["vae_mnist"]})
    for lang, words in (("en", "Not trained yet"), ("fr", "Pas encore entraînés")):
        table, units = shown(keeps, keeps.new_scene("vae_mnist"), lang)
        assert words in table and "genstudio train ae_linear_mnist" in table and not units and "<img" not in table


def test_the_selected_model_is_taken_apart_and_another_tab_model_leaves_it(keeps):
    scene = keeps.new_scene("ae_mnist") | {"off": [3]}
    assert buttons(shown(keeps, scene)[0])["ae_mnist"]
    scene = keeps.with_system(scene, "ae_topk_mnist")
    assert buttons(shown(keeps, scene)[0])["ae_topk_mnist"] and scene["off"] == []
    assert buttons(shown(keeps, keeps.with_system(scene, "vae_avatars"))[0])["ae_topk_mnist"]


def test_a_unit_that_is_switched_off_leaves_the_picture_and_comes_back(keeps):
    scene = keeps.new_scene("ae_mnist")
    table, units = shown(keeps, scene)
    first, *others = buttons(units)
    assert all(buttons(units).values()) and len(others) == 15 and "16 of 16 units on" in units
    error = re.search(r'data-pick="ae_mnist".*?<output>([\d.]+)', table)[1]
    assert output(units) == float(error), "all units on: the reconstruction above"
    _, without = shown(keeps, scene | {"off": [int(first)]})
    assert not buttons(without)[first] and all(buttons(without)[other] for other in others)
    assert output(without) > output(units) and "15 of 16 units on" in without and 'data-pick="all"' in without


def test_the_slider_of_k_says_how_many_numbers_of_the_k_sparse_code_are_kept(keeps):
    scene = keeps.new_scene("ae_topk_mnist")
    for k in (1, 7, 16):
        table, units = shown(keeps, scene | {"active": k})
        assert f"{k} of 1000 numbers" in table and len(buttons(units)) == k
    two = keeps.show(scene | {"active": 16}, "en"), keeps.show(scene | {"active": 60}, "en")
    figures = [re.findall(r'data-pick="(\w+)".*?src="([^"]+)"', updates[keeps.table]) for updates in two]
    assert [a[0] for a, b in zip(*figures, strict=True) if a != b] == ["ae_topk_mnist"], "k is a slider of that model alone"


def test_the_slider_of_rho_moves_the_kl_sparse_model_alone(keeps, fast):
    image = image_of({"seed": 7}, fast, keeps.here())
    scene = keeps.new_scene("ae_kl_sparse_mnist")
    values = keeps.values("ae_kl_sparse_mnist", "encode", scene | {"rho": 0.3})
    assert values == {"rho": 0.3} and keeps.values("ae_mnist", "encode", scene) == {}
    with pytest.raises(ValueError, match="rho must lie between 0.02 and 0.5, not 0.7"):
        keeps.encoded(scene | {"rho": 0.7}, "ae_kl_sparse_mnist", image)
    with pytest.raises(ValueError, match="active must lie between 1 and 1000, not 0"):
        keeps.encoded(scene | {"active": 0}, "ae_topk_mnist", image)


def test_errors_are_those_to_the_clean_picture(keeps, fast):
    """Of a corrupted input, whose picture is shown."""
    scene = keeps.new_scene("ae_mnist")
    clean = image_of(scene["picture"], fast, keeps.here())
    given = corrupted(clean, "noise", 0.4)
    [made] = fast.decode("ae_mnist", fast.encode("ae_mnist", [Image.fromarray(given[..., 0])]))
    noisy = scene | {"corruption": "noise", "amount": 0.4}
    assert output(shown(keeps, noisy)[1]) == pytest.approx(squared_error(clean, made), abs=1e-3)
    assert html.png_uri(given) in keeps.show(noisy, "en")[keeps.input.shown]
    assert html.png_uri(clean) in keeps.show(scene, "en")[keeps.input.shown]


def test_corruption_is_the_same_at_each_look_and_as_large_as_it_says():
    image = np.full((28, 28, 1), 128, np.uint8)
    assert np.array_equal(corrupted(image, "noise", 0.2), corrupted(image, "noise", 0.2))
    assert (corrupted(image, "masking", 0.25) == 0).mean() == pytest.approx(0.25, abs=0.06)
    assert corrupted(image, "noise", 0.1).std() == pytest.approx(25.5, rel=0.1)
    for how in ("none", "masking", "noise"):
        assert np.array_equal(corrupted(image, how, 0.0), image)


def test_the_largest_numbers_of_a_code_stay():
    code = np.array([3.0, -5.0, 2.0, 4.0], np.float32)
    assert largest(code, 2).tolist() == [3.0, 0.0, 0.0, 4.0] and largest(code, 9).tolist() == code.tolist()


def test_a_drawing_and_a_dark_picture_are_both_light_on_black():
    dark_on_light = Image.new("RGB", (60, 60), "white")
    dark_on_light.paste("black", (20, 10, 40, 50))
    light_on_dark = Image.eval(dark_on_light, lambda level: 255 - level)
    made = on_black(dark_on_light)
    assert made.shape == (28, 28, 1) and made[0, 0, 0] == 0 and made[14, 14, 0] == 255
    assert np.array_equal(made, on_black(light_on_dark))
    assert np.array_equal(image_of({"png": html.png_uri(made)}, None, []), made)


# Combine


def test_codes_are_averaged_spliced_and_subtracted():
    first, second, mean = np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0, 7.0]), np.array([1.0, 1.0, 1.0])
    made = combined(first, second, mean, cut=1)
    assert {key: code.tolist() for key, code in made.items()} == {
        "averaged": [3.0, 4.0, 5.0], "spliced": [1.0, 6.0, 7.0], "subtracted": [-3.0, -3.0, -3.0],
    }  # fmt: skip
    assert np.array_equal(combined(first, first, mean, 2)["spliced"], first)
    assert np.array_equal(combined(first, first, mean, 2)["subtracted"], mean)


def test_at_the_ends_of_the_cut_the_spliced_picture_is_one_of_both(tab, fast):
    view = tab.views["combine"]
    scene = view.new_scene("ae_mnist")
    first, second = view.code(scene, "from"), view.code(scene, "to")
    for cut, whole in ((1.0, first), (0.0, second)):
        assert np.array_equal(view.codes(scene | {"cut": cut})["spliced"], whole)
    text = view.show(scene, "fr")[view.stage]
    assert text.count("<img") == 3 and "8 nombres de la première, 8 de la seconde" in text
    assert view.recipe_of(scene)["verb"] == "decode"


# The coefficient beta


def test_beta_moves_picture_samples_and_map(tab):
    view = tab.views["beta"]
    scene = view.new_scene("vae_mnist")
    text = view.stage_html(scene | {"beta": 0.0}, "en")
    assert text.count("<svg") == 1 and "Random codes" in text
    others = view.stage_html(scene | {"beta": 10.0}, "en")
    wide, narrow = (float(re.search(r"([\d.]+) wide", one)[1]) for one in (text, others))
    assert wide > 4 * narrow, "the map of the nearest coefficient"
    with pytest.raises(ValueError, match="beta must lie between 0.0 and 10.0, not -1"):
        view.stage_html(scene | {"beta": -1}, "en")


def test_without_such_a_vae_there_is_a_sentence(tab, monkeypatch):
    view = tab.views["beta"]
    monkeypatch.setattr(view, "systems", {"vae_mnist": view.systems["vae_mnist"]})
    text = view.show(view.new_scene("vae_mnist"), "fr")[view.stage]
    assert text.startswith('<p class="empty">Pas encore entraînés') and "train beta_vae_mnist" in text
