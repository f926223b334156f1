"""Image-to-image translation from one domain to another: the base of its models."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from genstudio.controls import Refusal
from genstudio.layers.novelty import Domain
from genstudio.layers.palette import Palette
from genstudio.model import Batch, Model


class Translator(Model):
    """Base of the translators: fully convolutional networks, which detect images out of their training domain."""

    multiple = 1  # divisor of the sides of an image
    scale = 1  # upsampling factor
    reach: int | None = None  # radius of the receptive field; None: the whole image
    own_side: int | None = None  # resolution of training, at which objects have the right scale; None: any
    tiles = True  # it may also be run at a picture's own resolution
    light_only = False  # it takes no notice of colours
    source_palette: Palette | None = None  # of its input, if that is label pictures
    target_palette: Palette | None = None  # of its output, if that is label pictures

    def __init__(self, image_shape: tuple[int, int, int]):
        super().__init__()
        self.image_shape = image_shape
        self.domain = Domain()

    def sources(self, batch: Batch) -> Tensor:
        """Inputs of `translate` whose targets are `batch.images`."""
        return batch.sources

    def perceived(self, images: Tensor) -> Tensor:
        """The part of images (n, c, h, w) that counts, of the same shape: for a colorizer their light."""
        return luma(images).expand_as(images) if self.light_only else images

    def novelty(self, images: Tensor) -> Tensor:
        """Distance (n,) of images from the training domain: above 1 they lie outside. Infinite for no label pictures,
        where the network reads such."""
        if self.source_palette:
            try:
                images = self.source_palette.adopt(images)
            except Refusal:
                return torch.full((len(images),), torch.inf)
        return self.domain(self.perceived(images))

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        self.domain.fit(self.sources(batch) for batch in batches)


def luma(images: Tensor) -> Tensor:
    """Y' of ITU-R BT.601, (n, 3, h, w) -> (n, 1, h, w)."""
    red, green, blue = images.split(1, 1)
    return 0.299 * red + 0.587 * green + 0.114 * blue
