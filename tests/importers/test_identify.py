"""The door: every file is named for what it is, a stranger's file can do nothing, and a recipe survives as a link."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from genstudio import catalog, checkpoint, paths
from genstudio.controls import Text, controls
from genstudio.engine import Engine
from genstudio.images import save_png
from genstudio.importers import identify, keep
from genstudio.importers.identify import Found
from genstudio.model import verbs
from genstudio.recipes import links, recipe
from genstudio.recipes.encoding import pack
from genstudio.recipes.verbs import VERBS
from genstudio.registry import find_system, systems
from genstudio.ui import open_file, share
from genstudio.ui import words as w
from genstudio.ui.tab import Tab

# Outside a page, Gradio prints what would be a toast.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio.helpers", "ignore:Corrupt EXIF:UserWarning")
NAME = "vae_mnist"


def png(**info) -> bytes:
    stream = io.BytesIO()
    save_png(Image.new("RGB", (4, 3), "red"), stream, info or None)
    return stream.getvalue()


def noise() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (64, 64, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def bmp() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (2, 2)).save(stream, "BMP")
    return stream.getvalue()


def packed(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return stream.getvalue()


def torch_file(legacy: bool) -> bytes:
    stream = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


SAMPLE = {"verb": "sample", "system": NAME, "seed": 3, "controls": {"truncation": 1.0}}
def encoded_heic() -> bytes:
    Image.new("RGB", (16, 16), "red").save(stream := io.BytesIO(), "HEIF")
    return stream.getvalue()


KINDS = {
    "a.png": (png(), "picture", "picture"),
    "made.png": (png(**SAMPLE), "picture", "picture"),
    "picture without a name": (bmp(), "picture", "picture"),
    "recipe.json": (json.dumps(SAMPLE).encode(), "recipe", "text"),
    "line.txt": (b"genstudio: " + json.dumps(SAMPLE).encode() + b"\n", "recipe", "text"),
    "windows.txt": (("\ufeff" + json.dumps(SAMPLE)).encode("utf-16-le"), "recipe", "text"),
    "pictures.zip": (packed(cats__a_dot_png=png(), dogs__b_dot_png=png()), "pictures", "zip"),
    "words.zip": (packed(a_dot_txt=b"hello"), "other", "zip"),
    "new.pt": (torch_file(legacy=False), "foreign", "torch"),
    "old.pth": (torch_file(legacy=True), "foreign", "pickle"),
    "stylegan2-ffhq.pkl": (pickle.dumps({"G": 1}), "foreign", "pickle"),
    "ancient.pkl": (b"\x00\xffI1\n.", "foreign", "pickle"),
    "keras.h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "foreign", "hdf5"),
    "llama.gguf": (b"GGUF\x03\0\0\0", "foreign", "gguf"),
    "model.onnx": (b"\x08\x07\x12\x07pytorch\xff\x00", "foreign", "onnx"),
    "weights.bin": (b"\x00\x01\xff\xfe" * 9, "foreign", "bin"),
    "array.npy": (b"\x93NUMPY\x01\0v\0", "foreign", "numpy"),
    "photo.heic": (encoded_heic(), "picture", "picture"),
    "film.mp4": (b"\0\0\0\x18ftypisom" + bytes(20), "other", "film"),
    "set.tar.gz": (b"\x1f\x8b\x08\0" + bytes(20), "other", "archive"),
    "drawing.svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "other", "svg"),
    "paper.pdf": (b"%PDF-1.7\n", "other", "pdf"),
    "run.exe": (b"MZ\x90\0" + bytes(99), "other", "program"),
    "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "other", "lfs"),
    "notes.txt": ("déjà vu".encode(), "other", "text"),
    "nothing.png": (b"", "other", "empty"),
    "noise": (bytes(range(128, 256)), "other", "unknown"),
}


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_named_for_what_it_is(tmp_path, name):
    content, kind, form = KINDS[name]
    found = identify.identify(written(tmp_path, name, content))
    assert (found.kind, found.form, found.size) == (kind, form, len(content))
    assert bool(found.reason) == (form in ("pickle", "torch", "bin", "lfs")), "why it is not read, where it might have been"
    assert (found.recipe is not None) == (name in ("made.png", "recipe.json", "line.txt", "windows.txt"))
    for lang in Text._fields:
        assert getattr(open_file.KIND_TITLES.get(kind) or w.FORMS[form], lang) in open_file.card(found, open_file.Message("so"), lang)


def test_what_a_file_holds_is_told(tmp_path):
    assert identify.identify(written(tmp_path, "a.zip", KINDS["pictures.zip"][0])).facts == {"count": 2, "folders": 2}
    picture, exif = Image.new("RGB", (5, 4)), Image.Exif()
    exif[0x013B], exif[0x8298] = "Ada", "(c) 1843"
    picture.save(tmp_path / "a.jpg", exif=exif)
    facts = identify.identify(tmp_path / "a.jpg").facts
    assert facts["pixels"] == (5, 4) and facts["credit"] == "Ada, (c) 1843"


def test_foreign_safetensors_tell_their_parts_and_licence(tmp_path):
    metadata = {"modelspec.title": "Tiny", "modelspec.author": "Ada", "modelspec.license": "MIT"}
    save_file({"model.diffusion_model.input.weight": torch.zeros(2, 3)}, tmp_path / "a.safetensors", metadata)
    found = identify.identify(tmp_path / "a.safetensors")
    assert (found.kind, found.form) == ("foreign", "safetensors")
    assert found.facts == {
        "parameters": 6,
        "maker": "Stable Diffusion",
        "titled": "Tiny",
        "credit": "Ada",
        "licence": "MIT",
    }


def test_own_weights_tell_system_credit_licence_and_scores(tmp_path):
    header = checkpoint.Header(NAME, data="mnist", credit="LeCun", images=7, scores={"accuracy": {"value": 0.5}})
    checkpoint.save(tmp_path / "a.safetensors", find_system(NAME).build(), header)
    found = identify.identify(tmp_path / "a.safetensors")
    count = sum(t.numel() for t in find_system(NAME).build().state_dict().values())
    told = {
        "system": NAME,
        "data": "mnist",
        "credit": "LeCun",
        "licence": "Apache-2.0",
        "images": 7,
        "parameters": count,
    }
    assert found.kind == "weights" and told.items() <= found.facts.items() and found.facts["scores"] == header.scores


def test_a_critic_is_not_taken_for_weights(tmp_path):
    checkpoint.save(tmp_path / "a.safetensors", find_system("dcgan_avatars").build(), checkpoint.Header("dcgan_avatars"))
    assert identify.identify(tmp_path / "a.safetensors").kind == "weights"
    assert identify.identify(tmp_path / "a.critic.safetensors").kind == "critic"


# Bad and hostile files ------------------------------------------------------------------------------------------


class Armed:
    """Pickled, it writes a file for whoever unpickles it."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["a.pkl", "a.pt", "a.bin", "a.safetensors", "a.png", "a.json", "a"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_nothing_is_unpickled_whatever_the_name(tmp_path, name, wrapped):
    fired = tmp_path / "fired"
    content = pickle.dumps(Armed(fired))
    found = identify.identify(written(tmp_path, name, packed(archive__data_dot_pkl=content) if wrapped else content))
    assert found.kind == "foreign" and not fired.exists()
    pickle.loads(content).close()
    assert fired.exists(), "the trap works"


@pytest.mark.parametrize("name", [n for n, (content, *_) in KINDS.items() if len(content) > 8])
def test_a_truncated_file_is_still_told_in_words(tmp_path, name):
    content = KINDS[name][0]
    for length in {1, 3, 8, len(content) // 2, len(content) - 1}:
        found = identify.identify(written(tmp_path, name, content[:length]))
        assert open_file.card(found, open_file.Message("so"), "fr")
        if found.kind == "broken":
            assert 3 < len(found.reason.en) < 200


def test_bytes_at_random_are_never_more_than_a_file(tmp_path):
    """Each begins like a form that is read further, and goes on at random: 300 files, no exception."""
    draw = random.Random(0)
    beginnings = [magic for form, magic, where in identify.MAGIC if where == 0] + [
        struct.pack("<Q", 90) + b"{",
        b"{",
        b"",
    ]
    for i in range(300):
        content = draw.choice(beginnings) + draw.randbytes(draw.randrange(300))
        assert identify.identify(written(tmp_path, f"{i}.bin", content)).kind in (
            "broken",
            "foreign",
            "other",
            "picture",
        )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", noise()[:5000], "truncated"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(50), "truncated or broken"),
        ("a.zip", KINDS["pictures.zip"][0][:-30], "truncated"),
        ("a.zip", KINDS["pictures.zip"][0][:-10], "neither a folder nor a zip"),
        ("a.safetensors", struct.pack("<Q", 500) + b'{"a":', "truncated"),
        ("a.json", b'{"verb": "sample", ', "not whole JSON"),
        ("a.json", b'{"verb":' * 50_000, "not whole JSON"),  # deeper than the parser goes
        ("out.zip", packed(**{"..__evil_dot_png": png()}), "points outside"),
        ("bomb.zip", packed(a_dot_png=bytes(30_000_000)), "zip bomb"),
        # The record at the end says that the table of contents is 2 GB long: nobody begins to read it.
        (
            "long.zip",
            b"PK\x03\x04" + b"PK\x05\x06" + bytes(8) + struct.pack("<IIH", 2**31, 0, 0),
            "more than the 200000",
        ),
        ("long64.zip", b"PK\x03\x04" + b"PK\x06\x06" + bytes(36) + struct.pack("<Q", 2**33) + packed(a=b""), "200000"),
    ],
)
def test_a_bad_file_gets_its_reason(tmp_path, name, content, words):
    found = identify.identify(written(tmp_path, name, content))
    assert found.kind == "broken" and words in found.reason.en


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path):
    content = bytearray(png())
    content[16:24] = struct.pack(">II", 100_000, 100_000)  # in the header, with its checksum
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    found = identify.identify(written(tmp_path, "a.png", bytes(content)))
    assert found.kind == "broken" and found.reason.en.startswith("too large")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"system": "nothing"}, "no system is called"),
        ({"system": NAME, "format": 99}, "please update"),
        ({"system": NAME, "arguments": {"width": 9}}, "no argument"),
        ({"system": NAME, "credit": ["x"]}, "is damaged"),
        ({"system": NAME}, "does not fit"),
        ([], "does not say"),
    ],
)
def test_weights_that_say_they_are_ours_are_checked(tmp_path, header, words):
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors", {checkpoint.KEY: json.dumps(header)})
    found = identify.identify(tmp_path / "a.safetensors")
    assert found.kind == "broken" and words in found.reason.en


def test_the_card_shows_what_a_file_says_and_lets_none_of_it_act():
    trap = "<img src=x onerror=alert(1)>"
    facts = {
        "credit": trap,
        "licence": trap * 90,
        "data": {"a": trap},
        "scores": {trap: trap},
        "title": Text(trap, trap),
    }
    shown = open_file.card(Found("weights", trap, 5, "ours", facts), open_file.Message(trap), "en")
    assert "<img" not in shown and shown.count("&lt;img") >= 6 and len(shown) < 4000


def test_every_form_has_words():
    forms = {form for form, *_ in identify.MAGIC} | set(identify.NAMES.values()) | set(identify.WEIGHTS)
    assert forms | {"ours", "svg", "lfs", "text", "folder", "empty", "unknown"} <= set(w.FORMS)


SIZES = [(0, "en", "0 bytes"), (999, "fr", "999 octets"), (1500, "en", "1.5 kB"), (9_090_616, "fr", "9,1 Mo")]


@pytest.mark.parametrize(("size", "lang", "words"), [*SIZES, (5 * 10**12, "en", "5000.0 GB")])
def test_sizes_are_said_as_people_say_them(size, lang, words):
    assert open_file.amount(size, lang) == words


# Keeping weights ------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "checkpoints"


def weights(folder: Path, name: str, seed: int) -> Path:
    torch.manual_seed(seed)
    folder.mkdir(exist_ok=True)
    checkpoint.save(folder / name, find_system(NAME).build(), checkpoint.Header(NAME))
    return folder / name


def kept(path: Path) -> str:
    return keep.keep(path, identify.identify(path))


def test_weights_are_kept_under_a_free_name_and_replace_nobody(tmp_path, home):
    first = kept(weights(tmp_path / "a", f"{NAME}.cats.safetensors", 1))
    second = kept(weights(tmp_path / "b", f"{NAME}.cats.safetensors", 2))
    third = kept(weights(tmp_path / "c", f"{NAME}.safetensors", 3))
    assert (first, second, third) == (f"{NAME}.cats", f"{NAME}.cats2", f"{NAME}.opened")
    assert paths.checkpoint_folders()[0] == home and sorted(p.name for p in home.iterdir()) == [
        f"{name}.safetensors" for name in (first, second, third)
    ]
    assert len({checkpoint.digest(home / f"{name}.safetensors") for name in (first, second, third)}) == 3
    assert {first, second, third} <= set(catalog.offered("decode"))


def test_weights_that_are_here_keep_their_name(tmp_path, home):
    path = weights(tmp_path / "a", "other name.safetensors", 1)
    assert kept(path) == kept(path) == f"{NAME}.opened"
    assert len(list(home.iterdir())) == 1


@pytest.mark.parametrize(
    "name", ["../../evil.safetensors", f"{NAME}...safetensors", f"{NAME}.critic.safetensors", "a b.safetensors"]
)
def test_no_name_leads_out_of_the_folder_or_hides_a_file(tmp_path, home, name):
    path = weights(tmp_path / "a", "x.safetensors", 1)
    found = identify.identify(path)
    found.name = name
    assert keep.keep(path, found) == f"{NAME}.opened" and [p.parent for p in home.parent.rglob("*.safetensors")] == [
        home
    ]


class OneTab(Tab):
    """A tab without components that records what the page asks of it."""

    def __init__(self):
        self.asked = []
        self.deferred = SimpleNamespace(keep=lambda updates, request: "latent 1" if updates else "")

    def restores(self, recipe):
        return recipe["system"] == NAME

    def restore(self, recipe, inputs, request):
        self.asked.append(("restore", recipe))
        return {"updates": True}

    def open_picture(self, path, inputs, request):
        self.asked.append(("open_picture", path))
        yield {}

    def open_pictures(self, paths, inputs, request):
        self.asked.append(("open_pictures", [path.name for path in paths]))
        yield {}

    def add_weights(self, name, inputs, request):
        self.asked.append(("add_weights", name))
        return {"updates": True}


class OtherTab(Tab):
    """Another tab, in which nothing opens."""

    systems = {}

    def __init__(self):
        pass


@pytest.fixture
def house(exact: Engine):
    """A door without a page."""
    made = open_file.OpenFile.__new__(open_file.OpenFile)
    made.engine, made.button, made.card, made.switch, made.bell = exact, "button", "card", "switch", "bell"
    made.tabs, made.fronts = {"other": OtherTab(), "latent": OneTab()}, {None: "latent"}
    return made


def opened(house, path: Path) -> tuple[list, str]:
    """What the tab was asked, and the card."""
    copy = path.parent / "sent" / path.name
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(path.read_bytes())
    *_, last = house.on_open({"button": [str(copy)]}, None)
    assert not copy.exists(), "what was sent is not kept"
    assert last.get("bell", "latent 1") == "latent 1"
    return house.tabs["latent"].asked, last["card"]


def test_weights_are_offered_and_on_a_public_page_only_described(tmp_path, home, house, monkeypatch):
    path = weights(tmp_path / "a", "a.safetensors", 1)
    monkeypatch.setattr(open_file, "PUBLIC", True)
    asked, card = opened(house, path)
    assert not asked and w.DESCRIBED_ONLY.en in card and not home.exists()
    monkeypatch.setattr(open_file, "PUBLIC", False)
    asked, card = opened(house, path)
    assert asked == [("add_weights", f"{NAME}.opened")] and w.KEPT.en.format(name=f"{NAME}.opened") in card
    assert w.HERE_ALREADY.en.format(name=f"{NAME}.opened") in opened(house, path)[1]


def test_weights_that_give_no_picture_are_not_kept(tmp_path, home, house):
    """Once listed, they would spoil the page of every visitor, at every load."""
    model = find_system(NAME).build()
    for parameter in model.parameters():
        parameter.data.fill_(float("nan"))
    checkpoint.save(tmp_path / "a.safetensors", model, checkpoint.Header(NAME))
    asked, card = opened(house, tmp_path / "a.safetensors")
    assert not asked and "not finite" in card and not home.exists()


def test_of_several_files_the_pictures_are_opened_and_the_others_named(tmp_path, house):
    """They were called a zip, with a command that could not work, and a text was counted as a picture."""
    tab = house.tabs["latent"]
    tab.pictures_opened = w.BECAME_BATCH
    paths = [written(tmp_path, name, body) for name, body in (("a.png", png()), ("b.png", png()), ("notes.txt", b"no"))]
    *_, last = house.on_open({"button": [str(path) for path in paths]}, None)
    assert tab.asked == [("open_pictures", ["a.png", "b.png"])] and not any(path.exists() for path in paths)
    card = last["card"]
    assert w.SEVERAL_FILES.en in card and w.BECAME_BATCH.en in card and "<dd>2</dd>" in card
    assert "Left out, as no pictures: notes.txt." in card and "genstudio train" not in card
    paths = [written(tmp_path, name, b"no") for name in ("a.txt", "b.txt")]
    *_, last = house.on_open({"button": [str(path) for path in paths]}, None)
    assert "None of these 2 files is a picture" in last["card"] and len(tab.asked) == 1


def test_a_recipe_and_a_picture_go_to_their_tab(tmp_path, house, untrained, home):
    home.mkdir(parents=True)
    (home / f"{NAME}.safetensors").write_bytes(Path(untrained(NAME)).read_bytes())
    made = recipe.make(house.engine.hold(NAME), "sample", seed=3, controls={})
    asked, card = opened(house, written(tmp_path, "a.png", png(**made)))
    assert asked == [("restore", made)] and w.RESTORED.en in card and w.PICTURE_MADE.en in card
    assert (
        "weights were 000"
        in opened(house, written(tmp_path, "b.json", json.dumps(made | {"weights": "000"}).encode()))[1]
    )
    said = {"verb": "sample", "system": NAME, "seed": 3}
    assert w.RESTORED_AS_SAID.en in opened(house, written(tmp_path, "c.json", json.dumps(said).encode()))[1]
    assert opened(house, written(tmp_path, "d.png", png()))[0][-1] == ("open_picture", str(tmp_path / "sent" / "d.png"))


@pytest.mark.parametrize(
    "change",
    [
        {"system": "/etc/passwd"},
        {"system": ["a"]},
        {"system": None},
        {"verb": "delete"},
        {"verb": ["a"]},
        {"seed": "x"},
        {"seed": 1e400},
    ],
)
def test_a_hostile_recipe_gets_one_sentence_and_reaches_no_tab(tmp_path, house, change):
    asked, card = opened(house, written(tmp_path, "a.json", json.dumps(SAMPLE | change).encode()))
    assert not asked and "It cannot be used" in card


# Links ----------------------------------------------------------------------------------------------------------

CODE = pack(np.linspace(-2, 2, 41, dtype=np.float32))  # its base64 needs padding
RECIPES = [
    SAMPLE,
    {"verb": "interpolate", "from": {"seed": 3}, "to": {"code": CODE}, "position": 0.505, "path": "linear"},
    {"verb": "interpolate", "from": {"seed": 0}, "to": {"seed": 2**63 - 1}, "position": 0, "path": "spherical"},
    {"verb": "plane", "corners": [{"seed": 1}, {"code": CODE}, {"seed": 3}, {"code": CODE}], "x": 0.25, "y": 1.0},
    {"verb": "steer", "from": {"seed": 3}, "by": {"effect 1": 2.0, "dimension 17": -1.5}},
    {"verb": "decode", "code": CODE},
]
TRANSLATIONS = [
    {"picture": "0123456789012345", "view": "own", "background": "white", "detail": None},
    {"picture": "12e4567890123456", "view": "tiles", "background": "#ffcc00", "detail": 0.5},
]


@pytest.fixture
def named(untrained, home) -> str:
    """vae_mnist by name: a link may lead to no other file."""
    home.mkdir(parents=True)
    (home / f"{NAME}.safetensors").write_bytes(Path(untrained(NAME)).read_bytes())
    return NAME


@pytest.mark.parametrize("said", RECIPES, ids=lambda r: r["verb"])
@pytest.mark.parametrize("digest", ["06799f88e308", "123456789012", "12e456789012", "0x1234"])
def test_a_recipe_survives_as_a_link(named, said, digest):
    """Digests that look like numbers come back as words."""
    made = {"verb": "", "system": named, "weights": digest, "controls": {"truncation": 0.7}} | said | {"system": named}
    query = links.to_query({"genstudio": "0", **made, "precision": "float32", "torch": "2.8"})
    assert links.from_query(query) == made and links.check_link(query)
    assert set(recipe.check(links.from_query(query))) == set(made)


@pytest.mark.parametrize("said", TRANSLATIONS)
def test_a_translation_survives_as_a_link(untrained, home, said):
    """What a link leaves out comes back, and a digest that looks like a number stays a word."""
    home.mkdir(parents=True)
    (home / "cyclegan_glasses.safetensors").write_bytes(Path(untrained("cyclegan_glasses")).read_bytes())
    made = {"verb": "translate", "system": "cyclegan_glasses", **said, "controls": {"direction": "back", "amount": 0.5}}
    assert recipe.check(links.from_query(links.to_query(made))) == made


def test_a_link_can_be_read_and_written_by_hand(named):
    said = "verb=interpolate&system=vae_mnist&from=3&to=54&position=0.5&truncation=1"
    made = recipe.check(links.from_query(said))
    assert made["from"] == {"seed": 3} and made["path"] == "spherical" and made["controls"] == {"truncation": 1}
    assert links.to_query(made) == said
    assert links.to_query(made | {"to": {"code": CODE}}).count("code:") == 1
    assert links.from_query("__theme=dark&view=api") is None


def test_no_control_is_called_like_a_field_of_a_recipe():
    """Else a link could not tell the two apart."""
    fields = {"verb", "system", "weights", "controls"} | {
        field.name for verb in VERBS.values() for field in verb.fields
    }
    for system in systems().values():
        for verb in verbs(system.model):
            assert not fields & set(controls(getattr(system.model, verb))), system.name


@pytest.mark.parametrize(
    "query",
    [
        "verb=interpolate&system=vae_mnist",
        "verb=interpolate&system=vae_mnist&from=3&to=x&position=0.5",
        "verb=interpolate&system=vae_mnist&from=3&to=code:%25%25&position=0.5",
        "verb=interpolate&system=vae_mnist&from=3&to=4&position=NaN",
        "verb=interpolate&system=vae_mnist&from=3&to=4&position=1e999",
        "verb=interpolate&system=vae_mnist&from=3&to=4&position=0.5&path=[1]",
        "verb=sample&system=vae_mnist&seed=" + "9" * 1500,
        "verb=sample&system=vae_mnist&seed=" + "[" * 1900,
        "verb=sample&system=vae_mnist&seed=3&truncation=9",
        "verb=sample&system=vae_mnist&seed=3&truncation={}",
        "verb=plane&system=vae_mnist&corners=1,2,3&x=0&y=0",
        "verb=steer&system=vae_mnist&from=1&by=7",
        "verb=delete&system=vae_mnist",
        "verb=sample&system=/etc/passwd.safetensors&seed=1",
        "verb=sample&system=..%2F..%2Fx.safetensors&seed=1",
        "verb=sample&system=hf:a/b&seed=1",
        "verb=decode&system=vae_mnist&code=" + "A" * 3000,
    ],
)
def test_a_hostile_link_is_refused_in_words(named, query):
    with pytest.raises(ValueError, match=r"^\D{5}"):
        recipe.check(links.from_query(links.check_link(query)))


def test_a_link_that_is_too_long_says_so_instead():
    shown = share.Share.__new__(share.Share)
    shown.link, shown.code = "link", "code"
    long = {"verb": "decode", "system": NAME, "code": "A" * 3000, "controls": {}}
    assert w.LINK_TOO_LONG.fr in shown.show(long, "fr")["link"] and "data-query" not in shown.show(long, "fr")["link"]
    assert 'data-query="verb=sample&amp;system=vae_mnist' in shown.show(SAMPLE, "en")["link"]


@pytest.mark.parametrize("link", [None, 5, "javascript:alert(1)", "file:///etc/passwd", "http://" + "a" * 3000])
def test_codes_are_drawn_of_addresses_only(link):
    with pytest.raises(ValueError, match="no address"):
        share.qr(link)
    assert share.qr("https://example.org/?" + "a" * links.MAX_LINK).startswith("<svg")
