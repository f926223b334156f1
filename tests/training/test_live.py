"""Laws of a live training: it is that of the loop, the same for a seed, and follows what is changed while it runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from genstudio.controls import Refusal
from genstudio.data.points import PointBatches, grid, ring
from genstudio.models.points import GAMES
from genstudio.registry import find_system, systems, unlisted
from genstudio.training.live import FORCES, SHOWN, SIDE, History, Live, settings_of

MODELS = sorted(unlisted())
GANS = [name for name in MODELS if "critic_rate" in settings_of(name)]


pytestmark = pytest.mark.usefixtures("one_thread")


def trained(steps: int = 20, model: str = "points_gan", **values) -> Live:
    live = Live(ring(), model, **values)
    for _ in range(steps):
        live.step()
    return live


def weights(live: Live, player: str = "") -> torch.Tensor:
    module = live.run.model.players()[player] if player else live.run.model
    return torch.nn.utils.parameters_to_vector(module.parameters()).detach().clone()


def test_the_systems_of_the_lab_are_on_no_list():
    assert len(MODELS) == 5 and not set(MODELS) & systems().keys()
    with pytest.raises(ValueError, match="no system is called 'points_gan'"):
        find_system("points_gan")


@pytest.mark.parametrize("model", MODELS)
def test_a_seed_and_settings_give_the_same_training(model):
    one, two, other = trained(model=model), trained(model=model), trained(model=model, seed=1)
    assert torch.equal(weights(one), weights(two)) and one.terms == two.terms
    assert not torch.equal(weights(one), weights(other))
    for live in (one, two):
        live.restart()
        live.state()  # does not take part
        live.step()
    fresh = trained(1, model)
    assert torch.equal(weights(one), weights(fresh)) and torch.equal(weights(two), weights(fresh))


@pytest.mark.parametrize("model", MODELS)
def test_the_state_has_what_the_lab_shows(model):
    live = trained(model=model)
    state = live.state()
    assert state.points.shape == (SHOWN, 2) and state.landscape.shape == (SIDE, SIDE)
    assert all(np.isfinite(a).all() for a in (state.points, state.forces, state.landscape))
    assert state.step == 20 and set(state.taken.values()) == {20} and state.modes == 8
    assert state.forces.shape == ((FORCES, 2) if model in GANS else (0, 2))
    scales = {"points_gan": "probability", "points_ebgan": "output", "points_flow": "density"}
    assert state.scale == scales.get(model, "error")
    assert len(state.grid) == (22 if model == "points_flow" else 0) and np.isfinite(state.grid).all()
    assert state.norms.keys() == live.run.model.players().keys()
    assert np.array_equal(state.points, live.state().points), "of fixed latents"


@pytest.mark.parametrize("game", GAMES)
def test_forces_point_to_where_the_loss_of_g_falls(game):
    """Its finite difference along the forces, in each game; and none reads a number as a probability that is none."""
    live = trained(50, game=game)
    state, model = live.state(), live.run.model.eval()
    assert state.scale == ("output" if GAMES[game][0].probability is None else "probability")
    if state.scale == "probability":
        assert state.landscape.min() >= 0 and state.landscape.max() <= 1
    points, forces = torch.tensor(state.points[:FORCES]).double(), torch.tensor(state.forces).double()
    model.double()

    def loss(at: torch.Tensor) -> float:
        with torch.no_grad():
            return float(model.game.generator(model.critic(at.view(-1, 2, 1, 1))) * len(at))

    step = 1e-6
    falls = (loss(points + step * forces) - loss(points - step * forces)) / (2 * step)
    assert falls == pytest.approx(-float(forces.square().sum()), rel=1e-3, abs=1e-9)


def test_the_landscape_has_y_downwards():
    live = trained(0)
    landscape, model = live.state().landscape, live.run.model.eval()
    corner = torch.tensor([-1.25, 1.25]).view(1, 2, 1, 1)  # upper left
    with torch.no_grad():
        assert landscape[0, 0] == pytest.approx(float(model.landscape(corner)), abs=1e-6)


@pytest.mark.parametrize("player", ["critic", "generator"])
def test_a_step_of_one_player_leaves_the_other_as_it_was(player):
    live = trained(3)
    before = {name: weights(live, name) for name in live.players}
    live.step(player)
    assert live.taken == {name: 3 + (name == player) for name in live.players}
    for name in live.players:
        assert torch.equal(weights(live, name), before[name]) == (name != player)


@pytest.mark.parametrize(
    "values",
    [
        {"game": "wasserstein"}, {"smoothing": "yes"}, {"critic_steps": 2}, {"latent": "uniform"}, {"penalty": 1.0},
        {"clip": 0.05}, {"diversity": 0.5}, {"unroll": 2}, {"critic_rate": "0.01"}, {"generator_rate": "0.01"},
        {"optimizer": "rmsprop"}, {"batch": 64},
    ],
    ids=lambda values: next(iter(values)),
)  # fmt: skip
def test_what_changes_while_it_runs_changes_the_steps_to_come(values):
    live, unchanged, anew = trained(5), trained(6), Live(ring(), **values)
    at = weights(live)
    live.change(**values)
    assert live.values == anew.values and live.run.step == 5
    assert torch.equal(weights(live), at), "the weights so far stay"
    live.step()
    assert not torch.equal(weights(live), weights(unchanged))


def test_rules_that_need_a_second_step_or_batch_norm_take_part_then():
    for values, other in (({"critic_steps": 2}, {"batches": "same"}), ({"norm": "yes"}, {"halves": "mixed"})):
        changed = weights(trained(3, **values)) - weights(trained(3, **values, **other))
        assert changed.abs().max() > 1e-3
        assert torch.allclose(weights(trained(3)), weights(trained(3, **other)), atol=1e-5), "as its hint says"
    one, two = trained(3, unroll=2), trained(3, unroll=2, unroll_rate=0.9)
    assert not torch.equal(weights(one), weights(two))


def test_another_structure_begins_anew():
    live = trained(5)
    live.change(norm="yes")
    assert live.run.step == 0 and not live.terms and live.history.rows == []
    live.step()
    assert torch.equal(weights(live), weights(trained(1, norm="yes")))


def test_clipping_keeps_the_critic_in_its_box():
    assert weights(trained(5, clip=0.05, game="wasserstein"), "critic").abs().max() <= 0.05
    assert weights(trained(5), "critic").abs().max() > 0.05


def test_other_points_are_learned_from_the_next_step_on():
    live = trained(5)
    live.learn(grid())
    assert live.run.step == 5 and live.state().modes == 25
    batch, real = live.batches[5].images, live.real.flatten(1)
    assert torch.equal(batch, PointBatches(grid(), 128, 0)[5].images)
    assert torch.cdist(real, grid().modes).min(1).values.max() < 0.2


def test_a_training_that_diverges_says_so_in_one_sentence_until_it_is_reset():
    live = Live(ring(), game="kl", optimizer="sgd", critic_rate="0.1", generator_rate="0.1", critic_steps=5)
    with torch.no_grad():
        live.run.model.critic[1][-1].bias.fill_(math.inf)
    for _ in range(2):
        with pytest.raises(Refusal, match="^the training diverged at step 1: lower the learning rates and reset it$"):
            live.step()
    live.restart()
    live.step()
    assert live.run.step == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"critic_rate": "nan"}, "critic_rate must be one of"),
        ({"generator_rate": float("nan")}, "generator_rate must be one of"),
        ({"batch": 10**9}, "batch must lie between 8 and 512, not 1000000000"),
        ({"penalty": math.nan}, "penalty must lie between"),
        ({"unroll": 11}, "unroll must lie between 0 and 10, not 11"),
        ({"game": "chess"}, "game must be one of"),
        ({"speed": 3}, "unknown control 'speed'"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence_and_change_nothing(values, words):
    live = trained(2)
    before = dict(live.values)
    with pytest.raises(Refusal, match=words) as refused:
        live.change(**{"smoothing": "yes"} | values)
    assert "\n" not in str(refused.value) and live.values == before
    live.step()
    with pytest.raises(Refusal, match="the lab has no model 'points_x'"):
        Live(ring(), "points_x")
    with pytest.raises(Refusal, match="the players are critic, generator, not 'judge'"):
        live.step("judge")


def test_a_vae_has_no_rate_of_a_critic():
    assert "critic_rate" not in settings_of("points_vae")
    with pytest.raises(Refusal, match="unknown control 'critic_rate'"):
        Live(ring(), "points_vae", critic_rate="0.01")
    assert not torch.equal(weights(trained(3, "points_vae")), weights(trained(3, "points_vae", beta=0.1)))


def test_the_history_keeps_means_over_equal_spans():
    history = History()
    for step in range(1000):
        history.add({"a": float(step)} | ({"b": 1.0} if step >= 500 else {}))
    lines = dict(history.lines())
    assert len(lines["a"]) <= History.MAX and history.length == 8
    assert lines["a"] == [8 * i + 3.5 for i in range(125)]
    assert lines["b"][:62] == [None] * 62 and set(lines["b"][63:]) == {1.0}
