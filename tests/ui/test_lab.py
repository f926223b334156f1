"""The Lab tab: its handlers, and a journey in a real browser."""

from __future__ import annotations

import base64
import io
import json
import re
from itertools import pairwise
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from genstudio.engine import Engine
from genstudio.ui import html
from genstudio.ui.events import VISITS
from genstudio.ui.language import t
from genstudio.ui.tabs.lab import words as w
from genstudio.ui.tabs.lab.presets import PRESETS
from genstudio.ui.tabs.lab.tab import LabTab
from tests.ui.page import go, idle, option, press, slide, turn_to_tab

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tab() -> LabTab:
    with gr.Blocks():
        return LabTab(Engine("cpu"))


@pytest.fixture
def visitor(tab):
    """Somebody with the tab open, who leaves at the end."""
    someone = request()
    list(tab.on_first({tab.memory: {}}, someone))
    yield someone
    tab.leave(someone)
    VISITS.leave(someone)


def request(name: str = "someone", language: str = "en") -> gr.Request:
    made = gr.Request(session_hash=name)
    made.request = SimpleNamespace(headers={"accept-language": language})
    return made


def event(**values) -> SimpleNamespace:
    return SimpleNamespace(**values)


def frame(tab: LabTab, visitor: gr.Request) -> dict:
    return json.loads(tab.frame(tab.sessions.of(visitor), "en"))


def drawing(empty: bool = False) -> str:
    sheet = Image.new("RGB", (280, 280), "white")
    if not empty:
        ImageDraw.Draw(sheet).line([20, 40, 250, 40], fill="black", width=12)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def first(frames, count: int) -> list[dict]:
    """The first updates of a handler that streams, which then ends as when the page is left."""
    found = [update for update, _ in zip(frames, range(count), strict=False)]
    frames.close()
    return found


# Handlers


def test_a_frame_is_small_and_has_what_the_stage_draws(tab, visitor):
    session = tab.sessions.of(visitor)
    for _ in range(200):
        session.step()
    text = tab.frame(session, "en")
    assert len(text) < 12_000 and "\n" not in text
    shown = json.loads(text)
    assert len(shown["real"]) == 400 and set(map(type, shown["real"])) == {int}
    [side] = shown["sides"]
    assert len(side["points"]) == 400 and len(side["forces"]) == 200
    levels = np.frombuffer(base64.b64decode(side["landscape"]), np.uint8)
    assert len(levels) == shown["side"] ** 2 and levels.std() > 0
    assert [curve["title"] for curve in side["curves"]] == ["means of D", "losses", "gradient norms"]
    for curve in side["curves"]:
        assert all(0 <= value <= 100 for _, line in curve["lines"] for value in line if value is not None)
    assert dict(side["facts"])["modes covered"].endswith(" of 8") and dict(side["facts"])["steps"] == "200"


def test_no_frame_reads_an_output_as_a_probability_that_is_none(tab, visitor):
    session = tab.sessions.of(visitor)
    session.set("game", "wasserstein")
    session.step()
    [side] = frame(tab, visitor)["sides"]
    assert side["curves"][0]["title"] == "means of D's output" and not side["curves"][0]["half"]
    assert "1/2" not in side["scale"]


def test_playing_takes_a_step_of_both_players_for_each_frame_until_it_is_paused(tab, visitor):
    frames, taken = tab.on_play(visitor), []
    for update in frames:
        if tab.stage in update:
            taken.append(json.loads(update[tab.stage])["sides"][0]["facts"][1][1])
            if len(taken) == 5:
                assert list(tab.on_play(visitor)) == [{}], "a second click pauses"
    assert len(taken) == 5
    counts = [tuple(map(int, said.split(", "))) for said in taken]
    assert counts[0] == (0, 0) and all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(counts))
    assert not tab.sessions.of(visitor).running and update[tab.play]["value"].key == t(w.PLAY).key


def test_a_preset_ends_what_plays_and_shows_two_trainings_from_one_seed(tab, visitor):
    before = tab.on_play(visitor)
    next(before)
    frames = tab.on_preset(event(pick="unrolled"), visitor)
    shown = next(frames)
    assert shown[tab.different] == ["unroll"] and shown[tab.others["unroll"]]["visible"]
    assert [one for one in tab.others.values() if shown[one]["visible"]] == [tab.others["unroll"]]
    assert PRESETS["unrolled"].sentence.en in shown[tab.note]
    drawn = json.loads(next(frames)[tab.stage])
    assert [side["title"] for side in drawn["sides"]] == ["Unrolled steps of D 0", "Unrolled steps of D 5"]
    assert drawn["sides"][0]["points"] == drawn["sides"][1]["points"], "the same seed"
    assert tab.play not in set().union(*before), "the old one ends without a word"
    frames.close()


def test_strong_critics_are_trained_first(tab, visitor):
    session = tab.sessions.of(visitor)
    session.take(PRESETS["vanishing"])
    session.speed = "frame"
    for _ in range(PRESETS["vanishing"].warmup):
        session.advance()
    assert [side.taken for side in session.sides] == 2 * [{"critic": 100, "generator": 0}]
    session.advance()
    assert session.sides[0].taken == {"critic": 101, "generator": 1}


def test_a_preset_pauses_at_its_claim_and_goes_on_when_it_is_played(tab, visitor):
    session, preset = tab.sessions.of(visitor), PRESETS["energy"]
    *frames, last = tab.on_preset(event(pick="energy"), visitor)
    assert [side.run.step for side in session.sides] == 2 * [preset.steps] and not session.running
    assert preset.claim(*map(preset.measure, session.sides)) and last[tab.play]["value"].key == t(w.PLAY).key
    shown = json.loads(frames[-1][tab.stage])["sides"]
    assert [side["title"] for side in shown] == ["Margin m 0.2", "Margin m 1"]
    assert [dict(side["facts"])["steps"] for side in shown] == 2 * [str(preset.steps)], "the last frame is of that step"
    first(tab.on_play(visitor), 4)
    assert session.sides[0].run.step > preset.steps
    tab.on_reset(visitor)
    tab.changing("margin", tab.components["margin"])({tab.components["margin"]: 0.3}, visitor)
    assert session.until == 0, "another setting has another end"


def test_figures_are_shown_without_a_training(tab, visitor):
    *_, last = tab.on_preset(event(pick="xy"), visitor)
    shown = frame(tab, visitor)
    assert shown["sides"] == [] and [len(plot["lines"]) for plot in shown["figure"]] == [2]
    assert last[tab.play]["value"].key == t(w.PLAY).key
    one = tab.components["critic_steps"]
    update = tab.changing("critic_steps", one)({one: 2}, visitor)
    assert json.loads(update[tab.stage])["sides"] and update[tab.note] == "", "a setting leaves the figure"


@pytest.mark.parametrize("name", ["game", "penalty", "critic_rate", "batch"])
def test_a_setting_changes_both_trainings_but_where_they_differ(tab, visitor, name):
    session = tab.sessions.of(visitor)
    value = {"game": "hinge", "penalty": 2.0, "critic_rate": "0.01", "batch": 64}[name]
    tab.on_different({tab.different: ["unroll"]}, visitor)
    session.step()
    one = tab.components[name]
    tab.changing(name, one)({one: value}, visitor)
    assert [side.values[name] for side in session.sides] == [value, value]
    assert [side.run.step for side in session.sides] == [1, 1], "it goes on"
    tab.on_different({tab.different: [name]}, visitor)
    other = {"game": "kl", "penalty": 3.0, "critic_rate": "0.001", "batch": 32}[name]
    tab.changing_other(name, tab.others[name])({tab.others[name]: other}, visitor)
    assert [side.values[name] for side in session.sides] == [value, other]
    session.start()
    assert [side.values[name] for side in session.sides] == [value, other], "also after a reset"


def test_another_model_shows_its_own_settings(tab, visitor):
    one = tab.components["model"]
    updates = tab.changing("model", one)({one: "points_vae"}, visitor)
    seen = {name for name, component in tab.components.items() if updates[component]["visible"]}
    assert seen == {"model", "beta", "generator_rate", "optimizer", "batch"}
    [side] = json.loads(updates[tab.stage])["sides"]
    assert side["title"] == "Model VAE" and side["forces"] == [] and "squared error" in side["scale"]
    tab.on_different({tab.different: ["model"]}, visitor)
    tab.changing_other("model", tab.others["model"])({tab.others["model"]: "points_gan"}, visitor)
    assert [side["title"] for side in frame(tab, visitor)["sides"]] == ["Model VAE", "Model GAN"]
    assert tab.sessions.of(visitor).step("critic"), "only one of them has a critic"
    assert [sum(side.taken.values()) for side in tab.sessions.of(visitor).sides] == [0, 1]


def test_a_reload_brings_the_settings_back_and_a_strangers_memory_harms_nothing(tab, visitor):
    one = tab.components["game"]
    tab.changing("game", one)({one: "hinge"}, visitor)
    tab.on_different({tab.different: ["critic_rate"]}, visitor)
    tab.on_data({tab.data: "moons"}, visitor)
    kept = tab.on_seed({tab.seed: 7}, visitor)[tab.memory]
    kept = json.loads(json.dumps(kept))

    def back(memory) -> tuple:
        again = request("again")
        *_, shown = tab.on_first({tab.memory: memory}, again)
        session = tab.sessions.of(again)
        tab.leave(again)
        return session, shown

    session, shown = back(kept)
    assert (session.data, session.seed, session.values) == ("moons", 7, {"game": "hinge"})
    assert [*session.different] == ["critic_rate"]
    assert shown[tab.components["game"]]["value"] == "hinge" and len(session.sides) == 2 and not session.running
    assert back({"preset": "xy"})[0].preset is PRESETS["xy"]
    wrong = {"values": {"x": 1}}, {"seed": -1}, {"different": {"batch": 10**9}}, {"model": "vae_mnist"}
    for bad in (None, 3, [], {"preset": []}, *(kept | one for one in wrong)):
        session, _ = back(bad)
        assert session.data == "ring" and session.sides[0].values["game"] == "nonsaturating" and len(session.sides) == 1


def test_a_drawing_and_a_picture_are_learned(tab, visitor, tmp_path):
    session = tab.sessions.of(visitor)
    pad = tab.on_data({tab.data: "drawing"}, visitor)
    assert pad[tab.drawing]["visible"] and "<canvas" in pad[tab.sheet] and session.data == "ring"
    tab.on_drawing(event(png=drawing()), visitor)
    y = frame(tab, visitor)["real"][1::2]
    assert session.data == "drawing" and min(y) > 600 and max(y) < 800, "a line above the middle"
    assert tab.on_data({tab.data: "picture"}, visitor)[tab.drawing] == gr.update(visible=False)
    fish = session.sides[0].real
    path = tmp_path / "mine.png"
    path.write_bytes(html.read_uri(drawing()))
    [update] = tab.open_picture(str(path), {}, visitor)
    assert update[tab.data] == "picture" and not torch.equal(session.sides[0].real, fish)


def test_what_cannot_be_is_said_in_one_sentence_and_changes_nothing(tab, visitor):
    session = tab.sessions.of(visitor)

    def refused(words: str, call, *given) -> None:
        with pytest.raises((gr.Error, ValueError), match=words) as error:
            list(call(*given) or ())
        assert "\n" not in str(error.value)

    rate, batch = tab.components["critic_rate"], tab.components["batch"]
    before = dict(session.sides[0].values), session.data
    refused("This picture is empty", tab.on_drawing, event(png=drawing(empty=True)), visitor)
    refused("Not a picture", tab.on_drawing, event(png="data:text/html,x"), visitor)
    refused("must be one of", tab.changing("critic_rate", rate), {rate: float("nan")}, visitor)
    refused("must lie between 8 and 512, not 1000000000", tab.changing("batch", batch), {batch: 10**9}, visitor)
    refused("no preset 'x'", tab.on_preset, event(pick="x"), visitor)
    refused("Draw something", tab.on_data, {tab.data: "nothing"}, visitor)
    refused("A seed is a whole number", tab.on_seed, {tab.seed: -1}, visitor)
    with pytest.raises(ValueError, match="no preset 'x'"):
        tab.open_link("x", visitor)
    assert (session.sides[0].values, session.data) == before and session.preset is None


def test_a_training_that_diverges_says_so_below_its_picture_and_the_other_goes_on(tab, visitor):
    session = tab.sessions.of(visitor)
    tab.on_different({tab.different: ["game"]}, visitor)
    with torch.no_grad():
        session.sides[1].run.model.critic[1][-1].bias.fill_(float("nan"))
    assert session.step() and session.step()
    left, right = frame(tab, visitor)["sides"]
    assert left["trouble"] == "" and right["trouble"].startswith("The training diverged at step 1: ")
    assert [side.run.step for side in session.sides] == [2, 1]
    session.sides[0].trouble = session.sides[1].trouble
    assert len(list(tab.on_play(visitor))) == 3, "nothing can go on: it pauses by itself"


def test_who_leaves_ends_what_plays(tab):
    someone = request("other")
    list(tab.on_first({tab.memory: {}}, someone))
    frames = tab.on_play(someone)
    next(frames), next(frames)
    tab.leave(someone)
    assert len(first(frames, 9)) <= 1
    frames = tab.on_play(someone)
    next(frames), next(frames)
    tab.on_hidden(someone)
    rest = first(frames, 9)
    assert len(rest) <= 2 and rest[-1][tab.play]["value"].key == t(w.PLAY).key
    tab.leave(someone)


def test_visitors_take_turns(tab):
    """Each gets a frame for each of the other's, and none has to wait for a whole run of another."""
    two = [request("one"), request("two")]
    streams = []
    for one in two:
        list(tab.on_first({tab.memory: {}}, one))
        tab.sessions.of(one).speed = "most"
        streams.append(tab.on_play(one))
    for _ in range(4):
        for frames in streams:
            next(frames)
    steps = [tab.sessions.of(one).sides[0].run.step for one in two]
    assert min(steps) >= 3
    for frames, one in zip(streams, two, strict=True):
        frames.close()
        tab.leave(one)


def test_the_stage_speaks_french(tab):
    visitor = request("francophone", "fr-FR")
    list(tab.on_first({tab.memory: {}}, visitor))
    session = tab.sessions.of(visitor)
    for _ in range(3):
        session.step()
    session.take(PRESETS["unrolled"])
    session.step()
    text = tab.frame(session, "fr")
    drawn = json.loads(text)
    words = " ".join(fact for side in drawn["sides"] for row in side["facts"] for fact in row)
    words += " ".join(curve["title"] + curve["high"] for side in drawn["sides"] for curve in side["curves"])
    assert "modes couverts" in words and "pertes" in words and not re.search(r"\d\.\d|\b(of|steps|losses)\b", words)
    tab.leave(visitor)


# In a browser

STEPS = "+(document.querySelector('#lab-stage dd') || {textContent: '0'}).textContent.replace(/\\D/g, '')"


def steps(page) -> int:
    return page.evaluate(STEPS)


@pytest.mark.browser
@pytest.mark.timeout(900)
def test_a_game_is_played_paused_changed_and_compared(page, server, subtests):
    turn_to_tab(page, "lab")
    page.wait_for_selector("#lab-stage canvas.plane")

    with subtests.test("play and pause, by keyboard"):
        page.locator("#lab-play").focus()
        page.keyboard.press("Enter")
        page.wait_for_function(f"{STEPS} > 5")
        assert page.locator("#lab-play").inner_text() == "Pause"
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('#lab-play').textContent.trim() == 'Play'")
        idle(page)
        rest = steps(page)
        idle(page)
        assert steps(page) == rest

    with subtests.test("one step of D, one of G"):
        before = page.locator("#lab-stage dd").nth(1).inner_text()
        press(page, "#lab-critic")
        press(page, "#lab-generator")
        after = page.locator("#lab-stage dd").nth(1).inner_text()
        d, g = (int(part) for part in before.replace("\u202f", "").split(", "))
        assert after.replace("\u202f", "") == f"{d + 1}, {g + 1}"

    with subtests.test("the plane is drawn"):
        shades = page.evaluate(
            """() => { const c = document.querySelector('#lab-stage canvas.plane');
            const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            return new Set(new Uint32Array(pixels.buffer)).size; }"""
        )
        assert shades > 50

    with subtests.test("a setting changes while it runs"):
        press(page, "#lab-reset")
        page.locator("#lab-play").click()
        page.wait_for_function(f"{STEPS} > 2")
        page.locator("#lab-game input").click()
        page.get_by_role("option", name="Wasserstein", exact=True).click()
        page.wait_for_function("document.querySelector('#lab-stage b').textContent == 'Game Wasserstein'")
        page.locator("#lab-play").click()
        idle(page)

    with subtests.test("another model has other settings"):
        option(page, "#lab-model", "VAE")
        page.wait_for_function("document.querySelector('#lab-stage b').textContent == 'Model VAE'")
        page.locator("#lab-game").wait_for(state="hidden")
        option(page, "#lab-model", "GAN")
        page.locator("#lab-game").wait_for(state="visible")

    with subtests.test("a preset, two side by side"):
        page.locator("#lab-presets [data-pick=unrolled]").click()
        page.wait_for_function("document.querySelectorAll('#lab-stage figure').length == 2")
        page.wait_for_function(f"{STEPS} > 2")
        page.locator("#lab-play").click()
        idle(page)
        assert "5 steps of D" in page.locator("#lab-note").inner_text()
        slide(page, "#lab-other-unroll", 3)
        idle(page)
        page.wait_for_function(
            "document.querySelectorAll('#lab-stage figure > b')[1].textContent == 'Unrolled steps of D 3'"
        )

    with subtests.test("what the visitor draws is learned"):
        option(page, "#lab-data", "Your drawing")
        canvas = page.locator("#lab-pad canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 30, steps=8)
        page.mouse.up()
        page.wait_for_function("!/modes/.test(document.querySelector('#lab-stage dl').textContent)")
        idle(page)

    with subtests.test("another tab pauses it"):
        page.locator("#lab-play").click()
        page.wait_for_function("document.querySelector('#lab-play').textContent.trim() == 'Pause'")
        page.locator("#tabs > .tab-wrapper button[role=tab][data-tab-id=latent]").click()
        idle(page)

    with subtests.test("a link opens a figure"):
        go(page, server + "?lab=xy")
        page.wait_for_selector("#lab-stage .figure canvas")
        assert "extragradient" in page.locator("#lab-note").inner_text()
        page.wait_for_function("location.search == ''")
        idle(page)

    with subtests.test("a reload comes back to it"):
        go(page)
        page.wait_for_selector("#lab-stage .figure canvas")
