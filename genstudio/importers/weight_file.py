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

from genstudio.importers.lazy_tensor import Refused, Stored, reading_untrusted, shown
from genstudio.importers.safe_pickle import Array, Module, read_pickle
from genstudio.importers.stand_ins import StandIn

MAX_HEADER = 32 * 2**20  # bytes of a safetensors header
MAX_SETTINGS = 2**20  # bytes of a config.json
MAX_DEPTH = 64  # of nested modules
MAX_TENSORS = 100_000
MAX_RATIO = 4  # unpacked to packed size of a zip: weights hardly compress
# Names of weights in a folder of Hugging Face's: a variant such as fp16, and parts of a large file.
NAME = re.compile(
    r"(diffusion_pytorch_model|model|pytorch_model)(?:\.(\w{1,20}))??(?:-(\d{5})-of-(\d{5}))?(?:\.(\w{1,20}))?"
    r"\.(safetensors|bin)"
)
MAX_NETWORKS = 200  # dicts of tensors that are examined
AVERAGED = re.compile(r"(?:^|[^a-z])(?:ema|avg|averaged?|swa|shadow)(?:[^a-z]|$)")  # in names of averaged weights
# What training programs put before a name: torch.compile, DataParallel, FSDP, DeepSpeed, and the network's own name.
WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_forward_module|_checkpoint_wrapped_module)\.")
NETWORK = re.compile(
    r"module|model|network|net|unet|denoise_fn|online_model|(?:net_?)?g|gen|generator|decoder_?g|.*ema.*", re.IGNORECASE
)


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
        with reading_untrusted():
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
    with reading_untrusted():
        if path.is_dir():
            return read_folder(path)
        return read_packed(path) if is_packed(path) else WeightFile(read_file(path))


def read_folder(path: Path) -> WeightFile:
    """Open a folder in Hugging Face's layout; a pipeline has its network in unet/ or, averaged, in unet_ema/, and its
    schedule in scheduler/."""
    inner = next((path / name for name in ("unet_ema", "unet") if weights_of(path / name)), path)
    files = weights_of(inner)
    if not files:
        raise Refused(
            "it is a folder without weights: diffusion_pytorch_model.safetensors or pytorch_model.bin, in one file or "
            "several",
            "c’est un dossier sans poids : diffusion_pytorch_model.safetensors ou pytorch_model.bin, en un fichier ou "
            "plusieurs",
        )
    more = {}
    for folder in (path, path / "scheduler"):
        if (folder / "scheduler_config.json").is_file():
            more["scheduler"] = settings_of(folder / "scheduler_config.json")
    parts = [read_file(file) for file in files]
    networks = parts[0]
    if len(parts) > 1:
        networks = {"": StateDict({key: t for part in parts for n in part.values() for key, t in n.tensors.items()})}
    if inner != path and AVERAGED.search(inner.name):
        networks = {inner.name: network for network in networks.values()}
    settings = settings_of(inner / "config.json") if (inner / "config.json").is_file() else {}
    return WeightFile(networks, settings, more)


def weights_of(folder: Path) -> list[Path]:
    """The files of one set of weights in a folder, in order; [] if there is none. Full precision comes first, and
    safetensors before pickles. Raises Refused if a part is missing."""
    sets: dict[tuple, dict[int, Path]] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not (found := NAME.fullmatch(file.name)) or not file.is_file():
            continue
        stem, variant, part, of, after, form = found.groups()
        variant = variant or after or ""
        rank = (form == "bin", "non_ema" in variant, variant != "" and not AVERAGED.search(variant), variant, stem)
        sets.setdefault((*rank, int(of or 1)), {})[int(part or 1)] = file
    if not sets:
        return []
    *_, of = best = min(sets, key=lambda key: (len(sets[key]) != key[-1], key))
    for number in range(1, of + 1):
        if number not in sets[best]:
            raise Refused(
                f"its weights come in {of} parts, of which number {number} is not there",
                f"ses poids sont en {of} parties, dont la numéro {number} n’y est pas",
            )
    return [file for _, file in sorted(sets[best].items())]


def is_packed(path: Path) -> bool:
    """True if the file is a zip of a folder in Hugging Face's layout."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = {PurePosixPath(name).name for name in archive.namelist()}
    return "config.json" in names and any(map(NAME.fullmatch, names))


def read_packed(path: Path) -> WeightFile:
    """Open a zip of a folder: the required files are unpacked into a temporary folder, under names of our own."""
    folder = tempfile.TemporaryDirectory(prefix="genstudio-")
    left = MAX_RATIO * path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        inside = {PurePosixPath(info.filename): info for info in archive.infolist()}
        tops = (name.parent for name in inside if name.name in ("config.json", "model_index.json"))
        top = min(tops, key=lambda p: len(p.parts))
        top = top.parent if top.name in ("unet", "unet_ema") else top
        for name, info in inside.items():
            known = NAME.fullmatch(name.name) or name.name in ("config.json", "scheduler_config.json")
            if not known or name.parent not in (top, top / "unet", top / "unet_ema", top / "scheduler"):
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
        head = file.read(512)
    if head[8:9] == b"{":
        found = {"": StateDict(read_safetensors(path, int.from_bytes(head[:8], "little")))}
        return dict(unwrapped(found))
    if reason := no_weights(head):
        raise reason
    tree = read_pickle(path)
    found = dict(unwrapped(dict(networks(tree))))
    if not found:
        name = next((f", only {shown(part.name)}" for part in parts_of(tree) if isinstance(part, StandIn)), "")
        name_fr = name.replace("only", "seulement")
        raise Refused(f"there are no tensors in it{name}", f"il ne contient pas de tenseurs{name_fr}")
    return found


def no_weights(head: bytes) -> Refused | None:
    """The reason why a file with this beginning holds no weights, where it is known, with what to do."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"version https://git-lfs"):
        size = re.search(rb"size (\d{1,15})", text)
        of, of_fr = (f", of {int(size[1])} bytes", f", de {int(size[1])} octets") if size else ("", "")
        return Refused(
            f"it is a pointer of Git LFS, not the weights{of}: run `git lfs pull` in its folder, or download the file "
            "itself",
            f"c’est un pointeur Git LFS, pas les poids{of_fr} : lancez `git lfs pull` dans son dossier, ou téléchargez "
            "le fichier lui-même",
        )
    if re.match(rb"<(!doctype|html|head|body|\?xml|!--)", text[:20].lower()):
        return Refused(
            "it is a web page, not weights: its link led to a page, so download the file itself",
            "c’est une page web, pas des poids : le lien menait à une page, téléchargez le fichier lui-même",
        )
    words = text.decode("utf-8", "ignore")
    if re.match(rb"\{\s*\"|[A-Za-z]{2,}[ ,:][ A-Za-z]", text) and words.isprintable() and b"\0" not in head:
        return Refused(
            f"it is a text, not weights: {shown(words)!r}",
            f"c’est un texte, pas des poids : {shown(words)!r}",
        )
    if not head:
        return Refused("it is empty: download it again", "il est vide : téléchargez-le de nouveau")
    return None


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


def parts_of(tree: Any) -> Iterator[Any]:
    """All containers of a tree, each once, at any depth."""
    stack, seen = [tree], set[int]()
    while stack and len(seen) < MAX_TENSORS:
        part = stack.pop()
        if isinstance(part, (dict, list, tuple, Module)) and id(part) not in seen:
            seen.add(id(part))
            yield part
            stack += list(part.values()) if isinstance(part, dict) else part if isinstance(part, (list, tuple)) else ()


def networks(tree: Any) -> Iterator[tuple[str, StateDict]]:
    """Dicts of tensors and pickled modules, at any depth, by their paths: "G_ema", "state.model"."""
    stack, seen = [("", tree)], set[int]()
    count = 0
    while stack and len(seen) < MAX_TENSORS and count < MAX_NETWORKS:
        path, part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if module := as_module(part):
            count += 1
            yield path, network_of(module)
        elif isinstance(part, dict):
            if tensors := {k: stored for k, v in part.items() if isinstance(k, str) and (stored := of_value(v))}:
                count += 1
                yield path, StateDict(tensors)
            inner = [(str(key)[:60], value) for key, value in part.items()]
        elif isinstance(part, (list, tuple)):
            inner = [(str(i), value) for i, value in enumerate(part)]
        else:
            continue
        if not module:
            stack += [(f"{path}.{key}" if path else key, value) for key, value in reversed(inner)]


def of_value(value: Any) -> Stored | None:
    if isinstance(value, Array):
        return of_array(value) if value.code == "f4" else None
    return value if isinstance(value, Stored) else None


def as_module(part: Any) -> Module | None:
    """A pickled module: NVIDIA's, or one of PyTorch whose class is not known."""
    if isinstance(part, StandIn) and isinstance(part.get("_modules"), dict) and "_parameters" in part:
        return Module({"class_name": part.name.rpartition(".")[2], "state": part})
    return part if isinstance(part, Module) else None


def unwrapped(found: dict[str, StateDict]) -> Iterator[tuple[str, StateDict]]:
    """The networks, averaged ones first, without what wrappers put before their names; and those inside of them, by
    the first part of their names."""
    for name, network in sorted(found.items(), key=lambda item: not is_averaged(item[0])):
        plain = StateDict(without_wrappers(network.tensors), network.settings, network.name)
        inner: dict[str, dict[str, Stored]] = {}
        for key, value in plain.tensors.items():
            first, _, rest = key.partition(".")
            if rest and NETWORK.fullmatch(first):
                inner.setdefault(first, {})[rest] = value
        inner = {first: tensors for first, tensors in inner.items() if len(tensors) > 1}
        averaged = {first: tensors for first, tensors in inner.items() if is_averaged(first)}
        for part in (averaged, None, inner):
            if part is None:
                yield name, plain
                continue
            for first, tensors in part.items():
                if part is averaged or first not in averaged:
                    path = f"{name}.{first}" if name else first
                    yield path, StateDict(without_wrappers(tensors), network.settings, network.name)


def is_averaged(path: str) -> bool:
    """True for the name of averaged weights: "G_ema", "params_ema", "ema_model"."""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", path).lower()
    return AVERAGED.search(words) is not None and "non_ema" not in words


def without_wrappers(tensors: dict[str, Stored]) -> dict[str, Stored]:
    """Tensors without the prefixes of torch.compile, DataParallel and the like."""
    tensors = {WRAPPERS.sub("", key): value for key, value in tensors.items()}
    while tensors and all(key.startswith("module.") for key in tensors):
        tensors = {WRAPPERS.sub("", key.removeprefix("module.")): value for key, value in tensors.items()}
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
            if inner := as_module(inner):
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
