"""Figures of the lab that need no training: an equation, computed and drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from genstudio.controls import Text

SMOOTHED = 0.8  # mean of U(0.7, 0.9)
MODES = 8  # of the data in `minimax_and_maximin`
ETA = 0.1  # rate of descent on x y


class Line(NamedTuple):
    name: Text
    x: np.ndarray
    y: np.ndarray


class Plot(NamedTuple):
    """Lines in a box.

    x, y: the range of each axis, with its name.
    """

    title: Text
    x: tuple[float, float, str]
    y: tuple[float, float, str]
    lines: Sequence[Line]


@dataclass(frozen=True)
class Figure:
    """A figure of one click, with the sentence that its numbers claim.

    equation: as the paper has it. link: of the paper.
    """

    key: str
    title: Text
    sentence: Text
    equation: str
    link: str
    plots: Callable[[], list[Plot]]


def both(sentence: str) -> Text:
    """A formula, which is the same in each language."""
    return Text(sentence, sentence)


def gradients_of_the_logarithm() -> list[Plot]:
    """log(1 - D), its derivative with respect to D, and that with respect to the logit, without their signs."""
    d = np.linspace(0.001, 0.999, 999)
    return [
        Plot(both("log(1 - D)"), (0, 1, "D"), (-7, 0, ""), [Line(both("log(1 - D)"), d, np.log(1 - d))]),
        Plot(both("|∂ log(1 - D) / ∂D|"), (0, 1, "D"), (0, 100, ""), [Line(both("1 / (1 - D)"), d, 1 / (1 - d))]),
        Plot(both("|∂ log(1 - D) / ∂ logit|"), (0, 1, "D"), (0, 1, ""), [Line(both("D"), d, d)]),
    ]


def optimal_critics() -> list[Plot]:
    """The optimal D of two Gaussians, with target 1 of real images and with smoothed labels."""
    x = np.linspace(-6, 6, 401)
    p, q = (np.exp(-0.5 * (x - mean) ** 2) for mean in (-1.0, 1.0))
    d = p / (p + q)
    lines = [
        Line(Text("labels 1", "étiquettes 1"), x, d),
        Line(Text("labels U(0.7, 0.9)", "étiquettes U(0,7 ; 0,9)"), x, SMOOTHED * d),
        Line(both("0.8"), x, np.full_like(x, SMOOTHED)),
    ]
    return [Plot(Text("optimal D", "D optimal"), (-6, 6, "x"), (0, 1, "D"), lines)]


def minimax_value() -> float:
    """min over G of max over D, for a generator of a single point and data of equal modes: D is 1 elsewhere, and
    1 / (1 + MODES) at that point."""
    d = 1 / (1 + MODES)
    return np.log(d) / MODES + np.log(1 - d)


def maximin_value(d: np.ndarray) -> np.ndarray:
    """min over G for a critic of the same output `d` at all modes; another one is worse, at its lowest mode."""
    return np.log(d) + np.log(1 - d)


def minimax_and_maximin() -> list[Plot]:
    d = np.linspace(0.02, 0.98, 193)
    lines = [
        Line(Text("min over G, of D = d everywhere", "min sur G, pour D = d partout"), d, maximin_value(d)),
        Line(Text("min over G of max over D", "min sur G du max sur D"), d, np.full_like(d, minimax_value())),
    ]
    return [Plot(both("V(D, G)"), (0, 1, "d"), (-4, 0, "V"), lines)]


def descent(steps: int = 60, eta: float = ETA) -> np.ndarray:
    """Simultaneous gradient descent in x and ascent in y on x y, from (1, 0): (steps + 1, 2)."""
    path = [np.array([1.0, 0.0])]
    for _ in range(steps):
        x, y = path[-1]
        path.append(np.array([x - eta * y, y + eta * x]))
    return np.stack(path)


def extragradient(steps: int = 60, eta: float = ETA) -> np.ndarray:
    """The same with the gradients of the point that a plain step would reach, Gidel et al. 2019."""
    path = [np.array([1.0, 0.0])]
    for _ in range(steps):
        x, y = path[-1]
        ahead_x, ahead_y = x - eta * y, y + eta * x
        path.append(np.array([x - eta * ahead_y, y + eta * ahead_x]))
    return np.stack(path)


def descents_on_xy(steps: int = 240) -> list[Plot]:
    lines = [
        Line(Text("simultaneous descent", "descente simultanée"), *descent(steps).T),
        Line(Text("extragradient", "extragradient"), *extragradient(steps).T),
    ]
    return [Plot(both("min x max y, x y"), (-3.5, 3.5, "x"), (-3.5, 3.5, "y"), lines)]


def dirac(penalty: float, steps: int = 400, rate: float = 0.2) -> np.ndarray:
    """Generator's place and slope of D = sigmoid(slope * x) for data at 0, by simultaneous descent of the
    non-saturating game with a gradient penalty at the data: (steps + 1, 2). Mescheder et al. 2018, section 2."""
    path = [np.array([0.5, 0.0])]
    for _ in range(steps):
        place, slope = path[-1]
        d = 1 / (1 + np.exp(-slope * place))
        path.append(np.array([place + rate * (1 - d) * slope, slope - rate * (d * place + penalty * slope)]))
    return np.stack(path)


def games_of_a_point() -> list[Plot]:
    lines = [
        Line(Text("without a penalty", "sans pénalité"), *dirac(0.0).T),
        Line(Text("with a gradient penalty", "avec pénalité de gradient"), *dirac(0.3).T),
    ]
    places = Text("place θ of G, slope ψ of D", "place θ de G, pente ψ de D")
    return [Plot(places, (-1.5, 1.5, "θ"), (-1.5, 1.5, "ψ"), lines)]


FIGURES = (
    Figure(
        "logit",
        Text("log(1 - D) has no lower bound", "log(1 - D) n’est pas minoré"),
        Text(
            "At D = 0.999 the derivative with respect to D is 1000; with respect to the logit it stays below 1.",
            "À D = 0,999, la dérivée par rapport à D vaut 1000 ; par rapport au logit, elle reste sous 1.",
        ),
        "∂ log(1 - D)/∂D = -1/(1 - D),  ∂ log(1 - σ(x))/∂x = -σ(x)",
        "https://arxiv.org/abs/1406.2661",
        gradients_of_the_logarithm,
    ),
    Figure(
        "smoothing",
        Text("Smoothed labels", "Étiquettes lissées"),
        Text(
            "With labels from U(0.7, 0.9) the optimal D never exceeds their mean, 0.8.",
            "Avec des étiquettes U(0,7 ; 0,9), le D optimal ne dépasse jamais leur moyenne, 0,8.",
        ),
        "D*(x) = 0.8 p(x) / (p(x) + q(x))",
        "https://arxiv.org/abs/1606.03498",
        optimal_critics,
    ),
    Figure(
        "maximin",
        Text("Minimax is not maximin", "Minimax n’est pas maximin"),
        Text(
            "For a generator of one point and data of 8 modes, min max V is -0.39 and max min V is -1.39.",
            "Pour un générateur d’un seul point et 8 modes, min max V vaut -0,39 et max min V vaut -1,39.",
        ),
        "min_G max_D V(D, G) ≥ max_D min_G V(D, G)",
        "https://arxiv.org/abs/1701.00160",
        minimax_and_maximin,
    ),
    Figure(
        "xy",
        Text("min max xy", "min max xy"),
        Text(
            "Each step of simultaneous descent is √(1 + η²) farther from the equilibrium; extragradient converges.",
            "Chaque pas de descente simultanée s’éloigne de l’équilibre par √(1 + η²) ; l’extragradient y converge.",
        ),
        "x ← x - η y,  y ← y + η x",
        "https://arxiv.org/abs/1802.10551",
        descents_on_xy,
    ),
    Figure(
        "half",
        Text("Training on at D = 1/2", "Continuer à D = 1/2"),
        Text(
            "Beside the equilibrium, where D is 1/2, training on leads away; with a gradient penalty it converges.",
            "Près de l’équilibre, où D vaut 1/2, continuer en éloigne ; avec une pénalité de gradient, on y converge.",
        ),
        "D(x) = σ(ψ x), data at 0, generator at θ",
        "https://arxiv.org/abs/1801.04406",
        games_of_a_point,
    ),
)
