"""Laws of BigGAN: spectral norm, batch norm that is told the class, attention, truncation, the hinge game."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import batch_norm

from genstudio.engine.loaded import fused
from genstudio.layers.biggan import LEVELS, Attention, BatchNorm, ConditionalBatchNorm, Conv, Critic, Embedding, Linear
from genstudio.model import Batch, Noise, Progress
from genstudio.models.biggan import BOUND, BigGAN, biggan
from genstudio.objectives.adversarial import critic_hinge, generator_linear

NAMES = ["ant", "bee", "cat"]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def tiny() -> BigGAN:
    model = biggan((3, 16, 16), classes=3, widths=(8, 8, 8), chunk=4, embedding=5, attention_resolution=8)
    model.class_names = NAMES
    return model


# Spectral norm


@pytest.mark.parametrize("build", [lambda: Conv(3, 8, 3), lambda: Conv(8, 3, 3), lambda: Linear(6, 9), lambda: Linear(9, 6), lambda: Embedding(5, 7)])
def test_spectral_norm_is_the_largest_singular_value(build):
    layer = build().train()
    with torch.no_grad():
        layer.weight.copy_(torch.randn_like(layer.weight))
    for _ in range(300):
        layer.normalized_weight()
    largest = torch.linalg.svdvals(layer.weight.flatten(1))[0]
    torch.testing.assert_close(layer.spectral_norm(), largest, rtol=1e-4, atol=0)
    normalized = torch.linalg.svdvals(layer.normalized_weight().flatten(1))[0]
    torch.testing.assert_close(normalized, torch.tensor(1.0), rtol=1e-4, atol=0)


def test_the_power_method_goes_on_only_while_it_learns():
    layer = Linear(6, 9).eval()
    before = layer.u.clone()
    layer(torch.randn(2, 6))
    assert torch.equal(layer.u, before)
    layer.train()(torch.randn(2, 6))
    assert not torch.equal(layer.u, before)


def test_the_gradient_leaves_out_what_would_only_stretch():
    """d sigma / d W is u v': a step along W itself changes nothing."""
    layer = Linear(6, 4).double().train()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(4, 6))
    for _ in range(300):
        layer.normalized_weight()
    (layer(torch.randn(5, 6, dtype=torch.float64)) ** 2).sum().backward()
    assert abs((layer.weight.grad * layer.weight).sum()) < 1e-6 * layer.weight.grad.norm()


def test_folded_for_good_it_draws_the_same():
    model = tiny().eval().requires_grad_(False)
    quick = fused(model)
    for x, y in ((m.sample(Noise([1]), label="bee"), n.sample(Noise([1]), label="bee")) for m, n in [(model, quick)]):
        torch.testing.assert_close(next(x).images, next(y).images)
    assert all(layer.folded for layer in quick.modules() if isinstance(layer, Conv))


# Batch norm that is told the class


def test_without_weight_on_the_code_it_is_plain_batch_norm():
    norm = ConditionalBatchNorm(4, 3).train()
    with torch.no_grad():
        norm.gain.weight.zero_(), norm.shift.weight.zero_()
        norm.gain.folded = norm.shift.folded = True  # nothing has no largest singular value to be divided by
    x = torch.randn(5, 4, 6, 6) * 3 + 1
    torch.testing.assert_close(norm(x, torch.randn(5, 3)), batch_norm(x, None, None, training=True))


def test_weights_in_bfloat16_normalize_features_of_either_format():
    """A graphics card refuses float32 features with statistics in bfloat16."""
    norm, x = BatchNorm(4), torch.randn(16, 4, 3, 3) * 3 + 1
    norm.train()(x)
    right = norm.eval()(x)
    norm.to(torch.bfloat16)
    for given in (x, x.bfloat16()):
        made = norm(given)
        assert made.dtype is given.dtype
        torch.testing.assert_close(made.float(), right, rtol=0.02, atol=0.05)


def test_the_code_says_gain_and_bias_of_each_picture():
    norm, code = ConditionalBatchNorm(4, 3).eval(), torch.randn(2, 3)
    x = torch.randn(2, 4, 5, 5)
    plain = x / (1 + 1e-5) ** 0.5
    expected = plain * (1 + norm.gain(code))[:, :, None, None] + norm.shift(code)[:, :, None, None]
    torch.testing.assert_close(norm(x, code), expected)


def test_statistics_are_kept_for_truncations_and_interpolated():
    norm = ConditionalBatchNorm(2, 3).eval()
    for level in range(len(LEVELS)):
        norm.gathering, norm.gathered = level, 0
        for shift in (-1.0, 1.0):  # two batches: the mean of both
            norm(torch.randn(4000, 2, 1, 1) * (level + 1) + level + shift, torch.zeros(4000, 3))
    norm.gathering = None
    for truncation, mean, deviation in ((0.0, 0, 1), (0.25, 1, 2), (1.0, 4, 5), (1.5, 4, 5), (-1.0, 0, 1)):
        found, variance = norm.statistics(truncation)
        torch.testing.assert_close(found, torch.full((2,), float(mean)), atol=0.25, rtol=0)
        torch.testing.assert_close(variance.sqrt(), torch.full((2,), float(deviation)), atol=0.25, rtol=0)
    between, _ = norm.statistics(0.125)
    torch.testing.assert_close(between, (norm.means[0] + norm.means[1]) / 2)


def test_gathered_statistics_make_sampling_what_training_was():
    model = tiny().eval()
    with torch.no_grad():
        for conv in (layer for layer in model.generator.modules() if isinstance(layer, Conv)):
            conv.weight.mul_(2).add_(0.1 * torch.randn_like(conv.weight))
    before = next(model.sample(Noise(range(64)), label="bee")).images
    model.finish([])
    kept = [norm for norm in model.modules() if isinstance(norm, ConditionalBatchNorm)]
    assert all(norm.gathering is None and not torch.equal(norm.means[4], torch.zeros_like(norm.means[4])) for norm in kept)
    after = next(model.sample(Noise(range(64)), label="bee")).images
    assert not torch.allclose(before, after)
    half = next(model.sample(Noise([1]), label="bee", truncation=0.5)).images
    for norm in kept:  # truncation moves the statistics too
        norm.means[2].add_(1)
    assert not torch.allclose(half, next(model.sample(Noise([1]), label="bee", truncation=0.5)).images)


# The rest


def test_attention_begins_as_the_identity_and_is_its_formula():
    layer, x = Attention(16).eval(), torch.randn(2, 16, 4, 4)
    torch.testing.assert_close(layer(x), x)
    with torch.no_grad():
        layer.weight.fill_(1)
    query = layer.query(x).flatten(2)  # (n, d, 16)
    key, value = (torch.nn.functional.max_pool2d(f(x), 2).flatten(2) for f in (layer.key, layer.value))
    shares = torch.einsum("ndi,ndj->nij", query, key).softmax(2)
    seen = torch.einsum("nij,ndj->ndi", shares, value).unflatten(2, (4, 4))
    torch.testing.assert_close(layer(x), x + layer.out(seen))


def test_the_critic_multiplies_what_is_seen_by_what_is_told():
    critic = Critic(3, (8, 8, 8), 2, 3).eval()
    images = torch.randn(4, 3, 16, 16)
    seen = torch.relu(critic.blocks(images)).sum((2, 3))
    kinds = torch.tensor([0, 1, 2, 3])
    weight, embeddings = critic.output.normalized_weight()[0], critic.class_embedding.normalized_weight()
    expected = [seen[i] @ weight + critic.output.bias[0] + seen[i] @ embeddings[k] for i, k in enumerate(kinds)]
    torch.testing.assert_close(critic(images, kinds)[:, 0], torch.stack(expected))


def test_codes_are_normal_within_the_bound_and_rank_as_the_seeds_do():
    model = tiny()
    z, plain = model._truncated(Noise(range(3000))).flatten(), Noise(range(3000)).normal(model.latent_dim).flatten()
    assert z.abs().max() <= BOUND and z.abs().max() > 0.99 * BOUND
    assert abs(z.mean()) < 0.02 and 0.86 < z.std() < 0.9  # of a normal that ends at 2: 0.880
    order = plain.argsort()
    assert (z[order].diff() >= 0).all()


def test_truncation_0_is_one_picture_a_class():
    model = tiny().eval()
    one, two = (next(model.sample(Noise([seed]), label="bee", truncation=0.0)).images for seed in (1, 2))
    torch.testing.assert_close(one, two)


def test_the_hinge_lets_be_what_is_told_apart():
    assert critic_hinge(torch.tensor([1.5]), torch.tensor([-2.0])) == 0
    assert critic_hinge(torch.tensor([0.0]), torch.tensor([0.0])) == 2
    assert generator_linear(torch.tensor([3.0])) == -3


def test_the_critic_steps_several_times_on_a_share_of_the_batch_each():
    model = tiny().train()
    batch = Batch(torch.rand(8, 3, 16, 16) * 2 - 1, torch.arange(8) % 3)
    players = []
    for player, terms in model.losses(batch, Progress()):
        players.append(player)
        sum(term for term in terms.values() if term.requires_grad).backward(inputs=list(model.players()[player].parameters()))
    assert players == ["critic", "critic", "generator"]
    assert all(p.grad is not None for p in model.parameters())


def test_between_two_classes_lie_both_ends():
    model = tiny().eval()
    end = next(model.sample(Noise([5]), label="ant", towards="cat", blend=1.0)).images
    torch.testing.assert_close(end, next(model.sample(Noise([5]), label="cat")).images)
    [code] = model.latents(Noise([5]))
    assert code.shape == (4 * 3 + 5,)
