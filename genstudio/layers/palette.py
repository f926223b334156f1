"""Label pictures: RGB pictures in which each class has one colour, and their one-hot planes.

A network reads them as planes, one for each class, and files, drop areas and commands as any other picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from genstudio.controls import Text

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """The classes of label pictures, each with its colour and its name."""

    colours: tuple[Colour, ...]
    names: tuple[Text, ...]

    def __len__(self) -> int:
        return len(self.colours)

    def nearest(self, images: Tensor) -> Tensor:
        """Classes (n, h, w) of the colours nearest to the pixels of images (n, 3, h, w) in [-1, 1]."""
        with torch.autocast(images.device.type, enabled=False):  # bfloat16 has 8 bits, too few to tell colours apart
            c = self.table(images.device)
            products = torch.einsum("nchw,kc->nkhw", images.float(), c)
            return (2 * products - c.square().sum(1).view(-1, 1, 1)).argmax(1)  # |x|^2 - this is |x - c|^2

    def planes(self, images: Tensor) -> Tensor:
        """One-hot planes (n, k, h, w) of label pictures (n, 3, h, w)."""
        return one_hot(self.nearest(images), len(self)).movedim(-1, 1).to(images.dtype)

    def paint(self, classes: Tensor) -> Tensor:
        """Label pictures (n, 3, h, w) in [-1, 1] of classes (n, h, w)."""
        return self.table(classes.device)[classes].movedim(-1, 1)

    def bytes(self, classes: Tensor) -> Tensor:
        """Label pictures uint8 (n, 3, h, w) of classes (n, h, w)."""
        return torch.tensor(self.colours, dtype=torch.uint8)[classes].movedim(-1, 1)

    def table(self, device: torch.device | str = "cpu") -> Tensor:
        """Colours (k, 3) in [-1, 1]."""
        return torch.tensor(self.colours, device=device).float() / 127.5 - 1


def resize_labels(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Label pictures (n, c, h, w) at another (height, width): each pixel is one of theirs, so that no new colour
    arises at the border of two."""
    if images.dtype.is_floating_point:
        return interpolate(images, size, mode="nearest-exact")
    return interpolate(images.float(), size, mode="nearest-exact").to(images.dtype)


# The classes of the CMP facade database, in its order. The colours come from a search near wished hues for the largest
# least distance in CIE Lab, 26, over plain vision, protanopia, deuteranopia and tritanopia (Machado et al. 2009).
FACADES = Palette(
    colours=(
        (191, 225, 245),
        (236, 191, 160),
        (17, 45, 103),
        (102, 44, 55),
        (5, 149, 158),
        (250, 236, 120),
        (149, 39, 165),
        (14, 87, 14),
        (233, 131, 234),
        (235, 110, 30),
        (122, 136, 113),
        (208, 18, 50),
    ),
    names=(
        Text("background", "fond"),
        Text("wall", "mur"),
        Text("window", "fenêtre"),
        Text("door", "porte"),
        Text("window head", "linteau"),
        Text("window sill", "appui de fenêtre"),
        Text("balcony", "balcon"),
        Text("shutter", "volet"),
        Text("ornament", "ornement"),
        Text("cornice", "corniche"),
        Text("pillar", "pilier"),
        Text("shop front", "devanture"),
    ),
)

# The same classes in the colours of the database's own pictures.
CMP = Palette(
    colours=(
        (0, 0, 221),
        (0, 49, 255),
        (0, 128, 255),
        (0, 207, 255),
        (36, 255, 228),
        (117, 255, 140),
        (193, 255, 62),
        (255, 243, 4),
        (255, 160, 4),
        (255, 81, 4),
        (255, 5, 0),
        (171, 0, 0),
    ),
    names=FACADES.names,
)
