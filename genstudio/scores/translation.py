"""How faithful a translator is: on pairs held out, its result beside the true picture.

Every number stands beside that of doing nothing: the unchanged picture, or its bicubic enlargement. All pictures are
rounded to bytes first, as files hold them. What is measured depends on what is there and not on names: colour where
sources have none, a trait where a classifier sees it in true pictures and not in sources, levels of noise where the model can
make them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from genstudio.controls import controls
from genstudio.images import from_uint8
from genstudio.model import Batch, Model
from genstudio.scores.distances import frechet
from genstudio.scores.intervals import Score, average, bootstrap, ratio, share
from genstudio.scores.network import Network

Scores = Iterator[tuple[str, Score]]  # each with its name

BATCH = 100
SIGMAS = (15, 25, 50)  # grey levels: the noise that papers on denoising measure at (Zhang et al. 2017, arXiv:1608.03981)
COLOURLESS = 0.2  # of the truth's colourfulness: sources below that are to be coloured
PLAIN = 0.5  # by how much more or fewer of the true pictures than of the sources have a trait, where it is the wish

# What non-local means may choose from at each level of noise: its filter strength h over sigma, and the side of the
# patches that it compares. OpenCV's own choice of 7 pixels is for large photographs; on small ones 3 gain 0.5 dB.
STRENGTHS, PATCHES, WINDOW, TRIALS = (0.4, 0.5, 0.6, 0.7, 0.85), (3, 5, 7), 13, 50


class Way(NamedTuple):
    """A direction that a translator goes."""

    name: str  # ends the names of scores; empty where there is one way only
    sources: Tensor
    truth: Tensor
    controls: dict[str, str]


def translation(model: Model, batch: Batch, judge: Network | None) -> Scores:
    """The scores of a translator on a batch of held-out pictures, (n, c, h, w) in [-1, 1] on the CPU.

    L1, PSNR            to the true picture, on [-1, 1] and in dB, and the same of doing nothing; beside the first its
                        ratio, beside the second its difference
    colourfulness       over the truth's, where the sources have hardly any
    Frechet distance    to the true pictures, in the features of `judge`, and that over the bare sources'
    share of ...        results in which the judge finds the trait, or misses it, that tells the true pictures from the sources
    PSNR at noise ...   beside that of non-local means on the same pictures
    """
    for way in ways(model, batch):
        made = translated(model, way.sources, **way.controls)
        nothing, unchanged = done_nothing(way)
        yield from distances(way, made, nothing, unchanged)
        if colourfulness(nothing).mean() < COLOURLESS * colourfulness(way.truth).mean():
            yield f"colourfulness over the truth's{way.name}", ratio(colourfulness(made), colourfulness(way.truth))
        if judge:
            yield from judged(way, made, nothing, unchanged, judge)
    if hasattr(model, "noisy"):
        for sigma in SIGMAS:
            yield from denoising(model, batch.images, sigma)


def ways(model: Model, batch: Batch) -> list[Way]:
    if (sources := model.sources(batch)) is None:
        raise ValueError("a translation is measured on pairs, and these pictures have none")
    sources = as_bytes(sources)
    if (direction := controls(model.translate).get("direction")) is None:
        return [Way("", sources, batch.images, {})]
    there, back = direction.kind.options
    return [
        Way(f", {there}", sources, batch.images, {"direction": there}),
        Way(f", {back}", batch.images, sources, {"direction": back}),
    ]


def translated(model: Model, images: Tensor, **controls: str) -> Tensor:
    device = next(model.parameters()).device
    with torch.no_grad():
        parts = [model.translate(part.to(device), **controls).float().cpu() for part in images.split(BATCH)]
    return as_bytes(torch.cat(parts))


def done_nothing(way: Way) -> tuple[Tensor, str]:
    """The sources as they are, at the size of the true pictures; and what that is called."""
    if way.sources.shape == way.truth.shape:
        return way.sources, "the unchanged picture"
    larger = interpolate(way.sources, way.truth.shape[2:], mode="bicubic")
    return as_bytes(larger), "bicubic enlargement"


def distances(way: Way, made: Tensor, nothing: Tensor, unchanged: str) -> Scores:
    ours, theirs = absolute_error(made, way.truth), absolute_error(nothing, way.truth)
    yield f"L1 to the truth{way.name}", average(ours)
    yield f"L1 of {unchanged}{way.name}", average(theirs)
    yield f"L1 over that of {unchanged}{way.name}", ratio(ours, theirs)
    ours, theirs = psnr(made, way.truth), psnr(nothing, way.truth)
    yield f"PSNR{way.name} (dB)", average(ours)
    yield f"PSNR of {unchanged}{way.name} (dB)", average(theirs)
    yield f"PSNR above that of {unchanged}{way.name} (dB)", average(ours - theirs)


def judged(way: Way, made: Tensor, nothing: Tensor, unchanged: str, judge: Network) -> Scores:
    """What a network thinks of the results."""
    true, bare = judge(way.truth), judge(nothing)
    distance = bootstrap(frechet, judge(made), true)
    yield f"Frechet distance to the truth{way.name} ({judge.name})", distance
    over = distance.over(max(1e-9, frechet(bare, true)))
    yield f"Frechet distance over that of {unchanged}{way.name} ({judge.name})", over
    if judge.attributes is None:
        return
    pictures = {"results": made, "unchanged pictures": nothing, "true pictures": way.truth}
    found = {kind: {name: v for name, v in judge.attributes(x).items() if v.dtype is torch.bool} for kind, x in pictures.items()}
    for name in found["results"]:
        before, wanted = (found[kind][name].float().mean() for kind in ("unchanged pictures", "true pictures"))
        if (wanted - before).abs() < PLAIN:
            continue
        wish = bool(wanted > before)
        for kind, attributes in found.items():
            what = f"share of {kind} {'with' if wish else 'without'} {name}{way.name} ({judge.name})"
            yield what, share(attributes[name] == wish)


# Measures -------------------------------------------------------------------------------------------------------


def as_bytes(images: Tensor) -> Tensor:
    """Pictures as a file holds them, in 256 levels, still in [-1, 1]."""
    return from_uint8(((images.clamp(-1, 1) + 1) * 127.5).round())


def absolute_error(images: Tensor, others: Tensor) -> Tensor:
    """Mean over the pixels of each picture, on [-1, 1]: (n,)."""
    return (images - others).abs().flatten(1).mean(1)


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """10 log10(255^2 / mean squared difference) of each picture, (n,). What rounding alone does is no difference: equal
    pictures have 58.9 dB, so that a few do not outweigh all others in a mean."""
    error = (127.5 * (images - others)).square().flatten(1).mean(1)
    return 10 * (255**2 / error.clamp_min(1 / 12)).log10()


def colourfulness(images: Tensor) -> Tensor:
    """M^(3) of Hasler and Suesstrunk 2003 (Proc. SPIE 5007), on 256 levels, (n,): 0 is grey, 33 moderate, 109 extreme."""
    red, green, blue = (127.5 * images).flatten(2).unbind(1)
    rg, yb = red - green, 0.5 * (red + green) - blue
    spread = (rg.var(1, correction=0) + yb.var(1, correction=0)).sqrt()
    return spread + 0.3 * (rg.mean(1).square() + yb.mean(1).square()).sqrt()


# Noise ----------------------------------------------------------------------------------------------------------


def denoising(model: Model, images: Tensor, sigma: int) -> Scores:
    """PSNR at one level of noise, beside non-local means at the settings that suit it best."""
    noisy = as_bytes(model.noisy(images, sigma / 127.5))
    ours = psnr(translated(model, noisy), images)
    trials = [(strength * sigma, patch) for strength in STRENGTHS for patch in PATCHES]
    best = max(trials, key=lambda trial: psnr(non_local_means(noisy[:TRIALS], *trial), images[:TRIALS]).mean())
    theirs = psnr(non_local_means(noisy, *best), images)
    yield f"PSNR at noise {sigma} (dB)", average(ours)
    yield f"PSNR of non-local means at noise {sigma} (dB)", average(theirs)
    yield f"PSNR above that of non-local means at noise {sigma} (dB)", average(ours - theirs)


def non_local_means(images: Tensor, strength: float, patch: int) -> Tensor:
    """Buades et al. 2005 (CVPR), by OpenCV: each pixel becomes the mean of those around which a patch looks alike."""
    import cv2

    levels = ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    if levels.shape[3] == 1:
        made = [cv2.fastNlMeansDenoising(image, None, strength, patch, WINDOW)[..., None] for image in levels]
    else:
        made = [cv2.fastNlMeansDenoisingColored(image, None, strength, strength, patch, WINDOW) for image in levels]
    return from_uint8(torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2))
