"""Runs that travel end in the bytes of one that stayed; a file that is not whole, or not ours, gets a sentence."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from safetensors.torch import load_file

from genstudio import checkpoint, data, legacy
from genstudio.cli import main
from genstudio.data import pixels
from genstudio.models.gan import DCGAN
from genstudio.models.stylegan2 import StyleGAN2
from genstudio.registry import systems
from genstudio.system import Recipe
from genstudio.training import lease, loop, provenance, runs
from tests import ROOT
from tests.training.test_loop import assert_equal, reports_of, state_of, tiny

RECIPE = Recipe(images=96, batch=8, betas=(0.5, 0.999), warmup=40, ema=0.9, flip=True, jitter=1)


def dcgan() -> DCGAN:
    return DCGAN((3, 16, 16), latent_dim=8, widths=(16, 8))


def stylegan2() -> StyleGAN2:
    return StyleGAN2((3, 16, 16), widths=(8, 8, 8), styles=8, depth=2, ada=0.6, path=2.0, path_every=2, gamma_every=4)


class Renamed(DCGAN):
    """The same network, whose generator goes by another name."""

    def __init__(self):
        super().__init__((3, 16, 16), latent_dim=8, widths=(16, 8))
        self.synthesis = self.generator
        del self.generator

    @property
    def generator(self):
        return self._modules.get("synthesis", self._modules.get("generator"))


def renamed() -> Renamed:
    return Renamed()


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(systems(), "tiny", replace(tiny.system, build=dcgan, recipe=RECIPE))
    styled = replace(
        tiny.system, name="styled", build=stylegan2, recipe=replace(RECIPE, betas=(0.0, 0.99), cosine=False)
    )
    monkeypatch.setitem(systems(), "styled", styled)


pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(root: Path, seed: int, count: int = 30) -> Path:
    root.mkdir(parents=True)
    draw = np.random.RandomState(seed)
    for i in range(count):
        Image.fromarray(draw.randint(0, 256, (4, 4, 3), dtype=np.uint8)).resize((16, 16)).save(root / f"{i:02d}.png")
    return root


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return drawn(tmp_path_factory.mktemp("data") / "pictures", 0)


@pytest.fixture
def begin(pictures, tmp_path):
    """begin(system, steps): the folder of a run that was left there."""

    def begun(system: str = "tiny", steps: int = 6, **options) -> Path:
        options = {"data": str(pictures), "out": tmp_path / "run", "device": "cpu", "report_steps": steps} | options
        reports = loop.train(system, **options)
        next(reports)
        reports.close()
        return options["out"]

    return begun


def go_on(folder: Path, system: str = "tiny", **options) -> None:
    list(loop.train(system, out=folder, resume=True, device="cpu", report_steps=6, **options))


def assert_same_runs(one: Path, other: Path, system: str) -> None:
    """Weights, state, film and reports."""
    for file in (f"{system}.safetensors", f"{system}.critic.safetensors"):
        assert_equal(load_file(one / file), load_file(other / file))
    assert_equal(state_of(one), state_of(other))
    walls = [sorted((run / "walls").glob("*.png")) for run in (one, other)]
    assert len(walls[0]) > 5 and [w.name for w in walls[0]] == [w.name for w in walls[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*walls, strict=True))
    assert [r["terms"] for r in reports_of(one)] == [r["terms"] for r in reports_of(other)]
    assert (one / f"{system}.webp").read_bytes() == (other / f"{system}.webp").read_bytes()


# Moving


@pytest.mark.parametrize("system, part", [("tiny", None), ("styled", 20_000)])
def test_a_run_that_was_moved_ends_in_the_bytes_of_one_that_stayed(begin, tmp_path, system, part):
    """Batch norm; ADA, path lengths and R1; EMA, Adam and warm-up, left in mid epoch."""
    stayed = begin(system, steps=7)
    written = runs.export(stayed, tmp_path / "out" / "some.run", part)
    assert (len(written) > 3 and all(file.stat().st_size <= part for file in written)) if part else len(written) == 1
    moved, header = runs.import_(written[-1], tmp_path / "other" / "folder")
    assert header.system == system and header.step == 7 and header.images == 56 and header.rate > 0
    assert header.versions["torch"] == torch.__version__ and header.threads == 1 and header.device.startswith("cpu")
    [learned] = header.learned_from
    assert learned["name"] == "pictures" and len(learned["digest"]) == 64
    assert_equal(state_of(moved), state_of(stayed))
    assert not list(tmp_path.rglob("*.part")) and {p.name for p in moved.parent.iterdir()} == {"folder"}
    go_on(stayed, system), go_on(moved, system)
    assert_same_runs(stayed, moved, system)
    first, second = (checkpoint.describe(run / f"{system}.safetensors") for run in (stayed, moved))
    assert replace(first, minutes=0.0) == replace(second, minutes=0.0)


def test_a_fine_tuned_run_with_frozen_layers_and_its_critic_is_moved(begin, tmp_path):
    """Frozen layers have no moments, so that an optimizer's numbers are not those of all parameters."""
    first = begin(steps=2)
    go_on(first)
    stayed = begin(init=str(first / "tiny.safetensors"), out=tmp_path / "tuned", freeze=1, augment=True, steps=5)
    runs.export(stayed, tmp_path / "tuned.run")
    with zipfile.ZipFile(tmp_path / "tuned.run") as archive:
        keys = safetensors.torch.load(archive.read("state.safetensors")).keys()
    moments = {key for key in keys if key.endswith("exp_avg")}
    assert not any("/critic.0." in key for key in moments) and any("/critic.2." in key for key in moments)
    shutil.rmtree(first)  # the checkpoint that it began with does not travel
    moved, _ = runs.import_(tmp_path / "tuned.run", tmp_path / "moved")
    go_on(stayed), go_on(moved)
    assert_same_runs(stayed, moved, "tiny")


def test_equal_runs_make_equal_files_of_16_bytes_a_parameter(begin, tmp_path):
    folder = begin("styled")
    one, two = (runs.export(folder, tmp_path / name)[0].read_bytes() for name in ("one.run", "two.run"))
    assert one == two
    count = sum(p.numel() for p in stylegan2().parameters())
    with zipfile.ZipFile(tmp_path / "one.run") as archive:
        tensors = safetensors.torch.load(archive.read("state.safetensors"))
    buffers = 2 * sum(b.nbytes for b in stylegan2().buffers())
    size = sum(t.nbytes for key, t in tensors.items() if not key.endswith("/step"))
    assert 15.9 * count < size - buffers <= 16 * count  # what never had a gradient has no moments


def test_a_folder_of_today_s_train_is_imported_as_it_is(begin, tmp_path):
    stayed = begin()
    moved, _ = runs.import_(stayed, tmp_path / "moved")
    go_on(stayed), go_on(moved)
    assert_same_runs(stayed, moved, "tiny")


def test_what_a_watched_run_has_seen_travels(begin, tmp_path):
    stayed = begin(watch_minutes=0.0)
    assert list((stayed / "watch" / "raw").glob("*.png"))
    moved, _ = runs.import_(runs.export(stayed, tmp_path / "some.run")[0], tmp_path / "moved")
    there, here = (
        {name: p.read_bytes() for p in run.rglob("*") if runs.FILM.fullmatch(name := p.relative_to(run).as_posix())}
        for run in (stayed, moved)
    )
    assert there == here and any(name.startswith("watch/raw/") for name in here)


def test_a_key_that_was_renamed_is_found_in_checkpoints_and_in_states(begin, tmp_path, monkeypatch):
    folder = begin()
    file, state = runs.export(folder, tmp_path / "old.run")[0], state_of(folder)
    go_on(folder)
    weights = load_file(folder / "tiny.safetensors")

    monkeypatch.setitem(systems(), "tiny", replace(tiny.system, build=renamed, recipe=RECIPE))
    with pytest.raises(ValueError, match="does not fit tiny"):
        checkpoint.load(folder / "tiny.safetensors")
    monkeypatch.setitem(legacy.PARAMETERS, "test_runs", {"generator": "synthesis"})
    model, _ = checkpoint.load(folder / "tiny.safetensors")
    torch.testing.assert_close(model.synthesis[0].weight, weights["generator.0.weight"].float())
    moved, _ = runs.import_(file, tmp_path / "moved")
    now = {key.replace("synthesis.", "generator."): tensor for key, tensor in state_of(moved).items()}
    assert_equal(now, state)
    go_on(moved)
    trained = load_file(moved / "tiny.safetensors")
    assert_equal({key.replace("synthesis.", "generator."): t for key, t in trained.items()}, weights)


# Data sets


def test_another_data_set_is_refused_unless_it_is_asked_for(begin, tmp_path):
    folder, other = begin(), drawn(tmp_path / "other", 1)
    moved = tmp_path / "elsewhere" / "pictures"
    shutil.copytree(json.loads((folder / "run.json").read_text())["data"], moved)
    shutil.copytree(folder, tmp_path / "copy")
    said = json.loads((folder / "run.json").read_text())
    (tmp_path / "copy" / "run.json").write_text(json.dumps(said | {"data": str(other)}))
    with pytest.raises(
        ValueError, match=r"has learned from pictures \(\w{12}\), and other \(\w{12}\) holds other pictures: --data"
    ):
        go_on(tmp_path / "copy")
    with pytest.warns(UserWarning, match="holds other pictures; it goes on with them, and its header names both"):
        go_on(folder, data=str(other))
    header = checkpoint.describe(folder / "tiny.safetensors")
    assert [(e["name"], e["images"]) for e in header.learned_from] == [("pictures", 48), ("other", 96)]
    assert header.data == "other" and header.command.count("--data") == 2 and "other" in header.command
    assert checkpoint.load(folder / "tiny.safetensors")[1].learned_from == header.learned_from
    assert re.fullmatch(r"pictures \(\w{8}\) → other \(\w{8}\)", header.sets)
    assert replace(header, learned_from=header.learned_from[1:]).sets == "other"


def test_the_command_line_warns_in_one_line(begin, tmp_path, capsys):
    words = ["train", "tiny", "--resume", "--out", str(begin()), "--data", str(drawn(tmp_path / "other", 1))]
    assert main([*words, "--max-minutes", "0", "--device", "cpu"]) == 0
    [line] = [line for line in capsys.readouterr().err.splitlines() if "learned" in line]
    assert line.startswith("genstudio: this run has learned from pictures (")


def test_the_same_pictures_in_another_place_are_the_same_set(begin, tmp_path, recwarn):
    folder = begin()
    moved = tmp_path / "elsewhere" / "archive"
    shutil.copytree(json.loads((folder / "run.json").read_text())["data"], moved)
    go_on(folder, data=str(moved))
    assert not [w for w in recwarn if issubclass(w.category, UserWarning) and "learned" in str(w.message)]
    assert len(checkpoint.describe(folder / "tiny.safetensors").learned_from) == 1


def test_a_run_from_before_digests_goes_on_with_data_and_names_both(begin, tmp_path, pictures):
    folder = begin()
    said = json.loads((folder / "run.json").read_text())
    for key in ("learned_from", "threads", "device", "versions"):
        del said[key]
    (folder / "run.json").write_text(json.dumps(said))
    moved, header = runs.import_(folder, tmp_path / "moved")
    assert header.learned_from == []
    with pytest.warns(UserWarning, match="of unknown digest"):
        go_on(moved, data=str(pictures))
    first, second = checkpoint.describe(moved / "tiny.safetensors").learned_from
    assert first == {"name": "pictures", "digest": "", "images": 48} and second["digest"] and second["images"] == 96
    go_on(folder)  # without --data: the digest is written down
    assert len(json.loads((folder / "run.json").read_text())["learned_from"]) == 1


def test_a_run_goes_on_with_another_batch_and_counts_images(begin, recwarn):
    folder = begin()  # 48 images in steps of 8
    state = torch.load(folder / "state.pt", weights_only=True)
    del state["images"]  # a state of before
    torch.save(state, folder / "state.pt")
    go_on(folder, batch=16)
    last = reports_of(folder)[-1]
    assert (last["step"], last["steps"], last["images"]) == (9, 9, 96)
    header = checkpoint.describe(folder / "tiny.safetensors")
    assert header.images == 96 and [e["images"] for e in header.learned_from] == [48, 96]
    assert header.command.endswith("--resume --batch 16") and header.command.count("--data") == 1
    assert header.sets == "pictures" and not recwarn
    assert runs.read_folder(folder).header.images == 96
    moved, _ = runs.import_(folder, folder.with_name("moved"))
    assert torch.load(moved / "state.pt", weights_only=True)["images"] == 96


def test_a_run_from_before_stages_had_flags_keeps_them_in_its_command(begin):
    folder = begin(batch=16, ema=0.5)
    said = json.loads((folder / "run.json").read_text())
    for entry in said["learned_from"]:
        assert entry.pop("flags") == ["--batch", "16", "--ema", "0.5"]
    (folder / "run.json").write_text(json.dumps(said))
    go_on(folder, rate=1e-5)
    command = checkpoint.describe(folder / "tiny.safetensors").command
    first, second = command.split(" && ")
    assert first.endswith("--batch 16 --ema 0.5") and second.endswith("--resume --rate 1e-05")


def test_a_digest_is_of_pixels_labels_classes_and_sources_in_order():
    images = torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8)
    one = data.Pictures("one", images, torch.tensor([0, 1, 0, 1, 1]), ("a", "b"))
    assert (
        one.digest() == replace(one, name="two", images=images.clone().to(memory_format=torch.channels_last)).digest()
    )
    others = [
        replace(one, images=images.flip(0)),
        replace(one, images=images.reshape(5, 3, 2, 8)),
        replace(one, labels=None),
        replace(one, labels=torch.tensor([1, 1, 0, 1, 1])),
        replace(one, classes=("a", "c")),
        replace(one, sources=images),
        replace(one, sources=images, paired=False),
    ]
    assert len({one.digest(), *(other.digest() for other in others)}) == 1 + len(others)


def test_credits_of_several_sets_are_each_told_once():
    entries = [{"credit": "A"}, {"credit": ""}, {"credit": "B"}, {"credit": "A"}]
    assert provenance.credit(entries) == "A; B"


# Files that are not whole


@pytest.fixture
def parts(begin, tmp_path) -> list[Path]:
    return runs.export(begin(), tmp_path / "out" / "some.run", 20_000)


@pytest.mark.parametrize("size", [0, 100, 3000, -1])
def test_a_torn_part_is_told(parts, size):
    parts[1].write_bytes(parts[1].read_bytes()[:size])
    with pytest.raises(ValueError, match=r"some\.run\.\w{8}\.2of\d+ is torn"):
        runs.read(parts[0])


def test_a_changed_missing_or_foreign_part_is_told(begin, parts, tmp_path):
    out = parts[0].parent
    assert runs.read(out / "some.run").header.step == runs.read(parts[2]).header.step == 6
    whole = parts[1].read_bytes()
    parts[1].write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match="2of.* is torn"):
        runs.read(out / "some.run")
    parts[1].unlink()
    with pytest.raises(ValueError, match=rf"part 2 of {len(parts)} of some\.run is missing"):
        runs.read(out / "some.run")
    other = runs.export(begin("styled", out=tmp_path / "styled"), tmp_path / "other" / "some.run", 20_000)
    parts[1].write_bytes(other[1].read_bytes())
    with pytest.raises(ValueError, match="is a part of another export"):
        runs.read(parts[0])
    parts[1].unlink()
    shutil.copy(other[1], out)
    with pytest.raises(ValueError, match="parts of 2 exports of some.run: name one of"):
        runs.read(out / "some.run")
    with pytest.raises(ValueError, match="does not exist"):
        runs.read(out / "none.run")


def test_parts_that_have_each_other_s_names_are_joined_in_their_own_order(parts):
    one, two = parts[0].read_bytes(), parts[1].read_bytes()
    parts[0].write_bytes(two), parts[1].write_bytes(one)
    assert runs.read(parts[0]).header.step == 6


def test_parts_of_a_former_export_stay_until_the_new_ones_are_there(begin, parts, monkeypatch):
    former = {part: part.read_bytes() for part in parts}
    folder = begin(steps=9)
    real, count = os.replace, iter(range(100))

    def full(*places):
        if str(places[1]).endswith("2of" + str(places[1]).rpartition("of")[2]) and next(count) == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*places)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left on device"):
        runs.export(folder, parts[0].parent / "some.run", 20_000)
    assert {part: part.read_bytes() for part in parts[0].parent.iterdir()} == former
    written = runs.export(folder, parts[0].parent / "some.run", 20_000)
    assert set(parts[0].parent.iterdir()) == set(written) and runs.read(written[0]).header.step == 9


KILLED = """
import os, random, signal, sys, time
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from genstudio.registry import systems
from genstudio.training import runs
from tests.training.test_runs import RECIPE, dcgan, tiny

systems()["tiny"] = replace(tiny.system, build=dcgan, recipe=RECIPE)
path, folders = Path(sys.argv[1]), [Path(p) for p in sys.argv[2:]]
whole = {runs.export(folder, path)[0].read_bytes() for folder in folders}
assert len(whole) == 2
began = time.monotonic()
runs.export(folders[0], path)
took, draw, torn, kills = time.monotonic() - began, random.Random(0), 0, 0
while kills < 20 or torn < 2 and time.monotonic() - began < 100:
    child = os.fork()
    if child == 0:
        while True:
            for folder in folders:
                runs.export(folder, path)
    time.sleep(draw.uniform(0.0, 4 * took))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.read_bytes() in whole
    torn += path.with_name(path.name + ".part").exists()
    kills += 1
assert torn, "no kill fell into the writing of a file"
"""


def test_export_killed_at_any_moment_leaves_the_former_file_whole(begin, tmp_path):
    folders = [begin(), begin(steps=3, out=tmp_path / "other")]
    words = [sys.executable, "-c", KILLED, str(tmp_path / "out" / "some.run"), *map(str, folders)]
    done = subprocess.run(
        words, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, timeout=200, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def no_room(size: int):
    """No file may grow beyond that: the write fails in the middle, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("part", [None, 60_000])
def test_a_full_disk_is_one_sentence_and_nothing_half_written_stays(begin, tmp_path, capsys, part):
    folder, out = begin(), tmp_path / "out"
    [whole] = runs.export(folder, tmp_path / "some.run")
    words = ["runs", "export", str(folder), str(out / "some.run"), *(["--part", "0.06"] if part else [])]
    with no_room(50_000):
        assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("genstudio: ") and said.count("\n") == 1 and "File too large" in said
    assert not list(out.iterdir())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with no_room(50_000):  # room for sample grids, not for the state
        assert main(["runs", "import", str(whole), "--out", str(tmp_path / "new")]) == 2
        assert main(["runs", "import", str(whole), "--out", str(folder), "--replace"]) == 2
    assert "File too large" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not (tmp_path / "new").exists()


def test_no_space_left_is_told_as_such(begin, tmp_path, monkeypatch, capsys):
    folder = begin()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["runs", "export", str(folder), str(tmp_path / "some.run")]) == 2
    assert capsys.readouterr().err == f"genstudio: {tmp_path / 'some.run'}: No space left on device\n"
    state = (folder / "state.pt").read_bytes()
    with pytest.raises(OSError, match="No space left on device"):
        go_on(folder)
    assert (folder / "state.pt").read_bytes() == state and not list(tmp_path.rglob("*.part"))


# Files of strangers


@pytest.fixture
def forged(begin, tmp_path):
    """forged(header changes, members, tensors): a run file that says otherwise, and what reading it says."""
    [path] = runs.export(begin(), tmp_path / "true.run")
    with zipfile.ZipFile(path) as archive:
        true = {name: archive.read(name) for name in archive.namelist()}

    def forge(
        header: dict | bytes | None = None, members: dict | None = None, tensors=None, packed: bool = False
    ) -> Path:
        files = dict(true)
        if isinstance(header, bytes):
            files["run.json"] = header
        else:
            files["run.json"] = json.dumps(json.loads(true["run.json"]) | (header or {})).encode()
        if tensors:
            found = safetensors.torch.load(true["state.safetensors"])
            tensors(found)
            files["state.safetensors"] = safetensors.torch.save(found)
        files |= members or {}
        with zipfile.ZipFile(
            tmp_path / "forged.run", "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        ) as archive:
            for name, content in files.items():
                if content is not None:
                    archive.writestr(name, content)
        return tmp_path / "forged.run"

    return forge


def refused(path: Path, words: str) -> None:
    """In words, before anything is written."""
    before = set(path.parent.iterdir())
    with pytest.raises(ValueError, match=words):
        runs.import_(path, path.parent / "target")
    assert set(path.parent.iterdir()) == before


@pytest.mark.parametrize(
    "header, words",
    [
        ({"format": 3}, "has format 3; this GenStudio reads up to 2: please update"),
        ({"format": "1"}, "damaged: its format"),
        ({"format": -1}, "format -1|damaged"),
        ({"system": "nothing"}, "no system is called 'nothing'"),
        ({"system": ["tiny"]}, "damaged: its system"),
        ({"system": "styled"}, "does not fit styled|no place|cannot|damaged"),
        ({"arguments": {"width": 8}}, "tiny has no argument 'width'"),
        ({"arguments": []}, "damaged: its arguments"),
        ({"recipe": {}}, "must say how many images"),
        ({"recipe": {"images": 10, "batch": 0.5}}, "cannot have batch '0.5'"),
        ({"recipe": {"images": 10, "beta": 1}}, "cannot have beta"),
        ({"recipe": {"images": 10, "betas": [2, 0.9]}}, "cannot have betas"),
        ({"recipe": {"images": 10, "rate": float("nan")}}, "cannot have rate"),
        ({"recipe": {"images": 10, "rates": {"judge": 1.0}}}, "rates are of critic, generator"),
        ({"recipe": {"images": 10, "freeze": 3000}}, "freeze must be less than"),
        ({"recipe": "fast"}, "damaged: its recipe"),
        ({"step": -1}, "damaged: step -1"),
        ({"step": 1.5}, "damaged: its step"),
        ({"minutes": float("inf")}, "damaged: step"),
        ({"classes": [1]}, "damaged: its classes"),
        ({"classes": ["cat"]}, "it names 1 classes, and its network has 0"),
        ({"learned_from": ["faces"]}, "damaged: its learned_from"),
        ({"learned_from": [{"name": 1}]}, "damaged: it learned from"),
        ({"data": {}}, "damaged: its data"),
        (b"[]", "no JSON object"),
        (b"{", "no JSON object"),
        (b"[" * 100_000, "no JSON object"),
        (b" " * 2_000_000, "its header has 2000000 bytes"),
        (b"{}", "names no system"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(forged, header, words):
    refused(forged(header), words)


@pytest.mark.parametrize(
    "members, words",
    [
        ({"../escape.png": b""}, "is no part of a run"),
        ({"/walls/00000001.png": b""}, "is no part of a run"),
        ({"walls/../../00000001.png": b""}, "is no part of a run"),
        ({"state.pt": b"pickle"}, "is no part of a run"),
        ({"job.json": b"{}"}, "is no part of a run"),
        ({"best/other.safetensors": b"{}"}, "no part of a run of tiny"),
        ({"best/tiny.safetensors": b"{}"}, "not a whole safetensors file"),
        ({"walls/00000001.png": b"GIF89a"}, "is no sample grid"),
        ({"reports.jsonl": b"{\n"}, "one of its reports cannot be read"),
        ({"reports.jsonl": b'{"step": "1"}\n'}, "one of its reports cannot be read"),
        ({"reports.jsonl": b'{"step": 1, "terms": 3}\n'}, "not as training writes it"),
        ({"state.safetensors": None}, "it holds no state"),
        ({"state.safetensors": b""}, "its state cannot be read"),
        ({"state.safetensors": b"\xff" * 1000}, "its state cannot be read"),
        ({"state.safetensors": b"0" * 3_000_000}, "its state has 3000000 bytes"),
        ({"run.json": None}, "holds no run.json"),
    ],
)
def test_a_member_that_is_no_part_of_a_run_is_refused(forged, members, words):
    refused(forged(members=members), words)


def test_a_bomb_is_refused_before_it_is_unpacked(forged):
    refused(forged(members={"reports.jsonl": b" " * 5_000_000}, packed=True), "reports.jsonl' unpacks to 5000000 bytes")


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda t: t.update({"model/extra": torch.zeros(1)}), "model/extra has no place"),
        (lambda t: t.update({"extra": torch.zeros(1)}), "extra has no place"),
        (
            lambda t: t.update({"optimizers/judge/critic.0.weight/step": torch.zeros(())}),
            "optimizers/judge.* has no place",
        ),
        (lambda t: t.pop("model/critic.0.weight"), "model/critic.0.weight is missing"),
        (lambda t: t.pop("optimizers/critic/critic.0.weight/exp_avg"), "critic.0.weight/exp_avg is missing"),
        (lambda t: t.update({"model/critic.0.weight": torch.zeros(2)}), r"should be torch.float32 \(8, 3"),
        (lambda t: t.update({"average/critic.0.weight": t["model/critic.0.weight"].half()}), "is torch.float16"),
        (lambda t: t["model/critic.0.weight"].fill_(float("nan")), "model/critic.0.weight is not finite"),
        (lambda t: t["optimizers/critic/critic.0.weight/exp_avg_sq"].fill_(float("inf")), "exp_avg_sq is not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(forged, change, words):
    refused(forged(tensors=change), words)


def test_a_torn_file_and_one_of_another_kind_are_refused(begin, tmp_path, capsys):
    [path] = runs.export(begin(), tmp_path / "some.run")
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused(path, "is not a whole run file")
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    refused(path, "damaged")
    (tmp_path / "empty").mkdir()
    assert main(["runs", "import", str(tmp_path / "empty")]) == 2
    assert "holds no run that was begun" in capsys.readouterr().err
    folder = tmp_path / "run"
    (folder / "state.pt").write_bytes((folder / "state.pt").read_bytes()[:1000])
    with pytest.raises(ValueError, match="its state.pt cannot be read"):
        runs.export(folder, tmp_path / "new.run")
    assert not (tmp_path / "new.run").exists()


def test_a_run_is_not_lost_to_an_import(begin, tmp_path):
    first, second = begin(), begin(steps=9, out=tmp_path / "second")
    other = begin("styled", out=tmp_path / "styled")
    [path] = runs.export(second, tmp_path / "second.run")
    with pytest.raises(ValueError, match="holds a run already"):
        runs.import_(path, first)
    with pytest.raises(ValueError, match="holds a run of styled, not of tiny"):
        runs.import_(path, other, replace=True)
    assert runs.read_folder(first).header.step == 6
    with pytest.raises(ValueError, match="is there already, and holds no run"):
        runs.import_(path, tmp_path)
    runs.import_(path, first, replace=True)
    assert runs.read_folder(first).header.step == 9 and not list(tmp_path.glob(".*"))
    with pytest.raises(ValueError, match="holds a run of tiny, not of styled"):
        next(loop.train("styled", out=first, resume=True))


# The command line


def test_runs_are_listed_exported_and_imported_from_the_command_line(begin, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    assert main(["runs", "list"]) == 0 and "No runs yet" in capsys.readouterr().out
    begin(out=tmp_path / "home" / "runs" / "mine")
    broken = tmp_path / "home" / "runs" / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    assert main(["runs", "list"]) == 0
    one, two = capsys.readouterr().out.splitlines()
    assert one.startswith("broken") and "damaged" in one
    assert (
        two.startswith("mine")
        and "48 of 96 images" in two
        and "/s, " in two
        and " MB of 20" in two
        and two.endswith("tiny")
    )
    assert main(["runs", "list", "--json"]) == 0
    assert [line["images"] for line in json.loads(capsys.readouterr().out)] == [0, 48]
    assert main(["runs", "export", "mine", str(tmp_path / "x.run"), "--part", "0.02", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)
    assert len(files) > 3 and all(file["bytes"] <= 20_000 for file in files)
    assert main(["runs", "import", str(tmp_path / "x.run")]) == 0
    assert "tiny, 48 images. To go on: python -m genstudio train tiny --resume" in capsys.readouterr().out
    assert (tmp_path / "home" / "runs" / "tiny" / "state.pt").exists()
    for words, said in [
        (["runs", "export"], "which run"),
        (["runs", "export", "none"], "there is no run none"),
        (["runs", "import"], "which file"),
        (["runs", "import", "none.run"], "does not exist"),
        (["runs", "export", "mine", str(tmp_path / "y.run"), "--part", "0"], "a part has"),
    ]:
        assert main(words) == 2
        assert said in capsys.readouterr().err


# Packed pixels


def flat_pictures(count: int = 40) -> data.Pictures:
    """Grey digits of few shades, as ae2d_mnist draws them."""
    draw = np.random.RandomState(0)
    images = np.kron(draw.randint(0, 4, (count, 1, 7, 7)), np.ones((4, 4))).astype(np.uint8) * 60
    labels = torch.from_numpy(draw.randint(0, 10, count))
    return data.Pictures("mnist", torch.from_numpy(images), labels, tuple(map(str, range(10))), credit="somebody")


def assert_packed(found: data.Pictures, path: Path) -> None:
    pixels.save(found, path)
    back = data.Pictures(**pixels.load(path))
    assert torch.equal(back.images, found.images) and back.digest() == found.digest()
    assert (back.name, back.classes, back.values, back.credit, back.conditions.keys()) == (
        found.name,
        found.classes,
        found.values,
        found.credit,
        found.conditions.keys(),
    )
    assert all(
        torch.equal(back.conditions[name], values) and back.conditions[name].dtype == values.dtype
        for name, values in found.conditions.items()
    )


def shapes(count: int, side: int = 20) -> torch.Tensor:
    """Pictures (count, 3, side, side) that have parts in common, in colours of their own."""
    draw = np.random.RandomState(1)
    forms = draw.rand(3, side, side) > 0.7
    images = np.full((count, 3, side, side), 255, np.uint8)
    for image in images:
        for form in forms[draw.rand(3) > 0.4]:
            image[:, form] = draw.randint(0, 256, (3, 1))
    return torch.from_numpy(images)


def test_pixels_come_back_equal_from_a_pack(tmp_path, monkeypatch):
    """Several generations, blocks that are cut off at the border, palettes of one colour to 256, and more than that."""
    monkeypatch.setattr(pixels, "FIRST", 15)
    flat = replace(flat_pictures(), images=flat_pictures().images[..., :12, :10].clone())
    assert_packed(flat, tmp_path / "grey.pixels")
    assert_packed(replace(flat, conditions={"glasses": flat.labels > 4, "hair": flat.labels - 1},
            values={"glasses": (), "hair": tuple("abcdefghi")}), tmp_path / "conditions.pixels")
    drawing = data.Pictures("drawn", shapes(47, 18))
    assert_packed(drawing, tmp_path / "drawn.pixels")
    with zipfile.ZipFile(tmp_path / "drawn.pixels") as archive:
        assert "codes" in archive.namelist()
    assert_packed(data.Pictures("one", torch.zeros(1, 3, 3, 5, dtype=torch.uint8)), tmp_path / "one.pixels")
    noise = torch.randint(0, 256, (7, 3, 24, 24), dtype=torch.uint8)
    assert_packed(data.Pictures("noise", noise[:, :1, :16, :16]), tmp_path / "256.pixels")
    assert_packed(data.Pictures("noise", noise), tmp_path / "noise.pixels")
    with pytest.raises(ValueError, match="sources and targets"):
        pixels.save(replace(flat, sources=flat.images), tmp_path / "pairs.pixels")


def test_what_pictures_have_in_common_is_packed_once(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "FIRST", 50)
    images = shapes(400)
    size = pixels.save(data.Pictures("drawn", images), tmp_path / "drawn.pixels")
    png = 0
    for image in images:
        stream = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).quantize(8).save(stream, "PNG", optimize=True)
        png += stream.tell()
    assert size < 0.5 * png


def test_a_pack_that_is_torn_or_newer_is_refused(tmp_path):
    pixels.save(data.Pictures("drawn", shapes(20)), tmp_path / "drawn.pixels")
    with zipfile.ZipFile(tmp_path / "drawn.pixels") as archive:
        true = {name: archive.read(name) for name in archive.namelist()}
    said = json.loads(true["set.json"])

    def forge(**changes: bytes) -> Path:
        with zipfile.ZipFile(tmp_path / "forged.pixels", "w") as archive:
            for name, content in (
                true | {name.replace("_", "."): content for name, content in changes.items()}
            ).items():
                archive.writestr(name, content)
        return tmp_path / "forged.pixels"

    for changes, words in [
        ({"set_json": json.dumps(said | {"format": 2}).encode()}, "has format 2"),
        ({"set_json": json.dumps(said | {"shape": [10**9, 3, 20, 20]}).encode()}, "which is too much"),
        ({"set_json": json.dumps(said | {"shape": [21, 3, 20, 20]}).encode()}, "not a whole set of pixels"),
        ({"set_json": b"[]"}, "not a whole set of pixels"),
        ({"set_json": b"{"}, "not a whole set of pixels"),
        ({"codes": true["codes"][:-40]}, "not a whole set of pixels"),
        ({"codes": b""}, "not a whole set of pixels"),
        ({"palettes_xz": b"xz"}, "not a whole set of pixels"),
    ]:
        with pytest.raises(ValueError, match=words):
            pixels.load(forge(**changes))
    with zipfile.ZipFile(tmp_path / "bomb.pixels", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("set.json", b" " * 10_000_000)
    with pytest.raises(ValueError, match="packed twice"):
        pixels.load(tmp_path / "bomb.pixels")
    (tmp_path / "half.pixels").write_bytes((tmp_path / "drawn.pixels").read_bytes()[:500])
    with pytest.raises(ValueError, match="not a whole set of pixels"):
        data.load(str(tmp_path / "half.pixels"))


def test_a_pack_stands_for_its_set(tmp_path, monkeypatch, capsys):
    """By name where it lies with the data, and by its path; it has no pictures that are held out."""
    drawn = data.Pictures("faces", shapes(20, 16), credit="somebody")
    monkeypatch.setitem(data.SETS, "faces", lambda split, shape: drawn)
    assert main(["data", "pack", "faces", str(tmp_path / "data" / "faces.pixels")]) == 0
    assert "20 pictures, 0.0 MB" in capsys.readouterr().out
    monkeypatch.setenv("GENSTUDIO_DATA", str(tmp_path / "data"))

    def absent(split, shape):
        raise ValueError("faces.zip is not there")

    monkeypatch.setitem(data.SETS, "faces", absent)
    for name in ("faces", str(tmp_path / "data" / "faces.pixels")):
        found = data.load(name, "train", (3, 16, 16))
        assert found.digest() == drawn.digest() and found.name == "faces" and found.credit == "somebody"
        with pytest.raises(ValueError, match="not there|to train on alone"):
            data.load(name, "test", (3, 16, 16))
    assert data.load("faces", "train", (1, 8, 8)).shape == (1, 8, 8)
    assert (
        main(["data", "pack", "nothing", str(tmp_path / "x.pixels")]) == 2
        and "none of the sets" in capsys.readouterr().err
    )


# A machine that is lent

BARE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"gradio", "av", "segno", "psutil", "filelock", "cv2"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


def test_make_lease_goes_on_with_a_run_on_a_bare_machine(begin, tmp_path, monkeypatch):
    """Through make, with the Python on the PATH, and nothing installed but what training needs."""
    bare, folder = tmp_path / "bare", tmp_path / "lease"
    bare.mkdir()
    (bare / "sitecustomize.py").write_text(BARE)
    python = bare / "python3"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    pixels.save(flat_pictures(), folder / "data" / "mnist.pixels")
    monkeypatch.setenv("GENSTUDIO_DATA", str(folder / "data"))
    runs.export(begin("ae2d_mnist", data="mnist", steps=2, batch=8), folder / "runs" / "ae2d_mnist.run", 500_000)
    environment = os.environ | {"PATH": f"{bare}:{os.environ['PATH']}", "PYTHONPATH": str(bare), "OMP_NUM_THREADS": "1"}
    del environment["GENSTUDIO_DATA"]
    environment |= {"GENSTUDIO_HOME": str(tmp_path / "home"), "OUT": str(tmp_path / "out")}
    words = ["make", "lease", "SYSTEMS=ae2d_mnist vae2d_mnist", "MINUTES=0.05"]
    words += [f"ARGS=--device cpu --part 0.5 --folder {folder}"]
    done = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "out").iterdir())
    assert len(files) > 3 and all(file.stat().st_size <= 500_000 and file.name in done.stdout for file in files)
    assert "vae2d_mnist: it is done already, or no time was left for it" in done.stderr
    header = runs.read(files[0]).header
    assert header.system == "ae2d_mnist" and header.step > 2 and len(header.learned_from) == 1
    assert not (tmp_path / "home").exists(), "all lies in the folder"


def test_a_lease_skips_what_is_done_and_takes_the_newer_state(begin, pictures, tmp_path, monkeypatch):
    monkeypatch.setitem(systems(), "other", replace(tiny.system, name="other", build=dcgan, recipe=RECIPE))
    monkeypatch.setenv("GENSTUDIO_DATA", os.environ.get("GENSTUDIO_DATA", ""))
    folder = tmp_path / "lease"
    (folder / "runs").mkdir(parents=True)
    runs.export(begin(steps=9), folder / "runs" / "tiny.run")
    begin(steps=3, out=folder / "runs" / "tiny")

    def leased(minutes: float = 9.0) -> dict[str, list]:
        found: dict[str, list] = {}
        for name, said in lease.lease(
            ["tiny", "other"], folder, minutes=minutes, part=50_000, data=str(pictures), device="cpu"
        ):
            found.setdefault(name, []).append(said)
        return found

    said = leased()
    assert said["tiny"][0].step > 9 and said["tiny"][-2].step == 12 and said["other"][-2].step == 12
    assert {file.parent for name in said for file in said[name][-1]} == {folder / "out"}
    assert runs.read(folder / "out" / "tiny.run").header.images == 96
    assert leased() == {}
    assert leased(minutes=-1.0) == {}
    with pytest.raises(ValueError, match="no system is called"):
        next(lease.lease(["tiny", "nothing"], folder))
