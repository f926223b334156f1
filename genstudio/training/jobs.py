"""Training jobs of the page: a job is `python -m genstudio train ...` in a process of its own.

A job outlives the page that started it, and the server. Its whole state is in its folder, where any server finds it:

    job.json     the order (`JobSpec`)
    begun.json   process id and start time of the current or last process
    wish         a request to that process, for between two steps: pause or stop
    ended.json   final state and reason
    log.txt      stdout and stderr
    .lock        file lock of the running process, so that there is never a second one
    run.json, state.pt, reports.jsonl, ...    files of `train`
"""

from __future__ import annotations

import math
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from genstudio import paths, registry
from genstudio.controls import Refusal, Text, sentence
from genstudio.training import worker
from genstudio.training.jsonl import rows
from genstudio.training.worker import (  # the states of jobs are read here
    ACTIVE,
    DONE,
    FAILED,
    PAUSE,
    PAUSED,
    PAUSING,
    RUNNING,
    STOP,
    STOPPED,
    STOPPING,
    WAITING,
    Process,
)  # fmt: skip

GRACE = 5.0  # seconds to wait for a killed process to end
SAVE_MINUTES = 1.0  # training time lost at most where a process is killed: saving a state takes a fraction of a second
WATCH_MINUTES = 2.0

KILLED = Text(
    "The system killed its process, most often for want of memory: try a smaller batch.",
    "Le système a tué son processus, le plus souvent faute de mémoire : essayez un lot plus petit.",
)
CRASHED = Text(
    "Its process broke off ({signal}): that is a fault of the machine or of a library, not of your pictures.",
    "Son processus s’est interrompu ({signal}) : la faute en est à la machine ou à une bibliothèque, non à vos images.",
)
TOO_EARLY = Text(
    "this training has not come far enough to leave weights", "cet entraînement ne peut pas encore laisser de poids"
)
VANISHED = Text(
    "Its process is gone without a word: it was killed, or the machine was restarted.",
    "Son processus a disparu sans un mot : il a été tué, ou la machine a redémarré.",
)


@dataclass(frozen=True)
class Limits:
    """Limits on jobs; lower on a public Space."""

    at_once: int  # running jobs
    waiting: int  # queued jobs
    each: int  # running or queued jobs of one visitor
    minutes: float | None  # training time of a job over all its sessions
    hours: float | None  # retention of an ended job

    @staticmethod
    def here() -> Limits:
        """Limits from GENSTUDIO_JOBS_AT_ONCE, _WAITING, _EACH, _MINUTES and _HOURS; 0 lifts the last two."""
        on_space = bool(os.environ.get("SPACE_ID"))

        def number(name: str, private: float, public: float) -> float:
            word = os.environ.get(f"GENSTUDIO_JOBS_{name}", "")
            try:
                value = float(word) if word else public if on_space else private
            except ValueError:
                value = math.nan
            if not 0 <= value < math.inf:
                raise ValueError(f"GENSTUDIO_JOBS_{name} must be a number from 0 on, not {word!r}")
            return value

        return Limits(
            at_once=int(number("AT_ONCE", 1, 1)),
            waiting=int(number("WAITING", 100, 8)),
            each=int(number("EACH", 100, 1)),
            minutes=number("MINUTES", 0, 15) or None,
            hours=number("HOURS", 0, 24) or None,
        )


@dataclass(frozen=True)
class JobSpec:
    """An order for a training job: system, data, initial weights, recipe and owner."""

    system: str
    data: str  # a set's name, or the path of a folder or zip
    init: str | None = None  # the checkpoint to start from
    recipe: dict[str, Any] = field(default_factory=dict)  # numbers that differ from the system's own
    owner: str = ""  # on a Space, who may see it
    created: float = 0.0


@dataclass(frozen=True)
class Job:
    """A job and its current state."""

    id: str
    spec: JobSpec
    state: str
    why: Text | None = None  # reason of a failure

    @property
    def folder(self) -> Path:
        return paths.jobs() / self.id

    @property
    def weights(self) -> Path | None:
        """The exported weights, None before the export."""
        path = self.folder / f"{self.spec.system}.safetensors"
        return path if path.exists() else None

    @property
    def reports(self) -> list[dict[str, Any]]:
        return rows(self.folder / "reports.jsonl")

    @property
    def images(self) -> int:
        """Images trained on so far."""
        return self.reports[-1]["images"] if self.reports else 0


# Queries ------------------------------------------------------------------------------------------------------------


def list_jobs(owner: str | None = None) -> list[Job]:
    """All jobs, or those of one owner, the newest first."""
    folders = paths.jobs().glob("*/job.json") if paths.jobs().exists() else ()
    found = [job for path in folders if (job := _read(path.parent)) and owner in (None, job.spec.owner)]
    return sorted(found, key=lambda job: job.spec.created, reverse=True)


def find_job(id: str) -> Job:
    """The job of that id. Raises ValueError if there is none, or if the id could be a path."""
    plain = id.replace("-", "").replace("_", "").isalnum() and len(id) < 100
    job = _read(paths.jobs() / id) if plain else None
    if job is None:
        raise ValueError(f"no job is called {id[:80]!r}; `python -m genstudio jobs list` names them all")
    return job


def _read(folder: Path) -> Job | None:
    said = worker.load(folder / "job.json")
    if said is None:
        return None
    started, ended = worker.load(folder / "begun.json"), worker.load(folder / "ended.json")
    spec = JobSpec(**said)
    if ended:
        return _ended(folder, spec, ended)
    if started is None:
        return Job(folder.name, spec, WAITING)
    if Process(**started).lives():
        return Job(folder.name, spec, {PAUSE: PAUSING, STOP: STOPPING}.get(worker.requested(folder), RUNNING))
    ended = worker.load(folder / "ended.json")  # again: it may have ended normally since the first read
    return _ended(folder, spec, ended or {"how": FAILED, "why": _reason(folder, started["pid"])})


def _ended(folder: Path, spec: JobSpec, said: dict) -> Job:
    return Job(folder.name, spec, said["how"], Text(*said["why"]) if said.get("why") else None)


# Requests -----------------------------------------------------------------------------------------------------------


def start(spec: JobSpec, upload: Path | None = None) -> Job:
    """Create a job and queue it. `upload`: pictures to move into its folder, which are deleted with it.

    Raises ValueError where the limits are reached.
    """
    with _lock():
        _check_room(spec.owner)
        id = f"{spec.system}-{secrets.token_hex(6)}"
        folder = paths.jobs() / id
        folder.mkdir(parents=True)
        data = spec.data
        if upload is not None:
            (folder / "data").mkdir()
            data = str(shutil.move(upload, folder / "data" / upload.name))
        worker.save(folder / "job.json", {**asdict(spec), "data": data, "created": time.time()})
    schedule()
    return find_job(id)


def _check_room(owner: str) -> None:
    """Raise ValueError if one more job of this owner would exceed the limits."""
    limits, jobs = Limits.here(), list_jobs()
    mine = sum(job.state in (*ACTIVE, WAITING) and job.spec.owner == owner for job in jobs)
    if mine >= limits.each:
        raise Refusal(
            f"you have {mine} unfinished here, and {limits.each} is all that one visitor may have",
            f"vous en avez {mine} en cours ici, et un visiteur peut en avoir {limits.each}",
        )
    running, waiting = sum(job.state in ACTIVE for job in jobs), sum(job.state == WAITING for job in jobs)
    if running + waiting >= limits.at_once + limits.waiting:
        raise Refusal(f"{waiting} trainings are waiting already: please come back later", f"{waiting} attendent déjà")


def pause(id: str) -> Job:
    """Stop a job between two steps; `resume` continues it as if uninterrupted."""
    return _ask(id, PAUSE, PAUSED)


def stop(id: str) -> Job:
    """Stop a job between two steps, and export its weights so far."""
    return _ask(id, STOP, STOPPED)


def _ask(id: str, what: str, then: str) -> Job:
    with _lock():
        job = find_job(id)
        if job.state == WAITING:
            worker.save(job.folder / "ended.json", {"how": PAUSED})
        elif job.state in ACTIVE:
            worker.write(job.folder / "wish", what)
        elif not (job.state in (PAUSED, FAILED) and then == STOPPED):
            raise Refusal(f"this training is {job.state} already", "cet entraînement est déjà arrêté ou va l’être")
        elif (job.folder / "state.pt").exists():  # no process is left: a new one has to export the weights
            _again(job, STOP)
        else:
            raise Refusal(*TOO_EARLY)
    schedule()
    return find_job(id)


def resume(id: str) -> Job:
    """Queue a paused, stopped or failed job again, to continue from its last state."""
    with _lock():
        job = find_job(id)
        if job.state == DONE:
            raise Refusal("this training has come to its end", "cet entraînement est arrivé à sa fin")
        if job.state in (PAUSED, STOPPED, FAILED):
            _check_room(job.spec.owner)
            _again(job)
        elif job.state in (PAUSING, STOPPING):
            raise Refusal(f"this training is {job.state}: a moment, please", "cet entraînement s’arrête : un instant")
    schedule()
    return find_job(id)


def _again(job: Job, what: str = "") -> None:
    """Put a job back into the queue."""
    worker.write(job.folder / "wish", what)
    for name in ("begun.json", "ended.json"):
        (job.folder / name).unlink(missing_ok=True)


def delete(id: str) -> None:
    """Delete a job with its folder; a running process is killed first."""
    with _lock():  # so that it cannot start meanwhile
        job = find_job(id)
        started = worker.load(job.folder / "begun.json")
        if started and (process := Process(**started)).lives():
            with suppress(psutil.Error):
                psutil.Process(process.pid).kill()
            end = time.monotonic() + GRACE
            while process.lives() and time.monotonic() < end:
                time.sleep(0.02)
        _remove(job)


def _remove(job: Job) -> None:
    (job.folder / "job.json").unlink(missing_ok=True)  # first: a folder without it is no job, even if the rest remains
    shutil.rmtree(job.folder, ignore_errors=True)


# Scheduling ---------------------------------------------------------------------------------------------------------


def _lock() -> FileLock:
    """File lock for changes to jobs, across servers and commands."""
    paths.jobs().mkdir(parents=True, exist_ok=True)
    return FileLock(paths.jobs() / ".lock", is_singleton=True)

_children: dict[str, subprocess.Popen] = {}  # processes of this server: only a parent gets the exit code


def schedule() -> None:
    """Record ended jobs, start queued ones within the limits, and remove those past their retention."""
    with _lock():
        limits, jobs = Limits.here(), list_jobs()
        for id, child in list(_children.items()):
            if child.poll() is not None:
                folder = paths.jobs() / id
                if (folder / "job.json").exists() and (job := _read(folder)) and job.state == FAILED:
                    worker.record_end(folder, FAILED, job.why)
                del _children[id]
        running = sum(job.state in ACTIVE for job in jobs)
        for job in reversed(jobs):
            if job.state == WAITING and running < limits.at_once:
                try:
                    _begin(job, limits)
                    running += 1
                except (OSError, ValueError, TypeError) as error:  # a fault of this job alone: start the others
                    worker.record_end(job.folder, FAILED, sentence(error))
            elif job.state not in (WAITING, *ACTIVE) and limits.hours and _quiet(job.folder) > 3600 * limits.hours:
                _remove(job)


def _quiet(folder: Path) -> float:
    """Seconds since the folder was last modified, which approximates the last write to a file in it."""
    return time.time() - folder.stat().st_mtime


def command(job: Job, limits: Limits) -> list[str]:
    """Command line of a job's process: a new run, or `--resume` from its last state."""
    spec, folder = job.spec, job.folder
    registry.find_system(spec.system)  # of FILE.py:NAME the command line would run the file
    words = [sys.executable, "-m", "genstudio", "train", spec.system, "--out", str(folder)]
    words += ["--threads", str(threads()), "--watch-minutes", str(WATCH_MINUTES), "--save-minutes", str(SAVE_MINUTES)]
    if (folder / "state.pt").exists():
        words += ["--resume"]
    else:
        own = registry.find_system(spec.system).recipe
        words += ["--fresh", "--data", spec.data, *(["--init", spec.init] if spec.init else [])]
        words += replace(own, **spec.recipe).flags(own)
    if limits.minutes is not None:
        done = job.reports[-1]["minutes"] if job.reports else 0.0
        words += ["--max-minutes", f"{max(0.0, limits.minutes - done):g}"]
    return words


def _begin(job: Job, limits: Limits) -> None:
    folder, words = job.folder, command(job, limits)
    root = str(paths.ROOT)
    found = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    with (folder / "log.txt").open("ab") as log:
        child = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                 start_new_session=True, env=os.environ | {"PYTHONPATH": found})  # fmt: skip
    _children[job.id] = child
    worker.save(folder / "begun.json", Process.of(child.pid)._asdict())
    worker.lower_priority(child.pid)


def threads() -> int:
    """Threads of a training: half of the cores, the other half serves visitors."""
    return max(1, (os.cpu_count() or 1) // 2)


def _reason(folder: Path, pid: int) -> Text:
    """Reason of a process that ended without recording one, from its exit code, which only its parent gets."""
    child = _children.get(folder.name)
    if child is None or child.pid != pid:
        return VANISHED
    try:
        code = child.wait(GRACE)  # its threads may take a moment to end
    except subprocess.TimeoutExpired:
        return VANISHED
    if code in (-signal.SIGKILL, -signal.SIGTERM) if hasattr(signal, "SIGKILL") else False:
        return KILLED
    if code < 0:
        name = signal.Signals(-code).name
        return Text(CRASHED.en.format(signal=name), CRASHED.fr.format(signal=name))
    said = (folder / "log.txt").read_text(errors="replace").strip().splitlines()
    return Text(said[-1][:500], said[-1][:500]) if said else VANISHED


class Supervisor(threading.Thread):
    """Background thread of the server that calls `schedule` every second. The jobs outlive it."""

    def __init__(self) -> None:
        Limits.here()  # raises on bad limits when the server starts
        super().__init__(name="jobs", daemon=True)

    def run(self) -> None:
        printed = ""
        while True:
            try:
                schedule()
                error = ""
            except Exception as trouble:  # such as a full disk: the thread must survive it
                error = f"jobs: {trouble!r}"
            if error and error != printed:  # once, not every second
                print(error, file=sys.stderr)
            printed = error
            time.sleep(1)
