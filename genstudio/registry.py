"""Registry of the systems by name: every function with `@system` in `genstudio/models/` or in a file of the user's own.

Those files are named on the command line or in GENSTUDIO_SYSTEMS alone, never by a checkpoint or an upload: they are
programs, and are run.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import os
import pkgutil
import re
import sys
import types
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from genstudio import models
from genstudio.controls import Refusal
from genstudio.model import Companions, Model, verbs
from genstudio.system import System

FILES = "GENSTUDIO_SYSTEMS"  # paths of files with systems, separated as in PATH; processes of training inherit it


def systems() -> dict[str, System]:
    """All systems, in the order of the files and functions. Raises ValueError for a name declared twice, and for a file
    that is not there or does not run."""
    files = os.environ.get(FILES, "")
    return with_files(files) if files else own()


@cache
def own() -> dict[str, System]:
    """The systems of GenStudio that lists show."""
    return {name: system for name, system in everything().items() if system.listed}


@cache
def unlisted() -> dict[str, System]:
    """The systems of the lab."""
    return {name: system for name, system in everything().items() if not system.listed}


@cache
def everything() -> dict[str, System]:
    """Every system of `genstudio.models`, listed or not."""
    found: dict[str, System] = {}
    for module in pkgutil.iter_modules(models.__path__, models.__name__ + "."):
        add(found, declared(importlib.import_module(module.name)))
    return found


@cache
def with_files(files: str) -> dict[str, System]:
    found = dict(own())
    for path in dict.fromkeys(filter(None, files.split(os.pathsep))):
        add(found, of_file(path))
    return found


def declared(module: types.ModuleType) -> list[System]:
    """The systems that a module declares, without those that it imports."""
    entries = [getattr(value, "system", None) for value in vars(module).values()]
    return [e for e in entries if isinstance(e, System) and e.build.__module__ == module.__name__]


def add(found: dict[str, System], entries: Sequence[System]) -> None:
    for entry in entries:
        if other := found.get(entry.name):
            here, there = (e.file or e.build.__module__ for e in (entry, other))
            raise ValueError(f"{here} declares {entry.name!r}, but {there} has declared it already")
        found[entry.name] = entry


# Files of the user's own ----------------------------------------------------------------------------------------


@cache
def of_file(path: str) -> list[System]:
    """Run a Python file and return the systems that it declares. Raises ValueError in one sentence."""
    file = Path(path).expanduser()
    if file.suffix != ".py":
        raise ValueError(f"systems stand in a Python file, NAME.py, not in {path!r}")
    try:
        body = file.read_bytes()
    except OSError as error:
        raise ValueError(f"the file of systems {path} cannot be read: {error.strerror}") from None
    module = types.ModuleType(f"genstudio_systems.{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses and type hints look their module up
    try:
        exec(compile(body, str(file), "exec"), module.__dict__)
        found = declared(module)
        for entry in found:
            if not issubclass(entry.model, Model):
                raise TypeError(f"{entry.name} returns no Model")
    except (KeyError, TypeError) as error:
        why = "its function does not say what it returns, as in `-> MyGAN`" if error.args == ("return",) else error
        raise ValueError(f"{path} declares no systems that work: {said(why)}") from None
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path} does not run: {type(error).__name__}: {said(error)}") from None
    if not found:
        raise ValueError(f"{path} declares no system: a function with @system, as in docs/own_system.py")
    digest = hashlib.sha256(body).hexdigest()[:12]
    return [replace(entry, file=os.path.abspath(file), digest=digest) for entry in found]


def said(error: Any) -> str:
    return " ".join(str(error).split())[:200]


def use_files(words: Sequence[str]) -> list[str]:
    """Take the files of systems out of a command line: `--systems FILE`, and the FILE of `FILE.py:NAME` after the
    command, of which the name stays. Raises ValueError for one that is absent or does not run.

    A file that the command is to open has no colon, and is never run.
    """
    rest, files = [], []
    words = list(words)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        if flag == "--systems":
            if not equals and not words:
                raise ValueError("--systems takes a Python file that declares systems")
            files += (value if equals else words.pop(0)).split(os.pathsep)
        elif len(rest) == 1 and (named := re.fullmatch(r"(.+\.py):(\w*)", word, re.ASCII)):
            files.append(named[1])
            rest.append(only(named[1], named[2]))
        else:
            rest.append(word)
    for file in files:
        of_file(path := os.path.abspath(os.path.expanduser(file)))
        if path not in (before := os.environ.get(FILES, "").split(os.pathsep)):
            os.environ[FILES] = os.pathsep.join([*filter(None, before), path])
    if files:
        systems()  # raises for a name that is declared twice
    return rest


def only(file: str, name: str) -> str:
    """The name of a system of a file; after the colon it may be left out where there is one. Raises ValueError if it is
    not there."""
    names = [entry.name for entry in of_file(os.path.abspath(os.path.expanduser(file)))]
    if name in names or (not name and len(names) == 1):
        return name or names[0]
    asked = f"not {name!r}" if name else f"so which? {file}:{names[0]}"
    raise ValueError(f"{file} declares {', '.join(names)}, {asked}")


# Systems --------------------------------------------------------------------------------------------------------


def find_system(name: str, source: dict[str, Any] | None = None) -> System:
    """The system of that name. Raises ValueError with the nearest names if there is none.

    source: file and digest from a header, of a system of the user's own. Raises ValueError if that file has not been
    named at the start, or is another by now.
    """
    found = systems().get(name)
    if source:
        file, digest = (str(source.get(key))[:80] for key in ("file", "digest"))
        if found is None or not found.file:
            raise Refusal(
                f"{name} is a system of {file}, which is not here: start with --systems {file}, or name it in {FILES}",
                f"{name} est un système de {file}, qui n’est pas ici : démarrez avec --systems {file}, ou nommez-le "
                f"dans {FILES}",
            )
        if found.digest != digest:
            raise Refusal(
                f"{file} has changed: {name} was trained with {digest}, and it is {found.digest} now; bring that file "
                "back, or train again",
                f"{file} a changé : {name} a été entraîné avec {digest}, et c’est {found.digest} à présent ; remettez "
                "ce fichier, ou entraînez de nouveau",
            )
    if found is None:
        near = difflib.get_close_matches(name, systems(), n=3, cutoff=0.4)
        advice = f"did you mean {', '.join(near)}?" if near else "`python -m genstudio list` names them all"
        raise Refusal(f"no system is called {name!r}; {advice}", f"aucun système ne s’appelle {name!r}")
    return found


def build(system: System, arguments: dict[str, Any] | None = None, companions: Companions | None = None) -> Model:
    """Build a system's model, with random weights, and give it its companions."""
    model = system.build(**(arguments or {}))
    model.companions = companions or Companions()
    return model


def with_verbs(*needed: str) -> list[System]:
    """The systems that define all of the verbs `needed`, as a tab offers them."""
    return [s for s in systems().values() if set(needed) <= set(verbs(s.model))]
