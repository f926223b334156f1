"""The `train` verb: prints the progress of a run, and stops it cleanly on Ctrl-C or on a job's request.

As in `generate.py`, results go to stdout, progress to stderr, and torch is imported inside the functions.
"""

from __future__ import annotations

import json as jsons
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genstudio.cli.common import ProgressLine, clock, device_of, given
from genstudio.cli.generate import plain_warnings

if TYPE_CHECKING:
    from genstudio.training.run import Report


def train(
    system: str, out: Path | None, resume: bool, fresh: bool, device: str | None, threads: int | None, json: bool,
    network: list[tuple[str, Any]] | None, **flags: Any,
) -> int | None:  # fmt: skip
    import torch

    from genstudio import paths
    from genstudio.registry import find_system
    from genstudio.system import check_recipe
    from genstudio.training import loop, worker

    out = out or paths.runs() / find_system(system).name
    if (out / "state.pt").exists() and not (resume or fresh):
        raise ValueError(f"{out} holds a run already: --resume goes on with it, --fresh begins anew in its place")
    if threads is not None:
        if not 1 <= threads <= 1024:
            raise ValueError(f"threads must lie between 1 and 1024, not {threads}")
        torch.set_num_threads(threads)
    recipe = given(flags, "recipe_")
    check_recipe(recipe)
    options = {name: value for name, value in flags.items() if not name.startswith("recipe_")}
    options |= {"out": out, "device": device_of(device)}
    speaks = os.environ.get("RANK", "0") == "0"  # the first of several processes
    progress = ProgressLine(30.0)

    def follow(**more: Any) -> tuple[Report, str]:
        """Print reports until the end, or until a request to stop. Returns the last report and the request."""
        with closing(loop.train(system, **options | more)) as run:
            for report in run:
                if speaks:
                    tell(report, progress, json)
                if asked := worker.requested(out) or (stopping and worker.PAUSE):
                    return report, asked
        stopping.clear()  # too late: the run is complete
        return report, ""

    with worker.locked(out), plain_warnings(), interrupts() as stopping:
        asked = worker.requested(out)
        if resume and flags["max_minutes"] == 0:
            asked = worker.STOP
        if asked != worker.STOP:
            report, asked = follow(resume=resume, network=dict(network or ()), **recipe)
        if asked == worker.STOP:
            settings = {name: options[name] for name in ("data", "device", "exact", "watch_minutes")}
            report = loop.export(system, out, **settings)
            if speaks and json:
                tell(report, progress, json)
    where = sys.stderr if json else sys.stdout
    again = shlex.join(["python", "-m", "genstudio", "train", system, "--resume", "--out", str(out)])
    if asked == worker.PAUSE:
        worker.record_end(out, worker.PAUSED)
        if speaks:
            print(f"Stopped at step {report.step} of {report.steps}. To go on: {again}", file=where)
            print("With --max-minutes 0 as well, it only writes the weights as they are.", file=where)
        return 130
    if not speaks:
        return None
    worker.record_end(out, worker.DONE if report.step == report.steps else worker.STOPPED)
    weights = out / f"{system}.safetensors"
    print(f"The weights are in {weights}", file=where)
    print(f"To see them on the page: {shlex.join(['python', '-m', 'genstudio', 'open', str(weights)])}", file=where)
    if report.step < report.steps:
        whole = report.images // report.step * report.steps
        print(f"They have seen {report.images} of {whole} pictures. To go on: {again}", file=where)


def tell(report: Report, progress: ProgressLine, json: bool) -> None:
    if json:
        print(jsons.dumps(asdict(report), default=str), flush=True)
    stand = f"step {report.step} of {report.steps}, {report.rate:.3g} pictures/s, {clock(report.eta)} left"
    stand += f", each in {report.parts} parts for want of memory" if report.parts > 1 else ""
    terms = ", ".join(f"{name} {value:.4g}" for name, value in report.terms.items())
    progress.show(f"{stand}: {terms}", last=report.step == report.steps)


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Context with a list of received signals, which do not interrupt a training step. The second one does."""
    asked: list[int] = []

    def ask(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        print("\nStopping at the next report; Ctrl-C again stops at once.", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
