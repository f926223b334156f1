"""Seeds: two seeds are two pictures, the bound is one everywhere, and recipes of before keep their pictures."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import legacy
from genstudio.cli import main
from genstudio.images import open_picture, read_recipe, save_png
from genstudio.model import Noise
from genstudio.recipes import fields
from genstudio.system import check_recipe

BEYOND = [2**32, 2**32 + 7, 2**53 + 1, 2**63 - 1]


def test_each_bit_of_a_seed_counts():
    """n and n + 2^32 were one picture."""
    seeds = [0, *(1 << bit for bit in range(32)), Noise.MAX_SEED]
    drawn = {tuple(row.tolist()) for row in Noise(seeds).normal(4)}
    assert len(drawn) == len(seeds)


@pytest.mark.parametrize("seed", BEYOND)
def test_the_bound_is_one_everywhere(seed, capsys):
    for refuse in (fields.check_seed, lambda seed: Noise([seed]), lambda seed: fields.check_end({"seed": seed})):
        with pytest.raises(ValueError, match=f"from 0 to 4294967295, not {seed}"):
            refuse(seed)
    with pytest.raises(ValueError, match=str(seed)):
        check_recipe({"seed": seed})


@pytest.mark.parametrize("seed", BEYOND)
def test_a_former_seed_is_mapped_to_the_one_of_its_picture(seed):
    before = torch.randn(5, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(Noise([legacy.seed(seed)]).normal(5)[0], before)
    end = {"seed": seed}
    said = {"seed": seed, "from": end, "to": {"code": "abc"}, "corners": [end] * 4, "branches": [end | {"at": 3, "controls": {}}]}
    mapped = legacy.recipe(said | {"verb": "sample"})
    new = {"seed": seed % 2**32}
    assert mapped["seed"] == seed % 2**32 and mapped["from"] == new and mapped["corners"] == [new] * 4 and mapped["to"] == said["to"]
    assert mapped["branches"] == [new | {"at": 3, "controls": {}}] and legacy.recipe(mapped) == mapped


@pytest.mark.parametrize("seed", [-1, 2**63, "4294967296", True, None, [2**33], 4294967296.0])
def test_what_no_former_recipe_has_is_left_to_the_check(seed):
    assert legacy.recipe({"verb": "sample", "seed": seed})["seed"] is seed


def test_a_picture_with_a_former_seed_comes_again(untrained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = untrained("vae_mnist")
    assert main(["sample", name, "--seeds", "7", "--exact", "--out", "out"]) == 0
    picture = open_picture("out/0007.png")
    save_png(picture, "former.png", read_recipe(picture) | {"seed": 2**32 + 7})
    assert main(["replay", "former.png", "--out", "again.png"]) == 0
    assert (np.asarray(Image.open("again.png")) == np.asarray(Image.open("out/0007.png"))).all()
    assert read_recipe(open_picture("again.png"))["seed"] == 7
    capsys.readouterr()
    assert main(["sample", name, "--seeds", str(2**32 + 7), "--out", "new"]) == 2
    assert "from 0 to 4294967295, not 4294967303" in capsys.readouterr().err and not os.path.exists("new")
