"""What going on from learned weights needs: layers that stay, classes that find a place, numbers for few pictures.

`train.py` calls these once, before its loop. Early layers see edges and colours, which all pictures share: they may
stay as they are (FreezeD for critics, Mo et al. 2020, arXiv:2002.10964). Weights of another shape are never cut to fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from genstudio import catalog, checkpoint
from genstudio.data import Pictures
from genstudio.data.pictures import relabelled
from genstudio.model import Model
from genstudio.objectives import augmentation
from genstudio.system import Recipe, System

# A fresh critic tells a trained generator's pictures from others at once, and would lead it astray before it knows how.
CRITIC_WARMUP = 10_000  # pictures; of a short run, a twentieth

# What `proposed` goes by.
LEAST_SHOWN = 16_000  # pictures shown in all: 3 to 5 minutes of a 64-pixel system on one thread
SHOWN = 80  # times that each is shown
FEW = 5000  # pictures, below which a critic learns them by heart


# Layers that stay -----------------------------------------------------------------------------------------------


def layers(network: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters of a network, layer by layer: a convolution, and what follows it up to the next one.

    Modules stand in the order in which they were made, and all our networks are made in the order in which they see
    the picture: encoders before decoders, the way down before the way up. What comes before the first convolution
    sees no picture (a time, a class) and belongs to no layer.
    """
    found: list[list[nn.Parameter]] = []
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            found.append([])
        if found:
            found[-1] += module.parameters(recurse=False)
    return found


def freeze(model: Model, count: int) -> None:
    """The first `count` layers learn no more: of the critic where there is one, else of every player.

    A batch norm among them keeps its scale and shift. Its statistics still are those of the pictures that it sees: in
    training of the batch, and what it remembers of them goes on with the new ones, as it does in layers that learn.
    """
    if not count:
        return
    players = model.players()
    for name, player in ({"critic": players["critic"]} if "critic" in players else players).items():
        for network in player.children() if isinstance(player, nn.ModuleDict) else [player]:  # a critic for each way
            found = layers(network)
            if not found and isinstance(player, nn.ModuleDict):
                continue  # its memory
            if count >= len(found):
                raise ValueError(f"freeze must be less than the {len(found)} layers of the {name}, not {count}")
            for parameters in found[:count]:
                for parameter in parameters:
                    parameter.requires_grad_(False)


def prepare(model: Model, recipe: Recipe) -> None:
    """Freezes and augments as the recipe asks. Raises ValueError, in words, on what this model has no use for."""
    players = model.players()
    if unknown := set(recipe.rates) - set(players):
        raise ValueError(f"rates are of {', '.join(players)}, not of {min(unknown)}")
    if "critic" not in players and recipe.critic_warmup:
        raise ValueError("critic_warmup needs a critic, and this system has none")
    if (recipe.critic_warmup or 0) >= recipe.images:
        warm = recipe.critic_warmup
        raise ValueError(f"critic_warmup must be less than the {recipe.images} pictures of the run, not {warm}")
    if recipe.augment:
        # Any other model would learn to draw the changes.
        if "critic" not in players:
            raise ValueError("augment changes what a critic sees, and this system has none: flip and jitter are for it")
        model.augment = augmentation.augment
    freeze(model, recipe.freeze)


def proposed(system: System, count: int) -> Recipe:
    """The system's recipe, changed to suit going on from its weights with `count` pictures: minutes, not hours.

    With 200 drawings of one style, about half as long a run at these rates brought the Frechet distance to held-out ones
    from 32 to 3 (ddpm_avatars, told no class) and from 42 to 19 (dcgan_avatars), and one as long from 32 to 9 (vae_avatars).
    Nothing is frozen: two layers of the DCGAN's critic made it 16 in place of 19, and its pictures less various.
    """
    own = system.recipe
    images = min(own.images, max(LEAST_SHOWN, SHOWN * count))
    has_critic = "critic" in checkpoint.shell(system, {}).players()
    return replace(
        own,
        images=images,
        rate=own.rate if has_critic else own.rate / 2,  # a game is tuned to its rates
        warmup=min(own.warmup, images // 10),
        augment=has_critic and count < FEW,
    )


# Where a run begins ---------------------------------------------------------------------------------------------


def origin(system: System, init: str | None, begun: dict[str, Any], network: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a run has from where it begins: `arguments` of the system's builder, where the weights are of a network of another
    size, and the `licence`, which learning on does not end. `begun` is what a run that is resumed says of itself; `network`
    is asked for where there is neither that nor a checkpoint."""
    if network and (init or begun):
        raise ValueError("the weights that a run goes on from settle its network: no other can be asked for")
    found = {"arguments": network or {}, "licence": checkpoint.LICENCE}
    found |= {key: begun[key] for key in found if key in begun}
    if init and not begun:
        header = checkpoint.describe(catalog.locate(init))
        found["licence"] = header.licence
        if header.system == system.name:
            found["arguments"] = header.arguments
    return found | {"arguments": checkpoint.check_arguments(system, found["arguments"])}


def image_shape(system: System, init: str | None) -> tuple[int, int, int]:
    """Of the pictures that a run learns to draw."""
    return checkpoint.shell(system, origin(system, init, {})["arguments"]).image_shape


def has_critic(init: str) -> bool:
    """Whether a checkpoint's critic lies beside it."""
    return checkpoint.critic_of(catalog.locate(init)).exists()


def settled(recipe: Recipe, model: Model, init: str | None) -> Recipe:
    """The recipe of a run that begins here: a critic that is not in the file is given time, unless it says how much."""
    if init and "critic" in model.players() and not has_critic(init):
        if recipe.freeze:
            raise ValueError(f"{init} comes without its critic: freeze would keep layers that have learned nothing")
        if recipe.critic_warmup is None:
            return replace(recipe, critic_warmup=min(CRITIC_WARMUP, recipe.images // 20))
    return recipe


def begin(model: Model, average: Model, init: str) -> tuple[str, ...]:
    """Both take the weights of a checkpoint, with its critic where it has one. Returns the names of its classes."""
    start, header = checkpoint.load(catalog.locate(init), critic=True)
    try:
        model.load_state_dict(start.state_dict())
        average.load_state_dict(start.state_dict())
    except RuntimeError:
        raise ValueError(f"{init} holds weights of {header.system}, which do not fit here") from None
    return tuple(header.classes)


# Classes --------------------------------------------------------------------------------------------------------


def slots(held: Sequence[str], wanted: Sequence[str], count: int) -> tuple[str, ...]:
    """The names of a model's `count` class slots, of which it `held` some, once it is to know all that are `wanted`.

    A class of the same name keeps its slot. The others take slots in order: first those without a name, then those
    whose class does not occur any more.
    """
    if len(wanted) > count:
        raise ValueError(f"the pictures are of {len(wanted)} classes, and this model has room for {count}")
    names: list[str | None] = [*held[:count], *[None] * (count - len(held))]
    free = sorted((i for i, name in enumerate(names) if name not in wanted), key=lambda i: names[i] is not None)
    for name, i in zip((name for name in wanted if name not in names), free, strict=False):
        names[i] = name
    return tuple(name for name in names if name is not None)


def placed(pictures: Pictures, model: Model, held: Sequence[str]) -> Pictures:
    """The pictures with the labels and attributes that a model has for them; it `held` these classes before, and is told
    its new ones.

    A model without classes may see any pictures. One that draws by class learns from pictures without any untold, and
    draws so from then on: the classes that it held are no longer what it draws.
    """
    pictures = pictures.renumbered(model.attributes)
    if not model.classes:
        return pictures
    if pictures.labels is None and hasattr(model, "classify"):
        raise ValueError(f"a classifier learns from pictures in class folders, and {pictures.name} has none")
    if pictures.labels is None:
        return pictures
    model.class_names = slots(held, pictures.classes, model.classes)
    return relabelled(pictures, model.class_names)
