"""What every system promises, whoever wrote it: the registry is the list of tests.

Facts are asserted of every system; contracts of the smallest instances of every model class, see `small.py`.
"""

from __future__ import annotations

import math
import re
from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from genstudio import catalog, checkpoint, paths
from genstudio.controls import OF_CLASSES, Choice, Kind, Slider, Text, Toggle, controls
from genstudio.data import named
from genstudio.engine.engine import VIEWS, Engine
from genstudio.model import Batch, Model, Noise, Progress, generates, sample, verbs
from genstudio.precision import Precision
from genstudio.registry import find_system, systems
from genstudio.system import System
from genstudio.training import loop
from genstudio.training.run import Run, trainable
from tests.small import CLASSES, INSTANCES, awake, built, conditions

ALL = sorted(systems())
SMALL = sorted(INSTANCES)
GENERATORS = [name for name in SMALL if generates(INSTANCES[name].model)]
TRANSLATORS = [name for name in SMALL if "translate" in verbs(INSTANCES[name].model)]
SHIPPED = sorted(p for p in paths.SHIPPED.glob("*.safetensors") if not p.name.endswith(".critic.safetensors"))
MOST_PARAMETERS, MOST_BYTES, MOST_FILM = 4_700_000, 9_500_000, 200_000


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory):
    """A home with a checkpoint of each instance under its name, of random weights."""
    home = tmp_path_factory.mktemp("home")
    (home / "checkpoints").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENSTUDIO_HOME", str(home))
        for name, entry in INSTANCES.items():  # each after its companions
            patch.setitem(systems(), name, entry)
            model = awake(entry)
            trained = {role: checkpoint.digest(catalog.locate(entry.companions[role])) for role in model.trained_with}
            header = checkpoint.Header(name, classes=list(CLASSES[: model.classes]), companions=trained)
            checkpoint.save(home / "checkpoints" / f"{name}.safetensors", model, header, pack=False)
        yield


pytestmark = pytest.mark.usefixtures("one_thread")


def pictures(engine: Engine, name: str, seeds: list[int], **values) -> np.ndarray:
    """Samples, in few steps where there are many unless `values` say how many."""
    if INSTANCES[name].model.slow:
        values = {"steps": 2} | values
    *_, last = engine.sample(name, seeds, **values)
    return last


def tiny_batch(model: Model, count: int = 4) -> Batch:
    """Random pictures with labels 0, 1, ..., every attribute that the model tells and sources, on the grid of 8 bits as
    real ones are."""
    draw = torch.Generator().manual_seed(0)
    images, sources = (torch.randint(0, 256, (count, *model.image_shape), generator=draw) / 127.5 - 1 for _ in range(2))
    return Batch(images, torch.arange(count) % (model.classes or count), conditions(model, count), sources)


# Facts of every system


@pytest.mark.parametrize("name", ALL)
def test_a_system_builds_what_its_annotation_says(name):
    entry = find_system(name)
    model = entry.build()
    assert type(model) is entry.model and entry.name == name == entry.build.__name__
    assert set(verbs(model)) == set(verbs(entry.model)), "a verb must be there before the model is built"
    channels, height, width = model.image_shape
    assert channels in (1, 3) and 1 <= height <= 1024 and 1 <= width <= 1024


@pytest.mark.parametrize("name", ALL)
def test_a_system_speaks_both_languages(name):
    entry = find_system(name)
    assert entry.summary and entry.title.en and entry.title.fr and entry.title.en != entry.title.fr
    for verb in verbs(entry.model):
        for control in controls(getattr(entry.model, verb)).values():
            for text in (control.kind.title, control.kind.hint):
                assert isinstance(text, Text) and text.en and text.fr and text.en != text.fr


def test_titles_tell_systems_apart():
    every = [systems()[name] for name in ALL]
    for language in ("en", "fr"):
        assert len({getattr(entry.title, language) for entry in every}) == len(every)


@pytest.mark.parametrize("name", ALL)
def test_a_checkpoint_is_small_enough_to_ship_and_comes_back_as_it_went(name, tmp_path):
    """Weights to half precision, the header word for word; a second trip changes nothing at all."""
    torch.manual_seed(0)
    model, recipe = find_system(name).build(), find_system(name).recipe.as_dict()
    sizes = {key: t.numel() for key, t in model.state_dict().items() if not key.startswith(checkpoint.CRITIC)}
    assert sum(sizes.values()) <= MOST_PARAMETERS
    header = checkpoint.Header(name, data="mnist", classes=["é", "b"], recipe=recipe, step=3, minutes=0.5)
    once, twice = tmp_path / f"{name}.safetensors", tmp_path / f"{name}.again.safetensors"
    checkpoint.save(once, model, header)
    assert once.stat().st_size <= MOST_BYTES
    again, said = checkpoint.load(once, critic=True)
    assert vars(said) == vars(header) | {"recipe": {**recipe, "betas": list(recipe["betas"])}}
    assert again.state_dict().keys() == model.state_dict().keys() and not again.training
    for key, tensor in model.state_dict().items():
        same = again.state_dict()[key]
        torch.testing.assert_close(same, tensor, rtol=1e-3, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")
    checkpoint.save(twice, again, said)
    assert checkpoint.digest(once) == checkpoint.digest(twice)


@pytest.mark.parametrize("name", ALL)
def test_a_system_learns_and_draws(name):
    """The losses of one step, and a picture in as few steps as can be: its layers fit together."""
    model = built(find_system(name))
    batch = tiny_batch(model)
    for _, terms in model.losses(batch, Progress()):
        assert all(value.isfinite() for value in terms.values()), terms
    model.eval()
    with torch.no_grad():
        if generates(model):
            *_, frame = sample(model, Noise([1]), **({"steps": 2} if model.slow else {}))
            assert frame.images.shape == (1, *model.image_shape) and frame.images.isfinite().all()
        if "translate" in verbs(model):
            made, (channels, height, width) = model.translate(batch.images), model.image_shape
            assert made.shape == (4, channels, model.scale * height, model.scale * width) and made.isfinite().all()
        if "classify" in verbs(model):
            assert model.classify(batch.images).shape == (4, model.classes)


def test_every_class_has_a_small_instance():
    assert {entry.model for entry in INSTANCES.values()} == {systems()[name].model for name in ALL}


# Pictures from noise


@pytest.mark.parametrize("name", GENERATORS)
def test_an_image_depends_on_its_seed_alone(name, exact: Engine, monkeypatch):
    """In exact mode, within 1/255, at any batch size and in any place of the batch."""
    seeds = [11, 3, Noise.MAX_SEED, 0, 7]
    whole = pictures(exact, name, seeds).astype(int)
    for group in ([3], [7, 3], seeds[::-1]):
        some = pictures(exact, name, group)
        for seed, picture in zip(group, some, strict=True):
            assert np.abs(picture - whole[seeds.index(seed)]).max() <= 1
    if hasattr(INSTANCES[name].model, "latents"):
        codes = exact.latents(name, seeds)
        monkeypatch.setattr("genstudio.engine.engine.FRAME_SECONDS", 0.0)  # one picture a turn
        assert np.array_equal(exact.latents(name, seeds), codes)
        assert np.abs(exact.decode(name, codes) - whole).max() <= 1
    assert np.abs(whole[0] - whole[1]).max() > 0, "every seed draws the same picture"


@pytest.mark.parametrize("name", GENERATORS)
def test_frames_are_pictures(name, fast: Engine):
    """Finite, of the stated shape, in [-1, 1] as the model gives them and 8 bits as the engine does; the last one says
    so."""
    model, _ = catalog.load(catalog.locate(name))
    few = {"steps": 2} if model.slow else {}
    with torch.no_grad():
        frames = list(sample(model, Noise([1, 2]), **few))
    for frame in frames:
        assert frame.images.shape == (2, *model.image_shape) and frame.images.isfinite().all()
        assert frame.images.min() >= -1 and frame.images.max() <= 1
    assert frames[-1].step == frames[-1].steps
    channels, height, width = model.image_shape
    for shown in fast.sample(name, [1, 2], **few):
        assert shown.dtype == np.uint8 and shown.shape == (2, height, width, channels)


# Of a generator's controls: what the others must be for the control to change anything.
SETTINGS = {
    "label": {"guidance": 1.0},
    "guidance": {"label": "a"},
    "rescale": {"label": "a", "guidance": 8.0},  # takes back what guidance adds
    "classifier_guidance": {"label": "a"},
    "sampler": {"steps": 4},  # the first steps of DDIM and of DPM-Solver++ are the same
    "eta": {"sampler": "ddim"},
    "towards": {"label": "a", "blend": 1.0},
    "blend": {"label": "a", "towards": "b"},
    "cutoff": {"truncation": 0.0},
}
# Weights that know no class cannot follow one; `classifier_guidance` refuses to try.
INERT_WITHOUT_CLASSES = OF_CLASSES | {"guidance", "rescale"}


ENDS = {
    Slider: lambda kind: (kind.low, kind.high),
    Choice: lambda kind: kind.options,
    Toggle: lambda kind: tuple(kind.WORDS.values()),
}
WRONG_VALUES = {
    Slider: lambda kind: (kind.low - 1, kind.high + 1, float("nan"), "much"),
    Choice: lambda kind: ("no such word", None),
    Toggle: lambda kind: ("no such word", 1, 0),
}


def ends(kind: Kind) -> tuple:
    return ENDS[type(kind)](kind)


def wrong_values(kind: Kind) -> tuple:
    return WRONG_VALUES[type(kind)](kind)


def sampling_controls(name: str) -> dict:
    entry = INSTANCES[name]
    verb = getattr(entry.model, "sample", None) or entry.model.decode
    return controls(verb, CLASSES[: entry.build().classes])


CONTROLS = [(name, control) for name in GENERATORS for control in sampling_controls(name)]


@pytest.mark.parametrize(("name", "control"), CONTROLS)
def test_every_end_of_a_control_draws_a_picture_of_its_own(name, control, fast: Engine):
    """A control that is ignored would draw the same one; so it does where weights know no classes, and only there."""
    model, known = fast.hold(name).model, sampling_controls(name)
    around = {key: value for key, value in SETTINGS.get(control, {}).items() if key in known}
    if not model.classes:
        around = {key: value for key, value in around.items() if key not in OF_CLASSES}
    if control == "classifier_guidance" and not model.classes:
        with pytest.raises(ValueError, match="needs a classifier"):
            pictures(fast, name, [1, 2, 3], **{control: known[control].kind.high})
        return
    drawn = {value: pictures(fast, name, [1, 2, 3], **around | {control: value}) for value in ends(known[control].kind)}
    channels, height, width = model.image_shape
    assert all(images.dtype == np.uint8 and images.shape == (3, height, width, channels) for images in drawn.values())
    inert = not model.classes and control in INERT_WITHOUT_CLASSES
    for one, other in combinations(drawn, 2):
        assert np.array_equal(drawn[one], drawn[other]) == inert, f"{control} {one} and {other}"


@pytest.mark.parametrize("name", GENERATORS)
def test_a_value_beyond_the_ends_is_refused(name, fast: Engine):
    for control, (kind, default) in sampling_controls(name).items():
        assert kind.check(control, default) == default
        for wrong in wrong_values(kind):
            with pytest.raises(ValueError, match=control):
                fast.sample(name, [1], **{control: wrong})


@pytest.mark.parametrize("name", GENERATORS)
def test_closing_stops_a_sample(name, fast: Engine):
    frames = fast.sample(name, [1])
    next(frames)
    frames.close()
    with pytest.raises(StopIteration):
        next(frames)
    assert len(pictures(fast, name, [1])) == 1  # and the engine is free again


@pytest.mark.parametrize("name", [name for name in SMALL if {"encode", "decode"} <= set(verbs(INSTANCES[name].model))])
def test_a_picture_becomes_a_code_that_decodes(name, exact: Engine):
    given = [Image.effect_noise((90, 50), 60), Image.new("RGBA", (64, 64), (200, 10, 10, 90))]
    codes = exact.encode(name, given)
    assert codes.shape == (2, exact.latents(name, [0]).shape[1]) and np.isfinite(codes).all()
    assert exact.decode(name, codes).shape[0] == 2
    assert np.abs(exact.encode(name, given[1:]) - codes[1]).max() < 1e-2
    assert np.abs(codes[0] - codes[1]).max() > 1e-2, "every picture has the same code"


@pytest.mark.parametrize("name", [name for name in SMALL if "classify" in verbs(INSTANCES[name].model)])
def test_a_classifier_gives_probabilities_and_features(name, exact: Engine):
    channels, height, width = exact.image_shape(name)
    given = np.random.RandomState(0).randint(0, 256, (3, height, width, channels), dtype=np.uint8)
    probabilities, features = exact.classify(name, given)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5) and features.shape[0] == 3 and np.isfinite(features).all()


# Pictures from pictures


def translations(name: str) -> list[dict]:
    """The controls at their defaults, and each of its choices and ends in turn."""
    known = controls(INSTANCES[name].model.translate)
    return [{}] + [{control: value} for control, (kind, _) in known.items() for value in ends(kind)]


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translation_has_the_size_of_its_source_times_the_scale(name):
    """Also where it is not square, at all ends of the controls, and of one picture as of several."""
    model = awake(INSTANCES[name])
    for rows, columns in ((1, 1), (2, 3), (5, 1)):
        height, width = (max(8, model.multiple) * k for k in (rows, columns))
        images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1
        for values in translations(name):
            made = model.translate(images, **values)
            assert made.shape == (2, 3, height * model.scale, width * model.scale) and made.isfinite().all()
            alone = model.translate(images[1:], **values)
            assert (alone - made[1:]).abs().max() < 1e-4 * made.abs().max(), "neighbours matter"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", TRANSLATORS)
def test_what_a_translator_shows_is_bytes_and_every_end_of_a_control_shows_another_picture(name, view, fast: Engine):
    given = np.random.RandomState(0).randint(0, 256, (1, 37, 53, 3), dtype=np.uint8)
    if palette := fast.hold(name).model.source_palette:
        given = np.array(palette.colours, np.uint8)[given[..., 0] % len(palette)]
    scale = fast.hold(name).model.scale

    def shown(**values) -> np.ndarray:
        *_, last = fast.translate(name, given, view=view, **values)
        assert last.images.dtype == np.uint8 and last.images.shape == (1, 37 * scale, 53 * scale, 3)
        return last.images

    shown()
    for control, (kind, _) in controls(INSTANCES[name].model.translate).items():
        for one, other in combinations([shown(**{control: value}) for value in ends(kind)], 2):
            assert not np.array_equal(one, other), control


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_control_of_a_translation_beyond_its_ends_is_refused(name, fast: Engine):
    for control, (kind, default) in controls(INSTANCES[name].model.translate).items():
        assert kind.check(control, default) == default
        for wrong in wrong_values(kind):
            with pytest.raises(ValueError, match=control):
                fast.translate(name, np.zeros((1, 8, 8, 3), np.uint8), **{control: wrong})


@pytest.mark.parametrize("name", TRANSLATORS)
def test_nothing_beyond_its_reach_matters_to_a_translator(name):
    """Tiles overlap by that. A pixel is changed in the middle; what is farther away stays the same to the last bits.

    In float64, where a fluke of rounding cannot pass for sight; and something nearby must change, or nothing was seen.
    """
    model = awake(INSTANCES[name]).double()
    translate = model.network if model.target_palette else model.translate  # logits, as classes rarely change
    if model.reach is None:
        pytest.skip("it sees the whole picture, and says so")
    side = 2 * -(-(model.reach + 2) // model.multiple) * model.multiple + 2 * model.multiple
    images = torch.rand(1, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.5
    for place in (side // 2, side // 2 + 1, side // 2 + model.multiple // 2):
        changed = images.clone()
        changed[..., place, place] += 0.5
        seen = (translate(changed) - translate(images)).abs().amax(1)[0]
        touched = torch.nonzero(seen > 1e-12 * seen.max())
        assert len(touched) > 1
        # The output pixels of an input pixel begin at `scale` times its place.
        start = place * model.scale
        apart = torch.where(touched >= start, (touched - start) // model.scale, place - touched // model.scale)
        assert apart.max() <= model.reach


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translator_learns_which_pictures_it_knows(name):
    """What it is given in training is not foreign to it, and flat black is."""
    model = INSTANCES[name].build()
    batch = Batch(smooth(64, model.image_shape, 0), sources=smooth(64, model.image_shape, 1))
    torch.manual_seed(0)
    model.finish([batch])
    assert (model.domain(model.sources(batch)) > 1).sum() <= 2  # where noise is drawn, it is another one
    assert model.domain(torch.full((1, *model.image_shape), -1.0)) > 1


def smooth(count: int, shape: tuple[int, int, int], seed: int) -> torch.Tensor:
    small = torch.rand(count, shape[0], 4, 4, generator=torch.Generator().manual_seed(seed)) - 0.5
    return torch.nn.functional.interpolate(small, shape[1:], mode="bilinear")


# Training


@pytest.mark.parametrize("name", SMALL)
def test_losses_are_finite_terms_of_known_players(name):
    model, taken = built(INSTANCES[name]), set()
    for player, terms in model.losses(tiny_batch(model), Progress()):
        assert player in model.players() and terms
        assert all(value.shape == () and value.isfinite() for value in terms.values()), terms
        assert any(value.requires_grad for value in terms.values())
        taken.add(player)
    assert taken == set(model.players()), "a player that never has its turn in the first step"


@pytest.mark.parametrize("name", SMALL)
def test_each_players_gradient_reaches_all_of_it_and_only_it(name):
    """`train.play` with optimizers that look instead of stepping: a dead weight, or a stray gradient, is named.

    In one step; of a model that grows, over the course of a run.
    """
    entry = INSTANCES[name]
    run = begun(entry)
    names = {p: n for n, p in run.model.named_parameters()}
    reached = {player: set() for player in run.optimizers}

    def look(player: str) -> None:
        own = set(trainable(run.model.players()[player]))
        touched = {p for p in names if p.grad is not None}
        assert touched <= own, [names[p] for p in touched - own]
        assert all(p.grad.isfinite().all() for p in touched)
        # A last bias may stay: in a hinge game real and fake pictures push it by equal parts.
        assert not [names[p] for p in touched if p.dim() > 1 and not p.grad.any()], "nothing is learned by these"
        reached[player] |= touched
        for p in own:
            p.grad = None  # so that the next player starts clean

    for player, optimizer in run.optimizers.items():
        optimizer.step = lambda *_, player=player: look(player)
    for images in moments(run):
        run.images = images
        terms = loop.play(run, tiny_batch(run.model), Precision.exact("cpu")).terms
        assert all(reached.values()) and all(math.isfinite(v) and not v.requires_grad for v in terms.values())
    for player, network in run.model.players().items():
        assert reached[player] == set(trainable(network)), "no gradient reaches some of it"


@pytest.mark.parametrize("name", SMALL)
def test_a_step_moves_the_weights_and_keeps_them_finite(name):
    run = begun(INSTANCES[name])
    run.model.train()
    before = {n: p.detach().clone() for n, p in run.model.named_parameters()}
    for images in moments(run):
        run.images = images
        loop.play(run, tiny_batch(run.model), Precision.exact("cpu"))
    after = dict(run.model.named_parameters())
    assert all(p.isfinite().all() for p in after.values())
    assert not [n for n, p in after.items() if p.requires_grad and p.dim() > 1 and torch.equal(p, before[n])]
    for player in run.model.players().values():
        assert any(not torch.equal(p, before[n]) for n, p in after.items() if p in set(player.parameters()))


def moments(run: Run) -> list[int]:
    """Images before the steps to try: the first one; of a model that grows, one of each phase."""
    return list(range(0, run.recipe.images, run.recipe.batch)) if run.model.grows else [0]


def begun(entry: System) -> Run:
    """A run of weights of which none is zero: behind a last layer of zeros, nothing else has a gradient."""
    run = Run(entry, {}, entry.recipe, torch.device("cpu"))
    run.model.load_state_dict(awake(entry).state_dict())
    return run


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


FILMED = [path for path in SHIPPED if generates(catalog.system_of(str(path)).model)]


@pytest.mark.parametrize("path", FILMED, ids=lambda p: p.stem)
def test_a_shipped_generator_shows_how_it_learned(path):
    film = path.with_suffix(".webp")
    assert film.stat().st_size <= MOST_FILM
    with Image.open(film) as shown:
        assert shown.format == "WEBP" and shown.n_frames >= 8


def test_all_that_is_shipped_is_at_most_120_megabytes():
    assert sum(p.stat().st_size for p in paths.SHIPPED.glob("*")) <= 120_000_000


@pytest.mark.parametrize("entry", INSTANCES.values(), ids=lambda entry: entry.name)
def test_no_network_is_built_and_thrown_away(entry, monkeypatch):
    built, init = [], nn.Module.__init__

    def counted(self, *given, **named):
        built.append(self)
        init(self, *given, **named)

    monkeypatch.setattr(nn.Module, "__init__", counted)
    kept = {id(module) for module in entry.build().modules()}
    lost = [module for module in built if id(module) not in kept]
    assert not [type(module).__name__ for module in lost if [*module.parameters(recurse=False)]]
