"""What a network is shown of a picture: on a plain background, and as a line drawing for networks that know only those."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from genstudio.images import flatten

SIDE = 64  # where a network works at any scale
DRAWN = 512  # pixels of the longer side at most: finer edges than that are no lines


def outlines(picture: Image.Image, detail: float = 0.5, side: int | None = None) -> Image.Image:
    """Black lines on white, by Canny's edge detector (1986, IEEE PAMI 8). `detail` from 0, few lines, to 1, many.

    side: pixels at which the network will see the drawing, its `own_side`; lines are as thick as two of those.
    """
    import cv2

    if not 0 <= detail <= 1:
        raise ValueError(f"detail must lie between 0 and 1, not {detail}")
    rgb = picture.convert("RGB")
    factor = min(1.0, DRAWN / max(rgb.size))
    rgb = rgb.resize([max(1, round(length * factor)) for length in rgb.size], Image.Resampling.LANCZOS)
    pixel = max(1.0, math.sqrt(rgb.width * rgb.height) / (side or SIDE))  # of the network's, in ours
    smooth = cv2.GaussianBlur(np.asarray(rgb), (0, 0), 0.6 * pixel)
    strong = 40 * 10 ** (1 - detail)  # 40 to 400 grey levels per 2 pixels, as Sobel's filter counts them
    edges = np.max([cv2.Canny(channel, strong / 2 / pixel, strong / pixel, L2gradient=True) for channel in cv2.split(smooth)], 0)
    thick = cv2.dilate(edges, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, [max(1, round(1.6 * pixel))] * 2))
    return Image.fromarray(255 - thick).resize(picture.size, Image.Resampling.BICUBIC).convert("RGB")


def prepared(picture: Image.Image, background: str, detail: float | None, side: int | None) -> np.ndarray:
    """What a network is shown, uint8 (h, w, 3). detail: of `outlines`; None: the picture as it is."""
    picture = flatten(picture, background)
    return np.array(picture if detail is None else outlines(picture, detail, side))
