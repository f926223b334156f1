"""The folder of a Hugging Face Space: what is in it, what its head says, and what the Hub would refuse. The trial of it
takes minutes and gigabytes, and runs where GENSTUDIO_CHECK_SPACE=1."""

from __future__ import annotations

import ast
import fnmatch
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from genstudio import cli
from genstudio.sharing import space
from tests import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return space.prepare(tmp_path_factory.mktemp("space"))


def names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in space.files(folder)]


def test_it_holds_what_the_page_needs_and_nothing_that_only_we_need(folder):
    there = names(folder)
    needed = {"app.py", "README.md", "LICENSE", "requirements.txt", ".gitattributes", "genstudio/ui/studio.py"}
    assert needed <= set(there)
    assert {name for name in os.listdir(ROOT / "checkpoints") if name.endswith(".safetensors")} <= {
        name.removeprefix("checkpoints/") for name in there
    }
    assert not [name for name in there if re.search(r"^(tests|docs|runs|data|build)/|__pycache__|\.pyc$|\.part$", name)]


def test_what_is_binary_or_large_goes_through_lfs(folder):
    """Git at the Hub refuses a push that holds a binary file, or one above 10 MB, outside of LFS."""
    lines = (folder / ".gitattributes").read_text().splitlines()
    assert lines and all(line.endswith(" filter=lfs diff=lfs merge=lfs -text") for line in lines)
    patterns = [line.split()[0] for line in lines]
    for path in space.files(folder):
        if not any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns):
            assert path.stat().st_size < 10e6 and "\0" not in path.read_text("utf-8"), path


def test_somebody_elses_folder_is_left_as_it_is(tmp_path):
    (tmp_path / "genstudio").mkdir()
    (tmp_path / "genstudio/thesis.txt").touch()
    with pytest.raises(ValueError, match="holds something else"):
        space.prepare(tmp_path)
    assert (tmp_path / "genstudio/thesis.txt").exists()


def test_a_file_that_the_hub_would_refuse_is_refused_here(tmp_path):
    (tmp_path / ".gitattributes").touch()
    (tmp_path / "notes.bin").write_bytes(b"\x00\x01")
    with pytest.raises(ValueError, match="the Hub would refuse notes.bin"):
        space.prepare(tmp_path)
    (tmp_path / "notes.bin").write_text("x" * (space.PLAIN_BYTES + 1))
    with pytest.raises(ValueError, match="the Hub would refuse notes.bin"):
        space.prepare(tmp_path)


def test_the_head_of_the_readme_is_what_spaces_understand(folder):
    said = space.settings(folder)
    assert said == yaml.safe_load((ROOT / "README.md").read_text().split("---")[1])
    assert (said["sdk"], said["app_file"], said["license"]) == ("gradio", "app.py", "apache-2.0")
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {said["colorFrom"], said["colorTo"]} <= colours
    assert isinstance(said["python_version"], str), "without quotes YAML reads 3.10 as 3.1"
    assert said["python_version"] in ("3.12.12", "3.10.13"), "those that ZeroGPU has"
    assert len(said["short_description"]) <= 60
    text = (folder / "README.md").read_text()
    assert "](docs/" not in text and "](checkpoints/" not in text, "the pictures are not in the folder"


def test_every_package_that_is_needed_to_start_is_one_that_a_space_installs(folder):
    """One that only this machine happens to have would keep the page from starting. What is imported inside a function
    or a `try` may be missing, and says so when it is asked for."""

    def dashed(name: str) -> str:
        return name.lower().replace("_", "-")

    lines = [*(folder / "requirements.txt").read_text().splitlines(), "gradio"]
    wanted, distributions = {dashed(Requirement(line).name) for line in lines}, packages_distributions()
    own, missing = {*sys.stdlib_module_names, "genstudio"}, set()
    for path in folder.rglob("*.py"):
        body = ast.parse(path.read_text("utf-8")).body
        names = [alias.name for node in body if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module for node in body if isinstance(node, ast.ImportFrom)]
        for module in {name.partition(".")[0] for name in names} - own:
            if not wanted & set(map(dashed, distributions.get(module, [module]))):
                missing.add(f"{module} of {path.name}")
    assert not missing


def test_its_packages_are_those_of_the_studio_with_a_torch_that_zero_gpu_has(folder):
    def wanted(path: Path) -> dict[str, Requirement]:
        lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
        return {r.name: r for r in map(Requirement, filter(None, lines))}

    own, ours = wanted(folder / "requirements.txt"), wanted(ROOT / "requirements.txt")
    assert "gradio" not in own, "the Space takes it from sdk_version; another version would clash"
    assert ours["gradio"].specifier.contains(space.settings(folder)["sdk_version"])
    assert set(own) == set(ours) - {"gradio"}
    [torch] = own["torch"].specifier
    assert torch.operator == "==" and torch.version in ("2.8.0", "2.9.1", "2.10.0", "2.11.0")
    for name in ("torch", "torchvision"):
        [pin] = own[name].specifier
        assert ours[name].specifier.contains(pin.version), name
    # torchvision 0.n goes with torch 2.(n - 15).
    [vision] = own["torchvision"].specifier
    assert Version(vision.version).minor - 15 == Version(torch.version).minor
    assert all(own[name].specifier == ours[name].specifier for name in set(own) - {"torch", "torchvision"})


def test_it_is_written_anew_into_the_clone_of_a_space_and_leaves_its_git_alone(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_bytes(b"\x00")
    (tmp_path / ".gitattributes").touch()
    (tmp_path / "genstudio").mkdir()
    (tmp_path / "genstudio/gone.py").write_text("# of an earlier version")
    space.prepare(tmp_path)
    assert (tmp_path / ".git/HEAD").exists() and not (tmp_path / "genstudio/gone.py").exists()


@pytest.mark.parametrize("out", [".", "..", "genstudio", "checkpoints/space", "/"])
def test_the_checkout_itself_is_never_written_over(out, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert cli.main(["space", "--out", out]) == 2
    assert "is part of this checkout" in capsys.readouterr().err
    assert (ROOT / "genstudio/sharing/space.py").exists()


def test_the_folder_runs_by_itself(folder):
    """Everything that the page imports is in the folder: nothing is found by way of this checkout."""
    code = "import app, genstudio.ui.studio as s; print(s.__file__); s.api.catalog.offered()"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"GENSTUDIO_HOME": str(folder / "none")}
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert Path(ran.stdout.strip()).is_relative_to(folder)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.environ.get("GENSTUDIO_CHECK_SPACE") != "1", reason="3 GB to download: GENSTUDIO_CHECK_SPACE=1")
def test_a_space_of_its_own_environment_gives_a_picture(folder):
    *_, said = space.try_out(folder)
    assert "gave a picture" in said
