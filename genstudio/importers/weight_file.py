"""Weight files of other projects: networks by name, each with lazy tensors and its settings."""

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

MAX_HEADER = 32 * 2**20  # bytes of a safetensors header
MAX_SETTINGS = 2**20  # bytes of a config.json
MAX_DEPTH = 64  # of nested modules
MAX_TENSORS = 100_000
MAX_RATIO = 4  # unpacked to packed size of a zip: weights hardly compress
FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "model.safetensors", "pytorch_model.bin")
# Keys under which training programs save networks, beside optimizers and the like.
WRAPPED = (
    "state_dict", "model_state_dict", "model", "g_ema", "g", "d", "G", "D", "G_ema", "netG", "netD", "generator", "ema",
)  # fmt: skip


@dataclass
class StateDict:
    tensors: dict[str, Stored]
    settings: dict[str, Any] = field(default_factory=dict)  # arguments of its constructor, where known
    name: str = ""  # of its class, where known

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor; () if it is missing."""
        return self.tensors[key].shape if key in self.tensors else ()

    def read(self, key: str) -> torch.Tensor:
        """Read a tensor, in float32; integer tensors keep their dtype."""
        found = self.tensors[key].read()
        return found.float() if found.is_floating_point() else found

    @property
    def parameters(self) -> int:
        return sum(stored.count for stored in self.tensors.values())


@dataclass
class WeightFile:
    """Contents of a weight file: networks by their keys in the file, "" for a single network at the top level."""

    networks: dict[str, StateDict]
    settings: dict[str, Any] = field(default_factory=dict)  # config.json of a folder
    more: dict[str, dict[str, Any]] = field(default_factory=dict)  # other settings of the folder, by name
    unpacked: tempfile.TemporaryDirectory | None = None  # of a zip; deleted with the last reference to it

    @property
    def only(self) -> StateDict | None:
        """The network, None unless there is exactly one."""
        return next(iter(self.networks.values())) if len(self.networks) == 1 else None


def read(path: Path) -> WeightFile:
    """Open a file, a folder with config.json, or a zip of one, without reading tensors. Raises Refused."""
    try:
        if path.is_dir():
            return read_folder(path)
        return read_packed(path) if is_packed(path) else WeightFile(read_file(path))
    except RecursionError:
        raise Refused("it is nested too deep", "il est imbriqué trop profond") from None
    except MemoryError:
        raise Refused("it asks for more memory than there is", "il demande plus de mémoire qu’il n’y en a") from None


def read_folder(path: Path) -> WeightFile:
    """Open a folder in Hugging Face's layout; a pipeline has its network in unet/ and its schedule in scheduler/."""
    inner = path / "unet" if (path / "unet").is_dir() else path
    file = next((inner / name for name in FILES if (inner / name).is_file()), None)
    if file is None:
        raise Refused(
            f"it is a folder without weights: {' or '.join(FILES)}",
            f"c’est un dossier sans poids : {' ou '.join(FILES)}",
        )
    more = {}
    for folder in (path, path / "scheduler"):
        if (folder / "scheduler_config.json").is_file():
            more["scheduler"] = settings_of(folder / "scheduler_config.json")
    return WeightFile(
        read_file(file), settings_of(inner / "config.json") if (inner / "config.json").is_file() else {}, more
    )


def is_packed(path: Path) -> bool:
    """True if the file is a zip of a folder in Hugging Face's layout."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = {PurePosixPath(name).name for name in archive.namelist()}
    return "config.json" in names and not names.isdisjoint(FILES)


def read_packed(path: Path) -> WeightFile:
    """Open a zip of a folder: the required files are unpacked into a temporary folder, under names of our own."""
    folder = tempfile.TemporaryDirectory(prefix="genstudio-")
    left = MAX_RATIO * path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        inside = {PurePosixPath(info.filename): info for info in archive.infolist()}
        tops = (name.parent for name in inside if name.name in ("config.json", "model_index.json"))
        top = min(tops, key=lambda p: len(p.parts))
        for name, info in inside.items():
            known = name.name in (*FILES, "config.json", "scheduler_config.json")
            if not known or name.parent not in (top, top / "unet", top / "scheduler"):
                continue
            left -= info.file_size
            if left < 0:
                raise Refused("it unpacks to far more than it is", "décompressé, il est bien plus grand qu’il ne l’est")
            target = Path(folder.name) / name.relative_to(top)
            target.parent.mkdir(exist_ok=True)
            with archive.open(info) as source, open(target, "wb") as file:
                shutil.copyfileobj(source, file)
    found = read_folder(Path(folder.name))
    found.unpacked = folder
    return found


def settings_of(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_SETTINGS:
        raise Refused(f"its {path.name} is too large", f"son {path.name} est trop grand")
    try:
        said = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        raise Refused(f"its {path.name} is not JSON", f"son {path.name} n’est pas du JSON") from None
    return said if isinstance(said, dict) else {}


def read_file(path: Path) -> dict[str, StateDict]:
    with open(path, "rb") as file:
        head = file.read(9)
    if head[8:9] == b"{":
        return {"": StateDict(read_safetensors(path, int.from_bytes(head[:8], "little")))}
    found = dict(networks(read_pickle(path)))
    if not found:
        raise Refused("there are no tensors in it", "il ne contient pas de tenseurs")
    return found


def read_safetensors(path: Path, header: int) -> dict[str, Stored]:
    if header > MAX_HEADER:
        raise Refused(
            f"its header says that it has {header / 2**20:.0f} MiB; at most {MAX_HEADER >> 20} are read",
            f"son en-tête dit faire {header / 2**20:.0f} Mio ; {MAX_HEADER >> 20} au plus sont lus",
        )
    floats = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    dtypes = floats | {"I64": torch.int64}

    def stored(key: str, shape: list[int], dtype: str) -> Stored:
        def read() -> torch.Tensor:
            with safe_open(path, "pt") as file:
                return file.get_tensor(key)

        return Stored(tuple(shape), dtypes.get(dtype, torch.float32), read)

    try:
        with safe_open(path, "pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
            return {key: stored(key, part.get_shape(), part.get_dtype()) for key, part in slices.items()}
    except (SafetensorError, OSError):
        raise Refused("it is truncated or broken", "il est tronqué ou abîmé") from None


# Networks of a pickle -----------------------------------------------------------------------------------------------


def networks(tree: Any) -> Iterator[tuple[str, StateDict]]:
    if isinstance(tree, Module):
        yield "", network_of(tree)
    elif isinstance(tree, dict):
        if tensors := plain({str(k): v for k, v in tree.items() if isinstance(v, Stored)}):
            yield "", StateDict(tensors)
        for key, value in tree.items():
            if isinstance(value, Module):
                yield str(key), network_of(value)
            elif key in WRAPPED and isinstance(value, dict):
                if tensors := plain({str(k): v for k, v in value.items() if isinstance(v, Stored)}):
                    yield str(key), StateDict(tensors)


def plain(tensors: dict[str, Stored]) -> dict[str, Stored]:
    """Tensors without the prefix of DataParallel."""
    if tensors and all(key.startswith("module.") for key in tensors):
        return {key.removeprefix("module."): value for key, value in tensors.items()}
    return tensors


def network_of(module: Module) -> StateDict:
    """Network of a pickled module: its parameters and buffers, by the keys of its state_dict."""
    tensors: dict[str, Stored] = {}
    stack = [("", module, 0)]
    while stack:
        prefix, part, depth = stack.pop()
        for attribute in ("_parameters", "_buffers"):
            for key, value in dict_of(part.state, attribute).items():
                if isinstance(value, (Stored, Array)):
                    tensors[f"{prefix}{key}"] = value if isinstance(value, Stored) else of_array(value)
        if depth > MAX_DEPTH or len(tensors) > MAX_TENSORS:
            raise Refused("it is nested too deep", "il est imbriqué trop profond")
        for key, inner in dict_of(part.state, "_modules").items():
            if isinstance(inner, Module):
                stack.append((f"{prefix}{key}.", inner, depth + 1))
    return StateDict(tensors, dict_of(module.state, "_init_kwargs"), module.name)


def of_array(array: Array) -> Stored:
    """A float32 array as a lazy tensor. Raises Refused for any other dtype, or if its size does not match."""
    sound = isinstance(array.shape, tuple) and all(type(n) is int and n >= 0 for n in array.shape)
    shape = array.shape if sound else (-1,)
    if array.code != "f4" or math.prod(shape) * 4 != len(array.raw):
        raise Refused("it has an array that is not whole", "il a un tableau qui n’est pas entier")

    def read() -> torch.Tensor:
        return torch.frombuffer(bytearray(array.raw), dtype=torch.float32).reshape(shape)

    return Stored(shape, torch.float32, read)


def dict_of(state: dict[str, Any], key: str) -> dict[str, Any]:
    found = state.get(key)
    return {str(k): v for k, v in found.items()} if isinstance(found, dict) else {}


def numbered(network: StateDict, pattern: str) -> list[int]:
    """Sorted integers matched by the group of `pattern` in the keys of a network."""
    found = (re.fullmatch(pattern, key) for key in network.tensors)
    return sorted({int(match[1]) for match in found if match and len(match[1]) < 6})
