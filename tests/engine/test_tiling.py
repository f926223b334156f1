"""Laws of pictures of any size: tiles equal the whole, seams are not seen, nothing is cut off or moved."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from genstudio.engine import tiling
from genstudio.layers.image_to_image import ResNetGenerator
from genstudio.layers.palette import FACADES
from genstudio.models.cyclegan import CycleGAN
from genstudio.models.pix2pix import Pix2Pix
from genstudio.models.restoration import Denoiser, SuperResolution
from genstudio.models.segmentation import Segmenter


def finished(passes: tiling.Passes) -> Tensor:
    while True:
        try:
            next(passes)
        except StopIteration as end:
            return end.value


def scene(height: int, width: int, seed: int = 0) -> Tensor:
    """A picture (1, 3, h, w) with smooth places, edges and grain."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 2 + height // 37, 2 + width // 41, generator=draw) * 2 - 1
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (smooth + 0.1 * torch.randn(1, 3, height, width, generator=draw)).clamp(-1, 1)


def lively(model: nn.Module) -> nn.Module:
    """A model whose last layers, which begin at zero, do something."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for parameter in model.parameters():
            if parameter.dim() == 4:
                nn.init.normal_(parameter, 0.0, 0.7 * (parameter[0].numel() ** -0.5))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("shape", [(600, 700), (520, 1100), (3, 30_000), (30_000, 3)])
@pytest.mark.parametrize(
    "build",
    [
        lambda: Denoiser((3, 32, 32), width=8, blocks=2),
        lambda: SuperResolution((3, 32, 32), width=8, blocks=2),
        lambda: Pix2Pix((3, 64, 64), widths=(8, 8, 8)),
    ],
    ids=["denoiser", "super-resolution", "pix2pix"],
)
def test_tiles_give_what_one_pass_gives(build, shape):
    model, x = lively(build()), scene(*shape)
    whole = finished(tiling.at_its_scale(model, model.translate, x, budget=10**9))
    parts = finished(tiling.at_its_scale(model, model.translate, x, budget=256 * 256))
    assert whole.shape == parts.shape == (1, 3, shape[0] * model.scale, shape[1] * model.scale)
    assert (whole - parts).abs().max() < 1e-2


def test_seams_of_a_network_that_norms_by_the_whole_picture_are_not_seen():
    """Its tiles agree only nearly: the step where one passes into the next must be lost among the picture's own."""
    model, x = lively(CycleGAN((3, 64, 64), width=8, blocks=2)), scene(700, 900)
    y = finished(tiling.at_its_scale(model, model.translate, x, budget=256 * 256))
    side = 256
    seams = set()
    for start, stop in tiling.places(900, side, tiling.UNBOUNDED_MARGIN, model.multiple):
        seams |= {s for edge in (start, stop) for s in range(edge - 40, edge + 40) if 0 < s < 899}
    steps = (y[..., 1:] - y[..., :-1]).abs().mean((0, 1, 2))
    at_seams = torch.tensor([s in seams for s in range(899)])
    assert at_seams.any() and not at_seams.all()
    assert steps[at_seams].mean() <= 1.1 * steps[~at_seams].mean()


def test_parts_are_normed_as_the_whole_was():
    """Without the statistics of the whole picture a dark and a light half would come out alike."""
    model = lively(CycleGAN((3, 64, 64), width=8, blocks=2))
    x = torch.cat([torch.full((1, 3, 256, 512), -0.8), torch.full((1, 3, 256, 512), 0.8)], 3) + 0.05 * scene(256, 1024)
    whole = finished(tiling.at_its_scale(model, model.translate, x, budget=10**9))
    parts = finished(tiling.at_its_scale(model, model.translate, x, budget=256 * 256))
    alone = torch.cat([model.translate(half) for half in x.split(512, 3)], 3)
    assert (parts - whole).abs().mean() < 0.5 * (alone - whole).abs().mean()


def test_another_pictures_statistics_do_not_stay_behind():
    generator = lively(ResNetGenerator(3, width=4, blocks=1))
    model = CycleGAN((3, 64, 64), width=4, blocks=1)
    model.generator["there"] = generator
    x = scene(64, 64)
    before = generator(x)
    passes = tiling.at_its_scale(model, generator, scene(600, 600, seed=1), budget=256 * 256)
    next(passes)  # one part is done; now another visitor's picture comes between
    assert torch.equal(generator(x), before)
    passes.close()
    assert torch.equal(generator(x), before)


@pytest.mark.parametrize("shape", [(64, 64), (300, 500), (1, 1), (7, 2000), (40, 30)])
def test_at_its_own_scale_a_picture_that_should_not_change_comes_back_as_it_was(shape):
    model = CycleGAN((3, 64, 64), width=4, blocks=1).eval()  # as built, it changes nothing
    x = scene(*shape)
    assert torch.allclose(finished(tiling.at_own_scale(model, lambda y: y, x)), x, atol=1e-5)


def test_at_its_own_scale_the_network_sees_pictures_as_large_as_it_learned_on():
    model, seen = CycleGAN((3, 64, 64), width=4, blocks=1).eval(), []

    def run(images: Tensor) -> Tensor:
        seen.append(images.shape[2] * images.shape[3])
        return images

    for shape in ((512, 512), (200, 900), (20, 30)):
        finished(tiling.at_own_scale(model, run, scene(*shape)))
    assert all(64 * 64 * 0.8 < count < 64 * 64 * 1.4 for count in seen)


def test_label_pictures_are_resized_without_new_colours_and_their_translation_is_no_change_of_them():
    model, seen = Pix2Pix((3, 64, 64), widths=(4, 4), palette=FACADES).eval(), []
    blocks = torch.randint(12, (1, 20, 30), generator=torch.Generator().manual_seed(0))
    x = FACADES.paint(blocks.repeat_interleave(10, 1).repeat_interleave(10, 2))

    def run(images: Tensor) -> Tensor:
        seen.append(images)
        return torch.zeros_like(images)

    for translated in (tiling.at_own_scale, tiling.at_its_scale):
        made = finished(translated(model, run, x))
        assert made.shape == x.shape and not made.any(), "the source shows through"
    assert all(FACADES.covers(images) for images in seen)


@pytest.mark.parametrize("translated", [tiling.at_own_scale, tiling.at_its_scale])
def test_drawn_labels_have_colours_of_the_palette_at_any_size(translated):
    """Upsampled, and where two tiles are blended."""
    model = lively(Segmenter((3, 64, 64), widths=(8, 8), palette=FACADES))
    x = scene(300, 400)
    made = finished(translated(model, model.translate, x, budget=200 * 200))
    assert made.shape == x.shape and FACADES.covers(made) and len(FACADES.nearest(made).unique()) > 2


def test_places_cover_every_pixel_on_the_grid_of_the_network():
    for length in (100, 513, 900, 1500, 5000):
        for multiple in (1, 2, 32):
            spans = tiling.places(length, 512, 40, multiple)
            assert spans[0][0] == 0 and spans[-1][1] == length
            assert all(start % multiple == 0 for start, _ in spans)
            trusted = torch.zeros(length)
            for start, stop in spans:
                trusted[start:stop] += tiling.trust(stop - start, 40, start > 0, stop < length, 1)
            assert trusted.min() > 0.5, (length, multiple)


def test_mirrors_repeat_no_edge():
    assert tiling.reflections(4, 5).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert tiling.reflections(1, 3).tolist() == [0, 0, 0, 0]
    x = scene(5, 6)
    assert torch.equal(tiling.mirrored(x, 3, 2), nn.functional.pad(x, (0, 2, 0, 3), mode="reflect"))
