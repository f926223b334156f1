"""The verbs `runs`, which moves training runs between machines, and `lease`, which trains on a leased machine."""

from __future__ import annotations

import json as jsons
import sys
import time
from dataclasses import asdict
from pathlib import Path

from genstudio.cli.common import ProgressLine, device_of, plain_warnings
from genstudio.cli.flags import Commands, gives_json, on_device, overwrites

WHAT = ("list", "export", "import")
MB = 1_000_000


def add(commands: Commands) -> None:
    about = "Training runs that travel: list them, export one to a file or to parts, import it to --resume elsewhere."
    command = commands.add(runs, about, "")
    command.add_argument("what", metavar="WHAT", choices=WHAT, nargs="?", default="list", help="|".join(WHAT))
    about = "export: a run's name and the file to write; import: that file, one of its parts, or the folder of a run"
    command.add_argument("words", metavar="NAME FILE", nargs="*", help=about)
    command.add_argument("--part", type=float, metavar="MB", help="export in parts of at most that size")
    command.add_argument("--out", type=Path, metavar="DIR", help="import to that folder (GENSTUDIO_HOME/runs/SYSTEM)")
    command.add_argument(
        "--replace", action="store_true", help="import in place of the run that is there, which is lost"
    )
    overwrites(command)
    gives_json(command)

    about = "Trains systems in order for some minutes, each resumed, and exports them in parts. See `make lease`."
    command = commands.add(lease, about, "")
    about = "in the order of their turns; what is done is skipped"
    command.add_argument("systems", metavar="SYSTEM", nargs="+", help=about)
    command.add_argument("--minutes", type=float, default=9.0, metavar="M", help="in all, the export too (9)")
    command.add_argument("--folder", type=Path, default="lease", metavar="DIR", help="with data/ and runs/ (lease)")
    command.add_argument("--out", type=Path, metavar="DIR", help="folder for the parts (out/ in --folder)")
    command.add_argument("--part", type=float, default=15.0, metavar="MB", help="size of a part at most (15)")
    command.add_argument("--data", help="a set by name, a folder or a zip, in place of what the runs learned from")
    on_device(command)


def runs(
    what: str, words: list[str], part: float | None, out: Path | None, replace: bool, overwrite: bool, json: bool
) -> None:
    from genstudio.training import runs

    if what == "list":
        lines = runs.list_()
        if json:
            print(jsons.dumps([asdict(line) for line in lines], indent=1))
            return
        for line in lines:
            print(_line(line))
        if not lines:
            print("No runs yet. `python -m genstudio train SYSTEM` begins one.")
    elif what == "export":
        if not 1 <= len(words) <= 2:
            raise ValueError("which run, and where to? `python -m genstudio runs export NAME FILE`")
        folder = runs.folder_of(words[0])
        path = Path(words[1]).expanduser() if len(words) > 1 else Path(folder.name + runs.SUFFIX)
        written = exported(folder, path, size_of(part), overwrite)
        if json:
            print(jsons.dumps([{"file": str(file), "bytes": file.stat().st_size} for file in written], indent=1))
            return
        for file in written:
            print(f"{file}, {file.stat().st_size / MB:.1f} MB")
    else:
        if len(words) != 1:
            raise ValueError("which file? `python -m genstudio runs import FILE`, one of its parts, or a folder")
        folder, header = runs.import_(Path(words[0]).expanduser(), out, replace)
        if json:
            print(jsons.dumps({"folder": str(folder), **asdict(header)}, indent=1))
            return
        again = f"python -m genstudio train {header.system} --resume" + (f" --out {folder}" if out else "")
        print(f"{folder}: {header.system}, {header.images} images. To go on: {again}")


def exported(folder: Path, path: Path, part: int | None, overwrite: bool) -> list[Path]:
    """Write a run to a file or to parts, whose names have their digest. Returns the files."""
    from genstudio.tasks.outputs import Outputs
    from genstudio.training import runs

    if part is not None:
        return runs.export(folder, path, part)
    outputs = Outputs(overwrite=overwrite)
    with outputs.making(path) as new:
        runs.export(folder, new)
    return [outputs.last]


def size_of(part: float | None) -> int | None:
    """Bytes of so many MB."""
    if part is not None and not 0.001 <= part <= 100_000:
        raise ValueError(f"a part has 0.001 to 100000 MB, not {part:g}")
    return None if part is None else int(part * MB)


def _line(line) -> str:
    if line.error:
        return f"{line.name:<32} {line.error}"
    words = [f"{line.name:<32} {line.images} of {line.of} images"]
    words += [f"{line.rate:.3g}/s"] if line.rate else []
    if line.bytes:
        words.append(f"{line.bytes / MB:.1f} MB of {time.strftime('%Y-%m-%d %H:%M', time.localtime(line.newest))}")
    words += [line.system] if line.system != line.name else []
    return ", ".join(words)


def lease(
    systems: list[str],
    minutes: float,
    folder: Path,
    out: Path | None,
    part: float,
    data: str | None,
    device: str | None,
) -> None:
    from genstudio.training.lease import lease

    if not 0 < minutes <= 10_000:
        raise ValueError(f"minutes must lie between 0 and 10000, not {minutes:g}")
    progress, exported = ProgressLine(30.0), []
    with plain_warnings():
        for system, said in lease(systems, folder, out, minutes, size_of(part), data, device_of(device)):
            if isinstance(said, list):
                exported.append(system)
                for file in said:
                    print(f"{file}, {file.stat().st_size / MB:.1f} MB", flush=True)
            else:
                last = said.step == said.steps
                progress.show(f"{system}: {said.images} images, {said.rate:.4g}/s, {said.terms}", last=last)
    for system in systems:
        if system not in exported:
            print(f"{system}: it is done already, or no time was left for it", file=sys.stderr)
