"""Former module path of `tasks/edges.py`, kept for existing scripts."""

from genstudio.tasks.edges import outlines

__all__ = ["outlines"]
