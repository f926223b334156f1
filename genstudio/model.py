"""The interface of a model: read this file first.

The methods that a model defines, its *verbs*, are its capabilities; there is no class tree below `Model` and no flag to
keep in step. A verb's keyword arguments are its *controls*: each is annotated once, and from there becomes a slider on
the page, a flag on the command line, a field of the API and a key in the recipe inside the PNG.

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

from genstudio.controls import ANY, NONE, Refusal, class_of

# Randomness -----------------------------------------------------------------------------------------------------


class Noise:
    """One random stream per image, so that seed 7 is the same picture alone and in a batch of 500.

    Drawn on the CPU, whose generator gives the same numbers on every machine, then copied to `device`.
    """

    MAX_SEED = 2**32 - 1  # PyTorch's generator on the processor reads 32 bits: n and n + 2^32 would be one picture

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu"):
        for seed in seeds:
            if not 0 <= int(seed) <= self.MAX_SEED:
                raise Refusal(
                    f"a seed is a whole number from 0 to {self.MAX_SEED}, not {seed}",
                    f"une graine est un entier de 0 à {self.MAX_SEED}, et non {seed}",
                )
        self.seeds = [int(seed) for seed in seeds]
        self.device = device
        self.streams = [torch.Generator().manual_seed(seed) for seed in self.seeds]

    def __len__(self) -> int:
        return len(self.seeds)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal samples (n, *shape), the next of each stream."""
        return to_device(torch.stack([torch.randn(shape, generator=g) for g in self.streams]), self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform samples (n, *shape) in [0, 1), the next of each stream."""
        return to_device(torch.stack([torch.rand(shape, generator=g) for g in self.streams]), self.device)


def to_device(numbers: Tensor, device: torch.device | str, **kwargs: Any) -> Tensor:
    """Copy a CPU tensor to a device, to a GPU asynchronously from pinned memory."""
    if torch.device(device).type != "cuda" or numbers.is_cuda:
        return numbers.to(device, **kwargs)
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError("a recording would fetch from here again when other numbers stand here")
    return numbers.pin_memory().to(device, non_blocking=True, **kwargs)


# Other models ---------------------------------------------------------------------------------------------------


class Companions(dict[str, "Model"]):
    """Other models that a model works with, by role, such as the tokenizer of a prior.

    Their weights are those of their own checkpoints: they are no submodules, and a copy of the model shares them.

    digests: of their weights, by role.
    """

    def __init__(self, models: Mapping[str, Model] | None = None, digests: Mapping[str, str] | None = None):
        super().__init__(models or {})
        self.digests = dict(digests or {})

    def __deepcopy__(self, memo: dict[int, Any]) -> Companions:
        return self

    def to(self, device: torch.device | str, *args: Any, **kwargs: Any) -> None:
        for model in self.values():
            model.to(device, *args, **kwargs)


# Inputs and outputs ---------------------------------------------------------------------------------------------


@dataclass
class Batch:
    """The images of one training step, with their labels and other conditions from the data set.

    images: (n, c, h, w) in [-1, 1].
    labels: class numbers (n,), -1 for an image without a class.
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
        """Apply `change` to each tensor of the batch."""

        def changed(value: Tensor | dict[str, Tensor] | None) -> Any:
            if isinstance(value, dict):
                return {name: change(tensor) for name, tensor in value.items()}
            return None if value is None else change(value)

        return Batch(**{f.name: changed(getattr(self, f.name)) for f in fields(self)})

    def to(self, device: torch.device | str, **kwargs: Any) -> Batch:
        """Copy to a device; `kwargs`, such as a memory format, apply to tensors (n, c, h, w) only."""
        return self.map(lambda t: to_device(t, device, **(kwargs if t.dim() == 4 else {})))

    def __getitem__(self, rows: slice) -> Batch:
        return self.map(lambda t: t[rows])

    def split(self, parts: int) -> list[Batch]:
        """Split into `parts` batches of nearly equal size."""
        bounds = [len(self) * i // parts for i in range(parts + 1)]
        return [self[i:j] for i, j in pairwise(bounds)]


def no_more() -> Batch:
    raise RuntimeError("there is no source of batches outside of training")


@dataclass(frozen=True)
class Progress:
    """Position in a training run. Schedules of a loss count images, so that they do not depend on the batch.

    step: number of this step, from 0.
    images: images trained on before this step.
    of: images of the whole run.
    draw: the next fresh batch of this step, for a player that takes several steps on different images.
    """

    step: int = 0
    images: int = 0
    of: int = 0
    draw: Callable[[], Batch] = no_more


@dataclass
class Frame:
    """One step of `sample`: an intermediate result; the last frame is the sample."""

    images: Tensor
    step: int = 1
    steps: int = 1
    time: int | None = None  # of a diffusion model: t of its x_t, -1 where it is clean
    extra: dict[str, Tensor] = field(default_factory=dict)  # a diffusion model's "x_t", and its estimate "noise"


class Model(nn.Module):
    """A network, or several adversaries, with its own losses.

    Verbs, each optional, found by presence:

        latents(noise) -> (n, d)                    latents drawn from the prior
        decode(latents, *, <controls>) -> images    the decoded latents
        encode(images) -> latents                   the encoded images
        sample(noise, *, <controls>) -> frames      images from noise, as a generator of `Frame`
        img2img(images, noise, *, mask, <controls>) frames      SDEdit: noise added, then denoised
        styles(noise, *, <controls>) -> w           (n, layers, d): a style for each layer, the input of
        synthesize(w, noise, *, <controls>) -> images
        translate(images, *, <controls>) -> images
        tokenize(images) -> tokens                  (n, places): numbers of codebook entries
        detokenize(tokens) -> images
        classify(images) -> (n, classes)            logits; features(images) -> (n, d); attribute_logits(images) -> dict
        nats(images) -> (n,)                        -log p(images), of pixels as `likelihood_of` says; an estimate or,
                                                    with `bound`, one of an upper bound
    """

    image_shape: tuple[int, int, int]  # (c, h, w) of its output, or of its input
    classes: int = 0  # labels that it is conditioned on, or classifies
    class_names: Sequence[str] = ()  # of the labels in its training set; set on loading
    attributes: Mapping[str, Sequence[str]] = MappingProxyType({})  # it knows: their values, none for yes or no
    pairing: str = ""  # of the sources and images that it learns from: "paired", "unpaired", or none for images alone
    grows: bool = False  # its resolution grows in training, of which some weights have no part at first
    slow: bool = False  # it samples iteratively, which takes seconds
    preview: Mapping[str, Any] = MappingProxyType({})  # values of `sample`'s controls for a quick look
    likelihood_of: str = "grey levels"  # pixels of `nats`: 8-bit "grey levels", "real" numbers, "binary"
    bound: bool = False  # `nats` is an upper bound
    float32: bool = False  # it computes in float32: with fewer digits its inverse or its likelihood would be another
    companions: Companions = Companions()  # set by `registry.build`
    trained_with: Sequence[str] = ()  # roles of the companions that its losses use: with other weights it is useless
    optional: Mapping[str, str] = MappingProxyType({})  # companion's role: the control that is 0 without it

    def companion(self, role: str) -> Model:
        """The companion of that role. Raises ValueError if its weights are not here."""
        if role not in self.companions:
            raise Refusal(
                f"this needs the weights of its {role}, which are not here",
                f"il y faut les poids de son {role}, qui ne sont pas ici",
            )
        return self.companions[role]

    def companions_of(self, controls: Mapping[str, Any]) -> dict[str, str]:
        """Digests of the companions that take part with these controls, by role."""
        digests = self.companions.digests
        return {role: digest for role, digest in digests.items() if controls.get(self.optional.get(role, ""), True)}

    def players(self) -> dict[str, nn.Module]:
        """The networks that take turns in training. `critic`, the discriminator of a GAN, is saved to its own file:
        sampling does not need it."""
        return {"model": self}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Yield (player, {term: scalar}): one optimizer step of that player on the sum of the terms.

        A term without gradient is only logged. The code after a yield runs with the player already updated. Schedules
        read `progress`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no losses and cannot be trained")
        yield

    def augment(self, images: Tensor) -> Tensor:
        """Augmentation of real and fake images before the critic: the identity, unless a run's recipe replaces it."""
        return images

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        """Compute statistics that belong to the averaged (EMA) weights, from some batches of training images.

        Called before these weights are used or saved; at the end of a run also with held-out images, if there are any.
        """


VERBS = (
    "latents", "decode", "encode", "sample", "img2img", "styles", "synthesize", "translate", "tokenize", "detokenize",
    "classify",
)  # fmt: skip


def verbs(model: type[Model] | Model) -> tuple[str, ...]:
    """The verbs that a model defines, in the order of `VERBS`."""
    return tuple(verb for verb in VERBS if hasattr(model, verb))


def generates(model: type[Model] | Model) -> bool:
    """True if the model generates images from noise alone."""
    return hasattr(model, "sample") or (hasattr(model, "latents") and hasattr(model, "decode"))


def labels_for(model: Model, noise: Noise, label: str | Sequence[str]) -> Tensor:
    """Labels (n,) to condition on: one for all images, one for each, or for "any" a label drawn for each; `classes` is
    the label of no class."""
    if not isinstance(label, str):
        return torch.tensor([_number(model, one) for one in label], device=noise.device)
    if label == ANY and (count := len(model.class_names)):  # the embedding may have unused slots
        return (noise.uniform(1).squeeze(1) * count).long().clamp_max(count - 1)
    return torch.full((len(noise),), _number(model, NONE if label == ANY else label), device=noise.device)


def _number(model: Model, label: str) -> int:
    return model.classes if label == NONE else model.class_names.index(class_of(label))


LABEL_DROPOUT = 0.1  # share of labels dropped in training, for guidance: what is learned without one is "none"


def drop_labels(model: Model, batch: Batch) -> Tensor:
    """Labels (n,) to condition on in training, some of them dropped for classifier-free guidance."""
    none = torch.full((len(batch),), model.classes, device=batch.images.device)
    if not model.classes or batch.labels is None:
        return none
    dropped = torch.rand(len(batch), device=none.device) < LABEL_DROPOUT
    return torch.where(dropped | (batch.labels < 0), none, batch.labels)


def sample(model: Model, noise: Noise, **controls: Any) -> Iterator[Frame]:
    """Frames from noise: the model's own `sample`, else one frame of decoded latents."""
    if hasattr(model, "sample"):
        yield from model.sample(noise, **controls)
    else:
        yield Frame(model.decode(model.latents(noise), **controls))
