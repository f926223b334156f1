"""The training loop, independent of the model, which yields each player in turn with its loss terms.

`train` is a generator of `Report`s, to plot, log or stop on. Closing it saves the state, and `resume` continues as if
uninterrupted: bit-identical on the same device and number of threads. All schedules count images, never the clock.
"""

from __future__ import annotations

import copy
import json
import math
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from genstudio import checkpoint, files, paths
from genstudio.data import Batches, load
from genstudio.data.pictures import relabel
from genstudio.model import Batch, Model, generates
from genstudio.precision import Precision, best_precision, keep_memory
from genstudio.registry import find_system
from genstudio.system import Recipe
from genstudio.training import distributed, finetune, provenance, timelapse
from genstudio.training.finalize import finish
from genstudio.training.monitor import Monitor
from genstudio.training.run import Report, Run, command_line, forget_after, header_of, memory, trainable, versions
from genstudio.training.sample_grid import (
    exhibits,
    frames_of,
    makes_pictures,
    sample_grid_path,
    sample_grid_steps,
    save_sample_grid,
)

FINISH = 16_384  # training images for `Model.finish` at the end
HELD_OUT = 2048  # held-out images for `Model.finish` and the evaluation
REPORT_SECONDS = 2.0  # between two reports, with `watch_minutes`


def train(
    name: str,
    *,
    data: str | None = None,
    init: str | None = None,
    network: dict[str, Any] | None = None,
    resume: bool = False,
    out: Path | None = None,
    max_minutes: float | None = None,
    device: str | None = None,
    exact: bool = False,
    save_minutes: float = 3.0,
    report_steps: int = 20,
    watch_minutes: float | None = None,
    **changes: Any,
) -> Iterator[Report]:
    """Train a system. Writes its weights, its film, and the state for `resume` to `out`.

    Several processes (`accelerate launch -m genstudio train ...`, or torchrun) share every batch, and the folder.

    data: a set's name, a folder or a zip, in place of the system's own. Pictures of any size, grey or in colour, are
        resized and converted to the system's image shape. Their classes are mapped to its slots (`finetune.slots`).
    init: a checkpoint to fine-tune, with the critic beside it; a newly initialized critic first trains alone.
    network: arguments of the system's builder, for a network of another size.
    max_minutes: stop after that long, and export the weights so far; schedules are not shortened.
    exact: float32 throughout.
    watch_minutes: interval of sample grids and evaluation (`monitor.py`); reports then come every two seconds.
        It has no influence on training.
    changes: fields of the system's recipe to replace.
    """
    # System, recipe, data.
    system = find_system(name)
    recipe, former, resumed, chosen = replace(system.recipe, **changes), (), {}, data is not None
    rank, world, where = distributed.join(device)
    out = out or paths.runs() / name
    out.mkdir(parents=True, exist_ok=True)
    if resume:
        if not (out / "run.json").exists():
            raise ValueError(f"{out} holds no run to resume")
        said = json.loads((out / "run.json").read_text())
        if said["system"] != name:
            raise ValueError(f"{out} holds a run of {said['system']}, not of {name}")
        if (frozen := said["recipe"].get("freeze", 0)) != changes.get("freeze", frozen):
            raise ValueError(f"this run began with freeze {frozen}, and goes on with it")
        former, resumed = said.get("classes", ()), said
        data, init, recipe = data or said["data"], said.get("init"), replace(Recipe.of(said["recipe"]), **changes)
    data = data or system.data
    if recipe.batch % world:
        raise ValueError(f"a batch of {recipe.batch} pictures cannot be shared evenly by {world} processes")
    keep_memory()
    precision = Precision.exact(where) if exact else best_precision(where)
    if precision.dtype is torch.float16:  # small gradients would underflow
        precision = Precision.exact(where)

    origin = finetune.origin(system, init, resumed, network)
    run = Run(system, origin["arguments"], recipe, where, licence=origin["licence"])
    if init and not (resume and (out / "state.pt").exists()):
        run.recipe = recipe = finetune.settled(recipe, run.model, init)
        former = finetune.begin(run.model, run.average, init)
    loaded = load(data, "train", run.model.image_shape)
    pictures = finetune.placed(loaded, run.model, former)
    run.average.class_names = run.model.class_names
    shuffled = partial(Batches, pictures, seed=recipe.seed, flip=recipe.flip, jitter=recipe.jitter)
    whole, batches = shuffled(recipe.batch), shuffled(recipe.batch // world, rank=rank, world=world)
    run.model.to(memory_format=precision.memory_format).train()
    run.average.to(memory_format=precision.memory_format)
    if rank == 0 and resume and (out / "state.pt").exists():
        run.load_state(out / "state.pt")
    run.learned_from = provenance.learned_from(resumed, loaded, data, run.step * recipe.batch, chosen)
    first, *others = (entry["data"] for entry in run.learned_from)
    run.command = command_line(system, first, init, run.arguments, recipe, *others)
    if rank == 0:
        said = {"system": name, "data": data, "init": init, "recipe": asdict(recipe)}
        said |= {"classes": run.model.class_names, **origin, "learned_from": run.learned_from}
        said |= {"threads": torch.get_num_threads(), "device": device_name(where), "versions": versions()}
        with files.replacing(out / "run.json") as file:  # required by `resume`, so written before the first step
            file.write(json.dumps(said, indent=1).encode())
        if not resume:
            (out / "state.pt").unlink(missing_ok=True)
        forget_after(run.step, out)
    if world > 1:
        run.take(distributed.of_first(run.state()))
    reports = out / "reports.jsonl"

    # The loop.
    frames = frames_of(run.model, recipe.images)
    grid_steps = sample_grid_steps(run.steps, frames) if rank == 0 and makes_pictures(run.model) else set()
    kept = held_out(data, run.model)
    shown = exhibits(run.model, kept, pictures).to(where) if grid_steps and not generates(run.model) else None
    started, first = time.monotonic(), run.step
    before, saved = run.minutes, started
    unreported: list[StepResult] = []
    newest, parts, reported = None, 1, started
    watch = Monitor(run, whole, kept, out, watch_minutes, shown) if watch_minutes is not None and world == 1 else None
    if run.step >= run.steps:  # interrupted during the export
        yield Report(run.step, run.steps, run.step * recipe.batch, 0.0, run.minutes, 0.0, {})
    try:
        while run.step < run.steps:
            batch = batches[run.step].to(where, memory_format=precision.memory_format)
            set_rates(run)
            torch.manual_seed(hash((recipe.seed, run.step, rank, 1)) % 2**63)  # the 1: another stream than augmentation
            try:
                unreported.append(play(run, batch, precision, parts))
                update_average(run)
            except torch.OutOfMemoryError:
                if world > 1:  # the other processes wait for this step's gradients
                    few = f"process {rank} has no memory for {len(batch)} pictures at once: give a smaller batch"
                    raise ValueError(few) from None
                if parts >= len(batch):
                    raise ValueError("there is no memory left to train on even one picture") from None
                # Some players may have stepped already: skip this step, and accumulate gradients from the next one on.
                parts = min(2 * parts, len(batch))
            run.step += 1

            now = time.monotonic()
            run.minutes = before + (now - started) / 60
            if run.step in grid_steps:
                finish(run.average, whole, where, pictures=2048)
                with precision.autocast():  # multi-step sampling would take long in float32
                    newest = save_sample_grid(run.average, sample_grid_path(out, run.step), where, shown)
            over = max_minutes is not None and distributed.agreed(now - started) > 60 * max_minutes
            soon = watch and now - reported > REPORT_SECONDS
            if unreported and (soon or over or run.step % report_steps == 0 or run.step == run.steps):
                terms, norms = (means([getattr(played, key) for played in unreported]) for key in StepResult._fields)
                unreported.clear()
                reported = now
                rate = (run.step - first) * recipe.batch / (now - started)
                left = (run.steps - run.step) * recipe.batch / rate / 60
                images = run.step * recipe.batch
                rates = {player: o.param_groups[0]["lr"] for player, o in run.optimizers.items()}
                report = Report(run.step, run.steps, images, rate, run.minutes, left, terms, newest, parts, norms,
                                rates, memory(where))  # fmt: skip
                if rank == 0:
                    with reports.open("a") as file:
                        file.write(json.dumps(asdict(report), default=str) + "\n")
                if any(not math.isfinite(value) for value in terms.values()):
                    raise FloatingPointError(f"training diverged at step {run.step}: {terms}")
                yield report
            evaluates = watch and watch.due(now) and not over and run.step < run.steps
            if rank == 0 and (evaluates or now - saved > 60 * save_minutes):
                run.save_state(out / "state.pt")
                saved = now
            if evaluates:  # after the state is saved: `resume` drops the evaluations of later steps
                newest = watch.look(precision, header_of(run, pictures)) or newest
            if over:
                break
    finally:
        # A run that diverged keeps its last good state; any other end, a closed generator too, saves the current one.
        if rank == 0 and not isinstance(sys.exc_info()[1], FloatingPointError):
            run.save_state(out / "state.pt")
    if watch and watch.last_step < run.step:
        watch.look(precision, header_of(run, pictures))
    if rank == 0:
        export(run, whole, kept, out, shown)


class StepResult(NamedTuple):
    """Loss terms and gradient norms of one step, still on the device: reading them would synchronize with the card."""

    terms: dict[str, Tensor]
    norms: dict[str, Tensor]  # each player's gradient norm before clipping


def means(steps: Sequence[dict[str, Tensor]]) -> dict[str, float]:
    """Mean of each value over the steps that have it, and over all processes."""
    found: dict[str, list[Tensor]] = {}
    for values in steps:
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    averages = [torch.stack(values).float().mean() for values in found.values()]
    if averages:
        distributed.average_(averages)
    return {name: float(average) for name, average in zip(found, averages, strict=True)}


def play(run: Run, batch: Batch, precision: Precision, parts: int = 1) -> StepResult:
    """One training step: each player that the model yields takes one optimizer step.

    With several `parts`, gradients are accumulated over that many parts of the batch, in lockstep: the same step in
    less memory, except that batch norm normalizes each part alone. During a critic's warm-up only the critic is
    updated.
    """
    totals, norms = {}, {}
    players = run.model.players()
    warming = run.step * run.recipe.batch < (run.recipe.critic_warmup or 0)
    with ExitStack() as stack:
        games = [stack.enter_context(closing(run.model.losses(part, run.step))) for part in batch.split(parts)]
        while True:
            for i, game in enumerate(games):
                with precision.autocast():  # around the forward pass only, never around backward
                    turn = next(game, None)
                if turn is None:
                    return StepResult(totals, norms)
                player, terms = turn
                learns = player == "critic" or not warming
                if i == 0:
                    run.optimizers[player].zero_grad()
                if learns:  # gradients of this player's parameters alone
                    loss = sum(t for t in terms.values() if t.requires_grad) / len(games)
                    loss.backward(inputs=trainable(players[player]))
                for term, value in terms.items():
                    totals[term] = (totals[term] if i else 0) + value.detach().float() / len(games)
            if not learns:
                continue
            weights = trainable(players[player])
            distributed.average_gradients(weights)
            norms[player] = nn.utils.get_total_norm([w.grad for w in weights if w.grad is not None])
            if run.recipe.clip:
                nn.utils.clip_grads_with_norm_(weights, run.recipe.clip, norms[player])
            run.optimizers[player].step()


def set_rates(run: Run) -> None:
    """Set the learning rates of this step: a linear warm-up, and a half cosine where the recipe has one."""
    images = run.step * run.recipe.batch
    factor = min(1.0, (images + run.recipe.batch) / run.recipe.warmup) if run.recipe.warmup else 1.0
    if run.recipe.cosine:
        factor *= 0.5 * (1 + math.cos(math.pi * min(1.0, images / run.recipe.images)))
    for name, optimizer in run.optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = factor * run.recipe.rates.get(name, run.recipe.rate)


@torch.no_grad()
def update_average(run: Run) -> None:
    """Update the exponential moving average of the weights, with a lower decay at first; buffers are copied."""
    decay = min(run.recipe.ema, (1 + run.step) / (10 + run.step))
    average = [p for p in run.average.parameters()]
    torch._foreach_lerp_(average, [p for p in run.model.parameters()], 1 - decay)
    for averaged, raw in zip(run.average.buffers(), run.model.buffers(), strict=True):
        averaged.copy_(raw)


def held_out(data: str, model: Model) -> Batch | None:
    """A shuffled batch of the held-out set, with the model's labels; None where the set has no held-out part."""
    try:
        test = load(data, "test", model.image_shape)
    except ValueError:
        return None  # too few pictures for a held-out part
    test = test.renumbered(model.attributes)
    if model.classes and test.classes:
        test = relabel(test, model.class_names)
    chosen = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:HELD_OUT]
    return test.batch(chosen)


def export(run: Run, batches: Batches, kept: Batch | None, out: Path, shown: Tensor | None = None) -> None:
    """Write the finished EMA weights with their header, the last sample grid, and the film."""
    final = copy.deepcopy(run.average)
    finish(final, batches, run.device, FINISH, kept.to(run.device) if kept else None)
    checkpoint.save(out / f"{run.system.name}.safetensors", final, header_of(run, batches.pictures))
    if makes_pictures(final):
        save_sample_grid(final, sample_grid_path(out, run.step), run.device, shown)
        timelapse.make(out, out / f"{run.system.name}.webp")


def device_name(device: torch.device) -> str:
    """Name of the card or type of the processor: a run is bit-identical only on the same one."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {platform.machine()}"
