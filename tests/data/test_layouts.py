"""Folders of people's sets: a common first folder, splits, classes, the two sides of pairs; rubbish of systems."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import PurePosixPath

import pytest

from genstudio.data import hidden, load, load_whole, read_pictures
from genstudio.data.layouts import layout, match, sides
from tests import ROOT
from tests.data.test_data import SHAPE, pack, png, source, write  # noqa: F401 (a fixture)


def many(folders: str, count: int = 10) -> dict[str, bytes]:
    return {f"{folder}/{i}.png": png(i + 20 * at) for at, folder in enumerate(folders.split()) for i in range(count)}


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        ("my_set/cat my_set/dog", ("cat", "dog")),
        ("a/b/c/cat a/b/c/dog", ("cat", "dog")),
        ("cat/small cat/large dog/small", ("cat/large", "cat/small", "dog/small")),
        ("set/images", ()),
    ],
)
def test_a_common_first_folder_is_no_class(source, folders, classes):  # noqa: F811
    found = read_pictures(source(many(folders)), SHAPE)
    assert found.classes == classes
    assert ("which is no class" in "".join(note.en for note in found.notes)) == (
        folders != "cat/small cat/large dog/small"
    )


@pytest.mark.parametrize(
    "folders",
    [
        "train/cat train/dog test/cat test/dog",
        "Set/Training/cat Set/Training/dog Set/Testing/cat Set/Testing/dog",
        "training_set/training_set/cat training_set/training_set/dog test_set/test_set/cat test_set/test_set/dog",
        "seg_train/seg_train/cat seg_train/seg_train/dog seg_test/seg_test/cat seg_test/seg_test/dog",
        "cat/train dog/train cat/validation dog/validation",
        "pictures/train/images/cat pictures/train/images/dog pictures/val/images/cat pictures/val/images/dog",
    ],
)
def test_splits_are_known_and_their_test_part_is_held_out(source, folders):  # noqa: F811
    files = many(folders)
    place = str(source(files))
    kept, held = load(place, "train", SHAPE), load(place, "test", SHAPE)
    assert kept.classes == held.classes == ("cat", "dog")
    assert (
        len(kept) == len(held) == 20
        and all("rain" in name for name in kept.names)
        and not any("rain" in name for name in held.names)
    )
    for part in (kept, held):
        assert all(part.classes[label] in name for name, label in zip(part.names, part.labels.tolist(), strict=True))
    assert any("splits" in note.en and "(20)" in note.en for note in kept.notes)


def test_a_validation_part_beside_a_test_part_is_held_out_too(tmp_path):
    place = str(pack(tmp_path / "set.zip", many("train/a train/b val/a val/b test/a test/b")))
    held = load(place, "test", SHAPE)
    assert Counter(PurePosixPath(name).parts[0] for name in held.names) == {"val": 20, "test": 20}


def test_pictures_beside_the_splits_are_refused_by_name(tmp_path):
    found = read_pictures(
        pack(tmp_path / "set.zip", many("train/a train/b test/a test/b") | {"preview.png": png(9)}), SHAPE
    )
    assert found.classes == ("a", "b") and len(found) == 40
    assert [line.en.partition(", ")[2] for line in found.refused] == [
        "preview.png: it stands outside the folders of the splits, test, train"
    ]


@pytest.mark.parametrize("folders", ["train plane bus", "test dev", "validation house", "trainer tester"])
def test_classes_with_the_names_of_splits_stay_classes(tmp_path, folders):
    found = read_pictures(pack(tmp_path / "set.zip", many(folders)), SHAPE)
    assert set(found.classes) == set(folders.split()) and found.own_split is None


def test_a_picture_beside_class_folders_has_no_class(tmp_path):
    found = read_pictures(pack(tmp_path / "set.zip", many("cat dog") | {"loose.png": png(7)}), SHAPE)
    assert found.classes == ("cat", "dog") and found.labels[found.names.index("loose.png")] == -1
    assert [line.en for line in found.warnings] == ["1 of 21 have no class, and are learned from without one."]


def test_trainA_and_trainB_are_classes_of_splits_for_a_model_without_pairs(tmp_path):
    place = str(pack(tmp_path / "set.zip", many("trainA trainB testA testB")))
    assert load(place, "train", SHAPE).classes == ("A", "B") and len(load(place, "test", SHAPE)) == 20


RUBBISH = [
    ".ipynb_checkpoints/x.png", "3/.ipynb_checkpoints/x.png", "3/@eaDir/x.png/SYNOPHOTO_THUMB_S.png", "3/.thumbnails/x.png",
    "__MACOSX/3/._x.png", "3/._x.png", "#recycle/x.png", "$RECYCLE.BIN/x.png", ".Trash-1000/files/x.png", "3/Thumbs.db",
    "System Volume Information/x.png", ".AppleDouble/x.png", ".git/x.png", "3/DESKTOP.INI",
]  # fmt: skip


def test_rubbish_of_systems_is_skipped_and_named_and_is_no_class(source):  # noqa: F811
    found = read_pictures(source(many("3 5") | dict.fromkeys(RUBBISH, png(1))), SHAPE)
    assert found.classes == ("3", "5") and len(found) == 20 and not found.refused
    assert found.ignored == sorted(RUBBISH)


def test_what_looks_like_rubbish_but_is_none_is_kept():
    assert not any(map(hidden, ["a.b/1.png", "@home/1.png", "#1/1.png", "thumbs/1.png", "x/..b"[:1] + "/1.png"]))


def test_a_set_of_rubbish_alone_says_so(tmp_path):
    with pytest.raises(ValueError, match="no picture that can be used; skipped are .hidden/1.png"):
        read_pictures(pack(tmp_path / "set.zip", {".hidden/1.png": png(1)}), SHAPE)


def test_too_many_files_of_a_folder_are_refused_not_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr("genstudio.data.archives.MAX_FILES", 10)
    with pytest.raises(ValueError, match="holds more than 10 files; at most 10 are read"):
        load_whole(str(write(tmp_path / "set", many("a b"))), SHAPE)


def test_links_out_of_a_folder_are_named(tmp_path):
    write(tmp_path, {"secret/s.png": png(7), "set/a.png": png(1)})
    (tmp_path / "set" / "b.png").symlink_to(tmp_path / "secret" / "s.png")
    (tmp_path / "set" / "c").symlink_to(tmp_path / "secret")
    found = read_pictures(tmp_path / "set", SHAPE)
    assert found.names == ("a.png",)
    assert found.ignored == ["b.png (a link out of the folder)", "c (a link out of the folder)"]


def test_names_that_macOS_has_zipped_are_read_as_UTF_8(tmp_path):
    """zipfile reads a name without the flag as code page 437, which makes classes of garbled letters."""
    path = pack(tmp_path / "set.zip", {f"{name}/{i}.png": png(i) for name in ("Füße", "猫") for i in range(5)})
    body = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        headers = [member.header_offset + 6 for member in archive.infolist()]
        start = archive.start_dir
    at = [i + 8 for i in range(start, len(body)) if body[i : i + 4] == b"PK\1\2"]
    for place in [*headers, *at]:
        body[place + 1] &= ~8  # the flag is bit 11
    path.write_bytes(body)
    with zipfile.ZipFile(path) as archive:
        assert "猫/0.png" not in archive.namelist()
    assert read_pictures(path, SHAPE).classes == ("Füße", "猫")


# Sides of pairs


@pytest.mark.parametrize(
    ("names", "source_and_target"),
    [
        ("trainA/1.png trainB/1.png testA/2.png testB/2.png", ("a", "b")),
        ("train_A/1.png train_B/1.png", ("a", "b")),
        ("set/A/1.png set/B/1.png", ("A", "B")),
        ("A/train/1.png A/val/2.png B/train/1.png B/val/2.png", ("A", "B")),
        ("train/target/1.png train/input/1.png test/input/2.png test/target/2.png", ("input", "target")),
        ("photos/1.jpg labels/1.png", ("labels", "photos")),
        ("images/1.jpg masks/1.png", ("masks", "images")),
        ("sharp/1.png blurred/1.png", ("blurred", "sharp")),
        ("HR/1.png LR/1.png", ("LR", "HR")),
        ("domainB/1.png domainA/1.png", ("a", "b")),
        ("zebras/1.png horses/1.png", ("horses", "zebras")),
        ("1_A.png 1_B.png 2_B.png 2_A.png", ("a", "b")),
        ("input/1_input.png target/1_target.png", ("input", "target")),
    ],
)
def test_the_two_sides_are_found_by_folder_or_by_the_ends_of_names(names, source_and_target):
    names = names.split()
    found = sides(names)
    pairs, alone = match(found, names)
    assert found.names == source_and_target and not alone and 2 * len(pairs) == len(names)
    for one, other in pairs:
        stems = [PurePosixPath(names[x.index]).stem.split("_")[0] for x in (one, other)]
        assert stems[0] == stems[1] and one.split == other.split


@pytest.mark.parametrize("names", ["a.png b.png", "train/1.png test/2.png", "cat/1.png dog/1.png cow/1.png", "x/1.png"])
def test_other_folders_have_no_sides(names):
    assert sides(names.split()) is None


def test_those_without_a_partner_are_named_and_two_partners_are_refused():
    names = ["A/1.png", "A/2.png", "B/2.png", "B/3.png", "loose.png"]
    pairs, alone = match(found := sides(names), names)
    assert [(names[a.index], names[b.index]) for a, b in pairs] == [("A/2.png", "B/2.png")]
    assert [names[i] for i in alone] == ["A/1.png", "B/3.png"] and found.beside == [4]
    names = ["A/1.png", "B/1.png", "B/1.jpg"]
    with pytest.raises(ValueError, match="B/1.png and B/1.jpg are both the partner of 1"):
        match(sides(names), names)


def test_a_layout_of_no_pictures_is_empty():
    assert layout([]).places == [] and sides([]) is None


@pytest.mark.parametrize("name", ["wrapped", "splits", "hidden", "stylegan", "stylegan_uncond"])
def test_the_cases_that_were_reported(name):
    place = ROOT.parent / "shared" / "cases" / "sets" / f"{name}.zip"
    if not place.exists():
        pytest.skip("the reported cases are not here")
    found = load_whole(str(place), (1, 28, 28))
    assert found.classes == {"stylegan": ("0", "1", "2"), "stylegan_uncond": ()}.get(name, ("3", "5", "7"))
