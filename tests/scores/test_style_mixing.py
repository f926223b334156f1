"""Style mixing as a score: what other layers keep and change, on a model whose attribute hangs on one known layer."""

from __future__ import annotations

import pytest
import torch

from genstudio.model import Model, Noise
from genstudio.scores.network import FeatureNetwork
from genstudio.scores.style_mixing import style_mixing


class OneLayer(Model):
    """Pictures as bright as one layer's style says, and no other."""

    image_shape = (1, 8, 8)

    def __init__(self, layer: int):
        super().__init__()
        self.layer = layer

    def sides(self) -> list[int]:
        return [4, 8, 8, 16, 16, 32]

    def styles(self, noise: Noise) -> torch.Tensor:
        return noise.normal(1)[:, None].expand(-1, 6, -1)

    def synthesize(self, w: torch.Tensor) -> torch.Tensor:
        return w[:, self.layer, :, None, None].expand(-1, 1, 8, 8)


def judge(**attributes) -> FeatureNetwork:
    def found(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: of(images.mean((1, 2, 3))) for name, of in attributes.items()}

    return FeatureNetwork("eye", torch.device("cpu"), lambda x: x.mean((2, 3)), None, attributes=found)


@pytest.mark.parametrize(("layer", "side"), [(0, "coarse"), (2, "coarse"), (3, "fine"), (5, "fine")])
def test_an_attribute_moves_with_the_layers_that_hold_it(layer, side):
    pairs = 120
    own, other = (OneLayer(layer).styles(Noise(range(start, start + pairs)))[:, 0, 0] > 0 for start in (0, pairs))
    differs = (own != other).float().mean().item()
    eye = judge(bright=lambda x: x > 0, shade=lambda x: (x > 0).long())
    found = dict(style_mixing(OneLayer(layer), eye, torch.device("cpu"), pairs))
    kept, changed = (found[f"attributes {what} layers (eye)"].value for what in ("kept by other fine", "changed by other coarse"))
    assert 0.3 < differs < 0.7
    assert kept == pytest.approx(1 - differs if side == "fine" else 1.0, abs=1e-6)
    assert changed == pytest.approx(differs if side == "coarse" else 0.0, abs=1e-6)


def test_a_judge_of_no_attribute_of_yes_or_no_says_nothing():
    assert not list(style_mixing(OneLayer(0), judge(shade=lambda x: (x > 0).long()), torch.device("cpu"), 8))
