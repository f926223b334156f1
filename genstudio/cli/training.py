"""The `train` verb: follows a run on the terminal, and stops it in good order.

As in `commands.py`, results go to stdout, progress to stderr, and torch is imported inside.
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
from typing import Any

from genstudio.cli.commands import Progress, clock, device_of, given


def train(
    system: str, out: Path | None, resume: bool, fresh: bool, device: str | None, threads: int | None, json: bool,
    **flags: Any,
) -> int | None:  # fmt: skip
    import torch

    from genstudio import checkpoint, paths
    from genstudio.registry import find
    from genstudio.train import train

    out = out or paths.runs() / find(system).name
    if (out / "state.pt").exists() and not (resume or fresh):
        raise ValueError(f"{out} holds a run already: --resume goes on with it, --fresh begins anew in its place")
    if threads is not None:
        if not 1 <= threads <= 1024:
            raise ValueError(f"threads must lie between 1 and 1024, not {threads}")
        torch.set_num_threads(threads)
    recipe = given(flags, "recipe_")
    check_recipe(recipe)
    options = {name: value for name, value in flags.items() if not name.startswith("recipe_")}
    again = shlex.join(["python", "-m", "genstudio", "train", system, "--resume", "--out", str(out)])

    speaks = os.environ.get("RANK", "0") == "0"  # the first of several processes
    progress = Progress(30.0)
    run = train(system, out=out, resume=resume, device=device_of(device), **options, **recipe)
    with closing(run), interrupts() as stopping:
        for report in run:
            if json and speaks:
                print(jsons.dumps(asdict(report), default=str), flush=True)
            stand = f"step {report.step} of {report.steps}, {report.rate:.3g} pictures/s, {clock(report.eta)} left"
            stand += f", each in {report.parts} parts for want of memory" if report.parts > 1 else ""
            terms = ", ".join(f"{name} {value:.4g}" for name, value in report.terms.items())
            if speaks:
                progress.show(f"{stand}: {terms}", last=report.step == report.steps)
            if stopping:
                break
        else:
            stopping.clear()  # too late: it has come to its end
    if not speaks:
        return 130 if stopping else None
    where = sys.stderr if json else sys.stdout
    if stopping:
        print(f"Stopped at step {report.step} of {report.steps}. To go on: {again}", file=where)
        print("With --max-minutes 0 as well, it only writes the weights as they are.", file=where)
        return 130
    weights = out / f"{system}.safetensors"
    print(f"The weights are in {weights}", file=where)
    header = checkpoint.describe(weights)
    if header.images < (whole := header.recipe["images"]):
        print(f"They have seen {header.images} of {whole} pictures. To go on: {again}", file=where)


def check_recipe(changes: dict[str, Any]) -> None:
    """Numbers that no run can be made of."""
    for name, value in changes.items():
        least = 1 if name in ("images", "batch") else 0
        if not (value >= least and value < 2**63):  # refuses NaN too
            raise ValueError(f"{name} must be at least {least}, not {value}")


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """A list that fills when somebody asks to stop, so that no step of training is cut in half. Twice is at once."""
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
