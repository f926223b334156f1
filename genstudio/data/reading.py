"""Folders and zips of pictures as data sets: each bad file is refused by name with a reason, and the rest is used."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from genstudio.controls import Refusal, Text, sentence
from genstudio.data import layouts
from genstudio.data.archives import File, Listing, hidden, listing, opened, read_picture
from genstudio.data.crops import Keeper
from genstudio.data.labels import Labels, conditions, read_labels
from genstudio.data.layouts import OUTSIDE, TRAIN, Layout, layout
from genstudio.data.pictures import Large, Original, Pictures
from genstudio.images import fit, open_picture, to_array

CONDITIONS = ("glasses", "facial_hair", "covered", "hair_color", "skin", "mouth")  # keys of metadata.jsonl
LISTED = 3  # names in a sentence

BESIDE_SPLITS = Text(
    "it stands outside the folders of the splits, {folders}", "elle est hors des dossiers de partition, {folders}"
)


def read_pictures(
    source: Path,
    shape: tuple[int, int, int],
    *,
    keep: Callable[[str], bool] = lambda name: True,
    label: str = "label",
    crop: bool = False,
) -> Pictures:
    """Read all pictures of a folder or zip at one shape (c, h, w).

    A picture's label is the value of `label` in a label file (`labels.py`), else its folder below the common ones and
    its split (`layouts.py`); its conditions are the `CONDITIONS` in the label file. `refused` lists skipped files with
    reasons. Raises ValueError if no picture is left.

    crop: keep the pictures at their own size, too, to cut crops from.
    """
    with opened(source) as files:
        found = listing(files)
        names = [entry.name for entry in found.pictures if keep(entry.name)]
        where, labels = layout(names), read_labels(found.tables, names)
        placed = dict(zip(names, where.places, strict=True))
        reader = Reader(shape, Keeper(shape) if crop else None)
        outside = fill(BESIDE_SPLITS, folders=", ".join(where.splits))
        for i, entry in enumerate((entry for entry in found.pictures if entry.name in placed), 1):
            reader.add(i, len(names), entry, outside if placed[entry.name].split == OUTSIDE else None)
    if not reader.arrays:
        raise no_picture(source.name, reader.refused, found)
    pictures = reader.pictures(source.stem, sorted([*found.ignored, *labels.unused]))
    named = [labels.of(name, label, placed[name].folder) for name in pictures.names]
    pictures = _classified(_with_conditions(pictures, labels), [name and clean(name) for name in named])
    splits = [placed[name].split for name in pictures.names]
    if where.splits:
        pictures = replace(pictures, own_split=torch.tensor([split != TRAIN for split in splits]))
    notes = _notes(where, splits, labels, pictures.classes) + (reader.keeper.notes() if reader.keeper else [])
    return replace(pictures, notes=notes, warnings=_warnings(labels, named, pictures))


def clean(name: str) -> str:
    """A class name that can be written: a folder's name may be of any bytes."""
    return name.encode("utf-8", "replace").decode()


def fill(text: Text, **values: object) -> Text:
    return Text(*(text.say(lang, **values) for lang in Text._fields))


def no_picture(name: str, refused: Sequence[Text], found: Listing | None = None) -> Refusal:
    """Refusal of a set without a usable picture, with the first reason."""
    reason = Text("", "")
    if refused:
        reason = Text(f"; {refused[0].en}", f" ; {refused[0].fr}")
    elif found and (rubbish := [name for name in found.ignored if hidden(name)]):
        shown = some(rubbish)
        reason = Text(f"; skipped are {shown.en}", f" ; laissés de côté : {shown.fr}")
    return Refusal(
        f"{name} holds no picture that can be used{reason.en}",
        f"{name} ne contient aucune image utilisable{reason.fr}",
    )


def some(names: Sequence[str]) -> Text:
    """The first names of a list, and the number of the others."""
    shown, more = ", ".join(names[:LISTED]), len(names) - LISTED
    return Text(shown + (f" and {more} more" if more > 0 else ""), shown + (f" et {more} de plus" if more > 0 else ""))


class Reader:
    """Reader of pictures at one shape, with the files that it has refused."""

    def __init__(self, shape: tuple[int, int, int], keeper: Keeper | None = None):
        self.shape, self.keeper = shape, keeper
        self.arrays: list[np.ndarray] = []
        self.names: list[str] = []
        self.originals: list[Original] = []
        self.refused: list[Text] = []
        self.left_out: Counter[str] = Counter()

    def add(self, number: int, count: int, entry: File, wrong: Text | None = None) -> bool:
        """Read a picture, or refuse it. Returns True if it is read. wrong: a reason against it, if there is one."""
        try:
            if wrong:
                raise Refusal(*wrong)
            self.take(decoded(entry), entry.name)
            return True
        except ValueError as error:
            self.refuse(number, count, entry.name, error)
        return False

    def take(self, picture: Image.Image, name: str) -> None:
        array, was = fitted(picture, self.shape)
        if self.keeper:
            self.keeper.add(picture)
        self.arrays.append(array)
        self.names.append(name)
        self.originals.append(was)

    def refuse(self, number: int, count: int, name: str, error: ValueError) -> None:
        said = sentence(error)
        self.left_out[said.en] += 1
        self.refused.append(
            Text(f"image {number} of {count}, {name}: {said.en}", f"image {number} sur {count}, {name} : {said.fr}")
        )

    @property
    def large(self) -> list[Large] | None:
        return self.keeper.large if self.keeper else None

    def pictures(self, name: str, ignored: list[str]) -> Pictures:
        images = torch.from_numpy(np.stack(self.arrays))
        skipped = dict(refused=self.refused, left_out=dict(self.left_out), ignored=ignored)
        return Pictures(
            name, images, names=tuple(self.names), originals=tuple(self.originals), large=self.large, **skipped
        )


def decoded(file: File) -> Image.Image:
    """The picture of a file. Raises ValueError; PIL's warnings of damage that it can read past are of no use here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_picture(read_picture(file))


def fitted(picture: Image.Image, shape: tuple[int, int, int]) -> tuple[np.ndarray, Original]:
    """A picture fitted to a shape, and its original properties."""
    rgb = fit(picture, (3, *shape[1:]))  # grey or not is measured on pixels: many grey pictures are saved as RGB
    pixels = np.asarray(rgb)
    return to_array(rgb, shape), Original(picture.size, bool((pixels == pixels[..., :1]).all()), _transparent(picture))


def _transparent(picture: Image.Image) -> bool:
    """True if any pixel is transparent: many alpha channels are opaque throughout."""
    if picture.mode.startswith(("I", "F")):  # 16 and 32 bits a pixel: `flatten` sees no alpha in them
        return False
    if picture.mode in ("RGBA", "LA", "PA"):
        return picture.getchannel("A").getextrema()[0] < 255
    return "transparency" in picture.info and picture.convert("RGBA").getchannel("A").getextrema()[0] < 255


# Labels ---------------------------------------------------------------------------------------------------------


def _with_conditions(pictures: Pictures, labels: Labels) -> Pictures:
    found, values = conditions(labels.rows, pictures.names, CONDITIONS)
    return replace(pictures, conditions={key: torch.tensor(value) for key, value in found.items()}, values=values)


def _classified(pictures: Pictures, named: Sequence[str | None]) -> Pictures:
    """The pictures with their classes, unless all of them are of one class, or of none."""
    classes = tuple(sorted({name for name in named if name is not None}))
    if not classes or len({*named}) == 1:
        return pictures
    numbers = {name: i for i, name in enumerate(classes)} | {None: -1}
    return replace(pictures, labels=torch.tensor([numbers[name] for name in named]), classes=classes)


# Sentences ------------------------------------------------------------------------------------------------------


ROOT = Text("All of them stand in {root}/, which is no class.", "Toutes sont dans {root}/, qui n’est pas une classe.")
SPLITS = Text(
    "Its own splits: {train} are learned from, and {held} are held out.",
    "Ses propres partitions : {train} pour apprendre, {held} à l’écart.",
)
NO_LABELS = Text(
    "{files} gives no labels: there are no classes.", "{files} ne donne pas d’étiquettes : il n’y a pas de classes."
)
LABELLED = Text("Labels are those of {files}.", "Les étiquettes sont celles de {files}.")
UNLABELLED = Text(
    "{count} of {of} have no class, and are learned from without one.",
    "{count} sur {of} n’ont pas de classe, et servent sans elle.",
)
ABSENT = Text(
    "{file} names {count} pictures that are not in the set, as {name}.",
    "{file} nomme {count} images qui ne sont pas dans l’ensemble, comme {name}.",
)
UNUSED = Text(
    "{files} names none of the pictures, and is not used.", "{files} ne nomme aucune des images, et ne sert pas."
)


def _notes(where: Layout, splits: Iterable[str], labels: Labels, classes: Sequence[str]) -> list[Text]:
    notes, splits = [], list(splits)
    if where.root:
        notes.append(fill(ROOT, root=where.root))
    if where.splits:
        parts = {role: [f"{folder}/" for folder, r in where.splits.items() if r == role] for role in layouts.ROLES}
        counted = {role: f"{', '.join(folders)} ({splits.count(role)})" for role, folders in parts.items() if folders}
        held = ", ".join(said for role, said in counted.items() if role != TRAIN)
        notes.append(fill(SPLITS, train=counted[TRAIN], held=held))
    if labels.used and (classes or labels.storage):
        notes.append(fill(LABELLED if classes else NO_LABELS, files=", ".join(labels.used)))
    return notes


def _warnings(labels: Labels, named: Sequence[str | None], pictures: Pictures) -> list[Text]:
    said = []
    if pictures.labels is not None and (count := sum(name is None for name in named)):
        said.append(fill(UNLABELLED, count=count, of=len(named)))
    for file, absent in labels.absent.items():
        said.append(fill(ABSENT, file=file, count=len(absent), name=absent[0]))
    if labels.unused:
        said.append(fill(UNUSED, files=", ".join(labels.unused)))
    return said
