"""Training states keyed by parameter names, not by numbers as in `train`, so that they can be checked and renamed.

    {"model": {KEY: tensor}, "average": {KEY: tensor}, "optimizers": {PLAYER: {PARAMETER: {MOMENT: tensor}}}}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genstudio import legacy
from genstudio.model import Model
from genstudio.system import System
from genstudio.training.run import trainable


def parameter_names(model: Model) -> dict[str, list[str]]:
    """Names of each player's parameters, in the order of its optimizer's numbers."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {player: [names[id(p)] for p in trainable(network)] for player, network in model.players().items()}


def expected(model: Model, moments: Sequence[str]) -> dict[str, Tensor]:
    """Tensors with the shape and dtype of every entry that a state may have, by its flat name. moments: names of the
    optimizer's entries for each parameter."""
    tensors = model.state_dict()
    parameters, scalar = dict(model.named_parameters()), torch.empty((), device="meta")
    found = {f"{part}/{key}": tensor for part in ("model", "average") for key, tensor in tensors.items()}
    for player, names in parameter_names(model).items():
        for name in names:
            found |= {f"optimizers/{player}/{name}/{m}": scalar if m == "step" else parameters[name] for m in moments}
    return found


def flat(state: dict[str, Any]) -> dict[str, Any]:
    """Tensors of a nested state by flat names, without step and minutes."""
    found = {f"{part}/{key}": tensor for part in ("model", "average") for key, tensor in state[part].items()}
    for player, parameters in state["optimizers"].items():
        for name, moments in parameters.items():
            found |= {f"optimizers/{player}/{name}/{moment}": tensor for moment, tensor in moments.items()}
    return found


def nested(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Inverse of `flat`. A tensor with a malformed name is added to the model, where `check` refuses it."""
    state: dict[str, Any] = {"model": {}, "average": {}, "optimizers": {}}
    for key, tensor in tensors.items():
        part, _, rest = key.partition("/")
        if part == "optimizers" and rest.count("/") >= 2:
            player, _, rest = rest.partition("/")
            name, _, moment = rest.rpartition("/")
            state["optimizers"].setdefault(player, {}).setdefault(name, {})[moment] = tensor
        elif part in ("model", "average"):
            state[part][rest] = tensor
        else:
            state["model"][key] = tensor
    return state


def check(
    state: dict[str, Any], system: System, model: Model, moments: Sequence[str], name: str
) -> dict[str, Any]:
    """The state under today's keys. Raises ValueError if it is incomplete, not finite, or does not fit the model."""
    state = {
        "model": legacy.parameters(system.model, state["model"]),
        "average": legacy.parameters(system.model, state["average"]),
        "optimizers": {player: legacy.parameters(system.model, found) for player, found in state["optimizers"].items()},
    }
    tensors, places = flat(state), expected(model, moments)
    for key, tensor in tensors.items():
        due = places.get(key)
        if due is None:
            raise ValueError(f"{name} does not fit {system.name}: {key[:120]} has no place in it")
        if not isinstance(tensor, Tensor) or tensor.shape != due.shape or tensor.dtype != due.dtype:
            is_ = f"{tensor.dtype} {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ValueError(
                f"{name} does not fit {system.name}: {key} should be {due.dtype} {tuple(due.shape)}, is {is_}"
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"{name} is damaged: {key} is not finite")
    stepped = {key.rpartition("/")[0] for key in tensors if key.startswith("optimizers/")}
    due = {key for key in places if not key.startswith("optimizers/")} | {
        f"{key}/{m}" for key in stepped for m in moments
    }
    if missing := due - set(tensors):
        raise ValueError(f"{name} does not fit {system.name}: {min(missing)} is missing")
    for player in model.players():
        state["optimizers"].setdefault(player, {})  # a player without a step so far
    return state
