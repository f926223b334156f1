"""Image-to-image translation: a picture goes in, the picture that it would be in another domain comes out.

Isola et al. 2017 (arXiv:1611.07004) from pairs, Zhu et al. 2017 (arXiv:1703.10593) without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from genstudio.controls import Choice, Slider, Text
from genstudio.layers.image_to_image import (
    InstanceNorm,
    MirroredResNetGenerator,
    Norm,
    PatchCritic,
    ResNetGenerator,
    UNet,
)
from genstudio.layers.novelty import Domain
from genstudio.model import Batch, Model
from genstudio.objectives.adversarial import LEAST_SQUARES, LOGISTIC, Game, watch
from genstudio.system import Recipe, system


class Translator(Model):
    """What translators share: they see pictures of any size, and know which kind they were made for."""

    multiple = 1  # of which a picture's sides must be
    scale = 1  # output pixels for an input pixel, along a side
    reach: int | None = None  # how far around it an output pixel sees; None: it depends on the whole picture
    own_side: int | None = None  # the side of pictures whose objects it knows; None: it works at any scale

    def __init__(self, image_shape: tuple[int, int, int]):
        super().__init__()
        self.image_shape = image_shape
        self.domain = Domain()

    def sources(self, batch: Batch) -> Tensor:
        """What `translate` is given to make `batch.images` from."""
        return batch.sources

    def finish(self, batches: Iterable[Batch], held_out: Batch | None = None) -> None:
        self.domain.fit(self.sources(batch) for batch in batches)


class Pix2Pix(Translator):
    """A U-Net that is shown pairs, and a critic that sees source and result together.

    weight: of the L1 term beside the game's. It belongs to the generator alone.
    game: the paper's is `LOGISTIC`.
    generator: another network in the U-Net's place. Where it takes grey pictures it is given the light of others, and
        where it draws such, one channel is all three.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: tuple[int, ...] = (),
        critic_widths: tuple[int, ...] = (64, 128, 256),
        weight: float = 100.0,
        game: Game = LOGISTIC,
        generator: nn.Module | None = None,
    ):
        super().__init__(image_shape)
        channels = image_shape[0]
        self.weight, self.game, self.own_side = weight, game, image_shape[1]
        self.generator = UNet(channels, channels, widths) if generator is None else generator
        self.multiple, self.reach = self.generator.multiple, self.generator.reach
        self.critic = PatchCritic(2 * channels, critic_widths)

    # verbs

    def translate(self, images: Tensor) -> Tensor:
        seen = images if self.generator.inputs == images.shape[1] else luma(images)
        return torch.tanh(self.generator(seen)).expand_as(images)

    # training

    def players(self) -> dict[str, nn.Module]:
        return {"critic": self.critic, "generator": self.generator}

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        source, real = self.sources(batch), batch.images
        fake = self.translate(source)
        on_real, on_fake = self.verdict(source, real), self.verdict(source, fake.detach())
        terms = {"critic": 0.5 * self.game.critic(on_real, on_fake)}  # halved, to slow it down (section 3.3)
        yield "critic", terms | watch(real=on_real, fake=on_fake)

        on_fake = self.verdict(source, fake)
        terms = {"generator": self.game.generator(on_fake), "L1": self.weight * l1_loss(fake.float(), real)}
        yield "generator", terms | watch(fake_after=on_fake)

    def verdict(self, source: Tensor, images: Tensor) -> Tensor:
        return self.critic(self.augment(torch.cat([source, images], 1))).float()  # both are changed alike


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
    ),
]


class CycleGAN(Translator):
    """Two generators, there and back, that never see a pair: going there and back must bring the picture back.

    cycle: weight of what is lost there and back (lambda, section 3.2).
    identity: of that, the part that holds pictures still which are there already (section 5.2).
    free: steps that are played without that weight, and `rise`: steps over which it then grows. These generators begin
        with no change at all, where an absolute error has its kink: under its weight they stay there.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        width: int = 64,
        blocks: int = 6,
        critic_widths: tuple[int, ...] = (64, 128, 256),
        cycle: float = 10.0,
        identity: float = 0.5,
        free: int = 1500,
        rise: int = 3500,
        folded: bool = False,
        game: Game = LEAST_SQUARES,
    ):
        super().__init__(image_shape)
        self.cycle, self.identity, self.free, self.rise, self.game = cycle, identity, free, rise, game
        self.own_side = image_shape[1]
        self.multiple = ResNetGenerator.multiple
        self.generator = nn.ModuleDict({d: ResNetGenerator(image_shape[0], width, blocks, folded) for d in ("there", "back")})
        self.critic = nn.ModuleDict()
        for direction in ("there", "back"):
            self.critic[direction] = PatchCritic(image_shape[0], critic_widths, InstanceNorm)
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

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        there, back = self.generator["there"], self.generator["back"]
        a, b = batch.sources, batch.images
        fake_b, fake_a = there(a), back(b)
        weight = self.cycle * min(1.0, max(0.0, (step - self.free) / self.rise))
        terms = {
            "there": self.game.generator(self.verdict("there", fake_b)),
            "back": self.game.generator(self.verdict("back", fake_a)),
            "cycle": weight * (l1_loss(back(fake_b).float(), a) + l1_loss(there(fake_a).float(), b)),
        }
        if self.identity:
            terms["identity"] = self.identity * weight * (l1_loss(there(b).float(), b) + l1_loss(back(a).float(), a))
        yield "generator", terms

        for direction, real, fake in (("there", b, fake_b), ("back", a, fake_a)):
            fake = self.critic[f"pool_{direction}"](fake.detach())
            on_real, on_fake = (self.verdict(direction, images) for images in (real, fake))
            terms[direction] = 0.5 * self.game.critic(on_real, on_fake)
        yield "critic", {"critic there": terms["there"], "critic back": terms["back"]}

    def verdict(self, direction: str, images: Tensor) -> Tensor:
        return self.critic[direction](self.augment(images)).float()


class Pool(nn.Module):
    """The last fakes, of which the critic is shown as many as new ones: it must not forget (Shrivastava et al. 2017)."""

    def __init__(self, image_shape: tuple[int, int, int], size: int = 50):
        super().__init__()
        self.register_buffer("pictures", torch.zeros(size, *image_shape))
        self.register_buffer("held", torch.zeros((), dtype=torch.long))

    def forward(self, fakes: Tensor) -> Tensor:
        """Each fake, or with one chance in two an older one, in whose place it stays."""
        shown = []
        for fake in fakes:
            if self.held < len(self.pictures):
                self.pictures[self.held] = fake.float()
                self.held += 1
            elif torch.rand(()) < 0.5:
                place = torch.randint(len(self.pictures), ())
                older = self.pictures[place].to(fake.dtype, copy=True)
                self.pictures[place], fake = fake.float(), older
            shown.append(fake)
        return torch.stack(shown)


@system(
    title=Text("pix2pix · sketch to emoji · 64 px", "pix2pix · croquis en émoji · 64 px"),
    data="emoji_lines",
    recipe=Recipe(images=300_000, batch=16, rate=2e-4, betas=(0.5, 0.999), ema=0.999, flip=True, jitter=4),
    knows=Text("line drawings on white", "dessins au trait sur fond blanc"),
    takes="drawings",
)
def pix2pix_sketch() -> Pix2Pix:
    """Line drawings on white are coloured as emoji."""
    return Pix2Pix((3, 64, 64), widths=(48, 96, 160, 224, 224))


@system(
    title=Text("CycleGAN · glasses on and off · 64 px", "CycleGAN · lunettes, avec ou sans · 64 px"),
    data="avatars_glasses",
    recipe=Recipe(images=200_000, batch=4, rate=2e-4, betas=(0.5, 0.999), ema=0.999, flip=True, jitter=2),
    knows=Text("cartoon faces seen from the front", "visages dessinés, vus de face"),
    takes="faces",
    options={
        "there": Text("put glasses on", "mettre des lunettes"),
        "back": Text("take glasses off", "enlever les lunettes"),
    },
)
def cyclegan_glasses() -> CycleGAN:
    """Cartoon faces are given glasses, or lose them; no pair was ever shown."""
    # Glasses are a few pixels: under the paper's cycle of 10 the generators drew shadows, which come back more easily.
    return CycleGAN((3, 64, 64), width=32, critic_widths=(64, 128, 128), cycle=2.0, folded=True)


# For weights of others: what they know is not known here, and nothing is foreign to them before they learn from pictures.

Channels = Literal[1, 3]
PAIRS = Recipe(images=300_000, batch=16, rate=2e-4, betas=(0.5, 0.999), ema=0.999, flip=True, jitter=4)


@system(title=Text("A ResNet translator", "Un traducteur ResNet"), data="emoji_lines", recipe=PAIRS)
def resnet_translator(
    inputs: Channels = 3, outputs: Channels = 3, side: int = 64, width: int = 32, blocks: int = 6, norm: Norm = "instance"
) -> Pix2Pix:
    """CycleGAN's generator, for one way. It can go on learning from pairs."""
    return Pix2Pix((3, side, side), generator=MirroredResNetGenerator(inputs, outputs, width, blocks, norm))


@system(title=Text("A U-Net translator", "Un traducteur U-Net"), data="emoji_lines", recipe=PAIRS)
def unet_translator(
    inputs: Channels = 3,
    outputs: Channels = 3,
    side: int = 64,
    widths: tuple[int, ...] = (32, 64, 128, 128, 128),
    norm: Norm = "batch",
) -> Pix2Pix:
    """The generator of pix2pix: a picture goes down a U-Net, and comes up as another."""
    return Pix2Pix((3, side, side), generator=UNet(inputs, outputs, widths, norm=norm))
