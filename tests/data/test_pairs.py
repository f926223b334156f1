"""Sets for translation: every layout is read, both sides of a pair are changed alike, and what is no pair is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio.data import Batches, crops, load, report, summary
from genstudio.data.crops import is_labels
from genstudio.data.pictures import Pictures
from tests.data.test_data import levels, pack, png, write
from tests.data.test_report import encoded, noise

SHAPE = (3, 16, 16)


def pair(seed: int, size: int = 16) -> tuple[Image.Image, Image.Image]:
    """A picture, and its negative."""
    one = noise(seed, (size, size))
    return one, Image.fromarray(255 - np.asarray(one))


def two_sides(names: tuple[str, str], count: int = 20, size: int = 16, start: int = 0) -> dict[str, bytes]:
    return {
        f"{name}/{i}.png": encoded(picture)
        for i in range(start, start + count)
        for name, picture in zip(names, pair(i, size), strict=True)
    }


def beside(seed: int, size: int = 16) -> bytes:
    sheet = Image.new("RGB", (2 * size, size))
    for i, picture in enumerate(pair(seed, size)):
        sheet.paste(picture, (i * size, 0))
    return encoded(sheet)


def layouts() -> dict[str, dict[str, bytes]]:
    splits = {f"train/{k}": v for k, v in two_sides(("in", "out")).items()}
    return {
        "side by side": {f"{i}.png": beside(i) for i in range(20)},
        "side by side in splits": {f"set/{'train' if i < 10 else 'val'}/{i}.png": beside(i) for i in range(20)},
        "trainA": two_sides(("trainA", "trainB")) | two_sides(("testA", "testB"), start=20),
        "A and B": two_sides(("set/A", "set/B")),
        "input and target": two_sides(("input", "target")),
        "splits around": splits | {f"test/{k}": v for k, v in two_sides(("in", "out"), start=20).items()},
        "ends of names": {
            f"{i}_{side}.png": encoded(p) for i in range(20) for side, p in zip("AB", pair(i), strict=True)
        },
    }


@pytest.mark.parametrize("name", layouts())
@pytest.mark.parametrize("crop", [False, True])
def test_every_layout_gives_pairs_of_a_picture_and_its_own_negative(tmp_path, name, crop):
    place = str(pack(tmp_path / "set.zip", layouts()[name]))
    kept, held = (load(place, split, SHAPE, pairing="paired", crop=crop) for split in ("train", "test"))
    assert kept.paired and not kept.refused and len(kept) + len(held) in (20, 40) and len(held) > 0
    for part in (kept, held):
        assert torch.equal(part.sources, 255 - part.images) and len(part.sources) == len(part)
    for k in range(3):
        batch = Batches(kept, 8, flip=True, jitter=2, seed=5)[k]
        assert torch.equal(levels(batch.sources), 255 - levels(batch.images))
    unpaired = load(place, "train", SHAPE, pairing="unpaired")
    assert not unpaired.paired and len(unpaired.sources) == len(kept)


def test_two_folders_or_zips_are_a_set_of_pairs(tmp_path):
    files = two_sides(("A", "B"))
    write(tmp_path / "x", {k.removeprefix("A/"): v for k, v in files.items() if k.startswith("A")})
    pack(tmp_path / "y.zip", {k.replace("B/", "deep/er/"): v for k, v in files.items() if k.startswith("B")})
    found = load(f"{tmp_path / 'x'}|{tmp_path / 'y.zip'}", "train", SHAPE, pairing="paired")
    assert found.name == "x-y" and len(found) == 18 and torch.equal(found.sources, 255 - found.images)
    assert found.source_names[0].startswith("x/") and found.names[0].startswith("y/deep/er/")
    turned = load(f"{tmp_path / 'x'}|{tmp_path / 'y.zip'}", "train", SHAPE, pairing="paired", reverse=True)
    assert torch.equal(turned.images, found.sources) and torch.equal(turned.sources, found.images)
    assert turned.names == found.source_names


def test_a_folder_of_two_zips_is_a_set_of_pairs(tmp_path):
    """As the page has two that are uploaded together."""
    files = two_sides(("A", "B"))
    for i, side in enumerate("AB"):
        own = {k[2:]: v for k, v in files.items() if k.startswith(side)}
        (tmp_path / "set").mkdir(exist_ok=True)
        pack(tmp_path / "set" / f"{i}-{side}.zip", own)
    found = load(str(tmp_path / "set"), "train", SHAPE, pairing="paired")
    assert torch.equal(found.sources, 255 - found.images) and len(found) == 18


@pytest.mark.parametrize(
    ("files", "pairing", "sentence"),
    [
        ({f"{i}.png": png(i) for i in range(9)}, "paired", "has no pairs to learn a translation from"),
        (
            {f"{c}/{i}.png": png(i) for c in "xyz" for i in range(9)},
            "unpaired",
            "has no pairs to learn a translation from",
        ),
        (
            {"A/1.png": png(1), "B/2.png": png(2)},
            "paired",
            "no picture of A has the name of one of B, as A/1.png, B/2.png",
        ),
        (
            {"A/1.png": b"no", "B/1.png": png(2)},
            "paired",
            "no picture that can be used; image 1 of 2, A/1.png: not a picture",
        ),
        ({"notes.txt": b"no"}, "paired", "holds no picture that can be used"),
        ({"A/1.png": b"no", "B/1.png": png(2)}, "unpaired", "set, A, holds no picture that can be used; image 1 of 2"),
    ],
)
def test_a_set_without_pairs_is_one_sentence_before_a_picture_is_decoded(tmp_path, files, pairing, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(str(pack(tmp_path / "set.zip", files)), "train", SHAPE, pairing=pairing)


@pytest.mark.parametrize("data", ["|", "a|", "a|b|c"])
def test_half_a_pair_of_folders_is_refused(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match="pairs are two folders or zips with a bar between"):
        load(data, "train", SHAPE, pairing="paired")
    with pytest.raises(ValueError, match="only a translator has a use for them"):
        load("a|b", "train", SHAPE)


def test_broken_and_lonely_pictures_are_named_and_the_other_pairs_are_used(tmp_path):
    files = two_sides(("A", "B"), 12)
    files |= {"A/3.png": files["A/3.png"][:-60], "A/lonely.png": png(1), "B/4.png": b"text", "preview.png": png(2)}
    found = load(str(pack(tmp_path / "set.zip", files)), "train", SHAPE, pairing="paired")
    reasons = {
        "truncated or broken": 1,
        "not a picture": 1,
        "it has no partner of the same name": 1,
        "it stands outside A and B": 1,
    }
    assert found.left_out == reasons and len(found) == 11 - 2
    assert torch.equal(found.sources, 255 - found.images)


def test_a_picture_that_is_not_two_side_by_side_is_refused_by_its_size(tmp_path):
    files = {f"{i}.png": beside(i) for i in range(9)} | {"x.png": png(1, (30, 20))}
    found = load(str(pack(tmp_path / "set.zip", files)), "train", SHAPE, pairing="paired")
    assert len(found) == 9 and not found.refused, "the tenth is held out"
    every = load(str(pack(tmp_path / "all.zip", files | {"a.png": png(1, (30, 20))})), "train", SHAPE, pairing="paired")
    assert every.left_out == {"it is 30x20, not two pictures side by side": 1}


def test_pairs_of_different_sizes_are_warned_of_and_stay_aligned(tmp_path):
    def marked(size: int) -> bytes:
        image = np.zeros((size, size, 3), np.uint8)
        image[: size // 2, : size // 2] = 255
        return encoded(Image.fromarray(image))

    files = {f"{side}/{i}.png": marked(size) for i in range(10) for side, size in (("A", 32), ("B", 64))}
    found = load(str(pack(tmp_path / "set.zip", files)), "train", SHAPE, pairing="paired", crop=True)
    assert "9 of 9 pairs differ in size, as A/0.png 32x32 and B/0.png 64x64" in found.warnings[0].en
    assert all(a.image.shape == b.image.shape for a, b in zip(found.large, found.large_sources, strict=True))
    for k in range(5):
        batch = Batches(found, 9, seed=k)[0]
        assert (batch.images - batch.sources).abs().mean() < 0.1


def test_the_report_shows_three_pairs_and_their_layout(tmp_path):
    place = str(pack(tmp_path / "set.zip", two_sides(("A", "B"))))
    seen = report.survey(place, SHAPE, "paired", crop=True)
    assert len(seen.pairs) == 3 and seen.pairs[0] == ("A/0.png", "B/0.png") and seen.held_out == 2 and seen.count == 20
    assert seen.notes[0].en == "Pairs of equal names in two folders: A is translated to B."
    assert seen.pair_sheet.shape == (3 * 18 - 2, 2 * 18 - 2, 3)
    left, right = seen.pair_sheet[:16, :16], seen.pair_sheet[:16, 18:]
    assert np.array_equal(left, 255 - right)
    lines = list(summary.lines(load(place, "train", SHAPE, pairing="paired"), None))
    assert lines[0] == "set: 18 pairs to learn from, none held out" and "  A/0.png -> B/0.png" in lines


def test_a_set_by_name_without_pairs_is_refused(monkeypatch):
    images = torch.zeros(4, *SHAPE, dtype=torch.uint8)
    sets = {"single": Pictures("single", images), "two": Pictures("two", images, sources=images, paired=False)}
    monkeypatch.setattr("genstudio.data.sets.SETS", {k: lambda split, shape, v=v: v for k, v in sets.items()})
    for name, pairing in (("single", "paired"), ("single", "unpaired"), ("two", "paired")):
        with pytest.raises(ValueError, match=f"{name} has no pairs to learn a translation from"):
            load(name, "train", SHAPE, pairing=pairing)
    assert load("two", "train", SHAPE, pairing="unpaired").sources is not None


# Large photographs


def ramp(width: int, height: int) -> Image.Image:
    """Red is the column and green the row, in pixels."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([columns, rows, np.zeros_like(rows)], -1).astype(np.uint8))


def test_crops_are_of_one_to_two_times_the_size_and_reach_every_corner(tmp_path):
    files = {f"{i}.png": encoded(ramp(120, 90)) for i in range(10)}
    place = str(write(tmp_path / "set", files))
    found = load(place, "train", SHAPE, crop=True)
    assert {tuple(kept.image.shape) for kept in found.large} == {(3, 90, 120)}
    seen = torch.cat([levels(Batches(found, 9, seed=s)[k].images).float() for s in range(8) for k in range(8)])
    across = (seen[:, 0, :, -1] - seen[:, 0, :, 0]).mean(1) / 15  # pixels of the photograph between two of the crop
    down = (seen[:, 1, -1] - seen[:, 1, 0]).mean(1) / 15
    assert 0.9 < across.min() < 1.15 and 1.85 < across.max() < 2.15 and (across - down).abs().max() < 0.2
    assert seen[:, 0].min() < 5 and seen[:, 0].max() > 115 and seen[:, 1].min() < 5 and seen[:, 1].max() > 85
    assert any("random crops" in note.en and "16 to 32 pixels" in note.en for note in found.notes)
    whole = load(place, "train", SHAPE)
    assert whole.large is None and torch.equal(whole.images, found.images) and whole.digest() == found.digest()


def test_crops_depend_on_seed_number_and_rank_alone(tmp_path):
    place = str(pack(tmp_path / "set.zip", two_sides(("A", "B"), 20, 64)))
    for pairing in ("paired", "unpaired"):
        found = load(place, "train", SHAPE, pairing=pairing, crop=True)
        one, two = (Batches(found, 6, seed=3, flip=True) for _ in range(2))
        forwards = [one[k] for k in range(4)]
        for k in (3, 1, 0, 2):
            assert torch.equal(two[k].images, forwards[k].images) and torch.equal(two[k].sources, forwards[k].sources)


def test_large_pictures_stay_within_the_limit_which_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(crops, "MAX_KEPT", 3 * 2**20)
    files = {f"{side}/{i}.png": encoded(ramp(250, 201)) for side in "AB" for i in range(22)}  # 6.6 MB
    found = load(str(pack(tmp_path / "set.zip", files)), "train", SHAPE, pairing="paired", crop=True)
    kept = [*found.large, *found.large_sources]
    assert sum(one.image.nbytes for one in kept) <= 3 * 2**20
    assert {tuple(one.image.shape) for one in kept} == {(3, 100, 125)}
    assert any("within 3 MB they are made smaller, by 2" in note.en for note in found.notes)


def test_a_small_picture_is_enlarged_and_a_narrow_one_is_cropped(tmp_path):
    files = {f"{i}.png": encoded(ramp(*size)) for i, size in enumerate([(8, 8), (16, 16), (100, 16), (9, 40)] * 3)}
    found = load(str(write(tmp_path / "set", files)), "train", SHAPE, crop=True)
    assert all(min(kept.image.shape[1:]) >= 16 for kept in found.large)
    assert Batches(found, 11)[0].images.shape == (11, *SHAPE)


# Label pictures


def labels(seed: int, size: int, palette: bool) -> Image.Image:
    areas = (
        np.random.RandomState(seed)
        .randint(0, 5, (6, 6))
        .repeat(size // 6 + 1, 0)
        .repeat(size // 6 + 1, 1)[:size, :size]
    )
    colours = np.array([[10, 0, 0], [0, 200, 0], [0, 0, 255], [255, 255, 0], [90, 90, 90]], np.uint8)
    if not palette:
        return Image.fromarray(colours[areas])
    picture = Image.fromarray(areas.astype(np.uint8), "P")
    picture.putpalette(colours.flatten().tolist())
    return picture


@pytest.mark.parametrize("palette", [True, False])
@pytest.mark.parametrize("crop", [True, False])
def test_label_pictures_are_resized_by_nearest_neighbour(tmp_path, palette, crop):
    """Between two labels there is none: a colour in between is a class that the network never meets again."""
    files = {f"labels/{i}.png": encoded(labels(i, 70, palette)) for i in range(10)}
    files |= {f"photos/{i}.jpg": encoded(noise(i, (70, 70)), "JPEG") for i in range(10)}
    found = load(str(pack(tmp_path / "set.zip", files)), "train", SHAPE, pairing="paired", crop=crop)
    known = {tuple(c) for c in ((10, 0, 0), (0, 200, 0), (0, 0, 255), (255, 255, 0), (90, 90, 90))}

    def colours(images: torch.Tensor) -> set:
        return {tuple(c) for c in levels(images).permute(0, 2, 3, 1).reshape(-1, 3).tolist()}

    assert colours(found.tensor()) - known, "the photographs are not"
    batch = Batches(found, 9, flip=True)[1]
    assert (
        colours(batch.sources) <= known
        and {tuple(c) for c in found.sources.permute(0, 2, 3, 1).reshape(-1, 3).tolist()} <= known
    )
    assert "9 label pictures are resized by nearest neighbour." in [note.en for note in found.notes]


def test_photographs_and_drawings_are_no_label_pictures():
    rng = np.random.RandomState(0)
    smooth = Image.fromarray(rng.randint(0, 255, (8, 8, 3), np.uint8)).resize((128, 128), Image.Resampling.BICUBIC)
    assert not is_labels(smooth) and not is_labels(smooth.convert("L")) and not is_labels(smooth.quantize(256))
    line = Image.new("L", (400, 400), 255)
    line.paste(0, (100, 100, 300, 104))
    small = line.rotate(27, Image.Resampling.BICUBIC, fillcolor=255).resize((64, 64), Image.Resampling.LANCZOS)
    assert not is_labels(small)
