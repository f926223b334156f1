"""Laws of the lab's flow: an exact inverse, a density over the plane, and a grid that bends with the layers shown."""

from __future__ import annotations

import pytest
import torch

from genstudio.model import Noise
from genstudio.models.points_flow import GRID, PointFlow

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def flow() -> PointFlow:
    torch.manual_seed(0)
    model = PointFlow(4).requires_grad_(False)
    for weights in model.parameters():
        weights += 0.1 * torch.randn_like(weights)
    return model


def test_points_come_back_from_their_latents(flow):
    points = 2 * torch.rand(50, 2, 1, 1, generator=torch.Generator().manual_seed(1)) - 1
    assert (flow.decode(flow.encode(points)) - points).abs().max() < 1e-5


def test_the_log_determinant_is_that_of_the_jacobian(flow):
    flow.double()
    points = torch.randn(5, 2, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    log_dets = flow.transform(points)[1]
    for point, log_det in zip(points, log_dets, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x: flow.transform(x)[0], point[None]).view(2, 2)
        assert torch.linalg.slogdet(jacobian).logabsdet.item() == pytest.approx(log_det.item(), abs=1e-10)
    assert log_dets.abs().min() > 1e-3


def test_the_density_integrates_to_one_over_the_plane():
    torch.manual_seed(0)
    flow = PointFlow(3).requires_grad_(False)  # its first weights, whose tails lie within the square
    assert flow.encode(torch.ones(1, 2, 1, 1)).sub(1).abs().min() > 0.01, "the identity proves nothing"
    at = torch.linspace(-30, 30, 1201)
    y, x = torch.meshgrid(at, at, indexing="ij")
    density = flow.log_density(torch.stack([x, y], -1).view(-1, 2, 1, 1)).exp()
    assert density.sum().item() * (60 / 1200) ** 2 == pytest.approx(1, abs=0.01)


def test_the_layers_shown_bend_the_grid_of_latents_onto_the_data(flow):
    z = flow.latents(Noise(range(5)))
    flow.configure(shown=0)
    assert torch.equal(flow.decode(z).flatten(1), z)
    straight = flow.grid()
    assert straight.abs().max() == GRID and straight[0, :, 1].std() == 0
    flow.configure(shown=2)
    half = flow.grid()
    flow.configure(shown=8)  # more than there are: all
    whole = flow.grid()
    assert not torch.allclose(straight, half) and not torch.allclose(half, whole)
    corner = flow.decode(torch.tensor([[-GRID, -GRID]])).flatten()
    torch.testing.assert_close(whole[0, 0], corner)
