"""Provenance of a run's weights: its stages, each with one data set and one recipe. run.json lists them, the newest last:

    {"data": as given, "name": of the set, "digest": SHA-256 of its pixels, "credit": ..., "images": count at its end,
     "flags": of its recipe, where it differs from that of the stage before, or of the first, from the system's,
     "pictures": their number, "left_out": {reason: number of pictures}, "skipped": number of other files}

The digest is empty in a run that began before digests were introduced.
"""

from __future__ import annotations

import shlex
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from genstudio.data import Pictures, named
from genstudio.registry import find_system
from genstudio.system import Recipe


def learned_from(
    resumed: dict[str, Any], pictures: Pictures, data: str, images: int, chosen: bool, flags: list[str]
) -> list[dict[str, Any]]:
    """Stages of a run that continues with these pictures after `images`. resumed: its run.json; empty if new. flags: of
    the recipe, where it now differs.

    Raises ValueError if the pictures differ from those so far; warns instead if they were `chosen` explicitly.
    """
    now = {"data": data, "name": pictures.name, "digest": pictures.digest(), "credit": pictures.credit, "flags": flags}
    if pictures.left_out or pictures.ignored:
        now |= {"pictures": len(pictures), "left_out": pictures.left_out, "skipped": len(pictures.ignored)}
    if not resumed:
        return [now]
    first, *later = resumed.get("learned_from") or [
        {"data": resumed["data"], "name": name_of(resumed["data"]), "digest": "", "credit": ""}
    ]
    if "flags" not in first:  # of a run that began before stages had them
        first = first | {"flags": first_flags(resumed)}
    *before, last = first, *later
    if last["digest"] == now["digest"] or not (last["digest"] or chosen):
        if not flags:
            return [*before, now | {"flags": last.get("flags", [])}]
    else:
        check_pictures(last, now, chosen)
    return [*before, last | {"images": images}, now] if images else [now]


def first_flags(resumed: dict[str, Any]) -> list[str]:
    """Flags of the recipe of a run.json, which is that of its first stage, but for the number of images."""
    own = find_system(resumed["system"]).recipe
    return replace(Recipe.of(resumed["recipe"]), images=own.images).flags(own)


def check_pictures(last: dict[str, Any], now: dict[str, Any], chosen: bool) -> None:
    """Raise ValueError for a stage with other pictures than the last one's; warn if they were `chosen`."""
    old = f"{last['name']} ({last['digest'][:12] or 'of unknown digest'})"
    other = f"this run has learned from {old}, and {now['name']} ({now['digest'][:12]}) holds other pictures"
    if not chosen:
        raise ValueError(f"{other}: --data {shlex.quote(now['data'])} goes on with them all the same")
    if not last["digest"]:
        other = f"this run has learned from {old}, which may not be {now['name']} ({now['digest'][:12]}) as it is here"
    warnings.warn(f"{other}; it goes on with them, and its header names both", stacklevel=4)


def name_of(data: str) -> str:
    """Name of a data set, from its name, or the path of its folder or zip."""
    return data if named(data) else Path(data).stem


def credit(entries: list[dict[str, Any]]) -> str:
    """Credits of all stages' data, without duplicates."""
    return "; ".join(dict.fromkeys(entry["credit"] for entry in entries if entry["credit"]))


def facts(entries: list[dict[str, Any]], images: int) -> list[dict[str, Any]]:
    """Header entries: name and digest of each stage's data, what of it was left out, its flags, and the image count at
    its end."""
    keys = ("name", "digest", "images", "flags", "pictures", "left_out", "skipped")
    known = [{key: entry[key] for key in keys if entry.get(key, []) not in ([], {}, 0)} for entry in entries]
    return [{"images": images} | entry for entry in known]
