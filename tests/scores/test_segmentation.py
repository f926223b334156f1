"""Scores of label pictures: each on pictures for which the truth is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genstudio.data import Pictures
from genstudio.images import from_uint8
from genstudio.layers.palette import FACADES
from genstudio.model import Batch, Model
from genstudio.scores.segmentation import PLAIN, LogisticRegression, confusion, mean_colours, mean_iou
from genstudio.scores.translation import MEAN_COLOUR, translation


def drawn(n: int, classes: int = 4, side: int = 16, seed: int = 0) -> Tensor:
    """Classes (n, side, side) in blocks."""
    blocks = torch.randint(classes, (n, side // 4, side // 4), generator=torch.Generator().manual_seed(seed))
    return blocks.repeat_interleave(4, 1).repeat_interleave(4, 2)


def in_bytes(classes: Tensor) -> Tensor:
    return torch.tensor(FACADES.colours, dtype=torch.uint8)[classes].movedim(-1, 1)


def by_brute_force(found: Tensor, true: Tensor, classes: int) -> float:
    """Sets of (picture, row, column), and the classes that the truth has."""
    scores = []
    for c in range(classes):
        ours = {tuple(place) for place in (found == c).nonzero().tolist()}
        theirs = {tuple(place) for place in (true == c).nonzero().tolist()}
        if theirs:
            scores.append(len(ours & theirs) / len(ours | theirs))
    return sum(scores) / len(scores)


@pytest.mark.parametrize("known", [4, 7])
def test_mean_iou_is_that_of_brute_force_over_the_classes_of_the_truth(known):
    """Seven classes are found and four are there: a class that is only found counts as pixels missed, not as a zero."""
    true, found = drawn(5), drawn(5, known, seed=1)
    found[:2] = true[:2]
    assert mean_iou(confusion(found, true, 12)) == pytest.approx(by_brute_force(found, true, 12))
    assert mean_iou(confusion(true, true, 12)) == 1
    assert mean_iou(confusion(true + 4, true, 12)) == 0


def test_iou_is_taken_over_the_set_and_not_a_mean_of_pictures():
    true, found = torch.zeros(2, 1, 4, dtype=torch.long), torch.zeros(2, 1, 4, dtype=torch.long)
    true[0, 0, 0] = found[1, 0, 0] = 1  # one pixel of class 1, and one found elsewhere
    assert mean_iou(confusion(found, true, 12)) == pytest.approx((6 / 8 + 0) / 2)


def photographs(classes: Tensor, seed: int = 0) -> Tensor:
    """Colours that a plane tells apart, with noise, uint8."""
    table = torch.tensor([[40, 40, 40], [210, 40, 40], [40, 210, 40], [40, 40, 210]])
    noise = torch.randint(-20, 21, (*classes.shape, 3), generator=torch.Generator().manual_seed(seed))
    return (table[classes] + noise).to(torch.uint8).movedim(-1, 1)


def test_the_regression_tells_by_colour_and_by_place():
    true = drawn(60)
    training = Pictures("colours", in_bytes(true), sources=photographs(true))
    fresh = drawn(10, seed=5)
    found = LogisticRegression(FACADES, training)(from_uint8(photographs(fresh, seed=6)))
    assert (found == fresh).float().mean() > 0.99
    upper = torch.zeros(20, 16, 16, dtype=torch.long)
    upper[:, 8:] = 1  # told by the row alone
    grey = torch.full((20, 3, 16, 16), 90, dtype=torch.uint8)
    found = LogisticRegression(FACADES, Pictures("places", in_bytes(upper), sources=grey))(from_uint8(grey[:1]))
    assert (found == upper[:1]).float().mean() > 0.9
    assert not torch.equal(found[:, 0], found[:, -1])


def test_mean_colours_are_means_over_each_label():
    classes = drawn(70)
    photos = photographs(classes)
    found = mean_colours(FACADES, Pictures("photos", photos, sources=in_bytes(classes)))
    for c in range(4):
        by_hand = from_uint8(photos).movedim(1, -1)[classes == c].mean(0)
        assert torch.allclose(found[c], by_hand, atol=1e-4)
    assert not found[4:].any()


class Drawn(Model):
    """Gives what it was made with."""

    def __init__(self, made: Tensor):
        super().__init__()
        self.weight, self.made = torch.nn.Parameter(torch.zeros(1)), made

    def sources(self, batch: Batch) -> Tensor:
        return batch.sources

    def translate(self, images: Tensor) -> Tensor:
        return self.made


def test_label_pictures_are_scored_by_iou_beside_the_regression_and_by_nothing_else():
    true, learned = drawn(12, seed=3), drawn(40)
    training = Pictures("colours", in_bytes(learned), sources=photographs(learned))
    batch = Batch(from_uint8(in_bytes(true)), sources=from_uint8(photographs(true, seed=4)))
    half = true.clone()
    half[:, :, 8:] = 11
    noisy = FACADES.paint(half) + 0.02  # pix2pix draws colours that are nearly right
    found = dict(translation(Drawn(noisy), batch, None, training))
    assert set(found) == {"mean IoU", "accuracy of pixels", f"mean IoU of {PLAIN}", f"mean IoU over that of {PLAIN}"}
    assert found["mean IoU"].value == pytest.approx(by_brute_force(half, true, 12))
    assert found["mean IoU"].low < found["mean IoU"].value < found["mean IoU"].high and found["mean IoU"].n == 12
    assert found["accuracy of pixels"].value == pytest.approx(0.5)
    ratio = found["mean IoU"].value / found[f"mean IoU of {PLAIN}"].value
    assert found[f"mean IoU over that of {PLAIN}"].value == pytest.approx(ratio)


def test_photographs_from_labels_are_held_against_the_mean_colour_of_each_label():
    true, learned = drawn(12, seed=3), drawn(40)
    training = Pictures("photos", photographs(learned), sources=in_bytes(learned))
    truth = from_uint8(photographs(true, seed=4))
    batch = Batch(truth, sources=from_uint8(in_bytes(true)))
    found = dict(translation(Drawn(truth), batch, None, training))
    assert found["L1 to the truth"].value == pytest.approx(0, abs=1e-6)
    assert 10 / 127.5 < found[f"L1 of {MEAN_COLOUR}"].value < 11 / 127.5  # of noise from -20 to 20: 10.2 levels
