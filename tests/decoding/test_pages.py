"""Files of several pages or frames, and raw files whose first page is a thumbnail."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from genstudio.images import open_picture, remarks
from tests.test_images import encoded, two_colours


def several(kind: str, count: int = 3, **options) -> bytes:
    first, *others = (Image.new("RGB", (40, 20), colour) for colour in ("red", "green", "blue")[:count])
    stream = io.BytesIO()
    first.save(stream, kind, save_all=True, append_images=others, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "unit"), [("TIFF", "pages"), ("GIF", "frames"), ("PNG", "frames"), ("WEBP", "frames"), ("AVIF", "frames")]
)
def test_the_first_of_several_is_read_and_the_others_are_mentioned(kind, unit):
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = open_picture(several(kind, **options))
    assert np.abs(np.array(picture.convert("RGB").getpixel((20, 10))) - (255, 0, 0)).max() < 9
    assert [said.en for said in remarks(picture)] == [f"the first of 3 {unit}; the others are left out"]
    assert not remarks(open_picture(encoded(two_colours(), kind)))


def test_the_preview_in_a_photograph_is_no_page():
    """A camera's MPO holds smaller copies; the pictures of a panorama or of both eyes are of one size."""
    small, stream = Image.new("RGB", (20, 10)), io.BytesIO()
    two_colours().save(stream, "MPO", save_all=True, append_images=[small])
    assert not remarks(open_picture(stream.getvalue()))
    assert [said.en for said in remarks(open_picture(several("MPO")))] == [
        "the first of 3 frames; the others are left out"
    ]


def with_thumbnail(tags: dict[int, int | tuple] | None = None, full: dict[int, int] | None = None) -> bytes:
    """A TIFF that begins with a reduced page of 10 x 5, and goes on with the picture of 40 x 20."""
    first, second = TiffImagePlugin.ImageFileDirectory_v2(), TiffImagePlugin.ImageFileDirectory_v2()
    for page, given in ((first, {254: 1} | (tags or {})), (second, full or {})):
        for tag, value in given.items():
            page[tag] = value
    thumb, picture = two_colours((10, 5)), two_colours()
    picture.encoderinfo = {"tiffinfo": second}
    stream = io.BytesIO()
    thumb.save(stream, "TIFF", save_all=True, append_images=[picture], tiffinfo=first)
    return stream.getvalue()


def test_a_thumbnail_that_comes_first_is_passed_over():
    picture = open_picture(with_thumbnail())
    assert picture.size == (40, 20) and not remarks(picture)


def dng() -> bytes:
    return with_thumbnail({50706: b"\1\4\0\0"})


def raw_beside() -> bytes:
    """A page of a raw file that is no thumbnail by its word: its sub-page, of a colour filter array, is wider."""
    below = struct.pack("<H", 3) + b"".join(
        struct.pack("<HHII", *row) for row in ((256, 4, 1, 6000), (257, 4, 1, 4000), (262, 3, 1, 32803))
    )
    body = bytearray(encoded(two_colours(), "TIFF", tiffinfo={330: 7}))
    start = struct.unpack_from("<I", body, 4)[0]
    for i in range(struct.unpack_from("<H", body, start)[0]):
        if struct.unpack_from("<H", body, start + 2 + 12 * i)[0] == 330:
            struct.pack_into("<HII", body, start + 4 + 12 * i, 4, 1, len(body))
    return bytes(body) + below + bytes(4)


@pytest.mark.parametrize(
    "body",
    [dng(), encoded(two_colours(), "TIFF", tiffinfo={254: 1}), raw_beside(), b"FUJIFILMCCD-RAW 0201" + bytes(200),
     b"\0\0\0\x18ftypcrx " + bytes(200), b"IIU\0" + bytes(200), b"II*\0\x10\0\0\0CR\2\0" + bytes(200)],
    ids=["dng", "thumbnail alone", "raw beside", "raf", "cr3", "rw2", "cr2"],
)  # fmt: skip
def test_a_raw_file_is_refused_rather_than_its_thumbnail_taken(body):
    with pytest.raises(ValueError, match="^a camera's raw file, of which only a thumbnail could be read: develop it"):
        open_picture(body)


@pytest.mark.parametrize(
    ("tag", "value"), [(262, 999), (339, 3), (258, 7)], ids=["photometric", "floating point", "bits"]
)
def test_a_tiff_of_a_sort_that_pil_does_not_know_is_not_called_no_picture(tag, value):
    body = bytearray(encoded(two_colours().convert("L"), "TIFF", tiffinfo={339: 1}))
    place = struct.unpack_from("<I", body, 4)[0] + 2
    while struct.unpack_from("<H", body, place)[0] != tag:
        place += 12
    struct.pack_into("<H", body, place + 8, value)
    with pytest.raises(
        ValueError, match=r"^truncated or broken \(or a TIFF of a sort that is not read here: save it as PNG\)$"
    ):
        open_picture(bytes(body))


def test_a_chain_of_pages_without_end_ends():
    body = bytearray(several("TIFF"))
    first = struct.unpack_from("<I", body, 4)[0]
    link = first + 2 + 12 * struct.unpack_from("<H", body, first)[0]
    struct.pack_into("<I", body, link, first)  # the next page is itself
    assert open_picture(bytes(body)).size == (40, 20)
