"""GANs of several resolutions: growth is a function of the images seen, and every resolution is made and judged."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from genstudio.layers.progressive import Critic, DenseCritic, DenseGenerator, Generator, pyramid
from genstudio.model import Batch, Progress
from genstudio.models.progressive import MSGGAN, ProGAN
from genstudio.precision import Precision
from genstudio.system import Recipe
from genstudio.training import loop
from genstudio.training.run import Run
from tests.small import INSTANCES

COLOUR, WIDTHS = (3, 16, 16), (16, 16, 8)


def progan(phase: int = 20) -> ProGAN:
    torch.manual_seed(0)
    return ProGAN(COLOUR, 8, WIDTHS, phase)


def test_training_and_fading_take_turns_by_images_seen():
    model = progan()
    stages = {n: model.stage_at(Progress(images=n, of=1000)) for n in (0, 19, 20, 25, 40, 59, 60, 75, 80, 100, 999)}
    expected = {0: 0, 19: 0, 20: 0, 25: 0.25, 40: 1, 59: 1, 60: 1, 75: 1.75, 80: 2, 100: 2, 999: 2}
    assert stages == pytest.approx(expected)
    assert model.stage_at(Progress(images=25, of=50)) == 1.0  # a run too short for five phases of 20
    assert model.stage_at(Progress()) == 2  # outside of a run


def test_a_stage_that_is_reached_stays():
    """Fine-tuning, or a run made longer, does not begin with large pixels again."""
    model = progan()
    model.stage.fill_(2.0)
    assert model.stage_at(Progress(images=0, of=1000)) == 2


def test_an_image_at_a_stage_is_the_blend_of_its_two_levels():
    model = progan()
    z = torch.randn(3, 8)
    with torch.no_grad():
        levels = model.generator(z)
        assert [images.shape[-1] for images in levels] == [4, 8, 16]
        for stage in (0, 1, 2):
            assert torch.allclose(model.generator.at(z, stage), levels[stage], atol=1e-6)
        part = model.generator.at(z, 1.25)
        expected = 0.75 * interpolate(levels[1], scale_factor=2) + 0.25 * levels[2]
        assert torch.allclose(part, expected, atol=1e-6)


@pytest.mark.parametrize("stage", [0, 0.5, 1, 1.25, 2])
def test_samples_show_how_far_the_network_has_grown(stage):
    """`decode` does not know the stage before it runs, and draws what training has at that stage, enlarged."""
    model = progan()
    model.stage.fill_(stage)
    z = torch.randn(3, 8)
    with torch.no_grad():
        grown = interpolate(model.generator.at(z, stage), COLOUR[1:]).clamp(-1, 1)
        assert torch.allclose(model.decode(z), grown, atol=1e-6)


def test_the_critic_has_no_jump_where_a_level_begins_to_fade_in():
    critic = progan().critic
    torch.manual_seed(1)
    images = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        before, after = critic.at(avg_pool2d(images, 2), 1), critic.at(images, 1 + 1e-6)
        assert torch.allclose(before, after, atol=1e-4)
        faded, there = critic.at(images, 2 - 1e-6), critic.at(images, 2)
        assert torch.allclose(faded, there, atol=1e-4) and not torch.allclose(before, there, atol=1e-2)


def test_real_images_fade_in_as_generated_ones_do():
    model, images = progan(), torch.randn(2, *COLOUR)
    levels = pyramid(images, 3)
    assert torch.equal(model.shrunk(images, 2), images) and torch.equal(model.shrunk(images, 0), levels[0])
    expected = torch.lerp(interpolate(levels[1], scale_factor=2), images, 0.25)
    assert torch.allclose(model.shrunk(images, 1.25), expected)


def test_a_resumed_run_goes_on_exactly_also_in_the_middle_of_a_fade():
    entry = INSTANCES["small_progan"]
    recipe = Recipe(images=160, batch=8, rate=1e-3)

    def go(run: Run, steps: int) -> None:
        for _ in range(steps):
            torch.manual_seed(run.step)
            batch = Batch(torch.rand(8, *COLOUR) * 2 - 1)
            loop.play(run, batch, Precision.exact("cpu"))
            loop.update_average(run)
            run.advance()

    whole, first, second = (Run(entry, {}, recipe, torch.device("cpu")) for _ in range(3))
    go(whole, 10)
    go(first, 4)
    assert 0 < first.model.stage < 1, "the run was not stopped within a fade"
    second.take(copy.deepcopy(first.state()))
    go(second, 6)
    assert 1 < second.model.stage <= 2 and second.average.stage == second.model.stage
    for name, value in whole.state()["model"].items():
        assert torch.equal(value, second.state()["model"][name]), name


# All resolutions at once ----------------------------------------------------------------------------------------


def convolutional() -> MSGGAN:
    torch.manual_seed(0)
    return MSGGAN(COLOUR, 8, Generator(3, 8, WIDTHS), Critic(3, WIDTHS), 3)


def dense() -> MSGGAN:
    torch.manual_seed(0)
    return MSGGAN(COLOUR, 8, DenseGenerator(COLOUR, 8, 16, 3), DenseCritic(COLOUR, 16, 3), 3)


@pytest.mark.parametrize("made", [convolutional, dense])
def test_the_critics_gradient_reaches_the_image_of_every_level(made):
    model = made()
    images = [image.detach().requires_grad_() for image in model.generator(torch.randn(4, 8))]
    assert [image.shape[-1] for image in images] == [4, 8, 16]
    gradients = torch.autograd.grad(model.critic(images).sum(), images)
    assert all(gradient.abs().flatten(1).sum(1).all() for gradient in gradients)


@pytest.mark.parametrize("made", [convolutional, dense])
def test_real_images_are_judged_with_their_own_averages(made):
    model, images = made(), torch.rand(4, *COLOUR)
    levels = [avg_pool2d(images, 4), avg_pool2d(images, 2), images]
    assert torch.allclose(model.verdict(images), model.critic(levels), atol=1e-6)


def test_every_level_of_an_image_is_augmented_alike():
    """By other random numbers for each level, the critic would see that they do not belong together."""
    model, levels = convolutional(), pyramid(torch.rand(4, *COLOUR), 3)
    model.augment = lambda images: images * torch.rand(len(images), 1, 1, 1)
    seen = []
    model.critic.forward = lambda images: seen.extend(images)
    model.output(levels)
    factors = [(after / before).flatten(1) for after, before in zip(seen, levels, strict=True)]
    assert all(torch.allclose(factor, factors[0][:, :1], atol=1e-5) for factor in factors)
    assert factors[0][:, 0].std() > 0.01 and [x.shape for x in seen] == [x.shape for x in levels]
