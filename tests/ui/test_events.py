"""Laws of the page's events: they send little, update little, and the server keeps the rest."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import gradio as gr
import pytest

from genstudio.engine import Engine
from genstudio.ui import events
from genstudio.ui.events import EACH, VISITS, Deferred, Variable, on
from genstudio.ui.studio import build


@pytest.fixture(scope="module")
def studio() -> gr.Blocks:
    return build(Engine("cpu"))


def private(page: gr.Blocks) -> list:
    return [event for event in page.fns.values() if event.fn and event.api_visibility == "private"]


def request(session: str = "someone") -> gr.Request:
    return gr.Request(session_hash=session)


def test_no_event_shows_gradios_progress_and_none_keeps_a_state_in_it(studio):
    assert all(event.show_progress_on == [] for event in private(studio) if event.outputs)
    assert not [block for block in studio.blocks.values() if isinstance(block, gr.State)]


def test_events_send_few_values_and_those_that_stream_update_few_components(studio):
    assert len(private(studio)) > 150
    for event in private(studio):
        assert len(event.inputs) <= 8, event.fn.__qualname__
        if inspect.isgeneratorfunction(event.fn):
            assert len(event.outputs) <= 8, event.fn.__qualname__


def test_the_page_loads_few_components(studio):
    [load] = [event for event in private(studio) if (studio._id, "load") in event.targets]
    assert load.fn.__qualname__ == "OpenFile.on_load" and 10 < len(load.outputs) <= 60


@pytest.fixture
def small():
    """A page with a slider, a text, a button and a picture, and what its handler was given."""
    given = []
    with gr.Blocks() as page:
        page.slider, page.text, page.button = gr.Slider(0, 10, 3), gr.Textbox(), gr.Button()
        page.picture, page.note, page.scene = gr.HTML(), gr.HTML(), Variable({"seed": 1})

        def handler(inputs: dict, request: gr.Request) -> dict:
            given.append(inputs)
            return {page.scene: {"seed": inputs[page.scene]["seed"] + 1}, page.picture: "drawn", page.slider: 7}

        reads = {page.slider, page.text, page.scene}
        page.dragged = on(page.slider.input, handler, reads, [page.scene, page.picture, page.slider], **EACH)
        page.clicked = on(page.button.click, handler, reads, [page.picture, page.slider], sends=[page.text], **EACH)
        page.given = given
        yield page
    VISITS.leave(request())


def run(page: gr.Blocks, dependency: gr.events.Dependency, *values):
    return page.fns[dependency["id"]].fn(*values, request())


def test_an_event_sends_its_own_value_and_the_server_knows_the_others(small):
    assert [c for c in small.fns[small.dragged["id"]].inputs] == [small.slider]
    assert run(small, small.dragged, 5) == {small.picture: "drawn", small.slider: 7}, "a variable is on no page"
    assert small.given[-1] == {small.slider: 5, small.text: "", small.scene: {"seed": 1}}
    run(small, small.clicked, "typed")
    assert small.given[-1] == {small.slider: 7, small.text: "typed", small.scene: {"seed": 2}}, "what it was sent last"
    assert small.scene.value == {"seed": 1}, "another visit begins as the first one"


def test_what_no_event_sends_is_told(small):
    events.tell_values(small)
    [told] = [event for event in small.fns.values() if event.fn.__qualname__.startswith("tell_values")]
    assert told.targets == [(small.text._id, "change")] and told.inputs == [small.text]
    told.fn("said", request())
    run(small, small.dragged, 4)
    assert small.given[-1][small.text] == "said"


def test_a_stream_leaves_to_another_event_what_does_not_change_with_each_step():
    with gr.Blocks() as page:
        front, rest, scene, button = gr.HTML(), gr.HTML(), Variable(0), gr.Button()
        deferred = Deferred()

        def handler(inputs: dict, request: gr.Request):
            yield {front: "1", scene: 1}
            yield {front: "2", rest: "first"}
            yield {rest: "last"}

        stream = deferred.stream(button.click, handler, {scene}, [front], **EACH)
        deferred.deliver_to([front, rest, scene])
    first, second, third = run(page, stream)
    assert first == {front: "1"} and second[front] == "2"
    assert second[deferred.bell] != third[deferred.bell], "each rings"
    assert deferred.deliver(request()) == {rest: "last"}
    assert all(update == gr.skip() for update in deferred.deliver(request())), "once"
    assert VISITS.of(request()).value(scene) == 1
    VISITS.leave(request())
    assert VISITS.of(request()).value(scene) == 0
    VISITS.leave(request())


def test_the_pages_bell_rings_that_of_a_tab_by_its_name():
    with gr.Blocks():
        shown, scene, deferred = gr.HTML(), Variable(0), Deferred("lab")
        deferred.deliver_to([shown, scene])
    assert deferred.keep({scene: 1}, request()) == "", "what no component shows rings none"
    first, second = (deferred.keep({shown: text}, request()) for text in ("one", "two"))
    assert [value.split(" ")[0] for value in (first, second)] == ["lab", "lab"] and first != second
    assert "event.detail === 'lab'" in deferred.bell.js_on_load
    assert deferred.deliver(request()) == {shown: "two"}
    VISITS.leave(request())


def test_handlers_that_take_values_in_order_keep_their_form():
    with gr.Blocks() as page:
        slider, shown = gr.Slider(0, 10, 3), gr.HTML()
        got = on(slider.input, lambda number, event: f"{number} {event.pick}", slider, shown, **EACH)
    event = SimpleNamespace(pick="here")
    assert page.fns[got["id"]].fn(4, event, request()) == {shown: "4 here"}
    VISITS.leave(request())
