"""Scores: each number on sets for which the truth is known."""

import math

import pytest
import torch

from genstudio import checkpoint, scores
from genstudio.data import Pictures
from genstudio.models.vae import VAE
from genstudio.registry import find


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


# Intervals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.02, 0.5, 0.994])
def test_wilsons_interval_contains_the_truth_about_95_times_in_100(p):
    """By its nature it does so 90 to 98 times for these p and n; an interval of one standard error would, 68 times."""
    draws = torch.rand(1000, 200, generator=torch.Generator().manual_seed(1)) < p
    found = [scores.share(row) for row in draws]
    assert 880 <= sum(s.low <= p <= s.high for s in found) <= 990


def test_wilsons_interval_of_no_error_at_all_is_no_point():
    score = scores.share(torch.ones(100, dtype=torch.bool))
    assert score.value == 1 and score.high == 1
    assert score.low == pytest.approx(1 / (1 + scores.Z95**2 / 100))


def test_the_interval_of_a_ratio_contains_the_truth_about_95_times_in_100():
    hits = 0
    for seed in range(300):
        noise = normal(200, 2, seed)
        b = 2 + 0.3 * noise[:, 0]
        score = scores.ratio(0.5 * b + 0.1 * noise[:, 1], b)
        hits += score.low <= 0.5 <= score.high
    assert 270 <= hits <= 297


def test_the_bootstrap_of_a_mean_is_as_wide_as_its_standard_error():
    values = normal(500, 1)
    by_error = scores.average(values[:, 0])
    by_bootstrap = scores.bootstrap(lambda rows: rows.mean().item(), values, draws=200)
    assert by_bootstrap.value == pytest.approx(by_error.value, abs=1e-6)
    assert by_bootstrap.high - by_bootstrap.low == pytest.approx(by_error.high - by_error.low, rel=0.2)


# Distances between sets -----------------------------------------------------------------------------------------


def test_the_frechet_distance_of_a_set_from_itself_is_0():
    x = normal(300, 16)
    assert scores.frechet(x, x.clone()) == pytest.approx(0, abs=1e-8)


def test_the_frechet_distance_of_a_shifted_set_is_the_square_of_the_shift():
    x = normal(300, 16)
    assert scores.frechet(x, x + 0.5) == pytest.approx(16 * 0.25, rel=1e-6)


def test_the_frechet_distance_of_two_gaussians_is_the_closed_form():
    """Covariances that do not commute, so that a product of roots in place of the root of the product would show."""
    x = normal(400, 3).double()
    x = (x - x.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T  # covariance exactly 1
    a = torch.tensor([[2.0, 0, 0], [1, 1, 0], [0, 0, 1]]).double()
    b = torch.tensor([[1.0, 0, 0], [0, 1, 0], [3, 0, 0.5]]).double()
    product = (a @ a.T) @ (b @ b.T)
    root = torch.linalg.eigvals(product).real.sqrt().sum()
    expected = 3 * 4 + (a @ a.T).trace() + (b @ b.T).trace() - 2 * root
    assert scores.frechet(x @ a.T, x @ b.T + 2) == pytest.approx(expected.item(), rel=1e-6)


def test_precision_and_recall_of_a_set_with_itself_are_1():
    x = normal(200, 8)
    assert scores.precision(x, x.clone()).value == 1
    assert scores.recall(x, x.clone()).value == 1


def test_precision_and_recall_of_sets_far_apart_are_0():
    x = normal(200, 8)
    assert scores.precision(x, x + 100).value == 0
    assert scores.recall(x, x + 100).value == 0


def test_a_generator_that_collapsed_keeps_precision_and_loses_recall():
    """Half of the real pictures are of a kind that is never generated; were the two mixed up, this would turn round."""
    real = torch.cat([normal(200, 4), normal(200, 4, seed=1) + 100])
    fake = normal(400, 4, seed=2)
    assert scores.precision(real, fake).value > 0.8
    assert 0.3 < scores.recall(real, fake).value <= 0.5


def test_a_ball_reaches_to_the_third_neighbour_not_counting_its_centre():
    line = torch.tensor([[0.0], [1], [2], [3], [4]])  # the ball around 0 and the one around 4 have radius 3
    inside = torch.tensor([[-3.0], [-3.001], [7], [7.001]])
    assert scores.covered(inside, by=line).tolist() == [True, False, True, False]


def test_class_shares_sum_to_1():
    shares = scores.class_shares(torch.tensor([0, 0, 1, 2]), ["a", "b", "c", "d"])
    assert {k: s.value for k, s in shares.items()} == {"a": 0.5, "b": 0.25, "c": 0.25, "d": 0}


# PCA and likelihood ---------------------------------------------------------------------------------------------


def low_rank(n: int = 300) -> torch.Tensor:
    """Pictures (n, 1, 6, 6) in [-1, 1] with a few strong directions, off centre."""
    values = normal(n, 36) * torch.linspace(1, 0.02, 36).square() @ torch.linalg.qr(normal(36, 36, 1))[0]
    return (values * 0.2 + 0.3).reshape(n, 1, 6, 6)


def pca_error(images: torch.Tensor, codes: int) -> float:
    return scores.squared_error(images, scores.PCA.fit(images, codes)(images)).mean().item()


@pytest.mark.parametrize("codes", [1, 4, 12])
def test_the_error_of_pca_is_the_variance_outside_its_plane(codes):
    images = low_rank()
    x = images.flatten(1).double()
    spectrum = torch.linalg.eigvalsh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x)).flip(0)
    assert pca_error(images, codes) == pytest.approx((spectrum[codes:].sum() / 36).item(), rel=5e-3)


def test_the_error_of_pca_falls_with_its_size_to_0():
    errors = [pca_error(low_rank(), codes) for codes in (1, 2, 4, 8, 16, 36)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-10


def test_pca_reads_bytes_as_the_same_pictures():
    images = torch.randint(0, 256, (60, 1, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    of_bytes, of_floats = (scores.PCA.fit(x, 3).basis for x in (images, images.float() / 127.5 - 1))
    assert torch.allclose(of_bytes, of_floats)


def test_a_density_flat_over_all_grey_levels_costs_8_bits():
    nats = torch.tensor([100 * math.log(2.0)])  # density 1/2 on each of 100 dimensions of [-1, 1]
    assert scores.bits_per_dimension(nats, 100).item() == pytest.approx(7.99, abs=0.01)  # 255 steps between 256 levels


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_negative_elbo_is_the_mean_of_single_draws(likelihood):
    torch.manual_seed(0)
    model = VAE((1, 8, 8), codes=4, widths=(8, 8), likelihood=likelihood).eval().requires_grad_(False)
    images = torch.rand(7, 1, 8, 8) * 2 - 1
    many = scores.negative_elbo(model, images, passes=100)
    single = scores.negative_elbo(model, images, passes=1)
    spread = torch.stack([scores.negative_elbo(model, images, passes=1) for _ in range(20)]).std(0)
    assert many.shape == (7,) and (spread > 0).all()
    assert ((many - single).abs() < 6 * spread).all()


# A whole checkpoint ---------------------------------------------------------------------------------------------


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """Checkpoints of untrained systems for digits in a home of the test's own, and a handful of made-up digits."""
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    classes = tuple(str(d) for d in range(10))
    for name in ("vae_mnist", "classifier_mnist"):
        torch.manual_seed(0)
        header = checkpoint.Header(name, data="mnist", classes=list(classes))
        checkpoint.save(tmp_path / "checkpoints" / f"{name}.safetensors", find(name).build(), header)

    def load(name, split, shape):
        draw = torch.Generator().manual_seed(int(split == "test"))
        images = torch.randint(0, 256, (30, *shape), dtype=torch.uint8, generator=draw)
        return Pictures(name, images, torch.arange(30) % 10, classes)

    monkeypatch.setattr(scores, "load", load)
    return tmp_path / "checkpoints"


def test_what_applies_is_measured(digits):
    of_vae = scores.score("vae_mnist", n=20)
    errors = {"squared error", "squared error of PCA (40 codes)", "squared error over PCA's"}
    assert errors | {"negative ELBO (nats)"} < set(of_vae)
    assert "bits per dimension" not in of_vae and "accuracy" not in of_vae  # bits are no grey levels
    judged = {name for name in of_vae if name.endswith("(classifier_mnist)")}
    assert len(judged) == 4 + 10
    assert sum(of_vae[name]["value"] for name in judged if name.startswith("share")) == pytest.approx(1)
    assert all(s["low"] <= s["value"] <= s["high"] and s["n"] >= 20 for s in of_vae.values())
    assert list(scores.score("classifier_mnist")) == ["accuracy"]


def test_distances_are_left_out_where_their_classifier_is_not_there(digits, monkeypatch):
    monkeypatch.setattr("genstudio.paths.SHIPPED", digits / "nothing is shipped")
    (digits / "classifier_mnist.safetensors").unlink()
    assert not [name for name in scores.score("vae_mnist", n=20) if "classifier" in name]


def test_scores_neither_depend_on_others_random_numbers_nor_disturb_them(digits):
    torch.manual_seed(5)
    expected = torch.rand(3)
    first = scores.score("vae_mnist", n=20)
    torch.manual_seed(5)
    again = scores.score("vae_mnist", n=20)
    assert torch.equal(torch.rand(3), expected)
    assert first == again


def test_a_checkpoint_that_learned_from_an_unknown_folder_asks_where_it_is(digits):
    path = digits / "vae_mnist.safetensors"
    header = checkpoint.describe(path)
    header.data = "my-shoes"
    checkpoint.rewrite_header(path, header)
    with pytest.raises(ValueError, match="my-shoes"):
        scores.score("vae_mnist", n=20)


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="at least 8 samples, not 1"):
        scores.score("vae_mnist", n=1)


def test_a_header_is_rewritten_and_the_weights_stay(digits):
    path = digits / "vae_mnist.safetensors"
    before, digest = checkpoint.read_tensors(path), checkpoint.digest(path)
    header = checkpoint.describe(path)
    header.scores = {"accuracy": scores.Score(0.5, 0.4, 0.6, 100).as_dict()}
    checkpoint.rewrite_header(path, header)
    assert checkpoint.describe(path).scores == header.scores
    assert checkpoint.digest(path) == digest, "pictures made before would be told that the weights have changed"
    after = checkpoint.read_tensors(path)
    assert all(torch.equal(after[k], before[k]) and after[k].dtype == before[k].dtype for k in before)
