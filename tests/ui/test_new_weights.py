"""Weights that come while the page runs are seen at the next look at the tab."""

from __future__ import annotations

import os
import shutil

import gradio as gr
import pytest
import torch

from genstudio import catalog, checkpoint, paths
from genstudio.cli import main
from genstudio.engine import Engine
from genstudio.ui.studio import TABS
from genstudio.ui.tabs.latent.tab import LatentTab

SHOWS = {
    "latent": "vae_mnist", "style": "stylegan2_avatars", "classes": "cgan_mnist", "translate": "denoise_photo",
    "diffusion": "ddpm_mnist", "tokens": "vqvae_faces",
}  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "home" / "checkpoints").mkdir(parents=True)
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "checkpoints"


def drawn(tab, engine: Engine):
    with gr.Blocks():
        return tab(engine)


@pytest.mark.parametrize("tab", [tab for tab in TABS if tab.needs], ids=lambda tab: tab.key)
def test_a_copied_file_is_among_the_models_of_its_tab(tab, home, fast, untrained):
    if (name := SHOWS[tab.key]) not in catalog.available():  # it is not shipped
        shutil.copy(untrained(name), home / f"{name}.safetensors")
    source = catalog.locate(name)
    one = drawn(tab, fast)
    one.renew()
    assert one.revision == 0
    shutil.copy(source, home / f"{name}.copied.safetensors")
    one.renew()
    assert f"{name}.copied" in one.systems and one.revision == 1 and one.check_system(f"{name}.copied")
    assert all(f"{name}.copied" in panel.of for panel in one.panels)
    parts = [one.backend] if hasattr(one, "backend") else getattr(one, "views", {}).values()  # which keep models
    assert all(f"{name}.copied" in part.systems for part in parts)


def test_what_open_takes_in_has_a_card(home, fast, tmp_path, capsys):
    one = drawn(LatentTab, fast)
    shutil.copy(catalog.locate("vae_mnist"), tmp_path / "vae_mnist.mine.safetensors")
    header = checkpoint.describe(tmp_path / "vae_mnist.mine.safetensors")
    header.credit = "me"
    weights = {key: tensor * 1.01 for key, tensor in checkpoint.read_tensors(tmp_path / "vae_mnist.mine.safetensors").items()}
    checkpoint._write(tmp_path / "vae_mnist.mine.safetensors", weights, header)
    assert main(["open", str(tmp_path / "vae_mnist.mine.safetensors")]) == 0
    assert "vae_mnist.mine" in one.cards_html("vae_mnist", "en")


def test_a_file_that_is_still_being_copied_comes_when_it_is_whole(home, fast):
    one, body = drawn(LatentTab, fast), catalog.locate("vae_mnist").read_bytes()
    target = home / "vae_mnist.slow.safetensors"
    target.write_bytes(body[: len(body) // 2])
    one.renew()
    assert "vae_mnist.slow" not in one.systems
    target.write_bytes(body)
    one.renew()
    assert "vae_mnist.slow" in one.systems


def test_weights_that_give_no_picture_do_not_take_the_tab_down(home, fast):
    one = drawn(LatentTab, fast)
    weights = checkpoint.read_tensors(catalog.locate("vae_mnist"))
    broken = {key: torch.full_like(tensor, torch.nan) if tensor.is_floating_point() else tensor for key, tensor in weights.items()}
    checkpoint._write(home / "vae_mnist.broken.safetensors", broken, checkpoint.describe(catalog.locate("vae_mnist")))
    cards = one.cards_html("vae_mnist", "en")
    assert "vae_mnist.broken" not in cards and "vae_mnist" in cards


@pytest.mark.browser
def test_the_page_shows_them_at_the_next_look(page):
    from tests.ui.page import idle, turn_to_tab

    name = "vae_mnist.copied-meanwhile"
    page.wait_for_selector("#models .card")
    turn_to_tab(page, "classes")
    idle(page)
    shutil.copy(catalog.locate("vae_mnist"), paths.home() / "checkpoints" / f"{name}.safetensors")
    turn_to_tab(page, "latent")
    page.wait_for_selector(f"#models .card[data-pick='{name}']")
    page.click(f"#models .card[data-pick='{name}']")
    idle(page)
    assert page.locator(f"#models .card[aria-pressed=true][data-pick='{name}']").count() == 1
    os.remove(paths.home() / "checkpoints" / f"{name}.safetensors")
