"""Pix2pix: image-to-image translation from pairs.

Isola et al. 2017 (arXiv:1611.07004).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from genstudio.controls import Text
from genstudio.layers.image_to_image import MirroredResNetGenerator, Norm, PatchCritic, UNet
from genstudio.layers.palette import FACADES, Palette
from genstudio.model import Batch, Progress
from genstudio.models.translation import Translator, luma
from genstudio.objectives.adversarial import LOGISTIC, Game
from genstudio.objectives.strokes import with_strokes
from genstudio.system import Recipe, system


class Pix2Pix(Translator):
    """Pix2pix: a U-Net trained on pairs, and a critic (discriminator) of source and result, concatenated.

    weight: of the generator's L1 loss; 0 for the adversarial loss alone.
    adversarial: weight of the generator's adversarial loss; with 0 there is no critic.
    game: the adversarial losses; `LOGISTIC` in the paper.
    palette: of the sources, if they are label pictures; U-Net and critic read their one-hot planes.
    strokes: sources are line drawings, whose lines are redrawn in training with widths up to this many pixels.
    critic_norm: of `PatchCritic`.
    generator: another network in place of the U-Net. If it has one input channel it takes the luma of RGB images, and
        a single output channel is repeated to RGB.
    """

    pairing = "paired"

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: tuple[int, ...] = (),
        critic_widths: tuple[int, ...] = (64, 128, 256),
        weight: float = 100.0,
        adversarial: float = 1.0,
        game: Game = LOGISTIC,
        generator: nn.Module | None = None,
        palette: Palette | None = None,
        strokes: int = 0,
        critic_norm: Norm | Literal["spectral"] = "batch",
    ):
        super().__init__(image_shape)
        channels = image_shape[0]
        self.weight, self.adversarial, self.game, self.strokes = weight, adversarial, game, strokes
        self.own_side, self.source_palette = image_shape[1], palette
        inputs = len(palette) if palette else channels
        self.generator = UNet(inputs, channels, widths) if generator is None else generator
        self.multiple, self.reach = self.generator.multiple, self.generator.reach
        if adversarial:  # built last, so that the generator begins the same with and without
            self.critic = PatchCritic(inputs + channels, critic_widths, critic_norm)

    # verbs

    def translate(self, images: Tensor) -> Tensor:
        inputs = self.source_palette.planes(images) if self.source_palette else images
        inputs = inputs if self.generator.inputs == inputs.shape[1] else luma(inputs)
        return torch.tanh(self.generator(inputs)).expand_as(images)

    # training

    def players(self) -> dict[str, nn.Module]:
        return ({"critic": self.critic} if self.adversarial else {}) | {"generator": self.generator}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        source, real = self.redrawn(self.sources(batch)), batch.images
        fake = self.translate(source)
        terms, watched = {}, {}
        if self.adversarial:
            on_real, on_fake = self.verdict(source, real), self.verdict(source, fake.detach())
            terms = {"critic": 0.5 * self.game.critic(on_real, on_fake)}  # halved, to slow it down (section 3.3)
            yield "critic", terms | self.game.watch(real=on_real, fake=on_fake)

            on_fake = self.verdict(source, fake)
            terms = {"generator": self.adversarial * self.game.generator(on_fake)}
            watched = self.game.watch(fake_after=on_fake)
        if self.weight:
            terms["L1"] = self.weight * l1_loss(fake.float(), real)
        yield "generator", terms | watched

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        self.domain.fit(self.redrawn(self.sources(batch)) for batch in batches)

    def redrawn(self, sources: Tensor) -> Tensor:
        """Sources for training, (n, c, h, w): line drawings with a random width of their lines."""
        return torch.stack([with_strokes(image, self.strokes) for image in sources]) if self.strokes else sources

    def verdict(self, source: Tensor, images: Tensor) -> Tensor:
        """Logits (n, 1, h', w') of the critic; source and result are augmented alike."""
        source = self.source_palette.planes(source) if self.source_palette else source
        return self.critic(self.augment(torch.cat([source, images], 1))).float()


@system(
    title=Text("pix2pix · sketch to emoji · 64 px", "pix2pix · croquis en émoji · 64 px"),
    data="emoji_lines",
    recipe=Recipe(images=300_000, batch=16, rate=2e-4, betas=(0.5, 0.999), ema=0.999, flip=True, jitter=4, crop=True),
    knows=Text("line drawings on white", "dessins au trait sur fond blanc"),
    takes="drawings",
)
def pix2pix_sketch() -> Pix2Pix:
    """Line drawings on white are coloured as emoji."""
    return Pix2Pix((3, 64, 64), widths=(48, 96, 160, 224, 224))


# Three losses of one network on the same images in the same order, as in table 1 of the paper: same seed, same initial
# generator. Dropout trains with the network, as in the paper, where the little noise that it adds was ignored
# (section 2.1): outputs are drawn without, so that one label picture is one facade.

FACADES_RECIPE = Recipe(images=48_000, batch=4, betas=(0.5, 0.999), ema=0.999, flip=True, jitter=8, mirror=True)
FACADES_KNOWS = Text("label pictures of facades", "plans colorés de façades")


def facades_network(weight: float = 100.0, adversarial: float = 1.0) -> Pix2Pix:
    generator = UNet(len(FACADES), 3, widths=(32, 64, 128, 128, 120), detail=8)
    critic_widths = (32, 64, 128, 128)  # patches of 70 pixels
    return Pix2Pix((3, 128, 128), (), critic_widths, weight, adversarial, generator=generator, palette=FACADES)


@system(
    title=Text("pix2pix · labels to facade · 128 px", "pix2pix · plan en façade · 128 px"),
    data="facades",
    recipe=FACADES_RECIPE,
    knows=FACADES_KNOWS,
    takes="labels",
)
def pix2pix_facades() -> Pix2Pix:
    """Label pictures of facades become photographs: L1 and adversarial loss together."""
    return facades_network()


@system(
    title=Text("pix2pix · labels to facade, L1 alone · 128 px", "pix2pix · plan en façade, L1 seul · 128 px"),
    data="facades",
    recipe=FACADES_RECIPE,
    knows=FACADES_KNOWS,
    takes="labels",
)
def pix2pix_facades_l1() -> Pix2Pix:
    """The same network with the L1 loss alone: the mean of all facades that fit, which is blurred."""
    return facades_network(adversarial=0.0)


@system(
    title=Text("pix2pix · labels to facade, GAN alone · 128 px", "pix2pix · plan en façade, GAN seul · 128 px"),
    data="facades",
    recipe=FACADES_RECIPE,
    knows=FACADES_KNOWS,
    takes="labels",
)
def pix2pix_facades_gan() -> Pix2Pix:
    """The same network with the adversarial loss alone: sharp, and bound to the labels by the critic alone."""
    return facades_network(weight=0.0)


@system(
    title=Text("pix2pix · facade to labels · 128 px", "pix2pix · façade en plan · 128 px"),
    data="facade_labels",
    recipe=replace(FACADES_RECIPE, images=24_000),
    knows=Text("facades, seen from the front", "façades vues de face"),
    limit=Text(
        "It draws labels as if they were a photograph; `facade_labels` chooses a label for each pixel, and is better.",
        "Il dessine le plan comme une photographie ; `facade_labels` choisit une classe par pixel, et fait mieux.",
    ),
    takes="photographs",
)
def pix2pix_facade_labels() -> Pix2Pix:
    """Photographs of facades become label pictures, drawn as pictures: the worse way of segmentation."""
    generator = UNet(3, 3, widths=(32, 64, 128, 128, 120), detail=8)
    return Pix2Pix((3, 128, 128), critic_widths=(32, 64, 128, 128), generator=generator)


# Systems for imported weights: their training domain is unknown, so no image is out of domain before fine-tuning.

Channels = Literal[1, 3]
PAIRS = Recipe(images=300_000, batch=16, rate=2e-4, betas=(0.5, 0.999), ema=0.999, flip=True, jitter=4, crop=True)


@system(title=Text("A ResNet translator", "Un traducteur ResNet"), data="emoji_lines", recipe=PAIRS)
def resnet_translator(
    inputs: Channels = 3,
    outputs: Channels = 3,
    side: int = 64,
    width: int = 32,
    blocks: int = 6,
    norm: Norm = "instance",
) -> Pix2Pix:
    """CycleGAN's generator for one direction, which can be fine-tuned on pairs."""
    return Pix2Pix((3, side, side), generator=MirroredResNetGenerator(inputs, outputs, width, blocks, norm))


@system(title=Text("A U-Net translator", "Un traducteur U-Net"), data="emoji_lines", recipe=PAIRS)
def unet_translator(
    inputs: Channels = 3,
    outputs: Channels = 3,
    side: int = 64,
    widths: tuple[int, ...] = (32, 64, 128, 128, 120),
    norm: Norm = "batch",
) -> Pix2Pix:
    """The U-Net generator of pix2pix, which can be fine-tuned on pairs."""
    return Pix2Pix((3, side, side), generator=UNet(inputs, outputs, widths, norm=norm))
