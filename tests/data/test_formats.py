"""One list of picture formats everywhere: what is opened alone is opened in a set, and the other way round."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from PIL import Image

from genstudio.data import read_pictures
from genstudio.decoding.formats import FORMATS, SUFFIXES, is_picture
from genstudio.images import open_picture
from genstudio.importers.identify import identify
from genstudio.tasks.translate_files import contents
from tests import ROOT
from tests.data.test_data import SHAPE, png, source, write  # noqa: F401 (a fixture)

FORMS = {
    ".png": "PNG", ".jpg": "JPEG", ".jfif": "JPEG", ".jpe": "JPEG", ".webp": "WEBP", ".gif": "GIF", ".bmp": "BMP", ".tif": "TIFF",
    ".ppm": "PPM", ".ico": "ICO", ".avif": "AVIF", ".heic": "HEIF", ".HEIF": "HEIF", ".hif": "HEIF",
}  # fmt: skip
UNMARKED = ("BMP", "PPM", "ICO")  # told by their suffix alone


def encoded(form: str) -> bytes:
    Image.new("RGB", (32, 32), (200, 30, 30)).save(stream := io.BytesIO(), form)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", FORMS)
def test_each_format_is_opened_in_sets_and_alone(source, suffix, tmp_path):  # noqa: F811
    body = encoded(FORMS[suffix])
    found = read_pictures(source({f"a{suffix}": body, "b.png": png(1)}), SHAPE)
    assert found.names == (f"a{suffix}", "b.png") and not found.refused and not found.ignored
    assert abs(int(found.images[0, 0].float().mean()) - 200) < 6 and suffix.lower() in SUFFIXES
    assert open_picture(body).size == (32, 32)
    (alone := tmp_path / f"alone{suffix}").write_bytes(body)
    assert identify(alone).kind == "picture" and [entry.name for entry in contents(alone)] == [alone.name]


@pytest.mark.parametrize("form", sorted({*FORMS.values()} - {*UNMARKED}))
@pytest.mark.parametrize("name", ["a", "folder.d/a", "a.part"])
def test_a_picture_is_known_by_its_mark_where_its_suffix_says_nothing(source, form, name):  # noqa: F811
    found = read_pictures(source({name: encoded(form), "b.png": png(1)}), SHAPE)
    if form == "TIFF" and name == "a.part":  # a raw photograph has the same mark
        assert found.ignored == [name]
    else:
        assert found.names == tuple(sorted([name, "b.png"])) and not found.ignored


@pytest.mark.parametrize("body", [b"", b"P5 notes", b"BM is short", b"Python", b"\0\0\1\0", b"RIFF", b"ftypheic", b"GIF7", b"\x89PN"])
def test_other_files_are_ignored_by_name_not_refused(source, body):  # noqa: F811
    assert not is_picture(body)
    found = read_pictures(source({"notes": body, "b.png": png(1)}), SHAPE)
    assert found.ignored == ["notes"] and not found.refused


def test_a_HEIC_is_upright(tmp_path):
    """A telephone that is held upright saves a picture that lies, and says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.heic", exif=exif.tobytes())
    assert open_picture(tmp_path / "a.heic").size == (20, 40)
    found = read_pictures(write(tmp_path / "set", {"a.heic": (tmp_path / "a.heic").read_bytes()}), SHAPE)
    assert found.originals[0].size == (20, 40)


def test_without_the_library_a_HEIC_is_one_sentence(tmp_path):
    (tmp_path / "a.heic").write_bytes(encoded("HEIF"))
    program = """
import sys
sys.modules["pillow_heif"] = None
from pathlib import Path
from genstudio.data import read_pictures
from genstudio.images import open_picture
for read in (open_picture, lambda path: read_pictures(path.parent, (3, 8, 8))):
    try:
        read(Path(sys.argv[1]))
    except ValueError as error:
        print(error)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "a.heic")]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    sentence = "a HEIC picture, which needs the library pillow-heif: pip install pillow-heif, or save it as JPEG"
    assert said[0] == sentence and said[1].endswith(f"image 1 of 1, a.heic: {sentence}")


def test_programs_are_no_pictures():
    assert not {"EPS", "PDF", "WMF", "FPX"} & {*FORMATS} and not {".eps", ".pdf", ".svg", ".psd"} & SUFFIXES
