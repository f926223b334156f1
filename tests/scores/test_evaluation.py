"""Checkups: each number on models whose truth is known, and warnings that come when they should and else do not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from genstudio.data import Pictures
from genstudio.model import Batch, Model, Noise
from genstudio.precision import Precision
from genstudio.registry import find_system
from genstudio.scores import evaluator as evaluators
from genstudio.scores.evaluation import Evaluation, best, warnings
from genstudio.scores.evaluator import Evaluator
from genstudio.scores.intervals import Score
from tests.small import SMALLEST, built, conditions

CPU = torch.device("cpu")
SHAPE = (3, 16, 16)


pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(seeds) -> torch.Tensor:
    """Pictures of a law of their own, one a seed: large spots of any colour under a little noise."""
    noise = Noise(seeds)
    spots = nn.functional.interpolate(noise.normal(3, 4, 4), (16, 16), mode="bilinear")
    return (0.4 * spots + 0.05 * noise.normal(*SHAPE)).clamp(-1, 1)


def as_bytes(images: torch.Tensor) -> torch.Tensor:
    return ((images + 1) * 127.5).round().to(torch.uint8)


TRAINING = Pictures("spots", as_bytes(drawn(range(10_000, 10_400))))
HELD_OUT = Batch(drawn(range(20_000, 20_300)))


class Draws(Model):
    """A model that draws by the law itself, with a norm that would notice training mode."""

    image_shape = SHAPE

    def __init__(self):
        super().__init__()
        self.scale, self.norm = nn.Parameter(torch.ones(())), nn.BatchNorm2d(3)

    def latents(self, noise: Noise) -> torch.Tensor:
        return torch.tensor(noise.seeds)[:, None]

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        images = self.scale * self.pictures(latents.flatten().tolist()) + 0 * torch.rand(())
        return self.norm(images) if self.norm.training else images

    def pictures(self, seeds: list[int]) -> torch.Tensor:
        return drawn(seeds)


class Constant(Draws):
    def pictures(self, seeds):
        return drawn([1] * len(seeds))


class Copies(Draws):
    """Training pictures, a grey level off."""

    def pictures(self, seeds):
        return TRAINING.images[[s % len(TRAINING) for s in seeds]] / 127.5 - 1 + 1 / 127.5


@pytest.fixture
def by_pixels(monkeypatch):
    """No classifier reads these pictures."""
    monkeypatch.setattr(evaluators, "judge_of", lambda *_: None)
    monkeypatch.setattr(evaluators, "substitute_judge", lambda *_: None)


def check(model: Model, training: Pictures = TRAINING, held_out: Batch | None = HELD_OUT) -> Evaluation:
    return Evaluator(model, training, held_out, CPU).evaluate(model, 1)


def in_a_row(*varieties: float, copied: float | None = 1.0, distances=None) -> list[Evaluation]:
    """Checkups of a run, a hundred steps apart."""
    values = distances or [1.0 / (i + 1) for i in range(len(varieties))]
    return [
        Evaluation(100 * i, 800 * i, "kernel distance", Score(d, d - 0.1, d + 0.1, 256), "pixels", True, v, copied)
        for i, (v, d) in enumerate(zip(varieties, values, strict=True), 1)
    ]


# What it finds --------------------------------------------------------------------------------------------------


def test_samples_of_the_same_law_are_at_distance_0_as_varied_and_no_copies(by_pixels):
    found = check(Draws())
    assert found.judge == "pixels" and found.held_out and found.distance.n == 256
    assert found.distance.low < 0 < found.distance.high
    assert found.variety == pytest.approx(1, abs=0.05) and found.copied == pytest.approx(1, abs=0.1)
    assert warnings([found], []) == []


def test_a_constant_generator_has_collapsed(by_pixels):
    found = check(Constant())
    assert found.variety < 0.01 and found.distance.low > 0
    said = warnings([found] * 3, [])
    assert len(said) == 1 and "0.00 of real" in said[0].en and "0,00" in said[0].fr


@pytest.mark.parametrize("read", [2000, 100], ids=["all are read", "a quarter is read"])
def test_copies_are_told_where_all_training_pictures_are_read_or_a_part(by_pixels, monkeypatch, read):
    """Of a quarter, three copies in four find no original: a median would miss them all."""
    monkeypatch.setattr(evaluators, "READ", read)
    found = check(Copies())
    assert found.copied < 0.1 and found.variety == pytest.approx(1, abs=0.1)
    said = warnings([found], [])
    assert len(said) == 1 and "by heart" in said[0].en and "par cœur" in said[0].fr
    assert check(Draws()).copied == pytest.approx(1, abs=0.2)


def test_without_enough_held_out_pictures_training_pictures_serve_and_it_says_so(by_pixels):
    found = check(Draws(), held_out=None)
    assert not found.held_out and found.copied is None and found.distance.low < 0 < found.distance.high
    few = check(Copies(), held_out=HELD_OUT[:20])
    assert not few.held_out and few.copied < 0.2, "twenty are enough to know copies by"
    evaluator = Evaluator(Draws(), replace(TRAINING, images=TRAINING.images[:5]), None, CPU)
    assert evaluator.evaluate(Draws(), 1) is None and "5 pictures" in evaluator.reason.en and evaluator.reason.fr


def test_training_is_left_alone_and_equal_weights_get_equal_numbers(by_pixels):
    """Random numbers, each part's own mode, gradients, buffers; whatever precision the caller is in."""
    model = Draws().train()
    model.norm.eval()
    model.scale.grad = torch.ones(())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluator = Evaluator(model, TRAINING, HELD_OUT, CPU)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with Precision("cpu", torch.bfloat16, torch.channels_last, None).autocast():
        first = evaluator.evaluate(model, 1)
    assert torch.equal(torch.rand(2), expected)
    assert model.training and not model.norm.training and model.scale.grad == 1 and torch.is_grad_enabled()
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert evaluator.evaluate(model, 1) == first


def test_a_model_that_diverged_ends_training_as_a_loss_would(by_pixels):
    model = Draws()
    with torch.no_grad():
        model.scale.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="step 7"):
        Evaluator(model, TRAINING, HELD_OUT, CPU).evaluate(model, 7)


def test_an_evaluation_comes_back_from_json(by_pixels):
    for found in (check(Draws()), replace(check(Draws()), copied=None)):
        again = Evaluation.from_dict(found.as_dict())
        assert again.distance.value == pytest.approx(found.distance.value, rel=1e-4)
        assert replace(again, distance=found.distance) == found
    for damaged in ({}, found.as_dict() | {"what": "beauty"}, found.as_dict() | {"distance": 3}):
        with pytest.raises(ValueError, match="no evaluation"):
            Evaluation.from_dict(damaged)


# Every system ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", SMALLEST.values(), ids=lambda entry: entry.name)
def test_every_model_gets_a_number(entry, monkeypatch):
    """On random pictures. Which number, follows from what it learns; unpaired heaps are of two sizes."""
    for constant, few in {"SAMPLES": 8, "SLOW_SAMPLES": 8, "STEPS": 1, "TRANSLATED": 8, "FEWEST": 8}.items():
        monkeypatch.setattr(evaluators, constant, few)
    model, draw = built(entry), torch.Generator().manual_seed(0)
    images, sources = torch.randint(0, 256, (2, 12, *model.image_shape), dtype=torch.uint8, generator=draw)
    paired, labels = entry.data != "faces_glasses_unpaired", torch.arange(12) % 8
    known = conditions(model, 12)
    drawn_from = sources if paired else sources[:10]
    training = Pictures(entry.data, images, labels, (), known, sources=drawn_from, paired=paired)
    held_out = Batch(images.flip(0) / 127.5 - 1, labels, known, sources.flip(0) / 127.5 - 1)
    translates = entry.family in ("pix2pix", "cyclegan")
    others = {"classifier": "accuracy", "restoration": "L1", "segmentation": "mean IoU"}
    reconstructs = hasattr(model, "encode") or hasattr(model, "tokenize")
    others |= dict.fromkeys(("autoencoder", "sparse", "vqvae"), "squared error" if reconstructs else "kernel distance")
    expected = others.get(entry.family, "kernel distance")
    for kept in (True, False):
        evaluator = Evaluator(model, training, held_out if kept else None, CPU)
        found = evaluator.evaluate(model, 5, 40)
        assert evaluator.reason is None and found.held_out is kept and (found.step, found.images) == (5, 40)
        assert math.isfinite(found.distance.value)
        assert found.what == ("L1" if translates and paired else expected)
        assert (found.judge != "") == (found.what == "kernel distance")
        assert (found.variety is not None) == (found.what == "kernel distance" and not translates)


def test_a_translator_without_pairs_is_told_why_it_has_no_number():
    pictures = Pictures("faces", torch.zeros(20, 3, 64, 64, dtype=torch.uint8))
    evaluator = Evaluator(find_system("pix2pix_sketch").build(), pictures, None, CPU)
    assert "pairs" in evaluator.reason.en and evaluator.reason.en != evaluator.reason.fr
    assert evaluator.evaluate(find_system("pix2pix_sketch").build(), 1) is None


# Warnings -------------------------------------------------------------------------------------------------------


def test_a_classifier_of_attributes_that_the_pictures_lack_has_a_reason_instead_of_a_number():
    evaluator = Evaluator(find_system("judge_faces").build(), TRAINING, HELD_OUT, torch.device("cpu"))
    assert "none of the attributes" in evaluator.reason.en and evaluator.reason.en != evaluator.reason.fr


def test_variety_that_falls_is_told_and_variety_that_rises_is_not():
    [fallen] = warnings(in_a_row(0.6, 0.95, 0.6), [])
    assert "fallen to 0.60" in fallen.en and "from 0.95" in fallen.en and "0,60" in fallen.fr
    assert warnings(in_a_row(0.01, 0.1, 0.2, 0.35), []) == [], "a young model is no collapsed one"
    assert warnings(in_a_row(1.6, 0.9), []) == [], "the noise of the first steps is no variety to go back to"
    assert warnings(in_a_row(0.9, 0.85, 0.88), []) == []
    assert warnings([], []) == []


def test_a_critic_that_wins_is_told_only_after_a_while():
    won = {"critic": 0.01, "D(real)": 0.98, "D(fake)": 0.01, "D(fake_after)": 0.01, "generator": 4.0}
    even, sees = won | {"D(real)": 0.5, "D(fake)": 0.5}, won | {"D(fake)": 0.2}
    said = warnings([], [even] * 30 + [won] * 20)
    assert len(said) == 1 and "0.98" in said[0].en and "0,98" in said[0].fr
    for fine in ([won] * 19, [even] * 50, [sees] * 50, [won] * 50 + [even] * 20, [{"denoising": 0.1}] * 50):
        assert warnings([], fine) == []


def test_copies_are_told_but_not_of_blurs():
    assert "0.40" in warnings(in_a_row(1.0, copied=0.4), [])[0].en
    assert warnings(in_a_row(1.0, copied=0.8), []) == []
    assert warnings(in_a_row(0.3, copied=0.4), []) == [], "blurs lie near to everything"


def test_no_progress_is_told_when_the_best_is_older_than_half_of_the_run():
    old = in_a_row(*[1.0] * 8, distances=[0.5, 0.3, 0.1, 0.2, 0.2, 0.2, 0.2, 0.2])
    said = warnings(old, [])
    assert len(said) == 1 and "step 300" in said[0].en and "pas 300" in said[0].fr and "0,1" in said[0].fr
    assert warnings(old[:6], []) == [] and best(old) is old[2]
    assert warnings(in_a_row(*[1.0] * 4, distances=[0.1, 0.3, 0.3, 0.3]), []) == [], "four evaluations say nothing yet"


def test_the_best_is_the_lowest_or_the_highest_by_its_kind_and_of_one_yardstick():
    assert best([]) is None
    lower = in_a_row(1.0, 1.0, 1.0, distances=[0.2, -0.1, 0.3])
    assert best(lower) is lower[1]
    right = [replace(c, what="accuracy") for c in lower]
    assert best(right) is right[2]
    other = [replace(lower[1], judge="classifier_avatars"), *lower[::2]]
    assert best(other) is lower[0], "numbers of two networks cannot be compared"
