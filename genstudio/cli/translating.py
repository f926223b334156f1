"""The `translate` verb: image-to-image translation of files, folders and zips.

As in `generate.py`, results go to stdout, notes to stderr, and torch is imported inside the functions.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from genstudio.cli.common import ProgressLine, given, open_engine, print_json


def translate(
    system: str, pictures: list[str], view: str, background: str, detail: float | None, out: Path, exact: bool,
    device: str | None, json: bool, **flags: Any,
) -> int | None:  # fmt: skip
    from genstudio.tasks.translate_files import translate_files

    engine, progress, outcomes = open_engine(device, exact), ProgressLine(), []
    settings = dict(view=view, background=background, detail=detail, **given(flags, "control_"))
    with closing(translate_files(engine, system, [Path(p) for p in pictures], out, **settings)) as work:
        for outcome in work:
            outcomes.append(outcome)
            if outcome.trouble:
                progress.note(f"{outcome.name}: {outcome.trouble}")
            progress.count(outcome.done, outcome.of, "files")
    if not outcomes:
        raise ValueError(f"there are no files in {', '.join(pictures)}")
    written = sum(bool(outcome.written) for outcome in outcomes)
    if json:
        print_json([{"name": o.name, "written": o.written, "trouble": o.trouble} for o in outcomes])
    else:
        refused = f", {len(outcomes) - written} refused" if written < len(outcomes) else ""
        print(f"{written} translated{refused}, in {out}")
    return 0 if written else 2
