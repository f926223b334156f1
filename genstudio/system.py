"""How a system is declared: a function at the foot of a family file, with the facts that the rest needs.

    @system(title=Text("VAE · digits · 28 px", "VAE · chiffres · 28 px"), data="mnist", recipe=Recipe(images=3_000_000))
    def vae_mnist() -> VAE:
        '''Kingma and Welling's VAE (arXiv:1312.6114) on digits.'''
        return VAE(image_shape=(1, 28, 28), ...)

The function's name is the system's name everywhere: on the command line, of the checkpoint and of the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, get_type_hints

from genstudio.controls import Text
from genstudio.model import Model


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run. Every schedule counts images seen, never the clock."""

    images: int  # pictures shown in all
    batch: int = 128  # pictures a step
    rate: float = 2e-4  # learning rate
    rates: dict[str, float] = field(default_factory=dict)  # of single parts, where they differ: critic=4e-4,generator=1e-4
    betas: tuple[float, float] = (0.9, 0.999)  # of Adam
    weight_decay: float = 0.0  # of AdamW
    warmup: int = 0  # pictures over which the rate rises from 0
    cosine: bool = True  # the rate falls to 0 on a half cosine; else it stays
    clip: float | None = None  # largest norm of a player's gradient
    ema: float = 0.999  # decay per step of the averaged weights that are kept; 0 keeps the last
    flip: bool = False  # mirror half of the pictures
    jitter: int = 0  # pixels of random shift
    freeze: int = 0  # early layers that stay as they are: of the critic where there is one (FreezeD), else of the whole
    augment: bool = False  # a critic sees all pictures changed at random, for small sets (DiffAugment)
    critic_warmup: int | None = None  # pictures for which only the critic learns; unsaid, what a fresh critic needs
    seed: int = 0  # of the first weights, the order of pictures, and all noise

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, said: Any) -> Recipe:
        """The recipe that a file tells. Raises ValueError where a field is unknown, or is no such number."""
        hints = get_type_hints(cls)
        for name, value in said.items() if isinstance(said, dict) else [("recipe", said)]:
            if name not in hints or not _fits(value, hints[name]):
                raise ValueError(f"a recipe cannot have {name} {str(value)[:80]!r}")
        if "images" not in said:
            raise ValueError("a recipe must say how many images are shown")
        return cls(**said | {"betas": tuple(said.get("betas", cls.betas))})

    def flags(self, own: Recipe) -> list[str]:
        """What differs from a system's own recipe, as the command line says it."""
        words: list[str] = []
        for name, value in asdict(self).items():
            if value != getattr(own, name):
                flag = name.replace("_", "-")
                value = ",".join(f"{part}={rate}" for part, rate in value.items()) if isinstance(value, dict) else value
                words += [f"--{flag}" if value else f"--no-{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
        return words


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value from JSON is of the type of a field of `Recipe`, and a number that `check_recipe` takes."""
    if kind is bool:
        return isinstance(value, bool)
    if kind == dict[str, float]:
        return isinstance(value, dict) and all(isinstance(k, str) and _fits(v, float) for k, v in value.items())
    if kind == tuple[float, float]:
        return isinstance(value, (list, tuple)) and len(value) == 2 and all(_fits(v, float) and v < 1 for v in value)
    if value is None:
        return kind in (int | None, float | None)
    whole = kind in (int, int | None)
    return type(value) in ((int,) if whole else (int, float)) and 0 <= value < 2**63


def check_recipe(changes: dict[str, Any]) -> None:
    """Numbers that no run can be made of."""
    for name, value in changes.items():
        least = 1 if name in ("images", "batch") else 0
        for number in value.values() if isinstance(value, dict) else [value]:
            if not (number >= least and number < 2**63):  # refuses NaN too
                raise ValueError(f"{name} must be at least {least}, not {number}")


@dataclass(frozen=True)
class System:
    """A named model: how to build it, what it learned from, how it is trained."""

    name: str
    build: Callable[..., Model]
    title: Text
    data: str
    recipe: Recipe
    knows: Text | None = None  # what kind of picture it is to be given, in a few words: "line drawings on white"
    takes: str = ""  # the same for programs: one of `TAKES`, where it is given pictures
    options: dict[str, Text] = field(default_factory=dict)  # what a control's options mean for this system's pictures
    judge: str = ""  # the classifier that it may ask for guidance
    successor: str = ""  # the system whose weights, where they are here, are offered in place of its own

    @property
    def model(self) -> type[Model]:
        """The class that `build` returns, read from its annotation: the page asks it for verbs and controls unbuilt."""
        return get_type_hints(self.build)["return"]

    @property
    def family(self) -> str:
        """The family is the file: `gan` for what stands in `genstudio/models/gan.py`."""
        return self.build.__module__.rpartition(".")[2]

    @property
    def summary(self) -> str:
        return (self.build.__doc__ or "").strip()


TAKES = ("drawings", "faces", "photographs")


def system(
    *,
    title: Text,
    data: str,
    recipe: Recipe,
    knows: Text | None = None,
    takes: str = "",
    options: dict[str, Text] | None = None,
    judge: str = "",
    successor: str = "",
) -> Callable[[Callable[..., Model]], Callable[..., Model]]:
    """Declares the decorated builder as a system. `registry` collects them; nothing is built here."""

    assert takes in ("", *TAKES), f"takes must be one of {', '.join(TAKES)}, not {takes!r}"

    def declare(build: Callable[..., Model]) -> Callable[..., Model]:
        build.system = System(build.__name__, build, title, data, recipe, knows, takes, options or {}, judge, successor)
        return build

    return declare
