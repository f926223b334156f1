"""Models of points in the plane, for the lab: small networks, on points as images of shape (2, 1, 1).

No list shows these systems, and no checkpoint is made of them. `configure` has the settings that may change while a
model trains; those of a builder are its structure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from genstudio.controls import Choice, Slider, Text, Truncation
from genstudio.model import Batch, Model, Progress
from genstudio.models.gan import GAN
from genstudio.models.vae import VAE
from genstudio.objectives import adversarial
from genstudio.objectives.adversarial import Game, Rules, energy_game, pull_away
from genstudio.system import Recipe, system

POINT = (2, 1, 1)
LATENT_DIM = 2
GAMES: dict[str, tuple[Game, Text]] = {
    "minimax": (adversarial.MINIMAX, Text("Minimax", "Minimax")),
    "nonsaturating": (adversarial.LOGISTIC, Text("Non-saturating", "Non saturant")),
    "least_squares": (adversarial.LEAST_SQUARES, Text("Least squares", "Moindres carrés")),
    "wasserstein": (adversarial.WASSERSTEIN, Text("Wasserstein", "Wasserstein")),
    "hinge": (adversarial.HINGE, Text("Hinge", "Charnière")),
    "kl": (adversarial.KL, Text("f-GAN, KL", "f-GAN, KL")),
    "error": (adversarial.ERROR, Text("Linear: error rate of D", "Linéaire : taux d’erreur de D")),
}
SMOOTHING = (0.7, 0.9)  # bounds of the target of real points, Salimans et al. 2016 (arXiv:1606.03498)
NO_YES = (Text("No", "Non"), Text("Yes", "Oui"))


# Controls of the rules ------------------------------------------------------------------------------------------

GameChoice = Annotated[
    str,
    Choice(
        tuple(GAMES),
        titles=tuple(title for _, title in GAMES.values()),
        title=Text("Game", "Jeu"),
        hint=Text("The losses of both players.", "Les pertes des deux joueurs."),
    ),
]
Smoothing = Annotated[
    str,
    Choice(
        ("no", "yes"),
        titles=NO_YES,
        title=Text("Smoothed labels", "Étiquettes lissées"),
        hint=Text(
            "Target of real points: U(0.7, 0.9) in place of 1. Logistic and least-squares games alone.",
            "Cible des vrais points : U(0,7 ; 0,9) au lieu de 1. Jeux logistiques et moindres carrés seuls.",
        ),
    ),
]
CriticSteps = Annotated[
    int,
    Slider(
        1, 5, 1,
        title=Text("Steps of D for each of G", "Pas de D pour un pas de G"),
        hint=Text("More make D nearly optimal.", "Plus il y en a, plus D est proche de l’optimum."),
    ),
]  # fmt: skip
StepBatches = Annotated[
    str,
    Choice(
        ("fresh", "same"),
        titles=(Text("Parts of the batch", "Parts du lot"), Text("The whole batch again", "Le lot entier, encore")),
        title=Text("Each step of D sees", "Chaque pas de D voit"),
        hint=Text("Only of two steps or more.", "À partir de deux pas."),
    ),
]
Halves = Annotated[
    str,
    Choice(
        ("apart", "mixed"),
        titles=(Text("Apart", "Séparés"), Text("Mixed", "Mêlés")),
        title=Text("Real and generated points", "Points réels et générés"),
        hint=Text("In one batch or two: batch norm alone sees it.", "En un lot ou deux : seul batch norm le voit."),
    ),
]
LatentChoice = Annotated[
    str,
    Choice(
        ("normal", "uniform"),
        titles=(Text("Normal", "Normale"), Text("Uniform", "Uniforme")),
        title=Text("Latents z", "Latents z"),
        hint=Text("Their distribution, of variance 1.", "Leur loi, de variance 1."),
    ),
]
Penalty = Annotated[
    float,
    Slider(
        0.0, 10.0, 0.1,
        title=Text("Gradient penalty", "Pénalité de gradient"),
        hint=Text("Weight of (|∇D| - 1)², as in WGAN-GP.", "Poids de (|∇D| - 1)², comme dans WGAN-GP."),
    ),
]  # fmt: skip
Clip = Annotated[
    float,
    Slider(
        0.0, 1.0, 0.01,
        title=Text("Clipped weights of D", "Poids bornés de D"),
        hint=Text("Largest absolute value, as in WGAN; 0: none.", "Plus grande valeur absolue (WGAN) ; 0 : aucune."),
    ),
]  # fmt: skip
Diversity = Annotated[
    float,
    Slider(
        0.0, 2.0, 0.05,
        title=Text("Diversity penalty", "Pénalité de diversité"),
        hint=Text("Weight of the mode-seeking loss of G.", "Poids de la perte « mode seeking » de G."),
    ),
]  # fmt: skip
Unroll = Annotated[
    int,
    Slider(
        0, 10, 1,
        title=Text("Unrolled steps of D", "Pas déroulés de D"),
        hint=Text("G looks that many steps of D ahead.", "G anticipe autant de pas de D."),
    ),
]  # fmt: skip
UnrollRate = Annotated[
    float,
    Slider(
        0.01, 1.0, 0.01,
        title=Text("Rate of unrolled steps", "Pas d’apprentissage déroulé"),
        hint=Text("Of gradient descent, in the steps ahead.", "De la descente de gradient, dans les pas anticipés."),
    ),
]  # fmt: skip
Norm = Annotated[
    str,
    Choice(
        ("no", "yes"),
        titles=NO_YES,
        title=Text("Batch norm in D", "Batch norm dans D"),
        hint=Text("Another network: training starts anew.", "Un autre réseau : l’entraînement recommence."),
    ),
]
Margin = Annotated[
    float,
    Slider(
        0.05, 2.0, 0.05,
        title=Text("Margin m", "Marge m"),
        hint=Text("D raises the energy of generated points up to it.", "D élève jusque-là l’énergie des générés."),
    ),
]  # fmt: skip
Pull = Annotated[
    float,
    Slider(
        0.0, 1.0, 0.05,
        title=Text("Pull-away", "Pull-away"),
        hint=Text("Weight of G’s loss against like codes.", "Poids de la perte de G contre des codes semblables."),
    ),
]  # fmt: skip
Beta = Annotated[
    float,
    Slider(
        0.0, 4.0, 0.05,
        title=Text("Weight of the KL divergence", "Poids de la divergence KL"),
        hint=Text("1 is the bound on the likelihood.", "1 : la borne de la vraisemblance."),
    ),
]  # fmt: skip


# Models ---------------------------------------------------------------------------------------------------------


class PointGAN(GAN):
    """A GAN of dense networks."""

    def __init__(self, norm: bool = False):
        super().__init__(POINT, LATENT_DIM)
        self.generator = nn.Sequential(dense(LATENT_DIM, 2), nn.Unflatten(1, POINT))
        self.critic = nn.Sequential(nn.Flatten(), dense(2, 1, norm))

    def configure(
        self, *, game: GameChoice = "nonsaturating", smoothing: Smoothing = "no", critic_steps: CriticSteps = 1,
        batches: StepBatches = "fresh", halves: Halves = "apart", latent: LatentChoice = "normal",
        penalty: Penalty = 0.0, clip: Clip = 0.0, diversity: Diversity = 0.0, unroll: Unroll = 0,
        unroll_rate: UnrollRate = 0.3,
    ) -> None:  # fmt: skip
        self.game = GAMES[game][0]
        self.rules = Rules(
            self.game,
            smoothing=SMOOTHING if smoothing == "yes" and self.game.smooths else None,
            critic_steps=critic_steps,
            fresh=batches == "fresh",
            mixed=halves == "mixed",
            latent=latent,
            penalty=penalty,
            clip=clip,
            diversity=diversity,
            unroll=unroll,
            unroll_rate=unroll_rate,
        )

    def landscape(self, images: Tensor) -> Tensor:
        """The critic's outputs (n,), as probabilities where the game has them."""
        return (self.game.probability or nn.Identity())(self.verdict(images)).flatten()

    def forces(self, images: Tensor) -> Tensor:
        """Negative gradients (n, 2) of the generator's loss with respect to each point."""
        points = images.detach().requires_grad_()
        loss = self.game.generator(self.verdict(points)) * len(points)  # a mean over points
        return -torch.autograd.grad(loss, points)[0].flatten(1)


class PointEBGAN(PointGAN):
    """Energy-based GAN: the critic is an auto-encoder, the energy of a point its squared error."""

    def __init__(self) -> None:
        super().__init__()
        self.critic = Energy()
        self.configure()

    def configure(self, *, margin: Margin = 0.5, pull: Pull = 0.0) -> None:
        self.game, self.pull = energy_game(margin), pull
        self.rules = Rules(self.game)

    def generator_terms(self, real: Tensor, z: Tensor, fake: Tensor) -> dict[str, Tensor]:
        terms = super().generator_terms(real, z, fake)
        return terms | ({"pull-away": self.pull * pull_away(self.critic.encode(fake))} if self.pull else {})


class Energy(nn.Module):
    """Energies (n, 1) of points: squared error of their reconstruction from one number."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Flatten(), dense(2, 8))
        self.decode = nn.Sequential(nn.Linear(8, 1), dense(1, 2), nn.Unflatten(1, POINT))

    def forward(self, images: Tensor) -> Tensor:
        return (self.decode(self.encode(images)) - images).square().flatten(1).sum(1, keepdim=True)


class PointVAE(VAE):
    """A VAE of dense networks."""

    def __init__(self) -> None:
        super().__init__(POINT, LATENT_DIM, dense=1)
        self.encoder = nn.Sequential(nn.Flatten(), dense(2, 2 * LATENT_DIM))
        self.decoder = nn.Sequential(dense(LATENT_DIM, 2), nn.Unflatten(1, POINT))
        self.configure()

    def configure(self, *, beta: Beta = 1.0) -> None:
        self.beta = beta

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        for player, terms in super().losses(batch, progress):
            yield player, terms | {"kl": self.beta * terms["kl"]}

    def _mean(self, output: Tensor) -> Tensor:
        """The decoder's output itself: points are real numbers, which no tanh has to bound."""
        return output

    def landscape(self, images: Tensor) -> Tensor:
        """Squared errors (n,) of the reconstructions."""
        return (self.decode(self.encode(images)) - images).square().flatten(1).sum(1)


class PointAutoencoder(Model):
    """An auto-encoder whose code is one number: a curve through the data, and no distribution."""

    def __init__(self) -> None:
        super().__init__()
        self.image_shape, self.latent_dim = POINT, 1
        self.encoder = nn.Sequential(nn.Flatten(), dense(2, 1))
        self.decoder = nn.Sequential(dense(1, 2), nn.Unflatten(1, POINT))

    def configure(self) -> None:
        pass

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        return self.decoder(latents * truncation)

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        output = self.decode(self.encode(batch.images))
        yield "model", {"squared error": (output - batch.images).square().mean()}

    landscape = PointVAE.landscape


def dense(inputs: int, outputs: int, norm: bool = False, hidden: int = 64) -> nn.Sequential:
    """Dense network of two hidden layers, the second with batch norm if `norm`."""
    second = [nn.Linear(hidden, hidden), *([nn.BatchNorm1d(hidden)] if norm else [])]
    first = [nn.Linear(inputs, hidden), nn.LeakyReLU(0.2)]
    return nn.Sequential(*first, *second, nn.LeakyReLU(0.2), nn.Linear(hidden, outputs))


# Systems --------------------------------------------------------------------------------------------------------

# Training goes on until the visitor leaves. A momentum of 0.5 as in the DCGAN, and a short memory for large rates.
LAB = Recipe(images=10**12, batch=128, rate=1e-3, optimizer="adam", betas=(0.5, 0.9), cosine=False, ema=0.0)
GAMING = replace(LAB, rates={"critic": 1e-3, "generator": 1e-3})


@system(title=Text("GAN", "GAN"), data="points", recipe=GAMING, listed=False)
def points_gan(norm: Norm = "no") -> PointGAN:
    """A generator against a critic, by the rules of the panel."""
    return PointGAN(norm == "yes")


@system(title=Text("EBGAN", "EBGAN"), data="points", recipe=GAMING, listed=False)
def points_ebgan() -> PointEBGAN:
    """A critic that is an auto-encoder."""
    return PointEBGAN()


@system(title=Text("VAE", "VAE"), data="points", recipe=LAB, listed=False)
def points_vae() -> PointVAE:
    """A decoder of Gaussian latents."""
    return PointVAE()


@system(title=Text("Auto-encoder", "Auto-encodeur"), data="points", recipe=LAB, listed=False)
def points_autoencoder() -> PointAutoencoder:
    """A curve through the data."""
    return PointAutoencoder()
