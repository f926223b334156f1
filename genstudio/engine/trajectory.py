"""The denoising trajectory, step by step, as arrays that a page can show and a visitor can resume from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from genstudio.images import from_uint8, to_uint8
from genstudio.model import Frame, Noise
from genstudio.samplers.schedule import Schedule


@dataclass
class Step:
    """One denoising step of n images. The last, `step == steps`, is at time -1, and its x_0 is the final image."""

    step: int
    steps: int
    time: int
    x_0: np.ndarray  # uint8 (n, h, w, c): the network's prediction of x_0
    x_t: np.ndarray  # uint8: x_t, rescaled so that the noise does not saturate
    noise: np.ndarray  # uint8: the network's prediction of the noise in x_t, grey where there is none
    x: np.ndarray  # float32 (n, c, h, w): x_t itself, to resume from

    @property
    def bytes(self) -> int:
        return self.x_0.nbytes + self.x_t.nbytes + self.noise.nbytes + self.x.nbytes


def step_of(frame: Frame, schedule: Schedule) -> Step:
    """A model's frame, converted to arrays on the CPU."""
    x, noise = frame.extra["x_t"], frame.extra["noise"]
    shown = (to_uint8(images) for images in (frame.images, x / display_range(schedule, frame.time), noise / 2))
    return Step(frame.step, frame.steps, frame.time, *shown, x.float().cpu().numpy())


def concatenated(parts: Sequence[Step]) -> Step:
    """The same step of parts of a batch, as one."""
    if len(parts) == 1:
        return parts[0]
    arrays = {key: np.concatenate([getattr(part, key) for part in parts]) for key in ("x_0", "x_t", "noise", "x")}
    return replace(parts[0], **arrays)


def display_range(schedule: Schedule, time: int) -> float:
    """Display range of x_t: signal plus two standard deviations of the noise, which nearly all values lie within."""
    return schedule.signal(time) + 2 * schedule.noise(time)


def noised(picture: np.ndarray, schedule: Schedule, times: Sequence[int], seed: int) -> np.ndarray:
    """Forward diffusion of a picture, uint8 (h, w, c), with the same noise at each of the times: uint8 (n, h, w, c)."""
    x_0 = from_uint8(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
    [eps] = Noise([seed]).normal(*x_0.shape)
    return to_uint8(torch.stack([schedule.add_noise(x_0, eps, t) / display_range(schedule, t) for t in times]))


def after(step: Step, branch: Iterable[Step]) -> Iterator[Step]:
    """The steps of a branch that leaves another trajectory at `step`, numbered on from there."""
    return (replace(s, step=step.step + s.step, steps=step.step + s.steps) for s in branch)


def subsampled(run: Sequence[Step], most: int) -> list[Step]:
    """Evenly spaced steps of a trajectory that fit into `most` bytes, the first and the last among them."""
    kept = list(run)
    while sum(step.bytes for step in kept) > most and len(kept) > 3:
        kept = [step for i, step in enumerate(kept) if i % 2 == 0 or i == len(kept) - 1]
    return kept
