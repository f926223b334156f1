"""Priors over the tokens of a VQ-VAE: networks that write pictures token by token, and never see a pixel.

GPT (Radford et al. 2019) and PixelCNN (van den Oord et al. 2016, arXiv:1606.05328) in raster order; MaskGIT (Chang et
al. 2022, arXiv:2202.04200) many at once. The tokenizer is a companion, frozen. Read first: `token_prior.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from genstudio.controls import Text
from genstudio.layers.masked_conv import GatedPixelCNN
from genstudio.layers.transformer import Cache, Transformer
from genstudio.model import LABEL_DROPOUT, Batch, Frame, Noise, Progress
from genstudio.models.token_prior import TokenPrior, Written
from genstudio.samplers.tokens import Beard, Choice, Glasses, MaskSteps, Temperature, TopK, TopP, draw
from genstudio.system import Recipe, system

SMOOTHING = 0.1  # of MaskGIT's labels, section 4.1
FACES = {"glasses": "glasses", "beard": "facial_hair"}  # controls of the priors of faces, by attribute of the set


# In raster order ------------------------------------------------------------------------------------------------

Reader = Callable[[int], Tensor]  # a place to its logits (n, vocabulary)


class RasterPrior(TokenPrior):
    """Prior that writes one token after another, each given those before it."""

    def logits(self, tokens: Tensor, condition: Tensor, context: Tensor | None = None) -> Tensor:
        """Logits (n, places, vocabulary) of each token of (n, places), given those before it."""
        raise NotImplementedError

    def reader(self, tokens: Tensor, condition: Tensor, context: Tensor | None, cached: bool) -> Reader:
        """Function of a place to the logits (n, vocabulary) there; `tokens` before it are filled in meanwhile."""
        return lambda place: self.logits(tokens, condition, context)[:, place]

    def steps(
        self, noise: Noise, tokens: Tensor, known: Tensor, condition: Tensor, context: Tensor | None,
        cached: bool = True, **controls: Any,
    ) -> Iterator[Written]:  # fmt: skip
        """cached: reuse what was computed for earlier tokens, where the network can."""
        chance, read = noise.uniform(self.places), self.reader(tokens, condition, context, cached)
        for place in range(self.places):
            if known[0, place]:
                continue
            drawn, probabilities = draw(read(place), chance[:, place], **controls)
            tokens[:, place], known[:, place] = drawn, True
            at = torch.full((len(noise), 1), place, device=tokens.device)
            yield Written(tokens.clone(), known.clone(), at, probabilities[:, None])

    def token_nats(self, levels: list[Tensor], states: Tensor) -> Tensor:
        own, above = levels[self.level], levels[self.level - 1] if self.level else None
        logits = self.logits(own, self.embedded(states), above)
        return cross_entropy(logits.float().movedim(-1, 1), own, reduction="none")


class GPT(RasterPrior):
    """Causal transformer over tokens, with a key-value cache in writing."""

    def __init__(
        self, image_shape: tuple[int, int, int], grid: tuple[int, int], vocabulary: int = 512, width: int = 160,
        depth: int = 6, heads: int = 5, dropout: float = 0.1, level: int = 0,
    ):  # fmt: skip
        super().__init__(image_shape, grid, vocabulary, width, level)
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(self.places, width))
        self.transformer = Transformer(self.places, width, depth, heads, causal=True, dropout=dropout)
        self.head = nn.Linear(width, vocabulary)
        for weight in (self.embedding.weight, self.positions, self.head.weight):
            nn.init.normal_(weight, 0.0, 0.02)

    def sample(
        self, noise: Noise, *, temperature: Temperature = 1.0, top_k: TopK = 512, top_p: TopP = 1.0
    ) -> Iterator[Frame]:
        sampling = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        yield from self.painted(noise, self.grid[1], self.places, **sampling)

    def inputs(self, tokens: Tensor, condition: Tensor, places: slice) -> Tensor:
        """Input vectors (n, k, width) at these places: each holds the token before it, the first none."""
        before = self.embedding(tokens[:, max(0, places.start - 1) : places.stop - 1])
        if places.start == 0:
            before = torch.cat([torch.zeros_like(condition)[:, None], before], 1)
        return before + self.positions[places] + condition[:, None]

    def logits(self, tokens: Tensor, condition: Tensor, context: Tensor | None = None) -> Tensor:
        return self.head(self.transformer(self.inputs(tokens, condition, slice(0, self.places))))

    def reader(self, tokens: Tensor, condition: Tensor, context: Tensor | None, cached: bool) -> Reader:
        cache = Cache() if cached else None

        def read(place: int) -> Tensor:
            """Logits at a place: a pass over all places up to it, or over those that the cache does not hold."""
            start = cache.length if cache else 0
            x = self.inputs(tokens, condition, slice(start, place + 1))
            return self.head(self.transformer(x, cache)[:, -1]).float()

        return read


class PixelCNN(RasterPrior):
    """Gated PixelCNN over the grid of tokens. level: 1 for the bottom of a VQ-VAE-2, conditioned on the top."""

    def __init__(
        self, image_shape: tuple[int, int, int], grid: tuple[int, int], vocabulary: int = 512, width: int = 96,
        depth: int = 8, dropout: float = 0.1, level: int = 0,
    ):  # fmt: skip
        super().__init__(image_shape, grid, vocabulary, width, level)
        self.embedding = nn.Embedding(vocabulary, width)
        self.network = GatedPixelCNN(width, depth, dropout=dropout)
        hidden, last = nn.Conv2d(width, 2 * width, 1), nn.Conv2d(2 * width, vocabulary, 1)
        self.head = nn.Sequential(nn.ReLU(), hidden, nn.ReLU(), last)

    def sample(
        self, noise: Noise, *, temperature: Temperature = 1.0, top_k: TopK = 512, top_p: TopP = 1.0
    ) -> Iterator[Frame]:
        sampling = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        yield from self.painted(noise, self.grid[1], self.places, **sampling)

    def logits(self, tokens: Tensor, condition: Tensor, context: Tensor | None = None) -> Tensor:
        embedded = self.embedding(tokens).unflatten(1, self.grid).permute(0, 3, 1, 2)
        features = self.network(embedded, self.condition_map(condition, context))
        return self.head(features).flatten(2).transpose(1, 2)

    def condition_map(self, condition: Tensor, context: Tensor | None) -> Tensor:
        """Condition (n, width, h, w) of each place, or one of all (n, width, 1, 1)."""
        return condition[:, :, None, None]


class BottomPixelCNN(PixelCNN):
    """PixelCNN of the bottom tokens of a VQ-VAE-2, given the top tokens, which its companion draws."""

    trained_with = ("tokenizer", "top")

    def __init__(
        self, image_shape: tuple[int, int, int], grid: tuple[int, int], vocabulary: int = 512, width: int = 96,
        depth: int = 8, dropout: float = 0.1,
    ):  # fmt: skip
        super().__init__(image_shape, grid, vocabulary, width, depth, dropout, level=1)
        self.above = nn.Embedding(vocabulary, width)
        first, second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.conditioning = nn.Sequential(first, nn.ReLU(), second)

    def condition_map(self, condition: Tensor, context: Tensor | None) -> Tensor:
        above = self.above(context).unflatten(1, (self.grid[0] // 2, self.grid[1] // 2)).permute(0, 3, 1, 2)
        return condition[:, :, None, None] + self.conditioning(interpolate(above, self.grid, mode="nearest"))

    def context(self, noise: Noise) -> Tensor:
        *_, written = self.companion("top").write(noise)
        return written.tokens


# Many at once ---------------------------------------------------------------------------------------------------


class MaskGIT(TokenPrior):
    """Masked-token transformer: predicts all hidden tokens at once, keeps the surest, and hides the others again."""

    bound = True

    def __init__(
        self, image_shape: tuple[int, int, int], grid: tuple[int, int], vocabulary: int = 512, width: int = 160,
        depth: int = 6, heads: int = 5, dropout: float = 0.1, level: int = 0,
    ):  # fmt: skip
        super().__init__(image_shape, grid, vocabulary, width, level)
        self.embedding = nn.Embedding(vocabulary + 1, width)  # the last is the mask
        self.positions = nn.Parameter(torch.empty(self.places, width))
        self.transformer = Transformer(self.places, width, depth, heads, causal=False, dropout=dropout)
        self.head = nn.Linear(width, vocabulary)
        for weight in (self.embedding.weight, self.positions, self.head.weight):
            nn.init.normal_(weight, 0.0, 0.02)

    def sample(
        self, noise: Noise, *, steps: MaskSteps = 8, temperature: Temperature = 1.0, top_k: TopK = 512,
        top_p: TopP = 1.0, choice: Choice = 4.5,
    ) -> Iterator[Frame]:  # fmt: skip
        sampling = {"steps": steps, "temperature": temperature, "top_k": top_k, "top_p": top_p, "choice": choice}
        yield from self.painted(noise, 1, min(steps, self.places), **sampling)

    def logits(self, tokens: Tensor, known: Tensor, condition: Tensor) -> Tensor:
        """Logits (n, places, vocabulary) of all tokens, given those that are known, boolean (n, places)."""
        x = self.embedding(torch.where(known, tokens, self.vocabulary)) + self.positions + condition[:, None]
        return self.head(self.transformer(x))

    def steps(
        self, noise: Noise, tokens: Tensor, known: Tensor, condition: Tensor, context: Tensor | None,
        steps: int = 8, choice: float = 4.5, **controls: Any,
    ) -> Iterator[Written]:  # fmt: skip
        """Iterative decoding, section 3.2: after step s of S, cos(pi s / 2 S) of the tokens are hidden again."""
        whole = hidden = int((~known[0]).sum())
        steps = min(steps, whole)
        for step in range(1, steps + 1):
            chance = noise.uniform(2, self.places)
            logits = self.logits(tokens, known, condition).float()
            drawn, probabilities = draw(logits, chance[:, 0], **controls)
            sure = probabilities.gather(-1, drawn[..., None]).squeeze(-1).clamp_min(1e-12).log()
            gumbel = -torch.log(-torch.log(chance[:, 1].clamp(1e-9, 1 - 1e-7)))
            sure = sure + choice * (1 - step / steps) * gumbel
            left = min(hidden - 1, math.floor(whole * math.cos(math.pi * step / (2 * steps)) + 1e-9))
            left = max(left, steps - step)  # each later step has one token at least
            places = sure.masked_fill(known, -torch.inf).topk(hidden - left, 1).indices
            tokens.scatter_(1, places, drawn.gather(1, places))
            known.scatter_(1, places, True)
            hidden = left
            at = places[..., None].expand(-1, -1, self.vocabulary)
            yield Written(tokens.clone(), known.clone(), places, probabilities.gather(1, at))

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Cross entropy of the hidden tokens, a share cos(pi u / 2) of all with u uniform: section 3.1."""
        tokens, states = self.levels_of(batch.images)[self.level], self.states_of(batch, LABEL_DROPOUT)
        share = torch.cos(math.pi / 2 * torch.rand(len(batch), 1, device=tokens.device))
        order = torch.rand(tokens.shape, device=tokens.device).argsort(1).argsort(1)
        hidden = order < (share * self.places).ceil().clamp_min(1)
        logits = self.logits(tokens, ~hidden, self.embedded(states)).float()[hidden]
        nats = cross_entropy(logits.detach(), tokens[hidden])
        yield "model", {
            "cross entropy": cross_entropy(logits, tokens[hidden], label_smoothing=SMOOTHING),
            "nats per hidden token": nats,
        }

    def token_nats(self, levels: list[Tensor], states: Tensor) -> Tensor:
        """Bound (n, places) on -log p of tokens in a random order, by one draw of how many are known: the mean over the
        hidden ones stands for each (Hoogeboom et al. 2022, arXiv:2110.02037, equation 5)."""
        tokens = levels[self.level]
        hide = torch.randint(1, self.places + 1, (len(tokens), 1), device=tokens.device)
        hidden = torch.rand(tokens.shape, device=tokens.device).argsort(1).argsort(1) < hide
        logits = self.logits(tokens, ~hidden, self.embedded(states)).float()
        nats = cross_entropy(logits.movedim(-1, 1), tokens, reduction="none") * hidden
        return (nats.sum(1, keepdim=True) / hide).expand_as(tokens)


# Of faces -------------------------------------------------------------------------------------------------------


class FacesInOrder(TokenPrior):
    """Base of priors conditioned on glasses and beard, which write one token after another."""

    conditions = FACES

    def sample(
        self, noise: Noise, *, glasses: Glasses = None, beard: Beard = None, temperature: Temperature = 1.0,
        top_k: TopK = 512, top_p: TopP = 1.0,
    ) -> Iterator[Frame]:  # fmt: skip
        sampling = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        yield from self.painted(noise, self.grid[1], self.places, glasses=glasses, beard=beard, **sampling)


class FacesGPT(FacesInOrder, GPT):
    """GPT conditioned on glasses and beard."""


class FacesPixelCNN(FacesInOrder, PixelCNN):
    """PixelCNN conditioned on glasses and beard."""


class FacesMaskGIT(MaskGIT):
    """MaskGIT conditioned on glasses and beard."""

    conditions = FACES

    def sample(
        self, noise: Noise, *, glasses: Glasses = None, beard: Beard = None, steps: MaskSteps = 8,
        temperature: Temperature = 1.0, top_k: TopK = 512, top_p: TopP = 1.0, choice: Choice = 4.5,
    ) -> Iterator[Frame]:  # fmt: skip
        sampling = {"steps": steps, "temperature": temperature, "top_k": top_k, "top_p": top_p, "choice": choice}
        yield from self.painted(noise, 1, min(steps, self.places), glasses=glasses, beard=beard, **sampling)


# Systems --------------------------------------------------------------------------------------------------------

WRITER = Recipe(
    images=220_000, batch=64, rate=1.5e-3, betas=(0.9, 0.95), weight_decay=0.05, warmup=10_000, ema=0.999, clip=1.0
)
FACE, PHOTO = (3, 64, 64), (3, 32, 32)
GRID = (8, 8)


@system(
    title=Text("GPT of tokens · faces of one drawing style · 64 px", "GPT de jetons · visages d’un seul style · 64 px"),
    data="faces",
    recipe=WRITER,
    companions={"tokenizer": "vqvae_faces"},
)
def gpt_faces() -> FacesGPT:
    """A small GPT that writes the 64 tokens of a face one after another."""
    return FacesGPT(FACE, GRID)


@system(
    title=Text("MaskGIT · faces of one drawing style · 64 px", "MaskGIT · visages d’un seul style · 64 px"),
    data="faces",
    recipe=WRITER,
    companions={"tokenizer": "vqvae_faces"},
)
def maskgit_faces() -> FacesMaskGIT:
    """A transformer that writes the 64 tokens of a face in 8 steps, the surest first."""
    return FacesMaskGIT(FACE, GRID)


@system(
    title=Text("PixelCNN of tokens · faces of one drawing style · 64 px",
               "PixelCNN de jetons · visages d’un seul style · 64 px"),
    data="faces",
    recipe=replace(WRITER, images=300_000, rate=1e-3),
    companions={"tokenizer": "vqvae_faces"},
)
def pixelcnn_faces() -> FacesPixelCNN:
    """A gated PixelCNN that writes the 64 tokens of a face one after another."""
    return FacesPixelCNN(FACE, GRID)


@system(
    title=Text("GPT of tokens · small photographs · 32 px", "GPT de jetons · petites photographies · 32 px"),
    data="cifar10",
    recipe=replace(WRITER, images=250_000, flip=True),
    companions={"tokenizer": "vqvae_cifar10"},
)
def gpt_cifar10() -> GPT:
    """A small GPT that writes the 64 tokens of a photograph of CIFAR-10 one after another."""
    return GPT(PHOTO, GRID)


@system(
    title=Text("PixelCNN of top tokens · small photographs · 32 px",
               "PixelCNN des jetons du haut · petites photographies · 32 px"),
    data="cifar10",
    recipe=replace(WRITER, images=300_000, rate=1e-3, flip=True),
    companions={"tokenizer": "vqvae2_cifar10"},
)
def pixelcnn2_top_cifar10() -> PixelCNN:
    """A gated PixelCNN of the 4 x 4 top tokens of a VQ-VAE-2."""
    return PixelCNN(PHOTO, (4, 4))


@system(
    title=Text("PixelCNN of bottom tokens · small photographs · 32 px",
               "PixelCNN des jetons du bas · petites photographies · 32 px"),
    data="cifar10",
    recipe=replace(WRITER, images=220_000, rate=1e-3, flip=True),
    companions={"tokenizer": "vqvae2_cifar10", "top": "pixelcnn2_top_cifar10"},
)
def pixelcnn2_cifar10() -> BottomPixelCNN:
    """A gated PixelCNN of the 8 x 8 bottom tokens of a VQ-VAE-2, given its top tokens."""
    return BottomPixelCNN(PHOTO, GRID)
