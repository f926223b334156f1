"""Hundreds of mutated sets end in a sentence each; see `fuzz.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

SHORT, SLOW, FULL = 60, 150, 700
SECONDS = 30  # of one mutant, on a busy machine
MEMORY = 1.5 * 2**30


def outcomes(count: int, folder: Path) -> dict:
    """Outcomes of that many mutants in a process of their own, whose memory is theirs alone."""
    command = [sys.executable, "-m", "tests.data.fuzz", str(count), str(folder / "mutants")]
    env = os.environ | {"GENSTUDIO_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=10 * count)
    assert found.returncode == 0, found.stderr[-2000:]
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "count", [SHORT, pytest.param(FULL if os.environ.get("GENSTUDIO_SLOW") else SLOW, marks=pytest.mark.slow)]
)
def test_mutated_sets_end_in_a_sentence_and_harm_nothing(count, tmp_path):
    found = outcomes(count, tmp_path)
    assert not found["faults"], "\n".join(found["faults"][:5])
    assert found["slowest"][0] < SECONDS and found["bytes"] < MEMORY, found
    ways = found["outcomes"]
    assert min(ways["read"], ways["refused"]) > count / 5, "the mutants are all good, or all bad"
    assert ways.get("command 0", 0) + ways["command 2"] == -(-count // 10)
