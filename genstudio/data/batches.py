"""Endless shuffled batches of a set."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from genstudio.data.pictures import Pictures
from genstudio.images import from_uint8
from genstudio.model import Batch


class Batches:
    """Endless shuffled batches. Batch k is a function of (seed, k, rank) alone, so a resumed run sees the same ones.

    With several processes each takes its own slice of every global batch. Sources that have no picture of their own
    are shuffled apart.
    """

    def __init__(
        self, pictures: Pictures, size: int, *, seed: int = 0, flip: bool = False, jitter: int = 0, rank: int = 0, world: int = 1
    ):
        self.pictures, self.size, self.seed = pictures, size, seed
        self.flip, self.jitter, self.rank, self.world = flip, jitter, rank, world
        self._orders: dict[int, tuple[int, Tensor]] = {}  # of each heap: the epoch, and the order in it

    def __getitem__(self, k: int) -> Batch:
        """Batch k on the CPU, augmented."""
        first = (k * self.world + self.rank) * self.size
        places = range(first, first + self.size)
        draw = torch.Generator().manual_seed(hash((self.seed, k, self.rank)) % 2**63)
        batch = self.pictures.batch(self._shuffled(places, len(self.pictures)))
        if self.pictures.sources is None:
            return replace(batch, images=self._augmented(batch.images, draw))
        if self.pictures.paired:  # both of a pair are changed alike
            both = self._augmented(torch.cat([batch.images, batch.sources], 1), draw)
            images, sources = both.split([batch.images.shape[1], batch.sources.shape[1]], 1)
            return replace(batch, images=images, sources=sources)
        others = self._shuffled(places, len(self.pictures.sources), heap=1)
        images, sources = batch.images, from_uint8(self.pictures.sources[others])
        return replace(batch, images=self._augmented(images, draw), sources=self._augmented(sources, draw))

    def _augmented(self, images: Tensor, draw: torch.Generator) -> Tensor:
        if self.flip:
            mirrored = torch.rand(len(images), generator=draw) < 0.5
            images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)
        if self.jitter:
            images = _shift(images, torch.randint(-self.jitter, self.jitter + 1, (len(images), 2), generator=draw))
        return images

    def _shuffled(self, places: range, count: int, heap: int = 0) -> Tensor:
        """The pictures at these places of the endless shuffled stream of a heap of `count`."""
        index = []
        for i in places:
            epoch, place = divmod(i, count)
            if self._orders.get(heap, (-1,))[0] != epoch:
                seed = hash((self.seed, epoch, heap) if heap else (self.seed, epoch)) % 2**63
                self._orders[heap] = epoch, torch.randperm(count, generator=torch.Generator().manual_seed(seed))
            index.append(int(self._orders[heap][1][place]))
        return torch.tensor(index)


def _shift(images: Tensor, shifts: Tensor) -> Tensor:
    """Each picture moved by whole pixels (dy, dx); its border is repeated."""
    n, _, h, w = images.shape
    rows = (torch.arange(h) + shifts[:, :1]).clamp(0, h - 1)  # (n, h)
    columns = (torch.arange(w) + shifts[:, 1:]).clamp(0, w - 1)  # (n, w)
    return images[torch.arange(n).view(n, 1, 1), :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
