"""Networks that judge pictures: their features (n, d) measure distances between sets, their classes name what is there.

Every number says which network it trusts, and numbers of different networks cannot be compared. There are our own
classifiers, `classifier_<data>`, with 128 features; and Inception, on which published numbers rest, where its weights
lie on this machine: nothing is downloaded.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from genstudio import catalog, checkpoint
from genstudio.model import verbs
from genstudio.scores.network import Network


def judge(data: str) -> str | None:
    """The name of the classifier that says what is drawn in pictures like a set's: one that is sure of nothing in between,
    where there is one."""
    return next((name for name in (f"judge_{data}", f"classifier_{data}") if name in catalog.available()), None)


def network(word: str, device: torch.device | str = "cpu") -> Network:
    """The network called `inception`, a classifier of ours by name or file, or a .pth file of Inception's weights."""
    if word == "inception":
        from genstudio.scores.inception import find_weights

        path = find_weights()
    elif word.endswith((".pth", ".pt")):
        path = Path(word).expanduser()
    else:
        path = catalog.locate(word)
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
    if (listed := catalog.available().get(name)) is None or listed.resolve() != path.resolve():
        name += f" {checkpoint.digest(path)[:6]}"  # somebody's own must not pass for the one that all have
    classes = (model.head, tuple(header.classes)) if "classify" in verbs(model) else (None, ())
    return Network(name, device, model.features, *classes, model.image_shape, attributes=attributes if model.attributes else None)


def decided(logits: Tensor) -> Tensor:
    """Booleans of logits (n,), numbers of logits (n, values)."""
    return logits > 0 if logits.dim() == 1 else logits.argmax(1)
