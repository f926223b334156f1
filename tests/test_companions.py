"""Models that work with other models: each is loaded with the weights that it was trained with, or says which are missing."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genstudio import catalog, checkpoint, paths, registry
from genstudio.data import Pictures
from genstudio.engine import Engine
from genstudio.model import Batch, Companions, Frame, Model, Noise, Progress
from genstudio.recipes import links, recipe, replay
from genstudio.registry import systems
from genstudio.training import loop
from tests import small
from tests.small import small as declare


class Prior(Model):
    """A normal distribution of a tokenizer's latents, with a learned mean."""

    trained_with = ("tokenizer",)

    def __init__(self) -> None:
        super().__init__()
        self.image_shape = small.GREY
        self.mean = nn.Parameter(torch.zeros(2))

    def sample(self, noise: Noise) -> Iterator[Frame]:
        yield Frame(self.companion("tokenizer").decode(self.mean + noise.normal(2)))

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        with torch.no_grad():
            codes = self.companion("tokenizer").encode(batch.images)
        yield "model", {"distance": (codes - self.mean).square().mean()}


@declare(companions={"tokenizer": "small_autoencoder"})
def small_prior() -> Prior:
    return Prior()


def write(folder, name: str, seed: int = 0) -> None:
    torch.manual_seed(seed)
    entry = small.INSTANCES[name]
    model = small.awake(entry) if seed == 0 else entry.build()
    header = checkpoint.Header(name, classes=list(small.CLASSES) if model.classes else [])
    checkpoint.save(folder / f"{name}.safetensors", model, header)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of checkpoints with the small auto-encoder, and the small systems by name."""
    for name, entry in (small.INSTANCES | {"small_prior": small_prior.system}).items():
        monkeypatch.setitem(systems(), name, entry)
    (folder := tmp_path / "shelf").mkdir()
    monkeypatch.setattr(paths, "checkpoint_folders", lambda: [folder])
    write(folder, "small_autoencoder")
    return folder


@pytest.fixture
def pictures(monkeypatch):
    images = torch.randint(256, (64, *small.GREY), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    monkeypatch.setattr("genstudio.training.session.load", lambda name, split, shape, **_: Pictures("dots", images))


def train(out, **changes) -> list:
    return list(loop.train("small_prior", data="dots", out=out, device="cpu", exact=True, images=16, batch=8, **changes))


def digest(folder) -> str:
    return checkpoint.digest(folder / "small_autoencoder.safetensors")


def test_a_companion_is_no_part_of_the_model_and_its_copies_share_it():
    other = small.INSTANCES["small_autoencoder"].build()
    model = registry.build(small_prior.system, {}, Companions({"tokenizer": other}, {"tokenizer": "123"}))
    assert set(model.state_dict()) == {"mean"} and copy.deepcopy(model).companion("tokenizer") is other
    with pytest.raises(ValueError, match="weights of its tokenizer, which are not here"):
        registry.build(small_prior.system).companion("tokenizer")


def test_a_model_is_trained_with_its_companion_and_opens_with_the_same_weights_only(shelf, pictures, tmp_path):
    train(tmp_path / "run")
    made = tmp_path / "run" / "small_prior.safetensors"
    assert checkpoint.describe(made).companions == {"tokenizer": digest(shelf)}
    made.rename(shelf / made.name)
    engine = Engine("cpu", exact=True)
    *_, images = engine.sample("small_prior", [3])
    model, _ = catalog.load(shelf / made.name)
    assert model.mean.abs().sum() > 0
    latent = model.mean.detach() + Noise([3]).normal(2)
    np.testing.assert_array_equal(images, engine.decode("small_autoencoder", latent.numpy()))

    said = recipe.make(engine.hold("small_prior"), "sample", seed=3, controls={})
    assert said["companions"] == {"tokenizer": digest(shelf)}
    assert recipe.check(links.from_query(links.to_query(said)))["companions"] == said["companions"]
    np.testing.assert_array_equal(replay.image(said, engine), images[0])

    before = digest(shelf)
    write(shelf, "small_autoencoder", seed=1)
    with pytest.raises(ValueError, match=f"was trained with small_autoencoder, weights {before}, and weights {digest(shelf)}"):
        catalog.load(shelf / made.name)
    with pytest.raises(ValueError, match=f"small_prior was trained with small_autoencoder, weights {before}"):
        train(tmp_path / "run", resume=True)
    (shelf / "small_autoencoder.safetensors").unlink()
    with pytest.raises(ValueError, match="it is not here"):
        Engine("cpu", exact=True).hold("small_prior")


def test_no_run_begins_without_the_companion(shelf, pictures, tmp_path):
    (shelf / "small_autoencoder.safetensors").unlink()
    with pytest.raises(ValueError, match="small_prior is trained with small_autoencoder, and it is not here"):
        train(tmp_path / "run")


def test_a_judge_is_in_the_recipe_where_it_guides_and_only_there(shelf):
    write(shelf, "small_classifier")
    write(shelf, "small_diffusion")
    engine = Engine("cpu", exact=True)
    loaded = engine.hold("small_diffusion")
    judge = checkpoint.digest(shelf / "small_classifier.safetensors")
    controls = {"steps": 4, "label": "a", "classifier_guidance": 4.0}
    guided = recipe.make(loaded, "sample", seed=3, controls=controls)
    plain = recipe.make(loaded, "sample", seed=3, controls=controls | {"classifier_guidance": 0.0})
    branch = {"at": 1, "seed": 5, "controls": controls}
    branched = recipe.make(loaded, "sample", seed=3, controls=plain["controls"], branches=[branch])
    assert guided["companions"] == branched["companions"] == {"judge": judge} and "companions" not in plain
    assert recipe.differences(guided, loaded) == recipe.differences(plain, loaded) == []
    assert (replay.image(guided, engine) != replay.image(plain, engine)).any()

    write(shelf, "small_classifier", seed=1)
    other = Engine("cpu", exact=True).hold("small_diffusion")
    assert recipe.differences(guided, other) == ["companions"] and recipe.differences(plain, other) == []
    for wrong in ("judge", {"judge": 3}, [1]):
        with pytest.raises(ValueError, match="companions are digests by role"):
            recipe.check(guided | {"companions": wrong})
