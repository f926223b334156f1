"""Sets of pictures by name, folder or zip -> checked pictures in memory -> endless batches in [-1, 1].

Nothing in an archive is unpacked to disk. Every bad item is refused by name and reason, and the rest is used.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genstudio import paths, pixels
from genstudio.images import fit, from_uint8, open_picture, to_array
from genstudio.model import Batch

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
MAX_FILES = 200_000
MAX_BYTES = 4 * 2**30  # unpacked
MAX_RATIO = 200  # unpacked to packed: a picture is compressed already, a bomb is not


class Came(NamedTuple):
    """What a picture was before it was fitted to a shape."""

    size: tuple[int, int]  # width, height
    grey: bool
    transparent: bool  # somewhere


@dataclass
class Pictures:
    """A set of pictures in memory."""

    name: str
    images: Tensor  # uint8 (n, c, h, w)
    labels: Tensor | None = None  # class numbers (n,)
    classes: tuple[str, ...] = ()
    traits: dict[str, Tensor] = field(default_factory=dict)  # booleans (n,) beside the class
    credit: str = ""
    refused: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # files that are no pictures by their names
    names: tuple[str, ...] = ()  # of the files
    came: tuple[Came, ...] = ()  # empty where they were not fitted
    sources: Tensor | None = None  # uint8: what these pictures are translated from
    paired: bool = True  # source i belongs to picture i; else the two are two heaps, of any sizes

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(self.images.shape[1:])

    def tensor(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Pictures start..stop as floats in [-1, 1]."""
        return from_uint8(self.images[start:stop])

    def batch(self, index: Tensor) -> Batch:
        """The pictures at these places, with all that is known of them."""
        labels = None if self.labels is None else self.labels[index]
        sources = from_uint8(self.sources[index]) if self.sources is not None and self.paired else None
        return Batch(from_uint8(self.images[index]), labels, {name: t[index] for name, t in self.traits.items()}, sources)

    def digest(self) -> str:
        """SHA-256 of pixels, labels, class names and sources, in order: the same in whatever archive they lie."""
        tensors = [t for t in (self.images, self.labels, self.sources) if t is not None]
        facts = [[list(t.shape) for t in tensors], self.classes, self.labels is None, self.paired]
        found = hashlib.sha256(json.dumps(facts).encode())
        for block in (block for tensor in tensors for block in tensor.split(4096)):
            found.update(block.contiguous().numpy().astype("|u1" if block.dtype is torch.uint8 else "<i8", copy=False))
        return found.hexdigest()


# Folders and archives -------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    name: str  # with forward slashes, inside the folder or zip
    read: Callable[[], bytes]


def entries(source: Path) -> Iterator[Entry]:
    """The files of a folder or zip. Refuses the whole of an archive that escapes, explodes or holds too much."""
    if source.is_dir():
        root = source.resolve()
        files = sorted(p for p in source.rglob("*") if p.is_file() and p.resolve().is_relative_to(root))
        for file in files[:MAX_FILES]:
            yield Entry(file.relative_to(source).as_posix(), partial(_read, file.read_bytes))
        return
    try:
        archive = zipfile.ZipFile(source)
    except FileNotFoundError:
        raise ValueError(f"{source} does not exist") from None
    except (zipfile.BadZipFile, OSError):
        raise ValueError(f"{source.name} is neither a folder nor a zip of pictures") from None
    with archive:
        members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)  # as in a folder
        if len(members) > MAX_FILES:
            raise ValueError(f"{source.name} holds {len(members)} files; at most {MAX_FILES} are read")
        if sum(m.file_size for m in members) > MAX_BYTES:
            raise ValueError(f"{source.name} would unpack to more than {MAX_BYTES >> 30} GiB")
        for m in members:
            path = PurePosixPath(m.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
                raise ValueError(f"{source.name} is refused: {m.filename!r} points outside the archive")
            if m.file_size > 1_000_000 and m.file_size > MAX_RATIO * max(1, m.compress_size):
                raise ValueError(f"{source.name} is refused: {m.filename!r} unpacks to {m.file_size} bytes, a zip bomb")
        for m in members:
            yield Entry(m.filename.replace("\\", "/"), partial(_read, partial(archive.read, m)))


def _read(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError) as error:
        raise ValueError(f"cannot be read ({error})") from None  # RuntimeError: a password, or a packing unknown here


def read_pictures(
    source: Path,
    shape: tuple[int, int, int],
    *,
    keep: Callable[[str], bool] = lambda name: True,
    label: str = "label",
    traits: Sequence[str] = (),
) -> Pictures:
    """All pictures of a folder or zip at one shape (c, h, w).

    A picture's class is `label` in metadata.jsonl (Hugging Face's imagefolder form), else the folder that it stands
    in; its `traits` are true and false there. Raises ValueError when no picture is left; `refused` lists what was left out and why.
    """
    metadata: dict[str, dict] = {}
    arrays, names, came, refused, ignored = [], [], [], [], []
    chosen = []
    for entry in entries(source):
        if PurePosixPath(entry.name).name == "metadata.jsonl":
            metadata |= _metadata(entry)
        elif not _is_picture(entry.name):
            ignored.append(entry.name)
        elif keep(entry.name):
            # A zip's members can only be read while `entries` holds it open, so one pass decodes as it goes.
            chosen.append(entry.name)
            try:
                array, was = _fitted(open_picture(entry.read()), shape)
            except ValueError as error:
                refused.append((len(chosen), entry.name, error))
                continue
            arrays.append(array)
            names.append(entry.name)
            came.append(was)
    refused = [f"image {i} of {len(chosen)}, {name}: {error}" for i, name, error in refused]
    if not arrays:
        reason = f"; {refused[0]}" if refused else ""
        raise ValueError(f"{source.name} holds no picture that can be used{reason}")
    kinds = [str(metadata.get(n, {}).get(label, PurePosixPath(n).parent)) for n in names]
    classes = tuple(sorted(set(kinds)))
    labels = torch.tensor([classes.index(k) for k in kinds]) if len(classes) > 1 else None
    has = {t: torch.tensor([metadata.get(n, {}).get(t) is True for n in names]) for t in traits}
    images = torch.from_numpy(np.stack(arrays))
    found = Pictures(source.stem, images, labels, classes if len(classes) > 1 else (), has)
    return replace(found, refused=refused, ignored=ignored, names=tuple(names), came=tuple(came))


def _is_picture(name: str) -> bool:
    """By its name. A Mac packs a ._cat.png, which is none, beside cat.png."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def _fitted(picture: Image.Image, shape: tuple[int, int, int]) -> tuple[np.ndarray, Came]:
    """A picture at a shape, and what it was. Its pixels tell whether it is grey: many grey ones are saved as RGB."""
    rgb = fit(picture, (3, *shape[1:]))
    pixels = np.asarray(rgb)
    return to_array(rgb, shape), Came(picture.size, bool((pixels == pixels[..., :1]).all()), _transparent(picture))


def _transparent(picture: Image.Image) -> bool:
    """Whether anything shows through it: many have an alpha channel that says nothing."""
    if picture.mode.startswith(("I", "F")):  # 16 and 32 bits a pixel: `flatten` sees no alpha in them
        return False
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return False
    return picture.convert("RGBA").getchannel("A").getextrema()[0] < 255


def _metadata(entry: Entry) -> dict[str, dict]:
    """The rows of a metadata.jsonl by picture; its file names count from where it stands."""
    folder, rows = PurePosixPath(entry.name).parent, {}
    for i, line in enumerate(entry.read().splitlines(), 1):
        try:
            row = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            raise ValueError(f"{entry.name}, line {i}, is not JSON") from None
        if isinstance(row, dict) and isinstance(row.get("file_name"), str):
            rows[(folder / row["file_name"]).as_posix()] = row
    return rows


# Sets by name ---------------------------------------------------------------------------------------------------


def _local(name: str, advice: str) -> Path:
    path = paths.data() / name
    if not path.exists():
        raise ValueError(f"{path} is not there: {advice}")
    return path


def _downloaded(fetch: Callable[[], Any], name: str, root: Path) -> Any:
    try:
        return fetch()
    except (RuntimeError, OSError) as error:
        raise ValueError(f"{name} is not in {root} and could not be downloaded: {error}") from None


DOWNLOADED = {"mnist": ["MNIST/raw/train-images-idx3-ubyte"], "cifar10": ["cifar10.zip", "cifar-10-batches-py"]}


def at_hand(name: str) -> bool:
    """Whether a set by name can be read, or refused, without asking the network for it."""
    return name not in DOWNLOADED or any((paths.data() / place).exists() for place in DOWNLOADED[name])


def mnist(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """MNIST's 60 000 + 10 000 digits, 28x28 grey (LeCun, Cortes, Burges), through torchvision."""
    from torchvision.datasets import MNIST

    root = paths.data()
    digits = _downloaded(lambda: MNIST(str(root), train=split == "train", download=not at_hand("mnist")), "MNIST", root)
    classes = tuple(str(d) for d in range(10))
    return Pictures("mnist", digits.data[:, None], digits.targets, classes, credit="MNIST, LeCun, Cortes and Burges, CC BY-SA 3.0")


def cifar10(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """CIFAR-10's 50 000 + 10 000 photographs, 32x32: a local cifar10.zip (class folders), else torchvision's download."""
    credit = "CIFAR-10, Krizhevsky 2009"
    if (local := paths.data() / "cifar10.zip").exists():
        found = read_pictures(local, (3, 32, 32), keep=lambda n: n.startswith(split + "/"))
        classes = tuple(c.partition("/")[2] for c in found.classes)
        return replace(found, classes=classes, credit=credit + " (JPEG copy)")
    from torchvision.datasets import CIFAR10

    root = paths.data()
    photographs = _downloaded(lambda: CIFAR10(str(root), train=split == "train", download=True), "CIFAR-10", root)
    images = torch.from_numpy(photographs.data).permute(0, 3, 1, 2).contiguous()
    return Pictures("cifar10", images, torch.tensor(photographs.targets), tuple(photographs.classes), credit=credit)


AVATAAARS_CREDIT = "DiceBear avatars: avataaars (Pablo Stanley), free for personal and commercial use"
AVATAR_CREDIT = (
    "DiceBear avatars: lorelei, openPeeps, pixelArt CC0 1.0; adventurer (Lisa Wischofsky), bigSmile (Ashley Seo), micah "
    "(Micah Lanier), personas (Draftbit) CC BY 4.0; avataaars (Pablo Stanley) free for personal and commercial use"
)


def avatars(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """Cartoon faces in eight drawing styles, 64x64. Every tenth face of a style is held out."""
    path = _local("avatars.zip", "build it with `python -m genstudio data avatars`")

    def keep(name: str) -> bool:
        held_out = PurePosixPath(name).stem[-1] == "9"
        return not name.startswith("pairs/") and held_out == (split == "test")

    found = read_pictures(path, shape or (3, 64, 64), keep=keep, label="style", traits=("glasses",))
    return replace(found, credit=AVATAR_CREDIT)


def faces(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """Faces in one drawing style (avataaars), 64x64, drawn by seed: 2 500 to 26 499 to train on, 30 000 to 33 999 held out."""
    path = _local("faces.zip", "draw it with `python -m genstudio data faces`")
    found = read_pictures(path, shape or (3, 64, 64), keep=lambda name: name.startswith(split + "/"))
    return replace(found, credit=AVATAAARS_CREDIT)


EMOJI_CREDIT = "Emoji: Noto Emoji Apache 2.0; Twemoji CC BY 4.0; OpenMoji CC BY-SA 4.0; Fluent Emoji MIT"


def emoji(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """Emoji in five drawing styles, 64x64. A tenth of the symbols is held out in all styles at once."""
    path = _local("emoji.zip", "build it with `python -m genstudio data emoji`")

    def keep(name: str) -> bool:
        held_out = sum(ord(c) * 31**i for i, c in enumerate(PurePosixPath(name).stem)) % 10 == 0
        return held_out == (split == "test")

    return replace(read_pictures(path, shape or (3, 64, 64), keep=keep, label="group"), credit=EMOJI_CREDIT)


def emoji_lines(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """OpenMoji's outlines, black on white, and the same symbols in colour: exact pairs, 64x64. Split as `emoji` is."""
    drawn = emoji(split, shape)
    styles = [PurePosixPath(n).parts[0] for n in drawn.names]
    symbols = [PurePosixPath(n).name for n in drawn.names]
    lines = {s: i for i, (s, style) in enumerate(zip(symbols, styles, strict=True)) if style == "openmoji-line"}
    coloured = [i for i, (s, style) in enumerate(zip(symbols, styles, strict=True)) if style == "openmoji" and s in lines]
    pairs = [lines[symbols[i]] for i in coloured]
    credit = "OpenMoji, CC BY-SA 4.0"
    return Pictures("emoji_lines", drawn.images[coloured], credit=credit, sources=drawn.images[pairs])


GLASSES_STYLES = ("adventurer", "avataaars", "lorelei", "micah", "pixelArt")  # those that are drawn both ways


def avatars_glasses(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """Cartoon faces without glasses, and with: two heaps of different faces to train on, exact pairs held out.

    Of the pairs every tenth is held out; of the others one half is seen without glasses only, the other half with.
    Faces of the same five styles that `avatars` trains on join the heap where they belong.
    """
    path = _local("avatars.zip", "build it with `python -m genstudio data avatars`")

    def number(name: str) -> int:
        return int(PurePosixPath(name).stem.rpartition("-")[2])

    def keep(name: str) -> bool:
        parts, held_out = PurePosixPath(name).parts, number(name) % 10 == 9
        if split == "test":
            return parts[0] == "pairs" and held_out
        if parts[0] == "pairs":
            return not held_out and (number(name) % 2 == 0) == (parts[1] == "plain")
        return parts[0] in GLASSES_STYLES and not held_out

    found = read_pictures(path, shape or (3, 64, 64), keep=keep, label="style", traits=("glasses",))
    worn = found.traits["glasses"]
    with_glasses, without = (torch.nonzero(half).flatten().tolist() for half in (worn, ~worn))
    if split == "test":
        with_glasses, without = (sorted(half, key=lambda i: found.names[i].rpartition("/")[2]) for half in (with_glasses, without))
    images, sources = found.images[with_glasses], found.images[without]
    return Pictures("avatars_glasses", images, credit=AVATAR_CREDIT, sources=sources, paired=split == "test")


def freyfaces(split: str, shape: tuple[int, int, int] | None) -> Pictures:
    """1965 video frames of one face, 28x20 grey (Roweis and Ghahramani). The last 200 of a fixed shuffle are held out."""
    images = np.load(_local("freyfaces.npz", "put the archive of `images` (1965, 28, 20) there"))["images"]
    order = np.random.RandomState(123).permutation(len(images))  # the seed of the Sylvester flows' split
    chosen = order[-200:] if split == "test" else order[:-200]
    return Pictures("freyfaces", torch.from_numpy(images[chosen][:, None].copy()), credit="Frey faces, Roweis and Ghahramani")


SETS: dict[str, Callable[[str, tuple[int, int, int] | None], Pictures]] = {
    f.__name__: f for f in (mnist, cifar10, avatars, avatars_glasses, faces, emoji, emoji_lines, freyfaces)
}


def load(name: str, split: str = "train", shape: tuple[int, int, int] | None = None) -> Pictures:
    """A set by name (`SETS`), or a folder or zip of pictures resized to `shape` (c, h, w), or what `pixels` has packed.

    A folder's held-out part is every tenth picture. Raises ValueError, in words, when there is nothing to read.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be train or test, not {split!r}")
    packed = paths.data() / f"{name}.pixels" if name in SETS else Path(name).expanduser()
    if packed.suffix == ".pixels" and packed.is_file():
        if split == "train":
            return _at_shape(Pictures(**pixels.load(packed)), shape)
        if name not in SETS:
            raise ValueError(f"{packed.name} holds pictures to train on alone")
    if name in SETS:
        return _at_shape(SETS[name](split, shape), shape)
    whole = load_whole(name, shape)
    chosen = every_tenth(len(whole)) == (split == "test")
    if not chosen.any():
        raise ValueError(f"{Path(name).name} holds {len(whole)} pictures, too few to hold one in ten out")
    labels = None if whole.labels is None else whole.labels[chosen]
    return Pictures(whole.name, whole.images[chosen], labels, whole.classes, refused=whole.refused)


def load_whole(name: str, shape: tuple[int, int, int] | None) -> Pictures:
    """All pictures of a folder or zip, those that are held out among them."""
    source = Path(name).expanduser()
    if not source.exists():
        raise ValueError(f"{name!r} is neither a folder nor a zip, nor one of the sets {', '.join(SETS)}")
    if shape is None:
        raise ValueError("a folder or zip needs a shape (channels, height, width)")
    return read_pictures(source, shape)


def every_tenth(count: int) -> Tensor:
    """Which pictures of a folder are held out, as booleans."""
    return torch.arange(count) % 10 == 9


def _at_shape(pictures: Pictures, shape: tuple[int, int, int] | None) -> Pictures:
    """The same pictures at another size or number of channels, for a model made for another set."""
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
    came = pictures.came or (Came((width, height), channels == 1, False),) * len(pictures)
    sources = None if pictures.sources is None else changed(pictures.sources)
    return replace(pictures, images=changed(pictures.images), sources=sources, came=came)


# Batches --------------------------------------------------------------------------------------------------------


class Batches:
    """Endless shuffled batches. Batch k is a function of (seed, k, rank) alone, so a resumed run sees the same ones.

    With several processes each takes its own slice of every global batch. Sources that have no picture of their own
    are shuffled apart.
    """

    def __init__(
        self, pictures: Pictures, size: int, *, seed: int = 0, flip: bool = False, jitter: int = 0, rank: int = 0, world: int = 1
    ):
        self.pictures, self.size, self.seed = pictures, size, seed
        self.flip, self.jitter, self.rank, self.world = flip, jitter, rank, world
        self._orders: dict[int, tuple[int, Tensor]] = {}  # of each heap: the epoch, and the order in it

    def __getitem__(self, k: int) -> Batch:
        """Batch k on the CPU, augmented."""
        first = (k * self.world + self.rank) * self.size
        places = range(first, first + self.size)
        draw = torch.Generator().manual_seed(hash((self.seed, k, self.rank)) % 2**63)
        batch = self.pictures.batch(self._shuffled(places, len(self.pictures)))
        if self.pictures.sources is None:
            return replace(batch, images=self._augmented(batch.images, draw))
        if self.pictures.paired:  # both of a pair are changed alike
            both = self._augmented(torch.cat([batch.images, batch.sources], 1), draw)
            images, sources = both.split([batch.images.shape[1], batch.sources.shape[1]], 1)
            return replace(batch, images=images, sources=sources)
        others = self._shuffled(places, len(self.pictures.sources), heap=1)
        images, sources = batch.images, from_uint8(self.pictures.sources[others])
        return replace(batch, images=self._augmented(images, draw), sources=self._augmented(sources, draw))

    def _augmented(self, images: Tensor, draw: torch.Generator) -> Tensor:
        if self.flip:
            mirrored = torch.rand(len(images), generator=draw) < 0.5
            images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)
        if self.jitter:
            images = _shift(images, torch.randint(-self.jitter, self.jitter + 1, (len(images), 2), generator=draw))
        return images

    def _shuffled(self, places: range, count: int, heap: int = 0) -> Tensor:
        """The pictures at these places of the endless shuffled stream of a heap of `count`."""
        index = []
        for i in places:
            epoch, place = divmod(i, count)
            if self._orders.get(heap, (-1,))[0] != epoch:
                seed = hash((self.seed, epoch, heap) if heap else (self.seed, epoch)) % 2**63
                self._orders[heap] = epoch, torch.randperm(count, generator=torch.Generator().manual_seed(seed))
            index.append(int(self._orders[heap][1][place]))
        return torch.tensor(index)


def _shift(images: Tensor, shifts: Tensor) -> Tensor:
    """Each picture moved by whole pixels (dy, dx); its border is repeated."""
    n, _, h, w = images.shape
    rows = (torch.arange(h) + shifts[:, :1]).clamp(0, h - 1)  # (n, h)
    columns = (torch.arange(w) + shifts[:, 1:]).clamp(0, w - 1)  # (n, w)
    return images[torch.arange(n).view(n, 1, 1), :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
