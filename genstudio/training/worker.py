"""The process of a training job: its lock, the requests to it, and the record of its end.

The files stand in the job's folder, as `jobs` lists them. In a folder that is no job's, these do nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
from filelock import FileLock, Timeout

from genstudio.controls import Text, sentence

WAITING, RUNNING, PAUSING, STOPPING = "waiting", "running", "pausing", "stopping"
PAUSED, STOPPED, DONE, FAILED = "paused", "stopped", "done", "failed"
ACTIVE = (RUNNING, PAUSING, STOPPING)
PAUSE, STOP = "pause", "stop"
NICENESS = 10


class Process(NamedTuple):
    """A process by id and start time: ids are reused."""

    pid: int
    born: float

    @staticmethod
    def of(pid: int) -> Process:
        return Process(pid, psutil.Process(pid).create_time())

    def lives(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.born) < 1  # start times shift when the system clock is set
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Context of a training: in a job's folder, take its lock and record an exception as its end.

    Raises ValueError if another process has the lock.
    """
    with ExitStack() as stack:
        if (folder / "job.json").exists():
            try:
                stack.enter_context(FileLock(folder / ".lock", timeout=0))
            except Timeout:
                raise ValueError("another process is at work on this training") from None
            # A server killed while it started this process has not recorded it.
            save(folder / "begun.json", Process.of(os.getpid())._asdict())
        try:
            yield
        except BaseException as error:
            said = sentence(error)
            if not said.en:
                said = Text(type(error).__name__, type(error).__name__)
            record_end(folder, FAILED if isinstance(error, Exception) else PAUSED, said)
            raise


def record_end(folder: Path, how: str, why: Text | None = None) -> None:
    """Record the end of a training, where the folder is a job's."""
    if (folder / "job.json").exists():
        (folder / "wish").unlink(missing_ok=True)
        save(folder / "ended.json", {"how": how, "why": why and tuple(why)})


def requested(folder: Path) -> str:
    """Request to the process of this folder: PAUSE, STOP, or an empty string."""
    try:
        return (folder / "wish").read_text()
    except FileNotFoundError:
        return ""


def lower_priority(pid: int) -> None:
    """Lower the priority of a process: visitors of the page come first."""
    psutil.Process(pid).nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICENESS)
    # Linux's autogroups schedule sessions before processes: the nice value of a process counts within its session only.
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(NICENESS))


# Files --------------------------------------------------------------------------------------------------------------


def load(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def save(path: Path, what: dict) -> None:
    write(path, json.dumps(what, indent=1))


def write(path: Path, text: str) -> None:
    """Write a file atomically, with concurrent writers."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text)
    os.replace(part, path)
