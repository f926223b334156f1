"""Laws of label pictures: classes, colours and planes are the same thing, and resizing draws no new colour."""

from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from genstudio.controls import Refusal
from genstudio.data.drawings import facades
from genstudio.images import from_uint8, to_uint8
from genstudio.layers.palette import CMP, CMP_ORIGINAL, FACADES, nearest, resize_labels


def classes_at_random(side: int = 24) -> Tensor:
    """Blocks of 3x3 pixels, with every class among them."""
    drawn = torch.randint(len(FACADES), (2, side // 3, side // 3), generator=torch.Generator().manual_seed(0))
    drawn[:, 0], drawn[:, 1, :4] = torch.arange(8), torch.arange(8, 12)
    return drawn.repeat_interleave(3, 1).repeat_interleave(3, 2)


def as_jpeg(images: Tensor, quality: int) -> Tensor:
    made = []
    for image in to_uint8(images):
        Image.fromarray(image).save(stream := io.BytesIO(), "JPEG", quality=quality, subsampling=0)
        made.append(torch.from_numpy(np.array(Image.open(stream))).permute(2, 0, 1))
    return from_uint8(torch.stack(made))


def test_planes_of_palette_colours_are_exactly_one_hot():
    """Also as files have the colours, in bytes, and where the network computes in bfloat16."""
    classes = classes_at_random()
    by_hand = torch.zeros(2, 12, 24, 24)
    for i, y, x in np.ndindex(2, 24, 24):
        by_hand[i, classes[i, y, x], y, x] = 1
    images = FACADES.paint(classes)
    assert torch.equal(FACADES.planes(images), by_hand) and FACADES.covers(images)
    from_files = from_uint8(torch.from_numpy(to_uint8(images)).permute(0, 3, 1, 2))
    assert torch.equal(from_files, images) and torch.equal(FACADES.planes(from_files), by_hand)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(FACADES.planes(images), by_hand)


def test_the_nearest_colour_is_that_of_a_full_search():
    images = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found, distances = nearest(images, FACADES.colours)
    for y, x in np.ndindex(9, 7):
        apart = [torch.dist(images[0, :, y, x], torch.tensor(c) / 127.5 - 1).item() for c in FACADES.colours]
        assert found[0, y, x] == np.argmin(apart) and distances[0, y, x].item() == pytest.approx(min(apart), abs=1e-5)


@pytest.mark.parametrize("size", [(24, 24), (48, 36), (11, 17), (1, 1), (100, 3)])
def test_labels_survive_resizing(size):
    """Every pixel has the colour of the pixel at its place: neither a mixture nor a neighbour's."""
    images = FACADES.paint(classes_at_random())
    resized = resize_labels(images, size)
    assert resized.shape[2:] == size and FACADES.covers(resized)
    rows, columns = (((torch.arange(n) + 0.5) * 24 / n).long() for n in size)
    assert torch.equal(resized, images[:, :, rows[:, None], columns])
    in_bytes = torch.from_numpy(to_uint8(images)).permute(0, 3, 1, 2)
    assert torch.equal(from_uint8(resize_labels(in_bytes, size)), resized)


def test_label_pictures_from_elsewhere_are_adopted():
    """With the noise of JPEG, and in the colours of the database, of which a dark blue is no wall."""
    classes = torch.from_numpy(facades.shown())
    for colours in (FACADES.colours, CMP, CMP_ORIGINAL):
        foreign = from_uint8(torch.tensor(colours, dtype=torch.uint8)[classes].movedim(-1, 1))
        assert torch.equal(FACADES.nearest(FACADES.adopt(foreign)), classes)
        noisy = FACADES.adopt(as_jpeg(foreign, 80))
        assert FACADES.covers(noisy)
        assert (FACADES.nearest(noisy) == classes).float().mean() > 0.98


def test_a_picture_that_is_no_label_picture_is_refused():
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for picture in (noise, torch.ones(1, 3, 64, 64), -torch.ones(1, 3, 2000, 3)):
        with pytest.raises(Refusal, match="no label picture") as refused:
            FACADES.adopt(picture)
        assert "plan coloré" in refused.value.text.fr


def lab(colours: np.ndarray, vision: np.ndarray) -> np.ndarray:
    """CIE Lab (n, 3) of sRGB (n, 3) in [0, 1] under a matrix of linear colours."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = (linear @ vision.T).clip(0, 1) @ to_xyz.T / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


# Machado et al. 2009, table 1 at severity 1.
VISIONS = {
    "plain": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


LEAST = {"plain": 31, "protanopia": 21, "deuteranopia": 21, "tritanopia": 18}


@pytest.mark.parametrize(("vision", "least"), LEAST.items())
def test_colours_are_told_apart_by_any_eye(vision, least):
    """2.3 is just noticeable; the first twelve wishes were 8 apart."""
    seen = lab(np.array(FACADES.colours) / 255, np.array(VISIONS[vision]))
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > least
    names = {(name.en, name.fr) for name in FACADES.names}
    assert len(FACADES.colours) == len(names) == len(FACADES) == 12


def test_drawings_of_ours_have_all_that_a_facade_has():
    drawn = torch.from_numpy(facades.shown())
    assert drawn.shape == (8, 128, 128) and set(drawn.unique().tolist()) == set(range(12))
    assert all(len(one.unique()) >= 4 for one in drawn)
