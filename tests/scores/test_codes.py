"""Scores of codes: the linear probe, and those of single auto-encoders, on made-up pictures."""

from __future__ import annotations

import pytest
import torch

from genstudio.data import Pictures
from genstudio.models.autoencoder import AutoEncoder, DenoisingAutoEncoder, Regression
from genstudio.models.sparse import KLSparseAutoEncoder, KSparseAutoEncoder, LinearAutoEncoder
from genstudio.models.vae import BETAS, BetaVAE
from genstudio.scores.codes import best_probe, fit_probe, of_codes
from genstudio.scores.words import score_title

SHAPE = (1, 8, 8)
CLASSES = ("a", "b", "c")
CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("one_thread")


def made_up(split: str, count: int = 90) -> Pictures:
    """Noise that is brighter in a place of its own in each class."""
    draw = torch.Generator().manual_seed(len(split))
    labels = torch.arange(count) % len(CLASSES)
    images = torch.randint(0, 120, (count, *SHAPE), generator=draw)
    for row, label in enumerate(labels):
        images[row, 0, 2 * label] += 130
    return Pictures(split, images.byte(), labels, CLASSES)


def found(model) -> dict:
    torch.manual_seed(0)
    with torch.no_grad():
        return dict(of_codes(model.eval(), made_up("train"), made_up("test"), 16, CPU))


def test_a_probe_reads_what_is_linear_in_a_code_and_nothing_in_noise():
    draw = torch.Generator().manual_seed(0)
    codes, labels = torch.randn(600, 5, generator=draw), torch.arange(600) % 3
    chance = best_probe(codes[:300], labels[:300])(codes[300:]).argmax(1) != labels[300:]
    assert chance.float().mean() > 0.5
    codes[:, 3] += 8 * (labels - 1)
    error = best_probe(codes[:300], labels[:300])(codes[300:]).argmax(1) != labels[300:]
    assert error.float().mean() < 0.02


def test_the_fit_is_the_minimum_of_its_loss():
    draw = torch.Generator().manual_seed(0)
    codes, labels = torch.randn(200, 4, generator=draw), torch.randint(0, 3, (200,), generator=draw)
    probe = fit_probe(codes, labels, 1e-3)

    def loss(weights: torch.Tensor) -> torch.Tensor:
        logits = ((codes - probe.mean) / probe.scale) @ weights[:-1] + weights[-1]
        return torch.nn.functional.cross_entropy(logits, labels) + 1e-3 * weights[:-1].square().sum()

    assert torch.autograd.functional.jacobian(loss, probe.weights).abs().max() < 1e-3
    assert loss(probe.weights) < loss(torch.zeros_like(probe.weights))


def test_every_code_has_its_error_beside_that_of_pca_of_as_many_numbers():
    plain = found(AutoEncoder(SHAPE, latent_dim=4, hidden=(16,)))
    assert list(plain) == ["squared error", "squared error of PCA (4 codes)", "squared error over PCA's", "linear probe error"]
    assert "squared error of PCA (5 codes)" in found(KSparseAutoEncoder(SHAPE, units=100, active=5)), "the active ones"
    assert "squared error of PCA (2 codes)" in found(KLSparseAutoEncoder(SHAPE, units=40)), "rho of them"
    wide = found(LinearAutoEncoder(SHAPE, units=70))
    assert "squared error over PCA's" not in wide, "PCA of more numbers than pixels loses nothing"


def test_pictures_without_labels_have_no_probe():
    model, bare = AutoEncoder(SHAPE, latent_dim=4, hidden=(16,)), Pictures("x", made_up("train").images, None, ())
    with torch.no_grad():
        assert "linear probe error" not in dict(of_codes(model, bare, bare, 8, CPU))


def test_sparse_codes_say_how_active_they_are():
    sparse = found(KSparseAutoEncoder(SHAPE, units=100, active=5))
    assert sparse["active units of the code"].value == 15  # of a classifier's code
    assert 0.15 <= sparse["units active for some picture"].value <= 1
    torch.manual_seed(0)
    model = KLSparseAutoEncoder(SHAPE, units=40)
    with torch.no_grad():
        model.encoder.weight.zero_()
        model.encoder.bias.fill_(-2.0)
    assert found(model)["mean activation"].value == pytest.approx(torch.sigmoid(torch.tensor(-2.0)).item(), abs=1e-5)


def test_a_denoising_one_that_changes_nothing_gains_nothing():
    model = DenoisingAutoEncoder(SHAPE, latent_dim=4, hidden=(16,))
    model.encode, model.decode = (lambda images: images), (lambda images: images)
    model.latent_dim = 64
    gains = {name: score.value for name, score in found(model).items() if "gain" in name}
    assert gains == {"PSNR gain on masking 25% (dB)": 0.0, "PSNR gain on Gaussian noise 30% (dB)": 0.0}
    blank = DenoisingAutoEncoder(SHAPE, latent_dim=4, hidden=(16,))
    blank.decode = lambda codes: torch.zeros(len(codes), *SHAPE)
    other = found(blank)
    assert other["PSNR of masking 25% (dB)"].value != other["PSNR of Gaussian noise 30% (dB)"].value


def test_an_identity_has_no_error_on_inputs_that_pca_loses():
    torch.manual_seed(0)
    model = LinearAutoEncoder(SHAPE, units=70)
    with torch.no_grad():
        model.weight.copy_(torch.linalg.qr(torch.randn(70, 64))[0])
    scores = found(model)
    for name in ("noise", "inverted pictures"):
        assert scores[f"squared error on {name}"].value < 1e-6
        assert scores[f"squared error of PCA on {name} (16 codes)"].value > 1e-3


def test_the_parts_of_a_regressions_error_add_up():
    """E|g - x|^2 = E|g - m|^2 + E|x - m|^2 - 2 E(g - m)(x - m), whose last part is small for independent pictures."""
    scores = {name: score.value for name, score in found(Regression(SHAPE, latent_dim=4, hidden=(16,))).items()}
    parts = scores["squared distance of samples to the mean picture"] + scores["variance around the mean picture"]
    assert scores["squared error of samples"] == pytest.approx(parts, rel=0.05)
    assert scores["squared distance of samples to the mean picture"] > 0.01


def test_five_coefficients_are_scored_with_one_noise():
    scores = found(BetaVAE(SHAPE, latent_dim=2, hidden=(16,)))
    kl = [scores[f"KL at beta {beta:g} (nats)"].value for beta in BETAS]
    assert len(kl) == 5 and len(set(kl)) == 1, "untrained, its networks do not depend on beta, nor may its noise"
    assert len({scores[f"reconstruction at beta {beta:g} (nats)"].value for beta in BETAS}) == 1


def test_every_score_of_a_code_has_a_french_name():
    models = (
        KSparseAutoEncoder(SHAPE, units=100, active=5),
        KLSparseAutoEncoder(SHAPE, units=40),
        LinearAutoEncoder(SHAPE, units=70),
        DenoisingAutoEncoder(SHAPE, latent_dim=4, hidden=(16,)),
        Regression(SHAPE, latent_dim=4, hidden=(16,)),
        BetaVAE(SHAPE, latent_dim=2, hidden=(16,)),
    )
    for model in models:
        for name in found(model):
            same = name.startswith(("reconstruction", "KL"))
            assert same or score_title(name, "fr") != name, name
