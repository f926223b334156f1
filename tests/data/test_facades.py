"""The label pictures to begin from."""

from __future__ import annotations

import numpy as np
import torch

from genstudio.data.drawings.facades import EXAMPLES, SIDE, labels, painted
from genstudio.layers.palette import FACADES


def test_ten_examples_show_every_class():
    drawn = [labels(facade) for facade in EXAMPLES]
    assert len(drawn) == 10 and all(classes.shape == (SIDE, SIDE) for classes in drawn)
    assert set(np.unique(drawn)) == set(range(len(FACADES)))
    assert len({classes.tobytes() for classes in drawn}) == len({facade.title for facade in EXAMPLES}) == 10


def test_a_label_picture_has_the_colours_of_its_classes():
    for facade in EXAMPLES:
        images = torch.from_numpy(painted(facade)).permute(2, 0, 1)[None].float() / 127.5 - 1
        assert np.array_equal(FACADES.nearest(images)[0].numpy(), labels(facade))
