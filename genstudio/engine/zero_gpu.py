"""A graphics card that is lent by the call, as on Hugging Face's ZeroGPU Spaces.

The page's own process has no card there. What is short its processor does at once; what is long goes through one door,
a function `on_gpu(call)` that `app.py` declares. On ZeroGPU the door runs the call in a forked process, which has a
card for as many seconds as the call asks for; anywhere else it is a plain call, on the page's own engine.
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

from genstudio.controls import Text
from genstudio.engine.engine import Engine
from genstudio.engine.loaded import Held
from genstudio.model import steps_many

SHORT = 0.2  # seconds that the processor may take: to get a card takes longer
START = 8.0  # seconds until a new process has its card and its model
FIRST = 30.0  # seconds asked for while nobody knows: little enough for visitors without an account, who have 120 a day
MOST = 120.0
STEP = 0.02  # seconds of a processor for a step of a picture, until one was seen
PIXEL = 0.1 / 512**2  # seconds of a processor for a pixel of a translation, until one was seen: of our networks the middle

LENT = Text("What takes long is computed on a graphics card that is lent for it.",
            "Ce qui est long se calcule sur une carte graphique prêtée pour l’occasion.")  # fmt: skip


class Done(NamedTuple):
    """What a call says last: the seconds that it took, and what the visitor got wrong. The door lets no error pass."""

    seconds: float
    complaint: str = ""


@dataclass
class Call:
    """A verb of the engine that yields, with its arguments: names and numbers, which can be sent to another process."""

    verb: str
    name: str
    arguments: tuple
    controls: dict[str, Any]
    exact: bool
    seconds: float  # on a card, at most
    engine: Engine | None  # of the process that asks; it stays there

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"engine": None}

    def run(self) -> Iterator[Any]:
        """What the verb yields, then `Done`. Where it was sent, it answers in bytes: tensors would go by shared memory,
        and be lost when the process ends before they are read."""
        pack = pickle.dumps if self.engine is None else lambda item: item
        started, complaint = time.perf_counter(), ""
        try:
            engine = self.engine or engine_here(self.exact)
            with closing(getattr(Engine, self.verb)(engine, self.name, *self.arguments, **self.controls)) as items:
                for item in items:
                    yield pack(item)
        except ValueError as error:
            complaint = str(error)
        yield pack(Done(time.perf_counter() - started, complaint))


@cache
def engine_here(exact: bool) -> Engine:
    """The engine of a process that was lent a card. The process may serve several calls."""
    return Engine("cuda" if torch.cuda.is_available() else "cpu", exact)


def zero_gpu() -> bool:
    """Whether this is a ZeroGPU Space, where torch in the page's process says that a card is there, and none is."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


class Borrower(Engine):
    """The engine of a page: its long verbs go through the door."""

    def __init__(self, on_gpu: Callable[[Call], Iterator[Any]], device: str | None = None, exact: bool = False):
        super().__init__("cpu" if zero_gpu() else device, exact)
        self.on_gpu = on_gpu

    def standing(self, name: str | None = None) -> Text:
        said = super().standing(name)
        return Text(*(f"{a} {b}" for a, b in zip(said, LENT, strict=True))) if zero_gpu() else said

    def sample(self, name: str, seeds: Sequence[int], labels: Sequence[str | int] | None = None, **controls: Any) -> Iterator[Any]:
        seeds = list(seeds)
        here = super().sample(name, seeds, labels, **controls)
        return self._through(here, "sample", name, len(seeds), (seeds, labels), controls)

    def denoise(self, name: str, seeds: Sequence[int], **controls: Any) -> Iterator[Any]:
        return self._stepwise(super().denoise(name, seeds, **controls), "denoise", name, len(seeds), (list(seeds),), controls)

    def go_on(
        self, name: str, x: np.ndarray, time: int, seeds: Sequence[int], picture: Image.Image | None = None,
        mask: np.ndarray | None = None, **controls: Any,
    ) -> Iterator[Any]:  # fmt: skip
        here = super().go_on(name, x, time, seeds, picture, mask, **controls)
        return self._stepwise(here, "go_on", name, len(seeds), (x, time, list(seeds), picture, mask), controls)

    def redraw(
        self, name: str, picture: Image.Image, seeds: Sequence[int], mask: np.ndarray | None = None, **controls: Any
    ) -> Iterator[Any]:
        here = super().redraw(name, picture, seeds, mask, **controls)
        return self._stepwise(here, "redraw", name, len(seeds), (picture, list(seeds), mask), controls)

    def _stepwise(
        self, here: Iterator[Any], verb: str, name: str, pictures: int, arguments: tuple, controls: dict[str, Any]
    ) -> Iterator[Any]:
        held = self.hold(name)
        count = pictures * controls.get("steps", 20)
        return self._through(timed(here, held, "step", count), verb, name, count, arguments, controls)

    def project_styles(self, name: str, picture: Image.Image) -> Iterator[Any]:
        return self._through(super().project_styles(name, picture), "project_styles", name, 1, (picture,), {})

    def project(self, name: str, picture: Image.Image) -> Iterator[Any]:
        return self._through(super().project(name, picture), "project", name, 1, (picture,), {})

    def translate(self, name: str, images: np.ndarray, *, view: str = "own", **controls: Any) -> Iterator[Any]:
        work, held = super().translate(name, images, view=view, **controls), self.hold(name)
        n, height, width, _ = np.shape(images)
        pixels = n * (held.model.own_side**2 if view == "own" and held.model.own_side else height * width)
        here, settings = timed(work, held, "translate", pixels), {"view": view, **controls}
        return self._through(here, "translate", name, pixels, (images,), settings)

    def _through(
        self, here: Iterator[Any], verb: str, name: str, count: int, arguments: tuple, controls: dict[str, Any]
    ) -> Iterator[Any]:
        """The work, begun nowhere yet but checked: `here` as it stands where it is short, else through the door."""
        held = self.hold(name)
        if on_processor(held, verb, count) <= SHORT:
            return here
        # In the precision that the recipe of the picture will name.
        exact = held.precision.dtype is torch.float32
        call = Call(verb, name, arguments, controls, exact, on_card(held, verb, count), self)
        return self._received(call, held, count)

    def _received(self, call: Call, held: Held, count: int) -> Iterator[Any]:
        with closing(self.on_gpu(call)) as items:
            for item in items:
                item = pickle.loads(item) if isinstance(item, bytes) else item  # bytes of our own making
                if not isinstance(item, Done):
                    yield item
                elif item.complaint:
                    raise ValueError(item.complaint)
                else:
                    held.seconds[f"{call.verb} through the door"] = item.seconds / count


def timed(work: Iterator[Any], held: Held, verb: str, count: int) -> Iterator[Any]:
    """The items of `work`; once it is done, what one of `count` took is known."""
    spent = 0.0
    with closing(work):
        while True:
            started = time.perf_counter()
            item = next(work, None)
            spent += time.perf_counter() - started
            if item is None:
                break
            yield item
    held.seconds[verb] = spent / count


def on_processor(held: Held, verb: str, count: int) -> float:
    """Seconds that the processor would take. What goes in many steps is long; codes are decoded in one, and a translation
    is as long as it has pixels, and a denoiser's run as it has steps, which `count` then says."""
    if verb == "translate":
        return count * held.seconds.get("translate", PIXEL)
    if verb in ("denoise", "go_on", "redraw"):
        return count * held.seconds.get("step", STEP)
    if verb == "sample" and not steps_many(held.system.model):
        return count * held.seconds.get("decode", 0.0)
    return math.inf


def on_card(held: Held, verb: str, count: int) -> float:
    """Seconds to ask for: twice what such a call took last, so that none is cut off."""
    each = held.seconds.get(f"{verb} through the door")
    return FIRST if each is None else min(MOST, START + 2 * each * count)
