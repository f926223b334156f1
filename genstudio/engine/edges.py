"""Preprocessing of pictures for translators: a plain background, and edge drawings for networks trained on drawings."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from genstudio.controls import Refusal, Text
from genstudio.images import flatten
from genstudio.models.translation import Translator

SIDE = 64  # resolution for a network that works at any scale
GREY = 2  # mean difference of the channels, in levels, of a photograph that is grey but for noise
DRAWN = 512  # maximum of the longer side in pixels: edges at a higher resolution are texture, not outlines


def outlines(picture: Image.Image, detail: float = 0.5, side: int | None = None) -> Image.Image:
    """Edge drawing, black on white, by Canny's detector (1986, IEEE PAMI 8). `detail` from 0, few lines, to 1, many.

    side: resolution of the network, its `own_side`; lines are about two of its pixels thick.
    """
    import cv2

    if not 0 <= detail <= 1:
        raise Refusal(f"detail must lie between 0 and 1, not {detail}", f"les traits vont de 0 à 1, et non {detail}")
    rgb = picture.convert("RGB")
    factor = min(1.0, DRAWN / max(rgb.size))
    rgb = rgb.resize([max(1, round(length * factor)) for length in rgb.size], Image.Resampling.LANCZOS)
    pixel = max(1.0, math.sqrt(rgb.width * rgb.height) / (side or SIDE))  # of the network, in drawing pixels
    smooth = cv2.GaussianBlur(np.asarray(rgb), (0, 0), 0.6 * pixel)
    strong = 40 * 10 ** (1 - detail)  # 40 to 400 grey levels per 2 pixels, as Sobel's filter counts them
    low, high = strong / 2 / pixel, strong / pixel
    edges = np.max([cv2.Canny(channel, low, high, L2gradient=True) for channel in cv2.split(smooth)], 0)
    thick = cv2.dilate(edges, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, [max(1, round(1.6 * pixel))] * 2))
    return Image.fromarray(255 - thick).resize(picture.size, Image.Resampling.BICUBIC).convert("RGB")


def translation_remarks(model: Translator, picture: Image.Image) -> list[Text]:
    """Sentences on a picture that a model reads in part."""
    colours = np.asarray(flatten(picture).resize((64, 64), Image.Resampling.BOX)).astype(int)
    if not model.light_only or np.ptp(colours, axis=-1).mean() < GREY:
        return []
    return [
        Text(
            "its own colours are left aside: the model sees its light alone",
            "ses propres couleurs sont laissées de côté : le modèle n’en voit que la lumière",
        )
    ]


def prepared(picture: Image.Image, background: str, detail: float | None, side: int | None) -> np.ndarray:
    """Input of a network, uint8 (h, w, 3): the picture on a background. detail: of `outlines`; None for no edges."""
    picture = flatten(picture, background)
    return np.array(picture if detail is None else outlines(picture, detail, side))
