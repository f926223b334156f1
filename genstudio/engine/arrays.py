"""Arrays that the engine's verbs take, checked against the model and as tensors, and arrays that they give.

Each mistake is a ValueError in one sentence.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genstudio.controls import Refusal
from genstudio.engine.loaded import LoadedModel, find_verb
from genstudio.images import MAX_PIXELS, from_uint8, to_tensor
from genstudio.model import to_device


def check_latents(loaded: LoadedModel, latents: np.ndarray) -> Tensor:
    """Latents (n, d) of the model, on the CPU."""
    latents = np.asarray(latents, np.float32)
    if latents.ndim != 2 or not np.isfinite(latents).all():
        raise Refusal(
            "codes must be finite numbers, one row for each picture",
            "les codes sont des nombres finis, une ligne par image",
        )
    if (due := loaded.latent_dim) not in (None, latents.shape[1]):
        given = latents.shape[1]
        raise Refusal(
            f"a code of {loaded.name} has {due} numbers, not {given}: it belongs to another model",
            f"un code de {loaded.name} a {due} nombres, et non {given} : il est d’un autre modèle",
        )
    return torch.from_numpy(latents)


def check_styles(loaded: LoadedModel, w: np.ndarray) -> Tensor:
    """Styles w (n, layers, d) of the model, on the CPU."""
    find_verb(loaded.system, "styles")
    w, shape = np.asarray(w, np.float32), (loaded.model.layers, loaded.model.latent_dim)
    if w.shape[1:] != shape:
        layers, numbers = shape
        raise Refusal(
            f"styles of {loaded.name} are {layers} layers of {numbers} numbers, not {w.shape[1:]}: these are another model's",
            f"les styles de {loaded.name} sont {layers} couches de {numbers} nombres, et non {w.shape[1:]} : ils sont d’un autre "
            "modèle",
        )
    if not np.isfinite(w).all():
        raise Refusal("styles must be finite numbers", "les styles sont des nombres finis")
    return torch.from_numpy(w)


def check_noised(loaded: LoadedModel, x: np.ndarray, time: int, count: int) -> Tensor:
    """x_t (n, c, h, w) of a diffusion model at `time`, one for each of `count` seeds, on the device."""
    x, shape, steps = np.asarray(x, np.float32), loaded.model.image_shape, loaded.model.schedule.steps
    if x.shape != (count, *shape) or not np.isfinite(x).all():
        raise ValueError(f"{loaded.name} goes on from {count} noised pictures of {shape}, not from {x.shape}")
    if not 0 <= time < steps:
        raise ValueError(f"time must lie between 0 and {steps - 1}, not {time}")
    return to_device(torch.from_numpy(x), loaded.device)


def check_known(
    loaded: LoadedModel, picture: Image.Image | None, mask: np.ndarray | None, count: int
) -> tuple[Tensor | None, Tensor | None]:
    """A picture and a mask, booleans (h, w), as tensors on the device, repeated for `count` seeds."""
    shape, known = loaded.model.image_shape, None
    if picture is not None:
        known = to_tensor([picture], shape).to(loaded.device).expand(count, -1, -1, -1)
    if mask is not None:
        if np.shape(mask) != shape[1:]:
            raise ValueError(f"a mask for {loaded.name} has {shape[1:]} pixels, not {np.shape(mask)}")
        mask = torch.from_numpy(np.asarray(mask, np.float32)).to(loaded.device).expand(count, 1, -1, -1)
    return known, mask


def part_of(tensor: Tensor | None, part: slice) -> Tensor | None:
    return None if tensor is None else tensor[part]


def check_images(loaded: LoadedModel, images: np.ndarray) -> Tensor:
    """Pictures to translate, uint8 (n, h, w, 3) -> bytes (n, 3, h, w) on the CPU; label pictures in exactly the colours
    of the model's palette."""
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not images.size:
        raise ValueError("pictures to translate are bytes (n, height, width, 3)")
    if images.shape[1] * images.shape[2] * loaded.model.scale**2 > MAX_PIXELS:
        raise Refusal(
            f"the result would have more than {MAX_PIXELS // 10**6} million pixels",
            f"le résultat aurait plus de {MAX_PIXELS // 10**6} millions de pixels",
        )
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2)
    if palette := loaded.model.source_palette:
        pictures = (127.5 * (palette.adopt(from_uint8(pictures)) + 1)).round().byte()
    return pictures


def to_half(latents: Tensor) -> Tensor:
    """Latents in the half precision of a recipe, so that the image shown is the one that the recipe reproduces."""
    return latents.clamp(-60000, 60000).half()


def to_halves(latents: Tensor) -> np.ndarray:
    return to_numbers(to_half(latents))


def to_numbers(result: Tensor) -> np.ndarray:
    return result.float().cpu().numpy()
