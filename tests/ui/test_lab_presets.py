"""Each preset of the lab shows what its sentence claims, with its own seed."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from genstudio.data.points import DISTRIBUTIONS
from genstudio.training.live import settings_of
from genstudio.ui.tabs.lab import figures
from genstudio.ui.tabs.lab.figures import FIGURES
from genstudio.ui.tabs.lab.presets import PRESETS, TRAININGS
from genstudio.ui.tabs.lab.session import LabSession
from tests import ROOT

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("preset", TRAININGS, ids=lambda preset: preset.key)
def test_a_preset_shows_what_it_claims(preset):
    """In steps that take a processor of the page less than five seconds."""
    session = LabSession()
    session.take(preset)
    for _ in range(preset.warmup):
        session.step("critic")
    for _ in range(preset.steps):
        session.step()
    first, second = map(preset.measure, session.sides)
    assert preset.claim(first, second), (first, second)
    assert not preset.claim(second, first), "of the first and the second, not of any two"


@pytest.mark.parametrize("preset", TRAININGS, ids=lambda preset: preset.key)
def test_a_preset_names_settings_that_there_are(preset):
    assert preset.data in DISTRIBUTIONS and preset.different
    model = preset.different.get("model", preset.model)
    assert preset.values.keys() <= settings_of(preset.model).keys()
    assert preset.different.keys() - {"model"} <= settings_of(model).keys()


def test_presets_have_a_key_of_their_own_and_speak_both_languages():
    assert len(PRESETS) == len(TRAININGS) + len(FIGURES)
    for key, preset in PRESETS.items():
        assert key == preset.key and re.fullmatch("[a-z_]+", key)
        assert preset.title.en and preset.title.fr and preset.sentence.en != preset.sentence.fr
        assert preset.equation and re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}", preset.link)


def test_every_preset_has_a_row_in_the_documentation():
    text = (ROOT / "docs/figures.md").read_text("utf-8")
    for preset in PRESETS.values():
        [row] = re.findall(rf"(?m)^\| `\?lab={preset.key}` .*$", text)
        assert preset.sentence.en in row and preset.link in row and preset.equation.replace("|", "\\|") in row


# Figures


def test_the_gradient_of_log_1_minus_d_explodes_with_respect_to_d_and_not_to_the_logit():
    value, by_d, by_logit = (plot.lines[0] for plot in figures.gradients_of_the_logarithm())
    x = torch.tensor([np.log(0.999 / 0.001)], requires_grad=True)
    d = torch.sigmoid(x).detach().requires_grad_()
    [of_d] = torch.autograd.grad(torch.log(1 - d), d)
    [of_logit] = torch.autograd.grad(torch.log(1 - torch.sigmoid(x)), x)
    assert by_d.y[-1] == pytest.approx(1000) == pytest.approx(-float(of_d), rel=1e-3)
    assert by_logit.y.max() < 1 and by_logit.y[-1] == pytest.approx(-float(of_logit), rel=1e-3)
    assert value.y[-1] < -6.9 and (np.diff(value.y) < 0).all(), "without lower bound"


def test_with_smoothed_labels_the_optimal_critic_never_exceeds_their_mean():
    """The minimum of the smoothed loss over D, found on a grid, at each x."""
    [plot] = figures.optimal_critics()
    plain, smoothed, mean = plot.lines
    assert plain.y.max() > 0.99 and smoothed.y.max() <= 0.8 and (mean.y == 0.8).all()
    assert smoothed.y.max() == pytest.approx(0.8, abs=1e-3)
    grid = np.linspace(0.001, 0.999, 999)
    for i in (50, 200, 350):
        p = plain.y[i]  # of p + q = 1
        loss = -p * (0.8 * np.log(grid) + 0.2 * np.log(1 - grid)) - (1 - p) * np.log(1 - grid)
        assert grid[loss.argmin()] == pytest.approx(smoothed.y[i], abs=1e-3)


def test_minimax_is_not_maximin_for_a_generator_of_one_point():
    """Both by search: over critics of every output at the point and elsewhere, and over points."""
    d = np.linspace(0.005, 0.9999, 400)
    here, elsewhere = np.meshgrid(d, d)
    value = (np.log(here) + 7 * np.log(elsewhere)) / 8 + np.log(1 - here)  # G at a mode with output `here`
    assert value.max() == pytest.approx(figures.minimax_value(), abs=2e-3) == pytest.approx(-0.39, abs=5e-3)
    other = (np.log(here) + 7 * np.log(elsewhere)) / 8 + np.log(1 - elsewhere)  # G at another mode
    assert np.minimum(value, other).max() == pytest.approx(-np.log(4), abs=2e-3)
    assert figures.maximin_value(d).max() == pytest.approx(-1.39, abs=5e-3)


def test_simultaneous_descent_on_xy_spirals_outwards_and_extragradient_converges():
    steps, eta = 200, 0.1
    out, to = (np.linalg.norm(path(steps, eta), axis=1) for path in (figures.descent, figures.extragradient))
    assert out[1:] / out[:-1] == pytest.approx(np.sqrt(1 + eta**2))
    assert to[1:] / to[:-1] == pytest.approx(np.sqrt(1 - eta**2 + eta**4)) and to[-1] < 0.5 * to[0]


def test_training_on_at_one_half_leads_away_from_the_equilibrium_without_a_penalty():
    without, with_penalty = (np.linalg.norm(figures.dirac(penalty), axis=1) for penalty in (0.0, 0.3))
    assert without[-1] > 1.2 * without[0] and without.min() > 0.99 * without[0]
    assert with_penalty[-1] < 1e-4 * with_penalty[0]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.key)
def test_lines_of_a_figure_lie_in_its_box(figure):
    for plot in figure.plots():
        for line in plot.lines:
            inside = (plot.x[0] <= line.x) & (line.x <= plot.x[1]) & (plot.y[0] <= line.y) & (line.y <= plot.y[1])
            assert len(line.x) == len(line.y) > 50 and inside.mean() > 0.9, (plot.title.en, line.name.en)
