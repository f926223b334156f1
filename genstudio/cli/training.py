"""The `train` verb: prints the progress of a run, and stops it cleanly on Ctrl-C or on a job's request.

Results go to stdout, progress to stderr, and torch is imported inside the functions.
"""

from __future__ import annotations

import argparse
import json as jsons
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from genstudio.cli.common import ProgressLine, clock, device_of, given, plain_warnings
from genstudio.cli.flags import Commands, computes, gives_json

if TYPE_CHECKING:
    from genstudio.data import Pictures
    from genstudio.training.run import Report


def add(commands: Commands) -> None:
    about = "Trains a system. Ctrl-C stops in good order; --resume goes on."
    about_name = "a name that `list` shows, or mine.py:NAME, a system from a file of one's own"
    command = commands.add(train, about, about_name)
    data = command.add_mutually_exclusive_group()
    data.add_argument("--data", help="a set by name, a folder or a zip of pictures, in place of the system's own")
    about = "two folders or zips of pictures with equal names, to translate from A to B"
    data.add_argument("--pairs", nargs=2, metavar=("A", "B"), help=about)
    command.add_argument("--init", metavar="CHECKPOINT", help="start from these weights")
    about = "a network of another size, where the system can be built so: width=32, widths=[64,48,32]"
    command.add_argument("--network", action="append", type=argument, metavar="NAME=VALUE", help=about)
    command.add_argument("--max-minutes", type=float, metavar="M", help="stop after that long, in good order")
    about = "write the state that --resume needs that often (3)"
    command.add_argument("--save-minutes", type=float, default=3.0, metavar="M", help=about)
    about = "look at the pictures and score them that often, for the page"
    command.add_argument("--watch-minutes", type=float, metavar="M", help=about)
    command.add_argument("--resume", action="store_true", help="go on with the run in --out")
    command.add_argument(
        "--fresh", action="store_true", help="begin anew where --out holds a run already, which is lost"
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (GENSTUDIO_HOME/runs/SYSTEM)")
    computes(command)
    command.add_argument("--threads", type=int, metavar="N", help="processor threads")
    gives_json(command, "each report as a line of JSON")
    if commands.command == "train":
        add_recipe(command.add_argument_group("recipe", "Numbers of the run; each is the system's own unless given."))


def add_recipe(group: argparse._ArgumentGroup) -> None:
    """Add a flag for each number of a training recipe."""
    from genstudio.system import Recipe

    types = {int: int, int | None: int, float: float, float | None: float, str: str, bool: bool}
    types |= {dict[str, float]: parts}
    hints, annotated = get_type_hints(Recipe), get_type_hints(Recipe, include_extras=True)
    for name, hint in hints.items():
        type_ = types.get(hint)  # None for tuples, which have no flag
        options = dict(dest=f"recipe_{name}", help=annotated[name].__metadata__[0].replace("%", "%%"))
        if type_ is bool:
            group.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, **options)
        elif type_:
            metavar = "PLAYER=RATE,..." if type_ is parts else type_.__name__.upper()
            group.add_argument(f"--{name.replace('_', '-')}", type=type_, metavar=metavar, **options)


def parts(said: str) -> dict[str, float]:
    """`critic=4e-4,generator=1e-4` -> {"critic": 4e-4, "generator": 1e-4}"""
    pairs = (pair.partition("=") for pair in said.split(",") if pair)
    return {name.strip(): float(value) for name, _, value in pairs}


def argument(said: str) -> tuple[str, Any]:
    """`widths=[64,32]` -> ("widths", [64, 32]); a value that is not JSON stays a string."""
    name, _, value = said.partition("=")
    try:
        return name, jsons.loads(value)
    except ValueError:
        return name, value


def train(
    system: str, out: Path | None, resume: bool, fresh: bool, device: str | None, threads: int | None, json: bool,
    network: list[tuple[str, Any]] | None, pairs: list[str] | None = None, **flags: Any,
) -> int | None:  # fmt: skip
    import torch

    from genstudio import paths
    from genstudio.data import summary
    from genstudio.data.pairs import BAR
    from genstudio.registry import find_system
    from genstudio.system import check_recipe
    from genstudio.training import loop, worker

    out = out or paths.runs() / find_system(system).name
    if (out / "state.pt").exists() and not (resume or fresh):
        raise ValueError(f"{out} holds a run already: --resume goes on with it, --fresh begins anew in its place")
    if not resume:
        check_place(out, find_system(system).name, flags["init"])
    if threads is not None:
        if not 1 <= threads <= 1024:
            raise ValueError(f"threads must lie between 1 and 1024, not {threads}")
        torch.set_num_threads(threads)
    recipe = given(flags, "recipe_")
    check_recipe(recipe)
    options = {name: value for name, value in flags.items() if not name.startswith("recipe_")}
    options |= {"out": out, "device": device_of(device)}
    if pairs:
        options["data"] = BAR.join(pairs)
    speaks = os.environ.get("RANK", "0") == "0"  # the first of several processes
    progress = ProgressLine(30.0)

    def describe(pictures: Pictures, held_out: Pictures | None) -> None:
        for line in summary.lines(pictures, held_out):
            progress.note(line)

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
            report, asked = follow(resume=resume, network=dict(network or ()), on_pictures=describe, **recipe)
        if asked == worker.STOP:
            settings = {name: options[name] for name in ("data", "device", "exact", "watch_minutes")}
            report = loop.export(system, out, **settings)
            if speaks and json:
                tell(report, progress, json)
    where = sys.stderr if json else sys.stdout
    program = ["python", "-m", "genstudio"]
    again = shlex.join([*program, "train", find_system(system).spelled, "--resume", "--out", str(out)])
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
    own = ["--systems", file] if (file := find_system(system).file) else []
    print(f"To see them on the page: {shlex.join([*program, 'open', str(weights), *own])}", file=where)
    if report.step < report.steps:
        print(f"They have seen {report.images} of {report.whole} pictures. To go on: {again}", file=where)


def check_place(out: Path, name: str, init: str | None) -> None:
    """Check that a new run in a folder writes over nothing but an earlier run, and not over its own input."""
    weights = f"{name}.safetensors"
    files = [out / file for file in (weights, f"{name}.critic.safetensors", f"{name}.webp", "best", "walls", "watch")]
    if not (out / "run.json").exists() and (there := [file.name for file in files if file.exists()]):
        raise ValueError(f"{out} is no run, and training would write over its {there[0]}: choose another --out")
    if init and any(Path(init).exists() and file.exists() and file.samefile(init) for file in files[:2]):
        raise ValueError(f"training in {out} would write over {init}, from which it begins: choose another --out")


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
