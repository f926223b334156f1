"""Scores of tokenizers and of the priors over their tokens."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from genstudio.data import Pictures
from genstudio.model import Model
from genstudio.scores.distances import frechet
from genstudio.scores.intervals import Score, average, bootstrap, share
from genstudio.scores.network import BATCH, FeatureNetwork, as_floats, in_batches
from genstudio.scores.samples import generate

Scores = Iterator[tuple[str, Score]]

ASKED = 500  # samples with a condition, and as many without
PASSES = 8  # draws of the order of tokens, where the likelihood is a bound over orders


@torch.no_grad()
def reconstruction(model: Model, judge: FeatureNetwork | None, training: Tensor, held_out: Tensor) -> Scores:
    """Errors of reconstructed held-out images, on the scale [0, 1]; use of the codebook; and by a judge the attributes
    that are kept, and the distance from held-out images: the floor for any prior."""
    tokens = in_batches(model.tokenize, held_out).long()
    made = torch.cat([model.detokenize(part.to(held_out.device)).float().cpu() for part in tokens.split(BATCH)])
    errors = (made - as_floats(held_out.cpu())).square().flatten(1).mean(1) / 4
    yield "RMSE", root(average(errors))
    few = training[torch.randperm(len(training), generator=torch.Generator().manual_seed(0))[: len(held_out)]]
    again = in_batches(lambda x: (model.detokenize(model.tokenize(x)) - x).square().flatten(1).mean(1) / 4, few)
    yield "RMSE of training pictures", root(average(again))
    yield "PSNR (dB)", average(-10 * torch.log10(errors.clamp_min(1e-10)))
    levels = model.by_level(tokens)
    for name, level in zip(("",) if len(levels) == 1 else (" of the top", " of the bottom"), levels, strict=True):
        counts = torch.bincount(level.flatten(), minlength=model.vocabulary).double()
        yield f"perplexity{name}", bootstrap(perplexity, level.flatten(1), draws=20)
        yield f"used entries{name}", share(counts > 0)
    if judge is None:
        return
    if judge.attributes:
        before, after = judge.attributes(as_floats(held_out)), judge.attributes(made)
        for name, values in before.items():
            yield f"{name} kept ({judge.name})", share(values == after[name])
    real, reference, fake = judge(held_out), judge(few), judge(made)
    distance = bootstrap(frechet, fake, real)
    yield f"Frechet distance of the reconstruction ({judge.name})", distance
    over = distance.over(max(1e-9, frechet(reference, real)))
    yield f"Frechet distance of the reconstruction over training pictures' ({judge.name})", over


def root(score: Score) -> Score:
    """The root of a mean square and of its interval."""
    return Score(*(max(0.0, value) ** 0.5 for value in score[:3]), score.n)


def perplexity(tokens: Tensor) -> float:
    """exp of the entropy of tokens (n, places) over all their places."""
    shares = torch.bincount(tokens.flatten()).double() / tokens.numel()
    return float(torch.special.entr(shares).sum().exp())


@torch.no_grad()
def likelihood(model: Model, test: Pictures, device: torch.device) -> Scores:
    """Nats per token of held-out images, given all their conditions; where it is a bound, the mean over some orders."""
    passes, found = PASSES if model.bound else 1, []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for rows in torch.arange(len(test)).split(BATCH):
            batch = test.batch(rows).to(device)
            levels, states = model.levels_of(batch.images), model.states_of(batch)
            found.append(sum(model.token_nats(levels, states).mean(1) for _ in range(passes)).cpu() / passes)
    yield "nats per token" + (", at most" if model.bound else ""), average(torch.cat(found))


def obedience(model: Model, judge: FeatureNetwork, device: torch.device) -> Scores:
    """Share of samples that a judge reads as was asked, each condition as often yes as no, the others open."""
    for control, attribute in model.conditions.items():
        hits = []
        for asked in (True, False):
            seeds = torch.arange(ASKED) + (0 if asked else ASKED)
            drawn = torch.cat([generate(model, part, device, **{control: asked}) for part in seeds.split(BATCH)])
            hits.append(judge.attributes(drawn)[attribute] == asked)
        yield f"{attribute} obeyed ({judge.name})", share(torch.cat(hits))
