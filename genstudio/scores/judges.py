"""Judges: networks whose features (n, d) measure distances between sets of images, and whose classes are counted.

Every score names its judge; scores of different judges cannot be compared. Judges are our own classifiers,
`classifier_<data>`, with 128 features; Inception, the basis of published numbers, and EfficientNet-Lite0, from a
package, if they are on this machine: nothing is downloaded.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from genstudio import catalog, checkpoint
from genstudio.model import verbs
from genstudio.scores import efficientnet
from genstudio.scores.network import FeatureNetwork

AT_SIDE = re.compile(r"(.+) at (\d{1,4}) px")  # name of a judge that sees pictures shrunk to that side
JUDGED_AS = {"faces_glasses": "faces", "faces_glasses_unpaired": "faces"}  # sets of the same faces as another


def judge(data: str) -> str | None:
    """Name of the classifier that labels samples of a data set: `judge_<data>`, else `classifier_<data>`, else None."""
    return _available(data, "judge", "classifier")


def judge_of_features(data: str) -> str | None:
    """Name of the classifier whose features measure distances between samples of a data set: `classifier_<data>`, else
    `judge_<data>`, else None."""
    return _available(data, "classifier", "judge")


def _available(data: str, *prefixes: str) -> str | None:
    names = [f"{prefix}_{JUDGED_AS.get(data, data)}" for prefix in prefixes]
    return next((name for name in names if name in catalog.available()), None)


def network(word: str, device: torch.device | str = "cpu") -> FeatureNetwork:
    """Load a judge: `inception`, `efficientnet-lite0`, one of our classifiers by name or file, or a .pth file of
    Inception's weights; `judge_faces at 32 px` is a judge `at_side`."""
    if found := AT_SIDE.fullmatch(word):
        return at_side(network(found[1], device), int(found[2]))
    if word == efficientnet.NAME:
        return efficientnet.efficientnet(torch.device(device))
    if word == "inception":
        from genstudio.scores.inception import find_weights

        path = find_weights()
    elif word.endswith((".pth", ".pt")):
        path = Path(word).expanduser()
    else:
        path = catalog.locate(word)
    if not path.exists():
        raise ValueError(f"{path} does not exist: features come from inception, a classifier, or a file of either")
    return _loaded(path.absolute(), path.stat().st_mtime_ns, torch.device(device))


@lru_cache(maxsize=4)
def _loaded(path: Path, changed: int, device: torch.device) -> FeatureNetwork:
    """Cached by modification time, so that the network and its cached features serve the next score."""
    if path.suffix == ".safetensors":
        return own(path, device)
    from genstudio.scores.inception import inception  # here, since it imports torchvision's models

    return inception(path, device)


def judge_of(
    data: str, shape: tuple[int, int, int], features: str | None, device: torch.device
) -> FeatureNetwork | None:
    """The judge of a data set: `features` if given, else its classifier if one is available for this shape or, at its
    side, for a larger one; or None."""
    if not (word := features or judge_of_features(data)):
        return None
    judge = network(word, device)
    if judge.shape in (None, tuple(shape)):
        return judge
    enlarges = judge.shape[0] == shape[0] and judge.shape[1] > shape[1] and judge.shape[1] % shape[1] == 0
    if enlarges and shape[1] == shape[2]:
        return at_side(judge, shape[1])
    if features is None:
        return None
    raise ValueError(f"{judge.name} reads pictures of {judge.shape}, and these are {tuple(shape)}")


@lru_cache(maxsize=4)
def at_side(judge: FeatureNetwork, side: int) -> FeatureNetwork:
    """The judge for pictures of a lower resolution: of any side, they are shrunk to `side`, then enlarged to its own,
    generated and real ones alike. Its scores are no other judge's. Raises ValueError unless its input is that large."""
    if judge.shape is None or not 1 <= side < judge.shape[1]:
        raise ValueError(f"{judge.name} cannot look at pictures of {side} px: it reads {judge.shape or 'any size'}")

    def enlarged(images: Tensor) -> Tensor:
        return interpolate(interpolate(images, side, mode="area"), judge.shape[1:], mode="bilinear")

    def attributes(images: Tensor) -> dict[str, Tensor]:
        return judge.attributes(enlarged(images))

    return replace(
        judge,
        name=f"{judge.name} at {side} px",
        features=lambda images: judge.features(enlarged(images)),
        attributes=attributes if judge.attributes else None,
        shape=None,
        cached={},
    )


def own(path: Path, device: torch.device) -> FeatureNetwork:
    """One of our classifiers as a judge. Raises ValueError if the model is not a classifier."""
    model, header = checkpoint.load(path)
    if not hasattr(model, "features"):
        raise ValueError(f"{path.name} is no classifier: it has no features to measure with")
    model.requires_grad_(False).to(device, memory_format=torch.channels_last)

    def attributes(images: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            parts = [model.attribute_logits(part.to(device)) for part in images.split(100)]
        return {name: decisions(torch.cat([part[name] for part in parts])).cpu() for name in model.attributes}

    name = path.name.removesuffix(".safetensors")
    if (listed := catalog.available().get(name)) is None or listed.resolve() != path.resolve():
        name += f" {checkpoint.digest(path)[:6]}"  # other weights must not pass for the shipped ones
    classes = (model.head, tuple(header.classes)) if "classify" in verbs(model) else (None, ())
    reads = attributes if model.attributes else None
    return FeatureNetwork(name, device, model.features, *classes, model.image_shape, attributes=reads)


def decisions(logits: Tensor) -> Tensor:
    """Predictions from logits: booleans for (n,), class numbers for (n, classes)."""
    return logits > 0 if logits.dim() == 1 else logits.argmax(1)
