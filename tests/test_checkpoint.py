"""A checkpoint says what it is, comes back as it went, and a stranger's one is refused in one sentence."""

from __future__ import annotations

import inspect
import json
import tracemalloc
from typing import Annotated, get_origin, get_type_hints

import pytest
import torch
from safetensors.torch import load_file, save_file

from genstudio import catalog, checkpoint
from genstudio.checkpoint import KEY, Header
from genstudio.controls import Text
from genstudio.model import Model
from genstudio.models.gan import DCGAN
from genstudio.registry import systems
from genstudio.system import Range, Recipe, system


@system(title=Text("Tiny", "Petit"), data="mnist", recipe=Recipe(images=64, batch=8))
def tiny(width: int = 8) -> DCGAN:
    """A DCGAN that trains in a blink."""
    return DCGAN((3, 8, 8), latent_dim=4, widths=(width,))


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(systems(), "tiny", tiny.system)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tiny.safetensors"
    checkpoint.save(path, tiny(), Header("tiny", data="mnist", classes=["é"], minutes=1.5))
    return path


def rewrite(file, tensors=None, text=None, **said):
    """The same file with another header or other tensors."""
    header = json.dumps(vars(checkpoint.describe(file)) | said) if text is None else text
    save_file(tensors if tensors is not None else load_file(file), file, {KEY: header})
    return file


def refused(file, words: str) -> None:
    """One sentence, from whichever side the file is looked at."""
    with pytest.raises(ValueError, match=words) as caught:
        checkpoint.load(file)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_the_header_comes_back_as_it_went(file):
    header = checkpoint.describe(file)
    assert header == Header("tiny", data="mnist", classes=["é"], minutes=1.5)
    assert checkpoint.load(file)[1] == header


def test_the_critic_lies_apart_and_comes_along_when_asked(tmp_path):
    torch.manual_seed(0)
    model, path = tiny(), tmp_path / "tiny.safetensors"
    files = checkpoint.save(path, model, Header("tiny"))
    assert [f.name for f in files] == ["tiny.safetensors", "tiny.critic.safetensors"]
    assert not any(key.startswith("critic") for key in load_file(path))
    with_critic, without = checkpoint.load(path, critic=True)[0], checkpoint.load(path)[0]
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(with_critic.state_dict()[key], tensor, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(without.critic[0].weight, model.critic[0].weight, atol=1e-3)


def test_only_matrices_lose_precision(file):
    for key, tensor in load_file(file).items():
        assert tensor.dtype == (torch.float16 if tensor.dim() >= 2 else tiny().state_dict()[key].dtype)


def test_arguments_of_the_builder_rebuild_the_model(tmp_path):
    path = tmp_path / "tiny.wide.safetensors"
    checkpoint.save(path, tiny(width=16), Header("tiny", arguments={"width": 16}))
    assert checkpoint.load(path)[0].generator[0].weight.shape[1] == 16


def test_a_reader_never_sees_half_a_file(file, monkeypatch):
    """A crash while writing leaves the old file whole."""
    before = file.read_bytes()

    def crash(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint, "save_file", crash)
    with pytest.raises(OSError):
        checkpoint.save(file, tiny(), Header("tiny"))
    assert file.read_bytes() == before


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    refused(file, "tiny.safetensors is not a whole safetensors file")


@pytest.mark.parametrize("body", [b"I am a cat" * 20, b"\xff" * 64, b"PK\x03\x04" + bytes(100), bytes(100)])
def test_a_foreign_file_is_refused(file, body):
    file.write_bytes(body)
    refused(file, "is not a whole safetensors file")


def test_a_pickle_is_refused_unread(file):
    torch.save(tiny().state_dict(), file)
    refused(file, "is not a whole safetensors file")


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    refused(tmp_path / "none.safetensors", "none.safetensors does not exist")
    refused(tmp_path, "is not a whole safetensors file")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"tiny"', "{}", '{"data": "mnist"}', "[" * 100_000])
def test_a_header_of_another_kind_is_refused(file, text):
    refused(rewrite(file, text=text), "was not written by GenStudio")


def test_safetensors_of_somebody_else_are_refused(file):
    save_file({"weight": torch.zeros(3)}, file)
    refused(file, "was not written by GenStudio")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("system", ["tiny"]),
        ("system", None),
        ("system", 5),
        ("arguments", [1]),
        ("classes", "cat"),
        ("classes", [1, None]),
        ("scores", []),
        ("minutes", "long"),
        ("step", "many"),
        ("step", None),
        ("recipe", 1),
    ],
)
def test_a_header_field_of_the_wrong_type_is_refused(file, field, value):
    refused(rewrite(file, **{field: value}), f"tiny.safetensors is damaged: its {field} is")


def test_an_unknown_system_is_refused_with_the_nearest(file):
    refused(rewrite(file, system="tinyy"), "no system is called 'tinyy'; did you mean tiny")


@pytest.mark.parametrize("version", [3, 10**9, "1", None, 1.5])
def test_a_newer_format_asks_for_an_update(file, version):
    refused(rewrite(file, format=version), "has format .*; this GenStudio reads up to 2: please update")


def test_fields_of_later_versions_are_passed_over(file):
    assert checkpoint.load(rewrite(file, mood="good"))[1].system == "tiny"


@pytest.mark.parametrize("arguments", [{"width": 10**9}, {"width": 0}, {"width": -8}, {"width": "8"}, {"width": True}, {"width": 8.0}])
def test_absurd_arguments_are_refused(file, arguments):
    refused(rewrite(file, arguments=arguments), "width of tiny must be a whole number from 1 to 4096")


NUMBERS = "must be a number from 0 to 0.5"


@pytest.fixture
def leaky(monkeypatch):
    """A system with a float among its arguments."""

    @system(title=Text("Leaky", "Fuyant"), data="mnist", recipe=Recipe(images=64))
    def leaky(slope: Annotated[float, Range(0, 0.5)] = 0.2) -> Model:
        model = Model()
        model.layer = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.LeakyReLU(slope))
        return model

    monkeypatch.setitem(systems(), "leaky", leaky.system)
    return leaky.system


@pytest.mark.parametrize("value", [0, 0.5, 0.1, 0.0])
def test_a_float_in_its_bounds_rebuilds_the_model(leaky, tmp_path, value):
    """A whole number will do."""
    path = tmp_path / "leaky.safetensors"
    checkpoint.save(path, leaky.build(slope=value), Header("leaky", arguments={"slope": value}))
    [found] = checkpoint.check(path)[2].values()
    assert found == value and isinstance(found, float)
    assert checkpoint.load(path)[0].layer[1].negative_slope == value


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), -1e-9, 0.51, 1, 10**400, "0.1", True, None, [0.1], {}, 1e400]
)
def test_a_float_out_of_bounds_is_refused(leaky, tmp_path, value):
    path = tmp_path / "leaky.safetensors"
    checkpoint.save(path, leaky.build(), Header("leaky"))
    refused(rewrite(path, arguments={"slope": value}), f"slope of leaky {NUMBERS}, not ")


def test_every_float_of_a_builder_has_bounds_and_a_default_within():
    found = 0
    for entry in systems().values():
        for name, hint in get_type_hints(entry.build, include_extras=True).items():
            assert hint is not float, f"{name} of {entry.name} has no Range"
            if get_origin(hint) is Annotated:
                default = inspect.signature(entry.build).parameters[name].default
                assert checkpoint.check_arguments(entry, {name: default}) == {name: default}
                found += 1
    assert found >= 3


def test_an_unknown_argument_is_refused(file):
    refused(rewrite(file, arguments={"depth": 8}), "tiny has no argument 'depth'")


def test_nothing_is_allocated_for_shapes_that_the_file_does_not_have(file, monkeypatch):
    """The largest size that the bounds allow is 4096: the model is counted, not made."""
    built = []

    @system(title=Text("Tiny", "Petit"), data="mnist", recipe=Recipe(images=64))
    def giant(width: int = 8) -> Model:
        built.append(torch.empty(0).device.type)
        model = Model()
        model.weight = torch.nn.Parameter(torch.empty(width, width, width))
        return model

    monkeypatch.setitem(systems(), "giant", giant.system)
    rewrite(file, {"weight": torch.zeros(2)}, system="giant", arguments={"width": 1024})
    refused(file, r"does not fit giant: weight should be \(1024, 1024, 1024\), is \(2,\)")
    rewrite(file, system="giant", arguments={"width": 4096})
    tracemalloc.start()
    refused(file, "asks for more than 2 billion parameters")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert set(built) == {"meta"}


def test_tensors_must_fit_the_system(file):
    tensors = load_file(file)
    name = "generator.0.weight"
    refused(rewrite(file, {**tensors, name: torch.zeros(2, 2)}), f"does not fit tiny: {name} should be .* is \\(2, 2\\)")
    refused(rewrite(file, {k: v for k, v in tensors.items() if k != name}), f"{name} should be .* is None")
    refused(rewrite(file, {**tensors, "stranger": torch.zeros(2)}), "stranger has no place in it")


def test_a_critic_that_does_not_fit_is_refused_too(file):
    critic = checkpoint.critic_of(file)
    critic.write_bytes(critic.read_bytes()[:50])
    with pytest.raises(ValueError, match="tiny.critic.safetensors is not a whole"):
        checkpoint.load(file, critic=True)
    save_file({"critic.0.weight": torch.zeros(3)}, critic, {KEY: json.dumps(vars(Header("tiny")))})
    with pytest.raises(ValueError, match="tiny.critic.safetensors does not fit tiny"):
        checkpoint.load(file, critic=True)
    assert checkpoint.load(file)  # and sampling does not care


def test_the_users_own_checkpoint_replaces_a_shipped_one(tmp_path, monkeypatch, file):
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("genstudio.paths.SHIPPED", tmp_path)
    assert catalog.locate("tiny") == file and catalog.available() == {"tiny": file}
    own = tmp_path / "home" / "checkpoints" / "tiny.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(file.read_bytes())
    assert catalog.locate("tiny") == own and catalog.available() == {"tiny": own}


def test_a_name_without_weights_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr("genstudio.paths.SHIPPED", tmp_path)
    with pytest.raises(ValueError, match="no weights of tiny yet: train them with `python -m genstudio train tiny`"):
        catalog.locate("tiny")
    for name in ("", "nothing", "nothing.tag"):
        with pytest.raises(ValueError, match="no system is called"):
            catalog.locate(name)
    with pytest.raises(ValueError, match="does not exist"):
        checkpoint.describe(catalog.locate("~nobody-here/x.safetensors"))
