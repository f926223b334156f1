"""Export and import of training runs: the folder of `train` as one file, and back.

A run file is a zip, stored or deflated:

    run.json             `Header`
    state.safetensors    the newest state: model/KEY, average/KEY, optimizers/PLAYER/PARAMETER/MOMENT
    reports.jsonl, checkups.jsonl, walls/, watch/, best/    reports, evaluations, sample grids, the best weights

Random numbers derive from seed and step, so no random state is stored. Nothing is pickled, nothing from a file is
executed, and its contents are checked against the system's builder before anything is written.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch
from PIL import Image
from safetensors import SafetensorError

from genstudio import checkpoint, files, paths
from genstudio.data.batches import SEEDS
from genstudio.model import Model
from genstudio.registry import find_system
from genstudio.system import Recipe, System
from genstudio.training import finetune, parts, states
from genstudio.training.loop import set_rates
from genstudio.training.run import MOMENTS, Run

FORMAT = 2
SUFFIX = ".run"
LINES = ("reports.jsonl", "checkups.jsonl")
FILM = re.compile(
    r"walls/[0-9]{8,12}\.png|watch/(raw/)?[0-9]{8,12}\.png|reports\.jsonl|checkups\.jsonl|best/[\w.]+\.safetensors"
)
MAX_HEADER = 2**20  # bytes
MAX_FILM = 2**29
MAX_FILES = 20_000
MAX_RATIO = 200  # unpacked to packed, as of archives of pictures
MAX_SIDE = 8192  # pixels of a sample grid


@dataclass
class Header:
    """Header of a run file."""

    system: str
    arguments: dict[str, Any] = field(default_factory=dict)  # of the system's builder
    recipe: dict[str, Any] = field(default_factory=dict)
    data: str = ""
    learned_from: list[dict[str, Any]] = field(default_factory=list)  # as `provenance` lists it
    classes: list[str] = field(default_factory=list)
    init: str = ""
    licence: str = checkpoint.LICENCE
    step: int = 0
    images: int = 0
    minutes: float = 0.0
    rate: float = 0.0  # images a second, in the newest report
    threads: int = 0
    seeds: int = 1  # version of `data.stream_seed`
    device: str = ""
    companions: dict[str, str] = field(default_factory=dict)  # digests of those it trains with, by role
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


@dataclass
class Contents:
    """A checked run in memory. Optimizer states are keyed by parameter names, not by numbers."""

    header: Header
    state: dict[str, Any]
    film: dict[str, bytes]  # by path inside the folder

    @property
    def system(self) -> System:
        return find_system(self.header.system)


# Export and import ----------------------------------------------------------------------------------------------


def folder_of(name: str) -> Path:
    """Folder of a run, from its name or its path. Raises ValueError if there is none."""
    path = Path(name).expanduser()
    if not (path / "run.json").exists():
        path = paths.runs() / name
    if not (path / "run.json").exists():
        raise ValueError(f"there is no run {name} in {paths.runs()}: `python -m genstudio runs list` names them")
    return path


def export(folder: Path, path: Path, part: int | None = None) -> list[Path]:
    """Write a run to `path`, or to parts of at most `part` bytes beside it. Returns the files written."""
    contents, packed = read_folder(folder), io.BytesIO()
    pack(contents, packed)
    path.parent.mkdir(parents=True, exist_ok=True)
    if part is not None:
        return parts.write(packed.getvalue(), path, part)
    with files.replacing(path) as file:
        file.write(packed.getbuffer())
    return [path]


def import_(source: Path, out: Path | None = None, replace: bool = False) -> tuple[Path, Header]:
    """Import a run from a file, from its parts, or from a folder of `train`. Returns the new folder and the header."""
    contents = read(source)
    out = out or paths.runs() / contents.header.system
    if (out / "run.json").exists():
        other = _json((out / "run.json").read_bytes(), out.name)
        if other.get("system") != contents.header.system:
            raise ValueError(f"{out} holds a run of {other.get('system')}, not of {contents.header.system}")
        if not replace or (out / "job.json").exists():
            raise ValueError(
                f"{out} holds a run already: choose another folder with --out, or --replace it, which is then lost"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already, and holds no run")
    out.parent.mkdir(parents=True, exist_ok=True)
    new, old = (out.with_name(f".{out.name}.{word}") for word in ("new", "old"))
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    try:
        write_folder(contents, new)
        if out.exists():
            os.replace(out, old)
        os.replace(new, out)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return out, contents.header


def read(source: Path) -> Contents:
    """Read a run from a folder, a file, or parts; of parts, `source` is any one, or the name of the whole."""
    if source.is_dir():
        return read_folder(source)
    if parts.PART.fullmatch(source.name) or not source.exists():
        return unpack(io.BytesIO(parts.join(source)), source.name)
    with source.open("rb") as file:
        return unpack(file, source.name)


def describe(source: Path) -> Header:
    """Read the header alone, from a file or from parts."""
    if parts.PART.fullmatch(source.name) or not source.exists():
        return _header(_archive(io.BytesIO(parts.join(source)), source.name), source.name)
    with source.open("rb") as file:
        return _header(_archive(file, source.name), source.name)


# Folders --------------------------------------------------------------------------------------------------------


def read_folder(folder: Path) -> Contents:
    """Read a run from a folder of `train`, of this version or of one before digests."""
    if not ((folder / "run.json").exists() and (folder / "state.pt").exists()):
        raise ValueError(f"{folder} holds no run that was begun: run.json and state.pt")
    name, said = folder.name, _json((folder / "run.json").read_bytes(), folder.name)
    try:
        state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
        step, minutes = state["step"], state["minutes"]
    except Exception:  # torch raises many types for a truncated file, or one with more than tensors
        raise ValueError(f"{name} is damaged: its state.pt cannot be read") from None
    known = {f.name for f in fields(Header)} - {"format"}
    said = {key: value for key, value in said.items() if key in known and value is not None}
    if "system" not in said:
        raise ValueError(f"{name} is damaged: its run.json names no system")
    header = Header(**said | {"step": step, "minutes": minutes})
    film = {path: (folder / path).read_bytes() for path in _film(folder)}
    _check_film(film, header.system, name)
    reports = [report for report in _rows(film.get("reports.jsonl", b"")) if report["step"] <= step]
    header.rate = float(reports[-1].get("rate", 0.0)) if reports else 0.0
    recipe, model = check(header, name)
    header.images = state.get("images", step * recipe.batch)
    names = states.parameter_names(model)
    try:
        moments = {
            player: {names[player][number]: moments for number, moments in optimizer["state"].items()}
            for player, optimizer in state["optimizers"].items()
        }
        named = {"model": dict(state["model"]), "average": dict(state["average"]), "optimizers": moments}
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        raise ValueError(f"{name} is damaged: its state.pt does not fit {header.system}") from None
    return Contents(
        header, states.check(named, find_system(header.system), model, MOMENTS[recipe.optimizer], name), film
    )


def write_folder(contents: Contents, folder: Path) -> None:
    """Write a folder as `train` does."""
    header, system = contents.header, contents.system
    recipe = Recipe.of(header.recipe)
    folder.mkdir()
    for path, data in contents.film.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    for path in sorted(folder.glob("best/*.safetensors")):
        checkpoint.check(path, critic=path.name.endswith(".critic.safetensors"))
    with torch.random.fork_rng():  # `Run` seeds the global random stream
        run = Run(system, checkpoint.check_arguments(system, header.arguments), recipe, torch.device("cpu"))
    numbers = {
        player: {n: i for i, n in enumerate(names)} for player, names in states.parameter_names(run.model).items()
    }
    moments = {
        player: {"state": {numbers[player][n]: found for n, found in contents.state["optimizers"][player].items()}}
        for player in numbers
    }
    run.step, run.images = max(0, header.step - 1), max(0, header.images - recipe.batch)
    set_rates(run)  # a saved state has the learning rates of its last step
    run.take(contents.state | {"step": header.step, "images": header.images, "minutes": header.minutes, "optimizers": moments})
    run.save_state(folder / "state.pt")
    said = {
        key: value
        for key, value in asdict(header).items()
        if key not in ("step", "images", "minutes", "rate", "format")
    }
    with files.replacing(folder / "run.json") as file:
        file.write(json.dumps(said | {"init": header.init or None}, indent=1).encode())


def _film(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and FILM.fullmatch(name := path.relative_to(folder).as_posix()):
            yield name


def done(folder: Path) -> bool:
    """True if a run has trained on all images of its recipe."""
    header = read_folder(folder).header
    return header.images >= header.recipe["images"]


@dataclass
class Listed:
    """A row of `runs list`."""

    name: str
    system: str = ""
    images: int = 0
    of: int = 0  # images in all
    rate: float = 0.0  # images a second
    bytes: int = 0  # of the state
    newest: float = 0.0  # modification time of the state, in seconds since 1970
    error: str = ""


def list_() -> list[Listed]:
    """All runs in GENSTUDIO_HOME, by name. Progress is read from reports, as states are large."""
    found = []
    for file in sorted(paths.runs().glob("*/run.json")):
        folder, state = file.parent, file.parent / "state.pt"
        line = Listed(folder.name)
        try:
            said = _json(file.read_bytes(), folder.name)
            recipe, line.system = Recipe.of(said.get("recipe")), str(said.get("system"))
            reports, line.of = folder / "reports.jsonl", recipe.images
            if rows := _rows(reports.read_bytes()) if reports.exists() else []:
                line.images, line.rate = int(rows[-1].get("images", 0)), float(rows[-1].get("rate", 0.0))
            if state.exists():
                line.bytes, line.newest = state.stat().st_size, state.stat().st_mtime
        except (ValueError, TypeError, KeyError) as error:
            line.error = str(error)
        found.append(line)
    return found


# Files ----------------------------------------------------------------------------------------------------------


def pack(contents: Contents, file: BinaryIO) -> None:
    """Write a run file. Equal runs give equal bytes."""
    tensors = {key: tensor.contiguous() for key, tensor in states.flat(contents.state).items()}
    with zipfile.ZipFile(file, "w") as archive:

        def add(name: str, data: bytes) -> None:
            packs = name.endswith((".json", ".jsonl")) or name == "state.safetensors"  # by an eighth, in a second
            archive.writestr(
                zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED if packs else zipfile.ZIP_STORED, compresslevel=1
            )

        add("run.json", json.dumps(asdict(contents.header), ensure_ascii=False, indent=1).encode())
        add("state.safetensors", safetensors.torch.save(tensors))
        for name, data in contents.film.items():
            add(name, data)


def unpack(file: BinaryIO, name: str) -> Contents:
    """Read a run from an untrusted file. Raises ValueError in one sentence."""
    archive = _archive(file, name)
    header = _header(archive, name)
    recipe, model = check(header, name)
    members = {m.filename: m for m in archive.infolist()}
    if "state.safetensors" not in members:
        raise ValueError(f"{name} is damaged: it holds no state")
    moments = MOMENTS[recipe.optimizer]
    expected = states.expected(model, moments)
    most = sum(tensor.nbytes for tensor in expected.values()) + 1000 * len(expected) + 10_000
    if (size := members["state.safetensors"].file_size) > most:
        raise ValueError(
            f"{name} is damaged: its state has {size} bytes, and one of {header.system} has at most {most}"
        )
    film = {}
    for key, member in members.items():
        if key in ("run.json", "state.safetensors"):
            continue
        if not FILM.fullmatch(key):
            raise ValueError(f"{name} is refused: {key[:80]!r} is no part of a run")
        if member.file_size > 1_000_000 and member.file_size > MAX_RATIO * max(1, member.compress_size):
            raise ValueError(f"{name} is refused: {key!r} unpacks to {member.file_size} bytes")
        film[key] = member
    if len(film) > MAX_FILES or sum(member.file_size for member in film.values()) > MAX_FILM:
        raise ValueError(
            f"{name} is refused: its film holds {len(film)} files, more than {MAX_FILES} or {MAX_FILM >> 20} MiB"
        )
    film = {key: _member(archive, member, name) for key, member in film.items()}
    _check_film(film, header.system, name)
    try:
        tensors = safetensors.torch.load(_member(archive, members["state.safetensors"], name))
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{name} is damaged: its state cannot be read ({str(error)[:80]})") from None
    return Contents(
        header, states.check(states.nested(tensors), find_system(header.system), model, moments, name), film
    )


def _archive(file: BinaryIO, name: str) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise ValueError(f"{name} is not a whole run file") from None
    if len({m.filename for m in archive.infolist()}) < len(archive.infolist()):
        raise ValueError(f"{name} is damaged: it names a file twice")
    return archive


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is refused: {member.filename[:80]!r} is packed in a way that is not ours")
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError):
        raise ValueError(f"{name} is damaged: its {member.filename} cannot be read") from None


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    try:
        member = archive.getinfo("run.json")
    except KeyError:
        raise ValueError(f"{name} is no run file: it holds no run.json") from None
    if member.file_size > MAX_HEADER:
        raise ValueError(f"{name} is refused: its header has {member.file_size} bytes")
    said = _json(_member(archive, member, name), name)
    if type(newer := said.get("format")) is int and newer > FORMAT:
        raise ValueError(f"{name} has format {newer}; this GenStudio reads up to {FORMAT}: please update")
    try:
        known = {f.name for f in fields(Header)}
        return Header(**{key: value for key, value in said.items() if key in known})
    except TypeError:
        raise ValueError(f"{name} is damaged: its header names no system") from None


def _json(data: bytes, name: str) -> dict[str, Any]:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ValueError(f"{name} is damaged: its run.json is no JSON object")
    return said


# Checks ---------------------------------------------------------------------------------------------------------


def check(header: Header, name: str) -> tuple[Recipe, Model]:
    """Check a header. Returns its recipe, and the model on the meta device. Raises ValueError in one sentence."""
    checkpoint.check_types(header, Header(""), name)
    if (
        not 1 <= header.format <= FORMAT
        or header.step < 0
        or not 0 <= header.minutes < math.inf
        or not math.isfinite(header.rate)
    ):
        raise ValueError(
            f"{name} is damaged: step {header.step}, {header.minutes} minutes, {header.rate} images a second"
        )
    if not 1 <= header.seeds <= SEEDS:
        raise ValueError(f"{name} has random streams of version {header.seeds}, and this GenStudio knows 1 to {SEEDS}")
    for entry in header.learned_from:
        texts = (entry.get(key) for key in ("data", "name", "digest", "credit"))
        if not all(isinstance(text, str) for text in texts) or type(entry.get("images", 0)) is not int:
            raise ValueError(f"{name} is damaged: it learned from {str(entry)[:80]}")
    system, recipe = find_system(header.system), Recipe.of(header.recipe)
    model = checkpoint.shell(system, checkpoint.check_arguments(system, header.arguments))
    checkpoint.check_size(model.state_dict(), name)
    finetune.prepare(model, recipe)
    if model.classes < len(header.classes):
        raise ValueError(
            f"{name} is damaged: it names {len(header.classes)} classes, and its network has {model.classes}"
        )
    return recipe, model


def _check_film(film: dict[str, bytes], system: str, name: str) -> None:
    for path, data in film.items():
        if path in LINES:
            film[path] = data[: data.rfind(b"\n") + 1]  # without a line that was being written
            if not all(isinstance(row.get("terms", {}), dict) for row in _rows(film[path], name)):
                raise ValueError(f"{name} is damaged: its {path} is not as training writes it")
        elif path.endswith(".png"):
            try:
                with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                    fits = max(picture.size) <= MAX_SIDE
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                fits = False
            if not fits:
                raise ValueError(f"{name} is damaged: its {path} is no sample grid")
        elif path not in (f"best/{system}.safetensors", f"best/{system}.critic.safetensors"):
            raise ValueError(f"{name} is refused: {path} is no part of a run of {system}")


def _rows(data: bytes, name: str = "a run") -> list[dict[str, Any]]:
    """The complete lines of reports or evaluations."""
    try:
        rows = [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]
    except (ValueError, RecursionError):
        rows = [None]
    if not all(isinstance(row, dict) and type(row.get("step")) is int for row in rows):
        raise ValueError(f"{name} is damaged: one of its reports cannot be read")
    return rows
