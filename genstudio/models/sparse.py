"""Auto-encoders of one linear layer, and what keeps one with many units from learning the identity: sparse codes.

With few units it is PCA (Baldi and Hornik 1989, doi:10.1016/0893-6080(89)90014-2), with as many as pixels the identity.
A sparse code lets few units be active: the k largest (Makhzani and Frey 2013, arXiv:1312.5663), or a share rho on
average (Ng 2011, lecture notes CS294A).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Annotated

import torch
from torch import Tensor, nn

from genstudio.controls import Refusal, Slider, Text, Truncation, french
from genstudio.layers.dense import Modulation
from genstudio.model import Batch, Progress
from genstudio.models.fitted_prior import FittedPrior
from genstudio.objectives.likelihood import bernoulli, kl_of_activation
from genstudio.system import Range, Recipe, system


class LinearAutoEncoder(FittedPrior):
    """Linear auto-encoder with tied weights: z = W x + b, and x = W' z + c, for pixels x in [0, 1].

    With few units its best subspace is that of PCA. With as many units as pixels nothing is lost: it learns the
    identity on all that training images span, and reconstructs noise as well as digits.
    """

    def __init__(self, image_shape: tuple[int, int, int], units: int):
        super().__init__()
        self.image_shape, self.units = image_shape, units
        pixels = math.prod(image_shape)
        self.weight = nn.Parameter(torch.empty(units, pixels))
        nn.init.normal_(self.weight, std=0.01)  # of units that begin small, PCA's directions are learned first
        self.bias = nn.Parameter(torch.zeros(units))
        self.offset = nn.Parameter(torch.zeros(pixels))
        self.begin_prior(units, components=1, independent=units >= pixels)

    # verbs

    def encode(self, images: Tensor) -> Tensor:
        """All of W x + b, before any selection."""
        return nn.functional.linear((images.flatten(1) + 1) / 2, self.weight, self.bias).float()

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        return self.reconstruct(self.truncated(latents, truncation)).clamp(-1, 1)

    def truncated(self, latents: Tensor, truncation: float) -> Tensor:
        return self.prior_mean + (latents - self.prior_mean) * truncation

    def reconstruct(self, latents: Tensor) -> Tensor:
        """Images of latents, not clipped to [-1, 1]."""
        pixels = nn.functional.linear(latents.to(self.weight.dtype), self.weight.T, self.offset)
        return 2 * pixels.float().reshape(-1, *self.image_shape) - 1

    # training

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        output = self.reconstruct(self.encode(batch.images))
        yield "model", {"squared error": (output - batch.images).square().mean()}

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        self.fit_prior(batches, held_out, lambda images: (latents := self.encode(images), torch.zeros_like(latents)))


# k-sparse -------------------------------------------------------------------------------------------------------

UNITS, ACTIVE = 1000, 25
ANNEALED = 8  # times as many units are active at first: of few, most would never be among the largest
PROBED = 3  # times as many units are active in the code of a classifier: the paper's alpha

Active = Annotated[
    int,
    Slider(
        1,
        UNITS,
        1,
        most="units",
        title=Text("Active units k", "Unités actives k"),
        hint=Text(
            f"The k largest activations stay, and all others are 0. Trained with {ACTIVE}.",
            f"Les k plus fortes activations restent, les autres sont mises à 0. Entraîné avec {ACTIVE}.",
        ),
    ),
]


def largest(activations: Tensor, k: int) -> Tensor:
    """The k largest of each row (n, units), and 0 in place of the others. Raises ValueError for k out of range."""
    units = activations.shape[1]
    if not 1 <= k <= units:
        raise Refusal(
            f"active must lie between 1 and the {units} units, not {k}",
            f"« Unités actives k » : de 1 aux {units} unités, et non {k}",
        )
    values, places = activations.topk(k, dim=1)
    return torch.zeros_like(activations).scatter(1, places, values)


class KSparseAutoEncoder(LinearAutoEncoder):
    """The over-complete auto-encoder whose only nonlinearity is the selection of the `active` largest activations."""

    def __init__(self, image_shape: tuple[int, int, int], units: int, active: int):
        super().__init__(image_shape, units)
        if not 1 <= active <= units:
            raise ValueError(f"active must lie between 1 and the {units} units, not {active}")
        self.active = active

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0, active: Active = ACTIVE) -> Tensor:
        return self.reconstruct(largest(self.truncated(latents, truncation), active)).clamp(-1, 1)

    def activations(self, images: Tensor) -> Tensor:
        """The code that a classifier reads, (n, units)."""
        return largest(self.encode(images), min(self.units, PROBED * self.active))

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        output = self.reconstruct(largest(self.encode(batch.images), self.active_at(progress)))
        yield "model", {"squared error": (output - batch.images).square().mean()}

    def active_at(self, progress: Progress) -> int:
        """Units active in training: from ANNEALED times as many linearly to their number in the first half of a run."""
        left = max(0.0, 1 - 2 * progress.images / max(1, progress.of))
        return min(self.units, round(self.active * (1 + (ANNEALED - 1) * left)))


# KL-sparse ------------------------------------------------------------------------------------------------------

RHO = 0.05
LEAST_RHO, MOST_RHO = 0.02, 0.5

Rho = Annotated[
    float,
    Slider(
        LEAST_RHO,
        MOST_RHO,
        0.01,
        title=Text("Mean activation ρ", "Activation moyenne ρ"),
        hint=Text(
            "The share to which KL(ρ‖mean activation) of each unit pulls. It is learned for all ρ at once.",
            "La valeur vers laquelle tire KL(ρ‖activation moyenne) de chaque unité. Appris pour tous les ρ à la fois.",
        ),
    ),
]


class KLSparseAutoEncoder(FittedPrior):
    """Auto-encoder with one layer of sigmoid units whose mean activation over a batch is drawn to rho.

    Encoder and decoder are conditioned on rho, which is drawn for each batch of training, so that it can be moved
    afterwards. weight: of the sum over units of KL(rho || mean activation), beside the cross entropy in nats.
    """

    def __init__(self, image_shape: tuple[int, int, int], units: int, weight: Annotated[float, Range(0, 1000)] = 10.0):
        super().__init__()
        self.image_shape, self.units, self.weight = image_shape, units, weight
        pixels = math.prod(image_shape)
        self.encoder, self.decoder = nn.Linear(pixels, units), nn.Linear(units, pixels)
        self.inner, self.outer = Modulation(units), Modulation(units)
        self.active = max(1, round(RHO * units))  # of its units, on average
        self.begin_prior(units, components=1, independent=True)

    # verbs

    def encode(self, images: Tensor, *, rho: Rho = RHO) -> Tensor:
        """Activations (n, units) in (0, 1)."""
        condition = conditions_of(rho, len(images), images)
        return torch.sigmoid(self.inner(self.encoder(images.flatten(1)), condition).float())

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0, rho: Rho = RHO) -> Tensor:
        latents = (self.prior_mean + (latents - self.prior_mean) * truncation).clamp(0, 1)
        return torch.tanh(self.output(latents, rho))

    def activations(self, images: Tensor) -> Tensor:
        return self.encode(images)

    def output(self, latents: Tensor, rho: Tensor | float) -> Tensor:
        """Half of the logits of pixels (n, c, h, w)."""
        condition = conditions_of(rho, len(latents), latents)
        return self.decoder(self.outer(latents, condition)).reshape(-1, *self.image_shape)

    # training

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The cross entropy and the sparsity penalty, at the rho of the batch's conditions, else at one drawn
        log-uniformly."""
        if (given := batch.conditions.get("rho")) is not None:
            rho = check_rho(given[0].item())
        else:
            low, high = math.log(LEAST_RHO), math.log(MOST_RHO)
            rho = math.exp(low + (high - low) * torch.rand(()).item())
        latents = self.encode(batch.images, rho=rho)
        output = self.output(latents, rho).float()
        penalty = kl_of_activation(rho, latents.mean(0)).sum()
        yield "model", {
            "cross entropy": -bernoulli(2 * output, (batch.images + 1) / 2).mean(),
            "sparsity": self.weight * penalty,
            "squared error": (torch.tanh(output.detach()) - batch.images).square().mean(),
        }

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        self.fit_prior(batches, held_out, lambda images: (latents := self.encode(images), torch.zeros_like(latents)))


def conditions_of(rho: float, count: int, like: Tensor) -> Tensor:
    """Inputs (n,) of the modulations in [0, 1]: the logarithm of rho between its bounds."""
    low, high = math.log(LEAST_RHO), math.log(MOST_RHO)
    return torch.full((count,), (math.log(rho) - low) / (high - low), device=like.device)


def check_rho(rho: float) -> float:
    """Raise ValueError for a rho out of range."""
    if not LEAST_RHO <= rho <= MOST_RHO:
        raise Refusal(
            f"rho must lie between {LEAST_RHO} and {MOST_RHO}, not {rho:g}",
            f"rho : de {french(LEAST_RHO)} à {french(MOST_RHO)}, et non {french(rho)}",
        )
    return rho


# Systems --------------------------------------------------------------------------------------------------------


@system(
    title=Text("Auto-encoder · linear (PCA) · digits · 28 px", "Auto-encodeur · linéaire (ACP) · chiffres · 28 px"),
    data="mnist",
    recipe=Recipe(images=1_000_000, batch=128, rate=1e-3, warmup=20_000, ema=0.999),
)
def ae_linear_mnist() -> LinearAutoEncoder:
    """A linear auto-encoder with 16 units: its subspace is that of PCA."""
    return LinearAutoEncoder((1, 28, 28), units=16)


@system(
    title=Text("Auto-encoder · over-complete · digits · 28 px", "Auto-encodeur · surcomplet · chiffres · 28 px"),
    data="mnist",
    recipe=Recipe(images=1_500_000, batch=128, rate=1e-3, warmup=20_000, ema=0.999, jitter=4),
)
def ae_overcomplete_mnist() -> LinearAutoEncoder:
    """A linear auto-encoder with 1 000 units for 784 pixels, which learns the identity."""
    return LinearAutoEncoder((1, 28, 28), units=UNITS)


@system(
    title=Text("Auto-encoder · k-sparse · digits · 28 px", "Auto-encodeur · k-épars · chiffres · 28 px"),
    data="mnist",
    recipe=Recipe(images=3_000_000, batch=128, rate=1e-3, warmup=20_000, ema=0.999),
)
def ae_topk_mnist() -> KSparseAutoEncoder:
    """A linear auto-encoder with 1 000 units, of which 25 are active for each digit: strokes of digits."""
    return KSparseAutoEncoder((1, 28, 28), units=UNITS, active=ACTIVE)


@system(
    title=Text("Auto-encoder · KL-sparse · digits · 28 px", "Auto-encodeur · épars par KL · chiffres · 28 px"),
    data="mnist",
    recipe=Recipe(images=3_000_000, batch=256, rate=2e-3, warmup=50_000, ema=0.999, clip=200.0),
)
def ae_kl_sparse_mnist() -> KLSparseAutoEncoder:
    """An auto-encoder with 400 sigmoid units, each active for about one digit in twenty."""
    return KLSparseAutoEncoder((1, 28, 28), units=400)
