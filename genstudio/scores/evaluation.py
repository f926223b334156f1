"""Evaluation during training: one score to compare over a run, and warnings about what goes wrong.

`measure.py` scores a finished checkpoint; an `Evaluation` is computed every few minutes of a training, within seconds.
It uses the same measures on fewer images, always the same seeds and the same real images: evaluations of one run compare
better with each other than their intervals say, and with nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from genstudio.controls import Text, controls, number
from genstudio.data import Pictures
from genstudio.images import from_uint8
from genstudio.model import Batch, Model, Noise, generates, sample, samples_iteratively, verbs
from genstudio.models.fitted_prior import FittedPrior
from genstudio.precision import best_precision
from genstudio.scores.diffusion import generate
from genstudio.scores.distances import kernel_distance, nearest
from genstudio.scores.intervals import Score, average, read_score, share
from genstudio.scores.measure import COPIED, attribute_hits, judge_of, squared_error, subset, substitute_judge
from genstudio.scores.network import FeatureNetwork, in_batches
from genstudio.scores.translation import absolute_error, directions, translated

SAMPLES = 256  # per evaluation
SAMPLES_IN_STEPS, STEPS = 48, 20  # for a diffusion model: 9 s for ddpm_avatars on one core; a VAE takes 1 s
TRANSLATED = 100  # held-out pairs
REAL = 1000  # held-out images to compare with
READ = 2000  # training images searched for copies: a classifier reads about a thousand a second
FEWEST = 50  # held-out images: a distance to fewer is mostly chance, and training images serve instead
POOLED = 8  # side in pixels of the features without a judge


class Metric(NamedTuple):
    """A score that an evaluation may report."""

    title: Text
    lower: bool = True  # lower is better


METRICS = {
    "kernel distance": Metric(Text("kernel distance to real pictures", "distance à noyau aux images réelles")),
    "L1": Metric(Text("L1 to the true pictures", "L1 aux vraies images")),
    "squared error": Metric(Text("squared error of what is drawn again", "erreur quadratique de ce qui est redessiné")),
    "accuracy": Metric(Text("accuracy", "taux de réussite"), lower=False),
}


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a model at one step of its training."""

    step: int
    images: int  # trained on so far
    what: str  # one of `METRICS`
    distance: Score
    judge: str = ""  # network of the features, or "pixels"; empty without features
    held_out: bool = True  # False: compared with training images, as too few are held out
    variety: float | None = None  # mean pairwise distance of samples over that of real images: 1 equal, 0 mode collapse
    copied: float | None = None  # distance to the nearest training image over held-out images': near 0, memorization

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"distance": self.distance.as_dict()}

    @staticmethod
    def from_dict(said: Mapping[str, Any]) -> Evaluation:
        """Read a line of a run's record. Raises ValueError if it is malformed."""
        if (distance := read_score(said.get("distance"))) is None or said.get("what") not in METRICS:
            raise ValueError(f"no evaluation: {str(said)[:80]}")
        return Evaluation(**{**said, "distance": distance})


# Evaluation -----------------------------------------------------------------------------------------------------


class Evaluator:
    """Evaluator of one run, which keeps the real images and their features.

    kernel distance   from samples to real images, in features of the data's classifier, else of one for images of this
                      shape, else in a few pixels; also variety and copies
    L1                of a translator trained on pairs. One trained on unpaired images has a kernel distance: its L1 is
                      best if it changes nothing
    squared error     of an auto-encoder without a learned prior: it is not trained to generate
    accuracy          of a classifier

    reason: the sentence that says why the model cannot be scored, or None.
    """

    def __init__(self, model: Model, training: Pictures, held_out: Batch | None, device: torch.device):
        self.device, self.reason, self.judge = device, None, None
        self.held_out = held_out is not None and len(held_out) >= FEWEST
        real = held_out[:REAL] if self.held_out else subset_of(training)
        self.real = real.to("cpu")  # released where its features are enough
        self.what = score_of(model, training)
        if self.what is None:
            self.reason = Text(
                "This model does nothing that can be scored.",
                "Ce modèle ne fait rien qui puisse être noté.",
            )
        elif len(real) < 8:
            self.reason = Text(
                f"There are only {len(real)} pictures: too few to score a model with.",
                f"Il n’y a que {len(real)} images : trop peu pour noter un modèle.",
            )
        elif "classify" in verbs(model) and real.labels is None:
            self.reason = Text(
                "The pictures have no classes to be told apart.",
                "Les images n’ont pas de classes à distinguer.",
            )
        elif (
            self.what == "accuracy"
            and "classify" not in verbs(model)
            and not model.attributes.keys() & real.conditions.keys()
        ):
            self.reason = Text(
                "The pictures have none of the attributes that this model tells.",
                "Les images n’ont aucun des attributs que ce modèle reconnaît.",
            )
        elif "translate" in verbs(model):
            try:
                with preserved_state(model):  # a denoiser adds noise
                    self.directions = directions(model, self.real[:TRANSLATED])
            except ValueError:
                self.reason = Text(
                    "A translation is scored on pairs, and these pictures have none.",
                    "Une traduction se note sur des paires, et ces images n’en ont pas.",
                )
        if self.what == "kernel distance" and not self.reason:
            self._prepare_features(training, held_out)

    def evaluate(self, model: Model, step: int, images: int = 0) -> Evaluation | None:
        """Score weights as they would be saved: after `finalize.finish`, with batch norm statistics and fitted prior.

        The global random generators and the model's training mode are restored. None without a score; raises
        FloatingPointError if the model has diverged.
        """
        if self.reason:
            return None
        with preserved_state(model):
            model.eval()
            scores = self._score(model)
        if not math.isfinite(scores["distance"].value):
            raise FloatingPointError(f"training diverged by step {step}: what the model makes is not finite")
        return Evaluation(step, images, self.what, held_out=self.held_out, **scores)

    def _score(self, model: Model) -> dict[str, Any]:
        if self.what == "accuracy" and "classify" not in verbs(model):
            with best_precision(self.device).autocast():
                images = self.real.images.to(self.device)
                hits = [hits for _, hits in attribute_hits(model, self.real.conditions, images)]
            return {"distance": average(torch.stack(hits).nanmean(0))}
        if self.what == "accuracy":
            return {"distance": share(self._run(model.classify).argmax(1) == self.real.labels)}
        if self.what == "squared error":
            return {"distance": average(self._run(lambda x: squared_error(x, model.decode(model.encode(x)))))}
        if "translate" not in verbs(model):
            return {"judge": self.judge.name} | self._compare(self._features(self._draw(model)))
        with best_precision(self.device).autocast():
            made = [(translated(model, way.sources, **way.controls), way.truth) for way in self.directions]
        if self.what == "L1":
            return {"distance": average(torch.cat([absolute_error(*pair) for pair in made]))}
        distances = [kernel_distance(self._features(ours), self._features(truth)) for ours, truth in made]
        *mean, _ = (sum(values) / len(distances) for values in zip(*distances, strict=True))  # over both directions
        return {"judge": self.judge.name, "distance": Score(*mean, distances[0].n)}

    def _compare(self, fake: Tensor) -> dict[str, Any]:
        n = min(len(fake), len(self.features))  # equal sizes: a distance between sets depends on them
        scores = {
            "distance": kernel_distance(fake[:n], self.features[:n]),
            "variety": mean_distance(fake) / self.mean_distance,
        }
        if self.to_training:
            scores["copied"] = self._to_training(fake) / self.to_training
        return scores

    def _prepare_features(self, training: Pictures, held_out: Batch | None) -> None:
        """Features of the real images, and their distances to the training images."""
        self.judge = judge_of(training.name, training.shape, None, self.device) or substitute_judge(
            training.shape, self.device
        )
        self.judge = self.judge or pixels(self.device)
        self.features = self._features(self.real.images)
        self.mean_distance = max(mean_distance(self.features), 1e-12)
        self.training = self._features(subset(training.images, READ))
        self.part = len(self.training) / len(training)
        self.to_training = None  # distance of held-out images to the nearest training image
        if held_out is not None and len(held_out) >= 8:
            self.to_training = self._to_training(self.features if self.held_out else self._features(held_out.images))
        self.real = None

    def _to_training(self, points: Tensor) -> float:
        """Median distance to the nearest training image. If only a part of these is searched, only that part of all
        copies finds its original: the median of those, a lower quantile, is returned."""
        return nearest(points, self.training)[1][:, 0].quantile(self.part / 2).item()

    def _features(self, images: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):  # the caller may have enabled it
            return self.judge.read(images)

    def _run(self, verb: Callable[[Tensor], Tensor]) -> Tensor:
        with best_precision(self.device).autocast():
            return in_batches(lambda x: verb(x.to(self.device)), self.real.images)

    def _draw(self, model: Model) -> Tensor:
        """Samples (n, c, h, w) of the first seeds, on the CPU."""
        if samples_iteratively(model):
            known = controls(model.sample)
            # Without guidance, which trades variety for fidelity: the learned distribution is evaluated.
            settings = {name: value for name, value in (("steps", STEPS), ("guidance", 1.0)) if name in known}
            return generate(model, torch.arange(SAMPLES_IN_STEPS), self.device, **settings)

        def of(seeds: Tensor) -> Tensor:
            *_, frame = sample(model, Noise(seeds.tolist(), self.device))
            return frame.images.float().clamp(-1, 1).cpu()

        with best_precision(self.device).autocast():
            return torch.cat([of(seeds) for seeds in torch.arange(SAMPLES).split(100)])


def score_of(model: Model, training: Pictures) -> str | None:
    """The key in `METRICS` of the score for a model, or None."""
    can = verbs(model)
    if "classify" in can or hasattr(model, "attribute_logits"):
        return "accuracy"
    if "translate" in can:
        return "L1" if training.paired else "kernel distance"
    prior_comes_after = isinstance(model, FittedPrior) and not hasattr(model, "elbo")
    if {"encode", "decode"} <= set(can) and (prior_comes_after or not generates(model)):
        return "squared error"
    return "kernel distance" if generates(model) else None


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


# Warnings -------------------------------------------------------------------------------------------------------

LITTLE_VARIETY = 0.5  # relative to real images: blur alone, as a good VAE's, costs less
FALLEN = 0.7  # relative to its maximum: variety of a few dozen samples is known to about 5 %
RISING = 1.1  # early in training variety is small, but grows by this factor over `SETTLED` evaluations
SETTLED = 3
REPORTS = 20  # over which the critic's (discriminator's) outputs are averaged: a good minute may be luck
SURE = 0.95  # for real images, and 0.05 for generated ones: its gradients then vanish
ENOUGH = 6  # evaluations before a run may be called without progress


def best(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """The evaluation with the best score, among those comparable with the last; the earliest of equals."""
    comparable = [c for c in evaluations if _measure(c) == _measure(evaluations[-1])]
    sign = 1 if not comparable or METRICS[comparable[0].what].lower else -1
    return min(comparable, key=lambda c: sign * c.distance.value, default=None)


def _measure(evaluation: Evaluation) -> tuple[str, str, bool]:
    return evaluation.what, evaluation.judge, evaluation.held_out


def warnings(evaluations: Sequence[Evaluation], terms: Sequence[Mapping[str, float]]) -> list[Text]:
    """Problems of a run and their remedies, from its evaluations and the loss terms of its reports.

    Little variety, a critic that wins (0.5 for both is balanced), memorization, no progress.
    """
    found = [_little_variety(evaluations), _critic_wins(terms), _copies(evaluations), _no_progress(evaluations)]
    return [text for text in found if text]


def _little_variety(evaluations: Sequence[Evaluation]) -> Text | None:
    varieties = [c.variety for c in evaluations if c.variety is not None]
    if not varieties:
        return None
    now, most = varieties[-1], min(1.0, max(varieties))
    settled = len(varieties) >= SETTLED and now <= RISING * min(varieties[-SETTLED:])
    if now < FALLEN * most:
        return Text(
            f"Variety has fallen to {now:.2f} of real pictures', from {most:.2f}: the pictures grow alike. Go back to "
            "the best weights, and go on at half the learning rate.",
            f"La variété est tombée à {number(now, '.2f', 'fr')} de celle des images réelles, contre {number(most, '.2f', 'fr')} : les images "
            "se ressemblent de plus en plus. Revenez aux meilleurs poids, et divisez le taux d’apprentissage par deux.",
        )
    if now < LITTLE_VARIETY and settled:
        return Text(
            f"Variety stays at {now:.2f} of real pictures': the model makes few kinds of picture. Start again with "
            "another seed, or at half the learning rate.",
            f"La variété reste à {number(now, '.2f', 'fr')} de celle des images réelles : le modèle fait peu de sortes d’images. "
            "Recommencez avec une autre graine, ou divisez le taux d’apprentissage par deux.",
        )
    return None


def _critic_wins(terms: Sequence[Mapping[str, float]]) -> Text | None:
    outputs = [(t["D(real)"], t["D(fake)"]) for t in terms[-REPORTS:] if {"D(real)", "D(fake)"} <= t.keys()]
    if len(outputs) < REPORTS:
        return None
    real, fake = (sum(values) / REPORTS for values in zip(*outputs, strict=True))
    if real < SURE or fake > 1 - SURE:
        return None
    return Text(
        f"The critic wins: it gives real pictures {real:.2f} and made ones {fake:.2f}, and the generator learns next "
        "to nothing from it. Give the critic a lower learning rate, or more pictures.",
        f"Le critique gagne : il donne {number(real, '.2f', 'fr')} aux images réelles et {number(fake, '.2f', 'fr')} aux images produites, et le "
        "générateur n’apprend presque plus rien de lui. Baissez son taux d’apprentissage, ou donnez plus d’images.",
    )


def _copies(evaluations: Sequence[Evaluation]) -> Text | None:
    last = evaluations[-1] if evaluations else None
    if last is None or last.copied is None or last.copied >= COPIED:
        return None
    if last.variety is not None and last.variety < LITTLE_VARIETY:
        return None  # blurred means are near all training images, without being copies
    return Text(
        f"Made pictures lie at {last.copied:.2f} of held-out pictures' distance from the training pictures: the model "
        "learns some by heart. Stop here, or give it more pictures, mirrored and shifted ones too.",
        f"Les images produites sont à {number(last.copied, '.2f', 'fr')} de la distance qui sépare des images inédites de celles de "
        "l’entraînement : le modèle en apprend par cœur. Arrêtez ici, ou donnez plus d’images, retournées et décalées.",
    )


def _no_progress(evaluations: Sequence[Evaluation]) -> Text | None:
    top = best(evaluations)
    if top is None or len(evaluations) < ENOUGH or top.step >= evaluations[-1].step / 2:
        return None
    title = METRICS[top.what].title
    return Text(
        f"The best {title.en}, {top.distance.value:.3g}, was at step {top.step}, in the first half of the run: "
        "consider stopping. The best weights are kept.",
        f"Le meilleur résultat ({title.fr} : {number(top.distance.value, '.3g', 'fr')}) date du pas {top.step}, dans la "
        "première moitié de l’entraînement : pensez à arrêter. Les meilleurs poids sont gardés.",
    )
