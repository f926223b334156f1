"""Sets of pictures: bad items are refused by name, archives cannot escape or explode, batches depend on (seed, k, rank)."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import data, paths
from genstudio.controls import Refusal
from genstudio.data import Batches, Pictures, load, read_pictures
from genstudio.images import from_uint8
from genstudio.layers import palette

SHAPE = (3, 8, 8)


def png(value: int, size: tuple[int, int] = (8, 8)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(stream, "PNG")
    return stream.getvalue()


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body)
    return root


def pack(path: Path, files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return path


@pytest.fixture(params=["folder", "zip"])
def source(request, tmp_path):
    """source(files): the same files as a folder and as a zip."""
    return lambda files: write(tmp_path / "set", files) if request.param == "folder" else pack(tmp_path / "set.zip", files)


def numbered(count: int) -> Pictures:
    """Pictures that tell their number: pixel value i."""
    return Pictures("numbered", torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 6, 6).contiguous())


def numbers(images: torch.Tensor) -> list[int]:
    return ((images[:, 0, 3, 3] + 1) * 127.5).round().int().tolist()


# Folders and archives


def test_conditions_are_read_beside_the_class_and_stay_with_their_picture(source):
    rows = [{"file_name": "a/1.png", "glasses": True, "hair_color": "red"}, {"file_name": "b/2.png", "glasses": False},
            {"file_name": "b/3.png", "hair_color": "blond", "mouth": None, "age": 7}]  # fmt: skip
    files = {"metadata.jsonl": "\n".join(map(json.dumps, rows)).encode()}
    files |= {"a/1.png": png(1), "b/2.png": png(2), "b/3.png": png(3), "b/4.png": png(4)}
    found = read_pictures(source(files), SHAPE)
    assert found.conditions["glasses"].tolist() == [True, False, False, False]
    assert found.conditions["hair_color"].tolist() == [1, -1, 0, -1]
    assert found.values == {"glasses": (), "hair_color": ("blond", "red")}
    again = found.renumbered({"hair_color": ("green", "red"), "glasses": ("no", "yes")})
    assert again.conditions["hair_color"].tolist() == [1, -1, -1, -1] and again.values["hair_color"] == ("green", "red")
    assert torch.equal(again.conditions["glasses"], found.conditions["glasses"])
    few = found.part(torch.tensor([True, False, True, False]))
    assert few.conditions["hair_color"].tolist() == [1, 0] and few.names == ("a/1.png", "b/3.png") and few.labels.tolist() == [0, 1]
    batches = Batches(found, 4, seed=3, flip=True)
    for k in range(3):
        batch = batches[k]
        assert [n == 1 for n in ((batch.images[:, 0, 3, 3] + 1) * 127.5).round().int().tolist()] == batch.conditions["glasses"].tolist()
        for part in batch.split(2):
            assert len(part.conditions["glasses"]) == len(part.labels) == len(part) == 2


def test_class_folders_are_classes(source):
    found = read_pictures(source({"cat/1.png": png(1), "dog/2.png": png(2), "cat/3.PNG": png(3), "notes.txt": b"hello"}), SHAPE)
    assert found.classes == ("cat", "dog") and found.shape == SHAPE and not found.refused
    assert dict(zip(found.images[:, 0, 0, 0].tolist(), found.labels.tolist(), strict=True)) == {1: 0, 2: 1, 3: 0}


def test_pictures_in_one_place_have_no_classes(source):
    found = read_pictures(source({f"{i}.png": png(i) for i in range(3)}), SHAPE)
    assert found.labels is None and found.classes == ()


def test_metadata_names_the_classes(source):
    rows = [{"file_name": "a/1.png", "label": 7}, {"file_name": "a/2.png", "label": 0}]
    lines = "\n".join(json.dumps(row) for row in rows) + "\n\n"
    files = {"a/1.png": png(1), "a/2.png": png(2), "b/3.png": png(3), "metadata.jsonl": lines.encode()}
    found = read_pictures(source(files), SHAPE)
    assert found.classes == ("0", "7", "b") and found.labels.tolist() == [1, 0, 2]  # b's picture has no row


def test_metadata_counts_from_where_it_stands(source):
    row = json.dumps({"file_name": "1.png", "label": "red"}).encode()
    found = read_pictures(source({"train/metadata.jsonl": row, "train/1.png": png(1), "train/2.png": png(2)}), SHAPE)
    assert found.classes == ("red",) and found.labels.tolist() == [0, -1], "the common folder is a class"


def test_broken_metadata_is_named_by_its_line(source):
    with pytest.raises(ValueError, match="metadata.jsonl, line 2, is not JSON"):
        read_pictures(source({"1.png": png(1), "metadata.jsonl": b'{"file_name": "1.png"}\n{oops\n'}), SHAPE)


def test_bad_items_are_refused_by_number_name_and_reason_and_the_rest_is_used(source):
    whole = png(9, (64, 64))
    files = {f"cat/{i:02d}.png": png(i) for i in range(30)}
    files |= {"cat/17.png": whole[:-40], "cat/20.png": b"I am a cat"}
    found = read_pictures(source(files), SHAPE)
    assert len(found) == 28
    assert [line.en for line in found.refused] == [
        "image 18 of 30, cat/17.png: truncated or broken",
        "image 21 of 30, cat/20.png: not a picture",
    ]


def test_a_set_without_a_good_picture_says_why(source):
    with pytest.raises(ValueError, match="set.* holds no picture that can be used; image 1 of 1, x.png: not a picture"):
        read_pictures(source({"x.png": b"text"}), SHAPE)
    with pytest.raises(ValueError, match="holds no picture"):
        read_pictures(source({"x.txt": b"text"}), SHAPE)


def test_every_tenth_picture_is_held_out(source):
    path = str(source({f"{i:02d}.png": png(i) for i in range(25)}))
    held, kept = load(path, "test", SHAPE), load(path, "train", SHAPE)
    assert held.images[:, 0, 0, 0].tolist() == [9, 19]
    assert sorted(kept.images[:, 0, 0, 0].tolist()) == [i for i in range(25) if i % 10 != 9]


def test_a_set_too_small_to_hold_one_out_says_so(source):
    with pytest.raises(ValueError, match="3 pictures, too few"):
        load(str(source({f"{i}.png": png(i) for i in range(3)})), "test", SHAPE)


def test_an_unknown_set_split_or_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'nothing' is neither a folder nor a zip, nor one of the sets mnist"):
        load("nothing", shape=SHAPE)
    with pytest.raises(ValueError, match="train or test"):
        load("mnist", "validation")
    with pytest.raises(ValueError, match="needs a shape"):
        load(str(tmp_path))
    (tmp_path / "file.zip").write_text("not a zip")
    with pytest.raises(ValueError, match="file.zip is neither a folder nor a zip"):
        load(str(tmp_path / "file.zip"), shape=SHAPE)


# Strangers' archives


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "C:\\x.png", "..\\x.png", "\\x.png"])
def test_a_path_that_leaves_the_archive_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="points outside the archive"):
        read_pictures(pack(tmp_path / "set.zip", {"good.png": png(1), name: png(2)}), SHAPE)


@pytest.mark.parametrize("name", [".", "./", "a//b.png", "é\u202e.png", "a\\b.png"])
def test_strange_names_break_nothing(tmp_path, name):
    found = read_pictures(pack(tmp_path / "set.zip", {"c/good.png": png(1), name: png(2)}), SHAPE)
    assert 1 <= len(found) <= 2


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    with pytest.raises(ValueError, match="zip bomb"):
        read_pictures(pack(tmp_path / "set.zip", {"good.png": png(1), "bomb.png": bytes(20_000_000)}), SHAPE)


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("genstudio.data.archives.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="would unpack to more than"):
        read_pictures(pack(tmp_path / "set.zip", {f"{i}.png": bytes(100) for i in range(11)}), SHAPE)
    monkeypatch.setattr("genstudio.data.archives.MAX_FILES", 10)
    with pytest.raises(ValueError, match="holds 11 files; at most 10"):
        read_pictures(tmp_path / "set.zip", SHAPE)


def test_a_member_that_unpacks_to_other_than_it_says_is_refused_by_name(tmp_path):
    """Damage in the packed bytes, found by zlib or by the checksum, costs that picture and no other."""
    path = pack(tmp_path / "set.zip", {"a.png": png(1), "b.png": png(2, (200, 200)), "c.png": png(3)})
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("b.png").header_offset + 40
    body = bytearray(path.read_bytes())
    body[at : at + 20] = b"\xff" * 20
    path.write_bytes(body)
    found = read_pictures(path, SHAPE)
    assert found.images[:, 0, 0, 0].tolist() == [1, 3] and found.refused[0].en.startswith("image 2 of 3, b.png: cannot be read")


def test_a_member_behind_a_password_is_refused_by_name(tmp_path):
    path = pack(tmp_path / "set.zip", {"a.png": png(1), "b.png": png(2)}, zipfile.ZIP_STORED)
    body = bytearray(path.read_bytes())
    body[body.rindex(b"PK\x01\x02") + 8] |= 1  # the flag of encryption in b's entry of the directory
    path.write_bytes(body)
    found = read_pictures(path, SHAPE)
    assert len(found) == 1 and "b.png: cannot be read" in found.refused[0].en


def test_a_link_out_of_a_folder_is_not_followed(tmp_path):
    write(tmp_path, {"secret/s.png": png(7), "set/a.png": png(1)})
    (tmp_path / "set" / "b.png").symlink_to(tmp_path / "secret" / "s.png")
    (tmp_path / "set" / "c").symlink_to(tmp_path / "secret")
    (tmp_path / "set" / "d.png").symlink_to(tmp_path / "set" / "a.png")  # within is fine
    (tmp_path / "set" / "e.png").symlink_to(tmp_path / "nowhere")
    found = read_pictures(tmp_path / "set", SHAPE)
    assert found.images[:, 0, 0, 0].tolist() == [1, 1] and not found.refused


# Batches


def test_a_batch_depends_on_seed_number_and_rank_alone():
    """Asked for in any order, by any object: else a resumed run would see other pictures."""
    pictures = numbered(20)
    one, two = (Batches(pictures, 8, seed=3, flip=True, jitter=2) for _ in range(2))
    forwards = [one[k].images for k in range(8)]
    for k in (7, 2, 5, 2, 0):
        assert torch.equal(two[k].images, forwards[k])
    assert not torch.equal(Batches(pictures, 8, seed=4)[0].images, Batches(pictures, 8, seed=3)[0].images)


def test_a_batch_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    Batches(numbered(20), 8, flip=True, jitter=1)[3]
    assert torch.equal(torch.get_rng_state(), before)


def test_every_picture_is_seen_once_an_epoch_in_another_order_each_time():
    batches = Batches(numbered(12), 5)
    stream = [n for k in range(12) for n in numbers(batches[k].images)]
    epochs = [stream[i : i + 12] for i in range(0, 60, 12)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_ranks_share_out_the_global_batch():
    pictures = numbered(30)
    whole = Batches(pictures, 8, seed=1)
    ranks = [Batches(pictures, 4, seed=1, rank=rank, world=2) for rank in (0, 1)]
    for k in range(10):
        assert sum((numbers(rank[k].images) for rank in ranks), []) == numbers(whole[k].images)


def test_labels_stay_with_their_pictures():
    pictures = numbered(30)
    pictures.labels = torch.arange(30) * 10
    batch = Batches(pictures, 16)[4]
    assert [10 * n for n in numbers(batch.images)] == batch.labels.tolist()


def matched(count: int, paired: bool, others: int | None = None) -> Pictures:
    """Pictures whose value is their number plus their column; sources are 100 above."""
    def values(n: int, start: int) -> torch.Tensor:
        columns = torch.arange(6, dtype=torch.uint8).expand(n, 1, 6, 6)
        return (start + 6 * torch.arange(n, dtype=torch.uint8).view(-1, 1, 1, 1) + columns).contiguous()

    return Pictures("matched", values(count, 0), sources=values(others or count, 100), paired=paired)


def levels(images: torch.Tensor) -> torch.Tensor:
    return ((images + 1) * 127.5).round().int()


def test_both_of_a_pair_are_mirrored_and_moved_alike():
    batches = Batches(matched(12, paired=True), 16, seed=2, flip=True, jitter=2)
    for k in range(4):
        batch = batches[k]
        assert torch.equal(levels(batch.sources), levels(batch.images) + 100)
    assert len({tuple(levels(image)[0, 3].diff().tolist()) for image in batch.images}) > 2, "none was moved"


def test_two_heaps_are_shuffled_apart_and_each_is_seen_once_an_epoch():
    batches = Batches(matched(12, paired=False, others=20), 4, seed=2)
    seen = [(levels(batches[k].images)[:, 0, 0, 0] // 6, (levels(batches[k].sources)[:, 0, 0, 0] - 100) // 6) for k in range(15)]
    images, sources = (torch.cat(side).tolist() for side in zip(*seen, strict=True))
    assert all(sorted(images[i : i + 12]) == list(range(12)) for i in range(0, 60, 12))
    assert all(sorted(sources[i : i + 20]) == list(range(20)) for i in range(0, 60, 20))
    assert sum(a == b for a, b in zip(images, sources, strict=True)) < 20, "they come as pairs"


@pytest.mark.parametrize("paired", [True, False])
def test_sources_too_depend_on_seed_number_and_rank_alone(paired):
    """In any order, as a resumed run asks; each rank its own slice of the global batch."""
    pictures = matched(12, paired)
    one, two = (Batches(pictures, 8, seed=3, flip=True, jitter=2) for _ in range(2))
    forwards = [one[k].sources for k in range(6)]
    assert all(torch.equal(two[k].sources, forwards[k]) for k in (5, 1, 3, 1, 0))
    whole, ranks = Batches(pictures, 8, seed=1), [Batches(pictures, 4, seed=1, rank=rank, world=2) for rank in (0, 1)]
    for k in range(5):
        assert torch.equal(torch.cat([rank[k].sources for rank in ranks]), whole[k].sources)


def test_sources_stay_beside_their_pictures_where_a_batch_is_cut():
    batch = Batches(matched(12, paired=True), 10)[0]
    for part in (*batch.split(3), batch[2:7]):
        assert len(part.sources) == len(part) and torch.equal(levels(part.sources), levels(part.images) + 100)
    assert matched(12, paired=False).batch(torch.arange(3)).sources is None, "two heaps have no pairs"


def test_flips_mirror_and_jitter_moves_by_whole_pixels():
    ramp = torch.arange(8, dtype=torch.uint8).expand(1, 1, 8, 8).contiguous()  # the value is the column
    rows = [((i[0, 4] + 1) * 127.5).round().int().tolist() for i in Batches(Pictures("ramp", ramp), 64, flip=True)[0].images]
    assert 10 < sum(row == list(range(7, -1, -1)) for row in rows) < 54
    assert all(row in (list(range(8)), list(range(7, -1, -1))) for row in rows)
    moved = Batches(Pictures("ramp", ramp), 64, jitter=2)[0].images
    shifts = {int(((i[0, 4] + 1) * 127.5).round()[4]) - 4 for i in moved}
    assert shifts == {-2, -1, 0, 1, 2}


def test_the_margin_of_a_shift_repeats_the_border_or_mirrors_what_is_beside_it():
    ramp = torch.arange(8, dtype=torch.uint8).expand(1, 1, 8, 8).contiguous()
    for mirror, left in ((False, {(0, 0, 0, 1)}), (True, {(2, 1, 0, 1)})):
        moved = Batches(Pictures("ramp", ramp), 64, jitter=2, mirror=mirror)[0].images
        rows = [((i[0, 4] + 1) * 127.5).round().int().tolist() for i in moved]
        assert {tuple(row[:4]) for row in rows if row[2] == 0} == left
        assert {row[-1] for row in rows if row[0] == 2} == ({5} if mirror else {7}) or not any(row[0] == 2 for row in rows)


def test_hues_are_rotated_alike_in_both_pictures_of_a_pair_and_greys_stay():
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8, generator=draw)
    sources = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8, generator=draw).expand(4, 3, 8, 8).contiguous()
    plain = Batches(Pictures("drawn", images, sources=sources), 4)[0]
    grey = Batches(Pictures("drawn", images, sources=sources), 4, hue=0.2)[0]
    same = Batches(Pictures("drawn", images, sources=images), 4, hue=0.2)[0]
    torch.testing.assert_close(grey.sources, plain.sources)
    torch.testing.assert_close(same.images, same.sources)
    inside = (grey.images.abs() < 1).all(1)
    assert inside.float().mean() > 0.5 and not torch.allclose(grey.images, plain.images, atol=0.05)
    for length in (lambda x: x.mean(1), lambda x: x.var(1)):  # along the axis of greys, and distance from it
        torch.testing.assert_close(length(grey.images)[inside], length(plain.images)[inside], atol=1e-4, rtol=0)
    red = torch.zeros(3, 3, 1, 1, dtype=torch.uint8)
    red[:, 0] = 255
    thirds = data.batches._rotate_hues(from_uint8(red), torch.tensor([0, 1 / 3, -1 / 3]))
    assert thirds.flatten(1).round().tolist() == [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]]


# The house's own sets


def facades_zip(folder: Path) -> list[int]:
    """Three pairs of each split, whose photographs have the number of their pair as grey level; the numbers. Labels are
    palette PNGs: halves of classes 0 and 4 + number."""
    files = {}
    for split in ("train", "val", "test"):
        for number in (0, 1, 2):
            files[f"{split}/photo/{number}.jpg"] = png(100 + 20 * number, (128, 128))
            picture = Image.new("P", (128, 128), 0)
            picture.putpalette([level for colour in palette.CMP for level in colour])
            picture.paste(4 + number, (64, 0, 128, 128))
            picture.save(stream := io.BytesIO(), "PNG")
            files[f"{split}/labels/{number}.png"] = stream.getvalue()
    pack(folder / "facades.zip", files)


@pytest.mark.parametrize("side", [128, 50, 7])
def test_facades_are_pairs_in_our_colours_at_any_size(tmp_path, monkeypatch, side):
    """A resized label picture has no mixed colours, and stays beside its photograph."""
    monkeypatch.setenv("GENSTUDIO_DATA", str(tmp_path))
    facades_zip(tmp_path)
    pairs = load("facades", "test", (3, side, side))
    assert len(pairs) == 3 and pairs.paired and "licence unclear" in pairs.credit
    sources = from_uint8(pairs.sources)
    assert palette.FACADES.covers(sources)
    for photo, classes in zip(pairs.images, palette.FACADES.nearest(sources), strict=True):
        number = (int(photo.float().mean()) - 100) / 20
        assert set(classes.unique().tolist()) == {0, 4 + number}
    other = load("facade_labels", "test", (3, side, side))
    assert torch.equal(other.images, pairs.sources) and torch.equal(other.sources, pairs.images)
    batch = Batches(pairs, 6, flip=True, jitter=3, mirror=True)[0]
    assert palette.FACADES.covers(batch.sources), "augmentation mixed colours"


@pytest.mark.parametrize("name", ["facades", "facade_labels", "monet"])
def test_a_set_that_is_not_here_says_where_it_comes_from(tmp_path, monkeypatch, name):
    monkeypatch.setenv("GENSTUDIO_DATA", str(tmp_path))
    with pytest.raises(Refusal, match="is not there: zip .*huggan/") as refused:
        load(name)
    assert "huggan/" in refused.value.text.fr and "mettez" in refused.value.text.fr


@pytest.mark.parametrize(
    ("name", "train", "test", "shape", "classes"),
    [
        ("avatars", None, None, (3, 64, 64), 8),
        ("freyfaces", 1565, 200, (1, 28, 20), 0),
        ("mnist", 60_000, 10_000, (1, 28, 28), 10),
        ("facades", 400, 106, (3, 128, 128), 0),
        ("facade_labels", 400, 106, (3, 128, 128), 0),
        ("monet", 270, 30, (3, 160, 160), 0),
    ],
)
def test_a_named_set_is_what_it_says(name, train, test, shape, classes):
    try:
        held, kept = load(name, "test"), (load(name, "train") if train else None)
    except ValueError as error:
        pytest.skip(str(error))
    assert held.shape == shape and len(held.classes) == classes and held.credit and not held.refused
    assert held.images.dtype == torch.uint8 and held.images.float().std() > 10
    if train:
        assert (len(kept), len(held)) == (train, test)


def test_frey_faces_have_the_three_parts_of_the_sylvester_flows():
    """In the order of seed 123, and no frame in two of them; no other set has a part to choose by."""
    try:
        parts = [load("freyfaces", split).images for split in ("train", "validation", "test")]
    except ValueError as error:
        pytest.skip(str(error))
    frames = np.load(paths.data() / "freyfaces.npz")["images"]
    shuffled = frames[np.random.RandomState(123).permutation(len(frames))]
    assert [len(part) for part in parts] == [1565, 200, 200]
    assert np.array_equal(torch.cat(parts)[:, 0].numpy(), shuffled)
    with pytest.raises(ValueError, match="'validation'"):
        load("mnist", "validation")


def of_the_house(monkeypatch, name: str, split: str) -> tuple[Pictures, tuple[str, ...]]:
    """A set, and the files that it is made of."""
    found = []

    def noted(*arguments, **options) -> Pictures:
        found.append(read_pictures(*arguments, **options))
        return found[-1]

    with monkeypatch.context() as patch:
        patch.setattr(data.sets, "read_pictures", noted)
        try:
            pictures = load(name, split)
        except ValueError as error:
            pytest.skip(str(error))
    return pictures, found[0].names


def test_lines_and_their_colours_are_pairs_and_no_symbol_is_in_both_splits(monkeypatch):
    """A pair has the same dark lines: where the drawing is black, the picture is mostly dark."""
    (held, of_held), (kept, of_kept) = (of_the_house(monkeypatch, "emoji_lines", split) for split in ("test", "train"))
    assert held.shape == (3, 64, 64) and len(held) > 100 and len(kept) > 8 * len(held) and held.credit
    for pictures in (held, kept):
        assert pictures.paired and pictures.sources.shape == pictures.images.shape
        lines, colours = (x.float().mean(1) for x in (pictures.sources[:200], pictures.images[:200]))
        drawn = lines < 64
        assert (colours[drawn] < 128).float().mean() > 0.9
        shifted = colours.roll(1, 0)
        assert (shifted[drawn] < 128).float().mean() < 0.6, "the next one's lines do as well: they are no pairs"
        assert (lines[:, 0, 0] > 250).all(), "a drawing is not on white"
    folders = ("openmoji/", "openmoji-line/")
    unseen, seen = ({PurePosixPath(n).name for n in names if n.startswith(folders)} for names in (of_held, of_kept))
    assert unseen and not unseen & seen


def test_glasses_are_pairs_where_held_out_and_unpaired_in_training(monkeypatch):
    """No face of a training domain is in the other one, nor held out: else pairs would be learned after all."""
    name = "faces_glasses_unpaired"
    (held, of_held), (kept, of_kept) = (of_the_house(monkeypatch, name, split) for split in ("test", "train"))
    assert held.paired and not kept.paired and held.shape == (3, 64, 64)
    assert len(held) == len(held.sources) == 4000 and min(len(kept), len(kept.sources)) > 10_000
    apart = (held.images.float() - held.sources.float()).abs().mean((1, 2, 3))
    others = (held.images.float() - held.sources.roll(1, 0).float()).abs().mean((1, 2, 3))
    assert apart.min() > 0 and apart.median() < 0.5 * others.median(), "a pair shows one face"

    def seeds(names: tuple[str, ...], side: str) -> set[str]:
        return {PurePosixPath(name).name for name in names if PurePosixPath(name).parts[1] == side}

    plain, worn = seeds(of_kept, "plain"), seeds(of_kept, "glasses")
    assert plain and worn and not plain & worn
    assert seeds(of_held, "plain") == seeds(of_held, "glasses") and not seeds(of_held, "plain") & (plain | worn)
