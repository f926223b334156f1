"""Where things lie: what we ship beside the code, what a user makes under GENSTUDIO_HOME, away from the checkout."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of the checkout, or of what is installed
SHIPPED = ROOT / "checkpoints"


def home() -> Path:
    """GENSTUDIO_HOME, else ~/.genstudio: runs, the user's own checkpoints, downloaded data."""
    return Path(os.environ.get("GENSTUDIO_HOME") or Path.home() / ".genstudio")


def data() -> Path:
    """GENSTUDIO_DATA, else a folder under `home()`."""
    return Path(os.environ.get("GENSTUDIO_DATA") or home() / "data")


def runs() -> Path:
    return home() / "runs"


def jobs() -> Path:
    """A folder for each training that the server owns."""
    return home() / "jobs"


def hub() -> Path:
    """What was fetched from the Hub: owner/name/commit."""
    return home() / "hub"


def checkpoint_folders() -> list[Path]:
    """Where checkpoints are looked for, the user's own first: they may replace a shipped one."""
    return [home() / "checkpoints", SHIPPED]
