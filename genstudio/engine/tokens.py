"""Tokens of pictures, the codebook as pictures, and writing by a prior, step by step, as NumPy arrays.

All in float32, so that a picture has the same tokens at any time. Each step is a turn of the engine's thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image

from genstudio import catalog
from genstudio.controls import Refusal, check_controls
from genstudio.engine.engine import Engine
from genstudio.engine.loaded import LoadedModel, sampling_method
from genstudio.images import to_tensor, to_uint8
from genstudio.model import Noise, to_device
from genstudio.registry import with_verbs

TOP = 5  # likeliest tokens that a step names
SHEET = 32  # entries of the codebook that are decoded in a turn


@dataclass(frozen=True)
class TokenStep:
    """One step of writing: tokens (places,), of which those are `known`, and the picture of them, uint8 (h, w, c).

    written: places of this step (k,), with the likeliest tokens `top` (k, 5), their `probabilities`, the entropy of the
    whole distribution in bits (k,), and the probability of the token itself (k,).
    """

    tokens: np.ndarray
    known: np.ndarray
    image: np.ndarray
    written: np.ndarray
    top: np.ndarray
    probabilities: np.ndarray
    entropy: np.ndarray
    own: np.ndarray


def exact_model(engine: Engine, name: str, verb: str) -> LoadedModel:
    """A model in float32. Raises ValueError if it has no such method."""
    loaded = engine.hold(name, exact=True)
    if not hasattr(loaded.model, verb):
        raise Refusal(f"{name} has no tokens", f"{name} n’a pas de jetons")
    return loaded


def priors_of(tokenizer: str) -> list[str]:
    """Available priors that write the tokens of a tokenizer."""
    here = catalog.available()
    found = [s for s in with_verbs("sample") if s.companions.get("tokenizer") == tokenizer and s.name in here]
    return sorted(s.name for s in found if hasattr(s.model, "write") and "top" not in s.companions)


def tokenize(engine: Engine, name: str, pictures: Sequence[Image.Image]) -> np.ndarray:
    """Tokens (n, places) of pictures of any size, fitted to the model."""
    loaded = exact_model(engine, name, "tokenize")

    @torch.no_grad()
    def work() -> np.ndarray:
        images = to_device(to_tensor(pictures, loaded.model.image_shape), engine.device)
        return loaded.model.tokenize(images).cpu().numpy()

    return engine.turn(work)


def detokenize(engine: Engine, name: str, tokens: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """Images uint8 (n, h, w, c) of tokens (n, places). Raises ValueError for one out of range."""
    loaded = exact_model(engine, name, "detokenize")

    @torch.no_grad()
    def work() -> np.ndarray:
        numbers = torch.as_tensor(np.asarray(tokens, np.int64), device=engine.device)
        mask = None if known is None else torch.as_tensor(known, device=engine.device)
        return to_uint8(loaded.model.detokenize(numbers, mask))

    return engine.turn(work)


def codebook(engine: Engine, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A picture of each entry, uint8 (entries, h, w, c): the middle of a picture of nothing else; and the share of the
    training tokens that each had (entries,). Of the last, finest level."""
    return _codebook(engine, name, exact_model(engine, name, "tokenize").digest)


@lru_cache(maxsize=4)
def _codebook(engine: Engine, name: str, digest: str) -> tuple[np.ndarray, np.ndarray]:
    model = exact_model(engine, name, "tokenize").model
    places, (rows, columns) = model.places, model.grids[-1]
    height, width = model.image_shape[1] // rows, model.image_shape[2] // columns
    y, x = (rows // 2) * height, (columns // 2) * width
    parts = [
        detokenize(engine, name, np.repeat(part[:, None], places, 1))[:, y : y + height, x : x + width]
        for part in np.array_split(np.arange(model.vocabulary), max(1, model.vocabulary // SHEET))
    ]
    usage = model.quantizers()[-1].usage.float().cpu().numpy()
    return np.concatenate(parts), usage / max(usage.sum(), 1e-12)


def write(
    engine: Engine, name: str, seed: int, tokens: np.ndarray | None = None, known: np.ndarray | None = None,
    **controls: Any,
) -> Iterator[TokenStep]:  # fmt: skip
    """Steps of a prior that writes a picture, around the tokens (places,) that are `known`, booleans (places,)."""
    loaded = exact_model(engine, name, "write")
    values = check_controls(sampling_method(loaded.system), controls)
    noise = Noise([seed], engine.device)
    given = None if tokens is None else torch.as_tensor(np.asarray(tokens, np.int64)[None], device=engine.device)
    mask = None if known is None else torch.as_tensor(np.asarray(known, bool), device=engine.device)
    steps = loaded.model.write(noise, given, mask, **values)

    @torch.no_grad()
    def work() -> TokenStep | None:
        if (step := next(steps, None)) is None:
            return None
        likely, top = step.probabilities[0].topk(min(TOP, loaded.model.vocabulary), -1)
        own = step.probabilities[0].gather(1, step.tokens[0, step.places[0], None])[:, 0]
        image = to_uint8(loaded.model.images_of(step, None))[0]
        entropy = step.entropy[0] / np.log(2)
        arrays = (step.tokens[0], step.known[0], step.places[0], top, likely, entropy, own)
        numbers, filled, places, *others = (part.cpu().numpy() for part in arrays)
        return TokenStep(numbers, filled, image, places, *others)

    while (step := engine.turn(work)) is not None:
        yield step
