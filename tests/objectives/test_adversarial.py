"""Each loss is the quantity that its name says, by a second way of computing it."""

from __future__ import annotations

import math

import torch
from torch.distributions import Bernoulli, Normal

from genstudio.objectives.adversarial import critic_logistic, generator_non_saturating
from genstudio.objectives.likelihood import bernoulli, gaussian, kl_standard_normal


def test_kl_is_its_monte_carlo_estimate():
    """400 000 draws put the estimate within 5 standard errors but once in two million runs; the seed is fixed besides."""
    torch.manual_seed(0)
    mean, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    q = Normal(mean, torch.exp(0.5 * log_variance))
    z = q.sample((400_000,))
    ratios = (q.log_prob(z) - Normal(0, 1).log_prob(z)).sum(-1)  # (draws, 3)
    error = ratios.std(0) / math.sqrt(len(ratios))
    assert ((kl_standard_normal(mean, log_variance) - ratios.mean(0)).abs() < 5 * error).all()


def test_kl_is_zero_at_the_prior_and_only_there():
    assert kl_standard_normal(torch.zeros(1, 9), torch.zeros(1, 9)).item() == 0
    assert (kl_standard_normal(0.1 * torch.randn(50, 9), 0.1 * torch.randn(50, 9)) > 0).all()


def test_bernoulli_is_the_sum_of_its_coins():
    torch.manual_seed(0)
    logits, bits = 3 * torch.randn(5, 1, 4, 4), torch.randint(0, 2, (5, 1, 4, 4)).float()
    expected = Bernoulli(logits=logits).log_prob(bits).flatten(1).sum(1)
    torch.testing.assert_close(bernoulli(logits, bits), expected)


def test_gaussian_is_the_density_of_every_pixel_together():
    torch.manual_seed(0)
    mean, images, log_sigma = torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4), torch.tensor(-0.7)
    expected = Normal(mean, log_sigma.exp()).log_prob(images).flatten(1).sum(1)
    torch.testing.assert_close(gaussian(mean, log_sigma, images), expected)


def test_the_best_noise_level_is_the_root_mean_square_error():
    torch.manual_seed(0)
    mean, images = torch.zeros(20, 3, 8, 8), 0.3 * torch.randn(20, 3, 8, 8)
    best = images.square().mean().sqrt().log()
    values = [gaussian(mean, best + shift, images).mean() for shift in (-0.05, 0.0, 0.05)]
    assert values[1] > values[0] and values[1] > values[2]


def test_the_optimal_critic_makes_the_game_the_jensen_shannon_divergence():
    """Goodfellow et al. 2014, theorem 1: with D = p / (p + q) the value is -log 4 + 2 JSD(p, q)."""
    p, q = torch.tensor([0.5, 0.25, 0.125, 0.125]), torch.tensor([0.125, 0.125, 0.25, 0.5])
    counts = 64  # so that a mean over samples is exactly an expectation
    real = torch.repeat_interleave(torch.arange(4), (p * counts).long())
    fake = torch.repeat_interleave(torch.arange(4), (q * counts).long())
    optimal = torch.log(p / q)  # the logit of p / (p + q)
    middle = (p + q) / 2
    jsd = 0.5 * (p * (p / middle).log()).sum() + 0.5 * (q * (q / middle).log()).sum()
    best = critic_logistic(optimal[real], optimal[fake])
    torch.testing.assert_close(best, math.log(4) - 2 * jsd)
    torch.manual_seed(0)
    for _ in range(20):  # and no other critic loses less
        other = optimal + 0.1 * torch.randn(4)
        assert critic_logistic(other[real], other[fake]) > best


def test_the_generator_is_pushed_even_where_the_critic_is_sure():
    """The minimax loss log(1 - D) is flat at D = 0; -log D has slope -1 there."""
    logits = torch.tensor([-30.0], requires_grad=True)
    generator_non_saturating(logits).backward()
    torch.testing.assert_close(logits.grad, torch.tensor([-1.0]))


def test_losses_are_finite_for_any_logit():
    for value in (-1e4, 0.0, 1e4):
        x = torch.full((2, 1), value)
        assert critic_logistic(x, x).isfinite() and generator_non_saturating(x).isfinite()
