"""Norms average what they say they do, and the network under each shows what follows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genstudio.tasks.normalization import (
    CHANNELS,
    GROUPS,
    IMAGES,
    NORMS,
    averaged,
    network,
    normalize,
    pictures,
    statistics,
)

pytestmark = pytest.mark.usefixtures("one_thread")
PLACES = [(image, channel) for image in range(IMAGES) for channel in range(CHANNELS)]


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("norm", NORMS)
def test_what_is_lit_is_what_the_norm_averages(norm, groups):
    """For every image and channel: the values less the mean of the lit ones, over their deviation."""
    x = network(pictures(), norm, groups)[0]
    found = normalize(x, norm, groups)
    for image, channel in PLACES:
        lit = x[torch.from_numpy(averaged(norm, image, channel, groups))]
        expected = (x[image, channel] - lit.mean()) / (lit.var(correction=0) + 1e-5).sqrt()
        assert torch.allclose(found[image, channel], expected, atol=1e-4)


def test_group_norm_lies_between_layer_and_instance_norm():
    for image, channel in PLACES:
        of_one, of_all = (averaged("group", image, channel, groups) for groups in (1, CHANNELS))
        assert np.array_equal(of_one, averaged("layer", image, channel, 2))
        assert np.array_equal(of_all, averaged("instance", image, channel, 2))


@pytest.mark.parametrize("image", range(IMAGES))
def test_only_with_batch_norm_do_other_images_and_contrast_change_an_output(image):
    found = {norm: statistics(norm, image, 0, 2) for norm in NORMS}
    assert found["batch"].others > 0.2 and found["batch"].contrast > 0.2
    for norm in ("layer", "instance", "group"):
        assert found[norm].others == 0 and found[norm].contrast < 0.005, "more would be shown as a change"
