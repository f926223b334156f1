"""Laws of the diffusion model: what it learns from, and that its pictures follow from seeds and controls alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from genstudio.controls import ANY, NONE
from genstudio.layers.unet import ResidualBlock
from genstudio.model import LABEL_DROPOUT, Batch, Companions, Frame, Noise, Progress
from genstudio.models.diffusion import HYBRID, Diffusion
from genstudio.registry import find_system
from genstudio.samplers import SAMPLERS
from genstudio.samplers.schedule import CLEAN

NAMES = ("a", "b", "c")


@pytest.fixture(autouse=True)
def dice():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def diffusion(**kwargs) -> Diffusion:
    """As it is born: it says zero."""
    torch.manual_seed(0)
    model = Diffusion(**{"image_shape": (1, 8, 8), "widths": (64,), "blocks": 1} | kwargs).eval()
    model.class_names = NAMES[: model.classes]
    return model


def woken(size: float = 0.05, **kwargs) -> Diffusion:
    """With numbers in place of the zeros that it begins with: no picture means anything, and each depends on all."""
    model = diffusion(**kwargs)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(0, size)
    return model


def last(frames: Iterator[Frame]) -> Tensor:
    with torch.no_grad():
        *_, frame = frames
    return frame.images


def pictures(n: int = 2, seed: int = 0) -> Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) - 0.5


# Learning

LEARNINGS = [(p, v, i) for p in ("epsilon", "x_0", "v") for v in (False, True) for i in (False, True)]


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(("predicts", "learned_variance", "important"), LEARNINGS)
def test_losses_are_finite_and_reach_every_weight(predicts, learned_variance, important, classes):
    settings = {"predicts": predicts, "learned_variance": learned_variance, "important": important, "classes": classes}
    model = woken(times=20, attention=(0,), **settings).train()
    batch = Batch(pictures(32), torch.arange(32) % classes if classes else None)
    [(player, terms)] = model.losses(batch, Progress())
    assert player == "model" and set(terms) == {"denoising", *(["bound"] if learned_variance else [])}
    assert all(t.isfinite() and t > 0 for t in terms.values())
    sum(terms.values()).backward()
    slopes = {name: torch.zeros(1) if p.grad is None else p.grad.norm() for name, p in model.named_parameters()}
    assert all(slope.isfinite() for slope in slopes.values())
    assert [name for name, slope in slopes.items() if slope < 1e-6] == []  # of rounding alone it is about 1e-8


@pytest.mark.parametrize("name", ["ddpm_mnist", "ddpm_avatars"])
def test_all_blocks_hear_what_is_told(name):
    """Group norm takes from a group of one channel whatever was added to all of it: the time, say."""
    network = find_system(name).build().network
    blocks = {where: block for where, block in network.named_modules() if isinstance(block, ResidualBlock)}
    deaf = []
    for where, block in blocks.items():
        block.conv2.weight.data.normal_(0, 0.1)
        x, told = torch.randn(1, block.conv1.in_channels, 4, 4), torch.randn(2, 1, block.conditioning.in_features)
        if torch.allclose(block(x, told[0]), block(x, told[1]), atol=1e-3):
            deaf.append(where)
    assert len(blocks) > 5 and not deaf


@pytest.mark.parametrize("learned_variance", [False, True])
def test_a_model_that_draws_important_times_notes_their_losses(learned_variance):
    """While it trains: a test score must not change what is drawn next."""
    model = woken(times=20, important=True, learned_variance=learned_variance)
    list(model.losses(Batch(pictures(16)), Progress()))
    assert model.important.count.sum() == 0
    list(model.train().losses(Batch(pictures(16)), Progress()))
    assert model.important.count.sum() == 16 and (model.important.losses > 0).any()


@pytest.mark.parametrize("predicts", ["epsilon", "x_0", "v"])
def test_who_says_nothing_loses_the_mean_square_of_what_was_to_be_said(predicts):
    """1 for the noise, the pictures' own for the picture, and in between for v, which shares the times out."""
    model, images = diffusion(predicts=predicts), pictures(5000)
    model.network.forward = lambda x, times, kinds: torch.zeros_like(x)
    [(_, terms)] = model.losses(Batch(images), Progress())
    left = model.schedule.alpha_bars.mean().item()
    power = images.square().mean().item()
    expected = {"epsilon": 1.0, "x_0": power, "v": left + (1 - left) * power}[predicts]
    assert terms["denoising"].item() == pytest.approx(expected, rel=0.05)


def test_of_some_pictures_the_class_is_not_told():
    model, told = diffusion(classes=3), []
    model.network.forward = lambda x, times, kinds: told.append(kinds) or x
    labels = torch.arange(3000) % 3
    list(model.losses(Batch(torch.zeros(3000, 1, 2, 2), labels), Progress()))
    [kinds] = told
    untold = kinds == model.classes
    assert untold.float().mean().item() == pytest.approx(LABEL_DROPOUT, abs=0.03)  # 5 standard errors
    assert torch.equal(kinds[~untold], labels[~untold])


def test_only_the_variance_learns_from_the_bound():
    """Nichol and Dhariwal 2021, section 3.1: the guess is held there."""
    model = woken(learned_variance=True, times=20)
    [(_, terms)] = model.losses(Batch(pictures(8)), Progress())
    [slope] = torch.autograd.grad(terms["bound"], [model.network.conv_out.bias])
    assert slope[0] == 0 and slope[1] != 0


def test_the_term_of_the_bound_is_the_bound_at_its_weight():
    """In nats per number: times as many as there are times, for one was drawn of each picture."""
    model, images = diffusion(learned_variance=True, times=20), pictures(20_000)
    model.network.forward = lambda x, times, kinds: torch.cat([x / 2, x / 3], 1)
    [(_, terms)] = model.losses(Batch(images), Progress())
    whole = sum(model.nats_at(images[:1000], torch.full((1000,), t)).mean().item() for t in range(20)) / 64
    assert terms["bound"].item() == pytest.approx(HYBRID * whole, rel=0.1)


def test_a_learned_variance_changes_nothing_about_the_guess():
    """What is said of it stands behind what is said of the picture."""
    model, x = woken(learned_variance=True), pictures(2)
    with torch.no_grad():
        seen = model.denoiser(None)(x, 300)
        said, width = model.network(x, torch.full((2,), 300)).chunk(2, 1)
    schedule = model.schedule
    expected = (schedule.signal(300) * x - schedule.noise(300) * said).clamp(-1, 1)
    torch.testing.assert_close(seen.x_0, expected)
    torch.testing.assert_close(seen.width, (width + 1) / 2)


# Pictures from noise


@pytest.mark.parametrize("learned_variance", [False, True])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seed_is_the_same_picture_alone_and_in_a_batch(sampler, learned_variance):
    model = woken(classes=3, learned_variance=learned_variance)
    controls = {"steps": 6, "sampler": sampler, "eta": 0.5, "guidance": 3.0}
    whole = last(model.sample(Noise([3, 1, 7, 1]), **controls))
    alone = last(model.sample(Noise([7]), **controls))
    assert (alone[0] - whole[2]).abs().max() < 1 / 255
    assert (whole[1] - whole[3]).abs().max() < 1 / 255  # the same seed twice
    assert (whole[0] - whole[2]).abs().max() > 0.1


def test_any_class_is_each_picture_s_own_draw():
    """From its own stream: seed 5 is of one class in every batch, and all classes come up alike."""
    model = woken(classes=3)
    of_any = last(model.sample(Noise(range(12)), label=ANY, steps=5))
    of_each = torch.stack([last(model.sample(Noise(range(12)), label=name, steps=5)) for name in NAMES])
    distance = (of_each - of_any).abs().flatten(2).amax(2)  # (classes, n)
    drawn = distance.argmin(0)
    assert (distance.min(0).values < 1 / 255).all() and (distance.sort(0).values[1] > 2 / 255).all()
    assert set(drawn.tolist()) == {0, 1, 2}
    alone = last(model.sample(Noise([5]), label=ANY, steps=5))
    assert (alone[0] - of_each[drawn[5], 5]).abs().max() < 1 / 255
    counts = torch.bincount(model._labels(Noise(range(3000)), ANY), minlength=3)
    assert (counts - 1000).abs().max() < 130  # 5 standard errors


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_frames_count_down_to_the_picture(sampler):
    model = woken()
    with torch.no_grad():
        frames = list(model.sample(Noise([0, 1]), steps=6, sampler=sampler))
    assert [f.step for f in frames] == [0, 1, 2, 3, 4, 5, 6] and {f.steps for f in frames} == {6}
    assert [f.time for f in frames] == [*model.schedule.times(6), CLEAN]
    assert torch.equal(frames[0].extra["x_t"], Noise([0, 1]).normal(1, 8, 8))
    for frame in frames[:-1]:  # the guess and the noise are what x_t is made of
        x = model.schedule.add_noise(frame.images, frame.extra["noise"], frame.time)
        torch.testing.assert_close(x, frame.extra["x_t"], rtol=1e-4, atol=1e-4)
    assert torch.equal(frames[-1].images, frames[-1].extra["x_t"])
    assert all(f.images.abs().max() <= 1 for f in frames)


def test_without_classes_there_is_nothing_to_guide_to():
    model = woken()
    strong, weak = (last(model.sample(Noise([0]), guidance=guidance, steps=5)) for guidance in (8.0, 1.0))
    assert torch.equal(strong, weak)


@pytest.mark.parametrize("t", [900, 500, 50])
def test_guidance_leads_from_no_class_through_the_one_asked_for(t):
    """0 does not know the class, 1 is the class as learned, and all others lie on the line through the two, clipped."""
    model, x = woken(classes=3), Noise([0, 1, 2]).normal(1, 8, 8)
    kinds, none = torch.tensor([0, 1, 2]), torch.tensor([3, 3, 3])
    with torch.no_grad():
        asked, unasked = (model._denoiser(k)(x, t).x_0 for k in (kinds, none))
        for guidance in (0.0, 0.5, 1.0, 4.0):
            expected = (unasked + guidance * (asked - unasked)).clamp(-1, 1)
            torch.testing.assert_close(model.denoiser(kinds, guidance)(x, t).x_0, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model.denoiser(none, 4.0)(x, t).x_0, unasked.clamp(-1, 1))
    assert (asked - unasked).abs().max() > 0.01


def test_guidance_nought_is_no_class_and_the_class_matters():
    model, settings = woken(classes=3), {"steps": 5}
    none = last(model.sample(Noise([0, 1]), label=NONE, guidance=4.0, **settings))
    assert torch.equal(last(model.sample(Noise([0, 1]), label="b", guidance=0.0, **settings)), none)
    b, c = (last(model.sample(Noise([0, 1]), label=name, **settings)) for name in "bc")
    assert min((b - c).abs().max(), (b - none).abs().max()) > 2 / 255


def test_rescaling_reaches_the_picture():
    model, settings = woken(classes=3), {"steps": 5, "label": "b", "guidance": 8.0}
    plain, tamed = (last(model.sample(Noise([0]), rescale=r, **settings)) for r in (0.0, 1.0))
    assert (plain - tamed).abs().max() > 1 / 255


# A classifier that guides


class Bright(nn.Module):
    """A classifier for which a picture is of class 0 where it is bright, and of class 1 where it is dark."""

    class_names = ()  # it does not say

    def classify(self, images: Tensor) -> Tensor:
        light = 10 * images.mean((1, 2, 3))
        return torch.stack([light, -light], 1)


def test_classifier_guidance_without_a_classifier_or_a_class_is_refused_in_words():
    model = woken(classes=2)
    with pytest.raises(ValueError, match="needs a classifier"):
        last(model.sample(Noise([0]), label="a", classifier_guidance=1.0))
    model.companions = Companions({"judge": Bright()})
    with pytest.raises(ValueError, match="needs a class"):
        last(model.sample(Noise([0]), label=NONE, classifier_guidance=1.0))
    classless = woken()
    classless.companions = Companions({"judge": Bright()})
    with pytest.raises(ValueError, match="needs a classifier"):
        last(classless.sample(Noise([0]), classifier_guidance=1.0))


@pytest.mark.parametrize("learned_variance", [False, True])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_classifier_guides_each_picture_to_its_own_class(sampler, learned_variance):
    """In the network's place stands what is best to say of pixels that are N(0, 1/4)."""
    model, noise = diffusion(classes=2, predicts="x_0", learned_variance=learned_variance), Noise(range(6))
    model.companions = Companions({"judge": Bright()})

    def best(x: Tensor, times: Tensor, kinds: Tensor) -> Tensor:
        signal, noise = model.schedule.at(times)
        guess = x * signal / 4 / (signal.square() / 4 + noise.square())
        return torch.cat([guess, guess], 1) if learned_variance else guess

    model.network.forward = best
    kinds, settings = model._labels(Noise(range(6)), ANY), {"steps": 20, "sampler": sampler}
    assert set(kinds.tolist()) == {0, 1}
    x = noise.normal(1, 8, 8)  # go_on draws the classes, being given x
    plain, guided = (
        last(model.denoise_from(x, 999, Noise(range(6)), classifier_guidance=scale, **settings)).mean((1, 2, 3))
        for scale in (0.0, 5.0)
    )
    assert ((guided - plain) * torch.where(kinds == 0, 1, -1) > 0.02).all()


def test_its_classifier_is_no_part_of_the_model():
    """Else it would be trained and saved along."""
    model, judge = woken(classes=2), nn.Linear(2, 2)
    weights = set(model.state_dict())
    model.companions = Companions({"judge": judge})
    assert set(model.state_dict()) == weights and judge.weight not in set(model.parameters())


# From a picture on


def test_no_strength_leaves_a_picture_as_it_is():
    images = pictures()
    with torch.no_grad():
        [frame] = woken().img2img(images, Noise([0, 1]), strength=0.0)
    assert torch.equal(frame.images, images) and frame.time == CLEAN


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_full_strength_forgets_a_picture(sampler):
    """Of it 5e-5 are left then, and any two give the same within a grey level."""
    model, images, settings = woken(), pictures(), {"sampler": sampler, "steps": 6}
    one, other = (last(model.img2img(p, Noise([0, 1]), strength=1.0, **settings)) for p in (images, -images))
    assert (one - other).abs().max() < 1 / 255
    from_nothing = last(model.sample(Noise([0, 1]), **settings))
    assert (one - from_nothing).abs().max() < 1 / 255


def test_the_stronger_the_farther_from_the_picture():
    """A model that finds nothing but grey in noise."""
    model, images = diffusion(), pictures(8)
    model.network.forward = lambda x, times, kinds: torch.zeros_like(x)
    drawn = [last(model.img2img(images, Noise(range(8)), strength=strength)) for strength in (0.1, 0.3, 0.6, 1.0)]
    away = [(images - picture).square().mean() for picture in drawn]
    assert away == sorted(away) and 0 < away[0] < 0.1 * away[-1]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_redrawing_under_a_mask_leaves_all_else(sampler):
    model, images, mask = woken(classes=3), pictures(), torch.zeros(2, 1, 8, 8)
    mask[:, :, 2:5, 3:] = 1
    settings = {"strength": 0.9, "sampler": sampler, "eta": 0.5, "steps": 6}
    drawn = last(model.img2img(images, Noise([0, 1]), mask=mask, **settings))
    assert torch.equal(drawn[mask == 0], images[mask == 0])
    assert ((drawn - images)[mask == 1].abs() > 1 / 255).float().mean() > 0.9
    everything = last(model.img2img(images, Noise([0, 1]), mask=torch.ones_like(mask), **settings))
    assert torch.equal(everything, last(model.img2img(images, Noise([0, 1]), **settings)))


def test_a_picture_can_be_walked_back_to_its_noise_and_comes_again():
    """Each of DDIM's steps is wrong by as much as the network changes on it, so twice the steps halve the error; as the
    way back knows no clipping, no guess may lie outside [-1, 1]."""
    model, images, wrong = woken(size=0.01), pictures(), []
    for steps in (10, 20, 40):
        with torch.no_grad():
            *_, end = model.invert(images, model.schedule.times(steps))
        assert (end.step, end.steps, end.time) == (steps, steps, 999)
        again = last(model.denoise_from(end.extra["x_t"], 999, Noise([0, 1]), label=NONE, steps=steps, sampler="ddim"))
        wrong.append((again - images).square().mean().sqrt().item())
    assert wrong[0] < 0.1 and all(1.6 < a / b < 2.4 for a, b in zip(wrong, wrong[1:], strict=False))


def test_from_the_noise_that_was_found_a_picture_comes_back_whatever_the_seed():
    """There and back again, counted through; from noise that was drawn it does not come back."""
    model, images = woken(size=0.01), pictures()
    settings = {"strength": 0.5, "steps": 20, "sampler": "ddim", "label": NONE}
    with torch.no_grad():
        found = list(model.img2img(images, Noise([0, 1]), start="found", **settings))
    assert [f.step for f in found] == list(range(41)) and {f.steps for f in found} == {40}
    there, back = [f.time for f in found[:21]], [f.time for f in found[20:]]
    assert there == [CLEAN, *reversed(model.schedule.times(20, 499))] and there == back[::-1]
    assert torch.equal(last(model.img2img(images, Noise([2, 3]), start="found", **settings)), found[-1].images)
    drawn = last(model.img2img(images, Noise([0, 1]), **settings))
    assert (found[-1].images - images).abs().mean() < 0.2 * (drawn - images).abs().mean()


@pytest.mark.parametrize("steps", [20, 7])
def test_going_on_from_a_step_is_as_if_one_had_never_stopped(steps):
    """With DDIM, which remembers nothing but x_t. That is what a branch starts from."""
    model = woken(classes=3)
    settings = {"label": "b", "sampler": "ddim", "guidance": 3.0}
    with torch.no_grad():
        frames = list(model.sample(Noise([0, 1]), steps=steps, **settings))
    for frame in frames[1:-1:4]:
        left = frame.steps - frame.step
        again = last(model.denoise_from(frame.extra["x_t"], frame.time, Noise([0, 1]), steps=left, **settings))
        assert torch.equal(again, frames[-1].images)


def test_another_seed_branches_off():
    model, settings = woken(), {"steps": 10, "sampler": "ddpm"}
    with torch.no_grad():
        frames = list(model.sample(Noise([0]), **settings))
    half = frames[5]
    one, other = (
        last(model.denoise_from(half.extra["x_t"], half.time, Noise([seed]), steps=5, sampler="ddpm")) for seed in (1, 2)
    )
    assert (one - other).abs().max() > 1 / 255
    assert not torch.equal(one, frames[-1].images)


# The bound


def test_parts_of_the_bound_are_never_negative_and_those_of_one_time_are_of_one_size():
    """At t > 0 each is a KL divergence; at t = 0 it is what one grey level of 256 costs."""
    model, images = woken(classes=3), pictures(20)
    with torch.no_grad():
        parts = torch.stack([model.nats_at(images, torch.full((20,), t), torch.arange(20) % 4) for t in (0, 1, 100, 999)])
    assert parts.shape == (4, 20) and parts.isfinite().all() and (parts >= 0).all()
    assert (parts.std(1) < parts.mean(1)).all()


def test_an_untrained_model_s_bound_is_finite_and_worse_than_none():
    """It finds grey in everything: that costs more than the eight bits of a grey level that is written down."""
    model, images = diffusion(times=50), (pictures(20) * 255).round() / 127.5
    model.network.forward = lambda x, times, kinds: torch.zeros_like(x)
    with torch.no_grad():
        nats = sum(model.nats_at(images, torch.full((20,), t)).mean().item() for t in range(50))
        nats += model.nats_of_prior(images).mean().item()
    assert math.isfinite(nats) and nats / 64 / math.log(2) > 8
