"""Paths between codes: where they start and end, and what their norms do on the way."""

from __future__ import annotations

import pytest
import torch

from genstudio.latent.paths import (
    DIRECTIONS,
    PATHS,
    bilinear,
    largest_effects,
    linear,
    principal_components,
    single_dimensions,
    spherical,
)

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


@pytest.mark.parametrize("path", PATHS)
def test_a_plane_holds_its_corners_row_by_row_and_the_paths_between_them(path):
    corners = torch.stack([*ends(0), *ends(1)])
    x, y = torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, 1.0, 1.0])
    torch.testing.assert_close(bilinear(corners, x, y, PATHS[path]), corners, rtol=1e-5, atol=1e-5)
    top = bilinear(corners, T, torch.zeros_like(T), PATHS[path])
    torch.testing.assert_close(top, PATHS[path](corners[0], corners[1], T), rtol=1e-5, atol=1e-5)


def cloud(n: int = 4000, scales: tuple[float, ...] = (3.0, 2.0, 1.0, 0.5)) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes with known standard deviations along the columns of a rotation."""
    draw = torch.Generator().manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(len(scales), len(scales), generator=draw))[0]
    return torch.randn(n, len(scales), generator=draw) * torch.tensor(scales) @ rotation.T, rotation


def test_principal_components_are_the_axes_of_the_cloud_as_long_as_its_deviations():
    codes, rotation = cloud()
    found = principal_components(codes)
    torch.testing.assert_close(found.norm(dim=1), torch.tensor([3.0, 2.0, 1.0, 0.5]), rtol=0.05, atol=0)
    cosines = (found / found.norm(dim=1, keepdim=True) @ rotation).abs()
    assert (cosines.diagonal() > 0.99).all()


def test_the_largest_effect_is_found_where_all_codes_are_alike():
    """Codes from N(0, I), as a GAN's: principal components are chance, and what moves the picture is one direction."""
    draw = torch.Generator().manual_seed(1)
    codes, telling = torch.randn(4000, 12, generator=draw), torch.nn.functional.normalize(torch.randn(12, generator=draw), dim=0)
    pictures = 5 * (codes @ telling)[:, None] * torch.ones(64) + 0.3 * codes @ torch.randn(12, 64, generator=draw)
    found = largest_effects(codes, pictures.view(-1, 1, 8, 8))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(12), rtol=0.06, atol=0)
    assert (found[0] @ telling).abs() > 0.99
    by_chance = principal_components(codes)
    assert (by_chance[0] / by_chance[0].norm() @ telling).abs() < 0.9


def test_single_dimensions_step_by_their_deviation():
    codes, _ = cloud()
    torch.testing.assert_close(single_dimensions(codes), torch.diag(codes.std(0)))


@pytest.mark.parametrize("kind", DIRECTIONS)
def test_directions_point_the_same_way_on_every_machine(kind):
    """A direction is as good as its opposite, and which one comes out of an eigensolver is chance."""
    codes, _ = cloud()
    found = DIRECTIONS[kind](codes, *([codes.repeat(1, 4)] if kind == "effect" else []))
    assert (found.gather(1, found.abs().argmax(1, keepdim=True)) > 0).all()
