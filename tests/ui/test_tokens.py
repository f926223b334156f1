"""The Tokens tab over a small tokenizer and its priors: what each click does, without a browser."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from genstudio import checkpoint
from genstudio.engine import Engine, tokens
from genstudio.images import open_picture
from genstudio.registry import systems
from genstudio.tasks import compression
from genstudio.ui import html
from genstudio.ui.tabs.tokens.tab import TokensTab
from tests.small import INSTANCES, awake

NAMES = ("small_vqvae", "small_vqvae2", "small_gpt", "small_gpt_of_faces", "small_pixelcnn", "small_maskgit")


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    folder = home / "checkpoints"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENSTUDIO_HOME", str(home))
        patch.setattr("genstudio.paths.checkpoint_folders", lambda: [folder])
        for name in NAMES:  # each after its companions
            patch.setitem(systems(), name, entry := INSTANCES[name])
            model = awake(entry)
            roles = {role: checkpoint.digest(folder / f"{entry.companions[role]}.safetensors") for role in model.trained_with}
            checkpoint.save(folder / f"{name}.safetensors", model, checkpoint.Header(name, companions=roles), pack=False)
        with gr.Blocks():
            yield TokensTab(Engine("cpu"))


@pytest.fixture
def visit(tab, request):
    """A visit of its own, on the example."""
    made = gr.Request(session_hash=request.node.name)
    made.request = type("Headers", (), {"headers": {"accept-language": "en"}})()
    list(tab.on_first(made))
    return made


def click(pick) -> gr.EventData:
    return gr.EventData(None, {"pick": str(pick)})


def written(tab, visit, begin="on_write", **values) -> list[dict]:
    w = tab.writing
    inputs = {component: component.value for component in (w.prior, w.seed, *w.panel.components.values())}
    inputs |= {w.prior: values.pop("prior", "small_gpt"), w.seed: values.pop("seed", 1)}
    event = (values.pop("event"),) if "event" in values else ()
    return list(getattr(w, begin)(inputs, *event, visit))


def pressed(shown: str) -> list[int]:
    return [int(place) for place in re.findall(r'data-pick="(\d+)" aria-pressed="true"', shown)]


def test_it_shows_tokenizers_of_one_level_with_their_own_priors(tab):
    assert list(tab.systems) == ["small_vqvae"]
    assert set(tab.priors) == {"small_gpt", "small_gpt_of_faces", "small_pixelcnn", "small_maskgit"}


def test_a_click_on_a_token_and_on_an_entry_puts_it_there(tab, visit):
    session = tab.sessions.of(visit)
    before, shown = session.tokens.copy(), tab.on_place(click(6), visit)
    assert pressed(shown[tab.stage]) == [6] and "Row 2, column 3" in shown[tab.note]
    other = (int(before[6]) + 3) % 16
    changed = tab.on_entry(click(other), visit)
    assert session.tokens[6] == other and (session.tokens != before).sum() == 1
    assert f"entry {other}" in changed[tab.note] and "changed: 1" in changed[tab.stage]
    assert changed[tab.stage] != shown[tab.stage]
    tab.on_reset(visit)
    assert np.array_equal(session.tokens, before)


def test_what_a_browser_may_send_is_refused_in_a_sentence(tab, visit):
    with pytest.raises(gr.Error, match="Select a token of the picture first"):
        tab.on_entry(click(3), visit)
    tab.on_place(click(2), visit)
    for handler, wrong in ((tab.on_place, 16), (tab.on_place, "-1"), (tab.on_entry, 16), (tab.on_entry, "x")):
        with pytest.raises(gr.Error, match="There is no"):
            handler(click(wrong), visit)
    with pytest.raises(gr.Error, match="Nothing is written yet"):
        tab.writing.on_scrub(3, visit)
    with pytest.raises(gr.Error, match="No prior is called '../x'"):
        written(tab, visit, prior="../x")


@pytest.mark.parametrize("prior", ["small_gpt", "small_gpt_of_faces", "small_pixelcnn", "small_maskgit"])
def test_a_picture_is_written_step_by_step_and_the_slider_goes_back(tab, visit, prior):
    updates, session, w = written(tab, visit, prior=prior, seed=7), tab.sessions.of(visit), tab.writing
    expected = list(tokens.write(tab.engine, prior, 7))
    assert len(session.steps) == len(expected) and np.array_equal(session.steps[-1].tokens, expected[-1].tokens)
    assert "16 tokens in" in updates[-1][w.said] and f"{len(expected)} network calls" in updates[-1][w.said]
    assert updates[-1][w.stop]["visible"] is False and updates[-1][w.scrub]["value"] == len(expected)
    shown = w.on_scrub(2, visit)
    assert f"step 2 of {len(expected)}" in shown[w.written]
    done = sum(len(step.written) for step in expected[:2])
    assert len(re.findall(r'aria-label="[^"]*bits"', shown[w.written])) == done
    assert len(re.findall(r'aria-label="[^"]*not written yet"', shown[w.written])) == 16 - done
    assert len(re.findall(r"<meter", shown[w.likely])) == 5
    place = int(expected[-1].written[-1])
    there = w.on_cell(click(place), visit)
    assert pressed(there[w.written]) == [place] and there[w.scrub] == len(expected)


def test_another_token_lets_the_rest_be_written_again(tab, visit):
    written(tab, visit, seed=7)
    session, w = tab.sessions.of(visit), tab.writing
    before = [step.tokens for step in session.steps]
    w.on_scrub(5, visit)
    other = next(int(entry) for entry in session.steps[4].top[0] if entry != before[-1][4])
    updates = written(tab, visit, "on_branch", event=click(other))
    assert len(session.steps) == 16 and session.steps[-1].tokens[4] == other
    assert np.array_equal(session.steps[-1].tokens[:4], before[-1][:4])
    assert "another token at row 2, column 1" in updates[-1][w.said] and "11 tokens" in updates[-1][w.said]
    assert not np.array_equal(session.steps[4].image, tokens.detokenize(tab.engine, "small_vqvae", before[4][None])[0])


def test_the_lower_half_is_completed_below_the_picture_with_its_changes(tab, visit):
    session = tab.sessions.of(visit)
    tab.on_place(click(1), visit)
    tab.on_entry(click((int(session.tokens[1]) + 1) % 16), visit)
    updates = written(tab, visit, "on_complete")
    assert np.array_equal(session.steps[-1].tokens[:8], session.tokens[:8]) and len(session.steps) == 8
    assert len(re.findall(r'aria-label="[^"]*: given"', updates[-1][tab.writing.written])) == 8


def test_stopped_writing_stays_where_it_was(tab, visit):
    w, session = tab.writing, tab.sessions.of(visit)
    inputs = {component: component.value for component in (w.prior, w.seed, *w.panel.components.values())}
    run = w.on_write(inputs | {w.prior: "small_pixelcnn"}, visit)
    next(run), next(run)
    w.on_cancel(visit)
    *_, last = run
    assert last[w.stop]["visible"] is False and 1 <= len(session.steps) < 16


@pytest.mark.parametrize("coder", ["small_gpt", "small_pixelcnn", ""])
def test_a_picture_goes_to_a_file_and_the_file_opens_again(tab, visit, tmp_path, coder):
    files, session = tab.compression, tab.sessions.of(visit)
    *_, last = files.on_compress({files.scale: "fitted", files.coder: coder}, visit)
    data = Path(last[files.file]["value"]).read_bytes()
    assert last[files.file]["label"] == f"Download {len(data)} bytes" and data[:4] == compression.MAGIC
    assert last[files.result].count("<tr>") >= 4 and "Plain tokens" in last[files.result]
    given, before = tmp_path / "face.tokens", session.tokens.copy()
    given.write_bytes(data)
    tab.on_example(visit)
    shown = files.on_file({files.open_file: str(given)}, visit)
    assert np.array_equal(session.tokens, before) and not given.exists()
    assert "16 tokens, tiles: 1" in shown[files.result]
    given.write_bytes(data[:-1])
    with pytest.raises(gr.Error, match="damaged"):
        files.on_file({files.open_file: str(given)}, visit)


def test_a_large_picture_is_compressed_in_tiles(tab, visit, tmp_path):
    path = tmp_path / "large.png"
    Image.effect_noise((80, 48), 60).save(path)
    list(tab.open_picture(str(path), {}, visit))
    files = tab.compression
    *_, last = files.on_compress({files.scale: "tiled", files.coder: ""}, visit)
    shutil.copy(last[files.file]["value"], given := tmp_path / "large.tokens")
    shown = files.on_file({files.open_file: str(given)}, visit)
    assert "tiles: 15" in shown[files.result]
    uri = re.search(r'src="(data:image/png[^"]+)"', shown[files.result])[1]
    assert open_picture(html.read_uri(uri)).size == (80, 48)


def test_other_formats_stay_within_the_bytes_or_say_that_they_do_not():
    picture = Image.effect_noise((64, 64), 60).convert("RGB")
    for most in (100, 2000, 10**6):
        found = list(compression.others(picture, most))
        assert {name for name, *_ in found} >= {"JPEG", "WebP"}
        for _, size, quality, fits in found:
            assert fits == (size <= most) and quality > 5
    small, large = ({name: quality for name, _, quality, _ in compression.others(picture, m)} for m in (1500, 10**6))
    assert all(large[name] > small[name] for name in small)
