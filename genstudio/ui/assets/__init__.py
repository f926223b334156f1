"""JavaScript and CSS of the page, each in a file of its own."""

from __future__ import annotations

from pathlib import Path


def asset(name: str) -> str:
    """Read a file of this folder."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
