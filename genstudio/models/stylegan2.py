"""StyleGAN2: a code becomes styles, one for each layer, so that a face can have one's hair and another's mouth.

Karras et al. 2020 (arXiv:1912.04958); Karras et al. 2020 (arXiv:2006.06676, ADA) for classes and small sets. The first
StyleGAN, Karras et al. 2019 (arXiv:1812.04948), is the same with another synthesis network.

Read before: `layers/style.py`, the networks; `objectives/adversarial.py`, the game and its regularizers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from genstudio.controls import ANY, Blend, Choice, Label, Slider, Text, Towards
from genstudio.layers.stylegan2 import AdaINSynthesis, Critic, Mapping, Synthesis
from genstudio.model import Batch, Frame, Model, Noise, kinds_of, told
from genstudio.objectives.ada import AdaptiveAugmentation
from genstudio.objectives.adversarial import critic_logistic, generator_non_saturating, path_lengths, r1, watch
from genstudio.system import Recipe, system

AVERAGED = 4096  # codes that an average style is measured from
PATH_MEMORY = 100  # batches that the mean length of paths is averaged over

Psi = Annotated[
    float,
    Slider(
        -1.0,
        1.5,
        0.05,
        title=Text("Truncation ψ: variety or quality", "Troncature ψ : variété ou qualité"),
        hint=Text(
            "Pulls styles towards the average one. 0 is the average itself, 1 is as trained, below 0 is the opposite face.",
            "Rapproche les styles du style moyen. 0 : la moyenne ; 1 : comme appris ; en dessous de 0 : le visage opposé.",
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
            "Counted from the coarsest: the first few hold the shape, the last the colours. 18 is all of them.",
            "Comptées depuis la plus grossière : les premières tiennent la forme, les dernières les couleurs. 18 : toutes.",
        ),
    ),
]
FIXED, NEW, OFF = "fixed", "new", "off"
Grain = Annotated[
    str,
    Choice(
        (FIXED, NEW, OFF),
        title=Text("Fine detail", "Détail fin"),
        hint=Text(
            "The noise on each pixel: the same for all pictures, drawn anew for each seed, or none.",
            "Le bruit sur chaque pixel : le même pour toutes les images, tiré pour chaque graine, ou aucun.",
        ),
    ),
]


class StyleGAN2(Model):
    """A mapping network makes styles of normal codes, and a synthesis network pictures of styles.

    widths: channels of the synthesis at 4x4, 8x8, ...; the critic is its mirror image.
    styles: numbers of a style, and of a code.
    depth: layers of the mapping.
    gamma: weight of R1. The heuristic of ADA's code is 0.0002 * side^2 / batch; its settings for faces lie at five times
        that and more. Cartoon faces of 64 px at a batch of 16 came nearer to real ones with 0.5 than with 0.15.
    gamma_every, path_every: steps between two uses of a regularizer, which then counts that many times. The paper gives it
        a step of its own; here it joins the step of the loss, so that Adam's numbers need no correction. R1 comes at
        whatever precision the rest has: in bfloat16 its gradient has the direction that it has in float32.
    path: weight of the path lengths' deviation; 0 leaves them alone. The paper's is 2.
    mixing: share of pictures that are made of two codes.
    ada: how often the critic may be sure of real pictures, before they are changed for it; 0 never changes them.
    adain: the synthesis network of the first StyleGAN.
    z_width: numbers of a code, where they are not as many as of a style.
    group: pictures of which the critic sees how much they differ.
    original: computes what the authors' code does, up to rounding: its weights fit.
    """

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
        z_width: int = 0,
        group: int = 4,
        original: bool = False,
    ):
        super().__init__()
        self.image_shape, self.codes, self.z_width, self.classes = image_shape, styles, z_width or styles, classes
        self.gamma, self.gamma_every, self.path, self.path_every, self.mixing = gamma, gamma_every, path, path_every, mixing
        mapping = Mapping(styles, depth, classes, z_width=z_width)
        facts = image_shape[0], widths, styles
        synthesis = AdaINSynthesis(*facts) if adain else Synthesis(*facts, original)
        assert synthesis.sides()[-1] == image_shape[1] == image_shape[2], f"{len(widths)} widths do not make {image_shape}"
        self.generator = nn.ModuleDict({"mapping": mapping, "synthesis": synthesis})
        self.critic = Critic(image_shape[0], widths, classes, group, original)
        self.ada = AdaptiveAugmentation(ada) if ada else None
        self.register_buffer("averages", torch.zeros(classes + 1, styles))  # of w, for each class; last, for none
        self.register_buffer("path_mean", torch.zeros(()))

    # verbs

    def styles(
        self, noise: Noise, *, truncation: Psi = 1.0, cutoff: Cutoff = 18, label: Label = ANY, towards: Towards = ANY, blend: Blend = 0.0,
    ) -> Tensor:  # fmt: skip
        """w (n, layers, d), the same in all layers but where it is truncated: towards the average of its class.

        Between the classes lies no face; an average over all of them would draw a picture out of its class (Dobler et al.
        2022, arXiv:2202.11777).
        """
        z = self._codes(noise)
        kinds = kinds_of(self, noise, label)
        w, average = self.generator["mapping"](z, kinds), self.averages[kinds]
        if blend:
            others = kinds_of(self, noise, towards)
            w = torch.lerp(w, self.generator["mapping"](z, others), blend)
            average = torch.lerp(average, self.averages[others], blend)
        return self.truncate(w[:, None].expand(-1, self.layers, -1), truncation, cutoff, average)

    def truncate(self, w: Tensor, truncation: float = 1.0, cutoff: int = 18, average: Tensor | None = None) -> Tensor:
        """Styles w (n, layers, d) pulled towards an average (n, d); unsaid, that of everything."""
        average = self.centre()[None] if average is None else average
        psi = torch.where(torch.arange(self.layers, device=w.device) < cutoff, truncation, 1.0)[:, None]
        return torch.lerp(average[:, None], w, psi)

    def synthesize(self, w: Tensor, noise: Noise | None = None, *, grain: Grain = FIXED, side: int | None = None) -> Tensor:
        """Pictures of styles; new detail is drawn from `noise`. With a smaller `side`, what they are at that size."""
        synthesis, drawn = self.generator["synthesis"], None
        if grain == OFF:
            drawn = [w.new_zeros(1) for _ in synthesis.sides()]
        elif grain == NEW:
            if noise is None:
                raise ValueError("new detail is drawn from seeds, and none are given")
            drawn = [noise.normal(1, side, side) for side in synthesis.sides()]
        return synthesis(w, drawn, side).clamp(-1, 1)

    def sample(
        self, noise: Noise, *, truncation: Psi = 1.0, cutoff: Cutoff = 18, label: Label = ANY, towards: Towards = ANY, blend: Blend = 0.0,
        grain: Grain = FIXED,
    ) -> Iterator[Frame]:  # fmt: skip
        w = self.styles(noise, label=label, towards=towards, blend=blend, truncation=truncation, cutoff=cutoff)
        detail = Noise(noise.seeds, noise.device)  # from the start of each stream: whoever mixes styles has no other
        yield Frame(self.synthesize(w, detail, grain=grain))

    @property
    def layers(self) -> int:
        """How many styles a picture has."""
        return self.generator["synthesis"].layers

    def sides(self) -> list[int]:
        """Pixels along a side of what each layer's style steers."""
        return self.generator["synthesis"].styled()

    def affine(self, layer: int) -> Tensor:
        """How a layer takes its style in: (channels, d)."""
        return self.generator["synthesis"].affine(layer)

    # A code of the latent space is a step in w from the average. There straight ways are smooth, and 0 is the average
    # face. Its class is in it: so the way leads from one class to another.

    def latents(self, noise: Noise) -> Tensor:
        z = self._codes(noise)
        return self.generator["mapping"](z, kinds_of(self, noise, ANY)) - self.centre()

    def decode(self, latents: Tensor, *, truncation: Psi = 1.0) -> Tensor:
        w = self.centre() + truncation * latents
        return self.synthesize(w[:, None].expand(-1, self.layers, -1))

    def _codes(self, noise: Noise) -> Tensor:
        """z (n, z_width), before any class is drawn: whatever is asked for, a seed has one code. In float64, so that its w
        is the same to the last digit in any batch."""
        return noise.normal(self.z_width).double()

    def centre(self) -> Tensor:
        """The average w (d,) of all that `latents` draws."""
        return self.averages[: len(self.class_names)].mean(0) if self.class_names else self.averages[self.classes]

    # training

    def players(self) -> dict[str, nn.Module]:
        return {"critic": self.critic, "generator": self.generator}

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        kinds = told(self, batch)
        fake = self._drawn(self._mixed(kinds))
        on_fake = self.verdict(fake.detach(), kinds)
        flattens = self.gamma > 0 and step % self.gamma_every == 0
        real = batch.images.detach().requires_grad_(flattens)
        on_real, terms = self.verdict(real, kinds), {}
        if flattens:
            terms["r1"] = self.gamma_every * self.gamma / 2 * r1(on_real, real)
        if self.ada is not None:
            self.ada.heed(on_real)
        yield "critic", {"critic": critic_logistic(on_real, on_fake)} | terms | watch(real=on_real, fake=on_fake)

        on_fake = self.verdict(fake, kinds)
        terms = {}
        if self.path and step % self.path_every == 0:
            terms["path"] = self.path_every * self.path * self._path_deviation(kinds[: len(kinds) // 2 or 1])
        yield "generator", {"generator": generator_non_saturating(on_fake)} | terms | watch(fake_after=on_fake)

    def verdict(self, images: Tensor, kinds: Tensor) -> Tensor:
        seen = self.augment(images if self.ada is None else self.ada(images))
        return self.critic(seen, kinds if self.classes else None)

    def _mixed(self, kinds: Tensor) -> Tensor:
        """Styles w (n, layers, d) of fresh codes, most of them of two: one up to some layer, another from there on."""
        n, device, mapping = len(kinds), kinds.device, self.generator["mapping"]
        layers = self.layers
        w = mapping(torch.randn(n, self.z_width, device=device), kinds)[:, None]
        if not self.mixing:
            return w.expand(-1, layers, -1)
        other = mapping(torch.randn(n, self.z_width, device=device), kinds)[:, None]
        crossover = torch.randint(1, layers, (n, 1), device=device)
        mixes = torch.rand(n, 1, device=device) < self.mixing
        second = mixes & (torch.arange(layers, device=device) >= crossover)  # (n, layers)
        return torch.where(second[:, :, None], other, w)

    def _drawn(self, w: Tensor) -> Tensor:
        """Pictures with new detail on each."""
        synthesis = self.generator["synthesis"]
        return synthesis(w, [torch.randn(len(w), 1, side, side, device=w.device) for side in synthesis.sides()])

    def _path_deviation(self, kinds: Tensor) -> Tensor:
        """E (|J' y| - a)^2 with a the mean length so far (equation 4)."""
        w = self._mixed(kinds)
        lengths = path_lengths(self._drawn(w), w)
        self.path_mean.lerp_(lengths.detach().mean(), 1 / PATH_MEMORY)
        return (lengths - self.path_mean).square().mean()

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        """The average styles, of the averaged weights."""
        z = torch.randn(AVERAGED, self.z_width, generator=torch.Generator().manual_seed(0)).to(self.averages.device)
        for kind in range(self.classes + 1):
            kinds = torch.full((AVERAGED,), kind, device=z.device)
            self.averages[kind] = self.generator["mapping"](z, kinds).mean(0)


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
    """The first StyleGAN on the same faces, to compare: styles renormalize what they steer, and leave blobs."""
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
    z_width: int = 128,
    group: int = 4,
) -> StyleGAN2:
    """A StyleGAN2 as its authors' code has it, of any widths; each of them doubles the side of its pictures."""
    if not 1 <= len(widths) <= 9 or 0 in widths or channels not in (1, 3):
        raise ValueError(f"a StyleGAN2 has 1 to 9 widths and 1 or 3 channels, not {widths} and {channels}")
    side = 4 << (len(widths) - 1)
    gamma = 0.0002 * side**2 / 16  # at a batch of 16
    options = {"ada": 0.6, "z_width": z_width, "group": group, "original": True}
    return StyleGAN2((channels, side, side), widths, styles, depth, classes, gamma, **options)
