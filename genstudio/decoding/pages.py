"""The page of a file of several: the first, or the full picture of a TIFF that begins with its thumbnail.

Raw files of cameras are TIFFs of that sort, whose full picture PIL cannot decode: they are refused.
"""

from __future__ import annotations

from PIL import Image, TiffImagePlugin

from genstudio.controls import Refusal, Text

WIDTH, REDUCED, SUB_PAGES, DNG_VERSION = 256, 254, 330, 50706  # tags of a TIFF
MAX_COUNTED = 1000  # pages: each costs time
RAW = (  # magic bytes of raw files that are no TIFF, and of Canon's, which are, at their places
    *((magic, 0) for magic in (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb")),
    (b"ftypcrx ", 4),
    (b"CR\2\0", 8),
)


def refuse_raw(head: bytes) -> None:
    """Raise ValueError for a raw file that is known by its first bytes."""
    if any(head[place:].startswith(magic) for magic, place in RAW):
        raise _raw()


def turn_to_page(picture: Image.Image) -> Text | None:
    """Turn to the page to decode. Returns a remark on the others. Raises ValueError for a camera's raw file."""
    count = pages(picture)
    if picture.format == "TIFF":
        if DNG_VERSION in picture.tag_v2 or _larger_below(picture):
            raise _raw()
        if _reduced(picture):
            page = next((page for page in range(1, count) if _full(picture, page)), None)
            if page is None:
                raise _raw()
            picture.seek(page)
            count = 1 + sum(_full(picture, other) for other in range(count) if other != page)
            picture.seek(page)
    if count < 2:
        return None
    at_least = Text("at least ", "au moins ") if count >= MAX_COUNTED else Text("", "")
    what = Text("pages", "pages") if picture.format == "TIFF" else Text("frames", "images")
    return Text(
        f"the first of {at_least.en}{count} {what.en}; the others are left out",
        f"la première de {at_least.fr}{count} {what.fr} ; les autres sont laissées de côté",
    )


def pages(picture: Image.Image) -> int:
    """Count of pages or frames, up to `MAX_COUNTED` in a TIFF. Smaller pictures in the file of a photograph, such as
    its preview or gain map, are no pages."""
    if picture.format not in ("MPO", "TIFF"):
        return getattr(picture, "n_frames", 1)
    size, count, place = picture.size, 1, 1
    while place < MAX_COUNTED:
        try:
            picture.seek(place)
        except EOFError:
            break
        except Exception:  # it cannot be read, and is a page all the same
            count += 1
            break
        count += picture.format == "TIFF" or picture.size == size
        place += 1
    picture.seek(0)
    return count


def _full(picture: Image.Image, page: int) -> bool:
    try:
        picture.seek(page)
    except Exception:  # of a sort that PIL cannot decode
        return False
    return not _reduced(picture)


def _reduced(picture: Image.Image) -> bool:
    """True for a page that is a smaller copy of another."""
    flags = picture.tag_v2.get(REDUCED, 0)
    return isinstance(flags, int) and bool(flags & 1)


def _larger_below(picture: Image.Image) -> bool:
    """True if the first page is a thumbnail: one beside the chain of pages, where raw files keep theirs, is wider."""
    try:
        places = picture.tag_v2.get(SUB_PAGES, ())
        for place in (places if isinstance(places, tuple) else (places,))[:8]:
            below = TiffImagePlugin.ImageFileDirectory_v2(prefix=picture.tag_v2.prefix)
            picture.fp.seek(place)
            below.load(picture.fp)
            if not below.get(REDUCED, 0) & 1 and below[WIDTH] > picture.tag_v2[WIDTH]:
                return True
    except Exception:  # damaged: what the pages themselves say stands
        pass
    return False


def _raw() -> Refusal:
    return Refusal(
        "a camera's raw file, of which only a thumbnail could be read: develop it to a JPEG or PNG",
        "un fichier brut d’appareil photo, dont seule une vignette serait lisible : développez-le en JPEG ou en PNG",
    )
