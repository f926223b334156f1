"""A normalizing flow of points in the plane, for the lab: RealNVP of two coordinates. `flow.py` is about pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Tensor, nn

from genstudio.controls import Choice, Slider, Text, Truncation
from genstudio.model import Batch, Model, Noise, Progress
from genstudio.models.points import LAB, LATENT_DIM, POINT, dense
from genstudio.objectives.likelihood import standard_normal
from genstudio.system import system

MAX_COUPLINGS = 8
FLOOR = 12.0  # nats below the highest density, beyond which the landscape is flat
GRID, LINES, PLACES = 2.5, 11, 41  # the grid of latents: its end, its lines in each direction, points of a line

Couplings = Annotated[
    str,
    Choice(
        tuple(str(count) for count in range(1, MAX_COUPLINGS + 1)),
        title=Text("Couplings", "Couplages"),
        hint=Text("Another network: training starts anew.", "Un autre réseau : l’entraînement recommence."),
    ),
]
Shown = Annotated[
    int,
    Slider(
        0, MAX_COUPLINGS, 1,
        title=Text("Layers shown", "Couches montrées"),
        hint=Text("0: the latents and their grid; all of them bend it onto the data.",
                  "0 : les latents et leur grille ; toutes la courbent sur les données."),
    ),
]  # fmt: skip


class PointCoupling(nn.Module):
    """Affine coupling of two coordinates: one is scaled and shifted by functions of the other."""

    BOUND = 2.0  # of a log scale

    def __init__(self, changed: int):
        super().__init__()
        self.changed = changed
        self.network = dense(1, 2)

    def scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.network(x[:, 1 - self.changed, None]).unbind(1)
        return self.BOUND * torch.tanh(log_scale / self.BOUND), shift

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.scale_and_shift(x)
        return self.replaced(x, x[:, self.changed] * log_scale.exp() + shift), log_scale

    def inverse(self, y: Tensor) -> Tensor:
        log_scale, shift = self.scale_and_shift(y)
        return self.replaced(y, (y[:, self.changed] - shift) * (-log_scale).exp())

    def replaced(self, x: Tensor, values: Tensor) -> Tensor:
        return torch.stack([x[:, 0], values] if self.changed else [values, x[:, 1]], 1)


class PointFlow(Model):
    """RealNVP of points."""

    scale = "density"  # of its landscape

    def __init__(self, couplings: int):
        super().__init__()
        self.image_shape, self.latent_dim = POINT, LATENT_DIM
        self.layers = nn.ModuleList(PointCoupling(i % 2) for i in range(couplings))
        self.configure()

    def configure(self, *, shown: Shown = MAX_COUPLINGS) -> None:
        self.inverses = min(shown, len(self.layers))

    def latents(self, noise: Noise) -> Tensor:
        return noise.normal(LATENT_DIM)

    def encode(self, images: Tensor) -> Tensor:
        return self.transform(images)[0]

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        """Points after as many inverse layers as are shown."""
        x = latents * truncation
        for layer in list(self.layers)[::-1][: self.inverses]:
            x = layer.inverse(x)
        return x.view(-1, *POINT)

    def transform(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (n, 2), and log-determinants (n,)."""
        x = images.flatten(1)
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    def log_density(self, images: Tensor) -> Tensor:
        z, log_det = self.transform(images)
        return standard_normal(z) + log_det

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        yield "model", {"negative log-likelihood": -self.log_density(batch.images).mean()}

    def landscape(self, images: Tensor) -> Tensor:
        """log p (n,) of points, down to a floor."""
        found = self.log_density(images)
        return found.clamp_min(found.max() - FLOOR)

    def grid(self) -> Tensor:
        """Lines (2 LINES, PLACES, 2) of a regular grid of latents, after the layers that are shown."""
        across, along = torch.linspace(-GRID, GRID, LINES), torch.linspace(-GRID, GRID, PLACES)
        level, place = torch.meshgrid(across, along, indexing="ij")
        lines = torch.cat([torch.stack([place, level], -1), torch.stack([level, place], -1)])
        return self.decode(lines.flatten(0, 1)).view(lines.shape)


@system(title=Text("RealNVP", "RealNVP"), data="points", recipe=LAB, listed=False)
def points_flow(couplings: Couplings = "6") -> PointFlow:
    """An invertible map from data to latents."""
    return PointFlow(int(couplings))
