"""Scores of translators: each on pictures for which the truth is known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from genstudio import checkpoint, cli
from genstudio.data import Pictures
from genstudio.model import Batch, Model
from genstudio.models.cyclegan import Direction
from genstudio.models.restoration import Denoiser, SuperResolution
from genstudio.registry import find_system
from genstudio.scores import measure as scores
from genstudio.scores import translation as fidelity
from genstudio.scores.network import FeatureNetwork
from genstudio.scores.translation import absolute_error, as_bytes, colourfulness, psnr, translation


def drawn(n: int = 12, side: int = 16, seed: int = 0) -> Tensor:
    """Smooth colour pictures, on the levels of bytes."""
    small = torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return as_bytes(torch.nn.functional.interpolate(small, (side, side), mode="bicubic"))


class Known(Model):
    """Adds a constant, or in two directions takes it away again."""

    def __init__(self, step: float = 0.0):
        super().__init__()
        self.step = torch.nn.Parameter(torch.tensor(step))

    def sources(self, batch: Batch) -> Tensor:
        return batch.sources

    def translate(self, images: Tensor) -> Tensor:
        return images + self.step


class ThereAndBack(Known):
    def translate(self, images: Tensor, *, direction: Direction = "there") -> Tensor:
        return images + (self.step if direction == "there" else -self.step)


def measured(model: Model, batch: Batch, judge: FeatureNetwork | None = None) -> dict:
    with torch.random.fork_rng():
        return dict(translation(model, batch, judge))


def test_the_error_where_partners_are_equal_is_that_of_those_pixels_alone():
    """A change of 51 levels everywhere; partners differ in a corner, in which any error is free."""
    sources = drawn()
    targets = sources.clone()
    targets[:, :, :4, :4] = -targets[:, :, :4, :4]
    found = measured(Known(51 / 127.5), Batch(targets, sources=sources.clamp(-0.5, 0.5)))
    assert not [name for name in found if "are equal" in name]  # hardly any pixel is
    sources, targets = sources.clamp(-1, 0.5), targets.clamp(-1, 0.5)
    found = measured(Known(51 / 127.5), Batch(targets, sources=sources))
    assert found["L1 where source and truth are equal, on [0, 1]"].value == pytest.approx(51 / 255, abs=1e-3)


# Measures


@pytest.mark.parametrize("levels", [1, 5, 51])
def test_a_shift_of_known_size_has_the_l1_and_psnr_of_the_books(levels):
    """The textbook's: 10 log10(255^2 / levels^2), and OpenCV's own."""
    images = drawn().clamp(-0.5, 0.5)
    shifted = images + levels / 127.5
    assert absolute_error(shifted, images).tolist() == pytest.approx([levels / 127.5] * len(images), rel=1e-4)
    assert psnr(shifted, images).tolist() == pytest.approx([20 * math.log10(255 / levels)] * len(images), abs=1e-3)
    a, b = drawn(seed=1), drawn(seed=2)
    theirs = [cv2.PSNR(*(((x[i] + 1) * 127.5).round().byte().numpy() for x in (a, b))) for i in range(len(a))]
    assert psnr(a, b).tolist() == pytest.approx(theirs, abs=1e-3)


def test_equal_pictures_have_a_finite_psnr():
    assert psnr(drawn(), drawn()).tolist() == pytest.approx([58.92] * 12, abs=0.01)


def test_colourfulness_is_0_of_greys_and_that_of_hasler_and_suesstrunk_else():
    greys = drawn()[:, :1].expand(-1, 3, -1, -1)
    assert colourfulness(greys).abs().max() < 1e-3
    images = drawn()
    red, green, blue = ((images[0].numpy().astype(np.float64) + 1) * 127.5)
    rg, yb = red - green, (red + green) / 2 - blue
    by_hand = math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())
    assert colourfulness(images)[0].item() == pytest.approx(by_hand, rel=1e-4)
    plain_red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert colourfulness(plain_red).item() == pytest.approx(0.3 * math.hypot(255, 127.5), rel=1e-4)


def test_bytes_are_what_a_file_would_hold():
    images = torch.tensor([-3.0, -1.0, 0.0011, 0.5, 1.0, 2.0]).view(1, 1, 1, 6)
    assert torch.equal(as_bytes(as_bytes(images)), as_bytes(images))
    assert ((as_bytes(images) + 1) * 127.5).ravel().tolist() == pytest.approx([0, 0, 128, 191, 255, 255], abs=1e-3)


# Of a model


def test_doing_nothing_scores_as_the_unchanged_picture_does():
    truth = drawn()
    found = measured(Known(), Batch(truth, sources=as_bytes(truth + 0.2)))
    assert found["L1 to the truth"] == found["L1 of the unchanged picture"]
    assert found["L1 over that of the unchanged picture"].value == pytest.approx(1)
    assert found["PSNR above that of the unchanged picture (dB)"].value == pytest.approx(0)
    assert all(s.low <= s.value <= s.high and s.n == 12 for s in found.values())


def test_whoever_knows_the_way_is_perfect_there_and_back():
    truth = as_bytes(drawn().clamp(-0.5, 0.5))
    step = 32 / 127.5
    batch = Batch(truth, sources=truth - step)
    found = measured(ThereAndBack(step), batch)
    for direction in ("there", "back"):
        assert found[f"L1 to the truth, {direction}"].value == pytest.approx(0, abs=1e-6)
        assert found[f"L1 of the unchanged picture, {direction}"].value == pytest.approx(step, rel=1e-3)
        assert found[f"PSNR, {direction} (dB)"].value > 58
    assert measured(ThereAndBack(0.0), batch)["L1 over that of the unchanged picture, back"].value == pytest.approx(1)


def test_colour_is_measured_where_sources_have_none_and_only_there():
    truth = drawn()
    grey = truth.mean(1, keepdim=True).expand_as(truth)

    class Half(Known):
        def translate(self, images):
            return grey + 0.5 * (truth - grey)

    name = "colourfulness over the truth's"
    assert measured(Half(), Batch(truth, sources=as_bytes(grey)))[name].value == pytest.approx(0.5, abs=0.02)
    assert name not in measured(Known(), Batch(truth, sources=truth.flip(0)))


def test_an_enlargement_is_held_against_the_bicubic_one():
    """An untrained network adds nothing to it."""
    torch.manual_seed(0)
    model = SuperResolution((3, 16, 16), width=8, blocks=1).eval()
    found = measured(model, Batch(drawn()))
    assert found["PSNR above that of bicubic enlargement (dB)"].value == pytest.approx(0, abs=1e-3)
    assert found["PSNR of bicubic enlargement (dB)"].value > 25


def test_pictures_without_pairs_are_refused_in_words():
    with pytest.raises(ValueError, match="measured on pairs"):
        measured(Known(), Batch(drawn()))


# Judged by a network


def warm_judge(shift: float = 0.0) -> FeatureNetwork:
    """Sees the mean colour, and calls a picture warm whose red outweighs its blue."""

    def attributes(images: Tensor) -> dict[str, Tensor]:
        red, _, blue = images.mean((2, 3)).unbind(1)
        return {"warmth": red > blue, "size": torch.ones(len(images), dtype=torch.bool)}

    return FeatureNetwork("judge", torch.device("cpu"), lambda x: x.mean((2, 3)) + shift, lambda f: f, attributes=attributes)


def test_the_wish_is_the_trait_that_tells_both_sides_apart():
    """`size` has every picture, so nobody wished for it."""
    noise = drawn(60) * 0.1
    warm = as_bytes(noise + torch.tensor([0.5, 0.0, -0.5]).view(1, 3, 1, 1))
    cold = as_bytes(noise - torch.tensor([0.5, 0.0, -0.5]).view(1, 3, 1, 1))
    found = measured(ThereAndBack(0.0), Batch(warm, sources=cold), warm_judge())
    shares = {what: score.value for what, score in found.items() if what.startswith("share")}
    assert shares == {
        "share of results with warmth, there (judge)": 0, "share of unchanged pictures with warmth, there (judge)": 0,
        "share of true pictures with warmth, there (judge)": 1, "share of results without warmth, back (judge)": 0,
        "share of unchanged pictures without warmth, back (judge)": 0, "share of true pictures without warmth, back (judge)": 1,
    }  # fmt: skip
    assert found["Frechet distance over that of the unchanged picture, there (judge)"].value == pytest.approx(1)


def test_the_frechet_distance_falls_to_0_as_results_become_true():
    truth = drawn(80).clamp(-0.5, 0.5)
    batch = Batch(truth, sources=truth - 0.4)
    found = [measured(Known(step), batch, warm_judge())["Frechet distance over that of the unchanged picture (judge)"].value
             for step in (0.0, 0.2, 0.4)]  # fmt: skip
    assert found == pytest.approx([1, 0.25, 0], abs=0.02)


# Noise


def test_noise_has_the_strength_that_is_asked_for_and_non_local_means_takes_some_of_it():
    model = Denoiser((3, 16, 16), width=8, blocks=1).eval()
    images = drawn(40).clamp(-0.4, 0.4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        noisy = model.noisy(images, 25 / 127.5)
        found = dict(fidelity.denoising(model, images, 25))
    assert (127.5 * (noisy - images)).std().item() == pytest.approx(25, rel=0.02)
    unchanged = 20 * math.log10(255 / 25)
    assert found["PSNR at noise 25 (dB)"].value == pytest.approx(unchanged, abs=0.3)  # untrained: it takes nothing away
    ours, theirs = (found[f"PSNR{of} at noise 25 (dB)"].value for of in ("", " of non-local means"))
    assert theirs > ours + 3
    assert found["PSNR above that of non-local means at noise 25 (dB)"].value == pytest.approx(ours - theirs)


def test_non_local_means_leaves_flat_pictures_alone():
    flat = as_bytes(torch.linspace(-1, 1, 8).view(-1, 1, 1, 1).expand(-1, 3, 16, 16))
    assert (fidelity.non_local_means(flat, 10, 3) - flat).abs().max() < 3 / 127.5  # the way to Lab and back rounds
    assert fidelity.non_local_means(flat[:, :1], 10, 3).shape == (8, 1, 16, 16)


# Of a checkpoint


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An untrained denoiser in a home of the test's own, and a handful of made-up photographs."""
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.manual_seed(0)
    path = tmp_path / "checkpoints" / "denoise_photo.safetensors"
    checkpoint.save(path, find_system("denoise_photo").build(), checkpoint.Header("denoise_photo", data="cifar10"))
    photographs = ((drawn(20, 32) + 1) * 127.5).round().byte()
    monkeypatch.setattr(scores, "pictures", lambda data, split, shape: Pictures(data, photographs))
    monkeypatch.setattr(fidelity, "SIGMAS", (25,))
    monkeypatch.setattr(fidelity, "STRENGTHS", (0.5,))
    return path


def test_a_translator_keeps_its_word_with_and_without_its_judge(home, monkeypatch, capsys):
    """The noise is the same each time; without a classifier the pairs are counted all the same."""
    for shipped in (True, False):
        if not shipped:
            monkeypatch.setattr("genstudio.paths.SHIPPED", home.parent / "nothing is shipped")
        assert cli.main(["score", "denoise_photo", "--n", "12", "--write"]) == 0
        claimed = checkpoint.describe(home).scores
        assert any("classifier_cifar10" in name for name in claimed) == shipped and "PSNR at noise 25 (dB)" in claimed
        assert all(number["n"] == 12 for number in claimed.values())
        capsys.readouterr()
        assert cli.main(["score", "denoise_photo", "--check"]) == 0
        assert capsys.readouterr().out.count(": agrees\n") == len(claimed)


def test_a_classifier_of_the_same_shape_stands_in_for_one_that_is_not_there(home):
    assert scores.substitute_judge((3, 64, 64), torch.device("cpu")).name == "classifier_avatars"
    assert scores.substitute_judge((3, 48, 48), torch.device("cpu")) is None
