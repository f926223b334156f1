"""Styles from seed to picture: laws of layers, directions and walks, the engine's verbs, recipes, and `mix` on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import catalog, checkpoint
from genstudio.cli.parser import main
from genstudio.images import read_recipe
from genstudio.latent import style_layers
from genstudio.model import Noise
from genstudio.models.stylegan2 import FIXED, NEW, OFF
from genstudio.recipes import commands, encoding, links, mixing, recipe, replay
from genstudio.registry import find_system

NAME = "stylegan2_avatars"
SIDES = [4, 8, 8, 16, 16, 32, 32, 64, 64, 64]
CLASSES = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"]


@pytest.fixture(scope="module")
def name(tmp_path_factory) -> str:
    """An untrained StyleGAN2 whose noise can be seen, whose averages are known, and whose colours lie within [-1, 1]."""
    torch.manual_seed(0)
    model = find_system(NAME).build().requires_grad_(False)
    for conv in model.generator["synthesis"].convs:
        conv.noise_strength.fill_(0.3)
    for to_rgb in model.generator["synthesis"].to_rgb:
        to_rgb.conv.weight.mul_(0.15)
    model.finish([])
    path = tmp_path_factory.mktemp("styled") / f"{NAME}.safetensors"
    checkpoint.save(path, model, checkpoint.Header(NAME, classes=CLASSES))
    return str(path)


# Layers


@pytest.mark.parametrize("word, layers", [("", ()), ("3", (3,)), (3, (3,)), ("0-3,7", (0, 1, 2, 3, 7)), (" 7 , 0-1", (0, 1, 7)), ("2,2", (2,))])
def test_a_word_names_layers(word, layers):
    assert style_layers.layers_of(word) == layers


@pytest.mark.parametrize("wrong", ["a", "-1", "1-", "3;4", "0x1", "1e3", "0 - 1", "٣"])
def test_what_names_no_layers_is_refused(wrong):
    with pytest.raises(ValueError, match="layers are written like"):
        style_layers.layers_of(wrong)


def test_layers_beyond_the_last_are_refused():
    assert style_layers.layers_of("9", 10) == (9,)
    with pytest.raises(ValueError, match="from 0 to 9; 12"):
        style_layers.layers_of("0,12", 10)


def test_layers_come_back_from_their_word():
    for number in range(1 << 6):
        layers = tuple(i for i in range(6) if number >> i & 1)
        assert style_layers.layers_of(style_layers.word_of(layers)) == layers


@pytest.mark.parametrize("side", [16, 32, 64, 256, 1024])
def test_groups_part_all_layers_from_coarse_to_fine(side):
    sides = [4, *(s for level in range(3, side.bit_length()) for s in (1 << level, 1 << level)), side]
    groups = style_layers.groups(sides)
    assert [layer for group in groups for layer in group.layers] == list(range(len(sides)))
    assert {sides[layer] for layer in groups[0].layers} == {4, 8}
    if side == 1024:  # as the paper has them
        assert [sides[g.layers[-1]] for g in groups] == [8, 32, 1024]


def test_mixing_takes_these_layers_and_leaves_the_others():
    a, b = np.zeros((5, 3)), np.ones((5, 3))
    mixed = style_layers.mixed(a, b, (1, 4))
    assert mixed[:, 0].tolist() == [0, 1, 0, 0, 1] and not a.any()


def test_a_round_way_goes_through_its_stops_without_a_corner():
    stops = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
    way = style_layers.loop(stops, 50)
    assert way.shape == (200, 2, 3)
    np.testing.assert_allclose(way[::50], stops, atol=1e-6)
    steps = np.diff(np.concatenate([way, way[:1]]), axis=0)  # closed: from the last to the first as well
    turns = np.linalg.norm((steps - np.roll(steps, 1, 0)).reshape(200, -1), axis=1)
    assert turns.max() < 0.25 * np.linalg.norm(steps.reshape(200, -1), axis=1).max()


# Directions


def test_the_closed_form_finds_what_a_layer_answers_to_most():
    torch.manual_seed(0)
    w, affine = torch.randn(500, 6), torch.zeros(8, 6)
    affine[:, 2] = 3.0  # all channels listen to one number
    [first, *_] = style_layers.closed_form(w, [affine])
    assert first.abs().argmax() == 2 and first.abs().sum() == pytest.approx(first[2].item(), abs=1e-4)
    assert first[2].item() == pytest.approx(w[:, 2].std().item(), rel=1e-3), "as long as one deviation"


@pytest.mark.parametrize("kind", style_layers.DIRECTIONS)
def test_directions_are_orthogonal_and_the_first_tell_most(kind):
    torch.manual_seed(0)
    w = torch.randn(400, 5) @ torch.diag(torch.tensor([5.0, 3.0, 1.0, 0.5, 0.1]))
    rows = style_layers.DIRECTIONS[kind](w, [torch.randn(7, 5), torch.randn(3, 5)]).double()
    unit = rows / rows.norm(dim=1, keepdim=True)
    torch.testing.assert_close(unit @ unit.T, torch.eye(5, dtype=torch.float64), atol=1e-4, rtol=0)
    if kind == "pca":
        assert rows.norm(dim=1).diff().le(0).all()


def test_sefa_depends_on_the_layers_and_principal_components_do_not(exact, name):
    assert not np.allclose(exact.style_directions(name, "sefa", (0, 1)), exact.style_directions(name, "sefa", (8, 9)))
    np.testing.assert_array_equal(exact.style_directions(name, "pca", (0, 1)), exact.style_directions(name, "pca", (8, 9)))


# The engine


def test_styles_of_a_seed_are_its_picture(exact, name):
    for controls in ({}, {"truncation": 0.5, "cutoff": 3}, {"label": "bee"}, {"label": "bee", "towards": "cat", "blend": 0.25}):
        w = exact.styles(name, [7, 8], **controls)
        assert w.shape == (2, len(SIDES), 128)
        *_, drawn = exact.sample(name, [7, 8], **controls)
        np.testing.assert_array_equal(exact.synthesize(name, w), drawn)


@pytest.mark.parametrize("noise_mode", [FIXED, NEW, OFF])
def test_fine_detail_is_the_same_however_a_face_is_asked_for(exact, name, noise_mode):
    *_, drawn = exact.sample(name, [7, 8], noise_mode=noise_mode)
    mixed = exact.synthesize(name, exact.styles(name, [7, 8]), [7, 8], noise_mode=noise_mode)
    # A slow machine computes them one by one, and sums of another order may round to the next level.
    np.testing.assert_allclose(mixed.astype(int), drawn.astype(int), rtol=0, atol=1)


def test_between_two_classes_the_code_is_one_and_its_ends_are_the_classes(exact, name):
    bee, cat = (exact.styles(name, [7], label=label) for label in ("bee", "cat"))
    assert not np.allclose(bee, cat)
    np.testing.assert_allclose(exact.styles(name, [7], label="bee", towards="cat", blend=1.0), cat, atol=1e-6)
    half = exact.styles(name, [7], label="bee", towards="cat", blend=0.5)
    np.testing.assert_allclose(half, (bee + cat) / 2, atol=1e-6)


def test_a_seed_has_one_code_in_every_class(exact, name):
    model = exact.hold(name).model
    z = [model._z(Noise([7])) for _ in range(2)]
    assert torch.equal(*z)
    w = exact.styles(name, [7])  # any: its class is drawn after its code
    assert any(np.allclose(w, exact.styles(name, [7], label=label)) for label in CLASSES)


def test_truncation_of_a_face_of_no_seed_pulls_it_to_the_average_of_everything(exact, name):
    w = exact.styles(name, [1, 2])
    centre = exact.hold(name).model.centre().numpy()
    np.testing.assert_array_equal(exact.truncate(name, w, 1.0, 18), w)
    np.testing.assert_allclose(exact.truncate(name, w, 0.0, 18), np.broadcast_to(centre, w.shape), atol=1e-6)
    half = exact.truncate(name, w, 0.5, 4)
    np.testing.assert_allclose(half[:, :4], (w[:, :4] + centre) / 2, atol=1e-6)
    np.testing.assert_array_equal(half[:, 4:], w[:, 4:])


def test_a_quick_picture_is_what_the_smaller_sizes_add_up_to(exact, name):
    w = exact.styles(name, [1, 2])
    small = exact.synthesize(name, w, side=16)
    assert small.shape == (2, 16, 16, 3)
    changed = w.copy()
    changed[:, SIDES.index(32) + 1 :] += 5  # layers above take no part in it, but the first, whose style also colours it
    np.testing.assert_array_equal(exact.synthesize(name, changed, side=16), small)


def test_another_models_styles_are_refused_in_words(exact, name):
    for wrong in (np.zeros((1, 9, 128)), np.zeros((1, 10, 64)), np.zeros((10, 128))):
        with pytest.raises(ValueError, match="10 layers of 128 numbers"):
            exact.synthesize(name, wrong)
    with pytest.raises(ValueError, match="finite"):
        exact.synthesize(name, np.full((1, 10, 128), np.nan))
    with pytest.raises(ValueError, match="cannot styles"):
        exact.styles("vae_mnist", [1])


def test_a_face_of_its_own_is_found_again_layer_by_layer(exact, name):
    """The search comes nearer than the nearest random face, and yields what a recipe can carry."""
    w = exact.styles(name, [900, 901])
    [target] = exact.synthesize(name, style_layers.mixed(w[0], w[1], range(5))[None])
    guesses = [guess for guess, _ in zip(exact.project_styles(name, Image.fromarray(target)), range(60))]
    assert guesses[-1].error < 0.5 * guesses[0].error
    code = guesses[-1].code.numpy()
    np.testing.assert_array_equal(encoding.unpack(encoding.pack(code)), code)
    [found] = exact.synthesize(name, code.reshape(1, 10, 128))
    error = np.mean(((found.astype(float) - target) / 127.5) ** 2)
    assert error == pytest.approx(guesses[-1].error, rel=0.1)


# Recipes


def made(engine, name: str, **what) -> dict:
    return recipe.make(engine.hold(name), "mix", **({"from": {"seed": 1}, "to": None, "layers": "", "by": {}, "moved": ""} | what))


def test_a_recipe_mixes_moves_and_draws(exact, name):
    controls = {"truncation": 0.7, "noise_mode": OFF}
    found = recipe.check(made(exact, name, to={"seed": 2}, layers="0-3", by={"sefa 1": 2.0, "pca 2": -1.0}, moved="2-5", controls=controls))
    w = exact.styles(name, [1, 2], truncation=0.7)
    expected = style_layers.mixed(w[0], w[1], range(4))
    moved = list(range(2, 6))
    step = 2 * exact.style_directions(name, "sefa", moved)[0] - exact.style_directions(name, "pca", moved)[1]
    expected[moved] += step
    np.testing.assert_allclose(mixing.mix(found, exact), expected, atol=1e-5)
    np.testing.assert_array_equal(replay.image(found, exact), exact.synthesize(name, mixing.mix(found, exact)[None], noise_mode=OFF)[0])


def test_a_recipe_of_a_projected_face_comes_back(exact, name):
    code = encoding.pack(exact.styles(name, [5]).ravel())
    found = recipe.check(made(exact, name, **{"from": {"code": code}}))
    np.testing.assert_array_equal(mixing.mix(found, exact), encoding.unpack(code).reshape(10, 128))
    with pytest.raises(ValueError, match="1280 numbers|10 layers of 128"):
        mixing.mix(made(exact, name, **{"from": {"code": encoding.pack(np.zeros(7))}}), exact)


def test_each_seed_is_mapped_once(exact, name, monkeypatch):
    asked = []
    styles = type(exact).styles
    monkeypatch.setattr(type(exact), "styles", lambda self, name, seeds, **controls: asked.append(list(seeds)) or styles(self, name, seeds, **controls))
    ends = [{"seed": seed} for seed in (1, 2, 3, 2, 1, 9)]
    w = mixing.styles_of(ends, exact, name, {"truncation": 0.5})
    assert [sorted(seeds) for seeds in asked] == [[1, 2, 3, 9]]
    np.testing.assert_array_equal(w[0], w[4])
    np.testing.assert_array_equal(w[5], styles(exact, name, [9], truncation=0.5)[0])


@pytest.mark.parametrize("wrong, why", [
    ({"layers": "0-x"}, "layers are written"), ({"moved": [1]}, "layers are written"), ({"layers": "0-99"}, "from 0 to 63"), ({"to": "cat"}, "an end of a path"),
    ({"by": {"effect 1": 1}}, "sefa 1"), ({"by": {"sefa 0": 1}}, "sefa 1"), ({"by": {"sefa 1": 99}}, "-20 to 20"), ({"from": None}, "an end of a path"),
    ({"controls": {"truncation": 7}}, "between -1.0 and 1.5"), ({"controls": {"guidance": 1}}, "unknown control"),
])  # fmt: skip
def test_a_strangers_recipe_is_refused_in_words(exact, name, wrong, why):
    with pytest.raises(ValueError, match=why):
        recipe.check(made(exact, name) | wrong)


@pytest.mark.parametrize("what", [
    {}, {"to": {"seed": 54}, "layers": "3"}, {"to": {"seed": 54}, "layers": "0-3,7", "by": {"sefa 2": -1.5, "pca 1": 2.0}, "moved": "0-9"},
])  # fmt: skip
def test_a_link_brings_a_mixture_back(exact, name, what, monkeypatch):
    monkeypatch.setattr(catalog, "listed", lambda _: name)
    found = links.from_query(links.to_query(made(exact, name, **what, controls={"truncation": 0.7, "label": "bee"})))
    assert {key: str(found[key]) for key in ("layers", "moved")} == {key: what.get(key, "") for key in ("layers", "moved")}
    assert found["to"] == what.get("to") and found["by"] == what.get("by", {}) and found["from"] == {"seed": 1}
    assert found["controls"] == {"truncation": 0.7, "label": "bee"}


# The command line


def run(capsys, *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_mix_writes_a_matrix_whose_pictures_carry_their_recipes(capsys, tmp_path, name, exact):
    out = tmp_path / "mixed"
    code, said, _ = run(capsys, "mix", name, "--rows", "1-2", "--columns", "5,6,7", "--layers", "0-3", "--by", "sefa1:1", "--moved", "4-9",
                        "--truncation", "0.7", "--exact", "--out", str(out), "--json")  # fmt: skip
    assert code == 0 and len(json.loads(said)) == 6
    assert Image.open(out / "sheet.png").width > 3 * 64
    picture = Image.open(out / "01-02.png")
    found = read_recipe(picture)
    assert found["from"] == {"seed": 2} and found["to"] == {"seed": 7} and found["by"] == {"sefa 1": 1.0}
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), replay.image(recipe.check(found), exact))


def test_the_command_of_a_recipe_makes_its_picture(capsys, tmp_path, name, exact, monkeypatch):
    found = made(exact, name, to={"seed": 2}, layers="0-3", by={"sefa 1": 1.5}, moved="0-9", controls={"truncation": 0.5})
    words = commands.command(found).split()[3:]
    code, _, _ = run(capsys, *words, "--out", str(tmp_path))
    assert code == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "00-00.png").convert("RGB")), replay.image(found, exact))


def test_a_picture_file_stands_on_a_side(capsys, tmp_path, name, exact, monkeypatch):
    monkeypatch.setattr("genstudio.latent.projection.SEARCH", 8)
    monkeypatch.setattr("genstudio.latent.projection.project.__defaults__", (3, 0))
    file = tmp_path / "me.png"
    Image.fromarray(exact.synthesize(name, exact.styles(name, [4]))[0]).save(file)
    code, _, told = run(capsys, "mix", name, "--rows", f"{file},3", "--out", str(tmp_path / "out"))
    assert code == 0 and "away from the nearest picture found" in told
    assert "code" in read_recipe(Image.open(tmp_path / "out" / "00.png"))["from"]


@pytest.mark.parametrize("words, why", [
    (["--rows", "x.png"], "neither a seed nor"), (["--rows", "1-99"], "at most 64"), (["--rows", "1", "--layers", "10"], "from 0 to 9"),
    (["--rows", "1", "--by", "sefa"], "effect1:2"), (["--rows", "1", "--by", "wrong1:2"], "pca 1"), (["--rows", "3-1"], "backwards"),
])  # fmt: skip
def test_what_cannot_be_mixed_is_said_in_one_sentence(capsys, tmp_path, name, words, why):
    code, _, told = run(capsys, "mix", name, *words, "--out", str(tmp_path))
    assert code == 2 and why in told and told.count("\n") == 1
