"""What a model is: read this file first.

A model says what it can do by the methods that it has, its *verbs*; there is no class tree below `Model` and no
flag to keep in step. A verb's keyword arguments are its *controls*: each is annotated once, and is from there a
slider on the page, a flag on the command line, a field of the API and a key in the recipe that goes into the PNG.

Images are float tensors (n, c, h, w) in [-1, 1] everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from genstudio.controls import ANY, NONE

# Controls -------------------------------------------------------------------------------------------------------


# Randomness -----------------------------------------------------------------------------------------------------


class Noise:
    """One random stream per image, so that seed 7 is the same picture alone and in a batch of 500.

    Streams are drawn on the CPU, whose generator gives the same numbers on every machine, then moved.
    """

    MAX_SEED = 2**63 - 1

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu"):
        for seed in seeds:
            if not 0 <= int(seed) <= self.MAX_SEED:
                raise ValueError(f"a seed is a whole number from 0 to {self.MAX_SEED}, not {seed}")
        self.seeds = [int(seed) for seed in seeds]
        self.device = device
        self.streams = [torch.Generator().manual_seed(seed) for seed in self.seeds]

    def __len__(self) -> int:
        return len(self.seeds)

    def normal(self, *shape: int) -> Tensor:
        """The next standard normal numbers of each stream, (n, *shape)."""
        return moved(torch.stack([torch.randn(shape, generator=g) for g in self.streams]), self.device)

    def uniform(self, *shape: int) -> Tensor:
        """The next numbers of each stream in [0, 1), (n, *shape)."""
        return moved(torch.stack([torch.rand(shape, generator=g) for g in self.streams]), self.device)


def moved(numbers: Tensor, device: torch.device | str, **kwargs: Any) -> Tensor:
    """Numbers of the processor on a device, which fetches them by itself: nobody waits."""
    if torch.device(device).type != "cuda" or numbers.is_cuda:
        return numbers.to(device, **kwargs)
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError("a recording would fetch from here again when other numbers stand here")
    return numbers.pin_memory().to(device, non_blocking=True, **kwargs)


# What goes in, what comes out -----------------------------------------------------------------------------------


@dataclass
class Batch:
    """The pictures of one training step, and all that the set says of them.

    images: (n, c, h, w) in [-1, 1].
    labels: class numbers (n,).
    conditions: attributes and inputs by name: booleans (n,) such as "glasses", class numbers (n,) such as "hair_color",
        -1 where unknown, or whatever else a model adds, (n, ...).
    sources: pictures to translate from, (n, c, h, w) in [-1, 1].
    """

    images: Tensor
    labels: Tensor | None = None
    conditions: dict[str, Tensor] = field(default_factory=dict)
    sources: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """A batch of the same fields, each of its tensors changed."""

        def changed(value: Tensor | dict[str, Tensor] | None) -> Any:
            if isinstance(value, dict):
                return {name: change(tensor) for name, tensor in value.items()}
            return None if value is None else change(value)

        return Batch(**{f.name: changed(getattr(self, f.name)) for f in fields(self)})

    def to(self, device: torch.device | str, **kwargs: Any) -> Batch:
        """On a device; `kwargs` (a memory format, say) are for images and what is shaped like them."""
        return self.map(lambda t: moved(t, device, **(kwargs if t.dim() == 4 else {})))

    def __getitem__(self, rows: slice) -> Batch:
        return self.map(lambda t: t[rows])

    def split(self, parts: int) -> list[Batch]:
        """Smaller batches, as equal as can be."""
        bounds = [len(self) * i // parts for i in range(parts + 1)]
        return [self[i:j] for i, j in pairwise(bounds)]


@dataclass
class Frame:
    """What `sample` yields: pictures that get better and better; the last frame is the sample."""

    images: Tensor
    step: int = 1
    steps: int = 1
    time: int | None = None  # of a denoiser: how noised its x_t is, -1 where it is clean
    extra: dict[str, Tensor] = field(default_factory=dict)  # a denoiser's "x_t" and the "noise" that it sees in it


class Model(nn.Module):
    """A network, or several that play a game, with its own losses.

    Verbs, each optional, found by presence:

        latents(noise) -> (n, d)                    codes drawn from the prior
        decode(latents, *, <controls>) -> images    the picture of a code
        encode(images) -> latents                   the code of a picture
        sample(noise, *, <controls>) -> frames      pictures from nothing, as a generator of `Frame`
        redraw(images, noise, *, mask, <controls>)  yields frames too: pictures noised, and brought back
        styles(noise, *, <controls>) -> w           (n, layers, d), a style for each layer, and of them
        synthesize(w, noise, *, <controls>) -> images
        translate(images, *, <controls>) -> images
        classify(images) -> (n, classes)            logits;  features(images) -> (n, d);  attribute_logits(images) -> dict
    """

    image_shape: tuple[int, int, int]  # (c, h, w) of the pictures that it makes or takes
    classes: int = 0  # class numbers that it can be told of, or tells apart
    class_names: Sequence[str] = ()  # of the class numbers that it learned from: whoever loads it says so
    attributes: Mapping[str, Sequence[str]] = MappingProxyType({})  # that it tells: their values, none for yes or no

    def players(self) -> dict[str, nn.Module]:
        """The parts that take turns in training. A part called `critic` is saved apart: sampling does not need it."""
        return {"model": self}

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Yields (player, {term: scalar}): one optimizer step of that player on the sum of the terms.

        A term without gradient is only shown. What follows a yield sees the player already improved.
        """
        raise NotImplementedError(f"{type(self).__name__} has no losses and cannot be trained")
        yield

    def augment(self, images: Tensor) -> Tensor:
        """What a critic is shown of pictures, real and made: themselves, unless the recipe of a run puts something else here."""
        return images

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        """Called on the averaged weights before they are used or saved, with some batches of training pictures.

        At the end of a run it is also given pictures that were held out, where there are any.
        """


VERBS = ("latents", "decode", "encode", "sample", "redraw", "styles", "synthesize", "translate", "classify")


def verbs(model: type[Model] | Model) -> tuple[str, ...]:
    """The verbs that a model has, in the order of the list above."""
    return tuple(verb for verb in VERBS if hasattr(model, verb))


def generates(model: type[Model] | Model) -> bool:
    """Whether it makes pictures from noise alone."""
    return hasattr(model, "sample") or (hasattr(model, "latents") and hasattr(model, "decode"))


def steps_many(model: type[Model] | Model) -> bool:
    """Whether its pictures come about step by step, which takes long."""
    return hasattr(model, "go_on")


def kinds_of(model: Model, noise: Noise, label: str | Sequence[str]) -> Tensor:
    """Class numbers (n,): the one asked for, or one for each picture, or each picture's own draw; number `classes` stands
    for none."""
    if not isinstance(label, str):
        numbers = [model.classes if name == NONE else model.class_names.index(name) for name in label]
        return torch.tensor(numbers, device=noise.device)
    if label == ANY and (count := len(model.class_names)):  # it may have room for more than it has learned
        return (noise.uniform(1).squeeze(1) * count).long().clamp_max(count - 1)
    number = model.classes if label in (ANY, NONE) else model.class_names.index(label)
    return torch.full((len(noise),), number, device=noise.device)


UNTOLD = 0.1  # share of training pictures whose class is not told: what "none" draws, and guidance moves away from


def told(model: Model, batch: Batch) -> Tensor:
    """Class numbers (n,) of training pictures as a model is told of them, here and there none."""
    none = torch.full((len(batch),), model.classes, device=batch.images.device)
    if not model.classes or batch.labels is None:
        return none
    untold = torch.rand(len(batch), device=none.device) < UNTOLD
    return torch.where(untold, none, batch.labels)


def sample(model: Model, noise: Noise, **controls: Any) -> Iterator[Frame]:
    """Frames from noise: the model's own `sample`, else the one frame that its codes decode to."""
    if hasattr(model, "sample"):
        yield from model.sample(noise, **controls)
    else:
        yield Frame(model.decode(model.latents(noise), **controls))
