"""Step-by-step GAN training from a paused run: a step of the critic (discriminator), of the generator, or of both.

As GAN Lab (Kahng et al. 2018, arXiv:1809.01587) shows for points on a plane, here for images: the fakes, the critic's
output on each, and its input gradients. All on a copy in memory; the run on disk does not change.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genstudio import catalog, checkpoint
from genstudio.controls import Refusal
from genstudio.data import Batches, load
from genstudio.images import from_uint8, to_uint8
from genstudio.model import Model, Noise, generates, sample
from genstudio.precision import Precision, best_precision, choose_device
from genstudio.registry import find_system
from genstudio.scores.measure import subset
from genstudio.system import Recipe
from genstudio.training import finetune
from genstudio.training.loop import next_batch, play, source_of
from genstudio.training.run import Run, trainable

SHOWN = 16  # fakes of fixed seeds, and fixed real images
UNDONE, UNDO_BYTES = 50, 400 * 2**20  # limits of the undo history: ten steps of a 64-pixel DCGAN's critic
SEARCHED = 64  # batches without a step of a player before that is an error


@dataclass(frozen=True, eq=False)
class GameState:
    """State of the game: fakes, real images, and the critic's outputs on them."""

    step: int  # of the run, numbered on from the pause
    taken: dict[str, int]  # steps of each player since the pause
    probable: bool  # its outputs are probabilities that an image is real
    fakes: np.ndarray  # uint8 (n, h, w, c), of seeds 0 to n - 1
    on_fakes: np.ndarray  # float32 (n,)
    reals: np.ndarray  # uint8 (n, h, w, c), training images
    on_reals: np.ndarray  # float32 (n,)
    terms: dict[str, float]  # loss terms of the last step; empty before the first
    norms: dict[str, float]  # gradient norm of each player in the last step
    heat: np.ndarray | None = None  # uint8 (n, h, w): |d output / d pixel| of each fake, scaled to 255


class Stepper:
    """Single steps of the training of a run, from its folder, or of a checkpoint with its critic, by name; with undo.

    A checkpoint has no moments of the optimizers: its first steps are those of a new Adam.

    heat: compute the critic's input gradients, too.
    exact: float32 throughout, else the precision of training on this device.
    """

    def __init__(self, source: Path | str, device: str | None = None, heat: bool = False, exact: bool = False):
        said, where = facts_of(source), choose_device(device).device
        system = find_system(said["system"], said.get("source"))
        recipe = Recipe.of(said["recipe"])
        # A constant learning rate: at the end of a schedule, a step would change nothing.
        recipe = replace(recipe, betas=tuple(recipe.betas), cosine=False, warmup=0)
        with torch.random.fork_rng():  # `Run` seeds the global random stream
            self.run = Run(system, finetune.origin(system, None, said)["arguments"], recipe, where)
        critics = "critic" in self.run.optimizers and hasattr(system.model, "verdict")
        if not critics or not generates(system.model):
            takes = "that takes pictures from noise, and a critic"
            raise ValueError(f"{system.name} cannot be played step by step: {takes}")
        self.precision = Precision.exact(where) if exact else best_precision(where)
        if self.precision.dtype is torch.float16:  # as in training
            self.precision = Precision.exact(where)
        model = self.run.model.to(memory_format=self.precision.memory_format).train()
        if isinstance(source, str):
            finetune.begin(self.run.model, self.run.average, source)
        else:
            self.run.load_state(source / "state.pt")  # after the memory format is set: moments need their weights' strides
        self.run.average = None  # only the raw weights are shown
        pictures = load(said["data"], "train", model.image_shape, crop=recipe.crop)
        pictures = finetune.placed(pictures, model, said.get("classes", ()))
        augmentation = recipe.augmentation
        self.batches = Batches(pictures, recipe.batch, seed=recipe.seed, seeds=said.get("seeds", 1), **augmentation)
        self.reals = from_uint8(subset(pictures.images, SHOWN)).to(where)
        self.labels = self.real_labels = None  # classes of the fakes, one after the other, and of the real images
        if model.classes and model.class_names and pictures.labels is not None:
            self.labels = torch.arange(SHOWN, device=where) % len(model.class_names)
            labels = subset(pictures.labels, SHOWN).to(where)
            self.real_labels = torch.where(labels < 0, model.classes, labels)
        self.players = tuple(self.run.optimizers)
        self.heat, self.taken, self.terms, self.norms = heat, dict.fromkeys(self.players, 0), {}, {}
        self.kept: deque[Snapshot] = deque(maxlen=UNDONE)

    def step(self, player: str | None = None) -> GameState:
        """One step, as `advance`, and the state after it."""
        self.advance(player)
        return self.stand()

    def advance(self, player: str | None = None) -> None:
        """One step of a player, on the next batch that it steps on; None: one step of all players, as in training.

        Raises ValueError for an unknown player, or one without a step in `SEARCHED` batches.
        """
        if player not in (None, *self.players):
            raise ValueError(f"the players are {', '.join(self.players)}, not {player!r}")
        before = Snapshot(self, self.players if player is None else (player,))
        with torch.enable_grad(), torch.random.fork_rng():
            took = any(self._play(player) for _ in range(SEARCHED))
        if not took:
            before.restore(self)
            raise Refusal(
                f"the {player} had no turn in {SEARCHED} batches",
                f"{player} n’a pas eu son tour en {SEARCHED} lots",
            )
        before.restore_onlookers(self)
        self.kept.append(before)
        while len(self.kept) > 1 and sum(kept.bytes for kept in self.kept) > UNDO_BYTES:
            self.kept.popleft()

    def back(self) -> GameState:
        """Undo the last step, bit by bit. Raises ValueError if there is none."""
        if not self.kept:
            raise Refusal("there is no step to take back", "il n’y a pas de pas à annuler")
        self.kept.pop().restore(self)
        return self.stand()

    def stand(self) -> GameState:
        model = self.run.model
        with torch.no_grad(), batch_norm_only_training(model) as norms:
            named = {} if self.labels is None else {"label": [model.class_names[i] for i in self.labels.tolist()]}
            *_, frame = sample(model, Noise(range(SHOWN), self.run.device), **named)
            fakes = frame.images.float()
            game = getattr(model, "game", None)  # of a system of the user's own, it may be unknown
            read = game and game.probability or nn.Identity()
            on_fakes, on_reals = (
                read(verdict(model, *shown)).cpu().numpy()
                for shown in ((fakes, self.labels), (self.reals, self.real_labels))
            )
            heat = gradients(model, fakes, self.labels, norms) if self.heat else None
        tiles = to_uint8(fakes), on_fakes, to_uint8(self.reals), on_reals
        probable = game is not None and game.probability is not None
        return GameState(self.run.step, dict(self.taken), probable, *tiles, self.terms, self.norms, heat)

    def _play(self, only: str | None) -> bool:
        """One batch, as in training, but only the player `only` is updated. True if it took a step."""
        run = self.run
        source = run, self.batches, self.precision
        result = play(run, next_batch(*source), self.precision, only=only, more=source_of(*source))
        self.terms = {name: float(value) for name, value in result.terms.items()}
        self.norms = {player: float(norm) for player, norm in result.norms.items()}
        for player, count in result.updates.items():
            self.taken[player] += count
        run.advance()
        return bool(result.updates)


def facts_of(source: Path | str) -> dict[str, Any]:
    """The run.json of a run, or the same facts of a checkpoint. Raises ValueError where there is nothing to play with."""
    if isinstance(source, str):
        if not finetune.has_critic(source):
            raise Refusal(f"{source} is here without its critic", f"{source} est ici sans son critique")
        header = checkpoint.describe(catalog.locate(source))
        return {key: getattr(header, key) for key in ("system", "recipe", "data", "arguments", "classes", "licence", "source")}
    if not ((source / "run.json").exists() and (source / "state.pt").exists()):
        raise ValueError(f"{source} holds no run that was begun")
    return json.loads((source / "run.json").read_text())


class Snapshot:
    """Snapshot of everything that a step of these players may change, for undo."""

    def __init__(self, stepper: Stepper, players: Sequence[str]):
        run = stepper.run
        self.step, self.images, self.taken, self.players = run.step, run.images, dict(stepper.taken), players
        self.terms, self.norms = stepper.terms, stepper.norms
        self.buffers = copies(run.model.buffers())
        self.weights, self.without_moments = [], []
        for name in players:
            optimizer, weights = run.optimizers[name], trainable(run.model.players()[name])
            self.weights += copies(weights)
            self.weights += copies(moments for w in weights for moments in optimizer.state.get(w, {}).values())
            self.without_moments += [(optimizer, w) for w in weights if w not in optimizer.state]  # not yet stepped
        self.bytes = sum(old.nbytes for _, old in self.weights + self.buffers)

    def restore(self, stepper: Stepper) -> None:
        put_back(self.weights + self.buffers)
        for optimizer, weight in self.without_moments:
            optimizer.state.pop(weight, None)
        stepper.run.step, stepper.run.images, stepper.taken = self.step, self.images, self.taken
        stepper.terms, stepper.norms = self.terms, self.norms

    def restore_onlookers(self, stepper: Stepper) -> None:
        """Restore the other players' buffers: a forward pass updates batch-norm statistics even without a step."""
        players = stepper.run.model.players()
        moved = {id(b) for name in self.players for b in players[name].buffers()}
        put_back([(buffer, old) for buffer, old in self.buffers if id(buffer) not in moved])


Copies = list[tuple[Tensor, Tensor]]  # each tensor with a copy of its values


def copies(tensors: Iterable[Tensor]) -> Copies:
    return [(tensor, tensor.detach().clone()) for tensor in tensors]


@torch.no_grad()
def put_back(kept: Copies) -> None:
    for tensor, old in kept:
        tensor.copy_(old)


# The critic's outputs -------------------------------------------------------------------------------------------


def verdict(model: Model, images: Tensor, labels: Tensor | None = None) -> Tensor:
    """The critic's outputs (n,) on images as they are, without the augmentation of training."""
    with unaugmented(model):
        return model.verdict(images, labels).float().flatten(1).mean(1)


@contextmanager
def unaugmented(model: Model) -> Iterator[None]:
    """Context in which the critic sees images as they are."""
    augment, ada = model.augment, getattr(model, "ada", None)
    model.augment = lambda images: images
    if ada is not None:
        model.ada = None
    try:
        yield
    finally:
        model.augment = augment
        if ada is not None:
            model.ada = ada


def gradients(model: Model, images: Tensor, labels: Tensor | None, norms: Sequence[nn.Module]) -> np.ndarray:
    """Saliency |d output / d pixel|, summed over channels: uint8 (n, h, w), each image scaled to a maximum of 255.

    Batch norm would couple the images of a batch. Its statistics are fixed to those of this batch, so that each image's
    gradient is that of its own output.
    """
    for norm in norms:
        norm.momentum = 1.0  # running statistics of this batch alone
    verdict(model, images, labels)
    model.eval()
    with torch.enable_grad():
        x = images.detach().requires_grad_()
        [gradient] = torch.autograd.grad(verdict(model, x, labels).sum(), x)
    saliency = gradient.abs().sum(1)  # (n, h, w)
    return (255 * saliency / saliency.amax((1, 2), keepdim=True).clamp_min(1e-30)).round().to(torch.uint8).cpu().numpy()


@contextmanager
def batch_norm_only_training(model: Model) -> Iterator[list[nn.Module]]:
    """Context with batch norm in training mode and all else, dropout too, in evaluation mode. Yields the norms.

    On exit, running statistics and modes are restored.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    modes, momentum = [(m, m.training) for m in model.modules()], [m.momentum for m in norms]
    buffers = copies(model.buffers())
    model.eval()
    for norm in norms:
        norm.train()
    try:
        yield norms
    finally:
        put_back(buffers)
        for norm, value in zip(norms, momentum, strict=True):
            norm.momentum = value
        for module, mode in modes:
            module.training = mode
