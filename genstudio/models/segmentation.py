"""Semantic segmentation: a class for each pixel of a photograph, as a label picture.

Ronneberger et al. 2015 (arXiv:1505.04597): a U-Net with cross-entropy.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.nn.functional import cross_entropy

from genstudio.controls import Text
from genstudio.layers.image_to_image import UNet
from genstudio.layers.palette import FACADES, Palette
from genstudio.model import Batch, Progress
from genstudio.models.translation import Translator
from genstudio.system import Recipe, system


class Segmenter(Translator):
    """A U-Net with a logit for each class and pixel; its output is drawn in the colours of a palette."""

    def __init__(self, image_shape: tuple[int, int, int], widths: tuple[int, ...], palette: Palette, detail: int = 16):
        super().__init__(image_shape)
        self.target_palette, self.own_side = palette, image_shape[1]
        self.network = UNet(image_shape[0], len(palette), widths, detail=detail)
        self.multiple, self.reach = self.network.multiple, self.network.reach

    def translate(self, images: Tensor) -> Tensor:
        return self.target_palette.paint(self.network(images).argmax(1))

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        logits = self.network(self.sources(batch)).float()
        yield "model", {"cross-entropy": cross_entropy(logits, self.target_palette.nearest(batch.images))}


@system(
    title=Text("U-Net · facade to labels · 128 px", "U-Net · façade en plan · 128 px"),
    data="facade_labels",
    recipe=Recipe(images=60_000, batch=8, rate=1e-3, warmup=2_000, clip=1.0, flip=True, jitter=8, mirror=True),
    knows=Text("facades, seen from the front", "façades vues de face"),
    takes="photographs",
)
def facade_labels() -> Segmenter:
    """Photographs of facades are segmented into wall, windows, balconies and nine other classes."""
    return Segmenter((3, 128, 128), (32, 64, 128, 128, 120), FACADES)
