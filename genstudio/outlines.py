"""The path that scripts of before name: see `tasks/edges.py`."""

from genstudio.tasks.edges import outlines

__all__ = ["outlines"]
