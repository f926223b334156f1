"""Self-describing weights: `<system>[.<tag>].safetensors`, whose header says all that is needed to rebuild the model.

The file holds what sampling needs, averaged weights in half precision. What only training needs, the critic, lies
beside it in `<system>[.<tag>].critic.safetensors`. A header is a stranger's word: it is checked against the builder's
signature and the tensors' shapes before anything is allocated.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from genstudio.model import Model
from genstudio.registry import find
from genstudio.system import System

T = TypeVar("T")

FORMAT = 1
KEY = "genstudio"  # the metadata entry that holds the header
LICENCE = "Apache-2.0"  # of weights that are trained here
MAX_PARAMETERS = 2_000_000_000
CRITIC = "critic."  # parameters under this name go to the companion file


@dataclass
class Header:
    """What a checkpoint says of itself."""

    system: str
    arguments: dict[str, Any] = field(default_factory=dict)  # of the system's builder
    data: str = ""
    learned_from: list[dict[str, Any]] = field(default_factory=list)  # each set: name, digest, images when it was left
    classes: list[str] = field(default_factory=list)
    credit: str = ""  # whose pictures it learned from, and their licence
    recipe: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    images: int = 0  # pictures seen
    minutes: float = 0.0  # of training
    threads: int = 0
    scores: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    command: str = ""
    licence: str = LICENCE
    format: int = FORMAT

    @property
    def sets(self) -> str:
        """The data sets that it learned from; of several, in order and with their digests."""
        if len(self.learned_from) < 2:
            return self.data
        pairs = [(str(entry.get("name")), str(entry.get("digest", ""))[:8]) for entry in self.learned_from]
        return " → ".join(f"{name} ({digest})" if digest else name for name, digest in pairs)


def save(path: str | os.PathLike, model: Model, header: Header, pack: bool = True, critic: bool = True) -> list[Path]:
    """Writes the checkpoint, and its critic beside it where there is one. Returns the files written. Unless it may `pack`
    them, all numbers are kept as they are: weights of others are to give what they gave elsewhere. A `critic` that has
    learned nothing is not worth a file, and is best told by there being none."""
    path, state = Path(path), model.state_dict()
    parts = {path: {k: v for k, v in state.items() if not k.startswith(CRITIC)}}
    parts[critic_of(path)] = {k: v for k, v in state.items() if k.startswith(CRITIC)}
    written = [file for file, tensors in parts.items() if tensors and (critic or file == path)]
    for file in written:
        _write(file, {k: _packed(v) if pack else v.detach().cpu().contiguous() for k, v in parts[file].items()}, header)
    return written


def rewrite_header(path: str | os.PathLike, header: Header) -> None:
    """The same weights under another header: scores are known only after training."""
    _write(Path(path), read_tensors(Path(path)), header)


def _write(path: Path, tensors: dict[str, Tensor], header: Header) -> None:
    part = path.with_suffix(".part")
    save_file(tensors, part, {KEY: json.dumps(asdict(header), ensure_ascii=False, sort_keys=True)})
    os.replace(part, path)  # a reader never sees half a file


def critic_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".safetensors") + ".critic.safetensors")


def _packed(tensor: Tensor) -> Tensor:
    """Half precision for matrices and filters; biases and statistics are few, and keep their range."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.is_floating_point() and tensor.dim() >= 2 else tensor


def describe(path: str | os.PathLike) -> Header:
    """The header alone; no weight is read. Raises ValueError, in words, when the file is none of ours."""
    return _open(path)[0]


def _open(path: str | os.PathLike) -> tuple[Header, dict[str, tuple[int, ...]]]:
    """Header and shapes of a checkpoint."""
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path.name} does not exist")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} is not a whole safetensors file") from error
    try:
        said = json.loads(metadata[KEY])
        known = {f.name for f in fields(Header)}
        header = Header(**{k: v for k, v in said.items() if k in known})
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise ValueError(f"{path.name} was not written by GenStudio: it does not say which system it is") from None
    if not isinstance(header.format, int) or header.format > FORMAT:
        raise ValueError(f"{path.name} has format {header.format}; this GenStudio reads up to {FORMAT}: please update")
    check_types(header, Header(system=""), path.name)
    return header, shapes


def check_types(header: Any, like: Any, name: str) -> None:
    """Raises ValueError where a field of a stranger's header has another type than in `like`."""
    for key, default in vars(like).items():
        kinds, value = ((int, float) if isinstance(default, float) else type(default)), getattr(header, key)
        inner = {"classes": str, "learned_from": dict}.get(key, object)
        if not isinstance(value, kinds) or isinstance(value, list) and not all(isinstance(v, inner) for v in value):
            raise ValueError(f"{name} is damaged: its {key} is {str(value)[:80]!r}")


# Keys that have been renamed: (system or family, old prefix, new prefix).
RENAMED: list[tuple[str, str, str]] = []


def renamed(system: System, tensors: dict[str, T]) -> dict[str, T]:
    """Parameters and buffers of a checkpoint or a training state under today's keys: files outlive the names in the code."""
    for whose, old, new in RENAMED:
        if whose in (system.name, system.family):
            tensors = {new + key.removeprefix(old) if key.startswith(old) else key: t for key, t in tensors.items()}
    return tensors


def load(path: str | os.PathLike, critic: bool = False) -> tuple[Model, Header]:
    """The model in float32 and evaluation mode, and its header. `critic` also reads the companion file.

    Raises ValueError when the file is truncated, foreign, or does not fit the system that it names.
    """
    path = Path(path)
    system, header, arguments = check(path)
    files = [path]
    if critic and (companion := critic_of(path)).exists():
        check(companion, critic=True)
        files.append(companion)
    model = system.build(**arguments)
    kinds = {key: tensor.dtype for key, tensor in model.state_dict().items()}
    weights = {key: t.to(kinds[key]) for file in files for key, t in renamed(system, read_tensors(file)).items()}
    model.load_state_dict(weights, strict=False)
    model.class_names = tuple(header.classes)
    return model.eval(), header


def check(path: Path, critic: bool = False) -> tuple[System, Header, dict[str, Any]]:
    """System, header and builder's arguments of a file that fits them, tensor by tensor. No weight is read or allocated."""
    header, shapes = _open(path)
    system = find(header.system)
    shapes = renamed(system, shapes)
    arguments = check_arguments(system, header.arguments)
    whole = shell(system, arguments).state_dict()
    check_size(whole, path.name)
    expected = {key: tuple(t.shape) for key, t in whole.items() if key.startswith(CRITIC) == critic}
    for key, shape in expected.items():
        if shapes.get(key) != shape:
            raise ValueError(f"{path.name} does not fit {system.name}: {key} should be {shape}, is {shapes.get(key)}")
    if extra := set(shapes) - set(expected):
        raise ValueError(f"{path.name} does not fit {system.name}: {min(extra)} has no place in it")
    return system, header, arguments


def check_size(tensors: dict[str, Tensor], name: str) -> None:
    if sum(t.numel() for t in tensors.values()) > MAX_PARAMETERS:
        raise ValueError(f"{name} asks for more than {MAX_PARAMETERS // 10**9} billion parameters")


def shell(system: System, arguments: dict[str, Any]) -> Model:
    """The model without memory for its numbers. Raises ValueError where no network can be built of these arguments, which
    may be a stranger's."""
    try:
        with torch.device("meta"), Unfilled():
            return system.build(**arguments)
    except Exception as error:  # whatever a network's layers say of sizes that do not go together
        raise ValueError(f"no {system.name} can be built of {str(arguments)[:120]}: {str(error)[:120] or type(error).__name__}") from None


class Unfilled(TorchFunctionMode):
    """Under it `torch.nn.init` does nothing: to fill tensors that have no memory, torch would import seconds of compiler."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def read_tensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}


def check_arguments(system: System, arguments: Any) -> dict[str, Any]:
    """The builder's arguments, checked against its signature: names known; whole numbers from 1 to 4096, or a few of them
    where it takes a tuple; yes or no; or one of the words that it takes."""
    known, kinds = inspect.signature(system.build).parameters, get_type_hints(system.build)
    if not isinstance(arguments, dict):
        raise ValueError(f"the arguments of {system.name} must be named, not {arguments!r}")
    for name, value in arguments.items():
        if name not in known:
            raise ValueError(f"{system.name} has no argument {name!r}: it takes {', '.join(known) or 'none'}")
        if get_origin(kinds[name]) is Literal:
            fits, due = value in get_args(kinds[name]), f"one of {', '.join(map(str, get_args(kinds[name])))}"
        elif get_origin(kinds[name]) is tuple:
            few = isinstance(value, (list, tuple)) and len(value) <= 16
            fits, due = few and all(map(_is_count, value)), "a few whole numbers up to 4096"
        elif kinds[name] is bool:
            fits, due = isinstance(value, bool), "true or false"
        else:
            fits, due = _is_count(value) and value > 0, "a whole number from 1 to 4096"
        if not fits:
            raise ValueError(f"{name} of {system.name} must be {due}, not {str(value)[:80]!r}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()}


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 4096


def digest(path: str | os.PathLike) -> str:
    """The first 12 digits of the SHA-256 of the weights, whatever the header says: which ones a recipe means."""
    with open(path, "rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))  # past the header, whose length stands first
        found = hashlib.sha256()
        while chunk := file.read(2**20):
            found.update(chunk)
    return found.hexdigest()[:12]
