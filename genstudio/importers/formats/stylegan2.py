"""NVIDIA's StyleGAN2, from the repositories of StyleGAN2-ADA and StyleGAN3: `G_ema`, `G` and `D` of a `.pkl`.

Their networks are those of `layers/stylegan2.py` with `original`, and most weights only change their names. Two things
differ. They clamp activations to 256 for float16, which trained weights do not reach; ours are not clamped. And their
classes pass through a dense layer, in the critic through a mapping, with no other input; ours are a table of its
outputs.

A critic (discriminator) of another architecture, or with other channels than its generator, is not imported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from genstudio.importers.convert import Reading
from genstudio.importers.lazy_tensor import Refused, shown
from genstudio.importers.weight_file import StateDict, WeightFile, dict_of, numbered
from genstudio.layers.stylegan2 import GAIN, activated, normalized

LICENCE = "NVIDIA Source Code License: non-commercial"
LR_MULTIPLIER = 0.01  # of our mapping's layers, and the default of theirs
MAX_SIZE = 4096  # upper bound of all sizes
LARGEST = 1024  # pixels
FILTERS = ".resample_filter"  # each layer keeps its own
FILTER = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def recognise(file: WeightFile) -> Reading | None:
    generator = next((file.networks[name] for name in ("G_ema", "G") if name in file.networks), file.only)
    if generator is None or "mapping.fc0.weight" not in generator.tensors:
        return None
    if "synthesis.input.freqs" in generator.tensors:
        raise Refused(
            "it is a StyleGAN3, and there is only StyleGAN2 here",
            "c’est un StyleGAN3, et il n’y a ici que StyleGAN2",
        )
    if "synthesis.b4.const" not in generator.tensors:
        return None
    found = Generator(generator)
    found.check()
    critic = Critic(file.networks["D"], found) if "D" in file.networks else None
    critic = critic if critic is not None and critic.fits() else None

    def state() -> dict[str, Tensor]:
        return found.state() | ({} if critic is None else critic.state())

    arguments = {
        "widths": found.widths,
        "channels": found.channels,
        "styles": found.styles,
        "depth": found.depth,
        "z_dim": found.z_dim,
        **({"classes": found.classes} if found.classes else {}),
        **({"group": critic.group} if critic else {}),
    }
    classes = [str(number) for number in range(found.classes)]
    licence = LICENCE if generator.name else ""  # of a pickle of their code; plain weights may be anybody's
    return Reading("stylegan2", arguments, state, "NVIDIA's StyleGAN2", licence, classes)


# Generator and critic -------------------------------------------------------------------------------------------


def given(network: StateDict, key: str, dimensions: int) -> tuple[int, ...]:
    """Shape of a required tensor. Raises Refused if it is missing or too large."""
    if key not in network.tensors:
        raise Refused(f"its {key} is not there", f"son {key} n’y est pas")
    shape = network.shape(key)
    if len(shape) != dimensions or not all(1 <= n <= MAX_SIZE for n in shape):
        raise Refused(f"its {key} has the shape {shown(shape)}")
    return shape


def layers_of(network: StateDict) -> int:
    """Number of layers of the mapping network."""
    found = numbered(network, r"mapping\.fc(\d{1,3})\.weight")
    if found != list(range(len(found))):
        raise Refused(f"its mapping has the layers {shown(found)}")
    return len(found)


def lr_multiplier_of(network: StateDict) -> float:
    """Learning-rate multiplier of the mapping network, which scales its weights at run time."""
    multiplier = dict_of(network.settings, "mapping_kwargs").get("lr_multiplier", LR_MULTIPLIER)
    if type(multiplier) not in (int, float) or not 0 < multiplier < math.inf:
        raise Refused(f"its lr_multiplier is {shown(multiplier)}")
    return multiplier


def check_words(network: StateDict) -> None:
    """Check settings without a trace in the tensors: the activation. Raises Refused."""
    nested = ("synthesis_kwargs", "mapping_kwargs", "block_kwargs", "epilogue_kwargs")
    for settings in (network.settings, *(dict_of(network.settings, name) for name in nested)):
        if (activation := settings.get("activation", "lrelu")) != "lrelu":
            raise Refused(f"its activation is {shown(activation)}, and there is only lrelu here")


def usually_filtered(network: StateDict) -> bool:
    """True if all resampling layers have the default filter, [1, 3, 3, 1]."""
    usual, found = FILTER.outer(FILTER), [key for key in network.tensors if key.endswith(FILTERS)]
    return all(
        network.shape(key) == (4, 4) and torch.allclose(network.read(key).float(), usual, atol=1e-6) for key in found
    )


def table(network: StateDict, classes: int) -> Tensor:
    """Outputs of the class embedding layer (classes + 1, d): for each one-hot label, and last for zeros (no class)."""
    weight, bias = (network.read(f"mapping.embed.{kind}").float() for kind in ("weight", "bias"))
    return torch.cat([weight.T / math.sqrt(classes) + bias, bias[None]])


# The generator --------------------------------------------------------------------------------------------------


class Generator:
    """Architecture of a generator, derived from the shapes of its tensors. Raises Refused."""

    def __init__(self, network: StateDict):
        self.network = network
        self.sides = numbered(network, r"synthesis\.b(\d{1,5})\.conv1\.weight")
        if self.sides != [4 << level for level in range(len(self.sides))] or not self.sides:
            raise Refused(f"its sizes are {shown(self.sides)}, and each should be twice the one before, from 4")
        if self.sides[-1] > LARGEST:
            raise Refused(f"its pictures have {self.sides[-1]} pixels a side, and {LARGEST} is the most here")
        for side in self.sides:
            if f"synthesis.b{side}.torgb.weight" not in network.tensors:
                raise Refused(f"it adds no picture at {side} pixels: its architecture is not 'skip', the only one here")
        self.widths = tuple(given(network, f"synthesis.b{side}.conv1.weight", 4)[0] for side in self.sides)
        self.channels = given(network, "synthesis.b4.torgb.weight", 4)[0]
        if self.channels not in (1, 3):
            raise Refused(f"its pictures have {self.channels} channels, and not 1 or 3")
        self.depth, self.lr_multiplier = layers_of(network), lr_multiplier_of(network)
        inner = [given(network, f"mapping.fc{i}.weight", 2)[0] for i in range(self.depth)]
        if len(set(inner)) > 1:
            raise Refused(f"the layers of its mapping are of several widths: {shown(inner)}")
        self.styles, self.classes = inner[0], 0
        self.z_dim = given(network, "mapping.fc0.weight", 2)[1]
        if "mapping.embed.weight" in network.tensors:
            self.classes = given(network, "mapping.embed.weight", 2)[1]
            width = given(network, "mapping.embed.weight", 2)[0], *given(network, "mapping.embed.bias", 1)
            if set(width) != {self.styles}:
                numbers = f"{width[0]} numbers and its styles {self.styles}"
                raise Refused(f"its classes have {numbers}, which are to be as many")
            self.z_dim -= self.styles
        if self.z_dim < 1:
            raise Refused("it makes pictures of a class alone, without noise")
        self.noisy = any(key.endswith(".noise_strength") for key in network.tensors)

    def check(self) -> None:
        check_words(self.network)
        due = {theirs for _, theirs in self.names()}
        if self.classes:
            due |= {"mapping.embed.weight", "mapping.embed.bias"}
        keys = {key for key in self.network.tensors if not key.endswith(FILTERS)}
        if missing := due - keys:
            raise Refused(f"its {min(missing)} is not there", f"son {min(missing)} n’y est pas")
        if extra := keys - due:
            raise Refused(f"its {shown(min(extra))} has no place in a StyleGAN2")
        given(self.network, "synthesis.b4.const", 3)
        if given(self.network, "mapping.w_avg", 1) != (self.styles,):
            raise Refused("its average style, mapping.w_avg, has not the width of its styles")

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield pairs of our key and theirs, for all tensors to copy."""
        for i in range(self.depth):
            yield from pairs(f"mapping.layers.{i}", f"mapping.fc{i}")
        for level, side in enumerate(self.sides):
            block = f"synthesis.b{side}"
            for i, conv in ((2 * level - 1, "conv0"), (2 * level, "conv1")):
                if i < 0:
                    continue
                ours, theirs = f"synthesis.convs.{i}", f"{block}.{conv}"
                yield from (*pairs(ours, theirs), *pairs(f"{ours}.affine", f"{theirs}.affine"))
                if self.noisy:
                    yield f"{ours}.noise_strength", f"{theirs}.noise_strength"
                    yield f"{ours}.noise", f"{theirs}.noise_const"
            ours, theirs = f"synthesis.to_rgb.{level}", f"{block}.torgb"
            yield from (*pairs(f"{ours}.conv", theirs), *pairs(f"{ours}.affine", f"{theirs}.affine"))
        yield "synthesis.const", "synthesis.b4.const"
        yield "w_avg", "mapping.w_avg"

    def state(self) -> dict[str, Tensor]:
        if not usually_filtered(self.network):
            raise Refused("it doubles pictures by another filter than 1, 3, 3, 1")
        state = {ours: self.network.read(theirs).float() for ours, theirs in self.names()}
        for key, value in state.items():
            if key.startswith("mapping."):
                state[key] = value * (self.lr_multiplier / LR_MULTIPLIER)
            elif key.endswith(".noise"):
                state[key] = value[None, None]
        if not self.noisy:
            for i, side in enumerate([side for side in self.sides for _ in range(2)][1:]):
                conv = f"synthesis.convs.{i}"
                state |= {f"{conv}.noise_strength": torch.zeros(()), f"{conv}.noise": torch.zeros(1, 1, side, side)}
        state["synthesis.const"] = state["synthesis.const"][None]
        if self.classes:
            state["mapping.class_embedding.weight"] = table(self.network, self.classes)
        average = state.pop("w_avg").expand(self.classes + 1, -1).clone()  # theirs is the mean over all classes
        state = {f"generator.{key}": value for key, value in state.items()}
        # The state of the training losses is not in the file; it starts at zero.
        return state | {"w_avg": average, **{key: torch.zeros(()) for key in ("path_mean", "ada.p", "ada.sign")}}


def pairs(ours: str, theirs: str) -> list[tuple[str, str]]:
    return [(f"{ours}.{part}", f"{theirs}.{part}") for part in ("weight", "bias")]


# The critic -----------------------------------------------------------------------------------------------------


@dataclass
class Critic:
    network: StateDict
    generator: Generator

    @property
    def group(self) -> Any:
        """Group size of the minibatch standard deviation."""
        return dict_of(self.network.settings, "epilogue_kwargs").get("mbstd_group_size", 4)

    def fits(self) -> bool:
        """True if its channels and resolutions mirror the generator's, so that every tensor has a place in ours."""
        last, classes = self.generator.widths[0], self.generator.classes
        due = {theirs: shape for _, theirs, shape in self.names()}
        try:
            check_words(self.network)
            depth, _ = layers_of(self.network), lr_multiplier_of(self.network)
        except Refused:
            return False
        if classes:
            due |= {"mapping.embed.weight": (last, classes), "mapping.embed.bias": (last,)}
        for i in range(depth):
            due |= {f"mapping.fc{i}.weight": (last, last), f"mapping.fc{i}.bias": (last,)}
        shapes = {key: stored.shape for key, stored in self.network.tensors.items() if not key.endswith(FILTERS)}
        return due == shapes and type(self.group) is int and 1 <= self.group <= MAX_SIZE

    def names(self) -> Iterator[tuple[str, str, tuple[int, ...]]]:
        """Yield our key, theirs and the shape, for all tensors to copy."""
        widths, sides = self.generator.widths, self.generator.sides
        last, conditional = widths[0], bool(self.generator.classes)

        def layer(ours: str, theirs: str, *shape: int, bias: bool = True) -> list[tuple[str, str, tuple[int, ...]]]:
            found = [(f"critic.{ours}.weight", f"{theirs}.weight", shape)]
            return [*found, (f"critic.{ours}.bias", f"{theirs}.bias", shape[:1])] if bias else found

        yield from layer("from_rgb", f"b{sides[-1]}.fromrgb", widths[-1], self.generator.channels, 1, 1)
        for i, (side, ins, outs) in enumerate(zip(sides[:0:-1], widths[:0:-1], widths[-2::-1], strict=True)):
            yield from layer(f"blocks.{i}.conv1", f"b{side}.conv0", ins, ins, 3, 3)
            yield from layer(f"blocks.{i}.conv2", f"b{side}.conv1", outs, ins, 3, 3)
            yield from layer(f"blocks.{i}.shortcut", f"b{side}.skip", outs, ins, 1, 1, bias=False)
        yield from layer("conv", "b4.conv", last, last + 1, 3, 3)
        yield from layer("dense", "b4.fc", last, last * 4 * 4)
        yield from layer("output", "b4.out", last if conditional else 1, last)

    def state(self) -> dict[str, Tensor]:
        if not usually_filtered(self.network):
            return {}
        state = {ours: self.network.read(theirs).float() for ours, theirs, _ in self.names()}
        if classes := self.generator.classes:
            x, multiplier = normalized(table(self.network, classes)), lr_multiplier_of(self.network)
            for i in range(layers_of(self.network)):
                fc = (self.network.read(f"mapping.fc{i}.{part}").float() for part in ("weight", "bias"))
                weight, bias = (tensor * multiplier for tensor in fc)
                x = GAIN * activated(linear(x, weight / math.sqrt(weight.shape[1]), bias))
            state["critic.class_embedding.weight"] = x
        return state
