"""GenStudio's page: `python app.py`. It is also what Hugging Face Spaces runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

try:
    import spaces  # before torch: on ZeroGPU it has to come between torch and the card
except ImportError:  # it is there on every Space, and needed nowhere else
    spaces = None

from genstudio import registry
from genstudio.engine.zero_gpu import Call
from genstudio.ui.studio import launch


def on_gpu(call: Call) -> Iterator[Any]:
    """The one door to a graphics card that is lent by the call."""
    yield from call.run()


if spaces:
    on_gpu = spaces.GPU(on_gpu, duration=lambda call: call.seconds)

if __name__ == "__main__":
    try:
        registry.use_files(sys.argv[1:])  # --systems mine.py
        registry.systems()  # those of GENSTUDIO_SYSTEMS
    except ValueError as error:
        sys.exit(f"genstudio: {error}")
    launch(on_gpu=on_gpu)
