"""On a graphics card: nobody waits in a sampling step, exact is exact, and too much at once is computed in parts.

They need torch, numpy, pillow, safetensors and pytest, and no page: `pytest -m cuda tests/test_cuda.py`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from genstudio import precision
from genstudio.engine import Engine
from genstudio.engine import engine as engine_module
from genstudio.engine.cuda_graph import CAPTURE_AFTER, GraphedVerb
from genstudio.engine.loaded import LoadedModel
from genstudio.model import Batch, Frame, Noise, generates, sample
from genstudio.models.gan import DCGAN
from genstudio.registry import find_system, systems
from genstudio.training import loop
from genstudio.training.run import Run
from tests import ROOT

GENERATORS = sorted(name for name, entry in systems().items() if generates(entry.model))


def cuda(test: Callable) -> Callable:
    """Marks a test that needs a GPU."""
    return pytest.mark.cuda(pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")(test))


@pytest.fixture(scope="module")
def card() -> Engine:
    return Engine("cuda")


@pytest.fixture(scope="module")
def card_exact() -> Engine:
    return Engine("cuda", exact=True)


@contextmanager
def nobody_waits() -> Iterator[None]:
    """Whatever makes the processor wait for the card is an error."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with pytest.raises(RuntimeError):  # the watch is awake
            torch.ones(1, device="cuda").item()
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@torch.no_grad()
def frames(held: LoadedModel, seeds: list[int]) -> list[Frame]:
    game, seen = sample(held.model, Noise(seeds, "cuda")), []
    while True:
        with held.precision.autocast():
            frame = next(game, None)
        if frame is None:
            return seen
        seen.append(frame)


def recordings(model) -> list:
    return [known for known in model.decode._cache.values() if not isinstance(known, int)]


# What is chosen


@cuda
def test_the_card_is_chosen_when_it_has_run_a_trial():
    assert precision.trial("cuda") is None
    assert Engine().device.type == "cuda"
    assert torch.cuda.get_device_name() in Engine().status().en


@cuda
def test_the_number_format_is_the_cards(card, untrained):
    modern = torch.cuda.get_device_capability() >= (8, 0)
    assert card.hold(untrained("vae_mnist")).precision.dtype is (torch.bfloat16 if modern else torch.float16)


# Pictures


@cuda
@pytest.mark.parametrize("name", GENERATORS)
def test_no_step_of_sampling_waits_for_the_card(card, untrained, name):
    """A number fetched from the card, or noise sent from memory that is not pinned, holds up the whole queue."""
    held = card.hold(untrained(name))
    for _ in range(CAPTURE_AFTER + 1):  # kernels are loaded, and the decoder is recorded
        frames(held, [0, 1, 2])
    with nobody_waits():
        frames(held, [3, 4, 5])  # played back
        frames(held, [6, 7])  # launched layer by layer


@cuda
def test_a_seed_is_the_same_code_on_the_card_and_on_the_processor(card, exact, untrained):
    for name in GENERATORS:
        if hasattr(find_system(name).model, "latents"):
            path = untrained(name)
            there, here = (engine.latents(path, range(9)) for engine in (card, exact))
            np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-5)


@cuda
@pytest.mark.parametrize("name", GENERATORS)
def test_exact_pictures_are_those_of_the_processor_at_any_batch_size(card_exact, exact, untrained, name):
    """With TF32, which torch allows in convolutions, float32 would keep three decimal digits."""
    path = untrained(name)
    *_, right = exact.sample(path, range(7))
    *_, together = card_exact.sample(path, range(7))
    alone = np.concatenate([list(card_exact.sample(path, [seed]))[-1] for seed in range(7)])
    for made in (together, alone):
        assert np.abs(made.astype(int) - right).max() <= 1


@cuda
@pytest.mark.parametrize("name", GENERATORS)
def test_fast_pictures_are_those_of_exact_mode_to_40_dB(card, card_exact, untrained, name):
    path = untrained(name)
    fast, right = ([*engine.sample(path, range(8))][-1].astype(float) for engine in (card, card_exact))
    assert np.median(10 * np.log10(255**2 / np.maximum(((fast - right) ** 2).mean((1, 2, 3)), 1e-3))) > 40


# Recordings


@cuda
@pytest.mark.parametrize("name", [n for n in GENERATORS if hasattr(find_system(n).model, "decode")])
def test_a_recording_plays_what_was_asked_of_it(card, card_exact, untrained, name):
    """One that read its first codes again, or whose buffer the next one overwrote, would show other pictures."""
    path = untrained(name)
    held = card.hold(path)
    codes = card.latents(path, range(40))
    batches = [codes[i : i + size] for size in (3, 5) for i in range(0, 20, size)]
    right = [card_exact.decode(path, batch) for batch in batches]
    for _ in range(2):
        for batch, pictures in zip(batches, right, strict=True):
            made = card.decode(path, batch).astype(float)
            assert 10 * np.log10(255**2 / max(((made - pictures) ** 2).mean(), 1e-3)) > 35
    assert len(recordings(held.model)) >= 2


class Asking(DCGAN):
    """Fetches a number from the card on the way: that cannot be recorded."""

    def decode(self, latents: Tensor) -> Tensor:
        return super().decode(latents) * float(latents.sum() < 1e9)


@cuda
@torch.no_grad()
def test_what_cannot_be_recorded_is_computed_all_the_same():
    model = Asking((3, 16, 16), latent_dim=8, widths=(16, 8)).cuda().eval()
    verb, codes, before = GraphedVerb(model.decode), torch.randn(4, 8, device="cuda"), torch.cuda.current_stream()
    for _ in range(CAPTURE_AFTER + 2):
        codes.normal_()
        torch.testing.assert_close(verb(codes), model.decode(codes))
    assert torch.cuda.current_stream() == before
    other = DCGAN((3, 16, 16), latent_dim=8, widths=(16, 8)).cuda().eval()
    verb = GraphedVerb(other.decode)
    for _ in range(CAPTURE_AFTER + 2):
        codes.normal_()
        torch.testing.assert_close(verb(codes), other.decode(codes), rtol=1e-4, atol=1e-5)
    assert recordings(type("Model", (), {"decode": verb}))


@cuda
@torch.no_grad()
def test_numbers_of_the_processor_never_get_into_a_recording():
    """It would fetch them from the same place again, where other numbers stand by then."""

    class Noisy(DCGAN):
        def decode(self, latents: Tensor) -> Tensor:
            return super().decode(latents + Noise(range(len(latents)), latents.device).normal(8))

    model = Noisy((3, 16, 16), latent_dim=8, widths=(16, 8)).cuda().eval()
    verb, codes = GraphedVerb(model.decode), torch.randn(4, 8, device="cuda")
    for _ in range(CAPTURE_AFTER + 2):
        torch.testing.assert_close(verb(codes), model.decode(codes))
        Noise(range(4), "cuda").normal(8)


# Memory


@cuda
def test_what_is_too_much_for_the_memory_is_computed_in_parts(untrained, monkeypatch):
    engine, path = Engine("cuda"), untrained("dcgan_avatars")
    monkeypatch.setattr(engine_module, "FRAME_SECONDS", 1000.0)
    codes = engine.latents(path, range(2048))
    few = engine.decode(path, codes[:16])
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 200 * 2**20) / whole)
    try:
        pictures = engine.decode(path, codes)
        *_, sampled = engine.sample(path, range(2048))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert len(pictures) == len(sampled) == 2048
    for made in (pictures[:16], sampled[:16]):
        assert np.abs(made.astype(int) - few).mean() < 1
    most = engine.hold(path).max_batch
    assert most and most < 2048 and f"than {most}" in engine.status(path).en


# Training


@cuda
@pytest.mark.parametrize("name", ["dcgan_avatars", "vae_mnist", "vae_avatars"])
def test_no_training_step_waits_for_the_card(name):
    system, best = find_system(name), precision.best_precision("cuda")
    run = Run(system, {}, system.recipe, torch.device("cuda"))
    run.model.to(memory_format=best.memory_format).train()
    run.average.to(memory_format=best.memory_format)
    pictures = Batch(torch.rand(8, *run.model.image_shape) * 2 - 1)

    def step() -> None:
        loop.set_rates(run)
        loop.play(run, pictures.to("cuda", memory_format=best.memory_format), best)
        loop.update_average(run)
        run.advance()

    for _ in range(3):  # kernels and moments are there
        step()
    with nobody_waits():
        step()


@cuda
def test_a_run_goes_on_to_equal_bytes_on_a_card_too(tmp_path):
    folder, draw = tmp_path / "pictures", np.random.RandomState(0)
    folder.mkdir()
    for i in range(30):
        Image.fromarray(draw.randint(0, 256, (28, 28), dtype=np.uint8)).save(folder / f"{i:02d}.png")
    options = {"data": str(folder), "device": "cuda", "images": 48, "batch": 8}
    list(loop.train("vae_mnist", out=tmp_path / "whole", **options))
    list(loop.train("vae_mnist", out=tmp_path / "cut", max_minutes=0.0, **options))
    list(loop.train("vae_mnist", out=tmp_path / "cut", resume=True, device="cuda"))
    one, other = (torch.load(tmp_path / run / "state.pt", weights_only=True) for run in ("whole", "cut"))
    assert one["step"] == other["step"] == 6
    assert not [key for key in one["model"] if not torch.equal(one["model"][key], other["model"][key])]


# Without a page


def test_these_tests_need_neither_page_nor_browser_nor_plugin():
    """A machine with a card may have torch and pytest and little else. A finder refuses the rest, as if not there."""
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("gradio", "gradio_client", "playwright", "pytest_timeout", "accelerate"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import pytest
sys.exit(pytest.main(["-q", "--collect-only", "-m", "cuda", "-p", "no:timeout", "-p", "no:cacheprovider", sys.argv[1]]))
"""
    command = [sys.executable, "-c", code, str(ROOT / "tests" / "test_cuda.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
