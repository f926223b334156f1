"""Classification accuracy with generated training data: real images, generated images, and both, on held-out images.

Generated images help where real ones are few, or where their model was trained on many more. All three classifiers
train for the same number of steps, so that none wins by more training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from genstudio.images import from_uint8
from genstudio.models.classifier import Classifier
from genstudio.precision import best_precision
from genstudio.scores.intervals import Score, share

WIDTHS = (16, 32, 64)
STEPS, BATCH, RATE = 200, 64, 3e-3
TEST_IMAGES = 2000  # held out
SOURCES = ("real", "generated", "both")


class Studied(NamedTuple):
    """Progress of the study."""

    kind: str  # training data of the current classifier: one of `SOURCES`
    step: int
    steps: int
    accuracies: dict[str, Score]  # by training data, for finished classifiers


class Labelled(NamedTuple):
    """Labelled images."""

    images: Tensor  # uint8 (n, c, h, w)
    labels: Tensor  # (n,)


def study(
    real: Labelled,
    generated: Labelled,
    held_out: Labelled,
    classes: int,
    steps: int = STEPS,
    device: torch.device | str = "cpu",
) -> Iterator[Studied]:
    """Train three small classifiers, one after the other. Yields at every step, and last with all accuracies."""
    both = Labelled(*(torch.cat(pair) for pair in zip(real, generated, strict=True)))
    tested = torch.randperm(len(held_out.labels), generator=torch.Generator().manual_seed(0))[:TEST_IMAGES]
    found: dict[str, Score] = {}
    for source, pictures in zip(SOURCES, (real, generated, both), strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = Classifier(tuple(pictures.images.shape[1:]), classes, WIDTHS).to(device)
        for step in learn(model, pictures, steps, device):
            yield Studied(source, step, steps, dict(found))
        found[source] = accuracy(model, Labelled(held_out.images[tested], held_out.labels[tested]), device)
    yield Studied(SOURCES[-1], steps, steps, found)


def learn(model: Classifier, pictures: Labelled, steps: int, device: torch.device | str) -> Iterator[int]:
    """Train with AdamW and a learning rate that falls linearly to 0; yields the number of each step."""
    precision, random = best_precision(device), torch.Generator().manual_seed(0)
    model.to(memory_format=precision.memory_format).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.02)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        index = torch.randint(len(pictures.labels), (BATCH,), generator=random)
        images = from_uint8(pictures.images[index]).to(device, memory_format=precision.memory_format)
        optimizer.zero_grad()
        with torch.enable_grad():
            with precision.autocast():
                logits = model.classify(images)
            cross_entropy(logits.float(), pictures.labels[index].to(device)).backward()
        optimizer.step()
        yield step + 1


@torch.no_grad()
def accuracy(model: nn.Module, pictures: Labelled, device: torch.device | str) -> Score:
    model.eval()
    batches = pictures.images.split(250)
    predicted = torch.cat([model.classify(from_uint8(batch).to(device)).argmax(1).cpu() for batch in batches])
    return share(predicted == pictures.labels)
