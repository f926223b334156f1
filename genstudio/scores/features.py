"""Networks that judge pictures: their features (n, d) measure distances between sets, their classes name what is there.

Every number says which network it trusts, and numbers of different networks cannot be compared. There are our own
classifiers, `classifier_<data>`, with 128 features; and Inception, on which published numbers rest, where its weights
lie on this machine: nothing is downloaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from genstudio import checkpoint
from genstudio.images import from_uint8
from genstudio.model import verbs

MOST_REMEMBERED = 6  # sets a network: the training and held-out pictures of two data sets, and parts of them


def as_floats(images: Tensor) -> Tensor:
    return from_uint8(images) if images.dtype == torch.uint8 else images


@dataclass(eq=False)
class Network:
    """What scores ask of a network."""

    name: str  # as it stands in the names of numbers
    device: torch.device
    features: Callable[[Tensor], Tensor]  # of pictures in [-1, 1], (n, d)
    logits: Callable[[Tensor], Tensor] | None  # of features, (n, classes); None where it knows no classes
    classes: tuple[str, ...] = ()  # empty where they are too many to tell their shares
    shape: tuple[int, int, int] | None = None  # of the pictures that it reads; None: any
    batch: int = 100
    attributes: Callable[[Tensor], dict[str, Tensor]] | None = None  # of pictures in [-1, 1]: booleans or numbers (n,)
    quick: bool = True  # whether all training pictures can be read in minutes on a processor
    remembered: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, images: Tensor) -> Tensor:
        """Features of pictures, in float32 on the CPU. Those of bytes, as real ones are, are remembered by content."""
        if images.dtype != torch.uint8:
            return self.read(images)
        pixels = images.cpu().contiguous()
        key = f"{tuple(pixels.shape)} {hashlib.blake2b(pixels.numpy()).hexdigest()}"
        if key not in self.remembered:
            if len(self.remembered) == MOST_REMEMBERED:
                del self.remembered[next(iter(self.remembered))]
            self.remembered[key] = self.read(images)
        return self.remembered[key]

    def read(self, images: Tensor) -> Tensor:
        def run(part: Tensor) -> Tensor:
            return self.features(as_floats(part.to(self.device)).contiguous(memory_format=torch.channels_last))

        with torch.no_grad():
            return torch.cat([run(part).float().cpu() for part in images.split(self.batch)])

    def probabilities(self, features: Tensor) -> Tensor:
        """Of each class, (n, classes), in float32 on the CPU."""
        with torch.no_grad():
            parts = features.split(1000)
            return torch.cat([self.logits(part.to(self.device)).float().softmax(1).cpu() for part in parts])


def judge(data: str) -> str | None:
    """The name of the classifier that says what is drawn in pictures like a set's: one that is sure of nothing in between,
    where there is one."""
    return next((name for name in (f"judge_{data}", f"classifier_{data}") if name in checkpoint.available()), None)


def network(word: str, device: torch.device | str = "cpu") -> Network:
    """The network called `inception`, a classifier of ours by name or file, or a .pth file of Inception's weights."""
    if word == "inception":
        from genstudio.scores.inception import find_weights

        path = find_weights()
    elif word.endswith((".pth", ".pt")):
        path = Path(word).expanduser()
    else:
        path = checkpoint.locate(word)
    if not path.exists():
        raise ValueError(f"{path} does not exist: features come from inception, a classifier, or a file of either")
    return _opened(path.absolute(), path.stat().st_mtime_ns, torch.device(device))


@lru_cache(maxsize=4)
def _opened(path: Path, changed: int, device: torch.device) -> Network:
    """Read once as long as the file stays as it is, so that what it remembers serves the next score too."""
    if path.suffix == ".safetensors":
        return own(path, device)
    from genstudio.scores.inception import inception  # takes torchvision's models along, which few need

    return inception(path, device)


def own(path: Path, device: torch.device) -> Network:
    """One of our classifiers."""
    model, header = checkpoint.load(path)
    if not hasattr(model, "features"):
        raise ValueError(f"{path.name} is no classifier: it has no features to measure with")
    model.requires_grad_(False).to(device, memory_format=torch.channels_last)

    def attributes(images: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            parts = [model.attribute_logits(part.to(device)) for part in images.split(100)]
        return {name: decided(torch.cat([part[name] for part in parts])).cpu() for name in model.attributes}

    name = path.name.removesuffix(".safetensors")
    if (listed := checkpoint.available().get(name)) is None or listed.resolve() != path.resolve():
        name += f" {checkpoint.digest(path)[:6]}"  # somebody's own must not pass for the one that all have
    classes = (model.head, tuple(header.classes)) if "classify" in verbs(model) else (None, ())
    return Network(name, device, model.features, *classes, model.image_shape, attributes=attributes if model.attributes else None)


def decided(logits: Tensor) -> Tensor:
    """Booleans of logits (n,), numbers of logits (n, values)."""
    return logits > 0 if logits.dim() == 1 else logits.argmax(1)
