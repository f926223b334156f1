"""URL-safe base64 encoding of latents (float16) and masks (bits)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from PIL import Image

from genstudio.controls import Refusal, Text
from genstudio.images import flatten, to_array


def pack(latent: np.ndarray) -> str:
    """A latent as text, in float16."""
    return base64.urlsafe_b64encode(latent.astype("<f2").tobytes()).decode()


def unpack(text: Any) -> np.ndarray:
    try:
        latent = np.frombuffer(base64.b64decode(text, altchars=b"-_", validate=True), "<f2").astype(np.float32)
    except (binascii.Error, TypeError, ValueError):
        raise Refusal(
            "the code of a picture in this recipe is damaged",
            "le code d’une image de cette recette est abîmé",
        ) from None
    if not len(latent) or not np.isfinite(latent).all():
        raise Refusal(
            "the code of a picture in this recipe is damaged",
            "le code d’une image de cette recette est abîmé",
        )
    return latent


def mask_of(picture: Image.Image, shape: tuple[int, int, int], of: Image.Image) -> np.ndarray:
    """Mask, booleans (h, w), for a model of image shape (c, h, w), from a picture of the same shape as `of`.

    True where it is opaque, if it is transparent elsewhere; else where it is white, or, of two levels, such as 0 and 1,
    where it has the higher. Raises ValueError for another shape.
    """
    (width, height), (across, down) = picture.size, of.size
    if height != round(width * down / across) and width != round(height * across / down):
        raise Refusal(
            f"the mask has {width} x {height} pixels, the picture {across} x {down}: they must have the same shape",
            f"le masque a {width} x {height} pixels, l’image {across} x {down} : ils doivent avoir la même forme",
        )
    return to_array(Image.fromarray(np.where(_masked(picture), 255, 0).astype(np.uint8)), (1, *shape[1:]))[0] > 127


def _masked(picture: Image.Image) -> np.ndarray:
    """The mask (h, w) in its own size."""
    if picture.mode in ("RGBA", "LA", "PA"):
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if alpha.min() < 128 <= alpha.max():
            return alpha > 127
    levels = np.asarray(picture if picture.mode.startswith("I") else flatten(picture, "black").convert("L"))
    low, high = levels.min(), levels.max()
    if high == 1 or low < high and ((levels == low) | (levels == high)).all():
        return levels == high
    return levels > (32767 if picture.mode.startswith("I") else 127)


def mask_remark(mask: np.ndarray) -> Text | None:
    """Sentence on a mask that masks nothing or everything."""
    if not mask.any():
        return Text(
            "the mask is empty at the model's size: nothing is drawn anew",
            "le masque est vide à la taille du modèle : rien n’est redessiné",
        )
    if mask.all():
        return Text(
            "the mask covers the whole picture: all of it is drawn anew",
            "le masque couvre toute l’image : elle est entièrement redessinée",
        )
    return None


def pack_mask(mask: np.ndarray) -> str:
    """Booleans (h, w) as text, one bit per pixel."""
    return base64.urlsafe_b64encode(np.packbits(mask).tobytes()).decode()


def unpack_mask(text: str, shape: tuple[int, int]) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(base64.b64decode(check_mask(text), altchars=b"-_"), np.uint8))
    if not 0 <= len(bits) - shape[0] * shape[1] < 8:
        raise Refusal(
            "the mask in this recipe is for pictures of another size",
            "le masque de cette recette est pour des images d’une autre taille",
        )
    return bits[: shape[0] * shape[1]].reshape(shape).astype(bool)


def check_mask(text: Any) -> str | None:
    try:
        if text is not None:
            base64.b64decode(text, altchars=b"-_", validate=True)
        return text
    except (binascii.Error, TypeError, ValueError):
        raise Refusal("the mask in this recipe is damaged", "le masque de cette recette est abîmé") from None
