"""Scores of tokenizers and priors."""

from __future__ import annotations

import math

import pytest
import torch

from genstudio.controls import Text
from genstudio.model import Model
from genstudio.scores import tokens, words
from genstudio.scores.network import FeatureNetwork


class Grey(Model):
    """A tokenizer of one token, the mean grey level in four steps: its errors are known."""

    image_shape, grids, vocabulary = (1, 2, 2), ((1, 1),), 4

    def tokenize(self, images: torch.Tensor) -> torch.Tensor:
        return ((images.mean((1, 2, 3)) + 1) * 2).long().clamp(0, 3)[:, None]

    def detokenize(self, numbers: torch.Tensor) -> torch.Tensor:
        return ((numbers + 0.5) / 2 - 1)[:, :, None, None].expand(-1, 1, 2, 2)

    def by_level(self, numbers: torch.Tensor) -> list[torch.Tensor]:
        return [numbers.unflatten(1, (1, 1))]


def judge() -> FeatureNetwork:
    """It reads the attribute "light", and its features are the pixels."""
    reads = lambda images: {"light": images.mean((1, 2, 3)) > 0}  # noqa: E731
    return FeatureNetwork("judge", torch.device("cpu"), lambda x: x.flatten(1), None, (), (1, 2, 2), attributes=reads)


def test_errors_and_use_of_a_codebook_are_those_of_a_known_one():
    images = torch.tensor([-0.75, -0.25, 0.25, 0.75]).repeat(50)[:, None, None, None].expand(-1, 1, 2, 2).contiguous()
    shifted = images + 0.1
    found = {name: score.value for name, score in tokens.reconstruction(Grey(), judge(), images, shifted)}
    assert found["RMSE"] == pytest.approx(0.05) and found["RMSE of training pictures"] == pytest.approx(0, abs=1e-6)
    assert found["PSNR (dB)"] == pytest.approx(-20 * math.log10(0.05), rel=1e-5)
    assert found["perplexity"] == pytest.approx(4) and found["used entries"] == 1 and found["light kept (judge)"] == 1
    assert found["Frechet distance of the reconstruction (judge)"] == pytest.approx(4 * 0.1**2, rel=1e-3)
    half = {name: score.value for name, score in tokens.reconstruction(Grey(), None, images, shifted[::2])}
    assert half["perplexity"] == pytest.approx(2) and half["used entries"] == 0.5


def test_obedience_asks_for_yes_and_no_equally_often(monkeypatch):
    asked = []

    def obey(model, seeds, device, light):
        asked.extend([light] * len(seeds))
        lit = light if len(asked) <= 400 else True  # 400 of 500 with obey, and none of those without
        return torch.full((len(seeds), 1, 2, 2), 0.5 if lit else -0.5)

    monkeypatch.setattr(tokens, "generate", obey)
    model = Grey()
    model.conditions = {"light": "light"}
    [(name, score)] = tokens.obedience(model, judge(), torch.device("cpu"))
    assert asked.count(True) == asked.count(False) == 500
    assert name == "light obeyed (judge)" and score.value == 0.5 and score.n == 1000


@pytest.mark.parametrize(
    ("name", "french"),
    [
        ("glasses kept (judge_faces)", "lunettes : attribut gardé (judge_faces)"),
        ("facial_hair obeyed (judge_faces)", "barbe : demande suivie (judge_faces)"),
        ("nats per token, at most", "nats par jeton, au plus"),
        ("perplexity of the top", "perplexité en haut"),
        ("RMSE of training pictures", "RMSE d’images d’entraînement"),
        ("Frechet distance of the reconstruction over training pictures' (judge_faces)",
         "distance de Fréchet de la reconstruction, par rapport aux images d’entraînement (judge_faces)"),
    ],
)  # fmt: skip
def test_names_are_in_french_too(name, french):
    assert Text(name, words.score_title(name, "fr")).fr == french
