"""What stands in a weight file of somebody else's: networks by name, each with its tensors and what is said of it."""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from genstudio.importers.lazy_tensor import Refused, Stored
from genstudio.importers.safe_pickle import Array, Module, read_pickle

MOST_HEADER = 32 * 2**20  # bytes of a safetensors header
MOST_SETTINGS = 2**20  # bytes of a config.json
MOST_DEPTH = 64  # modules within modules
MOST_TENSORS = 100_000
MOST_UNPACKED = 4  # times the size of a zip: weights are packed to little less than they are
FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "model.safetensors", "pytorch_model.bin")
# Under which names training programs keep networks beside the rest.
WRAPPED = ("state_dict", "model_state_dict", "model", "g_ema", "g", "d", "G", "D", "G_ema", "netG", "netD", "generator", "ema")


@dataclass
class Network:
    tensors: dict[str, Stored]
    settings: dict[str, Any] = field(default_factory=dict)  # what its builder was told, where that is known
    name: str = ""  # of its class, where that is known

    def shape(self, key: str) -> tuple[int, ...]:
        """Of a tensor; () where it is not there."""
        return self.tensors[key].shape if key in self.tensors else ()

    def read(self, key: str) -> torch.Tensor:
        """A tensor in float32; counters as they are."""
        found = self.tensors[key].read()
        return found.float() if found.is_floating_point() else found

    @property
    def parameters(self) -> int:
        return sum(stored.count for stored in self.tensors.values())


@dataclass
class Wild:
    """`networks` by the name that the file gives them; "" where it holds nothing else."""

    networks: dict[str, Network]
    settings: dict[str, Any] = field(default_factory=dict)  # of the folder: config.json
    more: dict[str, dict[str, Any]] = field(default_factory=dict)  # other settings beside it, by their name
    unpacked: tempfile.TemporaryDirectory | None = None  # where its tensors are read from, and gone with the last who holds it

    @property
    def only(self) -> Network | None:
        """The network, where there is one."""
        return next(iter(self.networks.values())) if len(self.networks) == 1 else None


def read(path: Path) -> Wild:
    """A file, or a folder with config.json, or a zip of one. No number of a tensor is read yet. Raises Refused in words."""
    try:
        if path.is_dir():
            return read_folder(path)
        return read_packed(path) if is_packed(path) else Wild(read_file(path))
    except RecursionError:
        raise Refused("it is nested too deep") from None
    except MemoryError:
        raise Refused("it asks for more memory than there is") from None


def read_folder(path: Path) -> Wild:
    """As Hugging Face lays out a model; one with parts keeps its network in unet/ and its schedule in scheduler/."""
    inner = path / "unet" if (path / "unet").is_dir() else path
    file = next((inner / name for name in FILES if (inner / name).is_file()), None)
    if file is None:
        raise Refused(f"it is a folder without weights: {' or '.join(FILES)}")
    more = {}
    for folder in (path, path / "scheduler"):
        if (folder / "scheduler_config.json").is_file():
            more["scheduler"] = settings_of(folder / "scheduler_config.json")
    return Wild(read_file(file), settings_of(inner / "config.json") if (inner / "config.json").is_file() else {}, more)


def is_packed(path: Path) -> bool:
    """Whether it is a zip of such a folder."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = {PurePosixPath(name).name for name in archive.namelist()}
    return "config.json" in names and not names.isdisjoint(FILES)


def read_packed(path: Path) -> Wild:
    """Of the zip, those files that are read are unpacked into a temporary folder, under the names that they are to have."""
    folder = tempfile.TemporaryDirectory(prefix="genstudio-")
    left = MOST_UNPACKED * path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        inside = {PurePosixPath(info.filename): info for info in archive.infolist()}
        top = min((name.parent for name in inside if name.name in ("config.json", "model_index.json")), key=lambda p: len(p.parts))
        for name, info in inside.items():
            known = name.name in (*FILES, "config.json", "scheduler_config.json")
            if not known or name.parent not in (top, top / "unet", top / "scheduler"):
                continue
            left -= info.file_size
            if left < 0:
                raise Refused("it unpacks to far more than it is")
            target = Path(folder.name) / name.relative_to(top)
            target.parent.mkdir(exist_ok=True)
            with archive.open(info) as source, open(target, "wb") as file:
                shutil.copyfileobj(source, file)
    found = read_folder(Path(folder.name))
    found.unpacked = folder
    return found


def settings_of(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MOST_SETTINGS:
        raise Refused(f"its {path.name} is too large")
    try:
        said = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        raise Refused(f"its {path.name} is not JSON") from None
    return said if isinstance(said, dict) else {}


def read_file(path: Path) -> dict[str, Network]:
    with open(path, "rb") as file:
        head = file.read(9)
    if head[8:9] == b"{":
        return {"": Network(read_safetensors(path, int.from_bytes(head[:8], "little")))}
    found = dict(networks(read_pickle(path)))
    if not found:
        raise Refused("there are no tensors in it")
    return found


def read_safetensors(path: Path, header: int) -> dict[str, Stored]:
    if header > MOST_HEADER:
        raise Refused(f"its header says that it has {header / 2**20:.0f} MiB; at most {MOST_HEADER >> 20} are read")
    kinds = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}

    def stored(key: str, shape: list[int], kind: str) -> Stored:
        def read() -> torch.Tensor:
            with safe_open(path, "pt") as file:
                return file.get_tensor(key)

        return Stored(tuple(shape), kinds.get(kind, torch.float32), read)

    try:
        with safe_open(path, "pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
            return {key: stored(key, part.get_shape(), part.get_dtype()) for key, part in slices.items()}
    except (SafetensorError, OSError):
        raise Refused("it is truncated or broken") from None


# From what a pickle holds to networks -------------------------------------------------------------------------------


def networks(tree: Any) -> Iterator[tuple[str, Network]]:
    if isinstance(tree, Module):
        yield "", network_of(tree)
    elif isinstance(tree, dict):
        if tensors := plain({str(k): v for k, v in tree.items() if isinstance(v, Stored)}):
            yield "", Network(tensors)
        for key, value in tree.items():
            if isinstance(value, Module):
                yield str(key), network_of(value)
            elif key in WRAPPED and isinstance(value, dict):
                if tensors := plain({str(k): v for k, v in value.items() if isinstance(v, Stored)}):
                    yield str(key), Network(tensors)


def plain(tensors: dict[str, Stored]) -> dict[str, Stored]:
    """Without the prefix that training on several cards leaves."""
    if tensors and all(key.startswith("module.") for key in tensors):
        return {key.removeprefix("module."): value for key, value in tensors.items()}
    return tensors


def network_of(module: Module) -> Network:
    """A network that was pickled whole: its parameters and buffers by the names that a state_dict would give them."""
    tensors: dict[str, Stored] = {}
    waiting = [("", module, 0)]
    while waiting:
        prefix, part, depth = waiting.pop()
        for kind in ("_parameters", "_buffers"):
            for key, value in dict_of(part.state, kind).items():
                if isinstance(value, (Stored, Array)):
                    tensors[f"{prefix}{key}"] = value if isinstance(value, Stored) else of_array(value)
        if depth > MOST_DEPTH or len(tensors) > MOST_TENSORS:
            raise Refused("it is nested too deep")
        for key, inner in dict_of(part.state, "_modules").items():
            if isinstance(inner, Module):
                waiting.append((f"{prefix}{key}.", inner, depth + 1))
    return Network(tensors, dict_of(module.state, "_init_kwargs"), module.name)


def of_array(array: Array) -> Stored:
    """An array as a tensor, where it is of float32."""
    shape = array.shape if isinstance(array.shape, tuple) and all(type(n) is int and n >= 0 for n in array.shape) else (-1,)
    if array.code != "f4" or math.prod(shape) * 4 != len(array.raw):
        raise Refused("it has an array that is not whole")
    return Stored(shape, torch.float32, lambda: torch.frombuffer(bytearray(array.raw), dtype=torch.float32).reshape(shape))


def dict_of(state: dict[str, Any], key: str) -> dict[str, Any]:
    found = state.get(key)
    return {str(k): v for k, v in found.items()} if isinstance(found, dict) else {}


def numbered(network: Network, pattern: str) -> list[int]:
    """The numbers, in order, that stand in the names of tensors where `pattern` has its group."""
    found = (re.fullmatch(pattern, key) for key in network.tensors)
    return sorted({int(match[1]) for match in found if match and len(match[1]) < 6})
