"""Repair of PNG, JPEG, WebP and AVIF files whose pixels are whole: what stands beside these, and cannot be read, is
left out, as browsers do. A damaged pixel stays an error."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

PNG = b"\x89PNG\r\n\x1a\n"
MAX_TEXT = 2**20  # bytes unpacked, as PIL has it
MAX_PROFILE = 16 * 2**20
LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9}  # of chunks that are kept
TRANSPARENT = {0: 2, 2: 6}  # bytes of tRNS by colour type


class Repaired(NamedTuple):
    body: bytes
    profile: bytes | None = None  # ICC, if it is larger than PIL reads


def repairs(body: bytes) -> Iterator[Repaired]:
    """Yield the file without what is damaged beside the pixels, and then without all that can be left out."""
    if body.startswith(PNG):
        yield _png(body, bare=False)
        yield _png(body, bare=True)
    elif body.startswith(b"\xff\xd8"):
        yield Repaired(_jpeg(body, (b"Exif\0\0", b"ICC_PROFILE\0")))
        yield Repaired(_jpeg(body, (b"ICC_PROFILE\0",)))
        yield Repaired(_jpeg(body, ()))
    elif body[8:12] == b"WEBP":
        yield Repaired(_webp(body))
    elif body[4:8] == b"ftyp":
        yield Repaired(body.replace(b"Exif", b"skip"))  # the type of an item, by which readers find it


# PNG --------------------------------------------------------------------------------------------------------------


def _png(body: bytes, bare: bool) -> Repaired:
    kept, place, profile, header, colours = [PNG], len(PNG), None, b"", 0
    while place + 12 <= len(body):
        length, kind = struct.unpack_from(">I4s", body, place)
        end = place + 12 + length
        data, whole = body[place + 8 : end - 4], body[place:end]
        if not kind.isalpha() or end > len(body):
            break
        if kind == b"IHDR":
            header = data
        elif kind == b"PLTE":
            colours = length // 3
        if not kind[0] & 0x20:  # critical
            kept.append(whole)
        elif zlib.crc32(kind + data) == int.from_bytes(whole[-4:], "big"):
            if kind == b"iCCP" and not bare:
                profile = unpacked(data.partition(b"\0")[2][1:], MAX_PROFILE) or profile
            elif kind == b"tRNS" and _transparency(header, colours, length) or not bare and _readable(kind, data):
                kept.append(whole)
        place = end
    return Repaired(b"".join(kept) + body[place:], profile)  # a truncated chunk last: its pixels are missing


def _transparency(header: bytes, colours: int, length: int) -> bool:
    kind = header[9] if len(header) == 13 else -1
    return 0 < length <= colours if kind == 3 else TRANSPARENT.get(kind) == length


def _readable(kind: bytes, data: bytes) -> bool:
    """True for a chunk beside the pixels that PIL can read."""
    key, _, rest = data.partition(b"\0")
    if kind == b"zTXt":
        return rest[:1] == b"\0" and unpacked(rest[1:], MAX_TEXT) is not None
    if kind == b"iTXt":
        packed = rest[:1] != b"\0"
        return not packed or unpacked(rest[2:].split(b"\0", 2)[-1], MAX_TEXT) is not None
    if kind == b"tEXt":
        return len(data) <= MAX_TEXT
    return kind == b"eXIf" or LENGTHS.get(kind) == len(data)


def unpacked(data: bytes, most: int) -> bytes | None:
    """Unpack a zlib stream of at most so many bytes, else None."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, most)
    except zlib.error:
        return None
    return found if stream.eof else None


# JPEG, WebP -------------------------------------------------------------------------------------------------------


def _jpeg(body: bytes, beside: tuple[bytes, ...]) -> bytes:
    """The file with those of its application segments that begin with one of `beside`, and those that pixels need."""
    kept, place = [body[:2]], 2
    while place + 4 <= len(body) and body[place] == 0xFF:
        marker, length = body[place + 1], int.from_bytes(body[place + 2 : place + 4], "big")
        if marker == 0xDA or length < 2:  # the pixels
            break
        segment = body[place : place + 2 + length]
        needed = segment[4:9] == b"Adobe" and length >= 14 or segment[4:9] == b"JFIF\0" and length >= 16
        wanted = segment[4:].startswith(beside) and length >= 32 if beside else False
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or needed or wanted:
            kept.append(segment)
        place += 2 + length
    return b"".join(kept) + body[place:]


def _webp(body: bytes) -> bytes:
    """The file without its metadata."""
    kept, place = [], 12
    while place + 8 <= len(body):
        size = int.from_bytes(body[place + 4 : place + 8], "little")
        end = place + 8 + size + size % 2
        if body[place : place + 4] not in (b"EXIF", b"XMP ", b"ICCP"):
            kept.append(body[place:end])
        place = end
    whole = b"WEBP" + b"".join(kept)
    return b"RIFF" + len(whole).to_bytes(4, "little") + whole
