"""Laws of what a denoiser learns: targets, the bound on the likelihood in closed form, which times are drawn."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from genstudio.models.diffusion import Diffusion
from genstudio.objectives.denoising import ImportantTimes, clean, kl_normal, log_grey_level, simple, target
from genstudio.samplers.schedule import Schedule

PREDICTS = ("epsilon", "x_0", "v")
MEAN, STD = 0.1, 0.2  # of every pixel, where pictures are Gaussian
GREY = torch.arange(256, dtype=torch.float64) / 127.5 - 1  # the grey levels


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# What it should say


@pytest.mark.parametrize("kind", ["linear", "cosine"])
@pytest.mark.parametrize("predicts", PREDICTS)
def test_the_picture_can_be_read_off_whatever_is_predicted(predicts, kind):
    schedule, x_0, eps = Schedule(kind), normal(4, 1, 5, 5), normal(4, 1, 5, 5, seed=1)
    for t in (0, 250, 998):
        signal, noise = (torch.tensor(n(t), dtype=torch.float64) for n in (schedule.signal, schedule.noise))
        said = target(predicts, x_0, eps, signal, noise)
        torch.testing.assert_close(clean(predicts, said, schedule.add_noise(x_0, eps, t), signal, noise), x_0)


def test_what_is_predicted_is_what_its_name_says():
    """v is how x turns from the picture to the noise: d/da (cos a x_0 + sin a eps)."""
    x_0, eps, angle, little = normal(2, 1, 5, 5), normal(2, 1, 5, 5, seed=1), 0.7, 1e-5
    after, before = (math.cos(a) * x_0 + math.sin(a) * eps for a in (angle + little, angle - little))
    torch.testing.assert_close(target("v", x_0, eps, math.cos(angle), math.sin(angle)), (after - before) / (2 * little))
    assert target("epsilon", x_0, eps, math.cos(angle), math.sin(angle)) is eps
    assert target("x_0", x_0, eps, math.cos(angle), math.sin(angle)) is x_0


def test_the_simple_loss_is_a_mean_square_for_each_picture():
    said, wanted = normal(3, 2, 4, 4), normal(3, 2, 4, 4, seed=1)
    expected = [nn.functional.mse_loss(a, b) for a, b in zip(said, wanted, strict=True)]
    torch.testing.assert_close(simple(said, wanted), torch.stack(expected))


# The bound


def test_kl_is_torch_s():
    mean, log_variance, other, other_log_variance = normal(4, 50)
    p, q = Normal(mean, (log_variance / 2).exp()), Normal(other, (other_log_variance / 2).exp())
    torch.testing.assert_close(kl_normal(mean, log_variance, other, other_log_variance), kl_divergence(p, q))


@pytest.mark.parametrize("mean", [-1.3, -1.0, 0.0, 0.123, 0.99])
@pytest.mark.parametrize("std", [0.002, 0.05, 1.0])
def test_all_grey_levels_together_have_probability_one(mean, std):
    """What lies beyond black and white counts as black and white. (Nothing is less likely than 1e-12.)"""
    each = log_grey_level(GREY, torch.tensor(mean).double(), torch.tensor(2 * math.log(std)).double()).exp()
    assert each.sum().item() == pytest.approx(1, abs=1e-9)


def test_a_grey_level_has_what_lies_nearer_to_it_than_to_any_other():
    p = Normal(torch.tensor(0.1).double(), torch.tensor(0.05).double())
    below = torch.cat([torch.zeros(1), p.cdf((GREY[1:] + GREY[:-1]) / 2), torch.ones(1)])
    expected = below.diff().clamp_min(1e-12)
    torch.testing.assert_close(log_grey_level(GREY, p.mean, 2 * p.stddev.log()).exp(), expected, rtol=1e-6, atol=1e-12)
    for level in GREY[[0, 100, 255]].float():
        assert log_grey_level(level, level, torch.tensor(-20.0)).item() == pytest.approx(0, abs=1e-6)


class Ideal(nn.Module):
    """In the network's place, what is best to say of pictures of independent pixels N(MEAN, STD^2): E[x_0 | x_t], and
    where `tells_width` the variance of x_{t-1} given x_t."""

    def __init__(self, schedule: Schedule, tells_width: bool):
        super().__init__()
        self.schedule, self.tells_width = schedule, tells_width

    def forward(self, x: Tensor, times: Tensor, kinds: Tensor | None = None) -> Tensor:
        signal, left = self.schedule.alpha_bars[times].sqrt(), self.schedule.alpha_bars[times]
        gain = signal * STD**2 / (left * STD**2 + 1 - left)
        best = MEAN + gain.view(-1, 1, 1, 1) * (x - MEAN * signal.view(-1, 1, 1, 1))
        if not self.tells_width:
            return best
        width = torch.tensor([best_width(self.schedule, t) for t in times.tolist()])
        return torch.cat([best, (2 * width - 1).view(-1, 1, 1, 1).expand_as(x)], 1)  # said on [-1, 1]


def unsure(schedule: Schedule, t: int) -> float:
    """How much of Var(x_{t-1} | x_t) comes from not knowing x_0."""
    left, before = schedule.alpha_bar(t), schedule.alpha_bar(t - 1)
    to_picture = math.sqrt(before) * (1 - left / before) / (1 - left)
    return to_picture**2 * STD**2 * (1 - left) / (left * STD**2 + 1 - left)


def best_width(schedule: Schedule, t: int) -> float:
    """Where that variance lies between its two bounds. At t = 0 the lower one is the next time's, being zero itself."""
    low, high = schedule.posterior_variance(max(t, 1), max(t, 1) - 1), 1 - schedule.alpha_bar(t) / schedule.alpha_bar(t - 1)
    exact = unsure(schedule, t) + (low if t else 0.0)
    return math.log(exact / low) / math.log(high / low)


def parts_of_the_bound(kind: str, tells_width: bool, side: int = 32) -> tuple[Schedule, Tensor, float]:
    """In bits per pixel, what lies at each of 1 000 times and in the prior, of Gaussian pictures in grey levels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Diffusion((1, side, side), (32,), 1, schedule=kind, predicts="x_0", learned_variance=tells_width)
        model.network = Ideal(model.schedule, tells_width)
        pixels = MEAN + STD * torch.randn(1000, 1, side, side)
        images = ((pixels + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1
        nats, prior = model.nats_at(images, torch.arange(1000)), model.nats_of_prior(images)
    bit = side**2 * math.log(2)
    return model.schedule, nats.double() / bit, prior.mean().item() / bit


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_of_gaussian_pictures_the_bound_is_their_entropy(kind):
    """All is known, so nothing is lost: the parts add up to the entropy of N(m, s^2) in steps of 2/255. That grey
    levels are not endlessly fine, and the draws not endlessly many, is worth about 0.3 %."""
    _, parts, prior = parts_of_the_bound(kind, tells_width=True)
    entropy = math.log2(STD * math.sqrt(2 * math.pi * math.e)) + math.log2(127.5)
    assert (parts.sum() + prior).item() == pytest.approx(entropy, rel=0.01)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_the_lower_variance_costs_what_it_is_too_narrow_by(kind):
    """With DDPM's posterior variance in place of the best one, each part is known in closed form, and so is the excess,
    most of it at the first few times: with t = 0 it is 9 to 10 % here. The mean of 1 024 squares is good to 4 %."""
    schedule, parts, prior = parts_of_the_bound(kind, tells_width=False)
    ratio = torch.tensor([unsure(schedule, t) / schedule.posterior_variance(t, t - 1) for t in range(1, 1000)]).double()
    torch.testing.assert_close(parts[1:], ratio / (2 * math.log(2)), rtol=0.25, atol=1e-6)
    assert parts[1:].sum().item() == pytest.approx(ratio.sum().item() / (2 * math.log(2)), rel=0.01)
    _, best, _ = parts_of_the_bound(kind, tells_width=True)
    excess = 0.5 * (ratio - ratio.log1p()).sum().item() / math.log(2)
    assert (parts - best)[1:].sum().item() == pytest.approx(excess, rel=0.1)
    assert parts[0] > best[0] and (parts.sum() + prior - best.sum()).item() > 0.4


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_the_prior_s_part_is_what_the_last_time_still_knows(kind):
    model = Diffusion((1, 8, 8), (32,), 1, schedule=kind)
    images = normal(3, 1, 8, 8).clamp(-1, 1)
    last = model.schedule.steps - 1
    q = Normal(model.schedule.signal(last) * images, torch.tensor(model.schedule.noise(last)).double())
    expected = kl_divergence(q, Normal(torch.zeros_like(images), torch.ones_like(images))).flatten(1).sum(1)
    torch.testing.assert_close(model.nats_of_prior(images), expected, rtol=1e-4, atol=1e-9)


# Which times to learn at


def note_all(times: ImportantTimes, losses: Tensor, rounds: int = ImportantTimes.MEMORY) -> None:
    for _ in range(rounds):
        times.note(torch.arange(len(losses)), losses)


def shares(drawn: Tensor, steps: int) -> Tensor:
    return torch.bincount(drawn, minlength=steps) / len(drawn)


@pytest.fixture(autouse=True)
def dice():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_all_times_are_drawn_alike_until_each_is_known():
    times, losses = ImportantTimes(5), torch.tensor([1.0, 1.0, 1.0, 1.0, 100.0])
    note_all(times, losses, ImportantTimes.MEMORY - 1)
    times.note(torch.arange(4), losses[:4])  # the last one is seen nine times only
    drawn, weight = times.sample(20_000)
    assert drawn.shape == weight.shape == (20_000,)
    torch.testing.assert_close(weight, torch.ones(20_000))
    torch.testing.assert_close(shares(drawn, 5), torch.full((5,), 0.2), rtol=0, atol=0.015)  # 5 standard errors
    times.note(torch.tensor([4]), losses[4:])
    assert shares(times.sample(20_000)[0], 5)[4] > 0.9


def test_times_are_drawn_as_their_losses_are_large():
    """In proportion to the root of the mean square, but for a thousandth, which keeps every time in play."""
    times, losses = ImportantTimes(4), torch.tensor([0.0, 1.0, 2.0, 5.0])
    note_all(times, losses)
    drawn, weight = times.sample(100_000)
    expected = 0.999 * losses / losses.sum() + 0.001 / 4
    torch.testing.assert_close(shares(drawn, 4), expected, rtol=0, atol=0.008)  # 5 standard errors
    torch.testing.assert_close(weight, 1 / (4 * expected[drawn]))


def test_what_is_drawn_more_often_counts_less_so_that_means_stay_the_same():
    """E[weight] = 1, and E[weight * loss] is the mean loss over all times: exactly, from every time's own weight."""
    times, losses = ImportantTimes(6), torch.tensor([0.1, 1.0, 2.0, 5.0, 0.7, 3.0])
    note_all(times, losses)
    drawn, weight = times.sample(100_000)
    each = torch.stack([weight[drawn == t].unique().squeeze() for t in range(6)])
    share = 1 / (6 * each)  # of a time among all draws
    assert (share * each).sum().item() == pytest.approx(1) and share.sum().item() == pytest.approx(1, abs=1e-5)
    assert weight.mean().item() == pytest.approx(1, abs=0.1)
    of_another = torch.tensor([4.0, 3.0, 1.0, 0.5, 2.0, 6.0])
    assert (share * each * of_another).sum().item() == pytest.approx(of_another.mean().item(), rel=1e-5)
    # Where the loss is as it was when it was noted, its weighted draws hardly differ: that is what it is good for.
    assert (weight * losses[drawn]).std() < 0.1 * losses[torch.randint(6, (100_000,))].std()


def test_only_the_last_losses_of_a_time_are_remembered():
    times = ImportantTimes(2)
    note_all(times, torch.tensor([100.0, 1.0]))
    note_all(times, torch.tensor([3.0, 1.0]))
    assert torch.equal(times.losses, torch.tensor([[3.0] * 10, [1.0] * 10]))
    assert times.count.tolist() == [20, 20]


def test_a_time_that_comes_twice_in_a_batch_is_remembered_twice():
    times = ImportantTimes(3)
    times.note(torch.tensor([0, 1, 0, 2, 0, 1]), torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    assert times.count.tolist() == [3, 2, 1]
    held = [sorted(row[row > 0].tolist()) for row in times.losses]
    assert held == [[1, 3, 5], [2, 6], [4]]


def test_how_often_a_time_comes_in_a_batch_is_no_part_of_its_loss():
    times = ImportantTimes(2)
    for _ in range(ImportantTimes.MEMORY):
        times.note(torch.tensor([0] * 10 + [1]), torch.ones(11))
    torch.testing.assert_close(shares(times.sample(50_000)[0], 2), torch.tensor([0.5, 0.5]), rtol=0, atol=0.02)
