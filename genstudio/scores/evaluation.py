"""Evaluations of a run: the record of each, the best of them, and warnings about what goes wrong.

`evaluator.py` computes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from genstudio.controls import Text, number
from genstudio.scores.intervals import Score, read_score
from genstudio.scores.measure import COPIED


class Metric(NamedTuple):
    """A score that an evaluation may report."""

    title: Text
    lower: bool = True  # lower is better


METRICS = {
    "kernel distance": Metric(Text("kernel distance to real pictures", "distance à noyau aux images réelles")),
    "L1": Metric(Text("L1 to the true pictures", "L1 aux vraies images")),
    "mean IoU": Metric(Text("mean IoU", "IoU moyen"), lower=False),
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
            f"La variété est tombée à {french(now)} de celle des images réelles, contre {french(most)} : les images "
            "se ressemblent de plus en plus. Revenez aux meilleurs poids, et divisez le taux d’apprentissage par deux.",
        )
    if now < LITTLE_VARIETY and settled:
        return Text(
            f"Variety stays at {now:.2f} of real pictures': the model makes few kinds of picture. Start again with "
            "another seed, or at half the learning rate.",
            f"La variété reste à {french(now)} de celle des images réelles : le modèle fait peu de sortes d’images. "
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
        f"Le critique gagne : il donne {french(real)} aux images réelles et {french(fake)} aux images produites, et le "
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
        f"Les images produites sont à {french(last.copied)} de la distance qui sépare des images inédites de celles de "
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
        f"Le meilleur résultat ({title.fr} : {french(top.distance.value, '.3g')}) date du pas {top.step}, dans la "
        "première moitié de l’entraînement : pensez à arrêter. Les meilleurs poids sont gardés.",
    )


def french(value: float, form: str = ".2f") -> str:
    return number(value, form, "fr")
