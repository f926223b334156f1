"""Self-describing checkpoints: `<system>[.<tag>].safetensors`, with a header from which the model is rebuilt.

The file holds the weights for sampling: averaged (EMA) weights in half precision. The critic, needed for training
alone, lies beside it in `<system>[.<tag>].critic.safetensors`. A header is untrusted input: it is checked against the
builder's signature and the tensors' shapes before anything is allocated.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from genstudio import legacy
from genstudio.controls import Refusal
from genstudio.model import Companions, Model
from genstudio.registry import build, find_system
from genstudio.system import System

T = TypeVar("T")

FORMAT = 2
KEY = "genstudio"  # the metadata entry that holds the header
LICENCE = "Apache-2.0"  # of weights that are trained here
MAX_PARAMETERS = 2_000_000_000
CRITIC = "critic."  # parameters under this name go to the companion file


@dataclass
class Header:
    """Metadata of a checkpoint."""

    system: str
    arguments: dict[str, Any] = field(default_factory=dict)  # of the system's builder
    data: str = ""
    # Each stage: name and digest of its set, images at its end, flags.
    learned_from: list[dict[str, Any]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    credit: str = ""  # authors of the training images, and their licence
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
    companions: dict[str, str] = field(default_factory=dict)  # digests of those it was trained with, by role
    source: dict[str, str] = field(default_factory=dict)  # file and digest, of a system from a file of the user's own
    format: int = FORMAT

    @property
    def sets(self) -> str:
        """Training sets; if several, in order and with their digests."""
        pairs = [(str(entry.get("name")), str(entry.get("digest", ""))[:8]) for entry in self.learned_from]
        if len(pairs := [pair for pair, _ in groupby(pairs)]) < 2:
            return self.data
        return " → ".join(f"{name} ({digest})" if digest else name for name, digest in pairs)


def save(path: str | os.PathLike, model: Model, header: Header, pack: bool = True, critic: bool = True) -> list[Path]:
    """Write the checkpoint, and its critic beside it if there is one. Returns the files written.

    pack: half precision; else tensors are kept exactly, so that imported weights give the same images as elsewhere.
    critic: false for an untrained critic, which gets no file: its absence marks it as untrained.
    """
    path, state = Path(path), model.state_dict()
    parts = {path: {k: v for k, v in state.items() if not k.startswith(CRITIC)}}
    parts[critic_of(path)] = {k: v for k, v in state.items() if k.startswith(CRITIC)}
    written = [file for file, tensors in parts.items() if tensors and (critic or file == path)]
    for file in written:
        _write(file, {k: _packed(v) if pack else v.detach().cpu().contiguous() for k, v in parts[file].items()}, header)
    return written


def rewrite_header(path: str | os.PathLike, header: Header) -> None:
    """Replace the header and keep the weights: scores are known only after training."""
    _write(Path(path), read_tensors(Path(path)), header)


def _write(path: Path, tensors: dict[str, Tensor], header: Header) -> None:
    part = path.with_suffix(".part")
    save_file(tensors, part, {KEY: json.dumps(asdict(header), ensure_ascii=False, sort_keys=True)})
    os.replace(part, path)  # atomic: a reader never sees a partial file


def critic_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".safetensors") + ".critic.safetensors")


def _packed(tensor: Tensor) -> Tensor:
    """Half precision for matrices and filters; biases and statistics, which are few, keep their range."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.is_floating_point() and tensor.dim() >= 2 else tensor


def describe(path: str | os.PathLike) -> Header:
    """The header alone, without reading weights. Raises ValueError for a file that GenStudio did not write."""
    return _open(path)[0]


def _open(path: str | os.PathLike) -> tuple[Header, dict[str, tuple[int, ...]]]:
    """Header of a checkpoint, and the shapes of its tensors."""
    path = Path(path)
    if not path.exists():
        raise Refusal(f"{path.name} does not exist", f"{path.name} n’existe pas")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
    except (SafetensorError, OSError) as error:
        raise Refusal(
            f"{path.name} is not a whole safetensors file",
            f"{path.name} n’est pas un fichier safetensors entier",
        ) from error
    try:
        entries = json.loads(metadata[KEY])
        known = {f.name for f in fields(Header)}
        header = Header(**{k: v for k, v in entries.items() if k in known})
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise Refusal(
            f"{path.name} was not written by GenStudio: it does not say which system it is",
            f"{path.name} n’a pas été écrit par GenStudio : il ne dit pas de quel système il est",
        ) from None
    if not isinstance(header.format, int) or header.format > FORMAT:
        raise Refusal(
            f"{path.name} has format {header.format}; this GenStudio reads up to {FORMAT}: please update",
            f"{path.name} est au format {header.format} ; ce GenStudio lit jusqu’au {FORMAT} : mettez-le à jour",
        )
    check_types(header, Header(system=""), path.name)
    header.arguments, header.scores = legacy.arguments(header.arguments), legacy.scores(header.scores)
    return header, shapes


def check_types(header: Any, like: Any, name: str) -> None:
    """Raise ValueError if a field of an untrusted header has another type than in `like`."""
    for key, default in vars(like).items():
        types, value = ((int, float) if isinstance(default, float) else type(default)), getattr(header, key)
        inner = {"classes": str, "learned_from": dict}.get(key, object)
        if not isinstance(value, types) or isinstance(value, list) and not all(isinstance(v, inner) for v in value):
            raise Refusal(
                f"{name} is damaged: its {key} is {str(value)[:80]!r}",
                f"{name} est abîmé : {key} y est {str(value)[:80]!r}",
            )


def load(
    path: str | os.PathLike, critic: bool = False, companions: Callable[[System], Companions] | None = None
) -> tuple[Model, Header]:
    """The model in float32 and evaluation mode, and its header. `critic` also reads the file beside it.

    companions: finds those of a system, as `catalog.load` does; without, the model can do what it does alone. Raises
    ValueError if the file is truncated, of another program, or does not fit the system that it names.
    """
    path = Path(path)
    system, header, arguments = check(path)
    files = [path]
    if critic and (beside := critic_of(path)).exists():
        check(beside, critic=True)
        files.append(beside)
    model = build(system, arguments, companions(system) if companions else None)
    dtypes = {key: tensor.dtype for key, tensor in model.state_dict().items()}
    weights: dict[str, Tensor] = {}
    for file in files:
        weights |= legacy.parameters(system.model, read_tensors(file))
    weights = {key: tensor.to(dtypes[key]) for key, tensor in weights.items()}
    model.load_state_dict(weights, strict=False)
    model.class_names = tuple(header.classes)
    return model.eval(), header


def check(path: Path, critic: bool = False) -> tuple[System, Header, dict[str, Any]]:
    """Validate a file: its system, header and builder's arguments. No weight is read or allocated.

    Raises ValueError if a tensor is missing, has another shape or is unknown.
    """
    header, shapes = _open(path)
    system = find_system(header.system, header.source)
    shapes = legacy.parameters(system.model, shapes)
    arguments = check_arguments(system, header.arguments)
    whole = shell(system, arguments).state_dict()
    check_size(whole, path.name)
    expected = {key: tuple(t.shape) for key, t in whole.items() if key.startswith(CRITIC) == critic}
    for key, shape in expected.items():
        if shapes.get(key) != shape:
            raise Refusal(
                f"{path.name} does not fit {system.name}: {key} should be {shape}, is {shapes.get(key)}",
                f"{path.name} ne va pas à {system.name} : {key} devrait être {shape}, et est {shapes.get(key)}",
            )
    if extra := set(shapes) - set(expected):
        raise Refusal(
            f"{path.name} does not fit {system.name}: {min(extra)} has no place in it",
            f"{path.name} ne va pas à {system.name} : {min(extra)} n’y a pas de place",
        )
    return system, header, arguments


def check_size(tensors: dict[str, Tensor], name: str) -> None:
    if sum(t.numel() for t in tensors.values()) > MAX_PARAMETERS:
        raise Refusal(
            f"{name} asks for more than {MAX_PARAMETERS // 10**9} billion parameters",
            f"{name} demande plus de {MAX_PARAMETERS // 10**9} milliards de paramètres",
        )


def shell(system: System, arguments: dict[str, Any]) -> Model:
    """The model on the meta device, without memory for its weights. Raises ValueError if the arguments, which are
    untrusted, build no network."""
    try:
        with torch.device("meta"), Unfilled():
            return build(system, arguments)
    except Exception as error:  # any error of layers whose sizes do not match
        reason = str(error)[:120] or type(error).__name__
        raise Refusal(
            f"no {system.name} can be built of {str(arguments)[:120]}: {reason}",
            f"aucun {system.name} ne se construit avec {str(arguments)[:120]} : {reason}",
        ) from None


class Unfilled(TorchFunctionMode):
    """Disable `torch.nn.init`: on the meta device it would import torch's compiler, which takes seconds."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def read_tensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}


def check_arguments(system: System, arguments: Any) -> dict[str, Any]:
    """Validate the builder's arguments against its signature: known names; integers from 1 to 4096, or up to 16 of them
    for a tuple; floats in their `Range`; booleans; or one of the values of a Literal. Raises ValueError."""
    known, hints = inspect.signature(system.build).parameters, get_type_hints(system.build, include_extras=True)
    arguments = legacy.arguments(arguments)
    if not isinstance(arguments, dict):
        raise Refusal(
            f"the arguments of {system.name} must be named, not {arguments!r}",
            f"les arguments de {system.name} doivent être nommés, et non {arguments!r}",
        )
    for name, value in arguments.items():
        if name not in known:
            raise Refusal(
                f"{system.name} has no argument {name!r}: it takes {', '.join(known) or 'none'}",
                f"{system.name} n’a pas d’argument {name!r} : il prend {', '.join(known) or 'rien'}",
            )
        fits, due = _fits(value, hints[name])
        if not fits:
            raise ValueError(f"{name} of {system.name} must be {due}, not {str(value)[:80]!r}")
    converters = {tuple: tuple, Annotated: float}
    return {name: converters.get(get_origin(hints[name]), lambda v: v)(value) for name, value in arguments.items()}


def _fits(value: Any, hint: Any) -> tuple[bool, str]:
    """True if a builder's argument fits its annotation; and the values that would, in words."""
    if get_origin(hint) is Literal:
        return value in get_args(hint), f"one of {', '.join(map(str, get_args(hint)))}"
    if get_origin(hint) is Annotated:
        [bounds] = hint.__metadata__
        fits = type(value) in (int, float) and bounds.low <= value <= bounds.high  # refuses NaN, too
        return fits, f"a number from {bounds.low} to {bounds.high}"
    if get_origin(hint) is tuple:
        short = isinstance(value, (list, tuple)) and len(value) <= 16
        return short and all(map(_is_count, value)), "a few whole numbers up to 4096"
    if hint is bool:
        return isinstance(value, bool), "true or false"
    return _is_count(value) and value > 0, "a whole number from 1 to 4096"


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 4096


def digest(path: str | os.PathLike) -> str:
    """First 12 hex digits of the SHA-256 of the tensors, without the header: a recipe identifies its weights by it."""
    with open(path, "rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))  # skip the header, whose length comes first
        found = hashlib.sha256()
        while chunk := file.read(2**20):
            found.update(chunk)
    return found.hexdigest()[:12]
