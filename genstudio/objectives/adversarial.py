"""Adversarial games of a generator and a critic (discriminator): pairs of losses on the critic's outputs, and the rules
by which they are played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import normalize, relu, softplus

Critic = Callable[[Tensor], Tensor]


class Game(NamedTuple):
    """The losses of both sides, of the critic's outputs on real and on fake images."""

    critic: Callable[..., Tensor]  # (real, fake), and a target of real images where the game `smooths`
    generator: Callable[[Tensor], Tensor]  # (fake)
    probability: Callable[[Tensor], Tensor] | None = torch.sigmoid  # of real, read from an output; None: it has none
    smooths: bool = False  # the critic's loss takes another target than 1 for real images

    def watch(self, **outputs: Tensor) -> dict[str, Tensor]:
        """Means to log beside the losses: of D as a probability, 1/2 at the equilibrium, else of the outputs."""
        if self.probability is None:
            return {f"critic({name})": x.detach().mean() for name, x in outputs.items()}
        return {f"D({name})": self.probability(x.detach()).mean() for name, x in outputs.items()}


# Logistic games: D = sigmoid(x),  -log D = softplus(-x)  and  -log(1 - D) = softplus(x)


def critic_logistic(real: Tensor, fake: Tensor, target: float | Tensor = 1.0) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))), Goodfellow et al. 2014 (arXiv:1406.2661), equation 1.

    target: of real images, below 1 for one-sided label smoothing (Salimans et al. 2016, arXiv:1606.03498, section 3.4):
        the optimal D never exceeds its mean.
    """
    return (target * softplus(-real) + (1 - target) * softplus(real)).mean() + softplus(fake).mean()


def generator_minimax(fake: Tensor) -> Tensor:
    """E log(1 - D(G(z))), Goodfellow et al. 2014, equation 1: without lower bound, and flat where the critic is sure.

    To maximize -E log(1 - D(G(z))), as some pseudocode has it, is the same.
    """
    return -softplus(fake).mean()


def generator_non_saturating(fake: Tensor) -> Tensor:
    """-E log D(G(z)), Goodfellow et al. 2014, section 3: the fixed point of the minimax game, without its vanishing
    gradient."""
    return softplus(-fake).mean()


# Games of other outputs


def critic_least_squares(real: Tensor, fake: Tensor, target: float | Tensor = 1.0) -> Tensor:
    """E (D(x) - 1)^2 / 2 + E D(G(z))^2 / 2, Mao et al. 2017 (arXiv:1611.04076), equation 9."""
    return 0.5 * ((real - target).square().mean() + fake.square().mean())


def generator_least_squares(fake: Tensor) -> Tensor:
    """E (D(G(z)) - 1)^2 / 2: pulls fakes towards the decision boundary, from the real side of it too."""
    return 0.5 * (fake - 1).square().mean()


def critic_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))), Lim and Ye 2017 (arXiv:1705.02894): no gradient beyond the margin."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def critic_wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """E f(G(z)) - E f(x), Arjovsky et al. 2017 (arXiv:1701.07875), equation 2, for f of Lipschitz constant 1: the
    negative Wasserstein-1 distance, where f is optimal."""
    return fake.mean() - real.mean()


def generator_linear(fake: Tensor) -> Tensor:
    """-E f(G(z)): of the Wasserstein and of the hinge game."""
    return -fake.mean()


def critic_kl(real: Tensor, fake: Tensor) -> Tensor:
    """E exp(T(G(z)) - 1) - E T(x), the f-GAN of Nowozin et al. 2016 (arXiv:1606.00709), equation 4 and table 6: the
    negative KL divergence of data from model, where T = 1 + log p / q."""
    return torch.exp(fake - 1).mean() - real.mean()


def generator_kl(fake: Tensor) -> Tensor:
    """-E T(G(z)), Nowozin et al. 2016, section 3.2: the fixed point of -E exp(T(G(z)) - 1), without its flat part."""
    return -fake.mean()


def critic_error(real: Tensor, fake: Tensor) -> Tensor:
    """(E [1 - D(x)] + E D(G(z))) / 2 with D = sigmoid(x): the error rate of the critic, (1 - TV) / 2 at its least."""
    return 0.5 * (torch.sigmoid(-real).mean() + torch.sigmoid(fake).mean())


def generator_error(fake: Tensor) -> Tensor:
    """-E D(G(z)) / 2: the generator makes the critic err."""
    return -0.5 * torch.sigmoid(fake).mean()


def energy_game(margin: float) -> Game:
    """The game of an EBGAN, Zhao et al. 2017 (arXiv:1609.03126), equations 1 and 2, of energies of at least 0: the
    critic gives data low energy and samples an energy up to `margin`, and the generator lowers that."""

    def critic(real: Tensor, fake: Tensor) -> Tensor:
        return real.mean() + relu(margin - fake).mean()

    return Game(critic, Tensor.mean, probability=None)


def _clamped(output: Tensor) -> Tensor:
    return output.clamp(0, 1)


def _density_ratio(output: Tensor) -> Tensor:
    """p / (p + q) where the output is 1 + log p / q."""
    return torch.sigmoid(output - 1)


LOGISTIC = Game(critic_logistic, generator_non_saturating, smooths=True)
MINIMAX = Game(critic_logistic, generator_minimax, smooths=True)
LEAST_SQUARES = Game(critic_least_squares, generator_least_squares, _clamped, smooths=True)
HINGE = Game(critic_hinge, generator_linear, probability=None)
WASSERSTEIN = Game(critic_wasserstein, generator_linear, probability=None)
KL = Game(critic_kl, generator_kl, _density_ratio)
ERROR = Game(critic_error, generator_error)


# Rules ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rules:
    """A game, and what may be changed in the way it is played.

    smoothing: bounds of the uniform target of real images (one-sided label smoothing), such as (0.7, 0.9).
    critic_steps: of the critic for each of the generator.
    fresh: each of these on a part of the batch of its own, as in WGAN; else all on the whole batch.
    mixed: real and fake images go through the critic in one batch, which batch norm sees as one.
    latent: distribution of z, of variance 1 in both cases.
    penalty: weight of the gradient penalty (WGAN-GP).
    clip: bound of the critic's weights (WGAN).
    diversity: weight of the mode-seeking loss.
    unroll: critic steps that the generator looks ahead, at the rate `unroll_rate`.
    """

    game: Game = LOGISTIC
    smoothing: tuple[float, float] | None = None
    critic_steps: int = 1
    fresh: bool = True
    mixed: bool = False
    latent: Literal["normal", "uniform"] = "normal"
    penalty: float = 0.0
    clip: float = 0.0
    diversity: float = 0.0
    unroll: int = 0
    unroll_rate: float = 0.1

    def __post_init__(self) -> None:
        if self.smoothing and not self.game.smooths:
            raise ValueError("this game has no labels to smooth")

    def latents(self, n: int, latent_dim: int, device: torch.device) -> Tensor:
        if self.latent == "uniform":
            return to_unit_variance(torch.rand(n, latent_dim, device=device))
        return torch.randn(n, latent_dim, device=device)

    def outputs(self, critic: Critic, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the critic on real and on fake images, in two batches or, mixed, in one."""
        if not self.mixed:
            return critic(real), critic(fake)
        return critic(torch.cat([real, fake])).split([len(real), len(fake)])

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of the game, of the critic's outputs."""
        if not self.smoothing:
            return self.game.critic(real, fake)
        low, high = self.smoothing
        return self.game.critic(real, fake, low + (high - low) * torch.rand_like(real))


def to_unit_variance(uniform: Tensor) -> Tensor:
    """Samples of U(0, 1) as ones of the uniform distribution of mean 0 and variance 1."""
    return (2 * uniform - 1) * 3**0.5


def clip_weights(critic: nn.Module, bound: float) -> None:
    """Clip all weights to [-bound, bound], Arjovsky et al. 2017, algorithm 1."""
    with torch.no_grad():
        for weight in critic.parameters():
            weight.clamp_(-bound, bound)


def unrolled(critic: nn.Module, loss: Callable[[Critic], Tensor], steps: int, rate: float) -> Critic:
    """The critic after `steps` steps of gradient descent on its loss, through which gradients flow: Metz et al. 2017
    (arXiv:1611.02163), equations 6 to 8. Its own weights stay as they are."""
    weights = dict(critic.named_parameters())

    def ahead(images: Tensor) -> Tensor:
        return functional_call(critic, weights, (images,))

    for _ in range(steps):
        gradients = torch.autograd.grad(loss(ahead), tuple(weights.values()), create_graph=True)
        weights = {name: w - rate * g for (name, w), g in zip(weights.items(), gradients, strict=True)}
    return ahead


# Regularizers ---------------------------------------------------------------------------------------------------


def r1(real: Tensor, images: Tensor) -> Tensor:
    """E |grad D(x)|^2 on real images with logits `real`, Mescheder et al. 2018 (arXiv:1801.04406), equation 9, without
    gamma / 2. A critic that is flat at real images makes the equilibrium stable."""
    [gradient] = torch.autograd.grad(real.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """E (|grad f(x)| - 1)^2 at random points between real and fake images, Gulrajani et al. 2017 (arXiv:1704.00028),
    equation 3, without lambda."""
    share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    points = torch.lerp(fake.detach().to(real.dtype), real, share).requires_grad_()
    [gradient] = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def mode_seeking(latents: Tensor, images: Tensor) -> Tensor:
    """E |z1 - z2| / |G(z1) - G(z2)|, with mean absolute differences of the two halves of a batch, Mao et al. 2019
    (arXiv:1903.05628), equation 2: large where different latents give the same image."""
    half = len(images) // 2
    apart = (images[:half] - images[half : 2 * half]).abs().flatten(1).mean(1)
    return ((latents[:half] - latents[half : 2 * half]).abs().mean(1) / (apart + 1e-5)).mean()


def pull_away(codes: Tensor) -> Tensor:
    """Mean squared cosine between the codes (n, d) of different images, Zhao et al. 2017, equation 4."""
    units, n = normalize(codes, dim=1), len(codes)
    return ((units @ units.T).square().sum() - n) / (n * (n - 1))


def path_lengths(images: Tensor, w: Tensor) -> Tensor:
    """|J' y| (n,) for images (n, c, h, w) of styles w (n, layers, d) and random images y, Karras et al. 2020
    (arXiv:1912.04958), equation 4. Where all are equal, a step in w changes the image by a fixed amount."""
    y = torch.randn_like(images) / (images.shape[2] * images.shape[3]) ** 0.5
    [gradient] = torch.autograd.grad((images * y).sum(), w, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()
