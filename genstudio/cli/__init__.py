"""The command line, `python -m genstudio`: `parser` declares verbs and flags, the other files implement them."""

from genstudio.cli.parser import build_parser, main

__all__ = ["build_parser", "main"]
