"""The shape of the house, so that it stays one: imports go one way, and the core stands without the page."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "genstudio"
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, anywhere in it; `from a import b` counts as a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


# What each layer may take from genstudio: DESIGN section 2. Listed once; what is not named here may import anything but ui.
BELOW = {
    "model": set(),
    "paths": set(),
    "precision": {"model"},
    "recorded": set(),
    "latent": set(),
    "layers": {"model", "layers"},
    "objectives": {"model", "objectives"},
    "samplers": {"model", "samplers"},
    "system": {"model"},
    "models": {"model", "system", "layers", "objectives", "samplers", "models"},
    "registry": {"model", "system", "models"},
    "images": {"paths"},
    "files": set(),
    "pixels": {"files"},
    "drawings": {"paths", "images"},
    "data": {"paths", "images", "model", "drawings", "pixels"},
}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    taken = {name.split(".")[1] for name in imports(path) if name.startswith("genstudio.")} - {"__version__"}
    if layer(path) in BELOW:
        assert taken <= BELOW[layer(path)] | {layer(path)}, f"{layer(path)} may not import {taken - BELOW[layer(path)]}"
    if layer(path) not in ("ui", "cli", "commands", "__main__"):
        assert "ui" not in taken


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_page_knows_gradio_and_the_page_knows_no_tensors(path):
    outside = {name.split(".")[0] for name in imports(path)}
    if layer(path) == "ui":
        assert "torch" not in outside
    else:
        assert "gradio" not in outside


def test_no_file_outgrows_one_idea():
    """Past 500 lines, ask what second idea has crept in."""
    assert {str(p.relative_to(ROOT)): n for p in FILES if (n := len(p.read_text().splitlines())) > 500} == {}


def test_the_core_stands_without_gradio_and_loading_imports_no_compiler():
    """Training on a bare machine needs no page. A finder before all others refuses gradio, as if it were not installed.

    On the meta device many a torch operation (eye, normal_, repeat) imports 500 to 900 modules: seconds before the
    first picture.
    """
    code = """
import importlib.util, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("gradio", "gradio_client"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import torch
from genstudio import checkpoint
from genstudio.registry import systems
assert systems()
with torch.device("meta"), checkpoint.Unfilled():
    [system.build() for system in systems().values()]
assert "sympy" not in sys.modules, "sympy was imported"
import genstudio.engine, genstudio.train, genstudio.recipe, genstudio.registry
if importlib.util.find_spec("genstudio.cli"):
    import genstudio.cli
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment, timeout=120)
