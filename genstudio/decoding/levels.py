"""Conversion of grey pictures of 16 and 32 bits, integers or floating point, to 8 bits.

16 bits are scaled from 0..65535. For 32 bits a file says no range; it is, in this order, 0..1, -1..1, 0..255 and
0..65535, the first that holds all values, if the greatest is in its upper half; else from the least to the greatest
value, and the picture has a remark. Integers up to 255 are grey levels as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from genstudio.controls import Refusal, Text

ROWS = 256  # converted at a time: large pictures would take several times their size
TOPS = (1, 255, 65535)


def eight_bits(picture: Image.Image) -> tuple[Image.Image, Text | None]:
    """A picture of mode I;16, I or F in mode L, with a remark if its range had to be guessed. Raises ValueError for
    values that are not finite."""
    if picture.mode.startswith("I;16"):
        return _scaled(picture, 0, 65535), None
    (low, high, wrong), pixels = _extrema(picture), picture.width * picture.height
    if wrong:
        raise Refusal(
            f"it holds values that are no finite numbers: {wrong} of {pixels}",
            f"elle contient des valeurs qui ne sont pas des nombres finis : {wrong} sur {pixels}",
        )
    black, white = _range(low, high, whole=picture.mode == "I")
    return _scaled(picture, black, white), None if black == 0 and white in TOPS else _remark(black, white)


def _range(low: float, high: float, whole: bool) -> tuple[float, float]:
    """Values of black and white."""
    if low >= 0:
        for top in TOPS:
            if high <= top and (top == 1 or 2 * high >= top or whole and top == 255):
                return 0, top
    if -1 <= low < 0 and high <= 1:
        return -1, 1
    return low, high


def _remark(black: float, white: float) -> Text:
    return Text(
        f"its values are no grey levels: {black:g} is taken as black, {white:g} as white",
        f"ses valeurs ne sont pas des niveaux de gris : {black:g} est pris pour le noir, {white:g} pour le blanc",
    )


def _blocks(picture: Image.Image) -> Iterator[np.ndarray]:
    for top in range(0, picture.height, ROWS):
        yield np.asarray(picture.crop((0, top, picture.width, min(top + ROWS, picture.height))), np.float64)


def _extrema(picture: Image.Image) -> tuple[float, float, int]:
    """Least and greatest finite value, and the count of others."""
    low, high, wrong = np.inf, -np.inf, 0
    for block in _blocks(picture):
        finite = np.isfinite(block)
        wrong += finite.size - int(finite.sum())
        low, high = block.min(where=finite, initial=low), block.max(where=finite, initial=high)
    return float(low), float(high), wrong


def _scaled(picture: Image.Image, black: float, white: float) -> Image.Image:
    made = Image.new("L", picture.size)
    scale = 255 / max(white - black, np.finfo(np.float32).tiny)
    for i, block in enumerate(_blocks(picture)):
        levels = ((block - black) * scale).clip(0, 255).round().astype(np.uint8)
        made.paste(Image.fromarray(levels), (0, i * ROWS))
    return made
