"""Systems from a file of the user's own: the example of docs/ in all that a system of GenStudio does."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import catalog, checkpoint, registry
from genstudio.cli import main
from genstudio.importers import identify
from genstudio.training import jobs
from genstudio.training.step_by_step import Stepper
from tests import ROOT

EXAMPLE = ROOT / "docs" / "own_system.py"


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    """A folder with the example and forty pictures, and no system of the user's own yet."""
    (tmp_path / "work" / "pictures").mkdir(parents=True)
    shutil.copy(EXAMPLE, tmp_path / "work" / "mine.py")
    for i in range(40):
        noise = np.random.default_rng(i).integers(0, 256, (12, 12), np.uint8)
        Image.fromarray(noise).save(tmp_path / "work" / "pictures" / f"{i}.png")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(registry.FILES, "")
    registry.of_file.cache_clear()
    registry.with_files.cache_clear()
    yield
    registry.of_file.cache_clear()
    registry.with_files.cache_clear()


def run(*words: str) -> None:
    assert main(list(map(str, words))) == 0


def refused(capsys, *words: str) -> str:
    capsys.readouterr()
    assert main(list(map(str, words))) == 2
    said = capsys.readouterr().err
    assert said.startswith("genstudio: ") and said.count("\n") == 1, said
    return said


def forget(monkeypatch) -> None:
    """As a process that was started without the file, or with one that has changed."""
    monkeypatch.setenv(registry.FILES, "")
    registry.of_file.cache_clear()
    registry.with_files.cache_clear()


def trained(**more: str) -> Path:
    run("train", "mine.py:my_gan", "--data", "pictures", "--images", 640, "--out", "run", "--network", "hidden=16")
    return Path("run/my_gan.safetensors")


def test_the_example_trains_resumes_opens_and_draws(capsys):
    assert len(EXAMPLE.read_text().splitlines()) <= 45 and "own_system.py" in (ROOT / "docs" / "training.md").read_text()
    weights = trained()
    header = checkpoint.describe(weights)
    assert header.source == {"file": "mine.py", "digest": registry.find_system("my_gan").digest}
    assert header.images == 640 and "train mine.py:my_gan --data" in header.command
    assert f"--systems {Path('mine.py').resolve()}" in capsys.readouterr().out
    run("train", "mine.py:my_gan", "--resume", "--images", 1280, "--out", "run")
    assert checkpoint.describe(weights).images == 1280
    run("open", weights, "--systems", "mine.py")
    assert "my_gan" in catalog.offered("latents", "decode") and "my_gan" not in catalog.offered("translate")
    run("sample", "my_gan", "--seeds", "1-3", "--truncation", "0.5", "--out", "out")
    assert sorted(os.listdir("out")) == ["0001.png", "0002.png", "0003.png"]
    run("replay", "out/0002.png", "--out", "again.png")
    assert (np.asarray(Image.open("again.png")) == np.asarray(Image.open("out/0002.png"))).all()


def test_a_file_that_is_absent_or_has_changed_is_said_in_a_sentence(monkeypatch, capsys):
    weights = trained()
    run("open", weights)
    forget(monkeypatch)
    commands = [["sample", "my_gan", "--seeds", "1"], ["score", "my_gan"], ["open", weights]]
    for words in commands:
        said = refused(capsys, *words)
        assert "a system of mine.py, which is not here: start with --systems mine.py" in said
    assert identify.identify(weights).kind == "broken" and catalog.offered("decode") == {} or "my_gan" not in catalog.offered("decode")
    run("list")
    assert "mine.py" in capsys.readouterr().out
    Path("mine.py").write_text(Path("mine.py").read_text() + "# another line\n")
    for words in [*commands, ["train", "my_gan", "--resume", "--images", "1280", "--out", "run"]]:
        assert "mine.py has changed: my_gan was trained with" in refused(capsys, *words, "--systems", "mine.py")
    Path("mine.py").unlink()
    forget(monkeypatch)
    assert "mine.py cannot be read: No such file" in refused(capsys, "train", "mine.py:my_gan", "--out", "other")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("import nowhere_at_all", "does not run: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("def f(:", "does not run: SyntaxError"),
        ("raise SystemExit('bye')", "does not run: SystemExit: bye"),
        ("x = 1", "declares no system: a function with @system"),
        (EXAMPLE.read_text().replace(" -> MyGAN", ""), "does not say what it returns"),
        (EXAMPLE.read_text().replace("def my_gan", "def vae_mnist"), "declares 'vae_mnist', but genstudio.models.vae has declared it already"),
        (None, "cannot be read: No such file or directory"),
    ],
)
@pytest.mark.parametrize("by", ["--systems", "environment"])
def test_a_file_that_declares_nothing_usable_is_one_sentence(content, said, by, monkeypatch, capsys):
    Path("bad.py").write_text(content) if content is not None else None
    if by == "environment":
        monkeypatch.setenv(registry.FILES, os.path.abspath("bad.py"))
    assert said in refused(capsys, "list", *(["--systems", "bad.py"] if by == "--systems" else []))


def test_a_name_that_the_file_does_not_declare_is_refused(capsys):
    assert "mine.py declares my_gan, not 'yours'" in refused(capsys, "train", "mine.py:yours")
    assert "a Python file" in refused(capsys, "list", "--systems") and "NAME.py" in refused(capsys, "list", "--systems", "a.txt")


def test_an_upload_a_checkpoint_or_a_recipe_runs_nothing(capsys):
    """Neither a file that is opened nor a header that names one."""
    Path("evil.py").write_text("open('canary', 'w')")
    refused(capsys, "open", "evil.py")
    shown = checkpoint.Header("my_gan", source={"file": os.path.abspath("evil.py"), "digest": "0"})
    checkpoint.save("my_gan.safetensors", torch.nn.Linear(2, 2), shown)
    assert "which is not here" in refused(capsys, "sample", "my_gan.safetensors", "--seeds", "1")
    refused(capsys, "replay", f"verb=sample&system={os.path.abspath('evil.py')}:f&seed=1")
    job = jobs.Job("1", jobs.JobSpec(f"{os.path.abspath('evil.py')}:f", "pictures"), jobs.WAITING)
    with pytest.raises(ValueError, match="no system is called"):
        jobs.command(job, jobs.Limits.here())
    assert not Path("canary").exists()


def test_it_is_played_step_by_step():
    trained()
    stepper = Stepper(Path("run"), device="cpu")
    before = stepper.run.step
    stepper.step()
    assert stepper.run.step == before + 1


def test_it_runs_as_a_job(monkeypatch):
    registry.use_files(["--systems", "mine.py"])
    job = jobs.start(jobs.JobSpec("my_gan", str(Path("pictures").resolve()), recipe={"images": 640}))
    until = time.monotonic() + 120
    while jobs.find_job(job.id).state not in (jobs.DONE, jobs.FAILED) and time.monotonic() < until:
        jobs.schedule()
        time.sleep(0.2)
    ended = jobs.find_job(job.id)
    assert ended.state == jobs.DONE, ended.why
    assert checkpoint.describe(ended.folder / "my_gan.safetensors").source["file"] == "mine.py"


@pytest.mark.skipif(importlib.util.find_spec("torch.distributed.run") is None, reason="torchrun")
def test_it_trains_in_two_processes():
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "genstudio", "train"]
    words += ["mine.py:my_gan", "--data", "pictures", "--images", "640", "--out", "both", "--device", "cpu"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert json.loads(Path("both/run.json").read_text())["source"]["file"] == "mine.py"
    assert checkpoint.describe("both/my_gan.safetensors").images == 640


def test_the_page_starts_with_a_file_or_says_why_not():
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    Path("bad.py").write_text("1 / 0")
    ended = subprocess.run([sys.executable, str(ROOT / "app.py"), "--systems", "bad.py"], env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1 and ended.stderr.endswith("bad.py does not run: ZeroDivisionError: division by zero\n")
