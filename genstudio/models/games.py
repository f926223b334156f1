"""GANs of small networks on handwritten digits, which differ in their game, or in the guidelines of the DCGAN.

Networks, images and the number of real images shown to the critic are the same for all games.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from torch import Tensor, nn

from genstudio.controls import Text
from genstudio.layers.resampling import ConvPooled, UpsampledConv
from genstudio.models.gan import GAN, init_weights
from genstudio.objectives import adversarial
from genstudio.objectives.adversarial import Rules, energy_game, pull_away
from genstudio.system import Recipe, system

LATENT_DIM = 32
DIGIT = (1, 28, 28)


class Guidelines(NamedTuple):
    """The guidelines of Radford et al. 2015 (arXiv:1511.06434), section 3."""

    strided: bool = True  # strided convolutions; else average pooling, and upsampling by nearest neighbours
    normalized: bool = True  # batch norm in generator and critic
    convolutional: bool = True  # no hidden dense layers
    rectified: bool = True  # ReLU in the generator, leaky ReLU in the critic; else tanh


class SmallGAN(GAN):
    """A DCGAN of two levels. The critic has no batch norm: a gradient penalty is one of each image alone.

    guidelines: those of the DCGAN that its generator and, but for batch norm, its critic follow.
    critic_norm: batch norm in the critic.
    """

    def __init__(
        self,
        rules: Rules = Rules(),
        guidelines: Guidelines = Guidelines(),
        critic_norm: bool = False,
        widths: tuple[int, int] = (64, 32),
    ):
        super().__init__(DIGIT, LATENT_DIM, rules)
        self.generator = generator(guidelines, widths)
        self.critic = critic(guidelines._replace(normalized=critic_norm), widths)


class DenseGAN(GAN):
    """The first GAN: dense layers alone (Goodfellow et al. 2014, arXiv:1406.2661)."""

    def __init__(self, rules: Rules = Rules(), width: int = 256):
        super().__init__(DIGIT, LATENT_DIM, rules)
        pixels = DIGIT[0] * DIGIT[1] * DIGIT[2]
        self.generator = nn.Sequential(
            nn.Linear(LATENT_DIM, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2),
            nn.Linear(width, pixels), nn.Tanh(), nn.Unflatten(1, DIGIT),
        )  # fmt: skip
        self.critic = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )  # fmt: skip


class EBGAN(GAN):
    """Energy-based GAN (Zhao et al. 2017, arXiv:1609.03126): the critic is an auto-encoder, the energy of an image its
    mean squared error.

    margin: energy up to which the critic raises that of samples.
    pull: weight of the generator's pull-away term, against samples with like codes.
    critic_widths: of the auto-encoder, whose decoder makes it twice the work of another critic.
    """

    def __init__(
        self,
        margin: float = 1.0,
        pull: float = 0.1,
        code: int = 32,
        widths: tuple[int, int] = (64, 32),
        critic_widths: tuple[int, int] = (32, 16),
    ):
        super().__init__(DIGIT, LATENT_DIM, Rules(energy_game(margin)))
        self.pull = pull
        self.generator = generator(Guidelines(), widths)
        self.critic = AutoencoderCritic(code, critic_widths)

    def generator_terms(self, real: Tensor, z: Tensor, fake: Tensor) -> dict[str, Tensor]:
        terms = super().generator_terms(real, z, fake)
        return terms | {"pull-away": self.pull * pull_away(self.critic.encode(fake).float())}


class AutoencoderCritic(nn.Module):
    """Energies (n, 1) of images: squared error of their reconstruction, by pixel."""

    def __init__(self, code: int, widths: tuple[int, int]):
        super().__init__()
        head = nn.Conv2d(widths[0], code, DIGIT[1] // 4)
        self.encode = nn.Sequential(*body(Guidelines(), widths), init_weights(head), nn.Flatten())
        self.decode = generator(Guidelines(), widths, code)

    def forward(self, images: Tensor) -> Tensor:
        return (self.decode(self.encode(images)) - images).float().square().flatten(1).mean(1, keepdim=True)


# Networks -------------------------------------------------------------------------------------------------------


def generator(guidelines: Guidelines, widths: tuple[int, int], latent_dim: int = LATENT_DIM) -> nn.Sequential:
    """Latents (n, latent_dim) -> images (n, 1, 28, 28) in [-1, 1]."""
    a, b = widths
    lowest = DIGIT[1] // 4
    if guidelines.convolutional:
        layers = [nn.Unflatten(1, (latent_dim, 1, 1)), nn.ConvTranspose2d(latent_dim, a, lowest)]
    else:
        dense = nn.Linear(latent_dim, latent_dim), activation(guidelines, nn.ReLU)
        layers = [*dense, nn.Linear(latent_dim, a * lowest**2), nn.Unflatten(1, (a, lowest, lowest))]
    for channels, after in ((a, b), (b, DIGIT[0])):
        layers += [*norm(guidelines, channels), activation(guidelines, nn.ReLU)]
        if guidelines.strided:
            layers.append(nn.ConvTranspose2d(channels, after, 4, 2, 1))
        else:
            layers.append(UpsampledConv(channels, after))
    return nn.Sequential(*map(init_weights, layers), nn.Tanh())


def critic(guidelines: Guidelines, widths: tuple[int, int]) -> nn.Sequential:
    """Images (n, 1, 28, 28) -> outputs (n, 1)."""
    lowest = DIGIT[1] // 4
    if guidelines.convolutional:
        head = [init_weights(nn.Conv2d(widths[0], 1, lowest)), nn.Flatten()]
    else:
        hidden = [nn.Linear(widths[0] * lowest**2, LATENT_DIM), activation(guidelines, leaky)]
        head = [nn.Flatten(), *hidden, nn.Linear(LATENT_DIM, 1)]
    return nn.Sequential(*body(guidelines, widths), *head)


def body(guidelines: Guidelines, widths: tuple[int, int]) -> list[nn.Module]:
    """Images (n, 1, 28, 28) -> features (n, widths[0], 7, 7)."""
    layers: list[nn.Module] = []
    for before, channels in ((DIGIT[0], widths[1]), (widths[1], widths[0])):
        if guidelines.strided:
            layers.append(nn.Conv2d(before, channels, 4, 2, 1))
        else:
            layers.append(ConvPooled(before, channels))
        layers += [*(norm(guidelines, channels) if layers[1:] else ()), activation(guidelines, leaky)]
    return [init_weights(layer) for layer in layers]


def norm(guidelines: Guidelines, channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels)] if guidelines.normalized else []


def activation(guidelines: Guidelines, rectifier: Callable[[], nn.Module]) -> nn.Module:
    return rectifier() if guidelines.rectified else nn.Tanh()


def leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


# Systems --------------------------------------------------------------------------------------------------------

SHOWN = 1_600_000  # real images that each critic sees
GAMES = Recipe(images=SHOWN, batch=64, rate=2e-4, betas=(0.5, 0.999), cosine=False, ema=0.999)
FIVE = 5  # critic steps for each of the generator, each on 64 images of its own


@system(
    title=Text("Minimax GAN · handwritten digits · 28 px", "GAN minimax · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=GAMES,
)
def minimax_mnist() -> SmallGAN:
    """The generator minimizes log(1 - D): no gradient where the critic is sure."""
    return SmallGAN(Rules(adversarial.MINIMAX))


@system(
    title=Text("Non-saturating GAN · handwritten digits · 28 px", "GAN non saturant · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=GAMES,
)
def nonsaturating_mnist() -> SmallGAN:
    """The generator maximizes log D: the same fixed point as minimax, with a gradient from the first step."""
    return SmallGAN(Rules(adversarial.LOGISTIC))


@system(
    title=Text(
        "Least-squares GAN · handwritten digits · 28 px", "GAN des moindres carrés · chiffres manuscrits · 28 px"
    ),
    data="mnist",
    recipe=GAMES,
)
def lsgan_mnist() -> SmallGAN:
    """Squared distances to the labels 1 and 0 in place of log-likelihoods."""
    return SmallGAN(Rules(adversarial.LEAST_SQUARES))


@system(
    title=Text("EBGAN · handwritten digits · 28 px", "EBGAN · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=GAMES,
)
def ebgan_mnist() -> EBGAN:
    """The critic is an auto-encoder, and its squared error the energy of an image."""
    return EBGAN(margin=0.2)


@system(
    title=Text("f-GAN of KL · handwritten digits · 28 px", "f-GAN de KL · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=GAMES,
)
def fgan_mnist() -> SmallGAN:
    """The critic estimates the KL divergence of data from samples."""
    return SmallGAN(Rules(adversarial.KL))


@system(
    title=Text("WGAN with clipping · handwritten digits · 28 px", "WGAN à poids bornés · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=replace(GAMES, batch=FIVE * 64, rate=1e-4, optimizer="rmsprop"),
)
def wgan_mnist() -> SmallGAN:
    """The critic estimates the Wasserstein-1 distance; its weights are clipped to 0.01 in absolute value."""
    return SmallGAN(Rules(adversarial.WASSERSTEIN, critic_steps=FIVE, clip=0.01))


@system(
    title=Text("WGAN-GP · handwritten digits · 28 px", "WGAN-GP · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=replace(GAMES, batch=FIVE * 64, betas=(0.5, 0.9)),
)
def wgan_gp_mnist() -> SmallGAN:
    """The Wasserstein game with a penalty on the critic's gradient in place of clipping."""
    return SmallGAN(Rules(adversarial.WASSERSTEIN, critic_steps=FIVE, penalty=10.0))


@system(
    title=Text("Dense GAN · handwritten digits · 28 px", "GAN dense · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=GAMES,
)
def gan_mnist() -> DenseGAN:
    """Generator and critic of dense layers, as in the first GAN."""
    return DenseGAN()


@system(
    title=Text(
        "GAN without guidelines · handwritten digits · 28 px", "GAN sans recommandations · chiffres manuscrits · 28 px"
    ),
    data="mnist",
    recipe=GAMES,
)
def dcgan_plain_mnist() -> SmallGAN:
    """Pooling, dense layers and tanh, without batch norm: none of the guidelines of the DCGAN."""
    return SmallGAN(guidelines=Guidelines(False, False, False, False))


# The guidelines of the DCGAN, one left out at a time, in the non-saturating game: `nonsaturating_mnist` follows all.

GUIDELINES = {
    "dcgan_pooling_mnist": Text("Pooling and upsampling", "Sous-échantillonnage moyen et agrandissement"),
    "dcgan_unnormalized_mnist": Text("No batch norm", "Sans normalisation par lot"),
    "dcgan_hidden_mnist": Text("Hidden dense layers", "Couches cachées denses"),
    "dcgan_tanh_mnist": Text("Hyperbolic tangent", "Tangente hyperbolique"),
}
ABLATION = replace(GAMES, images=SHOWN // 2)


def ablation(name: str) -> dict[str, Any]:
    """Facts of a system that leaves a guideline out."""
    title = GUIDELINES[name]
    return dict(
        title=Text(f"DCGAN · {title.en.lower()} · 28 px", f"DCGAN · {title.fr.lower()} · 28 px"),
        data="mnist",
        recipe=ABLATION,
    )


@system(**ablation("dcgan_pooling_mnist"))
def dcgan_pooling_mnist() -> SmallGAN:
    """Average pooling and upsampling by nearest neighbours in place of strided convolutions."""
    return SmallGAN(guidelines=Guidelines(strided=False))


@system(**ablation("dcgan_unnormalized_mnist"))
def dcgan_unnormalized_mnist() -> SmallGAN:
    """A generator without batch norm."""
    return SmallGAN(guidelines=Guidelines(normalized=False))


@system(**ablation("dcgan_hidden_mnist"))
def dcgan_hidden_mnist() -> SmallGAN:
    """A hidden dense layer in generator and critic."""
    return SmallGAN(guidelines=Guidelines(convolutional=False))


@system(**ablation("dcgan_tanh_mnist"))
def dcgan_tanh_mnist() -> SmallGAN:
    """Hyperbolic tangents in place of rectifiers."""
    return SmallGAN(guidelines=Guidelines(rectified=False))
