"""A training run: model, EMA weights, optimizers and step, with their checkpointing."""

from __future__ import annotations

import copy
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genstudio import __version__, catalog, checkpoint, files, legacy, registry
from genstudio.data import Pictures
from genstudio.model import Model
from genstudio.system import Recipe, System
from genstudio.training import finetune, provenance


@dataclass
class Report:
    """Progress of a run. Terms are means since the previous report."""

    step: int
    steps: int
    images: int
    rate: float  # pictures per second
    minutes: float  # training time over all sessions
    eta: float  # minutes to the end
    terms: dict[str, float]
    sample_grid: Path | None = None  # the newest sample grid
    parts: int = 1  # gradient-accumulation steps: more than one after out-of-memory
    norms: dict[str, float] = field(default_factory=dict)  # each player's gradient norm before clipping
    rates: dict[str, float] = field(default_factory=dict)  # each player's current learning rate
    whole: int = 0  # images of the whole run
    memory: int = 0  # bytes of the process, or the peak on its graphics card; 0 if unknown


class Run:
    """The state of a training run: raw and EMA weights, an optimizer per player, step and minutes."""

    def __init__(
        self, system: System, arguments: dict[str, Any], recipe: Recipe, device: torch.device, command: str = "",
        licence: str = checkpoint.LICENCE,
    ):  # fmt: skip
        torch.manual_seed(recipe.seed)
        self.system, self.arguments, self.recipe, self.device = system, arguments, recipe, device
        companions = catalog.companions(system, trained=True)
        companions.to(device)
        self.model: Model = registry.build(system, arguments, companions).to(device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        finetune.prepare(self.model, recipe)
        self.optimizers = {
            name: optimizer_of(trainable(player), recipe, recipe.rates.get(name, recipe.rate), device)
            for name, player in self.model.players().items()
        }
        self.step, self.images, self.minutes = 0, 0, 0.0
        self.command, self.licence = command, licence
        self.learned_from: list[dict[str, Any]] = []  # as `provenance` lists it
        self.commit = commit()

    @property
    def steps(self) -> int:
        """Count of steps at the end of the run."""
        return self.step + math.ceil(max(0, self.recipe.images - self.images) / self.recipe.batch)

    def advance(self) -> None:
        """Count a step."""
        self.step += 1
        self.images += self.recipe.batch

    def save_state(self, path: Path) -> None:
        if not all(p.isfinite().all() for p in self.model.parameters()):
            raise FloatingPointError(f"training diverged by step {self.step}: the weights are not finite")
        with files.replacing(path) as file:
            torch.save(self.state(), file)

    def load_state(self, path: Path, batch: int | None = None) -> None:
        """Load a state. batch: that it was trained with, if that is another than the recipe's."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.take({"images": state["step"] * (batch or self.recipe.batch)} | state)  # older ones count steps alone

    def state(self) -> dict[str, Any]:
        """The state to save. It has no random state: each step seeds its own stream."""
        return {
            "step": self.step,
            "images": self.images,
            "minutes": self.minutes,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
        }

    def take(self, state: dict[str, Any]) -> None:
        self.step, self.images, self.minutes = state["step"], state["images"], state["minutes"]
        self.model.load_state_dict(legacy.parameters(self.system.model, state["model"]))
        self.average.load_state_dict(legacy.parameters(self.system.model, state["average"]))
        for name, optimizer in self.optimizers.items():
            # Hyperparameters come from this session's recipe and device, not from the saved session.
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict(state["optimizers"][name] | {"param_groups": groups})
            # The fused AdamW kernel pairs elements by memory offset: moments need the strides of their parameter.
            for parameter, moments in optimizer.state.items():
                for key in moments.keys() - {"step"}:
                    moments[key] = torch.empty_like(parameter).copy_(moments[key])


# Entries of an optimizer's state of each parameter.
ADAM = ("exp_avg", "exp_avg_sq", "step")
MOMENTS = {"adamw": ADAM, "adam": ADAM, "rmsprop": ("square_avg", "step"), "sgd": ("momentum_buffer",)}


def optimizer_of(
    weights: list[nn.Parameter], recipe: Recipe, rate: float, device: torch.device
) -> torch.optim.Optimizer:
    """Optimizer of a player, as the recipe names it."""
    options: dict[str, Any] = {"lr": rate, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(weights, alpha=recipe.betas[1], **options)
    options["fused"] = device.type in ("cpu", "cuda")
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(weights, momentum=recipe.betas[0], **options)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(weights, betas=recipe.betas, **options)


def memory(device: torch.device) -> int:
    """Bytes of this process; with a graphics card, the peak allocated on it. 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import psutil  # here: a leased machine may lack it
    except ImportError:
        return 0
    return psutil.Process().memory_info().rss


def trainable(player: nn.Module) -> list[nn.Parameter]:
    return [p for p in player.parameters() if p.requires_grad]


def header_of(run: Run, pictures: Pictures) -> checkpoint.Header:
    """Checkpoint header of the current weights."""
    return checkpoint.Header(
        system=run.system.name,
        arguments=run.arguments,
        data=pictures.name,
        learned_from=provenance.facts(run.learned_from, run.images),
        classes=list(pictures.classes),
        credit=provenance.credit(run.learned_from),
        recipe=run.recipe.as_dict(),
        step=run.step,
        images=run.images,
        minutes=round(run.minutes, 1),
        threads=torch.get_num_threads(),
        versions=versions(),
        commit=run.commit,
        command=run.command,
        licence=run.licence,
        companions=run.model.companions.digests,
        source=run.system.source,
    )


def versions() -> dict[str, str]:
    return {"genstudio": __version__, "torch": torch.__version__, "python": sys.version.split()[0]}


def command_line(
    system: System, init: str | None, network: dict[str, Any], images: int, stages: list[dict[str, Any]]
) -> str:
    """Shell command that reproduces this run: the system with all that differs from its own data, network and recipe,
    then a `--resume` for each later stage, as `provenance` lists them."""
    first, *others = stages
    again = ["python", "-m", "genstudio", "train", ":".join(filter(None, (system.source.get("file"), system.name)))]
    words = again + (["--data", first["data"]] if first["data"] != system.data else [])
    if init:  # which also determines the network
        words += ["--init", init]
    else:
        words += [word for name, value in network.items() for word in ("--network", f"{name}={json.dumps(value)}")]
    words += ["--images", str(images)] if images != system.recipe.images else []
    commands = [words + first.get("flags", [])]
    for before, stage in zip(stages, others, strict=False):
        data = ["--data", stage["data"]] if stage["digest"] != before["digest"] else []
        commands.append([*again, "--resume", *data, *stage.get("flags", [])])
    return " && ".join(map(shlex.join, commands))


@cache  # the checkout may change while this code trains
def commit() -> str:
    """Git commit of this code, with a + if tracked files differ from it; empty outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.TimeoutExpired):
        return ""


def forget_after(step: int, out: Path) -> None:
    """Remove sample grids and report lines of later steps, and an incomplete line: they are written again, or stale."""
    for sample_grid in (*out.glob("walls/*.png"), *out.glob("watch/**/*.png")):
        if int(sample_grid.stem) > step:
            sample_grid.unlink()
    for file in (out / "reports.jsonl", out / "checkups.jsonl"):
        if file.exists():
            lines = file.read_text().splitlines(keepends=True)
            part = file.with_suffix(".part")  # replaced atomically, for concurrent readers
            part.write_text("".join(line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step))
            os.replace(part, file)
    if step == 0:
        shutil.rmtree(out / "best", ignore_errors=True)
