"""How a model is doing while it trains: one number to compare with the ones before, and what goes wrong, in words.

`measure.py` judges a finished checkpoint at leisure; a checkup is taken every few minutes, beside training, in seconds.
It uses the same yardsticks on fewer pictures, always the same seeds and the same real ones: checkups of one run compare
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

from genstudio.controls import Text, controls
from genstudio.data import Pictures
from genstudio.images import from_uint8
from genstudio.model import Batch, Model, Noise, generates, sample, steps_many, verbs
from genstudio.models.fitted_prior import FittedPrior
from genstudio.precision import best_precision
from genstudio.scores.diffusion import drawn
from genstudio.scores.distances import kernel_distance, nearest
from genstudio.scores.intervals import Score, average, read_score, share
from genstudio.scores.measure import COPIED, attribute_hits, judge_of, some, squared_error, stand_in
from genstudio.scores.network import Network, in_batches
from genstudio.scores.translation import absolute_error, translated, ways

SAMPLES = 256  # that a model makes for a checkup
SAMPLES_IN_STEPS, STEPS = 48, 20  # where one comes about in steps: 9 s for ddpm_avatars on one core; a VAE 1 s
TRANSLATED = 100
REAL = 1000  # held-out pictures that samples are compared with
READ = 2000  # training pictures among which copies are looked for: a classifier reads about a thousand a second
FEWEST = 50  # held-out pictures: a distance to fewer is mostly chance, and training pictures serve instead
POOLED = 8  # pixels a side of what is compared where no network reads such pictures


class Kind(NamedTuple):
    """What the number of a checkup is."""

    title: Text
    lower: bool = True  # is better


KINDS = {
    "kernel distance": Kind(Text("kernel distance to real pictures", "distance à noyau aux images réelles")),
    "L1": Kind(Text("L1 to the true pictures", "L1 aux vraies images")),
    "squared error": Kind(Text("squared error of what is drawn again", "erreur quadratique de ce qui est redessiné")),
    "accuracy": Kind(Text("accuracy", "taux de réussite"), lower=False),
}


@dataclass(frozen=True)
class Checkup:
    step: int
    images: int  # pictures trained on so far
    what: str  # one of `KINDS`
    distance: Score
    judge: str = ""  # whose features were compared: a classifier's, or "pixels"; empty where there are none
    held_out: bool = True  # whether real pictures are ones not trained on; there may be too few
    variety: float | None = None  # of samples: 1 as varied as real pictures, 0 all the same
    copied: float | None = None  # distance to the nearest training picture over held-out pictures': near 0, copies

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"distance": self.distance.as_dict()}

    @staticmethod
    def from_dict(said: Mapping[str, Any]) -> Checkup:
        if (distance := read_score(said.get("distance"))) is None or said.get("what") not in KINDS:
            raise ValueError(f"no checkup: {str(said)[:80]}")
        return Checkup(**{**said, "distance": distance})


# Taking one -----------------------------------------------------------------------------------------------------


class Checker:
    """Made once a run: it holds real pictures, and what a judge sees in them.

    kernel distance   of pictures from noise to real ones, in features of the data's classifier, else of one that reads
                      pictures of this shape, else in a few pixels; beside it variety and copies
    L1                of a translator that learns from pairs. One that never sees a pair has a kernel distance, too:
                      where little is to change, doing nothing comes near each truth, and would win
    squared error     of an auto-encoder that learned no prior: how it samples is not what it trains for
    accuracy          of a classifier

    reason: why there is none of these, or None.
    """

    def __init__(self, model: Model, training: Pictures, held_out: Batch | None, device: torch.device):
        self.device, self.reason, self.judge = device, None, None
        self.held_out = held_out is not None and len(held_out) >= FEWEST
        real = held_out[:REAL] if self.held_out else some_of(training)
        self.real = real.to("cpu")  # let go where what the judge sees of it is enough
        self.what = kind_of(model, training)
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
        elif self.what == "accuracy" and "classify" not in verbs(model) and not model.attributes.keys() & real.conditions.keys():
            self.reason = Text(
                "The pictures have none of the attributes that this model tells.",
                "Les images n’ont aucun des attributs que ce modèle reconnaît.",
            )
        elif "translate" in verbs(model):
            try:
                with undisturbed(model):  # noise for a denoiser, say
                    self.ways = ways(model, self.real[:TRANSLATED])
            except ValueError:
                self.reason = Text(
                    "A translation is scored on pairs, and these pictures have none.",
                    "Une traduction se note sur des paires, et ces images n’en ont pas.",
                )
        if self.what == "kernel distance" and not self.reason:
            self._read(training, held_out)

    def checkup(self, model: Model, step: int, images: int = 0) -> Checkup | None:
        """Of weights as they would be saved: `walls.finish` has measured their batch norm and fitted their prior.

        Others' random numbers and the model's own mode stay as they were. Raises FloatingPointError of a model that
        diverged.
        """
        if self.reason:
            return None
        with undisturbed(model):
            model.eval()
            found = self._score(model)
        if not math.isfinite(found["distance"].value):
            raise FloatingPointError(f"training diverged by step {step}: what the model makes is not finite")
        return Checkup(step, images, self.what, held_out=self.held_out, **found)

    def _score(self, model: Model) -> dict[str, Any]:
        if self.what == "accuracy" and "classify" not in verbs(model):
            with best_precision(self.device).autocast():
                hits = [hits for _, hits in attribute_hits(model, self.real.conditions, self.real.images.to(self.device))]
            return {"distance": average(torch.stack(hits).nanmean(0))}
        if self.what == "accuracy":
            return {"distance": share(self._run(model.classify).argmax(1) == self.real.labels)}
        if self.what == "squared error":
            return {"distance": average(self._run(lambda x: squared_error(x, model.decode(model.encode(x)))))}
        if "translate" not in verbs(model):
            return {"judge": self.judge.name} | self._likeness(self._see(self._draw(model)))
        with best_precision(self.device).autocast():
            made = [(translated(model, way.sources, **way.controls), way.truth) for way in self.ways]
        if self.what == "L1":
            return {"distance": average(torch.cat([absolute_error(*pair) for pair in made]))}
        apart = [kernel_distance(self._see(ours), self._see(truth)) for ours, truth in made]
        *mean, _ = (sum(values) / len(apart) for values in zip(*apart, strict=True))  # of the ways, there and back
        return {"judge": self.judge.name, "distance": Score(*mean, apart[0].n)}

    def _likeness(self, fake: Tensor) -> dict[str, Any]:
        n = min(len(fake), len(self.seen))  # a distance between sets depends on their size: both are equal
        found = {"distance": kernel_distance(fake[:n], self.seen[:n]), "variety": spread(fake) / self.spread}
        if self.usual:
            found["copied"] = self._to_training(fake) / self.usual
        return found

    def _read(self, training: Pictures, held_out: Batch | None) -> None:
        """What the judge sees in real pictures."""
        self.judge = judge_of(training.name, training.shape, None, self.device) or stand_in(training.shape, self.device)
        self.judge = self.judge or pixels(self.device)
        self.seen = self._see(self.real.images)
        self.spread = max(spread(self.seen), 1e-12)
        self.training = self._see(some(training.images, READ))
        self.part = len(self.training) / len(training)
        self.usual = None  # how far a picture that was never seen lies from the nearest of them
        if held_out is not None and len(held_out) >= 8:
            self.usual = self._to_training(self.seen if self.held_out else self._see(held_out.images))
        self.real = None

    def _to_training(self, points: Tensor) -> float:
        """The median distance to the nearest training picture. Where only a part of these is read, no more than that
        part of all copies finds its original: the median of those is taken."""
        return nearest(points, self.training)[1][:, 0].quantile(self.part / 2).item()

    def _see(self, images: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):  # whoever asks may have entered it
            return self.judge.read(images)

    def _run(self, verb: Callable[[Tensor], Tensor]) -> Tensor:
        with best_precision(self.device).autocast():
            return in_batches(lambda x: verb(x.to(self.device)), self.real.images)

    def _draw(self, model: Model) -> Tensor:
        """Samples (n, c, h, w) on the CPU, of a few seeds."""
        if steps_many(model):
            known = controls(model.sample)
            # Guidance trades variety for obedience: what the model has learned is what it draws without.
            few = {name: value for name, value in (("steps", STEPS), ("guidance", 1.0)) if name in known}
            return drawn(model, torch.arange(SAMPLES_IN_STEPS), self.device, **few)

        def of(seeds: Tensor) -> Tensor:
            *_, frame = sample(model, Noise(seeds.tolist(), self.device))
            return frame.images.float().clamp(-1, 1).cpu()

        with best_precision(self.device).autocast():
            return torch.cat([of(seeds) for seeds in torch.arange(SAMPLES).split(100)])


def kind_of(model: Model, training: Pictures) -> str | None:
    can = verbs(model)
    if "classify" in can or hasattr(model, "attribute_logits"):
        return "accuracy"
    if "translate" in can:
        return "L1" if training.paired else "kernel distance"
    prior_comes_after = isinstance(model, FittedPrior) and not hasattr(model, "elbo")
    if {"encode", "decode"} <= set(can) and (prior_comes_after or not generates(model)):
        return "squared error"
    return "kernel distance" if generates(model) else None


def some_of(training: Pictures) -> Batch:
    """Training pictures where none are held out; two heaps, where they are not pairs, side by side."""
    batch = training.batch(some(torch.arange(len(training)), REAL))
    if training.sources is None or training.paired:
        return batch
    sources = from_uint8(some(training.sources, REAL))
    return replace(batch[: len(sources)], sources=sources[: len(batch)])


def spread(points: Tensor) -> float:
    """The mean distance between two of the points (n, d), of the first `SAMPLES`."""
    return torch.pdist(points[:SAMPLES]).mean().item()


def pixels(device: torch.device) -> Network:
    """Colours and large shapes: what can be compared where no network reads such pictures."""

    def pooled(images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images, POOLED).flatten(1)

    return Network("pixels", device, pooled, logits=lambda features: features[:, :0])


@contextmanager
def undisturbed(model: Model) -> Iterator[None]:
    """What is done inside draws the same random numbers each time; others', and the parts' modes, come back after."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            yield
    finally:
        for module, mode in modes:
            module.training = mode


# What they mean -------------------------------------------------------------------------------------------------

LITTLE_VARIETY = 0.5  # half of real pictures': blur alone, as a good VAE's, costs less
FALLEN = 0.7  # of its best: the spread of a few dozen samples is known to about a twentieth
RISING = 1.1  # a young model says little yet, but more each time: over `SETTLED` checkups by that factor
SETTLED = 3
REPORTS = 20  # over which a critic's verdicts are averaged: a good minute may be luck
SURE = 0.95  # of real pictures, and 0.05 of made ones: gradients of what it says are then next to nothing
ENOUGH = 6  # checkups before one may say that nothing has come of them


def best(checkups: Sequence[Checkup]) -> Checkup | None:
    """The one with the best number, among those that can be compared with the last; the earliest of equals."""
    alike = [c for c in checkups if (c.what, c.judge, c.held_out) == _yardstick(checkups[-1])]
    sign = 1 if not alike or KINDS[alike[0].what].lower else -1
    return min(alike, key=lambda c: sign * c.distance.value, default=None)


def _yardstick(checkup: Checkup) -> tuple[str, str, bool]:
    return checkup.what, checkup.judge, checkup.held_out


def warnings(checkups: Sequence[Checkup], terms: Sequence[Mapping[str, float]]) -> list[Text]:
    """What goes wrong in a run, by its checkups and the terms of its reports, and what to do. A critic and a generator
    that are even, both at 0.5, are as they should be."""
    told = [_little_variety(checkups), _critic_wins(terms), _copies(checkups), _no_progress(checkups)]
    return [text for text in told if text]


def _little_variety(checkups: Sequence[Checkup]) -> Text | None:
    seen = [c.variety for c in checkups if c.variety is not None]
    if not seen:
        return None
    now, most = seen[-1], min(1.0, max(seen))
    settled = len(seen) >= SETTLED and now <= RISING * min(seen[-SETTLED:])
    if now < FALLEN * most:
        return Text(
            f"Variety has fallen to {now:.2f} of real pictures', from {most:.2f}: the pictures grow alike. Go back to "
            "the best weights, and go on at half the learning rate.",
            f"La variété est tombée à {_comma(now)} de celle des images réelles, contre {_comma(most)} : les images "
            "se ressemblent de plus en plus. Revenez aux meilleurs poids, et divisez le taux d’apprentissage par deux.",
        )
    if now < LITTLE_VARIETY and settled:
        return Text(
            f"Variety stays at {now:.2f} of real pictures': the model makes few kinds of picture. Start again with "
            "another seed, or at half the learning rate.",
            f"La variété reste à {_comma(now)} de celle des images réelles : le modèle fait peu de sortes d’images. "
            "Recommencez avec une autre graine, ou divisez le taux d’apprentissage par deux.",
        )
    return None


def _critic_wins(terms: Sequence[Mapping[str, float]]) -> Text | None:
    said = [(t["D(real)"], t["D(fake)"]) for t in terms[-REPORTS:] if {"D(real)", "D(fake)"} <= t.keys()]
    if len(said) < REPORTS:
        return None
    real, fake = (sum(verdicts) / REPORTS for verdicts in zip(*said, strict=True))
    if real < SURE or fake > 1 - SURE:
        return None
    return Text(
        f"The critic wins: it gives real pictures {real:.2f} and made ones {fake:.2f}, and the generator learns next "
        "to nothing from it. Give the critic a lower learning rate, or more pictures.",
        f"Le critique gagne : il donne {_comma(real)} aux images réelles et {_comma(fake)} aux images produites, et le "
        "générateur n’apprend presque plus rien de lui. Baissez son taux d’apprentissage, ou donnez plus d’images.",
    )


def _copies(checkups: Sequence[Checkup]) -> Text | None:
    last = checkups[-1] if checkups else None
    if last is None or last.copied is None or last.copied >= COPIED:
        return None
    if last.variety is not None and last.variety < LITTLE_VARIETY:
        return None  # blurs in the middle are near to all pictures, and copies of none
    return Text(
        f"Made pictures lie at {last.copied:.2f} of held-out pictures' distance from the training pictures: the model "
        "learns some by heart. Stop here, or give it more pictures, mirrored and shifted ones too.",
        f"Les images produites sont à {_comma(last.copied)} de la distance qui sépare des images inédites de celles de "
        "l’entraînement : le modèle en apprend par cœur. Arrêtez ici, ou donnez plus d’images, retournées et décalées.",
    )


def _no_progress(checkups: Sequence[Checkup]) -> Text | None:
    top = best(checkups)
    if top is None or len(checkups) < ENOUGH or top.step >= checkups[-1].step / 2:
        return None
    title = KINDS[top.what].title
    return Text(
        f"The best {title.en}, {top.distance.value:.3g}, was at step {top.step}, in the first half of the run: "
        "consider stopping. The best weights are kept.",
        f"Le meilleur résultat ({title.fr} : {_comma(top.distance.value, '.3g')}) date du pas {top.step}, dans la "
        "première moitié de l’entraînement : pensez à arrêter. Les meilleurs poids sont gardés.",
    )


def _comma(number: float, form: str = ".2f") -> str:
    return f"{number:{form}}".replace(".", ",")
