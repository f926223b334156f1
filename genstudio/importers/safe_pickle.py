"""Pickles of strangers, read without running anything in them.

A pickle is a program: it names functions and calls them. This reader knows a short list of names, and for each of them
stands something of our own that only takes notes. Any other name ends it, and is told. So what comes out are numbers,
texts, lists, dicts, and `Stored` tensors of which nothing was read yet.

Three forms hold such a pickle: a plain one, PyTorch's zip of today, and PyTorch's stream from before version 1.6.
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

MOST_OPERATIONS = 2_000_000  # of a pickle: an empty list is one, and takes 60 bytes
MOST_PROGRAM = 64 * 2**20  # bytes of the pickle beside which PyTorch's zip keeps its numbers
NESTED = 2  # a storage may be a pickle inside of one
MAGIC, STREAM = 0x1950A86A20F9469CFC6C, 1001  # how PyTorch's stream begins

STORAGES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16, "CharStorage": torch.int8,
    "ByteStorage": torch.uint8, "BoolStorage": torch.bool, "UntypedStorage": torch.uint8,
}  # fmt: skip


# What stands for the names of a pickle ------------------------------------------------------------------------------


class Settings(dict):
    """A dict with other manners: `dnnlib.util.EasyDict`, `argparse.Namespace`."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.update(state)


class Module:
    """A network as NVIDIA's code keeps one: its class by name, its attributes; the program that comes along is dropped."""

    def __init__(self, meta: Any):
        meta = meta if isinstance(meta, dict) else {}
        self.name, state = str(meta.get("class_name")), meta.get("state")
        self.state: dict[str, Any] = state if isinstance(state, dict) else {}

    def __setstate__(self, state: Any) -> None:
        """Its state came with it."""


class Dtype:
    """numpy's word for a kind of number."""

    def __init__(self, code: Any, *_: Any):
        self.code, self.order = str(code), "<"

    def __setstate__(self, state: Any) -> None:
        self.order = str(state[1]) if isinstance(state, tuple) and len(state) > 1 else "<"


class Array:
    """numpy's array: shape and bytes come with its state."""

    shape: tuple[int, ...] = ()
    code: str = ""
    raw: bytes = b""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], Dtype) and isinstance(state[4], bytes):
            self.shape, self.code, self.raw = state[1], state[2].code, state[4]


def scalar(kind: Any, raw: Any = b"") -> float | int | bool | None:
    """A number of numpy's."""
    code = getattr(kind, "code", "")
    known = {"f8": torch.float64, "f4": torch.float32, "i8": torch.int64, "i4": torch.int32, "b1": torch.bool}
    if code not in known or not isinstance(raw, bytes) or len(raw) != known[code].itemsize:
        return None
    return torch.frombuffer(bytearray(raw), dtype=known[code]).item()


def tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Stored:
    if not isinstance(storage, Storage):
        raise Refused("it has a tensor without numbers")
    return storage.tensor(offset, shape, strides)


def first(value: Any = None, *_: Any) -> Any:
    return value


def names(depth: int) -> dict[str, Any]:
    """All that a pickle may name, and what stands for it."""
    known = {
        "collections.OrderedDict": OrderedDict,
        "builtins.set": set,
        "__builtin__.set": set,
        "dnnlib.util.EasyDict": Settings,
        "argparse.Namespace": Settings,
        "torch_utils.persistence._reconstruct_persistent_obj": Module,
        "numpy.dtype": Dtype,
        "numpy.ndarray": Array,
        "torch._utils._rebuild_tensor": tensor,
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_parameter": first,
        "torch.storage._load_from_bytes": lambda raw: stream(io.BytesIO(raw), len(raw), depth + 1),
        "torch.Size": tuple,
        "torch.device": lambda *said: str(said),
    }
    for core in ("numpy.core.multiarray", "numpy._core.multiarray"):
        known |= {f"{core}.scalar": scalar, f"{core}._reconstruct": lambda *_: Array()}
    known |= {f"torch.{name}": kind for name, kind in STORAGES.items()}
    return known | {"torch.storage.UntypedStorage": torch.uint8}


class Reader(pickle.Unpickler):
    """Takes notes of a pickle. `persistent` says what its numbers kept elsewhere are."""

    def __init__(self, file: BinaryIO, depth: int, persistent: Callable[[Any], Any] | None = None):
        super().__init__(file, encoding="latin1")
        self.known, self.persistent = names(depth), persistent

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.known[f"{module}.{name}"]
        except KeyError:
            raise Refused(f"it asks for {shown(f'{module}.{name}')}, which weights have no need of") from None

    def persistent_load(self, id: Any) -> Any:
        if self.persistent is None:
            raise Refused("it points at something that is not in it")
        return self.persistent(id)


class Bounded:
    """A file that is asked for no more than it has left: a pickle may say that a petabyte follows."""

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.size = file, size

    def read(self, count: int = -1) -> bytes:
        if count > self.size - self.file.tell():
            raise Refused("it ends too early")
        return self.file.read(count)

    def readline(self) -> bytes:
        return self.file.readline(2**20)

    def tell(self) -> int:
        return self.file.tell()


def unpickled(file: BinaryIO, size: int, depth: int, persistent: Callable[[Any], Any] | None = None) -> Any:
    """The next pickle of the file, which is left behind it. It is gone through once before: what is too long, or broken, is
    known before anything is made of it."""
    if depth > NESTED:
        raise Refused("it has pickles within pickles within pickles")
    bounded, start = Bounded(file, size), file.tell()
    try:
        for count, _ in enumerate(pickletools.genops(bounded)):
            if count > MOST_OPERATIONS:
                raise Refused(f"it takes more than {MOST_OPERATIONS} steps to read")
        end = file.tell()
        file.seek(start)
        made = Reader(bounded, depth, persistent).load()
        file.seek(end)
        return made
    except (Refused, MemoryError):
        raise
    except Exception:  # a broken pickle fails in any way at all
        raise Refused("it is truncated or broken") from None


# The three forms ------------------------------------------------------------------------------------------------


def read_pickle(path: Path) -> Any:
    """What a file of one of the three forms holds. Raises Refused, which is a ValueError, in words."""
    if zipfile.is_zipfile(path):
        return read_zip(path)
    with open(path, "rb") as file:
        return stream(file, path.stat().st_size, 0, path)


def read_zip(path: Path) -> Any:
    """PyTorch's zip: NAME/data.pkl, and the numbers of each storage in NAME/data/KEY."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        program = next((name for name in members if name.endswith("data.pkl")), None)
        if program is None:
            raise Refused("it is a zip without the pickle that PyTorch's have")
        if members[program].file_size > MOST_PROGRAM:
            raise Refused(f"its pickle has more than {MOST_PROGRAM >> 20} MiB")
        raw, folder = archive.read(program), program.removesuffix("data.pkl")
        order = folder + "byteorder"
        if order in members and archive.read(order) != b"little":
            raise Refused("its numbers are big-endian")

    def storage(id: Any) -> Storage:
        dtype, key, count = storage_id(id)
        info = members.get(f"{folder}data/{key}")
        if info is None or info.compress_type != zipfile.ZIP_STORED or info.file_size < count * dtype.itemsize:
            raise Refused(f"the numbers of its storage {shown(key)} are not there")

        def read() -> bytes:
            with zipfile.ZipFile(path) as archive:
                return archive.read(info)

        return Storage(dtype, count, read)

    return unpickled(io.BytesIO(raw), len(raw), 0, storage)


def stream(file: BinaryIO, size: int, depth: int, path: Path | None = None) -> Any:
    """A plain pickle; or PyTorch's stream: a number that says so, facts, the pickle, the names of its storages, and then
    for each of them how many numbers, and the numbers."""
    begun = unpickled(file, size, depth)
    if begun != MAGIC:
        return begun
    if unpickled(file, size, depth) != STREAM:
        raise Refused("it is of a PyTorch that is not known")
    facts = unpickled(file, size, depth)
    if not (isinstance(facts, dict) and facts.get("little_endian", True)):
        raise Refused("its numbers are big-endian")
    storages: dict[str, Storage] = {}

    def storage(id: Any) -> Storage:
        dtype, key, count = storage_id(id)
        return storages.setdefault(key, Storage(dtype, count))

    made = unpickled(file, size, depth, storage)
    for key in unpickled(file, size, depth):
        known = storages.get(str(key))
        count = int.from_bytes(file.read(8), "little")
        if known is None or known.count != count or count * known.dtype.itemsize > size - file.tell():
            raise Refused(f"the numbers of its storage {shown(key)} are not there")
        start, length = file.tell(), count * known.dtype.itemsize
        known.read = reading(path, start, length) if path else holding(file.read(length))
        file.seek(start + length)
    if missing := [key for key, known in storages.items() if known.read is None]:
        raise Refused(f"the numbers of its storage {shown(missing[0])} are not there")
    return made


def storage_id(id: Any) -> tuple[torch.dtype, str, int]:
    """Kind, key and count of what a pickle of PyTorch points at: ("storage", kind, key, device, count, ...)."""
    if not (isinstance(id, tuple) and len(id) >= 5 and id[0] == "storage" and isinstance(id[1], torch.dtype)):
        raise Refused("it points at something that is no storage")
    count = id[4]
    if type(count) is not int or not 0 <= count < 2**48:
        raise Refused(f"it has a storage of {shown(count)} numbers")
    return id[1], str(id[2]), count


def reading(path: Path, start: int, length: int) -> Callable[[], bytes]:
    def read() -> bytes:
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(length)

    return read


def holding(raw: bytes) -> Callable[[], bytes]:
    return lambda: raw
