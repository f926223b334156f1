"""The wall: the same seeds as a model draws them over the course of its training, and what its weights need before that."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from genstudio.controls import controls
from genstudio.data import Pictures
from genstudio.images import grid, save_png, to_pictures, to_uint8
from genstudio.model import Batch, Model, Noise, generates, sample, steps_many

WALL = 32  # pictures on it
FRAMES, FEWEST = 32, 10  # walls kept for the film of a run, at log-spaced steps: most happens early
STEPS = 10  # of a wall that comes about in steps
WORTH = 8000  # pictures of training beside which such a wall costs little: a short run has fewer walls


def wall_steps(steps: int, frames: int = FRAMES) -> set[int]:
    """Log-spaced steps from 1 to the last."""
    return {round(steps ** (i / (frames - 1))) for i in range(frames)}


def frames_of(model: Model, images: int) -> int:
    """How many walls a run of that many pictures has."""
    return min(FRAMES, max(FEWEST, images // WORTH)) if steps_many(model) else FRAMES


def makes_pictures(model: type[Model] | Model) -> bool:
    return generates(model) or hasattr(model, "translate")


@torch.no_grad()
def exhibits(model: Model, held_out: Batch | None, pictures: Pictures) -> Tensor:
    """What a translator's wall is translated from: pictures that are not trained on, where there are any."""
    batch = held_out or pictures.batch(torch.arange(len(pictures)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model.sources(batch[: WALL // 2])


@torch.no_grad()
def save_wall(model: Model, path: Path, device: torch.device, shown: Tensor | None = None) -> Path:
    """The same seeds as the model draws them now; of a translator, `shown` and what it makes of each."""
    if shown is None:
        # As it has learned to draw, without guidance; by the quickest way there is.
        known = controls(model.sample) if hasattr(model, "sample") else {}
        quick = {name: value for name, value in (("steps", STEPS), ("guidance", 1.0)) if name in known}
        *_, frame = sample(model, Noise(range(WALL), device), **quick)
        images = frame.images
    else:
        made = model.translate(shown)
        images = torch.stack([nn.functional.interpolate(shown, made.shape[2:]), made], 1).flatten(0, 1)
    [wall] = to_pictures(grid(to_uint8(images), columns=8)[None])
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    save_png(wall, part)
    os.replace(part, path)  # a page that looks on never sees half a wall
    return path


def wall_path(out: Path, step: int) -> Path:
    """Where a run keeps the wall of a step."""
    return out / "walls" / f"{step:08d}.png"
