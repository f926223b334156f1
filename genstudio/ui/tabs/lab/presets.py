"""Presets of the lab: a failure beside its remedy, of one click, with the number that its sentence claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genstudio.controls import Text
from genstudio.data.points import POINT
from genstudio.training.live import Live
from genstudio.ui.tabs.lab.figures import FIGURES, Figure


@dataclass(frozen=True)
class Preset:
    """Two trainings from the same seed, and what differs after `steps` steps.

    values, different: settings of both, and those of the second one that differ; its model among them.
    warmup: steps of D alone before. speed: as the page has it; it pauses after the steps.
    measure: the number of a training that the sentence is about.
    claim: true of that number of the first training, and of the second one.
    """

    key: str
    title: Text
    sentence: Text
    equation: str
    link: str
    different: dict[str, Any]
    measure: Callable[[Live], float]
    claim: Callable[[float, float], bool]
    values: dict[str, Any] = field(default_factory=dict)
    model: str = "points_gan"
    data: str = "ring"
    seed: int = 0
    warmup: int = 0
    steps: int = 200
    speed: str = "ten"


def modes(live: Live) -> float:
    return live.state().covered


def felt(live: Live) -> float:
    """Mean gradient of the generator's loss at its points."""
    return float(np.linalg.norm(live.state().forces, axis=1).mean())


def energy(live: Live) -> float:
    """Mean energy of generated points over the whole training."""
    energies = dict(live.history.lines())["critic(fake)"]
    return sum(energies) / len(energies)


def surprise(live: Live) -> float:
    """-log p(x) of other points than those learned from, in nats."""
    fresh = live.points.sample(FRESH, live.seed + 1).view(-1, *POINT)
    return -float(live.run.model.log_density(fresh).detach().mean())


FRESH = 2000  # points that `surprise` measures
FAST = {"generator_rate": "0.005"}  # of a generator that overruns its critic

TRAININGS = (
    Preset(
        "vanishing",
        Text("Vanishing gradient", "Gradient évanescent"),
        Text(
            "Against a strong D the minimax generator feels less than a tenth of the non-saturating one’s gradient.",
            "Face à un D fort, le générateur minimax sent moins d’un dixième du gradient du non saturant.",
        ),
        "∇ log(1 - D) = -D ∇x,  ∇(-log D) = -(1 - D) ∇x",
        "https://arxiv.org/abs/1701.04862",
        {"game": "nonsaturating"},
        felt,
        lambda minimax, non_saturating: minimax < 0.1 * non_saturating,
        {"game": "minimax", "critic_rate": "0.005", "generator_rate": "0.0001"},
        warmup=100,
        steps=30,
        speed="frame",
    ),
    Preset(
        "unrolled",
        Text("Collapse, and 5 unrolled steps", "Effondrement, et 5 pas déroulés"),
        Text(
            "A fast generator chases modes and covers at most two; looking 5 steps of D ahead, at least 5.",
            "Un générateur rapide court après les modes et en couvre au plus deux ; anticipant 5 pas de D, au moins 5.",
        ),
        "θ_k+1 = θ_k - η ∇L_D(θ_k)",
        "https://arxiv.org/abs/1611.02163",
        {"unroll": 5},
        modes,
        lambda plain, remedy: plain <= 2 and remedy >= 5,
        FAST | {"critic_rate": "0.001"},
        steps=200,
    ),
    Preset(
        "diversity",
        Text("Collapse, and a diversity penalty", "Effondrement, et pénalité de diversité"),
        Text(
            "The same chase of at most two modes; a penalty on latents that give the same point makes it at least 6.",
            "La même course, au plus deux modes ; en pénalisant les latents de même point, au moins 6.",
        ),
        "L_G + λ |z - z'| / |G(z) - G(z')|",
        "https://arxiv.org/abs/1903.05628",
        {"diversity": 0.1},
        modes,
        lambda plain, remedy: plain <= 2 and remedy >= 6,
        FAST | {"critic_rate": "0.002"},
        steps=400,
    ),
    Preset(
        "wgan_gp",
        Text("Collapse, and WGAN-GP", "Effondrement, et WGAN-GP"),
        Text(
            "At the same rates the non-saturating game covers at most two modes, and WGAN-GP at least 6.",
            "Aux mêmes pas d’apprentissage, le jeu non saturant couvre au plus deux modes, et WGAN-GP au moins 6.",
        ),
        "E f(G(z)) - E f(x) + λ E (|∇f| - 1)²",
        "https://arxiv.org/abs/1704.00028",
        {"game": "wasserstein", "penalty": 1.0, "critic_steps": 3},
        modes,
        lambda plain, remedy: plain <= 2 and remedy >= 6,
        FAST | {"critic_rate": "0.005", "batches": "same"},
        steps=250,
    ),
    Preset(
        "energy",
        Text("EBGAN: between 0 and m", "EBGAN : entre 0 et m"),
        Text(
            "Over the training, generated points have a mean energy between 0 and the margin: at most 0.2, and 1.",
            "Sur l’entraînement, l’énergie moyenne des points générés reste entre 0 et la marge : 0,2, et 1.",
        ),
        "L_D = D(x) + max(0, m - D(G(z))),  L_G = D(G(z))",
        "https://arxiv.org/abs/1609.03126",
        {"margin": 1.0},
        energy,
        lambda narrow, wide: 0 < narrow <= 0.2 < wide <= 1,
        {"margin": 0.2},
        model="points_ebgan",
        steps=200,
    ),
    Preset(
        "flow",
        Text("Flow: 1 coupling, and 6", "Flot : 1 couplage, et 6"),
        Text(
            "One coupling bends one axis; six bend the plane: -log p of fresh points is at least 0.5 nats lower.",
            "Un couplage courbe un axe, six courbent le plan : -log p de points nouveaux baisse d’au moins 0,5 nat.",
        ),
        "log p(x) = log p(z) + Σ log |det ∂f/∂x|",
        "https://arxiv.org/abs/1605.08803",
        {"couplings": "6"},
        surprise,
        lambda one, six: six <= one - 0.5,
        {"couplings": "1", "generator_rate": "0.005"},
        model="points_flow",
        data="moons",
        steps=300,
    ),
)

PRESETS: dict[str, Preset | Figure] = {preset.key: preset for preset in (*TRAININGS, *FIGURES)}
