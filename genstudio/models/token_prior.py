"""Base of the priors over the tokens of a VQ-VAE: conditions, checks, and frames of what is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from genstudio.controls import Refusal
from genstudio.model import LABEL_DROPOUT, Batch, Frame, Model, Noise, Progress
from genstudio.models.vqvae import Tokenizer, check_tokens

OPEN, YES, NO = range(3)  # of a condition: left open, true, false


class Written(NamedTuple):
    """One step of writing.

    tokens: (n, places), of which those are `known`, boolean (n, places).
    places: written in this step, (n, k), with the probabilities (n, k, vocabulary) that they were drawn from.
    """

    tokens: Tensor
    known: Tensor
    places: Tensor
    probabilities: Tensor

    @property
    def entropy(self) -> Tensor:
        """Entropy of the distribution at each of the places, in nats: (n, k)."""
        return torch.special.entr(self.probabilities.double()).sum(-1)


class TokenPrior(Model):
    """Base of the priors: tokens of one level of a tokenizer, conditioned on attributes that may be left open.

    grid, vocabulary: rows and columns, and the entries of the codebook, as the tokenizer has them.
    width: of the embedding of the conditions.
    level: of the tokenizer, the coarsest first.
    """

    trained_with = ("tokenizer",)
    conditions: Mapping[str, str] = MappingProxyType({})  # control: the attribute of the training set that it sets

    def __init__(
        self, image_shape: tuple[int, int, int], grid: tuple[int, int], vocabulary: int, width: int, level: int = 0
    ):
        super().__init__()
        self.image_shape, self.grid, self.vocabulary, self.level = image_shape, tuple(grid), vocabulary, level
        self.places = grid[0] * grid[1]
        self.start = nn.Parameter(torch.empty(width))
        nn.init.normal_(self.start, 0.0, 0.02)
        if self.conditions:
            self.attributes = {attribute: () for attribute in self.conditions.values()}
            self.condition = nn.Embedding(3 * len(self.conditions), width)  # three rows for each: open, yes, no
            nn.init.normal_(self.condition.weight, 0.0, 0.02)

    @property
    def tokenizer(self) -> Tokenizer:
        """The companion. Raises ValueError if its tokens are not those that this prior writes."""
        tokenizer = self.companion("tokenizer")
        if len(tokenizer.grids) <= self.level or (tokenizer.grids[self.level], tokenizer.vocabulary) != (
            self.grid, self.vocabulary,
        ):  # fmt: skip
            own, other = f"{self.places} tokens of {self.vocabulary}", f"{tokenizer.places} of {tokenizer.vocabulary}"
            raise Refusal(
                f"this prior writes {own}, and its tokenizer has {other}",
                f"cet a priori écrit {own.replace('tokens', 'jetons')}, et son tokeniseur en a {other}",
            )
        return tokenizer

    # tokens of this level

    @torch.no_grad()
    def levels_of(self, images: Tensor) -> list[Tensor]:
        """Tokens (n, places) of each level of images, checked."""
        tokenizer = self.tokenizer
        tokens = check_tokens(tokenizer.tokenize(images), tokenizer.vocabulary, tokenizer.places)
        return [level.flatten(1) for level in tokenizer.by_level(tokens)]

    def images_of(self, written: Written, context: Tensor | None) -> Tensor:
        """Images of tokens, with the mean of the codebook where they are not known. context: the level above."""
        levels = [torch.zeros_like(written.tokens[:, :1]).expand(-1, r * c) for r, c in self.tokenizer.grids]
        known = [torch.zeros_like(level, dtype=torch.bool) for level in levels]
        levels[self.level], known[self.level] = written.tokens, written.known
        if context is not None:
            levels[self.level - 1], known[self.level - 1] = context, torch.ones_like(context, dtype=torch.bool)
        return self.tokenizer.detokenize(torch.cat(levels, 1), torch.cat(known, 1))

    # conditions

    def embedded(self, states: Tensor) -> Tensor:
        """Embedding (n, width) of conditions (n, k), each `OPEN`, `YES` or `NO`."""
        n, k = states.shape
        if not k:
            return self.start.expand(n, -1)
        return self.start + self.condition(states + 3 * torch.arange(k, device=states.device)).sum(1)

    def states_of(self, batch: Batch, dropout: float = 0.0) -> Tensor:
        """Conditions (n, k) of a batch; one that its set does not tell is open, and others are dropped at this rate."""
        device = batch.images.device
        unknown = torch.full((len(batch),), -1, device=device)
        truth = [batch.conditions.get(name, unknown).long() for name in self.conditions.values()]
        if not truth:
            return torch.empty(len(batch), 0, dtype=torch.long, device=device)
        truth = torch.stack(truth, 1)
        open_ = (truth < 0) | (torch.rand(truth.shape, device=device) < dropout)
        return torch.where(open_, OPEN, torch.where(truth > 0, YES, NO))

    def states(self, n: int, controls: Mapping[str, bool | None]) -> Tensor:
        """Conditions (n, k) of controls: true, false, or None for open."""
        states = [{None: OPEN, True: YES, False: NO}[controls.get(name)] for name in self.conditions]
        return torch.tensor(states, dtype=torch.long, device=self.start.device).expand(n, -1)

    # writing

    @torch.no_grad()
    def write(
        self, noise: Noise, tokens: Tensor | None = None, known: Tensor | None = None, context: Tensor | None = None,
        **controls: Any,
    ) -> Iterator[Written]:  # fmt: skip
        """Write the tokens that are not known, step by step.

        tokens, known: given tokens (n, places), and a mask (places,) of those to keep.
        context: tokens (n, places) of the level above, where this level is conditioned on it.
        controls: of `sample`.
        """
        n, device = len(noise), self.start.device
        context = self.context(noise) if context is None else context
        tokens = torch.zeros(n, self.places, dtype=torch.long, device=device) if tokens is None else tokens.clone()
        known = torch.zeros(self.places, dtype=torch.bool, device=device) if known is None else known
        check_tokens(tokens, self.vocabulary, self.places)
        states = self.states(n, {name: controls.pop(name, None) for name in self.conditions})
        yield from self.steps(noise, tokens, known.expand(n, -1).clone(), self.embedded(states), context, **controls)

    def steps(
        self, noise: Noise, tokens: Tensor, known: Tensor, condition: Tensor, context: Tensor | None, **controls: Any
    ) -> Iterator[Written]:
        """`write` of checked arguments, which it changes; known: (n, places), equally many in each row."""
        raise NotImplementedError

    def painted(self, noise: Noise, every: int, of: int, **controls: Any) -> Iterator[Frame]:
        """Frames of `write`, one after `every` of its steps, which are `of` in all."""
        context = self.context(noise)
        for step, written in enumerate(self.write(noise, context=context, **controls), 1):
            if step % every == 0:
                yield Frame(self.images_of(written, context), step // every, of // every)

    def context(self, noise: Noise) -> Tensor | None:
        """Tokens of the level above that this level is conditioned on, drawn from its prior; None without."""
        return None

    # training

    def token_nats(self, levels: list[Tensor], states: Tensor) -> Tensor:
        """-log p of each token of this level given those before it, (n, places): or a bound of it, where `bound`."""
        raise NotImplementedError

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        levels, states = self.levels_of(batch.images), self.states_of(batch, LABEL_DROPOUT)
        yield "model", {"nats per token": self.token_nats(levels, states).mean()}
