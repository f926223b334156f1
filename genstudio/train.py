"""The training loop. It knows nothing of any model: the model says whose turn it is and what is to fall.

`train` is a generator: it yields a `Report` now and then, and whoever wants to watch, plot or stop does it with that.
To stop, close it; the state is then written, and `resume` goes on as if nothing had happened: equal bytes at the same
device and number of threads. Everything in a run depends on pictures seen, never on the clock.
"""

from __future__ import annotations

import copy
import json
import math
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genstudio import __version__, checkpoint, film, paths, processes
from genstudio.data import Batches, Pictures, load
from genstudio.images import grid, save_png, to_pictures, to_uint8
from genstudio.model import Batch, Model, Noise, generates, sample
from genstudio.precision import Precision, best_precision, keep_memory
from genstudio.registry import find
from genstudio.system import Recipe, System

WALL = 32  # pictures on the fixed-seed wall
FINISH = 16_384  # training pictures that `Model.finish` is shown at the end
HELD_OUT = 2048  # pictures not trained on that it is shown then
FRAMES = 32  # walls kept over a run, at log-spaced steps: most happens early


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


class Run:
    """All that changes while a model trains, and its place on disk."""

    def __init__(
        self, system: System, arguments: dict[str, Any], recipe: Recipe, device: torch.device, command: str = ""
    ):
        torch.manual_seed(recipe.seed)
        self.system, self.arguments, self.recipe, self.device = system, arguments, recipe, device
        self.model: Model = system.build(**arguments).to(device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
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
        self.command = command
        self.commit = commit()  # now: the checkout may move on while this code trains

    @property
    def steps(self) -> int:
        return math.ceil(self.recipe.images / self.recipe.batch)

    def save_state(self, path: Path) -> None:
        if not all(p.isfinite().all() for p in self.model.parameters()):
            raise FloatingPointError(f"training diverged by step {self.step}: the weights are not finite")
        part = path.with_suffix(".part")
        torch.save(self.state(), part)
        os.replace(part, path)

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
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
            # A fused step pairs numbers by their place in memory: moments must lie as their parameter does.
            for parameter, moments in optimizer.state.items():
                for key in moments.keys() - {"step"}:
                    moments[key] = torch.empty_like(parameter).copy_(moments[key])


def train(
    name: str,
    *,
    data: str | None = None,
    init: str | None = None,
    resume: bool = False,
    out: Path | None = None,
    max_minutes: float | None = None,
    device: str | None = None,
    exact: bool = False,
    save_minutes: float = 3.0,
    report_steps: int = 20,
    **changes: Any,
) -> Iterator[Report]:
    """Trains a system and leaves in `out` its weights, its film, and the state that `resume` needs.

    Several processes (`accelerate launch -m genstudio train ...`, or torchrun) share every batch, and the folder.

    data: a set's name, a folder or a zip, in place of the system's own.
    init: a checkpoint to start from. Its critic comes along where it lies beside it.
    max_minutes: stop after that long, in good order; the schedule is not shortened.
    exact: float32 throughout.
    changes: fields of the system's recipe to replace.
    """
    # What to train, on what.
    system = find(name)
    recipe = replace(system.recipe, **changes)
    rank, world, where = processes.join(device)
    out = out or paths.runs() / name
    out.mkdir(parents=True, exist_ok=True)
    if resume:
        if not (out / "run.json").exists():
            raise ValueError(f"{out} holds no run to resume")
        said = json.loads((out / "run.json").read_text())
        if said["system"] != name:
            raise ValueError(f"{out} holds a run of {said['system']}, not of {name}")
        data, init, recipe = said["data"], said.get("init"), Recipe(**{**said["recipe"], **changes})
        recipe = replace(recipe, betas=tuple(recipe.betas))
    data = data or system.data
    if recipe.batch % world:
        raise ValueError(f"a batch of {recipe.batch} pictures cannot be shared evenly by {world} processes")
    keep_memory()
    precision = Precision.exact(where) if exact else best_precision(where)
    if precision.dtype is torch.float16:  # small gradients would be rounded to nothing
        precision = Precision.exact(where)

    run = Run(system, {}, recipe, where, command_line(system, data, init, recipe))
    pictures = load(data, "train", run.model.image_shape)
    shuffled = partial(Batches, pictures, seed=recipe.seed, flip=recipe.flip, jitter=recipe.jitter)
    whole, batches = shuffled(recipe.batch), shuffled(recipe.batch // world, rank=rank, world=world)
    if init:
        start, _ = checkpoint.load(checkpoint.locate(init), critic=True)
        run.model.load_state_dict(start.state_dict())
        run.average.load_state_dict(start.state_dict())
    run.model.to(memory_format=precision.memory_format).train()
    run.average.to(memory_format=precision.memory_format)
    if rank == 0:
        said = {"system": name, "data": data, "init": init, "recipe": asdict(recipe)}
        (out / "run.json").write_text(json.dumps(said, indent=1))
        if not resume:
            (out / "state.pt").unlink(missing_ok=True)
        elif (out / "state.pt").exists():
            run.load_state(out / "state.pt")
        _forget_after(run.step, out)
    if world > 1:
        run.take(processes.of_first(run.state()))
    reports = out / "reports.jsonl"

    # The loop.
    walls = wall_steps(run.steps) if rank == 0 and makes_pictures(run.model) else set()
    shown = exhibits(run.model, data, pictures).to(where) if walls and not generates(run.model) else None
    started, first = time.monotonic(), run.step
    before, saved = run.minutes, started
    watched: dict[str, list[Tensor]] = {}
    newest, parts = None, 1
    try:
        while run.step < run.steps:
            batch = batches[run.step].to(where, memory_format=precision.memory_format)
            set_rates(run)
            torch.manual_seed(hash((recipe.seed, run.step, rank, 1)) % 2**63)  # the 1: not the stream that augments
            try:
                for term, value in play(run, batch, precision, parts).items():
                    watched.setdefault(term, []).append(value)
                update_average(run)
            except torch.OutOfMemoryError:
                if world > 1:  # the others are waiting for this step's gradients
                    few = f"process {rank} has no memory for {len(batch)} pictures at once: give a smaller batch"
                    raise ValueError(few) from None
                if parts >= len(batch):
                    raise ValueError("there is no memory left to train on even one picture") from None
                # Half a game cannot be taken back: this step is given up, and the next is played in smaller parts.
                parts = min(2 * parts, len(batch))
            run.step += 1

            now = time.monotonic()
            run.minutes = before + (now - started) / 60
            if run.step in walls:
                finish(run.average, whole, where, pictures=2048)
                with precision.autocast():  # a picture in many steps would take long in float32
                    newest = save_wall(run.average, run.step, where, out, shown)
            if run.step % report_steps == 0 or run.step == run.steps:
                means = [torch.stack(values).mean() for values in watched.values()]
                processes.average_(means)
                terms = {term: float(mean) for term, mean in zip(watched, means, strict=True)}
                watched.clear()
                rate = (run.step - first) * recipe.batch / (now - started)
                left = (run.steps - run.step) * recipe.batch / rate / 60
                images = run.step * recipe.batch
                report = Report(run.step, run.steps, images, rate, run.minutes, left, terms, newest, parts)
                if rank == 0:
                    with reports.open("a") as file:
                        file.write(json.dumps(asdict(report), default=str) + "\n")
                if any(not math.isfinite(value) for value in terms.values()):
                    raise FloatingPointError(f"training diverged at step {run.step}: {terms}")
                yield report
            if rank == 0 and now - saved > 60 * save_minutes:
                run.save_state(out / "state.pt")
                saved = now
            if max_minutes is not None and processes.agreed(now - started) > 60 * max_minutes:
                break
    finally:
        # A run that diverged keeps its last good state; any other end, a closed generator too, is a state to go on from.
        if rank == 0 and not isinstance(sys.exc_info()[1], FloatingPointError):
            run.save_state(out / "state.pt")
    if rank == 0:
        export(run, data, whole, pictures, out, shown)


def play(run: Run, batch: Batch, precision: Precision, parts: int = 1) -> dict[str, Tensor]:
    """One step of the game: each player that the model names takes one optimizer step. Returns the terms, unread.

    With several `parts` the batch is played in that many smaller games, turn by turn side by side, and their gradients
    are added up: the same step in less memory, but for batch norm, which sees each part alone.
    """
    seen: dict[str, Tensor] = {}
    players = run.model.players()
    with ExitStack() as stack:
        games = [stack.enter_context(closing(run.model.losses(part, run.step))) for part in batch.split(parts)]
        while True:
            for i, game in enumerate(games):
                with precision.autocast():  # around the forward pass only, never around backward
                    turn = next(game, None)
                if turn is None:
                    return seen
                player, terms = turn
                if i == 0:
                    run.optimizers[player].zero_grad()
                # Only this player's gradients are computed; the others look on.
                loss = sum(t for t in terms.values() if t.requires_grad) / len(games)
                loss.backward(inputs=trainable(players[player]))
                for term, value in terms.items():
                    seen[term] = (seen[term] if i else 0) + value.detach().float() / len(games)
            processes.average_gradients(trainable(players[player]))
            if run.recipe.clip:
                nn.utils.clip_grad_norm_(trainable(players[player]), run.recipe.clip)
            run.optimizers[player].step()


def trainable(player: nn.Module) -> list[nn.Parameter]:
    return [p for p in player.parameters() if p.requires_grad]


def set_rates(run: Run) -> None:
    """Learning rates for this step: a linear warm-up, then a half cosine where the recipe asks for one."""
    seen = run.step * run.recipe.batch
    factor = min(1.0, (seen + run.recipe.batch) / run.recipe.warmup) if run.recipe.warmup else 1.0
    if run.recipe.cosine:
        factor *= 0.5 * (1 + math.cos(math.pi * min(1.0, seen / run.recipe.images)))
    for name, optimizer in run.optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = factor * run.recipe.rates.get(name, run.recipe.rate)


@torch.no_grad()
def update_average(run: Run) -> None:
    """Exponential moving average of the weights in float32, with a short memory at first; buffers are copied."""
    decay = min(run.recipe.ema, (1 + run.step) / (10 + run.step))
    average = [p for p in run.average.parameters()]
    torch._foreach_lerp_(average, [p for p in run.model.parameters()], 1 - decay)
    for mine, theirs in zip(run.average.buffers(), run.model.buffers(), strict=True):
        mine.copy_(theirs)


@torch.no_grad()
def refresh_batch_norm(model: Model, batches: Batches, device: torch.device, count: int) -> None:
    """Batch-norm statistics of averaged weights, measured afresh over `count` batches: the copied ones belong to others."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momentum = [m.momentum for m in norms]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # a plain mean over all batches
    for m in norms:
        m.train()  # they alone: dropout would widen what they see
    with torch.random.fork_rng():
        for k in range(count):
            if generates(model):
                for _ in sample(model, Noise(range(k * batches.size, (k + 1) * batches.size), device)):
                    pass
            else:
                for _ in model.losses(batches[k].to(device), 0):
                    pass
    model.eval()
    for m, value in zip(norms, momentum, strict=True):
        m.momentum = value


def wall_steps(steps: int) -> set[int]:
    """Log-spaced steps from 1 to the last."""
    return {round(steps ** (i / (FRAMES - 1))) for i in range(FRAMES)}


def finish(
    model: Model, batches: Batches, device: torch.device, pictures: int, held_out: Batch | None = None
) -> None:
    """What averaged weights need before they can be used: batch-norm statistics, and what the model itself adds."""
    count = math.ceil(min(pictures, len(batches.pictures)) / batches.size)
    refresh_batch_norm(model, batches, device, min(count, 50))
    model.finish((batches[k].to(device) for k in range(count)), held_out)


def makes_pictures(model: Model) -> bool:
    return generates(model) or hasattr(model, "translate")


@torch.no_grad()
def exhibits(model: Model, data: str, pictures: Pictures) -> Tensor:
    """What a translator's wall is translated from: pictures that are not trained on, where there are any."""
    batch = held_out(data, model.image_shape, torch.device("cpu")) or pictures.batch(torch.arange(len(pictures)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model.sources(batch[: WALL // 2])


@torch.no_grad()
def save_wall(model: Model, step: int, device: torch.device, out: Path, shown: Tensor | None = None) -> Path:
    """The same seeds, as the model draws them after `step` steps; of a translator, `shown` and what it makes of each."""
    if shown is None:
        *_, frame = sample(model, Noise(range(WALL), device))
        images = frame.images
    else:
        made = model.translate(shown)
        images = torch.stack([nn.functional.interpolate(shown, made.shape[2:]), made], 1).flatten(0, 1)
    folder = out / "walls"
    folder.mkdir(exist_ok=True)
    [wall] = to_pictures(grid(to_uint8(images), columns=8)[None])
    path = folder / f"{step:08d}.png"
    save_png(wall, path)
    return path


def held_out(data: str, shape: tuple[int, int, int], device: torch.device) -> Batch | None:
    """Pictures that the run has not seen, in no order, where the set has any."""
    try:
        test = load(data, "test", shape)
    except ValueError:
        return None  # too few to hold any out
    chosen = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:HELD_OUT]
    return test.batch(chosen).to(device)


def export(run: Run, data: str, batches: Batches, pictures: Pictures, out: Path, shown: Tensor | None) -> None:
    """Weights with their header, and the film, as they can be shipped."""
    final = copy.deepcopy(run.average)
    finish(final, batches, run.device, FINISH, held_out(data, run.model.image_shape, run.device))
    header = checkpoint.Header(
        system=run.system.name,
        arguments=run.arguments,
        data=pictures.name,
        classes=list(pictures.classes),
        credit=pictures.credit,
        recipe=run.recipe.as_dict(),
        step=run.step,
        images=run.step * run.recipe.batch,
        minutes=round(run.minutes, 1),
        threads=torch.get_num_threads(),
        versions={"genstudio": __version__, "torch": torch.__version__, "python": sys.version.split()[0]},
        commit=run.commit,
        command=run.command,
    )
    checkpoint.save(out / f"{run.system.name}.safetensors", final, header)
    if makes_pictures(final):
        save_wall(final, run.step, run.device, out, shown)
        film.make(out, out / f"{run.system.name}.webp")


def command_line(system: System, data: str, init: str | None, recipe: Recipe) -> str:
    """What starts this run: the system's name, and what differs from its own data and recipe."""
    words = ["python", "-m", "genstudio", "train", system.name]
    words += ["--data", data] if data != system.data else []
    words += ["--init", init] if init else []
    for name, value in asdict(recipe).items():
        if value != getattr(system.recipe, name):
            flag = name.replace("_", "-")
            words += [f"--{flag}" if value else f"--no-{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return shlex.join(words)


def commit() -> str:
    """The commit of this code, with a + where files differ from it; empty outside a checkout."""
    def git(*arguments: str) -> str:
        root = Path(__file__).parent
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _forget_after(step: int, out: Path) -> None:
    """Drops walls and reports of later steps, and a half-written line: they will be made again, or are another run's."""
    for wall in (out / "walls").glob("*.png"):
        if int(wall.stem) > step:
            wall.unlink()
    if (reports := out / "reports.jsonl").exists():
        lines = reports.read_text().splitlines(keepends=True)
        reports.write_text("".join(line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step))
