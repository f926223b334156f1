"""Faces of one drawing style by seed: any count, any side, optionally pairs without and with glasses.

A seed is the same face on every machine. Seeds below 2 500 are in the set `avatars`, 30 000 to 33 999 are held out, and
all others are for training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from genstudio.data.drawings import avatars
from genstudio.data.drawings.avatars import STYLES, Job

FIRST = 2_500
HELD_OUT = range(30_000, 34_000)
MAX_COUNT = 190_000  # with the held-out faces, below the limit of files in an archive
SIDES = range(32, 257)
GLASSES = "glasses"


@dataclass(frozen=True)
class Faces:
    """Options of a set of faces. Raises ValueError on invalid ones."""

    style: str = "avataaars"
    count: int = 24_000  # training faces, in addition to the held-out ones
    side: int = 64  # pixels
    pairs: str = ""  # "glasses": pairs of each face without and with glasses

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"style must be one of {', '.join(STYLES)}, not {self.style!r}")
        if self.pairs not in ("", GLASSES):
            raise ValueError(f"pairs are of {GLASSES}, not of {self.pairs!r}")
        if self.pairs and not STYLES[self.style].pairs:
            both = ", ".join(name for name, style in STYLES.items() if style.pairs)
            raise ValueError(f"{self.style} cannot be drawn without and with glasses: {both} can")
        if not 1 <= self.count <= self.most:
            raise ValueError(f"count must lie between 1 and {self.most}, not {self.count}")
        if self.side not in SIDES:
            raise ValueError(f"side must lie between {SIDES[0]} and {SIDES[-1]} pixels, not {self.side}")

    @property
    def most(self) -> int:
        return MAX_COUNT // 2 if self.pairs else MAX_COUNT

    @property
    def name(self) -> str:
        """Name of the set: `faces`, followed by the options that differ from the defaults."""
        own = Faces()
        words = (self.style * (self.style != own.style), str(self.side) * (self.side != own.side), self.pairs)
        return "_".join(filter(None, ("faces", *words)))

    @property
    def command(self) -> str:
        """Command that draws the set, with the default count."""
        own = Faces()
        words = ["python -m genstudio data faces"]
        words += [f"--style {self.style}"] * (self.style != own.style)
        words += [f"--side {self.side}"] * (self.side != own.side)
        words += [f"--pairs {self.pairs}"] * bool(self.pairs)
        return " ".join(words)

    @property
    def pictures(self) -> int:
        return (self.count + len(HELD_OUT)) * (2 if self.pairs else 1)

    def jobs(self, split: str, limit: int | None = None) -> Iterator[tuple[Job, ...]]:
        """Yield the one or two jobs of each face, or of the first `limit` faces, of the split `train` or `test`."""
        training = chain(range(FIRST, HELD_OUT.start), range(HELD_OUT.stop, FIRST + self.count + len(HELD_OUT)))
        seeds = islice(training, self.count) if split == "train" else iter(HELD_OUT)
        probabilities = {"/plain": 0, "/glasses": 100} if self.pairs else {"": 30}
        for seed in islice(seeds, limit):
            yield tuple(
                Job(
                    f"{split}{part}/{seed:06d}.png",
                    self.style,
                    avatars.options(STYLES[self.style], f"{self.style}-{seed}", glasses),
                )
                for part, glasses in probabilities.items()
            )

    def draw(self, folder: Path, limit: int | None = None) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield (metadata, PNG) of each picture, held-out ones first, without training faces that equal one of them."""
        faces = [*self.jobs("test", limit), *self.jobs("train", limit)]
        held_out: set[bytes] = set()
        with closing(avatars.drawn(folder, list(chain.from_iterable(faces)), self.side)) as drawn:
            for face in faces:
                pictures = list(islice(drawn, len(face)))
                pngs = {png for _, png in pictures}
                if face[0].file_name.startswith("test"):
                    held_out |= pngs
                elif pngs & held_out:
                    continue
                yield from pictures


def named(name: str) -> Faces | None:
    """Options of the set of faces with this name, None if it is another set's."""
    first, *words = name.split("_")
    if first != "faces":
        return None
    pairs = words.pop() if words and words[-1] == GLASSES else ""
    side = int(words.pop()) if words and words[-1].isdecimal() else Faces.side
    style = words.pop() if words else Faces.style
    try:
        faces = Faces(style, side=side, pairs=pairs)
    except ValueError:
        return None
    return faces if faces.name == name else None
