"""Generators of pytorch-CycleGAN-and-pix2pix: files `*_net_G.pth`, which have weights and nothing else.

Its test script runs pix2pix with dropout and batch statistics in training mode unless given `--eval`. Ours are always
in evaluation mode: deterministic, and independent of the rest of the batch.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from genstudio.importers.convert import Reading
from genstudio.importers.lazy_tensor import Refused, shown
from genstudio.importers.weight_file import StateDict, WeightFile, numbered
from genstudio.layers.image_to_image import Norm
from genstudio.layers.novelty import Domain

MAKER = "pytorch-CycleGAN-and-pix2pix"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
PARTS = ("weight", "bias", *STATISTICS)
SIDE = 256  # the usual training resolution; a ResNet's file does not have it
MAX_LEVELS = 12  # of a U-Net, for 4096 pixels


def recognise(file: WeightFile) -> Reading | None:
    for network in file.networks.values():
        if found := resnet(network) or unet(network):
            return found
    if any(map(is_critic, file.networks.values())):
        raise Refused(
            "it is a critic: the generator beside it is what translates",
            "c’est un critique : c’est le générateur, à côté, qui traduit",
        )
    return None


def resnet(network: StateDict) -> Reading | None:
    """CycleGAN's generator: a 7x7 layer, two downsamplings, residual blocks, two upsamplings, a 7x7 layer."""
    blocks = numbered(network, r"model\.(\d{1,3})\.conv_block\..*")
    if not blocks or len(network.shape("model.1.weight")) != 4:
        return None
    count = len(blocks)
    if blocks != list(range(10, 10 + count)):
        raise Refused(f"its blocks do not come after two halvings: they have the numbers {shown(blocks)}")
    convs = [i for i in range(10) if len(network.shape(f"model.10.conv_block.{i}.weight")) == 4]
    if convs not in ([1, 5], [1, 6]):  # [1, 6] with dropout between them
        found = f"they have the numbers {convs}"
        raise Refused(f"its blocks are not of a mirrored border and a convolution, twice: {found}")

    # In theirs, padding is a layer: one at the beginning, one at the end, and one before each convolution in a block.
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


def unet(network: StateDict) -> Reading | None:
    """pix2pix's generator: a U-Net of nested modules, each level inside the one above it."""
    levels, inner = ["model.model"], "model.model.1.model"
    while f"{inner}.1.weight" in network.tensors and len(levels) <= MAX_LEVELS:
        levels.append(inner)
        inner += ".3.model"
    if len(levels) < 2 or len(network.shape("model.model.0.weight")) != 4:
        return None

    # A level: [leaky ReLU], convolution, [norm], inner level, ReLU, transposed convolution, [norm]. The outermost level
    # has no leaky ReLU and no norms, the innermost no inner level and no first norm.
    downs, ups, norms = ["model.model.0"], ["model.model.3"], {}
    for i, level in enumerate(levels[1:], 1):
        innermost = i == len(levels) - 1
        downs.append(f"{level}.1")
        ups.append(f"{level}.3" if innermost else f"{level}.5")
        norms[f"{level}.4" if innermost else f"{level}.6"] = f"ups.{i}.2"
        if not innermost:
            norms[f"{level}.2"] = f"downs.{i}.2"
    modules = {name: f"downs.{i}.1" for i, name in enumerate(downs)}
    modules |= {name: f"ups.{i}.1" for i, name in enumerate(ups)}

    channels, _ = (tuple(filters(network, f"{name}.weight")[0] for name in names) for names in (downs, ups))
    inputs, outputs = filters(network, "model.model.0.weight")[1], filters(network, "model.model.3.weight")[1]
    norm = norm_of(network, modules, norms)
    arguments = pictured(inputs, outputs) | {"side": 2 ** len(levels), "widths": channels, "norm": norm}

    def state() -> dict[str, Tensor]:
        made = taken(network, modules, norms, norm)
        for i, count in enumerate(channels):
            if i < len(channels) - 1:  # theirs concatenates the skip connection first, ours the upsampled features
                key = f"generator.ups.{i}.1.weight"
                made[key] = made[key].roll(made[key].shape[0] // 2, 0)
            elif norm == "batch":
                made[f"generator.downs.{i}.1.bias"] = torch.zeros(count)
        if norm == "batch":  # theirs has no bias in the outermost layer either, though no norm follows
            made["generator.downs.0.1.bias"] = torch.zeros(channels[0])
        return made

    return Reading("unet_translator", arguments, state, MAKER)


def norm_of(network: StateDict, modules: dict[str, str], norms: dict[str, str]) -> Norm:
    """Type of the norms, batch or instance. Raises Refused for a tensor outside of `modules` and `norms`."""
    present = {part: [name for name in norms if f"{name}.{part}" in network.tensors] for part in PARTS}
    batch = bool(present["weight"])
    if batch and not present["running_mean"]:
        raise Refused("its instance norm has weights, which is of a kind that is not known")
    known = {f"{name}.{part}" for name in (modules | norms if batch else modules) for part in PARTS}
    # Early versions saved statistics of instance norm without using them.
    dropped = set() if batch else {f"{name}.{part}" for name in norms for part in STATISTICS}
    if extra := set(network.tensors) - known - dropped:
        raise Refused(f"its {shown(min(extra))} has no place in a generator of {MAKER}")
    return "batch" if batch else "instance"


def taken(network: StateDict, modules: dict[str, str], norms: dict[str, str], norm: Norm) -> dict[str, Tensor]:
    """Tensors by the keys of our model, with an initial novelty detector that flags nothing."""
    made = {f"domain.{key}": value for key, value in Domain().state_dict().items()}
    for theirs, ours in (modules | norms if norm == "batch" else modules).items():
        for part in PARTS:
            if f"{theirs}.{part}" in network.tensors:
                made[f"generator.{ours}.{part}"] = network.read(f"{theirs}.{part}")
        if theirs in norms:  # not used, and missing before PyTorch 0.4.1
            made.setdefault(f"generator.{ours}.num_batches_tracked", torch.tensor(0))
    return made


def pictured(inputs: int, outputs: int) -> dict[str, int]:
    """Builder arguments for the channels of inputs and outputs. Raises Refused unless they are 1 or 3."""
    for word, channels in (("takes", inputs), ("draws", outputs)):
        if channels not in (1, 3):
            raise Refused(f"it {word} pictures of {channels} channels, and here they have 1 or 3")
    return {"inputs": inputs, "outputs": outputs}


def filters(network: StateDict, key: str) -> tuple[int, ...]:
    """Shape of a convolution's weight. Raises Refused for any other tensor."""
    shape = network.shape(key)
    if len(shape) != 4:
        raise Refused(f"its {shown(key)} is of no convolution")
    return shape


def is_critic(network: StateDict) -> bool:
    """True for a patch discriminator: a sequence of 4x4 convolutions down to one channel."""
    places = numbered(network, r"model\.(\d{1,3})\.weight")
    if not places or not all(re.fullmatch(r"model\.\d{1,3}\.\w+", key) for key in network.tensors):
        return False
    first, last = (network.shape(f"model.{place}.weight") for place in (places[0], places[-1]))
    return len(first) == 4 and first[2:] == (4, 4) and last[:1] == (1,) and last[2:] == (4, 4)
