"""Laws of the distributions of points: where they lie, which modes they have, and how batches of them are seeded."""

from __future__ import annotations

import pytest
import torch
from PIL import Image, ImageDraw

from genstudio.controls import Refusal
from genstudio.data.points import DISTRIBUTIONS, PointBatches, grid, of_picture, ring

SEVERAL = 4000


def dotted() -> Image.Image:
    """A black disc at the lower left of a white sheet."""
    sheet = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(sheet).ellipse([20, 120, 80, 180], fill=0)
    return sheet


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_points_lie_in_the_square_and_fill_both_directions(name):
    points = DISTRIBUTIONS[name]().sample(SEVERAL, 0)
    assert points.shape == (SEVERAL, 2) and points.dtype == torch.float32
    assert (points.abs() < 1.1).float().mean() > 0.999 and points.std(0).min() > 0.2
    assert points.mean(0).abs().max() < 0.2, "in the middle"


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_batch_is_a_function_of_seed_and_number(name):
    batches, again = (PointBatches(DISTRIBUTIONS[name](), 32, seed=3) for _ in range(2))
    assert batches[5].images.shape == (32, 2, 1, 1)
    again[0]
    assert torch.equal(batches[5].images, again[5].images)
    assert not torch.equal(batches[5].images, batches[6].images)
    assert not torch.equal(batches[5].images, PointBatches(DISTRIBUTIONS[name](), 32, seed=4)[5].images)


@pytest.mark.parametrize("points", [ring(), grid()], ids=["ring", "grid"])
def test_modes_are_covered_by_their_own_points_and_not_by_others(points):
    everything = points.sample(SEVERAL, 1)
    assert points.covered(everything) == len(points.modes)
    nearest = torch.cdist(everything, points.modes).argmin(1)
    assert points.covered(everything[nearest < 3]) == 3, "points of three modes cover three"
    assert points.covered(torch.zeros(100, 2) + 0.18) == 0, "between the modes lies none"
    few = torch.cat([everything[nearest == 0][:2], everything[nearest == 1][:98]])
    enough = 0.25 / len(points.modes) < 2 / 100  # of the grid, not of the ring
    assert points.covered(few) == 1 + enough


def test_the_ring_has_equal_modes_of_its_deviation():
    points = ring()
    sample = points.sample(SEVERAL, 2)
    distance, mode = torch.cdist(sample, points.modes).min(1)
    assert torch.bincount(mode).float().div(SEVERAL).sub(1 / 8).abs().max() < 0.02
    assert distance.square().mean().div(2).sqrt().sub(0.05).abs() < 0.002
    assert points.modes.norm(dim=1).allclose(torch.tensor(0.75))


def test_dots_of_a_picture_lie_where_it_is_drawn_on():
    for sheet in (dotted(), dotted().point(lambda grey: 255 - grey)):  # black on white, and white on black
        points = of_picture(sheet).sample(SEVERAL, 0)
        assert points.mean(0).sub(torch.tensor([-0.5, -0.5])).abs().max() < 0.02, "y is upwards"
        assert (points + 0.5).norm(dim=1).max() < 0.33
    wide = of_picture(dotted().resize((200, 100))).sample(SEVERAL, 0)
    assert abs(wide[:, 1].mean() + 0.25) < 0.02, "its proportions stay"


def test_an_empty_picture_is_refused_in_one_sentence():
    for shade in (255, 0):
        with pytest.raises(Refusal, match="^this picture is empty: there is nothing to learn$"):
            of_picture(Image.new("RGBA", (280, 280), (shade, shade, shade, 255)))
