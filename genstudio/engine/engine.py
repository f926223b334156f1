"""The inference engine: loads models on the device and runs their verbs, for all visitors in turn.

Every verb is computed on one thread: torch keeps one pool of processor threads per calling thread, and a page calls
from forty threads. Work is cut into frames of about a tenth of a second, and the visitors' frames alternate.

Its values are NumPy arrays: latents float32 (n, d), images uint8 (n, h, w, c). Bad input raises a ValueError in one
sentence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from genstudio import catalog
from genstudio.controls import Refusal, Text, check_controls
from genstudio.engine import arrays, tiling
from genstudio.engine.arrays import to_numbers
from genstudio.engine.cache import ModelCache, memory_budget
from genstudio.engine.loaded import LoadedModel, check_labels, find_verb, load, sampling_method, side_by_side
from genstudio.engine.recovery import PICTURES, PIXELS, finite, guarded, room_for
from genstudio.engine.search import search_latents, search_styles
from genstudio.engine.tiling import TileProgress
from genstudio.engine.trajectory import Step, concatenated, step_of
from genstudio.engine.worker import Worker
from genstudio.images import from_uint8, to_tensor, to_uint8
from genstudio.latent import paths, style_layers
from genstudio.latent.projection import Projection
from genstudio.model import Frame, Noise, sample, to_device
from genstudio.models.fitted_prior import EMPTY
from genstudio.precision import Precision, best_precision, choose_device, keep_memory

Result = TypeVar("Result")
Begin = Callable[[Noise, slice], Iterator[Frame]]  # starts the run of a part of a batch
Convert = Callable[[Tensor], np.ndarray]

DIRECTION_SEEDS = 1024  # latents that directions are computed from
FRAME_SECONDS = 0.08  # target duration of one turn
VIEWS = ("own", "tiles")  # resolutions of a translation: the network's, or the input's


class Engine:
    """`Engine()` picks the fastest precision of the best device at hand; `exact` asks for plain float32."""

    def __init__(self, device: str | None = None, exact: bool = False, memory: int | None = None):
        self.device, self.trouble = choose_device(device)
        self.exact = exact
        keep_memory()
        self._loaded = ModelCache(memory or memory_budget(self.device))
        self._worker = Worker()

    def status(self, name: str | None = None) -> Text:
        """Device and precision, with the reason for them, in both languages; those of a model, where one is named."""
        loaded = self.hold(name) if name else None
        sentences = [loaded.precision.reason if loaded else self.precision(self.exact).reason]
        sentences += [self.trouble] if self.trouble else []
        sentences += [room_for(loaded.max_batch)] if loaded and loaded.max_batch else []
        return Text(*(" ".join(language) for language in zip(*sentences, strict=True)))

    def turn(self, work: Callable[[], Result]) -> Result:
        """Run `work` on the engine's thread, in turn with all visitors, with gradients enabled. Returns its result."""
        return self._on_worker(torch.enable_grad()(work))

    def wait_for_rest(self, seconds: float) -> None:
        """Block until the engine has been idle for so many seconds, so that the work to follow delays no visitor."""
        self._worker.wait_for_rest(seconds)

    # verbs --------------------------------------------------------------------------------------------------------

    def latents(self, name: str, seeds: Sequence[int]) -> np.ndarray:
        """Latents (n, d) from the prior, one random stream per seed."""
        return self._drawn(self.hold(name), "latents", list(seeds))

    def encode(self, name: str, pictures: Sequence[Image.Image], **controls: Any) -> np.ndarray:
        """Latents (n, d) of pictures of any size, rounded to the half precision in which a recipe stores them."""
        loaded = self.hold(name)
        values = check_controls(find_verb(loaded.system, "encode"), controls)

        def encode(part: slice) -> Tensor:
            images = to_device(to_tensor(pictures[part], loaded.model.image_shape), self.device)
            return loaded.model.encode(images, **values)

        return self._collect(loaded, "encode", len(pictures), encode, arrays.to_halves)

    def decode(self, name: str, latents: np.ndarray, *, exact: bool | None = None, **controls: Any) -> np.ndarray:
        """Images uint8 (n, h, w, c) of latents (n, d)."""
        return self._decode(self.hold(name, exact), latents, controls)

    def _decode(self, loaded: LoadedModel, latents: np.ndarray, controls: dict[str, Any]) -> np.ndarray:
        values = check_controls(find_verb(loaded.system, "decode"), controls)
        latents = arrays.check_latents(loaded, latents)
        return self._rows(loaded, "decode", latents, lambda rows: loaded.model.decode(rows, **values), to_uint8)

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

        def begin(noise: Noise, part: slice) -> Iterator[Frame]:
            return sample(loaded.model, noise, **values | ({} if labels is None else {"label": labels[part]}))

        return self._frames(loaded, seeds, begin, lambda frame: to_uint8(frame.images), np.concatenate)

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
            latents = self._drawn(loaded, "latents", range(DIRECTION_SEEDS))
            arguments = [torch.from_numpy(latents)]
            if kind == "effect":
                pictures = torch.from_numpy(self._decode(loaded, latents, {})).permute(0, 3, 1, 2).float()
                arguments.append(adaptive_avg_pool2d(pictures, 16))  # the effect of a direction shows in a thumbnail
            loaded.directions[kind] = self._on_worker(lambda: paths.DIRECTIONS[kind](*arguments).numpy())
        return loaded.directions[kind]

    def project(self, name: str, picture: Image.Image) -> Iterator[Projection]:
        """Projection (GAN inversion): search for the latent whose image is nearest to a picture. Close it to stop."""
        loaded = self.hold(name)
        find_verb(loaded.system, "latents")
        target = to_tensor([picture], loaded.model.image_shape).to(self.device)
        return self._worker.run(search_latents(loaded, target))

    # diffusion models, step by step

    def denoise(self, name: str, seeds: Sequence[int], **controls: Any) -> Iterator[Step]:
        """The denoising trajectory of `sample`: x_t, the prediction of x_0 and that of the noise at each step."""
        loaded, seeds, values = self._checked(name, "sample", seeds, controls)
        return self._steps(loaded, seeds, lambda noise, part: loaded.model.sample(noise, **values))

    def img2img(
        self, name: str, picture: Image.Image, seeds: Sequence[int], mask: np.ndarray | None = None, **controls: Any
    ) -> Iterator[Step]:
        """img2img (SDEdit, Meng et al. 2022, arXiv:2108.01073): a picture noised and denoised, once per seed.

        mask: booleans (h, w) for inpainting, True where the picture is generated anew; elsewhere it stays.
        """
        loaded, seeds, values = self._checked(name, "img2img", seeds, controls)
        known, mask = arrays.check_known(loaded, picture, mask, len(seeds))

        def begin(noise: Noise, part: slice) -> Iterator[Frame]:
            return loaded.model.img2img(known[part], noise, mask=arrays.part_of(mask, part), **values)

        return self._steps(loaded, seeds, begin)

    def denoise_from(
        self, name: str, x: np.ndarray, time: int, seeds: Sequence[int], picture: Image.Image | None = None,
        mask: np.ndarray | None = None, **controls: Any,
    ) -> Iterator[Step]:  # fmt: skip
        """Denoise from x_t, float32 (n, c, h, w), at `time`: a branch of another trajectory. With a mask, inpainting of
        the picture, as in `img2img`."""
        loaded, seeds, values = self._checked(name, "denoise_from", seeds, controls)
        start = arrays.check_noised(loaded, x, time, len(seeds))
        known, mask = arrays.check_known(loaded, picture, mask, len(seeds))

        def begin(noise: Noise, part: slice) -> Iterator[Frame]:
            inpainting = {"known": arrays.part_of(known, part), "mask": arrays.part_of(mask, part)}
            return loaded.model.denoise_from(start[part], time, noise, **inpainting, **values)

        return self._steps(loaded, seeds, begin)

    def _checked(
        self, name: str, verb: str, seeds: Sequence[int], controls: dict[str, Any]
    ) -> tuple[LoadedModel, list[int], dict[str, Any]]:
        """Model, seeds and controls of a stepwise verb. Raises ValueError where one of them does not fit."""
        loaded, seeds = self.hold(name), list(seeds)
        if not hasattr(loaded.model, "denoise_from"):
            raise Refusal(f"{name} does not come about step by step", f"les images de {name} ne naissent pas pas à pas")
        if not seeds:
            raise ValueError("there is nothing to compute: give at least one seed")
        return loaded, seeds, check_controls(find_verb(loaded.system, verb), controls, loaded.header.classes)

    def _steps(self, loaded: LoadedModel, seeds: list[int], begin: Begin) -> Iterator[Step]:
        return self._frames(loaded, seeds, begin, lambda frame: step_of(frame, loaded.model.schedule), concatenated)

    # styles, layer by layer

    def styles(self, name: str, seeds: Sequence[int], **controls: Any) -> np.ndarray:
        """Style vectors w (n, layers, d) of seeds, from the mapping network."""
        loaded = self.hold(name)
        values = check_controls(find_verb(loaded.system, "styles"), controls, loaded.header.classes)
        return self._drawn(loaded, "styles", list(seeds), **values)

    def truncate(self, name: str, w: np.ndarray, truncation: float, cutoff: int) -> np.ndarray:
        """Truncation of styles w (n, layers, d) without a seed, towards the mean over all classes."""
        loaded = self.hold(name)
        w, model = arrays.check_styles(loaded, w), loaded.model
        return self._rows(loaded, "styles", w, lambda rows: model.truncate(rows, truncation, cutoff))

    def synthesize(
        self, name: str, w: np.ndarray, seeds: Sequence[int] | None = None, side: int | None = None, **controls: Any
    ) -> np.ndarray:
        """Images uint8 (n, h, w, c) of styles w (n, layers, d); the seeds draw the noise inputs.

        side: an intermediate resolution of the network, for quick previews of that size.
        """
        loaded = self.hold(name)
        w, values = arrays.check_styles(loaded, w), check_controls(find_verb(loaded.system, "synthesize"), controls)

        def synthesize(part: slice) -> Tensor:
            noise = None if seeds is None else Noise(seeds[part], self.device)
            return loaded.model.synthesize(to_device(w[part], self.device), noise, side=side, **values)

        return self._collect(loaded, "synthesize", len(w), synthesize, to_uint8)

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
            w = torch.from_numpy(self._drawn(loaded, "styles", range(DIRECTION_SEEDS))[:, 0])

            def find() -> np.ndarray:
                affines = [loaded.model.affine(layer).float().cpu() for layer in layers]
                return style_layers.DIRECTIONS[kind](w, affines).numpy()

            loaded.directions[key] = self._on_worker(find)
        return loaded.directions[key]

    def project_styles(self, name: str, picture: Image.Image) -> Iterator[Projection]:
        """Projection into W+, a style per layer, which comes nearer than `project`: latents are w (layers * d,)."""
        loaded = self.hold(name)
        find_verb(loaded.system, "styles")
        target = to_tensor([picture], loaded.model.image_shape).to(self.device)
        return self._worker.run(search_styles(loaded, target))

    def translate(self, name: str, images: np.ndarray, *, view: str = "own", **controls: Any) -> Iterator[TileProgress]:
        """Image-to-image translation of pictures uint8 (n, h, w, 3) of any one size, in parts. Close it to stop.

        view: "own" runs the network at its training resolution and adds the upsampled change to the input; "tiles" runs
        it at the input's resolution. For a network that works at any scale, both mean "tiles".
        """
        loaded = self.hold(name)
        values = check_controls(find_verb(loaded.system, "translate"), controls)
        images = arrays.check_images(loaded, images)
        if view not in VIEWS:
            raise ValueError(f"view must be one of {', '.join(VIEWS)}, not {view!r}")
        whole = view == "own" and loaded.model.own_side is not None

        def run(part: Tensor) -> Tensor:
            with loaded.precision.autocast():
                made = loaded.model.translate(part.contiguous(memory_format=loaded.precision.memory_format), **values)
            return finite(loaded, made).float()

        def attempt(budget: int) -> Iterator[TileProgress]:
            translated = tiling.at_own_scale if whole else tiling.at_its_scale
            inputs = loaded.model.perceived(to_device(from_uint8(images), self.device))
            made = yield from translated(loaded.model, run, inputs, budget)
            yield TileProgress(1, 1, to_uint8(made))

        return self._worker.run(guarded(loaded, PIXELS, tiling.BUDGET, attempt, tiling.least_budget(loaded.model)))

    def novelty(self, name: str, picture: Image.Image) -> float:
        """Novelty score of a picture for a translator: above 1, farther from the training set than nearly all of it."""
        loaded = self.hold(name)
        find_verb(loaded.system, "translate")
        x = to_tensor([picture], loaded.model.image_shape).to(self.device)
        return self._on_worker(lambda: float(loaded.model.novelty(x)))

    def map(self, name: str, **controls: Any) -> tuple[np.ndarray, np.ndarray]:
        """Latents (n, 2) and class numbers (n,) of held-out images, for a model with a two-dimensional latent space."""
        model = self.hold(name).model
        if not hasattr(model, "map_latents"):
            raise ValueError(f"{name} has no map: it stores no latents of held-out pictures")
        labels, latents = model.map_labels.cpu().numpy(), to_numbers(model.mapped(**controls))
        return latents[labels != EMPTY], labels[labels != EMPTY]

    def classify(self, name: str, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities (n, classes) and features (n, d) of pictures uint8 (n, h, w, c)."""
        loaded, images = self.hold(name), from_uint8(torch.from_numpy(pictures).permute(0, 3, 1, 2))
        logits = self._rows(loaded, "classify", images, lambda rows: loaded.model.classify(rows))
        features = self._rows(loaded, "features", images, lambda rows: loaded.model.features(rows))
        return torch.from_numpy(logits).softmax(1).numpy(), features

    def image_shape(self, name: str) -> tuple[int, int, int]:
        return self.hold(name).model.image_shape

    # models on the device -----------------------------------------------------------------------------------------

    def hold(self, name: str, exact: bool | None = None) -> LoadedModel:
        """The loaded model of that name, from an LRU cache within the memory budget. Raises ValueError if missing."""
        path = catalog.locate(name)
        try:
            path = path.resolve(strict=True)
            changed = path.stat().st_mtime
        except (FileNotFoundError, NotADirectoryError):
            raise Refusal(f"{path.name} does not exist", f"{path.name} n’existe pas") from None
        exact = self.exact if exact is None else exact
        try:
            return self._loaded.get(
                (path, changed, exact), lambda: load(name, path, self.device, self.precision(exact), exact)
            )
        except torch.OutOfMemoryError:
            said = f"the graphics card has no memory left for {name}", f"plus de mémoire graphique pour {name}"
            raise Refusal(*said) from None

    def precision(self, exact: bool) -> Precision:
        return Precision.exact(self.device) if exact else best_precision(self.device)

    # frames -------------------------------------------------------------------------------------------------------

    def _on_worker(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, computed on the engine's thread, in turn with all visitors."""
        return next(self._worker.run(work() for _ in range(1)))

    def _frames(
        self,
        loaded: LoadedModel,
        seeds: list[int],
        begin: Begin,
        convert: Callable[[Frame], Result],
        concatenate: Callable[[list[Result]], Result],
    ) -> Iterator[Result]:
        """Converted frames of a batch, sampled in parts that fit into memory."""

        def attempt(size: int) -> Iterator[Result]:
            parts = [slice(i, i + size) for i in range(0, len(seeds), size)]
            runs = [begin(Noise(seeds[part], self.device), part) for part in parts]
            for frames in side_by_side(loaded, runs):
                for frame in frames:
                    finite(loaded, frame.images)
                yield concatenate([convert(frame) for frame in frames])

        return self._worker.run(guarded(loaded, PICTURES, len(seeds), attempt))

    def _drawn(self, loaded: LoadedModel, verb: str, seeds: Sequence[int], **values: Any) -> np.ndarray:
        """Results of a verb that draws from one random stream per seed."""

        def run(part: slice) -> Tensor:
            return getattr(loaded.model, verb)(Noise(seeds[part], self.device), **values)

        return self._collect(loaded, verb, len(seeds), run)

    def _rows(
        self,
        loaded: LoadedModel,
        verb: str,
        rows: Tensor,
        run: Callable[[Tensor], Tensor],
        convert: Convert = to_numbers,
    ) -> np.ndarray:
        """Results of `run` for the rows of a tensor on the CPU."""
        return self._collect(loaded, verb, len(rows), lambda part: run(to_device(rows[part], self.device)), convert)

    def _collect(
        self, loaded: LoadedModel, verb: str, count: int, run: Callable[[slice], Tensor], convert: Convert = to_numbers
    ) -> np.ndarray:
        """Results of `run` over parts that take about a frame each, concatenated to one array."""
        find_verb(loaded.system, verb)
        if not count:
            raise ValueError("there is nothing to compute: give at least one seed, code or picture")

        def work() -> Iterator[np.ndarray]:
            done = 0

            def attempt(size: int) -> Iterator[np.ndarray]:
                started = time.perf_counter()
                with loaded.precision.autocast():
                    result = run(slice(done, done + size))
                made = convert(finite(loaded, result))
                loaded.seconds[verb] = (time.perf_counter() - started) / size
                yield made

            while done < count:
                each = loaded.seconds.get(verb)
                size = min(count - done, max(1, int(FRAME_SECONDS / each)) if each else 16)
                for made in guarded(loaded, PICTURES, size, attempt):
                    done += len(made)
                    yield made

        return np.concatenate(list(self._worker.run(work())))
