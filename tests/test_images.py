"""Pictures in, whatever they are, and pictures out, with what they say of themselves."""

from __future__ import annotations

import io
import re
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from genstudio.images import (
    FORMATS,
    enlarge,
    error_map,
    flatten,
    from_uint8,
    grid,
    open_picture,
    read_recipe,
    save_film,
    save_png,
    save_walk,
    to_array,
    to_pictures,
    to_uint8,
)

RED, GREEN = (220, 30, 30), (30, 200, 30)


def two_colours(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red on the left, green on the right."""
    picture = Image.new("RGB", size, RED)
    picture.paste(GREEN, (size[0] // 2, 0, *size))
    return picture


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def huge_png(side: int = 30_000) -> bytes:
    """A valid black PNG of side x side pixels, 1 bit each, in about 100 kB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(bytes((side // 8 + 1) * side), 1)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_text_named_png_is_no_picture(tmp_path):
    path = tmp_path / "cat.png"
    path.write_text("I am a cat")
    for source in (path, path.read_bytes(), b""):
        with pytest.raises(ValueError, match="^not a picture$"):
            open_picture(source)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_truncated_picture_is_said_to_be_broken(kind):
    whole = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), kind)
    assert open_picture(whole).size == (64, 64)
    with pytest.raises(ValueError, match="truncated or broken|not a picture"):
        open_picture(whole[: len(whole) // 2])


@pytest.mark.filterwarnings("ignore")  # PIL's, of what it reads all the same
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO", "AVIF"])
def test_damaged_bytes_are_refused_in_words_of_ours(kind):
    """PIL's readers raise RuntimeError, TypeError and ValueErrors with binary rubbish in them, among others."""
    if kind not in FORMATS:
        pytest.skip(f"this PIL has no {kind}")
    whole, draw, said = encoded(two_colours(), kind), np.random.RandomState(0), set()
    for _ in range(300):
        body = bytearray(whole)
        for place in draw.randint(0, min(len(body), 400), 4):
            body[place] = draw.choice([0, 1, 127, 128, 255])
        try:
            flatten(open_picture(bytes(body)))
        except ValueError as error:
            said.add(re.sub(r"\(.*", "", str(error)).strip())
    assert said and said <= {"truncated or broken", "not a picture", "too large"}


def test_a_missing_picture_is_said_to_be_missing(tmp_path):
    with pytest.raises(ValueError, match="not found"):
        open_picture(tmp_path / "none.png")


def test_a_picture_of_900_megapixels_is_refused_before_a_pixel_is_decoded():
    with pytest.raises(ValueError, match=r"too large"):
        open_picture(huge_png())
    with pytest.raises(ValueError, match=r"too large \(12000 x 12000 pixels; at most 64 million\)"):
        open_picture(huge_png(12_000))


def test_formats_that_start_a_program_are_no_pictures():
    """PIL hands EPS to Ghostscript, whatever the file is called."""
    with pytest.raises(ValueError, match="not a picture"):
        open_picture(encoded(two_colours(), "EPS"))


@pytest.mark.parametrize(
    ("picture", "kind", "left", "right"),
    [
        (two_colours(), "PNG", RED, GREEN),
        (two_colours().convert("P", palette=Image.Palette.ADAPTIVE), "PNG", RED, GREEN),
        (two_colours().convert("CMYK"), "JPEG", RED, GREEN),
        (two_colours().convert("CMYK"), "TIFF", RED, GREEN),
        (two_colours().convert("RGBA"), "PNG", RED, GREEN),
        (two_colours().convert("L"), "PNG", (87,) * 3, (130,) * 3),
        (two_colours().convert("LA"), "PNG", (87,) * 3, (130,) * 3),
        (Image.fromarray(np.full((20, 40), 32768, np.uint16)), "PNG", (128,) * 3, (128,) * 3),
        (Image.fromarray(np.full((20, 40), 200, np.uint16)), "PNG", (1,) * 3, (1,) * 3),  # dark in 16 bits, not bright in 8
        (Image.fromarray(np.full((20, 40), 0.5 * 65535, np.float32)), "TIFF", (128,) * 3, (128,) * 3),
        (two_colours().convert("1", dither=Image.Dither.NONE), "PNG", (0,) * 3, (255,) * 3),
    ],
    ids=["rgb", "palette", "cmyk-jpeg", "cmyk-tiff", "rgba", "grey", "grey-alpha", "16-bit", "dark-16-bit", "float", "1-bit"],
)
def test_every_mode_comes_out_as_the_colours_that_one_sees(picture, kind, left, right):
    array = to_array(open_picture(encoded(picture, kind)), (3, 20, 40))
    assert array.shape == (3, 20, 40) and array.dtype == np.uint8
    assert np.abs(array[:, 10, 5].astype(int) - left).max() <= 12  # a JPEG is not exact
    assert np.abs(array[:, 10, 35].astype(int) - right).max() <= 12


def test_what_is_transparent_is_white():
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    assert flatten(open_picture(encoded(clear))).getpixel((4, 4)) == (255, 255, 255)
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    assert flatten(half).getpixel((4, 4)) == (127, 127, 127)
    palette = Image.new("P", (8, 8), 0)
    assert flatten(open_picture(encoded(palette, "PNG", transparency=0))).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_that_its_camera_held_sideways_stands_upright(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view: the left side becomes the top
    picture = open_picture(encoded(two_colours(), kind, exif=exif))
    assert picture.size == (20, 40)
    array = to_array(picture, (3, 40, 20)).astype(int)
    assert np.abs(array[:, 5, 10] - RED).max() < 12 and np.abs(array[:, 35, 10] - GREEN).max() < 12


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (1, 28, 20), (3, 1, 1)])
def test_a_picture_takes_the_shape_that_it_is_asked_for(shape):
    for size in ((1, 1), (500, 3), (7, 300), (64, 64)):
        assert to_array(two_colours(size), shape).shape == shape


def test_bytes_survive_the_way_to_floats_and_back():
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    floats = from_uint8(images)
    assert floats.min() == -1 and floats.max() == 1
    assert np.array_equal(to_uint8(floats)[0, :, :, 0], images[0, 0].numpy())


def test_pictures_that_are_not_finite_are_never_shown():
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ArithmeticError):
            to_uint8(torch.full((1, 1, 2, 2), bad))
    assert to_uint8(torch.tensor([-9.0, 9.0]).view(1, 1, 1, 2)).ravel().tolist() == [0, 255]


def test_a_grid_lays_pictures_row_by_row():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 4, 6, 3), np.uint8)
    sheet = grid(images, columns=3, gap=2)
    assert sheet.shape == (10, 22, 3)
    assert sheet[0, 0, 0] == 0 and sheet[0, 8, 0] == 1 and sheet[6, 0, 0] == 3 and sheet[6, 8, 0] == 4
    assert sheet[4, 0, 0] == 255 and sheet[6, 16, 0] == 255  # the gap, the empty place


def test_a_recipe_travels_in_the_png_and_a_stranger_s_one_is_only_data():
    recipe = {"system": "vae_mnist", "seed": 7, "title": "visages dessinés"}
    stream = io.BytesIO()
    save_png(two_colours(), stream, recipe)
    picture = open_picture(stream.getvalue())
    assert read_recipe(picture) == recipe
    assert read_recipe(two_colours()) is None
    for strange in ("", "{", "[1]", "null", "[" * 100_000):
        picture.info["genstudio"] = strange
        assert read_recipe(picture) is None


def test_small_pictures_are_enlarged_by_whole_factors_and_large_ones_left():
    assert enlarge(Image.new("L", (28, 28)), 448).size == (448, 448)
    assert enlarge(Image.new("L", (28, 20)), 256).size == (252, 180)
    assert enlarge(Image.new("L", (500, 500)), 100).size == (500, 500)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_film_keeps_its_limit_even_when_it_shows_noise(tmp_path, channels):
    frames = np.random.RandomState(0).randint(0, 256, (8, 200, 200, channels), dtype=np.uint8)
    path = save_film(frames, tmp_path / "film.webp", limit=60_000)
    film = Image.open(path)
    assert path.stat().st_size <= 60_000 and film.n_frames == 8


def test_pil_shows_what_numpy_holds():
    images = np.random.RandomState(0).randint(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    assert all(np.array_equal(np.asarray(p), i) for p, i in zip(to_pictures(images), images, strict=True))
    assert to_pictures(images[..., :1])[0].mode == "L"


def test_an_error_map_is_white_where_pictures_agree_and_darkest_where_they_are_opposites():
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    half = black.copy()
    half[:, 2:] = 255
    shown = error_map(black, half).astype(int)
    assert (shown[:, :2] == 255).all() and shown[:, 2:].max() < 60
    assert (error_map(white, black) == error_map(black, white)).all()
    greys = [error_map(black, np.full_like(black, level)).astype(int).sum() for level in (0, 40, 90, 160, 255)]
    assert greys == sorted(greys, reverse=True), "a larger error is darker"


@pytest.mark.parametrize("suffix", [".webp", ".mp4"])
@pytest.mark.parametrize("shape", [(28, 28, 1), (28, 20, 1), (33, 21, 3)])
def test_a_walk_goes_there_and_back(tmp_path, suffix, shape):
    """Odd sides too, which the colour of an MP4 does not like."""
    import av

    pictures = np.stack([np.full(shape, level, np.uint8) for level in (0, 60, 120, 180, 240)])
    path = save_walk(pictures, tmp_path / f"walk{suffix}", target=64, seconds=1.0)
    if suffix == ".webp":
        levels = [np.asarray(frame.convert("L")).mean() for frame in ImageSequence.Iterator(Image.open(path))]
    else:
        with av.open(str(path)) as film:
            levels = [frame.to_ndarray(format="gray").mean() for frame in film.decode(video=0)]
    assert levels == pytest.approx([0, 60, 120, 180, 240, 180, 120, 60], abs=6)


def test_a_walk_is_no_other_file(tmp_path):
    with pytest.raises(ValueError, match="saved as .webp or .mp4, not '.gif'"):
        save_walk(np.zeros((3, 8, 8, 1), np.uint8), tmp_path / "walk.gif")
