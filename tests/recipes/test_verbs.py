"""Laws of every verb of recipes, from its entry in the table: another verb needs no line in this file.

An example for each kind of value, and a small model of each class that has the verb.
"""

from __future__ import annotations

import base64
import json
import os
import shlex

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import checkpoint, paths
from genstudio.cli import main
from genstudio.controls import check_controls
from genstudio.engine import Engine
from genstudio.images import open_picture, read_recipe
from genstudio.layers.palette import FACADES
from genstudio.recipes import commands, encoding, fields, links, recipe, replay, verbs
from genstudio.registry import systems
from genstudio.system import System
from genstudio.ui.api import endpoint
from tests import small

SIDE = 16
BRANCH = {"at": 1, "seed": 5, "controls": {"steps": 4}}
EXAMPLES = {
    fields.SEED: 3,
    fields.END: {"seed": 3},
    fields.STYLE_END: {"seed": 4},
    fields.CORNERS: [{"seed": 1}, {"seed": 2}, {"seed": 3}, {"seed": 4}],
    fields.POSITION: 1 / 3,
    fields.PATH: "linear",
    fields.DIRECTIONS_BY: {"pca 1": 1.23456789, "pca 2": -1e-07},
    fields.STYLES_BY: {"sefa 1": 1.5},
    fields.LAYERS: "0-1",
    fields.VIEW: "tiles",
    fields.BACKGROUND: "#ffcc00",
    fields.DETAIL: 0.5,
}
WRONG = {
    fields.SEED: (-1, "x", 2**63, [1], 3.7, True),
    fields.CODE: ("%%%", 5, ""),
    fields.END: ({}, 3, {"code": "%%%"}, {"seed": 1, "code": "AAA="}),
    fields.STYLE_END: ({}, 3, {"seed": -1}),
    fields.CORNERS: ([], 3, [{"seed": 1}]),
    fields.POSITION: (1.01, "0.5", float("nan")),
    fields.PATH: ("scenic", 1),
    fields.DIRECTIONS_BY: ({"colour 1": 1}, {"pca 0": 1}, {"pca 1": 21}, 3),
    fields.STYLES_BY: ({"effect 1": 1}, {"pca 1": "x"}, 3),
    fields.LAYERS: ("a", "1-", "0-99"),
    fields.PICTURE: ("/etc/passwd", 5),
    fields.MASK: ("%%%", 5),
    fields.VIEW: ("all", ["own"]),
    fields.BACKGROUND: ("#12", 7),
    fields.DETAIL: (1.5, "much", True),
    fields.BRANCHES: (3, [3], [BRANCH] * 9, [BRANCH | {"seed": -1}], [BRANCH | {"at": -1}]),
}


def has(verb: verbs.Verb, system: System) -> bool:
    try:
        return bool(verb.method(system))
    except ValueError:
        return False


CASES = [(verb, entry) for verb in verbs.TABLE for entry in small.INSTANCES.values() if has(verb, entry)]
CASES = [(verb, entry) for verb, entry in CASES if entry.name.startswith("small_") and entry.name != "small_dense_vae"]
each_case = pytest.mark.parametrize(("verb", "entry"), CASES, ids=[f"{v.name}-{entry.name}" for v, entry in CASES])
each_verb = pytest.mark.parametrize("verb", verbs.TABLE, ids=lambda verb: verb.name)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Checkpoints of the small systems, with weights that make their controls felt."""
    folder = tmp_path_factory.mktemp("shelf")
    path_of = {name: folder / f"{name}.safetensors" for name in small.INSTANCES}
    needed = {name for _, entry in CASES for name in (entry.name, *entry.companions.values())}
    for name, entry in small.INSTANCES.items():  # each after its companions
        if name in needed:
            torch.manual_seed(0)
            model = small.awake(entry)
            trained = {role: checkpoint.digest(path_of[entry.companions[role]]) for role in model.trained_with}
            classes = list(small.CLASSES) if model.classes else []
            checkpoint.save(path_of[name], model, checkpoint.Header(name, classes=classes, companions=trained))
    return folder


@pytest.fixture(autouse=True)
def offered(shelf, tmp_path, monkeypatch):
    """The small systems by name, and a visitor's picture and mask in the working directory."""
    for name, entry in small.INSTANCES.items():
        monkeypatch.setitem(systems(), name, entry)
    monkeypatch.setattr(paths, "checkpoint_folders", lambda: [shelf])
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[:SIDE, :SIDE]
    Image.fromarray(np.array(FACADES.colours, np.uint8)[(x + y) % 12]).save(fields.PICTURE_FILE)  # also label pictures
    Image.fromarray((x > 7).astype(np.uint8) * 255).save(fields.MASK_FILE)


def example(verb: verbs.Verb, name: str, engine: Engine) -> dict:
    """A recipe of the verb with an example in every field that has a flag."""
    given = dict(EXAMPLES)
    given[fields.PICTURE] = fields.picture_name(open(fields.PICTURE_FILE, "rb").read())
    given[fields.MASK] = encoding.pack_mask(np.mgrid[:SIDE, :SIDE][1] > 7)
    if any(field.kind is fields.CODE for field in verb.fields):
        given[fields.CODE] = encoding.pack(engine.latents(name, [3])[0])
    loaded = engine.hold(name)
    controls = check_controls(verb.method(loaded.system), {}, loaded.header.classes)
    labels = getattr(loaded.model, "source_palette", None)  # outlines of a label picture are none
    said = {f.name: given[f.kind] for f in verb.fields if f.option and not (labels and f.kind is fields.DETAIL)}
    said |= {"to": {"seed": 8}} if "to" in said else {}  # not where it begins
    said |= {"view": "own"} if "view" in said and not loaded.model.tiles else {}
    return recipe.make(loaded, verb.name, **said, controls=controls)


def model_of(verb: verbs.Verb) -> System:
    """A model of the verb; not an auto-encoder, whose prior is fitted after training and a point before."""
    return next(entry for other, entry in CASES if other is verb and entry.name != "small_autoencoder")


def visitors_picture(verb: verbs.Verb) -> Image.Image | None:
    return open_picture(fields.PICTURE_FILE) if verb.of_picture else None


def test_every_kind_has_examples_and_every_verb_a_model():
    used = {field.kind for verb in verbs.TABLE for field in verb.fields}
    assert used == set(WRONG)
    assert {verb.name for verb, _ in CASES} == set(verbs.VERBS)


@each_verb
def test_its_words_are_there_in_both_languages_and_its_names_are_its_own(verb):
    assert all(verb.title) and verb.help.endswith(".") and verb.fields
    flags = [field.option for field in verb.fields if field.option] + [f"--{verb.sheet}"]
    parameters = ["system", "controls", "labels", *(field.parameter for field in verb.fields if field.option)]
    assert len(set(flags)) == len(flags) and len(set(parameters)) == len(parameters)
    assert all(parameter.isidentifier() for parameter in parameters)


@each_case
def test_a_recipe_survives_json_and_a_link(verb, entry, exact):
    made = example(verb, entry.name, exact)
    assert recipe.check(json.loads(json.dumps(made))) == made
    again = recipe.check(links.from_query(links.to_query(made)))
    assert {key: again.get(key) for key in made if key not in links.LEFT_OUT} == {
        key: value for key, value in made.items() if key not in links.LEFT_OUT
    }


@each_verb
def test_a_wrong_value_of_any_field_is_refused(verb, exact):
    entry = model_of(verb)
    made = example(verb, entry.name, exact)
    for field in verb.fields:
        for value in WRONG[field.kind]:
            with pytest.raises(ValueError) as refused:
                recipe.check(made | {field.name: value})
            assert "\n" not in str(refused.value) and len(str(refused.value)) < 300
        if field.default is verbs.REQUIRED:
            with pytest.raises(ValueError):
                recipe.check({key: value for key, value in made.items() if key != field.name})


@each_case
def test_its_command_makes_its_picture_with_its_recipe_inside(verb, entry, exact):
    made = example(verb, entry.name, exact)
    image = replay.image(made, exact, visitors_picture(verb))
    words = shlex.split(commands.command(made))
    assert words[:5] == ["python", "-m", "genstudio", verb.name, entry.name]
    assert main(words[3:]) == 0
    [name] = [name for name in os.listdir("pictures") if name != f"{verb.sheet}.png"]
    opened = open_picture(f"pictures/{name}")
    assert read_recipe(opened) == made
    np.testing.assert_array_equal(np.asarray(opened).reshape(image.shape), image)


@each_case
def test_its_endpoint_makes_its_picture_with_its_recipe_inside(verb, entry, exact, tmp_path):
    made = example(verb, entry.name, exact)
    files = {fields.PICTURE: fields.PICTURE_FILE, fields.MASK: fields.MASK_FILE}
    arguments = {"system": entry.name, "controls": made["controls"]}
    for field in verb.fields:
        if field.option and (field.kind in files or field.name in made):
            several = field.many and field.kind is not fields.PICTURE
            value = base64.b64encode((tmp_path / files[field.kind]).read_bytes()).decode() if field.kind in files else made[field.name]
            arguments[field.parameter] = [value] if several else value
    given = endpoint(exact, verb)(**arguments)
    [uri] = given if isinstance(given, list) else [given]
    opened = open_picture(base64.b64decode(uri.partition(",")[2]))
    assert read_recipe(opened) == made
    image = replay.image(made, exact, visitors_picture(verb))
    np.testing.assert_array_equal(np.asarray(opened).reshape(image.shape), image)


@each_case
def test_its_endpoint_needs_the_required_fields_only(verb, entry, exact, tmp_path):
    made = example(verb, entry.name, exact)
    picture = base64.b64encode((tmp_path / fields.PICTURE_FILE).read_bytes()).decode()
    arguments = {"system": entry.name}
    for field in verb.fields:
        if field.option and field.default is verbs.REQUIRED:
            several = field.many and field.kind is not fields.PICTURE
            value = picture if field.kind is fields.PICTURE else made[field.name]
            arguments[field.parameter] = [value] if several else value
    given = endpoint(exact, verb)(**arguments)
    [uri] = given if isinstance(given, list) else [given]
    assert recipe.check(read_recipe(open_picture(base64.b64decode(uri.partition(",")[2]))))["verb"] == verb.name


@pytest.mark.parametrize("word", ["pca1:1-2", "pca1:", "pca1:e", "pca:1", "1:2"])
def test_moves_that_are_no_numbers_are_refused_in_our_words(word):
    with pytest.raises(ValueError, match="directions are written as in"):
        fields.by_from_word(word)


@each_verb
def test_its_lines_of_python_make_its_picture(verb, exact):
    entry = model_of(verb)
    made = example(verb, entry.name, exact)
    image = replay.image(made, exact, visitors_picture(verb))
    exec(commands.script(made), {})
    np.testing.assert_array_equal(np.asarray(Image.open(f"{verb.name}.png")).reshape(image.shape), image)


@pytest.mark.parametrize("verb", [v for v in verbs.TABLE if any(f.many for f in v.fields) and not v.of_picture], ids=lambda v: v.name)
def test_several_values_of_a_field_make_the_pictures_of_each(verb, exact):
    entry = model_of(verb)
    made = example(verb, entry.name, exact)
    first = next(field for field in verb.fields if field.many)
    values = {
        fields.SEED: [3, 7], fields.POSITION: [0.0, 0.75], fields.END: [{"seed": 3}, {"seed": 8}],
        fields.STYLE_END: [{"seed": 3}, {"seed": 8}], fields.CODE: [encoding.pack(z) for z in exact.latents(entry.name, [1, 2])] if first.kind is fields.CODE else [],
    }[first.kind]  # fmt: skip
    together = replay.images([made | {first.name: value} for value in values], exact)
    for value, image in zip(values, together, strict=True):
        alone = replay.image(made | {first.name: value}, exact)
        assert np.abs(image.astype(int) - alone).max() <= 1
    assert (together[0] != together[1]).any()


def test_a_run_with_branches_is_replayed_from_its_link(exact):
    entry = small.INSTANCES["small_diffusion"]
    made = example(verbs.VERBS["sample"], entry.name, exact) | {"branches": [BRANCH]}
    made["controls"] |= {"steps": 4}
    words = shlex.split(commands.command(recipe.check(made)))
    assert words[3] == "replay"
    assert main(words[3:]) == 0
    image = replay.image(made, exact)
    plain = replay.image(made | {"branches": []}, exact)
    assert (image != plain).any()
    assert read_recipe(open_picture("pictures/replay.png"))["branches"] == [BRANCH]
