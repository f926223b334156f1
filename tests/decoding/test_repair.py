"""Pixels are read whatever stands beside them; a damaged pixel stays an error."""

from __future__ import annotations

import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from genstudio.images import flatten, open_picture, read_recipe
from genstudio.importers.identify import identify
from tests.decoding.profiles import chunk, in_srgb, matrix_profile
from tests.decoding.test_colour import COLOURS, patches
from tests.test_images import encoded

EXIF = Image.Exif()
EXIF[0x013B] = "somebody"
HOLLOW = np.random.RandomState(1).randint(0, 256, 3_000_000, dtype=np.uint8).tobytes()  # packs to its own size


def with_chunks(*chunks: bytes, last: bool = False, picture: Image.Image | None = None, **options) -> bytes:
    """A PNG with more chunks: after its header, or before its end."""
    body = encoded(picture or patches(), "PNG", **options)
    place = len(body) - 12 if last else 33
    return body[:place] + b"".join(chunks) + body[place:]


BESIDE = {
    "compressed text": chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(5_000_000))),
    "text that does not compress": chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(HOLLOW)),
    "text bomb": chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50_000_000))),
    "much plain text": b"".join(chunk(b"tEXt", b"k%d\0" % i + b"x" * 900_000) for i in range(80)),
    "unknown compression": chunk(b"zTXt", b"k\0\7abc"),
    "wrong sum of text": chunk(b"tEXt", b"k\0abc", good=False),
    "wrong sum of time": chunk(b"tIME", bytes(7), good=False),
    "short resolution": chunk(b"pHYs", b"\0\1"),
    "short gamma": chunk(b"gAMA", b"\1"),
    "odd primaries": chunk(b"cHRM", bytes(13)),
    "empty sRGB": chunk(b"sRGB", b""),
    "transparency of another kind": chunk(b"tRNS", bytes(300)),
    "EXIF of rubbish": chunk(b"eXIf", b"\xff" * 400),
    "EXIF as text": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n   12\nthis is no hexadecimal\n"),
    "profile that is none": chunk(b"iCCP", b"name\0\0" + zlib.compress(b"I am a cat")),
    "profile that does not unpack": chunk(b"iCCP", b"name\0\0" + b"\xff" * 60),
    "profile of 20 MB": chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(20_000_000))),
    "short animation": chunk(b"acTL", b"\0"),
    "names of PIL's own": b"".join(
        chunk(b"tEXt", key + b"\0(1, 2)")
        for key in (b"transparency", b"icc_profile", b"exif", b"dpi", b"gamma", b"bbox")
    ),
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE.keys())
@pytest.mark.parametrize("last", [False, True], ids=["before", "after"])
def test_what_stands_beside_the_pixels_of_a_png_is_not_needed(beside, last):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none of a library's reaches the visitor
        assert np.array_equal(np.asarray(flatten(open_picture(with_chunks(beside, last=last))))[16, 8::16], COLOURS)


def test_a_recipe_and_a_large_profile_survive_the_repair():
    recipe = chunk(b"iTXt", b"genstudio\0\0\0\0\0" + b'{"verb": "sample", "seed": 3}')
    profile = matrix_profile("Adobe RGB") + HOLLOW[:1_400_000]
    body = with_chunks(BESIDE["text bomb"], recipe, chunk(b"iCCP", b"name\0\0" + zlib.compress(profile)))
    picture = open_picture(body)
    assert read_recipe(picture) == {"verb": "sample", "seed": 3}
    wanted = np.array([in_srgb("Adobe RGB", colour) for colour in COLOURS])
    assert np.abs(np.asarray(picture)[16, 8::16] - wanted).max() <= 2


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_transparency_survives_the_repair_where_it_fits(mode):
    picture = Image.new(mode, (8, 8), 0)
    clear = {"P": 0, "L": 0, "RGB": (0, 0, 0)}[mode]
    body = with_chunks(BESIDE["text bomb"], picture=picture, transparency=clear)
    assert flatten(open_picture(body)).getpixel((4, 4)) == (255, 255, 255)


def test_one_transparent_level_of_16_bits_is_transparent():
    levels = np.full((8, 8), 40_000, np.uint16)
    levels[:4] = 1000
    body = encoded(Image.fromarray(levels))
    body = body[:33] + chunk(b"tRNS", struct.pack(">H", 1000)) + body[33:]
    assert flatten(open_picture(body)).getpixel((4, 1)) == (255, 255, 255)
    assert flatten(open_picture(body)).getpixel((4, 6)) == (156, 156, 156)


SEGMENTS = {
    "short JFIF": b"\xff\xe0\0\7JFIF\0",
    "short Adobe": b"\xff\xee\0\7Adobe",
    "short profile": b"\xff\xe2\0\x0eICC_PROFILE\0",
    "EXIF of rubbish": b"\xff\xe1\1\x02Exif\0\0" + b"\xff" * 250,
    "half an index of pictures": b"\xff\xe2\0\x0cMPF\0II*\0\xff\xff",
    "half of Photoshop": b"\xff\xed\0\x18Photoshop 3.0\x008BIM\xff\xff",
}


@pytest.mark.parametrize("segment", SEGMENTS.values(), ids=SEGMENTS.keys())
def test_what_stands_beside_the_pixels_of_a_jpeg_is_not_needed(segment):
    body = encoded(patches(), "JPEG", quality=95)
    picture = open_picture(body[:2] + segment + body[2:])
    assert np.array_equal(np.asarray(picture), np.asarray(open_picture(body)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize(
    "rubbish", [b"", b"Exif", b"Exif\0\0" + b"\xff" * 100, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 90]
)
def test_exif_of_rubbish_is_no_exif(kind, rubbish):
    exif = EXIF.tobytes()
    if kind == "TIFF":  # whose pages are EXIF themselves
        body = encoded(patches(), kind, tiffinfo={0x0112: 1, 0x010E: "x" * 50}).replace(b"x" * 50, b"\xff" * 50)
    else:
        whole = encoded(patches(), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
        stored = exif if exif in whole else exif[6:]
        assert stored in whole
        body = whole.replace(stored, rubbish[: len(stored)].ljust(len(stored), b"\xff"))
        if kind == "PNG":
            place = whole.index(b"eXIf") - 4
            length = struct.unpack_from(">I", whole, place)[0]
            body = body[:place] + chunk(b"eXIf", body[place + 8 : place + 8 + length]) + body[place + 12 + length :]
    assert np.abs(np.asarray(flatten(open_picture(body)))[16, 8::16].astype(int) - COLOURS).max() <= 40


@pytest.mark.parametrize("broken", [b"M\7\0*", b"MM\0*\0\0\0\x08\0\x09", b"MM\0*\xff\xff\xff\xff"])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_dropped_picture_whose_exif_is_damaged_has_no_credit(kind, broken, tmp_path, recwarn):
    body = encoded(patches(), kind, exif=EXIF)
    place = body.index(b"MM\0*")
    (tmp_path / "a.jpg").write_bytes(body[:place] + broken + body[place + len(broken) :])
    found = identify(tmp_path / "a.jpg")
    assert found.kind == "picture" and not found.facts["credit"].strip("somebody") and not recwarn.list
    (tmp_path / "b.jpg").write_bytes(body)
    assert identify(tmp_path / "b.jpg").facts["credit"] == "somebody"


def test_pixels_that_are_missing_or_damaged_stay_an_error():
    noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, (64, 64, 3), dtype=np.uint8))
    info = PngImagePlugin.PngInfo()
    info.add_text("k", "x" * 1000)
    for kind, options in (("PNG", {"pnginfo": info}), ("JPEG", {"exif": EXIF}), ("WEBP", {}), ("AVIF", {})):
        whole = encoded(noise, kind, **options)
        with pytest.raises(ValueError, match="^truncated or broken$"):
            open_picture(whole[: len(whole) * 3 // 4])
    whole = bytearray(encoded(noise))
    whole[16:20] = struct.pack(">I", 40_000)  # a width whose sum is wrong
    with pytest.raises(ValueError, match="^truncated or broken$|^too large"):
        open_picture(bytes(whole))


@pytest.mark.parametrize("kind", ["BMP", "ICO"])
def test_a_fourth_byte_that_no_writer_set_is_no_transparency(kind):
    """A BMP with a mask for alpha, all of it 0, is opaque in every browser."""
    clear = patches().resize((32, 32)).convert("RGBA")
    clear.putalpha(0)
    options = {"bitmap_format": "bmp", "sizes": [(32, 32)]} if kind == "ICO" else {}
    picture = open_picture(encoded(clear, kind, **options))
    assert picture.mode == "RGB" and np.ptp(np.asarray(picture)) > 100
