"""ICC profiles of pictures that name their colours by numbers in place of a profile: by the chunks gAMA and cHRM of a
PNG, or by the code points of ITU-T H.273 (CICP) in a PNG or AVIF."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

D65 = (0.3127, 0.3290)
PRIMARIES = {  # x and y of red, green and blue, by code point; that of BT.709 and sRGB is 1, and needs no profile
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
CURVES = {1: 0, 6: 0, 13: 0, 14: 0, 15: 0, 4: 2.2, 5: 2.8, 8: 1.0}  # exponents by code point; 0: of sRGB. No HDR
SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # parameters of its curve in a profile
SRGB_GAMMA = (0.44, 0.47)  # gAMA that stands for sRGB
D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def named_profile(picture: Image.Image, head: bytes) -> bytes | None:
    """Profile of an opened picture that has none; None if it is sRGB, or names no colours. head: the first bytes of
    its file."""
    if (code := _code_points(head)) is not None:
        primaries, transfer = code
        if primaries in PRIMARIES and transfer in CURVES:
            return _profile(PRIMARIES[primaries], D65, CURVES[transfer])
        return None
    gamma, corners = picture.info.get("gamma"), picture.info.get("chromaticity")
    if "srgb" in picture.info or not isinstance(gamma, float) or gamma <= 0:
        return None
    exponent = 0 if SRGB_GAMMA[0] < gamma < SRGB_GAMMA[1] else 1 / gamma
    numbers = corners if isinstance(corners, tuple) and len(corners) == 8 else (*D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
    white, *others = zip(numbers[::2], numbers[1::2], strict=True)
    return _profile(others, white, exponent)


def _code_points(head: bytes) -> tuple[int, int] | None:
    """Code points of primaries and transfer function."""
    if head[4:8] == b"ftyp":
        place = head.find(b"colrnclx") + 8
        return struct.unpack_from(">HH", head, place) if 8 <= place <= len(head) - 4 else None
    place = head.find(b"\0\0\0\4cICP") + 4
    chunk = head[place : place + 12]
    if place < 4 or len(chunk) < 12 or zlib.crc32(chunk[:8]) != int.from_bytes(chunk[8:], "big"):
        return None
    return chunk[4], chunk[5]


def _profile(corners: tuple, white: tuple[float, float], exponent: float) -> bytes | None:
    """Profile of version 4 with a matrix and one curve; None if the colours span no space."""
    if not all(0 < y < 1 for _, y in (*corners, white)) or not 0 <= exponent < 100:
        return None
    columns, light = np.stack([_xyz(*corner) for corner in corners], 1), _xyz(*white)
    try:
        matrix = columns * np.linalg.solve(columns, light)
    except np.linalg.LinAlgError:
        return None
    matrix = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ light)) @ BRADFORD @ matrix
    if not np.abs(matrix).max() < 8:
        return None
    curve = b"para" + bytes(4) + (struct.pack(">HH", 0, 0) + _fixed(exponent) if exponent else _srgb_curve())
    tags = {b"wtpt": b"XYZ " + bytes(4) + _fixed(*D50)}
    for letter, column in zip("rgb", matrix.T, strict=True):
        tags[f"{letter}XYZ".encode()] = b"XYZ " + bytes(4) + _fixed(*column)
        tags[f"{letter}TRC".encode()] = curve
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, tag in tags.items():
        table += name + struct.pack(">II", start + len(data), len(tag))
        data += tag
    head = struct.pack(">I4sI12s", start + len(data), b"", 0x04200000, b"mntrRGB XYZ ") + bytes(12) + b"acsp"
    head = (head.ljust(68, b"\0") + _fixed(*D50)).ljust(128, b"\0")
    return head + struct.pack(">I", len(tags)) + table + data


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(65536 * number)) for number in numbers)


def _srgb_curve() -> bytes:
    return struct.pack(">HH", 3, 0) + _fixed(*SRGB)
