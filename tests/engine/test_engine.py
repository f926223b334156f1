"""The engine: everybody in turns, each visitor's mistakes his own, models under a memory budget."""

from __future__ import annotations

import threading
import time
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from genstudio import catalog, checkpoint
from genstudio.controls import Refusal
from genstudio.data.drawings import facades
from genstudio.engine import Engine
from genstudio.engine import engine as engine_module
from genstudio.engine.loaded import fused
from genstudio.engine.worker import Worker
from genstudio.layers.palette import CMP_ORIGINAL, FACADES
from genstudio.model import Noise
from genstudio.models.gan import DCGAN
from genstudio.registry import find_system

NAME = "vae_mnist"
PATIENCE = 60  # seconds: a busy machine is no failure


@pytest.fixture
def turns() -> Worker:
    return Worker()


def gated(name: str, count: int, gate: threading.Event, log: list[str]):
    """Work whose first item waits until everybody has come in."""
    gate.wait(PATIENCE)
    for i in range(count):
        log.append(f"{name}{i}")
        yield f"{name}{i}"


def in_thread(call) -> tuple[threading.Thread, list]:
    results: list = []

    def run() -> None:
        try:
            results.extend(call())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def until(true) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


# Turns


def test_two_visitors_take_turns(turns):
    gate, log = threading.Event(), []
    threads = [in_thread(lambda n=n: turns.run(gated(n, 4, gate, log))) for n in "ab"]
    until(lambda: len(turns._jobs) == 1)  # one stands at the gate, the other in the queue
    gate.set()
    for thread, results in threads:
        thread.join(PATIENCE)
        assert len(results) == 4
    first, second = log[0][0], log[1][0]
    assert first != second and log == [f"{n}{i}" for i in range(4) for n in (first, second)]


def test_an_error_reaches_its_owner_alone(turns):
    def bad():
        yield 1
        raise ValueError("bad codes")

    gate, log = threading.Event(), []
    other, results = in_thread(lambda: turns.run(gated("a", 5, gate, log)))
    mine, complaint = in_thread(lambda: turns.run(bad()))
    gate.set()
    other.join(PATIENCE)
    mine.join(PATIENCE)
    assert results == [f"a{i}" for i in range(5)]
    assert complaint[0] == 1 and isinstance(complaint[1], ValueError)
    assert list(turns.run(iter([7]))) == [7]  # and the thread lives on


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError])
def test_no_error_of_a_model_ends_the_thread(turns, error):
    def work():
        raise error
        yield

    with pytest.raises(error):
        list(turns.run(work()))
    assert list(turns.run(iter([7]))) == [7]


def test_closing_stops_the_work(turns):
    closed = threading.Event()

    def work():
        try:
            yield from count()
        finally:
            closed.set()

    frames = turns.run(work())
    assert next(frames) == 0
    frames.close()
    assert closed.wait(PATIENCE), "the work went on"


def test_a_rest_begins_when_the_last_one_is_served(turns, monkeypatch):
    """By a clock on which a visitor is served every tenth of a second, as long as there are any."""
    now, ended = [turns._worked], []

    def sleep(seconds: float) -> None:
        if len(ended) == 4:
            now[0] += seconds
        else:
            now[0] += 0.1
            next(turns.run(iter([len(ended)])))
            ended.append(now[0])
            until(lambda: turns._worked == now[0])

    monkeypatch.setattr("genstudio.engine.worker.time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    turns.wait_for_rest(0.3)
    assert len(ended) == 4 and now[0] - ended[-1] == pytest.approx(0.3)


def test_work_that_nobody_asked_for_does_not_begin(turns):
    log = []
    turns.run(gated("a", 1, threading.Event(), log)).close()
    assert log == []


def test_modes_do_not_leak_out_of_the_engine(turns):
    """Neither to the visitor's thread nor from one visitor's work to another's."""

    def work():
        assert not torch.is_grad_enabled()
        yield torch.is_grad_enabled()
        torch.set_grad_enabled(True)  # a model that wants a gradient for one frame and forgets to give it back
        yield torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
        yield torch.is_autocast_enabled("cpu")

    frames = turns.run(work())
    assert next(frames) is False and torch.is_grad_enabled()
    assert list(frames) == [True, False] and torch.is_grad_enabled()


def test_all_work_is_done_on_one_thread(turns):
    def work():
        for _ in range(5):
            yield threading.get_ident()

    threads = [in_thread(lambda: turns.run(work())) for _ in range(6)]
    for thread, _ in threads:
        thread.join(PATIENCE)
    assert len({identity for _, results in threads for identity in results}) == 1


# Verbs


def test_many_visitors_at_once_get_each_his_own_pictures(exact: Engine, untrained):
    name = untrained(NAME)
    alone = [exact.decode(name, exact.latents(name, [seed])) for seed in range(6)]
    threads = [in_thread(lambda s=seed: exact.decode(name, exact.latents(name, [s]))) for seed in range(6)]
    for (thread, results), picture in zip(threads, alone, strict=True):
        thread.join(PATIENCE)
        assert np.abs(np.stack(results).astype(int) - picture).max() <= 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_codes_that_are_not_finite_are_refused(fast: Engine, untrained, bad):
    name = untrained(NAME)
    codes = fast.latents(name, [1, 2])
    codes[1, 3] = bad
    with pytest.raises(ValueError, match="codes must be finite numbers"):
        fast.decode(name, codes)
    with pytest.raises(ValueError, match="codes must be finite numbers"):
        fast.interpolate(name, (codes[0], codes[1]), [0.5])


def test_codes_of_another_model_are_refused(fast: Engine, untrained):
    name = untrained(NAME)
    with pytest.raises(ValueError, match="has 40 numbers, not 5"):
        fast.decode(name, np.zeros((2, 5)))
    with pytest.raises(ValueError, match="one row for each picture"):
        fast.decode(name, np.zeros(40))
    with pytest.raises(ValueError, match="40 and 5 numbers: they belong to different models"):
        fast.interpolate(name, (np.zeros(40), np.zeros(5)), [0.5])


def test_what_cannot_be_obeyed_is_one_sentence(fast: Engine, untrained):
    name, ends = untrained(NAME), (np.zeros(40), np.ones(40))
    for call, words in {
        lambda: fast.interpolate(name, ends, [0.5], "cubic"): "path must be one of linear, spherical, not 'cubic'",
        lambda: fast.interpolate(name, ends, [0.5], truncation=9): "truncation must lie between",
        lambda: fast.interpolate(name, ends, []): "nothing to compute",
        lambda: fast.decode(name, np.zeros((1, 40)), mood=1): "unknown control 'mood'",
        lambda: fast.latents(name, []): "nothing to compute",
        lambda: fast.latents(name, [-1]): "a seed is a whole number",
        lambda: list(fast.sample(name, [])): "nothing to compute",
        lambda: list(fast.sample(untrained("classifier_mnist"), [1])): "classifier_mnist cannot decode",
        lambda: fast.encode(untrained("dcgan_avatars"), [Image.new("RGB", (9, 9))]): "dcgan_avatars cannot encode",
        lambda: fast.hold("/nowhere/x.safetensors"): "x.safetensors does not exist",
        lambda: fast.hold("../../etc/passwd"): "does not|is not a whole safetensors file",
        lambda: fast.hold("nothing"): "no system is called 'nothing'",
    }.items():
        with pytest.raises(ValueError, match=words):
            call()


def test_a_dropped_picture_is_encoded_at_the_precision_of_a_recipe(fast: Engine, untrained):
    codes = fast.encode(untrained(NAME), [Image.new("L", (9, 200), 80), Image.new("RGBA", (64, 64))])
    assert codes.shape == (2, 40) and codes.dtype == np.float32
    assert np.array_equal(codes, codes.astype(np.float16).astype(np.float32))


def test_fast_pictures_are_those_of_exact_mode_to_40_dB(fast: Engine, untrained):
    for name in (NAME, "vae_avatars", "dcgan_avatars"):
        path = untrained(name)
        codes = fast.latents(path, range(4))
        error = (fast.decode(path, codes).astype(float) - fast.decode(path, codes, exact=True)) ** 2
        assert np.median(10 * np.log10(255**2 / np.maximum(error.mean((1, 2, 3)), 1e-3))) > 40


def test_folded_batch_norms_change_nothing_but_rounding():
    torch.manual_seed(0)
    model = DCGAN((3, 16, 16), latent_dim=8, widths=(16, 8))
    with torch.no_grad():
        for _ in range(5):  # statistics that are not 0 and 1
            model.decode(torch.randn(16, 8) * 3)
    model.eval()
    codes, quick = torch.randn(4, 8), fused(model)
    torch.testing.assert_close(quick.decode(codes), model.decode(codes), rtol=1e-4, atol=1e-5)
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in quick.generator.modules())


def test_frames_are_cut_short_but_lose_no_picture(untrained, monkeypatch):
    """With a frame of no time at all every picture is its own turn; together they are the same pictures."""
    engine, name = Engine("cpu", exact=True), untrained(NAME)
    codes = engine.latents(name, range(20))
    whole = engine.decode(name, codes)
    monkeypatch.setattr("genstudio.engine.engine.FRAME_SECONDS", 0.0)
    assert np.abs(engine.decode(name, codes).astype(int) - whole).max() <= 1


# Memory


def test_models_leave_in_the_order_of_disuse_when_memory_is_short(untrained):
    names = [untrained(n) for n in ("vae_mnist", "classifier_mnist", "classifier_avatars")]
    sizes = [Engine("cpu", exact=True).hold(n).bytes for n in names]
    engine = Engine("cpu", exact=True, memory=sum(sizes) - 1)  # any two fit, not all three
    first, second = engine.hold(names[0]), engine.hold(names[1])
    assert engine.hold(names[0]) is first  # the second is now the longest unused
    engine.hold(names[2])
    assert engine.hold(names[0]) is first
    assert sum(h.bytes for h in engine._loaded.values()) <= engine._loaded.budget
    assert engine.hold(names[1]) is not second


def test_a_model_larger_than_the_budget_is_still_held_alone(untrained):
    engine = Engine("cpu", exact=True, memory=1)
    engine.hold(untrained("vae_mnist"))
    held = engine.hold(untrained("classifier_mnist"))
    assert engine._loaded.values() == [held]


def test_new_weights_in_the_same_file_are_seen(tmp_path):
    engine, path = Engine("cpu", exact=True), tmp_path / "vae_mnist.safetensors"
    pictures = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        checkpoint.save(path, find_system(NAME).build(), checkpoint.Header(NAME, step=seed))
        assert engine.hold(str(path)).header.step == seed
        pictures.append(engine.decode(str(path), Noise([0]).normal(40).numpy()))
    assert not np.array_equal(*pictures)


W, PICTURE = np.zeros((1, 10, 128)), Image.new("RGB", (32, 32))
VERBS = {  # system, and a call
    "latents": (NAME, lambda verb: verb([1])),
    "encode": (NAME, lambda verb: verb([PICTURE])),
    "decode": (NAME, lambda verb: verb(np.zeros((2, 40)))),
    "interpolate": (NAME, lambda verb: verb((np.zeros(40), np.ones(40)), [0.5])),
    "sample": (NAME, lambda verb: list(verb([1]))),
    "directions": (NAME, lambda verb: verb("effect")),
    "project": (NAME, lambda verb: next(verb(PICTURE))),
    "styles": ("stylegan2_avatars", lambda verb: verb([1])),
    "truncate": ("stylegan2_avatars", lambda verb: verb(W, 0.5, 2)),
    "synthesize": ("stylegan2_avatars", lambda verb: verb(W)),
    "style_directions": ("stylegan2_avatars", lambda verb: verb("sefa", [0])),
    "project_styles": ("stylegan2_avatars", lambda verb: next(verb(PICTURE))),
    "denoise": ("ddpm_mnist", lambda verb: next(verb([1], steps=2))),
    "img2img": ("ddpm_mnist", lambda verb: next(verb(PICTURE, [1], steps=2))),
    "denoise_from": ("ddpm_mnist", lambda verb: next(verb(np.zeros((1, 1, 28, 28)), 500, [1], steps=2))),
    "translate": ("denoise_photo", lambda verb: list(verb(np.zeros((1, 32, 32, 3), np.uint8)))),
    "novelty": ("denoise_photo", lambda verb: verb(PICTURE)),
    "classify": ("classifier_mnist", lambda verb: verb(np.zeros((1, 28, 28, 1), np.uint8))),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_looks_for_its_checkpoint_once_and_loads_it_once(untrained, monkeypatch, verb):
    """On a network drive each look takes milliseconds, and between two of them another file may have come there."""
    (system, call), engine, looks = VERBS[verb], Engine("cpu", exact=True), []
    name = untrained(system)

    def counted(where, function: str) -> None:
        plain = getattr(where, function)

        def count_one(*arguments, **keywords):
            looks.append(function) if name in map(str, arguments) else None
            return plain(*arguments, **keywords)

        monkeypatch.setattr(where, function, count_one)

    monkeypatch.setattr("genstudio.latent.projection.SEARCH", 8)
    monkeypatch.setattr(engine_module, "DIRECTION_SEEDS", 64)
    counted(catalog, "locate")
    counted(engine_module, "load")
    counted(Path, "stat")
    call(partial(getattr(engine, verb), name))
    assert looks.count("load") == looks.count("locate") == 1
    looks.clear()
    call(partial(getattr(engine, verb), name))
    assert looks == ["locate", "stat"]


def test_a_model_is_held_once_however_many_ask_at_once(untrained):
    engine, name = Engine("cpu", exact=True), untrained("classifier_mnist")
    threads = [in_thread(lambda: [engine.hold(name)]) for _ in range(8)]
    for thread, _ in threads:
        thread.join(PATIENCE)
    assert len({id(results[0]) for _, results in threads}) == 1


def test_a_seed_is_the_same_code_in_fast_and_in_exact_mode(fast: Engine, exact: Engine, tmp_path):
    """A prior of several Gaussians rounded to bfloat16 sent one seed in 200 to another Gaussian: to another picture."""
    path = tmp_path / f"{NAME}.safetensors"
    torch.manual_seed(0)
    model = find_system(NAME).build()
    for key, numbers in model.named_buffers(recurse=False):
        if key == "prior_share":
            numbers.copy_(torch.rand_like(numbers).softmax(0))
        else:
            numbers.add_(torch.randn_like(numbers).tril() if numbers.dim() > 2 else torch.randn_like(numbers))
    checkpoint.save(path, model, checkpoint.Header(NAME))
    assert np.abs(fast.latents(str(path), range(1000)) - exact.latents(str(path), range(1000))).max() < 1e-4


def test_label_pictures_are_adopted_and_a_photograph_in_their_place_is_refused(exact: Engine, untrained):
    """In the database's own colours and larger than the network; the network reads the same classes."""
    name = untrained("pix2pix_facades_l1")
    classes = facades.shown()[0].repeat(2, 0).repeat(2, 1)
    ours, theirs = (np.array(colours, np.uint8)[classes][None] for colours in (FACADES.colours, CMP_ORIGINAL))
    for view in ("own", "tiles"):
        (*_, one), (*_, other) = (exact.translate(name, images, view=view) for images in (ours, theirs))
        assert one.images.shape == ours.shape and np.array_equal(one.images, other.images)
    photograph = np.array(Image.effect_noise((90, 50), 60).convert("RGB"))
    with pytest.raises(Refusal, match="no label picture"):
        exact.translate(name, photograph[None])
    assert exact.novelty(name, Image.fromarray(photograph)) == float("inf")
    assert exact.novelty(name, Image.fromarray(theirs[0])) <= 1  # untrained, it knows all label pictures
