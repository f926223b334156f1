"""The formats of pictures that are read, and the marks by which their files are known."""

from __future__ import annotations

import ctypes
import logging
import re
from contextlib import suppress
from pathlib import PurePath

from PIL import Image

from genstudio.controls import Refusal

Image.init()
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its complaints are printed; it raises them too
with suppress(AttributeError, OSError):  # libtiff prints what PIL raises; in some builds it cannot be reached
    for handler in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        getattr(ctypes.CDLL(Image.core.__file__), handler)(None)


def _heif_missing(*_: object) -> Image.Image:
    raise Refusal(
        "a HEIC picture, which needs the library pillow-heif: pip install pillow-heif, or save it as JPEG",
        "une image HEIC, qui demande la bibliothèque pillow-heif : pip install pillow-heif, ou enregistrez-la en JPEG",
    )


try:
    from pillow_heif import register_heif_opener

    register_heif_opener()
except ImportError:
    brands = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
    Image.register_open("HEIF", _heif_missing, lambda head: head[4:8] == b"ftyp" and head[8:12] in brands)
    Image.register_extensions("HEIF", [".heic", ".heics", ".heif", ".heifs", ".hif"])

FORMATS = [  # of photographs and drawings alone: EPS would start Ghostscript
    f for f in ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "ICO", "PPM", "AVIF", "HEIF") if f in Image.OPEN
]
SUFFIXES = {suffix for suffix, form in Image.registered_extensions().items() if form in (*FORMATS, "MPO")}
UNMARKED = ("BMP", "ICO", "PPM")  # their first bytes are common in other files
MAGIC = re.compile(  # of pictures
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8|RIFF....WEBP|....ftyp(avi[fs]|hei[cmsx]|hev[cmsx]|m[is]f1)", re.DOTALL
)


def is_picture(head: bytes, name: str = "") -> bool:
    """True if the first 16 bytes of a file are the unmistakable mark of a picture. Only a file without a suffix is a
    TIFF by its mark: raw photographs have the same one."""
    suffix = PurePath(name).suffix
    marks = (Image.OPEN[form][1] for form in FORMATS if form not in UNMARKED and not (suffix and form == "TIFF"))
    return any(accept is not None and accept(head) is True for accept in marks)
