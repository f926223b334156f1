"""Fine-tuning: frozen layers, class-slot mapping, defaults for small data sets.

`loop.py` calls these once, before training. Early layers respond to edges and colours, which all images share, so they
may be frozen (FreezeD for discriminators, Mo et al. 2020, arXiv:2002.10964). Weights of another shape are not cropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from genstudio import catalog, checkpoint
from genstudio.controls import Refusal
from genstudio.data import Pictures
from genstudio.data.pictures import relabel
from genstudio.model import Model
from genstudio.objectives import augmentation
from genstudio.system import Recipe, System

# A new critic (discriminator) gives a trained generator misleading gradients, so it trains alone at first.
CRITIC_WARMUP = 10_000  # images; in a short run, a twentieth of it

# Defaults of `proposed`.
LEAST_SHOWN = 16_000  # training length in images: 3 to 5 minutes of a 64-pixel system on one thread
SHOWN = 80  # epochs
FEW = 5000  # images, below which a critic overfits


# Frozen layers --------------------------------------------------------------------------------------------------


def layers(network: nn.Module) -> list[list[nn.Parameter]]:
    """Parameters of a network, layer by layer: a convolution with everything up to the next one.

    `modules` lists them in the order of construction, and all our networks are constructed in the order of their
    forward pass: encoder before decoder, downsampling before upsampling. Parameters before the first convolution embed
    a time or a class, and belong to no layer.
    """
    found: list[list[nn.Parameter]] = []
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            found.append([])
        if found:
            found[-1] += module.parameters(recurse=False)
    return found


def freeze(model: Model, count: int) -> None:
    """Freeze the first `count` layers: of the critic where there is one, else of every player.

    A frozen batch norm keeps its scale and shift. It still normalizes by batch statistics in training, and updates its
    running statistics, as trainable layers do.
    """
    if not count:
        return
    players = model.players()
    for name, player in ({"critic": players["critic"]} if "critic" in players else players).items():
        for network in player.children() if isinstance(player, nn.ModuleDict) else [player]:  # a critic per direction
            found = layers(network)
            if not found and isinstance(player, nn.ModuleDict):
                continue  # the image buffer
            if count >= len(found):
                raise Refusal(
                    f"freeze must be less than the {len(found)} layers of the {name}, not {count}",
                    f"couches gelées : moins que les {len(found)} de {name}, et non {count}",
                )
            for parameters in found[:count]:
                for parameter in parameters:
                    parameter.requires_grad_(False)


def prepare(model: Model, recipe: Recipe) -> None:
    """Freeze layers and enable augmentation as the recipe says. Raises ValueError for options that the model lacks."""
    players = model.players()
    if unknown := set(recipe.rates) - set(players):
        raise ValueError(f"rates are of {', '.join(players)}, not of {min(unknown)}")
    if "critic" not in players and recipe.critic_warmup:
        raise ValueError("critic_warmup needs a critic, and this system has none")
    if (recipe.critic_warmup or 0) >= recipe.images:
        warm = recipe.critic_warmup
        raise ValueError(f"critic_warmup must be less than the {recipe.images} pictures of the run, not {warm}")
    if recipe.augment:
        # A model without a critic would learn to generate the augmented images.
        if "critic" not in players:
            raise Refusal(
                "augment changes what a critic sees, and this system has none: flip and jitter are for it",
                "l’augmentation change ce que voit un critique, et ce système n’en a pas : miroir et décalage lui vont",
            )
        model.augment = augmentation.augment
    freeze(model, recipe.freeze)


def proposed(system: System, count: int) -> Recipe:
    """The system's recipe with defaults for fine-tuning on `count` pictures: minutes, not hours.

    On 200 drawings of one style, a run of about half this length lowered the Frechet distance to held-out drawings from
    32 to 3 (ddpm_avatars, unconditional) and from 42 to 19 (dcgan_avatars), and one of this length from 32 to 9
    (vae_avatars). Nothing is frozen: freezing two layers of the DCGAN's critic gave 16 in place of 19, with less
    diverse images.
    """
    own = system.recipe
    images = min(own.images, max(LEAST_SHOWN, SHOWN * count))
    has_critic = "critic" in checkpoint.shell(system, {}).players()
    return replace(
        own,
        images=images,
        rate=own.rate if has_critic else own.rate / 2,  # a GAN's learning rates are tuned to each other
        warmup=min(own.warmup, images // 10),
        augment=has_critic and count < FEW,
    )


# Initial weights ------------------------------------------------------------------------------------------------


def origin(
    system: System, init: str | None, resumed: dict[str, Any], network: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Facts that a run inherits: the `arguments` of the system's builder and the `licence` of its initial weights.

    init: the checkpoint to fine-tune. resumed: the run.json of a run to resume, else empty. network: arguments of the
    builder for a run with neither. Raises ValueError where it comes with one of them.
    """
    if network and (init or resumed):
        raise ValueError("the weights that a run goes on from settle its network: no other can be asked for")
    found = {"arguments": network or {}, "licence": checkpoint.LICENCE}
    found |= {key: resumed[key] for key in found if key in resumed}
    if init and not resumed:
        header = checkpoint.describe(catalog.locate(init))
        found["licence"] = header.licence
        if header.system == system.name:
            found["arguments"] = header.arguments
    return found | {"arguments": checkpoint.check_arguments(system, found["arguments"])}


def image_shape(system: System, init: str | None) -> tuple[int, int, int]:
    """Image shape (c, h, w) of the network that a run trains."""
    return checkpoint.shell(system, origin(system, init, {})["arguments"]).image_shape


def pairing(system: System, init: str | None) -> str:
    """Pairing of the sources and images that a run learns from, as `Model` has it."""
    return checkpoint.shell(system, origin(system, init, {})["arguments"]).pairing


def has_critic(init: str) -> bool:
    """True if a checkpoint's critic is stored beside it."""
    return checkpoint.critic_of(catalog.locate(init)).exists()


def settled(recipe: Recipe, model: Model, init: str | None) -> Recipe:
    """The recipe with a critic warm-up where the initial weights come without a critic, unless it sets one itself."""
    if init and "critic" in model.players() and not has_critic(init):
        if recipe.freeze:
            raise Refusal(
                f"{init} comes without its critic: freeze would keep layers that have learned nothing",
                f"{init} vient sans son critique : geler garderait des couches qui n’ont rien appris",
            )
        if recipe.critic_warmup is None:
            return replace(recipe, critic_warmup=min(CRITIC_WARMUP, recipe.images // 20))
    return recipe


def begin(model: Model, average: Model, init: str) -> tuple[str, ...]:
    """Load a checkpoint's weights into model and average, with its critic if it has one. Returns its class names."""
    start, header = checkpoint.load(catalog.locate(init), critic=True)
    try:
        model.load_state_dict(start.state_dict())
        average.load_state_dict(start.state_dict())
    except RuntimeError:
        raise Refusal(
            f"{init} holds weights of {header.system}, which do not fit here",
            f"{init} contient des poids de {header.system}, qui ne vont pas ici",
        ) from None
    return tuple(header.classes)


# Classes --------------------------------------------------------------------------------------------------------


def slots(former: Sequence[str], wanted: Sequence[str], count: int) -> tuple[str, ...]:
    """Class names of a model's `count` slots after fine-tuning: all that are `wanted`, then `former` ones.

    A class of the same name keeps its slot. Others take slots in order: first those without a name, then those whose
    former class does not occur any more. Raises ValueError if there are too many.
    """
    if len(wanted) > count:
        raise Refusal(
            f"the pictures are of {len(wanted)} classes, and this model has room for {count}",
            f"les images sont de {len(wanted)} classes, et ce modèle a de la place pour {count}",
        )
    names: list[str | None] = [*former[:count], *[None] * (count - len(former))]
    free = sorted((i for i, name in enumerate(names) if name not in wanted), key=lambda i: names[i] is not None)
    for name, i in zip((name for name in wanted if name not in names), free, strict=False):
        names[i] = name
    return tuple(name for name in names if name is not None)


def placed(pictures: Pictures, model: Model, former: Sequence[str]) -> Pictures:
    """The pictures, relabelled by the class slots and attributes of a model, whose `class_names` are set.

    former: class names of its initial weights. A model without classes takes any pictures. A class-conditional one
    trains unconditionally on pictures without labels, and loses its former classes.
    """
    pictures = pictures.renumbered(model.attributes)
    if not model.classes:
        return pictures
    if pictures.labels is None and hasattr(model, "classify"):
        raise Refusal(
            f"a classifier learns from pictures in class folders, and {pictures.name} has none",
            f"un classifieur apprend d’images rangées en dossiers de classes, et {pictures.name} n’en a pas",
        )
    if pictures.labels is None:
        return pictures
    if hasattr(model, "classify") and (pictures.labels < 0).any():
        pictures = pictures.part(pictures.labels >= 0)  # it has nothing to learn from the others
    model.class_names = slots(former, pictures.classes, model.classes)
    return relabel(pictures, model.class_names)
