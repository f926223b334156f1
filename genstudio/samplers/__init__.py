"""Iterative sampling: from noise to a picture, step by step.

A sampler is a generator over `denoise(x, t)`, which says what the clean picture may be; all have one signature:

    sampler(denoise, schedule, x, times, noise, eta) -> the state at each of `times`, and last the picture

Guidance and inpainting are no samplers: they wrap `denoise`, and so go with every one. Solvers compute in float32, whatever
the network computes in.
"""

from __future__ import annotations

from genstudio.samplers.ddim import ddim
from genstudio.samplers.ddpm import ddpm
from genstudio.samplers.dpm_solver import dpm_solver

SAMPLERS = {"dpm-solver++": dpm_solver, "ddim": ddim, "ddpm": ddpm}
