"""VQ-VAEs: an encoder to a small grid of tokens, numbers of codebook entries, and a decoder from them.

Van den Oord et al. 2017 (arXiv:1711.00937); Razavi et al. 2019 (arXiv:1906.00446) for two levels; Esser et al. 2021
(arXiv:2012.09841, VQGAN) for the critic of patches, where the squared error alone blurs. The priors of `prior.py` draw
tokens. Read first: `layers/quantizer.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from genstudio.controls import Refusal, Text
from genstudio.layers.conv import Residual
from genstudio.layers.image_to_image import PatchCritic
from genstudio.layers.quantizer import Quantized, VectorQuantizer
from genstudio.model import Batch, Model, Progress
from genstudio.objectives.adversarial import HINGE
from genstudio.system import Recipe, system

COMMITMENT = 0.25  # beta of the 2017 paper, section 3.2


def check_tokens(tokens: Tensor, vocabulary: int, places: int) -> Tensor:
    """Tokens (n, places) of a vocabulary. Raises ValueError with the first id out of range, or the length.

    On a graphics card an id out of range would be "device-side assert triggered", and the process lost.
    """
    if tokens.dim() != 2 or tokens.shape[1] != places:
        raise Refusal(
            f"a picture has {places} tokens here, and {tokens.shape[-1] if tokens.dim() else 0} were given",
            f"une image a ici {places} jetons, et {tokens.shape[-1] if tokens.dim() else 0} ont été donnés",
        )
    wrong = (tokens < 0) | (tokens >= vocabulary)
    if bool(wrong.any()):
        row, place = torch.nonzero(wrong)[0].tolist()
        token = int(tokens[row, place])
        raise Refusal(
            f"token {token} at place {place} is none of the codebook's: they go from 0 to {vocabulary - 1}",
            f"le jeton {token}, à la place {place}, n’est pas du dictionnaire : de 0 à {vocabulary - 1}",
        )
    return tokens


class Tokenizer(Model):
    """Base of the VQ-VAEs, whose tokens (n, places) are those of all levels, the coarsest first, each row by row.

    grids: rows and columns of each level. vocabulary: entries of each level's codebook.
    """

    grids: tuple[tuple[int, int], ...]
    vocabulary: int

    @property
    def places(self) -> int:
        """Tokens of a picture."""
        return sum(rows * columns for rows, columns in self.grids)

    def quantizers(self) -> list[VectorQuantizer]:
        """The codebook of each level."""
        raise NotImplementedError

    def quantize(self, images: Tensor) -> list[Quantized]:
        """The quantized features of each level."""
        raise NotImplementedError

    def decoded(self, vectors: list[Tensor]) -> Tensor:
        """Images of the quantized vectors (n, d, rows, columns) of each level."""
        raise NotImplementedError

    def sources(self, batch: Batch) -> Tensor:
        """Images that a sample grid shows beside their reconstructions."""
        return batch.images

    # verbs

    def tokenize(self, images: Tensor) -> Tensor:
        return torch.cat([level.tokens.flatten(1) for level in self.quantize(images)], 1)

    def detokenize(self, tokens: Tensor, known: Tensor | None = None) -> Tensor:
        """known: boolean (n, places); the other places have the mean vector of the codebook."""
        check_tokens(tokens, self.vocabulary, self.places)
        known = torch.ones_like(tokens, dtype=torch.bool) if known is None else known
        parts = zip(self.quantizers(), self.by_level(tokens), self.by_level(known), strict=True)
        return self.decoded([q.embed(level, mask) for q, level, mask in parts])

    def by_level(self, tokens: Tensor) -> list[Tensor]:
        """Grids of tokens (n, rows, columns) of each level."""
        parts = tokens.split([rows * columns for rows, columns in self.grids], 1)
        return [part.unflatten(1, grid) for part, grid in zip(parts, self.grids, strict=True)]


class VQVAE(Tokenizer):
    """VQ-VAE of one level: `widths` are the channels of each level of the networks, which halves the resolution.

    codes, dim: entries of the codebook, and their dimension.
    sharpen: last part of training in which a critic of patches joins in; 0: there is none.
    adversarial: weight of the critic's verdict.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: tuple[int, ...],
        blocks: int = 1,
        codes: int = 512,
        dim: int = 64,
        sharpen: float = 0.0,
        adversarial: float = 0.02,
        critic_widths: tuple[int, ...] = (32, 64, 128),
    ):
        super().__init__()
        channels, height, width = image_shape
        self.image_shape, self.vocabulary = image_shape, codes
        self.grids = ((height >> len(widths), width >> len(widths)),)
        self.sharpen, self.adversarial = sharpen, adversarial
        self.encoder = nn.Sequential(*down(channels, widths, blocks), nn.SiLU(), nn.Conv2d(widths[-1], dim, 1))
        self.quantizer = VectorQuantizer(codes, dim)
        self.decoder = nn.Sequential(nn.Conv2d(dim, widths[-1], 3, padding=1), *up(channels, widths, blocks))
        if sharpen:  # built last, so that the networks begin the same with and without
            self.critic = PatchCritic(channels, critic_widths, "spectral")

    def quantizers(self) -> list[VectorQuantizer]:
        return [self.quantizer]

    def quantize(self, images: Tensor) -> list[Quantized]:
        return [self.quantizer(self.encoder(images))]

    def decoded(self, vectors: list[Tensor]) -> Tensor:
        return torch.tanh(self.decoder(*vectors))

    # training

    def players(self) -> dict[str, nn.Module]:
        networks = nn.ModuleList([self.encoder, self.quantizer, self.decoder])
        return ({"critic": self.critic} if self.sharpen else {}) | {"model": networks}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        [level] = self.quantize(batch.images)
        images = self.decoded([level.vectors]).float()
        terms = reconstruction_terms(images, batch.images, [level])
        if self.sharpen and progress.images >= (1 - self.sharpen) * progress.of:
            on_real, on_fake = self.verdict(batch.images), self.verdict(images.detach())
            watched = HINGE.watch(real=on_real, fake=on_fake)
            yield "critic", {"critic": HINGE.critic(on_real, on_fake)} | watched
            terms["generator"] = self.adversarial * HINGE.generator(self.verdict(images))
        yield "model", terms

    def verdict(self, images: Tensor) -> Tensor:
        return self.critic(self.augment(images)).float()


class VQVAE2(Tokenizer):
    """VQ-VAE of two levels: a bottom grid of half the resolution twice, and a top grid of half the bottom's.

    The bottom is encoded given the decoded top, so that each level tells what the other does not.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: tuple[int, ...],
        blocks: int = 1,
        codes: int = 512,
        dim: int = 64,
    ):
        super().__init__()
        channels, height, width = image_shape
        last, levels = widths[-1], len(widths)
        self.image_shape, self.vocabulary = image_shape, codes
        self.grids = tuple((height >> halved, width >> halved) for halved in (levels + 1, levels))
        self.bottom_encoder = nn.Sequential(*down(channels, widths, blocks), nn.SiLU())
        self.top_encoder = nn.Sequential(*down(last, (last,), blocks), nn.SiLU(), nn.Conv2d(last, dim, 1))
        self.top_quantizer = VectorQuantizer(codes, dim)
        self.top_decoder = nn.Sequential(nn.Conv2d(dim, last, 3, padding=1), *up(last, (last,), blocks), nn.SiLU())
        self.join = nn.Conv2d(2 * last, dim, 1)
        self.bottom_quantizer = VectorQuantizer(codes, dim)
        self.decoder = nn.Sequential(nn.Conv2d(last + dim, last, 3, padding=1), *up(channels, widths, blocks))

    def quantizers(self) -> list[VectorQuantizer]:
        return [self.top_quantizer, self.bottom_quantizer]

    def quantize(self, images: Tensor) -> list[Quantized]:
        features = self.bottom_encoder(images)
        top = self.top_quantizer(self.top_encoder(features))
        bottom = self.bottom_quantizer(self.join(torch.cat([features, self.top_decoder(top.vectors)], 1)))
        return [top, bottom]

    def decoded(self, vectors: list[Tensor]) -> Tensor:
        top, bottom = vectors
        return torch.tanh(self.decoder(torch.cat([self.top_decoder(top), bottom], 1)))

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        levels = self.quantize(batch.images)
        images = self.decoded([level.vectors for level in levels]).float()
        yield "model", reconstruction_terms(images, batch.images, levels)


def reconstruction_terms(made: Tensor, images: Tensor, levels: list[Quantized]) -> dict[str, Tensor]:
    """Squared error over the variance of the images, equation 3 without the codebook's term, which is an average here;
    and the use of each codebook."""
    error = (made - images).square().mean()
    terms = {"reconstruction": error / images.var()}
    terms["commitment"] = COMMITMENT * sum(level.commitment for level in levels)
    terms["RMSE of [0, 1]"] = error.detach().sqrt() / 2
    for name, level in zip(("",) if len(levels) == 1 else (" of the top", " of the bottom"), levels, strict=True):
        terms[f"perplexity{name}"], terms[f"used entries{name}"] = level.perplexity, level.used
    return terms


def down(channels: int, widths: tuple[int, ...], blocks: int) -> list[nn.Module]:
    """Layers that halve the resolution once for each width."""
    layers: list[nn.Module] = []
    for i, width in enumerate(widths):
        layers += [nn.SiLU()] if i else []
        layers += [nn.Conv2d(channels, width, 4, 2, 1), *(Residual(width) for _ in range(blocks))]
        channels = width
    return layers


def up(channels: int, widths: tuple[int, ...], blocks: int) -> list[nn.Module]:
    """Layers that double the resolution once for each width, the mirror image of `down`."""
    layers: list[nn.Module] = []
    for a, b in zip(reversed(widths), [*reversed(widths[:-1]), channels], strict=True):
        layers += [*(Residual(a) for _ in range(blocks)), nn.SiLU(), nn.ConvTranspose2d(a, b, 4, 2, 1)]
    return layers


@system(
    title=Text("VQ-VAE · faces of one drawing style · 64 px", "VQ-VAE · visages d’un seul style · 64 px"),
    data="faces",
    recipe=Recipe(images=300_000, batch=64, rate=1e-3, warmup=5_000, ema=0.99, clip=5.0),
)
def vqvae_faces() -> VQVAE:
    """A VQ-VAE of cartoon faces: 8 x 8 tokens, each one of 512."""
    return VQVAE((3, 64, 64), widths=(32, 64, 128))


@system(
    title=Text("VQ-VAE · small photographs · 32 px", "VQ-VAE · petites photographies · 32 px"),
    data="cifar10",
    recipe=Recipe(images=600_000, batch=64, rate=6e-4, warmup=10_000, ema=0.99, clip=1.0, flip=True),
)
def vqvae_cifar10() -> VQVAE:
    """A VQ-VAE of CIFAR-10: 8 x 8 tokens, each one of 512."""
    return VQVAE((3, 32, 32), widths=(64, 128), blocks=1)


@system(
    title=Text("VQ-VAE-2 · small photographs · 32 px", "VQ-VAE-2 · petites photographies · 32 px"),
    data="cifar10",
    recipe=Recipe(images=440_000, batch=64, rate=6e-4, warmup=10_000, ema=0.99, clip=1.0, flip=True),
)
def vqvae2_cifar10() -> VQVAE2:
    """A VQ-VAE of CIFAR-10 in two levels: 4 x 4 tokens above 8 x 8, each one of 512."""
    return VQVAE2((3, 32, 32), widths=(64, 128), blocks=1)
