"""Translators learn from a user's own pairs, from the command line and from the page: the report, the training, its
resumption, the translation; and a set without pairs is refused before anything is built."""

from __future__ import annotations

import json

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import checkpoint, paths
from genstudio.cli.parser import main
from genstudio.data import load
from genstudio.registry import systems
from genstudio.training import jobs, run, session
from genstudio.ui.sessions import Sessions
from genstudio.ui.tabs.train.form import TrainingForm
from genstudio.ui.tabs.train.session import TrainSession
from tests import small
from tests.data.test_data import pack, png, write
from tests.data.test_pairs import beside, layouts, two_sides

PIX2PIX, CYCLEGAN = "small_pix2pix", "small_cyclegan"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    for name in (PIX2PIX, CYCLEGAN, "small_cgan"):
        monkeypatch.setitem(systems(), name, small.INSTANCES[name])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def header_of(name: str) -> checkpoint.Header:
    return checkpoint.describe(paths.runs() / name / f"{name}.safetensors")


@pytest.mark.parametrize("layout", layouts())
def test_a_run_on_pairs_goes_on_and_its_weights_translate(layout, tmp_path, capsys):
    place = str(pack(tmp_path / "set.zip", layouts()[layout]))
    assert main(["train", PIX2PIX, "--data", place, "--images", "24"]) == 0
    said = capsys.readouterr().err
    assert "pairs to learn from" in said and said.count(" -> ") == 3, said
    assert main(["train", PIX2PIX, "--resume", "--images", "40"]) == 0
    header = header_of(PIX2PIX)
    assert header.images == 40 and header.data == "set" and len(header.learned_from) == 1
    weights = paths.runs() / PIX2PIX / f"{PIX2PIX}.safetensors"
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "x.png")
    assert main(["translate", str(weights), str(tmp_path / "x.png"), "--out", str(tmp_path / "out")]) == 0
    assert Image.open(tmp_path / "out" / "x.png").size == (40, 40)


def test_two_folders_are_pairs_and_the_command_in_the_header_says_them(tmp_path, capsys):
    write(tmp_path, two_sides(("one", "other")))
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    assert main(["train", PIX2PIX, "--pairs", one, other, "--images", "16", "--reverse"]) == 0
    command = header_of(PIX2PIX).command
    assert f"'{one}|{other}'" in command and "--reverse" in command
    assert main(["train", PIX2PIX, "--resume", "--images", "24"]) == 0
    assert "The direction is turned round" in capsys.readouterr().err
    assert main(["train", PIX2PIX, "--pairs", one]) == main(["train", PIX2PIX, "--pairs", one, one, "--data", one]) == 2


def test_cyclegan_learns_from_sets_apart_with_or_without_a_part_held_out(tmp_path, capsys):
    few = {f"{side}/{side}{i}.png": png(i) for side in "AB" for i in range(5)}
    for files in (two_sides(("trainA", "trainB")) | two_sides(("testA", "testB"), start=20), few, layouts()["side by side"]):
        place = str(pack(tmp_path / "set.zip", files))
        assert main(["train", CYCLEGAN, "--data", place, "--images", "16", "--fresh", "--watch-minutes", "0"]) == 0
        assert main(["train", CYCLEGAN, "--resume", "--images", "24"]) == 0
        assert "pictures to learn from" in capsys.readouterr().err


@pytest.mark.parametrize("name", [PIX2PIX, CYCLEGAN])
def test_a_set_without_pairs_is_refused_before_anything_is_built(name, tmp_path, monkeypatch, capsys):
    def built(*_, **__):
        raise AssertionError("a network was built")

    monkeypatch.setattr(session, "Run", built)
    monkeypatch.setattr(run, "Run", built)
    place = str(pack(tmp_path / "set.zip", {f"{i}.png": png(i) for i in range(30)}))
    assert main(["train", name, "--data", place]) == 2
    said = capsys.readouterr().err
    assert said.startswith("genstudio: set.zip has no pairs to learn a translation from") and said.count("\n") == 1
    assert not (paths.runs() / name).exists()


def test_what_is_left_out_is_said_and_stands_in_the_header(tmp_path, capsys):
    files = {f"{c}/{i}.png": png(i) for c in "ab" for i in range(20)}
    files |= {"a/x.png": b"no", "b/y.png": beside(1)[:-60], "b/.thumbnails/z.png": png(2), "notes.txt": b"hello"}
    place = str(pack(tmp_path / "set.zip", files))
    assert main(["train", "small_cgan", "--data", place, "--images", "16"]) == 0
    said = capsys.readouterr().err
    assert "set: 36 pictures to learn from, 4 held out; 2 classes: a (18), b (18)" in said
    assert "Left out: 2 pictures: not a picture (1); truncated or broken (1)" in said
    assert "Skipped: 2 files: b/.thumbnails/z.png, notes.txt" in said
    [stage] = header_of("small_cgan").learned_from
    assert stage["pictures"] == 36 and stage["skipped"] == 2
    assert stage["left_out"] == {"not a picture": 1, "truncated or broken": 1}


def test_unlabelled_pictures_are_learned_from_without_a_class(tmp_path):
    labels = [[f"{i}.png", i % 3 if i % 4 else None] for i in range(30)]
    files = {f"{i}.png": png(i) for i in range(30)} | {"dataset.json": json.dumps({"labels": labels}).encode()}
    place = str(pack(tmp_path / "set.zip", files))
    assert (load(place, "train", (1, 16, 16)).labels == -1).sum() == 8
    assert main(["train", "small_cgan", "--data", place, "--images", "48"]) == 0
    assert header_of("small_cgan").classes == ["0", "1", "2"]


# The page


@pytest.fixture
def form(monkeypatch):
    monkeypatch.setattr(jobs, "schedule", lambda: None)
    with gr.Blocks():
        yield TrainingForm(Sessions(TrainSession))


def filled(form: TrainingForm, name: str, **given) -> dict:
    """Values of the form's components."""
    recipe = small.INSTANCES[name].recipe
    values = {form.source: "own", form.folder: "", form.set: "avatars", form.system: name, form.start: ""}
    values |= {component: getattr(recipe, key) for key, component in form.numbers.items()}
    return values | {getattr(form, key, None) or form.numbers[key]: value for key, value in given.items()}


def said(form: TrainingForm, session: TrainSession, inputs: dict) -> tuple[str, bool]:
    """The report, and whether a training can be started."""
    *_, report, last = form.read(session, inputs, "en")
    return report[form.report], last[form.go]["interactive"]


def test_the_page_reports_on_pairs_trains_on_them_and_goes_on(form, tmp_path, capsys):
    visit = TrainSession()
    visit.take([pack(tmp_path / "ab.zip", {f"{i}.png": beside(i, 40) for i in range(20)})])
    inputs = filled(form, PIX2PIX, images=24, batch=8)
    report, ready = said(form, visit, inputs)
    assert ready and "its left half is translated to its right half" in report and report.count("→") == 3
    job = form.place(visit, inputs, "", "en")
    words = jobs.command(job, jobs.Limits.here())
    assert main(words[3:]) == 0 and jobs.find_job(job.id).weights
    again = jobs.command(jobs.find_job(job.id), jobs.Limits.here())
    assert "--resume" in again and main([*again[3:], "--images", "32"]) == 0
    assert "20 pairs" not in capsys.readouterr().out
    visit.leave()


def test_the_page_refuses_a_set_without_pairs_and_reads_two_zips_as_one(form, tmp_path):
    visit = TrainSession()
    visit.take([pack(tmp_path / "set.zip", {f"{i}.png": png(i) for i in range(20)})])
    report, ready = said(form, visit, filled(form, PIX2PIX))
    assert not ready and "has no pairs to learn a translation from" in report
    files = two_sides(("A", "B"))
    zips = [pack(tmp_path / f"{s}.zip", {k[2:]: v for k, v in files.items() if k.startswith(s)}) for s in "AB"]
    visit.drop("pictures")
    visit.take(zips)
    inputs = filled(form, PIX2PIX, images=16, batch=8)
    report, ready = said(form, visit, inputs)
    assert ready and "0000-A is translated to 0001-B" in report
    job = form.place(visit, inputs, "", "en")
    assert main(jobs.command(job, jobs.Limits.here())[3:]) == 0
    visit.leave()


def test_the_page_reads_two_folders_with_a_bar_between_and_no_others(form, tmp_path, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_FOLDERS", str(tmp_path / "mine"))
    write(tmp_path / "mine", two_sides(("A", "B")))
    visit, both = TrainSession(), f"{tmp_path / 'mine' / 'A'} | {tmp_path / 'mine' / 'B'}"
    report, ready = said(form, visit, filled(form, PIX2PIX, folder=both))
    assert ready and "A is translated to B" in report
    visit.typed["reverse"] = True
    report, _ = said(form, visit, filled(form, PIX2PIX, folder=both, reverse=True))
    assert "turned round" in report
    report, ready = said(form, visit, filled(form, PIX2PIX, folder=f"{tmp_path / 'mine' / 'A'}|/etc"))
    assert not ready and "outside the folders" in report
