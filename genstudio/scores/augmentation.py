"""Do drawn pictures help a classifier? One is trained on real, on generated and on both, and asked about held-out ones.

Where real pictures are few, generated ones may add what they lack; where the model that drew them has learned from many
more, they carry some of that. All three learn as long, so that none wins by seeing more.
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
ASKED = 2000  # held-out pictures
KINDS = ("real", "generated", "both")


class Studied(NamedTuple):
    """Where the study stands."""

    kind: str  # that is learned from now
    step: int
    steps: int
    accuracies: dict[str, Score]  # of those that are done


class Labelled(NamedTuple):
    images: Tensor  # uint8 (n, c, h, w)
    labels: Tensor  # (n,)


def study(
    real: Labelled, generated: Labelled, held_out: Labelled, classes: int, steps: int = STEPS, device: torch.device | str = "cpu"
) -> Iterator[Studied]:
    """Three small classifiers, one after the other; yields as they learn, and last with all accuracies."""
    both = Labelled(*(torch.cat(pair) for pair in zip(real, generated, strict=True)))
    asked = torch.randperm(len(held_out.labels), generator=torch.Generator().manual_seed(0))[:ASKED]
    found: dict[str, Score] = {}
    for kind, pictures in zip(KINDS, (real, generated, both), strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = Classifier(tuple(pictures.images.shape[1:]), classes, WIDTHS).to(device)
        for step in learn(model, pictures, steps, device):
            yield Studied(kind, step, steps, dict(found))
        found[kind] = accuracy(model, Labelled(held_out.images[asked], held_out.labels[asked]), device)
    yield Studied(KINDS[-1], steps, steps, found)


def learn(model: Classifier, pictures: Labelled, steps: int, device: torch.device | str) -> Iterator[int]:
    """Trains with a rate that falls to nothing; yields the number of each step."""
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
    says = torch.cat([model.classify(from_uint8(part).to(device)).argmax(1).cpu() for part in pictures.images.split(250)])
    return share(says == pictures.labels)
