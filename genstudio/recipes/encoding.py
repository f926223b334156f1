"""URL-safe base64 encoding of latents (float16) and masks (bits)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from PIL import Image

from genstudio.controls import Refusal
from genstudio.images import to_array


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


def mask_of(picture: Image.Image, shape: tuple[int, int, int]) -> np.ndarray:
    """Booleans (h, w) of a picture, resized for a model of image shape (c, h, w): True where it is white."""
    return to_array(picture, (1, *shape[1:]))[0] > 127


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
