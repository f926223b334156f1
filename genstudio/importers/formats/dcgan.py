"""Generators of PyTorch's DCGAN tutorial and its derivatives: `main.0.weight`, `main.1.weight`, ..."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from genstudio.importers.convert import Reading
from genstudio.importers.lazy_tensor import Refused, shown
from genstudio.importers.weight_file import StateDict, WeightFile

KEY = r"(main\.)?(\d{1,3})\.(weight|bias|running_mean|running_var|num_batches_tracked)"
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
SIZE = 4  # kernel size of a layer with stride 2


def recognise(file: WeightFile) -> Reading | None:
    networks = [network for network in file.networks.values() if all(re.fullmatch(KEY, key) for key in network.tensors)]
    for network in networks:
        if found := generator(network):
            return found
    if any(map(is_critic, networks)):
        raise Refused(
            "it is a critic: its generator is what draws",
            "c’est un critique : c’est son générateur qui dessine",
        )
    return None


def prefix_of(network: StateDict) -> str:
    return "main." if "main.0.weight" in network.tensors else ""


def places(network: StateDict) -> list[int]:
    """Indices of the convolutional layers."""
    return sorted(int(re.fullmatch(KEY, key)[2]) for key, stored in network.tensors.items() if len(stored.shape) == 4)


def generator(network: StateDict) -> Reading | None:
    """A generator of transposed convolutions, each but the last followed by batch norm and ReLU: every third layer.

    None if it is no such network. Raises Refused if it is one that our DCGAN does not cover.
    """
    prefix = prefix_of(network)
    first = network.shape(f"{prefix}0.weight")
    if len(first) != 4 or network.shape(f"{prefix}1.running_mean") != first[1:2]:
        return None
    convs = places(network)
    if convs != list(range(0, 3 * len(convs), 3)) or len(convs) < 2:
        raise Refused(f"its convolutions do not follow one another as a DCGAN's do: they are layers {shown(convs)}")
    shapes = [network.shape(f"{prefix}{i}.weight") for i in convs]
    # Strides are not in the file, and known only for the tutorial's kernel size.
    if other := [shape[2:] for shape in shapes[1:] if shape[2:] != (SIZE, SIZE)]:
        size = shown("x".join(map(str, other[0])))
        raise Refused(f"it has kernels of {size} pixels, and only of {SIZE}x{SIZE} it is known how far they enlarge")
    if first[2] != first[3]:
        raise Refused(f"its pictures begin as {first[3]} by {first[2]} pixels, and only squares are known")
    if (channels := shapes[-1][1]) not in (1, 3):
        raise Refused(f"its pictures have {channels} channels, and not 1 or 3")
    keys = {f"{i}.{part}" for i in convs for part in ("weight", "bias")}
    keys |= {f"{i + 1}.{part}" for i in convs[:-1] for part in NORM}
    if extra := {key.removeprefix(prefix) for key in network.tensors} - keys:
        raise Refused(f"its layer {shown(min(extra))} has no place in a DCGAN's generator")

    def state() -> dict[str, Tensor]:
        read = {key: network.read(f"{prefix}{key}") for key in sorted(keys) if f"{prefix}{key}" in network.tensors}
        read.setdefault(f"{convs[-1]}.bias", torch.zeros(channels))  # the tutorial's has none
        for i in convs[:-1]:
            read.setdefault(f"{i + 1}.num_batches_tracked", torch.tensor(0))  # not used; missing before PyTorch 0.4.1
            bias, mean = read.get(f"{i}.bias"), read.get(f"{i + 1}.running_mean")
            if bias is not None and mean is not None and bias.shape == mean.shape:  # fold the bias into the norm's mean
                read[f"{i + 1}.running_mean"] = mean - read.pop(f"{i}.bias")
        return {f"generator.{key}": value for key, value in read.items()}

    hidden = tuple(shape[1] for shape in shapes[:-1])
    arguments = {"channels": channels, "side": first[2] << len(hidden), "latent_dim": first[0], "widths": hidden}
    return Reading("dcgan", arguments, state, "PyTorch's DCGAN")


def is_critic(network: StateDict) -> bool:
    """True for a discriminator: no norm between the first two convolutions, and one output channel in the last."""
    prefix = prefix_of(network)
    first, second = (network.shape(f"{prefix}{i}.weight") for i in (0, 2))
    last = network.shape(f"{prefix}{places(network)[-1]}.weight") if places(network) else ()
    return len(first) == len(second) == len(last) == 4 and second[1] == first[0] and last[0] == 1
