"""Laws of flows: log-determinants are those of the Jacobian, inverses are exact, and orthogonal matrices orthogonal."""

from __future__ import annotations

import math

import pytest
import torch

from genstudio.layers import posterior_flow
from genstudio.layers.flow import (
    Logit,
    Scale,
    SelfNormalizing,
    SinhArcsinh,
    couplings,
    parts,
    pixel_shuffle,
)
from genstudio.layers.posterior_flow import (
    PosteriorFlow,
    convergence_error,
    householder,
    invertible_planar,
    orthogonalize,
    planar,
    sylvester,
)

SHAPE = (1, 8, 8)
KINDS = ("planar", "orthogonal", "householder", "triangular")
pytestmark = pytest.mark.usefixtures("one_thread")


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def layers() -> dict[str, torch.nn.Module]:
    """Every layer with random weights, in float64."""
    torch.manual_seed(0)
    found = {"scale": Scale(), "logit": Logit(), "sinh-arcsinh": SinhArcsinh(SHAPE)}
    found |= {f"coupling {i}": layer for i, layer in enumerate(couplings(SHAPE, width=8, blocks=1, each=2))}
    found |= {"within": SelfNormalizing(SHAPE, across=False), "across": SelfNormalizing(SHAPE, across=True)}
    for layer in found.values():
        for weights in layer.parameters():
            weights.data += 0.1 * torch.randn_like(weights)
    return {name: layer.double().eval().requires_grad_(False) for name, layer in found.items()}


LAYERS = layers()


def inputs(name: str, count: int) -> torch.Tensor:
    x = draw(count, *SHAPE)
    return {"scale": 256 * torch.sigmoid(x), "logit": torch.sigmoid(x)}.get(name, x)


@pytest.mark.parametrize("name", LAYERS)
def test_the_log_determinant_of_a_layer_is_that_of_its_jacobian(name):
    x, layer = inputs(name, 3), LAYERS[name]
    log_det = layer(x)[1]
    for i in range(3):
        jacobian = torch.autograd.functional.jacobian(lambda one: layer(one)[0], x[i : i + 1]).view(64, 64)
        assert torch.linalg.slogdet(jacobian).logabsdet == pytest.approx(log_det[i].item(), abs=1e-8)
        assert not torch.allclose(jacobian, torch.eye(64, dtype=torch.float64)), "an identity proves nothing"


@pytest.mark.parametrize("name", LAYERS)
def test_the_inverse_of_a_layer_gives_its_input_back(name):
    """In float32 as the page computes."""
    layer = LAYERS[name].float()
    x = inputs(name, 5).float()
    assert (layer.inverse(layer(x)[0]) - x).abs().max() < 1e-5 * max(1.0, x.abs().max().item() / 8)
    layer.double()


def test_couplings_read_one_part_and_change_the_other():
    for coupling in couplings(SHAPE, 8, 1, each=2):
        assert coupling.given and coupling.changed and not set(coupling.given) & set(coupling.changed)
    board = torch.zeros(1, 16, 2, 2)
    board[:, parts(1, 0, "checkerboard")[0]] = 1
    rows, columns = torch.arange(8)[:, None], torch.arange(8)
    assert torch.equal(pixel_shuffle(board, 4)[0, 0] == 1, (rows + columns) % 2 == 0)
    coarse = torch.zeros(1, 16, 2, 2)
    coarse[:, parts(1, 1, "checkerboard")[0]] = 1
    left = pixel_shuffle(coarse, 4)[0, 0]
    assert not left[1::2].any(), "the odd rows are factored out"
    assert torch.equal(left[::2] == 1, ((rows[:4] + columns // 2) % 2 == 0))


def test_a_learned_inverse_stands_in_for_the_gradient_of_the_log_determinant():
    """Where R is the inverse of W, the gradient is exactly that of log |det W|; its value always is."""
    layer = SelfNormalizing(SHAPE, across=True).double()
    layer.weight.data += 0.1 * draw(*layer.weight.shape)
    layer.inverse_weight.data = torch.linalg.inv(layer.weight.data)
    x = draw(1, *SHAPE)
    found = {}
    for mode in (True, False):
        layer.train(mode).zero_grad()
        log_det = layer(x)[1].sum()
        log_det.backward()
        found[mode] = (log_det.item(), layer.weight.grad.clone())
    assert found[True][0] == pytest.approx(found[False][0])
    torch.testing.assert_close(found[True][1], found[False][1])
    assert layer.inversion_error(x).item() < 1e-20
    torch.testing.assert_close(layer.inverse(layer(x)[0], learned=True), x)


def test_couplings_and_planar_maps_are_those_of_normflows():
    """Another project's, with the same weights."""
    import normflows

    x, coupling = draw(3, *SHAPE), LAYERS["coupling 0"]
    other = normflows.flows.MaskedAffineFlow(
        torch.ones(16, 2, 2).double().index_fill(0, torch.tensor(coupling.changed), 0),
        t=Spread(coupling, 1),
        s=Spread(coupling, 0),
    )
    y, log_det = coupling(x)
    theirs, their_log_det = other(torch.nn.functional.pixel_unshuffle(x, 4))
    torch.testing.assert_close(pixel_shuffle(theirs, 4), y)
    torch.testing.assert_close(their_log_det, log_det)

    z, u, w, b = draw(4, 6), draw(1, 6, seed=1), draw(1, 6, seed=2), draw(1, seed=3)
    theirs, their_log_det = normflows.flows.Planar((6,), u=u, w=w, b=b)(z)
    moved, log_det = planar(z[None], invertible_planar(u[None], w[None]), w[None], b[None, None])
    torch.testing.assert_close(moved[0], theirs, atol=2e-3, rtol=0)  # ours keeps away from the edge by 1e-3
    torch.testing.assert_close(log_det[0], their_log_det, atol=5e-3, rtol=0)


class Spread(torch.nn.Module):
    """Log scale or shift of a coupling in the places of the changed channels, among zeros."""

    def __init__(self, coupling: torch.nn.Module, which: int):
        super().__init__()
        self.coupling, self.which = coupling, which

    def forward(self, blocks: torch.Tensor) -> torch.Tensor:
        spread = torch.zeros_like(blocks)
        spread[:, self.coupling.changed] = self.coupling.scale_and_shift(blocks)[self.which]
        return spread


# Of a posterior ---------------------------------------------------------------------------------------------------


def posterior(kind: str) -> PosteriorFlow:
    torch.manual_seed(0)
    flow = PosteriorFlow(kind, latent_dim=6, hidden=5, flows=3, vectors=4).double().requires_grad_(False)
    for weights in flow.parameters():
        weights *= 3
    return flow


@pytest.mark.parametrize("kind", KINDS)
def test_the_log_determinant_of_a_posterior_flow_is_that_of_its_jacobian(kind):
    flow, z, h = posterior(kind), draw(2, 3, 6), draw(2, 5, seed=1)
    log_det = flow(z, h)[1]
    for i in range(2):
        for s in range(3):
            move = lambda one, i=i: flow(one.view(1, 1, 6), h[i : i + 1])[0].flatten()  # noqa: E731
            jacobian = torch.autograd.functional.jacobian(move, z[i, s])
            assert torch.linalg.slogdet(jacobian).logabsdet == pytest.approx(log_det[i, s].item(), abs=1e-9)
            assert torch.det(jacobian) > 0, "it folds space over"
    assert log_det.abs().min() > 1e-3, "a determinant of 1 proves nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_the_encoder_can_only_give_invertible_maps(kind):
    """w'u > -1 of planar maps; of Sylvester's r1_ii r2_ii > -1, whatever the features."""
    for u, w, *rest in posterior(kind).parameters_of(10 * draw(50, 5)):
        if kind == "planar":
            assert ((u * w).sum(2) > -1).all()
        else:
            r1, r2 = w, rest[0]
            assert (r1.diagonal(dim1=1, dim2=2) * r2.diagonal(dim1=1, dim2=2) > -1).all()
            assert torch.equal(r1, r1.triu()) and torch.equal(r2, r2.triu()) and r1.abs().max() > 0
            torch.testing.assert_close(u.mT @ u, torch.eye(u.shape[2]).double().expand(50, -1, -1), atol=2e-6, rtol=0)


def test_a_planar_map_without_the_condition_folds_space():
    """And with it does not: the slope along w is never 0."""
    w = torch.tensor([[[2.0, 0.0]]]).double()
    u, b = -w, torch.zeros(1, 1, 1).double()
    line = torch.linspace(-2, 2, 201).double()[:, None] * torch.tensor([1.0, 0.0]).double()
    moved, _ = planar(line[None], u, w, b)
    assert (moved[0, :, 0].diff() < 0).any()
    moved, log_det = planar(line[None], invertible_planar(u, w), w, b)
    assert (moved[0, :, 0].diff() > 0).all() and log_det.isfinite().all()


def test_sylvesters_identity():
    """det(I_D + AB) = det(I_M + BA), which makes a determinant of 30 dimensions one of 4."""
    a, b = draw(30, 4), draw(4, 30, seed=1)
    large = torch.det(torch.eye(30).double() + a @ b)
    assert large.item() == pytest.approx(torch.det(torch.eye(4).double() + b @ a).item(), rel=1e-10)


def test_a_sylvester_map_of_one_column_is_planar():
    z, q, b = draw(2, 3, 5), draw(2, 5, 1, seed=1), draw(2, 1, 1, seed=2)
    q = q / q.norm(dim=1, keepdim=True)
    r1, r2 = (torch.tensor([[[value]]]).double().expand(2, 1, 1) for value in (0.7, -0.4))
    moved, log_det = sylvester(z, q, r1, r2, b)
    same, of_planar = planar(z, 0.7 * q.mT, -0.4 * q.mT, b)
    torch.testing.assert_close(moved, same)
    torch.testing.assert_close(log_det, of_planar)


def test_the_iteration_makes_columns_orthonormal():
    """Within 1e-6 in float32 after at most 100 steps, in the space that they span; each step comes closer."""
    q = draw(50, 32, 8).float()
    found = orthogonalize(q)
    assert (found.mT @ found - torch.eye(8)).abs().max() <= 1e-6
    span = found @ (found.mT @ q)
    torch.testing.assert_close(span, q, atol=1e-4, rtol=0)
    errors = [convergence_error(orthogonalize(q, steps)).max().item() for steps in (0, 4, 8, 16, 24)]
    assert errors == sorted(errors, reverse=True) and errors[0] < 1 and errors[-1] < 1e-5


def test_the_condition_of_convergence_is_said_where_it_fails():
    unit = torch.linalg.qr(draw(6, 3)).Q
    assert convergence_error(1.3 * unit).item() == pytest.approx(1.3**2 - 1)
    with pytest.raises(ValueError, match=r"\|\|Q'Q - I\|\| is 3, and the iteration converges below 1"):
        orthogonalize(2 * unit, normalize=False)
    torch.testing.assert_close(orthogonalize(2 * unit), unit, atol=1e-6, rtol=0)  # the division first
    dependent = torch.cat([unit, unit[:, :1]], 1).float()
    with pytest.raises(ValueError, match="cannot be made orthonormal"):
        orthogonalize(dependent)


def test_products_of_reflections_are_orthogonal():
    q = householder(draw(20, 5, 12).float())
    assert (q.mT @ q - torch.eye(12)).abs().max() < 1e-5
    assert torch.allclose(torch.det(q), torch.tensor(-1.0), atol=1e-5), "five reflections turn the orientation"
    v = draw(12, seed=3)
    reflection = torch.eye(12).double() - 2 * torch.outer(v, v) / v.dot(v)
    torch.testing.assert_close(householder(v[None]), reflection)


def test_more_orthonormal_columns_than_dimensions_are_refused():
    with pytest.raises(ValueError, match="9 orthonormal vectors do not fit in 8 dimensions"):
        PosteriorFlow("orthogonal", latent_dim=8, hidden=4, flows=1, vectors=9)
    assert posterior_flow.MAX_STEPS == 100 and math.isclose(posterior_flow.TOLERANCE, 1e-6)
