"""Jobs: they wait their turn, are paused, stopped and resumed, outlive the server, and break off without loss.

Most of these tests put a few lines of Python in the place of a training; the last ones train.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from genstudio import checkpoint, jobs, paths, train, watch
from genstudio.cli import main
from genstudio.jobs import DONE, FAILED, PAUSED, RUNNING, STOPPED, WAITING, Job, Limits, Order
from genstudio.registry import systems
from genstudio.rows import rows

ROOT = Path(__file__).resolve().parent.parent
AT_LENGTH = os.environ.get("GENSTUDIO_SLOW") == "1"  # `make slow`
KILLS = 20 if AT_LENGTH else 3

WORKER = """
import json, os, signal, sys, time
from pathlib import Path

folder, how = Path(sys.argv[1]), sys.argv[2]

def end(how):
    part = folder / "ended.part"
    part.write_text(json.dumps({"how": how}))
    os.replace(part, folder / "ended.json")
    sys.exit()

with (folder / "begins").open("a") as file:
    file.write(f"{os.getpid()}\\n")
if how == "complains":
    print("so far, so good")
    sys.exit("there is no room for such a picture")
if how.startswith("SIG"):
    os.kill(os.getpid(), getattr(signal, how))
if how == "ends":
    end("done")
while True:
    wish = (folder / "wish").read_text() if (folder / "wish").exists() else ""
    if wish:
        end({"pause": "paused", "stop": "stopped"}[wish])
    time.sleep(0.02)
"""


def worker(job: Job, limits: Limits) -> list[str]:
    """Sleeps, unless the order says otherwise, and does what it is asked."""
    return [sys.executable, "-S", "-c", WORKER, str(job.folder), job.order.recipe.get("how", "sleeps")]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home without jobs, in which nothing goes on afterwards."""
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    for name in ("AT_ONCE", "WAITING", "EACH", "MINUTES", "HOURS"):
        monkeypatch.delenv(f"GENSTUDIO_JOBS_{name}", raising=False)
    yield tmp_path / "home"
    monkeypatch.setenv("GENSTUDIO_JOBS_AT_ONCE", "0")
    for job in jobs.all_():
        jobs.delete(job.id)
    until(lambda: not jobs._children)


@pytest.fixture
def pretended(monkeypatch):
    monkeypatch.setattr(jobs, "command", worker)


def order(how: str = "sleeps", owner: str = "") -> Order:
    return Order("ae2d_mnist", "mnist", recipe={"how": how}, owner=owner)


def until(true: Callable[[], object], seconds: float = 180) -> None:
    """Waits, and looks after the jobs as a server does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, [(job.id, job.state, job.why) for job in jobs.all_()]
        jobs.tend()
        time.sleep(0.05)


def state(job: Job) -> str:
    return jobs.find(job.id).state


def wait_for(job: Job, *states: str, seconds: float = 180) -> Job:
    until(lambda: state(job) in states, seconds)
    return jobs.find(job.id)


def pid_of(job: Job) -> int:
    return json.loads((job.folder / "begun.json").read_text())["pid"]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def begins(job: Job) -> list[int]:
    file = job.folder / "begins"
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


# Turns and limits


def test_one_runs_and_the_others_wait_in_the_order_in_which_they_came(pretended, monkeypatch):
    first, second, third = (jobs.start(order()) for _ in range(3))
    assert [state(job) for job in (first, second, third)] == [RUNNING, WAITING, WAITING]
    jobs.stop(first.id)
    wait_for(second, RUNNING)
    assert [state(job) for job in (first, third)] == [STOPPED, WAITING]
    monkeypatch.setenv("GENSTUDIO_JOBS_AT_ONCE", "2")
    jobs.tend()
    assert state(third) == RUNNING
    assert [job.id for job in jobs.all_()] == [third.id, second.id, first.id], "the newest first"


def test_limits_hold_for_each_visitor_and_for_all_and_are_told_in_words(pretended, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_JOBS_EACH", "1")
    monkeypatch.setenv("GENSTUDIO_JOBS_WAITING", "1")
    mine = jobs.start(order(owner="me"))
    with pytest.raises(ValueError, match="you have 1 unfinished here, and 1 is all"):
        jobs.start(order(owner="me"))
    jobs.start(order(owner="you"))
    with pytest.raises(ValueError, match="1 trainings are waiting already: please come back later"):
        jobs.start(order(owner="them"))
    jobs.pause(mine.id)
    wait_for(mine, PAUSED)
    jobs.start(order(owner="me"))
    with pytest.raises(ValueError, match="you have 1 unfinished here"):
        jobs.resume(mine.id)  # nor by a detour
    assert len(jobs.all_()) == 3 and len(list(paths.jobs().iterdir())) == 4, "what was refused left nothing behind"


def test_where_nobody_may_wait_there_is_still_one_who_runs(pretended, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_JOBS_WAITING", "0")
    assert jobs.start(order()).state == RUNNING
    with pytest.raises(ValueError, match="please come back later"):
        jobs.start(order())


@pytest.mark.parametrize("word", ["many", "nan", "inf", "-1"])
def test_a_limit_that_is_no_number_is_refused_in_one_sentence(monkeypatch, word):
    monkeypatch.setenv("GENSTUDIO_JOBS_EACH", word)
    for ask in (Limits.here, jobs.Keeper, lambda: jobs.start(order())):
        with pytest.raises(ValueError, match=f"^GENSTUDIO_JOBS_EACH must be a number from 0 on, not '{word}'$"):
            ask()
    monkeypatch.delenv("GENSTUDIO_JOBS_EACH")


def test_strangers_have_less(monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert Limits.here() == Limits(at_once=1, waiting=100, each=100, minutes=None, hours=None)
    monkeypatch.setenv("SPACE_ID", "somebody/studio")
    assert Limits.here() == Limits(at_once=1, waiting=8, each=1, minutes=15, hours=24)
    monkeypatch.setenv("GENSTUDIO_JOBS_MINUTES", "0")
    monkeypatch.setenv("GENSTUDIO_JOBS_HOURS", "0.5")
    assert Limits.here().minutes is None and Limits.here().hours == 0.5


def test_minutes_are_those_of_all_sessions(home):
    job = Job("some", Order("ae2d_mnist", "mnist"), WAITING)
    job.folder.mkdir(parents=True)
    limits = Limits(1, 1, 1, minutes=15, hours=None)
    assert jobs.command(job, limits)[-2:] == ["--max-minutes", "15"]
    (job.folder / "reports.jsonl").write_text('{"minutes": 14.5}\n')
    assert jobs.command(job, limits)[-2:] == ["--max-minutes", "0.5"]
    assert "--max-minutes" not in jobs.command(job, Limits(1, 1, 1, minutes=None, hours=None))


def test_what_an_ended_job_leaves_is_removed_after_its_time(pretended, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_JOBS_HOURS", "1")
    monkeypatch.setenv("GENSTUDIO_JOBS_AT_ONCE", "2")
    runs, dies, new = jobs.start(order()), jobs.start(order("SIGKILL")), jobs.start(order("ends"))
    wait_for(dies, FAILED)
    wait_for(new, DONE)
    for job in (runs, dies):
        os.utime(job.folder, (0, 0))
    jobs.tend()
    assert not dies.folder.exists() and {job.id for job in jobs.all_()} == {runs.id, new.id}


def test_a_visitor_is_shown_only_their_own(pretended):
    mine, yours = jobs.start(order(owner="me")), jobs.start(order(owner="you"))
    assert [job.id for job in jobs.all_("me")] == [mine.id] and [job.id for job in jobs.all_("you")] == [yours.id]
    assert not jobs.all_("") and len(jobs.all_()) == 2


def test_pictures_move_in_with_the_job_and_go_with_it(pretended, tmp_path):
    upload = tmp_path / "mine.zip"
    upload.write_bytes(b"pictures")
    job = jobs.start(Order("ae2d_mnist", str(upload)), upload=upload)
    kept = Path(job.order.data)
    assert not upload.exists() and kept.read_bytes() == b"pictures" and kept.is_relative_to(job.folder)
    jobs.delete(job.id)
    assert not kept.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../jobs", "/etc", "a/b", ".lock", "nothing", "x" * 5000])
def test_a_name_never_leads_elsewhere(name, home):
    (home / "job.json").parent.mkdir(exist_ok=True)
    (home / "job.json").write_text(json.dumps({"system": "ae2d_mnist", "data": "mnist"}))
    for ask in (jobs.find, jobs.pause, jobs.stop, jobs.resume, jobs.delete):
        with pytest.raises(ValueError, match="no job is called"):
            ask(name)
    (home / "job.json").unlink()


# Asking


def test_a_waiting_job_is_paused_and_goes_back_to_the_queue(pretended):
    jobs.start(order())
    job = jobs.start(order())
    assert jobs.pause(job.id).state == PAUSED and jobs.resume(job.id).state == WAITING and not begins(job)
    jobs.stop(job.id)
    with pytest.raises(ValueError, match="has not come far enough to leave weights"):
        jobs.stop(job.id)


def test_each_state_says_what_cannot_be_asked_of_it(pretended):
    job = jobs.start(order())
    jobs.pause(job.id)
    with pytest.raises(ValueError, match="this training is paused already"):
        until(lambda: state(job) == PAUSED)
        jobs.pause(job.id)
    with pytest.raises(ValueError, match="has not come far enough to leave weights"):
        jobs.stop(job.id)
    assert jobs.resume(job.id).state == RUNNING
    assert jobs.resume(job.id).state == RUNNING, "twice asked is no harm"
    jobs.stop(job.id)
    wait_for(job, STOPPED)
    for ask in (jobs.stop, jobs.pause):
        with pytest.raises(ValueError, match="this training is stopped already"):
            ask(job.id)
    done = jobs.start(order("ends"))
    wait_for(done, DONE)
    for ask in (jobs.stop, jobs.pause):
        with pytest.raises(ValueError, match="this training is done already"):
            ask(done.id)
    with pytest.raises(ValueError, match="has come to its end"):
        jobs.resume(done.id)


def test_a_wish_is_seen_until_it_is_granted(pretended, monkeypatch):
    deaf = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(jobs, "command", lambda job, limits: deaf)
    job = jobs.start(order())
    assert jobs.pause(job.id).state == jobs.PAUSING and jobs.stop(job.id).state == jobs.STOPPING
    with pytest.raises(ValueError, match="this training is stopping: a moment, please"):
        jobs.resume(job.id)


def test_deleting_ends_what_runs(pretended):
    runs, waits = jobs.start(order()), jobs.start(order())
    process = jobs.Process.of(pid_of(runs))
    for job in (waits, runs):
        jobs.delete(job.id)
        assert not job.folder.exists()
    assert not jobs.all_() and not process.lives()


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="no sessions that are weighed")
def test_it_stands_back_with_its_whole_session(pretended):
    """The niceness of a process counts only among those of its session, and it is alone there."""
    job = jobs.start(order())
    assert psutil.Process(pid_of(job)).nice() == jobs.NICENESS
    assert Path(f"/proc/{pid_of(job)}/autogroup").read_text().endswith(f"nice {jobs.NICENESS}\n")


# Ends that nobody asked for


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("SIGKILL", "for want of memory: try a smaller batch"),
        ("SIGSEGV", "broke off (SIGSEGV)"),
        ("complains", "there is no room for such a picture"),
    ],
)
def test_a_process_that_died_leaves_its_reason_and_can_go_on(pretended, how, why):
    job = jobs.start(order(how))
    failed = wait_for(job, FAILED)
    assert why in failed.why.en and failed.why.fr and len(begins(job)) == 1
    jobs.tend()
    jobs._children.clear()
    assert jobs.find(job.id).why == failed.why, "it is written down: another server tells the same"
    jobs.resume(job.id)
    until(lambda: len(begins(job)) == 2)


def test_the_reason_is_told_at_once_before_anybody_has_looked_after_it(pretended):
    """A page that asked in between was told that the process is gone without a word, and asked no more."""
    job = jobs.start(order("SIGKILL"))
    while (seen := jobs.find(job.id)).state == RUNNING:
        time.sleep(0.01)
    assert seen.why == jobs.KILLED


def test_one_that_vanished_while_no_server_looked_can_go_on(pretended):
    job = jobs.start(order())
    jobs._children.clear()
    kill(pid_of(job))
    failed = jobs.find(job.id)
    assert failed.state == FAILED and failed.why == jobs.VANISHED
    assert jobs.resume(job.id).state == RUNNING


def test_another_server_finds_what_runs_and_steers_it(pretended):
    job = jobs.start(order())
    jobs._children.clear()
    assert state(job) == RUNNING
    jobs.tend()
    assert len(begins(job)) <= 1
    jobs.pause(job.id)
    wait_for(job, PAUSED)


def test_a_stranger_with_the_number_of_a_dead_process_is_not_taken_for_it(pretended):
    """Deleting the job would kill this very test."""
    job = jobs.start(order())
    kill(pid_of(job))
    jobs._children.clear()
    (job.folder / "begun.json").write_text(json.dumps({"pid": os.getpid(), "born": 0.0}))
    assert state(job) == FAILED
    jobs.delete(job.id)
    assert not job.folder.exists()


def test_one_that_cannot_begin_does_not_hold_up_the_others(pretended, monkeypatch):
    def command(job: Job, limits: Limits) -> list[str]:
        if job.order.recipe["how"] == "never":
            raise ValueError("no system is called that")
        return worker(job, limits)

    monkeypatch.setattr(jobs, "command", command)
    never, fine = jobs.start(order("never")), jobs.start(order())
    assert jobs.find(never.id).why.en == "no system is called that" and state(fine) == RUNNING


def test_two_processes_never_work_on_one_job(pretended):
    job = jobs.start(order())
    pretends = pid_of(job)
    with jobs.at_work(job.folder):
        script = (
        "import sys; from pathlib import Path; from genstudio import jobs\n"
        "with jobs.at_work(Path(sys.argv[1])): print('both')"
    )
        said = subprocess.run([sys.executable, "-c", script, job.folder], cwd=ROOT, capture_output=True, text=True)
        assert said.returncode and not said.stdout and "another process is at work on this training" in said.stderr
        assert not (job.folder / "ended.json").exists() and pid_of(job) == os.getpid()
    os.kill(pretends, signal.SIGKILL)
    (job.folder / "begun.json").unlink()  # or this process would be ended with the job


def test_several_servers_at_once_begin_each_job_once(monkeypatch, tmp_path):
    """Three processes that look after eight jobs, all from the same moment on."""
    monkeypatch.setenv("GENSTUDIO_JOBS_AT_ONCE", "0")
    placed = [jobs.start(order()) for _ in range(8)]
    script = (
        "import time; from pathlib import Path; from genstudio import jobs; from tests.test_jobs import worker\n"
        f"jobs.command = worker; Path({str(tmp_path)!r}, str(time.monotonic_ns())).touch()\n"
        f"while not Path({str(tmp_path)!r}, 'go').exists(): pass\n"
        "for _ in range(20): jobs.tend()"
    )
    environment = os.environ | {"GENSTUDIO_JOBS_AT_ONCE": "5"}
    servers = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=environment) for _ in range(3)]
    while len([path for path in tmp_path.iterdir() if path.name.isdigit()]) < len(servers):
        time.sleep(0.05)
    (tmp_path / "go").touch()
    assert [server.wait(60) for server in servers] == [0] * 3
    until(lambda: sum(map(len, map(begins, placed))) >= 5)
    assert [len(begins(job)) for job in placed] == [1] * 5 + [0] * 3
    assert sorted(state(job) for job in placed) == [RUNNING] * 5 + [WAITING] * 3


# What they say


def test_lines_are_read_once_they_are_whole(tmp_path):
    file = tmp_path / "lines.jsonl"
    assert rows(file) == []
    file.write_text('{"step": 1}\n{"st')
    assert rows(file) == [{"step": 1}]
    with file.open("a") as more:
        more.write('ep": 2}\n')
    assert rows(file) == [{"step": 1}, {"step": 2}]
    file.unlink()
    assert rows(file) == []


def test_a_file_that_was_cut_and_grew_again_is_read_anew(tmp_path):
    """Longer than before, and under the same number: file systems give freed numbers to the next file at once."""
    file = tmp_path / "lines.jsonl"
    file.write_text('{"step": 1}\n{"step": 2}\n')
    assert len(rows(file)) == 2
    number = file.stat().st_ino
    file.write_text('{"step": 1}\n{"step": 7}\n{"step": 8}\n')
    assert file.stat().st_ino == number and rows(file) == [{"step": 1}, {"step": 7}, {"step": 8}]


def test_the_command_line_lists_and_steers(pretended, capsys):
    def said(*words: str) -> str:
        assert main(["jobs", *words]) in (0, None)
        return capsys.readouterr().out

    assert "No trainings yet" in said()
    job = jobs.start(order())
    assert job.id in said("list") and "running" in said("list")
    report = {"images": 640, "step": 5, "steps": 50, "rate": 100.0, "eta": 2.0, "minutes": 1.0}
    (job.folder / "reports.jsonl").write_text(json.dumps(report) + "\n")
    assert "640 pictures, step 5 of 50, 100/s" in said()
    [facts] = json.loads(said("list", "--json"))
    assert (facts["id"], facts["state"], facts["folder"]) == (job.id, RUNNING, str(job.folder))
    assert facts["report"] == report
    assert "pausing" in said("pause", job.id) or state(job) == PAUSED
    wait_for(job, PAUSED)
    assert "running" in said("resume", job.id)
    said("stop", job.id)
    wait_for(job, STOPPED)
    assert "deleted" in said("delete", job.id) and not jobs.all_()
    for words, complaint in ((["stop"], "which one?"), (["stop", "nothing"], "no job is called 'nothing'")):
        assert main(["jobs", *words]) == 2 and complaint in capsys.readouterr().err


# Real trainings: a zip of synthetic digits, the smallest system

IMAGES = 3_200  # a few seconds
ORDERED = {"images": IMAGES, "batch": 32, "warmup": 500}


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


@pytest.fixture(scope="module")
def uninterrupted(pictures, tmp_path_factory) -> dict[str, torch.Tensor]:
    """What comes of it when nobody interrupts, and nobody watches."""
    out = tmp_path_factory.mktemp("whole")
    list(train.train("ae2d_mnist", data=str(pictures), out=out, device="cpu", **ORDERED))
    return load_file(out / "ae2d_mnist.safetensors")


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
    from tests.test_train import state_of, tiny

    monkeypatch.setitem(systems(), "tiny", tiny.system)
    monkeypatch.setattr(watch, "RARE", 0)
    monkeypatch.setattr(watch, "SEEN", 64)
    for name, minutes in (("alone", None), ("watched", 0.0)):
        options = {"images": 32, "watch_minutes": minutes, "device": "cpu"}
        list(train.train("tiny", data=str(pictures), out=tmp_path / name, **options))
    alone, watched = tmp_path / "alone", tmp_path / "watched"
    assert len(list((watched / "watch").glob("*.png"))) == len(list((watched / "watch" / "raw").glob("*.png"))) == 4
    assert [checkup.step for checkup in watch.checkups(watched)] == list(range(1, 5))
    for name in ("tiny.safetensors", "tiny.critic.safetensors"):
        assert_equal(watched / name, load_file(alone / name))
    one, other = state_of(alone), state_of(watched)
    assert one.keys() == other.keys() and not [name for name in one if not torch.equal(one[name], other[name])]


@pytest.mark.slow
def test_a_watched_job_that_was_paused_and_killed_makes_what_an_unwatched_run_makes(pictures, uninterrupted, on_processor):
    job = jobs.start(Order("ae2d_mnist", str(pictures), recipe=ORDERED))
    until(lambda: job.reports and (job.folder / "checkups.jsonl").exists())
    jobs.pause(job.id)
    paused = wait_for(job, PAUSED)
    assert paused.weights is None and list((job.folder / "watch" / "raw").glob("*.png"))
    seen = paused.seen
    jobs.resume(job.id)
    until(lambda: job.seen > seen)
    kill(pid_of(job))
    assert wait_for(job, FAILED).why == jobs.KILLED
    jobs.resume(job.id)
    done = wait_for(job, DONE)
    assert done.seen == IMAGES and done.why is None
    assert_equal(done.weights, uninterrupted)
    assert_whole(job.folder)


@pytest.mark.slow
def test_stopped_is_kept_while_it_runs_and_after_a_pause(pictures, on_processor):
    job = jobs.start(Order("ae2d_mnist", str(pictures), recipe=ORDERED))
    until(lambda: job.reports)
    jobs.pause(job.id)
    wait_for(job, PAUSED)
    jobs.stop(job.id)
    stopped = wait_for(job, STOPPED)
    first = checkpoint.describe(stopped.weights).images
    assert 0 < first == stopped.seen < IMAGES
    jobs.resume(job.id)
    until(lambda: job.seen > first)
    jobs.stop(job.id)
    stopped = wait_for(job, STOPPED)
    assert first < checkpoint.describe(stopped.weights).images == stopped.seen < IMAGES
    assert_whole(job.folder)


@pytest.mark.slow
def test_one_that_was_killed_as_it_wrote_its_weights_writes_them_again(pictures, uninterrupted, on_processor):
    """It has no step left to report."""
    out = jobs.start(Order("ae2d_mnist", str(pictures), recipe=ORDERED))
    done = wait_for(out, DONE)
    for file in (done.weights, out.folder / "ended.json"):
        file.unlink()
    until(lambda: state(out) == FAILED)
    jobs.resume(out.id)
    assert_equal(wait_for(out, DONE).weights, uninterrupted)


SERVER = "from genstudio import jobs; jobs.SAVE_MINUTES = 0.01; keeper = jobs.Keeper(); keeper.start(); keeper.join()"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_killed_at_any_moment_nothing_is_lost_but_what_came_after_the_last_state(
    number, pictures, uninterrupted, on_processor, monkeypatch
):
    """The process at work, the server, or both. Another server goes on, to the bytes of a run that nobody interrupted."""
    draw = random.Random(number)
    victims, moment = [("worker",), ("server",), ("worker", "server")][number % 3], draw.uniform(0, 5)
    print(f"kill {number}: {' and '.join(victims)}, {moment:.2f} s after the first report")
    monkeypatch.setenv("GENSTUDIO_JOBS_AT_ONCE", "0")
    job = jobs.start(Order("ae2d_mnist", str(pictures), recipe=ORDERED))
    server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, env=os.environ | {"GENSTUDIO_JOBS_AT_ONCE": "1"})
    try:
        until(lambda: job.reports)
        time.sleep(moment)
        if "worker" in victims and state(job) == RUNNING:
            os.kill(pid_of(job), signal.SIGKILL)
    finally:
        server.kill() if "server" in victims else None
        wait_for(job, *((RUNNING, DONE) if victims == ("server",) else (FAILED, DONE)))
        server.kill()
        server.wait()
    saved = torch.load(job.folder / "state.pt", weights_only=True)["step"] if (job.folder / "state.pt").exists() else 0
    before = [report for report in job.reports if report["step"] <= saved]
    print(f"{job.seen // 32 - saved} reported steps after the last state, at {saved}")

    monkeypatch.setenv("GENSTUDIO_JOBS_AT_ONCE", "1")
    if state(job) == FAILED:
        jobs.resume(job.id)
    done = wait_for(job, DONE)
    assert done.reports[: len(before)] == before, "what was there before the last state is there still"
    assert_equal(done.weights, uninterrupted)
    assert_whole(job.folder)


# Visitors, while a training runs

VISITORS, SECONDS = (64, 180) if AT_LENGTH else (16, 20)
STAY = 6.0  # seconds until a visitor leaves, and comes again as another
GROWTH = 400 * 2**20  # bytes that the server may grow by once each visitor has been there


class Visitor:
    """A browser without a screen: it opens the page as one does, and sends what the page's controls hold."""

    def __init__(self, url: str, seed: int):
        self.http, self.draw = httpx.Client(base_url=url, timeout=120), random.Random(seed)
        self.answers, self.waits = 0, []

    def visit(self, until: float) -> None:
        """Again and again, until then."""
        while time.monotonic() < until:
            self.open()
            leaves = min(until, time.monotonic() + STAY)
            while time.monotonic() < leaves:
                started = time.monotonic()
                self.fire(self.event("position", "input"), {"position": self.draw.random()})
                self.waits.append(time.monotonic() - started)
                if self.draw.random() < 0.1:
                    self.fire(self.verb("sample"), {}, ["vae_mnist", [self.draw.randrange(1000)], None, None])
            self.beat.close()

    def open(self) -> None:
        assert "<html" in self.http.get("/").raise_for_status().text
        config = self.http.get("/config").raise_for_status().json()
        self.session, self.events = f"{self.draw.getrandbits(60):x}", config["dependencies"]
        self.names = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        self.values = {c["id"]: c["props"].get("value") for c in config["components"]}
        # As long as it lasts, the server keeps what belongs to this visit.
        self.beat = self.http.send(self.http.build_request("GET", f"/gradio_api/heartbeat/{self.session}"), stream=True)
        for event in self.events:
            if any(kind == "load" for _, kind in event["targets"]) and event["backend_fn"]:
                self.fire(event, {})

    def event(self, name: str, kind: str) -> dict:
        return next(e for e in self.events if [self.names[name], kind] in e["targets"] and e["backend_fn"])

    def verb(self, name: str) -> dict:
        return next(e for e in self.events if e["api_name"] == name)

    def fire(self, event: dict, changes: dict[str, object], given: list | None = None) -> None:
        self.values |= {self.names[name]: value for name, value in changes.items()}
        data = [self.values.get(id) for id in event["inputs"]] if given is None else given
        body = {"data": data, "fn_index": event["id"], "session_hash": self.session, "event_data": None, "trigger_id": None}
        if event["queue"] is False:
            said = self.http.post("/gradio_api/run/predict", json=body).raise_for_status().json()
        else:
            self.http.post("/gradio_api/queue/join", json=body).raise_for_status()
            said = self.result()
        self.answers += 1
        for id, value in zip(event["outputs"], said["data"], strict=given is None):
            if not (isinstance(value, dict) and value.get("__type__") == "update"):
                self.values[id] = value
            elif "value" in value:
                self.values[id] = value["value"]

    def result(self) -> dict:
        with self.http.stream("GET", f"/gradio_api/queue/data?session_hash={self.session}") as lines:
            for line in lines.iter_lines():
                said = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if said.get("msg") == "process_completed":
                    assert said["success"], said["output"]
                    return said["output"]
        raise AssertionError("the server said nothing more")


@pytest.mark.slow
@pytest.mark.timeout(300 + 2 * SECONDS)
def test_visitors_are_served_while_a_training_runs(pictures, on_processor, tmp_path):
    """They open the page, drag the position and ask the API: no error, and the memory that the server's process has
    resident (RSS) does not go on growing once each of them has been there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    with (tmp_path / "server.txt").open("w") as log:
        server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(url), 120)
        job = jobs.start(Order("ae2d_mnist", str(pictures), recipe=ORDERED | {"images": 10**9}))
        until(lambda: job.reports, 120)
        visitors = [Visitor(url, seed) for seed in range(VISITORS)]
        memory, process, end = [], psutil.Process(server.pid), time.monotonic() + SECONDS
        with ThreadPoolExecutor(VISITORS) as pool:
            visits = [pool.submit(visitor.visit, end) for visitor in visitors]
            while not all(visit.done() for visit in visits):
                if all(visitor.waits for visitor in visitors):
                    memory.append(process.memory_info().rss)
                time.sleep(0.5)
        memory.append(process.memory_info().rss)
        for visit in visits:
            visit.result()
        waits = sorted(wait for visitor in visitors for wait in visitor.waits)
        print(
            f"{VISITORS} visitors, {sum(visitor.answers for visitor in visitors)} answers; a drag waits "
            f"{waits[len(waits) // 2]:.2f} s, one in twenty {waits[int(0.95 * len(waits))]:.2f} s or more; "
            f"the server holds {memory[0] >> 20} to {max(memory) >> 20} MiB"
        )
        assert max(memory) - memory[0] < GROWTH
        seen = job.seen
        until(lambda: job.seen > seen)
        assert state(job) == RUNNING and server.poll() is None
        assert "Traceback" not in (tmp_path / "server.txt").read_text()
    finally:
        server.kill()
        server.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
