"""Small classifiers, which evaluate generated images: by accuracy, and by the distance between features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from genstudio.controls import Text
from genstudio.model import Batch, Model, Progress
from genstudio.system import Recipe, system


class Classifier(Model):
    """Classifier of classes and binary attributes: pairs of 3x3 convolutions with batch norm, at halved resolutions.

    halve: "stride" downsamples in the first convolution of each pair but the first, at a quarter of the cost; "pool" by
        max pooling within each pair, more accurate on photographs.
    attributes: names of binary attributes, predicted beside the class.
    mixed: share of batches with CutMix (Yun et al. 2019, arXiv:1905.04899), against overfitting of small sets.
    blended: share of batches with mixup (Zhang et al. 2018, arXiv:1710.09412), for low confidence between classes.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        classes: int,
        widths: tuple[int, ...],
        halve: Literal["stride", "pool"] = "stride",
        attributes: tuple[str, ...] = (),
        dropout: float = 0.3,
        mixed: float = 0.0,
        blended: float = 0.0,
    ):
        super().__init__()
        self.image_shape, self.classes, self.attributes = image_shape, classes, dict.fromkeys(attributes, ())
        self.mixed, self.blended = mixed, blended
        self.body = pyramid(image_shape[0], widths, halve)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], classes)
        if attributes:
            self.attribute_head = nn.Linear(widths[-1], len(attributes))

    def features(self, images: Tensor) -> Tensor:
        """Input of the last layer, (n, widths[-1]): similar images have similar features."""
        return self.body(images)

    def classify(self, images: Tensor) -> Tensor:
        """Logits (n, classes)."""
        return self.head(self.dropout(self.features(images)))

    def attribute_logits(self, images: Tensor) -> dict[str, Tensor]:
        """Logits (n,) of each attribute: above 0 if present."""
        logits = self.attribute_head(self.features(images)) if self.attributes else torch.empty(len(images), 0)
        return dict(zip(self.attributes, logits.unbind(1), strict=True))

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        images, target = batch.images, one_hot(batch.labels, self.classes).float()
        if torch.rand(()) < self.mixed:
            images, target = cut_mix(images, target)
        if self.blended and torch.rand(()) < self.blended:
            images, target = mixup(images, target)
        features = self.dropout(self.features(images))
        logits = self.head(features).float()
        accuracy = (logits.detach().argmax(1) == target.argmax(1)).float().mean()
        terms = {"cross entropy": cross_entropy(logits, target, label_smoothing=0.05), "accuracy": accuracy}
        for i, name in enumerate(self.attributes):
            if (truth := batch.conditions.get(name)) is not None:
                terms[name] = binary_cross_entropy_with_logits(
                    self.attribute_head(features)[:, i].float(), truth.float()
                )
        yield "model", terms


class AttributeClassifier(Model):
    """Classifier of independent attributes: a linear layer for each on shared features.

    attributes: values of each attribute by name; none for a binary attribute.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        attributes: Mapping[str, Sequence[str]],
        widths: tuple[int, ...],
        halve: Literal["stride", "pool"] = "stride",
        dropout: float = 0.3,
    ):
        super().__init__()
        self.image_shape, self.attributes = image_shape, {name: tuple(values) for name, values in attributes.items()}
        self.body = pyramid(image_shape[0], widths, halve)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({name: nn.Linear(widths[-1], len(v) or 1) for name, v in self.attributes.items()})

    def features(self, images: Tensor) -> Tensor:
        """The input of the linear layers, (n, widths[-1])."""
        return self.body(images)

    def attribute_logits(self, images: Tensor) -> dict[str, Tensor]:
        """Logits of each attribute: (n, values), or for a binary attribute (n,), above 0 if present."""
        return self._logits(self.features(images))

    def _logits(self, features: Tensor) -> dict[str, Tensor]:
        logits = {name: head(features).float() for name, head in self.heads.items()}
        return {name: value if self.attributes[name] else value.squeeze(1) for name, value in logits.items()}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Cross entropy of each attribute, over the images with a known value. Raises ValueError if there is none."""
        terms = {}
        for name, logits in self._logits(self.dropout(self.features(batch.images))).items():
            if (truth := batch.conditions.get(name)) is None:
                continue
            if logits.dim() == 1:
                terms[name] = binary_cross_entropy_with_logits(logits, truth.float())
            elif (truth >= 0).any():
                terms[name] = cross_entropy(logits, truth, ignore_index=-1)
        if not terms:
            raise ValueError(f"these pictures have none of the attributes {', '.join(self.attributes)}")
        yield "model", terms


def pyramid(channels: int, widths: Sequence[int], halve: Literal["stride", "pool"]) -> nn.Sequential:
    """Pairs of 3x3 convolutions, a pair for each width, and global average pooling: -> (n, widths[-1])."""
    layers: list[nn.Module] = []
    for i, width in enumerate(widths):
        for first in (True, False):
            stride = 2 if first and i and halve == "stride" else 1
            layers += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if first and halve == "pool" else []
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def cut_mix(images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """CutMix: images (n, c, h, w), each with a box of the next one, and targets (n, classes) mixed by area."""
    height, width = images.shape[2:]
    side = (1 - torch.rand(()).item()) ** 0.5  # of the box: the remaining area is uniform in [0, 1]
    y, x = (int(torch.randint(size, ())) for size in (height, width))
    dy, dx = round(side * height / 2), round(side * width / 2)
    rows, columns = slice(max(0, y - dy), y + dy), slice(max(0, x - dx), x + dx)
    mixed = images.clone()
    mixed[:, :, rows, columns] = images.roll(1, 0)[:, :, rows, columns]
    cut = mixed[0, 0, rows, columns].numel() / (height * width)
    return mixed, (1 - cut) * target + cut * target.roll(1, 0)


def mixup(images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Mixup: images (n, c, h, w), each blended with the next one, and targets (n, classes) in the same proportion."""
    share = torch.rand(len(images), device=images.device)
    images = torch.lerp(images, images.roll(1, 0), share[:, None, None, None])
    return images, torch.lerp(target, target.roll(1, 0), share[:, None])


@system(
    title=Text("Classifier · handwritten digits · 28 px", "Classifieur · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=500_000, batch=128, rate=2e-3, weight_decay=0.02, warmup=20_000, jitter=2, ema=0.998),
)
def classifier_mnist() -> Classifier:
    """A classifier of digits; its 128 features measure the distance of generated digits from real ones."""
    return Classifier((1, 28, 28), classes=10, widths=(32, 64, 128))


@system(
    title=Text("Judge · handwritten digits · 28 px", "Juge · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=300_000, batch=128, rate=2e-3, weight_decay=0.02, warmup=20_000, jitter=2, ema=0.998),
)
def judge_mnist() -> Classifier:
    """A classifier of digits, trained with mixup, which judges the digits of conditional models."""
    return Classifier((1, 28, 28), classes=10, widths=(24, 48, 96), blended=0.7)


@system(
    title=Text("Classifier · cartoon faces · 64 px", "Classifieur · visages dessinés · 64 px"),
    data="avatars",
    recipe=Recipe(images=360_000, batch=64, rate=2e-3, weight_decay=0.02, warmup=5_000, flip=True, jitter=2, ema=0.998),
)
def classifier_avatars() -> Classifier:
    """A classifier of the eight drawing styles, and of glasses; its 128 features measure distances between faces."""
    return Classifier((3, 64, 64), classes=8, widths=(16, 32, 64, 128), attributes=("glasses",))


# The attributes of the set `faces`, whose drawing style is avataaars.
FACE_ATTRIBUTES = {
    "glasses": (),
    "facial_hair": (),
    "covered": (),
    "hair_color": ("black", "blond", "brown", "dark brown", "orange", "pink", "red", "white"),
    "mouth": (
        "concerned", "default", "disbelief", "eating", "grimace", "sad", "scream open", "serious", "smile", "tongue",
        "twinkle", "vomit",
    ),
}  # fmt: skip


@system(
    title=Text("Judge · faces of one drawing style · 64 px", "Juge · visages d’un seul style · 64 px"),
    data="faces",
    recipe=Recipe(images=320_000, batch=64, rate=2e-3, weight_decay=0.02, warmup=5_000, flip=True, jitter=2, ema=0.998),
)
def judge_faces() -> AttributeClassifier:
    """A classifier of glasses, beards, head coverings, hair colours and mouths, with 128 features."""
    return AttributeClassifier((3, 64, 64), FACE_ATTRIBUTES, widths=(16, 32, 64, 128))


@system(
    title=Text("Classifier · small photographs · 32 px", "Classifieur · petites photographies · 32 px"),
    data="cifar10",
    recipe=Recipe(
        images=1_200_000, batch=128, rate=2e-3, weight_decay=0.2, warmup=60_000, flip=True, jitter=4, ema=0.999
    ),
)
def classifier_cifar10() -> Classifier:
    """A classifier of the ten classes of CIFAR-10; its 128 features measure distances between photographs."""
    return Classifier((3, 32, 32), classes=10, widths=(64, 256, 256, 128), halve="pool", dropout=0.1, mixed=0.5)
