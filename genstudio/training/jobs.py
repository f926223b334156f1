"""Long work that belongs to the server and not to a page: a job is `python -m genstudio train ...` in a process of its own.

It outlives the page that ordered it, and the server: all that is known of it lies in its folder, where any server finds it.

    job.json     what was ordered (`Order`)
    begun.json   the process that works on it, or did last
    wish         what that process is asked to do, between two steps: pause or stop
    ended.json   how it ended, in its own words
    log.txt      what it said
    .lock        held by the process at work: there is never a second one
    run.json, state.pt, reports.jsonl, ...    what `train` leaves
"""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from filelock import FileLock, Timeout

from genstudio import paths, registry
from genstudio.controls import Text
from genstudio.training.jsonl import rows

WAITING, RUNNING, PAUSING, STOPPING = "waiting", "running", "pausing", "stopping"
PAUSED, STOPPED, DONE, FAILED = "paused", "stopped", "done", "failed"
ACTIVE = (RUNNING, PAUSING, STOPPING)
PAUSE, STOP = "pause", "stop"

NICENESS = 10
GRACE = 5.0  # seconds in which a killed process is gone
SAVE_MINUTES = 1.0  # what is lost at most where a process is killed: writing a state takes a fraction of a second
WATCH_MINUTES = 2.0

KILLED = Text(
    "The system killed its process, most often for want of memory: try a smaller batch.",
    "Le système a tué son processus, le plus souvent faute de mémoire : essayez un lot plus petit.",
)
CRASHED = Text(
    "Its process broke off ({signal}): that is a fault of the machine or of a library, not of your pictures.",
    "Son processus s’est interrompu ({signal}) : la faute en est à la machine ou à une bibliothèque, non à vos images.",
)
VANISHED = Text(
    "Its process is gone without a word: it was killed, or the machine was restarted.",
    "Son processus a disparu sans un mot : il a été tué, ou la machine a redémarré.",
)


@dataclass(frozen=True)
class Limits:
    """How much may go on. On a Space, which serves strangers, less."""

    at_once: int  # jobs that run side by side
    waiting: int  # jobs that wait
    each: int  # jobs of one visitor that run or wait
    minutes: float | None  # of training, all sessions of a job together
    hours: float | None  # that an ended job is kept

    @staticmethod
    def here() -> Limits:
        """From GENSTUDIO_JOBS_AT_ONCE, _WAITING, _EACH, _MINUTES and _HOURS; 0 lifts the last two."""
        public = bool(os.environ.get("SPACE_ID"))

        def number(name: str, mine: float, strangers: float) -> float:
            word = os.environ.get(f"GENSTUDIO_JOBS_{name}", "")
            try:
                value = float(word) if word else strangers if public else mine
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
class Order:
    """What is to be trained, on what, and who asked for it."""

    system: str
    data: str  # a set's name, or the path of a folder or zip
    init: str | None = None  # the checkpoint to start from
    recipe: dict[str, Any] = field(default_factory=dict)  # numbers that differ from the system's own
    owner: str = ""  # on a Space, who may see it
    created: float = 0.0


class Process(NamedTuple):
    """A process and its birth: a number alone may be another's by now."""

    pid: int
    born: float

    @staticmethod
    def of(pid: int) -> Process:
        return Process(pid, psutil.Process(pid).create_time())

    def lives(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.born) < 1  # the clock that it is reckoned from may be set
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True)
class Job:
    """A job as it stands now."""

    id: str
    order: Order
    state: str
    why: Text | None = None  # of what failed

    @property
    def folder(self) -> Path:
        return paths.jobs() / self.id

    @property
    def weights(self) -> Path | None:
        """What it has made, once it is there."""
        path = self.folder / f"{self.order.system}.safetensors"
        return path if path.exists() else None

    @property
    def reports(self) -> list[dict[str, Any]]:
        return rows(self.folder / "reports.jsonl")

    @property
    def seen(self) -> int:
        """Pictures so far."""
        return self.reports[-1]["images"] if self.reports else 0


# What is there ------------------------------------------------------------------------------------------------------


def all_(owner: str | None = None) -> list[Job]:
    """The jobs, of one owner if said so, the newest first."""
    folders = paths.jobs().glob("*/job.json") if paths.jobs().exists() else ()
    found = [job for path in folders if (job := _read(path.parent)) and owner in (None, job.order.owner)]
    return sorted(found, key=lambda job: job.order.created, reverse=True)


def find(id: str) -> Job:
    """Raises ValueError when there is none: a name with a slash in it never leads anywhere."""
    plain = id.replace("-", "").replace("_", "").isalnum() and len(id) < 100
    job = _read(paths.jobs() / id) if plain else None
    if job is None:
        raise ValueError(f"no job is called {id[:80]!r}; `python -m genstudio jobs list` names them all")
    return job


def _read(folder: Path) -> Job | None:
    said = _load(folder / "job.json")
    if said is None:
        return None
    begun, ended = _load(folder / "begun.json"), _load(folder / "ended.json")
    order = Order(**said)
    if ended:
        return _ended(folder, order, ended)
    if begun is None:
        return Job(folder.name, order, WAITING)
    if Process(**begun).lives():
        return Job(folder.name, order, {PAUSE: PAUSING, STOP: STOPPING}.get(wish(folder), RUNNING))
    ended = _load(folder / "ended.json")  # once more: it may have ended in good order between the two looks
    return _ended(folder, order, ended or {"how": FAILED, "why": _reason(folder, begun["pid"])})


def _ended(folder: Path, order: Order, said: dict) -> Job:
    return Job(folder.name, order, said["how"], Text(*said["why"]) if said.get("why") else None)


# What is asked for --------------------------------------------------------------------------------------------------


def start(order: Order, upload: Path | None = None) -> Job:
    """A new job, which begins when there is room. `upload` are pictures that it takes along, and that go when it goes.

    Raises ValueError, in words, where the limits are reached.
    """
    with _lock():
        _check_room(order.owner)
        id = f"{order.system}-{secrets.token_hex(6)}"
        folder = paths.jobs() / id
        folder.mkdir(parents=True)
        data = order.data
        if upload is not None:
            (folder / "data").mkdir()
            data = str(shutil.move(upload, folder / "data" / upload.name))
        _save(folder / "job.json", {**asdict(order), "data": data, "created": time.time()})
    tend()
    return find(id)


def _check_room(owner: str) -> None:
    """Raises ValueError where one more job of this owner would be too many."""
    limits, jobs = Limits.here(), all_()
    mine = sum(job.state in (*ACTIVE, WAITING) and job.order.owner == owner for job in jobs)
    if mine >= limits.each:
        raise ValueError(f"you have {mine} unfinished here, and {limits.each} is all that one visitor may have")
    running, waiting = sum(job.state in ACTIVE for job in jobs), sum(job.state == WAITING for job in jobs)
    if running + waiting >= limits.at_once + limits.waiting:
        raise ValueError(f"{waiting} trainings are waiting already: please come back later")


def pause(id: str) -> Job:
    """It stops between two steps; `resume` goes on as if nothing had happened."""
    return _ask(id, PAUSE, PAUSED)


def stop(id: str) -> Job:
    """It stops between two steps, and leaves its weights as they are."""
    return _ask(id, STOP, STOPPED)


def _ask(id: str, what: str, then: str) -> Job:
    with _lock():
        job = find(id)
        if job.state == WAITING:
            _save(job.folder / "ended.json", {"how": PAUSED})
        elif job.state in ACTIVE:
            _write(job.folder / "wish", what)
        elif not (job.state in (PAUSED, FAILED) and then == STOPPED):
            raise ValueError(f"this training is {job.state} already")
        elif (job.folder / "state.pt").exists():  # nobody works on it: somebody has to come and write the weights
            _again(job, STOP)
        else:
            raise ValueError("this training has not come far enough to leave weights")
    tend()
    return find(id)


def resume(id: str) -> Job:
    """A paused, stopped or failed job goes on where its last state was written, when there is room."""
    with _lock():
        job = find(id)
        if job.state == DONE:
            raise ValueError("this training has come to its end")
        if job.state in (PAUSED, STOPPED, FAILED):
            _check_room(job.order.owner)
            _again(job)
        elif job.state in (PAUSING, STOPPING):
            raise ValueError(f"this training is {job.state}: a moment, please")
    tend()
    return find(id)


def _again(job: Job, what: str = "") -> None:
    """Back among those that wait."""
    _write(job.folder / "wish", what)
    for name in ("begun.json", "ended.json"):
        (job.folder / name).unlink(missing_ok=True)


def delete(id: str) -> None:
    """The job and all that it has made; what runs is ended first."""
    with _lock():  # or it might begin meanwhile
        job = find(id)
        begun = _load(job.folder / "begun.json")
        if begun and (process := Process(**begun)).lives():
            with suppress(psutil.Error):
                psutil.Process(process.pid).kill()
            end = time.monotonic() + GRACE
            while process.lives() and time.monotonic() < end:
                time.sleep(0.02)
        _remove(job)


def _remove(job: Job) -> None:
    (job.folder / "job.json").unlink(missing_ok=True)  # first: what is left half-way is no job that would begin anew
    shutil.rmtree(job.folder, ignore_errors=True)


# Looking after them -------------------------------------------------------------------------------------------------

_children: dict[str, subprocess.Popen] = {}  # of this server: it alone is told how they ended


def tend() -> None:
    """Notes what has ended, begins what there is room for, and removes what has been kept long enough."""
    with _lock():
        limits, jobs = Limits.here(), all_()
        for id, child in list(_children.items()):
            if child.poll() is not None:
                folder = paths.jobs() / id
                if (folder / "job.json").exists() and (job := _read(folder)) and job.state == FAILED:
                    note_end(folder, FAILED, job.why)
                del _children[id]
        running = sum(job.state in ACTIVE for job in jobs)
        for job in reversed(jobs):
            if job.state == WAITING and running < limits.at_once:
                try:
                    _begin(job, limits)
                    running += 1
                except (OSError, ValueError, TypeError) as error:  # its own fault: the others have their turn
                    note_end(job.folder, FAILED, Text(str(error), str(error)))
            elif job.state not in (WAITING, *ACTIVE) and limits.hours and _quiet(job.folder) > 3600 * limits.hours:
                _remove(job)


def _quiet(folder: Path) -> float:
    """Seconds since a file in it was last written, more or less."""
    return time.time() - folder.stat().st_mtime


def command(job: Job, limits: Limits) -> list[str]:
    """What works on it, from its beginning or from its last state."""
    order, folder = job.order, job.folder
    words = [sys.executable, "-m", "genstudio", "train", order.system, "--out", str(folder)]
    words += ["--threads", str(threads()), "--watch-minutes", str(WATCH_MINUTES), "--save-minutes", str(SAVE_MINUTES)]
    if (folder / "state.pt").exists():
        words += ["--resume"]
    else:
        own = registry.find(order.system).recipe
        words += ["--fresh", "--data", order.data, *(["--init", order.init] if order.init else [])]
        words += replace(own, **order.recipe).flags(own)
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
    _save(folder / "begun.json", Process.of(child.pid)._asdict())
    stand_back(child.pid)


def stand_back(pid: int) -> None:
    """Visitors come first."""
    psutil.Process(pid).nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICENESS)
    # Linux weighs sessions before it weighs the processes in each: alone in its own, a process is as nice as its session.
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(NICENESS))


def threads() -> int:
    """Half of the processor is for visitors."""
    return max(1, (os.cpu_count() or 1) // 2)


def _reason(folder: Path, pid: int) -> Text:
    """Why a process ended that has not said so itself: only its parent is told."""
    child = _children.get(folder.name)
    if child is None or child.pid != pid:
        return VANISHED
    try:
        code = child.wait(GRACE)  # its threads may be a moment longer in going
    except subprocess.TimeoutExpired:
        return VANISHED
    if code in (-signal.SIGKILL, -signal.SIGTERM) if hasattr(signal, "SIGKILL") else False:
        return KILLED
    if code < 0:
        name = signal.Signals(-code).name
        return Text(CRASHED.en.format(signal=name), CRASHED.fr.format(signal=name))
    said = (folder / "log.txt").read_text(errors="replace").strip().splitlines()
    return Text(said[-1][:500], said[-1][:500]) if said else VANISHED


class Keeper(threading.Thread):
    """Looks after the jobs every second, for as long as the server runs. The jobs outlive it."""

    def __init__(self) -> None:
        Limits.here()  # what is wrong with them is said when the server starts
        super().__init__(name="jobs", daemon=True)

    def run(self) -> None:
        said = ""
        while True:
            try:
                tend()
                error = ""
            except Exception as trouble:  # a full disk, say: without a keeper nothing would ever begin again
                error = f"jobs: {trouble!r}"
            if error and error != said:  # once, not every second
                print(error, file=sys.stderr)
            said = error
            time.sleep(1)


# In the process that works on a job -----------------------------------------------------------------------------------


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Around a training: where the folder is a job's, nobody else works on it, and what breaks it off is noted."""
    with ExitStack() as stack:
        if (folder / "job.json").exists():
            try:
                stack.enter_context(FileLock(folder / ".lock", timeout=0))
            except Timeout:
                raise ValueError("another process is at work on this training") from None
            # A server that was killed as it began this one has not noted it.
            _save(folder / "begun.json", Process.of(os.getpid())._asdict())
        try:
            yield
        except BaseException as error:
            said = str(error) or type(error).__name__
            note_end(folder, FAILED if isinstance(error, Exception) else PAUSED, Text(said, said))
            raise


def note_end(folder: Path, how: str, why: Text | None = None) -> None:
    """How a training ended, where the folder is a job's."""
    if (folder / "job.json").exists():
        (folder / "wish").unlink(missing_ok=True)
        _save(folder / "ended.json", {"how": how, "why": why and tuple(why)})


def wish(folder: Path) -> str:
    """What the one who works in this folder is asked to do: PAUSE, STOP, or nothing."""
    try:
        return (folder / "wish").read_text()
    except FileNotFoundError:
        return ""


# Files ------------------------------------------------------------------------------------------------------------------


def _lock() -> FileLock:
    """One change at a time, whichever server or command makes it."""
    paths.jobs().mkdir(parents=True, exist_ok=True)
    return FileLock(paths.jobs() / ".lock", is_singleton=True)


def _load(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def _save(path: Path, what: dict) -> None:
    _write(path, json.dumps(what, indent=1))


def _write(path: Path, text: str) -> None:
    """Whole or not at all, whoever else writes it."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text)
    os.replace(part, path)
