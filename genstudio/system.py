"""Declaration of a system: a decorated builder at the foot of a family file, with its title, data and recipe.

    @system(title=Text("VAE · digits · 28 px", "VAE · chiffres · 28 px"), data="mnist", recipe=Recipe(images=3_000_000))
    def vae_mnist() -> VAE:
        '''Kingma and Welling's VAE (arXiv:1312.6114) on digits.'''
        return VAE(image_shape=(1, 28, 28), ...)

The function's name is the system's name everywhere: on the command line, in checkpoint names and in tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, get_type_hints

from genstudio.controls import Refusal, Text
from genstudio.model import Model

MAX_SEED = 2**32  # PyTorch's generator on the processor reads 32 bits
MAX_HUE = 0.5  # turns of the colour circle: half a turn each way is all hues
OPTIMIZERS = ("adamw", "adam", "rmsprop", "sgd")


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training run, each with the help of its flag. Schedules count images, never the clock."""

    images: Annotated[int, "training length in images"]
    batch: Annotated[int, "images a step"] = 128
    rate: Annotated[float, "learning rate"] = 2e-4
    optimizer: Annotated[str, "adamw, adam, rmsprop or sgd"] = "adamw"
    rates: Annotated[dict[str, float], "of single players: critic=4e-4,generator=1e-4"] = field(default_factory=dict)
    betas: Annotated[tuple[float, float], "of Adam; of RMSprop the second, of SGD the first"] = (0.9, 0.999)
    weight_decay: Annotated[float, "weight decay of AdamW, L2 penalty of the others"] = 0.0
    warmup: Annotated[int, "images over which the learning rate rises from 0"] = 0
    cosine: Annotated[bool, "the learning rate falls to 0 on a half cosine; else it is constant"] = True
    clip: Annotated[float | None, "largest norm of a player's gradient"] = None
    ema: Annotated[float, "decay per step of the averaged (EMA) weights; 0 keeps the raw weights"] = 0.999
    flip: Annotated[bool, "mirror half of the images"] = False
    jitter: Annotated[int, "pixels of random shift"] = 0
    crop: Annotated[bool, "learn from random crops of pictures larger than the network, scaled by 1 to 2"] = False
    reverse: Annotated[bool, "of pairs: translate from B to A"] = False
    mirror: Annotated[bool, "the margins of a shift mirror the image; else they repeat its border"] = False
    hue: Annotated[float, "largest random rotation of all hues, in turns: up to 0.5"] = 0.0
    freeze: Annotated[int, "frozen early layers: of the critic if there is one (FreezeD), else of the model"] = 0
    augment: Annotated[bool, "augment all images before the critic, for small sets (DiffAugment)"] = False
    critic_warmup: Annotated[int | None, "images for which only the critic learns, as a new one needs"] = None
    seed: Annotated[int, "of the initial weights, the order of images, and all noise"] = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def augmentation(self) -> dict[str, Any]:
        """Arguments of `data.Batches` for its augmentation of images."""
        return {"flip": self.flip, "jitter": self.jitter, "mirror": self.mirror, "hue": self.hue}

    @classmethod
    def of(cls, values: Any) -> Recipe:
        """Parse the recipe of a file. Raises ValueError for an unknown field or an invalid value."""
        hints = get_type_hints(cls)
        for name, value in values.items() if isinstance(values, dict) else [("recipe", values)]:
            if name not in hints or not _fits(value, hints[name]):
                raise ValueError(f"a recipe cannot have {name} {str(value)[:80]!r}")
        if "images" not in values:
            raise ValueError("a recipe must say how many images are shown")
        return cls(**values | {"betas": tuple(values.get("betas", cls.betas))})

    def flags(self, own: Recipe) -> list[str]:
        """Command-line flags of the fields that differ from a system's `own` recipe."""
        words: list[str] = []
        for name, value in asdict(self).items():
            if value != getattr(own, name):
                flag = name.replace("_", "-")
                value = ",".join(f"{part}={rate}" for part, rate in value.items()) if isinstance(value, dict) else value
                if isinstance(value, bool):
                    words.append(f"--{flag}" if value else f"--no-{flag}")
                else:
                    words += [f"--{flag}", str(value)]
        return words


def _fits(value: Any, kind: Any) -> bool:
    """True if a value from JSON has the type of a field of `Recipe` and is in the range of `check_recipe`."""
    if kind is bool:
        return isinstance(value, bool)
    if kind is str:
        return value in OPTIMIZERS
    if kind == dict[str, float]:
        return isinstance(value, dict) and all(isinstance(k, str) and _fits(v, float) for k, v in value.items())
    if kind == tuple[float, float]:
        return isinstance(value, (list, tuple)) and len(value) == 2 and all(_fits(v, float) and v < 1 for v in value)
    if value is None:
        return kind in (int | None, float | None)
    whole = kind in (int, int | None)
    return type(value) in ((int,) if whole else (int, float)) and 0 <= value < 2**63


def check_recipe(changes: dict[str, Any]) -> None:
    """Raise ValueError for hyperparameters out of range."""
    for name, value in changes.items():
        if name == "optimizer":
            if value not in OPTIMIZERS:
                raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, not {str(value)[:80]!r}")
            continue
        if name == "seed" and value >= MAX_SEED:
            raise ValueError(f"seed must be below {MAX_SEED}, not {value}")
        if name == "hue" and not 0 <= value <= MAX_HUE:
            raise Refusal(f"hue must lie between 0 and 0.5, not {value}", f"hue : de 0 à 0,5, et non {value}")
        least = 1 if name in ("images", "batch") else 0
        for number in value.values() if isinstance(value, dict) else [value]:
            if not (number >= least and number < 2**63):  # refuses NaN too
                raise Refusal(
                    f"{name} must be at least {least}, not {number}",
                    f"{name} : au moins {least}, et non {number}",
                )


@dataclass(frozen=True)
class Range:
    """Bounds of a number among a builder's arguments, both included: `dropout: Annotated[float, Range(0, 1)]`.

    Builders are called with the arguments of untrusted headers, so that no float goes without.
    """

    low: float
    high: float


@dataclass(frozen=True)
class System:
    """A named model: its builder, data set and training recipe."""

    name: str
    build: Callable[..., Model]
    title: Text
    data: str
    recipe: Recipe
    knows: Text | None = None  # its input domain, in a few words: "line drawings on white"
    limit: Text | None = None  # what it fails at, in a sentence
    takes: str = ""  # the same as a keyword, one of `TAKES`, where its input is an image
    options: dict[str, Text] = field(default_factory=dict)  # titles of a control's options for this system's images
    companions: dict[str, str] = field(default_factory=dict)  # systems whose models it works with, by role
    successor: str = ""  # the system whose weights replace its own where both are available
    listed: bool = True  # else a model of the lab, without checkpoints
    file: str = ""  # of a system from a file of the user's own: its path
    digest: str = ""  # of that file's bytes, the first 12 digits of the SHA-256

    @property
    def source(self) -> dict[str, str]:
        """Name and digest of the file that declares it, for headers; empty for GenStudio's own."""
        return {"file": os.path.basename(self.file), "digest": self.digest} if self.file else {}

    @property
    def spelled(self) -> str:
        """The system on the command line: `vae_mnist`, or `mine.py:my_gan`."""
        return f"{self.file}:{self.name}" if self.file else self.name

    @property
    def model(self) -> type[Model]:
        """The class that `build` returns, from its annotation: to read verbs and controls without building a model."""
        return get_type_hints(self.build)["return"]

    @property
    def family(self) -> str:
        """The family is the file: `gan` for what stands in `genstudio/models/gan.py`."""
        return self.build.__module__.rpartition(".")[2]

    @property
    def summary(self) -> str:
        return (self.build.__doc__ or "").strip()


TAKES = ("drawings", "faces", "photographs", "labels")


def system(
    *,
    title: Text,
    data: str,
    recipe: Recipe,
    knows: Text | None = None,
    limit: Text | None = None,
    takes: str = "",
    options: dict[str, Text] | None = None,
    companions: dict[str, str] | None = None,
    successor: str = "",
    listed: bool = True,
) -> Callable[[Callable[..., Model]], Callable[..., Model]]:
    """Declare the decorated builder as a system. `registry` collects them; nothing is built here."""

    assert takes in ("", *TAKES), f"takes must be one of {', '.join(TAKES)}, not {takes!r}"

    def declare(build: Callable[..., Model]) -> Callable[..., Model]:
        facts = (options or {}, companions or {}, successor, listed)
        build.system = System(build.__name__, build, title, data, recipe, knows, limit, takes, *facts)
        return build

    return declare
