"""The report before training: it tells what `data.load` then does, by number, name and reason, in both languages."""

from __future__ import annotations

import io
import json
from itertools import count

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import data
from genstudio.data import Pictures, report
from genstudio.data.report import Survey
from genstudio.images import open_picture, to_array
from tests.data.test_data import pack, write

SHAPE = (3, 8, 8)


def encoded(picture: Image.Image, form: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def plain(value: int | tuple[int, ...], size: tuple[int, int] = (8, 8), mode: str = "RGB") -> bytes:
    return encoded(Image.new(mode, size, value))


def noise(seed: int, size: tuple[int, int] = (8, 8)) -> Image.Image:
    """No two of these are alike."""
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3), np.uint8))


def noises(number: int, folder: str = "") -> dict[str, bytes]:
    return {f"{folder}{i:03d}.png": encoded(noise(i)) for i in range(number)}


@pytest.fixture(params=["folder", "zip"])
def seen(request, tmp_path):
    """seen(files, shape): the survey of the same files as a folder and as a zip."""

    fresh = count()

    def of(files: dict[str, bytes], shape: tuple[int, int, int] = SHAPE) -> Survey:
        root = tmp_path / str(next(fresh))
        root.mkdir()
        place = write(root / "set", files) if request.param == "folder" else pack(root / "set.zip", files)
        return report.survey(str(place), shape)

    return of


def english(texts: list) -> list[str]:
    return [text.en for text in texts]


# What is there


def test_sizes_are_those_that_the_pictures_came_with_the_most_common_first(seen):
    files = {"a.png": plain(1, (20, 30)), "b.png": plain(2), "c.png": plain(3), "d.png": plain(4, (30, 20))}
    turned = Image.Exif()
    turned[0x0112] = 6  # as a telephone saves a picture that was taken upright
    files |= {"e.jpg": encoded(noise(1, (30, 20)), "JPEG", exif=turned), "f.png": plain(5)}
    found = seen(files)
    assert list(found.sizes.items()) == [((8, 8), 3), ((20, 30), 2), ((30, 20), 1)]
    assert found.count == 6 and found.name == "set"


def test_classes_are_counted_by_folder_and_by_metadata_and_one_class_is_none(seen):
    rows = [{"file_name": "001.png", "label": "red"}, {"file_name": "002.png", "label": "blue"}]
    files = noises(5, "cat/") | {"cat/metadata.jsonl": "\n".join(map(json.dumps, rows)).encode(), "dog/1.png": plain(1)}
    found = seen(files)
    assert found.classes == {"blue": 1, "cat": 3, "dog": 1, "red": 1} and not found.ignored


def test_pictures_in_one_place_have_no_classes(seen):
    assert seen(noises(3)).classes == {}


def test_colours_are_counted_by_what_shows_not_by_how_it_was_saved(seen):
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 255))
    clear.putpixel((2, 2), (255, 0, 0, 0))
    keyed = Image.new("P", (8, 8), 0)
    keyed.putpalette([0, 0, 0, 200, 30, 30])
    keyed.putpixel((1, 1), 1)
    files = {
        "grey.png": plain(9, mode="L"),
        "grey_saved_as_colour.png": plain((7, 7, 7)),
        "grey_palette.png": encoded(keyed.point(lambda _: 0)),
        "deep.png": encoded(Image.fromarray(np.full((8, 8), 30_000, np.uint16))),
        "colour.png": plain((200, 30, 30)),
        "opaque.png": plain((0, 200, 0, 255), mode="RGBA"),
        "clear.png": encoded(clear),
        "keyed.png": encoded(keyed, transparency=0),
        "ink.jpg": encoded(Image.new("CMYK", (8, 8), (0, 255, 0, 0)), "JPEG"),
    }
    found = seen(files)
    assert (found.grey, found.coloured, found.transparent) == (4, 5, 2) and not found.refused
    assert "4 of 9 are grey: they are used as colour pictures, and still look grey." in english(found.treatment)
    assert "2 of 9 are transparent in places: they are laid on white." in english(found.treatment)


def test_a_picture_is_fitted_as_it_was_before_anybody_looked_at_its_colours(tmp_path):
    """`read_pictures` goes by way of RGB to tell grey from colour; its pixels must stay those of `to_array`."""
    for mode in ("RGB", "L", "RGBA", "P", "1", "LA", "CMYK", "I;16"):
        body = encoded(noise(3, (37, 23)).convert("L" if mode == "I;16" else mode).convert(mode), "TIFF")
        for shape in ((3, 8, 8), (1, 8, 8), (1, 40, 12), (3, 64, 64)):
            folder = write(tmp_path / f"{mode}-{shape}".replace(";", ""), {"x.tif": body})
            found = data.read_pictures(folder, shape).images[0].numpy()
            assert np.array_equal(found, to_array(open_picture(body), shape)), (mode, shape)


# Copies


def test_copies_are_found_under_other_names_and_formats(seen):
    one, two = noise(1), noise(2)
    files = noises(12) | {
        "x/again.png": encoded(one),
        "x/again.bmp": encoded(one, "BMP"),
        "x/again.webp": encoded(two, "WEBP", lossless=True),
    }
    found = seen(files)
    assert found.duplicates == [("001.png", "x/again.bmp", "x/again.png"), ("002.png", "x/again.webp")]
    assert "3 of 15 are copies of others: the model sees those more often." in english(found.warnings)
    assert not found.near


def test_a_copy_that_was_saved_as_jpeg_is_nearly_equal_and_another_picture_is_not(seen):
    slope = Image.fromarray(np.add.outer(np.arange(32) * 3, np.arange(32) * 4).astype(np.uint8))  # 0 to 217
    other = slope.point(lambda level: level + 20)  # of the same outline, and lighter
    detail = slope.copy()
    detail.paste(255, (10, 10, 16, 16))
    files = noises(4) | {"a.png": encoded(slope), "b.jpg": encoded(slope, "JPEG", quality=75)}
    files |= {"c.png": encoded(other), "d.png": encoded(detail)}
    found = seen(files, (3, 32, 32))
    assert found.near == [("a.png", "b.jpg")] and not found.duplicates


def test_a_copy_across_the_split_is_told_because_scores_would_be_too_good(seen):
    files = noises(20)
    leaky = "1 of the 2 held out is learned from as well, as a copy: scores will be too good."
    assert leaky not in english(seen(files).warnings)
    assert leaky in english(seen(files | {"009.png": files["003.png"]}).warnings)
    both = files | {"009.png": files["003.png"], "019.png": files["003.png"]}
    two = "2 of the 2 held out are learned from as well, as copies: scores will be too good."
    assert two in english(seen(both).warnings)
    held = files | {"019.png": files["009.png"]}  # two of the held out are one picture, which is not learned from
    assert not [w for w in english(seen(held).warnings) if "held out" in w]


# What is refused


def test_the_survey_and_the_loading_agree(tmp_path):
    files = noises(30, "cat/") | {f"dog/{i:02d}.png": encoded(noise(100 + i)) for i in range(14)}
    files |= {"cat/017.png": encoded(noise(9, (64, 64)))[:-40], "dog/03.png": b"I am a dog", "notes.txt": b"hello"}
    files |= {"__MACOSX/cat/._000.png": b"\0\5\26\7", "cat/.DS_Store": b"\0"}
    place = str(pack(tmp_path / "set.zip", files))
    found, kept, held = report.survey(place, SHAPE), data.load(place, "train", SHAPE), data.load(place, "test", SHAPE)
    assert found.count == len(kept) + len(held) == 42 and found.held_out == len(held) == 4
    assert found.refused == kept.refused
    assert [line.en for line in found.refused] == [
        "image 18 of 44, cat/017.png: truncated or broken",
        "image 34 of 44, dog/03.png: not a picture",
    ]
    assert found.ignored == ["__MACOSX/cat/._000.png", "cat/.DS_Store", "notes.txt"]
    assert found.classes == {"cat": 29, "dog": 13} and tuple(found.classes) == kept.classes


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "set.zip holds no picture that can be used"),
        ({"a.txt": b"hello"}, "set.zip holds no picture that can be used"),
        ({"a.png": b"hello"}, "set.zip holds no picture that can be used; image 1 of 1, a.png: not a picture"),
        ({"a.png": plain(1), "../b.png": plain(2)}, "set.zip is refused: '../b.png' points outside the archive"),
        (
            {"a.png": plain(1), "b.png": bytes(20_000_000)},
            "set.zip is refused: 'b.png' unpacks to 20000000 bytes, a zip bomb",
        ),
        ({"a.png": plain(1), "metadata.jsonl": b"{oops"}, "metadata.jsonl, line 1, is not JSON"),
    ],
)
def test_where_nothing_can_be_used_one_sentence_says_why(tmp_path, files, sentence):
    with pytest.raises(ValueError) as refusal:
        report.survey(str(pack(tmp_path / "set.zip", files)), SHAPE)
    assert str(refusal.value) == sentence


def test_what_is_not_there_or_no_zip_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'nothing' is neither a folder nor a zip, nor one of the sets mnist"):
        report.survey("nothing", SHAPE)
    (tmp_path / "set.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="set.zip is neither a folder nor a zip"):
        report.survey(str(tmp_path / "set.zip"), SHAPE)


# What will be done


def test_what_fits_already_is_left_alone(seen):
    assert seen(noises(3)).treatment == []
    assert seen({"a.png": plain(1, (8, 8), "L"), "b.png": plain((5, 5, 5))}, (1, 8, 8)).treatment == []


def test_the_treatment_tells_how_many_and_how_far(seen):
    files = {
        "small.png": plain((1, 0, 0), (4, 4)),
        "smaller.png": plain((2, 0, 0), (2, 3)),
        "large.png": plain((3, 0, 0), (50, 50)),
        "larger.png": plain((4, 0, 0), (80, 60)),
        "flat.png": plain((5, 0, 0), (16, 8)),  # as high as it must be: cropped, and neither enlarged nor reduced
        "fitting.png": plain((6, 0, 0)),
    }
    assert english(seen(files).treatment) == [
        "2 of 6 are enlarged, from as small as 2x3: they will look soft.",
        "2 of 6 are reduced, from as large as 80x60: their small details are lost.",
        "3 of 6 are cropped to the square in their middle: what is at their edges is lost.",
    ]


def test_a_model_of_grey_oblong_pictures_says_so_and_one_picture_is_not_several(seen):
    found = seen({"a.png": plain((1, 0, 0), (8, 4)), "b.png": plain(9, (4, 8), "L")}, (1, 4, 8))
    assert english(found.treatment) == [
        "1 of 2 is enlarged, from 4x8: it will look soft.",
        "1 of 2 is cropped to its middle, 8:4 in proportion: what is at its edges is lost.",
        "1 of 2 is in colour and is made grey: this model draws in grey.",
    ]


def test_every_sentence_is_whole_in_both_languages():
    """Each with the same blanks, none left open, with the apostrophe and the spaces of its language."""
    counted = [value for value in vars(report).values() if isinstance(value, report.Counted)]
    texts = [value for value in vars(report).values() if isinstance(value, report.Text)]
    assert len(counted) >= 10 and len(texts) >= 2
    values = dict(count=20, width=3, height=4, small="a", least=1, large="b", most=9)
    for sentence in counted:
        texts += [sentence.of(1, **values), sentence.of(7, **values)]
        for one, more in zip(sentence.one, sentence.more, strict=True):
            assert "{n}" in more and "{n}" not in one and one.startswith(("1 ", "1\u00a0"))
    for text in texts:
        assert text.en != text.fr and all(s.endswith(".") and "'" not in s for s in text), text


# What to think of before


@pytest.mark.parametrize(("pictures", "warned"), [(199, True), (200, False)])
def test_few_pictures_are_warned_of(tmp_path, pictures, warned):
    found = report.survey(str(pack(tmp_path / "set.zip", noises(pictures))), SHAPE)
    assert found.count == pictures and found.held_out == pictures // 10
    assert any(f"{pictures} pictures are few" in warning for warning in english(found.warnings)) == warned
    assert warned or not found.warnings


@pytest.mark.parametrize(("pictures", "held"), [(1, 0), (9, 0), (10, 1), (29, 2)])
def test_none_held_out_is_warned_of(tmp_path, pictures, held):
    found = report.survey(str(pack(tmp_path / "set.zip", noises(pictures))), SHAPE)
    assert found.held_out == held and (report.NONE_HELD_OUT in found.warnings) == (held == 0)


@pytest.mark.parametrize(("dogs", "warned"), [(4, True), (5, False)])
def test_uneven_classes_are_warned_of_by_name(tmp_path, dogs, warned):
    files = noises(20, "cat/") | {f"dog/{i}.png": encoded(noise(100 + i)) for i in range(dogs)}
    found = report.survey(str(pack(tmp_path / "set.zip", files)), SHAPE)
    sentence = "The classes are uneven, from 4 in «dog» to 20 in «cat»: small ones are learned less well."
    assert (sentence in english(found.warnings)) == warned


# The sheet


def tiles(sheet: np.ndarray, side: int, gap: int = 2) -> list[np.ndarray]:
    return [
        sheet[y : y + side, x : x + side]
        for y in range(0, sheet.shape[0], side + gap)
        for x in range(0, sheet.shape[1], side + gap)
    ]


def test_the_sheet_shows_each_class_however_rare_as_the_model_will_see_it(seen):
    files = {f"cat/{i:03d}.png": plain((200, i, 0), (20, 12)) for i in range(150)}
    files |= {"bird/0.png": plain((0, 200, 0)), "dog/0.png": plain((0, 0, 200)), "dog/1.png": plain((0, 0, 201))}
    sheet = seen(files).sheet
    assert sheet.dtype == np.uint8 and sheet.shape == (78, 78, 3)  # 8 tiles of 8, 2 apart
    shown = [tuple(tile[0, 0]) for tile in tiles(sheet, 8)]
    assert all((tile == tile[0, 0]).all() for tile in tiles(sheet, 8))
    cats = [colour for colour in shown if colour[0] == 200]
    assert len(shown) == 64 and len(set(cats)) == len(cats) == 61
    assert {(0, 200, 0), (0, 0, 200), (0, 0, 201)} <= set(shown)
    assert shown[0] == (0, 200, 0), "classes do not stand in their order"
    assert max(green for _, green, _ in cats) > 100, "only the beginning of the folder is shown"


def test_classes_share_the_sheet_evenly(tmp_path):
    files = {f"{kind}/{i:03d}.png": plain((kind, i, 7)) for kind, n in ((1, 100), (2, 40), (3, 30)) for i in range(n)}
    sheet = report.survey(str(pack(tmp_path / "set.zip", files)), SHAPE).sheet
    shown = [int(tile[0, 0, 0]) for tile in tiles(sheet, 8)]
    assert sorted(shown.count(kind) for kind in (1, 2, 3)) == [21, 21, 22]


def test_the_sheet_stands_by_class_where_the_files_do_not(tmp_path):
    rows = [{"file_name": f"{i}.png", "label": "odd" if i % 2 else "even"} for i in range(9)]
    files = {f"{i}.png": plain((i, 0, 0)) for i in range(9)}
    files |= {"metadata.jsonl": "\n".join(map(json.dumps, rows)).encode()}
    sheet = report.survey(str(pack(tmp_path / "set.zip", files)), SHAPE).sheet
    assert [int(tile[0, 0, 0]) for tile in tiles(sheet, 8)] == [0, 2, 4, 6, 8, 1, 3, 5, 7]


def test_the_sheet_of_a_grey_model_has_three_equal_channels_and_few_pictures_make_a_small_one(tmp_path):
    sheet = report.survey(str(pack(tmp_path / "set.zip", noises(3))), (1, 8, 8)).sheet
    assert sheet.shape == (18, 18, 3) and (sheet == sheet[..., :1]).all() and sheet.flags.writeable


# Sets by name


def test_a_set_by_name_is_surveyed_over_both_its_halves(monkeypatch):
    def toy(split: str, shape: tuple[int, int, int] | None) -> Pictures:
        number = 30 if split == "train" else 6
        values = torch.arange(number, dtype=torch.uint8) + (100 if split == "test" else 0)
        if split == "test":
            values[2] = 7  # is in the other half as well
        images = values.view(-1, 1, 1, 1).expand(-1, 1, 6, 4).contiguous()
        return Pictures("toy", images, torch.arange(number) % 2, ("even", "odd"))

    monkeypatch.setitem(data.SETS, "toy", toy)
    found = report.survey("toy", (3, 12, 12))
    assert (found.name, found.count, found.held_out) == ("toy", 36, 6)
    assert found.sizes == {(4, 6): 36} and found.grey == 36 and found.classes == {"even": 18, "odd": 18}
    assert found.duplicates == [("train/7", "test/2")] and found.sheet.shape == (82, 82, 3)
    assert english(found.treatment) == [
        "36 of 36 are enlarged, from as small as 4x6: they will look soft.",
        "36 of 36 are stretched to 12x12: their proportions change.",
        "36 of 36 are grey: they are used as colour pictures, and still look grey.",
    ]
    assert "1 of the 6 held out is learned from as well, as a copy: scores will be too good." in english(found.warnings)
    assert report.survey("toy", (1, 6, 4)).treatment == []
