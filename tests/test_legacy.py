"""Files of format 1, kept in `format1/`, draw what they drew, and what they draw under today's names is the same bytes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import catalog, checkpoint, legacy, paths
from genstudio.cli import main
from genstudio.images import open_picture, read_recipe
from genstudio.recipes import links, recipe, replay, trajectory
from genstudio.registry import systems
from genstudio.training import runs
from tests import small

KEPT = Path(__file__).parent / "format1"
UNITS = Path(__file__).parent / "units"  # a checkpoint whose arguments are multiples of a unit, and its picture
CHECKPOINTS = sorted(path for path in KEPT.glob("*.safetensors") if ".critic." not in path.name)
PICTURES = sorted((*KEPT.glob("*.png"), *UNITS.glob("*.png")))


@pytest.fixture(autouse=True)
def offered(monkeypatch):
    """The kept checkpoints by name, and the small systems that they are of."""
    for name, entry in small.INSTANCES.items():
        monkeypatch.setitem(systems(), name, entry)
    monkeypatch.setattr(paths, "checkpoint_folders", lambda: [KEPT, UNITS])


def picture() -> Image.Image:
    """The picture that was translated or noised: a gradient of 16 px."""
    y, x = np.mgrid[:16, :16]
    return Image.fromarray(np.stack([x * 16, y * 16, (x + y) * 8], -1).astype(np.uint8))


def drawn(made: dict, engine, system: str | None = None) -> np.ndarray:
    """Image, uint8 (h, w, c), of a checked recipe, by other weights if `system` names them."""
    made = made | {"system": system or made["system"]}
    if made["verb"] == "translate":
        with closing(engine.translate(made["system"], np.array(picture())[None], **made["controls"])) as parts:
            *_, last = parts
        return last.images[0]
    if made["verb"] == "img2img":
        *_, last = trajectory.steps(made, engine, picture())
        return last.x_0[0]
    return replay.image(made, engine)


def kept(path: Path) -> tuple[dict, np.ndarray]:
    """Unchecked recipe and pixels of a PNG."""
    opened = open_picture(path.read_bytes())
    return read_recipe(opened), np.asarray(opened)


def test_every_family_is_kept():
    families = {checkpoint.check(path)[0].model.__module__.rpartition(".")[2] for path in CHECKPOINTS}
    younger = {"test_loop", "segmentation", "games", "progressive", "sparse", "flow", "flow_vae", "vqvae", "prior"}  # had no file of format 1
    assert families == {entry.model.__module__.rpartition(".")[2] for entry in systems().values()} - younger
    assert set(legacy.PARAMETERS) <= families
    assert all(checkpoint.describe(path).format == 1 for path in CHECKPOINTS)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_of_format_1_comes_again(path, exact, tmp_path, monkeypatch):
    said, before = kept(path)
    made = recipe.check(said)
    now = drawn(made, exact)
    before = before.reshape(now.shape)
    assert np.abs(now.astype(int) - before).max() <= 1
    assert recipe.differences(said, exact.hold(said["system"]))[:1] != ["weights"], "the digest is that of the file"

    source = catalog.locate(said["system"])
    model, header = checkpoint.load(source)
    header.format = checkpoint.FORMAT
    checkpoint.save(tmp_path / source.name, model, header)
    new, _ = checkpoint.load(tmp_path / source.name)
    assert list(model.state_dict()) == list(new.state_dict())
    np.testing.assert_array_equal(drawn(made, exact, str(tmp_path / source.name)), now)


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_every_weight_of_format_1_has_a_place(path):
    model, _ = checkpoint.load(path, critic=True)
    read = checkpoint.read_tensors(path) | (
        checkpoint.read_tensors(companion) if (companion := checkpoint.critic_of(path)).exists() else {}
    )
    found, names = model.state_dict(), legacy.parameters(type(model), {key: key for key in read})
    for new, old in names.items():
        torch.testing.assert_close(found[new], read[old].to(found[new].dtype), rtol=0, atol=0)


def test_the_tables_name_what_the_files_have_and_mapping_twice_changes_nothing():
    used = {part for path in KEPT.glob("*.safetensors") for key in checkpoint.read_tensors(path) for part in key.split(".")}
    for family, names in legacy.PARAMETERS.items():
        assert set(names) <= used, family
        assert not set(names) & set(names.values())
    for names in (legacy.ARGUMENTS, legacy.VERBS, legacy.CONTROLS, legacy.COMMANDS):
        assert not set(names) & set(names.values())
    assert not legacy.UNITS.keys() & {name for names, _ in legacy.UNITS.values() for name in names}


OLD = {"epsilon": 2000, "betas": [15, 1950]}
NEW = {"norm_eps": 0.002, "beta_start": 0.00015, "beta_end": 0.0195}


def test_arguments_in_units_become_floats():
    header = checkpoint.describe(UNITS / "unet_diffusion.units.safetensors")
    assert NEW.items() <= header.arguments.items() and not OLD.keys() & header.arguments.keys()
    model, _ = checkpoint.load(UNITS / "unet_diffusion.units.safetensors")
    assert model.schedule.betas == (15 / 1e5, 1950 / 1e5) and model.network.norm.eps == 2000 / 1e6
    assert legacy.arguments(OLD) == legacy.arguments(legacy.arguments(OLD)) == legacy.arguments(NEW) == NEW


@pytest.mark.parametrize("name", OLD)
@pytest.mark.parametrize("value", [None, True, 0.5, -1, 4097, 10**400, "10", [], [1, 2, 3], [[1], 2], {"a": 1}])
def test_units_that_no_old_file_has_are_refused(name, value):
    with pytest.raises(ValueError, match=f"unet_diffusion has no argument '{name}'"):
        checkpoint.check_arguments(systems()["unet_diffusion"], {name: value})


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_link_of_format_1_is_its_recipe(path):
    said, _ = kept(path)
    if said.get("branches") or said.get("mask"):  # too long for a link, or without a word for one
        return
    assert parse_qs(links.to_query(recipe.check(links.from_query(links.to_query(said))))) == parse_qs(
        links.to_query(recipe.check(said))
    )


def test_a_run_of_format_1_is_imported_and_begun_under_the_names_of_today(tmp_path):
    written, _ = runs.import_(KEPT / "small_cgan.run", tmp_path / "run")
    state = torch.load(written / "state.pt", weights_only=True)
    assert "critic.class_embedding.weight" in state["model"] and "generator.class_embedding.weight" in state["average"]
    assert not any("kinds" in key for key in state["model"])
    assert state["step"] == 10 and len(state["optimizers"]["critic"]["state"]) == len(
        [key for key in state["model"] if key.startswith("critic.") and not key.endswith(("mean", "var", "tracked"))]
    )


def test_flags_and_commands_of_format_1_still_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["again", str(KEPT / "dcgan.sample.png"), "--out", "one.png"]) == 0
    assert main(["sample", "stylegan2.format1", "--seeds", "3", "--grain", "off", "--truncation", "0.7", "--exact"]) == 0
    made, _ = kept(KEPT / "stylegan2.sample.png")
    said, now = kept(tmp_path / "pictures" / "0003.png")
    assert said["controls"]["noise_mode"] == "off" and "grain" not in said["controls"]
    picture().save("own.png")
    assert main(["redraw", "small_diffusion.format1", "own.png", "--steps", "2", "--out", "versions"]) == 0
    assert kept(tmp_path / "versions" / "0000.png")[0]["verb"] == "img2img"
    capsys.readouterr()
