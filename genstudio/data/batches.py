"""Endless shuffled, augmented batches of a data set, and the seeds of a run's random streams."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import torch
from torch import Tensor

from genstudio.data.crops import crops
from genstudio.data.pictures import Pictures
from genstudio.images import from_uint8
from genstudio.model import Batch

SEEDS = 2  # version of `stream_seed` in new runs


def stream_seed(stream: str, *key: int, version: int = SEEDS) -> int:
    """Seed of a random stream, such as "step" with the key (seed, step, rank): equal keys give equal streams anywhere.

    Version 1 is Python's own hash of the key, and belongs to runs whose run.json names no version.
    """
    if version == 1:
        return hash(key) % 2**63
    text = " ".join([stream, *map(str, key)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") % 2**63


class Batches:
    """Endless shuffled batches. Batch k is a function of (seed, k, rank) alone, so a resumed run has the same ones.

    With several processes each takes its own slice of every global batch. Unpaired sources are shuffled independently.
    Pictures kept at their own size are cropped at random, both of a pair alike.
    seeds: version of `stream_seed`.
    """

    def __init__(
        self, pictures: Pictures, size: int, *, seed: int = 0, flip: bool = False, jitter: int = 0,
        mirror: bool = False, hue: float = 0.0, rank: int = 0, world: int = 1, seeds: int = SEEDS,
    ):  # fmt: skip
        self.pictures, self.size, self.seed, self.seeds = pictures, size, seed, seeds
        self.flip, self.jitter, self.mirror, self.hue, self.rank, self.world = flip, jitter, mirror, hue, rank, world
        self._orders: dict[int, tuple[int, Tensor]] = {}  # of each stream: the epoch, and its permutation

    def __getitem__(self, k: int) -> Batch:
        """Batch k on the CPU, augmented."""
        first = (k * self.world + self.rank) * self.size
        positions = range(first, first + self.size)
        generator = torch.Generator().manual_seed(stream_seed("augment", self.seed, k, self.rank, version=self.seeds))
        chosen = self._shuffled(positions, len(self.pictures))
        batch = self.pictures.batch(chosen)
        if self.pictures.large:
            batch = self._cropped(batch, chosen, generator)
        if self.pictures.sources is None:
            return replace(batch, images=self._augmented(batch.images, generator))
        if self.pictures.paired:  # the same augmentation for both images of a pair
            both = self._augmented(torch.cat([batch.images, batch.sources], 1), generator)
            images, sources = both.split([batch.images.shape[1], batch.sources.shape[1]], 1)
            return replace(batch, images=images, sources=sources)
        others = self._shuffled(positions, len(self.pictures.sources), stream=1)
        images, sources = batch.images, from_uint8(self.pictures.sources[others])
        if large := self.pictures.large_sources:
            [sources] = crops([[large[i] for i in others.tolist()]], self.pictures.shape, generator)
        return replace(batch, images=self._augmented(images, generator), sources=self._augmented(sources, generator))

    def _cropped(self, batch: Batch, chosen: Tensor, generator: torch.Generator) -> Batch:
        """The batch with random crops of its pictures, at one place of both pictures of a pair."""
        pictures, places = self.pictures, chosen.tolist()
        lists = [pictures.large, *([pictures.large_sources] if pictures.large_sources and pictures.paired else [])]
        images, *sources = crops([[large[i] for i in places] for large in lists], pictures.shape, generator)
        return replace(batch, images=images, sources=sources[0] if sources else batch.sources)

    def _augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        if self.flip:
            mirrored = torch.rand(len(images), generator=generator) < 0.5
            images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)
        if self.jitter:
            shifts = torch.randint(-self.jitter, self.jitter + 1, (len(images), 2), generator=generator)
            images = _shift(images, shifts, self.mirror)
        if self.hue and images.shape[1] % 3 == 0:
            images = _rotate_hues(images, self.hue * (2 * torch.rand(len(images), generator=generator) - 1))
        return images

    def _shuffled(self, positions: range, count: int, stream: int = 0) -> Tensor:
        """Indices of the images at these positions of an endless stream of permutations of `count` images."""
        indices = []
        for i in positions:
            epoch, position = divmod(i, count)
            if self._orders.get(stream, (-1,))[0] != epoch:
                key = (epoch, stream) if stream else (epoch,)
                seed = stream_seed("shuffle", self.seed, *key, version=self.seeds)
                self._orders[stream] = epoch, torch.randperm(count, generator=torch.Generator().manual_seed(seed))
            indices.append(int(self._orders[stream][1][position]))
        return torch.tensor(indices)


def _rotate_hues(images: Tensor, turns: Tensor) -> Tensor:
    """Rotate the hues of RGB images in [-1, 1], or of several in the channels (n, 3 k, h, w), by parts of a turn (n,): a
    rotation of RGB space about the axis of greys, which keep their value (Rodrigues' formula). Clamped to [-1, 1]."""
    angles = (2 * math.pi * turns).view(-1, 1, 1)
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    along = torch.full((3, 3), 1 / 3)
    rotations = angles.cos() * (torch.eye(3) - along) + angles.sin() * across + along
    rotated = torch.einsum("nij,nkjhw->nkihw", rotations, images.unflatten(1, (-1, 3)))
    return rotated.flatten(1, 2).clamp(-1, 1)


def _shift(images: Tensor, shifts: Tensor, mirror: bool = False) -> Tensor:
    """Shift each image by whole pixels, shifts (n, 2) of (dy, dx), with its border replicated, or mirrored there."""
    n, _, h, w = images.shape
    rows, columns = torch.arange(h) + shifts[:, :1], torch.arange(w) + shifts[:, 1:]  # (n, h), (n, w)
    if mirror:  # about the pixels of the border, which stay single
        rows, columns = (h - 1 - (h - 1 - rows.abs()).abs(), w - 1 - (w - 1 - columns.abs()).abs())
    rows, columns = rows.clamp(0, h - 1), columns.clamp(0, w - 1)
    return images[torch.arange(n).view(n, 1, 1), :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
