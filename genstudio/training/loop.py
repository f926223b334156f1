"""The training loop, independent of the model, which yields each player in turn with its loss terms.

`train` is a generator of `Report`s, to plot, log or stop on. Closing it saves the state, and `resume` continues as if
uninterrupted: bit-identical on the same device and number of threads. All schedules count images, never the clock.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from genstudio import checkpoint
from genstudio.data import Batches, stream_seed
from genstudio.model import Batch, Progress, generates
from genstudio.precision import Precision
from genstudio.training import distributed, timelapse
from genstudio.training.finalize import finish
from genstudio.training.monitor import Monitor
from genstudio.training.run import Report, Run, header_of, memory, trainable
from genstudio.training.sample_grid import (
    exhibits,
    frames_of,
    makes_pictures,
    sample_grid_path,
    sample_grid_steps,
    save_sample_grid,
)
from genstudio.training.session import Session, begin

FINISH = 16_384  # training images for `Model.finish` at the end
REPORT_SECONDS = 2.0  # between two reports, with `watch_minutes`

More = Callable[[int], Batch]  # number of a batch in its step -> the batch


def train(
    name: str,
    *,
    max_minutes: float | None = None,
    save_minutes: float = 3.0,
    report_steps: int = 20,
    watch_minutes: float | None = None,
    **options: Any,
) -> Iterator[Report]:
    """Train a system. Writes its weights, its film, and the state for `resume` to a folder.

    Several processes (`accelerate launch -m genstudio train ...`, or torchrun) share every batch, and the folder.

    max_minutes: stop after that long, and export the weights so far; schedules are not shortened.
    watch_minutes: interval of sample grids and evaluation (`monitor.py`); reports then come every two seconds.
        It has no influence on training.
    options: of `session.begin`:
        data: a set's name, a folder or a zip, in place of the system's own. Pictures of any size, grey or in colour,
            are resized and converted to the system's image shape. Their classes are mapped to its slots
            (`finetune.slots`).
        init: a checkpoint to fine-tune, with the critic beside it; a newly initialized critic first trains alone.
        network: arguments of the system's builder, for a network of another size.
        resume, out: go on with the run in that folder.
        device: "cpu", "cuda", ...; the best one by default. exact: float32 throughout.
        all others: fields of the system's recipe to replace.
    """
    session = begin(name, **options)
    yield from loop(session, max_minutes, save_minutes, report_steps, watch_minutes)
    if session.rank == 0:
        write_results(session)


def export(name: str, out: Path, watch_minutes: float | None = None, **options: Any) -> Report:
    """Write weights and film of a run as it stands, without a step of training.

    watch_minutes: evaluate it as well, unless None. options: of `session.begin`. Raises ValueError for a run that has
    not trained yet.
    """
    session = begin(name, out=out, resume=True, **options)
    if not session.run.step:
        raise ValueError(f"{out} holds a run without a step so far")
    if session.rank == 0:
        if monitor := monitor_of(session, watch_minutes):
            evaluate(session, monitor)
        write_results(session)
    return report(session, [], 0.0)


def loop(
    session: Session, max_minutes: float | None, save_minutes: float, report_steps: int, watch_minutes: float | None
) -> Iterator[Report]:
    """Train until the run is complete or the minutes are over. Any end, a closed generator too, saves the state.

    A run that diverged raises FloatingPointError, and keeps its last good state.
    """
    run, out, first = session.run, session.out, session.rank == 0
    grids = SampleGrids(session)
    monitor = monitor_of(session, watch_minutes)
    clock = Clock(run)
    save, soon = Every(60 * save_minutes), Every(REPORT_SECONDS)
    results: list[StepResult] = []  # since the last report
    over = False
    if run.step >= run.steps:  # interrupted during the export
        yield report(session, results, 0.0)
    try:
        while run.step < run.steps and not over:
            # Step and average.
            if result := step(session):
                results.append(result)
            run.advance()
            now = clock.tick()

            # Sample grid.
            if run.step in grids.steps:
                grids.save()

            # Report.
            over = max_minutes is not None and distributed.agreed(clock.seconds) > 60 * max_minutes
            wanted = over or run.step % report_steps == 0 or run.step == run.steps
            if results and (wanted or monitor and soon.due(now)):
                current = report(session, results, clock.rate, grids.newest)
                results.clear()
                soon.reset(now)
                if first:
                    with (out / "reports.jsonl").open("a") as file:
                        file.write(json.dumps(asdict(current), default=str) + "\n")
                if not all(map(math.isfinite, current.terms.values())):
                    raise FloatingPointError(f"training diverged at step {run.step}: {current.terms}")
                yield current

            # State, then evaluation: `resume` drops the evaluations of later steps.
            evaluates = monitor and monitor.due(now) and not over and run.step < run.steps
            if first and (evaluates or save.due(now)):
                run.save_state(out / "state.pt")
                save.reset(now)
            if evaluates:
                grids.newest = evaluate(session, monitor) or grids.newest
    finally:
        if first and not isinstance(sys.exc_info()[1], FloatingPointError):
            run.save_state(out / "state.pt")
    if monitor:
        evaluate(session, monitor)


# Parts of the loop ----------------------------------------------------------------------------------------------


class Every:
    """A cadence in seconds, which is counted from the last time."""

    def __init__(self, seconds: float):
        self.seconds, self.last = seconds, time.monotonic()

    def due(self, now: float) -> bool:
        return now - self.last > self.seconds

    def reset(self, now: float) -> None:
        self.last = now


class Clock:
    """Training time of a run: `minutes` over all sessions, and images a second in this one."""

    def __init__(self, run: Run):
        self.run, self.minutes, self.first, self.started = run, run.minutes, run.images, time.monotonic()
        self.seconds = 0.0  # of this session

    def tick(self) -> float:
        """Update the run's minutes. Returns the time in seconds."""
        now = time.monotonic()
        self.seconds = now - self.started
        self.run.minutes = self.minutes + self.seconds / 60
        return now

    @property
    def rate(self) -> float:
        return (self.run.images - self.first) / self.seconds


class SampleGrids:
    """Sample grids of a session, at log-spaced steps.

    sources: images that a translator's grid is of; None for a model that generates from noise.
    """

    def __init__(self, session: Session):
        run, self.session = session.run, session
        self.steps: set[int] = set()
        self.newest: Path | None = None
        if session.rank == 0 and makes_pictures(run.model):
            self.steps = sample_grid_steps(run.steps, frames_of(run.model, run.recipe.images), run.model.grows)
        self.sources = sources_of(session) if self.steps else None

    def save(self) -> None:
        run, session = self.session.run, self.session
        finish(run.average, session.whole, run.device, pictures=2048)
        with session.precision.autocast():  # multi-step sampling would take long in float32
            path = sample_grid_path(session.out, run.step)
            self.newest = save_sample_grid(run.average, path, run.device, self.sources)


def sources_of(session: Session) -> Tensor | None:
    """Images that the sample grid of a translator shows beside its outputs; None for any other model."""
    model = session.run.model
    if generates(model) or not makes_pictures(model):
        return None
    return exhibits(model, session.held_out, session.pictures).to(session.run.device)


def monitor_of(session: Session, minutes: float | None) -> Monitor | None:
    """Monitor of a session, unless `minutes` is None; several processes have none."""
    if minutes is None or session.world > 1:
        return None
    return Monitor(session.run, session.whole, session.held_out, session.out, minutes, sources_of(session))


def evaluate(session: Session, monitor: Monitor) -> Path | None:
    """Evaluate the run, unless this step is evaluated already. Returns the path of the new sample grid."""
    if monitor.last_step >= session.run.step:
        return None
    return monitor.look(session.precision, header_of(session.run, session.pictures))


def next_batch(run: Run, batches: Batches, precision: Precision) -> Batch:
    """The batch of the run's step on its device. Sets the step's learning rates and random stream."""
    set_rates(run)
    # The last number tells the stream from that of augmentation in version 1, which has no names.
    torch.manual_seed(stream_seed("step", run.recipe.seed, run.step, batches.rank, 1, version=batches.seeds))
    return batches[run.step].to(run.device, memory_format=precision.memory_format)


def source_of(run: Run, batches: Batches, precision: Precision) -> More:
    """Source of more batches for the run's step, on its device. They lie beyond those of the whole run, whose batches
    are the same with or without."""

    def more(number: int) -> Batch:
        batch = batches[number * run.steps + run.step]
        return batch.to(run.device, memory_format=precision.memory_format)

    return more


def step(session: Session) -> StepResult | None:
    """One training step and the update of the average. None where memory ran out: the next step has smaller parts."""
    run, source = session.run, (session.run, session.batches, session.precision)
    batch, more = next_batch(*source), source_of(*source)
    try:
        result = play(run, batch, session.precision, session.parts, more=more)
        update_average(run)
        return result
    except torch.OutOfMemoryError:
        if session.world > 1:  # the other processes wait for this step's gradients
            few = f"process {session.rank} has no memory for {len(batch)} pictures at once: give a smaller batch"
            raise ValueError(few) from None
        if session.parts >= len(batch):
            raise ValueError("there is no memory left to train on even one picture") from None
        # Some players may have stepped already: skip this step, and accumulate gradients from the next one on.
        session.parts = min(2 * session.parts, len(batch))
        return None


def report(session: Session, results: Sequence[StepResult], rate: float, sample_grid: Path | None = None) -> Report:
    """Report on the steps since the last one. rate: images a second."""
    run = session.run
    terms, norms = means([result.terms for result in results]), means([result.norms for result in results])
    return Report(
        run.step,
        run.steps,
        run.images,
        rate,
        run.minutes,
        eta=max(0, run.recipe.images - run.images) / rate / 60 if rate else 0.0,
        terms=terms,
        sample_grid=sample_grid,
        parts=session.parts,
        norms=norms,
        rates={player: o.param_groups[0]["lr"] for player, o in run.optimizers.items()},
        whole=run.recipe.images,
        memory=memory(run.device),
    )


def write_results(session: Session) -> None:
    """Write the finished EMA weights with their header, the last sample grid, and the film."""
    run, out = session.run, session.out
    final, held_out = copy.deepcopy(run.average), session.held_out
    finish(final, session.whole, run.device, FINISH, held_out.to(run.device) if held_out else None)
    checkpoint.save(out / f"{run.system.name}.safetensors", final, header_of(run, session.pictures))
    if makes_pictures(final):
        save_sample_grid(final, sample_grid_path(out, run.step), run.device, sources_of(session))
        timelapse.make(out, out / f"{run.system.name}.webp")


# A step ---------------------------------------------------------------------------------------------------------


class StepResult(NamedTuple):
    """Loss terms and gradient norms of one step, still on the device: reading them would synchronize with the card."""

    terms: dict[str, Tensor]
    norms: dict[str, Tensor]  # each player's gradient norm before clipping
    updates: Counter[str]  # optimizer steps of each player


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


def play(
    run: Run, batch: Batch, precision: Precision, parts: int = 1, only: str | None = None, more: More | None = None
) -> StepResult:
    """One training step: each player that the model yields takes one optimizer step.

    With several `parts`, gradients are accumulated over that many parts of the batch, in lockstep: the same step in
    less memory, except that batch norm normalizes each part alone. During a critic's warm-up only the critic is
    updated.

    only: the one player to update.
    more: the batches of this step after the first, by number, for a model that draws fresh ones.
    """
    totals, norms, updates = {}, {}, Counter()
    players = run.model.players()
    warming = run.images < (run.recipe.critic_warmup or 0)
    with ExitStack() as stack:
        progress = [progress_of(run, i, parts, more) for i in range(parts)]
        pairs = zip(batch.split(parts), progress, strict=True)
        games = [stack.enter_context(closing(run.model.losses(part, at))) for part, at in pairs]
        while True:
            for i, game in enumerate(games):
                with precision.autocast():  # around the forward pass only, never around backward
                    turn = next(game, None)
                if turn is None:
                    return StepResult(totals, norms, updates)
                player, terms = turn
                learns = only in (None, player) and (player == "critic" or not warming)
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
            updates[player] += 1


def progress_of(run: Run, part: int, parts: int, more: More | None) -> Progress:
    """Progress of a run for one of the `parts` that a batch is split into."""
    numbers = count(1)
    draw = {"draw": lambda: more(next(numbers)).split(parts)[part]} if more else {}
    return Progress(run.step, run.images, run.recipe.images, **draw)


def set_rates(run: Run) -> None:
    """Set the learning rates of this step: a linear warm-up, and a half cosine where the recipe has one."""
    factor = min(1.0, (run.images + run.recipe.batch) / run.recipe.warmup) if run.recipe.warmup else 1.0
    if run.recipe.cosine:
        factor *= 0.5 * (1 + math.cos(math.pi * min(1.0, run.images / run.recipe.images)))
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
