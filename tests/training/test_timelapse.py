"""The film of a run: its sample grids, over the means of the discriminator's output."""

from __future__ import annotations

import numpy as np

from genstudio.training import timelapse


def reports(form: str, values: dict[str, list[float]]) -> list[dict]:
    count = len(next(iter(values.values())))
    return [
        {"step": 10 * (i + 1), "terms": {form.format(name): line[i] for name, line in values.items()}}
        for i in range(count)
    ]


def heights(form: str, values: dict[str, list[float]], name: str) -> np.ndarray:
    """Rows of the plot that have the colour of a curve, from the top."""
    rows = reports(form, values)
    curves, ends = timelapse.means(rows)
    plot = np.asarray(timelapse._plot(curves, ends, rows[-1]["step"], rows[-1]["step"], 200), int)
    wanted = [int(timelapse.COLOURS[name][i : i + 2], 16) for i in (1, 3, 5)]
    return np.nonzero((np.abs(plot - wanted).sum(2) < 60).any(1))[0]


def test_probabilities_are_drawn_in_0_to_1():
    low = heights("D({})", {"real": [0.9] * 3, "fake": [0.1] * 3}, "fake")
    high = heights("D({})", {"real": [0.9] * 3, "fake": [0.1] * 3}, "real")
    assert timelapse.means(reports("D({})", {"real": [0.4, 0.6]}))[1] == (0.0, 1.0)
    assert high.max() < timelapse.HEIGHT / 2 < low.min()


def test_an_output_that_is_no_probability_is_drawn_in_its_own_range():
    """A WGAN's outputs lie anywhere: on the scale of probabilities they would be off the plot."""
    values = {"real": [-40.0, 10.0, 60.0], "fake": [-40.0, -45.0, -50.0]}
    curves, ends = timelapse.means(reports("critic({})", values))
    assert ends == (-50.0, 60.0) and curves["real"] == [(10, -40.0), (20, 10.0), (30, 60.0)]
    found = heights("critic({})", values, "real")
    assert found.min() >= 0 and found.max() < timelapse.HEIGHT and np.ptp(found) > timelapse.HEIGHT / 2


def test_a_run_without_a_discriminator_has_no_curves():
    assert timelapse.means([{"step": 1, "terms": {"reconstruction": 0.2}}])[0] == {}
