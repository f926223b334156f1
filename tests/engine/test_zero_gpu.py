"""The door to a graphics card that is lent by the call. A stand-in for the `spaces` package forks as ZeroGPU does."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio.engine import Engine, zero_gpu
from genstudio.engine.zero_gpu import ZeroGPUEngine
from tests import ROOT

PATIENCE = 60  # seconds: a busy machine is no failure
FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="Spaces run on Linux")


class Spaces(ModuleType):
    """`spaces.GPU` as it is on ZeroGPU: the function runs on a thread of a forked process that has fresh memory of what
    it is sent alone; what it yields comes back pickled; of an error, only the name of its class does."""

    def __init__(self):
        super().__init__("spaces")
        self.durations: list[float] = []
        self.workers: list[multiprocessing.Process] = []

    def GPU(self, task, *, duration):
        context = multiprocessing.get_context("fork")

        def work(calls, results, stop):
            def run():
                generator = task(*calls.get())
                try:
                    for item in generator:
                        if stop.is_set():
                            return generator.close()
                        results.put(("item", item))
                    results.put(("end", None))
                except Exception as error:
                    results.put(("error", type(error).__name__))

            with ThreadPoolExecutor() as pool:
                pool.submit(run).result()

        def through(*arguments):
            self.durations.append(duration(*arguments))
            calls, results, stop = context.SimpleQueue(), context.SimpleQueue(), context.Event()
            worker = context.Process(target=work, args=(calls, results, stop), daemon=True)
            worker.start()
            self.workers.append(worker)
            calls.put(arguments)
            try:
                while True:
                    kind, item = results.get()
                    if kind == "error":
                        raise RuntimeError(f"ZeroGPU worker error: {item}")
                    if kind == "end":
                        return
                    yield item
            finally:
                stop.set()
                worker.join(PATIENCE)

        return through


class Guess(NamedTuple):
    """As `projection.Guess`."""

    step: int
    code: torch.Tensor


def app(monkeypatch, spaces: ModuleType | None) -> ModuleType:
    """app.py, where that package is installed or none is."""
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    spec = importlib.util.spec_from_file_location("app_of_the_test", ROOT / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def spaces():
    return Spaces()


@pytest.fixture
def borrower(monkeypatch, spaces):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    return ZeroGPUEngine(app(monkeypatch, spaces).on_gpu, exact=True)


def slow(engine: Engine, name: str) -> None:
    """Lets the engine believe that its processor takes a second for a picture."""
    engine.hold(name).seconds["decode"] = 1.0


@FORK
def test_long_work_comes_back_from_another_process_the_same_to_the_last_byte(borrower, spaces, exact, untrained):
    name = untrained("vae_mnist")
    slow(borrower, name)
    lent_frames = list(borrower.sample(name, [3, 1, 4], truncation=0.5))
    [worker] = spaces.workers
    assert worker.pid != os.getpid() and worker.exitcode == 0
    here = list(exact.sample(name, [3, 1, 4], truncation=0.5))
    assert len(lent_frames) == len(here) and all(map(np.array_equal, lent_frames, here))


@FORK
def test_short_work_stays_in_the_page(borrower, spaces, untrained):
    """Asking for a card takes longer than a drag may, and spends what a visitor has of it."""
    name = untrained("vae_mnist")
    list(borrower.sample(name, [1, 2]))
    borrower.decode(name, borrower.latents(name, range(4)))
    assert not spaces.workers


@FORK
def test_the_time_that_is_asked_for_follows_what_was_seen(borrower, spaces, untrained):
    name = untrained("vae_mnist")
    slow(borrower, name)
    for count in (1, 1, 2):
        list(borrower.sample(name, range(count)))
    first, second, third = spaces.durations
    assert first == zero_gpu.FIRST and zero_gpu.START < second < zero_gpu.START + 20
    took = borrower.hold(name).seconds["sample through the door"]
    assert took > 0 and third > zero_gpu.START
    assert zero_gpu.on_card(borrower.hold(name), "sample", 10**9) == zero_gpu.MAX_SECONDS


@FORK
def test_what_the_visitor_got_wrong_is_said_before_a_card_is_asked_for(borrower, spaces, untrained):
    """ZeroGPU hands back the name of an error's class and nothing else."""
    name = untrained("vae_mnist")
    slow(borrower, name)
    with pytest.raises(ValueError, match="truncation must lie between"):
        borrower.sample(name, [1], truncation=9)
    with pytest.raises(ValueError, match="at least one seed"):
        borrower.sample(name, [])
    assert not spaces.workers


@FORK
def test_a_complaint_from_the_other_process_keeps_its_words(borrower, spaces, untrained, tmp_path):
    path = tmp_path / "vae_mnist.safetensors"
    path.write_bytes(Path(untrained("vae_mnist")).read_bytes())
    slow(borrower, str(path))
    work = borrower.sample(str(path), [1])
    path.unlink()  # between the question and the answer
    with pytest.raises(ValueError, match="vae_mnist.safetensors does not exist"):
        list(work)
    assert len(spaces.workers) == 1


@FORK
def test_a_fork_while_the_page_is_loading_a_model_does_not_hang(borrower, spaces, untrained):
    """A lock that is held at the fork stays held in the child for ever."""
    name = untrained("vae_mnist")
    slow(borrower, name)
    work = borrower.sample(name, [1])
    borrower.hold(name)
    with borrower._loaded._loading, ThreadPoolExecutor() as pool:
        assert len(pool.submit(next, borrower.on_gpu(call_of(name))).result(timeout=PATIENCE)) > 0
    work.close()


def call_of(name: str) -> zero_gpu.Call:
    return zero_gpu.Call("sample", name, ([1],), {}, True, 1.0, None)


@FORK
def test_whoever_leaves_stops_the_work(borrower, spaces, untrained, monkeypatch):
    """Seconds on a card are counted; a closed page must not go on spending them."""
    monkeypatch.setattr(Engine, "sample", endless)
    name = untrained("vae_mnist")
    monkeypatch.setattr(zero_gpu, "on_processor", lambda *_: 9.0)
    frames = borrower.sample(name, [1])
    assert next(frames)[0] == 0 and next(frames)[0] == 1
    frames.close()
    assert spaces.workers[0].exitcode == 0, "it ended by itself, and was not killed"


def endless(self, name, seeds, labels=None, **controls):
    step = 0
    while True:
        yield np.full(1, step)
        step += 1
        time.sleep(0.01)


@pytest.mark.parametrize("spaces", [None, ModuleType("spaces")], ids=["not installed", "installed"])
def test_anywhere_else_the_door_is_a_plain_call(monkeypatch, spaces, untrained, exact):
    if spaces:
        spaces.GPU = lambda task, **_: task  # as off ZeroGPU
    opened = []

    def on_gpu(call):
        opened.append(threading.get_ident())
        yield from app(monkeypatch, spaces).on_gpu(call)

    engine, name = ZeroGPUEngine(on_gpu, "cpu", exact=True), untrained("vae_mnist")
    slow(engine, name)
    assert np.array_equal(list(engine.sample(name, [5]))[-1], list(exact.sample(name, [5]))[-1])
    assert opened == [threading.get_ident()]
    assert engine.hold(name).seconds["sample through the door"] > 0
    with pytest.raises(ValueError, match="cannot decode"):
        list(engine.sample(untrained("classifier_mnist"), [5]))


@FORK
def test_a_search_comes_through_the_door_with_its_tensors(borrower, spaces, untrained, monkeypatch):
    """torch sends tensors by shared memory, which ends with the process: the last ones would be lost."""

    def project(self, name, picture):
        for step in range(5):
            yield Guess(step, torch.full((3,), float(picture.getpixel((0, 0)) + step)))

    monkeypatch.setattr(Engine, "project", project, raising=False)
    search = borrower.project(untrained("vae_mnist"), Image.new("L", (1, 1), 7))
    guesses = [next(search)]
    spaces.workers[0].join(PATIENCE)  # all is said before the second one is read
    guesses += search
    assert [(g.step, g.code.tolist()) for g in guesses] == [(i, [7 + i] * 3) for i in range(5)]


@FORK
def test_a_large_translation_goes_through_the_door_and_comes_back_the_same(borrower, spaces, exact, untrained):
    """Its progress too. What is large depends on what the network is shown, and on how fast this processor was."""
    name = untrained("pix2pix_sketch")
    picture = np.random.RandomState(0).randint(0, 256, (1, 700, 1100, 3), dtype=np.uint8)
    *_, small = borrower.translate(name, picture)  # it is shown 64 x 64 pixels
    assert not spaces.workers and small.images.shape == picture.shape
    borrower.hold(name).seconds["translate"] = 1e-6
    there = list(borrower.translate(name, picture, view="tiles"))
    [worker] = spaces.workers
    assert worker.exitcode == 0 and spaces.durations == [zero_gpu.FIRST]
    here = list(exact.translate(name, picture, view="tiles"))
    assert [(p.done, p.of) for p in there] == [(p.done, p.of) for p in here] and len(here) > 2
    assert np.array_equal(there[-1].images, here[-1].images)
    with pytest.raises(ValueError, match="view must be one of"):
        borrower.translate(name, picture, view="sideways")


def test_how_long_a_translation_takes_is_learned_from_the_last_one(monkeypatch, untrained):
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    doors = []
    engine = ZeroGPUEngine(lambda call: doors.append(call) or call.run(), "cpu", exact=True)
    name, picture = untrained("denoise_photo"), np.zeros((1, 40, 40, 3), np.uint8)
    held = engine.hold(name)
    assert zero_gpu.on_processor(held, "translate", 512**2) == pytest.approx(0.1)
    list(engine.translate(name, picture))
    assert held.seconds["translate"] > 0 and not doors
    held.seconds["translate"] = 1.0
    *_, last = engine.translate(name, picture, strength=0.5)
    assert [call.controls for call in doors] == [{"view": "own", "strength": 0.5}] and last.images.shape == picture.shape


def test_the_page_of_a_zero_gpu_space_computes_on_its_processor(monkeypatch):
    """torch says that a card is there, before one is lent."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    engine = ZeroGPUEngine(lambda call: call.run())
    assert engine.device.type == "cpu" and engine.status().en.endswith(zero_gpu.NOTE.en)
