"""Generative adversarial networks: a generator against a critic (discriminator).

Goodfellow et al. 2014 (arXiv:1406.2661); Radford et al. 2015 (arXiv:1511.06434) for the networks; Mirza and Osindero
2014 (arXiv:1411.1784) for classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from genstudio.controls import ANY, Blend, Label, Text, Towards, Truncation
from genstudio.model import Batch, Frame, Model, Noise, Progress, drop_labels, labels_for
from genstudio.objectives.adversarial import (
    LOGISTIC,
    Critic,
    Rules,
    clip_weights,
    gradient_penalty,
    mode_seeking,
    to_unit_variance,
    unrolled,
)
from genstudio.system import Recipe, system


class GAN(Model):
    """Base of the unconditional GANs. A subclass builds `generator` and `critic`.

    latent_dim: dimension of z.
    rules: the game, and how it is played.
    """

    generator: nn.Module
    critic: nn.Module

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, rules: Rules = Rules()):
        super().__init__()
        self.image_shape, self.latent_dim, self.rules, self.game = image_shape, latent_dim, rules, rules.game

    # verbs

    def latents(self, noise: Noise) -> Tensor:
        if self.rules.latent == "uniform":
            return to_unit_variance(noise.uniform(self.latent_dim))
        return noise.normal(self.latent_dim)

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        return self.generator(latents * truncation)

    # training

    def players(self) -> dict[str, nn.Module]:
        return {"critic": self.critic, "generator": self.generator}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        rules = self.rules
        for part in self.parts(batch):
            z = rules.latents(len(part), self.latent_dim, part.images.device)
            fake = self.decode(z)
            yield "critic", self.critic_terms(part.images, fake.detach())
            if rules.clip:
                clip_weights(self.critic, rules.clip)
        yield "generator", self.generator_terms(part.images, z, fake)

    def parts(self, batch: Batch) -> list[Batch]:
        """The batch of each critic step."""
        steps = self.rules.critic_steps
        return batch.split(min(steps, len(batch))) if self.rules.fresh else [batch] * steps

    def critic_terms(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        rules = self.rules
        on_real, on_fake = rules.outputs(self.verdict, real, fake)
        terms = {"critic": rules.critic_loss(on_real, on_fake)}
        if rules.penalty:
            terms["gradient penalty"] = rules.penalty * gradient_penalty(self.verdict, real, fake)
        return terms | self.game.watch(real=on_real, fake=on_fake)

    def generator_terms(self, real: Tensor, z: Tensor, fake: Tensor) -> dict[str, Tensor]:
        rules = self.rules

        def critic_loss(critic: Critic) -> Tensor:
            return rules.critic_loss(*(x.float() for x in rules.outputs(critic, real, fake)))

        ahead = unrolled(self.critic, critic_loss, rules.unroll, rules.unroll_rate) if rules.unroll else self.verdict
        on_fake = ahead(fake).float()
        terms = {"generator": self.game.generator(on_fake)}
        if rules.diversity:
            terms["diversity"] = rules.diversity * mode_seeking(z, fake)
        return terms | self.game.watch(fake_after=on_fake)

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Outputs (n, 1) of the critic, which has no use for labels."""
        return self.critic(self.augment(images)).float()


class DCGAN(GAN):
    """Deep convolutional GAN, by the paper's guidelines: strided convolutions in place of pooling, batch norm in both
    networks, no hidden dense layers, ReLU and tanh in the generator, leaky ReLU in the critic.

    widths: channels of the generator from the lowest resolution up; each level doubles it. The critic mirrors it.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int = 100,
        widths: tuple[int, ...] = (512, 256, 128, 64),
        rules: Rules = Rules(),
    ):
        super().__init__(image_shape, latent_dim, rules)
        self.generator = generator_of(image_shape, latent_dim, widths)
        self.critic = nn.Sequential(*critic_body(image_shape, widths), *critic_head(image_shape, widths))

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        return self.generator((latents * truncation)[:, :, None, None])


class CGAN(Model):
    """Conditional GAN (Mirza and Osindero 2014, arXiv:1411.1784) on the networks of the DCGAN.

    Latents are z of N(0, I) concatenated with a class embedding, so that they interpolate between classes.

    critic: conditioning of the critic. "concatenated": one more channel of the image, as in the paper; "projection":
        inner product with the features (Miyato and Koyama 2018, arXiv:1802.05637, equation 3).
    """

    game = LOGISTIC

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        classes: int,
        latent_dim: int = 64,
        embedding: int = 32,
        widths: tuple[int, ...] = (128, 64),
        critic: Literal["concatenated", "projection"] = "concatenated",
    ):
        super().__init__()
        self.image_shape, self.latent_dim, self.classes = image_shape, latent_dim, classes
        self.generator = nn.ModuleDict({
            "class_embedding": nn.Embedding(classes + 1, embedding),  # the last is that of no class
            "body": generator_of(image_shape, latent_dim + embedding, widths),
        })  # fmt: skip
        self.critic = (Concatenated if critic == "concatenated" else Projection)(image_shape, classes, widths)

    # verbs

    def latents(self, noise: Noise) -> Tensor:
        z = noise.normal(self.latent_dim)  # before the label is drawn: a seed has the same z whatever the label
        return torch.cat([z, self.generator["class_embedding"](labels_for(self, noise, ANY))], 1)

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        """Truncation scales z, and leaves the class embedding as it is."""
        z, embedded = latents.split([self.latent_dim, latents.shape[1] - self.latent_dim], 1)
        return self.generator["body"](torch.cat([z * truncation, embedded], 1)[:, :, None, None])

    def sample(
        self,
        noise: Noise,
        *,
        truncation: Truncation = 1.0,
        label: Label = ANY,
        towards: Towards = ANY,
        blend: Blend = 0.0,
    ) -> Iterator[Frame]:
        z, embed = noise.normal(self.latent_dim), self.generator["class_embedding"]
        embedded = embed(labels_for(self, noise, label))
        if blend:
            embedded = torch.lerp(embedded, embed(labels_for(self, noise, towards)), blend)
        yield Frame(self.decode(torch.cat([z.to(embedded.dtype), embedded], 1), truncation=truncation))

    # training

    def players(self) -> dict[str, nn.Module]:
        return {"critic": self.critic, "generator": self.generator}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        labels = drop_labels(self, batch)
        z = torch.randn(len(batch), self.latent_dim, device=labels.device)
        fake = self.decode(torch.cat([z, self.generator["class_embedding"](labels)], 1))
        on_real, on_fake = self.verdict(batch.images, labels), self.verdict(fake.detach(), labels)
        yield "critic", {"critic": self.game.critic(on_real, on_fake)} | self.game.watch(real=on_real, fake=on_fake)

        on_fake = self.verdict(fake, labels)
        yield "generator", {"generator": self.game.generator(on_fake)} | self.game.watch(fake_after=on_fake)

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (n, 1) of the critic, by default without a class."""
        none = torch.full((len(images),), self.classes, device=images.device)
        return self.critic(self.augment(images), none if labels is None else labels).float()


# Networks -------------------------------------------------------------------------------------------------------


def generator_of(image_shape: tuple[int, int, int], latent_dim: int, widths: Sequence[int]) -> nn.Sequential:
    """(n, latent_dim, 1, 1) -> images (n, c, h, w) in [-1, 1]."""
    layers: list[nn.Module] = [
        nn.ConvTranspose2d(latent_dim, widths[0], image_shape[1] >> len(widths), 1, 0, bias=False)
    ]
    for a, b in zip(widths, widths[1:]):
        layers += [nn.BatchNorm2d(a), nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU()]
    layers += [nn.ConvTranspose2d(widths[-1], image_shape[0], 4, 2, 1), nn.Tanh()]
    return nn.Sequential(*map(init_weights, layers))


def critic_body(image_shape: tuple[int, int, int], widths: Sequence[int], extra: int = 0) -> list[nn.Module]:
    """Images with `extra` channels -> features (n, widths[0], h, w)."""
    layers: list[nn.Module] = [nn.Conv2d(image_shape[0] + extra, widths[-1], 4, 2, 1), nn.LeakyReLU(0.2)]
    for a, b in zip(widths[::-1], widths[-2::-1]):
        layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
    return [init_weights(layer) for layer in layers]


def critic_head(image_shape: tuple[int, int, int], widths: Sequence[int]) -> list[nn.Module]:
    """Features (n, widths[0], h, w) -> logits (n, 1)."""
    return [init_weights(nn.Conv2d(widths[0], 1, image_shape[1] >> len(widths), 1, 0)), nn.Flatten()]


def init_weights(module: nn.Module) -> nn.Module:
    """Initialize the weights from N(0, 0.02), as in the DCGAN paper's section 4, and return the module."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    return module


class Concatenated(nn.Module):
    """Critic with the class as one more channel of the image."""

    def __init__(self, image_shape: tuple[int, int, int], classes: int, widths: Sequence[int]):
        super().__init__()
        self.class_embedding = nn.Embedding(classes + 1, image_shape[1] * image_shape[2])
        self.layers = nn.Sequential(*critic_body(image_shape, widths, extra=1), *critic_head(image_shape, widths))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        channel = self.class_embedding(labels).unflatten(1, images.shape[2:])[:, None]
        return self.layers(torch.cat([images, channel.to(images.dtype)], 1))


class Projection(nn.Module):
    """Projection discriminator: the logit is psi(phi) + v' phi, with phi the features and v the class embedding."""

    def __init__(self, image_shape: tuple[int, int, int], classes: int, widths: Sequence[int]):
        super().__init__()
        self.body = nn.Sequential(*critic_body(image_shape, widths))
        self.class_embedding, self.head = nn.Embedding(classes + 1, widths[0]), nn.Linear(widths[0], 1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        phi = self.body(images).sum((2, 3))
        return self.head(phi) + (self.class_embedding(labels) * phi).sum(1, keepdim=True)


# Systems --------------------------------------------------------------------------------------------------------

FACES = Recipe(images=640_000, batch=64, rate=2e-4, betas=(0.5, 0.999), cosine=False, ema=0.999)


@system(
    title=Text("DCGAN · cartoon faces · 64 px", "DCGAN · visages dessinés · 64 px"),
    data="avatars",
    recipe=FACES,
)
def dcgan_avatars() -> DCGAN:
    """A DCGAN on cartoon faces in eight drawing styles."""
    return DCGAN((3, 64, 64), widths=(512, 256, 128, 64))


@system(
    title=Text("Conditional GAN · handwritten digits · 28 px", "GAN conditionnel · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=600_000, batch=64, rate=2e-4, betas=(0.5, 0.999), cosine=False, ema=0.999),
)
def cgan_mnist() -> CGAN:
    """A class-conditional GAN of digits."""
    return CGAN((1, 28, 28), classes=10)


@system(
    title=Text("DCGAN · small photographs · 32 px", "DCGAN · petites photographies · 32 px"),
    data="cifar10",
    recipe=Recipe(images=1_500_000, batch=64, rate=2e-4, betas=(0.5, 0.999), cosine=False, flip=True, ema=0.999),
)
def dcgan_cifar10() -> DCGAN:
    """A DCGAN on the photographs of CIFAR-10, to compare with a BigGAN."""
    return DCGAN((3, 32, 32), widths=(256, 128, 64))


@system(
    title=Text("A DCGAN", "Un DCGAN"),
    data="avatars",
    recipe=FACES,
)
def dcgan(
    channels: int = 3, side: int = 64, latent_dim: int = 100, widths: tuple[int, ...] = (256, 128, 64, 32)
) -> DCGAN:
    """A DCGAN of any size."""
    return DCGAN((channels, side, side), latent_dim, widths)
