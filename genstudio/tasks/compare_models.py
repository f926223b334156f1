"""One wish through several models: what each draws of a class, how long it takes, what a judge sees in it, and the
training picture that it comes nearest to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genstudio.data import Pictures, at_hand, named
from genstudio.engine import Engine
from genstudio.engine.loaded import Held
from genstudio.scores.distances import nearest
from genstudio.scores.judges import judge
from genstudio.scores.measure import pictures


@dataclass(frozen=True, eq=False)
class Answer:
    """What one model made of the wish."""

    name: str
    picture: np.ndarray  # uint8 (h, w, c)
    seconds: float
    parameters: int  # of what draws
    seen: tuple[str, float] | None  # the class that the judge sees, and how surely; None without a judge
    judge: str
    original: np.ndarray | None  # the nearest training picture; None where the set is not here
    apart: float | None  # root of the mean squared difference from it, on [-1, 1]


def ask(engine: Engine, names: Sequence[str], label: str, seed: int) -> Iterator[Answer]:
    """Each model's answer as soon as it is there. A model that has not learned the class is left out."""
    for name in names:
        held = engine.hold(name)
        if label not in held.header.classes:
            continue
        started = time.perf_counter()
        *_, images = engine.sample(name, [seed], label=label)
        seconds = time.perf_counter() - started
        seen, by = verdict(engine, held, images)
        learned = training(held)  # read here, so that nobody waits for it
        found = learned and engine.turn(lambda learned=learned, images=images: like(images[0], learned))
        original, apart = found or (None, None)
        yield Answer(name, images[0], seconds, parameters(held), seen, by, original, apart)


def parameters(held: Held) -> int:
    """Of all that a picture passes through: a critic is no part of it."""
    critic = getattr(held.model, "critic", None)
    own = sum(p.numel() for p in critic.parameters()) if critic is not None else 0
    return sum(p.numel() for p in held.model.parameters()) - own


def verdict(engine: Engine, held: Held, images: np.ndarray) -> tuple[tuple[str, float] | None, str]:
    """The class that the judge of the model's data sees in a picture (1, h, w, c), and how surely; and the judge's name."""
    found = judge(held.header.data)
    if found is None or engine.hold(found).model.image_shape != held.model.image_shape:
        return None, ""
    probabilities, _ = engine.classify(found, images)
    best = int(probabilities[0].argmax())
    return (engine.hold(found).header.classes[best], float(probabilities[0, best])), found


def like(image: np.ndarray, among: Pictures) -> tuple[np.ndarray, float]:
    """The nearest of some pictures, and how far off it is."""
    where, far = nearest(torch.from_numpy(image).permute(2, 0, 1)[None], among.images)
    original = among.images[where[0, 0]].permute(1, 2, 0).numpy()
    return original, float(far[0, 0]) / image.size**0.5


def training(held: Held) -> Pictures | None:
    """The pictures that a model learned from, where they are a known set and on this machine: nothing is downloaded."""
    data, shape = held.header.data, tuple(held.model.image_shape)
    try:
        return pictures(data, "train", shape) if named(data) and at_hand(data) else None
    except ValueError:
        return None
