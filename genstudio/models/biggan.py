"""BigGAN: pictures of the class that is asked for, by residual networks whose every block is told it.

Brock et al. 2019 (arXiv:1809.11096).

Read before: `layers/biggan.py` and `layers/biggan_deep.py`, the networks; `objectives/adversarial.py`, the hinge game.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from genstudio.controls import ANY, Blend, Label, Text, Towards, Truncation
from genstudio.layers import biggan_deep as deep
from genstudio.layers.biggan import LEVELS, ConditionalBatchNorm, Critic, Generator
from genstudio.model import Batch, Frame, Model, Noise, kinds_of, told
from genstudio.objectives.adversarial import critic_hinge, generator_hinge, watch
from genstudio.system import Recipe, system

BOUND = 2.0  # codes that are drawn to be seen lie no farther out, times the truncation: section 3.1
GATHERED, BATCH = 2, 64  # batches that batch norm's statistics are gathered from, for each truncation
WIDEST = 256  # channels of a BigGAN-deep's critic: the published ones come without theirs, so it is begun afresh
LARGEST = 1024  # pixels


class BigGAN(Model):
    """widths: the generator's, at 4x4, 8x8, ...
    part: numbers of the code that each block reads; embedding: those of a class.
    halvings: of the critic, which has one block more than the generator.
    critic_steps: steps of the critic, each on its share of the batch, before one of the generator.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        classes: int,
        widths: Sequence[int],
        part: int = 20,
        embedding: int = 64,
        attends: int = 16,
        halvings: int = 2,
        critic_steps: int = 2,
    ):
        super().__init__()
        self.image_shape, self.classes, self.critic_steps = image_shape, classes, critic_steps
        self.generator = Generator(image_shape[0], widths, part, classes, embedding, attends)
        self.critic = Critic(image_shape[0], [*widths[::-1]], halvings, classes)
        self.codes = self.generator.codes

    # verbs

    def latents(self, noise: Noise) -> Tensor:
        z = self._drawn(noise)  # before any class is drawn: whatever is asked for, a seed has one code
        return torch.cat([z, self.generator.kinds(kinds_of(self, noise, ANY)).float()], 1)

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        """Truncation shortens the code, and batch norm takes the statistics that belong to it."""
        z, kind = latents.split([self.codes, latents.shape[1] - self.codes], 1)
        return self.generator(z * truncation, kind, truncation)

    def sample(
        self, noise: Noise, *, truncation: Truncation = 1.0, label: Label = ANY, towards: Towards = ANY, blend: Blend = 0.0
    ) -> Iterator[Frame]:
        z, kinds = self._drawn(noise), self.generator.kinds
        kind = kinds(kinds_of(self, noise, label)).float()
        if blend:
            kind = torch.lerp(kind, kinds(kinds_of(self, noise, towards)).float(), blend)
        yield Frame(self.decode(torch.cat([z, kind], 1), truncation=truncation))

    def _drawn(self, noise: Noise) -> Tensor:
        """Normal numbers, none of them beyond the bound: each is moved to where its share of the bounded ones ends."""
        z, edge = noise.normal(self.codes).double(), 0.5 * (1 + math.erf(BOUND / math.sqrt(2)))
        share = (1 - edge) + torch.special.ndtr(z) * (2 * edge - 1)
        return torch.special.ndtri(share).float()

    # training

    def players(self) -> dict[str, nn.Module]:
        return {"critic": self.critic, "generator": self.generator}

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        for part in batch.split(self.critic_steps):
            kinds = told(self, part)
            with torch.no_grad():
                fake = self._made(kinds)
            on_real, on_fake = self.verdict(part.images, kinds), self.verdict(fake, kinds)
            yield "critic", {"critic": critic_hinge(on_real, on_fake)} | watch(real=on_real, fake=on_fake)

        kinds = told(self, batch)
        on_fake = self.verdict(self._made(kinds), kinds)
        yield "generator", {"generator": generator_hinge(on_fake)} | watch(fake_after=on_fake)

    def _made(self, kinds: Tensor) -> Tensor:
        return self.generator(torch.randn(len(kinds), self.codes, device=kinds.device), self.generator.kinds(kinds))

    def verdict(self, images: Tensor, kinds: Tensor | None = None) -> Tensor:
        none = torch.full((len(images),), self.classes, device=images.device)
        return self.critic(self.augment(images), none if kinds is None else kinds)

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        """Statistics of batch norm for each truncation, of the averaged weights."""
        norms = [module for module in self.modules() if isinstance(module, ConditionalBatchNorm)]
        self._gather(norms, enumerate(LEVELS))

    def _gather(self, norms: Sequence[nn.Module], levels: Iterable[tuple[int, float]]) -> None:
        """What batch norm sees at each level: its number, and the truncation."""
        count = len(self.class_names) or self.classes + 1
        for level, truncation in levels:
            for norm in norms:
                norm.gathering, norm.gathered = level, 0
            for i in range(GATHERED):
                noise = Noise(range(i * BATCH, (i + 1) * BATCH), self.critic.exit.weight.device)
                kind = self.generator.kinds(torch.arange(BATCH, device=noise.device) % count)
                self.generator(self._drawn(noise) * truncation, kind)
        for norm in norms:
            norm.gathering = None


class BigGANDeep(BigGAN):
    """A BigGAN whose generator has more and narrower blocks, each of which reads the whole code.

    Its weights are plain: published ones come with their spectral norm divided out, and learn on without any. The
    critic has its own as before: a block for each size of the picture, and one more.

    widths, doubles, attends, rows: of `layers/biggan_deep.py`
    """

    def __init__(
        self,
        widths: Sequence[int],
        doubles: Sequence[bool],
        codes: int,
        classes: int,
        embedding: int,
        attends: int,
        rows: int,
        critic_steps: int = 2,
    ):
        Model.__init__(self)
        if (side := 4 << sum(doubles)) > LARGEST:
            raise ValueError(f"its pictures would be {side} pixels wide, and {LARGEST} are the most")
        self.image_shape, self.classes, self.critic_steps, self.codes = (3, side, side), classes, critic_steps, codes
        self.generator = deep.Generator(3, widths, doubles, codes, classes, embedding, attends, rows)
        seen = [min(width, WIDEST) for width, doubled in zip(widths[1:], doubles, strict=True) if doubled][::-1]
        self.critic = Critic(3, [*seen, min(widths[0], WIDEST)], len(seen), classes)

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        """Statistics are gathered for a few truncations: rows between them lie on a line."""
        norms = [module for module in self.modules() if isinstance(module, deep.BatchNorm)]
        last = len(norms[0].means) - 1
        rows = sorted({round(level * last) for level in LEVELS})
        self._gather(norms, [(row, row / last) for row in rows])
        for norm in norms:
            norm.interpolate_rows(rows)


RECIPE = Recipe(images=2_000_000, batch=64, rate=2e-4, betas=(0.0, 0.999), cosine=False, flip=True, ema=0.999)


@system(
    title=Text("BigGAN · small photographs · 32 px", "BigGAN · petites photographies · 32 px"),
    data="cifar10",
    recipe=RECIPE,
)
def biggan_cifar10(width: int = 128) -> BigGAN:
    """A narrow BigGAN of the ten kinds of CIFAR-10."""
    return BigGAN((3, 32, 32), classes=10, widths=4 * (width,))


@system(
    title=Text("A BigGAN-deep", "Un BigGAN-deep"),
    data="cifar10",
    recipe=RECIPE,
)
def biggan_deep(
    widths: tuple[int, ...] = (256, 256, 256, 256, 128, 128, 64),
    doubles: tuple[int, ...] = (0, 1, 0, 1, 0, 1),
    codes: int = 64,
    embedding: int = 64,
    classes: int = 10,
    attends: int = 5,
    rows: int = 51,
) -> BigGANDeep:
    """A BigGAN of many narrow blocks: of the ten kinds of CIFAR-10, or as large as the published ones of ImageNet."""
    return BigGANDeep(widths, [bool(each) for each in doubles], codes, classes, embedding, attends, rows)
