"""Training on a machine leased for minutes: systems in order, each run resumed, and exported in parts at the end.

Everything is in one folder inside the checkout, so that it is copied along with it:

    data/    data sets, as in GENSTUDIO_DATA; NAME.pixels, from `data pack`, is less than half the size of NAME.zip
    runs/    NAME.run, or its parts, of each run to resume; a system without one starts a new run
    out/     exported parts

Nothing is installed, and no library is required but torch, safetensors, NumPy and Pillow.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from genstudio.registry import find_system
from genstudio.training import parts, runs
from genstudio.training.loop import train
from genstudio.training.run import Report

RESERVE = 45.0  # seconds for imports and for the export; at most a quarter of the lease


def lease(
    systems: Sequence[str],
    folder: Path,
    out: Path | None = None,
    minutes: float = 9.0,
    part: int | None = None,
    data: str | None = None,
    device: str | None = None,
) -> Iterator[tuple[str, Report | list[Path]]]:
    """Train each system until its run is complete or the minutes are over; the next system has the time that is left.

    Yields (system, report) during training, and (system, files) after the export. A complete run is skipped.
    """
    deadline = time.monotonic() + 60 * minutes - min(RESERVE, 15 * minutes)
    out = out or folder / "out"
    for name in systems:
        find_system(name)  # raises on an unknown name, before any time is spent on training
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
                if time.monotonic() > deadline:  # closing saves the state; weights and film are exported at home
                    break
        yield name, runs.export(run, out / f"{name}{runs.SUFFIX}", part)


def newest(run: Path) -> bool:
    """Import a run from the file beside its folder, if that has more steps. True if the folder then has a run."""
    source, here = run.with_name(run.name + runs.SUFFIX), (run / "state.pt").exists()
    if source.exists() or parts.exist(source):
        if not here or runs.describe(source).step > runs.read_folder(run).header.step:
            runs.import_(source, run, replace=True)
        return True
    return here
