"""Local cache of checkpoints from the Hugging Face Hub: names and files, without network access."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from genstudio import paths
from genstudio.controls import Refusal

PREFIX = "hf:"
CONFIG = "config.json"


class Name(NamedTuple):
    """`hf:owner/name@revision` in its parts."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return PREFIX + self.repo + (f"@{self.revision}" if self.revision else "")


def parse(word: str) -> Name:
    """Parse a name, with or without `hf:`. It becomes a path, so only characters without path traversal are allowed."""
    part = r"[A-Za-z0-9](?:[\w.-]{0,94}\w)?"
    found = re.fullmatch(rf"(?:hf:)?({part}/{part})(?:@(\w[\w./-]*))?", word, re.ASCII)
    if not found or ".." in word:
        raise Refusal(
            f"a checkpoint on the Hub is written owner/name or owner/name@revision, not {word!r}",
            f"un modèle du Hub s’écrit propriétaire/nom ou propriétaire/nom@révision, et non {word!r}",
        )
    return Name(found[1], found[2])


def is_commit(revision: str, least: int = 40) -> bool:
    return bool(re.fullmatch(rf"[0-9a-f]{{{least},40}}", revision))


def pulled() -> dict[str, Path]:
    """All downloaded checkpoints, by pinned name."""
    found = {}
    for path in sorted(paths.hub().glob("*/*/*/*.safetensors")):
        owner, name, commit = path.parts[-4:-1]
        if is_commit(commit) and not path.name.endswith(".critic.safetensors"):
            found[str(Name(f"{owner}/{name}", commit))] = path
    return found


def pin(word: str) -> str:
    """Pinned name of a downloaded checkpoint: of the newest download, if the name has no commit."""
    name, here = parse(word), pulled()

    def fits(pinned: str) -> bool:
        repo, commit = parse(pinned)
        wanted = name.revision or commit
        return repo == name.repo and is_commit(wanted, least=7) and commit.startswith(wanted)

    if not (found := [pinned for pinned in here if fits(pinned)]):
        raise ValueError(f"{name} is not on this machine: get it with `python -m genstudio pull {name}`")
    return max(found, key=lambda pinned: here[pinned].parent.stat().st_mtime)


def locate(word: str) -> Path:
    """Path of a downloaded checkpoint. The page calls it for untrusted names, so it never uses the network."""
    return pulled()[pin(word)]
