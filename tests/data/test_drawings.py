"""The drawn sets: what captions say, what is downloaded, how Node is spoken to; a handful against the real archives."""

import errno
import hashlib
import io
import json
import os
import re
import shutil
import sys
import zipfile
from itertools import islice
from pathlib import Path, PurePosixPath

import pytest
import torch
from PIL import Image

from genstudio import data
from genstudio.data import drawings
from genstudio.data.drawings import avatars, emoji, faces, npm
from genstudio.data.drawings.faces import Faces


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A GENSTUDIO_HOME of the test's own."""
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def png(color: str = "white", side: int = 64) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), color).save(stream, "PNG")
    return stream.getvalue()


def pixels(content: bytes) -> bytes:
    return Image.open(io.BytesIO(content)).convert("RGB").tobytes()


# Terms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", drawings.SETS)
def test_every_package_is_pinned_to_one_version(name):
    for package in drawings.SETS[name].packages:
        assert re.fullmatch(r"\d+\.\d+\.\d+", package.version), package


@pytest.mark.parametrize(("name", "credit"), [("avatars", data.AVATAR_CREDIT), ("emoji", data.EMOJI_CREDIT)])
def test_the_credit_of_the_data_set_names_every_licence_of_its_drawings(name, credit):
    for style, licence in drawings.SETS[name].licences.items():
        assert licence.partition(" (")[0] in credit, style


def test_every_avatar_style_has_a_licence():
    assert list(avatars.STYLES) == list(drawings.SETS["avatars"].licences)


@pytest.mark.parametrize("name", drawings.SETS)
def test_the_terms_come_first_and_nothing_is_downloaded_before_they_are_accepted(name, tmp_path, monkeypatch):
    monkeypatch.setattr(npm, "install", lambda *_: pytest.fail("downloaded without consent"))
    said = drawings.build(drawings.SETS[name], tmp_path, accept=False)
    terms = next(said)
    assert f"{drawings.SETS[name].megabytes} MB" in terms
    assert all(licence in terms for licence in drawings.SETS[name].licences.values())
    with pytest.raises(ValueError, match="accept"):
        next(said)


@pytest.mark.parametrize("program", ["node", "npm"])
def test_a_missing_program_is_one_sentence(program, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=f"{program} is not installed.*install Node.js") as error:
        npm.find_program(program)
    assert "\n" not in str(error.value)


def test_a_missing_renderer_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ValueError, match="pip install resvg_py==") as error:
        emoji.ready()
    assert "\n" not in str(error.value)


def test_an_unknown_set_is_refused_by_name():
    with pytest.raises(ValueError, match="'portraits' is not a drawn set; there are avatars, faces, emoji"):
        drawings.drawn_set("portraits")
    with pytest.raises(ValueError, match="style, side can be chosen for faces alone, not for emoji"):
        drawings.drawn_set("emoji", style="noto", side=64)


# Avatars --------------------------------------------------------------------------------------------------------


def test_a_trial_draws_the_first_pictures_of_the_whole_set():
    whole = {job.file_name: job for job in avatars.jobs()}
    assert len(whole) == 8 * 2500 + 5 * 2 * 400
    trial = list(avatars.jobs(limit=3))
    assert len(trial) == 8 * 3 + 5 * 2 * 3
    assert all(whole[job.file_name] == job for job in trial)


def test_a_pair_differs_in_its_glasses_alone():
    paired = [job for job in avatars.jobs(limit=2) if job.paired]
    for plain, glasses in zip(paired[::2], paired[1::2], strict=True):
        assert PurePosixPath(plain.file_name).name == PurePosixPath(glasses.file_name).name
        different = {k for k in plain.options if plain.options[k] != glasses.options[k]}
        assert different == {f"{avatars.STYLES[plain.style].glasses}Probability"}
        assert plain.options.keys() == glasses.options.keys()


@pytest.mark.parametrize(
    ("style", "parts", "text", "text_fr"),
    [
        (
            "adventurer",
            {"hair": "long02", "mouth": "variant17", "skinColor": "#ecad80", "hairColor": "#cb6820"},
            "a cartoon face in adventurer style with orange hair, medium skin",
            "un visage dessiné, style adventurer, cheveux orange, peau mate",
        ),
        (
            "avataaars",
            {
                "top": "turban",
                "mouth": "sad",
                "skinColor": "#614335",
                "hairColor": "#2c1b18",
                "facialHair": "beardLight",
            },
            "a cartoon face in avataaars style with a head covering, dark skin, facial hair",
            "un visage dessiné, style avataaars, la tête couverte, peau foncée, barbe ou moustache",
        ),
        (
            "lorelei",
            {"hair": "variant45", "mouth": "sad03", "skinColor": "#ffffff", "hairColor": "#000000"},
            "a cartoon face in lorelei style with black hair",
            "un visage dessiné, style lorelei, cheveux noirs",
        ),
        (
            "openPeeps",
            {"head": "short5", "face": "lovingGrin2", "skinColor": "#694d3d", "accessories": "glasses3"},
            "a cartoon face in open peeps style with dark skin, glasses",
            "un visage dessiné, style open peeps, peau foncée, lunettes",
        ),
        (
            "bigSmile",
            {"hair": "shavedHead", "mouth": "braces", "skinColor": "#ffe4c0", "accessories": "catEars"},
            "a cartoon face in big smile style with no hair, light skin",
            "un visage dessiné, style big smile, sans cheveux, peau claire",
        ),
    ],
)
def test_captions(style, parts, text, text_fr):
    row = avatars.describe(style, parts)
    assert (row["text"], row["text_fr"]) == (text, text_fr)
    assert row["glasses"] == ("glasses" in text)
    assert row["covered"] == ("head covering" in text)


@pytest.mark.parametrize(
    ("style", "part", "value", "glasses"),
    [
        ("adventurer", "glasses", "variant01", True),
        ("avataaars", "accessories", "round", True),
        ("micah", "eyes", "round", False),
        ("personas", "eyes", "sunglasses", True),
        ("bigSmile", "accessories", "sunglasses", True),
        ("bigSmile", "accessories", "sleepMask", False),
    ],
)
def test_glasses_are_told_from_eyes_and_masks(style, part, value, glasses):
    parts = {"hair": "short01", "mouth": "smile", "skinColor": "#ecad80", part: value}
    assert avatars.describe(style, parts)["glasses"] == glasses


@pytest.mark.parametrize(
    ("part", "name"), [("lovingGrin2", "loving grin"), ("smileLOL", "smile lol"), ("variant07", None), ("sad03", "sad")]
)
def test_expressions(part, name):
    assert avatars.expression(part) == name


@pytest.mark.parametrize("name", avatars.HAIR)
def test_each_hair_colour_is_nearest_to_itself(name):
    assert avatars.nearest_hair("#" + bytes(avatars.HAIR[name].rgb).hex()) == name


def test_a_picture_of_few_colours_survives_packing():
    face = Image.new("RGBA", (256, 256), "white")
    face.paste("#cb6820", (0, 0, 128, 256))
    packed = Image.open(io.BytesIO(avatars.pack(face))).convert("RGB")
    assert packed.size == (64, 64)
    assert (packed.getpixel((0, 0)), packed.getpixel((63, 0))) == ((0xCB, 0x68, 0x20), (255, 255, 255))


# Emoji ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file"),
    [("ping pong", "ping-pong"), ("piñata", "pinata"), ("A button (blood type)", "a-button-blood-type")],
)
def test_slugs_are_fluents_file_names(name, file):
    assert emoji.slug(name) == file


def test_a_symbol_is_found_with_and_without_its_variation_selector():
    assert emoji.lookup({"2708": "avion"}, "2708-FE0F") == "avion"
    assert emoji.lookup({"2708-FE0F": "avion"}, "2708-FE0F") == "avion"
    assert emoji.lookup({}, "2708") is None


# Faces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"count": -1}, "count must lie between 1 and 190000, not -1"),
        ({"count": 10**9}, "count must lie between 1 and 190000, not 1000000000"),
        ({"count": 100_000, "pairs": "glasses"}, "count must lie between 1 and 95000, not 100000"),
        ({"style": "realism"}, "style must be one of adventurer, avataaars, .*, not 'realism'"),
        ({"side": 31}, "side must lie between 32 and 256 pixels, not 31"),
        ({"pairs": "hats"}, "pairs are of glasses, not of 'hats'"),
        ({"pairs": "glasses", "style": "personas"}, "personas cannot be drawn without and with glasses: adventurer, .* can"),
    ],
)
def test_faces_that_cannot_be_drawn_are_refused_in_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        drawings.drawn_set("faces", **options)


def test_a_set_of_faces_is_known_by_its_name():
    for options, name in (
        ({}, "faces"),
        ({"count": 10}, "faces"),
        ({"style": "lorelei"}, "faces_lorelei"),
        ({"side": 128, "pairs": "glasses"}, "faces_128_glasses"),
        ({"style": "micah", "side": 32, "pairs": "glasses"}, "faces_micah_32_glasses"),
    ):
        assert Faces(**options).name == name
        found = faces.named(name)
        assert found is not None and (found.name, found.side) == (name, options.get("side", 64))
    assert Faces("lorelei", side=128).command == "python -m genstudio data faces --style lorelei --side 128"
    for name in ("mnist", "faces_avataaars", "faces_64", "faces_realism", "faces_7", "faces_glasses_128", "my_faces"):
        assert faces.named(name) is None, name


@pytest.mark.parametrize("pairs", ["", "glasses"])
def test_training_faces_are_of_other_seeds_than_test_faces_and_avatars(pairs):
    chosen = Faces(count=30_000, pairs=pairs)
    parts = {split: [job for face in chosen.jobs(split) for job in face] for split in ("train", "test")}
    seeds = {split: {int(PurePosixPath(job.file_name).stem) for job in jobs} for split, jobs in parts.items()}
    assert seeds["test"] == set(range(30_000, 34_000)) and len(seeds["train"]) == 30_000
    assert min(seeds["train"]) == avatars.FACES and not seeds["train"] & seeds["test"]
    assert chosen.pictures == sum(map(len, parts.values()))
    names = [job.file_name for jobs in parts.values() for job in jobs]
    assert len(set(names)) == len(names)


def test_faces_of_a_pair_differ_in_their_glasses_alone():
    for plain, glasses in islice(Faces("micah", pairs="glasses").jobs("train"), 3):
        assert plain.file_name.replace("plain", "glasses") == glasses.file_name
        assert plain.options | {"glassesProbability": 100} == glasses.options | {"glassesProbability": 100}
        assert (plain.options["glassesProbability"], glasses.options["glassesProbability"]) == (0, 100)


def colours(monkeypatch, of_seed) -> None:
    """In place of Node: pictures of one colour, which depends on the seed."""

    def drawn(folder, todo, side=64):
        for job in todo:
            worn = "glasses" in job.file_name
            row = {"file_name": job.file_name, "glasses": worn, "mouth": "smile", "hair_color": None}
            yield row, png(of_seed(int(job.options["seed"].partition("-")[2]), worn), side)

    monkeypatch.setattr(avatars, "drawn", drawn)
    monkeypatch.setattr(npm, "find_program", lambda name: name)
    monkeypatch.setattr(npm, "install", lambda folder, packages: None)


@pytest.mark.parametrize("pairs", ["", "glasses"])
def test_a_training_face_that_looks_like_a_test_face_is_left_out(pairs, tmp_path, monkeypatch):
    def of_seed(seed: int, worn: bool) -> str:
        return "red" if seed in (2501, 30_001) and not worn else f"#{seed % 200:02x}{seed // 200:02x}{100 * worn:02x}"

    colours(monkeypatch, of_seed)
    list(drawings.build(drawings.drawn_set("faces", side=32, pairs=pairs), tmp_path, accept=True, limit=3))
    monkeypatch.setenv("GENSTUDIO_DATA", str(tmp_path))
    name = "faces_32" + f"_{pairs}" * bool(pairs)
    train, test = (data.load(name, split) for split in ("train", "test"))
    seeds = [[int(PurePosixPath(name).stem) for name in part.names] for part in (train, test)]
    assert seeds == [[2500, 2502], [30_000, 30_001, 30_002]]
    assert train.shape == (3, 32, 32) and train.labels is None and "avataaars" in train.credit
    assert train.values["mouth"] == ("smile",) and "hair_color" not in train.values
    if pairs:
        assert train.paired and (train.images[:, 2] == 100).all() and (train.sources[:, 2] == 0).all()
        assert torch.equal(train.images[:, :2], train.sources[:, :2]), "both of a pair are of one seed"


def test_faces_that_are_not_there_are_asked_for_by_their_command(tmp_path, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="draw it with `python -m genstudio data faces --style lorelei`"):
        data.load("faces_lorelei")


@pytest.mark.parametrize("where", ["move", "write"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_behind(where, tmp_path, home, monkeypatch):
    def full(source, target=None, *_):
        Path(target if where == "move" else tmp_path / "rest").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    colours(monkeypatch, lambda seed, worn: "white")
    monkeypatch.setattr(*(drawings.shutil, "move") if where == "move" else (drawings.ZipFile, "writestr"), full)
    with pytest.raises(OSError, match="No space left") as error:
        list(drawings.build(drawings.drawn_set("faces"), tmp_path / "data", accept=True, limit=2))
    assert "\n" not in str(error.value)
    assert not any(home.iterdir()) and not any((tmp_path / "data").iterdir())


# The split that genstudio.data makes of them ------------------------------------------------------------------------


def test_every_tenth_face_is_held_out_and_no_pair_is_a_face(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "avatars.zip", "w") as archive:
        for job in avatars.jobs(limit=20):
            archive.writestr(job.file_name, png())
    monkeypatch.setenv("GENSTUDIO_DATA", str(tmp_path))
    assert len(data.load("avatars", "train")) == 8 * 18
    assert len(data.load("avatars", "test")) == 8 * 2


def test_a_symbol_is_held_out_in_all_styles_at_once(tmp_path, monkeypatch):
    codes = [f"1F6{i:02X}" for i in range(40)]
    symbols = [{"hexcode": c, "group": "objects", "subgroups": "tool", "annotation": c, "tags": ""} for c in codes]
    rows = {style: [emoji.metadata(s, style, None)["file_name"] for s in symbols] for style in ("noto", "fluent")}
    with zipfile.ZipFile(tmp_path / "emoji.zip", "w") as archive:
        for name in sum(rows.values(), []):
            archive.writestr(name, png("red" if name.startswith("noto") else "blue"))
    monkeypatch.setenv("GENSTUDIO_DATA", str(tmp_path))
    for split in ("train", "test"):
        reds = (data.load("emoji", split).images[:, 0] == 255).all(-1).all(-1)
        assert 0 < reds.sum() == (~reds).sum()


# Node and npm, with Python in Node's place ----------------------------------------------------------------------

ECHO = """
import json, sys
for line in open(sys.argv[1]):
    sys.stdout.buffer.write(json.dumps({"bytes": 3, **json.loads(line)}).encode() + b"\\n" + bytes([10, 0, 10]))
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes a program, with Python in Node's place, and an empty folder to run it in."""
    monkeypatch.setattr(npm, "find_program", lambda name: sys.executable)
    folder = tmp_path / "folder"
    folder.mkdir()

    def make(source: str) -> tuple[Path, Path]:
        file = tmp_path / "program.py"
        file.write_text(source)
        return folder, file

    return make


def test_answers_come_back_in_order_and_newlines_in_pictures_do_no_harm(program):
    answers = list(npm.run(*program(ECHO), jobs=({"job": i} for i in range(5))))
    assert [header["job"] for header, _ in answers] == list(range(5))
    assert {content for _, content in answers} == {bytes([10, 0, 10])}


def test_a_program_that_fails_is_one_sentence(program):
    with pytest.raises(ValueError, match=r"program.py failed: ZeroDivisionError: division by zero") as error:
        list(npm.run(*program("1 / 0"), jobs=[]))
    assert "\n" not in str(error.value)


def test_a_program_is_ended_when_its_reader_stops(program, monkeypatch):
    started = []
    real = npm.subprocess.Popen
    monkeypatch.setattr(npm.subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1])
    answers = npm.run(*program(ECHO + "import time; sys.stdout.flush(); time.sleep(600)"), jobs=[{}, {}])
    next(answers)
    answers.close()
    assert started[0].poll() is not None


# Building -------------------------------------------------------------------------------------------------------


@pytest.fixture
def toy(monkeypatch):
    """A set of 2 500 white pictures that needs nothing from npm."""

    def draw(folder, limit):
        for i in range(2500):
            yield {"file_name": f"toy/{i}.png", "text": "vélo"}, png()

    toy = drawings.DrawingSet("toy", 2500, (npm.Package("toy", "1.0.0", "MIT"),), 1, {"toy": "MIT (nobody)"}, draw)
    monkeypatch.setitem(drawings.SETS, "toy", toy)
    monkeypatch.setattr(npm, "find_program", lambda name: name)
    monkeypatch.setattr(npm, "install", lambda folder, packages: None)


@pytest.mark.parametrize("out", ["", "sub/other.zip"])
def test_a_built_set_is_pictures_with_their_metadata(toy, tmp_path, home, out):
    said = list(drawings.build(drawings.SETS["toy"], tmp_path / "data" / out, accept=True))
    built = tmp_path / "data" / (out or "toy.zip")
    assert "1000 pictures are drawn" in " ".join(said)
    with zipfile.ZipFile(built) as archive:
        assert len(archive.namelist()) == 2501
        rows = [json.loads(line) for line in archive.read("metadata.jsonl").splitlines()]
    assert rows[7] == {"file_name": "toy/7.png", "text": "vélo"}
    assert not any(home.iterdir())


def test_a_stopped_build_leaves_nothing_behind(toy, tmp_path, home):
    said = drawings.build(drawings.SETS["toy"], tmp_path / "data", accept=True)
    while "1000 pictures" not in next(said):
        pass
    said.close()
    assert not any(home.iterdir())
    assert not any((tmp_path / "data").iterdir())


# SHA-256 of the decoded pixels of two seeds: drawn at 256 px, Lanczos to 64, a palette of 128 colours.
KNOWN_FACES = {"test/030000.png": "363d64686962ae39", "train/002500.png": "919f74da6deb2eec"}


@pytest.mark.slow
def test_two_faces_are_drawn_as_ever(tmp_path):
    drawn = built(drawings.SETS["faces"], tmp_path, limit=1)
    with zipfile.ZipFile(drawn) as archive:
        for name, digest in KNOWN_FACES.items():
            assert hashlib.sha256(pixels(archive.read(name))).hexdigest()[:16] == digest, name
        rows = {row["file_name"]: row for row in map(json.loads, archive.read("metadata.jsonl").splitlines())}
    assert set(rows) == set(KNOWN_FACES)
    for row in rows.values():
        assert {"glasses", "facial_hair", "covered", "hair_color", "skin", "mouth", "text", "text_fr"} <= row.keys()


def built(chosen: drawings.DrawingSet, out: Path, limit: int) -> Path:
    """The archive of a few of its pictures, downloaded for real where the machine can."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs node and npm")
    try:
        list(drawings.build(chosen, out, accept=True, limit=limit))
    except ValueError as error:
        pytest.skip(str(error)) if re.search("could not install|not installed", str(error)) else pytest.fail(str(error))
    return drawings.place(chosen, out)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["avatars", "emoji"])
def test_a_handful_equals_the_archive_pixel_by_pixel(name, tmp_path):
    """Downloads for real, so it runs only where GENSTUDIO_DATA has the archive to compare with."""
    archive = Path(os.environ.get("GENSTUDIO_DATA", "nowhere")) / f"{name}.zip"
    if not archive.exists():
        pytest.skip(f"GENSTUDIO_DATA has no {name}.zip to compare with")
    few = built(drawings.SETS[name], tmp_path, limit=4)
    with zipfile.ZipFile(archive) as known, zipfile.ZipFile(few) as drawn:
        rows = [json.loads(line) for line in drawn.read("metadata.jsonl").splitlines()]
        known_rows = {row["file_name"]: row for row in map(json.loads, known.read("metadata.jsonl").splitlines())}
        assert len(rows) >= 20
        for row in rows:
            assert row == known_rows[row["file_name"]]
            assert pixels(drawn.read(row["file_name"])) == pixels(known.read(row["file_name"])), row["file_name"]
