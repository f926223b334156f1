"""Scores: each number on sets for which the truth is known."""

import math
from dataclasses import replace

import pytest
import torch

from genstudio import checkpoint
from genstudio.data import Pictures
from genstudio.models.vae import VAE
from genstudio.registry import find_system
from genstudio.scores import measure as scores
from genstudio.scores import pca
from genstudio.scores.codes import squared_error
from genstudio.scores.judges import network
from genstudio.scores.likelihood import bits_per_dimension, nats
from genstudio.scores.network import FeatureNetwork


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


# PCA and likelihood ---------------------------------------------------------------------------------------------


def low_rank(n: int = 300) -> torch.Tensor:
    """Pictures (n, 1, 6, 6) in [-1, 1] with a few strong directions, off centre."""
    values = normal(n, 36) * torch.linspace(1, 0.02, 36).square() @ torch.linalg.qr(normal(36, 36, 1))[0]
    return (values * 0.2 + 0.3).reshape(n, 1, 6, 6)


def pca_error(images: torch.Tensor, codes: int) -> float:
    return squared_error(images, pca.PCA.fit(images, codes)(images)).mean().item()


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
    of_bytes, of_floats = (pca.PCA.fit(x, 3).basis for x in (images, images.float() / 127.5 - 1))
    assert torch.allclose(of_bytes, of_floats)


def test_a_density_flat_over_all_grey_levels_costs_8_bits():
    model = VAE((1, 8, 8), latent_dim=4, widths=(8, 8))
    assert model.likelihood_of == "real" and model.bound
    found = torch.tensor([100 * math.log(2.0)])  # density 1/2 on each of 100 dimensions of [-1, 1]
    assert bits_per_dimension(model, found, 100).item() == pytest.approx(7.99, abs=0.01)  # 255 steps between 256 levels


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_negative_elbo_is_the_mean_of_single_draws(likelihood):
    torch.manual_seed(0)
    model = VAE((1, 8, 8), latent_dim=4, widths=(8, 8), likelihood=likelihood).eval().requires_grad_(False)
    images = torch.rand(7, 1, 8, 8) * 2 - 1
    many = nats(model, images, passes=100)
    single = nats(model, images, passes=1)
    spread = torch.stack([nats(model, images, passes=1) for _ in range(20)]).std(0)
    assert many.shape == (7,) and (spread > 0).all()
    assert ((many - single).abs() < 6 * spread).all()


# A whole checkpoint ---------------------------------------------------------------------------------------------


OVER = " over training pictures'"
CLASSES = tuple(str(d) for d in range(10))


def made_up(name: str, split: str, shape: tuple[int, int, int]) -> Pictures:
    """Thirty pictures of noise, others for each split."""
    draw = torch.Generator().manual_seed(int(split == "test"))
    images = torch.randint(0, 256, (30, *shape), dtype=torch.uint8, generator=draw)
    return Pictures(name, images, torch.arange(30) % 10, CLASSES)


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """Checkpoints of untrained systems for digits in a home of the test's own, and a handful of made-up digits."""
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    for name in ("vae_mnist", "classifier_mnist"):
        torch.manual_seed(0)
        header = checkpoint.Header(name, data="mnist", classes=list(CLASSES))
        checkpoint.save(tmp_path / "checkpoints" / f"{name}.safetensors", find_system(name).build(), header)
    monkeypatch.setattr(scores, "pictures", made_up)
    return tmp_path / "checkpoints"


def test_what_applies_is_measured(digits):
    of_vae = scores.score("vae_mnist", n=20)
    errors = {"squared error", "squared error of PCA (40 codes)", "squared error over PCA's"}
    assert errors | {"negative ELBO of binary pixels (nats)"} < set(of_vae)
    assert "bits per dimension of 256 levels" not in of_vae and "accuracy" not in of_vae  # bits are no grey levels
    judged = {name.removesuffix(" (classifier_mnist)") for name in of_vae if name.endswith("(classifier_mnist)")}
    distances = {f"{kind} distance{over}" for kind in ("Frechet", "kernel") for over in ("", OVER)}
    others = {f"{kind}{over}" for kind in ("precision", "recall") for over in ("", OVER)} | {scores.NEAREST}
    others |= {"inception score", "inception score over held-out pictures'"}
    sure = {"share of sure samples"} | {name for name in judged if name.endswith("among sure samples")}
    assert judged == {f"share of {d}" for d in CLASSES} | distances | others | sure
    shares = [of_vae[f"share of {d} (classifier_mnist)"]["value"] for d in CLASSES]
    assert sum(shares) == pytest.approx(1)
    assert all(s["low"] <= s["value"] <= s["high"] and s["n"] >= 20 for s in of_vae.values())
    assert list(scores.score("classifier_mnist")) == ["accuracy"]


def test_shares_among_sure_samples_leave_the_others_out():
    """Five of eight samples are sure, four of these of the first class."""
    given = torch.tensor([[9.0, 0], [9, 0], [9, 0], [9, 0], [0, 9], [1, 0], [0, 1], [0, 1]])
    judge = FeatureNetwork("judge", torch.device("cpu"), lambda x: x, lambda features: features, ("a", "b"))
    found = {name: number.value for name, number in scores.shares(given, given, judge)}
    assert found["share of sure samples (judge)"] == 5 / 8
    assert found["share of a (judge)"] == 5 / 8 and found["share of b (judge)"] == 3 / 8
    assert found["share of a among sure samples (judge)"] == 4 / 5
    assert found["share of b among sure samples (judge)"] == 1 / 5
    unsure = dict(scores.shares(given[5:], given[5:], judge))
    assert unsure["share of sure samples (judge)"].value == 0 and not [name for name in unsure if "among" in name]


def test_distances_are_left_out_where_their_classifier_is_not_there(digits, monkeypatch):
    """Copies can still be told from their pixels."""
    monkeypatch.setattr("genstudio.paths.SHIPPED", digits / "nothing is shipped")
    (digits / "classifier_mnist.safetensors").unlink()
    found = scores.score("vae_mnist", n=20)
    assert [name for name in found if name.endswith(")")][-1] == f"{scores.NEAREST} (pixels)"
    assert not [name for name in found if "classifier" in name or "distance" in name]


def test_the_network_asked_for_is_the_one_that_judges(digits, tmp_path):
    """And stands in the name of what it judged; one that reads other pictures is refused."""
    torch.manual_seed(1)
    other = tmp_path / "other.safetensors"
    header = checkpoint.Header("classifier_mnist", data="mnist", classes=list(CLASSES))
    checkpoint.save(other, find_system("classifier_mnist").build(), header)
    name = f"Frechet distance (other {checkpoint.digest(other)[:6]})"
    found = dict(scores.measure("vae_mnist", 20, features=str(other)))
    own = dict(scores.measure("vae_mnist", 20))
    assert found[name].value != own["Frechet distance (classifier_mnist)"].value
    assert not [name for name in found if "classifier_mnist" in name]
    faces = tmp_path / "faces.safetensors"
    checkpoint.save(faces, find_system("classifier_avatars").build(), checkpoint.Header("classifier_avatars"))
    with pytest.raises(ValueError, match=r"reads pictures of \(3, 64, 64\), and these are \(1, 28, 28\)"):
        dict(scores.measure("vae_mnist", 20, features=str(faces)))


def test_the_accuracy_of_a_trait_is_that_of_its_sign(tmp_path, monkeypatch):
    """An untrained head with a bias says yes to all; three held-out faces in four have glasses."""

    def faces(name, split, shape):
        return replace(made_up(name, split, shape), labels=torch.arange(30) % 8, classes=CLASSES[:8],
                       conditions={"glasses": torch.arange(30) % 4 != 0})  # fmt: skip

    monkeypatch.setattr(scores, "pictures", faces)
    model = find_system("classifier_avatars").build()
    with torch.no_grad():
        model.attribute_head.weight.zero_()
        model.attribute_head.bias.fill_(1.0)
    path = tmp_path / "classifier_avatars.safetensors"
    checkpoint.save(path, model, checkpoint.Header("classifier_avatars", data="avatars", classes=list(CLASSES[:8])))
    found = scores.score(str(path))
    assert found["accuracy of glasses"]["value"] == pytest.approx(22 / 30, abs=1e-5)
    assert list(found) == ["accuracy", "accuracy of glasses"] and found["accuracy of glasses"]["n"] == 30


def test_the_accuracy_is_by_the_names_of_classes(digits, monkeypatch):
    """One that was fine-tuned may hold its classes in another order: here backwards, and it says "7" of everything."""
    labels = torch.tensor(12 * [7] + 2 * [2] + 16 * [0])
    monkeypatch.setattr(scores, "pictures", lambda *asked: replace(made_up(*asked), labels=labels))
    path, model = digits / "classifier_mnist.safetensors", find_system("classifier_mnist").build()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()[2] = 1.0
    for held, share in ((CLASSES[::-1], 12 / 30), (CLASSES, 2 / 30)):
        checkpoint.save(path, model, checkpoint.Header("classifier_mnist", data="mnist", classes=list(held)))
        assert scores.score(str(path))["accuracy"]["value"] == pytest.approx(share, abs=1e-5)
    checkpoint.save(path, model, checkpoint.Header("classifier_mnist", data="mnist", classes=[*CLASSES[:9], "ten"]))
    with pytest.raises(ValueError, match="not those of mnist"):
        scores.score(str(path))


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


# Copies, and what is said of them -------------------------------------------------------------------------------


@pytest.mark.parametrize("judged", [True, False], ids=["in features", "in pixels"])
def test_copies_of_training_pictures_are_told_and_held_out_pictures_are_not(digits, judged):
    """The model is put aside: what stands for its samples are training pictures, one grey level off, or fresh ones."""
    training, held_out = (made_up("mnist", split, (1, 28, 28)).images for split in ("train", "test"))
    judge = network("classifier_mnist") if judged else None
    fresh = torch.rand(30, 1, 28, 28, generator=torch.Generator().manual_seed(9)) * 2 - 1
    for samples, expected in ((training / 127.5 - 1 + 1 / 127.5, 1), (fresh, 0)):
        found = dict(scores.sample_scores(samples.clamp(-1, 1), judge, training, held_out))
        told = [note for note in scores.notes(found) if "by heart" in note.en]
        assert len(told) == expected, found
        assert all("par cœur" in note.fr for note in told)


def test_a_frechet_distance_over_few_pictures_is_called_too_large():
    for n, expected in ((2047, 1), (2048, 0)):
        found = {"Frechet distance (classifier_mnist)": scores.Score(1.0, 0.9, 1.1, n)}
        told = scores.notes(found)
        assert len(told) == expected
        assert all(str(n) in note.en and str(n) in note.fr for note in told)


def test_the_nearest_training_picture_of_a_training_picture_is_itself(digits):
    training = made_up("mnist", "train", (1, 28, 28)).images
    asked = training[[4, 17]]
    for images in (asked, asked / 127.5 - 1):
        found = scores.nearest_training(images, "mnist", k=3)
        assert found.judge == "classifier_mnist" and found.pictures.shape == (2, 3, 1, 28, 28)
        assert found.indices[:, 0].tolist() == [4, 17] and found.distances[:, 0].max() < 1e-4
        assert (found.distances.diff() >= 0).all() and torch.equal(found.pictures[:, 0], asked)
