"""Generated example inputs for translators, so that a demonstration needs no upload.

A drawing by code, a face by one of our own models, and a drawn landscape, degraded as in the training of a restorer.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter

from genstudio import catalog
from genstudio.data.drawings import facades
from genstudio.engine import Engine
from genstudio.images import from_uint8, to_pictures, to_uint8
from genstudio.model import Batch

FINE = 8  # supersampling factor, for antialiasing
FACES = {"dcgan_avatars": 17, "vae_avatars": 33}  # models of faces, the better one first, with a suitable seed
FACADE = "pix2pix_facades"  # a model of facades
DEGRADATION_SEED = 12  # gives noise of about half the maximum


def example(engine: Engine, name: str) -> Image.Image:
    """An example input for a translator: a drawing, a face, a label picture, a facade, or a degraded landscape."""
    loaded = engine.hold(name)
    if loaded.system.takes == "drawings":
        return drawing()
    if loaded.system.takes == "faces":
        return face(engine)
    if loaded.system.takes == "labels":
        return Image.fromarray(facades.painted(facades.EXAMPLES[0]))
    if loaded.model.target_palette and FACADE in catalog.available():
        *_, drawn = engine.translate(FACADE, facades.painted(facades.EXAMPLES[0])[None])
        return Image.fromarray(drawn.images[0])
    images = from_uint8(torch.from_numpy(np.array(landscape())[None]).permute(0, 3, 1, 2))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(DEGRADATION_SEED)
        degraded = loaded.model.sources(Batch(images))
    return to_pictures(to_uint8(images if degraded is None else degraded))[0]


def drawing(side: int = 256) -> Image.Image:
    """A fish, in black lines on white."""
    sheet = Image.new("L", (side * 4, side * 4), 255)
    pen, unit, width = ImageDraw.Draw(sheet), side * 4 / 64, round(side * 4 / 64 * 1.7)

    def at(*points: float) -> list[float]:
        return [unit * p for p in points]

    def curve(*points: tuple[float, float]) -> None:
        """A quadratic Bezier curve through three control points."""
        a, b, c = (np.array(p) for p in points)
        line = [tuple(unit * ((1 - s) ** 2 * a + 2 * s * (1 - s) * b + s**2 * c)) for s in np.linspace(0, 1, 40)]
        pen.line(line, fill=0, width=width, joint="curve")
        for x, y in (line[0], line[-1]):
            pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=0)

    curve((7, 34), (24, 8), (46, 31))  # back
    curve((7, 34), (24, 58), (46, 35))  # belly
    curve((46, 31), (52, 24), (58, 20))  # tail
    curve((46, 35), (52, 42), (58, 46))
    curve((58, 20), (52, 33), (58, 46))
    curve((22, 24), (30, 33), (22, 43))  # gills
    curve((27, 21), (36, 10), (38, 26))  # fins
    curve((29, 45), (34, 52), (37, 41))
    curve((31, 34), (36, 30), (39, 33))
    pen.ellipse(at(13.5, 28, 17.5, 32), outline=0, width=width)
    return sheet.resize((side, side), Image.Resampling.LANCZOS).convert("RGB")


def face(engine: Engine) -> Image.Image:
    """A cartoon face by one of our own models; one drawn by code if no model is installed."""
    here = catalog.available()
    for name, seed in FACES.items():
        if name in here:
            return to_pictures(engine.decode(name, engine.latents(name, [seed])))[0]
    side = 64 * FINE
    sheet = Image.new("RGB", (side, side), "#b8d8e8")
    pen = ImageDraw.Draw(sheet)

    def round_shape(colour: str, *box: float) -> None:
        pen.ellipse([FINE * b for b in box], fill=colour)

    round_shape("#4b2e20", 13, 6, 51, 44)
    round_shape("#3c6ea8", 10, 50, 54, 90)
    round_shape("#e8b796", 17, 12, 47, 52)
    for x in (26, 38):
        round_shape("#222222", x - 2, 29, x + 2, 33)
    pen.arc([FINE * b for b in (26, 34, 38, 44)], 20, 160, fill="#8c3a32", width=FINE)
    return sheet.resize((64, 64), Image.Resampling.LANCZOS)


def landscape(width: int = 192, height: int = 144) -> Image.Image:
    """A synthetic landscape: mountains over a lake in the evening, with noise as texture."""
    random, w, h = np.random.RandomState(7), 2 * width, 2 * height
    y, x = np.mgrid[0:h, 0:w] / np.array([h, w])[:, None, None]

    def rough(octaves: int, scale: float) -> np.ndarray:
        """A ridge along x in [-1, 1], rougher with each octave."""
        waves = [np.sin(2 * np.pi * (scale * 2**k * x[0] + random.rand())) / 1.8**k for k in range(octaves)]
        return sum(waves) / 2

    def mixed(a: tuple, b: tuple, share: np.ndarray) -> np.ndarray:
        return np.array(a) * (1 - share[..., None]) + np.array(b) * share[..., None]

    horizon = 0.62
    land = mixed((74, 120, 190), (252, 196, 140), np.clip(y / horizon, 0, 1) ** 1.4)  # sky
    sun = np.exp(-(((x - 0.68) * w / h) ** 2 + (y - 0.42) ** 2) / 0.0025)
    land = land + sun[..., None] * np.array((90, 80, 40))
    for depth, (top, height_, far, near) in enumerate((
        (0.42, 0.10, (150, 140, 175), (190, 160, 170)),
        (0.50, 0.08, (88, 92, 128), (120, 112, 130)),
        (0.575, 0.03, (40, 62, 58), (58, 84, 62)),
    )):  # fmt: skip
        ridge = top - height_ * rough(7, 0.9 + 0.7 * depth)
        below = (y > ridge) & (y <= horizon)
        noise = 1 + 0.07 * random.randn(h, w)[..., None]
        land = np.where(below[..., None], mixed(far, near, np.clip((y - ridge) / 0.2, 0, 1)) * noise, land)
    mirror = land[np.clip((2 * horizon * h - np.arange(h)).astype(int), 0, h - 1)]
    ripple = 0.82 + 0.10 * np.sin(2 * np.pi * (38 * np.sqrt(np.clip(y - horizon, 0, 1)) + rough(4, 1.3)[None]))
    land = np.where((y > horizon)[..., None], mirror * ripple[..., None] * np.array((0.86, 0.95, 1.04)), land)
    picture = Image.fromarray(land.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
    pen = ImageDraw.Draw(picture)
    for _ in range(26):  # reeds on the near shore
        foot, long = random.randint(-10, w // 3), random.randint(h // 8, h // 3)
        lean = random.randint(-12, 12)
        pen.line([(foot, h), (foot + lean // 3, h - long // 2), (foot + lean, h - long)], fill=(34, 44, 30), width=2)
    boat = [(0.60 * w, 0.74 * h), (0.78 * w, 0.74 * h), (0.745 * w, 0.785 * h), (0.635 * w, 0.785 * h)]
    pen.polygon(boat, fill=(150, 46, 36))
    pen.polygon([(0.69 * w, 0.50 * h), (0.69 * w, 0.725 * h), (0.77 * w, 0.725 * h)], fill=(244, 238, 222))
    pen.polygon([(0.68 * w, 0.55 * h), (0.68 * w, 0.725 * h), (0.63 * w, 0.725 * h)], fill=(226, 214, 190))
    return picture.resize((width, height), Image.Resampling.LANCZOS)
