"""Fidelity of image translators: outputs against the ground truth of held-out pairs.

Every score comes with that of a baseline: the unchanged source, its bicubic enlargement, or the mean colour of each
label. All images are quantized to uint8 first, as in files. The choice of scores depends on the data, not on names:
mean IoU if the targets are label pictures, colourfulness if the sources are grey, attributes if the judge finds them in
targets and not in sources, denoising if the model adds noise itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from genstudio.controls import controls
from genstudio.data import Pictures
from genstudio.images import from_uint8
from genstudio.layers.palette import FACADES
from genstudio.model import Batch, Model
from genstudio.scores.distances import frechet, kernel_distance
from genstudio.scores.intervals import Score, average, bootstrap, ratio, share
from genstudio.scores.network import FeatureNetwork
from genstudio.scores.segmentation import mean_colours, segmentation

Scores = Iterator[tuple[str, Score]]  # each with its name

BATCH = 100
SIGMAS = (15, 25, 50)  # noise in grey levels, as in papers on denoising (Zhang et al. 2017, arXiv:1608.03981)
COLOURLESS = 0.2  # relative to the targets: sources below it are grey
MEAN_COLOUR = "mean colour per label"
SHARED = 0.5  # share of pixels equal in sources and targets, from which translation is to leave those as they are
PLAIN = 0.5  # difference of an attribute's shares in sources and targets, above which translation is to change it

# Grid of settings for non-local means: filter strength h over sigma, and the side of the compared patches. OpenCV's
# default of 7 pixels is for large photographs; on small ones 3 pixels gain 0.5 dB.
STRENGTHS, PATCHES, WINDOW, TRIALS = (0.4, 0.5, 0.6, 0.7, 0.85), (3, 5, 7), 13, 50


class Direction(NamedTuple):
    """A direction of translation, with held-out pairs."""

    name: str  # suffix of the names of scores; empty if there is only one direction
    sources: Tensor
    truth: Tensor
    controls: dict[str, str]


def translation(model: Model, batch: Batch, judge: FeatureNetwork | None, training: Pictures | None = None) -> Scores:
    """Scores of a translator on a batch of held-out images, (n, c, h, w) in [-1, 1] on the CPU.

    mean IoU            if the targets are label pictures, and that of a regression on `training`; nothing else then
    L1, PSNR            to the target, on [-1, 1] and in dB, those of the baseline, and the ratio or difference of both
    L1 where ... equal  on [0, 1], over pixels that source and target share, if these are most pixels
    colourfulness       over that of the targets, if the sources are grey
    Frechet distance    to the targets, in the features of `judge`, and its ratio to that of the baseline
    share of ...        outputs, sources and targets with (or without) an attribute that translation is to change
    PSNR at noise ...   and that of non-local means on the same images
    """
    for direction in directions(model, batch):
        made = translated(model, direction.sources, **direction.controls)
        if FACADES.covers(direction.truth):
            yield from segmentation(FACADES, made, direction.truth, direction.sources, training)
            continue
        nothing, unchanged = baseline(direction, training)
        yield from distances(direction, made, nothing, unchanged)
        if unchanged != MEAN_COLOUR and (equal := (nothing == direction.truth).all(1)).float().mean() > SHARED:
            yield f"L1 where source and truth are equal, on [0, 1]{direction.name}", average(error_within(made, direction.truth, equal))
        if colourfulness(nothing).mean() < COLOURLESS * colourfulness(direction.truth).mean():
            yield (
                f"colourfulness over the truth's{direction.name}",
                ratio(colourfulness(made), colourfulness(direction.truth)),
            )
        if judge:
            yield from feature_scores(direction, made, nothing, unchanged, judge)
            if unchanged == MEAN_COLOUR and training is not None:
                yield from photographs(direction, made, nothing, training, judge)
    if hasattr(model, "noisy"):
        for sigma in SIGMAS:
            yield from denoising(model, batch.images, sigma)


def directions(model: Model, batch: Batch) -> list[Direction]:
    """Directions of a translator, one or two. Raises ValueError if the batch has no pairs."""
    if (sources := model.sources(batch)) is None:
        raise ValueError("a translation is measured on pairs, and these pictures have none")
    sources = as_bytes(sources)
    if (direction := controls(model.translate).get("direction")) is None:
        return [Direction("", sources, batch.images, {})]
    there, back = direction.kind.options
    return [
        Direction(f", {there}", sources, batch.images, {"direction": there}),
        Direction(f", {back}", batch.images, sources, {"direction": back}),
    ]


def translated(model: Model, images: Tensor, **controls: str) -> Tensor:
    """Outputs for images (n, c, h, w), quantized, on the CPU."""
    device = next(model.parameters()).device
    with torch.no_grad():
        parts = [model.translate(part.to(device), **controls).float().cpu() for part in images.split(BATCH)]
    return as_bytes(torch.cat(parts))


def baseline(direction: Direction, training: Pictures | None = None) -> tuple[Tensor, str]:
    """The baseline, sources at the size of the targets, and its name in scores."""
    if training is not None and training.paired and FACADES.covers(direction.sources):
        colours = mean_colours(FACADES, training)[FACADES.nearest(direction.sources)]
        return as_bytes(colours.movedim(-1, 1)), MEAN_COLOUR
    if direction.sources.shape == direction.truth.shape:
        return direction.sources, "the unchanged picture"
    larger = interpolate(direction.sources, direction.truth.shape[2:], mode="bicubic")
    return as_bytes(larger), "bicubic enlargement"


def distances(direction: Direction, made: Tensor, nothing: Tensor, unchanged: str) -> Scores:
    """L1 and PSNR of outputs and baseline."""
    ours, theirs = absolute_error(made, direction.truth), absolute_error(nothing, direction.truth)
    yield f"L1 to the truth{direction.name}", average(ours)
    yield f"L1 of {unchanged}{direction.name}", average(theirs)
    yield f"L1 over that of {unchanged}{direction.name}", ratio(ours, theirs)
    ours, theirs = psnr(made, direction.truth), psnr(nothing, direction.truth)
    yield f"PSNR{direction.name} (dB)", average(ours)
    yield f"PSNR of {unchanged}{direction.name} (dB)", average(theirs)
    yield f"PSNR above that of {unchanged}{direction.name} (dB)", average(ours - theirs)


def feature_scores(
    direction: Direction, made: Tensor, nothing: Tensor, unchanged: str, judge: FeatureNetwork
) -> Scores:
    """Frechet distance and attributes of the outputs, in features of the judge."""
    true, bare = judge(direction.truth), judge(nothing)
    distance = bootstrap(frechet, judge(made), true)
    yield f"Frechet distance to the truth{direction.name} ({judge.name})", distance
    over = distance.over(max(1e-9, frechet(bare, true)))
    yield f"Frechet distance over that of {unchanged}{direction.name} ({judge.name})", over
    if judge.attributes is None:
        return
    pictures = {"results": made, "unchanged pictures": nothing, "true pictures": direction.truth}
    found = {of: {k: v for k, v in judge.attributes(x).items() if v.dtype is torch.bool} for of, x in pictures.items()}
    for name in found["results"]:
        before, wanted = (found[of][name].float().mean() for of in ("unchanged pictures", "true pictures"))
        if (wanted - before).abs() < PLAIN:
            continue
        target = bool(wanted > before)
        for of, attributes in found.items():
            what = f"share of {of} {'with' if target else 'without'} {name}{direction.name} ({judge.name})"
            yield what, share(attributes[name] == target)


def photographs(
    direction: Direction, made: Tensor, nothing: Tensor, training: Pictures, judge: FeatureNetwork
) -> Scores:
    """Distances from photographs drawn from labels, and from as many real ones, to the true ones."""
    true, ours, plain = (judge(images) for images in (direction.truth, made, nothing))
    order = torch.randperm(len(training), generator=torch.Generator().manual_seed(0))[: len(true)]
    real, suffix = judge(from_uint8(training.images[order])), f"{direction.name} ({judge.name})"
    yield f"Frechet distance of training pictures{suffix}", bootstrap(frechet, real, true)
    yield f"kernel distance to the truth{suffix}", kernel_distance(ours, true)
    yield f"kernel distance of {MEAN_COLOUR}{suffix}", kernel_distance(plain, true)
    yield f"kernel distance of training pictures{suffix}", kernel_distance(real, true)


# Measures -------------------------------------------------------------------------------------------------------


def as_bytes(images: Tensor) -> Tensor:
    """Quantize images in [-1, 1] to 256 levels, as in files."""
    return from_uint8(((images.clamp(-1, 1) + 1) * 127.5).round())


def absolute_error(images: Tensor, others: Tensor) -> Tensor:
    """Mean absolute error of each image over its pixels, on [-1, 1]: (n,)."""
    return (images - others).abs().flatten(1).mean(1)


def error_within(images: Tensor, others: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error on [0, 1] of each image over the pixels of a mask (n, h, w): (n,), 0 without any."""
    error = (images - others).abs().mean(1) / 2
    return (error * mask).sum((1, 2)) / mask.sum((1, 2)).clamp_min(1)


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """Peak signal-to-noise ratio 10 log10(255^2 / MSE) of each image, in dB: (n,).

    The MSE is at least 1/12, that of rounding: equal images have 58.9 dB, so that a few do not dominate a mean.
    """
    error = (127.5 * (images - others)).square().flatten(1).mean(1)
    return 10 * (255**2 / error.clamp_min(1 / 12)).log10()


def colourfulness(images: Tensor) -> Tensor:
    """Colourfulness M^(3) (Hasler and Suesstrunk 2003, Proc. SPIE 5007), on 256 levels, (n,): 0 grey, 33 moderate, 109
    extreme."""
    red, green, blue = (127.5 * images).flatten(2).unbind(1)
    rg, yb = red - green, 0.5 * (red + green) - blue
    deviation = (rg.var(1, correction=0) + yb.var(1, correction=0)).sqrt()
    return deviation + 0.3 * (rg.mean(1).square() + yb.mean(1).square()).sqrt()


# Denoising ------------------------------------------------------------------------------------------------------


def denoising(model: Model, images: Tensor, sigma: int) -> Scores:
    """PSNR at a noise level `sigma`, in grey levels, and that of non-local means at its best settings."""
    noisy = as_bytes(model.noisy(images, sigma / 127.5))
    ours = psnr(translated(model, noisy), images)
    trials = [(strength * sigma, patch) for strength in STRENGTHS for patch in PATCHES]
    best = max(trials, key=lambda trial: psnr(non_local_means(noisy[:TRIALS], *trial), images[:TRIALS]).mean())
    theirs = psnr(non_local_means(noisy, *best), images)
    yield f"PSNR at noise {sigma} (dB)", average(ours)
    yield f"PSNR of non-local means at noise {sigma} (dB)", average(theirs)
    yield f"PSNR above that of non-local means at noise {sigma} (dB)", average(ours - theirs)


def non_local_means(images: Tensor, strength: float, patch: int) -> Tensor:
    """Denoise with OpenCV's non-local means (Buades et al. 2005, CVPR): average pixels whose patches are similar."""
    import cv2

    levels = ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    if levels.shape[3] == 1:
        made = [cv2.fastNlMeansDenoising(image, None, strength, patch, WINDOW)[..., None] for image in levels]
    else:
        made = [cv2.fastNlMeansDenoisingColored(image, None, strength, strength, patch, WINDOW) for image in levels]
    return from_uint8(torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2))
