"""The command line, `python -m genstudio`: `parser` says which words there are, the other files do what they say."""

from genstudio.cli.parser import build_parser, main

__all__ = ["build_parser", "main"]
