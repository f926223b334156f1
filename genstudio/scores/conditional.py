"""Scores of class-conditional models: accuracy of the conditioning, and diversity within each class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genstudio.model import Model
from genstudio.scores.intervals import Score, average, share
from genstudio.scores.network import FeatureNetwork, as_floats
from genstudio.scores.samples import generate

BATCH = 100
SAMPLES = 1000  # over all classes, the same number of each


def conditional_samples(model: Model, names: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
    """Samples (n, c, h, w) conditioned on each class in turn, and their class numbers (n,)."""
    each = SAMPLES // len(names)
    pictures = [
        generate(model, seeds, device, label=name) for name in names for seeds in torch.arange(each).split(BATCH)
    ]
    return torch.cat(pictures), torch.arange(len(names)).repeat_interleave(each)


def class_accuracy(pictures: Tensor, labels: Tensor, judge: FeatureNetwork) -> Score:
    """Share of samples that a classifier assigns to the class they are conditioned on."""
    return share(judge.probabilities(judge(pictures)).argmax(1) == labels)


def intra_class_diversity(pictures: Tensor, labels: Tensor, real: Tensor, real_labels: Tensor) -> Score:
    """Diversity within classes: mean pairwise distance of samples over that of real images, averaged over the classes.

    Near 0 the model generates one image per class. Distances are between pixels, so that models can be compared.
    """
    ratios = []
    for label in labels.unique():
        samples, others = pictures[labels == label], as_floats(real[real_labels == label])
        count = min(len(samples), len(others))
        ratios.append(mean_distance(samples[:count]) / mean_distance(others[:count]))
    return average(torch.tensor(ratios))


def mean_distance(pictures: Tensor) -> float:
    """Mean pairwise Euclidean distance of images (n, c, h, w)."""
    return torch.pdist(pictures.float().flatten(1)).mean().item()
