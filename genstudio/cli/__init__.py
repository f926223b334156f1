"""The command line, `python -m genstudio`: each file declares and implements its commands, `parser` runs one."""

from genstudio.cli.parser import build_parser, main

__all__ = ["build_parser", "main"]
