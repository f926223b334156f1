"""Live training of a small model on points in the plane, step by step, with everything that the lab shows of it.

The loop's own `play` takes each step. Settings may change between two steps; only another model, or another structure
of its network, begins anew. The same seed and settings give the same training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from genstudio.controls import Choice, Control, Refusal, Slider, Text, check_controls, controls
from genstudio.data.points import POINT, Distribution, PointBatches
from genstudio.model import Noise
from genstudio.precision import Precision
from genstudio.registry import unlisted
from genstudio.system import Recipe
from genstudio.training.loop import next_batch, play, source_of
from genstudio.training.run import Run, optimizer_of, trainable

SHOWN = 200  # generated points, of fixed latents
FORCES = 100  # of these, with the gradient that they feel
SIDE = 28  # points of the landscape in each direction
EXTENT = 1.25  # of the landscape, from the middle

RATES = tuple(f"{rate:g}" for rate in (1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1))


def rate_choice(en: str, fr: str) -> Choice:
    hint = Text("May change while it trains.", "Peut changer pendant l’entraînement.")
    return Choice(RATES, title=Text(en, fr), hint=hint)


CriticRate = Annotated[str, rate_choice("Learning rate of D", "Pas d’apprentissage de D")]
GeneratorRate = Annotated[
    str, rate_choice("Learning rate of G or of the model", "Pas d’apprentissage de G ou du modèle")
]
Optimizer = Annotated[
    str,
    Choice(
        ("adam", "rmsprop", "sgd"),
        titles=(Text("Adam", "Adam"), Text("RMSprop", "RMSprop"), Text("SGD, momentum 0.5", "SGD, inertie 0,5")),
        title=Text("Optimizer", "Optimiseur"),
        hint=Text("A change forgets its moments.", "Le changer efface ses moments."),
    ),
]
BatchSize = Annotated[
    int,
    Slider(
        8, 512, 8,
        title=Text("Points in a batch", "Points par lot"),
        hint=Text("Real ones, and as many generated.", "Des vrais, et autant de générés."),
    ),
]  # fmt: skip


def recipe_of(
    recipe: Recipe, seed: int, *, critic_rate: CriticRate = "0.001", generator_rate: GeneratorRate = "0.001",
    optimizer: Optimizer = "adam", batch: BatchSize = 128,
) -> Recipe:  # fmt: skip
    """The recipe of a system, with the settings of the lab."""
    rates = {"critic": float(critic_rate), "generator": float(generator_rate)} if recipe.rates else {}
    return replace(recipe, seed=seed, rate=float(generator_rate), rates=rates, optimizer=optimizer, batch=batch)


def settings_of(model: str) -> dict[str, Control]:
    """All controls of a model of the lab: of its structure, of its losses, and of the recipe."""
    found = {name: control for part in verbs_of(model) for name, control in controls(part).items()}
    if not unlisted()[model].recipe.rates:
        found.pop("critic_rate")
    return found


def verbs_of(model: str) -> tuple[Any, Any, Any]:
    """Functions whose keywords are controls: builder, losses and recipe of a model. Raises ValueError for no model."""
    if model not in unlisted():
        raise Refusal(f"the lab has no model {model!r}", f"le laboratoire n’a pas de modèle {model!r}")
    system = unlisted()[model]
    return system.build, system.model.configure, recipe_of


@dataclass(frozen=True, eq=False)
class LiveState:
    """State of a training, as the lab shows it.

    points: generated (n, 2), of fixed latents; the reconstructions of real ones where a model has no latents.
    forces: (m, 2), the negative gradient of the generator's loss at the first of these points; none without a critic.
    landscape: (SIDE, SIDE) with y downwards: the critic's outputs, or squared errors of reconstructions.
    scale: of the landscape: "probability", "output", "error" or "density".
    grid: lines (k, m, 2) of a grid of latents, bent by a flow; none without one.
    covered, modes: count of modes that the points cover, and of all.
    """

    step: int
    taken: dict[str, int]
    points: np.ndarray
    forces: np.ndarray
    landscape: np.ndarray
    scale: str
    terms: dict[str, float]
    norms: dict[str, float]
    covered: int
    modes: int
    grid: np.ndarray


class Live:
    """A training of a model of the lab.

    points: what it learns. model: an unlisted system, by name. values: of `settings_of(model)`.
    """

    def __init__(self, points: Distribution, model: str = "points_gan", seed: int = 0, **values: Any):
        self.points, self.model_name, self.seed = points, model, seed
        self.values = {name: control.default for name, control in settings_of(model).items()}
        self.values |= self.checked(values)
        self.restart()

    # what a visitor does ------------------------------------------------------------------------------------------

    def restart(self) -> None:
        """Begin anew, from the weights of the seed."""
        system, (build, _, _) = unlisted()[self.model_name], verbs_of(self.model_name)
        recipe = recipe_of(system.recipe, self.seed, **self.of(recipe_of))
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):  # `Run` seeds the global random stream
            self.run = Run(system, self.of(build), recipe, torch.device("cpu"))
        self.run.average = None  # the raw weights are shown
        self.players = tuple(self.run.optimizers)
        self.taken, self.terms, self.norms = dict.fromkeys(self.players, 0), {}, {}
        self.history, self.trouble, self.last = History(), None, None
        self.apply()

    def change(self, **values: Any) -> None:
        """Change settings; a change of the structure begins anew. Raises ValueError for one that there is not."""
        values = self.checked(values)
        build, _, _ = verbs_of(self.model_name)
        anew = any(self.values[name] != values[name] for name in controls(build) if name in values)
        optimizer = values.get("optimizer", self.values["optimizer"]) != self.values["optimizer"]
        self.values |= values
        if anew:
            self.restart()
            return
        self.run.recipe = recipe_of(self.run.system.recipe, self.seed, **self.of(recipe_of))
        if optimizer:
            self.run.optimizers = {name: self.new_optimizer(name) for name in self.players}
        self.apply()

    def learn(self, points: Distribution) -> None:
        """Go on with other points."""
        self.points = points
        self.apply()

    def step(self, player: str | None = None) -> None:
        """One step of a player, or of all. Raises ValueError for another player, and where the training diverges."""
        if player not in (None, *self.players):
            raise Refusal(
                f"the players are {', '.join(self.players)}, not {player!r}",
                f"les joueurs sont {', '.join(self.players)}, et non {player!r}",
            )
        if self.trouble:
            raise self.trouble
        run, source = self.run, (self.run, self.batches, PRECISION)
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            result = play(run, next_batch(*source), PRECISION, only=player, more=source_of(*source))
        self.terms = {name: float(value) for name, value in result.terms.items()}
        self.norms = {name: float(value) for name, value in result.norms.items()}
        run.advance()
        for name, count in result.updates.items():
            self.taken[name] += count
        if not all(map(math.isfinite, (*self.terms.values(), *self.norms.values()))):
            self.trouble = Refusal(
                f"the training diverged at step {run.step}: lower the learning rates and reset it",
                f"l’entraînement a divergé au pas {run.step} : baissez les pas d’apprentissage et recommencez",
            )
            raise self.trouble
        self.history.add(self.terms | {f"‖∇{name}‖": norm for name, norm in self.norms.items()})

    # what the lab shows -------------------------------------------------------------------------------------------

    def state(self) -> LiveState:
        """The state now; of a training that has diverged, the last one that was asked for."""
        if self.trouble is None or self.last is None:
            self.last = self.current()
        return self.last

    def current(self) -> LiveState:
        model = self.run.model.eval()
        with torch.no_grad():
            latents = self.latents if self.latents is not None else model.encode(self.real)
            images = model.decode(latents)
            landscape = model.landscape(PLANE).view(SIDE, SIDE)
            grid = model.grid() if hasattr(model, "grid") else torch.zeros(0, 0, 2)
        with torch.enable_grad():
            forces = model.forces(images[:FORCES]) if hasattr(model, "forces") else torch.zeros(0, 2)
        model.train()
        points = images.flatten(1)
        return LiveState(
            step=self.run.step,
            taken=dict(self.taken),
            points=points.nan_to_num().numpy(),
            forces=forces.nan_to_num().numpy(),
            landscape=landscape.nan_to_num().numpy(),
            scale=scale_of(model),
            terms=self.terms,
            norms=self.norms,
            covered=self.points.covered(points),
            modes=len(self.points.modes),
            grid=grid.nan_to_num().numpy(),
        )

    # parts --------------------------------------------------------------------------------------------------------

    def checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Checked settings among `values`. Raises ValueError for an unknown one."""
        found = {}
        for part in verbs_of(self.model_name):
            own = {name: value for name, value in values.items() if name in controls(part) and name in self.values}
            found |= {name: check_controls(part, own)[name] for name in own}
        if unknown := values.keys() - found.keys():
            check_controls(verbs_of(self.model_name)[1], dict.fromkeys(unknown))  # names what there is
        return found

    def of(self, part: Any) -> dict[str, Any]:
        return {name: self.values[name] for name in controls(part) if name in self.values}

    def apply(self) -> None:
        """Let the model, the batches and the fixed latents follow the settings."""
        model = self.run.model
        model.configure(**self.of(type(model).configure))
        self.batches = PointBatches(self.points, self.run.recipe.batch, self.seed)
        self.real = self.points.sample(SHOWN, self.seed).view(-1, *POINT)
        self.latents = model.latents(Noise(range(SHOWN))) if hasattr(model, "latents") else None

    def new_optimizer(self, player: str) -> torch.optim.Optimizer:
        run, weights = self.run, trainable(self.run.model.players()[player])
        return optimizer_of(weights, run.recipe, run.recipe.rates.get(player, run.recipe.rate), run.device)


def scale_of(model: Any) -> str:
    """Scale of a model's landscape: its own, or that of its game's critic, or of squared errors."""
    if game := getattr(model, "game", None):
        return "output" if game.probability is None else "probability"
    return getattr(model, "scale", "error")


class History:
    """Means of each value over equal spans of steps, which double in length where there are more than `MAX`."""

    MAX = 160

    def __init__(self) -> None:
        self.length, self.rows, self.open = 1, [], []

    def add(self, values: Mapping[str, float]) -> None:
        """Add the values of a step."""
        self.open.append(values)
        if len(self.open) < self.length:
            return
        self.rows.append(mean_of(self.open))
        self.open = []
        if len(self.rows) > self.MAX:
            pairs = zip(self.rows[::2], self.rows[1::2], strict=False)
            odd = self.rows[-1:] if len(self.rows) % 2 else []
            self.open = odd * self.length  # the last span is half of the next one
            self.rows = [mean_of(pair) for pair in pairs]
            self.length *= 2

    def lines(self) -> Iterator[tuple[str, list[float | None]]]:
        """Each value with its means, None where it was not there."""
        for name in dict.fromkeys(name for row in self.rows for name in row):
            yield name, [row.get(name) for row in self.rows]


def mean_of(rows: Any) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    found = {name: [row[name] for row in rows if name in row] for name in names}
    return {name: sum(values) / len(values) for name, values in found.items()}


def plane() -> Tensor:
    """Points of the landscape, row by row from the top, as images."""
    at = torch.linspace(-EXTENT, EXTENT, SIDE)
    y, x = torch.meshgrid(-at, at, indexing="ij")
    return torch.stack([x, y], -1).view(-1, *POINT)


PLANE = plane()
PRECISION = Precision.exact(torch.device("cpu"))
