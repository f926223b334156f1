"""Which device, in which numbers, and why: by trials, and with a way round what a graphics card cannot do."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genstudio import checkpoint, precision
from genstudio.controls import Text
from genstudio.engine import Engine
from genstudio.engine import engine as engine_module
from genstudio.engine.cuda_graph import CAPTURE_AFTER, MAX_GRAPHS, GraphedVerb
from genstudio.images import to_pictures
from genstudio.model import Frame, Model, Noise
from genstudio.precision import Precision
from genstudio.registry import systems
from genstudio.system import Recipe, system

NO_KERNEL = "CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be ..."


@pytest.fixture(autouse=True)
def asked_anew():
    """What was found out stays known for as long as the process runs: not here."""
    caches = (precision.best_device, precision.best_precision)
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def card(monkeypatch):
    """card(trouble): a machine with a graphics card that answers a trial so."""

    def put_in(trouble: str | None) -> None:
        precision.best_device.cache_clear()
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "GeForce GT 710")
        monkeypatch.setattr(precision, "trial", lambda device: trouble)

    return put_in


# The device


def test_a_card_that_cannot_run_a_trial_is_not_chosen_and_the_reason_is_told(card):
    """torch counts a card that it has no kernels for: the first visitor's picture would be the first to fail."""
    card("no kernel image is available")
    place = precision.best_device()
    assert place.device.type == "cpu"
    assert place.trouble.en == (
        "The graphics card GeForce GT 710 was found but could not run a trial (no kernel image is available)."
    )
    assert "GeForce GT 710" in place.trouble.fr and "échoué" in place.trouble.fr
    engine = Engine()
    assert engine.device.type == "cpu" and engine.status().en.endswith(place.trouble.en)
    with pytest.raises(ValueError, match="cuda cannot be used: no kernel image is available"):
        Engine("cuda")


def test_a_card_that_can_is_chosen(card):
    card(None)
    assert precision.best_device() == (torch.device("cuda"), None)


def test_a_driver_that_is_too_old_is_a_reason_too(monkeypatch):
    """torch then counts no card at all, and only warns."""

    def is_available() -> bool:
        warnings.warn("CUDA initialization: The NVIDIA driver on your system is too old", stacklevel=1)
        return False

    precision.best_device.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    place = precision.best_device()
    assert place.device.type == "cpu" and "driver on your system is too old" in place.trouble.en


def test_a_trial_computes_and_tells_what_went_wrong_in_a_line(monkeypatch):
    assert precision.trial("cpu") is None
    right = torch.nn.functional.conv2d
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda *a, **k: right(*a, **k) + 1)
    assert precision.trial("cpu").startswith("a trial gave ")

    def refuse(*arguments, **keywords):
        raise RuntimeError(NO_KERNEL)

    monkeypatch.setattr(torch.nn.functional, "conv2d", refuse)
    assert precision.trial("cpu") == NO_KERNEL.splitlines()[0]


# The number format


@pytest.mark.parametrize(("gain", "chosen", "number"), [(3.42, torch.bfloat16, "3.4"), (0.24, torch.float32, "0.2")])
def test_a_processor_takes_what_a_trial_found_faster_and_says_so(monkeypatch, gain, chosen, number):
    precision.best_precision.cache_clear()
    monkeypatch.setattr(precision, "_bfloat16_gain", lambda: gain)
    found = precision.best_precision("cpu")
    assert found.dtype is chosen and found.name in found.reason.en and found.name in found.reason.fr
    assert number in found.reason.en and number.replace(".", ",") in found.reason.fr


@pytest.mark.parametrize(
    ("capability", "chosen"), [((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), torch.float16)]
)
def test_a_card_takes_what_its_capability_is_fast_in(monkeypatch, card, capability, chosen):
    card(None)
    precision.best_precision.cache_clear()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    found = precision.best_precision("cuda")
    assert found.dtype is chosen and found.device == "cuda"
    assert "GeForce GT 710" in found.reason.en and found.name in found.reason.fr


@pytest.mark.parametrize("imitated", [0.0005, 0.04], ids=["quick", "imitated"])
def test_asking_a_processor_takes_about_a_twentieth_of_a_second(monkeypatch, imitated):
    """The trial before took 0.3 s, and 2.7 s on a processor that imitates bfloat16: a visitor waited for it.

    By a clock that convolutions alone advance: on a busy machine no other one is steady.
    """
    seconds, clock = {torch.float32: 0.001, torch.bfloat16: imitated}, [0.0]

    def conv2d(x: Tensor, weight: Tensor, padding: int) -> None:
        clock[0] += seconds[x.dtype]

    monkeypatch.setattr(torch.nn.functional, "conv2d", conv2d)
    monkeypatch.setattr(precision.time, "thread_time", lambda: clock[0])
    assert precision._bfloat16_gain() == pytest.approx(0.001 / imitated)
    assert precision.TRIAL_SECONDS < clock[0] < 0.1


def test_asking_measures_a_gain_and_does_not_change_the_number_of_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert 0.01 < precision._bfloat16_gain() < 100
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# A model that needs more than a card has


class Steep(Model):
    """Numbers that float16 cannot hold, on the way to pictures that it can; in at most `room` pictures at once."""

    image_shape = (1, 4, 4)
    room = 10**6

    def __init__(self, size: float = 3e4):
        super().__init__()
        self.layer = nn.Linear(3, 16)
        nn.init.uniform_(self.layer.weight, -size, size)

    def latents(self, noise: Noise) -> Tensor:
        return noise.normal(3)

    def decode(self, latents: Tensor) -> Tensor:
        if len(latents) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return (self.layer(latents) / 1e5).view(-1, *self.image_shape)

    def encode(self, images: Tensor) -> Tensor:
        return (self.layer.weight.T @ images.flatten(1).T).T


class Gradual(Steep):
    """Three frames; memory runs out at the second."""

    def sample(self, noise: Noise) -> Iterator[Frame]:
        codes = self.latents(noise)
        for step in range(3):
            images = (self.layer(codes) / 1e5).view(-1, *self.image_shape)
            if step == 1 and len(images) > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            yield Frame(images * step / 2, step + 1, 3)


@system(title=Text("Steep", "Raide"), data="mnist", recipe=Recipe(images=8))
def steep() -> Steep:
    return Steep()


@system(title=Text("Gradual", "Graduel"), data="mnist", recipe=Recipe(images=8))
def gradual() -> Gradual:
    return Gradual()


@pytest.fixture
def file_of(monkeypatch, tmp_path):
    """file_of(build): a checkpoint of that system, which is registered while the test runs."""

    def save(build) -> str:
        monkeypatch.setitem(systems(), build.system.name, build.system)
        torch.manual_seed(0)
        path = tmp_path / f"{build.system.name}.safetensors"
        checkpoint.save(path, build(), checkpoint.Header(build.system.name))
        return str(path)

    return save


@pytest.fixture
def old_card(monkeypatch) -> Engine:
    """An engine that computes in float16."""
    reason = Text("Computed in float16.", "Calcul en float16.")
    half = Precision("cpu", torch.float16, torch.contiguous_format, reason)
    monkeypatch.setattr("genstudio.engine.engine.best_precision", lambda device: half)
    return Engine("cpu")


@pytest.mark.parametrize("verb", ["decode", "sample", "encode"])
def test_a_model_that_overflows_in_float16_is_computed_in_float32(old_card, exact, file_of, verb):
    """Clamped to what a recipe can carry, a code of infinities would have passed for a code."""
    name = file_of(steep)
    assert "float16" in old_card.status(name).en
    codes = exact.latents(name, range(20))
    pictures = to_pictures(exact.decode(name, codes))
    calls = {
        "decode": lambda engine: engine.decode(name, codes),
        "sample": lambda engine: list(engine.sample(name, range(20)))[-1],
        "encode": lambda engine: engine.encode(name, pictures),
    }
    made, right = (calls[verb](engine).astype(float) for engine in (old_card, exact))
    np.testing.assert_allclose(made, right, rtol=1e-3, atol=1)
    assert old_card.hold(name).precision.name == "float32"
    assert "float16 gave values that are not finite" in old_card.status(name).en
    assert "float16" not in old_card.status(name).en.replace("float16 gave", "")


def test_pictures_that_are_not_finite_in_float32_either_are_an_error(old_card, file_of, monkeypatch):
    name = file_of(steep)
    monkeypatch.setattr(Steep, "decode", lambda self, latents: torch.full((len(latents), 1, 4, 4), torch.nan))
    with pytest.raises(ArithmeticError, match="not finite"):
        old_card.decode(name, np.zeros((2, 3)))


def test_what_is_too_much_at_once_is_computed_in_parts(file_of, monkeypatch):
    engine, name = Engine("cpu"), file_of(steep)
    codes = engine.latents(name, range(21))
    whole = engine.decode(name, codes)
    monkeypatch.setattr(Steep, "room", 5)
    sizes, plain = [], Steep.decode
    monkeypatch.setattr(Steep, "decode", lambda self, latents: sizes.append(len(latents)) or plain(self, latents))
    assert np.abs(engine.decode(name, codes).astype(int) - whole).max() <= 1
    assert max(sizes) > 5
    sizes.clear()
    engine.decode(name, codes)
    assert max(sizes) <= 5, "it is known by now that there is no room for more"
    assert f"than {max(sizes)}: more are computed part by part" in engine.status(name).en
    assert f"que {max(sizes)} :" in engine.status(name).fr


def test_a_sample_that_is_too_much_at_once_goes_on_where_it_was(file_of, monkeypatch):
    """Frames that were shown are not shown again, and the pictures are those of one go."""
    engine, name = Engine("cpu"), file_of(gradual)
    whole = list(engine.sample(name, range(11)))
    monkeypatch.setattr(Gradual, "room", 3)
    frames = list(engine.sample(name, range(11)))
    assert len(frames) == len(whole) == 3
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(frames, whole, strict=True))
    assert engine.hold(name).max_batch == 2


def test_no_room_for_even_one_picture_is_a_sentence(file_of, monkeypatch):
    engine, name = Engine("cpu"), file_of(gradual)
    monkeypatch.setattr(Steep, "room", 0)
    for call in (lambda: engine.decode(name, np.zeros((3, 3))), lambda: list(engine.sample(name, range(3)))):
        with pytest.raises(ValueError, match="no memory left for even one picture"):
            call()


def test_a_model_makes_room_for_the_next_where_the_budget_was_too_large(untrained, monkeypatch):
    engine = Engine("cpu", exact=True)
    names = [untrained(name) for name in ("vae_mnist", "classifier_mnist")]
    first, load = engine.hold(names[0]), engine_module.load

    def crowded(*arguments):
        if engine._loaded:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return load(*arguments)

    monkeypatch.setattr(engine_module, "load", crowded)
    assert list(engine._loaded.values()) == [first]
    second = engine.hold(names[1])
    assert list(engine._loaded.values()) == [second]


# Recordings


@pytest.fixture
def tapes(monkeypatch) -> list:
    """Recordings that are only said to be made, as no card is there: each plays 7 in every place."""
    made: list = []

    def record(self, codes, controls):
        made.append((len(codes), controls))
        return lambda codes: torch.full_like(codes, 7.0)

    monkeypatch.setattr(GraphedVerb, "_capture", record)
    return made


class Double:
    def decode(self, codes: Tensor, *, by: float = 2.0) -> Tensor:
        return codes * by


@torch.no_grad()
def test_what_comes_back_is_recorded_and_what_does_not_is_not(tapes):
    model = Double()
    verb, one, two = GraphedVerb(model.decode), torch.ones(1, 3), torch.ones(2, 3)
    for _ in range(CAPTURE_AFTER - 1):
        assert verb(one).eq(2).all() and verb(one, by=3.0).eq(3).all() and verb(two).eq(2).all()
    assert tapes == []
    assert verb(one).eq(7).all() and verb(one).eq(7).all() and tapes == [(1, {})]
    assert verb(one, by=3.0).eq(7).all() and verb(one, by=4.0).eq(4).all()
    assert tapes == [(1, {}), (1, {"by": 3.0})]
    verb.forget()
    assert verb(one).eq(2).all()


def test_a_recording_is_not_played_where_a_gradient_is_wanted(tapes):
    model = Double()
    verb, codes = GraphedVerb(model.decode), torch.ones(1, 3, requires_grad=True)
    with torch.no_grad():
        for _ in range(CAPTURE_AFTER + 1):
            verb(codes)
    verb(codes).sum().backward()
    assert codes.grad.eq(2).all()


@torch.no_grad()
def test_no_more_is_remembered_than_there_is_room_for(tapes):
    model = Double()
    verb = GraphedVerb(model.decode)
    for by in np.linspace(0, 1, 3 * MAX_GRAPHS):  # a slider that is dragged
        verb(torch.ones(1, 3), by=float(by))
    assert len(verb._cache) == MAX_GRAPHS and tapes == []


def test_a_model_that_is_recorded_is_freed_with_its_last_use():
    """The model holds the recorded verb; were the verb to hold the model, a card would fill up until Python looks."""
    from weakref import ref

    model = Steep()
    model.decode = GraphedVerb(model.decode)
    there = ref(model)
    del model
    assert there() is None
