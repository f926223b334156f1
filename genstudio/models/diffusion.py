"""Diffusion models: a network learns to denoise images, and generates them from noise by iterative denoising.

Ho et al. 2020 (arXiv:2006.11239, DDPM); Nichol and Dhariwal 2021 (arXiv:2102.09672) for the cosine schedule and the
learned variance; Salimans and Ho 2022 (arXiv:2202.00512) for v; Ho and Salimans 2022 (arXiv:2207.12598) for guidance.

Read first: `layers/unet.py`, the network; `samplers/`; `objectives/denoising.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from genstudio.controls import ANY, Label, Refusal, Text
from genstudio.layers.unet import DenoisingUNet
from genstudio.model import Batch, Frame, Model, Noise, Progress, drop_labels, labels_for
from genstudio.objectives import denoising
from genstudio.objectives.denoising import ImportantTimes, Predicts
from genstudio.samplers import SAMPLERS
from genstudio.samplers.controls import (
    DRAWN,
    FOUND,
    ByClassifier,
    Eta,
    Guidance,
    Rescale,
    Sampler,
    StartNoise,
    Steps,
    Strength,
)
from genstudio.samplers.ddim import inverted
from genstudio.samplers.guidance import by_classifier, classifier_free, clipped, inpainting
from genstudio.samplers.schedule import CLEAN, Denoise, Denoised, Schedule, State
from genstudio.system import Range, Recipe, system

HYBRID = 0.001  # weight of the bound, which trains the variance: Nichol and Dhariwal 2021, section 3.1
STRATA = 24  # of the times, in an estimate of the bound
MAX_BLOCKS = 64  # per level, in imported weights
MAX_NOISE = 172.0  # of -log(alpha_bar): sqrt(alpha_bar), by which samplers divide, is still a float32

Beta = Annotated[float, Range(1e-6, 0.5)]  # an end of the linear noise schedule


class Diffusion(Model):
    """Denoising diffusion model: x_t ~ q(x_t | x_0) is noised, and the network learns to separate image and noise.

    schedule, times, betas: noise schedule, its number of steps, and the ends of a linear one; see `Schedule`.
    predicts: target of the network: the noise ("epsilon"), the image ("x_0"), or v, of the same scale at all times.
    learned_variance: predict the variance of p(x_{t-1} | x_t) too, trained by the variational bound.
    important: importance sampling of training times, by their part of the bound.
    The other arguments are those of `DenoisingUNet`.
    """

    slow, preview = True, {"steps": 8}
    bound = True
    optional = {"judge": "classifier_guidance"}

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        widths: Sequence[int],
        blocks: int = 2,
        attention: Collection[int] = (),
        classes: int = 0,
        fold: int = 1,
        groups: int = 32,
        schedule: Literal["linear", "cosine"] = "cosine",
        times: int = 1000,
        predicts: Predicts = "v",
        learned_variance: bool = False,
        important: bool = False,
        betas: tuple[float, float] | None = None,
        **network: Any,
    ):
        super().__init__()
        self.image_shape, self.classes = image_shape, classes
        self.predicts, self.learned_variance = predicts, learned_variance
        self.schedule = Schedule(schedule, times, betas)
        channels = image_shape[0]
        outputs = 2 * channels if learned_variance else channels
        self.network = DenoisingUNet(channels, widths, blocks, attention, outputs, classes, fold, groups, **network)
        self.important = ImportantTimes(times) if important else None

    # verbs

    def sample(
        self,
        noise: Noise,
        *,
        label: Label = ANY,
        steps: Steps = 20,
        sampler: Sampler = "dpm-solver++",
        guidance: Guidance = 1.5,
        rescale: Rescale = 0.0,
        eta: Eta = 0.0,
        classifier_guidance: ByClassifier = 0.0,
    ) -> Iterator[Frame]:
        """Images from noise: frames of the estimate of x_0, with x_t and the estimate of the noise."""
        x = noise.normal(*self.image_shape)
        yield from self.denoise_from(x, self.schedule.steps - 1, noise, label=label, steps=steps, sampler=sampler,
                              guidance=guidance, rescale=rescale, eta=eta,
                              classifier_guidance=classifier_guidance)  # fmt: skip

    def img2img(
        self,
        images: Tensor,
        noise: Noise,
        *,
        mask: Tensor | None = None,
        strength: Strength = 0.6,
        start: StartNoise = DRAWN,
        label: Label = ANY,
        steps: Steps = 20,
        sampler: Sampler = "dpm-solver++",
        guidance: Guidance = 1.5,
        rescale: Rescale = 0.0,
        eta: Eta = 0.0,
    ) -> Iterator[Frame]:
        """Img2img (SDEdit, Meng et al. 2021, arXiv:2108.01073): noise images as far as `strength`, then denoise them.

        mask: (n, 1, h, w), 1 where the image is generated; the rest is kept (inpainting).
        start: noise from the seed, or by DDIM inversion of the images.
        """
        eps, last, shown = noise.normal(*self.image_shape), round(strength * self.schedule.steps) - 1, 0
        if last == CLEAN:
            yield Frame(images, 0, 0, CLEAN, {"x_t": images, "noise": torch.zeros_like(images)})
            return
        x = self.schedule.add_noise(images, eps, last)
        if start == FOUND:
            for frame in self.invert(images, self.schedule.times(steps, last)):
                yield replace(frame, steps=2 * frame.steps)
            x, shown = frame.extra["x_t"], frame.steps
        denoised = self.denoise_from(x, last, noise, known=images, mask=mask, label=label, steps=steps, sampler=sampler,
                              guidance=guidance, rescale=rescale, eta=eta)  # fmt: skip
        for frame in denoised:
            if shown == 0 or frame.step:  # the last frame of the inversion is the first of these
                yield replace(frame, step=shown + frame.step, steps=shown + frame.steps)

    def invert(self, images: Tensor, times: Sequence[int]) -> Iterator[Frame]:
        """Unconditional DDIM inversion of images to noise; `times` descend."""
        none = torch.full((len(images),), self.classes, device=images.device) if self.classes else None
        yield from frames(inverted(self._denoiser(none), self.schedule, images, times), len(times))

    def denoise_from(
        self,
        x: Tensor,
        time: int,
        noise: Noise,
        *,
        known: Tensor | None = None,
        mask: Tensor | None = None,
        label: Label = ANY,
        steps: Steps = 20,
        sampler: Sampler = "dpm-solver++",
        guidance: Guidance = 1.5,
        rescale: Rescale = 0.0,
        eta: Eta = 0.0,
        classifier_guidance: ByClassifier = 0.0,
    ) -> Iterator[Frame]:
        """Denoise x_t (n, c, h, w) from `time` in `steps` steps; `sample` and `img2img` end in it."""
        denoise = self.denoiser(self._labels(noise, label), guidance, rescale, classifier_guidance)
        if mask is not None:
            denoise = inpainting(denoise, self.schedule, known, mask)
        times = self.schedule.times(steps, time)
        yield from frames(SAMPLERS[sampler](denoise, self.schedule, x, times, noise, eta), len(times))

    # the interface to samplers

    def denoiser(
        self, labels: Tensor | None, guidance: float = 1.0, rescale: float = 0.0, by_judge: float = 0.0
    ) -> Denoise:
        """`denoise(x, t)` conditioned on labels (n,), with guidance; label `classes` is that of no class."""
        denoise = self._denoiser(labels)
        if self.classes and guidance == 0:
            denoise = self._denoiser(torch.full_like(labels, self.classes))
        elif self.classes and guidance != 1 and bool((labels < self.classes).any()):
            both = torch.cat([labels, torch.full_like(labels, self.classes)])
            denoise = classifier_free(self._denoiser(both), self.schedule, guidance, rescale)
        if by_judge:
            denoise = by_classifier(denoise, self.schedule, self._likelihood(labels), by_judge)
        return clipped(denoise, self.schedule)

    def _denoiser(self, labels: Tensor | None) -> Denoise:
        def denoise(x: Tensor, t: int) -> Denoised:
            times = torch.full((len(x),), t, device=x.device)
            x_0, width = self._read(self.network(x, times, labels), x, self.schedule.signal(t), self.schedule.noise(t))
            return self.schedule.denoised(x, x_0, t, width)

        return denoise

    def _read(
        self, output: Tensor, x: Tensor, signal: Tensor | float, noise: Tensor | float
    ) -> tuple[Tensor, Tensor | None]:
        """Estimates in float32 from the network's output: x_0, and the learned variance between its bounds, 0 and 1."""
        output, width = output.float(), None
        if self.learned_variance:
            output, width = output.chunk(2, 1)
            width = (width + 1) / 2
        return denoising.clean(self.predicts, output, x, signal, noise), width

    def _labels(self, noise: Noise, label: str) -> Tensor | None:
        return labels_for(self, noise, label) if self.classes else None

    def _likelihood(self, labels: Tensor | None) -> Callable[[Tensor], Tensor]:
        """log p(label | image) (n,) of the classifier. Raises ValueError without a classifier of the same classes."""
        if "judge" not in self.companions or labels is None:
            raise Refusal(
                "classifier guidance needs a classifier of the same pictures, and there is none here",
                "le guidage par classifieur demande un classifieur des mêmes images, et il n’y en a pas ici",
            )
        if bool((labels == self.classes).any()):
            raise Refusal(
                "classifier guidance needs a class to be asked for",
                "le guidage par classifieur demande une classe à suivre",
            )
        judge = self.companion("judge")
        if judge.class_names and tuple(judge.class_names) != tuple(self.class_names):
            raise Refusal(
                "classifier guidance needs a classifier of the same classes, and this one knows others",
                "le guidage par classifieur demande un classifieur des mêmes classes, et celui-ci en connaît d’autres",
            )
        return lambda x: judge.classify(x).float().log_softmax(1).gather(1, labels[:, None]).squeeze(1)

    # training

    def losses(self, batch: Batch, progress: Progress) -> Iterator[tuple[str, dict[str, Tensor]]]:
        x_0, n = batch.images, len(batch)
        labels = drop_labels(self, batch) if self.classes else None
        if self.important is not None and self.training:
            times, weight = self.important.sample(n)
        else:
            times = torch.randint(self.schedule.steps, (n,), device=x_0.device)
            weight = torch.ones(n, device=x_0.device)
        eps = torch.randn_like(x_0)
        signal, noise = self.schedule.at(times)
        x = signal * x_0 + noise * eps
        output = self.network(x, times, labels).float()
        mean_part = output.chunk(2, 1)[0] if self.learned_variance else output
        each = denoising.simple(mean_part, denoising.target(self.predicts, x_0, eps, signal, noise))
        terms = {"denoising": (weight * each).mean()}
        if self.learned_variance or self.important is not None:
            stopped = torch.cat([mean_part.detach(), output[:, mean_part.shape[1] :]], 1)  # no gradient in the mean
            bound = self._bound(stopped, x, x_0, times) / x_0[0].numel()
        if self.important is not None and self.training:
            self.important.note(times, bound.detach())
        if self.learned_variance:
            terms["bound"] = HYBRID * self.schedule.steps * (weight * bound).mean()
        yield "model", terms

    # the variational bound

    def nats(self, images: Tensor) -> Tensor:
        """Variational bound (n,) on -log p(images), unconditional (Ho et al. 2020, equation 5): a stratified estimate.

        The discrete decoder term is always computed, and one time in each of `STRATA` ranges stands for its range.
        """
        steps, n, device = self.schedule.steps, len(images), images.device
        bounds = torch.linspace(1, steps, STRATA + 1).round().long().tolist()
        found = self.nats_of_prior(images) + self.nats_at(images, torch.zeros(n, dtype=torch.long, device=device))
        for low, high in pairwise(bounds):
            found = found + (high - low) * self.nats_at(images, torch.randint(low, high, (n,), device=device))
        return found

    def nats_at(self, images: Tensor, times: Tensor, labels: Tensor | None = None) -> Tensor:
        """Term (n,) of the bound at `times` (n,). The terms of all times and `nats_of_prior` add up to the bound."""
        signal, noise = self.schedule.at(times)
        x = signal * images + noise * torch.randn_like(images)
        return self._bound(self.network(x, times, labels).float(), x, images, times)

    def nats_of_prior(self, images: Tensor) -> Tensor:
        """KL(q(x_T | x_0) || N(0, I)), (n,): the information about the image at the last time."""
        last = self.schedule.steps - 1
        signal, variance = self.schedule.signal(last), 1 - self.schedule.alpha_bar(last)
        zero = images.new_zeros(())
        each = denoising.kl_normal(signal * images, zero + math.log(variance), zero, zero)
        return each.flatten(1).sum(1)

    def _bound(self, output: Tensor, x: Tensor, x_0: Tensor, times: Tensor) -> Tensor:
        """KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), (n,) in nats; at t = 0 -log p of the grey levels."""
        alpha_bar = torch.cat([self.schedule.alpha_bars, torch.ones(1, dtype=torch.float64)]).to(
            x.device, torch.float32
        )
        now, before = (alpha_bar[t].view(-1, 1, 1, 1) for t in (times, times - 1))  # -1 is the 1 at the end
        alpha = now / before
        low = ((1 - before) / (1 - now) * (1 - alpha)).log()  # log beta_tilde
        # At t = 0 the posterior variance is 0: DDPM takes that of t = 1.
        second = math.log(self.schedule.posterior_variance(1, 0))
        low, high = torch.where(times.view(-1, 1, 1, 1) == 0, second, low), (1 - alpha).log()
        estimate, width = self._read(output, x, now.sqrt(), (1 - now).sqrt())
        # The means of q(x_{t-1} | x_t, x_0), DDPM's equation 7, for the estimate of x_0 and for x_0.
        of_x_0, of_x = before.sqrt() * (1 - alpha) / (1 - now), alpha.sqrt() * (1 - before) / (1 - now)
        mean, truth = (of_x_0 * image + of_x * x for image in (estimate.clamp(-1, 1), x_0))
        log_variance = low if width is None else width * high + (1 - width) * low
        kl = denoising.kl_normal(truth, low, mean, log_variance)
        last = -denoising.log_grey_level(x_0, mean, log_variance)
        return torch.where(times.view(-1, 1, 1, 1) == 0, last, kl).flatten(1).sum(1)


def frames(states: Iterator[State], steps: int) -> Iterator[Frame]:
    """Frames of a sampler's states: the estimates of x_0; last, the sample."""
    for step, (time, x, denoised) in enumerate(states):
        yield Frame(x if time == CLEAN else denoised.x_0, step, steps, time, {"x_t": x, "noise": denoised.eps})


@system(
    title=Text("Diffusion · handwritten digits · 28 px", "Diffusion · chiffres manuscrits · 28 px"),
    data="mnist",
    recipe=Recipe(images=400_000, batch=64, rate=1e-3, warmup=20_000, ema=0.999, clip=1.0),
    companions={"judge": "classifier_mnist"},
)
def ddpm_mnist() -> Diffusion:
    """A class-conditional diffusion model of digits, with a cosine schedule."""
    return Diffusion((1, 28, 28), widths=(64, 128), blocks=1, attention=(1,), classes=10, fold=2)


@system(
    title=Text("Diffusion · cartoon faces · 64 px", "Diffusion · visages dessinés · 64 px"),
    data="avatars",
    recipe=Recipe(images=800_000, batch=32, rate=8e-4, warmup=20_000, ema=0.9995, clip=1.0),
    companions={"judge": "classifier_avatars"},
)
def ddpm_avatars() -> Diffusion:
    """A diffusion model of cartoon faces; its class is the drawing style."""
    return Diffusion((3, 64, 64), widths=(32, 128, 128), blocks=1, attention=(2,), classes=8, fold=2, groups=8)


@system(
    title=Text("A diffusion U-Net", "Un U-Net de diffusion"),
    data="avatars",
    recipe=Recipe(images=800_000, batch=32, rate=8e-4, warmup=20_000, ema=0.9995, clip=1.0),
    companions={"judge": "classifier_avatars"},
)
def unet_diffusion(
    size: int = 64,
    channels: int = 3,
    widths: tuple[int, ...] = (8, 32, 64, 64),
    blocks: int = 1,
    attention: tuple[int, ...] = (3,),
    conditional: bool = True,  # else `classes` has no effect
    classes: int = 8,
    groups: int = 4,
    head: int = 0,  # channels per attention head; 0 for a single head
    norm_eps: Annotated[float, Range(1e-12, 0.1)] = 1e-5,
    centred: bool = True,
    full_range: bool = True,
    schedule: Literal["linear", "cosine"] = "cosine",
    times: int = 1000,
    beta_start: Beta = 1e-4,
    beta_end: Beta = 0.02,
    predicts: Predicts = "v",
    learned_variance: bool = False,
) -> Diffusion:
    """A diffusion model of free hyperparameters, for imported weights."""
    if size % 2 ** (len(widths) - 1):
        raise ValueError(f"a side of {size} pixels is not halved {len(widths) - 1} times")
    if blocks > MAX_BLOCKS:
        raise ValueError(f"{blocks} blocks a level are too many: at most {MAX_BLOCKS}")
    bound = -times * (math.log1p(-beta_start) + math.log1p(-beta_end)) / 2  # of -log(alpha_bar) at the end
    if schedule == "linear" and bound > MAX_NOISE:
        raise ValueError(f"betas from {beta_start} to {beta_end} over {times} steps leave nothing of an image")
    network = {"head": head or None, "epsilon": norm_eps, "centred": centred, "full_range": full_range}
    return Diffusion(
        (channels, size, size), widths, blocks, attention, classes if conditional else 0, 1, groups, schedule, times,
        predicts, learned_variance, betas=(beta_start, beta_end), **network,
    )  # fmt: skip
