"""A paused game: who steps moves, who looks on stays to the byte, and what is undone never was."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import checkpoint
from genstudio.models.gan import DCGAN
from genstudio.registry import systems
from genstudio.training import loop, step_by_step
from genstudio.training.step_by_step import Stepper
from tests import small
from tests.training.test_loop import assert_equal, folder, registered, tensors, tiny  # noqa: F401

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def run(folder, tmp_path) -> Path:  # noqa: F811
    """A run of the tiny DCGAN, batch norm in both networks, paused after twelve of its forty steps."""
    options = {"device": "cpu", "report_steps": 12, "warmup": 0, "cosine": False}  # a stepper has the full rate
    reports = loop.train("tiny", data=str(folder), out=tmp_path / "run", **options)
    next(reports)
    reports.close()
    return tmp_path / "run"


def of(stepper: Stepper, player: str) -> dict[str, torch.Tensor]:
    """All that a player is: weights, what its batch norm remembers, Adam's moments."""
    run = stepper.run
    parts = tensors(run.model.players()[player].state_dict()) | tensors(run.optimizers[player].state_dict()["state"])
    return {name: value.clone() for name, value in parts.items()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> bool:
    return any(not torch.equal(before[name], after[name]) for name in before if "weight" in name)


def bytes_of(folder: Path) -> dict[str, str]:  # noqa: F811
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(("player", "other"), [("critic", "generator"), ("generator", "critic")])
def test_one_player_moves_and_the_other_stays_to_the_byte(run, player, other):
    stepper = Stepper(run, "cpu")
    before = {name: of(stepper, name) for name in stepper.players}
    first = stepper.stand()
    stand = stepper.step(player)
    assert moved(before[player], of(stepper, player))
    assert_equal(of(stepper, other), before[other])
    assert stand.taken == {player: 1, other: 0} and stand.step == first.step + 1 == 13
    assert np.array_equal(stand.fakes, first.fakes) == (player == "critic")
    assert np.array_equal(stand.reals, first.reals) and not np.array_equal(stand.on_fakes, first.on_fakes)
    assert {"critic", "generator", "D(real)", "D(fake)"} <= stand.terms.keys() and not first.terms


def test_a_critic_that_steps_alone_wins_and_a_generator_that_answers_fools_it(run):
    stepper = Stepper(run, "cpu")
    stepper.run.recipe = replace(stepper.run.recipe, rate=2e-3)  # in few steps
    first = stepper.stand()
    for _ in range(25):
        won = stepper.step("critic")
    assert won.on_reals.mean() - won.on_fakes.mean() > 0.5 > abs(first.on_reals.mean() - first.on_fakes.mean())
    for _ in range(25):
        fooled = stepper.step("generator")
    assert fooled.on_fakes.mean() > won.on_fakes.mean() + 0.2 and fooled.taken == {"critic": 25, "generator": 25}


def test_steps_of_both_are_those_of_training(run, folder):  # noqa: F811
    """The same batches, noise and optimizers: five steps here, or five more of the run, give equal bytes."""
    stepper = Stepper(run, "cpu")
    for _ in range(5):
        stepper.step()
    reports = loop.train("tiny", out=run, device="cpu", resume=True, report_steps=17)
    next(reports)
    reports.close()
    state = torch.load(run / "state.pt", weights_only=True)
    assert state["step"] == stepper.run.step == 17
    assert_equal(tensors(stepper.run.model.state_dict()), tensors(state["model"]))


def test_a_step_back_restores_equal_bytes_and_the_same_step_comes_again(run):
    stepper = Stepper(run, "cpu")
    before, first = {name: of(stepper, name) for name in stepper.players}, stepper.stand()
    after = [stepper.step(player) for player in ("critic", "generator", None)]
    for expected in (after[1], after[0], first):
        stand = stepper.back()
        assert stand.step == expected.step and stand.taken == expected.taken and stand.terms == expected.terms
        for what in ("fakes", "on_fakes", "on_reals"):
            assert np.array_equal(getattr(stand, what), getattr(expected, what))
    for name in stepper.players:
        assert_equal(of(stepper, name), before[name])
    assert stepper.step("critic").terms == after[0].terms
    stepper.back()
    with pytest.raises(ValueError, match="no step to take back"):
        stepper.back()


def test_a_player_that_never_stepped_has_no_moments_after_a_step_back(run):
    stepper = Stepper(run, "cpu")
    stepper.run.optimizers["critic"].state.clear()
    stepper.step("critic")
    stepper.back()
    assert not stepper.run.optimizers["critic"].state


def test_what_is_kept_to_be_undone_is_bounded(run, monkeypatch):
    stepper = Stepper(run, "cpu")
    stepper.step()
    monkeypatch.setattr(step_by_step, "UNDO_BYTES", 3 * stepper.kept[0].bytes)
    for _ in range(6):
        stepper.step()
    assert len(stepper.kept) == 3


def test_neither_the_run_on_disk_nor_others_random_numbers_nor_modes_change(run):
    before = bytes_of(run)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with torch.no_grad():  # as the engine's thread is
        stepper = Stepper(run, "cpu", heat=True)
        stepper.step("critic")
        stepper.step()
        stepper.back()
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.rand(3), expected) and bytes_of(run) == before
    assert all(module.training for module in stepper.run.model.modules())


def test_a_stand_changes_nothing_and_is_what_the_critic_says_in_the_game(run):
    stepper = Stepper(run, "cpu", exact=True)
    before = {name: of(stepper, name) for name in stepper.players}
    stand = stepper.stand()
    for name in stepper.players:
        assert_equal(of(stepper, name), before[name])
    assert stand.fakes.shape == stand.reals.shape == (16, 16, 16, 3) and stand.fakes.dtype == np.uint8
    with torch.no_grad():
        expected = stepper.run.model.critic(stepper.reals).sigmoid().squeeze(1).numpy()  # in training mode
    np.testing.assert_allclose(stand.on_reals, expected, atol=1e-5)


def test_heat_is_the_gradient_of_each_pictures_own_logit(run):
    """By differences, with batch norm held at the statistics of the pictures shown."""
    stepper = Stepper(run, "cpu", heat=True, exact=True)
    model, stand = stepper.run.model, stepper.stand()
    assert stand.heat.shape == (16, 16, 16) and stand.heat.dtype == np.uint8 and (stand.heat.max((1, 2)) == 255).all()
    with torch.no_grad(), step_by_step.batch_norm_only_training(model) as norms:
        for norm in norms:
            norm.momentum = 1.0
        *_, frame = step_by_step.sample(model, step_by_step.Noise(range(16)))
        step_by_step.verdict(model, frame.images)
        model.double().eval()
        images, slope = frame.images.double(), torch.zeros(16, 3 * 16 * 16, dtype=torch.double)
        for place in range(3 * 16 * 16):  # in all sixteen at once: nothing ties them together now
            change = 1e-6 * torch.eye(3 * 16 * 16, dtype=torch.double)[place].reshape(3, 16, 16)
            slope[:, place] = (model.critic(images + change) - model.critic(images - change)).squeeze(1)
    slope = slope.abs().reshape(16, 3, 16, 16).sum(1)
    np.testing.assert_allclose(stand.heat, 255 * (slope / slope.amax((1, 2), keepdim=True)).numpy(), atol=2)


class Sometimes(DCGAN):
    """A generator that plays every third step."""

    def losses(self, batch, progress):
        for player, terms in super().losses(batch, progress):
            if player == "critic" or progress.step % 3 == 0:
                yield player, terms


def test_a_player_with_rare_turns_is_given_the_next_one(run, monkeypatch):
    def build() -> Sometimes:
        return Sometimes((3, 16, 16), latent_dim=8, widths=(16, 8))

    monkeypatch.setitem(systems(), "tiny", replace(tiny.system, build=build))
    stepper = Stepper(run, "cpu")
    assert stepper.step("generator").step == 13 and stepper.step("generator").step == 16
    assert stepper.taken == {"critic": 0, "generator": 2}


def test_what_cannot_be_played_is_refused_in_words(run, tmp_path, folder):  # noqa: F811
    with pytest.raises(ValueError, match="the players are critic, generator, not 'judge'"):
        Stepper(run, "cpu").step("judge")
    with pytest.raises(ValueError, match="holds no run"):
        Stepper(tmp_path, "cpu")
    for name in ("pix2pix_sketch", "cyclegan_glasses", "vae_mnist"):
        said = (run / "run.json").read_text().replace('"tiny"', f'"{name}"')
        (run / "run.json").write_text(said)
        with pytest.raises(ValueError, match=f"{name} cannot be played step by step"):
            Stepper(run, "cpu")
        (run / "run.json").write_text(said.replace(f'"{name}"', '"tiny"'))


def begin_small_run(name: str, data: Path, out: Path) -> None:
    """Two steps of a small system on random pictures of three classes."""
    channels, height, width = systems()[name].build().image_shape
    draw = np.random.default_rng(0)
    for label in small.CLASSES:
        (data / label).mkdir(parents=True)
        for i in range(12):
            shape = (height, width, 3) if channels == 3 else (height, width)
            Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8)).save(data / label / f"{i}.png")
    reports = loop.train(name, data=str(data), out=out, device="cpu", report_steps=2)
    next(reports)
    reports.close()


GANS = (
    "small_cgan", "small_biggan", "small_stylegan2", "small_stylegan2_without_classes", "wgan_gp_mnist", "ebgan_mnist",
)  # fmt: skip


@pytest.mark.parametrize("name", GANS)
def test_every_gan_that_draws_from_noise_is_played_with_its_classes(name, tmp_path, monkeypatch):
    """Conditional GANs and StyleGAN2 were refused."""
    if name in small.INSTANCES:
        monkeypatch.setitem(systems(), name, small.INSTANCES[name])
    begin_small_run(name, tmp_path / "data", tmp_path / "run")
    stepper = Stepper(tmp_path / "run", "cpu", heat=True)
    first, after = stepper.stand(), stepper.step("generator")
    assert after.norms["generator"] > 0 and not first.norms
    assert after.taken == {"critic": 0, "generator": 1} and not np.array_equal(after.fakes, first.fakes)
    for stand in (first, after):
        assert stand.on_fakes.shape == stand.on_reals.shape == (step_by_step.SHOWN,)
        probable = ((stand.on_fakes >= 0) & (stand.on_fakes <= 1)).all()
        assert stand.heat.max() == 255 and stand.probable == (stepper.run.model.game.probability is not None)
        assert probable or not stand.probable
    model = stepper.run.model
    assert (stepper.labels is None) == (not model.classes)
    if model.classes:
        assert stepper.labels.tolist()[:4] == [0, 1, 2, 0] and stepper.real_labels.shape == (step_by_step.SHOWN,)
        for weights in model.critic.parameters():  # a class embedding may begin at 0
            torch.nn.init.normal_(weights, 0, 0.1)
        others = (stepper.real_labels + 1) % model.classes
        with torch.no_grad():
            of_own, of_others = (step_by_step.verdict(model, stepper.reals, x) for x in (stepper.real_labels, others))
        assert not torch.equal(of_own, of_others), "the critic is told the class"
    critic = of(stepper, "critic")
    stepper.back()
    assert np.array_equal(stepper.stand().fakes, first.fakes) and critic.keys() == of(stepper, "critic").keys()


def test_weights_are_played_with_their_critic(folder, tmp_path, monkeypatch):  # noqa: F811
    list(loop.train("tiny", data=str(folder), out=tmp_path / "run", device="cpu"))
    weights = tmp_path / "run" / "tiny.safetensors"
    read = step_by_step.load
    monkeypatch.setattr(step_by_step, "load", lambda name, *more, **options: read(str(folder), *more, **options))
    stepper = Stepper(str(weights), "cpu")
    saved = checkpoint.load(weights, critic=True)[0].state_dict()
    assert_equal(dict(stepper.run.model.state_dict()), dict(saved))
    before = {name: of(stepper, name) for name in stepper.players}
    stand = stepper.step()
    assert stand.taken == {"critic": 1, "generator": 1} and stand.step == 1
    assert all(moved(before[name], of(stepper, name)) for name in stepper.players)
    checkpoint.critic_of(weights).unlink()
    with pytest.raises(ValueError, match="is here without its critic"):
        Stepper(str(weights), "cpu")
