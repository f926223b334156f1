"""Networks without convolutions, and networks that are conditioned on a number."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


def dense(*features: int) -> nn.Sequential:
    """Linear layers (n, features[0]) -> (n, features[-1]), with SiLU between them."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(zip(features, features[1:], strict=False)):
        layers += [nn.SiLU()] if i else []
        layers.append(nn.Linear(a, b))
    return nn.Sequential(*layers)


class Modulation(nn.Module):
    """Scale and shift of features by a number (Perez et al. 2018, arXiv:1709.07871), initially the identity."""

    def __init__(self, features: int, hidden: int = 32):
        super().__init__()
        self.network = dense(1, hidden, 2 * features)
        nn.init.zeros_(self.network[-1].weight)
        nn.init.zeros_(self.network[-1].bias)

    def forward(self, x: Tensor, number: Tensor) -> Tensor:
        """x: (n, features); number: (n,), of about [0, 1]."""
        scale, shift = self.network(number[:, None]).chunk(2, dim=1)
        return x * (1 + scale) + shift


class ConditionedDense(nn.Module):
    """`dense` whose hidden layers are modulated by a number."""

    def __init__(self, features: Sequence[int]):
        super().__init__()
        pairs = zip(features, features[1:], strict=False)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.modulations = nn.ModuleList(Modulation(b) for b in features[1:-1])

    def forward(self, x: Tensor, number: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer, modulation in zip(hidden, self.modulations, strict=True):
            x = nn.functional.silu(modulation(layer(x), number))
        return last(x)
