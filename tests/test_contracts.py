"""What every system promises, whoever wrote it: the registry is the list of tests."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import checkpoint, paths, train
from genstudio.data import named
from genstudio.engine import VIEWS, Engine
from genstudio.model import Batch, Model, Noise, Slider, Text, controls, generates, sample, verbs
from genstudio.precision import Precision
from genstudio.registry import find, systems, with_verbs

ALL = sorted(systems())
GENERATORS = [name for name in ALL if generates(systems()[name].model)]
TRANSLATORS = [system.name for system in with_verbs("translate")]
SHIPPED = sorted(p for p in paths.SHIPPED.glob("*.safetensors") if not p.name.endswith(".critic.safetensors"))
MOST_PARAMETERS, MOST_BYTES, MOST_FILM = 4_700_000, 9_500_000, 200_000


def pictures(engine: Engine, path: str, seeds: list[int], **values) -> np.ndarray:
    *_, last = engine.sample(path, seeds, **values)
    return last


def tiny_batch(name: str, count: int = 4) -> Batch:
    """Random pictures with labels 0, 1, ..., every attribute that the model tells and sources, on the grid of 8 bits as real
    ones are."""
    model = find(name).build()
    draw = torch.Generator().manual_seed(0)
    images, sources = (torch.randint(0, 256, (count, *model.image_shape), generator=draw) / 127.5 - 1 for _ in range(2))
    numbers = torch.arange(count)
    conditions = {name: numbers % len(values) if values else numbers % 2 == 0 for name, values in model.attributes.items()}
    return Batch(images, numbers, conditions, sources)


def sampling_controls(name: str) -> dict:
    model = systems()[name].model
    return controls(getattr(model, "sample", None) or model.decode)


@pytest.mark.parametrize("name", ALL)
def test_a_system_builds_what_its_annotation_says(name):
    entry = find(name)
    model = entry.build()
    assert type(model) is entry.model and entry.name == name == entry.build.__name__
    assert set(verbs(model)) == set(verbs(entry.model)), "a verb must be there before the model is built"
    channels, height, width = model.image_shape
    assert channels in (1, 3) and 1 <= height <= 1024 and 1 <= width <= 1024


@pytest.mark.parametrize("name", ALL)
def test_a_system_speaks_both_languages(name):
    entry = find(name)
    assert entry.summary and entry.title.en and entry.title.fr and entry.title.en != entry.title.fr
    for verb in verbs(entry.model):
        for control in controls(getattr(entry.model, verb)).values():
            for text in (control.kind.title, control.kind.hint):
                assert isinstance(text, Text) and text.en and text.fr and text.en != text.fr


def test_titles_tell_systems_apart():
    for language in ("en", "fr"):
        assert len({getattr(entry.title, language) for entry in systems().values()}) == len(systems())


@pytest.mark.parametrize("name", ALL)
def test_what_sampling_needs_is_small_enough_to_ship(name, untrained):
    state = find(name).build().state_dict()
    count = sum(t.numel() for key, t in state.items() if not key.startswith(checkpoint.CRITIC))
    assert count <= MOST_PARAMETERS
    with open(untrained(name), "rb") as file:
        assert file.seek(0, 2) <= MOST_BYTES


@pytest.mark.parametrize("name", ALL)
def test_a_checkpoint_comes_back_as_it_went(name, tmp_path):
    """Weights to half precision, the header word for word; a second trip changes nothing at all."""
    torch.manual_seed(0)
    model = find(name).build()
    header = checkpoint.Header(name, data="mnist", classes=["é", "b"], recipe=find(name).recipe.as_dict(), step=3, minutes=0.5)
    once, twice = tmp_path / f"{name}.safetensors", tmp_path / f"{name}.again.safetensors"
    checkpoint.save(once, model, header)
    again, said = checkpoint.load(once, critic=True)
    assert vars(said) == vars(header) | {"recipe": said.recipe} and said.recipe == {**header.recipe, "betas": list(header.recipe["betas"])}
    assert again.state_dict().keys() == model.state_dict().keys() and not again.training
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[key], tensor, rtol=1e-3, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")
    checkpoint.save(twice, again, said)
    assert checkpoint.digest(once) == checkpoint.digest(twice)


@pytest.mark.parametrize("name", GENERATORS)
def test_an_image_depends_on_its_seed_alone(name, exact: Engine, untrained, monkeypatch):
    """In exact mode, within 1/255, at any batch size and in any place of the batch."""
    path = untrained(name)
    seeds = [11, 3, 2**62, 0, 7]
    whole = pictures(exact, path, seeds).astype(int)
    for group in ([3], [7, 3], seeds[::-1]):
        some = pictures(exact, path, group)
        for seed, picture in zip(group, some, strict=True):
            assert np.abs(picture - whole[seeds.index(seed)]).max() <= 1
    if hasattr(find(name).model, "latents"):
        codes = exact.latents(path, seeds)
        monkeypatch.setattr("genstudio.engine.FRAME_SECONDS", 0.0)  # one picture a turn
        assert np.array_equal(exact.latents(path, seeds), codes)
        assert np.abs(exact.decode(path, codes) - whole).max() <= 1
    assert np.abs(whole[0] - whole[1]).max() > 0, "every seed draws the same picture"


@pytest.mark.parametrize("name", GENERATORS)
def test_frames_are_pictures(name, fast: Engine, untrained):
    """Finite, of the stated shape, in [-1, 1] as the model gives them and 8 bits as the engine does; the last one says so."""
    path = untrained(name)
    model, _ = checkpoint.load(path)
    with torch.no_grad():
        frames = list(sample(model, Noise([1, 2])))
    for frame in frames:
        assert frame.images.shape == (2, *model.image_shape) and frame.images.isfinite().all()
        assert frame.images.min() >= -1 and frame.images.max() <= 1
    assert frames[-1].step == frames[-1].steps
    channels, height, width = model.image_shape
    for shown in fast.sample(path, [1, 2]):
        assert shown.dtype == np.uint8 and shown.shape == (2, height, width, channels)


@pytest.mark.parametrize(
    ("name", "control", "value"),
    [
        pytest.param(name, control, value, id=f"{name}-{control}-{value}")
        for name in GENERATORS
        for control, (kind, _) in sampling_controls(name).items()
        for value in ((kind.low, kind.high) if isinstance(kind, Slider) else kind.options)
    ],
)
def test_both_ends_of_a_control_work(name, control, value, fast: Engine, untrained):
    assert pictures(fast, untrained(name), [1, 2], **{control: value}).dtype == np.uint8


@pytest.mark.parametrize("name", GENERATORS)
def test_a_value_beyond_the_ends_is_refused(name, fast: Engine, untrained):
    for control, (kind, default) in sampling_controls(name).items():
        assert kind.check(control, default) == default
        for wrong in (kind.low - 1, kind.high + 1, float("nan"), "much") if isinstance(kind, Slider) else ("no such word", None):
            with pytest.raises(ValueError, match=control):
                fast.sample(untrained(name), [1], **{control: wrong})


@pytest.mark.parametrize("name", GENERATORS)
def test_closing_stops_a_sample(name, fast: Engine, untrained):
    frames = fast.sample(untrained(name), [1])
    next(frames)
    frames.close()
    with pytest.raises(StopIteration):
        next(frames)
    assert len(pictures(fast, untrained(name), [1])) == 1  # and the engine is free again


@pytest.mark.parametrize("name", [s.name for s in with_verbs("encode", "decode")])
def test_a_picture_becomes_a_code_that_decodes(name, exact: Engine, untrained):
    path = untrained(name)
    given = [Image.effect_noise((90, 50), 60), Image.new("RGBA", (64, 64), (200, 10, 10, 90))]
    codes = exact.encode(path, given)
    assert codes.shape == (2, exact.latents(path, [0]).shape[1]) and np.isfinite(codes).all()
    assert exact.decode(path, codes).shape[0] == 2
    assert np.abs(exact.encode(path, given[1:]) - codes[1]).max() < 1e-2


@pytest.mark.parametrize("name", [s.name for s in with_verbs("classify")])
def test_a_classifier_gives_probabilities_and_features(name, exact: Engine, untrained):
    channels, height, width = exact.image_shape(untrained(name))
    given = np.random.RandomState(0).randint(0, 256, (3, height, width, channels), dtype=np.uint8)
    probabilities, features = exact.classify(untrained(name), given)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5) and features.shape[0] == 3 and np.isfinite(features).all()


def alive(name: str) -> Model:
    """A translator whose every weight is random: as it is born, it may change nothing, and so hide what it sees."""
    torch.manual_seed(0)
    model = find(name).build().eval().requires_grad_(False)
    for weights in model.parameters():
        if weights.dim() > 1:
            weights.normal_(0, (2 / weights[0].numel()) ** 0.5)
    return model


def translations(name: str) -> list[dict]:
    """The controls at their defaults, and each of its choices and ends in turn."""
    found = [{}]
    for control, (kind, _) in controls(systems()[name].model.translate).items():
        found += [{control: value} for value in ((kind.low, kind.high) if isinstance(kind, Slider) else kind.options)]
    return found


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translation_has_the_size_of_its_source_times_the_scale(name):
    """Also where it is not square, at all ends of the controls, and of one picture as of several."""
    model = alive(name)
    for rows, columns in ((1, 1), (2, 3), (5, 1)):
        height, width = (max(8, model.multiple) * k for k in (rows, columns))
        images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1
        for values in translations(name):
            made = model.translate(images, **values)
            assert made.shape == (2, 3, height * model.scale, width * model.scale) and made.isfinite().all()
            assert (model.translate(images[1:], **values) - made[1:]).abs().max() < 1e-4 * made.abs().max(), "neighbours matter"


@pytest.mark.parametrize("name", TRANSLATORS)
def test_what_a_translator_shows_is_bytes_at_all_ends_of_its_controls(name, fast: Engine, untrained):
    given = np.random.RandomState(0).randint(0, 256, (1, 37, 53, 3), dtype=np.uint8)
    scale = fast.hold(untrained(name)).model.scale
    for values in translations(name):
        for view in VIEWS:
            *_, last = fast.translate(untrained(name), given, view=view, **values)
            assert last.images.dtype == np.uint8 and last.images.shape == (1, 37 * scale, 53 * scale, 3)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_control_of_a_translation_beyond_its_ends_is_refused(name, fast: Engine, untrained):
    for control, (kind, default) in controls(systems()[name].model.translate).items():
        assert kind.check(control, default) == default
        for wrong in (kind.low - 1, kind.high + 1, float("nan"), "much") if isinstance(kind, Slider) else ("no such word", None):
            with pytest.raises(ValueError, match=control):
                fast.translate(untrained(name), np.zeros((1, 8, 8, 3), np.uint8), **{control: wrong})


@pytest.mark.parametrize("name", TRANSLATORS)
def test_nothing_beyond_its_reach_matters_to_a_translator(name):
    """Tiles overlap by that. A pixel is changed in the middle; what is farther away stays the same to the last bits.

    In float64, where a fluke of rounding cannot pass for sight; and something nearby must change, or nothing was seen.
    """
    model = alive(name).double()
    if model.reach is None:
        pytest.skip("it sees the whole picture, and says so")
    side = 2 * -(-(model.reach + 2) // model.multiple) * model.multiple + 2 * model.multiple
    images = torch.rand(1, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.5
    for place in (side // 2, side // 2 + 1, side // 2 + model.multiple // 2):
        changed = images.clone()
        changed[..., place, place] += 0.5
        seen = (model.translate(changed) - model.translate(images)).abs().amax(1)[0]
        touched = torch.nonzero(seen > 1e-12 * seen.max())
        assert len(touched) > 1
        # The output pixels of an input pixel begin at `scale` times its place.
        apart = torch.where(touched >= place * model.scale, (touched - place * model.scale) // model.scale, place - touched // model.scale)
        assert apart.max() <= model.reach


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translator_learns_which_pictures_it_knows(name):
    """What it is given in training is not foreign to it, and flat black is."""
    model = find(name).build()
    batch = Batch(smooth(64, model.image_shape, 0), sources=smooth(64, model.image_shape, 1))
    torch.manual_seed(0)
    model.finish([batch])
    assert (model.domain(model.sources(batch)) > 1).sum() <= 2  # where noise is drawn, it is another one
    assert model.domain(torch.full((1, *model.image_shape), -1.0)) > 1


def smooth(count: int, shape: tuple[int, int, int], seed: int) -> torch.Tensor:
    small = torch.rand(count, shape[0], 4, 4, generator=torch.Generator().manual_seed(seed)) - 0.5
    return torch.nn.functional.interpolate(small, shape[1:], mode="bilinear")


@pytest.mark.parametrize("name", ALL)
def test_losses_are_finite_terms_of_known_players(name):
    model, taken = find(name).build(), set()
    for player, terms in model.losses(tiny_batch(name), 0):
        assert player in model.players() and terms
        assert all(value.shape == () and value.isfinite() for value in terms.values()), terms
        assert any(value.requires_grad for value in terms.values())
        taken.add(player)
    assert taken == set(model.players()), "a player that never has its turn in the first step"


@pytest.mark.parametrize("name", ALL)
def test_each_players_gradient_reaches_all_of_it_and_only_it(name):
    """`train.play` with optimizers that look instead of stepping: a dead weight, or a gradient that strays, is named."""
    entry = find(name)
    run = train.Run(entry, {}, entry.recipe, torch.device("cpu"))
    names = {p: n for n, p in run.model.named_parameters()}
    taken = []

    def look(player: str) -> None:
        own = set(train.trainable(run.model.players()[player]))
        touched = {p for p in names if p.grad is not None}
        assert touched == own, [names[p] for p in touched ^ own]
        assert all(p.grad.isfinite().all() for p in own)
        taken.append(player)
        for p in own:
            p.grad = None  # so that the next player starts clean

    for player, optimizer in run.optimizers.items():
        optimizer.step = lambda *_, player=player: look(player)
    terms = train.play(run, tiny_batch(name), Precision.exact("cpu")).terms
    assert taken and all(math.isfinite(v) and not v.requires_grad for v in terms.values())


@pytest.mark.parametrize("name", ALL)
def test_a_step_moves_the_weights_and_keeps_them_finite(name):
    entry = find(name)
    run = train.Run(entry, {}, entry.recipe, torch.device("cpu"))
    run.model.train()
    before = {n: p.detach().clone() for n, p in run.model.named_parameters()}
    train.play(run, tiny_batch(name), Precision.exact("cpu"))
    after = dict(run.model.named_parameters())
    assert all(p.isfinite().all() for p in after.values())
    for player in run.model.players().values():
        assert any(not torch.equal(p, before[n]) for n, p in after.items() if p in set(player.parameters()))


# What we ship


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_checkpoint_says_where_it_comes_from(path):
    model, header = checkpoint.load(path)
    assert path.name.split(".")[0] == header.system
    for field in ("commit", "command", "data", "credit", "licence", "recipe", "versions"):
        assert getattr(header, field), f"{field} is empty"
    assert header.images > 0 and header.minutes > 0 and header.step > 0 and header.threads > 0
    assert re.fullmatch(r"[0-9a-f]{7,40}\+?", header.commit), f"{header.commit!r} is no commit"
    assert f"genstudio train {header.system}" in header.command, "whoever runs the command gets another system"
    assert named(header.data), f"nobody else has {header.data!r}"
    assert all(t.isfinite().all() for t in model.state_dict().values())
    assert path.stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("path", [p for p in SHIPPED if generates(checkpoint.system_of(str(p)).model)], ids=lambda p: p.stem)
def test_a_shipped_generator_shows_how_it_learned(path):
    film = path.with_suffix(".webp")
    assert film.stat().st_size <= MOST_FILM
    with Image.open(film) as shown:
        assert shown.format == "WEBP" and shown.n_frames >= 8


def test_all_that_is_shipped_is_at_most_120_megabytes():
    assert sum(p.stat().st_size for p in paths.SHIPPED.glob("*")) <= 120_000_000
