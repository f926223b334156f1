"""Emoji in five styles: the same symbol drawn by four houses, once also as line art, with names in English and French.

OpenMoji's list says which symbols there are; Noto and Twemoji come as pictures of 64x64, OpenMoji and Fluent as SVG.
The SVGs are drawn by resvg 0.48 through Python: the older resvg that npm has draws 570 of Fluent's 1 260 pictures a
little differently, and leaves out the shadows of a few.
"""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from genstudio.images import flatten

SIZE = 64
DRAWN = 256  # an SVG is drawn at four times the size and scaled down, for finer edges
RENDERER = "resvg_py==0.5.0"

# Flags are all alike; components (skin tones, hair) are no symbols by themselves; the extras are in OpenMoji alone.
LEFT_OUT = {"flags", "component", "extras-openmoji", "extras-unicode"}


def ready() -> None:
    """Raises ValueError, with what to do, when the SVG renderer is not installed."""
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        raise ValueError(f"emoji are drawn by a Python package that is not installed: pip install {RENDERER}") from None


def draw(folder: Path, limit: int | None = None) -> Iterator[tuple[dict[str, Any], bytes]]:
    """(metadata, PNG) of each symbol in each style that has it, with the packages that are installed in `folder`."""
    packages = folder / "node_modules"
    names = french_names(packages)
    drawings = Drawings(packages)
    for symbol in symbols(packages)[:limit]:
        for style, path in drawings(symbol).items():
            yield metadata(symbol, style, lookup(names, symbol["hexcode"])), pack(open_drawing(path))


# What there is --------------------------------------------------------------------------------------------------


def symbols(packages: Path) -> list[dict[str, Any]]:
    """OpenMoji's list without skin tones (five near-copies of each hand) and without the groups left out."""
    listed = _json(packages / "openmoji/data/openmoji.json")
    return [s for s in listed if s["group"] not in LEFT_OUT and not s["skintone"]]


def french_names(packages: Path) -> dict[str, str]:
    """Hexcode -> the French name."""
    return {entry["hexcode"]: entry["label"] for entry in _json(packages / "emojibase-data/fr/data.json")}


def lookup(table: dict[str, Any], hexcode: str) -> Any:
    """The entry of a symbol, whose code some lists write without the variation selector FE0F ("draw it in colour")."""
    return table.get(hexcode) or table.get(plain(hexcode))


def plain(hexcode: str) -> str:
    return hexcode.replace("-FE0F", "")


def metadata(symbol: dict[str, Any], style: str, french: str | None) -> dict[str, Any]:
    """The row of a picture. Its folder is its group: that is the class which `genstudio.data` reads."""
    hexcode = symbol["hexcode"].lower()
    return {
        "file_name": f"{style}/{symbol['group']}/{hexcode}.png",
        "style": style,
        "group": symbol["group"],
        "subgroup": symbol["subgroups"],
        "hexcode": hexcode,
        "text": symbol["annotation"],
        "text_fr": french,
        "tags": symbol["tags"],
    }


class Drawings:
    """Where the packages keep the drawings of a symbol: style -> file, for the styles that have it."""

    def __init__(self, packages: Path):
        self.packages = packages
        self.images: dict[str, str] = {}  # hexcode, in each way of writing it -> name of the picture
        for entry in _json(packages / "emoji-datasource-google/emoji.json"):
            for code in filter(None, (entry["unified"], entry.get("non_qualified"))):
                self.images[code] = self.images[plain(code)] = entry["image"]

    def __call__(self, symbol: dict[str, Any]) -> dict[str, Path]:
        hexcode, name = symbol["hexcode"], slug(symbol["annotation"])
        image = lookup(self.images, hexcode) or "none"
        fluent = self.packages / "fluentui-emoji/icons"
        modern = fluent / f"modern/{name}.svg"
        files = {
            "noto": self.packages / f"emoji-datasource-google/img/google/64/{image}",
            "twemoji": self.packages / f"emoji-datasource-twitter/img/twitter/64/{image}",
            "openmoji": self.packages / f"openmoji/color/svg/{hexcode}.svg",
            "openmoji-line": self.packages / f"openmoji/black/svg/{hexcode}.svg",
            "fluent": modern if modern.exists() else fluent / f"flat/{name}.svg",
        }
        return {style: file for style, file in files.items() if file.exists()}


def slug(name: str) -> str:
    """ "piñata" -> "pinata", "ping pong" -> "ping-pong": how Fluent names its files."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# Draw -----------------------------------------------------------------------------------------------------------


def open_drawing(path: Path) -> Image.Image:
    if path.suffix != ".svg":
        return Image.open(path)
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_path=str(path), width=DRAWN, height=DRAWN, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png)))


def pack(picture: Image.Image) -> bytes:
    """A PNG of 64x64 on white."""
    picture = flatten(picture)
    if picture.size != (SIZE, SIZE):
        picture = picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()
