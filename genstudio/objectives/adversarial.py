"""Adversarial games of a generator and a critic (discriminator): pairs of losses on the critic's logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus


class Game(NamedTuple):
    """The losses of both sides."""

    critic: Callable[[Tensor, Tensor], Tensor]  # of the logits of real and of fake images
    generator: Callable[[Tensor], Tensor]  # of the logits of fake images


# -log sigmoid(x) = softplus(-x)  and  -log(1 - sigmoid(x)) = softplus(x)
def critic_logistic(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))), Goodfellow et al. 2014, equation 1."""
    return softplus(-real).mean() + softplus(fake).mean()


def generator_non_saturating(fake: Tensor) -> Tensor:
    """-E log D(G(z)), Goodfellow et al. 2014, section 3: the fixed point of the minimax game, without its vanishing
    gradient."""
    return softplus(-fake).mean()


def critic_least_squares(real: Tensor, fake: Tensor) -> Tensor:
    """E (D(x) - 1)^2 / 2 + E D(G(z))^2 / 2, Mao et al. 2017 (arXiv:1611.04076), equation 9."""
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def generator_least_squares(fake: Tensor) -> Tensor:
    """E (D(G(z)) - 1)^2 / 2: pulls fakes towards the decision boundary, from the real side of it too."""
    return 0.5 * (fake - 1).square().mean()


def critic_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))), Lim and Ye 2017 (arXiv:1705.02894): no gradient beyond the margin."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """-E D(G(z))."""
    return -fake.mean()


LOGISTIC = Game(critic_logistic, generator_non_saturating)
LEAST_SQUARES = Game(critic_least_squares, generator_least_squares)


# Regularizers ---------------------------------------------------------------------------------------------------


def r1(real: Tensor, images: Tensor) -> Tensor:
    """E |grad D(x)|^2 on real images with logits `real`, Mescheder et al. 2018 (arXiv:1801.04406), equation 9, without
    gamma / 2. A critic that is flat at real images makes the equilibrium stable."""
    [gradient] = torch.autograd.grad(real.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


def path_lengths(images: Tensor, w: Tensor) -> Tensor:
    """|J' y| (n,) for images (n, c, h, w) of styles w (n, layers, d) and random images y, Karras et al. 2020
    (arXiv:1912.04958), equation 4. Where all are equal, a step in w changes the image by a fixed amount."""
    y = torch.randn_like(images) / (images.shape[2] * images.shape[3]) ** 0.5
    [gradient] = torch.autograd.grad((images * y).sum(), w, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def watch(**logits: Tensor) -> dict[str, Tensor]:
    """Mean of D as a probability, logged beside the losses: 1/2 at the equilibrium."""
    return {f"D({name})": torch.sigmoid(x.detach()).mean() for name, x in logits.items()}
