"""Samplers of diffusion models, from noise to an image in steps.

A sampler is a generator over `denoise(x, t)`, the estimate of the clean image; all have one signature:

    sampler(denoise, schedule, x, times, noise, eta) -> the state at each of `times`, and last the sample

Guidance and inpainting are no samplers: they wrap `denoise`, and so work with every sampler. Samplers compute in
float32, whatever the precision of the network.
"""

from __future__ import annotations

from genstudio.samplers.ddim import ddim
from genstudio.samplers.ddpm import ddpm
from genstudio.samplers.dpm_solver import dpm_solver

SAMPLERS = {"dpm-solver++": dpm_solver, "ddim": ddim, "ddpm": ddpm}
