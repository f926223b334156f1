"""Labelled pictures by the hundred: a data set of what a model draws of each class that it is asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from genstudio.engine import Engine
from genstudio.engine.loaded import Held, check_labels
from genstudio.images import save_png, to_pictures
from genstudio.model import steps_many
from genstudio.recipes import recipe
from genstudio.scores.augmentation import Labelled, Studied, study
from genstudio.scores.measure import pictures
from genstudio.tasks import compare_models
from genstudio.tasks.translate_files import Archive, safe

MOST = 20_000  # pictures of a set
CHUNK = 64
STEPS = 5  # in which a picture of a denoiser comes about, where hundreds are wanted
LOOK_EVERY = 5  # steps of a classifier, after each of which visitors have their turn


class Drawn(NamedTuple):
    """A part of a set."""

    images: np.ndarray  # uint8 (n, h, w, c)
    labels: list[str]
    seeds: list[int]
    done: int  # pictures so far, these too
    of: int


def drawn(engine: Engine, name: str, labels: Sequence[str | int], each: int, seed: int = 0, **controls: Any) -> Iterator[Drawn]:
    """So many pictures of each class, of seeds from `seed` on; a seed is used once."""
    held = engine.hold(name)
    total = each * len(labels)
    if not labels or each < 1:
        raise ValueError("name at least one class, and at least one picture of it")
    if total > MOST:
        raise ValueError(f"{total} pictures are asked for; at most {MOST} make a set")
    recipe.check_seed(seed + total - 1)
    labels = check_labels(held, labels, labels)
    asked = [(label, seed + i * each + k) for i, label in enumerate(labels) for k in range(each)]
    for start in range(0, total, CHUNK):
        part = asked[start : start + CHUNK]
        names, seeds = [label for label, _ in part], [s for _, s in part]
        *_, images = engine.sample(name, seeds, names, **controls)
        yield Drawn(images, names, seeds, start + len(part), total)


def export(
    engine: Engine, name: str, labels: Sequence[str | int], each: int, target: Path, seed: int = 0, **controls: Any
) -> Iterator[Drawn]:
    """The same into a zip: a folder for each class, metadata.jsonl as Hugging Face's imagefolder reads it, and how the set
    was made. Each picture carries its recipe. What is asked for wrongly is a ValueError before anything is written."""
    held, rows = engine.hold(name), []
    parts = drawn(engine, name, labels, each, seed, **controls)
    first = next(parts)  # what is wrong shows here
    with Archive(target) as archive:
        for part in chain([first], parts):
            rows += added(archive, held, part, controls)
            yield part
        archive.write("metadata.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
        archive.write("made_by.json", json.dumps(origin(held, labels, each, seed, controls), indent=1).encode())


def added(archive: Archive, held: Held, part: Drawn, controls: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the pictures that were written."""
    rows = []
    for picture, label, seed in zip(to_pictures(part.images), part.labels, part.seeds, strict=True):
        place = f"{safe(label)}/{seed:06d}.png"
        save_png(picture, stream := io.BytesIO(), recipe.make(held, "sample", seed=seed, controls=controls | {"label": label}))
        archive.write(place, stream.getvalue())
        rows.append({"file_name": place, "label": label, "seed": seed})
    return rows


def origin(held: Held, labels: Sequence[str | int], each: int, seed: int, controls: dict[str, Any]) -> dict[str, Any]:
    """Of what these pictures were made: whoever learns from them should know."""
    made = recipe.make(held, "sample", labels=[str(label) for label in labels], each=each, seed=seed, controls=controls)
    header = held.header
    return made | {"learned from": header.sets, "credit": header.credit, "licence": header.licence}


def helps(engine: Engine, name: str, count: int) -> Iterator[Studied]:
    """Whether a classifier learns from what a model draws: `count` drawn pictures beside as many real ones
    (`scores/augmenting.py`). Its kind is "drawing" while they are drawn. Raises ValueError where the real ones are not here."""
    held = engine.hold(name)
    classes, real = list(held.header.classes), compare_models.training(held)
    if real is None or list(real.classes) != classes:
        raise ValueError(f"the real pictures ({held.header.data}) are not on this machine, so there is nothing to compare with")
    quickly, images, labels = {"steps": STEPS} if steps_many(held.system.model) else {}, [], []
    for part in drawn(engine, name, classes, -(-count // len(classes)), **quickly):
        images.append(torch.from_numpy(part.images).permute(0, 3, 1, 2))
        labels += [classes.index(label) for label in part.labels]
        yield Studied("drawing", part.done, part.of, {})
    few = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))[: len(labels)]
    test = pictures(held.header.data, "test", real.shape)
    learning = study(
        Labelled(real.images[few], real.labels[few]), Labelled(torch.cat(images), torch.tensor(labels)), Labelled(test.images, test.labels),
        len(classes), device=engine.device,
    )  # fmt: skip
    while (stand := engine.turn(lambda: advanced(learning))) is not None:
        yield stand


def advanced(learning: Iterator[Studied]) -> Studied | None:
    """Where a study stands some steps later; None once it is over."""
    stand = None
    for stand in learning:
        if stand.step % LOOK_EVERY == 0:
            break
    return stand
