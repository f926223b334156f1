"""A refusal speaks the visitor's language on the page, and English elsewhere."""

from __future__ import annotations

import pickle

import pytest

from genstudio.controls import Refusal, Slider, Text, sentence
from genstudio.images import open_picture
from genstudio.ui.language import reason

SLIDER = Slider(0.0, 1.5, 0.05, title=Text("Truncation", "Troncature"), hint=Text("", ""))


def test_a_refusal_is_english_as_text_and_says_both_on_the_page():
    with pytest.raises(ValueError, match="truncation must lie between 0.0 and 1.5, not 2.5") as caught:
        SLIDER.check("truncation", 2.5)
    assert reason(caught.value, "fr") == "« Troncature » : de 0,0 à 1,5, et non 2,5"
    assert reason(caught.value, "en").startswith("Truncation must lie")


def test_a_refusal_comes_whole_from_another_process():
    with pytest.raises(Refusal) as caught:
        open_picture(b"no picture")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is Refusal and again.text == caught.value.text == Text("not a picture", "ce n’est pas une image")


def test_an_error_from_elsewhere_keeps_its_words():
    assert sentence(ValueError("math domain error")) == Text("math domain error", "math domain error")
