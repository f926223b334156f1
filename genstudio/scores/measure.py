"""How good a model is, in numbers: what it reads, what it keeps of a picture, how far its pictures are from real ones.

`measure` picks the numbers that apply to a checkpoint, and `check` holds a header to what it claims. Read before:
`intervals.py`, without which no number is given, and `distances.py`, between sets of pictures in the `features.py` of a
network. By default that is the classifier of the same data: such numbers compare systems of this project, and are no
Inception numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from genstudio import catalog, checkpoint
from genstudio.controls import Text
from genstudio.data import Pictures, load, named
from genstudio.data.pictures import relabelled
from genstudio.model import Model, Noise, generates, sample, verbs
from genstudio.precision import choose_device
from genstudio.registry import with_verbs
from genstudio.scores import conditional, diffusion
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
from genstudio.scores.intervals import Score, average, bootstrap, ratio, share
from genstudio.scores.judges import decided, network
from genstudio.scores.judges import judge as judge_of_classes
from genstudio.scores.likelihood import bits_per_dimension, is_density, negative_elbo
from genstudio.scores.network import BATCH, Network, as_floats, in_batches
from genstudio.scores.pca import PCA
from genstudio.scores.style_mixing import style_mixing
from genstudio.scores.translation import translation

SAMPLES = 2000
FEW = 2048  # of fewer pictures than Inception has features, the covariance is singular
COPIED = 0.7
NEAREST = "nearest training picture over held-out pictures'"


# Likelihood and reconstruction ----------------------------------------------------------------------------------


def squared_error(images: Tensor, others: Tensor) -> Tensor:
    """Mean over the pixels of each picture, on [-1, 1]: (n,)."""
    return (images - others).square().flatten(1).mean(1)


# Of a checkpoint ------------------------------------------------------------------------------------------------

Scores = Iterator[tuple[str, Score]]  # each with its name


def score(
    name: str, n: int = SAMPLES, data: str | None = None, device: str | None = None, features: str | None = None
) -> dict[str, dict]:
    """All of `measure`, as plain numbers for a header or JSON. Others' random numbers stay as they are."""
    with torch.random.fork_rng():
        return {what: number.as_dict() for what, number in measure(name, n, data, device, features)}


def measure(
    name: str, n: int = SAMPLES, data: str | None = None, device: str | None = None, features: str | None = None
) -> Scores:
    """The numbers that apply to a checkpoint, each with its name and as soon as it is known, computed in float32; samples
    that come about in many steps are drawn in the device's own precision.

    accuracy              of a classifier, on all held-out pictures; also of each attribute that it answers
    negative ELBO         of a VAE, on all held-out pictures, in nats; where it is a density, also as bits per dimension
    squared error         of held-out pictures encoded and decoded; that of PCA with as many numbers a code, fitted to
                          the training pictures; and their ratio
    bits per dimension    of a diffusion model, on 500 held-out pictures: the variational bound
    class obeyed          of a conditional model: whether 1 000 samples show the class that was asked for
    variety within        how far two of them of one class are apart, in pixels, over held-out pictures' distance
    L1, PSNR, ...         of a translator, on n held-out pairs: `fidelity.translation` tells them
    share of <class>      of n samples, seeds 0 to n - 1; of a judge that knows attributes, shares with each of them
    precision, recall     of these samples against as many held-out pictures
    Frechet distance      between the two; and that over the distance from as many training pictures to the held-out
                          ones: 1 is as near as real pictures come
    inception score       of the samples: how surely each is read, and how differently; also over that of real pictures
    kernel distance       as Frechet's, without its bias
    nearest training picture over held-out pictures': near 0, the samples are copies
    attributes kept, changed   of a StyleGAN whose styles are mixed: `style_mixing` tells them

    From the shares on they name the network that they trust: `features`, as `features.network` understands it, else
    `classifier_<data>`. Where that is not there, neighbours are looked for among pixels, and the rest is left out;
    translations are then judged by the first classifier that reads pictures of their size.
    """
    if n < 8:
        raise ValueError(f"scores need at least 8 samples, not {n}")
    model, header = checkpoint.load(catalog.locate(name))
    data = data or header.data
    if not named(data) and not (data and Path(data).exists()):
        learned = f"learned from {data!r}, which is no set by name" if data else "does not say what it learned from"
        raise ValueError(f"{name} {learned}: give the folder or zip as data")
    device = choose_device(device).device
    judge = judge_of(data, model.image_shape, features, device) if generates(model) else None
    model.requires_grad_(False).to(device, memory_format=torch.channels_last)
    test = pictures(data, "test", model.image_shape)
    held_out, can = test.images.to(device), verbs(model)

    if "classify" in can:
        if not set(test.classes) <= set(header.classes):
            raise ValueError(f"{name} knows the classes {', '.join(header.classes)}, not those of {data}")
        labels = relabelled(test, header.classes).labels  # one that was fine-tuned may hold them in another order, or more
        yield "accuracy", share(in_batches(model.classify, held_out).argmax(1) == labels)
    if hasattr(model, "attribute_logits"):
        for attribute, hits in attribute_hits(model, test.renumbered(model.attributes).conditions, held_out):
            yield f"accuracy of {attribute}", share(hits[~hits.isnan()])
    if hasattr(model, "elbo"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            nats = negative_elbo(model, held_out)
        yield "negative ELBO (nats)", average(nats)
        if is_density(model):
            yield "bits per dimension", average(bits_per_dimension(nats, held_out[0].numel()))

    if hasattr(model, "nats"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            yield "bits per dimension", diffusion.bits_per_dimension(model, some(held_out, diffusion.LIKELIHOODS))
    if judge and getattr(model, "classes", 0) and generates(model) and tuple(header.classes) == judge.classes:
        asker = network(by, device) if features is None and (by := judge_of_classes(data)) else judge
        pictures_asked, labels = conditional.asked(model, model.class_names, device)
        yield f"class obeyed ({asker.name})", conditional.obeyed(pictures_asked, labels, asker)
        yield "variety within classes, of held-out pictures'", conditional.varied(pictures_asked, labels, held_out, test.labels)

    if "translate" in can:
        batch = test.batch(some(torch.arange(len(test)), n))
        judge = judge_of(data, model.image_shape, features, device) or stand_in(model.image_shape, device)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            yield from translation(model, batch, judge)

    if "encode" in can or generates(model):
        training = pictures(data, "train", model.image_shape).images.to(device)
        if "encode" in can:
            yield from reconstruction(model, training, held_out)
        if generates(model):
            yield from likeness(draw(model, n, device), judge, training, held_out)
        if "synthesize" in can and judge and judge.attributes:
            yield from style_mixing(model, judge, device)


def attribute_hits(model: Model, conditions: Mapping[str, Tensor], images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Of each attribute that is known of some of the images: (n,), 1 for a right answer, 0 for a wrong one, else NaN."""
    for name in [name for name in model.attributes if name in conditions]:
        truth = conditions[name]
        logits = in_batches(lambda x, name=name: model.attribute_logits(x)[name], images)
        hits = (decided(logits) == truth).float()
        yield name, hits if truth.dtype is torch.bool else hits.where(truth >= 0, math.nan)


def pictures(data: str, split: str, shape: tuple[int, int, int]) -> Pictures:
    """A set, read once a process; a folder may change, and is read again."""
    return _kept(data, split, shape) if named(data) else load(data, split, shape)


@lru_cache(maxsize=4)
def _kept(data: str, split: str, shape: tuple[int, int, int]) -> Pictures:
    return load(data, split, shape)


def judge_of(data: str, shape: tuple[int, int, int], features: str | None, device: torch.device) -> Network | None:
    """The network to judge with: the one asked for, else the data's own classifier where it is there and fits."""
    here = [name for name in (f"classifier_{data}", f"judge_{data}") if name in catalog.available()]
    if not (word := features or next(iter(here), None)):
        return None
    judge = network(word, device)
    if judge.shape in (None, tuple(shape)):
        return judge
    if features is None:
        return None
    raise ValueError(f"{judge.name} reads pictures of {judge.shape}, and these are {tuple(shape)}")


def stand_in(shape: tuple[int, int, int], device: torch.device) -> Network | None:
    """A classifier of other pictures of this shape, which also sees colours and edges."""
    there = catalog.available()
    judges = (network(system.name, device) for system in with_verbs("classify") if system.name in there)
    return next((judge for judge in judges if judge.shape == tuple(shape)), None)


def reconstruction(model: Model, training: Tensor, held_out: Tensor) -> Scores:
    """Errors of the model and of PCA on held-out pictures."""
    mine = in_batches(lambda x: squared_error(x, model.decode(model.encode(x))), held_out)
    yield "squared error", average(mine)
    codes = model.encode(as_floats(held_out[:1])).numel()
    pca = PCA.fit(training, codes)
    theirs = in_batches(lambda x: squared_error(x, pca(x)), held_out)
    yield f"squared error of PCA ({codes} codes)", average(theirs)
    yield "squared error over PCA's", ratio(mine, theirs)


def draw(model: Model, n: int, device: torch.device) -> Tensor:
    """Samples of seeds 0 to n - 1, (n, c, h, w) on the CPU."""

    def of(seeds: Tensor) -> Tensor:
        if hasattr(model, "sample"):
            return diffusion.drawn(model, seeds, device)
        *_, frame = sample(model, Noise(seeds.tolist(), device))
        return frame.images.float().clamp(-1, 1).cpu()

    with torch.no_grad():
        return torch.cat([of(seeds) for seeds in torch.arange(n).split(BATCH)])


def likeness(samples: Tensor, judge: Network | None, training: Tensor, held_out: Tensor) -> Scores:
    """How far samples are from pictures held out, as a network sees them."""
    held_out = some(held_out, len(samples))
    if judge:
        fake = judge(samples)
        yield from shares(samples, fake, judge)
        yield from gaps(fake, judge, training, held_out)
        if judge.logits:
            found, best = (inception_score(judge.probabilities(of)) for of in (fake, judge(held_out)))
            yield f"inception score ({judge.name})", found
            yield f"inception score over held-out pictures' ({judge.name})", found.over(best.value)

    # Only distances to all training pictures find copies; a slow network leaves them to pixels.
    if judge and judge.quick:
        number, name = nearness(fake, judge(held_out), judge(training)), judge.name
    else:
        number, name = nearness(samples, held_out, training), "pixels"
    if number:
        yield f"{NEAREST} ({name})", number


def shares(samples: Tensor, fake: Tensor, judge: Network) -> Scores:
    """Shares of classes among samples, whose features are `fake`; else of those that have an attribute."""
    if judge.logits:
        for label, number in class_shares(judge.probabilities(fake).argmax(1), judge.classes).items():
            yield f"share of {label} ({judge.name})", number
    elif judge.attributes:
        for name, values in judge.attributes(samples).items():
            if values.dtype is torch.bool:
                yield f"share with {name} ({judge.name})", share(values)


def gaps(fake: Tensor, judge: Network, training: Tensor, held_out: Tensor) -> Scores:
    """Distances from generated to held-out pictures, and over those from training to held-out ones."""
    n = min(len(fake), len(held_out), len(training))  # a distance between sets depends on their size: all are equal
    real, seen, fake = judge(held_out)[:n], judge(some(training, n)), fake[:n]
    yield f"precision ({judge.name})", precision(real, fake)
    yield f"recall ({judge.name})", recall(real, fake)
    distance = bootstrap(frechet, fake, real)
    yield f"Frechet distance ({judge.name})", distance
    # The yardstick is taken as it is: drawn again from itself, so small a distance would grow.
    yield f"Frechet distance over training pictures' ({judge.name})", distance.over(max(1e-9, frechet(seen, real)))
    distance = kernel_distance(fake, real)
    yield f"kernel distance ({judge.name})", distance
    # Unbiased, its yardstick is 0 give or take, and may be below: the upper end of its interval is taken.
    over = distance.over(max(1e-9, kernel_distance(seen, real).high))
    yield f"kernel distance over training pictures' ({judge.name})", over


def some(images: Tensor, n: int) -> Tensor:
    """n of the pictures, always the same ones: a set is often sorted by class."""
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:n].to(images.device)]


# What they mean -------------------------------------------------------------------------------------------------


def notes(found: Mapping[str, Score]) -> list[Text]:
    """What a reader of these scores should be told before comparing them."""
    told = []
    distances = ("Frechet distance (", "Frechet distance to the truth")
    few = [number.n for what, number in found.items() if what.startswith(distances) and number.n < FEW]
    if few:
        told.append(
            Text(
                f"A Frechet distance over fewer than {FEW} pictures, here {min(few)}, comes out too large: compare it "
                "only with others over as many, or take the kernel distance, which has no such bias.",
                f"Une distance de Fréchet sur moins de {FEW} images, ici {min(few)}, est surestimée : ne la comparez "
                "qu’à d’autres sur autant d’images, ou prenez la distance à noyau, qui n’a pas ce biais.",
            )
        )
    close = [number.value for what, number in found.items() if what.startswith(NEAREST) and number.value < COPIED]
    if close:
        told.append(
            Text(
                "Generated pictures lie much nearer to training pictures than held-out ones do, at "
                f"{min(close):.2f} of their distance: the model may have learned some by heart.",
                "Les images produites sont bien plus proches de celles de l’entraînement que ne le sont des images "
                f"inédites, à {min(close):.2f} de leur distance : le modèle en a peut-être appris par cœur.",
            )
        )
    return told


class Neighbours(NamedTuple):
    """The training pictures nearest to each of n pictures, the nearest first."""

    indices: Tensor  # (n, k), in the training set
    distances: Tensor  # (n, k)
    pictures: Tensor  # uint8 (n, k, c, h, w)
    seen_by: str  # the network, or "pixels"


def nearest_training(
    images: Tensor, data: str, k: int = 6, device: str = "cpu", features: str | None = None
) -> Neighbours:
    """Those nearest to pictures (n, c, h, w), bytes or [-1, 1]: a copy shows beside its original."""
    training = pictures(data, "train", tuple(images.shape[1:])).images
    judge = judge_of(data, tuple(images.shape[1:]), features, torch.device(device))
    quick = judge is not None and judge.quick
    indices, distances = nearest(judge(images), judge(training), k) if quick else nearest(images, training, k)
    return Neighbours(indices, distances, training[indices], judge.name if quick else "pixels")
