"""Generators of pytorch-CycleGAN-and-pix2pix: files `*_net_G.pth`, which hold weights and nothing else.

Its test of pix2pix leaves dropout and batch statistics as in training unless it is told `--eval`. Here a network always
draws as in evaluation: the same picture each time, whatever stands beside it.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from genstudio.importers.convert import Reading
from genstudio.importers.lazy_tensor import Refused, shown
from genstudio.importers.weight_file import Network, Wild, numbered
from genstudio.layers.image_to_image import Norm
from genstudio.layers.novelty import Domain

MAKER = "pytorch-CycleGAN-and-pix2pix"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
PARTS = ("weight", "bias", *STATISTICS)
SIDE = 256  # of pictures that such networks mostly learn from; a ResNet's file does not say
MOST_LEVELS = 12  # of a U-Net: it halves 4096 pixels as often


def recognise(wild: Wild) -> Reading | None:
    for network in wild.networks.values():
        if found := resnet(network) or unet(network):
            return found
    if any(map(is_critic, wild.networks.values())):
        raise Refused("it is a critic: the generator beside it is what translates")
    return None


def resnet(network: Network) -> Reading | None:
    """CycleGAN's: a layer of 7x7, two halvings, blocks, two doublings, a layer of 7x7."""
    blocks = numbered(network, r"model\.(\d{1,3})\.conv_block\..*")
    if not blocks or len(network.shape("model.1.weight")) != 4:
        return None
    count = len(blocks)
    if blocks != list(range(10, 10 + count)):
        raise Refused(f"its blocks do not come after two halvings: they have the numbers {shown(blocks)}")
    convs = [i for i in range(10) if len(network.shape(f"model.10.conv_block.{i}.weight")) == 4]
    if convs not in ([1, 5], [1, 6]):  # dropout stands between them, where there is some
        raise Refused(f"its blocks are not of a mirrored border and a convolution, twice: they have the numbers {convs}")

    # Theirs counts the borders as layers: one at the beginning, one more at the end, one before each layer in a block.
    places = {1: 0, 4: 3, 7: 6, 10 + count: 9 + count, 13 + count: 12 + count}
    modules = {f"model.{theirs}": f"layers.{ours}" for theirs, ours in places.items()}
    norms = {f"model.{theirs + 1}": f"layers.{ours + 1}" for theirs, ours in places.items()}
    for i in range(count):
        for theirs, ours in zip(convs, (0, 3), strict=True):
            modules[f"model.{10 + i}.conv_block.{theirs}"] = f"layers.{9 + i}.layers.{ours}"
            norms[f"model.{10 + i}.conv_block.{theirs + 1}"] = f"layers.{9 + i}.layers.{ours + 1}"
    modules[last := f"model.{17 + count}"] = f"layers.{15 + count}"

    width, inputs = filters(network, "model.1.weight")[:2]
    outputs = filters(network, f"{last}.weight")[0]
    norm = norm_of(network, modules, norms)
    arguments = pictured(inputs, outputs) | {"side": SIDE, "width": width, "blocks": count, "norm": norm}
    return Reading("resnet_translator", arguments, lambda: taken(network, modules, norms, norm), MAKER)


def unet(network: Network) -> Reading | None:
    """pix2pix's: level within level, each of which is the third or so of the layers around it."""
    levels, inner = ["model.model"], "model.model.1.model"
    while f"{inner}.1.weight" in network.tensors and len(levels) <= MOST_LEVELS:
        levels.append(inner)
        inner += ".3.model"
    if len(levels) < 2 or len(network.shape("model.model.0.weight")) != 4:
        return None

    # Within a level: [leaky ReLU], convolution, [norm], the level inside, ReLU, convolution, [norm]. The outermost level has
    # neither the first nor the norms, the innermost nothing inside, and no norm on its way down.
    downs, ups, norms = ["model.model.0"], ["model.model.3"], {}
    for i, level in enumerate(levels[1:], 1):
        innermost = i == len(levels) - 1
        downs.append(f"{level}.1")
        ups.append(f"{level}.3" if innermost else f"{level}.5")
        norms[f"{level}.4" if innermost else f"{level}.6"] = f"ups.{i}.2"
        if not innermost:
            norms[f"{level}.2"] = f"downs.{i}.2"
    modules = {name: f"downs.{i}.1" for i, name in enumerate(downs)} | {name: f"ups.{i}.1" for i, name in enumerate(ups)}

    widths, _ = (tuple(filters(network, f"{name}.weight")[0] for name in names) for names in (downs, ups))
    inputs, outputs = filters(network, "model.model.0.weight")[1], filters(network, "model.model.3.weight")[1]
    norm = norm_of(network, modules, norms)
    arguments = pictured(inputs, outputs) | {"side": 2 ** len(levels), "widths": widths, "norm": norm}

    def state() -> dict[str, Tensor]:
        made = taken(network, modules, norms, norm)
        for i, width in enumerate(widths):
            if i < len(widths) - 1:  # theirs lays what was seen on the way down first, ours what comes back up
                key = f"generator.ups.{i}.1.weight"
                made[key] = made[key].roll(made[key].shape[0] // 2, 0)
            elif norm == "batch":
                made[f"generator.downs.{i}.1.bias"] = torch.zeros(width)
        if norm == "batch":  # theirs has no bias in the outermost layer either, though no norm follows
            made["generator.downs.0.1.bias"] = torch.zeros(widths[0])
        return made

    return Reading("unet_translator", arguments, state, MAKER)


def norm_of(network: Network, modules: dict[str, str], norms: dict[str, str]) -> Norm:
    """Which kind the norms are of. All else that is in the file must have a name among `modules`."""
    held = {part: [name for name in norms if f"{name}.{part}" in network.tensors] for part in PARTS}
    batch = bool(held["weight"])
    if batch and not held["running_mean"]:
        raise Refused("its instance norm has weights, which is of a kind that is not known")
    known = {f"{name}.{part}" for name in (modules | norms if batch else modules) for part in PARTS}
    # Early versions wrote statistics of instance norm down, and never used them.
    dropped = set() if batch else {f"{name}.{part}" for name in norms for part in STATISTICS}
    if extra := set(network.tensors) - known - dropped:
        raise Refused(f"its {shown(min(extra))} has no place in a generator of {MAKER}")
    return "batch" if batch else "instance"


def taken(network: Network, modules: dict[str, str], norms: dict[str, str], norm: Norm) -> dict[str, Tensor]:
    """Their tensors by the names of ours, and a domain to which nothing is foreign."""
    made = {f"domain.{key}": value for key, value in Domain().state_dict().items()}
    for theirs, ours in (modules | norms if norm == "batch" else modules).items():
        for part in PARTS:
            if f"{theirs}.{part}" in network.tensors:
                made[f"generator.{ours}.{part}"] = network.read(f"{theirs}.{part}")
        if theirs in norms:  # of no use, and unknown before PyTorch 0.4.1
            made.setdefault(f"generator.{ours}.num_batches_tracked", torch.tensor(0))
    return made


def pictured(inputs: int, outputs: int) -> dict[str, int]:
    """The builder's arguments that say which pictures these are."""
    for word, channels in (("takes", inputs), ("draws", outputs)):
        if channels not in (1, 3):
            raise Refused(f"it {word} pictures of {channels} channels, and here they have 1 or 3")
    return {"inputs": inputs, "outputs": outputs}


def filters(network: Network, key: str) -> tuple[int, ...]:
    """The shape of a convolution's weights."""
    shape = network.shape(key)
    if len(shape) != 4:
        raise Refused(f"its {shown(key)} is of no convolution")
    return shape


def is_critic(network: Network) -> bool:
    """Convolutions of 4x4 in a row, down to one number a patch."""
    places = numbered(network, r"model\.(\d{1,3})\.weight")
    if not places or not all(re.fullmatch(r"model\.\d{1,3}\.\w+", key) for key in network.tensors):
        return False
    first, last = (network.shape(f"model.{place}.weight") for place in (places[0], places[-1]))
    return len(first) == 4 and first[2:] == (4, 4) and last[:1] == (1,) and last[2:] == (4, 4)
