"""Help: each command, argument and number of a recipe has its own, declared beside it and read from no source text."""

from __future__ import annotations

import argparse
import ast
import importlib
import pkgutil
from collections.abc import Iterator
from typing import get_type_hints

import pytest

from genstudio import cli
from genstudio.cli.flags import Commands, Parser
from genstudio.cli.parser import build_parser
from genstudio.controls import controls
from genstudio.recipes import verbs
from genstudio.registry import find_system
from genstudio.system import Recipe
from tests.test_structure import FILES


def commands(*argv: str) -> argparse._SubParsersAction:
    [action] = (a for a in build_parser(argv)._actions if isinstance(a, argparse._SubParsersAction))
    return action


NAMES = list(commands().choices)


def flags(command: Parser) -> Iterator[str]:
    for action in command._actions:
        yield from action.option_strings


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_has_help(name):
    command = commands(name).choices[name]
    assert command.description and not [action.dest for action in command._actions if not action.help]
    assert len(command.format_help()) > 100, "its texts can be shown: no % is taken for a place to fill"


def test_every_command_has_a_line_in_the_help():
    listed = {choice.dest: choice.help for choice in commands()._choices_actions}
    assert list(listed) == NAMES and all(listed.values())


def test_every_file_that_declares_commands_is_asked_for_them():
    """Commands of a file that the parser forgets would be missing without an error."""
    modules = [importlib.import_module(f"genstudio.cli.{m.name}") for m in pkgutil.iter_modules(cli.__path__)]
    added: list[str] = []
    for module in modules:
        if hasattr(module, "add"):
            parser = Parser()
            here = Commands(parser, [])
            module.add(here)
            added += here.subparsers.choices
    assert set(added) == set(NAMES)


def test_every_number_of_a_recipe_has_help_and_its_flag_has_the_same():
    said = commands("train").choices["train"]
    helps = {action.dest: action.help for action in said._actions}
    without_flag = []
    for name, hint in get_type_hints(Recipe, include_extras=True).items():
        [text] = hint.__metadata__
        assert isinstance(text, str) and text
        if f"recipe_{name}" in helps:
            assert helps[f"recipe_{name}"] == text.replace("%", "%%")
        else:
            without_flag.append(name)
    assert without_flag == ["betas"]


def test_every_control_of_a_system_is_a_flag_with_its_title_and_hint(untrained):
    for name, verb in (("stylegan2_avatars", "sample"), ("pix2pix_sketch", "translate"), ("ddpm_avatars", "img2img")):
        command = commands(verb, untrained(name)).choices[verb]
        helps = {action.dest: action.help for action in command._actions}
        known = controls(verbs.find(verb).method(find_system(name)))
        for control, (kind, _) in known.items():
            assert helps[f"control_{control}"].startswith(kind.title.en.replace("%", "%%"))
            assert f"--{control}" in flags(command) and kind.hint.en.replace("%", "%%") in helps[f"control_{control}"]


def test_no_text_is_read_from_source():
    """Help stands in annotations and declarations: a regular expression over source breaks with the next comment."""
    wrong = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", "")))
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            of_source = "tokenize" in (*modules, getattr(node, "module", None))  # Python's own, no method of a model
            if of_source or name in ("getsource", "getsourcelines", "getcomments", "getsourcefile"):
                wrong.append(f"{path.name}:{getattr(node, 'lineno', 0)}: {name}")
    assert not wrong
