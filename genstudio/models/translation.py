"""Image-to-image translation from one domain to another.

Isola et al. 2017 (arXiv:1611.07004) from pairs, Zhu et al. 2017 (arXiv:1703.10593) from unpaired images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from genstudio.controls import Choice, Refusal, Slider, Text
from genstudio.layers.image_to_image import (
    MirroredResNetGenerator,
    Norm,
    PatchCritic,
    ResNetGenerator,
    UNet,
)
from genstudio.layers.novelty import Domain
from genstudio.layers.palette import FACADES, Palette
from genstudio.model import Batch, Model, Progress
from genstudio.objectives.adversarial import LEAST_SQUARES, LOGISTIC, Game
from genstudio.objectives.strokes import with_strokes
from genstudio.system import Recipe, system


class Translator(Model):
    """Base of the translators: fully convolutional networks, which detect images out of their training domain."""

    multiple = 1  # divisor of the sides of an image
    scale = 1  # upsampling factor
    reach: int | None = None  # radius of the receptive field; None: the whole image
    own_side: int | None = None  # resolution of training, at which objects have the right scale; None: any
    tiles = True  # it may also be run at a picture's own resolution
    light_only = False  # it takes no notice of colours
    source_palette: Palette | None = None  # of its input, if that is label pictures
    target_palette: Palette | None = None  # of its output, if that is label pictures

    def __init__(self, image_shape: tuple[int, int, int]):
        super().__init__()
        self.image_shape = image_shape
        self.domain = Domain()

    def sources(self, batch: Batch) -> Tensor:
        """Inputs of `translate` whose targets are `batch.images`."""
        return batch.sources

    def perceived(self, images: Tensor) -> Tensor:
        """The part of images (n, c, h, w) that counts, of the same shape: for a colorizer their light."""
        return luma(images).expand_as(images) if self.light_only else images

    def novelty(self, images: Tensor) -> Tensor:
        """Distance (n,) of images from the training domain: above 1 they lie outside. Infinite for no label pictures,
        where the network reads such."""
        if self.source_palette:
            try:
                images = self.source_palette.adopt(images)
            except Refusal:
                return torch.full((len(images),), torch.inf)
        return self.domain(self.perceived(images))

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        self.domain.fit(self.sources(batch) for batch in batches)


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


def luma(images: Tensor) -> Tensor:
    """Y' of ITU-R BT.601, (n, 3, h, w) -> (n, 1, h, w)."""
    red, green, blue = images.split(1, 1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


Amount = Annotated[
    float,
    Slider(
        0.0,
        1.5,
        0.05,
        title=Text("Amount of change", "Force du changement"),
        hint=Text(
            "0 leaves the picture as it is, 1 changes it as was learned, above 1 more than that.",
            "0 laisse l’image telle quelle, 1 la change comme appris, au-delà davantage.",
        ),
    ),
]

Direction = Annotated[
    str,
    Choice(
        ("there", "back"),
        title=Text("Direction", "Sens"),
        hint=Text(
            "Two networks were trained together: one goes there, the other comes back.",
            "Deux réseaux ont appris ensemble : l’un fait l’aller, l’autre le retour.",
        ),
        titles=(Text("there", "aller"), Text("back", "retour")),
    ),
]


class CycleGAN(Translator):
    """CycleGAN: two generators, there and back, trained on unpaired images with cycle consistency.

    cycle: weight of the cycle consistency loss (lambda, section 3.2).
    identity: weight of the identity loss, relative to `cycle` (section 5.2).
    regularization: weight of the self-regularization loss, relative to `cycle`: the L1 norm of the change (Shrivastava
        et al. 2017, arXiv:1612.07828, section 2.1). It asks for small changes, and costs no pass of a network.
    free, rise: images without these losses, and images over which their weights then rise linearly. The generators
        are initialized to the identity, at the kink of the L1 losses, which would keep them there.
    """

    pairing = "unpaired"

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        width: int = 64,
        blocks: int = 6,
        critic_widths: tuple[int, ...] = (64, 128, 256),
        cycle: float = 10.0,
        identity: float = 0.5,
        regularization: float = 0.0,
        free: int = 6_000,
        rise: int = 14_000,
        folded: bool = False,
        game: Game = LEAST_SQUARES,
    ):
        super().__init__(image_shape)
        self.cycle, self.identity, self.regularization = cycle, identity, regularization
        self.free, self.rise, self.game = free, rise, game
        self.own_side = image_shape[1]
        self.multiple = ResNetGenerator.multiple
        self.generator, self.critic = nn.ModuleDict(), nn.ModuleDict()
        for direction in ("there", "back"):
            self.generator[direction] = ResNetGenerator(image_shape[0], width, blocks, folded)
        for direction in ("there", "back"):
            self.critic[direction] = PatchCritic(image_shape[0], critic_widths, "instance")
            self.critic[f"pool_{direction}"] = Pool(image_shape)

    # verbs

    def translate(self, images: Tensor, *, direction: Direction = "there", amount: Amount = 1.0) -> Tensor:
        changed = self.generator[direction](images)
        return changed if amount == 1 else (images + amount * (changed - images)).clamp(-1, 1)

    # training

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        self.domain.fit(torch.cat([batch.sources, batch.images]) for batch in batches)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "critic": self.critic}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        there, back = self.generator["there"], self.generator["back"]
        a, b = batch.sources, batch.images
        fake_b, fake_a = there(a), back(b)
        weight = self.cycle * min(1.0, max(0.0, (progress.images - self.free) / self.rise))
        terms = {
            "there": self.game.generator(self.verdict("there", fake_b)),
            "back": self.game.generator(self.verdict("back", fake_a)),
            "cycle": weight * (l1_loss(back(fake_b).float(), a) + l1_loss(there(fake_a).float(), b)),
        }
        if self.identity:
            terms["identity"] = self.identity * weight * (l1_loss(there(b).float(), b) + l1_loss(back(a).float(), a))
        if self.regularization:
            change = l1_loss(fake_b.float(), a) + l1_loss(fake_a.float(), b)
            terms["change"] = self.regularization * weight * change
        yield "generator", terms

        for direction, real, fake in (("there", b, fake_b), ("back", a, fake_a)):
            fake = self.critic[f"pool_{direction}"](fake.detach())
            on_real, on_fake = (self.verdict(direction, images) for images in (real, fake))
            terms[direction] = 0.5 * self.game.critic(on_real, on_fake)
        yield "critic", {"critic there": terms["there"], "critic back": terms["back"]}

    def verdict(self, direction: str, images: Tensor) -> Tensor:
        """Logits (n, 1, h', w') of the critic of that direction."""
        return self.critic[direction](self.augment(images)).float()


class Pool(nn.Module):
    """Buffer of fakes for the critic, against oscillation (Shrivastava et al. 2017, arXiv:1612.07828, section 2.3)."""

    def __init__(self, image_shape: tuple[int, int, int], size: int = 50):
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *image_shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, fakes: Tensor) -> Tensor:
        """Each fake, or with probability 1/2 an older one, which it replaces in the buffer."""
        chosen = []
        for fake in fakes:
            if self.count < len(self.images):
                self.images[self.count] = fake.float()
                self.count += 1
            elif torch.rand(()) < 0.5:
                index = torch.randint(len(self.images), ())
                older = self.images[index].to(fake.dtype, copy=True)
                self.images[index], fake = fake.float(), older
            chosen.append(fake)
        return torch.stack(chosen)


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
    title=Text("CycleGAN · glasses on and off · 64 px", "CycleGAN · lunettes, avec ou sans · 64 px"),
    data="faces_glasses_unpaired",
    recipe=Recipe(
        images=160_000, batch=4, betas=(0.5, 0.999), ema=0.999, flip=True, jitter=2, crop=True, critic_warmup=10_000
    ),
    knows=Text("cartoon faces of one drawing style", "visages dessinés dans un seul style"),
    takes="faces",
    options={
        "there": Text("put glasses on", "mettre des lunettes"),
        "back": Text("take glasses off", "enlever les lunettes"),
    },
)
def cyclegan_glasses() -> CycleGAN:
    """Cartoon faces are given glasses, or lose them; no pair was ever shown."""
    # Glasses are a few pixels. With the paper's cycle of 10 the generators drew shadows, which are easier to undo;
    # against critics that had not seen glasses yet, noise.
    losses = {"cycle": 2.0, "identity": 0.0, "regularization": 0.5, "free": 0, "rise": 10_000}
    return CycleGAN((3, 64, 64), width=24, blocks=3, critic_widths=(32, 64, 128), folded=True, **losses)


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
