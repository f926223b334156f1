"""The command line, in process, on an untrained VAE of digits in a home of the test's own."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from genstudio import checkpoint, cli
from genstudio.cli import common, pictures
from genstudio.data import drawings
from genstudio.images import open_picture, read_recipe
from genstudio.recipes import commands, encoding, links, recipe
from genstudio.registry import find_system
from genstudio.training import timelapse as film


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vae_mnist.safetensors"
    checkpoint.save(path, find_system("vae_mnist").build(), checkpoint.Header("vae_mnist", data="mnist", images=7))
    return path


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, weights):
    """An empty folder to work in, and a home with one checkpoint and no data."""
    home = tmp_path / "home"
    (home / "checkpoints").mkdir(parents=True)
    os.link(weights, home / "checkpoints" / weights.name)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("GENSTUDIO_HOME", str(home))
    monkeypatch.setenv("GENSTUDIO_DATA", str(home / "data"))
    return home


def ok(*words: str) -> None:
    assert cli.main(list(map(str, words))) == 0


def picture(path: str) -> str:
    Image.linear_gradient("L").save(path)
    return path


def pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


# Pictures -------------------------------------------------------------------------------------------------------


def test_sample_writes_a_png_a_seed_that_says_how_it_was_made(capsys):
    ok("sample", "vae_mnist", "--seeds", "3,10-12", "--truncation", "0.5", "--grid", "--out", "out")
    assert sorted(os.listdir("out")) == ["0003.png", "0010.png", "0011.png", "0012.png", "grid.png"]
    made = read_recipe(open_picture("out/0011.png"))
    assert (made["system"], made["seed"], made["controls"]) == ("vae_mnist", 11, {"truncation": 0.5})
    assert recipe.check(made)
    assert Image.open("out/grid.png").size == (58, 58)
    said = capsys.readouterr()
    assert said.out == "4 pictures and grid.png in out\n"
    assert "4 of 4 pictures" in said.err


def test_a_seed_is_the_same_picture_beside_others(monkeypatch):
    monkeypatch.setattr(common, "CHUNK", 3)
    ok("sample", "vae_mnist", "--seeds", "0-7", "--exact", "--out", "many")
    ok("sample", "vae_mnist", "--seeds", "7", "--exact", "--out", "one")
    assert len(os.listdir("many")) == 8
    assert abs(pixels("many/0007.png") - pixels("one/0007.png")).max() <= 1


def test_a_control_changes_the_picture_and_a_file_may_be_named(weights):
    ok("sample", weights, "--seeds", "5", "--out", "plain")
    ok("sample", weights, "--seeds", "5", "--truncation", "0", "--out", "average")
    ok("sample", weights, "--seeds", "6", "--truncation", "0", "--out", "average")
    assert (pixels("plain/0005.png") != pixels("average/0005.png")).any()
    assert (pixels("average/0005.png") == pixels("average/0006.png")).all()


def test_the_largest_seed_is_a_seed():
    ok("sample", "vae_mnist", "--seeds", 2**32 - 1, "--out", "out")
    assert os.listdir("out") == [f"{2**32 - 1}.png"]


@pytest.mark.parametrize("verb", ["sample", "interpolate", "decode"])
def test_the_command_of_a_recipe_makes_the_same_picture(verb):
    """One picture is a third of the way, a number that few digits do not hold."""
    codes = "code:" + encoding.pack(np.linspace(-2, 2, 40))
    words = {
        "sample": ["--seeds", "5"],
        "interpolate": ["--from", "3", "--to", picture("face.png"), "--positions", f"{1 / 3}", "--path", "linear"],
        "decode": [codes],
    }[verb]
    ok(verb, "vae_mnist", *words, "--truncation", "0.7", "--out", "first")
    [name] = os.listdir("first")
    command = commands.command(read_recipe(open_picture(f"first/{name}")))
    program, words = ["python", "-m", "genstudio"], shlex.split(command)
    assert words[:3] == program
    ok(*words[3:])
    [again] = os.listdir("pictures")
    assert (pixels(f"pictures/{again}") == pixels(f"first/{name}")).all()


@pytest.mark.parametrize(
    "query",
    [
        "verb=steer&system=vae_mnist&from=3&by=effect1:2,dimension7:-1.5&truncation=0.7",
        "verb=plane&system=vae_mnist&corners=1,2,3,4&x=0.25&y=0.75",
    ],
)
def test_a_link_and_the_picture_that_it_gives_make_the_same_picture(query):
    ok("replay", f"http://127.0.0.1:7860/?{query}", "--out", "first.png")
    made = read_recipe(open_picture("first.png"))
    assert links.to_query(made).replace("%2C", ",") == query
    words = shlex.split(commands.command(made))
    assert words[:4] == ["python", "-m", "genstudio", made["verb"]]
    ok(*words[3:])
    ok("replay", "first.png", "--out", "third.png")
    [again] = [name for name in os.listdir("pictures") if name != "sheet.png"]
    assert read_recipe(open_picture(f"pictures/{again}")).items() >= {k: v for k, v in made.items() if k != "controls"}.items()
    assert (pixels(f"pictures/{again}") == pixels("first.png")).all() and (pixels("third.png") == pixels("first.png")).all()


def test_a_way_becomes_a_film_there_and_back():
    for name in ("way.webp", "way.mp4"):
        ok("interpolate", "vae_mnist", "--from", "1", "--to", "2", "--count", "2", "--film", name, "--out", "way")
    assert Image.open("way.webp").is_animated
    with av.open("way.mp4") as film:
        assert sum(1 for _ in film.decode(video=0)) == 2 * pictures.WALK - 2


def test_interpolation_starts_and_ends_at_its_ends():
    ok("sample", "vae_mnist", "--seeds", "3,4", "--exact", "--out", "ends")
    ok("interpolate", "vae_mnist", "--from", "3", "--to", "4", "--count", "5", "--exact", "--strip", "--out", "way")
    assert sorted(os.listdir("way")) == ["0000.png", "0001.png", "0002.png", "0003.png", "0004.png", "strip.png"]
    assert abs(pixels("way/0000.png") - pixels("ends/0003.png")).max() <= 1
    assert abs(pixels("way/0004.png") - pixels("ends/0004.png")).max() <= 1
    assert Image.open("way/strip.png").size == (5 * 30 - 2, 28)
    assert read_recipe(open_picture("way/0001.png"))["from"] == {"seed": 3}


def test_an_encoded_picture_is_decoded_from_text_and_from_a_file_alike(capsys):
    picture("face.png")
    ok("encode", "vae_mnist", "face.png", "face.png")
    first, second = capsys.readouterr().out.split()
    assert first == second and first.startswith("code:")
    ok("encode", "vae_mnist", "face.png", "--out", "codes")
    ok("encode", "vae_mnist", "face.png", "--json")
    *_, last = capsys.readouterr().out.partition("\n")
    assert json.loads(last)["codes"] == [{"picture": "face.png", "code": first}]
    ok("decode", "vae_mnist", first, "--out", "a")
    ok("decode", "vae_mnist", "codes.npz", "--out", "b")
    assert (pixels("a/0000.png") == pixels("b/0000.png")).all()


def test_json_tells_files_and_recipes(capsys):
    ok("sample", "vae_mnist", "--seeds", "1-2", "--out", "out", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert [row["recipe"]["seed"] for row in rows] == [1, 2]
    assert all(read_recipe(open_picture(row["file"])) == row["recipe"] for row in rows)


# What there is --------------------------------------------------------------------------------------------------


def test_list_shows_systems_with_and_without_weights_and_files_that_are_broken(home, capsys):
    (home / "checkpoints" / "vae_mnist.cut.safetensors").write_bytes(b"cut off")
    ok("list", "--json")
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["vae_mnist"]["shape"] == [1, 28, 28] and rows["vae_mnist"]["images"] == 7
    assert rows["vae_mnist"]["bytes"] > 1e6
    assert rows["vae_mnist.cut"]["problem"] == "vae_mnist.cut.safetensors is not a whole safetensors file"
    ok("list")
    text = capsys.readouterr().out
    assert "not a whole safetensors file" in text
    [line] = [line for line in text.splitlines() if line.split()[:1] == ["vae_mnist"]]
    assert "VAE · handwritten digits · 28 px" in line and "MB" in line and line.endswith("yours")
    assert len(text.splitlines()) == len(rows) + len({row["family"] for row in rows.values()}), "a line each"


def test_weights_of_another_project_are_taken_in_once_and_listed_at_their_own_size(home, capsys):
    shapes = {"fc1": (8, 100), "fc21": (3, 8), "fc22": (3, 8), "fc3": (8, 3), "fc4": (100, 8)}
    state = {f"{name}.weight": torch.randn(shape) for name, shape in shapes.items()}
    torch.save(state | {f"{name}.bias": torch.randn(shape[0]) for name, shape in shapes.items()}, "vae epoch 25.pth")
    ok("open", "vae epoch 25.pth")
    ok("open", "vae epoch 25.pth", "--name", "again")
    said = capsys.readouterr().out
    assert said.count("kept as dense_vae.vae-epoch-25: latents, decode, encode") == 2 and "10x10 px" in said
    assert [path.name for path in (home / "checkpoints").glob("dense*")] == ["dense_vae.vae-epoch-25.safetensors"]
    ok("list", "--json")
    [row] = [row for row in json.loads(capsys.readouterr().out) if row["name"] == "dense_vae.vae-epoch-25"]
    assert row["shape"] == [1, 10, 10]
    ok("decode", "dense_vae.vae-epoch-25", *encoded("dense_vae.vae-epoch-25", capsys))
    Path("mine.pth").write_bytes(b"\x80\x04cposix\nsystem\n.")
    assert cli.main(["open", "mine.pth"]) == 2 and "it asks for posix.system" in capsys.readouterr().err
    assert cli.main(["open", "nothing.pth"]) == 2 and "does not exist" in capsys.readouterr().err


def encoded(system: str, capsys) -> list[str]:
    """The words of a picture's code."""
    ok("sample", system, "--seeds", "3", "--out", "drawn")
    ok("encode", system, "drawn/0003.png")
    return capsys.readouterr().out.split()[-1:]


def test_scores_of_a_header_are_listed(home, capsys):
    path = home / "checkpoints" / "vae_mnist.tagged.safetensors"
    header = checkpoint.Header("vae_mnist", scores={"negative ELBO": {"value": 91.3, "low": 91, "high": 92, "n": 9}})
    checkpoint.save(path, find_system("vae_mnist").build(), header)
    line = "negative ELBO: 91.3 (91 to 92, n = 9)"
    ok("list")
    assert line not in capsys.readouterr().out
    ok("list", "--scores")
    assert line in capsys.readouterr().out
    ok("show", str(path))  # a file anywhere
    of_file = capsys.readouterr().out
    ok("show", "vae_mnist.tagged")
    text = capsys.readouterr().out
    assert of_file.partition("weights")[2].partition("MB")[0] == text.partition("weights")[2].partition("MB")[0] != ""
    for fact in (line, "decode", "1x28x28", "yours", "Apache-2.0", find_system("vae_mnist").summary):
        assert fact in text
    ok("show", "biggan_cifar10")
    assert "not trained" in capsys.readouterr().out
    assert cli.main(["show", "vae_mnits"]) == 2 and "no system is called 'vae_mnits'" in capsys.readouterr().err.lower()


@pytest.mark.parametrize("verb", ["", *"list show sample encode decode interpolate translate train score data app".split()])
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([*verb.split(), "--help"])
    assert left.value.code == 0
    assert "usage: python -m genstudio" in capsys.readouterr().out


def test_help_of_a_system_tells_its_controls(capsys):
    with contextlib.suppress(SystemExit):
        cli.main(["sample", "vae_mnist", "--help"])
    assert "--truncation 0.0-1.5" in capsys.readouterr().out


def test_help_of_a_translator_tells_its_controls(untrained, capsys):
    with contextlib.suppress(SystemExit):
        cli.main(["translate", untrained("cyclegan_glasses"), "--help"])
    said = capsys.readouterr().out
    assert "--direction there|back" in said and "--amount 0.0-1.5" in said and "--view own|tiles" in said


def test_help_of_train_tells_the_recipe(capsys):
    with contextlib.suppress(SystemExit):
        cli.main(["train", "--help"])
    said = capsys.readouterr().out
    assert "--images INT" in said and "learning rate" in said and "--no-flip" in said
    assert "--betas" not in said and "--rates PLAYER=RATE" in said and "critic=4e-4" in said


# What a visitor gets wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("sample vae_mnits --seeds 1", "no system is called 'vae_mnits'; did you mean vae_mnist"),
        ("sample vae_mnist --seeds " + "1" + "0" * 30, "a seed is a whole number from 0 to"),
        ("sample vae_mnist --seeds one", "seeds are written like 0-63"),
        ("sample vae_mnist --seeds 9-3", "run backwards"),
        ("sample vae_mnist --seeds -5", "seeds are written like 0-63"),
        ("sample vae_mnist --seeds 0-99999 --grid", "a sheet holds at most 4096"),
        ("sample vae_mnist --seeds 0-4294967295 --grid", "a sheet holds at most 4096"),
        ("sample vae_mnist --seeds 1 --truncation 3", "truncation must lie between 0.0 and 1.5, not 3"),
        ("sample vae_mnist --seeds 1 --truncation nan", "truncation must lie between"),
        ("sample vae_mnist --seeds 1 --truncation much", "truncation must be a number, not 'much'"),
        ("sample vae_mnist --seeds 1 --trunc 1", "unrecognized arguments: --trunc 1"),
        ("sample vae_mnist --seeds 1 --device toaster", "device must be like cpu, cuda or cuda:1, not 'toaster'"),
        ("sample vae_mnist --seeds 1 --device cuda:99", "there is no cuda:99 here"),
        ("sample vae_mnist", "arguments are required: --seeds"),
        ("sample cut.safetensors --seeds 1", "cut.safetensors is not a whole safetensors file"),
        ("sample short.safetensors --seeds 1", "short.safetensors is not a whole safetensors file"),
        ("sample foreign.safetensors --seeds 1", "foreign.safetensors was not written by GenStudio"),
        ("sample nowhere.safetensors --seeds 1", "nowhere.safetensors does not exist"),
        ("sample vae_mnist.mine --seeds 1", "there are no weights of vae_mnist.mine yet"),
        ("sample vae_mnist --seeds 1 --out text", "text: File exists"),
        ("encode vae_mnist text.png", "text.png: not a picture"),
        ("encode vae_mnist nowhere.png", "nowhere.png: not found"),
        ("interpolate vae_mnist --from 1 --to 2 --film way.gif", "a film is a .webp or an .mp4, not way.gif"),
        ("translate vae_mnist text.png", "vae_mnist cannot translate"),
        ("replay nowhere.png", "'nowhere.png' holds no recipe"),
        ("replay verb=steer&system=vae_mnist&from=1&by=up:2", "directions are written as in effect1:2"),
        ("replay verb=steer&system=vae_mnist&from=1&by=effect99:2", "vae_mnist has 40 directions of this kind, not 99"),
        ("decode vae_mnist text.png", "text.png is no file of codes"),
        ("decode vae_mnist nowhere.npz", "nowhere.npz is neither code:... nor a file"),
        ("decode vae_mnist code:!", "damaged"),
        ("decode vae_mnist code:AAAAAAAA", "a code of vae_mnist has 40 numbers, not"),
        ("interpolate vae_mnist --from 1 --to text.png", "text.png: not a picture"),
        ("interpolate vae_mnist --from 1 --to nothing", "'nothing' is neither a seed nor code:... nor a picture file"),
        ("interpolate vae_mnist --from -1 --to 2", "a seed is a whole number from 0 to"),
        ("interpolate vae_mnist --from 1 --to 2 --positions 0,2", "positions are numbers from 0 to 1"),
        ("interpolate vae_mnist --from 1 --to 2 --count 1", "count must lie between 2 and"),
        ("interpolate vae_mnist --from 1 --to 2 --path scenic", "path must be one of linear, spherical, not 'scenic'"),
        ("train vae_nist", "no system is called 'vae_nist'"),
        ("train vae_mnist --data nowhere", "'nowhere' is neither a folder nor a zip"),
        ("train vae_mnist --rate fast", "invalid float value: 'fast'"),
        ("train vae_mnist --batch 0", "batch must be at least 1, not 0"),
        ("train vae_mnist --rate nan", "rate must be at least 0, not nan"),
        ("train vae_mnist --resume", "holds no run to resume"),
        ("train vae_mnist --threads 0", "threads must lie between 1 and 1024, not 0"),
        ("score nothing", "no system is called 'nothing'"),
        ("data shoes", "'shoes' is not a drawn set"),
        ("dance", "invalid choice: 'dance'"),
        ("", "VERB"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(words, told, weights, capsys):
    with open("text.png", "w") as file:
        file.write("I am a text")
    Path("text").write_text("I am no folder")
    content = weights.read_bytes()
    with open("cut.safetensors", "wb") as file:
        file.write(content[: len(content) // 2])
    with open("short.safetensors", "wb") as file:
        file.write(content[:5])
    save_file({"weight": torch.zeros(3)}, "foreign.safetensors")
    assert cli.main(words.split()) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.err.count("\n") == 1 and said.err.startswith("genstudio: ") and len(said.err) < 300
    assert said.out == ""


def test_a_mistake_in_the_words_writes_nothing():
    assert cli.main("sample vae_mnist --seeds 1 --truncation 3 --out out".split()) == 2
    assert os.listdir() == []


# Training -------------------------------------------------------------------------------------------------------


@pytest.fixture
def faces(monkeypatch):
    """Twenty pictures to train on. What comes after training is cut short: it would take longer than training them."""
    monkeypatch.setattr(film, "make", lambda *_: None)
    monkeypatch.setattr("genstudio.training.loop.FINISH", 16)
    os.mkdir("greys")  # no set by name
    for i in range(20):
        Image.new("L", (28, 28), 12 * i).save(f"greys/{i:02d}.png")


SMALL = ["train", "vae_mnist", "--data", "greys", "--batch", "2", "--exact", "--out", "run"]


def test_train_leaves_weights_that_the_other_verbs_take(faces, capsys):
    ok(*SMALL, "--images", "80", "--json")
    said = capsys.readouterr()
    reports = [json.loads(line) for line in said.out.splitlines()]
    assert [r["step"] for r in reports] == [20, 40]
    assert "run/vae_mnist.safetensors" in said.err
    header = checkpoint.describe("run/vae_mnist.safetensors")
    assert (header.images, header.recipe["batch"], header.data) == (80, 2, "greys")
    ok("sample", "run/vae_mnist.safetensors", "--seeds", "0", "--out", "out")


def test_a_run_is_not_overwritten_by_mistake(faces, capsys):
    ok(*SMALL, "--images", "2")
    assert cli.main([*SMALL, "--images", "2"]) == 2
    assert "run holds a run already" in capsys.readouterr().err
    ok(*SMALL, "--images", "2", "--fresh")


def test_an_interrupt_stops_after_a_report_and_the_run_can_go_on(faces, monkeypatch, capsys):
    shown = common.ProgressLine.show

    def interrupt(self, text, last=False):
        shown(self, text, last)
        if text.startswith("step 20 "):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(common.ProgressLine, "show", interrupt)
    before = signal.getsignal(signal.SIGINT)
    assert cli.main([*SMALL, "--images", "160"]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    said = capsys.readouterr().out
    assert "Stopped at step 20 of 80. To go on: python -m genstudio train vae_mnist --resume --out run" in said
    assert not os.path.exists("run/vae_mnist.safetensors")
    assert torch.load("run/state.pt", weights_only=True)["step"] == 20
    ok("train", "vae_mnist", "--resume", "--out", "run", "--max-minutes", "0", "--exact")
    assert "To go on" in capsys.readouterr().out
    assert 20 <= checkpoint.describe("run/vae_mnist.safetensors").step < 80


# The rest -------------------------------------------------------------------------------------------------------


def test_scores_are_written_where_asked(monkeypatch, capsys, home):
    from genstudio.scores import measure as scores

    monkeypatch.setattr(scores, "measure", lambda *_: iter([("beauty", scores.Score(0.5, 0.4, 0.6, 10))]))
    ok("score", "vae_mnist")
    assert capsys.readouterr().out == "beauty: 0.5 (0.4 to 0.6, n = 10)\n"
    path = home / "checkpoints" / "vae_mnist.mine.safetensors"
    checkpoint.save(path, find_system("vae_mnist").build(), checkpoint.Header("vae_mnist"))
    ok("score", "vae_mnist.mine", "--write", "--json")
    expected = {"beauty": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}}
    assert json.loads(capsys.readouterr().out) == expected == checkpoint.describe(path).scores


def test_data_tells_the_terms_and_builds_nothing_unasked(monkeypatch, capsys, home):
    built = []

    def build(chosen, out, accept):
        yield "terms"
        if not accept:
            raise ValueError("nothing was downloaded")
        built.append(out)
        yield "done"

    monkeypatch.setattr(drawings, "build", build)
    assert cli.main(["data", "avatars"]) == 2
    said = capsys.readouterr().err
    assert drawings.SETS["avatars"].terms() in said and "nothing was downloaded" in said and not built
    ok("data", "avatars", "--yes")
    assert built == [home / "data"]
    for words, sentence in (
        (["faces", "--count", "-1"], "count must lie between 1 and 190000, not -1"),
        (["faces", "--style", "realism"], "style must be one of"),
        (["avatars", "--side", "128"], "side can be chosen for faces alone"),
    ):
        assert cli.main(["data", *words, "--yes"]) == 2
        assert sentence in capsys.readouterr().err and len(built) == 1
    ok("data", "faces", "--style", "lorelei", "--side", "128", "--yes")
    assert capsys.readouterr().out.strip() == str(home / "data" / "faces_lorelei_128.zip")


def test_the_line_of_progress_renews_itself_only_on_a_terminal(monkeypatch, capsys):
    progress = common.ProgressLine()
    for done in (1, 2, 3):
        progress.count(done, 3)
    assert capsys.readouterr().err.count("\n") == 1
    progress.live = True
    progress.count(2, 3)
    assert capsys.readouterr().err.startswith("\r\x1b[K2 of 3 pictures")


@pytest.mark.parametrize(("minutes", "told"), [(0.5, "0:30"), (1.5, "1:30"), (59.999, "1 h 00"), (100, "1 h 40")])
def test_times_are_told_as_on_a_clock(minutes, told):
    assert common.clock(minutes) == told


def test_a_terminal_that_knows_only_ascii_is_no_error():
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    words = [sys.executable, "-m", "genstudio", "sample", "vae_mnist", "--help"]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0 and "--truncation" in ended.stdout


def test_help_does_not_wait_for_torch():
    code = "import sys; from genstudio import cli; cli.build_parser(['sample']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(cli.__file__).parents[2], timeout=60)


def test_patterns_that_no_shell_has_expanded_are_files(tmp_path, monkeypatch):
    """The shell of Windows passes *.jpg on as it is. A file that is called so comes first."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.jpg", "c.png", "[x].jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "d.jpg").write_bytes(b"")
    assert common.expanded(["*.jpg", "c.png"]) == ["[x].jpg", "a.jpg", "b.jpg", "c.png"]
    assert common.expanded(["[x].jpg", "gone.png"]) == ["[x].jpg", "gone.png"]
    assert [Path(name) for name in common.expanded(["**/d.*"])] == [Path("in/d.jpg")]
    with pytest.raises(ValueError, match=r"^no file is called like \*\.tif$"):
        common.expanded(["*.tif"])


def test_a_picture_is_encoded_at_a_coefficient_of_its_own(capsys, home):
    """`encode` has the controls of the model's method, and refuses those of others."""
    torch.manual_seed(0)
    model = find_system("beta_vae2d_mnist").build()
    for modulation in model.encoder.modulations:  # at first the same for all beta
        torch.nn.init.normal_(modulation.network[-1].weight)
    header = checkpoint.Header("beta_vae2d_mnist", data="mnist")
    checkpoint.save(home / "checkpoints" / "beta_vae2d_mnist.own.safetensors", model, header)
    picture("face.png")
    said = []
    for flags in ([], ["--beta", "1"], ["--beta", "7.5"]):
        ok("encode", "beta_vae2d_mnist.own", "face.png", *flags)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != said[2] and all(text.startswith("code:") for text in said)
    for words in (["beta_vae2d_mnist.own", "face.png", "--beta", "11"], ["vae_mnist", "face.png", "--beta", "1"]):
        assert cli.main(["encode", *words]) != 0
        assert "beta" in capsys.readouterr().err
