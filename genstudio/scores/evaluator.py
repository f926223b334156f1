"""Evaluation during training: one score to compare over a run.

`measure.py` scores a finished checkpoint; an `Evaluation` is computed every few minutes of a training, within seconds.
It uses the same measures on fewer images, always the same seeds and the same real images: evaluations of one run
compare better with each other than their intervals say, and with nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from genstudio.controls import Text, controls
from genstudio.data import Pictures
from genstudio.images import from_uint8
from genstudio.model import Batch, Model, generates
from genstudio.models.fitted_prior import FittedPrior
from genstudio.precision import best_precision
from genstudio.scores.codes import squared_error
from genstudio.scores.distances import kernel_distance, nearest
from genstudio.scores.evaluation import Evaluation
from genstudio.scores.intervals import Score, average, bootstrap, share
from genstudio.scores.measure import attribute_hits, judge_of, subset, substitute_judge
from genstudio.scores.network import FeatureNetwork, in_batches
from genstudio.scores.samples import generate, sample_images
from genstudio.scores.segmentation import confusion, mean_iou
from genstudio.scores.translation import absolute_error, directions, translated

SAMPLES = 256  # per evaluation
SLOW_SAMPLES, STEPS = 48, 20  # of a slow model: 9 s for ddpm_avatars on one core; a VAE takes 1 s
TRANSLATED = 100  # held-out pairs
REAL = 1000  # held-out images to compare with
READ = 2000  # training images searched for copies: a classifier reads about a thousand a second
FEWEST = 50  # held-out images: a distance to fewer is mostly chance, and training images serve instead
POOLED = 8  # side in pixels of the features without a judge


class Evaluator:
    """Evaluator of one run, which keeps what it needs of the real images. Its score is the first of `METHODS` that
    applies to the model.

    reason: the sentence that says why the model cannot be scored, or None.
    """

    def __init__(self, model: Model, training: Pictures, held_out: Batch | None, device: torch.device):
        enough = held_out is not None and len(held_out) >= FEWEST
        real = held_out[:REAL] if enough else subset_of(training)
        self.reference = Reference(training, held_out, enough, real.to("cpu"), device)
        self.reason: Text | None = None
        method = next((method for method in METHODS if method.applies(model, training)), None)
        if method is None:
            self.reason = Text(
                "This model does nothing that can be scored.",
                "Ce modèle ne fait rien qui puisse être noté.",
            )
        elif len(real) < 8:
            self.reason = Text(
                f"There are only {len(real)} pictures: too few to score a model with.",
                f"Il n’y a que {len(real)} images : trop peu pour noter un modèle.",
            )
        else:
            try:
                self.method = method(model, self.reference)
            except CannotScore as error:
                self.reason = error.reason

    def evaluate(self, model: Model, step: int, images: int = 0) -> Evaluation | None:
        """Score weights as they would be saved: after `finalize.finish`, with batch norm statistics and fitted prior.

        The global random generators and the model's training mode are restored. None without a score; raises
        FloatingPointError if the model has diverged.
        """
        if self.reason:
            return None
        with preserved_state(model):
            model.eval()
            scores = self.method.score(model)
        if not math.isfinite(scores["distance"].value):
            raise FloatingPointError(f"training diverged by step {step}: what the model makes is not finite")
        return Evaluation(step, images, self.method.what, held_out=self.reference.held_out_enough, **scores)


@dataclass
class Reference:
    """The real images of an evaluation."""

    training: Pictures
    held_out: Batch | None
    held_out_enough: bool  # False: compared with training images, as too few are held out
    real: Batch  # on the CPU
    device: torch.device

    def run(self, method: Callable[[Tensor], Tensor]) -> Tensor:
        """method(images) of the real images, in batches, on the CPU."""
        with best_precision(self.device).autocast():
            return in_batches(lambda x: method(x.to(self.device)), self.real.images)


class CannotScore(Exception):
    def __init__(self, reason: Text):
        super().__init__(reason.en)
        self.reason = reason


# Methods: one for each kind of model ----------------------------------------------------------------------------


class Method:
    """A score of the models that it applies to. Raises CannotScore for data that it cannot be measured on."""

    what: ClassVar[str]  # one of `evaluation.METRICS`

    def __init__(self, model: Model, reference: Reference):
        self.reference = reference

    @staticmethod
    def applies(model: Model, training: Pictures) -> bool:
        raise NotImplementedError

    def score(self, model: Model) -> dict[str, Any]:
        """Fields of an `Evaluation`."""
        raise NotImplementedError


class Accuracy(Method):
    """Accuracy of a classifier."""

    what = "accuracy"

    def __init__(self, model: Model, reference: Reference):
        super().__init__(model, reference)
        if reference.real.labels is None:
            raise CannotScore(
                Text("The pictures have no classes to be told apart.", "Les images n’ont pas de classes à distinguer.")
            )

    @staticmethod
    def applies(model: Model, training: Pictures) -> bool:
        return hasattr(model, "classify")

    def score(self, model: Model) -> dict[str, Any]:
        return {"distance": share(self.reference.run(model.classify).argmax(1) == self.reference.real.labels)}


class AttributeAccuracy(Method):
    """Mean accuracy of a classifier of attributes, over those that are labelled."""

    what = "accuracy"

    def __init__(self, model: Model, reference: Reference):
        super().__init__(model, reference)
        if not model.attributes.keys() & reference.real.conditions.keys():
            raise CannotScore(
                Text(
                    "The pictures have none of the attributes that this model tells.",
                    "Les images n’ont aucun des attributs que ce modèle reconnaît.",
                )
            )

    @staticmethod
    def applies(model: Model, training: Pictures) -> bool:
        return hasattr(model, "attribute_logits")

    def score(self, model: Model) -> dict[str, Any]:
        real, device = self.reference.real, self.reference.device
        with best_precision(device).autocast():
            hits = [hits for _, hits in attribute_hits(model, real.conditions, real.images.to(device))]
        means = torch.stack(hits).nanmean(0)
        return {"distance": average(means[~means.isnan()])}  # an image may have no known attribute


class PairedTranslation(Method):
    """L1 of a translator trained on pairs."""

    what = "L1"

    def __init__(self, model: Model, reference: Reference):
        super().__init__(model, reference)
        try:
            with preserved_state(model):  # a denoiser adds noise
                self.directions = directions(model, reference.real[:TRANSLATED])
        except ValueError:
            raise CannotScore(
                Text(
                    "A translation is scored on pairs, and these pictures have none.",
                    "Une traduction se note sur des paires, et ces images n’en ont pas.",
                )
            ) from None

    @staticmethod
    def applies(model: Model, training: Pictures) -> bool:
        return hasattr(model, "translate") and training.paired

    def translated(self, model: Model) -> list[tuple[Tensor, Tensor]]:
        """Translations with the truth, of each direction."""
        with best_precision(self.reference.device).autocast():
            return [(translated(model, way.sources, **way.controls), way.truth) for way in self.directions]

    def score(self, model: Model) -> dict[str, Any]:
        return {"distance": average(torch.cat([absolute_error(*pair) for pair in self.translated(model)]))}


class Segmentation(PairedTranslation):
    """Mean IoU of drawn label pictures: L1 of their colours would say nothing."""

    what = "mean IoU"

    @staticmethod
    def applies(model: Model, training: Pictures) -> bool:
        return getattr(model, "target_palette", None) is not None and training.paired

    def score(self, model: Model) -> dict[str, Any]:
        [classes] = [[model.target_palette.nearest(images) for images in pair] for pair in self.translated(model)]
        return {"distance": bootstrap(mean_iou, confusion(*classes, len(model.target_palette)))}


class UnpairedTranslation(PairedTranslation):
    """Kernel distance of translations, over both directions: the L1 is best if nothing is changed."""

    what = "kernel distance"

    def __init__(self, model: Model, reference: Reference):
        super().__init__(model, reference)
        self.features = Features(reference)

    @staticmethod
    def applies(model: Model, training: Pictures) -> bool:
        return hasattr(model, "translate") and not training.paired

    def score(self, model: Model) -> dict[str, Any]:
        read = self.features.read
        distances = [kernel_distance(read(ours), read(truth)) for ours, truth in self.translated(model)]
        *mean, _ = (sum(values) / len(distances) for values in zip(*distances, strict=True))
        return {"judge": self.features.judge.name, "distance": Score(*mean, distances[0].n)}


class Reconstruction(Method):
    """Squared error of a tokenizer, or of an auto-encoder without a learned prior: these do not learn to generate."""

    what = "squared error"

    @staticmethod
    def applies(model: Model, training: Pictures) -> bool:
        if hasattr(model, "tokenize"):
            return True
        prior_comes_after = isinstance(model, FittedPrior) and not hasattr(model, "nats")
        return hasattr(model, "encode") and hasattr(model, "decode") and (prior_comes_after or not generates(model))

    def score(self, model: Model) -> dict[str, Any]:
        if hasattr(model, "tokenize"):
            errors = self.reference.run(lambda x: squared_error(x, model.detokenize(model.tokenize(x))))
        else:
            errors = self.reference.run(lambda x: squared_error(x, model.decode(model.encode(x))))
        return {"distance": average(errors)}


class Samples(Method):
    """Kernel distance from samples to real images, in features of the data's classifier, else of one for images of this
    shape, else in a few pixels; also variety and copies."""

    what = "kernel distance"

    def __init__(self, model: Model, reference: Reference):
        super().__init__(model, reference)
        self.features = Features(reference)
        reference.real = None  # its features are enough

    @staticmethod
    def applies(model: Model, training: Pictures) -> bool:
        return generates(model)

    def score(self, model: Model) -> dict[str, Any]:
        features = self.features
        return {"judge": features.judge.name} | features.compare(features.read(self.draw(model)))

    def draw(self, model: Model) -> Tensor:
        """Samples (n, c, h, w) of the first seeds, on the CPU."""
        device = self.reference.device
        if model.slow:
            known = controls(model.sample)
            # Without guidance, which trades variety for fidelity: the learned distribution is evaluated.
            settings = {name: value for name, value in (("steps", STEPS), ("guidance", 1.0)) if name in known}
            return generate(model, torch.arange(SLOW_SAMPLES), device, **settings)

        with best_precision(device).autocast():
            return torch.cat([sample_images(model, seeds, device) for seeds in torch.arange(SAMPLES).split(100)])


# The first that applies. Another score is an entry here, and its title in `evaluation.METRICS`.
METHODS: tuple[type[Method], ...] = (
    Accuracy, AttributeAccuracy, Segmentation, PairedTranslation, UnpairedTranslation, Reconstruction, Samples,
)  # fmt: skip


class Features:
    """Features of the real images, and their distances to the training images."""

    def __init__(self, reference: Reference):
        training, held_out, device = reference.training, reference.held_out, reference.device
        self.device = device
        self.judge = judge_of(training.name, training.shape, None, device) or substitute_judge(training.shape, device)
        self.judge = self.judge or pixels(device)
        self.real = self.read(reference.real.images)
        self.mean_distance = max(mean_distance(self.real), 1e-12)
        self.training = self.read(subset(training.images, READ))
        self.part = len(self.training) / len(training)
        self.to_training = None  # distance of held-out images to the nearest training image
        if held_out is not None and len(held_out) >= 8:
            shown = self.real if reference.held_out_enough else self.read(held_out.images)
            self.to_training = self.distance_to_training(shown)

    def read(self, images: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):  # the caller may have enabled it
            return self.judge.read(images)

    def compare(self, fake: Tensor) -> dict[str, Any]:
        """Distance, variety and copies of features of samples, as fields of an `Evaluation`."""
        n = min(len(fake), len(self.real))  # equal sizes: a distance between sets depends on them
        scores = {
            "distance": kernel_distance(fake[:n], self.real[:n]),
            "variety": mean_distance(fake) / self.mean_distance,
        }
        if self.to_training:
            scores["copied"] = self.distance_to_training(fake) / self.to_training
        return scores

    def distance_to_training(self, points: Tensor) -> float:
        """Median distance to the nearest training image. If only a part of these is searched, only that part of all
        copies finds its original: the median of those, a lower quantile, is returned."""
        return nearest(points, self.training)[1][:, 0].quantile(self.part / 2).item()


def subset_of(training: Pictures) -> Batch:
    """Training images in place of held-out ones; unpaired sources and targets are cut to equal length."""
    batch = training.batch(subset(torch.arange(len(training)), REAL))
    if training.sources is None or training.paired:
        return batch
    sources = from_uint8(subset(training.sources, REAL))
    return replace(batch[: len(sources)], sources=sources[: len(batch)])


def mean_distance(points: Tensor) -> float:
    """Mean pairwise distance of the first `SAMPLES` points (n, d)."""
    return torch.pdist(points[:SAMPLES]).mean().item()


def pixels(device: torch.device) -> FeatureNetwork:
    """Average-pooled pixels as features, for images without a judge: colours and large shapes."""

    def pooled(images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images, POOLED).flatten(1)

    return FeatureNetwork("pixels", device, pooled, logits=lambda features: features[:, :0])


@contextmanager
def preserved_state(model: Model) -> Iterator[None]:
    """Context with a fixed random seed and no gradients; random generators and training modes are restored after it."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            yield
    finally:
        for module, mode in modes:
            module.training = mode
