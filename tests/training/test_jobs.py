"""Jobs: they wait their turn, are paused, stopped and resumed, outlive the server, and break off without loss.

A few lines of Python stand in for a training; real ones are in `test_jobs_trained.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from genstudio import paths
from genstudio.cli import main
from genstudio.training import jobs
from genstudio.training.jobs import DONE, FAILED, PAUSED, RUNNING, STOPPED, WAITING, Job, JobSpec, Limits
from genstudio.training.jsonl import rows
from genstudio.training.worker import Process, locked
from tests import ROOT

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
    return [sys.executable, "-S", "-c", WORKER, str(job.folder), job.spec.recipe.get("how", "sleeps")]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home without jobs, in which nothing goes on afterwards."""
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    for name in ("AT_ONCE", "WAITING", "EACH", "MINUTES", "HOURS"):
        monkeypatch.delenv(f"GENSTUDIO_JOBS_{name}", raising=False)
    yield tmp_path / "home"
    monkeypatch.setenv("GENSTUDIO_JOBS_AT_ONCE", "0")
    for job in jobs.list_jobs():
        jobs.delete(job.id)
    until(lambda: not jobs._children)


@pytest.fixture
def pretended(monkeypatch):
    monkeypatch.setattr(jobs, "command", worker)


def order(how: str = "sleeps", owner: str = "") -> JobSpec:
    return JobSpec("ae2d_mnist", "mnist", recipe={"how": how}, owner=owner)


def until(true: Callable[[], object], seconds: float = 180) -> None:
    """Waits, and looks after the jobs as a server does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, [(job.id, job.state, job.why) for job in jobs.list_jobs()]
        jobs.schedule()
        time.sleep(0.05)


def state(job: Job) -> str:
    return jobs.find_job(job.id).state


def wait_for(job: Job, *states: str, seconds: float = 180) -> Job:
    until(lambda: state(job) in states, seconds)
    return jobs.find_job(job.id)


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
    jobs.schedule()
    assert state(third) == RUNNING
    assert [job.id for job in jobs.list_jobs()] == [third.id, second.id, first.id], "the newest first"


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
    assert len(jobs.list_jobs()) == 3 and len(list(paths.jobs().iterdir())) == 4, "what was refused left nothing behind"


def test_where_nobody_may_wait_there_is_still_one_who_runs(pretended, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_JOBS_WAITING", "0")
    assert jobs.start(order()).state == RUNNING
    with pytest.raises(ValueError, match="please come back later"):
        jobs.start(order())


@pytest.mark.parametrize("word", ["many", "nan", "inf", "-1"])
def test_a_limit_that_is_no_number_is_refused_in_one_sentence(monkeypatch, word):
    monkeypatch.setenv("GENSTUDIO_JOBS_EACH", word)
    for ask in (Limits.here, jobs.Supervisor, lambda: jobs.start(order())):
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
    job = Job("some", JobSpec("ae2d_mnist", "mnist"), WAITING)
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
    jobs.schedule()
    assert not dies.folder.exists() and {job.id for job in jobs.list_jobs()} == {runs.id, new.id}


def test_a_visitor_is_shown_only_their_own(pretended):
    mine, yours = jobs.start(order(owner="me")), jobs.start(order(owner="you"))
    assert [job.id for job in jobs.list_jobs("me")] == [mine.id] and [job.id for job in jobs.list_jobs("you")] == [yours.id]
    assert not jobs.list_jobs("") and len(jobs.list_jobs()) == 2


def test_pictures_move_in_with_the_job_and_go_with_it(pretended, tmp_path):
    upload = tmp_path / "mine.zip"
    upload.write_bytes(b"pictures")
    job = jobs.start(JobSpec("ae2d_mnist", str(upload)), upload=upload)
    kept = Path(job.spec.data)
    assert not upload.exists() and kept.read_bytes() == b"pictures" and kept.is_relative_to(job.folder)
    jobs.delete(job.id)
    assert not kept.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../jobs", "/etc", "a/b", ".lock", "nothing", "x" * 5000])
def test_a_name_never_leads_elsewhere(name, home):
    (home / "job.json").parent.mkdir(exist_ok=True)
    (home / "job.json").write_text(json.dumps({"system": "ae2d_mnist", "data": "mnist"}))
    for ask in (jobs.find_job, jobs.pause, jobs.stop, jobs.resume, jobs.delete):
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
    process = Process.of(pid_of(runs))
    for job in (waits, runs):
        jobs.delete(job.id)
        assert not job.folder.exists()
    assert not jobs.list_jobs() and not process.lives()


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="no sessions that are weighed")
def test_it_stands_back_with_its_whole_session(pretended, monkeypatch):
    """The niceness of a process counts only among those of its session, and it is alone there."""
    monkeypatch.setattr("genstudio.training.worker.NICENESS", 7)
    job = jobs.start(order())
    assert psutil.Process(pid_of(job)).nice() == 7
    assert Path(f"/proc/{pid_of(job)}/autogroup").read_text().endswith("nice 7\n")


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
    jobs.schedule()
    jobs._children.clear()
    assert jobs.find_job(job.id).why == failed.why, "it is written down: another server tells the same"
    jobs.resume(job.id)
    until(lambda: len(begins(job)) == 2)


def test_the_reason_is_told_at_once_before_anybody_has_looked_after_it(pretended):
    """A page that asked in between was told that the process is gone without a word, and asked no more."""
    job = jobs.start(order("SIGKILL"))
    while (seen := jobs.find_job(job.id)).state == RUNNING:
        time.sleep(0.01)
    assert seen.why == jobs.KILLED


def test_one_that_vanished_while_no_server_looked_can_go_on(pretended):
    job = jobs.start(order())
    jobs._children.clear()
    kill(pid_of(job))
    failed = jobs.find_job(job.id)
    assert failed.state == FAILED and failed.why == jobs.VANISHED
    assert jobs.resume(job.id).state == RUNNING


def test_another_server_finds_what_runs_and_steers_it(pretended):
    job = jobs.start(order())
    jobs._children.clear()
    assert state(job) == RUNNING
    jobs.schedule()
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
        if job.spec.recipe["how"] == "never":
            raise ValueError("no system is called that")
        return worker(job, limits)

    monkeypatch.setattr(jobs, "command", command)
    never, fine = jobs.start(order("never")), jobs.start(order())
    assert jobs.find_job(never.id).why.en == "no system is called that" and state(fine) == RUNNING


def test_two_processes_never_work_on_one_job(pretended):
    job = jobs.start(order())
    pretends = pid_of(job)
    try:
        at_work(job)
    finally:
        os.kill(pretends, signal.SIGKILL)
        (job.folder / "begun.json").unlink()  # or this process would be ended with the job


def at_work(job: Job) -> None:
    """This process works on a job, and another tries to."""
    with locked(job.folder):
        script = (
        "import sys; from pathlib import Path; from genstudio.training import worker\n"
        "with worker.locked(Path(sys.argv[1])): print('both')"
    )
        said = subprocess.run([sys.executable, "-c", script, job.folder], cwd=ROOT, capture_output=True, text=True)
        assert said.returncode and not said.stdout and "another process is at work on this training" in said.stderr
        assert not (job.folder / "ended.json").exists() and pid_of(job) == os.getpid()


def test_several_servers_at_once_begin_each_job_once(monkeypatch, tmp_path):
    """Three processes that look after eight jobs, all from the same moment on."""
    monkeypatch.setenv("GENSTUDIO_JOBS_AT_ONCE", "0")
    placed = [jobs.start(order()) for _ in range(8)]
    script = (
        "import os, sys; from pathlib import Path; from genstudio.training import jobs\n"
        f"jobs.command = lambda job, limits: [sys.executable, '-S', '-c', {WORKER!r}, str(job.folder), 'sleeps']\n"
        f"Path({str(tmp_path)!r}, str(os.getpid())).touch()\n"
        f"while not Path({str(tmp_path)!r}, 'go').exists(): pass\n"
        "for _ in range(20): jobs.schedule()"
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
    assert "deleted" in said("delete", job.id) and not jobs.list_jobs()
    for words, complaint in ((["stop"], "which one?"), (["stop", "nothing"], "no job is called 'nothing'")):
        assert main(["jobs", *words]) == 2 and complaint in capsys.readouterr().err
