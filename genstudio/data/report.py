"""Data-set report before training: counts, classes, duplicates, refused files, preprocessing and warnings.

The pictures are read by `data`, as in training, so counts and refusals agree with it. Its sentences are templates in
both languages, filled with numbers and names.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from genstudio import data
from genstudio.controls import Text
from genstudio.data import Original, Pictures
from genstudio.data.summary import shown_pairs
from genstudio.images import grid

TILES = 64  # on the contact sheet
FEW = 200  # pictures; with fewer, a GAN or a diffusion model memorizes them
UNEVEN = 5  # ratio of class sizes to warn of
COPIES = 0.05  # fraction of duplicates to warn of
ALIKE = 8  # RMS difference of near-duplicates, of 255: a JPEG is nearer to its original, another smile farther away
EDGE = 3  # grey levels between neighbours that set a bit of the difference hash: above the noise of a JPEG
CROWD = 50  # pictures with one hash, such as digits or dots, above which it does not identify duplicates


@dataclass(frozen=True, eq=False)
class Survey:
    """Statistics of a data set. Sizes, names and colours are those of the original files."""

    name: str
    count: int  # usable pictures of both splits
    held_out: int  # pictures of the test split
    sizes: dict[tuple[int, int], int]  # (width, height) -> pictures, the most common first
    classes: dict[str, int]  # -> pictures; empty for a single class
    grey: int
    coloured: int
    transparent: int  # among the grey and the coloured
    duplicates: list[tuple[str, ...]]  # names of pictures that are equal at the training resolution
    near: list[tuple[str, ...]]  # names of near-duplicates
    refused: list[Text]  # "image 17 of 200, cats/17.png: truncated or broken"
    ignored: list[str]  # files that are no pictures, and rubbish of systems and programs
    notes: list[Text]  # layout and labels of the files
    treatment: list[Text]  # preprocessing
    warnings: list[Text]
    sheet: np.ndarray  # uint8 (h, w, 3): contact sheet at the training resolution, evenly from all classes
    pairs: list[tuple[str, str]]  # names of the first pairs, source and target
    pair_sheet: np.ndarray | None  # uint8 (h, w, 3): those pairs, side by side


def survey(
    source: str, shape: tuple[int, int, int], pairing: str = "", crop: bool = False, reverse: bool = False
) -> Survey:
    """Report on a set by name, a folder or a zip, for a model of images (c, h, w); pairing, crop and reverse as in
    `data.load`.

    Raises ValueError if no picture can be used, or if a translator finds no pairs.
    """
    if pairing or data.named(source):
        parts = _parts(source, shape, crop=crop, pairing=pairing, reverse=reverse)
        held_out = [split == 1 for split, part in enumerate(parts) for _ in range(len(part))]
        names = [name for split, part in zip(("train", "test"), parts, strict=False) for name in _names(part, split)]
    else:
        parts = [data.load_whole(source, shape, crop)]
        held_out = data.held_out(parts[0]).tolist()
        names = list(parts[0].names)
    images = [image for part in parts for image in part.images.numpy()]  # views, (c, h, w)
    labels = [label for part in parts for label in _labels(part)]
    originals = [was for part in parts for was in _originals(part)]

    classes = Counter(label for label in labels if label) if len(set(labels)) > 1 else {}
    equal = _equal(images)
    grey = sum(was.grey for was in originals)
    return Survey(
        name=parts[0].name,
        count=len(images),
        held_out=sum(held_out),
        sizes=dict(Counter(was.size for was in originals).most_common()),
        classes=dict(sorted(classes.items())),
        grey=grey,
        coloured=len(originals) - grey,
        transparent=sum(was.transparent for was in originals),
        duplicates=[tuple(names[i] for i in group) for group in equal if len(group) > 1],
        near=[tuple(names[i] for i in group) for group in _near(images, [group[0] for group in equal])],
        refused=[line for part in parts for line in part.refused],
        ignored=parts[0].ignored,
        notes=parts[0].notes,
        treatment=_treatment(originals, shape, stretched=not parts[0].names, cropped=bool(parts[0].large)),
        warnings=parts[0].warnings + _warnings(held_out, classes, equal),
        sheet=_sheet([images[i] for i in _chosen(labels)]),
        pairs=shown_pairs(parts[0]),
        pair_sheet=_pair_sheet(parts[0]),
    )


def _parts(source: str, shape: tuple[int, int, int], crop: bool, **options: Any) -> list[Pictures]:
    """Both splits of a set by name, or of one for a translator; of a small set the first alone."""
    parts = [data.load(source, "train", shape, crop=crop, **options)]
    try:
        return [*parts, data.load(source, "test", shape, **options)]
    except ValueError:
        if data.named(source):
            raise
        return parts


def _names(part: Pictures, split: str) -> list[str]:
    return list(part.names) or [f"{split}/{i}" for i in range(len(part))]


def _labels(part: Pictures) -> list[str]:
    classes = [*part.classes, ""]  # -1: without a class
    return [""] * len(part) if part.labels is None else [classes[i] for i in part.labels.tolist()]


def _originals(part: Pictures) -> tuple[Original, ...]:
    channels, height, width = part.shape
    return part.originals or (Original((width, height), channels == 1, False),) * len(part)


# Copies ---------------------------------------------------------------------------------------------------------


def _equal(images: list[np.ndarray]) -> list[list[int]]:
    """Groups of indices of equal images; unique images are groups of one."""
    groups: dict[bytes, list[int]] = {}
    for i, image in enumerate(images):
        groups.setdefault(blake2b(image.tobytes(), digest_size=16).digest(), []).append(i)
    return list(groups.values())


def _near(images: list[np.ndarray], indices: list[int]) -> list[list[int]]:
    """Groups of indices of near-duplicates: equal difference hashes (dHash), then a small RMS difference of pixels.

    About half of the copies saved as JPEG are found, and three false pairs in 23 000 digits, faces, emoji and
    photographs.
    """
    buckets: dict[bytes, list[int]] = {}
    for first in range(0, len(indices), 1024):
        chunk = indices[first : first + 1024]
        small = adaptive_avg_pool2d(torch.from_numpy(np.stack([images[i] for i in chunk])).float().mean(1), (8, 9))
        lighter = (small.diff(dim=2) > EDGE).flatten(1).numpy()  # (n, 64)
        for i, hashed in zip(chunk, np.packbits(lighter, axis=1), strict=True):
            buckets.setdefault(hashed.tobytes(), []).append(i)
    groups = []
    for bucket in buckets.values():
        while 1 < len(bucket) <= CROWD:
            first = images[bucket[0]].astype(np.float32)
            similar = [i for i in bucket if np.square(images[i] - first).mean() < ALIKE**2]
            bucket = [i for i in bucket if i not in similar]
            groups += [similar] if len(similar) > 1 else []
    return groups


# The contact sheet ----------------------------------------------------------------------------------------------


def _chosen(labels: list[str]) -> list[int]:
    """At most `TILES` indices, evenly over the classes, sorted by class."""
    by_class: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        by_class.setdefault(label, []).append(i)
    for indices in by_class.values():
        random.Random(0).shuffle(indices)  # the first files of a folder are often one scene; a fixed seed
    interleaved = [i for turn in zip_longest(*by_class.values()) for i in turn if i is not None]
    return sorted(interleaved[:TILES], key=lambda i: (labels[i], i))


def _pair_sheet(pictures: Pictures) -> np.ndarray | None:
    """The first pairs, each source beside its target."""
    if not (shown := len(shown_pairs(pictures))):
        return None
    both = zip(pictures.sources[:shown].numpy(), pictures.images[:shown].numpy(), strict=True)
    images = np.stack([image for pair in both for image in pair]).transpose(0, 2, 3, 1)
    sheet = grid(images, columns=2)
    return np.broadcast_to(sheet, (*sheet.shape[:2], 3)).copy()


def _sheet(images: list[np.ndarray]) -> np.ndarray:
    sheet = grid(np.stack(images).transpose(0, 2, 3, 1))
    return np.broadcast_to(sheet, (*sheet.shape[:2], 3)).copy()


# Sentences ------------------------------------------------------------------------------------------------------


class Counted(NamedTuple):
    """A sentence in its singular and plural."""

    one: Text
    more: Text

    def of(self, n: int, **values: object) -> Text:
        return Text(*(sentence.format(n=n, **values) for sentence in (self.one if n == 1 else self.more)))


ENLARGED = Counted(
    Text(
        "1 of {count} is enlarged, from {width}x{height}: it will look soft.",
        "1 image sur {count} est agrandie, depuis {width}x{height} : elle paraîtra floue.",
    ),
    Text(
        "{n} of {count} are enlarged, from as small as {width}x{height}: they will look soft.",
        "{n} images sur {count} sont agrandies, parfois depuis {width}x{height} : elles paraîtront floues.",
    ),
)
REDUCED = Counted(
    Text(
        "1 of {count} is reduced, from {width}x{height}: its small details are lost.",
        "1 image sur {count} est réduite, depuis {width}x{height} : ses petits détails se perdent.",
    ),
    Text(
        "{n} of {count} are reduced, from as large as {width}x{height}: their small details are lost.",
        "{n} images sur {count} sont réduites, parfois depuis {width}x{height} : leurs petits détails se perdent.",
    ),
)
SQUARE = Counted(
    Text(
        "1 of {count} is cropped to the square in its middle: what is at its edges is lost.",
        "1 image sur {count} est recadrée au carré central : ce qui est aux bords se perd.",
    ),
    Text(
        "{n} of {count} are cropped to the square in their middle: what is at their edges is lost.",
        "{n} images sur {count} sont recadrées au carré central : ce qui est aux bords se perd.",
    ),
)
OBLONG = Counted(
    Text(
        "1 of {count} is cropped to its middle, {width}:{height} in proportion: what is at its edges is lost.",
        "1 image sur {count} est recadrée au centre, au format {width}:{height} : ce qui est aux bords se perd.",
    ),
    Text(
        "{n} of {count} are cropped to their middle, {width}:{height} in proportion: what is at their edges is lost.",
        "{n} images sur {count} sont recadrées au centre, au format {width}:{height} : ce qui est aux bords se perd.",
    ),
)
STRETCHED = Counted(
    Text(
        "1 of {count} is stretched to {width}x{height}: its proportions change.",
        "1 image sur {count} est étirée à {width}x{height} : ses proportions changent.",
    ),
    Text(
        "{n} of {count} are stretched to {width}x{height}: their proportions change.",
        "{n} images sur {count} sont étirées à {width}x{height} : leurs proportions changent.",
    ),
)
MADE_GREY = Counted(
    Text(
        "1 of {count} is in colour and is made grey: this model draws in grey.",
        "1 image sur {count} est en couleurs et passe en gris : ce modèle dessine en gris.",
    ),
    Text(
        "{n} of {count} are in colour and are made grey: this model draws in grey.",
        "{n} images sur {count} sont en couleurs et passent en gris : ce modèle dessine en gris.",
    ),
)
MADE_COLOURED = Counted(
    Text(
        "1 of {count} is grey: it is used as a colour picture, and still looks grey.",
        "1 image sur {count} est grise : elle sert d’image en couleurs, et reste grise à l’œil.",
    ),
    Text(
        "{n} of {count} are grey: they are used as colour pictures, and still look grey.",
        "{n} images sur {count} sont grises : elles servent d’images en couleurs, et restent grises à l’œil.",
    ),
)
LAID_ON_WHITE = Counted(
    Text(
        "1 of {count} is transparent in places: it is laid on white.",
        "1 image sur {count} est transparente par endroits : elle est posée sur du blanc.",
    ),
    Text(
        "{n} of {count} are transparent in places: they are laid on white.",
        "{n} images sur {count} sont transparentes par endroits : elles sont posées sur du blanc.",
    ),
)

FEW_PICTURES = Counted(
    Text(
        "1 picture is very little: a model can only learn it by heart.",
        "1 image, c’est très peu : un modèle ne peut que l’apprendre par cœur.",
    ),
    Text(
        "{n} pictures are few: start from a trained model, with mirroring and shifts, rather than from nothing.",
        "{n} images, c’est peu : partez d’un modèle entraîné, avec miroirs et décalages, plutôt que de zéro.",
    ),
)
NONE_HELD_OUT = Text(
    "With fewer than 10 pictures none is held out: there will be no scores.",
    "Avec moins de 10 images, aucune n’est mise de côté : il n’y aura pas de scores.",
)
UNEVEN_CLASSES = Text(
    "The classes are uneven, from {least} in «{small}» to {most} in «{large}»: small ones are learned less well.",
    "Les classes sont inégales, de {least} (« {small} ») à {most} (« {large} ») : les petites s’apprennent moins bien.",
)
MANY_COPIES = Counted(
    Text(
        "1 of {count} is a copy of another: the model sees that one more often.",
        "1 image sur {count} est la copie d’une autre : le modèle la verra plus souvent.",
    ),
    Text(
        "{n} of {count} are copies of others: the model sees those more often.",
        "{n} images sur {count} sont des copies d’autres : le modèle les verra plus souvent.",
    ),
)
LEAKED = Counted(
    Text(
        "1 of the {count} held out is learned from as well, as a copy: scores will be too good.",
        "1 des {count} images mises de côté sert aussi à apprendre, en copie : les scores seront trop bons.",
    ),
    Text(
        "{n} of the {count} held out are learned from as well, as copies: scores will be too good.",
        "{n} des {count} images mises de côté servent aussi à apprendre, en copie : les scores seront trop bons.",
    ),
)


def _treatment(
    originals: list[Original], shape: tuple[int, int, int], stretched: bool, cropped: bool = False
) -> list[Text]:
    """Sentences on the preprocessing by `images.fit`. Sets that are not files are stretched, not cropped. cropped: crops
    of larger pictures are learned from, so that nothing is reduced or lost."""
    channels, height, width = shape
    scales = [max(width / w, height / h) for (w, h), _, _ in originals]
    enlarged = [was.size for was, scale in zip(originals, scales, strict=True) if scale > 1]
    reduced = [was.size for was, scale in zip(originals, scales, strict=True) if scale < 1]
    other = sum(w * height != h * width for (w, h), _, _ in originals)
    coloured = sum(not was.grey for was in originals)
    said = []
    if enlarged:
        w, h = min(enlarged, key=np.prod)
        said.append(ENLARGED.of(len(enlarged), count=len(originals), width=w, height=h))
    if reduced and not cropped:
        w, h = max(reduced, key=np.prod)
        said.append(REDUCED.of(len(reduced), count=len(originals), width=w, height=h))
    if other and not cropped:
        sentence = STRETCHED if stretched else SQUARE if width == height else OBLONG
        said.append(sentence.of(other, count=len(originals), width=width, height=height))
    if channels == 1 and coloured:
        said.append(MADE_GREY.of(coloured, count=len(originals)))
    if channels == 3 and coloured < len(originals):
        said.append(MADE_COLOURED.of(len(originals) - coloured, count=len(originals)))
    if transparent := sum(was.transparent for was in originals):
        said.append(LAID_ON_WHITE.of(transparent, count=len(originals)))
    return said


def _warnings(held_out: list[bool], classes: dict[str, int], equal: list[list[int]]) -> list[Text]:
    count, said = len(held_out), []
    if count < FEW:
        said.append(FEW_PICTURES.of(count))
    if not any(held_out):
        said.append(NONE_HELD_OUT)
    if classes and max(classes.values()) >= UNEVEN * min(classes.values()):
        small, large = min(classes, key=classes.get), max(classes, key=classes.get)
        values = dict(small=small, least=classes[small], large=large, most=classes[large])
        said.append(Text(*(sentence.format(**values) for sentence in UNEVEN_CLASSES)))
    if (copies := count - len(equal)) > COPIES * count:
        said.append(MANY_COPIES.of(copies, count=count))
    leaked = sum(held_out[i] for group in equal if not all(held_out[i] for i in group) for i in group)
    if leaked:
        said.append(LEAKED.of(leaked, count=sum(held_out)))
    return said
