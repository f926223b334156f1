"""The games that a generator and a critic play: pairs of losses on the critic's logits."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

# -log sigmoid(x) = softplus(-x)  and  -log(1 - sigmoid(x)) = softplus(x)


def critic_logistic(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))), Goodfellow et al. 2014, equation 1."""
    return softplus(-real).mean() + softplus(fake).mean()


def generator_non_saturating(fake: Tensor) -> Tensor:
    """-E log D(G(z)): the same fixed point as the minimax game, with a gradient while D still wins (section 3)."""
    return softplus(-fake).mean()
