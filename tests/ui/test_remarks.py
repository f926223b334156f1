"""Sentences of the page on pictures that were read in part, or that a model reads in part."""

from __future__ import annotations

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from genstudio.registry import find_system
from genstudio.ui.sessions import example_input, read_input, read_picture
from genstudio.ui.tabs.translate.backend import TranslateBackend
from genstudio.ui.tabs.translate.one import One
from genstudio.ui.tabs.translate.session import TranslateSession
from genstudio.ui.tabs.translate.settings import TranslateSettings
from tests.decoding.test_pages import several
from tests.test_images import encoded, two_colours


@pytest.mark.parametrize(
    ("lang", "said"), [("en", "The first of 3 frames; the others are left out."), ("fr", "La première de 3 images ;")]
)
def test_a_visitor_is_told_of_the_other_frames(lang, said, capsys):
    """Gradio prints its messages where there is no page."""
    assert read_picture(several("GIF"), lang).size == (40, 20)
    assert said in capsys.readouterr().out
    read_input(encoded(two_colours()), lang)
    assert not capsys.readouterr().out


@pytest.fixture(scope="module")
def backend(fast):
    names = ("colorize_photo", "denoise_photo", "pix2pix_sketch")
    return TranslateBackend(fast, {name: find_system(name) for name in names})


def test_the_tiles_of_a_colorizer_are_not_offered(backend):
    with gr.Blocks():
        settings = TranslateSettings(backend)
    for name, offered in (("colorize_photo", False), ("pix2pix_sketch", True), ("denoise_photo", False)):
        updates = settings.show(backend.opening(name), TranslateSession())
        assert updates[settings.view]["visible"] is offered
        controls = backend.opening(name)["controls"]
        inputs = dict.fromkeys(settings.components) | {settings.panel.components[key]: controls[key] for key in controls}
        inputs |= {settings.view: "tiles", settings.background: "#ffffff", settings.detail: 0.5, settings.lines: False}
        assert settings.read(name, inputs)["view"] == ("tiles" if offered else "own")


def test_a_picture_is_called_foreign_by_its_light_and_never_for_its_transparency(backend):
    with gr.Blocks():
        one = One(backend)
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    scene = backend.opening("pix2pix_sketch")
    said = one.warning(scene, example_input(clear), np.full((64, 64, 3), 255, np.uint8), "en")
    assert "It is wholly transparent" in said and "unlike" not in said
    colours = two_colours((64, 64))
    said = one.warning(backend.opening("colorize_photo"), example_input(colours), np.asarray(colours), "fr")
    assert "Ses propres couleurs sont laissées de côté" in said
    grey = Image.merge("RGB", 3 * [colours.convert("L")])
    said = one.warning(backend.opening("colorize_photo"), example_input(grey), np.asarray(grey), "fr")
    assert "propres couleurs" not in said
