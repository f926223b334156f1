"""Scores as text."""

from __future__ import annotations

from typing import Any


def score_text(number: Any) -> str:
    """Format a score of a header: 0.512 (0.49 to 0.53, n = 2000)."""
    try:
        return f"{number['value']:.4g} ({number['low']:.4g} to {number['high']:.4g}, n = {number['n']})"
    except (TypeError, KeyError, ValueError):  # a header is untrusted
        return str(number)[:80]
