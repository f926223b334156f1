"""The `data` verb: builds drawn data sets, and packs a set into one small file."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from genstudio.cli.common import confirmed
from genstudio.cli.flags import Commands


def add(commands: Commands) -> None:
    command = commands.add(data, "Builds a drawn set, avatars, faces or emoji, from its npm packages. Needs Node.", "")
    command.add_argument("name", metavar="NAME", help="avatars, faces or emoji; pack: a set in one small file")
    command.add_argument("words", metavar="SET FILE.pixels", nargs="*", help="pack: which set, and the file to write")
    command.add_argument("--style", help="of faces: adventurer, avataaars, bigSmile, ... (avataaars)")
    command.add_argument("--count", type=int, metavar="N", help="faces to train on; 4 000 more are held out (24000)")
    command.add_argument("--side", type=int, metavar="PIXELS", help="of a face, 32 to 256 (64)")
    command.add_argument("--pairs", metavar="glasses", help="each face without and with glasses, all else equal")
    command.add_argument("--yes", action="store_true", help="accept size and licences without being asked")
    command.add_argument("--out", type=Path, metavar="DIR", help="folder for the archive (GENSTUDIO_DATA)")


def data(name: str, words: list[str], yes: bool, out: Path | None, **options: Any) -> None:
    from genstudio import paths
    from genstudio.data import drawings

    if name == "pack":
        return pack(words)
    if words:
        raise ValueError(f"data {name} takes no {words[0]!r}")
    chosen = drawings.drawn_set(name, **{key: value for key, value in options.items() if value is not None})
    out = out or paths.data()
    if (target := drawings.place(chosen, out)).exists():
        raise ValueError(f"{target} is there already: remove it, or choose another place with --out")
    print(chosen.terms(), file=sys.stderr)
    accept = yes or confirmed("Build it?")
    with closing(drawings.build(chosen, out, accept)) as progress:
        next(progress)  # the terms, printed above
        for line in progress:
            print(line, file=sys.stderr, flush=True)
    print(target)


def pack(words: list[str]) -> None:
    from genstudio.data import SETS, load, named, pixels
    from genstudio.tasks.outputs import Outputs

    if len(words) != 2:
        raise ValueError("which set, and where to? `python -m genstudio data pack SET FILE.pixels`")
    name, file = words
    if not named(name):
        raise ValueError(f"{name!r} is none of the sets {', '.join(SETS)}")
    found = load(name)
    outputs = Outputs()
    with outputs.making(Path(file).expanduser()) as part:
        size = pixels.save(found, part)
    print(f"{outputs.last}: {len(found)} pictures, {size / 1e6:.1f} MB")
