"""Laws of StyleGAN2's layers and of what is learned by: modulation, equalized rates, what a critic sees, R1, ADA."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import conv2d, conv_transpose2d, interpolate

from genstudio.layers.stylegan2 import (
    Blur,
    Conv,
    Critic,
    Linear,
    Mapping,
    StyledConv,
    minibatch_stddev,
    minibatch_stddev_by_class,
    modulated,
    modulated_one_by_one,
)
from genstudio.objectives import ada
from genstudio.objectives.ada import AdaptiveAugmentation
from genstudio.objectives.adversarial import path_lengths, r1


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


# Modulation


def in_a_loop(x: torch.Tensor, weight: torch.Tensor, style: torch.Tensor, up: bool) -> torch.Tensor:
    """Equations 1 and 3 of the paper, picture by picture, filter by filter."""
    made = []
    for picture, s in zip(x, style, strict=True):
        filters = []
        for plain in weight:
            scaled = plain * s[:, None, None]
            filters.append(scaled / (scaled.square().sum() + 1e-8).sqrt())
        filters = torch.stack(filters)
        if up:
            made.append(conv_transpose2d(picture[None], filters.transpose(0, 1), stride=2))
        else:
            made.append(conv2d(picture[None], filters, padding=weight.shape[2] // 2))
    return torch.cat(made)


@pytest.mark.parametrize("form", [modulated, modulated_one_by_one], ids=lambda f: f.__name__)
@pytest.mark.parametrize("size, up", [(3, False), (3, True), (1, False)])
def test_both_forms_of_modulation_are_a_loop_over_pictures(form, size, up):
    x, weight, style = (t.requires_grad_() for t in (normal(3, 5, 6, 6), normal(4, 5, size, size), normal(3, 5)))
    made, expected = form(x, weight, style, up), in_a_loop(x, weight, style, up)
    torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-12)
    wanted = torch.randn_like(made)
    for own, true in zip(*(torch.autograd.grad((y * wanted).sum(), (x, weight, style)) for y in (made, expected)), strict=True):
        torch.testing.assert_close(own, true, rtol=1e-10, atol=1e-10)


def test_a_modulated_convolution_keeps_the_deviation_whatever_the_style():
    """Demodulation takes the style's size out, for inputs of deviation 1."""
    x, weight = torch.randn(4, 64, 16, 16), torch.randn(64, 64, 3, 3)
    for size in (0.01, 1.0, 100.0):
        made = modulated(x, weight, size * torch.randn(4, 64))[:, :, 1:-1, 1:-1]
        assert 0.95 < made.std() < 1.05


def test_the_blur_of_a_doubled_picture_is_linear_interpolation():
    """Put between zeros and blurred, a picture is the one that is interpolated, but for the border."""
    x = normal(2, 3, 6, 6)
    apart = torch.zeros(2, 3, 12, 12, dtype=torch.float64)
    apart[:, :, ::2, ::2] = x
    blurred = Blur(3, padding=2, gain=4.0)(apart)[:, :, :-1, :-1]
    expected = interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(blurred[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1])


# Equalized rates


@pytest.mark.parametrize("narrow", [4, 64, 1024])
def test_layers_of_any_width_begin_at_a_deviation_of_one(narrow):
    assert 0.9 < Linear(narrow, 512)(torch.randn(256, narrow)).std() < 1.1
    assert 0.9 < Linear(narrow, 512, lr_multiplier=0.01)(torch.randn(256, narrow)).std() < 1.1
    assert 0.9 < Conv(narrow, 64, 3)(torch.randn(16, narrow, 8, 8)).std() < 1.1
    layer = StyledConv(narrow, 64, styles=8, side=8)
    assert 0.9 < layer(torch.randn(16, narrow, 8, 8), torch.randn(16, 8), torch.zeros(1))[:, :, 1:-1, 1:-1].square().mean() < 1.1


def test_a_whole_mapping_keeps_the_size_of_its_codes():
    for depth in (2, 8):
        w = Mapping(256, depth, classes=3)(torch.randn(512, 256), torch.arange(512) % 4)
        assert 0.7 < w.square().mean() < 1.4


@pytest.mark.parametrize("build, pace", [
    (lambda narrow: Linear(narrow, 64), 1.0),
    (lambda narrow: Linear(narrow, 64, lr_multiplier=0.01), 0.01),
    (lambda narrow: Conv(narrow, 64, 3), 1.0),
], ids=["linear", "linear at a hundredth", "conv"])  # fmt: skip
@pytest.mark.parametrize("narrow", [4, 64, 1024])
def test_a_step_of_adam_changes_any_layer_by_the_same_share(build, pace, narrow):
    """The rate, whatever the fan-in. In a plain layer the share would grow with the root of it."""
    layer, rate = build(narrow), 1e-3
    before = layer.weight.detach() * layer.scale
    layer.weight.grad = torch.randn_like(layer.weight)
    torch.optim.Adam([layer.weight], lr=rate).step()
    moved = layer.weight.detach() * layer.scale - before
    assert float(moved.square().mean().sqrt() / before.square().mean().sqrt()) == pytest.approx(rate * pace, rel=0.1)


# What a critic sees


def test_the_spread_of_a_group_is_the_mean_deviation_over_all_places():
    x = normal(8, 5, 3, 3)
    found = minibatch_stddev(x, 4)
    for k in (0, 1):
        group = x[4 * k : 4 * k + 4]
        mean = sum(group) / 4
        deviation = (sum((picture - mean) ** 2 for picture in group) / 4 + 1e-8).sqrt()
        expected = torch.full((4, 1, 1, 1), float(deviation.mean()), dtype=torch.float64)
        torch.testing.assert_close(found[4 * k : 4 * k + 4], expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(minibatch_stddev(torch.cat([x[:4], x[:4] * 9]), 4)[:4], found[:4]), "another group matters"


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_where_groups_do_not_come_out_even_all_pictures_are_one(count):
    x = torch.randn(count, 2, 4, 4)
    deviation = x.var(0, unbiased=False).add(1e-8).sqrt().mean()
    torch.testing.assert_close(minibatch_stddev(x, 4), deviation.expand(count, 1, 1, 1))
    assert minibatch_stddev(x[:1].expand(4, -1, -1, -1), 4).max() < 1e-3, "the same picture four times has no spread"


def test_the_spread_within_a_class_is_that_of_its_pictures_alone():
    x = torch.randn(9, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([2, 0, 2, 1, 2, 0, 4, 2, 4])
    x[labels == 4] = 1.5
    found = minibatch_stddev_by_class(x, labels, 5)
    for i, label in enumerate(labels):
        deviation = x[labels == label].var(0, unbiased=False).add(1e-8).sqrt().mean()
        torch.testing.assert_close(found[i], deviation.expand(1, 1, 1))
    assert found[3] < 1e-3 and found[6] < 1e-3, "one alone, and two that are the same"
    changed = x + 10 * (labels == 1)[:, None, None, None]
    assert torch.equal(minibatch_stddev_by_class(changed, labels, 5), found), "another class matters"


def test_a_critic_without_a_word_on_the_class_asks_about_the_picture_alone():
    critic, images = Critic(3, (8, 8), classes=3), torch.randn(4, 3, 8, 8)
    assert torch.equal(critic(images), critic(images, torch.full((4,), 3)))
    verdicts = [critic(images, torch.full((4,), kind)) for kind in range(4)]
    assert all(not torch.equal(a, b) for i, a in enumerate(verdicts) for b in verdicts[:i])
    assert Critic(3, (8, 8))(images).shape == (4, 1)


# Regularizers


def test_r1_of_a_quadratic_critic_is_known():
    """D(x) = x'Ax / 2 + b'x has the gradient Ax + b, and E |Ax + b|^2 the gradient 2 E (Ax + b) in b."""
    a, b, x = normal(12, 12), normal(12).requires_grad_(), normal(6, 3, 2, 2).requires_grad_()
    a = a + a.T
    rows = x.flatten(1)
    penalty = r1(((rows @ a) * rows).sum(1, keepdim=True) / 2 + rows @ b[:, None], x)
    slopes = (rows @ a + b).detach()
    torch.testing.assert_close(penalty, slopes.square().sum(1).mean())
    torch.testing.assert_close(torch.autograd.grad(penalty, b)[0], 2 * slopes.mean(0))


def test_r1_in_bfloat16_points_where_it_does_in_float32():
    """It may be computed as the rest of training is: four times as fast, by a gradient of a gradient."""
    critic, images = Critic(3, (32, 32, 16), classes=3), torch.rand(8, 3, 16, 16) * 2 - 1
    slopes = []
    for fast in (False, True):
        x = images.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            penalty = r1(critic(x, torch.arange(8) % 3).float(), x)
        found = torch.autograd.grad(penalty, list(critic.parameters()), allow_unused=True)
        slopes.append(torch.cat([slope.flatten() for slope in found if slope is not None]))
    assert all(slope.isfinite().all() for slope in slopes)
    assert torch.cosine_similarity(*slopes, dim=0) > 0.995
    assert float(slopes[1].norm() / slopes[0].norm()) == pytest.approx(1, abs=0.05)


def test_path_lengths_of_a_linear_generator_are_its_jacobian_s():
    """E |J'y|^2 is the sum of J's squares, over the number of pixels; over layers it is the mean."""
    jacobian = normal(2 * 5, 3 * 4 * 4)
    w = torch.zeros(4000, 2, 5, dtype=torch.float64, requires_grad=True)
    lengths = path_lengths((w.flatten(1) @ jacobian).unflatten(1, (3, 4, 4)), w)
    expected = jacobian.square().sum() / (2 * 16)
    assert lengths.shape == (4000,) and float(lengths.square().mean() / expected) == pytest.approx(1, abs=0.03)


# Adaptive augmentation


def test_at_p_0_nothing_is_changed_and_at_p_1_everything():
    images, augment = torch.rand(64, 3, 16, 16) * 2 - 1, AdaptiveAugmentation()
    assert torch.equal(augment(images), images)
    augment.p.fill_(1.0)
    assert (augment(images) != images).flatten(1).any(1).all()


def test_each_change_befalls_a_share_of_p(monkeypatch):
    monkeypatch.setattr(ada, "CHANGES", (lambda images: images + 1, lambda images: images + 2))
    augment = AdaptiveAugmentation()
    augment.p.fill_(0.3)
    seen = augment(torch.zeros(20_000, 1, 1, 1)).flatten()
    for value, share in ((0, 0.49), (1, 0.21), (2, 0.21), (3, 0.09)):  # each by itself
        assert abs(float((seen == value).float().mean()) - share) < 4 * math.sqrt(0.25 / 20_000)


def test_p_rises_while_the_critic_is_sure_of_real_pictures_and_falls_when_it_is_not():
    augment = AdaptiveAugmentation(target=0.6)
    sure, unsure = torch.ones(100, 1), torch.tensor([[1.0], [-1.0]]).repeat(50, 1)
    for _ in range(8):
        augment.heed(sure)
    risen = float(augment.p)
    assert 0 < risen <= 8 * 100 / ada.SPEED
    for _ in range(50):
        augment.heed(unsure)
    assert augment.p == 0 and float(augment.sign) == pytest.approx(0, abs=1e-5)
    augment.p.fill_(1.0)
    for _ in range(20):
        augment.heed(sure)
    assert augment.p == 1, "it never leaves [0, 1]"


def test_gradients_pass_through_the_changes_twice():
    """R1 asks for the gradient of a gradient, through what the critic is shown."""
    augment, x = AdaptiveAugmentation(), (torch.rand(8, 3, 8, 8) * 2 - 1).requires_grad_()
    augment.p.fill_(0.5)
    weight = torch.ones((), requires_grad=True)
    penalty = r1((weight * augment(x)).square().flatten(1).sum(1), x)
    assert torch.autograd.grad(penalty, weight)[0].isfinite()
