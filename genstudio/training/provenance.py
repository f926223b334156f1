"""The data sets that a run has learned from, one after the other. run.json lists them, the newest last:

    {"data": as it was given, "name": of the set, "digest": SHA-256 of its pixels, "credit": ..., "images": at its end}

A run that began before digests were written has an empty one.
"""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import Any

from genstudio.data import Pictures, named


def learned_from(
    begun: dict[str, Any], pictures: Pictures, data: str, images: int, chosen: bool
) -> list[dict[str, Any]]:
    """The list of a run that goes on, after `images`, with these pictures; `begun` is its run.json, empty at the start.

    Raises ValueError where they are not those that it learned from, unless they were `chosen` by hand: then it warns.
    """
    now = {"data": data, "name": pictures.name, "digest": pictures.digest(), "credit": pictures.credit}
    if not begun:
        return [now]
    *before, last = begun.get("learned_from") or [
        {"data": begun["data"], "name": name_of(begun["data"]), "digest": "", "credit": ""}
    ]
    if last["digest"] == now["digest"] or not (last["digest"] or chosen):
        return [*before, now]
    old = f"{last['name']} ({last['digest'][:12] or 'of unknown digest'})"
    other = f"this run has learned from {old}, and {now['name']} ({now['digest'][:12]}) holds other pictures"
    if not chosen:
        raise ValueError(f"{other}: --data {shlex.quote(data)} goes on with them all the same")
    if not last["digest"]:
        other = f"this run has learned from {old}, which may not be {now['name']} ({now['digest'][:12]}) as it is here"
    warnings.warn(f"{other}; it goes on with them, and its header names both", stacklevel=3)
    return [*before, last | {"images": images}, now] if images else [now]


def name_of(data: str) -> str:
    """The name of the set that was given so."""
    return data if named(data) else Path(data).stem


def credit(entries: list[dict[str, Any]]) -> str:
    """Of all sets, each once."""
    return "; ".join(dict.fromkeys(entry["credit"] for entry in entries if entry["credit"]))


def facts(entries: list[dict[str, Any]], images: int) -> list[dict[str, Any]]:
    """For a checkpoint's header: name and digest of each set, and the count of images when it was left."""
    return [
        {"images": images} | {key: entry[key] for key in ("name", "digest", "images") if key in entry}
        for entry in entries
    ]
