"""npm packages in a folder of their own, and Node programs that use them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Package(NamedTuple):
    name: str
    version: str  # exact
    licence: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def find_program(program: str) -> str:
    """Path of node or npm. Raises ValueError, with instructions, if it is not installed."""
    path = shutil.which(program)
    if path is None:
        raise ValueError(f"{program} is not installed: the drawings come from npm, so install Node.js 18 or newer")
    return path


def install(folder: Path, packages: Iterable[Package]) -> None:
    """Install packages into folder/node_modules, without running any of their scripts."""
    packages = tuple(packages)
    manifest = {"private": True, "dependencies": {p.name: p.version for p in packages}}
    (folder / "package.json").write_text(json.dumps(manifest))
    command = [find_program("npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        errors = [line.removeprefix("npm error ") for line in done.stderr.splitlines() if line.startswith("npm error ")]
        reason = ", ".join(errors[:2]) or f"it ended with status {done.returncode}"
        raise ValueError(f"npm could not install {', '.join(map(str, packages))}: {reason}")


def run(folder: Path, program: Path, jobs: Iterable[dict]) -> Iterator[tuple[dict, bytes]]:
    """Yield the outputs (header, bytes) of a Node program, one per job, in order.

    The program reads a JSON Lines file with a job per line. For each it prints a JSON line, in which `bytes` is the
    number of bytes that follow.
    """
    shutil.copy(program, folder)  # Node looks for packages beside the program that imports them
    with open(folder / "jobs.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(job) + "\n" for job in jobs)
    command = [find_program("node"), program.name, "jobs.jsonl"]
    # stderr goes to a file: an unread pipe fills up and blocks the program.
    with (
        open(folder / "errors.txt", "w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        try:
            while line := process.stdout.readline():
                header = json.loads(line)
                yield header, process.stdout.read(header["bytes"])
            status = process.wait()
        finally:
            process.kill()  # where the generator is closed early
        if status:
            errors.seek(0)
            reason = next((line.strip() for line in errors if "Error" in line), f"it ended with status {status}")
            raise ValueError(f"{program.name} failed: {reason}")
