"""Many files at once: the good ones are translated, and every other one costs a line and nothing else."""

from __future__ import annotations

import gc
import io
import json
import os
import resource
import shlex
import struct
import sys
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genstudio import cli
from genstudio.data import entries, read_pictures
from genstudio.images import open_picture, read_recipe
from genstudio.recipes import commands, fields, recipe
from genstudio.tasks import translate_files as batch
from genstudio.tasks.outputs import Outputs
from genstudio.tasks.translate_files import free_place, translate_files
from tests.test_images import encoded, huge_png, two_colours


def photograph(size: tuple[int, int] = (40, 30), seed: int = 0) -> Image.Image:
    small = np.random.RandomState(seed).randint(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def png_with(kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk."""
    whole = encoded(photograph())
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return whole[:33] + chunk + whole[33:]


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(photograph(), "JPEG", exif=exif)


def huge_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    return encoded(photograph(), "JPEG", exif=exif)


def animation() -> bytes:
    stream = io.BytesIO()
    frames = [photograph(seed=i) for i in range(3)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def good_files() -> dict[str, bytes]:
    """Those that are pictures, however odd."""
    alpha = photograph().convert("RGBA")
    alpha.putalpha(90)
    sixteen = Image.fromarray((np.arange(1200).reshape(30, 40) * 50).astype(np.uint16))
    files = {
        "plain.png": encoded(photograph()), "plain.jpg": encoded(photograph(), "JPEG"), "is a jpeg.png": encoded(photograph(), "JPEG"),
        "no extension": encoded(photograph()), "is a png.txt": encoded(photograph()), "UPPER.JPG": encoded(photograph(), "JPEG"),
        "alpha.png": encoded(alpha), "grey.png": encoded(photograph().convert("L")), "bits.png": encoded(photograph().convert("1")),
        "palette.png": encoded(photograph().convert("P")), "cmyk.jpg": encoded(photograph().convert("CMYK"), "JPEG"),
        "cmyk.tif": encoded(photograph().convert("CMYK"), "TIFF"), "16 bits.png": encoded(sixteen), "turned.jpg": turned(),
        "animation.gif": animation(), "grey alpha.png": encoded(photograph().convert("LA")), "photo.webp": encoded(photograph(), "WEBP"),
        "photo.bmp": encoded(photograph(), "BMP"), "1x1.png": encoded(photograph((1, 1))), "1x20000.png": encoded(photograph((1, 20_000))),
        "20000x1.png": encoded(photograph((20_000, 1))), "2x3.gif": encoded(photograph((2, 3)), "GIF"), "huge exif.jpg": huge_exif(),
        "broken exif.png": png_with(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 5000), "visage à l’été 😀.png": encoded(photograph()),
        "a/b/deep.png": encoded(photograph()), "a/plain.png": encoded(photograph()), "PLAIN.webp": encoded(photograph(), "WEBP"),
        "n" * 150 + ".png": encoded(photograph()), "large text.png": png_with(b"zTXt", b"k\0\0" + zlib.compress(bytes(500_000))),
        "text bomb.png": png_with(b"zTXt", b"k\0\0" + zlib.compress(bytes(50_000_000))),  # never unpacked, and not needed
    }  # fmt: skip
    assert len(files) == 31
    return files


def bad_files() -> dict[str, bytes]:
    """Thirty that are none."""
    whole = encoded(Image.effect_noise((64, 64), 90).convert("RGB"))
    jpeg = encoded(photograph((64, 64)), "JPEG")
    files = {
        "empty.png": b"", "zeros.png": bytes(5000), "text.png": b"I am a cat", "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "svg.png": b"<?xml version='1.0'?><svg><image href='file:///etc/passwd'/></svg>", "page.html": b"<html><script>alert(1)</script></html>",
        "html.jpg": b"<!doctype html><img src=x onerror=alert(1)>", "bomb.png": huge_png(), "bomb 2.png": huge_png(12_000),
        "postscript.eps": encoded(two_colours(), "EPS"), "postscript.png": encoded(two_colours(), "EPS"), "document.pdf": b"%PDF-1.7\n%%EOF",
        "program.exe": b"MZ" + bytes(200), "script.sh": b"#!/bin/sh\nrm -rf /\n", "archive.gz": b"\x1f\x8b" + bytes(40),
        "only a head.png": whole[:8], "cut in the head.png": whole[:30], "half.png": whole[: len(whole) // 2], "three bytes.gif": b"GIF",
        "cut.jpg": jpeg[: len(jpeg) // 2], "only a head.jpg": jpeg[:20], "cut.webp": encoded(photograph(), "WEBP")[:40],
        "cut.gif": animation()[:100], "cut.bmp": encoded(photograph(), "BMP")[:200], "cut.tif": encoded(photograph(), "TIFF")[:60],
        "head lies.png": whole[:16] + struct.pack(">II", 0, 0) + whole[24:], "wrong sum.png": whole[:45] + b"\xff\xff\xff" + whole[48:],
        "notes.json": b"{}", "table.csv": b"a,b\n1,2\n", "text bomb.txt": b"k\0\0" + zlib.compress(bytes(50_000_000)),
    }  # fmt: skip
    assert len(files) == 30
    return files


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body)
    return root


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return path


@pytest.fixture(scope="module")
def denoiser(untrained) -> str:
    """It adds nothing yet: what comes out is what went in."""
    return untrained("denoise_photo")


@pytest.fixture(params=["folder", "zip"])
def source(request, tmp_path):
    return lambda files: write(tmp_path / "in", files) if request.param == "folder" else pack(tmp_path / "in.zip", files)


def read(target: Path) -> dict[str, bytes]:
    if target.is_dir():
        return {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()}
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def in_use() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


@pytest.mark.filterwarnings("ignore:.*EXIF|Truncated")  # PIL's, of a picture that it reads all the same
@pytest.mark.parametrize("result", ["out", "out.zip"])
def test_of_sixty_odd_broken_and_hostile_files_the_good_ones_are_translated(source, result, fast, denoiser, tmp_path):
    good, bad = good_files(), bad_files()
    outcomes = list(translate_files(fast, denoiser, [source(good | bad)], tmp_path / result))
    assert [o.done for o in outcomes] == list(range(1, 62)) and {o.of for o in outcomes} == {61}
    assert {o.name for o in outcomes if o.written} == set(good), [o for o in outcomes if o.name in good and o.trouble]
    assert {o.name for o in outcomes if o.trouble} == set(bad)
    assert all(o.trouble.en.count("\n") == 0 and len(o.trouble.en) < 200 for o in outcomes if o.trouble)
    written = read(tmp_path / result)
    assert sorted(written) == sorted(o.written for o in outcomes if o.written)
    for outcome in outcomes:
        if outcome.written:
            came, went = open_picture(written[outcome.written]), open_picture(good[outcome.name])
            assert written[outcome.written].startswith(b"\x89PNG") and came.mode == "RGB" and came.size == went.size, outcome
    assert written["a/b/deep.png"] and written["a/plain.png"], "folders stay folders"
    assert {o.written.casefold() for o in outcomes if Path(o.name).stem.casefold() == "plain" and "/" not in o.name} == {
        "plain.png", "plain 2.png", "plain 3.png",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_comes_back(fast, untrained, tmp_path):
    """Eight photographs of 2 megapixels would be 96 MB as bytes, source and result, were they kept: in every round. What the
    engine holds on to for its next work (`keep_memory`) it has after the first; once, others in this process may need more."""
    body = encoded(photograph((1600, 1250)), "JPEG")
    write(tmp_path / "in", {f"{i}.jpg": body for i in range(8)})
    used, name = [], untrained("pix2pix_sketch")  # at its own scale, which is soon done
    for _ in range(4):
        assert all(o.written for o in translate_files(fast, name, [tmp_path / "in"], tmp_path / "out"))
        gc.collect()
        used.append(in_use())
    assert min(after - before for before, after in pairwise(used[1:])) < 50e6


def test_what_a_network_leaves_alone_comes_out_as_the_colours_that_one_sees(fast, denoiser, tmp_path):
    """Modes, orientation, the first frame of a GIF, transparency on the colour that was chosen."""
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    files = {"cmyk.jpg": encoded(two_colours().convert("CMYK"), "JPEG"), "clear.png": encoded(clear)}
    files |= {"turned.jpg": turned(), "animation.gif": animation(), "1.png": encoded(Image.fromarray(np.full((8, 8), 32768, np.uint16)))}
    list(translate_files(fast, denoiser, [write(tmp_path / "in", files)], tmp_path / "out", background="#0000ff"))
    seen = {p.stem: np.asarray(Image.open(p)).astype(int) for p in (tmp_path / "out").iterdir()}
    assert np.abs(seen["cmyk"][10, 5] - (220, 30, 30)).max() < 15 and np.abs(seen["cmyk"][10, 35] - (30, 200, 30)).max() < 15
    assert (seen["clear"] == (0, 0, 255)).all()
    assert np.abs(seen["1"] - 128).max() <= 1
    upright = np.asarray(photograph().transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert seen["turned"].shape == upright.shape and np.abs(seen["turned"] - upright).mean() < 8
    assert np.abs(seen["animation"] - np.asarray(photograph(seed=0)).astype(int)).mean() < 8


def test_closing_early_keeps_what_is_done(fast, denoiser, tmp_path):
    source = write(tmp_path / "in", {f"{i}.png": encoded(photograph()) for i in range(5)})
    for target in (tmp_path / "out.zip", tmp_path / "out"):
        work = translate_files(fast, denoiser, [source], target)
        next(work), next(work)
        work.close()
        assert sorted(read(target)) == ["0.png", "1.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out", "out.zip"], "something was left behind"


def test_a_zip_that_stands_there_is_whole_until_another_is_done(fast, denoiser, tmp_path):
    source = write(tmp_path / "in", {f"{i}.png": encoded(photograph()) for i in range(2)})
    target = pack(tmp_path / "out.zip", {"old.png": b"old"})
    work = translate_files(fast, denoiser, [source], target)
    next(work)
    assert list(read(target)) == ["old.png"]
    list(work)
    assert list(read(target)) == ["old.png"] and sorted(read(tmp_path / "out 2.zip")) == ["0.png", "1.png"]
    list(translate_files(fast, denoiser, [source], target, outputs=Outputs(overwrite=True)))
    assert sorted(read(target)) == ["0.png", "1.png"]


def test_nothing_that_is_read_is_written_over(fast, denoiser, tmp_path):
    files = {"a.png": encoded(photograph()), "b.jpg": encoded(photograph(), "JPEG"), "in/c.png": encoded(photograph())}
    source = write(tmp_path / "in", files)
    outcomes = list(translate_files(fast, denoiser, [source], source))
    assert [o.written for o in outcomes] == ["a 2.png", "b.png", "in/c 2.png"]
    assert all((source / name).read_bytes() == body for name, body in files.items())
    archive = pack(tmp_path / "in.zip", files)
    with pytest.raises(ValueError, match="in.zip is one of the files to translate"):
        translate_files(fast, denoiser, [archive], tmp_path / "in" / ".." / "in.zip")


def test_several_sources_go_into_one_target_and_none_hides_another(fast, denoiser, tmp_path):
    sources = [pack(tmp_path / "a.zip", {"x.png": encoded(photograph())}), write(tmp_path / "b", {"x.jpg": encoded(photograph(), "JPEG")})]
    (tmp_path / "x.webp").write_bytes(encoded(photograph(), "WEBP"))
    outcomes = list(translate_files(fast, denoiser, [*sources, tmp_path / "x.webp", tmp_path / "gone.png"], tmp_path / "out.zip"))
    assert [(o.name, o.written) for o in outcomes[:3]] == [("x.png", "x.png"), ("x.jpg", "x 2.png"), ("x.webp", "x 3.png")]
    assert outcomes[3].trouble.en == "not found" and outcomes[3].done == outcomes[3].of == 4


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"../../x.png": b""}, "points outside the archive"),
        ({"/etc/x.png": b""}, "points outside the archive"),
        ({"bomb.png": bytes(20_000_000)}, "zip bomb"),
        (None, "neither a folder nor a zip"),
    ],
)
def test_a_hostile_archive_costs_a_line(files, reason, fast, denoiser, tmp_path):
    """Refused as a whole, whatever else it holds; the next source is translated."""
    hostile = tmp_path / "x.zip"
    if files is None:
        hostile.write_bytes(b"PK\x03\x04 and nothing else")
    else:
        with zipfile.ZipFile(hostile, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in ({"good.png": encoded(photograph())} | files).items():
                archive.writestr(name, body)
    (tmp_path / "good.png").write_bytes(encoded(photograph()))
    refused, written = translate_files(fast, denoiser, [hostile, tmp_path / "good.png"], tmp_path / "out")
    assert refused.name == "x.zip" and reason in refused.trouble.en
    assert written.written == "good.png" and sorted(p.name for p in (tmp_path / "out").iterdir()) == ["good.png"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a/b.jpg", "a/b.png"), ("../../b.png", "b.png"), ("/etc/passwd", "etc/passwd.png"), ("..\\..\\b.png", "b.png"),
        ("C:\\x.png", "C_/x.png"), ("a//./b.png", "a/b.png"), ("é\u202egnp.png", "é_gnp.png"), ("a\nb.png", "a_b.png"),
        ("..", "_.png"), (".", "_.png"), ("a./ . .png", "a/_.png"), ("x" * 300 + ".png", "x" * 240 + ".png"), ("con?<>|.png", "con____.png"),
        ("é" * 200 + ".jpg", "é" * 120 + ".png"),
        ("NUL.tar.png", "_NUL.tar.png"), ("com¹.png", "_com¹.png"), ("aux/lpt1", "_aux/_lpt1.png"), ("console.png", "console.png"),
        ("at 10.23.45", "at 10.23.45.png"), ("Screenshot " + 6 * "very " + "long 2026-05-01 at 10.23.45.jpeg",
        "Screenshot " + 6 * "very " + "long 2026-05-01 at 10.23.45.png"), ("👩\u200d🚀 e\u0301.heic", "👩\u200d🚀 e\u0301.png"),
    ],
)  # fmt: skip
def test_a_strangers_name_becomes_a_harmless_one(name, place, tmp_path):
    found = free_place(name, set())
    assert found == place
    path = (tmp_path / found).resolve()
    assert path.is_relative_to(tmp_path.resolve()) and path != tmp_path.resolve() and len(os.fsencode(path.name)) < 255


def test_the_light_of_a_photograph_alone_is_coloured(fast, untrained, tmp_path):
    """Old colours left ghosts at the edges, where the change is made at a lower resolution."""
    name, colours = untrained("colorize_photo"), photograph((150, 90))
    light = np.asarray(colours, float) @ (0.299, 0.587, 0.114)
    grey = Image.fromarray(np.repeat(light.round().astype(np.uint8)[..., None], 3, -1))
    source = write(tmp_path / "in", {"colours.png": encoded(colours), "grey.png": encoded(grey)})
    first, second = translate_files(fast, name, [source], tmp_path / "out")
    assert [said.en for said in first.remarks] == ["its own colours are left aside: the model sees its light alone"]
    assert not second.remarks
    made, other = (np.asarray(Image.open(tmp_path / "out" / f"{name}.png")).astype(int) for name in ("colours", "grey"))
    assert np.abs(made - other).max() <= 3, "but for the rounding of its light"
    with pytest.raises(ValueError, match="has no view in tiles: view must be own"):
        translate_files(fast, name, [source], tmp_path / "out", view="tiles")


def garbled(path: Path, *names: str, unicode_path: bool = False) -> Path:
    """A zip whose names are UTF-8 without the flag that says so, as macOS writes them; or with a field for them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            member = zipfile.ZipInfo("x.png" if unicode_path else name)
            if unicode_path:
                packed = name.encode()
                member.extra = struct.pack("<HHBI", 0x7075, 5 + len(packed), 1, zlib.crc32(b"x.png")) + packed
            archive.writestr(member, encoded(photograph()))
    body = bytearray(path.read_bytes())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = body.find(magic)
        while at >= 0:
            body[at + place + 1] &= ~8
            at = body.find(magic, at + 4)
    path.write_bytes(body)
    return path


def test_the_names_in_a_zip_of_a_mac_are_read(fast, denoiser, tmp_path):
    names = ["été/Übergröße 10.23.45.png", "été/写真.jpg"]
    outcomes = list(translate_files(fast, denoiser, [garbled(tmp_path / "mac.zip", *names)], tmp_path / "out"))
    assert sorted(o.written for o in outcomes) == ["été/Übergröße 10.23.45.png", "été/写真.png"]
    assert not any(o.remarks for o in outcomes)
    [outcome] = translate_files(
        fast, denoiser, [garbled(tmp_path / "field.zip", "naïve ж.png", unicode_path=True)], tmp_path / "other"
    )
    assert outcome.written == "naïve ж.png"
    classes = read_pictures(garbled(tmp_path / "set.zip", "œuf/0.png", "pâte/0.png"), (3, 8, 8)).classes
    assert classes == ("pâte", "œuf")


def test_a_name_of_dos_is_left_as_it_is(tmp_path):
    """0x82 is é in the code page of DOS, and no UTF-8."""
    with zipfile.ZipFile(tmp_path / "dos.zip", "w") as archive:
        archive.writestr("_t_.png", b"")
    body = (tmp_path / "dos.zip").read_bytes().replace(b"_t_.png", b"\x82t\x82.png")
    (tmp_path / "dos.zip").write_bytes(body)
    assert [entry.name for entry in entries(tmp_path / "dos.zip")] == ["été.png"]


def test_a_name_in_utf8_that_leads_outside_is_refused(tmp_path):
    with pytest.raises(ValueError, match="points outside the archive"):
        list(entries(garbled(tmp_path / "mac.zip", "é/../../x.png")))


def test_the_report_says_what_a_result_is_called_instead(fast, denoiser, tmp_path, capsys):
    """Under the name of its file, if every system can hold it and no other result has it."""
    names = ["con.png", "what?.jpg", "a.png", "a.jpg", "plain 10.23.45.png", "three.gif"]
    source = pack(tmp_path / "in.zip", {name: animation() if name == "three.gif" else encoded(photograph()) for name in names})
    assert cli.main(["translate", denoiser, str(source), "--out", str(tmp_path / "out"), "--json"]) == 0
    said = capsys.readouterr()
    assert {row["name"]: row["remarks"] for row in json.loads(said.out)} == {
        "con.png": ["written as _con.png"], "what?.jpg": ["written as what_.png"], "a.png": ["written as a 2.png"], "a.jpg": [],
        "plain 10.23.45.png": [], "three.gif": ["the first of 3 frames; the others are left out"],
    }  # fmt: skip
    assert "con.png: written as _con.png\n" in said.err and "three.gif: the first of 3 frames" in said.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "_con.png", "a 2.png", "a.png", "plain 10.23.45.png", "three.png", "what_.png",
    ]  # fmt: skip


def test_a_result_says_how_it_was_made(fast, denoiser, tmp_path):
    body = encoded(photograph())
    source = write(tmp_path / "in", {"a.png": body})
    list(translate_files(fast, denoiser, [source], tmp_path / "out", view="tiles", background="red", detail=0.25, strength=0.5))
    made = read_recipe(open_picture(tmp_path / "out" / "a.png"))
    assert (made["verb"], made["view"], made["background"], made["detail"]) == ("translate", "tiles", "red", 0.25)
    assert made["controls"] == {"strength": 0.5} and made["weights"] == fast.hold(denoiser).digest
    assert len(made["picture"]) == 16
    list(translate_files(fast, denoiser, [write(tmp_path / "other", {"b.png": encoded(photograph(seed=1))})], tmp_path / "out"))
    assert read_recipe(open_picture(tmp_path / "out" / "b.png"))["picture"] != made["picture"]
    assert recipe.check(made)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"view": "sideways"}, "view must be one of own, tiles, not 'sideways'"),
        ({"background": "no colour"}, "background is a colour like white or #ffcc00, not 'no colour'"),
        ({"detail": 2.0}, "detail must lie between 0 and 1, not 2.0"),
        ({"strength": 9}, "strength must lie between 0.0 and 1.5, not 9"),
        ({"seed": 1}, "unknown control 'seed'"),
    ],
)
def test_settings_are_checked_before_a_file_is_opened(settings, told, fast, denoiser, tmp_path):
    with pytest.raises(ValueError, match=told):
        translate_files(fast, denoiser, [tmp_path], tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_what_cannot_translate_says_so(fast, untrained, tmp_path):
    with pytest.raises(ValueError, match="vae_mnist cannot translate"):
        translate_files(fast, untrained("vae_mnist"), [tmp_path], tmp_path / "out")


def test_a_file_too_large_to_be_a_picture_is_not_read(fast, denoiser, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "MAX_FILE", 100)
    [outcome] = translate_files(fast, denoiser, [write(tmp_path / "in", {"a.png": bytes(101)})], tmp_path / "out")
    assert outcome.trouble.en.startswith("too large (101 bytes")


def test_what_the_system_put_there_is_no_picture_and_no_trouble(source, fast, denoiser, tmp_path):
    files = {"a.png": encoded(photograph()), ".DS_Store": b"x", "__MACOSX/._a.png": b"x", "b/Thumbs.db": b"x"}
    files |= {"@eaDir/a.png/SYNOPHOTO_THUMB_S.png": b"x", ".thumbnails/a.png": b"x"}
    place = source(files)
    assert [o.name for o in translate_files(fast, denoiser, [place], tmp_path / "out")] == ["a.png"]
    assert sorted([*batch.skipped([place]), "a.png"]) == sorted(files), "and it is named"


# On the command line


def test_translate_tells_how_many(denoiser, tmp_path, capsys):
    files = {"a.png": encoded(photograph()), "b.png": b"text", "c/d.jpg": encoded(photograph(), "JPEG"), ".x/e.png": b"x"}
    source = write(tmp_path / "in", files)
    assert cli.main(["translate", denoiser, str(source), "--out", str(tmp_path / "out.zip"), "--strength", "0.5"]) == 0
    said = capsys.readouterr()
    assert said.out == f"2 translated, 1 refused, in {tmp_path / 'out.zip'}\n"
    assert "b.png: not a picture" in said.err and "3 of 3 files" in said.err
    assert "Skipped: 1 files that systems add: .x/e.png" in said.err
    assert sorted(read(tmp_path / "out.zip")) == ["a.png", "c/d.png"]


def test_the_command_of_a_recipe_translates_the_picture_again_and_the_recipe_alone_cannot(denoiser, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"a.png": encoded(photograph())})
    assert cli.main(["translate", denoiser, "a.png", "--out", "first", "--strength", "0.3", "--background", "blue"]) == 0
    command = shlex.split(commands.command(read_recipe(open_picture("first/a.png"))))
    words = ["a.png" if word == fields.PICTURE_FILE else word for word in command[3:]]
    assert command[:3] == ["python", "-m", "genstudio"] and "a.png" in words
    assert cli.main(words) == 0
    assert read(Path("pictures")) == read(Path("first"))
    capsys.readouterr()
    assert cli.main(["again", "first/a.png"]) == 2
    assert "does not hold the picture that it began with" in capsys.readouterr().err


def test_translate_fails_where_nothing_could_be_translated(denoiser, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert cli.main(["translate", denoiser, str(tmp_path / "gone.png"), "--out", str(tmp_path / "out")]) == 2
    assert "gone.png: not found" in capsys.readouterr().err
    assert cli.main(["translate", denoiser, str(tmp_path / "empty"), "--out", str(tmp_path / "out")]) == 2
    assert "there are no files in" in capsys.readouterr().err
