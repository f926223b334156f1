"""Style mixing, measured by face attributes: fine layers should leave them unchanged, coarse layers should change them.

Karras et al. 2019 (arXiv:1812.04948), section 3.1, show this in figures; here an attribute classifier counts.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from genstudio.model import Model, Noise
from genstudio.scores.intervals import Score, share
from genstudio.scores.network import FeatureNetwork

PAIRS = 1000
FINE_SIDES = 2  # resolutions that count as fine, from the largest down
BATCH = 50


def style_mixing(
    model: Model, judge: FeatureNetwork, device: torch.device, pairs: int = PAIRS
) -> Iterator[tuple[str, Score]]:
    """Shares of pairs of samples: all attributes kept with the other's fine layers, any changed with its coarse ones.

    The first samples have the seeds 0, 1, ..., the second the seeds after them. Only binary attributes count; nothing
    is yielded if the judge has none.
    """
    sides = model.sides()
    fine_sides = sorted(set(sides))[-FINE_SIDES:]
    fine = torch.tensor([side in fine_sides for side in sides], device=device)
    if not attributes(torch.zeros(1, *model.image_shape), judge).numel():
        return
    kept, changed = [], []
    with torch.no_grad():
        for seeds in torch.arange(pairs).split(BATCH):
            own, other = (model.styles(Noise((seeds + start).tolist(), device)) for start in (0, pairs))
            before = attributes(model.synthesize(own), judge)
            other_fine = attributes(model.synthesize(torch.where(fine[:, None], other, own)), judge)
            other_coarse = attributes(model.synthesize(torch.where(fine[:, None], own, other)), judge)
            kept.append((other_fine == before).all(1))
            changed.append((other_coarse != before).any(1))
    yield f"attributes kept by other fine layers ({judge.name})", share(torch.cat(kept))
    yield f"attributes changed by other coarse layers ({judge.name})", share(torch.cat(changed))


def attributes(images: Tensor, judge: FeatureNetwork) -> Tensor:
    """Binary attributes of images, booleans (n, attributes)."""
    found = [v for v in judge.attributes(images.clamp(-1, 1)).values() if v.dtype is torch.bool]
    return torch.stack(found, 1) if found else torch.empty(len(images), 0, dtype=torch.bool)
