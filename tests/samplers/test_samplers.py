"""Laws of schedules, samplers, guidance and inpainting: no network is asked, only denoisers that are known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from genstudio.model import Noise
from genstudio.samplers import SAMPLERS
from genstudio.samplers.ddim import inverted
from genstudio.samplers.guidance import by_classifier, classifier_free, clipped, deviation, inpainting
from genstudio.samplers.schedule import CLEAN, Denoise, Schedule, State

KINDS = ("linear", "cosine")
MEAN, STD = 0.1, 0.2  # of every pixel, where pictures are Gaussian


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def perfect(schedule: Schedule, x_0: Tensor) -> Denoise:
    """It knows the picture."""
    return lambda x, t: schedule.denoised(x, x_0, t)


def ideal(schedule: Schedule, mean: float = MEAN) -> Denoise:
    """It knows that all pixels are N(mean, STD^2), each by itself, and says E[x_0 | x_t]."""

    def denoise(x: Tensor, t: int):
        gain = schedule.signal(t) * STD**2 / variance(schedule, t)
        return schedule.denoised(x, mean + gain * (x - schedule.signal(t) * mean), t)

    return denoise


def variance(schedule: Schedule, t: int) -> float:
    """Of x_t, for those pictures."""
    return schedule.alpha_bar(t) * STD**2 + 1 - schedule.alpha_bar(t)


def along_the_path(schedule: Schedule, x: Tensor, t: int, s: int) -> Tensor:
    """Where the deterministic path from x at t is at s: each number keeps its place in the Gaussian."""
    place = (x - schedule.signal(t) * MEAN) / math.sqrt(variance(schedule, t))
    return schedule.signal(s) * MEAN + math.sqrt(variance(schedule, s)) * place


def run(name: str, denoise: Denoise, schedule: Schedule, x: Tensor, steps: int, eta: float = 0.0) -> list[State]:
    return list(SAMPLERS[name](denoise, schedule, x, schedule.times(steps), Noise(range(len(x))), eta))


# Schedules


def test_linear_is_ddpm_s_beta():
    left = Schedule("linear").alpha_bars
    betas = 1 - left / torch.cat([left.new_ones(1), left[:-1]])
    expected = 1e-4 + (0.02 - 1e-4) * torch.arange(1000, dtype=torch.float64) / 999
    torch.testing.assert_close(betas, expected, rtol=1e-9, atol=0)


def test_linear_noises_alike_over_fewer_steps():
    """Nichol and Dhariwal's rescaling: at the same share of the way about as much is left."""
    long, short = Schedule("linear", 1000).alpha_bars, Schedule("linear", 250).alpha_bars
    torch.testing.assert_close(long[3::4], short, rtol=0, atol=0.01)


def test_cosine_is_its_formula():
    """Equation 17, but for the last step, at which beta is 0.999 and not 1."""
    left, T = Schedule("cosine").alpha_bars, 1000

    def f(t: int) -> float:
        return math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2

    expected = torch.tensor([f(t + 1) / f(0) for t in range(T - 1)], dtype=torch.float64)
    torch.testing.assert_close(left[:-1], expected, rtol=1e-9, atol=0)
    assert left[-1].item() == pytest.approx(0.001 * left[-2].item())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [10, 100, 1000])
def test_ever_less_is_left_of_the_picture_and_never_less_than_nothing(kind, steps):
    left = Schedule(kind, steps).alpha_bars
    assert left.shape == (steps,) and left.dtype is torch.float64
    assert (left > 0).all() and (left < 1).all() and (left.diff() < 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_picture_and_noise_share_one_variance(kind):
    schedule = Schedule(kind)
    for t in (CLEAN, 0, 500, 999):
        assert schedule.signal(t) ** 2 + schedule.noise(t) ** 2 == pytest.approx(1)
    assert (schedule.signal(CLEAN), schedule.noise(CLEAN), schedule.signal_to_noise(CLEAN)) == (1, 0, math.inf)
    for t in (0, 500, 999):
        ratio = (schedule.signal(t) / schedule.noise(t)) ** 2
        assert schedule.signal_to_noise(t) == pytest.approx(ratio)


def test_for_training_it_is_the_same_numbers():
    schedule, times = Schedule(), [0, 1, 17, 999]
    signal, noise = schedule.at(torch.tensor(times))
    assert signal.shape == noise.shape == (4, 1, 1, 1) and signal.dtype is torch.float32
    torch.testing.assert_close(signal.flatten(), torch.tensor([schedule.signal(t) for t in times]))
    torch.testing.assert_close(noise.flatten(), torch.tensor([schedule.noise(t) for t in times]))


@pytest.mark.parametrize("t", [0, 300, 999])
def test_noised_pictures_have_the_mean_and_the_variance_of_q(t):
    schedule, x_0 = Schedule("linear"), torch.tensor([-0.8, 0.0, 0.5], dtype=torch.float64)
    draws = schedule.add_noise(x_0, normal(100_000, 3), t)
    assert ((draws.mean(0) - schedule.signal(t) * x_0).abs() < 5 * schedule.noise(t) / math.sqrt(100_000)).all()
    torch.testing.assert_close(draws.var(0), torch.full((3,), 1 - schedule.alpha_bar(t)).double(), rtol=0.03, atol=0)


def test_the_posterior_s_variance_is_bayes_s():
    """q(x_s | x_t, x_0) is the product of two Gaussians in x_s: their precisions add up."""
    schedule = Schedule("linear")
    for t, s in ((1, 0), (500, 499), (999, 100)):
        kept = schedule.alpha_bar(t) / schedule.alpha_bar(s)
        precision = 1 / (1 - schedule.alpha_bar(s)) + kept / (1 - kept)
        assert schedule.posterior_variance(t, s) == pytest.approx(1 / precision)
    assert schedule.posterior_variance(500, CLEAN) == 0


@pytest.mark.parametrize("last", [None, 999, 599, 6, 0])
@pytest.mark.parametrize("steps", [1, 2, 7, 50, 237, 1000])
def test_times_fall_evenly_from_the_last(steps, last):
    times = Schedule().times(steps, last)
    whole = 1000 if last is None else last + 1
    assert len(times) == min(steps, whole) and times[0] == whole - 1 and times[-1] >= 0
    gaps = [a - b for a, b in zip(times, [*times[1:], CLEAN], strict=True)]
    assert min(gaps) >= 1 and max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("steps", [20, 50, 7, 30])
def test_what_remains_of_a_grid_is_the_grid_of_what_remains(steps):
    """Else who goes on from a step goes by other times than who never stopped."""
    schedule, times = Schedule(), Schedule().times(steps)
    for k, t in enumerate(times):
        assert schedule.times(steps - k, t) == times[k:]


# Samplers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 2, 7, 50])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_perfect_denoiser_gives_its_picture_back(name, steps, kind):
    schedule, x_0, x = Schedule(kind), normal(3, 1, 4, 4).clamp(-1, 1), normal(3, 1, 4, 4, seed=1)
    states = run(name, perfect(schedule, x_0), schedule, x, steps, eta=0.5)
    assert [s.time for s in states] == [*schedule.times(steps), CLEAN] and torch.equal(states[0].x, x)
    torch.testing.assert_close(states[-1].x, x_0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["dpm-solver++", "ddim"])
def test_without_dice_a_known_picture_keeps_its_noise(name):
    """Every state on the way is then signal x_0 + noise eps of one and the same eps."""
    schedule, x_0, eps = Schedule(), normal(2, 1, 4, 4).clamp(-1, 1), normal(2, 1, 4, 4, seed=1)
    for state in run(name, perfect(schedule, x_0), schedule, schedule.add_noise(x_0, eps, 999), 13):
        torch.testing.assert_close(state.x, schedule.add_noise(x_0, eps, state.time), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("name", "eta"), [("ddpm", 1.0), ("ddim", 1.0), ("ddim", 0.4)])
def test_with_dice_a_known_picture_has_fresh_noise_of_the_right_amount(name, eta):
    schedule, x_0, eps = Schedule(), torch.full((1, 1, 150, 150), 0.3).double(), normal(1, 1, 150, 150)
    states = run(name, perfect(schedule, x_0), schedule, schedule.add_noise(x_0, eps, 999), 5, eta)
    for state in states[1:-1]:
        rest = (state.x - schedule.signal(state.time) * x_0) / schedule.noise(state.time)
        assert rest.std().item() == pytest.approx(1, abs=0.02)  # 150^2 draws: 4 standard errors
        assert abs((rest * eps).mean().item()) < 0.99  # it is not the old noise


@pytest.mark.parametrize("steps", [1, 7, 50])
def test_ddim_with_all_of_the_dice_is_ddpm(steps):
    schedule, x = Schedule(), normal(3, 1, 4, 4)
    ours, theirs = (run(name, ideal(schedule), schedule, x, steps, eta=1.0) for name in ("ddim", "ddpm"))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.x, b.x, rtol=1e-6, atol=1e-6)


def test_dice_are_thrown_for_each_picture_by_itself():
    schedule, x = Schedule(), normal(3, 1, 4, 4)
    whole = run("ddpm", ideal(schedule), schedule, x, 10)[-1].x
    [*_, alone] = SAMPLERS["ddpm"](ideal(schedule), schedule, x[2:], schedule.times(10), Noise([2]))
    torch.testing.assert_close(alone.x, whole[2:])
    assert not torch.allclose(run("ddpm", ideal(schedule), schedule, x[[0, 0]], 10)[-1].x[0], whole[1], atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["dpm-solver++", "ddim"])
def test_gaussian_pictures_come_out_of_noise_as_steps_grow(name, kind):
    """The error of their place falls with the steps; at 1 000 mean and deviation are right within 3 %."""
    schedule, x = Schedule(kind), normal(1, 1, 64, 64)
    x = (x - x.mean()) / x.std()
    wrong, expected = [], along_the_path(schedule, x, 999, CLEAN)
    for steps in (10, 50, 250, 1000):
        end = run(name, ideal(schedule), schedule, x, steps)[-1].x
        wrong.append((end - expected).square().mean().sqrt().item())
    assert all(b < a / 2 for a, b in zip(wrong[:2], wrong[1:3], strict=True)) and wrong[3] < wrong[2]
    assert end.mean().item() == pytest.approx(MEAN, rel=0.03) and end.std().item() == pytest.approx(STD, rel=0.03)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [10, 20, 50])
def test_dpm_solver_is_nearer_to_the_whole_path_than_ddim(steps, kind):
    schedule, x = Schedule(kind), normal(1, 1, 32, 32)
    path = run("ddim", ideal(schedule), schedule, x, 1000)[-1].x
    ours, theirs = (run(name, ideal(schedule), schedule, x, steps)[-1].x for name in ("dpm-solver++", "ddim"))
    assert (ours - path).square().mean() < (theirs - path).square().mean()


def test_dpm_solver_is_of_second_order():
    """Twice the steps leave a quarter of its error, and a half of DDIM's: at time 199, before the last, long step to
    the clean picture, which no order makes better."""
    schedule, x = Schedule("linear"), normal(1, 1, 32, 32)

    def error(name: str, steps: int) -> float:
        times = [999 - 800 * i // steps for i in range(steps + 1)]
        *_, there, _ = SAMPLERS[name](ideal(schedule), schedule, x, times, Noise([0]))
        return (there.x - along_the_path(schedule, x, 999, there.time)).square().mean().sqrt().item()

    assert error("dpm-solver++", 40) / error("dpm-solver++", 80) > 3
    assert 1.7 < error("ddim", 40) / error("ddim", 80) < 2.3


@pytest.mark.parametrize("steps", [5, 20])
def test_ddpm_with_the_right_variance_draws_the_right_spread_in_however_few_steps(steps):
    """It lies between DDPM's two bounds: with it every state is as spread as q(x_s), with them less or more."""
    schedule, x = Schedule(), normal(1, 1, 120, 120)
    times = schedule.times(steps)
    onto = dict(zip(times, [*times[1:], CLEAN], strict=True))

    def right(t: int, s: int) -> float:
        kept = schedule.alpha_bar(t) / schedule.alpha_bar(s)
        unsure = STD**2 * (1 - schedule.alpha_bar(t)) / variance(schedule, t)  # Var(x_0 | x_t)
        low, high = schedule.posterior_variance(t, s), 1 - kept
        to_picture = schedule.signal(s) * (1 - kept) / (1 - schedule.alpha_bar(t))
        return math.log((low + to_picture**2 * unsure) / low) / math.log(high / low)

    def spreads(width: Callable[[int, int], float] | None) -> list[float]:
        """Of each noised state, as a part of what it should be."""

        def denoise(x: Tensor, t: int):
            told = None if width is None or onto[t] == CLEAN else torch.full_like(x, width(t, onto[t]))
            return ideal(schedule)(x, t)._replace(width=told)

        *states, _ = SAMPLERS["ddpm"](denoise, schedule, x, times, Noise([0]))
        return [s.x.std().item() / math.sqrt(variance(schedule, s.time)) for s in states]

    assert spreads(right) == pytest.approx([1] * steps, abs=0.025)  # 4 standard errors
    lower = spreads(None)
    assert min(lower) < 0.95 and max(spreads(lambda t, s: 1.0)) > 1.05
    assert spreads(lambda t, s: 0.0) == pytest.approx(lower)


def test_x_is_always_what_was_seen_put_together():
    schedule, x = Schedule(), normal(2, 1, 4, 4)
    for name in SAMPLERS:
        for time, x_t, seen in run(name, ideal(schedule), schedule, x, 9, eta=0.3)[:-1]:
            torch.testing.assert_close(schedule.add_noise(seen.x_0, seen.eps, time), x_t)


# There and back


@pytest.mark.parametrize("kind", KINDS)
def test_ddim_walked_back_finds_the_noise_that_it_came_from(kind):
    """Its steps are of first order: the error falls as one over their number, from 0.05 at 50 steps on."""
    schedule, x_0, wrong = Schedule(kind), MEAN + STD * normal(1, 1, 32, 32), []
    for steps in (50, 100, 200):
        states = list(inverted(ideal(schedule), schedule, x_0, schedule.times(steps)))
        assert [s.time for s in states] == [CLEAN, *reversed(schedule.times(steps))]
        again = run("ddim", ideal(schedule), schedule, states[-1].x, steps)[-1].x
        wrong.append((again - x_0).square().mean().sqrt().item())
    assert wrong[0] < 0.05 and all(1.7 < a / b < 2.2 for a, b in zip(wrong, wrong[1:], strict=False))
    assert states[-1].x.std().item() == pytest.approx(1, abs=0.08)  # and it is noise


def test_what_is_seen_on_the_way_back_adds_up_too():
    schedule, x_0 = Schedule(), MEAN + STD * normal(1, 1, 8, 8)
    for time, x, seen in inverted(ideal(schedule), schedule, x_0, schedule.times(10)):
        torch.testing.assert_close(schedule.add_noise(seen.x_0, seen.eps, time), x)


def test_a_small_network_s_path_can_be_walked_back():
    """Nothing that it says is right, but it says nearly the same nearby, and that is all that it takes: ten times the
    steps gain about one digit, in float64, where rounding is no part of it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        narrow, wide = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 1, 3, padding=1)
    network = nn.Sequential(narrow, nn.Tanh(), wide)
    network.double().requires_grad_(False)
    schedule, x_0, wrong = Schedule(), 0.5 * normal(2, 1, 6, 6), []

    def denoise(x: Tensor, t: int):
        return schedule.denoised(x, schedule.signal(t) * x - schedule.noise(t) * network(x), t)  # it predicts v

    for steps in (10, 100, 1000):
        *_, end = inverted(denoise, schedule, x_0, schedule.times(steps))
        again = run("ddim", denoise, schedule, end.x, steps)[-1].x
        wrong.append((again - x_0).abs().max().item())
    assert wrong[2] < 0.01 and wrong[1] < wrong[0] / 5 and wrong[2] < wrong[1] / 5


# Guidance


def two_minds(schedule: Schedule, asked: Tensor, unasked: Tensor, width: Tensor | None = None) -> Denoise:
    """What classifier-free guidance is given: one guess in the first half of a doubled batch, one in the second."""

    def both(x: Tensor, t: int):
        one, other = x.chunk(2)
        assert torch.equal(one, other)
        return schedule.denoised(x, torch.cat([asked, unasked]), t, width)

    return both


@pytest.mark.parametrize("t", [0, 400, 999])
def test_guidance_goes_along_the_line_through_what_is_unasked_and_asked(t):
    schedule, x = Schedule(), normal(3, 1, 4, 4)
    asked, unasked = normal(3, 1, 4, 4, seed=1), normal(3, 1, 4, 4, seed=2)
    both = two_minds(schedule, asked, unasked, torch.cat([torch.ones_like(x), torch.zeros_like(x)]))
    seen = {g: classifier_free(both, schedule, g)(x, t) for g in (0.0, 0.5, 1.0, 2.0, 8.0)}
    for g, expected in ((0.0, unasked), (1.0, asked), (0.5, (asked + unasked) / 2), (2.0, 2 * asked - unasked)):
        torch.testing.assert_close(seen[g].x_0, expected)
    torch.testing.assert_close(seen[8.0].x_0 - seen[2.0].x_0, 6 * (seen[1.0].x_0 - seen[0.0].x_0))
    # The same line in eps, as Ho and Salimans have it (equation 6, their w + 1 is this guidance).
    torch.testing.assert_close(seen[2.0].eps, 2 * seen[1.0].eps - seen[0.0].eps)
    assert torch.equal(seen[2.0].width, torch.ones_like(x))  # the variance is the asked one's


def test_rescaling_takes_back_the_contrast_that_guidance_adds():
    schedule, x = Schedule(), normal(3, 1, 8, 8)
    asked, unasked = 0.4 * normal(3, 1, 8, 8, seed=1), 0.4 * normal(3, 1, 8, 8, seed=2)
    both = two_minds(schedule, asked, unasked)
    none, half, whole = (classifier_free(both, schedule, 5.0, rescale)(x, 400) for rescale in (0.0, 0.5, 1.0))
    assert (deviation(none.x_0) > 2 * deviation(asked)).all()
    torch.testing.assert_close(deviation(whole.x_0), deviation(asked))
    torch.testing.assert_close(half.x_0, (none.x_0 + whole.x_0) / 2)
    torch.testing.assert_close(whole.x_0 / whole.x_0[:, :, :1, :1], none.x_0 / none.x_0[:, :, :1, :1])  # only contrast
    flat = two_minds(schedule, torch.zeros_like(x), torch.zeros_like(x))
    assert (classifier_free(flat, schedule, 5.0, 1.0)(x, 400).x_0 == 0).all()  # no contrast at all, and no NaN


@pytest.mark.parametrize("t", [0, 400, 999])
def test_a_classifier_that_sees_no_difference_changes_nothing(t):
    schedule, x = Schedule(), normal(3, 1, 4, 4)
    guided = by_classifier(ideal(schedule), schedule, lambda x_0: 0 * x_0.flatten(1).sum(1) - 2.3, 5.0)(x, t)
    plain = ideal(schedule)(x, t)
    torch.testing.assert_close(guided.x_0, plain.x_0)
    torch.testing.assert_close(guided.eps, plain.eps)


@pytest.mark.parametrize("t", [0, 400, 999])
def test_a_classifier_that_rises_evenly_shifts_the_noise_by_its_slope(t):
    """Algorithm 2: eps - scale noise dlog p / dx. Behind this denoiser the slope in x is half of that in x_0."""
    schedule, x, slope = Schedule("linear"), normal(3, 1, 4, 4), normal(1, 1, 4, 4, seed=1)

    def denoise(x: Tensor, t: int):
        return schedule.denoised(x, x / 2, t)

    with torch.no_grad():  # as sampling is done
        guided = by_classifier(denoise, schedule, lambda x_0: (slope * x_0).flatten(1).sum(1), 3.0)(x, t)
    torch.testing.assert_close(guided.eps, denoise(x, t).eps - 3 * schedule.noise(t) * slope / 2)


@pytest.mark.parametrize("t", [0, 400, 800])
def test_a_classifier_guides_to_the_posterior(t):
    """Where p(class | x_0) grows as exp(slope x_0), pictures of the class are N(m + s^2 slope, s^2)."""
    schedule, x, slope = Schedule(), normal(3, 1, 4, 4), 2.5
    guided = by_classifier(ideal(schedule), schedule, lambda x_0: (slope * x_0).flatten(1).sum(1), 1.0)
    expected = ideal(schedule, MEAN + slope * STD**2)(x, t)
    torch.testing.assert_close(guided(x, t).x_0, expected.x_0)
    torch.testing.assert_close(guided(x, t).eps, expected.eps)


def test_what_a_classifier_guides_holds_no_graph():
    """Of the network's pass, which is as large as training's: not even by the variance that it learned."""
    schedule, x = Schedule(), normal(3, 1, 4, 4)

    def denoise(x: Tensor, t: int):
        return ideal(schedule)(x, t)._replace(width=x.sigmoid())

    with torch.no_grad():
        seen = by_classifier(denoise, schedule, lambda x_0: x_0.flatten(1).sum(1), 1.0)(x, 400)
    assert [part.requires_grad for part in seen] == [False, False, False]


def test_clipping_keeps_the_guess_to_where_pictures_are():
    schedule, x = Schedule(), 3 * normal(2, 1, 8, 8)
    bold, meek = (clipped(perfect(schedule, size * x), schedule)(x, 400) for size in (1.0, 0.05))
    assert bold.x_0.min() == -1 and bold.x_0.max() == 1
    inside = x.abs() < 1
    assert inside.any() and torch.equal(bold.x_0[inside], x[inside])
    assert torch.equal(meek.x_0, 0.05 * x)


def half_as_much(denoise: Denoise, schedule: Schedule) -> Denoise:
    """Of two pictures, then of the same two as it sees them unasked."""
    share = torch.tensor([1, 1, 0.5, 0.5]).double().view(4, 1, 1, 1)
    return lambda x, t: schedule.denoised(x, share * denoise(x, t).x_0, t)


WRAPPERS = {
    "classifier free": lambda d, s: classifier_free(half_as_much(d, s), s, 4.0, 0.7),
    "by classifier": lambda d, s: by_classifier(d, s, lambda x_0: x_0.square().flatten(1).sum(1), 0.5),
    "clipped": lambda d, s: clipped(lambda x, t: s.denoised(x, 20 * d(x, t).x_0, t), s),
    "inpainting": lambda d, s: inpainting(d, s, normal(2, 1, 4, 4, seed=1), (normal(2, 1, 4, 4, seed=2) > 0).double()),
}


@pytest.mark.parametrize("t", [0, 400, 998])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_whatever_is_asked_the_guess_and_its_noise_add_up_to_x(wrapper, t):
    schedule, x = Schedule(), normal(2, 1, 4, 4)
    seen = WRAPPERS[wrapper](ideal(schedule), schedule)(x, t)
    assert not torch.allclose(seen.x_0, ideal(schedule)(x, t).x_0)
    torch.testing.assert_close(schedule.add_noise(seen.x_0, seen.eps, t), x, rtol=1e-9, atol=1e-9)


# Inpainting


@pytest.mark.parametrize("steps", [1, 10])
@pytest.mark.parametrize("name", SAMPLERS)
def test_what_lies_outside_the_mask_comes_back_bit_for_bit(name, steps):
    schedule, known = Schedule(), normal(3, 3, 8, 8, seed=1).clamp(-1, 1).float()
    mask = torch.zeros(3, 1, 8, 8)
    mask[:, :, 2:5, 3:7] = 1
    denoise = inpainting(clipped(ideal(schedule), schedule), schedule, known, mask)
    end = run(name, denoise, schedule, normal(3, 3, 8, 8).float(), steps, eta=0.5)[-1].x
    outside = mask.expand_as(known) == 0
    assert torch.equal(end[outside], known[outside])
    assert (end[~outside] - known[~outside]).abs().mean() > 0.1


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_mask_of_everything_changes_nothing(name):
    schedule, x = Schedule(), normal(3, 3, 4, 4)
    partly = inpainting(ideal(schedule), schedule, normal(3, 3, 4, 4, seed=1), torch.ones(3, 1, 4, 4).double())
    ours, plain = (run(name, denoise, schedule, x, 10, eta=0.5) for denoise in (partly, ideal(schedule)))
    assert all(torch.equal(a.x, b.x) for a, b in zip(ours, plain, strict=True))


def test_on_the_way_what_is_known_is_noised_as_the_rest():
    """So that the network is shown a picture of one time: of a known part, the noise that it was given."""
    schedule, known, eps = Schedule(), normal(2, 1, 8, 8, seed=1).clamp(-1, 1), normal(2, 1, 8, 8)
    mask = torch.zeros(2, 1, 8, 8).double()
    mask[:, :, :, 4:] = 1
    denoise = inpainting(ideal(schedule), schedule, known, mask)
    for state in run("ddim", denoise, schedule, schedule.add_noise(known, eps, 999), 10):
        expected = schedule.add_noise(known, eps, state.time)
        torch.testing.assert_close(state.x[..., :4], expected[..., :4], rtol=0, atol=1e-9)
