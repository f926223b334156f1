"""Laws of the auto-encoders: sparse, over-complete, denoising, by regression, and for all coefficients beta."""

from __future__ import annotations

import math

import pytest
import torch

from genstudio.model import Batch, Noise, Progress
from genstudio.models.autoencoder import AutoEncoder, DenoisingAutoEncoder, Regression, masked, noised
from genstudio.models.sparse import KLSparseAutoEncoder, KSparseAutoEncoder, LinearAutoEncoder, largest
from genstudio.models.vae import BETAS, BetaVAE
from genstudio.objectives.likelihood import kl_of_activation
from genstudio.registry import systems
from genstudio.scores.pca import PCA

SHAPE = (1, 8, 8)

pytestmark = pytest.mark.usefixtures("one_thread")


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    """Blobs in [-1, 1] whose place and width differ, on a dark ground."""
    draw = torch.Generator().manual_seed(seed)
    x, y, width = (torch.rand(count, 1, 1, generator=draw) * size + low for size, low in ((7, 0), (7, 0), (2, 1)))
    grid = torch.arange(8.0)
    square = (grid[None, :, None] - y) ** 2 + (grid[None, None, :] - x) ** 2
    return (2 * torch.exp(-square / width**2) - 1)[:, None]


def train(model, steps: int, rate: float = 3e-3, batch: int = 64):
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    images = pictures(4096)
    for step in range(steps):
        chosen = images[torch.randint(len(images), (batch,))]
        for _, terms in model.losses(Batch(chosen), Progress(step, step * batch, steps * batch)):
            optimizer.zero_grad()
            sum(term for term in terms.values() if term.requires_grad).backward()
            optimizer.step()
    return model.eval().requires_grad_(False)


def squared_error(model, images, **controls) -> float:
    shared = {key: value for key, value in controls.items() if key in ("beta", "rho")}
    return (model.decode(model.encode(images, **shared), **controls) - images).square().mean().item()


# k-sparse


@pytest.mark.parametrize("k", [1, 3, 25, 100])
def test_a_k_sparse_code_has_exactly_k_active_units_and_they_are_the_largest(k):
    activations = torch.randn(20, 100, generator=torch.Generator().manual_seed(0))
    kept = largest(activations, k)
    assert ((kept != 0).sum(1) == k).all()
    assert torch.equal(kept[kept != 0], activations[kept != 0]), "the values of the others change nothing"
    for row, before in zip(kept, activations, strict=True):
        assert before[row == 0].numel() == 0 or before[row != 0].min() >= before[row == 0].max()


@pytest.mark.parametrize("k", [0, -3, 101])
def test_a_k_out_of_range_is_refused_in_one_sentence_with_the_value(k):
    with pytest.raises(ValueError, match=rf"active must lie between 1 and the 100 units, not {k}$"):
        largest(torch.zeros(2, 100), k)
    with pytest.raises(ValueError, match=f"not {k}$"):
        KSparseAutoEncoder(SHAPE, units=100, active=k)


def test_the_pictures_of_a_k_sparse_code_depend_on_its_k_largest_units_alone():
    torch.manual_seed(0)
    model = KSparseAutoEncoder(SHAPE, units=100, active=5)
    code = torch.randn(4, 100)
    smaller = code.clone()
    smaller[largest(code, 5) == 0] -= 1
    assert torch.equal(model.decode(code, active=5), model.decode(smaller, active=5))
    assert not torch.equal(model.decode(code, active=6), model.decode(smaller, active=6))


def test_a_classifier_reads_three_times_as_many_units_as_are_active():
    model = KSparseAutoEncoder(SHAPE, units=100, active=5)
    assert ((model.activations(pictures(8)) != 0).sum(1) == 15).all()


def test_the_active_units_of_training_fall_from_many_to_k_by_half_of_the_run_and_stay():
    model = KSparseAutoEncoder(SHAPE, units=1000, active=25)
    counts = [model.active_at(Progress(images=images, of=1000)) for images in (0, 250, 500, 999)]
    assert counts[0] == 200 and counts == sorted(counts, reverse=True) and counts[2:] == [25, 25]
    assert 25 < counts[1] < 200
    assert KSparseAutoEncoder(SHAPE, units=40, active=25).active_at(Progress(of=10)) == 40, "never above the width"


# Over-complete


@pytest.mark.parametrize("build", [LinearAutoEncoder, lambda *a, **k: KSparseAutoEncoder(*a, active=3, **k)])
def test_encoder_and_decoder_share_one_matrix(build):
    """The Jacobian of the decoder is the transpose of that of the encoder, and there is no second matrix."""
    torch.manual_seed(0)
    model = build(SHAPE, units=70)
    pixels = torch.rand(64)
    there = torch.autograd.functional.jacobian(lambda x: model.encode(2 * x.reshape(1, *SHAPE) - 1)[0], pixels)
    back = torch.autograd.functional.jacobian(lambda z: (model.reconstruct(z[None]).flatten() + 1) / 2, torch.randn(70))
    torch.testing.assert_close(back, there.T)
    assert [p.shape for p in model.parameters() if p.dim() > 1] == [(70, 64)]


def test_with_as_many_units_as_pixels_orthonormal_weights_are_the_identity():
    model = LinearAutoEncoder(SHAPE, units=70)
    with torch.no_grad():
        model.weight.copy_(torch.linalg.qr(torch.randn(70, 64))[0])
    noise = torch.rand(5, *SHAPE) * 2 - 1
    torch.testing.assert_close(model.decode(model.encode(noise)), noise, atol=1e-5, rtol=0)


def test_with_few_units_it_learns_the_subspace_of_pca():
    """Baldi and Hornik 1989: its error is that of PCA of as many numbers, and of one number fewer it is another."""
    model, images = train(LinearAutoEncoder(SHAPE, units=3), 1500, rate=1e-2), pictures(4096)

    def of_pca(count: int) -> float:
        return (images - PCA.fit(images, count)(images)).square().mean().item()

    error = (model.reconstruct(model.encode(images)) - images).square().mean().item()
    assert of_pca(3) * 0.999 < error < 1.02 * of_pca(3) < of_pca(2)
    assert model.prior_factor.dim() == 3, "few units have covariances"


def test_an_over_complete_one_reconstructs_noise_and_one_of_few_codes_does_not():
    """It has learned blobs alone."""
    noise = torch.rand(200, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    wide = train(LinearAutoEncoder(SHAPE, units=100), 800, rate=1e-2)
    narrow = train(AutoEncoder(SHAPE, latent_dim=4, hidden=(32,)), 400)
    assert squared_error(wide, pictures(200, 1)) < 1e-3
    assert squared_error(wide, noise) < 0.4 * squared_error(narrow, noise)


def test_the_prior_of_independent_units_has_the_moments_of_their_codes():
    torch.manual_seed(0)
    model = LinearAutoEncoder(SHAPE, units=70)
    images = pictures(512)
    with torch.no_grad():
        codes = model.encode(images)
    model.finish([Batch(images[:256]), Batch(images[256:])])
    drawn = model.latents(Noise(range(3000)))
    assert model.prior_factor.shape == (1, 70)
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), atol=0.1 * codes.std().item(), rtol=0)
    torch.testing.assert_close(drawn.std(0), codes.std(0), atol=1e-6, rtol=0.1)


# KL-sparse


def test_the_sparsity_penalty_has_the_value_by_hand():
    """KL(0.05 || 0.2) = 0.05 log(0.05 / 0.2) + 0.95 log(0.95 / 0.8), and 0 where the mean is rho."""
    found = kl_of_activation(0.05, torch.tensor([0.05, 0.2, 0.01]))
    by_hand = [0.0, -0.0693147 + 0.1632573, 0.0804719 - 0.0391809]
    torch.testing.assert_close(found, torch.tensor(by_hand), atol=1e-6, rtol=1e-5)
    assert kl_of_activation(0.05, torch.tensor([0.0, 1.0])).isfinite().all()


def test_the_penalty_of_the_loss_is_that_of_the_batchs_mean_activations():
    torch.manual_seed(0)
    model, images = KLSparseAutoEncoder(SHAPE, units=30, weight=2.0), pictures(16)
    batch = Batch(images, conditions={"rho": torch.full((16,), 0.1)})
    [(_, terms)] = model.losses(batch, Progress())
    mean = model.encode(images, rho=0.1).mean(0)
    by_hand = sum(0.1 * math.log(0.1 / m) + 0.9 * math.log(0.9 / (1 - m)) for m in mean.tolist())
    assert terms["sparsity"].item() == pytest.approx(2 * by_hand, rel=1e-4)


def test_the_mean_activation_follows_rho():
    """On a small model, within a fifth of each rho; its error grows where fewer units may be active."""
    model, images = train(KLSparseAutoEncoder(SHAPE, units=60, weight=10.0), 800), pictures(500, 1)
    for rho in (0.05, 0.1, 0.3):
        assert model.encode(images, rho=rho).mean().item() == pytest.approx(rho, rel=0.2), rho
    assert squared_error(model, images, rho=0.02) > squared_error(model, images, rho=0.1)


@pytest.mark.parametrize("rho", [0.0, -0.1, 0.6, math.nan])
def test_a_rho_out_of_range_is_refused(rho):
    batch = Batch(pictures(4), conditions={"rho": torch.full((4,), rho)})
    with pytest.raises(ValueError, match="rho must lie between 0.02 and 0.5, not"):
        list(KLSparseAutoEncoder(SHAPE, units=30).losses(batch, Progress()))


# Denoising


def test_corruption_is_as_large_as_it_says():
    images, n = torch.zeros(200, *SHAPE), 200 * 64
    torch.manual_seed(0)
    share = (masked(images, 0.25) == -1).float().mean().item()
    assert share == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / n) ** 0.5)
    assert (masked(images, 0.0) == images).all() and (masked(images, 1.0) == -1).all()
    sigma = noised(images, 0.1).std().item() / 2  # of pixels in [0, 1]; five sigma from the ends, nothing is clipped
    assert sigma == pytest.approx(0.1, rel=0.03)
    assert torch.equal(noised(images, 0.0), images) and noised(images, 3.0).abs().max() <= 1


def test_a_denoising_one_is_nearer_to_the_clean_picture_than_its_input_and_than_one_trained_on_clean_ones():
    clean = pictures(500, 1)
    denoiser = train(DenoisingAutoEncoder(SHAPE, latent_dim=4, hidden=(64, 32)), 600)
    plain = train(AutoEncoder(SHAPE, latent_dim=4, hidden=(64, 32)), 600)
    torch.manual_seed(2)
    for corrupted in (masked(clean, 0.4), noised(clean, 0.4)):
        error = (denoiser.decode(denoiser.encode(corrupted)) - clean).square().mean()
        assert error < 0.3 * (corrupted - clean).square().mean()
        assert error < (plain.decode(plain.encode(corrupted)) - clean).square().mean()


# Regression


def test_regression_from_random_codes_gives_the_mean_picture():
    """The arithmetic E|g - x|^2 = |g - mean|^2 + Var x, and the first part nearly gone."""
    model, images = train(Regression(SHAPE, latent_dim=4, hidden=(32,)), 1200), pictures(4096)
    drawn, mean = model.decode(model.latents(Noise(range(200)))), images.mean(0)
    variance = (images - mean).square().mean()
    apart = (drawn - mean).square().mean()
    assert apart < 0.02 * variance
    pairs = (drawn[:, None] - images[None, :500]).square().mean()
    around = (images[:500] - images[:500].mean(0)).square().mean() + (drawn[:, None] - images[:500].mean(0)).square().mean()
    torch.testing.assert_close(pairs, around, rtol=1e-4, atol=1e-5)


# The coefficient beta


def test_more_beta_means_less_kl_and_more_error():
    """On a small model, at the five coefficients of the scores."""
    model, images = train(BetaVAE(SHAPE, latent_dim=4, hidden=(64,)), 1000), pictures(1000, 1)
    terms = []
    for beta in BETAS:
        torch.manual_seed(0)
        log_likelihood, kl = model.elbo(images, torch.full((len(images),), beta))
        terms.append((-log_likelihood.mean().item(), kl.mean().item()))
    reconstruction, kl = zip(*terms, strict=True)
    assert list(reconstruction) == sorted(reconstruction) and list(kl) == sorted(kl, reverse=True), terms
    assert kl[0] > 3 * kl[-1]


def test_the_loss_is_the_reconstruction_summed_over_pixels_plus_beta_kl():
    torch.manual_seed(0)
    model, beta = BetaVAE(SHAPE, latent_dim=4, hidden=(16,)), torch.tensor([0.0, 1.0, 4.0, 10.0])
    images = (pictures(4) > 0) * 2.0 - 1  # bits, of which binarization draws the same again
    torch.manual_seed(1)
    [(_, terms)] = model.losses(Batch(images, conditions={"beta": beta}), Progress())
    torch.manual_seed(1)
    log_likelihood, kl = model.elbo(images, beta)
    total = sum(term for term in terms.values() if term.requires_grad)
    torch.testing.assert_close(total, (-log_likelihood + beta * kl).mean())
    assert not terms["kl"].requires_grad
    torch.testing.assert_close(log_likelihood.detach(), log_likelihood.detach().clamp_max(0))  # of bits: never above 0


@pytest.mark.parametrize("beta", [-0.5, 10.5, math.nan])
def test_a_beta_out_of_range_is_refused_with_the_value(beta):
    batch = Batch(pictures(2), conditions={"beta": torch.tensor([1.0, beta])})
    with pytest.raises(ValueError, match=rf"beta must lie between 0 and 10, not {beta:g}$"):
        list(BetaVAE(SHAPE, latent_dim=4, hidden=(16,)).losses(batch, Progress()))


def test_nats_are_those_of_beta_one():
    torch.manual_seed(0)
    model, images = BetaVAE(SHAPE, latent_dim=4, hidden=(16,)), pictures(6)
    torch.manual_seed(1)
    nats = model.nats(images)
    torch.manual_seed(1)
    log_likelihood, kl = model.elbo(images, torch.ones(6))
    torch.testing.assert_close(nats, kl - log_likelihood)


def test_a_plane_keeps_a_map_for_each_coefficient():
    torch.manual_seed(0)
    model = BetaVAE(SHAPE, latent_dim=2, hidden=(16,))
    for modulation in (*model.encoder.modulations, *model.decoder.modulations):  # at first the same for all beta
        torch.nn.init.normal_(modulation.network[-1].weight)
    images = pictures(30)
    model.finish([], Batch(images, torch.arange(30) % 10))
    for row, beta in zip(model.map_latents_of_betas, BETAS, strict=True):
        torch.testing.assert_close(row[:30], model.encode(images, beta=beta).detach())
    assert torch.equal(model.map_latents, model.map_latents_of_betas[BETAS.index(1.0)])
    assert not torch.equal(model.map_latents_of_betas[0], model.map_latents_of_betas[-1])


# Systems


def test_dense_and_denoising_have_the_code_size_of_the_convolutional_one():
    names = ("ae_mnist", "ae_dense_mnist", "ae_denoising_mnist")
    assert {systems()[name].build().latent_dim for name in names} == {16}
