"""Fixed-seed sample grids during training."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from genstudio.controls import controls
from genstudio.data import Pictures
from genstudio.data.drawings import facades
from genstudio.images import from_uint8, grid, save_png, to_pictures, to_uint8
from genstudio.layers.palette import FACADES
from genstudio.model import Batch, Model, Noise, generates, sample

COLUMNS = 32  # images on a sample grid
FRAMES, FEWEST = 32, 10  # sample grids for the film of a run
OWN = {"facades": lambda: FACADES.paint(torch.from_numpy(facades.shown()))}  # by set, sources of a sample grid
WORTH = 8000  # training images per grid of a diffusion model, so that grids take little of the time of a short run


def sample_grid_steps(steps: int, frames: int = FRAMES, even: bool = False) -> set[int]:
    """Log-spaced steps from 1 to the last; evenly spaced ones for a model whose resolution grows."""
    if even:
        return {max(1, round(steps * i / (frames - 1))) for i in range(frames)}
    return {round(steps ** (i / (frames - 1))) for i in range(frames)}


def frames_of(model: Model, images: int) -> int:
    """Count of sample grids in a run of so many images."""
    return min(FRAMES, max(FEWEST, images // WORTH)) if model.slow else FRAMES


def makes_pictures(model: type[Model] | Model) -> bool:
    return generates(model) or hasattr(model, "translate") or hasattr(model, "tokenize")


@torch.no_grad()
def exhibits(model: Model, held_out: Batch | None, pictures: Pictures) -> Tensor:
    """Source images of the sample grid of a translator or tokenizer: drawings of ours where the set's own may not be
    shown, else from the held-out set where there is one."""
    if pictures.name in OWN:
        return OWN[pictures.name]()
    batch = held_out or pictures.batch(torch.arange(len(pictures)))
    if batch.sources is None and pictures.sources is not None:  # unpaired
        batch = replace(batch, sources=from_uint8(pictures.sources[: COLUMNS // 2]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model.sources(batch[: COLUMNS // 2])


@torch.no_grad()
def save_sample_grid(model: Model, path: Path, device: torch.device, shown: Tensor | None = None) -> Path:
    """Save the sample grid of fixed seeds; of a translator or tokenizer, `shown` beside what it makes of them. Returns
    the path."""
    if shown is None:
        known = controls(model.sample) if hasattr(model, "sample") else {}
        unguided = {"guidance": 1.0} if "guidance" in known else {}  # which is faster
        *_, frame = sample(model, Noise(range(COLUMNS), device), **model.preview, **unguided)
        images = frame.images
    else:
        made = model.translate(shown) if hasattr(model, "translate") else model.detokenize(model.tokenize(shown))
        images = torch.stack([nn.functional.interpolate(shown, made.shape[2:]), made], 1).flatten(0, 1)
    [sample_grid] = to_pictures(grid(to_uint8(images), columns=8)[None])
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    save_png(sample_grid, part)
    os.replace(part, path)  # atomic, so that a page never reads half a file
    return path


def sample_grid_path(out: Path, step: int) -> Path:
    """Path of the sample grid of a step in a run's folder."""
    return out / "walls" / f"{step:08d}.png"
