"""The `dataset` verb: a labelled data set of generated images."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from genstudio.cli.common import ProgressLine, controls_of, open_engine, print_json
from genstudio.cli.flags import Commands, computes, gives_json, overwrites


def add(commands: Commands) -> None:
    about = (
        "Pictures of each class that is asked for, as a data set: a zip with a folder for each, which says how it was "
        "made."
    )
    command = commands.add(dataset, about)
    about = "classes, by name or number, a name with a comma in double quotes; may be given several times (all)"
    command.add_argument("--labels", action="append", metavar="NAME,NAME,...", help=about)
    command.add_argument("--each", type=int, default=20, metavar="N", help="pictures of each class (20)")
    command.add_argument("--seed", default="0", help="of the first picture; each has the next one (0)")
    command.add_argument("--out", type=Path, metavar="FILE.zip", help="where to (SYSTEM-COUNT.zip)")
    overwrites(command)
    computes(command)
    gives_json(command, "what was written, as JSON")
    commands.controlled(command, "dataset", by="sample")


def dataset(
    system: str, labels: list[str] | None, each: int, seed: str, out: Path | None, overwrite: bool, exact: bool,
    device: str | None, json: bool, **flags: Any,
) -> None:  # fmt: skip
    from genstudio.controls import ALL, class_of, split_labels
    from genstudio.recipes import fields
    from genstudio.tasks import labelled_dataset
    from genstudio.tasks.outputs import Outputs

    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    wanted = split_labels(labels or [ALL], loaded.header.classes)
    controls = {name: value for name, value in controls_of(loaded, "sample", flags).items() if name != "label"}
    target = out or Path(f"{loaded.system.name}-{each * len(wanted)}.zip")
    if target.suffix.lower() != ".zip":
        raise ValueError(f"a data set is written into a .zip, not into {target.name!r}")
    outputs = Outputs([system], overwrite)
    progress, counts, first = ProgressLine(), dict[str, int](), fields.check_seed(seed)
    with closing(labelled_dataset.export(engine, system, wanted, each, target, first, outputs, **controls)) as parts:
        for part in parts:
            for label in part.labels:
                counts[class_of(label)] = counts.get(class_of(label), 0) + 1
            progress.count(part.done, part.of)
    if json:
        return print_json({"file": str(outputs.last), "classes": counts})
    classes = f"{len(counts)} class{'es' * (len(counts) != 1)}"
    print(f"{sum(counts.values())} pictures of {classes} in {outputs.last}{outputs.summary()}")
