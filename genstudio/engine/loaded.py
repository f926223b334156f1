"""A model loaded on the device, and the method of it that serves each verb."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from genstudio import catalog, checkpoint
from genstudio.controls import ANY, Refusal, controls
from genstudio.engine.cuda_graph import GraphedVerb
from genstudio.model import Frame, Model, Noise
from genstudio.precision import Precision, of_flows, without_float16
from genstudio.registry import find_system
from genstudio.system import System


@dataclass
class LoadedModel:
    """A loaded model: on the device, in evaluation mode, with its header, precision and measured speed."""

    name: str  # as requested: a system, `system.tag`, or a file
    model: Model
    system: System
    header: checkpoint.Header
    digest: str  # of the weights, for recipes
    precision: Precision
    device: torch.device
    bytes: int
    latent_dim: int | None = None  # dimension of its latents, None without latents
    seconds: dict[str, float] = field(default_factory=dict)  # per image, by verb, as last measured
    fits: dict[str, int] = field(default_factory=dict)  # size that fits into memory, by unit, once a larger did not
    directions: dict[str, np.ndarray] = field(default_factory=dict)  # by method, computed on first use

    @property
    def max_batch(self) -> int | None:
        """Largest batch that fits into memory, None until a larger one did not."""
        return self.fits.get("pictures")

    def leave_float16(self) -> None:
        """Convert the model and its companions to float32, where float16 overflowed."""
        self.precision = without_float16(self.device)
        self.model.float()
        self.model.companions.to(self.device, torch.float32)
        self.bytes = size_of(self.model)
        if isinstance(decode := getattr(self.model, "decode", None), GraphedVerb):
            decode.forget()


def load(name: str, path: Path, device: torch.device, precision: Precision, exact: bool) -> LoadedModel:
    """Load a checkpoint's model on the device; unless `exact`, with batch norms fused into convolutions."""
    model, header = catalog.load(path)
    if model.float32 and precision.dtype is not torch.float32:
        precision = of_flows(precision, device)
    if precision.dtype is torch.float32 and max(model.image_shape) < 32:
        # For images this small, the conversion to channels_last costs more than it saves.
        precision = replace(precision, memory_format=torch.contiguous_format)
    if not exact:
        model = fused(model)
    prior = dict(model.named_buffers(recurse=False))  # float32 throughout, so that every device draws the same latents
    model = model.to(device, precision.dtype, memory_format=precision.memory_format).requires_grad_(False)
    for key, numbers in prior.items():
        setattr(model, key, numbers.to(device))
    if device.type == "cuda" and hasattr(model, "decode"):
        model.decode = GraphedVerb(model.decode)
    latent_dim = model.latents(Noise([0], device)).shape[1] if hasattr(model, "latents") else None
    model.companions.to(device, precision.dtype, memory_format=precision.memory_format)
    system = find_system(header.system, header.source)
    digest = checkpoint.digest(path)
    return LoadedModel(name, model, system, header, digest, precision, device, size_of(model), latent_dim)


def size_of(model: Model) -> int:
    """Bytes of a model's parameters and buffers."""
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def sampling_method(system: System) -> Callable:
    """The model's `sample`; `decode`, with the same controls, of a model without one."""
    return find_verb(system, "sample" if hasattr(system.model, "sample") else "decode")


def find_verb(system: System, verb: str) -> Callable:
    if not hasattr(system.model, verb):
        raise Refusal(f"{system.name} cannot {verb}", f"{system.name} n’a pas le verbe {verb}")
    return getattr(system.model, verb)


def fused(model: Model) -> Model:
    """A copy with every batch norm that follows a convolution folded into its weights: one pass over memory less."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if hasattr(module, "fuse"):
            module.fuse()
        if not isinstance(module, nn.Sequential):
            continue
        for i, (layer, norm) in enumerate(zip(module, list(module)[1:])):
            if isinstance(norm, nn.BatchNorm2d) and isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                module[i] = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
                module[i + 1] = nn.Identity()
    return model


def check_labels(loaded: LoadedModel, seeds: Sequence[int], labels: Sequence[str | int]) -> list[str]:
    """Class names, one per seed. Raises ValueError for a model without class conditioning, or on a bad label."""
    if "label" not in (known := controls(sampling_method(loaded.system), loaded.header.classes)):
        raise Refusal(
            f"{loaded.system.name} draws no classes that could be asked for",
            f"{loaded.system.name} ne dessine pas de classes que l’on puisse demander",
        )
    if len(labels) != len(seeds):
        raise Refusal(
            f"there are {len(labels)} labels for {len(seeds)} seeds",
            f"il y a {len(labels)} classes pour {len(seeds)} graines",
        )
    names = [known["label"].kind.check("label", label) for label in labels]
    if ANY in names:
        raise Refusal("each picture needs a class of its own, or none", "il faut à chaque image une classe, ou none")
    return names


def side_by_side(loaded: LoadedModel, runs: Sequence[Iterator[Frame]]) -> Iterator[Sequence[Frame]]:
    """The frames of parts of a batch, each sampled by a run of its own, step by step."""
    with ExitStack() as stack:
        for run in runs:
            stack.enter_context(closing(run))
        yield from loaded.precision.stepwise(zip(*runs, strict=True))
