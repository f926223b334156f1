"""The inference engine: loads models on the device and runs their verbs, for all visitors in turn.

Everything is computed on one thread: torch keeps one pool of processor threads per calling thread, and a page calls
from forty threads. Work is cut into frames of about a tenth of a second, and the visitors' frames alternate.

Its values are NumPy arrays: latents float32 (n, d), images uint8 (n, h, w, c). Bad input raises a ValueError in one
sentence.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from genstudio import catalog
from genstudio.controls import Text, check_controls
from genstudio.engine import tiling
from genstudio.engine.cuda_graph import GraphedVerb
from genstudio.engine.loaded import LoadedModel, check_labels, find_verb, load, sampling_method, side_by_side
from genstudio.engine.tiling import TileProgress
from genstudio.engine.trajectory import Step, step_of
from genstudio.engine.worker import Worker
from genstudio.images import MAX_PIXELS, from_uint8, to_tensor, to_uint8
from genstudio.latent import paths, projection, style_layers
from genstudio.latent.projection import Projection
from genstudio.model import Frame, Model, Noise, samples_iteratively, to_device
from genstudio.models.fitted_prior import EMPTY
from genstudio.precision import Precision, best_precision, choose_device, keep_memory, without_float16

DIRECTION_SEEDS = 1024  # latents that directions are computed from
FRAME_SECONDS = 0.08  # target duration of one turn
VIEWS = ("own", "tiles")  # resolutions of a translation: the network's, or the input's


class Engine:
    """`Engine()` picks the fastest precision of the best device at hand; `exact` asks for plain float32."""

    def __init__(self, device: str | None = None, exact: bool = False, memory: int | None = None):
        self.device, self.trouble = choose_device(device)
        self.exact = exact
        keep_memory()
        self.memory = memory or _memory_budget(self.device)
        self._loaded: OrderedDict[tuple[Path, float, bool], LoadedModel] = OrderedDict()
        self._holding = threading.Lock()  # one per engine: a forked process has its own while this one may be loading
        self._worker = Worker()

    def status(self, name: str | None = None) -> Text:
        """Device and precision, with the reason for them, in both languages; those of a model, where one is named."""
        loaded = self.hold(name) if name else None
        sentences = [loaded.precision.reason if loaded else self._precision(self.exact).reason]
        sentences += [self.trouble] if self.trouble else []
        sentences += [room_for(loaded.max_batch)] if loaded and loaded.max_batch else []
        return Text(*(" ".join(language) for language in zip(*sentences, strict=True)))

    def turn(self, work: Callable[[], Any]) -> Any:
        """Run `work` on the engine's thread, in turn with all visitors, with gradients enabled. Returns its result."""

        def once() -> Iterator[Any]:
            with torch.enable_grad():
                done = work()
            yield done

        return next(self._worker.run(once()))

    def wait_for_rest(self, seconds: float) -> None:
        """Block until the engine has been idle for so many seconds, so that the work to follow delays no visitor."""
        self._worker.wait_for_rest(seconds)

    # verbs --------------------------------------------------------------------------------------------------------

    def latents(self, name: str, seeds: Sequence[int]) -> np.ndarray:
        """Latents (n, d) from the prior, one random stream per seed."""
        seeds = list(seeds)

        def run(model: Model, i: int, j: int) -> Tensor:
            return model.latents(Noise(seeds[i:j], self.device))

        return self._collect(name, "latents", len(seeds), run)

    def encode(self, name: str, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Latents (n, d) of pictures of any size, rounded to the half precision in which a recipe stores them."""

        def run(model: Model, i: int, j: int) -> Tensor:
            return model.encode(to_device(to_tensor(pictures[i:j], model.image_shape), self.device))

        return self._collect(name, "encode", len(pictures), run, lambda codes: to_numbers(to_half(codes)))

    def decode(self, name: str, latents: np.ndarray, *, exact: bool | None = None, **controls: Any) -> np.ndarray:
        """Images uint8 (n, h, w, c) of latents (n, d)."""
        latents = np.asarray(latents, np.float32)
        if latents.ndim != 2 or not np.isfinite(latents).all():
            raise ValueError("codes must be finite numbers, one row for each picture")
        values = check_controls(find_verb(self.hold(name, exact).system, "decode"), controls)
        if (due := self.hold(name, exact).latent_dim) not in (None, latents.shape[1]):
            raise ValueError(f"a code of {name} has {due} numbers, not {latents.shape[1]}: it belongs to another model")

        def run(model: Model, i: int, j: int) -> Tensor:
            return model.decode(to_device(torch.from_numpy(latents[i:j]), self.device), **values)

        return self._collect(name, "decode", len(latents), run, to_uint8, exact)

    def sample(
        self, name: str, seeds: Sequence[int], labels: Sequence[str | int] | None = None, **controls: Any
    ) -> Iterator[np.ndarray]:
        """Frames, uint8 (n, h, w, c), of progressive sampling; the last is the sample.

        labels: a class per seed, by name or number, in place of the control `label`.
        """
        loaded, seeds = self.hold(name), list(seeds)
        if not seeds:
            raise ValueError("there is nothing to compute: give at least one seed")
        values = check_controls(sampling_method(loaded.system), controls, loaded.header.classes)
        labels = None if labels is None else check_labels(loaded, seeds, labels)

        def work() -> Iterator[np.ndarray]:
            shown, size = 0, min(len(seeds), loaded.max_batch or len(seeds))
            while True:
                slices = [slice(i, i + size) for i in range(0, len(seeds), size)]
                part_controls = [values if labels is None else values | {"label": labels[part]} for part in slices]
                noises = [Noise(seeds[part], self.device) for part in slices]
                try:
                    with closing(side_by_side(loaded, noises, part_controls)) as frames:
                        # After an error the run starts over, with the same frames, which depend on the seeds alone.
                        for frame in islice(frames, shown, None):
                            shown += 1
                            yield frame
                    return
                except (torch.OutOfMemoryError, ArithmeticError) as error:
                    size = self._recover(loaded, error, size)

        return self._worker.run(work())

    # diffusion models, step by step

    def denoise(self, name: str, seeds: Sequence[int], **controls: Any) -> Iterator[Step]:
        """The denoising trajectory of `sample`: x_t, the prediction of x_0 and that of the noise at each step."""
        loaded, seeds, values = self._checked(name, "sample", seeds, controls)
        return self._steps(loaded, lambda: loaded.model.sample(Noise(seeds, self.device), **values))

    def img2img(
        self, name: str, picture: Image.Image, seeds: Sequence[int], mask: np.ndarray | None = None, **controls: Any
    ) -> Iterator[Step]:
        """img2img (SDEdit, Meng et al. 2022, arXiv:2108.01073): a picture noised and denoised, once per seed.

        mask: booleans (h, w) for inpainting, True where the picture is generated anew; elsewhere it stays.
        """
        loaded, seeds, values = self._checked(name, "img2img", seeds, controls)
        known = self._known(loaded, picture, mask, len(seeds))
        image, mask = known["known"], known["mask"]
        return self._steps(
            loaded, lambda: loaded.model.img2img(image, Noise(seeds, self.device), mask=mask, **values)
        )

    def denoise_from(
        self, name: str, x: np.ndarray, time: int, seeds: Sequence[int], picture: Image.Image | None = None,
        mask: np.ndarray | None = None, **controls: Any,
    ) -> Iterator[Step]:  # fmt: skip
        """Denoise from x_t, float32 (n, c, h, w), at `time`: a branch of another trajectory. With a mask, inpainting of
        the picture, as in `img2img`."""
        loaded, seeds, values = self._checked(name, "denoise_from", seeds, controls)
        x = np.asarray(x, np.float32)
        if x.shape != (len(seeds), *loaded.model.image_shape) or not np.isfinite(x).all():
            shape = loaded.model.image_shape
            raise ValueError(f"{name} goes on from {len(seeds)} noised pictures of {shape}, not from {x.shape}")
        if not 0 <= time < loaded.model.schedule.steps:
            raise ValueError(f"time must lie between 0 and {loaded.model.schedule.steps - 1}, not {time}")
        start, known = to_device(torch.from_numpy(x), self.device), self._known(loaded, picture, mask, len(seeds))
        return self._steps(
            loaded, lambda: loaded.model.denoise_from(start, time, Noise(seeds, self.device), **known, **values)
        )

    def _known(
        self, loaded: LoadedModel, picture: Image.Image | None, mask: np.ndarray | None, count: int
    ) -> dict[str, Tensor | None]:
        """A picture and a mask as tensors on the device, repeated for `count` seeds."""
        shape, known = loaded.model.image_shape, None
        if picture is not None:
            known = to_tensor([picture], shape).to(self.device).expand(count, -1, -1, -1)
        if mask is not None:
            if np.shape(mask) != shape[1:]:
                raise ValueError(f"a mask for {loaded.name} has {shape[1:]} pixels, not {np.shape(mask)}")
            mask = torch.from_numpy(np.asarray(mask, np.float32)).to(self.device).expand(count, 1, -1, -1)
        return {"known": known, "mask": mask}

    def _checked(
        self, name: str, verb: str, seeds: Sequence[int], controls: dict[str, Any]
    ) -> tuple[LoadedModel, list[int], dict[str, Any]]:
        """Model, seeds and controls of a stepwise verb. Raises ValueError where one of them does not fit."""
        loaded, seeds = self.hold(name), list(seeds)
        if not samples_iteratively(loaded.model):
            raise ValueError(f"{name} does not come about step by step")
        if not seeds:
            raise ValueError("there is nothing to compute: give at least one seed")
        return loaded, seeds, check_controls(find_verb(loaded.system, verb), controls, loaded.header.classes)

    def _steps(self, loaded: LoadedModel, begin: Callable[[], Iterator[Frame]]) -> Iterator[Step]:
        def work() -> Iterator[Step]:
            shown = 0
            while True:
                try:
                    with closing(begin()) as frames:
                        for i, frame in enumerate(loaded.precision.stepwise(frames)):
                            if loaded.precision.dtype is torch.float16 and not frame.images.isfinite().all():
                                raise ArithmeticError("the model gave numbers that are not finite")
                            if i == shown:  # after an error the run starts over, with the same frames
                                shown += 1
                                yield step_of(frame, loaded.model.schedule)
                    return
                except (torch.OutOfMemoryError, ArithmeticError) as error:
                    self._recover(loaded, error, 1)

        return self._worker.run(work())

    def interpolate(
        self, name: str, ends: tuple[np.ndarray, np.ndarray], positions: Sequence[float], path: str = "spherical",
        **controls: Any,
    ) -> np.ndarray:  # fmt: skip
        """Images of latents on a path between two latents (d,), at positions in [0, 1]."""
        return self.decode(name, paths.between(ends, positions, path), **controls)

    def directions(self, name: str, kind: str) -> np.ndarray:
        """Directions (k, d) in latent space, one standard deviation long, the strongest first: `paths.DIRECTIONS`."""
        if kind not in paths.DIRECTIONS:
            raise ValueError(f"directions must be one of {', '.join(paths.DIRECTIONS)}, not {kind!r}")
        loaded = self.hold(name)
        if kind not in loaded.directions:
            latents = self.latents(name, range(DIRECTION_SEEDS))
            arguments = [torch.from_numpy(latents)]
            if kind == "effect":
                pictures = torch.from_numpy(self.decode(name, latents)).permute(0, 3, 1, 2).float()
                arguments.append(adaptive_avg_pool2d(pictures, 16))  # the effect of a direction shows in a thumbnail
            found = (paths.DIRECTIONS[kind](*arguments).numpy() for _ in range(1))  # computed on the engine's thread
            loaded.directions[kind] = next(self._worker.run(found))
        return loaded.directions[kind]

    def project(self, name: str, picture: Image.Image) -> Iterator[Projection]:
        """Projection (GAN inversion): search for the latent whose image is nearest to a picture. Close it to stop."""
        loaded = self.hold(name)
        find_verb(loaded.system, "latents")
        return self._search(loaded, picture, loaded.model.latents, loaded.model.decode)

    def _search(
        self,
        loaded: LoadedModel,
        picture: Image.Image,
        draw: Callable[[Noise], Tensor],
        decode: Callable[[Tensor], Tensor],
    ) -> Iterator[Projection]:
        target = to_tensor([picture], loaded.model.image_shape).to(self.device)

        def decoded(latents: Tensor) -> Tensor:
            with loaded.precision.autocast():
                return decode(latents)

        def work() -> Iterator[Projection]:
            candidates = draw(Noise(range(projection.SEARCH), self.device)).float()
            for guess in projection.project(decoded, candidates, target):
                yield guess._replace(code=to_half(guess.code).float().cpu())

        return self._worker.run(work())

    # styles, layer by layer

    def styles(self, name: str, seeds: Sequence[int], **controls: Any) -> np.ndarray:
        """Style vectors w (n, layers, d) of seeds, from the mapping network."""
        loaded, seeds = self.hold(name), list(seeds)
        values = check_controls(find_verb(loaded.system, "styles"), controls, loaded.header.classes)

        def run(model: Model, i: int, j: int) -> Tensor:
            return model.styles(Noise(seeds[i:j], self.device), **values)

        return self._collect(name, "styles", len(seeds), run)

    def truncate(self, name: str, w: np.ndarray, truncation: float, cutoff: int) -> np.ndarray:
        """Truncation of styles w (n, layers, d) without a seed, towards the mean over all classes."""
        w = self._styled(self.hold(name), w)

        def run(model: Model, i: int, j: int) -> Tensor:
            return model.truncate(to_device(w[i:j], self.device), truncation, cutoff)

        return self._collect(name, "styles", len(w), run)

    def synthesize(
        self, name: str, w: np.ndarray, seeds: Sequence[int] | None = None, side: int | None = None, **controls: Any
    ) -> np.ndarray:
        """Images uint8 (n, h, w, c) of styles w (n, layers, d); the seeds draw the noise inputs.

        side: an intermediate resolution of the network, for quick previews of that size.
        """
        loaded = self.hold(name)
        w, values = self._styled(loaded, w), check_controls(find_verb(loaded.system, "synthesize"), controls)

        def run(model: Model, i: int, j: int) -> Tensor:
            noise = None if seeds is None else Noise(seeds[i:j], self.device)
            return model.synthesize(to_device(w[i:j], self.device), noise, side=side, **values)

        return self._collect(name, "synthesize", len(w), run, to_uint8)

    def _styled(self, loaded: LoadedModel, w: np.ndarray) -> Tensor:
        find_verb(loaded.system, "styles")
        w, shape = np.asarray(w, np.float32), (loaded.model.layers, loaded.model.latent_dim)
        if w.shape[1:] != shape:
            due = f"{shape[0]} layers of {shape[1]} numbers"
            raise ValueError(f"styles of {loaded.name} are {due}, not {w.shape[1:]}: these are another model's")
        if not np.isfinite(w).all():
            raise ValueError("styles must be finite numbers")
        return torch.from_numpy(w)

    def style_directions(self, name: str, kind: str, layers: Sequence[int]) -> np.ndarray:
        """Directions (k, d) in w for these layers, one standard deviation long, the strongest first.

        kind: one of `style_layers.DIRECTIONS`.
        """
        if kind not in style_layers.DIRECTIONS:
            raise ValueError(f"directions of styles must be one of {', '.join(style_layers.DIRECTIONS)}, not {kind!r}")
        loaded = self.hold(name)
        find_verb(loaded.system, "styles")
        key = f"{kind} of {style_layers.word_of(layers) if kind == 'sefa' else 'w'}"  # PCA of w: one for all layers
        if key not in loaded.directions:
            w = torch.from_numpy(self.styles(name, range(DIRECTION_SEEDS))[:, 0])
            affines = [loaded.model.affine(layer).float().cpu() for layer in layers]
            # A generator, so that it is computed on the engine's thread.
            found = (style_layers.DIRECTIONS[kind](w, affines).numpy() for _ in range(1))
            loaded.directions[key] = next(self._worker.run(found))
        return loaded.directions[key]

    def project_styles(self, name: str, picture: Image.Image) -> Iterator[Projection]:
        """Projection into W+, a style per layer, which comes nearer than `project`: latents are w (layers * d,)."""
        loaded = self.hold(name)
        find_verb(loaded.system, "styles")
        model = loaded.model
        centre = model.centre().float()  # the search variable is the difference from the mean style

        def steps(noise: Noise) -> Tensor:
            return (model.styles(noise) - centre).flatten(1)

        def pictures(latents: Tensor) -> Tensor:
            return model.synthesize(latents.unflatten(1, (model.layers, -1)) + centre)

        for guess in self._search(loaded, picture, steps, pictures):
            w = guess.code.unflatten(0, (model.layers, -1)) + centre.cpu()
            yield guess._replace(code=to_half(w.flatten()).float())

    def translate(self, name: str, images: np.ndarray, *, view: str = "own", **controls: Any) -> Iterator[TileProgress]:
        """Image-to-image translation of pictures uint8 (n, h, w, 3) of any one size, in parts. Close it to stop.

        view: "own" runs the network at its training resolution and adds the upsampled change to the input; "tiles" runs
        it at the input's resolution. For a network that works at any scale, both mean "tiles".
        """
        loaded = self.hold(name)
        values = check_controls(find_verb(loaded.system, "translate"), controls)
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not images.size:
            raise ValueError("pictures to translate are bytes (n, height, width, 3)")
        if images.shape[1] * images.shape[2] * loaded.model.scale**2 > MAX_PIXELS:
            raise ValueError(f"the result would have more than {MAX_PIXELS // 10**6} million pixels")
        if view not in VIEWS:
            raise ValueError(f"view must be one of {', '.join(VIEWS)}, not {view!r}")
        whole = view == "own" and loaded.model.own_side is not None

        def run(part: Tensor) -> Tensor:
            with loaded.precision.autocast():
                made = loaded.model.translate(part.contiguous(memory_format=loaded.precision.memory_format), **values)
            if loaded.precision.dtype is torch.float16 and not made.isfinite().all():
                raise ArithmeticError("the model gave numbers that are not finite")
            return made.float()

        def work() -> Iterator[TileProgress]:
            budget = tiling.BUDGET
            x = to_device(from_uint8(torch.from_numpy(images).permute(0, 3, 1, 2)), self.device)
            while True:
                try:
                    translated = tiling.at_own_scale if whole else tiling.at_its_scale
                    made = yield from translated(loaded.model, run, x, budget)
                    yield TileProgress(1, 1, to_uint8(made))
                    return
                except (torch.OutOfMemoryError, ArithmeticError) as error:
                    budget = self._recover(loaded, error, budget)

        return self._worker.run(work())

    def novelty(self, name: str, picture: Image.Image) -> float:
        """Novelty score of a picture for a translator: above 1, farther from the training set than nearly all of it."""
        loaded = self.hold(name)
        find_verb(loaded.system, "translate")
        x = to_tensor([picture], loaded.model.image_shape).to(self.device)
        found = (float(loaded.model.domain(x)) for _ in range(1))  # computed on the engine's thread
        return next(self._worker.run(found))

    def map(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Latents (n, 2) and class numbers (n,) of held-out images, for a model with a two-dimensional latent space."""
        model = self.hold(name).model
        if not hasattr(model, "map_latents"):
            raise ValueError(f"{name} has no map: it has more than two numbers a picture")
        labels = model.map_labels.cpu().numpy()
        there = labels != EMPTY
        return model.map_latents.float().cpu().numpy()[there], labels[there]

    def classify(self, name: str, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities (n, classes) and features (n, d) of pictures uint8 (n, h, w, c)."""
        images = from_uint8(torch.from_numpy(pictures).permute(0, 3, 1, 2))

        def output(verb: str) -> np.ndarray:
            def run(model: Model, i: int, j: int) -> Tensor:
                return getattr(model, verb)(to_device(images[i:j], self.device))

            return self._collect(name, verb, len(images), run)

        logits, features = output("classify"), output("features")
        return torch.from_numpy(logits).softmax(1).numpy(), features

    def image_shape(self, name: str) -> tuple[int, int, int]:
        return self.hold(name).model.image_shape

    # models on the device -----------------------------------------------------------------------------------------

    def hold(self, name: str, exact: bool | None = None) -> LoadedModel:
        """The loaded model of that name, from an LRU cache within the memory budget. Raises ValueError if missing."""
        path = catalog.locate(name).resolve()
        if not path.exists():
            raise ValueError(f"{path.name} does not exist")
        exact = self.exact if exact is None else exact
        key = (path, path.stat().st_mtime, exact)
        with self._holding:
            while key not in self._loaded:
                try:
                    self._loaded[key] = load(name, path, self.device, self._precision(exact), exact)
                except torch.OutOfMemoryError:
                    if not self._loaded:
                        raise ValueError(f"the graphics card has no memory left for {name}") from None
                    self._loaded.popitem(last=False)
                    continue
                while sum(h.bytes for h in self._loaded.values()) > self.memory and len(self._loaded) > 1:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def _precision(self, exact: bool) -> Precision:
        return Precision.exact(self.device) if exact else best_precision(self.device)

    # frames -------------------------------------------------------------------------------------------------------

    def _collect(
        self,
        name: str,
        verb: str,
        count: int,
        run: Callable[[Model, int, int], Tensor],
        convert: Callable[[Tensor], np.ndarray] | None = None,
        exact: bool | None = None,
    ) -> np.ndarray:
        """Results of run(model, i, j) over slices that take about a frame each, concatenated to one array."""
        loaded = self.hold(name, exact)
        find_verb(loaded.system, verb)
        if not count:
            raise ValueError("there is nothing to compute: give at least one seed, code or picture")

        def work() -> Iterator[np.ndarray]:
            done = 0
            while done < count:
                each = loaded.seconds.get(verb)
                size = min(loaded.max_batch or count, count - done, max(1, int(FRAME_SECONDS / each)) if each else 16)
                started = time.perf_counter()
                try:
                    with loaded.precision.autocast():
                        result = run(loaded.model, done, done + size)
                    if loaded.precision.dtype is torch.float16 and not result.isfinite().all():
                        raise ArithmeticError("the model gave numbers that are not finite")
                    made = (convert or to_numbers)(result)
                except (torch.OutOfMemoryError, ArithmeticError) as error:
                    self._recover(loaded, error, size)
                    continue
                loaded.seconds[verb] = (time.perf_counter() - started) / size
                yield made
                done += size

        return np.concatenate(list(self._worker.run(work())))

    def _recover(self, loaded: LoadedModel, error: Exception, size: int) -> int:
        """Batch size to retry with: half of it after out-of-memory, the same after a switch from float16 to float32.

        Raises the error where there is no other way.
        """
        if isinstance(error, torch.OutOfMemoryError):
            if size == 1:
                raise ValueError("the graphics card has no memory left for even one picture") from None
            loaded.max_batch = size // 2
            return loaded.max_batch
        if loaded.precision.dtype is not torch.float16:
            raise error
        loaded.precision = without_float16(self.device)
        loaded.model.float()
        loaded.bytes = sum(t.nbytes for t in loaded.model.state_dict().values())
        if isinstance(decode := getattr(loaded.model, "decode", None), GraphedVerb):
            decode.forget()
        return size


def room_for(pictures: int) -> Text:
    return Text(
        f"There was too little memory for more pictures at once than {pictures}: more are computed part by part.",
        f"La mémoire ne suffit pas à plus d’images à la fois que {pictures} : au-delà, le calcul se fait par parties.",
    )


def to_half(latents: Tensor) -> Tensor:
    """Latents in the half precision of a recipe, so that the image shown is the one that the recipe reproduces."""
    return latents.clamp(-60000, 60000).half()


def to_numbers(result: Tensor) -> np.ndarray:
    return result.float().cpu().numpy()


def _memory_budget(device: torch.device) -> int:
    """Memory budget of loaded models in bytes: GENSTUDIO_MEMORY in GiB, else half of the free memory."""
    if said := os.environ.get("GENSTUDIO_MEMORY"):
        return int(float(said) * 2**30)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 2 * 2**30
