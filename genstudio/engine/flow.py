"""Passage of a picture through a flow, layer by layer: from its levels to latents, and back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from genstudio.controls import Text
from genstudio.engine.engine import Engine
from genstudio.images import from_uint8, to_uint8
from genstudio.model import to_device
from genstudio.models.flow import Flow

START = Text("Latents z", "Latents z")
OUTLIERS = 0.005  # share of numbers beyond black and white where a layer's output is shown, on each side


class Passage(NamedTuple):
    """A picture's latents, and the terms of log p(x) in nats.

    log_dets: log |det| of each layer, from the picture to the latents.
    difference: of the picture decoded again, in levels of 256, the largest of a pixel.
    """

    code: np.ndarray  # float32 (d,)
    log_prior: float
    log_dets: list[tuple[Text, float]]
    rebuilt: np.ndarray  # uint8 (h, w, c)
    difference: float

    @property
    def log_density(self) -> float:
        return self.log_prior + sum(value for _, value in self.log_dets)


class Stage(NamedTuple):
    """Output of a layer on the way from latents to a picture."""

    title: Text
    image: np.ndarray  # uint8 (h, w, c), scaled to be seen


def is_flow(model: type) -> bool:
    return issubclass(model, Flow)


def passage(engine: Engine, name: str, picture: np.ndarray) -> Passage:
    """Passage of a picture uint8 (h, w, c)."""
    model, images = engine.hold(name).model, tensor(engine, picture[None])

    @torch.no_grad()
    def work() -> Passage:
        steps = model.passage(images)
        code = steps[-1].state.flatten(1)
        back = model.decode(code)
        log_dets = [(step.title, float(step.log_det[0])) for step in steps]
        difference = 127.5 * float((back - images).abs().max())
        return Passage(code[0].cpu().numpy(), float(model.log_prior(code)[0]), log_dets, to_uint8(back)[0], difference)

    return engine.turn(work)


def stages(engine: Engine, name: str, latents: np.ndarray, temperature: float = 1.0) -> list[Stage]:
    """Latents (d,), and the outputs of the inverse layers, of which the last is the picture."""
    model = engine.hold(name).model
    z = to_device(torch.from_numpy(latents[None].astype(np.float32)), engine.device) * temperature

    @torch.no_grad()
    def work() -> list[Stage]:
        found = [Stage(START, visible(z.unflatten(1, model.image_shape)))]
        for layer, state in model.generation(z):
            found.append(Stage(layer.title, visible(state)))
        return [*found[:-1], found[-1]._replace(image=to_uint8(model.decode(z))[0])]

    return engine.turn(work)


def bits(engine: Engine, name: str, images: np.ndarray) -> list[float]:
    """Bits per dimension of pictures uint8 (n, h, w, c) in the middle of their levels, of 256."""
    model, x = engine.hold(name).model, tensor(engine, images)

    @torch.no_grad()
    def work() -> list[float]:
        nats = -model.log_density((x + 1) * 127.5 + 0.5)
        return (nats / (model.latent_dim * np.log(2))).tolist()

    return engine.turn(work)


def tensor(engine: Engine, images: np.ndarray) -> torch.Tensor:
    """uint8 (n, h, w, c) as floats (n, c, h, w) in [-1, 1] on the device."""
    return to_device(from_uint8(torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)), engine.device)


def visible(state: torch.Tensor) -> np.ndarray:
    """A layer's output as a picture uint8 (h, w, c), from black to white over nearly all of its range."""
    numbers = state[0].float()
    ends = torch.tensor([OUTLIERS, 1 - OUTLIERS]).to(numbers)
    low, high = torch.quantile(numbers.flatten(), ends)
    scaled = 2 * (numbers - low) / (high - low).clamp_min(1e-6) - 1
    return to_uint8(scaled.clamp(-1, 1)[None])[0]
