"""Preparation of a Hugging Face Space of the studio, and a test of it in a new environment.

    python -m genstudio space --check
    hf upload me/studio build/space --repo-type space
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genstudio import paths

ROOT = paths.SHIPPED.parent
PLACED = ("app.py", "LICENSE", "genstudio", "checkpoints")  # copied; tests and the README's pictures are not
BINARY = ("*.safetensors", "*.webp", "*.png")  # the Hub requires LFS for binary files, and for any above 10 MB
PLAIN_BYTES = 10 * 10**6
# ZeroGPU has torch 2.8.0, 2.9.1, 2.10.0 and 2.11.0, and Python 3.12.12 and 3.10.13 (August 2026,
# huggingface.co/docs/hub/spaces-zerogpu). gradio is omitted: the Space installs it from sdk_version.
PINNED = {"torch": "==2.11.0", "torchvision": "==0.26.0", "gradio": None}
START_SECONDS = 300

ASK = """
import base64, io, sys
from gradio_client import Client
from PIL import Image

client = Client(sys.argv[1], verbose=False)
makes = [s["name"] for s in client.predict(api_name="/systems") if {"latents", "decode"} <= set(s["verbs"])]
[uri] = client.predict(makes[0], [7], {}, api_name="/sample")
picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
greys = len(picture.convert("L").getcolors())
assert greys > 16, f"a picture of {greys} greys"
print(f"{makes[0]} gave a picture of {picture.width} x {picture.height}")
"""


def prepare(out: Path) -> Path:
    """Write or rewrite the folder of the Space. Other files in it, such as .git in a clone, stay. Returns its path."""
    if not (ROOT / "app.py").exists():
        raise ValueError(f"a Space is made from a checkout, and {ROOT} has no app.py")
    out = out.resolve()
    if ROOT.is_relative_to(out) or any(out.is_relative_to(ROOT / name) for name in PLACED):
        raise ValueError(f"{out} is part of this checkout: choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()) and not (out / ".gitattributes").exists():  # every Space has one
        raise ValueError(f"{out} holds something else: choose an empty folder, or the clone of a Space")
    made_by_running = shutil.ignore_patterns("__pycache__", "*.py[cod]", "*.part")
    for name in PLACED:
        shutil.rmtree(out / name, ignore_errors=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, out / name, ignore=made_by_running)
        else:
            shutil.copyfile(ROOT / name, out / name)
    (out / "README.md").write_text(readme((ROOT / "README.md").read_text("utf-8")), "utf-8")
    (out / "requirements.txt").write_text(requirements((ROOT / "requirements.txt").read_text("utf-8")), "utf-8")
    lines = [f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in BINARY]
    (out / ".gitattributes").write_text("".join(lines), "utf-8")
    if strays := [path.name for path in files(out) if not plain(path) and not any(map(path.match, BINARY))]:
        raise ValueError(f"the Hub would refuse {strays[0]}: it is binary or above 10 MB, and in no pattern for LFS")
    return out


def readme(whole: str) -> str:
    """README of the Space: the front matter, and the text before the first heading, without pictures."""
    settings, _, text = whole.removeprefix("---\n").partition("\n---\n")
    about = re.sub(r"(?m)^!\[.*\n", "", text.partition("\n## ")[0]).strip()
    return f"---\n{settings}\n---\n\n{about}\n"


def requirements(whole: str) -> str:
    """Requirements of the Space, with the versions of PINNED."""
    kept = []
    for line in whole.splitlines():
        name = re.match(r"[\w.-]*", line)[0]
        if name and PINNED.get(name, "") is not None:
            kept.append(name + PINNED[name] if name in PINNED else line.partition("#")[0].strip())
    return "".join(f"{line}\n" for line in kept)


def files(folder: Path) -> list[Path]:
    """Files of the Space, without .git."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in found if ".git" not in path.relative_to(folder).parts]


def plain(path: Path) -> bool:
    """True if git may store the file without LFS: a text below the size limit."""
    if path.stat().st_size > PLAIN_BYTES:
        return False
    try:
        return "\0" not in path.read_text("utf-8")
    except UnicodeDecodeError:
        return False


def settings(folder: Path) -> dict[str, Any]:
    """Settings of the Space, from the README's front matter."""
    from huggingface_hub import metadata_load

    return metadata_load(folder / "README.md") or {}


# Test -----------------------------------------------------------------------------------------------------------


def try_out(folder: Path) -> Iterator[str]:
    """Install the folder's requirements as a Space does, run the app, and request an image. Yields its progress.

    Raises ValueError with the end of the log if the page does not start.
    """
    said = settings(folder)
    with tempfile.TemporaryDirectory(prefix="genstudio-space-", ignore_cleanup_errors=True) as place:
        python, version = environment(Path(place) / "venv", str(said["python_version"]))
        yield f"A new environment of Python {version} (the Space has {said['python_version']})"
        wanted = ["-r", str(folder / "requirements.txt"), f"gradio=={said['sdk_version']}", "spaces"]
        install(python, wanted)
        yield "Installed: " + ", ".join(installed(python, ("torch", "torchvision", "gradio", "spaces")))
        at_work = shutil.copytree(folder, Path(place) / "app", ignore=shutil.ignore_patterns(".git"))
        log = Path(place) / "log.txt"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        started = time.monotonic()
        with log.open("wb") as to_log:
            page = subprocess.Popen(
                [python, said["app_file"]], cwd=at_work, env=bare(place, port), stdout=to_log, stderr=subprocess.STDOUT
            )
        try:
            url = f"http://127.0.0.1:{port}/"
            wait_for(url, page, log)
            yield f"The page answered after {time.monotonic() - started:.0f} s"
            asked = run([python, "-c", ASK, url], cwd=place, env=bare(place, port))
            if asked.returncode:
                raise ValueError(f"the page gives no picture: {tail(asked.stderr)} / {tail(log.read_text())}")
            yield asked.stdout.strip()
        finally:
            page.terminate()
            try:
                page.wait(20)
            except subprocess.TimeoutExpired:
                page.kill()


def environment(place: Path, wanted: str) -> tuple[str, str]:
    """Create a virtual environment, of the Space's Python version if uv finds it. Returns interpreter and version."""
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    versions = [wanted, wanted.rpartition(".")[0], sys.executable]
    uv = shutil.which("uv")
    if not uv or all(run([uv, "venv", "-q", "--python", version, place]).returncode for version in versions):
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
    asked = run([python, "-c", "import platform; print(platform.python_version())"])
    return str(python), asked.stdout.strip()


def run(words: list[Any], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, **options)


def install(python: str, wanted: list[str]) -> None:
    uv = shutil.which("uv")
    pip = [uv, "pip", "install", "-q", "--python", python] if uv else [python, "-m", "pip", "install", "-q"]
    if (done := run([*pip, *wanted])).returncode:
        raise ValueError(f"the requirements of the Space cannot be installed: {tail(done.stderr)}")


def installed(python: str, names: tuple[str, ...]) -> list[str]:
    code = f"from importlib.metadata import version\nfor name in {names!r}: print(name, version(name))"
    return run([python, "-c", code], check=True).stdout.splitlines()


def bare(place: str, port: int) -> dict[str, str]:
    """Environment variables of a Space, without those of this session that would affect it."""
    foreign = ("PYTHON*", "GENSTUDIO_*", "GRADIO_*", "HF_*", "SPACE*", "VIRTUAL_ENV")
    kept = {k: v for k, v in os.environ.items() if not any(fnmatch.fnmatchcase(k, pattern) for pattern in foreign)}
    own = {"SPACE_ID": "somebody/studio", "SYSTEM": "spaces", "GRADIO_SERVER_NAME": "127.0.0.1"}
    return kept | own | {"GRADIO_SERVER_PORT": str(port), "HOME": place, "HF_HUB_OFFLINE": "1"}


def wait_for(url: str, page: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and page.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise ValueError(f"the page did not come: {tail(log.read_text())}")


def tail(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-5:])
