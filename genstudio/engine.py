"""Holds models on the device and runs their verbs, for all visitors in turns.

Everything is computed on one thread: torch keeps one team of processor threads per caller, and a page calls from
forty. Work is cut into frames of about a tenth of a second, and whoever waits gets the next one.

The engine speaks numbers that anybody can hold: codes are float32 arrays, pictures uint8 arrays (n, h, w, c). What a
visitor got wrong is a ValueError in one sentence.
"""

from __future__ import annotations

import copy
import os
import queue
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from genstudio import checkpoint, latent
from genstudio.images import from_uint8, to_tensor, to_uint8
from genstudio.model import Model, Noise, check_controls, sample
from genstudio.precision import Precision, best_precision, keep_memory
from genstudio.registry import find
from genstudio.system import System

FRAME_SECONDS = 0.08  # what one turn should take


@dataclass
class Held:
    """A model on the device, ready to run."""

    name: str  # as it was asked for: a system, `system.tag`, or a file
    model: Model
    system: System
    header: checkpoint.Header
    digest: str  # of the weights, for the recipe
    precision: Precision
    bytes: int
    codes: int | None = None  # numbers in a code, where it has codes
    seconds: dict[str, float] = field(default_factory=dict)  # per picture, by verb, as last seen


class Engine:
    """`Engine()` picks the fastest precision of the best device at hand; `exact` asks for plain float32."""

    def __init__(self, device: str | None = None, exact: bool = False, memory: int | None = None):
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.exact = exact
        keep_memory()
        self.memory = memory or _memory_budget(self.device)
        self._held: OrderedDict[tuple[Path, float, bool], Held] = OrderedDict()
        self._turns = Turns()

    # verbs --------------------------------------------------------------------------------------------------------

    def latents(self, name: str, seeds: Sequence[int]) -> np.ndarray:
        """Codes (n, d) from the prior, one random stream per seed."""
        seeds = list(seeds)
        return self._collect(name, "latents", len(seeds), lambda model, i, j: model.latents(Noise(seeds[i:j], self.device)))

    def encode(self, name: str, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Codes (n, d) of pictures of any size, rounded to half precision: exactly what a recipe can carry."""

        def run(model: Model, i: int, j: int) -> Tensor:
            images = to_tensor(pictures[i:j], model.image_shape).to(self.device)
            return model.encode(images).clamp(-60000, 60000).half()

        return self._collect(name, "encode", len(pictures), run)

    def decode(self, name: str, latents: np.ndarray, *, exact: bool | None = None, **controls: Any) -> np.ndarray:
        """Pictures uint8 (n, h, w, c) of codes (n, d)."""
        latents = np.asarray(latents, np.float32)
        if latents.ndim != 2 or not np.isfinite(latents).all():
            raise ValueError("codes must be finite numbers, one row for each picture")
        values = check_controls(find_verb(self.hold(name, exact).system, "decode"), controls)
        if (codes := self.hold(name, exact).codes) not in (None, latents.shape[1]):
            raise ValueError(f"a code of {name} has {codes} numbers, not {latents.shape[1]}: it belongs to another model")

        def run(model: Model, i: int, j: int) -> Tensor:
            return model.decode(torch.from_numpy(latents[i:j]).to(self.device), **values)

        return self._collect(name, "decode", len(latents), run, to_uint8, exact)

    def sample(self, name: str, seeds: Sequence[int], **controls: Any) -> Iterator[np.ndarray]:
        """Frames, uint8 (n, h, w, c), that get better and better; the last is the sample."""
        held, seeds = self.hold(name), list(seeds)
        if not seeds:
            raise ValueError("there is nothing to compute: give at least one seed")
        values = check_controls(getattr(held.system.model, "sample", None) or find_verb(held.system, "decode"), controls)

        def work() -> Iterator[np.ndarray]:
            with closing(sample(held.model, Noise(seeds, self.device), **values)) as frames:
                while True:
                    with held.precision.autocast():  # entered for each frame: a yield inside would leak it
                        frame = next(frames, None)
                    if frame is None:
                        return
                    yield to_uint8(frame.images)

        return self._turns.run(work())

    def interpolate(
        self, name: str, ends: tuple[np.ndarray, np.ndarray], positions: Sequence[float], path: str = "spherical", **controls: Any
    ) -> np.ndarray:
        """Pictures on the way between two codes (d,), at positions in [0, 1]."""
        return self.decode(name, between(ends, positions, path), **controls)

    def classify(self, name: str, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities (n, classes) and features (n, d) of pictures uint8 (n, h, w, c)."""
        images = from_uint8(torch.from_numpy(pictures).permute(0, 3, 1, 2))
        outputs = [
            self._collect(name, verb, len(images), lambda model, i, j, v=verb: getattr(model, v)(images[i:j].to(self.device)))
            for verb in ("classify", "features")
        ]
        return torch.from_numpy(outputs[0]).softmax(1).numpy(), outputs[1]

    def image_shape(self, name: str) -> tuple[int, int, int]:
        return self.hold(name).model.image_shape

    # models on the device -----------------------------------------------------------------------------------------

    def hold(self, name: str, exact: bool | None = None) -> Held:
        """The model of that name on the device, loaded when it is not there; the longest unused make room for it."""
        path = checkpoint.locate(name).resolve()
        if not path.exists():
            raise ValueError(f"{path.name} does not exist")
        exact = self.exact if exact is None else exact
        key = (path, path.stat().st_mtime, exact)
        with _HOLD:
            if key not in self._held:
                self._held[key] = self._load(name, path, exact)
                while sum(h.bytes for h in self._held.values()) > self.memory and len(self._held) > 1:
                    self._held.popitem(last=False)
            self._held.move_to_end(key)
            return self._held[key]

    def _load(self, name: str, path: Path, exact: bool) -> Held:
        model, header = checkpoint.load(path)
        precision = Precision.exact(self.device) if exact else best_precision(self.device)
        if precision.dtype is torch.float32 and max(model.image_shape) < 32:
            precision = Precision.exact(self.device)  # reordering so little costs more than it gains
        if not exact:
            model = fused(model)
        prior = dict(model.named_buffers(recurse=False))  # what codes are drawn from: the same on every device
        model = model.to(self.device, precision.dtype, memory_format=precision.memory_format).requires_grad_(False)
        for key, numbers in prior.items():
            setattr(model, key, numbers.to(self.device))
        size = sum(t.nbytes for t in model.state_dict().values())
        codes = model.latents(Noise([0], self.device)).shape[1] if hasattr(model, "latents") else None
        return Held(name, model, find(header.system), header, checkpoint.digest(path), precision, size, codes)

    # frames -------------------------------------------------------------------------------------------------------

    def _collect(
        self,
        name: str,
        verb: str,
        count: int,
        run: Callable[[Model, int, int], Tensor],
        convert: Callable[[Tensor], np.ndarray] = lambda t: t.float().cpu().numpy(),
        exact: bool | None = None,
    ) -> np.ndarray:
        """run(model, i, j) for slices that take about a frame each, together as one array."""
        held = self.hold(name, exact)
        find_verb(held.system, verb)
        if not count:
            raise ValueError("there is nothing to compute: give at least one seed, code or picture")

        def work() -> Iterator[np.ndarray]:
            done, most = 0, count
            while done < count:
                each = held.seconds.get(verb)
                size = min(most, count - done, max(1, int(FRAME_SECONDS / each)) if each else 16)
                started = time.perf_counter()
                try:
                    with held.precision.autocast():
                        result = run(held.model, done, done + size)
                    yield convert(result)
                except torch.cuda.OutOfMemoryError:
                    if size == 1:
                        raise ValueError("the graphics card has no memory left for even one picture") from None
                    most = size // 2
                    continue
                held.seconds[verb] = (time.perf_counter() - started) / size
                done += size

        return np.concatenate(list(self._turns.run(work())))


_HOLD = threading.Lock()


def between(ends: tuple[np.ndarray, np.ndarray], positions: Sequence[float], path: str) -> np.ndarray:
    """Codes (n, d) on the path between two codes (d,)."""
    if path not in tuple(latent.PATHS):
        raise ValueError(f"path must be one of {', '.join(latent.PATHS)}, not {path!r}")
    a, b = (torch.as_tensor(end, dtype=torch.float32) for end in ends)
    if a.shape != b.shape or a.dim() != 1:
        raise ValueError(f"the two ends have {a.numel()} and {b.numel()} numbers: they belong to different models")
    return latent.PATHS[path](a, b, torch.as_tensor(list(positions), dtype=torch.float32)).numpy()


def find_verb(system: System, verb: str) -> Callable:
    if not hasattr(system.model, verb):
        raise ValueError(f"{system.name} cannot {verb}")
    return getattr(system.model, verb)


def fused(model: Model) -> Model:
    """A copy in which every batch norm that follows a convolution is folded into it: one pass over memory less."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for i, (layer, norm) in enumerate(zip(module, list(module)[1:])):
            if isinstance(norm, nn.BatchNorm2d) and isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                module[i] = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
                module[i + 1] = nn.Identity()
    return model


def _memory_budget(device: torch.device) -> int:
    """Bytes that models may take: GENSTUDIO_MEMORY in GiB, else half of what is free now."""
    if said := os.environ.get("GENSTUDIO_MEMORY"):
        return int(float(said) * 2**30)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 2 * 2**30


class Turns:
    """One thread that advances every visitor's work by one item in turn.

    Gradient mode is entered for each item: a generator that held it across a yield would leak it to its caller.
    """

    def __init__(self) -> None:
        self._jobs: deque[_Job] = deque()
        self._waiting = threading.Condition()
        threading.Thread(target=self._work, name="engine", daemon=True).start()

    def run(self, work: Iterator) -> Iterator:
        """The items of `work`, computed on the engine's thread. Closing this iterator stops the work."""
        job = _Job(work)
        with self._waiting:
            self._jobs.append(job)
            self._waiting.notify()
        try:
            while (item := job.results.get()) is not _END:
                if isinstance(item, _Failure):
                    raise item.error
                yield item
        finally:
            job.stopped = True

    def _work(self) -> None:
        while True:
            with self._waiting:
                self._waiting.wait_for(lambda: self._jobs)
                job = self._jobs.popleft()
            if job.advance():
                with self._waiting:
                    self._jobs.append(job)


_END = object()


@dataclass
class _Failure:
    error: BaseException


class _Job:
    def __init__(self, work: Iterator):
        self.work, self.results, self.stopped = work, queue.SimpleQueue(), False

    def advance(self) -> bool:
        """Computes one item. False when there is no more, or nobody waits for it."""
        try:
            if self.stopped:
                self.work.close()
                return False
            with torch.no_grad():
                self.results.put(next(self.work))
            return True
        except StopIteration:
            self.results.put(_END)
        except BaseException as error:  # whatever it is belongs to the visitor who asked, not to this thread
            self.results.put(_Failure(error))
        return False
