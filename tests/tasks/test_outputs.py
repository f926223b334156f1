"""Results beside files that are there already: nothing is lost, whichever command writes."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import checkpoint, cli
from genstudio.cli.common import seed_ranges
from genstudio.images import open_picture, read_recipe, save_png
from genstudio.registry import find_system
from genstudio.tasks.outputs import Outputs, encoded, is_picture_file


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Checkpoints by name: small ones of the systems that the commands below use."""
    folder = tmp_path_factory.mktemp("weights")
    for name, facts in {
        "vae_mnist": {"data": "mnist"},
        "cgan_mnist": {"data": "mnist", "classes": [str(i) for i in range(10)]},
        "pix2pix_sketch": {},
        "ddpm_mnist": {"data": "mnist", "classes": [str(i) for i in range(10)]},
    }.items():
        torch.manual_seed(0)
        checkpoint.save(folder / f"{name}.safetensors", find_system(name).build(), checkpoint.Header(name, **facts))
    return folder


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch, weights):
    """An empty folder to work in, with a picture of one's own."""
    (tmp_path / "home").mkdir()
    os.symlink(weights, tmp_path / "home" / "checkpoints")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GENSTUDIO_DATA", str(tmp_path / "data"))
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save("mine.png")
    return tmp_path / "work"


def run(words: str, *more: str) -> int:
    return cli.main([*words.split(), *more])


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


COMMANDS = {  # each writes where a file of the user's is
    "sample": ("sample vae_mnist --seeds 3 --out .", "0003.png"),
    "sample to a file": ("sample vae_mnist --seeds 3 --out here.jpg", "here.jpg"),
    "sheet": ("sample vae_mnist --seeds 3,4 --grid --out .", "grid.png"),
    "interpolate": ("interpolate vae_mnist --from 1 --to mine.png --count 2 --out .", "0000.png"),
    "film": ("interpolate vae_mnist --from 1 --to 2 --count 2 --film way.webp --out .", "way.webp"),
    "translate": ("translate pix2pix_sketch mine.png --out .", "mine.png"),
    "translate to a zip": ("translate pix2pix_sketch mine.png --out out.zip", "out.zip"),
    "redraw": ("redraw ddpm_mnist mine.png --seeds 0 --steps 2 --out .", "0000.png"),
    "encode": ("encode vae_mnist mine.png --out latents.npz", "latents.npz"),
    "dataset": ("dataset cgan_mnist --labels 3 --each 2 --out set.zip", "set.zip"),
    "again": ("again verb=sample&system=vae_mnist&seed=3 --out here.png", "here.png"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_is_there_stays_and_the_same_result_is_written_once(name, capsys):
    words, taken = COMMANDS[name]
    if not Path(taken).exists():
        Path(taken).write_bytes(b"of mine")
    before = contents()
    assert run(words) == 0
    first = contents()
    assert before.items() <= first.items(), "a file was written over"
    stem, suffix = os.path.splitext(taken)
    assert f"{stem} 2{suffix}" in first
    assert f"{stem} 2{suffix}" in "".join(capsys.readouterr())
    assert run(words) == 0
    assert contents() == first, "the same command leaves the same files"
    assert "there already" in "".join(capsys.readouterr())
    assert run(f"{words} --overwrite") == 0
    after = contents()
    assert after["mine.png"] == before["mine.png"], "an input is never written over"
    assert set(after) == set(first) and (after[taken] != b"of mine")


def test_pictures_of_other_settings_stand_beside_those_that_are_there(capsys):
    run("sample vae_mnist --seeds 0-2 --out .")
    before = contents()
    run("sample vae_mnist --seeds 1-3 --out .")
    assert "1 picture in ., 2 there already" in capsys.readouterr().out
    run("sample vae_mnist --seeds 1-3 --truncation 0.5 --out .")
    assert "0001 2.png, 0002 2.png, 0003 2.png" in capsys.readouterr().out
    assert before.items() <= contents().items()
    run("sample vae_mnist --seeds 1-3 --truncation 0.5 --out .")
    assert "0 pictures in ., 3 there already" in capsys.readouterr().out


def test_a_picture_that_was_made_is_an_input_like_any_other():
    """The third command of a tutorial lost the first one's picture."""
    run("sample vae_mnist --seeds 0 --out pictures")
    made = Path("pictures/0000.png").read_bytes()
    assert run("redraw ddpm_mnist pictures/0000.png --seeds 0 --steps 2 --overwrite") == 0
    assert Path("pictures/0000.png").read_bytes() == made and Path("pictures/0000 2.png").exists()


@pytest.mark.parametrize(
    ("words", "seeds"),
    [("5,5,3-5", [5, 3, 4]), ("0-4,2-8,1", [0, 1, 2, 3, 4, 5, 6, 7, 8]), ("7,0-9", [7, *range(7), 8, 9]), ("2,2", [2])],
)
def test_a_seed_that_is_named_again_counts_once(words, seeds, capsys):
    assert [seed for part in seed_ranges(words) for seed in part] == seeds
    run(f"sample vae_mnist --seeds {words} --out out")
    assert sorted(os.listdir("out")) == [f"{seed:04d}.png" for seed in sorted(seeds)]
    assert f"{len(seeds)} picture{'s' * (len(seeds) > 1)} in out" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png"])
def test_one_picture_goes_to_a_file_with_its_recipe(suffix, capsys):
    name = f"kept{suffix}"
    assert run(f"sample vae_mnist --seeds 3 --out {name}") == 0
    picture = open_picture(name)
    assert picture.format is None or picture.format == ("PNG" if suffix == ".png" else "JPEG")
    assert Path(name).read_bytes().startswith(b"\x89PNG" if suffix == ".png" else b"\xff\xd8\xff")
    assert read_recipe(picture)["seed"] == 3
    assert run(f"replay {name} --out replayed.png") == 0
    run("sample vae_mnist --seeds 3 --out out")
    assert (np.asarray(Image.open("replayed.png")) == np.asarray(Image.open("out/0003.png"))).all()


def test_a_translation_goes_to_a_file_too():
    assert run("translate pix2pix_sketch mine.png --out there.jpg") == 0
    assert Path("there.jpg").read_bytes()[:2] == b"\xff\xd8" and read_recipe(open_picture("there.jpg"))["verb"] == "translate"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sample vae_mnist --seeds 1,2 --out x.jpg", "x.jpg is one picture"),
        ("sample vae_mnist --seeds 1 --grid --out x.png", "x.png is one picture"),
        ("sample vae_mnist --seeds 1 --out x.webp", "a picture is written as .png or .jpg, not as 'x.webp'"),
        ("sample vae_mnist --seeds 1 --out x.zip", "a picture is written as .png or .jpg, not as 'x.zip'"),
        ("sample vae_mnist --seeds 1 --out notes", "notes: File exists"),
        ("replay verb=sample&system=vae_mnist&seed=3 --out x.gif", "a picture is written as .png or .jpg"),
        ("replay verb=sample&system=vae_mnist&seed=3 --out .", "is a folder"),
        ("translate pix2pix_sketch mine.png notes --out x.jpg", "x.jpg is one picture"),
        ("translate pix2pix_sketch mine.png --out x.bmp", "a picture is written as .png or .jpg"),
    ],
)
def test_a_name_that_is_not_written_is_refused_and_nothing_is_written(words, said, capsys):
    Path("notes").write_text("of mine")
    before = contents()
    assert run(words) == 2
    assert said in capsys.readouterr().err and contents() == before and not Path("x.zip").exists()


def test_training_does_not_begin_in_the_place_of_weights_that_are_there(weights, capsys):
    before = (weights / "vae_mnist.safetensors").read_bytes()
    Path("vae_mnist.safetensors").write_bytes(before)
    assert run("train vae_mnist --out . --init vae_mnist.safetensors --fresh") == 2
    assert run("train vae_mnist --out .") == 2
    assert "vae_mnist.safetensors" in capsys.readouterr().err
    assert Path("vae_mnist.safetensors").read_bytes() == before


# The place of a file --------------------------------------------------------------------------------------------


def test_two_results_of_one_name_are_two_files():
    outputs = Outputs(overwrite=True)
    assert [outputs.write(Path("a.txt"), body).name for body in (b"1", b"1", b"2")] == ["a.txt", "a 2.txt", "a 3.txt"]
    again = Outputs()
    assert [again.write(Path("a.txt"), body).name for body in (b"1", b"1", b"2")] == ["a.txt", "a 2.txt", "a 3.txt"]
    assert again.there == 3 and sorted(os.listdir()) == ["a 2.txt", "a 3.txt", "a.txt", "mine.png"]


def test_an_input_by_another_name_is_an_input():
    os.link("mine.png", "hard.png")
    os.symlink("mine.png", "soft.png")
    before, outputs = contents(), Outputs(["mine.png"], overwrite=True)
    for name in ("mine.png", "hard.png", "soft.png"):
        outputs.write(Path(name), b"new " + name.encode())
    assert before.items() <= contents().items()


def test_a_failure_leaves_nothing_and_loses_nothing():
    before = contents()
    with pytest.raises(OSError, match="full"), Outputs(overwrite=True).making(Path("mine.png")) as part:
        part.write_bytes(b"half")
        raise OSError(28, "the disk is full")
    assert contents() == before


def test_a_recipe_too_long_for_a_jpeg_is_a_sentence():
    with pytest.raises(ValueError, match="write a .png"):
        encoded(Image.new("RGB", (4, 4)), ".jpg", {"code": "x" * 70_000})


def test_a_picture_cut_short_is_not_the_result(weights):
    save_png(Image.effect_noise((64, 64), 50), "a.png", {"seed": 1})
    whole = Path("a.png").read_bytes()
    Path("a.png").write_bytes(whole[:-40])
    assert Outputs().write(Path("a.png"), whole).name == "a 2.png"


def test_a_folder_may_have_a_point_in_its_name():
    Path("album.png").mkdir()
    assert [is_picture_file(Path(name)) for name in ("album.png", "run.v2", "out", "a.PNG")] == [False] * 3 + [True]
