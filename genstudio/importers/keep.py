"""Weights taken in: converted, tried, and kept as a checkpoint."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from genstudio import catalog, checkpoint, paths
from genstudio.importers.convert import convert
from genstudio.importers.identify import Found

_KEEPING = threading.Lock()


@contextmanager
def as_ours(path: str | os.PathLike, found: Found) -> Iterator[Path]:
    """The file as a checkpoint of ours: itself, or for as long as it is looked at what weights of another project become."""
    if found.reading is None:
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="genstudio-") as folder:
        target = Path(folder) / f"{found.reading.system}.safetensors"
        convert(path, target, found.reading, found.name)
        yield target


def keep(path: str | os.PathLike, found: Found) -> str:
    """Puts a checkpoint of ours among the user's own, under a free name, which is returned; never over another's.

    The tag is what the file's own name said, `vae_mnist.cats.safetensors`, else "opened". Weights that are here
    already keep their name.
    """
    path, system = Path(path), found.facts["system"]
    with _KEEPING:
        here = catalog.available()
        digest = checkpoint.digest(path)
        for name, other in here.items():
            if name.partition(".")[0] == system and checkpoint.digest(other) == digest:
                return name
        tag = tag_of(found.name, system if found.reading is None else None)
        tags = (tag + (str(i) if i > 1 else "") for i in range(1, len(here) + 2))
        name = next(n for n in (f"{system}.{t}" for t in tags) if n not in here)
        folder = paths.checkpoint_folders()[0]
        folder.mkdir(parents=True, exist_ok=True)
        target, part = folder / f"{name}.safetensors", folder / f"{name}.part"
        for source, place in ((checkpoint.critic_of(path), checkpoint.critic_of(target)), (path, target)):
            if source.exists():
                try:
                    shutil.copyfile(source, part)
                    os.replace(part, place)  # a reader never sees half a file
                finally:
                    part.unlink(missing_ok=True)
    return name


def tag_of(name: str, system: str | None) -> str:
    """What the name of a file of ours says behind its system's; of another project's, all of the name that can stand there."""
    if system is None:
        return re.sub(r"[^A-Za-z0-9_-]+", "-", PurePosixPath(name).stem)[:40].strip("-") or "opened"
    said = re.fullmatch(rf"{system}\.([A-Za-z0-9_-]{{1,40}})\.safetensors", name)
    return said[1] if said and said[1] != "critic" else "opened"
