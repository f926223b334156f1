"""Registry of the systems by name: every function with `@system` in `genstudio/models/`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache
from typing import Any

from genstudio import models
from genstudio.controls import Refusal
from genstudio.model import Companions, Model, verbs
from genstudio.system import System


@cache
def systems() -> dict[str, System]:
    """All systems that lists show, in the order of the files and functions."""
    return {name: system for name, system in declared().items() if system.listed}


@cache
def unlisted() -> dict[str, System]:
    """The systems of the lab."""
    return {name: system for name, system in declared().items() if not system.listed}


@cache
def declared() -> dict[str, System]:
    """Every function with `@system`. Raises ValueError for a name declared twice."""
    found: dict[str, System] = {}
    for module in pkgutil.iter_modules(models.__path__, models.__name__ + "."):
        for value in vars(importlib.import_module(module.name)).values():
            entry = getattr(value, "system", None)
            if not isinstance(entry, System) or entry.build.__module__ != module.name:
                continue
            if other := found.get(entry.name):
                raise ValueError(
                    f"{module.name} declares {entry.name!r}, but {other.build.__module__} has declared it already"
                )
            found[entry.name] = entry
    return found


def find_system(name: str) -> System:
    """The system of that name. Raises ValueError with the nearest names if there is none."""
    try:
        return systems()[name]
    except KeyError:
        near = difflib.get_close_matches(name, systems(), n=3, cutoff=0.4)
        advice = f"did you mean {', '.join(near)}?" if near else "`python -m genstudio list` names them all"
        raise Refusal(f"no system is called {name!r}; {advice}", f"aucun système ne s’appelle {name!r}") from None


def build(system: System, arguments: dict[str, Any] | None = None, companions: Companions | None = None) -> Model:
    """Build a system's model, with random weights, and give it its companions."""
    model = system.build(**(arguments or {}))
    model.companions = companions or Companions()
    return model


def with_verbs(*needed: str) -> list[System]:
    """The systems that define all of the verbs `needed`, as a tab offers them."""
    return [s for s in systems().values() if set(needed) <= set(verbs(s.model))]
