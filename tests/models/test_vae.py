"""Laws of the VAE that its losses alone would not show."""

from __future__ import annotations

import torch

from genstudio.model import Batch, Noise
from genstudio.models.fitted_prior import EMPTY
from genstudio.models.vae import VAE


def vae(**kwargs):
    torch.manual_seed(0)
    return VAE((1, 8, 8), latent_dim=2, widths=(4,), **kwargs).eval()


def posterior_at(model, means, variance=0.25):
    """Makes the encoder answer N(mean of the class, variance), the class being written into the picture."""
    model._posterior = lambda images: (
        means[images[:, 0, 0, 0].long()] + 0.5 * images[:, 0, 0, 1:3],
        torch.full((len(images), 2), variance).log(),
    )


def test_before_training_ends_codes_are_standard_normal():
    codes = vae(components=3).latents(Noise(range(4000)))
    assert torch.allclose(codes.mean(0), torch.zeros(2), atol=0.06)
    assert torch.allclose(torch.cov(codes.T), torch.eye(2), atol=0.1)


def test_fitted_prior_is_the_mixture_that_the_codes_add_up_to():
    model, means = vae(components=2), torch.tensor([[5.0, 0.0], [-3.0, 2.0]])
    posterior_at(model, means)
    torch.manual_seed(1)
    labels = (torch.arange(3000) % 3 == 0).long()  # two thirds of class 0
    images = torch.randn(3000, 1, 8, 8)
    images[:, 0, 0, 0] = labels.float()
    model.finish([Batch(images[:1000], labels[:1000]), Batch(images[1000:], labels[1000:])])
    codes = model.latents(Noise(range(4000)))
    first = codes[:, 0] > 1
    assert abs(first.float().mean() - 2 / 3) < 0.03
    assert torch.allclose(codes[first].mean(0), means[0], atol=0.1)
    # The spread of the class's means, 0.5^2, and the cloud around each, 0.25.
    assert torch.allclose(torch.cov(codes[first].T), 0.5 * torch.eye(2), atol=0.08)


def test_a_kind_with_too_few_pictures_is_never_drawn():
    model, means = vae(components=2), torch.tensor([[5.0, 0.0], [-3.0, 2.0]])
    posterior_at(model, means)
    labels = torch.tensor([0] * 100 + [1])
    images = torch.randn(101, 1, 8, 8)
    images[:, 0, 0, 0] = labels.float()
    model.finish([Batch(images, labels)])
    assert (model.latents(Noise(range(500)))[:, 0] > 1).all()


def test_elbo_is_a_lower_bound_on_the_evidence():
    """log p(x) by many samples of the prior, for one pixel-poor model, lies above the ELBO's mean."""
    model = vae(likelihood="bernoulli")
    x = torch.ones(1, 1, 8, 8)
    torch.manual_seed(2)
    elbo = torch.stack([a - b for a, b in (model.elbo(x.repeat(500, 1, 1, 1)) for _ in range(4))]).mean()
    logits = model.decoder(torch.randn(20000, 2))
    log_p = torch.logsumexp(-torch.nn.functional.softplus(-logits).flatten(1).sum(1), 0) - torch.log(torch.tensor(20000.0))
    assert elbo <= log_p + 0.05


def test_a_plane_keeps_where_held_out_pictures_lie_and_of_which_class():
    """Fewer than the map has room for: the rest stays empty, and a second fit forgets the first."""
    torch.manual_seed(0)
    model = VAE((1, 8, 8), latent_dim=2, widths=(4,)).eval()
    training = [Batch(torch.rand(64, 1, 8, 8) * 2 - 1) for _ in range(2)]
    for count in (30, 20):
        held_out = Batch(torch.rand(count, 1, 8, 8) * 2 - 1, torch.arange(count) % 7)
        model.finish(training, held_out)
        there = model.map_labels != EMPTY
        assert there.sum() == count and torch.equal(model.map_labels[:count].long(), held_out.labels)
        torch.testing.assert_close(model.map_latents[:count], model.encode(held_out.images))
