"""Intervals: each contains the truth as often as it says."""

import pytest
import torch

from genstudio.scores import intervals


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("p", [0.02, 0.5, 0.994])
def test_wilsons_interval_contains_the_truth_about_95_times_in_100(p):
    """By its nature it does so 90 to 98 times for these p and n; an interval of one standard error would, 68 times."""
    draws = torch.rand(1000, 200, generator=torch.Generator().manual_seed(1)) < p
    found = [intervals.share(row) for row in draws]
    assert 880 <= sum(s.low <= p <= s.high for s in found) <= 990


def test_wilsons_interval_of_no_error_at_all_is_no_point():
    score = intervals.share(torch.ones(100, dtype=torch.bool))
    assert score.value == 1 and score.high == 1
    assert score.low == pytest.approx(1 / (1 + intervals.Z95**2 / 100))


def test_the_interval_of_a_ratio_contains_the_truth_about_95_times_in_100():
    hits = 0
    for seed in range(300):
        noise = normal(200, 2, seed)
        b = 2 + 0.3 * noise[:, 0]
        score = intervals.ratio(0.5 * b + 0.1 * noise[:, 1], b)
        hits += score.low <= 0.5 <= score.high
    assert 270 <= hits <= 297


def test_the_bootstrap_of_a_mean_is_as_wide_as_its_standard_error():
    values = normal(500, 1)
    by_error = intervals.average(values[:, 0])
    by_bootstrap = intervals.bootstrap(lambda rows: rows.mean().item(), values, draws=200)
    assert by_bootstrap.value == pytest.approx(by_error.value, abs=1e-6)
    assert by_bootstrap.high - by_bootstrap.low == pytest.approx(by_error.high - by_error.low, rel=0.2)
