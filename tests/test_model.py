"""Randomness and controls: what a picture depends on, and what a visitor may ask for."""

from __future__ import annotations

from typing import Annotated, Optional

import pytest
import torch

from genstudio.controls import Choice, Kind, Slider, Text, Toggle, Truncation, check_controls, controls, word_of
from genstudio.model import Model, Noise

WORDS = {"title": Text("t", "t"), "hint": Text("h", "h")}
REAL = Slider(0.0, 1.5, 0.05, **WORDS)
WHOLE = Slider(1, 50, 1, **WORDS)


def test_a_stream_of_noise_depends_on_its_seed_alone():
    alone = Noise([7]).normal(5)
    for seeds in ([7, 8, 9], [3, 7], list(range(20))):
        assert torch.equal(Noise(seeds).normal(5)[seeds.index(7)], alone[0])


def test_what_one_image_draws_leaves_the_next_draw_of_others_alone():
    both, one = Noise([1, 2]), Noise([2])
    for shape in ((3,), (2, 2), (1,)):
        assert torch.equal(both.normal(*shape)[1], one.normal(*shape)[0])
    assert torch.equal(both.uniform(4)[1], one.uniform(4)[0])


def test_noise_leaves_the_global_generator_alone_and_ignores_it():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = Noise([5]).normal(3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(Noise([5]).normal(3), first)


def test_equal_seeds_draw_equal_numbers_and_others_do_not():
    same = Noise([4, 4, 5]).normal(6)
    assert torch.equal(same[0], same[1]) and not torch.equal(same[0], same[2])


@pytest.mark.parametrize("seed", [-1, 2**32, 2**63, "one", float("nan")])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError):
        Noise([seed])
    assert Noise([0, Noise.MAX_SEED]).normal(1).isfinite().all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.01, 1.51, "much", None, [1], {}, 1j])
def test_a_slider_refuses_what_is_no_number_in_its_range(value):
    for slider in (REAL, WHOLE):
        with pytest.raises(ValueError, match="^strength must"):
            slider.check("strength", 100 if isinstance(value, float) and slider is WHOLE and value == 1.51 else value)


def test_a_slider_takes_both_its_ends_and_text_that_is_a_number():
    assert REAL.check("x", 0) == 0.0 and REAL.check("x", 1.5) == 1.5 and REAL.check("x", "0.7") == 0.7
    assert WHOLE.check("x", 1) == 1 and WHOLE.check("x", 50) == 50 and isinstance(WHOLE.check("x", 3.0), int)


def test_a_choice_takes_its_words_only():
    choice = Choice(("ddpm", "ddim"), **WORDS)
    assert choice.check("sampler", "ddim") == "ddim"
    for wrong in ("DDIM", "", None, 0, ["ddim"]):
        with pytest.raises(ValueError, match="ddpm, ddim"):
            choice.check("sampler", wrong)


TOGGLE = Toggle(**WORDS)
Answer = Annotated[bool | None, TOGGLE]


@pytest.mark.parametrize(("value", "word"), [(None, "any"), (True, "yes"), (False, "no")])
def test_a_toggle_takes_its_words_and_what_json_has_for_them(value, word):
    assert TOGGLE.check("glasses", value) is TOGGLE.check("glasses", word) is value
    assert TOGGLE.word(value) == word_of(value) == word and word in TOGGLE.metavar.split("|")


@pytest.mark.parametrize("value", ["Yes", "True", "", 0, 1, 1.0, [], {}, float("nan"), ["yes"]])
def test_a_toggle_refuses_all_else(value):
    with pytest.raises(ValueError, match="^glasses must be any, yes or no, not "):
        TOGGLE.check("glasses", value)


def test_a_word_of_other_controls_is_their_text():
    """1 is no True, and 0.0 no False."""
    for value in (1, 0, 1.0, 0.0, 0.7, "any", "3"):
        assert word_of(value) == str(value)


def test_a_control_that_defaults_to_none_is_found_also_on_python_3_10():
    """There the hint of an argument of that default is Optional."""

    def sample(noise, *, one: Answer = None, other: Optional[Answer] = None):  # noqa: UP045
        yield

    assert list(controls(sample)) == ["one", "other"]
    assert check_controls(sample, {"one": "yes", "other": None}) == {"one": True, "other": None}


def test_every_kind_says_what_its_flag_takes():
    assert set(Kind.__subclasses__()) == {Slider, Choice, Toggle}
    assert REAL.metavar == "0.0-1.5" and TOGGLE.metavar == "any|yes|no"
    assert Choice(("ddpm", "ddim"), **WORDS).metavar == "ddpm|ddim"


class Painter(Model):
    def decode(self, latents, *, truncation: Truncation = 0.7, secret: int = 3):
        return latents


def test_a_verbs_annotated_arguments_are_its_controls():
    assert list(controls(Painter.decode)) == ["truncation"]
    assert controls(Painter.decode)["truncation"].default == 0.7
    assert check_controls(Painter.decode, {}) == {"truncation": 0.7}
    assert check_controls(Painter.decode, {"truncation": 1}) == {"truncation": 1.0}
    with pytest.raises(ValueError, match="unknown control 'secret'; this model has truncation"):
        check_controls(Painter.decode, {"secret": 4})
