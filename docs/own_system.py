"""A GAN of one's own, as a system of GenStudio: python -m genstudio train docs/own_system.py:my_gan --max-minutes 5"""

from collections.abc import Iterator

from torch import Tensor, nn

from genstudio.controls import Text, Truncation
from genstudio.model import Batch, Model, Noise, Progress
from genstudio.objectives.adversarial import HINGE
from genstudio.system import Recipe, system


class MyGAN(Model):
    """Dense networks under the hinge loss."""

    game = HINGE  # of its outputs, as training step by step shows them

    def __init__(self, side: int, latent_dim: int, hidden: int):
        super().__init__()
        self.image_shape, self.latent_dim = (1, side, side), latent_dim
        image = nn.Linear(hidden, side**2), nn.Tanh(), nn.Unflatten(1, self.image_shape)
        self.generator = nn.Sequential(nn.Linear(latent_dim, hidden), nn.ReLU(), *image)
        self.critic = nn.Sequential(nn.Flatten(), nn.Linear(side**2, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))

    def latents(self, noise: Noise) -> Tensor:  # a verb: the tabs and commands that need it have this system now
        return noise.normal(self.latent_dim)

    def decode(self, latents: Tensor, *, truncation: Truncation = 1.0) -> Tensor:
        return self.generator(latents * truncation)

    def players(self) -> dict[str, nn.Module]:
        return {"critic": self.critic, "generator": self.generator}

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        fake = self.decode(batch.images.new_empty(len(batch), self.latent_dim).normal_())
        yield "critic", {"critic": self.game.critic(self.verdict(batch.images), self.verdict(fake.detach()))}
        yield "generator", {"generator": self.game.generator(self.verdict(fake))}

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.critic(self.augment(images))


@system(title=Text("My GAN", "Mon GAN"), data="mnist", recipe=Recipe(images=500_000, batch=64))
def my_gan(side: int = 28, latent_dim: int = 32, hidden: int = 128) -> MyGAN:
    return MyGAN(side, latent_dim, hidden)
