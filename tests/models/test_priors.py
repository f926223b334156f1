"""Priors over tokens: what they write, in which order, and what they refuse."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from genstudio.controls import Refusal
from genstudio.model import Batch, Companions, Noise, Progress
from genstudio.models.token_prior import NO, OPEN, YES
from genstudio.models.vqvae import check_tokens
from genstudio.samplers.tokens import draw
from tests import small
from tests.small import INSTANCES, awake

RASTER = ["small_gpt", "small_gpt_of_faces", "small_pixelcnn", "small_top_pixelcnn", "small_bottom_pixelcnn"]
PRIORS = [*RASTER, "small_maskgit"]


def prior(name: str):
    return awake(INSTANCES[name])


def images(count: int = 4) -> torch.Tensor:
    return torch.rand(count, *small.GREY, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("name", RASTER)
def test_the_logits_of_a_token_are_those_of_the_tokens_before_it_alone(name):
    model = prior(name)
    levels, states = model.levels_of(images(1)), model.states(1, {})
    nats = model.token_nats(levels, states)[0]
    for place in range(model.places):
        changed = [level.clone() for level in levels]
        changed[model.level][:, place] = (changed[model.level][:, place] + 1) % model.vocabulary
        other = model.token_nats(changed, states)[0]
        assert torch.equal(nats[:place], other[:place]) and nats[place] != other[place]


@pytest.mark.parametrize("name", ["small_gpt", "small_gpt_of_faces"])
@pytest.mark.parametrize("given", [0, 5])
def test_a_gpt_writes_the_same_with_a_cache_and_without(name, given):
    model, known = prior(name), torch.arange(16) < given
    tokens = torch.randint(16, (3, 16))
    for with_cache, without in zip(
        model.write(Noise([1, 2, 3]), tokens, known), model.write(Noise([1, 2, 3]), tokens, known, cached=False),
        strict=True,
    ):  # fmt: skip
        assert torch.equal(with_cache.tokens, without.tokens)
        torch.testing.assert_close(with_cache.probabilities, without.probabilities, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", RASTER)
def test_what_it_draws_from_is_what_its_likelihood_says(name):
    model, noise = prior(name), Noise([4, 5])
    context = model.context(noise)
    steps = list(model.write(Noise([8, 9]), context=context))
    levels = [steps[-1].tokens] if context is None else [context, steps[-1].tokens]
    nats = model.token_nats(levels, model.states(2, {}))
    said = [-step.probabilities[:, 0].gather(1, step.tokens.gather(1, step.places)).log() for step in steps]
    torch.testing.assert_close(torch.cat(said, 1), nats, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", PRIORS)
def test_given_tokens_stay_and_the_others_are_written(name):
    model = prior(name)
    known = torch.arange(model.places) % 3 == 0
    tokens = torch.randint(16, (2, model.places))
    steps = list(model.write(Noise([1, 2]), tokens, known))
    assert torch.equal(steps[-1].tokens[:, known], tokens[:, known]) and steps[-1].known.all()
    assert sum(step.places.shape[1] for step in steps) == int((~known).sum())
    for before, after in pairwise(steps):
        assert torch.equal(after.tokens[before.known], before.tokens[before.known]), "a written token has changed"
        assert (after.known.sum(1) - before.known.sum(1) == after.places.shape[1]).all()


@pytest.mark.parametrize("name", PRIORS)
def test_another_token_at_a_place_changes_only_what_is_written_after_it(name):
    """A branch: the same seed, and the tokens up to there are given."""
    model = prior(name)
    steps = list(model.write(Noise([3])))
    at = len(steps) // 2
    tokens, known = steps[at].tokens.clone(), steps[at].known[0]
    [*_, again] = model.write(Noise([3]), tokens, known)
    if name in RASTER:
        assert torch.equal(again.tokens, steps[-1].tokens), "the same tokens are written again"
    tokens[0, steps[at].places[0, 0]] = (tokens[0, steps[at].places[0, 0]] + 1) % 16
    [*_, other] = model.write(Noise([3]), tokens, known)
    assert torch.equal(other.tokens[:, known], tokens[:, known])


@pytest.mark.parametrize("steps", [1, 3, 8, 16, 32])
def test_maskgit_takes_as_many_steps_as_asked_with_a_token_in_each(steps):
    written = list(prior("small_maskgit").write(Noise([1, 2]), steps=steps))
    counts = [step.places.shape[1] for step in written]
    assert len(counts) == min(steps, 16) and min(counts) >= 1 and sum(counts) == 16
    assert counts[0] == min(counts), "few at first, when little is known: cos is flat there"


def test_maskgit_keeps_the_surest_tokens_without_chance_in_the_order():
    model = prior("small_maskgit")
    first = next(model.write(Noise([1]), choice=0.0))
    own = first.probabilities[0].gather(1, first.tokens[0, first.places[0], None]).squeeze(1)
    logits = model.logits(first.tokens, torch.zeros_like(first.known), model.embedded(model.states(1, {})))
    drawn, probabilities = draw(logits, Noise([1]).uniform(2, 16)[:, 0])
    sure = probabilities.gather(-1, drawn[..., None]).flatten().sort(descending=True).values
    torch.testing.assert_close(own.sort(descending=True).values, sure[: len(own)])


# Conditions


def test_a_condition_is_yes_no_or_open_and_some_are_dropped_in_training():
    model = prior("small_gpt_of_faces")
    glasses, beard = torch.tensor([True, False, True, False]), torch.tensor([False, False, True, True])
    batch = Batch(images(), conditions={"glasses": glasses, "facial_hair": beard})
    assert model.states_of(batch).tolist() == [[YES, NO], [NO, NO], [YES, YES], [NO, YES]]
    assert model.states_of(Batch(images())).tolist() == [[OPEN, OPEN]] * 4
    assert model.states(1, {"glasses": True, "beard": None}).tolist() == [[YES, OPEN]]
    told = {"glasses": glasses.repeat(1000), "facial_hair": beard.repeat(1000)}
    many = Batch(images(1).expand(4000, -1, -1, -1), conditions=told)
    open_ = model.states_of(many, dropout=0.1) == OPEN
    assert 0.08 < open_[:, 0].float().mean() < 0.12 and 0.005 < open_.all(1).float().mean() < 0.02, "each by itself"


def test_every_condition_writes_something_else():
    model, written = prior("small_gpt_of_faces"), set()
    for glasses in (None, True, False):
        for beard in (None, True, False):
            *_, last = model.write(Noise([1, 2, 3]), glasses=glasses, beard=beard)
            written.add(tuple(last.tokens.flatten().tolist()))
    assert len(written) == 9


# Sampling


def test_tokens_are_drawn_as_often_as_they_are_likely():
    logits = torch.tensor([1.0, 0.0, -2.0, 2.0]).expand(40_000, 4)
    chance = torch.rand(40_000, generator=torch.Generator().manual_seed(0))
    for temperature in (1.0, 0.5, 2.0):
        drawn, probabilities = draw(logits, chance, temperature)
        torch.testing.assert_close(probabilities[0], (logits[0] / temperature).softmax(0))
        share = torch.bincount(drawn, minlength=4) / len(drawn)
        assert (share - probabilities[0]).abs().max() < 0.01


def test_top_k_and_top_p_keep_the_likeliest():
    logits = torch.tensor([[0.4, 0.1, 0.3, 0.2]]).log()
    chance = torch.linspace(0, 0.9999, 50)[:, None].expand(-1, 1)

    def drawn(**values) -> set[int]:
        return {int(draw(logits, c, **values)[0]) for c in chance}

    assert drawn() == {0, 1, 2, 3} and drawn(top_k=2) == {0, 2} and drawn(top_k=1) == {0}
    assert drawn(top_p=0.39) == {0} and drawn(top_p=0.41) == {0, 2} and drawn(top_p=0.9) == {0, 2, 3}
    assert drawn(top_p=0.05, top_k=3) == {0}
    torch.testing.assert_close(draw(logits, chance[0], top_k=2)[1], torch.tensor([[4 / 7, 0, 3 / 7, 0]]))


# Refusals: the crash of the course, in words


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("wrong", [16, -1, 700])
def test_a_token_out_of_range_is_refused_before_anything_is_written(name, wrong):
    model = prior(name)
    tokens = torch.zeros(1, model.places, dtype=torch.long)
    tokens[0, 2] = wrong
    with pytest.raises(ValueError, match=f"token {wrong} at place 2 is none of the codebook's: they go from 0 to 15"):
        next(model.write(Noise([1]), tokens, torch.arange(model.places) < 3))
    with pytest.raises(ValueError, match=f"a picture has {model.places} tokens here, and 3 were given"):
        next(model.write(Noise([1]), tokens[:, :3], torch.ones(model.places, dtype=torch.bool)))


def test_a_tokenizer_of_another_vocabulary_or_grid_ends_training_and_sampling_with_a_sentence():
    model = small.built(INSTANCES["small_gpt"])
    model.companions = Companions({"tokenizer": small.VQVAE(small.GREY, (8, 16), codes=40, dim=8).eval()})
    said = "this prior writes 16 tokens of 16, and its tokenizer has 16 of 40"
    with pytest.raises(ValueError, match=said):
        next(model.losses(Batch(images()), Progress()))
    with pytest.raises(ValueError, match=said):
        next(model.sample(Noise([1])))


def test_tokens_of_a_broken_tokenizer_end_training_with_the_id(monkeypatch):
    model = small.built(INSTANCES["small_gpt"])
    monkeypatch.setattr(model.tokenizer, "tokenize", lambda x: torch.full((len(x), 16), 16))
    with pytest.raises(ValueError, match="token 16 at place 0 is none of the codebook's: they go from 0 to 15"):
        next(model.losses(Batch(images()), Progress()))


def test_a_refusal_speaks_both_languages():
    with pytest.raises(Refusal) as refused:
        check_tokens(torch.tensor([[3, 99]]), 16, 2)
    assert "le jeton 99, à la place 1" in refused.value.text.fr and "token 99 at place 1" in refused.value.text.en


# Tokenizers


@pytest.mark.parametrize("name", ["small_vqvae", "small_vqvae2"])
def test_tokens_decode_to_the_reconstruction(name):
    model = awake(INSTANCES[name])
    tokens = model.tokenize(images())
    assert tokens.shape == (4, model.places) and tokens.min() >= 0 and tokens.max() < model.vocabulary
    levels = model.quantize(images())
    again = model.decoded([level.vectors for level in levels])
    torch.testing.assert_close(model.detokenize(tokens), again, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["small_vqvae", "small_vqvae2"])
def test_tokens_that_are_not_known_have_no_influence(name):
    model = awake(INSTANCES[name])
    tokens, known = model.tokenize(images(1)), torch.arange(model.places)[None] < model.places // 2
    other = torch.where(known, tokens, (tokens + 1) % 16)
    assert torch.equal(model.detokenize(tokens, known), model.detokenize(other, known))
    assert not torch.equal(model.detokenize(tokens), model.detokenize(other))
