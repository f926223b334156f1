"""Atomic writes, whole or not at all even if the process is killed at any moment; names that every system can hold."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from zipfile import ZipInfo

MAX_NAME = 240  # bytes of a name in UTF-8: file systems hold 255, and a number and an ending are added
FORBIDDEN = '<>:"|?*'  # in Windows
RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}  # devices, whatever the ending
RESERVED |= {f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"}
JOINERS = "\u200c\u200d"  # invisible, and part of words and of emoji


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Context manager of a binary file that replaces `path` at the end. On an error, such as a full disk, `path` stays
    as it was and no partial file is left; the OSError names `path`."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        # torch.save reports a failed write as a RuntimeError raised from the OSError.
        cause = error.__context__ if isinstance(error, RuntimeError) else error
        if isinstance(cause, OSError) and cause.errno:
            raise OSError(cause.errno, os.strerror(cause.errno), str(path)) from None
        raise


def portable(name: str) -> str:
    """A relative path that every system can hold, from an untrusted name. Kept as it is where possible."""
    kept = (part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".."))
    return "/".join(map(_portable_part, kept)) or "_"


def _portable_part(part: str) -> str:
    part = "".join(c if (c.isprintable() or c in JOINERS) and c not in FORBIDDEN else "_" for c in part)
    part = part.encode()[:MAX_NAME].decode(errors="ignore").strip(" .") or "_"
    return f"_{part}" if part.partition(".")[0].rstrip(" ").upper() in RESERVED else part


def member_name(member: ZipInfo) -> str:
    """Name of a zip's member, with forward slashes.

    Without the flag of UTF-8 `zipfile` reads the code page of DOS. Macs write UTF-8 all the same, and other programs
    put it into an extra field, with the checksum of the name that it stands for.
    """
    name = member.filename
    if not member.flag_bits & 0x800:
        with suppress(UnicodeError, struct.error):
            raw = name.encode("cp437")
            name = (_unicode_path(member.extra, raw) or raw).decode()
    return name.replace("\\", "/")


def _unicode_path(extra: bytes, raw: bytes) -> bytes:
    """The Unicode Path field (0x7075), if it belongs to the name `raw`."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 0x7075 and length > 5 and struct.unpack_from("<BI", extra, 4) == (1, zlib.crc32(raw)):
            return extra[9 : 4 + length]
        extra = extra[4 + length :]
    return b""
