"""Projection (GAN inversion) of a picture on a loaded model: into its latent space, or into W+ of a style-based one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from genstudio.engine.arrays import to_half
from genstudio.engine.loaded import LoadedModel
from genstudio.latent import projection
from genstudio.latent.projection import Projection
from genstudio.model import Noise


def search_latents(loaded: LoadedModel, target: Tensor) -> Iterator[Projection]:
    """Search for the latent (d,) whose image is nearest to the target (1, c, h, w)."""
    return _search(loaded, target, loaded.model.latents, loaded.model.decode)


def search_styles(loaded: LoadedModel, target: Tensor) -> Iterator[Projection]:
    """Search in W+, a style per layer: latents are w (layers * d,)."""
    model = loaded.model
    centre = model.centre().float()  # the search variable is the difference from the mean style

    def draw(noise: Noise) -> Tensor:
        return (model.styles(noise) - centre).flatten(1)

    def decode(latents: Tensor) -> Tensor:
        return model.synthesize(latents.unflatten(1, (model.layers, -1)) + centre)

    for guess in _search(loaded, target, draw, decode):
        w = guess.code.unflatten(0, (model.layers, -1)) + centre.cpu()
        yield guess._replace(code=to_half(w.flatten()).float())


def _search(
    loaded: LoadedModel, target: Tensor, draw: Callable[[Noise], Tensor], decode: Callable[[Tensor], Tensor]
) -> Iterator[Projection]:
    """Projection with latents in the half precision of a recipe."""

    def decoded(latents: Tensor) -> Tensor:
        with loaded.precision.autocast():
            return decode(latents)

    candidates = draw(Noise(range(projection.SEARCH), loaded.device)).float()
    for guess in projection.project(decoded, candidates, target):
        yield guess._replace(code=to_half(guess.code).float().cpu())
