"""A run: all that changes while a model trains, and its place on disk."""

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
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genstudio import __version__, checkpoint, files
from genstudio.data import Pictures
from genstudio.model import Model
from genstudio.system import Recipe, System
from genstudio.training import finetune, provenance


@dataclass
class Report:
    """Where a run stands. Terms are means since the report before."""

    step: int
    steps: int
    images: int
    rate: float  # pictures per second
    minutes: float  # of training, all sessions together
    eta: float  # minutes to the end
    terms: dict[str, float]
    wall: Path | None = None  # the newest fixed-seed wall
    parts: int = 1  # that each step is played in: several where memory was too short for the whole
    norms: dict[str, float] = field(default_factory=dict)  # of each player's gradient, before it is clipped
    rates: dict[str, float] = field(default_factory=dict)  # each player's learning rate now
    memory: int = 0  # bytes that the process holds; the most so far on its card, where it has one; 0 where nobody can tell


class Run:
    """All that changes while a model trains, and its place on disk."""

    def __init__(
        self, system: System, arguments: dict[str, Any], recipe: Recipe, device: torch.device, command: str = "",
        licence: str = checkpoint.LICENCE,
    ):  # fmt: skip
        torch.manual_seed(recipe.seed)
        self.system, self.arguments, self.recipe, self.device = system, arguments, recipe, device
        self.model: Model = system.build(**arguments).to(device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        finetune.prepare(self.model, recipe)
        self.optimizers = {
            name: torch.optim.AdamW(
                trainable(player),
                lr=recipe.rates.get(name, recipe.rate),
                betas=recipe.betas,
                weight_decay=recipe.weight_decay,
                fused=device.type in ("cpu", "cuda"),
            )
            for name, player in self.model.players().items()
        }
        self.step, self.minutes = 0, 0.0
        self.command, self.licence = command, licence
        self.learned_from: list[dict[str, Any]] = []  # as `provenance` lists it
        self.commit = commit()  # now: the checkout may move on while this code trains

    @property
    def steps(self) -> int:
        return math.ceil(self.recipe.images / self.recipe.batch)

    def save_state(self, path: Path) -> None:
        if not all(p.isfinite().all() for p in self.model.parameters()):
            raise FloatingPointError(f"training diverged by step {self.step}: the weights are not finite")
        with files.replacing(path) as file:
            torch.save(self.state(), file)

    def load_state(self, path: Path) -> None:
        self.take(torch.load(path, map_location="cpu", weights_only=True))

    def state(self) -> dict[str, Any]:
        """Random numbers are no part of it: each step draws from a stream of its own."""
        return {
            "step": self.step,
            "minutes": self.minutes,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
        }

    def take(self, state: dict[str, Any]) -> None:
        self.step, self.minutes = state["step"], state["minutes"]
        self.model.load_state_dict(checkpoint.renamed(self.system, state["model"]))
        self.average.load_state_dict(checkpoint.renamed(self.system, state["average"]))
        for name, optimizer in self.optimizers.items():
            # The recipe and the device of this session settle the numbers of Adam, not those of an earlier one.
            optimizer.load_state_dict(state["optimizers"][name] | {"param_groups": optimizer.state_dict()["param_groups"]})
            # A fused step pairs numbers by their place in memory: moments must lie as their parameter does.
            for parameter, moments in optimizer.state.items():
                for key in moments.keys() - {"step"}:
                    moments[key] = torch.empty_like(parameter).copy_(moments[key])


def memory(device: torch.device) -> int:
    """Bytes that this process holds; on its graphics card, where it has one, the most so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import psutil  # here: a machine that is lent for its card may do without
    except ImportError:
        return 0
    return psutil.Process().memory_info().rss


def trainable(player: nn.Module) -> list[nn.Parameter]:
    return [p for p in player.parameters() if p.requires_grad]


def header_of(run: Run, pictures: Pictures) -> checkpoint.Header:
    """What is to be known of the weights as they are now."""
    return checkpoint.Header(
        system=run.system.name,
        arguments=run.arguments,
        data=pictures.name,
        learned_from=provenance.facts(run.learned_from, run.step * run.recipe.batch),
        classes=list(pictures.classes),
        credit=provenance.credit(run.learned_from),
        recipe=run.recipe.as_dict(),
        step=run.step,
        images=run.step * run.recipe.batch,
        minutes=round(run.minutes, 1),
        threads=torch.get_num_threads(),
        versions=versions(),
        commit=run.commit,
        command=run.command,
        licence=run.licence,
    )


def versions() -> dict[str, str]:
    return {"genstudio": __version__, "torch": torch.__version__, "python": sys.version.split()[0]}


def command_line(
    system: System, data: str, init: str | None, network: dict[str, Any], recipe: Recipe, *others: str
) -> str:
    """What leads to this run: the system's name, and what differs from its own data, network and recipe; then the `others`
    of its data sets, in order."""
    again = ["python", "-m", "genstudio", "train", system.name]
    words = again + (["--data", data] if data != system.data else [])
    if init:  # whose network it is, too
        words += ["--init", init]
    else:
        words += [word for name, value in network.items() for word in ("--network", f"{name}={json.dumps(value)}")]
    words += recipe.flags(system.recipe)
    return " && ".join(map(shlex.join, [words, *([*again, "--resume", "--data", other] for other in others)]))


def commit() -> str:
    """The commit of this code, with a + where files differ from it; empty outside a checkout."""
    def git(*arguments: str) -> str:
        root = Path(__file__).parent
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.TimeoutExpired):
        return ""


def forget_after(step: int, out: Path) -> None:
    """Drops pictures and lines of later steps, and a half-written line: they will be made again, or are another run's."""
    for wall in (*out.glob("walls/*.png"), *out.glob("watch/**/*.png")):
        if int(wall.stem) > step:
            wall.unlink()
    for file in (out / "reports.jsonl", out / "checkups.jsonl"):
        if file.exists():
            lines = file.read_text().splitlines(keepends=True)
            part = file.with_suffix(".part")  # in its place, for those who are reading it
            part.write_text("".join(line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step))
            os.replace(part, file)
    if step == 0:
        shutil.rmtree(out / "best", ignore_errors=True)
