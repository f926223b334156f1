"""BigGAN: class-conditional GANs of residual networks, with latents and class in every block.

Brock et al. 2019 (arXiv:1809.11096).

Read first: `layers/biggan.py` and `layers/biggan_deep.py`, the networks; `objectives/adversarial.py`, the hinge game.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from genstudio.controls import ANY, Blend, Label, Text, Towards, Truncation
from genstudio.layers import biggan_deep as deep
from genstudio.layers.biggan import Critic, Generator
from genstudio.model import Batch, Frame, Model, Noise, Progress, drop_labels, labels_for
from genstudio.objectives.adversarial import HINGE
from genstudio.system import Recipe, system

BOUND = 2.0  # of the truncated normal latents in sampling, times the truncation: section 3.1
GATHERED, BATCH = 2, 64  # batches of generated images for batch norm statistics, for each truncation
MAX_CRITIC_CHANNELS = 256  # of a BigGAN-deep: published weights have no critic, so it is trained from scratch
MAX_SIDE = 1024  # pixels


class BigGAN(Model):
    """BigGAN with a projection critic (discriminator).

    generator: one of `layers/biggan.py` or of `layers/biggan_deep.py`.
    critic_steps: critic steps, each on an equal part of the batch, before one step of the generator.
    """

    game = HINGE

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        classes: int,
        generator: Generator | deep.Generator,
        critic: Critic,
        critic_steps: int = 2,
    ):
        super().__init__()
        self.image_shape, self.classes, self.critic_steps = image_shape, classes, critic_steps
        self.generator, self.critic = generator, critic
        self.latent_dim = self.generator.latent_dim

    # verbs

    def latents(self, noise: Noise) -> Tensor:
        z = self._truncated(noise)  # before the label is drawn: a seed has the same z whatever the label
        return torch.cat([z, self.generator.class_embedding(labels_for(self, noise, ANY)).float()], 1)

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        """Truncation scales z, and selects the batch norm statistics that belong to it."""
        z, embedded = latents.split([self.latent_dim, latents.shape[1] - self.latent_dim], 1)
        return self.generator(z * truncation, embedded, truncation)

    def sample(
        self,
        noise: Noise,
        *,
        truncation: Truncation = 1.0,
        label: Label = ANY,
        towards: Towards = ANY,
        blend: Blend = 0.0,
    ) -> Iterator[Frame]:
        z, embed = self._truncated(noise), self.generator.class_embedding
        embedded = embed(labels_for(self, noise, label)).float()
        if blend:
            embedded = torch.lerp(embedded, embed(labels_for(self, noise, towards)).float(), blend)
        yield Frame(self.decode(torch.cat([z, embedded], 1), truncation=truncation))

    def _truncated(self, noise: Noise) -> Tensor:
        """z (n, latent_dim) of a normal distribution truncated to [-BOUND, BOUND], by the inverse of its CDF."""
        z, upper = noise.normal(self.latent_dim).double(), 0.5 * (1 + math.erf(BOUND / math.sqrt(2)))
        quantile = (1 - upper) + torch.special.ndtr(z) * (2 * upper - 1)
        return torch.special.ndtri(quantile).float()

    # training

    def players(self) -> dict[str, nn.Module]:
        return {"critic": self.critic, "generator": self.generator}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        for part in batch.split(self.critic_steps):
            labels = drop_labels(self, part)
            with torch.no_grad():
                fake = self._generate(labels)
            on_real, on_fake = self.verdict(part.images, labels), self.verdict(fake, labels)
            yield "critic", {"critic": self.game.critic(on_real, on_fake)} | self.game.watch(real=on_real, fake=on_fake)

        labels = drop_labels(self, batch)
        on_fake = self.verdict(self._generate(labels), labels)
        yield "generator", {"generator": self.game.generator(on_fake)} | self.game.watch(fake_after=on_fake)

    def _generate(self, labels: Tensor) -> Tensor:
        return self.generator(
            torch.randn(len(labels), self.latent_dim, device=labels.device), self.generator.class_embedding(labels)
        )

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (n, 1) of the critic, by default without a class."""
        none = torch.full((len(images),), self.classes, device=images.device)
        return self.critic(self.augment(images), none if labels is None else labels)

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        """Gather batch norm statistics of generated images for each truncation, with the averaged weights."""
        count = len(self.class_names) or self.classes + 1
        with self.generator.gathering() as levels:
            for truncation in levels:
                for i in range(GATHERED):
                    noise = Noise(range(i * BATCH, (i + 1) * BATCH), self.critic.output.weight.device)
                    embedded = self.generator.class_embedding(torch.arange(BATCH, device=noise.device) % count)
                    self.generator(self._truncated(noise) * truncation, embedded)


def biggan(
    image_shape: tuple[int, int, int],
    classes: int,
    widths: Sequence[int],
    chunk: int = 20,
    embedding: int = 64,
    attention_resolution: int = 16,
    down_blocks: int = 2,
) -> BigGAN:
    """The network of the paper, with a critic that has one block more than the generator.

    widths: channels of the generator at 4x4, 8x8, ...
    chunk: latent dimensions for each block.
    embedding: dimensions of the class embedding.
    attention_resolution: that of the self-attention.
    down_blocks: downsampling blocks of the critic.
    """
    generator = Generator(image_shape[0], widths, chunk, classes, embedding, attention_resolution)
    return BigGAN(image_shape, classes, generator, Critic(image_shape[0], [*widths[::-1]], down_blocks, classes))


def biggan_of_bottlenecks(
    widths: Sequence[int],
    doubles: Sequence[bool],
    latent_dim: int,
    classes: int,
    embedding: int,
    attention_position: int,
    rows: int,
) -> BigGAN:
    """BigGAN-deep: more blocks, with bottlenecks, each conditioned on all of z.

    The generator has no spectral norm: it is divided out of published weights, and fine-tuning goes without. The critic
    has it, with a block for each resolution and one more, as in `biggan`.

    The arguments are those of `layers/biggan_deep.py`. Raises ValueError for images that are too large.
    """
    if (side := 4 << sum(doubles)) > MAX_SIDE:
        raise ValueError(f"its pictures would be {side} pixels wide, and {MAX_SIDE} are the most")
    generator = deep.Generator(3, widths, doubles, latent_dim, classes, embedding, attention_position, rows)
    capped = [min(width, MAX_CRITIC_CHANNELS) for width in widths]
    halved = [width for width, doubled in zip(capped[1:], doubles, strict=True) if doubled][::-1]
    return BigGAN((3, side, side), classes, generator, Critic(3, [*halved, capped[0]], len(halved), classes))


RECIPE = Recipe(images=2_000_000, batch=64, rate=2e-4, betas=(0.0, 0.999), cosine=False, flip=True, ema=0.999)


@system(
    title=Text("BigGAN · small photographs · 32 px", "BigGAN · petites photographies · 32 px"),
    data="cifar10",
    recipe=RECIPE,
)
def biggan_cifar10(width: int = 128) -> BigGAN:
    """A small BigGAN of the ten classes of CIFAR-10."""
    return biggan((3, 32, 32), classes=10, widths=4 * (width,))


@system(
    title=Text("A BigGAN-deep", "Un BigGAN-deep"),
    data="cifar10",
    recipe=RECIPE,
)
def biggan_deep(
    widths: tuple[int, ...] = (256, 256, 256, 256, 128, 128, 64),
    doubles: tuple[int, ...] = (0, 1, 0, 1, 0, 1),
    latent_dim: int = 64,
    embedding: int = 64,
    classes: int = 10,
    attention_position: int = 5,
    rows: int = 51,
) -> BigGAN:
    """A BigGAN-deep: of the ten classes of CIFAR-10, or as large as the published ones of ImageNet."""
    return biggan_of_bottlenecks(
        widths, [bool(each) for each in doubles], latent_dim, classes, embedding, attention_position, rows
    )
