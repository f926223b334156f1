"""Vector quantization: the nearest entry, the straight-through gradient, and a codebook of moving averages."""

from __future__ import annotations

import pytest
import torch

from genstudio.layers.quantizer import DECAY, FRESH, VectorQuantizer


@pytest.fixture
def quantizer() -> VectorQuantizer:
    torch.manual_seed(0)
    return VectorQuantizer(40, 6)


def test_the_nearest_entry_is_that_of_a_search_by_brute_force(quantizer):
    x = torch.randn(3, 6, 5, 4)
    found = quantizer.nearest(x)
    for n in range(3):
        for i in range(5):
            for j in range(4):
                distances = [(x[n, :, i, j] - entry).square().sum() for entry in quantizer.codebook]
                assert found[n, i, j] == min(range(40), key=distances.__getitem__)


def test_half_precision_does_not_confuse_near_neighbours(quantizer):
    quantizer.codebook.copy_(4 + torch.arange(40)[:, None] / 64)  # 1/64 apart, where bfloat16 has steps of 1/32
    x = quantizer.codebook[[3, 17, 38]].T[None, :, :, None]
    with torch.autocast("cpu", torch.bfloat16):
        assert quantizer.nearest(x).flatten().tolist() == [3, 17, 38]


def test_the_gradient_passes_straight_through(quantizer):
    x, weight = torch.randn(2, 6, 4, 4, requires_grad=True), torch.randn(2, 6, 4, 4)
    vectors = quantizer.eval()(x).vectors
    assert torch.allclose(vectors, quantizer.embed(quantizer.nearest(x / (1 + 1e-5) ** 0.5)), atol=1e-5)
    (vectors * weight).sum().backward()
    assert torch.allclose(x.grad, weight / (1 + 1e-5) ** 0.5), "as if nothing had been quantized, but for the scale"


def test_the_commitment_pulls_towards_the_entry(quantizer):
    x = torch.randn(2, 6, 4, 4, requires_grad=True)
    level = quantizer.eval()(x)
    level.commitment.backward()
    towards = (x - quantizer.embed(level.tokens)).detach()
    assert torch.nn.functional.cosine_similarity(x.grad.flatten(), towards.flatten(), 0) > 0.999


def test_an_entry_is_the_average_of_its_vectors(quantizer):
    """The moving averages of counts and sums of the paper, equations 6 to 8, kept by hand."""
    quantizer.usage.fill_(5.0)
    count, total = quantizer.usage.clone(), 5.0 * quantizer.codebook
    for _ in range(6):
        vectors = torch.randn(300, 6)
        tokens = torch.cdist(vectors, quantizer.codebook).argmin(1)
        mine = torch.nn.functional.one_hot(tokens, 40).float()
        count = DECAY * count + (1 - DECAY) * mine.sum(0)
        total = DECAY * total + (1 - DECAY) * mine.T @ vectors
        quantizer.update(vectors, tokens)
        torch.testing.assert_close(quantizer.usage, count)
        torch.testing.assert_close(quantizer.codebook, total / count[:, None], rtol=1e-4, atol=1e-5)


def test_a_dead_entry_starts_again_from_a_vector_of_the_batch(quantizer):
    quantizer.usage.fill_(5.0)
    quantizer.usage[7] = 1e-4
    quantizer.codebook[7] = 50.0
    vectors = torch.randn(200, 6)
    quantizer.update(vectors, torch.randint(0, 7, (200,)))
    assert (vectors == quantizer.codebook[7]).all(1).any() and quantizer.usage[7] == FRESH * 200 / 40


def test_entries_come_into_use_though_vectors_begin_far_off_and_close_together():
    torch.manual_seed(0)
    quantizer, clusters = VectorQuantizer(16, 4), torch.randn(16, 4)
    for _ in range(300):
        x = 1000 + 0.01 * (clusters[torch.randint(16, (64,))] + 0.02 * torch.randn(64, 4))
        level = quantizer(x[:, :, None, None])
    assert level.used > 0.8 and level.perplexity > 11 and level.commitment < 0.1


def test_evaluation_changes_nothing(quantizer):
    before = {name: value.clone() for name, value in quantizer.named_buffers()}
    quantizer.eval()(torch.randn(2, 6, 4, 4))
    assert all(torch.equal(before[name], value) for name, value in quantizer.named_buffers())
