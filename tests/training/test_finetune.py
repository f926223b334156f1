"""Going on from learned weights: what is frozen stays, a fresh critic learns alone, and classes find their place."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from genstudio import checkpoint
from genstudio.cli.parser import build_parser
from genstudio.cli.training import parts
from genstudio.controls import ANY, Text
from genstudio.data import Pictures
from genstudio.data.pictures import relabel
from genstudio.model import Batch, Noise, Progress
from genstudio.models.classifier import Classifier
from genstudio.models.cyclegan import CycleGAN
from genstudio.models.diffusion import Diffusion
from genstudio.models.gan import DCGAN
from genstudio.models.pix2pix import Pix2Pix
from genstudio.objectives import augmentation
from genstudio.precision import Precision
from genstudio.registry import find_system, systems
from genstudio.system import Recipe, system
from genstudio.training import finetune, loop
from genstudio.training.run import Run, command_line
from tests.training.test_loop import assert_equal, state_of

RECIPE = Recipe(images=80, batch=8, rate=1e-3, betas=(0.5, 0.999), ema=0.9)
CHANGES = [augmentation.brightness, augmentation.saturation, augmentation.contrast, augmentation.translation,
           augmentation.cutout, augmentation.augment]  # fmt: skip


@system(title=Text("Game", "Jeu"), data="mnist", recipe=RECIPE)
def game() -> DCGAN:
    return DCGAN((3, 16, 16), latent_dim=8, widths=(16, 8))


@system(title=Text("Kinds", "Genres"), data="mnist", recipe=replace(RECIPE, images=16))
def kinds() -> Diffusion:
    return Diffusion((1, 8, 8), widths=(32,), blocks=1, classes=3)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for one in (game, kinds):
        monkeypatch.setitem(systems(), one.__name__, one.system)


pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(root: Path, count: int = 10, size: int = 16, colours: bool = True) -> Path:
    root.mkdir(parents=True)
    draw = np.random.RandomState(0)
    for i in range(count):
        shape = (size, size, 3) if colours else (size, size)
        Image.fromarray(draw.randint(0, 256, shape, dtype=np.uint8)).save(root / f"{i:02d}.png")
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return drawn(tmp_path_factory.mktemp("few") / "pictures", 30)


@pytest.fixture(autouse=True)
def no_walls(monkeypatch):
    """They and their film take longer than these runs."""
    monkeypatch.setattr(loop, "save_sample_grid", lambda model, path, *_: path)
    monkeypatch.setattr(loop.timelapse, "make", lambda *_: None)


@pytest.fixture
def start(folder, tmp_path):
    options = {"data": str(folder), "out": tmp_path / "run", "device": "cpu"}
    return lambda name="game", **more: list(loop.train(name, **options | more))


def numbers(seed: int = 0, *shape: int) -> torch.Tensor:
    return torch.rand(shape or (6, 3, 16, 16), generator=torch.Generator().manual_seed(seed)) * 2 - 1


# Augmentation


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_change_keeps_shape_type_and_gradients(change, channels, dtype):
    images = numbers(0, 8, channels, 16, 12).to(dtype, memory_format=torch.channels_last).requires_grad_()
    torch.manual_seed(0)
    changed = change(images)
    assert changed.shape == images.shape and changed.isfinite().all() and changed.abs().max() <= 5
    if change is augmentation.augment:
        assert changed.dtype == dtype
    [slope] = torch.autograd.grad(changed.float().square().sum(), images)
    assert slope.isfinite().all() and (slope.flatten(1).abs().sum(1) > 0).all(), "some picture is taught nothing"


def test_a_gradient_is_that_of_the_change():
    def change(images):
        torch.manual_seed(5)
        return augmentation.augment(images)

    images, direction, weights = (numbers(seed, 2, 3, 8, 8) for seed in (1, 2, 3))
    images.requires_grad_()
    [slope] = torch.autograd.grad((weights * change(images)).sum(), images)
    with torch.no_grad():
        step = weights * (change(images + direction) - change(images - direction)) / 2  # it is linear, once drawn
    torch.testing.assert_close((slope * direction).sum(), step.sum(), rtol=1e-4, atol=1e-4)


def test_colours_change_by_what_the_paper_s_code_says():
    images = numbers(3, 2000, 3, 4, 4)
    torch.manual_seed(0)
    moved = (augmentation.brightness(images) - images).flatten(1)
    assert (moved.std(1) < 1e-6).all() and -0.5 <= moved.min() < -0.49 and 0.49 < moved.max() < 0.5
    for change, low, high, centre in (
        (augmentation.saturation, 0.0, 2.0, images.mean(1, keepdim=True)),
        (augmentation.contrast, 0.5, 1.5, images.mean((1, 2, 3), keepdim=True)),
    ):
        ratio = ((change(images) - centre) / (images - centre)).flatten(1).median(1).values
        assert low <= ratio.min() + 1e-4 and ratio.min() < low + 0.02 and high - 0.02 < ratio.max() <= high + 1e-4


def test_a_grey_picture_has_no_saturation_and_two_pictures_keep_their_colours_apart():
    grey = numbers(4, 4, 1, 8, 8)
    torch.testing.assert_close(augmentation.saturation(grey), grey)
    pair = torch.cat([numbers(5, 4, 3, 8, 8), grey.expand(-1, 3, -1, -1)], 1)
    torch.testing.assert_close(augmentation.saturation(pair)[:, 3:], pair[:, 3:])


def test_a_picture_is_moved_by_up_to_an_eighth_in_each_direction():
    images, seen = torch.zeros(600, 1, 16, 16), set()
    images[:, :, 8, 8] = 1
    torch.manual_seed(0)
    for moved in augmentation.translation(images):
        [[_, y, x]] = moved.nonzero().tolist()
        seen.add((y - 8, x - 8))
    assert seen == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}
    assert (augmentation.translation(torch.ones(50, 1, 16, 16)).sum((1, 2, 3)) < 256).any(), "nothing comes around"


def test_a_box_of_half_the_side_is_blanked_in_all_channels_wherever_its_middle_may_lie():
    torch.manual_seed(0)
    blank = augmentation.cutout(torch.ones(3000, 2, 16, 16)) == 0
    assert torch.equal(blank[:, 0], blank[:, 1])
    rows, columns = blank[:, 0].any(2).sum(1), blank[:, 0].any(1).sum(1)
    assert torch.equal(blank[:, 0].sum((1, 2)), rows * columns)  # a box
    assert set(rows.tolist()) == set(range(4, 9)) == set(columns.tolist())
    assert blank[:, 0, 0, 0].any() and blank[:, 0, 15, 15].any()


def test_a_critic_s_two_sets_are_changed_alike_and_pictures_are_themselves_where_nobody_asks():
    model = game()
    images = numbers(6)
    assert model.augment(images) is images
    shown = []
    model.augment = lambda images: shown.append(images) or images
    for _ in model.losses(Batch(images), Progress()):
        pass
    assert len(shown) == 3 and torch.equal(shown[0], images)  # real, fake, and the fake again in the generator's turn
    assert torch.equal(shown[1], shown[2].detach()) and not shown[1].requires_grad and shown[2].requires_grad


@pytest.mark.parametrize("build", [
    lambda: Pix2Pix((3, 16, 16), widths=(8, 8), critic_widths=(8, 8)),
    lambda: CycleGAN((3, 16, 16), width=4, blocks=1, critic_widths=(8, 8)),
], ids=["pix2pix", "cyclegan"])  # fmt: skip
def test_translators_critics_see_changed_pictures_only(build):
    model, shown = build(), []
    finetune.prepare(model, replace(RECIPE, augment=True))
    assert model.augment is augmentation.augment
    model.augment = lambda images: shown.append(images.shape) or torch.zeros_like(images)
    for critic in (m for m in model.critic.modules() if isinstance(m, nn.Conv2d) and m.in_channels in (3, 6)):
        critic.register_forward_pre_hook(lambda module, inputs: None if not inputs[0].any() else pytest.fail("unchanged"))
    for _ in model.losses(Batch(numbers(7, 2, 3, 16, 16), sources=numbers(8, 2, 3, 16, 16)), Progress()):
        pass
    assert shown


# Freezing


def test_layers_stand_in_the_order_in_which_they_see_the_picture():
    critic = DCGAN((3, 32, 32), latent_dim=8, widths=(32, 16, 8)).critic
    assert [len(layer) for layer in finetune.layers(critic)] == [2, 3, 3, 2]  # a batch norm goes with its convolution
    network = kinds().network
    [first, *_] = finetune.layers(network)
    told = {id(p) for part in (network.time_embedding, network.class_embedding) for p in part.parameters()}
    assert any(p is network.conv_in.weight for p in first)
    assert not told & {id(p) for layer in finetune.layers(network) for p in layer}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_frozen_layers_keep_equal_bytes_and_all_others_move(start, tmp_path, weight_decay):
    start(images=16)
    weights = tmp_path / "run" / "game.safetensors"
    start(init=str(weights), out=tmp_path / "tuned", freeze=2, weight_decay=weight_decay)
    begun = checkpoint.load(weights, critic=True)[0]
    ended = torch.load(tmp_path / "tuned" / "state.pt", weights_only=True)
    for kind in ("model", "average"):
        still = {name for name, p in begun.named_parameters() if torch.equal(p, ended[kind][name])}
        assert still == {"critic.0.weight", "critic.0.bias", "critic.2.weight", "critic.3.weight", "critic.3.bias"}
    assert not torch.equal(begun.critic[3].running_mean, ended["model"]["critic.3.running_mean"])


def test_both_critics_of_a_cycle_and_the_whole_of_a_model_without_critic_are_frozen():
    cycle = CycleGAN((3, 16, 16), width=4, blocks=1, critic_widths=(8, 8))
    finetune.freeze(cycle, 1)
    frozen = {name for name, p in cycle.named_parameters() if not p.requires_grad}
    assert frozen == {f"critic.{way}.0.{kind}" for way in ("there", "back") for kind in ("weight", "bias")}
    judge = Classifier((1, 8, 8), 2, widths=(4, 4))
    finetune.freeze(judge, 1)
    assert {name for name, p in judge.named_parameters() if not p.requires_grad} == {"body.0.weight", "body.1.weight", "body.1.bias"}


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"freeze": 3}, "freeze must be less than the 3 layers of the critic, not 3"),
        ({"rates": {"judge": 1e-3}}, "rates are of critic, generator, not of judge"),
        ({"critic_warmup": 80}, "less than the 80 pictures"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(start, changes, words):
    with pytest.raises(ValueError, match=words):
        start(**changes)


@pytest.mark.parametrize("changes, words", [({"augment": True}, "what a critic sees"), ({"critic_warmup": 8}, "needs a critic")])
def test_a_system_without_critic_says_so(start, changes, words):
    with pytest.raises(ValueError, match=words):
        start("kinds", **changes)


# A fresh critic


def test_while_a_fresh_critic_warms_up_the_generator_keeps_equal_bytes():
    run = Run(game.system, {}, replace(RECIPE, critic_warmup=24), torch.device("cpu"))
    begun = {name: p.clone() for name, p in run.model.named_parameters()}
    for run.step in range(4):
        if run.step == 3:
            assert all(torch.equal(p, begun[name]) == name.startswith("generator") for name, p in run.model.named_parameters())
            kept = {name: p for name, p in run.average.named_parameters() if name.startswith("generator")}
            assert kept and all(torch.equal(p, begun[name]) for name, p in kept.items())
            assert not run.optimizers["generator"].state
        played = loop.play(run, Batch(numbers(run.step, 8, 3, 16, 16)), Precision.exact("cpu"))
        loop.update_average(run)
        run.images += run.recipe.batch
        assert "generator" in played.terms, "its loss is shown all the same"
    assert not any(torch.equal(p, begun[name]) for name, p in run.model.named_parameters())


def test_a_checkpoint_without_critic_gets_a_fresh_one_that_is_given_time(start, tmp_path):
    start(images=16)
    weights = tmp_path / "run" / "game.safetensors"
    start(init=str(weights), out=tmp_path / "with")
    assert checkpoint.describe(tmp_path / "with" / "game.safetensors").recipe["critic_warmup"] is None
    checkpoint.critic_of(weights).unlink()
    start(init=str(weights), out=tmp_path / "tuned", images=480)
    header = checkpoint.describe(tmp_path / "tuned" / "game.safetensors")
    assert header.recipe["critic_warmup"] == 24 and "--critic-warmup 24" in header.command
    start(init=str(weights), out=tmp_path / "asked", critic_warmup=0)
    header = checkpoint.describe(tmp_path / "asked" / "game.safetensors")
    assert header.recipe["critic_warmup"] == 0 and "--critic-warmup 0" in header.command
    with pytest.raises(ValueError, match="comes without its critic"):
        start(init=str(weights), out=tmp_path / "frozen", freeze=1)


# Classes


@pytest.mark.parametrize(
    "held, wanted, count, names",
    [
        ("", "ab", 3, "ab"),
        ("abc", "", 3, "abc"),
        ("abc", "b", 3, "abc"),
        ("abc", "xb", 3, "xbc"),
        ("abc", "cxa", 3, "axc"),
        ("abc", "xyz", 3, "xyz"),
        ("ab", "x", 4, "abx"),  # a slot without a name costs nothing
        ("ab", "bxyz", 4, "zbxy"),
        ("axb", "ba", 3, "axb"),
    ],
)
def test_a_class_keeps_its_slot_or_takes_a_free_one(held, wanted, count, names):
    found = finetune.slots(tuple(held), tuple(wanted), count)
    assert found == tuple(names) == finetune.slots(found, tuple(wanted), count), "once placed, all stay"


def test_more_classes_than_a_model_has_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match="of 4 classes, and this model has room for 3"):
        finetune.slots(("a",), tuple("wxyz"), 3)


def test_labels_go_where_their_names_are():
    pictures = Pictures("set", torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 1, 2]), ("a", "x", "y"))
    found = relabel(pictures, ("y", "b", "a", "x"))
    assert found.labels.tolist() == [2, 3, 3, 0] and found.classes == ("y", "b", "a", "x")
    assert pictures.labels.tolist() == [0, 1, 1, 2]


def test_models_without_classes_see_any_set_and_classifiers_need_classes():
    many = Pictures("set", torch.zeros(9, 1, 2, 2, dtype=torch.uint8), torch.arange(9), tuple("abcdefghi"))
    assert finetune.placed(many, game(), ()) is many
    none, model = replace(many, labels=None, classes=()), kinds()
    assert finetune.placed(none, model, "abc").labels is None and not model.class_names  # it draws untold from now on
    with pytest.raises(ValueError, match="class folders"):
        finetune.placed(none, Classifier((1, 8, 8), 2, widths=(4,)), ())


def test_a_tuned_model_names_its_slots_and_each_is_asked_for_by_its_name(start, tmp_path, monkeypatch):
    told = []
    play = loop.play

    def watched(run, batch, *rest, **options):
        told.append((batch.labels.tolist(), run.model.class_names))
        return play(run, batch, *rest, **options)

    monkeypatch.setattr(loop, "play", watched)
    for name in ("ant", "bee", "cat"):
        drawn(tmp_path / "old" / name, 4, 8)
    for name in ("bee", "dog"):
        drawn(tmp_path / "new" / name, 5, 8)
    start("kinds", data=str(tmp_path / "old"))
    weights = tmp_path / "run" / "kinds.safetensors"
    assert checkpoint.describe(weights).classes == ["ant", "bee", "cat"]
    told.clear()
    start("kinds", data=str(tmp_path / "new"), init=str(weights), out=tmp_path / "tuned")
    assert {label for labels, _ in told for label in labels} == {0, 1} and told[0][1] == ("dog", "bee", "cat")
    model, header = checkpoint.load(tmp_path / "tuned" / "kinds.safetensors")
    assert header.classes == ["dog", "bee", "cat"] and tuple(model.class_names) == ("dog", "bee", "cat")
    weights.unlink()  # a run that goes on needs it no more: its folder knows all
    start("kinds", out=tmp_path / "tuned", data=None, resume=True, images=32)
    assert checkpoint.describe(tmp_path / "tuned" / "kinds.safetensors").classes == ["dog", "bee", "cat"]
    with pytest.raises(ValueError, match="of 4 classes, and this model has room for 3"):
        for name in ("x", "y"):
            drawn(tmp_path / "new" / name, 3, 8)
        start("kinds", data=str(tmp_path / "new"), out=tmp_path / "more")


def test_any_draws_among_the_classes_that_a_model_has_learned():
    model = kinds()
    model.class_names = ("a", "b")
    assert set(model._labels(Noise(range(60)), ANY).tolist()) == {0, 1}


# Other pictures, and going on


@pytest.mark.parametrize("size, colours", [(16, False), (50, True), (9, False)])
def test_pictures_of_any_size_and_colour_can_be_gone_on_with(start, tmp_path, size, colours):
    start(images=16)
    few = drawn(tmp_path / "few", 12, size, colours)
    start(data=str(few), init=str(tmp_path / "run" / "game.safetensors"), out=tmp_path / "tuned", images=16, augment=True)
    assert (tmp_path / "tuned" / "game.safetensors").exists()


def test_weights_of_another_shape_are_refused(start, tmp_path):
    start(images=16)
    with pytest.raises(ValueError, match="holds weights of game, which do not fit"):
        start("kinds", init=str(tmp_path / "run" / "game.safetensors"), out=tmp_path / "tuned")


def test_a_tuned_run_that_was_stopped_goes_on_to_equal_bytes(start, tmp_path):
    """In the critic's warm-up, with layers frozen and pictures augmented."""
    start(images=16)
    options = {"init": str(tmp_path / "run" / "game.safetensors"), "freeze": 1, "augment": True, "critic_warmup": 40,
               "rates": {"critic": 4e-4}, "flip": True, "report_steps": 3}  # fmt: skip
    start(out=tmp_path / "whole", **options)
    start(out=tmp_path / "halves", max_minutes=0.0, **options)
    with pytest.raises(ValueError, match="began with freeze 1"):
        start(out=tmp_path / "halves", resume=True, freeze=0)
    start(out=tmp_path / "halves", resume=True, max_minutes=0.0)
    start(out=tmp_path / "halves", resume=True)
    assert_equal(state_of(tmp_path / "whole"), state_of(tmp_path / "halves"))
    for file in ("game.safetensors", "game.critic.safetensors"):
        assert_equal(load_file(tmp_path / "whole" / file), load_file(tmp_path / "halves" / file))
    plain = options | {"augment": False}
    start(out=tmp_path / "plain", **plain)
    ended = [torch.load(tmp_path / run / "state.pt", weights_only=True)["model"] for run in ("whole", "plain")]
    assert not torch.equal(*(state["critic.6.weight" if "critic.6.weight" in state else "critic.5.weight"] for state in ended))


@pytest.mark.parametrize("name", list(systems()))
def test_what_is_proposed_can_be_run_and_is_never_longer_than_the_whole(name):
    one = find_system(name)
    for count in (1, 200, 5000, 200_000):
        recipe, model = finetune.proposed(one, count), checkpoint.shell(one, {})
        assert 0 < recipe.images <= one.recipe.images
        assert recipe.warmup < recipe.images and recipe.rate <= one.recipe.rate
        finetune.prepare(model, recipe)
        assert recipe.augment == ("critic" in model.players() and count < 5000)


# The command line


def test_the_command_of_a_run_says_all_that_is_its_own():
    recipe = replace(RECIPE, freeze=2, augment=True, critic_warmup=80, rates={"critic": 4e-4, "generator": 1e-4})
    stage = {"data": "few", "digest": "", "flags": recipe.flags(RECIPE)}
    words = shlex.split(command_line(game.system, "game.mine", {"width": 8}, recipe.images, [stage]))[3:]
    said = vars(build_parser(words).parse_args(words))
    assert (said["init"], said["data"], said["network"]) == ("game.mine", "few", None), "weights settle their network"
    given = {name.removeprefix("recipe_"): value for name, value in said.items() if name.startswith("recipe_")}
    assert replace(RECIPE, **{name: value for name, value in given.items() if value is not None}) == recipe


def test_a_network_of_another_size_is_asked_for_and_kept(start, tmp_path):
    system, asked = find_system("dcgan"), {"channels": 1, "side": 16, "latent_dim": 8, "widths": (16, 8)}
    words = shlex.split(command_line(system, None, asked, system.recipe.images, [{"data": "mnist", "digest": ""}]))[3:]
    given = dict(build_parser(words).parse_args(words).network)
    for options in ({"network": given, "images": 16, "batch": 8}, {"resume": True, "images": 32}):
        assert start("dcgan", **options)[-1].images == options["images"]
        model, header = checkpoint.load(tmp_path / "run" / "dcgan.safetensors")
        assert model.image_shape == (1, 16, 16) and "--network side=16" in header.command


def test_no_other_network_than_that_of_the_weights_is_asked_for(start):
    with pytest.raises(ValueError, match="settle its network"):
        start(init="any.safetensors", network={"width": 8})
    with pytest.raises(ValueError, match="no argument 'depth': it takes width"):
        start("biggan_cifar10", network={"depth": 8})


def test_rates_of_parts_are_pairs():
    assert parts("critic=4e-4,generator=1e-4") == {"critic": 4e-4, "generator": 1e-4}
    for wrong in ("critic", "critic=fast"):
        with pytest.raises(ValueError):
            parts(wrong)


def test_a_training_goes_on_from_a_network_of_another_size_under_its_licence(start, tmp_path):
    """Weights of another project are rarely of the size that the system has by itself."""
    arguments = {"channels": 3, "side": 16, "latent_dim": 8, "widths": (16, 8)}
    path = tmp_path / "start.safetensors"
    header = checkpoint.Header("dcgan", arguments, licence="for your eyes only")
    checkpoint.save(path, find_system("dcgan").build(**arguments), header, pack=False)
    checkpoint.critic_of(path).unlink()
    out = tmp_path / "run"
    start("dcgan", init=str(path), images=40, batch=8)
    model, header = checkpoint.load(out / "dcgan.safetensors")
    assert model.image_shape == (3, 16, 16) and header.licence == "for your eyes only"
    assert header.recipe["critic_warmup"] == 2, "its critic was a fresh one"
    path.unlink()
    start("dcgan", resume=True, images=48)
    model, header = checkpoint.load(out / "dcgan.safetensors")
    assert model.image_shape == (3, 16, 16) and header.licence == "for your eyes only" and header.images == 48
