"""Layouts of a set's folders: a common first folder, splits for training and testing, classes, and two sides of pairs.

All are read from file names alone, before any picture is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from genstudio.controls import Refusal

TRAIN, TEST, VAL, OUTSIDE = "train", "test", "val", "outside"
ROLES = {
    TRAIN: ("train", "training", "trn"),
    TEST: ("test", "testing", "tst"),
    VAL: ("val", "valid", "validation", "validate", "dev", "eval", "evaluation", "holdout", "heldout"),
}
FILLERS = {"set", "data", "dataset", "split", "images", "imgs", "pictures", "photos", "seg", "files"}
# Names of a pair's sides, from what is translated to what it is translated to; a side is nearer to the end of the list.
SIDES = (
    ("a", "input", "source", "src", "x", "before", "noisy", "blur", "blurry", "blurred", "low", "lr", "lq", "small",
     "label", "mask", "map", "edge", "sketch", "line", "drawing", "outline", "segmentation", "seg", "semantic", "depth",
     "grey", "gray", "condition", "annotation", "damaged", "plain"),
    ("image", "img", "picture", "photo", "photograph", "real", "rgb"),
    ("b", "target", "output", "y", "after", "clean", "sharp", "high", "hr", "hq", "gt", "groundtruth", "truth", "large",
     "colour", "color", "painting", "style", "restored", "result"),
)  # fmt: skip


class Place(NamedTuple):
    """A picture's place in its set."""

    split: str  # train, test, val, "outside" of them, or "" where there are none
    folder: str  # below the common folders and its split: the class


@dataclass
class Layout:
    """Places of a set's pictures, and the folders that are no classes."""

    places: list[Place]
    root: str = ""  # common first folders
    splits: dict[str, str] = field(default_factory=dict)  # name of each split's folder -> its role


def role(folder: str) -> str:
    """Split of a folder by its name, "training_set" or "seg_test"; "" for any other name."""
    words = [word for word in re.split(r"[\W_]+", folder.casefold()) if word and word not in FILLERS]
    if len(words) != 1:
        return ""
    word = re.sub(r"(set|data)$", "", words[0])
    return next((split for split, names in ROLES.items() if word in names), "")


def layout(names: Sequence[str]) -> Layout:
    """Layout of a set by the names of its pictures."""
    dirs = [PurePosixPath(name).parts[:-1] for name in names]
    root, dirs = _without_root(dirs)
    dirs = _with_sides_apart(dirs)
    splits: dict[str, str] = {}
    of: list[str] = [""] * len(dirs)
    if (depth := _split_depth(dirs)) is not None:
        for i, parts in enumerate(dirs):
            folder = parts[depth] if len(parts) > depth else ""
            of[i] = role(folder) or OUTSIDE
            if of[i] != OUTSIDE:
                splits[folder] = of[i]
                dirs[i] = parts[:depth] + parts[depth + 1 :]
        inside = [i for i in range(len(dirs)) if of[i] != OUTSIDE]
        while all(dirs[i] and role(dirs[i][0]) == of[i] for i in inside):  # training_set/training_set
            for i in inside:
                dirs[i] = dirs[i][1:]
        _, rest = _without_root([dirs[i] for i in inside])
        for i, parts in zip(inside, rest, strict=True):
            dirs[i] = parts
    return Layout([Place(split, "/".join(parts)) for split, parts in zip(of, dirs, strict=True)], root, splits)


def _with_sides_apart(dirs: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Folders trainA, trainB, testA and testB as A and B in the splits train and test."""
    found = [_split_and_side(parts[0]) if parts else ("", "") for parts in dirs]
    if not all(split and side for split, side in found):
        return list(dirs)
    return [(split, side.upper(), *parts[1:]) for (split, side), parts in zip(found, dirs, strict=True)]


def _without_root(dirs: Sequence[tuple[str, ...]]) -> tuple[str, list[tuple[str, ...]]]:
    """Common first folders, and the others below them."""
    root: list[str] = []
    dirs = list(dirs)
    while dirs and all(dirs) and len({parts[0] for parts in dirs}) == 1:
        root.append(dirs[0][0])
        dirs = [parts[1:] for parts in dirs]
    return "/".join(root), dirs


def _split_depth(dirs: Sequence[tuple[str, ...]]) -> int | None:
    """Depth at which folders are splits, one of them for training; at the first depth others may stand beside them."""
    for depth in range(max(map(len, dirs), default=0)):
        roles = [role(parts[depth]) if len(parts) > depth else "" for parts in dirs]
        if {TRAIN} < {*roles} - {""} and (depth == 0 or all(roles)):
            return depth
    return None


# Pairs ----------------------------------------------------------------------------------------------------------


class Sided(NamedTuple):
    """A picture of one side of a pair."""

    index: int  # among the names
    split: str
    key: str  # equal on both sides


@dataclass
class Sides:
    """The two sides of a set for translation, by the names of its pictures."""

    names: tuple[str, str]  # of the source's and the target's folder
    source: list[Sided]
    target: list[Sided]
    beside: list[int]  # pictures of neither side


def sides(names: Sequence[str]) -> Sides | None:
    """The two sides by folders: trainA and trainB, A and B, input and target, or any two. None if there are none."""
    dirs = [PurePosixPath(name).parts[:-1] for name in names]
    for depth in range(max(map(len, dirs), default=0)):
        at = {i: parts[depth] for i, parts in enumerate(dirs) if len(parts) > depth}
        if 2 * len(at) < len(names):
            return None
        found = {i: _split_and_side(folder) for i, folder in at.items()}
        words = sorted({side for _, side in found.values()} - {""}, key=lambda side: (_rank(side), side))
        if len(words) == 2 and all(side for _, side in found.values()):
            break
        if len(words) > 2 or any(side == "" for _, side in found.values()) and words:
            return None
    else:
        return _sides_by_stem(names)
    rest = [(*([split] if split else []), *dirs[i][:depth], *dirs[i][depth + 1 :]) for i, (split, _) in found.items()]
    stems = ["/".join([*parts, PurePosixPath(names[i]).name]) for i, parts in zip(found, rest, strict=True)]
    beside = [i for i in range(len(names)) if i not in found]
    return _matched(names, stems, list(found), [side for _, side in found.values()], words, beside)


def _sides_by_stem(names: Sequence[str]) -> Sides | None:
    """Both sides in one folder, distinguished by the ends of their names: 1_A.png and 1_B.png."""
    ends = [_end(PurePosixPath(name).stem) for name in names]
    words = sorted({*ends}, key=lambda side: (_rank(side), side))
    if len(words) != 2 or "" in words:
        return None
    return _matched(names, list(names), list(range(len(names))), ends, words, [])


def sides_of_two(names: tuple[str, str], files: tuple[Sequence[str], Sequence[str]]) -> Sides:
    """The two sides by a folder or zip of each, with these names and files."""
    of = [name for name, own in zip(names, files, strict=True) for _ in own]
    paths = [*files[0], *files[1]]
    return _matched(paths, paths, list(range(len(paths))), of, names, [])


def _matched(
    names: Sequence[str],
    paths: Sequence[str],
    indices: Sequence[int],
    of: Sequence[str],
    words: Sequence[str],
    beside: list[int],
) -> Sides:
    """Sides of pictures, at these indices of the names: `of` says which of the two words each belongs to."""
    stripped = list(paths)
    for word in words:  # each side may have a common folder of its own
        own = [i for i, side in enumerate(of) if side == word]
        _, rest = _without_root([PurePosixPath(paths[i]).parts[:-1] for i in own])
        for i, parts in zip(own, rest, strict=True):
            stripped[i] = "/".join([*parts, PurePosixPath(paths[i]).name])
    places = layout(stripped).places
    keys = ["/".join(filter(None, (p.folder, PurePosixPath(path).stem))) for p, path in zip(places, paths, strict=True)]
    one, other = ({key for key, side in zip(keys, of, strict=True) if side == word} for word in words)
    if not one & other:  # 1_A and 1_B, in folders of their own or in one
        keys = [_without_end(key) for key in keys]
    found: dict[str, list[Sided]] = {word: [] for word in words}
    for i, place, key, side in zip(indices, places, keys, of, strict=True):
        found[side].append(Sided(i, place.split, key))
    return Sides((words[0], words[1]), found[words[0]], found[words[1]], beside)


def _split_and_side(folder: str) -> tuple[str, str]:
    """("train", "a") of trainA, ("", "photo") of photos, and ("test", "") of test."""
    if role(folder):
        return role(folder), ""
    if found := re.fullmatch(r"([a-z]+?)[ _-]?([ab])", folder.casefold()):
        if split := role(found[1]):
            return split, found[2]
        if found[1] in ("domain", "set", "side", "img", "image", "images", "dir", "folder", "real"):
            return "", found[2]
    return "", folder


def _word(side: str) -> str:
    word = re.sub(r"[\W_]+", "", side.casefold())
    forms = (word, word.removesuffix("s"), word.removesuffix("es"))
    return next((form for form in forms if any(form in names for names in SIDES)), word)


def _rank(side: str) -> int:
    """Place of a side's name in `SIDES`; an unknown one is in the middle."""
    return next((rank for rank, names in enumerate(SIDES) if _word(side) in names), 1)


def _end(stem: str) -> str:
    end = re.split(r"[ _-]", stem)[-1] if re.search(r"[ _-]", stem) else ""
    return end.casefold() if any(_word(end) in names for names in SIDES) else ""


def _without_end(key: str) -> str:
    return re.split(r"[ _-](?=[^ _-]*$)", key)[0] if _end(key) else key


def match(of: Sides, names: Sequence[str]) -> tuple[list[tuple[Sided, Sided]], list[int]]:
    """Pairs of pictures with equal names, in order, and the indices of those without a partner.

    Raises ValueError for two pictures of one side with the same name but for the suffix.
    """
    partners: dict[Any, Sided] = {}
    for one in of.target:
        if (before := partners.setdefault((one.split, one.key), one)) is not one:
            raise Refusal(
                f"{names[before.index]} and {names[one.index]} are both the partner of {one.key}",
                f"{names[before.index]} et {names[one.index]} vont toutes deux avec {one.key}",
            )
    pairs, alone, taken = [], [], set()
    for one in of.source:
        other = partners.get((one.split, one.key))
        if other is None or other.index in taken:
            alone.append(one.index)
        else:
            pairs.append((one, other))
            taken.add(other.index)
    alone += [one.index for one in of.target if one.index not in taken]
    return pairs, sorted(alone)
