"""Builders of the drawn data sets, avatars, faces and emoji, from public npm packages.

A `DrawingSet` lists downloads and licences; `build` downloads and draws, and yields sentences of progress.
`avatars.py`, `faces.py` and `emoji.py` each have a `draw`, which yields (row of metadata, PNG). The sets are read by
`data/sets.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from genstudio import paths
from genstudio.data.drawings import avatars, emoji, npm
from genstudio.data.drawings.faces import Faces
from genstudio.data.drawings.npm import Package

EVERY = 1000  # pictures from one sentence of progress to the next


@dataclass(frozen=True)
class DrawingSet:
    """A drawn data set: size, packages and licences, for consent before the download, and the drawing function."""

    name: str
    pictures: int
    packages: tuple[Package, ...]  # pinned: other versions draw other pictures
    megabytes: int  # size of the download; during the build, two to three times that on disk
    licences: dict[str, str]  # drawing style -> licence and author
    draw: Callable[[Path, int | None], Iterator[tuple[dict, bytes]]]
    ready: Callable[[], None] = lambda: None  # raises ValueError if a requirement other than npm is missing
    side: int = 64  # pixels

    def terms(self) -> str:
        """Size, packages and licences, as a paragraph."""
        packages = ", ".join(f"{p} ({p.licence})" for p in self.packages)
        licences = "; ".join(f"{style} {licence}" for style, licence in self.licences.items())
        return (
            f"{self.name}: {self.pictures} pictures of {self.side}x{self.side}. "
            f"Building them downloads about {self.megabytes} MB from npm: {packages}. Licences of the drawings: {licences}."
        )


DICEBEAR = (
    Package("@dicebear/core", "9.4.3", "MIT"),
    Package("@dicebear/collection", "9.4.3", "MIT, drawings apart"),
    Package("@resvg/resvg-js", "2.6.2", "MPL-2.0"),
)
DICEBEAR_MEGABYTES = 6
FACE_LICENCES = {
    "adventurer": "CC BY 4.0 (Lisa Wischofsky)",
    "avataaars": "free for personal and commercial use (Pablo Stanley)",
    "bigSmile": "CC BY 4.0 (Ashley Seo)",
    "lorelei": "CC0 1.0 (Lisa Wischofsky)",
    "micah": "CC BY 4.0 (Micah Lanier)",
    "openPeeps": "CC0 1.0 (Pablo Stanley)",
    "personas": "CC BY 4.0 (Draftbit)",
    "pixelArt": "CC0 1.0 (DiceBear)",
}


def face_set(faces: Faces) -> DrawingSet:
    """The data set of faces of one style."""
    licence = {faces.style: FACE_LICENCES[faces.style]}
    return DrawingSet(faces.name, faces.pictures, DICEBEAR, DICEBEAR_MEGABYTES, licence, faces.draw, side=faces.side)


SETS = {
    s.name: s
    for s in (
        DrawingSet(
            name="avatars",
            pictures=23_964,
            packages=DICEBEAR,
            megabytes=DICEBEAR_MEGABYTES,
            licences=FACE_LICENCES,
            draw=avatars.draw,
        ),
        face_set(Faces()),
        DrawingSet(
            name="emoji",
            pictures=7_820,
            packages=(
                Package("emoji-datasource-google", "16.0.0", "MIT, drawings apart"),
                Package("emoji-datasource-twitter", "16.0.0", "MIT, drawings apart"),
                Package("openmoji", "17.0.0", "CC BY-SA 4.0"),
                Package("fluentui-emoji", "1.3.0", "MIT"),
                Package("emojibase-data", "17.0.0", "MIT"),
            ),
            megabytes=171,
            licences={
                "noto": "Apache 2.0 (Google)",
                "twemoji": "CC BY 4.0 (Twitter and contributors)",
                "openmoji": "CC BY-SA 4.0 (OpenMoji)",
                "openmoji-line": "CC BY-SA 4.0 (OpenMoji)",
                "fluent": "MIT (Microsoft)",
            },
            draw=emoji.draw,
            ready=emoji.ready,
        ),
    )
}


def drawn_set(name: str, **options: Any) -> DrawingSet:
    """A set by name; `options`: fields of `Faces`, for the set `faces` alone. Raises ValueError on an unknown name."""
    if name not in SETS:
        raise ValueError(f"{name!r} is not a drawn set; there are {', '.join(SETS)}")
    if options and name != "faces":
        raise ValueError(f"{', '.join(options)} can be chosen for faces alone, not for {name}")
    return face_set(Faces(**options)) if options else SETS[name]


def build(chosen: DrawingSet, out: Path, accept: bool, limit: int | None = None) -> Iterator[str]:
    """Download, draw and pack a set: into `out` if it ends in .zip, else into `<name>.zip` in that folder.

    Yields sentences of progress, the terms first. Raises ValueError, before any download, unless the terms are accepted
    and the tools are installed. `limit`: the first faces or symbols of each style only, for a trial. An interrupted
    build leaves no files.
    """
    yield chosen.terms()
    if not accept:
        raise ValueError(f"nothing was downloaded: {chosen.name} can be built once you accept the licences above")
    npm.find_program("node")
    npm.find_program("npm")
    chosen.ready()
    target = place(chosen, out)
    target.parent.mkdir(parents=True, exist_ok=True)
    paths.home().mkdir(parents=True, exist_ok=True)

    # The packages are deleted after the build; a second one takes them from npm's own cache.
    with tempfile.TemporaryDirectory(prefix=f"{chosen.name}-", dir=paths.home()) as folder:
        yield f"Downloading {len(chosen.packages)} packages."
        npm.install(Path(folder), chosen.packages)
        yield "Drawing."
        packed = Path(folder) / target.name
        rows = []
        with ZipFile(packed, "w", ZIP_STORED) as archive, closing(chosen.draw(Path(folder), limit)) as drawn:
            for row, png in drawn:
                archive.writestr(_member(row["file_name"]), png)
                rows.append(row)
                if len(rows) % EVERY == 0:
                    yield f"{len(rows)} pictures are drawn; the whole set has {chosen.pictures}."
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            archive.writestr(_member("metadata.jsonl"), "".join(lines))
        part = target.with_suffix(".part")  # the target may be on another disk, which may be full
        try:
            shutil.move(packed, part)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    yield f"{target} holds {len(rows)} pictures."


def place(chosen: DrawingSet, out: Path) -> Path:
    """Path of a set's archive: `out` itself if it ends in .zip, else in that folder."""
    return out if out.suffix == ".zip" else out / f"{chosen.name}.zip"


def _member(name: str) -> ZipInfo:
    """A zip member without a date, so that equal sets give equal archives, and with read permission for all."""
    member = ZipInfo(name)
    member.external_attr = 0o644 << 16
    return member
