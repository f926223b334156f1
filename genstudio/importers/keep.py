"""Import of weights: conversion, and storage among the user's checkpoints."""

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

UNTAGGED = "opened"  # tag of a file whose name has none
_KEEPING = threading.Lock()


@contextmanager
def as_ours(path: str | os.PathLike, found: Found) -> Iterator[Path]:
    """Context with the path of a checkpoint of ours: the file itself, or a temporary conversion of other weights."""
    if found.reading is None:
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="genstudio-") as folder:
        target = Path(folder) / f"{found.reading.system}.safetensors"
        convert(path, target, found.reading, found.name)
        yield target


def keep(path: str | os.PathLike, found: Found) -> str:
    """Copy a checkpoint of ours to the user's folder under a free name. Returns the name; no file is overwritten.

    The tag is taken from the file's name, `vae_mnist.cats.safetensors`, else it is "opened"; the first weights of a
    system need none. Weights that are installed already keep their name.
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
        if tag == UNTAGGED and found.reading is None and system not in here:
            name = system  # the first weights of a system that was trained here
        folder = paths.checkpoint_folders()[0]
        folder.mkdir(parents=True, exist_ok=True)
        target, part = folder / f"{name}.safetensors", folder / f"{name}.part"
        for source, place in ((checkpoint.critic_of(path), checkpoint.critic_of(target)), (path, target)):
            if source.exists():
                try:
                    shutil.copyfile(source, part)
                    os.replace(part, place)  # atomic, for concurrent readers
                finally:
                    part.unlink(missing_ok=True)
    return name


def tag_of(name: str, system: str | None) -> str:
    """Tag from a file's name: of a checkpoint of ours, the part after its system; of another file (None), its stem."""
    if system is None:
        return re.sub(r"[^A-Za-z0-9_-]+", "-", PurePosixPath(name).stem)[:40].strip("-") or "opened"
    said = re.fullmatch(rf"{system}\.([A-Za-z0-9_-]{{1,40}})\.safetensors", name)
    return said[1] if said and said[1] != "critic" else UNTAGGED
