"""Scores of label pictures against the truth, and the plain alternatives that they are compared with.

A model that draws label pictures, whatever its losses, is scored by the mean IoU of its pixels' nearest colours; one
that reads them, against photographs in the mean colour of each label.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from genstudio.data import Pictures
from genstudio.images import from_uint8
from genstudio.layers.palette import Palette
from genstudio.scores.intervals import Score, average, bootstrap

PIXELS = 500  # of each training picture, for the regression
STEPS = 100  # of L-BFGS, after which its loss is flat
DRAWS = 200  # of the bootstrap: a mean of tables is quick

PLAIN = "logistic regression on colour and position"


def segmentation(
    palette: Palette, made: Tensor, truth: Tensor, sources: Tensor, training: Pictures | None
) -> Iterator[tuple[str, Score]]:
    """Mean IoU of label pictures `made` (n, 3, h, w), that of the regression on the same `sources`, and their ratio."""
    true, found = palette.nearest(truth), palette.nearest(made)
    ours = confusion(found, true, len(palette))
    yield "mean IoU", bootstrap(mean_iou, ours, draws=DRAWS)
    yield "accuracy of pixels", average((found == true).float().flatten(1).mean(1))
    if training is None:
        return
    plain = LogisticRegression(palette, training)
    theirs = confusion(plain(sources), true, len(palette))
    yield f"mean IoU of {PLAIN}", bootstrap(mean_iou, theirs, draws=DRAWS)

    def over(both: Tensor) -> float:
        return mean_iou(both[:, 0]) / mean_iou(both[:, 1])

    both = torch.stack([ours, theirs], 1)  # (n, 2, k, k): resampled together
    yield f"mean IoU over that of {PLAIN}", bootstrap(over, both, draws=DRAWS)


def confusion(found: Tensor, true: Tensor, classes: int) -> Tensor:
    """Counts (n, classes, classes) of pixels by true and found class, for class pictures (n, h, w)."""
    pairs = (true * classes + found).flatten(1)
    counts = torch.zeros(len(pairs), classes * classes, dtype=torch.long)
    counts.scatter_add_(1, pairs, torch.ones_like(pairs))
    return counts.view(-1, classes, classes)


def mean_iou(counts: Tensor) -> float:
    """Intersection over union of each class over all pixels of the set, averaged over the classes of the truth."""
    table = counts.sum(0).double()  # (true, found)
    both, true, found = table.diagonal(), table.sum(1), table.sum(0)
    iou = both / (true + found - both)
    return iou[true > 0].mean().item()


class LogisticRegression:
    """Multinomial logistic regression on the colour and the position of a pixel, fitted to training pictures."""

    def __init__(self, palette: Palette, training: Pictures):
        generator = torch.Generator().manual_seed(0)
        x, y = [], []
        for start in range(0, len(training), 50):
            classes = palette.nearest(from_uint8(training.images[start : start + 50])).flatten(1)
            found = inputs(from_uint8(training.sources[start : start + 50])).flatten(2)
            chosen = torch.randint(classes.shape[1], (len(classes), PIXELS), generator=generator)
            y.append(classes.gather(1, chosen).flatten())
            x.append(found.gather(2, chosen[:, None].expand(-1, found.shape[1], -1)).movedim(1, 2).flatten(0, 1))
        x, y = torch.cat(x), torch.cat(y)
        self.weight, self.bias = torch.zeros(len(palette), x.shape[1]), torch.zeros(len(palette))
        parameters = [p.requires_grad_() for p in (self.weight, self.bias)]
        optimizer = torch.optim.LBFGS(parameters, max_iter=STEPS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            value = cross_entropy(linear(x, self.weight, self.bias), y)
            value.backward()
            return value

        with torch.enable_grad():
            optimizer.step(loss)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Classes (n, h, w) of images (n, 3, h, w)."""
        parts = [linear(inputs(p).movedim(1, -1), self.weight, self.bias).argmax(-1) for p in images.split(20)]
        return torch.cat(parts)


def inputs(images: Tensor) -> Tensor:
    """Colour and position of each pixel, all in [-1, 1]: (n, 5, h, w)."""
    n, _, h, w = images.shape
    rows = torch.linspace(-1, 1, h).view(1, 1, h, 1).expand(n, 1, h, w)
    columns = torch.linspace(-1, 1, w).view(1, 1, 1, w).expand(n, 1, h, w)
    return torch.cat([images, rows, columns], 1)


def mean_colours(palette: Palette, training: Pictures) -> Tensor:
    """Mean colour (k, 3) of each label's pixels in the training pictures; grey for a label that they lack."""
    total, count = torch.zeros(len(palette), 3), torch.zeros(len(palette))
    for start in range(0, len(training), 50):
        classes = palette.nearest(from_uint8(training.sources[start : start + 50])).flatten()
        pixels = from_uint8(training.images[start : start + 50]).movedim(1, -1).flatten(0, 2)
        total.index_add_(0, classes, pixels)
        count.index_add_(0, classes, torch.ones(len(classes)))
    return total / count.clamp_min(1)[:, None]
