"""Small classifiers. They generate nothing: they judge what the others generate, and their features measure distances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from genstudio.controls import Text
from genstudio.model import Batch, Model
from genstudio.system import Recipe, system


class Classifier(Model):
    """Pairs of 3x3 convolutions with batch norm, each pair at half the size of the one before.

    `halve` says how: the pair's first convolution strides, from the second pair on, and costs a quarter; or every pair
    takes the largest of four after it, which reads photographs better.

    `attributes` are answered beside the class, yes or no: a picture has glasses whatever its drawing style. `mixed` is the
    share of batches in which a box of each picture comes from another one, and its class in part too: CutMix (Yun et
    al. 2019, arXiv:1905.04899), against learning a small set by heart. `blended` is that in which all pixels are a mean of
    two pictures': mixup (Zhang et al. 2018, arXiv:1710.09412). Such a classifier is sure of nothing that is half of each.
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
            self.trait_head = nn.Linear(widths[-1], len(attributes))

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees, (n, widths[-1]): pictures that look alike lie near each other."""
        return self.body(images)

    def classify(self, images: Tensor) -> Tensor:
        """Logits (n, classes)."""
        return self.head(self.dropout(self.features(images)))

    def attribute_logits(self, images: Tensor) -> dict[str, Tensor]:
        """The logit (n,) of each attribute: above 0 where the picture has it."""
        logits = self.trait_head(self.features(images)) if self.attributes else torch.empty(len(images), 0)
        return dict(zip(self.attributes, logits.unbind(1), strict=True))

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        images, wanted = batch.images, one_hot(batch.labels, self.classes).float()
        if torch.rand(()) < self.mixed:
            images, wanted = cut_mix(images, wanted)
        if self.blended and torch.rand(()) < self.blended:
            images, wanted = blend(images, wanted)
        features = self.dropout(self.features(images))
        logits = self.head(features).float()
        right = (logits.detach().argmax(1) == wanted.argmax(1)).float().mean()
        terms = {"cross entropy": cross_entropy(logits, wanted, label_smoothing=0.05), "accuracy": right}
        for i, name in enumerate(self.attributes):
            if (has := batch.conditions.get(name)) is not None:
                terms[name] = binary_cross_entropy_with_logits(self.trait_head(features)[:, i].float(), has.float())
        yield "model", terms


class AttributeClassifier(Model):
    """A classifier of attributes that have nothing to do with each other: a linear layer each on the same features.

    attributes: the values that each may have, by name; none for an attribute that a picture has or has not.
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
        """Of each attribute (n, values); of one without values (n,), above 0 where the picture has it."""
        return self._logits(self.features(images))

    def _logits(self, features: Tensor) -> dict[str, Tensor]:
        logits = {name: head(features).float() for name, head in self.heads.items()}
        return {name: value if self.attributes[name] else value.squeeze(1) for name, value in logits.items()}

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Cross entropies, of an attribute with values over the pictures of which its value is known."""
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
    """Pairs of 3x3 convolutions, a pair for each width, and the mean over all pixels: (n, widths[-1])."""
    layers: list[nn.Module] = []
    for i, width in enumerate(widths):
        for first in (True, False):
            stride = 2 if first and i and halve == "stride" else 1
            layers += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if first and halve == "pool" else []
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def cut_mix(images: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (n, c, h, w), each with a box of the next one, and what is wanted (n, classes) mixed by area."""
    height, width = images.shape[2:]
    side = (1 - torch.rand(()).item()) ** 0.5  # of the box: the kept area is uniform in [0, 1]
    y, x = (int(torch.randint(size, ())) for size in (height, width))
    tall, wide = round(side * height / 2), round(side * width / 2)
    rows, columns = slice(max(0, y - tall), y + tall), slice(max(0, x - wide), x + wide)
    mixed = images.clone()
    mixed[:, :, rows, columns] = images.roll(1, 0)[:, :, rows, columns]
    cut = mixed[0, 0, rows, columns].numel() / (height * width)
    return mixed, (1 - cut) * wanted + cut * wanted.roll(1, 0)


def blend(images: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (n, c, h, w), each with the next one shining through, and what is wanted (n, classes) in the same shares."""
    share = torch.rand(len(images), device=images.device)
    images = torch.lerp(images, images.roll(1, 0), share[:, None, None, None])
    return images, torch.lerp(wanted, wanted.roll(1, 0), share[:, None])


@system(
    title=Text("Classifier · handwritten digits · 28 px", "Classifieur · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=500_000, batch=128, rate=2e-3, weight_decay=0.02, warmup=20_000, jitter=2, ema=0.998),
)
def classifier_mnist() -> Classifier:
    """Reads digits; its 128 features measure how far generated digits are from real ones."""
    return Classifier((1, 28, 28), classes=10, widths=(32, 64, 128))


@system(
    title=Text("Judge · handwritten digits · 28 px", "Juge · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=300_000, batch=128, rate=2e-3, weight_decay=0.02, warmup=20_000, jitter=2, ema=0.998),
)
def judge_mnist() -> Classifier:
    """Reads digits, and is sure of none that is half of two: it says whether a model drew the digit that was asked for."""
    return Classifier((1, 28, 28), classes=10, widths=(24, 48, 96), blended=0.7)


@system(
    title=Text("Classifier · cartoon faces · 64 px", "Classifieur · visages dessinés · 64 px"),
    data="avatars",
    recipe=Recipe(images=360_000, batch=64, rate=2e-3, weight_decay=0.02, warmup=5_000, flip=True, jitter=2, ema=0.998),
)
def classifier_avatars() -> Classifier:
    """Tells the eight drawing styles apart, and sees glasses; its 128 features measure how far faces are from real ones."""
    return Classifier((3, 64, 64), classes=8, widths=(16, 32, 64, 128), attributes=("glasses",))


# The values that occur in the set `faces`, whose drawing style is avataaars.
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
    """Sees glasses, beards, head coverings, hair colours and mouths; its 128 features measure how far faces are from real ones."""
    return AttributeClassifier((3, 64, 64), FACE_ATTRIBUTES, widths=(16, 32, 64, 128))


@system(
    title=Text("Classifier · small photographs · 32 px", "Classifieur · petites photographies · 32 px"),
    data="cifar10",
    recipe=Recipe(images=1_200_000, batch=128, rate=2e-3, weight_decay=0.2, warmup=60_000, flip=True, jitter=4, ema=0.999),
)
def classifier_cifar10() -> Classifier:
    """Names the ten kinds of CIFAR-10; its 128 features measure how far generated photographs are from real ones."""
    return Classifier((3, 32, 32), classes=10, widths=(64, 256, 256, 128), halve="pool", dropout=0.1, mixed=0.5)
