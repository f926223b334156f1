"""Laws of flows and of VAEs with one that their losses alone would not show."""

from __future__ import annotations

import math

import pytest
import torch

from genstudio.model import Batch, Noise, Progress
from genstudio.models.flow import Flow, RealNVP, SelfNormalizingFlow
from genstudio.models.flow_vae import FlowVAE
from genstudio.objectives.likelihood import bernoulli, kl_standard_normal, standard_normal
from tests.small import INSTANCES, awake

FLOWS = ("small_realnvp", "small_selfnorm")
VAES = ("small_flow_vae", "small_flow_vae_of_bits", "small_flow_vae_of_reflections", "small_planar_flow_vae")
pytestmark = pytest.mark.usefixtures("one_thread")


def pictures(shape: tuple[int, int, int], count: int = 4) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, *shape), generator=draw) / 127.5 - 1


def trained(name: str) -> Flow:
    """A flow whose weights have moved a little from the identity, as training moves them."""
    torch.manual_seed(0)
    model = INSTANCES[name].build().eval().requires_grad_(False)
    for weights in model.parameters():
        weights += 0.05 * torch.randn_like(weights)
    return model


@pytest.mark.parametrize("name", FLOWS)
def test_a_picture_comes_back_from_its_code(name):
    """Every level of it, black and white too."""
    model = trained(name)
    images = pictures(model.image_shape)
    images[0], images[1] = -1, 1
    codes = model.encode(images)
    assert (model.decode(codes) - images).abs().max() < 0.1 / 127.5
    assert (codes[0] - codes[2]).abs().max() > 1e-2


@pytest.mark.parametrize("name", FLOWS)
def test_the_layers_of_a_passage_add_up_to_the_density(name):
    """log p(z) + sum of log |det| = log p(x), against the Jacobian of the whole map."""
    model = trained(name).double()
    images = pictures(model.image_shape, 2).double()
    steps = model.passage(images)
    total = standard_normal(steps[-1].state.flatten(1)) + sum(step.log_det for step in steps)
    x = (images + 1) * 127.5 + 0.5
    torch.testing.assert_close(total, model.log_density(x).detach())
    jacobian = torch.autograd.functional.jacobian(lambda one: model.transform(one)[0], x[:1])
    log_det = torch.linalg.slogdet(jacobian.view(model.latent_dim, -1)).logabsdet
    assert sum(step.log_det[0] for step in steps).item() == pytest.approx(log_det.item(), rel=1e-6)


def test_a_density_integrates_to_one():
    """Of one pixel of 16, given all latents but its own: the change of variables, over 20 000 levels of the pixel."""
    torch.manual_seed(0)
    model = RealNVP((1, 4, 4), width=4, each=1).double().eval().requires_grad_(False)
    del model.layers[3:-1]  # one coupling, and the bend
    for weights in model.parameters():
        weights += 0.1 * torch.randn_like(weights)
    place = torch.zeros(16, 1, 1)
    place[model.layers[2].changed[0]] = 1
    pixel = torch.nn.functional.pixel_shuffle(place, 4)[0].bool()
    levels = (torch.arange(20_000, dtype=torch.float64) + 0.5) * 256 / 20_000
    x = torch.full((20_000, 1, 4, 4), 100.0, dtype=torch.float64)
    x[:, 0, pixel] = levels[:, None]
    z, _ = model.transform(x)
    assert z[:, 0, ~pixel].std(0).max() < 1e-12, "another latent moves with the pixel"
    slope = torch.gradient(z[:, 0, pixel][:, 0], spacing=(levels,))[0]
    density = (standard_normal(z[:, 0, pixel]) + slope.log()).exp()
    assert density.mean().item() * 256 == pytest.approx(1, abs=2e-3)
    # That is the model's own density, but for what does not depend on the pixel.
    rest = model.log_density(x) - density.log()
    assert rest[200:-200].std() < 1e-2


def test_bits_of_a_flow_are_a_bound_of_256_levels():
    """Of a flow that knows nothing but the scale, levels are uniform: exactly 8 bits."""
    model = RealNVP((1, 8, 8), width=4, each=1)
    assert model.bound and model.likelihood_of == "grey levels"
    scale = model.layers[0]
    x = torch.rand(5, 1, 8, 8) * 256
    y, log_det = scale(x)
    assert y.min() >= 0 and y.max() <= 1
    assert torch.allclose(-log_det / (64 * math.log(2)), torch.tensor(8.0), atol=1e-6)


def test_a_size_that_blocks_do_not_fill_is_refused():
    for build in (lambda shape: RealNVP(shape, width=4), lambda shape: FlowVAE(shape)):
        with pytest.raises(ValueError, match="multiples of 4, not 30 and 28"):
            build((1, 30, 28))


def test_temperature_scales_the_latents():
    model = awake(INSTANCES["small_realnvp"])
    z = model.latents(Noise([1, 2]))
    assert torch.equal(model.decode(z, temperature=0.5), model.decode(0.5 * z))
    assert torch.equal(*model.decode(z, temperature=0.0))


def test_the_learned_inverse_is_used_where_it_is_asked_for():
    model = SelfNormalizingFlow((1, 8, 8), depth=2).eval().requires_grad_(False)
    z = model.latents(Noise([1]))
    torch.testing.assert_close(model.decode(z, inverse="learned"), model.decode(z))  # as it is born: the identity
    model.layers[-1].inverse_weight *= 0.9
    assert (model.decode(z, inverse="learned") - model.decode(z)).abs().max() > 1e-3


# With a VAE -------------------------------------------------------------------------------------------------------


def test_kl_to_the_prior_is_its_mean_over_samples():
    """In closed form against Monte Carlo, and without a flow the VAE's own samples against both."""
    torch.manual_seed(0)
    mean, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    noise = torch.randn(200_000, 3, 4)
    z = mean + torch.exp(0.5 * log_variance) * noise
    log_ratio = standard_normal(noise) - 0.5 * log_variance.sum(1) - standard_normal(z)
    error = 4 * log_ratio.std(0) / len(noise) ** 0.5
    assert ((log_ratio.mean(0) - kl_standard_normal(mean, log_variance)).abs() < error).all()

    model = FlowVAE((1, 16, 16), "none", latent_dim=4, width=4, hidden=16).eval().requires_grad_(False)
    images = model.observed(pictures((1, 16, 16), 2))
    _, means, log_variances = model.gaussian(images)
    kl = model.terms(images, 1500)[1]
    error = 4 * kl.std(1) / 1500**0.5
    assert ((kl.mean(1) - kl_standard_normal(means, log_variances)).abs() < error).all()


@pytest.mark.parametrize("name", VAES)
def test_importance_weights_average_to_the_evidence(name):
    """p(x) by weights of q against p(x) by samples of the prior, and never above the bound beyond its error."""
    model = awake(INSTANCES[name])
    for weights in (model.pixels.weight, model.pixels.bias):
        weights *= 0.05  # so that samples of the prior suffice
    images = model.observed(pictures(model.image_shape, 1))
    torch.manual_seed(0)
    weights = model.log_weights(images, 1500)[0].double()
    by_weights = torch.logsumexp(weights, 0) - math.log(1500)
    z = torch.randn(1500, model.latent_dim)
    likelihood = model.log_likelihood(images.expand(1500, -1, -1, -1), z).double()
    by_prior = torch.logsumexp(likelihood, 0) - math.log(1500)
    assert abs(by_weights - by_prior) < 0.5
    assert by_weights >= weights.mean() - 4 * weights.std() / 1500**0.5, "the bound lies above the evidence"


@pytest.mark.parametrize("name", VAES)
def test_a_picture_alone_has_the_latents_it_has_in_a_batch(name):
    model = awake(INSTANCES[name])
    images = pictures(model.image_shape)
    together = model.encode(images)
    torch.testing.assert_close(model.encode(images[2:3])[0], together[2], atol=1e-4, rtol=1e-4)


def test_the_softmax_is_over_256_levels_and_adds_up_to_one():
    model = awake(INSTANCES["small_flow_vae"])
    z = torch.randn(1, model.latent_dim)
    all_levels = [torch.full((1, *model.image_shape), level / 127.5 - 1) for level in range(256)]
    logits = model.logits(z)
    assert logits.shape == (1, *model.image_shape, 256)
    each = torch.stack([torch.log_softmax(logits, -1)[..., level] for level in range(256)])
    assert torch.allclose(each.exp().sum(0), torch.tensor(1.0), atol=1e-5)
    for level in (0, 3, 255):
        found = model.log_likelihood(all_levels[level], z)
        torch.testing.assert_close(found, each[level].flatten(1).sum(1), rtol=1e-5, atol=1e-3)


def test_binary_pixels_have_the_likelihood_of_bernoulli_variables():
    model = awake(INSTANCES["small_flow_vae_of_bits"])
    images, z = model.observed(pictures(model.image_shape, 3)), torch.randn(3, model.latent_dim)
    assert set(images.unique().tolist()) == {-1.0, 1.0}
    shares = (model.decode(z) + 1) / 2  # the mean picture
    expected = torch.where(images > 0, shares, 1 - shares).log().flatten(1).sum(1)
    torch.testing.assert_close(bernoulli(model.logits(z)[..., 0], (images + 1) / 2), expected, rtol=1e-4, atol=1e-2)


def test_the_kl_term_is_warmed_up_over_images():
    model = FlowVAE((1, 16, 16), "none", latent_dim=4, width=4, hidden=16, kl_warmup=1000)
    batch, weights = Batch(pictures((1, 16, 16))), []
    for images in (0, 250, 1000, 5000):
        torch.manual_seed(0)
        [(_, terms)] = model.losses(batch, Progress(images=images))
        whole = terms["negative ELBO"] - terms["reconstruction"].detach()
        weights.append((terms["kl"] / whole).item())
    assert weights == pytest.approx([0, 0.25, 1, 1], abs=1e-4)
