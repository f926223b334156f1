"""Time-lapse film of a run: its fixed-seed sample grids, with the discriminator's mean outputs of a GAN below."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from genstudio.images import save_film

COLOURS = {"real": "#2563eb", "fake": "#dc2626", "fake_after": "#f59e0b"}
HEIGHT = 96  # pixels of the plot


def make(run: Path, path: Path, width: int = 400) -> Path:
    """Write a WebP of at most 200 kB from the sample grids and reports of a run folder. Returns its path."""
    sample_grids = sorted((run / "walls").glob("*.png"))
    lines = run / "reports.jsonl"
    reports = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    curves, ends = means(reports)
    frames = []
    for file in sample_grids:
        picture = Image.open(file).convert("RGB")
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
        if any(curves.values()):
            picture = _stacked(picture, _plot(curves, ends, int(file.stem), reports[-1]["step"], width))
        frames.append(np.asarray(picture))
    return save_film(frames, path)


def _stacked(top: Image.Image, bottom: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (top.width, top.height + bottom.height), "white")
    sheet.paste(top, (0, 0))
    sheet.paste(bottom, (0, top.height))
    return sheet


Curves = dict[str, list[tuple[int, float]]]  # (step, mean output) on real images, and on fakes before and after a step


def means(reports: list[dict[str, Any]]) -> tuple[Curves, tuple[float, float]]:
    """Mean outputs of the discriminator, and the range to draw them in: [0, 1] of probabilities; of other outputs, such
    as those of a WGAN, from the lowest to the highest."""
    for form in ("D({})", "critic({})"):
        names = {name: form.format(name) for name in COLOURS}
        curves = {
            name: [(r["step"], r["terms"][term]) for r in reports if term in r["terms"]] for name, term in names.items()
        }
        if values := [value for points in curves.values() for _, value in points]:
            return curves, (0.0, 1.0) if form == "D({})" else (min(values), max(values))
    return {}, (0.0, 1.0)


def _plot(curves: Curves, ends: tuple[float, float], now: int, last: int, width: int) -> Image.Image:
    """Plot of D's mean output on real images, and on fakes before and after its step, up to `now`; log-scaled steps. A
    line marks 1/2 of probabilities, and 0 of other outputs."""
    low, high = ends
    scale = 2  # supersampling, for smooth lines
    plot = Image.new("RGB", (width * scale, HEIGHT * scale), "white")
    draw = ImageDraw.Draw(plot)
    first = min(points[0][0] for points in curves.values() if points)

    def at(step: int, value: float) -> tuple[float, float]:
        x = math.log(max(step, first) / first) / max(1e-9, math.log(last / first))
        y = (value - low) / (high - low or 1)
        return 6 * scale + x * (width - 12) * scale, (HEIGHT - 8 - y * (HEIGHT - 16)) * scale

    middle = 0.5 if ends == (0.0, 1.0) else 0.0  # the equilibrium of D and G, where there is one
    if low <= middle <= high:
        line = at(first, middle)[1]
        draw.line([(0, line), (plot.width, line)], fill="#9ca3af", width=scale)
    for name, colour in COLOURS.items():
        points = [at(step, value) for step, value in curves[name] if step <= now]
        if len(points) > 1:
            draw.line(points, fill=colour, width=scale + 1)
    return plot.resize((width, HEIGHT), Image.Resampling.LANCZOS)
