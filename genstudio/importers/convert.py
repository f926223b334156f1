"""Conversion of other projects' weight files to checkpoints of ours. The formats are the modules listed in FORMATS."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from genstudio import checkpoint
from genstudio.importers.lazy_tensor import Refused
from genstudio.importers.weight_file import WeightFile, is_averaged, read
from genstudio.model import Model
from genstudio.registry import find_system

# In order of recognition: formats with distinctive keys come first.
FORMATS = ("stylegan2", "biggan", "diffusers", "translators", "dcgan", "dense_vae")
TOGETHER = {"G_ema", "G", "D"}  # networks of NVIDIA's snapshots, which are read together
ALMOST = 1.5  # maximum ratio of the model's parameters to the file's: some are stored twice, none come from nowhere


@dataclass
class Reading:
    """Mapping of a weight file to one of our systems: builder arguments, renamed tensors, origin and licence."""

    system: str
    arguments: dict[str, Any]  # of the system's builder
    state: Callable[[], dict[str, Tensor]]  # float32 tensors, by the keys of our model
    maker: str  # origin of the format: "NVIDIA's StyleGAN2-ADA"
    licence: str = ""  # of such weights, where known
    classes: list[str] = field(default_factory=list)
    file: WeightFile | None = None  # the unread file
    averaged: str = ""  # name of these weights in the file, if they are averaged ones
    has_critic: bool = False  # the file has the critic (discriminator) too; set by `model`

    @cached_property
    def shell(self) -> Model:
        """The model on the meta device, to check before memory is allocated. Raises Refused."""
        system = find_system(self.system)
        try:
            return checkpoint.shell(system, checkpoint.check_arguments(system, self.arguments))
        except ValueError as error:
            raise Refused(
                f"it asks for a network that cannot be built: {error}",
                f"il demande un réseau impossible à construire : {error}",
            ) from None

    @property
    def count(self) -> int:
        """Count of parameters without the critic."""
        return sum(t.numel() for name, t in self.shell.named_parameters() if not name.startswith(checkpoint.CRITIC))

    def model(self) -> Model:
        """The model with its weights, in evaluation mode. Raises Refused if a tensor is missing or does not fit."""
        shapes = {key: tuple(tensor.shape) for key, tensor in self.shell.state_dict().items()}
        state = self.state()
        self.has_critic = any(key.startswith(checkpoint.CRITIC) for key in state)
        for key, shape in shapes.items():
            if key in state and tuple(state[key].shape) != shape:
                raise Refused(
                    f"its {key} should be {shape}, and is {tuple(state[key].shape)}",
                    f"son {key} devrait être {shape}, et est {tuple(state[key].shape)}",
                )
        if extra := set(state) - set(shapes):
            raise Refused(
                f"its {min(extra)} has no place in {self.system}",
                f"son {min(extra)} n’a pas de place dans {self.system}",
            )
        model = find_system(self.system).build(**checkpoint.check_arguments(find_system(self.system), self.arguments))
        missing = model.load_state_dict(state, strict=False).missing_keys
        if missing := [key for key in missing if not key.startswith(checkpoint.CRITIC)]:
            raise Refused(f"its {min(missing)} is not there", f"son {min(missing)} n’y est pas")
        model.class_names = tuple(self.classes)
        return model.eval()


def recognise(path: str | os.PathLike) -> Reading:
    """Recognize the format of a weight file, without reading its tensors. Raises Refused, the end of a sentence."""
    file = read(Path(path))
    available = sum(network.parameters for network in file.networks.values())
    found, reasons = None, []
    for part in parts(file):
        try:
            if found := of_some_format(part):
                break
        except Refused as reason:
            reasons.append(reason)
    if found is None and reasons:
        raise reasons[0]
    if found is None:
        raise Refused(
            f"its weights are of no architecture that is known here: {excerpt(file)}",
            f"ses poids ne sont d’aucune architecture connue ici : {excerpt(file)}",
        )
    count = sum(t.numel() for key, t in found.shell.state_dict().items() if not key.startswith(checkpoint.CRITIC))
    if count > min(ALMOST * available + 10**6, checkpoint.MAX_PARAMETERS):
        raise Refused(
            f"it holds {available} numbers, and asks for a network of {count}",
            f"il contient {available} nombres, et demande un réseau de {count}",
        )
    found.file = file
    [name] = part.networks if len(part.networks) == 1 else [""]
    if is_averaged(name):
        found.averaged = name
    return found


def parts(file: WeightFile) -> Iterator[WeightFile]:
    """The file as a whole, if its networks belong together or it has one; then each network of it alone, averaged ones
    first."""
    if len(file.networks) == 1 or TOGETHER & file.networks.keys():
        yield file
    if len(file.networks) > 1:
        for name, network in file.networks.items():
            yield WeightFile({name: network}, file.settings, file.more)


def of_some_format(file: WeightFile) -> Reading | None:
    for name in FORMATS:
        if found := importlib.import_module(f"genstudio.importers.formats.{name}").recognise(file):
            found.shell  # noqa: B018 (raises Refused for a network that cannot be built)
            return found
    return None


def excerpt(file: WeightFile) -> str:
    """Names and shapes of the first tensors, for the error message."""
    network = next(iter(file.networks.values()))
    keys = sorted(network.tensors)[:3]
    return ", ".join(f"{key[:60]} {network.shape(key)}" for key in keys)


def convert(path: str | os.PathLike, target: Path, found: Reading | None = None, name: str = "") -> list[Path]:
    """Write the weights as a checkpoint of ours, without loss of precision. Returns the files written.

    name: the original file name, if `path` is a temporary one.
    """
    path = Path(path)
    found = found or recognise(path)
    credit = f"{found.maker}, from {name or path.name}"
    facts = {"classes": found.classes, "licence": found.licence, "credit": credit}
    header = checkpoint.Header(found.system, found.arguments, **facts)
    model = found.model()
    return checkpoint.save(target, model, header, pack=False, critic=found.has_critic)
