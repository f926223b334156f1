"""Scores of a checkpoint: accuracy, likelihood, reconstruction error, distances from samples to real images.

`measure` picks the scores that apply to a checkpoint; `verify.check` measures those of a header again. Read first:
`intervals.py`, the confidence interval of every score, and `distances.py`, between sets of images in the features of a
judge (`judges.py`). The default judge is the classifier of the same data: such scores compare systems of this project,
and are not comparable with scores of Inception.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genstudio import catalog
from genstudio.checkpoint import Header
from genstudio.controls import Text, number
from genstudio.data import Pictures, load, named
from genstudio.data.pictures import relabel
from genstudio.model import Model, generates
from genstudio.models.autoencoder import Regression
from genstudio.precision import choose_device
from genstudio.registry import with_verbs
from genstudio.scores import conditional, efficientnet, samples, tokens
from genstudio.scores.codes import of_codes
from genstudio.scores.distances import (
    class_shares,
    frechet,
    inception_score,
    kernel_distance,
    nearest,
    nearness,
    precision,
    recall,
)
from genstudio.scores.intervals import Score, bootstrap, share
from genstudio.scores.judges import decisions, judge_of, network
from genstudio.scores.judges import judge as judge_of_classes
from genstudio.scores.likelihood import importance_scores, likelihood_scores
from genstudio.scores.network import BATCH, FeatureNetwork, in_batches, subset
from genstudio.scores.style_mixing import style_mixing
from genstudio.scores.translation import translation

SAMPLES = 2000
FEW = 2048  # with fewer images than Inception has features, the covariance is singular
SURE = 0.9  # probability of a class above which a judge is sure of a sample
COPIED = 0.7  # `nearness` below which a model is reported to memorize
NEAREST = "nearest training picture over held-out pictures'"


# Of a checkpoint ------------------------------------------------------------------------------------------------

Scores = Iterator[tuple[str, Score]]  # each with its name


def score(
    name: str, n: int = SAMPLES, data: str | None = None, device: str | None = None, features: str | None = None
) -> dict[str, dict]:
    """All of `measure`, as plain numbers for a header or JSON. The global random generators are left unchanged."""
    with torch.random.fork_rng():
        return {what: number.as_dict() for what, number in measure(name, n, data, device, features)}


def measure(
    name: str, n: int = SAMPLES, data: str | None = None, device: str | None = None, features: str | None = None,
    full: bool = False,
) -> Scores:  # fmt: skip
    """The scores that apply to a checkpoint, each with its name as soon as it is computed, in float32; models with
    a `sample` of their own are sampled in the device's best precision. Those of `MEASURES`, in their order.

    Each score from the shares of classes on names its judge: `features`, as in `judges.network`, else
    `classifier_<data>` or `judge_<data>`. Without a judge, nearest neighbours are found in pixels and the other scores
    are left out; translations are then judged by the first classifier for images of their size. `full` is that of
    `Subject`. Raises ValueError if
    n < 8, the data is not given, or the classes of model and data differ.
    """
    if n < 8:
        raise ValueError(f"scores need at least 8 samples, not {n}")
    model, header = catalog.load(catalog.locate(name))
    data = data or header.data
    if not named(data) and not (data and Path(data).exists()):
        learned = f"learned from {data!r}, which is no set by name" if data else "does not say what it learned from"
        raise ValueError(f"{name} {learned}: give the folder or zip as data")
    device = choose_device(device).device
    judged = generates(model) or hasattr(model, "tokenize")
    judge = judge_of(data, model.image_shape, features, device) if judged else None
    model.requires_grad_(False).to(device, memory_format=torch.channels_last)
    model.companions.to(device)
    subject = Subject(name, model, header, data, device, judge, features, n, full)
    for entry in MEASURES:
        if entry.applies(subject):
            yield from entry.scores(subject)


@dataclass
class Subject:
    """A loaded model, its data, and the judge of its samples, None without one."""

    name: str
    model: Model
    header: Header
    data: str
    device: torch.device
    judge: FeatureNetwork | None
    features: str | None
    n: int  # samples to draw
    full: bool = False  # likelihoods with all their importance samples, which takes hours

    @cached_property
    def test(self) -> Pictures:
        return pictures(self.data, "test", self.model.image_shape, **self.direction)

    @cached_property
    def held_out(self) -> Tensor:
        return self.test.images.to(self.device)

    @cached_property
    def training_set(self) -> Pictures:
        return pictures(self.data, "train", self.model.image_shape, **self.direction)

    @cached_property
    def training(self) -> Tensor:
        return self.training_set.images.to(self.device)

    @property
    def direction(self) -> dict[str, Any]:
        """Pairs that a translator learns from, and their direction."""
        if not self.model.pairing:
            return {}
        return {"pairing": self.model.pairing, "reverse": bool(self.header.recipe.get("reverse"))}

    def has(self, *methods: str) -> bool:
        return all(hasattr(self.model, method) for method in methods)


@dataclass(frozen=True)
class Measure:
    """Scores of the models that it applies to."""

    applies: Callable[[Subject], bool]
    scores: Callable[[Subject], Scores]


def accuracy(subject: Subject) -> Scores:
    """Accuracy of a classifier on all held-out images."""
    classes = subject.header.classes
    if not set(subject.test.classes) <= set(classes):
        raise ValueError(f"{subject.name} knows the classes {', '.join(classes)}, not those of {subject.data}")
    if subject.test.labels is None:
        raise ValueError(f"the pictures of {subject.data} have no classes to score {subject.name} on")
    labels = relabel(subject.test, classes).labels  # a fine-tuned model may have more classes, in another order
    labelled = labels >= 0
    predicted = in_batches(subject.model.classify, subject.held_out).argmax(1)
    yield "accuracy", share(predicted[labelled] == labels[labelled])


def attribute_accuracy(subject: Subject) -> Scores:
    """Accuracy of each attribute that a classifier predicts."""
    conditions = subject.test.renumbered(subject.model.attributes).conditions
    for attribute, hits in attribute_hits(subject.model, conditions, subject.held_out):
        if len(known := hits[~hits.isnan()]):
            yield f"accuracy of {attribute}", share(known)


def conditioned(subject: Subject) -> bool:
    known, judge = getattr(subject.model, "classes", 0) and generates(subject.model), subject.judge
    return bool(known and judge) and tuple(subject.header.classes) == judge.classes


def conditioning(subject: Subject) -> Scores:
    """Accuracy of the class conditioning over 1 000 samples, and their mean distance within a class, in pixels, over
    that of held-out images."""
    by = judge_of_classes(subject.data) if subject.features is None else None
    classifier = network(by, subject.device) if by else subject.judge
    drawn, labels = conditional.conditional_samples(subject.model, subject.model.class_names, subject.device)
    yield f"class obeyed ({classifier.name})", conditional.class_accuracy(drawn, labels, classifier)
    varied = conditional.intra_class_diversity(drawn, labels, subject.held_out, subject.test.labels)
    yield "variety within classes, of held-out pictures'", varied


def translated(subject: Subject) -> Scores:
    """L1, PSNR, ... of a translator on n held-out pairs: see `translation`."""
    shape, device = subject.model.image_shape, subject.device
    batch = subject.test.batch(subset(torch.arange(len(subject.test)), subject.n))
    judge = judge_of(subject.data, shape, subject.features, device) or substitute_judge(shape, device)
    if judge is None and efficientnet.installed():
        judge = network(efficientnet.NAME, device)
    training = pictures(subject.data, "train", shape)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield from translation(subject.model, batch, judge, training)


# In the order of the scores. Adding one: an entry here.
MEASURES = (
    Measure(lambda s: s.has("classify"), accuracy),
    Measure(lambda s: s.has("attribute_logits"), attribute_accuracy),
    Measure(lambda s: s.has("nats"), lambda s: likelihood_scores(s.model, s.held_out)),
    Measure(lambda s: s.has("log_weights"), lambda s: importance_scores(s.model, s.held_out, s.full)),
    Measure(conditioned, conditioning),
    Measure(lambda s: s.has("translate"), translated),
    Measure(lambda s: s.has("tokenize"), lambda s: tokens.reconstruction(s.model, s.judge, s.training, s.held_out)),
    Measure(lambda s: s.has("token_nats"), lambda s: tokens.likelihood(s.model, s.test, s.device)),
    Measure(
        lambda s: bool(getattr(s.model, "conditions", ())) and s.judge is not None and bool(s.judge.attributes),
        lambda s: tokens.obedience(s.model, s.judge, s.device),
    ),
    Measure(
        lambda s: s.has("encode") or isinstance(s.model, Regression),
        lambda s: of_codes(s.model, s.training_set, s.test, s.n, s.device),
    ),
    Measure(
        lambda s: generates(s.model),
        lambda s: sample_scores(generate(s.model, s.n, s.device), s.judge, s.training, s.held_out),
    ),
    Measure(
        lambda s: s.has("synthesize") and s.judge is not None and bool(s.judge.attributes),
        lambda s: style_mixing(s.model, s.judge, s.device),
    ),
)


def attribute_hits(model: Model, conditions: Mapping[str, Tensor], images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Correctness of each attribute that is labelled for some images: (n,), 1 correct, 0 wrong, NaN without a label."""
    for name in [name for name in model.attributes if name in conditions]:
        truth = conditions[name]
        logits = in_batches(lambda x, name=name: model.attribute_logits(x)[name], images)
        hits = (decisions(logits) == truth).float()
        yield name, hits if truth.dtype is torch.bool else hits.where(truth >= 0, math.nan)


def pictures(
    data: str, split: str, shape: tuple[int, int, int], pairing: str = "", reverse: bool = False
) -> Pictures:
    """A data set by name, cached per process; or a folder, which may change and is read each time."""
    options = dict(pairing=pairing, reverse=reverse)
    return _cached(data, split, shape, **options) if named(data) else load(data, split, shape, **options)


@lru_cache(maxsize=4)
def _cached(data: str, split: str, shape: tuple[int, int, int], pairing: str, reverse: bool) -> Pictures:
    return load(data, split, shape, pairing=pairing, reverse=reverse)


def substitute_judge(shape: tuple[int, int, int], device: torch.device) -> FeatureNetwork | None:
    """A classifier of other data with images of this shape, or None: its features see colours and edges, too."""
    available = catalog.available()
    judges = (network(system.name, device) for system in with_verbs("classify") if system.name in available)
    return next((judge for judge in judges if judge.shape == tuple(shape)), None)


def generate(model: Model, n: int, device: torch.device) -> Tensor:
    """Samples of seeds 0 to n - 1, (n, c, h, w) on the CPU."""

    draw = samples.generate if hasattr(model, "sample") else samples.sample_images
    with torch.no_grad():
        return torch.cat([draw(model, seeds, device) for seeds in torch.arange(n).split(BATCH)])


def sample_scores(samples: Tensor, judge: FeatureNetwork | None, training: Tensor, held_out: Tensor) -> Scores:
    """Scores of samples against held-out images, in features of the judge: shares of classes, precision and recall,
    Frechet and kernel distance, also over those of as many training images, Inception score, copies."""
    held_out = subset(held_out, len(samples))
    if judge:
        fake = judge(samples)
        yield from shares(samples, fake, judge)
        yield from feature_distances(fake, judge, training, held_out)
        if judge.logits:
            ours, best = (inception_score(judge.probabilities(x)) for x in (fake, judge(held_out)))
            yield f"inception score ({judge.name})", ours
            yield f"inception score over held-out pictures' ({judge.name})", ours.over(best.value)

    # Copies are found only among all training images; for a slow network they are compared in pixels.
    if judge and judge.quick:
        number, name = nearness(fake, judge(held_out), judge(training)), judge.name
    else:
        number, name = nearness(samples, held_out, training), "pixels"
    if number:
        yield f"{NEAREST} ({name})", number


def shares(samples: Tensor, fake: Tensor, judge: FeatureNetwork) -> Scores:
    """Share of each class among samples with features `fake`, and among the sure ones, of which the judge gives a class
    a probability over `SURE`; for a judge without classes, share of each binary attribute."""
    if judge.logits:
        probabilities, predicted = judge.probabilities(fake).max(1)
        for label, number in class_shares(predicted, judge.classes).items():
            yield f"share of {label} ({judge.name})", number
        sure = probabilities > SURE
        yield f"share of sure samples ({judge.name})", share(sure)
        if sure.any():
            for label, number in class_shares(predicted[sure], judge.classes).items():
                yield f"share of {label} among sure samples ({judge.name})", number
    elif judge.attributes:
        for name, values in judge.attributes(samples).items():
            if values.dtype is torch.bool:
                yield f"share with {name} ({judge.name})", share(values)


def feature_distances(fake: Tensor, judge: FeatureNetwork, training: Tensor, held_out: Tensor) -> Scores:
    """Distances from generated to held-out images, and their ratios to those from training to held-out images."""
    n = min(len(fake), len(held_out), len(training))  # equal sizes: distances between sets depend on them
    real, reference, fake = judge(held_out)[:n], judge(subset(training, n)), fake[:n]
    for name, found in (("precision", precision), ("recall", recall)):
        number = found(real, fake)
        yield f"{name} ({judge.name})", number
        yield f"{name} over training pictures' ({judge.name})", number.over(max(1e-9, found(real, reference).value))
    distance = bootstrap(frechet, fake, real)
    yield f"Frechet distance ({judge.name})", distance
    # The denominator is not bootstrapped: resampling would inflate so small a distance.
    yield f"Frechet distance over training pictures' ({judge.name})", distance.over(max(1e-9, frechet(reference, real)))
    distance = kernel_distance(fake, real)
    yield f"kernel distance ({judge.name})", distance
    # The denominator is unbiased and close to 0, maybe negative: the upper end of its interval is used.
    over = distance.over(max(1e-9, kernel_distance(reference, real).high))
    yield f"kernel distance over training pictures' ({judge.name})", over


# Interpretation -------------------------------------------------------------------------------------------------


def notes(found: Mapping[str, Score]) -> list[Text]:
    """Cautions before comparing scores: small samples, memorization."""
    cautions = []
    distances = ("Frechet distance (", "Frechet distance to the truth")
    few = [number.n for what, number in found.items() if what.startswith(distances) and number.n < FEW]
    if few:
        cautions.append(
            Text(
                f"A Frechet distance over fewer than {FEW} pictures, here {min(few)}, comes out too large: compare it "
                "only with others over as many, or take the kernel distance, which has no such bias.",
                f"Une distance de Fréchet sur moins de {FEW} images, ici {min(few)}, est surestimée : ne la comparez "
                "qu’à d’autres sur autant d’images, ou prenez la distance à noyau, qui n’a pas ce biais.",
            )
        )
    close = [score.value for what, score in found.items() if what.startswith(NEAREST) and score.value < COPIED]
    if close:
        cautions.append(
            Text(
                "Generated pictures lie much nearer to training pictures than held-out ones do, at "
                f"{min(close):.2f} of their distance: the model may have learned some by heart.",
                "Les images produites sont bien plus proches de celles de l’entraînement que ne le sont des images "
                f"inédites, à {number(min(close), '.2f', 'fr')} de leur distance : le modèle en a peut-être appris par "
                "cœur.",
            )
        )
    return cautions


class Neighbours(NamedTuple):
    """The k training images nearest to each of n images, the nearest first."""

    indices: Tensor  # (n, k), in the training set
    distances: Tensor  # (n, k)
    pictures: Tensor  # uint8 (n, k, c, h, w)
    judge: str  # name of the judge, or "pixels"


def nearest_training(
    images: Tensor, data: str, k: int = 6, device: str = "cpu", features: str | None = None
) -> Neighbours:
    """Nearest training images of images (n, c, h, w), uint8 or in [-1, 1], to find memorized ones."""
    training = pictures(data, "train", tuple(images.shape[1:])).images
    judge = judge_of(data, tuple(images.shape[1:]), features, torch.device(device))
    quick = judge is not None and judge.quick
    indices, distances = nearest(judge(images), judge(training), k) if quick else nearest(images, training, k)
    return Neighbours(indices, distances, training[indices], judge.name if quick else "pixels")
