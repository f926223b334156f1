"""The games that a generator and a critic play: pairs of losses on the critic's logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus


class Game(NamedTuple):
    """What falls for each side."""

    critic: Callable[[Tensor, Tensor], Tensor]  # of the logits of real and of fake pictures
    generator: Callable[[Tensor], Tensor]  # of the logits of fake ones

# -log sigmoid(x) = softplus(-x)  and  -log(1 - sigmoid(x)) = softplus(x)


def critic_logistic(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))), Goodfellow et al. 2014, equation 1."""
    return softplus(-real).mean() + softplus(fake).mean()


def generator_non_saturating(fake: Tensor) -> Tensor:
    """-E log D(G(z)): the same fixed point as the minimax game, with a gradient while D still wins (section 3)."""
    return softplus(-fake).mean()


def critic_least_squares(real: Tensor, fake: Tensor) -> Tensor:
    """E (D(x) - 1)^2 / 2 + E D(G(z))^2 / 2, Mao et al. 2017 (arXiv:1611.04076), equation 9."""
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def generator_least_squares(fake: Tensor) -> Tensor:
    """E (D(G(z)) - 1)^2 / 2: pulls fakes towards the border even where D is already fooled."""
    return 0.5 * (fake - 1).square().mean()


def critic_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))), Lim and Ye 2017 (arXiv:1705.02894): what is told apart well enough is let be."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """-E D(G(z))."""
    return -fake.mean()


LOGISTIC = Game(critic_logistic, generator_non_saturating)
LEAST_SQUARES = Game(critic_least_squares, generator_least_squares)


# Regularizers ---------------------------------------------------------------------------------------------------


def r1(real: Tensor, images: Tensor) -> Tensor:
    """E |grad D(x)|^2 on the real pictures that these logits are of, Mescheder et al. 2018 (arXiv:1801.04406), equation 9,
    without its gamma / 2. A critic that is flat where pictures are real lets a generator rest once it has come there."""
    [slope] = torch.autograd.grad(real.sum(), images, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()


def path_lengths(images: Tensor, w: Tensor) -> Tensor:
    """|J' y| for pictures (n, c, h, w) of styles w (n, layers, d) and random pictures y: (n,), Karras et al. 2020
    (arXiv:1912.04958), equation 4. Where all are equal, a step in w is a step of one size in the picture."""
    y = torch.randn_like(images) / (images.shape[2] * images.shape[3]) ** 0.5
    [slope] = torch.autograd.grad((images * y).sum(), w, create_graph=True)
    return slope.square().sum(2).mean(1).sqrt()


def watch(**logits: Tensor) -> dict[str, Tensor]:
    """D's mean verdict as a probability, shown beside the losses: 1/2 where critic and generator are even."""
    return {f"D({name})": torch.sigmoid(x.detach()).mean() for name, x in logits.items()}
