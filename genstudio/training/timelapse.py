"""The film "how it learned": the fixed-seed wall over the course of a run, and a GAN's game below it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from genstudio.images import save_film

CURVES = {"D(real)": "#2563eb", "D(fake)": "#dc2626", "D(fake_after)": "#f59e0b"}
HEIGHT = 96  # pixels of the plot


def make(run: Path, path: Path, width: int = 400) -> Path:
    """A WebP of at most 200 kB from the walls and reports of a run folder."""
    walls = sorted((run / "walls").glob("*.png"))
    lines = run / "reports.jsonl"
    reports = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    curves = {name: [(r["step"], r["terms"][name]) for r in reports if name in r["terms"]] for name in CURVES}
    frames = []
    for wall in walls:
        picture = Image.open(wall).convert("RGB")
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
        if any(curves.values()):
            picture = _stacked(picture, _plot(curves, int(wall.stem), reports[-1]["step"], width))
        frames.append(np.asarray(picture))
    return save_film(frames, path)


def _stacked(top: Image.Image, bottom: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (top.width, top.height + bottom.height), "white")
    sheet.paste(top, (0, 0))
    sheet.paste(bottom, (0, top.height))
    return sheet


def _plot(curves: dict[str, list[tuple[int, float]]], now: int, last: int, width: int) -> Image.Image:
    """D's mean verdict on real pictures and on fakes before and after its step, up to `now`, on a logarithmic axis."""
    scale = 2  # drawn twice as large, then reduced, for smooth lines
    plot = Image.new("RGB", (width * scale, HEIGHT * scale), "white")
    draw = ImageDraw.Draw(plot)
    first = min(points[0][0] for points in curves.values() if points)

    def at(step: int, value: float) -> tuple[float, float]:
        x = math.log(max(step, first) / first) / max(1e-9, math.log(last / first))
        return 6 * scale + x * (width - 12) * scale, (HEIGHT - 8 - value * (HEIGHT - 16)) * scale

    half = at(first, 0.5)[1]
    draw.line([(0, half), (plot.width, half)], fill="#9ca3af", width=scale)  # where critic and generator are even
    for name, colour in CURVES.items():
        points = [at(step, value) for step, value in curves[name] if step <= now]
        if len(points) > 1:
            draw.line(points, fill=colour, width=scale + 1)
    return plot.resize((width, HEIGHT), Image.Resampling.LANCZOS)
