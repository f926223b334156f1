"""Set-up that all tests share: where data lie, a home of their own, one headless Chromium."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before the first import of genstudio or gradio: both read these when they start.
HOME = tempfile.mkdtemp(prefix="genstudio-tests-")
os.environ["GENSTUDIO_HOME"] = HOME
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
if "GENSTUDIO_DATA" not in os.environ and SHARED.is_dir():
    os.environ["GENSTUDIO_DATA"] = str(SHARED)

import pytest  # noqa: E402

from genstudio import checkpoint  # noqa: E402
from genstudio.engine import Engine  # noqa: E402
from genstudio.registry import find  # noqa: E402
from tests import chromium  # noqa: E402

def pytest_sessionfinish() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory):
    """untrained(name): a checkpoint file of that system with the weights that it is born with."""
    folder = tmp_path_factory.mktemp("untrained")

    def path_of(name: str) -> str:
        path = folder / f"{name}.safetensors"
        if not path.exists():
            checkpoint.save(path, find(name).build(), checkpoint.Header(name))
        return str(path)

    return path_of


@pytest.fixture(scope="session")
def exact() -> Engine:
    """An engine in plain float32."""
    return Engine("cpu", exact=True)


@pytest.fixture(scope="session")
def fast() -> Engine:
    """An engine as visitors meet it on a processor."""
    return Engine("cpu")


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Headless Chromium, $CHROMIUM or the one on the path. Skips without one, fails where GENSTUDIO_REQUIRE_BROWSER=1."""

    def give_up(reason: str) -> None:
        (pytest.fail if os.environ.get("GENSTUDIO_REQUIRE_BROWSER") == "1" else pytest.skip)(reason)

    if not (executable := chromium.program()):
        give_up("no Chromium on this machine: set CHROMIUM or install it")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        give_up("playwright is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=chromium.ARGUMENTS)
        yield running
        running.close()
