"""Recovery from out-of-memory and from float16 overflow: one way for all that the engine computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from genstudio import checkpoint, paths
from genstudio.controls import Text
from genstudio.engine import Engine
from genstudio.engine.loaded import LoadedModel
from genstudio.precision import Precision
from genstudio.registry import systems
from tests import small

SEEDS = list(range(11))
ROOM, AREA = 5, 300 * 300  # pictures and pixels that fit into the pretended memory
GUIDED = {"steps": 3, "guidance": 1.0, "label": "a", "classifier_guidance": 4.0}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def inpainted(engine: Engine, name: str) -> list[np.ndarray]:
    """A mask and a picture that are shared by all seeds, and x_t that are not."""
    mask, known = np.arange(256).reshape(16, 16) % 3 > 0, Image.fromarray(picture(16, 16))
    steps = engine.denoise_from(name, noise(len(SEEDS), 3, 16, 16), 700, SEEDS, known, mask, **GUIDED)
    return [step.x_0 for step in steps]


def redrawn(engine: Engine, name: str) -> list[np.ndarray]:
    controls = GUIDED | {"strength": 0.9}
    del controls["classifier_guidance"]
    mask = np.arange(256).reshape(16, 16) % 3 > 0
    return [s.x_0 for s in engine.img2img(name, Image.fromarray(picture(16, 16)), SEEDS, mask, **controls)]


def translated(engine: Engine, name: str) -> list[np.ndarray]:
    """The pictures of a translation in tiles; its progress never goes back."""
    *progress, last = engine.translate(name, picture(500, 1000)[None])
    assert [part.done for part in progress] == list(range(1, progress[-1].of + 1))
    return [last.images]


class Work(NamedTuple):
    """A kind of work: its system, the part of the model that fails, and how often that works before it does."""

    system: str
    part: str
    run: Callable[[Engine, str], list[np.ndarray]]
    works: int = 1


WORK = {
    "decode": Work("small_vae", "decoder", lambda engine, name: [engine.decode(name, noise(len(SEEDS), 4))], 0),
    "sample": Work("small_diffusion", "network", lambda engine, name: list(engine.sample(name, SEEDS, **GUIDED))),
    "denoise": Work(
        "small_diffusion", "network", lambda engine, name: [s.x_0 for s in engine.denoise(name, SEEDS, **GUIDED)]
    ),
    "denoise_from": Work("small_diffusion", "network", inpainted),
    "img2img": Work("small_diffusion", "network", redrawn),
    "translate": Work("small_denoiser", "network", translated),
}


@pytest.fixture(params=WORK)
def work(request, tmp_path, monkeypatch) -> Work:
    """Work on small models with random weights, and the classifier that guides one of them."""
    monkeypatch.setattr(paths, "checkpoint_folders", lambda: [tmp_path])
    found = WORK[request.param]
    for name in {found.system, "small_classifier"}:
        monkeypatch.setitem(systems(), name, entry := small.INSTANCES[name])
        model = small.awake(entry)
        header = checkpoint.Header(name, classes=list(small.CLASSES) if model.classes else [])
        checkpoint.save(tmp_path / f"{name}.safetensors", model, header)
    return found


@pytest.fixture
def old_card(monkeypatch) -> Engine:
    """An engine that computes in float16."""
    half = Precision("cpu", torch.float16, torch.contiguous_format, Text("In float16.", "En float16."))
    monkeypatch.setattr("genstudio.engine.engine.best_precision", lambda device: half)
    return Engine("cpu")


def failing(loaded: LoadedModel, work: Work, fail: Callable[[Tensor, Tensor], Tensor | None]) -> list[int]:
    """Let a part of the model fail(inputs, outputs) once it has worked a few times. Returns its batch sizes."""
    batches: list[int] = []

    def hook(module: nn.Module, inputs: tuple[Tensor], outputs: Tensor) -> Tensor | None:
        batches.append(len(outputs))
        return fail(inputs[0], outputs) if len(batches) > work.works else None

    loaded.model.get_submodule(work.part).register_forward_hook(hook)
    return batches


def out_of_memory(inputs: Tensor, outputs: Tensor) -> None:
    if len(inputs) > ROOM or outputs.dim() == 4 and outputs.shape[2] * outputs.shape[3] > AREA / 4:
        raise torch.OutOfMemoryError("CUDA out of memory.")


def overflow(inputs: Tensor, outputs: Tensor) -> Tensor | None:
    return outputs * torch.nan if torch.is_autocast_enabled("cpu") else None


def test_what_does_not_fit_into_memory_is_computed_in_parts(work):
    engine = Engine("cpu", exact=True)
    whole = work.run(engine, work.system)
    loaded = engine.hold(work.system)
    loaded.seconds.clear()  # of the decoding before, which may be too slow for a batch
    batches = failing(loaded, work, out_of_memory)
    made = work.run(engine, work.system)
    assert len(made) == len(whole), "frames that were shown are not shown again"
    for now, before in zip(made, whole, strict=True):
        assert now.shape == before.shape and np.abs(now.astype(int) - before).max() <= 1
    assert loaded.fits == ({"pixels": 512 * 512 // 4} if work.system == "small_denoiser" else {"pictures": ROOM})
    assert ("more pictures at once" in engine.status(work.system).en) == ("pictures" in loaded.fits)
    if "pictures" in loaded.fits:
        count = len(batches)
        work.run(engine, work.system)
        assert max(batches[:count]) > ROOM >= max(batches[count:]), "it is known by now that no more fits"


def test_what_overflows_in_float16_is_computed_in_float32(work, old_card):
    rounded = Engine("cpu")
    rounded.hold(work.system).leave_float16()
    right = work.run(rounded, work.system)
    loaded = old_card.hold(work.system)
    assert loaded.precision.name == "float16"
    failing(loaded, work, overflow)
    made = work.run(old_card, work.system)
    assert len(made) == len(right), "frames that were shown are not shown again"
    for now, before in zip(made[work.works :] or made, right[work.works :] or right, strict=True):
        assert np.abs(now.astype(int) - before).max() <= 1
    assert loaded.precision.name == "float32"
    for model in (loaded.model, *loaded.model.companions.values()):
        assert {t.dtype for t in model.state_dict().values() if t.is_floating_point()} == {torch.float32}
    assert ("judge" in loaded.model.companions) == (work.system == "small_diffusion")


def test_what_is_not_finite_in_float32_either_is_an_error(work):
    engine = Engine("cpu", exact=True)
    failing(engine.hold(work.system), work, lambda inputs, outputs: outputs * torch.nan)
    with pytest.raises(ArithmeticError, match="not finite"):
        work.run(engine, work.system)


def test_no_memory_for_even_one_picture_is_a_sentence(work):
    engine = Engine("cpu", exact=True)

    def fail(inputs: Tensor, outputs: Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    failing(engine.hold(work.system), work, fail)
    with pytest.raises(ValueError, match="no memory left for even one picture"):
        work.run(engine, work.system)


@torch.no_grad()
@pytest.mark.parametrize("verb", ["sample", "denoise"])
@pytest.mark.parametrize("work", ["sample"], indirect=True)
def test_a_run_during_which_another_visitor_left_float16_starts_over(work, verb, old_card, monkeypatch):
    """Its attempt still computes in float16, and the model's precision is float32 already."""
    monkeypatch.setattr(old_card._worker, "run", iter)  # the thread computes ahead: here frames come when asked for
    loaded = old_card.hold(work.system)
    failing(loaded, work, overflow)
    frames = getattr(old_card, verb)(work.system, SEEDS, **GUIDED)
    made = [next(frames)]
    loaded.leave_float16()
    made += frames
    assert len(made) == len(list(getattr(old_card, verb)(work.system, SEEDS, **GUIDED)))
