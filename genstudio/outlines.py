"""Former module path of `engine/edges.py`, kept for existing scripts."""

from genstudio.engine.edges import outlines

__all__ = ["outlines"]
