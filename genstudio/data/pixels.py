"""Lossless compression of data sets of drawings into one file, NAME.pixels: less than half of their size as PNG files.

A zip of `set.json` (name, shape, classes, credit) and of arrays compressed by LZMA: `images.xz`, or, where each image
has at most 256 colours, a prediction from earlier images with its residuals:

    palettes.xz      colours of each image, from dark to light, as differences
    references.xz    for each block of an image, the index of the most similar earlier image
    codes            each pixel: the palette colour nearest to the reference's, or a neighbour's, or another

Pixels are entropy-coded by asymmetric numeral systems (Duda 2013, arXiv:1311.2540) with adaptive context models. All
images of a generation are coded in parallel, pixel by pixel, so that NumPy works on thousands of them at once; a
generation refers to those before it.
"""

from __future__ import annotations

import io
import json
import lzma
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genstudio import files

FORMAT = 1
SUFFIX = ".pixels"
# Constants of the format.
FIRST = 1000  # images of the first generation; each later one is as large as all before it
BLOCK = 16  # pixels along a side of a block
BITS = 14  # resolution of a probability
MASK = (1 << BITS) - 1
LOW = 1 << 16  # lower bound of the coder's state

XZ = {"format": lzma.FORMAT_XZ, "filters": [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 0, "lp": 0, "pb": 0}]}
MAX_PICTURES, MAX_SIDE, MAX_BYTES = 200_000, 4096, 4 * 2**30  # unpacked


def save(pictures: Any, path: Path) -> int:
    """Write images, labels and conditions of `Pictures`. Returns the size of the file in bytes."""
    if pictures.sources is not None:
        raise ValueError(f"{pictures.name} is a set of sources and targets, which is not packed")
    images, conditions = pictures.images.numpy(), pictures.conditions
    said = {key: getattr(pictures, key) for key in ("name", "classes", "values", "credit")}
    said |= {
        "format": FORMAT,
        "shape": images.shape,
        "conditions": {name: str(t.numpy().dtype) for name, t in conditions.items()},
    }
    members = {"set.json": json.dumps(said, ensure_ascii=False).encode()}
    if pictures.labels is not None:
        members["labels.xz"] = lzma.compress(pictures.labels.numpy().astype("<u2").tobytes(), **XZ)
    for i, values in enumerate(conditions.values()):
        members[f"conditions/{i}.xz"] = lzma.compress(values.numpy().astype("<i2").tobytes(), **XZ)
    indexed = by_palette(images)
    members |= {"images.xz": lzma.compress(images.tobytes(), **XZ)} if indexed is None else _pack(*indexed, images)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return path.stat().st_size


DTYPES = {"bool": bool, "int64": np.int64}  # of conditions
TORN = (zipfile.BadZipFile, OSError, EOFError, LookupError, TypeError, AttributeError, ValueError, lzma.LZMAError)


def load(path: Path) -> dict[str, Any]:
    """Read the fields of `Pictures`. Raises ValueError if the file is damaged or of a newer format."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("its arrays are packed twice")  # possibly a zip bomb: `save` stores members
            members = {name: archive.read(name) for name in archive.namelist()}
        said = json.loads(members["set.json"])
        newest, shape = int(said["format"]), [int(side) for side in said["shape"]]
        n, c, h, w = shape
    except TORN as error:
        raise _torn(path, error) from None
    if newest > FORMAT:
        raise ValueError(f"{path.name} has format {newest}; this GenStudio reads up to {FORMAT}: please update")
    if min(shape) < 1 or n > MAX_PICTURES or max(h, w) > MAX_SIDE or n * c * h * w > MAX_BYTES:
        raise ValueError(f"{path.name} would unpack to {n} pictures of {c}x{h}x{w}, which is too much")
    try:
        labels = _unxz(members["labels.xz"], "<u2", [n]).astype(np.int64) if "labels.xz" in members else None
        conditions = {
            str(name): torch.from_numpy(_unxz(members[f"conditions/{i}.xz"], "<i2", [n]).astype(DTYPES[dtype]))
            for i, (name, dtype) in enumerate(said["conditions"].items())
        }
        images = _unxz(members["images.xz"], "u1", shape) if "images.xz" in members else _unpack(members, shape)
        return {
            "name": str(said["name"]),
            "images": torch.from_numpy(np.ascontiguousarray(images)),
            "labels": None if labels is None else torch.from_numpy(labels),
            "classes": tuple(map(str, said["classes"])),
            "conditions": conditions,
            "values": {str(name): tuple(map(str, values)) for name, values in said["values"].items()},
            "credit": str(said["credit"]),
        }
    except TORN as error:
        raise _torn(path, error) from None


def _torn(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path.name} is not a whole set of pixels ({str(error)[:80]})")


def _unxz(data: bytes, dtype: str, shape: Sequence[int]) -> np.ndarray:
    """Decompress an array of that shape, and no byte more."""
    due = int(np.prod(shape)) * np.dtype(dtype).itemsize
    found = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data, max_length=due)
    if len(found) < due:
        raise EOFError("it ends too soon")
    return np.frombuffer(bytearray(found), dtype).reshape(shape)


# Palettes -------------------------------------------------------------------------------------------------------


def by_palette(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Palettes (n, 256, c) from dark to light, their sizes (n,), and palette indices (n, h*w); None if an image has
    more than 256 colours."""
    n, c, h, w = images.shape
    if c > 3:
        return None
    palettes, sizes, indices = np.zeros((n, 256, c), np.uint8), np.zeros(n, np.int64), np.empty((n, h * w), np.uint8)
    for i in range(n):
        pixels = images[i].reshape(c, -1).T.astype(np.int64)
        luma = pixels @ np.array([299, 587, 114][:c])
        _, first, places = np.unique(
            (luma << 24) + pixels @ (256 ** np.arange(c)), return_index=True, return_inverse=True
        )
        if len(first) > 256:
            return None
        palettes[i, : len(first)], sizes[i], indices[i] = pixels[first], len(first), places.reshape(-1)
    return palettes, sizes, indices


def generations(n: int) -> Iterator[tuple[int, int]]:
    first = 0
    while first < n:
        last = min(n, 2 * first or FIRST)
        yield first, last
        first = last


def _blocks(h: int, w: int) -> np.ndarray:
    """Block index of each pixel (h*w,)."""
    rows, columns = np.arange(h) // BLOCK, np.arange(w) // BLOCK
    return (rows[:, None] * (columns[-1] + 1) + columns).reshape(-1)


def references(images: np.ndarray) -> np.ndarray:
    """Index of the nearest earlier image for each block (n, blocks); 0 in the first generation, which has none."""
    n, c, h, w = images.shape
    blocks = _blocks(h, w)
    found = np.zeros((n, blocks[-1] + 1), np.int64)
    for block in range(found.shape[1]):
        pixels = torch.from_numpy(images.reshape(n, c, -1)[:, :, blocks == block].reshape(n, -1)).float() - 128
        squares = pixels.square().sum(1)
        for first, last in list(generations(n))[1:]:
            for start in range(first, last, 1000):
                part = pixels[start : min(last, start + 1000)]
                found[start : start + len(part), block] = (squares[:first] - 2 * part @ pixels[:first].T).argmin(1)
    return found


def _predicted(
    palettes: np.ndarray,
    sizes: np.ndarray,
    indices: np.ndarray,
    refs: np.ndarray,
    first: int,
    last: int,
    blocks: np.ndarray,
) -> np.ndarray:
    """Palette index of the colour nearest to the reference's (last - first, pixels). Exact in float32."""
    found, pixels = np.zeros((last - first, len(blocks)), np.uint8), np.arange(len(blocks))
    if first == 0:
        return found
    for i in range(first, last):
        own = palettes[i, : sizes[i]].astype(np.float32)
        theirs = palettes[refs[i]].reshape(-1, own.shape[1]).astype(np.float32)
        nearest = (np.square(own).sum(1) - 2 * theirs @ own.T).argmin(1).reshape(len(refs[i]), 256)
        found[i - first] = nearest[blocks, indices[refs[i]][blocks, pixels]]
    return found


# Contexts -------------------------------------------------------------------------------------------------------

NEARBY = 15  # mask of the context bits for correct references among the neighbours
CHOICES = 6  # reference, west, north, north-west, north-east, another


class Counts:
    """Adaptive symbol frequencies by context. Symbol s of context c has number c * symbols + s."""

    def __init__(self, contexts: int, symbols: int):
        self.counts = np.ones((symbols, contexts), np.int64)

    def starts(self) -> np.ndarray:
        """Cumulative slots of the numbers: each context has 2^BITS slots, and each symbol at least one."""
        symbols = len(self.counts)
        slots = self.counts * ((1 << BITS) - symbols) // self.counts.sum(0) + 1
        slots[0] += (1 << BITS) - slots.sum(0)
        return np.concatenate([[0], slots.T.reshape(-1).cumsum()])

    def add(self, numbers: np.ndarray) -> None:
        symbols, contexts = self.counts.shape
        found = np.bincount(numbers, minlength=self.counts.size).reshape(contexts, symbols)
        self.counts += 8 * found.T  # an observation weighs eight times the initial count


class Walk:
    """The pixels of a generation in coding order, with candidates and context of each from the pixels before it."""

    def __init__(self, predicted: np.ndarray, h: int, w: int):
        self.lanes, self.h, self.w = len(predicted), h, w
        around = ((2, 0), (2, 1), (0, 0))  # neighbours outside the picture have the darkest colour
        self.predicted = np.pad(predicted.reshape(-1, h, w).transpose(1, 2, 0), around)  # (h + 2, w + 3, n)
        self.known = np.zeros_like(self.predicted)
        self.choices, self.others = Counts(1 << 12, CHOICES), Counts(NEARBY + 1, 256)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        yield from ((y, x) for y in range(2, self.h + 2) for x in range(2, self.w + 2))

    def candidates(self, y: int, x: int) -> list[np.ndarray]:
        known = self.known
        return [self.predicted[y, x], known[y, x - 1], known[y - 1, x], known[y - 1, x - 1], known[y - 1, x + 1]]

    def context(self, y: int, x: int, candidates: list[np.ndarray]) -> np.ndarray:
        """Context (n,): a bit for each pair of equal candidates, and for each neighbour that equals its reference."""
        ref, west, north, north_west, north_east = candidates
        known, predicted = self.known, self.predicted
        bits = [
            ref == west, ref == north, ref == north_west, ref == north_east,
            west == north, west == north_west, north == north_west, north == north_east,
            west == predicted[y, x - 1], north == predicted[y - 1, x],
            north_east == predicted[y - 1, x + 1], west == known[y, x - 2],
        ]  # fmt: skip
        found = np.zeros(self.lanes, np.int64)
        for bit in bits:
            found += found
            found += bit
        return found


def _encode(walk: Walk, indices: np.ndarray) -> bytes:
    """Encode the palette indices (n, h*w) of a generation."""
    truth = indices.reshape(-1, walk.h, walk.w).transpose(1, 2, 0)
    steps: list[
        tuple[np.ndarray | None, np.ndarray, np.ndarray]
    ] = []  # lanes, starts and frequencies, in decoding order

    def note(rows: np.ndarray | None, counts: Counts, context: np.ndarray, symbol: np.ndarray) -> None:
        starts, numbers = counts.starts(), context * len(counts.counts) + symbol
        start = starts[numbers]
        steps.append((rows, (start & MASK).astype(np.uint16), (starts[numbers + 1] - start).astype(np.uint16)))
        counts.add(numbers)

    for y, x in walk:
        value, candidates = truth[y - 2, x - 2], walk.candidates(y, x)
        context = walk.context(y, x, candidates)
        choice = np.full(walk.lanes, CHOICES - 1)
        for i in reversed(range(CHOICES - 1)):
            choice[value == candidates[i]] = i
        note(None, walk.choices, context, choice)
        rows = np.flatnonzero(choice == CHOICES - 1)
        if len(rows):
            base, context = candidates[0][rows], context[rows] & NEARBY
            note(rows, walk.others, context, (value[rows] - base).astype(np.int64))
        walk.known[y, x] = value
    states, words = np.full(walk.lanes, LOW, np.uint64), []
    for rows, start, frequency in reversed(steps):  # ANS decodes in reverse order of encoding
        x = states if rows is None else states[rows]
        start, frequency = start.astype(np.uint64), frequency.astype(np.uint64)
        full = x >= frequency << np.uint64(32 - BITS)
        words.append((x[full] & np.uint64(0xFFFF)).astype("<u2"))
        x = np.where(full, x >> np.uint64(16), x)
        x = (x // frequency << np.uint64(BITS)) + x % frequency + start
        if rows is None:
            states = x
        else:
            states[rows] = x
    return states.astype("<u4").tobytes() + np.concatenate(words[::-1]).tobytes()


def _decode(walk: Walk, code: bytes) -> np.ndarray:
    """Decode the palette indices (n, h*w) of a generation."""
    states = np.frombuffer(code, "<u4", walk.lanes).astype(np.int64)
    words, place = np.frombuffer(code, "<u2", offset=4 * walk.lanes).astype(np.int64), 0

    def symbols(x: np.ndarray, context: np.ndarray, counts: Counts) -> tuple[np.ndarray, np.ndarray]:
        """The next symbol of each state, and the updated states."""
        nonlocal place
        starts, slot = counts.starts(), context << BITS | x & MASK
        numbers = np.searchsorted(starts, slot, side="right") - 1
        counts.add(numbers)
        start = starts[numbers]
        x = (starts[numbers + 1] - start) * (x >> BITS) + slot - start
        low = x < LOW
        count = int(low.sum())
        x[low] = x[low] << 16 | words[place : place + count]
        place += count
        return numbers - context * len(counts.counts), x

    for y, x in walk:
        candidates = walk.candidates(y, x)
        context = walk.context(y, x, candidates)
        choice, states = symbols(states, context, walk.choices)
        value = np.choose(choice, [*candidates, np.zeros(walk.lanes, np.uint8)])
        rows = np.flatnonzero(choice == CHOICES - 1)
        if len(rows):
            base, context = candidates[0][rows], context[rows] & NEARBY
            other, states[rows] = symbols(states[rows], context, walk.others)
            value[rows] = base + other.astype(np.uint8)
        walk.known[y, x] = value
    return walk.known[2:, 2:-1].transpose(2, 0, 1).reshape(walk.lanes, -1)


def _pack(palettes: np.ndarray, sizes: np.ndarray, indices: np.ndarray, images: np.ndarray) -> dict[str, bytes]:
    n, _, h, w = images.shape
    refs, blocks = references(images), _blocks(h, w)
    codes = io.BytesIO()
    for first, last in generations(n):
        walk = Walk(_predicted(palettes, sizes, indices, refs, first, last, blocks), h, w)
        code = _encode(walk, indices[first:last])
        codes.write(len(code).to_bytes(8, "little") + code)
    colours = np.concatenate([palettes[i, : sizes[i]] for i in range(n)])
    return {
        "sizes.xz": lzma.compress((sizes - 1).astype("u1").tobytes(), **XZ),
        "palettes.xz": lzma.compress(np.diff(colours, axis=0, prepend=colours[:1] * 0).T.tobytes(), **XZ),
        "references.xz": lzma.compress(refs.astype("<u4").T.tobytes(), **XZ),
        "codes": codes.getvalue(),
    }


def _unpack(members: dict[str, bytes], shape: Sequence[int]) -> np.ndarray:
    n, c, h, w = shape
    blocks, codes = _blocks(h, w), io.BytesIO(members["codes"])
    sizes = _unxz(members["sizes.xz"], "u1", [n]).astype(np.int64) + 1
    colours = _unxz(members["palettes.xz"], "u1", [c, int(sizes.sum())]).T.cumsum(0, dtype=np.uint8)
    refs = _unxz(members["references.xz"], "<u4", [blocks[-1] + 1, n]).T.astype(np.int64)
    palettes, indices = np.zeros((n, 256, c), np.uint8), np.empty((n, h * w), np.uint8)
    palettes[np.arange(256) < sizes[:, None]] = colours
    for first, last in generations(n):
        walk = Walk(_predicted(palettes, sizes, indices, refs, first, last, blocks), h, w)
        indices[first:last] = _decode(walk, codes.read(int.from_bytes(codes.read(8), "little")))
    return np.take_along_axis(palettes, indices[:, :, None], 1).transpose(0, 2, 1).reshape(shape)
