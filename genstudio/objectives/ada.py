"""Adaptive augmentation: pictures are changed for the critic as often as it knows them by heart (Karras et al. 2020,
arXiv:2006.06676). `augmentation.py` changes all of them always; here each change befalls a picture with probability p.

A change that leaves enough pictures alone does not leak: the generator can tell which pictures are behind the mixture
(section 2.2). p follows a sign of overtraining: how far the critic sets real pictures apart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genstudio.objectives.augmentation import brightness, contrast, cutout, saturation, translation

CHANGES = (brightness, saturation, contrast, translation, cutout)
SPEED = 500_000  # pictures in which p may go from 0 to 1: section 3, and the authors' code
MEMORY = 4  # batches that the sign is averaged over


class AdaptiveAugmentation(nn.Module):
    """target: what r_t = E sign D(real) is to be. 0.6 is the paper's; at 0 a critic cannot tell, at 1 it knows all."""

    def __init__(self, target: float = 0.6):
        super().__init__()
        self.target = target
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("sign", torch.zeros(()))  # r_t

    def forward(self, images: Tensor) -> Tensor:
        for change in CHANGES:
            befalls = torch.rand(len(images), 1, 1, 1, device=images.device) < self.p
            images = torch.where(befalls, change(images.float()).to(images.dtype), images)
        return images

    @torch.no_grad()
    def heed(self, real: Tensor) -> None:
        """Moves p by what the critic says (n, 1) of real pictures."""
        self.sign.lerp_(real.sign().mean(), 1 / MEMORY)
        self.p.add_((self.sign - self.target).sign() * len(real) / SPEED).clamp_(0, 1)
