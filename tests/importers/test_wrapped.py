"""Weights as training programs wrap them: found at any depth, by shape, and averaged ones where there are both."""

from __future__ import annotations

import argparse
import collections
import datetime
import json
import pathlib
import pickle
import shutil
import sys
import types
from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genstudio.cli import main
from genstudio.importers import identify
from genstudio.importers.convert import recognise
from genstudio.importers.lazy_tensor import Refused


def dcgan(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    layers = [nn.ConvTranspose2d(12, 8, 4, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    layers += [nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()]
    layers += [nn.ConvTranspose2d(4, 1, 4, 2, 1, bias=False), nn.Tanh()]
    return {f"main.{key}": tensor for key, tensor in nn.Sequential(*layers).state_dict().items()}


def critic() -> dict[str, torch.Tensor]:
    layers = [nn.Conv2d(1, 4, 4, 2, 1), nn.LeakyReLU(), nn.Conv2d(4, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.LeakyReLU(), nn.Conv2d(8, 1, 4)]
    return {f"main.{key}": tensor for key, tensor in nn.Sequential(*layers).state_dict().items()}


def prefixed(prefix: str, tensors: dict) -> dict:
    return {prefix + key: tensor for key, tensor in tensors.items()}


def optimizer() -> dict:
    model = nn.Linear(3, 3)
    found = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    found.step()
    return found.state_dict()


PLAIN, AVERAGED = dcgan(0), dcgan(1)
WRAPPED: dict[str, Callable[[], object]] = {
    "under its own name": lambda: {"epoch": 3, "netG_state_dict": PLAIN, "opt": optimizer(), "loss": [1.0]},
    "gen": lambda: {"gen": PLAIN, "disc": critic(), "gen_optimizer": optimizer()},
    "two levels deep": lambda: {"state": {"networks": {"G": {"weights": PLAIN}, "D": {"weights": critic()}}}},
    "in a list": lambda: [1, (critic(), PLAIN), optimizer()],
    "torch.compile": lambda: prefixed("_orig_mod.", PLAIN),
    "torch.compile in DataParallel": lambda: {"model": prefixed("module._orig_mod.", PLAIN)},
    "DataParallel in torch.compile": lambda: prefixed("_orig_mod.module.", PLAIN),
    "a compiled part": lambda: {key.replace("main.", "main._orig_mod."): tensor for key, tensor in PLAIN.items()},
    "Lightning": lambda: {"state_dict": prefixed("generator.", PLAIN) | prefixed("discriminator.", critic()), "hyper_parameters": {}},
    "a prefix of its name": lambda: prefixed("netG.", PLAIN),
    "numpy beside": lambda: {"best_fid": np.float64(3.5), "best": np.float32(1), "n": np.int64(3), "G": PLAIN, "a": np.arange(3)},
    "settings beside": lambda: {
        "args": argparse.Namespace(lr=1e-3), "G": PLAIN, "when": datetime.datetime(2024, 1, 2), "out": pathlib.Path("a") / "b",
        "history": collections.defaultdict(list, a=[1]), "dtype": torch.float32, "some": types.SimpleNamespace(a=1),
    },
}  # fmt: skip
BOTH = {
    "params_ema": lambda: {"params": PLAIN, "params_ema": AVERAGED},
    "ema_model": lambda: {"model": PLAIN, "ema_model": AVERAGED},
    "ema first": lambda: {"g_ema": AVERAGED, "g": PLAIN, "d": critic()},
    "in one dict": lambda: prefixed("online_model.", PLAIN) | prefixed("ema_model.", AVERAGED) | {"step": torch.tensor(3)},
    "deep": lambda: {"trainer": {"generator": PLAIN, "generatorEMA": prefixed("module.", AVERAGED)}},
    "ema below": lambda: {"net": {"state": PLAIN}, "ema": {"decay": 0.99, "state": AVERAGED}},
}


def drawn(path) -> torch.Tensor:
    return recognise(path).model().generator[0].weight


@pytest.mark.parametrize("new", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize("name", WRAPPED)
def test_wrapped_weights_are_found(name, new, tmp_path):
    torch.save(WRAPPED[name](), path := tmp_path / "weights.pth", _use_new_zipfile_serialization=new)
    assert torch.equal(drawn(path), PLAIN["main.0.weight"]) and recognise(path).averaged == ""


@pytest.mark.parametrize("name", BOTH)
def test_averaged_weights_are_taken_and_named(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    torch.save(BOTH[name](), path := tmp_path / "weights.pth")
    assert torch.equal(drawn(path), AVERAGED["main.0.weight"])
    assert main(["open", str(path)]) == 0
    assert "the averaged weights" in capsys.readouterr().out


def test_a_whole_module_is_read_without_its_class(tmp_path, monkeypatch):
    """`torch.save(model)`: the class is not there any more, and would not be asked for if it were."""
    module = types.ModuleType("their_project")
    exec("import torch\nclass Net(torch.nn.Module):\n    pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "their_project", module)
    module.Net.__module__ = "their_project"
    net = module.Net()
    net.main = nn.Sequential(nn.ConvTranspose2d(12, 8, 4, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1))
    torch.save(net, path := tmp_path / "net.pth")
    monkeypatch.delitem(sys.modules, "their_project")
    assert torch.equal(drawn(path), net.main[0].weight)


def test_a_name_that_is_not_known_is_neither_imported_nor_called(tmp_path, monkeypatch):
    (tmp_path / "their_code.py").write_text("raise SystemExit('it was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    raw = b"\x80\x02}(X\x01\x00\x00\x00acTheir_code\nrun\n".replace(b"Their", b"their") + b"X\x04\x00\x00\x00evil\x85Ru."
    (tmp_path / "weights.pkl").write_bytes(raw)
    assert "no tensors in it, only their_code.run" in identify.identify(tmp_path / "weights.pkl").reason.en
    assert "their_code" not in sys.modules


@pytest.mark.parametrize("name", ["shutil.rmtree", "os.remove", "builtins.getattr", "functools.reduce", "torch._utils._rebuild_qtensor", "runpy.run_path"])
def test_a_name_with_an_effect_is_refused(name, tmp_path):
    module, _, function = name.rpartition(".")
    (tmp_path / "a.pkl").write_bytes(f"c{module}\n{function}\n.".encode())
    with pytest.raises(Refused, match=f"it asks for {name}"):
        recognise(tmp_path / "a.pkl")


@pytest.mark.parametrize("attribute", ["__defaults__", "anything"])
def test_a_pickle_changes_nothing_of_ours(attribute, tmp_path):
    """BUILD sets attributes of whatever is on the stack: of a function of ours, its defaults."""
    raw = pickle.dumps({attribute: (7,)}, 2)[2:-1]
    for name in ("torch._utils _rebuild_parameter", "collections OrderedDict", "torch Size", "their Class"):
        module, function = name.split()
        (tmp_path / "a.pkl").write_bytes(b"\x80\x02" + f"c{module}\n{function}\n".encode() + b"N" + raw + b"\x86b.")
        with pytest.raises(Refused):
            recognise(tmp_path / "a.pkl")


def test_a_memo_of_gigabytes_is_refused(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02]r\xff\xff\xff\x7f.")
    with pytest.raises(Refused, match="truncated or broken"):
        recognise(tmp_path / "a.pkl")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 777\n"
NO_WEIGHTS = {
    "a pointer": (POINTER, "git lfs pull"),
    "a page": (b"\n<!DOCTYPE html><html><svg></svg>Sign in</html>", "a web page"),
    "xml": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
    "a text": (b"Entry not found", "Entry not found"),
    "json": (b'{"error": "Repository not found"}', "Repository not found"),
    "nothing": (b"", "it is empty"),
}


@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".safetensors", ".bin", ".ckpt"])
@pytest.mark.parametrize("name", NO_WEIGHTS)
def test_what_was_downloaded_in_place_of_weights_is_named(name, suffix, tmp_path, capsys):
    content, said = NO_WEIGHTS[name]
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    assert main(["open", str(path)]) == 2
    assert said in (line := capsys.readouterr().err) and line.count("\n") == 1


# Folders ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("diffusers")
    from tests.importers.test_diffusers import unet

    net = unet()
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "config.json").write_text(json.dumps(dict(net.config)))
    return tmp_path / "net", {key: tensor.clone() for key, tensor in net.state_dict().items()}


def kept(path) -> torch.Tensor:
    return recognise(path).state()["network.conv_in.weight"]


def test_variants_of_a_folder_are_read_and_the_full_ones_first(folder):
    path, tensors = folder
    half = {key: tensor.half() for key, tensor in tensors.items()}
    save_file(half, path / "diffusion_pytorch_model.fp16.safetensors")
    assert torch.equal(kept(path), half["conv_in.weight"].float())
    save_file({key: tensor * 0 for key, tensor in tensors.items()}, path / "diffusion_pytorch_model.non_ema.safetensors")
    assert torch.equal(kept(path), half["conv_in.weight"].float())
    save_file(tensors, path / "diffusion_pytorch_model.safetensors")
    assert torch.equal(kept(path), tensors["conv_in.weight"])


@pytest.mark.parametrize("form", ["safetensors", "bin"])
@pytest.mark.parametrize("name", ["model-{:05}-of-00003", "diffusion_pytorch_model.fp16-{:05}-of-00003", "pytorch_model-{:05}-of-00003.bf16"])
def test_parts_are_put_together_and_a_missing_one_is_named(folder, name, form):
    path, tensors = folder
    files = [path / f"{name.format(i + 1)}.{form}" for i in range(3)]
    for i, file in enumerate(files):
        part = {key: tensor for j, (key, tensor) in enumerate(tensors.items()) if j % 3 == i}
        save_file(part, file) if form == "safetensors" else torch.save(part, file)
    assert torch.equal(kept(path), tensors["conv_in.weight"])
    files[1].unlink()
    with pytest.raises(Refused, match="in 3 parts, of which number 2 is not there"):
        recognise(path)


def test_the_averaged_network_of_a_pipeline_is_taken(folder):
    path, tensors = folder
    top = path.parent / "pipeline"
    for name, share in (("unet", 1), ("unet_ema", 2)):
        shutil.copytree(path, top / name)
        save_file({key: tensor * share for key, tensor in tensors.items()}, top / name / "diffusion_pytorch_model.safetensors")
    assert torch.equal(kept(top), tensors["conv_in.weight"] * 2) and recognise(top).averaged == "unet_ema"
    shutil.make_archive(str(top), "zip", top)
    found = recognise(top.with_suffix(".zip"))
    assert torch.equal(found.state()["network.conv_in.weight"], tensors["conv_in.weight"] * 2)
