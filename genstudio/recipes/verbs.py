"""The verbs of recipes, in one table: what each takes, and how its images are computed.

The check of a recipe, its link, its command, the commands of the command line and the endpoints of the API are derived
from an entry of `VERBS`, and its tests too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genstudio.controls import Refusal, Text
from genstudio.recipes.fields import (
    BACKGROUND,
    BRANCHES,
    CODE,
    CORNERS,
    DETAIL,
    DIRECTIONS_BY,
    END,
    LAYERS,
    MASK,
    PATH,
    PICTURE,
    POSITION,
    SEED,
    STYLE_END,
    STYLES_BY,
    VIEW,
    Kind,
)

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from genstudio.engine import Engine
    from genstudio.engine.loaded import LoadedModel
    from genstudio.recipes.latents import Ends
    from genstudio.system import System

REQUIRED = object()


@dataclass(frozen=True)
class Field:
    """A field of a recipe.

    many: a call may give several values, for a picture of each, or of each combination.
    flag: of the command line, `--name` if it is not given; without dashes an argument by position; "" if there is none.
    argument: of the API, the flag's name if it is not given.
    """

    name: str
    kind: Kind
    help: str = ""
    default: Any = REQUIRED
    many: bool = False
    flag: str | None = None
    metavar: str | None = None
    argument: str = ""

    def check(self, value: Any) -> None:
        """Raise ValueError for a value that is not of its kind; None is the default of some."""
        if value is not None or self.default is not None:
            self.kind.check(value)

    @property
    def option(self) -> str:
        return f"--{self.name}" if self.flag is None else self.flag

    @property
    def parameter(self) -> str:
        return self.argument or self.option.lstrip("-")


Recipes = list[dict[str, Any]]
Images = Callable[["Engine", Recipes, "Image.Image | None"], "np.ndarray"]


@dataclass(frozen=True)
class Verb:
    """One way to make an image.

    method: the model's method whose controls it has. Raises ValueError for a system without it.
    images: images, uint8 (n, h, w, c), of complete recipes that differ in the fields with `many`, and in the label.
    complete: fill in what depends on the model.
    labels: the pictures of a call may have different classes.
    sheet: the flag for all pictures on one sheet, and the sheet's name; a "strip" is one row. Verbs with two fields of
        `many` always write it.
    """

    name: str
    title: Text
    help: str
    fields: tuple[Field, ...]
    method: Callable[[System], Callable]
    images: Images
    complete: Callable[[dict[str, Any], LoadedModel], dict[str, Any]] = lambda recipe, loaded: recipe
    labels: bool = False
    sheet: str = "sheet"

    @property
    def defaults(self) -> dict[str, Any]:
        """Values of the fields that need not be given."""
        return {field.name: field.default for field in self.fields if field.option and field.default is not REQUIRED}

    @property
    def by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    @property
    def of_picture(self) -> bool:
        """True if it needs a visitor's picture, of which a recipe has only the name."""
        return any(field.kind is PICTURE for field in self.fields)


# Images ---------------------------------------------------------------------------------------------------------


def decoding(latent: Callable[[dict[str, Any], Ends], np.ndarray]) -> Images:
    """Images of a verb that decodes a latent (d,) for each recipe."""

    def images(engine: Engine, recipes: Recipes, picture: Image.Image | None) -> np.ndarray:
        import numpy as np

        from genstudio.recipes.latents import Ends

        ends = Ends(engine, recipes[0]["system"])
        latents = np.stack([latent(recipe, ends) for recipe in recipes])
        return engine.decode(ends.name, latents, **recipes[0]["controls"])

    return images


def interpolated(recipe: dict[str, Any], ends: Ends) -> np.ndarray:
    from genstudio.latent.paths import between

    return between((ends(recipe["from"]), ends(recipe["to"])), [recipe["position"]], recipe["path"])[0]


def in_plane(recipe: dict[str, Any], ends: Ends) -> np.ndarray:
    from genstudio.latent.paths import within

    return within([ends(corner) for corner in recipe["corners"]], [recipe["x"]], [recipe["y"]])[0]


def sampled(engine: Engine, recipes: Recipes, picture: Image.Image | None) -> np.ndarray:
    if any(recipe.get("branches") for recipe in recipes):
        return denoised(engine, recipes, picture)
    labels, controls = [recipe["controls"].get("label") for recipe in recipes], dict(recipes[0]["controls"])
    if several := len(set(labels)) > 1:
        del controls["label"]
    seeds = [int(recipe["seed"]) for recipe in recipes]
    *_, images = engine.sample(recipes[0]["system"], seeds, labels if several else None, **controls)
    return images


def denoised(engine: Engine, recipes: Recipes, picture: Image.Image | None) -> np.ndarray:
    import numpy as np

    from genstudio.recipes.trajectory import last_images

    if any(recipe.get("branches") for recipe in recipes):
        return np.concatenate([last_images(engine, recipe, picture) for recipe in recipes])
    return last_images(engine, recipes[0], picture, [int(recipe["seed"]) for recipe in recipes])


def mixed(engine: Engine, recipes: Recipes, picture: Image.Image | None) -> np.ndarray:
    from genstudio.recipes.mixing import mixtures, noise_seed, part_of

    loaded, seeds = engine.hold(recipes[0]["system"]), [noise_seed(recipe["from"]) for recipe in recipes]
    values = part_of(loaded, "synthesize", recipes[0]["controls"])
    return engine.synthesize(loaded.name, mixtures(recipes, engine), seeds, **values)


def mixed_layers(recipe: dict[str, Any], loaded: LoadedModel) -> dict[str, Any]:
    """A `mix` recipe with its layers in order, and none where nothing is mixed or moved."""
    from genstudio.latent.style_layers import layers_of, word_of

    count = loaded.model.layers
    layers = word_of(layers_of(recipe["layers"], count))
    moved = word_of(layers_of(recipe["moved"] or f"0-{count - 1}", count))
    return recipe | {"layers": layers if recipe["to"] else "", "moved": moved if recipe["by"] else ""}


def translated(engine: Engine, recipes: Recipes, picture: Image.Image | None) -> np.ndarray:
    from contextlib import closing

    from genstudio.engine.edges import prepared

    [recipe] = recipes  # pictures of different sizes are no batch
    name = recipe["system"]
    source = prepared(picture, recipe["background"], recipe["detail"], engine.hold(name).model.own_side)
    with closing(engine.translate(name, source[None], view=recipe["view"], **recipe["controls"])) as parts:
        *_, last = parts
    return last.images


def in_a_known_view(recipe: dict[str, Any], loaded: LoadedModel) -> dict[str, Any]:
    """A `translate` recipe. Raises ValueError for tiles of a model that makes no sense of them."""
    if recipe["view"] == "tiles" and not loaded.model.tiles:
        raise Refusal(
            f"{loaded.name} has no view in tiles: view must be own",
            f"{loaded.name} n’a pas de vue par carreaux : view doit être own",
        )
    return recipe


# Methods of models ----------------------------------------------------------------------------------------------


def of(verb: str, *needed: str) -> Callable[[System], Callable]:
    """The model's method of that name, for a system that also has those `needed`."""

    def method(system: System) -> Callable:
        from genstudio.engine.loaded import find_verb

        for name in needed:
            find_verb(system, name)
        return find_verb(system, verb)

    return method


def sampling(system: System) -> Callable:
    from genstudio.engine.loaded import sampling_method

    return sampling_method(system)


# The table ------------------------------------------------------------------------------------------------------


BRANCHED = Field("branches", BRANCHES, default=None, flag="")

TABLE = (
    Verb(
        "sample",
        Text("Sample", "Échantillon"),
        "Pictures from seeds: one PNG each, named by the seed, with its recipe inside.",
        (Field("seed", SEED, "as in 0-63 or 1,5,9-12; any number of them", many=True, flag="--seeds"), BRANCHED),
        sampling,
        sampled,
        labels=True,
        sheet="grid",
    ),
    Verb(
        "decode",
        Text("Decoded code", "Code décodé"),
        "The pictures of codes.",
        (
            Field("code", CODE, "what encode gave: .npz files, or words code:...", many=True, flag="codes",
                  metavar="CODES"),
        ),
        of("decode"),
        decoding(lambda recipe, ends: ends({"code": recipe["code"]})),
    ),
    Verb(
        "interpolate",
        Text("Interpolation", "Interpolation"),
        "The way between two pictures. An END is a seed, code:... or a picture file.",
        (
            Field("from", END, "the first picture", metavar="END", argument="start"),
            Field("to", END, "the last picture", metavar="END", argument="end"),
            Field("position", POSITION, "places on the way, 0 to 1, as in 0,0.5,1", many=True, flag="--positions",
                  metavar="T,T,..."),
            Field("path", PATH, "spherical (as it comes) or linear", "spherical"),
        ),
        of("decode"),
        decoding(interpolated),
        sheet="strip",
    ),
    Verb(
        "plane",
        Text("Plane between four pictures", "Plan entre quatre images"),
        "Pictures between four others, from the top left. An END is a seed, code:... or a picture file.",
        (
            Field("corners", CORNERS, "top left, top right, bottom left, bottom right", metavar="END,END,END,END"),
            Field("x", POSITION, "places from left to right, 0 to 1, as in 0,0.5,1", many=True, metavar="X,X,..."),
            Field("y", POSITION, "places from top to bottom, 0 to 1", many=True, metavar="Y,Y,..."),
        ),
        of("decode"),
        decoding(in_plane),
    ),
    Verb(
        "steer",
        Text("Moved along directions", "Déplacement le long de directions"),
        "Pictures moved along directions of the latent space. An END is a seed, code:... or a picture file.",
        (
            Field("from", END, "ends to move", many=True, metavar="END,END,...", argument="starts"),
            Field("by", DIRECTIONS_BY, "directions and standard deviations", metavar="effect1:2,pca3:-1"),
        ),
        of("decode"),
        decoding(lambda recipe, ends: ends.steered(recipe["from"], recipe["by"])),
    ),
    Verb(
        "mix",
        Text("Style mixing", "Mélange de styles"),
        "Faces of a StyleGAN mixed layer by layer. A FACE is a seed, a range of them, code:... or a picture file.",
        (
            Field("from", STYLE_END, "faces whose layers stay", many=True, flag="--rows", metavar="FACE,FACE,..."),
            Field("to", STYLE_END, "faces whose layers are taken", None, many=True, flag="--columns",
                  metavar="FACE,FACE,..."),
            Field("layers", LAYERS, "which layers are taken, the coarsest being 0", "", metavar="0-3,7"),
            Field("by", STYLES_BY, "move along directions, in standard deviations", {}, metavar="sefa1:2,pca3:-1"),
            Field("moved", LAYERS, "the layers that are moved (all)", "", metavar="0-3,7"),
        ),
        of("sample", "styles"),  # its controls are those of `styles` and of `synthesize`
        mixed,
        mixed_layers,
    ),
    Verb(
        "translate",
        Text("Translation", "Traduction"),
        "Pictures in the system's other domain: sketches coloured, noise taken away, glasses put on.",
        (
            Field("picture", PICTURE, "pictures, folders and zips of them", many=True, flag="pictures",
                  metavar="FILE", argument="picture"),
            Field("view", VIEW, "at the size that the system knows (own), or every pixel, in tiles", "own",
                  metavar="own|tiles"),
            Field("background", BACKGROUND, "what shines through (white)", "white", metavar="COLOUR"),
            Field("detail", DETAIL, "draw outlines first, few or many: for systems that know sketches", None,
                  metavar="0-1"),
        ),
        of("translate"),
        translated,
        in_a_known_view,
    ),
    Verb(
        "img2img",
        Text("Image to image", "Image à image"),
        "A picture noised and brought back by a diffusion model: other versions of it.",
        (
            Field("picture", PICTURE, "a picture file of any size", flag="picture", metavar="PICTURE"),
            Field("seed", SEED, "as in 0-63 or 1,5,9-12: one version each (0)", 0, many=True, flag="--seeds"),
            Field("mask", MASK, "a picture of the same shape, white or opaque where it is to be drawn anew", None,
                  metavar="FILE"),
            BRANCHED,
        ),
        of("img2img"),
        denoised,
    ),
)  # fmt: skip

VERBS = {verb.name: verb for verb in TABLE}


def find(name: Any) -> Verb:
    """The verb of a recipe. Raises ValueError if there is none of that name."""
    if not isinstance(name, str) or name not in VERBS:
        raise Refusal(
            f"the recipe's verb must be one of {', '.join(VERBS)}, not {name!r}",
            f"le verbe de la recette : l’un de {', '.join(VERBS)}, et non {name!r}",
        )
    return VERBS[name]
