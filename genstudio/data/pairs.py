"""Sets for translation, in the layouts in which people have them: pictures of a pair side by side in one file, folders
trainA and trainB, A and B, input and target, or two folders or zips (`--pairs A B`).

A translates to B: the sources are of A, the images of B. Where the names on both sides are equal the set is paired.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from genstudio.controls import Refusal, Text
from genstudio.data import layouts
from genstudio.data.archives import File, listing, opened, read_picture
from genstudio.data.crops import MAX_KEPT, Keeper, is_labels, resized
from genstudio.data.layouts import OUTSIDE, TRAIN, Sides, layout
from genstudio.data.pictures import Large, Original, Pictures
from genstudio.data.reading import BESIDE_SPLITS, Reader, decoded, fill, fitted, no_picture, some
from genstudio.decoding.formats import FORMATS
from genstudio.images import decoding, flatten

PAIRED, UNPAIRED = "paired", "unpaired"  # of a model's `pairing`
BAR = "|"  # between the two folders or zips of a set: "photos|drawings"
WIDE = 0.02  # deviation from twice as wide as high
SAMPLE = 64  # pictures whose size is read to recognise a layout

SIDE_BY_SIDE = Text(
    "Each picture is a pair side by side: its left half is translated to its right half.",
    "Chaque image est une paire côte à côte : sa moitié gauche est traduite en sa moitié droite.",
)
BY_NAME = Text(
    "Pairs of equal names in two folders: {source} is translated to {target}.",
    "Des paires de mêmes noms en deux dossiers : {source} est traduit en {target}.",
)
APART = Text(
    "Two sets without pairs: {source} ({m}) is translated to {target} ({n}), and back.",
    "Deux ensembles sans paires : {source} ({m}) est traduit en {target} ({n}), et retour.",
)
REVERSED = Text(
    "The direction is turned round: the second side is translated to the first.",
    "Le sens est inversé : le second côté est traduit vers le premier.",
)
SIZES_DIFFER = Text(
    "{count} of {of} pairs differ in size, as {source} and {target}: the source is stretched to its target's size.",
    "{count} paires sur {of} diffèrent de taille, comme {source} et {target} : la source est étirée à la taille de sa "
    "cible.",
)
NEAREST = Text(
    "{count} label pictures are resized by nearest neighbour.",
    "{count} images d’étiquettes sont redimensionnées au plus proche voisin.",
)
NO_PARTNER = Text("it has no partner of the same name", "elle n’a pas de partenaire du même nom")
NOT_TWO = Text(
    "it is {width}x{height}, not two pictures side by side", "elle est de {width}x{height}, non deux images côte à côte"
)
BESIDE = Text("it stands outside {source} and {target}", "elle est hors de {source} et {target}")


@dataclass
class Found:
    """The files of a set for translation, and its layout; without `sides` each picture is a pair side by side."""

    name: str
    entries: list[File]
    sides: Sides | None
    splits: list[str]  # of the entries, of one picture a pair
    ignored: list[str] = field(default_factory=list)


def load_pairs(
    source: str, split: str, shape: tuple[int, int, int], pairing: str, crop: bool = False, reverse: bool = False
) -> Pictures:
    """Load a split of a set for translation: `paired`, or two domains to shuffle apart.

    source: a folder or zip, or two of them with a bar between. The test split is the set's own, else every tenth pair.
    crop: keep the pictures at their own size, too. reverse: translate from B to A. Raises ValueError in one sentence,
    before any picture is decoded, if there are no pairs.
    """
    with ExitStack() as stack:
        found = _two(source, stack) if BAR in source else _one(Path(source).expanduser(), stack)
        read = _side_by_side if found.sides is None else _by_name if pairing == PAIRED else _apart
        pictures = read(found, split, shape, crop)
    if found.sides is None and pairing == UNPAIRED:
        pictures = replace(pictures, paired=False)
    return turned(pictures) if reverse else pictures


def turned(pictures: Pictures) -> Pictures:
    """The same set from its targets to its sources."""
    names = dict(names=pictures.source_names, source_names=pictures.names)
    large = dict(large=pictures.large_sources, large_sources=pictures.large)
    notes = [*pictures.notes, REVERSED]
    sides = dict(images=pictures.sources, sources=pictures.images)
    gone = dict(labels=None, classes=(), originals=(), conditions={})
    return replace(pictures, **sides, **names, **large, **gone, notes=notes)


# Layouts --------------------------------------------------------------------------------------------------------


def _one(source: Path, stack: ExitStack) -> Found:
    found = listing(stack.enter_context(opened(source)))
    names = [entry.name for entry in found.pictures]
    zips = [name for name in found.ignored if name.lower().endswith(".zip")]
    if not names and source.is_dir() and len(zips) == 2:
        return _two(BAR.join(str(source / name) for name in zips), stack)
    ignored = sorted([*found.ignored, *(entry.name for entry in found.tables)])
    if not names:
        raise no_picture(source.name, [], found)
    if of := layouts.sides(names):
        return Found(source.stem, found.pictures, of, [], ignored)
    if _mostly_wide(found.pictures):
        return Found(source.stem, found.pictures, None, [place.split for place in layout(names).places], ignored)
    raise Refusal(
        f"{source.name} has no pairs to learn a translation from: they are pictures side by side, twice as wide as "
        f"high, or folders trainA and trainB, or A and B, or two folders or zips (--pairs A B)",
        f"{source.name} n’a pas de paires pour apprendre une traduction : ce sont des images côte à côte, deux fois "
        f"plus larges que hautes, ou des dossiers trainA et trainB, ou A et B, ou deux dossiers ou zips (--pairs A B)",
    )


def _two(source: str, stack: ExitStack) -> Found:
    places = [Path(part.strip()).expanduser() for part in source.split(BAR)]
    if len(places) != 2 or not all(part.strip() for part in source.split(BAR)):
        raise Refusal(
            f"pairs are two folders or zips with a bar between, A{BAR}B, not {source!r}",
            f"des paires sont deux dossiers ou zips séparés d’une barre, A{BAR}B, et non {source!r}",
        )
    lists = []
    for place in places:
        if not place.exists():
            raise Refusal(f"{place} does not exist", f"{place} n’existe pas")
        lists.append(listing(stack.enter_context(opened(place))))
        if not lists[-1].pictures:
            raise no_picture(place.name, [], lists[-1])
    one, other = (place.stem if place.is_file() else place.name for place in places)
    names = (one, other) if one != other else (f"A/{one}", f"B/{other}")
    of = layouts.sides_of_two(names, tuple([e.name for e in found.pictures] for found in lists))
    entries = [
        entry._replace(name=f"{name}/{entry.name}")
        for name, found in zip(names, lists, strict=True)
        for entry in found.pictures
    ]
    ignored = [
        f"{name}/{skipped}"
        for name, found in zip(names, lists, strict=True)
        for skipped in sorted([*found.ignored, *(entry.name for entry in found.tables)])
    ]
    return Found(f"{one}-{other}", entries, of, [], ignored)


def _mostly_wide(entries: Sequence[File]) -> bool:
    """True if at least half of the pictures are twice as wide as high, by the headers of some of them."""
    wide, readable = 0, 0
    for entry in entries[:: -(-len(entries) // SAMPLE)]:
        try:
            with decoding():
                width, height = Image.open(io.BytesIO(read_picture(entry)), formats=FORMATS).size
        except ValueError:
            continue
        readable += 1
        wide += is_wide(width, height)
    return readable > 0 and 2 * wide >= readable


def is_wide(width: int, height: int) -> bool:
    return abs(width - 2 * height) <= WIDE * width and width > 1


def _of_split(splits: Sequence[str], split: str) -> list[int]:
    """Places of a split's pairs: of the set's own one, else all but every tenth."""
    if not any(splits):
        return [i for i in range(len(splits)) if (i % 10 == 9) == (split == "test")]
    return [i for i, own in enumerate(splits) if (own == TRAIN) == (split == "train") and own != OUTSIDE]


# Reading --------------------------------------------------------------------------------------------------------


class PairReader(Reader):
    """Reader of both pictures of pairs, with the targets as its pictures."""

    def __init__(self, shape: tuple[int, int, int], crop: bool):
        super().__init__(shape, Keeper(shape) if crop else None)
        self.sources: list[np.ndarray] = []
        self.source_names: list[str] = []
        self.labels = 0  # label pictures
        self.unequal: list[tuple[str, str]] = []

    def put(self, source: Image.Image, target: Image.Image, names: tuple[str, str]) -> None:
        if source.size != target.size:
            sizes = [f"{picture.width}x{picture.height}" for picture in (source, target)]
            self.unequal.append((f"{names[0]} {sizes[0]}", f"{names[1]} {sizes[1]}"))
        arrays = []
        for picture in (source, target):
            nearest = is_labels(picture)
            self.labels += nearest
            stretched = resized(flatten(picture), target.size, nearest) if picture.size != target.size else picture
            arrays.append(_fitted(stretched, self.shape, nearest))
            if self.keeper:
                self.keeper.add(stretched, nearest)
        self.sources.append(arrays[0][0])
        self.arrays.append(arrays[1][0])
        self.originals.append(arrays[1][1])
        self.source_names.append(names[0])
        self.names.append(names[1])

    def result(self, found: Found, notes: list[Text]) -> Pictures:
        if not self.arrays:
            raise no_picture(found.name, self.refused)
        pictures = self.pictures(found.name, found.ignored)
        kept: list[Large] = self.keeper.large if self.keeper else []
        notes = notes + ([fill(NEAREST, count=self.labels)] if self.labels else [])
        notes += self.keeper.notes() if self.keeper else []
        warnings = []
        if self.unequal:
            source, target = self.unequal[0]
            warnings = [fill(SIZES_DIFFER, count=len(self.unequal), of=len(self.arrays), source=source, target=target)]
        return replace(
            pictures,
            sources=torch.from_numpy(np.stack(self.sources)),
            source_names=tuple(self.source_names),
            large=kept[1::2] if kept else None,
            large_sources=kept[::2] if kept else None,
            notes=notes,
            warnings=warnings,
        )


def _fitted(picture: Image.Image, shape: tuple[int, int, int], nearest: bool) -> tuple[np.ndarray, Original]:
    """A picture at a shape, and its original properties; a label picture is resized by nearest neighbour."""
    array, was = fitted(picture, shape)
    if not nearest:
        return array, was
    _, height, width = shape
    small = ImageOps.fit(flatten(picture), (width, height), Image.Resampling.NEAREST)
    return fitted(small, shape)[0], was


def _side_by_side(found: Found, split: str, shape: tuple[int, int, int], crop: bool) -> Pictures:
    reader, count = PairReader(shape, crop), len(found.entries)
    folders = sorted({entry.name.partition("/")[0] for entry in found.entries if "/" in entry.name})
    for i, own in enumerate(found.splits):
        if own == OUTSIDE and split == "train":
            wrong = Refusal(*fill(BESIDE_SPLITS, folders=", ".join(folders)))
            reader.refuse(i + 1, count, found.entries[i].name, wrong)
    for i in _of_split(found.splits, split):
        entry = found.entries[i]
        try:
            picture = decoded(entry)
            if not is_wide(*picture.size):
                raise Refusal(*fill(NOT_TWO, width=picture.width, height=picture.height))
        except ValueError as error:
            reader.refuse(i + 1, count, entry.name, error)
            continue
        half = picture.width // 2
        left = picture.crop((0, 0, half, picture.height))
        right = picture.crop((picture.width - half, 0, picture.width, picture.height))
        reader.put(left, right, (f"{entry.name} (left)", f"{entry.name} (right)"))
    return reader.result(found, [SIDE_BY_SIDE, *_split_notes(found.splits)])


def _by_name(found: Found, split: str, shape: tuple[int, int, int], crop: bool) -> Pictures:
    names, of = [entry.name for entry in found.entries], found.sides
    pairs, alone = layouts.match(of, names)
    if not pairs:
        lonely = some([names[i] for i in alone])
        raise Refusal(
            f"{found.name} has no pairs: no picture of {of.names[0]} has the name of one of {of.names[1]}, "
            f"as {lonely.en}",
            f"{found.name} n’a pas de paires : aucune image de {of.names[0]} ne porte le nom d’une de {of.names[1]}, "
            f"comme {lonely.fr}",
        )
    reader, count = PairReader(shape, crop), len(names)
    if split == "train":
        _refuse_alone(reader, found, alone)
    splits = [source.split for source, _ in pairs]
    for i in _of_split(splits, split):
        entries = [found.entries[one.index] for one in pairs[i]]
        both = []
        for one, entry in zip(pairs[i], entries, strict=True):
            try:
                both.append(decoded(entry))
            except ValueError as error:
                reader.refuse(one.index + 1, count, entry.name, error)
        if len(both) == 2:
            reader.put(both[0], both[1], (entries[0].name, entries[1].name))
    source, target = of.names
    return reader.result(found, [fill(BY_NAME, source=source, target=target), *_split_notes(splits)])


def _refuse_alone(reader: Reader, found: Found, alone: Sequence[int]) -> None:
    source, target = found.sides.names
    beside = fill(BESIDE, source=source, target=target)
    for i, why in [*((i, NO_PARTNER) for i in alone), *((i, beside) for i in found.sides.beside)]:
        reader.refuse(i + 1, len(found.entries), found.entries[i].name, Refusal(*why))


def _apart(found: Found, split: str, shape: tuple[int, int, int], crop: bool) -> Pictures:
    """The pictures of both sides, each list for itself."""
    of, count, read = found.sides, len(found.entries), []
    for side in (of.source, of.target):
        reader = Reader(shape, Keeper(shape, MAX_KEPT // 2) if crop else None)
        for i in _of_split([one.split for one in side], split):
            reader.add(side[i].index + 1, count, found.entries[side[i].index])
        read.append(reader)
    sources, targets = read
    if split == "train":
        _refuse_alone(targets, found, [])
    refused, left_out = [*sources.refused, *targets.refused], dict(sources.left_out + targets.left_out)
    if not (sources.arrays and targets.arrays):
        raise no_picture(f"{found.name}, {of.names[0 if targets.arrays else 1]},", refused)
    source, target = of.names
    notes = [fill(APART, source=source, target=target, m=len(sources.arrays), n=len(targets.arrays))]
    notes += _split_notes([one.split for one in (*of.source, *of.target)])
    notes += targets.keeper.notes() + sources.keeper.notes() if crop else []
    return replace(
        targets.pictures(found.name, found.ignored),
        sources=torch.from_numpy(np.stack(sources.arrays)),
        source_names=tuple(sources.names),
        paired=False,
        large_sources=sources.large,
        refused=refused,
        left_out=left_out,
        notes=notes,
    )


OWN_SPLITS = Text("Its own splits: {counts}.", "Ses propres partitions : {counts}.")


def _split_notes(splits: Sequence[str]) -> Iterator[Text]:
    if any(splits):
        counts = ", ".join(f"{role} {splits.count(role)}" for role in layouts.ROLES if role in splits)
        yield fill(OWN_SPLITS, counts=counts)
