"""Pictures as files of tokens: plain, or entropy-coded under a prior by a range coder (Martin 1979).

A file holds, after the four bytes GSTK: version, mode, tiles down and across, the digests of tokenizer and prior, that
of the tokens, the size of the picture, the CRC-32 of all else, and the tokens. Coder and decoder run the same network
with the same cache, in float32, on one thread and with one picture at a time: other sums would round differently, and
then every later token is wrong. The digest of the tokens shows that; a file of plain tokens needs no prior and opens
anywhere.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genstudio import catalog, checkpoint
from genstudio.controls import Refusal
from genstudio.engine import Engine, tokens
from genstudio.images import flatten
from genstudio.model import Model

MAGIC, VERSION = b"GSTK", 1
PLAIN, CODED = 0, 1
HEAD = struct.Struct("<4sBBBB6s6s6sHHI")
MAX_TILES = 64  # a side
NO_PRIOR = bytes(6)


@dataclass(frozen=True)
class Compressed:
    """A picture in tokens (tiles, places), and the file of them."""

    tokenizer: str
    prior: str | None
    tiles: tuple[int, int]  # down, across
    size: tuple[int, int]  # width, height of the picture
    numbers: np.ndarray
    data: bytes
    payload: int  # bytes of the tokens alone

    @property
    def bits_per_pixel(self) -> float:
        """Bits of the whole file per pixel of the picture."""
        return 8 * len(self.data) / (self.size[0] * self.size[1])


# The range coder ------------------------------------------------------------------------------------------------


def probabilities(logits: Tensor) -> np.ndarray:
    """Distribution over tokens that both sides compute from logits (vocabulary,)."""
    return logits.double().softmax(-1).float().clamp_min(1e-9).cpu().numpy()


class Encoder:
    """Range coder of tokens, a picture at a time: what it knows of a picture is what the decoder knows by then."""

    def __init__(self, prior: Model):
        import constriction  # here, since plain files do without

        self.prior, self.family = prior, constriction.stream.model.Categorical(perfect=False)
        self.coder = constriction.stream.queue.RangeEncoder()

    def add(self, row: np.ndarray) -> None:
        """Code the tokens (places,) of a picture."""
        for token, distribution, set_token in places_of(self.prior, row):
            self.coder.encode(np.array([token], np.int32), self.family, distribution)
            set_token(int(token))

    def bytes(self) -> bytes:
        return self.coder.get_compressed().astype("<u4").tobytes()


class Decoder:
    """The decoder of an `Encoder`'s bytes. Raises ValueError for bytes that no coder writes."""

    def __init__(self, prior: Model, payload: bytes):
        import constriction

        if len(payload) % 4:
            raise damaged()
        self.prior, self.family = prior, constriction.stream.model.Categorical(perfect=False)
        self.coder = constriction.stream.queue.RangeDecoder(np.frombuffer(payload, "<u4").astype(np.uint32))

    def next(self) -> np.ndarray:
        """Tokens (places,) of the next picture."""
        row = np.zeros(self.prior.places, np.int64)
        for place, (_, distribution, set_token) in enumerate(places_of(self.prior, row)):
            try:
                row[place] = int(self.coder.decode(self.family, distribution)[0])
            except (AssertionError, ValueError, RuntimeError) as error:
                raise damaged() from error
            set_token(int(row[place]))
        return row


def places_of(prior: Model, row: np.ndarray) -> Iterator[tuple[int, np.ndarray, Callable[[int], None]]]:
    """Each place's token in `row`, its distribution (1, vocabulary) given the tokens that were set before, and the
    function that sets it."""
    with one_thread(), torch.no_grad():
        decoded = torch.zeros(1, prior.places, dtype=torch.long, device=prior.start.device)
        read = prior.reader(decoded, prior.embedded(prior.states(1, {})), None, True)
        for place in range(prior.places):
            distribution = probabilities(read(place)[0])[None]
            yield row[place], distribution, lambda token, place=place: decoded[0].__setitem__(place, token)


def pack(numbers: np.ndarray, vocabulary: int) -> bytes:
    """Plain tokens, each in as many bits as the vocabulary needs."""
    width = max(1, (vocabulary - 1).bit_length())
    bits = (numbers.reshape(-1, 1) >> np.arange(width)) & 1
    return np.packbits(bits.astype(np.uint8).ravel()).tobytes()


def unpack(payload: bytes, count: int, vocabulary: int) -> np.ndarray:
    width = max(1, (vocabulary - 1).bit_length())
    bits = np.unpackbits(np.frombuffer(payload, np.uint8))
    if len(payload) != -(-count * width // 8):
        raise damaged()
    return bits[: count * width].reshape(count, width).astype(np.int64) @ (1 << np.arange(width))


# Files ----------------------------------------------------------------------------------------------------------


def compress(engine: Engine, tokenizer: str, picture: Image.Image, prior: str | None = None) -> Compressed:
    """A picture in tiles of the tokenizer's size, the last ones padded by their border; coded, if a prior is given."""
    model = tokens.exact_model(engine, tokenizer, "tokenize").model
    tiles, size = cut(flatten(picture), model.image_shape)
    numbers = np.concatenate([tokens.tokenize(engine, tokenizer, [tile]) for row in tiles for tile in row])
    shape = (len(tiles), len(tiles[0]))
    if prior is None:
        return _written(engine, tokenizer, None, shape, size, numbers, pack(numbers, model.vocabulary))
    coder = Encoder(check_coder(engine, tokenizer, prior))
    for row in numbers:
        engine.turn(lambda row=row: coder.add(row))
    return _written(engine, tokenizer, prior, shape, size, numbers, coder.bytes())


def _written(
    engine: Engine, tokenizer: str, prior: str | None, tiles: tuple[int, int], size: tuple[int, int],
    numbers: np.ndarray, payload: bytes,
) -> Compressed:  # fmt: skip
    names = (tokenizer, prior)
    digests = [bytes.fromhex(tokens.exact_model(engine, name, "places").digest) if name else NO_PRIOR for name in names]
    mode = PLAIN if prior is None else CODED
    fields = (MAGIC, VERSION, mode, *tiles, *digests, digest(numbers), *size)
    head = HEAD.pack(*fields, zlib.crc32(HEAD.pack(*fields, 0) + payload))
    return Compressed(tokenizer, prior, tiles, size, numbers, head + payload, len(payload))


def decompress(engine: Engine, data: bytes) -> tuple[Image.Image, Compressed]:
    """The picture of a file, and its tokens. Raises ValueError for a damaged file, or without its networks."""
    if len(data) < HEAD.size or data[:4] != MAGIC:
        raise Refusal("this is no file of tokens", "ce n’est pas un fichier de jetons")
    *fields, checksum = HEAD.unpack_from(data)
    _, version, mode, down, across, of_tokenizer, of_prior, mark, width, height = fields
    if version != VERSION:
        raise Refusal(
            f"this file of tokens has version {version}; this GenStudio reads version {VERSION}: please update",
            f"ce fichier de jetons est de version {version} ; ce GenStudio lit la version {VERSION} : mettez-le à jour",
        )
    payload = data[HEAD.size :]
    if zlib.crc32(HEAD.pack(*fields, 0) + payload) != checksum:
        raise damaged()
    tokenizer = with_digest(of_tokenizer, "tokenize", "tokenizer", "tokeniseur")
    model = tokens.exact_model(engine, tokenizer, "tokenize").model
    (_, tall, wide), count = model.image_shape, down * across
    fits = 0 < down <= MAX_TILES and 0 < across <= MAX_TILES and mode in (PLAIN, CODED)
    if not fits or not (down - 1) * tall < height <= down * tall or not (across - 1) * wide < width <= across * wide:
        raise damaged()
    prior = None
    if mode == PLAIN:
        numbers = unpack(payload, count * model.places, model.vocabulary).reshape(count, model.places)
        if numbers.max() >= model.vocabulary:
            raise damaged()
    else:
        prior = with_digest(of_prior, "sample", "prior", "a priori")
        coder = Decoder(check_coder(engine, tokenizer, prior), payload)
        numbers = np.stack([engine.turn(coder.next) for _ in range(count)])
    if digest(numbers) != mark:
        raise damaged() if mode == PLAIN else Refusal(
            "the tokens that this file decodes to are not those that were written: it is damaged, or this processor "
            "rounds otherwise; a file of plain tokens opens anywhere",
            "les jetons décodés ne sont pas ceux qui furent écrits : le fichier est abîmé, ou ce processeur arrondit "
            "autrement ; un fichier de jetons non codés s’ouvre partout",
        )
    parts = np.concatenate([tokens.detokenize(engine, tokenizer, row[None]) for row in numbers])
    whole = parts.reshape(down, across, *parts.shape[1:]).swapaxes(1, 2).reshape(down * tall, across * wide, -1)
    picture = Image.fromarray(whole[:height, :width].squeeze())
    return picture, Compressed(tokenizer, prior, (down, across), (width, height), numbers, data, len(payload))


def damaged() -> Refusal:
    return Refusal("this file of tokens is damaged", "ce fichier de jetons est abîmé")


def digest(numbers: np.ndarray) -> bytes:
    """Six bytes of the SHA-256 of tokens."""
    return hashlib.sha256(np.ascontiguousarray(numbers, "<i8").tobytes()).digest()[:6]


def with_digest(wanted: bytes, verb: str, role: str, french: str) -> str:
    """Name of the available weights of that digest. Raises ValueError if they are not here."""
    for name, path in catalog.available().items():
        system = catalog.system_of(name)
        if hasattr(system.model, verb) and checkpoint.digest(path) == wanted.hex():
            return name
    raise Refusal(
        f"this file was written with a {role} of weights {wanted.hex()}, which are not here",
        f"ce fichier fut écrit avec un {french} de poids {wanted.hex()}, qui ne sont pas ici",
    )


def check_coder(engine: Engine, tokenizer: str, prior: str) -> Model:
    """The prior's network. Raises ValueError if it does not write the tokenizer's tokens one after another."""
    model, of = tokens.exact_model(engine, prior, "write").model, tokens.exact_model(engine, tokenizer, "tokenize")
    if not hasattr(model, "reader") or model.places != of.model.places:
        raise Refusal(
            f"{prior} does not write the tokens one after another, as a coder needs",
            f"{prior} n’écrit pas les jetons un à un, ce qu’il faut pour coder",
        )
    if model.companions.digests.get("tokenizer") != of.digest:
        raise Refusal(
            f"{prior} writes the tokens of another tokenizer than {tokenizer}",
            f"{prior} écrit les jetons d’un autre tokeniseur que {tokenizer}",
        )
    return model


def cut(picture: Image.Image, shape: tuple[int, int, int]) -> tuple[list[list[Image.Image]], tuple[int, int]]:
    """Tiles of a picture in rows, and its size. Raises ValueError for one that has too many."""
    _, tall, wide = shape
    width, height = picture.size
    down, across = -(-height // tall), -(-width // wide)
    if max(down, across) > MAX_TILES:
        most = MAX_TILES * tall
        raise Refusal(
            f"a picture of {width} x {height} pixels is too large to compress here: up to {most} a side",
            f"une image de {width} x {height} pixels est trop grande pour être compressée ici : {most} de côté au plus",
        )
    pixels = np.atleast_3d(np.asarray(picture.convert("RGB")))
    padded = np.pad(pixels, ((0, down * tall - height), (0, across * wide - width), (0, 0)), mode="edge")
    rows = [
        [Image.fromarray(padded[i * tall : (i + 1) * tall, j * wide : (j + 1) * wide]) for j in range(across)]
        for i in range(down)
    ]
    return rows, (width, height)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of PyTorch: sums of several round otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# Other formats --------------------------------------------------------------------------------------------------

FORMATS = {"JPEG": "JPEG", "WebP": "WEBP", "AVIF": "AVIF"}


def psnr(one: Image.Image, other: Image.Image) -> float:
    """Peak signal-to-noise ratio in dB of two pictures of one size."""
    a, b = (np.asarray(picture.convert("RGB"), np.float64) for picture in (one, other))
    return float(-10 * np.log10(max(((a - b) ** 2).mean() / 255**2, 1e-10)))


def others(picture: Image.Image, most: int) -> Iterator[tuple[str, int, float, bool]]:
    """Name, bytes and PSNR of a picture in other formats: the best of at most so many bytes, else the smallest file,
    and True if it fits. Formats that this Pillow cannot write are left out."""
    picture = picture.convert("RGB")
    for name, code in FORMATS.items():
        files = []
        for quality in (0, 1, 2, 3, 5, 8, 12, 18, 25, 35, 50, 65, 80, 90):
            stream = io.BytesIO()
            try:
                picture.save(stream, code, quality=quality)
            except (KeyError, OSError, ValueError):
                break
            files.append(stream.getvalue())
            if len(files[-1]) > most:
                break
        if not files:
            continue
        fitting = [file for file in files if len(file) <= most]
        best = max(fitting, key=len) if fitting else min(files, key=len)
        yield name, len(best), psnr(picture, Image.open(io.BytesIO(best))), bool(fitting)
