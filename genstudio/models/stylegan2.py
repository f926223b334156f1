"""StyleGAN2: GANs with a mapping network to styles, one for each layer, which can be mixed.

Karras et al. 2020 (arXiv:1912.04958); Karras et al. 2020 (arXiv:2006.06676, ADA) for classes and small sets. The first
StyleGAN, Karras et al. 2019 (arXiv:1812.04948), differs in the synthesis network.

Read first: `layers/stylegan2.py`, the networks; `objectives/adversarial.py`, the losses and regularizers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from genstudio.controls import ANY, Blend, Choice, Label, Slider, Text, Towards
from genstudio.layers.stylegan2 import AdaINSynthesis, Critic, Mapping, Synthesis
from genstudio.model import Batch, Frame, Model, Noise, Progress, drop_labels, labels_for
from genstudio.objectives.ada import AdaptiveAugmentation
from genstudio.objectives.adversarial import LOGISTIC, path_lengths, r1
from genstudio.system import Recipe, system

AVERAGED = 4096  # samples of the average styles
PATH_MEMORY = 100  # batches over which the path length is averaged

Psi = Annotated[
    float,
    Slider(
        -1.0,
        1.5,
        0.05,
        title=Text("Truncation ψ: variety or quality", "Troncature ψ : variété ou qualité"),
        hint=Text(
            "Pulls styles towards the average one. 0 is the average itself, 1 is as trained, "
            "below 0 is the opposite face.",
            "Rapproche les styles du style moyen. 0 : la moyenne ; 1 : comme appris ; "
            "en dessous de 0 : le visage opposé.",
        ),
    ),
]
Cutoff = Annotated[
    int,
    Slider(
        0,
        18,
        1,
        title=Text("Layers that are truncated", "Couches tronquées"),
        hint=Text(
            "Counted from the coarsest: the first few hold the shape, the last the colours.",
            "Comptées depuis la plus grossière : les premières tiennent la forme, les dernières les couleurs.",
        ),
        most="layers",
    ),
]
FIXED, NEW, OFF = "fixed", "new", "off"
NoiseMode = Annotated[
    str,
    Choice(
        (FIXED, NEW, OFF),
        title=Text("Fine detail", "Détail fin"),
        hint=Text(
            "The noise on each pixel: the same for all pictures, drawn anew for each seed, or none.",
            "Le bruit sur chaque pixel : le même pour toutes les images, tiré pour chaque graine, ou aucun.",
        ),
        titles=(Text("fixed", "fixe"), Text("new", "nouveau"), Text("off", "aucun")),
    ),
]


class StyleGAN2(Model):
    """StyleGAN2: a mapping network from latents to styles, a synthesis network from styles to images, and a critic.

    widths: channels of the synthesis network at 4x4, 8x8, ...; the critic (discriminator) mirrors it.
    styles: dimension of w, and of z.
    depth: layers of the mapping network.
    gamma: weight of R1. The heuristic of ADA's code is 0.0002 * side^2 / batch; its settings for faces lie at five
        times that and more. On cartoon faces of 64 px at a batch of 16 the distance was lower with 0.5 than with 0.15.
    gamma_every, path_every: lazy regularization: steps between two uses of a regularizer, whose weight is multiplied by
        them. The paper gives it a step of its own; here it is added to the loss, so that Adam's hyperparameters need no
        correction. R1 is computed in the precision of the training: in bfloat16 its gradient keeps its direction.
    path: weight of path length regularization, 2 in the paper; 0 for none.
    mixing: probability of style mixing.
    ada: target of adaptive augmentation, see `AdaptiveAugmentation`; 0 for none.
    adain: the synthesis network of the first StyleGAN.
    z_dim: dimension of z, if it differs from that of w.
    group: images in a group of the minibatch standard deviation.
    original: compute as the authors' code up to rounding, so that its weights fit.
    """

    game = LOGISTIC

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: Sequence[int],
        styles: int = 128,
        depth: int = 4,
        classes: int = 0,
        gamma: float = 0.5,
        gamma_every: int = 16,
        path: float = 0.0,
        path_every: int = 8,
        mixing: float = 0.9,
        ada: float = 0.0,
        adain: bool = False,
        z_dim: int = 0,
        group: int = 4,
        original: bool = False,
    ):
        super().__init__()
        self.image_shape, self.latent_dim, self.z_dim, self.classes = image_shape, styles, z_dim or styles, classes
        self.gamma, self.gamma_every, self.path, self.path_every = gamma, gamma_every, path, path_every
        self.mixing = mixing
        mapping = Mapping(styles, depth, classes, z_dim=z_dim)
        shape = image_shape[0], widths, styles
        synthesis = AdaINSynthesis(*shape) if adain else Synthesis(*shape, original)
        side = synthesis.sides()[-1]
        assert side == image_shape[1] == image_shape[2], f"{len(widths)} widths do not make {image_shape}"
        self.generator = nn.ModuleDict({"mapping": mapping, "synthesis": synthesis})
        self.critic = Critic(image_shape[0], widths, classes, group, original)
        self.ada = AdaptiveAugmentation(ada) if ada else None
        self.register_buffer("w_avg", torch.zeros(classes + 1, styles))  # of w by class; the last without
        self.register_buffer("path_mean", torch.zeros(()))

    # verbs

    def styles(
        self, noise: Noise, *, truncation: Psi = 1.0, cutoff: Cutoff = 18, label: Label = ANY, towards: Towards = ANY,
        blend: Blend = 0.0,
    ) -> Tensor:  # fmt: skip
        """w (n, layers, d), the same for all layers but for truncation, which is towards the average of the class.

        The average over all classes resembles none of them, and would pull an image out of its class (Dobler et al.
        2022, arXiv:2202.11777).
        """
        z = self._z(noise)
        labels = labels_for(self, noise, label)
        w, average = self.generator["mapping"](z, labels), self.w_avg[labels]
        if blend:
            end = labels_for(self, noise, towards)
            w = torch.lerp(w, self.generator["mapping"](z, end), blend)
            average = torch.lerp(average, self.w_avg[end], blend)
        return self.truncate(w[:, None].expand(-1, self.layers, -1), truncation, cutoff, average)

    def truncate(self, w: Tensor, truncation: float = 1.0, cutoff: int = 18, average: Tensor | None = None) -> Tensor:
        """Styles w (n, layers, d) interpolated towards an average (n, d), by default that of all classes."""
        average = self.centre()[None] if average is None else average
        psi = torch.where(torch.arange(self.layers, device=w.device) < cutoff, truncation, 1.0)[:, None]
        return torch.lerp(average[:, None], w, psi)

    def synthesize(
        self, w: Tensor, noise: Noise | None = None, *, noise_mode: NoiseMode = FIXED, side: int | None = None
    ) -> Tensor:
        """Images of styles w (n, layers, d).

        noise_mode: per-pixel noise: fixed, new from the seeds of `noise`, or off.
        side: lower resolution to stop at.
        """
        synthesis, pixel_noise = self.generator["synthesis"], None
        if noise_mode == OFF:
            pixel_noise = [w.new_zeros(1) for _ in synthesis.sides()]
        elif noise_mode == NEW:
            if noise is None:
                raise ValueError("new detail is drawn from seeds, and none are given")
            pixel_noise = [noise.normal(1, side, side) for side in synthesis.sides()]
        return synthesis(w, pixel_noise, side).clamp(-1, 1)

    def sample(
        self, noise: Noise, *, truncation: Psi = 1.0, cutoff: Cutoff = 18, label: Label = ANY, towards: Towards = ANY,
        blend: Blend = 0.0, noise_mode: NoiseMode = FIXED,
    ) -> Iterator[Frame]:  # fmt: skip
        w = self.styles(noise, label=label, towards=towards, blend=blend, truncation=truncation, cutoff=cutoff)
        detail = Noise(noise.seeds, noise.device)  # restarted streams, as in style mixing
        yield Frame(self.synthesize(w, detail, noise_mode=noise_mode))

    @property
    def layers(self) -> int:
        """Number of styles of an image."""
        return self.generator["synthesis"].layers

    def sides(self) -> list[int]:
        """Resolution of the layer of each style."""
        return self.generator["synthesis"].styled()

    def affine(self, layer: int) -> Tensor:
        """Weight (channels, d) of the affine transform of a layer's style."""
        return self.generator["synthesis"].affine(layer)

    # A latent is an offset of w from the average, not z: interpolation is smooth in w, and 0 is the average face. It
    # includes the class, so that latents interpolate between classes.

    def latents(self, noise: Noise) -> Tensor:
        z = self._z(noise)
        return self.generator["mapping"](z, labels_for(self, noise, ANY)) - self.centre()

    def decode(self, latents: Tensor, *, truncation: Psi = 1.0) -> Tensor:
        w = self.centre() + truncation * latents
        return self.synthesize(w[:, None].expand(-1, self.layers, -1))

    def _z(self, noise: Noise) -> Tensor:
        """z (n, z_dim), drawn before the label: a seed has the same z whatever the label. In float64, so that w is
        the same to the last digit in any batch."""
        return noise.normal(self.z_dim).double()

    def centre(self) -> Tensor:
        """The average w (d,) of `latents`, over all classes."""
        return self.w_avg[: len(self.class_names)].mean(0) if self.class_names else self.w_avg[self.classes]

    # training

    def players(self) -> dict[str, nn.Module]:
        return {"critic": self.critic, "generator": self.generator}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        labels = drop_labels(self, batch)
        fake = self._generate(self._mixed(labels))
        on_fake = self.verdict(fake.detach(), labels)
        regularize = self.gamma > 0 and progress.step % self.gamma_every == 0
        real = batch.images.detach().requires_grad_(regularize)
        on_real, terms = self.verdict(real, labels), {}
        if regularize:
            terms["r1"] = self.gamma_every * self.gamma / 2 * r1(on_real, real)
        if self.ada is not None:
            self.ada.heed(on_real)
        terms = {"critic": self.game.critic(on_real, on_fake)} | terms
        yield "critic", terms | self.game.watch(real=on_real, fake=on_fake)

        on_fake = self.verdict(fake, labels)
        terms = {}
        if self.path and progress.step % self.path_every == 0:
            terms["path"] = self.path_every * self.path * self._path_deviation(labels[: len(labels) // 2 or 1])
        yield "generator", {"generator": self.game.generator(on_fake)} | terms | self.game.watch(fake_after=on_fake)

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (n, 1) of the critic for augmented images, by default without a class."""
        augmented = self.augment(images if self.ada is None else self.ada(images))
        none = torch.full((len(images),), self.classes, device=images.device)
        return self.critic(augmented, (none if labels is None else labels) if self.classes else None)

    def _mixed(self, labels: Tensor) -> Tensor:
        """Style mixing: w (n, layers, d) of one latent up to a random layer, and of another from there on."""
        n, device, mapping = len(labels), labels.device, self.generator["mapping"]
        layers = self.layers
        w = mapping(torch.randn(n, self.z_dim, device=device), labels)[:, None]
        if not self.mixing:
            return w.expand(-1, layers, -1)
        other = mapping(torch.randn(n, self.z_dim, device=device), labels)[:, None]
        crossover = torch.randint(1, layers, (n, 1), device=device)
        mixed = torch.rand(n, 1, device=device) < self.mixing
        second = mixed & (torch.arange(layers, device=device) >= crossover)  # (n, layers)
        return torch.where(second[:, :, None], other, w)

    def _generate(self, w: Tensor) -> Tensor:
        """Images of styles w with new noise."""
        synthesis = self.generator["synthesis"]
        return synthesis(w, [torch.randn(len(w), 1, side, side, device=w.device) for side in synthesis.sides()])

    def _path_deviation(self, labels: Tensor) -> Tensor:
        """E (|J' y| - a)^2 with a the moving average of the path length (equation 4)."""
        w = self._mixed(labels)
        lengths = path_lengths(self._generate(w), w)
        self.path_mean.lerp_(lengths.detach().mean(), 1 / PATH_MEMORY)
        return (lengths - self.path_mean).square().mean()

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        """Compute the average style of each class, with the averaged weights."""
        z = torch.randn(AVERAGED, self.z_dim, generator=torch.Generator().manual_seed(0)).to(self.w_avg.device)
        for label in range(self.classes + 1):
            labels = torch.full((AVERAGED,), label, device=z.device)
            self.w_avg[label] = self.generator["mapping"](z, labels).mean(0)


RECIPE = Recipe(images=640_000, batch=16, rate=2.5e-3, betas=(0.0, 0.99), cosine=False, ema=0.999)


@system(
    title=Text("StyleGAN2 · cartoon faces · 64 px", "StyleGAN2 · visages dessinés · 64 px"),
    data="avatars",
    recipe=RECIPE,
    successor="stylegan2_faces",
)
def stylegan2_avatars() -> StyleGAN2:
    """A StyleGAN2 of cartoon faces, whose styles can be mixed layer by layer; its class is the drawing style."""
    return StyleGAN2((3, 64, 64), widths=(128, 128, 96, 48, 24), classes=8, ada=0.6)


@system(
    title=Text("StyleGAN · cartoon faces · 64 px", "StyleGAN · visages dessinés · 64 px"),
    data="avatars",
    recipe=RECIPE,
)
def stylegan_avatars() -> StyleGAN2:
    """The first StyleGAN on the same faces, to compare: its adaptive instance norm leaves blob artifacts."""
    return StyleGAN2((3, 64, 64), widths=(128, 128, 96, 48, 24), classes=8, ada=0.6, adain=True)


@system(
    title=Text("StyleGAN2 · faces of one drawing style · 64 px", "StyleGAN2 · visages d’un seul style · 64 px"),
    data="faces",
    recipe=replace(RECIPE, images=2_000_000),
)
def stylegan2_faces() -> StyleGAN2:
    """A StyleGAN2 of faces in one drawing style, whose hair, glasses, mouths and clothes are independent."""
    return StyleGAN2((3, 64, 64), widths=(128, 128, 96, 64, 32), gamma=0.2)


@system(
    title=Text("A StyleGAN2", "Un StyleGAN2"),
    data="avatars",
    recipe=RECIPE,
)
def stylegan2(
    widths: tuple[int, ...] = (64, 64, 48, 32),
    channels: int = 3,
    styles: int = 128,
    depth: int = 4,
    classes: int = 0,
    z_dim: int = 128,
    group: int = 4,
) -> StyleGAN2:
    """A StyleGAN2 as in the authors' code, for imported weights; each width but the first doubles the resolution."""
    if not 1 <= len(widths) <= 9 or 0 in widths or channels not in (1, 3):
        raise ValueError(f"a StyleGAN2 has 1 to 9 widths and 1 or 3 channels, not {widths} and {channels}")
    side = 4 << (len(widths) - 1)
    gamma = 0.0002 * side**2 / 16  # at a batch of 16
    options = {"ada": 0.6, "z_dim": z_dim, "group": group, "original": True}
    return StyleGAN2((channels, side, side), widths, styles, depth, classes, gamma, **options)
