"""The `encode` command: latents of pictures, as text or as an array.

Results go to stdout, progress to stderr; torch is imported inside the function, so that `--help` is fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genstudio.cli.common import ProgressLine, chunks, controls_of, expanded, open_engine, open_named, print_json
from genstudio.cli.flags import Commands, computes, gives_json, overwrites


def add(commands: Commands) -> None:
    command = commands.add(encode, "The codes of pictures: words for decode and interpolate, a line each, or one file.")
    command.add_argument("pictures", metavar="PICTURE", nargs="+", help="picture files of any size")
    command.add_argument("--out", type=Path, metavar="FILE.npz", help="write them there as an array `codes`")
    overwrites(command)
    computes(command)
    gives_json(command)
    commands.controlled(command, "encode")


def encode(
    system: str, pictures: list[str], out: Path | None, overwrite: bool, exact: bool, device: str | None, json: bool,
    **flags: Any,
) -> None:  # fmt: skip
    import numpy as np

    from genstudio.recipes import encoding
    from genstudio.tasks.outputs import Outputs

    pictures = expanded(pictures)
    outputs = Outputs([system, *pictures], overwrite)
    engine = open_engine(device, exact)
    loaded, progress, latents = engine.hold(system), ProgressLine(), []
    controls = controls_of(loaded, "encode", flags)
    for part in chunks(pictures):
        latents.extend(engine.encode(system, [open_named(name) for name in part], **controls))
        progress.count(len(latents), len(pictures))
    if out:
        out = out if out.suffix == ".npz" else out.with_name(out.name + ".npz")  # as numpy would
        facts = dict(pictures=pictures, system=loaded.name, weights=loaded.digest)
        with outputs.making(out) as part:
            np.savez(part, codes=np.stack(latents).astype(np.float16), **facts)
    if json:
        rows = [{"picture": p, "code": f"code:{encoding.pack(z)}"} for p, z in zip(pictures, latents, strict=True)]
        print_json({"system": loaded.name, "weights": loaded.digest, "codes": rows})
    elif out:
        print(f"{len(latents)} codes of {len(latents[0])} numbers in {outputs.last}{outputs.summary()}")
    else:
        for latent in latents:
            print(f"code:{encoding.pack(latent)}")
