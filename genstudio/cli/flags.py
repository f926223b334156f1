"""The declaration of commands: a parser that raises ValueError, the commands in it, and the flags that they share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from genstudio import legacy


class Parser(argparse.ArgumentParser):
    """Parser that raises ValueError on bad arguments, for `main` to print, and accepts no abbreviated flags."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> None:
        if len(message) > 150:  # the verbs are many, and the help has them all
            message = message.partition(" (choose from")[0]
        raise ValueError(f"{message} (see `{self.prog} --help`)")


class Commands:
    """Commands of a parser, in the order of its help. Each file of this package adds its own: `add(commands)`.

    The flags for controls depend on the system, so that only the command of `argv` has them, those of its system.
    """

    def __init__(self, parser: Parser, argv: Sequence[str]):
        self.subparsers = parser.add_subparsers(metavar="VERB", required=True)
        self.command, self.system = (*argv[:2], "", "")[:2]

    def add(
        self, run: Callable, about: str, system: str = "a name that `list` shows, or a .safetensors file",
        name: str = "",
    ) -> Parser:  # fmt: skip
        """Add the command that `run` implements, by default under its name. system: help of that argument, or ""."""
        command = self.subparsers.add_parser(name or run.__name__.rstrip("_"), help=about, description=about)
        command.set_defaults(run=run)
        if system:
            command.add_argument("system", metavar="SYSTEM", help=system)
        about = "a Python file with systems of one's own, which is run (GENSTUDIO_SYSTEMS)"
        command.add_argument("--systems", dest="own_systems", action="append", metavar="FILE.py", help=about)  # taken by `main`
        return command

    def makes_pictures(
        self, command: Parser, name: str, about: str = "list the files and their recipes as JSON", zips: str = ""
    ) -> None:
        """Add the flags shared by verbs that write images, and the controls of the system."""
        where = f"folder{zips} for the PNGs (pictures)"
        where += ", or .png or .jpg, for one picture"
        command.add_argument("--out", type=Path, default="pictures", metavar="DIR", help=where)
        overwrites(command)
        computes(command)
        gives_json(command, about)
        self.controlled(command, name)

    def controlled(self, command: Parser, name: str, by: str = "") -> None:
        """Add the controls of the system for the verb `by`, by default `name`."""
        if self.command == name and self.system and not self.system.startswith("-"):
            add_controls(command, self.system, by or name)


def computes(command: Parser) -> None:
    command.add_argument("--exact", action="store_true", help="plain float32, the same in any batch; slower")
    on_device(command)


def overwrites(command: Parser) -> None:
    about = "replace files that are there, but no input; else they stay, and a result gets the next free number"
    command.add_argument("--overwrite", action="store_true", help=about)


def on_device(command: Parser) -> None:
    command.add_argument("--device", help="cpu, cuda, cuda:1, ... (the GPU where there is one)")


def gives_json(command: Parser, about: str = "as JSON") -> None:
    command.add_argument("--json", action="store_true", help=about)


def add_controls(command: Parser, name: str, verb: str) -> None:
    """Add a flag for each control of a verb of a system."""
    from genstudio import catalog, checkpoint
    from genstudio.cli.common import method_of
    from genstudio.controls import controls

    group = command.add_argument_group("controls of this system")
    header, method = checkpoint.describe(catalog.locate(name)), method_of(catalog.system_of(name), verb)
    for control, (kind, default) in controls(method, header.classes).items():
        about = f"{kind.title.en} ({kind.word(default)}). {kind.hint.en}".replace("%", "%%")
        former = [f"--{old}" for old, new in legacy.CONTROLS.items() if new == control]
        flags = dict.fromkeys((f"--{control.replace('_', '-')}", f"--{control}", *former))  # recipes use the second
        group.add_argument(*flags, dest=f"control_{control}", metavar=kind.metavar, help=about)
