"""What sampling is timed against is the same network: with diffusers' weights ours says what theirs says."""

from __future__ import annotations

import pytest
import torch

from genstudio.models.diffusion import Diffusion

pytest.importorskip("diffusers")
from tests.bench import diffusion as bench_diffusion  # noqa: E402


@pytest.mark.parametrize(
    "layout",
    [
        {"image_shape": (3, 16, 16), "widths": (32, 64, 64), "attention": (1,)},
        {"image_shape": (1, 16, 16), "widths": (32, 64), "blocks": 1, "attention": (0, 1), "classes": 4, "fold": 2},
    ],
)
def test_with_the_same_weights_both_networks_say_the_same(layout):
    torch.manual_seed(0)
    model = Diffusion(**layout).eval()
    theirs = bench_diffusion.counterpart(model).eval()
    assert bench_diffusion.difference(model.network, theirs, model.image_shape) > 0.1  # ours is born saying nothing
    model.network.load_state_dict(bench_diffusion.translated(theirs.state_dict()))
    assert bench_diffusion.difference(model.network, theirs, model.image_shape) < bench_diffusion.SAME


def test_ddpms_layout_is_as_large_as_the_paper_says():
    model = bench_diffusion.LAYOUTS["DDPM's for CIFAR-10"]()
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 35.7
