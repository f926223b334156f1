"""Time-lapse film of a run: its fixed-seed sample grids, with the discriminator's mean outputs of a GAN below."""

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
    """Write a WebP of at most 200 kB from the sample grids and reports of a run folder. Returns its path."""
    sample_grids = sorted((run / "walls").glob("*.png"))
    lines = run / "reports.jsonl"
    reports = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    curves = {name: [(r["step"], r["terms"][name]) for r in reports if name in r["terms"]] for name in CURVES}
    frames = []
    for file in sample_grids:
        picture = Image.open(file).convert("RGB")
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
        if any(curves.values()):
            picture = _stacked(picture, _plot(curves, int(file.stem), reports[-1]["step"], width))
        frames.append(np.asarray(picture))
    return save_film(frames, path)


def _stacked(top: Image.Image, bottom: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (top.width, top.height + bottom.height), "white")
    sheet.paste(top, (0, 0))
    sheet.paste(bottom, (0, top.height))
    return sheet


def _plot(curves: dict[str, list[tuple[int, float]]], now: int, last: int, width: int) -> Image.Image:
    """Plot of D's mean output on real images, and on fakes before and after its step, up to `now`; log-scaled steps."""
    scale = 2  # supersampling, for smooth lines
    plot = Image.new("RGB", (width * scale, HEIGHT * scale), "white")
    draw = ImageDraw.Draw(plot)
    first = min(points[0][0] for points in curves.values() if points)

    def at(step: int, value: float) -> tuple[float, float]:
        x = math.log(max(step, first) / first) / max(1e-9, math.log(last / first))
        return 6 * scale + x * (width - 12) * scale, (HEIGHT - 8 - value * (HEIGHT - 16)) * scale

    half = at(first, 0.5)[1]
    draw.line([(0, half), (plot.width, half)], fill="#9ca3af", width=scale)  # equilibrium of D and G
    for name, colour in CURVES.items():
        points = [at(step, value) for step, value in curves[name] if step <= now]
        if len(points) > 1:
            draw.line(points, fill=colour, width=scale + 1)
    return plot.resize((width, HEIGHT), Image.Resampling.LANCZOS)
