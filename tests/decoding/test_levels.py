"""Grey pictures of 32 bits, which say no range of their own."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from genstudio.images import flatten, open_picture, remarks
from tests.test_images import encoded

RAMP = np.linspace(0, 1, 60, dtype=np.float64)[None].repeat(8, 0)


def shown(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    picture = open_picture(encoded(Image.fromarray(values), "TIFF"))
    return np.asarray(flatten(picture))[0, :, 0].astype(float), [said.en for said in remarks(picture)]


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0, 1, np.float32),
        (0, 255, np.float32),
        (0, 65535, np.float32),
        (0, 255, np.int32),
        (0, 65535, np.int32),
        (0, 1, np.int32),
    ],
)
def test_the_usual_ranges_are_read_as_they_are(low, high, kind):
    """Without a remark; the ramp stops at 80 %, so that the range is that of the kind and not of the picture."""
    part = 1 if kind is np.int32 and high == 1 else 0.8
    levels, said = shown((low + part * (high - low) * RAMP).astype(kind))
    wanted = 255 * (part * RAMP[0] if high > 1 or kind is np.float32 else np.floor(RAMP[0]))
    assert not said and np.abs(levels - wanted).max() <= 1


@pytest.mark.parametrize(
    ("values", "black", "white"),
    [
        ((2 * RAMP - 1).astype(np.float32), -1, 1),
        ((3 + 40 * RAMP).astype(np.float32), 3, 43),  # depth in metres
        ((0.1 + 1.4 * RAMP).astype(np.float32), 0.1, 1.5),  # lights beyond white
        ((1e6 * RAMP - 4e5).astype(np.int32), -400000, 600000),
        ((2**31 - 1) * RAMP.astype(np.float64), 0, 2**31 - 1),
        ((900 * RAMP).astype(np.int32), 0, 900),
    ],
)
def test_other_ranges_go_from_black_to_white_and_the_picture_says_so(values, black, white):
    levels, [said] = shown(values.astype(np.int32) if white > 1e9 else values)
    assert np.abs(levels - 255 * RAMP[0]).max() <= 1.5
    assert said == f"its values are no grey levels: {black:g} is taken as black, {white:g} as white"


def test_signed_values_between_the_ends_keep_their_middle():
    levels, said = shown((0.5 * (2 * RAMP - 1)).astype(np.float32))
    assert said and levels.min() == pytest.approx(64, abs=1) and levels.max() == pytest.approx(191, abs=1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused_with_their_count(bad):
    values = RAMP.astype(np.float32)
    values[2, 3:5] = bad
    with pytest.raises(ValueError, match="^it holds values that are no finite numbers: 2 of 480$"):
        open_picture(encoded(Image.fromarray(values), "TIFF"))


def test_one_value_everywhere_is_no_division_by_zero():
    for value in (0.0, 7.0, -3.0, 1e30):
        levels, _ = shown(np.full((4, 4), value, np.float32))
        assert len(set(levels)) == 1
