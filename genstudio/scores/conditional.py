"""What is measured of models that can be asked for a class: whether they draw it, and how various they draw it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genstudio.model import Model
from genstudio.scores.diffusion import drawn
from genstudio.scores.intervals import Score, average, share
from genstudio.scores.network import Network, as_floats

BATCH = 100
ASKED = 1000  # pictures for which a class is asked, as many of each


def asked(model: Model, names: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pictures (n, c, h, w) of classes that were asked for by name, and their class numbers (n,)."""
    each = ASKED // len(names)
    pictures = [drawn(model, seeds, device, label=name) for name in names for seeds in torch.arange(each).split(BATCH)]
    return torch.cat(pictures), torch.arange(len(names)).repeat_interleave(each)


def obeyed(pictures: Tensor, labels: Tensor, judge: Network) -> Score:
    """The share of pictures in which a network sees the class that was asked for."""
    return share(judge.probabilities(judge(pictures)).argmax(1) == labels)


def varied(pictures: Tensor, labels: Tensor, real: Tensor, real_labels: Tensor) -> Score:
    """How far apart two pictures of one class are in the mean, over how far real ones are: the mean over the classes.

    Near 0 the model draws one picture a class; pixels are compared, so that it means the same for every model.
    """
    ratios = []
    for kind in labels.unique():
        mine, theirs = pictures[labels == kind], as_floats(real[real_labels == kind])
        count = min(len(mine), len(theirs))
        ratios.append(spread(mine[:count]) / spread(theirs[:count]))
    return average(torch.tensor(ratios))


def spread(pictures: Tensor) -> float:
    """The mean distance of two pictures (n, c, h, w)."""
    return torch.pdist(pictures.float().flatten(1)).mean().item()
