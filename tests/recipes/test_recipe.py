"""A recipe makes its picture again, and a stranger's recipe can ask for nothing else."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
from PIL import Image

from genstudio.engine import Engine
from genstudio.engine.edges import outlines
from genstudio.images import flatten, open_picture
from genstudio.recipes import commands, encoding, fields, latents, recipe

NAME = "vae_mnist"
SAMPLE = {"verb": "sample", "seed": 3, "controls": {"truncation": 1.0}}
WALK = {"verb": "interpolate", "from": {"seed": 3}, "to": {"seed": 4}, "position": 0.5, "path": "spherical", "controls": {}}


@pytest.fixture
def name(untrained) -> str:
    return untrained(NAME)


def test_a_picture_comes_again_from_its_recipe_through_text(exact: Engine, name):
    code = exact.latents(name, [5])[0]
    made = recipe.make(exact.hold(name), **WALK | {"to": {"code": encoding.pack(code)}})
    said = recipe.check(json.loads(json.dumps(made)))
    ends = tuple(latents.latent_of(said[end], exact, name) for end in ("from", "to"))
    again = exact.interpolate(name, ends, [said["position"]], said["path"], **said["controls"])
    whole = (exact.latents(name, [3])[0], code.astype(np.float16).astype(np.float32))
    assert np.array_equal(again, exact.interpolate(name, whole, [0.5]))
    assert recipe.differences(said, exact.hold(name)) == []


def test_a_recipe_of_other_weights_says_so(exact: Engine, name):
    made = recipe.make(exact.hold(name), **SAMPLE)
    assert recipe.differences(made | {"weights": "0" * 12, "torch": "1.0"}, exact.hold(name)) == ["weights", "torch"]


def test_a_code_survives_packing_at_half_precision():
    code = np.random.RandomState(0).randn(128).astype(np.float32)
    assert np.array_equal(encoding.unpack(encoding.pack(code)), code.astype(np.float16).astype(np.float32))
    assert len(encoding.pack(code)) < 350


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"system": "nothing"}, "no system is called 'nothing'"),
        ({"system": ["a"]}, "no system|does not exist"),
        ({"system": None}, "no system"),
        ({"verb": "delete"}, "verb must be one of .*, not 'delete'"),
        ({"verb": ["sample"]}, "verb must be one of"),
        ({"verb": None}, "verb must be one of"),
        ({"seed": -1}, "a seed is a whole number"),
        ({"seed": 2**63}, "a seed is a whole number"),
        ({"seed": "x"}, "a seed is a whole number"),
        ({"seed": None}, "a seed is a whole number"),
        ({"seed": [1]}, "a seed is a whole number"),
        ({"seed": float("inf")}, "a seed is a whole number"),
        ({"controls": {"truncation": 9}}, "truncation must lie between 0.0 and 1.5"),
        ({"controls": {"truncation": float("nan")}}, "truncation must lie between"),
        ({"controls": {"truncation": "x"}}, "truncation must be a number"),
        ({"controls": {"self": 1}}, "unknown control 'self'"),
        ({"controls": ["truncation"]}, "controls must be named"),
        ({"controls": "truncation"}, "controls must be named"),
        ({"controls": 5}, "controls must be named"),
    ],
)
def test_a_sample_recipe_that_cannot_be_obeyed_is_refused(name, change, words):
    recipe.check(SAMPLE | {"system": name})
    with pytest.raises(ValueError, match=words):
        recipe.check(SAMPLE | {"system": name} | change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"from": None}, "an end of a path is a seed or a code"),
        ({"from": 3}, "an end of a path is a seed or a code"),
        ({"from": {}}, "an end of a path is a seed or a code"),
        ({"from": {"seed": "x"}}, "a seed is a whole number"),
        ({"to": {"code": "%%%"}}, "code of a picture in this recipe is damaged"),
        ({"to": {"code": "é"}}, "damaged"),
        ({"to": {"code": ""}}, "damaged"),
        ({"to": {"code": "AAAA"}}, "damaged"),  # one number and a half
        ({"to": {"code": "AH4="}}, "damaged"),  # NaN
        ({"to": {"code": 5}}, "damaged"),
        ({"position": 1.01}, "a position lies between 0 and 1"),
        ({"position": float("nan")}, "a position lies"),
        ({"position": "0.5"}, "a position lies"),
        ({"position": None}, "a position lies"),
        ({"path": "cubic"}, "path must be one of linear, spherical"),
        ({"path": ["linear"]}, "path must be one of"),
        ({"path": None}, "path must be one of"),
    ],
)
def test_a_path_recipe_that_cannot_be_obeyed_is_refused(name, change, words):
    recipe.check(WALK | {"system": name, "to": {"code": "AAA="}})  # one number, 0, is a code
    with pytest.raises(ValueError, match=words):
        recipe.check(WALK | {"system": name} | change)


SKETCH = "pix2pix_sketch"
MADE = {"verb": "translate", "picture": "9f86d081884c7d65", "view": "own", "background": "white", "detail": None, "controls": {}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"picture": "/etc/passwd"}, "first 16 digits of its SHA-256"),
        ({"picture": "9F86D081884C7D65"}, "first 16 digits"),
        ({"picture": 5}, "first 16 digits"),
        ({"picture": None}, "first 16 digits"),
        ({"view": "all"}, "view must be one of own, tiles"),
        ({"view": ["own"]}, "view must be one of"),
        ({"background": "#12"}, "background is a colour"),
        ({"background": 7}, "background is a colour"),
        ({"background": None}, "background is a colour"),
        ({"detail": 1.5}, "detail must lie between 0 and 1"),
        ({"detail": float("nan")}, "detail must lie"),
        ({"detail": "much"}, "detail must lie"),
        ({"detail": True}, "detail must lie"),
        ({"controls": {"amount": 1}}, "unknown control 'amount'"),
        ({"system": "vae_mnist"}, "vae_mnist cannot translate|no weights"),
    ],
)
def test_a_translation_that_cannot_be_obeyed_is_refused(untrained, change, words):
    change = {**change, "system": untrained(NAME)} if "system" in change else change
    recipe.check(MADE | {"system": untrained(SKETCH), "detail": 0.5})
    with pytest.raises(ValueError, match=words):
        recipe.check(MADE | {"system": untrained(SKETCH)} | change)


def test_the_python_lines_of_a_translation_give_its_picture(untrained, exact: Engine, tmp_path, monkeypatch):
    """What stands on the page is run as it stands there."""
    monkeypatch.chdir(tmp_path)
    drawing = np.full((40, 50, 4), 255, np.uint8)
    drawing[10:30, 10:40] = (200, 30, 30, 128)
    Image.fromarray(drawing).save("PICTURE.png")
    made = recipe.make(exact.hold(untrained(SKETCH)), **MADE | {"background": "#ffcc00", "detail": 0.5})
    exec(commands.script(made), {})
    picture = outlines(flatten(open_picture("PICTURE.png"), "#ffcc00"), 0.5, 64)
    *_, last = exact.translate(untrained(SKETCH), np.array(picture)[None], view="own")
    assert np.array_equal(np.asarray(Image.open("translate.png")), last.images[0])


def test_the_command_of_a_translation_names_its_settings_and_no_visitors_file():
    said = MADE | {"system": "cyclegan_glasses", "view": "tiles", "background": "#ffcc00", "controls": {"direction": "back"}}
    assert shlex.split(commands.command(said)) == [
        *("python", "-m", "genstudio", "translate", "cyclegan_glasses", "PICTURE.png"),
        *("--view", "tiles", "--background", "#ffcc00", "--direction", "back"),
    ]


def test_the_command_is_one_line_that_a_shell_reads_back():
    command = commands.command(WALK | {"system": "my file.safetensors", "to": {"code": "AA-_"}, "controls": {"truncation": 0.7}})
    assert shlex.split(command) == [
        *("python", "-m", "genstudio", "interpolate", "my file.safetensors", "--from", "3", "--to", "code:AA-_"),
        *("--positions", "0.5", "--path", "spherical", "--truncation", "0.7"),
    ]
    assert fields.end_from_word("code:AAA=") == {"code": "AAA="} and fields.end_from_word("3") == {"seed": 3}
