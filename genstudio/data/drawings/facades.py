"""Ten label pictures of facades, drawn by code: examples to paint on, and for the films of what learned from `facades`,
whose pictures may not be shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genstudio.controls import Text
from genstudio.layers.palette import FACADES

SIDE = 128
FRONT, WINDOW, DOOR, HEAD, SILL, BALCONY, SHUTTER, ORNAMENT, CORNICE, PILLAR, SHOP = range(1, len(FACADES))


@dataclass(frozen=True)
class Facade:
    """A facade of equal bays. Lengths are fractions of the picture, of a bay or of a floor."""

    title: Text
    floors: int
    bays: int
    left: float = 0.0
    right: float = 1.0
    top: float = 0.04
    window: tuple[float, float] = (0.5, 0.6)  # width in a bay, height in a floor
    heads: bool = False
    sills: bool = True
    shutters: bool = False
    ornaments: tuple[int, ...] = ()  # floors, counted from the ground; -1: the highest
    balconies: tuple[int, ...] = ()  # floors
    cornices: tuple[int, ...] = (-1,)  # floors with a cornice above them
    pillars: tuple[int, ...] = ()  # floors with pillars between the bays
    shops: tuple[int, ...] = ()  # bays of the ground floor
    doors: tuple[int, ...] = ()  # bays of the ground floor


def labels(facade: Facade) -> np.ndarray:
    """Classes of `FACADES`, uint8 (128, 128)."""
    classes = np.zeros((SIDE, SIDE), np.uint8)

    def fill(x0: float, y0: float, x1: float, y1: float, kind: int) -> None:
        """A rectangle in pixels; outside the picture it is cut."""
        x0, y0, x1, y1 = (max(0, round(v)) for v in (x0, y0, x1, y1))
        classes[y0:y1, x0:x1] = kind

    left, right, top = facade.left * SIDE, facade.right * SIDE, facade.top * SIDE
    floor, bay = (SIDE - top) / facade.floors, (right - left) / facade.bays
    fill(left, top, right, SIDE, FRONT)

    def among(number: int, chosen: tuple[int, ...]) -> bool:
        return number in chosen or (number == facade.floors - 1 and -1 in chosen)

    for number in range(facade.floors):
        bottom = SIDE - number * floor
        if among(number, facade.cornices):
            fill(left, bottom - floor, right, bottom - floor + 4, CORNICE)
        if among(number, facade.pillars):
            for edge in range(facade.bays + 1):
                fill(left + edge * bay - 2, bottom - floor + 4, left + edge * bay + 2, bottom, PILLAR)
        for column in range(facade.bays):
            middle = left + (column + 0.5) * bay
            if number == 0 and column in facade.shops:
                fill(middle - 0.44 * bay, bottom - 0.78 * floor, middle + 0.44 * bay, bottom, SHOP)
            elif number == 0 and column in facade.doors:
                fill(middle - 0.24 * bay, bottom - 0.74 * floor, middle + 0.24 * bay, bottom, DOOR)
            else:
                _opening(fill, facade, middle, bottom, floor, bay, number, among)
    return classes


def _opening(fill, facade: Facade, middle: float, bottom: float, floor: float, bay: float, number: int, among) -> None:
    """A window with what surrounds it."""
    half, height = facade.window[0] * bay / 2, facade.window[1] * floor
    base = bottom - (floor - height) * 0.42
    if facade.shutters:
        fill(middle - half - 0.22 * bay, base - height, middle + half + 0.22 * bay, base, SHUTTER)
    fill(middle - half, base - height, middle + half, base, WINDOW)
    if facade.heads:
        fill(middle - half - 2, base - height - 4, middle + half + 2, base - height, HEAD)
    if among(number, facade.balconies):
        fill(middle - half - 3, base - 0.3 * height, middle + half + 3, base + 2, BALCONY)
    elif facade.sills:
        fill(middle - half - 2, base, middle + half + 2, base + 2, SILL)
    if among(number, facade.ornaments):
        fill(middle - half, base + 3, middle + half, min(bottom - 2, base + 8), ORNAMENT)


def painted(facade: Facade) -> np.ndarray:
    """Label picture, uint8 (128, 128, 3)."""
    return np.array(FACADES.colours, np.uint8)[labels(facade)]


def shown() -> np.ndarray:
    """The first eight examples as classes (8, 128, 128), for a sample grid."""
    return np.stack([labels(facade) for facade in EXAMPLES[:8]]).astype(np.int64)


EXAMPLES = (
    Facade(
        Text("Town house with balconies", "Immeuble à balcons"), 4, 4, heads=True, balconies=(1, 3), cornices=(0, -1),
        shops=(0, 3), doors=(1,),
    ),
    Facade(Text("Shops below", "Boutiques au rez-de-chaussée"), 4, 3, shops=(0, 1, 2), cornices=(0, -1), heads=True),
    Facade(Text("Shutters", "Volets"), 3, 4, window=(0.36, 0.6), shutters=True, doors=(2,), cornices=(-1,)),
    Facade(
        Text("Palace with pillars", "Palais à colonnes"), 3, 5, window=(0.42, 0.66), heads=True, pillars=(0, 1, 2),
        cornices=(0, 1, -1), ornaments=(1,), doors=(2,),
    ),
    Facade(Text("Modern block", "Immeuble moderne"), 6, 5, window=(0.72, 0.5), sills=False, cornices=(), doors=(2,)),
    Facade(
        Text("Narrow house under the sky", "Maison étroite sous le ciel"), 4, 2, 0.2, 0.8, 0.14, heads=True, doors=(0,),
        cornices=(-1, 0),
    ),
    Facade(Text("One door, many windows", "Une porte, beaucoup de fenêtres"), 5, 6, window=(0.46, 0.56), doors=(3,)),
    Facade(
        Text("Ornaments", "Ornements"), 4, 4, heads=True, ornaments=(1, 2, -1), cornices=(0, 2, -1), doors=(1,),
        shops=(3,),
    ),
    Facade(
        Text("High windows", "Hautes fenêtres"), 2, 4, window=(0.5, 0.74), heads=True, balconies=(1,),
        cornices=(0, -1),
    ),
    Facade(Text("Empty wall", "Mur nu"), 1, 1, top=0.08, window=(0, 0), sills=False, cornices=(-1,)),
)  # fmt: skip
