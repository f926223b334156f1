"""Pictures are counted while a set is read."""

from __future__ import annotations

import zipfile

import pytest
from PIL import Image

from genstudio.data import load_whole
from genstudio.data.archives import Count, counting
from genstudio.data.report import survey
from tests.test_images import encoded


@pytest.mark.parametrize("folder", [True, False])
def test_the_pictures_of_a_set_are_counted(folder, tmp_path):
    pictures = {f"{label}/{i}.png": encoded(Image.new("RGB", (9, 7), (20 * i, 9, 9))) for label in "ab" for i in range(6)}
    files = pictures | {"notes.txt": b"-", "a/bad.png": b"no"}
    source = tmp_path / ("set" if folder else "set.zip")
    if folder:
        for name, body in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(body)
    else:
        with zipfile.ZipFile(source, "w") as archive:
            for name, body in files.items():
                archive.writestr(name, body)
    count = Count()
    found = counting(count, survey, str(source), (3, 8, 8))
    assert (count.done, count.of) == (13, 13) and found.count == 12
    load_whole(str(source), (3, 8, 8))  # not counted
    assert count.done == 13
