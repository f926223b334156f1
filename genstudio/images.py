"""Pictures: safe decoding, conversion to tensors and back, sample grids, PNGs with their recipe, films."""

from __future__ import annotations

import io
import json
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from genstudio.controls import Refusal, Text
from genstudio.decoding.colour import to_srgb
from genstudio.decoding.formats import FORMATS, MAGIC
from genstudio.decoding.levels import eight_bits
from genstudio.decoding.pages import refuse_raw, turn_to_page
from genstudio.decoding.primaries import named_profile
from genstudio.decoding.repair import repairs

MAX_PIXELS = 64_000_000  # a 64 megapixel photograph decodes to 192 MB; nothing here needs more
HEAD = 4096  # bytes in which a file names its colours
EXIF_KEYS = ("exif", "Raw profile type exif", "Raw profile type APP1", "xmp", "XML:com.adobe.xmp")  # in PIL's info
RECIPE_KEY = "genstudio"  # the PNG text chunk that holds the recipe
REMARKS = "genstudio remarks"  # in PIL's info
WHOLLY_TRANSPARENT = Text(
    "it is wholly transparent: only the background is seen",
    "elle est entièrement transparente : on ne voit que le fond",
)
MAX_COMMENT = 65_533  # bytes of a JPEG's comment, the length of its segment being two bytes


# Input ----------------------------------------------------------------------------------------------------------


def open_picture(source: str | os.PathLike | bytes | IO[bytes]) -> Image.Image:
    """Decode a picture to an upright PIL image in sRGB, with the transparency and, if it is grey, the 16 bits that it
    has. Raises ValueError with the reason if it is none, broken or too large.

    The size is read from the header and checked before a pixel is decoded. What stands beside the pixels, such as
    text, may be damaged. `remarks` has what else there is to say: of several pages one is read.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    with decoding(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, with paths in them
        try:
            picture, said = _pixels(stream)
        except (Refusal, MemoryError, FileNotFoundError, Image.DecompressionBombError):
            raise
        except Exception as error:
            picture, said = _repaired(stream, error)
        return _plain(picture, said)


def remarks(picture: Image.Image) -> list[Text]:
    """Sentences on a picture that `open_picture` has read: what was left out, or had to be guessed."""
    return list(picture.info.get(REMARKS, ()))


def exif_text(picture: Image.Image, tag: int) -> str:
    """Text of an EXIF tag; empty if there is none, or EXIF that cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return str(picture.getexif().get(tag) or "")
        except Exception:  # of any type, for damaged bytes
            return ""


def _pixels(stream: str | os.PathLike | IO[bytes], profile: bytes | None = None) -> tuple[Image.Image, list[Text]]:
    """Decode the right page of a file. profile: in place of the one that it has."""
    head = _head(stream)
    with Image.open(stream, formats=FORMATS) as opened:
        said = turn_to_page(opened)
        _check_size(opened)
        opened.load()
        _check_size(opened)  # of a PNG inside an icon
        picture = _upright(opened)
        if not (profile or picture.info.get("icc_profile")) and opened.format in ("PNG", "AVIF"):
            profile = named_profile(opened, head)
        if profile:
            picture.info["icc_profile"] = profile
        if opened.format in ("BMP", "ICO") and picture.mode == "RGBA" and not picture.getchannel("A").getbbox():
            picture = picture.convert("RGB")  # a fourth byte that its writer did not use
    return picture, [said] if said else []


def _repaired(stream: str | os.PathLike | IO[bytes], error: Exception) -> tuple[Image.Image, list[Text]]:
    """Decode a file without what is damaged beside its pixels. Raises `error`, or its reason, if that is not all."""
    body = _bytes(stream)
    refuse_raw(body[:64])
    for repaired in repairs(body):
        try:
            return _pixels(io.BytesIO(repaired.body), repaired.profile)
        except (Refusal, MemoryError, Image.DecompressionBombError):
            raise
        except Exception:
            continue
    if isinstance(error, UnidentifiedImageError) and body[:4] in (b"II*\0", b"MM\0*"):
        raise Refusal(
            "truncated or broken (or a TIFF of a sort that is not read here: save it as PNG)",
            "tronquée ou abîmée (ou un TIFF d’une sorte qui ne se lit pas ici : enregistrez-le en PNG)",
        )
    if isinstance(error, UnidentifiedImageError) and MAGIC.match(body):
        raise Refusal("truncated or broken", "tronquée ou abîmée")
    raise error


def _bytes(stream: str | os.PathLike | IO[bytes]) -> bytes:
    if isinstance(stream, (str, os.PathLike)):
        return Path(stream).read_bytes()
    stream.seek(0)
    return stream.read()


def _head(stream: str | os.PathLike | IO[bytes]) -> bytes:
    if isinstance(stream, (str, os.PathLike)):
        with open(stream, "rb") as file:
            return file.read(HEAD)
    head = stream.read(HEAD)
    stream.seek(0)
    return head


def _check_size(picture: Image.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        size = f"{picture.width} x {picture.height}"
        raise Refusal(
            f"too large ({size} pixels; at most {MAX_PIXELS // 10**6} million)",
            f"trop grande ({size} pixels ; au plus {MAX_PIXELS // 10**6} millions)",
        )


def _upright(picture: Image.Image) -> Image.Image:
    """A copy turned as its EXIF says; without EXIF if that cannot be read."""
    try:
        return ImageOps.exif_transpose(picture)
    except MemoryError:
        raise
    except Exception:
        kept = picture.copy()
        kept.info = {key: value for key, value in picture.info.items() if key not in EXIF_KEYS}
        return kept


def _plain(picture: Image.Image, said: list[Text]) -> Image.Image:
    """The picture in sRGB and in one of the modes RGB, RGBA, L, LA, I;16, 1, P and those that convert to RGB."""
    see_through = picture.info.pop("transparency", None)
    if isinstance(see_through, (int, tuple, bytes)):  # not a text of that name
        picture = _with_alpha(picture, see_through)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;") and "icc_profile" in picture.info:
        info = picture.info
        picture, guess = eight_bits(picture)
        picture.info, said = info, said + [guess] if guess else said
    picture = to_srgb(picture)
    if picture.mode in ("RGBA", "LA", "PA") and not picture.getchannel("A").getbbox():
        said = [*said, WHOLLY_TRANSPARENT]
    picture.info[REMARKS] = said
    return picture


def _with_alpha(picture: Image.Image, see_through: int | tuple | bytes) -> Image.Image:
    """The picture with an alpha channel in place of one transparent colour, or of the alpha of a palette."""
    if not picture.mode.startswith("I"):
        picture.info["transparency"] = see_through
        made = picture.convert("RGBA")
        made.info.pop("transparency", None)
        return made
    info, alpha = picture.info, Image.fromarray(np.where(np.asarray(picture) == see_through, 0, 255).astype(np.uint8))
    made = eight_bits(picture)[0].convert("LA")
    made.putalpha(alpha)
    made.info = info
    return made


@contextmanager
def decoding() -> Iterator[None]:
    """Convert the errors of PIL's decoders, of any type for damaged bytes, to a ValueError with the reason."""
    try:
        yield
    except (MemoryError, Refusal):
        raise
    except Image.DecompressionBombError:
        raise Refusal(
            f"too large (at most {MAX_PIXELS // 10**6} million pixels)",
            f"trop grande (au plus {MAX_PIXELS // 10**6} millions de pixels)",
        ) from None
    except UnidentifiedImageError:
        raise Refusal("not a picture", "ce n’est pas une image") from None
    except FileNotFoundError:
        raise Refusal("not found", "introuvable") from None
    except Exception:
        raise Refusal("truncated or broken", "tronquée ou abîmée") from None


def flatten(picture: Image.Image, background: str = "white") -> Image.Image:
    """Convert any mode (palette, grey, alpha, CMYK, 16 bits) to RGB on a plain background."""
    if picture.mode.startswith("I") or picture.mode == "F":  # 16 and 32 bits a pixel: PIL would clip, not scale
        picture, _ = eight_bits(picture)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture if picture.mode == "RGBA" else picture.convert("RGBA")  # a copy of a large one counts
        picture = Image.new("RGBA", rgba.size, background)
        picture.alpha_composite(rgba)
    return picture.convert("RGB")


def fit(picture: Image.Image, shape: tuple[int, int, int]) -> Image.Image:
    """Crop the centre of a picture and resize it to a model's (c, h, w), in L or RGB."""
    channels, height, width = shape
    picture = ImageOps.fit(flatten(picture), (width, height), Image.Resampling.LANCZOS)
    return picture.convert("L") if channels == 1 else picture


def to_array(picture: Image.Image, shape: tuple[int, int, int]) -> np.ndarray:
    """Picture -> uint8 (c, h, w)."""
    array = np.asarray(fit(picture, shape))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def to_tensor(pictures: Sequence[Image.Image], shape: tuple[int, int, int]) -> Tensor:
    """Pictures -> float tensor (n, c, h, w) in [-1, 1]."""
    return from_uint8(torch.from_numpy(np.stack([to_array(p, shape) for p in pictures])))


def from_uint8(images: Tensor) -> Tensor:
    """0..255 -> [-1, 1]."""
    return images.float() / 127.5 - 1


def border(image: np.ndarray) -> float:
    """Median grey level, 0 to 255, along the border of uint8 (h, w, c): the level of the background."""
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return float(np.median(edge.mean(-1)))


def invert(picture: Image.Image) -> Image.Image:
    """The negative of a picture, in RGB."""
    return ImageOps.invert(flatten(picture))


def centre_ink(picture: Image.Image, part: float = 20 / 28) -> Image.Image:
    """Centre a drawing on white and scale it to `part` of the width, as MNIST's digits are."""
    grey = ImageOps.invert(picture.convert("L"))
    box = grey.point(lambda v: 255 * (v > 32)).getbbox()
    if box is None:
        return picture
    ink = grey.crop(box)
    side = round(max(ink.size) / part)
    sheet = Image.new("L", (side, side))
    sheet.paste(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
    return ImageOps.invert(sheet).convert("RGB")


HEAT = np.array([[255, 255, 255], [254, 217, 118], [240, 59, 32], [128, 0, 38], [30, 0, 20]], float)  # by error


def error_map(original: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    """Heat map (h, w, 3) of the difference of two uint8 (h, w, c) pictures: white where they agree, dark where one is
    black and the other white."""
    error = np.abs(original.astype(float) - rebuilt).mean(-1) / 255 * (len(HEAT) - 1)
    return np.stack([np.interp(error, range(len(HEAT)), channel) for channel in HEAT.T], -1).round().astype(np.uint8)


# Output ---------------------------------------------------------------------------------------------------------


def to_uint8(images: Tensor) -> np.ndarray:
    """(n, c, h, w) in [-1, 1] -> uint8 (n, h, w, c) on the CPU. Raises ArithmeticError for NaN and infinity."""
    images = images.detach().to(torch.float32, copy=True)
    finite = torch.isfinite(images.sum())  # a NaN or infinity carries over to the sum
    levels = images.clamp_(-1, 1).add_(1).mul_(127.5).round_().to(torch.uint8)
    array = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    if not finite:  # read last: it waits for the graphics card
        raise ArithmeticError("the model gave a picture that is not finite")
    return array


def to_pictures(images: np.ndarray) -> list[Image.Image]:
    """uint8 (n, h, w, c) -> PIL images."""
    return [Image.fromarray(i[..., 0] if i.shape[-1] == 1 else i) for i in images]


def grid(images: np.ndarray, columns: int | None = None, gap: int = 2, background: int = 255) -> np.ndarray:
    """Sample grid: uint8 (n, h, w, c) -> (H, W, c), row by row, about square unless `columns` is given."""
    n, h, w, c = images.shape
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, c), background, np.uint8)
    for i, image in enumerate(images):
        y, x = i // columns * (h + gap), i % columns * (w + gap)
        sheet[y : y + h, x : x + w] = image
    return sheet


def enlarge(picture: Image.Image, target: int) -> Image.Image:
    """Enlarge a small picture to about `target` pixels by an integer factor, without interpolation."""
    factor = max(1, round(target / max(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def save_png(picture: Image.Image, target: str | os.PathLike | IO[bytes], recipe: dict[str, Any] | None = None) -> None:
    """Write a PNG with its recipe in a text chunk."""
    info = PngImagePlugin.PngInfo()
    if recipe is not None:
        info.add_itxt(RECIPE_KEY, json.dumps(recipe, ensure_ascii=False))
    picture.save(target, "PNG", pnginfo=info)


def save_jpeg(picture: Image.Image, target: IO[bytes], recipe: dict[str, Any] | None = None) -> None:
    """Write a JPEG with its recipe as the comment. Raises ValueError for one that a comment cannot hold."""
    comment = b"" if recipe is None else json.dumps({RECIPE_KEY: recipe}, ensure_ascii=False).encode()
    if len(comment) > MAX_COMMENT:
        raise Refusal(
            f"a JPEG holds a recipe of at most {MAX_COMMENT} bytes, not of {len(comment)}: write a .png",
            f"un JPEG contient une recette de {MAX_COMMENT} octets au plus, et non de {len(comment)} : écrivez un .png",
        )
    picture.save(target, "JPEG", quality=95, subsampling=0, comment=comment)


def read_recipe(picture: Image.Image) -> dict[str, Any] | None:
    """The recipe inside a PNG or JPEG of GenStudio, or None. It is untrusted input: check it before use."""
    info = picture.info
    try:
        recipe = json.loads(info[RECIPE_KEY] if RECIPE_KEY in info else info["comment"])
        recipe = recipe if RECIPE_KEY in info else recipe[RECIPE_KEY]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return recipe if isinstance(recipe, dict) else None


# Scale and quality, the best first; the last ones fit even noise into the limit.
FILM_TRIALS = ((1, 85), (1, 70), (1, 55), (1, 40), (1, 25), (0.7, 30), (0.5, 30), (0.35, 20), (0.25, 10))


def save_film(
    frames: Sequence[np.ndarray], path: str | os.PathLike, seconds: float = 6.0, limit: int = 200_000
) -> Path:
    """Write uint8 (H, W, c) frames as a looping WebP of at most `limit` bytes; the last frame is shown 2 s longer."""
    pictures = [Image.fromarray(f[..., 0] if f.shape[-1] == 1 else f).convert("RGB") for f in frames]
    duration = [max(1, round(1000 * seconds / len(pictures)))] * len(pictures)
    duration[-1] += 2000
    for scale, quality in FILM_TRIALS:
        size = [max(1, round(side * scale)) for side in pictures[0].size]
        first, *rest = (p.resize(size, Image.Resampling.LANCZOS) if scale < 1 else p for p in pictures)
        stream = io.BytesIO()
        options = {"duration": duration, "loop": 0, "quality": quality, "method": 6}
        first.save(stream, "WEBP", save_all=True, append_images=rest, **options)
        if stream.tell() <= limit:
            break
    path = Path(path)
    path.write_bytes(stream.getvalue())
    return path


def save_video(frames: Sequence[np.ndarray], path: str | os.PathLike, rate: int = 24) -> Path:
    """Write uint8 (H, W, c) frames as an H.264 MP4, which every browser and slide program plays."""
    import av

    height, width = (side // 2 * 2 for side in frames[0].shape[:2])  # 4:2:0 chroma needs even sides
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16", "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            rgb = np.ascontiguousarray(np.broadcast_to(frame, (*frame.shape[:2], 3))[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    return Path(path)


def save_walk(pictures: np.ndarray, path: str | os.PathLike, target: int = 384, seconds: float = 4.0) -> Path:
    """Write a latent walk uint8 (n, h, w, c), forward and back, as a loop enlarged to about `target` pixels."""
    frames = enlarged(pictures, target)
    return save_loop(frames + frames[-2:0:-1], path, seconds)


def enlarged(pictures: np.ndarray, target: int) -> list[np.ndarray]:
    return [np.asarray(enlarge(p, target).convert("RGB")) for p in to_pictures(pictures)]


def save_loop(frames: Sequence[np.ndarray], path: str | os.PathLike, seconds: float) -> Path:
    """Write uint8 (h, w, 3) frames as a loop: .mp4, or .webp, which a page shows without a player. Raises ValueError
    for any other suffix."""
    path = Path(path)
    if path.suffix == ".mp4":
        return save_video(frames, path, rate=max(1, round(len(frames) / seconds)))
    if path.suffix != ".webp":
        raise ValueError(f"a film is saved as .webp or .mp4, not {path.suffix or path.name!r}")
    first, *rest = (Image.fromarray(f) for f in frames)
    duration = max(1, round(1000 * seconds / len(frames)))
    first.save(path, "WEBP", save_all=True, append_images=rest, duration=duration, loop=0, quality=90, method=1)
    return path
