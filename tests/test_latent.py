"""Paths between codes: where they start and end, and what their norms do on the way."""

from __future__ import annotations

import pytest
import torch

from genstudio.latent import PATHS, linear, spherical

T = torch.linspace(0, 1, 21)


def ends(seed: int, d: int = 100) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(d, generator=draw), torch.randn(d, generator=draw)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("seed", range(4))
def test_a_path_begins_at_one_end_and_stops_at_the_other(path, seed):
    a, b = ends(seed)
    points = PATHS[path](a, b, T)
    assert points.shape == (len(T), len(a))
    torch.testing.assert_close(points[0], a, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(points[-1], b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_slerp_between_equal_norms_stays_on_the_sphere_at_even_angles(seed):
    a, b = (10 * e / e.norm() for e in ends(seed))
    points = spherical(a, b, T)
    torch.testing.assert_close(points.norm(dim=1), torch.full((len(T),), 10.0), rtol=1e-5, atol=0)
    steps = torch.arccos((points[1:] * points[:-1]).sum(1) / 100)
    assert steps.max() - steps.min() < 1e-3


def test_the_straight_line_dips_inside_the_sphere():
    """Half-way between two independent codes the norm falls to about sqrt(1/2) of theirs."""
    a, b = (e / e.norm() for e in ends(0, d=1000))
    norms = linear(a, b, T).norm(dim=1)
    assert norms.argmin() == 10 and 0.65 < norms[10] < 0.76
    assert (norms[:11].diff() < 0).all() and (norms[10:].diff() > 0).all()


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
def test_slerp_takes_the_straight_line_where_there_is_no_one_arc(factor):
    a, _ = ends(0)
    for one, other in ((a, factor * a), (factor * a, a)):
        torch.testing.assert_close(spherical(one, other, T), linear(one, other, T))


def test_slerp_of_two_zeros_is_zero():
    assert (spherical(torch.zeros(3), torch.zeros(3), T) == 0).all()


def test_slerp_between_almost_opposite_codes_still_stays_on_the_sphere():
    """In float32 the angle of such codes is wrong by as much as what is left to pi, and the norm half-way by a third."""
    a, b = (10 * e / e.norm() for e in ends(1))
    b = -a + 1e-2 * b
    b = 10 * b / b.norm()
    torch.testing.assert_close(spherical(a, b, T).norm(dim=1), torch.full((len(T),), 10.0), rtol=1e-3, atol=0)
