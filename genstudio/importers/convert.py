"""From a stranger's weight file to a checkpoint of ours: `convert`. Which formats there are: the modules named in FORMATS."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from genstudio import checkpoint
from genstudio.importers.lazy_tensor import Refused
from genstudio.importers.weight_file import Wild, read
from genstudio.model import Model
from genstudio.registry import find

# Those that can be told for sure come first.
FORMATS = ("stylegan2", "biggan", "diffusers", "translators", "dcgan", "dense_vae")
ALMOST = 1.5  # numbers that a model may have for one of its file: some are told twice, none is made of nothing


@dataclass
class Reading:
    """How one of our systems takes a file's weights in."""

    system: str
    arguments: dict[str, Any]  # of the system's builder
    state: Callable[[], dict[str, Tensor]]  # tensors in float32, by the names of our model
    maker: str  # whose format it is: "NVIDIA's StyleGAN2-ADA"
    licence: str = ""  # a note on what such weights may be used for, where that is known
    classes: list[str] = field(default_factory=list)
    wild: Wild | None = None  # where the numbers still stand
    has_critic: bool = False  # whether the file has the network that judges, too; known once its numbers are read

    @cached_property
    def shell(self) -> Model:
        """The model without its numbers: checked before any memory is asked for. Raises Refused."""
        system = find(self.system)
        try:
            return checkpoint.shell(system, checkpoint.check_arguments(system, self.arguments))
        except ValueError as error:
            raise Refused(f"it asks for a network that cannot be built: {error}") from None

    @property
    def count(self) -> int:
        """Parameters of what draws."""
        return sum(t.numel() for name, t in self.shell.named_parameters() if not name.startswith(checkpoint.CRITIC))

    def model(self) -> Model:
        """The model with its numbers, in evaluation mode."""
        held = {key: tuple(tensor.shape) for key, tensor in self.shell.state_dict().items()}
        state = self.state()
        self.has_critic = any(key.startswith(checkpoint.CRITIC) for key in state)
        for key, shape in held.items():
            if key in state and tuple(state[key].shape) != shape:
                raise Refused(f"its {key} should be {shape}, and is {tuple(state[key].shape)}")
        if extra := set(state) - set(held):
            raise Refused(f"its {min(extra)} has no place in {self.system}")
        model = find(self.system).build(**checkpoint.check_arguments(find(self.system), self.arguments))
        missing = [k for k in model.load_state_dict(state, strict=False).missing_keys if not k.startswith(checkpoint.CRITIC)]
        if missing:
            raise Refused(f"its {min(missing)} is not there")
        model.class_names = tuple(self.classes)
        return model.eval()


def recognise(path: str | os.PathLike) -> Reading:
    """Whose weights they are, read into which system. No number is read. Raises Refused, the end of a sentence on the file."""
    wild = read(Path(path))
    held = sum(network.parameters for network in wild.networks.values())
    for name in FORMATS:
        found = importlib.import_module(f"genstudio.importers.formats.{name}").recognise(wild)
        if found is None:
            continue
        count = sum(t.numel() for key, t in found.shell.state_dict().items() if not key.startswith(checkpoint.CRITIC))
        if count > min(ALMOST * held + 10**6, checkpoint.MAX_PARAMETERS):
            raise Refused(f"it holds {held} numbers, and asks for a network of {count}")
        found.wild = wild
        return found
    raise Refused(f"its weights are of no architecture that is known here: {told(wild)}")


def told(wild: Wild) -> str:
    """The beginning of what it holds, for whoever wonders."""
    network = next(iter(wild.networks.values()))
    keys = sorted(network.tensors)[:3]
    return ", ".join(f"{key[:60]} {network.shape(key)}" for key in keys)


def convert(path: str | os.PathLike, target: Path, found: Reading | None = None, name: str = "") -> list[Path]:
    """Writes the weights as a checkpoint of ours, as precise as they are. Returns the files written. `name` is the file's
    own, where it lies under another."""
    path = Path(path)
    found = found or recognise(path)
    credit = f"{found.maker}, from {name or path.name}"
    header = checkpoint.Header(found.system, found.arguments, classes=found.classes, licence=found.licence, credit=credit)
    model = found.model()
    return checkpoint.save(target, model, header, pack=False, critic=found.has_critic)
