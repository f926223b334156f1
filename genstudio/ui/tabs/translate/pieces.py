"""HTML of the Translate tab: comparison of input and output, tiles, the visitor's picture, the camera button."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from PIL import Image

from genstudio.images import save_png
from genstudio.ui.assets import asset
from genstudio.ui.tabs.translate import words as w

EXACT = 512  # longest side of pictures shown in full; larger ones are shown as a smaller copy
SHOWN = 1280  # longer side of the copy, in pixels

# Comparison slider: the handle follows mouse, finger and arrow keys, and stays in place when the pictures change.
COMPARE = asset("compare.js")

# The camera's picture is uploaded like a file. A hidden stream is stopped.
CAMERA = asset("camera.js")


def uri(image: np.ndarray, recipe: dict | None = None) -> str:
    """Encode a uint8 (h, w, 3) picture as a data URI: a small one with its recipe, else a reduced copy."""
    picture, stream = Image.fromarray(image), io.BytesIO()
    if max(picture.size) <= EXACT:
        save_png(picture, stream, recipe)
        return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    picture.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS, reducing_gap=2.0)
    picture.save(stream, "JPEG", quality=90, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def image(image: np.ndarray, alt: str, recipe: dict | None = None) -> str:
    """Image element; small pictures are enlarged without smoothing."""
    css = ' class="pixels"' if max(image.shape[:2]) <= EXACT else ""
    return f'<img{css} src="{uri(image, recipe)}" alt="{escape(alt, quote=True)}" decoding="sync">'


def compare(before: np.ndarray, after: np.ndarray, recipe: dict, href: str, filename: str, label: str, lang: str) -> str:
    """Comparison slider with `before` left, `after` right of the handle. href: URL of the result, empty if inline."""
    height, width = after.shape[:2]
    first, second = (text.say(lang) for text in (w.BEFORE, w.AFTER))
    made = image(after, second, recipe)
    href = href or made.partition('src="')[2].partition('"')[0]
    return (
        f'<div class="compare" data-compare tabindex="0" role="slider" aria-valuemin="0" aria-valuemax="100" aria-valuenow="-1"'
        f' aria-label="{escape(w.COMPARE.say(lang), quote=True)}" style="--ratio:{width / height:.4f}">'
        f'{image(before, first)}<div class="after">{made}</div><i class="handle"></i>'
        f'<span class="tag">{first}</span><span class="tag right">{second}</span>'
        f'<a class="download" href="{escape(href, quote=True)}" download="{escape(filename, quote=True)}"'
        f' title="{escape(label, quote=True)}" aria-label="{escape(label, quote=True)}">↓</a></div>'
    )


def tiles(figures: list[tuple[np.ndarray, str, str]]) -> str:
    """Pictures side by side: (picture, name, note)."""
    body = "".join(
        f"<figure>{image(picture, name)}<figcaption><b>{escape(name)}</b> {escape(note)}</figcaption></figure>"
        for picture, name, note in figures
    )
    return f'<div class="tiles">{body}</div>'


def source(picture: np.ndarray, own: bool, lang: str) -> str:
    """The visitor's picture, or the example in its place."""
    title = (w.PICTURE if own else w.EXAMPLE).say(lang)
    return f'<h3>{title}</h3>{image(picture, title)}<p class="legend">{w.HOW.say(lang)}</p>'


def camera(upload: str, lang: str) -> str:
    """Button that opens the camera and then takes the picture, uploaded to the button `upload`."""
    take, opened, refused = (escape(text.say(lang), quote=True) for text in (w.TAKE, w.CAMERA, w.NO_CAMERA))
    return (
        f'<div class="camera"></div><button class="plain" data-camera="{upload}" data-take="{take}" data-open="{opened}"'
        f' data-refused="{refused}">{opened}</button>'
    )


def thumbnail(before: np.ndarray, after: np.ndarray, side: int = 104) -> np.ndarray:
    """Picture of a card: left half before, right half after."""
    squares = []
    for image in (before, after):
        picture = Image.fromarray(image)
        edge, (width, height) = min(picture.size), picture.size
        box = ((width - edge) // 2, (height - edge) // 2, (width + edge) // 2, (height + edge) // 2)
        squares.append(np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC, box=box)))
    made = np.concatenate([squares[0][:, : side // 2], squares[1][:, side // 2 :]], 1)
    made[:, side // 2 - 1 : side // 2 + 1] = 255
    return made
