"""How good a model is, in numbers: what it reads, what it keeps of a picture, how far its pictures are from real ones.

Each number is a function of tensors; `measure` at the foot picks those that apply to a checkpoint. Distances between
sets of pictures are taken in the features of a small classifier of ours, which the number's name says: they compare
systems of this project on the same data, and are no Inception numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from genstudio import checkpoint
from genstudio.data import SETS, load
from genstudio.images import from_uint8
from genstudio.model import Model, Noise, generates, sample, verbs

Z95 = 1.959964  # a normal variable stays within this many standard deviations of its mean 95 times in 100
BATCH = 100


class Score(NamedTuple):
    """A number with its 95 % interval, over n pictures."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int]:
        """Five significant digits, for a header or JSON."""
        return {name: value if name == "n" else float(f"{value:.5g}") for name, value in self._asdict().items()}


# Intervals ------------------------------------------------------------------------------------------------------


def share(hits: Tensor) -> Score:
    """How many of the booleans `hits` (n,) are true, with the interval of Wilson 1927."""
    n = len(hits)
    p = hits.double().mean().item()
    middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return Score(p, max(0.0, middle - half), min(1.0, middle + half), n)


def average(values: Tensor) -> Score:
    """The mean of `values` (n,), give or take its standard error."""
    values = values.double()
    mean, half = values.mean().item(), Z95 * values.std().item() / math.sqrt(len(values))
    return Score(mean, mean - half, mean + half, len(values))


def ratio(a: Tensor, b: Tensor) -> Score:
    """mean(a) / mean(b) of paired values (n,); its error is that of the residuals a - ratio b (the delta method)."""
    a, b = a.double(), b.double()
    value = (a.mean() / b.mean()).item()
    half = Z95 * ((a - value * b).std() / b.mean()).item() / math.sqrt(len(a))
    return Score(value, value - half, value + half, len(a))


def bootstrap(statistic: Callable[..., float], *sets: Tensor, draws: int = 30) -> Score:
    """statistic(*sets), give or take how it spreads when each set (n, ...) is drawn again from itself."""
    generator = torch.Generator().manual_seed(0)

    def again(rows: Tensor) -> Tensor:
        return rows[torch.randint(len(rows), (len(rows),), generator=generator)]

    value = statistic(*sets)
    half = Z95 * torch.tensor([statistic(*map(again, sets)) for _ in range(draws)]).std().item()
    return Score(value, value - half, value + half, len(sets[0]))


# Likelihood and reconstruction ----------------------------------------------------------------------------------


def in_batches(run: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """run(images) in parts of `BATCH`, gathered in float32 on the CPU. Bytes are turned into [-1, 1] on the way."""
    return torch.cat([run(as_floats(part)).float().cpu() for part in images.split(BATCH)])


def as_floats(images: Tensor) -> Tensor:
    return from_uint8(images) if images.dtype == torch.uint8 else images


def is_density(model: Model) -> bool:
    """Whether a VAE's likelihood is a density over grey levels; else it is a probability of bits."""
    return model.likelihood == "gaussian"


def negative_elbo(model: Model, images: Tensor, passes: int = 2) -> Tensor:
    """-ELBO in nats (n,): the mean over `passes` draws of the code, and of the bits where `elbo` draws them.

    A density sees grey levels blurred by uniform noise one level wide, without which it could grow beyond all bounds
    over the few values that bytes take (Theis et al. 2016, arXiv:1511.01844, section 3.1).
    """

    def run(x: Tensor) -> Tensor:
        if is_density(model):
            x = x + (torch.rand_like(x) - 0.5) / 127.5
        log_likelihood, kl = model.elbo(x)
        return kl - log_likelihood

    return torch.stack([in_batches(run, images) for _ in range(passes)]).mean(0)


def bits_per_dimension(nats: Tensor, dimensions: int) -> Tensor:
    """Nats of a density on [-1, 1] as bits for each of `dimensions` grey levels, which are 1 / 127.5 wide."""
    return nats / (dimensions * math.log(2)) + math.log2(127.5)


def squared_error(images: Tensor, others: Tensor) -> Tensor:
    """Mean over the pixels of each picture, on [-1, 1]: (n,)."""
    return (images - others).square().flatten(1).mean(1)


class PCA(NamedTuple):
    """The flat subspace that loses least of a set of pictures: the best that a linear auto-encoder can do."""

    mean: Tensor  # (d,)
    basis: Tensor  # (d, codes), orthonormal columns

    @staticmethod
    def fit(images: Tensor, codes: int, tolerance: float = 1e-3, sweeps: int = 40) -> PCA:
        """Of pictures (n, c, h, w), bytes or floats, by subspace iteration (Halko et al. 2011, algorithm 4.4).

        Twice the directions asked for are swept, until one more sweep explains less than `tolerance` of what is still
        left: stopping early handicaps PCA by no more than that.
        """
        parts = images.split(1024)
        n, d = len(images), images[0].numel()
        mean = (sum(as_floats(p).flatten(1).sum(0, dtype=torch.float64) for p in parts) / n).float()

        def centred() -> Iterator[Tensor]:
            return (as_floats(p).flatten(1) - mean for p in parts)

        total = sum(x.square().sum(dtype=torch.float64).item() for x in centred())
        start = torch.randn(d, min(2 * codes + 8, n, d), generator=torch.Generator().manual_seed(0))
        basis, explained = torch.linalg.qr(start.to(mean.device))[0], 0.0
        for _ in range(sweeps):
            swept = sum(x.T @ (x @ basis) for x in centred())  # (d, width): the covariance times the basis
            basis, values, _ = torch.linalg.svd(swept, full_matrices=False)
            before, explained = explained, values[:codes].sum(dtype=torch.float64).item()
            if explained - before < tolerance * max(total - explained, 1e-6 * total):
                break
        return PCA(mean, basis[:, :codes])

    def __call__(self, images: Tensor) -> Tensor:
        """Pictures as they come back from their codes."""
        x = images.flatten(1) - self.mean
        return (self.mean + x @ self.basis @ self.basis.T).reshape(images.shape)


# Distances between sets, in features (n, d) ---------------------------------------------------------------------


def covered(points: Tensor, by: Tensor, k: int = 3) -> Tensor:
    """Which of `points` lie in a ball around one of `by` that reaches to that one's k-th neighbour: booleans (n,)."""

    def distances(a: Tensor) -> Tensor:
        return torch.cdist(a, by, compute_mode="donot_use_mm_for_euclid_dist")

    radii = torch.cat([distances(part).kthvalue(k + 1).values for part in by.split(1000)])  # each is its own nearest
    return torch.cat([(distances(part) <= radii).any(1) for part in points.split(1000)])


def precision(real: Tensor, fake: Tensor, k: int = 3) -> Score:
    """The share of generated pictures that could be real (Kynkaanniemi et al. 2019, arXiv:1904.06991, equation 2)."""
    return share(covered(fake, by=real, k=k))


def recall(real: Tensor, fake: Tensor, k: int = 3) -> Score:
    """The share of real pictures that could be generated."""
    return share(covered(real, by=fake, k=k))


def frechet(a: Tensor, b: Tensor) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^1/2), of a Gaussian fitted to each set (Heusel et al. 2017).

    The trace of the root comes from the symmetric C_a^1/2 C_b C_a^1/2, which has the same eigenvalues.
    """
    a, b = a.double(), b.double()
    c_a, c_b = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(c_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    mixed = torch.linalg.eigvalsh(root @ c_b @ root).clamp_min(0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + c_a.trace() + c_b.trace() - 2 * mixed
    return max(0.0, distance.item())


def class_shares(predicted: Tensor, classes: Sequence[str]) -> dict[str, Score]:
    """How large a part of the pictures each class has, by the class numbers (n,) that a classifier gave them."""
    return {name: share(predicted == i) for i, name in enumerate(classes)}


# Of a checkpoint ------------------------------------------------------------------------------------------------


def score(name: str, n: int = 2000, data: str | None = None, device: str | None = None) -> dict[str, dict]:
    """All of `measure`, as plain numbers for a header or JSON. Others' random numbers stay as they are."""
    with torch.random.fork_rng():
        return {what: number.as_dict() for what, number in measure(name, n, data, device)}


Scores = Iterator[tuple[str, Score]]  # each with its name


def measure(name: str, n: int = 2000, data: str | None = None, device: str | None = None) -> Scores:
    """The numbers that apply to a checkpoint, each with its name and as soon as it is known, computed in float32.

    accuracy              of a classifier, on all held-out pictures
    negative ELBO         of a VAE, on all held-out pictures, in nats; where it is a density, also as bits per dimension
    squared error         of held-out pictures encoded and decoded; that of PCA with as many numbers a code, fitted to
                          the training pictures; and their ratio
    share of <class>      of n samples, seeds 0 to n - 1
    precision, recall     of these samples against as many held-out pictures
    Frechet distance      between the two; and that over the distance from as many training pictures to the held-out
                          ones: 1 is as near as real pictures come

    The last three name the classifier that they trust, `classifier_<data>`, and are left out where it is not there.
    """
    if n < 8:
        raise ValueError(f"scores need at least 8 samples, not {n}")
    model, header = checkpoint.load(checkpoint.locate(name))
    data = data or header.data
    if data not in SETS and not Path(data).exists():
        raise ValueError(f"{name} learned from {data!r}, which is no set by name: give the folder or zip as data")
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model.requires_grad_(False).to(device, memory_format=torch.channels_last)
    test = load(data, "test", model.image_shape)
    held_out, can = test.images.to(device), verbs(model)

    if "classify" in can:
        if list(test.classes) != header.classes:
            raise ValueError(f"{name} knows the classes {', '.join(header.classes)}, not those of {data}")
        yield "accuracy", share(in_batches(model.classify, held_out).argmax(1) == test.labels)
    if hasattr(model, "elbo"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            nats = negative_elbo(model, held_out)
        yield "negative ELBO (nats)", average(nats)
        if is_density(model):
            yield "bits per dimension", average(bits_per_dimension(nats, held_out[0].numel()))

    if "encode" in can or generates(model):
        training = load(data, "train", model.image_shape).images.to(device)
        if "encode" in can:
            yield from reconstruction(model, training, held_out)
        if generates(model) and (judge := f"classifier_{data}") in checkpoint.available():
            yield from likeness(model, judge, training, held_out, n)


def reconstruction(model: Model, training: Tensor, held_out: Tensor) -> Scores:
    """Errors of the model and of PCA on held-out pictures."""
    mine = in_batches(lambda x: squared_error(x, model.decode(model.encode(x))), held_out)
    yield "squared error", average(mine)
    codes = model.encode(as_floats(held_out[:1])).numel()
    pca = PCA.fit(training, codes)
    theirs = in_batches(lambda x: squared_error(x, pca(x)), held_out)
    yield f"squared error of PCA ({codes} codes)", average(theirs)
    yield "squared error over PCA's", ratio(mine, theirs)


def likeness(model: Model, judge: str, training: Tensor, held_out: Tensor, n: int) -> Scores:
    """How far n samples are from pictures held out, as a classifier sees them."""
    classifier, header = checkpoint.load(checkpoint.available()[judge])
    if classifier.image_shape != model.image_shape:
        return
    classifier.requires_grad_(False).to(held_out.device)

    def draw(seeds: Tensor) -> Tensor:
        *_, frame = sample(model, Noise(seeds.tolist(), held_out.device))
        return classifier.features(frame.images.float().clamp(-1, 1))

    fake = torch.cat([draw(seeds).cpu() for seeds in torch.arange(n).split(BATCH)])
    predicted = classifier.head(fake.to(held_out.device)).argmax(1).cpu()
    for kind, number in class_shares(predicted, header.classes).items():
        yield f"share of {kind} ({judge})", number

    n = min(n, len(held_out), len(training))  # a distance between sets depends on their size: all three are equal
    real, seen = (in_batches(classifier.features, some(x, n)) for x in (held_out, training))
    fake = fake[:n]
    yield f"precision ({judge})", precision(real, fake)
    yield f"recall ({judge})", recall(real, fake)
    distance, yardstick = bootstrap(frechet, fake, real), max(1e-9, frechet(seen, real))
    yield f"Frechet distance ({judge})", distance
    # The yardstick is taken as it is: drawn again from itself, so small a distance would grow.
    over = Score(distance.value / yardstick, distance.low / yardstick, distance.high / yardstick, n)
    yield f"Frechet distance over training pictures' ({judge})", over


def some(images: Tensor, n: int) -> Tensor:
    """n of the pictures, always the same ones: a set is often sorted by class."""
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:n].to(images.device)]
