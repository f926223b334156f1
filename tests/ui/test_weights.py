"""Weights of another project, dropped on the page in a real browser."""

from __future__ import annotations

import io
import os
import pickle

import torch

from tests.ui.page import JOURNEY, card, drop, idle, press, recipe_of, shown

pytestmark = JOURNEY


def digits() -> bytes:
    """The well-known VAE of PyTorch's examples, as its users save it, with numbers of no meaning."""
    draw = torch.Generator().manual_seed(0)
    shapes = {"fc1": (400, 784), "fc21": (20, 400), "fc22": (20, 400), "fc3": (400, 20), "fc4": (784, 400)}
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = 0.1 * torch.randn(shape, generator=draw)
        state[f"{name}.bias"] = 0.1 * torch.randn(shape[0], generator=draw)
    torch.save(state, stream := io.BytesIO(), _use_new_zipfile_serialization=False)
    return stream.getvalue()


def test_weight_files_of_others_are_opened(page, tmp_path, subtests):
    with subtests.test("a file that would run something is refused by its name"):

        class Armed:
            def __reduce__(self):
                return os.system, (f"touch {tmp_path / 'canary'}",)

        before = shown(page)
        drop(page, ".masthead", pickle.dumps({"G_ema": Armed()}), "stylegan2.pkl")
        assert "system, which weights have no need of" in card(page, "stylegan2.pkl")
        idle(page)
        assert shown(page) == before and not (tmp_path / "canary").exists()

    with subtests.test("a weight file is named, kept and drawn from"):
        drop(page, ".masthead", digits(), "vae epoch 25.pth")
        text = card(page, "dense_vae.vae-epoch-25")
        for words in ("pickle", "vae epoch 25.pth", "28 × 28", "652\u202f824", "Kept as"):
            assert words in text
        idle(page)
        assert shown(page) != before
        assert page.locator("#models .card[aria-pressed=true]").get_attribute("data-pick") == "dense_vae.vae-epoch-25"
        made = recipe_of(page, "#stage")
        assert made["system"] == "dense_vae.vae-epoch-25" and made["verb"] == "interpolate"
        before = shown(page)
        press(page, "#dice")
        assert shown(page) != before
