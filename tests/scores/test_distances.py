"""Distances between sets: each on sets for which the truth is known."""

import math

import pytest
import torch

from genstudio.scores import distances


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_the_frechet_distance_of_a_set_from_itself_is_0():
    x = normal(300, 16)
    assert distances.frechet(x, x.clone()) == pytest.approx(0, abs=1e-8)


def test_the_frechet_distance_of_a_shifted_set_is_the_square_of_the_shift():
    x = normal(300, 16)
    assert distances.frechet(x, x + 0.5) == pytest.approx(16 * 0.25, rel=1e-6)


def test_the_frechet_distance_of_two_gaussians_is_the_closed_form():
    """Covariances that do not commute, so that a product of roots in place of the root of the product would show."""
    x = normal(400, 3).double()
    x = (x - x.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T  # covariance exactly 1
    a = torch.tensor([[2.0, 0, 0], [1, 1, 0], [0, 0, 1]]).double()
    b = torch.tensor([[1.0, 0, 0], [0, 1, 0], [3, 0, 0.5]]).double()
    product = (a @ a.T) @ (b @ b.T)
    root = torch.linalg.eigvals(product).real.sqrt().sum()
    expected = 3 * 4 + (a @ a.T).trace() + (b @ b.T).trace() - 2 * root
    assert distances.frechet(x @ a.T, x @ b.T + 2) == pytest.approx(expected.item(), rel=1e-6)


def mmd_by_loops(a: torch.Tensor, b: torch.Tensor) -> float:
    """Equation 4 of Binkowski et al., a kernel at a time."""

    def k(x, y):
        return ((torch.dot(x, y) / len(x) + 1) ** 3).item()

    n = len(a)
    within = sum(k(x[i], x[j]) for x in (a, b) for i in range(n) for j in range(n) if i != j)
    return within / (n * (n - 1)) - 2 * sum(k(x, y) for x in a for y in b) / n**2


def test_the_kernel_distance_and_its_spread_are_those_of_loops():
    """The jackknife leaves a_i and b_i out together; a sum that forgot k(a_i, b_i) would show in its width."""
    a, b = normal(12, 5).double(), normal(12, 5, seed=1).double() + 0.3
    score = distances.kernel_distance(a, b)
    assert score.value == pytest.approx(mmd_by_loops(a, b), rel=1e-9)
    keep = [torch.arange(12) != i for i in range(12)]
    without = torch.tensor([mmd_by_loops(a[rows], b[rows]) for rows in keep])
    error = math.sqrt(11 / 12 * (without - without.mean()).square().sum())
    assert score.high - score.value == pytest.approx(distances.Z95 * error, rel=1e-5)


def test_the_kernel_distance_of_unequal_sets_and_its_spread_are_those_of_loops():
    """The jackknife leaves one of either set out in turn."""
    a, b = normal(7, 5).double(), normal(11, 5, seed=1).double() + 0.3

    def mmd(a: torch.Tensor, b: torch.Tensor) -> float:
        def k(x, y):
            return ((torch.dot(x, y) / len(x) + 1) ** 3).item()

        within = [sum(k(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j) for s in (a, b)]
        n, m = len(a), len(b)
        between = sum(k(x, y) for x in a for y in b)
        return within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * between / (n * m)

    score = distances.kernel_distance(a, b)
    assert score.value == pytest.approx(mmd(a, b), rel=1e-9) and score.n == 7
    without = [[mmd(a[torch.arange(7) != i], b) for i in range(7)], [mmd(a, b[torch.arange(11) != i]) for i in range(11)]]
    parts = [(1 - 1 / len(w)) * sum((x - sum(w) / len(w)) ** 2 for x in w) for w in without]
    assert score.high - score.value == pytest.approx(distances.Z95 * math.sqrt(sum(parts)), rel=1e-5)


def test_the_interval_of_unequal_sets_contains_the_truth_about_95_times_in_100():
    """Two sets of one distribution, of 20 and 60: the truth is 0."""
    scores = [distances.kernel_distance(normal(20, 8, seed=2 * i), normal(60, 8, seed=2 * i + 1)) for i in range(200)]
    hits = sum(score.low <= 0 <= score.high for score in scores)
    assert hits >= 0.92 * 200
    assert abs(sum(score.value for score in scores)) / 200 < 0.1 * (scores[0].high - scores[0].low)


def test_the_frechet_distance_of_fewer_images_than_features_is_that_of_all_eigenvalues():
    """Singular values of 30 x 40 numbers in place of covariances of 50 x 50."""
    a, b = normal(30, 50), 1.5 * normal(40, 50, seed=1) + 0.2
    c_a, c_b = torch.cov(a.double().T), torch.cov(b.double().T)
    root = torch.linalg.eigvals(c_a @ c_b).real.clamp_min(0).sqrt().sum()
    expected = (a.mean(0) - b.mean(0)).square().sum() + c_a.trace() + c_b.trace() - 2 * root
    assert distances.frechet(a, b) == pytest.approx(expected.item(), rel=1e-5)


def test_the_kernel_distance_in_parts_is_that_in_one():
    """1100 points are three parts of rows; a pair lost between parts would show."""
    a, b = normal(1100, 4), normal(1100, 4, seed=1) + 0.5

    def k(x, y):
        return (x.double() @ y.double().T / 4 + 1) ** 3

    within = sum(k(x, x).sum() - k(x, x).trace() for x in (a, b)) / (1100 * 1099)
    assert distances.kernel_distance(a, b).value == pytest.approx((within - 2 * k(a, b).mean()).item(), rel=1e-9)


def test_the_kernel_distance_between_halves_of_a_set_is_0_in_the_mean_and_often_below():
    """Biased, with i = j among the pairs, none would lie below 0. Its interval contains 0 as often as it says."""
    x = normal(200, 8).relu()
    found = []
    for seed in range(200):
        order = torch.randperm(200, generator=torch.Generator().manual_seed(seed))
        found.append(distances.kernel_distance(x[order[:100]], x[order[100:]]))
    values = torch.tensor([score.value for score in found])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(len(values)) and values.std() > 0
    assert 0.3 < (values < 0).double().mean() < 0.8
    assert sum(score.low <= 0 <= score.high for score in found) >= 185


def test_the_interval_of_a_kernel_distance_contains_the_truth_about_95_times_in_100():
    """Of draws from two laws on three points each, for which the truth is a sum over nine pairs."""
    points = torch.tensor([[0.0, 0], [1, 0], [0, 2]]).double()
    p, q = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.2, 0.3, 0.5]).double()
    k = (points @ points.T / 2 + 1) ** 3
    truth = ((p - q) @ k @ (p - q)).item()
    hits = 0
    for seed in range(200):
        draw = torch.Generator().manual_seed(seed)
        a, b = (points[torch.multinomial(law, 300, True, generator=draw)] for law in (p, q))
        score = distances.kernel_distance(a, b)
        hits += score.low <= truth <= score.high
    assert 180 <= hits <= 199


@pytest.mark.parametrize("k", [2, 10])
def test_the_inception_score_of_sure_and_equal_predictions_is_the_number_of_classes(k):
    sure = torch.eye(k).repeat(20, 1)
    score = distances.inception_score(sure)
    assert score.value == pytest.approx(k) and score.n == 20 * k
    assert score.low == pytest.approx(k) and score.high == pytest.approx(k)


def test_the_inception_score_of_predictions_all_alike_is_1():
    alike = torch.tensor([[0.7, 0.2, 0.1, 0.0]]).repeat(50, 1)
    assert distances.inception_score(alike).value == pytest.approx(1)


def test_the_interval_of_an_inception_score_contains_the_truth_about_95_times_in_100():
    """Predictions are one of four rows, equally often; the truth is the score of the four."""
    rows = torch.tensor([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.34, 0.33, 0.33]])
    truth = distances.inception_score(rows).value
    hits = 0
    for seed in range(200):
        score = distances.inception_score(rows[torch.randint(4, (400,), generator=torch.Generator().manual_seed(seed))])
        hits += score.low <= truth <= score.high
    assert 180 <= hits <= 199


def test_torchmetrics_finds_the_same_distances():
    """Its classes take a network: here the identity, on features."""
    fid = pytest.importorskip("torchmetrics.image.fid")
    kid = pytest.importorskip("torchmetrics.image.kid")
    inception = pytest.importorskip("torchmetrics.image.inception")

    class Identity(torch.nn.Module):
        num_features = 16

        def forward(self, x):
            return x

    real, fake = normal(300, 16).double(), normal(300, 16, seed=1).double() * 1.3 + 0.2
    theirs = fid.FrechetInceptionDistance(Identity())
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    assert distances.frechet(fake, real) == pytest.approx(theirs.compute().item(), rel=1e-6)

    assert distances.kernel_distance(fake, real).value == pytest.approx(kid.poly_mmd(real, fake).item(), rel=1e-9)

    theirs = inception.InceptionScore(Identity(), splits=1)
    theirs.update(fake)
    assert distances.inception_score(fake.softmax(1)).value == pytest.approx(theirs.compute()[0].item(), rel=1e-9)


def test_precision_and_recall_of_a_set_with_itself_are_1():
    x = normal(200, 8)
    assert distances.precision(x, x.clone()).value == 1
    assert distances.recall(x, x.clone()).value == 1


def test_precision_and_recall_of_sets_far_apart_are_0():
    x = normal(200, 8)
    assert distances.precision(x, x + 100).value == 0
    assert distances.recall(x, x + 100).value == 0


def test_a_generator_that_collapsed_keeps_precision_and_loses_recall():
    """Half of the real pictures are of a kind that is never generated; were the two mixed up, this would turn round."""
    real = torch.cat([normal(200, 4), normal(200, 4, seed=1) + 100])
    fake = normal(400, 4, seed=2)
    assert distances.precision(real, fake).value > 0.8
    assert 0.3 < distances.recall(real, fake).value <= 0.5


def test_a_ball_reaches_to_the_third_neighbour_not_counting_its_centre():
    line = torch.tensor([[0.0], [1], [2], [3], [4]])  # the ball around 0 and the one around 4 have radius 3
    inside = torch.tensor([[-3.0], [-3.001], [7], [7.001]])
    assert distances.covered(inside, by=line).tolist() == [True, False, True, False]


def test_class_shares_sum_to_1():
    shares = distances.class_shares(torch.tensor([0, 0, 1, 2]), ["a", "b", "c", "d"])
    assert {k: s.value for k, s in shares.items()} == {"a": 0.5, "b": 0.25, "c": 0.25, "d": 0}


# Copies ---------------------------------------------------------------------------------------------------------


def test_the_nearest_are_those_of_a_full_search_through_all_parts():
    """4 500 points are three parts; features this large lose digits in a product, and a copy its 0."""
    among = normal(4500, 6) + 100
    points = torch.cat([normal(40, 6, seed=1) + 100, among[[7, 2500, 4499]]])
    indices, found = distances.nearest(points, among, k=3)
    full = torch.cdist(points.double(), among.double(), compute_mode="donot_use_mm_for_euclid_dist")
    assert indices.tolist() == full.topk(3, largest=False).indices.tolist()
    assert torch.allclose(found.double(), full.topk(3, largest=False).values, rtol=1e-4)
    assert indices[-3:, 0].tolist() == [7, 2500, 4499] and found[-3:, 0].tolist() == [0, 0, 0]


def test_the_nearest_of_bytes_are_those_of_the_same_pictures_as_floats():
    draw = torch.Generator().manual_seed(0)
    among, points = (torch.randint(0, 256, (n, 1, 4, 4), dtype=torch.uint8, generator=draw) for n in (50, 5))
    of_bytes = distances.nearest(points, among, 2)
    of_floats = distances.nearest(points / 127.5 - 1, among / 127.5 - 1, 2)
    assert torch.equal(of_bytes[0], of_floats[0]) and torch.allclose(of_bytes[1], of_floats[1])


def test_more_neighbours_than_there_are_points_are_all_of_them():
    indices, _ = distances.nearest(normal(3, 2), normal(4, 2, seed=1), k=9)
    assert [sorted(row) for row in indices.tolist()] == [[0, 1, 2, 3]] * 3


def test_copies_are_nearer_than_held_out_pictures_and_fresh_ones_are_not():
    training, held_out, fresh = (normal(n, 8, seed) for seed, n in enumerate((600, 200, 200)))
    copies = training[:200] + 0.01 * normal(200, 8, seed=5)
    assert distances.nearness(copies, held_out, training).high < 0.1
    score = distances.nearness(fresh, held_out, training)
    assert score.low <= 1 <= score.high and score.low > 0.7


def test_where_held_out_pictures_are_copies_nothing_is_said():
    training = normal(50, 4)
    assert distances.nearness(normal(20, 4, seed=1), training[:20], training) is None
