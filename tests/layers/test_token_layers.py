"""Causality of the networks of priors, and the key-value cache."""

from __future__ import annotations

import pytest
import torch

from genstudio.layers.masked_conv import GatedPixelCNN
from genstudio.layers.transformer import Cache, Transformer

HEIGHT, WIDTH = 5, 6


def pixelcnn(size: int) -> GatedPixelCNN:
    torch.manual_seed(0)
    return GatedPixelCNN(4, depth=8, size=size).double()


def seen(output: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """True where an output depends on each place of x (1, channels, places): the gradient there."""
    [gradient] = torch.autograd.grad(output.sum(), x, retain_graph=True)
    return gradient[0].abs().flatten(1).sum(0) > 0


@pytest.mark.parametrize("size", [3, 5])
def test_a_gated_pixelcnn_sees_every_earlier_place_and_none_later(size):
    """At every place: those before it in raster order, with no blind spot, and neither itself nor any after it."""
    network, condition = pixelcnn(size), torch.randn(1, 4, 1, 1, dtype=torch.float64)
    x = torch.randn(1, 4, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
    features = network(x, condition).flatten(2)
    for place in range(HEIGHT * WIDTH):
        reads = seen(features[..., place], x)
        assert not reads[place:].any(), f"place {place} sees {reads.nonzero().flatten().tolist()}"
        assert reads[:place].all(), f"place {place} is blind to {(~reads[:place]).nonzero().flatten().tolist()}"


def test_a_condition_reaches_every_place():
    network, x = pixelcnn(3), torch.randn(1, 4, HEIGHT, WIDTH, dtype=torch.float64)
    condition = torch.randn(1, 4, HEIGHT, WIDTH, dtype=torch.float64, requires_grad=True)
    features = network(x, condition).flatten(2)
    for place in range(HEIGHT * WIDTH):
        assert seen(features[..., place], condition)[: place + 1].all()


def transformer(causal: bool = True) -> Transformer:
    torch.manual_seed(0)
    return Transformer(12, width=16, depth=3, heads=2, causal=causal).double().eval()


@pytest.mark.parametrize("causal", [True, False])
def test_causal_attention_reads_up_to_its_place_and_the_other_reads_all(causal):
    x = torch.randn(1, 12, 16, dtype=torch.float64, requires_grad=True)
    features = transformer(causal)(x)
    weight = torch.randn(16, dtype=torch.float64)  # the plain sum of a normed vector is constant
    for place in range(12):
        [gradient] = torch.autograd.grad(features[0, place] @ weight, x, retain_graph=True)
        reads = gradient[0].abs().sum(1) > 0
        assert reads.tolist() == [not causal or other <= place for other in range(12)]


@pytest.mark.parametrize("parts", [[1] * 12, [12], [5, 1, 1, 4, 1], [1, 7, 4]])
def test_a_cache_gives_what_the_whole_sequence_does(parts):
    network, x = transformer(), torch.randn(3, 12, 16, dtype=torch.float64)
    cache, whole = Cache(), network(x)
    read = torch.cat([network(part, cache) for part in x.split(parts, 1)], 1)
    torch.testing.assert_close(read, whole, rtol=1e-10, atol=1e-12)


def test_bfloat16_on_a_processor_masks_alike():
    """Its attention is written out there."""
    network, x = transformer().float(), torch.randn(2, 12, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = network(x)
        changed = x.clone()
        changed[:, 8:] += 1
        other = network(changed)
    assert torch.equal(half[:, :8], other[:, :8]) and not torch.equal(half[:, 8:], other[:, 8:])
    assert (half.float() - network(x)).abs().max() < 0.1


def test_a_sequence_that_is_too_long_is_refused():
    cache = Cache()
    network = transformer()
    network(torch.zeros(1, 11, 16, dtype=torch.float64), cache)
    with pytest.raises(ValueError, match="a sequence of 13 tokens is too long: this transformer reads 12"):
        network(torch.zeros(1, 2, 16, dtype=torch.float64), cache)
