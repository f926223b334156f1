"""ICC profiles (ICC.1:2001-04) written byte by byte, and the colours that they give, without Little CMS."""

from __future__ import annotations

import struct
import zlib

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])
WHITE = {"D65": (0.3127, 0.3290), "D50": (0.3457, 0.3585)}
PRIMARIES = {  # x and y of red, green and blue, white, exponent
    "sRGB": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), "D65", 2.2),
    "Display P3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), "D65", 2.2),
    "Adobe RGB": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), "D65", 563 / 256),
    "ProPhoto": ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), "D50", 1.8),
}
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def to_d50(name: str) -> np.ndarray:
    """Matrix from linear RGB of a space to XYZ, adapted to D50."""
    *corners, white, _ = PRIMARIES[name]
    columns, white = np.stack([xyz(*corner) for corner in corners], 1), xyz(*WHITE[white])
    matrix = columns * np.linalg.solve(columns, white)
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ white)) @ BRADFORD
    return adapt @ matrix


def in_srgb(name: str, colour: np.ndarray) -> np.ndarray:
    """Colour, levels of a space, in levels of sRGB, clipped to its gamut."""
    linear = np.linalg.solve(to_d50("sRGB"), to_d50(name) @ (np.asarray(colour) / 255) ** PRIMARIES[name][-1]).clip(
        0, 1
    )
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(65536 * number)) for number in numbers)


def packed(space: bytes, connection: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A profile of version 2.4: header, table of tags, tags."""
    place, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        body += bytes(-len(body) % 4)
        table += name + struct.pack(">II", place + len(data), len(body))
        data += body
    size = 128 + 4 + len(table) + len(data)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, kind, space, connection) + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + fixed(*D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def named(name: str) -> dict[bytes, bytes]:
    text = name.encode() + b"\0"
    return {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(79),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + fixed(*D50),
    }


def curve(exponent: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * exponent)) + bytes(2)


def matrix_profile(name: str) -> bytes:
    """Profile of one of `PRIMARIES`."""
    tags = named(name)
    for letter, column in zip(b"rgb", to_d50(name).T, strict=True):
        tags[bytes([letter]) + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*column)
        tags[bytes([letter]) + b"TRC"] = curve(PRIMARIES[name][-1])
    return packed(b"RGB ", b"XYZ ", b"mntr", tags)


def grey_profile(exponent: float) -> bytes:
    return packed(b"GRAY", b"XYZ ", b"mntr", named("grey") | {b"kTRC": curve(exponent)})


def ink_profile() -> bytes:
    """CMYK whose lightness is 100 - 60 K percent, and that has no colours: PIL without a profile would see others."""
    identity = bytes(range(256))
    corners = bytearray()
    for corner in range(16):  # the last channel, K, varies first
        corners += bytes([round(2.55 * (40 if corner & 1 else 100)), 128, 128])
    head = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = head + 4 * identity + bytes(corners) + 3 * identity
    return packed(b"CMYK", b"Lab ", b"prtr", named("ink") | {b"A2B0": table})


def chunk(kind: bytes, body: bytes, good: bool = True) -> bytes:
    """A chunk of a PNG, with a right checksum or a wrong one."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ (not good))
