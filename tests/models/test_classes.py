"""Classes: the conditional GAN's laws, labels for each picture, the board, labelled sets, what is measured, what helps."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from genstudio import checkpoint
from genstudio.cli.parser import main
from genstudio.controls import ANY, NONE, check_controls
from genstudio.data import load
from genstudio.images import open_picture, read_recipe
from genstudio.model import Batch, Noise, Progress, drop_labels, labels_for
from genstudio.models.classifier import mixup
from genstudio.models.gan import CGAN, Concatenated, Projection
from genstudio.recipes import recipe, replay
from genstudio.registry import find_system
from genstudio.scores import augmentation, conditional
from genstudio.scores.augmentation import Labelled
from genstudio.tasks import compare_models, labelled_dataset

NAMES = [str(digit) for digit in range(10)]


def game(critic: str = "concatenated") -> CGAN:
    torch.manual_seed(0)
    model = CGAN((1, 16, 16), classes=3, latent_dim=6, embedding=4, widths=(8, 8), critic=critic)
    model.class_names = ["ant", "bee", "cat"]
    return model


@pytest.fixture(scope="module")
def name(tmp_path_factory) -> str:
    """An untrained conditional GAN of digits, whose classes can be told apart."""
    torch.manual_seed(0)
    model = find_system("cgan_mnist").build()
    nn.init.normal_(model.generator["class_embedding"].weight, 0, 3)
    path = tmp_path_factory.mktemp("classes") / "cgan_mnist.safetensors"
    checkpoint.save(path, model, checkpoint.Header("cgan_mnist", data="mnist", classes=NAMES))
    return str(path)


def last(frames):
    *_, images = frames
    return images


# The conditional GAN


def test_a_seed_has_one_code_in_every_class_and_truncation_leaves_the_class_alone():
    model = game().eval()
    codes = model.latents(Noise([1, 2, 3]))
    [frame] = model.sample(Noise([1, 2, 3]), label=ANY)
    torch.testing.assert_close(model.decode(codes), frame.images)
    noise = Noise([1, 2, 3])
    torch.testing.assert_close(codes[:, :6], noise.normal(6))
    torch.testing.assert_close(codes[:, 6:], model.generator["class_embedding"](labels_for(model, noise, ANY)))
    at_zero = [next(model.sample(Noise([seed]), label="bee", truncation=0.0)).images for seed in (1, 2)]
    torch.testing.assert_close(*at_zero)
    assert not torch.allclose(at_zero[0], next(model.sample(Noise([1]), label="cat", truncation=0.0)).images)


def test_between_two_classes_lie_both_ends():
    model = game().eval()

    def drawn(**asked) -> torch.Tensor:
        return next(model.sample(Noise([5]), **asked)).images

    torch.testing.assert_close(drawn(label="ant", towards="cat", blend=1.0), drawn(label="cat"))
    torch.testing.assert_close(drawn(label="ant", towards="cat", blend=0.0), drawn(label="ant"))
    assert not torch.allclose(drawn(label="ant", towards="cat", blend=0.5), drawn(label="ant"))


def test_the_projection_critic_is_its_formula():
    """psi(phi(x)) + v_y . phi(x), Miyato and Koyama 2018, equation 3, with the sum over places for phi."""
    torch.manual_seed(0)
    critic = Projection((1, 16, 16), 3, (8, 8)).eval()
    images, kinds = torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 2, 3])
    seen = critic.body(images).sum((2, 3))
    expected = [critic.head.weight[0] @ s + critic.head.bias[0] + critic.class_embedding.weight[k] @ s for s, k in zip(seen, kinds, strict=True)]
    torch.testing.assert_close(critic(images, kinds)[:, 0], torch.stack(expected))


def test_the_concatenated_critic_sees_the_class_as_a_channel():
    torch.manual_seed(0)
    critic = Concatenated((1, 16, 16), 3, (8, 8)).eval()
    images = torch.randn(2, 1, 16, 16)
    channel = critic.class_embedding.weight[[1, 2]].view(2, 1, 16, 16)
    torch.testing.assert_close(critic(images, torch.tensor([1, 2])), critic.layers(torch.cat([images, channel], 1)))


@pytest.mark.parametrize("critic", ["concatenated", "projection"])
def test_both_players_learn_and_both_are_told_the_class(critic):
    model, batch = game(critic).train(), Batch(torch.rand(8, 1, 16, 16) * 2 - 1, torch.arange(8) % 3)
    for player, terms in model.losses(batch, Progress()):
        sum(term for term in terms.values() if term.requires_grad).backward(inputs=list(model.players()[player].parameters()))
        embedding = model.critic.class_embedding if player == "critic" else model.generator["class_embedding"]
        assert embedding.weight.grad.abs().sum() > 0


def test_here_and_there_no_class_is_told_and_of_pictures_without_labels_never():
    model = game()
    batch = Batch(torch.zeros(4000, 1, 16, 16), torch.arange(4000) % 3)
    kinds = drop_labels(model, batch)
    assert 0.07 < (kinds == 3).float().mean() < 0.13
    assert (kinds[kinds < 3] == batch.labels[kinds < 3]).all()
    assert (drop_labels(model, Batch(batch.images)) == 3).all()


# Labels


@pytest.mark.parametrize("said, meant", [("bee", "bee"), ("1", "bee"), (1, "bee"), (ANY, ANY), (NONE, NONE)])
def test_a_class_is_asked_for_by_name_or_number(said, meant):
    assert check_controls(CGAN.sample, {"label": said}, ["ant", "bee", "cat"])["label"] == meant


@pytest.mark.parametrize("wrong", ["dog", "3", 3, -1, 1.5, None, "", "1" * 5000])
def test_a_class_that_is_not_there_is_refused_in_a_sentence(wrong):
    with pytest.raises(ValueError, match="label must be one of any, none, ant, bee, cat") as error:
        check_controls(CGAN.sample, {"label": wrong}, ["ant", "bee", "cat"])
    assert len(str(error.value)) < 200


def test_of_a_thousand_classes_a_few_are_named():
    with pytest.raises(ValueError, match="1002 in all") as error:
        check_controls(CGAN.sample, {"label": "x"}, [f"class {i}" for i in range(1000)])
    assert len(str(error.value)) < 500


def test_digits_are_meant_by_their_name_before_their_number():
    assert check_controls(CGAN.sample, {"label": "3"}, ["9", "3", "0", "1"])["label"] == "3"


def test_each_picture_may_have_a_class_of_its_own(exact, name):
    labels = ["3", 7, "3", NONE]
    together = last(exact.sample(name, [1, 1, 2, 2], labels))
    for i, (seed, label) in enumerate(zip([1, 1, 2, 2], labels, strict=True)):
        np.testing.assert_array_equal(together[i], last(exact.sample(name, [seed], label=label))[0])


@pytest.mark.parametrize("labels, why", [(["3"], "1 labels for 2 seeds"), (["3", "x"], "label must be one of"), (["3", ANY], "a class of its own")])
def test_labels_that_do_not_fit_are_refused(exact, name, labels, why):
    with pytest.raises(ValueError, match=why):
        exact.sample(name, [1, 2], labels)


def test_what_draws_no_classes_says_so(exact):
    with pytest.raises(ValueError, match="draws no classes"):
        exact.sample("dcgan_avatars", [1], ["x"])


def test_the_command_line_asks_by_number(capsys, tmp_path, name, exact):
    assert main(["sample", name, "--seeds", "4", "--label", "7", "--exact", "--out", str(tmp_path)]) == 0
    assert main(["sample", name, "--seeds", "4", "--label", "17", "--out", str(tmp_path)]) == 2
    assert "label must be one of" in capsys.readouterr().err


# The board


def test_the_board_tells_what_is_drawn_how_large_it_is_and_what_is_seen(fast, name):
    [answer] = compare_models.ask(fast, [name], "7", 3)
    np.testing.assert_array_equal(answer.picture, last(fast.sample(name, [3], label="7"))[0])
    model = fast.hold(name).model
    assert answer.parameters == sum(p.numel() for p in model.generator.parameters()) and answer.seconds > 0
    label, sure = answer.prediction
    assert label in NAMES and 0.1 <= sure <= 1 and answer.judge == "judge_mnist"
    try:
        training = load("mnist")
    except ValueError:
        assert answer.original is None and answer.apart is None
        return
    far = ((training.images.float() - torch.from_numpy(answer.picture).permute(2, 0, 1)) / 127.5).square().mean((1, 2, 3)).sqrt()
    assert answer.apart == pytest.approx(far.min().item(), rel=1e-3)
    np.testing.assert_array_equal(answer.original[..., 0], training.images[far.argmin(), 0].numpy())


def test_models_that_have_not_learned_the_class_are_not_asked(fast, name):
    assert list(compare_models.ask(fast, [name], "goat", 3)) == []


# Labelled sets


def test_a_set_is_a_zip_that_training_reads(exact, name, tmp_path):
    target = tmp_path / "set.zip"
    parts = list(labelled_dataset.export(exact, name, ["3", 7], 40, target, seed=5, truncation=0.5))
    assert [part.done for part in parts] == [64, 80] and parts[-1].of == 80
    found = load(str(target), "train", (1, 28, 28))
    assert found.classes == ("3", "7") and not found.refused and len(found) == 72
    with zipfile.ZipFile(target) as archive:
        rows = [json.loads(line) for line in archive.read("metadata.jsonl").splitlines()]
        origin = json.loads(archive.read("made_by.json"))
        body = archive.read(rows[50]["file_name"])
    assert len({row["seed"] for row in rows}) == 80, "a seed is used once"
    assert origin["weights"] == exact.hold(name).digest and origin["learned from"] == "mnist"
    made = recipe.check(read_recipe(open_picture(body)))
    assert made["seed"] == rows[50]["seed"] and made["controls"]["label"] == rows[50]["label"] == "7"
    np.testing.assert_array_equal(np.asarray(open_picture(body)), replay.image(made, exact)[..., 0])


@pytest.mark.parametrize("labels, each, why", [(["3"], 30_000, "at most 20000"), ([], 5, "at least one class"), (["3"], 0, "at least one"), (["x"], 2, "label must be")])
def test_a_set_that_cannot_be_made_is_refused_before_anything_is_written(exact, name, tmp_path, labels, each, why):
    with pytest.raises(ValueError, match=why):
        list(labelled_dataset.export(exact, name, labels, each, tmp_path / "set.zip"))
    assert not list(tmp_path.iterdir())


def test_the_command_line_writes_a_set(capsys, tmp_path, name):
    target = tmp_path / "sets" / "set.zip"
    assert main(["dataset", name, "--labels", "3,7", "--each", "4", "--seed", "9", "--truncation", "0.5", "--out", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(target), "classes": {"3": 4, "7": 4}}
    with zipfile.ZipFile(target) as archive:
        assert {f"3/{seed:06d}.png" for seed in range(9, 13)} < set(archive.namelist())
        assert json.loads(archive.read("made_by.json"))["controls"]["truncation"] == 0.5
    assert main(["dataset", name, "--labels", "3,x", "--out", str(target)]) == 2
    assert main(["dataset", name, "--out", str(tmp_path / "set.tar")]) == 2


# What is measured


def test_variety_is_1_for_the_data_itself_and_0_for_one_picture():
    torch.manual_seed(0)
    real, labels = torch.randn(60, 1, 8, 8), torch.arange(60) % 3
    assert conditional.intra_class_diversity(real, labels, real, labels).value == pytest.approx(1, abs=1e-5)
    same = torch.zeros(60, 1, 8, 8)
    assert conditional.intra_class_diversity(same, labels, real, labels).value == pytest.approx(0, abs=1e-5)
    assert conditional.intra_class_diversity(real / 2, labels, real, labels).value == pytest.approx(0.5, abs=1e-4)


def test_blended_pictures_are_wanted_as_blended_classes():
    images, wanted = torch.eye(3)[:, None, None, :].expand(3, 1, 3, 3).clone(), torch.eye(3)
    torch.manual_seed(0)
    mixed, now = mixup(images, wanted)
    torch.testing.assert_close(mixed[:, 0, 0], now)
    torch.testing.assert_close(now.sum(1), torch.ones(3))
    assert ((now > 0.01).sum(1) == 2).any()


def test_the_judge_is_sure_of_few_halves_of_two_digits(fast):
    """So that "obeyed" means a digit, and not something in between."""
    try:
        test = load("mnist", "test")
    except ValueError as error:
        pytest.skip(str(error))
    images, labels = test.images[:600].float(), test.labels[:600]
    unlike = labels != labels.roll(1)
    halves = ((images + images.roll(1, 0)) / 2)[unlike].round().byte().permute(0, 2, 3, 1).numpy()
    probabilities, _ = fast.classify("judge_mnist", halves)
    assert (probabilities.max(1) > 0.9).mean() <= 0.1


# Whether drawn pictures help


def shapes(count: int, seed: int, nonsense: bool = False) -> Labelled:
    """Class 0 is bright on the left, class 1 on the right."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=random)
    images = torch.randint(0, 120, (count, 1, 16, 16), generator=random).byte()
    for image, label in zip(images, labels, strict=True):
        image[0, :, 8 * label : 8 * label + 8] += 90
    return Labelled(images, torch.randint(2, (count,), generator=random) if nonsense else labels)


def test_a_classifier_learns_from_what_is_true_and_not_from_nonsense():
    *looks, found = augmentation.study(shapes(200, 0), shapes(200, 1, nonsense=True), shapes(300, 2), 2, steps=30)
    assert set(found.accuracies) == {"real", "generated", "both"}
    assert found.accuracies["real"].value > 0.95 and found.accuracies["generated"].high < 0.9
    assert [look.kind for look in looks][:30] == ["real"] * 30 and not looks[0].accuracies


def test_the_board_downloads_nothing(fast, name, monkeypatch, tmp_path):
    """A visitor's click must not ask the network for a set that is not here."""
    monkeypatch.setenv("GENSTUDIO_DATA", str(tmp_path))
    monkeypatch.setattr("torchvision.datasets.MNIST", lambda *_, **__: pytest.fail("MNIST was asked for"))
    [answer] = compare_models.ask(fast, [name], "7", 3)
    assert answer.original is None and answer.apart is None
    with pytest.raises(ValueError, match="not on this machine"):
        list(labelled_dataset.helps(fast, name, 10))
