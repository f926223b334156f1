"""Distances between two sets of images, in the features (n, d) of a network (`judges.py`).

torchmetrics has the first three and agrees (tests/scores/test_distances.py). It is not used here: its classes own
network and images, draw subsets from the global random generator, and give no confidence intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genstudio.scores.intervals import Z95, Score, bootstrap, share
from genstudio.scores.network import as_floats


def frechet(a: Tensor, b: Tensor) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^1/2), of Gaussians fitted to each set (Heusel et al. 2017,
    arXiv:1706.08500).

    The trace of the matrix square root is computed from the symmetric C_a^1/2 C_b C_a^1/2, which has the same
    eigenvalues. Of fewer images than features it is the sum of the singular values of X_a X_b', for centred rows over
    the root of their degrees of freedom, C = X'X: the eigenvalues of C_a C_b are their squares.
    """
    a, b = a.double(), b.double()
    if max(len(a), len(b)) < a.shape[1]:
        x_a, x_b = ((x - x.mean(0)) / math.sqrt(len(x) - 1) for x in (a, b))
        mixed = torch.linalg.svdvals(x_a @ x_b.T).sum()
        distance = (a.mean(0) - b.mean(0)).square().sum() + x_a.square().sum() + x_b.square().sum() - 2 * mixed
        return max(0.0, distance.item())
    c_a, c_b = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(c_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    mixed = torch.linalg.eigvalsh(root @ c_b @ root).clamp_min(0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + c_a.trace() + c_b.trace() - 2 * mixed
    return max(0.0, distance.item())


def kernel_distance(a: Tensor, b: Tensor) -> Score:
    """MMD^2 of two sets under k(x, y) = (x.y / d + 1)^3 (Binkowski et al. 2018, arXiv:1801.01401, section 4).

    Unbiased, since no k(x, x) is counted: for two sets from one distribution its expectation is 0, and it is often
    negative. The interval is the jackknife's, over the n subsets that leave one of each set out: its expected width is
    never too small. Of sets of unequal size, one of either set is left out in turn.
    """
    a, b = a.double(), b.double()
    if len(a) != len(b):
        return _unequal_kernel_distance(a, b)
    n, d = a.shape

    def row_sums(x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([((part @ y.T / d + 1) ** 3).sum(1) for part in x.split(500)])

    def k(x: Tensor, y: Tensor) -> Tensor:
        return ((x * y).sum(1) / d + 1) ** 3

    def mmd(within: Tensor, between: Tensor, n: int) -> Tensor:
        return within / (n * (n - 1)) - 2 * between / n**2

    within = row_sums(a, a) - k(a, a) + row_sums(b, b) - k(b, b)  # (n,): the terms with a_i or b_i
    rows, columns = row_sums(a, b), row_sums(b, a)
    value = mmd(within.sum(), rows.sum(), n).item()
    without = mmd(within.sum() - 2 * within, rows.sum() - rows - columns + k(a, b), n - 1)
    half = Z95 * math.sqrt((n - 1) / n * (without - without.mean()).square().sum().item())
    return Score(value, value - half, value + half, n)


def _unequal_kernel_distance(a: Tensor, b: Tensor) -> Score:
    """`kernel_distance` of sets of n and m, with the jackknife of two samples: the variances of both parts add."""
    n, m, d = len(a), len(b), a.shape[1]
    k_aa, k_bb, k_ab = ((x @ y.T / d + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    within_a, within_b = (k.sum(1) - k.diagonal() for k in (k_aa, k_bb))  # (n,), (m,): the terms with a_i, with b_j

    def mmd(within_a: Tensor, within_b: Tensor, between: Tensor, n: int, m: int) -> Tensor:
        return within_a / (n * (n - 1)) + within_b / (m * (m - 1)) - 2 * between / (n * m)

    sums = within_a.sum(), within_b.sum(), k_ab.sum()
    value = mmd(*sums, n, m).item()
    without_a = mmd(sums[0] - 2 * within_a, sums[1], sums[2] - k_ab.sum(1), n - 1, m)
    without_b = mmd(sums[0], sums[1] - 2 * within_b, sums[2] - k_ab.sum(0), n, m - 1)
    variance = sum((1 - 1 / len(x)) * (x - x.mean()).square().sum().item() for x in (without_a, without_b))
    half = Z95 * math.sqrt(variance)
    return Score(value, value - half, value + half, n)


def inception_score(probabilities: Tensor) -> Score:
    """exp(E KL(p(y|x) | p(y))) of class probabilities (n, classes) (Salimans et al. 2016, arXiv:1606.03498, section 4).

    1 when all predictions are equal, the number of classes when each is certain and the classes are balanced. The
    interval is from the standard error of the KL terms: to first order the dependence of p(y) on them cancels.
    """
    p = probabilities.double()
    kl = (torch.xlogy(p, p) - torch.xlogy(p, p.mean(0))).sum(1)
    mean, half = kl.mean().item(), Z95 * kl.std().item() / math.sqrt(len(kl))
    return Score(math.exp(mean), math.exp(mean - half), math.exp(mean + half), len(kl))


def class_shares(predicted: Tensor, classes: Sequence[str]) -> dict[str, Score]:
    """Share of each class among the predicted class numbers (n,)."""
    return {name: share(predicted == i) for i, name in enumerate(classes)}


# Neighbours -----------------------------------------------------------------------------------------------------


def covered(points: Tensor, by: Tensor, k: int = 3) -> Tensor:
    """Test which of `points` lie in a ball around one of `by`, with the radius of its k-th nearest neighbour: booleans
    (n,)."""

    def distances(a: Tensor) -> Tensor:
        return torch.cdist(a, by, compute_mode="donot_use_mm_for_euclid_dist")

    radii = torch.cat([distances(part).kthvalue(k + 1).values for part in by.split(1000)])  # each is its own first
    return torch.cat([(distances(part) <= radii).any(1) for part in points.split(1000)])


def precision(real: Tensor, fake: Tensor, k: int = 3) -> Score:
    """Share of generated images within the manifold of real ones (Kynkaanniemi et al. 2019, arXiv:1904.06991)."""
    return share(covered(fake, by=real, k=k))


def recall(real: Tensor, fake: Tensor, k: int = 3) -> Score:
    """Share of real images within the manifold of generated ones."""
    return share(covered(real, by=fake, k=k))


def nearest(points: Tensor, among: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """Indices and distances (n, k) of the nearest neighbours of `points` in `among`, the nearest first.

    Both are features (n, d) or images (n, c, h, w), floats or uint8. One matrix product per chunk finds k + 8
    candidates; their distances are recomputed from differences, since a product gives an exact copy a distance above 0.
    """
    x = as_floats(points).flatten(1).to(among.device)
    k = min(k, len(among))
    found, where = x.new_empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.long, device=x.device)
    for start in range(0, len(among), 2000):
        y = as_floats(among[start : start + 2000]).flatten(1)
        squares = y.square().sum(1) - 2 * x @ y.T  # (n, chunk): |x - y|^2 without |x|^2, which orders alike
        found = torch.cat([found, squares], 1)
        where = torch.cat([where, torch.arange(start, start + len(y), device=x.device).expand(len(x), -1)], 1)
        found, best = found.topk(min(k + 8, found.shape[1]), largest=False)
        where = where.gather(1, best)

    def exact(x: Tensor, where: Tensor) -> Tensor:
        y = as_floats(among[where.flatten()]).reshape(*where.shape, -1)
        return (x[:, None] - y).square().sum(2).sqrt()  # (rows, k + 8)

    distances = torch.cat([exact(*rows) for rows in zip(x.split(100), where.split(100), strict=True)])
    distances, best = distances.topk(k, largest=False, sorted=True)
    return where.gather(1, best), distances


def nearness(fake: Tensor, held_out: Tensor, training: Tensor) -> Score | None:
    """Median distance from generated to nearest training images over that of held-out images; near 0, memorization.

    None if held-out images are copies themselves, so that the ratio is undefined.
    """
    to_fake, to_held_out = (nearest(points, training)[1][:, 0] for points in (fake, held_out))
    if not to_held_out.median() > 0:
        return None
    return bootstrap(lambda a, b: (a.median() / b.median().clamp_min(1e-12)).item(), to_fake, to_held_out, draws=200)
