"""Label pictures: RGB pictures in which each class has one colour, and their one-hot planes.

A network reads them as planes, one for each class, and files, drop areas and commands as any other picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from genstudio.controls import Refusal, Text

Colour = tuple[int, int, int]

NEAR = 30 / 127.5  # distance of a pixel from its colour; the nearest two colours of `FACADES` are 62 levels apart
MOST = 0.5  # share of pixels near a colour: above half of label pictures at JPEG quality 75, at most 49 % of 106 photos
SIDE = 512  # pixels along a side that are enough to tell


@dataclass(frozen=True)
class Palette:
    """The classes of label pictures, each with its colour and its name.

    others: colours of the same classes in pictures from elsewhere.
    """

    colours: tuple[Colour, ...]
    names: tuple[Text, ...]
    others: tuple[tuple[Colour, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.colours)

    def nearest(self, images: Tensor) -> Tensor:
        """Classes (n, h, w) of the colours nearest to the pixels of images (n, 3, h, w) in [-1, 1]."""
        return nearest(images, self.colours)[0]

    def planes(self, images: Tensor) -> Tensor:
        """One-hot planes (n, k, h, w) of label pictures (n, 3, h, w)."""
        return one_hot(self.nearest(images), len(self)).movedim(-1, 1).to(images.dtype)

    def paint(self, classes: Tensor) -> Tensor:
        """Label pictures (n, 3, h, w) in [-1, 1] of classes (n, h, w)."""
        colours = torch.tensor(self.colours, device=classes.device).float() / 127.5 - 1  # as `images.from_uint8`
        return colours[classes].movedim(-1, 1)

    def covers(self, images: Tensor) -> bool:
        """True if all pixels of images (n, 3, h, w) in [-1, 1] have exactly one of the colours."""
        return images.shape[1] == 3 and torch.equal(self.paint(self.nearest(images)), images)

    def adopt(self, images: Tensor) -> Tensor:
        """Label pictures in exactly these colours, from ones (n, 3, h, w) with noise, or in the colours of `others`.

        Raises Refusal for a picture most of whose pixels have none of the colours.
        """
        return torch.cat([self._adopt(image) for image in images.split(1)])

    def _adopt(self, image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        small = resize_labels(image, (min(height, SIDE), min(width, SIDE)))
        tables = (self.colours, *self.others)
        shares = [(nearest(small, colours)[1] < NEAR).float().mean().item() for colours in tables]
        if (share := max(shares)) < MOST:
            raise Refusal(
                f"this is no label picture: {share:.0%} of it has one of the {len(self)} colours of labels",
                f"ce n’est pas un plan coloré : {100 * share:.0f} % en ont l’une des {len(self)} couleurs",
            )
        return self.paint(nearest(image, tables[shares.index(share)])[0])


def nearest(images: Tensor, colours: Sequence[Colour]) -> tuple[Tensor, Tensor]:
    """Number of the colour nearest to each pixel of images (n, 3, h, w), and its distance, both (n, h, w)."""
    least, classes = torch.full_like(images[:, 0], torch.inf), torch.zeros_like(images[:, 0], dtype=torch.long)
    for number, colour in enumerate(colours):  # in turn, as twelve distances of a large picture would fill the memory
        levels = zip(images.unbind(1), colour, strict=True)
        squares = sum((channel - level / 127.5 + 1).square() for channel, level in levels)
        classes = torch.where(squares < least, number, classes)
        least = torch.minimum(least, squares)
    return classes, least.sqrt()


def resize_labels(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Label pictures (n, c, h, w) at another (height, width): each pixel is one of theirs, so that no new colour
    arises at the border of two."""
    if images.dtype.is_floating_point:
        return interpolate(images, size, mode="nearest-exact")
    return interpolate(images.float(), size, mode="nearest-exact").to(images.dtype)


# Colours of the CMP facade database, in its order of classes: of copies on the web, and of its original files.
CMP = (
    (0, 0, 221), (0, 49, 255), (0, 128, 255), (0, 207, 255), (36, 255, 228), (117, 255, 140),
    (193, 255, 62), (255, 243, 4), (255, 160, 4), (255, 81, 4), (255, 5, 0), (171, 0, 0),
)  # fmt: skip
CMP_ORIGINAL = (
    (0, 0, 170), (0, 0, 255), (0, 85, 255), (0, 170, 255), (0, 255, 255), (85, 255, 170),
    (170, 255, 85), (255, 255, 0), (255, 170, 0), (255, 85, 0), (255, 0, 0), (170, 0, 0),
)  # fmt: skip

# The classes of the CMP facade database, in its order. The colours come from a search near wished hues for the largest
# least distance in CIE Lab, 26, over plain vision, protanopia, deuteranopia and tritanopia (Machado et al. 2009).
FACADES = Palette(
    colours=(
        (191, 225, 245), (236, 191, 160), (17, 45, 103), (102, 44, 55), (5, 149, 158), (250, 236, 120),
        (149, 39, 165), (14, 87, 14), (233, 131, 234), (235, 110, 30), (122, 136, 113), (208, 18, 50),
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
    others=(CMP, CMP_ORIGINAL),
)  # fmt: skip
