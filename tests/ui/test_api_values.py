"""Values as programs send them to the API: read, or refused in one sentence with the value. Without a server."""

from __future__ import annotations

import base64
import io
import textwrap
from urllib.parse import quote

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from genstudio.images import open_picture, read_recipe
from genstudio.recipes.verbs import VERBS
from genstudio.ui import api


@pytest.fixture
def sample(exact):
    call = api.endpoint(exact, VERBS["sample"])
    return lambda seeds, *more: call("vae_mnist", seeds, *more)


def recipes(uris: list[str]) -> list[dict]:
    return [read_recipe(open_picture(base64.b64decode(uri.partition(",")[2]))) for uri in uris]


@pytest.mark.parametrize(
    ("seeds", "meant"), [([1, 2], [1, 2]), (5, [5]), ("12", [12]), (["7", 8], [7, 8]), ([3.0], [3]), ((4,), [4]), (2**32 - 1, [2**32 - 1])]
)
def test_seeds_are_read_as_they_are_meant(sample, seeds, meant):
    found = recipes(sample(seeds))
    assert [made["seed"] for made in found] == meant and all(type(made["seed"]) is int for made in found)


@pytest.mark.parametrize("seeds", [1.7, True, "1.7", "1,2", "0-3", "", None, {"seed": 1}, [[1]], [None], [True], -1, 2**32, 2**53 + 1, float("nan")])
def test_seeds_that_are_none_are_refused_with_the_value(sample, seeds):
    value = seeds[0] if isinstance(seeds, list) else seeds
    with pytest.raises(gr.Error) as caught:
        sample(seeds)
    said = caught.value.message
    assert "seed is a whole number" in said.lower() and (str(value) in said or value is None) and "\n" not in said


@pytest.mark.parametrize("controls", ["x", 5, ["truncation"], True, [["truncation", 1]]])
def test_controls_without_names_are_refused_with_the_value(sample, controls):
    with pytest.raises(gr.Error) as caught:
        sample([1], controls)
    assert "controls are named" in caught.value.message.lower() and str(controls)[:40] in caught.value.message


@pytest.mark.parametrize("system", [5, None, ["vae_mnist"], {"a": 1}])
def test_a_system_that_is_no_name_is_refused_with_the_value(exact, system):
    with pytest.raises(gr.Error) as caught:
        api.endpoint(exact, VERBS["sample"])(system, [1])
    assert "system is a name" in caught.value.message.lower() and str(system) in caught.value.message


def body() -> bytes:
    """A picture whose base64 has both letters that differ in URLs, and padding."""
    for seed in range(1000):
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 7, 3), np.uint8)).save(stream := io.BytesIO(), "PNG")
        text = base64.b64encode(stream.getvalue()).decode()
        if {"+", "/", "="} <= set(text):
            return stream.getvalue()
    raise AssertionError


PLAIN = base64.b64encode(body()).decode()
WAYS = {
    "plain": PLAIN,
    "in lines": base64.encodebytes(body()).decode(),
    "in lines of Windows": "\r\n".join(textwrap.wrap(PLAIN, 64)),
    "indented": textwrap.indent("\n".join(textwrap.wrap(PLAIN, 76)), "  "),
    "for URLs": base64.urlsafe_b64encode(body()).decode(),
    "unpadded": PLAIN.rstrip("="),
    "for URLs, unpadded": base64.urlsafe_b64encode(body()).decode().rstrip("="),
    "a data URI": f"data:image/png;base64,{PLAIN}",
    "a data URI, escaped": f"data:image/png;base64,{quote(PLAIN, safe='')}",
    "a data URI in lines": "data:image/png;base64,\n" + base64.encodebytes(body()).decode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_is_read_in_each_way_of_base64(way):
    assert api.sent(WAYS[way]) == body()


@pytest.mark.parametrize("value", [5, None, True, "", "x", "cat.jpg", "https://example.org/a.png", ["a"], {"path": "a"}, PLAIN[:-1] + "!", "é" * 8])
def test_what_is_no_base64_is_refused_with_the_value(value):
    with pytest.raises(ValueError, match="a picture is sent as its file in base64") as caught:
        api.sent(value)
    assert str(value)[:40] in str(caught.value)
