"""Jobs that train: paused, stopped, killed and resumed, they leave the weights of a run that nobody interrupted.

The pictures are a zip of synthetic digits, the system is the quickest one.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from genstudio import checkpoint
from genstudio.registry import systems
from genstudio.training import jobs, loop, monitor, sample_grid, worker
from genstudio.training.jobs import DONE, FAILED, PAUSED, RUNNING, STOPPED, JobSpec
from tests.training.test_jobs import ROOT, home, kill, pid_of, state, until, wait_for  # noqa: F401

AT_LENGTH = os.environ.get("GENSTUDIO_SLOW") == "1"  # `make slow`
JOBS = 7 if AT_LENGTH else 1  # each killed three times
IMAGES = 16_000  # a few seconds
ORDERED = {"images": IMAGES, "batch": 32, "warmup": 500}
pytestmark = pytest.mark.timeout(900)  # a process after the other, each at low priority, on a machine that may be busy
# `python -m genstudio` with few sample grids: they are not what is tested, and take most of the time.
PROGRAM = "import sys; from genstudio import cli; from genstudio.training import sample_grid; sample_grid.FRAMES = 2; sys.exit(cli.main(sys.argv[1:]))"


@pytest.fixture(scope="module", autouse=True)
def as_many_threads():
    """As a job has: other sums would be other bytes."""
    before = torch.get_num_threads()
    torch.set_num_threads(jobs.threads())
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """120 bright squares at random places."""
    path, draw = tmp_path_factory.mktemp("pictures") / "squares.zip", np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(120):
            square, body = np.zeros((28, 28), np.uint8), io.BytesIO()
            top, left = draw.integers(2, 18, 2)
            square[top : top + 8, left : left + 8] = draw.integers(120, 256)
            Image.fromarray(square).save(body, "PNG")
            archive.writestr(f"{i}.png", body.getvalue())
    return path


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Few sample grids, here and in the processes of jobs, which do not stand back: whatever else runs would stop
    them."""
    plain = jobs.command
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_grid, "FRAMES", 2)
        patch.setattr(worker, "NICENESS", 0)
        patch.setattr(jobs, "command", lambda *job: [sys.executable, "-c", PROGRAM, *plain(*job)[3:]])
        yield


@pytest.fixture(scope="module")
def uninterrupted(pictures, tmp_path_factory) -> dict[str, torch.Tensor]:
    """Weights of a run that nobody interrupts, and nobody watches."""
    out = tmp_path_factory.mktemp("whole")
    list(loop.train("dense_vae", data=str(pictures), out=out, device="cpu", **ORDERED))
    return load_file(out / "dense_vae.safetensors")


@pytest.fixture
def on_processor(monkeypatch):
    """Equal bytes are promised on a processor; and states are written often enough to lose one now and then."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(jobs, "SAVE_MINUTES", 0.01)


def assert_whole(folder: Path) -> None:
    """Every file that it leaves can be read to its end, and none is a part of one."""
    for path in filter(Path.is_file, folder.rglob("*")):
        assert path.suffix != ".part", path
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".jsonl":
            assert path.read_text().endswith("\n")
            steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
            assert steps == sorted(set(steps)), path
        elif path.suffix == ".safetensors":
            checkpoint.load(path)
        elif path.suffix in (".png", ".webp"):
            with Image.open(path) as picture:
                picture.load()
        elif path.name == "state.pt":
            torch.load(path, weights_only=True)


def assert_equal(made: Path, whole: dict[str, torch.Tensor]) -> None:
    tensors = load_file(made)
    assert tensors.keys() == whole.keys()
    assert not [name for name in whole if not torch.equal(tensors[name], whole[name])]


def test_a_run_that_is_watched_at_every_step_learns_what_one_that_is_not_learns(pictures, tmp_path, monkeypatch):
    """Batch norm in both networks, random shifts and mirrors: a look that drew one random number would be seen."""
    from tests.training.test_loop import state_of, tiny

    monkeypatch.setitem(systems(), "tiny", tiny.system)
    monkeypatch.setattr(monitor, "RARE", 0)
    monkeypatch.setattr(monitor, "SEEN", 64)
    for name, minutes in (("alone", None), ("watched", 0.0)):
        options = {"images": 32, "watch_minutes": minutes, "device": "cpu"}
        list(loop.train("tiny", data=str(pictures), out=tmp_path / name, **options))
    alone, watched = tmp_path / "alone", tmp_path / "watched"
    assert len(list((watched / "watch").glob("*.png"))) == len(list((watched / "watch" / "raw").glob("*.png"))) == 4
    assert [evaluation.step for evaluation in monitor.read_evaluations(watched)] == list(range(1, 5))
    for name in ("tiny.safetensors", "tiny.critic.safetensors"):
        assert_equal(watched / name, load_file(alone / name))
    one, other = state_of(alone), state_of(watched)
    assert one.keys() == other.keys() and not [name for name in one if not torch.equal(one[name], other[name])]


@pytest.mark.slow
def test_a_job_that_was_paused_stopped_and_killed_makes_what_an_unwatched_run_makes(
    pictures, uninterrupted, on_processor, subtests
):
    """One job, for each of its processes takes seconds to start."""
    job = jobs.start(JobSpec("dense_vae", str(pictures), recipe=ORDERED))
    with subtests.test("paused, it has been looked at and has no weights yet"):
        until(lambda: job.reports and (job.folder / "checkups.jsonl").exists())
        jobs.pause(job.id)
        paused = wait_for(job, PAUSED)
        assert paused.weights is None and list((job.folder / "watch" / "raw").glob("*.png"))
    with subtests.test("stopped after a pause, its weights are kept"):
        jobs.stop(job.id)
        stopped = wait_for(job, STOPPED)
        first = checkpoint.describe(stopped.weights).images
        assert 0 < first == stopped.images < IMAGES
    with subtests.test("stopped while it runs, too"):
        jobs.resume(job.id)
        until(lambda: job.images > first)
        jobs.stop(job.id)
        stopped = wait_for(job, STOPPED)
        assert first < checkpoint.describe(stopped.weights).images == stopped.images < IMAGES
        assert_whole(job.folder)
    with subtests.test("killed, it says so"):
        seen = stopped.images
        jobs.resume(job.id)
        until(lambda: job.images > seen)
        kill(pid_of(job))
        assert wait_for(job, FAILED).why == jobs.KILLED
    with subtests.test("its weights are those of a run that nobody interrupted"):
        jobs.resume(job.id)
        done = wait_for(job, DONE)
        assert done.images == IMAGES and done.why is None
        assert_equal(done.weights, uninterrupted)
        assert_whole(job.folder)
    with subtests.test("killed as it wrote them, it writes them again, with no step left to report"):
        for file in (done.weights, job.folder / "ended.json"):
            file.unlink()
        until(lambda: state(job) == FAILED)
        jobs.resume(job.id)
        assert_equal(wait_for(job, DONE).weights, uninterrupted)


SERVER = f"""
import sys
from genstudio.training import jobs, worker
plain = jobs.command
jobs.command = lambda *job: [sys.executable, "-c", {PROGRAM!r}, *plain(*job)[3:]]
jobs.SAVE_MINUTES, worker.NICENESS = 0.01, 0
keeper = jobs.Supervisor()
keeper.start()
keeper.join()
"""


@contextmanager
def server() -> Iterator[subprocess.Popen]:
    """A process that looks after the jobs, killed in the end."""
    environment = os.environ | {"GENSTUDIO_JOBS_AT_ONCE": "1"}
    process = subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(JOBS))
def test_killed_at_any_moment_nothing_is_lost_but_what_came_after_the_last_state(
    number, pictures, uninterrupted, on_processor, monkeypatch
):
    """The process at work, then the server, then both. Another server goes on, to the bytes of a run that nobody
    interrupted."""
    draw, kept = random.Random(number), []
    monkeypatch.setenv("GENSTUDIO_JOBS_AT_ONCE", "0")
    job = jobs.start(JobSpec("dense_vae", str(pictures), recipe=ORDERED))

    def strike(*victims: subprocess.Popen | None) -> None:
        """After the next report, and up to a second more. None stands for the process at work."""
        seen, moment = job.images, draw.uniform(0, 1)
        until(lambda: job.images > seen or state(job) == DONE)
        time.sleep(moment)
        for victim in victims:
            if victim:
                victim.kill()
            elif state(job) == RUNNING:
                os.kill(pid_of(job), signal.SIGKILL)
        wait_for(job, *((FAILED, DONE) if None in victims else (RUNNING, DONE)))
        state_file = job.folder / "state.pt"
        saved = torch.load(state_file, weights_only=True)["step"] if state_file.exists() else 0
        kept.append([report for report in job.reports if report["step"] <= saved])
        lost = job.images // ORDERED["batch"] - saved
        print(f"job {number}, {moment:.2f} s after a report: {lost} reported steps after the last state, at {saved}")

    with server() as first:
        strike(None)
        if state(job) == FAILED:
            jobs.resume(job.id)
        strike(first)
    with server() as second:
        strike(None, second)
    monkeypatch.setenv("GENSTUDIO_JOBS_AT_ONCE", "1")
    if state(job) == FAILED:
        jobs.resume(job.id)
    done = wait_for(job, DONE)
    for before in kept:
        assert done.reports[: len(before)] == before, "what was there before the last state is there still"
    assert_equal(done.weights, uninterrupted)
    assert_whole(job.folder)
