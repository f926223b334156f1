"""Laws of the network that denoises, and of its layers: what is faster than torch's gives what torch's gives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from genstudio.layers.group_norm import GroupNorm
from genstudio.layers.unet import Attention, DenoisingUNet, ResidualBlock, Upsample, waves


@pytest.fixture(autouse=True)
def dice():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def woken(module: nn.Module) -> nn.Module:
    """With numbers in place of the zeros that it begins with."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.1)
    return module.eval()


def unet(**kwargs) -> DenoisingUNet:
    return DenoisingUNet(**{"channels": 1, "widths": (8, 16), "blocks": 1, "groups": 4} | kwargs)


def off(found: Tensor, expected: Tensor) -> float:
    """The error's root mean square as a part of what is expected."""
    return ((found.double() - expected.double()).norm() / expected.double().norm()).item()


# Group norm


def normed(norm: nn.GroupNorm, x: Tensor, slope: Tensor) -> dict[str, Tensor]:
    """What it makes of x, and its gradients where the loss has that slope in what it makes."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = norm(x)
    y.backward(slope)
    return {"y": y.detach(), "x": x.grad, "weight": norm.weight.grad, "bias": norm.bias.grad}


def norms(channels: int, groups: int) -> tuple[GroupNorm, nn.GroupNorm]:
    """Ours, and torch's in float64."""
    ours, theirs = GroupNorm(groups, channels), nn.GroupNorm(groups, channels).double()
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.linspace(0.5, 1.5, channels))
            norm.bias.copy_(torch.linspace(-1, 1, channels))
    return ours, theirs


def rounded(*shape: int, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """bfloat16, channels last in memory."""
    return (mean + std * torch.randn(shape)).bfloat16().to(memory_format=torch.channels_last)


@pytest.mark.parametrize("mean", [0.0, -1.0, 3.0])
@pytest.mark.parametrize("shape", [(3, 32, 16, 16), (2, 16, 9, 7), (2, 64, 1, 3), (1, 16, 17, 1)])
def test_group_norm_in_bfloat16_is_torch_s_in_float64(shape, mean):
    """bfloat16 rounds by up to 2^-9 = 0.2 %, and where x lies 3 deviations from zero, by that of something larger."""
    ours, theirs = norms(shape[1], 8)
    x, slope = rounded(*shape, mean=mean), rounded(*shape)
    found, expected = normed(ours, x, slope), normed(theirs, x.double(), slope.double())
    assert found["y"].dtype is torch.bfloat16 and found["weight"].dtype is torch.float32
    assert max(off(found[name], expected[name]) for name in found) < 0.02


@pytest.mark.parametrize(("mean", "std"), [(10.0, 1.0), (30.0, 1.0), (10.0, 0.1)])
def test_group_norm_in_bfloat16_sees_small_differences_of_large_numbers(mean, std):
    """As where a residual block was told the time, which adds one number to a whole channel. torch's own group norm is
    within 4 % on the same x, values and gradients."""
    ours, theirs = norms(32, 32)
    x, slope = rounded(2, 32, 32, 32, mean=mean, std=std), rounded(2, 32, 32, 32)
    found, expected = normed(ours, x, slope), normed(theirs, x.double(), slope.double())
    assert max(off(found[name], expected[name]) for name in found) < 0.05


def test_nothing_is_normed_to_more_than_it_can_be():
    """Of k numbers none lies more than sqrt(k - 1) of their deviations from their mean."""
    x = rounded(4, 32, 16, 16, mean=10.0, std=0.1)
    assert GroupNorm(32, 32)(x).abs().max() <= math.sqrt(16 * 16 - 1)


def test_a_picture_of_one_grey_is_normed_to_nothing():
    x = torch.full((1, 8, 4, 4), 0.3).bfloat16()
    assert torch.allclose(GroupNorm(4, 8)(x), torch.zeros(1).bfloat16(), atol=0.02)


def test_group_norm_does_not_care_how_pictures_lie_in_memory():
    ours, _ = norms(16, 4)
    x = rounded(2, 16, 6, 5)
    assert torch.equal(ours(x), ours(x.contiguous()))
    assert ours(x).is_contiguous(memory_format=torch.channels_last)


def test_group_norm_in_float32_is_torch_s():
    ours, theirs = norms(16, 4)
    x = torch.randn(2, 16, 6, 5)
    torch.testing.assert_close(ours(x), theirs(x.double()).float())


# Upsample


@pytest.mark.parametrize("shape", [(2, 4, 5, 3), (1, 4, 1, 1), (3, 4, 8, 8)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_upsample_is_a_convolution_of_doubled_pixels(shape, memory_format):
    """Values, and the gradients of the picture, the filters and the bias."""
    layer = woken(Upsample(4))
    inputs = torch.randn(shape).to(memory_format=memory_format).requires_grad_(), layer.conv.weight, layer.conv.bias
    ours = layer(inputs[0])
    theirs = layer.conv(nn.functional.interpolate(inputs[0], scale_factor=2, mode="nearest"))
    slope = torch.randn_like(theirs)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    for found, expected in zip(*(torch.autograd.grad(y, inputs, slope) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


# What it is told


def test_waves_are_sines_and_cosines_from_fast_to_slow():
    times = torch.tensor([0, 1, 500, 999])
    told = waves(times, 32)
    assert told.shape == (4, 32) and told.dtype is torch.float32
    sines, cosines = told.chunk(2, 1)
    torch.testing.assert_close(sines.square() + cosines.square(), torch.ones(4, 16))
    assert torch.equal(told[0], torch.cat([torch.zeros(16), torch.ones(16)]))
    torch.testing.assert_close(sines[:, 0], times.float().sin())
    torch.testing.assert_close(sines[:, -1], (times / 10_000).sin())


def test_every_time_has_waves_of_its_own():
    told = waves(torch.arange(1000), 32)
    apart = torch.cdist(told, told) + 10 * torch.eye(1000)
    assert apart.min() > 0.1


# The blocks


def test_a_residual_block_begins_by_doing_nothing():
    x, told = torch.randn(2, 8, 4, 4), torch.randn(2, 12)
    assert torch.equal(ResidualBlock(8, 8, 12, 4, 0.0)(x, told), x)
    widening = ResidualBlock(8, 16, 12, 4, 0.0)
    assert torch.equal(widening(x, told), widening.shortcut(x))
    assert not torch.allclose(woken(widening)(x, told), widening.shortcut(x), atol=0.01)


@pytest.mark.parametrize("head", [None, 4])
def test_attention_is_its_formula(head):
    """softmax(q k^T / sqrt(d)) v over all places, in each head by itself."""
    layer = woken(Attention(8, 4, head))
    x = torch.randn(2, 8, 3, 5)
    q, k, v = layer.query_key_value(layer.norm(x).flatten(2).transpose(1, 2)).chunk(3, 2)  # (n, 15, 8) each
    heads = []
    for i in range(0, 8, head or 8):
        a, b, c = (part[:, :, i : i + (head or 8)] for part in (q, k, v))
        heads.append((a @ b.transpose(1, 2) / math.sqrt(head or 8)).softmax(2) @ c)
    expected = x + layer.out(torch.cat(heads, 2)).transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(layer(x), expected)


# The U-Net

SHAPES = [
    ({}, (2, 1, 8, 8), (2, 1, 8, 8)),
    ({"channels": 3, "outputs": 6}, (2, 3, 8, 12), (2, 6, 8, 12)),
    ({"channels": 3, "fold": 2, "outputs": 6}, (1, 3, 8, 8), (1, 6, 8, 8)),
    ({"widths": (8, 8, 16), "blocks": 2, "attention": (0, 2), "head": 4}, (1, 1, 12, 8), (1, 1, 12, 8)),
    ({"widths": (8,), "classes": 3}, (1, 1, 5, 7), (1, 1, 5, 7)),
]


@pytest.mark.parametrize(("kwargs", "shape", "expected"), SHAPES)
def test_a_u_net_says_something_of_every_pixel_and_begins_by_saying_zero(kwargs, shape, expected):
    network = unet(**kwargs).eval()
    x, times = torch.randn(shape), torch.arange(shape[0]) * 300
    said = network(x, times)
    assert said.shape == expected and (said == 0).all()
    assert (woken(network)(x, times).flatten(1).std(1) > 0.01).all()


@pytest.mark.parametrize("fold", [1, 2])
def test_each_picture_is_told_its_own_time_and_class(fold):
    """In a batch as alone."""
    network = woken(unet(classes=3, fold=fold))
    x, times, kinds = torch.randn(4, 1, 8, 8), torch.tensor([0, 10, 500, 999]), torch.tensor([0, 1, 2, 3])
    whole = network(x, times, kinds)
    for i in range(4):
        torch.testing.assert_close(network(x[[i]], times[[i]], kinds[[i]])[0], whole[i], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network(x, times.flip(0), kinds), whole, atol=1e-3)
    assert not torch.allclose(network(x, times, kinds.flip(0)), whole, atol=1e-3)


def test_the_class_after_the_last_means_that_none_is_told():
    network = woken(unet(classes=3))
    x, times = torch.randn(2, 1, 8, 8), torch.tensor([3, 700])
    assert torch.equal(network(x, times), network(x, times, torch.tensor([3, 3])))
    assert not torch.allclose(network(x, times), network(x, times, torch.tensor([2, 2])), atol=1e-3)


def test_what_was_seen_on_the_way_down_is_laid_beside_on_the_way_up():
    """Without what comes from below the finest level, fine detail is still there."""
    network = woken(unet())
    x, times = torch.randn(1, 1, 8, 8), torch.tensor([100])
    for parameter in network.ups[0].upsample.parameters():
        parameter.data.zero_()
    assert network(x, times).std() > 0.01
    assert not torch.allclose(network(x, times), network(x.flip(3), times), atol=1e-3)


def test_every_weight_of_a_woken_u_net_counts():
    network = woken(unet(classes=3, attention=(0,), fold=2))
    network(torch.randn(8, 1, 8, 8), torch.arange(8) * 100, torch.arange(8) % 4).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_in_bfloat16_a_u_net_says_nearly_the_same():
    """As it trains on a processor that has matrix units for it: our group norm and upsampling are in it."""
    network = woken(unet(widths=(16, 32), attention=(1,), groups=8)).to(memory_format=torch.channels_last)
    x, times = torch.randn(4, 1, 16, 16), torch.tensor([0, 10, 500, 999])
    gradients, said = [], []
    for short in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=short):
            said.append(network(x, times).float())
        gradients.append(torch.autograd.grad(said[-1].square().sum(), list(network.parameters())))
    assert off(said[1], said[0]) < 0.05
    wholes = [torch.cat([g.flatten() for g in one]) for one in gradients]
    assert off(wholes[1], wholes[0]) < 0.05
