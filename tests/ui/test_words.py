"""What the server writes itself, in French: charts of a training, names of scores, moves, amounts."""

from __future__ import annotations

import re
from types import SimpleNamespace

from genstudio import catalog, checkpoint
from genstudio.controls import number
from genstudio.scores.words import score_text, score_title
from genstudio.training import jobs
from genstudio.ui.language import unbroken
from genstudio.ui.open_file import amount
from genstudio.ui.tabs.train.follow import curves, head
from genstudio.ui.views.direction_controls import moves

ENGLISH = re.compile(r"\b(the|of|over|with|picture|pictures|distance to|critic|generator|accuracy|made|fake|real)\b")


def text_of(html: str) -> str:
    return re.sub(r"<[^>]*>", " ", html)


def test_the_charts_of_a_training_name_its_players_and_terms_in_french():
    terms = {"critic": 1.25, "generator": 0.5, "cross entropy": 0.1, "D(real)": 0.75, "D(fake)": 0.25}
    row = {"terms": terms, "norms": {"critic": 1.5, "generator": 2.5}, "rates": {"critic": 2e-4}, "memory": 2.5e9}
    said = text_of(curves(SimpleNamespace(reports=[row, row]), [], "fr"))
    assert "critique" in said and "générateur" in said and "entropie croisée" in said and "2,5 Go" in said
    assert not ENGLISH.search(said) and not re.search(r"\d\.\d", said)
    assert "generator" in text_of(curves(SimpleNamespace(reports=[row, row]), [], "en"))


def test_the_scores_of_all_shipped_weights_have_a_french_name():
    for name in catalog.available():
        for score, value in checkpoint.describe(catalog.locate(name)).scores.items():
            title = re.sub(r"\([^)]*\)", "", score_title(score, "fr"))
            assert not ENGLISH.search(title), title
            assert score_title(score, "en") == score and "." not in score_text(value, "fr")


def test_a_strangers_score_keeps_its_name_and_value():
    assert score_title("beauty {name}", "fr") == "beauty {name}" and score_text("high", "fr") == "high"


def test_moves_and_amounts_have_the_decimal_mark_of_the_language():
    by = {"effect 1": 2.0, "pca 3": -0.5}
    assert moves(by, 1, "en") == "effect 1 +2.00 …" and moves(by, 2, "fr") == "effet 1 +2,00 · composante 3 −0,50"
    assert amount(12_345_678, "fr") == "12,3 Mo" and amount(12_345_678, "en") == "12.3 MB"


def test_numbers_are_written_as_they_are_printed():
    cases = (
        (-14910.3, ".4g", "−14\u202f910"),
        (4.94e-06, ".3g", "4.94·10⁻⁶"),
        (2.5e12, ".3g", "2.5·10¹²"),
        (-5.94, ".1f", "−5.9"),
    )
    for value, form, said in cases:
        assert number(value, form, "en") == said and number(value, form, "fr") == said.replace(".", ",")


def test_french_lines_do_not_break_before_a_mark():
    assert unbroken("Ici : « non » ; 95 % ?") == "Ici\u00a0: «\u00a0non\u00a0»\u00a0; 95\u00a0%\u00a0?"


def test_a_training_whose_steps_are_done_says_that_it_is_being_written():
    row = {"step": 250, "steps": 250, "images": 16000, "whole": 16000, "rate": 8.4, "eta": 0.0}
    job = SimpleNamespace(spec=jobs.JobSpec("vae_mnist", "mine.zip"), state=jobs.RUNNING, reports=[row], why=None)
    assert "writing the weights" in head(job, "en") and "0 s left" not in head(job, "en")
    job.reports = [row | {"step": 249}]
    assert "0 s left" in head(job, "en")
