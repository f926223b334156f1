"""The value of each game at its optimal critic is the divergence that its paper names, computed in a second way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genstudio.model import Batch, Progress
from genstudio.models.gan import GAN
from genstudio.objectives.adversarial import (
    ERROR,
    HINGE,
    KL,
    LEAST_SQUARES,
    LOGISTIC,
    MINIMAX,
    WASSERSTEIN,
    Game,
    Rules,
    clip_weights,
    critic_least_squares,
    critic_logistic,
    energy_game,
    generator_minimax,
    gradient_penalty,
    mode_seeking,
    pull_away,
    unrolled,
)

# Two distributions of four points, and samples of which each mean is exactly an expectation
P = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64)
Q = torch.tensor([0.125, 0.125, 0.25, 0.5], dtype=torch.float64)
REAL, FAKE = (torch.repeat_interleave(torch.arange(4), (64 * share).long()) for share in (P, Q))


def least(loss, start: float = 0.0) -> tuple[float, Tensor]:
    """The least loss over critics, each a table of four outputs, and that table."""
    table = torch.full((4,), start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([table], max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-14)

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(table[REAL], table[FAKE])
        value.backward()
        return value

    optimizer.step(closure)
    return loss(table[REAL], table[FAKE]).item(), table.detach()


def kl(p: Tensor, q: Tensor) -> float:
    return (p * (p / q).log()).sum().item()


def chi2(p: Tensor, q: Tensor) -> float:
    return ((p - q).square() / q).sum().item()


def test_minimax_is_the_jensen_shannon_divergence():
    value, table = least(critic_logistic)
    middle = (P + Q) / 2
    assert -value == pytest.approx(kl(P, middle) + kl(Q, middle) - math.log(4))
    torch.testing.assert_close(LOGISTIC.probability(table), P / (P + Q))


def test_least_squares_is_a_chi_squared_divergence():
    """With a = 0 and b = c = 1 the value is (1 + chi2(q || m)) / 2 of the generator's sum over real and fake, with
    a = -1, b = 1 and c = 0 it is chi2(p + q || 2 q) as the paper writes it, sum (p - q)^2 / (p + q)."""
    _, table = least(critic_least_squares)
    torch.testing.assert_close(table, P / (P + Q))
    assert (P * (table - 1).square() + Q * (table - 1).square()).sum().item() == pytest.approx(
        (1 + chi2(Q, (P + Q) / 2)) / 2
    )
    _, table = least(lambda real, fake: (real - 1).square().mean() + (fake + 1).square().mean())
    assert ((P + Q) * table.square()).sum().item() == pytest.approx(((P - Q).square() / (P + Q)).sum().item())


def test_wasserstein_is_the_cost_of_transport():
    """The critic of Lipschitz constant 1 and the cheapest transport, two linear programs, have one value."""
    from scipy.optimize import linprog

    places = np.array([0.0, 1.0, 1.5, 4.0])
    apart = np.abs(places[:, None] - places)
    rows = [np.eye(4)[i] - np.eye(4)[j] for i in range(4) for j in range(4)]
    critic = linprog(Q.numpy() - P.numpy(), A_ub=rows, b_ub=apart.ravel(), bounds=(None, None))
    plan = linprog(
        apart.ravel(),
        A_eq=[*np.kron(np.eye(4), np.ones(4)), *np.kron(np.ones(4), np.eye(4))],
        b_eq=np.concatenate([P.numpy(), Q.numpy()]),
    )
    table = torch.from_numpy(critic.x)
    assert -WASSERSTEIN.critic(table[REAL], table[FAKE]).item() == pytest.approx(plan.fun)


def test_the_f_gan_is_the_kl_divergence():
    value, table = least(KL.critic)
    assert -value == pytest.approx(kl(P, Q))
    torch.testing.assert_close(KL.probability(table), P / (P + Q))


def test_the_error_of_the_best_critic_is_half_of_what_is_not_total_variation():
    sure = torch.where(P > Q, 50.0, -50.0).double()
    assert ERROR.critic(sure[REAL], sure[FAKE]).item() == pytest.approx((1 - 0.5 * (P - Q).abs().sum().item()) / 2)


def test_the_margin_bounds_the_energies_of_an_ebgan():
    """Zhao et al. 2017, theorem 1: with q = p the least loss of the critic is the margin."""
    game = energy_game(2.0)
    table = torch.full((4,), 1.3, dtype=torch.float64)
    assert game.critic(table[REAL], table[REAL]).item() == pytest.approx(2)
    assert least(lambda real, fake: game.critic(real.abs(), fake.abs()), start=1.0)[0] < 2


def test_smoothed_labels_bound_the_optimal_critic_by_their_mean():
    target = torch.linspace(0.7, 0.9, len(REAL), dtype=torch.float64)[torch.randperm(len(REAL))].mean()
    _, table = least(lambda real, fake: critic_logistic(real, fake, target))
    torch.testing.assert_close(torch.sigmoid(table), target * P / (P + Q))
    with pytest.raises(ValueError, match="no labels"):
        Rules(WASSERSTEIN, smoothing=(0.7, 0.9))


def test_the_minimax_gradient_vanishes_where_the_critic_is_sure():
    """With respect to D it is 1 / (1 - D), without bound; with respect to the logit it is D itself, below 1."""
    for logit in (-30.0, 0.0, 30.0):
        x = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
        generator_minimax(x).backward()
        torch.testing.assert_close(-x.grad, torch.sigmoid(x.detach()))
    d = torch.tensor([1 - 1e-9], dtype=torch.float64, requires_grad=True)
    torch.log(1 - d).backward()
    assert d.grad.abs() > 1e8


def test_outputs_are_read_as_probabilities_only_where_they_are():
    output = torch.tensor([[0.3], [5.0]])
    for game in (WASSERSTEIN, HINGE, energy_game(1.0)):
        assert list(game.watch(real=output)) == ["critic(real)"]
    for game in (LOGISTIC, MINIMAX, LEAST_SQUARES, KL, ERROR):
        [(name, value)] = game.watch(real=output).items()
        assert name == "D(real)" and 0 <= value <= 1


def test_the_gradient_penalty_of_a_linear_critic_is_that_of_its_weights():
    weights = torch.randn(12)
    images, fakes = torch.randn(5, 3, 2, 2), torch.randn(5, 3, 2, 2)
    found = gradient_penalty(lambda x: x.flatten(1) @ weights, images, fakes)
    torch.testing.assert_close(found, (weights.norm() - 1).square())


def test_codes_pull_away_from_each_other():
    assert pull_away(torch.eye(4)).item() == pytest.approx(0)
    assert pull_away(torch.ones(4, 3)).item() == pytest.approx(1)
    codes = torch.randn(6, 5)
    cosines = [torch.cosine_similarity(codes[i], codes[j], 0) ** 2 for i in range(6) for j in range(6) if i != j]
    torch.testing.assert_close(pull_away(codes), torch.stack(cosines).mean())


def test_mode_seeking_grows_where_latents_give_one_image():
    z = torch.randn(8, 3)
    images = torch.randn(8, 1, 2, 2)
    assert mode_seeking(z, 0.01 * images) > mode_seeking(z, images)


# The rules, on a small model


class Points(GAN):
    """A GAN of points in the plane."""

    def __init__(self, rules: Rules = Rules(), norm: bool = False):
        super().__init__((2, 1, 1), 3, rules)
        self.generator = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2), nn.Unflatten(1, (2, 1, 1)))
        layers = [nn.Flatten(), nn.Linear(2, 8), *([nn.BatchNorm1d(8)] if norm else []), nn.Tanh(), nn.Linear(8, 1)]
        self.critic = nn.Sequential(*layers)


def turns(model: GAN) -> list[tuple[str, dict[str, Tensor]]]:
    """The turns of a step, each with one step of plain gradient descent."""
    torch.manual_seed(1)
    found = []
    for player, terms in model.losses(Batch(torch.randn(16, 2, 1, 1)), Progress()):
        weights = list(model.players()[player].parameters())
        loss = sum(term for term in terms.values() if term.requires_grad)
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.data -= 0.1 * gradient
        found.append((player, terms))
    return found


def small(rules: Rules, norm: bool = False) -> Points:
    torch.manual_seed(0)
    return Points(rules, norm)


GAMES = (LOGISTIC, MINIMAX, LEAST_SQUARES, HINGE, WASSERSTEIN, KL, ERROR)


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.generator.__name__)
def test_every_game_is_played_in_turns(game: Game):
    assert [player for player, _ in turns(small(Rules(game)))] == ["critic", "generator"]


def test_critic_steps_are_on_fresh_images_or_on_the_same():
    batch = Batch(torch.arange(20.0).view(20, 1, 1, 1))
    for fresh in (True, False):
        model = small(Rules(critic_steps=5, fresh=fresh))
        assert [player for player, _ in turns(model)] == 5 * ["critic"] + ["generator"]
        parts = [part.images for part in model.parts(batch)]
        seen = torch.cat(parts).flatten().tolist()
        assert seen == list(range(20)) if fresh else seen == 5 * list(range(20))
    assert len(small(Rules(critic_steps=5)).parts(batch[:3])) == 3


def test_clipping_keeps_every_weight_in_its_box():
    model = small(Rules(WASSERSTEIN, clip=0.01, critic_steps=3))
    for player, _ in turns(model):
        pass
    assert max(weight.abs().max() for weight in model.critic.parameters()) <= 0.01
    clip_weights(model.critic, 0.001)
    assert max(weight.abs().max() for weight in model.critic.parameters()) <= 0.001


def test_mixed_half_batches_differ_through_batch_norm_only():
    for norm in (False, True):
        apart, mixed = (turns(small(Rules(mixed=mixed), norm))[0][1]["critic"] for mixed in (False, True))
        assert torch.allclose(apart, mixed) is not norm


def test_unrolling_looks_ahead_and_by_no_step_is_the_plain_game():
    plain, none, five = (turns(small(Rules(unroll=k)))[1][1]["generator"] for k in (0, 0, 5))
    assert torch.equal(plain, none) and not torch.allclose(plain, five)
    model = small(Rules())
    real, fake = torch.randn(16, 2, 1, 1), torch.randn(16, 2, 1, 1)
    before = [weight.clone() for weight in model.critic.parameters()]

    def loss(critic) -> Tensor:
        return critic_logistic(critic(real), critic(fake))

    torch.testing.assert_close(unrolled(model.critic, loss, 0, 0.1)(fake), model.critic(fake))
    ahead = unrolled(model.critic, loss, 3, 0.1)(fake)
    assert all(torch.equal(a, b) for a, b in zip(before, model.critic.parameters(), strict=True))
    for _ in range(3):  # the same by plain gradient descent
        gradients = torch.autograd.grad(loss(model.critic), list(model.critic.parameters()))
        for weight, gradient in zip(model.critic.parameters(), gradients, strict=True):
            weight.data -= 0.1 * gradient
    torch.testing.assert_close(ahead, model.critic(fake))


def test_the_latent_is_normal_or_uniform_of_the_same_variance():
    torch.manual_seed(0)
    for latent, most in (("normal", 10.0), ("uniform", 3**0.5)):
        z = Rules(latent=latent).latents(20_000, 2, torch.device("cpu"))
        assert z.var().item() == pytest.approx(1, abs=0.05) and z.abs().max() <= most
