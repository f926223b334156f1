"""Adaptive discriminator augmentation (ADA), of a strength that follows the critic's overfitting.

Karras et al. 2020 (arXiv:2006.06676). `augmentation.py` augments all images; here each augmentation is applied with
probability p. With p < 1 it does not leak: the generator can infer the distribution without it (section 2.2). p rises
and falls with the sign of the critic's logits on real images.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genstudio.objectives.augmentation import brightness, contrast, cutout, saturation, translation

CHANGES = (brightness, saturation, contrast, translation, cutout)
SPEED = 500_000  # images in which p can rise from 0 to 1: section 3, and the authors' code
MEMORY = 4  # batches over which r_t is averaged


class AdaptiveAugmentation(nn.Module):
    """target: of r_t = E sign D(real), 0.6 in the paper; at 0 there is no overfitting, at 1 it is complete."""

    def __init__(self, target: float = 0.6):
        super().__init__()
        self.target = target
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("sign", torch.zeros(()))  # r_t

    def forward(self, images: Tensor) -> Tensor:
        for change in CHANGES:
            applied = torch.rand(len(images), 1, 1, 1, device=images.device) < self.p
            images = torch.where(applied, change(images.float()).to(images.dtype), images)
        return images

    @torch.no_grad()
    def heed(self, real: Tensor) -> None:
        """Adjust p by the critic's logits (n, 1) on real images."""
        self.sign.lerp_(real.sign().mean(), 1 / MEMORY)
        self.p.add_((self.sign - self.target).sign() * len(real) / SPEED).clamp_(0, 1)
