"""Likelihoods: bits are of 256 levels, binary test pixels are drawn once, and more importance samples come closer."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from genstudio import checkpoint, legacy
from genstudio.model import Model
from genstudio.scores import likelihood
from genstudio.scores.likelihood import bits_per_dimension, importance_sampled, importance_scores, nats, observed
from genstudio.scores.words import score_title
from tests.small import INSTANCES, awake

pytestmark = pytest.mark.usefixtures("one_thread")


def digits(count: int = 6, side: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (count, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Uniform(Model):
    """All pictures are equally likely."""

    image_shape = (1, 16, 16)

    def __init__(self, likelihood_of: str):
        super().__init__()
        self.likelihood_of = likelihood_of

    def nats(self, images: torch.Tensor) -> torch.Tensor:
        level = math.log(256) if self.likelihood_of == "grey levels" else math.log(256 / 127.5)  # a density on [-1, 1]
        return torch.full((len(images),), 256 * level)


@pytest.mark.parametrize("data", ["grey levels", "real"])
def test_uniform_levels_have_eight_bits_per_dimension(data):
    """256 levels, or a density on the interval that their noise fills."""
    model = Uniform(data)
    found = bits_per_dimension(model, nats(model, digits()), 256)
    assert torch.allclose(found, torch.tensor(8.0), atol=1e-5), found


def test_binary_pixels_of_test_images_are_drawn_once():
    model, images = awake(INSTANCES["small_flow_vae_of_bits"]), digits()
    bits = observed(model, images)
    torch.manual_seed(123)
    assert torch.equal(observed(model, images), bits) and set(bits.unique().tolist()) == {-1.0, 1.0}
    assert abs((bits + 1).mean() / 2 - images.float().mean() / 255) < 0.03
    grey = awake(INSTANCES["small_flow_vae"])
    assert torch.equal(observed(grey, images), images)


def test_importance_samples_lower_the_bound():
    """In expectation: -ELBO, 10 samples, 300 samples, of a posterior that is far from the true one."""
    model, images = awake(INSTANCES["small_flow_vae_of_bits"]), digits(4)
    model.posterior.bias[: model.latent_dim] += 2
    torch.manual_seed(0)
    means = [
        torch.stack([importance_sampled(model, images, samples) for _ in range(times)]).mean(0)
        for samples, times in ((1, 40), (10, 10), (300, 1))
    ]
    bound = nats(model, images, passes=40)
    assert (means[0] - bound).abs().max() < 0.1 * bound.abs().max()
    assert (means[0] > means[1]).all() and (means[1] > means[2]).all()


def test_chunks_of_importance_samples_are_one_estimate(monkeypatch):
    model, images = awake(INSTANCES["small_flow_vae_of_bits"]), digits(2)
    monkeypatch.setattr(model, "log_weights", lambda image, count: torch.zeros(len(image), count), raising=False)
    monkeypatch.setattr(likelihood, "CHUNK", 7)
    assert torch.allclose(importance_sampled(model, images, 20), torch.zeros(2), atol=1e-6)


@pytest.mark.parametrize(("full", "samples", "count"), [(False, 30, 3), (True, 60, 9)])
def test_scores_name_their_data_their_samples_and_how_many_pictures(monkeypatch, full, samples, count):
    for name, value in {"SAMPLES": 30, "IMAGES": 3, "FULL_SAMPLES": 60}.items():
        monkeypatch.setattr(likelihood, name, value)
    for name, found in (("small_flow_vae_of_bits", 1), ("small_flow_vae", 2)):
        model = awake(INSTANCES[name])
        height, width = model.image_shape[1:]
        scores = dict(importance_scores(model, digits(9)[..., :height, :width], full))
        data = "binary pixels" if found == 1 else "256 levels"
        nll = f"negative log-likelihood of {data}, {samples} importance samples (nats)"
        bits = {f"bits per dimension of 256 levels, {samples} importance samples"} if found == 2 else set()
        assert set(scores) == {nll} | bits and all(score.n == count for score in scores.values())


def test_likelihoods_of_old_headers_say_of_which_pixels(tmp_path):
    """The two never share a column; a header that says it already stays as it is."""
    value = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 9}
    both = legacy.scores({"negative ELBO (nats)": value, "bits per dimension": value, "recall": value})
    assert set(both) == {"negative ELBO of real pixels (nats)", "bits per dimension of 256 levels", "recall"}
    assert set(legacy.scores({"negative ELBO (nats)": value})) == {"negative ELBO of binary pixels (nats)"}
    assert legacy.scores(both) == both
    path = Path(tmp_path) / "vae_mnist.safetensors"
    header = checkpoint.Header("vae_mnist", scores={"negative ELBO (nats)": value})
    checkpoint.save(path, INSTANCES["small_vae"].build(), header)
    assert set(checkpoint.describe(path).scores) == {"negative ELBO of binary pixels (nats)"}


def test_their_names_are_said_in_french():
    assert score_title("bits per dimension of 256 levels", "fr") == "bits par dimension de 256 niveaux"
    sampled = score_title("bits per dimension of 256 levels, 1000 importance samples", "fr")
    assert sampled == "bits par dimension de 256 niveaux, 1000 échantillons préférentiels"
