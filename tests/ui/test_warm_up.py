"""The page warms up every model that is here, whatever pictures it takes."""

from __future__ import annotations

from genstudio import catalog
from genstudio.engine import Engine
from genstudio.ui import api


def test_warming_up_runs_every_model(monkeypatch):
    engine, ran = Engine(), []
    monkeypatch.setattr(engine, "wait_for_rest", lambda seconds: None)
    monkeypatch.setattr(engine, "directions", lambda name, kind: ran.append(name))  # each takes seconds
    translate = engine.translate
    monkeypatch.setattr(engine, "translate", lambda name, images: ran.append(name) or translate(name, images))
    api.warm_up(engine)
    assert set(ran) == {*catalog.offered("latents", "decode"), *catalog.offered("translate")}
