"""While a set is read, the form says how many of its pictures are."""

from __future__ import annotations

import numpy as np
from PIL import Image

from genstudio.data.report import Survey
from genstudio.ui.tabs.train import form


def test_reading_shows_its_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(form, "SHOW_EVERY", 0.01)
    draw = np.random.default_rng(0)
    for i in range(60):
        Image.fromarray(draw.integers(0, 256, (400, 400, 3), np.uint8)).save(tmp_path / f"{i}.png")
    *bars, found = form.TrainingForm.surveyed(None, str(tmp_path), ((3, 8, 8),), "fr")
    assert isinstance(found, Survey) and found.count == 60
    assert bars and all("sur 60" in bar and "<progress" in bar for bar in bars)
    values = [float(bar.partition('value="')[2].partition('"')[0]) for bar in bars]
    assert values == sorted(values) and 0 <= values[0] < values[-1] <= 1
