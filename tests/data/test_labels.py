"""Labels from files beside the pictures, in the forms that other tools write."""

from __future__ import annotations

import json

import pytest

from genstudio.data import read_pictures
from tests.data.test_data import SHAPE, png, source  # noqa: F401 (a fixture)

STORAGE = {f"0000{i // 2}/img{i:04d}.png": png(i) for i in range(6)}
RED = [1, 3]  # numbers of the pictures with the first label


def told(found) -> dict[str, str | None]:
    """Label of each picture by its file name, without its folder and suffix."""
    classes = [*found.classes, None]
    return {
        name.rpartition("/")[2].partition(".")[0]: classes[i]
        for name, i in zip(found.names, found.labels.tolist(), strict=True)
    }


@pytest.mark.parametrize(
    "labels",
    [
        [[name, int(i in RED)] for i, name in enumerate(STORAGE)],
        {name: int(i in RED) for i, name in enumerate(STORAGE)},
        [[name, float(i in RED)] for i, name in enumerate(STORAGE)],
        [[name, [int(i not in RED), int(i in RED)]] for i, name in enumerate(STORAGE)],
    ],
)
def test_dataset_json_gives_the_labels_and_its_folders_are_no_classes(source, labels):  # noqa: F811
    found = read_pictures(source(STORAGE | {"dataset.json": json.dumps({"labels": labels}).encode()}), SHAPE)
    assert told(found) == {f"img{i:04d}": str(int(i in RED)) for i in range(6)}
    assert "Labels are those of dataset.json." in [note.en for note in found.notes]


def test_null_labels_are_none(source):  # noqa: F811
    found = read_pictures(source(STORAGE | {"dataset.json": b'{"labels": null}'}), SHAPE)
    assert found.labels is None and found.classes == () and not found.ignored
    assert [note.en for note in found.notes] == ["dataset.json gives no labels: there are no classes."]


def test_one_picture_may_have_none(source):  # noqa: F811
    labels = [[name, i % 2 if i else None] for i, name in enumerate(list(STORAGE)[:5])]
    found = read_pictures(source(STORAGE | {"dataset.json": json.dumps({"labels": labels}).encode()}), SHAPE)
    assert told(found) == {
        "img0000": None,
        "img0001": "1",
        "img0002": "0",
        "img0003": "1",
        "img0004": "0",
        "img0005": None,
    }
    assert [line.en for line in found.warnings] == ["2 of 6 have no class, and are learned from without one."]


FLAT = {f"images/{i}.png": png(i) for i in range(4)}
COLOURS = {"0": "blue", "1": "red, dark", "2": "blue", "3": "red, dark"}


@pytest.mark.parametrize(
    ("name", "table"),
    [
        (
            "metadata.csv",
            'file_name,label\nimages/0.png,blue\nimages/1.png,"red, dark"\nimages/2.png,blue\nimages/3.png,"red, dark"\n',
        ),
        (
            "images/metadata.csv",
            '\ufefffile_name,label\r\n0.png,blue\r\n1.png,"red, dark"\r\n2.png,blue\r\n3.png,"red, dark"\r\n',
        ),
        ("labels.csv", 'id,breed\n0,blue\n1,"red, dark"\n2,blue\n3,"red, dark"\n'),
        ("labels.csv", "filename;width;class\n0.png;8;blue\n1.png;8;red, dark\n2.png;8;blue\n3.png;8;red, dark\n"),
        (
            "labels.tsv",
            "category\tpath\nblue\timages/0.png\nred, dark\timages/1.png\nblue\timages/2.png\nred, dark\timages/3.png\n",
        ),
        ("train.csv", 'images/0.png,blue\nimages/1.png,"red, dark"\nimages/2.png,blue\nimages/3.png,"red, dark"\n'),
    ],
)
def test_tables_give_the_labels(source, name, table):  # noqa: F811
    found = read_pictures(source(FLAT | {name: table.encode()}), SHAPE)
    assert told(found) == COLOURS and not found.ignored and not found.warnings


def test_tables_are_read_in_other_encodings(source):  # noqa: F811
    table = "file,label\n0.png,grün\n1.png,blau\n2.png,grün\n3.png,blau\n"
    for encoding in ("utf-16", "latin-1"):
        assert read_pictures(source(FLAT | {"labels.csv": table.encode(encoding)}), SHAPE).classes == ("blau", "grün")


def test_an_empty_cell_is_no_label(source):  # noqa: F811
    found = read_pictures(source(FLAT | {"labels.csv": b"file,label\n0.png,a\n1.png,b\n2.png,\n3.png,  \n"}), SHAPE)
    assert told(found) == {"0": "a", "1": "b", "2": None, "3": None}


def test_null_in_metadata_jsonl_is_no_label_and_a_row_without_one_leaves_the_folder(source):  # noqa: F811
    rows = [{"file_name": "cat/0.png", "label": None}, {"file_name": "dog/1.png", "text": "a dog"}]
    files = {"cat/0.png": png(0), "cat/2.png": png(2), "dog/1.png": png(1)}
    found = read_pictures(source(files | {"metadata.jsonl": "\n".join(map(json.dumps, rows)).encode()}), SHAPE)
    assert told(found) == {"0": None, "1": "dog", "2": "cat"}


def test_rows_without_a_picture_and_tables_of_other_things_are_said(source):  # noqa: F811
    files = FLAT | {"labels.csv": b"file,label\n0.png,a\n1.png,b\nx.png,c\n", "prices.csv": b"day,price\nMonday,3\n"}
    found = read_pictures(source(files), SHAPE)
    said = " ".join(line.en for line in found.warnings)
    assert "labels.csv names 1 pictures that are not in the set, as x.png." in said
    assert "prices.csv names none of the pictures" in said and found.ignored == ["prices.csv"]


@pytest.mark.parametrize(
    ("name", "body", "sentence"),
    [
        ("dataset.json", b"{oops", "dataset.json is not JSON"),
        ("dataset.json", b"[" * 100_000, "dataset.json is not JSON"),
        (
            "dataset.json",
            b'{"labels": [["images/0.png", [0.3, 0.7]]]}',
            r"one class, a number or a name, and has '\[0.3, 0.7\]'",
        ),
        ("dataset.json", b'{"labels": 3}', "one class, a number or a name, and has '3'"),
        ("dataset.json", b'{"labels": [3]}', "one class, a number or a name, and has '3'"),
        ("labels.csv", b'file,label\n0.png,"' + b"x" * 200_000, "labels.csv, line 2, is not a row of a table"),
    ],
)
def test_a_damaged_label_file_is_one_sentence(source, name, body, sentence):  # noqa: F811
    with pytest.raises(ValueError, match=sentence):
        read_pictures(source(FLAT | {name: body}), SHAPE)


def test_a_file_name_that_two_pictures_have_names_neither(source):  # noqa: F811
    files = {"a/1.png": png(1), "b/1.png": png(2), "b/2.png": png(3)}
    found = read_pictures(source(files | {"labels.csv": b"file,label\n1.png,x\n2.png,y\n"}), SHAPE)
    assert found.classes == ("a", "b", "y"), "1.png is taken for one of the two"
