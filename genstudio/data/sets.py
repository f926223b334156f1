"""Data sets by name, and any folder or zip as a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genstudio import paths
from genstudio.controls import Refusal, Text
from genstudio.data import pixels
from genstudio.data.drawings import FACE_LICENCES
from genstudio.data.drawings.faces import GLASSES, Faces
from genstudio.data.drawings.faces import named as faces_named
from genstudio.data.pairs import BAR, PAIRED, load_pairs, turned
from genstudio.data.pictures import Original, Pictures
from genstudio.data.reading import read_pictures
from genstudio.layers.palette import CMP, FACADES, nearest, resize_labels


def _local(name: str, advice: Text) -> Path:
    path = paths.data() / name
    if not path.exists():
        raise Refusal(f"{path} is not there: {advice.en}", f"{path} n’est pas là : {advice.fr}")
    return path


def _built(command: str, verb: str = "build", verbe: str = "faites") -> Text:
    return Text(f"{verb} it with `{command}`", f"{verbe}-le avec `{command}`")


def _downloaded(fetch: Callable[[], Any], name: str, root: Path) -> Any:
    try:
        return fetch()
    except (RuntimeError, OSError) as error:
        raise Refusal(
            f"{name} is not in {root} and could not be downloaded: {error}",
            f"{name} n’est pas dans {root} et n’a pu être téléchargé : {error}",
        ) from None


DOWNLOADED = {"mnist": ["MNIST/raw/train-images-idx3-ubyte"], "cifar10": ["cifar10.zip", "cifar-10-batches-py"]}


def at_hand(name: str) -> bool:
    """True if a set by name can be read, or refused, without network access."""
    return name not in DOWNLOADED or any((paths.data() / place).exists() for place in DOWNLOADED[name])


def mnist(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """MNIST's 60 000 + 10 000 digits, 28x28 grey (LeCun, Cortes, Burges), through torchvision."""
    from torchvision.datasets import MNIST

    root = paths.data()
    digits = _downloaded(lambda: MNIST(str(root), train=split == "train", download=not at_hand("mnist")), "MNIST", root)
    classes = tuple(str(d) for d in range(10))
    credit = "MNIST, LeCun, Cortes and Burges, CC BY-SA 3.0"
    return Pictures("mnist", digits.data[:, None], digits.targets, classes, credit=credit)


def cifar10(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """CIFAR-10's 50 000 + 10 000 photographs, 32x32: a local cifar10.zip (class folders), else through torchvision."""
    credit = "CIFAR-10, Krizhevsky 2009"
    if (local := paths.data() / "cifar10.zip").exists():
        found = read_pictures(local, (3, 32, 32), keep=lambda n: n.startswith(split + "/"))
        return replace(found, credit=credit + " (JPEG copy)")
    from torchvision.datasets import CIFAR10

    root = paths.data()
    photographs = _downloaded(lambda: CIFAR10(str(root), train=split == "train", download=True), "CIFAR-10", root)
    images = torch.from_numpy(photographs.data).permute(0, 3, 1, 2).contiguous()
    return Pictures("cifar10", images, torch.tensor(photographs.targets), tuple(photographs.classes), credit=credit)


AVATAR_CREDIT = (
    "DiceBear avatars: lorelei, openPeeps, pixelArt CC0 1.0; adventurer (Lisa Wischofsky), bigSmile (Ashley Seo), "
    "micah (Micah Lanier), personas (Draftbit) CC BY 4.0; avataaars (Pablo Stanley) free for personal and commercial use"
)


def avatars(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """Cartoon faces in eight drawing styles, 64x64, labelled by style. Every tenth face of a style is held out."""
    path = _local("avatars.zip", _built("python -m genstudio data avatars"))

    def keep(name: str) -> bool:
        held_out = PurePosixPath(name).stem[-1] == "9"
        return not name.startswith("pairs/") and held_out == (split == "test")

    found = read_pictures(path, shape or (3, 64, 64), keep=keep, label="style")
    return replace(found, credit=AVATAR_CREDIT)


def faces(split: str, shape: tuple[int, int, int] | None, chosen: Faces | None = None) -> Pictures:
    """Faces in one drawing style, drawn by seed (`drawings/faces.py`), or pairs of each without and with glasses."""
    chosen = chosen or Faces()
    found = _faces(split, shape, chosen)
    if not chosen.pairs:
        return found
    with_glasses = _with_glasses(found)
    return replace(found.part(with_glasses), sources=found.images[~with_glasses])


def faces_glasses_unpaired(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """Faces of `faces_glasses` with glasses if their seed is odd, without if it is even: unpaired domains without a face
    in common. Held out are exact pairs."""
    chosen = Faces(pairs=GLASSES)
    if split == "test":
        return faces(split, shape, chosen)
    found = _faces(split, shape, chosen, lambda name: (int(PurePosixPath(name).stem) % 2 == 1) == ("/glasses/" in name))
    with_glasses = _with_glasses(found)
    return replace(found.part(with_glasses), sources=found.images[~with_glasses], paired=False)


def _faces(
    split: str, shape: tuple[int, int, int] | None, chosen: Faces, keep: Callable[[str], bool] = lambda name: True
) -> Pictures:
    path = _local(f"{chosen.name}.zip", _built(chosen.command, "draw", "dessinez"))
    shape = shape or (3, chosen.side, chosen.side)
    found = read_pictures(path, shape, keep=lambda name: name.startswith(split + "/") and keep(name))
    credit = f"DiceBear avatars: {chosen.style} {FACE_LICENCES[chosen.style]}"
    return replace(found, labels=None, classes=(), credit=credit)


def _with_glasses(faces: Pictures) -> Tensor:
    return torch.tensor(["/glasses/" in name for name in faces.names])


EMOJI_CREDIT = "Emoji: Noto Emoji Apache 2.0; Twemoji CC BY 4.0; OpenMoji CC BY-SA 4.0; Fluent Emoji MIT"


def emoji(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """Emoji in five drawing styles, 64x64. A tenth of the symbols is held out in all styles at once."""
    path = _local("emoji.zip", _built("python -m genstudio data emoji"))

    def keep(name: str) -> bool:
        held_out = sum(ord(c) * 31**i for i, c in enumerate(PurePosixPath(name).stem)) % 10 == 0
        return held_out == (split == "test")

    return replace(read_pictures(path, shape or (3, 64, 64), keep=keep, label="group"), credit=EMOJI_CREDIT)


def emoji_lines(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """OpenMoji's outlines, black on white, and the same symbols in colour: exact pairs, 64x64. Split as `emoji` is."""
    drawn = emoji(split, shape)
    styles = [PurePosixPath(n).parts[0] for n in drawn.names]
    symbols = [PurePosixPath(n).name for n in drawn.names]
    drawings = list(enumerate(zip(symbols, styles, strict=True)))
    lines = {s: i for i, (s, style) in drawings if style == "openmoji-line"}
    coloured = [i for i, (s, style) in drawings if style == "openmoji" and s in lines]
    pairs = [lines[symbols[i]] for i in coloured]
    credit = "OpenMoji, CC BY-SA 4.0"
    return Pictures("emoji_lines", drawn.images[coloured], credit=credit, sources=drawn.images[pairs])


def freyfaces(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """1965 video frames of one face, 28x20 grey (Roweis and Ghahramani), shuffled: 1565 to train on, 200 to choose by
    ("validation"), 200 held out."""
    advice = Text("put the archive of `images` (1965, 28, 20) there", "mettez-y l’archive d’`images` (1965, 28, 20)")
    images = np.load(_local("freyfaces.npz", advice))["images"]
    order = np.random.RandomState(123).permutation(len(images))  # the seed of the Sylvester flows' split
    chosen = {"train": order[:-400], "validation": order[-400:-200], "test": order[-200:]}[split]
    credit = "Frey faces, Roweis and Ghahramani"
    return Pictures("freyfaces", torch.from_numpy(images[chosen][:, None].copy()), credit=credit)


RESEARCH = "pictures for research; licence unclear"
FACADES_ADVICE = Text(
    "zip the CMP Facade Database (Hugging Face: huggan/facades) as {train,test}/photo/1.jpg and labels/1.png there",
    "mettez-y la CMP Facade Database (Hugging Face : huggan/facades) en zip, {train,test}/photo/1.jpg et labels/1.png",
)


def facades(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """Label pictures of facades and their photographs: 400 pairs, 128x128, and 106 held out (Tylecek and Sara)."""
    path = _local("facades.zip", FACADES_ADVICE)
    shape = shape or (3, 128, 128)
    photos = read_pictures(path, shape, keep=lambda name: name.startswith(f"{split}/photo/"))
    drawn = read_pictures(path, (3, 128, 128), keep=lambda name: name.startswith(f"{split}/labels/"))
    pairs = {PurePosixPath(name).stem: i for i, name in enumerate(drawn.names)}
    order = [pairs[PurePosixPath(name).stem] for name in photos.names]
    classes = torch.cat([nearest(part, CMP)[0] for part in drawn.tensor()[order].split(50)])
    colours = torch.tensor(FACADES.colours, dtype=torch.uint8)
    labels = resize_labels(colours[classes].movedim(-1, 1), shape[1:])
    credit = f"CMP Facade Database, Tylecek and Sara 2013, {RESEARCH}"
    return Pictures("facades", photos.images, credit=credit, names=photos.names, sources=labels)


def facade_labels(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """The pairs of `facades` the other way: photographs, and the label pictures to find."""
    pairs = facades(split, shape)
    return replace(pairs, name="facade_labels", images=pairs.sources, sources=pairs.images)


MONET_ADVICE = Text(
    "zip monet2photo (Hugging Face: huggan/monet2photo) as {train,test}/monet/1.jpg and photo/1.jpg there",
    "mettez-y monet2photo (Hugging Face : huggan/monet2photo) en zip, {train,test}/monet/1.jpg et photo/1.jpg",
)


def monet(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """Landscape photographs (810 + 90) and Monet's paintings (270 + 30), unpaired, 160x160 (Zhu et al. 2017). Those to
    train on are cropped at random, if they are larger than `shape`."""
    path = _local("monet.zip", MONET_ADVICE)
    shape = shape or (3, 160, 160)
    crop = split == "train"
    paintings = read_pictures(path, shape, keep=lambda name: name.startswith(f"{split}/monet/"), crop=crop)
    photos = read_pictures(path, shape, keep=lambda name: name.startswith(f"{split}/photo/"), crop=crop)
    credit = f"Monet's paintings, in the public domain, and photographs from Flickr, {RESEARCH} (monet2photo)"
    large = dict(large=paintings.large, large_sources=photos.large)
    return Pictures("monet", paintings.images, credit=credit, sources=photos.images, paired=False, **large)


SETS: dict[str, Callable[[str, tuple[int, int, int] | None], Pictures]] = {
    f.__name__: f
    for f in (
        mnist, cifar10, avatars, faces, faces_glasses_unpaired, emoji, emoji_lines, freyfaces, facades, facade_labels,
        monet,
    )
}


def named(name: str) -> Callable[[str, tuple[int, int, int] | None], Pictures] | None:
    """The reader of a set by name: one of `SETS`, or faces of another style or side; None for any other name."""
    if name in SETS:
        return SETS[name]
    return partial(faces, chosen=chosen) if (chosen := faces_named(name)) else None


def load(
    name: str,
    split: str = "train",
    shape: tuple[int, int, int] | None = None,
    *,
    pairing: str = "",
    crop: bool = False,
    reverse: bool = False,
) -> Pictures:
    """Load a set by name (`named`), a folder or zip of pictures resized to `shape` (c, h, w), or a file of `pixels`.

    The test split of a folder is its own, if it has splits, else every tenth picture. Raises ValueError if there is
    nothing to read.

    split: "train" or "test"; of `freyfaces` also "validation".
    pairing: of a translator, whose batches have sources (`pairs.py`). crop: keep large pictures at their own size, too.
    reverse: translate from B to A.
    """
    reader = named(name)
    if split not in ("train", "test") and (reader, split) != (freyfaces, "validation"):
        raise ValueError(f"split must be train or test, not {split!r}")
    packed = paths.data() / f"{name}.pixels" if reader else Path(name).expanduser()
    if packed.suffix == ".pixels" and packed.is_file():
        if split == "train":
            return check_pairs(_at_shape(Pictures(**pixels.load(packed)), shape), pairing, reverse)
        if not reader:
            raise Refusal(
                f"{packed.name} holds pictures to train on alone",
                f"{packed.name} ne contient que des images d’entraînement",
            )
    if reader:
        return check_pairs(_at_shape(reader(split, shape), shape), pairing, reverse, split)
    if pairing or BAR in name:
        check_there(name, shape)
        if not pairing:
            raise Refusal(
                f"{name!r} is pairs, and this system learns from single pictures: only a translator has a use for them",
                f"{name!r} : des paires, et ce système apprend d’images seules ; seul un traducteur s’en sert",
            )
        return load_pairs(name, split, shape, pairing, crop, reverse)
    whole = load_whole(name, shape, crop and split == "train")
    chosen = held_out(whole) == (split == "test")
    if not chosen.any():
        raise Refusal(
            f"{Path(name).name} holds {len(whole)} pictures, too few to hold one in ten out",
            f"{Path(name).name} contient {len(whole)} images, trop peu pour en tenir une sur dix à l’écart",
        )
    return whole.part(chosen)


def check_pairs(pictures: Pictures, pairing: str, reverse: bool, split: str = "train") -> Pictures:
    """A set by name for a model with this `pairing`. Raises ValueError if it has no pairs for it."""
    if not pairing:
        return pictures
    if pictures.sources is None or pairing == PAIRED and not pictures.paired:
        raise Refusal(
            f"{pictures.name} has no pairs to learn a translation from",
            f"{pictures.name} n’a pas de paires pour apprendre une traduction",
        )
    if pairing != PAIRED and split == "train":
        pictures = replace(pictures, paired=False)
    return turned(pictures) if reverse else pictures


def check_there(name: str, shape: tuple[int, int, int] | None) -> None:
    """Raise ValueError for a word that is neither a set by name nor a path."""
    if BAR not in name and not Path(name).expanduser().exists():
        raise Refusal(
            f"{name!r} is neither a folder nor a zip, nor one of the sets {', '.join(SETS)}",
            f"{name!r} n’est ni un dossier, ni un zip, ni l’un des ensembles {', '.join(SETS)}",
        )
    if shape is None:
        raise ValueError("a folder or zip needs a shape (channels, height, width)")


def load_whole(name: str, shape: tuple[int, int, int] | None, crop: bool = False) -> Pictures:
    """All pictures of a folder or zip, both splits together."""
    check_there(name, shape)
    return read_pictures(Path(name).expanduser(), shape, crop=crop)


def held_out(whole: Pictures) -> Tensor:
    """Mask (n,) of the held-out pictures of a folder: those of its own splits, else every tenth."""
    return every_tenth(len(whole)) if whole.own_split is None else whole.own_split


def every_tenth(count: int) -> Tensor:
    """Mask (count,) of the held-out pictures of a folder without splits: every tenth."""
    return torch.arange(count) % 10 == 9


def _at_shape(pictures: Pictures, shape: tuple[int, int, int] | None) -> Pictures:
    """The same images at another size or number of channels, for a model of another shape."""
    if shape is None or pictures.shape == shape:
        return pictures

    def changed(images: Tensor) -> Tensor:
        images = images.float()
        if images.shape[1] != shape[0]:
            luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
            images = (images * luma).sum(1, keepdim=True) if shape[0] == 1 else images.expand(-1, 3, -1, -1)
        if images.shape[2:] != shape[1:]:
            images = torch.nn.functional.interpolate(images, shape[1:], mode="bicubic", antialias=True)
        return images.round().clamp(0, 255).to(torch.uint8)

    channels, height, width = pictures.shape
    originals = pictures.originals or (Original((width, height), channels == 1, False),) * len(pictures)
    sources = None if pictures.sources is None else changed(pictures.sources)
    return replace(pictures, images=changed(pictures.images), sources=sources, originals=originals)
