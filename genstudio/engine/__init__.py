"""The inference engine: read engine.py first. loaded.py is a model on the device, worker.py the one compute thread."""

from genstudio.engine.engine import Engine

__all__ = ["Engine"]
