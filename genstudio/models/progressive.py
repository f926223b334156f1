"""GANs of several resolutions: ProGAN grows from the lowest to the highest in training, MSG-GAN makes and judges all of
them at once.

Karras et al. 2018 (arXiv:1710.10196); Karnewar and Wang 2020 (arXiv:1903.06048). Both play the non-saturating game with
R1 here, in place of the papers' WGAN-GP and relativistic hinge: they differ in their resolutions alone.

Read first: `layers/progressive.py`, the networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from genstudio.controls import Text, Truncation
from genstudio.layers.progressive import Critic, DenseCritic, DenseGenerator, Generator, blend, level_of, pyramid
from genstudio.model import Batch, Model, Progress
from genstudio.models.games import DIGIT, GAMES, LATENT_DIM
from genstudio.models.gan import GAN
from genstudio.objectives.adversarial import r1
from genstudio.system import Recipe, system

EVERY = 16  # steps between two uses of R1, whose weight is multiplied by them (lazy regularization)


class ProGAN(GAN):
    """Progressive growing: training begins at 4x4, and each further resolution fades in over `phase` images, then
    trains for as many before the next.

    widths: channels at 4x4, 8x8, ..., in generator and critic.
    phase: images of a phase; of a run too short for all phases, an equal share of its images.
    gamma: weight of R1.
    """

    grows = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        widths: Sequence[int],
        phase: int = 60_000,
        gamma: float = 0.2,
    ):
        super().__init__(image_shape, latent_dim)
        self.phase, self.gamma, self.levels = phase, gamma, len(widths)
        self.generator = Generator(image_shape[0], latent_dim, widths)
        self.critic = Critic(image_shape[0], widths)
        self.register_buffer("stage", torch.zeros(()))  # level, and share of the next one, that training has reached

    # verbs

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        """Images in the full resolution, as far as they have grown. The stage stays on its device: every level is
        computed, and weighs 1 at its own stage and 0 from the next one on."""
        total = 0
        for level, images in enumerate(self.generator(latents * truncation)):
            weight = (1 - (self.stage - level).abs()).clamp_min(0)
            total = total + weight * interpolate(images, self.image_shape[1:])
        return total.clamp(-1, 1)

    # training

    def stage_at(self, progress: Progress) -> float:
        """Stage after so many images: phases of training and fading take turns. The highest, outside of a run.

        A stage that is reached stays: fine-tuning goes on in full resolution.
        """
        highest = self.levels - 1
        if not progress.of:
            return float(highest)
        phase = min(self.phase, progress.of / (2 * self.levels - 1))
        level, within = divmod(progress.images / phase, 2) if phase else (highest, 0)
        return min(float(highest), max(level + max(0.0, within - 1), self.stage.item()))

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        stage = self.stage_at(progress)
        self.stage.fill_(stage)
        z = self.rules.latents(len(batch), self.latent_dim, batch.images.device)
        fake = self.generator.at(z, stage)
        regularize = self.gamma > 0 and progress.step % EVERY == 0
        real = self.shrunk(batch.images, stage).requires_grad_(regularize)
        on_real, on_fake = self.output(real, stage), self.output(fake.detach(), stage)
        terms = {"critic": self.game.critic(on_real, on_fake)}
        if regularize:
            terms["r1"] = EVERY * self.gamma / 2 * r1(on_real, real)
        yield "critic", terms | self.game.watch(real=on_real, fake=on_fake) | {"stage": self.stage}

        on_fake = self.output(fake, stage)
        yield "generator", {"generator": self.game.generator(on_fake)} | self.game.watch(fake_after=on_fake)

    def shrunk(self, images: Tensor, stage: float) -> Tensor:
        """Real images in the resolution of a stage, blended with those of the level below as the generator's are."""
        level, share = level_of(stage)
        levels = pyramid(images, self.levels)
        return levels[level] if share == 1 else blend(levels[level - 1], levels[level], share)

    def output(self, images: Tensor, stage: float) -> Tensor:
        return self.critic.at(self.augment(images), stage)

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Outputs (n, 1) of the critic for images in full resolution, at the stage that it has reached."""
        stage = self.stage.item()
        return self.output(self.shrunk(images, stage), stage)


class MSGGAN(GAN):
    """Multi-scale gradients: the generator makes an image of each resolution from its features there, and the critic
    sees all of them, so that its gradient reaches each level of the generator at once.

    generator, critic: from latents to images of all levels, and from those to outputs.
    gamma: weight of R1, by the pixels of the full resolution; 0 for none.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        generator: nn.Module,
        critic: nn.Module,
        levels: int,
        gamma: float = 0.0,
    ):
        super().__init__(image_shape, latent_dim)
        self.generator, self.critic, self.levels, self.gamma = generator, critic, levels, gamma

    # verbs

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        return self.generator(latents * truncation)[-1].clamp(-1, 1)

    # training

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        z = self.rules.latents(len(batch), self.latent_dim, batch.images.device)
        fake = self.generator(z)
        regularize = self.gamma > 0 and progress.step % EVERY == 0
        real = batch.images.detach().requires_grad_(regularize)
        on_real, on_fake = self.verdict(real), self.output([images.detach() for images in fake])
        terms = {"critic": self.game.critic(on_real, on_fake)}
        if regularize:
            terms["r1"] = EVERY * self.gamma / 2 * r1(on_real, real)
        yield "critic", terms | self.game.watch(real=on_real, fake=on_fake)

        on_fake = self.output(fake)
        yield "generator", {"generator": self.game.generator(on_fake)} | self.game.watch(fake_after=on_fake)

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Outputs (n, 1) of the critic for images, with those of the lower resolutions averaged from them."""
        return self.output(pyramid(images, self.levels))

    def output(self, images: list[Tensor]) -> Tensor:
        """Outputs of the critic for images of all levels, augmented alike: enlarged, by the same random numbers, and
        shrunk again."""
        if getattr(self.augment, "__func__", None) is not Model.augment:
            seed, shape = int(torch.randint(2**31, ())), self.image_shape[1:]
            with torch.random.fork_rng():
                for level, small in enumerate(images):
                    torch.manual_seed(seed)
                    large = self.augment(interpolate(small, shape))
                    images = [*images[:level], interpolate(large, small.shape[2:], mode="area"), *images[level + 1 :]]
        return self.critic(images)


# Systems --------------------------------------------------------------------------------------------------------

FACE = (3, 32, 32)
WIDTHS = (64, 64, 32, 16)  # channels at 4x4, 8x8, 16x16, 32x32
FACES = Recipe(images=600_000, batch=32, rate=2.5e-3, betas=(0.0, 0.99), cosine=False, ema=0.999)


@system(
    title=Text("ProGAN · faces of one drawing style · 32 px", "ProGAN · visages d’un seul style · 32 px"),
    data="faces",
    recipe=replace(FACES, images=900_000),  # two fifths of them at 32 px
)
def progan_faces() -> ProGAN:
    """Faces that grow from 4x4 pixels to 32x32 in the course of training."""
    return ProGAN(FACE, 64, WIDTHS)


@system(
    title=Text("MSG-GAN · faces of one drawing style · 32 px", "MSG-GAN · visages d’un seul style · 32 px"),
    data="faces",
    recipe=FACES,
)
def msggan_faces() -> MSGGAN:
    """Faces of 4, 8, 16 and 32 pixels at once, all judged together."""
    generator = Generator(FACE[0], 64, WIDTHS)
    return MSGGAN(FACE, 64, generator, Critic(FACE[0], WIDTHS), len(WIDTHS), gamma=0.2)


LEVELS = 3  # of the digits: 7, 14 and 28 pixels


@system(
    title=Text("Dense MSG-GAN · handwritten digits · 28 px", "MSG-GAN dense · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=GAMES,
)
def msg_dense_mnist() -> MSGGAN:
    """The dense GAN of digits with multi-scale gradients: an output at 7, 14 and 28 pixels."""
    generator = DenseGenerator(DIGIT, LATENT_DIM, 256, LEVELS)
    return MSGGAN(DIGIT, LATENT_DIM, generator, DenseCritic(DIGIT, 256, LEVELS), LEVELS)
