"""Inference on Hugging Face's ZeroGPU Spaces, which lend a graphics card for the duration of a call.

The page's own process has no card there. Short calls run at once on its CPU; long ones go through `on_gpu(call)`, a
function that `app.py` declares. On ZeroGPU it runs the call in a forked process, which has a card for as many seconds
as the call requests; anywhere else it is a plain function call on the page's own engine.
"""

from __future__ import annotations

import math
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from genstudio.controls import Refusal, Text, sentence
from genstudio.engine.engine import Engine
from genstudio.engine.loaded import LoadedModel

SHORT = 0.2  # seconds on the CPU up to which a call stays there: to get a card takes longer
START = 8.0  # seconds until a forked process has its card and its model
FIRST = 30.0  # seconds requested before the first measurement: visitors without an account have 120 a day
MAX_SECONDS = 120.0  # seconds requested at most
STEP = 0.02  # CPU seconds per denoising step of an image, before the first measurement
PIXEL = 0.1 / 512**2  # CPU seconds per pixel of a translation, before the first measurement: the median of our networks

NOTE = Text("What takes long is computed on a graphics card that is lent for it.",
            "Ce qui est long se calcule sur une carte graphique prêtée pour l’occasion.")  # fmt: skip


class Done(NamedTuple):
    """Last item of a call: its duration in seconds, and a ValueError's sentence, which `on_gpu` would not pass on."""

    seconds: float
    complaint: Text | None = None


@dataclass
class Call:
    """A generator verb of the engine with its arguments: names and arrays, which can be pickled for another process."""

    verb: str
    name: str
    arguments: tuple
    controls: dict[str, Any]
    exact: bool
    seconds: float  # requested on a card
    engine: Engine | None  # of the calling process; it is not pickled

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"engine": None}

    def run(self) -> Iterator[Any]:
        """Yield the verb's items, then `Done`. In another process they are pickled to bytes: tensors would travel in
        shared memory, and be lost if the process ended before they are read."""
        pack = pickle.dumps if self.engine is None else lambda item: item
        started, complaint = time.perf_counter(), None
        try:
            engine = self.engine or local_engine(self.exact)
            with closing(getattr(Engine, self.verb)(engine, self.name, *self.arguments, **self.controls)) as items:
                for item in items:
                    yield pack(item)
        except ValueError as error:
            complaint = sentence(error)
        yield pack(Done(time.perf_counter() - started, complaint))


@cache
def local_engine(exact: bool) -> Engine:
    """The engine of a forked process with a card, which may serve several calls."""
    return Engine("cuda" if torch.cuda.is_available() else "cpu", exact)


def zero_gpu() -> bool:
    """True if this is a ZeroGPU Space, where torch reports a card in the page's process although there is none."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


class ZeroGPUEngine(Engine):
    """The engine of a page, whose long verbs go through `on_gpu`."""

    def __init__(self, on_gpu: Callable[[Call], Iterator[Any]], device: str | None = None, exact: bool = False):
        super().__init__("cpu" if zero_gpu() else device, exact)
        self.on_gpu = on_gpu

    def status(self, name: str | None = None) -> Text:
        said = super().status(name)
        return Text(*(f"{a} {b}" for a, b in zip(said, NOTE, strict=True))) if zero_gpu() else said

    def sample(
        self, name: str, seeds: Sequence[int], labels: Sequence[str | int] | None = None, **controls: Any
    ) -> Iterator[Any]:
        seeds = list(seeds)
        here = super().sample(name, seeds, labels, **controls)
        return self._through(here, self.hold(name), "sample", len(seeds), (seeds, labels), controls)

    def denoise(self, name: str, seeds: Sequence[int], **controls: Any) -> Iterator[Any]:
        here = super().denoise(name, seeds, **controls)
        return self._stepwise(here, "denoise", name, len(seeds), (list(seeds),), controls)

    def denoise_from(
        self, name: str, x: np.ndarray, time: int, seeds: Sequence[int], picture: Image.Image | None = None,
        mask: np.ndarray | None = None, **controls: Any,
    ) -> Iterator[Any]:  # fmt: skip
        here = super().denoise_from(name, x, time, seeds, picture, mask, **controls)
        return self._stepwise(here, "denoise_from", name, len(seeds), (x, time, list(seeds), picture, mask), controls)

    def img2img(
        self, name: str, picture: Image.Image, seeds: Sequence[int], mask: np.ndarray | None = None, **controls: Any
    ) -> Iterator[Any]:
        here = super().img2img(name, picture, seeds, mask, **controls)
        return self._stepwise(here, "img2img", name, len(seeds), (picture, list(seeds), mask), controls)

    def _stepwise(
        self, here: Iterator[Any], verb: str, name: str, pictures: int, arguments: tuple, controls: dict[str, Any]
    ) -> Iterator[Any]:
        loaded = self.hold(name)
        count = pictures * controls.get("steps", 20)
        return self._through(timed(here, loaded, "step", count), loaded, verb, count, arguments, controls)

    def project_styles(self, name: str, picture: Image.Image) -> Iterator[Any]:
        here = super().project_styles(name, picture)
        return self._through(here, self.hold(name), "project_styles", 1, (picture,), {})

    def project(self, name: str, picture: Image.Image) -> Iterator[Any]:
        return self._through(super().project(name, picture), self.hold(name), "project", 1, (picture,), {})

    def translate(self, name: str, images: np.ndarray, *, view: str = "own", **controls: Any) -> Iterator[Any]:
        work, loaded = super().translate(name, images, view=view, **controls), self.hold(name)
        n, height, width, _ = np.shape(images)
        pixels = n * (loaded.model.own_side**2 if view == "own" and loaded.model.own_side else height * width)
        here, settings = timed(work, loaded, "translate", pixels), {"view": view, **controls}
        return self._through(here, loaded, "translate", pixels, (images,), settings)

    def _through(
        self,
        here: Iterator[Any],
        loaded: LoadedModel,
        verb: str,
        count: int,
        arguments: tuple,
        controls: dict[str, Any],
    ) -> Iterator[Any]:
        """A checked call that has not started: `here` where its estimate is short, else a `Call` through `on_gpu`."""
        if on_processor(loaded, verb, count) <= SHORT:
            return here
        # The precision must be the one that the image's recipe will record.
        exact = loaded.precision.dtype is torch.float32
        call = Call(verb, loaded.name, arguments, controls, exact, on_card(loaded, verb, count), self)
        return self._received(call, loaded, count)

    def _received(self, call: Call, loaded: LoadedModel, count: int) -> Iterator[Any]:
        with closing(self.on_gpu(call)) as items:
            for item in items:
                item = pickle.loads(item) if isinstance(item, bytes) else item  # pickled by `Call.run`, so trusted
                if not isinstance(item, Done):
                    yield item
                elif item.complaint:
                    raise Refusal(*item.complaint)
                else:
                    loaded.seconds[f"{call.verb} through the door"] = item.seconds / count


def timed(work: Iterator[Any], loaded: LoadedModel, verb: str, count: int) -> Iterator[Any]:
    """Yield the items of `work`; at its end, record the seconds per unit of `count`."""
    spent = 0.0
    with closing(work):
        while True:
            started = time.perf_counter()
            item = next(work, None)
            spent += time.perf_counter() - started
            if item is None:
                break
            yield item
    loaded.seconds[verb] = spent / count


def on_processor(loaded: LoadedModel, verb: str, count: int) -> float:
    """Estimated seconds on the CPU. `count`: pixels of a translation, steps times images of a trajectory, else images.

    Multi-step sampling and projection count as unbounded.
    """
    if verb == "translate":
        return count * loaded.seconds.get("translate", PIXEL)
    if verb in ("denoise", "denoise_from", "img2img"):
        return count * loaded.seconds.get("step", STEP)
    if verb == "sample" and not loaded.system.model.slow:
        return count * loaded.seconds.get("decode", 0.0)
    return math.inf


def on_card(loaded: LoadedModel, verb: str, count: int) -> float:
    """Seconds to request on a card: twice the last measurement of such a call, so that none is cut off."""
    each = loaded.seconds.get(f"{verb} through the door")
    return FIRST if each is None else min(MAX_SECONDS, START + 2 * each * count)
