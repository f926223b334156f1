"""Laws of StyleGAN2: what truncation, mixing, classes and fine detail do to a picture, and how it is trained."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from genstudio import checkpoint
from genstudio.controls import ANY, NONE, Text
from genstudio.model import Batch, Noise, Progress, labels_for
from genstudio.models.stylegan2 import FIXED, NEW, OFF, StyleGAN2
from genstudio.registry import systems
from genstudio.system import Recipe, system
from genstudio.training import finetune, loop, step_by_step
from tests.training.test_finetune import drawn
from tests.training.test_loop import assert_equal, state_of

RECIPE = Recipe(images=80, batch=8, rate=2.5e-3, betas=(0.0, 0.99), cosine=False, ema=0.9)
NAMES = ("ant", "bee", "cat")


@system(title=Text("Styled", "Stylé"), data="mnist", recipe=RECIPE)
def styled() -> StyleGAN2:
    return StyleGAN2((3, 16, 16), widths=(8, 8, 8), styles=8, depth=2, classes=3, gamma_every=4, path=2.0, path_every=3, ada=0.1)


def lively(classes: int = 3) -> StyleGAN2:
    """One whose noise can be seen, and whose averages are known."""
    torch.manual_seed(0)
    model = StyleGAN2((3, 16, 16), widths=(8, 8, 8), styles=8, depth=2, classes=classes, ada=0.6).eval().requires_grad_(False)
    for conv in model.generator["synthesis"].convs:
        conv.noise_strength.fill_(0.5)
    for to_rgb in model.generator["synthesis"].to_rgb:
        to_rgb.conv.weight.mul_(0.2)  # colours within [-1, 1]
    model.class_names = NAMES[:classes]
    model.finish([])
    return model


def pictures(count: int = 8) -> Batch:
    return Batch(torch.rand(count, 3, 16, 16) * 2 - 1, torch.arange(count) % 3)


def played(model: StyleGAN2, step: int = 0, batch: Batch | None = None) -> list[tuple[str, dict[str, float]]]:
    return [(player, {name: float(term.detach()) for name, term in terms.items()}) for player, terms in model.losses(batch or pictures(), Progress(step))]


# Truncation


@pytest.mark.parametrize("label", [NONE, *NAMES])
def test_psi_0_gives_one_picture_for_all_seeds(label):
    model = lively()
    w = model.styles(Noise(range(6)), label=label, truncation=0.0)
    images = model.synthesize(w)
    assert torch.equal(w, w[:1].expand_as(w)) and torch.equal(images[1:], images[:1].expand(5, -1, -1, -1))
    assert model.synthesize(model.styles(Noise(range(6)), label=label)).std(0).max() > 0.01


def test_every_class_has_an_average_of_its_own_and_psi_goes_through_it_to_the_other_side():
    model = lively()
    averages = [model.styles(Noise([0]), label=label, truncation=0.0)[0, 0] for label in (*NAMES, NONE)]
    assert torch.equal(torch.stack(averages), model.w_avg)
    assert all(not torch.equal(a, b) for i, a in enumerate(averages) for b in averages[:i])
    across, along = (model.styles(Noise([5]), label="bee", truncation=psi) for psi in (-1.0, 1.0))
    torch.testing.assert_close((across + along)[0] / 2, averages[1].expand_as(along[0]))


def test_the_averages_are_the_means_of_what_is_drawn():
    model = lively()
    w = model.styles(Noise(range(4000)), label="cat")[:, 0]
    error = w.std(0) * (1 / 4000 + 1 / 4096) ** 0.5
    assert ((w.mean(0) - model.w_avg[2]).abs() < 5 * error).all()


def test_truncation_ends_at_its_cutoff():
    model = lively()
    whole, cut = (model.styles(Noise([1, 2]), label="ant", truncation=0.3, cutoff=cutoff) for cutoff in (18, 3))
    plain = model.styles(Noise([1, 2]), label="ant")
    assert torch.equal(cut[:, :3], whole[:, :3]) and torch.equal(cut[:, 3:], plain[:, 3:])
    assert torch.equal(model.styles(Noise([1, 2]), label="ant", truncation=0.3, cutoff=0), plain)


# Codes of the latent space


def test_a_code_is_a_step_in_w_from_the_average():
    model = lively()
    codes = model.latents(Noise(range(5)))
    torch.testing.assert_close(model.decode(codes), model.synthesize(model.styles(Noise(range(5)), label=ANY)))
    average = model.synthesize(model.w_avg[:3].mean(0).expand(1, 6, -1))
    torch.testing.assert_close(model.decode(torch.zeros(1, 8)), average)
    torch.testing.assert_close(model.decode(codes, truncation=0.0), average.expand(5, -1, -1, -1))


def test_without_classes_there_is_one_average():
    model = lively(classes=0)
    assert model.w_avg.shape == (1, 8) and model.styles(Noise([1]), label=ANY).shape == (1, 6, 8)
    torch.testing.assert_close(model.latents(Noise([1])) + model.w_avg, model.styles(Noise([1]))[:, 0])


def test_any_draws_among_the_classes_that_it_has_learned():
    model = lively()
    model.class_names = NAMES[:2]
    assert set(labels_for(model, Noise(range(60)), ANY).tolist()) == {0, 1}


# Mixing


def test_mixing_at_a_layer_leaves_other_layers_styles_alone_and_changes_the_picture():
    model = lively()
    one, other = model.styles(Noise([1, 2]), label=NONE).split(1)
    synthesis = model.generator["synthesis"]
    affines = {name: module for name, module in synthesis.named_modules() if name.endswith("affine")}
    assert len(affines) == 8 and synthesis.layers == 6

    def heard_by(w: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        said = {}
        hooks = [m.register_forward_hook(lambda m, _, out, name=name: said.update({name: out})) for name, m in affines.items()]
        image = model.synthesize(w)
        for hook in hooks:
            hook.remove()
        return image, said

    image, said = heard_by(one)
    heard = set()
    for layer in range(synthesis.layers):
        mixed = one.clone()
        mixed[:, layer] = other[:, layer]
        changed, now = heard_by(mixed)
        moved = {name for name in affines if not torch.equal(said[name], now[name])}
        assert 1 <= len(moved) <= 2, "what makes the picture listens to the next layer's style"
        assert (changed - image).abs().max() > 1e-3
        assert not moved & heard
        heard |= moved
    assert heard == set(affines)


def test_pictures_to_learn_from_are_mixed_of_two_codes_at_one_layer():
    model = lively()
    kinds = torch.zeros(2000, dtype=torch.long)
    changes = (model._mixed(kinds).diff(dim=1) != 0).any(2)  # (n, layers - 1)
    assert changes.sum(1).max() == 1 and abs(changes.any(1).float().mean() - 0.9) < 0.04
    assert (changes.float().mean(0) > 0.1).all(), "some layer is never the first of another code"
    model.mixing = 0.0
    assert not model._mixed(kinds).diff(dim=1).any()


# Fine detail


def test_fixed_detail_is_the_same_twice_off_has_none_and_new_follows_the_seed():
    model = lively()
    w = model.styles(Noise([1]), label=NONE).expand(2, -1, -1)
    fixed, off, new = (model.synthesize(w, Noise([7, 8]), noise_mode=noise_mode) for noise_mode in (FIXED, OFF, NEW))
    assert torch.equal(fixed, model.synthesize(w)) and torch.equal(fixed[0], fixed[1])
    assert torch.equal(off, model.synthesize(w, noise_mode=OFF)) and torch.equal(off[0], off[1])
    assert not torch.equal(new[0], new[1])
    torch.testing.assert_close(new[1:], model.synthesize(w[1:], Noise([8]), noise_mode=NEW))
    assert min((a - b).abs().max() for a, b in ((fixed, off), (fixed, new), (off, new))) > 0.01
    with pytest.raises(ValueError, match="drawn from seeds"):
        model.synthesize(w, noise_mode=NEW)


def test_off_is_what_a_generator_draws_whose_noise_has_no_strength():
    model = lively()
    w = model.styles(Noise([1, 2]))
    off = model.synthesize(w, noise_mode=OFF)
    for conv in model.generator["synthesis"].convs:
        conv.noise_strength.zero_()
    assert torch.equal(model.synthesize(w), off)


# Training


def test_regularizers_are_lazy_and_count_as_often_as_they_are_left_out():
    model = styled()
    seen = {step: [set(terms) for _, terms in played(model, step)] for step in range(12)}
    assert {step for step, (critic, _) in seen.items() if "r1" in critic} == {0, 4, 8}
    assert {step for step, (_, generator) in seen.items() if "path" in generator} == {0, 3, 6, 9}
    batch, found = pictures(), []
    for model.gamma_every in (1, 16):
        torch.manual_seed(3)
        found.append(played(model, 0, batch)[0][1]["r1"])
    assert found[1] == pytest.approx(16 * found[0], rel=1e-5)


def test_the_critic_is_told_the_class_of_both_and_now_and_then_none():
    model, told = lively(), []
    model.critic.register_forward_pre_hook(lambda module, inputs: told.append(inputs[1].clone()))
    torch.manual_seed(1)
    batch = pictures(300)
    for _ in model.losses(batch, Progress(1)):
        pass
    assert len(told) == 3 and all(torch.equal(kinds, told[0]) for kinds in told)
    none = told[0] == 3
    assert 0.04 < none.float().mean() < 0.18 and torch.equal(told[0][~none], batch.labels[~none])


def test_pictures_without_labels_are_learned_from_untold():
    model, told = lively(), []
    model.critic.register_forward_pre_hook(lambda module, inputs: told.append(inputs[1]))
    assert len(played(model, 0, Batch(pictures().images))) == 2 and all((kinds == 3).all() for kinds in told)


def test_real_and_made_pictures_are_changed_alike():
    model, shown = lively(), []
    model.augment = lambda images: shown.append(images) or 0 * images
    model.ada.register_forward_hook(lambda *_: shown.append("ada"))
    model.critic.register_forward_pre_hook(lambda module, inputs: pytest.fail("unchanged") if inputs[0].any() else None)
    played(model)
    assert [s if isinstance(s, str) else s.shape for s in shown] == ["ada", (8, 3, 16, 16)] * 3


def test_a_critic_is_frozen_from_the_picture_on():
    model = styled()
    finetune.prepare(model, replace(RECIPE, freeze=2))
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"critic.from_rgb.weight", "critic.from_rgb.bias", *(f"critic.blocks.0.conv1.{kind}" for kind in ("weight", "bias"))}
    with pytest.raises(ValueError, match="less than the 8 layers"):
        finetune.prepare(model, replace(RECIPE, freeze=8))


def test_its_game_can_be_played_step_by_step():
    model = styled()
    images, none = torch.zeros(2, 3, 16, 16), torch.full((2,), model.classes)
    expected = model.critic(images, none if model.classes else None).squeeze(1)
    assert torch.equal(step_by_step.verdict(model, images), expected)


def test_a_run_that_was_stopped_goes_on_to_equal_bytes(tmp_path, monkeypatch):
    """With both regularizers and what adaptive augmentation has learned of the critic."""
    monkeypatch.setitem(systems(), "styled", styled.system)
    monkeypatch.setattr(loop, "save_sample_grid", lambda model, path, *_: path)
    monkeypatch.setattr(loop.timelapse, "make", lambda *_: None)
    for name in NAMES:
        drawn(tmp_path / "set" / name)
    options = {"data": str(tmp_path / "set"), "device": "cpu"}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        list(loop.train("styled", out=tmp_path / "whole", **options))
        list(loop.train("styled", out=tmp_path / "halves", max_minutes=0.0, **options))
        list(loop.train("styled", out=tmp_path / "halves", resume=True))
    finally:
        torch.set_num_threads(before)
    assert_equal(state_of(tmp_path / "whole"), state_of(tmp_path / "halves"))
    model, header = checkpoint.load(tmp_path / "whole" / "styled.safetensors")
    assert header.classes == list(NAMES) and model.w_avg.abs().max() > 0 and model.ada.sign != 0

