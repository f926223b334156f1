"""Splitting of a large file into parts, NAME.DIGEST.1of3 and so on, each with a header that identifies the whole."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from genstudio import files

FORMAT = 1
# The digest in the name keeps two exports apart: the parts of the earlier one stay until all new ones are written.
PART = re.compile(r"(?P<stem>.+)\.(?P<digest>[0-9a-f]{8})\.(?P<part>[0-9]{1,4})of(?P<parts>[0-9]{1,4})")
HEAD = 512  # bytes of a part's header, its first line, which identifies the whole
MIN_PART = 2 * HEAD


def write(data: bytes, path: Path, most: int) -> list[Path]:
    """Write NAME.run.DIGEST.1of3 and so on, of at most `most` bytes each. Parts of an earlier export are removed."""
    if most < MIN_PART:
        raise ValueError(f"a part has at least {MIN_PART} bytes, not {most}")
    room, whole = most - HEAD, hashlib.sha256(data).hexdigest()
    chunks = [data[i : i + room] for i in range(0, len(data), room)]
    if len(chunks) > 9999:
        raise ValueError(f"parts of {most} bytes would be {len(chunks)}: at most 9999")
    written = [path.with_name(f"{path.name}.{whole[:8]}.{i}of{len(chunks)}") for i in range(1, len(chunks) + 1)]
    former, fresh = set(_siblings(path)) - set(written), [part for part in written if not part.exists()]
    try:
        for i, (part, chunk) in enumerate(zip(written, chunks, strict=True), 1):
            head = {"run part": FORMAT, "part": i, "parts": len(chunks), "bytes": len(data), "whole": whole}
            head |= {"sha256": hashlib.sha256(chunk).hexdigest()}
            with files.replacing(part) as file:
                file.write(json.dumps(head).encode().ljust(HEAD - 1) + b"\n")
                file.write(chunk)
    except BaseException:
        for part in fresh:
            part.unlink(missing_ok=True)
        raise
    for part in former:
        part.unlink(missing_ok=True)
    return written


def join(path: Path) -> bytes:
    """Join the parts of a file in one folder. `path` is any of the parts, or the name of the whole."""
    named = PART.fullmatch(path.name)
    stem = path.with_name(named["stem"]) if named else path
    found: dict[str, dict[int, Path]] = {}
    heads = {part: _head(part) for part in _siblings(stem)}
    for part, head in heads.items():
        if not part.name.startswith(f"{stem.name}.{head['whole'][:8]}."):
            raise ValueError(f"{part.name} is a part of another export than its name says")
        found.setdefault(head["whole"], {})[head["part"]] = part
    if named:
        found = {whole: parts for whole, parts in found.items() if whole.startswith(named["digest"])}
    if not found:
        raise ValueError(f"{path} does not exist, nor do parts of it")
    if len(found) > 1:
        whole = ", ".join(sorted({min(parts.values()).name for parts in found.values()}))
        raise ValueError(f"there are parts of {len(found)} exports of {stem.name}: name one of {whole}")
    [(whole, parts)] = found.items()
    head = heads[next(iter(parts.values()))]
    if missing := [i for i in range(1, head["parts"] + 1) if i not in parts]:
        raise ValueError(f"part {missing[0]} of {head['parts']} of {stem.name} is missing")
    joined = b""
    for i in range(1, head["parts"] + 1):
        chunk = parts[i].read_bytes()[HEAD:]
        if hashlib.sha256(chunk).hexdigest() != heads[parts[i]]["sha256"]:
            raise ValueError(f"{parts[i].name} is torn: its bytes are not those that were exported")
        joined += chunk
    if len(joined) != head["bytes"] or hashlib.sha256(joined).hexdigest() != whole:
        raise ValueError(f"the parts of {stem.name} do not make the file that was exported")
    return joined


def exist(stem: Path) -> bool:
    return bool(_siblings(stem))


def _siblings(stem: Path) -> list[Path]:
    if not stem.parent.is_dir():
        return []
    return sorted(p for p in stem.parent.iterdir() if (m := PART.fullmatch(p.name)) and m["stem"] == stem.name)


def _head(part: Path) -> dict[str, Any]:
    with part.open("rb") as file:
        line = file.read(HEAD)
    try:
        head = json.loads(line)
        newer, i, parts, bytes_, whole, own = (
            head[key] for key in ("run part", "part", "parts", "bytes", "whole", "sha256")
        )
        fits = all(type(n) is int for n in (newer, i, parts, bytes_)) and 1 <= i <= parts <= 9999
        fits = fits and all(re.fullmatch("[0-9a-f]{64}", digest) for digest in (whole, own))
    except (ValueError, KeyError, TypeError, RecursionError):
        fits = False
    if not fits or len(line) < HEAD:
        raise ValueError(f"{part.name} is torn, or no part of a run")
    if newer > FORMAT:
        raise ValueError(f"{part.name} has format {newer}; this GenStudio reads up to {FORMAT}: please update")
    return head
