"""Laws of the networks, the games and the restorations of image-to-image translation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from genstudio.data import Batches, Pictures
from genstudio.engine.edges import outlines
from genstudio.layers.image_to_image import InstanceNorm, PatchCritic, UNet
from genstudio.layers.novelty import Domain, statistics
from genstudio.layers.palette import FACADES
from genstudio.model import Batch, Progress
from genstudio.models.cyclegan import CycleGAN, Pool
from genstudio.models.pix2pix import Pix2Pix
from genstudio.models.restoration import Colorizer, Denoiser, SuperResolution, coloured
from genstudio.models.segmentation import Segmenter
from genstudio.models.translation import luma
from genstudio.objectives.adversarial import critic_least_squares, generator_least_squares
from genstudio.objectives.augmentation import augment
from genstudio.objectives.strokes import with_strokes
from genstudio.registry import find_system


def judge(network: nn.Module, side: int) -> int:
    """Pixels along a side that the middle of the network's output depends on, by its gradient."""
    x = torch.zeros(1, 3, side, side, requires_grad=True)
    y = network(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    there = x.grad[0].abs().sum(0).sum(0).nonzero().flatten()
    return int(there[-1] - there[0]) + 1


@pytest.mark.parametrize(("widths", "patch"), [((4, 8, 8), 34), ((4, 8, 8, 8), 70)])
def test_a_critic_of_three_or_four_widths_judges_patches_of_34_or_70_pixels(widths, patch):
    """Isola et al. 2017, section 6.2: 70 is their default."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert judge(PatchCritic(3, widths, "spectral"), 160) == patch


def test_a_spectrally_normalized_critic_has_singular_values_of_one():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        critic = PatchCritic(3, (4, 8, 8), "spectral")
        for _ in range(50):  # power iterations
            critic(torch.randn(1, 3, 32, 32))
    filters = [module.weight.detach().flatten(1) for module in critic if isinstance(module, nn.Conv2d)]
    assert [torch.linalg.matrix_norm(f, 2).item() for f in filters] == pytest.approx([1.0] * len(filters), rel=0.05)


@pytest.mark.parametrize("width", range(1, 7))
def test_lines_are_redrawn_with_any_width_about_their_middle(width, monkeypatch):
    monkeypatch.setattr(torch, "randint", lambda low, high, size: torch.tensor(width))
    drawing = torch.ones(3, 16, 16)
    drawing[:, :, 7:9] = -1
    lines = with_strokes(drawing, 6)
    assert lines.shape == drawing.shape and (lines == lines[:, :1]).all()
    dark = (lines[0, 0] == -1).nonzero().flatten().tolist()
    assert len(dark) == width and set(lines.unique().tolist()) == {-1, 1}
    assert abs(sum(dark) / width - 7.5) <= 0.5


def test_a_u_net_keeps_size_and_hands_fine_detail_past_its_narrow_middle():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(3, 2, (4, 8, 8)).eval()
        x = torch.randn(2, 3, 40, 24)
        y = network(x)
        assert y.shape == (2, 2, 40, 24)
        network.ups[1][1].weight.data.zero_()  # all that comes from below
        assert not torch.equal(network(x)[:, :, :, 1:], network(x)[:, :, :, :-1])


def test_instance_norm_is_torch_s():
    x = torch.randn(3, 5, 9, 7, generator=torch.Generator().manual_seed(0)) * 4 + 2
    assert torch.allclose(InstanceNorm()(x), nn.functional.instance_norm(x), atol=1e-5)


def test_least_squares_game_by_hand():
    real, fake = torch.tensor([1.0, 0.5]), torch.tensor([0.0, 0.25])
    assert critic_least_squares(real, fake).item() == pytest.approx(0.5 * (0.125 + 0.03125))
    assert generator_least_squares(fake).item() == pytest.approx(0.5 * (1 + 0.5625) / 2)


def test_l1_belongs_to_the_generator_alone():
    """Some texts put it among D's terms, where it would do nothing."""
    model = Pix2Pix((3, 32, 32), widths=(4, 4, 4), critic_widths=(4, 4))
    batch = Batch(torch.rand(2, 3, 32, 32), sources=torch.rand(2, 3, 32, 32))
    terms = dict(model.losses(batch, Progress()))
    assert "L1" in terms["generator"] and "L1" not in terms["critic"]
    assert terms["generator"]["L1"] > 10 * terms["generator"]["generator"]  # its weight is 100


def of_labels(weight: float, adversarial: float) -> Pix2Pix:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Pix2Pix((3, 32, 32), (4, 4, 4), (4, 4), weight, adversarial, palette=FACADES)


def labelled(n: int = 2) -> Batch:
    draw = torch.Generator().manual_seed(1)
    sources = FACADES.paint(torch.randint(12, (n, 32, 32), generator=draw))
    return Batch(torch.rand(n, 3, 32, 32, generator=draw), sources=sources)


def test_the_l1_term_sends_no_gradient_to_the_critic():
    model = of_labels(100.0, 1.0)
    terms = dict(model.losses(labelled(), Progress()))["generator"]
    terms["L1"].backward(retain_graph=True)
    assert all(p.grad is None or not p.grad.any() for p in model.critic.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.generator.parameters())
    terms["generator"].backward()
    assert any(p.grad is not None and p.grad.any() for p in model.critic.parameters())  # this one passes through it


def test_label_planes_stay_one_hot_where_images_are_augmented_before_the_critic():
    """Colours change in the photograph alone, and both are moved and cut alike."""
    source, photograph = FACADES.planes(labelled(64).sources), torch.full((64, 3, 32, 32), 0.5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        changed = augment(torch.cat([source, photograph], 1))
    planes, colours = changed.split([12, 3], 1)
    assert set(planes.unique().tolist()) == {0, 1} and planes.sum(1).max() == 1
    gone = planes.sum(1) == 0  # moved or cut out
    assert 0.05 < gone.float().mean() < 0.9 and not colours.movedim(1, -1)[gone].any()
    assert colours.movedim(1, -1)[~gone].std() > 0.1


def test_three_losses_begin_with_the_same_network_and_the_same_first_pictures():
    """So that they differ in nothing but the loss: critics are built after the generator, dropout draws alike."""
    models = [of_labels(*weights) for weights in ((100.0, 1.0), (100.0, 0.0), (0.0, 1.0))]
    first, *others = (model.generator.state_dict() for model in models)
    assert all(torch.equal(first[key], other[key]) for other in others for key in first)
    made = []
    for model in models:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            made.append(model.train().translate(labelled().sources))
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])
    players = [{player: set(terms) for player, terms in model.losses(labelled(), Progress())} for model in models]
    assert [set(each) for each in players] == [{"critic", "generator"}, {"generator"}, {"critic", "generator"}]
    losses = [{name for name in each["generator"] if not name.startswith("D(")} for each in players]
    assert losses == [{"generator", "L1"}, {"L1"}, {"generator"}]
    assert not [key for key in models[1].state_dict() if key.startswith("critic")]


def test_recipes_of_the_three_losses_show_the_same_pictures_in_the_same_order():
    entries = [find_system(name) for name in ("pix2pix_facades", "pix2pix_facades_l1", "pix2pix_facades_gan")]
    assert len({entry.data for entry in entries}) == 1
    drawn = torch.randint(0, 256, (9, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pictures, seen = Pictures("drawn", drawn, sources=drawn.flip(1)), []
    for recipe in (entry.recipe for entry in entries):
        augmentation = recipe.augmentation
        batches = Batches(pictures, recipe.batch, seed=recipe.seed, **augmentation)
        seen.append([batches[k] for k in (0, 1, recipe.images // recipe.batch - 1)])
    for other in seen[1:]:
        for one, same in zip(seen[0], other, strict=True):
            assert torch.equal(one.images, same.images) and torch.equal(one.sources, same.sources)


def test_a_segmenter_draws_colours_of_its_palette_only():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Segmenter((3, 32, 32), (4, 4, 4), FACADES).eval()
        assert FACADES.covers(model.translate(torch.randn(2, 3, 40, 24)))
        terms = dict(model.losses(labelled(), Progress()))["model"]
    assert terms["cross-entropy"].item() == pytest.approx(np.log(12), abs=0.5)  # it knows nothing yet


def test_a_u_net_with_a_stage_at_full_resolution_leaves_no_checkerboard():
    """Of a constant input, far from the border: a transposed convolution treats even and odd pixels differently."""

    def spread(detail: int) -> float:
        network = UNet(3, 3, (8, 8), dropout=0, detail=detail).eval()
        for parameter in network.parameters():
            if parameter.dim() == 4:
                nn.init.normal_(parameter, 0.0, parameter[0].numel() ** -0.5)
        return network(torch.full((1, 3, 96, 96), 0.5))[..., 32:64, 32:64].std((2, 3)).max().item()

    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert spread(detail=0) > 0.05 and spread(detail=8) < 1e-4


def test_going_nowhere_costs_no_cycle_no_identity_and_no_change():
    """As built, both generators change nothing: there and back is then where it began."""
    model = CycleGAN((3, 32, 32), width=4, blocks=1, critic_widths=(4, 4), regularization=0.5)
    batch = Batch(torch.rand(2, 3, 32, 32), sources=torch.rand(2, 3, 32, 32))
    terms = dict(model.losses(batch, Progress(images=1_000_000)))["generator"]
    assert [terms[name].item() for name in ("cycle", "identity", "change")] == pytest.approx([0, 0, 0], abs=1e-6)
    with torch.no_grad():
        model.generator["there"].layers[-1].bias += 0.1
    terms = dict(model.losses(batch, Progress(images=1_000_000)))["generator"]
    assert terms["cycle"] > 0  # both pictures are changed once on their cycle; one of them is by the others
    expected = terms["cycle"].item() / 4
    assert [terms[name].item() for name in ("identity", "change")] == pytest.approx([expected, expected], rel=0.2)


def test_the_amount_of_change_goes_from_none_to_more_than_learned():
    model = CycleGAN((3, 32, 32), width=4, blocks=1).eval()
    with torch.no_grad():
        model.generator["back"].layers[-1].bias += 0.1
    x = torch.zeros(1, 3, 32, 32)
    none, half, whole, more = (model.translate(x, direction="back", amount=a) for a in (0.0, 0.5, 1.0, 1.5))
    assert torch.equal(none, x) and torch.allclose(half, whole / 2) and torch.allclose(more, 1.5 * whole)
    assert torch.equal(model.translate(x, direction="there"), x)


def test_the_pool_shows_half_old_fakes_once_it_is_full():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pool = Pool((1, 2, 2), size=50)
        pictures = torch.arange(1000.0).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
        shown = torch.cat([pool(part) for part in pictures.split(4)])[:, 0, 0, 0]
    assert torch.equal(shown[:48], torch.arange(48.0))  # until it is full, what comes goes
    old = (shown[100:] != torch.arange(100.0, 1000)).float().mean()
    assert 0.43 < old < 0.57  # 900 fair coins: beyond four standard deviations otherwise
    assert len(set(shown[50:].tolist())) == 950  # an older one is shown once more: it left its place to another


def test_restorations_begin_with_doing_nothing():
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.equal(Denoiser((3, 32, 32)).translate(x), x)
    twice = SuperResolution((3, 32, 32)).translate(x)
    assert torch.allclose(twice, nn.functional.interpolate(x, scale_factor=2, mode="bicubic"))


def test_noise_is_as_strong_as_it_says():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clean = torch.zeros(400, 3, 16, 16)
        noisy = Denoiser((3, 16, 16), width=4, blocks=1).sources(Batch(clean))
    levels = (noisy - clean).flatten(1).std(1) * 127.5
    assert levels.min() < 3 and 50 < levels.max() < 57 and 24 < levels.mean() < 31  # even from 0 to 55


@pytest.mark.parametrize("colour", [0.0, 1.0, 2.0])
def test_a_colorizer_may_not_touch_the_light(colour):
    model = Colorizer((3, 32, 32), widths=(4, 4, 4)).eval()
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    assert torch.allclose(luma(model.translate(x, colour=colour)), luma(x), atol=1e-5)


def test_colour_differences_are_bt601_s():
    """Pure red has luma 0.299, Cb -0.169 and Cr 0.5 on scales from 0 to 1; here all scales are twice as long."""
    y, chroma = torch.tensor(2 * 0.299 - 1), torch.tensor([2 * -0.168736, 2 * 0.5])
    red = coloured(y.view(1, 1, 1, 1), chroma.view(1, 2, 1, 1)).flatten()
    assert torch.allclose(red, torch.tensor([1.0, -1.0, -1.0]), atol=1e-4)


# Which pictures are known -----------------------------------------------------------------------------------------


def drawings(count: int, seed: int) -> Tensor:
    """Black outlines on white."""
    draw, made = np.random.RandomState(seed), []
    for _ in range(count):
        sheet = Image.new("RGB", (64, 64), "white")
        pen = ImageDraw.Draw(sheet)
        for _ in range(draw.randint(2, 6)):
            x, y = draw.randint(4, 40, 2)
            pen.ellipse([x, y, x + draw.randint(5, 20), y + draw.randint(5, 20)], outline="black", width=2)
        made.append(np.asarray(sheet))
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2) / 127.5 - 1


def scenes(count: int, seed: int) -> Tensor:
    """Soft, colourful pictures without white."""
    draw = torch.Generator().manual_seed(seed)
    return nn.functional.interpolate(torch.rand(count, 3, 5, 5, generator=draw) * 1.4 - 0.9, 64, mode="bicubic")


def test_a_domain_knows_its_own_kind_and_not_another():
    for known, other in ((drawings, scenes), (scenes, drawings)):
        domain = Domain()
        domain.fit(known(500, seed=0).split(100))
        assert (domain(known(200, seed=1)) > 1).float().mean() <= 0.01
        assert (domain(other(200, seed=1)) > 1).float().mean() >= 0.99


def test_before_it_has_learned_nothing_is_foreign():
    assert (Domain()(scenes(3, seed=0)) <= 1).all()


def test_statistics_do_not_depend_on_the_size_of_the_picture():
    x = scenes(5, seed=0)
    assert torch.allclose(statistics(x), statistics(nn.functional.interpolate(x, scale_factor=4)), atol=1e-4)


# Lines ------------------------------------------------------------------------------------------------------------


def test_outlines_are_black_where_colours_meet_and_white_elsewhere():
    picture = Image.new("RGB", (300, 200), "#88bb44")
    ImageDraw.Draw(picture).rectangle([100, 50, 220, 150], fill="#2244aa")
    lines = np.asarray(outlines(picture).convert("L"))
    assert lines.shape == (200, 300)
    assert lines[50, 160] < 100 and lines[100, 100] < 100  # on the border
    assert lines[10, 10] > 250 and lines[100, 160] > 250  # outside and inside
    assert 0.9 < (lines > 128).mean() < 0.99


def test_more_detail_draws_more_lines_and_size_does_not_matter():
    draw = np.random.RandomState(0)
    small = Image.fromarray(draw.randint(0, 256, (12, 12, 3), dtype=np.uint8))
    picture = small.resize((256, 256), Image.Resampling.BICUBIC)
    ink = [(np.asarray(outlines(picture, d)) < 128).mean() for d in (0.0, 0.5, 1.0)]
    assert ink[0] < ink[1] < ink[2]
    large = (np.asarray(outlines(picture.resize((1024, 1024), Image.Resampling.BICUBIC), 0.5)) < 128).mean()
    assert large == pytest.approx(ink[1], rel=0.35)
    for size in ((1, 1), (1, 3000), (5000, 2)):
        assert outlines(picture.resize(size)).size == size
    with pytest.raises(ValueError, match="between 0 and 1"):
        outlines(picture, 2.0)
