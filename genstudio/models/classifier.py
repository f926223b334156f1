"""Small classifiers. They generate nothing: they judge what the others generate, and their features measure distances."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from genstudio.model import Batch, Model, Text
from genstudio.system import Recipe, system


class Classifier(Model):
    """Pairs of 3x3 convolutions with batch norm, each pair at half the size of the one before."""

    def __init__(self, image_shape: tuple[int, int, int], classes: int, widths: tuple[int, ...], dropout: float = 0.3):
        super().__init__()
        self.image_shape, self.classes = image_shape, classes
        channels, layers = image_shape[0], []
        for i, width in enumerate(widths):
            for stride in (2 if i else 1, 1):
                layers += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())  # (n, widths[-1])
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, classes)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees, (n, widths[-1]): pictures that look alike lie near each other."""
        return self.body(images)

    def classify(self, images: Tensor) -> Tensor:
        """Logits (n, classes)."""
        return self.head(self.dropout(self.features(images)))

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        logits = self.classify(batch.images).float()
        right = (logits.detach().argmax(1) == batch.labels).float().mean()
        yield "model", {"cross entropy": cross_entropy(logits, batch.labels, label_smoothing=0.05), "accuracy": right}


@system(
    title=Text("Classifier · handwritten digits · 28 px", "Classifieur · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=500_000, batch=128, rate=2e-3, weight_decay=0.02, warmup=20_000, jitter=2, ema=0.998),
)
def classifier_mnist() -> Classifier:
    """Reads digits; its 128 features measure how far generated digits are from real ones."""
    return Classifier((1, 28, 28), classes=10, widths=(32, 64, 128))


@system(
    title=Text("Classifier · cartoon faces · 64 px", "Classifieur · visages dessinés · 64 px"),
    data="avatars",
    recipe=Recipe(images=130_000, batch=64, rate=2e-3, weight_decay=0.02, warmup=5_000, flip=True, jitter=2, ema=0.998),
)
def classifier_avatars() -> Classifier:
    """Tells the eight drawing styles apart; its 128 features measure how far generated faces are from real ones."""
    return Classifier((3, 64, 64), classes=8, widths=(16, 32, 64, 128))
