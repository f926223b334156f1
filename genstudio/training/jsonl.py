"""JSON Lines files that grow while they are read, such as a run's reports."""

from __future__ import annotations

import json
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any


def rows(path: Path) -> list[dict[str, Any]]:
    """All complete rows so far. Only what was appended since the last call is read, unless the file was rewritten."""
    return _reader(path).read()


class _Reader:
    def __init__(self, path: Path):
        self.path, self.place, self.last, self.rows, self.lock = path, 0, b"", [], threading.Lock()

    def read(self) -> list[dict[str, Any]]:
        with self.lock:
            try:
                file = self.path.open("rb")
            except FileNotFoundError:
                self.place, self.last, self.rows = 0, b"", []
                return []
            with file:
                file.seek(self.place - len(self.last))
                if file.read(len(self.last)) != self.last:  # rewritten; the inode does not tell, as inodes are reused
                    self.place, self.last, self.rows = 0, b"", []
                    file.seek(0)
                whole, end, _ = file.read().rpartition(b"\n")
            if end:
                lines = whole.split(b"\n")
                self.place, self.last = self.place + len(whole) + 1, lines[-1] + b"\n"
                self.rows = [*self.rows, *map(json.loads, lines)]
            return self.rows


@lru_cache(maxsize=256)
def _reader(path: Path) -> _Reader:
    return _Reader(path)
