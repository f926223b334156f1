"""Weight files that mean harm, or lie: each is refused in a sentence, nothing in it is run, and memory comes back."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path

import psutil
import pytest
import torch

from genstudio.importers import identify
from genstudio.importers.lazy_tensor import Refused
from genstudio.importers.weight_file import read

PROTOCOLS = range(6)
ROOM = 64 * 2**20  # bytes that may stay held: caches of torch and zlib


@pytest.fixture
def canary(tmp_path) -> Path:
    """A file that is there once anything was run."""
    return tmp_path / "canary"


class Calls:
    """Pickled as a call of anything with anything."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(canary: Path) -> dict[str, Calls]:
    program = f"open({str(canary)!r}, 'w')"
    return {
        "system": Calls(os.system, f"touch {canary}"),
        "eval": Calls(builtins.eval, program),
        "exec": Calls(builtins.exec, program),
        "Popen": Calls(subprocess.Popen, ["touch", str(canary)]),
        "getattr": Calls(getattr, "text", "join"),
        "open": Calls(open, str(canary), "w"),
    }


PLACES = {
    "alone": lambda it: it,
    "in lists": lambda it: [1, [2, [it]]],
    "in a dict": lambda it: {"state_dict": {"weight": it}},
    "as a key": lambda it: {(1, it): 2},
    "in a tuple": lambda it: (torch.Size([1]), (it,)),
    "in an ordered dict": lambda it: OrderedDict(a=OrderedDict(b=it)),
}


def refused(path: Path) -> str:
    """Why a file is not read; it must not be, and the door must say so too."""
    with pytest.raises(Refused) as caught:
        read(path)
    found = identify.identify(path)
    assert found.kind in ("foreign", "broken") and found.reason
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    return str(caught.value)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_that_calls_is_refused_by_the_name_of_what_it_calls(tmp_path, canary, protocol, place):
    for name, attack in attacks(canary).items():
        path = tmp_path / "weights.pkl"
        try:
            path.write_bytes(pickle.dumps(PLACES[place](attack), protocol))
        except (pickle.PicklingError, TypeError):
            continue  # old protocols cannot say everything
        # Old protocols say an eval in words of their own; whatever they are, they are named.
        assert "it asks for" in (said := refused(path)), said
        if protocol >= 2 and place != "in a tuple":
            assert f"{name}," in said  # whichever module this Python has it from
    assert not canary.exists()


@pytest.mark.parametrize("new", [True, False], ids=["zip", "stream"])
def test_torch_files_that_call_are_refused(tmp_path, canary, new):
    for name, attack in attacks(canary).items():
        path = tmp_path / "weights.pth"
        torch.save({"weight": torch.ones(3), "more": attack}, path, _use_new_zipfile_serialization=new)
        assert f"{name}," in refused(path)
    assert not canary.exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_hides_in_the_bytes_of_a_storage_is_refused(tmp_path, canary, protocol):
    """NVIDIA's files keep each storage as a pickle inside the pickle."""
    for name, attack in attacks(canary).items():
        inner = io.BytesIO()
        torch.save(attack, inner, _use_new_zipfile_serialization=False)
        for raw in (inner.getvalue(), pickle.dumps(attack, max(2, protocol))):
            path = tmp_path / "weights.pkl"
            path.write_bytes(pickle.dumps({"a": Calls(torch.storage._load_from_bytes, raw)}, protocol))
            said = refused(path)
            assert f"{name}," in said or "it asks for _codecs.encode" in said  # how old protocols say bytes
    assert not canary.exists()


def test_a_module_that_is_told_its_state_is_only_noted(tmp_path, canary, monkeypatch):
    """Neither the program that comes along nor anything in its state is run."""
    def op(module: str, name: str) -> bytes:
        return b"c" + f"{module}\n{name}\n".encode()

    meta = {"class_name": "Generator", "module_src": f"open({str(canary)!r}, 'w')", "state": {"_parameters": {}, "__setstate__": 1}}
    body = pickle.dumps(meta, 2)[2:-1]
    path = tmp_path / "network.pkl"
    path.write_bytes(b"\x80\x02" + op("torch_utils.persistence", "_reconstruct_persistent_obj") + b"(" + body + b"tR" + body + b"b.")
    assert [network.name for network in read(path).networks.values()] == ["Generator"]
    assert "known here" in identify.identify(path).reason.en
    assert not canary.exists()


def held() -> int:
    return psutil.Process().memory_info().rss


def legacy(count: int, shape: tuple[int, int], numbers: bytes) -> bytes:
    """PyTorch's stream with one tensor that says whatever it likes."""
    stream = io.BytesIO()
    torch.save({"weight": torch.ones(2, 2)}, stream, _use_new_zipfile_serialization=False)
    raw = stream.getvalue()
    whole = struct.pack("<q", 4) + torch.ones(4).numpy().tobytes()
    assert raw.endswith(whole)
    place = raw.index(b"K\x02K\x02\x86")  # the shape (2, 2)
    shapes = pickle.dumps(shape, 2)[2:-1]
    raw = raw[:place] + shapes.removesuffix(b"q\x00") + raw[place + 5 :]
    return raw.removesuffix(whole) + struct.pack("<q", count) + numbers


BOMBS = {
    "a text of a terabyte": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc",
    "a text of two gigabytes": lambda: b"\x80\x03B" + struct.pack("<I", 2**31) + b"abc",
    "a frame of a petabyte": lambda: b"\x80\x04\x95" + struct.pack("<Q", 2**50) + b"]",
    "a number of two gigabytes": lambda: b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"abc",
    "ten million lists": lambda: b"\x80\x02" + b"]" * 10**7 + b".",
    "ten million lists in each other": lambda: b"\x80\x02" + b"]" * 10**7 + b"a" * (10**7 - 1) + b".",
    "a storage of 2^40 numbers": lambda: legacy(2**40, (2, 2), b"\0" * 16),
    "a tensor larger than its storage": lambda: legacy(4, (2000, 2000), b"\0" * 16),
    "a shape below zero": lambda: legacy(4, (-2, 2), b"\0" * 16),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_asks_for_memory_is_refused_and_memory_comes_back(tmp_path, bomb):
    path = tmp_path / "weights.pth"
    path.write_bytes(BOMBS[bomb]())
    before = held()
    refused(path)
    assert held() - before < ROOM


def test_a_storage_that_is_packed_small_is_refused(tmp_path):
    """A gigabyte of zeros is a megabyte in a zip; PyTorch packs nothing."""
    torch.save({"weight": torch.ones(8)}, whole := tmp_path / "whole.pth")
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            target.writestr(info.filename, source.read(info))
    assert "its storage" in refused(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("weights/data.pkl", b"\x80\x02" + b"]" * (65 * 2**20))
    before = held()
    assert "64 MiB" in refused(path)
    assert held() - before < ROOM


@pytest.mark.parametrize("new", [True, False], ids=["zip", "stream"])
def test_truncated_files_are_refused(tmp_path, new):
    torch.save({"weight": torch.randn(50, 50), "bias": torch.randn(50)}, whole := tmp_path / "whole.pth", _use_new_zipfile_serialization=new)
    raw = whole.read_bytes()
    for share in (0.02, 0.3, 0.7, 0.99):
        path = tmp_path / "weights.pth"
        path.write_bytes(raw[: int(share * len(raw))])
        refused(path)


def test_a_safetensors_header_of_100_mb_and_an_absurd_shape_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 100 * 10**6) + b"{")
        file.truncate(10**8 + 100)
    before = held()
    with pytest.raises(Refused, match="95 MiB"):
        read(path)
    assert identify.identify(path).kind == "broken" and held() - before < ROOM
    header = b'{"weight":{"dtype":"F32","shape":[1000000,1000000,1000000],"data_offsets":[0,16]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 16)
    assert "truncated or broken" in refused(path)


def test_a_tensor_that_repeats_one_number_takes_no_more_than_it_has(tmp_path):
    """A stride of 0 makes a picture of one number, and a terabyte too."""
    torch.save({"weight": torch.ones(1).expand(2**20, 2**20)}, tmp_path / "weights.pth")
    assert "too few numbers" in refused(tmp_path / "weights.pth")


def test_a_folder_without_weights_and_settings_that_are_none_are_refused(tmp_path):
    assert "without weights" in refused(tmp_path)
    torch.save({"weight": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text("[" * 100_000)
    assert "not JSON" in refused(tmp_path)


def test_a_zip_of_a_folder_is_unpacked_where_it_is_no_bomb(tmp_path):
    torch.save({"weight": torch.randn(300, 300)}, weights := tmp_path / "pytorch_model.bin")
    path = tmp_path / "folder.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/config.json", '{"side": 3}')
        archive.write(weights, "model/pytorch_model.bin")
        archive.writestr("../../outside/config.json", "{}")
    found = read(path)
    assert found.settings == {"side": 3} and found.only.read("weight").shape == (300, 300)
    unpacked = Path(found.unpacked.name)
    assert sorted(file.name for file in unpacked.rglob("*")) == ["config.json", "pytorch_model.bin"]
    del found
    assert not unpacked.exists()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("pytorch_model.bin", bytes(10**7))
    assert "far more than it is" in refused(path)


def test_what_is_whole_is_read(tmp_path):
    state = OrderedDict(weight=torch.randn(3, 4, 5)[:, ::2].transpose(0, 2), half=torch.randn(2).half(), count=torch.tensor(7))
    for new in (True, False):
        torch.save(state, path := tmp_path / "weights.pth", _use_new_zipfile_serialization=new)
        network = read(path).only
        assert network.shape("weight") == (5, 2, 3)
        for key, tensor in state.items():
            assert torch.equal(network.read(key), tensor.float() if tensor.is_floating_point() else tensor)
