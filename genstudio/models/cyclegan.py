"""CycleGAN: image-to-image translation from unpaired images.

Zhu et al. 2017 (arXiv:1703.10593).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from genstudio.controls import Choice, Slider, Text
from genstudio.layers.image_to_image import PatchCritic, ResNetGenerator
from genstudio.model import Batch, Progress
from genstudio.models.translation import Translator
from genstudio.objectives.adversarial import LEAST_SQUARES, Game
from genstudio.system import Recipe, system

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
    any_scale: the domains know no size of things, as brush strokes do not: pictures keep their resolution.
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
        any_scale: bool = False,
        game: Game = LEAST_SQUARES,
    ):
        super().__init__(image_shape)
        self.cycle, self.identity, self.regularization = cycle, identity, regularization
        self.free, self.rise, self.game = free, rise, game
        self.own_side = None if any_scale else image_shape[1]
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
    title=Text("CycleGAN · glasses on and off · 64 px", "CycleGAN · lunettes, avec ou sans · 64 px"),
    data="faces_glasses_unpaired",
    recipe=Recipe(
        images=240_000, batch=4, rates={"generator": 4e-4}, betas=(0.5, 0.999), ema=0.999, flip=True, jitter=2,
        crop=True, critic_warmup=10_000,
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
    # against critics without a warm-up, noise.
    losses = {"cycle": 1.0, "identity": 0.0, "regularization": 0.3, "free": 0, "rise": 10_000}
    return CycleGAN((3, 64, 64), width=24, blocks=3, critic_widths=(32, 64, 128), folded=True, **losses)


@system(
    title=Text("CycleGAN · photograph to Monet · any size", "CycleGAN · photographie en Monet · toute taille"),
    data="monet",
    recipe=Recipe(images=300_000, batch=4, betas=(0.5, 0.999), ema=0.999, flip=True),
    knows=Text("photographs of landscapes", "photographies de paysages"),
    takes="photographs",
    options={"there": Text("paint", "peindre"), "back": Text("photograph", "photographier")},
)
def cyclegan_monet() -> CycleGAN:
    """Photographs of landscapes are painted as Monet did, and paintings photographed, at any size."""
    return CycleGAN((3, 96, 96), width=24, critic_widths=(32, 64, 128, 128), folded=True, any_scale=True)
