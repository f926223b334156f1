"""Cartoon faces in eight styles, and pairs of the same face without and with glasses, drawn by DiceBear.

A face is a function of (style, options, seed), on every machine. DiceBear reports the parts that it chose ("hair":
"short04", "skinColor": "#ecad80"); `describe` converts them to attributes and captions. Node draws (`avatars.mjs`)
while Python scales and packs, on two processor cores.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from genstudio.data.drawings import npm

FACES = 2500  # per style, before duplicates are dropped
PAIRS = 400  # per style with pairs
SIZE = 64

# Jobs -----------------------------------------------------------------------------------------------------------


class Style(NamedTuple):
    glasses: str = ""  # DiceBear's part for glasses, where it has a probability
    beard: str = ""  # DiceBear's part for facial hair
    pairs: bool = False
    options: dict[str, Any] = {}


# Their other accessory is an eyepatch, which would make the attribute ambiguous.
AVATAAARS_GLASSES = ("kurt", "prescription01", "prescription02", "round", "sunglasses", "wayfarers")
PEEPS_GLASSES = ("glasses", "glasses2", "glasses3", "glasses4", "glasses5", "sunglasses", "sunglasses2")

STYLES = {
    "adventurer": Style(glasses="glasses", pairs=True),
    "avataaars": Style(
        glasses="accessories", beard="facialHair", pairs=True, options={"accessories": AVATAAARS_GLASSES}
    ),
    "bigSmile": Style(),
    "lorelei": Style(glasses="glasses", beard="beard", pairs=True),
    "micah": Style(glasses="glasses", beard="facialHair", pairs=True),
    "openPeeps": Style(  # a mask would hide mouth and beard
        glasses="accessories", beard="facialHair", options={"accessories": PEEPS_GLASSES, "maskProbability": 0}
    ),
    "personas": Style(beard="facialHair"),
    "pixelArt": Style(glasses="glasses", beard="beard", pairs=True),
}


class Job(NamedTuple):
    file_name: str
    style: str
    options: dict[str, Any]

    @property
    def paired(self) -> bool:
        return self.file_name.startswith("pairs/")


def jobs(limit: int | None = None) -> Iterator[Job]:
    """All faces and pairs, or the first `limit` of each style, in the order of the archive."""
    for name, style in STYLES.items():
        for i in range(FACES)[:limit]:
            yield Job(f"{name}/{i:05d}.png", name, options(style, seed=f"{name}-{i}", glasses=30))
        for i in range(PAIRS if style.pairs else 0)[:limit]:
            for side, glasses in (("plain", 0), ("glasses", 100)):
                face = options(style, seed=f"pair-{name}-{i}", glasses=glasses)
                yield Job(f"pairs/{side}/{name}-{i:04d}.png", name, face)


def options(style: Style, seed: str, glasses: int) -> dict[str, Any]:
    """Options for DiceBear. `glasses`: their probability in percent."""
    chosen = {"seed": seed, "backgroundColor": ["ffffff"], **style.options}
    if style.glasses:
        chosen[f"{style.glasses}Probability"] = glasses
    if style.beard:
        chosen[f"{style.beard}Probability"] = 25  # DiceBear's default of 5 or 10 percent gives few examples
    return chosen


# Attributes and captions ----------------------------------------------------------------------------------------


class Hair(NamedTuple):
    rgb: tuple[int, int, int]
    french: str


HAIR = {
    "black": Hair((20, 20, 22), "noirs"),
    "dark brown": Hair((70, 45, 30), "brun foncé"),
    "brown": Hair((120, 75, 45), "bruns"),
    "blond": Hair((225, 190, 110), "blonds"),
    "grey": Hair((150, 150, 150), "gris"),
    "white": Hair((240, 240, 240), "blancs"),
    "red": Hair((200, 50, 40), "roux vif"),
    "orange": Hair((230, 120, 50), "orange"),
    "pink": Hair((240, 130, 170), "roses"),
    "purple": Hair((130, 80, 190), "violets"),
    "blue": Hair((60, 110, 210), "bleus"),
    "turquoise": Hair((70, 190, 190), "turquoise"),
    "green": Hair((90, 170, 80), "verts"),
}
SKIN_FRENCH = {"light": "claire", "medium": "mate", "dark": "foncée"}

# The styles' names for heads without hair, and for head coverings. micah's mrClean and personas' cap and beanie belong
# here too, but count as hair, as they did in the training set of the shipped checkpoints.
BALD = {"bald", "mrT", "shavedHead", "noHair1", "noHair2", "noHair3"}
HEADWEAR = {"hat", "hijab", "turban", "winterHat1", "winterHat02", "winterHat03", "winterHat04", "hatBeanie", "hatHip"}
EYEWEAR = {*AVATAAARS_GLASSES, *PEEPS_GLASSES}  # bigSmile's two have the same names as openPeeps'
GLASSES_FOR_EYES = {"glasses", "sunglasses"}  # personas; not EYEWEAR, for micah's "round" eyes are eyes


def describe(style: str, parts: dict[str, str]) -> dict[str, Any]:
    """Attributes and captions, in English and French, of a face, from its DiceBear parts."""
    hair = parts.get("hair") or parts.get("top") or parts.get("head")
    bald = hair in BALD
    covered = "hat" in parts or hair in HEADWEAR
    hair_color = nearest_hair(parts["hairColor"]) if "hairColor" in parts and not (bald or covered) else None
    ink = style == "lorelei"  # lines on white, whatever `skinColor` says
    skin = None if ink else skin_tone(parts.get("skinColor") or parts["baseColor"])
    glasses = "glasses" in parts or parts.get("accessories") in EYEWEAR or parts.get("eyes") in GLASSES_FOR_EYES
    facial_hair = "facialHair" in parts or "beard" in parts

    traits: list[tuple[str, str]] = []
    if covered:
        traits.append(("a head covering", "la tête couverte"))
    elif bald:
        traits.append(("no hair", "sans cheveux"))
    elif hair_color:
        traits.append((f"{hair_color} hair", f"cheveux {HAIR[hair_color].french}"))
    if skin:
        traits.append((f"{skin} skin", f"peau {SKIN_FRENCH[skin]}"))
    if glasses:
        traits.append(("glasses", "lunettes"))
    if facial_hair:
        traits.append(("facial hair", "barbe ou moustache"))
    english, french = (", ".join(t) for t in zip(*traits, strict=True)) if traits else ("", "")

    return {
        "glasses": glasses,
        "facial_hair": facial_hair,
        "hair_color": hair_color,
        "skin": skin,
        "covered": covered,
        "mouth": expression(parts.get("mouth") or parts["face"]),  # openPeeps has whole faces instead of mouths
        "hair": hair,
        "text": f"a cartoon face in {words(style)} style" + (f" with {english}" if english else ""),
        "text_fr": f"un visage dessiné, style {words(style)}" + (f", {french}" if french else ""),
    }


def nearest_hair(color: str) -> str:
    """#rrggbb -> the name of the nearest colour in HAIR."""
    rgb = _rgb(color)
    return min(HAIR, key=lambda name: sum((a - b) ** 2 for a, b in zip(HAIR[name].rgb, rgb, strict=True)))


def skin_tone(color: str) -> str:
    """#rrggbb -> light, medium or dark, by luma."""
    r, g, b = _rgb(color)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    return "light" if luma > 190 else "medium" if luma > 130 else "dark"


def expression(part: str) -> str | None:
    """ "lovingGrin2" -> "loving grin"; None where the drawing has a number and no name ("variant07")."""
    name = part.rstrip("0123456789")
    return None if name == "variant" else words(name)


def words(name: str) -> str:
    """ "bigSmile" -> "big smile"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _rgb(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color.removeprefix("#")[:6]))


# Drawing --------------------------------------------------------------------------------------------------------


def draw(folder: Path, limit: int | None = None) -> Iterator[tuple[dict[str, Any], bytes]]:
    """(metadata, PNG) of each face, with the packages that are installed in `folder`.

    Two seeds may give faces that look the same, which would let a test face into the training part: the second is left
    out, and its number stays unused. Pairs are all kept.
    """
    seen: set[bytes] = set()
    todo = list(jobs(limit))
    with closing(drawn(folder, todo)) as answers:
        for job, (row, png) in zip(todo, answers, strict=True):
            if not job.paired:
                if png in seen:
                    continue
                seen.add(png)
            yield row, png


def drawn(folder: Path, todo: Sequence[Job], side: int = SIZE) -> Iterator[tuple[dict[str, Any], bytes]]:
    """(metadata, PNG of `side` pixels) of each job, in order."""
    orders = ({"style": job.style, "options": job.options} for job in todo)
    with closing(npm.run(folder, Path(__file__).with_name("avatars.mjs"), orders)) as answers:
        for job, (drawing, pixels) in zip(todo, answers, strict=True):
            png = pack(Image.frombytes("RGBA", (drawing["width"], drawing["height"]), pixels), side)
            yield {"file_name": job.file_name, "style": job.style, **describe(job.style, drawing["parts"])}, png


def pack(picture: Image.Image, side: int = SIZE) -> bytes:
    """A square PNG with a palette of 128 colours, which suffice for flat drawings and halve the size."""
    small = picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()
