"""Emoji in five styles: Noto, Twemoji, OpenMoji in colour and as line art, Fluent, with names in English and French.

The symbols are those of OpenMoji's list. Noto and Twemoji are 64x64 PNGs, OpenMoji and Fluent SVGs, which are rendered
by resvg 0.48 through Python: the older resvg on npm renders 570 of Fluent's 1 260 drawings slightly differently, and
omits the shadows of a few.
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
DRAWN = 256  # SVGs are rendered at four times the size and reduced, for antialiasing
RENDERER = "resvg_py==0.5.0"

# Flags resemble one another; components (skin tones, hair) are no symbols; the extras are OpenMoji's alone.
LEFT_OUT = {"flags", "component", "extras-openmoji", "extras-unicode"}


def ready() -> None:
    """Raise ValueError, with instructions, if the SVG renderer is not installed."""
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        raise ValueError(f"emoji are drawn by a Python package that is not installed: pip install {RENDERER}") from None


def draw(folder: Path, limit: int | None = None) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield (metadata, PNG) of each symbol in each style that has it, from the packages installed in `folder`."""
    packages = folder / "node_modules"
    names = french_names(packages)
    drawings = Drawings(packages)
    for symbol in symbols(packages)[:limit]:
        for style, path in drawings(symbol).items():
            yield metadata(symbol, style, lookup(names, symbol["hexcode"])), pack(open_drawing(path))


# Symbols --------------------------------------------------------------------------------------------------------


def symbols(packages: Path) -> list[dict[str, Any]]:
    """OpenMoji's list without skin tones (five near-duplicates of each hand) and the groups in LEFT_OUT."""
    listed = _json(packages / "openmoji/data/openmoji.json")
    return [s for s in listed if s["group"] not in LEFT_OUT and not s["skintone"]]


def french_names(packages: Path) -> dict[str, str]:
    """Hexcode -> the French name."""
    return {entry["hexcode"]: entry["label"] for entry in _json(packages / "emojibase-data/fr/data.json")}


def lookup(table: dict[str, Any], hexcode: str) -> Any:
    """Entry of a symbol, with or without the variation selector FE0F (emoji presentation), which some lists omit."""
    return table.get(hexcode) or table.get(plain(hexcode))


def plain(hexcode: str) -> str:
    return hexcode.replace("-FE0F", "")


def metadata(symbol: dict[str, Any], style: str, french: str | None) -> dict[str, Any]:
    """Metadata row of a picture. Its group is its folder and its label."""
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
    """Paths of a symbol's drawings in the packages: style -> file, for the styles that have it."""

    def __init__(self, packages: Path):
        self.packages = packages
        self.images: dict[str, str] = {}  # hexcode, with and without variation selectors -> file name
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
    """ "piñata" -> "pinata", "ping pong" -> "ping-pong": file names as in Fluent."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# Drawing --------------------------------------------------------------------------------------------------------


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
