"""A toggle steers a model from the page, the command line, a link, the API and the recipe in a PNG, all alike."""

from __future__ import annotations

import base64
import shlex
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

import gradio as gr
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genstudio import checkpoint
from genstudio.cli import main
from genstudio.controls import Text, Toggle, controls
from genstudio.engine import Engine
from genstudio.images import open_picture, read_recipe
from genstudio.model import Batch, Frame, Model, Progress
from genstudio.objectives.likelihood import kl_standard_normal
from genstudio.recipes import commands, links, recipe, replay
from genstudio.registry import systems
from genstudio.system import Recipe, system
from genstudio.ui import api, studio
from genstudio.ui.panels import Panel

SIDE, SEEDS = 8, list(range(8))
BAR = np.s_[:, 3, 1:7]  # the pixels of the glasses
WORDS = {"any": None, "yes": True, "no": False}

Glasses = Annotated[
    bool | None,
    Toggle(
        title=Text("Glasses", "Lunettes"),
        hint=Text("Any draws it for each seed.", "Indifférent : tiré au sort pour chaque graine."),
    ),
]


class Portraits(Model):
    """A conditional VAE of two linear layers, told who wears glasses."""

    image_shape = (1, SIDE, SIDE)

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(SIDE**2, 8), nn.Linear(4 + 1, SIDE**2)

    def sample(self, noise, *, glasses: Glasses = None):
        drawn, z = noise.uniform(1).squeeze(1) < 0.5, noise.normal(4)
        yield Frame(self.paint(z, drawn if glasses is None else torch.full_like(drawn, glasses)))

    def paint(self, z: Tensor, glasses: Tensor) -> Tensor:
        return self.decoder(torch.cat([z, glasses[:, None].to(z)], 1)).tanh().view(-1, *self.image_shape)

    def losses(self, batch: Batch, progress: Progress):
        mean, log_variance = self.encoder(batch.images.flatten(1)).chunk(2, 1)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        error = (self.paint(z, batch.conditions["glasses"]) - batch.images).square().sum((1, 2, 3))
        yield "model", {"loss": (error / 0.1 + kl_standard_normal(mean, log_variance)).mean()}


@system(title=Text("Portraits", "Portraits dessinés"), data="mnist", recipe=Recipe(images=64))
def portraits() -> Portraits:
    """Grey squares, with or without a dark bar."""
    return Portraits()


def trained() -> Portraits:
    torch.manual_seed(0)
    model = portraits()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(300):
        glasses = torch.rand(64) < 0.5
        images = (torch.rand(64, 1, 1, 1) * 0.6).repeat(1, 1, SIDE, SIDE)
        images[:, :, 3, 1:7] -= 0.6 * glasses[:, None, None]
        for _, terms in model.losses(Batch(images, conditions={"glasses": glasses}), Progress()):
            optimizer.zero_grad()
            terms["loss"].backward()
            optimizer.step()
    return model.eval()


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory):
    """A home with the trained model, in which its system is known."""
    home = tmp_path_factory.mktemp("home")
    (home / "checkpoints").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENSTUDIO_HOME", str(home))
        patch.setitem(systems(), "portraits", portraits.system)
        checkpoint.save(home / "checkpoints" / "portraits.safetensors", trained(), checkpoint.Header("portraits"))
        yield


@pytest.fixture
def panel() -> Panel:
    with gr.Blocks():
        return Panel({"portraits": portraits.system}, "sample", "portraits")


def drawn(engine: Engine, glasses, seeds=SEEDS) -> np.ndarray:
    *_, images = engine.sample("portraits", list(seeds), glasses=glasses)
    return images[..., 0].astype(int)


def wearing(images: np.ndarray) -> np.ndarray:
    """Who of (n, h, w) wears glasses."""
    return images[:, 0].mean(1) - images[BAR].mean(1) > 40


def test_it_was_learned_and_any_draws_it_for_each_seed(exact: Engine):
    assert wearing(drawn(exact, True)).all() and not wearing(drawn(exact, False)).any()
    some = wearing(drawn(exact, None))
    assert some.any() and not some.all()
    for seed, glasses in zip(SEEDS, some, strict=True):
        assert np.array_equal(drawn(exact, None)[seed], drawn(exact, bool(glasses))[seed])


@pytest.mark.parametrize("word", WORDS)
def test_the_panel_offers_three_titled_answers(panel, exact: Engine, word):
    component = panel.components["glasses"]
    assert isinstance(component, gr.Radio) and component.value == "any"
    assert [value for _, value in component.choices] == list(WORDS)
    assert str(component.choices[0][0]) != str(component.choices[1][0])
    values = panel.values("portraits", {component: word})
    assert values == {"glasses": WORDS[word]}
    assert panel.show("portraits", values)[component]["value"] == word
    assert np.array_equal(drawn(exact, **values), drawn(exact, word))


@pytest.mark.parametrize("word", WORDS)
def test_a_flag_is_in_the_recipe_of_a_png_which_makes_it_again(exact: Engine, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "portraits", "--seeds", "2", "--glasses", word, "--exact"]) == 0
    made = read_recipe(open_picture("pictures/0002.png"))
    assert made["controls"] == {"glasses": WORDS[word]}
    first = np.asarray(open_picture("pictures/0002.png")).astype(int)
    assert np.array_equal(first, drawn(exact, WORDS[word])[2])
    assert np.array_equal(replay.image(recipe.check(made), exact).squeeze(), first)
    command = shlex.split(commands.command(made))
    assert command[-3:] == ["--glasses", word, "--exact"]
    Path("pictures/0002.png").unlink()
    assert main(command[3:]) == 0
    assert np.array_equal(np.asarray(open_picture("pictures/0002.png")), first)


def test_its_flag_says_what_it_takes(capsys):
    with pytest.raises(SystemExit):
        main(["sample", "portraits", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--glasses any|yes|no Glasses (any). Any draws it for each seed." in said
    assert main(["sample", "portraits", "--seeds", "1", "--glasses", "maybe"]) == 2
    assert "glasses must be any, yes or no, not 'maybe'" in capsys.readouterr().err


@pytest.mark.parametrize("word", WORDS)
def test_a_link_takes_words_and_json(exact: Engine, word):
    made = recipe.make(exact.hold("portraits"), "sample", seed=2, controls={"glasses": WORDS[word]})
    query = links.to_query(made)
    assert parse_qs(query)["glasses"] == [{"any": "null", "yes": "true", "no": "false"}[word]]
    back = recipe.check(links.from_query(query))
    assert back["controls"] == {"glasses": WORDS[word]}
    said = recipe.check(links.from_query(f"verb=sample&system=portraits&seed=2&glasses={word}"))
    due = drawn(exact, WORDS[word])[2]
    for one in (back, said):
        assert one["controls"] == {"glasses": WORDS[word]}
        assert np.array_equal(replay.image(one, exact).squeeze(), due)
    with pytest.raises(ValueError, match="glasses must be any, yes or no, not '3'"):
        recipe.check(links.from_query("verb=sample&system=portraits&seed=2&glasses=3"))


def test_its_recipe_speaks_for_itself_and_it_has_a_default(exact: Engine):
    assert controls(Portraits.sample)["glasses"].default is None
    assert recipe.check({"verb": "sample", "system": "portraits", "seed": 1})
    for wrong in ("maybe", 1, 0, [True]):
        with pytest.raises(ValueError, match="glasses must be any, yes or no"):
            recipe.check({"verb": "sample", "system": "portraits", "seed": 1, "controls": {"glasses": wrong}})


@pytest.fixture(scope="module")
def served(weights):
    """A page of the panel, of what it says, and of the API."""
    with gr.Blocks() as page:
        panel = Panel({"portraits": portraits.system}, "sample", "portraits")
        radio, said = panel.components["glasses"], gr.Textbox(elem_id="said")
        radio.input(lambda word: str(panel.values("portraits", {radio: word})), radio, said)
        api.expose(Engine("cpu", exact=True))
    page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **studio.settings())
    yield page.local_url
    page.close()


def test_the_api_takes_words_and_json(served, exact: Engine):
    from gradio_client import Client

    client = Client(served, verbose=False)
    for word, value in WORDS.items():
        due = drawn(exact, value, [2, 5])
        for said in (word, value):
            uris = client.predict("portraits", [2, 5], {"glasses": said}, api_name="/sample")
            for uri, image in zip(uris, due, strict=True):
                picture = open_picture(base64.b64decode(uri.partition(",")[2]))
                assert np.array_equal(np.asarray(picture), image)
                assert read_recipe(picture)["controls"] == {"glasses": value}
                assert np.array_equal(replay.image(recipe.check(read_recipe(picture)), exact).squeeze(), image)
    with pytest.raises(Exception, match="(?i)glasses must be any, yes or no"):
        client.predict("portraits", [2], {"glasses": "maybe"}, api_name="/sample")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("locale", "titles"), [("en-US", ["Any", "Yes", "No"]), ("fr-FR", ["Indifférent", "Oui", "Non"])]
)
def test_the_page_shows_it_in_the_visitors_language(served, browser, locale, titles):
    context, kind = browser.new_context(locale=locale), controls(Portraits.sample)["glasses"].kind
    try:
        page = context.new_page()
        page.goto(served)
        radio = page.locator("#portraits-glasses")
        for title, value in zip(reversed(titles), (False, True, None), strict=True):
            radio.get_by_text(title, exact=True).click()
            due = f"{{'glasses': {value}}}"
            page.wait_for_function("due => document.querySelector('#said textarea').value == due", arg=due)
            assert radio.locator("input:checked").count() == 1
        assert [label.strip() for label in radio.locator("label").all_inner_texts()] == titles
        for words in (kind.title, kind.hint):
            shown = radio.inner_text().replace("\N{NO-BREAK SPACE}", " ")  # before French marks
            assert getattr(words, locale[:2]) in shown
    finally:
        context.close()
