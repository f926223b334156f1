"""Set-up of a training session: its run, new or resumed, with data, precision and the folder it writes to."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from genstudio import catalog, checkpoint, files, paths
from genstudio.data import Batches, Pictures, load
from genstudio.data.batches import SEEDS
from genstudio.data.pictures import relabel
from genstudio.images import from_uint8
from genstudio.model import Batch, Model
from genstudio.precision import Precision, best_precision, keep_memory
from genstudio.registry import find_system
from genstudio.system import Recipe, System
from genstudio.training import distributed, finetune, provenance
from genstudio.training.run import Run, command_line, forget_after, versions

HELD_OUT = 2048  # held-out images for `Model.finish` and the evaluation


@dataclass
class Session:
    """A run on this machine. Of several processes that share every batch, only the first (`rank` 0) writes files."""

    run: Run
    precision: Precision
    batches: Batches  # this process's slice of each batch
    whole: Batches  # all of each batch
    held_out: Batch | None
    out: Path  # folder of the run
    rank: int = 0
    world: int = 1
    parts: int = 1  # gradient-accumulation steps: doubled after out-of-memory

    @property
    def pictures(self) -> Pictures:
        """The training set, under the model's labels."""
        return self.whole.pictures


@dataclass
class Source:
    """Start of a run: the arguments of a session, merged with the run.json that it resumes."""

    system: System
    recipe: Recipe
    data: str
    init: str | None
    saved: dict[str, Any]  # the run.json; empty for a new run


def begin(
    name: str,
    *,
    data: str | None = None,
    init: str | None = None,
    network: dict[str, Any] | None = None,
    resume: bool = False,
    out: Path | None = None,
    device: str | None = None,
    exact: bool = False,
    on_pictures: Callable[[Pictures, Pictures | None], None] = lambda pictures, held_out: None,
    **changes: Any,
) -> Session:
    """Set up a session of `loop.train`, which has the same arguments, and write its run.json.

    on_pictures: called with the pictures to train on and those held out, once they are read.

    Raises ValueError for a folder that holds no such run, for data that do not fit, and for options that the system
    lacks.
    """
    rank, world, where = distributed.join(device)
    out = out or paths.runs() / name
    source = resolve(name, out if resume else None, data, init, changes)
    if source.recipe.batch % world:
        raise ValueError(f"a batch of {source.recipe.batch} pictures cannot be shared evenly by {world} processes")
    keep_memory()
    precision = Precision.exact(where) if exact else best_precision(where)
    if precision.dtype is torch.float16:  # small gradients would underflow
        precision = Precision.exact(where)

    # Network and initial weights.
    origin = finetune.origin(source.system, source.init, source.saved, network)
    pictures, test = read(source, origin["arguments"])  # before any weights: data that do not fit end it at once
    if rank == 0:
        on_pictures(pictures, test)
    out.mkdir(parents=True, exist_ok=True)
    run = Run(source.system, origin["arguments"], source.recipe, where, licence=origin["licence"])
    trained = source.saved.get("companions", {}) if source.saved else run.model.companions.digests
    catalog.check_companions(run.system, run.model, trained, source.system.name)
    resumable, classes = resume and (out / "state.pt").exists(), source.saved.get("classes", ())
    if source.init and not resumable:
        run.recipe = finetune.settled(run.recipe, run.model, source.init)
        classes = finetune.begin(run.model, run.average, source.init)

    # Data.
    placed = finetune.placed(pictures, run.model, classes)
    run.average.class_names = run.model.class_names
    recipe = run.recipe
    seeds = source.saved.get("seeds", 1) if source.saved else SEEDS
    augmentation = recipe.augmentation
    shuffled = partial(Batches, placed, seed=recipe.seed, seeds=seeds, **augmentation)
    whole, batches = shuffled(recipe.batch), shuffled(recipe.batch // world, rank=rank, world=world)

    # State, after the memory format: moments have the strides of their weights.
    run.model.to(memory_format=precision.memory_format).train()
    run.average.to(memory_format=precision.memory_format)
    before = Recipe.of(source.saved["recipe"]) if source.saved else source.system.recipe
    if rank == 0 and resumable:
        run.load_state(out / "state.pt", before.batch)
    flags = replace(recipe, images=before.images).flags(before)
    run.learned_from = provenance.learned_from(
        source.saved, pictures, source.data, run.images, data is not None, flags
    )
    run.command = command_line(source.system, source.init, run.arguments, recipe.images, run.learned_from)
    if rank == 0:
        write_run(run, source, origin | {"seeds": seeds}, out)
        if not resume:
            (out / "state.pt").unlink(missing_ok=True)
        forget_after(run.step, out)
    if world > 1:
        run.take(distributed.of_first(run.state()))
    return Session(run, precision, batches, whole, held_out(test, run.model), out, rank, world)


def resolve(name: str, out: Path | None, data: str | None, init: str | None, changes: dict[str, Any]) -> Source:
    """Merge the arguments of a session with the run.json in `out`; without `out` the run is new.

    Raises ValueError if there is none, or if it is of another system or froze other layers.
    """
    system = find_system(name)
    if out is None:
        return Source(system, replace(system.recipe, **changes), data or system.data, init, {})
    if not (out / "run.json").exists():
        raise ValueError(f"{out} holds no run to resume")
    saved = json.loads((out / "run.json").read_text())
    if saved["system"] != name:
        raise ValueError(f"{out} holds a run of {saved['system']}, not of {name}")
    find_system(name, saved.get("source"))
    if (frozen := saved["recipe"].get("freeze", 0)) != changes.get("freeze", frozen):
        raise ValueError(f"this run began with freeze {frozen}, and goes on with it")
    recipe = replace(Recipe.of(saved["recipe"]), **changes)
    return Source(system, recipe, data or saved["data"], saved.get("init"), saved)


def write_run(run: Run, source: Source, more: dict[str, Any], out: Path) -> None:
    """Write run.json, which `resume` requires, so before the first step. more: facts beside those of run and source."""
    facts = {"system": source.system.name, "data": source.data, "init": source.init, "recipe": asdict(run.recipe)}
    facts |= {"source": run.system.source} if run.system.source else {}
    facts |= {"companions": run.model.companions.digests, "classes": run.model.class_names}
    facts |= more | {"learned_from": run.learned_from}
    facts |= {"threads": torch.get_num_threads(), "device": device_name(run.device), "versions": versions()}
    with files.replacing(out / "run.json") as file:
        file.write(json.dumps(facts, indent=1).encode())


def read(source: Source, arguments: dict[str, Any]) -> tuple[Pictures, Pictures | None]:
    """The pictures that a run learns from, and those held out; None where the set has no held-out part."""
    shell, recipe = checkpoint.shell(source.system, arguments), source.recipe
    options = dict(shape=shell.image_shape, pairing=shell.pairing, reverse=recipe.reverse)
    pictures = load(source.data, "train", crop=recipe.crop, **options)
    try:
        test = load(source.data, "test", **options)
    except ValueError:
        return pictures, None  # too few pictures for a held-out part
    if shell.pairing:  # its splits are read one by one, and each has refused its own files
        left_out = Counter(pictures.left_out) + Counter(test.left_out)
        pictures = replace(pictures, refused=[*pictures.refused, *test.refused], left_out=dict(left_out))
    return pictures, test


def held_out(test: Pictures | None, model: Model) -> Batch | None:
    """A shuffled batch of the held-out set, with the model's labels; of unpaired domains as many of each."""
    if test is None:
        return None
    test = test.renumbered(model.attributes)
    if model.classes and test.classes:
        test = relabel(test, model.class_names)
        if hasattr(model, "classify"):
            test = test.part(test.labels >= 0)
    random = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(test), generator=random)[:HELD_OUT]
    batch = test.batch(chosen)
    if test.sources is None or test.paired:
        return batch
    sources = test.sources[torch.randperm(len(test.sources), generator=random)[: len(batch)]]
    return replace(batch[: len(sources)], sources=from_uint8(sources))


def device_name(device: torch.device) -> str:
    """Name of the card or type of the processor: a run is bit-identical only on the same one."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {platform.machine()}"
