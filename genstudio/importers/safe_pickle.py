"""Safe reading of untrusted pickles: nothing in them is executed.

A pickle is a program that names functions and calls them. This unpickler has a list of names, each mapped to a passive
stand-in of our own; others become empty classes (`stand_ins.py`), or are refused. The result consists of numbers,
strings, lists, dicts, and lazy `Stored` tensors.

Three formats are read: a plain pickle, PyTorch's zip, and PyTorch's stream from before version 1.6.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from genstudio.importers.lazy_tensor import Refused, Storage, Stored, shown
from genstudio.importers.stand_ins import Function, harmless, stand_in

MAX_OPERATIONS = 2_000_000  # opcodes of a pickle: an empty list is one, and takes 60 bytes of memory
MAX_PROGRAM = 64 * 2**20  # bytes of data.pkl in PyTorch's zip
MAX_NAMES = 1000  # of stand-ins, a class each
PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
NESTED = 2  # depth of pickles inside pickles: a storage may be one
MAGIC, STREAM = 0x1950A86A20F9469CFC6C, 1001  # magic number and protocol of PyTorch's stream

STORAGES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8,
    "ByteStorage": torch.uint8, "BoolStorage": torch.bool, "UntypedStorage": torch.uint8,
}  # fmt: skip


# Stand-ins for the names of a pickle --------------------------------------------------------------------------------


class PickledSettings(dict):
    """Stand-in for dict-like classes: `dnnlib.util.EasyDict`, `argparse.Namespace`."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.update(state)


class Module:
    """Stand-in for NVIDIA's persistent modules: class name and attributes; the embedded source code is dropped."""

    def __init__(self, meta: Any):
        meta = meta if isinstance(meta, dict) else {}
        self.name, state = str(meta.get("class_name")), meta.get("state")
        self.state: dict[str, Any] = state if isinstance(state, dict) else {}

    def __setstate__(self, state: Any) -> None:
        """Ignored: the constructor has the state."""


class Dtype:
    """Stand-in for numpy.dtype."""

    def __init__(self, code: Any, *_: Any):
        self.code, self.order = str(code), "<"

    def __setstate__(self, state: Any) -> None:
        self.order = str(state[1]) if isinstance(state, tuple) and len(state) > 1 else "<"


class Array:
    """Stand-in for numpy.ndarray: shape, dtype and bytes from its state."""

    shape: tuple[int, ...] = ()
    code: str = ""
    raw: bytes = b""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], Dtype) and isinstance(state[4], bytes):
            self.shape, self.code, self.raw = state[1], state[2].code, state[4]


def scalar(dtype: Any, raw: Any = b"") -> float | int | bool | None:
    """Value of a numpy scalar, None for an unknown dtype."""
    code = getattr(dtype, "code", "")
    known = {"f8": torch.float64, "f4": torch.float32, "i8": torch.int64, "i4": torch.int32, "b1": torch.bool}
    if code not in known or not isinstance(raw, bytes) or len(raw) != known[code].itemsize:
        return None
    return torch.frombuffer(bytearray(raw), dtype=known[code]).item()


def encode(text: Any, encoding: Any = "") -> bytes:
    """`_codecs.encode`, by which protocols 0 to 2 write bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused("it has bytes that are not written as such", "il a des octets qui ne sont pas écrits comme tels")
    return text.encode("latin1")


def of_type(rebuild: Any, kind: Any, arguments: Any, state: Any = None) -> Any:
    """A subclass of tensors, as a tensor."""
    if not isinstance(rebuild, Function) or not isinstance(arguments, tuple):
        raise Refused("it has a tensor without numbers", "il a un tenseur sans nombres")
    return rebuild(*arguments)


def tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Stored:
    if not isinstance(storage, Storage):
        raise Refused("it has a tensor without numbers", "il a un tenseur sans nombres")
    return storage.tensor(offset, shape, strides)


def first(value: Any = None, *_: Any) -> Any:
    return value


def names(depth: int) -> dict[str, Any]:
    """Allowlist of the names in a pickle, with their stand-ins."""
    known = {
        "collections.OrderedDict": OrderedDict,
        "builtins.set": set,
        "__builtin__.set": set,
        "dnnlib.util.EasyDict": PickledSettings,
        "argparse.Namespace": PickledSettings,
        "torch_utils.persistence._reconstruct_persistent_obj": Module,
        "numpy.dtype": Dtype,
        "numpy.ndarray": Array,
        "torch._utils._rebuild_tensor": tensor,
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_parameter": first,
        "torch.storage._load_from_bytes": lambda raw: stream(io.BytesIO(raw), len(raw), depth + 1),
        "torch.Size": tuple,
        "torch.device": lambda *said: str(said),
        "_codecs.encode": encode,
        "torch._tensor._rebuild_from_type_v2": of_type,
    }
    for core in ("numpy.core.multiarray", "numpy._core.multiarray"):
        known |= {f"{core}.scalar": scalar, f"{core}._reconstruct": lambda *_: Array()}
    known = {key: value if isinstance(value, type) else Function(value) for key, value in known.items()}
    known |= {f"torch.{name}": dtype for name, dtype in STORAGES.items()}
    return known | {"torch.storage.UntypedStorage": torch.uint8}


class Reader(pickle.Unpickler):
    """Unpickler restricted to stand-ins. `persistent` resolves the ids of storages outside the pickle."""

    def __init__(self, file: BinaryIO, depth: int, persistent: Callable[[Any], Any] | None = None):
        super().__init__(file, encoding="latin1")
        self.known, self.persistent = names(depth), persistent

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in self.known and harmless(module, name) and len(self.known) < MAX_NAMES:
            self.known[full] = stand_in(module, name)
        if full not in self.known:
            raise Refused(
                f"it asks for {shown(full)}, which weights have no need of",
                f"il demande {shown(full)}, dont des poids n’ont pas besoin",
            )
        return self.known[full]

    def persistent_load(self, id: Any) -> Any:
        if self.persistent is None:
            raise Refused("it points at something that is not in it", "il renvoie à ce qu’il ne contient pas")
        return self.persistent(id)


class Bounded:
    """A file whose reads are limited to the bytes left: a pickle may claim that a petabyte follows."""

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.size = file, size

    def read(self, count: int = -1) -> bytes:
        if count > self.size - self.file.tell():
            raise Refused("it ends too early", "il finit trop tôt")
        return self.file.read(count)

    def readline(self) -> bytes:
        return self.file.readline(2**20)

    def tell(self) -> int:
        return self.file.tell()


def unpickled(file: BinaryIO, size: int, depth: int, persistent: Callable[[Any], Any] | None = None) -> Any:
    """Load the next pickle of a file, and position the file behind it. Its opcodes are scanned first, so that one too
    long or broken is refused before any object is created."""
    if depth > NESTED:
        raise Refused(
            "it has pickles within pickles within pickles",
            "il a des pickles dans des pickles dans des pickles",
        )
    bounded, start = Bounded(file, size), file.tell()
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(bounded)):
            if operation.name in PUTS and int(argument) > MAX_OPERATIONS:  # the memo is an array of that length
                raise Refused("it is truncated or broken", "il est tronqué ou abîmé")
            if count > MAX_OPERATIONS:
                raise Refused(
                    f"it takes more than {MAX_OPERATIONS} steps to read",
                    f"il faut plus de {MAX_OPERATIONS} pas pour le lire",
                )
        end = file.tell()
        file.seek(start)
        made = Reader(bounded, depth, persistent).load()
        file.seek(end)
        return made
    except (Refused, MemoryError):
        raise
    except Exception:  # a broken pickle raises any type of exception
        raise Refused("it is truncated or broken", "il est tronqué ou abîmé") from None


# The three formats ----------------------------------------------------------------------------------------------


def read_pickle(path: Path) -> Any:
    """Read a file of one of the three formats. Raises Refused, which is a ValueError, in one sentence."""
    if zipfile.is_zipfile(path):
        return read_zip(path)
    with open(path, "rb") as file:
        return stream(file, path.stat().st_size, 0, path)


def read_zip(path: Path) -> Any:
    """Read PyTorch's zip: NAME/data.pkl, and the bytes of each storage in NAME/data/KEY."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        program = next((name for name in members if name.endswith("data.pkl")), None)
        if program is None:
            raise Refused(
                "it is a zip without the pickle that PyTorch's have",
                "c’est un zip sans le pickle qu’ont ceux de PyTorch",
            )
        if members[program].file_size > MAX_PROGRAM:
            raise Refused(
                f"its pickle has more than {MAX_PROGRAM >> 20} MiB",
                f"son pickle fait plus de {MAX_PROGRAM >> 20} Mio",
            )
        raw, folder = archive.read(program), program.removesuffix("data.pkl")
        order = folder + "byteorder"
        if order in members and archive.read(order) != b"little":
            raise Refused("its numbers are big-endian", "ses nombres sont gros-boutistes")

    def storage(id: Any) -> Storage:
        dtype, key, count = storage_id(id)
        info = members.get(f"{folder}data/{key}")
        if info is None or info.compress_type != zipfile.ZIP_STORED or info.file_size < count * dtype.itemsize:
            raise Refused(
                f"the numbers of its storage {shown(key)} are not there",
                f"les nombres de sa réserve {shown(key)} n’y sont pas",
            )

        def read() -> bytes:
            with zipfile.ZipFile(path) as archive:
                return archive.read(info)

        return Storage(dtype, count, read)

    return unpickled(io.BytesIO(raw), len(raw), 0, storage)


def stream(file: BinaryIO, size: int, depth: int, path: Path | None = None) -> Any:
    """Read a plain pickle, or PyTorch's stream: magic number, protocol, system facts, the pickle, the keys of its
    storages, and for each storage its count and bytes."""
    loaded = unpickled(file, size, depth)
    if loaded != MAGIC:
        return loaded
    if unpickled(file, size, depth) != STREAM:
        raise Refused("it is of a PyTorch that is not known", "il est d’un PyTorch inconnu")
    facts = unpickled(file, size, depth)
    if not (isinstance(facts, dict) and facts.get("little_endian", True)):
        raise Refused("its numbers are big-endian", "ses nombres sont gros-boutistes")
    storages: dict[str, Storage] = {}

    def storage(id: Any) -> Storage:
        dtype, key, count = storage_id(id)
        return storages.setdefault(key, Storage(dtype, count))

    made = unpickled(file, size, depth, storage)
    for key in unpickled(file, size, depth):
        known = storages.get(str(key))
        count = int.from_bytes(file.read(8), "little")
        if known is None or known.count != count or count * known.dtype.itemsize > size - file.tell():
            raise Refused(
                f"the numbers of its storage {shown(key)} are not there",
                f"les nombres de sa réserve {shown(key)} n’y sont pas",
            )
        start, length = file.tell(), count * known.dtype.itemsize
        known.read = reading(path, start, length) if path else holding(file.read(length))
        file.seek(start + length)
    if missing := [key for key, known in storages.items() if known.read is None]:
        raise Refused(
            f"the numbers of its storage {shown(missing[0])} are not there",
            f"les nombres de sa réserve {shown(missing[0])} n’y sont pas",
        )
    return made


def storage_id(id: Any) -> tuple[torch.dtype, str, int]:
    """Dtype, key and count of a PyTorch persistent id: ("storage", dtype, key, device, count, ...)."""
    if not (isinstance(id, tuple) and len(id) >= 5 and id[0] == "storage" and isinstance(id[1], torch.dtype)):
        raise Refused("it points at something that is no storage", "il renvoie à ce qui n’est pas une réserve")
    count = id[4]
    if type(count) is not int or not 0 <= count < 2**48:
        raise Refused(f"it has a storage of {shown(count)} numbers", f"il a une réserve de {shown(count)} nombres")
    return id[1], str(id[2]), count


def reading(path: Path, start: int, length: int) -> Callable[[], bytes]:
    def read() -> bytes:
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(length)

    return read


def holding(raw: bytes) -> Callable[[], bytes]:
    return lambda: raw
