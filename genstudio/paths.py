"""Paths of files: shipped ones beside the code, the user's under GENSTUDIO_HOME, outside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of the checkout or the installation
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
    """Training jobs of the server, a folder each."""
    return home() / "jobs"


def hub() -> Path:
    """Files pulled from the Hub, under owner/name/commit."""
    return home() / "hub"


def checkpoint_folders() -> list[Path]:
    """Search path of checkpoints, the user's own first: they may replace a shipped one."""
    return [home() / "checkpoints", SHIPPED]
