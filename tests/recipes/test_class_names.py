"""Classes with any name: words such as "any" and "none", commas, quotes and slashes are told apart from names."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from genstudio import catalog, checkpoint
from genstudio.cli.parser import main
from genstudio.controls import ANY, NONE, class_of, controls, label_of, split_labels
from genstudio.engine import Engine
from genstudio.images import open_picture, read_recipe
from genstudio.model import Noise, labels_for
from genstudio.recipes import fields, recipe, replay
from genstudio.registry import find_system
from genstudio.ui.panels import Panel

NAMES = ["none", "tench, Tinca tinca", "any", '"quoted"', "7", "all", "cat/large", "a,b", "[x (y"]
LABELS = ['"none"', "tench, Tinca tinca", '"any"', '"\\"quoted\\""', "7", "all", "cat/large", "a,b", "[x (y"]


@pytest.fixture(scope="module")
def name(tmp_path_factory) -> str:
    """An untrained conditional GAN whose classes can be told apart."""
    torch.manual_seed(0)
    model = find_system("cgan_mnist").build()
    nn.init.normal_(model.generator["class_embedding"].weight, 0, 3)
    path = tmp_path_factory.mktemp("names") / "cgan_mnist.safetensors"
    checkpoint.save(path, model, checkpoint.Header("cgan_mnist", data="mnist", classes=NAMES))
    return str(path)


def test_a_label_is_a_name_in_quotes_where_it_would_be_taken_for_a_word():
    assert [label_of(name) for name in NAMES] == LABELS and [class_of(label) for label in LABELS] == NAMES
    assert len({*LABELS, ANY, NONE}) == len(NAMES) + 2


def test_each_class_is_drawn_by_its_label_and_by_its_number_and_words_stay_words(name):
    model, _ = catalog.load(Path(name))
    kind = controls(model.sample, NAMES)["label"].kind
    for number, label in enumerate(LABELS):
        assert kind.check("label", label) == label
        assert (
            labels_for(model, Noise([1]), label).tolist() == labels_for(model, Noise([1]), [label]).tolist() == [number]
        )
    assert kind.check("label", 0) == '"none"' and kind.check("label", "2") == '"any"'
    assert kind.check("label", '"7"') == "7", "a name may always be in quotes"
    assert labels_for(model, Noise([1]), NONE).tolist() == [model.classes]
    with pytest.raises(ValueError, match='"tench, Tinca tinca"'):
        kind.check("label", "trout")


@pytest.mark.parametrize("label", LABELS)
def test_a_recipe_of_each_class_is_drawn_again_and_its_label_survives_a_link(name, label):
    engine = Engine("cpu")
    made = recipe.make(engine.hold(name), "sample", seed=3, controls={"label": label})
    image = replay.image(made, engine)
    if (number := NAMES.index(class_of(label))) != 7:  # which is the name of another class
        *_, same = engine.sample(name, [3], [number])
        assert np.array_equal(image, same[0])
    assert made["controls"]["label"] == label and fields.from_word(fields.to_word(label)) == label


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (["all"], LABELS),
        (["tench, Tinca tinca"], ["tench, Tinca tinca"]),
        (["tench, Tinca tinca,7,a,b"], ["tench, Tinca tinca", "7", "a,b"]),
        (['"tench, Tinca tinca", 7'], ['"tench, Tinca tinca"', "7"]),
        (["7", "a,b"], ["7", "a,b"]),
        (['"none","any"'], ['"none"', '"any"']),
        (['"all"'], ['"all"']),
        (["0, 2"], ["0", "2"]),
        (["trout,7"], ["trout", "7"]),
    ],
)
def test_lists_of_labels_are_parted_at_commas_outside_of_names(words, labels):
    assert split_labels(words, NAMES) == labels


@pytest.mark.parametrize("word", ["none", "any", "7,any"])
def test_a_bare_word_that_is_a_class_too_is_refused(word):
    with pytest.raises(ValueError, match="is the name of a class here, and a word of its own"):
        split_labels([word], NAMES)
    assert split_labels(["none"], ["7"]) == ["none"], "elsewhere it is the word"


def test_the_commands_draw_them(name, tmp_path, capsys):
    target = tmp_path / "set.zip"
    listed = ["--labels", '"none","tench, Tinca tinca"', "--labels", "2"]
    assert main(["dataset", name, *listed, "--each", "2", "--out", str(target)]) == 0
    with zipfile.ZipFile(target) as archive:
        rows = [json.loads(line) for line in archive.read("metadata.jsonl").splitlines()]
    assert [row["label"] for row in rows] == [n for n in ("none", "tench, Tinca tinca", "any") for _ in range(2)]
    for label, number in (('"none"', "0"), ("[x (y", "8")):
        out = [tmp_path / f"{number}{i}" for i in range(2)]
        for word, folder in zip((label, number), out, strict=True):
            assert main(["sample", name, "--seeds", "1", "--label", word, "--out", str(folder)]) == 0
        one, other = (open_picture(next(folder.glob("*.png"))) for folder in out)
        assert one.tobytes() == other.tobytes() and read_recipe(one)["controls"]["label"] == label
    capsys.readouterr()
    assert main(["dataset", name, "--labels", "none", "--out", str(target)]) == 2
    assert "write the class as '\"none\"'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["sample", name, "--help"])


def test_the_page_offers_them_apart_from_the_words(name):
    panel = Panel({name: find_system("cgan_mnist")}, "sample", "x")
    values = [
        choice[1] if isinstance(choice, (tuple, list)) else choice for choice in panel.components["label"].choices
    ]
    assert values == [ANY, NONE, *LABELS] and catalog.labels(name) == LABELS
