"""The inference engine: read engine.py first. loaded.py is a model on the device, worker.py the one compute
thread, recovery.py its way round a lack of memory or of digits, zero_gpu.py the engine on a borrowed card."""

from genstudio.engine.engine import Engine

__all__ = ["Engine"]
