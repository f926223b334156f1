"""Training on a machine that is lent for minutes: systems in order, each resumed, and exported again in parts.

All lies in one folder inside the checkout, which travels with it:

    data/    sets as GENSTUDIO_DATA holds them; NAME.pixels, which `data pack` writes, is less than half of NAME.zip
    runs/    NAME.run, or its parts, of each run that goes on; a system without one begins
    out/     where the parts come to lie

Nothing is installed, and no library is needed but torch, safetensors, NumPy and Pillow.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from genstudio.registry import find
from genstudio.training import parts, runs
from genstudio.training.loop import train
from genstudio.training.run import Report

RESERVE = 45.0  # seconds for imports and for the export; of a short lease, a quarter


def lease(
    systems: Sequence[str],
    folder: Path,
    out: Path | None = None,
    minutes: float = 9.0,
    part: int | None = None,
    data: str | None = None,
    device: str | None = None,
) -> Iterator[tuple[str, Report | list[Path]]]:
    """Trains each system until it is done, or until the minutes are over; the next has what is left.

    Yields (system, report) while one trains, and (system, files) once it is exported. One that is done is skipped.
    """
    deadline = time.monotonic() + 60 * minutes - min(RESERVE, 15 * minutes)
    out = out or folder / "out"
    for name in systems:
        find(name)  # before minutes are spent on the first, all are known
    if (folder / "data").is_dir():
        os.environ["GENSTUDIO_DATA"] = str(folder / "data")
    for name in systems:
        if (left := deadline - time.monotonic()) <= 0:
            return
        run = folder / "runs" / name
        if newest(run) and runs.done(run):
            continue
        options = {"out": run, "resume": (run / "state.pt").exists(), "data": data, "device": device}
        with closing(train(name, max_minutes=left / 60, **options)) as reports:
            for report in reports:
                yield name, report
                if time.monotonic() > deadline:  # closed, it leaves its state; weights and film are made at home
                    break
        yield name, runs.export(run, out / f"{name}{runs.SUFFIX}", part)


def newest(run: Path) -> bool:
    """Imports a run from the file beside its folder, where that has come further. Whether there is one now."""
    source, here = run.with_name(run.name + runs.SUFFIX), (run / "state.pt").exists()
    if source.exists() or parts.exist(source):
        if not here or runs.describe(source).step > runs.read_folder(run).header.step:
            runs.import_(source, run, replace=True)
        return True
    return here
