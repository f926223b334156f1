"""Conversion to sRGB, by Little CMS, of pictures with an ICC profile: Display P3, Adobe RGB, ProPhoto, CMYK, grey.

A profile that cannot be read, or that is of other channels than the picture's, is ignored.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

SPACES = {"RGB": ("RGB ",), "L": ("GRAY", "RGB "), "CMYK": ("CMYK",)}  # of profiles, by the mode of the pixels


def to_srgb(picture: Image.Image) -> Image.Image:
    """The picture in sRGB, without its profile. Transparency stays as it is."""
    profile = picture.info.pop("icc_profile", None)
    if not isinstance(profile, bytes) or picture.mode not in MODES:  # a PNG's text may have this name
        return picture
    alpha = picture.getchannel("A") if picture.mode in ("RGBA", "LA") else None
    pixels = picture.convert(MODES[picture.mode]) if picture.mode != MODES[picture.mode] else picture
    if (transform := _transform(profile, pixels.mode)) is None:
        return picture
    if transform.input_mode == "RGB":
        made = pixels if pixels.mode == "RGB" else pixels.convert("RGB")
        transform.apply_in_place(made)
    else:
        made = transform.apply(pixels)
    made = made.convert("L") if pixels.mode == "L" else made
    if alpha is not None:
        made.putalpha(alpha)
    made.info = {key: value for key, value in picture.info.items() if key != "icc_profile"}  # PIL adds that of sRGB
    return made


MODES = {
    **dict.fromkeys(("RGB", "RGBA", "RGBX", "P", "YCbCr"), "RGB"),
    **dict.fromkeys(("L", "LA", "1"), "L"),
    "CMYK": "CMYK",
}


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Transform from a profile to sRGB of pixels of a mode. None if it cannot be read, or is that of sRGB itself."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space
        if space not in SPACES[mode]:
            return None
        mode = "RGB" if space == "RGB " else mode
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    return transform if mode != "RGB" or _changes(transform) else None


def _changes(transform: ImageCms.ImageCmsTransform) -> bool:
    """True if it changes a colour by more than a level: most pictures have a profile of sRGB, which rounds only."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)
    made = np.asarray(transform.apply(Image.fromarray(colours)))
    return bool(np.abs(made.astype(int) - colours).max() > 1)
