"""VAEs with a flow: z0 ~ N(mean, variance) of the encoder is moved on by maps that the encoder parametrizes.

Rezende and Mohamed 2015 (planar, arXiv:1505.05770); van den Berg et al. 2018 (Sylvester, arXiv:1803.05649), with their
gated convolutions at a given width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import glu, log_softmax

from genstudio.controls import Text, Truncation
from genstudio.layers.flow import LEVELS, in_float32
from genstudio.layers.posterior_flow import Kind, PosteriorFlow
from genstudio.model import Batch, Model, Noise, Progress
from genstudio.objectives.likelihood import bernoulli, standard_normal
from genstudio.system import Recipe, system

GAIN = 16.0  # of the first weights of 256 logits: those of a narrow Gaussian reach hundreds


class Gated(nn.Module):
    """conv(x) * sigmoid(gate(x)), van den Oord et al. 2016 (arXiv:1606.05328), without their tanh."""

    def __init__(self, conv: type[nn.Module], inputs: int, outputs: int, *args: int | tuple[int, int]):
        super().__init__()
        self.conv = conv(inputs, 2 * outputs, *args)

    def forward(self, x: Tensor) -> Tensor:
        return glu(self.conv(x), dim=1)


class FlowVAE(Model):
    """VAE with a flow between the encoder's Gaussian and the decoder. Latents are those after the flow.

    flow: the kind of its maps; "none" for a plain VAE with the same networks.
    likelihood: "bernoulli" of binary pixels, drawn anew in each step; "levels", a softmax of each pixel over 256.
    width: channels of the first layers, 32 in the paper. hidden: features that parametrize the posterior, there 256.
    flows: maps in a row. vectors: orthonormal columns, or reflections.
    kl_warmup: images over which the weight of the KL term rises from 0 to 1.
    """

    bound = True
    float32 = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        flow: Kind = "none",
        likelihood: Literal["bernoulli", "levels"] = "bernoulli",
        latent_dim: int = 32,
        width: int = 16,
        hidden: int = 128,
        flows: int = 4,
        vectors: int = 8,
        kl_warmup: int = 0,
    ):
        super().__init__()
        if image_shape[1] % 4 or image_shape[2] % 4:
            _, height, columns = image_shape
            raise ValueError(f"the sides of a picture must be multiples of 4, not {height} and {columns}")
        self.image_shape, self.latent_dim, self.kl_warmup = image_shape, latent_dim, kl_warmup
        self.likelihood_of = "binary" if likelihood == "bernoulli" else "grey levels"
        self.encoder = encoder(image_shape, width, hidden)
        self.posterior = nn.Linear(hidden, 2 * latent_dim)
        self.flow = None if flow == "none" else PosteriorFlow(flow, latent_dim, hidden, flows, vectors)
        self.decoder = decoder(image_shape, width, latent_dim)
        self.pixels = nn.Linear(width, image_shape[0] * (LEVELS if likelihood == "levels" else 1))
        if likelihood == "levels":
            smooth_start(self.pixels.weight)

    # verbs

    def latents(self, noise: Noise) -> Tensor:
        return noise.normal(self.latent_dim)

    def encode(self, images: Tensor) -> Tensor:
        """The mean of the Gaussian, moved on by the flow."""
        h, mean, _ = self.gaussian(images)
        return self.moved(mean[:, None], h)[0][:, 0]

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        """The mean of each pixel."""
        logits = self.logits(latents * truncation)
        if self.likelihood_of == "binary":
            return torch.tanh(logits[..., 0] / 2)
        grid = torch.linspace(-1, 1, LEVELS).to(logits)
        return (logits.softmax(-1) * grid).sum(-1)

    # likelihood

    def gaussian(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features h, and mean and log variance of z0, in float32."""
        h = self.encoder(images).flatten(1)
        mean, log_variance = self.posterior(h).float().chunk(2, dim=1)
        return h, mean, log_variance.clamp(-12, 4)

    def moved(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Latents z0 (n, s, d) after the flow, and the log-determinants (n, s)."""
        if self.flow is None:
            return z, z.new_zeros(z.shape[:2])
        with in_float32(z):
            return self.flow(z, h)

    def logits(self, latents: Tensor) -> Tensor:
        """(n, c, h, w, values) of latents (n, d), in float32: those of 256 levels reach hundreds."""
        features = self.decoder(latents[..., None, None])
        with in_float32(features):
            logits = self.pixels(features.float().movedim(1, -1))  # (n, h, w, c values)
        return logits.unflatten(3, (self.image_shape[0], -1)).movedim(3, 1)

    def log_likelihood(self, images: Tensor, latents: Tensor) -> Tensor:
        """log p(x | z) (n,)."""
        logits = self.logits(latents)
        if self.likelihood_of == "binary":
            return bernoulli(logits[..., 0], (images + 1) / 2)
        values = ((images + 1) * 127.5).round().long()
        return log_softmax(logits, -1).gather(-1, values[..., None]).flatten(1).sum(1)

    def terms(self, images: Tensor, samples: int = 1) -> tuple[Tensor, Tensor]:
        """log p(x | z), and log q(z | x) - log p(z): both (n, samples), of z ~ q(z | x)."""
        h, mean, log_variance = self.gaussian(images)
        noise = torch.randn(len(mean), samples, self.latent_dim).to(mean)
        start = mean[:, None] + torch.exp(0.5 * log_variance[:, None]) * noise
        z, log_det = self.moved(start, h)
        log_q = standard_normal(noise) - 0.5 * log_variance.sum(1, keepdim=True) - log_det
        repeated = images.repeat_interleave(samples, 0)
        return self.log_likelihood(repeated, z.flatten(0, 1)).unflatten(0, (-1, samples)), log_q - standard_normal(z)

    def log_weights(self, images: Tensor, samples: int) -> Tensor:
        """log p(x, z) - log q(z | x) (n, samples), of z ~ q(z | x): importance weights, whose mean is p(x)."""
        likelihood, kl = self.terms(images, samples)
        return likelihood - kl

    def nats(self, images: Tensor) -> Tensor:
        """The negative ELBO (n,), by one sample of the latents, and of the binary pixels if they are grey."""
        return -self.log_weights(self.observed(images), 1).squeeze(1)

    def observed(self, images: Tensor) -> Tensor:
        """Pixels as the likelihood has them: of grey ones a binary sample."""
        return torch.bernoulli((images + 1) / 2) * 2 - 1 if self.likelihood_of == "binary" else images

    # training

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        likelihood, kl = (values.mean() for values in self.terms(self.observed(batch.images)))
        weight = min(1.0, progress.images / self.kl_warmup) if self.kl_warmup else 1.0
        nats = (kl - likelihood).detach()
        bits = {} if self.likelihood_of == "binary" else {"bits per dimension": nats / self.bits}
        yield "model", {"reconstruction": -likelihood, "kl": weight * kl, "negative ELBO": nats} | bits

    @property
    def bits(self) -> float:
        """Nats of a picture with one bit per dimension."""
        return math.prod(self.image_shape) * math.log(2)


def encoder(image_shape: tuple[int, int, int], width: int, hidden: int) -> nn.Sequential:
    """(n, c, h, w) -> (n, hidden, 1, 1), the paper's five gated convolutions of 5x5 and one over all that is left."""
    channels, height, columns = image_shape
    return nn.Sequential(
        Gated(nn.Conv2d, channels, width, 5, 1, 2),
        Gated(nn.Conv2d, width, width, 5, 2, 2),
        Gated(nn.Conv2d, width, 2 * width, 5, 1, 2),
        Gated(nn.Conv2d, 2 * width, 2 * width, 5, 2, 2),
        Gated(nn.Conv2d, 2 * width, 2 * width, 5, 1, 2),
        Gated(nn.Conv2d, 2 * width, hidden, (height // 4, columns // 4)),
    )


def decoder(image_shape: tuple[int, int, int], width: int, latent_dim: int) -> nn.Sequential:
    """(n, latent_dim, 1, 1) -> (n, width, h, w), the mirror image of `encoder`."""
    _, height, columns = image_shape
    return nn.Sequential(
        Gated(nn.ConvTranspose2d, latent_dim, 2 * width, (height // 4, columns // 4)),
        Gated(nn.ConvTranspose2d, 2 * width, 2 * width, 5, 1, 2),
        Gated(nn.ConvTranspose2d, 2 * width, width, 5, 2, 2, 1),
        Gated(nn.ConvTranspose2d, width, width, 5, 1, 2),
        Gated(nn.ConvTranspose2d, width, width, 5, 2, 2, 1),
        Gated(nn.ConvTranspose2d, width, width, 5, 1, 2),
    )


@torch.no_grad()
def smooth_start(weight: Tensor) -> None:
    """Chebyshev polynomials of the level as the initial weights (levels, width) of its softmax.

    Levels that lie together begin alike: two of the polynomials make a discretized Gaussian.
    """
    with torch.device("cpu"):
        angle = torch.linspace(-1, 1, LEVELS).acos()
        columns = [GAIN * torch.cos((k + 1) * angle) for k in range(weight.shape[1])]
        start = torch.stack(columns, 1).tile(len(weight) // LEVELS, 1)
    weight.copy_(start)


# Systems --------------------------------------------------------------------------------------------------------

FREY = Recipe(images=700_000, batch=50, rate=1.5e-3, warmup=2_500, ema=0.999, clip=200.0)
MNIST = Recipe(images=900_000, batch=64, rate=1e-3, warmup=10_000, ema=0.999, clip=200.0)
FACE = Text("one man’s face · 28 px", "le visage d’un homme · 28 px")
DIGITS = Text("digits · 28 px", "chiffres · 28 px")
ORTHOGONAL = Text("Orthogonal Sylvester flow", "Flot de Sylvester orthogonal")
HOUSEHOLDER = Text("Householder Sylvester flow", "Flot de Sylvester à réflexions")
TRIANGULAR = Text("Triangular Sylvester flow", "Flot de Sylvester triangulaire")


def titled(name: Text, data: Text) -> Text:
    return Text(f"{name.en} · {data.en}", f"{name.fr} · {data.fr}")


def frey(flow: Kind) -> FlowVAE:
    """A softmax over 256 levels, and the KL term warmed up over 100 epochs of 1 565 images."""
    return FlowVAE((1, 28, 20), flow, "levels", kl_warmup=156_500)


def mnist(flow: Kind) -> FlowVAE:
    return FlowVAE((1, 28, 28), flow, "bernoulli", kl_warmup=100_000)


@system(title=titled(Text("VAE without a flow", "VAE sans flot"), FACE), data="freyfaces", recipe=FREY)
def noflow_frey() -> FlowVAE:
    """The VAE of the Sylvester flows without a flow, to see what a flow adds."""
    return frey("none")


@system(title=titled(Text("VAE with a planar flow", "VAE à flot planaire"), FACE), data="freyfaces", recipe=FREY)
def planar_frey() -> FlowVAE:
    """Four planar maps after the encoder of the Sylvester flows."""
    return frey("planar")


@system(title=titled(ORTHOGONAL, FACE), data="freyfaces", recipe=FREY)
def sylvester_orthogonal_frey() -> FlowVAE:
    """Four Sylvester maps of rank 8, whose columns of Q an iteration makes orthonormal."""
    return frey("orthogonal")


@system(title=titled(HOUSEHOLDER, FACE), data="freyfaces", recipe=FREY)
def sylvester_householder_frey() -> FlowVAE:
    """Four Sylvester maps of full rank, whose Q are products of eight reflections."""
    return frey("householder")


@system(title=titled(TRIANGULAR, FACE), data="freyfaces", recipe=FREY)
def sylvester_triangular_frey() -> FlowVAE:
    """Four Sylvester maps of full rank, whose Q keep or reverse the order of the latents by turns."""
    return frey("triangular")


@system(title=titled(ORTHOGONAL, DIGITS), data="mnist", recipe=MNIST)
def sylvester_orthogonal_mnist() -> FlowVAE:
    """Four Sylvester maps of rank 8, for binary digits."""
    return mnist("orthogonal")


@system(title=titled(HOUSEHOLDER, DIGITS), data="mnist", recipe=MNIST)
def sylvester_householder_mnist() -> FlowVAE:
    """Four Sylvester maps with eight reflections each, for binary digits."""
    return mnist("householder")


@system(title=titled(TRIANGULAR, DIGITS), data="mnist", recipe=MNIST)
def sylvester_triangular_mnist() -> FlowVAE:
    """Four Sylvester maps with triangular matrices alone, for binary digits."""
    return mnist("triangular")
