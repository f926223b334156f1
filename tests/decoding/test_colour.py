"""Pictures in any colour space come out in sRGB, however they are stored."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageCms

from genstudio.data.reading import read_pictures
from genstudio.images import flatten, open_picture
from tests.decoding.profiles import PRIMARIES, WHITE, chunk, grey_profile, in_srgb, ink_profile, matrix_profile
from tests.test_images import encoded

COLOURS = np.array(
    [[200, 60, 50], [60, 180, 70], [60, 80, 190], [120, 120, 120], [230, 200, 160], [20, 30, 40]], np.uint8
)


def patches(colours: np.ndarray = COLOURS) -> Image.Image:
    return Image.fromarray(colours[None]).resize((96, 32), Image.Resampling.NEAREST)


def seen(body: bytes) -> np.ndarray:
    """Colours in the middle of the patches."""
    return np.asarray(flatten(open_picture(body)))[16, 8::16].astype(float)


@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB", "ProPhoto"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_a_profile_is_converted_to_srgb(space, kind):
    options = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}.get(kind, {"quality": 100, "subsampling": "4:4:4"})
    plain, body = (
        encoded(patches(), kind, **options),
        encoded(patches(), kind, icc_profile=matrix_profile(space), **options),
    )
    wanted = np.array([in_srgb(space, colour) for colour in seen(plain)])
    assert np.abs(wanted - seen(plain)).max() > 12, "the profile makes no difference"
    assert np.abs(seen(body) - wanted).max() <= 2
    assert "icc_profile" not in open_picture(body).info, "it would be converted twice"


def test_every_mode_is_converted_and_stays_transparent():
    profile, wanted = matrix_profile("Adobe RGB"), np.array([in_srgb("Adobe RGB", colour) for colour in COLOURS])
    palette = encoded(patches().quantize(6), "PNG", icc_profile=profile)
    assert np.abs(seen(palette) - wanted).max() <= 2
    clear = patches().convert("RGBA")
    clear.putalpha(90)
    picture = open_picture(encoded(clear, "PNG", icc_profile=profile))
    assert picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (90, 90)
    assert np.abs(np.asarray(picture.convert("RGB"))[16, 8::16].astype(float) - wanted).max() <= 2


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_is_converted_by_a_profile_of_grey_and_of_colours(bits):
    grey = Image.fromarray(np.full((8, 8), 128, np.uint8) if bits == 8 else np.full((8, 8), 128 * 257, np.uint16))
    assert flatten(open_picture(encoded(grey))).getpixel((4, 4)) == (128, 128, 128)
    for profile, name in ((grey_profile(1.0), 1.0), (matrix_profile("ProPhoto"), 1.8)):
        level = (128 / 255) ** name
        wanted = 255 * (1.055 * level ** (1 / 2.4) - 0.055)
        picture = open_picture(encoded(grey, "PNG", icc_profile=profile))
        assert picture.mode == "L" and abs(picture.getpixel((4, 4)) - wanted) <= 1.5


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
@pytest.mark.parametrize("black", [0, 100, 255])
def test_ink_is_converted_by_its_own_profile(kind, black):
    """Full cyan and some black, from the profile's black to white: a neutral grey, where PIL alone sees no red."""
    ink = Image.new("CMYK", (16, 16), (255, 0, 0, black))
    level, darkest = (((100 - 60 * k / 255 + 16) / 116) ** 3 for k in (black, 255))
    linear = (level - darkest) / (1 - darkest)
    wanted = 255 * (1.055 * linear ** (1 / 2.4) - 0.055) if linear else 0
    levels = np.array(flatten(open_picture(encoded(ink, kind, icc_profile=ink_profile()))).getpixel((8, 8)))
    assert np.abs(levels - wanted).max() <= 4
    assert flatten(open_picture(encoded(ink, kind))).getpixel((8, 8))[0] == 0


def with_numbers(**chunks: bytes) -> bytes:
    body = encoded(patches())
    return body[:33] + b"".join(chunk(kind.encode(), data) for kind, data in chunks.items()) + body[33:]


def chromaticities(space: str) -> bytes:
    *corners, white, _ = PRIMARIES[space]
    return struct.pack(">8I", *(round(1e5 * number) for corner in (WHITE[white], *corners) for number in corner))


@pytest.mark.parametrize("space", ["Adobe RGB", "ProPhoto"])
def test_the_primaries_and_the_gamma_of_a_png_are_converted(space):
    gamma = struct.pack(">I", round(1e5 / PRIMARIES[space][-1])) if space == "ProPhoto" else struct.pack(">I", 45470)
    body = with_numbers(gAMA=gamma, cHRM=chromaticities(space))
    wanted = np.array([in_srgb(space, colour) for colour in COLOURS])
    if space == "ProPhoto":
        assert np.abs(seen(body) - wanted).max() <= 2
    else:  # 0.4547 stands for the curve of sRGB, which is another in the dark
        assert np.abs(seen(body) - wanted)[:5].max() <= 5
    linear = seen(with_numbers(gAMA=struct.pack(">I", 100_000)))[3, 0]
    assert linear == pytest.approx(255 * (1.055 * (120 / 255) ** (1 / 2.4) - 0.055), abs=1)


@pytest.mark.parametrize(
    "chunks",
    [{"gAMA": struct.pack(">I", 45455)}, {"gAMA": struct.pack(">I", 100_000), "sRGB": b"\0"},
     {"cICP": bytes([1, 13, 0, 1])}, {"gAMA": bytes(4), "cHRM": chromaticities("ProPhoto")},
     {"gAMA": struct.pack(">I", 45455), "cHRM": bytes(32)},
     {"gAMA": struct.pack(">I", 45455), "cHRM": struct.pack(">8I", *[30_000] * 8)}, {"cICP": bytes([9, 16, 0, 1])}],
)  # fmt: skip
def test_numbers_that_mean_srgb_or_nothing_change_no_pixel(chunks):
    assert np.array_equal(seen(with_numbers(**chunks)), COLOURS)


def test_code_points_of_display_p3_are_converted():
    """As telephones write them: the curve is that of sRGB, by which greys stay."""
    wanted = seen(encoded(patches(), "PNG", icc_profile=matrix_profile("Display P3")))
    made = seen(with_numbers(cICP=bytes([12, 13, 0, 1])))
    assert np.abs(made - wanted)[:5].max() <= 6 and np.abs(made - COLOURS).max() > 12  # the last is dark
    assert np.abs(made[3] - COLOURS[3]).max() <= 1
    plain = encoded(patches(), "AVIF", quality=100, subsampling="4:4:4")
    assert b"colrnclx" in plain
    place = plain.index(b"colrnclx") + 8
    body = plain[:place] + struct.pack(">HH", 12, 13) + plain[place + 4 :]
    assert np.abs(seen(body) - made).max() <= 3


def test_a_profile_of_srgb_changes_no_pixel():
    noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, (64, 64, 3), dtype=np.uint8))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(open_picture(encoded(noise, "PNG", icc_profile=profile)), noise)


@pytest.mark.parametrize(
    "profile",
    [b"", b"no profile", matrix_profile("Adobe RGB")[:200], bytes(3000), ink_profile(), grey_profile(2.0)],
    ids=["empty", "text", "cut", "zeros", "of ink", "of grey"],
)
def test_a_profile_that_cannot_be_read_or_is_of_other_channels_is_ignored(profile):
    for kind in ("PNG", "TIFF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        assert np.array_equal(seen(encoded(patches(), kind, icc_profile=profile, **options)), COLOURS)


def test_a_training_set_is_converted_too(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.png", encoded(patches(), "PNG", icc_profile=matrix_profile("Display P3")))
    (tmp_path / "set.zip").write_bytes(stream.getvalue())
    [image] = read_pictures(tmp_path / "set.zip", (3, 32, 96)).images
    wanted = np.array([in_srgb("Display P3", colour) for colour in COLOURS])
    assert np.abs(image.numpy()[:, 16, 8::16].T - wanted).max() <= 2
