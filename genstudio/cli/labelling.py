"""The `dataset` verb: a labelled data set of generated images."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from genstudio.cli.common import ProgressLine, controls_of, open_engine, print_json


def dataset(
    system: str, labels: str, each: int, seed: str, out: Path | None, exact: bool, device: str | None, json: bool,
    **flags: Any,
) -> None:  # fmt: skip
    from genstudio.recipes import fields
    from genstudio.tasks import labelled_dataset

    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    named = [label.strip() for label in labels.split(",") if label.strip()]
    wanted = loaded.header.classes if labels == "all" else named
    controls = {name: value for name, value in controls_of(loaded, "sample", flags).items() if name != "label"}
    target = out or Path(f"{loaded.system.name}-{each * len(wanted)}.zip")
    if target.suffix.lower() != ".zip":
        raise ValueError(f"a data set is written into a .zip, not into {target.name!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    progress, counts, first = ProgressLine(), dict[str, int](), fields.check_seed(seed)
    with closing(labelled_dataset.export(engine, system, wanted, each, target, first, **controls)) as parts:
        for part in parts:
            for label in part.labels:
                counts[label] = counts.get(label, 0) + 1
            progress.count(part.done, part.of)
    if json:
        return print_json({"file": str(target), "classes": counts})
    print(f"{sum(counts.values())} pictures of {len(counts)} class{'es' * (len(counts) != 1)} in {target}")
