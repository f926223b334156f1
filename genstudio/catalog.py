"""Checkpoints by name: shipped, the user's own, and those pulled from the Hub."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from genstudio import paths
from genstudio.checkpoint import check, describe
from genstudio.controls import Text
from genstudio.model import verbs
from genstudio.registry import find
from genstudio.sharing import hub_cache
from genstudio.system import System


def locate(name: str) -> Path:
    """The file of a system (`vae_mnist`), of a tagged one (`vae_mnist.mine`), of what was pulled from the Hub
    (`hf:owner/name@commit`), or the path itself when it is one."""
    if name.startswith(hub_cache.PREFIX):
        return hub_cache.locate(name)
    if name.endswith(".safetensors") or os.sep in name:
        return Path(os.path.expanduser(name))
    for folder in paths.checkpoint_folders():
        if (path := folder / f"{name}.safetensors").exists():
            return path
    find(name.partition(".")[0])  # an unknown name is the likelier mistake, and gets its own sentence
    raise ValueError(f"there are no weights of {name} yet: train them with `python -m genstudio train {name}`")


def listed(name: str) -> str:
    """The name, if it is one that `available` lists. Visitors of the page choose among these, never a path."""
    if name not in available():
        find(str(name).partition(".")[0])
        raise ValueError(f"there are no weights of {name} here")
    return name


def classes(name: str) -> list[str]:
    """The classes that a checkpoint has learned: of its header, its weights are not read."""
    return describe(locate(name)).classes


def system_of(name: str) -> System:
    """The system that a checkpoint, given by name or file, belongs to."""
    return find(describe(locate(name)).system)


def available() -> dict[str, Path]:
    """Every checkpoint that the page can offer, by name; the user's own replace shipped ones."""
    found = {}
    for folder in reversed(paths.checkpoint_folders()):
        for path in sorted(folder.glob("*.safetensors")) if folder.is_dir() else ():
            if not path.name.endswith(".critic.safetensors"):
                found[path.name.removesuffix(".safetensors")] = path
    return found | hub_cache.pulled()


def offered(*needed: str) -> dict[str, System]:
    """The systems, by checkpoint, that can do all of `needed`. What is broken is left out: `list` says why."""
    found = {}
    for name, path in available().items():
        try:
            system = check(path)[0]
        except ValueError:
            continue
        if set(needed) <= set(verbs(system.model)):
            found[name] = replace(system, title=titled(system.title, name, system.name))
    return found


def titled(title: Text, name: str, system: str) -> Text:
    """A system's title, with the tag of a checkpoint that is not the plain one: `vae_mnist.cats`."""
    tag = name.removeprefix(system).removeprefix(".")
    return Text(*(f"{said} · {tag}" for said in title)) if tag else title
