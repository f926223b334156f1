"""Comparison of models on one class and seed: image, time, the class that a judge predicts, and the nearest training
image."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genstudio.controls import class_of, label_of
from genstudio.data import Pictures, at_hand, named
from genstudio.engine import Engine
from genstudio.engine.loaded import LoadedModel
from genstudio.scores.distances import nearest
from genstudio.scores.judges import judge
from genstudio.scores.measure import pictures


@dataclass(frozen=True, eq=False)
class Answer:
    """One model's image of the class, with its measurements."""

    name: str
    picture: np.ndarray  # uint8 (h, w, c)
    seconds: float
    parameters: int  # without the critic
    prediction: tuple[str, float] | None  # the judge's predicted class and its probability; None without a judge
    judge: str
    original: np.ndarray | None  # the nearest training image; None if the set is not on this machine
    apart: float | None  # RMS difference from it, on [-1, 1]


def ask(engine: Engine, names: Sequence[str], label: str, seed: int) -> Iterator[Answer]:
    """Yield each model's answer as it is computed. Models without the class are skipped."""
    for name in names:
        loaded = engine.hold(name)
        if class_of(label) not in loaded.header.classes:
            continue
        started = time.perf_counter()
        *_, images = engine.sample(name, [seed], label=label)
        seconds = time.perf_counter() - started
        prediction, by = verdict(engine, loaded, images)
        originals = training(loaded)  # read on this thread, so that it does not block the engine
        found = originals and engine.turn(lambda originals=originals, images=images: like(images[0], originals))
        original, apart = found or (None, None)
        yield Answer(name, images[0], seconds, parameters(loaded), prediction, by, original, apart)


def parameters(loaded: LoadedModel) -> int:
    """Count of a model's parameters without its critic, which takes no part in sampling."""
    critic = getattr(loaded.model, "critic", None)
    own = sum(p.numel() for p in critic.parameters()) if critic is not None else 0
    return sum(p.numel() for p in loaded.model.parameters()) - own


def verdict(engine: Engine, loaded: LoadedModel, images: np.ndarray) -> tuple[tuple[str, float] | None, str]:
    """Predicted class of an image (1, h, w, c) and its probability, by the judge of the model's data; and its name."""
    found = judge(loaded.header.data)
    if found is None or engine.hold(found).model.image_shape != loaded.model.image_shape:
        return None, ""
    probabilities, _ = engine.classify(found, images)
    best = int(probabilities[0].argmax())
    return (label_of(engine.hold(found).header.classes[best]), float(probabilities[0, best])), found


def like(image: np.ndarray, among: Pictures) -> tuple[np.ndarray, float]:
    """The nearest neighbour of an image in a data set, and the RMS difference from it."""
    indices, distances = nearest(torch.from_numpy(image).permute(2, 0, 1)[None], among.images)
    original = among.images[indices[0, 0]].permute(1, 2, 0).numpy()
    return original, float(distances[0, 0]) / image.size**0.5


def training(loaded: LoadedModel) -> Pictures | None:
    """The training set of a model, None unless it is a named set on this machine: nothing is downloaded."""
    data, shape = loaded.header.data, tuple(loaded.model.image_shape)
    try:
        return pictures(data, "train", shape) if named(data) and at_hand(data) else None
    except ValueError:
        return None
